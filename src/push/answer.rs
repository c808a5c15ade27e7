//! Reading an HTTP answer: from status, headers and body to a [`Delivery`].

use std::time::Duration;

use jiff::Timestamp;

use super::{Delivery, Parcel, Problem, Proof, Receipt, Why, legible};

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
        match self.status {
            200 | 201 => match self.receipt(parcel) {
                Ok(receipt) => Delivery::Receipted(receipt),
                Err(why) => self.transient(why, now),
            },
            202 => Delivery::Accepted { poll: self.location.clone(), retry_after: self.pause(now) },
            _ => self.refusal(now),
        }
    }

    /// What it means that the answer is not the success that was hoped for.
    pub fn refusal(&self, now: Timestamp) -> Delivery {
        let said = self.problem_json().unwrap_or_default();
        // Problem types are URIs; the last part is the name, whoever made the rest.
        let name = said.kind.as_deref().and_then(|kind| kind.rsplit(['/', ':', '#']).next()).unwrap_or_default();
        let problem = Problem {
            status: self.status,
            kind: said.kind.as_deref().map(legible),
            title: said.title.as_deref().map(legible),
            detail: said.detail.as_deref().map(legible),
        };
        match (self.status, name) {
            (400..=499, "clock-skew") => self.transient(Why::ClockSkew(problem), now),
            (300..=399, _) => self.transient(Why::Redirected(self.location.as_deref().map(legible)), now),
            (401, _) => Delivery::Unauthorised { problem, credentials: None, proof: Proof::Token },
            (403, "not-participating") | (451, _) => Delivery::NotParticipating { problem },
            (403, _) => Delivery::Forbidden { problem },
            (404 | 410, _) => Delivery::Gone { problem },
            (407, _) => self.transient(Why::Proxy(problem.to_string()), now),
            (409 | 412, _) => {
                let held_sha256 = said.held_sha256.filter(|sha256| is_sha256(sha256));
                Delivery::Stale { problem, held_revision: said.held_revision, held_sha256 }
            }
            // The document was harmed on its way; as it is here it is still good.
            (400, "body-incomplete" | "digest-mismatch") => self.transient(Why::Refused(problem), now),
            // Busy or broken.
            (408 | 425 | 429 | 500..=599, _) => self.transient(Why::Refused(problem), now),
            // The way of asking is refused, not the document: an address, a front server or a proxy is to be put right.
            (405 | 411 | 414 | 417 | 421 | 426 | 428 | 431, _) => self.transient(Why::Refused(problem), now),
            (400..=499, _) => Delivery::Parked { problem },
            _ => self.transient(Why::NotAReceipt(format!("status {}", self.status)), now),
        }
    }

    fn transient(&self, why: Why, now: Timestamp) -> Delivery {
        Delivery::Transient { why, retry_after: self.pause(now), status: Some(self.status) }
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

/// An HTTP-date (RFC 9110, 5.6.7): the form that is to be sent, or one of the two old ones that are to be understood.
pub fn http_date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let old = |format| {
        let civil = jiff::fmt::strtime::parse(format, text).ok()?.to_datetime().ok()?;
        civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    };
    let usual = jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp());
    usual.or_else(|| old("%A, %d-%b-%y %H:%M:%S GMT")).or_else(|| old("%a %b %e %H:%M:%S %Y"))
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
            Delivery::Accepted { .. } => "accepted",
            Delivery::Unauthorised { .. } => "unauthorised",
            Delivery::Forbidden { .. } => "forbidden",
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
            (202, "accepted"),
            (204, "transient"),
            (206, "transient"),
            (302, "transient"),
            (304, "transient"),
            (400, "parked"),
            (401, "unauthorised"),
            (402, "parked"),
            (403, "forbidden"),
            (404, "gone"),
            (405, "transient"),
            (406, "parked"),
            (407, "transient"),
            (408, "transient"),
            (409, "stale"),
            (410, "gone"),
            (411, "transient"),
            (412, "stale"),
            (413, "parked"),
            (414, "transient"),
            (415, "parked"),
            (416, "parked"),
            (417, "transient"),
            (418, "parked"),
            (421, "transient"),
            (422, "parked"),
            (423, "parked"),
            (424, "parked"),
            (425, "transient"),
            (426, "transient"),
            (428, "transient"),
            (429, "transient"),
            (431, "transient"),
            (451, "not participating"),
            (500, "transient"),
            (501, "transient"),
            (502, "transient"),
            (503, "transient"),
            (504, "transient"),
            (511, "transient"),
            (600, "transient"),
        ] {
            assert_eq!(kind(status, "{}"), meaning, "{status}");
        }
        assert_eq!(kind(403, r#"{"type":"urn:smdr-feed:problem:not-participating"}"#), "not participating");
        assert_eq!(kind(403, r#"{"type":"https://supplier.example/problems/not-participating"}"#), "not participating");
        assert_eq!(kind(403, r#"{"type":"urn:x:problem:other"}"#), "forbidden");
        for name in ["body-incomplete", "digest-mismatch", "clock-skew"] {
            assert_eq!(kind(400, &format!(r#"{{"type":"urn:smdr-feed:problem:{name}"}}"#)), "transient", "{name}");
        }
        assert_eq!(kind(400, r#"{"type":"urn:smdr-feed:problem:not-json"}"#), "parked");
        assert_eq!(kind(401, r#"{"type":"https://supplier.example/problems#clock-skew"}"#), "transient");
    }

    #[test]
    fn a_broken_server_is_asked_less_often_than_a_busy_one() {
        let tries = |status| answer(status, "text/plain", "").meaning(&parcel(), now()).tries_a_night();
        assert_eq!([500, 501, 503, 429, 202, 200, 405].map(tries), [3, 3, 12, 12, 1, 3, 3]);
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
        assert_eq!(pause("Saturday, 21-Nov-26 00:43:07 GMT", None), seconds(120));
        assert_eq!(pause("Sat Nov 21 00:43:07 2026", None), seconds(120));
        assert_eq!(http_date("Sun Nov  6 08:49:37 1994"), http_date("Sun, 06 Nov 1994 08:49:37 GMT"));
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
