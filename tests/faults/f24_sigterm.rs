//! F24: SIGTERM at any instant, once or twice: in ingest, at the start and while the database is made, while the supplier
//! does not answer, and with a disk that is full.

use std::net::TcpListener;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use jiff::civil::date;
use rustix::process::Signal;

use super::chance::Chance;
use super::evidence::{figures, tries};
use super::ledger::{Feeder, Prints, stored};
use super::lines::Ip;
use super::loudly::say_loudly;
use super::manager::Manager;
use super::process::cpu;
use super::promises::assert_kept;
use super::rig::{Feed, Pbx, Rig, SITE, clock, free_port, wait_for};
use super::small_disk::SmallDisk;

/// The bar, on a machine that has a processor for it.
const MOST: Duration = Duration::from_secs(10);
/// What the work of a stop may take beside its waits, on such a machine: as much again as many others there are for each
/// processor.
const WORK: f64 = 5.0;

/// How long it may take now: what is not waited for takes longer on a machine with more to do than it has processors.
fn most() -> Duration {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    let load: f64 = load.split(' ').next().unwrap().parse().unwrap();
    let processors = std::thread::available_parallelism().unwrap().get() as f64;
    MOST + Duration::from_secs_f64(WORK * load / processors)
}
const NOON: &str = "2026-11-20T12:00:00Z";

fn source(port: u16) -> String {
    format!(
        "[[source]]\nname = \"reception\"\ndialect = \"avaya-ipoffice\"\n\
         [source.tcp-listen]\naddress = \"127.0.0.1:{port}\"\nallow = [\"127.0.0.1\"]\n"
    )
}

fn line(id: u32) -> String {
    Ip { id: 1_000_000 + id, ..Ip::default() }.line()
}

/// Terminates the daemon, sometimes twice; says how long it took. One that has not begun to listen for orders is ended by
/// the signal itself, and has taken nothing over by then.
fn terminate(manager: &mut Manager, chance: &mut Chance) -> Duration {
    let began = Instant::now();
    if chance.below(2) == 0 {
        manager.signal(Signal::TERM);
        std::thread::sleep(Duration::from_millis(chance.below(60)));
    }
    let status: ExitStatus = manager.end(Signal::TERM);
    let took = began.elapsed();
    let most = most();
    assert!(took < most, "it took {took:?} to stop, of {most:?}");
    match status.code() {
        Some(0) => assert!(manager.has_said("STOPPING=1")),
        _ => assert!(!manager.has_said("READY=1"), "{status}"),
    }
    took
}

#[test]
fn in_ingest_and_at_the_start_nothing_is_lost() {
    let (rounds, mut chance) = (tries(6, 140), Chance::new());
    let port = free_port();
    let rig = Rig::new(&format!("{SITE}{}", source(port)), &[]);
    let mut manager = Manager::new(&rig, &clock(NOON, 1));
    let mut feeder = Feeder::calls("reception", port, date(2026, 11, 20));
    feeder.paces(Duration::from_millis(10));
    let (mut longest, mut unready) = (Duration::ZERO, 0);
    for round in 0..rounds {
        match round % 2 {
            0 => manager.start(&rig),
            _ => manager.launch(&rig),
        }
        std::thread::sleep(Duration::from_millis(chance.below(300)));
        longest = longest.max(terminate(&mut manager, &mut chance));
        unready += u32::from(!manager.has_said("READY=1"));
    }
    manager.start(&rig);
    let before = feeder.ledger().sent.len();
    wait_for("lines of the last run", || (feeder.ledger().sent.len() > before + 20).then_some(()));
    feeder.stop();
    let printed = feeder.ledger().sent.len() as u32;
    wait_for("every line", || {
        (rig.count("SELECT count(*) FROM line WHERE kind = 0") >= i64::from(printed)).then_some(())
    });
    manager.stop();
    assert_eq!(stored(&rig, "reception", Prints::IpOffice), (1..=printed).collect::<Vec<_>>(), "{}", rig.log());
    assert_eq!(rig.count("SELECT count(*) FROM call"), i64::from(printed));
    assert_kept(&rig, &clock(NOON, 1), "after SIGTERM at any instant");
    assert!(!rig.log().contains("panicked"), "{}", rig.log());
    figures(
        "F24 SIGTERM",
        &format!("{rounds} instants, {unready} of them before READY, {printed} lines"),
        &format!("0 lost, 0 doubled; stopped within {} ms", longest.as_millis()),
    );
}

#[test]
fn while_the_database_is_made() {
    let (rounds, mut chance) = (tries(2, 30), Chance::new());
    for round in 0..rounds {
        let mut pbx = Pbx::tcp("reception", "avaya-ipoffice");
        let rig = Rig::new(SITE, std::slice::from_ref(&pbx));
        let now = clock(NOON, 1);
        let mut manager = Manager::new(&rig, &now);
        manager.launch(&rig);
        std::thread::sleep(Duration::from_millis(chance.below(if round % 2 == 0 { 40 } else { 200 })));
        terminate(&mut manager, &mut chance);
        manager.start(&rig);
        pbx.connect();
        assert!(pbx.print(&[line(1)]));
        rig.wait_for_lines(1);
        manager.stop();
        assert_kept(&rig, &now, "stopped while the database was made");
    }
    figures("F24 SIGTERM, database made", &format!("{rounds} instants"), "the next start makes it whole");
}

