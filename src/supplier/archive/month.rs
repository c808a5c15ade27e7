//! What the archive holds of a stretch of days: the newest revision of each counts.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::{Archive, ArchiveError};

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

/// Days by the stretch that they lie in, its first and last day included.
pub(super) trait Days {
    fn newest(&self, ods: &str, site: &str, from: Date, to: Date) -> Result<Vec<NewestOfDay>, ArchiveError>;
    fn devices(&self, ods: &str, site: &str, from: Date, to: Date) -> Result<BTreeSet<String>, ArchiveError>;
    fn sites(&self, from: Date, to: Date) -> Result<BTreeSet<(String, String)>, ArchiveError>;
}

impl Archive {
    /// The newest revision of each day held for a site, by date, from the first day to the last, both included.
    pub fn newest(&self, ods: &str, site: &str, from: Date, to: Date) -> Result<Vec<NewestOfDay>, ArchiveError> {
        self.engine.newest(ods, site, from, to)
    }

    /// The boxes that sent a site's days.
    pub fn devices(&self, ods: &str, site: &str, from: Date, to: Date) -> Result<BTreeSet<String>, ArchiveError> {
        self.engine.devices(ods, site, from, to)
    }

    /// The sites that days are held of.
    pub fn sites(&self, from: Date, to: Date) -> Result<BTreeSet<(String, String)>, ArchiveError> {
        self.engine.sites(from, to)
    }
}
