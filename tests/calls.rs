//! Records to calls, rule by rule: which legs belong together, what took them, whose they are, how the call ended,
//! how long the caller waited and when it all was. `calls/notation.rs` says how
//! legs and calls are written.

#[path = "calls/notation.rs"]
mod notation;
#[path = "calls/owners.rs"]
mod owners;
#[path = "calls/sealing.rs"]
mod sealing;
#[path = "calls/times.rs"]
mod times;

use notation::{ROLES, by, calls_at, hold, site};
use smdrd::dialect::{LinkKey, Linking};
use smdrd::record::LegKind;

#[test]
fn legs_with_the_id_of_a_call_are_that_call() {
    hold(
        &by(LinkKey::CallId),
        ROLES,
        &[
            (
                "an id joins",
                &["08:00:00 in #1 l1 + r5 t10 more x201", "08:00:00 in #1 l1 + r0 t20 last x202"],
                &["inbound answered-by-staff w5 t30 2 legs"],
            ),
            (
                "another id does not",
                &["08:00:00 in #1 l1 + r5 t10 x201", "08:00:00 in #2 l1 + r0 t20 x202"],
                &["inbound answered-by-staff w5 t10", "inbound answered-by-staff w0 t20"],
            ),
            (
                "nor does the same id after a restart of the PBX",
                &["08:00:00 in #1 l1 + r5 t10 x201", "08:00:00 in #1 e1 l1 + r0 t20 x202"],
                &["inbound answered-by-staff w5 t10", "inbound answered-by-staff w0 t20"],
            ),
            (
                "nor that of another PBX",
                &["08:00:00 in #1 l1 + r5 t10 x201", "08:00:00 in s2 #1 l1 + r0 t20 x202"],
                &["inbound answered-by-staff w5 t10", "inbound answered-by-staff w0 t20"],
            ),
            (
                "no id, no join",
                &["08:00:00 in l1 + r5 t10 x201", "08:00:00 in l1 + r0 t20 x202"],
                &["inbound answered-by-staff w5 t10", "inbound answered-by-staff w0 t20"],
            ),
            (
                "calls lie between each other's legs",
                &[
                    "08:00:00 in #1 l1 + r5 t10 more x201",
                    "08:00:05 in #2 l2 - r9 x203",
                    "08:00:00 in #1 l1 + r0 t20 last x202",
                ],
                &["inbound answered-by-staff w5 t30 2 legs", "inbound nobody-answered w9"],
            ),
            (
                "more is announced",
                &["08:00:00 in #1 l1 + r5 t10 more x201"],
                &["inbound answered-by-staff w5 t10 open"],
            ),
            (
                "a leg that is a day late is another call",
                &["08:00:00 in #1 l1 + r5 t10 more x201", "2026-11-22T08:00:00 in #1 l1 + r1 t20 last x202"],
                &["inbound answered-by-staff w5 t10 open", "inbound answered-by-staff w1 t20"],
            ),
            (
                "an internal start gives way to what follows",
                &["08:00:00 int #1 + r3 t5 more x201", "08:00:10 out #1 l1 + r5 t30 last x201"],
                &["outbound t30 2 legs"],
            ),
            (
                "an external start does not",
                &["08:00:00 in #1 l1 + r3 t5 more x201", "08:00:10 int #1 + r5 t30 last x202"],
                &["inbound answered-by-staff w3 t35 2 legs"],
            ),
        ],
    );
}

