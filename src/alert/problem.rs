//! Something that is wrong, found by the daemon.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Code, Severity};
use crate::push::legible;

/// Something that is wrong. Everything that is said of it anywhere comes from here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What it is, by name.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// Whom it is about: a source, a practice as `ODS/site`, a channel. Code and subject together are one alert.
    #[serde(default)]
    pub subject: Option<String>,
    /// What is wrong, with all that is known. For people on the box: it is never sent.
    pub what: String,
    /// What to do; empty where [`Problem::what`] says it.
    #[serde(default)]
    pub remedy: String,
    /// Since when, where that is known.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// When it was told; absent while it has not held for long enough, or no daemon runs.
    #[serde(default)]
    pub raised: Option<Timestamp>,
}

impl Problem {
    /// A problem of the box as a whole.
    pub fn new(code: Code, what: impl Into<String>) -> Problem {
        Problem {
            code,
            severity: code.severity(),
            subject: None,
            what: what.into(),
            remedy: String::new(),
            since: None,
            raised: None,
        }
    }

    /// What to do about it.
    pub fn remedy(self, remedy: impl Into<String>) -> Problem {
        Problem { remedy: remedy.into(), ..self }
    }

    /// A problem of this source; its name comes before what is wrong.
    pub fn of_source(self, name: &str) -> Problem {
        // A name is chosen freely: what could be a telephone number in it is not sent.
        Problem { subject: Some(legible(name)), what: format!("{name}: {}", self.what), ..self }
    }

    /// A problem of this practice or channel.
    pub fn of(self, subject: impl Into<String>) -> Problem {
        Problem { subject: Some(subject.into()), ..self }
    }

    /// Since when it is.
    pub fn since(self, since: Timestamp) -> Problem {
        Problem { since: Some(since), ..self }
    }

    /// What is wrong and what to do, in one line.
    pub fn text(&self) -> String {
        match self.remedy.as_str() {
            "" => self.what.clone(),
            remedy => format!("{}; {remedy}", self.what),
        }
    }

    /// What makes it one alert.
    pub fn key(&self) -> (Code, Option<&str>) {
        (self.code, self.subject.as_deref())
    }
}
