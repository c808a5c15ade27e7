//! F6: the database is damaged.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;

use super::evidence::figures;
use super::lines::Ip;
use super::promises::{assert_identities, assert_kept};
use super::rig::{Daemon, Pbx, Rig, SITE, clock, wait_for};

const LINES: u32 = 400;
const PAGE: usize = 1024;

fn calls(ids: std::ops::RangeInclusive<u32>) -> Vec<String> {
    let at = |id: u32| format!("2026/11/20 {:02}:{:02}:{:02}", 8 + id / 200, id / 4 % 60, id % 60);
    ids.map(|id| Ip { id, at: &at(id), ..Ip::default() }.line()).collect()
}

/// A box with lines in its books, stopped in order or killed.
fn heard(kill: bool) -> (Rig, Pbx) {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let rig = Rig::new(SITE, std::slice::from_ref(&ip));
    let daemon = rig.run(&clock("2026-11-20T15:00:00Z", 1));
    ip.connect();
    assert!(ip.print(&calls(1..=LINES)));
    rig.wait_for_lines(LINES as usize);
    if kill {
        daemon.kill()
    } else {
        daemon.stop()
    }
    (rig, ip)
}

fn change(path: &Path, how: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    how(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

/// The page on which a table or an index begins.
fn root(rig: &Rig, name: &str) -> usize {
    let page: i64 =
        rig.db().query_row("SELECT rootpage FROM sqlite_schema WHERE name = ?1", [name], |row| row.get(0)).unwrap();
    page as usize
}

fn set_aside(rig: &Rig) -> Vec<PathBuf> {
    let files = std::fs::read_dir(rig.path("state")).unwrap().map(|entry| entry.unwrap().path());
    let is_one = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        name.contains("damaged-") && !name.ends_with("-wal") && !name.ends_with("-shm")
    };
    files.filter(is_one).collect()
}

fn says(status: &Value, what: &str) -> bool {
    status["problems"].to_string().contains(what)
}

/// Goes on after damage: a fresh database, the next number, said aloud. Gives how long it took until the first line was in.
fn goes_on(rig: &Rig, ip: &mut Pbx, before: u64) -> (Daemon, f64) {
    let began = Instant::now();
    let daemon = rig.run(&clock("2026-11-20T15:10:00Z", 1));
    ip.connect();
    assert!(ip.print(&calls(LINES + 1..=LINES + 1)));
    rig.wait_for_lines(1);
    let took = began.elapsed().as_secs_f64();
    let (code, status) = rig.json(&["status"], "");
    assert!(code == 1 && says(&status, "set aside") && says(&status, "smdrd recover"), "{status:#}");
    assert_eq!(rig.count("SELECT max(seq) FROM line") as u64, before + 1, "numbers go on");
    let gaps = status["today"][0]["gaps"].to_string();
    assert!(gaps.contains("database-lost"), "{gaps}");
    assert_identities(&status);
    (daemon, took)
}

#[test]
fn a_damaged_database_is_set_aside_and_what_can_be_read_comes_back() {
    type Damage = fn(&Rig, &mut Vec<u8>);
    // How it is damaged, and whether every line must come back.
    let ways: [(&str, bool, Damage); 6] = [
        ("the header", true, |_, bytes| bytes[..40].fill(b'!')),
        ("page 1", true, |_, bytes| bytes[..PAGE].fill(0xa5)),
        ("an index", true, |rig, bytes| {
            let page = root(rig, "call_of_day");
            bytes[(page - 1) * PAGE..page * PAGE].fill(0xa5);
        }),
        ("pages in the middle", false, |_, bytes| {
            let at = bytes.len() / PAGE / 2 * PAGE;
            bytes[at..at + 3 * PAGE].fill(0xa5);
        }),
        ("its end, cut off", false, |_, bytes| bytes.truncate(bytes.len() / PAGE * 3 / 4 * PAGE)),
        ("all of it", false, |_, bytes| bytes.fill(0x5a)),
    ];
    let (mut slowest, mut back) = (0.0_f64, Vec::new());
    for (what, whole, damage) in ways {
        let (rig, mut ip) = heard(false);
        let db = rig.path("state/smdrd.db");
        change(&db, |bytes| damage(&rig, bytes));
        for part in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(rig.path(&format!("state/smdrd.db{part}")));
        }
        let damaged = std::fs::read(&db).unwrap();
        let (daemon, took) = goes_on(&rig, &mut ip, LINES.into());
        slowest = slowest.max(took);
        let aside = set_aside(&rig);
        assert_eq!(aside.len(), 1, "{what}");
        let (code, looked) = rig.json(&["recover", "--dry-run"], "");
        let (again, report) = rig.json(&["recover"], "");
        assert_eq!(code, again);
        let (found, only_looked) = (&report["files"][0], &looked["files"][0]);
        if what == "all of it" {
            assert!(code == 1 && !found["unreadable"].is_null() || found["lines"]["new"] == 0, "{report:#}");
            let _ = rig.json(&["recover", "--dismiss"], "");
        } else {
            assert_eq!(code, 0, "{what}: {report:#}");
            assert_eq!(only_looked["lines"], found["lines"], "{what}: {looked:#} {report:#}");
            let (new, lost) = (found["lines"]["new"].as_u64().unwrap(), found["lines_lost"].as_u64().unwrap());
            assert_eq!(new + lost, u64::from(LINES), "{what}: {report:#}");
            assert!(!whole || lost == 0, "{what}: {report:#}");
            back.push(format!("{what} {new}"));
            rig.wait_for_lines(new as usize + 1);
        }
        let (_, status) = rig.json(&["status"], "");
        assert!(!says(&status, "set aside"), "{what}: {status:#}");
        if whole {
            let calls = rig.count("SELECT count(*) FROM call");
            assert_eq!(calls, i64::from(LINES) + 1, "{what}");
            let today = &status["today"][0];
            assert_eq!(today["inbound_seen"], LINES + 1, "{what}: {status:#}");
            assert!(!today["gaps"].to_string().contains("database-lost"), "{what}: {status:#}");
        }
        // A second time nothing changes.
        if what != "all of it" {
            let name = aside[0].file_name().unwrap().to_str().unwrap();
            let (_, report) = rig.json(&["recover", name], "");
            assert_eq!(report["files"][0]["lines"]["new"], 0, "{what}: {report:#}");
        }
        assert_kept(&rig, "", what);
        assert_eq!(std::fs::read(&aside[0]).unwrap(), damaged, "{what}: not a byte of it is changed");
        daemon.stop();
    }
    let came_of_it =
        format!("of {LINES} lines came back: {}; collecting after {slowest:.1} s at most", back.join(", "));
    figures("F6 damaged database", "6 ways, found at the start", &came_of_it);
}

