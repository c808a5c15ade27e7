//! F2: the power fails. The daemon is stopped by a signal, what the disk holds is copied, the copy is mounted, and
//! ext4 and SQLite recover by themselves. What a PBX was told is stored, and what a reader saw as committed, is there.

use std::net::TcpListener;
use std::time::Duration;

use jiff::ToSpan as _;
use jiff::civil::date;
use rustix::process::Signal;

use super::chance::Chance;
use super::disk_image::DiskImage;
use super::evidence::{figures, is_left_to_a_run_in_full, tries};
use super::ledger::{Feeder, stored};
use super::loudly::say_loudly;
use super::process::{launch, there_is, wait_until_ready};
use super::promises::assert_kept;
use super::rig::{Daemon, Rig, SITE, clock, free_port, wait_for};

/// Cuts of one box, before the next one begins with an empty disk.
const CUTS: u32 = 10;
const LACKING: &str = "a power cut (F2)";

/// A disk at the state directory of the box; said loudly where that cannot be.
fn disk(rig: &Rig) -> Option<DiskImage> {
    if !there_is("mkfs.ext4", LACKING) {
        return None;
    }
    let disk = DiskImage::mount(&rig.path("state"));
    if disk.is_none() {
        say_loudly(&format!("{LACKING}: a disk image cannot be mounted here; it takes root"));
    }
    disk
}

fn stage() -> (Rig, Feeder, Feeder) {
    let (port, listener) = (free_port(), TcpListener::bind("127.0.0.1:0").unwrap());
    let there = listener.local_addr().unwrap().port();
    let sources = format!(
        "[[source]]\nname = \"reception\"\ndialect = \"avaya-ipoffice\"\n\
         [source.tcp-listen]\naddress = \"127.0.0.1:{port}\"\nallow = [\"127.0.0.1\"]\n\
         [[source]]\nname = \"nec\"\ndialect = \"nec-sv8300\"\noptions = {{ framing = \"tcp60010\", parity = \"none\" }}\n\
         [source.tcp-connect]\nhost = \"127.0.0.1\"\nport = {there}\n"
    );
    let day = date(2026, 11, 20);
    let reception = Feeder::calls("reception", port, day);
    (Rig::new(&format!("{SITE}{sources}"), &[]), Feeder::nec("nec", listener, day), reception)
}

/// Stops the daemon as it stands, and waits until it does.
fn freeze(daemon: &Daemon) {
    daemon.signal(Signal::STOP);
    let tasks = format!("/proc/{}/task", daemon.child.id());
    wait_for("a daemon that stands still", || {
        let mut tasks = std::fs::read_dir(&tasks).unwrap().flatten();
        let stands = |task: std::fs::DirEntry| {
            let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
        };
        tasks.all(stands).then_some(())
    });
}

/// How many lines a reader of the database sees, before there is one none.
fn seen(rig: &Rig) -> i64 {
    let path = rig.path("state/smdrd.db");
    let db = rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE);
    let count = |db: rusqlite::Connection| db.query_row("SELECT count(*) FROM line", [], |row| row.get(0));
    db.and_then(count).unwrap_or(0)
}

/// What was promised in a campaign of cuts, and what became of it.
#[derive(Default)]
struct Kept {
    acknowledged: u32,
    ahead: u32,
    days: i64,
}

