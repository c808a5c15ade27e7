//! `smdr-feed fleet` on the command line.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::page::page;
use super::text::text;
use super::{Fleet, Thresholds};
use crate::clock::Clock;
use crate::supplier::archive::{Archive, ArchiveError};

/// Look at the fleet.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Store of the receiver, as `serve` has it.
    #[arg(long, value_name = "STORE")]
    store: PathBuf,
    /// All of it as JSON.
    #[arg(long)]
    json: bool,
    /// Write the page to this file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// List what is well, too.
    #[arg(long)]
    all: bool,
    /// Hours after its end from which a day whose document is not here is late.
    #[arg(long, value_name = "HOURS", default_value_t = Thresholds::default().late_h, value_parser = clap::value_parser!(i64).range(1..=1_000))]
    late: i64,
    /// Hours without a document or a sign of life from which a box is silent.
    #[arg(long, value_name = "HOURS", default_value_t = Thresholds::default().silent_h, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    silent: i64,
    /// Days without either after which a site is not listed any more.
    #[arg(long, value_name = "DAYS", default_value_t = Thresholds::default().forget_days, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    forget: i64,
    /// A clock that is set, for tests.
    #[arg(long, hide = true, value_parser = Clock::from_argument)]
    clock: Option<Clock>,
}

/// The fleet cannot be looked at.
#[derive(Debug, thiserror::Error)]
enum FleetError {
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("--store {0}: there is no such file; give the store that `smdr-feed serve` was given")]
    NoStore(PathBuf),
    #[error("--html {path}: {source}")]
    Page { path: PathBuf, source: std::io::Error },
    #[error("cannot write: {0}")]
    Output(std::io::Error),
}

/// Shows the fleet. 0: all is well; 1: something is not, or the fleet could not be looked at; 78: there is no such store.
pub fn run(arguments: &Arguments) -> ExitCode {
    match show(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("smdr-feed: {error}");
            ExitCode::from(if matches!(error, FleetError::NoStore(_)) { 78 } else { 1 })
        }
    }
}

fn show(arguments: &Arguments) -> Result<bool, FleetError> {
    // Looking makes nothing: a store that is not there is a slip of the pen.
    if !is_server(&arguments.store) && !arguments.store.exists() {
        return Err(FleetError::NoStore(arguments.store.clone()));
    }
    let archive = Archive::open(&arguments.store)?;
    let now = arguments.clock.unwrap_or_else(Clock::system).now();
    let thresholds = Thresholds { late_h: arguments.late, silent_h: arguments.silent, forget_days: arguments.forget };
    let fleet = Fleet::of(&archive, now, thresholds)?;
    if let Some(path) = &arguments.html {
        std::fs::write(path, page(&fleet)).map_err(|source| FleetError::Page { path: path.clone(), source })?;
    }
    let mut out = std::io::stdout().lock();
    let written = if arguments.json {
        serde_json::to_writer_pretty(&mut out, &fleet).map_err(std::io::Error::from).and_then(|()| writeln!(out))
    } else if arguments.html.is_some() {
        Ok(())
    } else {
        out.write_all(text(&fleet, arguments.all).as_bytes())
    };
    written.and_then(|()| out.flush()).map_err(FleetError::Output)?;
    Ok(fleet.is_well())
}

fn is_server(store: &Path) -> bool {
    store.to_str().is_some_and(|store| store.contains("://"))
}
