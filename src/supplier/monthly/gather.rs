//! An account's month: its sites' documents, the sum of them, and what speaks against sending it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::figures::{Counts, DayCounts, HALF_HOURS, Unfit, core_observed, counts};
use super::judge::{OBSERVED, Reason, hundredths, percent};
use super::lists::{Accepted, Participation};
use super::month::Month;
use crate::aggregate::document::{PracticeSite, SOURCE_SYSTEM};
use crate::supplier::archive::{Archive, ArchiveError};
use crate::supplier::field::read_document;

/// A document that figures of the file come from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Used {
    /// ODS code.
    pub ods: String,
    /// Site.
    pub site: String,
    /// Civil day.
    pub date: Date,
    /// Revision.
    pub revision: u32,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
}

/// Something a person should look at, though it keeps nothing out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// One word for it.
    pub word: &'static str,
    /// Whose.
    pub of: PracticeSite,
    /// Which day, where it is about one.
    pub date: Option<Date>,
    /// What there is to see.
    pub what: String,
}

/// Counts by day.
pub type Days = BTreeMap<Date, Box<DayCounts>>;

/// An account's month.
#[derive(Debug, Default)]
pub struct AccountMonth {
    /// What speaks against it, all of it; nothing for one that goes in.
    pub reasons: Vec<Reason>,
    /// What a person should look at.
    pub remarks: Vec<Remark>,
    /// What was counted, by site and day.
    pub sites: BTreeMap<PracticeSite, Days>,
    /// The documents that it comes from.
    pub documents: Vec<Used>,
    /// The operator's reason for sending it although too little was observed.
    pub accepted: Option<String>,
    /// How much was observed of the core hours at the site that was observed least, in hundredths of a percent.
    pub observed: Option<u64>,
}

/// By what an account is judged.
#[derive(Debug, Clone, Copy)]
pub struct Bar<'a> {
    /// The month.
    pub month: Month,
    /// Who takes part.
    pub participation: &'a Participation,
    /// What was accepted.
    pub accepted: &'a Accepted,
    /// Whether documents of old PBXs may go in.
    pub legacy: bool,
}

/// Gathers an account's month. Of an account with a practice that does not take part nothing is read at all.
pub fn gather(
    archive: &Archive,
    bar: &Bar<'_>,
    account: &str,
    sites: &BTreeSet<PracticeSite>,
) -> Result<AccountMonth, ArchiveError> {
    let mut month = AccountMonth::default();
    let practices: BTreeSet<&String> = sites.iter().map(|of| &of.ods).collect();
    for ods in practices.iter().filter(|ods| !bar.participation.practices.contains(**ods)) {
        month.reasons.push(Reason::NotParticipating { ods: (*ods).clone() });
    }
    if !month.reasons.is_empty() {
        return Ok(month);
    }
    if practices.len() > 1
        && let Some(first) = sites.first()
    {
        let what = format!(
            "the account has {} practices; NHS England publishes such as Unassigned, not by practice",
            practices.len()
        );
        month.remarks.push(Remark { word: "shared-account", of: first.clone(), date: None, what });
    }
    for of in sites {
        month.take_site(archive, bar, of, bar.accepted.reasons.get(account))?;
    }
    Ok(month)
}

impl AccountMonth {
    fn take_site(
        &mut self,
        archive: &Archive,
        bar: &Bar<'_>,
        of: &PracticeSite,
        accepted: Option<&String>,
    ) -> Result<(), ArchiveError> {
        let PracticeSite { ods, site } = of;
        let (from, to) = (bar.month.first(), bar.month.last());
        let devices = archive.devices(ods, site, from, to)?;
        if devices.len() > 1 {
            let names: Vec<&str> = devices.iter().map(String::as_str).collect();
            let what = format!("{} boxes sent days of it: {}; only one of them is to", names.len(), names.join(", "));
            self.remarks.push(Remark { word: "several-boxes", of: of.clone(), date: None, what });
        }
        let mut missing: BTreeSet<Date> = bar.month.days().collect();
        let (mut core_s, mut observed_s, mut legacy) = (0, 0, false);
        for newest in archive.newest(ods, site, from, to)? {
            missing.remove(&newest.date);
            let date = newest.date;
            let document = match read_document(&newest.body) {
                Ok(document) => document,
                Err((pointer, why)) => {
                    self.reasons.push(Reason::Unreadable { of: of.clone(), date, why: format!("{pointer}: {why}") });
                    continue;
                }
            };
            legacy |= document.source_system == SOURCE_SYSTEM;
            if let Some((core, observed)) = core_observed(&document) {
                (core_s, observed_s) = (core_s + core, observed_s + observed);
                if observed < core {
                    let what = format!("{} of 08:00-18:30 was observed", percent(hundredths(observed, core)));
                    self.remarks.push(Remark { word: "gap", of: of.clone(), date: Some(date), what });
                }
            }
            match counts(&document) {
                Ok(day) => {
                    self.sites.entry(of.clone()).or_default().insert(date, day);
                }
                Err(unfit) => {
                    let again = |unfit: &Unfit| {
                        let told = |reason: &Reason| matches!(reason, Reason::Unfit { of: other, unfit: known, .. } if other == of && known == unfit);
                        matches!(unfit, Unfit::Null { .. }) && self.reasons.iter().any(told)
                    };
                    // A PBX that cannot say something cannot say it on any day: the first is enough.
                    let new: Vec<Unfit> = unfit.into_iter().filter(|unfit| !again(unfit)).collect();
                    self.reasons.extend(new.into_iter().map(|unfit| Reason::Unfit { of: of.clone(), date, unfit }));
                }
            }
            let PracticeSite { ods, site } = of.clone();
            self.documents.push(Used { ods, site, date, revision: newest.revision, sha256: newest.sha256 });
        }
        if legacy && !bar.legacy {
            self.reasons.push(Reason::LegacyPbx { of: of.clone() });
        }
        if !missing.is_empty() {
            self.reasons.push(Reason::MissingDays { of: of.clone(), days: missing });
        }
        let observed = hundredths(observed_s, core_s);
        if core_s > 0 {
            self.observed = Some(self.observed.map_or(observed, |least| least.min(observed)));
        }
        if core_s > 0 && observed < OBSERVED * 100 {
            match accepted {
                Some(reason) => self.accepted = Some(reason.clone()),
                None => self.reasons.push(Reason::NotObserved { of: of.clone(), observed }),
            }
        }
        Ok(())
    }

    /// What was counted at all sites together.
    pub fn days(&self) -> Days {
        let mut days = Days::new();
        for (date, counts) in self.sites.values().flatten() {
            let sum = days.entry(*date).or_insert_with(|| Box::new([Counts::default(); HALF_HOURS]));
            sum.iter_mut().zip(counts.iter()).for_each(|(sum, counts)| sum.add(counts));
        }
        days
    }
}
