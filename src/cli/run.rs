//! `smdrd run`.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::clock::Clock;
use crate::daemon::setup::SetUpError;
use crate::daemon::{self, RunError};

/// Run the daemon
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Configuration file
    #[arg(long, value_name = "FILE", default_value = "/etc/smdrd/smdrd.toml")]
    config: PathBuf,
    /// A simulated day: START@BEGAN@FACTOR
    #[arg(long, hide = true, value_parser = Clock::from_argument)]
    clock: Option<Clock>,
}

/// Runs the verb.
pub fn run(arguments: Arguments) -> ExitCode {
    super::start_log();
    let config = match super::configured(&arguments.config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    match daemon::run(config, arguments.clock.unwrap_or_else(Clock::system)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "cannot run");
            eprintln!("smdrd run: {error}");
            ExitCode::from(match error {
                RunError::SetUp(SetUpError::Dialect { .. } | SetUpError::SimulatedWithRealSupplier)
                | RunError::Source(_) => super::CONFIGURATION,
                _ => super::NOT_WELL,
            })
        }
    }
}
