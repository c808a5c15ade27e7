//! F16, with files: what a PBX printed comes by its own link, out of its buffer and in files of other loggers, in any
//! order and more than once. Each call is counted once; twins stay twins; what cannot be told is said.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use super::evidence::{figures, tries};
use super::lines::{Ip, hipath};
use super::promises::assert_kept;
use super::rig::{Pbx, Rig, SITE, clock, wait_for};

const HI: &str = "siemens-hipath3000";
const IP: &str = "avaya-ipoffice";

/// Calls that ended from `first` on, 45 seconds apart, as a HiPath prints them. Some are alike to the letter: one after the
/// other, and with one between.
fn calls_from(first: jiff::civil::DateTime, many: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for n in 0..many {
        let twin = match n % 20 {
            7 => lines.get(n - 1),
            13 => lines.get(n - 2),
            _ => None,
        };
        let line = twin.cloned().unwrap_or_else(|| {
            let at = first + jiff::SignedDuration::from_secs(45 * n as i64);
            let at = at.strftime("%d.%m.%y%H:%M:%S").to_string();
            let (trunk, station) = (1 + n as u8 % 8, 101 + n as u16 % 30);
            let talk = format!("00:{:02}:{:02}", n % 9, n % 50);
            hipath(&at, trunk, station, "00:05", &talk, &format!("07700900{:03}", n % 400), 1)
        });
        lines.push(line);
    }
    lines
}

fn of_today(many: usize) -> Vec<String> {
    calls_from(jiff::civil::date(2026, 11, 20).at(8, 0, 0, 0), many)
}

fn file(rig: &Rig, name: &str, lines: &[String]) -> PathBuf {
    let path = rig.path(name);
    std::fs::write(&path, lines.iter().map(|line| format!("{line}\r\n")).collect::<String>()).unwrap();
    path
}

#[track_caller]
fn import(rig: &Rig, dialect: &str, path: &Path, more: &[&str], now: &str) -> Value {
    let (code, report) = rig.json(&[&["import", "--dialect", dialect, path.to_str().unwrap()], more].concat(), now);
    assert_eq!(code, 0, "{report}");
    report["files"][0].clone()
}

/// What is new, what repeats others, and what may.
#[track_caller]
fn came_to(report: &Value, new: usize, duplicates: usize, may_repeat: usize) {
    let found = ["records", "duplicates", "may_repeat"].map(|key| report[key].as_u64().unwrap() as usize);
    assert_eq!(found, [new, duplicates, may_repeat], "{report:#}");
}

/// Waits until nothing waits for its verdict, and so many records are counted.
#[track_caller]
fn records(rig: &Rig, so_many: usize) {
    let mut found = (0, 0);
    wait_for("the verdicts", || {
        let waits = rig.count("SELECT count(*) FROM line WHERE repeats = 0");
        found = (rig.status()["lines"]["records"].as_u64().unwrap() as usize, waits);
        (waits == 0).then_some(())
    });
    assert_eq!(found.0, so_many, "{:#}", rig.status());
}

/// What the calls came to, without where their lines stand. Who called again is told within one source only.
fn calls(rig: &Rig) -> Vec<String> {
    let db = rig.db();
    let mut query = db
        .prepare(
            "SELECT kind, arrival_ms, end_ms, outcome, rule, wait_s, talk_s, legs FROM call
             ORDER BY arrival_ms, end_ms, kind, rule, wait_s, talk_s, legs",
        )
        .unwrap();
    let row = |row: &rusqlite::Row<'_>| {
        (0..8).map(|at| Ok(format!("{:?} ", row.get_ref(at)?))).collect::<rusqlite::Result<String>>()
    };
    query.query_map([], row).unwrap().map(Result::unwrap).collect()
}

