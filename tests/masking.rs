//! Decisions 2 and 3 (G4): what is stored of a line holds no patient's number, and reads as the line did.
//!
//! Every sample and capture of every family that has a dialect goes through the daemon's own reading side with the real
//! `Privacy`, under several numbering plans; so do the same lines with numbers, names and accounts put into their
//! fields, and damaged. What came out is read again as a rebuild reads it.

#[path = "masking/corpus.rs"]
mod corpus;
#[path = "masking/live.rs"]
mod live;

use std::sync::Arc;

use proptest::prelude::*;
use smdrd::dialect::{Holds, Line, Mark, Plan, Reading, SourceState, What};
use smdrd::number::{Number, NumberPlan};
use smdrd::record::Record;

use corpus::{CORPUS, TODAY, number_plans};
use live::{Stored, live, replayed};

/// What a line came to, without the values of numbers, names and accounts. A station of more digits than stations have
/// is a number.
fn bare(what: &What) -> What {
    let nothing = |record: &Record| {
        let mut record = record.clone();
        for number in [&mut record.cli, &mut record.ddi, &mut record.dialled].into_iter().flatten() {
            let zeros = if number.digits() == 0 { "*".to_owned() } else { "0".repeat(number.digits()) };
            *number = Number::parse(zeros.as_bytes()).unwrap();
        }
        record.account = None;
        for station in [&mut record.extension, &mut record.trunk, &mut record.port].into_iter().flatten() {
            if station.bytes().filter(u8::is_ascii_digit).count() > 6 {
                *station = station.chars().map(|one| if one.is_ascii_digit() { '0' } else { one }).collect();
            }
        }
        Box::new(record)
    };
    match what {
        What::Record(record) => What::Record(nothing(record)),
        What::Event(Some(record)) => What::Event(Some(nothing(record))),
        other => other.clone(),
    }
}

/// A line read without its numbers being known, with the marks of it. As in the daemon, a line that is not understood
/// changes nothing.
fn read(plan: &Plan, state: &mut SourceState, no: u64, bytes: &[u8]) -> (Vec<(u64, What)>, Vec<Mark>) {
    let before = state.clone();
    let mut reading = Reading::default();
    plan.step(state, &Line { no, bytes, kept: &[], today: TODAY }, &mut reading);
    let mut settled: Vec<(u64, What)> = reading.settled.drain(..).map(|one| (one.no, one.what)).collect();
    if let Some((_, What::Unparsed { .. })) = settled.last() {
        *state = before;
        settled.drain(..settled.len() - 1);
    }
    (settled, reading.marks)
}

/// Everything that is promised of lines that have gone through the reading side.
fn check(name: &str, plan: &Arc<Plan>, lines: &[Vec<u8>], numbers: &NumberPlan) {
    let stored = live(plan, lines, numbers);
    assert_eq!(stored.lines.len(), lines.len(), "{name}");
    reads_as_the_line_did(name, plan, lines, &stored);
    for (place, (line, marks)) in lines.iter().zip(raw(plan, lines)).enumerate() {
        let of = format!("{name}, line {}", place + 1);
        let kept = &stored.lines[place];
        if kept.shape {
            // `\xNN` stands for a control byte.
            let text = String::from_utf8_lossy(&kept.text);
            let told = |one: char| one.is_ascii_digit() && one != '9';
            assert!(text.contains("\\x") || !text.contains(told), "{of}: {text}");
        } else {
            holds_no_number(&of, line, &marks, place, &stored);
        }
    }
    assert_eq!(replayed(plan, &stored), stored.records, "{name}: a rebuild gives the records that were stored live");
}

/// The marks of each line.
fn raw(plan: &Plan, lines: &[Vec<u8>]) -> Vec<Vec<Mark>> {
    let mut state = SourceState::default();
    (1..).zip(lines).map(|(no, line)| read(plan, &mut state, no, line).1).collect()
}

fn reads_as_the_line_did(name: &str, plan: &Plan, lines: &[Vec<u8>], stored: &Stored) {
    let (mut plain, mut hidden) = (SourceState::default(), SourceState::default());
    for (no, (line, kept)) in (1..).zip(lines.iter().zip(&stored.lines)) {
        let (ours, _) = read(plan, &mut plain, no, line);
        let unparsed = matches!(ours.last(), Some((_, What::Unparsed { .. })));
        assert_eq!(unparsed, kept.shape, "{name}, line {no}: {ours:?}");
        if kept.shape {
            continue;
        }
        let (theirs, _) = read(plan, &mut hidden, no, &kept.text);
        let bare_all = |all: &[(u64, What)]| all.iter().map(|(no, what)| (*no, bare(what))).collect::<Vec<_>>();
        assert_eq!(bare_all(&ours), bare_all(&theirs), "{name}, line {no}: {}", String::from_utf8_lossy(&kept.text));
    }
}

