//! A first question to the supplier: which days does it hold of this practice? None, and that is the right answer.

use std::path::Path;
use std::sync::Arc;

use jiff::ToSpan as _;

use super::write::Draft;
use crate::clock::Clock;
use crate::push::{Client, Delivery, Held, Route, SKEW_WORTH_TELLING_S, Why};

/// What the supplier said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It knows box and practice. With a remark on the clock, where it is wrong.
    Good {
        /// Days it holds already.
        days: usize,
        /// What is to be said of the box's clock.
        clock: Option<String>,
    },
    /// It knows the key that the box made.
    Enrolled,
    /// It does not work, and what to do.
    Bad(String),
}

/// Whether `text` could be a token.
pub(super) fn token_fault(text: &str) -> Option<String> {
    Held::new(text).err().map(|reason| format!("the token {reason}; it is one word, as the supplier gave it"))
}

/// Asks. Nothing is changed at the supplier's.
pub(super) fn ask(draft: &Draft, token: &str) -> Answer {
    let Some(supplier) = &draft.supplier else { return Answer::Bad("no supplier is set".to_owned()) };
    let route = Route {
        url: &supplier.url,
        ca_file: supplier.ca_file.as_deref().map(Path::new),
        proxy: supplier.proxy.as_deref(),
        proxy_credentials: None,
    };
    let made = Held::new(token)
        .map_err(|reason| format!("the token {reason}"))
        .and_then(|held| Client::new(&route, Arc::new(held), Clock::system()).map_err(|error| error.to_string()));
    let client = match made {
        Ok(client) => client,
        Err(reason) => return Answer::Bad(reason),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Answer::Bad(error.to_string()),
    };
    let today = jiff::Zoned::now().date();
    let from = today.saturating_sub(45.days());
    let listed = runtime.block_on(client.manifest(&draft.ods, &draft.site, from, today));
    let clock = client.skew_s().and_then(clock);
    match listed {
        Ok(days) => Answer::Good { days: days.len(), clock },
        Err(delivery) => {
            let mut text = said(&delivery);
            if let Some(clock) = clock {
                text += &format!("; {clock}");
            }
            Answer::Bad(text)
        }
    }
}

/// What is to be said of a clock that is this far ahead.
fn clock(skew_s: i64) -> Option<String> {
    let way = if skew_s > 0 { "ahead of" } else { "behind" };
    (skew_s.abs() > SKEW_WORTH_TELLING_S).then(|| {
        format!(
            "this box's clock is {} s {way} the supplier's: see `timedatectl`, and let it be set by NTP",
            skew_s.abs()
        )
    })
}

/// What went wrong with what to do, where the words of `push` do not say it already.
fn said(delivery: &Delivery) -> String {
    let text = delivery.said().unwrap_or_default();
    let remedy = match delivery {
        Delivery::Unauthorised { .. } => {
            "put in the token that the supplier gave for this box, whole, or ask for a new one"
        }
        Delivery::Forbidden { .. } => {
            "look at the ODS code; else the supplier must let this token send for the practice"
        }
        Delivery::NotParticipating { .. } => "look at the ODS code; else the supplier must enrol the practice",
        Delivery::Gone { .. } => {
            "look at the URL, the ODS code and the site; else the supplier must set the practice up"
        }
        Delivery::Transient { why: Why::TimedOut | Why::Broken(_) | Why::Tls(_), .. } => {
            "look at the firewall: port 443 to the supplier must be open, and nothing may open the connection on the way"
        }
        Delivery::Transient { why: Why::Refused(_), .. } => "try again later, and ask the supplier if it stays so",
        Delivery::Transient { why: Why::NotAManifest(_) | Why::Oversized { .. }, .. } => "look at the URL",
        _ => return text,
    };
    format!("{text}; {remedy}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::Problem;

    #[test]
    fn a_refusal_says_what_to_do() {
        let problem = |status| Problem { status, kind: None, title: None, detail: None };
        for (delivery, remedy) in [
            (
                Delivery::Unauthorised { problem: problem(401), credentials: None, proof: crate::push::Proof::Token },
                "the token that the supplier gave",
            ),
            (Delivery::Forbidden { problem: problem(403) }, "ODS code"),
            (Delivery::Gone { problem: problem(404) }, "site"),
            (Delivery::NotParticipating { problem: problem(451) }, "enrol"),
            (Delivery::Transient { why: Why::TimedOut, retry_after: None, status: None }, "firewall"),
            (Delivery::Transient { why: Why::UnknownName("x".into()), retry_after: None, status: None }, "DNS"),
            (Delivery::Transient { why: Why::UntrustedAuthority, retry_after: None, status: None }, "ca-file"),
            (Delivery::Transient { why: Why::WrongName, retry_after: None, status: None }, "URL"),
        ] {
            let text = said(&delivery);
            assert!(text.contains(remedy), "{text}");
        }
    }

    #[test]
    fn a_clock_is_told_from_five_minutes_on() {
        assert_eq!((clock(0), clock(300), clock(-300)), (None, None, None));
        assert!(clock(301).unwrap().contains("301 s ahead of"));
        assert!(clock(-7200).unwrap().contains("7200 s behind"));
    }
}
