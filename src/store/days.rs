//! Days: which are closed, which changed since, what their lines were, and where a rebuild may begin.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::OptionalExtension;

use super::{Reading, SourceRow, StoreError, Work, day_date, day_number};
use crate::call::gauge::{Heard, Step};
use crate::call::{LineRef, Owner};
use crate::record::LineKind;

/// A day of one owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayRow {
    /// Which day.
    pub date: Date,
    /// Whether it is closed.
    pub closed: bool,
    /// Whether something changed since its newest document.
    pub changed: bool,
    /// How far it is rolled up: 1 tokens gone, 2 peers renumbered too.
    pub rolled: u8,
}

/// What was wrong on the wire: counted, since nothing that is lost may be silent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Wire {
    /// Bytes received in error (parity, framing), and breaks.
    pub line_errors: u64,
    /// Control bytes taken out of lines.
    pub stripped: u64,
    /// Bytes cut off over-long lines, and first halves of lines of which a stop lost the second.
    pub cut: u64,
}

impl Wire {
    /// Both together.
    pub fn and(self, other: Wire) -> Wire {
        Wire {
            line_errors: self.line_errors + other.line_errors,
            stripped: self.stripped + other.stripped,
            cut: self.cut + other.cut,
        }
    }
}

/// How a PBX's clock was on a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClockDay {
    /// The PBX's clock less the box's, where it was measured.
    pub offset_s: Option<i64>,
    /// The step of the PBX's stamps.
    pub resolution_s: Option<u8>,
    /// What was taken off the stamps of that day, where they were corrected.
    pub corrected_s: Option<i64>,
}

/// A day that is not closed yet, and whose it is.
pub type OpenDay = (Owner, Date);

