//! Repeat calls: those from a number that had called before on the same civil day. Counted by order of arrival, also
//! when the records come in another order.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::call::LineRef;

/// The callers of one owner on one day, by token.
#[derive(Debug, Clone, Default)]
pub struct Callers {
    calls: HashMap<u64, Vec<(Timestamp, LineRef)>>,
}

impl Callers {
    /// Notes a call. Answers with the call that is now first of its number, if another one was before: that other one
    /// has become a repeat.
    pub fn add(&mut self, token: u64, arrival: Timestamp, id: LineRef) -> Added {
        let calls = self.calls.entry(token).or_default();
        let before = calls.first().copied();
        let place = calls.partition_point(|call| *call < (arrival, id));
        calls.insert(place, (arrival, id));
        Added { repeat: place > 0, now_repeat: before.filter(|_| place == 0) }
    }

    /// How many calls are noted.
    pub fn noted(&self) -> usize {
        self.calls.values().map(Vec::len).sum()
    }

    /// Takes a call out again. Answers with the call that is first of its number now, if this one was: it is no
    /// repeat any more.
    pub fn remove(&mut self, token: u64, arrival: Timestamp, id: LineRef) -> Option<(Timestamp, LineRef)> {
        let calls = self.calls.get_mut(&token)?;
        let place = calls.iter().position(|call| *call == (arrival, id))?;
        calls.remove(place);
        if place == 0 { calls.first().copied() } else { None }
    }
}

/// What came of a call being noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added {
    /// Its number had called before.
    pub repeat: bool,
    /// The call that was first of its number until now.
    pub now_repeat: Option<(Timestamp, LineRef)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_to_arrive_is_no_repeat_whatever_the_order_of_the_records() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let id = |seq: u64| LineRef { source: 1, seq };
        let mut callers = Callers::default();
        assert_eq!(callers.add(7, at(100), id(1)), Added { repeat: false, now_repeat: None });
        assert_eq!(callers.add(7, at(200), id(2)), Added { repeat: true, now_repeat: None });
        assert_eq!(callers.add(7, at(50), id(3)), Added { repeat: false, now_repeat: Some((at(100), id(1))) });
        assert_eq!(callers.remove(7, at(200), id(2)), None);
        assert_eq!(callers.remove(7, at(50), id(3)), Some((at(100), id(1))));
    }
}
