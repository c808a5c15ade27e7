//! Every case of the script can fail: for each there is a receiver that does just that wrong.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::{HeaderValue, Method};
use serde_json::{Value, json};
use smdrd::push::MEDIA_TYPE;
use smdrd::push::parcel::content_digest;

use super::bent::{Answered, Asked, Bend, bent};
use super::feed::TOKEN;
use super::{SIGNED, cases, conform, kit, receiver, tools};

type Fault = (&'static str, Bend);

fn forged_digest(asked: &mut Asked) {
    if asked.method == Method::PUT {
        let digest = content_digest(&asked.body);
        asked.set("content-digest", &digest);
    }
}

fn anybody(asked: &mut Asked) {
    asked.set("authorization", &format!("Bearer {TOKEN}"));
}

fn receipt(asked: &Asked, answered: &Answered) -> bool {
    asked.method == Method::PUT && answered.status < 300
}

fn replayed(asked: &Asked, answered: &Answered) -> bool {
    receipt(asked, answered) && answered.json()["replayed"] == true
}

fn list(asked: &Asked, answered: &Answered) -> bool {
    asked.is(&Method::GET, "/days") && !asked.target.contains("/days/") && answered.status == 200
}

/// Deliveries, and the line.
const DELIVERIES: &[Fault] = &[
    (
        "first",
        Bend::Answer(|asked, answered| {
            if receipt(asked, answered) {
                answered.change(|receipt| receipt["sha256"] = json!("0".repeat(64)));
            }
        }),
    ),
    (
        "replay",
        Bend::Answer(|asked, answered| {
            if replayed(asked, answered) {
                answered.change(|receipt| receipt["receipt_id"] = json!("another"));
            }
        }),
    ),
    (
        "replace",
        Bend::Answer(|asked, answered| {
            if receipt(asked, answered) && asked.says("\"revision\":2,") {
                answered.becomes(409, "stale-revision");
            }
        }),
    ),
    (
        "revision-gap",
        Bend::Answer(|asked, answered| {
            if asked.says("\"revision\":7,") {
                answered.becomes(409, "revision-gap");
            }
        }),
    ),
    (
        "replay-older",
        Bend::Answer(|asked, answered| {
            if replayed(asked, answered) {
                answered.becomes(409, "stale-revision");
            }
        }),
    ),
    (
        "stale",
        Bend::Answer(|_, answered| {
            if answered.status == 409 {
                answered.change(|problem| problem["held_revision"] = Value::Null);
            }
        }),
    ),
    (
        "nulls",
        Bend::Answer(|asked, answered| {
            if asked.says("\"missed\":null") {
                answered.becomes(422, "invalid-document");
            }
        }),
    ),
    (
        "short-day",
        Bend::Answer(|asked, answered| {
            if asked.says("\"slots\":46,") || asked.says("\"slots\":46}") {
                answered.becomes(422, "invalid-document");
            }
        }),
    ),
    (
        "long-day",
        Bend::Answer(|asked, answered| {
            if asked.says("\"slots\":50,") || asked.says("\"slots\":50}") {
                answered.becomes(422, "invalid-document");
            }
        }),
    ),
    (
        "two-sites",
        Bend::Answer(|asked, answered| {
            if receipt(asked, answered) && asked.target.contains("-2/days/") {
                answered.becomes(409, "stale-revision");
            }
        }),
    ),
    (
        "unknown-members",
        Bend::Answer(|asked, answered| {
            if asked.says("new_in_a_later_version") {
                answered.becomes(422, "invalid-document");
            }
        }),
    ),
    (
        "bytes-as-they-came",
        Bend::Answer(|asked, answered| {
            if asked.is(&Method::GET, "/days/") && answered.status == 200 {
                let value = answered.json();
                answered.set_json(&value);
            }
        }),
    ),
    (
        "date",
        Bend::Answer(|_, answered| {
            answered.headers.insert("date", HeaderValue::from_static("Sat, 21 Nov 2020 00:41:09 GMT"));
        }),
    ),
    (
        "keep-alive",
        Bend::Answer(|asked, answered| {
            if !receipt(asked, answered) {
                answered.headers.insert("connection", HeaderValue::from_static("close"));
            }
        }),
    ),
    (
        "lost-reply",
        Bend::Answer(|asked, answered| {
            if replayed(asked, answered) {
                answered.becomes(409, "stale-revision");
            }
        }),
    ),
    (
        "cut-body",
        Bend::Answer(|asked, answered| {
            if receipt(asked, answered) {
                answered.status = 200;
                answered.change(|receipt| receipt["replayed"] = json!(true));
            }
        }),
    ),
    (
        "concurrent",
        Bend::Answer(|asked, answered| {
            if replayed(asked, answered) {
                answered.becomes(409, "in-progress");
            }
        }),
    ),
    (
        "backfill",
        Bend::Answer(|asked, answered| {
            if list(asked, answered) {
                answered.change(|days| drop(days.as_array_mut().unwrap().pop()));
            }
        }),
    ),
];

/// Refusals, but for those of documents that contradict themselves.
const REFUSALS: &[Fault] = &[
    ("digest-wrong", Bend::Ask(forged_digest)),
    ("digest-missing", Bend::Ask(forged_digest)),
    (
        "not-json",
        Bend::Answer(|_, answered| {
            if answered.kind() == "not-json" {
                answered.becomes(500, "not-json");
            }
        }),
    ),
    (
        "address",
        Bend::Answer(|_, answered| {
            if answered.kind() == "address-mismatch" {
                answered.becomes(422, "invalid-document");
            }
        }),
    ),
    (
        "schema-unknown",
        Bend::Answer(|_, answered| {
            if answered.kind() == "unknown-schema" {
                answered.becomes(422, "invalid-document");
            }
        }),
    ),
    (
        "too-large",
        Bend::Answer(|_, answered| {
            if answered.status == 413 {
                answered.becomes(400, "not-json");
            }
        }),
    ),
    ("media-type", Bend::Ask(|asked| asked.set("content-type", MEDIA_TYPE))),
    ("coding", Bend::Ask(|asked| drop(asked.headers.remove("content-encoding")))),
    (
        "bad-address",
        Bend::Answer(|_, answered| {
            if answered.kind() == "bad-address" {
                answered.becomes(404, "no-such-resource");
            }
        }),
    ),
    (
        "problem-shape",
        Bend::Answer(|_, answered| {
            if answered.status >= 400 {
                answered.headers.insert("content-type", HeaderValue::from_static("application/json"));
            }
        }),
    ),
    (
        "no-removal",
        Bend::Answer(|asked, answered| {
            if asked.method == Method::DELETE {
                (answered.status, answered.body) = (204, Vec::new());
            }
        }),
    ),
    ("auth-missing", Bend::Ask(anybody)),
    ("auth-wrong", Bend::Ask(anybody)),
    (
        "not-participating",
        Bend::Answer(|_, answered| {
            if answered.status == 403 {
                answered.becomes(403, "forbidden");
            }
        }),
    ),
];

/// What is read back, and the heartbeat.
const READING: &[Fault] = &[
    (
        "manifest",
        Bend::Answer(|asked, answered| {
            if list(asked, answered) {
                answered
                    .change(|days| days.as_array_mut().unwrap().iter_mut().for_each(|day| day["revision"] = json!(1)));
            }
        }),
    ),
    (
        "manifest-order",
        Bend::Answer(|asked, answered| {
            if list(asked, answered) {
                answered.change(|days| days.as_array_mut().unwrap().reverse());
            }
        }),
    ),
    ("manifest-range", Bend::Ask(Asked::forget_query)),
    (
        "manifest-empty",
        Bend::Answer(|asked, answered| {
            if list(asked, answered) && answered.json() == json!([]) {
                answered.becomes(404, "not-held");
            }
        }),
    ),
    ("bad-range", Bend::Ask(Asked::forget_query)),
    ("read-back", Bend::Answer(|_, answered| drop(answered.headers.remove("content-digest")))),
    ("read-revision", Bend::Ask(Asked::forget_query)),
    (
        "not-held",
        Bend::Answer(|_, answered| {
            if answered.kind() == "not-held" {
                (answered.status, answered.body) = (200, b"{}".to_vec());
            }
        }),
    ),
    (
        "heartbeat",
        Bend::Answer(|asked, answered| {
            if asked.method == Method::POST {
                answered.becomes(500, "unavailable");
            }
        }),
    ),
];

/// The cases for documents that contradict themselves, named after the golden ones.
static CONTRADICTIONS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let index: Value = serde_json::from_slice(&std::fs::read(kit("golden/cases.json")).unwrap()).unwrap();
    let cases = index["cases"].as_array().unwrap().iter();
    let cases = cases.filter(|case| case["expect"]["type"] == "invalid-document");
    cases.map(|case| format!("fault-{}", case["name"].as_str().unwrap())).collect()
});

