//! What one PBX printed, put together from what each source has of it: its own link, and files.

use std::collections::{HashMap, HashSet};

use jiff::civil::DateTime;

use super::LineRef;

/// A line as a source has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Had<T> {
    /// The line; of one that repeats another source's, that line.
    pub id: LineRef,
    /// Whether it is the source's own, and none that it repeats.
    pub own: bool,
    /// Its stamp, where it bears one.
    pub stamp: Option<DateTime>,
    /// What is known of it.
    pub what: T,
}

/// Puts what another source has beside `one`, in the order in which it was printed: lines that both have hold the two
/// together, and between them the stamps decide.
pub fn join<T>(mut one: Vec<Had<T>>, other: Vec<Had<T>>) -> Vec<Had<T>> {
    let out_of_order = out_of_order(&one, &other);
    if !out_of_order.is_empty() {
        one = one
            .into_iter()
            .enumerate()
            .filter(|(place, _)| !out_of_order.contains(place))
            .map(|(_, had)| had)
            .collect();
    }
    let places: HashMap<LineRef, usize> = one.iter().enumerate().map(|(place, had)| (had.id, place)).collect();
    let both: Vec<Option<usize>> = other.iter().map(|had| places.get(&had.id).copied()).collect();
    let mut next = one.len();
    let mut bounds: Vec<usize> = both
        .iter()
        .rev()
        .map(|place| {
            next = place.unwrap_or(next);
            next
        })
        .collect();
    bounds.reverse();
    let mut joined = Vec::with_capacity(one.len() + other.len());
    let mut ones = one.into_iter().enumerate().peekable();
    let mut reached = None;
    for ((had, place), bound) in other.into_iter().zip(both).zip(bounds) {
        if let Some(place) = place {
            while let Some((_, had)) = ones.next_if(|(at, _)| *at <= place) {
                joined.push(had);
            }
            continue;
        }
        reached = had.stamp.max(reached);
        while let Some((_, had)) = ones.next_if(|(at, one)| *at < bound && one.stamp <= reached) {
            joined.push(had);
        }
        joined.push(had);
    }
    joined.extend(ones.map(|(_, had)| had));
    joined
}

/// The lines of `one` that repeat lines of `other` and do not stand where those do: a buffer that was printed later.
fn out_of_order<T>(one: &[Had<T>], other: &[Had<T>]) -> HashSet<usize> {
    let of_other: HashMap<LineRef, usize> =
        other.iter().enumerate().filter(|(_, had)| had.own).map(|(line, had)| (had.id, line)).collect();
    let of_one: HashMap<LineRef, usize> =
        one.iter().enumerate().filter(|(_, had)| had.own).map(|(place, had)| (had.id, place)).collect();
    // Between which places of `one` each line of `other` stands, by the lines of it that repeat one.
    let beside: Vec<Option<usize>> = other.iter().map(|had| of_one.get(&had.id).copied()).collect();
    let mut reached = None;
    let after: Vec<Option<usize>> = beside
        .iter()
        .map(|place| {
            reached = reached.max(*place);
            reached
        })
        .collect();
    let mut first = one.len();
    let mut before: Vec<usize> = beside
        .iter()
        .rev()
        .map(|place| {
            first = first.min(place.unwrap_or(first));
            first
        })
        .collect();
    before.reverse();
    let mut reached = None;
    let mut found = HashSet::new();
    for (place, had) in one.iter().enumerate().filter(|(_, had)| !had.own) {
        let Some(line) = of_other.get(&had.id).copied() else { continue };
        let after = after.get(line).copied().flatten().is_none_or(|after| after < place);
        let before = before.get(line).is_none_or(|before| place < *before);
        if after && before && reached.is_none_or(|reached| reached < line) {
            reached = Some(line);
        } else {
            found.insert(place);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of a source: `a9` is the source's line `a`, printed at 9 hours. A capital letter is the other's line.
    fn lines(source: u16, text: &str) -> Vec<Had<char>> {
        let line = |word: &str| {
            let mut letters = word.chars();
            let letter = letters.next().unwrap();
            let hour = letters.next().map(|hour| jiff::civil::date(2026, 11, 20).at(hour as i8 - 48, 0, 0, 0));
            let other = if letter.is_uppercase() { 3 - source } else { source };
            let id = LineRef { source: other, seq: u64::from(letter.to_ascii_lowercase()) };
            Had { id, own: letter.is_lowercase(), stamp: hour, what: letter }
        };
        text.split_whitespace().map(line).collect()
    }

    fn joined(one: &str, other: &str) -> String {
        join(lines(1, one), lines(2, other)).into_iter().map(|had| had.what).collect()
    }

    #[test]
    fn what_both_have_holds_together_and_stamps_decide_the_rest() {
        assert_eq!(joined("a1 b2 f6 g7", "A1 B2 c3 d4 F6"), "abcdfg", "an outage is filled");
        assert_eq!(joined("a1 b2 f9", "d3 e4"), "abdef", "by the stamps alone");
        assert_eq!(joined("a5 b6", "c1 d2 A5"), "cdab", "before");
        assert_eq!(joined("a5 b6", "B6 c7 d8"), "abcd", "behind");
        assert_eq!(joined("a1 b2 f3", "A1 c9 F3"), "abcf", "a stamp that goes ahead does not leave its place");
        assert_eq!(joined("a1 b c3", "d2 e"), "abdec", "lines without a stamp stay where they are");
        assert_eq!(joined("", "a1 b2"), "ab");
        assert_eq!(joined("a1 b2 c3 d4", "C3 D4 A1 B2 e5"), "abcde", "in another order");
        assert_eq!(joined("a1 B2 c3", "b2 d3"), "aBcd", "what the other has already");
        assert_eq!(joined("a1 d4 B2 C3 B2 e5", "A1 b2 c3 D4"), "abcde", "a buffer that was printed later");
        assert_eq!(joined("D4 E5 f6 D4", "c3 d4 e5"), "cDEf", "and printed once more");
    }
}
