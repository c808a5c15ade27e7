//! A site's own dialect files: put right while the daemon runs, wrong at its start, and what is held of the lines that
//! no rule understood.

use std::path::PathBuf;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::lines::{Ip, MERIDIAN, practice};
use super::rig::{Pbx, ROLES, Rig, SITE, clock, wait_for};

const NOON: &str = "2026-11-20T15:00:00Z";
/// On every line that is not understood at first; looked for in all that the box leaves.
const CANARY: &str = "07700900775";

/// The shipped file, without its examples: they would show what is taken out of it below.
fn shipped(id: &str) -> String {
    let path = format!("{}/config/dialects/{id}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    text.split("\n[[example]]").next().unwrap().to_owned() + "\n"
}

fn without<'a>(text: &'a str, part: &str) -> (&'a str, &'a str) {
    text.split_once(part).unwrap_or_else(|| panic!("{part:?} is not in the shipped file"))
}

/// An IP Office file that only knows calls which rang for less than ten seconds, and no line that was cut short.
fn half_an_ipoffice() -> String {
    let text = shipped("avaya-ipoffice");
    let (before, after) = without(&text, "when = { pattern = '^\\d{4}/\\d', fields = [15, 99] }");
    let (segment, after) = without(after, "[[line]]\nkind = \"segment cut short\"");
    let (_, after) = without(after, "[[line]]");
    let guard = "when = { pattern = '^\\d{4}/\\d[^,]*,[^,]*,\\d,', fields = [15, 99] }";
    format!("{before}{guard}{segment}[[line]]{after}")
}

/// A Meridian file that does not know the first line of records in the new format.
fn half_a_meridian() -> String {
    let text = shipped("nortel-meridian");
    let (before, after) =
        without(&text, "when = { pattern = '^[A-Z] \\d{3} \\d\\d .{16}[ \\d]\\d/\\d\\d \\d\\d:\\d\\d:\\d\\d' }");
    format!("{before}when = {{ pattern = '^never$' }}{after}")
}

/// A box with a folder for dialect files.
struct Box {
    rig: Rig,
}

impl Box {
    fn new(more: &str, pbxs: &[Pbx]) -> Box {
        let mut rig = Rig::new("", pbxs);
        let folder = rig.path("dialects");
        std::fs::create_dir(&folder).unwrap();
        rig.site = format!("dialects-dir = \"{}\"\n{SITE}{more}", folder.display());
        Box { rig }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.rig.path("dialects").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.file(name), text).unwrap();
    }

    fn reload(&self) -> (i32, Value) {
        self.rig.json(&["dialects", "reload"], "")
    }

    /// That no part of the number is in a file of the box or in its log.
    #[track_caller]
    fn assert_nowhere(&self, number: &str) {
        let mut folders = vec![self.rig.dir.path().to_owned()];
        let mut read = 0;
        let end = &number[number.len() - 7..];
        let back: String = end.chars().rev().collect();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.is_file() {
                    let bytes = std::fs::read(&path).unwrap();
                    read += bytes.len();
                    for part in [end, &back] {
                        let found = bytes.windows(part.len()).any(|window| window == part.as_bytes());
                        assert!(!found, "{part} is in {}", path.display());
                    }
                }
            }
        }
        assert!(read > 10_000, "only {read} bytes were searched");
    }
}

/// Until silence has closed the Meridian's last record, which may have a second line.
fn wait_for_silence(rig: &Rig) {
    wait_for("silence", || (rig.count("SELECT count(*) FROM line WHERE idle = 1") > 0).then_some(()));
}

#[track_caller]
fn assert_lines_add_up(status: &Value) {
    let lines = &status["lines"];
    let kinds = ["records", "continuations", "events", "headers", "noise", "unparsed", "duplicates"];
    let sum: u64 = kinds.iter().map(|kind| lines[kind].as_u64().unwrap()).sum();
    assert_eq!(lines["lines"], sum, "{lines}");
}

