//! Nights: what is tried when, who waits for whom, and how it ends.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use smdrd::store::{Cause, OutboxState};

use super::office::Office;
use super::scripted::{Seen, Supplier, faithful, http, json_of, problem};

#[tokio::test]
async fn while_the_supplier_is_down_one_document_asks_and_the_others_follow_it() {
    let mut office = Office::new();
    let supplier = Supplier::start(&office.authority, |_| http("503 Busy", "retry-after: 7200\r\n", ""));
    office.url = supplier.url.clone();
    office.begun("2026-11-15").await;
    office.at(Some("2026-11-20T12:00:00Z")).await;
    office.at(Some("2026-11-21T11:00:00Z")).await;
    office.scheduled().await;
    assert_eq!(supplier.seen().len(), 1, "one probe, and nothing after it");
    office.scheduled().await;
    office.at(Some("2026-11-21T12:59:00Z")).await;
    office.scheduled().await;
    assert!(supplier.seen().is_empty(), "it asked for two hours");
    office.at(Some("2026-11-21T13:00:30Z")).await;
    office.scheduled().await;
    assert_eq!(supplier.seen().len(), 1, "one probe again");
    assert_eq!(office.counts().await[1], 6);
    supplier.answers(faithful);
    office.at(Some("2026-11-21T15:01:00Z")).await;
    office.scheduled().await;
    let delivered = supplier.delivered();
    assert_eq!(delivered, ["2026-11-15", "2026-11-16", "2026-11-17", "2026-11-18", "2026-11-19"]);
    let status = office.supplier().await;
    assert_eq!((status.failed, status.last_success.is_some()), (0, true));
    assert!(status.last_problem.unwrap().contains("503"), "the last problem is still told");
}

#[tokio::test]
async fn a_document_that_the_supplier_cannot_digest_keeps_no_other_back() {
    let mut office = Office::new();
    let supplier = Supplier::start(&office.authority, |seen| {
        if seen.method == "PUT" && seen.day() == "2026-11-15" { http("500 Broken", "", "") } else { faithful(seen) }
    });
    office.url = supplier.url.clone();
    office.begun("2026-11-15").await;
    office.at(Some("2026-11-20T00:12:00Z")).await;
    let mut tries = 0;
    // A night and a day, in steps that are longer than any back-off.
    for hour in 11..=18 {
        office.at(Some(&format!("2026-11-20T{hour}:59:00Z"))).await;
        office.scheduled().await;
        tries += supplier.delivered().iter().filter(|day| *day == "2026-11-15").count();
    }
    let days = office.counts().await;
    assert_eq!((days[0], days[1]), (4, 1), "the others are through");
    assert_eq!(tries, 3, "a broken server is tried three times a night");
    let problems = office.snapshot().await.problems.join("\n");
    assert!(problems.contains("2026-11-15 is not delivered after 3 tries"), "{problems}");
    office.at(Some("2026-11-20T19:40:00Z")).await;
    supplier.answers(faithful);
    office.scheduled().await;
    assert_eq!(supplier.delivered(), ["2026-11-15"], "the window of the evening");
}

