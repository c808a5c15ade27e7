//! `smdrd demo`: a practice day in under a minute, from two PBXs to the supplier's receipt, and the proof that it came
//! through right.
//!
//! The daemon and the receiver are the very programs that run at a practice and at a supplier, as processes of their
//! own; only the clock is scaled. The PBXs are [`crate::simulator`]'s, which know nothing of how lines are read.

mod children;
mod compare;
mod error;
mod show;
mod stage;
mod supplier;
mod theatre;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::clock::Clock;
use crate::simulator::practice_day::practice_day;
use crate::simulator::scenario::Day;
use crate::simulator::truth::Truth;
use crate::simulator::{hipath, ipoffice};
use compare::{Comparison, SentBy};
use error::DemoError;
use show::Progress;
use stage::Stage;
use supplier::Receipt;
use theatre::Theatre;

/// Name of the IP Office in the configuration.
const RECEPTION: &str = "reception-pbx";
/// Name of the HiPath in the configuration.
const SURGERY: &str = "surgery-pbx";
/// The day that is played: a Friday.
const DATE: Date = jiff::civil::date(2026, 11, 20);
/// Which of all practice days it is.
const SEED: u64 = 112;
/// When the clock starts, in seconds of the day: 06:55.
const STARTS: i64 = 24_900;
/// When the last line may be sent and the day is pushed, in seconds of the day: 00:11 the next day.
const ENDS: i64 = 87_060;
/// How long that takes, in seconds of the machine.
const TAKES_S: f64 = 35.0;
/// The machine's time from here to 06:55, for the programs to start in.
const LEAD: SignedDuration = SignedDuration::from_millis(1_000);
/// When the link to the IP Office is down, in seconds of the day: 13:00 to 13:20. The PBX keeps its records meanwhile.
const OUTAGE: std::ops::Range<i64> = 46_800..48_000;

/// How many lines of each process's messages are shown when the demo fails.
const LAST_WORDS: usize = 6;

/// Play a practice day on this machine: two PBXs, the daemon, a supplier.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// End when the day is done, instead of leaving the daemon and the supplier running
    #[arg(long)]
    no_wait: bool,
    /// Play in this directory, which must be new or empty, and leave it there
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// A day that was played to its end.
#[derive(Debug)]
struct Performance {
    document: serde_json::Value,
    sha256: String,
    receipt: Receipt,
    comparison: Comparison,
    /// Lines sent, by source.
    lines: Vec<(&'static str, usize)>,
    /// How long it took.
    seconds: f64,
}

/// Runs the verb.
pub fn run(arguments: Arguments) -> ExitCode {
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_signals(&stop);
    let began = Instant::now();
    let mut stage = match Stage::set(arguments.dir.clone()) {
        Ok(stage) => stage,
        Err(error) => return failed(&arguments, &error, None),
    };
    match perform(&arguments, &mut stage, began, &stop) {
        Ok(true) => ExitCode::from(super::DONE),
        Ok(false) => ExitCode::from(super::NOT_WELL),
        Err(error) => {
            if !matches!(error, DemoError::Interrupted | DemoError::NoReceiver { .. }) {
                stage.keep();
            }
            failed(&arguments, &error, stage.stays().then(|| stage.logs()))
        }
    }
}

fn failed(arguments: &Arguments, error: &DemoError, logs: Option<PathBuf>) -> ExitCode {
    if arguments.json {
        println!("{}", json!({"ok": false, "error": error.to_string(), "logs": logs}));
    }
    eprintln!("smdrd demo: {error}");
    if let Some(logs) = logs {
        last_words(&logs);
        eprintln!("The messages of each process are kept in {}", logs.display());
    }
    ExitCode::from(super::NOT_WELL)
}

/// Shows the end of what each process said.
fn last_words(logs: &Path) {
    let entries = std::fs::read_dir(logs).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        for line in lines.iter().skip(lines.len().saturating_sub(LAST_WORDS)) {
            eprintln!("  {name}: {line}");
        }
    }
}

