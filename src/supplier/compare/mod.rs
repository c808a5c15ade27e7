//! A practice's own figures beside what NHS England has published of it, and beside where nine practices in ten are.

use serde::Serialize;

use crate::aggregate::calendar::is_working_day;
use crate::aggregate::document::BUCKETS;
use crate::supplier::archive::{Archive, ArchiveError};
use crate::supplier::field::read_document;
use crate::supplier::monthly::field::Code;
use crate::supplier::monthly::figures::{Counts, DayCounts, HALF_HOURS, Unfit, counts};
use crate::supplier::monthly::month::Month;
use crate::supplier::monthly::published::{INBOUND, SHARES, cause};

pub mod published;
pub mod verb;

use published::{Kind, OfPractice, Published};

/// The published bands, in half-hours. Source: table 2 of the publication's summary workbook.
pub const BANDS: [(&str, (usize, usize)); 9] = [
    ("00:00-05:59", (0, 12)),
    ("06:00-07:59", (12, 16)),
    ("08:00-09:59", (16, 20)),
    ("10:00-11:59", (20, 24)),
    ("12:00-13:59", (24, 28)),
    ("14:00-15:59", (28, 32)),
    ("16:00-17:59", (32, 36)),
    ("18:00-18:29", (36, 37)),
    ("18:30-23:59", (37, 48)),
];

/// The published windows of the day: core hours are those of Monday to Friday but for bank holidays. Source: the
/// publication's files of calls answered, from June 2026 on.
pub const WINDOWS: [&str; 3] = ["Core_8_10", "Core_10_1830", "Non-Core"];

/// One figure of a practice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What it is: a metric, or a metric and a part of it.
    pub figure: String,
    /// Ours, of the days that are held; null where none is, or a document of one does not say it.
    pub own: Option<u64>,
    /// As published; null where nothing is published of the practice.
    pub published: Option<u64>,
}

/// A figure outside of where nine practices in ten are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flag {
    /// The metric.
    pub metric: String,
    /// What it is: calls for CBT001, else tenths of a percent of inbound calls.
    pub is: u64,
    /// 5th and 95th percentile.
    pub range: (u64, u64),
    /// Whether the range is that of the files that were given; else that of February 2026.
    pub from_files: bool,
    /// The likely cause.
    pub cause: String,
}

/// A practice's comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// ODS code.
    pub ods: String,
    /// Days of the month of which documents are held.
    pub days: usize,
    /// Days that the month has; where fewer are held, the figures are of those.
    pub of_days: usize,
    /// What keeps a figure from being said.
    pub absent: Vec<String>,
    /// The figures.
    pub lines: Vec<Line>,
    /// What is out of range.
    pub flags: Vec<Flag>,
}

/// A practice's month as the documents have it, sites summed.
#[derive(Debug)]
pub struct Own {
    /// By local half-hour.
    pub month: Box<DayCounts>,
    /// By window of the day, as [`WINDOWS`].
    pub windows: [Counts; 3],
    /// Days with documents.
    pub days: usize,
    /// Days of the month.
    pub of_days: usize,
    /// Metrics that some document does not say, with the reason.
    pub absent: Vec<(Code, String)>,
}

impl Own {
    /// Adds up what is held of a practice.
    pub fn of(archive: &Archive, ods: &str, month: Month) -> Result<Own, ArchiveError> {
        let (month_counts, windows) = (Box::new([Counts::default(); HALF_HOURS]), Default::default());
        let of_days = month.days().count();
        let mut own = Own { month: month_counts, windows, days: 0, of_days, absent: Vec::new() };
        let mut days = std::collections::BTreeSet::new();
        for (_, site) in archive.sites(month.first(), month.last())?.iter().filter(|(of, _)| of == ods) {
            for newest in archive.newest(ods, site, month.first(), month.last())? {
                let Ok(document) = read_document(&newest.body) else { continue };
                days.insert(newest.date);
                match counts(&document) {
                    Ok(day) => own.add(&day, is_working_day(document.date, document.day.bank_holiday)),
                    Err(unfit) => unfit.into_iter().for_each(|unfit| own.lacks(newest.date, unfit)),
                }
            }
        }
        own.days = days.len();
        Ok(own)
    }

    fn add(&mut self, day: &DayCounts, working: bool) {
        for (half_hour, counts) in day.iter().enumerate() {
            let window = match half_hour {
                16..20 if working => 0,
                20..37 if working => 1,
                _ => 2,
            };
            if let (Some(month), Some(of_window)) = (self.month.get_mut(half_hour), self.windows.get_mut(window)) {
                month.add(counts);
                of_window.add(counts);
            }
        }
    }

    fn lacks(&mut self, date: jiff::civil::Date, unfit: Unfit) {
        let (codes, why) = match unfit {
            Unfit::Null { code, why } => (vec![code], why),
            Unfit::Unknown { code, calls } => {
                (vec![code], format!("of {calls} calls on {date} it is not known how long"))
            }
            Unfit::Unbalanced { what, .. } => (Code::ALL.to_vec(), format!("{what} differ on {date}")),
            Unfit::Label(label) => (Code::ALL.to_vec(), format!("{label:?} is no half-hour, on {date}")),
        };
        // The whole document was left out of the sum, so no metric is whole any more.
        for code in Code::ALL {
            let said = if codes.contains(&code) {
                why.clone()
            } else {
                format!("the document of {date} is left out of the sum")
            };
            if !self.absent.iter().any(|(known, _)| *known == code) {
                self.absent.push((code, said));
            }
        }
    }

