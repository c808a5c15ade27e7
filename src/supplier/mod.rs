//! The supplier's side: receives day documents, keeps every revision, answers with receipts.
//!
//! `smdr-feed serve` is a receiver that a supplier can run as it is, and a reference for one who writes another:
//! [`contract`] is the table of what it answers, [`verify`] what it asks of a document, [`archive`] how it keeps them.
//! `docs/upload.md` explains it, `docs/supplier/openapi.yaml` describes it to machines.

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

pub mod archive;
pub mod certificate;
pub mod compare;
pub mod contract;
pub mod device_verbs;
pub mod devices;
pub mod enrol;
pub mod field;
pub mod fleet;
pub mod gate;
pub mod identity;
pub mod idle;
pub mod journal;
pub mod limits;
pub mod metrics;
pub mod monthly;
pub mod office;
pub mod problem;
pub mod receive;
pub mod request;
pub mod seats;
pub mod serve;
pub mod tokens;
pub mod verify;

/// Receives the day documents that smdrd sends, and keeps them.
#[derive(Debug, Parser)]
#[command(name = "smdr-feed", version)]
struct CommandLine {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Receive day documents over HTTP until told to stop.
    Serve(serve::Arguments),
    /// Give out a one-time code, by which a box enrols.
    Enrol(device_verbs::EnrolArguments),
    /// The boxes that are known, and their keys.
    Devices(device_verbs::DevicesArguments),
    /// Build the month's files for NHS England from the documents that are held.
    Build(monthly::verb::Arguments),
    /// Put practices' figures beside NHS England's published ones.
    Compare(compare::verb::Arguments),
    /// How each box and site stands, worst first.
    Fleet(fleet::verb::Arguments),
    /// How a file is laid out.
    Template(monthly::verb::TemplateArguments),
}

/// The whole command line, for the manual pages.
pub fn command() -> clap::Command {
    CommandLine::command()
}

/// The command line of `smdr-feed`. Exit codes: 0 done, 1 it went wrong, 2 usage, 78 configuration.
pub fn main() -> ExitCode {
    // The first thing, since whatever uses TLS later takes it for granted; a second caller's refusal means no harm.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let line = CommandLine::parse();
    journal::begin(match &line.verb {
        Verb::Serve(arguments) => arguments.log,
        _ => journal::LogFormat::Text,
    });
    let arguments = match line.verb {
        Verb::Serve(arguments) => arguments,
        Verb::Enrol(arguments) => return device_verbs::enrol(&arguments),
        Verb::Devices(arguments) => return device_verbs::devices(&arguments),
        Verb::Build(arguments) => return monthly::verb::run(&arguments),
        Verb::Compare(arguments) => return compare::verb::run(&arguments),
        Verb::Fleet(arguments) => return fleet::verb::run(&arguments),
        Verb::Template(arguments) => return monthly::verb::run_template(&arguments),
    };
    match serve::run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("smdr-feed: {error}");
            ExitCode::from(if error.is_configuration() { 78 } else { 1 })
        }
    }
}
