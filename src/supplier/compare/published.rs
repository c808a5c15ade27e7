//! NHS England's published figures by practice, as CSV: three kinds of file, known by their headers.
//!
//! Source: the publication "Cloud Based Telephony Data in General Practice", its files by day and time, by durations, and
//! of calls answered; the headers are the same in all months from October 2025 to August 2026.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::supplier::monthly::field::Code;
use crate::supplier::monthly::month::Month;
use crate::supplier::monthly::table::shown;

/// Columns of all three kinds, up to the figure's own.
const PLACE: [&str; 7] =
    ["Date", "REGION_CODE", "ICB_CODE", "SUB_ICB_LOCATION_CODE", "PCN_CODE", "PRACTICE_CODE", "Indicator"];

/// Which kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `… By Day and Time`.
    DayAndTime,
    /// `… By Durations`.
    Durations,
    /// `… Calls Answered Metric`.
    CallsAnswered,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::DayAndTime, Kind::Durations, Kind::CallsAnswered];

    fn columns(self) -> Vec<&'static str> {
        let own: &[&str] = match self {
            Kind::DayAndTime => &["Time_Category", "Value"],
            Kind::Durations => &["Duration", "Value"],
            Kind::CallsAnswered => &["Wait_Time", "Core_Category", "Value"],
        };
        [&PLACE[..], own].concat()
    }
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PublishedError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is none of the three kinds.
    #[error("{path}: line 1: the header {found:?} is none of the publication's: {known}")]
    Header {
        /// The file.
        path: PathBuf,
        /// What is there.
        found: String,
        /// What would be known.
        known: String,
    },
    /// A row is not what it should be.
    #[error("{path}: line {line}: {reason}")]
    Row {
        /// The file.
        path: PathBuf,
        /// Where.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// It has no row of the month.
    #[error("{path}: there is no row of {month}; is it the file of another month?")]
    OtherMonth {
        /// The file.
        path: PathBuf,
        /// Which was asked for.
        month: Month,
    },
}

/// What is published of a practice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OfPractice {
    /// By metric.
    pub totals: BTreeMap<Code, u64>,
    /// By metric and band of the day, without blanks in the band: `08:00-09:59`.
    pub bands: BTreeMap<(Code, String), u64>,
    /// By metric and duration.
    pub durations: BTreeMap<(Code, String), u64>,
    /// By wait and window of the day, of calls answered.
    pub waits: BTreeMap<(String, String), u64>,
}

/// What is published, as far as files were given.
#[derive(Debug, Default)]
pub struct Published {
    /// By ODS code.
    pub practices: BTreeMap<String, OfPractice>,
    /// Kinds of file that were read.
    pub kinds: BTreeSet<Kind>,
    /// Indicators that are none of the seven.
    pub unknown: BTreeSet<String>,
}

impl Published {
    /// Adds what a file says of a month.
    pub fn read(&mut self, path: &Path, month: Month) -> Result<(), PublishedError> {
        let file =
            std::fs::File::open(path).map_err(|source| PublishedError::File { path: path.to_owned(), source })?;
        let bad = |line, reason: String| PublishedError::Row { path: path.to_owned(), line, reason };
        let broken = |error: csv::Error| bad(error.position().map_or(0, csv::Position::line), error.to_string());
        let mut reader = csv::ReaderBuilder::new().from_reader(std::io::BufReader::new(file));
        let header: Vec<String> = reader.headers().map_err(broken)?.iter().map(str::to_owned).collect();
        let plain = |name: &str| name.trim_start_matches('\u{feff}').to_owned();
        let header: Vec<String> = header.iter().map(|name| plain(name)).collect();
        let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.columns() == header) else {
            let known = Kind::ALL.map(|kind| kind.columns().join(",")).join(" or ");
            return Err(PublishedError::Header { path: path.to_owned(), found: shown(&header.join(",")), known });
        };
        self.kinds.insert(kind);
        // No field of these files has a line end in it, so the rows are the lines.
        let (mut rows_of_month, mut line) = (0_u64, 1);
        let mut row = csv::StringRecord::new();
        while reader.read_record(&mut row).map_err(broken)? {
            line += 1;
            let field = |at: usize| row.get(at).unwrap_or_default().trim();
            let date: jiff::civil::Date = field(0)
                .get(..10)
                .and_then(|date| date.parse().ok())
                .ok_or_else(|| bad(line, format!("Date {:?} is no date", shown(field(0)))))?;
            if Month::of(date) != month {
                continue;
            }
            rows_of_month += 1;
            let value = field(row.len().saturating_sub(1));
            let value = whole(value).ok_or_else(|| bad(line, format!("Value {:?} is no count", shown(value))))?;
            let Some(code) = Code::ALL.into_iter().find(|code| code.word() == field(6)) else {
                self.unknown.insert(shown(field(6)));
                continue;
            };
            let practice = self.practices.entry(field(5).to_owned()).or_default();
            match kind {
                Kind::DayAndTime => {
                    *practice.totals.entry(code).or_default() += value;
                    *practice.bands.entry((code, field(7).replace(' ', ""))).or_default() += value;
                }
                Kind::Durations => *practice.durations.entry((code, field(7).to_owned())).or_default() += value,
                Kind::CallsAnswered => {
                    *practice.waits.entry((field(7).to_owned(), field(8).to_owned())).or_default() += value;
                }
            }
        }
        if rows_of_month == 0 {
            return Err(PublishedError::OtherMonth { path: path.to_owned(), month });
        }
        Ok(())
    }

    /// Where nine practices in ten are, for a metric's share of inbound calls in tenths of a percent; for CBT001 the calls
    /// themselves. Nothing where fewer than 20 practices are there to tell.
    pub fn range(&self, code: Code) -> Option<(u64, u64)> {
        let named = self.practices.iter().filter(|(ods, _)| crate::supplier::tokens::is_ods(ods));
        let mut all: Vec<u64> = named
            .filter_map(|(_, practice)| {
                let calls = *practice.totals.get(&Code::Cbt001)?;
                match code {
                    Code::Cbt001 => Some(calls),
                    code => (practice.totals.get(&code).copied().unwrap_or(0) * 1_000).checked_div(calls),
                }
            })
            .collect();
        if all.len() < 20 {
            return None;
        }
        all.sort_unstable();
        // Nearest rank.
        let at = |percent: usize| all.get((all.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        Some((at(5)?, at(95)?))
    }
}

/// A count, which the publication writes as `1.0`.
fn whole(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let only = |digits: &str, of: &dyn Fn(u8) -> bool| digits.bytes().all(of);
    (only(whole, &|byte| byte.is_ascii_digit()) && only(fraction, &|byte| byte == b'0')).then(|| whole.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_whole() {
        assert_eq!([whole("1.0"), whole("12"), whole("0.00")], [Some(1), Some(12), Some(0)]);
        assert_eq!([whole("1.5"), whole("-1.0"), whole(""), whole("1e3")], [None; 4]);
    }
}
