//! Numbers that a PBX gives its records or its calls, and that begin again: the types a dialect file says them with.

use serde::Deserialize;

/// The running number that the PBX gives every record.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct SequenceFile {
    pub field: String,
    /// The first number after the last, and after a start.
    #[serde(default)]
    pub first: u32,
    /// The last before it begins again, where that is known.
    pub last: Option<u32>,
}

/// How a call id that starts again is recognised.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RestartFile {
    /// The id a restart begins with.
    pub floor: u64,
    /// An id less than this above the floor, and later than all before by `quiet_s`, is a restart.
    pub near: u64,
    /// An id this far below the highest is a restart whatever the clock says.
    pub far: u64,
    /// Seconds a restart takes at least.
    pub quiet_s: u32,
}
