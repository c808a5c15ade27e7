//! `smdrd discover`: what the stations and trunks are, as far as lines can prove it.

mod show;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Asking, configured};
use crate::call::discover::Discovery;
use crate::config::Config;
use crate::control::Request;
use crate::daemon::discover::of_lines;

/// How many days are looked at unless the command line says otherwise: four weeks, weekends included, in a small box's
/// memory.
const DAYS: u32 = 28;

/// Propose roles for stations and trunks from the calls seen so far, with the evidence
///
/// Says who is a person, a group, a mailbox, a menu or a machine, which trunks reach the public network, which of the
/// practice's numbers are called and when; compares it with the configuration; and prints what is missing there as TOML.
/// What cannot be told yet is said to be open. With --dialect and FILE a file is looked at instead: nothing is stored.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Look at the calls of the last N days, today included [default: 28]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100), conflicts_with = "file")]
    days: Option<u32>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Which PBX wrote FILE; `smdrd dialects list` shows the choice
    #[arg(long, value_name = "ID", requires = "file")]
    dialect: Option<String>,
    /// An option of the dialect; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = super::parse::assignment, requires = "file")]
    set: Vec<(String, String)>,
    /// The year of the first line of FILE, for formats that print none. Without it: the year nearest to today
    #[arg(long, value_name = "YEAR", value_parser = clap::value_parser!(i16).range(1970..=2200), requires = "file")]
    assume_year: Option<i16>,
    /// Directory of dialect files for FILE, as `smdrd parse` takes it
    #[arg(long, value_name = "DIR", requires = "file")]
    dialects: Option<PathBuf>,
    /// A file of call records; `-` is standard input
    #[arg(value_name = "FILE", requires = "dialect")]
    file: Option<PathBuf>,
    #[command(flatten)]
    asking: Asking,
}

/// Runs the verb.
pub fn run(arguments: Arguments) -> ExitCode {
    let found = match (&arguments.file, &arguments.dialect) {
        (Some(file), Some(dialect)) => of_file(&arguments, file, dialect),
        _ => arguments.asking.ask(Request::Discover { days: arguments.days.unwrap_or(DAYS) }),
    };
    let found = match found {
        Ok(found) => found,
        Err(code) => return code,
    };
    if arguments.json {
        println!("{found}");
        return ExitCode::SUCCESS;
    }
    match serde_json::from_value::<Discovery>(found) {
        Ok(found) => {
            print!("{}", show::text(&found));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("smdrd discover: the answer cannot be read: {error}; use the smdrd that belongs to this daemon");
            ExitCode::from(super::NOT_WELL)
        }
    }
}

fn of_file(arguments: &Arguments, file: &Path, dialect: &str) -> Result<serde_json::Value, ExitCode> {
    // The configuration may not be written yet: then there is nothing to compare with.
    let path = &arguments.asking.config;
    let config = if path.exists() || path != Config::default_path() { Some(configured(path)?) } else { None };
    let dialects = arguments.dialects.clone().or_else(|| config.as_ref().map(|config| config.dialects_dir.clone()));
    let library = super::parse::library(dialects)?;
    let dialect = super::parse::find(&library, dialect).ok_or(ExitCode::from(super::USAGE))?;
    let options: BTreeMap<String, String> = arguments.set.iter().cloned().collect();
    let plan = dialect.plan(&options, arguments.assume_year).map_err(|error| {
        eprintln!("smdrd discover: --set: {error}");
        ExitCode::from(super::USAGE)
    })?;
    let not_well = |what: String| {
        eprintln!("smdrd discover: {what}");
        ExitCode::from(super::NOT_WELL)
    };
    let config = match config {
        Some(config) => config,
        None => toml::from_str("").map_err(|error| not_well(format!("{error}; report this")))?,
    };
    // Where one source has this dialect, the file is taken for its.
    let mut alike = config.source.iter().filter(|source| *source.dialect.get_ref() == dialect.id);
    let source = match (alike.next(), alike.next()) {
        (Some(only), None) => only.name.get_ref().clone(),
        _ => "file".to_owned(),
    };
    let zone = plan.zone().and_then(|zone| TimeZone::get(zone).ok()).unwrap_or_else(|| config.time_zone());
    let input: Box<dyn Read> = if file == Path::new("-") {
        Box::new(io::stdin())
    } else {
        let opened = File::open(file);
        Box::new(opened.map_err(|error| not_well(format!("cannot open {}: {error}; check the path", file.display())))?)
    };
    let found = of_lines(&config, &source, Arc::new(plan), zone, Timestamp::now(), input)
        .map_err(|error| not_well(format!("{}: {error}", file.display())))?;
    serde_json::to_value(found).map_err(|error| not_well(error.to_string()))
}
