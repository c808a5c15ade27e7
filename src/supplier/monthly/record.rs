//! What is kept of a build beside the files that are sent: the manifest, which says what every figure comes from, and the
//! submission record, which says what went in, what did not, and why. Neither holds the time of day: the same month
//! builds the same bytes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::call_level::{Left, UsedFile};
use super::config::LegacyAcceptance;
use super::gather::{AccountMonth, Used};
use super::judge::Reason;
use super::template::Confirmed;

/// Schema of the manifest.
pub const MANIFEST: &str = "smdr-feed.manifest/1";
/// Schema of the submission record.
pub const SUBMISSION: &str = "smdr-feed.submission/1";

/// What the files come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`MANIFEST`].
    pub schema: String,
    /// The month.
    pub month: String,
    /// SHA-256 of what the operator gave, by what it is.
    pub inputs: BTreeMap<String, String>,
    /// Every document whose figures are in the files.
    pub documents: BTreeSet<Used>,
    /// Every file of a box whose rows are in the call-level file.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub call_level: BTreeSet<UsedFile>,
    /// The files.
    pub files: BTreeMap<String, FileOfBuild>,
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileOfBuild {
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// Rows below the header.
    pub rows: u64,
}

/// What was built, and what was not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// [`SUBMISSION`].
    pub schema: String,
    /// The month.
    pub month: String,
    /// The supplier's name in the files.
    pub supplier: String,
    /// Counts up with each build that differs from the one before, from 1.
    pub build: u32,
    /// Built to look at, not to send.
    pub rehearsal: bool,
    /// When it is to be sent.
    pub window: Window,
    /// Accounts in the files.
    pub included: Vec<Included>,
    /// Accounts that are not.
    pub left_out: Vec<LeftOut>,
    /// Sums over the accounts in the files, by metric.
    pub totals: BTreeMap<String, u64>,
    /// Who compared the template with NHS England's sample.
    pub template_confirmed: Option<Confirmed>,
    /// The call-level file, which stands in place of the aggregated one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_level: Option<CallLevelRecord>,
    /// NHS England's acceptance of figures from old PBXs.
    pub legacy_pbx_smdr: Option<LegacyAcceptance>,
    /// What differs from the build before, and why.
    pub changes: Vec<Change>,
}

/// What is in the call-level file. Accounts that are not in the aggregated file are not in it either, and not said again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallLevelRecord {
    /// Its accounts.
    pub included: BTreeSet<String>,
    /// Accounts that are in the aggregated file only.
    pub left_out: Vec<LeftOut>,
    /// Its rows.
    pub rows: u64,
    /// Who compared its template with NHS England's sample.
    pub template_confirmed: Option<crate::report::call_level::Confirmed>,
}

/// The days on which a month is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The first.
    pub opens: Date,
    /// The last.
    pub closes: Date,
}

/// An account in the files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Included {
    /// Its number.
    pub account: String,
    /// Its practices.
    pub practices: BTreeSet<String>,
    /// Its sums by metric.
    pub totals: BTreeMap<String, u64>,
    /// How much of the core hours was observed at the site observed least, in hundredths of a percent; nothing where the
    /// month has no working day.
    pub observed: Option<u64>,
    /// Why it is in although too little was observed.
    pub accepted: Option<String>,
}

/// An account that is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its number.
    pub account: String,
    /// Its practices.
    pub practices: BTreeSet<String>,
    /// Everything that speaks against it.
    pub reasons: Vec<Said>,
}

/// A reason, for machines and people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// One word.
    pub word: String,
    /// In a sentence.
    pub what: String,
}

impl Said {
    /// Of a reason.
    pub fn of(reason: &Reason) -> Said {
        let (ods, site, date) = reason.place();
        let place = match (site, date) {
            ("", _) => ods.to_owned(),
            (site, None) => format!("{ods}/{site}"),
            (site, Some(date)) => format!("{ods}/{site} {date}"),
        };
        let what = match reason {
            Reason::NotParticipating { .. } => reason.to_string(),
            reason => format!("{place}: {reason}"),
        };
        Said { word: reason.word().to_owned(), what }
    }
}

impl Said {
    /// Of what keeps an account out of the call-level file.
    pub fn of_rows(left: &Left) -> Said {
        let (ods, site, date) = left.place();
        let date = date.map_or_else(String::new, |date| format!(" {date}"));
        Said { word: left.word().to_owned(), what: format!("{ods}/{site}{date}: {left}") }
    }
}

/// A difference from the build before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The account, where it is about one.
    pub account: Option<String>,
    /// One word.
    pub word: String,
    /// In a sentence.
    pub what: String,
}

