//! Lines that a PBX prints a second time: out of its buffer, when a link comes up again or the PBX starts again.
//!
//! They are found by position and not by text. What is printed again is a stretch of what was printed before, in the
//! same order, and goes on to the last line before the boundary: a buffer is emptied to its end. So only lines after a
//! boundary are looked at, only a stretch that reaches the end is a repetition, and only one of [`PROOF`] lines or
//! more: two calls that are truly alike stay two. On an unbroken link an equal line is never a repetition.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{Hash as _, Hasher as _};

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

/// How many lines in order prove a repetition.
pub const PROOF: usize = 3;
/// How long the next line of a repetition may take: a buffer is emptied as fast as the link goes.
pub const PATIENCE: SignedDuration = SignedDuration::from_secs(5);
/// How many lines back a PBX's buffer reaches at most.
pub const DEPTH: usize = 20_000;

/// How many doubtful lines in a row a buffer may leave out.
const LEFT_OUT: usize = 32;

/// What is compared of a line: its masked text, and its callers where both lines were heard under the same day's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Print {
    text: u64,
    callers: Option<(Date, u64)>,
}

impl Print {
    /// Of a masked text and the tokens beside it, each with its place, heard on this civil day.
    pub fn of(text: &[u8], tokens: impl IntoIterator<Item = (u16, u64)>, heard: Date) -> Print {
        let mut hasher = std::hash::DefaultHasher::new();
        text.hash(&mut hasher);
        let text = hasher.finish();
        let mut hasher = std::hash::DefaultHasher::new();
        let mut known = false;
        for token in tokens {
            token.hash(&mut hasher);
            known = true;
        }
        Print { text, callers: known.then(|| (heard, hasher.finish())) }
    }

    /// Whether nothing in the two tells them apart.
    fn repeats(&self, other: &Print) -> bool {
        let callers_differ = match (self.callers, other.callers) {
            // Each day has a key of its own: what was made under two of them cannot be compared.
            (Some((day, one)), Some((other_day, other))) => day == other_day && one != other,
            _ => false,
        };
        self.text == other.text && !callers_differ
    }
}

/// What a line after a boundary turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was not printed before.
    New,
    /// It was printed before, as this line.
    Repeats(u64),
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
    printed: VecDeque<Printed>,
    /// How many of them have this text.
    texts: HashMap<u64, u32>,
    window: Option<Window>,
    /// How many lines in order prove a repetition, where fewer than [`PROOF`] do.
    fewer: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
struct Printed {
    seq: u64,
    print: Print,
    /// It may be a repetition itself: a buffer that is printed later may leave it out.
    doubtful: bool,
}

/// From a boundary until it is clear what follows it.
#[derive(Debug, Clone, Default)]
struct Window {
    waiting: Vec<(u64, Print)>,
    /// Stretches of what was printed that the waiting lines repeat so far, each with the places of its lines.
    stretches: Vec<Vec<usize>>,
    /// The longest stretch that has reached the end of what was printed.
    reached: Vec<usize>,
    /// When the last of them came.
    last: Option<Timestamp>,
}

impl Replay {
    /// One line proves it: the PBX gives again what was not acknowledged, and nothing else, and first of all.
    pub fn one_line_proves(&mut self) {
        self.fewer = Some(1);
    }

    fn proof(&self) -> usize {
        self.fewer.unwrap_or(PROOF)
    }

