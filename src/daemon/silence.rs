//! Who is silent: each source is listened to for itself, and judged by what is normal for it at this time of this
//! weekday. Quiet at night is no event; a link that is up and brings nothing at 08:20 on a Monday is one within minutes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use super::books::Batch;
use super::keeper::Keeper;
use crate::aggregate::coverage::Up;
use crate::aggregate::silence::{CELL_S, MOMENT_S, Normal, Silence, WEEKS, Watch};
use crate::aggregate::slots::{date_of, midnight};
use crate::record::LineKind;
use crate::store::{EventCause, Reading, StoreError, Work};

/// A silence that ended by itself within this time was perhaps none: it is learnt from. A longer one was a fault.
const TEACHES: SignedDuration = SignedDuration::from_hours(6);
/// For how long back a silence is followed after a start.
const REACH: SignedDuration = SignedDuration::from_hours(24 * 14);
/// For how long what was heard is kept.
const KEPT_WEEKS: i64 = 13;
/// By how much civil time may pass faster than the machine's own before the clock is taken to have been set.
const STEP: SignedDuration = SignedDuration::from_secs(60);

/// What is known of one source's talking.
#[derive(Debug, Default)]
pub(super) struct Ear {
    /// The last moment that was counted.
    moment: i64,
    /// Moments that are counted and not stored yet, by the first second of their five minutes. A commit for each line would
    /// write a page more for them; after a kill they are counted again, from the lines.
    moments: BTreeMap<i64, u64>,
    watch: Option<Watch>,
    normal: Option<(Date, Normal)>,
    /// When it was last looked at, on both clocks; nothing while its link is down.
    pub(super) looked: Option<(Timestamp, Instant)>,
    /// A silence of it is an open event.
    pub(super) silent: bool,
}

/// Takes up when a source spoke.
pub(super) fn hear(work: &Work<'_>, ear: &mut Ear, zone: &TimeZone, batch: &Batch) -> Result<(), StoreError> {
    let mut last = None;
    for entry in &batch.entries {
        let super::books::Entry::Line(line) = entry else { continue };
        if matches!(line.kind, LineKind::Header | LineKind::Noise) {
            continue;
        }
        last = Some(line.at);
        let moment = line.at.as_second().div_euclid(MOMENT_S);
        // A clock that was set back must not count a moment twice.
        if moment > ear.moment {
            ear.moment = moment;
            *ear.moments.entry(line.at.as_second().div_euclid(CELL_S) * CELL_S).or_insert(0) += 1;
        } else if ear.moment - moment > 60 {
            ear.moment = moment;
        }
    }
    let Some(at) = last else { return Ok(()) };
    ear.watch = Some(Watch::since(at));
    if std::mem::take(&mut ear.silent) {
        end_event(work, zone, Some(batch.source), EventCause::Silence, at)?;
    }
    Ok(())
}

/// Ends an event, and has the closed days that it touches rendered again.
pub(super) fn end_event(
    work: &Work<'_>,
    zone: &TimeZone,
    source: Option<u16>,
    cause: EventCause,
    at: Timestamp,
) -> Result<(), StoreError> {
    let Some(open) = work.read().open_event(source, cause)? else { return Ok(()) };
    work.close_event(source, cause, at)?;
    touch_days(work, zone, open.from, at)
}

/// Has the closed days between two instants rendered again: what was observed of them is otherwise than it was.
pub fn touch_days(work: &Work<'_>, zone: &TimeZone, from: Timestamp, to: Timestamp) -> Result<(), StoreError> {
    let (mut day, last) = (date_of(zone, from), date_of(zone, to));
    while day <= last {
        work.touch_closed(day)?;
        let Ok(next) = day.tomorrow() else { break };
        day = next;
    }
    Ok(())
}

