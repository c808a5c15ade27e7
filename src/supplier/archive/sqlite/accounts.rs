//! Boxes, keys and one-time codes in SQLite.

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, Row, TransactionBehavior, params};

use super::super::{Accounts, ArchiveError};
use super::Sqlite;
use crate::push::signature::PublicKey;
use crate::supplier::devices::{Books, CodeRow, DeviceRow, KeyRow, Wanted, joined, split};

const DEVICE: &str = "SELECT device, ods, site, added_at, revoked_at FROM device";
const KEY: &str = "SELECT keyid, device, public, added_at, until, revoked_at, used_at FROM device_key";

impl Accounts for Sqlite {
    fn known(&self, wanted: &Wanted) -> Result<Books, ArchiveError> {
        Ok(books(&self.connection(), wanted)?)
    }

    fn accounts(&self) -> Result<Books, ArchiveError> {
        let connection = self.connection();
        let mut books = Books::default();
        for device in connection.prepare_cached(DEVICE)?.query_map([], device)? {
            books.read_device(device?);
        }
        for key in connection.prepare_cached(KEY)?.query_map([], key)? {
            books.read_key(key?);
        }
        Ok(books)
    }

    fn settle(&self, wanted: &Wanted, step: &dyn Fn(&mut Books)) -> Result<(), ArchiveError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut books = books(&transaction, wanted)?;
        step(&mut books);
        let (codes, devices, keys) = books.changed();
        for code in codes {
            transaction.execute(
                "INSERT OR REPLACE INTO enrolment_code (digest, ods, site, device, until, used_by)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![code.digest, joined(&code.ods), code.site, code.device, code.until.to_string(), code.used_by],
            )?;
        }
        for device in devices {
            transaction.execute(
                "INSERT INTO device (device, ods, site, added_at, revoked_at) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (device) DO UPDATE SET
                    ods = excluded.ods, site = excluded.site, revoked_at = excluded.revoked_at",
                params![
                    device.device,
                    joined(&device.ods),
                    device.site,
                    device.added_at.to_string(),
                    text(device.revoked_at)
                ],
            )?;
        }
        for key in keys {
            transaction.execute(
                "INSERT INTO device_key (keyid, device, public, added_at, until, revoked_at, used_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (keyid) DO UPDATE SET
                    until = excluded.until, revoked_at = excluded.revoked_at, used_at = excluded.used_at",
                params![
                    key.keyid,
                    key.device,
                    key.public.jwk().x,
                    key.added_at.to_string(),
                    text(key.until),
                    text(key.revoked_at),
                    text(key.used_at)
                ],
            )?;
        }
        Ok(transaction.commit()?)
    }
}

fn books(connection: &Connection, wanted: &Wanted) -> Result<Books, Error> {
    let mut books = Books::default();
    if let Some(digest) = &wanted.code {
        let found = connection
            .prepare_cached("SELECT digest, ods, site, device, until, used_by FROM enrolment_code WHERE digest = ?1")?
            .query_row([digest], code)
            .optional()?;
        found.into_iter().for_each(|code| books.read_code(code));
    }
    for keyid in &wanted.keys {
        let found =
            connection.prepare_cached(&format!("{KEY} WHERE keyid = ?1"))?.query_row([keyid], key).optional()?;
        found.into_iter().for_each(|key| books.read_key(key));
    }
    for name in books.named_devices().into_iter().chain(wanted.devices.iter().cloned()) {
        let found =
            connection.prepare_cached(&format!("{DEVICE} WHERE device = ?1"))?.query_row([&name], device).optional()?;
        found.into_iter().for_each(|device| books.read_device(device));
        for key in connection.prepare_cached(&format!("{KEY} WHERE device = ?1"))?.query_map([&name], key)? {
            books.read_key(key?);
        }
    }
    Ok(books)
}

fn text(time: Option<Timestamp>) -> Option<String> {
    time.map(|time| time.to_string())
}

fn wrong(column: usize) -> impl Fn(Box<dyn std::error::Error + Send + Sync>) -> Error {
    move |error| Error::FromSqlConversionFailure(column, Type::Text, error)
}

fn time(row: &Row<'_>, column: usize) -> Result<Timestamp, Error> {
    row.get::<_, String>(column)?.parse().map_err(|error: jiff::Error| wrong(column)(error.into()))
}

fn time_if_any(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>, Error> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| text.parse()).transpose().map_err(|error: jiff::Error| wrong(column)(error.into()))
}

fn code(row: &Row<'_>) -> Result<CodeRow, Error> {
    Ok(CodeRow {
        digest: row.get(0)?,
        ods: split(&row.get::<_, String>(1)?),
        site: row.get(2)?,
        device: row.get(3)?,
        until: time(row, 4)?,
        used_by: row.get(5)?,
    })
}

fn device(row: &Row<'_>) -> Result<DeviceRow, Error> {
    Ok(DeviceRow {
        device: row.get(0)?,
        ods: split(&row.get::<_, String>(1)?),
        site: row.get(2)?,
        added_at: time(row, 3)?,
        revoked_at: time_if_any(row, 4)?,
    })
}

fn key(row: &Row<'_>) -> Result<KeyRow, Error> {
    let public = PublicKey::from_x(&row.get::<_, String>(2)?).ok_or_else(|| wrong(2)("it is no key".into()))?;
    Ok(KeyRow {
        keyid: row.get(0)?,
        device: row.get(1)?,
        public,
        added_at: time(row, 3)?,
        until: time_if_any(row, 4)?,
        revoked_at: time_if_any(row, 5)?,
        used_at: time_if_any(row, 6)?,
    })
}
