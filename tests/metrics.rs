//! What happened, and which figure, half-hour, band and bucket it counts in: a row a case. `docs/metrics.md` says the rules;
//! `calls/notation.rs` says how legs are written.

#[path = "metrics/documented.rs"]
mod documented;
#[allow(dead_code)]
#[path = "calls/notation.rs"]
mod notation;

use std::collections::BTreeSet;

use notation::{ROLES, by, calls_at, london, site};
use smdrd::aggregate::count::{Metric, contributions};
use smdrd::aggregate::slots::slot_of;
use smdrd::call::Call;
use smdrd::call::rules::Rule;
use smdrd::dialect::LinkKey;
use smdrd::report::call_level::{Template, file, row};

/// What a call counts as: the local half-hour, the figures that count calls, and after a bar what stands in its row of the
/// call-level file: band, outcome, buckets of wait and duration.
fn counted(call: &Call) -> String {
    let zone = london();
    let counts = contributions(call, false);
    let figures: Vec<String> = counts
        .iter()
        .filter(|(_, metric, _)| {
            !matches!(
                metric,
                Metric::Seen
                    | Metric::BusySeconds
                    | Metric::AnsweredWaitSum
                    | Metric::AnsweredTalkSum
                    | Metric::MissedWaitSum
                    | Metric::OutboundTalkSum
            )
        })
        .map(|(slot, metric, by)| {
            assert_eq!((*slot, *by), (slot_of(call.arrival), 1), "a call counts once, where it arrived");
            metric.figure().trim_start_matches("inbound.").to_owned()
        })
        .collect();
    let seen = counts.iter().filter(|(_, metric, _)| *metric == Metric::Seen).count();
    assert_eq!(seen, usize::from(call.outcome.is_some()), "CBT001 has every inbound call of people once");
    let at = zone.to_datetime(call.arrival);
    let slot = zone.to_datetime(slot_of(call.arrival));
    let mut text = format!("{} {}", slot.strftime("%d %H:%M"), figures.join("; "));
    if let Some(row) = row(call, at.date(), at.time()) {
        let written = String::from_utf8(file(&Template::shipped(), &[row]).unwrap()).unwrap();
        let cells: Vec<&str> = written.lines().nth(1).unwrap().split(',').skip(3).collect();
        text += &format!(" | {}", cells.join(", "));
    }
    text
}

fn roles(more: &str) -> String {
    format!("{more}{ROLES}")
}

/// Name, legs, calls.
type Case<'a> = (&'a str, &'a [&'a str], &'a [&'a str]);

