//! What is noted of a file's lines while they are read: by what the file is known again, the time its records tell, and
//! how the dialect stood before the first line that is kept.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use super::placing::STEP;
use crate::dialect::{Reading, Settled, SourceState, What};
use crate::framing::{Ended, Line};
use crate::number::Anonymous;
use crate::privacy::{outline, shape};
use crate::record::Stamp;
use crate::store::hex;

/// By how many lines a file is known again before more of it is read.
pub const HEAD: u64 = 64;

/// Of how many days, those last written of, callers are told apart.
const CALLER_DAYS: usize = 4;

/// A place in a file: so many lines, and what they say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// Lines.
    pub lines: u64,
    /// SHA-256 of their outlines, as hexadecimal digits.
    pub hash: String,
}

/// Notes of one file.
///
/// No key that is kept nowhere is needed to go on after an interruption: callers get numbers in the order in which they
/// appear, and whoever reads the file from its beginning gives them the same ones.
#[derive(Debug, Clone)]
pub struct Trace {
    zone: TimeZone,
    oldest: Date,
    counted: (Date, Date),
    past: u64,
    left_out: BTreeMap<Date, u64>,
    lines: u64,
    hash: Sha256,
    wanted: BTreeSet<u64>,
    places: BTreeMap<u64, String>,
    /// The place before a last line that nothing ended.
    whole: Option<Place>,
    moment: Timestamp,
    /// Per day, the one last written of at the end.
    callers: Vec<(Date, HashMap<u64, u64>)>,
    next_caller: u64,
    /// The first line of a day that is kept, and the state before it.
    cut: Option<(u64, SourceState)>,
}

impl Trace {
    /// For a file of a PBX in `zone`, of which the days of `counted` are taken and those from `oldest` on are kept, and
    /// whose lines up to `past` are in; notes the places after `wanted` and after [`HEAD`] lines. Before the first stamp
    /// it is `began`.
    pub fn new(
        zone: TimeZone,
        (counted, oldest): ((Date, Date), Date),
        began: Timestamp,
        past: u64,
        wanted: impl Iterator<Item = u64>,
    ) -> Trace {
        Trace {
            zone,
            oldest,
            counted,
            past,
            left_out: BTreeMap::new(),
            lines: 0,
            hash: Sha256::new(),
            wanted: wanted.chain([HEAD, past]).collect(),
            places: BTreeMap::new(),
            whole: None,
            moment: began,
            callers: Vec::new(),
            next_caller: 0,
            cut: None,
        }
    }

    /// Lines read.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Where the file has been read to.
    pub fn place(&self) -> Place {
        Place { lines: self.lines, hash: hex(&self.hash.clone().finalize()) }
    }

    /// The place before a last line that nothing ended, where there is one.
    pub fn whole(&self) -> Option<&Place> {
        self.whole.as_ref()
    }

    /// What the first so many lines say, where it was asked for and they were there.
    pub fn hash_at(&self, lines: u64) -> Option<&str> {
        self.places.get(&lines).map(String::as_str)
    }

    /// The place after so many lines, where it was noted.
    pub fn place_at(&self, lines: u64) -> Option<Place> {
        self.places.get(&lines).map(|hash| Place { lines, hash: hash.clone() })
    }

    /// The first line of a day that is kept, and how the dialect stood before it.
    pub fn cut(&self) -> Option<&(u64, SourceState)> {
        self.cut.as_ref()
    }

    /// Notes a line of control bytes only.
    pub fn noise(&mut self) {
        self.add(&[]);
    }

    /// Notes a line as it came. Answers with the time that the file has come to.
    pub fn line(&mut self, line: &Line<'_>, reading: &Reading) -> Timestamp {
        if line.ended == Ended::EndOfInput {
            self.whole = Some(self.place());
        }
        match reading.settled.last() {
            Some(Settled { what: What::Unparsed { .. }, .. }) | None => self.add(shape(line.bytes).as_bytes()),
            _ => self.add(&outline(line.bytes, &reading.marks)),
        }
        if let Some(stamp) = stamp(&reading.settled)
            && (self.counted.0..=self.counted.1).contains(&stamp.at.date())
            && let Ok(at) = self.zone.to_timestamp(stamp.at)
        {
            self.moment = at;
        }
        self.moment
    }

    fn add(&mut self, outline: &[u8]) {
        self.hash.update(outline);
        self.hash.update(b"\n");
        self.lines += 1;
        if self.wanted.contains(&self.lines) || self.lines.is_multiple_of(STEP) {
            self.places.insert(self.lines, self.place().hash);
        }
    }

