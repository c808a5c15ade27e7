//! What people read of a stretch of days: the figures, their means, the same calls under other definitions and why those
//! differ. Means are made here, from sums and counts, and go nowhere else.

pub mod call_level;
mod figures;
mod text;

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::aggregate::calendar::is_working_day;
use crate::aggregate::document::{DayDocument, PracticeSite};
use crate::aggregate::side_by_side::{Beside, Tally, Unknowable};

pub use figures::{AnnexC, Figure};
pub use text::readable;

/// The report of one practice over a stretch of days.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Whose.
    pub practice: PracticeSite,
    /// First civil day.
    pub from: Date,
    /// Last civil day.
    pub to: Date,
    /// How many of the days have figures.
    pub days: u32,
    /// Days before collecting began.
    pub days_before: u32,
    /// Days that are still to come.
    pub days_ahead: u32,
    /// How much was observed of the days with figures.
    pub coverage: Observed,
    /// Whether calls that the PBX passed on over an outside line count as answered by the practice's own people
    /// (`roles.diverted-outside`), on any of the days.
    pub diverted_outside_is_staff: bool,
    /// CBT001 to CBT007, summed over the days with figures.
    pub cbt: BTreeMap<String, Figure>,
    /// The list of Annex C, as it is read here.
    pub annex_c: Vec<AnnexC>,
    /// The same calls under every definition, NHS England's first; null where they are not all kept.
    pub definitions: Option<Vec<Beside>>,
    /// Why they are null.
    pub definitions_absent: Option<String>,
}

/// How much was observed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Seconds in which every PBX was seen …
    pub observed_s: u64,
    /// … of so many.
    pub of_s: u64,
    /// The same in core hours: 08:00 to 18:30 on working days.
    pub core_observed_s: u64,
    /// All core hours.
    pub core_of_s: u64,
}

/// Everything that a report is made of.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// Whose.
    pub practice: PracticeSite,
    /// First civil day.
    pub from: Date,
    /// Last civil day.
    pub to: Date,
    /// Documents of the days with figures, in order.
    pub documents: &'a [DayDocument],
    /// Days before collecting began.
    pub days_before: u32,
    /// Days that are still to come.
    pub days_ahead: u32,
    /// Their calls, counted; or why not all of them are there.
    pub calls: Result<Tally, String>,
}

/// The first core half-hour, and the first after them.
const CORE: (&str, &str) = ("08:00", "18:30");
/// Length of a half-hour.
const HALF_HOUR_S: u64 = 1800;

/// Makes the report.
pub fn report(inputs: Inputs<'_>) -> Report {
    let Inputs { practice, from, to, documents, days_before, days_ahead, calls } = inputs;
    let absent = unknowable(documents);
    let (definitions, definitions_absent) = match calls {
        Ok(tally) => (Some(tally.beside(&absent)), None),
        Err(why) => (None, Some(why)),
    };
    Report {
        practice,
        from,
        to,
        days: u32::try_from(documents.len()).unwrap_or(u32::MAX),
        days_before,
        days_ahead,
        coverage: observed(documents),
        diverted_outside_is_staff: documents.iter().any(|document| document.features.diverted_outside_is_staff),
        cbt: figures::cbt(documents),
        annex_c: figures::annex_c(documents),
        definitions,
        definitions_absent,
    }
}

/// What of a document was observed.
pub fn observed(documents: &[DayDocument]) -> Observed {
    let mut sum = Observed::default();
    for document in documents {
        sum.observed_s += document.coverage.observed_s;
        sum.of_s += HALF_HOUR_S * document.slots.len() as u64;
        let core = |local: &str| CORE.0 <= local && local < CORE.1;
        for slot in document
            .slots
            .iter()
            .filter(|slot| is_working_day(document.date, document.day.bank_holiday) && core(&slot.local))
        {
            sum.core_observed_s += slot.observed_s;
            sum.core_of_s += HALF_HOUR_S;
        }
    }
    sum
}