/// Calls, counters and lines as they are kept, without what is only of this box: peers, tokens and the text of lines.
fn history(rig: &Rig) -> Vec<String> {
    let db = rig.db();
    let mut all = Vec::new();
    for sql in [
        "SELECT concat_ws('|', 'call', source, seq, day, kind, arrival_ms, end_ms, outcome, rule, wait_s, talk_s, answered,
         later_s, earlier_s, trunk, class, open, legs, repeat) FROM call ORDER BY source, seq",
        "SELECT concat_ws('|', 'counter', ods, slot, metric, n) FROM counter WHERE n <> 0 ORDER BY ods, slot, metric",
        "SELECT concat_ws('|', 'line', source, seq, day, kind, text, reason, shape, record, call_seq) FROM line
         ORDER BY source, seq",
        "SELECT concat_ws('|', 'count', source, day, kind, n) FROM line_count WHERE n <> 0 ORDER BY source, day, kind",
        "SELECT concat_ws('|', 'number', source, seq, start, class, digits, peer IS NULL, token IS NULL, own) FROM number
         ORDER BY source, seq, start",
    ] {
        let mut query = db.prepare(sql).unwrap();
        all.extend(query.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap));
    }
    all
}

#[test]
fn what_a_dialect_lacked_is_understood_after_a_reload_as_if_it_had_never_lacked_it() {
    let mut reception = practice(11).0;
    reception
        .insert(40, Ip { at: "2026/11/20 09:12:00", id: 1_900_001, cli: CANARY, ring: 25, ..Ip::default() }.line());
    let mut meridian: Vec<String> = MERIDIAN[..8].iter().map(|line| line.to_string()).collect();
    meridian[1] = format!(" &{}", &CANARY[1..]);
    let half = |lines: &[String]| lines.len() / 2;
    let mut pbxs = [Pbx::tcp("reception", "avaya-ipoffice"), Pbx::serial("branch", "nortel-meridian")];
    let site = Box::new(ROLES, &pbxs);
    site.write("ours.toml", &half_an_ipoffice());
    site.write("theirs.toml", &half_a_meridian());
    let daemon = site.rig.run(&clock(NOON, 1));
    pbxs.iter_mut().for_each(Pbx::connect);
    assert!(pbxs[0].print(&reception[..half(&reception)]) && pbxs[1].print(&meridian));
    let first = half(&reception) + meridian.len();
    site.rig.wait_for_lines(first);
    let before = site.rig.status();
    let unparsed = before["lines"]["unparsed"].as_u64().unwrap();
    let held = before["held"]["lines"].as_u64().unwrap();
    assert!(held > 100 && held == unparsed, "{before:#}");
    assert_eq!(before["sources"][0]["dialect_from"], site.file("ours.toml").to_str().unwrap());
    site.assert_nowhere(CANARY);
    let locked = std::fs::read_to_string(format!("/proc/{}/status", daemon.child.id())).unwrap();
    let locked = locked.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap().trim();
    assert!(locked.trim_end_matches(" kB").parse::<u64>().unwrap() >= 1024, "{locked} are locked");

    // One file after the other: what the other source waits for stays held.
    site.write("theirs.toml", &shipped("nortel-meridian"));
    let (code, report) = site.reload();
    assert_eq!((code, &report["well"]), (0, &json!(true)), "{report:#}");
    assert_eq!(report["sources"][0]["change"], "unchanged");
    assert_eq!(report["sources"][1]["change"], "replaced");
    assert_eq!(report["understood"], 6, "two records of three lines");
    site.rig.assert_no_difference("", "after the first reload");
    site.write("ours.toml", &shipped("avaya-ipoffice"));
    let (code, report) = site.reload();
    assert_eq!((code, &report["understood"]), (0, &json!(held - 6)), "{report:#}");
    assert!(report["difference"]["changed_calls"].as_u64().unwrap() > 50, "{report:#}");
    let after = site.rig.status();
    assert_lines_add_up(&after);
    let count = |status: &Value, kind: &str| status["lines"][kind].as_u64().unwrap();
    assert_eq!((count(&after, "lines"), count(&after, "unparsed")), (first as u64, 0));
    let others = |status: &Value| ["records", "continuations", "events", "headers"].map(|kind| count(status, kind));
    let gained: u64 = others(&after).iter().sum::<u64>() - others(&before).iter().sum::<u64>();
    assert_eq!(gained, unparsed, "{before:#} {after:#}");
    assert_eq!((&after["held"]["lines"], &after["held"]["understood"]), (&json!(0), &json!(held)));
    assert_ne!(after["sources"][0]["dialect_version"], before["sources"][0]["dialect_version"]);
    site.rig.assert_no_difference("", "after the reload");
    site.assert_nowhere(CANARY);
    assert_eq!(site.rig.count("SELECT count(*) FROM link"), 2, "no link was dropped");
    assert_eq!(site.rig.count("SELECT count(*) FROM link WHERE to_ms IS NULL"), 2);
    let audited = "SELECT count(*) FROM audit WHERE what LIKE 'reload of dialects: %lines tried%' AND who LIKE 'uid %'";
    assert_eq!(site.rig.count(audited), 2);

    // The links are the same ones, and what comes now is understood.
    assert!(pbxs[0].print(&reception[half(&reception)..]));
    site.rig.wait_for_lines(reception.len() + meridian.len());
    wait_for_silence(&site.rig);
    site.rig.assert_no_difference("", "with lines after the reload");
    daemon.stop();
    site.rig.assert_no_difference(&clock("2026-11-20T15:10:00Z", 1), "without a daemon");

    // A box that knew everything from the start has the same history.
    let mut others = [Pbx::tcp("reception", "avaya-ipoffice"), Pbx::serial("branch", "nortel-meridian")];
    let control = Rig::new(&format!("{SITE}{ROLES}"), &others);
    let daemon = control.run(&clock(NOON, 1));
    others.iter_mut().for_each(Pbx::connect);
    assert!(others[0].print(&reception) && others[1].print(&meridian));
    control.wait_for_lines(reception.len() + meridian.len());
    wait_for_silence(&control);
    daemon.stop();
    let (ours, theirs) = (history(&site.rig), history(&control));
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(ours.len(), theirs.len());
}

