//! `smdrd demo`.

use std::process::ExitCode;

/// Play a practice day on this machine: two PBXs, the daemon, a supplier.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Runs the verb.
pub fn run(_arguments: Arguments) -> ExitCode {
    ExitCode::from(super::USAGE)
}
