//! A month of activity, and the days on which its figures are sent.

use std::fmt;
use std::str::FromStr;

use jiff::ToSpan as _;
use jiff::civil::{Date, date};

use super::table::shown;

/// First and last day of the following month on which a month's figures are sent to NHS England.
/// Source: the collection's page, "between the 1st and the 5th".
const WINDOW: (i8, i8) = (1, 5);

/// A calendar month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    first: Date,
}

/// It is no month.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no month: write YYYY-MM, as 2026-10")]
pub struct NoMonth(String);

impl FromStr for Month {
    type Err = NoMonth;

    fn from_str(text: &str) -> Result<Month, NoMonth> {
        let no = || NoMonth(shown(text));
        if text.len() != 7 {
            return Err(no());
        }
        let first: Date = format!("{text}-01").parse().map_err(|_| no())?;
        Ok(Month { first })
    }
}

impl fmt::Display for Month {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}", self.first.strftime("%Y-%m"))
    }
}

impl Month {
    /// The month that a day is in.
    pub fn of(day: Date) -> Month {
        Month { first: day.first_of_month() }
    }

    /// Its first day.
    pub fn first(self) -> Date {
        self.first
    }

    /// Its last day.
    pub fn last(self) -> Date {
        self.first.last_of_month()
    }

    /// Its days, in order.
    pub fn days(self) -> impl Iterator<Item = Date> {
        self.first.series(1.day()).take_while(move |day| *day <= self.last())
    }

    /// The month after it.
    pub fn next(self) -> Month {
        let first = self.last().tomorrow().unwrap_or(date(9999, 12, 1));
        Month { first }
    }

    /// The first and the last day on which its figures are sent.
    pub fn window(self) -> (Date, Date) {
        let next = self.next().first;
        let on = |day| next.with().day(day).build().unwrap_or(next);
        (on(WINDOW.0), on(WINDOW.1))
    }

    /// What `today` is to the window, in words.
    pub fn countdown(self, today: Date) -> String {
        let (opens, closes) = self.window();
        let days = |from: Date, to: Date| (to - from).get_days();
        match () {
            () if today < opens => format!("the window opens on {opens}, in {} days", days(today, opens)),
            () if today < closes => format!("the window closes on {closes}, in {} days", days(today, closes)),
            () if today == closes => format!("the window closes today, {closes}"),
            () => format!("the window closed on {closes}, {} days ago", days(closes, today)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_knows_its_days_and_its_window() {
        let month: Month = "2026-12".parse().unwrap();
        assert_eq!(month.days().count(), 31);
        assert_eq!(month.window(), (date(2027, 1, 1), date(2027, 1, 5)));
        assert_eq!(month.to_string(), "2026-12");
        assert_eq!("2028-02".parse::<Month>().unwrap().days().count(), 29);
        for wrong in ["2026-13", "2026-1", "26-10", "2026/10", "2026-10-01", ""] {
            assert!(wrong.parse::<Month>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_window_counts_down() {
        let month: Month = "2026-10".parse().unwrap();
        let said = |day| month.countdown(day);
        assert_eq!(said(date(2026, 10, 30)), "the window opens on 2026-11-01, in 2 days");
        assert_eq!(said(date(2026, 11, 1)), "the window closes on 2026-11-05, in 4 days");
        assert_eq!(said(date(2026, 11, 5)), "the window closes today, 2026-11-05");
        assert_eq!(said(date(2026, 11, 21)), "the window closed on 2026-11-05, 16 days ago");
    }
}
