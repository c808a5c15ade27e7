//! The same call under the definitions in use: why one supplier's "abandoned" is another's "missed".
//!
//! A definition is a table from how a call ended, and how long the caller waited, to what it counts as. Each says where
//! it comes from. What a source leaves open is said to be open, and a wait that is not known decides nothing. So a month
//! can be counted under each, call by call.

use serde::{Deserialize, Serialize};

use crate::call::{Call, CallKind, Outcome};

/// What a call counts as under a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    /// Answered.
    Answered,
    /// Missed.
    Missed,
    /// Abandoned.
    Abandoned,
    /// Ended in the menu or an announcement.
    EndedInMenu,
    /// A call back was requested.
    CallbackRequested,
    /// A call, and none of what the definition names.
    Neither,
    /// The source does not say.
    Undefined,
    /// The records do not say enough: most often the wait is not known.
    Unknown,
    /// Not among the calls that the definition counts.
    NotCounted,
}

/// A condition on the wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    Any,
    /// At least so many seconds.
    AtLeast(u32),
    /// Fewer.
    Under(u32),
}

#[derive(Debug, Clone, Copy)]
struct Row {
    outcomes: &'static [Outcome],
    wait: Wait,
    counts: Category,
    /// Why, in the definition's own terms.
    because: &'static str,
}

/// A definition in use.
#[derive(Debug)]
pub struct Definition {
    /// A word for it.
    pub id: &'static str,
    /// What it is called.
    pub name: &'static str,
    /// Where it is written.
    pub source: &'static str,
    rows: &'static [Row],
}

/// What a call counts as, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// [`Definition::id`].
    pub definition: String,
    /// [`Definition::name`].
    pub name: String,
    /// [`Definition::source`].
    pub source: String,
    /// What the call counts as.
    pub counts: Category,
    /// Why.
    pub because: String,
}

const fn row(outcomes: &'static [Outcome], wait: Wait, counts: Category, because: &'static str) -> Row {
    Row { outcomes, wait, counts, because }
}

use Category::{Abandoned, Answered, CallbackRequested, EndedInMenu, Missed, Neither, Undefined};
use Outcome::{MissedBusy, MissedRangOut, MissedVoicemail};
use Wait::{Any, AtLeast, Under};

