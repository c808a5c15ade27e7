//! What is kept no more: lines and calls that stay counted, figures that do not, and the room they took. Each of these is
//! small enough to stand between two lines.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::OptionalExtension;

use super::{Reading, Store, StoreError, Work, day_date, day_number, instant};
use crate::call::Owner;

/// What decides how long a line is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineAge {
    /// Its number within the source.
    pub seq: u64,
    /// When the box received it.
    pub at: Timestamp,
    /// The civil day it is counted in.
    pub day: Date,
    /// The call that it belongs to is not over.
    pub open: bool,
    /// Only its shape is kept, and not empty yet.
    pub shape: bool,
}

/// How many rows went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[allow(missing_docs)]
pub struct Gone {
    pub lines: u64,
    pub calls: u64,
    pub shapes: u64,
    pub documents: u64,
    pub days: u64,
    pub audit: u64,
}

impl Work<'_> {
    /// Takes lines of a source away, with the numbers beside them and the calls that are named after them. They stay
    /// counted. `kept_from` is the first day whose every line is kept from now on.
    pub fn forget_lines(&self, source: u16, lines: &[u64], kept_from: Date) -> Result<Gone, StoreError> {
        let mut gone = Gone::default();
        for (first, last) in runs(lines) {
            let these = (source, first as i64, last as i64);
            self.tx
                .prepare_cached(
                    "INSERT INTO source_day (source, day, forgotten_calls)
                     SELECT source, day, count(*) FROM call WHERE source = ?1 AND seq BETWEEN ?2 AND ?3 GROUP BY day
                     ON CONFLICT DO UPDATE SET forgotten_calls = forgotten_calls + excluded.forgotten_calls",
                )?
                .execute(these)?;
            let delete = |table: &str| -> Result<usize, StoreError> {
                let sql = format!("DELETE FROM {table} WHERE source = ?1 AND seq BETWEEN ?2 AND ?3");
                Ok(self.tx.prepare_cached(&sql)?.execute(these)?)
            };
            delete("number")?;
            gone.calls += delete("call")? as u64;
            gone.lines += delete("line")? as u64;
        }
        if gone.lines > 0 {
            self.tx
                .prepare_cached("UPDATE source SET forgotten = forgotten + ?2 WHERE id = ?1")?
                .execute((source, gone.lines as i64))?;
            self.keep_from(kept_from)?;
        }
        Ok(gone)
    }

    /// Notes the first day whose every line is kept, where it is later than what is noted.
    pub fn keep_from(&self, date: Date) -> Result<(), StoreError> {
        let kept = self.read().kept_from()?.map_or(date, |kept| kept.max(date));
        self.set_meta("kept_from", &kept.to_string())
    }

    /// Notes how a source stood before the first line of it that is kept.
    pub fn begin_at(&self, source: u16, seq: u64, state: &str, wall: &str) -> Result<(), StoreError> {
        self.tx
            .prepare_cached(
                "INSERT INTO beginning VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET
                 first_seq = excluded.first_seq, state = excluded.state, wall = excluded.wall",
            )?
            .execute((source, seq as i64, state, wall))?;
        Ok(())
    }

    /// Empties the shapes of lines; the lines stay, and that they were not understood.
    pub fn forget_shapes(&self, source: u16, lines: &[u64]) -> Result<u64, StoreError> {
        let mut query =
            self.tx.prepare_cached("UPDATE line SET text = x'' WHERE source = ?1 AND seq = ?2 AND shape = 1")?;
        let mut shapes = 0;
        for seq in lines {
            shapes += query.execute((source, *seq as i64))? as u64;
        }
        Ok(shapes)
    }

    /// Takes away at most `most` days before `before`, with their documents, that are settled: the supplier's receipt is
    /// there, or they are nobody's to send. Gives how many documents and days went.
    pub fn forget_days(&self, before: Date, most: u32) -> Result<(u64, u64), StoreError> {
        let rows: Vec<(String, String, i64)> = self
            .tx
            .prepare_cached(
                "SELECT ods, site, day FROM day WHERE day < ?1 AND (ods LIKE '-%' OR 'receipted' =
                 (SELECT state FROM outbox WHERE outbox.ods = day.ods AND outbox.site = day.site
                  AND outbox.day = day.day ORDER BY revision DESC LIMIT 1)) LIMIT ?2",
            )?
            .query_map((day_number(before), most), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<Result<_, _>>()?;
        let mut documents = 0;
        for key in &rows {
            let of = "ods = ?1 AND site = ?2 AND day = ?3";
            documents +=
                self.tx.prepare_cached(&format!("DELETE FROM outbox WHERE {of}"))?.execute((&key.0, &key.1, key.2))?;
            self.tx.prepare_cached(&format!("DELETE FROM day WHERE {of}"))?.execute((&key.0, &key.1, key.2))?;
        }
        Ok((documents as u64, rows.len() as u64))
    }

    /// Takes away one owner's oldest day of figures, where it is before `before`. False when there is none.
    pub fn forget_figures(&self, owner: &Owner, before: Timestamp) -> Result<bool, StoreError> {
        let (ods, site) = owner.key();
        let oldest: Option<i64> = self
            .tx
            .prepare_cached("SELECT min(slot) FROM counter WHERE ods = ?1 AND site = ?2")?
            .query_row((ods.as_str(), site.as_str()), |row| row.get(0))?;
        let Some(oldest) = oldest.filter(|slot| *slot < before.as_second()) else { return Ok(false) };
        self.tx.prepare_cached("DELETE FROM counter WHERE ods = ?1 AND site = ?2 AND slot < ?3")?.execute((
            ods.as_str(),
            site.as_str(),
            before.as_second().min(oldest + 86_400),
        ))?;
        Ok(true)
    }

    /// Takes away the line counts of a source and what else is noted of its days and links before `before`, but for the
    /// days `with_lines`, of which lines are kept.
    pub fn forget_counts(
        &self,
        source: u16,
        before: Date,
        midnight: Timestamp,
        with_lines: &BTreeSet<Date>,
    ) -> Result<(), StoreError> {
        let days: Vec<i64> = self
            .tx
            .prepare_cached(
                "SELECT day FROM line_count WHERE source = ?1 AND day < ?2
                 UNION SELECT day FROM source_day WHERE source = ?1 AND day < ?2",
            )?
            .query_map((source, day_number(before)), |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for day in days.into_iter().filter(|day| !with_lines.contains(&day_date(*day))) {
            self.tx
                .prepare_cached(
                    "UPDATE source SET forgotten = max(0, forgotten -
                     (SELECT coalesce(sum(n), 0) FROM line_count WHERE source = ?1 AND day = ?2)) WHERE id = ?1",
                )?
                .execute((source, day))?;
            for table in ["line_count", "source_day"] {
                let sql = format!("DELETE FROM {table} WHERE source = ?1 AND day = ?2");
                self.tx.prepare_cached(&sql)?.execute((source, day))?;
            }
        }
        self.tx
            .prepare_cached("DELETE FROM link WHERE source = ?1 AND to_ms < ?2")?
            .execute((source, midnight.as_millisecond()))?;
        Ok(())
    }

    /// Takes away at most `most` rows of the audit that are older than `before`. The last of them leaves its hash behind, so
    /// that the chain can still be followed from there. A row that is written while the box does not know the time looks old and
    /// stands behind younger ones: it goes when those go.
    pub fn forget_audit(&self, before: Timestamp, most: u32) -> Result<u64, StoreError> {
        let last: Option<(i64, String)> = self
            .tx
            .prepare_cached(
                "SELECT id, hash FROM (SELECT id, hash FROM audit
                     WHERE id < coalesce((SELECT min(id) FROM audit WHERE at_ms >= ?1), 9223372036854775807) ORDER BY id LIMIT ?2)
                 WHERE id < (SELECT max(id) FROM audit) ORDER BY id DESC LIMIT 1",
            )?
            .query_row((before.as_millisecond(), most), |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((id, hash)) = last else { return Ok(0) };
        self.set_meta("audit_before", &hash)?;
        Ok(self.tx.prepare_cached("DELETE FROM audit WHERE id <= ?1")?.execute([id])? as u64)
    }
}