/// How many characters of a number may stay at most: access digit, country code 44 or the international prefix, and
/// the digit that gives the class.
fn longest_prefix(digits: &str) -> usize {
    let plain =
        digits.strip_prefix('9').or_else(|| digits.strip_prefix("81")).filter(|rest| rest.len() >= 3).unwrap_or(digits);
    let home =
        ["+44", "0044", "44"].into_iter().find(|prefix| plain.starts_with(prefix)).map(|prefix| prefix.len() + 1);
    digits.len() - plain.len() + home.unwrap_or(if plain.starts_with(['0', '+']) { 2 } else { 1 })
}

fn holds_no_number(name: &str, line: &[u8], marks: &[Mark], place: usize, stored: &Stored) {
    let kept = &stored.lines[place];
    assert_eq!(kept.text.len(), line.len(), "{name}: the layout is intact");
    let shown = String::from_utf8_lossy(&kept.text);
    let mut proven = vec![false; line.len()];
    for mark in marks {
        let span = usize::from(mark.start)..usize::from(mark.end);
        let part = &kept.text[span.clone()];
        match &mark.holds {
            Holds::Number(number) => {
                let digits = number.reveal();
                let beside = kept.numbers.iter().find(|(start, _)| *start == mark.start);
                let (_, beside) = beside.unwrap_or_else(|| panic!("{name}: nothing is kept beside the number"));
                proven[span].fill(true);
                if let Some(own) = &beside.own {
                    assert_eq!(own, digits, "{name}: {shown}");
                    assert!(stored.is_own(digits, mark.role, line, marks), "{name}: {digits} is nobody's own: {shown}");
                    continue;
                }
                let mut seen = 0;
                for byte in part {
                    seen += usize::from(byte.is_ascii_digit() || b"+*#".contains(byte));
                    let may_stay = seen <= longest_prefix(digits);
                    assert!(may_stay || !byte.is_ascii_digit() || *byte == b'0', "{name}: {digits} in {shown}");
                }
                no_tail(name, digits, place, stored);
            }
            Holds::Name | Holds::Account => {
                proven[span].fill(true);
                let told = |byte: &u8| {
                    (byte.is_ascii_digit() && *byte != b'9') || (byte.is_ascii_alphabetic() && *byte != b'A')
                };
                assert!(!part.iter().any(told), "{name}: {shown}");
            }
            Holds::Typed => proven[span].fill(true),
            Holds::Text => {}
        }
    }
    let mut run = Vec::new();
    // One more, which ends the last run.
    for (at, proven) in proven.iter().copied().chain([true]).enumerate() {
        match line.get(at) {
            Some(byte) if byte.is_ascii_digit() && !proven => run.push(at),
            Some(b' ' | b'-' | b'\t' | b'(' | b')') => {}
            _ => {
                // 9 in the name of a host.
                let hidden = run.iter().all(|at| matches!(kept.text[*at], b'0' | b'9'));
                assert!(run.len() < 5 || hidden, "{name}: a run of {} digits: {shown}", run.len());
                run.clear();
            }
        }
    }
}

/// The last six digits of a number, all of a shorter one of five, are nowhere in what is kept of its line, nor in the
/// state, unless that very text also stands in the line as something else.
fn no_tail(name: &str, digits: &str, place: usize, stored: &Stored) {
    // What may stay of it is no part of the tail.
    let plain: String = digits.chars().skip(longest_prefix(digits)).filter(char::is_ascii_digit).collect();
    let tail = &plain[plain.len().saturating_sub(6)..];
    // What digits are masked with stands everywhere.
    let filling = ["0", "9"].iter().any(|one| tail.trim_matches(|digit: char| one.contains(digit)).is_empty());
    if tail.len() < 5 || filling || stored.innocent(tail, place) {
        return;
    }
    for kept in stored.told(place) {
        assert!(!kept.contains(tail), "{name}: {tail} of {digits} in {kept}");
    }
}

#[test]
fn every_sample_and_capture_reads_masked_as_it_did_and_holds_no_number() {
    let mut count = 0;
    for sample in CORPUS.iter() {
        for (plan, numbers) in number_plans() {
            check(&format!("{} under {plan}", sample.name), &sample.plan, &sample.lines, &numbers);
        }
        count += sample.lines.len();
    }
    assert!(count > 1000, "{count} lines");
}

