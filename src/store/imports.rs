//! Imports: which files are in and how far, what stretch of a day each source has given records for, and what of an
//! import is kept no more once it is counted.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use rusqlite::{OptionalExtension, Row};

use super::{Reading, StoreError, Work, day_date, day_number, instant};
use crate::record::LineKind;

/// The peers of an import that is over lie above this; see [`Work::settle_import`].
const SETTLED_PEERS: i64 = 1 << 31;

/// A file that was imported, or is being.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRow {
    /// Its number among the sources.
    pub source: u16,
    /// Its name among the sources.
    pub name: String,
    /// Its dialect.
    pub dialect: String,
    /// The source whose PBX wrote it.
    pub of: String,
    /// Options of the dialect.
    pub options: BTreeMap<String, String>,
    /// The year of its first line, where the operator said it.
    pub assume_year: Option<i16>,
    /// When the import began: the instant at which the box received all its lines.
    pub began: Timestamp,
    /// When its last lines came.
    pub touched: Timestamp,
    /// The first day whose lines and calls are kept.
    pub oldest: Date,
    /// How many lines of the file are in.
    pub lines: u64,
    /// SHA-256 of what they say without numbers, names and accounts, as hexadecimal digits.
    pub hash: String,
    /// The same of its first lines; nothing when it has fewer.
    pub head: Option<String>,
    /// Records that fall among other calls are counted too.
    pub overlap: bool,
    /// Whether it came to the file's end.
    pub done: bool,
}

/// From the first to the last stamp of a source's records on a day, in seconds of the PBX's wall clock, both included.
/// A record outside cannot repeat one inside: a repeated record bears the same stamp.
pub type Stretch = (i64, i64);

/// What an import gave for a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportDay {
    /// Which day.
    pub date: Date,
    /// Lines that carry a record.
    pub records: u64,
    /// Lines that repeat others, and are not counted.
    pub duplicates: u64,
    /// Lines that are counted and may repeat others.
    pub may_repeat: u64,
    /// Calls.
    pub calls: u64,
}

const COLUMNS: &str =
    "SELECT import.source, name, dialect, of, options, assume_year, began_ms, touched_ms, oldest, lines,
    hash, head, overlap, done FROM import JOIN source ON source.id = import.source";