    /// Notes a line of an earlier run that was counted; with `doubtful`, one that may be a repetition.
    pub fn was_printed(&mut self, seq: u64, print: Print, doubtful: bool) {
        if self.printed.len() >= DEPTH
            && let Some(oldest) = self.printed.pop_front()
            && let Some(many) = self.texts.get_mut(&oldest.print.text)
        {
            *many -= 1;
            if *many == 0 {
                self.texts.remove(&oldest.print.text);
            }
        }
        *self.texts.entry(print.text).or_default() += 1;
        self.printed.push_back(Printed { seq, print, doubtful });
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

    /// The PBX began to print its buffer before it was known: the last `lines` may belong to it.
    pub fn boundary_before(&mut self, lines: usize) {
        self.printed.iter_mut().rev().take(lines).for_each(|printed| printed.doubtful = true);
        self.window = Some(Window::default());
    }

    /// Forgets the callers of lines heard up to `date`.
    pub fn forget_callers(&mut self, date: Date) {
        let waiting = self.window.iter_mut().flat_map(|window| &mut window.waiting).map(|(_, print)| print);
        for print in self.printed.iter_mut().map(|printed| &mut printed.print).chain(waiting) {
            print.callers.take_if(|(heard, _)| *heard <= date);
        }
    }

    /// Whether lines are looked at already.
    pub fn is_looking(&self) -> bool {
        self.window.is_some()
    }

    /// Whether lines wait for their verdict.
    pub fn waits(&self) -> bool {
        self.window.as_ref().is_some_and(|window| !window.waiting.is_empty())
    }

    /// Whether a line of the same text was printed before.
    pub fn knows(&self, print: Print) -> bool {
        self.texts.contains_key(&print.text)
    }

    /// Takes the next line that the PBX printed.
    pub fn line(&mut self, seq: u64, print: Print, at: Timestamp) -> Seen {
        let Some(mut window) = self.window.take() else {
            self.was_printed(seq, print, false);
            return Seen::default();
        };
        let stretches = match window.waiting.len() {
            0 => (0..self.printed.len()).filter(|place| self.equal(*place, &print)).map(|place| vec![place]).collect(),
            _ => {
                let so_far = std::mem::take(&mut window.stretches);
                let mut ends = HashSet::new();
                so_far.into_iter().flat_map(|stretch| self.go_on(stretch, &print, &mut ends)).collect::<Vec<_>>()
            }
        };
        if stretches.is_empty() {
            let mut clear = self.close(window, false);
            clear.push((seq, Verdict::New));
            self.was_printed(seq, print, false);
            return Seen { clear, waits: false };
        }
        window.stretches = stretches;
        window.waiting.push((seq, print));
        window.last = Some(at);
        if let Some(stretch) = window.stretches.iter().find(|stretch| self.is_end(stretch)) {
            window.reached.clone_from(stretch);
        }
        let goes_on =
            window.stretches.iter().any(|stretch| stretch.last().is_some_and(|last| last + 1 < self.printed.len()));
        if !goes_on && window.reached.len() >= self.proof() {
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

    fn equal(&self, place: usize, print: &Print) -> bool {
        self.printed.get(place).is_some_and(|printed| printed.print.repeats(print))
    }

    /// The stretch with one line more: the next that was printed, where doubtful ones may be left out. Of stretches that come
    /// together at one of the `ends` the first goes on, or there would be as many as there are ways to leave lines out.
    fn go_on(&self, mut stretch: Vec<usize>, print: &Print, ends: &mut HashSet<usize>) -> Vec<Vec<usize>> {
        let mut places = Vec::new();
        let Some(last) = stretch.last() else { return Vec::new() };
        for place in (last + 1..self.printed.len()).take(LEFT_OUT + 1) {
            if self.equal(place, print) && ends.insert(place) {
                places.push(place);
            }
            if self.printed.get(place).is_none_or(|printed| !printed.doubtful) {
                break;
            }
        }
        // Nearly always there is one way on, and a buffer of thousands is not copied line by line.
        let Some(only) = places.pop() else { return Vec::new() };
        let mut longer: Vec<Vec<usize>> =
            places.into_iter().map(|place| stretch.iter().copied().chain([place]).collect()).collect();
        stretch.push(only);
        longer.push(stretch);
        longer
    }

    /// Whether nothing that is certain was printed after it.
    fn is_end(&self, stretch: &[usize]) -> bool {
        let after = stretch.last().map_or(0, |last| last + 1);
        self.printed.range(after.min(self.printed.len())..).all(|printed| printed.doubtful)
    }

    /// Decides on the lines that wait.
    fn close(&mut self, window: Window, cut_off: bool) -> Vec<(u64, Verdict)> {
        let Window { waiting, stretches, reached, .. } = window;
        let repeated = match stretches.into_iter().next() {
            // A link that went down again in the middle of a buffer: the buffer will come once more.
            Some(stretch) if cut_off && stretch.len() >= self.proof() => stretch,
            _ if reached.len() >= self.proof() => reached,
            _ => Vec::new(),
        };
        let verdict = |index: usize| match repeated.get(index).and_then(|place| self.printed.get(*place)) {
            Some(printed) => Verdict::Repeats(printed.seq),
            None if repeated.is_empty() => Verdict::Doubtful,
            None => Verdict::New,
        };
        let verdicts: Vec<Verdict> = (0..waiting.len()).map(verdict).collect();
        for (seq, print) in waiting.iter().skip(repeated.len()) {
            self.was_printed(*seq, *print, repeated.is_empty());
        }
        waiting.into_iter().map(|(seq, _)| seq).zip(verdicts).collect()
    }
}

#[cfg(test)]
mod tests;