    /// Puts, for each token, how many callers had appeared before it, on its day.
    pub fn tokens(&mut self, numbers: &mut [(u16, Anonymous)]) {
        if numbers.iter().all(|(_, number)| number.token.is_none()) {
            return;
        }
        let day = self.zone.to_datetime(self.moment).date();
        let place = self.callers.iter().position(|(of, _)| *of == day);
        let (_, mut callers) = place.map(|place| self.callers.remove(place)).unwrap_or_else(|| (day, HashMap::new()));
        for token in numbers.iter_mut().filter_map(|(_, number)| number.token.as_mut()) {
            let caller = *callers.entry(*token).or_insert(self.next_caller);
            self.next_caller += u64::from(caller == self.next_caller);
            *token = caller;
        }
        self.callers.push((day, callers));
        if self.callers.len() > CALLER_DAYS {
            self.callers.remove(0);
        }
    }

    /// Whether the line carries a record of a day that is not counted; then it is noted, and nothing else becomes of it.
    pub fn leaves_out(&mut self, seq: u64, settled: &[Settled]) -> bool {
        let own = settled.last().filter(|own| own.no == seq).map(std::slice::from_ref);
        let Some(date) = own.and_then(stamp).map(|stamp| stamp.at.date()) else { return false };
        let out = !(self.counted.0..=self.counted.1).contains(&date);
        if out && seq > self.past {
            *self.left_out.entry(date).or_default() += 1;
        }
        out
    }

    /// Records that were left out behind the lines that are in, by date.
    pub fn left_out(&self) -> &BTreeMap<Date, u64> {
        &self.left_out
    }

    /// Notes the state before line `seq`, if it is the first of a day that is kept.
    pub fn stood(&mut self, seq: u64, settled: &[Settled], before: SourceState) {
        if self.cut.is_none() && stamp(settled).is_some_and(|stamp| stamp.at.date() >= self.oldest) {
            self.cut = Some((seq, before));
        }
    }
}

/// The stamp of what a line settled last.
fn stamp(settled: &[Settled]) -> Option<Stamp> {
    settled.iter().rev().find_map(|settled| match &settled.what {
        What::Record(record) => record.stamp,
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace() -> Trace {
        let zone = TimeZone::get("Europe/London").unwrap();
        let began = "2026-11-21T10:00:00Z".parse().unwrap();
        let date = |text: &str| text.parse::<Date>().unwrap();
        let counted = (date("2024-10-21"), date("2026-11-22"));
        Trace::new(zone, (counted, date("2026-10-07")), began, 0, std::iter::empty())
    }

    fn caller(token: u64) -> (u16, Anonymous) {
        let class = crate::number::Class::Mobile;
        (0, Anonymous { class, digits: 11, peer: None, token: Some(token), own: None })
    }

    #[test]
    fn callers_are_numbered_as_they_appear_and_anew_each_day() {
        let mut trace = trace();
        let say = |trace: &mut Trace, at: &str, tokens: &[u64]| -> Vec<u64> {
            trace.moment = at.parse().unwrap();
            let mut numbers: Vec<_> = tokens.iter().map(|token| caller(*token)).collect();
            trace.tokens(&mut numbers);
            numbers.iter().map(|(_, number)| number.token.unwrap()).collect()
        };
        assert_eq!(say(&mut trace, "2026-09-01T09:00:00Z", &[77, 88, 77]), [0, 1, 0]);
        assert_eq!(say(&mut trace, "2026-09-02T09:00:00Z", &[77]), [2], "nothing links two days");
        assert_eq!(say(&mut trace, "2026-09-01T22:00:00Z", &[88]), [1], "a late line of the day before");
        for day in 3..9 {
            say(&mut trace, &format!("2026-09-0{day}T09:00:00Z"), &[77]);
        }
        assert_eq!(trace.callers.len(), CALLER_DAYS, "days that are over are forgotten");
    }

    #[test]
    fn a_place_is_known_by_all_lines_before_it() {
        let read = |lines: &[&str]| {
            let mut trace = trace();
            lines.iter().for_each(|line| trace.add(line.as_bytes()));
            trace.place()
        };
        assert_eq!(read(&["a", "b"]), read(&["a", "b"]));
        assert_ne!(read(&["a", "b"]).hash, read(&["b", "a"]).hash);
        assert_ne!(read(&["a", "b"]).hash, read(&["ab"]).hash);
        assert_ne!(read(&["a", ""]).hash, read(&["a"]).hash);
    }
}