/// What cannot be known of some of these days, and why.
fn unknowable(documents: &[DayDocument]) -> BTreeMap<Unknowable, String> {
    let keys = [
        ("CBT002", Unknowable::Menu),
        ("CBT003", Unknowable::Answered),
        ("CBT004", Unknowable::Missed),
        ("CBT005", Unknowable::Callback),
        ("missed_voicemail", Unknowable::Voicemail),
    ];
    let reason = |key: &str| documents.iter().find_map(|document| document.cbt.absent.get(key)).cloned();
    keys.into_iter().filter_map(|(key, what)| Some((what, reason(key)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::definitions::Category;

    fn document(text: &str) -> DayDocument {
        serde_json::from_str(text).unwrap()
    }

    /// The contract's example, and the one of a PBX that prints neither unanswered calls nor a ring.
    fn documents() -> [DayDocument; 2] {
        [
            document(include_str!("../../tests/contract/day-document.example.json")),
            document(include_str!("../../tests/contract/day-document.nulls.example.json")),
        ]
    }

    fn of(documents: &[DayDocument], calls: Result<Tally, String>) -> Report {
        let practice = documents[0].practice.clone();
        let (from, to) = ("2026-11-01".parse().unwrap(), "2026-11-30".parse().unwrap());
        report(Inputs { practice, from, to, documents, days_before: 18, days_ahead: 10, calls })
    }

    fn item<'a>(report: &'a Report, name: &str) -> &'a AnnexC {
        report.annex_c.iter().find(|item| item.name == name).unwrap()
    }

    #[test]
    fn a_month_sums_its_days_and_makes_means_of_sums_and_counts() {
        let all = documents();
        let report = of(&all[..1], Ok(Tally::default()));
        let inbound = &all[0].totals.inbound;
        assert_eq!(report.cbt["CBT001"].value, inbound.calls);
        let talk = item(&report, "Average call length times");
        let (calls, seconds) = (inbound.answered.unwrap(), inbound.answered_talk_sum_s.unwrap());
        assert_eq!((talk.of, talk.left_out), (Some(calls), Some(0)));
        assert!(talk.value.unwrap().abs_diff(seconds / calls) <= 1, "{talk:?}");
        assert_eq!(talk.histogram, inbound.answered_talk);
        // Only 08:00 to 18:30 of a working day are core hours: the example shows two half-hours of them.
        assert_eq!(report.coverage.core_of_s, 2 * 1800);
        assert_eq!(report.coverage.core_observed_s, 1800 + 1500);
    }

    #[test]
    fn a_day_that_cannot_say_makes_the_month_null_with_the_reason() {
        let all = documents();
        let mut report = of(&all, Ok(Tally::default()));
        let missed = &report.cbt["CBT004"];
        assert_eq!((missed.value, missed.days_unknown), (None, 1));
        assert_eq!(missed.absent.as_deref(), Some("unanswered calls make no record on this PBX"));
        assert_eq!(report.cbt["CBT003"].value, Some(53 + 53));
        let waited = item(&report, "Call times to answer");
        assert_eq!((waited.value, waited.absent.as_deref()), (None, Some("no ring time in this format")));
        let nhse = &report.definitions.as_ref().unwrap()[0];
        let count = nhse.counts.iter().find(|count| count.category == Category::Missed).unwrap();
        assert_eq!((count.calls, nhse.calls), (None, None));
        let text = readable(&report);
        for said in [
            "2 days with figures, 18 before collecting began, 10 still to come",
            "CBT004 missed                 not known: unanswered calls make no record on this PBX (on 1 of 2 days)",
            "missed not known",
        ] {
            assert!(text.contains(said), "{said}: {text}");
        }
        assert!(!text.contains("practice's own people"));
        report.diverted_outside_is_staff = true;
        assert!(readable(&report).contains("answered by the practice's own people (roles.diverted-outside)"));
    }

    #[test]
    fn a_month_without_days_or_calls_says_so_and_is_not_0() {
        let all = documents();
        let report = of(&all[..1], Err("calls are kept from 2026-11-10 on".to_owned()));
        assert_eq!(report.definitions, None);
        assert!(readable(&report).contains("not known: calls are kept from 2026-11-10 on"));
        let practice = all[0].practice.clone();
        let (from, to) = ("2026-09-01".parse().unwrap(), "2026-09-30".parse().unwrap());
        let calls = Err("no day has figures".to_owned());
        let empty = super::report(Inputs { practice, from, to, documents: &[], days_before: 30, days_ahead: 0, calls });
        assert!(empty.cbt.values().all(|figure| figure.value.is_none() && figure.absent.is_some()));
        assert!(empty.annex_c.iter().all(|item| item.value.is_none() && item.absent.is_some()));
    }
}
