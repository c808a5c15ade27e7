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