#[track_caller]
fn hold(key: LinkKey, config: &str, cases: &[Case<'_>]) -> BTreeSet<String> {
    let mut rules = BTreeSet::new();
    for (name, legs, expected) in cases {
        let calls = calls_at(site(config), &by(key), legs);
        rules.extend(calls.iter().map(|call| call.rule.to_string()));
        let counted: Vec<String> = calls.iter().map(counted).collect();
        assert_eq!(counted, *expected, "{name}");
    }
    rules
}

#[test]
fn every_rule_has_its_figure() {
    let mut rules = hold(
        LinkKey::CallId,
        &roles(""),
        &[
            (
                "answered by a person",
                &["08:00:00 in #1 l1 + r12 t95 x201"],
                &[
                    "20 08:00 answered; answered_wait, 1 to 30 s; answered_talk, 91 to 120 s | 08:00 - 09:59, Answered, 1_30, 61_120",
                ],
            ),
            (
                "answered by a hunt group, after the menu: its time is no waiting",
                &["08:00:00 in #1 l1 + r1 t50 more pV9501", "08:00:00 in #1 l1 + r20 t10 last x200"],
                &[
                    "20 08:00 answered; answered_wait, 1 to 30 s; answered_talk, 1 to 30 s | 08:00 - 09:59, Answered, 1_30, 1_30",
                ],
            ),
            (
                "voicemail, then a person: the first answer by a person decides, and ringing at voicemail is waiting",
                &["08:00:00 in #1 l1 + r25 t10 more pV9511", "08:00:00 in #1 l1 + r10 t40 last x201"],
                &[
                    "20 08:00 answered; answered_wait, 31 to 60 s; answered_talk, 31 to 60 s | 08:00 - 09:59, Answered, 31_60, 31_60",
                ],
            ),
            (
                "a person, then voicemail: not undone",
                &["08:00:00 in #1 l1 + r5 t40 more x201", "08:00:00 in #1 l1 + r20 t10 last pV9511"],
                &[
                    "20 08:00 answered; answered_wait, 1 to 30 s; answered_talk, 31 to 60 s | 08:00 - 09:59, Answered, 1_30, 31_60",
                ],
            ),
            (
                "transferred: one call, with the time of both; what rings after the answer is no waiting",
                &["08:00:00 in #1 l1 + r5 t40 more x201", "08:00:00 in #1 l1 + r100 t30 last x202"],
                &[
                    "20 08:00 answered; answered_wait, 1 to 30 s; answered_talk, 61 to 90 s | 08:00 - 09:59, Answered, 1_30, 61_120",
                ],
            ),
            (
                "on hold: left out of the time with staff",
                &["08:00:00 in #1 l1 + r5 t60 h200 x201"],
                &[
                    "20 08:00 answered; answered_wait, 1 to 30 s; answered_talk, 31 to 60 s | 08:00 - 09:59, Answered, 1_30, 31_60",
                ],
            ),
            (
                "ended in the menu",
                &["08:00:00 in #1 l1 + r1 t20 pV9501"],
                &["20 08:00 ivr_ended | 08:00 - 09:59, Ended during IVR, , "],
            ),
            (
                "gone before the menu began",
                &["08:00:00 in #1 l1 - r1 pV9501"],
                &["20 08:00 ivr_ended | 08:00 - 09:59, Ended during IVR, , "],
            ),
            (
                "sent by the menu to another organisation",
                &["08:00:00 in #1 l1 + r1 t20 more pV9501", "08:00:00 tan #1 l1 + r9 t60 o2 last"],
                &["20 08:00 ivr_ended | 08:00 - 09:59, Ended during IVR, , "],
            ),
            (
                "passed over a tie line and answered there",
                &["08:00:00 tan #1 l1 + r9 t60 o80"],
                &[
                    "20 08:00 answered; answered_wait, 1 to 30 s; answered_talk, 31 to 60 s | 08:00 - 09:59, Answered, 1_30, 31_60",
                ],
            ),
            (
                "passed over a tie line, and nobody took it",
                &["08:00:00 tan #1 l1 - r70 o80"],
                &["20 08:00 missed; missed_wait, 61 to 90 s | 08:00 - 09:59, Missed, 61_120, "],
            ),
            (
                "a call back booked: not also answered, and no wait",
                &["08:00:00 in #1 l1 - r90 booked queue"],
                &["20 08:00 callback_requested | 08:00 - 09:59, Callback requested, , "],
            ),
            (
                "answered before it was booked",
                &["08:00:00 in #1 l1 + r9 t5 more x201", "08:00:00 in #1 l1 - r90 booked queue"],
                &[
                    "20 08:00 answered; answered_wait, 1 to 30 s; answered_talk, 1 to 30 s | 08:00 - 09:59, Answered, 1_30, 1_30",
                ],
            ),
            (
                "the call back itself: an outgoing call and CBT006, where it was made; in no inbound figure",
                &["08:31:00 out #2 l1 + r9 t50 kept x201"],
                &["20 08:30 outbound.calls; outbound.answered; callbacks_made | 08:00 - 09:59, Callback made, , "],
            ),
            (
                "an outgoing call",
                &["08:00:00 out #1 l1 + r9 t50 x201"],
                &["20 08:00 outbound.calls; outbound.answered"],
            ),
            (
                "voicemail is missed; what rang before it is the wait",
                &["08:00:00 in #1 l1 - r30 more x201", "08:00:00 in #1 l1 + r2 t20 last pV9511"],
                &["20 08:00 missed; missed_voicemail; missed_wait, 31 to 60 s | 08:00 - 09:59, Missed, 31_60, "],
            ),
            (
                "rang out",
                &["08:00:00 in #1 l1 - r30 x201"],
                &["20 08:00 missed; missed_wait, 1 to 30 s | 08:00 - 09:59, Missed, 1_30, "],
            ),
            (
                "hung up at once: missed all the same",
                &["08:00:00 in #1 l1 - r0 x201"],
                &["20 08:00 missed; missed_wait, 0 s | 08:00 - 09:59, Missed, 0, "],
            ),
            (
                "no record shows an answer",
                &["08:00:00 in #1 l1 r30 x201"],
                &["20 08:00 missed; missed_wait, 1 to 30 s | 08:00 - 09:59, Missed, 1_30, "],
            ),
            (
                "all stations busy: the wait is not known, and not 0",
                &["08:00:00 in #1 l1 - busy"],
                &["20 08:00 missed; missed_wait_unknown | 08:00 - 09:59, Missed, , "],
            ),
            ("a fax", &["08:00:00 in #1 l1 + r5 t30 x290"], &["20 08:00 not_people"]),
            ("a lift", &["08:00:00 in #1 l1 + r5 t30 x292"], &["20 08:00 not_people"]),
            (
                "a fax call that a person took first: the fax's time is not with staff",
                &["08:00:00 in #1 l1 + r5 t10 more x201", "08:00:00 in #1 l1 + r1 t30 last x290"],
                &[
                    "20 08:00 answered; answered_wait, 1 to 30 s; answered_talk, 1 to 30 s | 08:00 - 09:59, Answered, 1_30, 1_30",
                ],
            ),
            ("between stations", &["08:00:00 int #1 + r5 t10 x201"], &["20 08:00 internal.calls"]),
            ("over a tie line from elsewhere", &["08:00:00 in #1 l80 + r5 t10 x201"], &["20 08:00 "]),
            (
                "direct to a DDI: all numbers count",
                &["08:00:00 in #1 l1 d01632960117 + r5 t10 x217"],
                &[
                    "20 08:00 answered; answered_wait, 1 to 30 s; answered_talk, 1 to 30 s | 08:00 - 09:59, Answered, 1_30, 1_30",
                ],
            ),
            (
                "no ring time: not known, and not 0",
                &["08:00:00 in #1 l1 + t10 x201"],
                &[
                    "20 08:00 answered; answered_wait_unknown; answered_talk, 1 to 30 s | 08:00 - 09:59, Answered, , 1_30",
                ],
            ),
            (
                "no talk time: not known, and not 0",
                &["08:00:00 in #1 l1 + r10 x201"],
                &[
                    "20 08:00 answered; answered_wait, 1 to 30 s; answered_talk_unknown | 08:00 - 09:59, Answered, 1_30, ",
                ],
            ),
        ],
    );
    // Who takes what is passed on outside is the site's to say.
    let to_a_mobile = "08:00:00 tan #1 l1 + r9 t60 o2";
    rules.extend(hold(
        LinkKey::CallId,
        "[roles]\ndiverted-outside = \"staff\"\n",
        &[(
            "to the practice's own mobile",
            &[to_a_mobile],
            &["20 08:00 answered; answered_wait, 1 to 30 s; answered_talk, 31 to 60 s | 08:00 - 09:59, Answered, 1_30, 31_60"],
        )],
    ));
    hold(
        LinkKey::CallId,
        "",
        &[("to somebody else's", &[to_a_mobile], &["20 08:00 ivr_ended | 08:00 - 09:59, Ended during IVR, , "])],
    );
    let lacking: Vec<&str> = Rule::ALL.iter().map(|rule| rule.name()).filter(|rule| !rules.contains(*rule)).collect();
    assert_eq!(lacking, Vec::<&str>::new(), "no case shows these");
}

#[test]
fn an_edge_belongs_to_the_bucket_below_it() {
    for (seconds, figure, bucket) in [
        (0, "0 s", "0"),
        (1, "1 to 30 s", "1_30"),
        (30, "1 to 30 s", "1_30"),
        (31, "31 to 60 s", "31_60"),
        (60, "31 to 60 s", "31_60"),
        (61, "61 to 90 s", "61_120"),
        (90, "61 to 90 s", "61_120"),
        (91, "91 to 120 s", "61_120"),
        (120, "91 to 120 s", "61_120"),
        (121, "121 to 180 s", "121_180"),
        (180, "121 to 180 s", "121_180"),
        (181, "181 to 240 s", "181_240"),
        (240, "181 to 240 s", "181_240"),
        (241, "241 to 300 s", "241_300"),
        (300, "241 to 300 s", "241_300"),
        (301, "above 300 s", ">300"),
        (9_000, "above 300 s", ">300"),
    ] {
        let answered = format!("08:00:00 in #1 l1 + r{seconds} t{seconds} x201");
        let counts = format!(
            "20 08:00 answered; answered_wait, {figure}; answered_talk, {figure} | 08:00 - 09:59, Answered, {bucket}, {bucket}"
        );
        let missed = format!("08:00:00 in #1 l1 - r{seconds} x201");
        let missed_counts = format!("20 08:00 missed; missed_wait, {figure} | 08:00 - 09:59, Missed, {bucket}, ");
        hold(
            LinkKey::CallId,
            ROLES,
            &[("answered", &[&answered], &[&counts]), ("missed", &[&missed], &[&missed_counts])],
        );
        // The sums are of the seconds themselves.
        for (legs, sums) in [
            (&answered, vec![Metric::AnsweredWaitSum, Metric::AnsweredTalkSum]),
            (&missed, vec![Metric::MissedWaitSum]),
        ] {
            let call = &calls_at(site(ROLES), &by(LinkKey::CallId), &[legs])[0];
            for metric in sums {
                let sum: i64 =
                    contributions(call, false).iter().filter(|(_, of, _)| *of == metric).map(|(_, _, by)| by).sum();
                assert_eq!(sum, i64::from(seconds), "{metric:?}");
            }
        }
    }
}

#[test]
fn a_call_belongs_to_the_half_hour_and_the_band_of_its_arrival() {
    let answered = "answered; answered_wait, 1 to 30 s; answered_talk, 1 to 30 s";
    for (at, slot, band) in [
        ("2026-11-20T00:00:00", "20 00:00", "00:00 - 05:59"),
        ("2026-11-20T05:59:59", "20 05:30", "00:00 - 05:59"),
        ("2026-11-20T06:00:00", "20 06:00", "06:00 - 07:59"),
        ("2026-11-20T07:59:59", "20 07:30", "06:00 - 07:59"),
        ("2026-11-20T08:00:00", "20 08:00", "08:00 - 09:59"),
        ("2026-11-20T09:59:59", "20 09:30", "08:00 - 09:59"),
        ("2026-11-20T10:00:00", "20 10:00", "10:00 - 11:59"),
        ("2026-11-20T11:59:59", "20 11:30", "10:00 - 11:59"),
        ("2026-11-20T12:00:00", "20 12:00", "12:00 - 13:59"),
        ("2026-11-20T13:59:59", "20 13:30", "12:00 - 13:59"),
        ("2026-11-20T14:00:00", "20 14:00", "14:00 - 15:59"),
        ("2026-11-20T15:59:59", "20 15:30", "14:00 - 15:59"),
        ("2026-11-20T16:00:00", "20 16:00", "16:00 - 17:59"),
        ("2026-11-20T17:59:59", "20 17:30", "16:00 - 17:59"),
        ("2026-11-20T18:00:00", "20 18:00", "18:00 - 18:29"),
        ("2026-11-20T18:29:59", "20 18:00", "18:00 - 18:29"),
        ("2026-11-20T18:30:00", "20 18:30", "18:30 - 23:59"),
        ("2026-11-20T23:59:59", "20 23:30", "18:30 - 23:59"),
        // In summer local time is an hour ahead of UTC, and it is the local one that counts.
        ("2026-07-01T18:29:59", "01 18:00", "18:00 - 18:29"),
        ("2026-07-01T18:30:00", "01 18:30", "18:30 - 23:59"),
        ("2026-07-01T00:00:00", "01 00:00", "00:00 - 05:59"),
        // The day that is an hour short, and the one that is an hour long.
        ("2026-03-29T00:59:59", "29 00:30", "00:00 - 05:59"),
        ("2026-03-29T02:00:00", "29 02:00", "00:00 - 05:59"),
        ("2026-03-29T08:00:00", "29 08:00", "08:00 - 09:59"),
        ("2026-10-25T08:00:00", "25 08:00", "08:00 - 09:59"),
        ("2026-10-25T23:59:59", "25 23:30", "18:30 - 23:59"),
    ] {
        let leg = format!("{at} in #1 l1 + r5 t10 x201");
        let expected = format!("{slot} {answered} | {band}, Answered, 1_30, 1_30");
        hold(LinkKey::CallId, ROLES, &[(at, &[&leg], &[&expected])]);
    }
}

#[test]
fn what_the_stamp_means_decides_where_a_call_over_an_edge_counts() {
    let counts = |slot: &str, doubt: &str, band: &str| {
        format!(
            "{slot} {doubt}answered; answered_wait, 1 to 30 s; answered_talk, 1 to 30 s | {band}, Answered, 1_30, 1_30"
        )
    };
    let (six, evening, morning) = ("18:00 - 18:29", "18:30 - 23:59", "08:00 - 09:59");
    for (name, leg, expected) in [
        (
            "arrives before half past six, answered after",
            "18:29:50 in #1 l1 + r25 t10 x201",
            counts("20 18:00", "", six),
        ),
        ("stamped at its end", "18:30:20 end in #1 l1 + r20 t20 x201", counts("20 18:00", "", six)),
        ("stamped at its answer", "18:30:10 ans in #1 l1 + r20 t20 x201", counts("20 18:00", "", six)),
        ("stamped at its arrival", "18:30:10 in #1 l1 + r20 t20 x201", counts("20 18:30", "", evening)),
        (
            "over midnight: the day before",
            "2026-11-21T00:00:10 end in #1 l1 + r10 t20 x201",
            counts("20 23:30", "", evening),
        ),
        ("its end has hold in it", "18:30:30 end in #1 l1 + r10 t20 h20 x201", counts("20 18:00", "", six)),
        ("a minute stamp: the first second", "08:29:00 /60 in #1 l1 + r10 t20 x201", counts("20 08:00", "", morning)),
        (
            "a minute stamp of the answer, over an edge: in doubt",
            "08:30:00 /60 ans in #1 l1 + r10 t20 x201",
            counts("20 08:00", "edge_doubt; ", morning),
        ),
        (
            "a minute stamp of the end, over an edge: in doubt",
            "08:30:00 /60 end in #1 l1 + r10 t20 x201",
            counts("20 08:00", "edge_doubt; ", morning),
        ),
    ] {
        hold(LinkKey::CallId, ROLES, &[(name, &[leg], &[&expected])]);
    }
    // Without a ring time the arrival may be earlier, and nothing is made up for it.
    let expected = "20 08:30 edge_doubt; answered; answered_wait_unknown; answered_talk, 1 to 30 s | 08:00 - 09:59, Answered, , 1_30";
    hold(LinkKey::CallId, ROLES, &[("no ring", &["08:30:30 end in #1 l1 + t20 x201"], &[expected])]);
    // The hour that autumn repeats, and the one that spring skips.
    let night = "00:00 - 05:59";
    hold(
        LinkKey::CallId,
        ROLES,
        &[
            (
                "the hour that comes twice: the first pass until stamps go back, then the second",
                &["2026-10-25T01:50:00 in #1 l1 + r5 t10 x201", "2026-10-25T01:05:00 in #2 l1 + r5 t10 x201"],
                &[&counts("25 01:30", "edge_doubt; ", night), &counts("25 01:00", "", night)],
            ),
            (
                "the hour that is not there: moved forward",
                &["2026-03-29T01:30:00 in #1 l1 + r5 t10 x201"],
                &[&counts("29 02:30", "", night)],
            ),
        ],
    );
}

#[test]
fn a_redial_is_a_call_like_any_other_and_counted_beside() {
    let call = &calls_at(site(ROLES), &by(LinkKey::CallId), &["08:00:00 in #1 l1 c7 - r5 x201"])[0];
    let counts =
        |repeat| -> BTreeSet<Metric> { contributions(call, repeat).into_iter().map(|(_, of, _)| of).collect() };
    let beside: Vec<Metric> = counts(true).difference(&counts(false)).copied().collect();
    assert_eq!(beside, [Metric::Repeat]);
    assert!(counts(true).contains(&Metric::Seen) && counts(true).contains(&Metric::Missed));
}

#[test]
fn what_is_counted_balances_in_every_half_hour() {
    // CBT001 = CBT002 + CBT003 + CBT004 + CBT005, and each histogram with its unknown is its count.
    let legs: Vec<String> = (0..600_u32)
        .map(|at| {
            let what = match at % 9 {
                0 => format!("+ r{} t{} x201", at % 320, at),
                1 => format!("- r{} x201", at % 310),
                2 => format!("+ r{} t9 pV9511", at % 50),
                3 => "+ r1 t20 pV9501".to_owned(),
                4 => "- r90 booked queue".to_owned(),
                5 => "+ t20 x202".to_owned(),
                6 => "- busy".to_owned(),
                7 => "+ r4 x203".to_owned(),
                _ => "+ r5 t10 x290".to_owned(),
            };
            format!("{:02}:{:02}:00 in #{at} l1 {what}", at / 60 + 8, at % 60)
        })
        .collect();
    let legs: Vec<&str> = legs.iter().map(String::as_str).collect();
    let mut slots: std::collections::BTreeMap<_, std::collections::BTreeMap<Metric, i64>> = Default::default();
    for call in calls_at(site(ROLES), &by(LinkKey::CallId), &legs) {
        for (slot, metric, by) in contributions(&call, false) {
            *slots.entry(slot).or_default().entry(metric).or_default() += by;
        }
    }
    let mut calls = 0;
    for counts in slots.values() {
        let of = |metric: Metric| counts.get(&metric).copied().unwrap_or(0);
        let parts = [Metric::IvrEnded, Metric::Answered, Metric::Missed, Metric::CallbackRequested];
        assert_eq!(of(Metric::Seen), parts.into_iter().map(of).sum::<i64>());
        let histogram = |bucket: fn(u8) -> Metric| (0..9).map(|at| of(bucket(at))).sum::<i64>();
        assert_eq!(of(Metric::Answered), histogram(Metric::AnsweredWait) + of(Metric::AnsweredWaitUnknown));
        assert_eq!(of(Metric::Answered), histogram(Metric::AnsweredTalk) + of(Metric::AnsweredTalkUnknown));
        assert_eq!(of(Metric::Missed), histogram(Metric::MissedWait) + of(Metric::MissedWaitUnknown));
        calls += of(Metric::Seen) + of(Metric::NotPeople);
    }
    assert_eq!(calls, 600);
}
