//! Every document that the box can render is one that the supplier takes: any calls, on days of any length, from any
//! mixture of PBXs, whatever they cannot show. What is null has a reason, and what is 0 is known to be.

#![cfg(feature = "supplier")]

mod schema;

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::Value;
use smdrd::aggregate::count::{Metric, contributions, peaks};
use smdrd::aggregate::coverage::{Cause, Links, Up};
use smdrd::aggregate::document::{DayDocument, Features, PracticeSite, canonical};
use smdrd::aggregate::slots::{bounds, slot_of};
use smdrd::aggregate::{DayInputs, SourceInput, render};
use smdrd::call::{Call, CallKind, LineRef, Outcome, Owner};
use smdrd::dialect::CANNOT;
use smdrd::supplier::verify::{Address, verify};

const DATES: [&str; 5] = ["2026-11-20", "2026-03-29", "2026-10-25", "2028-02-29", "2026-12-31"];

fn call(seq: u64, arrival: Timestamp) -> Call {
    Call {
        id: LineRef { source: 1, seq },
        kind: CallKind::Inbound,
        owner: Owner::Nobody,
        arrival,
        end: arrival,
        outcome: None,
        rule: "".into(),
        wait_s: None,
        talk_s: None,
        answered: None,
        not_people: false,
        callback_made: false,
        later_s: 0,
        earlier_s: 0,
        trunk: None,
        class: None,
        peer: None,
        token: None,
        open: false,
        legs: 1,
    }
}

prop_compose! {
    fn calls()(
        kind in prop::sample::select(CallKind::ALL.to_vec()),
        outcome in prop::sample::select(Outcome::ALL.to_vec()),
        second in -90_000_i64..180_000,
        wait in prop::option::of(prop_oneof![0_u32..400, Just(u32::MAX)]),
        talk in prop::option::of(prop_oneof![0_u32..400, Just(u32::MAX)]),
        length in prop_oneof![0_i64..4_000, Just(i64::from(u32::MAX)), -500_i64..0],
        flags in prop::array::uniform4(any::<bool>()),
        doubt in (prop::sample::select(vec![0_u32, 59]), prop::sample::select(vec![0_u32, 120])),
    ) -> (i64, Call) {
        let [not_people, callback_made, answered, repeat] = flags;
        let start = Timestamp::UNIX_EPOCH;
        let call = Call {
            kind, not_people, callback_made,
            outcome: (kind == CallKind::Inbound && !not_people).then_some(outcome),
            wait_s: wait, talk_s: talk,
            answered: answered.then_some(repeat),
            end: start + SignedDuration::from_secs(length),
            later_s: doubt.0, earlier_s: doubt.1,
            ..call(1, start)
        };
        (second, call)
    }
}

prop_compose! {
    fn sources()(
        name in "[a-z]{1,8}",
        cannot in prop::sample::subsequence(CANNOT.to_vec(), 0..CANNOT.len()),
        shows_callback in any::<bool>(),
        lines in prop::array::uniform7(0_u64..5_000),
        clock_offset_s in prop::option::of(-40_000_i64..40_000),
        ups in prop::collection::vec((-10_000_i64..100_000, 0_i64..50_000), 0..4),
    ) -> (SourceInput, Vec<(i64, i64)>) {
        let cannot = cannot.into_iter().map(str::to_owned).collect();
        (SourceInput { name, dialect: "x".into(), cannot, shows_callback, lines, may_repeat: 0, missing: 0, clock_offset_s, links: Links::default() }, ups)
    }
}

struct Made {
    document: DayDocument,
    /// Inbound calls of people on the day.
    seen: u64,
}

fn make(date: &str, mut made: Vec<(SourceInput, Vec<(i64, i64)>)>, calls: Vec<(i64, Call)>, flags: [bool; 3]) -> Made {
    let zone = TimeZone::get("Europe/London").unwrap();
    let date: Date = date.parse().unwrap();
    let (start, end) = bounds(&zone, date);
    let at = |second: i64| start + SignedDuration::from_secs(second);
    let mut counters: BTreeMap<Timestamp, BTreeMap<Metric, i64>> = BTreeMap::new();
    let mut lines = Vec::new();
    let mut seen = 0;
    for (index, (second, mut call)) in calls.into_iter().enumerate() {
        let length = call.end.duration_since(call.arrival);
        call.arrival = at(second);
        call.end = call.arrival + length;
        if call.kind == CallKind::Inbound && !call.not_people && (start..end).contains(&call.arrival) {
            seen += 1;
        }
        if matches!(call.kind, CallKind::Inbound | CallKind::Outbound) {
            lines.push((call.arrival, call.end));
        }
        for (slot, metric, by) in contributions(&call, index % 3 == 0) {
            *counters.entry(slot).or_default().entry(metric).or_insert(0) += by;
        }
    }
    for (source, ups) in &mut made {
        source.links.up = ups.iter().map(|(from, length)| Up { from: at(*from), to: at(from + length) }).collect();
        source.links.source.clone_from(&source.name);
        source.links.causes = vec![Cause { from: at(0), word: "link-down".into() }];
    }
    let sources: Vec<SourceInput> = made.into_iter().map(|(source, _)| source).collect();
    let [callback, auto_attendant, linked] = flags;
    let document = render(&DayInputs {
        practice: PracticeSite { ods: "A81001".into(), site: "main".into() },
        device: "smdrd-1".into(),
        date,
        zone: &zone,
        zone_name: "Europe/London",
        revision: 1,
        produced_at: end + SignedDuration::from_mins(10),
        features: Features { callback, auto_attendant },
        sources: &sources,
        counters: &counters,
        peaks: &peaks(&lines),
        linked,
        audit_head: format!("sha256:{}", "0".repeat(64)),
        previous: None,
    });
    Made { document, seen }
}

