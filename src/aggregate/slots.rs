//! Half-hour slots: keyed by UTC start, labelled in local time, 46, 48 or 50 a day.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Length of a slot in seconds.
pub const SLOT_S: i64 = 1800;

/// The first instant of the slot that `instant` is in. Half-hours of UTC are half-hours of every zone that a practice
/// in the United Kingdom can be in.
pub fn slot_of(instant: Timestamp) -> Timestamp {
    let second = instant.as_second();
    Timestamp::from_second(second - second.rem_euclid(SLOT_S)).unwrap_or(instant)
}

/// The first instant of a civil day.
pub fn midnight(zone: &TimeZone, date: Date) -> Timestamp {
    zone.to_ambiguous_zoned(date.to_datetime(Time::midnight()))
        .compatible()
        .map_or(Timestamp::MAX, |zoned| zoned.timestamp())
}

/// First instant of a civil day, and of the next.
pub fn bounds(zone: &TimeZone, date: Date) -> (Timestamp, Timestamp) {
    (midnight(zone, date), date.tomorrow().map_or(Timestamp::MAX, |next| midnight(zone, next)))
}

/// The slots of a civil day, in order.
pub fn slots(zone: &TimeZone, date: Date) -> Vec<Timestamp> {
    let (start, end) = bounds(zone, date);
    let mut slots = Vec::with_capacity(50);
    let mut next = start;
    while next < end {
        slots.push(next);
        next = next.saturating_add(SignedDuration::from_secs(SLOT_S)).unwrap_or(end);
    }
    slots
}

/// The civil day that an instant belongs to.
pub fn date_of(zone: &TimeZone, instant: Timestamp) -> Date {
    zone.to_datetime(instant).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_46_48_or_50_half_hours() {
        let london = TimeZone::get("Europe/London").unwrap();
        let count = |date: &str| slots(&london, date.parse().unwrap()).len();
        assert_eq!((count("2026-03-29"), count("2026-11-20"), count("2026-10-25")), (46, 48, 50));
    }

    #[test]
    fn a_slot_begins_at_the_half_hour() {
        let slot = |text: &str| slot_of(text.parse().unwrap()).to_string();
        assert_eq!(slot("2026-11-20T08:29:59.999Z"), "2026-11-20T08:00:00Z");
        assert_eq!(slot("2026-11-20T08:30:00Z"), "2026-11-20T08:30:00Z");
    }
}
