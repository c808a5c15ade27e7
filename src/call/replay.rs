//! Lines that a PBX prints a second time: out of its buffer, when a link comes up again or the PBX starts again.
//!
//! They are found by position and not by text. What is printed again is a stretch of what was printed before, in the
//! same order, and goes on to the last line before the boundary: a buffer is emptied to its end. So only lines after a
//! boundary are looked at, only a stretch that reaches the end is a repetition, and only one of [`PROOF`] lines or
//! more: two calls that are truly alike stay two. On an unbroken link an equal line is never a repetition.
//!
//! What was lost when it was printed first (a kill, a cable) leaves a hole in the stretch, and is new when it comes now. Which
//! lines belong to a buffer, also where they were never printed here, is told by their stamps: they are not later than the
//! newest before the boundary.
//!
//! What an imported file gave of the same PBX was printed before, too ([`super::align`]). Where it goes on behind the last
//! line that the PBX printed itself, the next line may be the file's next: it stands beside a stretch that is proven.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{Hash as _, Hasher as _};

use jiff::{SignedDuration, Timestamp};

pub use holes::in_place;
use stretch::Stretch;

use super::LineRef;
use crate::number::Anonymous;
use crate::record::MaskedRecord;

/// How many lines in order prove a repetition.
pub const PROOF: usize = 3;
/// How long the next line of a repetition may take: a buffer is emptied as fast as the link goes.
pub const PATIENCE: SignedDuration = SignedDuration::from_secs(5);
/// How many lines back a PBX's buffer reaches at most.
pub const DEPTH: usize = 20_000;

/// How many stretches that do not go on with a line are kept in view, in case that the line stands in a hole of theirs.
const HELD: usize = 32;

/// How many doubtful lines in a row a buffer may leave out.
const LEFT_OUT: usize = 32;

/// What is compared of a line: its masked text, and its callers where both lines were heard under the key in use. With
/// a line of a file, its record is enough: a file may be laid out in another way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Print {
    text: u64,
    callers: Option<u64>,
    record: Option<u64>,
    from_file: bool,
}

impl Print {
    /// Of a masked text and the tokens beside it that were made with the key in use, each with its place.
    pub fn of(text: &[u8], tokens: impl IntoIterator<Item = (u16, u64)>) -> Print {
        let text = says(text);
        let mut hasher = std::hash::DefaultHasher::new();
        let mut known = false;
        for token in tokens {
            token.hash(&mut hasher);
            known = true;
        }
        let callers = known.then(|| hasher.finish());
        Print { text, callers, record: None, from_file: false }
    }

    /// The same of a line that carries this record.
    pub fn carrying(self, record: Option<&MaskedRecord>) -> Print {
        Print { record: record.map(says_record), ..self }
    }

    /// The same of a line of a file. Its callers were told apart by a key of its own.
    pub fn from_file(self) -> Print {
        Print { callers: None, from_file: true, ..self }
    }

    /// Whether nothing in the two tells them apart.
    fn repeats(&self, other: &Print) -> bool {
        if (self.from_file || other.from_file) && self.record.is_some() && self.record == other.record {
            return true;
        }
        let callers_differ = self.callers.zip(other.callers).is_some_and(|(one, other)| one != other);
        self.text == other.text && !callers_differ
    }
}

/// A masked text as it is compared: without blanks at its end, and whatever letters beyond ASCII are coded in.
pub fn says(text: &[u8]) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    let mut beyond = false;
    for byte in text.trim_ascii_end() {
        if byte.is_ascii() {
            hasher.write_u8(*byte);
        } else if !beyond {
            hasher.write_u8(0xFF);
        }
        beyond = !byte.is_ascii();
    }
    hasher.finish()
}

