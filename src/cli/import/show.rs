//! What an import says while it runs and when it is done.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::control::exchange::Order;
use crate::daemon::import::{Day, Outcome, Progress, Report};

/// Shorter work shows no progress.
const SHORT: Duration = Duration::from_secs(2);

/// The line of progress on a terminal.
pub struct Ticker {
    began: Instant,
    size: Option<u64>,
    shows: bool,
    shown: bool,
}

impl Ticker {
    /// For a file of `size` bytes, where that is known.
    pub fn new(size: Option<u64>, shows: bool) -> Ticker {
        Ticker { began: Instant::now(), size, shows, shown: false }
    }

    /// Shows how far it has come.
    pub fn told(&mut self, progress: Progress) {
        let passed = self.began.elapsed();
        if !self.shows || passed < SHORT {
            return;
        }
        self.shown = true;
        let mut err = std::io::stderr();
        let _ = write!(err, "\r\x1b[K{}", line(progress, self.size, passed));
        let _ = err.flush();
    }

    /// Takes the line away.
    pub fn clear(&mut self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

fn line(progress: Progress, size: Option<u64>, passed: Duration) -> String {
    let Progress { bytes, lines, already } = progress;
    let seconds = passed.as_secs_f64().max(0.001);
    let doing = if lines < already { "looking for the place" } else { "importing" };
    let mut text = format!("{doing}: {lines} lines, {}", amount(bytes));
    if let Some(size) = size {
        let _ = write!(text, " of {}", amount(size));
    }
    let _ = write!(text, ", {:.0} lines/s", lines as f64 / seconds);
    if let Some(left) = size.and_then(|size| size.checked_sub(bytes)).filter(|_| bytes > 0) {
        let left = left as f64 / (bytes as f64 / seconds);
        let _ = match left as u64 {
            left if left < 90 => write!(text, ", {left} s left"),
            left => write!(text, ", {} min left", left.div_ceil(60)),
        };
    }
    text
}

fn amount(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

/// What became of a file, for a person.
pub fn summary(file: &str, report: &Report, order: &Order) -> String {
    let mut text = String::new();
    let already = report.already;
    let _ = match report.state {
        Outcome::Imported => writeln!(text, "{file}: imported as {}", report.import),
        Outcome::Continued => {
            writeln!(text, "{file}: went on as {} after the {already} lines that were in already", report.import)
        }
        Outcome::Unchanged if already > 0 => {
            writeln!(text, "{file}: all of its {already} lines are in already, as {}; nothing changed", report.import)
        }
        Outcome::Unchanged if report.out_of_range.records > 0 => writeln!(text, "{file}: nothing was taken"),
        Outcome::Unchanged => writeln!(text, "{file}: no lines"),
    };
    if report.lines > 0 {
        let _ = writeln!(
            text,
            "  {} lines = {} records + {} continuations + {} events + {} headers + {} noise + {} not understood + {} \
             duplicates",
            report.lines,
            report.records,
            report.continuations,
            report.events,
            report.headers,
            report.noise,
            report.unparsed,
            report.duplicates
        );
    }
    let with_records: Vec<_> = report.days.iter().filter(|day| day.records > 0).collect();
    if let (Some(first), Some(last)) = (with_records.first(), with_records.last()) {
        let _ = writeln!(
            text,
            "  {} calls, on {} days from {} to {}",
            report.calls,
            with_records.len(),
            first.date,
            last.date
        );
        let beyond = report.kept_from.map_or(0, |kept| with_records.iter().filter(|day| day.date < kept).count());
        if beyond > 0 {
            let kept = report.kept_from.map(|kept| kept.to_string()).unwrap_or_default();
            let _ = writeln!(
                text,
                "  {beyond} of these days lie before {kept}, beyond what is kept: counted, and not kept line by line"
            );
        }
    }
    let days = |of: &dyn Fn(&Day) -> u64| -> String {
        let days: Vec<String> = report.days.iter().filter(|day| of(day) > 0).map(|day| day.date.to_string()).collect();
        if days.is_empty() { String::new() } else { format!(" ({})", list(&days)) }
    };
    if !report.repeats.is_empty() {
        let _ = writeln!(
            text,
            "  not counted: records repeated of {}{}",
            shares(&report.repeats),
            days(&|day| day.duplicates)
        );
    }
    if !report.among.is_empty() {
        let _ = writeln!(
            text,
            "  not counted: records that fall among those of {}, of days whose lines are kept no more; they may be the same \
             calls",
            shares(&report.among)
        );
    }
    if report.may_repeat > 0 {
        let _ = writeln!(
            text,
            "  counted, and may repeat others: {}{}; too little stands beside them to tell",
            report.may_repeat,
            days(&|day| day.may_repeat)
        );
    }
    if report.uncorrected > 0 {
        let _ = writeln!(
            text,
            "  not corrected: the stamps of {} records, of days on which {} took nothing off its own; how its clock stood then \
             is not known",
            report.uncorrected, report.source
        );
    }
    let out = &report.out_of_range;
    if let (Some(first), Some(last)) = (out.first, out.last) {
        let bounds = |date: Option<jiff::civil::Date>| date.map(|date| date.to_string()).unwrap_or_default();
        let _ = writeln!(
            text,
            "  left out: {} records of {first} to {last}; {} to {} is counted. Look at --assume-year and at date options \
             if these are not their days",
            out.records,
            bounds(out.counted_from),
            bounds(out.counted_to)
        );
    }
    for place in &report.unparsed_at {
        let column = place.column.map(|column| format!(", column {column}")).unwrap_or_default();
        let _ = writeln!(text, "  not understood: line {}{column}: {}", place.line, place.reason);
    }
    if report.unparsed > 0 && report.unparsed_at.len() as u64 >= report.unparsed.min(5) && report.records == 0 {
        let _ = writeln!(text, "  is {} the right dialect? smdrd dialects list shows the choice", order.dialect);
    }
    if report.half_line {
        let _ = writeln!(text, "  the file ends in the middle of a line, which was left out for now");
    }
    text
}

/// `reception (120), reception/import-1 (3)`.
fn shares(of: &std::collections::BTreeMap<String, u64>) -> String {
    let shares: Vec<String> = of.iter().map(|(name, records)| format!("{name} ({records})")).collect();
    shares.join(", ")
}

fn list(days: &[String]) -> String {
    match days {
        [first, .., last] if days.len() > 5 => format!("{} days from {first} to {last}", days.len()),
        days => days.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_says_what_is_left() {
        let progress = Progress { bytes: 25_000_000, lines: 250_000, already: 0 };
        assert_eq!(
            line(progress, Some(100_000_000), Duration::from_secs(10)),
            "importing: 250000 lines, 25 MB of 100 MB, 25000 lines/s, 30 s left"
        );
        let looking = Progress { bytes: 9_999, lines: 100, already: 5000 };
        assert_eq!(line(looking, None, Duration::from_secs(4)), "looking for the place: 100 lines, 9999 B, 25 lines/s");
    }
}
