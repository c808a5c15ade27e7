//! `smdrd dialects`.

use std::process::ExitCode;

/// List, show and test the dialects.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Runs the verb.
pub fn run(_arguments: Arguments) -> ExitCode {
    ExitCode::from(super::USAGE)
}
