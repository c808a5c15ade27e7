//! Where a key or a value of a dialect file stands, for the caret under it.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::keys::nearest;

/// The place of what a fault calls `key`, in the table whose span is `around`, or in the whole file for an empty one.
/// `key` is a path of keys, which may be followed by a value as `{:?}` shows it.
pub(super) fn of_key(text: &str, around: &Range<usize>, key: &str) -> Option<Range<usize>> {
    let (file, _) = DeTable::parse_recoverable(text);
    let (path, value) = key.split_once(" = ").or_else(|| key.split_once(' ')).unwrap_or((key, ""));
    let name = path.trim_matches(['[', ']']).rsplit('.').next().unwrap_or_default();
    let table = if around.is_empty() { Some(file.get_ref()) } else { table_at(file.get_ref(), around) }?;
    let mut found = Found { name, value, best: None };
    found.look(table, false);
    found.best.map(|(_, span)| span)
}

/// The path of the key or value that covers exactly `span`, such as `line[0].fields.date.at`, with what is written there.
pub(super) fn path_at(text: &str, span: &Range<usize>) -> Option<String> {
    let (file, _) = DeTable::parse_recoverable(text);
    path_in(file.get_ref(), span, "")
}

/// Words near `word`, for a remedy: what was probably meant.
pub(super) fn meant<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, known).map(|known| format!("Did you mean {known:?}?"))
}

fn table_at<'t>(table: &'t DeTable<'t>, span: &Range<usize>) -> Option<&'t DeTable<'t>> {
    table.iter().find_map(|(_, value)| within(value, span))
}

fn within<'t>(value: &'t Spanned<DeValue<'t>>, span: &Range<usize>) -> Option<&'t DeTable<'t>> {
    match value.get_ref() {
        DeValue::Table(inner) if value.span() == *span => Some(inner),
        DeValue::Table(inner) => table_at(inner, span),
        DeValue::Array(elements) => elements.iter().find_map(|element| within(element, span)),
        _ => None,
    }
}

fn path_in(table: &DeTable<'_>, span: &Range<usize>, path: &str) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let inner = if path.is_empty() { key.get_ref().to_string() } else { format!("{path}.{}", key.get_ref()) };
        let inside = path_of(value, span, &inner);
        inside.or_else(|| (key.span() == *span || value.span() == *span).then_some(inner))
    })
}

fn path_of(value: &Spanned<DeValue<'_>>, span: &Range<usize>, path: &str) -> Option<String> {
    match value.get_ref() {
        DeValue::Table(inner) => path_in(inner, span, path),
        DeValue::Array(elements) => elements.iter().zip(0..).find_map(|(element, index)| {
            let inner = format!("{path}[{}]", u32::saturating_add(index, 1));
            let inside = path_of(element, span, &inner);
            inside.or_else(|| (element.span() == *span).then_some(inner))
        }),
        _ => None,
    }
}

/// The best place so far: how good it is, and the place.
struct Found<'k> {
    name: &'k str,
    value: &'k str,
    best: Option<(u8, Range<usize>)>,
}

impl Found<'_> {
    fn take(&mut self, merit: u8, span: Range<usize>) {
        let better = self.best.as_ref().is_none_or(|(best, at)| (*best, at.start) < (merit, at.start) || *best < merit);
        if better {
            self.best = Some((merit, span));
        }
    }

    /// `under` says that a key of the name is above.
    fn look(&mut self, table: &DeTable<'_>, under: bool) {
        // As they are written.
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let named = key.get_ref() == self.name;
            if named {
                let own = matches!(value.get_ref(), DeValue::Table(_)) && !value.span().is_empty();
                self.take(if self.is_meant(value) { 4 } else { 2 }, if own { key.span() } else { value.span() });
            }
            if !self.value.is_empty() && format!("{:?}", key.get_ref()) == self.value {
                self.take(if under { 4 } else { 1 }, key.span());
            }
            self.inside(value, under || named);
        }
    }

    fn inside(&mut self, value: &Spanned<DeValue<'_>>, under: bool) {
        match value.get_ref() {
            DeValue::Table(inner) => self.look(inner, under),
            DeValue::Array(elements) => elements.iter().for_each(|element| self.inside(element, under)),
            _ if self.is_meant(value) => self.take(if under { 4 } else { 1 }, value.span()),
            _ => {}
        }
    }

    fn is_meant(&self, value: &Spanned<DeValue<'_>>) -> bool {
        let same = match value.get_ref() {
            DeValue::String(text) => format!("{text:?}") == self.value,
            DeValue::Integer(number) => number.as_str() == self.value,
            _ => false,
        };
        same && !self.value.is_empty()
    }
}

/// Where in the text of a file the fault of a pattern is: `value` is the place of the pattern, quotes and all. Nothing
/// when the pattern is not written as it is meant, with escapes.
pub(super) fn in_pattern(
    text: &str,
    value: &Range<usize>,
    pattern: &str,
    error: &str,
) -> Option<(Range<usize>, String)> {
    let mut lines = error.lines().skip(1);
    let (shown, carets) = (lines.next()?.strip_prefix("    ")?, lines.next()?.strip_prefix("    ")?);
    let reason = lines.next()?.strip_prefix("error: ")?.to_owned();
    let written = text.get(value.clone())?;
    let begin = written.find(pattern).filter(|_| shown == pattern)?;
    let before = carets.chars().take_while(|c| *c == ' ').count();
    let wide = carets.chars().filter(|c| *c == '^').count().max(1);
    let offset = |chars: usize| pattern.char_indices().nth(chars).map_or(pattern.len(), |(at, _)| at);
    let at = |chars: usize| value.start.saturating_add(begin).saturating_add(offset(chars));
    Some((at(before)..at(before.saturating_add(wide)), reason))
}
