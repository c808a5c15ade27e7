//! A stretch of days under every definition at once, and why the numbers differ: each difference is taken apart into
//! groups of calls that one counts and the other does not, so that the groups add up to it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::definitions::{Case, Category, DEFINITIONS, Definition, Scope};
use crate::call::Outcome;

/// A group of calls: what NHS England counts them as, what the other does, and what they are in a few words.
type Group = (Category, Category, &'static str);

/// Calls, counted under every definition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// By definition, in the order of [`DEFINITIONS`].
    groups: [BTreeMap<Group, u64>; DEFINITIONS.len()],
}

impl Tally {
    /// Counts a call.
    pub fn add(&mut self, case: &Case<'_>) {
        let [nhse, ..] = &DEFINITIONS;
        let (ours, our_label) = {
            let verdict = nhse.verdict(case);
            (verdict.counts, verdict.label)
        };
        for (groups, definition) in self.groups.iter_mut().zip(&DEFINITIONS) {
            let theirs = definition.verdict(case);
            // What the call is: by the words of whoever makes the finer difference.
            let label = match theirs.counts {
                Category::NotCounted | Category::Unknown | Category::Undefined => theirs.label,
                _ if theirs.counts == ours => our_label,
                _ => theirs.label,
            };
            *groups.entry((ours, theirs.counts, label)).or_default() += 1;
        }
    }

    /// Adds what was counted elsewhere.
    pub fn merge(&mut self, other: &Tally) {
        for (groups, others) in self.groups.iter_mut().zip(&other.groups) {
            for (group, calls) in others {
                *groups.entry(*group).or_default() += calls;
            }
        }
    }

    /// How many calls NHS England counts.
    pub fn calls(&self) -> u64 {
        let [ours, ..] = &self.groups;
        ours.iter().filter(|((ours, ..), _)| *ours != Category::NotCounted).map(|(_, calls)| calls).sum()
    }

    /// Every definition beside NHS England's. `absent` says which outcomes are not known here, and why.
    pub fn beside(&self, absent: &BTreeMap<Unknowable, String>) -> Vec<Beside> {
        DEFINITIONS.iter().zip(&self.groups).map(|(definition, groups)| beside(definition, groups, absent)).collect()
    }
}

/// What may be impossible to know at a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unknowable {
    /// How many calls were answered.
    Answered,
    /// How many ended in the menu.
    Menu,
    /// How many booked a call back.
    Callback,
    /// How many were missed.
    Missed,
    /// How many of those are voicemail.
    Voicemail,
}

impl Unknowable {
    fn of(outcome: Outcome) -> Unknowable {
        match outcome {
            Outcome::Answered => Unknowable::Answered,
            Outcome::IvrEnded => Unknowable::Menu,
            Outcome::CallbackRequested => Unknowable::Callback,
            Outcome::MissedRangOut | Outcome::MissedVoicemail | Outcome::MissedBusy => Unknowable::Missed,
        }
    }
}

/// How many calls count as something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// As what.
    pub category: Category,
    /// How many; null where it cannot be known.
    pub calls: Option<u64>,
    /// Why it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent: Option<String>,
}

/// Some of the calls in which two definitions differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// How many.
    pub calls: u64,
    /// What they are.
    pub what: String,
    /// What the other definition counts them as (in `more`), or NHS England (in `less`).
    pub counted_as: Category,
}

/// A figure of NHS England's beside the other's, and why they differ:
/// `nhse - other = more + not_said - less`, each summed over its parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// NHS England's figure: `answered`, `missed`; or nothing for all calls.
    pub figure: Option<Category>,
    /// What stands beside it.
    pub beside: Option<Category>,
    /// NHS England's count.
    pub nhse: u64,
    /// The other's, as far as it is known.
    pub other: u64,
    /// Calls that NHS England counts there and the other counts elsewhere.
    pub more: Vec<Part>,
    /// Calls that NHS England counts there, and of which the other does not say, or of which too little is known.
    pub not_said: Vec<Part>,
    /// Calls that the other counts there and NHS England elsewhere.
    pub less: Vec<Part>,
    /// All that in a sentence.
    pub sentence: String,
}

/// A definition beside NHS England's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beside {
    /// [`Definition::id`].
    pub definition: String,
    /// [`Definition::name`].
    pub name: String,
    /// [`Definition::source`].
    pub source: String,
    /// Calls that it counts; null where that cannot be known.
    pub calls: Option<u64>,
    /// What they count as.
    pub counts: Vec<Count>,
    /// Why its figures differ from NHS England's; none for NHS England's own, nor for what cannot be known.
    pub differences: Vec<Difference>,
}

