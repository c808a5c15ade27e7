//! Which kind a line is of.

use super::file::ByteClass;
use super::layout::cells;
use super::plan::{At, Desk, Guard, Kind, Layout, Plan};
use super::state::SourceState;

impl Plan {
    /// The first kind whose guard lets the line in, by index.
    pub(super) fn kind_of(&self, bytes: &[u8], state: &SourceState, desk: &mut Desk) -> Option<usize> {
        self.kinds.iter().position(|kind| self.admits(kind, bytes, state, desk))
    }

    fn admits(&self, kind: &Kind, bytes: &[u8], state: &SourceState, desk: &mut Desk) -> bool {
        let guarded =
            kind.guards.is_empty() || kind.guards.iter().any(|guard| self.holds(guard, kind, bytes, state, desk));
        guarded
            && match kind.layout {
                Layout::Pattern(pattern) => self
                    .regexes
                    .get(pattern)
                    .zip(desk.places.get_mut(pattern))
                    .is_some_and(|(regex, places)| regex.captures_read(places, bytes).is_some()),
                _ => true,
            }
    }

    fn holds(&self, guard: &Guard, kind: &Kind, bytes: &[u8], state: &SourceState, desk: &mut Desk) -> bool {
        if let Some((least, most)) = guard.length
            && !(least..=most).contains(&bytes.len())
        {
            return false;
        }
        if !guard.at.iter().all(|(column, at)| stands(bytes, *column, at)) {
            return false;
        }
        if let Some(layout) = &guard.layout
            && state.layout.as_ref() != Some(layout)
        {
            return false;
        }
        if guard.group.is_some() || guard.line.is_some() {
            let Some(open) = state.open.iter().find(|open| open.key.is_empty()) else { return false };
            let named = guard.group.as_ref().is_none_or(|group| open.group == *group);
            if !named || guard.line.is_some_and(|line| open.lines.saturating_add(1) != line) {
                return false;
            }
        }
        if let Some((least, most)) = guard.cells {
            let Layout::Delimited { delimiter, quote } = kind.layout else { return false };
            cells(bytes, delimiter, quote, &mut desk.cells);
            if !(least..=most).contains(&desk.cells.len()) {
                return false;
            }
        }
        guard.pattern.is_none_or(|pattern| self.regexes.get(pattern).is_some_and(|regex| regex.is_match(bytes)))
    }
}

fn stands(bytes: &[u8], column: usize, at: &At) -> bool {
    let rest = bytes.get(column..).unwrap_or_default();
    match at {
        At::Text(text) => rest.starts_with(text),
        At::Class(class) => {
            let byte = rest.first().copied().unwrap_or(b' ');
            match class {
                ByteClass::Digit => byte.is_ascii_digit(),
                ByteClass::Letter => byte.is_ascii_alphabetic(),
                ByteClass::Blank => byte == b' ',
                ByteClass::NotBlank => byte != b' ',
            }
        }
    }
}
