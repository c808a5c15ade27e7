//! A PBX that prints one of several layouts, and nobody said which: its lines tell what they lack.

use serde_json::{Value, json};

use super::lines::NORSTAR;
use super::rig::{Pbx, Rig, SITE, clock};

const SL1: &str = "N 001 00 T002002 DN234   11/20 12:01 00:00:24 A 01632960123";

/// The figures of the day, and what its source did not show.
fn day(rig: &Rig) -> (Value, Value) {
    let (code, document) = rig.json(&["day", "2026-11-20"], "");
    assert_eq!(code, 0, "{document}");
    (document["cbt"].clone(), document["sources"][0]["cannot"].clone())
}

#[test]
fn what_a_layout_lacks_is_null_whether_or_not_it_was_named() {
    let said_of = |rig: &Rig| String::from_utf8(rig.verb(&["status"], "").stdout).unwrap();
    let mut bcm = Pbx::tcp("bcm", "nortel-bcm");
    let rig = Rig::new(SITE, std::slice::from_ref(&bcm));
    let daemon = rig.run(&clock("2026-11-20T15:00:00Z", 1));
    // No line yet: it may print any of them.
    let (cbt, cannot) = day(&rig);
    assert_eq!((&cbt["CBT001"], &cbt["CBT004"], &cbt["CBT003"]), (&Value::Null, &Value::Null, &json!(0)), "{cbt}");
    assert!(cannot.to_string().contains("unanswered"), "{cannot}");
    assert!(said_of(&rig).contains("no line showed yet which format it prints"), "{}", said_of(&rig));
    // Norstar reports: unanswered calls are among them.
    bcm.connect();
    assert!(bcm.print(&NORSTAR));
    rig.wait_for_lines(NORSTAR.len());
    let (cbt, cannot) = day(&rig);
    assert!(cbt["CBT001"].as_u64().unwrap() >= 2 && cbt["CBT004"].is_u64(), "{cbt}");
    assert_eq!(cannot, json!(["internal", "outbound-answer", "outbound-talk"]));
    assert!(!said_of(&rig).contains("no line showed yet"));
    daemon.stop();
    // It is known after a restart, too. Then it prints SL-1 on the same day: part of the day lacks them.
    let daemon = rig.run(&clock("2026-11-20T15:30:00Z", 1));
    assert_eq!(day(&rig).1, cannot);
    bcm.connect();
    assert!(bcm.print(&[SL1, SL1]));
    rig.wait_for_lines(NORSTAR.len() + 2);
    let (cbt, cannot) = day(&rig);
    assert_eq!((&cbt["CBT001"], &cbt["CBT004"]), (&Value::Null, &Value::Null), "{cbt}");
    assert_eq!(cbt["absent"]["CBT004"], "unanswered calls make no record on this PBX");
    assert!(cannot.to_string().contains("ring"), "{cannot}");
    daemon.stop();
}