#[tokio::test]
async fn a_practice_that_takes_no_part_is_left_alone_until_it_does() {
    let mut office = Office::new();
    let takes = Arc::new(AtomicBool::new(false));
    let part = takes.clone();
    let supplier = Supplier::start(&office.authority, move |seen: &Seen| {
        if seen.target.contains("A81001") && !part.load(Ordering::SeqCst) {
            problem("403 Forbidden", "not-participating")
        } else {
            faithful(seen)
        }
    });
    office.url = supplier.url.clone();
    office.practices = vec!["A81001", "A81002"];
    office.begun("2026-11-18").await;
    office.at(Some("2026-11-20T12:00:00Z")).await;
    office.at(Some("2026-11-21T12:00:00Z")).await;
    office.scheduled().await;
    let to =
        |seen: &[Seen], ods: &str| seen.iter().filter(|seen| seen.method == "PUT" && seen.target.contains(ods)).count();
    let seen = supplier.seen();
    assert_eq!((to(&seen, "A81001"), to(&seen, "A81002")), (1, 2));
    let status = office.supplier().await;
    assert_eq!((status.stopped.len(), status.stopped[0].cause), (1, Cause::NotParticipating));
    assert_eq!(status.parked, 3, "with the day that was not due yet");
    let problems = office.snapshot().await.problems.join("\n");
    assert!(problems.contains("A81001/main: nothing is sent since"), "{problems}");
    assert!(!problems.contains("A81002"), "{problems}");

    // Night after night one question, new days wait with the old ones, and nothing is lost.
    for day in 22..=24 {
        office.at(Some(&format!("2026-11-{day}T12:00:00Z"))).await;
        office.scheduled().await;
        office.scheduled().await;
        assert_eq!(to(&supplier.seen(), "A81001"), 1, "on the {day}th");
    }
    assert_eq!(office.supplier().await.parked, 6);
    takes.store(true, Ordering::SeqCst);
    office.scheduled().await;
    assert!(supplier.seen().is_empty(), "not before tomorrow");
    office.at(Some("2026-11-25T12:00:00Z")).await;
    office.scheduled().await;
    office.scheduled().await;
    let status = office.supplier().await;
    assert_eq!((status.stopped.len(), status.parked), (0, 0));
    let mut mine: Vec<String> = supplier
        .seen()
        .iter()
        .filter(|seen| to(std::slice::from_ref(*seen), "A81001") == 1)
        .map(|s| s.day().to_owned())
        .collect();
    mine.sort();
    assert_eq!(
        mine,
        ["2026-11-18", "2026-11-19", "2026-11-20", "2026-11-21", "2026-11-22", "2026-11-23", "2026-11-24"]
    );
    let audit = office.with(|keeper| keeper.store.read().audit_head().unwrap()).await;
    assert_eq!(audit.len(), 64);
}

#[tokio::test]
async fn the_sign_of_life_comes_once_a_day_and_says_nothing_of_anybody() {
    let mut office = Office::new();
    let supplier = Supplier::start(&office.authority, faithful);
    office.url = supplier.url.clone();
    office.begun("2026-11-20").await;
    for (now, expected) in [
        ("2026-11-20T12:30:00Z", 1),
        ("2026-11-20T23:59:00Z", 0),
        ("2026-11-21T12:00:00Z", 1),
        ("2026-11-21T22:00:00Z", 0),
        ("2026-11-22T12:00:00Z", 1),
    ] {
        office.at(Some(now)).await;
        office.scheduled().await;
        office.scheduled().await;
        let seen = supplier.seen();
        let beats: Vec<&Seen> = seen.iter().filter(|seen| seen.method == "POST").collect();
        assert_eq!(beats.len(), expected, "{now}");
        for beat in beats {
            assert_eq!(beat.target, "/v1/devices/smdrd-test/heartbeat");
            assert_eq!(seen.last().unwrap().method, "POST", "after the deliveries");
            let body: Value = serde_json::from_slice(&beat.body).unwrap();
            crate::schema::assert_is("heartbeat", &body);
            let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
            let always = ["alerts", "at", "auth", "dialects", "links", "schema", "version", "days"];
            assert!(always.iter().all(|key| body.get(key).is_some()), "{body}");
            let may = ["certificate_days", "clock_ahead_s", "yesterday"];
            assert!(
                keys(&body).iter().all(|key| always.contains(&key.as_str()) || may.contains(&key.as_str())),
                "{body}"
            );
            // The certificate was seen when the days were compared.
            assert!(body["certificate_days"].as_i64().unwrap() > 365, "{body}");
            if now.starts_with("2026-11-22") {
                assert_eq!(body["yesterday"], json!({"date": "2026-11-21", "observed_s": 0, "length_s": 86_400}));
            }
            assert_eq!(body["dialects"], json!([{"id": "avaya-ipoffice"}]));
            assert_eq!(keys(&body["days"]), ["closed", "held", "parked", "pending", "receipted"]);
            assert_eq!(body["links"], json!({"configured": 1, "up": 0}));
            assert_eq!(body["schema"], "smdrd.heartbeat/1");
        }
    }
    assert!(office.supplier().await.heartbeat.unwrap().starts_with("2026-11-22"));
    // Where there is no such thing, it is not insisted on.
    supplier.answers(|seen| if seen.method == "POST" { http("404 None", "", "") } else { faithful(seen) });
    office.at(Some("2026-11-23T12:00:00Z")).await;
    office.scheduled().await;
    office.scheduled().await;
    assert_eq!(supplier.seen().iter().filter(|seen| seen.method == "POST").count(), 1);
    assert_eq!(office.supplier().await.failed, 0);
}

