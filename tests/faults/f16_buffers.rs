//! F16: a PBX prints its buffer again: over midnight, and after the box was off. (On a new link, after a kill, in records of
//! several lines and when a serial PBX starts again: `tests/daemon/redump.rs`.)

use super::evidence::{figures, tries};
use super::promises::assert_kept;
use super::rig::{Pbx, Rig, SITE, clock, wait_for};
use super::wires::numbered;

fn lines(from: u32, to: u32) -> Vec<String> {
    (from..to).map(numbered).collect()
}

fn reception() -> (Pbx, Rig) {
    let pbx = Pbx::tcp("reception", "avaya-ipoffice");
    let mut rig = Rig::new(SITE, &[]);
    rig.add_sources(&[&pbx], &[""]);
    (pbx, rig)
}

/// Waits until so many lines are known as repetitions, and no other is.
#[track_caller]
fn duplicates(rig: &Rig, so_many: i64) {
    let waiting = "SELECT count(*) FROM line WHERE repeats = 0";
    wait_for("the verdict", || (rig.count(waiting) == 0).then_some(()));
    assert_eq!(rig.count("SELECT count(*) FROM line WHERE repeats > 0"), so_many, "known as repetitions");
    assert_eq!(rig.count("SELECT count(*) FROM line WHERE repeats = -1"), 0, "counted with a doubt");
}

#[test]
fn a_buffer_that_comes_again_after_midnight_is_counted_once() {
    let (mut pbx, rig) = reception();
    let buffer = tries(60, 600);
    // Ten seconds before midnight; from then on callers are kept under another key.
    let at = clock("2026-11-20T23:59:50Z", 1);
    let daemon = rig.run(&at);
    pbx.connect();
    assert!(pbx.print(&lines(1, buffer + 1)));
    rig.wait_for_lines(buffer as usize);
    let today = || rig.status()["now"].as_str().unwrap().to_owned();
    wait_for("midnight", || today().starts_with("2026-11-21").then_some(()));
    pbx.hang_up();
    pbx.connect();
    // The whole buffer, and what came in between behind it.
    assert!(pbx.print(&lines(11, buffer + 21)));
    rig.wait_for_lines(2 * buffer as usize + 10);
    duplicates(&rig, i64::from(buffer) - 10);
    // And once more, with callers of both days in it.
    pbx.hang_up();
    pbx.connect();
    assert!(pbx.print(&lines(buffer - 9, buffer + 31)));
    rig.wait_for_lines(2 * buffer as usize + 50);
    duplicates(&rig, i64::from(buffer) - 10 + 30);
    assert_eq!(rig.count("SELECT count(*) FROM line WHERE kind = 0 AND repeats IS NULL"), i64::from(buffer) + 30);
    assert_kept(&rig, "", "after midnight");
    daemon.stop();
    figures("F16 a buffer again after midnight", &format!("{buffer} lines, twice"), "counted once each");
}

#[test]
fn a_buffer_that_comes_again_after_the_box_was_off_is_counted_once() {
    let (mut pbx, rig) = reception();
    let (buffer, rounds) = (tries(60, 600), tries(2, 10));
    let at = clock("2026-11-20T12:00:00Z", 1);
    let (mut daemon, mut printed, mut again) = (rig.run(&at), 0, 0);
    pbx.connect();
    assert!(pbx.print(&lines(1, buffer + 1)));
    printed += buffer;
    rig.wait_for_lines(printed as usize);
    let mut last = buffer;
    for round in 0..rounds {
        // Its power fails: what is in memory, keys and peers, is gone.
        daemon.kill();
        std::fs::remove_dir_all(rig.path("run")).unwrap();
        daemon = rig.run(&at);
        if round % 2 == 1 {
            // Twice before the PBX is back.
            daemon.stop();
            daemon = rig.run(&at);
        }
        pbx.connect();
        assert!(pbx.print(&lines(last + 1 - buffer, last + 11)));
        printed += buffer + 10;
        again += buffer;
        rig.wait_for_lines(printed as usize);
        duplicates(&rig, i64::from(again));
        last += 10;
    }
    assert_eq!(rig.count("SELECT count(*) FROM line WHERE kind = 0 AND repeats IS NULL"), i64::from(last));
    assert_kept(&rig, "", "after the box was off");
    daemon.stop();
    figures(
        "F16 a buffer again after the box was off",
        &format!("{buffer} lines, {rounds} times"),
        "counted once each",
    );
}

