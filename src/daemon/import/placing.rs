//! Where the lines of a file stand among what the same PBX printed before: over its link, and in other files.
//!
//! It is decided for [`STEP`] lines at a time, with as many before and behind them in view, always at the same lines of the
//! file: so an import that was cut off goes on as if it had not been.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp};

use crate::call::LineRef;
use crate::call::align::{Alike, Asked, Place, align};
use crate::call::history::{Had, join};
use crate::call::replay::{Print, Replay, Verdict, says, says_record};
use crate::daemon::books::Entry;
use crate::record::{LineKind, MaskedRecord};
use crate::store::{PrintedLine, Reading, Repeats, StoreError};

/// Lines in one commit: few enough that a live line does not wait longer for it than for a slow disk.
pub const STEP: u64 = 1000;

/// Stamps that go back further may be a buffer that the other logger heard again.
const BACK: SignedDuration = SignedDuration::from_secs(60);

/// A line of a file as it is compared.
#[derive(Debug, Clone)]
pub struct Compared {
    /// Its number.
    pub seq: u64,
    /// What its text says.
    text: u64,
    /// What its record says, and its stamp; nothing of a line without one.
    record: Option<(u64, Option<DateTime>)>,
    /// What it repeats of the file itself.
    within: Option<Verdict>,
}

/// The lines of a file that are in view.
#[derive(Debug, Default)]
pub struct View {
    lines: VecDeque<Compared>,
    within: Replay,
    last: Option<DateTime>,
    unstamped: usize,
}

impl View {
    /// Takes up what was read.
    pub fn note(&mut self, entry: &Entry) {
        match entry {
            Entry::Line(line) if says_something(line.kind) => {
                let print = Print::of(&line.text, std::iter::empty());
                let record = line.record.as_ref().map(in_short);
                self.lines.push_back(Compared { seq: line.seq, text: says(&line.text), record, within: None });
                let before = self.unstamped;
                self.unstamped = if line.stamp.is_some() { 0 } else { before + 1 };
                if let Some(stamp) = line.stamp {
                    let back = self.last.replace(stamp).is_some_and(|last| last.duration_since(stamp) > BACK);
                    if back && !self.within.is_looking() && self.within.knows(print) {
                        self.within.boundary_before(before);
                    }
                }
                let seen = self.within.line(line.seq, print, Timestamp::UNIX_EPOCH, false);
                self.clear(seen.clear);
            }
            Entry::Settled { seq, record, .. } => {
                if let Ok(at) = self.lines.binary_search_by_key(seq, |line| line.seq)
                    && let Some(line) = self.lines.get_mut(at)
                {
                    line.record = record.as_ref().map(in_short);
                }
            }
            _ => {}
        }
    }

    /// The file is over.
    pub fn end(&mut self) {
        let clear = self.within.quiet(Timestamp::MAX);
        self.clear(clear);
    }

    fn clear(&mut self, clear: Vec<(u64, Verdict)>) {
        for (seq, verdict) in clear {
            if let Ok(at) = self.lines.binary_search_by_key(&seq, |line| line.seq)
                && let Some(line) = self.lines.get_mut(at)
            {
                line.within = Some(verdict).filter(|verdict| *verdict != Verdict::New);
            }
        }
    }

    /// Whether it is clear of all lines up to this one what they repeat of the file itself.
    pub fn is_clear_to(&self, line: u64) -> bool {
        self.within.waits_from().is_none_or(|from| from > line)
    }

    /// The lines around those behind `from` and up to `to`, which are placed now. What lies too far back for the next ones
    /// is let go.
    pub fn around(&mut self, from: u64, to: u64) -> Around {
        let lines = self.lines.iter().take_while(|line| line.seq <= to.saturating_add(STEP)).cloned().collect();
        let begin = self.lines.partition_point(|line| line.seq <= to.saturating_sub(STEP));
        self.lines.drain(..begin);
        Around { lines, from, to }
    }

    /// Lets go of lines that are in, up to this one, but for those in view of what follows.
    pub fn past(&mut self, line: u64) {
        let begin = self.lines.partition_point(|seen| seen.seq <= line.saturating_sub(STEP));
        self.lines.drain(..begin);
    }
}

fn in_short(record: &MaskedRecord) -> (u64, Option<DateTime>) {
    (says_record(record), record.stamp.map(|stamp| stamp.at))
}

fn says_something(kind: LineKind) -> bool {
    matches!(kind, LineKind::Record | LineKind::Continuation | LineKind::Event)
}

