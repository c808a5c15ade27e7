//! The same call under the definitions in use: why one supplier's "abandoned" is another's "missed".
//!
//! A definition is a table from how a call ended, and how long the caller waited, to what it counts as. Each says where
//! it comes from. What a source leaves open is said to be open, and a wait that is not known decides nothing. So a month
//! can be counted under each, call by call.

mod table;

use serde::{Deserialize, Serialize};

use crate::call::{Call, CallKind, Outcome};

pub use table::DEFINITIONS;

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

/// Which calls a definition counts at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Every external inbound call for people.
    All,
    /// Those that joined a group's queue.
    Queued,
    /// The first of each number on a day.
    FirstOfItsNumber,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    outcomes: &'static [Outcome],
    wait: Wait,
    counts: Category,
    /// What such a call is, in a few words.
    label: &'static str,
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
    /// Which calls it counts.
    pub scope: Scope,
    /// What stands in it beside NHS England's "missed".
    pub beside_missed: Category,
    rows: &'static [Row],
}

/// A call, and what must be known of it beside.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The call.
    pub call: &'a Call,
    /// Whether its PBX prints ring times at all.
    pub shows_ring: bool,
    /// Whether it joined a group's queue; nothing where that is not known.
    pub queued: Option<bool>,
    /// Whether its number had called before on the day; nothing where calls are not linked.
    pub repeat: Option<bool>,
}

/// What a call is under a definition, for counting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What it counts as.
    pub counts: Category,
    /// What such a call is, in a few words.
    pub label: &'static str,
    /// Why it counts so.
    pub because: String,
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

impl Definition {
    /// What the call counts as, for a person.
    pub fn judge(&self, case: &Case<'_>) -> Judged {
        let Verdict { counts, because, .. } = self.verdict(case);
        let (definition, name, source) = (self.id.to_owned(), self.name.to_owned(), self.source.to_owned());
        Judged { definition, name, source, counts, because }
    }

    /// What the call counts as.
    pub fn verdict(&self, case: &Case<'_>) -> Verdict {
        let call = case.call;
        let verdict = |counts, label, because: &str| Verdict { counts, label, because: because.to_owned() };
        let not_counted = |label, because| verdict(Category::NotCounted, label, because);
        let outcome = match (call.kind, call.outcome) {
            (CallKind::Inbound, Some(outcome)) => outcome,
            (CallKind::Inbound, None) => {
                return not_counted("reached a machine", "it reached a machine, and no person was expected");
            }
            _ => {
                let because = "only calls from the public network to the practice count";
                return not_counted("not from outside", because);
            }
        };
        match (self.scope, case.queued, case.repeat) {
            (Scope::Queued, Some(false), _) => return not_counted("joined no queue", "it joined no group's queue"),
            // Where nobody is rung, no queue was joined.
            (Scope::Queued, None, _) if outcome == Outcome::IvrEnded => {
                return not_counted("joined no queue", "it joined no group's queue");
            }
            (Scope::Queued, None, _) => {
                let because = "whether it joined a queue is not known: no station has the role hunt-group";
                return verdict(Category::Unknown, "queue or not is not known", because);
            }
            (Scope::FirstOfItsNumber, _, Some(true)) => {
                return not_counted("from a number that had called before", "its number had called before on that day");
            }
            (Scope::FirstOfItsNumber, _, None) => {
                let because = "calls of one number are not linked here, so whether it is a redial is not known";
                return verdict(Category::Unknown, "redial or not is not known", because);
            }
            _ => {}
        }
        self.of_outcome(outcome, call.wait_s, case.shows_ring)
    }

    fn of_outcome(&self, outcome: Outcome, wait_s: Option<u32>, shows_ring: bool) -> Verdict {
        let mut rows = self.rows.iter().filter(|row| row.outcomes.contains(&outcome));
        let holds = |row: &&Row| match (row.wait, wait_s) {
            (Wait::Any, _) => true,
            (Wait::AtLeast(least), Some(wait)) => wait >= least,
            (Wait::Under(most), Some(wait)) => wait < most,
            (Wait::AtLeast(_) | Wait::Under(_), None) => false,
        };
        let unknown =
            |because: &str| Verdict { counts: Category::Unknown, label: "wait not known", because: because.to_owned() };
        match (rows.clone().find(holds), rows.next(), wait_s) {
            (Some(row), _, Some(wait)) if row.wait != Wait::Any => Verdict {
                counts: row.counts,
                label: row.label,
                because: format!("it waited {wait} s: {}", row.because),
            },
            (Some(row), ..) => Verdict { counts: row.counts, label: row.label, because: row.because.to_owned() },
            (None, Some(_), _) if shows_ring => {
                unknown("the records of this call do not give the whole wait, which decides here")
            }
            (None, Some(_), _) => unknown("this PBX does not print ring time, and the wait decides here"),
            (None, None, _) => {
                let because = "the source does not say".to_owned();
                Verdict { counts: Category::Undefined, label: "not spoken of", because }
            }
        }
    }

    /// The outcomes of which some calls count as `category`.
    pub fn outcomes_of(&self, category: Category) -> impl Iterator<Item = Outcome> {
        let counts = move |outcome: &Outcome| {
            self.rows.iter().any(|row| row.counts == category && row.outcomes.contains(outcome))
        };
        Outcome::ALL.into_iter().filter(counts)
    }

    /// What it counts calls as, in the order of the categories.
    pub fn categories(&self) -> impl Iterator<Item = Category> {
        Category::ALL.into_iter().filter(|category| self.rows.iter().any(|row| row.counts == *category))
    }
}

