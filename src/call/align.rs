//! Lines of a file beside lines that the same PBX printed before: which of them are the same lines.
//!
//! They are found by position and not by what they say, as after a boundary ([`super::replay`]). A file may begin and end
//! anywhere; it may lack what the box heard, and the box may lack what is in the file. So it is an alignment of two
//! sequences: stretches of [`PROOF`] lines that are alike are laid side by side; what is alike and stands beside them,
//! or between two of them in the same order, is the same; and what is alike and cannot be placed is counted, with its doubt.

use std::collections::HashMap;

use super::replay::PROOF;

/// How many lines one side may lack in the middle of a stretch.
const HOLE: usize = 32;

/// How often a line may be there to be looked for by itself. What is there more often is placed by what stands beside it.
const CROWD: usize = 32;

/// How many times blocks are looked for that stand in another order than the rest.
const ROUNDS: usize = 8;

/// A line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// What it says; to be placed.
    Line(u64),
    /// It was placed before: it repeats the known line at this place.
    Placed(usize),
    /// It was found before to repeat nothing.
    Apart,
}

/// Where a line of a file belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It is none of the known lines.
    New,
    /// It is the known line at this place.
    Repeats(usize),
    /// It may be one of the known lines, or not.
    Doubtful,
}

/// Places the lines of a file among known lines. A known line that an earlier line of the file repeats, and which is not
/// among these, says nothing (`None`).
pub fn align(file: &[Asked], known: &[Option<u64>]) -> Vec<Place> {
    let mut table = Table::new(file, known);
    for _ in 0..ROUNDS {
        if !table.lay_stretches() {
            break;
        }
    }
    table.lay_single_lines();
    (0..file.len()).map(|line| table.place(line)).collect()
}

/// What says the same: lines that are alike in one respect or in another.
///
/// A record may be read otherwise than when the other line came (a newer dialect), a text may be laid out otherwise; one
/// that is the same is enough.
#[derive(Debug, Default)]
pub struct Alike {
    same: HashMap<u64, u64>,
}

impl Alike {
    /// Notes that a line says both.
    pub fn says_both(&mut self, one: u64, other: u64) {
        let (one, other) = (self.of(one), self.of(other));
        if one != other {
            self.same.insert(other, one);
        }
    }

    /// What stands for all that says the same as this.
    pub fn of(&self, mut says: u64) -> u64 {
        while let Some(same) = self.same.get(&says) {
            says = *same;
        }
        says
    }
}

/// Two lines side by side: in the file, and among those that are known.
type Pair = (usize, usize);

struct Table<'a> {
    file: &'a [Asked],
    known: &'a [Option<u64>],
    /// Where the known lines are that say this.
    places: HashMap<u64, Vec<usize>>,
    /// What each line of the file lies beside.
    beside: Vec<Option<usize>>,
    /// Known lines that lie beside one.
    taken: Vec<bool>,
}

