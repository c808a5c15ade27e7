//! `smdrd day`.

use std::process::ExitCode;

/// Print the document of a day, exactly as it is or will be sent.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Runs the verb.
pub fn run(_arguments: Arguments) -> ExitCode {
    ExitCode::from(super::USAGE)
}
