//! F1: kill -9 at any instant, in ingest and at the start. What a PBX was told is stored is stored, once; what it was not
//! told comes again and is not counted again. Where nothing is acknowledged only the end of what came is lost, and the
//! time is a gap.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use jiff::civil::{Date, date};
use smdrd::simulator::serial::SerialPort;

use super::chance::Chance;
use super::evidence::{figures, tries};
use super::ledger::{Feeder, stored};
use super::process::{launch, wait_until_ready};
use super::promises::assert_kept;
use super::rig::{Rig, SITE, clock, free_port, wait_for};

const NOON: &str = "2026-11-20T12:00:00Z";
const DAY: Date = date(2026, 11, 20);
/// Kills of one box, before the next one begins with an empty disk.
const KILLS: u32 = 25;

fn listens() -> (Rig, Feeder) {
    let port = free_port();
    let source = format!(
        "[[source]]\nname = \"reception\"\ndialect = \"avaya-ipoffice\"\n\
         [source.tcp-listen]\naddress = \"127.0.0.1:{port}\"\nallow = [\"127.0.0.1\"]\n"
    );
    (Rig::new(&format!("{SITE}{source}"), &[]), Feeder::calls("reception", port, DAY))
}

fn serial() -> (Rig, Feeder) {
    let port = SerialPort::open().unwrap();
    let source = format!(
        "[[source]]\nname = \"branch\"\ndialect = \"siemens-hipath3000\"\n[source.serial]\npath = \"{}\"\nbaud = 9600\n",
        port.path().display()
    );
    (Rig::new(&format!("{SITE}{source}"), &[]), Feeder::serial("branch", port, DAY))
}

fn acknowledges() -> (Rig, Feeder) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let source = format!(
        "[[source]]\nname = \"nec\"\ndialect = \"nec-sv8300\"\noptions = {{ framing = \"tcp60010\", parity = \"none\" }}\n\
         [source.tcp-connect]\nhost = \"127.0.0.1\"\nport = {port}\n"
    );
    (Rig::new(&format!("{SITE}{source}"), &[]), Feeder::nec("nec", listener, DAY))
}

/// Kills the daemon so often, each time at another instant after its start or after it was ready, and starts it again.
/// Gives when each run ended.
fn kill_again_and_again(rig: &Rig, feeder: &Feeder, kills: u32, chance: &mut Chance, now: &str) -> Vec<Instant> {
    let mut ended = Vec::new();
    for kill in 0..kills {
        let mut daemon = launch(rig, now);
        if kill % 3 > 0 {
            wait_until_ready(rig, &mut daemon);
        }
        std::thread::sleep(Duration::from_millis(5 + chance.below(495)));
        let mut ledger = feeder.ledger();
        ended.push(Instant::now());
        daemon.kill();
        ledger.run += 1;
        drop(ledger);
        if rig.path("state/smdrd.db").exists() {
            let said: String = rig.db().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
            assert_eq!(said, "ok", "after kill {kill}");
        }
    }
    ended
}

fn assert_all_is_well(rig: &Rig, now: &str, numbers: &[u32]) {
    assert_eq!(rig.count("SELECT count(*) FROM call"), numbers.len() as i64, "each record is one call");
    assert!(!rig.log().contains("panicked"), "{}", rig.log());
    assert_kept(rig, now, "after kills");
}

#[test]
fn what_a_pbx_was_told_is_stored_is_there_once() {
    let (kills, mut chance) = (tries(5, 400), Chance::new());
    let (mut lines, mut again, mut left) = (0, 0, kills);
    while left > 0 {
        let (rig, mut feeder) = acknowledges();
        feeder.paces(Duration::ZERO);
        let now = clock(NOON, 1);
        kill_again_and_again(&rig, &feeder, left.min(KILLS), &mut chance, &now);
        left -= left.min(KILLS);
        let daemon = rig.run(&now);
        let before = feeder.ledger().acknowledged;
        wait_for("records of the last run", || (feeder.ledger().acknowledged > before + 5).then_some(()));
        feeder.stop();
        daemon.stop();
        let numbers = stored(&rig, "nec", feeder.prints);
        let acknowledged = feeder.ledger().acknowledged;
        assert_eq!(numbers, (1..=numbers.len() as u32).collect::<Vec<_>>(), "each once, in order");
        // The last may be stored and its acknowledgement lost with the link.
        let ahead = (numbers.len() as u32).checked_sub(acknowledged).expect("what was acknowledged is stored");
        assert!(ahead <= 1, "{acknowledged} were acknowledged, {} are stored", numbers.len());
        assert_all_is_well(&rig, &now, &numbers);
        lines += numbers.len();
        again += rig.count("SELECT count(*) FROM line WHERE reason LIKE 'repeats line %'");
    }
    figures(
        "F1 kill -9, acknowledged (NEC)",
        &format!("{kills} kills, {lines} lines"),
        &format!("0 lost, 0 doubled; {again} were stored when the acknowledgement was lost, came again and were known"),
    );
}

