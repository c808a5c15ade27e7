//! Which dialect lines are in: every dialect reads them, with every choice of its options, and what each makes of them
//! is weighed. Nothing is known of a PBX but what it printed, so the answer says how sure it is and from what.
//!
//! A reading speaks for a dialect by the part of each line that it can prove: dates, times, durations, trunks, stations
//! and codes that are where its layout has them. It speaks against itself by lines it does not understand, by stamps
//! that jump about (a date read in the wrong order does), and by times no call has.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime};

use super::{Dialect, Holds, Library, Line, Mark, Plan, Reading, Role, Settled, SourceState, What};
use crate::framing::{Ended, Framer, Settings};
use crate::record::Record;

/// Lines that are weighed at most; more would not change the answer.
const MOST_LINES: u64 = 400;
/// Records below which nothing is certain.
const ENOUGH: usize = 3;
/// Choices of options that are tried of one dialect at most.
const MOST_CHOICES: usize = 24;
/// How much better the best must be than the next to be certain.
const CLEAR: f64 = 1.15;
/// From which share of the best fit on a dialect that understands every line as well is as likely.
const TWIN: f64 = 0.75;

/// How sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// Something of it fits.
    Low,
    /// It fits best, and something is in doubt.
    Fair,
    /// It fits, and nothing else does as well.
    High,
}

/// What a dialect made of one line.
#[derive(Debug, Clone, PartialEq)]
pub struct LineEvidence {
    /// Number of the line, from 1.
    pub no: u64,
    /// What it is.
    pub what: What,
}

/// A dialect that reads something of the lines.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Its id.
    pub dialect: String,
    /// What people call the PBX.
    pub name: String,
    /// The options that fit best, where the lines tell anything about them and the default is not it.
    pub options: BTreeMap<String, String>,
    /// Options that the lines do not decide: the values that fit as well as the chosen one.
    pub undecided: BTreeMap<String, Vec<String>>,
    /// Options that the lines decide: why it is the chosen value and not the next best.
    pub decided: BTreeMap<String, String>,
    /// What this format never shows with these options, as the dialect file names it.
    pub cannot: Vec<String>,
    /// How sure it is.
    pub confidence: Confidence,
    /// How well it fits, from 0 to 1.
    pub fit: f64,
    /// Lines that carry a record.
    pub records: usize,
    /// Lines of records that other lines carry.
    pub continuations: usize,
    /// Lines that are no call.
    pub ignored: usize,
    /// Lines it does not understand.
    pub unparsed: usize,
    /// What is odd about its reading, for a person.
    pub against: Vec<String>,
    /// What it made of the lines, in order.
    pub evidence: Vec<LineEvidence>,
}

/// What can be said of some bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// Lines that are not blank.
    pub lines: usize,
    /// Whether there is enough to say anything with confidence.
    pub enough: bool,
    /// The dialects that read something of it, the best first.
    pub candidates: Vec<Candidate>,
}

/// Every dialect of a library with every choice of its options, compiled once.
#[derive(Debug)]
pub struct Detector<'a> {
    dialects: Vec<(&'a Dialect, Vec<Choice>)>,
}

/// One choice of options, and the dialect compiled with it.
type Choice = (BTreeMap<String, String>, Plan);

impl<'a> Detector<'a> {
    /// For this library.
    pub fn new(library: &'a Library) -> Detector<'a> {
        Detector::among(library, library.ids())
    }

    /// For those of a library's dialects that have these ids.
    pub fn among<'i>(library: &'a Library, ids: impl Iterator<Item = &'i str>) -> Detector<'a> {
        let compiled = |dialect: &'a Dialect| {
            let plans = choices(dialect).into_iter().filter_map(|options| {
                let plan = dialect.plan(&options, None).ok()?;
                Some((options, plan))
            });
            (dialect, plans.collect())
        };
        Detector { dialects: ids.filter_map(|id| library.get(id)).map(compiled).collect() }
    }

