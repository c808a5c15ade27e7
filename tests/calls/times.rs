//! How long the caller waited and when it was.

use jiff::Timestamp;
use smdrd::dialect::LinkKey;

use super::notation::{ROLES, by, calls_at, hold, site};

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
