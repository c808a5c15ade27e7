//! `smdrd rebuild`.

use std::process::ExitCode;

/// Derive history again from the stored lines and print what changed.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Runs the verb.
pub fn run(_arguments: Arguments) -> ExitCode {
    ExitCode::from(super::USAGE)
}
