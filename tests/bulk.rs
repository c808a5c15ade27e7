//! A month of a large practice over TCP into the daemon: every line stored once, every half-hour exact, also when the
//! daemon is killed on the way. G1 (kept), G2 (once), G5 (honest).

#[path = "bulk/month.rs"]
mod month;
#[path = "bulk/practice_box.rs"]
mod practice_box;

use std::time::{Duration, Instant};

use month::{Chance, Figures, Month};
use practice_box::{PracticeBox, print};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_smdrd");
/// Some days after the month: the daemon gets it as one re-dump of a buffer.
const NOW: &str = "2026-11-12T19:30:00Z";
const LINES: usize = 200_000;
/// How often the daemon is killed on the way.
const KILLS: usize = 6;

fn figure(value: &Value, path: &str) -> u64 {
    value.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path} is no figure: {value}"))
}

/// The figures of a slot, or of a day's totals.
fn figures(of: &Value) -> Figures {
    let inbound = |name: &str| figure(of, &format!("/inbound/{name}"));
    for unknown in ["answered_wait_unknown", "answered_talk_unknown", "missed_wait_unknown", "edge_doubt", "not_people"]
    {
        assert_eq!(inbound(unknown), 0, "{unknown}");
    }
    assert_eq!(inbound("calls"), inbound("calls_seen"));
    assert_eq!(inbound("calls"), inbound("answered") + inbound("ivr_ended") + inbound("missed"));
    for (histogram, total) in [("answered_wait", "answered"), ("answered_talk", "answered"), ("missed_wait", "missed")]
    {
        let counts = of.pointer(&format!("/inbound/{histogram}")).and_then(Value::as_array).unwrap();
        assert_eq!(counts.iter().map(|count| count.as_u64().unwrap()).sum::<u64>(), inbound(total), "{histogram}");
    }
    Figures {
        calls: inbound("calls"),
        answered: inbound("answered"),
        ivr_ended: inbound("ivr_ended"),
        missed: inbound("missed"),
        voicemail: inbound("missed_voicemail"),
        answered_wait_s: inbound("answered_wait_sum_s"),
        answered_talk_s: inbound("answered_talk_sum_s"),
        missed_wait_s: inbound("missed_wait_sum_s"),
        outbound: figure(of, "/outbound/calls"),
        outbound_answered: figure(of, "/outbound/answered"),
        outbound_talk_s: figure(of, "/outbound/talk_sum_s"),
        internal: figure(of, "/internal/calls"),
    }
}

/// Everything that must hold when the month is in.
fn holds(practice: &PracticeBox, month: &Month) {
    let lines = month.lines.len() as u64;
    let status = practice.ask(&["status"]);
    assert_eq!(status["well"], true, "{status:#}");
    assert_eq!(figure(&status, "/lines/lines"), lines);
    assert_eq!(figure(&status, "/lines/records"), lines, "each line is a record");
    let (stored, counted, open) = ("/calls/stored", "/calls/counted", "/calls/open");
    assert_eq!((figure(&status, stored), figure(&status, open)), (month.calls, 0));
    assert_eq!(figure(&status, stored), figure(&status, counted));

    // To the record: numbered without a gap, one row each.
    let once = format!("SELECT count(*) = {lines} AND min(seq) = 1 AND max(seq) = {lines} FROM line");
    assert_eq!(practice.number(&once), 1);
    assert_eq!(practice.number("SELECT sum(n) FROM line_count"), lines as i64);
    assert_eq!(practice.number("SELECT sum(legs) FROM call"), lines as i64);
    assert_eq!(practice.number("SELECT count(*) FROM line WHERE call_seq IS NULL"), 0);
    let check: String = practice.database().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");

    let began = Instant::now();
    let mut slots = 0;
    for day in &month.days {
        let document = practice.ask(&["day", &day.to_string()]);
        let mut whole = Figures::default();
        for slot in document["slots"].as_array().unwrap() {
            let start: jiff::Timestamp = slot["start"].as_str().unwrap().parse().unwrap();
            let truth = month.slots.get(&start).copied().unwrap_or_default();
            assert_eq!(figures(slot), truth, "{day} {}", slot["local"]);
            slots += usize::from(truth != Figures::default());
            whole.calls += truth.calls;
            whole.missed += truth.missed;
        }
        let totals = figures(&document["totals"]);
        assert_eq!((totals.calls, totals.missed), (whole.calls, whole.missed), "{day}");
        let day_lines: u64 =
            document["sources"].as_array().unwrap().iter().map(|source| figure(source, "/lines")).sum();
        assert!(day_lines > 0, "{day} has no lines");
    }
    assert_eq!(slots, month.slots.len(), "every half-hour with a call was looked at");

    eprintln!("{:?} days", began.elapsed());
    let rebuilt = practice.ask(&["rebuild", "--dry-run"]);
    assert_eq!((figure(&rebuilt, "/lines"), figure(&rebuilt, "/calls")), (lines, month.calls));
    assert_eq!((figure(&rebuilt, "/changed_lines"), figure(&rebuilt, "/changed_calls")), (0, 0), "{rebuilt:#}");
    eprintln!("{:?} rebuilt", began.elapsed());
    assert_eq!(rebuilt["figures"], Value::Array(Vec::new()));
}

