//! A row of the file, read back, for whoever puts the files of several practices together: every cell must be one that the
//! template writes, so that nothing else gets through.

use jiff::civil::Date;

use super::template::{MINUTES, minute_of};
use super::{Field, Template, What};

/// What a row says of its call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The civil day of its arrival.
    pub date: Date,
    /// Local minutes of the day between which it arrived: first, and first after them.
    pub minutes: (u32, u32),
    /// What it came to.
    pub what: What,
    /// The wait, of an answered or missed call; nothing where it is not known.
    pub wait: Option<Seconds>,
    /// The time with staff, of an answered call; nothing where it is not known.
    pub talk: Option<Seconds>,
}

/// Seconds between which a time lies, both included; without an end, above the first.
pub type Seconds = (u32, Option<u32>);

/// A row that the template does not write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// A cell is none that can stand there.
    #[error("{column} {cell:?}: {why}")]
    Cell {
        /// The column's header.
        column: String,
        /// The shape of what stands there, with `#` for each digit: it may be a number, and is written down.
        cell: String,
        /// Why it cannot.
        why: &'static str,
    },
    /// What says what the call came to fits none of the outcomes, or several.
    #[error("what the row says of the outcome is that of {0} outcomes; it has to be that of one")]
    Outcome(usize),
    /// It has more or fewer cells than the template has columns.
    #[error("it has {0} cells and the template {1} columns")]
    Cells(usize, usize),
}

impl Template {
    /// What a row says. Supplier and account may be empty, and else must be these: a row of somebody else's is refused.
    pub fn read_row(&self, cells: &[String], supplier: &str, account: &str) -> Result<Said, RowError> {
        if cells.len() != self.columns.len() {
            return Err(RowError::Cells(cells.len(), self.columns.len()));
        }
        let what = self.outcome_of(cells)?;
        let (mut date, mut minutes, mut wait, mut talk) = (None, (0, MINUTES), None, None);
        for ((column, field), cell) in self.columns.iter().zip(cells) {
            let wrong = |why| RowError::Cell { column: column.clone(), cell: shape(cell), why };
            let has_wait = matches!(what, What::Answered | What::Missed);
            let has_talk = what == What::Answered;
            let nothing = || {
                if cell.is_empty() { Ok(None) } else { Err(wrong("a call with this outcome has none")) }
            };
            match field {
                Field::Supplier if !cell.is_empty() && cell != supplier => return Err(wrong("it is another supplier")),
                Field::Account if !cell.is_empty() && cell != account => return Err(wrong("it is another account")),
                Field::Date => {
                    date = Some(self.date_of(cell).ok_or_else(|| wrong("it is no day as the template writes it"))?)
                }
                Field::Band => {
                    let band = self.bands().into_iter().find(|(label, ..)| label == cell);
                    let (_, from, to) = band.ok_or_else(|| wrong("it is no band of the template"))?;
                    minutes = within(minutes, (from, to)).ok_or_else(|| wrong("the time is not in this band"))?;
                }
                Field::Time => {
                    let time = jiff::civil::Time::strptime("%H:%M", cell).ok();
                    let time = time.filter(|time| time.strftime("%H:%M").to_string() == *cell);
                    let minute = minute_of(time.ok_or_else(|| wrong("write the minute of arrival as HH:MM"))?);
                    let exact = (minute, minute.saturating_add(1));
                    minutes = within(minutes, exact).ok_or_else(|| wrong("the time is not in the row's band"))?;
                }
                Field::WaitBucket if has_wait => wait = narrower(wait, self.bucket_of(cell).map_err(wrong)?),
                Field::Wait if has_wait => wait = narrower(wait, self.seconds_of(cell).map_err(wrong)?),
                Field::TalkBucket if has_talk => talk = narrower(talk, self.bucket_of(cell).map_err(wrong)?),
                Field::Talk if has_talk => talk = narrower(talk, self.seconds_of(cell).map_err(wrong)?),
                Field::WaitBucket | Field::Wait => wait = nothing()?,
                Field::TalkBucket | Field::Talk => talk = nothing()?,
                Field::Empty if !cell.is_empty() => return Err(wrong("the template leaves this column empty")),
                Field::Supplier | Field::Account | Field::Outcome | Field::Metric(_) | Field::Empty => {}
            }
        }
        let date = date.ok_or(RowError::Cells(cells.len(), self.columns.len()))?;
        Ok(Said { date, minutes, what, wait, talk })
    }

