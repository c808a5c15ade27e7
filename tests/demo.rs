//! The whole way on one machine: the daemon and the receiver as they are delivered, three simulated PBXs, one practice
//! day with an outage, a late leg and a supplier that fails twice, and every figure of the one document that the
//! supplier accepts in the end compared with what was played (G2, G3, G5).

// The receiver is the supplier's program.
#![cfg(feature = "supplier")]

mod schema;

use std::time::Duration;

use assert_cmd::Command;
use serde_json::{Value, json};

#[test]
fn a_practice_day_reaches_the_supplier_figure_for_figure() {
    let output = Command::cargo_bin("smdrd")
        .unwrap()
        .args(["demo", "--no-wait", "--json"])
        .timeout(Duration::from_secs(180))
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let result: Value = serde_json::from_str(&stdout).unwrap_or_else(|reason| panic!("{reason}\n{stdout}\n{stderr}"));
    assert_eq!(result["differences"], Value::Array(Vec::new()), "{stderr}");
    assert_eq!(result["ok"], true, "{result}\n{stderr}");
    assert!(output.status.success(), "{:?}\n{stderr}", output.status);
    // A comparison of nothing would find nothing: the day must have been compared, and be a day.
    assert!(result["figures"].as_u64().unwrap() > 2_000, "{}", result["figures"]);
    assert!(result["document"]["totals"]["inbound"]["calls"].as_u64().unwrap() > 250);
    schema::assert_valid(&result["document"]);
    assert!(result["receipt"]["receipt_id"].is_string(), "{}", result["receipt"]);
    assert_eq!(result["receipt"]["sha256"], result["sha256"]);
    for pbx in ["reception-pbx", "surgery-pbx", "annexe-pbx"] {
        assert!(result["lines"][pbx].as_u64().unwrap() > 200, "{}", result["lines"]);
    }

    // The supplier failed twice before it accepted, and it was the same document each time.
    let tries = result["tries"].as_array().unwrap();
    let tried: Vec<(u64, &Value)> = tries.iter().map(|one| (one["revision"].as_u64().unwrap(), &one["fate"])).collect();
    let (turned_away, receipt_lost) = (json!("turned-away"), json!("receipt-lost"));
    assert_eq!(tried[..2], [(1, &turned_away), (1, &receipt_lost)], "{tries:?}");
    assert_eq!(tried[2], (1, &json!({"answered": 200})), "held already, and the receipt is given again: {tries:?}");
    // The late leg made a second revision, and that is what is held.
    assert_eq!(tried.last().unwrap(), &(2, &json!({"answered": 200})), "{tries:?}");
    assert!(tried.iter().all(|(revision, _)| *revision <= 2), "{tries:?}");
    assert_eq!(result["document"]["revision"], 2);
    assert!(result["document"]["previous"].as_str().unwrap().starts_with("sha256:"));

    // The link of one PBX was down, and the document says so of the half-hours that it touched, and of no other: each
    // half-hour was compared with what the PBXs saw of their links. A slow machine may make the outage longer.
    let incomplete: Vec<&str> =
        result["incomplete"].as_array().unwrap().iter().map(|label| label.as_str().unwrap()).collect();
    assert!(incomplete.contains(&"13:00") && incomplete.len() < 10, "{incomplete:?}");
    assert_eq!(result["document"]["coverage"]["complete"], false);
    let gaps = result["document"]["coverage"]["gaps"].as_array().unwrap();
    assert!(gaps.iter().any(|gap| gap["source"] == "reception-pbx"), "{gaps:?}");
    assert!(result["directory"].is_null(), "the temporary directory is gone: {}", result["directory"]);
}

#[test]
fn a_directory_that_holds_something_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("state"), "an earlier day").unwrap();
    let output = Command::cargo_bin("smdrd")
        .unwrap()
        .args(["demo", "--no-wait", "--dir"])
        .arg(directory.path())
        .timeout(Duration::from_secs(60))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is not empty"));
}
