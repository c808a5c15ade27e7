//! Holds documents to `docs/supplier/day-document.schema.json`, with a validator that is not ours. Every test that lets
//! documents be sent holds all of them to it.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

pub const SCHEMA: &str = include_str!("../../docs/supplier/day-document.schema.json");

pub static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
    let schema = serde_json::from_str(SCHEMA).unwrap();
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap()
});

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
