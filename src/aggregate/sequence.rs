//! What a PBX's own numbers prove: where it numbers every record, a number that never comes is a record that was lost.
//!
//! Numbers may come a little out of order, come again when a buffer is emptied, begin again when the PBX does, and wrap.
//! None of that is a loss. Only a number that is passed over, within what can be told from a new beginning, and that does
//! not come late, is missing.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// By how many places a number may come late.
const LATE: u32 = 16;
/// For how long at least one may.
const WAITS: SignedDuration = SignedDuration::from_mins(15);
/// Of numbers whose end is not known, so many at most are passed over; more is a new beginning.
const MOST: u32 = 64;
/// So near its first number a PBX that begins again shows up.
const NEAR_FIRST: u32 = 4;

/// The numbers that a PBX gives its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    /// The first after a start, and after the last.
    pub first: u32,
    /// The last before it begins again; where that is not known, nothing is told of what lies across it.
    pub last: Option<u32>,
}

impl Numbers {
    /// How many places forward from one number to another; nothing where that is backward, as far as it can be told.
    fn ahead(&self, from: u32, to: u32) -> Option<u32> {
        match self.last.and_then(|last| last.checked_sub(self.first)?.checked_add(1)) {
            Some(all) => {
                let place = |number: u32| number.saturating_sub(self.first) % all;
                let ahead = (place(to) + all - place(from)) % all;
                (ahead <= all / 4).then_some(ahead)
            }
            None => to.checked_sub(from).filter(|ahead| *ahead <= MOST),
        }
    }

    fn after(&self, number: u32) -> u32 {
        if self.last == Some(number) { self.first } else { number.saturating_add(1) }
    }
}

/// Numbers that were passed over between two lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Passed {
    /// When the line before came, and its number.
    from: (Timestamp, u32),
    /// When the line after came, and its number.
    to: (Timestamp, u32),
    /// Those that have not come.
    numbers: Vec<u32>,
    /// How many other numbers came since.
    since: u32,
}

/// Records that are missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// When the line before them came.
    pub from: Timestamp,
    /// When the line after them came.
    pub to: Timestamp,
    /// How many.
    pub records: u64,
    /// The numbers between which they are.
    pub between: (u32, u32),
}

/// How far a source's numbers have come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    last: Option<(Timestamp, u32)>,
    passed: Vec<Passed>,
    /// Lines since the last number that came and were not understood: each may have borne one.
    blind: u32,
}

impl Sequence {
    /// A line came that was not understood.
    pub fn unknown(&mut self) {
        self.blind = self.blind.saturating_add(1);
    }

    /// A line with this number came. Gives what is missing for certain now.
    pub fn number(&mut self, numbers: Numbers, number: u32, at: Timestamp) -> Vec<Missing> {
        let Some(before) = self.last else {
            (self.last, self.blind) = (Some((at, number)), 0);
            return Vec::new();
        };
        if let Some(passed) = self.passed.iter_mut().find(|passed| passed.numbers.contains(&number)) {
            // Late, and here.
            passed.numbers.retain(|missing| *missing != number);
            self.passed.retain(|passed| !passed.numbers.is_empty());
            return self.settled(at);
        }
        // A little behind: it was there before, or came before the first that was seen.
        if before.1 == number || numbers.ahead(number, before.1).is_some_and(|behind| behind <= LATE) {
            return self.settled(at);
        }
        for passed in &mut self.passed {
            passed.since = passed.since.saturating_add(1);
        }
        let ahead = numbers.ahead(before.1, number);
        let begins_again = number.saturating_sub(numbers.first) < NEAR_FIRST && ahead.is_some_and(|ahead| ahead > LATE);
        if let Some(ahead) = ahead.filter(|_| !begins_again) {
            let mut missing = Vec::new();
            let mut next = numbers.after(before.1);
            for _ in 1..ahead {
                missing.push(next);
                next = numbers.after(next);
            }
            let unknown = usize::try_from(self.blind).unwrap_or(usize::MAX).min(missing.len());
            missing.drain(..unknown);
            if !missing.is_empty() {
                self.passed.push(Passed { from: before, to: (at, number), numbers: missing, since: 0 });
            }
        }
        (self.last, self.blind) = (Some((at, number)), 0);
        self.settled(at)
    }

    /// What is missing for certain by `now`: so much came after it, or so much time has passed, that it is not late.
    pub fn settled(&mut self, now: Timestamp) -> Vec<Missing> {
        let is_lost = |passed: &Passed| passed.since >= LATE || now.duration_since(passed.to.0) >= WAITS;
        let (lost, waits) = std::mem::take(&mut self.passed).into_iter().partition(is_lost);
        self.passed = waits;
        let lost: Vec<Passed> = lost;
        let missing = |passed: Passed| Missing {
            from: passed.from.0,
            to: passed.to.0,
            records: passed.numbers.len() as u64,
            between: (passed.from.1, passed.to.1),
        };
        lost.into_iter().map(missing).collect()
    }