    /// Which dialects `bytes` may be in. `today` is the box's civil date.
    pub fn detect(&self, bytes: &[u8], today: Date) -> Detection {
        let readings = self.dialects.iter().filter_map(|(dialect, plans)| best_of(dialect, plans, bytes, today));
        ranked(readings.filter(|candidate| candidate.records > 0 && candidate.fit > 0.0).collect(), bytes)
    }
}

fn ranked(mut candidates: Vec<Candidate>, bytes: &[u8]) -> Detection {
    candidates.sort_by(|one, other| other.fit.total_cmp(&one.fit).then_with(|| one.dialect.cmp(&other.dialect)));
    let fits: Vec<f64> = candidates.iter().map(|candidate| candidate.fit).collect();
    // Two PBXs may print the same layout (Meridian, and BCM set to SL-1): who reads as much cannot be ruled out.
    let twin = candidates.split_first().is_some_and(|(best, others)| {
        others.iter().any(|other| {
            other.records >= best.records && other.unparsed <= best.unparsed && other.fit >= best.fit * TWIN
        })
    });
    let enough = candidates.first().is_some_and(|best| best.records >= ENOUGH);
    for (rank, candidate) in candidates.iter_mut().enumerate() {
        let next = fits.get(rank.saturating_add(1)).copied().unwrap_or(0.0);
        let clear = rank == 0 && candidate.fit >= next * CLEAR && !twin;
        candidate.confidence = match () {
            () if clear && enough && candidate.fit >= 0.75 && candidate.against.is_empty() => Confidence::High,
            () if rank == 0 && candidate.fit >= 0.4 => Confidence::Fair,
            () => Confidence::Low,
        };
    }
    let lines =
        frame(bytes, Settings::default()).iter().filter(|line| !line.iter().all(u8::is_ascii_whitespace)).count();
    Detection { lines, enough, candidates }
}

/// The best reading of one dialect, over its options.
fn best_of(dialect: &Dialect, plans: &[Choice], bytes: &[u8], today: Date) -> Option<Candidate> {
    let lines = frame(bytes, Settings { protocol: dialect.protocol(), ..Settings::default() });
    let mut readings: Vec<(&BTreeMap<String, String>, Weighed)> =
        plans.iter().map(|(options, plan)| (options, weigh(plan, &lines, today))).collect();
    // The defaults come first, and go before what is no better.
    let best = readings.iter().map(|(_, weighed)| weighed.fit()).fold(0.0, f64::max);
    let chosen = readings.iter().position(|(_, weighed)| weighed.fit() >= best * 0.999)?;
    let mut undecided: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut beaten: BTreeMap<&String, (&String, &Weighed)> = BTreeMap::new();
    let (options, weighed) = readings.get(chosen)?;
    for (other, less) in &readings {
        let differ: Vec<_> = other.iter().filter(|(name, value)| options.get(*name) != Some(*value)).collect();
        let [(name, value)] = differ.as_slice() else { continue };
        if less.fit() >= best * 0.999 {
            undecided.entry((*name).clone()).or_default().push((*value).clone());
        } else {
            // The default is what everybody would take it for, so it is the one to speak of.
            let is_default = |value: &String| dialect.options.get(*name).is_some_and(|option| option.default == *value);
            let nearer = |(of, next): &(&String, &Weighed)| !is_default(of) && next.fit() < less.fit();
            if is_default(value) || beaten.get(*name).is_none_or(nearer) {
                beaten.insert(*name, (*value, less));
            }
        }
    }
    let decided = beaten.into_iter().filter(|(name, _)| !undecided.contains_key(*name));
    let decided = decided.filter_map(|(name, (value, less))| {
        let chosen = options.get(name).or(dialect.options.get(name).map(|option| &option.default))?;
        Some((name.clone(), format!("{chosen}, since as {value} {}", weighed.better_than(less))))
    });
    let decided = decided.collect();
    let cannot = weighed.cannot.clone();
    let (options, weighed) = readings.swap_remove(chosen);
    let told = |(name, value): &(&String, &String)| dialect.options.get(*name).is_some_and(|o| o.default != **value);
    Some(Candidate {
        dialect: dialect.id.clone(),
        name: dialect.name.clone(),
        options: options.iter().filter(told).map(|(name, value)| (name.clone(), value.clone())).collect(),
        undecided,
        decided,
        cannot,
        confidence: Confidence::Low,
        fit: weighed.fit(),
        records: weighed.records,
        continuations: weighed.continuations,
        ignored: weighed.ignored,
        unparsed: weighed.unparsed,
        against: weighed.against(),
        evidence: weighed.evidence,
    })
}