/// Every definition, that of the figures first.
pub const DEFINITIONS: [Definition; 4] = [
    Definition {
        id: "nhse-cbt",
        name: "NHS England, Cloud Based Telephony",
        source: "NHS England, Cloud Based Telephony Data in General Practice, supporting information, May 2026",
        rows: &[
            row(&[Outcome::Answered], Any, Answered, "CBT003 and CBT007: answered by a person in the practice"),
            row(
                &[Outcome::IvrEnded],
                Any,
                EndedInMenu,
                "CBT002: ended in the menu or sent by it to another organisation",
            ),
            row(
                &[Outcome::CallbackRequested],
                Any,
                CallbackRequested,
                "CBT005: a booked call back is not also answered",
            ),
            row(&[MissedVoicemail], Any, Missed, "CBT004: voicemail is missed, a prescription line's too"),
            row(
                &[MissedRangOut, MissedBusy],
                Any,
                Missed,
                "CBT004: the caller expected a person and reached none, however soon the call ended",
            ),
        ],
    },
    Definition {
        id: "nhs-30-seconds",
        name: "30 seconds in queue",
        source: "NHS 111 Minimum Data Set, calls abandoned after waiting 30 seconds; quoted for practices by X-on Health, \
                 \"Missed or Abandoned?\" (help.x-onweb.com/en/articles/27655)",
        rows: &[
            row(&[Outcome::Answered], Any, Answered, "a person took it"),
            row(
                &[MissedRangOut],
                AtLeast(30),
                Abandoned,
                "the call ended unanswered after 30 s or more of waiting for a person",
            ),
            row(
                &[MissedRangOut],
                Under(30),
                Neither,
                "the call ended within 30 s of waiting, which this measure leaves out",
            ),
            row(&[MissedBusy], Any, Neither, "it never waited for a person"),
            row(&[Outcome::IvrEnded], Any, Neither, "it never waited for a person"),
            row(
                &[MissedVoicemail, Outcome::CallbackRequested],
                Any,
                Undefined,
                "the definition speaks of callers who hang up while they wait; this one left a message or booked a call back",
            ),
        ],
    },
    Definition {
        id: "supplier-reports",
        name: "a cloud supplier's reports",
        source: "X-on Health, \"Missed or Abandoned?\" and \"Reports Terminology\" (help.x-onweb.com/en/articles/27655 and \
                 17860); other suppliers differ",
        rows: &[
            row(&[Outcome::Answered], Any, Answered, "a member of staff took it"),
            row(
                &[MissedRangOut, MissedBusy],
                Any,
                Missed,
                "it was for a member of staff or a group and was not answered, however soon the caller gave up",
            ),
            row(
                &[MissedVoicemail],
                AtLeast(1),
                Missed,
                "it rang before voicemail took it, which is taken for a ring that staff could have answered",
            ),
            row(
                &[MissedVoicemail],
                Under(1),
                Abandoned,
                "voicemail took it at once, so staff had no chance of answering",
            ),
            row(
                &[Outcome::IvrEnded],
                Any,
                Abandoned,
                "it ended before it was for anybody, so staff had no chance of answering",
            ),
            row(&[Outcome::CallbackRequested], Any, Undefined, "these pages do not say what a booked call back is"),
        ],
    },
    Definition {
        id: "annex-c",
        name: "Advanced Telephony Specification, Annex C",
        source: "NHS England, GP Advanced Telephony Specification v1.12 draft (2022), Annex C: names of figures, without \
                 definitions",
        rows: &[
            row(
                &[Outcome::Answered],
                Any,
                Answered,
                "in \"call volumes\", \"call times to answer\" and \"average call length times\"",
            ),
            row(
                &[MissedRangOut, MissedBusy, MissedVoicemail],
                Any,
                Undefined,
                "in \"call volumes\"; the list has both \"call abandoned\" and \"missed call volumes\" and says what neither is",
            ),
            row(
                &[Outcome::IvrEnded],
                Any,
                Undefined,
                "in \"call volumes\"; whether a call that ends in the menu is abandoned is not said",
            ),
            row(
                &[Outcome::CallbackRequested],
                Any,
                CallbackRequested,
                "in \"call volumes\" and \"call backs requested\"",
            ),
        ],
    },
];

impl Definition {
    /// What the call counts as. `shows_ring` says whether its PBX prints ring times at all.
    pub fn judge(&self, call: &Call, shows_ring: bool) -> Judged {
        let (counts, because) = self.counts(call, shows_ring);
        let (definition, name, source) = (self.id.to_owned(), self.name.to_owned(), self.source.to_owned());
        Judged { definition, name, source, counts, because }
    }

