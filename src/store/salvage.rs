//! What can still be read of a damaged database, and how it is put into the one that goes on. Reading goes around damaged
//! pages; nothing is put in twice.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension, params_from_iter};
use sha2::{Digest as _, Sha256};

use super::first_page::{remove, with_new_first_page};
pub use super::tables::*;
use super::tables::{LINE, NUMBER};
use super::{StoreError, Work, damage, hex};
use crate::record::{LineKind, MaskedRecord};

/// Peers below this are those of a running daemon; salvaged ones are moved out of their way.
const PEERS: i64 = 1 << 30;

/// A file that nothing can be read of.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}; nothing of it can be read")]
pub struct WreckError {
    /// Which file.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

/// A damaged database, for reading.
#[derive(Debug)]
pub struct Wreck {
    db: Connection,
    /// The copy that is read instead, where the first page was lost.
    copy: Option<PathBuf>,
}

/// Lines of a source, and the places that cannot be read.
#[derive(Debug, Default)]
pub struct Portion {
    /// The lines.
    pub lines: Vec<Row>,
    /// The numbers beside them.
    pub numbers: Vec<Row>,
    /// Numbers of lines that cannot be read, from and to.
    pub lost: Vec<(i64, i64)>,
}

impl Wreck {
    /// Opens a damaged file. Where its first page, or what it says of the tables, is lost, a copy is read that is given a
    /// new one: the tables begin where smdrd always lays them.
    pub fn open(path: &Path, scratch: &Path) -> Result<Wreck, WreckError> {
        let fault = |reason: String| WreckError { path: path.to_owned(), reason };
        std::fs::metadata(path).map_err(|error| fault(error.to_string()))?;
        let opened = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
        if let Ok(db) = opened {
            damage::leave_alone(&db, true);
            // An older schema is read as well as a newer one is not: `line` is there from the first on.
            let is_ours = db.query_row(
                "SELECT count(*) FROM sqlite_schema WHERE name IN ('line', 'call', 'outbox')",
                [],
                |row| row.get::<_, i64>(0),
            );
            let reads = db.query_row("SELECT seq FROM line LIMIT 1", [], |_| Ok(())).optional();
            let is_gone =
                |error: &rusqlite::Error| error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase);
            if is_ours.is_ok_and(|tables| tables == 3) && !reads.as_ref().is_err_and(is_gone) {
                return Ok(Wreck { db, copy: None });
            }
        }
        let copy = scratch.join("smdrd.salvage");
        let db = with_new_first_page(path, &copy).map_err(|reason| {
            remove(&copy);
            fault(reason)
        })?;
        Ok(Wreck { db, copy: Some(copy) })
    }

    /// The rows of a table that can be read: from its beginning up to the first damaged page, and from its end down to it.
    /// The second says whether these are all.
    pub fn rows(&self, table: &Table) -> (Vec<Row>, bool) {
        let columns = self.columns(table);
        let Table { name: table, key, .. } = table;
        let down = key.split(", ").map(|column| format!("{column} DESC")).collect::<Vec<_>>().join(", ");
        let (mut rows, whole) = self.read(&format!("SELECT {columns} FROM {table} ORDER BY {key}"), []);
        if !whole {
            let (rest, _) = self.read(&format!("SELECT {columns} FROM {table} ORDER BY {down}"), []);
            rows.extend(rest);
        }
        (rows, whole)
    }

    /// The columns of a table; one that the file does not have, since an earlier smdrd made it, says nothing.
    fn columns(&self, table: &Table) -> String {
        let there = |column: &str| {
            let sql = "SELECT count(*) FROM pragma_table_info(?1) WHERE name = ?2";
            self.db.query_row(sql, [table.name, column], |row| row.get::<_, i64>(0)).map_or(true, |many| many > 0)
        };
        let columns = table.columns.split(',').map(str::trim);
        columns.map(|column| if there(column) { column } else { "NULL" }).collect::<Vec<_>>().join(", ")
    }