impl Work<'_> {
    /// Notes how far an import has come.
    pub fn put_import(&self, row: &ImportRow) -> Result<(), StoreError> {
        self.tx
            .prepare_cached(
                "INSERT INTO import VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
                 ON CONFLICT DO UPDATE SET touched_ms = excluded.touched_ms, lines = excluded.lines,
                 hash = excluded.hash, head = excluded.head, overlap = excluded.overlap, done = excluded.done",
            )?
            .execute((
                row.source,
                &row.of,
                serde_json::to_string(&row.options).unwrap_or_else(|_| "{}".into()),
                row.assume_year,
                row.began.as_millisecond(),
                row.touched.as_millisecond(),
                day_number(row.oldest),
                row.lines as i64,
                &row.hash,
                &row.head,
                row.overlap,
                row.done,
            ))?;
        Ok(())
    }

    /// Widens what a source has given records for on a day.
    pub fn widen_stretch(&self, source: u16, date: Date, (from, to): Stretch) -> Result<(), StoreError> {
        self.tx
            .prepare_cached(
                "INSERT INTO source_day (source, day, from_s, to_s) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET
                 from_s = min(coalesce(from_s, excluded.from_s), excluded.from_s),
                 to_s = max(coalesce(to_s, excluded.to_s), excluded.to_s)",
            )?
            .execute((source, day_number(date), from, to))?;
        Ok(())
    }

    /// Takes up what `other` knows of the stretches of records, for a rebuild that is put in place.
    pub fn widen_stretches(&self, other: &Reading<'_>) -> Result<(), StoreError> {
        let mut query =
            other.db.prepare("SELECT source, day, from_s, to_s FROM source_day WHERE from_s IS NOT NULL")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            self.widen_stretch(row.get(0)?, day_date(row.get(1)?), (row.get(2)?, row.get(3)?))?;
        }
        Ok(())
    }

    /// Settles the days before `until` of an import, from line `first` on: nothing there can change any more. What lies
    /// before `oldest` is counted and goes; of the rest each call gets a peer of its own, and tokens go. Answers with
    /// the first line that is not settled.
    pub fn settle_import(&self, source: u16, first: u64, until: Date, oldest: Date) -> Result<u64, StoreError> {
        let first = first as i64;
        let gone = day_number(until.min(oldest));
        let until = day_number(until);
        self.tx
            .prepare_cached(
                "INSERT INTO source_day (source, day, forgotten_calls)
                 SELECT source, day, count(*) FROM call WHERE source = ?1 AND seq >= ?2 AND day < ?3 GROUP BY day
                 ON CONFLICT DO UPDATE SET forgotten_calls = forgotten_calls + excluded.forgotten_calls",
            )?
            .execute((source, first, gone))?;
        let of_them = "source = ?1 AND seq IN (SELECT seq FROM line WHERE source = ?1 AND seq >= ?2 AND day < ?3)";
        self.tx.prepare_cached(&format!("DELETE FROM number WHERE {of_them}"))?.execute((source, first, gone))?;
        let these = "source = ?1 AND seq >= ?2 AND day < ?3";
        self.tx.prepare_cached(&format!("DELETE FROM call WHERE {these}"))?.execute((source, first, gone))?;
        let lines =
            self.tx.prepare_cached(&format!("DELETE FROM line WHERE {these}"))?.execute((source, first, gone))?;
        if lines > 0 {
            self.tx
                .prepare_cached("UPDATE source SET forgotten = forgotten + ?2 WHERE id = ?1")?
                .execute((source, lines as i64))?;
            // A rebuild may touch only days whose every line is kept.
            self.keep_from(oldest)?;
        }
        self.tx
            .prepare_cached(&format!(
                "UPDATE number SET token = NULL, peer = CASE WHEN peer IS NULL THEN NULL ELSE
                 (SELECT {SETTLED_PEERS} + call_seq FROM line WHERE line.source = number.source AND line.seq = number.seq)
                 END WHERE {of_them} AND (token IS NOT NULL OR peer <= {SETTLED_PEERS})"
            ))?
            .execute((source, first, until))?;
        self.tx
            .prepare_cached(&format!(
                "UPDATE call SET token = NULL, peer = CASE WHEN peer IS NULL THEN NULL ELSE {SETTLED_PEERS} + seq END
                 WHERE {these} AND (token IS NOT NULL OR peer <= {SETTLED_PEERS})"
            ))?
            .execute((source, first, until))?;
        let next: Option<i64> = self
            .tx
            .prepare_cached("SELECT min(seq) FROM line WHERE source = ?1 AND seq >= ?2 AND day >= ?3")?
            .query_row((source, first, until), |row| row.get(0))?;
        let next = match next {
            Some(next) => next,
            None => self
                .tx
                .prepare_cached("SELECT next_seq FROM source WHERE id = ?1")?
                .query_row([source], |row| row.get(0))?,
        };
        // A call is named after its first line, which may be of the day before its own.
        Ok(next.max(first) as u64)
    }
}