/// The lines that are counted, by what they say.
fn counted(rig: &Rig) -> Vec<String> {
    let db = rig.db();
    let mut query = db.prepare("SELECT hex(text) FROM line WHERE kind = 0 ORDER BY 1").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[track_caller]
fn assert_same(found: &[String], expected: &[String], what: &str) {
    let differ: Vec<_> = found.iter().zip(expected).filter(|(one, other)| one != other).take(3).collect();
    assert!(
        differ.is_empty() && found.len() == expected.len(),
        "{what}: {} of {}: {differ:#?}",
        found.len(),
        expected.len()
    );
}

/// What the calls come to when a file alone gives each line once.
fn once(dialect: &'static str, lines: &[String], now: &str) -> Vec<String> {
    let rig = Rig::new(SITE, &[Pbx::tcp("reception", dialect)]);
    let path = file(&rig, "all.log", lines);
    let report = import(&rig, dialect, &path, &[], now);
    came_to(&report, lines.len(), 0, 0);
    calls(&rig)
}

#[test]
fn files_that_overlap_and_the_same_file_again_count_each_call_once() {
    let now = clock("2026-11-20T23:00:00Z", 1);
    let lines = of_today(1000);
    let rig = Rig::new(SITE, &[Pbx::tcp("reception", HI)]);
    let first = file(&rig, "first.log", &lines[..600]);
    came_to(&import(&rig, HI, &first, &[], &now), 600, 0, 0);
    came_to(&import(&rig, HI, &first, &[], &now), 0, 0, 0);
    came_to(&import(&rig, HI, &first, &["--as-new"], &now), 0, 600, 0);
    let second = file(&rig, "second.log", &lines[400..]);
    let report = import(&rig, HI, &second, &[], &now);
    came_to(&report, 400, 200, 0);
    assert_eq!(report["repeats"], serde_json::json!({"reception/import-1": 200}), "{report:#}");
    // Inside, around, and the other way round.
    came_to(&import(&rig, HI, &file(&rig, "inside.log", &lines[500..510]), &[], &now), 0, 10, 0);
    let turned = [&lines[700..], &lines[..700]].concat();
    came_to(&import(&rig, HI, &file(&rig, "turned.log", &turned), &[], &now), 0, 1000, 0);
    // Other blanks at the line's end; and two lines, of which nobody can say: they are counted, and so is the doubt.
    let blanks: Vec<String> = lines[100..200].iter().map(|line| format!("{line}   ")).collect();
    came_to(&import(&rig, HI, &file(&rig, "blanks.log", &blanks), &[], &now), 0, 100, 0);
    assert_same(&calls(&rig), &once(HI, &lines, &now), "each call once");
    let few = import(&rig, HI, &file(&rig, "few.log", &lines[301..303]), &[], &now);
    came_to(&few, 2, 0, 2);
    // A twin more than all have: one of the two is a call of its own, for all that is known.
    let more = [&lines[300..320], &lines[319..330]].concat();
    came_to(&import(&rig, HI, &file(&rig, "more.log", &more), &[], &now), 1, 30, 1);
    let (_, document) = rig.json(&["day", "2026-11-20"], &now);
    let doubts = document["sources"].as_array().unwrap().iter().filter_map(|source| source["may_repeat"].as_u64());
    assert_eq!(doubts.sum::<u64>(), 3, "the doubt travels with the figures: {document:#}");
    assert_kept(&rig, &now, "after nine files");
    figures(
        "F16 files that overlap",
        "9 files of 1000 calls, 100 of them twins",
        "0 lost, 0 doubled, 3 told as doubtful",
    );
}

#[test]
fn an_outage_is_filled_by_a_file_and_the_buffer_that_comes_then_adds_nothing() {
    let mut pbx = Pbx::tcp("reception", HI);
    let rig = Rig::new(SITE, std::slice::from_ref(&pbx));
    let now = clock("2026-11-20T23:00:00Z", 1);
    let daemon = rig.run(&now);
    let lines = of_today(600);
    pbx.connect();
    pbx.print(&lines[..100]);
    rig.wait_for_lines(100);
    pbx.hang_up();
    pbx.connect();
    pbx.print(&lines[200..300]);
    rig.wait_for_lines(200);
    records(&rig, 200);
    // The other logger lacks some that the box heard, and has what it did not.
    let logged = [&lines[40..60], &lines[70..240], &lines[245..290]].concat();
    let report = import(&rig, HI, &file(&rig, "logger.log", &logged), &[], "");
    came_to(&report, 100, logged.len() - 100, 0);
    assert_eq!(report["repeats"], serde_json::json!({"reception": logged.len() - 100}), "{report:#}");
    records(&rig, 300);
    // The PBX empties its buffer: what it printed, what only the file had, and what is new.
    pbx.hang_up();
    pbx.connect();
    pbx.print(&lines[50..330]);
    rig.wait_for_lines(200 + logged.len() + 280);
    records(&rig, 330);
    assert_eq!(rig.count("SELECT count(*) FROM line WHERE repeats_source IS NOT NULL AND source = 1"), 100);
    // After a restart as well.
    daemon.kill();
    let daemon = rig.run(&now);
    pbx.connect();
    pbx.print(&lines[90..340]);
    rig.wait_for_lines(200 + logged.len() + 280 + 250);
    records(&rig, 340);
    assert_eq!(rig.count("SELECT count(*) FROM line WHERE repeats = -1"), 0);
    assert_same(&calls(&rig), &once(HI, &lines[..340], &now), "each call once");
    assert_kept(&rig, "", "after the outage");
    daemon.stop();
    figures("F16 outage filled by a file", "100 calls lost to the box, 2 buffers", "340 of 340 calls, each once");
}

#[test]
fn an_import_of_today_comes_before_the_lines_that_it_has() {
    let mut pbx = Pbx::tcp("reception", HI);
    let rig = Rig::new(SITE, std::slice::from_ref(&pbx));
    let now = clock("2026-11-20T23:00:00Z", 1);
    let daemon = rig.run(&now);
    let lines = of_today(400);
    // Before the box has heard anything.
    came_to(&import(&rig, HI, &file(&rig, "first.log", &lines[..150]), &[], ""), 150, 0, 0);
    pbx.connect();
    pbx.print(&lines[100..200]);
    rig.wait_for_lines(250);
    records(&rig, 200);
    // While the link is up: the file is ahead of it, and the next lines are those that it had.
    came_to(&import(&rig, HI, &file(&rig, "second.log", &lines[180..230]), &[], ""), 30, 20, 0);
    pbx.print(&lines[200..203]);
    rig.wait_for_lines(303);
    pbx.print(&lines[203..240]);
    rig.wait_for_lines(340);
    records(&rig, 240);
    // And behind it again.
    came_to(&import(&rig, HI, &file(&rig, "third.log", &lines[210..240]), &[], ""), 0, 30, 0);
    pbx.print(&lines[240..250]);
    rig.wait_for_lines(380);
    records(&rig, 250);
    assert_eq!(rig.count("SELECT count(*) FROM line WHERE repeats = -1"), 0);
    assert_same(&calls(&rig), &once(HI, &lines[..250], &now), "each call once");
    assert_kept(&rig, "", "after the imports");
    daemon.stop();
    figures("F16 file before the link", "3 files of today, the link up", "250 of 250 calls, each once");
}

#[test]
fn a_buffer_across_midnight_and_a_power_cut_and_then_the_file_of_both_days() {
    let mut pbx = Pbx::tcp("reception", HI);
    let rig = Rig::new(SITE, std::slice::from_ref(&pbx));
    // From 22:30 to half past one.
    let lines = calls_from(jiff::civil::date(2026, 11, 20).at(22, 30, 0, 0), 240);
    let daemon = rig.run(&clock("2026-11-20T23:30:00Z", 1));
    pbx.connect();
    pbx.print(&lines[..80]);
    rig.wait_for_lines(80);
    daemon.kill();
    // The box comes up again after midnight with other keys: what was in memory is gone.
    let _ = std::fs::remove_dir_all(rig.path("run"));
    let now = clock("2026-11-21T01:40:00Z", 1);
    let daemon = rig.run(&now);
    pbx.connect();
    pbx.print(&lines[30..180]);
    rig.wait_for_lines(230);
    records(&rig, 180);
    daemon.kill();
    let _ = std::fs::remove_dir_all(rig.path("run"));
    let daemon = rig.run(&now);
    // The other logger heard the buffer twice, too.
    let logged = [&lines[..80], &lines[30..240]].concat();
    let report = import(&rig, HI, &file(&rig, "logger.log", &logged), &[], "");
    came_to(&report, 60, 230, 0);
    pbx.connect();
    pbx.print(&lines[150..240]);
    rig.wait_for_lines(230 + 290 + 90);
    records(&rig, 240);
    assert_eq!(rig.count("SELECT count(*) FROM line WHERE repeats = -1"), 0);
    assert_kept(&rig, "", "after midnight");
    let found = calls(&rig);
    daemon.stop();
    assert_same(&found, &once(HI, &lines, &now), "each call once");
    figures("F16 midnight, power cut, file of both days", "2 kills, 3 buffers", "240 of 240 calls, each once");
}

#[test]
fn real_twins_stay_twins() {
    let text = include_str!("../captures/alcatel-oxo/alcatel-4200.smdr");
    // Without page breaks, which are lines of their own.
    let text = text.replace('\u{c}', "");
    let lines: Vec<String> = text.lines().map(str::to_owned).filter(|line| !line.trim().is_empty()).collect();
    let (dialect, now) = ("alcatel-oxo", clock("2006-12-05T23:00:00Z", 1));
    let mut twins = lines.clone();
    twins.sort();
    assert!(twins.windows(2).filter(|pair| pair[0] == pair[1]).count() >= 9, "the capture holds real ones");
    let expected = {
        let rig = Rig::new(SITE, &[Pbx::tcp("reception", dialect)]);
        import(&rig, dialect, &file(&rig, "all.log", &lines), &[], &now);
        counted(&rig)
    };
    for (heard, logged) in [((0, 146), (0, 146)), ((0, 100), (60, 146)), ((60, 146), (0, 100)), ((40, 90), (0, 146))] {
        let of = |(from, to): (usize, usize)| &lines[from.min(lines.len())..to.min(lines.len())];
        let mut pbx = Pbx::tcp("reception", dialect);
        let rig = Rig::new(SITE, std::slice::from_ref(&pbx));
        let daemon = rig.run(&now);
        pbx.connect();
        pbx.print(of(heard));
        rig.wait_for_lines(of(heard).len());
        let report = import(&rig, dialect, &file(&rig, "logger.log", of(logged)), &[], "");
        assert_eq!(report["may_repeat"], 0, "{heard:?} {logged:?}: {report:#}");
        // By lines: a call of two parts of which each came another way is two.
        assert_same(&counted(&rig), &expected, &format!("{heard:?} {logged:?}"));
        assert_kept(&rig, "", "with twins");
        daemon.stop();
    }
    figures(
        "F16 real twins",
        "a capture with real twins, heard and logged in 4 ways",
        "each line as often as it was printed",
    );
}

#[test]
fn two_pbxs_that_print_the_same_are_two() {
    let site = "[[practice]]\nods = \"A81001\"\nsources = [\"reception\"]\n[[practice]]\nods = \"A81002\"\nsources = [\"surgery\"]\n";
    let mut pbxs = [Pbx::tcp("reception", IP), Pbx::tcp("surgery", IP)];
    let rig = Rig::new(site, &pbxs);
    let now = clock("2026-11-20T23:00:00Z", 1);
    let daemon = rig.run(&now);
    let call = |n: u32| {
        let at = format!("2026/11/20 09:{:02}:{:02}", n / 2, n % 2 * 30);
        Ip { at: &at, id: 1_000_001 + n, ..Ip::default() }.line()
    };
    let lines: Vec<String> = (0..60).map(call).collect();
    pbxs[0].connect();
    pbxs[0].print(&lines[..40]);
    rig.wait_for_lines(40);
    let path = file(&rig, "surgery.log", &lines);
    came_to(&import(&rig, IP, &path, &["--source", "surgery"], ""), 60, 0, 0);
    pbxs[0].print(&lines[40..50]);
    rig.wait_for_lines(110);
    pbxs[1].connect();
    pbxs[1].print(&lines[10..60]);
    rig.wait_for_lines(160);
    records(&rig, 110);
    // A PBX of which nobody knows which it is may be either.
    let unknown = file(&rig, "unknown.log", &lines[5..45]);
    came_to(&import(&rig, IP, &unknown, &["--source", "somewhere"], ""), 0, 40, 0);
    assert_kept(&rig, "", "with two PBXs");
    daemon.stop();
    figures("F16 two PBXs that print the same", "60 lines each", "each counted for its own");
}

/// What became of each line, and of the calls.
fn decided(rig: &Rig) -> Vec<String> {
    let db = rig.db();
    let lines = "SELECT source, seq, day, kind, repeats, repeats_source, reason FROM line ORDER BY source, seq";
    let mut query = db.prepare(lines).unwrap();
    let row = |row: &rusqlite::Row<'_>| {
        (0..7).map(|at| Ok(format!("{:?} ", row.get_ref(at)?))).collect::<rusqlite::Result<String>>()
    };
    let lines: Vec<String> = query.query_map([], row).unwrap().map(Result::unwrap).collect();
    [lines, calls(rig)].concat()
}