#[test]
fn a_restart_between_any_two_lines_changes_nothing_of_what_is_stored() {
    for sample in CORPUS.iter() {
        let numbers = number_plans().swap_remove(1).1;
        let through = live(&sample.plan, &sample.lines, &numbers);
        let restarted = live::with_restarts(&sample.plan, &sample.lines, &numbers);
        assert_eq!(through.records_without_tokens(), restarted.records_without_tokens(), "{}", sample.name);
        assert_eq!(replayed(&sample.plan, &restarted), restarted.records, "{}", sample.name);
        for (ours, theirs) in through.lines.iter().zip(&restarted.lines) {
            assert_eq!((&ours.text, ours.kind), (&theirs.text, theirs.kind), "{}", sample.name);
        }
    }
}

#[test]
fn what_rules_look_at_is_the_same_when_it_is_masked() {
    let of = |dialect: &str, lines: &[&str]| {
        let sample = CORPUS.iter().find(|sample| sample.name.starts_with(dialect)).unwrap();
        let lines: Vec<Vec<u8>> = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
        for (name, numbers) in number_plans() {
            check(&format!("{dialect} under {name}"), &sample.plan, &lines, &numbers);
        }
    };
    // A number in the column of the code that says what the line is.
    of("siemens-hipath3000", &["22.12.06|16:11:52|51|1126||00:00:05|01632960702||07700900712||||8|"]);
    // In the places of both parties, where V1 is a bridge, V9 a mailbox and T a trunk.
    let party = |one: &str, other: &str| {
        format!(
            "2008/07/09 17:54,00:00:49,0,07700900712,I,299999,299999,,1,1000023,0,{one},Ann,{other},Line,9,0,,,,,,,,,,,,,"
        )
    };
    of(
        "avaya-ipoffice",
        &[&party("E212", "V17700900712"), &party("T07700900712", "E07700900712"), &party("E2", "V97700900712")],
    );
    // A station of seven digits, and a caller and a DDI that are told on other lines than the record.
    let report =
        ["-------- 04/04/99 12:00:01 LINE = 0083 STN = 2960712", "CALLING NUMBER 07700900712", "DNIS NUMBER 960150"];
    let rest = ["00:00:00 INCOMING CALL RINGING 0:32", "00:00:39 ACCOUNT CODE 960712", "00:02:47 CALL RELEASED", ""];
    of("nortel-bcm", &[&report[..], &rest[..]].concat());
    // Cut into columns, with a code between.
    of(
        "nortel-meridian",
        &["N 058 00 1217    A001026 01/10 13:02:06 00:03:06.0 A 0770 0 900712", " &       0770 0 9007 12"],
    );
}

#[test]
fn a_ddi_of_a_group_is_kept_in_clear_and_a_callers_number_is_not() {
    let sample = CORPUS.iter().find(|sample| sample.name.starts_with("nortel-bcm")).unwrap();
    let lines = |ddi: &str| -> Vec<Vec<u8>> {
        [
            "-------- 04/04/99 12:00:01 LINE = 0083 STN = 226",
            "CALLING NUMBER 960150",
            &format!("DNIS NUMBER {ddi}"),
            "00:00:00 INCOMING CALL RINGING 0:32",
            "00:02:47 CALL RELEASED",
            "",
        ]
        .map(|line| line.as_bytes().to_vec())
        .into()
    };
    let plans = number_plans();
    let told = |ddi: &str, plan: usize| {
        let stored = live(&sample.plan, &lines(ddi), &plans[plan].1);
        let record = stored.records.values().next().expect("a record").clone();
        (record.ddi.unwrap().own.map(|own| own.to_string()), record.cli.unwrap().own)
    };
    assert_eq!(told("960150", 0), (Some("960150".into()), None), "six digits, and no own numbers set");
    assert_eq!(told("01632960150", 0), (None, None), "longer than six");
    assert_eq!(told("960150", 1), (Some("960150".into()), None), "the end of an own number");
    assert_eq!(told("01632960150", 1), (Some("01632960150".into()), None));
    assert_eq!(told("960250", 1), (None, None), "not of the own ranges");
}

/// A number in one of the spellings that PBXs and people use.
fn number() -> impl Strategy<Value = String> {
    let plain = prop_oneof![
        "[0-9]{1,20}",
        "0[12378][0-9]{8,9}",
        "07700900[0-9]{3}",
        "01632960[0-9]{3}",
        "960[0-9]{3}",
        "(\\+44|0044|44)(1632960|7700900|2079460)[0-9]{3}",
        "00[1-9][0-9]{6,12}",
        "9(07700900[0-9]{3}|960[0-9]{3}|999|1234567)",
        "\\*[0-9]{2}\\*07700900[0-9]{3}#",
    ];
    (plain, 0_usize..8, any::<u8>()).prop_map(|(digits, spelling, at)| {
        let split = |by: &str| {
            let at = usize::from(at) % (digits.len() + 1);
            format!("{}{by}{}", &digits[..at], &digits[at..])
        };
        match spelling {
            0 => split(" "),
            1 => split("-"),
            2 => format!("{digits}@pbx{at}.example"),
            3 => format!("{digits}@192.0.2.{at}"),
            4 => format!("{digits}xxxx"),
            5 => format!("{digits}XXXXXXX"),
            _ => digits,
        }
    })
}

