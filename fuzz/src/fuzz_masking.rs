//! What is stored of a line holds no patient's number, and reads as the line did.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::dialect::{Holds, Line, Mark, Plan, Reading, Role, SourceState, What};
use crate::fuzz_lines::{SEEDS, Seed, case};
use crate::number::{Number, NumberPlan};
use crate::privacy::{Keys, Passed, Peers, Privacy, shape};
use crate::record::{MaskedRecord, Record};

/// The daemon's reading side: a line that is not understood changes nothing.
fn read(plan: &Plan, state: &mut SourceState, line: &Line<'_>, reading: &mut Reading) -> bool {
    let before = state.clone();
    plan.step(state, line, reading);
    let understood = !matches!(reading.settled.last().map(|own| &own.what), Some(What::Unparsed { .. }));
    if !understood {
        *state = before;
        let own = reading.settled.pop();
        reading.settled.clear();
        reading.settled.extend(own);
    }
    understood
}

/// What a line came to, without the values of numbers, names and accounts.
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

/// What is stored of what a reading settled: of numbers only what is kept.
fn stored_of(reading: &Reading) -> Vec<(u64, Result<MaskedRecord, What>)> {
    let of = |what: &What| match what {
        What::Record(record) | What::Event(Some(record)) => {
            Ok(record.as_ref().clone().map_numbers(|number| number.kept().cloned()))
        }
        other => Err(other.clone()),
    };
    reading.settled.iter().map(|one| (one.no, of(&one.what))).collect()
}

/// How many characters of a number may stay at most: access digit, country code or international prefix, class digit.
fn longest_prefix(digits: &str) -> usize {
    let plain =
        digits.strip_prefix('9').or_else(|| digits.strip_prefix("81")).filter(|rest| rest.len() >= 3).unwrap_or(digits);
    let home =
        ["+44", "0044", "44"].into_iter().find(|prefix| plain.starts_with(prefix)).map(|prefix| prefix.len() + 1);
    digits.len() - plain.len() + home.unwrap_or(if plain.starts_with(['0', '+']) { 2 } else { 1 })
}

fn holds_no_number(line: &[u8], marks: &[Mark], passed: &Passed) {
    assert_eq!(passed.text.len(), line.len(), "the layout is intact");
    let shown = String::from_utf8_lossy(&passed.text);
    let mut proven = vec![false; line.len()];
    for mark in marks {
        let span = usize::from(mark.start)..usize::from(mark.end);
        let part = &passed.text[span.clone()];
        match &mark.holds {
            Holds::Number(number) => {
                let digits = number.reveal();
                let beside = passed.numbers.iter().find(|(start, _)| *start == mark.start);
                let (_, beside) = beside.expect("nothing is kept beside the number");
                proven[span].fill(true);
                if let Some(own) = &beside.own {
                    assert_eq!(own, digits);
                    let near = digits.len() <= 7 || mark.role != Role::Plain;
                    let listed = digits.contains("16329601") || digits.contains("16329600") || digits.contains("116");
                    assert!(near || listed || digits.contains("207946000"), "{digits} is nobody's own: {shown}");
                    continue;
                }
                let mut seen = 0;
                for byte in part {
                    seen += usize::from(byte.is_ascii_digit() || b"+*#".contains(byte));
                    let may_stay = seen <= longest_prefix(digits);
                    assert!(may_stay || !byte.is_ascii_digit() || *byte == b'0', "{digits} in {shown}");
                }
            }
            Holds::Name | Holds::Account => {
                proven[span].fill(true);
                let told = |byte: &u8| {
                    (byte.is_ascii_digit() && *byte != b'9') || (byte.is_ascii_alphabetic() && *byte != b'A')
                };
                // A number that lies across it is masked as a number.
                let told = |(at, byte): (usize, &u8)| {
                    told(byte) && *byte != b'0' && line[usize::from(mark.start) + at] == *byte
                };
                assert!(!part.iter().enumerate().any(told), "{shown}");
            }
            Holds::Typed => proven[span].fill(true),
            Holds::Text => {}
        }
    }
    let mut run: Vec<usize> = Vec::new();
    for (at, proven) in proven.iter().copied().chain([true]).enumerate() {
        match line.get(at) {
            Some(byte) if byte.is_ascii_digit() && !proven => run.push(at),
            Some(b' ' | b'-' | b'\t' | b'(' | b')') => {}
            _ => {
                let hidden = run.iter().all(|at| matches!(passed.text[*at], b'0' | b'9'));
                assert!(run.len() < 5 || hidden, "a run of {} digits: {shown}", run.len());
                run.clear();
            }
        }
    }
}

