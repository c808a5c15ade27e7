use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::dialect::{Library, Line, MISSING, Reading, SourceState, What};
use crate::framing::{Ended, Framer, Settings};

/// What the lines of `text` come to.
fn heard(dialect: &str, options: &[(&str, &str)], text: &[u8]) -> (Heard, Vec<String>, Vec<Switch>) {
    let dialect = Library::shipped().get(dialect).unwrap();
    let options: BTreeMap<String, String> =
        options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let plan = dialect.plan(&options, None).unwrap();
    let mut framer = Framer::new(Settings { protocol: plan.protocol(), ..Settings::default() });
    let (mut state, mut heard, mut no) = (SourceState::default(), Heard::default(), 0);
    let take = |reading: Reading, heard: &mut Heard| {
        for settled in reading.settled {
            match settled.what {
                What::Record(record) => heard.records.push(*record),
                What::Event(Some(offer)) => heard.offers.push(*offer),
                What::Unparsed { .. } => heard.unparsed += 1,
                _ => {}
            }
        }
    };
    let mut line = |line: crate::framing::Line<'_>| {
        no += 1;
        let mut reading = Reading::default();
        let today = jiff::civil::date(2026, 11, 21);
        plan.step(&mut state, &Line { no, bytes: line.bytes, kept: &[], today }, &mut reading);
        take(reading, &mut heard);
    };
    framer.push(text, &mut line);
    framer.flush(Ended::EndOfInput, &mut line);
    let mut reading = Reading::default();
    plan.idle(&mut state, &mut reading);
    take(reading, &mut heard);
    (heard, plan.cannot().to_vec(), dialect.switches().cloned().collect())
}

/// Lines of a sample, counted from 1.
fn lines(sample: &str, numbers: std::ops::RangeInclusive<usize>) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialects").join(sample).with_extension("smdr");
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let all: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    all[numbers.start() - 1..*numbers.end()].concat()
}

struct Case {
    dialect: &'static str,
    options: &'static [(&'static str, &'static str)],
    trial: Trial,
    text: Vec<u8>,
    passed: bool,
    /// What is missing: its word, and a piece of its remedy.
    missing: &'static [(&'static str, &'static str)],
}

fn case(
    dialect: &'static str,
    trial: Trial,
    text: impl Into<Vec<u8>>,
    passed: bool,
    missing: &'static [(&'static str, &'static str)],
) -> Case {
    Case { dialect, options: &[], trial, text: text.into(), passed, missing }
}

