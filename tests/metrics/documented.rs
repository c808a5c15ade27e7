//! `docs/metrics.md` names every figure of the day document, every rule, every definition and everything that a format may
//! lack; it says of each CBT figure how sure it is.

use std::collections::BTreeSet;

use serde_json::Value;
use smdrd::aggregate::definitions::DEFINITIONS;
use smdrd::call::rules::Rule;
use smdrd::dialect::CANNOT;

const METRICS: &str = include_str!("../../docs/metrics.md");

/// Names of properties, as deep as the schema goes.
fn names(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            for (key, value) in object {
                if let ("properties", Value::Object(properties)) = (key.as_str(), value) {
                    found.extend(properties.keys().cloned());
                }
                names(value, found);
            }
        }
        Value::Array(all) => all.iter().for_each(|value| names(value, found)),
        _ => {}
    }
}

#[test]
fn every_name_of_the_document_is_documented() {
    let schema: Value = serde_json::from_str(include_str!("../../docs/supplier/day-document.schema.json")).unwrap();
    let mut found = BTreeSet::new();
    names(&schema, &mut found);
    assert!(found.len() > 60, "{found:?}");
    let lacking: Vec<&String> = found.iter().filter(|name| !METRICS.contains(&format!("`{name}`"))).collect();
    assert_eq!(lacking, Vec::<&String>::new(), "docs/metrics.md has no `NAME` for these");
}

#[test]
fn every_rule_definition_and_lack_is_documented() {
    for rule in Rule::ALL {
        assert!(METRICS.contains(&format!("`{}`", rule.name())), "docs/metrics.md lacks {rule:?}");
    }
    for definition in &DEFINITIONS {
        assert!(METRICS.contains(&format!("`{}`", definition.id)), "docs/metrics.md lacks {}", definition.id);
    }
    for word in CANNOT {
        assert!(METRICS.contains(&format!("`{word}`")), "docs/metrics.md lacks {word}");
    }
}

#[test]
fn every_cbt_figure_says_how_sure_it_is_and_by_what() {
    for code in ["CBT001", "CBT002", "CBT003", "CBT004", "CBT005", "CBT006", "CBT007"] {
        let section = METRICS.split("\n### ").find(|section| section.starts_with(code));
        let section = section.unwrap_or_else(|| panic!("no section for {code}"));
        for word in ["**Definition**", "**Source**", "**Sure**", "**Open**", "**Here**", "**Null**"] {
            assert!(section.contains(word), "{code} lacks {word}");
        }
        assert!(["certain", "third party", "inferred"].iter().any(|sure| section.contains(sure)), "{code}");
    }
}
