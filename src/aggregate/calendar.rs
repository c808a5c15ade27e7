//! Bank holidays in England and Wales, by the rules of the Banking and Financial Dealings Act 1971 and the yearly
//! practice of substitute days. One-off holidays by proclamation are not known to a rule.

use jiff::civil::{Date, Weekday, date};

/// Whether the day is a bank holiday in England.
pub fn bank_holiday(day: Date) -> bool {
    holidays(day.year()).contains(&day)
}

/// Whether people work on it, so that it has core hours: Monday to Friday, no bank holiday.
pub fn is_working_day(day: Date, bank_holiday: bool) -> bool {
    !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) && !bank_holiday
}

/// The bank holidays of a year, substitutes included, in order.
pub fn holidays(year: i16) -> Vec<Date> {
    let monday_from = |day: Date| {
        (0..7)
            .filter_map(|ahead| day.checked_add(jiff::Span::new().days(ahead)).ok())
            .find(|day| day.weekday() == Weekday::Monday)
    };
    let days = |day: Date, by: i64| day.checked_add(jiff::Span::new().days(by)).ok();
    let easter = easter(year);
    let new_year = date(year, 1, 1);
    let christmas = date(year, 12, 25);
    let (first, second) = match christmas.weekday() {
        // A holiday on Saturday or Sunday is kept on the next working day that is not one already.
        Weekday::Friday => (0, 3),
        Weekday::Saturday => (2, 3),
        Weekday::Sunday => (2, 1),
        _ => (0, 1),
    };
    let mut all: Vec<Date> = [
        if new_year.weekday().to_monday_one_offset() > 5 { monday_from(new_year) } else { Some(new_year) },
        days(easter, -2),
        days(easter, 1),
        monday_from(date(year, 5, 1)),
        monday_from(date(year, 5, 25)),
        monday_from(date(year, 8, 25)),
        days(christmas, first),
        days(christmas, second),
    ]
    .into_iter()
    .flatten()
    .collect();
    all.sort();
    all
}

/// Easter Sunday in the Gregorian calendar (the anonymous algorithm of 1876).
fn easter(year: i16) -> Date {
    let year = i32::from(year);
    let golden = year % 19;
    let (century, within) = (year / 100, year % 100);
    let correction = (century - (century + 8) / 25 + 1) / 3;
    let epact = (19 * golden + century - century / 4 - correction + 15) % 30;
    let to_sunday = (32 + 2 * (century % 4) + 2 * (within / 4) - epact - within % 4) % 7;
    let late = (golden + 11 * epact + 22 * to_sunday) / 451;
    let days = epact + to_sunday - 7 * late + 114;
    date(year as i16, (days / 31) as i8, (days % 31 + 1) as i8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holidays_are_those_that_the_government_lists() {
        for (year, listed) in [
            (2026, "01-01 04-03 04-06 05-04 05-25 08-31 12-25 12-28"),
            (2027, "01-01 03-26 03-29 05-03 05-31 08-30 12-27 12-28"),
            (2028, "01-03 04-14 04-17 05-01 05-29 08-28 12-25 12-26"),
            (2029, "01-01 03-30 04-02 05-07 05-28 08-27 12-25 12-26"),
            (2022, "01-03 04-15 04-18 05-02 05-30 08-29 12-26 12-27"),
        ] {
            let ours: Vec<String> = holidays(year).iter().map(|day| day.strftime("%m-%d").to_string()).collect();
            assert_eq!(ours.join(" "), listed, "{year}");
        }
    }
}
