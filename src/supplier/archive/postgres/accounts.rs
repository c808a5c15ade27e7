//! Boxes, keys and one-time codes in PostgreSQL.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::{Error, Row};

use super::super::{Accounts, ArchiveError};
use super::Postgres;
use crate::push::signature::PublicKey;
use crate::supplier::devices::{Books, CodeRow, DeviceRow, KeyRow, Wanted, joined, split};

const DEVICE: &str = "SELECT device, ods, site, added_at, revoked_at FROM device";
const KEY: &str = "SELECT keyid, device, public, added_at, until, revoked_at, used_at FROM device_key";
/// Enrolments are few: they take turns, whichever receiver they come to.
const TURN: i64 = 0x736d_6472_0003;

impl Accounts for Postgres {
    fn known(&self, wanted: &Wanted) -> Result<Books, ArchiveError> {
        self.run(async |client| books(&*client, wanted).await)
    }

    fn accounts(&self) -> Result<Books, ArchiveError> {
        self.run(async |client| {
            let mut books = Books::default();
            let devices = client.query(DEVICE, &[]).await?;
            devices.iter().filter_map(device).for_each(|device| books.read_device(device));
            let keys = client.query(KEY, &[]).await?;
            keys.iter().filter_map(key).for_each(|key| books.read_key(key));
            Ok(books)
        })
    }

    fn settle(&self, wanted: &Wanted, step: &dyn Fn(&mut Books)) -> Result<(), ArchiveError> {
        self.run(async |client| {
            let transaction = client.transaction().await?;
            transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&TURN]).await?;
            let mut books = books(&transaction, wanted).await?;
            step(&mut books);
            let (codes, devices, keys) = books.changed();
            for CodeRow { digest, ods, site, device, until, used_by } in codes {
                let (ods, until) = (joined(ods), until.to_string());
                let put = "INSERT INTO enrolment_code (digest, ods, site, device, until, used_by)
                     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (digest) DO UPDATE SET used_by = excluded.used_by";
                transaction.execute(put, &[digest, &ods, site, device, &until, used_by]).await?;
            }
            for DeviceRow { device, ods, site, added_at, revoked_at } in devices {
                let (ods, added_at, revoked_at) = (joined(ods), added_at.to_string(), text(*revoked_at));
                let put = "INSERT INTO device (device, ods, site, added_at, revoked_at) VALUES ($1, $2, $3, $4, $5)
                     ON CONFLICT (device) DO UPDATE SET
                        ods = excluded.ods, site = excluded.site, revoked_at = excluded.revoked_at";
                transaction.execute(put, &[device, &ods, site, &added_at, &revoked_at]).await?;
            }
            for KeyRow { keyid, device, public, added_at, until, revoked_at, used_at } in keys {
                let (x, added_at) = (public.jwk().x, added_at.to_string());
                let (until, revoked_at, used_at) = (text(*until), text(*revoked_at), text(*used_at));
                let put = "INSERT INTO device_key (keyid, device, public, added_at, until, revoked_at, used_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (keyid) DO UPDATE SET
                        until = excluded.until, revoked_at = excluded.revoked_at, used_at = excluded.used_at";
                transaction.execute(put, &[keyid, device, &x, &added_at, &until, &revoked_at, &used_at]).await?;
            }
            transaction.commit().await
        })
    }
}

async fn books(client: &impl GenericClient, wanted: &Wanted) -> Result<Books, Error> {
    let mut books = Books::default();
    if let Some(digest) = &wanted.code {
        let find = "SELECT digest, ods, site, device, until, used_by FROM enrolment_code WHERE digest = $1";
        let found = client.query(&client.prepare_cached(find).await?, &[digest]).await?;
        found.iter().filter_map(code).for_each(|code| books.read_code(code));
    }
    if !wanted.keys.is_empty() {
        let find = client.prepare_cached(&format!("{KEY} WHERE keyid = ANY($1)")).await?;
        let found = client.query(&find, &[&wanted.keys]).await?;
        found.iter().filter_map(key).for_each(|key| books.read_key(key));
    }
    let names: Vec<String> = books.named_devices().into_iter().chain(wanted.devices.iter().cloned()).collect();
    if !names.is_empty() {
        let find = client.prepare_cached(&format!("{DEVICE} WHERE device = ANY($1)")).await?;
        let found = client.query(&find, &[&names]).await?;
        found.iter().filter_map(device).for_each(|device| books.read_device(device));
        let find = client.prepare_cached(&format!("{KEY} WHERE device = ANY($1)")).await?;
        let found = client.query(&find, &[&names]).await?;
        found.iter().filter_map(key).for_each(|key| books.read_key(key));
    }
    Ok(books)
}

fn text(time: Option<Timestamp>) -> Option<String> {
    time.map(|time| time.to_string())
}

/// A time that this program wrote. What somebody else put there is taken for nothing, and the row with it: so a key whose end
/// cannot be read is no key.
fn time(row: &Row, column: usize) -> Option<Timestamp> {
    row.get::<_, String>(column).parse().ok()
}

fn time_if_any(row: &Row, column: usize) -> Option<Option<Timestamp>> {
    let text: Option<String> = row.get(column);
    text.map(|text| text.parse()).transpose().ok()
}

fn code(row: &Row) -> Option<CodeRow> {
    Some(CodeRow {
        digest: row.get(0),
        ods: split(row.get(1)),
        site: row.get(2),
        device: row.get(3),
        until: time(row, 4)?,
        used_by: row.get(5),
    })
}

fn device(row: &Row) -> Option<DeviceRow> {
    Some(DeviceRow {
        device: row.get(0),
        ods: split(row.get(1)),
        site: row.get(2),
        added_at: time(row, 3)?,
        revoked_at: time_if_any(row, 4)?,
    })
}

fn key(row: &Row) -> Option<KeyRow> {
    Some(KeyRow {
        keyid: row.get(0),
        device: row.get(1),
        public: PublicKey::from_x(row.get(2))?,
        added_at: time(row, 3)?,
        until: time_if_any(row, 4)?,
        revoked_at: time_if_any(row, 5)?,
        used_at: time_if_any(row, 6)?,
    })
}
