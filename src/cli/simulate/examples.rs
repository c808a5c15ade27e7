//! The examples of a dialect file, played at another time and with numbers that nobody has. It proves nothing of the
//! dialect, which it reads; it is for trying out a cable, a port or a logger.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::script::Script;
use crate::dialect::{Dialect, Holds, Line, Plan, Reading, Sample, Settled, SourceState, What};
use crate::record::Record;

/// Digits that end in a number of Ofcom's range for drama in Newcastle, with the international prefix before it.
const DRAMA: &str = "00441632960";
/// What marks a number as one of those kept for drama, however it is written.
const KEPT: [&str; 3] = ["1632960", "79460", "7700900"];
/// Between two examples, and between two rounds.
const PAUSE: SignedDuration = SignedDuration::from_mins(1);
/// Lines of one example that are further apart were not printed one after the other.
const LEAP: SignedDuration = SignedDuration::from_hours(12);

/// The examples that are read with `options`, over and over until they are `records` records; without that, once.
/// `begins` is what the first of them is stamped with.
pub fn play(
    dialect: &Dialect,
    options: &BTreeMap<String, String>,
    records: Option<usize>,
    begins: Timestamp,
    zone: &TimeZone,
) -> Script {
    let options = options_of(dialect, options);
    let samples: Vec<Sample<'_>> = dialect.samples().filter(|sample| fits(dialect, sample, &options)).collect();
    let mut lines = Vec::new();
    let (mut made, mut verbatim) = (0, Vec::new());
    let mut at = begins.to_zoned(zone.clone()).datetime();
    'rounds: for round in 0.. {
        let before = made;
        for (number, sample) in samples.iter().enumerate() {
            let Some(played) = Played::of(dialect, sample, at) else { continue };
            if !played.moved && round == 0 {
                verbatim.push(sample.name);
            }
            made += played.records;
            let instant = at.to_zoned(zone.clone()).map_or(begins, |zoned| zoned.timestamp());
            // Printed when the example is over; where it is in a file, nobody waited between its lines.
            lines.extend(played.lines.into_iter().map(|text| crate::simulator::Line { at: instant, text }));
            at = played.until.max(at).checked_add(PAUSE).unwrap_or(at);
            let last = number + 1 == samples.len();
            if records.is_some_and(|records| made >= records) || (records.is_none() && last) {
                break 'rounds;
            }
        }
        if made == before {
            break;
        }
    }
    let mut what = format!(
        "{} of the {} examples in the dialect file {}, stamped anew, with numbers kept for drama",
        samples.len(),
        dialect.examples(),
        dialect.id
    );
    if !verbatim.is_empty() {
        what += &format!("; with the stamps of the file, since others do not fit: {}", verbatim.join("; "));
    }
    Script { what, lines, calls: None, truth: Value::Null }
}

/// The options that examples are played with: these, unless none are given and no example is read so; then those of the
/// first.
fn options_of(dialect: &Dialect, given: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let first = dialect.samples().next().map(|sample| sample.options.clone());
    let fitting = dialect.samples().any(|sample| fits(dialect, &sample, given));
    if fitting || !given.is_empty() { given.clone() } else { first.unwrap_or_default() }
}

/// Whether the example is read with these options. A site's own names change what a line means and not how it looks.
fn fits(dialect: &Dialect, sample: &Sample<'_>, options: &BTreeMap<String, String>) -> bool {
    dialect.options.iter().filter(|(_, option)| !option.words).all(|(name, option)| {
        let chosen = |given: &BTreeMap<String, String>| given.get(name).unwrap_or(&option.default).clone();
        chosen(sample.options) == chosen(options)
    })
}

/// How closely an example is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Move {
    /// To the minute.
    Minutes,
    /// To the day; times stay.
    Days,
}

struct Played {
    lines: Vec<String>,
    records: usize,
    /// Whether the stamps are new.
    moved: bool,
    /// The latest stamp.
    until: DateTime,
}