    fn read<const N: usize>(&self, sql: &str, keys: [i64; N]) -> (Vec<Row>, bool) {
        let mut rows = Vec::new();
        let mut read = || -> rusqlite::Result<()> {
            let mut query = self.db.prepare_cached(sql)?;
            let columns = query.column_count();
            let mut found = query.query(params_from_iter(keys))?;
            while let Some(row) = found.next()? {
                rows.push((0..columns).map(|column| row.get(column)).collect::<rusqlite::Result<Row>>()?);
            }
            Ok(())
        };
        let whole = read().is_ok();
        (rows, whole)
    }

    /// A value remembered by name.
    pub fn meta(&self, key: &str) -> Option<String> {
        self.db.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).ok()
    }

    /// The first and the last number of the lines of a source, where that can be read.
    pub fn span(&self, source: i64) -> (Option<i64>, Option<i64>) {
        let end = |which: &str| {
            let sql = format!("SELECT {which}(seq) FROM line WHERE source = ?1");
            self.db.query_row(&sql, [source], |row| row.get::<_, Option<i64>>(0)).ok().flatten()
        };
        (end("min"), end("max"))
    }

    /// The lines of a source from `first` to `last`, around what cannot be read.
    pub fn lines(&self, source: i64, first: i64, last: i64) -> Portion {
        let mut portion = Portion::default();
        let columns = self.columns(&LINE);
        let lines = format!("SELECT {columns} FROM line WHERE source = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq");
        self.around(&lines, source, (first, last), &mut portion.lines, &mut portion.lost);
        let columns = self.columns(&NUMBER);
        let numbers =
            format!("SELECT {columns} FROM number WHERE source = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq, start");
        let mut without = Vec::new();
        self.around(&numbers, source, (first, last), &mut portion.numbers, &mut without);
        // A line whose numbers are lost cannot be read again as it was.
        portion.lost.extend(&without);
        let is_whole =
            |row: &Row| is_line(row) && !without.iter().any(|(from, to)| (*from..=*to).contains(&number(row, 1)));
        for row in portion.lines.iter().filter(|row| !is_whole(row)) {
            portion.lost.push((number(row, 1), number(row, 1)));
        }
        portion.lines.retain(is_whole);
        portion.lost = joined(portion.lost);
        portion
    }

    /// Halves what cannot be read until only what is damaged is left.
    fn around(
        &self,
        sql: &str,
        source: i64,
        (first, last): (i64, i64),
        rows: &mut Vec<Row>,
        lost: &mut Vec<(i64, i64)>,
    ) {
        if first > last {
            return;
        }
        let (read, whole) = self.read(sql, [source, first, last]);
        let reached = read.last().map_or(first, |row| number(row, 1) + 1).max(first);
        rows.extend(read);
        if whole || reached > last {
            return;
        }
        if reached == last {
            match lost.last_mut() {
                Some((_, to)) if *to + 1 == last => *to = last,
                _ => lost.push((last, last)),
            }
            return;
        }
        let middle = reached + (last - reached) / 2;
        self.around(sql, source, (reached, middle), rows, lost);
        self.around(sql, source, (middle + 1, last), rows, lost);
    }
}

impl Drop for Wreck {
    fn drop(&mut self) {
        if let Some(copy) = &self.copy {
            remove(copy);
        }
    }
}

/// Stretches of numbers that overlap or follow each other, as one.
fn joined(mut stretches: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    stretches.sort_unstable();
    let mut joined: Vec<(i64, i64)> = Vec::new();
    for (from, to) in stretches {
        match joined.last_mut() {
            Some((_, last)) if from <= *last + 1 => *last = to.max(*last),
            _ => joined.push((from, to)),
        }
    }
    joined
}

fn number(row: &Row, column: usize) -> i64 {
    match row.get(column) {
        Some(Value::Integer(number)) => *number,
        _ => -1,
    }
}

/// Whether a row can be a line: damage that SQLite cannot see shows in what makes no sense.
fn is_line(row: &Row) -> bool {
    let kind = u8::try_from(number(row, 4)).ok().and_then(LineKind::from_code);
    let record = match row.get(10) {
        Some(Value::Text(text)) => serde_json::from_str::<MaskedRecord>(text).is_ok(),
        Some(Value::Null) => true,
        _ => false,
    };
    kind.is_some() && record && matches!(row.get(5), Some(Value::Blob(_))) && number(row, 2) > 0
}

