//! What is kept no more stays counted, and nothing of it stays in the file. It is no fault, and must hold as well as if it
//! were one.

use serde_json::Value;

use super::evidence::figures;
use super::lines::Ip;
use super::promises::assert_kept;
use super::rig::{Pbx, Rig, SITE, clock, wait_for};

fn lines(date: &str, first: u32, many: u32) -> Vec<String> {
    (0..many)
        .map(|n| {
            let at = format!("{date} {:02}:{:02}:00", 9 + n / 60, n % 60);
            Ip { id: first + n, at: &at, talk: 30 + n % 5, ..Ip::default() }.line()
        })
        .collect()
}

/// The pruning of that day is over, and the log is empty.
fn pruned(rig: &Rig, date: &str) {
    wait_for("the pruning", || {
        let db = rig.db();
        let on: Option<String> =
            db.query_row("SELECT value FROM meta WHERE key = 'pruned_on'", [], |row| row.get(0)).ok();
        (on.as_deref() == Some(date)).then_some(())
    });
    wait_for("the room", || (rig.count("SELECT freelist_count FROM pragma_freelist_count") == 0).then_some(()));
}

fn status(rig: &Rig) -> Value {
    rig.status()
}

#[test]
fn what_is_kept_no_more_stays_counted_and_its_document_stays() {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let site = format!("{SITE}[retention]\ncall-days = 8\n");
    let rig = Rig::new(&site, std::slice::from_ref(&ip));
    let mut heard = 0;
    for (date, at, many) in [
        ("2026/11/02", "2026-11-02T15:00:00Z", 90),
        ("2026/11/03", "2026-11-03T15:00:00Z", 300),
        ("2026/11/06", "2026-11-06T15:00:00Z", 40),
    ] {
        let daemon = rig.run(&clock(at, 1));
        ip.connect();
        let mut printed = lines(date, heard + 1, many);
        printed.push("NOBODY KNOWS WHAT THIS IS".to_owned());
        assert!(ip.print(&printed));
        heard += many;
        wait_for("the lines", || (rig.count("SELECT count(*) FROM call") == i64::from(heard)).then_some(()));
        daemon.stop();
    }
    // Past midnight in a moment: the days are closed.
    let daemon = rig.run(&clock("2026-11-07T00:11:00Z", 60));
    wait_for("the days to be closed", || (status(&rig)["days"]["closed"] == 5).then_some(()));
    let (_, document) = rig.json(&["day", "2026-11-03"], "");
    let (_, first) = rig.json(&["day", "2026-11-02"], "");
    let before = status(&rig);
    daemon.stop();
    let daemon = rig.run(&clock("2026-11-12T00:11:00Z", 60));
    pruned(&rig, "2026-11-12");
    let after = status(&rig);
    assert_eq!(after["lines"], before["lines"], "what is gone stays counted");
    assert_eq!(after["calls"]["stored"], 40);
    assert_eq!(rig.count("SELECT count(*) FROM line WHERE day < (SELECT max(day) FROM line)"), 0);
    assert_eq!(rig.count("SELECT coalesce(sum(forgotten), 0) FROM source"), 392);
    assert_eq!(rig.count("SELECT sum(forgotten_calls) FROM source_day"), 390);
    assert_eq!(rig.count("SELECT first_seq FROM beginning"), 393, "where the kept lines begin");
    assert!(!after["problems"].to_string().contains("rebuild"), "{after:#}");
    // Documents stay what they were, to the byte.
    assert_eq!(rig.json(&["day", "2026-11-03"], "").1, document);
    assert_eq!(rig.json(&["day", "2026-11-02"], "").1, first);
    assert_kept(&rig, "", "after pruning");
    assert_eq!(rig.rebuild("", &["--dry-run"])["from"], "2026-11-05", "says from when");
    assert!(
        rig.count("SELECT count(*) FROM audit WHERE what LIKE 'retention: took away 392 lines and 390 calls%'") == 1
    );

    // The PBX empties a buffer that holds what is kept no more: nothing tells it from what was counted.
    ip.connect();
    assert!(ip.print(&lines("2026/11/03", 91, 5)));
    wait_for("the lines", || (status(&rig)["lines"]["duplicates"] == 5).then_some(()));
    assert_eq!(status(&rig)["calls"]["stored"], 40, "none is counted twice");
    // And a line of such a day that nobody counted yet is: its document keeps what cannot be told any more.
    assert!(ip.print(&[Ip { id: 7777, at: "2026/11/03 17:00:00", ..Ip::default() }.line()]));
    wait_for("the call", || (status(&rig)["calls"]["stored"] == 41).then_some(()));
    let (_, changed) = rig.json(&["day", "2026-11-03"], "");
    let of = |document: &Value, key: &str| document["totals"]["inbound"][key].as_u64().unwrap();
    assert_eq!(of(&changed, "calls_seen"), of(&document, "calls_seen") + 1);
    let peak = |document: &Value| document["slots"][18]["trunks"]["peak_concurrent"].clone();
    assert_eq!(peak(&changed), peak(&document));
    assert!(peak(&document).as_u64().unwrap() > 0);
    assert_kept(&rig, "", "after a buffer of old calls");
    daemon.stop();
    // Nothing of it is in the file or in the log; and a start finds its way.
    let daemon = rig.run(&clock("2026-11-12T09:00:00Z", 1));
    assert_kept(&rig, "", "after a restart");
    daemon.stop();
    figures(
        "retention",
        "390 calls of two days taken away",
        "counted as before, documents to the byte, rebuild unchanged",
    );
}

