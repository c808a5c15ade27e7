//! What time brings to the books: verdicts, seals, closed days, nightly work.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use super::books::Portion;
use super::disk::Reserve;
use super::keeper::{Keeper, note_first_day};
use crate::aggregate::slots::date_of;
use crate::store::StoreError;

/// For how long after the nightly instant documents are sent as they are rendered; later it is for the next window.
const SENT_AT_ONCE: SignedDuration = SignedDuration::from_hours(1);

impl Keeper {
    /// What time brings: seals calls, closes days, rolls them up, and renders changed days when the nightly instant
    /// has come.
    pub fn tick(&mut self) -> Result<(), StoreError> {
        self.look_at_the_clock()?;
        let now = self.clock.now();
        self.find_way()?;
        self.marks.sync();
        if self.collecting {
            Reserve::of(&self.config).make();
        }
        let result = self.try_tick(now);
        self.changed(result)
    }

    /// Seals the calls whose time has passed.
    pub fn seal(&mut self, now: Timestamp) -> Result<(), StoreError> {
        self.find_way()?;
        let result = self.try_seal(now);
        self.changed(result)
    }

    /// Decides which of the lines that wait for it repeat what was printed before, where no more came for a while by
    /// `now`.
    pub(super) fn decide(&mut self, now: Timestamp) -> Result<(), StoreError> {
        self.find_way()?;
        if !self.books.waits() {
            return Ok(());
        }
        let result = self.try_decide(now);
        self.changed(result)
    }

    fn try_decide(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let work = self.store.begin()?;
        let mut portion = Portion::default();
        self.books.quiet(&work, &mut portion, now)?;
        self.books.finish(&work, portion)?;
        work.commit()
    }

    fn try_seal(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let (judged, open_day) = self.judged(now);
        let work = self.store.begin()?;
        let mut portion = Portion::default();
        self.books.quiet(&work, &mut portion, now)?;
        self.books.tick(&work, &mut portion, judged, open_day)?;
        self.books.finish(&work, portion)?;
        if self.collecting {
            if open_day > Date::MIN {
                note_first_day(&work, date_of(&self.zone, now))?;
                Keeper::trust(&work, now)?;
            }
            work.set_meta("alive_ms", &now.as_millisecond().to_string())?;
        }
        work.commit()
    }

    fn try_tick(&mut self, now: Timestamp) -> Result<(), StoreError> {
        self.try_seal(now)?;
        self.look_at_own_clock(now)?;
        if self.clock_is_doubted(now).is_some() {
            return Ok(());
        }
        self.leap = None;
        self.first_nightly(now)?;
        self.listen(now)?;
        self.look_at_lines(now)?;
        self.look_at_numbers(now)?;
        self.look_at_pbx_clocks(now)?;
        self.forget_heard(now)?;
        let nightly_due = now >= self.next_nightly;
        let on_time = nightly_due && now.duration_since(self.next_nightly) < SENT_AT_ONCE;
        self.settle_days(now, nightly_due, on_time)?;
        if nightly_due {
            self.nightly_done(now)?;
        }
        self.roll_up(now)
    }
}
