//! F9: the USB adapter is pulled out and put in again.

use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use super::evidence::{figures, tries};
use super::promises::assert_kept;
use super::rig::{Rig, SITE, clock, wait_for};
use super::wires::{Pty, all, numbered, numbers, reasons, serial, stored, used};

#[test]
fn an_adapter_that_comes_back_is_read_on_and_the_time_without_it_is_a_gap() {
    let rounds = tries(2, 12);
    let absent = Duration::from_secs(u64::from(tries(3, 20)));
    let mut rig = Rig::new(SITE, &[]);
    let by_id = rig.path("usb-serial");
    rig.site += &serial("reception", "avaya-ipoffice", &by_id, "");
    let mut line = Pty::new();
    symlink(&line.path, &by_id).unwrap();
    let daemon = rig.run(&clock("2026-11-20T15:00:00Z", 1));
    let (mut next, mut lines, mut busiest, mut slowest) = (1, 0, 0.0_f64, Duration::ZERO);
    for round in 1..=rounds {
        line.attended();
        line.send(all(next, next + 20).as_bytes());
        next += 20;
        // Half a line, and one that lacks so little that it reads like a whole one.
        let cut = numbered(next);
        line.send(&cut.as_bytes()[..if round % 2 == 1 { 47 } else { cut.len() - 4 }]);
        lines += 20;
        stored(&rig, lines);
        // What the daemon has not read yet goes with the adapter.
        std::thread::sleep(Duration::from_millis(500));
        std::fs::remove_file(&by_id).unwrap();
        drop(line);
        lines += 1;
        stored(&rig, lines);
        let down = "SELECT count(*) FROM link WHERE cause = 'unplugged' AND to_ms IS NOT NULL";
        wait_for("the end of the link", || (rig.count(down) == i64::from(round)).then_some(()));
        let (before, since) = (used(daemon.child.id()), Instant::now());
        std::thread::sleep(absent);
        busiest = busiest.max((used(daemon.child.id()) - before) / since.elapsed().as_secs_f64());
        // Another device under the same name, as the kernel numbers it anew.
        line = Pty::new();
        symlink(&line.path, &by_id).unwrap();
        let back = Instant::now();
        line.attended();
        slowest = slowest.max(back.elapsed());
    }
    // The PBX prints the line that was cut once more.
    line.send(all(next, next + 1).as_bytes());
    stored(&rig, lines + 1);
    wait_for("the link in the books", || (rig.status()["sources"][0]["up"] == true).then_some(()));
    let cut_off = vec!["cut off: the link ended in the line (unplugged)"; rounds as usize];
    assert_eq!(reasons(&rig), cut_off);
    let mut expected: Vec<u32> = Vec::new();
    expected.extend(1..=next);
    assert_eq!(numbers(&rig, "reception"), expected, "each once, and nothing of what was cut");
    let gaps = rig.status()["today"][0]["gaps"].to_string();
    assert!(gaps.contains("unplugged"), "{gaps}");
    assert!(busiest < 0.05, "{busiest} of a processor while the adapter was away");
    // By its own pauses it looks every 5 s at the longest; the machine may be busy.
    assert!(slowest < Duration::from_secs(20), "{slowest:?}");
    assert_kept(&rig, "", "after the adapter came back");
    daemon.stop();
    figures(
        "F9 unplug and replug",
        &format!("{rounds} times, each in a line"),
        &format!(
            "{next} of {next} lines once, {rounds} pieces kept as such; open again after {:.1} s at most; {:.1} % of a processor \
             while away",
            slowest.as_secs_f64(),
            busiest * 100.0
        ),
    );
}