impl Category {
    /// Every category, in order.
    pub const ALL: [Category; 9] = [
        Category::Answered,
        Category::Missed,
        Category::Abandoned,
        Category::EndedInMenu,
        Category::CallbackRequested,
        Category::Neither,
        Category::Undefined,
        Category::Unknown,
        Category::NotCounted,
    ];

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Category::Answered => "answered",
            Category::Missed => "missed",
            Category::Abandoned => "abandoned",
            Category::EndedInMenu => "ended in the menu",
            Category::CallbackRequested => "call back requested",
            Category::Neither => "neither",
            Category::Undefined => "not said",
            Category::Unknown => "not known",
            Category::NotCounted => "not counted",
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

    fn case(call: &Call) -> Case<'_> {
        Case { call, shows_ring: true, queued: Some(true), repeat: Some(false) }
    }

    fn named(id: &str) -> &'static Definition {
        DEFINITIONS.iter().find(|definition| definition.id == id).unwrap()
    }

    fn all(outcome: Option<Outcome>, wait_s: Option<u32>) -> [Category; 7] {
        let call = call(outcome, wait_s);
        DEFINITIONS.each_ref().map(|definition| definition.judge(&case(&call)).counts)
    }

    #[test]
    fn one_call_is_what_each_definition_says() {
        use Category::*;
        use Outcome::{MissedBusy, MissedRangOut, MissedVoicemail};
        // In the order of the table: CBT, 30 s, a supplier's, queued calls, voicemail answers, redials left out, Annex C.
        for (outcome, wait, expected) in [
            (Outcome::Answered, Some(12), [Answered; 7]),
            (Outcome::Answered, None, [Answered; 7]),
            (MissedRangOut, Some(29), [Missed, Neither, Missed, Missed, Missed, Missed, Undefined]),
            (MissedRangOut, Some(30), [Missed, Abandoned, Missed, Missed, Missed, Missed, Undefined]),
            (MissedRangOut, Some(0), [Missed, Neither, Missed, Missed, Missed, Missed, Undefined]),
            (MissedRangOut, None, [Missed, Unknown, Missed, Missed, Missed, Missed, Undefined]),
            (MissedBusy, None, [Missed, Neither, Missed, Missed, Missed, Missed, Undefined]),
            (MissedVoicemail, Some(0), [Missed, Undefined, Abandoned, Missed, Answered, Missed, Undefined]),
            (MissedVoicemail, Some(1), [Missed, Undefined, Missed, Missed, Answered, Missed, Undefined]),
            (MissedVoicemail, None, [Missed, Undefined, Unknown, Missed, Answered, Missed, Undefined]),
            (
                Outcome::IvrEnded,
                None,
                [EndedInMenu, Neither, Abandoned, Undefined, EndedInMenu, EndedInMenu, Undefined],
            ),
            (
                Outcome::CallbackRequested,
                None,
                [
                    CallbackRequested,
                    Undefined,
                    Undefined,
                    Undefined,
                    CallbackRequested,
                    CallbackRequested,
                    CallbackRequested,
                ],
            ),
        ] {
            assert_eq!(all(Some(outcome), wait), expected, "{outcome:?} {wait:?}");
        }
        assert_eq!(all(None, Some(5)), [NotCounted; 7], "a fax");
        let internal = Call { kind: CallKind::Internal, ..call(None, None) };
        assert_eq!(DEFINITIONS[0].judge(&case(&internal)).counts, NotCounted);
    }

    #[test]
    fn a_queue_or_a_redial_that_nobody_knows_of_decides_nothing() {
        let answered = call(Some(Outcome::Answered), Some(3));
        let judged = |id: &str, queued, repeat| named(id).judge(&Case { queued, repeat, ..case(&answered) }).counts;
        for (queued, counts) in
            [(Some(true), Category::Answered), (Some(false), Category::NotCounted), (None, Category::Unknown)]
        {
            assert_eq!(judged("queued-calls", queued, None), counts);
            assert_eq!(judged("nhse-cbt", queued, None), Category::Answered);
        }
        for (repeat, counts) in
            [(Some(false), Category::Answered), (Some(true), Category::NotCounted), (None, Category::Unknown)]
        {
            assert_eq!(judged("redials-left-out", None, repeat), counts);
            assert_eq!(judged("nhse-cbt", None, repeat), Category::Answered);
        }
        let menu = call(Some(Outcome::IvrEnded), None);
        let counts = named("queued-calls").judge(&Case { queued: None, ..case(&menu) }).counts;
        assert_eq!(counts, Category::NotCounted, "it was for nobody");
    }

    #[test]
    fn every_outcome_has_a_row_in_every_definition_and_no_wait_falls_between_two() {
        for definition in &DEFINITIONS {
            assert!(!definition.source.is_empty() && !definition.name.is_empty());
            for outcome in Outcome::ALL {
                for wait in [0, 1, 29, 30, 31, u32::MAX] {
                    let judged = definition.judge(&case(&call(Some(outcome), Some(wait))));
                    assert_ne!(judged.counts, Category::Unknown, "{}: {outcome:?} {wait}", definition.id);
                    assert!(!judged.because.is_empty());
                }
            }
        }
    }

    #[test]
    fn what_the_wait_decides_is_unknown_without_one_and_says_why() {
        let call = call(Some(Outcome::MissedRangOut), None);
        let judged = |shows_ring| named("nhs-30-seconds").judge(&Case { shows_ring, ..case(&call) });
        assert_eq!(judged(false).counts, Category::Unknown);
        assert!(judged(false).because.contains("does not print ring time"), "{:?}", judged(false));
        assert!(!judged(true).because.contains("does not print"));
    }
}