#[test]
fn a_wrong_file_at_a_reload_leaves_the_rules_in_force_and_names_its_line() {
    let mut pbx = [Pbx::tcp("reception", "avaya-ipoffice")];
    let site = Box::new("", &pbx);
    site.write("ours.toml", &shipped("avaya-ipoffice"));
    let daemon = site.rig.run(&clock(NOON, 1));
    pbx[0].connect();
    assert!(pbx[0].print(&[Ip::default().line()]));
    site.rig.wait_for_lines(1);
    let in_force = site.rig.status()["sources"][0]["dialect_version"].clone();

    let wrong = shipped("avaya-ipoffice").replace("type = \"seconds\", required", "type = \"secnds\", required");
    site.write("ours.toml", &wrong);
    let line = wrong.lines().position(|line| line.contains("secnds")).unwrap() + 1;
    let column = wrong.lines().nth(line - 1).unwrap().find("\"secnds\"").unwrap() + 1;
    let output = site.rig.verb(&["dialects", "reload"], "");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let place = format!("{}:{line}:{column}:", site.file("ours.toml").display());
    assert!(text.contains(&place) && text.contains("^^^^^^^^\n") && text.contains("rules in force stay"), "{text}");
    let check = site.rig.verb(&["check"], "");
    assert_eq!(check.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&check.stdout).contains(&place), "{check:?}");

    let status = site.rig.status();
    assert_eq!((&status["well"], &status["sources"][0]["dialect_version"]), (&json!(false), &in_force));
    assert!(status["problems"].to_string().contains("the rules that were in force before still are"), "{status:#}");
    assert!(pbx[0].print(&[Ip { id: 2, ..Ip::default() }.line()]));
    site.rig.wait_for_lines(2);
    assert_eq!(site.rig.status()["lines"]["records"], 2);

    // Put right, and told with a signal.
    site.write("ours.toml", &shipped("avaya-ipoffice").replace("[link]", "# Ours.\n[link]"));
    daemon.signal(Signal::HUP);
    wait_for("the reload", || (site.rig.status()["sources"][0]["dialect_version"] != in_force).then_some(()));
    let status = site.rig.status();
    assert_eq!((&status["well"], &status["reloaded"]["well"]), (&json!(true), &json!(true)), "{status:#}");
    assert!(pbx[0].print(&[Ip { id: 3, ..Ip::default() }.line()]));
    site.rig.wait_for_lines(3);
    // Taken away, the shipped one holds.
    std::fs::remove_file(site.file("ours.toml")).unwrap();
    let (code, report) = site.reload();
    assert_eq!((code, &report["sources"][0]["origin"]), (0, &json!("shipped")), "{report:#}");
    assert_eq!(site.rig.count("SELECT count(*) FROM link"), 1, "no link was dropped");
    assert_eq!(site.rig.count("SELECT count(*) FROM audit WHERE who = 'SIGHUP'"), 1);
    site.rig.assert_no_difference("", "in the end");
    daemon.stop();
}

