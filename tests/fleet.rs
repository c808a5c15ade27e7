//! `smdr-feed fleet`: who is silent, late, gappy or unwell, and why, from what a real store holds.
#![cfg(feature = "supplier")]

#[path = "receiver/authority.rs"]
mod authority;
#[path = "receiver/day.rs"]
mod day;
#[path = "receiver/feed.rs"]
mod feed;
#[path = "fleet/many.rs"]
mod many;
#[path = "fleet/page.rs"]
mod page;
mod schema;
#[path = "fleet/store.rs"]
mod store;

use serde_json::{Value, json};
use store::{Store, day};

/// The member of a practice.
fn of<'a>(fleet: &'a Value, ods: &str) -> &'a Value {
    let members = fleet["members"].as_array().unwrap();
    members.iter().find(|member| member["ods"] == ods).unwrap_or_else(|| panic!("{ods} is not in {fleet}"))
}

fn reasons(member: &Value) -> String {
    member["reasons"].as_array().unwrap().iter().map(|reason| reason.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

/// Six sites of which each has something else, and one that has nothing.
fn mixed() -> Store {
    let store = Store::new();
    for date in 7..=20 {
        for ods in ["A81001", "A81005"] {
            store.keep(ods, "main", day(date), |_| {});
        }
        if date <= 17 {
            store.keep("A81002", "main", day(date), |_| {});
        }
        if date <= 18 {
            store.keep("A81003", "main", day(date), |_| {});
        }
        if date != 10 && date != 11 && date != 14 {
            store.keep("A81004", "main", day(date), |document| document["coverage"]["observed_s"] = json!(43_200));
        }
    }
    for (ods, at) in [
        ("A81001", "2026-11-21T02:10:00Z"),
        ("A81002", "2026-11-18T03:00:00Z"),
        ("A81003", "2026-11-21T01:00:00Z"),
        ("A81004", "2026-11-21T01:30:00Z"),
    ] {
        store.heard(ods, at, json!({"schema": "smdrd.heartbeat/1", "version": "1.2.3", "clock_ahead_s": 2,
            "days": {"parked": 0, "held": 0}, "links": {"configured": 1, "up": 1}, "certificate_days": 80, "alerts": {}}));
    }
    store.heard("A81005", "2026-11-21T01:30:00Z", json!({"clock_ahead_s": 412, "days": {"parked": 2, "held": 1},
        "links": {"configured": 2, "up": 1}, "certificate_days": 9, "key_days": -1, "alerts": {"link-down": 1, "disk": 2}}));
    store.heard("B82001", "2026-11-21T02:00:00Z", json!({"version": "1.2.3"}));
    store
}

#[test]
fn a_box_that_was_enrolled_and_never_sent_anything_is_no_secret() {
    let store = mixed();
    store.enrolled("box-A81001", "A81001", "2026-10-01T09:00:00Z", None);
    store.enrolled("box-B82001", "B82001", "2026-10-01T09:00:00Z", None);
    store.enrolled("box-lost", "A81006", "2026-11-10T09:00:00Z", None);
    store.enrolled("box-new", "A81007,A81008", "2026-11-21T09:00:00Z", None);
    store.enrolled("box-away", "A81009", "2026-11-10T09:00:00Z", Some("2026-11-11T09:00:00Z"));
    let (code, fleet) = store.json("2026-11-21T13:00:00Z", &[]);
    assert_eq!(code, 1);
    let of_box = |name: &str| {
        let found: Vec<&Value> =
            fleet["members"].as_array().unwrap().iter().filter(|member| member["device"] == name).collect();
        assert!(found.len() <= 1, "{name}: {found:#?}");
        found.first().copied()
    };
    let lost = of_box("box-lost").unwrap();
    assert_eq!(
        (&lost["state"], reasons(lost).as_str()),
        (&json!("silent"), "enrolled 11 days ago, and nothing ever came")
    );
    assert_eq!((&lost["may_send_for"], &lost["last_heartbeat"]), (&json!(["A81006"]), &Value::Null));
    let new = of_box("box-new").unwrap();
    assert_eq!((&new["state"], reasons(new).as_str()), (&json!("late"), "enrolled 4 h ago, and nothing ever came"));
    assert_eq!(of_box("box-away"), None, "it was turned away");
    assert_eq!(of_box("box-A81001").unwrap()["state"], "well");
    assert_eq!(of_box("box-B82001").unwrap()["enrolled_at"], Value::Null, "signs of life came of it");
    assert_eq!(fleet["members"][0]["device"], "box-lost", "the longest silence is the worst");
    let (_, text, _) = store.fleet("2026-11-21T13:00:00Z", &[]);
    assert!(text.contains("box-lost (may send for A81006)"), "{text}");
    // After ninety days it is counted only, as every other.
    let (_, later) = store.json("2027-03-01T13:00:00Z", &[]);
    assert_eq!(later["members"], json!([]));
}

#[test]
fn the_worst_comes_first_and_each_says_why() {
    let store = mixed();
    let (code, fleet) = store.json("2026-11-21T13:00:00Z", &[]);
    assert_eq!((code, fleet["schema"].as_str()), (1, Some("smdr-feed.fleet/1")));
    let order: Vec<(&str, &str)> = fleet["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| (member["state"].as_str().unwrap(), member["ods"].as_str().unwrap_or("-")))
        .collect();
    let expected = [
        ("silent", "A81002"),
        ("late", "A81003"),
        ("late", "-"),
        ("gappy", "A81004"),
        ("unwell", "A81005"),
        ("well", "A81001"),
    ];
    assert_eq!(order, expected);
    assert_eq!(fleet["counts"], json!({"silent": 1, "late": 2, "gappy": 1, "unwell": 1, "well": 1}));

    let silent = of(&fleet, "A81002");
    assert!(reasons(silent).starts_with("no document and no sign of life for 3 days 10 h\n"), "{silent}");
    assert!(reasons(silent).contains("no document of 2026-11-18 to 2026-11-20"), "{silent}");
    assert_eq!(reasons(of(&fleet, "A81003")), "no document of 2026-11-19 to 2026-11-20");
    let gappy = of(&fleet, "A81004");
    assert_eq!(
        reasons(gappy),
        "3 days missing of the last 45: 2026-11-14, 2026-11-10 to 2026-11-11\n\
         50.0 % of the last 7 days was observed, 95.0 % is asked for"
    );
    assert_eq!(gappy["missing"], json!(["2026-11-10", "2026-11-11", "2026-11-14"]));
    assert_eq!((&gappy["observed_day_per_10000"], &gappy["observed_week_per_10000"]), (&json!(5000), &json!(5000)));
    assert_eq!(
        reasons(of(&fleet, "A81005")).lines().collect::<Vec<_>>(),
        [
            "the box's clock is 412 s ahead of ours",
            "1 of 2 links to PBXs up at the last sign of life",
            "its own certificate has expired",
            "our certificate is good for another 9 days",
            "not delivered, and kept on the box: 2 days",
            "waiting for the practice's approval: 1 day",
            "open alerts: disk (2), link-down",
        ]
    );
    let well = of(&fleet, "A81001");
    assert_eq!(well["reasons"], json!([]));
    assert_eq!(well["last_document"]["date"], "2026-11-20");
    assert_eq!(
        (&well["last_document"]["pbx_clock_s"], &well["last_document"]["unparsed_per_10000"]),
        (&json!(-37), &json!(0))
    );
    assert_eq!(
        (&well["version"], &well["dialects"], &well["certificate_days"]),
        (&json!("1.2.3"), &json!(["avaya-ipoffice"]), &json!(80))
    );
    assert_eq!(well["key_days"], json!(null), "what it did not say is not known");
}

#[test]
fn a_key_that_a_box_renews_by_itself_is_no_worry_until_it_is_not_renewed() {
    let store = Store::new();
    for (ods, auth, days) in [("A81001", "signature", 3), ("A81002", "signature", -4), ("A81003", "mtls", 3)] {
        store.keep(ods, "main", day(20), |_| {});
        store.heard(ods, "2026-11-21T02:00:00Z", json!({"auth": auth, "key_days": days}));
    }
    let (_, fleet) = store.json("2026-11-21T03:00:00Z", &[]);
    let said = |ods| reasons(of(&fleet, ods));
    assert_eq!((said("A81001").as_str(), said("A81002").as_str()), ("", "its key should have been renewed 4 days ago"));
    assert_eq!(said("A81003"), "its own certificate is good for another 3 days");
}

#[test]
fn a_box_that_says_nothing_of_itself_is_not_said_to_be_well() {
    let store = Store::new();
    store.keep("A81001", "main", day(20), |document| {
        document["coverage"].as_object_mut().unwrap().remove("observed_s");
        document["sources"] = json!([]);
    });
    let (code, fleet) = store.json("2026-11-21T03:00:00Z", &[]);
    let member = of(&fleet, "A81001");
    assert_eq!((code, reasons(member).as_str()), (1, "documents come, and no sign of life ever"));
    for unknown in [
        "observed_day_per_10000",
        "observed_week_per_10000",
        "clock_ahead_s",
        "version",
        "links",
        "days_parked",
        "last_heartbeat",
    ] {
        assert_eq!(member[unknown], json!(null), "{unknown}");
    }
    assert_eq!(member["last_document"]["unparsed_per_10000"], json!(null));
}

#[test]
fn days_fall_due_by_the_clock_of_the_practice_and_as_it_was_asked() {
    let store = Store::new();
    for date in 18..=19 {
        store.keep("A81001", "main", day(date), |_| {});
    }
    store.heard("A81001", "2026-11-20T23:00:00Z", json!({"version": "1"}));
    let state = |now: &str, more: &[&str]| store.json(now, more).1["members"][0]["state"].as_str().unwrap().to_owned();
    // The 20th is due twelve hours after its end, or as many as are said.
    assert_eq!(state("2026-11-21T11:59:00Z", &[]), "well");
    assert_eq!(state("2026-11-21T12:01:00Z", &[]), "late");
    assert_eq!(state("2026-11-21T12:01:00Z", &["--late", "24"]), "well");
    assert_eq!(state("2026-11-21T05:01:00Z", &["--late", "5"]), "late");
    assert_eq!(state("2026-11-22T22:59:00Z", &["--late", "100"]), "well");
    assert_eq!(state("2026-11-22T23:01:00Z", &["--late", "100"]), "silent");
    assert_eq!(state("2026-11-22T23:01:00Z", &["--late", "100", "--silent", "72"]), "well");
    // A site that has left is counted, and after a while no longer listed.
    let (code, fleet) = store.json("2027-02-22T12:00:00Z", &[]);
    assert_eq!((code, &fleet["members"], &fleet["forgotten"]), (0, &json!([]), &json!(1)));
    assert_eq!(state("2027-02-22T12:00:00Z", &["--forget", "400"]), "silent");
    // Nothing before the first day that ever came is missing, and nothing before the last 45.
    let (_, fleet) = store.json("2027-01-02T12:30:00Z", &[]);
    let missing = fleet["members"][0]["missing"].as_array().unwrap();
    assert_eq!((missing.len(), &missing[0]), (43, &json!("2026-11-20")));
}

#[test]
fn a_new_revision_counts_and_a_body_that_is_none_does_no_harm() {
    let store = Store::new();
    store.keep("A81001", "main", day(20), |document| document["coverage"]["observed_s"] = json!(8_640));
    store.keep("A81001", "main", day(20), |document| {
        document["revision"] = json!(2);
        document["coverage"]["observed_s"] = json!(86_400);
    });
    store.raw("A81002", "2026-11-20", b"\xff not JSON");
    store.raw(
        "A81003",
        "2026-11-20",
        br#"{"coverage":{"observed_s":"all"},"day":{"slots":null},"sources":[7,{"lines":-1}]}"#,
    );
    store.raw("A81004", "2026-11-20", br#"{"coverage":7,"sources":"none"}"#);
    // Numbers that no sum holds.
    let most = u64::MAX;
    let huge = format!(
        r#"{{"day":{{"slots":{most}}},"coverage":{{"observed_s":{most}}},"sources":[{{"lines":{most},"clock_offset_s":{}}}]}}"#,
        i64::MIN
    );
    store.raw("A81006", "2026-11-20", huge.as_bytes());
    let (_, fleet) = store.json("2026-11-21T03:00:00Z", &[]);
    let first = of(&fleet, "A81001");
    assert_eq!((&first["last_document"]["revision"], &first["observed_day_per_10000"]), (&json!(2), &json!(10_000)));
    for ods in ["A81002", "A81003", "A81004", "A81006"] {
        let member = of(&fleet, ods);
        assert_eq!(
            (&member["last_document"]["date"], &member["observed_day_per_10000"]),
            (&json!("2026-11-20"), &json!(null))
        );
    }
}

#[test]
fn on_a_terminal_what_is_not_well_is_listed_and_the_exit_code_says_so() {
    let store = mixed();
    let (code, out, _) = store.fleet("2026-11-21T13:00:00Z", &[]);
    assert_eq!(code, 1);
    assert!(
        out.starts_with("silent A81002 main (box-A81002), newest day 2026-11-17 rev. 1, sign of life 3 days 10 h ago"),
        "{out}"
    );
    assert!(out.ends_with("6 sites: 1 silent, 2 late, 1 gappy, 1 unwell, 1 well\n"), "{out}");
    assert!(!out.contains("A81001"), "{out}");
    assert!(store.fleet("2026-11-21T13:00:00Z", &["--all"]).1.contains("well   A81001 main"), "{out}");
    let empty = Store::new();
    let (code, out, _) = empty.fleet("2026-11-21T13:00:00Z", &[]);
    assert_eq!((code, out.as_str()), (0, "0 sites: 0 silent, 0 late, 0 gappy, 0 unwell, 0 well\n"));
    let (code, _, error) = store.fleet_of("no-such-store.db", "2026-11-21T13:00:00Z", &[]);
    assert_eq!(code, 78);
    assert!(error.contains("no-such-store.db"), "{error}");
    assert!(!store.folder.path().join("no-such-store.db").exists(), "looking makes nothing");
}
