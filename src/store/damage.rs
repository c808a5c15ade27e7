//! A database that is not whole any more: how it is told, and how it is put out of the way without a byte being changed.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{Store, StoreError, schema};

/// The database's own name in the state directory.
pub const NAME: &str = "smdrd.db";
/// A database that is not larger is looked through when it is opened; a larger one in the night only, since collecting
/// begins within seconds.
const AT_ONCE: u64 = 32 << 20;

thread_local! {
    /// What this thread was last told by SQLite that only damage explains. Errors come up in a hundred places; this is the
    /// one way past which all of them go.
    static SEEN: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Remembers an error that only damage explains.
pub(super) fn notice(reason: &rusqlite::Error) {
    if is_damage(reason) {
        SEEN.with(|seen| seen.replace(Some(reason.to_string())));
    }
}

/// What was noticed in this thread since the last time this was asked.
pub fn noticed() -> Option<String> {
    SEEN.with(RefCell::take)
}

fn is_damage(reason: &rusqlite::Error) -> bool {
    matches!(reason.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

impl StoreError {
    /// Whether only damage of the file explains it; then, how it showed.
    pub fn damage(&self) -> Option<String> {
        match self {
            StoreError::Sqlite { reason, .. } if is_damage(reason) => Some(reason.to_string()),
            StoreError::Damaged { how } => Some(how.clone()),
            _ => None,
        }
    }
}

impl Store {
    /// Looks whether the file is whole, as far as that can be done in a moment.
    pub(super) fn look_through(&self, path: &Path) -> Result<(), StoreError> {
        let damaged = |how: String| StoreError::Damaged { how };
        if let Some(how) = schema::unlike(&self.db)? {
            return Err(damaged(how));
        }
        if std::fs::metadata(path).is_ok_and(|file| file.len() <= AT_ONCE) {
            let said: String = self.db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
            if let Some(code) = could_not_be_read(&said) {
                return Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), Some(said)).into());
            }
            if said != "ok" {
                return Err(damaged(said));
            }
        }
        Ok(())
    }

    /// Lets go of the file as it is: closing writes nothing into it.
    pub fn let_go(self) {
        leave_alone(&self.db, true);
    }
}

/// What SQLite's own check says of a page that the disk did not give is no word on the file: the code of that error.
fn could_not_be_read(said: &str) -> Option<i32> {
    let (_, code) = said.split_once("error code")?;
    let code: i32 =
        code.trim_start_matches(['=', ' ']).split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()?;
    (code & 0xff == rusqlite::ffi::SQLITE_IOERR).then_some(code)
}

/// Whether closing the connection may carry the log into the file.
pub(super) fn leave_alone(db: &Connection, alone: bool) {
    if let Err(error) = db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, alone) {
        tracing::warn!(%error, "the log may be carried into the database when it is closed");
    }
}

/// Looks through a database from beside the writer, as thoroughly as SQLite can; says what is wrong. A page that the disk
/// does not give once can look like damage, so that is looked at twice.
///
/// # Errors
/// It could not be looked through; that says nothing of the file.
pub fn inspect(directory: &Path) -> Result<Option<String>, rusqlite::Error> {
    match look(directory)? {
        Some(_) => look(directory),
        None => Ok(None),
    }
}

fn look(directory: &Path) -> Result<Option<String>, rusqlite::Error> {
    let db = Connection::open_with_flags(directory.join(NAME), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    leave_alone(&db, true);
    match db.query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0)) {
        Ok(said) if said == "ok" => Ok(None),
        Ok(said) => match could_not_be_read(&said) {
            Some(code) => Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), Some(said))),
            None => Ok(Some(said)),
        },
        Err(error) if is_damage(&error) => Ok(Some(error.to_string())),
        Err(error) => Err(error),
    }
}

