//! Whole days of many practices: a dozen different ones for each date, under each practice's own name.

use jiff::civil::Date;
use serde_json::{Value, json};
use smdrd::aggregate::document::{DayDocument, canonical};

use crate::day::full_day;

/// The code that stands in a template where a practice's is to stand; all codes are as long.
const NOBODY: &str = "A00000";
const DIFFERENT: u64 = 12;

/// ODS code of the nth practice.
pub fn ods(nth: usize) -> String {
    format!("{}{:05}", ["B", "C", "D", "E"][nth % 4], nth + 10_000)
}

/// The days of one date.
pub struct Day {
    pub date: Date,
    templates: Vec<String>,
}

impl Day {
    pub fn new(date: Date) -> Day {
        let templates = (0..DIFFERENT).map(|seed| template(date, seed + 1)).collect();
        Day { date, templates }
    }

    /// The document of the nth practice, canonical.
    pub fn of(&self, nth: usize) -> Vec<u8> {
        let template = &self.templates[nth % self.templates.len()];
        template.replace(NOBODY, &ods(nth)).into_bytes()
    }
}

fn template(date: Date, seed: u64) -> String {
    let mut state = seed ^ (u64::from(date.day().unsigned_abs()) << 32);
    let mut below = |bound: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    let mut day = full_day(date);
    day["practice"] = json!({"ods": NOBODY, "site": "main"});
    day["device"] = json!(format!("smdrd-{NOBODY}"));
    let slots = day["slots"].as_array_mut().expect("a day has slots");
    let length = slots.len() as u64 * 1_800;
    let mut totals: std::collections::BTreeMap<&str, Value> = std::collections::BTreeMap::new();
    for slot in slots {
        let answered: Vec<u64> = (0..9).map(|_| below(5)).collect();
        let missed: Vec<u64> = (0..9).map(|_| below(2)).collect();
        let mut talk = answered.clone();
        talk.rotate_left(3);
        let (menu, callback) = (below(6), below(2));
        let sum = |counts: &[u64]| counts.iter().sum::<u64>();
        let calls = sum(&answered) + sum(&missed) + menu + callback;
        slot["observed_s"] = json!(1800);
        slot["callbacks_made"] = json!(callback);
        let figures = [
            ("calls", json!(calls)),
            ("calls_seen", json!(calls)),
            ("ivr_ended", json!(menu)),
            ("answered", json!(sum(&answered))),
            ("callback_requested", json!(callback)),
            ("missed", json!(sum(&missed))),
            ("missed_voicemail", json!(0)),
            ("answered_wait_unknown", json!(0)),
            ("answered_talk_unknown", json!(0)),
            ("missed_wait_unknown", json!(0)),
            ("answered_wait", json!(answered)),
            ("answered_talk", json!(talk)),
            ("missed_wait", json!(missed)),
        ];
        for (key, value) in figures {
            let total = totals
                .entry(key)
                .or_insert_with(|| if value.is_array() { Value::from(vec![0_u64; 9]) } else { json!(0) });
            *total = added(total, &value);
            slot["inbound"][key] = value;
        }
    }
    day["coverage"] = json!({"observed_s": length, "complete": true, "gaps": []});
    for (key, total) in &totals {
        day["totals"]["inbound"][*key] = total.clone();
    }
    day["totals"]["callbacks_made"] = totals["callback_requested"].clone();
    for (code, key) in [
        ("CBT001", "calls"),
        ("CBT002", "ivr_ended"),
        ("CBT003", "answered"),
        ("CBT004", "missed"),
        ("CBT005", "callback_requested"),
        ("CBT006", "callback_requested"),
        ("CBT007", "answered"),
    ] {
        day["cbt"][code] = totals[key].clone();
    }
    let document: DayDocument = serde_json::from_value(day).expect("a day is a document");
    String::from_utf8(canonical(&document).expect("a document can be written")).expect("JSON is text")
}

fn added(sum: &Value, part: &Value) -> Value {
    match (sum, part) {
        (Value::Array(sum), Value::Array(part)) => sum.iter().zip(part).map(|(sum, part)| added(sum, part)).collect(),
        _ => json!(sum.as_u64().unwrap_or_default() + part.as_u64().unwrap_or_default()),
    }
}
