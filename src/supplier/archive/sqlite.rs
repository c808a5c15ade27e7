//! The archive in a file of this machine. One receiver writes; a build or a look may read beside it.

use std::collections::BTreeSet;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, named_params, params};

use super::month::{Days, NewestOfDay};
use super::{
    ArchiveError, Arrival, Documents, Engine, HEARTBEATS, Heard, Heartbeats, Held, Kept, ManifestEntry, Spot, Warn,
    split_practices,
};
use crate::push::{Receipt, ReceiptStatus};

mod accounts;
mod schema;
mod sites;

/// The archive in SQLite.
#[derive(Debug)]
pub struct Sqlite {
    connection: Mutex<Connection>,
}

impl Sqlite {
    /// Opens the file, making it if it is not there. Only its owner may read it.
    pub fn open(path: &Path) -> Result<Sqlite, ArchiveError> {
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
        schema::migrate(&mut connection, path)?;
        Ok(Sqlite { connection: Mutex::new(connection) })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic rolled its transaction back when it was dropped, so the connection is as good as before.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine for Sqlite {
    fn answers(&self) -> Result<(), ArchiveError> {
        Ok(self.connection().query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?)
    }
}

impl Documents for Sqlite {
    fn keep(&self, arrival: &Arrival, sender: Option<&str>, warn: Warn<'_>) -> Result<Kept, ArchiveError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let Arrival { ods, site, .. } = arrival;
        let date = arrival.date.to_string();
        let replayed = transaction
            .prepare_cached(
                "SELECT receipt_id, received_at, warnings, revision, schema FROM day_revision
                 WHERE ods = ?1 AND site = ?2 AND date = ?3 AND sha256 = ?4",
            )?
            .query_row(params![ods, site, date, arrival.sha256], |row| receipt(row, arrival))
            .optional()?;
        if let Some(receipt) = replayed {
            return Ok(Kept::Replayed(Receipt { replayed: true, ..receipt }));
        }
        let held = transaction
            .prepare_cached(
                "SELECT revision, sha256, device FROM day_revision
                 WHERE ods = ?1 AND site = ?2 AND date = ?3 ORDER BY revision DESC LIMIT 1",
            )?
            .query_row(params![ods, site, date], |row| {
                Ok(Held { revision: row.get(0)?, sha256: row.get(1)?, device: row.get(2)? })
            })
            .optional()?;
        if let Some(held) = &held
            && held.revision >= arrival.revision
        {
            return Ok(Kept::Stale(held.clone()));
        }
        let receipt = arrival.receipt(warn(held.as_ref()));
        transaction
            .prepare_cached(
                "INSERT INTO day_revision
                 (ods, site, date, revision, sha256, body, schema, device, receipt_id, received_at, warnings,
                  sender)
                 VALUES (:ods, :site, :date, :revision, :sha256, :body, :schema, :device, :receipt, :received,
                     :warnings, :sender)",
            )?
            .execute(named_params! {
                ":ods": ods, ":site": site, ":date": date, ":revision": arrival.revision, ":sha256": arrival.sha256,
                ":body": arrival.body, ":schema": arrival.schema, ":device": arrival.device,
                ":receipt": arrival.receipt_id, ":received": arrival.received_at.to_string(),
                ":warnings": serde_json::to_string(&receipt.warnings).unwrap_or_default(), ":sender": sender,
            })?;
        transaction.commit()?;
        Ok(if held.is_some() { Kept::Replaced(receipt) } else { Kept::First(receipt) })
    }

    fn manifest(&self, ods: &str, site: &str, from: Date, to: Date) -> Result<Vec<ManifestEntry>, ArchiveError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT date, max(revision), sha256 FROM day_revision
             WHERE ods = ?1 AND site = ?2 AND date >= ?3 AND date <= ?4 GROUP BY date ORDER BY date",
        )?;
        let rows = statement.query_map(params![ods, site, from.to_string(), to.to_string()], |row| {
            Ok(ManifestEntry { date: parsed(row, 0)?, revision: row.get(1)?, sha256: row.get(2)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn document(&self, at: Spot<'_>, revision: Option<u32>) -> Result<Option<(Held, Vec<u8>)>, ArchiveError> {
        Ok(self
            .connection()
            .query_row(
                "SELECT revision, sha256, device, body FROM day_revision
                 WHERE ods = ?1 AND site = ?2 AND date = ?3 AND (?4 IS NULL OR revision = ?4)
                 ORDER BY revision DESC LIMIT 1",
                params![at.ods, at.site, at.date.to_string(), revision],
                |row| Ok((Held { revision: row.get(0)?, sha256: row.get(1)?, device: row.get(2)? }, row.get(3)?)),
            )
            .optional()?)
    }
}

impl Days for Sqlite {
    fn newest(&self, ods: &str, site: &str, from: Date, to: Date) -> Result<Vec<NewestOfDay>, ArchiveError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT date, max(revision), sha256, body FROM day_revision
             WHERE ods = ?1 AND site = ?2 AND date BETWEEN ?3 AND ?4 GROUP BY date ORDER BY date",
        )?;
        let rows = statement.query_map(params![ods, site, from.to_string(), to.to_string()], |row| {
            Ok(NewestOfDay { date: parsed(row, 0)?, revision: row.get(1)?, sha256: row.get(2)?, body: row.get(3)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn devices(&self, ods: &str, site: &str, from: Date, to: Date) -> Result<BTreeSet<String>, ArchiveError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT DISTINCT device FROM day_revision WHERE ods = ?1 AND site = ?2 AND date BETWEEN ?3 AND ?4",
        )?;
        let rows = statement.query_map(params![ods, site, from.to_string(), to.to_string()], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn sites(&self, from: Date, to: Date) -> Result<BTreeSet<(String, String)>, ArchiveError> {
        let connection = self.connection();
        let mut statement =
            connection.prepare_cached("SELECT DISTINCT ods, site FROM day_revision WHERE date BETWEEN ?1 AND ?2")?;
        let rows =
            statement.query_map(params![from.to_string(), to.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Heartbeats for Sqlite {
    fn heartbeat(&self, heard: &Heard) -> Result<(), ArchiveError> {
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

    fn heartbeats(&self) -> Result<Vec<Heard>, ArchiveError> {
        let connection = self.connection();
        let mut statement = connection.prepare(
            "SELECT device, practices, skew_s, max(received_at), body FROM heartbeat GROUP BY device ORDER BY device",
        )?;
        let rows = statement.query_map([], heard)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn heartbeats_of(&self, device: &str) -> Result<Vec<Heard>, ArchiveError> {
        let connection = self.connection();
        let mut statement = connection.prepare(
            "SELECT device, practices, skew_s, received_at, body FROM heartbeat
             WHERE device = ?1 ORDER BY received_at DESC",
        )?;
        let rows = statement.query_map([device], heard)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn heard(row: &Row<'_>) -> rusqlite::Result<Heard> {
    let (practices, said): (String, Option<String>) = (row.get(1)?, row.get(4)?);
    Ok(Heard {
        device: row.get(0)?,
        practices: split_practices(&practices),
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
