//! What is to be switched on at the PBX, so that its lines show what a call needs.

use serde::Deserialize;

/// What may be missing from lines although the format can show it: any record, and what a record says.
pub const MISSING: [&str; 8] = ["calls", "inbound", "unanswered", "ring", "talk", "cli", "ddi", "transfer"];

/// A switch of the PBX, as the dialect file has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Switch {
    /// What is missing while it is off: a word of [`MISSING`].
    pub when_missing: String,
    /// What an installer does, in the PBX's own words.
    #[serde(rename = "do")]
    pub remedy: String,
}
