//! Runs the examples that a dialect file carries.

use serde_json::Value as Json;

use super::file::ExampleFile;
use super::plan::Plan;
use super::state::SourceState;
use super::{Holds, Line, Mark, Reading, Settled, What};
use crate::record::Record;

/// The keys that masking may change.
const MASKED_KEYS: [&str; 4] = ["ddi", "cli", "dialled", "account"];

/// What is different from what the example says, in words.
pub(super) fn differences(plan: &Plan, example: &ExampleFile) -> Vec<String> {
    let (records, marks) = run(plan, example.lines.lines().map(str::as_bytes));
    let mut differences = Vec::new();
    if records.len() != example.records.len() {
        differences.push(format!("the lines give {} records, not {}", records.len(), example.records.len()));
    }
    for (number, (record, expected)) in records.iter().zip(&example.records).enumerate() {
        let ours = record.to_json();
        for (key, value) in expected {
            let expected = serde_json::to_value(value).unwrap_or(Json::Null);
            let actual = ours.get(key).cloned().unwrap_or(Json::Null);
            if actual != expected {
                let number = number.saturating_add(1);
                differences.push(format!("record {number}: {key} is {actual}, the example says {expected}"));
            }
        }
    }
    let masked: Vec<Vec<u8>> =
        example.lines.lines().zip(&marks).map(|(line, marks)| masked(line.as_bytes(), marks)).collect();
    let (again, _) = run(plan, masked.iter().map(Vec::as_slice));
    let bare = |records: &[Record]| -> Vec<_> {
        records
            .iter()
            .map(|record| {
                let mut keys = record.to_json();
                keys.retain(|key, _| !MASKED_KEYS.contains(&key.as_str()));
                (keys, record.leg, record.party, record.disposition, record.ddi.is_some(), record.cli.is_some())
            })
            .collect()
    };
    if bare(&records) != bare(&again) {
        differences.push("masked, the lines give other records: a rule looks into a number, a name or a text".into());
    }
    differences
}

/// The records of an example's lines.
pub(super) fn records(plan: &Plan, lines: &str) -> Vec<Record> {
    run(plan, lines.lines().map(str::as_bytes)).0
}

fn run<'a>(plan: &Plan, lines: impl Iterator<Item = &'a [u8]>) -> (Vec<Record>, Vec<Vec<Mark>>) {
    let mut state = SourceState::default();
    let mut reading = Reading::default();
    let mut records = Vec::new();
    let mut marks = Vec::new();
    let mut take = |reading: &mut Reading| {
        for Settled { what, .. } in reading.settled.drain(..) {
            if let What::Record(record) = what {
                records.push(*record);
            }
        }
    };
    for (no, bytes) in (1..).zip(lines) {
        // The day only stands in where an example prints neither year nor date and assumes none.
        let line = Line { no, bytes, kept: &[], today: jiff::civil::date(2026, 1, 1) };
        plan.step(&mut state, &line, &mut reading);
        marks.push(std::mem::take(&mut reading.marks));
        take(&mut reading);
    }
    plan.idle(&mut state, &mut reading);
    take(&mut reading);
    (records, marks)
}

/// The line with every digit of a number 0, and names and accounts A and 9. Stricter than what `privacy` writes.
fn masked(line: &[u8], marks: &[Mark]) -> Vec<u8> {
    let mut masked = line.to_vec();
    for mark in marks {
        let Some(part) = masked.get_mut(usize::from(mark.start)..usize::from(mark.end)) else { continue };
        for byte in part {
            *byte = match (&mark.holds, *byte) {
                (Holds::Number(_), b'0'..=b'9') => b'0',
                (Holds::Name | Holds::Account, b'0'..=b'9') => b'9',
                (Holds::Name | Holds::Account, b'A'..=b'Z' | b'a'..=b'z') => b'A',
                (_, other) => other,
            };
        }
    }
    masked
}
