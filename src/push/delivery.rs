//! What an answer means for the parcel that was sent.

use std::time::Duration;

use jiff::Timestamp;

use super::backoff::TRIES_A_NIGHT;
use super::legible::legible;
use super::{Parcel, Receipt};

/// Tries a night when the server says that it is broken rather than busy (500, 501 and their like).
pub const TRIES_OF_A_BROKEN_SERVER: u32 = 3;

/// What became of one try.
#[derive(Debug, Clone, PartialEq)]
pub enum Delivery {
    /// The supplier holds exactly what was sent.
    Receipted(Receipt),
    /// Nothing is settled; the same bytes are to be sent again.
    Transient {
        /// What happened.
        why: Why,
        /// How long the server asked to wait.
        retry_after: Option<Duration>,
        /// Status of the answer, when there was one.
        status: Option<u16>,
    },
    /// The supplier does not take these bytes and never will. Kept, not sent again until rendered anew; an alarm.
    Parked {
        /// What the supplier says.
        problem: Problem,
    },
    /// The credentials are refused, newly read ones included; an alarm.
    Unauthorised {
        /// What the supplier says.
        problem: Problem,
        /// Why the credentials could not be read again, if that was tried and failed.
        credentials: Option<String>,
    },
    /// The practice takes no part at the supplier: stop sending for it, keep everything, ask again daily.
    NotParticipating {
        /// What the supplier says.
        problem: Problem,
    },
    /// The supplier does not know the practice (any more): an alarm; held.
    Gone {
        /// What the supplier says.
        problem: Problem,
    },
    /// The supplier holds a revision as new or newer, with other bytes: another box for the same site, or this box's
    /// past. Compare, then render anew with a higher revision.
    Stale {
        /// What the supplier says.
        problem: Problem,
        /// The newest revision it holds, if it says.
        held_revision: Option<u32>,
        /// The digest of that, if it says.
        held_sha256: Option<String>,
    },
}

impl Delivery {
    /// How many tries a night such a result allows, the first included; the windows of the day come after them.
    pub fn tries_a_night(&self) -> u32 {
        match self {
            Delivery::Transient { why: Why::Pending, .. } => 1,
            Delivery::Transient { status: Some(408 | 425 | 429 | 502 | 503 | 504) | None, .. } => TRIES_A_NIGHT,
            Delivery::Transient { .. } => TRIES_OF_A_BROKEN_SERVER,
            _ => 1,
        }
    }
}

/// Why nothing is settled. Each is a situation of its own, for a log line and the status page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// No connection.
    #[error("no connection to the supplier ({0}); look at the network, the name and the firewall")]
    NoConnection(String),
    /// The time for a try ran out.
    #[error("the supplier did not answer in time")]
    TimedOut,
    /// The connection ended before the whole answer was there: the supplier may hold the document or not.
    #[error("the connection broke before the answer was complete ({0}); the document may have arrived")]
    Broken(String),
    /// The certificate comes from elsewhere.
    #[error(
        "the supplier's certificate is signed by no authority trusted here; either `ca-file` is not the supplier's, or \
         something on the way opens the connection"
    )]
    UntrustedAuthority,
    /// The certificate has run out.
    #[error("the supplier's certificate has expired; the supplier must renew it, unless this box's clock is wrong")]
    ExpiredCertificate,
    /// The certificate does not hold yet.
    #[error("the supplier's certificate is not valid yet; this box's clock is probably wrong")]
    CertificateNotYetValid,
    /// The certificate is for another host.
    #[error("the certificate shown is for another name than the one in the supplier's URL")]
    WrongName,
    /// Some other failure of TLS.
    #[error("no secure connection to the supplier ({0})")]
    Tls(String),
    /// A redirect, which is never followed.
    #[error(
        "the address answers with a redirect{}; a captive portal or proxy may stand in the way, or the URL is wrong",
        .0.as_deref().map(|to| format!(" to {to}")).unwrap_or_default()
    )]
    Redirected(Option<String>),
    /// More was sent than any receipt can be.
    #[error("the answer is longer than {limit} bytes and was not read; this is hardly the supplier")]
    Oversized {
        /// The most that is read.
        limit: usize,
    },
    /// Success without a receipt.
    #[error("the answer says success but is no receipt ({0}); something may stand between this box and the supplier")]
    NotAReceipt(String),
    /// A receipt for something else.
    #[error("the receipt is not for what was sent: its `{field}` differs")]
    ReceiptDiffers {
        /// The first field that differs.
        field: &'static str,
    },
    /// Taken in, but not yet judged (202).
    #[error("the supplier has taken the document but not yet judged it")]
    Pending,
    /// The server cannot now.
    #[error("the supplier cannot take it now: {0}")]
    Refused(Problem),
}

