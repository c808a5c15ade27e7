//! One box for a practice with a branch, each with a PBX of its own.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::lines::{Ip, hipath};
use super::promises::assert_identities;
use super::rig::{Feed, Pbx, Rig, clock, wait_for};

const MAIN_AND_BRANCH: &str = r#"device = "smdrd-test"
[[practice]]
ods = "A81001"
sources = ["exchange"]
[[practice]]
ods = "A81001"
site = "branch"
sources = ["branch"]
[practice.features]
callback = true
[numbers]
own = ["01632960100-01632960199"]
[roles.trunks]
"T9008" = "tie"
"#;

#[test]
fn a_branch_has_its_own_document_and_its_own_gaps_and_a_call_over_the_tie_is_counted_once() {
    let (mut exchange, mut branch) = (Pbx::tcp("exchange", "avaya-ipoffice"), Pbx::tcp("branch", "siemens-hipath3000"));
    let mut rig = Rig::new(MAIN_AND_BRANCH, &[]);
    rig.add_sources(&[&exchange, &branch], &["", "[source.roles.trunks]\n\"8\" = \"tie\"\n"]);
    let feed = Feed::start(&rig, 0);
    rig.with_supplier(&feed.address, "");
    let daemon = rig.run(&clock("2026-11-20T15:00:00Z", 60));
    exchange.connect();
    branch.connect();
    let call = |id, party, trunk| Ip { id, party, trunk, ..Ip::default() }.line();
    assert!(exchange.print(&[
        call(1, "E201", "T9001"),
        call(2, "E201", "T9001"),
        call(3, "E202", "T9008"), // from the branch, over the tie
    ]));
    let at_branch = |trunk, station| hipath("20.11.2609:30:00", trunk, station, "00:05", "00:01:00", "07700900123", 1);
    assert!(branch.print(&[
        at_branch(1, 201), // the number of a station at the main site too
        at_branch(8, 202), // from the main site: counted there, if anywhere
    ]));
    rig.wait_for_lines(5);
    branch.hang_up();
    wait_for("the broken link", || (rig.json(&["status"], "").0 == 1).then_some(()));
    let status = rig.status();
    assert_identities(&status);
    let gaps = |site: &str| {
        let today = status["today"].as_array().unwrap().iter().find(|today| today["site"] == site).unwrap();
        today["gaps"].as_array().unwrap().iter().map(|gap| gap["source"].clone()).collect::<Vec<Value>>()
    };
    assert!(gaps("main").iter().all(|source| source == "exchange"), "{status:#}");
    assert!(gaps("branch").iter().all(|source| source == "branch"), "{status:#}");
    assert!(gaps("branch").len() > gaps("main").len(), "{status:#}");
    daemon.stop();
    let daemon = rig.run(&clock("2026-11-21T06:00:00Z", 1));
    let (code, sent) = rig.json(&["push"], "");
    assert_eq!((code, sent.as_array().unwrap().len()), (0, 2), "{sent}");
    let documents: Vec<Value> =
        feed.held("A81001", "2026-11-20").iter().map(|body| serde_json::from_slice(body).unwrap()).collect();
    for (site, calls, source, booked) in [("main", 2, "exchange", json!(0)), ("branch", 1, "branch", Value::Null)] {
        let document = documents.iter().find(|document| document["practice"]["site"] == site).unwrap();
        assert_eq!(document["cbt"]["CBT003"], calls, "{document:#}");
        assert_eq!(document["cbt"]["CBT005"], booked, "features of its own: {document:#}");
        let sources: Vec<&Value> = document["sources"].as_array().unwrap().iter().map(|s| &s["name"]).collect();
        assert_eq!(sources, [source]);
    }
    rig.assert_no_difference("", "with owners and roles by source");
    daemon.stop();
}

#[test]
fn calls_that_are_nobodys_are_shown_until_an_owner_is_stated() {
    let practices = |more: &str| {
        format!(
            "device = \"smdrd-test\"\n[[practice]]\nods = \"A81001\"\ntrunks = [\"T9001\"]\n[[practice]]\nods = \"A81002\"\n\
             trunks = [\"T9002\"]\n{more}"
        )
    };
    let mut exchange = Pbx::tcp("exchange", "avaya-ipoffice");
    let mut rig = Rig::new(&practices(""), std::slice::from_ref(&exchange));
    let daemon = rig.run(&clock("2026-11-20T15:00:00Z", 1));
    exchange.connect();
    let call = |id, trunk| Ip { id, trunk, ..Ip::default() }.line();
    assert!(exchange.print(&[call(1, "T9001"), call(2, "T9002"), call(3, "T9003")]));
    rig.wait_for_lines(3);
    let (code, status) = rig.json(&["status"], "");
    assert_eq!((code, &status["unowned"]), (1, &json!(1)), "{status:#}");
    assert!(status["problems"][0].as_str().unwrap().contains("on no practice's list"), "{status:#}");
    daemon.stop();

    rig.site = practices("unmatched = true\n");
    let when = clock("2026-11-20T15:00:00Z", 1);
    let changed = rig.rebuild(&when, &[]);
    assert_eq!(changed["changed_calls"], 1, "{changed:#}");
    let daemon = rig.run(&when);
    exchange.connect();
    let (_, status) = rig.json(&["status"], "");
    assert_eq!(status["unowned"], 0);
    let seen: Vec<&Value> = status["today"].as_array().unwrap().iter().map(|today| &today["inbound_seen"]).collect();
    assert_eq!(seen, [1, 2]);
    daemon.stop();
}

#[test]
fn status_can_be_watched_through_a_restart_of_the_daemon() {
    let mut exchange = Pbx::tcp("exchange", "avaya-ipoffice");
    let rig = Rig::new(super::rig::SITE, std::slice::from_ref(&exchange));
    let daemon = rig.run("");
    exchange.connect();
    let mut watch = Command::new(env!("CARGO_BIN_EXE_smdrd"))
        .args(["status", "--watch=1", "--json", "--config"])
        .arg(rig.write_config())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut snapshots = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut until = |what: &str, seen: &dyn Fn(&Value) -> bool| {
        let found = snapshots.by_ref().take(60).any(|line| seen(&serde_json::from_str(&line.unwrap()).unwrap()));
        assert!(found, "{what}");
    };
    until("running", &|snapshot| snapshot["running"] == true && snapshot["sources"][0]["up"] == true);
    assert!(exchange.print(&[Ip::default().line()]));
    until("the line", &|snapshot| snapshot["sources"][0]["last_minute"] == 1 && snapshot["lines"]["lines"] == 1);
    daemon.stop();
    until("without a daemon", &|snapshot| snapshot["running"] == false);
    let daemon = rig.run("");
    exchange.connect();
    until("and with one again", &|snapshot| snapshot["running"] == true && snapshot["disk"]["used"] != 0);
    watch.kill().unwrap();
    watch.wait().unwrap();
    daemon.stop();
}
