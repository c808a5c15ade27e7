//! What an answer means for the parcel that was sent.

use std::time::Duration;

use super::Receipt;
use super::backoff::TRIES_A_NIGHT;

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
    /// The supplier has taken the document in and not yet judged it (202). No receipt, so nothing is settled.
    Accepted {
        /// Where it says how the judging went (`Location`), if it does.
        poll: Option<String>,
        /// How long the server asked to wait.
        retry_after: Option<Duration>,
    },
    /// The credentials are refused, newly read ones included; an alarm.
    Unauthorised {
        /// What the supplier says.
        problem: Problem,
        /// Why the credentials could not be read again, if that was tried and failed.
        credentials: Option<String>,
        /// What they are.
        proof: Proof,
    },
    /// These credentials may not send for the practice, for a reason that is not its participation; an alarm.
    Forbidden {
        /// What the supplier says.
        problem: Problem,
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

/// By what a box is known to the supplier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// A bearer token.
    Token,
    /// A signature with the box's own key.
    Key,
    /// A certificate, shown when the connection is made.
    Certificate,
}

impl Proof {
    /// In words.
    pub fn word(self) -> &'static str {
        match self {
            Proof::Token => "token",
            Proof::Key => "device key",
            Proof::Certificate => "client certificate",
        }
    }

    /// What to do when the supplier does not take it; of a token its file says enough.
    pub fn remedy(self) -> Option<&'static str> {
        match self {
            Proof::Token => None,
            Proof::Key => Some("ask the supplier for a one-time code and run smdrd enrol; no day is lost"),
            Proof::Certificate => {
                Some("ask the supplier whether it knows this box by its certificate, or for a new one; no day is lost")
            }
        }
    }
}

/// Whom a result concerns, and so what else is not worth trying now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// This document and no other.
    Document,
    /// Every document of the practice.
    Practice,
    /// Whatever is sent to this supplier.
    Supplier,
}

impl Delivery {
    /// How many tries a night such a result allows, the first included; the windows of the day come after them.
    pub fn tries_a_night(&self) -> u32 {
        match self {
            Delivery::Transient { status: Some(408 | 425 | 429 | 502 | 503 | 504) | None, .. } => TRIES_A_NIGHT,
            Delivery::Transient { .. } => TRIES_OF_A_BROKEN_SERVER,
            _ => 1,
        }
    }

    /// Whom it concerns.
    pub fn concern(&self) -> Concern {
        match self {
            Delivery::Transient { .. } | Delivery::Unauthorised { .. } => Concern::Supplier,
            Delivery::NotParticipating { .. } | Delivery::Forbidden { .. } | Delivery::Gone { .. } => Concern::Practice,
            Delivery::Receipted(_) | Delivery::Accepted { .. } | Delivery::Parked { .. } | Delivery::Stale { .. } => {
                Concern::Document
            }
        }
    }

    /// Whether the failure may lie in this very document: the next try is then made with another one, so that none
    /// keeps all others back.
    pub fn may_be_the_document(&self) -> bool {
        matches!(self, Delivery::Transient { status: Some(_), .. }) && self.tries_a_night() < TRIES_A_NIGHT
    }

    /// What the supplier says, or what came in between, for who asked it something other than to take a day.
    pub fn plainly(&self) -> String {
        match self {
            Delivery::Parked { problem }
            | Delivery::Unauthorised { problem, .. }
            | Delivery::Forbidden { problem }
            | Delivery::NotParticipating { problem }
            | Delivery::Gone { problem }
            | Delivery::Stale { problem, .. } => match (&problem.title, &problem.detail) {
                (Some(title), Some(detail)) => format!("{title}: {detail}"),
                _ => format!("the supplier says no ({problem})"),
            },
            other => other.said().unwrap_or_default(),
        }
    }

    /// What is said of it in the log and in the status; nothing for a receipt.
    pub fn said(&self) -> Option<String> {
        Some(match self {
            Delivery::Receipted(_) => return None,
            Delivery::Transient { why, .. } => why.to_string(),
            Delivery::Accepted { .. } => "the supplier has taken the document but not yet judged it".to_owned(),
            Delivery::Parked { problem } => format!("the supplier refuses it: {problem}"),
            Delivery::Unauthorised { problem, credentials, proof } => {
                let file = credentials.as_deref().map(|text| format!("; {text}")).unwrap_or_default();
                let remedy = proof.remedy().filter(|_| file.is_empty()).map(|text| format!("; {text}"));
                let remedy = remedy.unwrap_or_default();
                format!("the supplier refuses the {}: {problem}{remedy}{file}", proof.word())
            }
            Delivery::Forbidden { problem } => format!("the token is not good for the practice: {problem}"),
            Delivery::NotParticipating { problem } => {
                format!("the practice takes no part at the supplier: {problem}")
            }
            Delivery::Gone { problem } => format!("the supplier does not know the practice: {problem}"),
            Delivery::Stale { problem, .. } => format!("the supplier holds another document of the day: {problem}"),
        })
    }
}

/// Why nothing is settled. Each is a situation of its own, for a log line and the status page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// No connection.
    #[error("no connection to the supplier ({0}); look at the network, the name and the firewall")]
    NoConnection(String),
    /// The name cannot be resolved.
    #[error("the supplier's name cannot be found ({0}); look at the name in the URL and at this network's DNS")]
    UnknownName(String),
    /// The proxy of the configuration does not pass the connection on.
    #[error("the proxy does not let this box through ({0}); look at supplier.proxy and its credentials")]
    Proxy(String),
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
    /// The supplier ends the connection for the certificate that this box shows.
    #[error(
        "the supplier does not take this box's certificate ({0}); ask it whether the certificate is of its authority and in \
         force, or for a new one; no day is lost"
    )]
    CertificateRefused(String),
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
    /// An answer that should have been the supplier's list of days.
    #[error("the supplier's list of days cannot be believed ({0}); nothing is done by it")]
    NotAManifest(String),
    /// The supplier will not talk to a box whose clock is so wrong.
    #[error("the supplier refuses this box for its clock: {0}; set the clock (timedatectl)")]
    ClockSkew(Problem),
    /// The server cannot now.
    #[error("the supplier does not take it now: {0}")]
    Refused(Problem),
}

/// What the supplier says went wrong (RFC 9457). Its text has been through [`super::legible()`].
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

impl Why {
    /// Whether the box's own clock is the likely cause.
    pub fn is_clock(&self) -> bool {
        matches!(self, Why::CertificateNotYetValid | Why::ClockSkew(_))
    }
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
