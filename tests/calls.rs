//! Records to calls, rule by rule: which legs belong together, what took them, whose they are, how the call ended,
//! how long the caller waited and when it all was. `calls/notation.rs` says how
//! legs and calls are written.

#[path = "calls/notation.rs"]
mod notation;
#[path = "calls/owners.rs"]
mod owners;

use jiff::Timestamp;
use notation::{ROLES, by, calls_at, hold, leg, london, site};
use smdrd::call::{Assembler, LineRef, Rules, Wall};
use smdrd::dialect::{LinkKey, Linking};
use smdrd::record::{LegKind, MaskedRecord};

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
fn a_wait_is_all_the_ringing_until_a_person_answers_and_is_never_made_up() {
    hold(
        &by(LinkKey::CallId),
        ROLES,
        &[
            (
                "the menu's time is not waiting",
                &[
                    "08:00:00 in #1 l1 + r8 t40 more pV9501",
                    "08:00:00 in #1 l1 - r20 more x201",
                    "08:00:00 in #1 l1 + r11 t60 last x202",
                ],
                &["inbound answered-by-staff w31 t60 3 legs"],
            ),
            (
                "what follows the answer is not",
                &["08:00:00 in #1 l1 + r8 t40 more x201", "08:00:00 in #1 l1 + r20 t5 last x202"],
                &["inbound answered-by-staff w8 t45 2 legs"],
            ),
            (
                "a queue is",
                &["08:00:00 in #1 l1 r50 queue more", "08:00:00 in #1 l1 + r3 t5 talk last x202"],
                &["inbound answered-by-staff w53 t5 2 legs"],
            ),
            (
                "one part is not known",
                &["08:00:00 in #1 l1 - more x201", "08:00:00 in #1 l1 + r3 t5 last x202"],
                &["inbound answered-by-staff t5 2 legs"],
            ),
            ("no ring time at all", &["08:00:00 in #1 l1 + t5 x202"], &["inbound answered-by-staff t5"]),
            ("no talk time", &["08:00:00 in #1 l1 + r5 x202"], &["inbound answered-by-staff w5"]),
            (
                "no talk time of one of two",
                &["08:00:00 in #1 l1 + r5 t7 more x202", "08:00:00 in #1 l1 + r0 last x203"],
                &["inbound answered-by-staff w5 2 legs"],
            ),
            ("zero is zero", &["08:00:00 in #1 l1 + r0 t0 x202"], &["inbound answered-by-staff w0 t0"]),
            (
                "more than can be counted",
                &["08:00:00 in #1 l1 - r4294967295 more x201", "08:00:00 in #1 l1 + r4294967295 t5 last x202"],
                &["inbound answered-by-staff t5 2 legs"],
            ),
        ],
    );
}

#[test]
fn stations_that_ring_at_once_wait_once() {
    hold(
        &by(LinkKey::CallId),
        ROLES,
        &[
            (
                "the one that gave up is printed after the one that answered",
                &["08:00:00 in #1 l1 + r5 t43 parallel x201", "08:00:00 in #1 l1 - r4 parallel x202"],
                &["inbound answered-by-staff w5 t43 2 legs"],
            ),
            (
                "one after the other",
                &["08:00:00 in #1 l1 - r15 parallel x201", "08:00:15 in #1 l1 + r6 t10 parallel x202"],
                &["inbound answered-by-staff w21 t10 2 legs"],
            ),
            (
                "nobody",
                &["08:00:00 in #1 l1 - r60 parallel x201", "08:00:00 in #1 l1 - r30 parallel x202"],
                &["inbound nobody-answered w60 2 legs"],
            ),
            (
                "the answer does not say when",
                &["08:00:00 in #1 l1 - r60 parallel x201", "08:00:00 in #1 l1 + t9 parallel x202"],
                &["inbound answered-by-staff t9 2 legs"],
            ),
            (
                "the menu's time is not waiting",
                &["08:00:00 in #1 l1 t40 aa", "08:00:40 in #1 l1 + r6 t10 parallel x202"],
                &["inbound answered-by-staff w6 t10 2 legs"],
            ),
            (
                "one of them busy",
                &["08:00:00 in #1 l1 - r0 busy parallel x201", "08:00:00 in #1 l1 - r30 parallel x202"],
                &["inbound nobody-answered w30 2 legs"],
            ),
            (
                "all of them busy",
                &["08:00:00 in #1 l1 - r0 busy parallel x201", "08:00:00 in #1 l1 - r0 busy parallel x202"],
                &["inbound stations-busy w0 2 legs"],
            ),
        ],
    );
    let legs = ["08:00:00 in #1 l1 + r5 t40 parallel x201", "08:00:00 in #1 l1 - r5 parallel x202"];
    let call = &calls_at(site(""), &by(LinkKey::CallId), &legs)[0];
    assert_eq!(call.end.to_string(), "2026-11-20T08:00:45Z", "they do not follow one another");
}

