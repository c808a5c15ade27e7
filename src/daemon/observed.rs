//! What of a day was not observed of a source, or not rightly: from its events and from its lines that were not understood.

use jiff::{SignedDuration, Timestamp};

use super::keeper::Keeper;
use super::silence::end_event;
use super::status::is_too_many;
use crate::aggregate::coverage::{Cause, Doubt, Links, Up};
use crate::aggregate::slots::SLOT_S;
use crate::record::LineKind;
use crate::store::{Event, EventCause, Reading, StoreError};

/// So many bytes in error within [`CALM`] are an event; one is weather.
const ERRORS: u64 = 10;
/// For so long no byte in error came when that is over.
const CALM: SignedDuration = SignedDuration::from_mins(10);

/// Bytes in error that came from a source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Errors {
    /// How many, as of the day.
    count: u64,
    /// How many there were when this stretch of [`CALM`] began, and when that was.
    before: (u64, Timestamp),
    /// When the last came.
    last: Timestamp,
}

/// From so many lines of a half-hour that are not understood on, a part of it is lost …
const LEAST_LINES: u64 = 3;
/// … where they are at least so many in a hundred.
const LEAST_SHARE: f64 = 0.05;

/// Adds to a source's links of a day what its events, and its lines that were not understood, say of it.
pub(super) fn doubts(
    read: &Reading<'_>,
    id: u16,
    links: &mut Links,
    start: Timestamp,
    end: Timestamp,
) -> Result<(), StoreError> {
    for event in read.events(start, end)?.into_iter().filter(|event| event.source.is_none_or(|source| source == id)) {
        match event.cause {
            // The word of what the link said is with the link; here is what came after it.
            EventCause::LinkDown | EventCause::NeverConnected => {
                links.causes.push(Cause { from: event.from, word: event.what });
            }
            // What waited came in later: a gap in which nothing is lost.
            EventCause::DiskFull | EventCause::DatabaseLocked => {
                links.doubts.push(Doubt { share: Some(0.0), ..doubt(&event, end) });
            }
            EventCause::Silence | EventCause::SequenceGap | EventCause::ClockDoubt | EventCause::DatabaseLost => {
                links.doubts.push(doubt(&event, end));
            }
            // What comes in with errors is not understood, and the daemon's absence is the link's.
            EventCause::LineErrors | EventCause::Unparsed | EventCause::NotRunning => {}
        }
    }
    for (half, lines) in read.understood(id, start, end)? {
        let share = lines.unparsed as f64 / (lines.unparsed + lines.understood).max(1) as f64;
        let Ok(from) = Timestamp::from_second(half) else { continue };
        if lines.unparsed >= LEAST_LINES && share >= LEAST_SHARE {
            links.doubts.push(Doubt {
                stretch: Up { from, to: from + SignedDuration::from_secs(SLOT_S) },
                word: EventCause::Unparsed.word().to_owned(),
                share: Some(share),
                records: Some(lines.unparsed),
            });
        }
    }
    Ok(())
}

fn doubt(event: &Event, end: Timestamp) -> Doubt {
    // Of a clock that is wrong by so much that part of each half-hour's calls is in another.
    let share = match (event.cause, event.n) {
        (EventCause::ClockDoubt, Some(seconds)) => Some((seconds as f64 / SLOT_S as f64).min(1.0)),
        _ => None,
    };
    Doubt {
        stretch: Up { from: event.from, to: event.to.unwrap_or(end) },
        word: event.cause.word().to_owned(),
        share: share.filter(|share| *share < 1.0),
        records: event.n.filter(|_| event.cause == EventCause::SequenceGap),
    }
}

impl Keeper {
    /// Looks whether lines come in with errors, or are not understood.
    pub(super) fn look_at_lines(&mut self, now: Timestamp) -> Result<(), StoreError> {
        if !self.collecting {
            return Ok(());
        }
        let today = self.date(now);
        let sources: Vec<u16> = self.plans.iter().filter_map(|plan| self.ids.get(&plan.name).copied()).collect();
        for id in sources {
            let read = self.store.read();
            let lines = read.lines_of(id, today)?;
            let (all, unparsed) = (lines.iter().sum::<u64>(), lines[usize::from(LineKind::Unparsed.code())]);
            let count = read.wire(id, today)?.line_errors;
            let errors = self.errors.entry(id).or_insert(Errors { count, before: (count, now), last: now - CALM });
            if count < errors.count {
                // Another day is counted.
                (errors.count, errors.before) = (0, (0, now));
            }
            if count > errors.count {
                (errors.count, errors.last) = (count, now);
            }
            if now.duration_since(errors.before.1) > CALM {
                errors.before = (count, now);
            }
            let came = count - errors.before.0.min(count);
            let (noisy, calm) = (came >= ERRORS, now.duration_since(errors.last) >= CALM);
            let wrong = is_too_many(all, unparsed);
            let open = |cause| Ok::<bool, StoreError>(read.open_event(Some(id), cause)?.is_some());
            let (was_noisy, was_wrong) = (open(EventCause::LineErrors)?, open(EventCause::Unparsed)?);
            if (noisy && !was_noisy) || (was_noisy && calm) || wrong != was_wrong {
                let work = self.store.begin()?;
                if noisy && !was_noisy {
                    let what = format!("{came} bytes in error within {} minutes", CALM.as_mins());
                    work.open_event(Some(id), EventCause::LineErrors, now, &what, None)?;
                } else if was_noisy && calm {
                    end_event(&work, &self.zone, Some(id), EventCause::LineErrors, now)?;
                }
                if wrong && !was_wrong {
                    let what = format!("{unparsed} of {all} lines of the day are not understood");
                    work.open_event(Some(id), EventCause::Unparsed, now, &what, None)?;
                } else if was_wrong && !wrong {
                    end_event(&work, &self.zone, Some(id), EventCause::Unparsed, now)?;
                }
                work.commit()?;
            }
        }
        Ok(())
    }
}

/// How many records that a source's PBX numbered did not come, of the gaps that ended from `start` to `end`.
pub(super) fn missing(read: &Reading<'_>, id: u16, start: Timestamp, end: Timestamp) -> Result<u64, StoreError> {
    let of = |event: &Event| {
        event.source == Some(id)
            && event.cause == EventCause::SequenceGap
            && event.to.is_some_and(|to| start <= to && to < end)
    };
    // One that ends at the very beginning touches nothing of the day, and is counted with it.
    let events = read.events(start - SignedDuration::from_secs(1), end)?;
    Ok(events.iter().filter(|event| of(event)).filter_map(|event| event.n).sum())
}
