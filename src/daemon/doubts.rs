//! What is an event of the box as a whole, or of a PBX's clock: nothing can be stored, and a clock is not to be trusted. An
//! event that cannot be stored while it lasts is shown all the same, and stored when it is over.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

use super::clocks;
use super::keeper::Keeper;
use super::silence::{end_event, touch_days};
use super::waiting::Waiting;
use crate::store::{Event, EventCause, StoreError};

/// By how many seconds a clock's doubt must change to be noted again: it drifts all the time.
const NOTED_AGAIN_S: u64 = 60;

/// The box's own clock is not trusted: since when, on the machine's clock that nobody sets, and why.
#[derive(Debug, Clone)]
pub(super) struct ClockDoubted {
    since: Instant,
    what: String,
}

impl Waiting {
    /// The same as an event.
    fn event(&self) -> Event {
        // What to do is said elsewhere.
        let what = self.cause.split(';').next().unwrap_or_default().to_owned();
        Event { id: 0, source: None, from: self.since, to: None, cause: self.kind, what, n: None }
    }
}

impl Keeper {
    /// The events that last and are not in the database.
    pub(super) fn unstored_events(&self) -> Vec<Event> {
        let doubted = self.clock_doubted.as_ref().map(|doubted| Event {
            id: 0,
            source: None,
            from: doubted.from(self.clock.now()),
            to: None,
            cause: EventCause::ClockDoubt,
            what: doubted.what.clone(),
            n: Some(0),
        });
        self.waiting.iter().map(Waiting::event).chain(doubted).collect()
    }

    /// Notes that for this long nothing could be stored.
    pub(super) fn note_waited(&mut self, waited: &Waiting, now: Timestamp) -> Result<(), StoreError> {
        let Event { cause, what, from, .. } = waited.event();
        let work = self.store.begin()?;
        work.past_event(None, cause, (from, now), &what, None)?;
        touch_days(&work, &self.zone, from, now)?;
        work.commit()
    }

    /// Looks whether the box's own clock is trusted. Its times are not while it is not: when that is over it is known from
    /// when to when it was. Calls are placed by the PBX's stamps, so nothing of what was observed is taken away.
    pub(super) fn look_at_own_clock(&mut self, now: Timestamp) -> Result<(), StoreError> {
        if !self.collecting {
            return Ok(());
        }
        match (self.clock_is_doubted(now), self.clock_doubted.take()) {
            (Some(what), before) => {
                let since = before.map_or_else(Instant::now, |before| before.since);
                let what = what.split(':').next().unwrap_or_default().to_owned();
                self.clock_doubted = Some(ClockDoubted { since, what });
            }
            (None, Some(doubted)) => {
                let from = doubted.from(now);
                let work = self.store.begin()?;
                work.past_event(None, EventCause::ClockDoubt, (from, now), &doubted.what, Some(0))?;
                touch_days(&work, &self.zone, from, now)?;
                work.commit()?;
            }
            (None, None) => {}
        }
        Ok(())
    }

    /// Looks whether the PBXs' clocks are right.
    pub(super) fn look_at_pbx_clocks(&mut self, now: Timestamp) -> Result<(), StoreError> {
        if !self.collecting {
            return Ok(());
        }
        for plan in self.plans.iter().filter(|plan| plan.live) {
            let Some((id, row)) = self.ids.get(&plan.name).and_then(|id| Some((*id, self.rows.get(id)?))) else {
                continue;
            };
            let Some(stand) = row.wall.gauge.stand() else { continue };
            let wrong = clocks::wrong(&plan.zone, now, stand, row.wall.ahead_s());
            let open = self.store.read().open_event(Some(id), EventCause::ClockDoubt)?;
            match (wrong, open) {
                (Some((_, left_s)), Some(open)) if open.n.is_some_and(|n| n.abs_diff(left_s) < NOTED_AGAIN_S) => {}
                (Some((what, left_s)), open) => {
                    let work = self.store.begin()?;
                    work.open_event(Some(id), EventCause::ClockDoubt, stand.since.min(now), &what, Some(left_s))?;
                    touch_days(&work, &self.zone, open.map_or(stand.since, |open| open.from), now)?;
                    work.commit()?;
                    tracing::warn!(source = plan.name, what, "a clock cannot be trusted");
                }
                (None, Some(open)) => {
                    let work = self.store.begin()?;
                    end_event(
                        &work,
                        &self.zone,
                        Some(id),
                        EventCause::ClockDoubt,
                        stand.since.max(open.from).min(now),
                    )?;
                    work.commit()?;
                }
                (None, None) => {}
            }
        }
        Ok(())
    }
}

impl ClockDoubted {
    fn from(&self, now: Timestamp) -> Timestamp {
        let passed = SignedDuration::try_from(self.since.elapsed()).unwrap_or_default();
        now.checked_sub(passed).unwrap_or(now)
    }
}
