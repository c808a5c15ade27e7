//! How often each source was heard, and where lines were not understood: what is normal is learnt from the one, what of a
//! half-hour was lost is told by the other.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::OptionalExtension;

use super::imports::Stretch;
use super::{Reading, StoreError, Work, day_date, day_number, instant};
use crate::record::LineKind;

/// Lines of a half-hour, by when they came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Understood {
    /// Those that carry or continue a record, or are an event.
    pub understood: u64,
    /// Those that no rule understands.
    pub unparsed: u64,
}

impl Work<'_> {
    /// Adds moments to five minutes that begin at this second.
    pub fn add_heard(&self, source: u16, at: i64, moments: u64) -> Result<(), StoreError> {
        self.tx
            .prepare_cached("INSERT INTO heard VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET n = n + excluded.n")?
            .execute((source, at, moments as i64))?;
        Ok(())
    }

    /// Counts the moments of a source, of so many seconds each, again from its lines: from the last `cell` on that is
    /// counted. Without any, nothing was heard that was not counted.
    pub fn hear_anew(&self, source: u16, moment: i64, cell: i64) -> Result<(), StoreError> {
        let last: Option<i64> = self
            .tx
            .prepare_cached("SELECT max(at) FROM heard WHERE source = ?1")?
            .query_row([source], |row| row.get(0))?;
        let from = last.unwrap_or(i64::MIN / 2000);
        // Backwards, as far as they are as new: a clock that was set back is no reason to look through all of them.
        self.tx
            .prepare_cached(
                "INSERT OR REPLACE INTO heard
                 SELECT ?1, at_ms / (?4 * 1000) * ?4 AS cell, count(DISTINCT at_ms / (?3 * 1000)) FROM line
                 WHERE source = ?1 AND seq > coalesce((SELECT seq FROM line WHERE source = ?1 AND at_ms < ?2 * 1000
                 ORDER BY seq DESC LIMIT 1), 0) AND kind NOT IN (?5, ?6) GROUP BY cell",
            )?
            .execute((source, from, moment, cell, LineKind::Header.code(), LineKind::Noise.code()))?;
        Ok(())
    }

    /// Forgets what was heard before.
    pub fn forget_heard(&self, before: Timestamp) -> Result<(), StoreError> {
        self.tx.prepare_cached("DELETE FROM heard WHERE at < ?1")?.execute([before.as_second()])?;
        Ok(())
    }
}

impl Reading<'_> {
    /// The moments of a source since `from`, by the first second of their five minutes.
    pub fn heard(&self, source: u16, from: Timestamp) -> Result<BTreeMap<i64, u64>, StoreError> {
        let mut query = self.db.prepare_cached("SELECT at, n FROM heard WHERE source = ?1 AND at >= ?2")?;
        let rows =
            query.query_map((source, from.as_second()), |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// When the last line of a source came.
    pub fn last_came(&self, source: u16) -> Result<Option<Timestamp>, StoreError> {
        let mut query = self.db.prepare_cached("SELECT at_ms FROM line WHERE source = ?1 ORDER BY seq DESC LIMIT 1")?;
        Ok(query.query_row([source], |row| row.get(0)).optional()?.map(instant))
    }

    /// When a source was last heard to say something: no header, no mere control bytes.
    pub fn last_heard(&self, source: u16) -> Result<Option<Timestamp>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT at_ms FROM line WHERE source = ?1 AND kind NOT IN (?2, ?3) ORDER BY seq DESC LIMIT 1",
        )?;
        let line: Option<i64> =
            query.query_row((source, LineKind::Header.code(), LineKind::Noise.code()), |row| row.get(0)).optional()?;
        if line.is_some() {
            return Ok(line.map(instant));
        }
        let mut query = self.db.prepare_cached("SELECT max(at) FROM heard WHERE source = ?1")?;
        let cell: Option<i64> = query.query_row([source], |row| row.get(0))?;
        Ok(cell.and_then(|second| Timestamp::from_second(second).ok()))
    }

    /// What imports of the PBX called `of` tell of when it spoke since `from`: the moments in which calls arrived, by the
    /// first second of their five minutes.
    pub fn imported_moments(&self, of: &str, from: Timestamp) -> Result<BTreeMap<i64, u64>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT arrival_ms / 300000 * 300 AS at, count(DISTINCT arrival_ms / 10000) FROM call
             WHERE source IN (SELECT source FROM import WHERE of = ?1) AND arrival_ms >= ?2 GROUP BY at",
        )?;
        let rows =
            query.query_map((of, from.as_millisecond()), |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The days of each import of the PBX called `of` since `from`, each with the seconds of its first and last stamp.
    pub fn imported_days(&self, of: &str, from: Date) -> Result<Vec<(u16, Date, Stretch)>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT source, day, from_s, to_s FROM source_day WHERE source IN (SELECT source FROM import WHERE of = ?1)
             AND day >= ?2 AND from_s IS NOT NULL ORDER BY source, day",
        )?;
        let rows = query.query_map((of, day_number(from)), |row| {
            Ok((row.get(0)?, day_date(row.get(1)?), (row.get(2)?, row.get(3)?)))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Lines of a source that came from `from` to `to`, by the first second of their half-hour of UTC.
    pub fn understood(
        &self,
        source: u16,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<BTreeMap<i64, Understood>, StoreError> {
        let first = self.first_line_since(source, from)?;
        let mut query = self.db.prepare_cached(
            "SELECT at_ms / 1800000 * 1800 AS half, sum(kind IN (?5, ?6, ?7)), sum(kind = ?8) FROM line
             WHERE source = ?1 AND seq >= ?2 AND at_ms >= ?3 AND at_ms < ?4 GROUP BY half",
        )?;
        let kinds = [LineKind::Record, LineKind::Continuation, LineKind::Event, LineKind::Unparsed].map(LineKind::code);
        let rows = query.query_map(
            (source, first, from.as_millisecond(), to.as_millisecond(), kinds[0], kinds[1], kinds[2], kinds[3]),
            |row| {
                let count = |column: usize| row.get::<_, i64>(column).map(|count| count.max(0) as u64);
                Ok((row.get(0)?, Understood { understood: count(1)?, unparsed: count(2)? }))
            },
        )?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// A line from which on, and not before, there can be lines that came since `from`: where the day before was closed.
    fn first_line_since(&self, source: u16, from: Timestamp) -> Result<i64, StoreError> {
        // Days are closed after they are over, and what is stored then came before.
        let day = from.as_second().div_euclid(86_400) - 2;
        let mut query = self
            .db
            .prepare_cached("SELECT coalesce(max(first_seq), 0) FROM source_day WHERE source = ?1 AND day <= ?2")?;
        Ok(query.query_row((source, day), |row| row.get(0))?)
    }
}
