//! Every revision of every document, in SQLite, append-only; the newest revision of a day is the one that counts.

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, named_params, params};

use crate::push::{Receipt, ReceiptStatus};

pub mod month;

const VERSION: i64 = 2;
/// Heartbeats of one box that are kept.
const HEARTBEATS: u32 = 40;
const TABLES: &str = "
    CREATE TABLE day_revision (
        ods TEXT NOT NULL, site TEXT NOT NULL, date TEXT NOT NULL, revision INTEGER NOT NULL CHECK (revision >= 1),
        sha256 TEXT NOT NULL, body BLOB NOT NULL, schema TEXT NOT NULL, device TEXT NOT NULL,
        receipt_id TEXT NOT NULL UNIQUE, received_at TEXT NOT NULL, warnings TEXT NOT NULL,
        PRIMARY KEY (ods, site, date, revision), UNIQUE (ods, site, date, sha256)
    ) STRICT;
    CREATE TRIGGER day_revision_is_never_changed BEFORE UPDATE ON day_revision
        BEGIN SELECT RAISE(ABORT, 'day_revision is append-only'); END;
    CREATE TRIGGER day_revision_is_never_removed BEFORE DELETE ON day_revision
        BEGIN SELECT RAISE(ABORT, 'day_revision is append-only'); END;
    CREATE TABLE heartbeat (
        device TEXT NOT NULL, received_at TEXT NOT NULL, practices TEXT NOT NULL, skew_s INTEGER,
        PRIMARY KEY (device, received_at)
    ) STRICT, WITHOUT ROWID;
    PRAGMA user_version = 1;
";
/// What a box says of itself is kept.
const BODIES: &str = "
    ALTER TABLE heartbeat ADD COLUMN body TEXT;
    PRAGMA user_version = 2;
";

/// The archive.
#[derive(Debug)]
pub struct Archive {
    connection: Mutex<Connection>,
}

/// A document that is to be kept.
#[derive(Debug)]
pub struct Arrival {
    /// ODS code of the practice.
    pub ods: String,
    /// Site within the practice.
    pub site: String,
    /// The civil day.
    pub date: Date,
    /// Revision of the day.
    pub revision: u32,
    /// SHA-256 of the body in hex.
    pub sha256: String,
    /// The bytes as they came.
    pub body: Vec<u8>,
    /// Its schema.
    pub schema: String,
    /// The box that made it.
    pub device: String,
    /// When it came.
    pub received_at: Timestamp,
    /// Name for its receipt.
    pub receipt_id: String,
}

/// A revision that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Revision of the day.
    pub revision: u32,
    /// SHA-256 of the body in hex.
    pub sha256: String,
    /// The box that made it.
    pub device: String,
}

/// A sign of life.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// Of which box.
    pub device: String,
    /// The ODS codes that its token is good for.
    pub practices: Vec<String>,
    /// By how many seconds the box's clock was ahead, as it said.
    pub skew_s: Option<i64>,
    /// When it came.
    pub received_at: Timestamp,
    /// What the box said of itself ([`crate::push::heartbeat`]); nothing where it said nothing that is a JSON object.
    pub said: Option<serde_json::Value>,
}

/// What became of an arrival.
#[derive(Debug)]
pub enum Kept {
    /// The day was not held before.
    First(Receipt),
    /// It is the day's newest revision now.
    Replaced(Receipt),
    /// The same bytes were held already.
    Replayed(Receipt),
    /// A revision as new or newer is held, with other bytes.
    Stale(Held),
}

/// One line of a manifest.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub struct ManifestEntry {
    /// The civil day.
    pub date: Date,
    /// Newest revision that is held.
    pub revision: u32,
    /// Its SHA-256 in hex.
    pub sha256: String,
}

/// The archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file cannot be made or opened.
    #[error("store {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It was written by a newer program.
    #[error("store {path} has version {found}, this smdr-feed knows {VERSION}; run the newer one")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
    },
    /// A setting did not take.
    #[error("store {path}: {setting} is {value:?}; put the store on a local file system")]
    Setting {
        /// The file.
        path: PathBuf,
        /// Which setting.
        setting: &'static str,
        /// What it is instead.
        value: String,
    },
    /// SQLite says no.
    #[error("store: {0}")]
    Sql(#[from] rusqlite::Error),
}