#[test]
fn without_an_id_a_transfer_follows_its_call_on_the_line() {
    hold(
        &by(LinkKey::TrunkAndPeer),
        ROLES,
        &[
            (
                "a transfer joins",
                &["08:00:30 end in l3 c7 + r5 t25 x101", "08:01:30 end in l3 c7 + t60 transfer x102"],
                &["inbound answered-by-staff w5 t85 2 legs"],
            ),
            (
                "and another",
                &[
                    "08:00:30 end in l3 c7 + r5 t25 x101",
                    "08:01:30 end in l3 c7 + t60 transfer x102",
                    "08:01:40 end in l3 c7 + t10 transfer x103",
                ],
                &["inbound answered-by-staff w5 t95 3 legs"],
            ),
            (
                "a call again is a call",
                &["08:00:30 end in l3 c7 + r5 t25 x101", "08:01:30 end in l3 c7 + r1 t59 x102"],
                &["inbound answered-by-staff w5 t25", "inbound answered-by-staff w1 t59"],
            ),
            (
                "3 s of slack",
                &["08:00:30 end in l3 c7 + r5 t25 x101", "08:01:33 end in l3 c7 + t60 transfer x102"],
                &["inbound answered-by-staff w5 t85 2 legs"],
            ),
            (
                "and 3 s the other way",
                &["08:00:30 end in l3 c7 + r5 t25 x101", "08:01:27 end in l3 c7 + t60 transfer x102"],
                &["inbound answered-by-staff w5 t85 2 legs"],
            ),
            (
                "not 4 s",
                &["08:00:30 end in l3 c7 + r5 t25 x101", "08:01:34 end in l3 c7 + r0 t60 transfer x102"],
                &["inbound answered-by-staff w5 t25", "inbound answered-by-staff w0 t60"],
            ),
            (
                "not after the window",
                &["08:00:30 end in l3 c7 + r5 t25 x101", "08:05:31 end in l3 c7 + r0 t301 transfer x102"],
                &["inbound answered-by-staff w5 t25", "inbound answered-by-staff w0 t301"],
            ),
            (
                "one caller on two lines at once",
                &[
                    "08:00:30 end in l3 c7 + r5 t25 x101",
                    "08:00:31 end in l4 c8 + r2 t25 x103",
                    "08:01:31 end in l4 c8 + t60 transfer x104",
                    "08:01:32 end in l3 c7 + t62 transfer x102",
                ],
                &["inbound answered-by-staff w5 t87 2 legs", "inbound answered-by-staff w2 t85 2 legs"],
            ),
            (
                "withheld callers",
                &[
                    "08:00:30 end in l3 + r5 t25 x101",
                    "08:00:30 end in l4 + r6 t20 x103",
                    "08:01:30 end in l4 + t60 transfer x104",
                    "08:01:30 end in l3 + t60 transfer x102",
                ],
                &["inbound answered-by-staff w5 t85 2 legs", "inbound answered-by-staff w6 t80 2 legs"],
            ),
            (
                "the next caller of a line is not the last one",
                &[
                    "08:00:30 end in l3 c7 + r5 t25 x101",
                    "08:01:00 end in l3 c9 + r5 t23 x101",
                    "08:01:30 end in l3 c9 + t30 transfer x102",
                ],
                &["inbound answered-by-staff w5 t25", "inbound answered-by-staff w5 t53 2 legs"],
            ),
            (
                "a transfer whose number got a new peer by a reboot",
                &["08:00:30 end in l3 c7 + r5 t25 x101", "08:01:30 end in l3 c8 + t60 transfer x102"],
                &["inbound answered-by-staff w5 t85 2 legs"],
            ),
            (
                "a transfer without a number",
                &["08:00:30 end in l3 c7 + r5 t25 x101", "08:01:30 end in l3 + t60 transfer x102"],
                &["inbound answered-by-staff w5 t85 2 legs"],
            ),
            (
                "a transfer whose first part was lost is a call",
                &["08:01:30 end in l3 c7 + r0 t60 transfer x102"],
                &["inbound answered-by-staff w0 t60"],
            ),
            (
                "letters of supervision are no other line",
                &["08:00:30 end in lA001 c7 + r5 t25 x101", "08:01:30 end in lT001 c7 + t60 transfer x102"],
                &["inbound answered-by-staff w5 t85 2 legs"],
            ),
            ("an offer waits for its call", &["08:00:01 evt in l3 c7 offered x101"], &["inbound no-answer-shown open"]),
            (
                "and is part of it",
                &["08:00:01 evt in l3 c7 offered x101", "08:00:30 end in l3 c7 + r5 t20 x102"],
                &["inbound answered-by-staff w5 t20 2 legs"],
            ),
        ],
    );
}

