//! What is known of the PBXs' clocks: for documents, and for people.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

use super::keeper::Keeper;
use super::setup::SourcePlan;
use crate::aggregate::slots::{bounds, slot_of};
use crate::call::Owner;
use crate::call::gauge::{Fault, NOTED_S, Stand, Step, fault, gains_tenths_a_day};
use crate::store::{ClockDay, StoreError};

/// How many days back a clock's gain is reckoned from.
const GAIN_DAYS: i64 = 14;
/// For how many days a step is told of.
const STEP_DAYS: i64 = 14;
/// A change to or from summer time that came later than this was no change to or from summer time.
const LATE: SignedDuration = SignedDuration::from_hours(40 * 24);

/// A PBX's clock, as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClockStatus {
    /// By how many seconds it is ahead of the box's.
    pub offset_s: i64,
    /// The step of its stamps: with 60 it is known to half a minute.
    pub resolution_s: u8,
    /// Since when it stands so, in civil time.
    pub since: String,
    /// When it was read last.
    pub read: String,
    /// What it gains a day, in seconds; less than none when it loses. Nothing before two days.
    #[serde(default)]
    pub gains_s_a_day: Option<f64>,
    /// What is taken off its stamps.
    #[serde(default)]
    pub corrected_s: Option<i64>,
    /// What is wrong with it, in one word.
    #[serde(default)]
    pub fault: Option<String>,
    /// The same in words, with what to do.
    #[serde(default)]
    pub says: Option<String>,
    /// Whether the figures are wrong by it.
    #[serde(default)]
    pub grave: bool,
    /// When it was moved in the last two weeks.
    #[serde(default)]
    pub steps: Vec<String>,
}

/// `7 min 3 s ahead`.
pub fn in_words(offset_s: i64) -> String {
    let size = offset_s.unsigned_abs();
    let (days, hours, minutes, seconds) = (size / 86_400, size / 3600 % 24, size / 60 % 60, size % 60);
    let parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")];
    let parts: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).take(2).map(|(n, unit)| format!("{n} {unit}")).collect();
    match (parts.is_empty(), offset_s < 0) {
        (true, _) => "right".to_owned(),
        (_, true) => format!("{} behind", parts.join(" ")),
        (_, false) => format!("{} ahead", parts.join(" ")),
    }
}

impl Keeper {
    /// How the clock of a source is; nothing while too little has come to say.
    pub(super) fn clock_status(&self, plan: &SourcePlan) -> Result<Option<ClockStatus>, StoreError> {
        let Some((id, row)) = self.ids.get(&plan.name).and_then(|id| Some((*id, self.rows.get(id)?))) else {
            return Ok(None);
        };
        let Some(stand) = row.wall.gauge.stand() else { return Ok(None) };
        let now = self.clock.now();
        let today = self.date(now);
        let zone = self.config.time_zone();
        let local = |at: Timestamp| zone.to_datetime(at).strftime("%Y-%m-%d %H:%M").to_string();
        let read = self.store.read();
        let days = read.clock_offsets(id, today.saturating_sub(GAIN_DAYS.days()))?;
        // A clock that was moved says nothing of what it gains; the day on which it was ends at the new stand.
        let since = self.date(stand.since);
        let days: Vec<(Date, i64)> = days.into_iter().filter(|(day, _)| *day >= since).collect();
        let mut steps = Vec::new();
        for back in (0..=STEP_DAYS).rev() {
            let day = today.saturating_sub(back.days());
            steps.extend(read.clock_steps(id, day)?.iter().map(|step| moved(&plan.zone, step, local)));
        }
        let ahead_s = row.wall.ahead_s();
        let fault = fault_of(&plan.zone, now, stand, ahead_s);
        Ok(Some(ClockStatus {
            offset_s: stand.offset_s(),
            resolution_s: stand.resolution_s,
            since: local(stand.since),
            read: local(stand.last),
            gains_s_a_day: gains_tenths_a_day(&days).map(|tenths| tenths as f64 / 10.0),
            corrected_s: (ahead_s != 0).then_some(ahead_s),
            fault: fault.map(|fault| fault.word().to_owned()),
            says: fault.map(|fault| says(fault, stand.offset_s())),
            grave: fault.is_some_and(Fault::is_grave),
            steps,
        }))
    }

    /// What is wrong on a day with the clock of a source that was found so, in one word.
    pub(super) fn clock_fault(&self, plan: &SourcePlan, date: Date, clock: ClockDay) -> Option<String> {
        let left_s = clock.offset_s?.saturating_sub(clock.corrected_s.unwrap_or(0));
        let (_, end) = bounds(&self.zone, date);
        fault(&plan.zone, end, None, left_s, clock.resolution_s.unwrap_or(1)).map(|fault| fault.word().to_owned())
    }

    /// Inbound calls of a day that belong to another half-hour if the PBX's clock is off as measured, by the half-hour
    /// they are counted in; without those whose own doubt is counted already.
    pub(super) fn clock_doubt(
        &self,
        owner: &Owner,
        source: u16,
        date: Date,
        clock: ClockDay,
        into: &mut BTreeMap<Timestamp, u64>,
    ) -> Result<(), StoreError> {
        let Some(offset_s) = clock.offset_s else { return Ok(()) };
        let left_s = offset_s.saturating_sub(clock.corrected_s.unwrap_or(0));
        let slack = i64::from(clock.resolution_s.unwrap_or(1).saturating_sub(1));
        if left_s.saturating_abs() <= NOTED_S + slack {
            return Ok(());
        }
        let (start, end) = bounds(&self.zone, date);
        for (arrival, earlier_s, later_s) in self.store.read().inbound_arrivals(owner, source, date)? {
            let moved = |by: i64| arrival.checked_sub(SignedDuration::from_secs(by)).map_or(arrival, |at| at);
            let elsewhere = |at: Timestamp| slot_of(at) != slot_of(arrival);
            let own = elsewhere(moved(i64::from(earlier_s))) || elsewhere(moved(-i64::from(later_s)));
            if (start..end).contains(&arrival) && elsewhere(moved(left_s)) && !own {
                *into.entry(slot_of(arrival)).or_default() += 1;
            }
        }
        Ok(())
    }
}

