//! The day as a person reads it, and what is said while it is played.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use serde_json::Value;

use super::Performance;
use super::front::{Fate, Try};
use crate::aggregate::document::{DayDocument, Histogram, Slot};

/// How wide a bar may be.
const BAR: u64 = 32;
/// How many half-hours are shown.
const BUSIEST: usize = 6;
/// How many differences are shown; a wrong day differs in hundreds of figures.
const DIFFERENCES: usize = 40;

/// Says how far the day is: one line that changes on a terminal, a line every three hours elsewhere.
pub struct Progress {
    zone: TimeZone,
    terminal: bool,
    next: Option<Timestamp>,
    /// Lines sent when it was last said.
    lines: usize,
    /// How many tries have been told.
    told: usize,
}

impl Progress {
    /// Begins in silence.
    pub fn new(zone: TimeZone) -> Progress {
        Progress { zone, terminal: std::io::stderr().is_terminal(), next: None, lines: usize::MAX, told: 0 }
    }

    /// Says something once.
    pub fn say(&mut self, text: &str) {
        self.clear();
        eprintln!("{text}");
    }

    /// Says that it is `now`, with so many calls begun and so many lines sent.
    pub fn tick(&mut self, now: Timestamp, calls: usize, lines: usize) {
        let clock = now.to_zoned(self.zone.clone()).strftime("%a %H:%M").to_string();
        if self.terminal {
            eprint!("\r\x1b[K{clock}  {calls} calls begun, {lines} lines sent");
            let _ = std::io::stderr().flush();
        } else if self.lines != lines && self.next.is_none_or(|next| now >= next) {
            eprintln!("{clock}  {calls} calls begun, {lines} lines sent");
            (self.next, self.lines) = (Some(now + SignedDuration::from_hours(3)), lines);
        }
    }

    /// Tells of the tries to deliver that have not been told yet.
    pub fn tried(&mut self, tries: &[Try]) {
        for (number, one) in tries.iter().enumerate().skip(self.told) {
            let at = one.at.to_zoned(self.zone.clone()).strftime("%a %H:%M").to_string();
            self.say(&format!("{at}  revision {} {}", one.revision, fate(&tries[..=number])));
        }
        self.told = tries.len();
    }

    /// Takes the changing line away.
    pub fn clear(&mut self) {
        if self.terminal {
            eprint!("\r\x1b[K");
            let _ = std::io::stderr().flush();
        }
    }
}

/// What became of the last of these tries.
fn fate(tries: &[Try]) -> String {
    let Some((one, before)) = tries.split_last() else { return String::new() };
    let held = before.iter().any(|other| other.revision == one.revision && other.fate == Fate::ReceiptLost);
    match one.fate {
        Fate::TurnedAway => "sent: the supplier answers 503 and asks to wait".to_owned(),
        Fate::ReceiptLost => {
            "sent again: the supplier takes it, and the connection is cut before its receipt".to_owned()
        }
        Fate::Answered(200) if held => "sent again: the supplier has it already, and gives its receipt".to_owned(),
        Fate::Answered(200) => {
            "sent: the supplier takes it in place of the one before, and gives its receipt".to_owned()
        }
        Fate::Answered(201) => "sent: the supplier takes it and gives its receipt".to_owned(),
        Fate::Answered(status) => format!("sent: the supplier answers {status}"),
    }
}

/// The whole report.
pub fn report(performance: &Performance) -> String {
    let mut text = String::new();
    match serde_json::from_value::<DayDocument>(performance.document.clone()) {
        Ok(document) => day(&mut text, &document),
        Err(reason) => line(&mut text, &format!("The document cannot be read as a day: {reason}")),
    }
    line(&mut text, "");
    delivery(&mut text, performance);
    let receipt = &performance.receipt;
    let id = receipt.receipt_id.as_deref().unwrap_or("none");
    let short: String = performance.sha256.chars().take(12).collect();
    line(&mut text, &format!("Receipt    {id}, sha256 {short}…"));
    for (name, count) in &performance.lines {
        line(&mut text, &format!("Played     {name}: {count} lines"));
    }
    let comparison = &performance.comparison;
    let found = comparison.differences.len();
    let plural = if found == 1 { "difference" } else { "differences" };
    line(&mut text, &format!("Compared   {} figures compared, {found} {plural}", comparison.figures));
    for difference in comparison.differences.iter().take(DIFFERENCES) {
        line(&mut text, &format!("  {difference}"));
    }
    if found > DIFFERENCES {
        line(&mut text, &format!("  … and {} more; `smdrd demo --json` gives them all", found - DIFFERENCES));
    }
    text
}