fn plans() -> [NumberPlan; 3] {
    let own = vec![("01632960000".into(), "01632960199".into()), ("02079460000".into(), "02079460009".into())];
    [
        NumberPlan::default(),
        NumberPlan { own: own.clone(), ..NumberPlan::default() },
        NumberPlan {
            own,
            access: vec!["9".into(), "81".into()],
            short_codes: vec!["*21".into(), "1571".into(), "960110".into()],
            ddis: vec!["0063".into(), "8907".into()],
        },
    ]
}

/// Three readings side by side: the line as it came, the line as it is stored, and that again as a rebuild reads it.
fn check(plan: &Plan, lines: &[Vec<u8>], numbers: NumberPlan, today: Date) {
    let keys = Keys::new([1; 32], [2; 32]);
    let mut privacy = Privacy::new(numbers, true, Peers::new(1));
    let (mut plain, mut stored, mut rebuilt) = (SourceState::default(), SourceState::default(), SourceState::default());
    let (mut raw, mut reading, mut again) = (Reading::default(), Reading::default(), Reading::default());
    for (no, bytes) in (1..).zip(lines) {
        let at = Timestamp::from_second(1_800_000_000 + no as i64).unwrap();
        let understood = read(plan, &mut plain, &Line { no, bytes, kept: &[], today }, &mut raw);
        if !understood {
            let told = |one: char| one.is_ascii_digit() && one != '9';
            let shape = shape(bytes);
            assert!(shape.contains("\\x") || !shape.contains(told), "{shape}");
            continue;
        }
        // What is masked goes by the reading on what was stored before.
        let mut first = Reading::default();
        plan.step(&mut stored.clone(), &Line { no, bytes, kept: &[], today }, &mut first);
        let passed = privacy.pass(&keys, 1, bytes, &first, at);
        holds_no_number(bytes, &raw.marks, &passed);
        let masked = Line { no, bytes: &passed.text, kept: &passed.numbers, today };
        let same = read(plan, &mut stored, &masked, &mut reading);
        let shown = || String::from_utf8_lossy(&passed.text).into_owned();
        assert!(same, "masked it is not understood: {} {:?}", shown(), reading.settled);
        let ours: Vec<_> = raw.settled.iter().map(|one| (one.no, bare(&one.what))).collect();
        let theirs: Vec<_> = reading.settled.iter().map(|one| (one.no, bare(&one.what))).collect();
        assert_eq!(ours, theirs, "masked it reads otherwise: {}", shown());
        read(plan, &mut rebuilt, &masked, &mut again);
        assert_eq!(stored_of(&reading), stored_of(&again), "a rebuild reads it otherwise");
        stored.forget_numbers(|number, _| number.kept().cloned().expect("a number was not taken out"));
        if no % 3 == 0 {
            let saved = serde_json::to_string(&stored).unwrap();
            stored = serde_json::from_str(&saved).unwrap();
        }
    }
}

pub fn masking(data: &[u8]) {
    static ALL: LazyLock<Vec<&Seed>> = LazyLock::new(|| SEEDS.iter().collect());
    let Some((which, data)) = data.split_first() else { return };
    let Some((seed, mut lines, today)) = case(&ALL, data) else { return };
    lines.truncate(5);
    let [first, second, third] = plans();
    check(
        &seed.plan,
        &lines,
        match which % 3 {
            0 => first,
            1 => second,
            _ => third,
        },
        today,
    );
}
