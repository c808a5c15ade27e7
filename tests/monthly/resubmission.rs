//! The same month builds the same bytes; what differs is said, and why.

use jiff::civil::date;
use serde_json::json;

use super::desk::{Desk, MONTH, busy_day};

#[test]
fn the_same_month_builds_the_same_bytes_and_a_revision_is_told() {
    let accounts = [("1", "A81001", "main"), ("2", "A81002", "main")];
    let (one, other) = (Desk::new(&accounts), Desk::new(&accounts));
    for desk in [&one, &other] {
        desk.hold_month("A81001", "main");
        desk.hold_month("A81002", "main");
        assert_eq!(desk.built(&[]).0, 0);
    }
    for file in
        ["manifest.json", "submission.json", &format!("cbt-aggregated-{MONTH}.csv"), &format!("exceptions-{MONTH}.csv")]
    {
        let name = format!("out/{MONTH}/build-1/{file}");
        assert_eq!(one.read(&name), other.read(&name), "{file}");
    }
    let (_, again) = one.built(&[]);
    assert_eq!((&again["unchanged"], &again["submission"]["build"]), (&json!(true), &json!(1)));
    assert!(!one.path(&format!("out/{MONTH}/build-2")).exists());

    let mut revised = busy_day("A81001", "main", date(2026, 10, 5), 99);
    revised["revision"] = json!(2);
    one.hold(&revised);
    one.write("participation.csv", "ODS_Code,Agreed\nA81001,yes\n");
    let (code, built) = one.built(&[]);
    assert_eq!(code, 0, "{built:#}");
    let changes = built["submission"]["changes"].as_array().unwrap();
    let said: Vec<String> = changes
        .iter()
        .map(|change| {
            let account = change["account"].as_str().unwrap_or("-");
            format!("{account} {} {}", change["word"].as_str().unwrap(), change["what"].as_str().unwrap())
        })
        .collect();
    assert!(said.iter().any(|said| said.starts_with("- input participation list")), "{said:#?}");
    assert!(said.iter().any(|said| said == "1 revised A81001/main 2026-10-05: revision 2 after 1"), "{said:#?}");
    assert!(said.iter().any(|said| said.starts_with("1 total CBT001: ")), "{said:#?}");
    assert!(said.iter().any(|said| said.starts_with("2 out it was in before: A81002 is not on")), "{said:#?}");
    assert_eq!(built["submission"]["build"], 2);
    // The build before is as it was.
    assert_eq!(
        one.read(&format!("out/{MONTH}/build-1/manifest.json")),
        other.read(&format!("out/{MONTH}/build-1/manifest.json"))
    );
    let (_, same) = one.built(&[]);
    assert_eq!((&same["unchanged"], &same["submission"]["changes"]), (&json!(true), &built["submission"]["changes"]));
}

#[test]
fn without_the_build_before_nobody_can_say_what_changes() {
    let desk = Desk::new(&[("1", "A81001", "main")]);
    desk.hold_month("A81001", "main");
    assert_eq!(desk.built(&[]).0, 0);
    desk.write(&format!("out/{MONTH}/build-1/manifest.json"), "{");
    let output = desk.build(&[]);
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("manifest.json") && said.contains("nobody can say what a resubmission changes"), "{said}");
}