#[test]
fn a_buffer_that_reaches_back_past_what_a_kill_took_fills_the_hole_and_adds_nothing() {
    let (mut pbx, rig) = reception();
    let (buffer, lost) = (tries(60, 600), 7);
    let at = clock("2026-11-20T12:00:00Z", 1);
    let daemon = rig.run(&at);
    pbx.connect();
    assert!(pbx.print(&lines(1, buffer + 1)));
    rig.wait_for_lines(buffer as usize);
    daemon.kill();
    // What the PBX printed meanwhile is gone; it goes on, and nobody asks for its buffer.
    let last = buffer + lost + buffer;
    let daemon = rig.run(&at);
    pbx.connect();
    assert!(pbx.print(&lines(buffer + lost + 1, last + 1)));
    rig.wait_for_lines(2 * buffer as usize);
    // Then it prints its buffer: it reaches back to before the kill.
    pbx.hang_up();
    pbx.connect();
    assert!(pbx.print(&lines(11, last + 4)));
    let mut stored = 2 * buffer + last - 10 + 3;
    rig.wait_for_lines(stored as usize);
    let mut again = last - lost - 10;
    duplicates(&rig, i64::from(again));
    let counted = "SELECT count(*) FROM line WHERE kind = 0 AND repeats IS NULL";
    assert_eq!(rig.count(counted), i64::from(last + 3), "each once");
    assert_kept(&rig, "", "with a hole that is filled");
    daemon.stop();
    // After a restart it is known where the hole was.
    let daemon = rig.run(&at);
    pbx.connect();
    assert!(pbx.print(&lines(21, last + 6)));
    stored += last + 6 - 21;
    again += last + 4 - 21;
    rig.wait_for_lines(stored as usize);
    duplicates(&rig, i64::from(again));
    assert_eq!(rig.count(counted), i64::from(last + 5), "each once, again");
    assert_eq!(rig.count("SELECT count(*) FROM call"), i64::from(last + 5));
    assert_kept(&rig, "", "and once more");
    daemon.stop();
    figures(
        "F16 a buffer past a hole",
        &format!("{} lines, {lost} of them lost in a kill", last - 10),
        "the lost ones counted, the others known",
    );
}

#[test]
fn a_buffer_that_reaches_back_before_the_box_came_is_new_as_far_as_that() {
    let (mut pbx, rig) = reception();
    let daemon = rig.run(&clock("2026-11-20T12:00:00Z", 1));
    pbx.connect();
    assert!(pbx.print(&lines(40, 60)));
    rig.wait_for_lines(20);
    pbx.hang_up();
    pbx.connect();
    assert!(pbx.print(&lines(10, 62)));
    rig.wait_for_lines(72);
    duplicates(&rig, 20);
    assert_eq!(rig.count("SELECT count(*) FROM line WHERE kind = 0 AND repeats IS NULL"), 52);
    assert_kept(&rig, "", "with a buffer from before the box came");
    daemon.stop();
}

#[test]
fn calls_that_are_alike_stay_as_many_as_they_are() {
    let (mut pbx, rig) = reception();
    let at = clock("2026-11-20T12:00:00Z", 1);
    let daemon = rig.run(&at);
    pbx.connect();
    // On one link: nothing is ever a repetition, however alike.
    let twins = tries(30, 3_000);
    let alike = |number: u32| vec![numbered(number); twins as usize];
    assert!(pbx.print(&alike(1)));
    assert!(pbx.print(&lines(2, 12)));
    assert!(pbx.print(&alike(12)));
    rig.wait_for_lines(2 * twins as usize + 10);
    duplicates(&rig, 0);
    // In a buffer that comes again each of two twins is the one that it was.
    let pairs: Vec<String> = (20..40).flat_map(|number| [numbered(number), numbered(number)]).collect();
    assert!(pbx.print(&pairs));
    rig.wait_for_lines(2 * twins as usize + 50);
    pbx.hang_up();
    pbx.connect();
    assert!(pbx.print(&pairs[10..]));
    assert!(pbx.print(&lines(50, 55)));
    rig.wait_for_lines(2 * twins as usize + 85);
    duplicates(&rig, 30);
    let counted = "SELECT count(*) FROM line WHERE kind = 0 AND repeats IS NULL";
    assert_eq!(rig.count(counted), i64::from(2 * twins + 10 + 40 + 5));
    assert_kept(&rig, "", "after twins");
    daemon.stop();
    figures(
        "F16 calls that are alike",
        &format!("{} on one link; 20 pairs, of which 15 came again", 2 * twins),
        "all counted; of those that came again none",
    );
}
