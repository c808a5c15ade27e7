//! F3: the n-th system call on a file fails, n from 1 until a run needs no more. A line is committed, or it is said that it
//! is not, and it is committed afterwards; never half a call. The process lives, or ends before it is ready and says why.

use std::time::Duration;

use super::evidence::{figures, in_full};
use super::ledger::{Prints, stored};
use super::lines::Ip;
use super::loudly::say_loudly;
use super::process::{Tracer, cpu, launch_as, ready_or_ended, there_is, traced};
use super::promises::assert_kept;
use super::rig::{Pbx, Rig, SITE, clock, wait_for};

const LACKING: &str = "system calls that fail (F3)";
const LINES: u32 = 8;
const NOON: &str = "2026-11-20T12:00:00Z";

fn line(id: u32) -> String {
    let at = "2026/11/20 11:00:00";
    Ip { id: 1_000_000 + id, at, ..Ip::default() }.line()
}

/// Where in the daemon's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    /// From its first instruction on, with an empty disk.
    Start,
    /// When the first line is stored.
    Ingest,
    /// The same, over midnight until the day is closed and rolled up.
    Midnight,
}

/// What fails, and how.
#[derive(Debug, Clone, Copy)]
struct Fault {
    during: Where,
    call: &'static str,
    error: &'static str,
    /// How many in a row.
    times: u32,
    /// The first of them in a run of all tests.
    small: &'static [u32],
}

const fn fault(during: Where, call: &'static str, error: &'static str, times: u32, small: &'static [u32]) -> Fault {
    Fault { during, call, error, times, small }
}

const FAULTS: [Fault; 13] = [
    fault(Where::Start, "fdatasync,fsync", "EIO", 1, &[2]),
    fault(Where::Start, "pwrite64", "EIO", 1, &[20]),
    fault(Where::Start, "pwrite64", "ENOSPC", 4, &[]),
    fault(Where::Start, "pread64", "EIO", 1, &[4]),
    fault(Where::Start, "ftruncate,unlink,fchmod,mkdir,rename", "EIO", 1, &[]),
    fault(Where::Ingest, "fdatasync,fsync", "EIO", 1, &[1, 4]),
    fault(Where::Ingest, "fdatasync,fsync", "ENOSPC", 4, &[2]),
    fault(Where::Ingest, "pwrite64", "EIO", 1, &[3, 30]),
    fault(Where::Ingest, "pwrite64", "ENOSPC", 4, &[9]),
    fault(Where::Midnight, "fdatasync,fsync", "EIO", 1, &[6]),
    fault(Where::Midnight, "pwrite64", "ENOSPC", 1, &[]),
    fault(Where::Midnight, "pread64", "EIO", 1, &[]),
    fault(Where::Midnight, "ftruncate", "EIO", 1, &[1]),
];

/// What came of one run.
#[derive(Debug, PartialEq, Eq)]
enum Came {
    /// There are fewer such calls: nothing failed.
    NothingFailed,
    /// It did not get ready, and said why.
    Ended,
    /// It said that it could not store, and did later.
    Reported,
    /// Nothing of a line was in it: it is tried again as a matter of course.
    Unmoved,
}

fn try_once(fault: Fault, first: u32) -> Came {
    let when = format!("{fault:?}, from the {first}th on");
    let mut pbx = Pbx::tcp("reception", "avaya-ipoffice");
    let rig = Rig::new(SITE, std::slice::from_ref(&pbx));
    let Fault { during, call, error, times, .. } = fault;
    let now = match during {
        Where::Midnight => clock("2026-11-20T23:55:00Z", 600),
        _ => clock(NOON, 1),
    };
    let trace = rig.path("trace");
    let inject =
        [format!("-etrace={call}"), format!("-einject={call}:error={error}:when={first}..{}", first + times - 1)];
    let mut ended = None;
    let daemon = if during == Where::Start {
        let mut daemon = launch_as(&rig, &now, |command| traced(&command, &trace, &inject));
        ended = ready_or_ended(&rig, &mut daemon);
        match ended {
            None => daemon,
            Some(status) => {
                let said = rig.log();
                // The system's loader reads libraries before there is a daemon, and says so in its own way.
                let code = if said.contains("error while loading shared libraries") { 127 } else { 1 };
                assert_eq!(status.code(), Some(code), "{when}: {said}");
                assert!(!said.contains("panicked") && !said.trim().is_empty(), "{when}: {said}");
                rig.run(&now)
            }
        }
    } else {
        rig.run(&now)
    };
    pbx.connect();
    assert!(pbx.print(&[line(1)]));
    rig.wait_for_lines(1);
    let tracer = (during != Where::Start).then(|| Tracer::attach(daemon.child.id(), &trace, &inject));
    for id in 2..=LINES {
        assert!(pbx.print(&[line(id)]));
        std::thread::sleep(Duration::from_millis(8));
    }
    wait_for(&format!("{when}: all lines"), || {
        let lines = rig.count("SELECT count(*) FROM line");
        assert!(lines <= i64::from(LINES), "{when}: {lines} lines");
        (lines == i64::from(LINES)).then_some(())
    });
    if during == Where::Midnight {
        let rolled = "SELECT count(*) FROM day WHERE closed_ms IS NOT NULL AND rolled > 0";
        wait_for(&format!("{when}: the day is closed"), || (rig.count(rolled) > 0).then_some(()));
    }
    drop(tracer);
    let used = cpu(daemon.child.id());
    assert!(used < Duration::from_secs(20), "{when}: {used:?} of the processor for {LINES} lines");
    assert_eq!(stored(&rig, "reception", Prints::IpOffice), (1..=LINES).collect::<Vec<_>>(), "{when}");
    assert_eq!(rig.count("SELECT count(*) FROM call WHERE legs = 1"), i64::from(LINES), "{when}: never half a call");
    // Where strace still has hold of it, its last words may fail too; then it says so and has everything all the same.
    daemon.stop();
    assert_kept(&rig, &now, &when);
    let said = rig.log();
    assert!(!said.contains("panicked"), "{when}: {said}");
    let failed = std::fs::read_to_string(&trace).unwrap_or_default().contains("INJECTED");
    match (failed, ended) {
        (false, Some(status)) => panic!("{when}: it ended with {status}, and nothing failed: {said}"),
        (false, None) => Came::NothingFailed,
        (true, Some(_)) => Came::Ended,
        (true, None) if said.contains("ERROR") => Came::Reported,
        (true, None) => Came::Unmoved,
    }
}