impl Keeper {
    /// Looks which of the sources is silent for too long, and which has no link.
    pub(super) fn listen(&mut self, now: Timestamp) -> Result<(), StoreError> {
        if !self.collecting {
            return Ok(());
        }
        self.keep_heard()?;
        let instant = self.clock.instant();
        let plans: Vec<(String, u16, SignedDuration)> = self
            .plans
            .iter()
            .zip(&self.config.source)
            .filter(|(plan, _)| plan.live)
            .filter_map(|(plan, source)| Some((plan.name.clone(), *self.ids.get(&plan.name)?, source.silence())))
            .collect();
        for (name, id, patience) in plans {
            let link = self.store.read().link_now(id)?;
            let Some((true, since, _)) = link else {
                self.ears.entry(id).or_default().looked = None;
                self.without_link(id, link.is_some(), now)?;
                continue;
            };
            if patience.is_zero() {
                continue;
            }
            let silence = self.look_at(&name, id, patience, since, (now, instant))?;
            let ear = self.ears.entry(id).or_default();
            if let Some(silence) = silence.filter(|_| !ear.silent) {
                ear.silent = true;
                let from = silence.from.max(since);
                let work = self.store.begin()?;
                work.open_event(Some(id), EventCause::Silence, from, &said_of(&silence, &self.zone), None)?;
                touch_days(&work, &self.zone, from, now)?;
                work.commit()?;
                tracing::warn!(source = name, what = said_of(&silence, &self.zone), "silent for too long");
            }
        }
        Ok(())
    }

    /// Stores what was heard since the last time.
    fn keep_heard(&mut self) -> Result<(), StoreError> {
        let anew: Vec<u16> = match self.hears_anew {
            true => self
                .plans
                .iter()
                .filter(|plan| plan.live)
                .filter_map(|plan| self.ids.get(&plan.name).copied())
                .collect(),
            false => Vec::new(),
        };
        for row in anew.iter().filter_map(|id| self.rows.get(id)) {
            self.books.stretches_anew(&self.store.read(), row)?;
        }
        let work = self.store.begin()?;
        self.books.keep_stretches(&work)?;
        work.commit()?;
        if anew.is_empty() && self.ears.values().all(|ear| ear.moments.is_empty()) {
            return Ok(());
        }
        let work = self.store.begin()?;
        for source in &anew {
            work.hear_anew(*source, MOMENT_S, CELL_S)?;
        }
        for (source, ear) in self.ears.iter().filter(|(source, _)| !anew.contains(source)) {
            for (at, n) in &ear.moments {
                work.add_heard(*source, *at, *n)?;
            }
        }
        work.commit()?;
        self.hears_anew = false;
        self.ears.values_mut().for_each(|ear| ear.moments.clear());
        Ok(())
    }

    fn look_at(
        &mut self,
        name: &str,
        id: u16,
        patience: SignedDuration,
        since: Timestamp,
        (now, instant): (Timestamp, Instant),
    ) -> Result<Option<Silence>, StoreError> {
        let today = date_of(&self.zone, now);
        let read = self.store.read();
        let ear = self.ears.entry(id).or_default();
        if ear.normal.as_ref().is_none_or(|(learned, _)| *learned != today) {
            ear.normal = Some((today, learn(&read, &self.zone, id, name, today, patience)?));
        }
        let Some((_, normal)) = &ear.normal else { return Ok(None) };
        let watch = match &mut ear.watch {
            Some(watch) => {
                if let Some((looked, then)) = ear.looked {
                    let passed = instant.duration_since(then);
                    let from = looked.max(since).max(now - most(&self.clock, passed, now.duration_since(looked)));
                    watch.passes(normal, &self.zone, from, now);
                } else {
                    watch.passes(normal, &self.zone, since.max(now - STEP), now);
                }
                watch
            }
            None => {
                // After a start: since the last line, as far as its link was up.
                ear.silent = read.open_event(Some(id), EventCause::Silence)?.is_some();
                let last = read.last_heard(id)?.unwrap_or(since).max(now - REACH).min(now);
                let watch = ear.watch.insert(Watch::since(last));
                for up in read.links(id, name, last, now)?.up {
                    watch.passes(normal, &self.zone, up.from.max(last), up.to.min(now));
                }
                watch
            }
        };
        ear.looked = Some((now, instant));
        Ok(watch.verdict(normal, &self.zone, now))
    }

    /// For which part of core hours, in a hundred, it is known how long a source is normally silent; nothing where it is not
    /// looked at.
    pub(super) fn learned(&self, id: u16) -> Option<u8> {
        let (_, normal) = self.ears.get(&id)?.normal.as_ref()?;
        Some((normal.learned() * 100.0) as u8)
    }