#[test]
fn how_a_call_ended_has_a_reason() {
    hold(
        &by(LinkKey::CallId),
        ROLES,
        &[
            ("staff", &["08:00:00 in #1 l1 + r5 t10 x201"], &["inbound answered-by-staff w5 t10"]),
            ("a hunt group", &["08:00:00 in #1 l1 + r5 t10 x200"], &["inbound answered-by-staff w5 t10"]),
            (
                "the menu first",
                &["08:00:00 in #1 l1 + r1 t20 more pV9501", "08:00:00 in #1 l1 + r5 t10 last x201"],
                &["inbound answered-by-staff w5 t10 2 legs"],
            ),
            ("the menu only", &["08:00:00 in #1 l1 + r1 t20 pV9501"], &["inbound ended-in-menu"]),
            ("the menu, as the format says", &["08:00:00 in #1 l1 + r1 t20 aa"], &["inbound ended-in-menu"]),
            ("rang at the menu only", &["08:00:00 in #1 l1 - r1 pV9501"], &["inbound ended-before-menu"]),
            (
                "the menu, then nobody",
                &["08:00:00 in #1 l1 + r1 t20 more pV9501", "08:00:00 in #1 l1 - r30 last x201"],
                &["inbound nobody-answered w30 2 legs"],
            ),
            ("nobody", &["08:00:00 in #1 l1 - r30 x201"], &["inbound nobody-answered w30"]),
            ("nobody, and the format does not say", &["08:00:00 in #1 l1 r30 x201"], &["inbound no-answer-shown w30"]),
            (
                "voicemail",
                &["08:00:00 in #1 l1 - r30 more x201", "08:00:00 in #1 l1 + r2 t20 last pV9511"],
                &["inbound reached-voicemail w32 2 legs"],
            ),
            ("voicemail, as the format says", &["08:00:00 in #1 l1 + r2 t20 vm"], &["inbound reached-voicemail w2"]),
            (
                "voicemail after staff",
                &["08:00:00 in #1 l1 + r5 t10 more x201", "08:00:00 in #1 l1 + r2 t20 last pV9511"],
                &["inbound answered-by-staff w5 t10 2 legs"],
            ),
            (
                "staff after voicemail",
                &["08:00:00 in #1 l1 + r5 t10 more pV9511", "08:00:00 in #1 l1 + r2 t20 last x201"],
                &["inbound answered-by-staff w7 t20 2 legs"],
            ),
            ("voicemail that rang out", &["08:00:00 in #1 l1 - r30 pV9511"], &["inbound nobody-answered w30"]),
            ("busy", &["08:00:00 in #1 l1 - busy"], &["inbound stations-busy"]),
            ("a call back booked", &["08:00:00 in #1 l1 - r90 booked queue"], &["inbound callback-booked"]),
            (
                "answered before one was booked",
                &["08:00:00 in #1 l1 + r9 t5 more x201", "08:00:00 in #1 l1 - r90 booked queue"],
                &["inbound answered-by-staff w9 t5 2 legs"],
            ),
            ("a call back made", &["08:00:00 out #1 l1 + r9 t5 kept x201"], &["outbound t5"]),
            (
                "sent outside by the menu",
                &["08:00:00 in #1 l1 + r1 t20 more pV9501", "08:00:00 tan #1 l1 + r9 t60 last"],
                &["inbound diverted-outside 2 legs"],
            ),
            ("a conference is no person", &["08:00:00 in #1 l1 + r5 t10 conf x201"], &["inbound no-answer-shown w5"]),
            ("fax", &["08:00:00 in #1 l1 + r5 t10 x290"], &["inbound reached-a-machine"]),
            ("alarm", &["08:00:00 in #1 l1 - r5 x291"], &["inbound reached-a-machine"]),
            ("lift", &["08:00:00 in #1 l1 + r5 t10 x292"], &["inbound reached-a-machine"]),
            ("door", &["08:00:00 in #1 l1 + r5 t10 x293"], &["inbound reached-a-machine"]),
            (
                "a fax call that staff took first",
                &["08:00:00 in #1 l1 + r5 t10 more x201", "08:00:00 in #1 l1 + r1 t30 last x290"],
                &["inbound answered-by-staff w5 t10 2 legs"],
            ),
            ("a tie line", &["08:00:00 in #1 l80 + r5 t10 x201"], &["tie"]),
            ("a door's trunk", &["08:00:00 in #1 l81 + r5 t10 x201"], &["tie"]),
            ("another trunk", &["08:00:00 out #1 l82 + r5 t10 x201"], &["tie"]),
            (
                "one call seen by two PBXs over a tie",
                &["08:00:00 in s1 #1 l1 + r5 t10 x201", "08:00:00 in s2 #9 l80 + r5 t10 x301"],
                &["inbound answered-by-staff w5 t10", "tie"],
            ),
            ("internal", &["08:00:00 int #1 + r5 t10 x201"], &["internal"]),
            ("no direction", &["08:00:00 #1 + r5 t10 x201"], &["unknown"]),
        ],
    );
}

