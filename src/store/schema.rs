//! Migrations: forward only, each in a transaction of its own. An older smdrd refuses a newer file.

use rusqlite::{Connection, TransactionBehavior};

use super::StoreError;

const MIGRATIONS: &[&str] = &[
    include_str!("schema.sql"),
    include_str!("outbox.sql"),
    include_str!("replay.sql"),
    include_str!("positions.sql"),
    include_str!("pbx_clock.sql"),
    include_str!("event.sql"),
    include_str!("beginning.sql"),
];

/// By how much a newer smdrd's schema can be ahead: more is no number of a schema.
const FURTHEST: i64 = 1000;

/// Brings the schema up to date.
pub(super) fn migrate(db: &mut Connection) -> Result<(), StoreError> {
    let known = MIGRATIONS.len() as i64;
    let found: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if !(0..=known + FURTHEST).contains(&found) {
        return Err(StoreError::Damaged { how: format!("it says that its schema is {found}") });
    }
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    if (1..known).contains(&found) {
        copy(db, found)?;
    }
    for (index, sql) in MIGRATIONS.iter().enumerate().skip(usize::try_from(found).unwrap_or(0)) {
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute_batch(sql).map_err(|reason| {
            // What the migration makes is there, or what it changes is not.
            let of_the_schema = match &reason {
                rusqlite::Error::SqlInputError { .. } => true,
                other => other.sqlite_error_code() == Some(rusqlite::ErrorCode::Unknown),
            };
            match of_the_schema {
                true => StoreError::Damaged { how: format!("it is not of schema {index}, as it says: {reason}") },
                false => reason.into(),
            }
        })?;
        tx.pragma_update(None, "user_version", index as i64 + 1)?;
        tx.commit()?;
    }
    Ok(())
}

/// Copies the database beside it before it is changed: with the older program the copy can be gone back to. Only the newest is
/// kept, and one that was begun and not finished is made anew.
fn copy(db: &Connection, found: i64) -> Result<(), StoreError> {
    let Some(path) = db.path().filter(|path| !path.is_empty()) else { return Ok(()) };
    let (copy, half) = (format!("{path}.before-schema-{}", found + 1), format!("{path}.copying"));
    if std::path::Path::new(&copy).exists() {
        return Ok(());
    }
    let _ = std::fs::remove_file(&half);
    let made = db.execute("VACUUM INTO ?1", [&half]).map_err(|reason| reason.to_string());
    // What joins the calls of today has no place in a copy that outlives the day.
    let forget = |_| {
        let copied = Connection::open(&half)?;
        copied.pragma_update(None, "secure_delete", 1)?;
        copied.execute_batch("UPDATE number SET token = NULL; UPDATE call SET token = NULL;")
    };
    let made = made.and_then(|rows| forget(rows).map_err(|reason: rusqlite::Error| reason.to_string()));
    let kept = made.and_then(|()| {
        let file = std::fs::File::open(&half).and_then(|file| file.sync_all());
        file.and_then(|()| std::fs::rename(&half, &copy)).map_err(|error| error.to_string())
    });
    if let Err(reason) = kept {
        // A migration loses nothing; without room for a copy the lines that come matter more.
        tracing::warn!(reason, "no copy could be made before the database is brought up to date");
        let _ = std::fs::remove_file(&half);
        return Ok(());
    }
    let older = (1..found + 1).map(|schema| format!("{path}.before-schema-{schema}"));
    older.for_each(|older| drop(std::fs::remove_file(older)));
    Ok(())
}

/// What of tables and indexes is not as the migrations make it, word for word. What somebody added by hand is no fault.
pub(super) fn unlike(db: &Connection) -> Result<Option<String>, StoreError> {
    let mut model = Connection::open_in_memory()?;
    migrate(&mut model)?;
    let (wanted, found) = (made(&model)?, made(db)?);
    let first = wanted.into_iter().find(|one| !found.contains(one));
    Ok(first.map(|(name, _)| format!("{name} is not laid out as smdrd lays it out")))
}

/// A table or an index: kind, name, table, first page and text.
pub(super) type LaidOut = (String, String, String, i64, Option<String>);

/// Where smdrd lays its tables in pages of this size: the migrations put them at the same pages in every such file.
pub(super) fn laid_out(page_size: u32) -> Result<Vec<LaidOut>, StoreError> {
    let mut model = Connection::open_in_memory()?;
    model.pragma_update(None, "page_size", page_size)?;
    model.pragma_update(None, "auto_vacuum", 2)?;
    migrate(&mut model)?;
    let mut query = model.prepare("SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema")?;
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
    Ok(query.query_map([], row)?.collect::<Result<_, _>>()?)
}

fn made(db: &Connection) -> Result<Vec<(String, Option<String>)>, StoreError> {
    let mut query = db.prepare("SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'")?;
    Ok(query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_file_is_refused_politely() {
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db).unwrap();
        migrate(&mut db).unwrap();
        db.pragma_update(None, "user_version", 99).unwrap();
        assert!(migrate(&mut db).unwrap_err().to_string().contains("schema 99"));
    }
}
