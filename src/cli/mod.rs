//! The command line of `smdrd`: one file a verb. Exit codes: 0 done, 1 the thing asked about is not well, 2 usage,
//! 78 configuration.

mod alerts;
mod approve;
mod check;
mod day;
mod demo;
mod detect;
mod dialects;
mod discover;
mod doctor;
mod enrol;
mod explain;
mod import;
mod learn;
mod outages;
mod parse;
mod push;
mod rebuild;
mod recover;
mod reload;
mod run;
mod setup;
mod simulate;
mod status;
mod tap;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::clock::Clock;
use crate::config::Config;
use crate::control::{self, Request};
use crate::daemon::setup::SetUpError;
use crate::daemon::{self, AskError};

/// Nothing is wrong.
pub const DONE: u8 = 0;
/// The thing asked about is not well.
pub const NOT_WELL: u8 = 1;
/// The command line is wrong.
pub const USAGE: u8 = 2;
/// The configuration is wrong (sysexits' EX_CONFIG).
pub const CONFIGURATION: u8 = 78;

#[derive(Debug, Parser)]
#[command(name = "smdrd", version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Run(run::Arguments),
    Demo(demo::Arguments),
    Setup(Box<setup::Arguments>),
    Check(check::Arguments),
    Detect(detect::Arguments),
    Doctor(doctor::Arguments),
    Enrol(enrol::Arguments),
    Learn(learn::Arguments),
    Status(status::Arguments),
    Alerts(Box<alerts::Arguments>),
    Outages(outages::Arguments),
    Tap(tap::Arguments),
    Parse(parse::Arguments),
    Dialects(dialects::Arguments),
    Discover(discover::Arguments),
    Explain(explain::Arguments),
    Import(import::Arguments),
    Rebuild(rebuild::Arguments),
    Recover(recover::Arguments),
    Simulate(simulate::Arguments),
    Day(day::Arguments),
    Push(push::Arguments),
    Approve(approve::Arguments),
}

/// The whole command line, for the man page.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Runs the verb that the command line names.
pub fn main() -> ExitCode {
    match Arguments::parse().verb {
        Verb::Run(arguments) => run::run(arguments),
        Verb::Demo(arguments) => demo::run(arguments),
        Verb::Setup(arguments) => setup::run(*arguments),
        Verb::Check(arguments) => check::run(arguments),
        Verb::Detect(arguments) => detect::run(arguments),
        Verb::Doctor(arguments) => doctor::run(arguments),
        Verb::Enrol(arguments) => enrol::run(&arguments),
        Verb::Learn(arguments) => learn::run(arguments),
        Verb::Status(arguments) => status::run(arguments),
        Verb::Alerts(arguments) => alerts::run(*arguments),
        Verb::Outages(arguments) => outages::run(arguments),
        Verb::Tap(arguments) => tap::run(arguments),
        Verb::Parse(arguments) => parse::run(arguments),
        Verb::Dialects(arguments) => dialects::run(arguments),
        Verb::Discover(arguments) => discover::run(arguments),
        Verb::Explain(arguments) => explain::run(arguments),
        Verb::Import(arguments) => import::run(arguments),
        Verb::Rebuild(arguments) => rebuild::run(arguments),
        Verb::Recover(arguments) => recover::run(arguments),
        Verb::Simulate(arguments) => simulate::run(arguments),
        Verb::Day(arguments) => day::run(arguments),
        Verb::Push(arguments) => push::run(arguments),
        Verb::Approve(arguments) => approve::run(arguments),
    }
}

/// What every verb that asks the daemon takes.
#[derive(Debug, clap::Args)]
pub struct Asking {
    /// Configuration file.
    #[arg(long, value_name = "FILE", default_value_os_t = Config::default_path().to_owned())]
    config: PathBuf,
    /// A simulated day: START@BEGAN@FACTOR
    #[arg(long, hide = true, value_parser = Clock::from_argument)]
    clock: Option<Clock>,
}

impl Asking {
    /// Asks the daemon, or answers in this process when none runs. What went wrong has been said when this fails.
    fn ask(&self, request: Request) -> Result<serde_json::Value, ExitCode> {
        let config = configured(&self.config)?;
        if let Some(code) = as_service_user(&config) {
            return Err(code);
        }
        daemon::ask(&config, self.clock.unwrap_or_else(Clock::system), request).map_err(|error| {
            eprintln!("smdrd: {error}");
            ExitCode::from(match error {
                AskError::SetUp(SetUpError::Dialect { .. } | SetUpError::SimulatedWithRealSupplier) => CONFIGURATION,
                _ => NOT_WELL,
            })
        })
    }
}

/// Reads and checks the configuration, or says what is wrong with it.
fn configured(path: &Path) -> Result<Config, ExitCode> {
    check::inspect(path, check::Options::OfShipped).map(|checked| checked.config).map_err(|error| {
        eprintln!("{}", error.report());
        ExitCode::from(CONFIGURATION)
    })
}

/// This program as the user that has the database, where root runs it: so that no file in it ever belongs to root.
/// Nothing when this process is that user, or may do as it is.
fn service_user(config: &Config) -> Option<std::process::Command> {
    use std::os::unix::fs::MetadataExt as _;
    use std::os::unix::process::CommandExt as _;
    let owner = std::fs::metadata(&config.state_dir).ok()?;
    if !rustix::process::geteuid().is_root() || owner.uid() == 0 {
        return None;
    }
    let mut command = std::process::Command::new(std::env::current_exe().ok()?);
    command.uid(owner.uid()).gid(owner.gid());
    Some(command)
}

/// Where no daemon runs, a verb run by root does its work as the user that has the database. Answers with that run's
/// exit code; nothing when this process may go on.
fn as_service_user(config: &Config) -> Option<ExitCode> {
    let mut command = service_user(config)?;
    if std::os::unix::net::UnixStream::connect(control::path(&config.runtime_dir)).is_ok() {
        return None;
    }
    let status = command.args(std::env::args_os().skip(1)).status();
    Some(match status {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(NOT_WELL)),
        Err(error) => {
            eprintln!("smdrd: cannot become the user of {}: {error}", config.state_dir.display());
            ExitCode::from(NOT_WELL)
        }
    })
}

/// Starts the log: to the journal when it is there, else to standard error. No number ever reaches it.
fn start_log() {
    use std::io::IsTerminal as _;
    use tracing_subscriber::prelude::*;
    let filter = tracing_subscriber::EnvFilter::try_from_env("SMDRD_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,hyper=warn,reqwest=warn"));
    let registry = tracing_subscriber::registry().with(filter);
    match std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok()) {
        Some(journal) => registry.with(journal).init(),
        None => {
            // Colours are for a terminal; in a file they are rubbish between the words.
            let colours = std::io::stderr().is_terminal();
            let layer = tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(std::io::stderr);
            registry.with(layer).init();
        }
    }
}

/// Rows as aligned columns.
fn table(rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows.into_iter().collect();
    let mut widths: Vec<usize> = Vec::new();
    for row in &rows {
        for (column, cell) in row.iter().enumerate() {
            if column == widths.len() {
                widths.push(0);
            }
            widths[column] = widths[column].max(cell.chars().count());
        }
    }
    rows.iter().fold(String::new(), |mut text, row| {
        let line = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect::<Vec<_>>().join("  ");
        text += line.trim_end();
        text.push('\n');
        text
    })
}
