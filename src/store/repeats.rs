//! Which lines repeat others, and lines as they are compared for it.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::{OptionalExtension, Row};

use super::{Reading, StoreError, StoredNumber, Work, day_date, day_number, instant};
use crate::call::LineRef;
use crate::number::Anonymous;
use crate::record::{LineKind, MaskedRecord};

/// How many lines before and after it a record's numbers may stand.
const GROUP: u64 = 64;

/// How a line that a PBX may have printed before stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeats {
    /// It is not clear yet.
    Waits,
    /// It may repeat one, and is counted.
    Doubtful,
    /// It repeats this line, of its own source or of another that has lines of the same PBX.
    Line(LineRef),
}

impl Repeats {
    /// As it is stored beside a line of `source`: the line, and whose it is where it is another's.
    fn codes(self, source: u16) -> (i64, Option<u16>) {
        match self {
            Repeats::Waits => (0, None),
            Repeats::Doubtful => (-1, None),
            Repeats::Line(of) => (of.seq as i64, Some(of.source).filter(|of| *of != source)),
        }
    }

    fn from_codes(source: u16, code: i64, other: Option<u16>) -> Repeats {
        match code {
            0 => Repeats::Waits,
            -1 => Repeats::Doubtful,
            seq => Repeats::Line(LineRef { source: other.unwrap_or(source), seq: seq as u64 }),
        }
    }
}

/// A line as it is compared with others that the same PBX printed.
#[derive(Debug, Clone, PartialEq)]
pub struct PrintedLine {
    /// Which line.
    pub line: LineRef,
    /// When the box received it.
    pub at: Timestamp,
    /// The civil day it is counted in.
    pub day: Date,
    /// Masked text.
    pub text: Vec<u8>,
    /// The record it carries.
    pub record: Option<MaskedRecord>,
    /// What is known of it.
    pub repeats: Option<Repeats>,
    /// Of one that waits: where the record's numbers stand, in their order, as line and byte offset.
    pub places: Vec<Option<(u64, u16)>>,
}

/// Lines that are compared: what says something, and what repeats a line of another source and so tells where that stands.
/// What a source repeats of its own is there once.
const COMPARED: &str = "SELECT seq, at_ms, day, text, record, repeats, repeats_source, places FROM line";
const ARE_COMPARED: &str = "(kind IN (0, 1, 2) OR repeats_source IS NOT NULL)";

impl Work<'_> {
    /// Stores how a new line stands, beside the line.
    pub(super) fn put_verdict(
        &self,
        line: LineRef,
        repeats: Repeats,
        record: Option<&MaskedRecord>,
    ) -> Result<(), StoreError> {
        let (code, other) = repeats.codes(line.source);
        self.tx
            .prepare_cached("UPDATE line SET repeats = ?3, repeats_source = ?4 WHERE source = ?1 AND seq = ?2")?
            .execute((line.source, line.seq as i64, code, other))?;
        if repeats == Repeats::Waits { self.put_places(line, record) } else { Ok(()) }
    }

    /// Notes, of a line that waits, where the numbers of its record stand: what joins calls is kept beside the lines only.
    pub(super) fn put_places(&self, line: LineRef, record: Option<&MaskedRecord>) -> Result<(), StoreError> {
        let Some(record) = record else { return Ok(()) };
        let waits = "repeats = 0 AND source = ?1 AND seq = ?2";
        let waits: bool = self
            .tx
            .prepare_cached(&format!("SELECT EXISTS (SELECT 1 FROM line WHERE {waits})"))?
            .query_row((line.source, line.seq as i64), |row| row.get(0))?;
        if !waits {
            return Ok(());
        }
        let numbers = self.read().numbers(line.source, line.seq.saturating_sub(GROUP), line.seq + GROUP)?;
        let mut places: Vec<Option<(u64, u16)>> = Vec::new();
        let _ = record.clone().map_numbers(|number| -> Option<Anonymous> {
            // Of several that are alike in all, any will do. The line's own are the likeliest to be there later.
            let alike = |(_, (_, other)): &&(u64, StoredNumber)| *other == number;
            let nearest = numbers.iter().filter(alike).min_by_key(|(seq, _)| seq.abs_diff(line.seq));
            places.push(nearest.map(|(seq, (start, _))| (*seq, *start)));
            None
        });
        self.tx.prepare_cached("UPDATE line SET places = ?3 WHERE source = ?1 AND seq = ?2")?.execute((
            line.source,
            line.seq as i64,
            serde_json::to_string(&places).ok(),
        ))?;
        Ok(())
    }

    /// Decides whether a line repeats another. Answers with the kind it was taken for and the day it is counted in; nothing
    /// when there is no such line any more.
    pub fn put_repeats(&self, line: LineRef, repeats: Option<Repeats>) -> Result<Option<(LineKind, Date)>, StoreError> {
        let before = self
            .tx
            .prepare_cached("SELECT kind, day FROM line WHERE source = ?1 AND seq = ?2")?
            .query_row((line.source, line.seq as i64), |row| Ok((row.get::<_, u8>(0)?, row.get::<_, i64>(1)?)))
            .optional()?;
        let Some((kind, day)) = before.and_then(|(kind, day)| Some((LineKind::from_code(kind)?, day_date(day)))) else {
            return Ok(None);
        };
        let (now, reason) = match repeats {
            Some(Repeats::Line(of)) => (LineKind::Duplicate, Some(self.repeats_line(line.source, of)?)),
            _ => (kind, None),
        };
        let (code, other) = repeats.map(|repeats| repeats.codes(line.source)).unzip();
        self.tx
            .prepare_cached(
                "UPDATE line SET repeats = ?3, repeats_source = ?4, kind = ?5, reason = coalesce(?6, reason), places = NULL
                 WHERE source = ?1 AND seq = ?2",
            )?
            .execute((line.source, line.seq as i64, code, other.flatten(), now.code(), reason))?;
        Ok(Some((kind, day)))
    }

    /// What is said of a line of `source` that repeats another.
    pub fn repeats_line(&self, source: u16, of: LineRef) -> Result<String, StoreError> {
        let seq = of.seq;
        if of.source == source {
            return Ok(format!("repeats line {seq}"));
        }
        let mut query = self.tx.prepare_cached("SELECT name FROM source WHERE id = ?1")?;
        let name: Option<String> = query.query_row([of.source], |row| row.get(0)).optional()?;
        Ok(format!("repeats line {seq} of {}", name.as_deref().unwrap_or("another source")))
    }
}