#[test]
fn a_file_that_is_wrong_at_the_start_takes_only_its_own_source_and_its_lines_are_held_until_it_is_right() {
    let (reception, surgery) = practice(12);
    let mut pbxs = [Pbx::tcp("reception", "avaya-ipoffice"), Pbx::serial("surgery", "siemens-hipath3000")];
    let site = Box::new(ROLES, &pbxs);
    // Not even TOML; the id can be told all the same, and the shipped dialect is not used in its place.
    site.write("ours.toml", &format!("{}\nthis is = = wrong\n", shipped("avaya-ipoffice")));
    let daemon = site.rig.run(&clock(NOON, 1));
    pbxs.iter_mut().for_each(Pbx::connect);
    let (mine, other) = (&reception[..200], &surgery[..200]);
    assert!(pbxs[0].print(mine) && pbxs[1].print(other));
    site.rig.wait_for_lines(400);
    let status = site.rig.status();
    assert!(status["problems"].to_string().contains("reception: no line is understood"), "{status:#}");
    assert!(!status["problems"].to_string().contains("surgery"), "{status:#}");
    let blank = mine.iter().filter(|line| line.is_empty()).count() as u64;
    assert_eq!(status["held"]["lines"], 200 - blank, "{status:#}");
    assert_eq!((&status["sources"][0]["up"], &status["sources"][1]["today"]["unparsed"]), (&json!(true), &json!(0)));
    assert!(status["today"][0]["missed"].is_null(), "what was not read is not 0: {status:#}");
    site.rig.assert_no_difference("", "without rules for one source");
    assert!(!site.rig.log().contains("wrong\n"), "{}", site.rig.log());

    let (code, report) = site.reload();
    assert_eq!((code, &report["sources"][0]["change"]), (1, &json!("unusable")), "{report:#}");
    site.write("ours.toml", &shipped("avaya-ipoffice"));
    let (code, report) = site.reload();
    assert_eq!((code, &report["understood"]), (0, &json!(200 - blank)), "{report:#}");
    let status = site.rig.status();
    assert_eq!((&status["well"], &status["lines"]["unparsed"]), (&json!(true), &json!(0)), "{status:#}");
    assert!(status["today"][0]["missed"].is_u64(), "{status:#}");
    site.rig.assert_no_difference("", "after the reload");
    daemon.stop();
}

#[test]
fn a_closed_day_goes_out_again_with_the_calls_of_lines_that_are_understood_afterwards() {
    let mut pbx = [Pbx::tcp("reception", "avaya-ipoffice")];
    let site = Box::new("", &pbx);
    site.write("ours.toml", &half_an_ipoffice());
    // Twenty minutes a second: midnight passes, and 04:20, when the day's peers are renumbered.
    let daemon = site.rig.run(&clock("2026-11-20T20:00:00Z", 1200));
    pbx[0].connect();
    let call = |id: u32, ring: u32| Ip { at: "2026/11/20 19:50:00", id, ring, cli: CANARY, ..Ip::default() }.line();
    assert!(pbx[0].print(&[call(1, 5), call(2, 25), call(3, 5)]));
    site.rig.wait_for_lines(3);
    assert_eq!(site.rig.status()["held"]["lines"], 1);
    wait_for("the day's end", || (site.rig.status()["days"]["closed"] == 1).then_some(()));
    let rolled_up = || (site.rig.count("SELECT count(*) FROM day WHERE rolled = 2") == 1).then_some(());
    wait_for("the roll-up", rolled_up);
    let calls = |day: Value| day["totals"]["inbound"]["calls_seen"].clone();
    assert_eq!(calls(site.rig.json(&["day", "2026-11-20"], "").1), 2);
    site.write("ours.toml", &shipped("avaya-ipoffice"));
    let (code, report) = site.reload();
    assert_eq!((code, &report["understood"]), (0, &json!(1)), "{report:#}");
    assert_eq!(site.rig.count("SELECT changed FROM day WHERE closed_ms IS NOT NULL"), 1);
    let (_, day) = site.rig.json(&["day", "2026-11-20"], "");
    assert_eq!((&day["revision"], calls(day.clone())), (&json!(2), json!(3)), "{day:#}");
    let tokens = "SELECT count(*) FROM number JOIN line USING (source, seq) WHERE token IS NOT NULL AND seq = 2";
    assert_eq!(site.rig.count(tokens), 0, "the key of its day is gone");
    assert_eq!(site.rig.count("SELECT count(*) FROM call WHERE token IS NOT NULL"), 0);
    // The line brought a peer of its own, which the number's other calls may have had.
    wait_for("the day's roll-up once more", rolled_up);
    let peers = "SELECT count(DISTINCT peer) FROM call JOIN number USING (source, seq, peer) WHERE peer >= 1 << 31";
    assert_eq!(site.rig.count(peers), 3, "each call has a peer of its own, renumbered");
    site.rig.assert_no_difference("", "after a reload on the next day");
    site.assert_nowhere(CANARY);
    daemon.stop();
}