#[test]
fn while_the_supplier_does_not_answer() {
    let (rounds, mut chance, mut longest) = (tries(1, 20), Chance::new(), Duration::ZERO);
    for _ in 0..rounds {
        let port = free_port();
        let silent = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let mut pbx = Pbx::tcp("reception", "avaya-ipoffice");
        let mut rig = Rig::new(SITE, std::slice::from_ref(&pbx));
        rig.with_supplier(&format!("127.0.0.1:{port}"), "");
        let mut manager = Manager::new(&rig, &clock(NOON, 1));
        manager.start(&rig);
        pbx.connect();
        assert!(pbx.print(&[line(1)]));
        rig.wait_for_lines(1);
        manager.stop();
        manager.clock = clock("2026-11-20T23:50:00Z", 3_600);
        manager.start(&rig);
        let (asked, _) = silent.accept().unwrap();
        std::thread::sleep(Duration::from_millis(chance.below(100)));
        longest = longest.max(terminate(&mut manager, &mut chance));
        drop((asked, silent));
        assert_eq!(rig.count("SELECT count(*) FROM outbox WHERE state = 'receipted'"), 0);
        let feed = Feed::start(&rig, port);
        manager.clock = clock("2026-11-22T12:00:00Z", 3_600);
        manager.start(&rig);
        let sent = "SELECT count(*) FROM outbox WHERE day = (SELECT min(day) FROM outbox) AND state = 'receipted'";
        wait_for("the delivery", || (rig.count(sent) == 1).then_some(()));
        manager.stop();
        assert_eq!(feed.held("A81001", "2026-11-20").len(), 1, "once");
        assert_kept(&rig, &clock("2026-11-24T12:00:00Z", 1), "stopped while the supplier did not answer");
    }
    figures(
        "F24 SIGTERM, supplier silent",
        &format!("{rounds} instants"),
        &format!("stopped within {} ms; the day was delivered once, later", longest.as_millis()),
    );
}

/// Waits until the daemon has nothing more to do: there is no room, and nobody is read any more.
fn wait_for_rest(manager: &Manager) {
    let process = manager.process();
    wait_for("a daemon that rests", || {
        let before = cpu(process);
        std::thread::sleep(Duration::from_secs(1));
        (cpu(process) - before < Duration::from_millis(50)).then_some(())
    });
}

/// A disk that is full while so many lines come, more than there is room for or not; then an order to stop. Gives how long
/// that took, and how many lines were said to be lost. Nothing where there is no small disk.
fn stop_with_a_full_disk(lines: u32, chance: &mut Chance) -> Option<(Duration, i64)> {
    let mut pbx = Pbx::tcp("reception", "avaya-ipoffice");
    let rig = Rig::new(SITE, std::slice::from_ref(&pbx));
    let Some(disk) = SmallDisk::in_memory(&rig.path("state"), 2) else {
        say_loudly("SIGTERM with a full disk (F24): a small file system cannot be mounted here; it takes root");
        return None;
    };
    let now = clock(NOON, 1);
    let mut manager = Manager::new(&rig, &now);
    manager.start(&rig);
    pbx.connect();
    assert!(pbx.print(&[line(1)]));
    rig.wait_for_lines(1);
    let filler = disk.fill();
    let text: Vec<String> = (2..=lines).map(line).collect();
    // It is held back where there is no room, until the box hangs up.
    let printer = std::thread::spawn(move || pbx.print(&text));
    wait_for("the trouble", || rig.log().contains("nothing could be stored").then_some(()));
    wait_for_rest(&manager);
    std::thread::sleep(Duration::from_millis(chance.below(500)));
    let took = terminate(&mut manager, chance);
    manager.forget_all();
    printer.join().unwrap();
    let log = rig.log();
    let said = log.lines().filter(|line| line.contains("they are lost"));
    let number = |line: &str| line.split_once("lost=")?.1.split(' ').next()?.parse::<i64>().ok();
    let lost: i64 = said.filter_map(number).sum();
    std::fs::remove_file(&filler).unwrap();
    manager.start(&rig);
    manager.stop();
    let there = rig.count("SELECT count(*) FROM line WHERE kind = 0");
    assert_eq!(stored(&rig, "reception", Prints::IpOffice), (1..=there as u32).collect::<Vec<_>>(), "in order");
    assert!(lost > 0 && there >= 1, "{lost} lines are said to be lost, {there} are there: {log}");
    assert_kept(&rig, &now, "stopped while the disk was full");
    Some((took, lost))
}

#[test]
fn while_the_disk_is_full() {
    let (rounds, mut chance, mut longest, mut told) = (tries(1, 10), Chance::new(), Duration::ZERO, 0);
    for round in 0..rounds {
        // Every second time with less and with more than there is room for in memory.
        let lines = if round % 2 == 0 { 400 } else { 22_000 };
        let Some((took, lost)) = stop_with_a_full_disk(lines, &mut chance) else { return };
        longest = longest.max(took);
        told += lost;
    }
    figures(
        "F24 SIGTERM, disk full",
        &format!("{rounds} instants"),
        &format!("stopped within {} ms; what was in memory is told to be lost ({told} lines)", longest.as_millis()),
    );
}