    /// Whether something may still come late.
    pub fn waits(&self) -> bool {
        !self.passed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TO_999: Numbers = Numbers { first: 1, last: Some(999) };
    const OPEN: Numbers = Numbers { first: 0, last: None };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    /// How many are missing, with each number a second after the one before, and time enough at the end.
    fn missing(numbers: Numbers, came: &[u32]) -> Vec<(u64, (u32, u32))> {
        let mut sequence = Sequence::default();
        let mut all = Vec::new();
        for (second, number) in came.iter().enumerate() {
            all.extend(sequence.number(numbers, *number, at(second as i64)));
        }
        all.extend(sequence.settled(at(100_000)));
        all.iter().map(|missing| (missing.records, missing.between)).collect()
    }

    fn from_to(from: u32, to: u32) -> Vec<u32> {
        (from..=to).collect()
    }

    #[test]
    fn numbers_that_are_passed_over_are_missing() {
        assert_eq!(missing(TO_999, &[701, 702, 705, 706]), [(2, (702, 705))]);
        assert_eq!(missing(TO_999, &[997, 998, 2, 3]), [(2, (998, 2))], "across the end");
        assert_eq!(missing(TO_999, &from_to(1, 999)), []);
        let twice = [from_to(990, 999), from_to(1, 20)].concat();
        assert_eq!(missing(TO_999, &twice), []);
        assert_eq!(missing(OPEN, &[3233, 3234, 3240]), [(5, (3234, 3240))]);
    }

    #[test]
    fn what_comes_late_again_or_from_a_new_beginning_is_not() {
        assert_eq!(missing(TO_999, &[10, 12, 14, 11, 13, 15]), [], "out of order");
        assert_eq!(missing(TO_999, &[&from_to(600, 700)[..], &from_to(640, 710)].concat()), [], "printed again");
        assert_eq!(missing(TO_999, &[&from_to(1, 700)[..], &from_to(200, 710)].concat()), [], "500 printed again");
        assert_eq!(missing(TO_999, &[&from_to(880, 900)[..], &from_to(1, 20)].concat()), [], "started again");
        assert_eq!(missing(TO_999, &[880, 881, 20, 21]), [(137, (881, 20))], "no start, and not too many");
        assert_eq!(missing(OPEN, &[120, 126, 127, 0, 1, 2, 3]), [(5, (120, 126))], "its end is not known");
        assert_eq!(missing(OPEN, &[66, 67, 5000]), []);
        assert_eq!(missing(TO_999, &[5, 5, 5, 6]), []);
    }

    #[test]
    fn what_was_not_understood_may_have_borne_the_number() {
        let mut sequence = Sequence::default();
        sequence.number(TO_999, 5, at(0));
        sequence.unknown();
        sequence.number(TO_999, 8, at(1));
        let missing = sequence.settled(at(2_000));
        assert_eq!((missing[0].records, missing[0].between), (1, (5, 8)));
        assert!(!sequence.waits());
    }

    #[test]
    fn it_goes_on_after_a_restart() {
        let mut sequence = Sequence::default();
        sequence.number(TO_999, 5, at(0));
        sequence.number(TO_999, 9, at(10));
        let text = serde_json::to_string(&sequence).unwrap();
        let mut again: Sequence = serde_json::from_str(&text).unwrap();
        assert_eq!(again, sequence);
        assert_eq!(again.number(TO_999, 7, at(20)), []);
        let missing = again.settled(at(1_000));
        assert_eq!((missing[0].records, missing[0].from, missing[0].to), (2, at(0), at(10)));
    }

    proptest! {
        #[test]
        fn what_was_taken_away_is_missing_and_nothing_else(
            start in 1_u32..=999,
            count in 40_usize..400,
            gone in proptest::collection::btree_set(1_usize..380, 0..12),
            swaps in proptest::collection::vec((0_usize..380, 1_usize..8), 0..20),
        ) {
            let number = |place: usize| (start - 1 + place as u32) % 999 + 1;
            // The first and the last few are there, so that every gap has two sides.
            let mut came: Vec<u32> =
                (0..count).filter(|place| *place == 0 || *place + 30 > count || !gone.contains(place)).map(number).collect();
            for (place, by) in swaps {
                // Not before the first: what lies before it is not known.
                if place > 0 && place + by < came.len() {
                    came.swap(place, place + by);
                }
            }
            let lost = (1..count.saturating_sub(29)).filter(|place| gone.contains(place)).count() as u64;
            let found: u64 = missing(TO_999, &came).iter().map(|(records, _)| records).sum();
            prop_assert_eq!(found, lost);
        }
    }
}
