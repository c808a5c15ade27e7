//! The outage list: when something was not seen, or not rightly, why, and how much of core hours that was.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::keeper::Keeper;
use crate::aggregate::silence::{CORE_HOURS, is_working_day};
use crate::aggregate::slots::{bounds, date_of};
use crate::store::{Event, EventCause, StoreError};

/// The outages of a stretch of days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outages {
    /// First civil day.
    pub from: Date,
    /// Last civil day.
    pub to: Date,
    /// Seconds of core hours (08:00 to 18:30 on working days) in those days, as far as they have passed.
    pub core_hours_s: u64,
    /// Seconds of them in which some source was not seen, each counted once. What is missing or doubtful only in part is
    /// not among them.
    pub core_hours_lost_s: u64,
    /// Each outage, oldest first.
    pub outages: Vec<Outage>,
}

/// One outage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// Which source; nothing where it was the whole box.
    pub source: Option<String>,
    /// Why, as one word.
    pub cause: EventCause,
    /// Why, in words.
    pub words: String,
    /// When it began.
    pub start: Timestamp,
    /// When it ended; nothing while it lasts.
    pub end: Option<Timestamp>,
    /// How long it was, or is by now.
    pub duration_s: u64,
    /// How much of core hours was in it.
    pub core_hours_s: u64,
    /// Records that are missing, where the PBX numbers them.
    pub records: Option<u64>,
}

/// The outages of the days from `from` to `to`, as far as they have passed.
pub fn outages(keeper: &Keeper, from: Date, to: Date) -> Result<Outages, StoreError> {
    let (zone, now) = (keeper.config.time_zone(), keeper.clock.now());
    let (start, end) = (bounds(&zone, from).0, bounds(&zone, to).1.min(now));
    let names = keeper.store.read().names_by_id()?;
    let mut outages = Vec::new();
    let mut lost = Vec::new();
    let mut events = keeper.store.read().events(start, end)?;
    events.extend(keeper.unstored_events().into_iter().filter(|event| event.from < end));
    for event in events {
        let until = event.to.unwrap_or(now).max(event.from);
        if is_whole(&event) {
            lost.push((event.from.max(start), until.min(end)));
        }
        outages.push(Outage {
            source: event.source.map(|id| names.get(&id).cloned().unwrap_or_else(|| format!("source {id}"))),
            cause: event.cause,
            words: in_words(&event),
            start: event.from,
            end: event.to,
            duration_s: seconds(event.from, until),
            core_hours_s: core_hours(&zone, event.from, until),
            records: event.n.filter(|_| event.cause == EventCause::SequenceGap),
        });
    }
    lost.sort_unstable();
    let (mut core_hours_lost_s, mut reached) = (0, start);
    for (from, to) in lost {
        let from = from.max(reached);
        if to > from {
            core_hours_lost_s += core_hours(&zone, from, to);
            reached = to;
        }
    }
    Ok(Outages { from, to, core_hours_s: core_hours(&zone, start, end), core_hours_lost_s, outages })
}

/// Whether nothing at all was seen meanwhile.
fn is_whole(event: &Event) -> bool {
    use EventCause::{DatabaseLost, LinkDown, NeverConnected, NotRunning, Silence};
    matches!(event.cause, LinkDown | NotRunning | NeverConnected | Silence | DatabaseLost)
}

fn seconds(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_secs()).unwrap_or(0)
}

/// Seconds of core hours between two instants.
pub fn core_hours(zone: &TimeZone, from: Timestamp, to: Timestamp) -> u64 {
    let (mut day, last) = (date_of(zone, from), date_of(zone, to));
    let mut sum = 0;
    while day <= last {
        if is_working_day(day) {
            // No clock is changed between midnight and core hours of a working day.
            let midnight = bounds(zone, day).0;
            let at = |second| midnight + SignedDuration::from_secs(second);
            let (start, end) = (at(CORE_HOURS.0).max(from), at(CORE_HOURS.1).min(to));
            sum += seconds(start, end);
        }
        let Ok(next) = day.tomorrow() else { break };
        day = next;
    }
    sum
}

/// What an event means, for a person.
pub fn in_words(event: &Event) -> String {
    let what = &event.what;
    match event.cause {
        EventCause::LinkDown => format!("the link was down ({what})"),
        EventCause::NotRunning => "smdrd was not running".to_owned(),
        EventCause::NeverConnected => "the PBX had never been connected".to_owned(),
        EventCause::Silence => format!("silent for longer than is normal: {what}"),
        EventCause::LineErrors => format!("noise on the line: {what}"),
        EventCause::Unparsed => format!("lines not understood: {what}"),
        EventCause::SequenceGap => format!("records are missing: {what}"),
        EventCause::ClockDoubt => format!("a clock cannot be trusted: {what}"),
        EventCause::DiskFull | EventCause::DatabaseLocked => format!("nothing could be stored: {what}"),
        EventCause::DatabaseLost => format!("the database was damaged and set aside: {what}"),
    }
}

/// What to do while an event of this cause is open.
pub fn remedy(cause: EventCause) -> &'static str {
    match cause {
        EventCause::LinkDown | EventCause::NeverConnected => "check cable, address and log",
        EventCause::NotRunning => "start it with systemctl start smdrd",
        EventCause::Silence => {
            "make a call and look with smdrd tap whether a line comes; else check the cable at both ends, and that the \
             PBX still prints call records"
        }
        EventCause::LineErrors => "check baud, parity and bits with smdrd detect, then cable and earth",
        EventCause::Unparsed => "check the dialect and its options",
        EventCause::SequenceGap => "nothing: what is missing is counted",
        EventCause::ClockDoubt => "set the clock of the PBX, and see that the box's own is set (timedatectl)",
        EventCause::DiskFull => "free disk space, then it goes on by itself",
        EventCause::DatabaseLocked => "end the program that has the database open",
        EventCause::DatabaseLost => "smdrd recover saves what can be read of it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_hours_are_those_of_working_days_in_civil_time() {
        let zone = TimeZone::get("Europe/London").unwrap();
        let hours = |from: &str, to: &str| {
            let seconds = core_hours(&zone, from.parse().unwrap(), to.parse().unwrap());
            seconds as f64 / 3600.0
        };
        assert_eq!(hours("2026-11-20T08:10:00Z", "2026-11-20T08:40:00Z"), 0.5);
        assert_eq!(hours("2026-11-20T18:00:00Z", "2026-11-23T09:00:00Z"), 1.5, "over a weekend");
        assert_eq!(hours("2026-12-24T00:00:00Z", "2026-12-29T00:00:00Z"), 10.5, "over Christmas");
        assert_eq!(hours("2026-07-01T06:00:00Z", "2026-07-01T08:00:00Z"), 1.0, "in summer");
        assert_eq!(hours("2026-11-20T20:00:00Z", "2026-11-20T08:00:00Z"), 0.0);
    }
}
