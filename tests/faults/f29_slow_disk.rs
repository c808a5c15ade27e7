//! F29: a disk that takes half a second to sync. Whatever is waiting goes into one commit, so the daemon keeps up; and how
//! much is written for a line is known.

use std::time::{Duration, Instant};

use super::evidence::{figures, tries};
use super::ledger::{Prints, stored};
use super::lines::Ip;
use super::process::{Tracer, there_is};
use super::promises::assert_kept;
use super::rig::{Pbx, Rig, SITE, clock, wait_for};

/// What is written for a line, at most.
const MOST: u64 = 16 * 1024;

/// What the calls that were traced wrote: each line of the trace ends with how much.
fn written(trace: &std::path::Path) -> u64 {
    let trace = std::fs::read_to_string(trace).unwrap();
    let of = |line: &str| line.rsplit_once(" = ").and_then(|(_, bytes)| bytes.split(' ').next()?.parse::<u64>().ok());
    trace.lines().filter(|line| line.contains("pwrite64")).filter_map(of).sum()
}

/// Prints calls, one every so often, and gives how long the last waited for its commit and what was written for each.
fn bytes_a_line(lines: u32, every: Duration, delay: Option<Duration>) -> (Duration, u64) {
    let mut pbx = Pbx::tcp("reception", "avaya-ipoffice");
    let rig = Rig::new(SITE, std::slice::from_ref(&pbx));
    let now = clock("2026-11-20T12:00:00Z", 1);
    let daemon = rig.run(&now);
    pbx.connect();
    let line = |id: u32| {
        let at = format!("2026/11/20 {:02}:{:02}:{:02}", 9 + id / 3600, id / 60 % 60, id % 60);
        Ip { id: 1_000_000 + id, at: &at, ..Ip::default() }.line()
    };
    assert!(pbx.print(&[line(1)]));
    rig.wait_for_lines(1);
    let trace = rig.path("trace");
    let mut options = vec!["-etrace=pwrite64,fdatasync,fsync".to_owned()];
    options.extend(delay.map(|delay| format!("-einject=fdatasync,fsync:delay_enter={}", delay.as_micros())));
    let tracer = Tracer::attach(daemon.child.id(), &trace, &options);
    let began = Instant::now();
    for id in 2..=lines {
        std::thread::sleep((began + every * (id - 1)).saturating_duration_since(Instant::now()));
        assert!(pbx.print(&[line(id)]));
    }
    let printed = Instant::now();
    wait_for("all lines", || (rig.count("SELECT count(*) FROM line") == i64::from(lines)).then_some(()));
    let behind = printed.elapsed();
    drop(tracer);
    assert_eq!(stored(&rig, "reception", Prints::IpOffice), (1..=lines).collect::<Vec<_>>());
    assert_kept(&rig, "", "on a slow disk");
    daemon.stop();
    (behind, written(&trace) / u64::from(lines - 1))
}

#[test]
fn a_slow_disk_is_kept_up_with_and_little_is_written() {
    if !there_is("strace", "a slow disk (F29)") {
        return;
    }
    let lines = tries(120, 2400);
    let every = Duration::from_millis(50);
    let (behind, in_groups) = bytes_a_line(lines, every, Some(Duration::from_millis(500)));
    // One line a commit would be behind by nine lines in ten of half a second each.
    let one_by_one = (Duration::from_millis(500) - every) * lines;
    assert!(behind < one_by_one / 4, "the last of {lines} lines waited for {behind:?}");
    assert!(in_groups > 0 && in_groups < MOST, "{in_groups} bytes were written for a line");
    let (_, alone) = bytes_a_line(tries(40, 400), Duration::from_millis(25), None);
    assert!(alone > 0 && alone < MOST, "{alone} bytes were written for a line that is a commit of its own");
    figures(
        "F29 slow disk",
        &format!("{lines} lines, 20 a second, 500 ms a sync"),
        &format!(
            "the last was stored {} ms after it was printed; {in_groups} bytes written a line; {alone} where each line is a \
             commit of its own",
            behind.as_millis()
        ),
    );
}