    fn of_code(&self, code: Code, (from, to): (usize, usize)) -> Option<u64> {
        if self.days == 0 || self.absent.iter().any(|(absent, _)| *absent == code) {
            return None;
        }
        Some(self.month.iter().skip(from).take(to - from).map(|counts| counts.all_of(code)).sum())
    }

    fn of_bucket(&self, code: Code, buckets: (usize, usize)) -> Option<u64> {
        self.of_code(code, (0, HALF_HOURS))?;
        Some(self.month.iter().map(|counts| counts.of(code, buckets)).sum())
    }
}

/// Puts a practice's figures beside the published ones.
pub fn compare(ods: &str, own: &Own, published: &Published) -> Comparison {
    let of_it: Option<&OfPractice> = published.practices.get(ods);
    let day = (0, HALF_HOURS);
    let mut lines: Vec<Line> = Vec::new();
    for code in Code::ALL {
        let known = of_it.filter(|_| published.kinds.contains(&Kind::DayAndTime));
        // The publication leaves out what is 0.
        let total = known.map(|known| known.totals.get(&code).copied().unwrap_or(0));
        lines.push(Line { figure: code.word().to_owned(), own: own.of_code(code, day), published: total });
    }
    for (band, half_hours) in BANDS {
        let known = of_it.filter(|_| published.kinds.contains(&Kind::DayAndTime));
        let key = (Code::Cbt001, band.to_owned());
        let total = known.map(|known| known.bands.get(&key).copied().unwrap_or(0));
        lines.push(Line {
            figure: format!("CBT001 {band}"),
            own: own.of_code(Code::Cbt001, half_hours),
            published: total,
        });
    }
    if let Some(known) = of_it {
        for ((code, duration), value) in &known.durations {
            let own = buckets(duration).and_then(|buckets| own.of_bucket(*code, buckets));
            lines.push(Line { figure: format!("{} {duration} s", code.word()), own, published: Some(*value) });
        }
        for ((wait, window), value) in &known.waits {
            let own = WINDOWS.iter().position(|known| known == window).zip(buckets(wait)).and_then(|(at, buckets)| {
                own.of_code(Code::Cbt003, day)?;
                own.windows.get(at).map(|counts| counts.of(Code::Cbt003, buckets))
            });
            lines.push(Line { figure: format!("CBT003 {window} {wait} s"), own, published: Some(*value) });
        }
    }
    let absent = own.absent.iter().map(|(code, why)| format!("{}: {why}", code.word())).collect();
    let (days, of_days) = (own.days, own.of_days);
    Comparison { ods: ods.to_owned(), days, of_days, absent, lines, flags: flags(own, published) }
}

fn flags(own: &Own, published: &Published) -> Vec<Flag> {
    let day = (0, HALF_HOURS);
    let Some(calls) = own.of_code(Code::Cbt001, day) else { return Vec::new() };
    let known = [(Code::Cbt001, INBOUND)].into_iter().chain(SHARES);
    known
        .filter_map(|(code, [low, _, high])| {
            let is = match code {
                Code::Cbt001 => calls,
                code => (own.of_code(code, day)? * 1_000).checked_div(calls)?,
            };
            let from_files = published.range(code);
            let range = from_files.unwrap_or((low, high));
            let outside = is < range.0 || is > range.1;
            outside.then(|| Flag {
                metric: code.word().to_owned(),
                is,
                range,
                from_files: from_files.is_some(),
                cause: cause(code, is > range.1).to_owned(),
            })
        })
        .collect()
}

/// The counts of a histogram that a published token sums: `0`, `1_30`, `>300`. Nothing for one that no edge of ours fits.
fn buckets(token: &str) -> Option<(usize, usize)> {
    use crate::aggregate::document::EDGES_S;
    let edge = |seconds: u32| EDGES_S.iter().position(|edge| *edge == seconds).map(|at| at + 1);
    if token == "TOTAL" {
        return Some((0, BUCKETS));
    }
    if let Some(above) = token.strip_prefix('>') {
        return Some((edge(above.parse().ok()?)?, BUCKETS));
    }
    match token.split_once('_') {
        Some((from, to)) => {
            let from: u32 = from.parse().ok()?;
            Some((if from == 0 { 0 } else { edge(from.checked_sub(1)?)? }, edge(to.parse().ok()?)?))
        }
        None => token.parse().ok().and_then(|to| edge(to).filter(|_| to == 0)).map(|to| (0, to)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_tokens_are_sums_of_our_counts_or_nothing() {
        assert_eq!(buckets("0"), Some((0, 1)));
        assert_eq!(buckets("1_30"), Some((1, 2)));
        assert_eq!(buckets("61_120"), Some((3, 5)));
        assert_eq!(buckets(">300"), Some((8, 9)));
        assert_eq!(buckets("TOTAL"), Some((0, 9)));
        assert_eq!([buckets("1_45"), buckets("x"), buckets("30"), buckets(">45")], [None; 4]);
    }
}
