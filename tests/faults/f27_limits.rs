//! F27: a box with little memory and few descriptors, and a feed that does not end.

use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use super::evidence::{figures, in_full, is_left_to_a_run_in_full, tries};
use super::promises::assert_kept;
use super::rig::{Rig, SITE, clock, free_port, wait_for};
use super::wires::{all, call, descriptors, listen, numbered, resident, since};

const CLOCK: &str = "2026-11-20T15:00:00Z";
/// A million lines later it is still before the box's today.
const FIRST: jiff::civil::Date = jiff::civil::date(2026, 7, 20);

fn reception() -> (Rig, u16) {
    let port = free_port();
    (Rig::new(&format!("{SITE}{}", listen("reception", "avaya-ipoffice", port, "127.0.0.1")), &[]), port)
}

fn stored(rig: &Rig) -> i64 {
    rig.count("SELECT coalesce(max(seq), 0) FROM line")
}

#[test]
fn memory_and_descriptors_stay_flat_under_a_fast_feed() {
    let lines = tries(20_000, 1_000_000);
    // Not longer than this, however slow the machine is.
    let longest = Duration::from_secs(if in_full() { 600 } else { 12 });
    let (rig, port) = reception();
    let daemon = rig.run(&clock(CLOCK, 1));
    let process = daemon.child.id();
    let mut link = call(port);
    let began = Instant::now();
    let (mut sent, mut samples) = (0, Vec::new());
    while sent < lines && began.elapsed() < longest {
        // The socket holds the PBX back where the box is slower.
        let some: String = (sent + 1..sent + 501).map(|number| since(FIRST, number) + "\r\n").collect();
        link.write_all(some.as_bytes()).unwrap();
        sent += 500;
        if sent % 2_000 == 0 {
            // Not all of it in the socket's buffer.
            wait_for("the lines", || (stored(&rig) + 4_000 >= i64::from(sent)).then_some(()));
            samples.push((resident(process), descriptors(process)));
        }
    }
    wait_for("the last line", || (stored(&rig) == i64::from(sent)).then_some(()));
    let took = began.elapsed();
    samples.push((resident(process), descriptors(process)));
    let heaviest = samples.iter().map(|(memory, _)| *memory).max().unwrap();
    let most = samples.iter().map(|(_, open)| *open).max().unwrap();
    assert!(heaviest < 64 * 1024, "{heaviest} KiB: {samples:?}");
    if in_full() {
        // What is known of lines that may come again, and room for what comes at once, have grown to their bounds by then.
        let early = samples[..samples.len() / 4].iter().map(|(memory, _)| *memory).max().unwrap();
        assert!(heaviest < early + 8 * 1024, "{samples:?}");
    }
    assert!(most <= samples[0].1 + 2, "{samples:?}");
    assert_eq!(rig.count("SELECT count(*) FROM line WHERE kind = 0"), i64::from(sent));
    assert_kept(&rig, "", "after a fast feed");
    daemon.stop();
    figures(
        "F27 a fast feed",
        &format!("{sent} lines, {:.0} a second", f64::from(sent) / took.as_secs_f64()),
        &format!("all stored; {} MiB of memory and {most} descriptors at most", heaviest / 1024),
    );
}

#[test]
fn with_hardly_any_descriptors_the_pbx_is_heard_and_the_rest_waits() {
    let (rig, port) = reception();
    let limited = |command: &mut Command| {
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -n 32; exec \"$0\" \"$@\""]).arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(key, value),
                None => shell.env_remove(key),
            };
        }
        *command = shell;
    };
    let daemon = rig.run_with(&clock(CLOCK, 1), |command| {
        limited(command);
        command
    });
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.child.id())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().nth(3), Some("32"), "{files}");
    let mut pbx = call(port);
    pbx.write_all(all(1, 11).as_bytes()).unwrap();
    wait_for("the first lines", || (rig.count("SELECT count(*) FROM line") == 10).then_some(()));
    // More who want something of it than it has descriptors for.
    let mut rounds = Vec::new();
    for round in 0..tries(2, 50) {
        let held: Vec<TcpStream> = (0..40).map(|_| call(port)).collect();
        let from = 11 + round * 100;
        for number in from..from + 100 {
            pbx.write_all(format!("{}\r\n", numbered(number)).as_bytes()).unwrap();
            std::thread::sleep(Duration::from_millis(2));
        }
        let lines = i64::from(from) + 99;
        wait_for("the lines", || (rig.count("SELECT count(*) FROM line") == lines).then_some(()));
        rounds.push(descriptors(daemon.child.id()));
        drop(held);
    }
    // They go, and whoever asks is answered again.
    wait_for("an answer", || {
        let (_, status) = rig.json(&["status"], "");
        (status["running"] == true).then_some(())
    });
    assert!(rounds.iter().all(|open| *open >= 28), "{rounds:?}: it never came near its limit");
    assert_kept(&rig, "", "with hardly any descriptors");
    daemon.stop();
    let lines = 10 + 100 * rounds.len();
    figures(
        "F27 32 descriptors",
        &format!("40 links at a time, {} times", rounds.len()),
        &format!("{lines} of {lines} lines of the PBX stored"),
    );
}

/// Hours of an even feed. Only in full, and for as long as `SMDRD_SOAK` says, in seconds; ten minutes where it is silent.
#[test]
fn a_soak() {
    if is_left_to_a_run_in_full("F27: a soak") {
        return;
    }
    let seconds = std::env::var("SMDRD_SOAK").map_or(600, |text| text.parse().unwrap());
    let (rig, port) = reception();
    let daemon = rig.run(&clock(CLOCK, 1));
    let process = daemon.child.id();
    let mut link = call(port);
    let began = Instant::now();
    let (mut sent, mut samples, mut slowest) = (0, Vec::new(), Duration::ZERO);
    while began.elapsed() < Duration::from_secs(seconds) {
        sent += 1;
        link.write_all(format!("{}\r\n", numbered(sent)).as_bytes()).unwrap();
        let at = Instant::now();
        if sent % 500 == 0 {
            // From the wire to the disk.
            wait_for("the commit", || (stored(&rig) == i64::from(sent)).then_some(()));
            slowest = slowest.max(at.elapsed());
            samples.push((resident(process), descriptors(process)));
        }
        // Fifty a second.
        let due = began + Duration::from_millis(20) * sent;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    let heaviest = samples.iter().map(|(memory, _)| *memory).max().unwrap();
    assert!(heaviest < 64 * 1024, "{samples:?}");
    assert!(samples.iter().all(|(_, open)| *open <= samples[0].1 + 2), "{samples:?}");
    wait_for("the last line", || (rig.count("SELECT count(*) FROM line") == i64::from(sent)).then_some(()));
    assert_kept(&rig, "", "after a soak");
    daemon.stop();
    figures(
        "F27 soak",
        &format!("{sent} lines in {seconds} s"),
        &format!("all stored; {} MiB at most; from wire to disk {slowest:.2?} at most", heaviest / 1024),
    );
}
