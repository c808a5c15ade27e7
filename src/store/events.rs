//! What kept the box from seeing, or from seeing rightly: link down, silence, records that are missing, and their like,
//! each with start, end and cause. An event that is open goes on after a restart.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row};

use super::{Reading, StoreError, Work, instant};

/// Why something was not seen, or not rightly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventCause {
    /// The link to the PBX was down; `what` has the word of the source's cause.
    LinkDown,
    /// The daemon was not running.
    NotRunning,
    /// The PBX has not been connected yet, since the source was configured.
    NeverConnected,
    /// The link was up, and the PBX silent for longer than is normal.
    Silence,
    /// Bytes came with errors: parity, framing, breaks.
    LineErrors,
    /// Too many lines were not understood.
    Unparsed,
    /// The PBX numbers its records, and some did not come; `n` says how many.
    SequenceGap,
    /// The clock of the PBX or of the box cannot be trusted; `n` says by how many seconds, where that is known.
    ClockDoubt,
    /// Nothing could be stored: the disk took nothing.
    DiskFull,
    /// Nothing could be stored: another program had the database locked.
    DatabaseLocked,
    /// The database was damaged and set aside.
    DatabaseLost,
}

impl EventCause {
    /// All of them.
    pub const ALL: [EventCause; 11] = [
        EventCause::LinkDown,
        EventCause::NotRunning,
        EventCause::NeverConnected,
        EventCause::Silence,
        EventCause::LineErrors,
        EventCause::Unparsed,
        EventCause::SequenceGap,
        EventCause::ClockDoubt,
        EventCause::DiskFull,
        EventCause::DatabaseLocked,
        EventCause::DatabaseLost,
    ];

    /// One word, as it stands in the database, in the day document and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            EventCause::LinkDown => "link-down",
            EventCause::NotRunning => "not-running",
            EventCause::NeverConnected => "never-connected",
            EventCause::Silence => "silence",
            EventCause::LineErrors => "line-errors",
            EventCause::Unparsed => "unparsed",
            EventCause::SequenceGap => "sequence-gap",
            EventCause::ClockDoubt => "clock-doubt",
            EventCause::DiskFull => "disk-full",
            EventCause::DatabaseLocked => "database-locked",
            EventCause::DatabaseLost => "database-lost",
        }
    }

    /// The cause that a word means.
    pub fn of(word: &str) -> Option<EventCause> {
        EventCause::ALL.into_iter().find(|cause| cause.word() == word)
    }
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its number: grows, and is never used again.
    pub id: i64,
    /// Which source; the whole box where there is none.
    pub source: Option<u16>,
    /// When it began.
    pub from: Timestamp,
    /// When it ended; not yet, where there is none.
    pub to: Option<Timestamp>,
    /// Why.
    pub cause: EventCause,
    /// In words.
    pub what: String,
    /// Records that are missing, or seconds of doubt.
    pub n: Option<u64>,
}

impl Work<'_> {
    /// Notes that something began at `from`, for `source` or for the whole box. While an event of this cause is open for
    /// it that one goes on, with its own beginning and with `what` and `n` as they are now. Says whether it is new.
    pub fn open_event(
        &self,
        source: Option<u16>,
        cause: EventCause,
        from: Timestamp,
        what: &str,
        n: Option<u64>,
    ) -> Result<bool, StoreError> {
        let n = n.map(|n| i64::try_from(n).unwrap_or(i64::MAX));
        let open = self
            .tx
            .prepare_cached(
                "UPDATE event SET what = ?3, n = ?4 WHERE coalesce(source, -1) = coalesce(?1, -1) AND cause = ?2
                 AND to_ms IS NULL",
            )?
            .execute((source, cause.word(), what, n))?;
        if open == 0 {
            self.tx
                .prepare_cached("INSERT INTO event (source, from_ms, cause, what, n) VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute((source, from.as_millisecond(), cause.word(), what, n))?;
        }
        Ok(open == 0)
    }

    /// Notes that what was open ended at `to`. Says whether anything was.
    pub fn close_event(&self, source: Option<u16>, cause: EventCause, to: Timestamp) -> Result<bool, StoreError> {
        let closed = self
            .tx
            .prepare_cached(
                "UPDATE event SET to_ms = max(from_ms, ?3) WHERE coalesce(source, -1) = coalesce(?1, -1) AND cause = ?2
                 AND to_ms IS NULL",
            )?
            .execute((source, cause.word(), to.as_millisecond()))?;
        Ok(closed > 0)
    }

    /// Notes what was over when it was found.
    pub fn past_event(
        &self,
        source: Option<u16>,
        cause: EventCause,
        (from, to): (Timestamp, Timestamp),
        what: &str,
        n: Option<u64>,
    ) -> Result<(), StoreError> {
        let n = n.map(|n| i64::try_from(n).unwrap_or(i64::MAX));
        self.tx
            .prepare_cached(
                "INSERT INTO event (source, from_ms, to_ms, cause, what, n) VALUES (?1, ?2, max(?2, ?3), ?4, ?5, ?6)",
            )?
            .execute((source, from.as_millisecond(), to.as_millisecond(), cause.word(), what, n))?;
        Ok(())
    }
}

const COLUMNS: &str = "id, source, from_ms, to_ms, cause, what, n";

