//! What a box said of itself, as far as it did: read leniently, since a box may be older or newer than this receiver.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::push::legible;

/// What it said. Nothing where it did not say, or said what cannot be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Said {
    /// Version of smdrd.
    pub version: Option<String>,
    /// Seconds by which its clock is ahead of ours.
    pub clock_ahead_s: Option<i64>,
    /// Days for which our certificate is still good, as it sees it.
    pub certificate_days: Option<i64>,
    /// How it proves who it is.
    pub auth: Option<String>,
    /// Days for which its own certificate is still good, or until it renews its key by itself.
    pub key_days: Option<i64>,
    /// Alerts that are open, by code.
    pub alerts: BTreeMap<String, u64>,
    /// Days that it could not deliver: refused, or for a practice that takes no part.
    pub days_parked: Option<u64>,
    /// Days that await the practice's approval.
    pub days_held: Option<u64>,
    /// Links to PBXs that are up.
    pub links_up: Option<u64>,
    /// Links to PBXs that there are.
    pub links: Option<u64>,
    /// What reads the PBXs' lines.
    #[serde(skip)]
    pub dialects: Vec<String>,
}

/// The most alerts and dialects that are read.
const MOST: usize = 32;
/// The most characters of a name.
const LONGEST: usize = 40;

/// A name that a box gave, fit to be shown.
pub(super) fn short(name: &str) -> String {
    legible(name).chars().take(LONGEST).collect()
}

impl Said {
    /// Reads a heartbeat.
    pub fn read(said: &Value) -> Said {
        let number = |pointer: &str| said.pointer(pointer).and_then(Value::as_i64);
        let count = |pointer: &str| said.pointer(pointer).and_then(Value::as_u64);
        let alerts = said.get("alerts").and_then(Value::as_object).into_iter().flatten();
        let dialects = said.get("dialects").and_then(Value::as_array).into_iter().flatten();
        Said {
            version: said.get("version").and_then(Value::as_str).map(short),
            clock_ahead_s: number("/clock_ahead_s"),
            certificate_days: number("/certificate_days"),
            auth: said.get("auth").and_then(Value::as_str).map(short),
            key_days: number("/key_days"),
            alerts: alerts.filter_map(|(code, count)| Some((short(code), count.as_u64()?))).take(MOST).collect(),
            days_parked: count("/days/parked"),
            days_held: count("/days/held"),
            links_up: count("/links/up"),
            links: count("/links/configured"),
            dialects: dialects.filter_map(|one| one.get("id")?.as_str()).map(short).take(MOST).collect(),
        }
    }

    /// With what the request itself said of the clock, where the body did not.
    pub(super) fn with_clock(self, skew_s: Option<i64>) -> Said {
        Said { clock_ahead_s: self.clock_ahead_s.or(skew_s), ..self }
    }
}
