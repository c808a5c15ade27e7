//! Text to types. serde stops at the first thing it does not like; here what it did not like is taken out and the rest
//! is read again, so that every fault is found at once. toml's words are put into those of the person at the keyboard.

use std::ops::Range;

use serde::Deserialize;
use toml::de::{DeTable, Deserializer};

use super::document::{Document, take_out};
use super::keys::{self, find, header, homes, nearest};
use super::{Config, Fault, Severity};

/// More faults than this at once help nobody.
const MOST: usize = 50;

/// The configuration in `text` with the places of its fields, or everything that cannot be read.
pub fn parse(text: &str) -> (Document<'_>, Result<Config, Vec<Fault>>) {
    let (mut table, broken) = DeTable::parse_recoverable(text);
    let document = Document::new(text, table.get_ref());
    if !broken.is_empty() {
        let mut faults: Vec<Fault> = broken.iter().take(MOST).map(|error| syntax(&document, text, error)).collect();
        // The tokeniser trips more than once over the same slip; the first word on a line is the useful one.
        faults.dedup_by_key(|fault| fault.line);
        return (document, Err(faults));
    }
    let mut faults = Vec::new();
    loop {
        match Config::deserialize(Deserializer::from(table.clone())) {
            Ok(config) if faults.is_empty() => return (document, Ok(config)),
            Ok(_) => return (document, Err(faults)),
            Err(error) => {
                let span = error.span().unwrap_or(0..0);
                let fault = translate(&document, text, &span, error.message());
                // What was taken out for its type is now missing: that is no second fault.
                if !faults.iter().any(|earlier| earlier.field == fault.field) {
                    faults.push(fault);
                }
                if faults.len() == MOST || !take_out(table.get_mut(), &span) {
                    return (document, Err(faults));
                }
            }
        }
    }
}

/// A slip in the notation itself.
fn syntax(document: &Document<'_>, text: &str, error: &toml::de::Error) -> Fault {
    let span = error.span().unwrap_or(0..0);
    let message = error.message();
    let written = text.get(span.clone()).unwrap_or("").trim();
    let mut path = document.path_at(&span).or_else(|| document.path_on_line_of(&span)).unwrap_or("").to_owned();
    let (reason, remedy) = if message.starts_with("duplicate key") {
        path = written.to_owned();
        (format!("`{written}` is given twice"), "keep one of the two".to_owned())
    } else if message.starts_with("string values must be quoted") {
        ("a word without quotes".to_owned(), "put it in quotes".to_owned())
    } else if message.contains("invalid basic string") || message.contains("invalid literal string") {
        ("a quote is not closed".to_owned(), "close it on the same line".to_owned())
    } else if message.contains("escape") {
        let remedy = "in double quotes a backslash starts an escape: use single quotes, or write it twice".to_owned();
        ("a backslash that says nothing".to_owned(), remedy)
    } else {
        let remedy = "write `key = value`, `[table]` or `[[table]]`; docs/config.md has an example of each".to_owned();
        (format!("not TOML: {message}"), remedy)
    };
    document.fault_at(Severity::Fault, &path, &span, false, reason, remedy)
}

/// What serde says about a field, as a fault with a remedy.
fn translate(document: &Document<'_>, text: &str, span: &Range<usize>, message: &str) -> Fault {
    let path = document.path_at(span).unwrap_or("").to_owned();
    let words = quoted(message);
    let known = find(&path);
    let example = known.map_or_else(|| "see docs/config.md".to_owned(), |key| format!("write `{}`", key.example));
    let (reason, remedy) = if message.starts_with("unknown field") {
        unknown(&path, words)
    } else if message.starts_with("missing field") {
        let name = words.first().copied().unwrap_or_default();
        let missing = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let remedy = match find(&missing) {
            Some(key) => format!("add `{}`", key.example),
            None => format!("add `{name} = …`"),
        };
        return document.fault_at(Severity::Fault, &missing, span, false, format!("`{name}` is missing"), remedy);
    } else if message.starts_with("unknown variant") {
        let word = words.first().copied().unwrap_or_default();
        let choices = words.get(1..).unwrap_or_default();
        let listed = choices.iter().map(|choice| format!("\"{choice}\"")).collect::<Vec<_>>().join(", ");
        match nearest(word, choices.iter().copied()) {
            Some(near) => (format!("\"{word}\" is none of {listed}"), format!("did you mean \"{near}\"?")),
            None => (format!("\"{word}\" is none of {listed}"), format!("write one of {listed}")),
        }
    } else if message.starts_with("invalid type: map, expected a sequence") {
        let remedy = format!("write `[[{path}]]`, in double brackets; there may be several");
        (format!("[{path}] is a single table"), remedy)
    } else if message.starts_with("invalid socket address") {
        ("not an address with a port".to_owned(), example + "; 0.0.0.0 listens on every interface")
    } else if message.starts_with("invalid IP address") {
        ("not an address".to_owned(), "write a plain address such as \"192.0.2.10\": no name, port or mask".to_owned())
    } else {
        let found = match kind_of(text.get(span.clone()).unwrap_or("")) {
            "a number" if message.starts_with("invalid value") => "a number that does not fit",
            "text in quotes" if message.starts_with("invalid value: string") => "none of what it can be",
            found => found,
        };
        match known {
            Some(key) => (format!("{found}, where smdrd wants {}", key.wants), example),
            None => (format!("{found}: {}", message.split(':').next().unwrap_or(message)), example),
        }
    };
    document.fault_at(Severity::Fault, &path, span, true, reason, remedy)
}

/// A key that nobody reads.
fn unknown(path: &str, words: Vec<&str>) -> (String, String) {
    let name = words.first().copied().unwrap_or_default();
    let here = words.get(1..).unwrap_or_default();
    let table = path.rsplit_once('.').map_or("", |(table, _)| table);
    let place = if table.is_empty() {
        "at the top of the file".to_owned()
    } else {
        format!("in {}", header(&keys::without_indices(table)))
    };
    let reason = format!("there is no key `{name}` {place}");
    let remedy = if matches!(name, "token" | "password" | "secret" | "passphrase") {
        let file = match table {
            "alerts" => "webhook-token-file",
            _ if table.contains("tcp-connect") || table.contains("mail") => "password-file",
            _ => "token-file",
        };
        format!("secrets are not kept in this file: put it in one that only smdrd can read and name that with `{file}`")
    } else if let Some(near) = nearest(name, here.iter().copied()) {
        format!("did you mean `{near}`?")
    } else if let [home, ..] = homes(name)[..] {
        format!("`{name}` belongs in {}", header(home))
    } else {
        format!("the keys here are {}; take it out if it is none of them", here.join(", "))
    };
    (reason, remedy)
}

/// The words in backticks.
fn quoted(message: &str) -> Vec<&str> {
    message.split('`').skip(1).step_by(2).collect()
}

/// What a value is, by its first character.
fn kind_of(written: &str) -> &'static str {
    match written.trim_start().chars().next() {
        Some('"' | '\'') => "text in quotes",
        Some('[') if written.trim_start().starts_with("[[") => "a list of tables",
        Some('[') => "a list or table",
        Some('{') => "a table in braces",
        Some('t' | 'f') => "true or false",
        Some(c) if c.is_ascii_digit() || matches!(c, '-' | '+' | '.') => "a number",
        _ => "something else",
    }
}