/// Lines of a file to be placed, with those before and behind them.
#[derive(Debug, Clone, Default)]
pub struct Around {
    lines: Vec<Compared>,
    /// Placed are those behind this line …
    from: u64,
    /// … up to this one.
    to: u64,
}

/// What other sources have of what a PBX printed, as far as it was looked up.
#[derive(Debug, Default)]
pub struct Others {
    /// By PBX: the sources, each with its name.
    pbxs: Vec<Vec<(u16, String)>>,
    days: HashMap<(u16, Date), Vec<Had<Said>>>,
    /// The last line of each source that was looked at.
    seen: HashMap<u16, u64>,
    /// Lines that lines of the file repeat.
    used: HashSet<LineRef>,
}

/// A line of another source as it is compared.
#[derive(Debug, Clone, Copy)]
struct Said {
    text: u64,
    record: Option<u64>,
    /// Its own number within its source; that of [`Had`] may be another source's.
    seq: u64,
}

impl Others {
    /// What is beside the import `besides` of the PBX `of`.
    pub fn new(read: &Reading<'_>, of: &str, besides: u16, known: &[String]) -> Result<Others, StoreError> {
        let used = read.repeated(besides, 0)?.into_values().collect();
        Ok(Others { pbxs: read.others(of, besides, known)?, used, ..Others::default() })
    }

    /// The name of a source.
    pub fn name(&self, source: u16) -> Option<&str> {
        self.pbxs.iter().flatten().find(|(id, _)| *id == source).map(|(_, name)| name.as_str())
    }

    /// Places the lines of the import `source`. What is not among them is new.
    pub fn place(
        &mut self,
        read: &Reading<'_>,
        source: u16,
        around: &Around,
    ) -> Result<HashMap<u64, Repeats>, StoreError> {
        let asked = |line: &Compared| line.seq > around.from && line.seq <= around.to;
        let mut found: HashMap<u64, Repeats> = HashMap::new();
        for line in around.lines.iter().filter(|line| asked(line)) {
            match line.within {
                Some(Verdict::Repeats(of)) => found.insert(line.seq, Repeats::Line(LineRef { source, seq: of.seq })),
                Some(Verdict::Doubtful) => found.insert(line.seq, Repeats::Doubtful),
                _ => None,
            };
        }
        let first = around.lines.first().map_or(0, |line| line.seq);
        let before = read.repeated(source, first)?;
        let stamps = around.lines.iter().filter_map(|line| line.record?.1);
        let days: BTreeSet<Date> = stamps.map(|stamp| stamp.date()).collect();
        for pbx in 0..self.pbxs.len() {
            let known = self.of_days(read, pbx, &days)?;
            self.place_among(&known, around, &before, &mut found);
        }
        // The days before these do not come again, or are looked up again.
        if let Some(first) = days.first() {
            self.days.retain(|(_, day), _| day >= first);
        }
        Ok(found)
    }

    fn place_among(
        &mut self,
        known: &[Had<Said>],
        around: &Around,
        before: &HashMap<u64, LineRef>,
        found: &mut HashMap<u64, Repeats>,
    ) {
        // Records are placed; what is printed around them goes with them.
        let records: Vec<usize> =
            known.iter().enumerate().filter(|(_, had)| had.what.record.is_some()).map(|(at, _)| at).collect();
        let places: HashMap<LineRef, usize> =
            records.iter().enumerate().filter_map(|(place, at)| Some((known.get(*at)?.id, place))).collect();
        let mut alike = Alike::default();
        for had in known {
            had.what.record.into_iter().for_each(|record| alike.says_both(record, stamped(had.what.text, had.stamp)));
        }
        for line in &around.lines {
            line.record.into_iter().for_each(|(record, stamp)| alike.says_both(record, stamped(line.text, stamp)));
        }
        let in_view: HashSet<LineRef> = before.values().copied().collect();
        let says = |at: &usize| {
            let had = known.get(*at)?;
            let free = !self.used.contains(&had.id) || in_view.contains(&had.id);
            had.what.record.filter(|_| free).map(|record| alike.of(record))
        };
        let says: Vec<Option<u64>> = records.iter().map(says).collect();
        let lines: Vec<(usize, &Compared, u64)> =
            around.lines.iter().enumerate().filter_map(|(at, line)| Some((at, line, line.record?.0))).collect();
        let asked = |(_, line, record): &(usize, &Compared, u64)| match found.get(&line.seq) {
            _ if line.seq <= around.from => {
                before.get(&line.seq).and_then(|of| places.get(of)).map_or(Asked::Apart, |place| Asked::Placed(*place))
            }
            Some(Repeats::Line(_)) => Asked::Apart,
            _ if matches!(line.within, Some(Verdict::Repeats(_))) => Asked::Apart,
            _ => Asked::Line(alike.of(*record)),
        };
        let asked: Vec<Asked> = lines.iter().map(asked).collect();
        for ((at, line, _), place) in lines.iter().zip(align(&asked, &says)) {
            if line.seq <= around.from || line.seq > around.to {
                continue;
            }
            match place {
                Place::Repeats(place) => {
                    let Some(beside) = records.get(place).copied() else { continue };
                    let Some(had) = known.get(beside) else { continue };
                    // One that an earlier PBX's lines placed stays there.
                    if !matches!(found.get(&line.seq), Some(Repeats::Line(_))) {
                        found.insert(line.seq, Repeats::Line(had.id));
                        self.used.insert(had.id);
                        self.along((*at, beside), known, around, found);
                    }
                }
                Place::Doubtful => {
                    found.entry(line.seq).or_insert(Repeats::Doubtful);
                }
                Place::New => {}
            }
        }
    }

