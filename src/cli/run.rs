//! `smdrd run`.

use std::process::ExitCode;

/// Run the daemon.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Runs the verb.
pub fn run(_arguments: Arguments) -> ExitCode {
    ExitCode::from(super::USAGE)
}