#[test]
fn a_stamp_says_when_the_call_came_and_how_sure_that_is() {
    // Leg, then arrival, end, by how much later and earlier it may have come.
    for (text, arrival, end, later, earlier) in [
        ("08:00:00 arr in + r10 t60 h5", "08:00:00", "08:01:15", 0, 0),
        ("08:00:00 arr in +", "08:00:00", "08:00:00", 0, 0),
        ("08:00:00 ans in + r10 t60 h5", "07:59:50", "08:01:05", 0, 0),
        ("08:00:00 ans in + t60", "08:00:00", "08:01:00", 0, 120),
        ("08:00:00 end in + r10 t60 h5", "07:58:45", "08:00:00", 0, 0),
        ("08:00:00 end in + t60", "07:59:00", "08:00:00", 0, 120),
        ("08:00:00 end in - r10", "07:59:50", "08:00:00", 0, 0),
        ("08:00:00 end in + r10", "07:59:50", "08:00:00", 0, 120),
        ("08:00:00 end in -", "08:00:00", "08:00:00", 0, 120),
        ("08:00:00 evt in offered", "08:00:00", "08:00:00", 0, 0),
        ("08:00:00 evt in +", "08:00:00", "08:00:00", 0, 120),
        ("08:00:00 unk in + r10 t60", "08:00:00", "08:01:00", 0, 120),
        ("08:00:00 arr /60 in + r10 t60", "08:00:00", "08:01:10", 59, 0),
        ("08:00:00 end /60 in + t60", "07:59:00", "08:00:00", 59, 120),
        ("00:00:10 end in + r10 t60", "2026-11-19T23:59:00Z", "00:00:10", 0, 0),
        ("23:59:30 arr in + r10 t60", "23:59:30", "2026-11-21T00:00:40Z", 0, 0),
        ("08:00:00 arr in + r4294967295 t4294967295 h4294967295", "08:00:00", "2435-03-12T03:24:45Z", 0, 0),
        ("1970-01-01T00:00:05 end in + r10 t60", "1969-12-31T22:58:55Z", "1969-12-31T23:00:05Z", 0, 0),
    ] {
        let call = &calls_at(site(""), &by(LinkKey::Nothing), &[text])[0];
        let instant = |text: &str| -> Timestamp {
            if text.contains('T') { text.parse().unwrap() } else { format!("2026-11-20T{text}Z").parse().unwrap() }
        };
        assert_eq!((call.arrival, call.end), (instant(arrival), instant(end)), "{text}");
        assert_eq!((call.later_s, call.earlier_s), (later, earlier), "{text}");
    }
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
fn an_open_call_is_sealed_in_time_and_opened_again_by_a_leg_that_announces_more() {
    let mut assembler = Assembler::new(site(ROLES));
    assembler.source(1, Rules { linking: by(LinkKey::CallId), zone: london() }, Wall::default());
    let at = |time: &str| -> Timestamp { format!("2026-11-20T{time}Z").parse().unwrap() };
    let mut seq = 0;
    let mut accept = |assembler: &mut Assembler, text: &str| {
        seq += 1;
        assembler.accept(LineRef { source: 1, seq }, leg(text).1).unwrap()
    };
    let call = accept(&mut assembler, "08:00:00 in #1 l1 + r5 t10 more x201");
    assert!(call.open && assembler.open() == 1);
    assert!(assembler.tick(at("08:59:59"), |_| false).is_empty());
    let sealed = assembler.tick(at("09:00:16"), |_| false);
    assert_eq!((sealed.len(), sealed[0].open, assembler.open()), (1, false, 0));
    assert!(assembler.tick(at("10:00:00"), |_| false).is_empty(), "once");
    let call = accept(&mut assembler, "08:00:00 in #1 l1 + r0 t20 more x202");
    assert!(call.open && call.legs == 2);
    let closed = assembler.tick(at("08:01:00"), |call| call.legs == 2);
    assert_eq!(closed.len(), 1, "its day is closed");
    let call = accept(&mut assembler, "08:00:00 in #1 l1 + r0 t30 last x202");
    assert_eq!((call.open, call.talk_s), (false, Some(60)));
    // Nothing is forgotten on the box's clock alone, nor by one wild stamp.
    assembler.tick(at("23:00:00"), |_| false);
    assert!(assembler.knows(call.id));
    for wild in ["2099-01-01T00:00:00 in #8 l1 - r1", "08:10:00 in #9 l1 - r1", "1970-01-01T00:00:00 in #10 l1 - r1"] {
        accept(&mut assembler, wild);
        assembler.tick(at("23:00:00"), |_| false);
        assert!(assembler.knows(call.id), "{wild}");
    }
    accept(&mut assembler, "2026-11-22T08:00:00 in #11 l1 - r1");
    accept(&mut assembler, "2026-11-22T08:00:00 in #12 l1 - r1");
    assembler.tick(at("23:00:00"), |_| false);
    assert!(!assembler.knows(call.id), "two days later on its own clock");
}

#[test]
fn a_call_that_is_put_back_stands_as_it_stood_in_the_repeated_hour_too() {
    let rules = || Rules { linking: by(LinkKey::CallId), zone: london() };
    let mut live = Assembler::new(site(""));
    live.source(1, rules(), Wall::default());
    let texts = [
        "2026-10-25T01:50:00 in #1 l1 - r5",
        "2026-10-25T01:10:00 in #2 l1 + r5 t20 more x201", // the hour has begun again
        "2026-10-25T01:10:00 in #2 l1 + r0 t30 last x202",
    ];
    let line = |seq| LineRef { source: 1, seq };
    live.accept(line(1), leg(texts[0]).1).unwrap();
    let stored = live.accept(line(2), leg(texts[1]).1).unwrap();
    assert_eq!(stored.arrival.to_string(), "2026-10-25T01:10:00Z");
    let mut again = Assembler::new(site(""));
    again.source(1, rules(), live.wall(1));
    again.restore(stored.id, vec![(line(2), leg(texts[1]).1)], &stored);
    again.set_wall(1, live.wall(1));
    assert_eq!(again.call(stored.id), Some(stored));
    let (live, again) = (live.accept(line(3), leg(texts[2]).1), again.accept(line(3), leg(texts[2]).1));
    assert_eq!((live.as_ref().map(|call| call.legs), live), (Some(2), again));
}

#[test]
fn a_record_without_a_stamp_is_in_no_day() {
    let mut assembler = Assembler::new(site(""));
    assembler.source(1, Rules { linking: by(LinkKey::CallId), zone: london() }, Wall::default());
    let record = MaskedRecord { stamp: None, ..leg("08:00:00 in #1 + r1 t1").1 };
    assert_eq!(assembler.accept(LineRef { source: 1, seq: 1 }, record), None);
    let unknown = LineRef { source: 9, seq: 1 };
    assert_eq!(assembler.accept(unknown, leg("08:00:00 in #1").1), None, "a source that nobody configured");
}

#[test]
fn what_a_day_has_forgotten_no_late_leg_brings_back() {
    let mut assembler = Assembler::new(site(""));
    assembler.source(1, Rules { linking: by(LinkKey::CallId), zone: london() }, Wall::default());
    let mut seq = 0;
    let mut accept = |assembler: &mut Assembler, text: &str| {
        seq += 1;
        assembler.accept(LineRef { source: 1, seq }, leg(text).1).unwrap()
    };
    let first = accept(&mut assembler, "23:59:00 in #1 l1 c7 + r5 t10 more x201");
    let other = accept(&mut assembler, "23:59:30 in #2 l1 c8 + r5 t10 more x201");
    assert_eq!((first.token, other.token), (Some(7), Some(8)));
    assembler.forget_tokens(|id| id == first.id);
    let late = accept(&mut assembler, "23:59:00 in #1 l1 c9 + r0 t20 last x202");
    assert_eq!((late.legs, late.token, late.peer), (2, None, Some(7)));
    assert_eq!(assembler.call(other.id).unwrap().token, Some(8));
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