    /// Places what is printed before and behind a record and carries none.
    fn along(
        &mut self,
        (line, beside): (usize, usize),
        known: &[Had<Said>],
        around: &Around,
        found: &mut HashMap<u64, Repeats>,
    ) {
        let mut place = |line: usize, beside: usize| {
            let (Some(line), Some(had)) = (around.lines.get(line), known.get(beside)) else { return false };
            let alike = line.record.is_none() && had.what.record.is_none() && line.text == had.what.text;
            if alike && line.seq > around.from && line.seq <= around.to && !found.contains_key(&line.seq) {
                if !self.used.insert(had.id) {
                    return false;
                }
                found.insert(line.seq, Repeats::Line(had.id));
            }
            alike
        };
        let (mut back, mut to) = (line, beside);
        while let (Some(line), Some(beside)) = (back.checked_sub(1), to.checked_sub(1)) {
            if !place(line, beside) {
                break;
            }
            (back, to) = (line, beside);
        }
        let mut ahead = 1;
        while place(line + ahead, beside + ahead) {
            ahead += 1;
        }
    }

    /// What a PBX printed on these days, in order.
    fn of_days(&mut self, read: &Reading<'_>, pbx: usize, days: &BTreeSet<Date>) -> Result<Vec<Had<Said>>, StoreError> {
        let sources: Vec<u16> = self.pbxs.get(pbx).into_iter().flatten().map(|(id, _)| *id).collect();
        let mut printed = Vec::new();
        for source in sources {
            self.look_up(read, source, days)?;
            let mut own: Vec<Had<Said>> =
                days.iter().filter_map(|day| self.days.get(&(source, *day))).flatten().cloned().collect();
            own.sort_by_key(|had| had.what.seq);
            printed = join(printed, own);
        }
        Ok(printed)
    }

    fn look_up(&mut self, read: &Reading<'_>, source: u16, days: &BTreeSet<Date>) -> Result<(), StoreError> {
        // A PBX goes on printing while a file comes in.
        let seen = self.seen.get(&source).copied();
        if let Some(seq) = seen {
            for line in read.printed_after(LineRef { source, seq })? {
                self.seen.insert(source, line.line.seq);
                let (day, had) = (line.day, said(line));
                if let Some(lines) = self.days.get_mut(&(source, day)) {
                    lines.push(had);
                }
            }
        }
        for day in days {
            if self.days.contains_key(&(source, *day)) {
                continue;
            }
            let lines: Vec<Had<Said>> = read.printed_on(source, *day)?.into_iter().map(said).collect();
            self.days.insert((source, *day), lines);
        }
        if seen.is_none() {
            let last = read.last_line(source)?;
            self.seen.insert(source, last);
        }
        Ok(())
    }
}

/// What a text says at this time: many formats print the day in titles only.
fn stamped(text: u64, stamp: Option<DateTime>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (text, stamp).hash(&mut hasher);
    hasher.finish()
}

fn said(line: PrintedLine) -> Had<Said> {
    let record = line.record.as_ref().map(in_short);
    let id = match line.repeats {
        Some(Repeats::Line(of)) => of,
        _ => line.line,
    };
    let what = Said { text: says(&line.text), record: record.map(|(says, _)| says), seq: line.line.seq };
    Had { id, own: id == line.line, stamp: record.and_then(|(_, stamp)| stamp), what }
}