impl Played {
    fn of(dialect: &Dialect, sample: &Sample<'_>, at: DateTime) -> Option<Played> {
        let then = dialect.plan(sample.options, sample.assume_year).ok()?;
        let now = dialect.plan(sample.options, None).ok()?;
        let old: Vec<Vec<u8>> = sample.lines.lines().map(|line| line.as_bytes().to_vec()).collect();
        // The day only stands in where an example prints neither year nor date and assumes none.
        let was = read(&then, &old, jiff::civil::date(2026, 1, 1));
        let moved = [Move::Minutes, Move::Days].into_iter().find_map(|how| {
            let (lines, until) = moved(&then, &old, at, how)?;
            let is = read(&now, &lines, at.date());
            alike(&was, &is, at, until).then_some((lines, until))
        });
        let is_moved = moved.is_some();
        let (mut lines, until) = moved.unwrap_or((old, at));
        let plan = if is_moved { &now } else { &then };
        let today = if is_moved { at.date() } else { jiff::civil::date(2026, 1, 1) };
        renumber(plan, &mut lines, today);
        let lines = lines.into_iter().map(|line| String::from_utf8_lossy(&line).into_owned()).collect();
        Some(Played { lines, records: was.len(), moved: is_moved, until })
    }
}

/// Reads lines one by one; `each` is given the state before a line, the line, and what was made of it.
fn step(
    plan: &Plan,
    lines: &[Vec<u8>],
    today: jiff::civil::Date,
    mut each: impl FnMut(&SourceState, &Line<'_>, &Reading),
) {
    let (mut state, mut reading) = (SourceState::default(), Reading::default());
    for (no, bytes) in (1..).zip(lines) {
        let line = Line { no, bytes, kept: &[], today };
        let before = state.clone();
        plan.step(&mut state, &line, &mut reading);
        each(&before, &line, &reading);
    }
    let before = state.clone();
    plan.idle(&mut state, &mut reading);
    each(&before, &Line { no: 0, bytes: &[], kept: &[], today }, &reading);
}

fn read(plan: &Plan, lines: &[Vec<u8>], today: jiff::civil::Date) -> Vec<Record> {
    let mut records = Vec::new();
    step(plan, lines, today, |_, _, reading| {
        for Settled { what, .. } in &reading.settled {
            if let What::Record(record) = what {
                records.push((**record).clone());
            }
        }
    });
    records
}

/// Every line at its place after `at`, and the latest moment; nothing when one of them cannot be written so. Where an
/// example leaps from one day to another, the next moment is a minute after the last.
fn moved(plan: &Plan, lines: &[Vec<u8>], at: DateTime, how: Move) -> Option<(Vec<Vec<u8>>, DateTime)> {
    let mut moved: Option<Vec<Vec<u8>>> = Some(Vec::new());
    let (mut by, mut until) = (SignedDuration::ZERO, at);
    let mut before: Option<DateTime> = None;
    step(plan, lines, jiff::civil::date(2026, 1, 1), |state, line, _| {
        if line.no == 0 {
            return;
        }
        if let Some(moment) = plan.moment_of(state, line) {
            if before.is_none_or(|before| moment.duration_since(before).abs() > LEAP) {
                let place = if before.is_none() { at } else { until.saturating_add(PAUSE) };
                by = match how {
                    Move::Minutes => SignedDuration::from_mins(place.duration_since(moment).as_mins()),
                    Move::Days => place.date().duration_since(moment.date()),
                };
            }
            before = Some(moment);
            until = until.max(moment.saturating_add(by));
        }
        match (&mut moved, plan.moved(state, line, by)) {
            (Some(moved), Some(line)) => moved.push(line),
            (moved, _) => *moved = None,
        }
    });
    moved.map(|moved| (moved, until))
}

/// Whether the records are the same but for being of between `at` and `until`.
fn alike(was: &[Record], is: &[Record], at: DateTime, until: DateTime) -> bool {
    let bare = |record: &Record| {
        let mut keys = record.to_json();
        keys.retain(|key, _| !matches!(key.as_str(), "start" | "connected" | "end"));
        (keys, record.leg, record.stamp.map(|stamp| (stamp.kind, stamp.resolution_s)))
    };
    // A header's date lends itself to times of the whole day.
    let due = at.saturating_sub(LEAP * 2)..=until.saturating_add(LEAP * 2);
    let same =
        |(was, is): (&Record, &Record)| bare(was) == bare(is) && is.stamp.is_none_or(|stamp| due.contains(&stamp.at));
    was.len() == is.len() && was.iter().zip(is).all(same)
}

/// Puts digits of the range for drama where another number stands.
fn renumber(plan: &Plan, lines: &mut [Vec<u8>], today: jiff::civil::Date) {
    let mut places: Vec<(usize, usize, usize)> = Vec::new();
    step(plan, lines, today, |_, line, reading| {
        let own = usize::try_from(line.no).unwrap_or(0);
        let numbers = reading.marks.iter().filter(|mark| own > 0 && matches!(mark.holds, Holds::Number(_)));
        places.extend(numbers.map(|mark| (own - 1, usize::from(mark.start), usize::from(mark.end))));
    });
    for (turn, (line, from, to)) in places.into_iter().enumerate() {
        let Some(part) = lines.get_mut(line).and_then(|line| line.get_mut(from..to)) else { continue };
        let digits: String = part.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| char::from(*byte)).collect();
        if digits.len() < 7 || KEPT.iter().any(|kept| digits.contains(kept)) {
            continue;
        }
        let drama = format!("{DRAMA}{:03}", turn % 1_000);
        let skip = drama.len().saturating_sub(digits.len());
        let mut fresh = drama.bytes().skip(skip).chain(std::iter::repeat(b'0'));
        for byte in part.iter_mut().filter(|byte| byte.is_ascii_digit()) {
            *byte = fresh.next().unwrap_or(b'0');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Library;

    #[test]
    fn every_shipped_example_can_be_played_and_read_as_it_was() {
        let begins: Timestamp = "2026-11-20T13:05:00Z".parse().unwrap();
        let zone = TimeZone::UTC;
        let library = Library::shipped();
        let mut anew = 0;
        for id in library.ids() {
            let dialect = library.get(id).unwrap();
            let script = play(dialect, &BTreeMap::new(), None, begins, &zone);
            assert!(!script.lines.is_empty(), "{id}");
            let options = options_of(dialect, &BTreeMap::new());
            let plan = dialect.plan(&options, None).unwrap();
            let lines: Vec<Vec<u8>> = script.lines.iter().map(|line| line.text.clone().into_bytes()).collect();
            let records = read(&plan, &lines, jiff::civil::date(2026, 11, 20));
            let expected: usize = dialect
                .samples()
                .filter(|sample| fits(dialect, sample, &options))
                .map(|sample| {
                    let lines: Vec<Vec<u8>> = sample.lines.lines().map(|line| line.as_bytes().to_vec()).collect();
                    let plan = dialect.plan(sample.options, sample.assume_year).unwrap();
                    read(&plan, &lines, jiff::civil::date(2026, 1, 1)).len()
                })
                .sum();
            assert!(expected > 0 && records.len() >= expected, "{id}: {} records of {expected}", records.len());
            let stamped = records.iter().filter_map(|record| record.stamp);
            let today = stamped.filter(|stamp| stamp.at.date() == jiff::civil::date(2026, 11, 20)).count();
            println!("{id}: {today} of {} today; {}", records.len(), script.what);
            // What could not be stamped anew is named.
            assert!(today > 0 || script.what.contains("with the stamps of the file"), "{id}: {}", script.what);
            anew += usize::from(today > 0);
        }
        let all = library.ids().count();
        assert!(anew * 3 >= all * 2, "only {anew} of {all} dialects show today");
    }

    #[test]
    fn more_records_are_made_by_going_round() {
        let dialect = Library::shipped().get("mitel-3300").unwrap();
        let begins: Timestamp = "2026-11-20T08:00:00Z".parse().unwrap();
        let script = play(dialect, &BTreeMap::new(), Some(200), begins, &TimeZone::UTC);
        let lines: Vec<Vec<u8>> = script.lines.iter().map(|line| line.text.clone().into_bytes()).collect();
        let plan = dialect.plan(&BTreeMap::new(), None).unwrap();
        assert!(read(&plan, &lines, jiff::civil::date(2026, 11, 20)).len() >= 200);
    }
}
