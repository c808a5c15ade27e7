//! `docs/proof.md`: what was played and compared, a row a family. The table is written from the same values that the
//! tests go by, and a test fails when it is not what they give (`UPDATE=1` writes it).

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::families;

const PAGE: &str = "docs/proof.md";
const BEGIN: &str = "<!-- written by tests/families; UPDATE=1 cargo test --test families proof -->\n";
const END: &str = "<!-- end -->";

fn table() -> String {
    let mut text = String::from(
        "| family | played over | calls | seen | lines | figures compared | null | remarks |\n\
         |---|---|--:|--:|--:|--:|---|---|\n",
    );
    for family in families() {
        let day = family.day();
        let lines = (family.print)(&day);
        let figures = family.compare(&day, &lines, &Value::Null).figures;
        let null = if family.cannot.is_empty() { "nothing".to_owned() } else { family.cannot.join(", ") };
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {figures} | {null} | {} |",
            family.name,
            family.transport,
            day.calls.len(),
            family.expected(&day).seen,
            lines.len(),
            family.remark
        )
        .unwrap();
    }
    text
}

#[test]
fn the_page_says_what_is_played() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the mark before the table");
    let (given, after) = rest.split_once(END).expect("the mark after the table");
    let table = table();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(given, table, "{PAGE} has drifted: UPDATE=1 cargo test --test families proof");
}
