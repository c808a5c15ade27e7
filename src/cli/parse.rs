//! `smdrd parse`.

use std::process::ExitCode;

/// Parse a file of call records; nothing is stored.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Runs the verb.
pub fn run(_arguments: Arguments) -> ExitCode {
    ExitCode::from(super::USAGE)
}
