//! Learned silence over simulated years: how often a practice that is well is taken for silent, and how soon one whose
//! cable is out is found. The figures are those of docs/coverage.md.

use std::collections::BTreeMap;

use jiff::civil::{Date, Weekday, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use smdrd::aggregate::calendar::{bank_holiday, is_working_day};
use smdrd::aggregate::coverage::Up;
use smdrd::aggregate::silence::{CELL_S, MOMENT_S, Normal, Silence, Watch};
use smdrd::aggregate::slots::midnight;
use smdrd::simulator::chance::Chance;
use smdrd::simulator::practice_day::practice_day;
use smdrd::simulator::scenario::Pbx;

/// Calls in each half-hour from 07:30 to 19:00, of a hundred.
const PROFILE: [f64; 23] = [
    0.5, 15.0, 10.0, 7.0, 6.0, 5.5, 5.0, 4.5, 4.0, 3.5, 2.0, 2.0, 3.5, 4.5, 4.5, 4.0, 4.0, 4.0, 3.5, 3.0, 2.5, 1.0, 0.5,
];

/// A practice of which only the number of calls a day and its habits are told.
struct Practice {
    calls: f64,
    /// Every fourth Wednesday afternoon is for training.
    trains: bool,
    /// Every other Saturday morning is open.
    saturdays: bool,
}

fn london() -> TimeZone {
    TimeZone::get("Europe/London").unwrap()
}

fn uniform(chance: &mut Chance) -> f64 {
    (chance.between(1, 1_000_000) as f64) / 1_000_001.0
}

/// About 1, with this share of variation.
fn varied(chance: &mut Chance, by: f64) -> f64 {
    let normal: f64 = (0..12).map(|_| uniform(chance)).sum::<f64>() - 6.0;
    (1.0 + normal * by).clamp(0.3, 2.5)
}

/// When it says something on a day: a Poisson process whose rate differs from day to day and from quarter to quarter of
/// an hour, each call followed by up to three lines within seconds, and a few messages at night.
fn said(practice: &Practice, day: Date, chance: &mut Chance) -> Vec<i64> {
    let zone = london();
    let start = midnight(&zone, day).as_second();
    let mut all = Vec::new();
    for _ in 0..chance.between(0, 4) {
        all.push(start + chance.between(0, 27_000));
    }
    let saturday = day.weekday() == Weekday::Saturday && practice.saturdays && (day.day() / 7) % 2 == 0;
    let training = practice.trains && day.weekday() == Weekday::Wednesday && day.day() > 21;
    let season = match (day.month(), day.day()) {
        (12, 22..) | (1, ..=2) => 0.6,
        (8, _) => 0.8,
        _ => 1.0,
    };
    let size = if day.weekday() == Weekday::Monday { 1.3 } else { 1.0 } * varied(chance, 0.18) * season;
    for (half, share) in PROFILE.iter().enumerate() {
        let open = (is_working_day(day, bank_holiday(day)) && !(training && half >= 11))
            || (saturday && (1..9).contains(&half));
        if !open {
            continue;
        }
        for quarter in 0..2 {
            let from = start + 27_000 + half as i64 * 1800 + quarter * 900;
            let rate = practice.calls * size * share / 100.0 / 1800.0 * varied(chance, 0.2);
            let mut at = from as f64;
            loop {
                at -= uniform(chance).ln() / rate;
                if at >= (from + 900) as f64 {
                    break;
                }
                for _ in 0..chance.between(1, 3) {
                    all.push(at as i64 + chance.between(0, 3));
                }
            }
        }
    }
    all.sort_unstable();
    all
}

fn moments(heard: &mut BTreeMap<i64, u64>, last: &mut i64, said: &[i64]) {
    for at in said {
        if at / MOMENT_S > *last {
            *last = at / MOMENT_S;
            *heard.entry(at / CELL_S * CELL_S).or_insert(0) += 1;
        }
    }
}

/// When a silence from `last` on is found, looking every minute until `to`.
fn found(normal: &Normal, last: Timestamp, to: Timestamp) -> Option<(Timestamp, Silence)> {
    let zone = london();
    let mut watch = Watch::since(last);
    let mut now = last;
    while now < to {
        now += SignedDuration::from_mins(1);
        watch.passes(normal, &zone, last, now.min(to));
        if let Some(silence) = watch.verdict(normal, &zone, now).filter(|_| now <= to) {
            return Some((now, silence));
        }
    }
    None
}

struct Year {
    alarms: Vec<String>,
    /// Minutes from the last line until a cable that was pulled at 08:15 on a Monday, and at 14:00 on a Thursday, was
    /// noticed.
    mornings: Vec<i64>,
    afternoons: Vec<i64>,
}

fn year(practice: &Practice, seed: u64) -> Year {
    let (zone, mut chance) = (london(), Chance::new(seed));
    let first = date(2026, 1, 5);
    let (mut heard, mut bin) = (BTreeMap::new(), 0);
    let mut normal = None;
    let mut before: Option<i64> = None;
    let mut year = Year { alarms: Vec::new(), mornings: Vec::new(), afternoons: Vec::new() };
    for days in 0..370_i64 {
        let day = first.checked_add(days.days()).unwrap();
        if days >= 28 {
            // What was taken for silent and spoke again within hours was heard all the same.
            let observed = [Up { from: midnight(&zone, first), to: midnight(&zone, day) }];
            normal = Some(Normal::learn(&heard, &observed, &zone, day, SignedDuration::from_mins(60)));
        }
        let lines = said(practice, day, &mut chance);
        if let Some(normal) = &normal {
            let instant = |second: i64| Timestamp::from_second(second).unwrap();
            for (from, to) in before.into_iter().chain(lines.iter().copied()).zip(&lines) {
                if to - from > 300
                    && let Some((when, silence)) = found(normal, instant(from), instant(*to))
                {
                    let when = zone.to_datetime(when).strftime("%a %F %H:%M");
                    year.alarms.push(format!("{when}, {:.1} expected, until {}", silence.expected, instant(*to)));
                }
            }
            let start = midnight(&zone, day);
            let pulled = |hours: i64, minutes: i64| {
                let at = start + SignedDuration::from_secs(hours * 3600 + minutes * 60);
                let last = lines.iter().rfind(|line| **line < at.as_second())?;
                let (when, _) = found(normal, instant(*last), at + SignedDuration::from_hours(8))?;
                Some(when.duration_since(instant(*last)).as_mins())
            };
            if is_working_day(day, bank_holiday(day)) && day.weekday() == Weekday::Monday {
                year.mornings.extend(pulled(8, 15));
            }
            if is_working_day(day, bank_holiday(day)) && day.weekday() == Weekday::Thursday {
                year.afternoons.extend(pulled(14, 0));
            }
        }
        before = lines.last().copied().or(before);
        moments(&mut heard, &mut bin, &lines);
    }
    year.mornings.sort_unstable();
    year.afternoons.sort_unstable();
    year
}

/// The middle one and the longest.
fn of(minutes: &[i64]) -> Option<(i64, i64)> {
    Some((*minutes.get(minutes.len() / 2)?, *minutes.last()?))
}

#[test]
fn a_year_of_a_practice_has_no_false_alarm_and_a_pulled_cable_is_found_within_minutes() {
    // Calls a day; the most minutes until a cable pulled on a Monday morning, or on a Thursday afternoon, is noticed.
    for (calls, morning, afternoon) in [(700.0, 12, 40), (250.0, 25, 100), (60.0, 200, 480)] {
        let practice = Practice { calls, trains: false, saturdays: false };
        let year = year(&practice, 0x0511_e4ce ^ calls as u64);
        println!(
            "{calls} calls a day: {} alarms; Mondays 08:15 {:?} min, Thursdays 14:00 {:?} min",
            year.alarms.len(),
            of(&year.mornings),
            of(&year.afternoons)
        );
        assert_eq!(year.alarms, Vec::<String>::new(), "{calls} calls a day");
        assert!(year.mornings.len() >= 40, "{}", year.mornings.len());
        assert!(year.mornings.iter().all(|minutes| *minutes <= morning), "{calls}: {:?}", year.mornings);
        assert!(year.afternoons.iter().all(|minutes| *minutes <= afternoon), "{calls}: {:?}", year.afternoons);
    }
}

#[test]
fn afternoons_of_training_and_every_other_saturday_are_learnt() {
    let practice = Practice { calls: 400.0, trains: true, saturdays: true };
    let year = year(&practice, 77);
    // Until two of them lie within eight weeks they are news.
    println!("{:#?}", year.alarms);
    assert!(year.alarms.len() <= 4, "{:#?}", year.alarms);
    assert!(year.alarms.iter().all(|alarm| alarm.starts_with("Wed") || alarm.starts_with("Sat")), "{:#?}", year.alarms);
}

#[test]
fn the_practice_days_of_the_simulator_raise_no_alarm() {
    let (zone, first) = (london(), date(2026, 9, 7));
    let (mut heard, mut bin) = (BTreeMap::new(), 0);
    let mut before: Option<i64> = None;
    let mut found_after = Vec::new();
    for days in 0..56_i64 {
        let day = first.checked_add(days.days()).unwrap();
        if !is_working_day(day, bank_holiday(day)) {
            continue;
        }
        let simulated = practice_day(day, zone.clone(), 40 + days as u64);
        let calls = simulated.calls.iter().filter(|call| call.pbx == Pbx::Reception);
        let mut lines: Vec<i64> = calls.map(|call| call.end().as_second()).collect();
        lines.sort_unstable();
        if days >= 28 {
            let observed = [Up { from: midnight(&zone, first), to: midnight(&zone, day) }];
            let normal = Normal::learn(&heard, &observed, &zone, day, SignedDuration::from_mins(60));
            let instant = |second: i64| Timestamp::from_second(second).unwrap();
            for (from, to) in before.into_iter().chain(lines.iter().copied()).zip(&lines) {
                let silence = (to - from > 300).then(|| found(&normal, instant(from), instant(*to))).flatten();
                assert_eq!(silence, None, "{day}: {} to {}", instant(from), instant(*to));
            }
            let at = midnight(&zone, day) + SignedDuration::from_secs(30_000);
            let last = instant(*lines.iter().rfind(|line| **line < at.as_second()).unwrap());
            let (when, _) = found(&normal, last, last + SignedDuration::from_hours(4)).unwrap();
            found_after.push(when.duration_since(last).as_mins());
        }
        before = lines.last().copied();
        moments(&mut heard, &mut bin, &lines);
    }
    println!("cable pulled at 08:20: noticed after {found_after:?} min");
    assert!(found_after.iter().all(|minutes| *minutes <= 40), "{found_after:?}");
}