/// What the supplier got, try by try, and what changed from one revision to the next.
fn delivery(text: &mut String, performance: &Performance) {
    let zone = TimeZone::get("Europe/London").unwrap_or(TimeZone::UTC);
    for (number, one) in performance.tries.iter().enumerate() {
        let at = one.at.to_zoned(zone.clone()).strftime("%a %H:%M").to_string();
        let head = if number == 0 { "Delivery" } else { "" };
        line(text, &format!("{head:<11}{at}  revision {} {}", one.revision, fate(&performance.tries[..=number])));
    }
    let inbound = |document: &Value, figure: &str| {
        let pointer = format!("/totals/inbound/{figure}");
        document.pointer(&pointer).map_or_else(|| "nothing".to_owned(), Value::to_string)
    };
    let mut revisions: Vec<&Value> = Vec::new();
    for document in performance.tries.iter().map(|one| &one.document) {
        if revisions.last().is_none_or(|last| last.get("revision") != document.get("revision")) {
            revisions.push(document);
        }
    }
    for (number, document) in revisions.iter().enumerate() {
        let head = if number == 0 { "Revisions" } else { "" };
        let revision = document.get("revision").cloned().unwrap_or_default();
        let (answered, missed) = (inbound(document, "answered"), inbound(document, "missed"));
        let why = if number == 0 { "" } else { ": the leg of a call that went on over midnight came after delivery" };
        line(text, &format!("{head:<11}{revision}: {answered} answered, {missed} missed{why}"));
    }
    if performance.by_hand {
        line(text, "           This machine was so busy that the box missed its night; `smdrd push` sent it");
    }
}

fn day(text: &mut String, document: &DayDocument) {
    let totals = &document.totals;
    let inbound = &totals.inbound;
    let (date, practice) = (document.date.strftime("%A %-d %B %Y"), &document.practice);
    line(text, &format!("{date}, practice {}, site {}", practice.ods, practice.site));
    line(text, "");
    let said = |count: Option<u64>| count.map_or_else(|| "not shown".to_owned(), |count| count.to_string());
    line(text, &format!("Calls      {} inbound, {} outbound", said(inbound.calls), said(totals.outbound.calls)));
    line(
        text,
        &format!(
            "           {} repeat calls, internal calls {}",
            said(inbound.repeat_calls),
            said(totals.internal.calls)
        ),
    );
    line(text, "");
    line(text, "Outcome");
    let all = inbound.calls.unwrap_or(inbound.calls_seen);
    for (name, count) in [
        ("answered by a person", inbound.answered),
        ("ended in the menu", inbound.ivr_ended),
        ("call back requested", inbound.callback_requested),
        ("missed", inbound.missed),
        ("  of these, voicemail", inbound.missed_voicemail),
    ] {
        let share = count.map(|count| format!("{:5.1} %  {}", share(count, all), bar(count, all))).unwrap_or_default();
        line(text, &format!("  {name:<22}{:>9}  {share}", said(count)));
    }
    line(text, "");
    line(text, "Seconds          answered: wait  answered: talk  missed: wait");
    for (index, name) in bands(&document.edges_s).iter().enumerate() {
        let count = |histogram: &Option<Histogram>| {
            said(histogram.as_ref().and_then(|histogram| histogram.get(index).copied()))
        };
        let (wait, talk) = (count(&inbound.answered_wait), count(&inbound.answered_talk));
        line(text, &format!("  {name:<14}{wait:>15}{talk:>16}{:>14}", count(&inbound.missed_wait)));
    }
    line(text, "");
    line(text, "Busiest half-hours");
    let calls = |slot: &Slot| slot.figures.inbound.calls.unwrap_or(slot.figures.inbound.calls_seen);
    let mut slots: Vec<&Slot> = document.slots.iter().collect();
    slots.sort_by_key(|slot| (std::cmp::Reverse(calls(slot)), slot.start));
    let most = slots.first().map_or(1, |slot| calls(slot)).max(1);
    for slot in slots.into_iter().take(BUSIEST) {
        let missed = said(slot.figures.inbound.missed);
        line(text, &format!("  {}{:>6} calls{missed:>6} missed  {}", slot.local, calls(slot), bar(calls(slot), most)));
    }
    line(text, "");
    coverage(text, document);
}

