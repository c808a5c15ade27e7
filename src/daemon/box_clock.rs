//! The box's own clock: that it was set, what that means for what is stored, and when it is not to be trusted.
//!
//! A box without a clock that runs while it is off begins in 1970, or where it was switched off, until the network has
//! told it the time. What came before then bears times that are wrong by as much as the clock is set by: it is stamped
//! anew. No day is closed, rolled up or sent by a clock that is not trusted.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::keeper::Keeper;
use super::rebuild;
use crate::aggregate::slots::{date_of, midnight};
use crate::clock::{Clock, NOT_BEFORE};
use crate::push::schedule::nightly;
use crate::store::{StoreError, Work};

/// What is less is no step: the two clocks are not read at the same moment, and a network corrects by moments.
const LEAST: Duration = Duration::from_secs(5);
/// From here on times that are stored are wrong by so much that they are put right.
const RESTAMPED: SignedDuration = SignedDuration::from_hours(1);
/// A clock that was set again within this time had been wrong from the start.
const YOUNG: SignedDuration = SignedDuration::from_hours(24);
/// Steps ahead that are not believed at once …
const LEAP: SignedDuration = SignedDuration::from_hours(36);
/// … and those that are not believed before the network says so.
const WILD: SignedDuration = SignedDuration::from_hours(400 * 24);
/// For how long a leap is not believed, on the machine's clock that nobody sets.
const DOUBTED: Duration = Duration::from_secs(3600);
/// The mark of systemd-timesyncd: the network has told the time since the box was started.
const SYNCHRONISED: &str = "/run/systemd/timesync/synchronized";
/// What tells one start of the box from another.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The newest time at which the clock was trusted.
const TRUSTED: &str = "trusted_ms";
/// The civil day whose nightly work is done.
const NIGHTLY: &str = "nightly";
/// What came since the box was started and before it knew the time.
const UNTIMED: &str = "untimed";

/// The box's clock was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stepped {
    /// What it would have shown.
    pub from: Timestamp,
    /// What it shows.
    pub to: Timestamp,
}

impl Stepped {
    /// By how much.
    pub fn by(&self) -> SignedDuration {
        self.to.duration_since(self.from)
    }
}

/// Compares the clock with one that nobody sets.
#[derive(Debug)]
pub struct Watchmaker {
    clock: Clock,
    real: Timestamp,
    instant: Instant,
}

impl Watchmaker {
    /// From now on.
    pub fn new(clock: Clock) -> Watchmaker {
        Watchmaker { clock, real: Timestamp::now(), instant: Instant::now() }
    }

    /// Whether the clock was set since the last look, and how long ago that was.
    pub fn look(&mut self) -> (Option<Stepped>, Duration) {
        let (real, instant) = (Timestamp::now(), Instant::now());
        let passed = instant.saturating_duration_since(self.instant);
        (self.compare(real, instant), passed)
    }

    fn compare(&mut self, real: Timestamp, instant: Instant) -> Option<Stepped> {
        let passed = SignedDuration::try_from(instant.saturating_duration_since(self.instant)).ok()?;
        let expected = self.real.checked_add(passed).unwrap_or(self.real);
        (self.real, self.instant) = (real, instant);
        let step = real.duration_since(expected).unsigned_abs();
        (step >= LEAST).then(|| Stepped { from: self.clock.shown(expected), to: self.clock.shown(real) })
    }
}

/// Since when the clock runs as it does, and the first line of each source since then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Timeline {
    since: Timestamp,
    first: BTreeMap<u16, u64>,
    boot: String,
}

/// The clock went ahead further than is believed at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leap {
    to: Timestamp,
    wild: bool,
    seen: Instant,
}

impl Keeper {
    /// Takes up the box's clock as it is at the start of collecting.
    pub(super) fn begin_timeline(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let boot = std::fs::read_to_string(BOOT_ID).unwrap_or_default();
        let mut fresh = Timeline { since: now, first: self.next_lines(), boot };
        let read = self.store.read();
        let untimed = read.meta(UNTIMED)?.and_then(|text| serde_json::from_str::<Timeline>(&text).ok());
        let trusted = self.trusted()?;
        if now < NOT_BEFORE {
            // The same start of the box: what an earlier run heard of it is as old as it says.
            if let Some(before) = untimed.filter(|before| before.boot == fresh.boot && !before.boot.is_empty()) {
                fresh = Timeline { first: before.first, since: before.since.min(now), ..fresh };
            }
            let work = self.store.begin()?;
            work.set_meta(UNTIMED, &serde_json::to_string(&fresh).unwrap_or_default())?;
            work.commit()?;
        } else if trusted.is_some_and(|trusted| now.duration_since(trusted) > WILD) {
            self.leap = Some(Leap { to: now, wild: true, seen: Instant::now() });
        }
        self.timeline = Some(fresh);
        self.watchmaker = Some(Watchmaker::new(self.clock));
        Ok(())
    }

