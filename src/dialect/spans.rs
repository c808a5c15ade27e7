//! Where the fields of a line stand, for showing them.

use super::file::Type;
use super::layout::trimmed;
use super::plan::Plan;
use super::{Line, SourceState};

/// A field of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldSpan {
    /// Its name in the dialect file.
    pub name: String,
    /// What it holds, by the dialect file's word.
    pub holds: &'static str,
    /// First byte, blanks left out.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// A line taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineFields {
    /// The line kind's name in the dialect file.
    pub kind: String,
    /// Its fields from left to right; those that are blank are left out.
    pub fields: Vec<FieldSpan>,
}

impl Plan {
    /// Where the fields of this line stand; nothing where no rule knows it. `state` is as it was before the line.
    pub fn fields_of(&self, state: &SourceState, line: &Line<'_>) -> Option<LineFields> {
        let mut desk = self.take_desk();
        let kind = self.kind_of(line.bytes, state, &mut desk).and_then(|index| self.kinds.get(index));
        let found = kind.and_then(|kind| {
            self.locate(kind, line.bytes, &state.columns, &mut desk).ok()?;
            let spans = kind.fields.iter().zip(&desk.spans);
            let mut fields: Vec<FieldSpan> = spans
                .filter_map(|(field, span)| {
                    let (start, end) = trimmed(line.bytes, (*span)?);
                    let (name, holds) = (field.name.clone(), word(field.kind));
                    (start < end).then_some(FieldSpan { name, holds, start, end })
                })
                .collect();
            fields.sort_by_key(|field| (field.start, field.end));
            Some(LineFields { kind: kind.name.to_string(), fields })
        });
        self.give_desk(desk);
        found
    }
}

fn word(kind: Type) -> &'static str {
    match kind {
        Type::Date => "date",
        Type::Time => "time",
        Type::Datetime => "datetime",
        Type::Duration => "duration",
        Type::Seconds => "seconds",
        Type::Text => "text",
        Type::Code => "code",
        Type::Device => "device",
        Type::Station => "station",
        Type::Trunk => "trunk",
        Type::CallId => "call-id",
        Type::Number => "number",
        Type::Name => "name",
        Type::Account => "account",
        Type::Cost => "cost",
        Type::Counter => "counter",
        Type::Ip => "ip",
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]
mod tests {
    use super::*;
    use crate::dialect::{Library, Reading, What};

    /// Every line of every dialect's examples that carries a record, or a part of one, is taken apart, and its record's
    /// trunk and station stand where a field is said to be.
    #[test]
    fn every_line_that_is_understood_is_taken_apart() {
        let today = jiff::civil::date(2026, 11, 20);
        let (mut lines, mut found) = (0, 0);
        for id in Library::shipped().ids() {
            let dialect = Library::shipped().get(id).unwrap();
            for sample in dialect.samples() {
                let plan = dialect.plan(sample.options, sample.assume_year).unwrap();
                let (mut state, mut reading) = (SourceState::default(), Reading::default());
                for (no, text) in (1..).zip(sample.lines.lines()) {
                    let line = Line { no, bytes: text.as_bytes(), kept: &[], today };
                    let parts = plan.fields_of(&state, &line);
                    plan.step(&mut state, &line, &mut reading);
                    let Some(settled) = reading.settled.last() else { continue };
                    let record = match &settled.what {
                        What::Record(record) => Some(record),
                        What::Continuation => None,
                        _ => continue,
                    };
                    if text.trim().is_empty() {
                        continue;
                    }
                    lines += 1;
                    let what = format!("{id}, {}: {text}", sample.name);
                    let parts = parts.unwrap_or_else(|| panic!("{what}"));
                    // A line of a record may say only that it goes on.
                    assert!(record.is_none() || !parts.fields.is_empty(), "{what}");
                    assert!(parts.fields.is_sorted_by_key(|field| field.start), "{what}");
                    assert!(parts.fields.iter().all(|f| f.start < f.end && f.end <= text.len()), "{what}");
                    let holds = |wanted: &str| {
                        let mut texts = parts.fields.iter().map(|field| &text.as_bytes()[field.start..field.end]);
                        texts.any(|text| String::from_utf8_lossy(text).contains(wanted))
                    };
                    if let Some(station) = record.and_then(|record| record.extension.as_deref()) {
                        found += usize::from(holds(station));
                    }
                }
            }
        }
        assert!(lines > 150 && found > 100, "{lines} lines, {found} stations");
    }
}
