//! `smdr-feed build` and `smdr-feed template check` on the command line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::civil::{date, time};

use super::build::{BuildError, Built, Order, build, is_well};
use super::call_level::Layout;
use super::figures::{Counts, HALF_HOURS};
use super::files::Aggregated;
use super::month::Month;
use super::template::{Confirmed, Template, TemplateError};
use crate::clock::Clock;
use crate::report::call_level::{self, Row, What};
use crate::supplier::archive::Archive;

/// Build the month's files for NHS England.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The month, YYYY-MM.
    #[arg(long, value_name = "YYYY-MM")]
    month: Month,
    /// The receiver's store: a SQLite file, or postgres://USER@HOST/DATABASE.
    #[arg(long, value_name = "STORE")]
    store: PathBuf,
    /// The operator's file: supplier, lists, accounts, templates.
    #[arg(long, value_name = "FILE", default_value = "/etc/smdr-feed/feed.toml")]
    config: PathBuf,
    /// Where builds go, each in a directory of its own under the month.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Build to look at and not to send: neither a confirmed template nor NHS England's acceptance is asked for.
    #[arg(long)]
    rehearsal: bool,
    /// The submission record as JSON.
    #[arg(long)]
    json: bool,
    /// A clock that is set, for tests.
    #[arg(long, hide = true, value_parser = Clock::from_argument)]
    clock: Option<Clock>,
}

/// Look at a template.
#[derive(Debug, clap::Args)]
pub struct TemplateArguments {
    #[command(subcommand)]
    verb: TemplateVerb,
}

#[derive(Debug, clap::Subcommand)]
enum TemplateVerb {
    /// Check a mapping against the sample that it names, and show ten rows with made-up figures.
    Check {
        /// The mapping, as TOML.
        file: PathBuf,
        /// It is the call-level file's.
        #[arg(long)]
        call_level: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Runs `smdr-feed build`.
pub fn run(arguments: &Arguments) -> ExitCode {
    match built(arguments) {
        Ok(built) => {
            if arguments.json {
                println!("{}", serde_json::to_string_pretty(&built).unwrap_or_default());
            } else {
                show(&built);
            }
            ExitCode::from(u8::from(!is_well(&built.submission)))
        }
        Err(error) => {
            eprintln!("smdr-feed build: {error}");
            ExitCode::from(if error.is_configuration() { 78 } else { 1 })
        }
    }
}

fn built(arguments: &Arguments) -> Result<Built, BuildError> {
    let clock = arguments.clock.unwrap_or_else(Clock::system);
    let zone = jiff::tz::TimeZone::get("Europe/London").unwrap_or(jiff::tz::TimeZone::UTC);
    let today = zone.to_datetime(clock.now()).date();
    let archive = Archive::open(&arguments.store)?;
    let Arguments { month, config, out, rehearsal, .. } = arguments;
    build(&Order { month: *month, today, config, out, rehearsal: *rehearsal }, &archive)
}

fn show(built: &Built) {
    let submission = &built.submission;
    let what = if submission.rehearsal { "rehearsal" } else { "build" };
    let same = if built.unchanged { ", as before" } else { "" };
    println!(
        "{} of {}: {what} {}{same}, in {}",
        submission.month,
        submission.supplier,
        submission.build,
        built.directory.display()
    );
    println!("{} account(s) in, {} left out", submission.included.len(), submission.left_out.len());
    for (code, total) in &submission.totals {
        println!("  {code}  {total}");
    }
    for left in &submission.left_out {
        for reason in &left.reasons {
            println!("left out: account {}: {}", left.account, reason.what);
        }
    }
    for one in &submission.included {
        if let Some(reason) = &one.accepted {
            println!("accepted: account {}: {reason}", one.account);
        }
    }
    if let Some(rows) = &submission.call_level {
        println!(
            "call-level: {} account(s), {} rows; send it in place of the aggregated file, not beside it",
            rows.included.len(),
            rows.rows
        );
        for left in &rows.left_out {
            for reason in &left.reasons {
                println!("not in the call-level file: account {}: {}", left.account, reason.what);
            }
        }
    }
    for change in &submission.changes {
        let account = change.account.as_ref().map_or_else(String::new, |account| format!("account {account}: "));
        println!("changed: {account}{}: {}", change.word, change.what);
    }
    println!("{}", built.countdown);
    if submission.rehearsal {
        println!("A rehearsal: to look at, not to send.");
    }
}

/// Runs `smdr-feed template`.
pub fn run_template(arguments: &TemplateArguments) -> ExitCode {
    let TemplateVerb::Check { file, call_level, json } = &arguments.verb;
    let looked = if *call_level { Looked::at_rows(file) } else { Looked::at_counts(file) };
    match looked.map(|looked| looked.show(*json)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("smdr-feed template check: {error}");
            ExitCode::from(78)
        }
    }
}

/// What there is to see of a template.
struct Looked {
    columns: Vec<String>,
    shape: &'static str,
    confirmed: Option<Confirmed>,
    preview: String,
}

impl Looked {
    /// The aggregated file's.
    fn at_counts(file: &Path) -> Result<Looked, TemplateError> {
        let template = Template::read(file)?;
        Ok(Looked {
            columns: template.columns.iter().map(|field| field.word(&template.buckets)).collect(),
            shape: if template.is_long() { "long" } else { "wide" },
            preview: preview(&template),
            confirmed: template.confirmed,
        })
    }

