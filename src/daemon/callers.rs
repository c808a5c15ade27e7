//! Who has called today: which calls are repeats, in the books.

use jiff::Timestamp;
use jiff::civil::Date;

use super::books::{Books, Portion, add};
use crate::aggregate::count::{Metric, contributions};
use crate::aggregate::repeat::Callers;
use crate::aggregate::slots::slot_of;
use crate::call::{Call, CallKind, LineRef, Owner};
use crate::store::{StoreError, StoredCall, Work};

/// Most calls of other days that are remembered when a further day is touched. Those of busy days of several practices are
/// fewer; a file or a buffer of months has more, and the store has them all.
const REMEMBERED: usize = 20_000;

/// The callers of one day of one practice.
#[derive(Debug)]
pub(super) struct DayCallers {
    callers: Callers,
    /// Tokens are gone: flags stay as they are.
    pub(super) rolled: bool,
}

impl Books {
    pub(super) fn uncount(
        &mut self,
        work: &Work<'_>,
        portion: &mut Portion,
        old: &StoredCall,
    ) -> Result<(), StoreError> {
        add(portion, &old.call.owner, contributions(&old.call, old.repeat), -1);
        let Some(token) = linked(&old.call) else { return Ok(()) };
        let day = self.day_callers(work, &old.call.owner, old.day)?;
        if day.rolled {
            return Ok(());
        }
        if let Some((arrival, id)) = day.callers.remove(token, old.call.arrival, old.call.id) {
            self.flip(work, portion, &old.call.owner, arrival, id, false)?;
        }
        Ok(())
    }

    pub(super) fn repeat(
        &mut self,
        work: &Work<'_>,
        portion: &mut Portion,
        call: &Call,
        day: Date,
        was: bool,
    ) -> Result<bool, StoreError> {
        let Some(token) = linked(call) else { return Ok(was) };
        let callers = self.day_callers(work, &call.owner, day)?;
        if callers.rolled {
            return Ok(was);
        }
        let added = callers.callers.add(token, call.arrival, call.id);
        if let Some((arrival, id)) = added.now_repeat {
            self.flip(work, portion, &call.owner, arrival, id, true)?;
        }
        Ok(added.repeat)
    }

    fn flip(
        &mut self,
        work: &Work<'_>,
        portion: &mut Portion,
        owner: &Owner,
        arrival: Timestamp,
        id: LineRef,
        repeat: bool,
    ) -> Result<(), StoreError> {
        add(portion, owner, vec![(slot_of(arrival), Metric::Repeat, if repeat { 1 } else { -1 })], 1);
        if let Some(stored) = self.stored.get_mut(&id) {
            stored.repeat = repeat;
        }
        work.set_repeat(id, repeat)
    }

    /// Who called this owner on this day; read from the store when the day is touched for the first time.
    pub(super) fn day_callers(
        &mut self,
        work: &Work<'_>,
        owner: &Owner,
        day: Date,
    ) -> Result<&mut DayCallers, StoreError> {
        let key = (owner.clone(), day);
        if !self.callers.contains_key(&key) {
            let noted: usize = self.callers.values().map(|day| day.callers.noted()).sum();
            if self.callers.len() > 100 || noted > REMEMBERED {
                self.callers.clear();
            }
            let mut callers = Callers::default();
            for stored in work.read().calls_of(owner, day)? {
                if let Some(token) = linked(&stored.call).filter(|_| !stored.call.open) {
                    callers.add(token, stored.call.arrival, stored.call.id);
                }
            }
            let rolled = work.read().day(owner, day)?.is_some_and(|row| row.rolled > 0);
            self.callers.insert(key.clone(), DayCallers { callers, rolled });
        }
        Ok(self.callers.entry(key).or_insert_with(|| DayCallers { callers: Callers::default(), rolled: false }))
    }
}

/// The token of a call that counts among repeat calls.
fn linked(call: &Call) -> Option<u64> {
    call.token.filter(|_| call.kind == CallKind::Inbound && !call.not_people)
}