impl Work<'_> {
    /// Makes sure that the day exists; a closed one is marked changed, and has its peers renumbered once more: what came
    /// late brought peers of its own.
    pub fn touch_day(&self, owner: &Owner, date: Date) -> Result<(), StoreError> {
        let (ods, site) = owner.key();
        self.tx
            .prepare_cached(
                "INSERT INTO day (ods, site, day) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET changed = (closed_ms IS NOT NULL), rolled = min(rolled, 1)
                 WHERE changed <> (closed_ms IS NOT NULL) OR rolled > 1",
            )?
            .execute((ods.as_str(), site.as_str(), day_number(date)))?;
        Ok(())
    }

    /// Marks every closed day of `date` as changed: something of its lines or links is different.
    pub fn touch_closed(&self, date: Date) -> Result<(), StoreError> {
        self.tx
            .prepare_cached("UPDATE day SET changed = 1 WHERE day = ?1 AND closed_ms IS NOT NULL AND NOT changed")?
            .execute([day_number(date)])?;
        Ok(())
    }

    /// Closes a day, or notes that a changed one has been rendered again.
    pub fn close_day(&self, owner: &Owner, date: Date, at: Timestamp) -> Result<(), StoreError> {
        let (ods, site) = owner.key();
        self.tx
            .prepare_cached(
                "INSERT INTO day (ods, site, day, closed_ms) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET closed_ms = coalesce(closed_ms, excluded.closed_ms), changed = 0",
            )?
            .execute((ods.as_str(), site.as_str(), day_number(date), at.as_millisecond()))?;
        Ok(())
    }

    /// Notes how far the days up to `date` are rolled up.
    pub fn set_rolled(&self, date: Date, rolled: u8) -> Result<(), StoreError> {
        self.tx
            .prepare_cached("UPDATE day SET rolled = max(rolled, ?2) WHERE day <= ?1 AND closed_ms IS NOT NULL")?
            .execute((day_number(date), rolled))?;
        Ok(())
    }

    /// Notes that the peers of these days are renumbered.
    pub fn set_renumbered(&self, days: &[Date]) -> Result<(), StoreError> {
        let mut update =
            self.tx.prepare_cached("UPDATE day SET rolled = 2 WHERE day = ?1 AND closed_ms IS NOT NULL")?;
        for day in days {
            update.execute([day_number(*day)])?;
        }
        Ok(())
    }

    /// Has the peers of the days that this line and its call belong to renumbered once more: it came to them late.
    pub fn roll_up_again(&self, line: LineRef) -> Result<(), StoreError> {
        self.tx
            .prepare_cached(
                "UPDATE day SET rolled = 1 WHERE rolled = 2 AND day IN (
                 SELECT day FROM line WHERE source = ?1 AND seq = ?2 UNION
                 SELECT call.day FROM line JOIN call ON call.source = line.source AND call.seq = line.call_seq
                 WHERE line.source = ?1 AND line.seq = ?2)",
            )?
            .execute((line.source, line.seq as i64))?;
        Ok(())
    }

    /// Takes up the line counts of the sources that `gone` names.
    pub fn copy_line_counts(&self, other: &Reading<'_>, gone: impl Fn(u16) -> bool) -> Result<(), StoreError> {
        let mut insert = self.tx.prepare("INSERT INTO line_count VALUES (?1, ?2, ?3, ?4)")?;
        for ((source, day, kind), n) in other.line_counts()? {
            if u16::try_from(source).is_ok_and(&gone) {
                insert.execute((source, day, kind, n))?;
            }
        }
        Ok(())
    }

    /// Takes up how far the days of `other` are rolled up, for a rebuild: what a day has forgotten stays forgotten.
    pub fn copy_rolled(&self, other: &Reading<'_>) -> Result<(), StoreError> {
        let mut query = other.db.prepare("SELECT ods, site, day, rolled FROM day WHERE rolled > 0")?;
        let mut insert = self.tx.prepare("INSERT INTO day (ods, site, day, rolled) VALUES (?1, ?2, ?3, ?4)")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            insert.execute((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, i64>(2)?,
                row.get::<_, i64>(3)?,
            ))?;
        }
        Ok(())
    }

    /// Adds to the line counts of a source.
    pub fn count_lines(&self, source: u16, counts: &BTreeMap<(Date, u8), i64>) -> Result<(), StoreError> {
        let mut add = self.tx.prepare_cached(
            "INSERT INTO line_count VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET n = n + excluded.n",
        )?;
        for ((date, kind), by) in counts.iter().filter(|(_, by)| **by != 0) {
            add.execute((source, day_number(*date), kind, by))?;
        }
        Ok(())
    }

    /// Notes how the PBX's clock was found on a day of the box's: of one stand the largest value, since printing and
    /// buffering only ever delay a line; of several the last one.
    pub fn clock_heard(&self, source: u16, date: Date, heard: &Heard) -> Result<(), StoreError> {
        self.tx
            .prepare_cached(
                "INSERT INTO source_day (source, day, clock_offset_s, clock_resolution_s) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET clock_resolution_s = excluded.clock_resolution_s,
                 clock_offset_s = CASE WHEN ?5 THEN excluded.clock_offset_s
                 ELSE max(coalesce(clock_offset_s, excluded.clock_offset_s), excluded.clock_offset_s) END
                 WHERE ?5 OR clock_offset_s IS NULL OR clock_offset_s < excluded.clock_offset_s
                 OR clock_resolution_s IS NOT excluded.clock_resolution_s",
            )?
            .execute((source, day_number(date), heard.offset_s, heard.resolution_s, heard.fresh))?;
        let Some(step) = heard.step else { return Ok(()) };
        let mut steps = self.read().clock_steps(source, date)?;
        steps.push(step);
        self.tx.prepare_cached("UPDATE source_day SET clock_steps = ?3 WHERE source = ?1 AND day = ?2")?.execute((
            source,
            day_number(date),
            serde_json::to_string(&steps).ok(),
        ))?;
        Ok(())
    }

    /// Notes what was taken off the stamps of a day.
    pub fn clock_corrected(&self, source: u16, date: Date, ahead_s: i64) -> Result<(), StoreError> {
        self.tx
            .prepare_cached(
                "INSERT INTO source_day (source, day, clock_corrected_s) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET clock_corrected_s = excluded.clock_corrected_s",
            )?
            .execute((source, day_number(date), ahead_s))?;
        Ok(())
    }

    /// Counts lines of a day that may repeat earlier ones.
    pub fn add_doubt(&self, source: u16, date: Date, lines: u64) -> Result<(), StoreError> {
        self.tx
            .prepare_cached(
                "INSERT INTO source_day (source, day, may_repeat) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET may_repeat = may_repeat + excluded.may_repeat",
            )?
            .execute((source, day_number(date), lines as i64))?;
        Ok(())
    }

    /// Adds to what was wrong on the wire of a source on a day of the box's clock.
    pub fn add_wire(&self, source: u16, date: Date, wire: &Wire) -> Result<(), StoreError> {
        self.tx
            .prepare_cached(
                "INSERT INTO source_day (source, day, line_errors, stripped, cut) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET line_errors = line_errors + excluded.line_errors,
                 stripped = stripped + excluded.stripped, cut = cut + excluded.cut",
            )?
            .execute((source, day_number(date), wire.line_errors as i64, wire.stripped as i64, wire.cut as i64))?;
        Ok(())
    }

    /// Keeps where a source stood when the day was closed for the first time.
    pub fn snapshot(&self, source: &SourceRow, date: Date) -> Result<(), StoreError> {
        self.tx
            .prepare_cached(
                "INSERT INTO source_day (source, day, first_seq, state, wall) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET first_seq = excluded.first_seq, state = excluded.state,
                 wall = excluded.wall WHERE first_seq IS NULL",
            )?
            .execute((
                source.id,
                day_number(date),
                source.next_seq as i64,
                serde_json::to_string(&source.state).ok(),
                serde_json::to_string(&source.wall).ok(),
            ))?;
        Ok(())
    }
}

