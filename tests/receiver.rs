//! The receiver as a process: what it takes, what it refuses and how, what it keeps.
#![cfg(feature = "supplier")]

#[path = "receiver/authority.rs"]
mod authority;
#[path = "receiver/connections.rs"]
mod connections;
#[path = "receiver/day.rs"]
mod day;
#[path = "receiver/documents.rs"]
mod documents;
#[path = "receiver/feed.rs"]
mod feed;
#[path = "receiver/gate.rs"]
mod gate;
#[path = "receiver/hostile.rs"]
mod hostile;
#[cfg(feature = "postgres")]
#[path = "machine/loudly.rs"]
mod loudly;
#[path = "receiver/metrics.rs"]
mod metrics;
#[path = "receiver/openapi.rs"]
mod openapi;
#[cfg(feature = "postgres")]
#[path = "machine/ports.rs"]
mod ports;
#[cfg(feature = "postgres")]
#[path = "machine/postgres.rs"]
mod postgres;
#[path = "receiver/process.rs"]
mod process;
#[path = "receiver/refusals.rs"]
mod refusals;
mod schema;
#[cfg(feature = "postgres")]
#[path = "receiver/stores.rs"]
mod stores;

use day::{full_day, parcel, revision};
use feed::{Feed, TOKEN, private_file};
use jiff::civil::date;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use smdrd::push::parcel::content_digest;
use smdrd::push::{MEDIA_TYPE, Parcel};
use smdrd::supplier::archive::Archive;

/// A receiver in a folder that goes with it.
fn receiver() -> (tempfile::TempDir, Feed) {
    let folder = tempfile::tempdir().unwrap();
    let feed = Feed::start(folder.path(), None);
    (folder, feed)
}

fn day_url(feed: &Feed, date: &str) -> String {
    format!("{}/v1/practices/A81001/sites/main/days/{date}", feed.url())
}

/// A `PUT` that is right in every way but what the caller changes.
fn put(url: &str, body: Vec<u8>) -> RequestBuilder {
    reqwest::Client::new()
        .put(url)
        .bearer_auth(TOKEN)
        .header("content-type", MEDIA_TYPE)
        .header("content-digest", content_digest(&body))
        .body(body)
}

async fn send(feed: &Feed, parcel: &Parcel) -> Response {
    put(&day_url(feed, &parcel.date.to_string()), parcel.body.clone()).send().await.unwrap()
}

fn get(feed: &Feed, path: &str) -> RequestBuilder {
    reqwest::Client::new().get(format!("{}{path}", feed.url())).bearer_auth(TOKEN)
}

async fn json_of(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

/// The last part of a refusal's type, once the refusal has been found to be in form.
async fn refused(response: Response) -> (String, Value) {
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let status = response.status().as_u16();
    let problem = json_of(response).await;
    schema::assert_is("problem", &problem);
    assert_eq!(problem["status"], status, "{problem}");
    assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
    let kind = problem["type"].as_str().unwrap().strip_prefix("urn:smdr-feed:problem:").unwrap().to_owned();
    (kind, problem)
}

#[tokio::test]
async fn a_day_is_kept_and_a_receipt_given() {
    let (_folder, feed) = receiver();
    let parcel = parcel(&full_day(date(2026, 11, 20)));
    let url = day_url(&feed, "2026-11-20");
    let response = put(&url, parcel.body.clone()).header("idempotency-key", "\"k\"").send().await.unwrap();
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["idempotency-key"], "\"k\"");
    let mut receipt = json_of(response).await;
    schema::assert_is("receipt", &receipt);
    let received: jiff::Timestamp = receipt["received_at"].as_str().unwrap().parse().unwrap();
    assert!(jiff::Timestamp::now().duration_since(received).as_secs() < 600);
    let fields = receipt.as_object_mut().unwrap();
    fields.remove("received_at");
    let name = fields.remove("receipt_id").unwrap();
    assert!(name.as_str().unwrap().len() >= 16);
    let expected = json!({
        "ods": "A81001", "site": "main", "date": "2026-11-20", "revision": 1, "sha256": parcel.sha256,
        "server_schema": "smdrd.day/1", "status": "accepted",
    });
    let warnings = fields.remove("warnings").unwrap();
    assert_eq!(receipt, expected);
    // The sample's day lies where this machine's clock puts it: only a day still to come is remarked on.
    assert!(warnings.as_array().unwrap().iter().all(|text| text.as_str().unwrap().starts_with("clock: produced_at")));

    let again = send(&feed, &parcel).await;
    assert_eq!(again.status(), 200);
    let again = json_of(again).await;
    schema::assert_is("receipt", &again);
    assert_eq!((&again["replayed"], &again["receipt_id"]), (&json!(true), &name));
    assert_eq!(feed.revisions(), 1);
}

