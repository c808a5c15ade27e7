//! SQLite: the only module that knows SQL, and the one writer of the database. It holds no rule: it saves what stands
//! to its left.
//!
//! The pragmas are set in the order that was measured to take effect, and each is read back: `auto_vacuum` before
//! `journal_mode`, since afterwards it is silently ignored; `secure_delete` always, since the bundled library leaves
//! it off. WAL with `synchronous=FULL` loses nothing that was committed when the power fails.

mod calls;
pub mod damage;
mod days;
mod events;
mod files;
mod first_page;
mod heard;
mod imports;
mod lines;
mod links;
mod locked;
mod outbox;
mod prune;
mod repeats;
pub mod salvage;
mod schema;
mod tables;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use sha2::{Digest, Sha256};

pub use calls::{Deltas, StoredCall};
pub use days::{ClockDay, DayRow, OpenDay, Wire};
pub use events::{Event, EventCause};
pub use heard::Understood;
pub(crate) use imports::second_of_day;
pub use imports::{ImportDay, ImportRow, Stretch};
pub use lines::{NewLine, SourceRow, StoredLine, StoredNumber};
pub use locked::{Holder, held_by};
pub use outbox::{Cause, OutboxRow, OutboxState};
pub use prune::{Gone, LineAge};
pub use repeats::{PrintedLine, Repeats};

/// The database could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite said no.
    #[error("{doing}: {reason}; free disk space and check the disk, then it goes on by itself")]
    Sqlite {
        /// What was being done.
        doing: &'static str,
        /// What SQLite said.
        reason: rusqlite::Error,
    },
    /// A pragma did not take.
    #[error("the database does not take {pragma} = {wanted} (it says {found}); the file system may not support it")]
    Pragma {
        /// Which one.
        pragma: &'static str,
        /// What was asked for.
        wanted: &'static str,
        /// What it reads back.
        found: String,
    },
    /// The database was written by a newer smdrd.
    #[error("the database has schema {found}, this smdrd knows up to {known}; install the newer smdrd again")]
    Newer {
        /// Schema of the file.
        found: i64,
        /// The newest one known here.
        known: i64,
    },
    /// The file is not whole.
    #[error("the database is damaged: {how}")]
    Damaged {
        /// How it showed.
        how: String,
    },
    /// The state directory could not be made ready.
    #[error("{path}: {reason}")]
    Directory {
        /// Which one.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
}

impl StoreError {
    /// Whether it is the disk that does not take or give: it is full, read-only or faulty. Against that nothing helps but
    /// another try.
    pub fn is_of_disk(&self) -> bool {
        use rusqlite::ErrorCode::{CannotOpen, DiskFull, ReadOnly, SystemIoFailure};
        let StoreError::Sqlite { reason, .. } = self else { return false };
        reason
            .sqlite_error_code()
            .is_some_and(|code| matches!(code, DiskFull | ReadOnly | SystemIoFailure | CannotOpen))
    }

    /// Whether somebody else has the database locked.
    pub fn is_locked(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
        let StoreError::Sqlite { reason, .. } = self else { return false };
        reason.sqlite_error_code().is_some_and(|code| matches!(code, DatabaseBusy | DatabaseLocked))
    }

    /// Whether there is no room on the disk.
    pub fn is_full(&self) -> bool {
        matches!(self, StoreError::Sqlite { reason, .. }
            if reason.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull))
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(reason: rusqlite::Error) -> Self {
        damage::notice(&reason);
        StoreError::Sqlite { doing: "using the database", reason }
    }
}

fn failed(doing: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |reason| {
        damage::notice(&reason);
        StoreError::Sqlite { doing, reason }
    }
}

/// For how long somebody else's lock is waited for at first, and where it lasts.
const PATIENCE: (std::time::Duration, std::time::Duration) =
    (std::time::Duration::from_secs(10), std::time::Duration::from_millis(250));
/// Bytes of log before a checkpoint: large enough not to be in the way of a replay.
const LOG: u64 = 16 << 20;
/// Bytes of a page of a new database. Each page that a commit touches is written whole, and a line touches one or two in each of
/// some eight tables and indexes, of each of which it changes a few dozen bytes.
const PAGE: &str = "1024";

/// The database of one box.
#[derive(Debug)]
pub struct Store {
    db: Connection,
}