#[test]
fn legs_that_bear_the_start_of_the_call_follow_one_another() {
    let legs = ["08:00:00 in #1 l1 + r5 t10 more x201", "08:00:00 in #1 l1 + r3 t20 h2 last x202"];
    let call = &calls_at(site(""), &by(LinkKey::CallId), &legs)[0];
    assert_eq!(call.end.to_string(), "2026-11-20T08:00:40Z");
    let legs = ["08:00:30 end in l3 c7 + r5 t25 x101", "08:01:30 end in l3 c7 + t60 transfer x102"];
    let call = &calls_at(site(""), &by(LinkKey::TrunkAndPeer), &legs)[0];
    assert_eq!(
        (call.arrival.to_string(), call.end.to_string()),
        ("2026-11-20T08:00:00Z".into(), "2026-11-20T08:01:30Z".into())
    );
}

#[test]
fn the_ring_of_an_answered_call_may_have_a_leg_of_its_own() {
    // The Samsung's rules: the waiting announces the leg that takes it.
    let samsung = Linking {
        window_s: 14_400,
        slack_s: 60,
        joins: vec![LegKind::Talk, LegKind::Transfer],
        announced: vec![LegKind::Talk],
        chained: true,
        ..by(LinkKey::Trunk)
    };
    hold(
        &samsung,
        ROLES,
        &[
            (
                "its ring is the wait, the other's seconds the talk",
                &["08:00:00 in l1 queue more r16 x201", "08:00:16 in l1 talk + t90 x201"],
                &["inbound answered-by-staff w16 t90 2 legs"],
            ),
            (
                "also where the ring says that it was answered",
                &["08:00:16 ans in l1 queue more + r16 x201", "08:01:46 end in l1 talk + t90 x201"],
                &["inbound answered-by-staff w16 t90 2 legs"],
            ),
            (
                "a call that nobody announced is one of its own, and its ring is not known",
                &["08:00:00 in l1 talk + t90 x201", "08:02:00 in l1 talk + t30 x201"],
                &["inbound answered-by-staff t90", "inbound answered-by-staff t30"],
            ),
        ],
    );
}

#[test]
fn a_caller_who_was_announced_is_taken_soon_or_not_at_all() {
    // The Panasonic TES's rules.
    let tes = Linking {
        window_s: 14_400,
        joins: vec![LegKind::Transfer],
        opens: vec![LegKind::Offered],
        offer_s: Some(300),
        ..by(LinkKey::Trunk)
    };
    hold(
        &tes,
        ROLES,
        &[
            (
                "the first who was not taken stays one",
                &["08:00:00 /60 in l1 offered", "08:03:00 /60 in l1 offered", "08:04:00 /60 in l1 + t20 x201"],
                &["inbound no-answer-shown open", "inbound answered-by-staff t20 2 legs"],
            ),
            (
                "much later is another call",
                &["08:00:00 /60 in l1 offered", "09:00:00 /60 in l1 + t20 x201"],
                &["inbound no-answer-shown open", "inbound answered-by-staff t20"],
            ),
            (
                "who dials out has not taken him",
                &["08:00:00 /60 in l1 offered", "08:01:00 /60 out l1 t20 x201"],
                &["inbound no-answer-shown open", "outbound t20"],
            ),
        ],
    );
}
