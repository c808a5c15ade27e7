//! F22: receipts that come twice, for another document, or late; and refusals for good.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::authority::Authority;
use super::evidence::figures;
use super::f20_supplier_fails::sends_to;
use super::lines::Ip;
use super::promises::assert_kept;
use super::rig::{Pbx, Rig, SITE, clock, wait_for};
use super::scripted::{Reply, Seen, Supplier, faithful, http, json_of, problem};

/// A box with three days that are over, each with a call.
fn three_days(script: impl FnMut(&Seen) -> Reply + Send + 'static) -> (Rig, Pbx, Supplier) {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let mut rig = Rig::new(SITE, std::slice::from_ref(&ip));
    let authority = Authority::new(rig.dir.path(), "authority");
    let supplier = Supplier::start(&authority, script);
    sends_to(&mut rig, &supplier.url, &authority.file);
    let daemon = rig.run(&clock("2026-11-18T15:00:00Z", 1));
    ip.connect();
    for day in 18..=20 {
        assert!(ip.print(&[Ip { id: day, at: &format!("2026/11/{day} 09:00:00"), ..Ip::default() }.line()]));
    }
    rig.wait_for_lines(3);
    daemon.stop();
    (rig, ip, supplier)
}

const LATER: &str = "2026-11-21T12:00:00Z";

/// Where the days stand, oldest first, each with what is wrong.
fn states(rig: &Rig) -> Vec<(String, Option<String>)> {
    let db = rig.db();
    let mut query = db.prepare("SELECT state, cause FROM outbox ORDER BY day, revision").unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

fn bodies_are_whole(rig: &Rig) {
    let db = rig.db();
    let mut query = db.prepare("SELECT sha256, body FROM outbox").unwrap();
    let mut rows = query.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let (sha256, body): (String, Vec<u8>) = (row.get(0).unwrap(), row.get(1).unwrap());
        assert_eq!(smdrd::push::parcel::sha256_hex(&body), sha256);
    }
}

#[test]
fn what_is_refused_for_good_is_kept_and_the_next_day_goes() {
    let mut told = Vec::new();
    let receipted = ("receipted".to_owned(), None);
    for (status, cause) in [
        ("400 Bad Request", "refused"),
        ("409 Conflict", "conflict"),
        ("413 Too Large", "refused"),
        ("422 Unprocessable", "refused"),
    ] {
        let (rig, _ip, supplier) = three_days(move |seen| match (seen.method.as_str(), seen.day()) {
            ("PUT", "2026-11-19") => http(status, "", ""),
            _ => faithful(seen),
        });
        let daemon = rig.run(&clock(LATER, 1));
        let (code, sent) = rig.json(&["push"], "");
        assert_eq!(code, 1, "{sent}");
        let parked = ("parked".to_owned(), Some(cause.to_owned()));
        assert_eq!(states(&rig), [receipted.clone(), parked, receipted.clone()], "{status}");
        bodies_are_whole(&rig);
        let state = rig.status();
        assert!(state["problems"].to_string().contains("smdrd push 2026-11-19"), "{state:#}");
        // It is not sent by itself again, and is when a person who has put it right says so.
        supplier.seen();
        assert_eq!(rig.json(&["push"], ""), (0, json!([])));
        assert!(supplier.delivered().is_empty(), "{status}");
        supplier.answers(faithful);
        let (code, sent) = rig.json(&["push", "2026-11-19"], "");
        assert_eq!((code, &sent[0]["state"], &sent[0]["revision"]), (0, &json!("receipted"), &json!(1)), "{sent}");
        assert_kept(&rig, "", status);
        daemon.stop();
        told.push(status.split(' ').next().unwrap().to_owned());
    }
    figures("F22 refused for good", &told.join(", "), "parked with body kept, days before and after delivered");
}

#[test]
fn a_refusal_that_is_not_of_the_document_pauses_and_loses_nothing() {
    for (reply, says) in [
        (http("401 Who", "", ""), "the supplier refuses the token"),
        (problem("403 Forbidden", "token-scope"), "ask the supplier for a token"),
        (problem("403 Forbidden", "not-participating"), "until the supplier takes it again"),
        (http("410 Gone", "", ""), "compare the ODS code"),
    ] {
        let refuses = Arc::new(AtomicBool::new(true));
        let (still, refusal) = (refuses.clone(), reply.clone());
        let (rig, _ip, supplier) = three_days(move |seen| {
            if seen.method == "PUT" && still.load(Ordering::SeqCst) { refusal.clone() } else { faithful(seen) }
        });
        let daemon = rig.run(&clock(LATER, 1));
        assert_eq!(rig.json(&["push"], "").0, 1);
        assert_eq!(supplier.delivered().len(), 1, "one is refused, and the others are spared: {reply:?}");
        let status = rig.status();
        let days = &status["days"];
        assert_eq!(days["pending"].as_u64().unwrap() + days["parked"].as_u64().unwrap(), 3, "{status:#}");
        assert_eq!(status["well"], false);
        assert!(status["problems"].to_string().contains(says), "{status:#}");
        bodies_are_whole(&rig);
        daemon.stop();
        // It takes the practice again, and is asked in the evening or the next night: everything goes.
        refuses.store(false, Ordering::SeqCst);
        let daemon = rig.run(&clock("2026-11-22T12:00:00Z", 60));
        wait_for("the deliveries", || {
            (rig.count("SELECT count(*) FROM outbox WHERE state = 'receipted'") >= 3).then_some(())
        });
        assert_kept(&rig, "", says);
        daemon.stop();
    }
    figures(
        "F22 refused token or practice",
        "401, 403 twice, 410",
        "paused and alarmed; all days delivered afterwards",
    );
}

