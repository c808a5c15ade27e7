//! A slip of the pen in a dialect file is cited with its line and a caret, and with what was probably meant.

use std::path::Path;

use smdrd::dialect::{Dialect, FileFault};

const SOUND: &str = include_str!("typos.toml");

/// What was slipped, what stands there in a sound file, and what was written.
const TYPOS: &[(&str, &str, &str)] = &[
    ("a key that there is not", "required = true }\nstation", "requird = true }\nstation"),
    ("a key at the top", "cannot =", "canot ="),
    ("a table that there is not", "[[facts]]", "[[fact]]"),
    ("a wrong type", "at = [19, 22]", "at = \"19-22\""),
    ("a number in quotes", "most-digits = 4", "most-digits = \"4\""),
    ("a value that there is not", "type = \"duration\"", "type = \"durration\""),
    ("a kind of stamp", "kind = \"end\"", "kind = \"ends\""),
    ("column 0", "at = [1, 8]", "at = [0, 8]"),
    ("columns backwards", "at = [24, 43]", "at = [43, 24]"),
    ("column 0 of a guard", "column = 9", "column = 0"),
    ("a pattern that is none", r"'^(?<who>\d+)/(?<what>[A-Z]+)$'", r"'^(?<who>\d+)/(?<what>[A-Z+)$'"),
    ("a pattern not closed", "'^Date +Time'", "'^(Date +Time'"),
    ("a pattern that repeats nothing", "'^Date +Time'", "'*Date'"),
    ("a field that there is not", "talk = \"talk\"", "talk = \"tlak\""),
    ("a field of a stamp", "time = \"time\"\nkind", "time = \"tme\"\nkind"),
    ("a field of the wrong type", "extension = \"station\"", "extension = \"talk\""),
    ("a field of a row", "{ way = \"O\" }", "{ waay = \"O\" }"),
    ("a row that looks into a number", "when = { way = \"O\" }", "when = { number = \"07700900123\" }"),
    ("a fact that there is not", "direction = \"outbound\"", "direction = \"outwards\""),
    ("a row that no line gets to", "{ when = { way = \"O\" }", "{ when = { way = \"I\" }"),
    ("a row behind one that takes all", "{ when = { way = \"I\" }, set", "{ set"),
    ("a kind given twice", "kind = \"more\"", "kind = \"call\""),
    ("a kind that there is not", "continue = [\"more\"]", "continue = [\"mores\"]"),
    ("two places", "at = [45, 45]", "at = [45, 45], value = \"I\""),
    ("no place", "mark = { index = 1, ", "mark = { "),
    ("an index of 0", "index = 1", "index = 0"),
    ("no format", ", format = \"hh:mm:ss\" }", " }"),
    ("a format of nothing", "format = \"DD.MM.YY\"", "format = \"..\""),
    ("a cut of no field", "field = \"party\"", "field = \"partly\""),
    ("two characters between fields", "delimiter = \",\"", "delimiter = \", \""),
    ("a default that is no value", "default = \"DMY\"", "default = \"YMD\""),
    ("a word that figures do not know", "cannot = [\"hold\"]", "cannot = [\"holding\"]"),
    ("an id in capitals", "id = \"ours\"", "id = \"Ours\""),
    ("a digit too many", "most-digits = 4", "most-digits = 11"),
    ("a quote not closed", "name = \"Ours\"", "name = \"Ours"),
    ("a key given twice", "[link]\n", "[link]\nby = \"trunk\"\n"),
    ("a line that no line gets to", "when = { pattern = '^Date +Time' }\n", ""),
    ("an example that does not hold", "talk_s = 5", "talk_s = 6"),
    ("no link", "[link]\nby = \"nothing\"\n", ""),
    ("no record", "is = \"record\"", "is = \"event\""),
];

fn faults(text: &str) -> Vec<FileFault> {
    match Dialect::read("ours.toml", text) {
        Ok(dialect) => dialect.check_examples(),
        Err(faults) => faults,
    }
}

#[test]
fn each_typo_is_cited_with_its_place_and_what_to_do() {
    assert_eq!(faults(SOUND), [], "the file is sound without them");
    let mut told = String::new();
    for (what, sound, typo) in TYPOS {
        assert!(SOUND.contains(sound), "{what}: {sound}");
        let found = faults(&SOUND.replace(sound, typo));
        assert!(!found.is_empty(), "{what}: nothing is wrong with it");
        told += &format!("# {what}\n");
        for fault in &found {
            assert!(fault.shown.chars().count() + 1 >= fault.column as usize, "{what}: {fault}");
            told += &fault.cited();
        }
        told.push('\n');
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hardness/typos.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&golden, &told).unwrap();
    }
    let expected = std::fs::read_to_string(&golden).unwrap_or_default();
    assert_eq!(told, expected, "UPDATE=1 writes {} again", golden.display());
}

#[test]
fn the_caret_stands_under_the_slip() {
    for (what, sound, typo) in [
        ("inside the pattern", r"(?<what>[A-Z]+)$'", r"(?<what>[A-Z+)$'"),
        ("under the key", "requird", ""),
        ("under the value", "\"durration\"", ""),
    ] {
        let (text, at) = if typo.is_empty() {
            let (_, right, wrong) = TYPOS.iter().find(|(_, _, wrong)| wrong.contains(sound)).unwrap();
            let text = SOUND.replace(right, wrong);
            let at = text.find(sound).unwrap();
            (text, at)
        } else {
            let text = SOUND.replace(sound, typo);
            let at = text.find("[A-Z+)").unwrap();
            (text, at)
        };
        let fault = faults(&text).remove(0);
        let line = text[..at].matches('\n').count() + 1;
        let column = at - text[..at].rfind('\n').unwrap();
        assert_eq!((fault.line as usize, fault.column as usize), (line, column), "{what}: {fault}");
    }
}