impl Reading<'_> {
    /// Every import, in order.
    pub fn imports(&self) -> Result<Vec<ImportRow>, StoreError> {
        let mut query = self.db.prepare_cached(&format!("{COLUMNS} ORDER BY import.source"))?;
        Ok(query.query_map([], import)?.collect::<Result<_, _>>()?)
    }

    /// The imports that gave records for a day, each with the stretch of them.
    pub fn imports_on(&self, date: Date) -> Result<Vec<(ImportRow, Stretch)>, StoreError> {
        let mut query = self.db.prepare_cached(&format!(
            "{COLUMNS} JOIN line_count ON line_count.source = import.source AND line_count.day = ?1
             AND line_count.kind = {} AND n > 0 ORDER BY import.source",
            LineKind::Record.code()
        ))?;
        let rows: Vec<ImportRow> = query.query_map([day_number(date)], import)?.collect::<Result<_, _>>()?;
        rows.into_iter()
            .map(|row| {
                let stretch = self.stretch(row.source, date)?.unwrap_or((0, 86_399));
                Ok((row, stretch))
            })
            .collect()
    }

    /// When the first call of a source on a day came, and when the last was over; nothing where it has none that is kept.
    pub fn span_of_calls(&self, source: u16, date: Date) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
        let mut query =
            self.db.prepare_cached("SELECT min(arrival_ms), max(end_ms) FROM call WHERE day = ?1 AND source = ?2")?;
        let both = query.query_row((day_number(date), source), |row| {
            Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?))
        })?;
        Ok(both.0.zip(both.1).map(|(from, to)| (instant(from), instant(to))))
    }

    /// What a source has given records for on a day.
    pub fn stretch(&self, source: u16, date: Date) -> Result<Option<Stretch>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT from_s, to_s FROM source_day WHERE source = ?1 AND day = ?2 AND from_s IS NOT NULL",
        )?;
        Ok(query.query_row((source, day_number(date)), |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }

    /// What others than the import `besides` have given records for on a day, each with its name: the PBX `of`, by its
    /// own link and by its other imports, and imports of PBXs that are not `known` by name. Of a PBX that is not known
    /// itself, everybody's: it may be any of them.
    pub fn stretches(
        &self,
        of: &str,
        besides: u16,
        known: &[String],
        date: Date,
    ) -> Result<Vec<(String, Stretch)>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT source.id, name, import.of, from_s, to_s FROM source_day JOIN source ON source.id = source_day.source
             LEFT JOIN import ON import.source = source.id WHERE day = ?1 AND from_s IS NOT NULL",
        )?;
        let is_known = |name: &str| known.iter().any(|known| known == name);
        let mut rows = query.query([day_number(date)])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let (id, name): (u16, String) = (row.get(0)?, row.get(1)?);
            let whose = row.get::<_, Option<String>>(2)?.unwrap_or_else(|| name.clone());
            if besides != id && (whose == of || !is_known(of) || !is_known(&whose)) {
                found.push((name, (row.get(3)?, row.get(4)?)));
            }
        }
        Ok(found)
    }

    /// The files of a PBX whose lines stand beside those that it printed itself, in the order of their numbers.
    pub fn files_of(&self, of: &str) -> Result<Vec<u16>, StoreError> {
        let mut query =
            self.db.prepare_cached("SELECT source FROM import WHERE of = ?1 AND NOT overlap ORDER BY source")?;
        Ok(query.query_map([of], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// What others than the import `besides` have of what a PBX printed, by PBX: the sources of each with their names, its own
    /// link first. As for [`Reading::stretches`], and without files of which everything was to be counted.
    pub fn others(&self, of: &str, besides: u16, known: &[String]) -> Result<Vec<Vec<(u16, String)>>, StoreError> {
        let mut query = self.db.prepare(
            "SELECT source.id, name, import.of FROM source LEFT JOIN import ON import.source = source.id
             WHERE overlap IS NOT TRUE ORDER BY import.source IS NOT NULL, source.id",
        )?;
        let is_known = |name: &str| known.iter().any(|known| known == name);
        let mut rows = query.query([])?;
        let mut found: BTreeMap<(bool, String), Vec<(u16, String)>> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let (id, name): (u16, String) = (row.get(0)?, row.get(1)?);
            let whose = row.get::<_, Option<String>>(2)?.unwrap_or_else(|| name.clone());
            if besides != id && (whose == of || !is_known(of) || !is_known(&whose)) {
                found.entry((whose != of, whose)).or_default().push((id, name));
            }
        }
        Ok(found.into_values().collect())
    }

    /// The names of all sources that are no imports, of today and of earlier.
    pub fn source_names(&self) -> Result<Vec<String>, StoreError> {
        let mut query =
            self.db.prepare("SELECT name FROM source WHERE id NOT IN (SELECT source FROM import) ORDER BY id")?;
        Ok(query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// The names of all sources, imports and those of earlier too, by their numbers.
    pub fn names_by_id(&self) -> Result<BTreeMap<u16, String>, StoreError> {
        let mut query = self.db.prepare_cached("SELECT id, name FROM source")?;
        Ok(query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
    }

    /// The days for which imports that are not over, and were touched after `since`, have given records.
    pub fn days_being_imported(&self, since: Timestamp) -> Result<Vec<Date>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT DISTINCT day FROM source_day JOIN import USING (source)
             WHERE NOT done AND touched_ms > ?1 AND from_s IS NOT NULL",
        )?;
        let rows = query.query_map([since.as_millisecond()], |row| row.get(0).map(day_date))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What an import gave, by day, from `from` to `to`.
    pub fn import_days(&self, source: u16, from: Date, to: Date) -> Result<Vec<ImportDay>, StoreError> {
        let mut query = self.db.prepare(&format!(
            "SELECT day, sum(CASE kind WHEN {} THEN n ELSE 0 END), sum(CASE kind WHEN {} THEN n ELSE 0 END),
             (SELECT count(*) FROM call WHERE call.source = ?1 AND call.day = line_count.day)
             + coalesce((SELECT forgotten_calls FROM source_day WHERE source_day.source = ?1
               AND source_day.day = line_count.day), 0),
             coalesce((SELECT may_repeat FROM source_day WHERE source_day.source = ?1
               AND source_day.day = line_count.day), 0)
             FROM line_count WHERE source = ?1 AND day BETWEEN ?2 AND ?3 GROUP BY day ORDER BY day",
            LineKind::Record.code(),
            LineKind::Duplicate.code()
        ))?;
        let rows = query.query_map((source, day_number(from), day_number(to)), |row| {
            let count = |column: usize| row.get::<_, i64>(column).map(|count| count.max(0) as u64);
            Ok(ImportDay {
                date: day_date(row.get(0)?),
                records: count(1)?,
                duplicates: count(2)?,
                calls: count(3)?,
                may_repeat: count(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Lines and calls of one source over all days: lines by kind, lines kept no more, and calls, kept or not.
    pub fn totals_of(&self, source: u16) -> Result<([u64; 7], u64, u64), StoreError> {
        let mut query =
            self.db.prepare_cached("SELECT kind, sum(n) FROM line_count WHERE source = ?1 GROUP BY kind")?;
        let mut rows = query.query([source])?;
        let mut counts = [0; 7];
        while let Some(row) = rows.next()? {
            if let Some(slot) = counts.get_mut(usize::from(row.get::<_, u8>(0)?)) {
                *slot = row.get::<_, i64>(1)?.max(0) as u64;
            }
        }
        let count = |sql: &str| -> Result<u64, StoreError> {
            Ok(self.db.prepare_cached(sql)?.query_row([source], |row| row.get::<_, i64>(0))?.max(0) as u64)
        };
        let forgotten = count("SELECT coalesce(sum(forgotten), 0) FROM source WHERE id = ?1")?;
        let calls = count("SELECT count(*) FROM call WHERE source = ?1")?
            + count("SELECT coalesce(sum(forgotten_calls), 0) FROM source_day WHERE source = ?1")?;
        Ok((counts, forgotten, calls))
    }

    /// Where a rebuild of a source begins: its first kept line, and how it stood there when what is before is kept no
    /// more.
    pub fn stood_at(&self, source: u16, seq: u64) -> Result<Option<(String, String)>, StoreError> {
        if let Some((_, state, wall)) = self.beginning(source)?.filter(|(first, ..)| *first <= seq) {
            return Ok(Some((state, wall)));
        }
        let mut query = self.db.prepare_cached(
            "SELECT state, wall FROM source_day WHERE source = ?1 AND first_seq = ?2 AND state IS NOT NULL
             AND wall IS NOT NULL",
        )?;
        Ok(query.query_row((source, seq as i64), |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }

    /// The last line before which it is known how a source stood, at or before this one, with its dialect's state then.
    pub fn stood_before(&self, source: u16, seq: u64) -> Result<Option<(u64, String)>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT first_seq, state FROM source_day WHERE source = ?1 AND first_seq <= ?2 AND state IS NOT NULL
             ORDER BY first_seq DESC LIMIT 1",
        )?;
        let row = query.query_row((source, seq as i64), |row| Ok((row.get::<_, i64>(0)? as u64, row.get(1)?)));
        let closed: Option<(u64, String)> = row.optional()?;
        // Between a day's end and the first line that is kept, lines are missing.
        let begins = self.beginning(source)?.filter(|(first, ..)| *first <= seq);
        Ok(match begins {
            Some((first, state, _)) if closed.as_ref().is_none_or(|(closed, _)| *closed <= first) => {
                Some((first, state))
            }
            _ => closed,
        })
    }

    /// The first day whose every line is kept; nothing when nothing was ever taken away.
    pub fn kept_from(&self) -> Result<Option<Date>, StoreError> {
        Ok(self.meta("kept_from")?.and_then(|text| text.parse().ok()))
    }

    /// How many lines are counted and kept no more.
    pub fn forgotten_lines(&self) -> Result<u64, StoreError> {
        let lines: i64 = self.db.query_row("SELECT coalesce(sum(forgotten), 0) FROM source", [], |row| row.get(0))?;
        Ok(lines.max(0) as u64)
    }
}

/// The second of its day that a stamp shows.
pub(crate) fn second_of_day(at: DateTime) -> i64 {
    at.time().duration_since(Time::midnight()).as_secs()
}

fn import(row: &Row<'_>) -> rusqlite::Result<ImportRow> {
    Ok(ImportRow {
        source: row.get(0)?,
        name: row.get(1)?,
        dialect: row.get(2)?,
        of: row.get(3)?,
        options: serde_json::from_str(&row.get::<_, String>(4)?).unwrap_or_default(),
        assume_year: row.get(5)?,
        began: instant(row.get(6)?),
        touched: instant(row.get(7)?),
        oldest: day_date(row.get(8)?),
        lines: row.get::<_, i64>(9)?.max(0) as u64,
        hash: row.get(10)?,
        head: row.get(11)?,
        overlap: row.get(12)?,
        done: row.get(13)?,
    })
}
