//! Which documents are valid, and which field a refusal names.

use jiff::civil::date;
use serde_json::{Value, json};

use super::day::{day_with_nulls, full_day, parcel};
use super::{Feed, day_url, put, receiver, refused};

#[tokio::test]
async fn days_of_every_length_and_days_with_nulls_are_taken() {
    let (_folder, feed) = receiver();
    for (day, slots) in [
        (full_day(date(2026, 11, 20)), 48),
        (full_day(date(2026, 3, 29)), 46),
        (full_day(date(2026, 10, 25)), 50),
        (day_with_nulls(date(2026, 11, 19)), 48),
    ] {
        assert_eq!(day["slots"].as_array().unwrap().len(), slots);
        let url = day_url(&feed, day["date"].as_str().unwrap());
        let response = put(&url, parcel(&day).body).send().await.unwrap();
        assert_eq!(response.status(), 201, "{}", response.text().await.unwrap());
    }
}

#[tokio::test]
async fn a_field_that_nobody_knows_yet_is_ignored_and_kept() {
    let (_folder, feed) = receiver();
    let mut day = full_day(date(2026, 11, 20));
    day["new_in_a_later_version"] = json!({"a": 1});
    day["slots"][3]["inbound"]["new"] = json!(5);
    let body = serde_json::to_vec(&day).unwrap();
    assert_eq!(put(&day_url(&feed, "2026-11-20"), body.clone()).send().await.unwrap().status(), 201);
    let held: Vec<u8> = feed.store().query_row("SELECT body FROM day_revision", [], |row| row.get(0)).unwrap();
    assert_eq!(held, body);
}

/// Sends the sample day with one thing changed; the refusal's kind and the field it names.
async fn wrong(feed: &Feed, change: impl FnOnce(&mut Value)) -> (String, String) {
    let mut day = full_day(date(2026, 11, 20));
    change(&mut day);
    let response = put(&day_url(feed, "2026-11-20"), serde_json::to_vec(&day).unwrap()).send().await.unwrap();
    assert_eq!(response.status(), 422);
    let (kind, problem) = refused(response).await;
    let field = problem["field"].as_str().unwrap().to_owned();
    assert!(problem["detail"].as_str().unwrap().starts_with(&format!("{field}: ")), "{problem}");
    (kind, field)
}

type Change = fn(&mut Value);

#[tokio::test]
async fn a_document_that_contradicts_itself_is_refused_at_the_field() {
    let (_folder, feed) = receiver();
    // Slots 16 and 17 are those of 08:00 and 08:30, the only ones with calls.
    let cases: [(&str, Change); 31] = [
        ("/schema", |day| day["schema"] = json!(1)),
        ("/revision", |day| day["revision"] = json!(0)),
        ("/revision", |day| day["revision"] = json!("1")),
        ("/source_system", |day| day["source_system"] = json!("cloud")),
        ("/device", |day| day["device"] = json!("")),
        ("/edges_s", |day| day["edges_s"][7] = json!(301)),
        ("/sources/0/lines", |day| day["sources"][0]["lines"] = json!(104)),
        ("/zone", |day| day["zone"] = json!("Europe/Camelot")),
        ("/day/start", |day| day["zone"] = json!("Europe/Paris")),
        ("/day/end", |day| day["day"]["end"] = json!("2026-11-21T00:30:00Z")),
        ("/day/slots", |day| day["day"]["slots"] = json!(50)),
        ("/slots", |day| drop(day["slots"].as_array_mut().unwrap().pop())),
        ("/slots/4/start", |day| day["slots"].as_array_mut().unwrap().swap(4, 5)),
        ("/slots/6/start", |day| day["slots"][6]["start"] = json!("2026-11-20T03:00:01Z")),
        ("/slots/6/local", |day| day["slots"][6]["local"] = json!("04:00")),
        ("/slots/6/observed_s", |day| day["slots"][6]["observed_s"] = json!(1801)),
        ("/coverage/observed_s", |day| day["coverage"]["observed_s"] = json!(86401)),
        ("/slots/16/inbound/answered_wait", |day| day["slots"][16]["inbound"]["answered_wait"][1] = json!(10)),
        ("/slots/16/inbound/answered_talk", |day| day["slots"][16]["inbound"]["answered_talk_unknown"] = json!(1)),
        ("/slots/16/inbound/missed_wait", |day| day["slots"][16]["inbound"]["missed_wait"][8] = json!(u64::MAX)),
        ("/slots/16/inbound/calls", |day| day["slots"][16]["inbound"]["calls"] = json!(42)),
        ("/slots/16/inbound/calls", |day| day["slots"][16]["inbound"]["ivr_ended"] = Value::Null),
        ("/slots/16/inbound/missed_voicemail", |day| day["slots"][16]["inbound"]["missed_voicemail"] = json!(9)),
        ("/slots/16/inbound/answered_wait", |day| {
            day["slots"][16]["inbound"]["answered_wait"] = json!([1, 2, 3]);
        }),
        ("/slots/17/inbound/missed", |day| {
            day["slots"][17]["inbound"].as_object_mut().unwrap().remove("missed");
        }),
        ("/totals/inbound/repeat_calls", |day| day["totals"]["inbound"]["repeat_calls"] = json!(14)),
        ("/totals/inbound/repeat_calls", |day| day["slots"][0]["inbound"]["repeat_calls"] = Value::Null),
        ("/totals/outbound/talk_sum_s", |day| day["slots"][0]["outbound"]["talk_sum_s"] = json!(u64::MAX)),
        ("/totals/trunks/peak_concurrent", |day| day["totals"]["trunks"]["peak_concurrent"] = json!(15)),
        ("/cbt/CBT001", |day| day["cbt"]["CBT001"] = json!(70)),
        ("/cbt/CBT007", |day| day["cbt"]["CBT007"] = json!(52)),
    ];
    for (field, change) in cases {
        assert_eq!(wrong(&feed, change).await, ("invalid-document".to_owned(), field.to_owned()));
    }
    assert_eq!(feed.revisions(), 0, "nothing of it is kept");
}

#[tokio::test]
async fn a_day_of_the_wrong_length_is_refused() {
    let (_folder, feed) = receiver();
    let mut day = full_day(date(2026, 11, 20));
    day["date"] = json!("2026-03-29");
    let body = serde_json::to_vec(&day).unwrap();
    let (kind, problem) = refused(put(&day_url(&feed, "2026-03-29"), body).send().await.unwrap()).await;
    assert_eq!((kind.as_str(), &problem["field"]), ("invalid-document", &json!("/day/start")));
}

#[tokio::test]
async fn another_schema_or_another_address_has_its_own_kind() {
    let (_folder, feed) = receiver();
    let cases: [(&str, &str, Change); 4] = [
        ("unknown-schema", "/schema", |day| day["schema"] = json!("smdrd.day/2")),
        ("address-mismatch", "/practice/ods", |day| day["practice"]["ods"] = json!("A81002")),
        ("address-mismatch", "/practice/site", |day| day["practice"]["site"] = json!("branch")),
        ("address-mismatch", "/date", |day| day["date"] = json!("2026-11-21")),
    ];
    for (kind, field, change) in cases {
        assert_eq!(wrong(&feed, change).await, (kind.to_owned(), field.to_owned()));
    }
}
