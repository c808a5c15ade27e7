//! F7: the log is removed, or an old copy of the database is put back.

use super::evidence::figures;
use super::lines::Ip;
use super::promises::assert_kept;
use super::rig::{Pbx, Rig, SITE, clock, wait_for};

fn calls(ids: std::ops::RangeInclusive<u32>) -> Vec<String> {
    ids.map(|id| Ip { id, ..Ip::default() }.line()).collect()
}

#[test]
fn lines_that_are_gone_with_the_log_are_missed() {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let rig = Rig::new(SITE, std::slice::from_ref(&ip));
    let daemon = rig.run(&clock("2026-11-20T14:00:00Z", 1));
    ip.connect();
    assert!(ip.print(&calls(1..=10)));
    rig.wait_for_lines(10);
    // The night's tidying carries the log into the file; it is not to come between.
    wait_for("the tidying", || (rig.count("SELECT count(*) FROM meta WHERE key = 'pruned_on'") == 1).then_some(()));
    daemon.stop();
    let daemon = rig.run(&clock("2026-11-20T14:10:00Z", 1));
    ip.connect();
    assert!(ip.print(&calls(11..=30)));
    rig.wait_for_lines(30);
    daemon.kill();
    for part in ["-wal", "-shm"] {
        std::fs::remove_file(rig.path(&format!("state/smdrd.db{part}"))).unwrap();
    }
    let daemon = rig.run(&clock("2026-11-20T14:20:00Z", 1));
    ip.connect();
    assert!(ip.print(&calls(31..=31)));
    rig.wait_for_lines(11);
    assert_eq!(rig.count("SELECT max(seq) FROM line"), 31, "nobody gets the number of a line that is gone");
    let (code, status) = rig.json(&["status"], "");
    let problems = status["problems"].to_string();
    assert!(code == 1 && problems.contains("20 of reception"), "{problems}");
    assert!(status["today"][0]["gaps"].to_string().contains("database-lost"), "{status:#}");
    let (_, dismissed) = rig.json(&["recover", "--dismiss"], "");
    assert_eq!(dismissed["dismissed"], 1);
    assert!(!rig.status()["problems"].to_string().contains("reception."), "{:#}", rig.status());
    assert_kept(&rig, "", "after the log was removed");
    daemon.stop();
    figures("F7 -wal removed", "20 lines in it", "missed by number, said, and not observed");
}

#[test]
fn an_old_copy_is_noticed_and_the_newer_file_gives_back_what_it_lacks() {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let rig = Rig::new(SITE, std::slice::from_ref(&ip));
    let db = rig.path("state/smdrd.db");
    let mut heard = 0;
    for (at, lines) in [("2026-11-20T14:00:00Z", 10), ("2026-11-20T14:10:00Z", 15)] {
        let daemon = rig.run(&clock(at, 1));
        ip.connect();
        assert!(ip.print(&calls(heard + 1..=heard + lines)));
        heard += lines;
        rig.wait_for_lines(heard as usize);
        daemon.stop();
        std::fs::copy(&db, rig.path(&format!("copy-{heard}"))).unwrap();
    }
    std::fs::copy(rig.path("copy-10"), &db).unwrap();
    let daemon = rig.run(&clock("2026-11-20T14:20:00Z", 1));
    ip.connect();
    assert!(ip.print(&calls(26..=27)));
    rig.wait_for_lines(12);
    assert!(rig.status()["problems"].to_string().contains("15 of reception"), "{:#}", rig.status());
    let newer = rig.path("copy-25");
    let (code, report) = rig.json(&["recover", newer.to_str().unwrap()], "");
    assert_eq!(code, 0, "{report:#}");
    let lines = &report["files"][0]["lines"];
    assert_eq!((&lines["new"], &lines["known"], &lines["clash"]), (&15.into(), &10.into(), &0.into()), "{report:#}");
    rig.wait_for_lines(27);
    assert_eq!(rig.count("SELECT count(*) FROM call WHERE legs = 1"), 27);
    assert!(!rig.status()["problems"].to_string().contains("are gone"), "{:#}", rig.status());
    assert_kept(&rig, "", "after an old copy");
    daemon.stop();
    figures("F7 old copy put back", "15 lines behind", "noticed; all 15 put back from the newer file, none twice");
}