/// Which reason in `cbt.absent` answers for a figure that is null.
const REASONS: [(&str, &[&str]); 23] = [
    ("/inbound/calls", &["CBT001"]),
    ("/inbound/ivr_ended", &["CBT002"]),
    ("/inbound/answered", &["CBT003"]),
    ("/inbound/answered_wait", &["CBT003"]),
    ("/inbound/answered_wait_unknown", &["CBT003"]),
    ("/inbound/answered_talk", &["CBT007"]),
    ("/inbound/answered_talk_unknown", &["CBT007"]),
    ("/inbound/missed", &["CBT004"]),
    ("/inbound/missed_voicemail", &["missed_voicemail", "CBT004"]),
    ("/inbound/callback_requested", &["CBT005"]),
    ("/inbound/answered_wait_sum_s", &["CBT003.wait", "CBT003"]),
    ("/inbound/answered_talk_sum_s", &["CBT007.duration", "CBT007"]),
    ("/inbound/missed_wait", &["CBT004"]),
    ("/inbound/missed_wait_unknown", &["CBT004"]),
    ("/inbound/missed_wait_sum_s", &["CBT004.wait", "CBT004"]),
    ("/inbound/repeat_calls", &["repeat_calls"]),
    ("/callbacks_made", &["CBT006"]),
    ("/outbound/answered", &["outbound.answered"]),
    ("/outbound/calls", &["outbound.calls"]),
    ("/outbound/talk_sum_s", &["CBT007.duration", "outbound.talk"]),
    ("/internal/calls", &["internal.calls"]),
    ("/trunks/peak_concurrent", &["CBT007.duration", "CBT003", "outbound.calls"]),
    ("/trunks/busy_s", &["CBT007.duration", "CBT003", "outbound.calls"]),
];

