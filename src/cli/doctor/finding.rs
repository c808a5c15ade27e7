//! What a check came to.

use std::fmt;

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    Ok,
    /// It works, and something is lost or in danger.
    Warning,
    /// It does not work, or must not be so.
    Fault,
}

/// One check: what is, why that matters, what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub check: &'static str,
    pub state: State,
    pub what: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

impl Finding {
    pub fn ok(check: &'static str, what: impl Into<String>) -> Finding {
        Finding { check, state: State::Ok, what: what.into(), why: String::new(), remedy: String::new() }
    }

    pub fn warning(
        check: &'static str,
        what: impl Into<String>,
        why: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        Finding { check, state: State::Warning, what: what.into(), why: why.into(), remedy: remedy.into() }
    }

    pub fn fault(
        check: &'static str,
        what: impl Into<String>,
        why: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        Finding { state: State::Fault, ..Finding::warning(check, what, why, remedy) }
    }
}

/// `1 fault`, `2 faults`.
pub(super) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

impl fmt::Display for Finding {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Ok => "ok",
            State::Warning => "WARNING",
            State::Fault => "FAULT",
        };
        writeln!(to, "{state:<8} {:<14} {}", self.check, self.what)?;
        for (head, text) in [("why:", &self.why), ("do:", &self.remedy)] {
            if !text.is_empty() {
                writeln!(to, "{:23} {head:<4} {text}", "")?;
            }
        }
        Ok(())
    }
}