    fn next_lines(&self) -> BTreeMap<u16, u64> {
        self.rows.values().map(|row| (row.id, row.next_seq)).collect()
    }

    fn trusted(&self) -> Result<Option<Timestamp>, StoreError> {
        let read = self.store.read();
        let text = match read.meta(TRUSTED)? {
            Some(text) => Some(text),
            None => read.meta("alive_ms")?,
        };
        let ms = text.and_then(|text| text.parse().ok());
        Ok(ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()).filter(|at| *at >= NOT_BEFORE))
    }

    /// Why the box's clock is not trusted; nothing when it is.
    pub fn clock_is_doubted(&self, now: Timestamp) -> Option<String> {
        let shows = self.zone.to_datetime(now).strftime("%Y-%m-%d %H:%M");
        if now < NOT_BEFORE {
            return Some(format!(
                "the box does not know the time (it shows {shows}): no day is closed or sent until it does; connect it to a \
                 time server (timedatectl)"
            ));
        }
        let leap = self.leap.filter(|_| self.collecting)?;
        let believed = !leap.wild && leap.seen.elapsed() >= DOUBTED;
        let synchronised = !self.clock.is_scaled() && synchronised_since(leap.to);
        (!believed && !synchronised).then(|| {
            let until = if leap.wild { "the network confirms it" } else { "the network confirms it, or an hour is over" };
            format!(
                "the box's clock went ahead to {shows}, which nothing confirms: no day is closed or sent until {until}; look \
                 at timedatectl"
            )
        })
    }

    /// What time it is for sealing calls and closing days, and the first day that is not over: none is for a clock that is
    /// not trusted.
    pub(super) fn judged(&self, now: Timestamp) -> (Timestamp, Date) {
        match self.clock_is_doubted(now) {
            None => (now, self.first_open_day(now)),
            Some(_) => (Timestamp::MIN, Date::MIN),
        }
    }

    /// Notes that the clock is trusted at this time.
    pub(super) fn trust(work: &Work<'_>, now: Timestamp) -> Result<(), StoreError> {
        work.set_meta(TRUSTED, &now.as_millisecond().to_string())
    }

    /// Looks whether the box's clock was set. Nothing is done by the time of day before.
    pub(super) fn look_at_the_clock(&mut self) -> Result<(), StoreError> {
        match self.watchmaker.as_mut().and_then(|watchmaker| watchmaker.look().0) {
            Some(step) => self.stepped(step),
            None => Ok(()),
        }
    }

    /// The box's clock was set. What was heard on a clock that was wrong from the start gets the time at which it was.
    pub fn stepped(&mut self, step: Stepped) -> Result<(), StoreError> {
        self.find_way()?;
        // What waits for more lines to come would wait by the clock.
        self.decide(Timestamp::MAX)?;
        let result = self.try_stepped(step);
        self.go_astray();
        self.find_way()?;
        if result? {
            let difference = rebuild::rebuild(self, true)?;
            tracing::info!(lines = difference.changed_lines, calls = difference.changed_calls, "stamped anew");
        }
        self.next_nightly = self.nightly_after(step.to)?;
        Ok(())
    }

    /// Says whether lines were stamped anew.
    fn try_stepped(&mut self, step: Stepped) -> Result<bool, StoreError> {
        let by = step.by();
        let next_lines = self.next_lines();
        let boot = self.timeline.as_ref().map(|timeline| timeline.boot.clone()).unwrap_or_default();
        let timeline = self.timeline.take().unwrap_or(Timeline { since: step.from, first: next_lines.clone(), boot });
        let age = step.from.duration_since(timeline.since);
        let young = step.from < NOT_BEFORE || age <= YOUNG;
        let far = by.abs() >= RESTAMPED;
        self.leap = if step.from >= NOT_BEFORE && by > LEAP {
            Some(Leap { to: step.to, wild: by > WILD, seen: Instant::now() })
        } else {
            // Back again, or forth from no time at all.
            self.leap.filter(|leap| step.from >= NOT_BEFORE && step.to >= leap.to && by.is_positive())
        };
        let doubted = self.clock_is_doubted(step.to).is_some();
        let work = self.store.begin()?;
        let mut lines = 0;
        if far && young {
            for (source, first) in &timeline.first {
                lines += work.restamp_lines(*source, *first, by)?;
            }
            work.restamp_links(timeline.since, step.from, by)?;
        }
        if far {
            let since = if young { step.to.checked_sub(age).unwrap_or(step.to) } else { step.to };
            work.break_links(step.from, since, step.to)?;
        }
        for row in self.rows.values_mut() {
            row.wall.gauge.forget();
            if let Some((_, at)) = row.last_record.as_mut().filter(|_| far && young) {
                *at = at.checked_add(by).unwrap_or(*at);
            }
            work.put_source(row)?;
        }
        if !doubted {
            work.bring_forward(step.to)?;
        }
        work.set_meta("alive_ms", &step.to.as_millisecond().to_string())?;
        work.set_meta(UNTIMED, "")?;
        if far {
            work.audit(step.to, "smdrd", &format!("the box's clock was set from {} to {}", step.from, step.to))?;
        }
        work.commit()?;
        let mut standing = self.standing()?;
        if standing.not_ahead_of(step.to) && !doubted {
            let work = self.store.begin()?;
            Keeper::keep_standing(&work, &standing)?;
            work.commit()?;
        }
        let boot = timeline.boot.clone();
        self.timeline = Some(match young && far {
            true => Timeline { since: step.to.checked_sub(age).unwrap_or(step.to), ..timeline },
            false if far => Timeline { since: step.to, first: next_lines, boot },
            false => timeline,
        });
        Ok(lines > 0)
    }

    /// When the nightly work is due next: once a civil day, whatever the clock does. What a night missed is made up for.
    pub(super) fn nightly_after(&self, now: Timestamp) -> Result<Timestamp, StoreError> {
        let device = self.device()?;
        let next = nightly(&device, &self.zone, now);
        let today = date_of(&self.zone, now);
        let Some(done) = self.last_nightly(today)? else { return Ok(next) };
        if done >= date_of(&self.zone, next) {
            let (mut at, mut next) = (now, next);
            while done >= date_of(&self.zone, next) && next > at {
                at = next;
                next = nightly(&device, &self.zone, next);
            }
            return Ok(next);
        }
        let tonight = self.nightly_of(&device, today);
        Ok(if done < today && tonight <= now { tonight } else { next })
    }

    /// The civil day whose nightly work was done last. What is done in a future that never comes says nothing.
    fn last_nightly(&self, today: Date) -> Result<Option<Date>, StoreError> {
        let done = self.store.read().meta(NIGHTLY)?.and_then(|text| text.parse::<Date>().ok());
        Ok(done.filter(|done| done.duration_since(today).as_hours() <= 48))
    }

    /// A box that has done none yet begins with the next one.
    pub(super) fn first_nightly(&mut self, now: Timestamp) -> Result<(), StoreError> {
        match self.last_nightly(date_of(&self.zone, now))? {
            Some(_) => Ok(()),
            None => self.nightly_done(now),
        }
    }

    fn nightly_of(&self, device: &str, date: Date) -> Timestamp {
        let before = midnight(&self.zone, date).checked_sub(SignedDuration::from_secs(1));
        before.map_or(Timestamp::MAX, |before| nightly(device, &self.zone, before))
    }

    /// Notes that the nightly work that was due at `now` is done.
    pub(super) fn nightly_done(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let today = date_of(&self.zone, now);
        let tonight = self.nightly_of(&self.device()?, today);
        let done = if tonight <= now { today } else { today.yesterday().unwrap_or(today) };
        let work = self.store.begin()?;
        work.set_meta(NIGHTLY, &done.to_string())?;
        work.commit()?;
        self.next_nightly = self.nightly_after(now)?;
        Ok(())
    }
}