    /// A source has no link: its event is opened where nothing else has.
    fn without_link(&mut self, id: u16, had_one: bool, now: Timestamp) -> Result<(), StoreError> {
        let Some(began) = self.began.filter(|began| now.duration_since(*began) >= SignedDuration::from_mins(1)) else {
            return Ok(());
        };
        let read = self.store.read();
        let open = |cause| read.open_event(Some(id), cause);
        if open(EventCause::LinkDown)?.is_some() || open(EventCause::NeverConnected)?.is_some() {
            return Ok(());
        }
        let stopped = open(EventCause::NotRunning)?.is_some();
        let work = self.store.begin()?;
        if stopped {
            // We run again, and it is the link that is missing.
            work.close_event(Some(id), EventCause::NotRunning, began)?;
        }
        let cause = if had_one { EventCause::LinkDown } else { EventCause::NeverConnected };
        let what = if had_one { "not-connected" } else { "never-connected" };
        work.open_event(Some(id), cause, began, what, None)?;
        work.commit()
    }

    /// Forgets what was heard too long ago to learn from.
    pub(super) fn forget_heard(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let today = date_of(&self.zone, now);
        if self.heard_since == Some(today) {
            return Ok(());
        }
        self.heard_since = Some(today);
        let Ok(before) = today.checked_sub((KEPT_WEEKS * 7).days()) else { return Ok(()) };
        let work = self.store.begin()?;
        work.forget_heard(midnight(&self.zone, before))?;
        work.commit()
    }
}

/// How much civil time can have passed while the machine's clock went on so far.
fn most(clock: &crate::clock::Clock, passed: Duration, civil: SignedDuration) -> SignedDuration {
    // A simulated clock changes its pace, and nobody sets it.
    if clock.is_scaled() { civil } else { SignedDuration::try_from(passed).unwrap_or(civil) + STEP }
}

/// What is normal for a source, from the weeks before today.
fn learn(
    read: &Reading<'_>,
    zone: &TimeZone,
    id: u16,
    name: &str,
    today: Date,
    patience: SignedDuration,
) -> Result<Normal, StoreError> {
    let first = today.checked_sub((WEEKS * 7).days()).unwrap_or(today);
    let (from, to) = (midnight(zone, first), midnight(zone, today));
    let mut heard = read.heard(id, from)?;
    for (at, moments) in read.imported_moments(name, from)? {
        let known = heard.entry(at).or_insert(0);
        *known = (*known).max(moments);
    }
    let mut up = read.links(id, name, from, to)?.up;
    for event in read.events(from, to)? {
        let (start, end) = (event.from, event.to.unwrap_or(to));
        let short = event.to.is_some() && end.duration_since(start) <= TEACHES;
        if event.source == Some(id) && event.cause == EventCause::Silence && !short {
            up = without(&up, Up { from: start, to: end });
        }
    }
    // A file says what was said between its first and its last stamp.
    let mut files: BTreeMap<u16, Up> = BTreeMap::new();
    for (file, day, (first, last)) in read.imported_days(name, first)? {
        let start = midnight(zone, day);
        let at = |second: i64| start + SignedDuration::from_secs(second);
        let stretch = files.entry(file).or_insert(Up { from: at(first), to: at(last) });
        stretch.from = stretch.from.min(at(first));
        stretch.to = stretch.to.max(at(last));
    }
    up.extend(files.into_values());
    Ok(Normal::learn(&heard, &up, zone, today, patience))
}

/// The stretches less one of them.
fn without(up: &[Up], out: Up) -> Vec<Up> {
    let parts = up
        .iter()
        .flat_map(|up| [Up { from: up.from, to: up.to.min(out.from) }, Up { from: up.from.max(out.to), to: up.to }]);
    parts.filter(|part| part.from < part.to).collect::<BTreeSet<_>>().into_iter().collect()
}

fn said_of(silence: &Silence, zone: &TimeZone) -> String {
    let last = zone.to_datetime(silence.last).strftime("%Y-%m-%d %H:%M:%S").to_string();
    if silence.learned {
        format!("nothing was said since {last}; about {:.0} times something was to be expected", silence.expected)
    } else {
        format!("nothing was said since {last}; what is normal is not learnt yet")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_is_cut_out_of_what_was_observed() {
        let at = |hour: i64| Timestamp::from_second(hour * 3600).unwrap();
        let up = |from, to| Up { from: at(from), to: at(to) };
        let all = [up(0, 10), up(12, 20)];
        assert_eq!(without(&all, up(8, 14)), [up(0, 8), up(14, 20)]);
        assert_eq!(without(&all, up(3, 4)), [up(0, 3), up(4, 10), up(12, 20)]);
        assert_eq!(without(&all, up(10, 12)), all);
        assert!(without(&all, up(0, 20)).is_empty());
    }
}