fn beside(definition: &Definition, groups: &BTreeMap<Group, u64>, absent: &BTreeMap<Unknowable, String>) -> Beside {
    let counted: BTreeSet<Category> = groups.keys().map(|(_, theirs, _)| *theirs).collect();
    let never = [Category::NotCounted];
    let categories = Category::ALL.into_iter().filter(|category| {
        !never.contains(category) && (counted.contains(category) || definition.categories().any(|one| one == *category))
    });
    let count = |category: Category| {
        let calls = sum(groups, |_, theirs| theirs == category);
        let absent = why_unknown(definition, category, absent);
        Count { category, calls: absent.is_none().then_some(calls), absent }
    };
    let lacking = [Unknowable::Answered, Unknowable::Missed, Unknowable::Menu, Unknowable::Callback];
    let all_known = lacking.iter().all(|what| !absent.contains_key(what));
    let all = sum(groups, |_, theirs| theirs != Category::NotCounted);
    // Of a call whose queue or redial is not known, nobody knows whether it counts at all.
    let scope_known = definition.scope == Scope::All || sum(groups, |_, theirs| theirs == Category::Unknown) == 0;
    Beside {
        definition: definition.id.to_owned(),
        name: definition.name.to_owned(),
        source: definition.source.to_owned(),
        calls: (all_known && scope_known).then_some(all),
        counts: categories.map(count).collect(),
        differences: differences(definition, groups, absent, all_known),
    }
}

/// Why it cannot be known how many calls count as something.
fn why_unknown(definition: &Definition, category: Category, absent: &BTreeMap<Unknowable, String>) -> Option<String> {
    let of: Vec<Outcome> = definition.outcomes_of(category).collect();
    let whole = of.iter().find_map(|outcome| absent.get(&Unknowable::of(*outcome)));
    // Where voicemail is not told from the rest, nothing that treats it in its own way is known.
    let part = of.contains(&Outcome::MissedVoicemail) != of.contains(&Outcome::MissedRangOut);
    whole.or_else(|| absent.get(&Unknowable::Voicemail).filter(|_| part)).cloned()
}

fn differences(
    definition: &Definition,
    groups: &BTreeMap<Group, u64>,
    absent: &BTreeMap<Unknowable, String>,
    all_known: bool,
) -> Vec<Difference> {
    let [nhse, ..] = &DEFINITIONS;
    if definition.id == nhse.id {
        return Vec::new();
    }
    let mut differences = Vec::new();
    if definition.scope != Scope::All && all_known {
        differences.push(difference(definition, groups, None, None));
    }
    for (figure, beside) in [(Category::Answered, Category::Answered), (Category::Missed, definition.beside_missed)] {
        // Of what a definition never says, there is nothing to compare.
        let says = definition.outcomes_of(beside).next().is_some();
        let known = [why_unknown(nhse, figure, absent), why_unknown(definition, beside, absent)];
        if says && known.iter().all(Option::is_none) {
            differences.push(difference(definition, groups, Some(figure), Some(beside)));
        }
    }
    differences
}

fn sum(groups: &BTreeMap<Group, u64>, holds: impl Fn(Category, Category) -> bool) -> u64 {
    groups.iter().filter(|((ours, theirs, _), _)| holds(*ours, *theirs)).map(|(_, calls)| calls).sum()
}

fn difference(
    definition: &Definition,
    groups: &BTreeMap<Group, u64>,
    figure: Option<Category>,
    beside: Option<Category>,
) -> Difference {
    let is_ours = |ours: Category| figure.map_or(ours != Category::NotCounted, |figure| ours == figure);
    let open = |theirs: Category| matches!(theirs, Category::Undefined | Category::Unknown);
    let is_theirs = |theirs: Category| match beside {
        Some(beside) => theirs == beside,
        None => theirs != Category::NotCounted && theirs != Category::Unknown,
    };
    let parts = |holds: &dyn Fn(Category, Category) -> bool, theirs_is_told: bool| -> Vec<Part> {
        let mut found: BTreeMap<(&str, Category), u64> = BTreeMap::new();
        for ((ours, theirs, label), calls) in groups {
            if holds(*ours, *theirs) {
                *found.entry((label, if theirs_is_told { *theirs } else { *ours })).or_default() += calls;
            }
        }
        let part =
            |((what, counted_as), calls): ((&str, Category), u64)| Part { calls, what: what.to_owned(), counted_as };
        let mut parts: Vec<Part> = found.into_iter().map(part).collect();
        parts.sort_by(|one, other| other.calls.cmp(&one.calls).then_with(|| one.what.cmp(&other.what)));
        parts
    };
    let mut found = Difference {
        figure,
        beside,
        nhse: sum(groups, |ours, _| is_ours(ours)),
        other: sum(groups, |_, theirs| is_theirs(theirs)),
        more: parts(&|ours, theirs| is_ours(ours) && !is_theirs(theirs) && !open(theirs), true),
        not_said: parts(&|ours, theirs| is_ours(ours) && !is_theirs(theirs) && open(theirs), true),
        less: parts(&|ours, theirs| !is_ours(ours) && is_theirs(theirs), false),
        sentence: String::new(),
    };
    found.sentence = sentence(definition, &found);
    found
}