/// Runs each of the cases against a receiver that has its fault. One that is whole, and stands in the same place, passes.
fn each_is_seen(faults: &[Fault]) {
    if !tools() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let feed = receiver(folder.path(), None);
    let whole = bent(&feed.url(), Bend::Answer(|_, _| {}));
    let all: Vec<&str> = faults.iter().flat_map(|(case, _)| ["--only", case]).collect();
    let (code, report) = conform(&whole, folder.path(), &all);
    assert_eq!((cases(&report, "failed"), code), (vec![], 0), "{report:#}");
    for (case, bend) in faults {
        let url = bent(&feed.url(), *bend);
        let (code, report) = conform(&url, folder.path(), &["--only", case]);
        assert_eq!((cases(&report, "failed"), code), (vec![*case], 1), "{case}: {report:#}");
        // A box's engineer reads what was wrong, and no fault of the script's own.
        let said = report["cases"][0]["said"].as_str().unwrap();
        assert!(said.len() > 20 && !said.contains("Error"), "{case}: {said}");
    }
}

#[test]
fn a_delivery_that_goes_wrong_is_seen() {
    each_is_seen(DELIVERIES);
}

#[test]
fn a_refusal_that_is_none_or_another_is_seen() {
    each_is_seen(REFUSALS);
}