    /// The bands: label, first minute, first minute after it.
    pub fn bands(&self) -> Vec<(&str, u32, u32)> {
        let begins = std::iter::once(0).chain(self.bands.iter().map(|(_, to)| *to));
        self.bands.iter().zip(begins).map(|((label, to), from)| (label.as_str(), from, *to)).collect()
    }

    /// The buckets: label, first second, last second.
    pub fn buckets(&self) -> Vec<(&str, Seconds)> {
        self.buckets.iter().map(|bucket| (bucket.label.as_str(), (bucket.from, bucket.to))).collect()
    }

    /// Whether a column says this.
    pub fn has(&self, field: Field) -> bool {
        self.columns.iter().any(|(_, other)| *other == field)
    }

    /// The one outcome for which the template writes just these cells.
    fn outcome_of(&self, cells: &[String]) -> Result<What, RowError> {
        let fits = |what: &What| {
            self.columns.iter().zip(cells).all(|((_, field), cell)| match field {
                Field::Outcome => self.outcomes.get(what.key()) == Some(cell),
                Field::Metric(metric) => *cell == u8::from(what.counts_in(*metric)).to_string(),
                _ => true,
            })
        };
        let fitting: Vec<What> = What::ALL.into_iter().filter(fits).collect();
        match fitting[..] {
            [what] => Ok(what),
            _ => Err(RowError::Outcome(fitting.len())),
        }
    }

    /// The day that is written so, and no other way.
    fn date_of(&self, cell: &str) -> Option<Date> {
        let date = Date::strptime(&self.date_format, cell).ok()?;
        (date.strftime(&self.date_format).to_string() == cell).then_some(date)
    }

    fn bucket_of(&self, cell: &str) -> Result<Option<Seconds>, &'static str> {
        match self.buckets.iter().find(|bucket| bucket.label == cell) {
            Some(bucket) => Ok(Some((bucket.from, bucket.to))),
            None if cell == self.unknown => Ok(None),
            None => Err("it is no bucket of the template"),
        }
    }

    fn seconds_of(&self, cell: &str) -> Result<Option<Seconds>, &'static str> {
        match cell.parse::<u32>() {
            Ok(seconds) if seconds.to_string() == cell => Ok(Some((seconds, Some(seconds)))),
            _ if cell == self.unknown => Ok(None),
            _ => Err("it is no number of seconds"),
        }
    }
}

/// What two columns say of the same stretch; nothing where they contradict each other.
fn within((from, to): (u32, u32), (first, after): (u32, u32)) -> Option<(u32, u32)> {
    let both = (from.max(first), to.min(after));
    (both.0 < both.1).then_some(both)
}

/// Of bucket and seconds the seconds, where both are there.
fn narrower(one: Option<Seconds>, other: Option<Seconds>) -> Option<Seconds> {
    let width = |(from, to): &Seconds| to.map_or(u32::MAX, |to| to.saturating_sub(*from));
    one.into_iter().chain(other).min_by_key(width)
}

