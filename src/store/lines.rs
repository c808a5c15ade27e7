//! Lines, the numbers beside them, and where each source stands.

use compact_str::CompactString;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{OptionalExtension, Row};

use super::{Reading, Repeats, StoreError, Work, day_date, day_number, instant};
use crate::call::{LineRef, Wall};
use crate::dialect::SourceState;
use crate::number::{Anonymous, Class};
use crate::record::{LineKind, MaskedRecord};

/// A line as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredLine {
    /// Which line.
    pub line: LineRef,
    /// When the box received it.
    pub at: Timestamp,
    /// The civil day it is counted in.
    pub day: Date,
    /// What it turned out to be.
    pub kind: LineKind,
    /// Masked text, or a shape.
    pub text: Vec<u8>,
    /// Why it was not understood.
    pub reason: Option<String>,
    /// The first column that was not understood.
    pub column: Option<u16>,
    /// Silence after this line closed an open group.
    pub idle: bool,
    /// Only the shape of it is kept: it cannot be read again.
    pub shape: bool,
    /// The record it carries.
    pub record: Option<MaskedRecord>,
    /// The call that the record belongs to.
    pub call: Option<u64>,
}

/// A line to be stored; what it means is said at [`StoredLine`].
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct NewLine<'a> {
    pub line: LineRef,
    pub at: Timestamp,
    pub day: Date,
    pub kind: LineKind,
    pub text: &'a [u8],
    pub reason: Option<&'a str>,
    pub column: Option<u16>,
    pub idle: bool,
    pub shape: bool,
    pub record: Option<&'a MaskedRecord>,
    pub call: Option<u64>,
    pub repeats: Option<Repeats>,
}

/// A number kept beside its line.
pub type StoredNumber = (u16, Anonymous);

/// Where a source stands.
#[derive(Debug, Clone)]
pub struct SourceRow {
    /// Its number.
    pub id: u16,
    /// The number that the next line gets.
    pub next_seq: u64,
    /// State of its dialect.
    pub state: SourceState,
    /// State of its wall clock.
    pub wall: Wall,
    /// Civil day of the last record, and when it came.
    pub last_record: Option<(Date, Timestamp)>,
}

/// The record without what joins calls: peers and tokens are kept beside the line and in the call only, where the
/// day's roll-up finds them.
fn unlinked(record: &MaskedRecord) -> MaskedRecord {
    record.clone().map_numbers(|number| Some(Anonymous { peer: None, token: None, ..number }))
}