/// Whether the network has told the time since the clock shows this one.
fn synchronised_since(at: Timestamp) -> bool {
    let told = std::fs::metadata(SYNCHRONISED).and_then(|mark| mark.modified()).ok();
    let told = told.and_then(|told| Timestamp::try_from(told).ok());
    told.is_some_and(|told| at.duration_since(told) <= SignedDuration::from_secs(LEAST.as_secs() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_is_noticed_and_one_that_runs_is_not() {
        let mut watchmaker = Watchmaker::new(Clock::system());
        let (real, instant) = (watchmaker.real, watchmaker.instant);
        let later = |seconds: u64| instant + Duration::from_secs(seconds);
        let shows = |seconds: i64| real + SignedDuration::from_secs(seconds);
        assert_eq!(watchmaker.compare(shows(10), later(10)), None);
        assert_eq!(watchmaker.compare(shows(21), later(20)), None, "a second is no step");
        let step = watchmaker.compare(shows(3621), later(20)).unwrap();
        assert_eq!((step.from, step.to, step.by()), (shows(21), shows(3621), SignedDuration::from_hours(1)));
        assert_eq!(watchmaker.compare(shows(3622), later(21)), None);
        let back = watchmaker.compare(shows(22), later(22)).unwrap();
        assert_eq!(back.by(), SignedDuration::from_secs(-3601));
    }
}
