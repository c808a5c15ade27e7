//! The whole way on one machine: the daemon and the receiver as they are delivered, two simulated PBXs, one practice
//! day, and every figure of the document that the supplier holds compared with what was played.

// The receiver is the supplier's program.
#![cfg(feature = "supplier")]

mod schema;

use std::time::Duration;

use assert_cmd::Command;
use serde_json::Value;

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
    // The links were not always up, and the document says so.
    assert_eq!(result["document"]["coverage"]["complete"], false);
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
