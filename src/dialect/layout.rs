//! Where the fields of a line are.

use super::fault::LineFault;
use super::plan::{Desk, Field, Kind, Layout, Plan, Source, Span};

impl Plan {
    /// Finds every field of the line; the spans are left on the desk, in the order of the fields.
    pub(super) fn locate(
        &self,
        kind: &Kind,
        bytes: &[u8],
        columns: &[compact_str::CompactString],
        desk: &mut Desk,
    ) -> Result<(), LineFault> {
        match kind.layout {
            Layout::Columns => {}
            Layout::Delimited { delimiter, quote } => cells(bytes, delimiter, quote, &mut desk.cells),
            Layout::Pattern(pattern) => self.search(pattern, bytes, (0, bytes.len()), desk),
            Layout::Tlv { start, tag, length } => tags(bytes, start, tag, length, &mut desk.tags)?,
        }
        desk.spans.clear();
        for field in &kind.fields {
            let span = match &field.source {
                Source::Columns((from, to)) => (*from < bytes.len()).then(|| (*from, (*to).min(bytes.len()))),
                Source::Index(index) => desk.cells.get(*index).copied(),
                Source::Header(name) => columns
                    .iter()
                    .position(|column| column.eq_ignore_ascii_case(name))
                    .and_then(|index| desk.cells.get(index).copied()),
                Source::Tag(tag) => desk
                    .tags
                    .iter()
                    .find(|((from, to), _)| bytes.get(*from..*to) == Some(tag.as_slice()))
                    .map(|(_, value)| *value),
                Source::Capture(capture) => match kind.layout {
                    Layout::Pattern(pattern) => desk.places.get(pattern).and_then(|places| places.get(*capture)),
                    _ => None,
                },
                Source::Cut(_) | Source::Fixed(_) | Source::Moment | Source::Since(_) | Source::Between(..) => None,
            };
            desk.spans.push(span);
        }
        for (number, cut) in kind.cuts.iter().enumerate() {
            let Some(base) = desk.spans.get(cut.field).copied().flatten() else { continue };
            if self.matches(cut.pattern, bytes, base, desk) {
                // The parts take the place of the whole.
                if let Some(span) = desk.spans.get_mut(cut.field) {
                    *span = None;
                }
                for (field, span) in kind.fields.iter().zip(desk.spans.iter_mut()) {
                    if let Source::Cut(places) = &field.source
                        && let Some((_, capture)) = places.iter().find(|(of, _)| *of == number)
                    {
                        let found = desk.places.get(cut.pattern).and_then(|places| places.get(*capture));
                        *span = found.map(|(from, to)| (from.saturating_add(base.0), to.saturating_add(base.0)));
                    }
                }
            } else if cut.required && !is_blank(bytes, base) {
                let name = kind.fields.get(cut.field).map_or("", |field| field.name.as_str());
                let (from, _) = trimmed(bytes, base);
                return Err(LineFault::new(from, format!("{name} {} is cut by no rule", quoted(bytes, base))));
            }
        }
        Ok(())
    }

    fn search(&self, pattern: usize, bytes: &[u8], span: Span, desk: &mut Desk) {
        self.matches(pattern, bytes, span, desk);
    }

    fn matches(&self, pattern: usize, bytes: &[u8], (from, to): Span, desk: &mut Desk) -> bool {
        let part = bytes.get(from..to).unwrap_or_default();
        self.regexes
            .get(pattern)
            .zip(desk.places.get_mut(pattern))
            .is_some_and(|(regex, places)| regex.captures_read(places, part).is_some())
    }
}

/// Cuts a line at its delimiters into `cells`. Inside quotes a delimiter is text, and the quotes are left out.
pub(super) fn cells(bytes: &[u8], delimiter: u8, quote: Option<u8>, cells: &mut Vec<Span>) {
    cells.clear();
    let mut from: usize = 0;
    let mut quoted = false;
    for (at, &byte) in bytes.iter().enumerate() {
        if Some(byte) == quote {
            quoted = !quoted;
        } else if byte == delimiter && !quoted {
            cells.push(unquoted(bytes, (from, at), quote));
            from = at.saturating_add(1);
        }
    }
    cells.push(unquoted(bytes, (from, bytes.len()), quote));
}

fn unquoted(bytes: &[u8], span: Span, quote: Option<u8>) -> Span {
    let (from, to) = trimmed(bytes, span);
    let inner = (from.saturating_add(1), to.saturating_sub(1));
    if quote.is_some()
        && inner.0 <= inner.1
        && bytes.get(from).copied() == quote
        && bytes.get(inner.1).copied() == quote
    {
        return inner;
    }
    span
}

/// Finds tag, length and value again and again; the length is in decimal digits.
fn tags(bytes: &[u8], start: usize, tag: usize, length: usize, tags: &mut Vec<(Span, Span)>) -> Result<(), LineFault> {
    tags.clear();
    let mut at = start;
    while bytes.get(at..).is_some_and(|rest| !rest.trim_ascii().is_empty()) {
        let tag_end = at.saturating_add(tag);
        let value_start = tag_end.saturating_add(length);
        let digits = bytes.get(tag_end..value_start).and_then(|digits| std::str::from_utf8(digits).ok());
        let size: usize = digits
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| LineFault::new(tag_end, format!("no length in {length} digits after the tag")))?;
        let end = value_start.saturating_add(size);
        if end > bytes.len() {
            return Err(LineFault::new(
                value_start,
                format!("record cut short: the value should have {size} characters, the line ends before"),
            ));
        }
        tags.push(((at, tag_end), (value_start, end)));
        at = end;
    }
    Ok(())
}

/// The span without blanks at its ends.
pub(super) fn trimmed(bytes: &[u8], (from, to): Span) -> Span {
    let part = bytes.get(from..to).unwrap_or_default();
    let left = part.len().saturating_sub(part.trim_ascii_start().len());
    let start = from.saturating_add(left);
    (start, start.saturating_add(part.trim_ascii().len()))
}

pub(super) fn is_blank(bytes: &[u8], (from, to): Span) -> bool {
    bytes.get(from..to).unwrap_or_default().trim_ascii().is_empty()
}

fn quoted(bytes: &[u8], span: Span) -> String {
    let (from, to) = trimmed(bytes, span);
    format!("{:?}", super::fault::shape(bytes.get(from..to).unwrap_or_default()))
}

/// Where the field should have been: for the reason when it is not there.
pub(super) fn place(field: &Field, bytes: &[u8]) -> String {
    match &field.source {
        Source::Columns((from, to)) => {
            format!(
                "{} (columns {} to {to}): the line ends at column {}",
                field.name,
                from.saturating_add(1),
                bytes.len()
            )
        }
        Source::Index(index) => format!("{} (field {})", field.name, index.saturating_add(1)),
        Source::Header(name) => format!("{} (column {name:?})", field.name),
        _ => field.name.clone(),
    }
}
