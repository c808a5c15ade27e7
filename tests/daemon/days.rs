//! Days close at local midnight + 10 min, each once, whatever befalls the process.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::lines::Ip;
use super::promises::assert_identities;
use super::rig::{Feed, Pbx, Rig, SITE, clock, wait_for};

#[test]
fn a_daemon_that_is_killed_around_midnight_closes_every_day_once() {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let mut rig = Rig::new(SITE, std::slice::from_ref(&ip));
    let feed = Feed::start(&rig, 0);
    rig.with_supplier(&feed.address, "");
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut lines = 0;
    for night in 0..6_u32 {
        // From 23:58 on, ten civil minutes a second: it is killed somewhere between before midnight and 02:00.
        let day = 18 + night;
        let daemon = rig.run(&clock(&format!("2026-11-{day}T23:58:00Z"), 600));
        ip.connect();
        let (id, at) = (1_000_000 + night, format!("2026/11/{day} 23:50:00"));
        if ip.print(&[Ip { id, at: &at, ..Ip::default() }.line()]) {
            lines += 1;
        }
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // Meanwhile nobody ever sees a closed day without its document, nor a document of a day that is not closed.
        let until = Instant::now() + Duration::from_millis(600 + (random >> 33 & 0x7ff));
        let db = rig.db();
        db.busy_timeout(Duration::from_secs(10)).unwrap();
        let apart = "SELECT (SELECT count(*) FROM day WHERE closed_ms IS NOT NULL)
                     - (SELECT count(DISTINCT day) FROM outbox)";
        let mut query = db.prepare(apart).unwrap();
        while Instant::now() < until {
            assert_eq!(query.query_row([], |row| row.get::<_, i64>(0)).unwrap(), 0);
        }
        daemon.kill();
    }
    let daemon = rig.run(&clock("2026-11-25T06:00:00Z", 1));
    wait_for("the last day's end", || (rig.status()["days"]["closed"] == 7).then_some(()));
    let (code, sent) = rig.json(&["push"], "");
    assert_eq!(code, 0, "{sent}");
    let status = rig.status();
    assert_identities(&status);
    assert_eq!(status["days"]["receipted"], 7, "{status:#}");
    assert_eq!(rig.count("SELECT count(*) FROM day WHERE closed_ms IS NOT NULL"), 7);
    assert_eq!(rig.count("SELECT count(DISTINCT day) FROM outbox"), 7);
    // A second revision only where a line came after the first.
    let twice = "SELECT count(*) FROM outbox AS n JOIN outbox AS o USING (ods, site, day)
                 WHERE n.revision = o.revision + 1 AND n.sha256 = o.sha256";
    assert_eq!(rig.count(twice), 0);
    for day in 18..=24 {
        let held = feed.held("A81001", &format!("2026-11-{day}"));
        assert!(!held.is_empty(), "2026-11-{day}");
    }
    let stored = status["lines"]["records"].as_u64().unwrap();
    assert!(stored <= lines && stored == status["calls"]["stored"].as_u64().unwrap(), "{status:#}");
    rig.assert_no_difference("", "after all that");
    daemon.stop();
}

#[test]
fn a_wild_stamp_closes_no_thousand_days_and_is_never_sent() {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let mut rig = Rig::new(SITE, std::slice::from_ref(&ip));
    let feed = Feed::start(&rig, 0);
    rig.with_supplier(&feed.address, "");
    let daemon = rig.run(&clock("2026-11-20T15:00:00Z", 1));
    // Figures of 1970 are older than any that are kept: what is taken away at the start is to be over before they come.
    wait_for("the tidying", || (rig.count("SELECT count(*) FROM meta WHERE key = 'pruned_on'") == 1).then_some(()));
    ip.connect();
    let call = |id, at, more| Ip { id, at, more, ..Ip::default() }.line();
    let lines = [
        call(1, "2026/11/20 14:50:00", true),
        call(2, "1970/01/01 00:00:10", false),
        call(3, "2099/12/31 23:59:00", false),
        // The call that was open goes on, as if nothing had been.
        call(1, "2026/11/20 14:50:00", false),
    ];
    for (sent, line) in lines.iter().enumerate() {
        assert!(ip.print(&[line]));
        rig.wait_for_lines(sent + 1);
    }
    assert_eq!(rig.count("SELECT legs FROM call WHERE seq = 1"), 2);
    assert_eq!(rig.count("SELECT count(*) FROM call"), 3);
    let (code, status) = rig.json(&["status"], "");
    assert_eq!(code, 1);
    assert!(status["problems"].to_string().contains("2 call(s) bear a date"), "{status:#}");
    rig.assert_no_difference("", "with a wild clock");
    daemon.stop();
    let daemon = rig.run(&clock("2026-11-21T06:00:00Z", 1));
    assert_eq!(rig.json(&["push"], "").0, 0);
    let status = rig.status();
    assert_identities(&status);
    assert_eq!(status["days"]["closed"], 1, "{status:#}");
    assert_eq!(feed.revisions(), 1);
    rig.assert_no_difference("", "after the day with the wild clock");
    daemon.stop();
}

