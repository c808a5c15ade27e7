//! When a call is open, sealed, opened again, put back and forgotten.

use jiff::Timestamp;
use smdrd::call::{Assembler, LineRef, Rules, Wall};
use smdrd::dialect::LinkKey;
use smdrd::record::MaskedRecord;

use super::notation::{ROLES, by, leg, london, site};

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