fn cases() -> Vec<Case> {
    use Trial::{Answered, RingOff, Transferred};
    let nothing = Vec::new;
    let ipo = |talk: &str, more: u8, station: &str| {
        format!(
            "2024/03/04 09:01:02,{talk},9,07700900123,I,300,960100,,0,1000042,{more},{station},Reception,T9001,Line 1.1,0,0,,,,,,,,,,,,,\r\n"
        )
    };
    vec![
        case("avaya-ipoffice", RingOff, lines("avaya-ipoffice/001-lost-incoming", 1..=1), true, &[]),
        case("avaya-ipoffice", RingOff, ipo("00:00:10", 0, "E201"), false, &[("", "hang up sooner")]),
        case("avaya-ipoffice", RingOff, ipo("00:00:10", 0, "V9502"), false, &[("", "hang up sooner")]),
        case("avaya-ipoffice", Answered, lines("avaya-ipoffice/003-inbound-answered-ddi", 1..=1), true, &[]),
        case("avaya-ipoffice", Answered, ipo("00:00:00", 0, "E201"), false, &[("", "make the call again")]),
        case("avaya-ipoffice", Transferred, ipo("00:00:10", 1, "E201") + &ipo("00:00:20", 0, "E202"), true, &[]),
        case("avaya-ipoffice", Transferred, ipo("00:00:10", 0, "E201"), false, &[("transfer", "no switch")]),
        case("avaya-ipoffice", Answered, nothing(), false, &[("inbound", "no switch")]),
        // Offered to a station, and then never printed as a call.
        case(
            "siemens-hipath3000",
            RingOff,
            lines("siemens-hipath3000/010-compressed-full-width", 1..=1),
            false,
            &[("unanswered", "flag for incoming calls")],
        ),
        case("siemens-hipath3000", RingOff, lines("siemens-hipath3000/010-compressed-full-width", 3..=3), true, &[]),
        case("siemens-hipath3000", Answered, lines("siemens-hipath3000/010-compressed-full-width", 2..=2), true, &[]),
        case("siemens-hipath3000", Transferred, lines("siemens-hipath3000/002-compressed-transfers", 1..=4), true, &[]),
        case(
            "siemens-hipath3000",
            Transferred,
            lines("siemens-hipath3000/002-compressed-transfers", 1..=3),
            false,
            &[("transfer", "no switch")],
        ),
        // Two calls on one trunk are no transfer.
        case(
            "siemens-hipath3000",
            Transferred,
            "04.03.2409:01:02  1   20100:0900:00:4107700900202                          1\r\n04.03.2409:05:02  1   20200:0900:00:4107700900202                          1\r\n",
            false,
            &[("transfer", "no switch")],
        ),
        case("siemens-hipath3000", Answered, nothing(), false, &[("inbound", "flag for incoming calls")]),
        case(
            "panasonic-kx",
            RingOff,
            lines("panasonic-kx/003-tda600-pattern-a-cli-na-icd", 9..=9),
            true,
            &[("ddi", "pattern C")],
        ),
        // The group's leg has the ring, the station's leg the talk.
        case(
            "panasonic-kx",
            Answered,
            lines("panasonic-kx/003-tda600-pattern-a-cli-na-icd", 4..=5),
            true,
            &[("ddi", "pattern C")],
        ),
        case("panasonic-kx", Transferred, lines("panasonic-kx/003-tda600-pattern-a-cli-na-icd", 4..=6), true, &[]),
        case("panasonic-kx", Answered, lines("panasonic-kx/012-telnet-login-session", 4..=4), true, &[]),
        case("samsung-officeserv", RingOff, nothing(), false, &[("unanswered", "MMC 725 option 11")]),
        case(
            "samsung-officeserv",
            Answered,
            "  1 400       #701 12/25 17:18:18 00:00:09 I  960100                              0.00\r\n",
            true,
            &[("ring", "no switch"), ("cli", "MMC 725 option 10")],
        ),
        case(
            "samsung-officeserv",
            Transferred,
            "  1 420       #701 12/25 17:20:35 00:00:18 IT 960100                              0.00\r\n  1 424       #701 12/25 17:20:53 00:00:15 T  960100                              0.00\r\n",
            true,
            &[],
        ),
        case("lg-ipecs", RingOff, nothing(), false, &[("unanswered", "Lost Call Print")]),
        case(
            "lg-ipecs",
            RingOff,
            "9279 121   002 00:00:00 25/05/05 09:45 R121 RING 00:07                              \r\n",
            true,
            // As long as nobody says which field is printed, callers are not promised.
            &[],
        ),
        case(
            "lg-ipecs",
            Answered,
            "4201 205   046 00:00:18 24/01/07 11:16 I01632960118                                 \r\n",
            true,
            &[("ring", "Field I or II = RING")],
        ),
        case(
            "lg-ipecs",
            Transferred,
            "9259 101   003 00:00:11 25/05/05 09:00 I RING 00:03\r\n9259 186   003 00:02:06 25/05/05 09:00 t\r\n",
            true,
            &[],
        ),
        case("nortel-meridian", RingOff, nothing(), false, &[("unanswered", "ABAN YES")]),
        case("nortel-meridian", Answered, lines("nortel-meridian/001-new-format-three-line-records", 7..=9), true, &[]),
        Case {
            options: &[("format", "old")],
            ..case("nortel-meridian", RingOff, nothing(), false, &[("unanswered", "With FCDR OLD there are none")])
        },
        case("nortel-meridian", Transferred, lines("nortel-meridian/003-start-end-transfer", 1..=3), true, &[]),
        case("nortel-bcm", RingOff, lines("nortel-bcm/003-norstar-clid-no-answer", 1..=6), true, &[]),
        case("nortel-bcm", Answered, lines("nortel-bcm/002-norstar-incoming-hold", 1..=5), true, &[("cli", "CLID")]),
        case("nortel-bcm", RingOff, nothing(), false, &[("unanswered", "SL-1 format shows no lost call")]),
        case("alcatel-oxo", RingOff, lines("alcatel-oxo/002-statement-all-fields", 5..=5), true, &[]),
        case("alcatel-oxo", RingOff, nothing(), false, &[("unanswered", "Print out non-answered IC calls")]),
        case(
            "alcatel-oxo",
            Answered,
            lines("alcatel-oxo/001-statement-4200", 4..=4),
            true,
            &[("ring", "ringing duration")],
        ),
        case("mitel-3300", RingOff, lines("mitel-3300/004-ani-dnis-112-columns", 1..=1), true, &[]),
        case("mitel-3300", Answered, lines("mitel-3300/004-ani-dnis-112-columns", 2..=2), true, &[]),
        case("mitel-3300", Transferred, lines("mitel-3300/004-ani-dnis-112-columns", 3..=3), true, &[]),
        case("mitel-5000", RingOff, nothing(), false, &[("unanswered", "ring-in diagnostic records")]),
        case("mitel-5000", RingOff, lines("mitel-5000/001-axxess-8520-seconds-format", 1..=3), true, &[]),
        // What the format never shows is no matter of a switch.
        case("ericsson-bp", Transferred, ericsson(), false, &[("transfer", "stay unknown")]),
    ]
}

