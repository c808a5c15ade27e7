//! `smdrd push`.

use std::process::ExitCode;

/// Send what is due to the supplier now.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Runs the verb.
pub fn run(_arguments: Arguments) -> ExitCode {
    ExitCode::from(super::USAGE)
}
