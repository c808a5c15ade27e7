//! Closed days on their way: once, in the right revision, or held.

use serde_json::{Value, json};

use super::lines::Ip;
use super::rig::{Feed, Pbx, ROLES, Rig, SITE, clock, free_port, wait_for};

/// A rig with one IP Office, whose day of 20 November has one call.
fn with_a_day(more: &str, supplier: Option<u16>) -> (Rig, Pbx) {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let mut rig = Rig::new(&format!("{SITE}{ROLES}"), std::slice::from_ref(&ip));
    if let Some(port) = supplier {
        rig.with_supplier(&format!("127.0.0.1:{port}"), more);
    }
    let daemon = rig.run(&clock("2026-11-20T15:00:00Z", 1));
    ip.connect();
    assert!(ip.print(&[Ip::default().line()]));
    rig.wait_for_lines(1);
    daemon.stop();
    (rig, ip)
}

#[test]
fn a_receiver_that_is_down_for_the_night_gets_the_day_the_next_time_once() {
    let port = free_port();
    let (rig, mut ip) = with_a_day("", Some(port));
    // Twelve civil hours in twelve seconds: the day closes, and every try of the night fails.
    let daemon = rig.run(&clock("2026-11-20T23:50:00Z", 3_600));
    wait_for("a failed try", || {
        let db = rig.db();
        let tries: i64 = db.query_row("SELECT coalesce(max(attempts), 0) FROM outbox", [], |row| row.get(0)).unwrap();
        (tries >= 1).then_some(())
    });
    let days = rig.status()["days"].clone();
    assert_eq!((&days["closed"], &days["pending"], &days["receipted"]), (&json!(1), &json!(1), &json!(0)));
    let feed = Feed::start(&rig, port);
    wait_for("the delivery", || {
        (rig.count("SELECT count(*) FROM outbox WHERE state = 'receipted'") >= 1).then_some(())
    });
    daemon.stop();
    let held = feed.held("A81001", "2026-11-20");
    assert_eq!(held.len(), 1, "held once");
    let (revision, sha256, receipt, body): (u32, String, String, Vec<u8>) = rig
        .db()
        .query_row(
            "SELECT revision, sha256, receipt, body FROM outbox WHERE day = (SELECT min(day) FROM outbox)",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .unwrap();
    let receipt: Value = serde_json::from_str(&receipt).unwrap();
    assert_eq!((revision, body == held[0]), (1, true));
    assert_eq!(receipt["sha256"].as_str().unwrap().trim_start_matches("sha256:"), sha256);

    // `smdrd day` is what the supplier holds, byte for byte; asked of the daemon, and without one.
    let later = clock("2026-11-22T12:00:00Z", 1);
    let printed = rig.verb(&["day", "2026-11-20", "--json"], &later).stdout;
    assert_eq!(printed.strip_suffix(b"\n").unwrap(), held[0]);
    let daemon = rig.run(&later);
    let printed = rig.verb(&["day", "2026-11-20", "--json"], "").stdout;
    assert_eq!(printed.strip_suffix(b"\n").unwrap(), held[0]);

    // A line that comes later: a second revision, since a figure differs.
    ip.connect();
    let before = rig.status()["lines"]["lines"].as_u64().unwrap() as usize;
    assert!(ip.print(&[Ip { id: 1_000_002, ring: 40, ..Ip::default() }.line()]));
    rig.wait_for_lines(before + 1);
    let (code, sent) = rig.json(&["push"], "");
    assert_eq!(code, 0, "{sent}");
    assert_eq!((&sent[0]["date"], &sent[0]["revision"]), (&json!("2026-11-20"), &json!(2)), "{sent}");
    let held = feed.held("A81001", "2026-11-20");
    let second: Value = serde_json::from_slice(&held[1]).unwrap();
    assert_eq!((held.len(), &second["cbt"]["CBT003"]), (2, &json!(2)));
    assert_eq!(second["previous"], format!("sha256:{sha256}"));
    let revisions = feed.revisions();
    for _ in 0..2 {
        rig.rebuild("", &[]);
        assert_eq!(rig.json(&["push"], ""), (0, json!([])));
    }
    assert_eq!(feed.revisions(), revisions);
    daemon.stop();
}

#[test]
fn without_a_supplier_or_an_approval_a_day_is_held_and_a_supplier_sets_it_free() {
    let (mut rig, _) = with_a_day("", None);
    let night = clock("2026-11-21T06:00:00Z", 1);
    let held = |rig: &Rig, how: &str| {
        let daemon = rig.run(&night);
        wait_for("the day's end", || (rig.status()["days"]["closed"] == 1).then_some(()));
        let days = rig.status()["days"].clone();
        assert_eq!((&days["held"], &days["pending"]), (&json!(1), &json!(0)), "{how}");
        let output = rig.verb(&["push", "2026-11-20"], "");
        daemon.stop();
        output
    };
    let refused = held(&rig, "no supplier");
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no supplier is configured"));
    let feed = Feed::start(&rig, 0);
    rig.with_supplier(&feed.address, "approve = true\n");
    assert_eq!(held(&rig, "approve").status.code(), Some(1));
    assert_eq!(feed.revisions(), 0);
    rig.with_supplier(&feed.address, "");
    let daemon = rig.run(&night);
    let (code, sent) = rig.json(&["push"], "");
    assert_eq!((code, &sent[0]["state"]), (0, &json!("receipted")), "{sent}");
    assert_eq!(feed.revisions(), 1);
    daemon.stop();
}

#[test]
fn each_practice_gets_its_own_calls_and_nobody_gets_a_neighbours() {
    let site = r#"device = "smdrd-test"
[[practice]]
ods = "A81001"
ddis = ["01632960101"]
groups = ["201"]
[[practice]]
ods = "A81002"
ddis = ["01632960102"]
trunks = ["T9007"]
[[other-tenant]]
name = "pharmacy"
ddis = ["01632960150"]
[numbers]
own = ["01632960100-01632960199"]
"#;
    let mut ip = Pbx::tcp("exchange", "avaya-ipoffice");
    let mut rig = Rig::new(site, std::slice::from_ref(&ip));
    let feed = Feed::start(&rig, 0);
    rig.with_supplier(&feed.address, "");
    let daemon = rig.run(&clock("2026-11-20T15:00:00Z", 1));
    ip.connect();
    let call = |id, ddi, party, trunk| Ip { id, ddi, party, trunk, ..Ip::default() }.line();
    let lines = [
        call(1, "01632960101", "E201", "T9001"),
        call(2, "01632960101", "E305", "T9007"), // the DDI goes before the trunk
        call(3, "01632960102", "E201", "T9001"), // and before the station
        call(4, "01632960160", "E301", "T9007"),
        call(5, "01632960150", "E350", "T9001"), // the pharmacy
        call(6, "01632960160", "E399", "T9002"), // nobody
        call(7, "01632960160", "E201", "T9002"),
    ];
    assert!(ip.print(&lines));
    rig.wait_for_lines(lines.len());
    daemon.stop();
    let daemon = rig.run(&clock("2026-11-21T06:00:00Z", 1));
    let (code, sent) = rig.json(&["push"], "");
    assert_eq!((code, sent.as_array().unwrap().len()), (0, 2), "{sent}");
    for (ods, calls) in [("A81001", 3), ("A81002", 2)] {
        let held = feed.held(ods, "2026-11-20");
        let document: Value = serde_json::from_slice(&held[0]).unwrap();
        assert_eq!((&document["practice"]["ods"], &document["cbt"]["CBT003"]), (&json!(ods), &json!(calls)));
        let printed = rig.verb(&["day", "2026-11-20", "--json", "--practice", ods], "").stdout;
        assert_eq!(printed.strip_suffix(b"\n").unwrap(), held[0]);
    }
    assert_eq!(feed.revisions(), 2, "no document for the pharmacy, none for nobody");
    assert_eq!(rig.count("SELECT count(*) FROM call WHERE ods LIKE '-%'"), 2, "they are counted here");
    let which = rig.verb(&["day", "2026-11-20"], "");
    assert_eq!(which.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&which.stderr).contains("--practice: A81001, A81002"));
    daemon.stop();
}