#[tokio::test]
async fn the_newest_revision_counts_and_every_one_is_kept() {
    let (_folder, feed) = receiver();
    let first = full_day(date(2026, 11, 20));
    let one = parcel(&first);
    assert_eq!(send(&feed, &one).await.status(), 201);
    let mut changed = revision(first.clone(), 3, Some(&one.sha256));
    changed["audit_head"] = json!("sha256:later");
    let three = parcel(&changed);
    let response = send(&feed, &three).await;
    assert_eq!(response.status(), 200);
    let receipt = json_of(response).await;
    assert!(receipt.get("replayed").is_none(), "{receipt}");

    for lower in [1, 2, 3] {
        let mut late = revision(changed.clone(), lower, None);
        late["audit_head"] = json!("sha256:late");
        let (kind, problem) = refused(send(&feed, &parcel(&late)).await).await;
        assert_eq!(kind, "stale-revision");
        assert_eq!((&problem["held_revision"], &problem["held_sha256"]), (&json!(3), &json!(three.sha256)));
    }
    // The first revision's receipt is still given, but does not make it the newest.
    assert_eq!(json_of(send(&feed, &one).await).await["replayed"], true);
    let newest = get(&feed, "/v1/practices/A81001/sites/main/days/2026-11-20").send().await.unwrap();
    assert_eq!(newest.headers()["content-type"], MEDIA_TYPE);
    assert_eq!(newest.headers()["content-digest"], content_digest(&three.body).as_str());
    assert_eq!(newest.bytes().await.unwrap(), three.body);
    let older = get(&feed, "/v1/practices/A81001/sites/main/days/2026-11-20?revision=1").send().await.unwrap();
    assert_eq!(older.bytes().await.unwrap(), one.body);
    assert_eq!(feed.revisions(), 2);

    let store = feed.store();
    for statement in ["DELETE FROM day_revision", "UPDATE day_revision SET revision = 9"] {
        assert!(store.execute(statement, []).unwrap_err().to_string().contains("append-only"));
    }
}

#[tokio::test]
async fn the_manifest_names_the_newest_of_each_day() {
    let (_folder, feed) = receiver();
    let mut expected = Vec::new();
    for day in 18..=21 {
        let first = full_day(date(2026, 11, day));
        let one = parcel(&first);
        send(&feed, &one).await;
        let two = parcel(&revision(first, 2, Some(&one.sha256)));
        send(&feed, &two).await;
        expected.push(json!({"date": format!("2026-11-{day}"), "revision": 2, "sha256": two.sha256}));
    }
    let manifest = async |query: &str| {
        let path = format!("/v1/practices/A81001/sites/main/days{query}");
        let manifest = json_of(get(&feed, &path).send().await.unwrap()).await;
        schema::assert_is("manifest", &manifest);
        manifest
    };
    assert_eq!(manifest("").await, json!(expected));
    assert_eq!(manifest("?from=2026-11-19&to=2026-11-20").await, json!(expected[1..3]));
    assert_eq!(manifest("?to=2026-11-18").await, json!(expected[..1]));
    assert_eq!(manifest("?from=2026-12-01").await, json!([]));
    let elsewhere = get(&feed, "/v1/practices/A81001/sites/branch/days").send().await.unwrap();
    assert_eq!(json_of(elsewhere).await, json!([]));
}