/// A record as it is compared where a text may be laid out in another way: all that the line says of the call. Of a number
/// it is class and length, since whose it is depends on the configuration.
pub fn says_record(record: &MaskedRecord) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    let number = |number: &Option<Anonymous>| number.as_ref().map(|number| (number.class.code(), number.digits));
    record.stamp.map(|stamp| stamp.at).hash(&mut hasher);
    (record.direction.map(|direction| direction as u8), record.answered).hash(&mut hasher);
    (record.ring_s, record.talk_s, record.hold_s).hash(&mut hasher);
    (&record.extension, &record.trunk, &record.call_id, &record.port, &record.onward).hash(&mut hasher);
    (number(&record.ddi), number(&record.cli), number(&record.dialled)).hash(&mut hasher);
    (record.transferred, record.conference, record.continuation).hash(&mut hasher);
    (record.leg as u8, record.party.map(|party| party as u8)).hash(&mut hasher);
    record.disposition.map(|disposition| disposition as u8).hash(&mut hasher);
    hasher.finish()
}

/// What a line after a boundary turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was not printed before.
    New,
    /// It was printed before, as this line.
    Repeats(LineRef),
    /// It is like a line that was printed before, and there is too little to go by: it is counted, and so is the doubt.
    Doubtful,
}

/// What a line came to, and what became clear with it of lines before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Lines that waited, in order, each with its verdict. The line itself is among them if it is clear by now.
    pub clear: Vec<(u64, Verdict)>,
    /// Whether the line itself waits.
    pub waits: bool,
}

/// What one source has printed, and what of it may be a repetition.
#[derive(Debug, Clone, Default)]
pub struct Replay {
    /// The number of the source.
    source: u16,
    printed: VecDeque<Printed>,
    /// How many of the last of them only a file has so far: the PBX may still print them here.
    ahead: usize,
    /// Whether they stand beside a stretch that is proven.
    trusted: bool,
    /// How many lines have come since that are none of them.
    missed: usize,
    /// How many of them have this text.
    texts: HashMap<u64, u32>,
    window: Option<Window>,
    /// How many lines in order prove a repetition, where fewer than [`PROOF`] do.
    fewer: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
struct Printed {
    id: LineRef,
    print: Print,
    /// It may be a repetition itself: a buffer that is printed later may leave it out.
    doubtful: bool,
}

impl Printed {
    /// Whether a buffer that is printed later may leave it out.
    fn may_lack(&self) -> bool {
        self.doubtful || self.print.from_file
    }
}

/// From a boundary until it is clear what follows it.
#[derive(Debug, Clone, Default)]
struct Window {
    waiting: Vec<(u64, Print)>,
    /// Stretches of what was printed that the waiting lines repeat so far.
    stretches: Vec<Stretch>,
    /// The longest stretch that has reached the end of what was printed.
    reached: Stretch,
    /// Lines of the buffer that were never printed here, each behind so many that wait.
    fresh: Vec<(usize, u64, Print)>,
    /// When the last of them came.
    last: Option<Timestamp>,
    /// The first line has the number of the last that was printed.
    same_number: bool,
}

impl Replay {
    /// For the source of this number.
    pub fn of(source: u16) -> Replay {
        Replay { source, ..Replay::default() }
    }

    /// One line proves it: the PBX gives again what was not acknowledged, and nothing else, and first of all.
    pub fn one_line_proves(&mut self) {
        self.fewer = Some(1);
    }

    fn proof(&self) -> usize {
        self.fewer.unwrap_or(PROOF)
    }

    /// Notes a line of an earlier run that was counted; with `doubtful`, one that may be a repetition.
    pub fn was_printed(&mut self, id: LineRef, print: Print, doubtful: bool) {
        if self.printed.len() >= DEPTH {
            self.forget_oldest();
        }
        *self.texts.entry(print.text).or_default() += 1;
        self.ahead = self.ahead.min(self.printed.len());
        self.printed.insert(self.printed.len() - self.ahead, Printed { id, print, doubtful });
        self.missed += 1;
        if self.missed > LEFT_OUT {
            self.ahead = 0;
        }
    }