/// Cuts the power so often, and says what was kept. Nothing where there is no disk to do it with.
fn cut_again_and_again(cuts: u32, chance: &mut Chance) -> Option<Kept> {
    let (rig, mut nec, mut reception) = stage();
    let mut disk = disk(&rig)?;
    nec.paces(Duration::ZERO);
    reception.paces(Duration::from_millis(1));
    let (mut kept, mut day) = (Kept::default(), date(2026, 11, 20));
    for cut in 0..cuts {
        // In turn at a start, in the bustle of a day, and over midnight until the day is closed and rolled up.
        let (from, factor, most) = match cut % 3 {
            0 => ("12:00:00", 1, 400),
            1 => ("12:00:00", 1, 2500),
            _ => ("23:50:00", 900, 3500),
        };
        nec.is_dated(day);
        reception.is_dated(day);
        let now = clock(&format!("{day}T{from}Z"), factor);
        let mut daemon = launch(&rig, &now);
        if cut % 3 > 0 {
            wait_until_ready(&rig, &mut daemon);
            let before = nec.ledger().acknowledged;
            wait_for("lines of this run", || (nec.ledger().acknowledged > before + 3).then_some(()));
        }
        std::thread::sleep(Duration::from_millis(chance.below(most)));
        let before = seen(&rig);
        freeze(&daemon);
        // The acknowledgement that is on its way is heard now.
        std::thread::sleep(Duration::from_millis(20));
        let acknowledged = nec.ledger().acknowledged;
        disk.picture();
        daemon.kill();
        disk = disk.wake_up();
        // Keys are in memory.
        let _ = std::fs::remove_dir_all(rig.path("run"));
        day += 1.day();
        let now = clock(&format!("{day}T06:00:00Z"), 1);
        if rig.path("state/smdrd.db").exists() {
            let after = seen(&rig);
            assert!(after >= before, "cut {cut}: {before} lines were committed, and {after} are there");
        }
        if acknowledged > 0 {
            let numbers = stored(&rig, "nec", nec.prints);
            assert_eq!(numbers, (1..=numbers.len() as u32).collect::<Vec<_>>(), "cut {cut}: each once, in order");
            let ahead = (numbers.len() as u32).checked_sub(acknowledged);
            kept.ahead += ahead.unwrap_or_else(|| panic!("cut {cut}: {acknowledged} acknowledged, {}", numbers.len()));
            kept.acknowledged = acknowledged;
            // The real program recovers it, alone.
            assert_kept(&rig, &now, &format!("after cut {cut}"));
        }
    }
    nec.stop();
    reception.stop();
    let numbers = stored(&rig, "reception", reception.prints);
    assert_eq!(numbers.windows(2).find(|pair| pair[0] >= pair[1]), None, "out of order, or twice");
    let records = rig.count("SELECT count(*) FROM line WHERE kind = 0");
    assert_eq!(rig.count("SELECT count(*) FROM call"), records, "each record is one call");
    kept.days = rig.count("SELECT count(*) FROM day WHERE closed_ms IS NOT NULL");
    assert!(!rig.log().contains("panicked"), "{}", rig.log());
    Some(kept)
}

#[test]
fn what_was_committed_survives_a_power_cut() {
    let (cuts, mut chance) = (tries(3, 50), Chance::new());
    let (mut all, mut left) = (Kept::default(), cuts);
    while left > 0 {
        let Some(kept) = cut_again_and_again(left.min(CUTS), &mut chance) else { return };
        left -= left.min(CUTS);
        all.acknowledged += kept.acknowledged;
        all.ahead += kept.ahead;
        all.days += kept.days;
    }
    figures(
        "F2 power cut",
        &format!("{cuts} cuts, {} lines acknowledged, {} days closed", all.acknowledged, all.days),
        &format!(
            "0 acknowledged or committed lines missing, 0 doubled ({} were stored and not yet acknowledged)",
            all.ahead
        ),
    );
}

/// How many of the rows that were committed are there after a power cut.
fn rows_kept(synchronous: &str, rows: i64) -> Option<i64> {
    let rig = Rig::new(SITE, &[]);
    let disk = disk(&rig)?;
    let db = rig.db();
    db.pragma_update(None, "journal_mode", "wal").unwrap();
    db.pragma_update(None, "synchronous", synchronous).unwrap();
    db.execute("CREATE TABLE promised (row INTEGER PRIMARY KEY)", []).unwrap();
    for row in 1..=rows {
        db.execute("INSERT INTO promised VALUES (?1)", [row]).unwrap();
    }
    disk.picture();
    drop(db);
    let _disk = disk.wake_up();
    Some(rig.db().query_row("SELECT count(*) FROM promised", [], |row| row.get(0)).unwrap_or(0))
}

/// The rig itself: it sees the loss that SQLite allows where it does not wait for the disk.
#[test]
fn the_same_cut_takes_rows_that_were_not_waited_for() {
    if is_left_to_a_run_in_full("F2: that the rig sees the loss that synchronous=OFF allows") {
        return;
    }
    let rows = 2000;
    let (Some(full), Some(off)) = (rows_kept("FULL", rows), rows_kept("OFF", rows)) else { return };
    assert_eq!(full, rows);
    assert!(off < rows, "nothing was lost without waiting for the disk: this rig cuts no power");
    figures(
        "F2, the rig itself",
        &format!("{rows} rows, committed one by one"),
        &format!("synchronous=FULL keeps {full}, synchronous=OFF {off}"),
    );
}