impl Store {
    /// Opens, or creates, the database in `directory`, and brings its schema up to date.
    pub fn open(directory: &Path) -> Result<Store, StoreError> {
        let fault = |reason| StoreError::Directory { path: directory.to_owned(), reason };
        std::fs::create_dir_all(directory).map_err(fault)?;
        let path = directory.join("smdrd.db");
        let fresh = !path.exists();
        let mut store = Store { db: Connection::open(&path)? };
        // Until it is known to be whole, nothing is written into it, not even by closing it.
        damage::leave_alone(&store.db, true);
        store.prepare()?;
        store.look_through(&path)?;
        damage::leave_alone(&store.db, false);
        if fresh {
            // The file's name must be as durable as its content before anything is said to be kept.
            std::fs::File::open(directory).and_then(|dir| dir.sync_all()).map_err(fault)?;
        }
        Ok(store)
    }

    /// A database in memory, for a rebuild to derive history into.
    pub fn in_memory() -> Result<Store, StoreError> {
        let mut store = Store { db: Connection::open_in_memory()? };
        schema::migrate(&mut store.db)?;
        Ok(store)
    }

    fn prepare(&mut self) -> Result<(), StoreError> {
        self.be_patient(true)?;
        let fresh: i64 = self.db.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        if fresh == 0 {
            self.pragma("page_size", PAGE)?;
            self.pragma("auto_vacuum", "2")?;
        }
        self.pragma("journal_mode", "wal")?;
        self.pragma("synchronous", "2")?;
        self.pragma("secure_delete", "1")?;
        self.pragma("temp_store", "2")?;
        self.pragma("foreign_keys", "1")?;
        self.pragma("trusted_schema", "0")?;
        self.pragma("cell_size_check", "1")?;
        let pages = LOG / self.page_size()?.max(1);
        self.db.pragma_update(None, "wal_autocheckpoint", pages as i64)?;
        schema::migrate(&mut self.db)?;
        self.db.set_prepared_statement_cache_capacity(64);
        Ok(())
    }

    /// For how long somebody else's lock is waited for: long, or hardly at all where one is known to last. Another smdrd cannot
    /// be here (the lock file sees to that); a person with sqlite3 may.
    pub fn be_patient(&self, patient: bool) -> Result<(), StoreError> {
        Ok(self.db.busy_timeout(if patient { PATIENCE.0 } else { PATIENCE.1 })?)
    }

    fn pragma(&self, pragma: &'static str, wanted: &'static str) -> Result<(), StoreError> {
        self.db.pragma_update(None, pragma, wanted)?;
        let found: rusqlite::types::Value = self.db.pragma_query_value(None, pragma, |row| row.get(0))?;
        let found = match found {
            rusqlite::types::Value::Integer(number) => number.to_string(),
            rusqlite::types::Value::Text(text) => text,
            other => format!("{other:?}"),
        };
        if found == wanted { Ok(()) } else { Err(StoreError::Pragma { pragma, wanted, found }) }
    }

    /// Begins a transaction. Dropped without [`Work::commit`], it leaves nothing behind.
    pub fn begin(&mut self) -> Result<Work<'_>, StoreError> {
        let tx = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed("beginning a transaction"))?;
        Ok(Work { tx })
    }

    /// For reading.
    pub fn read(&self) -> Reading<'_> {
        Reading { db: &self.db }
    }

    /// Takes back the space of deleted rows and empties the log, so that nothing deleted stays in a file.
    pub fn scrub(&self) -> Result<(), StoreError> {
        // One step frees one page: the statement is run to its end.
        let mut vacuum = self.db.prepare("PRAGMA incremental_vacuum")?;
        let mut rows = vacuum.query([])?;
        while rows.next()?.is_some() {}
        drop(rows);
        let busy: i64 = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if busy != 0 {
            tracing::warn!("somebody is reading the database; its log could not be emptied and will be tried again");
        }
        Ok(())
    }

    /// Every value remembered by name.
    pub fn all_meta(&self) -> Result<Vec<(String, String)>, StoreError> {
        let mut query = self.db.prepare("SELECT key, value FROM meta")?;
        Ok(query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
    }

    /// SQLite's own check of the whole file.
    pub fn integrity(&self) -> Result<String, StoreError> {
        Ok(self.db.query_row("PRAGMA integrity_check", [], |row| row.get(0))?)
    }
}

/// One transaction.
#[derive(Debug)]
pub struct Work<'a> {
    tx: rusqlite::Transaction<'a>,
}