/// The choices of options to try, all defaults first.
fn choices(dialect: &Dialect) -> Vec<BTreeMap<String, String>> {
    let mut choices = vec![BTreeMap::new()];
    for (name, option) in &dialect.options {
        let others = option.values.iter().filter(|value| **value != option.default);
        let values = std::iter::once(&option.default).chain(others);
        let wider = values.flat_map(|value| {
            choices.iter().map(move |choice: &BTreeMap<String, String>| {
                let mut choice = choice.clone();
                choice.insert(name.clone(), value.clone());
                choice
            })
        });
        choices = wider.take(MOST_CHOICES).collect();
    }
    choices
}

fn frame(bytes: &[u8], settings: Settings) -> Vec<Vec<u8>> {
    let mut framer = Framer::new(settings);
    let mut lines = Vec::new();
    let mut take = |line: crate::framing::Line<'_>| {
        if (lines.len() as u64) < MOST_LINES && !(line.bytes.is_empty() && line.stripped > 0) {
            lines.push(line.bytes.to_vec());
        }
    };
    framer.push(bytes, &mut take);
    framer.flush(Ended::EndOfInput, &mut take);
    lines
}

/// A reading, weighed.
#[derive(Debug, Default)]
struct Weighed {
    records: usize,
    continuations: usize,
    ignored: usize,
    unparsed: usize,
    /// Letters and digits of all lines, and how much of them is proven by their types.
    bytes: f64,
    proven: f64,
    /// Records whose stamp is much earlier than the one before, or later than today.
    astray: usize,
    /// Records with times no call has.
    absurd: usize,
    /// Records that say neither when, nor which way, nor how long.
    empty: usize,
    last: Option<DateTime>,
    /// What the format never shows, by the options and by what the lines tell.
    cannot: Vec<String>,
    evidence: Vec<LineEvidence>,
}

fn weigh(plan: &Plan, lines: &[Vec<u8>], today: Date) -> Weighed {
    let mut weighed = Weighed::default();
    let mut state = SourceState::default();
    let mut reading = Reading::default();
    for (no, bytes) in (1..).zip(lines) {
        plan.step(&mut state, &Line { no, bytes, kept: &[], today }, &mut reading);
        let understood = !matches!(reading.settled.last(), Some(Settled { what: What::Unparsed { .. }, .. }));
        weighed.line(bytes, understood.then_some(&reading.marks));
        weighed.settled(&mut reading, today);
    }
    plan.idle(&mut state, &mut reading);
    weighed.settled(&mut reading, today);
    weighed.cannot = plan.cannot_on(&state, today);
    weighed
}

impl Weighed {
    fn line(&mut self, line: &[u8], marks: Option<&Vec<Mark>>) {
        let weight = |bytes: &[u8]| bytes.iter().filter(|byte| byte.is_ascii_alphanumeric()).count() as f64;
        self.bytes += weight(line);
        for mark in marks.into_iter().flatten() {
            let held = line.get(usize::from(mark.start)..usize::from(mark.end)).unwrap_or_default();
            self.proven += weight(held)
                * match (&mark.holds, mark.role) {
                    (Holds::Typed, Role::Unasked | Role::Numbering) => 0.5,
                    (Holds::Typed, _) => 1.0,
                    (Holds::Number(_), _) => 0.9,
                    (Holds::Account, _) => 0.5,
                    (Holds::Name, _) => 0.5,
                    (Holds::Text, _) => 0.1,
                };
        }
    }