#[test]
fn a_day_later_nothing_is_held_any_more() {
    let mut pbx = [Pbx::tcp("reception", "avaya-ipoffice")];
    let site = Box::new("", &pbx);
    // Eight hours a second: a day in three.
    let daemon = site.rig.run(&clock("2026-11-20T15:00:00Z", 28_800));
    pbx[0].connect();
    assert!(pbx[0].print(&[format!("nothing that a PBX says {CANARY}")]));
    wait_for("the end of its time", || {
        let held = site.rig.status()["held"].clone();
        (held["expired"] == 1 && held["lines"] == 0).then_some(())
    });
    let (_, report) = site.reload();
    assert_eq!(report["tried"], 0, "{report:#}");
    site.assert_nowhere(CANARY);
    daemon.stop();
}

#[test]
fn the_newest_megabyte_is_held_and_what_made_room_is_counted() {
    let mut pbx = [Pbx::tcp("reception", "avaya-ipoffice")];
    let site = Box::new("", &pbx);
    let daemon = site.rig.run(&clock(NOON, 1));
    pbx[0].connect();
    let line = format!("{CANARY} {}", "x".repeat(3000));
    let lines = vec![line; 500];
    assert!(pbx[0].print(&lines));
    site.rig.wait_for_lines(lines.len());
    let held = site.rig.status()["held"].clone();
    let (now, gone) = (held["lines"].as_u64().unwrap(), held["crowded_out"].as_u64().unwrap());
    assert_eq!(now + gone, 500, "{held}");
    assert_eq!(now, (1 << 20) / 3012, "{held}");
    let text = String::from_utf8(site.rig.verb(&["status"], "").stdout).unwrap();
    assert!(text.contains(&format!("held {now} lines not understood")) && text.contains("for room"), "{text}");
    site.assert_nowhere(CANARY);
    daemon.stop();
}

#[test]
fn nothing_is_held_where_the_practice_does_not_want_it() {
    let mut pbx = [Pbx::tcp("reception", "avaya-ipoffice")];
    let site = Box::new("[privacy]\nhold-unparsed = false\n", &pbx);
    site.write("ours.toml", &half_an_ipoffice());
    let daemon = site.rig.run(&clock(NOON, 1));
    pbx[0].connect();
    assert!(pbx[0].print(&[Ip { ring: 25, cli: CANARY, ..Ip::default() }.line()]));
    site.rig.wait_for_lines(1);
    let held = site.rig.status()["held"].clone();
    assert_eq!((&held["lines"], &held["bytes"]), (&json!(0), &json!(0)));
    assert!(held["off"].as_str().unwrap().contains("hold-unparsed"), "{held}");
    site.write("ours.toml", &shipped("avaya-ipoffice"));
    let (code, report) = site.reload();
    assert_eq!((code, &report["tried"], &report["well"]), (0, &json!(0), &json!(true)), "{report:#}");
    assert_eq!(site.rig.status()["lines"]["unparsed"], 1, "it stays what it was");
    site.rig.assert_no_difference("", "after a reload with nothing held");
    daemon.stop();
}

#[test]
fn without_a_daemon_there_is_nothing_to_reload() {
    let site = Box::new("", &[Pbx::tcp("reception", "avaya-ipoffice")]);
    let output = site.rig.verb(&["dialects", "reload"], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no daemon is running"), "{output:?}");
}