/// Plays the day and reports it. True when nothing differs.
fn perform(arguments: &Arguments, stage: &mut Stage, began: Instant, stop: &AtomicBool) -> Result<bool, DemoError> {
    let zone = TimeZone::get("Europe/London").unwrap_or(TimeZone::UTC);
    let day = practice_day(DATE, zone.clone(), SEED);
    let mut progress = Progress::new(zone);
    let clock = Clock::scaled(day.at(STARTS), Timestamp::now() + LEAD, (ENDS - STARTS) as f64 / TAKES_S);
    let mut theatre = Theatre::open(stage, &clock, stop)?;
    let calls = day.calls.len();
    progress.say(&format!("Playing {DATE} with {calls} calls on two PBXs; it takes {TAKES_S:.0} seconds."));
    let lines = theatre.play(&day, &clock, &mut progress, stop)?;
    progress.say("The day is over; the daemon closes it and sends it to the supplier.");
    let receipt = theatre.push(stage, stop)?;
    let held = theatre.held()?;
    let mut comparison = compare::compare(&held.document, DATE, &Truth::of(&day), &sent_by(&day));
    // A day is delivered when the receipt names the very bytes that the supplier holds.
    comparison.exactly(&json!({"sha256": receipt.sha256}), "receipt", "/sha256", held.sha256.clone());
    let (document, sha256, seconds) = (held.document, held.sha256, began.elapsed().as_secs_f64());
    let mut performance = Performance { document, sha256, receipt, comparison, lines, seconds };
    let well = performance.comparison.differences.is_empty();
    if !well {
        stage.keep();
    }
    if !arguments.no_wait {
        print(arguments, stage, &performance);
        theatre.wait(stage, stop);
        theatre.close()?;
        return Ok(well);
    }
    // The report is worth reading even where a process would not end well.
    let closed = theatre.close();
    performance.seconds = began.elapsed().as_secs_f64();
    if closed.is_ok() {
        print(arguments, stage, &performance);
    } else if !arguments.json {
        print!("\n{}", show::report(&performance));
    }
    closed.map(|()| well)
}

fn print(arguments: &Arguments, stage: &Stage, performance: &Performance) {
    let comparison = &performance.comparison;
    let well = comparison.differences.is_empty();
    let directory = stage.stays().then(|| stage.root());
    if arguments.json {
        let lines: serde_json::Map<String, serde_json::Value> =
            performance.lines.iter().map(|(name, count)| ((*name).to_owned(), (*count).into())).collect();
        let result = json!({
            "ok": well,
            "figures": comparison.figures,
            "differences": comparison.differences,
            "lines": lines,
            "receipt": performance.receipt,
            "sha256": performance.sha256,
            "seconds": performance.seconds,
            "directory": directory,
            "document": performance.document,
        });
        println!("{result}");
        return;
    }
    print!("\n{}", show::report(performance));
    println!("Took       {:.0} s", performance.seconds);
    if let Some(directory) = directory {
        println!("Kept       {}", directory.display());
    }
}

/// What each PBX printed, by kind of line.
fn sent_by(day: &Day) -> [SentBy; 2] {
    let surgery = hipath::lines(day);
    let offers = surgery.iter().filter(|line| hipath::is_offer(line)).count();
    let reception = ipoffice::lines(day).len();
    [
        SentBy { name: RECEPTION, dialect: "avaya-ipoffice", records: reception, offers: 0 },
        SentBy { name: SURGERY, dialect: "siemens-hipath3000", records: surgery.len() - offers, offers },
    ]
}

/// Sets `stop` on Ctrl-C and on a request to end, so that the processes are ended in order and the directory goes.
fn stop_on_signals(stop: &Arc<AtomicBool>) {
    let stop = Arc::clone(stop);
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            stop.store(true, Ordering::Relaxed);
            // The runtime lives as long as this thread, and with it the handlers: a second Ctrl-C changes nothing.
            std::future::pending::<()>().await;
        });
    });
}
