//! The command line of `smdrd`: one file a verb. Exit codes: 0 done, 1 the thing asked about is not well, 2 usage,
//! 78 configuration.

mod check;
mod day;
mod demo;
mod dialects;
mod parse;
mod push;
mod rebuild;
mod run;
mod status;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

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
    Check(check::Arguments),
    Status(status::Arguments),
    Parse(parse::Arguments),
    Dialects(dialects::Arguments),
    Rebuild(rebuild::Arguments),
    Day(day::Arguments),
    Push(push::Arguments),
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
        Verb::Check(arguments) => check::run(arguments),
        Verb::Status(arguments) => status::run(arguments),
        Verb::Parse(arguments) => parse::run(arguments),
        Verb::Dialects(arguments) => dialects::run(arguments),
        Verb::Rebuild(arguments) => rebuild::run(arguments),
        Verb::Day(arguments) => day::run(arguments),
        Verb::Push(arguments) => push::run(arguments),
    }
}
