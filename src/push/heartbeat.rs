//! The sign of life that a box gives once a day, calls or none: how it is, and nothing of anybody.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

/// The schema this crate writes.
pub const SCHEMA: &str = "smdrd.heartbeat/1";

/// What is said. Counts of days and links, what was observed, what is wrong, versions and times: no figure of a call, no
/// name of a source or practice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Heartbeat {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// Version of smdrd.
    pub version: &'static str,
    /// The box's own time.
    pub at: Timestamp,
    /// Days that are closed, and where they stand.
    pub days: Days,
    /// Links to PBXs.
    pub links: Links,
    /// What of yesterday was observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yesterday: Option<Yesterday>,
    /// Seconds by which the box's clock is ahead of the supplier's, where it was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_ahead_s: Option<i64>,
    /// What the PBXs' lines are read by, each once.
    pub dialects: Vec<Dialect>,
    /// Alerts that are open, by code (`docs/alerts.md`).
    pub alerts: BTreeMap<&'static str, u64>,
    /// Days for which the supplier's certificate is still good, as this box sees it; absent where it has seen none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_days: Option<i64>,
    /// How the box proves who it is: `bearer`, `signature`, `mtls`.
    pub auth: &'static str,
    /// Days for which its own certificate is still good, or until it renews its key by itself: below 0 where that is overdue.
    /// Absent for a token, and where nothing can be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_days: Option<i64>,
}

/// What of a day was observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Yesterday {
    /// The civil day.
    pub date: Date,
    /// Seconds that were observed; with several practices, of the one that was observed least.
    pub observed_s: u64,
    /// Seconds that it has.
    pub length_s: u64,
    /// Lines that were not understood, of ten thousand; absent where there was no line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unparsed_per_10000: Option<u64>,
}

/// What lines are read by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Dialect {
    /// The dialect's name.
    pub id: String,
    /// The state of the site's own file; absent for the one that is shipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
}

/// Closed days: `closed = receipted + pending + parked + held`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Days {
    /// All of them.
    pub closed: u64,
    /// With a receipt that matches.
    pub receipted: u64,
    /// To be sent.
    pub pending: u64,
    /// Refused, or for a practice that takes no part.
    pub parked: u64,
    /// Awaiting approval.
    pub held: u64,
}

/// Links to PBXs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Links {
    /// That are configured.
    pub configured: u64,
    /// That are up.
    pub up: u64,
}
