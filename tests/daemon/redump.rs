//! A PBX that empties its buffer again: when the link comes up, when it starts again, when the box was killed.

use super::lines::{MERIDIAN, practice};
use super::promises::assert_identities;
use super::rig::{Pbx, ROLES, Rig, SITE, clock, wait_for};

const CLOCK: &str = "2026-11-20T23:00:00Z";

fn ip_office() -> (Pbx, Rig, Vec<String>) {
    let pbx = Pbx::tcp("reception", "avaya-ipoffice");
    let rig = Rig::new(&format!("{SITE}{ROLES}"), &[]);
    let (lines, _) = practice(7);
    (pbx, rig, lines)
}

/// What the calls came to, without where they stand.
fn calls(rig: &Rig) -> Vec<String> {
    let db = rig.db();
    let mut query = db
        .prepare(
            "SELECT kind, arrival_ms, end_ms, outcome, rule, wait_s, talk_s, legs, repeat FROM call
             ORDER BY arrival_ms, end_ms, kind, rule, wait_s, talk_s, legs",
        )
        .unwrap();
    let row = |row: &rusqlite::Row<'_>| {
        (0..9).map(|at| Ok(format!("{:?} ", row.get_ref(at)?))).collect::<rusqlite::Result<String>>()
    };
    query.query_map([], row).unwrap().map(Result::unwrap).collect()
}

fn duplicates(rig: &Rig, so_many: usize) {
    wait_for("the verdict", || {
        let status = rig.status();
        let found = status["lines"]["duplicates"].as_u64().unwrap() as usize;
        assert!(found <= so_many, "{found} of {so_many}: {status:#}");
        (found == so_many).then_some(())
    });
}

fn waiting(rig: &Rig) -> i64 {
    rig.count("SELECT count(*) FROM line WHERE repeats = 0")
}

#[test]
fn a_buffer_that_comes_again_on_a_new_link_is_counted_once() {
    let (mut pbx, mut rig, lines) = ip_office();
    rig.add_sources(&[&pbx], &[""]);
    let at = clock(CLOCK, 1);
    let daemon = rig.run(&at);
    pbx.connect();
    pbx.print(&lines[..200]);
    rig.wait_for_lines(200);
    // The whole buffer, with what came in between behind it.
    pbx.hang_up();
    pbx.connect();
    pbx.print(&lines[120..300]);
    rig.wait_for_lines(380);
    duplicates(&rig, 80);
    // Nothing new: nobody calls for a while.
    pbx.hang_up();
    pbx.connect();
    pbx.print(&lines[250..300]);
    rig.wait_for_lines(430);
    duplicates(&rig, 130);
    // Cut off in the middle, and whole.
    pbx.hang_up();
    pbx.connect();
    pbx.print(&lines[200..220]);
    rig.wait_for_lines(450);
    assert_eq!(waiting(&rig), 20, "nothing is counted of a line that waits");
    pbx.hang_up();
    duplicates(&rig, 150);
    pbx.connect();
    pbx.print(&lines[200..400]);
    rig.wait_for_lines(650);
    duplicates(&rig, 250);
    assert_identities(&rig.status());
    rig.assert_no_difference(&at, "after the last buffer");
    let found = calls(&rig);
    daemon.stop();
    drop(rig);

    let (mut pbx, mut once, lines) = ip_office();
    once.add_sources(&[&pbx], &[""]);
    let daemon = once.run(&clock(CLOCK, 1));
    pbx.connect();
    pbx.print(&lines[..400]);
    once.wait_for_lines(400);
    let expected = calls(&once);
    daemon.stop();
    assert!(expected.len() > 150);
    assert_eq!(found, expected);
}

#[test]
fn what_waits_for_its_verdict_outlives_a_kill() {
    let (mut pbx, mut rig, lines) = ip_office();
    rig.add_sources(&[&pbx], &[""]);
    let at = clock(CLOCK, 1);
    let daemon = rig.run(&at);
    pbx.connect();
    pbx.print(&lines[..50]);
    rig.wait_for_lines(50);
    pbx.hang_up();
    pbx.connect();
    pbx.print(&lines[10..15]);
    rig.wait_for_lines(55);
    daemon.kill();
    let daemon = rig.run(&at);
    duplicates(&rig, 5);
    pbx.connect();
    pbx.print(&lines[10..60]);
    rig.wait_for_lines(105);
    duplicates(&rig, 45);
    assert_eq!(rig.count("SELECT count(*) FROM line WHERE repeats = -1"), 0);
    assert_eq!(rig.status()["lines"]["records"], 60);
    rig.assert_no_difference(&at, "after the kill");
    daemon.stop();
}

#[test]
fn records_of_several_lines_repeat_line_by_line() {
    let mut pbx = Pbx::tcp("annexe", "nortel-meridian");
    let mut rig = Rig::new(SITE, &[]);
    rig.add_sources(&[&pbx], &[""]);
    let at = clock("2026-11-20T15:00:00Z", 1);
    let daemon = rig.run(&at);
    for link in 1..=3 {
        pbx.connect();
        pbx.print(&MERIDIAN);
        rig.wait_for_lines(link * MERIDIAN.len());
        pbx.hang_up();
    }
    let understood = rig.count("SELECT count(*) FROM line WHERE seq <= 9 AND kind <> 5");
    duplicates(&rig, 2 * understood as usize);
    wait_for("the last record", || (rig.count("SELECT count(*) FROM line WHERE kind = 0") == 4).then_some(()));
    assert_identities(&rig.status());
    rig.assert_no_difference(&at, "after three buffers");
    daemon.stop();
}

#[test]
fn two_lines_alike_prove_nothing_and_are_counted_with_the_doubt() {
    let (mut pbx, mut rig, lines) = ip_office();
    rig.add_sources(&[&pbx], &[""]);
    let at = clock(CLOCK, 1);
    let daemon = rig.run(&at);
    pbx.connect();
    pbx.print(&lines[..10]);
    rig.wait_for_lines(10);
    pbx.hang_up();
    pbx.connect();
    pbx.print(&lines[8..10]);
    wait_for("the verdict", || (rig.count("SELECT count(*) FROM line WHERE repeats = -1") == 2).then_some(()));
    assert_eq!(rig.status()["lines"]["records"], 12);
    rig.assert_no_difference(&at, "after the doubt");
    daemon.stop();
}

#[test]
fn a_serial_pbx_that_starts_again_needs_no_link_to_say_so() {
    let mut pbx = Pbx::serial("branch", "siemens-hipath3000");
    let mut rig = Rig::new(SITE, &[]);
    rig.add_sources(&[&pbx], &[""]);
    let at = clock(CLOCK, 1);
    let daemon = rig.run(&at);
    let (_, lines) = practice(7);
    pbx.connect();
    pbx.print(&lines[..60]);
    rig.wait_for_lines(60);
    let records = rig.status()["lines"]["records"].as_u64().unwrap();
    // On the same line, unasked: the stamps go back.
    pbx.print(&lines[..60]);
    rig.wait_for_lines(120);
    duplicates(&rig, 60);
    assert_eq!(rig.status()["lines"]["records"], records);
    rig.assert_no_difference(&at, "after the PBX's restart");
    daemon.stop();
}