#[test]
fn a_day_that_was_left_when_the_box_went_off_for_months_is_closed_and_sent() {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let mut rig = Rig::new(SITE, std::slice::from_ref(&ip));
    let feed = Feed::start(&rig, 0);
    rig.with_supplier(&feed.address, "");
    let call = |id, at| Ip { id, at, ..Ip::default() }.line();
    let daemon = rig.run(&clock("2026-08-10T15:00:00Z", 1));
    ip.connect();
    assert!(ip.print(&[call(1, "2026/08/10 14:50:00")]));
    rig.wait_for_lines(1);
    daemon.kill();
    // 101 days later. A stamp of a clock that is wrong is no day that was left.
    let daemon = rig.run(&clock("2026-11-19T15:00:00Z", 1));
    ip.connect();
    assert!(ip.print(&[call(2, "2026/09/01 09:00:00")]));
    rig.wait_for_lines(2);
    daemon.stop();
    let daemon = rig.run(&clock("2026-11-20T06:00:00Z", 1));
    assert_eq!(rig.json(&["push"], "").0, 0);
    let days = "SELECT count(*) FROM outbox WHERE state = 'receipted' AND day";
    // Days since 1970: 20675 is 10 August, 20697 the first of September.
    assert_eq!(rig.count(&format!("{days} = 20675")), 1, "the day that was left");
    assert_eq!(rig.count(&format!("{days} BETWEEN 20676 AND 20730")), 0, "nothing between");
    assert_eq!(feed.held("A81001", "2026-08-10").len(), 1);
    let status = rig.status();
    assert_identities(&status);
    assert_eq!(status["days"]["pending"], 0, "{status:#}");
    rig.assert_no_difference("", "after months");
    daemon.stop();
}

#[test]
fn what_is_stored_once_a_minute_is_told_from_the_lines_after_a_kill() {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let rig = Rig::new(SITE, std::slice::from_ref(&ip));
    let daemon = rig.run(&clock("2026-11-20T12:00:00Z", 1));
    ip.connect();
    for (id, at) in [(1, "2026/11/20 11:00:00"), (2, "2026/11/20 11:20:00")] {
        assert!(ip.print(&[Ip { id, at, ..Ip::default() }.line()]));
    }
    rig.wait_for_lines(2);
    daemon.kill();
    let daemon = rig.run(&clock("2026-11-20T12:10:00Z", 1));
    // First and last stamp of the day, in seconds; and a moment in which the PBX spoke.
    let stretch = "SELECT count(*) FROM source_day WHERE from_s = 39600 AND to_s = 40800";
    wait_for("the day's stretch", || (rig.count(stretch) == 1).then_some(()));
    wait_for("what was heard", || (rig.count("SELECT coalesce(sum(n), 0) FROM heard") > 0).then_some(()));
    // The box was not heard of from its last line on, and not from when it was last tidied.
    let ended = "SELECT max(to_ms) = (SELECT max(at_ms) FROM line) FROM link WHERE cause = 'not-running'";
    assert_eq!(rig.count(ended), 1);
    daemon.stop();
}

#[test]
fn days_of_46_and_50_half_hours_are_taken_by_the_supplier() {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let mut rig = Rig::new(SITE, std::slice::from_ref(&ip));
    let feed = Feed::start(&rig, 0);
    rig.with_supplier(&feed.address, "");
    for (date, next, slots, sum) in [("2026-03-29", "2026-03-30", 46, 2), ("2026-10-25", "2026-10-26", 50, 3)] {
        let daemon = rig.run(&clock(&format!("{date}T00:05:00Z"), 1));
        ip.connect();
        let stamp = |time: &str| format!("{} {time}", date.replace('-', "/"));
        let day: u32 = date[5..7].parse().unwrap();
        let mut lines = Vec::new();
        // In spring 01:30 does not exist, in autumn it comes twice.
        for (id, time) in ["00:30:00", "01:30:00", "01:00:00"].iter().enumerate().take(sum) {
            lines.push(Ip { id: day * 100 + id as u32, at: &stamp(time), ..Ip::default() }.line());
        }
        let before = rig.status()["lines"]["lines"].as_u64().unwrap() as usize;
        assert!(ip.print(&lines));
        rig.wait_for_lines(before + sum);
        daemon.stop();
        let daemon = rig.run(&clock(&format!("{next}T06:00:00Z"), 1));
        assert_eq!(rig.json(&["push", date], "").0, 0);
        let document: Value = serde_json::from_slice(&feed.held("A81001", date)[0]).unwrap();
        assert_eq!(document["slots"].as_array().unwrap().len(), slots);
        assert_eq!((&document["day"]["slots"], &document["cbt"]["CBT003"]), (&json!(slots), &json!(sum)));
        rig.assert_no_difference("", date);
        daemon.stop();
    }
    let autumn: Value = serde_json::from_slice(&feed.held("A81001", "2026-10-25")[0]).unwrap();
    let busy: Vec<(String, String)> = autumn["slots"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|slot| slot["inbound"]["calls_seen"] == 1)
        .map(|slot| (slot["start"].as_str().unwrap().to_owned(), slot["local"].as_str().unwrap().to_owned()))
        .collect();
    let at = |start: &str, local: &str| (format!("2026-10-2{start}:00Z"), local.to_owned());
    assert_eq!(busy, [at("4T23:30", "00:30"), at("5T00:30", "01:30"), at("5T01:00", "01:00")]);
}