    /// Notes that the last lines, as many as come from files, are printed here yet; with `trusted`, that they stand beside a
    /// stretch that is proven.
    pub fn goes_ahead(&mut self, trusted: bool) {
        self.ahead = self.printed.iter().rev().take_while(|printed| printed.print.from_file).count();
        (self.trusted, self.missed) = (trusted, 0);
    }

    /// The link went down. Gives what is clear of lines that wait: what had begun reaches no end any more.
    pub fn cut_off(&mut self) -> Vec<(u64, Verdict)> {
        self.window.take().map(|window| self.close(window, true)).unwrap_or_default()
    }

    /// The PBX may print from its buffer now; what it had begun was cut off. Gives what is clear of lines that wait.
    pub fn boundary(&mut self) -> Vec<(u64, Verdict)> {
        let clear = self.cut_off();
        if !self.printed.is_empty() {
            self.window = Some(Window::default());
        }
        clear
    }

    /// The next line bears the sequence number of the last that was printed. Straight after a boundary, and with the same
    /// text, it is that line: callers need not be compared, which after a power cut cannot be.
    pub fn comes_again(&mut self) {
        if let Some(window) = self.window.as_mut().filter(|window| window.waiting.is_empty()) {
            window.same_number = true;
        }
    }

    /// The PBX began to print its buffer before it was known: the last `lines` may belong to it.
    pub fn boundary_before(&mut self, lines: usize) {
        self.printed.iter_mut().rev().take(lines).for_each(|printed| printed.doubtful = true);
        self.window = Some(Window::default());
    }

    /// Another key is in use: what was made with the one before cannot be compared with what is made from now on.
    pub fn forget_callers(&mut self) {
        let printed = self.printed.iter_mut().map(|printed| &mut printed.print);
        let of_window = self.window.iter_mut().flat_map(|window| {
            let waiting = window.waiting.iter_mut().map(|(_, print)| print);
            waiting.chain(window.fresh.iter_mut().map(|(.., print)| print))
        });
        printed.chain(of_window).for_each(|print| print.callers = None);
    }

    /// Whether lines are looked at already.
    pub fn is_looking(&self) -> bool {
        self.window.is_some()
    }

    /// The first line that waits for its verdict.
    pub fn waits_from(&self) -> Option<u64> {
        self.window.as_ref()?.waiting.first().map(|(seq, _)| *seq)
    }

    /// Whether lines wait for their verdict.
    pub fn waits(&self) -> bool {
        self.window.as_ref().is_some_and(|window| !window.waiting.is_empty())
    }

    /// Whether a line of the same text was printed before.
    pub fn knows(&self, print: Print) -> bool {
        self.texts.contains_key(&print.text)
    }

