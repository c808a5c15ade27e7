//! What is saved between two lines, or beside a stored one, is enough to go on with, and holds no number.

use smdrd::dialect::{Holds, Line, Reading, SourceState, What};
use smdrd::number::{Anonymous, Class, Number};
use smdrd::record::{MaskedRecord, Record};

use super::corpus::{TODAY, corpus, plan, run_from};

/// What `privacy` would keep: good enough to see that nothing else is needed.
fn keep(number: &Number, _trunk: Option<&str>) -> Anonymous {
    let digits = u8::try_from(number.digits()).unwrap();
    Anonymous { class: Class::Other, digits, peer: Some(7), token: None, own: None }
}

fn kept(what: &What) -> Option<(bool, MaskedRecord)> {
    let mask = |record: &Record| {
        record.clone().map_numbers(|number| Some(number.kept().cloned().unwrap_or_else(|| keep(&number, None))))
    };
    match what {
        What::Record(record) => Some((true, mask(record))),
        What::Event(Some(record)) => Some((false, mask(record))),
        _ => None,
    }
}

#[test]
fn state_saved_and_restored_between_any_two_lines_changes_nothing() {
    for (name, plan, lines) in corpus() {
        let plain = run_from(&plan, &lines, &mut SourceState::default(), |state| state.forget_numbers(keep));
        let restored = run_from(&plan, &lines, &mut SourceState::default(), |state| {
            state.forget_numbers(keep);
            let text = serde_json::to_string(state).unwrap();
            let back: SourceState = serde_json::from_str(&text).unwrap();
            assert_eq!(back, *state, "{name}");
            *state = back;
        });
        assert_eq!(plain.settled.len(), restored.settled.len(), "{name}");
        for ((no, ours), (_, theirs)) in plain.settled.iter().zip(&restored.settled) {
            assert_eq!(kept(ours), kept(theirs), "{name}, line {no}");
            if kept(ours).is_none() {
                assert_eq!(ours, theirs, "{name}, line {no}");
            }
        }
    }
}

#[test]
fn saved_state_holds_no_live_number() {
    let plan = plan("nortel-bcm");
    let mut state = SourceState::default();
    let mut reading = Reading::default();
    let lines = [
        "*030198 154615 0019 01632960114 John Doe U G",
        "-------- 04/04/99 12:00:01 LINE = 0083 STN = 7726",
        "CALLING NUMBER 07700900123",
    ];
    for (no, line) in (1..).zip(lines) {
        plan.step(&mut state, &Line { no, bytes: line.as_bytes(), kept: &[], today: TODAY }, &mut reading);
    }
    assert!(state.has_open_groups());
    // Not even when nobody asked it to forget.
    let text = serde_json::to_string(&state).unwrap();
    assert!(!text.contains("960114") && !text.contains("900123"), "{text}");
    state.forget_numbers(|number, trunk| {
        assert!(matches!(trunk, Some("0019" | "0083")), "the trunk goes with the number");
        keep(number, trunk)
    });
    let text = serde_json::to_string(&state).unwrap();
    assert!(text.contains("peer") && !text.contains("960114") && !text.contains("900123"), "{text}");
    assert!(!format!("{state:?}").contains("900123"));
    for (no, line) in (4..).zip(["00:00:00 NO ANSWER RINGING 0:02", ""]) {
        plan.step(&mut state, &Line { no, bytes: line.as_bytes(), kept: &[], today: TODAY }, &mut reading);
    }
    let What::Record(record) = &reading.settled[0].what else { panic!("{reading:?}") };
    let caller = record.cli.as_ref().unwrap();
    assert_eq!((caller.kept().and_then(|kept| kept.peer), caller.reveal()), (Some(7), "00000000000"));
}

#[test]
fn a_stored_line_gives_its_numbers_with_what_was_kept() {
    let plan = plan("siemens-hipath3000");
    let line = b"22.12.06|16:11:32|4|1917|00:19|00:02:22|00000000000||1|||||";
    let anonymous = Anonymous { class: Class::Mobile, digits: 11, peer: Some(42), token: None, own: None };
    let mut reading = Reading::default();
    let at = u16::try_from(line.iter().position(|byte| *byte == b'0').map_or(0, |_| 40)).unwrap();
    let stored = [(at, anonymous.clone())];
    plan.step(&mut SourceState::default(), &Line { no: 1, bytes: line, kept: &stored, today: TODAY }, &mut reading);
    let What::Record(record) = &reading.settled[0].what else { panic!("{reading:?}") };
    assert_eq!(record.cli.as_ref().unwrap().kept(), Some(&anonymous));
    assert!(reading.marks.iter().any(|mark| mark.start == at && matches!(mark.holds, Holds::Number(_))));
}
