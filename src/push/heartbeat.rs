//! The sign of life that a box gives once a day, calls or none: how it is, and nothing of anybody.

use jiff::Timestamp;
use serde::Serialize;

/// The schema this crate writes.
pub const SCHEMA: &str = "smdrd.heartbeat/1";

/// What is said. Counts of days and links, the version and the time: no figure of a call, no name of a source.
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
