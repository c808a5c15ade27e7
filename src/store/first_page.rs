//! A database whose first page is lost: where its tables begin is known, since the migrations put them there in every file.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::{StoreError, schema};

/// Removes a copy with what belongs to it.
pub(super) fn remove(copy: &Path) {
    for part in ["", "-wal", "-shm", "-journal"] {
        let mut name = copy.as_os_str().to_owned();
        name.push(part);
        let _ = std::fs::remove_file(name);
    }
}

/// The size of the pages of a file whose first page is lost: tables begin where they begin with pages of that size.
fn page_size(path: &Path) -> Result<u32, StoreError> {
    let bytes = |at: u64| {
        let mut byte = [0];
        let file = std::fs::File::open(path).ok()?;
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut byte, at).ok()?;
        Some(byte[0])
    };
    let mut best = (0, 4096);
    for size in [1024, 4096] {
        let tables = schema::laid_out(size)?;
        // What a page of a table or of an index begins with.
        let begins = |root: &i64| matches!(bytes((*root as u64 - 1) * u64::from(size)), Some(2 | 5 | 10 | 13));
        let fit = tables.iter().map(|(_, _, _, root, _)| *root).filter(|root| *root > 1 && begins(root)).count();
        // Where pages of 4096 bytes would begin those of 1024 do, too: they fit both.
        if size == 1024 || fit > best.0 {
            best = (fit, size);
        }
    }
    Ok(best.1)
}

/// A copy of the file whose first page says what smdrd's always says.
pub(super) fn with_new_first_page(path: &Path, copy: &Path) -> Result<Connection, String> {
    let said = |error: std::io::Error| error.to_string();
    let sql = |error: rusqlite::Error| error.to_string();
    remove(copy);
    let page = page_size(path).map_err(|error| error.to_string())?;
    let size = page as usize;
    // An empty database of the same make, and where its tables begin once it has them.
    let empty = {
        let db = Connection::open(copy).map_err(sql)?;
        db.pragma_update(None, "page_size", page).map_err(sql)?;
        db.pragma_update(None, "auto_vacuum", 2).map_err(sql)?;
        db.execute_batch("CREATE TABLE one (x); DROP TABLE one;").map_err(sql)?;
        drop(db);
        let mut first = std::fs::read(copy).map_err(said)?;
        first.truncate(size);
        first
    };
    remove(copy);
    let tables = schema::laid_out(page).map_err(|error| error.to_string())?;
    std::fs::copy(path, copy).map_err(said)?;
    let file = std::fs::OpenOptions::new().write(true).open(copy).map_err(said)?;
    let mut first = empty;
    if first.len() < size {
        return Err("no first page could be made".to_owned());
    }
    // Its size is that of the file: the two counters differ. No page is free.
    if let Some(counter) = first.get_mut(24..28) {
        counter.copy_from_slice(&7_u32.to_be_bytes());
    }
    if let Some(counter) = first.get_mut(92..96) {
        counter.fill(0);
    }
    if let Some(free) = first.get_mut(32..40) {
        free.fill(0);
    }
    let largest = tables.iter().map(|(_, _, _, root, _)| *root).max().unwrap_or(0);
    if let Some(root) = first.get_mut(52..56) {
        root.copy_from_slice(&u32::try_from(largest).unwrap_or(0).to_be_bytes());
    }
    let log = |path: &Path| {
        let mut name = path.as_os_str().to_owned();
        name.push("-wal");
        PathBuf::from(name)
    };
    if log(path).exists() {
        // What is in the log belongs to it.
        std::fs::copy(log(path), log(copy)).map_err(said)?;
        if let Some(mode) = first.get_mut(18..20) {
            mode.fill(2);
        }
    }
    std::os::unix::fs::FileExt::write_all_at(&file, &first, 0).map_err(said)?;
    drop(file);
    {
        let db = Connection::open(copy).map_err(sql)?;
        db.execute_batch("PRAGMA writable_schema = ON; DELETE FROM sqlite_schema;").map_err(sql)?;
        for (kind, name, table, root, text) in &tables {
            db.execute(
                "INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES (?1, ?2, ?3, ?4, ?5)",
                (kind, name, table, root, text),
            )
            .map_err(sql)?;
        }
    }
    Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(sql)
}
