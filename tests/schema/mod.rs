//! Holds what travels to the schemas in `docs/supplier`, with a validator that is not ours. Every test that lets documents
//! be sent holds all of them to theirs.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

pub const SCHEMA: &str = include_str!("../../docs/supplier/day-document.schema.json");

pub static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| validator(SCHEMA));

/// What travels beside the documents.
#[allow(dead_code)]
pub const OTHERS: [(&str, &str); 4] = [
    ("receipt", include_str!("../../docs/supplier/receipt.schema.json")),
    ("problem", include_str!("../../docs/supplier/problem.schema.json")),
    ("manifest", include_str!("../../docs/supplier/manifest.schema.json")),
    ("heartbeat", include_str!("../../docs/supplier/heartbeat.schema.json")),
];

pub fn validator(schema: &str) -> Validator {
    let schema = serde_json::from_str(schema).unwrap();
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap()
}

/// Holds a receipt, problem, manifest or heartbeat to its schema.
#[track_caller]
#[allow(dead_code)]
pub fn assert_is(name: &str, value: &Value) {
    static VALIDATORS: LazyLock<Vec<(&str, Validator)>> =
        LazyLock::new(|| OTHERS.iter().map(|(name, schema)| (*name, validator(schema))).collect());
    let (_, validator) = VALIDATORS.iter().find(|(known, _)| *known == name).unwrap();
    let faults: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(faults.is_empty(), "{name} {value}: {faults:#?}");
}

/// What is wrong with a document, each with where.
pub fn faults(document: &Value) -> Vec<String> {
    VALIDATOR.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[track_caller]
#[allow(dead_code)]
pub fn assert_valid(document: &Value) {
    let faults = faults(document);
    assert!(faults.is_empty(), "{} {}: {faults:#?}", document["date"], document["revision"]);
}

/// Everything that a receiver holds.
#[allow(dead_code)]
pub fn assert_all_valid(store: &rusqlite::Connection) {
    let mut query = store.prepare("SELECT body FROM day_revision").unwrap();
    let bodies = query.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    bodies.for_each(|body| assert_valid(&serde_json::from_slice(&body.unwrap()).unwrap()));
}