impl Work<'_> {
    /// Makes it durable.
    pub fn commit(self) -> Result<(), StoreError> {
        self.tx.commit().map_err(failed("committing"))
    }

    /// Reads within the transaction.
    pub fn read(&self) -> Reading<'_> {
        Reading { db: &self.tx }
    }

    /// Remembers one value by name.
    pub fn set_meta(&self, key: &str, value: &str) -> Result<(), StoreError> {
        self.tx
            .prepare_cached("INSERT INTO meta VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value")?
            .execute((key, value))?;
        Ok(())
    }

    /// Adds a row to the audit chain: who did what. Never the values of a query.
    pub fn audit(&self, at: Timestamp, who: &str, what: &str) -> Result<(), StoreError> {
        let head = self.read().audit_head()?;
        let at_ms = at.as_millisecond();
        let hash = Sha256::digest(format!("{head}\n{at_ms}\n{who}\n{what}"));
        self.tx.prepare_cached("INSERT INTO audit (at_ms, who, what, hash) VALUES (?1, ?2, ?3, ?4)")?.execute((
            at_ms,
            who,
            what,
            hex(&hash),
        ))?;
        Ok(())
    }
}

/// Reading, within a transaction or without.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    db: &'a Connection,
}

impl Reading<'_> {
    /// Version of the database's schema.
    pub fn schema_version(&self) -> Result<i64, StoreError> {
        Ok(self.db.query_row("PRAGMA user_version", [], |row| row.get(0))?)
    }

    /// Version of SQLite.
    pub fn sqlite_version(&self) -> Result<String, StoreError> {
        Ok(self.db.query_row("SELECT sqlite_version()", [], |row| row.get(0))?)
    }

    /// A value remembered by name.
    pub fn meta(&self, key: &str) -> Result<Option<String>, StoreError> {
        let mut query = self.db.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
        Ok(query.query_row([key], |row| row.get(0)).optional()?)
    }

    /// Head of the audit chain, as hexadecimal digits; zeros before the first row.
    pub fn audit_head(&self) -> Result<String, StoreError> {
        let mut query = self.db.prepare_cached("SELECT hash FROM audit ORDER BY id DESC LIMIT 1")?;
        let head: Option<String> = query.query_row([], |row| row.get(0)).optional()?;
        // The first row goes on where rows that are gone ended.
        match head {
            Some(head) => Ok(head),
            None => Ok(self.meta("audit_before")?.unwrap_or_else(|| "0".repeat(64))),
        }
    }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The number that stands for a civil day in the database.
pub(crate) fn day_number(date: Date) -> i64 {
    i64::from(date.since(Date::constant(1970, 1, 1)).map_or(0, |span| span.get_days()))
}

/// The civil day that a number stands for.
pub(crate) fn day_date(number: i64) -> Date {
    Date::constant(1970, 1, 1).checked_add(jiff::Span::new().days(number)).unwrap_or(Date::MAX)
}

pub(crate) fn instant(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pragmas_took_effect_on_disk_and_deleted_rows_leave_no_trace() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = Store::open(directory.path()).unwrap();
        let read = |name: &str| -> String {
            store.db.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0)).map_or_else(
                |error| error.to_string(),
                |value| match value {
                    rusqlite::types::Value::Integer(number) => number.to_string(),
                    rusqlite::types::Value::Text(text) => text,
                    other => format!("{other:?}"),
                },
            )
        };
        assert_eq!((read("auto_vacuum"), read("journal_mode")), ("2".to_owned(), "wal".to_owned()));
        assert_eq!((read("synchronous"), read("secure_delete")), ("2".to_owned(), "1".to_owned()));
        for row in 0..500 {
            let work = store.begin().unwrap();
            work.set_meta(&format!("row{row}"), "CANARY-CANARY-CANARY").unwrap();
            work.commit().unwrap();
        }
        store.db.execute("DELETE FROM meta WHERE value LIKE 'CANARY%'", []).unwrap();
        store.scrub().unwrap();
        for file in std::fs::read_dir(directory.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(!bytes.windows(6).any(|window| window == b"CANARY"));
        }
        assert_eq!(store.integrity().unwrap(), "ok");
    }

    #[test]
    fn the_audit_is_a_chain() {
        let mut store = Store::in_memory().unwrap();
        let before = store.read().audit_head().unwrap();
        let work = store.begin().unwrap();
        work.audit(Timestamp::UNIX_EPOCH, "root", "started").unwrap();
        work.commit().unwrap();
        let after = store.read().audit_head().unwrap();
        assert_ne!(before, after);
        assert_eq!(after.len(), 64);
    }

    #[test]
    fn a_civil_day_comes_back_from_its_number() {
        for date in ["1970-01-01", "2026-11-20", "2028-02-29"] {
            let date: Date = date.parse().unwrap();
            assert_eq!(day_date(day_number(date)), date);
        }
    }
}
