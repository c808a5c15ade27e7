//! The day document's JSON Schema: the contract's two examples hold to it, whole days hold to it, and what is not a day
//! document does not. What is really sent in other tests is held to it where it is received.
#![cfg(feature = "supplier")]

#[path = "receiver/day.rs"]
mod day;
mod schema;

use std::collections::BTreeSet;

use day::{day_with_nulls, full_day};
use jiff::civil::date;
use schema::{SCHEMA, assert_valid, faults};
use serde_json::{Value, json};

fn the_schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

#[test]
fn it_is_a_schema_of_the_2020_draft_that_needs_nothing_from_elsewhere() {
    let schema = the_schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    let mut references = Vec::new();
    every("", &schema, &mut |_, value| references.extend(value.get("$ref").cloned()));
    assert!(references.len() > 40, "{}", references.len());
    for reference in references {
        let pointer = reference.as_str().unwrap().strip_prefix('#').unwrap_or_else(|| panic!("{reference}"));
        assert!(schema.pointer(pointer).is_some(), "{reference}");
    }
}

fn every(at: &str, value: &Value, look: &mut impl FnMut(&str, &Value)) {
    look(at, value);
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| every(&format!("{at}/{key}"), value, look)),
        Value::Array(values) => {
            values.iter().enumerate().for_each(|(index, value)| every(&format!("{at}/{index}"), value, look));
        }
        _ => {}
    }
}

#[test]
fn the_examples_of_the_contract_and_whole_days_hold_to_it() {
    for example in
        [include_str!("contract/day-document.example.json"), include_str!("contract/day-document.nulls.example.json")]
    {
        assert_valid(&serde_json::from_str(example).unwrap());
    }
    for day in [date(2026, 11, 20), date(2026, 3, 29), date(2026, 10, 25)] {
        assert_valid(&full_day(day));
        assert_valid(&day_with_nulls(day));
    }
    let mut later = full_day(date(2026, 11, 20));
    later["new"] = json!({"a": [1]});
    later["slots"][0]["inbound"]["new"] = json!("x");
    assert_valid(&later);
}

#[test]
fn every_member_of_a_document_is_described_and_every_described_one_is_there() {
    let (schema, day) = (the_schema(), full_day(date(2026, 11, 20)));
    let mut described = BTreeSet::new();
    every("", &schema, &mut |at, value| {
        if let Some(Value::Object(members)) = value.get("properties") {
            described.extend(members.keys().cloned());
            members.iter().for_each(|(name, rule)| {
                assert!(rule.get("description").is_some(), "{at}: {name} is not described");
            });
            let required: BTreeSet<&str> =
                value["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            assert!(required.iter().all(|name| members.contains_key(*name)), "{at}: {required:?}");
        }
    });
    let mut named = BTreeSet::new();
    every("", &day, &mut |at, value| {
        if let (Value::Object(members), false) = (value, at.ends_with("/absent")) {
            named.extend(members.keys().cloned());
        }
    });
    // Seen on real days only, see `aggregate::document::Internal` and `SourceDay`.
    named.insert("calls_seen".to_owned());
    named.extend(
        ["may_repeat", "missing", "lost_s", "records", "clock_corrected_s", "clock_fault", "diverted_outside_is_staff"]
            .map(str::to_owned),
    );
    assert_eq!(described, named);
}

#[test]
fn a_member_that_is_absent_or_of_another_type_is_refused_wherever_it_is() {
    let day = full_day(date(2026, 11, 20));
    let mut places = Vec::new();
    every("", &day, &mut |at, _| places.push(at.to_owned()));
    let mut tried = 0;
    // One slot stands for all.
    for at in places.iter().filter(|at| !at.is_empty() && (!at.starts_with("/slots/") || at.starts_with("/slots/16"))) {
        let (parent, name) = at.rsplit_once('/').unwrap();
        let spare = parent == "/cbt/absent" || parent.ends_with("_wait") || parent.ends_with("_talk");
        let mut without = day.clone();
        if let Some(fields) = without.pointer_mut(parent).and_then(Value::as_object_mut)
            && !spare
        {
            fields.remove(name);
            assert!(!faults(&without).is_empty(), "without {at}");
        }
        let mut other = day.clone();
        // What a number may be, a list of tables is not, and so for all.
        *other.pointer_mut(at).unwrap() = json!([{"no": "such"}]);
        assert!(!faults(&other).is_empty(), "{at} as a list");
        *other.pointer_mut(at).unwrap() = json!(-1.5);
        assert!(!faults(&other).is_empty(), "{at} as a fraction");
        tried += 1;
    }
    assert!(tried > 120, "only {tried} places");
}

type Change = fn(&mut Value);

#[test]
fn values_that_cannot_be_are_refused() {
    let changes: [(&str, Change); 22] = [
        ("/schema", |day| day["schema"] = json!("smdrd.day/2")),
        ("/practice/ods", |day| day["practice"]["ods"] = json!("a81001")),
        ("/practice/ods", |day| day["practice"]["ods"] = json!("A810012")),
        ("/practice/site", |day| day["practice"]["site"] = json!("..")),
        ("/device", |day| day["device"] = json!("box one")),
        ("/source_system", |day| day["source_system"] = json!("cloud")),
        ("/date", |day| day["date"] = json!("2026-11-31")),
        ("/date", |day| day["date"] = json!("20.11.2026")),
        ("/revision", |day| day["revision"] = json!(0)),
        ("/revision", |day| day["revision"] = json!(4_294_967_296_u64)),
        ("/produced_at", |day| day["produced_at"] = json!("2026-11-21T00:41:07")),
        ("/produced_at", |day| day["produced_at"] = json!("2026-11-21T01:41:07+01:00")),
        ("/day/slots", |day| day["day"]["slots"] = json!(0)),
        ("/edges_s", |day| day["edges_s"] = json!([0, 30, 60])),
        ("/slots", |day| day["slots"] = json!([])),
        ("/slots/3/local", |day| day["slots"][3]["local"] = json!("24:00")),
        ("/slots/3/observed_s", |day| day["slots"][3]["observed_s"] = json!(1_801)),
        ("/slots/16/inbound/calls_seen", |day| day["slots"][16]["inbound"]["calls_seen"] = Value::Null),
        ("/slots/16/inbound/answered_wait", |day| day["slots"][16]["inbound"]["answered_wait"] = json!([1, 2, 3])),
        ("/totals/inbound/answered", |day| day["totals"]["inbound"]["answered"] = json!(-1)),
        ("/previous", |day| day["previous"] = json!("sha256:short")),
        ("/cbt/absent", |day| day["cbt"]["absent"] = json!({"CBT001": 0})),
    ];
    for (place, change) in changes {
        let mut day = full_day(date(2026, 11, 20));
        assert_eq!(faults(&day), [""; 0]);
        change(&mut day);
        let faults = faults(&day);
        assert!(!faults.is_empty() && faults.iter().all(|fault| fault.starts_with(place)), "{place}: {faults:?}");
    }
}
