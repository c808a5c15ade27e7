//! What is played: a practice day of a simulator that was written by hand, or the examples of a dialect file.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::simulator::practice_day::practice_day;
use crate::simulator::scenario::{Call, Day, Parties, Pbx};
use crate::simulator::truth::totals;
use crate::simulator::{Line, hipath, ipoffice, panasonic};

/// The most calls of one play.
pub const MOST_CALLS: usize = 1_000_000;

/// Lines, and what they must come to.
pub struct Script {
    /// What is played, in words.
    pub what: String,
    /// The lines, without their ends, in order.
    pub lines: Vec<Line>,
    /// How many calls they are of; nothing where only the lines are known.
    pub calls: Option<usize>,
    /// What happened, where that is known; without a number.
    pub truth: Value,
}

/// When a play is.
#[derive(Debug, Clone, Copy)]
pub enum When {
    /// On practice days from this one on.
    From(Date),
    /// Beginning now.
    Begins(Timestamp),
    /// Ending now.
    Ends(Timestamp),
}

/// The PBX that has a simulator of its own, by dialect.
pub fn written_by_hand(dialect: &str) -> Option<Pbx> {
    match dialect {
        "avaya-ipoffice" => Some(Pbx::Reception),
        "siemens-hipath3000" => Some(Pbx::Surgery),
        "panasonic-kx" => Some(Pbx::Annexe),
        _ => None,
    }
}

/// The first `calls` calls of a practice's days on `pbx`; without it, of one day.
pub fn practice(pbx: Pbx, seed: u64, calls: Option<usize>, when: When, zone: TimeZone) -> Script {
    let first = match when {
        When::From(date) => date,
        When::Begins(now) | When::Ends(now) => now.to_zoned(zone.clone()).date(),
    };
    let wanted = calls.unwrap_or(usize::MAX);
    let mut all: Vec<Call> = Vec::new();
    for (date, seed) in first.series(1.day()).zip(seed..) {
        let day = practice_day(date, zone.clone(), seed);
        all.extend(day.calls.into_iter().filter(|call| call.pbx == pbx && is_printed(call)));
        if calls.is_none() || all.len() >= wanted {
            break;
        }
    }
    all.truncate(wanted);
    let shift = match when {
        When::From(_) => SignedDuration::ZERO,
        When::Begins(now) => all.first().map_or(SignedDuration::ZERO, |call| now.duration_since(call.arrival)),
        When::Ends(now) => all.iter().map(Call::end).max().map_or(SignedDuration::ZERO, |end| now.duration_since(end)),
    };
    let shift = SignedDuration::from_secs(shift.as_secs());
    for call in &mut all {
        call.arrival += shift;
    }
    let day = Day { date: first, zone: zone.clone(), calls: all };
    let (name, lines) = match pbx {
        Pbx::Reception => ("an Avaya IP Office", ipoffice::lines(&day)),
        Pbx::Surgery => ("a Siemens HiPath 3000", hipath::lines(&day)),
        // Who logged in when is of the calendar day, not of calls that were moved.
        Pbx::Annexe => {
            let moved = shift != SignedDuration::ZERO;
            let lines = panasonic::lines(&day).into_iter().filter(|line| !(moved && panasonic::is_log(line)));
            ("a Panasonic KX, pattern C", lines.collect())
        }
    };
    let truth = json!({
        "totals": totals(&day.calls, &zone),
        "calls": day.calls.iter().map(told).collect::<Vec<_>>(),
    });
    let what = format!("{name}, written by hand from its maker's documents, on a practice day of seed {seed}");
    Script { what, calls: Some(day.calls.len()), lines, truth }
}

/// Whether the PBX prints it at all.
fn is_printed(call: &Call) -> bool {
    match call.parties {
        Parties::Internal { .. } => call.pbx != Pbx::Surgery,
        Parties::MailboxCheck { .. } => call.pbx == Pbx::Reception,
        _ => true,
    }
}

/// A call without its numbers.
fn told(call: &Call) -> Value {
    let kind = match call.parties {
        Parties::Inbound { .. } => "inbound",
        Parties::Outbound { .. } => "outbound",
        Parties::Internal { .. } => "internal",
        Parties::MailboxCheck { .. } => "mailbox-check",
    };
    let ending = match call.ending() {
        crate::simulator::scenario::Ending::Answered => "answered",
        crate::simulator::scenario::Ending::IvrEnded => "ivr-ended",
        crate::simulator::scenario::Ending::Voicemail => "voicemail",
        crate::simulator::scenario::Ending::GaveUp => "gave-up",
    };
    json!({
        "arrival": call.arrival, "end": call.end(), "kind": kind, "line": call.line, "ending": ending,
        "wait_s": call.wait(), "talk_s": call.talk(),
    })
}