/// What is gravely wrong with a PBX's clock, in words, and by how many seconds; nothing where it is right enough.
pub(super) fn wrong(zone: &TimeZone, now: Timestamp, stand: &Stand, ahead_s: i64) -> Option<(String, u64)> {
    let fault = fault_of(zone, now, stand, ahead_s).filter(|fault| fault.is_grave())?;
    let what = match fault {
        Fault::DidNotFollow(date) => format!("it did not follow summer time on {}", date.strftime("%-d %B")),
        Fault::Early(date) => format!("it followed summer time before {}", date.strftime("%-d %B")),
        Fault::WrongDate => "it bears a wrong date".to_owned(),
        Fault::Off | Fault::SlightlyOff => "it is off".to_owned(),
    };
    let left_s = stand.offset_s().saturating_sub(ahead_s).unsigned_abs();
    Some((format!("the PBX's clock is {}: {what}", in_words(stand.offset_s())), left_s))
}

fn fault_of(zone: &TimeZone, now: Timestamp, stand: &Stand, ahead_s: i64) -> Option<Fault> {
    fault(zone, now, Some(stand.since), stand.offset_s().saturating_sub(ahead_s), stand.resolution_s)
}

fn says(fault: Fault, offset_s: i64) -> String {
    let off = in_words(offset_s);
    let day = |date: Date| date.strftime("%-d %B");
    match fault {
        Fault::DidNotFollow(date) => format!(
            "PBX did not follow summer time on {}: its clock is {off}, and calls are counted an hour off; set it at the \
             PBX, or say zone = \"UTC\" under its source if it never follows",
            day(date)
        ),
        Fault::Early(date) => format!(
            "PBX followed summer time before {}: its clock is {off}, and calls are counted an hour off; set it at the PBX",
            day(date)
        ),
        Fault::WrongDate => {
            format!("its clock bears a wrong date ({off}): its calls are in no day that is right; set it at the PBX")
        }
        Fault::Off | Fault::SlightlyOff => format!(
            "its clock is {off} by the box's; set it at the PBX, or have its stamps corrected with clock-correction"
        ),
    }
}

/// That a clock was moved, and what that had to do with summer time.
fn moved(zone: &TimeZone, step: &Step, local: impl Fn(Timestamp) -> String) -> String {
    let (after, before) = (local(step.after), local(step.before));
    let right = |offset_s: i64| offset_s.saturating_abs() <= NOTED_S * 2;
    let hour = (step.to_s.saturating_sub(step.from_s)).saturating_abs().abs_diff(3600) <= NOTED_S.unsigned_abs() * 4;
    let change = zone.preceding(step.before).next().map(|change| change.timestamp());
    if let Some(change) = change.filter(|change| hour && step.before.duration_since(*change) < LATE) {
        let day = zone.to_datetime(change).date().strftime("%-d %B");
        if right(step.to_s) && change <= step.after {
            return format!("followed the change of {day} late, between {after} and {before}");
        }
        if right(step.to_s) {
            return format!("had followed the change of {day} before it came");
        }
        if right(step.from_s) && change > step.after {
            return format!("did not follow the change of {day}");
        }
    }
    format!("moved from {} to {} between {after} and {before}", in_words(step.from_s), in_words(step.to_s))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_told_of_in_words() {
        for (offset_s, words) in [
            (0, "right"),
            (423, "7 min 3 s ahead"),
            (-37, "37 s behind"),
            (-3600, "1 h behind"),
            (31_536_000, "365 d ahead"),
            (i64::MIN, "106751991167300 d 15 h behind"),
        ] {
            assert_eq!(in_words(offset_s), words);
        }
    }

    #[test]
    fn a_step_is_put_down_to_summer_time_where_it_has_to_do_with_it() {
        let london = TimeZone::get("Europe/London").unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        for (after, before, from_s, to_s, words) in [
            ("2026-03-29T18:00:00Z", "2026-03-30T07:00:00Z", -3600, 1, "followed the change of 29 March late"),
            ("2026-03-28T18:00:00Z", "2026-03-29T07:00:00Z", 3600, 0, "had followed the change of 29 March before"),
            ("2026-03-28T18:00:00Z", "2026-03-29T07:00:00Z", 0, -3600, "did not follow the change of 29 March"),
            ("2026-10-25T08:00:00Z", "2026-10-26T08:00:00Z", 3600, 0, "followed the change of 25 October late"),
            ("2026-06-20T08:00:00Z", "2026-06-20T08:10:00Z", 420, 0, "moved from 7 min ahead to right between"),
            ("2026-06-20T08:00:00Z", "2026-06-20T08:10:00Z", 3600, 0, "moved from 1 h ahead to right between"),
        ] {
            let step = Step { after: at(after), before: at(before), from_s, to_s };
            let said = moved(&london, &step, |at| at.to_string());
            assert!(said.contains(words), "{said}");
        }
    }
}