#[test]
fn a_month_over_tcp_is_stored_to_the_record_with_exact_half_hours() {
    let began = Instant::now();
    let month = Month::new(LINES, 1);
    eprintln!("{:?} generated {} lines, {} calls", began.elapsed(), month.lines.len(), month.calls);
    let mut practice = PracticeBox::new(PROGRAM, "avaya-ipoffice", NOW);
    let link = practice.start();
    assert_eq!(print(&link, &month.lines), LINES);
    practice.wait_for(LINES);
    eprintln!("{:?} stored", began.elapsed());
    holds(&practice, &month);
    eprintln!("{:?} looked at", began.elapsed());
    drop(link);
    practice.stop();
}

/// kill -9 at random instants of the run. The PBX goes on with the lines that were not committed, which is more than a
/// PBX could know: what is shown is that what was committed stays, once, and that all figures come out all the same.
#[test]
fn killed_again_and_again_it_has_every_committed_line_once() {
    let mut chance = chance();
    let month = Month::new(LINES, 2);
    let mut practice = PracticeBox::new(PROGRAM, "avaya-ipoffice", NOW);
    let mut committed = 0;
    for kill in 0..KILLS {
        let span = (LINES - committed) / (KILLS - kill) + 1;
        let until = committed + chance.below(span as u64) as usize;
        committed = std::thread::scope(|scope| {
            let link = practice.start();
            let rest = &month.lines[committed..];
            scope.spawn(move || print(&link, rest));
            practice.wait_for(until);
            // A moment more, so that the blow falls anywhere between two commits.
            std::thread::sleep(Duration::from_micros(chance.below(30_000)));
            let seen = practice.committed();
            practice.kill();
            let found = practice.match_lines(committed, &month.lines);
            eprintln!("killed with {seen} lines seen, {found} committed");
            assert!(found >= seen, "{seen} lines were committed and {found} are left");
            found
        });
    }
    std::thread::scope(|scope| {
        let link = practice.start();
        let rest = &month.lines[committed..];
        let printing = scope.spawn(move || (print(&link, rest), link));
        practice.wait_for(LINES);
        assert_eq!(practice.match_lines(0, &month.lines), LINES);
        let (_, link) = printing.join().unwrap();
        holds(&practice, &month);
        drop(link);
        practice.stop();
    });
}

/// A record of three lines, as a Meridian with FCDR=NEW prints an incoming call.
fn meridian(call: usize) -> [String; 3] {
    let (minute, second) = (call / 60 % 60, call % 60);
    [
        format!(
            "N {:03} 00 A0010{:02} 10{:02}    11/20 08:{minute:02}:{second:02} 00:00:{second:02}.0",
            call % 1_000,
            call % 30,
            call % 40
        ),
        format!(" &01632960{:03}XXXXX", 200 + call % 800),
        format!(" &00:{:02}                                000 00 0 02", 1 + call % 50),
    ]
}

/// The daemon is killed while a record is half printed, after its first line or after its second: what it knows of the
/// record is in the database, and the PBX goes on with the next line.
#[test]
fn killed_in_the_middle_of_a_record_it_goes_on_in_the_middle_of_it() {
    const CALLS: usize = 600;
    const BLOWS: usize = 8;
    let mut chance = chance();
    let lines: Vec<String> = (0..CALLS).flat_map(meridian).collect();
    let mut practice = PracticeBox::new(PROGRAM, "nortel-meridian", NOW);
    let mut printed = 0;
    for blow in 0..BLOWS {
        let record = (blow * CALLS + chance.below(CALLS as u64) as usize) / BLOWS;
        let until = record * 3 + 1 + chance.below(2) as usize;
        let link = practice.start();
        assert_eq!(print(&link, &lines[printed..until]), until - printed);
        practice.wait_for(until);
        // An upgrade stops the daemon in order, with the link up; that must be no worse.
        if blow % 4 == 3 {
            practice.stop()
        } else {
            practice.kill()
        }
        assert_eq!(practice.match_lines(printed, &lines), until, "nothing more than was printed, nothing less");
        printed = until;
    }
    let link = practice.start();
    print(&link, &lines[printed..]);
    practice.wait_for(lines.len());
    assert_eq!(practice.match_lines(0, &lines), lines.len());
    let status = practice.ask(&["status"]);
    let count = |kind: &str| figure(&status, &format!("/lines/{kind}"));
    let calls = CALLS as u64;
    assert_eq!((count("records"), count("continuations"), count("unparsed")), (calls, 2 * calls, 0), "{status:#}");
    assert_eq!(practice.number("SELECT count(*) FROM line WHERE kind = 0 AND seq % 3 <> 0"), 0);
    // Each record has what its three lines say: the wait stands in the third, the talk in the first.
    let waits: u64 = (0..calls).map(|call| 1 + call % 50).sum();
    let document = practice.ask(&["day", "2026-11-20"]);
    let inbound = &document["totals"]["inbound"];
    assert_eq!(figure(inbound, "/calls_seen"), calls, "{inbound:#}");
    assert_eq!(figure(inbound, "/answered_wait_sum_s") + figure(inbound, "/missed_wait_sum_s"), waits, "{inbound:#}");
    let rebuilt = practice.ask(&["rebuild", "--dry-run"]);
    assert_eq!((figure(&rebuilt, "/changed_lines"), figure(&rebuilt, "/changed_calls")), (0, 0), "{rebuilt:#}");
    assert_eq!(rebuilt["figures"], Value::Array(Vec::new()));
    practice.stop();
}

/// Another chance each time; the seed is printed, for a run that fails.
fn chance() -> Chance {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| jiff::Timestamp::now().as_microsecond() as u64);
    eprintln!("SEED={seed}");
    Chance(seed)
}