#[test]
fn the_memory_of_the_log_may_go_and_rubbish_at_its_end_costs_nothing() {
    for (what, part) in [("zeros in the -shm", "-shm"), ("rubbish behind the -wal", "-wal")] {
        let (rig, mut ip) = heard(true);
        let path = rig.path(&format!("state/smdrd.db{part}"));
        change(&path, |bytes| match part {
            "-shm" => bytes.fill(0),
            _ => bytes.extend([0x3c; 5000]),
        });
        let daemon = rig.run(&clock("2026-11-20T15:10:00Z", 1));
        rig.wait_for_lines(LINES as usize);
        ip.connect();
        assert!(ip.print(&calls(LINES + 1..=LINES + 1)));
        rig.wait_for_lines(LINES as usize + 1);
        assert!(set_aside(&rig).is_empty());
        assert_kept(&rig, "", what);
        daemon.stop();
    }
    figures("F6 log", "-shm zeroed, rubbish behind the -wal, after a kill", "0 lost");
}

#[test]
fn damage_is_found_in_the_night_while_the_daemon_runs() {
    let (rig, mut ip) = heard(false);
    // Past midnight in seconds: then the days are closed, what is old is taken away, and the file is looked through.
    let mut daemon = rig.run(&clock("2026-11-20T23:50:00Z", 120));
    ip.connect();
    let pages = {
        use std::os::unix::fs::FileExt;
        let file = std::fs::OpenOptions::new().write(true).open(rig.path("state/smdrd.db")).unwrap();
        let pages = file.metadata().unwrap().len() as usize / PAGE;
        file.write_all_at(&vec![0xa5; (pages / 4) * PAGE], ((pages / 2) * PAGE) as u64).unwrap();
        pages
    };
    wait_for("the discovery", || {
        assert_eq!(daemon.child.try_wait().unwrap(), None, "{}", rig.log());
        (!set_aside(&rig).is_empty()).then_some(())
    });
    wait_for("the fresh database", || {
        let status = rig.verb(&["status", "--json"], "");
        let status: Value = serde_json::from_slice(&status.stdout).ok()?;
        says(&status, "set aside").then_some(())
    });
    let before = rig.status()["lines"]["lines"].as_u64().unwrap();
    assert!(ip.print(&calls(LINES + 1..=LINES + 3)));
    rig.wait_for_lines(before as usize + 3);
    assert_eq!(rig.count("SELECT max(seq) FROM line"), i64::from(LINES) + 3, "numbers go on");
    let (code, report) = rig.json(&["recover"], "");
    assert_eq!(code, 0, "{report:#}");
    let found = &report["files"][0];
    let (new, lost) = (found["lines"]["new"].as_u64().unwrap(), found["lines_lost"].as_u64().unwrap());
    assert_eq!(new + lost, u64::from(LINES), "{report:#}");
    assert_kept(&rig, "", "after damage while running");
    daemon.stop();
    let came_of_it = format!("set aside by the running daemon; {new} of {LINES} lines came back");
    figures("F6 damaged while running", &format!("a quarter of {pages} pages"), &came_of_it);
}