/// A supplier that keeps what it is given, and can forget.
fn keeping(held: &Arc<Mutex<BTreeMap<String, Vec<u8>>>>) -> impl FnMut(&Seen) -> super::scripted::Reply + Send + use<> {
    let held = held.clone();
    move |seen| {
        let mut held = held.lock().unwrap();
        match seen.method.as_str() {
            "PUT" => {
                held.insert(seen.day().to_owned(), seen.body.clone());
                json_of("201 Created", &seen.receipt())
            }
            "GET" => {
                let list: Vec<Value> = held
                    .iter()
                    .map(|(date, body)| {
                        let document: Value = serde_json::from_slice(body).unwrap();
                        let sha256 = smdrd::push::parcel::sha256_hex(body);
                        json!({"date": date, "revision": document["revision"], "sha256": sha256})
                    })
                    .collect();
                json_of("200 OK", &json!(list))
            }
            _ => http("204 No Content", "", ""),
        }
    }
}

#[tokio::test]
async fn forty_five_days_are_made_up_for_a_portion_at_a_time() {
    let held = Arc::new(Mutex::new(BTreeMap::new()));
    let mut office = Office::new();
    let supplier = Supplier::start(&office.authority, keeping(&held));
    office.url = supplier.url.clone();
    office.begun("2026-10-06").await;
    office.at(Some("2026-11-20T01:00:00Z")).await;
    office.at(Some("2026-11-20T12:00:00Z")).await;
    let mut portions = Vec::new();
    for _ in 0..4 {
        office.scheduled().await;
        portions.push(supplier.delivered());
    }
    assert_eq!(portions.iter().map(Vec::len).collect::<Vec<_>>(), [20, 20, 5, 0]);
    assert_eq!(portions[0][..3], ["2026-11-19", "2026-10-06", "2026-10-07"], "last night's first, then the oldest");
    assert_eq!(office.counts().await, [45, 0, 0, 0]);
    let held_now = held.lock().unwrap().len();
    assert_eq!(held_now, 45);

    // The supplier loses everything, and has it all again after the next night, byte for byte.
    let before = std::mem::take(&mut *held.lock().unwrap());
    office.at(Some("2026-11-21T01:00:00Z")).await;
    office.at(Some("2026-11-21T12:00:00Z")).await;
    for _ in 0..5 {
        office.scheduled().await;
    }
    let after = held.lock().unwrap().clone();
    // The oldest day is beyond the forty-five now, and what is beyond them is not made up for.
    assert_eq!(after.len(), 45);
    assert!(before.iter().skip(1).all(|(date, body)| after.get(date) == Some(body)));
    assert_eq!(office.counts().await, [46, 0, 0, 0]);
    supplier.seen();

    // Nothing is lacking: nothing is sent.
    office.at(Some("2026-11-22T12:00:00Z")).await;
    office.scheduled().await;
    office.scheduled().await;
    assert_eq!(supplier.delivered(), [""; 0], "the newest day is due tonight, and no other lacks");
}

