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

/// What travels is described in one place each: by its schema, which is held to what is sent where it is sent.
#[test]
fn what_travels_is_described_by_its_schema() {
    for (schema, file) in [
        ("Problem", "problem"),
        ("Receipt", "receipt"),
        ("Manifest", "manifest"),
        ("DayDocument", "day-document"),
        ("Heartbeat", "heartbeat"),
    ] {
        let (_, described) = DESCRIPTION.split_once(&format!("\n    {schema}:\n")).unwrap();
        let reference = format!("$ref: {file}.schema.json");
        assert!(described.lines().take(2).any(|line| line.trim() == reference), "{schema}: {described}");
    }
    let schema: Value = serde_json::from_str(crate::schema::SCHEMA).unwrap();
    for (ours, theirs) in [("Ods", "ods"), ("Name", "name")] {
        let pattern = schema["$defs"][theirs]["pattern"].as_str().unwrap();
        let line = DESCRIPTION.lines().find(|line| line.starts_with(&format!("    {ours}: {{"))).unwrap();
        assert!(line.contains(&format!("pattern: '{pattern}'")), "{line}: {pattern}");
    }
    assert!(DESCRIPTION.starts_with("openapi: 3.1.") && schema["properties"]["schema"]["const"] == "smdrd.day/1");
}

/// The schemas are of the 2020 draft, need nothing from elsewhere, describe every member, and refuse something.
#[test]
fn the_schemas_are_schemas() {
    for (name, text) in crate::schema::OTHERS {
        let schema: Value = serde_json::from_str(text).unwrap();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{name}");
        assert_eq!(schema["$id"], format!("urn:smdrd:schema:{name}:1"));
        jsonschema::draft202012::meta::validate(&schema).unwrap();
        let validator = crate::schema::validator(text);
        assert!(!validator.is_valid(&Value::from("x")) && !validator.is_valid(&serde_json::json!([{}])), "{name}");
        let members = schema.get("properties").or_else(|| schema["items"].get("properties")).unwrap();
        for (member, rule) in members.as_object().unwrap() {
            assert!(rule["description"].is_string(), "{name}: {member}");
        }
    }
}