impl Table<'_> {
    fn new<'a>(file: &'a [Asked], known: &'a [Option<u64>]) -> Table<'a> {
        let mut places: HashMap<u64, Vec<usize>> = HashMap::new();
        for (place, says) in known.iter().enumerate() {
            if let Some(says) = says {
                places.entry(*says).or_default().push(place);
            }
        }
        let mut table = Table { file, known, places, beside: vec![None; file.len()], taken: vec![false; known.len()] };
        for (line, asked) in file.iter().enumerate() {
            if let Asked::Placed(place) = asked {
                table.put((line, *place));
            }
        }
        table
    }

    fn put(&mut self, (line, place): Pair) {
        if let (Some(beside), Some(taken)) = (self.beside.get_mut(line), self.taken.get_mut(place)) {
            *beside = Some(place);
            *taken = true;
        }
    }

    /// What a line of the file says that is not placed yet.
    fn says(&self, line: usize) -> Option<u64> {
        match self.file.get(line) {
            Some(Asked::Line(says)) if self.beside.get(line).is_some_and(Option::is_none) => Some(*says),
            _ => None,
        }
    }

    /// What a known line says that lies beside none yet.
    fn free(&self, place: usize) -> Option<u64> {
        self.known.get(place).copied().flatten().filter(|_| self.taken.get(place) == Some(&false))
    }

    fn alike(&self, (line, place): Pair) -> bool {
        self.says(line).is_some_and(|says| self.free(place) == Some(says))
    }

    /// Lays stretches of [`PROOF`] lines without a hole beside each other, as many as there are in the same order. Says
    /// whether there were any.
    fn lay_stretches(&mut self) -> bool {
        let stretch = |says: &dyn Fn(usize) -> Option<u64>, from: usize| -> Option<[u64; PROOF]> {
            let mut lines = [0; PROOF];
            for (at, line) in lines.iter_mut().enumerate() {
                *line = says(from + at)?;
            }
            Some(lines)
        };
        let mut begins: HashMap<[u64; PROOF], Vec<usize>> = HashMap::new();
        for place in 0..self.known.len() {
            if let Some(lines) = stretch(&|at| self.free(at), place) {
                begins.entry(lines).or_default().push(place);
            }
        }
        let mut pairs: Vec<Pair> = Vec::new();
        for line in 0..self.file.len() {
            let places = stretch(&|at| self.says(at), line).and_then(|lines| begins.get(&lines));
            // Of many the nearest would be a guess, and the first are as good as others.
            let places = places.into_iter().flatten().take(CROWD);
            let from = pairs.len();
            pairs.extend(places.map(|place| (line, *place)));
            pairs[from..].reverse();
        }
        let chain = longest_chain(&pairs);
        let mut laid = false;
        for (line, place) in chain {
            // Stretches reach into each other; where two of them do not agree the first holds.
            if (0..PROOF).all(|at| self.alike((line + at, place + at)) || self.lies((line + at, place + at))) {
                for at in 0..PROOF {
                    laid |= self.alike((line + at, place + at));
                    self.put((line + at, place + at));
                }
            }
        }
        laid
    }

    fn lies(&self, (line, place): Pair) -> bool {
        self.beside.get(line).copied().flatten() == Some(place)
    }

    /// Lays single lines in the same order: between stretches that lie already, and beside them across a hole on one
    /// side. [`PROOF`] of them prove themselves.
    fn lay_single_lines(&mut self) {
        let mut often: HashMap<u64, usize> = HashMap::new();
        for says in (0..self.file.len()).filter_map(|line| self.says(line)) {
            *often.entry(says).or_default() += 1;
        }
        let mut pairs: Vec<Pair> = Vec::new();
        for line in 0..self.file.len() {
            if let Some(place) = self.beside.get(line).copied().flatten() {
                pairs.push((line, place));
            } else if let Some(says) = self.says(line)
                && often.get(&says).is_some_and(|often| *often <= CROWD)
                && let Some(places) = self.places.get(&says).filter(|places| places.len() <= CROWD)
            {
                let free = places.iter().rev().filter(|place| self.free(**place).is_some());
                pairs.extend(free.map(|place| (line, *place)));
            }
        }
        let chain = self.stretched(&longest_chain(&pairs));
        // Stretches, as far as holes on one side hold them together.
        let mut stretches: Vec<&[Pair]> = Vec::new();
        let mut from = 0;
        for at in 1..=chain.len() {
            let goes_on = at < chain.len() && holds_together(chain[at - 1], chain[at]);
            if !goes_on && at > from {
                stretches.push(&chain[from..at]);
                from = at;
            }
        }
        let proven = |stretch: &&[Pair]| stretch.len() >= PROOF || stretch.iter().any(|pair| self.lies(*pair));
        let first = stretches.iter().position(proven);
        let last = stretches.iter().rposition(proven);
        let (Some(first), Some(last)) = (first, last) else { return };
        let same: Vec<Pair> = stretches[first..=last].concat();
        for (line, place) in same {
            if self.alike((line, place)) {
                self.put((line, place));
            }
        }
    }

    /// The chain with what stands right beside its lines and is alike, however often it is there.
    fn stretched(&self, chain: &[Pair]) -> Vec<Pair> {
        let mut longer: Vec<Pair> = Vec::with_capacity(chain.len());
        let end = (self.file.len(), self.known.len());
        for (at, pair) in chain.iter().enumerate() {
            let before = longer.last().copied();
            let mut run = vec![*pair];
            let (mut line, mut place) = *pair;
            while let (Some(line_before), Some(place_before)) = (line.checked_sub(1), place.checked_sub(1)) {
                let clear = before.is_none_or(|before| line_before > before.0 && place_before > before.1);
                if !clear || !self.alike((line_before, place_before)) {
                    break;
                }
                (line, place) = (line_before, place_before);
                run.push((line, place));
            }
            longer.extend(run.into_iter().rev());
            let next = chain.get(at + 1).copied().unwrap_or(end);
            let (mut line, mut place) = (pair.0 + 1, pair.1 + 1);
            while line < next.0 && place < next.1 && self.alike((line, place)) {
                longer.push((line, place));
                (line, place) = (line + 1, place + 1);
            }
        }
        longer
    }

    fn place(&self, line: usize) -> Place {
        if let Some(place) = self.beside.get(line).copied().flatten() {
            return Place::Repeats(place);
        }
        let Some(Asked::Line(says)) = self.file.get(line) else { return Place::New };
        let Some(places) = self.places.get(says) else { return Place::New };
        let free = places.iter().any(|place| self.free(*place).is_some());
        let laid = |lines: &[Option<usize>], last: bool| {
            let mut laid = lines.iter().copied().flatten();
            if last { laid.next_back() } else { laid.next() }
        };
        // Of twins of which one side has more it cannot be said which is which.
        let (before, after) = self.beside.split_at(line);
        let from = laid(before, true).unwrap_or(0);
        let to = laid(after, false).unwrap_or(self.known.len());
        let twin = places.get(places.partition_point(|place| *place < from)).is_some_and(|place| *place <= to);
        if free || twin { Place::Doubtful } else { Place::New }
    }
}

/// Whether nothing, or a hole on one side only, lies between two pairs.
fn holds_together(one: Pair, other: Pair) -> bool {
    let (lines, places) = (other.0 - one.0, other.1 - one.1);
    lines.min(places) == 1 && lines.max(places) <= HOLE + 1
}

/// The most pairs that stand in the same order on both sides. `pairs` are in the order of the file, those of one line
/// from the last place to the first.
fn longest_chain(pairs: &[Pair]) -> Vec<Pair> {
    // For each length, which pair ends such a chain earliest; and for each pair, which is before it.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    for (at, (_, place)) in pairs.iter().enumerate() {
        let length = ends.partition_point(|end| pairs.get(*end).is_some_and(|end| end.1 < *place));
        before.push(length.checked_sub(1).and_then(|shorter| ends.get(shorter)).copied());
        match ends.get_mut(length) {
            Some(end) => *end = at,
            None => ends.push(at),
        }
    }
    let mut chain = Vec::with_capacity(ends.len());
    let mut next = ends.last().copied();
    while let Some(at) = next {
        chain.extend(pairs.get(at));
        next = before.get(at).copied().flatten();
    }
    chain.reverse();
    chain
}

#[cfg(test)]
mod tests;