impl Reading<'_> {
    /// One day of one owner.
    pub fn day(&self, owner: &Owner, date: Date) -> Result<Option<DayRow>, StoreError> {
        let (ods, site) = owner.key();
        let mut query = self.db.prepare_cached(
            "SELECT day, closed_ms IS NOT NULL, changed, rolled FROM day WHERE ods = ?1 AND site = ?2 AND day = ?3",
        )?;
        Ok(query.query_row((ods.as_str(), site.as_str(), day_number(date)), day_row).optional()?)
    }

    /// The days of one owner before `before` that are to be closed, or that changed after they were.
    pub fn unsettled_days(&self, owner: &Owner, before: Date) -> Result<Vec<DayRow>, StoreError> {
        let (ods, site) = owner.key();
        let mut query = self.db.prepare_cached(
            "SELECT day, closed_ms IS NOT NULL, changed, rolled FROM day
             WHERE ods = ?1 AND site = ?2 AND day < ?3 AND (closed_ms IS NULL OR changed) ORDER BY day",
        )?;
        let rows = query.query_map((ods.as_str(), site.as_str(), day_number(before)), day_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The newest day of one owner, up to this one, that is closed.
    pub fn last_closed_by(&self, owner: &Owner, last: Date) -> Result<Option<Date>, StoreError> {
        let (ods, site) = owner.key();
        let mut query = self.db.prepare_cached(
            "SELECT max(day) FROM day WHERE ods = ?1 AND site = ?2 AND day <= ?3 AND closed_ms IS NOT NULL",
        )?;
        let newest: Option<i64> = query.query_row((ods.as_str(), site.as_str(), day_number(last)), |row| row.get(0))?;
        Ok(newest.map(day_date))
    }

    /// The newest day of one owner that is closed.
    pub fn last_closed(&self, owner: &Owner) -> Result<Option<Date>, StoreError> {
        let (ods, site) = owner.key();
        let mut query = self
            .db
            .prepare_cached("SELECT max(day) FROM day WHERE ods = ?1 AND site = ?2 AND closed_ms IS NOT NULL")?;
        let newest: Option<i64> = query.query_row((ods.as_str(), site.as_str()), |row| row.get(0))?;
        Ok(newest.map(day_date))
    }

    /// Closed days before `before` that are rolled up less far than `rolled`.
    pub fn days_to_roll(&self, before: Date, rolled: u8) -> Result<Vec<Date>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT DISTINCT day FROM day WHERE day < ?1 AND rolled < ?2 AND closed_ms IS NOT NULL ORDER BY day",
        )?;
        let rows = query.query_map((day_number(before), rolled), |row| row.get(0).map(day_date))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Lines of a source on a day, by kind.
    pub fn lines_of(&self, source: u16, date: Date) -> Result<[u64; 7], StoreError> {
        let mut query = self.db.prepare_cached("SELECT kind, n FROM line_count WHERE source = ?1 AND day = ?2")?;
        let mut rows = query.query((source, day_number(date)))?;
        let mut counts = [0; 7];
        while let Some(row) = rows.next()? {
            if let Some(slot) = counts.get_mut(usize::from(row.get::<_, u8>(0)?)) {
                *slot = row.get::<_, i64>(1)?.max(0) as u64;
            }
        }
        Ok(counts)
    }

    /// Lines of every source over all days, by kind, and how many rows there are: the two must agree.
    pub fn line_totals(&self) -> Result<([u64; 7], u64), StoreError> {
        let mut counts = [0; 7];
        for (kind, slot) in LineKind::ALL.iter().zip(&mut counts) {
            let sum: i64 = self.db.query_row(
                "SELECT coalesce(sum(n), 0) FROM line_count WHERE kind = ?1",
                [kind.code()],
                |row| row.get(0),
            )?;
            *slot = sum.max(0) as u64;
        }
        let rows: i64 = self.db.query_row("SELECT count(*) FROM line", [], |row| row.get(0))?;
        Ok((counts, rows as u64))
    }

    /// The civil days on which lines are counted.
    pub fn line_days(&self) -> Result<Vec<Date>, StoreError> {
        let mut query = self.db.prepare("SELECT DISTINCT day FROM line_count")?;
        Ok(query.query_map([], |row| row.get(0).map(day_date))?.collect::<Result<_, _>>()?)
    }

    /// How many calls of one owner lie before `oldest` or after `newest`: there is no day to send them with.
    pub fn calls_outside(&self, owner: &Owner, oldest: Date, newest: Date) -> Result<u64, StoreError> {
        let (ods, site) = owner.key();
        let mut query = self.db.prepare_cached(
            "SELECT count(*) FROM call WHERE (day < ?3 OR day > ?4) AND ods = ?1 AND site = ?2
             AND source NOT IN (SELECT source FROM import) AND NOT EXISTS (SELECT 1 FROM day WHERE day.ods = call.ods AND day.site = call.site
             AND day.day = call.day AND closed_ms IS NOT NULL)",
        )?;
        let count: i64 =
            query.query_row((ods.as_str(), site.as_str(), day_number(oldest), day_number(newest)), |row| row.get(0))?;
        Ok(count.max(0) as u64)
    }

    /// Every line count that is not zero, for comparison.
    pub fn line_counts(&self) -> Result<BTreeMap<(i64, i64, i64), i64>, StoreError> {
        let mut query = self.db.prepare("SELECT source, day, kind, n FROM line_count WHERE n <> 0")?;
        let rows = query.query_map([], |row| Ok(((row.get(0)?, row.get(1)?, row.get(2)?), row.get(3)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many lines of a day are counted and may repeat earlier ones.
    pub fn may_repeat(&self, source: u16, date: Date) -> Result<u64, StoreError> {
        let mut query = self.db.prepare_cached("SELECT may_repeat FROM source_day WHERE source = ?1 AND day = ?2")?;
        let lines = query.query_row((source, day_number(date)), |row| row.get::<_, i64>(0));
        Ok(lines.optional()?.unwrap_or(0) as u64)
    }

    /// What was wrong on the wire of a source on a day of the box's clock.
    pub fn wire(&self, source: u16, date: Date) -> Result<Wire, StoreError> {
        let mut query = self
            .db
            .prepare_cached("SELECT line_errors, stripped, cut FROM source_day WHERE source = ?1 AND day = ?2")?;
        let wire = query.query_row((source, day_number(date)), |row| {
            let count = |column: usize| row.get::<_, i64>(column).map(|count| count.max(0) as u64);
            Ok(Wire { line_errors: count(0)?, stripped: count(1)?, cut: count(2)? })
        });
        Ok(wire.optional()?.unwrap_or_default())
    }

    /// How a PBX's clock was on a day.
    pub fn clock_day(&self, source: u16, date: Date) -> Result<ClockDay, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT clock_offset_s, clock_resolution_s, clock_corrected_s FROM source_day WHERE source = ?1 AND day = ?2",
        )?;
        let row = query.query_row((source, day_number(date)), |row| {
            Ok(ClockDay { offset_s: row.get(0)?, resolution_s: row.get(1)?, corrected_s: row.get(2)? })
        });
        Ok(row.optional()?.unwrap_or_default())
    }

    /// What a PBX's clock was ahead on each day since `from` on which it was measured, in order.
    pub fn clock_offsets(&self, source: u16, from: Date) -> Result<Vec<(Date, i64)>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT day, clock_offset_s FROM source_day
             WHERE source = ?1 AND day >= ?2 AND clock_offset_s IS NOT NULL ORDER BY day",
        )?;
        let rows = query.query_map((source, day_number(from)), |row| Ok((day_date(row.get(0)?), row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// When a PBX's clock was moved on a day.
    pub fn clock_steps(&self, source: u16, date: Date) -> Result<Vec<Step>, StoreError> {
        let mut query = self.db.prepare_cached("SELECT clock_steps FROM source_day WHERE source = ?1 AND day = ?2")?;
        let text = query.query_row((source, day_number(date)), |row| row.get::<_, Option<String>>(0)).optional()?;
        Ok(text.flatten().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }
}

fn day_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<DayRow> {
    Ok(DayRow { date: day_date(row.get(0)?), closed: row.get(1)?, changed: row.get(2)?, rolled: row.get(3)? })
}
