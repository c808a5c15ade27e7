//! `smdrd simulate`: a PBX on a port, for trying out cables, collectors and this daemon.

mod examples;
mod script;
mod way;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::json;

use super::parse::{assignment, find, library};
use crate::framing::Protocol;
use crate::simulator::panasonic_port::{PASSWORD, Port};
use crate::simulator::scenario::Pbx;
use script::{MOST_CALLS, Script, When, practice, written_by_hand};
use way::Way;

/// Lines a second where nothing else is said.
const RATE: f64 = 10.0;
/// Between two looks for whoever is at the other end.
const LOOK: Duration = Duration::from_millis(10);
/// Where a PBX keeps its clock.
const ZONE: &str = "Europe/London";

/// Play a PBX to a port, for trying out a cable, a logger or this daemon.
///
/// avaya-ipoffice, siemens-hipath3000 and panasonic-kx play calls of a practice day, and what happened can be had as
/// JSON. Of every other dialect the examples in its file are played, stamped anew. All numbers are of Ofcom's ranges for
/// drama. While nobody is at the other end nothing is sent. Ctrl-C ends it.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("way").required(true))]
#[command(group = clap::ArgGroup::new("pace"))]
pub struct Arguments {
    /// Which PBX to play; `smdrd dialects list` shows the choice.
    #[arg(long, value_name = "ID")]
    dialect: String,
    /// Wait for the collector at this address; panasonic-kx wants it to log in.
    #[arg(long, value_name = "ADDR", group = "way")]
    listen: Option<SocketAddr>,
    /// Call the collector at this address.
    #[arg(long, value_name = "ADDR", group = "way")]
    connect: Option<SocketAddr>,
    /// Be a serial line without a cable, under this name if one is given.
    #[arg(long, value_name = "LINK", num_args = 0..=1, group = "way")]
    pty: Option<Option<PathBuf>>,
    /// Send on this serial port, 8N1.
    #[arg(long, value_name = "PATH", group = "way")]
    device: Option<PathBuf>,
    /// Only say how many calls and lines there would be.
    #[arg(long, group = "way")]
    count: bool,
    /// Speed of the serial port.
    #[arg(long, value_name = "BAUD", default_value_t = 9600, requires = "device")]
    baud: u32,
    /// Password of panasonic-kx.
    #[arg(long, value_name = "WORD", default_value = PASSWORD)]
    password: String,
    /// So many lines a second, as 50 or 50/s.
    #[arg(long, value_name = "N", group = "pace", value_parser = rate, default_value_t = RATE)]
    rate: f64,
    /// Send each line when its call is over, from now on.
    #[arg(long, group = "pace")]
    realtime: bool,
    /// The same, X times as fast.
    #[arg(long, value_name = "X", group = "pace", value_parser = factor)]
    speed: Option<f64>,
    /// Which practice day: the same number gives the same calls.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// So many calls; of a dialect's examples, at least so many records. Without it: one day, or each example once.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST_CALLS as i64))]
    calls: Option<u32>,
    /// The day of the calls. Without it they begin now with --realtime and --speed, and else end now.
    #[arg(long, value_name = "DATE")]
    date: Option<Date>,
    /// An option of the dialect: only examples that are read with it are played; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
    /// Write what happened to each call, as JSON and without numbers, to this file.
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Print what was played as JSON when it is over.
    #[arg(long)]
    json: bool,
    /// Directory of dialect files that add to the shipped ones or replace them. Without it: the one that
    /// /etc/smdrd/smdrd.toml names, or /etc/smdrd/dialects.
    #[arg(long, value_name = "DIR")]
    dialects: Option<PathBuf>,
}

fn rate(text: &str) -> Result<f64, String> {
    factor(text.strip_suffix("/s").unwrap_or(text))
}

fn factor(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if factor.is_finite() && factor > 0.0 => Ok(factor),
        _ => Err("it is a number above 0".to_owned()),
    }
}

/// Why it could not be played.
#[derive(Debug, thiserror::Error)]
enum SimulateError {
    #[error("{place}: {reason}")]
    Way { place: String, reason: std::io::Error },
    #[error("the truth cannot be written to {path}: {reason}", path = .path.display())]
    Truth { path: PathBuf, reason: std::io::Error },
    #[error("of {0} only the lines are known, not what happened: --truth is for {1}")]
    NoTruth(String, &'static str),
    #[error("{0} has no example that is read with these options; leave --set out, or see `smdrd dialects show {0}`")]
    Nothing(String),
}

/// Runs the verb.
pub fn run(arguments: Arguments) -> ExitCode {
    let library = match library(arguments.dialects.clone()) {
        Ok(library) => library,
        Err(code) => return code,
    };
    let Some(dialect) = find(&library, &arguments.dialect) else { return ExitCode::from(super::USAGE) };
    let options: BTreeMap<String, String> = arguments.set.iter().cloned().collect();
    if let Err(error) = dialect.plan(&options, None) {
        eprintln!("smdrd simulate: --set: {error}");
        return ExitCode::from(super::USAGE);
    }
    let zone = TimeZone::get(ZONE).unwrap_or(TimeZone::UTC);
    let by_the_clock = arguments.realtime || arguments.speed.is_some();
    let now = Timestamp::now();
    let when = match arguments.date {
        Some(date) => When::From(date),
        None if by_the_clock => When::Begins(now),
        None => When::Ends(now),
    };
    let calls = arguments.calls.and_then(|calls| usize::try_from(calls).ok());
    // With options of its own a dialect is played from its examples: a simulator knows only one layout.
    let script = match written_by_hand(&dialect.id).filter(|_| options.is_empty()) {
        Some(pbx) => practice(pbx, arguments.seed, calls, when, zone),
        None => {
            let begins = arguments.date.and_then(|date| date.at(9, 0, 0, 0).to_zoned(zone.clone()).ok());
            examples::play(dialect, &options, calls, begins.map_or(now, |begins| begins.timestamp()), &zone)
        }
    };
    let stop = Arc::new(AtomicBool::new(false));
    super::demo::stop_on_signals(&stop);
    match perform(&arguments, &script, dialect.protocol(), &stop) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("smdrd simulate: {error}");
            ExitCode::from(super::NOT_WELL)
        }
    }
}