    fn settled(&mut self, reading: &mut Reading, today: Date) {
        for Settled { no, what } in reading.settled.drain(..) {
            match &what {
                What::Record(record) => {
                    self.records = self.records.saturating_add(1);
                    self.record(record, today);
                }
                What::Continuation => self.continuations = self.continuations.saturating_add(1),
                What::Event(_) | What::Header | What::Noise => self.ignored = self.ignored.saturating_add(1),
                What::Unparsed { .. } => self.unparsed = self.unparsed.saturating_add(1),
            }
            self.evidence.push(LineEvidence { no, what });
        }
        reading.marks.clear();
    }

    fn record(&mut self, record: &Record, today: Date) {
        let long = |seconds: Option<u32>, most: u32| seconds.is_some_and(|seconds| seconds > most);
        if long(record.ring_s, 7_200) || long(record.talk_s, 86_400) || long(record.hold_s, 86_400) {
            self.absurd = self.absurd.saturating_add(1);
        }
        if record.direction.is_none() && record.talk_s.is_none() && record.ring_s.is_none() {
            self.empty = self.empty.saturating_add(1);
        }
        let Some(stamp) = record.stamp else { return };
        let late = stamp.at.date() > today.saturating_add(jiff::Span::new().days(366));
        let apart = self.last.map(|last| stamp.at.duration_since(last));
        let (back, on) = (SignedDuration::from_hours(-26), SignedDuration::from_hours(24 * 40));
        if late || apart.is_some_and(|apart| apart < back || apart > on) {
            self.astray = self.astray.saturating_add(1);
        }
        self.last = Some(stamp.at);
    }

    /// From 0 to 1.
    fn fit(&self) -> f64 {
        let counted = self.records.saturating_add(self.continuations).saturating_add(self.unparsed);
        if self.records == 0 || self.bytes == 0.0 || counted == 0 {
            return 0.0;
        }
        let of = |count: usize, all: usize| count as f64 / all.max(1) as f64;
        let understood = 1.0 - of(self.unparsed, counted);
        let sound = 1.0 - 0.5 * of(self.astray, self.records) - of(self.absurd, self.records).min(1.0) * 0.7;
        let telling = 1.0 - 0.6 * of(self.empty, self.records);
        // Half a line of text that no type proves still speaks for a layout that has such text.
        let proven = 0.4 + 0.6 * (self.proven / self.bytes).min(1.0);
        // Lines taken for headers and events tell less than records do.
        let calls = of(self.records.saturating_add(self.continuations), counted.saturating_add(self.ignored / 4));
        (understood * understood * sound * telling * proven * (0.5 + 0.5 * calls)).clamp(0.0, 1.0)
    }

    /// What speaks against another reading of the same lines, in words.
    fn better_than(&self, less: &Weighed) -> String {
        let unparsed = less.unparsed.saturating_sub(self.unparsed);
        let not_understood = less.evidence.iter().find_map(|line| match &line.what {
            What::Unparsed { reason, .. } => Some((line.no, reason)),
            _ => None,
        });
        match (unparsed, not_understood) {
            (1.., Some((no, reason))) => return format!("{unparsed} lines are not understood (line {no}: {reason})"),
            (1.., None) => return format!("{unparsed} lines are not understood"),
            _ => {}
        }
        match (less.astray.saturating_sub(self.astray), self.records.saturating_sub(less.records)) {
            (astray @ 1.., _) => format!("{astray} records bear a date out of order or in the future"),
            (_, fewer @ 1..) => format!("{fewer} records less are read"),
            _ => format!("less of each line is proven (fit {:.2})", less.fit()),
        }
    }

    fn against(&self) -> Vec<String> {
        let mut against = Vec::new();
        let mut say = |count: usize, what: &str| {
            if count > 0 {
                against.push(format!("{count} of {} records {what}", self.records));
            }
        };
        say(self.absurd, "ring for over two hours or talk for over a day");
        say(self.empty, "say neither which way the call went nor how long it took");
        if self.astray.saturating_mul(4) > self.records {
            say(self.astray, "bear a date far from that of the record before, or in the future");
        }
        let lines = self.records.saturating_add(self.continuations).saturating_add(self.unparsed);
        if self.unparsed.saturating_mul(10) > lines {
            against.push(format!("{} of {lines} lines are not understood", self.unparsed));
        }
        against
    }
}