impl Reading<'_> {
    /// The last lines that a source printed, as they are compared, in order; without those of which only the shape is kept,
    /// and without titles and noise. With `since`, of days from there on.
    pub fn printed(&self, source: u16, most: usize, since: Option<Date>) -> Result<Vec<PrintedLine>, StoreError> {
        let mut query = self.db.prepare_cached(&format!(
            "{COMPARED} WHERE source = ?1 AND {ARE_COMPARED} AND day >= ?3 ORDER BY seq DESC LIMIT ?2"
        ))?;
        let since = since.map_or(i64::MIN, day_number);
        let rows = query.query_map((source, most as i64, since), |row| printed(source, row))?;
        let mut lines: Vec<PrintedLine> = rows.collect::<Result<_, _>>()?;
        lines.reverse();
        Ok(lines)
    }

    /// The same of one day.
    pub fn printed_on(&self, source: u16, day: Date) -> Result<Vec<PrintedLine>, StoreError> {
        let mut query = self.db.prepare_cached(&format!(
            "{COMPARED} INDEXED BY line_of_day WHERE source = ?1 AND day = ?2 AND {ARE_COMPARED} ORDER BY seq"
        ))?;
        let rows = query.query_map((source, day_number(day)), |row| printed(source, row))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The same behind a line.
    pub fn printed_after(&self, line: LineRef) -> Result<Vec<PrintedLine>, StoreError> {
        let mut query = self
            .db
            .prepare_cached(&format!("{COMPARED} WHERE source = ?1 AND seq > ?2 AND {ARE_COMPARED} ORDER BY seq"))?;
        let rows = query.query_map((line.source, line.seq as i64), |row| printed(line.source, row))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The last line of a source that is stored; 0 where there is none.
    pub fn last_line(&self, source: u16) -> Result<u64, StoreError> {
        let mut query = self.db.prepare_cached("SELECT coalesce(max(seq), 0) FROM line WHERE source = ?1")?;
        Ok(query.query_row([source], |row| row.get::<_, i64>(0))? as u64)
    }

    /// How a line stands that may repeat another, and when it came; nothing when there is no such line any more.
    pub fn repeats(&self, line: LineRef) -> Result<Option<(Option<Repeats>, Timestamp)>, StoreError> {
        let mut query =
            self.db.prepare_cached("SELECT repeats, repeats_source, at_ms FROM line WHERE source = ?1 AND seq = ?2")?;
        let row = query.query_row((line.source, line.seq as i64), |row| {
            let repeats = row.get::<_, Option<i64>>(0)?;
            let other = row.get(1)?;
            Ok((repeats.map(|code| Repeats::from_codes(line.source, code, other)), instant(row.get(2)?)))
        });
        Ok(row.optional()?)
    }

    /// The lines that lines of a source repeat, from its line `first` on, by line.
    pub fn repeated(&self, source: u16, first: u64) -> Result<HashMap<u64, LineRef>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT seq, repeats, repeats_source FROM line WHERE source = ?1 AND seq >= ?2 AND repeats > 0",
        )?;
        let rows = query.query_map((source, first as i64), |row| {
            let of =
                LineRef { source: row.get::<_, Option<u16>>(2)?.unwrap_or(source), seq: row.get::<_, i64>(1)? as u64 };
            Ok((row.get::<_, i64>(0)? as u64, of))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn printed(source: u16, row: &Row<'_>) -> rusqlite::Result<PrintedLine> {
    let other = row.get(6)?;
    let json = |column: usize| row.get::<_, Option<String>>(column);
    Ok(PrintedLine {
        line: LineRef { source, seq: row.get::<_, i64>(0)? as u64 },
        at: instant(row.get(1)?),
        day: day_date(row.get(2)?),
        text: row.get(3)?,
        record: json(4)?.and_then(|text| serde_json::from_str(&text).ok()),
        repeats: row.get::<_, Option<i64>>(5)?.map(|code| Repeats::from_codes(source, code, other)),
        places: json(7)?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::Class;
    use crate::store::{NewLine, Store};

    fn number(peer: u32) -> Anonymous {
        Anonymous { class: Class::Mobile, digits: 11, peer: Some(peer), token: None, own: None }
    }

    #[test]
    fn where_the_numbers_of_a_record_stand_is_known_as_long_as_it_waits() {
        let mut store = Store::in_memory().unwrap();
        let work = store.begin().unwrap();
        let source = work.source("reception", "avaya-ipoffice").unwrap().id;
        let line = |seq| LineRef { source, seq };
        let put = |seq, record: Option<&MaskedRecord>, repeats, numbers: &[StoredNumber]| {
            let line = NewLine {
                line: line(seq),
                at: Timestamp::UNIX_EPOCH,
                day: Date::constant(2026, 11, 20),
                kind: LineKind::Record,
                text: b"two callers alike",
                reason: None,
                column: None,
                idle: false,
                shape: false,
                record,
                call: None,
                repeats,
            };
            work.put_line(&line, numbers).unwrap();
        };
        // Alike in all but the peer; one of them is beside an earlier line of the record's group.
        put(1, None, None, &[(9, number(7))]);
        let record = MaskedRecord { cli: Some(number(8)), dialled: Some(number(7)), ..MaskedRecord::default() };
        put(2, Some(&record), Some(Repeats::Waits), &[(4, number(9)), (30, number(8))]);
        let read = |seq: u64| {
            let lines = work.read().printed(source, 10, None).unwrap();
            lines.into_iter().find(|printed| printed.line == line(seq)).unwrap()
        };
        assert_eq!(read(2).places, [Some((2, 30)), Some((1, 9))]);
        assert_eq!(read(2).record.unwrap().cli.unwrap().peer, None, "what joins calls is beside the lines only");
        // What it is, is clear: it repeats a line of another source.
        let other = work.source("reception/import-1", "avaya-ipoffice").unwrap().id;
        let of = LineRef { source: other, seq: 12 };
        assert!(work.put_repeats(line(2), Some(Repeats::Line(of))).unwrap().is_some());
        assert_eq!((read(2).repeats, read(2).places), (Some(Repeats::Line(of)), Vec::new()));
        let reason = work.repeats_line(source, of).unwrap();
        assert_eq!(reason, "repeats line 12 of reception/import-1");
        assert_eq!(work.repeats_line(source, line(1)).unwrap(), "repeats line 1");
        assert_eq!(work.read().repeated(source, 0).unwrap(), HashMap::from([(2, of)]));
        assert_eq!(work.read().repeats(line(2)).unwrap().unwrap().0, Some(Repeats::Line(of)));
    }

    #[test]
    fn what_is_salvaged_repeats_the_line_of_the_source_as_it_is_numbered_here() {
        use rusqlite::types::Value;

        use crate::store::salvage::Portion;

        let mut store = Store::in_memory().unwrap();
        let work = store.begin().unwrap();
        let there = work.source("reception", "avaya-ipoffice").unwrap().id;
        let _another = work.source("annexe", "avaya-ipoffice").unwrap();
        let import = work.source("reception/import-1", "avaya-ipoffice").unwrap().id;
        let integer = |number: i64| Value::Integer(number);
        // In the file that was set aside the import had number 2.
        let row = vec![
            integer(1),
            integer(5),
            integer(1_000),
            integer(20_777),
            integer(LineKind::Duplicate.code().into()),
            Value::Blob(b"a line".to_vec()),
            Value::Text("repeats line 12 of reception/import-1".into()),
            Value::Null,
            integer(0),
            integer(0),
            Value::Null,
            Value::Null,
            integer(12),
            integer(2),
            Value::Null,
        ];
        let portion = Portion { lines: vec![row], ..Portion::default() };
        let sources = [(1, there), (2, import)].into_iter().collect();
        assert_eq!(work.put_salvaged(there, &portion, &sources, 20_777).unwrap().new, 1);
        let repeats = work.read().repeats(LineRef { source: there, seq: 5 }).unwrap().unwrap().0;
        assert_eq!(repeats, Some(Repeats::Line(LineRef { source: import, seq: 12 })));
    }
}
