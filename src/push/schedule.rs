//! When to send. Pure: device, zone and instant in, instant out.
//!
//! * **Nightly**: 00:15 local, plus a share of four hours that is the device's own, so that 7,000 boxes come evenly and
//!   not all at midnight.
//! * **Quiet hours**: 07:30 to 10:30 local, when the practice's link is busy with the morning's calls.
//! * **Retry windows**: 05:30, and every hour from 19:00 to 23:00.

use std::time::Duration;

use jiff::civil::{Date, Time, time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use sha2::{Digest, Sha256};

use super::backoff::backoff;

/// Over how much time the boxes' nightly tries are spread.
pub const SPREAD: Duration = Duration::from_secs(4 * 3600);
/// Over how much time the boxes' tries in a window, or after the quiet hours, are spread.
pub const WINDOW_SPREAD: Duration = Duration::from_secs(30 * 60);

const NIGHT_BEGINS: Time = time(0, 15, 0, 0);
const QUIET_BEGINS: Time = time(7, 30, 0, 0);
const QUIET_ENDS: Time = time(10, 30, 0, 0);
const WINDOWS: [Time; 6] =
    [time(5, 30, 0, 0), time(19, 0, 0, 0), time(20, 0, 0, 0), time(21, 0, 0, 0), time(22, 0, 0, 0), time(23, 0, 0, 0)];
/// A server that asks for a longer pause is not believed: tomorrow night's try is made anyway.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// The first nightly instant of the device after `after`. Each civil day has exactly one; where the clocks go forward
/// over it, it is as long after the change.
pub fn nightly(device: &str, zone: &TimeZone, after: Timestamp) -> Timestamp {
    let begins = |date: Date| instant(zone, date, NIGHT_BEGINS, own_share(device, SPREAD));
    first_after(zone, after, begins)
}

/// When the quiet hours end, if `at` is inside them; they begin with 07:30:00 and end before 10:30:00, local.
pub fn quiet(zone: &TimeZone, at: Timestamp) -> Option<Timestamp> {
    let local = at.to_zoned(zone.clone());
    let inside = local.time() >= QUIET_BEGINS && local.time() < QUIET_ENDS;
    // Where a zone changes its clocks inside the quiet hours, local time can come again; the later end holds.
    inside.then(|| zone.to_ambiguous_timestamp(local.date().to_datetime(QUIET_ENDS)).later().unwrap_or(at))
}

/// A failed try, and what is to be known of it to say when the next is due.
#[derive(Debug, Clone, Copy)]
pub struct FailedTry<'a> {
    /// Name of the box.
    pub device: &'a str,
    /// When the try failed.
    pub at: Timestamp,
    /// How many tries of this parcel have failed since the last nightly instant, this one included.
    pub failed: u32,
    /// How many may be made between a nightly instant and the windows: [`super::Delivery::tries_a_night`].
    pub budget: u32,
    /// 64 random bits.
    pub random: u64,
    /// What the server asked for.
    pub retry_after: Option<Duration>,
}

/// When to try again: after the back-off while the night's budget lasts, then in the next window or at the next nightly
/// instant, whichever is first; not before the server asked for (a day at most), and never inside the quiet hours.
pub fn retry_at(zone: &TimeZone, failure: &FailedTry<'_>) -> Timestamp {
    let asked = failure.retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER);
    let earliest = later(failure.at, asked);
    let due = if failure.failed < failure.budget {
        later(failure.at, backoff(failure.failed, failure.random).max(asked))
    } else {
        WINDOWS
            .iter()
            .map(|window| {
                let share = own_share(failure.device, WINDOW_SPREAD);
                first_after(zone, earliest, |date| instant(zone, date, *window, share))
            })
            .fold(nightly(failure.device, zone, earliest), Timestamp::min)
    };
    match quiet(zone, due) {
        Some(end) => later(end, Duration::from_secs(own_share(failure.device, WINDOW_SPREAD))),
        None => due,
    }
}

/// The device's own share of `spread`, in seconds: the same on every run and every version.
fn own_share(device: &str, spread: Duration) -> u64 {
    let digest = Sha256::digest(device.as_bytes());
    digest.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte)) % spread.as_secs().max(1)
}

/// The instant of a wall clock on a day, plus seconds on the wall clock; in a gap, as long after the change.
fn instant(zone: &TimeZone, date: Date, wall: Time, seconds: u64) -> Timestamp {
    let wall = date.to_datetime(wall).saturating_add((seconds as i64).seconds());
    zone.to_ambiguous_timestamp(wall).compatible().unwrap_or(Timestamp::MAX)
}