    /// Takes the next line that the PBX printed. It is `old` where its stamp is not later than the newest before the boundary.
    pub fn line(&mut self, seq: u64, print: Print, at: Timestamp, old: bool) -> Seen {
        if !self.waits()
            && let Some(place) = self.is_ahead(&print)
        {
            return Seen { clear: vec![(seq, Verdict::Repeats(self.reach(place)))], waits: false };
        }
        let Some(mut window) = self.window.take() else {
            self.was_printed(self.own(seq), print, false);
            return Seen::default();
        };
        if std::mem::take(&mut window.same_number)
            && let Some(last) = self.printed.iter().rfind(|last| !last.print.from_file)
            && last.print.text == print.text
        {
            // One line was under way, and no buffer is being emptied.
            return Seen { clear: vec![(seq, Verdict::Repeats(last.id))], waits: false };
        }
        let (mut stretches, mut held) = (Vec::new(), Vec::new());
        let mut ends = HashSet::new();
        for stretch in std::mem::take(&mut window.stretches) {
            match self.go_on(stretch, &print, &mut ends) {
                Ok(longer) => stretches.extend(longer),
                Err(stretch) => held.push(stretch),
            }
        }
        if stretches.is_empty() && (old || window.waiting.is_empty()) {
            let behind = window.waiting.len();
            let places = (0..self.printed.len()).filter(|place| self.equal(*place, &print));
            stretches.extend(places.map(|place| Stretch::begins(place, behind)));
        }
        if stretches.is_empty() {
            let proven = window.reached.lines() >= self.proof();
            if old && !proven && self.is_ahead(&print).is_none() {
                // It was lost when it was printed first. What comes next may have been stored.
                window.stretches = held;
                window.fresh.push((window.waiting.len(), seq, print));
                window.last = Some(at);
                self.window = Some(window);
                return Seen { clear: vec![(seq, Verdict::New)], waits: false };
            }
            let mut clear = self.close(window, false);
            if let Some(place) = self.is_ahead(&print) {
                clear.push((seq, Verdict::Repeats(self.reach(place))));
            } else {
                clear.push((seq, Verdict::New));
                self.was_printed(self.own(seq), print, false);
            }
            return Seen { clear, waits: false };
        }
        if old {
            held.sort_by_key(|stretch| std::cmp::Reverse(stretch.lines()));
            held.truncate(HELD);
            held.iter_mut().for_each(|stretch| stretch.push(None));
            stretches.append(&mut held);
        }
        window.stretches = stretches;
        window.waiting.push((seq, print));
        window.last = Some(at);
        let index = window.waiting.len() - 1;
        let reaches = |stretch: &&Stretch| stretch.place(index).is_some() && self.is_end(stretch);
        if let Some(stretch) = window.stretches.iter().find(reaches) {
            window.reached.clone_from(stretch);
        }
        let goes_on =
            window.stretches.iter().any(|stretch| stretch.last().is_some_and(|last| last + 1 < self.printed.len()));
        if !goes_on && window.reached.lines() >= self.proof() {
            return Seen { clear: self.close(window, false), waits: false };
        }
        self.window = Some(window);
        Seen { clear: Vec::new(), waits: true }
    }

    /// Gives what is clear now that nothing more came for a while.
    pub fn quiet(&mut self, now: Timestamp) -> Vec<(u64, Verdict)> {
        let over = |window: &mut Window| window.last.is_some_and(|last| now.duration_since(last).abs() >= PATIENCE);
        self.window.take_if(over).map(|window| self.close(window, false)).unwrap_or_default()
    }

    fn own(&self, seq: u64) -> LineRef {
        LineRef { source: self.source, seq }
    }

    /// The line that only a file has so far, and that is due.
    fn is_ahead(&self, print: &Print) -> Option<usize> {
        let from = self.printed.len().checked_sub(self.ahead).filter(|_| self.trusted)?;
        (from..self.printed.len()).take(LEFT_OUT + 1).find(|place| self.equal(*place, print))
    }

    /// The PBX has come to this line, which a file had before.
    fn reach(&mut self, place: usize) -> LineRef {
        let behind = self.printed.len().saturating_sub(place + 1);
        if behind < self.ahead {
            (self.ahead, self.missed, self.trusted) = (behind, 0, true);
        }
        self.printed.get(place).map_or(LineRef { source: self.source, seq: 0 }, |printed| printed.id)
    }

    fn equal(&self, place: usize, print: &Print) -> bool {
        self.printed.get(place).is_some_and(|printed| printed.print.repeats(print))
    }

    /// The stretch with one line more: the next that was printed, where doubtful ones may be left out. Of stretches that come
    /// together at one of the `ends` the first goes on, or there would be as many as there are ways to leave lines out. Gives
    /// the stretch back where the line does not go on with it.
    fn go_on(&self, mut stretch: Stretch, print: &Print, ends: &mut HashSet<usize>) -> Result<Vec<Stretch>, Stretch> {
        let Some(last) = stretch.last() else { return Err(stretch) };
        let (mut places, mut goes_on) = (Vec::new(), false);
        for place in (last + 1..self.printed.len()).take(LEFT_OUT + 1) {
            if self.equal(place, print) {
                goes_on = true;
                places.extend(ends.insert(place).then_some(place));
            }
            if self.printed.get(place).is_none_or(|printed| !printed.may_lack()) {
                break;
            }
        }
        // Nearly always there is one way on, and a buffer of thousands is not copied line by line.
        let Some(only) = places.pop() else { return if goes_on { Ok(Vec::new()) } else { Err(stretch) } };
        let mut longer: Vec<Stretch> = places.into_iter().map(|place| stretch.with(place)).collect();
        stretch.push(Some(only));
        longer.push(stretch);
        Ok(longer)
    }

