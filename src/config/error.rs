//! Faults of a configuration, each citing file, line, field, value, reason and remedy.

use std::path::PathBuf;

use serde::Serialize;

use super::citation;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The configuration cannot be used.
    Fault,
    /// It can be used, and is probably not what was meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// How bad it is.
    pub severity: Severity,
    /// Line of the file, from 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// Column in characters, from 1; 0 when the file as a whole is meant.
    pub column: usize,
    /// How many characters the fault covers.
    pub length: usize,
    /// Path of the field, such as `source[0].serial.baud`; empty when the file as a whole is meant.
    pub field: String,
    /// The value as written; empty when there is none to show. Never a secret.
    pub value: String,
    /// What is wrong with it.
    pub reason: String,
    /// What to do.
    pub remedy: String,
}

/// A configuration could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("{path}: cannot be read: {reason}; name another file with --config, or see to its owner and mode")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// The file was read and is wrong.
    #[error("{}", citation::in_one_line(.path, .faults))]
    Faulty {
        /// Which file.
        path: PathBuf,
        /// Its text, for citation; values that look like secrets are starred out.
        text: String,
        /// Everything that is wrong, warnings too, in the order of the file.
        faults: Vec<Fault>,
    },
}

impl ConfigError {
    /// The whole story for a terminal: every fault with its line, a caret run under the value, and the remedy.
    pub fn report(&self) -> String {
        match self {
            ConfigError::Unreadable { .. } => format!("{self}\n"),
            ConfigError::Faulty { path, text, faults } => citation::report(path, text, faults),
        }
    }

    /// What is wrong, in the order of the file; nothing when it could not be read at all.
    pub fn faults(&self) -> &[Fault] {
        match self {
            ConfigError::Unreadable { .. } => &[],
            ConfigError::Faulty { faults, .. } => faults,
        }
    }
}