#[test]
fn an_import_that_is_killed_decides_as_one_that_was_not() {
    let now = clock("2026-11-20T23:00:00Z", 1);
    let days = (17..=20).flat_map(|day| calls_from(jiff::civil::date(2026, 11, day).at(7, 30, 0, 0), 1100));
    let lines: Vec<String> = days.collect();
    // What is in already: with holes, and twins at their edges.
    let before: Vec<String> =
        lines.iter().enumerate().filter(|(at, _)| at % 700 > 90).map(|(_, line)| line.clone()).collect();
    let begin = |rig: &Rig| {
        came_to(&import(rig, HI, &file(rig, "before.log", &before), &[], &now), before.len(), 0, 0);
        file(rig, "all.log", &lines)
    };
    let rig = Rig::new(SITE, &[Pbx::tcp("reception", HI)]);
    let path = begin(&rig);
    came_to(&import(&rig, HI, &path, &[], &now), lines.len() - before.len(), before.len(), 0);
    let expected = decided(&rig);
    assert_kept(&rig, &now, "uninterrupted");

    let rig = Rig::new(SITE, &[Pbx::tcp("reception", HI)]);
    let path = begin(&rig);
    let far = |rig: &Rig| rig.count("SELECT coalesce(max(lines), 0) FROM import WHERE source = 3");
    let (mut seen, mut kills) = (0, 0);
    for _ in 0..tries(2, 10) {
        let mut command = rig.command(&["import", "--dialect", HI, path.to_str().unwrap()], &now);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_for("some lines more", || (far(&rig) > seen || child.try_wait().unwrap().is_some()).then_some(()));
        child.kill().unwrap();
        child.wait().unwrap();
        seen = far(&rig);
        kills += u32::from(seen < lines.len() as i64);
    }
    import(&rig, HI, &path, &[], &now);
    let found = decided(&rig);
    assert_same(&found, &expected, "every line is decided as without a kill");
    assert_kept(&rig, &now, "after it was killed");
    assert!(kills > 0, "it was never cut off in the middle");
    figures("F16 kill -9 in an import", &format!("{kills} kills"), "every line decided as without");
}
