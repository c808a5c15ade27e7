//! The tables in SQLite, and how a file of an earlier version comes to have them.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::super::ArchiveError;
use super::sites::SITE_DAYS;

/// What each version adds, from the first on; the file's `user_version` says how many it has. A line is added for new
/// tables, here and in the other engine; none is ever changed.
const MIGRATIONS: &[&str] = &[DAYS_AND_HEARTBEATS, BODIES, ACCOUNTS, SITE_DAYS];

const DAYS_AND_HEARTBEATS: &str = "
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
";
/// What a box says of itself is kept.
const BODIES: &str = "ALTER TABLE heartbeat ADD COLUMN body TEXT;";
/// Boxes, keys and one-time codes, and who sent a document. Times are texts: they are read one by one, and compared nowhere
/// here.
const ACCOUNTS: &str = "
    CREATE TABLE device (
        device TEXT NOT NULL PRIMARY KEY, ods TEXT NOT NULL, site TEXT, added_at TEXT NOT NULL, revoked_at TEXT
    ) STRICT;
    CREATE TABLE device_key (
        keyid TEXT NOT NULL PRIMARY KEY, device TEXT NOT NULL REFERENCES device (device), public TEXT NOT NULL,
        added_at TEXT NOT NULL, until TEXT, revoked_at TEXT, used_at TEXT
    ) STRICT;
    CREATE INDEX device_key_of ON device_key (device);
    CREATE TABLE enrolment_code (
        digest TEXT NOT NULL PRIMARY KEY, ods TEXT NOT NULL, site TEXT, device TEXT, until TEXT NOT NULL, used_by TEXT
    ) STRICT;
    ALTER TABLE day_revision ADD COLUMN sender TEXT;
";

/// Brings the file to the newest version, in one transaction that holds others off.
pub fn migrate(connection: &mut Connection, path: &Path) -> Result<(), ArchiveError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = MIGRATIONS.len() as i64;
    if !(0..=known).contains(&found) {
        return Err(ArchiveError::Newer { store: path.display().to_string(), found, known });
    }
    for (version, migration) in (1_i64..).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
        transaction.execute_batch(&format!("{migration} PRAGMA user_version = {version};"))?;
    }
    Ok(transaction.commit()?)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::supplier::archive::{Archive, Heard};

    #[test]
    fn a_store_of_the_version_before_keeps_what_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(&format!("{DAYS_AND_HEARTBEATS} PRAGMA user_version = 1;")).unwrap();
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
