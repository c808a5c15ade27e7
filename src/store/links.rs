//! When each source's link was up, and why it was not.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::{EventCause, Reading, StoreError, Work, instant};
use crate::aggregate::coverage::{Cause, Links, Up};

impl Work<'_> {
    /// The link of a source came up.
    pub fn link_up(&self, source: u16, at: Timestamp) -> Result<(), StoreError> {
        self.tx
            .prepare_cached(
                "INSERT INTO link (source, from_ms) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET to_ms = NULL",
            )?
            .execute((source, at.as_millisecond()))?;
        for cause in [EventCause::LinkDown, EventCause::NotRunning, EventCause::NeverConnected] {
            self.close_event(Some(source), cause, at)?;
        }
        Ok(())
    }

    /// The link of a source went down, for the reason that is one word.
    pub fn link_down(&self, source: u16, at: Timestamp, cause: &str) -> Result<(), StoreError> {
        let ended = self
            .tx
            .prepare_cached("UPDATE link SET to_ms = max(from_ms, ?2), cause = ?3 WHERE source = ?1 AND to_ms IS NULL")?
            .execute((source, at.as_millisecond(), cause))?;
        if ended > 0 {
            let why =
                if matches!(cause, "not-running" | "stopping") { EventCause::NotRunning } else { EventCause::LinkDown };
            // What is silent has no link any more.
            self.close_event(Some(source), EventCause::Silence, at)?;
            self.open_event(Some(source), why, at, cause, None)?;
        }
        Ok(())
    }

    /// Moves links that came up and went down between `since` and `until` by the time that the box's clock was set by.
    pub fn restamp_links(&self, since: Timestamp, until: Timestamp, by: SignedDuration) -> Result<(), StoreError> {
        let by = i64::try_from(by.as_millis()).unwrap_or(0);
        // Latest first or earliest first, so that none meets the next on its way.
        let order = if by > 0 { "DESC" } else { "ASC" };
        let select =
            format!("SELECT source, from_ms FROM link WHERE from_ms BETWEEN ?1 AND ?2 ORDER BY from_ms {order}");
        let rows: Vec<(u16, i64)> = self
            .tx
            .prepare(&select)?
            .query_map((since.as_millisecond(), until.as_millisecond()), |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        for (source, from) in rows {
            self.tx
                .prepare_cached(
                    "UPDATE OR REPLACE link SET from_ms = from_ms + ?3, to_ms = to_ms + ?3
                     WHERE source = ?1 AND from_ms = ?2",
                )?
                .execute((source, from, by))?;
        }
        Ok(())
    }

    /// The box's clock was set from `old` to `new`: a link that was up before was so until then, and again from `again` on.
    /// Nobody was there to hear what lies between on the calendar.
    pub fn break_links(&self, old: Timestamp, again: Timestamp, new: Timestamp) -> Result<(), StoreError> {
        let open: Vec<(u16, i64)> = self
            .tx
            .prepare_cached("SELECT source, from_ms FROM link WHERE to_ms IS NULL")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        for (source, from) in open {
            if from > new.as_millisecond() {
                self.tx
                    .prepare_cached("UPDATE OR REPLACE link SET from_ms = ?3 WHERE source = ?1 AND from_ms = ?2")?
                    .execute((source, from, new.as_millisecond()))?;
            } else if new > old && from < old.as_millisecond().min(again.as_millisecond()) {
                self.link_down(source, old, "clock-set")?;
                self.link_up(source, again)?;
            }
        }
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
            .prepare_cached("SELECT from_ms, to_ms, cause FROM link WHERE source = ?1 ORDER BY to_ms IS NULL DESC, from_ms DESC LIMIT 1")?;
        let mut rows = query.query([source])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let to: Option<i64> = row.get(1)?;
        Ok(Some((to.is_none(), instant(to.unwrap_or(row.get(0)?)), row.get(2)?)))
    }
}