/// An incoming call of a BusinessPhone that was answered.
fn ericsson() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures/ericsson-bp/ericsson-bp-250.smdr");
    let bytes = std::fs::read(path).unwrap();
    let inbound = |line: &&[u8]| {
        let (heard, _, _) = heard("ericsson-bp", &[], line);
        let record = heard.records.first();
        record.is_some_and(|record| record.direction == Some(Direction::Inbound) && record.answered == Some(true))
    };
    bytes.split_inclusive(|byte| *byte == b'\n').find(inbound).unwrap().to_vec()
}

#[test]
fn each_call_is_seen_or_what_is_missing_has_its_switch() {
    let mut wrong = Vec::new();
    for case in cases() {
        let (heard, cannot, switches) = heard(case.dialect, case.options, &case.text);
        let verdict = judge(case.trial, &heard, Format { cannot: &cannot, switches: &switches });
        let found: Vec<_> = verdict.missing.iter().map(|missing| (missing.word, missing.remedy.as_str())).collect();
        let fits = verdict.passed == case.passed
            && found.len() == case.missing.len()
            && found
                .iter()
                .zip(case.missing)
                .all(|((word, remedy), (expected, piece))| word == expected && remedy.contains(piece));
        if !fits {
            let text = String::from_utf8_lossy(&case.text);
            wrong.push(format!(
                "{} {:?}\n{text}{verdict:#?}\nexpected {} {:?}",
                case.dialect, case.trial, case.passed, case.missing
            ));
        }
        assert!(!verdict.saw.is_empty(), "{} {:?}: says nothing of what it saw", case.dialect, case.trial);
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n\n"));
    let families: std::collections::BTreeSet<_> = cases().into_iter().map(|case| case.dialect).collect();
    assert!(families.len() >= 10, "{families:?}");
}

#[test]
fn what_is_looked_for_can_be_switched() {
    let words = ["unanswered", "ring", "talk", "cli", "ddi", "transfer", "inbound"];
    assert!(words.iter().all(|word| MISSING.contains(word)), "a switch could not be written for one of {words:?}");
    for id in Library::shipped().ids() {
        for switch in Library::shipped().get(id).unwrap().switches() {
            assert!(switch.remedy.len() > 15, "{id}: {switch:?}");
        }
    }
}

proptest! {
    /// Lines cut off, doubled or damaged: no number stands in what is said, and a call that is not seen has a next step.
    #[test]
    fn no_line_puts_a_number_into_the_verdict(
        pick in 0usize..64, trial in 0usize..3, cut in 0usize..400, at in 0usize..400, byte in 0x20u8..0x7f, twice: bool,
    ) {
        let all = cases();
        let case = &all[pick % all.len()];
        let mut text = case.text.clone();
        if let Some(place) = text.get_mut(at) {
            *place = byte;
        }
        if twice {
            text.extend_from_within(..);
        }
        text.truncate(text.len().saturating_sub(cut / 8));
        let (heard, cannot, switches) = heard(case.dialect, case.options, &text);
        let verdict = judge(Trial::ALL[trial], &heard, Format { cannot: &cannot, switches: &switches });
        let said = format!("{:?}", verdict.saw);
        for record in &heard.records {
            let keys = record.to_json();
            for number in ["cli", "ddi", "dialled"].iter().filter_map(|key| keys.get(*key)?.as_str()) {
                prop_assert!(number.len() < 7 || !said.contains(number), "{said}");
            }
        }
        prop_assert!(verdict.passed || !verdict.missing.is_empty(), "{verdict:?} asks for nothing");
    }
}