#[test]
fn a_source_with_a_state_is_rebuilt_from_where_its_kept_lines_begin() {
    // Norstar and Meridian records are groups and carry what goes before; the first day must not be needed for the second.
    let mut meridian = Pbx::tcp("meridian", "nortel-meridian");
    let site = format!("{SITE}[retention]\ncall-days = 8\n");
    let rig = Rig::new(&site, std::slice::from_ref(&meridian));
    for (date, at) in [("11/20", "2026-11-20T15:00:00Z"), ("11/24", "2026-11-24T15:00:00Z")] {
        let daemon = rig.run(&clock(at, 1));
        meridian.connect();
        let before = rig.count("SELECT count(*) FROM line");
        let lines: Vec<String> = super::lines::MERIDIAN.iter().map(|line| line.replace("11/20", date)).collect();
        assert!(meridian.print(&lines));
        wait_for("the lines", || (rig.count("SELECT count(*) FROM line") == before + 9).then_some(()));
        // What is held half closes by silence.
        wait_for("the calls", || (rig.count("SELECT count(*) FROM call WHERE open") == 0).then_some(()));
        daemon.stop();
    }
    let daemon = rig.run(&clock("2026-11-30T00:11:00Z", 60));
    pruned(&rig, "2026-11-30");
    assert!(rig.count("SELECT count(*) FROM beginning") == 1);
    assert_kept(&rig, "", "after pruning");
    daemon.stop();
}

#[test]
fn the_budget_takes_the_oldest_lines_early_and_says_so() {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let site = format!("{SITE}[disk]\nbudget-mib = 8\nreserve-mib = 1\n");
    let rig = Rig::new(&site, std::slice::from_ref(&ip));
    let daemon = rig.run(&clock("2026-11-20T15:00:00Z", 1));
    ip.connect();
    assert!(ip.print(&lines("2026/11/01", 1, 500)));
    rig.wait_for_lines(500);
    daemon.stop();
    // What makes it large is not of lines: then all lines but those of eight days go, and that it does not do is said.
    rig.db()
        .execute_batch(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
             INSERT INTO meta SELECT 'ballast' || i, hex(zeroblob(1500)) FROM n; PRAGMA wal_checkpoint(TRUNCATE);",
        )
        .unwrap();
    let daemon = rig.run(&clock("2026-11-21T00:11:00Z", 60));
    let status = wait_for("the budget", || {
        let status = status(&rig);
        (!status["disk"]["kept_from"].is_null() && status["calls"]["stored"] == 0).then_some(status)
    });
    assert!(status["notes"].to_string().contains("before their time"), "{status:#}");
    assert!(rig.count("SELECT count(*) FROM audit WHERE what LIKE 'the disk budget: took away%'") > 0);
    let status = wait_for("that it does not do", || {
        let status = self::status(&rig);
        status["problems"].to_string().contains("raise disk.budget-mib").then_some(status)
    });
    assert_eq!(status["lines"]["lines"], 500, "{status:#}");
    daemon.stop();
    figures("budget", "a database beyond it", "the oldest lines went early, audited, counted and said");
}

#[test]
fn a_file_is_known_again_though_its_lines_are_gone() {
    let rig = Rig::new(&format!("{SITE}[retention]\ncall-days = 8\n"), &[Pbx::tcp("reception", "avaya-ipoffice")]);
    let file = rig.path("file");
    let write =
        |lines: &[String]| std::fs::write(&file, lines.iter().map(|line| format!("{line}\r\n")).collect::<String>());
    let mut all = lines("2026/11/04", 1, 30);
    all.extend(lines("2026/11/09", 31, 20));
    write(&all).unwrap();
    let import = |clock: &str| {
        let verb = ["import", "--dialect", "avaya-ipoffice", file.to_str().unwrap()];
        let (code, report) = rig.json(&verb, clock);
        assert_eq!(code, 0, "{report:#}");
        report["files"][0].clone()
    };
    assert_eq!(import(&clock("2026-11-10T12:00:00Z", 1))["state"], "imported");
    let daemon = rig.run(&clock("2026-11-15T00:11:00Z", 60));
    pruned(&rig, "2026-11-15");
    assert_eq!(rig.count("SELECT count(*) FROM line"), 20);
    assert_eq!(import("")["state"], "unchanged");
    all.extend(lines("2026/11/11", 51, 5));
    write(&all).unwrap();
    let grown = import("");
    assert_eq!((&grown["state"], &grown["lines"]), (&"continued".into(), &5.into()), "{grown:#}");
    let status = status(&rig);
    assert_eq!((&status["lines"]["lines"], &status["calls"]["stored"]), (&55.into(), &25.into()), "{status:#}");
    assert_kept(&rig, "", "after an import went on");
    daemon.stop();
}
