//! When each source's link was up, and why it was not.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Reading, StoreError, Work, instant};
use crate::aggregate::coverage::{Cause, Links, Up};

impl Work<'_> {
    /// The link of a source came up.
    pub fn link_up(&self, source: u16, at: Timestamp) -> Result<(), StoreError> {
        self.tx
            .prepare_cached(
                "INSERT INTO link (source, from_ms) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET to_ms = NULL",
            )?
            .execute((source, at.as_millisecond()))?;
        Ok(())
    }

    /// The link of a source went down, for the reason that is one word.
    pub fn link_down(&self, source: u16, at: Timestamp, cause: &str) -> Result<(), StoreError> {
        self.tx
            .prepare_cached("UPDATE link SET to_ms = max(from_ms, ?2), cause = ?3 WHERE source = ?1 AND to_ms IS NULL")?
            .execute((source, at.as_millisecond(), cause))?;
        Ok(())
    }

    /// What was observed of a source from `at` on is not known any more, for the reason that is one word: until its link is up
    /// again.
    pub fn link_lost(&self, source: u16, at: Timestamp, cause: &str) -> Result<(), StoreError> {
        self.tx
            .prepare_cached(
                "INSERT INTO link VALUES (?1, ?2, ?2, ?3) ON CONFLICT DO UPDATE SET cause = excluded.cause",
            )?
            .execute((source, at.as_millisecond(), cause))?;
        Ok(())
    }

    /// What came after the last link of a source that is known is lost, for the reason that is one word. False when no link
    /// is known.
    pub fn later_links_lost(&self, source: u16, cause: &str) -> Result<bool, StoreError> {
        let mut update = self.tx.prepare_cached(
            "UPDATE link SET cause = CASE WHEN to_ms IS NULL THEN NULL ELSE ?2 END
             WHERE source = ?1 AND from_ms = (SELECT max(from_ms) FROM link WHERE source = ?1)",
        )?;
        Ok(update.execute((source, cause))? > 0)
    }

    /// Ends the links that an earlier run left open, at the last moment it is known to have lived; not those of the
    /// sources `unbroken`. Gives the sources whose links are still open.
    pub fn links_left_open(
        &self,
        alive: Timestamp,
        unbroken: &BTreeSet<u16>,
        cause: &str,
    ) -> Result<BTreeSet<u16>, StoreError> {
        let open: BTreeSet<u16> = self
            .tx
            .prepare_cached("SELECT source FROM link WHERE to_ms IS NULL")?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for source in open.difference(unbroken) {
            self.link_down(*source, alive, cause)?;
        }
        Ok(open.intersection(unbroken).copied().collect())
    }
}

impl Reading<'_> {
    /// The links of a source that touch the stretch from `from` to `to`; one that is up lasts until `to`.
    pub fn links(&self, source: u16, name: &str, from: Timestamp, to: Timestamp) -> Result<Links, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT from_ms, to_ms, cause FROM link WHERE source = ?1 AND from_ms < ?2 ORDER BY from_ms",
        )?;
        let mut rows = query.query((source, to.as_millisecond()))?;
        let mut links = Links { source: name.to_owned(), ..Links::default() };
        while let Some(row) = rows.next()? {
            let until = row.get::<_, Option<i64>>(1)?.map_or(to, instant);
            if until > from {
                links.up.push(Up { from: instant(row.get(0)?), to: until });
            }
            if let Some(word) = row.get::<_, Option<String>>(2)? {
                links.causes.push(Cause { from: until, word });
            }
        }
        Ok(links)
    }

    /// Whether the link of a source is up, and since when; else why it is not, and since when.
    pub fn link_now(&self, source: u16) -> Result<Option<(bool, Timestamp, Option<String>)>, StoreError> {
        let mut query = self
            .db
            .prepare_cached("SELECT from_ms, to_ms, cause FROM link WHERE source = ?1 ORDER BY from_ms DESC LIMIT 1")?;
        let mut rows = query.query([source])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let to: Option<i64> = row.get(1)?;
        Ok(Some((to.is_none(), instant(to.unwrap_or(row.get(0)?)), row.get(2)?)))
    }
}
