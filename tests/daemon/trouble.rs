//! What is wrong on the wire.

use super::lines::Ip;
use super::rig::{Pbx, Rig, SITE, clock};

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
