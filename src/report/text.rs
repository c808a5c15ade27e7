//! The report as a person reads it, but for the outages, which have a list of their own.

use std::fmt::Write as _;

use super::{AnnexC, Figure, Observed, Report};
use crate::aggregate::side_by_side::{Beside, Count};

const NAMES: [(&str, &str); 7] = [
    ("CBT001", "inbound calls"),
    ("CBT002", "ended in the menu"),
    ("CBT003", "answered by a person"),
    ("CBT004", "missed"),
    ("CBT005", "call back requested"),
    ("CBT006", "call backs made"),
    ("CBT007", "answered, by duration"),
];

/// The whole report.
pub fn readable(report: &Report) -> String {
    let Report { practice, from, to, .. } = report;
    let stretch = if from == to { from.to_string() } else { format!("{from} to {to}") };
    let mut text = format!("{} {} · {stretch}\n", practice.ods, practice.site);
    let mut days = vec![format!("{} days with figures", report.days)];
    for (count, what) in [(report.days_before, "before collecting began"), (report.days_ahead, "still to come")] {
        if count > 0 {
            days.push(format!("{count} {what}"));
        }
    }
    let _ = writeln!(text, "{}; {}", days.join(", "), coverage(&report.coverage));
    if report.diverted_outside_is_staff {
        text += "calls passed on over an outside line and answered there count as answered by the practice's own people \
                 (roles.diverted-outside)\n";
    }
    text += "\nthe figures\n";
    for (code, name) in NAMES {
        if let Some(figure) = report.cbt.get(code) {
            let _ = writeln!(text, "  {code} {name:<22} {}", of_figure(figure, report.days));
        }
    }
    text +=
        "\nthe list of the Advanced Telephony Specification, Annex C (2022), which names figures and defines none\n";
    for item in &report.annex_c {
        let _ = writeln!(text, "  {:<26} {}\n  {:<26} {}", item.name, of_annex(item), "", item.reads);
    }
    let _ = writeln!(text, "  {:<26} below", "System outage reports");
    text += "\nthe same calls under the definitions in use\n";
    match &report.definitions {
        Some(definitions) => text += &side_by_side(definitions),
        None => {
            let why = report.definitions_absent.as_deref().unwrap_or("their calls are not kept");
            let _ = writeln!(text, "  not known: {why}");
        }
    }
    text
}

fn coverage(observed: &Observed) -> String {
    let share = |part: u64, of: u64| match of {
        0 => "none".to_owned(),
        // In tenths, rounded down: what is not whole is not said to be.
        _ => format!("{}.{} %", part * 100 / of, part * 1000 / of % 10),
    };
    format!(
        "observed {} of all hours, {} of core hours (08:00 to 18:30 on working days)",
        share(observed.observed_s, observed.of_s),
        share(observed.core_observed_s, observed.core_of_s)
    )
}

fn not_known(absent: Option<&str>) -> String {
    absent.map_or_else(|| "not known".to_owned(), |why| format!("not known: {why}"))
}

fn of_figure(figure: &Figure, days: u32) -> String {
    match figure.value {
        Some(value) => value.to_string(),
        None if figure.days_unknown < days => {
            format!("{} (on {} of {days} days)", not_known(figure.absent.as_deref()), figure.days_unknown)
        }
        None => not_known(figure.absent.as_deref()),
    }
}

fn of_annex(item: &AnnexC) -> String {
    let Some(value) = item.value else { return not_known(item.absent.as_deref()) };
    match (item.of, item.left_out) {
        (Some(of), Some(0)) => format!("{value} s on the mean of {of} calls"),
        (Some(of), Some(left_out)) => {
            format!("{value} s on the mean of {of} calls; of {left_out} more it is not known")
        }
        _ => value.to_string(),
    }
}

fn side_by_side(definitions: &[Beside]) -> String {
    let mut text = String::new();
    let said = |count: &Count| match (count.calls, &count.absent) {
        (Some(calls), _) => format!("{calls} {}", count.category.words()),
        (None, _) => format!("{} not known", count.category.words()),
    };
    for beside in definitions {
        let all = match beside.calls {
            Some(calls) => format!("{calls} calls"),
            None => "calls not known".to_owned(),
        };
        let counts: Vec<String> = beside.counts.iter().filter(|count| count.calls != Some(0)).map(said).collect();
        let counts = if counts.is_empty() { String::new() } else { format!(": {}", counts.join(", ")) };
        let _ = writeln!(text, "  {}\n    {all}{counts}", beside.name);
        let mut reasons: Vec<&str> = beside.counts.iter().filter_map(|count| count.absent.as_deref()).collect();
        reasons.dedup();
        for reason in reasons {
            let _ = writeln!(text, "    not known: {reason}");
        }
    }
    text += "\nwhy they differ: NHS England's figures have\n";
    for difference in definitions.iter().flat_map(|beside| &beside.differences) {
        let _ = writeln!(text, "  {}", difference.sentence);
    }
    text += "\nwhere each definition is written\n";
    for beside in definitions {
        let _ = writeln!(text, "  {}: {}", beside.name, beside.source);
    }
    text
}