impl Work<'_> {
    /// The source of this name, made when it is not there yet.
    pub fn source(&self, name: &str, dialect: &str) -> Result<SourceRow, StoreError> {
        self.tx
            .prepare_cached(
                "INSERT INTO source (name, dialect) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET dialect = excluded.dialect",
            )?
            .execute((name, dialect))?;
        let row = self.read().source(name)?;
        row.ok_or(StoreError::Sqlite { doing: "making a source", reason: rusqlite::Error::QueryReturnedNoRows })
    }

    /// Puts in a source under the number it had.
    pub fn put_source_as(&self, id: u16, name: &str, dialect: &str, next_seq: u64) -> Result<(), StoreError> {
        self.tx
            .prepare_cached("INSERT OR IGNORE INTO source (id, name, dialect, next_seq) VALUES (?1, ?2, ?3, ?4)")?
            .execute((id, name, dialect, next_seq as i64))?;
        Ok(())
    }

    /// Saves where a source stands.
    pub fn put_source(&self, source: &SourceRow) -> Result<(), StoreError> {
        self.tx
            .prepare_cached(
                "UPDATE source SET next_seq = ?2, state = ?3, wall = ?4, record_day = ?5, record_at_ms = ?6
                 WHERE id = ?1",
            )?
            .execute((
                source.id,
                source.next_seq as i64,
                json(&source.state),
                json(&source.wall),
                source.last_record.map(|(day, _)| day_number(day)),
                source.last_record.map(|(_, at)| at.as_millisecond()),
            ))?;
        Ok(())
    }

    /// Stores a line with the numbers beside it.
    pub fn put_line(&self, line: &NewLine<'_>, numbers: &[StoredNumber]) -> Result<(), StoreError> {
        self.tx
            .prepare_cached(
                "INSERT INTO line (source, seq, at_ms, day, kind, text, reason, col, idle, shape, record, call_seq)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?
            .execute((
                line.line.source,
                line.line.seq as i64,
                line.at.as_millisecond(),
                day_number(line.day),
                line.kind.code(),
                line.text,
                line.reason,
                line.column,
                line.idle,
                line.shape,
                line.record.map(|record| json(&unlinked(record))),
                line.call.map(|seq| seq as i64),
            ))?;
        self.put_numbers(line.line, numbers)?;
        match line.repeats {
            Some(repeats) => self.put_verdict(line.line, repeats, line.record),
            None => Ok(()),
        }
    }

    fn put_numbers(&self, line: LineRef, numbers: &[StoredNumber]) -> Result<(), StoreError> {
        if numbers.is_empty() {
            return Ok(());
        }
        let mut insert =
            self.tx.prepare_cached("INSERT OR REPLACE INTO number VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
        for (start, number) in numbers {
            insert.execute((
                line.source,
                line.seq as i64,
                start,
                number.class.code(),
                number.digits,
                number.peer,
                number.token.map(|token| token as i64),
                number.own.as_deref(),
            ))?;
        }
        Ok(())
    }

    /// Says what an earlier line turned out to be when its group closed. Answers with the kind it was taken for, the
    /// day it is counted in and when it came; nothing when there is no such line any more.
    pub fn settle_line(
        &self,
        line: LineRef,
        kind: LineKind,
        reason: Option<&str>,
        record: Option<&MaskedRecord>,
        call: Option<u64>,
    ) -> Result<Option<(LineKind, Date, Timestamp)>, StoreError> {
        let before = self
            .tx
            .prepare_cached("SELECT kind, day, at_ms FROM line WHERE source = ?1 AND seq = ?2")?
            .query_row((line.source, line.seq as i64), |row| {
                Ok((row.get::<_, u8>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
            })
            .optional()?;
        self.tx
            .prepare_cached(
                "UPDATE line SET kind = ?3, reason = ?4, record = ?5, call_seq = ?6 WHERE source = ?1 AND seq = ?2",
            )?
            .execute((
                line.source,
                line.seq as i64,
                kind.code(),
                reason,
                record.map(|record| json(&unlinked(record))),
                call.map(|seq| seq as i64),
            ))?;
        self.put_places(line, record)?;
        Ok(before.and_then(|(kind, day, at)| Some((LineKind::from_code(kind)?, day_date(day), instant(at)))))
    }

    /// Notes which call the record of a line belongs to.
    pub fn belongs_to(&self, line: LineRef, call: u64) -> Result<(), StoreError> {
        self.tx.prepare_cached("UPDATE line SET call_seq = ?3 WHERE source = ?1 AND seq = ?2")?.execute((
            line.source,
            line.seq as i64,
            call as i64,
        ))?;
        Ok(())
    }

    /// A line of which only the shape was kept has been read again: its masked text and the numbers beside it.
    pub fn put_understood(&self, line: LineRef, text: &[u8], numbers: &[StoredNumber]) -> Result<(), StoreError> {
        self.tx.prepare_cached("UPDATE line SET text = ?3, shape = 0 WHERE source = ?1 AND seq = ?2")?.execute((
            line.source,
            line.seq as i64,
            text,
        ))?;
        self.put_numbers(line, numbers)
    }

    /// Moves the times at which lines came, from `first` on, by the time that the box's clock was set by.
    pub fn restamp_lines(&self, source: u16, first: u64, by: SignedDuration) -> Result<usize, StoreError> {
        let by = i64::try_from(by.as_millis()).unwrap_or(0);
        let mut update =
            self.tx.prepare_cached("UPDATE line SET at_ms = at_ms + ?3 WHERE source = ?1 AND seq >= ?2")?;
        Ok(update.execute((source, first as i64, by))?)
    }

    /// Notes that silence after this line closed an open group.
    pub fn idle_after(&self, line: LineRef) -> Result<(), StoreError> {
        self.tx
            .prepare_cached("UPDATE line SET idle = 1 WHERE source = ?1 AND seq = ?2")?
            .execute((line.source, line.seq as i64))?;
        Ok(())
    }
}

impl Reading<'_> {
    /// The sources of which the state of the dialect or of the clock cannot be read: they are taken to stand at their start.
    pub fn unreadable_states(&self) -> Result<Vec<String>, StoreError> {
        let mut query = self.db.prepare("SELECT name, state, wall FROM source ORDER BY id")?;
        let rows = query.query_map([], |row| {
            let (state, wall): (Option<String>, Option<String>) = (row.get(1)?, row.get(2)?);
            let state = state.is_none_or(|text| serde_json::from_str::<Option<SourceState>>(&text).is_ok());
            let wall = wall.is_none_or(|text| serde_json::from_str::<Option<Wall>>(&text).is_ok());
            Ok((!state || !wall).then_some(row.get(0)?))
        })?;
        Ok(rows.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// The source of this name.
    pub fn source(&self, name: &str) -> Result<Option<SourceRow>, StoreError> {
        let mut query = self
            .db
            .prepare_cached("SELECT id, next_seq, state, wall, record_day, record_at_ms FROM source WHERE name = ?1")?;
        let row = query.query_row([name], |row| {
            let parse = |text: Option<String>| text.unwrap_or_else(|| "null".into());
            Ok(SourceRow {
                id: row.get(0)?,
                next_seq: row.get::<_, i64>(1)? as u64,
                state: serde_json::from_str(&parse(row.get(2)?)).unwrap_or_default(),
                wall: serde_json::from_str(&parse(row.get(3)?)).unwrap_or_default(),
                last_record: row
                    .get::<_, Option<i64>>(4)?
                    .map(day_date)
                    .zip(row.get::<_, Option<i64>>(5)?.map(instant)),
            })
        });
        Ok(row.optional()?)
    }

    /// The lines of a source from `first` on, in order, in portions of at most `most`.
    pub fn lines(&self, source: u16, first: u64, most: u32) -> Result<Vec<StoredLine>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT seq, at_ms, day, kind, text, reason, col, idle, shape, record, call_seq FROM line
             WHERE source = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3",
        )?;
        let rows = query.query_map((source, first as i64, most), |row| stored(source, row))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The records that the lines of these days carry, each with the call it belongs to.
    pub fn records_of(&self, from: Date, to: Date) -> Result<Vec<(LineRef, MaskedRecord)>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT source, call_seq, record FROM line
             WHERE day BETWEEN ?1 AND ?2 AND call_seq IS NOT NULL AND record IS NOT NULL ORDER BY source, seq",
        )?;
        // A call may have a line of the day before, or after.
        let mut rows = query.query((day_number(from) - 1, day_number(to) + 1))?;
        let mut records = Vec::new();
        while let Some(row) = rows.next()? {
            let call = LineRef { source: row.get(0)?, seq: row.get::<_, i64>(1)? as u64 };
            if let Ok(record) = serde_json::from_str(&row.get::<_, String>(2)?) {
                records.push((call, record));
            }
        }
        Ok(records)
    }

    /// How many lines of a source came since each of these instants, the earliest last.
    pub fn lines_since(&self, source: u16, since: [Timestamp; 2]) -> Result<[u64; 2], StoreError> {
        // Backwards from the newest: as many rows are looked at as are counted, however many are kept.
        let mut query =
            self.db.prepare_cached("SELECT at_ms FROM line WHERE source = ?1 ORDER BY seq DESC LIMIT 100000")?;
        let mut rows = query.query([source])?;
        let mut counts = [0; 2];
        while let Some(row) = rows.next()? {
            let at: i64 = row.get(0)?;
            if at < since[1].as_millisecond() {
                break;
            }
            counts[1] += 1;
            counts[0] += u64::from(at >= since[0].as_millisecond());
        }
        Ok(counts)
    }

    /// The numbers beside the lines of a source from `first` to `last`, by line.
    pub fn numbers(&self, source: u16, first: u64, last: u64) -> Result<Vec<(u64, StoredNumber)>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT seq, start, class, digits, peer, token, own FROM number
             WHERE source = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq, start",
        )?;
        let rows = query.query_map((source, first as i64, last as i64), |row| {
            let number = Anonymous {
                class: Class::from_code(row.get(2)?).unwrap_or(Class::Other),
                digits: row.get(3)?,
                peer: row.get(4)?,
                token: row.get::<_, Option<i64>>(5)?.map(|token| token as u64),
                own: row.get::<_, Option<String>>(6)?.map(CompactString::from),
            };
            Ok((row.get::<_, i64>(0)? as u64, (row.get(1)?, number)))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The largest peer that is stored; new ones are counted from there.
    pub fn largest_peer(&self) -> Result<u32, StoreError> {
        Ok(self.db.query_row("SELECT coalesce(max(peer), 0) FROM number", [], |row| row.get(0))?)
    }
}

fn stored(source: u16, row: &Row<'_>) -> rusqlite::Result<StoredLine> {
    Ok(StoredLine {
        line: LineRef { source, seq: row.get::<_, i64>(0)? as u64 },
        at: instant(row.get(1)?),
        day: day_date(row.get(2)?),
        kind: LineKind::from_code(row.get(3)?).unwrap_or(LineKind::Unparsed),
        text: row.get(4)?,
        reason: row.get(5)?,
        column: row.get(6)?,
        idle: row.get(7)?,
        shape: row.get(8)?,
        record: row.get::<_, Option<String>>(9)?.and_then(|text| serde_json::from_str(&text).ok()),
        call: row.get::<_, Option<i64>>(10)?.map(|seq| seq as u64),
    })
}

fn json(value: &impl serde::Serialize) -> Option<String> {
    serde_json::to_string(value).ok()
}
