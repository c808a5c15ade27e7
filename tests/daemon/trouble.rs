//! A disk that takes nothing: the daemon stays, and stores what waited once it can.

use std::time::Duration;

use super::lines::Ip;
use super::rig::{Pbx, Rig, SITE, clock, wait_for};

/// A file system of 2 MB over the state directory, gone with this.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(at: &std::path::Path) -> Option<SmallDisk> {
        std::fs::create_dir_all(at).unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=2m", "smdrd-test"]).arg(at);
        mount.output().ok().filter(|output| output.status.success()).map(|_| SmallDisk(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[test]
fn a_full_disk_does_not_end_the_daemon_and_what_waited_is_stored_in_order() {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let rig = Rig::new(SITE, std::slice::from_ref(&ip));
    let Some(_disk) = SmallDisk::mount(&rig.path("state")) else {
        eprintln!("SKIPPED LOUDLY: a small file system cannot be mounted here, so a full disk cannot be tried");
        return;
    };
    let mut daemon = rig.run(&clock("2026-11-20T15:00:00Z", 1));
    ip.connect();
    let call = |id: u32| Ip { id, ..Ip::default() }.line();
    assert!(ip.print(&[call(1)]));
    rig.wait_for_lines(1);
    // Fill what is left, then go on talking.
    let filler = rig.path("state/filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    let block = [0_u8; 4096];
    while std::io::Write::write_all(&mut file, &block).is_ok() {}
    for id in 2..=400 {
        assert!(ip.print(&[call(id)]));
        std::thread::sleep(Duration::from_millis(2));
    }
    wait_for("the trouble", || rig.log().contains("nothing could be stored").then_some(()));
    assert_eq!(daemon.child.try_wait().unwrap(), None, "{}", rig.log());
    // Whoever asks is answered by the daemon while it waits for the disk.
    let status = rig.verb(&["status"], "");
    assert_eq!(status.status.code(), Some(1));
    let said = String::from_utf8_lossy(&status.stdout);
    assert!(said.contains("running") && said.contains("free disk space"), "{said}");
    drop(file);
    std::fs::remove_file(&filler).unwrap();
    rig.wait_for_lines(400);
    let db = rig.db();
    let mut query =
        db.prepare("SELECT CAST(json_extract(record, '$.call_id') AS INTEGER) FROM line ORDER BY seq").unwrap();
    let ids: Vec<u32> = query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(ids, (1..=400).collect::<Vec<_>>());
    assert_eq!(rig.count("SELECT count(*) FROM call WHERE legs = 1"), 400, "nothing was counted twice");
    drop(query);
    rig.assert_no_difference("", "after a full disk");
    daemon.stop();
}

#[test]
fn what_is_wrong_on_the_wire_is_counted() {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let rig = Rig::new(SITE, std::slice::from_ref(&ip));
    let daemon = rig.run(&clock("2026-11-20T15:00:00Z", 1));
    ip.connect();
    let endless = "z".repeat(10_000);
    let noisy = format!("\u{11}\u{13}{}", Ip::default().line());
    assert!(ip.print(&[endless, noisy]));
    rig.wait_for_lines(2);
    let status = rig.verb(&["status", "--json"], "");
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    let source = &status["sources"][0];
    assert_eq!(source["wire"], serde_json::json!({"line_errors": 0, "stripped": 2, "cut": 10_000 - 4096}));
    assert_eq!((&source["today"]["records"], &source["today"]["unparsed"]), (&1.into(), &1.into()));
    daemon.stop();
}