    /// Whether nothing that is certain was printed after it.
    fn is_end(&self, stretch: &Stretch) -> bool {
        let after = stretch.last().map_or(0, |last| last + 1);
        self.printed.range(after.min(self.printed.len())..).all(Printed::may_lack)
    }

    /// Decides on the lines that wait.
    fn close(&mut self, window: Window, cut_off: bool) -> Vec<(u64, Verdict)> {
        let Window { waiting, stretches, reached, fresh, .. } = window;
        let proof = self.proof();
        let cut = stretches.iter().filter(|stretch| cut_off && stretch.lines() >= proof);
        let repeated = match cut.max_by_key(|stretch| stretch.lines()) {
            // A link that went down again in the middle of a buffer: the buffer will come once more.
            Some(stretch) => stretch.clone(),
            None if reached.lines() >= proof => reached,
            None => Stretch::default(),
        };
        let known = repeated.lines() > 0;
        if let Some(last) = repeated.last() {
            self.reach(last);
        }
        // What fills a hole of an earlier buffer stands elsewhere in what was printed.
        let beside = stretches.iter().filter(|_| known).flat_map(|stretch| stretch.beside(&repeated, proof));
        let beside: HashMap<usize, usize> = beside.collect();
        let verdict = |index: usize| {
            let place = repeated.place(index).or_else(|| beside.get(&index).copied());
            match place.and_then(|place| self.printed.get(place)) {
                Some(printed) => Verdict::Repeats(printed.id),
                None if !known => Verdict::Doubtful,
                None => Verdict::New,
            }
        };
        let verdicts: Vec<Verdict> = (0..waiting.len()).map(verdict).collect();
        let mut counted: Vec<(usize, u64, Print)> = fresh;
        let new = waiting
            .iter()
            .zip(&verdicts)
            .enumerate()
            .filter(|(_, (_, verdict))| !matches!(verdict, Verdict::Repeats(_)));
        counted.extend(new.map(|(index, ((seq, print), _))| (index, *seq, *print)));
        counted.sort_unstable_by_key(|(_, seq, _)| *seq);
        let mut in_holes: Vec<(usize, u64, Print)> = Vec::new();
        for (index, seq, print) in counted {
            match (repeated.last_of(index), repeated.next_from(index)) {
                (Some(before), Some(_)) => in_holes.push((before + 1, seq, print)),
                (None, Some(first)) => in_holes.push((first, seq, print)),
                _ => self.was_printed(self.own(seq), print, !known && waiting.iter().any(|(other, _)| *other == seq)),
            }
        }
        self.fill(&in_holes);
        waiting.into_iter().map(|(seq, _)| seq).zip(verdicts).collect()
    }

    /// Puts lines where they belong in what was printed, each before the line at its place, in the order of places.
    fn fill(&mut self, lines: &[(usize, u64, Print)]) {
        if lines.is_empty() {
            return;
        }
        let mut lines = lines.iter().peekable();
        let before = std::mem::take(&mut self.printed);
        for (place, printed) in before.into_iter().enumerate() {
            while let Some((_, seq, print)) = lines.next_if(|(at, ..)| *at <= place) {
                self.printed.push_back(Printed { id: self.own(*seq), print: *print, doubtful: false });
                *self.texts.entry(print.text).or_default() += 1;
            }
            self.printed.push_back(printed);
        }
        while self.printed.len() > DEPTH {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.printed.pop_front()
            && let Some(many) = self.texts.get_mut(&oldest.print.text)
        {
            *many -= 1;
            if *many == 0 {
                self.texts.remove(&oldest.print.text);
            }
        }
    }
}

mod holes;
mod stretch;
#[cfg(test)]
mod tests;
