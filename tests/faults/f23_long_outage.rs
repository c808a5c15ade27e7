//! F23: the supplier is away for weeks. Every day waits, and goes when it is back: once, in order, at a polite rate.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use serde_json::Value;

use super::evidence::{figures, tries};
use super::lines::Ip;
use super::promises::assert_kept;
use super::rig::{Feed, Pbx, Rig, SITE, clock, free_port, wait_for};

/// So many documents in a minute at most (docs/upload.md).
const POLITE: usize = 20;

fn resident_kib(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn every_day_of_a_long_outage_is_delivered_once_oldest_first() {
    let days = tries(8, 90);
    // A civil day a second, or in five.
    let factor = tries(86_400, 17_280);
    let first: Date = "2026-02-01".parse().unwrap();
    let on = |day: u32| first.checked_add(i64::from(day).days()).unwrap();
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let mut rig = Rig::new(SITE, std::slice::from_ref(&ip));
    let port = free_port();
    rig.with_supplier(&format!("127.0.0.1:{port}"), "");
    let end: Timestamp = format!("{}T12:00:00Z", on(days)).parse().unwrap();
    // At the end time passes as it does here.
    let daemon = rig.run(&format!("{}@{end}@1", clock(&format!("{first}T08:00:00Z"), factor)));
    ip.connect();
    let closed = || rig.count("SELECT count(*) FROM day WHERE closed_ms IS NOT NULL") as u32;
    let mut memory = Vec::new();
    for day in 0..days {
        let at = on(day).strftime("%Y/%m/%d 09:00:00").to_string();
        assert!(ip.print(&[Ip { id: day + 1, at: &at, ..Ip::default() }.line()]));
        wait_for("the day's end", || (closed() > day).then_some(()));
        memory.push(resident_kib(daemon.child.id()));
    }
    rig.wait_for_lines(days as usize);
    let status = rig.status();
    assert_eq!((&status["days"]["closed"], &status["days"]["pending"]), (&days.into(), &days.into()), "{status:#}");
    assert!(status["problems"].to_string().contains("no connection to the supplier"), "{status:#}");
    assert_kept(&rig, "", "after the outage");
    daemon.stop();
    let tried = rig.count("SELECT sum(attempts) FROM outbox");
    let a_day = tried as f64 / f64::from(days);
    assert!(a_day <= 20.0, "{a_day} tries a day");
    // What it holds in memory does not grow with what waits: from a third of the outage on no more than a few documents.
    let (early, late) = (memory[memory.len() / 3], memory[memory.len() - 1]);
    assert!(late <= early + 16 * 1024, "{early} KiB, then {late} KiB");

    let feed = Feed::start(&rig, port);
    // A civil minute, and so a portion at most, in half a second.
    let daemon = rig.run(&clock(&format!("{}T20:00:00Z", on(days)), 120));
    let receipted = || rig.count("SELECT count(*) FROM outbox WHERE state = 'receipted'");
    wait_for("the deliveries", || (receipted() >= i64::from(days)).then_some(()));
    let status = rig.status();
    assert_eq!(status["days"]["pending"], 0, "{status:#}");
    assert_kept(&rig, "", "after the supplier was back");
    daemon.stop();
    let sent_again = rig.count("SELECT sum(attempts) FROM outbox") - tried - i64::from(days);
    let db = feed.db();
    let mut query = db.prepare("SELECT date, body FROM day_revision WHERE date < ?1 ORDER BY rowid").unwrap();
    let rows = query.query_map([on(days).to_string()], |row| {
        Ok((row.get::<_, String>(0)?.parse().unwrap(), row.get::<_, Vec<u8>>(1)?))
    });
    let arrived: Vec<(Date, Vec<u8>)> = rows.unwrap().map(Result::unwrap).collect();
    let order: Vec<Date> = arrived.iter().map(|(date, _)| *date).collect();
    // Last night's is first, then the oldest and so on.
    let expected: Vec<Date> = std::iter::once(on(days - 1)).chain((0..days - 1).map(on)).collect();
    assert_eq!(order, expected);
    for (date, body) in &arrived {
        let document: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(
            (&document["revision"], &document["totals"]["inbound"]["calls_seen"]),
            (&1.into(), &1.into()),
            "{date}"
        );
    }
    let mut query = db.prepare("SELECT received_at FROM day_revision ORDER BY rowid").unwrap();
    let at: Vec<Timestamp> =
        query.query_map([], |row| row.get::<_, String>(0)).unwrap().map(|at| at.unwrap().parse().unwrap()).collect();
    for portion in at.windows(POLITE + 1) {
        let apart = portion[POLITE].duration_since(portion[0]).as_millis();
        assert!(apart >= 200, "{} documents in {apart} ms", POLITE + 1);
    }
    let came = format!(
        "{} days delivered once each, {sent_again} sent twice; {a_day:.1} tries a day meanwhile; {early} KiB, then {late} KiB",
        arrived.len()
    );
    figures("F23 long outage", &format!("{days} days without the supplier"), &came);
}