/// What the supplier says went wrong (RFC 9457). Its text has been through [`legible`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// The kind, a URI; absent when the answer was not `application/problem+json`.
    pub kind: Option<String>,
    /// What kind it is, in words.
    pub title: Option<String>,
    /// This very case, in words.
    pub detail: Option<String>,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.status)?;
        for text in [&self.kind, &self.title, &self.detail].into_iter().flatten() {
            write!(f, ": {text}")?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct ProblemJson {
    kind: Option<String>,
    title: Option<String>,
    detail: Option<String>,
    held_revision: Option<u32>,
    held_sha256: Option<String>,
}

/// An answer as it came, its body whole.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub media_type: Option<String>,
    /// `Retry-After`.
    pub retry_after: Option<String>,
    /// `Date`.
    pub date: Option<String>,
    /// `Location`.
    pub location: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// What the answer means for `parcel`. `now` is what `Retry-After` is counted from when the server gives no date.
    pub fn meaning(&self, parcel: &Parcel, now: Timestamp) -> Delivery {
        let status = Some(self.status);
        let retry_after = self.pause(now);
        let transient = |why| Delivery::Transient { why, retry_after, status };
        let said = self.problem_json().unwrap_or_default();
        let not_participating =
            said.kind.as_deref().is_some_and(|kind| kind.rsplit(['/', ':']).next() == Some("not-participating"));
        let problem = Problem {
            status: self.status,
            kind: said.kind.as_deref().map(legible),
            title: said.title.as_deref().map(legible),
            detail: said.detail.as_deref().map(legible),
        };
        match self.status {
            200 | 201 => match self.receipt(parcel) {
                Ok(receipt) => Delivery::Receipted(receipt),
                Err(why) => transient(why),
            },
            202 => transient(Why::Pending),
            200..=299 => transient(Why::NotAReceipt(format!("status {}", self.status))),
            300..=399 => transient(Why::Redirected(self.location.as_deref().map(legible))),
            401 => Delivery::Unauthorised { problem, credentials: None },
            403 if not_participating => Delivery::NotParticipating { problem },
            403 => Delivery::Unauthorised { problem, credentials: None },
            404 | 410 => Delivery::Gone { problem },
            409 | 412 => {
                let held_sha256 = said.held_sha256.filter(|sha256| is_sha256(sha256));
                Delivery::Stale { problem, held_revision: said.held_revision, held_sha256 }
            }
            408 | 425 | 429 | 500..=599 => transient(Why::Refused(problem)),
            400..=499 => Delivery::Parked { problem },
            _ => transient(Why::NotAReceipt(format!("status {}", self.status))),
        }
    }

    fn receipt(&self, parcel: &Parcel) -> Result<Receipt, Why> {
        let mut receipt: Receipt = serde_json::from_slice(&self.body).map_err(|error| {
            let place = format!("line {} column {}", error.line(), error.column());
            Why::NotAReceipt(match error.classify() {
                serde_json::error::Category::Data => format!("{} at {place}", legible(&error.to_string())),
                _ => format!("not JSON at {place}"),
            })
        })?;
        if let Some(field) = receipt.difference(parcel) {
            return Err(Why::ReceiptDiffers { field });
        }
        let name = &receipt.receipt_id;
        if name.is_empty() || name.len() > 200 || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Why::NotAReceipt("its receipt_id is empty, too long or not plain ASCII".to_owned()));
        }
        receipt.server_schema = legible(&receipt.server_schema);
        receipt.warnings.truncate(20);
        receipt.warnings.iter_mut().for_each(|warning| *warning = legible(warning));
        Ok(receipt)
    }

    fn problem_json(&self) -> Option<ProblemJson> {
        let media_type = self.media_type.as_deref()?.split(';').next()?.trim();
        if !media_type.eq_ignore_ascii_case("application/problem+json") {
            return None;
        }
        // A member of another type than the RFC's is ignored, as the RFC asks.
        let value: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        let text = |name: &str| value.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
        Some(ProblemJson {
            kind: text("type"),
            title: text("title"),
            detail: text("detail"),
            held_revision: value.get("held_revision").and_then(|n| n.as_u64()).and_then(|n| u32::try_from(n).ok()),
            held_sha256: text("held_sha256"),
        })
    }

    /// `Retry-After` in either of its forms (RFC 9110, 10.2.3); one that cannot be read is none.
    fn pause(&self, now: Timestamp) -> Option<Duration> {
        let text = self.retry_after.as_deref()?.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
        }
        // Against the server's own clock where it shows it: the box's may be wrong.
        let from = self.date.as_deref().and_then(http_date).unwrap_or(now);
        Some(Duration::try_from(http_date(text)?.duration_since(from)).unwrap_or_default())
    }
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// An HTTP-date (RFC 9110, 5.6.7) in the form that is to be sent.
pub fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text.trim()).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parcel() -> Parcel {
        Parcel::new("A81001", "main", jiff::civil::date(2026, 11, 20), 1, b"{}".to_vec())
    }

    fn answer(status: u16, media_type: &str, body: &str) -> Answer {
        Answer {
            status,
            media_type: Some(media_type.to_owned()),
            retry_after: None,
            date: None,
            location: None,
            body: body.into(),
        }
    }

    fn now() -> Timestamp {
        "2026-11-21T00:41:07Z".parse().unwrap()
    }

    fn kind(status: u16, problem: &str) -> &'static str {
        match answer(status, "application/problem+json", problem).meaning(&parcel(), now()) {
            Delivery::Receipted(_) => "receipted",
            Delivery::Transient { .. } => "transient",
            Delivery::Parked { .. } => "parked",
            Delivery::Unauthorised { .. } => "unauthorised",
            Delivery::NotParticipating { .. } => "not participating",
            Delivery::Gone { .. } => "gone",
            Delivery::Stale { .. } => "stale",
        }
    }

    #[test]
    fn each_status_means_what_the_table_says() {
        for (status, meaning) in [
            (200, "transient"),
            (201, "transient"),
            (202, "transient"),
            (204, "transient"),
            (302, "transient"),
            (400, "parked"),
            (401, "unauthorised"),
            (403, "unauthorised"),
            (404, "gone"),
            (405, "parked"),
            (408, "transient"),
            (409, "stale"),
            (410, "gone"),
            (412, "stale"),
            (413, "parked"),
            (415, "parked"),
            (422, "parked"),
            (429, "transient"),
            (500, "transient"),
            (501, "transient"),
            (502, "transient"),
            (503, "transient"),
            (504, "transient"),
            (511, "transient"),
        ] {
            assert_eq!(kind(status, "{}"), meaning, "{status}");
        }
        assert_eq!(kind(403, r#"{"type":"urn:smdr-feed:problem:not-participating"}"#), "not participating");
        assert_eq!(kind(403, r#"{"type":"https://supplier.example/problems/not-participating"}"#), "not participating");
        assert_eq!(kind(403, r#"{"type":"urn:x:problem:other"}"#), "unauthorised");
    }

    #[test]
    fn a_broken_server_is_asked_less_often_than_a_busy_one() {
        let tries = |status| answer(status, "text/plain", "").meaning(&parcel(), now()).tries_a_night();
        assert_eq!([500, 501, 503, 429, 202, 200].map(tries), [3, 3, 12, 12, 1, 3]);
    }

    #[test]
    fn a_pause_is_read_in_both_forms() {
        let pause = |text: &str, date: Option<&str>| {
            Answer { retry_after: Some(text.into()), date: date.map(str::to_owned), ..answer(503, "text/plain", "") }
                .pause(now())
        };
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(pause("120", None), seconds(120));
        assert_eq!(pause("Sat, 21 Nov 2026 00:43:07 GMT", None), seconds(120));
        // The server's clock is an hour ahead of the box's; its own date says that a minute is meant.
        assert_eq!(pause("Sat, 21 Nov 2026 01:42:07 GMT", Some("Sat, 21 Nov 2026 01:41:07 GMT")), seconds(60));
        assert_eq!(pause("Fri, 20 Nov 2026 00:00:00 GMT", None), seconds(0));
        assert_eq!(pause("99999999999999999999999", None), seconds(u64::MAX));
        assert_eq!(pause("-5", None), None);
        assert_eq!(pause("soon", None), None);
    }

    #[test]
    fn what_the_supplier_says_is_made_legible() {
        let said = r#"{"type":"urn:x","title":"No","detail":"caller 01632 960123\nseen","status":9}"#;
        let Delivery::Parked { problem } =
            answer(422, "application/problem+json; charset=utf-8", said).meaning(&parcel(), now())
        else {
            panic!("422 parks")
        };
        assert_eq!(problem.to_string(), "422: urn:x: No: caller 00000 000000 seen");
        let html = answer(400, "text/html", "<p>01632960123</p>").meaning(&parcel(), now());
        let silent = Problem { status: 400, kind: None, title: None, detail: None };
        assert_eq!(html, Delivery::Parked { problem: silent });
    }

    #[test]
    fn a_stale_revision_names_what_is_held() {
        let digest = "ab".repeat(32);
        let said = format!(r#"{{"type":"urn:x","held_revision":7,"held_sha256":"{digest}"}}"#);
        match answer(409, "application/problem+json", &said).meaning(&parcel(), now()) {
            Delivery::Stale { held_revision, held_sha256, .. } => {
                assert_eq!((held_revision, held_sha256), (Some(7), Some(digest)));
            }
            other => panic!("{other:?}"),
        }
    }

    proptest! {
        #[test]
        fn no_answer_breaks_the_reading(
            status in 100_u16..1000, body: Vec<u8>, media_type in prop::option::of(".{0,40}"),
            retry_after in prop::option::of(".{0,40}"), date in prop::option::of(".{0,40}"),
        ) {
            let answer = Answer { status, media_type, retry_after, date, location: None, body };
            let is_receipt = matches!(answer.meaning(&parcel(), now()), Delivery::Receipted(_));
            prop_assert!(!is_receipt, "no bytes at random are a receipt");
        }
    }
}
