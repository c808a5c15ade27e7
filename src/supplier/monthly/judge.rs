//! Whether an account goes into the month's file. It goes in only if nothing speaks against it; what does is said, all
//! of it.

use std::collections::BTreeSet;
use std::fmt;

use jiff::civil::Date;

use super::figures::Unfit;
use crate::aggregate::document::PracticeSite;

/// Share of the core hours of working days that must have been observed, in percent.
pub const OBSERVED: u64 = 95;

/// Why an account is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A practice of it does not take part.
    NotParticipating {
        /// Its ODS code.
        ods: String,
    },
    /// A site has no document for some days.
    MissingDays {
        /// Whose.
        of: PracticeSite,
        /// Which days, in order.
        days: BTreeSet<Date>,
    },
    /// Too little of the core hours was observed at a site, and nobody accepted that.
    NotObserved {
        /// Whose.
        of: PracticeSite,
        /// Hundredths of a percent that were.
        observed: u64,
    },
    /// Its figures come from an old PBX's records, and NHS England's acceptance of such is not on file.
    LegacyPbx {
        /// Whose.
        of: PracticeSite,
    },
    /// A day's figures cannot be sent.
    Unfit {
        /// Whose.
        of: PracticeSite,
        /// Which day.
        date: Date,
        /// What is the matter with it.
        unfit: Unfit,
    },
    /// A document that is held cannot be read.
    Unreadable {
        /// Whose.
        of: PracticeSite,
        /// Which day.
        date: Date,
        /// Why not.
        why: String,
    },
}

impl Reason {
    /// One word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Reason::NotParticipating { .. } => "not-participating",
            Reason::MissingDays { .. } => "missing-days",
            Reason::NotObserved { .. } => "not-observed",
            Reason::LegacyPbx { .. } => "legacy-pbx",
            Reason::Unfit { unfit: Unfit::Null { .. }, .. } => "null",
            Reason::Unfit { unfit: Unfit::Unknown { .. }, .. } => "unknown",
            Reason::Unfit { .. } => "unbalanced",
            Reason::Unreadable { .. } => "unreadable",
        }
    }

    /// Practice, site and day that it is about, as far as it is about one.
    pub fn place(&self) -> (&str, &str, Option<Date>) {
        match self {
            Reason::NotParticipating { ods } => (ods, "", None),
            Reason::MissingDays { of: PracticeSite { ods, site }, days } => (ods, site, days.first().copied()),
            Reason::NotObserved { of, .. } | Reason::LegacyPbx { of } => (&of.ods, &of.site, None),
            Reason::Unfit { of, date, .. } | Reason::Unreadable { of, date, .. } => (&of.ods, &of.site, Some(*date)),
        }
    }
}

/// Hundredths of a percent, rounded down: what is just below a bound must not read as if it reached it.
pub fn hundredths(part: u64, whole: u64) -> u64 {
    part.saturating_mul(10_000).checked_div(whole).unwrap_or(10_000)
}

/// Hundredths of a percent, for people.
pub fn percent(hundredths: u64) -> String {
    format!("{}.{:02} %", hundredths / 100, hundredths % 100)
}

impl fmt::Display for Reason {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::NotParticipating { ods } => write!(
                to,
                "{ods} is not on the participation list; the calls of one account cannot be told apart, so all of it stays out"
            ),
            Reason::MissingDays { days, .. } => {
                let shown: Vec<String> = days.iter().take(5).map(Date::to_string).collect();
                let more = days.len().saturating_sub(shown.len());
                write!(to, "{} day(s) are missing: {}", days.len(), shown.join(", "))?;
                if more > 0 { write!(to, " and {more} more") } else { Ok(()) }
            }
            Reason::NotObserved { observed, .. } => write!(
                to,
                "{} of 08:00-18:30 on working days was observed, {OBSERVED} % is asked for; to send it all the same, give a \
                 reason in the file of acceptances",
                percent(*observed)
            ),
            Reason::LegacyPbx { .. } => write!(
                to,
                "its documents are labelled legacy-pbx-smdr; such stay out until [legacy-pbx-smdr] holds NHS England's written \
                 acceptance"
            ),
            Reason::Unfit { unfit: Unfit::Null { code, why }, .. } => {
                write!(to, "{} cannot be said, and is not 0: {why}", code.word())
            }
            Reason::Unfit { unfit: Unfit::Unknown { code, calls }, .. } => {
                write!(to, "{}: {calls} call(s) are in no bucket, for how long they took is not known", code.word())
            }
            Reason::Unfit { unfit: Unfit::Unbalanced { what, local, sides: (one, other) }, .. } => {
                write!(to, "{what} differ at {local}: {one} and {other}")
            }
            Reason::Unfit { unfit: Unfit::Label(label), .. } => write!(to, "{label:?} is no half-hour"),
            Reason::Unreadable { why, .. } => write!(to, "the document cannot be read: {why}"),
        }
    }
}