#[test]
fn what_is_read_back_wrong_is_seen() {
    each_is_seen(READING);
}

#[test]
fn a_contradiction_that_is_taken_or_not_pointed_at_is_seen() {
    if !tools() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let feed = receiver(folder.path(), None);
    let all: Vec<&str> = CONTRADICTIONS.iter().flat_map(|case| ["--only", case.as_str()]).collect();
    let bends: [Bend; 2] = [
        Bend::Answer(|_, answered| {
            if answered.status == 422 {
                answered.change(|problem| problem["field"] = json!(""));
            }
        }),
        Bend::Answer(|_, answered| {
            if answered.status == 422 {
                (answered.status, answered.body) = (201, b"{}".to_vec());
            }
        }),
    ];
    for bend in bends {
        let url = bent(&feed.url(), bend);
        let (code, report) = conform(&url, folder.path(), &all);
        assert_eq!((cases(&report, "failed"), code), (CONTRADICTIONS.iter().map(String::as_str).collect(), 1));
    }
}

#[test]
fn every_case_has_its_fault() {
    if !tools() {
        return;
    }
    let output = std::process::Command::new("python3").arg("-B").arg(kit("conform")).arg("--list").output().unwrap();
    let list = String::from_utf8(output.stdout).unwrap();
    let listed: BTreeSet<&str> = list.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    let faults = [DELIVERIES, REFUSALS, READING].concat();
    let mut tried: BTreeSet<&str> = faults.iter().map(|(case, _)| *case).collect();
    tried.extend(CONTRADICTIONS.iter().map(String::as_str));
    // That of TLS is tried over TLS, that of enrolment with a key.
    tried.extend(["tls", "enrol"]);
    tried.extend(SIGNED);
    assert_eq!(tried, listed);
}

/// As a box does, and for as long as it is told.
#[test]
fn the_script_waits_when_it_is_told_to() {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if !tools() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let feed = receiver(folder.path(), None);
    let busy = Bend::Answer(|_, answered| {
        if !TOLD.swap(true, Ordering::Relaxed) {
            answered.becomes(429, "too-many-requests");
            answered.headers.insert("retry-after", HeaderValue::from_static("1"));
        }
    });
    let url = bent(&feed.url(), busy);
    let (_, report) = conform(&url, folder.path(), &["--only", "digest-missing"]);
    assert_eq!((cases(&report, "ok"), &report["waited_s"]), (vec!["digest-missing"], &json!(1)), "{report:#}");
}