impl Reading<'_> {
    /// How old the lines of a source are, from `first` on, in order.
    pub fn line_ages(&self, source: u16, first: u64, most: u32) -> Result<Vec<LineAge>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT line.seq, at_ms, line.day, coalesce(call.open, 0), shape AND length(text) > 0 FROM line
             LEFT JOIN call ON call.source = line.source AND call.seq = line.call_seq
             WHERE line.source = ?1 AND line.seq >= ?2 ORDER BY line.seq LIMIT ?3",
        )?;
        let rows = query.query_map((source, first as i64, most), |row| {
            Ok(LineAge {
                seq: row.get::<_, i64>(0)? as u64,
                at: instant(row.get(1)?),
                day: day_date(row.get(2)?),
                open: row.get(3)?,
                shape: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Every source's number, name and dialect, in order.
    pub fn sources(&self) -> Result<Vec<(u16, String, String)>, StoreError> {
        let mut query = self.db.prepare_cached("SELECT id, name, dialect FROM source ORDER BY id")?;
        Ok(query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?)
    }

    /// Everybody who has days.
    pub fn owners(&self) -> Result<Vec<Owner>, StoreError> {
        let mut query = self.db.prepare_cached("SELECT DISTINCT ods, site FROM day")?;
        let rows =
            query.query_map([], |row| Ok(Owner::from_key(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Where the kept lines of a source begin, with the state of its dialect and of its wall clock there; nothing when
    /// none was taken away.
    pub fn beginning(&self, source: u16) -> Result<Option<(u64, String, String)>, StoreError> {
        let mut query = self.db.prepare_cached("SELECT first_seq, state, wall FROM beginning WHERE source = ?1")?;
        let row = query.query_row([source], |row| Ok((row.get::<_, i64>(0)? as u64, row.get(1)?, row.get(2)?)));
        Ok(row.optional()?)
    }

    /// What a source has given records for on a day whose calls are counted and kept no more.
    pub fn forgotten_stretch(&self, source: u16, date: Date) -> Result<Option<super::Stretch>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT from_s, to_s FROM source_day WHERE source = ?1 AND day = ?2 AND from_s IS NOT NULL
             AND forgotten_calls > 0",
        )?;
        Ok(query.query_row((source, day_number(date)), |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }

    /// Pages of the file that hold nothing, and how many there are in all.
    pub fn free_pages(&self) -> Result<(u64, u64), StoreError> {
        let page = |sql: &str| self.db.query_row(sql, [], |row| row.get::<_, i64>(0));
        Ok((page("PRAGMA freelist_count")?.max(0) as u64, page("PRAGMA page_count")?.max(0) as u64))
    }
}

impl Store {
    /// Gives at most `pages` free pages back to the disk. False when there was none.
    pub fn give_back(&self, pages: u32) -> Result<bool, StoreError> {
        let (free, _) = self.read().free_pages()?;
        if free > 0 {
            // One step frees one page: the statement is run to its end.
            let mut vacuum = self.db.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
            let mut rows = vacuum.query([])?;
            while rows.next()?.is_some() {}
        }
        Ok(free > 0)
    }

    /// Bytes of a page.
    pub fn page_size(&self) -> Result<u64, StoreError> {
        Ok(self.db.query_row("PRAGMA page_size", [], |row| row.get::<_, i64>(0))?.max(0) as u64)
    }

    /// Carries what is in the log into the file, as far as nobody reads it.
    pub fn carry_log(&self) -> Result<(), StoreError> {
        Ok(self.db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?)
    }

    /// Empties the log, so that nothing deleted stays in a file. False when somebody is reading: then it is to be tried
    /// again.
    pub fn empty_log(&self) -> Result<bool, StoreError> {
        let busy: i64 = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        Ok(busy == 0)
    }
}

/// Numbers in order as runs without a hole, from and to.
fn runs(numbers: &[u64]) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => runs.push((*number, *number)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_taken_together_where_they_follow_each_other() {
        assert_eq!(runs(&[1, 2, 3, 7, 9, 10]), [(1, 3), (7, 7), (9, 10)]);
        assert_eq!(runs(&[]), []);
    }

    #[test]
    fn the_audit_loses_its_oldest_rows_and_stays_a_chain() {
        let mut store = Store::in_memory().unwrap();
        let at = |day: i64| Timestamp::from_second(day * 86_400).unwrap();
        let work = store.begin().unwrap();
        for day in 1..=5 {
            work.audit(at(day), "root", "looked").unwrap();
        }
        let third: String = work.tx.query_row("SELECT hash FROM audit WHERE id = 3", [], |row| row.get(0)).unwrap();
        assert_eq!(work.forget_audit(at(4), 2).unwrap(), 2);
        assert_eq!(work.forget_audit(at(4), 2).unwrap(), 1);
        assert_eq!(work.forget_audit(at(4), 2).unwrap(), 0);
        assert_eq!(work.read().meta("audit_before").unwrap(), Some(third));
        assert_eq!(work.forget_audit(at(9), 9).unwrap(), 1, "the newest row is the head, and stays");
        work.commit().unwrap();
    }
}