/// What a campaign of kills took.
#[derive(Default)]
struct Losses {
    lines: usize,
    /// For how long before the kill the earliest line that it took had been printed.
    longest: Duration,
}

/// Lines are lost only where a link begins: what came after the last commit of the run before, and what a serial line
/// throws away while it is set up. Some of what a kill left in the kernel the next run reads.
fn losses(rig: &Rig, feeder: &Feeder, numbers: &[u32], ended: &[Instant]) -> Losses {
    let times = |sql: &str| -> Vec<i64> {
        let db = rig.db();
        let mut query = db.prepare(sql).unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let received = times("SELECT at_ms FROM line WHERE kind = 0 ORDER BY seq");
    let begun = times("SELECT from_ms FROM link");
    let ledger = feeder.ledger();
    let mut losses = Losses::default();
    let mut before = (0, i64::MIN);
    for (number, at) in numbers.iter().copied().zip(received) {
        let missing = (before.0 + 1..number).filter_map(|lost| ledger.sent.get(lost as usize - 1));
        let missing: Vec<_> = missing.filter_map(|sent| Some((sent.run?, sent.at))).collect();
        if !missing.is_empty() {
            let between = begun.iter().any(|begun| (before.1..=at).contains(begun));
            assert!(between, "lines between {} and {number} are lost, and no link began: {}", before.0, rig.log());
        }
        losses.lines += missing.len();
        let ages = missing.iter().filter_map(|(run, at)| Some(ended.get(*run as usize)?.duration_since(*at)));
        losses.longest = ages.fold(losses.longest, Duration::max);
        before = (number, at);
    }
    losses
}

fn without_acknowledgement(fault: &str, stage: fn() -> (Rig, Feeder), kills: u32) {
    let mut chance = Chance::new();
    let (mut lines, mut lost, mut longest, mut left) = (0, 0, Duration::ZERO, kills);
    while left > 0 {
        let (rig, mut feeder) = stage();
        let now = clock(NOON, 1);
        let ended = kill_again_and_again(&rig, &feeder, left.min(KILLS), &mut chance, &now);
        left -= left.min(KILLS);
        let daemon = rig.run(&now);
        let run = ended.len() as u32;
        let printed = |feeder: &Feeder| feeder.ledger().sent.iter().filter(|sent| sent.run == Some(run)).count();
        wait_for("lines of the last run", || (printed(&feeder) > 50).then_some(()));
        feeder.stop();
        let newest = (1..).zip(&feeder.ledger().sent).filter(|(_, sent)| sent.run == Some(run)).map(|(n, _)| n).last();
        wait_for("all lines of the last run", || {
            (stored(&rig, feeder.source, feeder.prints).last().copied() == newest).then_some(())
        });
        daemon.stop();
        let numbers = stored(&rig, feeder.source, feeder.prints);
        let wrong = numbers.windows(2).find(|pair| pair[0] >= pair[1]);
        assert_eq!(wrong, None, "out of order, or twice");
        let took = losses(&rig, &feeder, &numbers, &ended);
        // Each stretch in which the link was up ends with the kill, and the next begins after it.
        let gaps = rig.count("SELECT count(*) FROM link WHERE cause = 'not-running'");
        let links = rig.count("SELECT count(*) FROM link");
        assert_eq!(gaps + 1, links, "each link but the last was ended by a kill");
        assert_all_is_well(&rig, &now, &numbers);
        (lines, lost, longest) = (lines + feeder.ledger().sent.len(), lost + took.lines, longest.max(took.longest));
    }
    assert!(longest < Duration::from_secs(30), "lines were lost that had come {longest:?} before the kill");
    figures(
        fault,
        &format!("{kills} kills, {lines} lines"),
        &format!(
            "{lost} lost, all after the last commit, none more than {} ms before the kill; 0 doubled; each time a gap",
            longest.as_millis()
        ),
    );
}

#[test]
fn over_tcp_only_what_came_after_the_last_commit_is_lost() {
    without_acknowledgement("F1 kill -9, TCP", listens, tries(5, 350));
}

#[test]
fn over_a_serial_line_only_what_came_after_the_last_commit_is_lost() {
    without_acknowledgement("F1 kill -9, serial", serial, tries(5, 250));
}
