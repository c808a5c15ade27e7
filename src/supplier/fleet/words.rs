//! Spans, shares and days as a person reads them.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

/// How long it is from one instant to a later one: `5 h`, `3 days 4 h`, `40 days`.
pub fn since(then: Timestamp, now: Timestamp) -> String {
    let minutes = now.duration_since(then).as_mins().max(0);
    match (minutes / 1_440, minutes / 60 % 24, minutes) {
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, _) => format!("{hours} h"),
        (days, hours, _) if days < 7 && hours > 0 => format!("{} {hours} h", count(days.unsigned_abs(), "day")),
        (days, ..) => count(days.unsigned_abs(), "day"),
    }
}

/// `1 day`, `2 days`.
pub fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A share of ten thousand as a percentage: `99.8 %`.
pub fn percent(per_10000: u64) -> String {
    // Rounded down to a tenth, as the share itself was: 99.99 % is not all of it.
    format!("{}.{} %", per_10000 / 100, per_10000 % 100 / 10)
}

/// Days in order as stretches, the newest first: `2026-11-20, 2026-11-16 to 2026-11-18`. After four stretches it says how
/// many days more.
pub fn stretches(days: &[Date]) -> String {
    let mut stretches: Vec<(Date, Date, u64)> = Vec::new();
    for day in days {
        match stretches.last_mut() {
            Some((_, last, length)) if last.checked_add(1.day()).ok() == Some(*day) => {
                *last = *day;
                *length += 1;
            }
            _ => stretches.push((*day, *day, 1)),
        }
    }
    stretches.reverse();
    let shown = stretches.iter().take(4).map(|(first, last, length)| match length {
        1 => first.to_string(),
        _ => format!("{first} to {last}"),
    });
    let mut text = shown.collect::<Vec<_>>().join(", ");
    let more: u64 = stretches.iter().skip(4).map(|(.., length)| length).sum();
    if more > 0 {
        text.push_str(&format!(" and {} before", count(more, "day")));
    }
    text
}

/// Practices as far as there is room for them.
pub fn first_of(practices: &[String]) -> String {
    let shown = practices.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
    match practices.len() {
        0 => "no practice".to_owned(),
        1..=3 => shown,
        more => format!("{shown} and {} more", more - 3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn they_are_as_people_say_them() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        for (then, said) in [
            ("2026-11-21T11:59:00Z", "1 min"),
            ("2026-11-21T06:59:00Z", "5 h"),
            ("2026-11-18T08:00:00Z", "3 days 4 h"),
            ("2026-11-20T12:00:00Z", "1 day"),
            ("2026-10-12T01:00:00Z", "40 days"),
            ("2026-11-21T13:00:00Z", "0 min"),
        ] {
            assert_eq!(since(then.parse().unwrap(), now), said);
        }
        assert_eq!((percent(10_000), percent(9_999), percent(50)), ("100.0 %".into(), "99.9 %".into(), "0.5 %".into()));
        let days: Vec<Date> = [1, 2, 5, 7, 9, 11, 12, 13, 20].map(|day| date(2026, 11, day)).into();
        let said = "2026-11-20, 2026-11-11 to 2026-11-13, 2026-11-09, 2026-11-07 and 3 days before";
        assert_eq!((stretches(&days).as_str(), stretches(&[]).as_str()), (said, ""));
    }
}