#[test]
fn a_receipt_counts_for_its_own_document_and_once() {
    // For another day: that of whatever was sent before.
    let mut before: Option<Value> = None;
    let (rig, _ip, supplier) = three_days(move |seen| match (seen.method.as_str(), before.take()) {
        ("PUT", earlier) => {
            before = Some(seen.receipt());
            json_of("200 OK", &earlier.unwrap_or_else(|| json!({})))
        }
        _ => http("204 No Content", "", ""),
    });
    let daemon = rig.run(&clock(LATER, 1));
    for _ in 0..3 {
        rig.json(&["push"], "");
    }
    assert_eq!(rig.status()["days"]["receipted"], 0, "{:#}", rig.status());
    assert_eq!(rig.status()["days"]["pending"], 3);
    // Twice over, in one stream.
    supplier.answers(|seen| {
        let Reply::Bytes(bytes) = faithful(seen) else { unreachable!() };
        Reply::Bytes(if seen.method == "PUT" { bytes.repeat(2) } else { bytes })
    });
    let (code, sent) = rig.json(&["push"], "");
    assert_eq!(code, 0, "{sent}");
    assert_eq!(rig.status()["days"]["receipted"], 3);
    bodies_are_whole(&rig);
    assert_kept(&rig, "", "after receipts for others");
    daemon.stop();
    figures("F22 receipts", "for another day, 3 times; twice in one answer, 3 times", "0 believed; each counted once");
}

#[test]
fn a_late_receipt_for_an_older_revision_leaves_the_newer_to_be_sent() {
    let held_back = Arc::new(AtomicBool::new(true));
    let waits = held_back.clone();
    let (rig, mut ip, supplier) = three_days(move |seen| {
        if seen.method == "PUT" && seen.day() == "2026-11-19" {
            // Both revisions come here; while the first waits, the box makes the second.
            wait_for("the second revision", || (!waits.load(Ordering::SeqCst)).then_some(()));
        }
        faithful(seen)
    });
    let daemon = rig.run(&clock(LATER, 1));
    let first = rig.command(&["push"], "").spawn().unwrap();
    wait_for("the first revision on its way", || {
        supplier.delivered().iter().any(|day| day == "2026-11-19").then_some(())
    });
    ip.connect();
    assert!(ip.print(&[Ip { id: 77, at: "2026/11/19 11:00:00", ..Ip::default() }.line()]));
    rig.wait_for_lines(4);
    let second = rig.command(&["push"], "").spawn().unwrap();
    wait_for("the second revision", || (rig.count("SELECT max(revision) FROM outbox") == 2).then_some(()));
    held_back.store(false, Ordering::SeqCst);
    for mut verb in [first, second] {
        verb.wait().unwrap();
    }
    // The receipt of the first came when it was no longer the newest: it is noted with the first, and the second is sent.
    let (code, sent) = rig.json(&["push"], "");
    assert_eq!(code, 0, "{sent}");
    let of_19 = "SELECT count(*) FROM outbox WHERE state = 'receipted' AND receipt IS NOT NULL AND
                 day = (SELECT day FROM outbox WHERE revision = 2) AND revision =";
    assert_eq!((rig.count(&format!("{of_19} 1")), rig.count(&format!("{of_19} 2"))), (1, 1));
    let newest = supplier.seen().into_iter().rfind(|seen| seen.method == "PUT" && seen.day() == "2026-11-19").unwrap();
    let document: Value = serde_json::from_slice(&newest.body).unwrap();
    assert_eq!((&document["revision"], &document["totals"]["inbound"]["calls_seen"]), (&json!(2), &json!(2)));
    assert_eq!(rig.status()["days"]["receipted"], 3);
    assert_kept(&rig, "", "after a late receipt");
    daemon.stop();
    figures("F22 late receipt", "1, for a revision that was superseded on its way", "the newer was sent and receipted");
}