impl Archive {
    /// Opens the archive, making it if it is not there. Only its owner may read it.
    pub fn open(path: &Path) -> Result<Archive, ArchiveError> {
        std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
            .map_err(|source| ArchiveError::File { path: path.to_owned(), source })?;
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        for (setting, statement, wanted) in [
            ("journal_mode", "PRAGMA journal_mode = WAL", "wal"),
            ("synchronous", "PRAGMA synchronous = FULL", "2"),
            ("trusted_schema", "PRAGMA trusted_schema = OFF", "0"),
        ] {
            connection.query_row(statement, [], |_| Ok(())).optional()?;
            let value = connection
                .query_row(&format!("PRAGMA {setting}"), [], |row| row.get::<_, rusqlite::types::Value>(0))?;
            let value = match value {
                rusqlite::types::Value::Text(text) => text,
                rusqlite::types::Value::Integer(number) => number.to_string(),
                other => format!("{other:?}"),
            };
            if value != wanted {
                return Err(ArchiveError::Setting { path: path.to_owned(), setting, value });
            }
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        match transaction.query_row("PRAGMA user_version", [], |row| row.get(0))? {
            0 => transaction.execute_batch(&format!("{TABLES}{BODIES}"))?,
            1 => transaction.execute_batch(BODIES)?,
            VERSION => {}
            found => return Err(ArchiveError::Newer { path: path.to_owned(), found }),
        }
        transaction.commit()?;
        Ok(Archive { connection: Mutex::new(connection) })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic rolled its transaction back when it was dropped, so the connection is as good as before.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a document unless the same bytes, or a revision as new, are held. `warn` is told which revision was the
    /// newest before, and says what a person should know.
    pub fn keep(
        &self,
        arrival: &Arrival,
        warn: impl FnOnce(Option<&Held>) -> Vec<String>,
    ) -> Result<Kept, ArchiveError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let Arrival { ods, site, .. } = arrival;
        let date = arrival.date.to_string();
        let replayed = transaction
            .query_row(
                "SELECT receipt_id, received_at, warnings, revision, schema FROM day_revision
                 WHERE ods = ?1 AND site = ?2 AND date = ?3 AND sha256 = ?4",
                params![ods, site, date, arrival.sha256],
                |row| receipt(row, arrival),
            )
            .optional()?;
        if let Some(receipt) = replayed {
            return Ok(Kept::Replayed(Receipt { replayed: true, ..receipt }));
        }
        let held = transaction
            .query_row(
                "SELECT revision, sha256, device FROM day_revision
                 WHERE ods = ?1 AND site = ?2 AND date = ?3 ORDER BY revision DESC LIMIT 1",
                params![ods, site, date],
                |row| Ok(Held { revision: row.get(0)?, sha256: row.get(1)?, device: row.get(2)? }),
            )
            .optional()?;
        if let Some(held) = &held
            && held.revision >= arrival.revision
        {
            return Ok(Kept::Stale(held.clone()));
        }
        let receipt = Receipt {
            receipt_id: arrival.receipt_id.clone(),
            ods: ods.clone(),
            site: site.clone(),
            date: arrival.date,
            revision: arrival.revision,
            sha256: arrival.sha256.clone(),
            received_at: arrival.received_at,
            server_schema: arrival.schema.clone(),
            status: ReceiptStatus::Accepted,
            warnings: warn(held.as_ref()),
            replayed: false,
        };
        transaction.execute(
            "INSERT INTO day_revision
             (ods, site, date, revision, sha256, body, schema, device, receipt_id, received_at, warnings)
             VALUES (:ods, :site, :date, :revision, :sha256, :body, :schema, :device, :receipt, :received, :warnings)",
            named_params! {
                ":ods": ods, ":site": site, ":date": date, ":revision": arrival.revision, ":sha256": arrival.sha256,
                ":body": arrival.body, ":schema": arrival.schema, ":device": arrival.device,
                ":receipt": arrival.receipt_id, ":received": arrival.received_at.to_string(),
                ":warnings": serde_json::to_string(&receipt.warnings).unwrap_or_default(),
            },
        )?;
        transaction.commit()?;
        Ok(if held.is_some() { Kept::Replaced(receipt) } else { Kept::First(receipt) })
    }

    /// The newest revision of each day held for a site, by date.
    pub fn manifest(
        &self,
        ods: &str,
        site: &str,
        from: Option<Date>,
        to: Option<Date>,
    ) -> Result<Vec<ManifestEntry>, ArchiveError> {
        let connection = self.connection();
        let mut statement = connection.prepare(
            "SELECT date, max(revision), sha256 FROM day_revision
             WHERE ods = ?1 AND site = ?2 AND date >= ?3 AND date <= ?4 GROUP BY date ORDER BY date",
        )?;
        let from = from.unwrap_or(jiff::civil::date(0, 1, 1)).to_string();
        let to = to.unwrap_or(Date::MAX).to_string();
        let rows = statement.query_map(params![ods, site, from, to], |row| {
            Ok(ManifestEntry { date: parsed(row, 0)?, revision: row.get(1)?, sha256: row.get(2)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The bytes of a revision, the newest when none is asked for.
    pub fn document(
        &self,
        ods: &str,
        site: &str,
        date: Date,
        revision: Option<u32>,
    ) -> Result<Option<(Held, Vec<u8>)>, ArchiveError> {
        Ok(self
            .connection()
            .query_row(
                "SELECT revision, sha256, device, body FROM day_revision
                 WHERE ods = ?1 AND site = ?2 AND date = ?3 AND (?4 IS NULL OR revision = ?4)
                 ORDER BY revision DESC LIMIT 1",
                params![ods, site, date.to_string(), revision],
                |row| Ok((Held { revision: row.get(0)?, sha256: row.get(1)?, device: row.get(2)? }, row.get(3)?)),
            )
            .optional()?)
    }

    /// Notes that a box was heard of. The newest 40 heartbeats of each box are kept.
    pub fn heartbeat(&self, heard: &Heard) -> Result<(), ArchiveError> {
        let Heard { device, practices, skew_s, received_at, said } = heard;
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute(
            "INSERT OR IGNORE INTO heartbeat (device, received_at, practices, skew_s, body) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                device,
                // All of one width, so that their order as texts is that of time.
                format!("{received_at:.9}"),
                practices.join(","),
                skew_s,
                said.as_ref().map(serde_json::Value::to_string)
            ],
        )?;
        transaction.execute(
            "DELETE FROM heartbeat WHERE device = ?1 AND received_at NOT IN
             (SELECT received_at FROM heartbeat WHERE device = ?1 ORDER BY received_at DESC LIMIT ?2)",
            params![device, HEARTBEATS],
        )?;
        Ok(transaction.commit()?)
    }

    /// The newest heartbeat of each box, by its name.
    pub fn heartbeats(&self) -> Result<Vec<Heard>, ArchiveError> {
        let connection = self.connection();
        let mut statement = connection.prepare(
            "SELECT device, practices, skew_s, max(received_at), body FROM heartbeat GROUP BY device ORDER BY device",
        )?;
        let rows = statement.query_map([], heard)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The heartbeats of one box that are kept, newest first.
    pub fn heartbeats_of(&self, device: &str) -> Result<Vec<Heard>, ArchiveError> {
        let connection = self.connection();
        let mut statement = connection.prepare(
            "SELECT device, practices, skew_s, received_at, body FROM heartbeat
             WHERE device = ?1 ORDER BY received_at DESC",
        )?;
        let rows = statement.query_map([device], heard)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Whether the archive answers.
    pub fn answers(&self) -> Result<(), ArchiveError> {
        Ok(self.connection().query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?)
    }
}

fn heard(row: &Row<'_>) -> rusqlite::Result<Heard> {
    let (practices, said): (String, Option<String>) = (row.get(1)?, row.get(4)?);
    Ok(Heard {
        device: row.get(0)?,
        practices: practices.split(',').filter(|ods| !ods.is_empty()).map(str::to_owned).collect(),
        skew_s: row.get(2)?,
        received_at: parsed(row, 3)?,
        said: said.and_then(|said| serde_json::from_str(&said).ok()),
    })
}

fn receipt(row: &Row<'_>, arrival: &Arrival) -> rusqlite::Result<Receipt> {
    let warnings: String = row.get(2)?;
    Ok(Receipt {
        receipt_id: row.get(0)?,
        ods: arrival.ods.clone(),
        site: arrival.site.clone(),
        date: arrival.date,
        revision: row.get(3)?,
        sha256: arrival.sha256.clone(),
        received_at: parsed(row, 1)?,
        server_schema: row.get(4)?,
        status: ReceiptStatus::Accepted,
        warnings: serde_json::from_str(&warnings).unwrap_or_default(),
        replayed: false,
    })
}

fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let text: String = row.get(column)?;
    text.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_of_the_version_before_keeps_what_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(TABLES).unwrap();
        old.execute("INSERT INTO heartbeat VALUES ('box', '2026-11-20T02:00:00Z', 'A81001,A81002', -7)", []).unwrap();
        drop(old);
        for _ in 0..2 {
            let heard = Archive::open(&path).unwrap().heartbeats().unwrap();
            assert_eq!(heard[0].practices, ["A81001", "A81002"]);
            assert_eq!((heard.len(), heard[0].skew_s, &heard[0].said), (1, Some(-7), &None));
        }
        let archive = Archive::open(&path).unwrap();
        let at = |second: i64, nanos| Timestamp::new(second, nanos).unwrap();
        for (nanos, said) in [(120_000_000, "first"), (123_000_000, "second")] {
            let heard = Heard {
                device: "box".to_owned(),
                practices: Vec::new(),
                skew_s: None,
                received_at: at(1_796_000_000, nanos),
                said: Some(serde_json::json!({ "is": said })),
            };
            archive.heartbeat(&heard).unwrap();
        }
        assert_eq!(archive.heartbeats().unwrap()[0].said.as_ref().unwrap()["is"], "second");
        assert_eq!(archive.heartbeats_of("box").unwrap().len(), 3);
    }
}