impl Reading<'_> {
    /// The events that are open, oldest first.
    pub fn open_events(&self) -> Result<Vec<Event>, StoreError> {
        let mut query =
            self.db.prepare_cached(&format!("SELECT {COLUMNS} FROM event WHERE to_ms IS NULL ORDER BY from_ms, id"))?;
        let rows = query.query_map([], event)?;
        Ok(rows.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// The open event of a source, or of the whole box, with this cause.
    pub fn open_event(&self, source: Option<u16>, cause: EventCause) -> Result<Option<Event>, StoreError> {
        let mut query = self.db.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM event
             WHERE coalesce(source, -1) = coalesce(?1, -1) AND cause = ?2 AND to_ms IS NULL"
        ))?;
        Ok(query.query_row((source, cause.word()), event).optional()?.flatten())
    }

    /// The events that touch the stretch from `from` to `to`, oldest first.
    pub fn events(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Event>, StoreError> {
        let mut query = self.db.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM event WHERE from_ms < ?2 AND coalesce(to_ms, ?2) > ?1 ORDER BY from_ms, id"
        ))?;
        let rows = query.query_map((from.as_millisecond(), to.as_millisecond()), event)?;
        Ok(rows.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// The events with a number above `id`, in their order.
    pub fn events_after(&self, id: i64) -> Result<Vec<Event>, StoreError> {
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} FROM event WHERE id > ?1 ORDER BY id"))?;
        let rows = query.query_map([id], event)?;
        Ok(rows.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// The event with this number.
    pub fn event(&self, id: i64) -> Result<Option<Event>, StoreError> {
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} FROM event WHERE id = ?1"))?;
        Ok(query.query_row([id], event).optional()?.flatten())
    }
}

/// The event of a row; nothing where a newer smdrd wrote a cause that is not known here.
fn event(row: &Row<'_>) -> rusqlite::Result<Option<Event>> {
    let Some(cause) = EventCause::of(&row.get::<_, String>(4)?) else { return Ok(None) };
    Ok(Some(Event {
        id: row.get(0)?,
        source: row.get(1)?,
        from: instant(row.get(2)?),
        to: row.get::<_, Option<i64>>(3)?.map(instant),
        cause,
        what: row.get(5)?,
        n: row.get::<_, Option<i64>>(6)?.map(|n| n.max(0) as u64),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    fn at(text: &str) -> Timestamp {
        format!("2026-11-23T{text}Z").parse().unwrap()
    }

    #[test]
    fn an_event_is_open_once_and_ends_once() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = Store::open(directory.path()).unwrap();
        let work = store.begin().unwrap();
        assert!(work.open_event(Some(1), EventCause::Silence, at("08:05:00"), "nothing since 08:05", None).unwrap());
        assert!(!work.open_event(Some(1), EventCause::Silence, at("08:30:00"), "still nothing", Some(3)).unwrap());
        assert!(work.open_event(Some(2), EventCause::Silence, at("08:10:00"), "nothing", None).unwrap());
        assert!(work.open_event(None, EventCause::DiskFull, at("08:20:00"), "no room", None).unwrap());
        assert!(!work.open_event(None, EventCause::DiskFull, at("08:21:00"), "no room", None).unwrap());
        work.commit().unwrap();
        drop(store);
        // After a restart what was open still is.
        let mut store = Store::open(directory.path()).unwrap();
        let open = store.read().open_events().unwrap();
        assert_eq!(open.len(), 3);
        assert_eq!((open[0].from, open[0].what.as_str(), open[0].n), (at("08:05:00"), "still nothing", Some(3)));
        let work = store.begin().unwrap();
        assert!(work.close_event(Some(1), EventCause::Silence, at("09:00:00")).unwrap());
        assert!(!work.close_event(Some(1), EventCause::Silence, at("09:30:00")).unwrap());
        assert!(work.close_event(None, EventCause::DiskFull, at("08:00:00")).unwrap(), "a clock went back");
        let stretch = (at("07:00:00"), at("07:10:00"));
        work.past_event(Some(2), EventCause::SequenceGap, stretch, "4 are missing", Some(4)).unwrap();
        work.commit().unwrap();
        let read = store.read();
        let causes = |from: &str, to: &str| -> Vec<&str> {
            read.events(at(from), at(to)).unwrap().iter().map(|event| event.cause.word()).collect()
        };
        assert_eq!(causes("07:05:00", "08:00:00"), ["sequence-gap"]);
        assert_eq!(causes("08:59:00", "12:00:00"), ["silence", "silence"]);
        assert_eq!(causes("09:00:00", "12:00:00"), ["silence"], "the second source is silent still");
        assert_eq!(read.open_event(Some(2), EventCause::Silence).unwrap().unwrap().from, at("08:10:00"));
        let after = read.events_after(open[2].id).unwrap();
        assert_eq!(after.iter().map(|event| event.n).collect::<Vec<_>>(), [Some(4)]);
        assert_eq!(read.event(open[1].id).unwrap().unwrap(), open[1]);
    }

    #[test]
    fn every_cause_has_its_word() {
        for cause in EventCause::ALL {
            assert_eq!(EventCause::of(cause.word()), Some(cause));
            assert_eq!(serde_json::to_value(cause).unwrap(), cause.word());
        }
    }
}
