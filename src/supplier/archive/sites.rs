//! What the archive knows of each site's days without opening a document: whether one is here, and how much of it was
//! observed.
//!
//! The table `site_day` has the newest revision of each day. A trigger of the database keeps it beside `day_revision`, so
//! it cannot differ; a body that is no JSON has no figures there.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;

use super::{Archive, ArchiveError};

/// The newest day of a site. What its document does not say, or cannot be read there, is nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteNewest {
    /// ODS code of the practice.
    pub ods: String,
    /// Site within the practice.
    pub site: String,
    /// The oldest day that is held.
    pub first: Date,
    /// The newest.
    pub date: Date,
    /// Its newest revision.
    pub revision: u32,
    /// The box that made it.
    pub device: String,
    /// When it came.
    pub received_at: Timestamp,
    /// Seconds of the day that were observed.
    pub observed_s: Option<u64>,
    /// Seconds that it has.
    pub length_s: Option<u64>,
    /// Lines of all sources.
    pub lines: Option<u64>,
    /// Of these not understood.
    pub unparsed: Option<u64>,
    /// PBX clock minus box clock in seconds: of several sources the one that is furthest off.
    pub clock_s: Option<i64>,
    /// Dialects of the sources, each once.
    pub dialects: Vec<String>,
}

/// How much of a day was observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObservedDay {
    /// The civil day.
    pub date: Date,
    /// Seconds that were observed.
    pub observed_s: Option<u64>,
    /// Seconds that it has.
    pub length_s: Option<u64>,
}

/// Days of sites, by site.
pub(super) type ObservedDays = BTreeMap<(String, String), Vec<ObservedDay>>;

/// Sites and their days.
pub(super) trait Sites {
    fn sites_newest(&self) -> Result<Vec<SiteNewest>, ArchiveError>;
    fn observed_since(&self, from: Date) -> Result<ObservedDays, ArchiveError>;
}

impl Archive {
    /// The newest day of each site, by practice and site.
    pub fn sites_newest(&self) -> Result<Vec<SiteNewest>, ArchiveError> {
        self.engine.sites_newest()
    }

    /// The days of each site from one on, in order.
    pub fn observed_since(&self, from: Date) -> Result<BTreeMap<(String, String), Vec<ObservedDay>>, ArchiveError> {
        self.engine.observed_since(from)
    }
}

/// What both engines ask: nothing in it is either's own.
pub(super) const SITES_NEWEST: &str = "
    WITH span AS (SELECT ods, site, min(date) AS first, max(date) AS last FROM site_day GROUP BY ods, site)
    SELECT day.ods, day.site, span.first, day.date, day.revision, day.device, day.received_at, day.observed_s,
        day.length_s, day.lines, day.unparsed, day.clock_s, day.dialects
    FROM span JOIN site_day day ON day.ods = span.ods AND day.site = span.site AND day.date = span.last
    ORDER BY day.ods, day.site";

/// Puts a day to its site's; they come in the order of practice, site and date.
pub(super) fn gather(days: &mut Vec<((String, String), Vec<ObservedDay>)>, ods: &str, site: &str, day: ObservedDay) {
    match days.last_mut() {
        Some(((of, at), days)) if of == ods && at == site => days.push(day),
        _ => days.push(((ods.to_owned(), site.to_owned()), vec![day])),
    }
}

/// The dialects of a row.
pub(super) fn split_dialects(dialects: Option<String>) -> Vec<String> {
    let dialects = dialects.unwrap_or_default();
    let mut names: Vec<String> = dialects.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}