#[test]
fn whichever_call_fails_each_line_is_stored_once() {
    if !there_is("strace", LACKING) {
        return;
    }
    for fault in FAULTS {
        let (mut ended, mut reported, mut unmoved, mut first) = (0, 0, 0, 0);
        let mut small = fault.small.iter().copied();
        loop {
            first = match (in_full(), small.next()) {
                // Each of the first, then ever fewer of the many.
                (true, _) => first + 1 + first / 12,
                (false, Some(next)) => next,
                (false, None) => break,
            };
            match try_once(fault, first) {
                Came::NothingFailed if in_full() => break,
                Came::NothingFailed if first == 1 => {
                    return say_loudly(&format!("{LACKING}: strace may not trace here, or does not say what it did"));
                }
                Came::NothingFailed => {}
                Came::Ended => ended += 1,
                Came::Reported => reported += 1,
                Came::Unmoved => unmoved += 1,
            }
        }
        let Fault { during, call, error, times, .. } = fault;
        let tried = ended + reported + unmoved;
        if tried > 0 {
            figures(
                "F3 I/O error",
                &format!("{during:?}: {call} {error}, {times} in a row, at {tried} places"),
                &format!(
                    "0 lines lost, 0 doubled: {ended} ended before READY and said why, {reported} reported and stored \
                     later, {unmoved} put off what can wait"
                ),
            );
        }
    }
}

#[test]
fn a_disk_that_fails_for_long_is_reported_and_makes_no_busy_loop() {
    if !there_is("strace", LACKING) {
        return;
    }
    let mut pbx = Pbx::tcp("reception", "avaya-ipoffice");
    let rig = Rig::new(SITE, std::slice::from_ref(&pbx));
    let now = clock(NOON, 1);
    let daemon = rig.run(&now);
    pbx.connect();
    assert!(pbx.print(&[line(1)]));
    rig.wait_for_lines(1);
    let inject = ["-etrace=fdatasync,fsync", "-einject=fdatasync,fsync:error=EIO:when=1+"].map(str::to_owned);
    let tracer = Tracer::attach(daemon.child.id(), &rig.path("trace"), &inject);
    for id in 2..=100 {
        assert!(pbx.print(&[line(id)]));
    }
    wait_for("the trouble", || rig.log().contains("nothing could be stored").then_some(()));
    let status = rig.verb(&["status"], "");
    let said = String::from_utf8_lossy(&status.stdout).into_owned();
    assert_eq!(status.status.code(), Some(1), "{said}");
    assert!(said.contains("disk I/O error"), "{said}");
    let (before, while_s) = (cpu(daemon.child.id()), if in_full() { 60 } else { 4 });
    std::thread::sleep(Duration::from_secs(while_s));
    let used = cpu(daemon.child.id()) - before;
    assert!(used < Duration::from_secs(while_s) / 4, "{used:?} of the processor in {while_s} s");
    drop(tracer);
    rig.wait_for_lines(100);
    assert_eq!(stored(&rig, "reception", Prints::IpOffice), (1..=100).collect::<Vec<_>>());
    assert_eq!(rig.count("SELECT count(*) FROM call WHERE legs = 1"), 100, "nothing was counted twice");
    assert_eq!(rig.verb(&["status"], "").status.code(), Some(0), "it is well again");
    assert_kept(&rig, "", "after a disk that failed for long");
    daemon.stop();
    figures(
        "F3 a disk that fails for long",
        &format!("every sync for {while_s} s, 99 lines"),
        &format!("reported; all stored in order once it took them; {} ms of the processor", used.as_millis()),
    );
}
