//! Where everything stands in the text: from a field's path to its place, and back.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Fault, Severity, citation};

/// One key of the file, or one element of an array.
struct Place {
    path: String,
    key: Range<usize>,
    value: Range<usize>,
    table: bool,
}

/// A configuration's text with the places of its fields.
pub struct Document<'a> {
    text: &'a str,
    /// The same text without secrets, for what is shown. Byte offsets of both agree up to the stars of a secret that
    /// is not ASCII; lines and columns always agree.
    shown: String,
    places: Vec<Place>,
}

impl<'a> Document<'a> {
    /// The places of every field of `table`, which was read from `text`.
    pub fn new(text: &'a str, table: &DeTable<'_>) -> Document<'a> {
        let mut places = Vec::new();
        walk("", table, &mut places);
        Document { text, shown: citation::without_secrets(text), places }
    }

    /// The text for citation, without secrets.
    pub fn into_shown(self) -> String {
        self.shown
    }

    /// The field whose key or value covers exactly `span`, by preference the innermost.
    pub fn path_at(&self, span: &Range<usize>) -> Option<&str> {
        let exact = |place: &&Place| place.value == *span || place.key == *span;
        self.places.iter().rev().find(exact).map(|place| place.path.as_str())
    }

    /// The field whose value begins on the line on which `span` begins.
    pub fn path_on_line_of(&self, span: &Range<usize>) -> Option<&str> {
        let line = |offset| line_and_column(self.text, offset).0;
        let wanted = line(span.start);
        let on_line = |place: &&Place| !place.table && line(place.value.start) == wanted;
        self.places.iter().rev().find(on_line).map(|place| place.path.as_str())
    }

    /// Whether the file says anything at `path`.
    pub fn has(&self, path: &str) -> bool {
        self.places.iter().any(|place| place.path == path)
    }

    /// A fault of the field at `path`; of the table that would hold it when the file does not
    /// name it, and of the file as a whole when that is not there either.
    pub fn fault(&self, severity: Severity, path: &str, reason: String, remedy: String) -> Fault {
        let mut around = path;
        loop {
            if let Some(place) = self.places.iter().find(|place| place.path == around) {
                return self.fault_at(severity, path, &place.value, !place.table && around == path, reason, remedy);
            }
            match around.rfind(['.', '[']) {
                Some(cut) => around = &around[..cut],
                None => {
                    let (field, value) = (path.to_owned(), String::new());
                    return Fault { severity, line: 0, column: 0, length: 0, field, value, reason, remedy };
                }
            }
        }
    }

    /// A fault at `span`, whose text is cited as the value when `is_value`.
    pub fn fault_at(
        &self,
        severity: Severity,
        path: &str,
        span: &Range<usize>,
        is_value: bool,
        reason: String,
        remedy: String,
    ) -> Fault {
        let start = floor(self.text, span.start);
        let end = floor(self.text, span.end).max(start);
        let (line, column) = line_and_column(self.text, start);
        let first_line = self.text[start..end].lines().next().unwrap_or("");
        let length = first_line.chars().count();
        // By line and column, not by offset: the stars of a secret may be shorter than the secret.
        let shown = self.shown.lines().nth(line - 1).unwrap_or("").chars().skip(column - 1).take(length);
        let value = if is_value { shown.collect() } else { String::new() };
        Fault { severity, line, column, length: length.max(1), field: path.to_owned(), value, reason, remedy }
    }
}

/// The last character boundary at or before `offset`.
fn floor(text: &str, offset: usize) -> usize {
    (0..=offset.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// Line and column, both from 1, of the byte at `offset`.
pub fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..floor(text, offset)];
    let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    (line, before[start..].chars().count() + 1)
}

fn walk(path: &str, table: &DeTable<'_>, places: &mut Vec<Place>) {
    for (key, value) in table {
        let inner = if path.is_empty() { key.get_ref().to_string() } else { format!("{path}.{}", key.get_ref()) };
        note(inner, key.span(), value, places);
    }
}

fn note(path: String, key: Range<usize>, value: &Spanned<DeValue<'_>>, places: &mut Vec<Place>) {
    let table = matches!(value.get_ref(), DeValue::Table(_));
    places.push(Place { path: path.clone(), key, value: value.span(), table });
    match value.get_ref() {
        DeValue::Table(inner) => walk(&path, inner, places),
        DeValue::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                note(format!("{path}[{index}]"), element.span(), element, places);
            }
        }
        _ => {}
    }
}

/// Takes the entry or element at `span` out of `table`, so that what is left can be read for further faults. False
/// when there is none.
pub fn take_out(table: &mut DeTable<'_>, span: &Range<usize>) -> bool {
    let found = table.iter().find(|(key, value)| key.span() == *span || value.span() == *span);
    if let Some(name) = found.map(|(key, _)| key.clone()) {
        // An array of tables has the span of its first element: that one goes, the others stay.
        if let Some(value) = table.get_mut(&name)
            && let DeValue::Array(elements) = value.get_mut()
            && name.span() != *span
            && take_from(elements, span)
        {
            return true;
        }
        return table.remove(&name).is_some();
    }
    table.iter_mut().any(|(_, value)| match value.get_mut() {
        DeValue::Table(inner) => take_out(inner, span),
        DeValue::Array(elements) => take_from(elements, span),
        _ => false,
    })
}

fn take_from(elements: &mut toml::de::DeArray<'_>, span: &Range<usize>) -> bool {
    if elements.iter().any(|element| element.span() == *span) {
        let kept = elements.iter().filter(|element| element.span() != *span).cloned().collect();
        *elements = kept;
        return true;
    }
    elements.iter_mut().any(|element| match element.get_mut() {
        DeValue::Table(inner) => take_out(inner, span),
        _ => false,
    })
}