fn perform(arguments: &Arguments, script: &Script, protocol: Protocol, stop: &AtomicBool) -> Result<u8, SimulateError> {
    if script.lines.is_empty() {
        return Err(SimulateError::Nothing(arguments.dialect.clone()));
    }
    if let Some(path) = &arguments.truth {
        if script.truth.is_null() {
            let known = "avaya-ipoffice, siemens-hipath3000 and panasonic-kx";
            return Err(SimulateError::NoTruth(arguments.dialect.clone(), known));
        }
        let failed = |reason| SimulateError::Truth { path: path.clone(), reason };
        std::fs::write(path, format!("{:#}\n", script.truth)).map_err(failed)?;
    }
    let calls = script.calls.map(|calls| format!("{calls} calls, ")).unwrap_or_default();
    eprintln!("{}: {calls}{} lines", script.what, script.lines.len());
    let mut sent = 0;
    if !arguments.count {
        let mut way = open(arguments)?;
        eprintln!("{}", way.place());
        sent = play(arguments, script, protocol, &mut way, stop);
        if sent == script.lines.len() && way.stays() {
            eprintln!("All is sent. The link stays up until the other end closes it, or Ctrl-C.");
        }
        if arguments.json {
            said(arguments, script, sent);
        }
        way.finish(stop);
    } else if arguments.json {
        said(arguments, script, sent);
    } else {
        println!("{}", script.lines.len());
    }
    let whole = arguments.count || sent == script.lines.len();
    Ok(if whole { super::DONE } else { super::NOT_WELL })
}

fn said(arguments: &Arguments, script: &Script, sent: usize) {
    let said = json!({
        "dialect": arguments.dialect,
        "what": script.what,
        "calls": script.calls,
        "lines": script.lines.len(),
        "sent": sent,
        "truth": script.truth,
    });
    println!("{said}");
}

fn open(arguments: &Arguments) -> Result<Way, SimulateError> {
    let failed = |place: String| move |reason| SimulateError::Way { place, reason };
    match arguments {
        Arguments { listen: Some(address), dialect, .. } if written_by_hand(dialect) == Some(Pbx::Annexe) => {
            let port = Port::open(*address, &arguments.password).map_err(failed(address.to_string()))?;
            Ok(Way::LogIn(Box::new(port), Default::default()))
        }
        Arguments { listen: Some(address), .. } => Way::listen(*address).map_err(failed(address.to_string())),
        Arguments { connect: Some(address), .. } => Ok(Way::Connect(*address, None)),
        Arguments { device: Some(path), .. } => {
            Way::device(path, arguments.baud).map_err(failed(path.display().to_string()))
        }
        Arguments { pty, .. } => {
            let link = pty.clone().flatten();
            let place = link.as_ref().map_or("a pseudo-terminal".to_owned(), |link| link.display().to_string());
            Way::pty(link).map_err(failed(place))
        }
    }
}

/// Sends the lines in their time; a line during which the link broke is sent again on the next. How many were sent.
fn play(arguments: &Arguments, script: &Script, protocol: Protocol, way: &mut Way, stop: &AtomicBool) -> usize {
    let speed = if arguments.realtime { Some(1.0) } else { arguments.speed };
    let first = script.lines.first().map(|line| line.at);
    let mut began = None;
    for (number, line) in script.lines.iter().enumerate() {
        let after = match (speed, first) {
            (Some(speed), Some(first)) => line.at.duration_since(first).as_secs_f64().max(0.0) / speed,
            _ => number as f64 / arguments.rate,
        };
        let text = framed(&line.text, protocol);
        loop {
            if stop.load(Ordering::Relaxed) {
                return number;
            }
            let attended = way.attended();
            // The first line goes when somebody is there.
            let due = began.map(|began: Instant| began + Duration::from_secs_f64(after));
            let left = due.map(|due| due.saturating_duration_since(Instant::now())).unwrap_or_default();
            if attended && left.is_zero() {
                began.get_or_insert_with(Instant::now);
                if way.print(&text, stop) {
                    break;
                }
            }
            std::thread::sleep(if attended { left.clamp(Duration::from_micros(100), LOOK) } else { LOOK });
        }
    }
    script.lines.len()
}

/// A line as it goes over the wire. A Mitel 5000 may put each line's length before it and need not; a NEC or an OmniPCX
/// Enterprise behind a terminal server prints lines without the messages of its own port.
fn framed(line: &str, protocol: Protocol) -> String {
    match protocol {
        Protocol::StxEtx | Protocol::NecFrame => format!("\x02{line}\x03"),
        Protocol::Lines | Protocol::LengthLe32 | Protocol::AlcatelOxe => format!("{line}\r\n"),
    }
}