#[test]
fn what_a_dead_daemon_did_not_hear_is_a_gap_whoever_closes_the_day() {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let rig = Rig::new(SITE, std::slice::from_ref(&ip));
    let daemon = rig.run(&clock("2026-11-20T00:00:00Z", 1));
    ip.connect();
    assert!(ip.print(&[Ip::default().line()]));
    rig.wait_for_lines(1);
    daemon.kill();
    // Verbs that do its work without it are no ears.
    for hour in [12, 18] {
        rig.rebuild(&clock(&format!("2026-11-20T{hour}:00:00Z"), 1), &[]);
    }
    let (_, document) = rig.json(&["day", "2026-11-20"], &clock("2026-11-21T06:00:00Z", 1));
    let observed = document["coverage"]["observed_s"].as_u64().unwrap();
    assert!(observed < 600, "{observed} s are said to have been observed");
    let gap = &document["coverage"]["gaps"][document["coverage"]["gaps"].as_array().unwrap().len() - 1];
    assert_eq!((&gap["cause"], &gap["end"]), (&json!("not-running"), &json!("2026-11-21T00:00:00Z")), "{gap}");
}

#[test]
fn a_call_over_midnight_that_comes_late_changes_both_days() {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let mut rig = Rig::new(SITE, std::slice::from_ref(&ip));
    let feed = Feed::start(&rig, 0);
    rig.with_supplier(&feed.address, "");
    let daemon = rig.run(&clock("2026-11-20T12:00:00Z", 1));
    daemon.stop();
    let daemon = rig.run(&clock("2026-11-22T12:00:00Z", 1));
    ip.connect();
    assert_eq!(rig.json(&["push"], "").0, 0);
    assert_eq!(feed.revisions(), 2);
    assert!(ip.print(&[Ip { at: "2026/11/20 23:59:00", ring: 0, talk: 600, ..Ip::default() }.line()]));
    rig.wait_for_lines(1);
    let (_, sent) = rig.json(&["push"], "");
    let days: Vec<(&Value, &Value)> =
        sent.as_array().unwrap().iter().map(|sent| (&sent["date"], &sent["revision"])).collect();
    assert_eq!(days, [(&json!("2026-11-20"), &json!(2)), (&json!("2026-11-21"), &json!(2))]);
    for (date, calls, busy) in [("2026-11-20", 1, 60), ("2026-11-21", 0, 540)] {
        let document: Value = serde_json::from_slice(&feed.held("A81001", date)[1]).unwrap();
        let totals = &document["totals"];
        assert_eq!((&totals["inbound"]["calls"], &totals["trunks"]["busy_s"]), (&json!(calls), &json!(busy)), "{date}");
        assert_eq!(totals["trunks"]["peak_concurrent"], 1, "{date}");
    }
    daemon.stop();
}

#[test]
fn peers_of_calls_that_come_late_are_renumbered_too() {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let rig = Rig::new(SITE, std::slice::from_ref(&ip));
    let daemon = rig.run(&clock("2026-11-20T15:00:00Z", 1));
    ip.connect();
    assert!(ip.print(&[Ip::default().line()]));
    rig.wait_for_lines(1);
    daemon.stop();
    let daemon = rig.run(&clock("2026-11-21T05:00:00Z", 1));
    wait_for("the roll-up", || (rig.count("SELECT count(*) FROM day WHERE rolled = 2") == 1).then_some(()));
    ip.connect();
    // Two calls of one person, of the day before.
    for id in [2, 3] {
        assert!(ip.print(&[Ip { id, at: &format!("2026/11/20 1{id}:00:00"), ..Ip::default() }.line()]));
    }
    rig.wait_for_lines(3);
    let peers = || rig.count("SELECT count(DISTINCT peer) FROM call WHERE seq > 1");
    assert_eq!(peers(), 1, "legs can still find each other");
    daemon.stop();
    let daemon = rig.run(&clock("2026-11-22T05:00:00Z", 1));
    wait_for("the roll-up", || (peers() == 2).then_some(()));
    assert_eq!(rig.count("SELECT count(*) FROM number AS n JOIN call USING (peer) WHERE n.seq <> call.seq"), 0);
    rig.assert_no_difference("", "after the late calls' roll-up");
    daemon.stop();
}