fn coverage(text: &mut String, document: &DayDocument) {
    let zone = TimeZone::get(&document.zone).unwrap_or(TimeZone::UTC);
    let whole = document.day.end.duration_since(document.day.start).as_secs().unsigned_abs();
    let observed = document.coverage.observed_s;
    line(text, &format!("Observed   {} of {} ({:.1} %)", hours(observed), hours(whole), share(observed, whole)));
    for gap in &document.coverage.gaps {
        let wall = |instant: Timestamp| instant.to_zoned(zone.clone()).strftime("%H:%M").to_string();
        let (start, end) = (wall(gap.start), wall(gap.end));
        line(text, &format!("  not from {start} to {end}: {}, {}", gap.cause, gap.source));
    }
}

fn line(text: &mut String, more: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}", more.trim_end());
}

fn bands(edges: &[u32]) -> Vec<String> {
    let mut names = vec!["0".to_owned()];
    names.extend(edges.windows(2).map(|pair| format!("{} to {}", pair[0] + 1, pair[1])));
    names.extend(edges.last().map(|last| format!("above {last}")));
    names
}

fn share(count: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { count as f64 * 100.0 / of as f64 }
}

fn bar(count: u64, most: u64) -> String {
    let width = (count * BAR).div_ceil(most.max(1)).min(BAR);
    "█".repeat(usize::try_from(width).unwrap_or(0))
}

fn hours(seconds: u64) -> String {
    format!("{}:{:02} h", seconds / 3600, seconds / 60 % 60)
}

#[cfg(test)]
mod tests {
    use super::super::compare::{Comparison, Difference};
    use super::super::supplier::Receipt;
    use super::*;

    #[test]
    fn the_report_tells_the_day_and_each_difference() {
        let example = include_str!("../../../tests/contract/day-document.example.json");
        let difference = Difference {
            slot: "08:30".to_owned(),
            figure: "inbound.answered".to_owned(),
            expected: "24".to_owned(),
            got: "23".to_owned(),
        };
        let try_of = |at: &str, revision: u32, answered: u32, fate: Fate| Try {
            at: at.parse().unwrap(),
            document: serde_json::json!({
                "revision": revision, "totals": {"inbound": {"answered": answered, "missed": 69 - answered}},
            }),
            revision: revision.into(),
            fate,
            answer: Value::Null,
        };
        let performance = Performance {
            tries: vec![
                try_of("2026-11-21T00:30:00Z", 1, 52, Fate::TurnedAway),
                try_of("2026-11-21T00:31:00Z", 1, 52, Fate::ReceiptLost),
                try_of("2026-11-21T00:32:00Z", 1, 52, Fate::Answered(200)),
                try_of("2026-11-22T00:30:00Z", 2, 53, Fate::Answered(200)),
            ],
            by_hand: false,
            incomplete: vec!["08:30".to_owned()],
            document: serde_json::from_str(example).unwrap(),
            sha256: "0123456789abcdef".to_owned(),
            receipt: Receipt { receipt_id: Some("rc-7".to_owned()), sha256: None },
            comparison: Comparison { figures: 2_400, differences: vec![difference] },
            lines: vec![("reception-pbx", 103)],
            seconds: 41.0,
        };
        let text = report(&performance);
        for part in [
            "Friday 20 November 2026, practice A81001, site main",
            "69 inbound, 10 outbound",
            "  answered by a person         53   76.8 %",
            "  61 to 90                    7              13             2",
            "  08:00    41 calls     8 missed  ████████████████████████████████",
            "Observed   23:55 h of 24:00 h (99.7 %)",
            "  not from 08:47 to 08:52: link-down, reception-pbx",
            "Delivery   Sat 00:30  revision 1 sent: the supplier answers 503",
            "           Sat 00:32  revision 1 sent again: the supplier has it already",
            "           Sun 00:30  revision 2 sent: the supplier takes it in place",
            "Revisions  1: 52 answered, 17 missed\n           2: 53 answered, 16 missed: the leg",
            "Receipt    rc-7, sha256 0123456789ab…",
            "Compared   2400 figures compared, 1 difference\n  08:30 inbound.answered expected 24 got 23",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
    }
}
