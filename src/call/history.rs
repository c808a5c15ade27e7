//! What one PBX printed, put together from what each source has of it: its own link, and files.

use std::collections::HashMap;

use jiff::civil::DateTime;

use super::LineRef;

/// A line as a source has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Had<T> {
    /// The line; of one that repeats another source's, that line.
    pub id: LineRef,
    /// Its stamp, where it bears one.
    pub stamp: Option<DateTime>,
    /// What is known of it.
    pub what: T,
}

/// Puts what another source has beside `one`, in the order in which it was printed: lines that both have hold the two
/// together, and between them the stamps decide.
pub fn join<T>(one: Vec<Had<T>>, other: Vec<Had<T>>) -> Vec<Had<T>> {
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
            Had { id, stamp: hour, what: letter }
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
    }
}
