//! Whole days, made from the two examples of the contract: their busy half-hours in place, all others empty.
// Two test programs share this file; neither uses all of it.
#![allow(dead_code)]

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan};
use serde_json::{Value, json};
use smdrd::aggregate::document::{DayDocument, canonical};
use smdrd::push::Parcel;

/// A day of a PBX that says everything.
pub fn full_day(date: Date) -> Value {
    whole(include_str!("../contract/day-document.example.json"), date)
}

/// A day of a PBX that cannot show unanswered calls, nor ring time.
pub fn day_with_nulls(date: Date) -> Value {
    let mut day = whole(include_str!("../contract/day-document.nulls.example.json"), date);
    // The example shows one of its busy half-hours; with no other, the day's totals are that one's.
    let busy = day["slots"].as_array().unwrap().iter().find(|slot| slot["local"] == "08:00").unwrap().clone();
    for (field, total) in day["totals"].as_object_mut().unwrap() {
        *total = busy[field].clone();
    }
    day
}

fn whole(example: &str, date: Date) -> Value {
    let mut day: Value = serde_json::from_str(example).unwrap();
    let zone = TimeZone::get("Europe/London").unwrap();
    let start = date.to_zoned(zone.clone()).unwrap().timestamp();
    let end = (date + 1.day()).to_zoned(zone.clone()).unwrap().timestamp();
    let shown = day["slots"].as_array().unwrap().clone();
    let mut slots = Vec::new();
    let mut at = start;
    while at < end {
        let local = at.to_zoned(zone.clone()).strftime("%H:%M").to_string();
        let example = shown.iter().find(|slot| slot["local"] == local.as_str());
        let mut slot = example.cloned().unwrap_or_else(|| emptied(&shown[0]));
        slot["start"] = json!(at);
        slot["local"] = json!(local);
        slot["observed_s"] = if example.is_some() { slot["observed_s"].clone() } else { json!(1800) };
        slots.push(slot);
        at += SignedDuration::from_mins(30);
    }
    let seconds = end.duration_since(start).as_secs();
    day["date"] = json!(date);
    day["produced_at"] = json!(end + SignedDuration::from_mins(41));
    day["day"] = json!({"start": start, "end": end, "slots": slots.len(), "bank_holiday": false});
    day["coverage"] = json!({"observed_s": seconds - 300, "complete": false, "gaps": [
        {"start": at - SignedDuration::from_secs(300), "end": at, "cause": "link-down", "source": "reception-pbx"}]});
    day["slots"] = json!(slots);
    day
}

/// The same slot with nothing in it; what cannot be said stays unsaid.
fn emptied(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), emptied(value))).collect(),
        Value::Array(counts) => counts.iter().map(emptied).collect(),
        Value::Number(_) => json!(0),
        other => other.clone(),
    }
}

/// A revision of a day, after the one whose digest is `previous`.
pub fn revision(mut day: Value, revision: u32, previous: Option<&str>) -> Value {
    day["revision"] = json!(revision);
    day["previous"] = json!(previous.map(|sha256| format!("sha256:{sha256}")));
    day
}

/// Ready to be sent.
pub fn parcel(day: &Value) -> Parcel {
    let document: DayDocument = serde_json::from_value(day.clone()).unwrap();
    let parcel = Parcel::of(&document).unwrap();
    assert_eq!(parcel.body, canonical(day).unwrap());
    parcel
}