/// Moves the database with its log out of the way, under a name of its own. Nothing when there is none.
///
/// # Errors
/// The directory takes no change.
pub fn set_aside(directory: &Path, at: Timestamp) -> Result<Option<String>, StoreError> {
    let fault = |reason| StoreError::Directory { path: directory.to_owned(), reason };
    let stamp = at.strftime("%Y%m%dT%H%M%SZ").to_string();
    let free = |name: &String| !directory.join(name).exists();
    let names = std::iter::once(format!("{NAME}.damaged-{stamp}"))
        .chain((2..).map(|again| format!("{NAME}.damaged-{stamp}.{again}")));
    let Some(name) = names.take(1000).find(free) else { return Ok(None) };
    if !directory.join(NAME).exists() {
        // A log without its database belongs to nothing, and would be taken for the next one's.
        for part in ["-wal", "-shm"] {
            let _ = std::fs::rename(directory.join(format!("{NAME}{part}")), directory.join(format!("{name}{part}")));
        }
        return Ok(None);
    }
    for part in ["-wal", "-shm", ""] {
        let (from, to) = (directory.join(format!("{NAME}{part}")), directory.join(format!("{name}{part}")));
        match std::fs::rename(from, to) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(fault(error)),
            _ => {}
        }
    }
    std::fs::File::open(directory).and_then(|dir| dir.sync_all()).map_err(fault)?;
    Ok(Some(name))
}

/// The databases that were set aside, oldest first.
pub fn those_set_aside(directory: &Path) -> Vec<PathBuf> {
    let is_one = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("smdrd.db.damaged-") && !name.ends_with("-wal") && !name.ends_with("-shm")
    };
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_one).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_aside_keeps_every_byte_and_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        let work = store.begin().unwrap();
        work.set_meta("kept", "in the log").unwrap();
        work.commit().unwrap();
        let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
        let (file, log) = (read(NAME), read("smdrd.db-wal"));
        assert!(!log.is_empty());
        store.let_go();
        let at = "2026-11-20T08:00:00Z".parse().unwrap();
        let name = set_aside(folder.path(), at).unwrap().unwrap();
        assert_eq!(name, "smdrd.db.damaged-20261120T080000Z");
        assert_eq!((read(&name), read(&format!("{name}-wal"))), (file, log));
        assert_eq!(set_aside(folder.path(), at).unwrap(), None);
        drop(Store::open(folder.path()).unwrap());
        assert_eq!(set_aside(folder.path(), at).unwrap().unwrap(), format!("{name}.2"), "nothing is overwritten");
        assert_eq!(those_set_aside(folder.path()).len(), 2);
    }

    #[test]
    fn damage_is_told_when_it_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let damage = |change: &dyn Fn(&mut Vec<u8>)| {
            let _ = std::fs::remove_file(&path);
            let mut store = Store::open(folder.path()).unwrap();
            let work = store.begin().unwrap();
            (0..400).for_each(|row| work.set_meta(&format!("row{row}"), &"x".repeat(100)).unwrap());
            work.commit().unwrap();
            store.scrub().unwrap();
            drop(store);
            let mut bytes = std::fs::read(&path).unwrap();
            change(&mut bytes);
            std::fs::write(&path, bytes).unwrap();
            Store::open(folder.path()).map(drop).map_err(|error| error.damage().is_some())
        };
        assert_eq!(damage(&|_| {}), Ok(()));
        assert_eq!(damage(&|bytes| bytes[..16].fill(b'!')), Err(true), "no header");
        assert_eq!(damage(&|bytes| bytes.truncate(bytes.len() / 2)), Err(true), "cut");
        assert_eq!(
            damage(&|bytes| bytes[60..64].copy_from_slice(&77_777_u32.to_be_bytes())),
            Err(true),
            "no such schema"
        );
        assert_eq!(damage(&|bytes| bytes[60..64].fill(0)), Err(true), "the schema is not what its number says");
        assert_eq!(
            damage(&|bytes| bytes[60..64].copy_from_slice(&99_u32.to_be_bytes())),
            Err(false),
            "a newer smdrd's"
        );
        let letter = |bytes: &mut Vec<u8>| {
            let at = bytes.windows(9).position(|window| window == b"at_ms INT").unwrap();
            bytes[at] = b'b';
        };
        assert_eq!(damage(&letter), Err(true), "a letter of the schema");
    }
}
