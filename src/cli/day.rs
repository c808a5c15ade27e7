//! `smdrd day`.

use std::process::ExitCode;

use jiff::civil::Date;

use super::{Asking, table};
use crate::aggregate::document::{DayDocument, EDGES_S};
use crate::control::Request;

/// Print the document of a day, exactly as it is or will be sent
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The civil day, as 2026-11-20
    date: Date,
    /// Whose day, as ODS code or ODS/site, where there are several practices
    #[arg(long, value_name = "ODS")]
    practice: Option<String>,
    /// Print the document itself: canonical JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    asking: Asking,
}

/// Runs the verb.
pub fn run(arguments: Arguments) -> ExitCode {
    let request = Request::Day { date: arguments.date, practice: arguments.practice };
    let value = match arguments.asking.ask(request) {
        Ok(value) => value,
        Err(code) => return code,
    };
    if arguments.json {
        // The value's own printing is the canonical form: keys in order, no blanks.
        println!("{value}");
        return ExitCode::SUCCESS;
    }
    match serde_json::from_value::<DayDocument>(value) {
        Ok(document) => {
            print!("{}", readable(&document));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("smdrd day: the document cannot be read: {error}");
            ExitCode::from(super::NOT_WELL)
        }
    }
}

fn figure(value: Option<u64>) -> String {
    value.map_or_else(|| "not known".to_owned(), |value| value.to_string())
}

/// The day as a person reads it.
pub fn readable(document: &DayDocument) -> String {
    let inbound = &document.totals.inbound;
    let mut text = format!(
        "{} {} · {} · revision {}\nobserved {} of {} s{}\n\n",
        document.practice.ods,
        document.practice.site,
        document.date,
        document.revision,
        document.coverage.observed_s,
        document.day.end.duration_since(document.day.start).as_secs(),
        if document.coverage.complete { "" } else { ", not complete" },
    );
    if document.features.diverted_outside_is_staff {
        text += "calls passed on over an outside line and answered there count as answered by the practice's own people\n\n";
    }
    let rows = [
        ("inbound calls", figure(inbound.calls)),
        ("  seen", inbound.calls_seen.to_string()),
        ("  answered by a person", figure(inbound.answered)),
        ("  ended in the menu", figure(inbound.ivr_ended)),
        ("  call back requested", figure(inbound.callback_requested)),
        ("  missed", figure(inbound.missed)),
        ("    of which voicemail", figure(inbound.missed_voicemail)),
        ("  repeat calls", figure(inbound.repeat_calls)),
        ("outgoing calls", figure(document.totals.outbound.calls)),
        ("internal calls", figure(document.totals.internal.calls)),
        ("most lines in use", figure(document.totals.trunks.peak_concurrent)),
    ];
    text += &table(rows.iter().map(|(name, value)| vec![(*name).to_owned(), value.clone()]));
    if let Some(counts) = inbound.answered_wait {
        let bands = EDGES_S.iter().map(|edge| format!("to {edge} s")).chain(["above".to_owned()]);
        text += "\nwait of answered calls\n";
        text += &table(bands.zip(counts).map(|(band, count)| vec![format!("  {band}"), count.to_string()]));
    }
    for gap in &document.coverage.gaps {
        let part = gap.lost_s.map(|lost| format!(", {lost} s of it")).unwrap_or_default();
        let records = gap.records.map(|records| format!(", {records} lines or records")).unwrap_or_default();
        text += &format!("gap {} – {} {} ({}{part}{records})\n", gap.start, gap.end, gap.source, gap.cause);
    }
    for (key, reason) in &document.cbt.absent {
        text += &format!("{key} is not known: {reason}\n");
    }
    text
}