fn first_after(zone: &TimeZone, after: Timestamp, of_day: impl Fn(Date) -> Timestamp) -> Timestamp {
    let today = after.to_zoned(zone.clone()).date();
    (-1..=3)
        .filter_map(|days: i64| today.checked_add(days.days()).ok())
        .map(of_day)
        .filter(|instant| *instant > after)
        .min()
        .unwrap_or(Timestamp::MAX)
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| at.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn london() -> TimeZone {
        TimeZone::get("Europe/London").unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn failure(at: Timestamp, failed: u32) -> FailedTry<'static> {
        FailedTry { device: "smdrd-0f6c1f0e", at, failed, budget: 12, random: u64::MAX, retry_after: None }
    }

    #[test]
    fn the_quiet_hours_follow_the_wall_clock() {
        let zone = london();
        assert_eq!(quiet(&zone, at("2026-11-20T07:29:59Z")), None);
        assert_eq!(quiet(&zone, at("2026-11-20T07:30:00Z")), Some(at("2026-11-20T10:30:00Z")));
        assert_eq!(quiet(&zone, at("2026-11-20T10:29:59Z")), Some(at("2026-11-20T10:30:00Z")));
        assert_eq!(quiet(&zone, at("2026-11-20T10:30:00Z")), None);
        assert_eq!(quiet(&zone, at("2026-07-20T06:30:00Z")), Some(at("2026-07-20T09:30:00Z")));
    }

    #[test]
    fn after_the_night_the_windows_are_left() {
        let zone = london();
        let share = SignedDuration::from_secs(own_share("smdrd-0f6c1f0e", WINDOW_SPREAD) as i64);
        let next = |from: &str, failed| retry_at(&zone, &failure(at(from), failed));
        assert_eq!(next("2026-11-20T02:00:00Z", 1), at("2026-11-20T02:00:29.999Z"));
        assert_eq!(next("2026-11-20T04:50:00Z", 12), at("2026-11-20T05:30:00Z") + share);
        assert_eq!(next("2026-11-20T06:10:00Z", 12), at("2026-11-20T19:00:00Z") + share);
        assert_eq!(next("2026-11-20T19:40:00Z", 13), at("2026-11-20T20:00:00Z") + share);
        let last = next("2026-11-20T23:40:00Z", 17);
        assert_eq!(last, nightly("smdrd-0f6c1f0e", &zone, at("2026-11-20T23:40:00Z")));
        assert_eq!(next("2026-11-20T07:29:55Z", 1), at("2026-11-20T10:30:00Z") + share);
    }

    #[test]
    fn the_server_is_waited_for_but_not_for_ever() {
        let zone = london();
        let asked = |seconds| FailedTry {
            retry_after: Some(Duration::from_secs(seconds)),
            ..failure(at("2026-11-20T02:00:00Z"), 1)
        };
        assert_eq!(retry_at(&zone, &asked(3_600)), at("2026-11-20T03:00:00Z"));
        assert!(retry_at(&zone, &asked(u64::MAX)) <= at("2026-11-21T02:00:00Z"));
    }

    /// Any instant of some thirteen years, to the second.
    fn instants() -> impl Strategy<Value = Timestamp> {
        (1_700_000_000_i64..2_100_000_000).prop_map(|second| Timestamp::from_second(second).unwrap())
    }

    fn zones() -> impl Strategy<Value = TimeZone> {
        // Lord Howe changes by half an hour, Azores and Beirut at midnight.
        prop::sample::select(vec!["Europe/London", "Atlantic/Azores", "Asia/Beirut", "Australia/Lord_Howe", "UTC"])
            .prop_map(|name| TimeZone::get(name).unwrap())
    }

    proptest! {
        #[test]
        fn no_retry_falls_into_the_quiet_hours(
            zone in zones(), from in instants(), failed in 1_u32..40, budget in 0_u32..13, random: u64,
            retry_after in prop::option::of(any::<u64>().prop_map(Duration::from_secs)), device in "[a-z0-9-]{1,20}",
        ) {
            let failure = FailedTry { device: &device, at: from, failed, budget, random, retry_after };
            let due = retry_at(&zone, &failure);
            prop_assert_eq!(quiet(&zone, due), None);
            prop_assert!(due >= from, "never in the past");
            prop_assert!(due >= later(from, retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER)));
            prop_assert!(due <= later(from, 2 * LONGEST_RETRY_AFTER), "tomorrow at the latest");
        }

        #[test]
        fn each_civil_day_has_one_nightly_instant(device in "[a-z0-9-]{1,20}", year in 2024_i16..2040) {
            let zone = london();
            let first = jiff::civil::date(year, 1, 1).to_zoned(zone.clone()).unwrap().timestamp();
            let end = jiff::civil::date(year + 1, 1, 1).to_zoned(zone.clone()).unwrap().timestamp();
            let mut days: BTreeMap<Date, u32> = BTreeMap::new();
            let mut now = first - SignedDuration::from_secs(1);
            loop {
                let next = nightly(&device, &zone, now);
                prop_assert!(next > now);
                now = next;
                if now >= end {
                    break;
                }
                let local = now.to_zoned(zone.clone());
                prop_assert!(local.time() >= NIGHT_BEGINS && local.time() < time(5, 16, 0, 0), "{local}");
                *days.entry(local.date()).or_default() += 1;
            }
            let length = if jiff::civil::date(year, 1, 1).in_leap_year() { 366 } else { 365 };
            prop_assert_eq!(days.len(), length);
            prop_assert!(days.values().all(|count| *count == 1));
        }

        #[test]
        fn a_nightly_instant_is_the_same_whenever_it_is_asked_for(zone in zones(), after in instants(), back in 1_i64..80_000) {
            let next = nightly("smdrd-1", &zone, after);
            prop_assert_eq!(nightly("smdrd-1", &zone, next - SignedDuration::from_secs(1)), next);
            let earlier = nightly("smdrd-1", &zone, after - SignedDuration::from_secs(back));
            prop_assert!(earlier <= next);
        }
    }

    #[test]
    fn boxes_are_spread_over_the_night() {
        let share = |box_number: u32| own_share(&format!("smdrd-{box_number:08x}"), SPREAD);
        let mut hours = [0_u32; 4];
        (0..4_000).for_each(|number| hours[(share(number) / 3600) as usize] += 1);
        assert!(hours.iter().all(|count| (850..1150).contains(count)), "{hours:?}");
    }
}