    fn counts(&self, call: &Call, shows_ring: bool) -> (Category, String) {
        let outcome = match (call.kind, call.outcome) {
            (CallKind::Inbound, Some(outcome)) => outcome,
            (CallKind::Inbound, None) => {
                return (Category::NotCounted, "it reached a machine, and no person was expected".to_owned());
            }
            _ => return (Category::NotCounted, "only calls from the public network to the practice count".to_owned()),
        };
        let mut rows = self.rows.iter().filter(|row| row.outcomes.contains(&outcome));
        let holds = |row: &&Row| match (row.wait, call.wait_s) {
            (Any, _) => true,
            (AtLeast(least), Some(wait)) => wait >= least,
            (Under(most), Some(wait)) => wait < most,
            (AtLeast(_) | Under(_), None) => false,
        };
        match (rows.clone().find(holds), rows.next(), call.wait_s) {
            (Some(row), _, Some(wait)) if row.wait != Any => {
                (row.counts, format!("it waited {wait} s: {}", row.because))
            }
            (Some(row), ..) => (row.counts, row.because.to_owned()),
            (None, Some(_), _) if shows_ring => (
                Category::Unknown,
                "the records of this call do not give the whole wait, which decides here".to_owned(),
            ),
            (None, Some(_), _) => {
                (Category::Unknown, "this PBX does not print ring time, and the wait decides here".to_owned())
            }
            (None, None, _) => (Undefined, "the source does not say".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{LineRef, Owner};

    fn call(outcome: Option<Outcome>, wait_s: Option<u32>) -> Call {
        Call {
            id: LineRef { source: 1, seq: 1 },
            kind: CallKind::Inbound,
            owner: Owner::Nobody,
            arrival: jiff::Timestamp::UNIX_EPOCH,
            end: jiff::Timestamp::UNIX_EPOCH,
            outcome,
            rule: "".into(),
            wait_s,
            talk_s: None,
            answered: None,
            not_people: outcome.is_none(),
            callback_made: false,
            later_s: 0,
            earlier_s: 0,
            trunk: None,
            class: None,
            peer: None,
            token: None,
            open: false,
            legs: 1,
        }
    }

    fn all(outcome: Option<Outcome>, wait_s: Option<u32>) -> [Category; 4] {
        let call = call(outcome, wait_s);
        DEFINITIONS.each_ref().map(|definition| definition.judge(&call, true).counts)
    }

    #[test]
    fn one_call_is_what_each_definition_says() {
        use Category::{NotCounted, Unknown};
        for (outcome, wait, expected) in [
            (Outcome::Answered, Some(12), [Answered, Answered, Answered, Answered]),
            (Outcome::Answered, None, [Answered, Answered, Answered, Answered]),
            (MissedRangOut, Some(29), [Missed, Neither, Missed, Undefined]),
            (MissedRangOut, Some(30), [Missed, Abandoned, Missed, Undefined]),
            (MissedRangOut, Some(0), [Missed, Neither, Missed, Undefined]),
            (MissedRangOut, None, [Missed, Unknown, Missed, Undefined]),
            (MissedBusy, None, [Missed, Neither, Missed, Undefined]),
            (MissedVoicemail, Some(0), [Missed, Undefined, Abandoned, Undefined]),
            (MissedVoicemail, Some(1), [Missed, Undefined, Missed, Undefined]),
            (MissedVoicemail, None, [Missed, Undefined, Unknown, Undefined]),
            (Outcome::IvrEnded, None, [EndedInMenu, Neither, Abandoned, Undefined]),
            (Outcome::CallbackRequested, None, [CallbackRequested, Undefined, Undefined, CallbackRequested]),
        ] {
            assert_eq!(all(Some(outcome), wait), expected, "{outcome:?} {wait:?}");
        }
        assert_eq!(all(None, Some(5)), [NotCounted; 4], "a fax");
        let internal = Call { kind: CallKind::Internal, ..call(None, None) };
        assert_eq!(DEFINITIONS[0].judge(&internal, true).counts, NotCounted);
    }

    #[test]
    fn every_outcome_has_a_row_in_every_definition_and_no_wait_falls_between_two() {
        for definition in &DEFINITIONS {
            assert!(!definition.source.is_empty() && !definition.name.is_empty());
            for outcome in Outcome::ALL {
                for wait in [0, 1, 29, 30, 31, u32::MAX] {
                    let judged = definition.judge(&call(Some(outcome), Some(wait)), true);
                    assert_ne!(judged.counts, Category::Unknown, "{}: {outcome:?} {wait}", definition.id);
                    assert!(!judged.because.is_empty());
                }
            }
        }
    }

    #[test]
    fn what_the_wait_decides_is_unknown_without_one_and_says_why() {
        let call = call(Some(MissedRangOut), None);
        let judged = DEFINITIONS[1].judge(&call, false);
        assert_eq!(judged.counts, Category::Unknown);
        assert!(judged.because.contains("does not print ring time"), "{judged:?}");
        assert!(!DEFINITIONS[1].judge(&call, true).because.contains("does not print"));
    }
}
