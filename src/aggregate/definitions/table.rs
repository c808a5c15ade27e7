//! The definitions themselves.

use super::{Category, Definition, Row, Scope, Wait};
use crate::call::Outcome;

const fn row(
    outcomes: &'static [Outcome],
    wait: Wait,
    counts: Category,
    label: &'static str,
    because: &'static str,
) -> Row {
    Row { outcomes, wait, counts, label, because }
}

use Category::{Abandoned, Answered, CallbackRequested, EndedInMenu, Missed, Neither, Undefined};
use Outcome::{MissedBusy, MissedRangOut, MissedVoicemail};
use Wait::{Any, AtLeast, Under};

/// Every definition, that of the figures first.
pub const DEFINITIONS: [Definition; 7] = [
    Definition {
        id: "nhse-cbt",
        name: "NHS England, Cloud Based Telephony",
        source: "NHS England, Cloud Based Telephony Data in General Practice, supporting information, May 2026",
        scope: Scope::All,
        beside_missed: Missed,
        rows: &[
            row(
                &[Outcome::Answered],
                Any,
                Answered,
                "answered",
                "CBT003 and CBT007: answered by a person in the practice",
            ),
            row(
                &[Outcome::IvrEnded],
                Any,
                EndedInMenu,
                "ended in the menu",
                "CBT002: ended in the menu or sent by it to another organisation",
            ),
            row(
                &[Outcome::CallbackRequested],
                Any,
                CallbackRequested,
                "call back booked",
                "CBT005: a booked call back is not also answered",
            ),
            row(&[MissedVoicemail], Any, Missed, "voicemail", "CBT004: voicemail is missed, a prescription line's too"),
            row(
                &[MissedRangOut],
                Any,
                Missed,
                "not answered",
                "CBT004: the caller expected a person and reached none, however soon the call ended",
            ),
            row(
                &[MissedBusy],
                Any,
                Missed,
                "all stations busy",
                "CBT004: the caller expected a person and reached none, however soon the call ended",
            ),
        ],
    },
    Definition {
        id: "nhs-30-seconds",
        name: "30 seconds in queue",
        source: "NHS 111 Minimum Data Set, calls abandoned after waiting 30 seconds; quoted for practices by X-on Health, \
                 \"Missed or Abandoned?\" (help.x-onweb.com/en/articles/27655)",
        scope: Scope::All,
        beside_missed: Abandoned,
        rows: &[
            row(&[Outcome::Answered], Any, Answered, "answered", "a person took it"),
            row(
                &[MissedRangOut],
                AtLeast(30),
                Abandoned,
                "not answered after 30 s or more",
                "the call ended unanswered after 30 s or more of waiting for a person",
            ),
            row(
                &[MissedRangOut],
                Under(30),
                Neither,
                "hung up in under 30 s",
                "the call ended within 30 s of waiting, which this measure leaves out",
            ),
            row(&[MissedBusy], Any, Neither, "all stations busy", "it never waited for a person"),
            row(&[Outcome::IvrEnded], Any, Neither, "ended in the menu", "it never waited for a person"),
            row(
                &[MissedVoicemail],
                Any,
                Undefined,
                "voicemail",
                "the definition speaks of callers who hang up while they wait; this one left a message or booked a call back",
            ),
            row(
                &[Outcome::CallbackRequested],
                Any,
                Undefined,
                "call back booked",
                "the definition speaks of callers who hang up while they wait; this one left a message or booked a call back",
            ),
        ],
    },
    Definition {
        id: "supplier-reports",
        name: "a cloud supplier's reports",
        source: "X-on Health, \"Missed or Abandoned?\" and \"Reports Terminology\" (help.x-onweb.com/en/articles/27655 and \
                 17860); other suppliers differ",
        scope: Scope::All,
        beside_missed: Missed,
        rows: &[
            row(&[Outcome::Answered], Any, Answered, "answered", "a member of staff took it"),
            row(
                &[MissedRangOut],
                Any,
                Missed,
                "not answered",
                "it was for a member of staff or a group and was not answered, however soon the caller gave up",
            ),
            row(
                &[MissedBusy],
                Any,
                Missed,
                "all stations busy",
                "it was for a member of staff or a group and was not answered, however soon the caller gave up",
            ),
            row(
                &[MissedVoicemail],
                AtLeast(1),
                Missed,
                "voicemail after ringing",
                "it rang before voicemail took it, which is taken for a ring that staff could have answered",
            ),
            row(
                &[MissedVoicemail],
                Under(1),
                Abandoned,
                "voicemail at once",
                "voicemail took it at once, so staff had no chance of answering",
            ),
            row(
                &[Outcome::IvrEnded],
                Any,
                Abandoned,
                "ended in the menu",
                "it ended before it was for anybody, so staff had no chance of answering",
            ),
            row(
                &[Outcome::CallbackRequested],
                Any,
                Undefined,
                "call back booked",
                "these pages do not say what a booked call back is",
            ),
        ],
    },
    Definition {
        id: "queued-calls",
        name: "a report of queued calls only",
        source: "X-on Health, \"Reports Terminology\", group terms: queued for group, answered from queue, missed from queue \
                 (help.x-onweb.com/en/articles/17860)",
        scope: Scope::Queued,
        beside_missed: Missed,
        rows: &[
            row(&[Outcome::Answered], Any, Answered, "answered", "it joined a group's queue and was answered"),
            row(
                &[MissedRangOut],
                Any,
                Missed,
                "not answered",
                "it joined a group's queue and was not answered from it",
            ),
            row(
                &[MissedBusy],
                Any,
                Missed,
                "all stations busy",
                "it joined a group's queue and was not answered from it",
            ),
            row(&[MissedVoicemail], Any, Missed, "voicemail", "it joined a group's queue and was not answered from it"),
            row(
                &[Outcome::IvrEnded],
                Any,
                Undefined,
                "ended in the menu",
                "it joined a queue and ended in a menu or elsewhere, which these pages do not speak of",
            ),
            row(
                &[Outcome::CallbackRequested],
                Any,
                Undefined,
                "call back booked",
                "these pages do not say what a booked call back is",
            ),
        ],
    },
    Definition {
        id: "voicemail-answered",
        name: "a report in which voicemail answers",
        source: "no publication: a reading that call loggers have where the PBX prints voicemail like a station; ask whoever \
                 makes the report",
        scope: Scope::All,
        beside_missed: Missed,
        rows: &[
            row(&[Outcome::Answered], Any, Answered, "answered", "somebody took it"),
            row(
                &[MissedVoicemail],
                Any,
                Answered,
                "voicemail",
                "voicemail took it, which such a report cannot tell from a person",
            ),
            row(&[MissedRangOut], Any, Missed, "not answered", "nothing took it"),
            row(&[MissedBusy], Any, Missed, "all stations busy", "nothing took it"),
            row(&[Outcome::IvrEnded], Any, EndedInMenu, "ended in the menu", "it ended in the menu"),
            row(&[Outcome::CallbackRequested], Any, CallbackRequested, "call back booked", "a call back was booked"),
        ],
    },
    Definition {
        id: "redials-left-out",
        name: "a report that leaves redials out",
        source: "no publication: a reading that counts callers and not calls, each number once a day; NHS England counts \
                 calls. Ask whoever makes the report",
        scope: Scope::FirstOfItsNumber,
        beside_missed: Missed,
        rows: &[
            row(&[Outcome::Answered], Any, Answered, "answered", "the number's first call of the day, and answered"),
            row(&[MissedVoicemail], Any, Missed, "voicemail", "the number's first call of the day, and not answered"),
            row(&[MissedRangOut], Any, Missed, "not answered", "the number's first call of the day, and not answered"),
            row(
                &[MissedBusy],
                Any,
                Missed,
                "all stations busy",
                "the number's first call of the day, and not answered",
            ),
            row(
                &[Outcome::IvrEnded],
                Any,
                EndedInMenu,
                "ended in the menu",
                "the number's first call of the day, ended in the menu",
            ),
            row(
                &[Outcome::CallbackRequested],
                Any,
                CallbackRequested,
                "call back booked",
                "the number's first call of the day, with a call back booked",
            ),
        ],
    },
    Definition {
        id: "annex-c",
        name: "Advanced Telephony Specification, Annex C",
        source: "NHS England, GP Advanced Telephony Specification v1.12 draft (2022), Annex C: names of figures, without \
                 definitions",
        scope: Scope::All,
        beside_missed: Missed,
        rows: &[
            row(
                &[Outcome::Answered],
                Any,
                Answered,
                "answered",
                "in \"call volumes\", \"call times to answer\" and \"average call length times\"",
            ),
            row(
                &[MissedRangOut],
                Any,
                Undefined,
                "not answered",
                "in \"call volumes\"; the list has both \"call abandoned\" and \"missed call volumes\" and says what neither is",
            ),
            row(
                &[MissedBusy],
                Any,
                Undefined,
                "all stations busy",
                "in \"call volumes\"; the list has both \"call abandoned\" and \"missed call volumes\" and says what neither is",
            ),
            row(
                &[MissedVoicemail],
                Any,
                Undefined,
                "voicemail",
                "in \"call volumes\"; the list has both \"call abandoned\" and \"missed call volumes\" and says what neither is",
            ),
            row(
                &[Outcome::IvrEnded],
                Any,
                Undefined,
                "ended in the menu",
                "in \"call volumes\"; whether a call that ends in the menu is abandoned is not said",
            ),
            row(
                &[Outcome::CallbackRequested],
                Any,
                CallbackRequested,
                "call back booked",
                "in \"call volumes\" and \"call backs requested\"",
            ),
        ],
    },
];
