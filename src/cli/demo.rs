//! `smdrd demo`: a practice day in under a minute, from three PBXs to the supplier's receipt, and the proof that it came
//! through right, over a link that breaks, a supplier that fails, and a leg that comes when the day is delivered.
//!
//! The daemon and the receiver are the very programs that run at a practice and at a supplier, as processes of their
//! own; only the clock is scaled. The PBXs are [`crate::simulator`]'s, which know nothing of how lines are read.

mod children;
mod compare;
mod error;
mod front;
mod programme;
mod show;
mod stage;
mod supplier;
mod theatre;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::aggregate::slots::date_of;
use crate::simulator::truth::Truth;
use crate::simulator::{Played, hipath, ipoffice, panasonic};
use compare::{Comparison, SentBy};
use error::DemoError;
use front::Try;
use programme::{ANNEXE, DATE, Programme, RECEPTION, SURGERY};
use show::Progress;
use stage::Stage;
use supplier::Receipt;
use theatre::{AllPlayed, Theatre};

/// How many lines of each process's messages are shown when the demo fails.
const LAST_WORDS: usize = 6;

/// Play a practice day on this machine: three PBXs, the daemon, a supplier.
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
    /// The newest document of the day, as the supplier holds it.
    document: Value,
    sha256: String,
    /// What the supplier said to it.
    receipt: Receipt,
    /// Every try to deliver the day.
    tries: Vec<Try>,
    /// The box missed its night, and was told to send.
    by_hand: bool,
    /// The half-hours of which less than all was observed.
    incomplete: Vec<String>,
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
    let programme = Programme::begin();
    let (day, clock) = (&programme.day, &programme.clock);
    let mut progress = Progress::new(day.zone.clone());
    let mut theatre = Theatre::open(stage, clock, stop)?;
    progress.say(&format!("Playing {DATE} with {} calls on three PBXs; it takes some forty seconds.", day.calls.len()));
    let played = theatre.play(&programme, &mut progress, stop)?;
    let taken = |theatre: &Theatre| theatre.tries().into_iter().rev().find(|one| one.accepted() && one.revision == 2);
    let by_hand = taken(&theatre).is_none();
    if by_hand {
        theatre.push(stage, stop)?;
    }
    let tries = theatre.tries();
    let last = taken(&theatre).ok_or(DemoError::NotDelivered { what: "second", tries: tries.len() })?;
    let receipt = supplier::receipt(&last.answer);
    let days = theatre.days(stage, stop)?;
    let held = theatre.held()?;
    let truth = Truth::of(day);
    let mut comparison = compare::compare(&held.document, DATE, &truth, &sent_by(&programme, &played));
    comparison.exactly(&held.document, "document", "/revision", 2);
    let links = played.each_ref().map(|(_, played)| played.links.as_slice());
    comparison.coverage(&held.document, &truth, &links);
    // A day is delivered when the receipt names the very bytes that the supplier holds, and the daemon has noted it.
    comparison.exactly(&json!({"sha256": receipt.sha256}), "receipt", "/sha256", held.sha256.clone());
    for nothing in ["/pending", "/parked", "/held"] {
        comparison.exactly(&days, "days at the daemon", nothing, 0);
    }
    let lines = played.iter().map(|(name, played)| (*name, played.sent)).collect();
    let incomplete = compare::incomplete(&held.document);
    let (document, sha256, seconds) = (held.document, held.sha256, began.elapsed().as_secs_f64());
    let mut performance =
        Performance { document, sha256, receipt, tries, by_hand, incomplete, comparison, lines, seconds };
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
            "tries": performance.tries,
            "pushed_by_hand": performance.by_hand,
            "incomplete": performance.incomplete,
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

/// What each PBX printed on the day, by kind of line. A record counts with the day that it bears.
fn sent_by(programme: &Programme, played: &AllPlayed) -> [SentBy; 3] {
    let day = &programme.day;
    let surgery = hipath::lines(day);
    let offers = surgery.iter().filter(|line| hipath::is_offer(line)).count();
    let log = programme.annexe.iter().filter(|line| panasonic::is_log(line)).count();
    let on_the_day = |moments: &[Timestamp]| moments.iter().filter(|at| date_of(&day.zone, **at) == DATE).count();
    let [_, _, (_, Played { dialogue, furniture, .. })] = played;
    [
        SentBy {
            name: RECEPTION,
            dialect: "avaya-ipoffice",
            records: ipoffice::lines(day).len(),
            events: 0,
            headers: 0,
        },
        SentBy {
            name: SURGERY,
            dialect: "siemens-hipath3000",
            records: surgery.len() - offers,
            events: offers,
            headers: 0,
        },
        SentBy {
            name: ANNEXE,
            dialect: "panasonic-kx",
            records: programme.annexe.len() - log,
            events: log + on_the_day(dialogue),
            headers: on_the_day(furniture),
        },
    ]
}

/// Sets `stop` on Ctrl-C and on a request to end, so that the processes are ended in order and the directory goes.
pub(super) fn stop_on_signals(stop: &Arc<AtomicBool>) {
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
