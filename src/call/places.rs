//! The calls of one key, by what a later leg asks of them and by their end: however many there are, the one that a leg
//! follows most closely is found without looking at the others. A PBX whose clock stands still makes thousands.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::LineRef;

/// What decides, beside its end, whether a leg may join a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Standing {
    /// Its last leg announced another.
    pub announced: bool,
    /// It was offered, and nobody took it yet.
    pub only_offered: bool,
    /// A leg of it came in.
    pub came: bool,
}

impl Standing {
    /// Of a call without a leg.
    pub const NEW: Standing = Standing { announced: false, only_offered: true, came: false };

    /// Every one there is.
    pub fn all() -> impl Iterator<Item = Standing> {
        (0..8_u8).map(|bits| Standing { announced: bits & 1 > 0, only_offered: bits & 2 > 0, came: bits & 4 > 0 })
    }

    /// Whether another leg is expected.
    pub fn waits(self) -> bool {
        self.announced || self.only_offered
    }
}

/// From one instant to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    from: Timestamp,
    to: Timestamp,
}

impl Span {
    /// What lies at most this far from `at`.
    pub fn around(at: Timestamp, most: SignedDuration) -> Span {
        Span {
            from: at.checked_sub(most).unwrap_or(Timestamp::MIN),
            to: at.checked_add(most).unwrap_or(Timestamp::MAX),
        }
    }

    /// What both have.
    pub fn within(self, other: Span) -> Span {
        Span { from: self.from.max(other.from), to: self.to.min(other.to) }
    }
}

/// The calls of one key.
#[derive(Debug, Default)]
pub(super) struct Places(BTreeSet<(Standing, Timestamp, LineRef)>);

impl Places {
    const FIRST: LineRef = LineRef { source: 0, seq: 0 };
    const LAST: LineRef = LineRef { source: u16::MAX, seq: u64::MAX };

    pub fn insert(&mut self, standing: Standing, end: Timestamp, id: LineRef) {
        self.0.insert((standing, end, id));
    }

    pub fn remove(&mut self, standing: Standing, end: Timestamp, id: LineRef) {
        self.0.remove(&(standing, end, id));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Of the calls of this standing that ended within `span`, the one whose end is nearest to `target`, and how near;
    /// of several the one that began first.
    pub fn nearest(&self, standing: Standing, span: Span, target: Timestamp) -> Option<(SignedDuration, LineRef)> {
        if span.from > span.to {
            return None;
        }
        let first = |from: Timestamp, to: Timestamp| {
            self.0.range((standing, from, Places::FIRST)..=(standing, to, Places::LAST)).next()
        };
        let target_within = target.clamp(span.from, span.to);
        let after = first(target_within, span.to);
        let before = self
            .0
            .range((standing, span.from, Places::FIRST)..=(standing, target_within, Places::LAST))
            .next_back()
            .and_then(|(_, end, _)| first(*end, *end));
        let near = |(_, end, id): &(Standing, Timestamp, LineRef)| (end.duration_since(target).abs(), *id);
        [before, after].into_iter().flatten().map(near).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    proptest! {
        #[test]
        fn the_nearest_is_the_one_that_a_look_at_all_of_them_finds(
            calls in prop::collection::vec((0_usize..3, 0_i64..40, 0_u64..50), 0..60),
            leg in (0_i64..40, 0_i64..12, 0_i64..40, 0_i64..12),
            target in 0_i64..40,
        ) {
            let standings: Vec<Standing> = Standing::all().collect();
            let mut places = Places::default();
            for (standing, end, seq) in &calls {
                places.insert(standings[*standing], at(*end), LineRef { source: 1, seq: *seq });
            }
            let span = Span::around(at(leg.0), SignedDuration::from_secs(leg.1));
            let span = span.within(Span::around(at(leg.2), SignedDuration::from_secs(leg.3)));
            for (number, standing) in standings.iter().enumerate().take(3) {
                let may = |end: i64| (leg.0 - end).abs() <= leg.1 && (leg.2 - end).abs() <= leg.3;
                let of_standing = calls.iter().filter(|(of, end, _)| *of == number && may(*end));
                let expected = of_standing.map(|(_, end, seq)| ((target - end).abs(), *seq)).min();
                let found = places.nearest(*standing, span, at(target)).map(|(near, id)| (near.as_secs(), id.seq));
                prop_assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn what_is_taken_out_is_not_found() {
        let mut places = Places::default();
        let id = LineRef { source: 1, seq: 7 };
        let span = Span::around(at(0), SignedDuration::from_secs(1));
        places.insert(Standing::NEW, at(1), id);
        assert_eq!(places.nearest(Standing::NEW, span, at(0)), Some((SignedDuration::from_secs(1), id)));
        places.remove(Standing::NEW, at(1), id);
        assert!(places.is_empty() && places.nearest(Standing::NEW, span, at(0)).is_none());
    }
}