    /// The call-level file's.
    fn at_rows(file: &Path) -> Result<Looked, TemplateError> {
        let template = Layout::read(file)?.template;
        let preview = call_level::file(&template, &made_up_rows()).unwrap_or_default();
        let said = |one: &call_level::Confirmed| {
            let call_level::Confirmed { reference, date, name } = one.clone();
            Confirmed { reference, date, name }
        };
        Ok(Looked {
            columns: template.columns.iter().map(|(_, field)| field.word().to_owned()).collect(),
            shape: "call-level",
            confirmed: template.confirmed.as_ref().map(said),
            preview: first_lines(&preview),
        })
    }

    fn show(&self, json: bool) {
        let Looked { columns, shape, confirmed, preview } = self;
        if json {
            let preview: Vec<&str> = preview.lines().collect();
            let value =
                serde_json::json!({"columns": columns, "shape": shape, "confirmed": confirmed, "preview": preview});
            println!("{value:#}");
            return;
        }
        println!("columns: {}", columns.join(", "));
        match confirmed {
            Some(confirmed) => {
                println!("confirmed by {} on {}: {}", confirmed.name, confirmed.date, confirmed.reference)
            }
            None => println!(
                "not confirmed: a build refuses it until [confirmed] says who compared it with NHS England's sample"
            ),
        }
        println!("ten rows with made-up figures:");
        println!("{preview}");
    }
}

/// Ten calls that nobody made.
fn made_up_rows() -> Vec<Row> {
    let row = |nth: i8| {
        let what = What::ALL.into_iter().cycle().nth(usize::from(nth.unsigned_abs())).unwrap_or(What::Missed);
        let seconds = Some(u32::from(nth.unsigned_abs()) * 35);
        let wait_s = seconds.filter(|_| matches!(what, What::Answered | What::Missed));
        let talk_s = seconds.filter(|_| what == What::Answered);
        Row { date: date(2026, 10, 1 + nth), time: time(8 + nth, 10, 0, 0), what, wait_s, talk_s }
    };
    (0..10).map(row).collect()
}

fn first_lines(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).lines().take(11).collect::<Vec<_>>().join("\n")
}

/// The header and ten rows with made-up figures.
fn preview(template: &Template) -> String {
    let day = [Counts::made_up(); HALF_HOURS];
    let mut file = match Aggregated::to(Vec::new(), template, "Example Telephony Ltd") {
        Ok(file) => file,
        Err(error) => return error.to_string(),
    };
    for account in ["0001", "0002"] {
        let _ = file.day(account, date(2026, 10, 1), &day);
    }
    let (bytes, _) = file.finish().unwrap_or_default();
    first_lines(&bytes)
}
