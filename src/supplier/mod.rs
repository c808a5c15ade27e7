//! The supplier's side: receives day documents, keeps every revision, answers with receipts.

use std::process::ExitCode;

/// The command line of `smdr-feed`.
pub fn main() -> ExitCode {
    ExitCode::from(2)
}
