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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use crate::dialect::Dialect;

    #[test]
    fn a_switch_for_what_nobody_misses_is_a_fault() {
        let text = include_str!("../../config/dialects/ericsson-bp.toml");
        assert!(Dialect::read("x.toml", text).unwrap().switches().count() > 0);
        let wrong = text.replacen("when-missing = \"cli\"", "when-missing = \"caller\"", 1);
        let faults = Dialect::read("x.toml", &wrong).unwrap_err();
        let [fault] = &faults[..] else { panic!("{faults:?}") };
        let said = fault.to_string();
        assert!(said.contains("when-missing \"caller\"") && said.contains("unanswered"), "{said}");
    }
}