/// What is put into a field.
fn content() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => number(),
        1 => "[A-Z][a-z]{2,8} [0-9]{2,11}",
        1 => ("[A-Za-z ]{0,6}", number()).prop_map(|(name, number)| format!("{name}{number}")),
        1 => "[A-Za-z0-9 ?*#+._@-]{0,16}",
    ]
}

#[derive(Debug, Clone)]
enum Edit {
    /// Into a field that is marked, in the place of what is there.
    Into(prop::sample::Index, prop::sample::Index, String),
    /// Over what stands from a field's begin on, at the same columns.
    Over(prop::sample::Index, prop::sample::Index, String),
    /// Anywhere.
    At(prop::sample::Index, prop::sample::Index, String),
    /// Another digit, or what else stands there cut off.
    Digit(prop::sample::Index, prop::sample::Index, u8),
    Cut(prop::sample::Index, prop::sample::Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let index = || any::<prop::sample::Index>();
    prop_oneof![
        4 => (index(), index(), content()).prop_map(|(line, at, text)| Edit::Into(line, at, text)),
        4 => (index(), index(), content()).prop_map(|(line, at, text)| Edit::Over(line, at, text)),
        1 => (index(), index(), content()).prop_map(|(line, at, text)| Edit::At(line, at, text)),
        2 => (index(), index(), b'0'..=b'9').prop_map(|(line, at, digit)| Edit::Digit(line, at, digit)),
        1 => (index(), index()).prop_map(|(line, at)| Edit::Cut(line, at)),
    ]
}

fn edited(plan: &Plan, mut lines: Vec<Vec<u8>>, edits: &[Edit]) -> Vec<Vec<u8>> {
    let marks = raw(plan, &lines);
    for edit in edits {
        let (Edit::Into(line, at, _)
        | Edit::Over(line, at, _)
        | Edit::At(line, at, _)
        | Edit::Digit(line, at, _)
        | Edit::Cut(line, at)) = edit;
        let place = line.index(lines.len());
        let line = &mut lines[place];
        let at_byte = at.index(line.len() + 1);
        let numbers: Vec<&Mark> = marks[place]
            .iter()
            .filter(|mark| !matches!(mark.holds, Holds::Typed) && usize::from(mark.end) <= line.len())
            .collect();
        let any: Vec<&Mark> = marks[place].iter().filter(|mark| usize::from(mark.end) <= line.len()).collect();
        match edit {
            Edit::Into(_, _, text) => {
                let chosen = if numbers.is_empty() { &any } else { &numbers };
                if let Some(mark) = chosen.get(at.index(chosen.len().max(1))) {
                    line.splice(usize::from(mark.start)..usize::from(mark.end), text.bytes());
                }
            }
            Edit::Over(_, _, text) => {
                let chosen = if numbers.is_empty() { &any } else { &numbers };
                if let Some(mark) = chosen.get(at.index(chosen.len().max(1))) {
                    let start = usize::from(mark.start);
                    line.resize(line.len().max(start + text.len()), b' ');
                    line[start..start + text.len()].copy_from_slice(text.as_bytes());
                }
            }
            Edit::At(_, _, text) => {
                line.splice(at_byte..at_byte, text.bytes());
            }
            Edit::Digit(_, _, digit) => {
                if let Some(byte) = line.get_mut(at_byte).filter(|byte| byte.is_ascii_digit()) {
                    *byte = *digit;
                }
            }
            Edit::Cut(..) => line.truncate(at_byte),
        }
    }
    lines
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_stands_in_the_fields_the_promises_hold(
        sample in any::<prop::sample::Index>(),
        numbers in any::<prop::sample::Index>(),
        from in any::<prop::sample::Index>(),
        edits in prop::collection::vec(edit(), 1..8),
    ) {
        let sample = &CORPUS[sample.index(CORPUS.len())];
        // A window: long captures would take all the time there is.
        let first = from.index(sample.lines.len());
        let window = sample.lines[first..].iter().take(12).cloned().collect();
        let lines = edited(&sample.plan, window, &edits);
        let (plan, numbers) = number_plans().swap_remove(numbers.index(number_plans().len()));
        check(&format!("{} from {first} under {plan}", sample.name), &sample.plan, &lines, &numbers);
    }
}