#[tokio::test]
async fn what_a_person_should_know_is_a_warning() {
    let (_folder, feed) = receiver();
    let yesterday = jiff::Zoned::now().date().yesterday().unwrap().yesterday().unwrap();
    let first = full_day(yesterday);
    let one = parcel(&first);
    let url = day_url(&feed, &yesterday.to_string());
    let warnings = async |body: Vec<u8>, skew: &str| {
        let response = put(&url, body).header("x-device-clock-skew", skew).send().await.unwrap();
        json_of(response).await["warnings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|w| w.as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(warnings(one.body.clone(), "300").await, Vec::<String>::new());

    let mut second = revision(first.clone(), 2, Some(&"0".repeat(64)));
    second["device"] = json!("another-box");
    let spread = serde_json::to_vec_pretty(&second).unwrap();
    let given = warnings(spread, "-301").await;
    let begins: Vec<&str> = given.iter().map(|text| text.split(':').next().unwrap()).collect();
    assert_eq!(begins, ["clock", "previous", "device", "body"], "{given:?}");

    let mut third = revision(second, 3, None);
    third["produced_at"] = json!(jiff::Timestamp::now() + jiff::SignedDuration::from_hours(2));
    let given = warnings(serde_json::to_vec(&third).unwrap(), "0").await;
    assert!(given[0].starts_with("clock: produced_at is 7"), "{given:?}");
}

#[tokio::test]
async fn a_box_is_heard_of_and_the_receiver_says_that_it_works() {
    let (_folder, feed) = receiver();
    let client = reqwest::Client::new();
    let url = format!("{}/v1/devices/smdrd-0f6c1f0e/heartbeat", feed.url());
    let response = client.post(&url).bearer_auth(TOKEN).header("x-device-clock-skew", "-7").send().await.unwrap();
    assert_eq!(response.status(), 204);
    let row = feed.store().query_row("SELECT device, practices, skew_s FROM heartbeat", [], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
    });
    assert_eq!(row.unwrap(), ("smdrd-0f6c1f0e".to_owned(), "A81001".to_owned(), -7));

    // What the box says of itself is kept, the newest first; what is no object is a sign of life all the same.
    for count in 1..=45 {
        let said = json!({"schema": "smdrd.heartbeat/1", "alerts": {"link-down": count}});
        let posted = client.post(&url).bearer_auth(TOKEN).json(&said).send().await.unwrap();
        assert_eq!(posted.status(), 204);
    }
    let other = url.replace("0f6c1f0e", "other");
    assert_eq!(client.post(&other).bearer_auth(TOKEN).body("[not JSON").send().await.unwrap().status(), 204);
    let archive = Archive::open(&feed.folder.join("store.db")).unwrap();
    let newest = archive.heartbeats().unwrap();
    let names: Vec<&str> = newest.iter().map(|heard| heard.device.as_str()).collect();
    assert_eq!(names, ["smdrd-0f6c1f0e", "smdrd-other"]);
    assert_eq!(newest[0].said.as_ref().unwrap()["alerts"]["link-down"], 45);
    assert_eq!((&newest[0].practices[..], &newest[1].said), (&["A81001".to_owned()][..], &None));
    let kept = archive.heartbeats_of("smdrd-0f6c1f0e").unwrap();
    assert_eq!(kept.len(), 40);
    assert!(kept.is_sorted_by(|one, next| one.received_at > next.received_at));
    assert_eq!(kept[39].said.as_ref().unwrap()["alerts"]["link-down"], 6);

    let health = client.get(format!("{}/healthz", feed.url())).send().await.unwrap();
    assert_eq!(health.status(), 200);
    assert_eq!(json_of(health).await["status"], "ok");
}

#[tokio::test]
async fn neither_payload_nor_token_is_logged() {
    let (_folder, feed) = receiver();
    let parcel = parcel(&full_day(date(2026, 11, 20)));
    send(&feed, &parcel).await;
    let mut wrong = full_day(date(2026, 11, 20));
    wrong["slots"][17]["inbound"]["answered"] = json!("01632960123");
    send(&feed, &Parcel::new("A81001", "main", date(2026, 11, 20), 1, serde_json::to_vec(&wrong).unwrap())).await;
    get(&feed, "/v1/practices/01632960123/sites/main/days").send().await.unwrap();
    get(&feed, "/01632960123").send().await.unwrap();
    let log = feed.log();
    assert!(log.contains("answered") && log.contains("invalid-document"), "{log}");
    for secret in [TOKEN, "01632960123", "edges_s", "reception-pbx"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}