/// What became of rows that were to be put in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[allow(missing_docs)]
pub struct PutIn {
    pub new: u64,
    /// They were there already, the same.
    pub known: u64,
    /// Something else is there under the same number.
    pub clash: u64,
}

impl PutIn {
    /// Adds another.
    pub fn add(&mut self, other: PutIn) {
        self.new += other.new;
        self.known += other.known;
        self.clash += other.clash;
    }
}

impl Work<'_> {
    /// Puts lines of a source in with their numbers, and counts them; tokens of days before `today` do not come along. What
    /// they repeat of other `sources` is theirs here.
    pub fn put_salvaged(
        &self,
        source: u16,
        portion: &Portion,
        sources: &BTreeMap<i64, u16>,
        today: i64,
    ) -> Result<PutIn, StoreError> {
        let mut came = PutIn::default();
        let mut new = HashSet::new();
        let mut counts: BTreeMap<(i64, i64), i64> = BTreeMap::new();
        for line in &portion.lines {
            let there: Option<(i64, Value)> = self
                .tx
                .prepare_cached("SELECT at_ms, text FROM line WHERE source = ?1 AND seq = ?2")?
                .query_row((source, number(line, 1)), |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            match there {
                Some((at, text)) if at == number(line, 2) && Some(&text) == line.get(5) => came.known += 1,
                Some(_) => came.clash += 1,
                None => {
                    let mut row = line.clone();
                    set(&mut row, 0, Value::Integer(source.into()));
                    // The verdict that it waited for will not come any more; a call must not be lost.
                    if row.get(12) == Some(&Value::Integer(0)) {
                        set(&mut row, 12, Value::Integer(-1));
                    }
                    if let Some(here) = sources.get(&number(&row, 13)) {
                        set(&mut row, 13, Value::Integer((*here).into()));
                    }
                    self.put_row(&LINE, &row)?;
                    *counts.entry((number(line, 3), number(line, 4))).or_default() += 1;
                    new.insert((number(line, 1), number(line, 3)));
                    came.new += 1;
                }
            }
        }
        let days: BTreeMap<i64, i64> = new.into_iter().collect();
        for row in &portion.numbers {
            let Some(day) = days.get(&number(row, 1)) else { continue };
            let mut row = row.clone();
            set(&mut row, 0, Value::Integer(source.into()));
            let peer = number(&row, 5);
            if (0..PEERS).contains(&peer) {
                set(&mut row, 5, Value::Integer(peer + PEERS));
            }
            if *day < today {
                set(&mut row, 6, Value::Null);
            }
            self.put_row(&NUMBER, &row)?;
        }
        for ((day, kind), n) in counts {
            self.tx
                .prepare_cached(
                    "INSERT INTO line_count VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET n = n + excluded.n",
                )?
                .execute((source, day, kind, n))?;
        }
        if came.new > 0 {
            let next = portion.lines.iter().map(|row| number(row, 1)).max().unwrap_or(0) + 1;
            self.tx
                .prepare_cached("UPDATE source SET next_seq = max(next_seq, ?2) WHERE id = ?1")?
                .execute((source, next))?;
        }
        Ok(came)
    }

    /// Puts a row in unless one with its key is there; says whether it was put in.
    pub fn put_row(&self, table: &Table, row: &Row) -> Result<bool, StoreError> {
        let Table { name, columns, .. } = table;
        let places = (1..=row.len()).map(|place| format!("?{place}")).collect::<Vec<_>>().join(", ");
        let sql = format!("INSERT OR IGNORE INTO {name} ({columns}) VALUES ({places})");
        Ok(self.tx.prepare_cached(&sql)?.execute(params_from_iter(row))? > 0)
    }

    /// Puts a document in, where its digest is that of its body.
    pub fn put_document(&self, row: &Row) -> Result<Option<PutIn>, StoreError> {
        let (Some(Value::Text(sha256)), Some(Value::Blob(body))) = (row.get(4), row.get(5)) else { return Ok(None) };
        if hex(&Sha256::digest(body)) != *sha256 {
            return Ok(None);
        }
        if self.put_row(&OUTBOX, row)? {
            return Ok(Some(PutIn { new: 1, ..PutIn::default() }));
        }
        let there: String = self.tx.query_row(
            "SELECT sha256 FROM outbox WHERE ods = ?1 AND site = ?2 AND day = ?3 AND revision = ?4",
            params_from_iter(row.iter().take(4)),
            |row| row.get(0),
        )?;
        let same = there == *sha256;
        Ok(Some(PutIn { known: u64::from(same), clash: u64::from(!same), new: 0 }))
    }

    /// Puts audit rows in before those that are there.
    pub fn put_audit(&self, rows: &[Row]) -> Result<u64, StoreError> {
        let known: HashSet<String> =
            self.tx.prepare("SELECT hash FROM audit")?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let first: i64 = self.tx.query_row("SELECT min(0, coalesce(min(id), 0)) FROM audit", [], |row| row.get(0))?;
        let last = rows.iter().map(|row| number(row, 0)).max().unwrap_or(0);
        let mut new = 0;
        for row in rows {
            let Some(Value::Text(hash)) = row.get(4) else { continue };
            if !known.contains(hash) {
                let mut row = row.clone();
                let id = number(&row, 0);
                set(&mut row, 0, Value::Integer(first - 1 - (last - id)));
                new += u64::from(self.put_row(&AUDIT, &row)?);
            }
        }
        Ok(new)
    }

    /// Makes a day's row what both say: closed where either has it closed, and to be looked at again.
    pub fn merge_day(&self, row: &Row) -> Result<(), StoreError> {
        if !self.put_row(&DAY, row)? {
            self.tx
                .prepare_cached(
                    "UPDATE day SET closed_ms = coalesce(closed_ms, ?4), rolled = max(rolled, ?6), changed = 1
                     WHERE ods = ?1 AND site = ?2 AND day = ?3 AND ?5 = ?5",
                )?
                .execute(params_from_iter(row))?;
        }
        Ok(())
    }

    /// Makes what is noted of a source's day what both say.
    pub fn merge_source_day(&self, row: &Row) -> Result<(), StoreError> {
        if !self.put_row(&SOURCE_DAY, row)? {
            self.tx
                .prepare_cached(
                    "UPDATE source_day SET clock_offset_s = coalesce(clock_offset_s, ?3),
                     first_seq = coalesce(?4, first_seq), state = coalesce(?5, state), wall = coalesce(?6, wall),
                     line_errors = max(line_errors, ?7), stripped = max(stripped, ?8), cut = max(cut, ?9),
                     from_s = min(coalesce(from_s, ?10), coalesce(?10, from_s)),
                     to_s = max(coalesce(to_s, ?11), coalesce(?11, to_s)),
                     forgotten_calls = max(forgotten_calls, ?12), may_repeat = max(may_repeat, ?13),
                     clock_resolution_s = coalesce(clock_resolution_s, ?14), clock_steps = coalesce(clock_steps, ?15),
                     clock_corrected_s = coalesce(clock_corrected_s, ?16)
                     WHERE source = ?1 AND day = ?2",
                )?
                .execute(params_from_iter(row))?;
        }
        Ok(())
    }

    /// Makes a line count of a day that is not derived again at least what it was.
    pub fn merge_line_count(&self, row: &Row) -> Result<(), StoreError> {
        self.tx
            .prepare_cached("INSERT INTO line_count VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET n = max(n, ?4)")?
            .execute(params_from_iter(row))?;
        Ok(())
    }

    /// Has the lines that are counted and not kept add up with those that are, for one source.
    pub fn settle_forgotten(&self, source: u16) -> Result<(), StoreError> {
        self.tx.execute(
            "UPDATE source SET forgotten = max(0, (SELECT coalesce(sum(n), 0) FROM line_count WHERE source = ?1)
             - (SELECT count(*) FROM line WHERE source = ?1)) WHERE id = ?1",
            [source],
        )?;
        Ok(())
    }

    /// Takes out the sign that nothing is known of a source's links, once something is.
    pub fn links_found(&self, source: u16, cause: &str) -> Result<(), StoreError> {
        self.tx.execute("DELETE FROM link WHERE source = ?1 AND from_ms = to_ms AND cause = ?2", (source, cause))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_told_once() {
        assert_eq!(joined(vec![(7, 9), (1, 3), (8, 8), (4, 5), (9, 12)]), [(1, 5), (7, 12)]);
    }
}
