//! Time stamps: what the line prints, what a header lent it, and the year that nobody prints.

use compact_str::CompactString;
use jiff::ToSpan;
use jiff::civil::{Date, DateTime};

use super::plan::{Desk, Plan};
use super::state::{Clock, SourceState, Value};

/// How far a stamp may lie behind the latest and still be of the same day, when only a header gave the date: a call
/// is printed at its end and stamped before.
const BEHIND_H: i64 = 4;

impl Plan {
    /// The moment that the line on the desk is stamped with.
    pub(super) fn moment(
        &self,
        state: &SourceState,
        today: Date,
        desk: &Desk,
    ) -> Result<Option<(DateTime, u8)>, String> {
        let Some(rule) = &self.stamp else { return Ok(None) };
        let (Some(date), Some(time)) = (clock(desk, rule.date), clock(desk, rule.time)) else { return Ok(None) };
        let Some(second) = time.second else { return Ok(None) };
        let apart = rule.year.and_then(|slot| clock(desk, slot)).and_then(|clock| clock.year);
        let date = Clock { year: date.year.or(apart), ..date };
        let (Some(year), Some((month, day))) = (date.year, date.month_day) else {
            let at = match date.month_day {
                Some((month, day)) => self.in_some_year(
                    state,
                    self.slots.get(rule.date).map(CompactString::as_str),
                    today,
                    month,
                    day,
                    second,
                )?,
                None => self.on_some_day(state, rule.date, today, second),
            };
            return Ok(at.map(|at| (at, time.resolution)));
        };
        let date = Date::new(year, month, day).map_err(|_| "there is no such day".to_owned())?;
        Ok(at(date, second).map(|at| (at, time.resolution)))
    }

    /// A header's date with the year that it may not print.
    pub(super) fn dated(&self, state: &SourceState, today: Date, value: &Value) -> Value {
        match value {
            Value::Clock(clock @ Clock { year: None, month_day: Some((month, day)), second: None, .. }) => {
                let slot = self.stamp.as_ref().and_then(|rule| self.slots.get(rule.date)).map(CompactString::as_str);
                let year = self.in_some_year(state, slot, today, *month, *day, 0).ok().flatten().map(DateTime::year);
                Value::Clock(Clock { year, ..*clock })
            }
            other => other.clone(),
        }
    }

    /// The line prints no date: the header's counts, or else the box's own, turned over at midnight.
    fn on_some_day(&self, state: &SourceState, slot: usize, today: Date, second: u32) -> Option<DateTime> {
        let name = self.slots.get(slot)?;
        let carried = header(state, Some(name.as_str()));
        let anchor =
            state.last.filter(|last| carried.is_some() || last.date().duration_since(today).as_hours().abs() <= 24);
        let Some(anchor) = anchor else {
            let date = carried.unwrap_or(today);
            return at(date, second);
        };
        let same = at(anchor.date(), second)?;
        let from = anchor.checked_sub(BEHIND_H.hours()).ok()?;
        let to = from.checked_add(24.hours()).ok()?;
        if same <= from {
            same.checked_add(1.day()).ok()
        } else if same > to {
            same.checked_sub(1.day()).ok()
        } else {
            Some(same)
        }
    }

    /// The line prints no year: the one that puts the stamp nearest to the latest stamp of a file whose year is
    /// assumed, or else nearest to the box's own date.
    fn in_some_year(
        &self,
        state: &SourceState,
        slot: Option<&str>,
        today: Date,
        month: i8,
        day: i8,
        second: u32,
    ) -> Result<Option<DateTime>, String> {
        let header = || header(state, slot);
        let middle = match (self.assume_year, state.last.map(DateTime::date)) {
            (Some(_), Some(last)) => last,
            (Some(year), None) => match header() {
                Some(date) => date,
                None => Date::new(year, month, day).or_else(|_| Date::new(year, month, 28)).unwrap_or(today),
            },
            (None, _) => header().unwrap_or(today),
        };
        // 29 February may be four years away, or eight about 1900 and 2100.
        let years = middle.year().saturating_sub(8)..=middle.year().saturating_add(8);
        years
            .filter_map(|year| Date::new(year, month, day).ok())
            .min_by_key(|date| date.duration_since(middle).abs())
            .map(|date| at(date, second))
            .ok_or_else(|| "there is no such day in any year".to_owned())
    }
}

/// The date that a header lent.
fn header(state: &SourceState, slot: Option<&str>) -> Option<Date> {
    let value = state.carried.iter().find(|(carried, _)| Some(carried.as_str()) == slot).map(|(_, value)| value)?;
    match value {
        Value::Clock(Clock { year: Some(year), month_day: Some((month, day)), .. }) => {
            Date::new(*year, *month, *day).ok()
        }
        _ => None,
    }
}

fn clock(desk: &Desk, slot: usize) -> Option<Clock> {
    match desk.values.get(slot) {
        Some(Value::Clock(clock)) => Some(*clock),
        Some(Value::Absent | Value::Blank) | None => Some(Clock::default()),
        Some(_) => None,
    }
}

/// The second of a day.
pub(super) fn at(date: Date, second: u32) -> Option<DateTime> {
    date.at(0, 0, 0, 0).checked_add(i64::from(second).seconds()).ok()
}

/// Whole seconds from one moment to another, where the second is not before the first.
pub(super) fn seconds_between(from: DateTime, to: DateTime) -> Option<u32> {
    u32::try_from(to.duration_since(from).as_secs()).ok()
}