impl Included {
    /// Of what was gathered.
    pub fn of(
        account: &str,
        practices: BTreeSet<String>,
        month: &AccountMonth,
        totals: BTreeMap<String, u64>,
    ) -> Included {
        Included {
            account: account.to_owned(),
            practices,
            totals,
            observed: month.observed,
            accepted: month.accepted.clone(),
        }
    }
}

type Note<'a> = dyn FnMut(Option<&str>, &str, String) + 'a;

/// What differs in the call-level file.
fn changes_of_files(before: &(&Manifest, &Submission), now: &(&Manifest, &Submission), note: &mut Note<'_>) {
    let accounts = |submission: &Submission| {
        submission.call_level.as_ref().map(|record| record.included.clone()).unwrap_or_default()
    };
    let (was, is) = (accounts(before.1), accounts(now.1));
    for account in is.difference(&was) {
        note(Some(account), "call-level", "its rows were not in the call-level file before".to_owned());
    }
    for account in was.difference(&is) {
        note(Some(account), "call-level", "its rows are no longer in the call-level file".to_owned());
    }
    for UsedFile { ods, site, rows, sha256 } in &now.0.call_level {
        let old = before.0.call_level.iter().find(|old| old.ods == *ods && old.site == *site);
        if let Some(old) = old.filter(|old| old.sha256 != *sha256) {
            note(None, "call-level", format!("{ods}/{site}: another file, {rows} rows after {}", old.rows));
        }
    }
}

/// What differs between two builds of a month, and why: lists and accounts, documents, then the figures they came to.
pub fn changes(before: (&Manifest, &Submission), now: (&Manifest, &Submission)) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut note = |account: Option<&str>, word: &str, what: String| {
        changes.push(Change { account: account.map(str::to_owned), word: word.to_owned(), what });
    };
    let names: BTreeSet<&String> = before.0.inputs.keys().chain(now.0.inputs.keys()).collect();
    for name in names.into_iter().filter(|name| before.0.inputs.get(*name) != now.0.inputs.get(*name)) {
        note(None, "input", format!("{name} is another one"));
    }
    changes_of_files(&before, &now, &mut note);
    let was: BTreeMap<&str, &Included> = before.1.included.iter().map(|one| (one.account.as_str(), one)).collect();
    let is: BTreeMap<&str, &Included> = now.1.included.iter().map(|one| (one.account.as_str(), one)).collect();
    let out = |submission: &Submission, account: &str| {
        let left = submission.left_out.iter().find(|left| left.account == account);
        left.map_or_else(
            || "it was not in the account map".to_owned(),
            |left| left.reasons.iter().map(|reason| reason.what.clone()).collect::<Vec<_>>().join("; "),
        )
    };
    for (account, _) in is.iter().filter(|(account, _)| !was.contains_key(*account)) {
        note(Some(account), "in", format!("it was left out before: {}", out(before.1, account)));
    }
    for (account, _) in was.iter().filter(|(account, _)| !is.contains_key(*account)) {
        let why = out(now.1, account).replace("it was not in", "it is not in");
        note(Some(account), "out", format!("it was in before: {why}"));
    }
    for (account, now_in) in &is {
        let Some(was_in) = was.get(account) else { continue };
        let of = |manifest: &Manifest, included: &Included| -> BTreeMap<(String, String, Date), (u32, String)> {
            let mine = manifest.documents.iter().filter(|used| included.practices.contains(&used.ods));
            mine.map(|used| ((used.ods.clone(), used.site.clone(), used.date), (used.revision, used.sha256.clone())))
                .collect()
        };
        let (old, new) = (of(before.0, was_in), of(now.0, now_in));
        for ((ods, site, date), (revision, sha256)) in &new {
            match old.get(&(ods.clone(), site.clone(), *date)) {
                Some((_, known)) if known == sha256 => {}
                Some((known, _)) => {
                    note(Some(account), "revised", format!("{ods}/{site} {date}: revision {revision} after {known}"));
                }
                None => note(Some(account), "added", format!("{ods}/{site} {date}: revision {revision}")),
            }
        }
        for (ods, site, date) in old.keys().filter(|key| !new.contains_key(*key)) {
            note(Some(account), "removed", format!("{ods}/{site} {date}: its site is no longer under this account"));
        }
        for (code, value) in &now_in.totals {
            match was_in.totals.get(code) {
                Some(known) if known != value => note(Some(account), "total", format!("{code}: {value} after {known}")),
                _ => {}
            }
        }
    }
    changes
}
