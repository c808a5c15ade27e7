//! What the archive holds of a stretch of days: the newest revision of each counts.

use std::collections::BTreeSet;

use jiff::civil::Date;
use rusqlite::params;

use super::{Archive, ArchiveError, parsed};

/// The newest revision of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewestOfDay {
    /// The civil day.
    pub date: Date,
    /// Its revision.
    pub revision: u32,
    /// SHA-256 of the body in hex.
    pub sha256: String,
    /// The bytes as they came.
    pub body: Vec<u8>,
}

impl Archive {
    /// The newest revision of each day held for a site, by date, from the first day to the last, both included.
    pub fn newest(&self, ods: &str, site: &str, from: Date, to: Date) -> Result<Vec<NewestOfDay>, ArchiveError> {
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

    /// The boxes that sent a site's days.
    pub fn devices(&self, ods: &str, site: &str, from: Date, to: Date) -> Result<BTreeSet<String>, ArchiveError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT DISTINCT device FROM day_revision WHERE ods = ?1 AND site = ?2 AND date BETWEEN ?3 AND ?4",
        )?;
        let rows = statement.query_map(params![ods, site, from.to_string(), to.to_string()], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The sites that days are held of.
    pub fn sites(&self, from: Date, to: Date) -> Result<BTreeSet<(String, String)>, ArchiveError> {
        let connection = self.connection();
        let mut statement =
            connection.prepare_cached("SELECT DISTINCT ods, site FROM day_revision WHERE date BETWEEN ?1 AND ?2")?;
        let rows =
            statement.query_map(params![from.to_string(), to.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
