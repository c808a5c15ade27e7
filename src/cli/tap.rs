//! `smdrd tap`.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use serde_json::json;

use super::{Asking, configured};
use crate::control::looking::{Look, News, Seen, look};
use crate::control::{self, AskError};
use crate::daemon::tap::Looked;
use crate::record::LineKind;

/// Look at lines as they come from the PBX
///
/// Each line is shown with the record it makes, or why it makes none. Lines as they come hold patients' telephone numbers:
/// they are shown on a terminal only, to root or the service's group, and who looked, when, for how long and why is in
/// the audit. With --masked lines are shown as they are stored, without numbers, and may go anywhere. Nothing is stored,
/// and the daemon never waits: lines that come faster than they can be shown are left out and counted.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The source to look at. Without it: all of them
    #[arg(value_name = "SOURCE-NAME")]
    source: Option<String>,
    /// For how long
    #[arg(long, value_name = "MINUTES", default_value = "5", value_parser = clap::value_parser!(u32).range(1..=60))]
    minutes: u32,
    /// Show lines as they are stored, without telephone numbers
    #[arg(long)]
    masked: bool,
    /// Why you look; kept in the audit. Without it you are asked, unless lines are masked
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    asking: Asking,
}

/// Runs the verb.
pub fn run(arguments: Arguments) -> ExitCode {
    if !arguments.masked {
        if !std::io::stdout().is_terminal() {
            eprintln!(
                "smdrd tap: lines hold patients' telephone numbers, and this is no terminal: they must not come to rest in \
                 a file; use --masked"
            );
            return ExitCode::from(super::USAGE);
        }
        crate::daemon::memory::seal();
    }
    let config = match configured(&arguments.asking.config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let stream = match control::connect(&config.runtime_dir) {
        Ok(Some(stream)) => stream,
        Ok(None) => {
            eprintln!("smdrd tap: no daemon is running, so no line comes; start it with systemctl start smdrd");
            return ExitCode::from(super::NOT_WELL);
        }
        Err(AskError::Broken { path, reason }) => {
            eprintln!("smdrd tap: {}: {reason}; run it as root or in the service's group", path.display());
            return ExitCode::from(super::NOT_WELL);
        }
        Err(error) => {
            eprintln!("smdrd tap: {error}");
            return ExitCode::from(super::NOT_WELL);
        }
    };
    let reason = match (&arguments.reason, arguments.masked) {
        (None, false) => asked(),
        (reason, _) => reason.clone(),
    };
    let wanted =
        Look { source: arguments.source.clone(), seconds: arguments.minutes * 60, masked: arguments.masked, reason };
    let mut out = std::io::stdout();
    let ended = look(stream, wanted, |news| {
        let text = if arguments.json { json!(news).to_string() + "\n" } else { readable(&news, arguments.masked) };
        // Whoever reads may have seen enough.
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
    });
    match ended {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(value)) => {
            if arguments.json {
                println!("{}", json!({ "ended": value }));
            } else if let Ok(Looked { lines, left_out, seconds }) = serde_json::from_value(value) {
                println!("over after {seconds} s: {lines} lines shown, {left_out} left out");
            }
            ExitCode::SUCCESS
        }
        Err(control::exchange::SendError::Refused(refusal)) => {
            eprintln!("smdrd tap: {refusal}");
            ExitCode::from(super::NOT_WELL)
        }
        Err(_) => {
            eprintln!("smdrd tap: the daemon stopped; ask again when it runs (systemctl status smdrd)");
            ExitCode::from(super::NOT_WELL)
        }
    }
}

/// Asks why. An empty answer is refused by the daemon, which notes that somebody tried.
fn asked() -> Option<String> {
    if !std::io::stdin().is_terminal() {
        return None;
    }
    eprint!("These lines hold patients' telephone numbers. Why do you look at them? (kept in the audit) ");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).ok()?;
    Some(line.trim().to_owned())
}

/// The keys of a record, in the order of `smdrd parse`.
const ORDER: [&str; 17] = [
    "start",
    "connected",
    "end",
    "stamp",
    "direction",
    "answered",
    "ring_s",
    "talk_s",
    "hold_s",
    "extension",
    "trunk",
    "ddi",
    "cli",
    "dialled",
    "transferred",
    "conference",
    "continuation",
];

fn readable(news: &News, masked: bool) -> String {
    match news {
        News::Begun { sources, seconds } => {
            let what = if masked { "masked lines" } else { "lines with PATIENTS' TELEPHONE NUMBERS" };
            format!("{what} of {} for {} min; Ctrl-C ends it\n", sources.join(", "), seconds.div_ceil(60))
        }
        News::LeftOut(lines) => format!("... {lines} lines left out: they came faster than they could be shown\n"),
        News::Line(seen) => line(seen),
    }
}

fn line(seen: &Seen) -> String {
    let head = format!("{} {} {:>6} ", seen.at, seen.source, seen.line);
    let indent = " ".repeat(head.chars().count());
    let what = what(seen);
    match &seen.text {
        Some(text) => format!("{head}| {}\n{indent}= {what}\n", text.as_str()),
        None => format!("{head}= {what}\n"),
    }
}

fn what(seen: &Seen) -> String {
    match (seen.kind, &seen.record) {
        (LineKind::Duplicate, _) => "repeats a line that is stored; not counted".to_owned(),
        (_, Some(record)) => {
            let value = |value: &serde_json::Value| match value {
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let keys = ORDER.iter().filter_map(|key| Some(format!("{key} {}", value(record.get(*key)?))));
            let keys: Vec<String> = keys.collect();
            format!("record: {}", keys.join(", "))
        }
        (LineKind::Record, None) => "record".to_owned(),
        (LineKind::Continuation, None) => "part of a record that other lines complete".to_owned(),
        (LineKind::Event, None) => "an event, no call".to_owned(),
        (LineKind::Header, None) => "a header, a page break or a blank line".to_owned(),
        (LineKind::Noise, None) => "control bytes".to_owned(),
        (LineKind::Unparsed, None) => {
            let reason = seen.reason.as_deref().unwrap_or("no rule reads it");
            match seen.column {
                Some(column) => format!("not understood at column {column}: {reason}"),
                None => format!("not understood: {reason}"),
            }
        }
    }
}