#[tokio::test]
async fn a_list_that_lies_costs_three_nights_at_most_and_one_that_fails_nothing() {
    let mut office = Office::new();
    let empty = |seen: &Seen| if seen.method == "GET" { http("200 OK", "", "[]") } else { faithful(seen) };
    let supplier = Supplier::start(&office.authority, empty);
    office.url = supplier.url.clone();
    office.begun("2026-11-10").await;
    office.at(Some("2026-11-11T01:00:00Z")).await;
    let mut sent = Vec::new();
    for day in 11..=18 {
        office.at(Some(&format!("2026-11-{day}T12:00:00Z"))).await;
        office.scheduled().await;
        office.scheduled().await;
        sent.push(supplier.delivered().iter().filter(|date| *date == "2026-11-10").count());
    }
    assert_eq!(sent.iter().sum::<usize>(), 4, "once, and three times more: {sent:?}");
    let problems = office.snapshot().await.problems.join("\n");
    assert!(problems.contains("gave receipts for") && problems.contains("2026-11-10"), "{problems}");

    for (reply, says) in [
        (http("200 OK", "", "<html>Welcome</html>"), "cannot be believed"),
        (http("200 OK", "", "[{\"date\":\"2026-11-12\",\"revision\":1,\"sha256\":\"x\"}]"), "cannot be believed"),
        (http("200 OK", "", "[{\"date\":\"2026-11-12\""), "cannot be believed"),
        (http("302 Found", "location: http://portal.example/\r\n", ""), "redirect"),
        (http("501 Not Implemented", "", ""), "501"),
        (http("404 Not Found", "", ""), "404"),
        (http("405 Method", "", ""), "405"),
    ] {
        let day = 19;
        let mut office = Office::new();
        let supplier =
            Supplier::start(
                &office.authority,
                move |seen: &Seen| {
                    if seen.method == "GET" { reply.clone() } else { faithful(seen) }
                },
            );
        office.url = supplier.url.clone();
        office.begun("2026-11-17").await;
        office.at(Some(&format!("2026-11-{day}T01:00:00Z"))).await;
        office.at(Some(&format!("2026-11-{day}T12:00:00Z"))).await;
        for _ in 0..3 {
            office.scheduled().await;
        }
        assert_eq!(office.counts().await, [2, 0, 0, 0], "{says}");
        let seen = supplier.seen();
        let count = |method: &str| seen.iter().filter(|seen| seen.method == method).count();
        assert_eq!((count("PUT"), count("GET"), count("POST")), (2, 1, 1), "{says}");
        let compared = &office.supplier().await.compared[0];
        assert!(compared.problem.as_ref().unwrap().contains(says), "{compared:?}");
    }
}

#[tokio::test]
async fn days_that_only_the_supplier_has_are_named_and_held_ones_stay_held() {
    let mut office = Office::new();
    let digest = "ab".repeat(32);
    let list = json!([{"date": "2026-11-01", "revision": 3, "sha256": digest},
                      {"date": "2026-11-20", "revision": 9, "sha256": digest},
                      {"date": "2031-01-01", "revision": 1, "sha256": digest}]);
    let supplier = Supplier::start(&office.authority, move |seen: &Seen| {
        if seen.method == "GET" { json_of("200 OK", &list) } else { faithful(seen) }
    });
    office.url = supplier.url.clone();
    office.more = "approve = true\n".to_owned();
    office.begun("2026-11-20").await;
    office.at(Some("2026-11-21T01:00:00Z")).await;
    office.at(Some("2026-11-22T12:00:00Z")).await;
    office.scheduled().await;
    office.scheduled().await;
    assert!(supplier.delivered().is_empty());
    assert_eq!(office.only_states().await, [OutboxState::Held, OutboxState::Held]);
    let status = office.supplier().await;
    assert_eq!(status.compared[0].not_here, ["2026-11-01"]);
    let notes = office.snapshot().await.notes.join("\n");
    assert!(notes.contains("holds 1 day(s) that are not on this box, from 2026-11-01 on"), "{notes}");
}
