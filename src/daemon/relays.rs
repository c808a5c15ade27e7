//! What is kept of relays: a row of the audit when one begins and when it could not repeat everything, and how each is.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::desk::Desk;
use super::keeper::Event;
use crate::source::RelayNews;

/// How a relay is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayStatus {
    /// To whom, for a person.
    pub to: String,
    /// Whether the logger is there. A cable does not tell: there it is whether the port is open.
    pub up: bool,
    /// Why it is not, in one word.
    pub cause: Option<String>,
    /// Bytes that were not repeated since the daemon was started.
    pub dropped: u64,
}

/// The relays, by the number of their source.
pub type Relays = BTreeMap<u16, RelayStatus>;

/// Takes up what happened at the relay of the source called `name`.
pub(super) async fn happened(desk: &Desk, name: &str, source: u16, at: Timestamp, news: RelayNews) {
    match &news {
        RelayNews::Began { to } => {
            tracing::info!(source = name, to, "what this source receives is repeated");
            let what = format!("relay of source {name:?} began: what it receives is repeated to {to}");
            desk.tell(Event::Audit(at, what)).await;
        }
        RelayNews::Up { what } => tracing::info!(source = name, what, "logger up"),
        RelayNews::Down { cause } => tracing::warn!(source = name, %cause, "logger down"),
        RelayNews::Waiting { cause } => tracing::warn!(source = name, %cause, "no logger yet"),
        RelayNews::Dropped { bytes } => {
            tracing::warn!(source = name, bytes, "not repeated: the logger was slow or away");
            let what =
                format!("relay of source {name:?}: {bytes} bytes were not repeated, the logger was slow or away");
            desk.tell(Event::Audit(at, what)).await;
        }
    }
    desk.with(move |keeper| note(keeper.relays.entry(source).or_default(), news)).await;
}

fn note(relay: &mut RelayStatus, news: RelayNews) {
    match news {
        RelayNews::Began { to } => relay.to = to,
        RelayNews::Up { .. } => (relay.up, relay.cause) = (true, None),
        RelayNews::Down { cause } | RelayNews::Waiting { cause } => {
            (relay.up, relay.cause) = (false, Some(cause.code().to_owned()));
        }
        RelayNews::Dropped { bytes } => relay.dropped += bytes,
    }
}
