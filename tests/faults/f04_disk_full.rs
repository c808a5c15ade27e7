//! F4: the disk is full.

use std::time::Duration;

use serde_json::Value;

use super::evidence::{figures, tries};
use super::lines::Ip;
use super::loudly::say_loudly;
use super::promises::assert_kept;
use super::rig::{Pbx, Rig, SITE, clock, wait_for};
use super::small_disk::SmallDisk;

fn call(id: u32) -> String {
    Ip { id, ..Ip::default() }.line()
}

fn ids(rig: &Rig) -> Vec<u32> {
    let db = rig.db();
    let mut query =
        db.prepare("SELECT CAST(json_extract(record, '$.call_id') AS INTEGER) FROM line ORDER BY seq").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_full_disk_does_not_end_the_daemon_and_what_waited_is_stored_in_order() {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let rig = Rig::new(SITE, std::slice::from_ref(&ip));
    let Some(disk) = SmallDisk::in_memory(&rig.path("state"), 2) else {
        return say_loudly("F4: a small file system cannot be mounted here, so a full disk cannot be tried");
    };
    let mut daemon = rig.run(&clock("2026-11-20T15:00:00Z", 1));
    ip.connect();
    assert!(ip.print(&[call(1)]));
    rig.wait_for_lines(1);
    // Fill what is left, then go on talking.
    let filler = disk.fill();
    for id in 2..=400 {
        assert!(ip.print(&[call(id)]));
        std::thread::sleep(Duration::from_millis(2));
    }
    wait_for("the trouble", || rig.log().contains("nothing could be stored").then_some(()));
    std::thread::sleep(Duration::from_secs(tries(1, 60).into()));
    assert_eq!(daemon.child.try_wait().unwrap(), None, "{}", rig.log());
    // Whoever asks is answered by the daemon while it waits for the disk.
    let (code, status) = rig.json(&["status"], "");
    assert_eq!((code, &status["running"]), (1, &true.into()));
    let waiting = status["waiting"]["lines"].as_u64().unwrap();
    assert!(waiting > 0, "{status:#}");
    assert!(status["waiting"]["cause"].as_str().unwrap().contains("full"), "{status:#}");
    assert!(status["problems"].to_string().contains("free disk space"), "{status:#}");
    assert_eq!((&status["events"][0]["cause"], &status["events"][0]["source"]), (&"disk-full".into(), &().into()));
    let listed = |rig: &Rig| -> Vec<Value> {
        let (_, list) = rig.json(&["outages", "--month", "2026-11"], "");
        let outages = list["outages"].as_array().unwrap().iter();
        outages.filter(|outage| outage["cause"] == "disk-full").cloned().collect()
    };
    assert!(matches!(listed(&rig).as_slice(), [one] if one["end"].is_null()), "{:#?}", listed(&rig));
    let tried = rig.log().matches("nothing could be stored").count();
    assert!(tried < 100, "it does not fill the log: {tried}");
    std::fs::remove_file(&filler).unwrap();
    rig.wait_for_lines(400);
    assert_eq!(ids(&rig), (1..=400).collect::<Vec<_>>());
    assert_eq!(rig.count("SELECT count(*) FROM call WHERE legs = 1"), 400, "nothing was counted twice");
    wait_for("the end of it", || {
        let status = rig.status();
        (status["waiting"].is_null() && status["events"] == serde_json::json!([])).then_some(())
    });
    assert!(matches!(listed(&rig).as_slice(), [one] if !one["end"].is_null()), "{:#?}", listed(&rig));
    let (_, day) = rig.json(&["day", "2026-11-20"], "");
    let gaps = day["coverage"]["gaps"].as_array().unwrap();
    let gap = gaps.iter().find(|gap| gap["cause"] == "disk-full").unwrap_or_else(|| panic!("{gaps:#?}"));
    assert_eq!(gap["lost_s"], 0, "what waited came in later");
    assert_kept(&rig, "", "after a full disk");
    daemon.stop();
    figures("F4 disk full", "400 lines over a full disk of 2 MiB", "0 lost, 0 twice, in order");
}

#[test]
fn the_reserve_lets_the_books_go_on_and_is_taken_again() {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let site = format!("{SITE}[disk]\nbudget-mib = 8\nreserve-mib = 2\n");
    let rig = Rig::new(&site, std::slice::from_ref(&ip));
    let Some(disk) = SmallDisk::in_memory(&rig.path("state"), 16) else {
        return say_loudly("F4: a small file system cannot be mounted here, so the reserve cannot be tried");
    };
    let daemon = rig.run(&clock("2026-11-20T15:00:00Z", 60));
    let reserve = rig.path("state/smdrd.reserve");
    wait_for("the reserve", || reserve.exists().then_some(()));
    ip.connect();
    let filler = disk.fill();
    let mut sent = 0;
    // Far less than the reserve holds; more than fits into the pages that are there.
    for _ in 0..10 {
        let lines: Vec<String> = (sent + 1..=sent + 40).map(call).collect();
        assert!(ip.print(&lines));
        sent += 40;
        rig.wait_for_lines(sent as usize);
    }
    assert!(!reserve.exists(), "{}", rig.log());
    let (_, status) = rig.json(&["status"], "");
    assert!(status["problems"].to_string().contains("no room is kept back"), "{status:#}");
    std::fs::remove_file(&filler).unwrap();
    wait_for("the reserve again", || reserve.exists().then_some(()));
    assert_eq!(ids(&rig), (1..=sent).collect::<Vec<_>>());
    assert_kept(&rig, "", "with the reserve");
    daemon.stop();
    figures("F4 reserve", "400 lines on a full disk with a reserve of 2 MiB", "all stored while it was full");
}

#[test]
fn what_finds_no_room_in_memory_is_held_back_and_on_a_cable_it_was_not_observed() {
    // More lines than may wait: they are short of 4 MiB together after some 6,000.
    let many = tries(8_000, 12_000);
    let pbxs = [Pbx::serial("cable", "avaya-ipoffice"), Pbx::tcp("network", "avaya-ipoffice")];
    let rig = Rig::new(SITE, &pbxs);
    let Some(disk) = SmallDisk::in_memory(&rig.path("state"), 48) else {
        return say_loudly("F4: a small file system cannot be mounted here, so a full disk cannot be tried");
    };
    let daemon = rig.run(&clock("2026-11-20T15:00:00Z", 1));
    let [mut cable, mut network] = pbxs;
    cable.connect();
    network.connect();
    assert!(cable.print(&[call(1)]) && network.print(&[call(2)]));
    rig.wait_for_lines(2);
    let filler = disk.fill();
    let printing = std::thread::spawn(move || {
        let mut kept = true;
        for first in (3..many).step_by(50) {
            kept &= network.print(&(first..first + 50).map(call).collect::<Vec<_>>());
        }
        (kept, network)
    });
    let status = wait_for("no room", || Some(rig.status()).filter(|status| !status["waiting"]["full"].is_null()));
    let waiting = status["waiting"]["lines"].as_u64().unwrap();
    assert!((1_000..=10_064).contains(&waiting), "{status:#}");
    assert!(status["problems"].to_string().contains("held back"), "{status:#}");
    std::thread::sleep(Duration::from_secs(1));
    assert!(rig.status()["waiting"]["lines"].as_u64().unwrap() <= waiting + 64, "no more waits than may");
    std::fs::remove_file(&filler).unwrap();
    let (kept, _network) = printing.join().unwrap();
    assert!(kept, "who can be held back loses nothing");
    let sent = (3..many).step_by(50).count() * 50 + 2;
    rig.wait_for_lines(sent);
    let gaps = rig.status()["today"][0]["gaps"].clone();
    let overrun: Vec<_> = gaps.as_array().unwrap().iter().filter(|gap| gap["cause"] == "overrun").collect();
    assert!(!overrun.is_empty() && overrun.iter().all(|gap| gap["source"] == "cable"), "{gaps:#}");
    assert_kept(&rig, "", "after lines were held back");
    daemon.stop();
    let tried = format!("{sent} lines while {waiting} could wait");
    figures("F4 no room in memory", &tried, "all stored; the cable's time counted as not observed");
}