fn nulls(at: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Null => found.push(at.to_owned()),
        Value::Object(fields) => fields.iter().for_each(|(key, value)| nulls(&format!("{at}/{key}"), value, found)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn the_supplier_takes_what_the_box_renders(
        date in prop::sample::select(DATES.to_vec()),
        sources in prop::collection::vec(sources(), 0..4),
        calls in prop::collection::vec(calls(), 0..60),
        flags in prop::array::uniform3(any::<bool>()),
    ) {
        let Made { document, seen } = make(date, sources, calls, flags);
        let body = canonical(&document).unwrap();
        let address = Address { ods: "A81001".into(), site: "main".into(), date: document.date };
        let verdict = verify(&body, &address);
        prop_assert!(verdict.is_ok(), "{:?}", verdict.err());
        prop_assert!(verdict.unwrap().1, "the bytes are canonical");
        prop_assert_eq!(schema::faults(&serde_json::from_slice(&body).unwrap()), Vec::<String>::new());
        let inbound = &document.totals.inbound;
        prop_assert_eq!(inbound.calls_seen, seen);
        let parts = [inbound.ivr_ended, inbound.answered, inbound.callback_requested, inbound.missed];
        prop_assert_eq!(inbound.calls, parts.into_iter().sum::<Option<u64>>());
        let mut found = Vec::new();
        nulls("", &serde_json::to_value(&document.totals).unwrap(), &mut found);
        for null in found {
            let (_, reasons) = REASONS.iter().find(|(at, _)| *at == null).expect(&null);
            prop_assert!(reasons.iter().any(|reason| document.cbt.absent.contains_key(*reason)), "{null} has no reason");
        }
        let cbt = serde_json::to_value(&document.cbt).unwrap();
        for code in ["CBT001", "CBT002", "CBT003", "CBT004", "CBT005", "CBT006", "CBT007"] {
            prop_assert_eq!(cbt[code].is_null(), document.cbt.absent.contains_key(code), "{}", code);
        }
        for slot in &document.slots {
            prop_assert_eq!(slot.figures.inbound.calls.is_none(), inbound.calls.is_none());
            prop_assert!(slot.figures.trunks.busy_s.unwrap_or(0) <= 1800 * 60);
        }
    }
}

#[test]
fn of_several_pbxs_the_one_that_cannot_say_is_named() {
    let source = |name: &str, cannot: &[&str]| {
        let cannot = cannot.iter().map(|word| (*word).to_owned()).collect();
        (SourceInput { name: name.into(), cannot, ..SourceInput::default() }, vec![(0, 86_400)])
    };
    let sources = vec![source("reception", &[]), source("surgery", &["internal", "unanswered"])];
    let document = make("2026-11-20", sources, Vec::new(), [false, true, true]).document;
    assert_eq!(document.cbt.absent["CBT004"], "unanswered calls make no record on this PBX (surgery)");
    assert_eq!((document.cbt.cbt001, document.cbt.cbt002, document.cbt.cbt003), (None, Some(0), Some(0)));
    assert_eq!((document.totals.internal.calls, document.totals.internal.calls_seen), (None, Some(0)));
    assert!(document.coverage.complete);
    let alone = make("2026-11-20", vec![source("surgery", &["ring"])], Vec::new(), [false; 3]).document;
    assert_eq!(alone.cbt.absent["CBT003.wait"], "no ring time in this format");
}

#[test]
fn a_call_is_counted_where_it_arrived_and_its_line_where_it_was_busy() {
    let at = |text: &str| -> Timestamp { text.parse().unwrap() };
    let midnight = Call {
        end: at("2026-11-21T00:40:00Z"),
        outcome: Some(Outcome::Answered),
        wait_s: Some(300),
        talk_s: Some(301),
        later_s: 59,
        ..call(1, at("2026-11-20T23:59:30Z"))
    };
    let shown: Vec<(String, Metric, i64)> = contributions(&midnight, true)
        .into_iter()
        .map(|(slot, metric, by)| (slot.to_string()[5..16].to_owned(), metric, by))
        .collect();
    let last = |metric, by| ("11-20T23:30".to_owned(), metric, by);
    assert_eq!(
        shown,
        [
            last(Metric::Seen, 1),
            last(Metric::Repeat, 1),
            last(Metric::EdgeDoubt, 1),
            last(Metric::Answered, 1),
            last(Metric::AnsweredWait(7), 1),
            last(Metric::AnsweredWaitSum, 300),
            last(Metric::AnsweredTalk(8), 1),
            last(Metric::AnsweredTalkSum, 301),
            last(Metric::BusySeconds, 30),
            ("11-21T00:00".to_owned(), Metric::BusySeconds, 1800),
            ("11-21T00:30".to_owned(), Metric::BusySeconds, 600),
        ]
    );
    // The doubt reaches back too, and only over an edge.
    let doubt = |time: &str, later_s, earlier_s| {
        let call = Call { later_s, earlier_s, ..call(1, at(&format!("2026-11-20T{time}Z"))) };
        contributions(&call, false).iter().any(|(_, metric, _)| *metric == Metric::EdgeDoubt)
    };
    for (time, later, earlier, spans) in [
        ("08:29:00", 59, 0, false),
        ("08:29:01", 59, 0, true),
        ("08:32:00", 0, 120, false),
        ("08:31:59", 0, 120, true),
        ("08:30:00", 0, 0, false),
    ] {
        assert_eq!(doubt(time, later, earlier), spans, "{time}");
    }
    // A machine, a tie line and a call nobody can place are no calls of people.
    for (kind, not_people, metrics) in [
        (CallKind::Inbound, true, vec![Metric::NotPeople]),
        (CallKind::Tie, false, vec![]),
        (CallKind::Unknown, false, vec![]),
        (CallKind::Internal, false, vec![Metric::Internal]),
        (CallKind::Outbound, false, vec![Metric::Outbound]),
    ] {
        let call = Call { kind, not_people, ..call(1, at("2026-11-20T08:00:00Z")) };
        let found: Vec<Metric> = contributions(&call, false).into_iter().map(|(_, metric, _)| metric).collect();
        assert_eq!(found, metrics, "{kind:?}");
    }
}

#[test]
fn a_call_of_absurd_length_keeps_a_line_busy_for_a_day_and_no_longer() {
    let arrival: Timestamp = "2026-11-20T08:00:00Z".parse().unwrap();
    let end = arrival + SignedDuration::from_secs(i64::from(u32::MAX));
    let peaks = peaks(&[(arrival, end), (end, arrival), (Timestamp::MIN, Timestamp::MAX)]);
    assert_eq!(peaks.range(slot_of(arrival)..).count(), 48);
    let busy: i64 = contributions(&Call { end, ..call(1, arrival) }, false)
        .into_iter()
        .filter(|(_, metric, _)| *metric == Metric::BusySeconds)
        .map(|(_, _, by)| by)
        .sum();
    assert_eq!(busy, 86_400);
}
