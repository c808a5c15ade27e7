//! What people read of a stretch of days: the figures, their means, the same calls under other definitions and why those
//! differ. Means are made here, from sums and counts, and go nowhere else.

pub mod call_level;
mod figures;
mod text;

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::aggregate::document::{DayDocument, PracticeSite};
use crate::aggregate::side_by_side::{Beside, Tally, Unknowable};
use crate::aggregate::silence::is_working_day;

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
        for slot in document.slots.iter().filter(|slot| is_working_day(document.date) && core(&slot.local)) {
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
