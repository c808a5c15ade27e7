//! `docs/supplier/openapi.yaml` says what the receiver's own table says.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use smdrd::supplier::contract::OPERATIONS;
use smdrd::supplier::problem::Kind;

const DESCRIPTION: &str = include_str!("../../docs/supplier/openapi.yaml");

/// Path and method, and for each status the names of its problems.
type Answers = BTreeMap<(String, String), BTreeMap<u16, BTreeSet<String>>>;

/// Reads the part of the description that matters here, by its indentation of two blanks a level.
fn described() -> Answers {
    let mut answers = Answers::new();
    let (mut path, mut method, mut status, mut within) = (String::new(), String::new(), 0, "");
    for line in DESCRIPTION.lines().filter(|line| !line.trim().is_empty()) {
        let text = line.trim_start();
        let key = text.strip_suffix(':').map(|key| key.trim_matches('\''));
        match (line.len() - text.len(), key) {
            (0, _) => within = text,
            _ if within != "paths:" => {}
            (2, Some(key)) => path = key.to_owned(),
            (4, Some(key)) => method = key.to_owned(),
            (8, Some(key)) if key.parse::<u16>().is_ok() => {
                status = key.parse().unwrap();
                answers.entry((path.clone(), method.clone())).or_default().insert(status, BTreeSet::new());
            }
            (10, None) => {
                if let Some(names) = text.strip_prefix("x-problems: [").and_then(|rest| rest.strip_suffix(']')) {
                    let names = names.split(',').map(|name| name.trim().to_owned());
                    answers.get_mut(&(path.clone(), method.clone())).unwrap().get_mut(&status).unwrap().extend(names);
                }
            }
            _ => {}
        }
    }
    answers
}

#[test]
fn the_description_and_the_table_are_the_same() {
    let mut table = Answers::new();
    for operation in OPERATIONS {
        let answers = table.entry((operation.path.to_owned(), operation.method.to_owned())).or_default();
        for status in operation.success {
            answers.insert(*status, BTreeSet::new());
        }
        for kind in operation.problems {
            answers.entry(kind.status().as_u16()).or_default().insert(kind.name().to_owned());
        }
    }
    assert_eq!(described(), table);
}

#[test]
fn every_kind_is_named_once_and_described() {
    let names: BTreeSet<&str> = Kind::ALL.into_iter().map(Kind::name).collect();
    assert_eq!(names.len(), Kind::ALL.len());
    for name in names {
        assert!(DESCRIPTION.contains(name), "{name}");
    }
}

/// The document itself is described in one place: the schema, which `tests/day_schema.rs` holds to what is sent.
#[test]
fn the_document_is_described_by_its_schema() {
    let (_, schemas) = DESCRIPTION.split_once("\n    DayDocument:\n").unwrap();
    assert!(schemas.lines().take(4).any(|line| line.trim() == "$ref: day-document.schema.json"), "{schemas}");
    let schema: Value = serde_json::from_str(include_str!("../../docs/supplier/day-document.schema.json")).unwrap();
    for (ours, theirs) in [("Ods", "ods"), ("Name", "name")] {
        let pattern = schema["$defs"][theirs]["pattern"].as_str().unwrap();
        let line = DESCRIPTION.lines().find(|line| line.starts_with(&format!("    {ours}: {{"))).unwrap();
        assert!(line.contains(&format!("pattern: '{pattern}'")), "{line}: {pattern}");
    }
    assert!(DESCRIPTION.contains("{const: smdrd.day/1}") && schema["properties"]["schema"]["const"] == "smdrd.day/1");
}
