//! Faults of a configuration, each citing file, line, field, value, reason and remedy.

use std::path::PathBuf;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Line of the file, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// How many characters the fault covers.
    pub length: usize,
    /// Path of the field, such as `source[0].serial.baud`.
    pub field: String,
    /// The value as written.
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
    #[error("{path}: cannot be read: {reason}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// The file was read and is wrong.
    #[error("{path}: {} fault(s)", .faults.len())]
    Faulty {
        /// Which file.
        path: PathBuf,
        /// Its text, for citation.
        text: String,
        /// Everything that is wrong, in order.
        faults: Vec<Fault>,
    },
}