/// What a cell looks like, without a digit of it: where a number stands that should not, it must not get into a log.
pub fn shape(cell: &str) -> String {
    let letter = |letter: char| match letter {
        letter if letter.is_numeric() => '#',
        letter if letter.is_control() => '\u{fffd}',
        letter => letter,
    };
    cell.chars().take(40).map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Row, Template};
    use super::*;

    fn exact() -> Template {
        let (text, sample) = Template::SHIPPED;
        let text = text
            .replace("unknown = \"\"", "unknown = \"?\"\nexact = true")
            .replace("Time_Category = \"band\"", "Time_Category = \"time\"")
            .replace("Wait_Time = \"wait-bucket\"", "Wait_Time = \"wait\"")
            .replace("Duration = \"talk-bucket\"", "Duration = \"talk\"");
        Template::read(&text, sample).unwrap()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let row = |what, wait_s, talk_s| Row {
            date: jiff::civil::date(2026, 10, 26),
            time: jiff::civil::time(18, 29, 59, 0),
            what,
            wait_s,
            talk_s,
        };
        for what in What::ALL {
            let wait = matches!(what, What::Answered | What::Missed);
            for (wait_s, bucket) in [(Some(0), (0, Some(0))), (Some(61), (61, Some(120))), (Some(301), (301, None))] {
                let row = row(what, wait_s.filter(|_| wait), (what == What::Answered).then_some(45));
                let shipped = Template::shipped();
                let said = shipped.read_row(&shipped.cells(&row), "", "").unwrap();
                assert_eq!((said.date, said.what, said.minutes), (row.date, what, (18 * 60, 18 * 60 + 30)));
                assert_eq!(said.wait, wait.then_some(bucket));
                assert_eq!(said.talk, row.talk_s.map(|_| (31, Some(60))));
                let exact = exact();
                let said = exact.read_row(&exact.cells(&row), "", "").unwrap();
                assert_eq!((said.what, said.minutes), (what, (1109, 1110)));
                assert_eq!(said.wait, row.wait_s.map(|wait| (wait, Some(wait))));
                assert_eq!(said.talk, row.talk_s.map(|talk| (talk, Some(talk))));
            }
        }
        let unknown = exact().cells(&row(What::Missed, None, None));
        assert_eq!(exact().read_row(&unknown, "", "").unwrap().wait, None);
    }

    #[test]
    fn a_cell_that_the_template_does_not_write_is_named() {
        let good = ["", "", "2026-10-26", "08:00 - 09:59", "Missed", "31_60", ""];
        let said = |at: usize, cell: &str| {
            let mut cells = good.map(str::to_owned);
            cells[at] = cell.to_owned();
            Template::shipped().read_row(&cells, "Example", "007").map_err(|error| error.to_string())
        };
        for (at, fine) in [(0, "Example"), (1, "007"), (5, "")] {
            assert!(said(at, fine).is_ok(), "{fine}");
        }
        for (at, cell, why) in [
            (0, "Other", "CBT_System_Supplier_Name \"Other\": it is another supplier"),
            (1, "7", "Account_Number \"#\": it is another account"),
            (1, "01632960123", "Account_Number \"###########\": it is another account"),
            (2, "26/10/2026", "Date \"##/##/####\": it is no day"),
            (2, "2026-10-5", "it is no day"),
            (3, "08:12", "it is no band"),
            (4, "missed", "that of 0 outcomes"),
            (4, "Ended during IVR", "Wait_Time \"##_##\": a call with this outcome has none"),
            (5, "45", "it is no bucket"),
            (6, "1_30", "a call with this outcome has none"),
        ] {
            let found = said(at, cell).unwrap_err();
            assert!(found.contains(why), "{cell}: {found}");
        }
        let short = Template::shipped().read_row(&good.map(str::to_owned)[..6], "", "");
        assert_eq!(short, Err(RowError::Cells(6, 7)));
        let two =
            Template::read(&Template::SHIPPED.0.replace("\"Ended during IVR\"", "\"Missed\""), Template::SHIPPED.1);
        assert_eq!(two.unwrap().read_row(&good.map(str::to_owned), "", ""), Err(RowError::Outcome(2)));
        let row = ["", "", "2026-10-26", "08:00 - 09:59", "Missed", "31_60", "", "10:00"].map(str::to_owned);
        assert!(band_and_time().read_row(&row, "", "").unwrap_err().to_string().contains("not in the row's band"));
    }

    fn band_and_time() -> Template {
        let (text, sample) = Template::SHIPPED;
        let text = text
            .replace("unknown = \"\"", "unknown = \"\"\nexact = true")
            .replace("Duration = \"talk-bucket\"", "Duration = \"talk-bucket\"\nAt = \"time\"");
        Template::read(&text, &sample.replace("Duration", "Duration,At")).unwrap()
    }
}
