//! The tables as they are salvaged: row by row, by the names of their columns.

use std::path::Path;

pub use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};

use super::damage;
use crate::source::FileMark;

/// A row, as it stands.
pub type Row = Vec<Value>;

/// A table that is read and put in row by row.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    pub(super) columns: &'static str,
    pub(super) key: &'static str,
}

const fn table(name: &'static str, columns: &'static str, key: &'static str) -> Table {
    Table { name, columns, key }
}

/// Sources: number, name, dialect, and the number of the next line.
pub const SOURCE: Table = table("source", "id, name, dialect, next_seq", "id");
/// Imports: source first, the instant it began fifth.
pub const IMPORT: Table = table(
    "import",
    "source, of, options, assume_year, began_ms, touched_ms, oldest, lines, hash, head, overlap, done",
    "source",
);
/// Documents: the receipt is the eleventh.
pub const OUTBOX: Table = table(
    "outbox",
    "ods, site, day, revision, sha256, body, state, attempts, next_ms, problem, receipt, cause, poll, approved, failed,
     tried_ms",
    "ods, site, day, revision",
);
/// The audit.
pub const AUDIT: Table = table("audit", "id, at_ms, who, what, hash", "id");
/// Days.
pub const DAY: Table = table("day", "ods, site, day, closed_ms, changed, rolled", "ods, site, day");
/// What is noted of sources' days.
pub const SOURCE_DAY: Table = table(
    "source_day",
    "source, day, clock_offset_s, first_seq, state, wall, line_errors, stripped, cut, from_s, to_s, forgotten_calls,
     may_repeat, clock_resolution_s, clock_steps, clock_corrected_s",
    "source, day",
);
/// Lines by day and kind: the day is the second.
pub const LINE_COUNT: Table = table("line_count", "source, day, kind, n", "source, day, kind");
/// Figures: the slot is the third.
pub const COUNTER: Table = table("counter", "ods, site, slot, metric, n", "ods, site, slot, metric");
/// Calls: the day is the fifth.
pub const CALL: Table = table(
    "call",
    "source, seq, ods, site, day, kind, arrival_ms, end_ms, outcome, rule, wait_s, talk_s, answered, not_people,
     callback_made, later_s, earlier_s, trunk, class, peer, token, open, legs, repeat",
    "source, seq",
);
/// Links: from, to and cause after the source.
pub const LINK: Table = table("link", "source, from_ms, to_ms, cause", "source, from_ms");
/// Where kept lines begin.
pub const BEGINNING: Table = table("beginning", "source, first_seq, state, wall", "source");
pub(super) const LINE: Table = table(
    "line",
    "source, seq, at_ms, day, kind, text, reason, col, idle, shape, record, call_seq, repeats,
     repeats_source, places",
    "source, seq",
);
pub(super) const NUMBER: Table =
    table("number", "source, seq, start, class, digits, peer, token, own", "source, seq, start");

/// A whole number in a row.
pub fn number_in(row: &Row, column: usize) -> Option<i64> {
    match row.get(column)? {
        Value::Integer(number) => Some(*number),
        _ => None,
    }
}

/// Text in a row.
pub fn text_in(row: &Row, column: usize) -> Option<&str> {
    match row.get(column)? {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// Puts a value in the place of another.
pub fn set(row: &mut Row, column: usize, value: Value) {
    if let Some(cell) = row.get_mut(column) {
        *cell = value;
    }
}

/// What can be read at once of a database that is set aside.
#[derive(Debug, Default)]
pub struct Remains {
    /// Values remembered by name.
    pub meta: Vec<(String, String)>,
    /// How far files of drop folders were read.
    pub files: Vec<FileMark>,
    /// Head of the audit chain.
    pub audit_head: Option<String>,
}

impl Remains {
    /// Of this file, with the values of these names. What cannot be read is not there.
    pub fn of<'a>(path: &Path, keys: impl Iterator<Item = &'a str>) -> Remains {
        let mut remains = Remains::default();
        let Ok(db) = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY) else { return remains };
        damage::leave_alone(&db, true);
        let of_meta = |key: &str| db.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0));
        remains.meta.extend(keys.filter_map(|key| Some((key.to_owned(), of_meta(key).ok()?))));
        let mark = |row: &rusqlite::Row<'_>| {
            let read_to = row.get::<_, i64>(2)? as u64;
            Ok(FileMark { file: row.get(0)?, source: row.get(1)?, read_to, whole: row.get(3)? })
        };
        if let Ok(mut query) = db.prepare("SELECT file, source, read_to, whole FROM dropped_file")
            && let Ok(rows) = query.query_map([], mark)
        {
            remains.files.extend(rows.map_while(Result::ok));
        }
        remains.audit_head = db.query_row("SELECT hash FROM audit ORDER BY id DESC LIMIT 1", [], |row| row.get(0)).ok();
        remains
    }
}
