//! A thousand boxes, or as many as `SMDRD_FLEET` says.

use std::time::Instant;

use jiff::ToSpan;
use serde_json::json;

use super::store::{Store, day};

/// Of what is asked about a site's day.
fn body(observed_s: u32) -> String {
    let source = json!({"dialect": "avaya-ipoffice", "lines": 1_000, "unparsed": 1, "clock_offset_s": 3});
    json!({"coverage": {"observed_s": observed_s}, "day": {"slots": 48}, "sources": [source]}).to_string()
}

#[test]
fn a_thousand_boxes_are_a_few_queries_and_one_page() {
    let boxes: u32 = std::env::var("SMDRD_FLEET").map_or(1_000, |number| number.parse().unwrap());
    let store = Store::new();
    let mut db = rusqlite::Connection::open(store.path()).unwrap();
    let work = db.transaction().unwrap();
    {
        let mut keep = work
            .prepare(
                "INSERT INTO day_revision
                 (ods, site, date, revision, sha256, body, schema, device, receipt_id, received_at, warnings)
                 VALUES (?1, 'main', ?2, 1, ?3, ?4, 'smdrd.day/1', ?5, ?3, ?6, '[]')",
            )
            .unwrap();
        let mut beat =
            work.prepare("INSERT INTO heartbeat VALUES (?1, '2026-11-21T02:00:00.000000000Z', ?2, 0, ?3)").unwrap();
        let said = json!({"version": "1.2.3", "certificate_days": 80, "alerts": {}}).to_string();
        let (well, ill) = (body(86_400), body(40_000));
        for number in 0..boxes {
            let (ods, device) = (format!("A{number:05}"), format!("smdrd-{number}"));
            // Every tenth is late, every tenth but one gappy, the rest well.
            let (until, body) =
                if number % 10 == 0 { (18, &well) } else { (20, if number % 10 == 1 { &ill } else { &well }) };
            for back in 0..45 {
                let date = day(until) - back.days();
                let came = format!("{}T02:00:00Z", date + 1.day());
                let receipt = format!("{ods}{date}");
                keep.execute((&ods, date.to_string(), receipt, body.as_bytes(), &device, came)).unwrap();
            }
            beat.execute((&device, &ods, &said)).unwrap();
        }
    }
    work.commit().unwrap();
    drop(db);

    let file = store.folder.path().join("fleet.html");
    let began = Instant::now();
    let (code, fleet) = store.json("2026-11-21T13:00:00Z", &["--html", file.to_str().unwrap()]);
    let took = began.elapsed();
    assert_eq!(code, 1);
    let tenth = boxes / 10;
    assert_eq!(
        fleet["counts"],
        json!({"silent": 0, "late": tenth, "gappy": tenth, "unwell": 0, "well": boxes - 2 * tenth})
    );
    let states: Vec<&str> =
        fleet["members"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap()).collect();
    let rank = |state: &&str| ["silent", "late", "gappy", "unwell", "well"].iter().position(|one| one == state);
    assert!(states.is_sorted_by_key(rank));
    let page = std::fs::read_to_string(&file).unwrap();
    assert_eq!(page.matches("scope=\"row\"").count(), boxes as usize);
    assert!(page.find("A00000").unwrap() < page.find("A00001").unwrap());
    println!("{boxes} boxes: {took:.1?}, page of {} kB", page.len() / 1_000);
    if let Ok(keep) = std::env::var("SMDRD_FLEET_PAGE") {
        std::fs::copy(&file, keep).unwrap();
    }
    // Not a measure: what grows with the square of the boxes takes minutes.
    assert!(took.as_secs() < 120, "{took:?}");
}