/// The difference as a person says it.
fn sentence(definition: &Definition, found: &Difference) -> String {
    let (figure, name) = (found.figure.map_or("calls", Category::words), definition.name);
    let as_what = match (found.figure, found.beside) {
        (Some(figure), Some(beside)) if figure != beside => format!(" counts as {}", beside.words()),
        _ => " counts".to_owned(),
    };
    let listed = |parts: &[Part]| {
        parts.iter().map(|part| format!("{} {}", part.calls, part.what)).collect::<Vec<_>>().join(", ")
    };
    let kind = if found.figure.is_some() { format!("calls {figure}") } else { figure.to_owned() };
    let mut text = match found.nhse.cmp(&found.other) {
        std::cmp::Ordering::Equal => format!("as many {kind} as {name}{as_what}: {}", found.nhse),
        std::cmp::Ordering::Greater => format!("{} more {kind} than {name}{as_what}", found.nhse - found.other),
        std::cmp::Ordering::Less => format!("{} fewer {kind} than {name}{as_what}", found.other - found.nhse),
    };
    let mut lead = if found.nhse == found.other { "; " } else { ": " };
    for (parts, before, behind) in [
        (&found.more, "", ""),
        (&found.not_said, "", ", of which it does not say, or too little is known"),
        (&found.less, "less ", ", which NHS England counts elsewhere"),
    ] {
        if !parts.is_empty() {
            text += &format!("{lead}{before}{}{behind}", listed(parts));
            lead = "; ";
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::call::{Call, CallKind, LineRef, Owner};

    fn call(kind: CallKind, outcome: Option<Outcome>, wait_s: Option<u32>) -> Call {
        Call {
            id: LineRef { source: 1, seq: 1 },
            kind,
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

    fn tally(calls: &[(Outcome, Option<u32>, u64)]) -> Tally {
        let mut tally = Tally::default();
        for (outcome, wait, times) in calls {
            let call = call(CallKind::Inbound, Some(*outcome), *wait);
            for _ in 0..*times {
                tally.add(&Case { call: &call, shows_ring: true, queued: Some(true), repeat: Some(false) });
            }
        }
        tally
    }

    fn named<'a>(all: &'a [Beside], id: &str) -> &'a Beside {
        all.iter().find(|beside| beside.definition == id).unwrap()
    }

    fn missed<'a>(all: &'a [Beside], id: &str) -> &'a Difference {
        let of = &named(all, id).differences;
        of.iter().find(|difference| difference.figure == Some(Category::Missed)).unwrap()
    }

    use Outcome::{Answered, CallbackRequested, IvrEnded, MissedRangOut, MissedVoicemail};

    #[test]
    fn a_difference_is_said_with_its_groups() {
        let all = tally(&[
            (Answered, Some(10), 200),
            (MissedVoicemail, Some(20), 29),
            (MissedRangOut, Some(12), 8),
            (MissedRangOut, Some(30), 14),
            (IvrEnded, None, 40),
            (CallbackRequested, None, 3),
        ])
        .beside(&BTreeMap::new());
        assert_eq!(
            missed(&all, "voicemail-answered").sentence,
            "29 more calls missed than a report in which voicemail answers counts: 29 voicemail"
        );
        assert_eq!(
            missed(&all, "nhs-30-seconds").sentence,
            "37 more calls missed than 30 seconds in queue counts as abandoned: 8 hung up in under 30 s; 29 voicemail, of \
             which it does not say, or too little is known"
        );
        assert_eq!(
            missed(&all, "supplier-reports").sentence,
            "as many calls missed as a cloud supplier's reports counts: 51"
        );
        let answered = &named(&all, "voicemail-answered").differences[0];
        assert_eq!(
            answered.sentence,
            "29 fewer calls answered than a report in which voicemail answers counts: less 29 voicemail, which NHS England \
             counts elsewhere"
        );
        assert!(named(&all, "nhse-cbt").differences.is_empty());
        assert!(!named(&all, "annex-c").differences.iter().any(|one| one.figure == Some(Category::Missed)));
    }

    #[test]
    fn what_cannot_be_known_is_null_and_compared_with_nothing() {
        let tally = tally(&[(Answered, Some(10), 5)]);
        let why = "unanswered calls make no record on this PBX".to_owned();
        let all = tally.beside(&BTreeMap::from([(Unknowable::Missed, why.clone())]));
        let count = |id: &str, category| {
            named(&all, id).counts.iter().find(|count| count.category == category).cloned().unwrap()
        };
        for (id, category) in [
            ("nhse-cbt", Category::Missed),
            ("nhs-30-seconds", Category::Abandoned),
            ("nhs-30-seconds", Category::Neither),
            ("voicemail-answered", Category::Answered),
        ] {
            assert_eq!((count(id, category).calls, count(id, category).absent), (None, Some(why.clone())), "{id}");
        }
        assert_eq!(count("nhse-cbt", Category::Answered).calls, Some(5));
        assert_eq!(named(&all, "nhse-cbt").calls, None);
        for beside in &all {
            assert!(beside.differences.iter().all(|one| one.figure == Some(Category::Answered)), "{beside:?}");
        }
        // Voicemail that looks like a person takes only what hangs on it.
        let all = tally.beside(&BTreeMap::from([(Unknowable::Voicemail, "not told".to_owned())]));
        let count =
            |id: &str, category| named(&all, id).counts.iter().find(|count| count.category == category).unwrap().calls;
        assert_eq!(
            (count("nhse-cbt", Category::Missed), count("voicemail-answered", Category::Missed)),
            (Some(0), None)
        );
    }

    fn any_call() -> impl Strategy<Value = (Call, bool, Option<bool>, Option<bool>)> {
        let kind = prop_oneof![9 => Just(CallKind::Inbound), 1 => Just(CallKind::Outbound)];
        let outcome = proptest::option::weighted(0.9, (0..Outcome::ALL.len()).prop_map(|at| Outcome::ALL[at]));
        let wait = proptest::option::weighted(0.8, prop_oneof![0_u32..3, 28_u32..33, 0_u32..400]);
        let flag = || proptest::option::weighted(0.8, any::<bool>());
        (kind, outcome, wait, any::<bool>(), flag(), flag())
            .prop_map(|(kind, outcome, wait, ring, queued, repeat)| (call(kind, outcome, wait), ring, queued, repeat))
    }

    proptest! {
        #[test]
        fn differences_add_up_whatever_the_calls(
            calls in proptest::collection::vec(any_call(), 0..60), cut in 0_usize..60,
        ) {
            let (mut tally, mut rest) = (Tally::default(), Tally::default());
            for (at, (call, shows_ring, queued, repeat)) in calls.iter().enumerate() {
                let case = Case { call, shows_ring: *shows_ring, queued: *queued, repeat: *repeat };
                if at < cut { tally.add(&case) } else { rest.add(&case) }
            }
            tally.merge(&rest);
            let counted = |definition: &Definition, holds: &dyn Fn(Category) -> bool| {
                let judged = calls.iter().map(|(call, shows_ring, queued, repeat)| {
                    definition.judge(&Case { call, shows_ring: *shows_ring, queued: *queued, repeat: *repeat }).counts
                });
                judged.filter(|counts| holds(*counts)).count() as u64
            };
            let people = |counts: Category| counts != Category::NotCounted;
            prop_assert_eq!(tally.calls(), counted(&DEFINITIONS[0], &people));
            for (definition, beside) in DEFINITIONS.iter().zip(tally.beside(&BTreeMap::new())) {
                // Every call counts as one thing.
                let each: u64 = beside.counts.iter().filter_map(|count| count.calls).sum();
                match beside.calls {
                    Some(calls) => prop_assert_eq!(each, calls),
                    None => prop_assert!(definition.scope != Scope::All),
                }
                for count in &beside.counts {
                    prop_assert_eq!(count.calls, Some(counted(definition, &|counts| counts == count.category)));
                }
                for one in &beside.differences {
                    let sum = |parts: &[Part]| parts.iter().map(|part| part.calls as i64).sum::<i64>();
                    let net = sum(&one.more) + sum(&one.not_said) - sum(&one.less);
                    prop_assert_eq!(one.nhse as i64 - one.other as i64, net, "{:?}", one);
                    let nhse = |counts: Category| one.figure.map_or(people(counts), |figure| counts == figure);
                    prop_assert_eq!(one.nhse, counted(&DEFINITIONS[0], &nhse));
                    let listed = one.more.iter().chain(&one.not_said).chain(&one.less);
                    for part in listed {
                        prop_assert!(one.sentence.contains(&format!("{} {}", part.calls, part.what)), "{}", one.sentence);
                    }
                }
            }
        }
    }
}
