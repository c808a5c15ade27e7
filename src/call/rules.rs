//! The rules that decide how a call ended, each with a name and a sentence.

use super::{Call, CallKind};

/// A rule. Its name is stored with the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A fax, alarm, lift or door, and no person.
    ReachedAMachine,
    /// A person took it.
    AnsweredByStaff,
    /// Another PBX of the practice took it.
    AnsweredOverTie,
    /// The practice's own people took it outside, on a mobile.
    AnsweredOutside,
    /// A call back was booked.
    CallbackBooked,
    /// Voicemail took it.
    ReachedVoicemail,
    /// It was sent to another organisation.
    DivertedOutside,
    /// Every station was busy.
    StationsBusy,
    /// The menu took it and nobody was rung after.
    EndedInMenu,
    /// Only the menu was rung.
    EndedBeforeMenu,
    /// The record says that nobody answered.
    NobodyAnswered,
    /// No record shows an answer.
    NoAnswerShown,
    /// An outgoing call.
    Outgoing,
}

impl Rule {
    /// Every rule, in the order in which they are tried.
    pub const ALL: [Rule; 13] = [
        Rule::ReachedAMachine,
        Rule::AnsweredByStaff,
        Rule::AnsweredOverTie,
        Rule::AnsweredOutside,
        Rule::CallbackBooked,
        Rule::ReachedVoicemail,
        Rule::DivertedOutside,
        Rule::StationsBusy,
        Rule::EndedInMenu,
        Rule::EndedBeforeMenu,
        Rule::NobodyAnswered,
        Rule::NoAnswerShown,
        Rule::Outgoing,
    ];

    /// The name that is stored. Never changed.
    pub fn name(self) -> &'static str {
        match self {
            Rule::ReachedAMachine => "reached-a-machine",
            Rule::AnsweredByStaff => "answered-by-staff",
            Rule::AnsweredOverTie => "answered-over-tie",
            Rule::AnsweredOutside => "answered-outside",
            Rule::CallbackBooked => "callback-booked",
            Rule::ReachedVoicemail => "reached-voicemail",
            Rule::DivertedOutside => "diverted-outside",
            Rule::StationsBusy => "stations-busy",
            Rule::EndedInMenu => "ended-in-menu",
            Rule::EndedBeforeMenu => "ended-before-menu",
            Rule::NobodyAnswered => "nobody-answered",
            Rule::NoAnswerShown => "no-answer-shown",
            Rule::Outgoing => "outgoing",
        }
    }

    /// The rule of this name.
    pub fn of(name: &str) -> Option<Rule> {
        Rule::ALL.into_iter().find(|rule| rule.name() == name)
    }

    /// What it says, for a person.
    pub fn sentence(self) -> &'static str {
        match self {
            Rule::ReachedAMachine => {
                "It reached a fax, an alarm, a lift or a door and no person, so it is outside CBT001 to CBT007."
            }
            Rule::AnsweredByStaff => {
                "A member of staff took it. The first answer by a person decides; what came before or after does not undo it."
            }
            Rule::AnsweredOverTie => {
                "It was passed on over a tie line to another PBX of the practice and answered there, which is taken for a person."
            }
            Rule::AnsweredOutside => {
                "It was passed on over an outside line and answered there. The configuration says that those are the practice's own people (roles.diverted-outside)."
            }
            Rule::CallbackBooked => "No person took it, and the record says that the caller booked a call back.",
            Rule::ReachedVoicemail => {
                "No person took it and voicemail did. NHS England counts that as missed, whatever the message was for."
            }
            Rule::DivertedOutside => {
                "No person took it, and it was passed on over an outside line: sent to another organisation."
            }
            Rule::StationsBusy => "No person took it, and the record says that every station was busy.",
            Rule::EndedInMenu => {
                "The menu or announcement took it, and nobody was rung after that: the caller ended in the menu."
            }
            Rule::EndedBeforeMenu => "Only the menu or announcement was rung, and the caller was gone before it began.",
            Rule::NobodyAnswered => {
                "A person was to take it, and the record says that nobody did. Who rang off is not in the records, so a caller who gave up and a call that rang out are the same."
            }
            Rule::NoAnswerShown => {
                "A person was to take it, and no record shows that anybody did; none says outright that nobody did."
            }
            Rule::Outgoing => "It went from the practice to the public network: counted as an outgoing call only.",
        }
    }
}

/// Why the call counts as it does, for a person.
pub fn sentence(call: &Call) -> &'static str {
    Rule::of(&call.rule).map_or_else(|| of_kind(call.kind), Rule::sentence)
}

fn of_kind(kind: CallKind) -> &'static str {
    match kind {
        CallKind::Inbound => "It came from the public network; the rule that decided it is not known to this version.",
        CallKind::Outbound => Rule::Outgoing.sentence(),
        CallKind::Internal => "It went from station to station: counted as an internal call only.",
        CallKind::Tie => {
            "It came or went over a tie line, a door or another trunk that is not the public network: counted nowhere."
        }
        CallKind::Unknown => "The records do not say whether it came, went or stayed inside: counted nowhere.",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The compiler sees to it that `decide` writes rules only; this, that none lacks a name, a sentence or a place in
    /// the list.
    #[test]
    fn every_rule_has_a_name_a_sentence_and_a_line_in_the_documentation() {
        let names: BTreeSet<&str> = Rule::ALL.iter().map(|rule| rule.name()).collect();
        assert_eq!(names.len(), Rule::ALL.len());
        let documented = include_str!("../../docs/calls.md");
        for rule in Rule::ALL {
            assert_eq!(Rule::of(rule.name()), Some(rule));
            assert!(rule.sentence().len() > 20 && rule.sentence().ends_with('.'), "{rule:?}");
            assert!(documented.contains(&format!("`{}`", rule.name())), "docs/calls.md lacks {rule:?}");
        }
        // `ALL` is in the order of the variants, so one that is left out of it shows.
        assert!(Rule::ALL.iter().enumerate().all(|(place, rule)| *rule as usize == place));
        let decides = include_str!("outcome.rs");
        assert_eq!(decides.matches("call.rule = ").count(), 3);
        assert_eq!(decides.matches(".name().into();").count(), 3, "a rule is named by its name only");
    }
}
