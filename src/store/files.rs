//! How far files of drop folders are read: saved with their lines, so that no crash reads one twice.

use super::{Reading, StoreError, Work};
use crate::source::FileMark;

impl Work<'_> {
    /// Saves how far the lines of a file are stored.
    pub fn put_file_mark(&self, mark: &FileMark) -> Result<(), StoreError> {
        self.tx
            .prepare_cached(
                "INSERT INTO dropped_file VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET read_to = excluded.read_to, whole = excluded.whole",
            )?
            .execute((&mark.file, mark.source, mark.read_to as i64, mark.whole))?;
        Ok(())
    }

    /// Forgets a file that is gone.
    pub fn forget_file(&self, file: &str) -> Result<(), StoreError> {
        self.tx.prepare_cached("DELETE FROM dropped_file WHERE file = ?1")?.execute([file])?;
        Ok(())
    }
}

impl Reading<'_> {
    /// The marks of all files that are not forgotten.
    pub fn file_marks(&self) -> Result<Vec<FileMark>, StoreError> {
        let mut query =
            self.db.prepare_cached("SELECT file, source, read_to, whole FROM dropped_file ORDER BY file")?;
        let rows = query.query_map([], |row| {
            Ok(FileMark {
                file: row.get(0)?,
                source: row.get(1)?,
                read_to: row.get::<_, i64>(2)? as u64,
                whole: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[test]
    fn a_mark_moves_on_until_it_is_forgotten_and_only_with_its_transaction() {
        let mut store = Store::in_memory().unwrap();
        let mark = |read_to, whole| FileMark { source: 3, file: "a1".into(), read_to, whole };
        for (read_to, whole) in [(100, false), (250, true)] {
            let work = store.begin().unwrap();
            work.put_file_mark(&mark(read_to, whole)).unwrap();
            work.commit().unwrap();
            assert_eq!(store.read().file_marks().unwrap(), [mark(read_to, whole)]);
        }
        let work = store.begin().unwrap();
        work.forget_file("a1").unwrap();
        drop(work);
        assert_eq!(store.read().file_marks().unwrap().len(), 1);
        let work = store.begin().unwrap();
        work.forget_file("a1").unwrap();
        work.commit().unwrap();
        assert_eq!(store.read().file_marks().unwrap(), []);
    }
}
