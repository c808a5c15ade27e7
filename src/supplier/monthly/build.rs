//! `smdr-feed build --month`: the set of files that a supplier sends to NHS England, and what is kept beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::config::{BuildConfig, ConfigError};
use super::field::Code;
use super::figures::Counts;
use super::files::{Aggregated, sha256_of, write_mapping};
use super::gather::{AccountMonth, Bar, Remark, gather};
use super::judge::Reason;
use super::lists::{Accepted, Accounts, Participation};
use super::month::Month;
use super::published::outliers;
use super::record::{
    FileOfBuild, Included, LeftOut, MANIFEST, Manifest, SUBMISSION, Said, Submission, Window, changes,
};
use super::table::TableError;
use super::template::{Template, TemplateError};
use crate::supplier::archive::{Archive, ArchiveError};

/// Nothing was built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The operator's file.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A list or a map.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The template.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Nobody has compared the mapping with NHS England's sample.
    #[error(
        "{path}: the mapping is not confirmed. Get NHS England's current sample, let `sample` name it, compare, and say so in \
         [confirmed] with reference, date and name; or build with --rehearsal, to look at and not to send"
    )]
    Unconfirmed {
        /// The mapping.
        path: PathBuf,
    },
    /// The month is not over.
    #[error("{month} is not over: its last day is {last}, and the documents of that day come in the night after it")]
    NotOver {
        /// The month.
        month: Month,
        /// Its last day.
        last: jiff::civil::Date,
    },
    /// A file of an earlier build cannot be read any more.
    #[error(
        "{path}: {reason}; without it nobody can say what a resubmission changes. Put it back, or give another --out"
    )]
    Before {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A file cannot be written.
    #[error("{path}: {source}")]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

impl BuildError {
    /// Whether the fault is in what the operator gave.
    pub fn is_configuration(&self) -> bool {
        !matches!(self, BuildError::Archive(_) | BuildError::Write { .. })
    }
}

/// What is to be built.
#[derive(Debug)]
pub struct Order<'a> {
    /// The month.
    pub month: Month,
    /// Today, where the supplier is.
    pub today: jiff::civil::Date,
    /// The operator's file.
    pub config: &'a Path,
    /// Where builds go.
    pub out: &'a Path,
    /// To look at and not to send: neither a confirmed template nor NHS England's acceptance is asked for.
    pub rehearsal: bool,
}

/// What was built.
#[derive(Debug, Serialize)]
pub struct Built {
    /// Where it is.
    pub directory: PathBuf,
    /// The submission record.
    pub submission: Submission,
    /// It is the same, byte for byte, as the build before, which stays as it is.
    pub unchanged: bool,
    /// What today is to the window.
    pub countdown: String,
}

/// What was added up while accounts were gone through.
#[derive(Default)]
struct Sum {
    included: Vec<Included>,
    left_out: Vec<LeftOut>,
    totals: BTreeMap<String, u64>,
    documents: BTreeSet<super::gather::Used>,
    exceptions: Vec<[String; 6]>,
}

/// Builds a month.
pub fn build(order: &Order<'_>, archive: &Archive) -> Result<Built, BuildError> {
    let config = BuildConfig::read(order.config)?;
    let month = order.month;
    if order.today <= month.last() {
        return Err(BuildError::NotOver { month, last: month.last() });
    }
    let template = Template::read(&config.aggregated.template)?;
    if template.confirmed.is_none() && !order.rehearsal {
        return Err(BuildError::Unconfirmed { path: config.aggregated.template });
    }
    let participation = Participation::read(&config.participation.file, &config.participation.column)?;
    let accounts = Accounts::read(&config.accounts.file)?;
    let accepted = match &config.accepted {
        Some(file) => Accepted::read(&file.file, month, &accounts)?,
        None => Accepted::default(),
    };
    let of_month = order.out.join(month.to_string());
    fs::create_dir_all(&of_month).map_err(|source| BuildError::Write { path: of_month.clone(), source })?;
    let place = tempfile_in(&of_month)?;
    let bar = Bar {
        month,
        participation: &participation,
        accepted: &accepted,
        legacy: config.legacy_pbx_smdr.is_some() || order.rehearsal,
    };
    let prefix = if order.rehearsal { "REHEARSAL-" } else { "" };
    let name = |what: &str| format!("{prefix}cbt-{what}-{month}.csv");
    let (aggregated, mapping, exceptions) = (name("aggregated"), name("mapping"), format!("exceptions-{month}.csv"));
    let write = |file: &str| {
        let path = place.join(file);
        move |source| BuildError::Write { path, source }
    };

    let mut sum = Sum::default();
    let mut file =
        Aggregated::create(&place.join(&aggregated), &template, &config.supplier_name).map_err(write(&aggregated))?;
    for (account, sites) in &accounts.sites {
        let gathered = gather(archive, &bar, account, sites)?;
        if gathered.reasons.is_empty() {
            for (date, day) in &gathered.days {
                file.day(account, *date, day).map_err(write(&aggregated))?;
            }
        }
        let practices = sites.iter().map(|(ods, _)| ods.clone()).collect();
        sum.take(account, practices, gathered);
    }
    let (out, rows) = file.finish().map_err(write(&aggregated))?;
    out.into_inner()
        .map_err(|error| error.into_error())
        .and_then(|file| file.sync_all())
        .map_err(write(&aggregated))?;
    sum.note_strangers(archive, month, &accounts, &participation)?;
    let pairs =
        sum.included.iter().flat_map(|one| one.practices.iter().map(|ods| (one.account.as_str(), ods.as_str())));
    let mut bytes = Vec::new();
    let mapped = write_mapping(&mut bytes, &config.supplier_name, template.line_end, pairs).map_err(write(&mapping))?;
    fs::write(place.join(&mapping), bytes).map_err(write(&mapping))?;
    let odd = sum.write_exceptions(&place.join(&exceptions)).map_err(write(&exceptions))?;

    let mut files = BTreeMap::new();
    for (file, rows) in [(&aggregated, rows), (&mapping, mapped), (&exceptions, odd)] {
        let sha256 = sha256_of(&place.join(file)).map_err(write(file))?;
        files.insert(file.clone(), FileOfBuild { sha256, rows });
    }
    let mut inputs = BTreeMap::from([
        ("participation list".to_owned(), participation.sha256.clone()),
        ("account map".to_owned(), accounts.sha256.clone()),
        ("template".to_owned(), template.sha256.0.clone()),
        ("sample".to_owned(), template.sha256.1.clone()),
    ]);
    inputs.extend(accepted.sha256.clone().map(|sha256| ("acceptances".to_owned(), sha256)));
    let manifest =
        Manifest { schema: MANIFEST.to_owned(), month: month.to_string(), inputs, documents: sum.documents, files };
    let (opens, closes) = month.window();
    let submission = Submission {
        schema: SUBMISSION.to_owned(),
        month: month.to_string(),
        supplier: config.supplier_name.clone(),
        build: 1,
        rehearsal: order.rehearsal,
        window: Window { opens, closes },
        included: sum.included,
        left_out: sum.left_out,
        totals: sum.totals,
        template_confirmed: template.confirmed.clone(),
        legacy_pbx_smdr: config.legacy_pbx_smdr.clone(),
        changes: Vec::new(),
    };
    settle(order, &of_month, place, manifest, submission)
}

/// Puts what was built beside the builds before; where it is the same as the last, that one stays and nothing is added.
fn settle(
    order: &Order<'_>,
    of_month: &Path,
    place: PathBuf,
    manifest: Manifest,
    mut submission: Submission,
) -> Result<Built, BuildError> {
    let called = |number: u32| {
        of_month.join(if order.rehearsal { format!("rehearsal-{number}") } else { format!("build-{number}") })
    };
    let mut last = 0;
    while called(last + 1).exists() {
        last += 1;
    }
    let mut unchanged = false;
    if last > 0 {
        let before = called(last);
        let (old, record) =
            (read::<Manifest>(&before, "manifest.json")?, read::<Submission>(&before, "submission.json")?);
        submission.build = last;
        let same = Submission { changes: record.changes.clone(), ..submission.clone() };
        unchanged = old == manifest && same == record;
        if unchanged {
            submission = record;
        } else {
            submission.build = last + 1;
            submission.changes = changes((&old, &record), (&manifest, &submission));
        }
    }
    let directory = called(submission.build);
    if unchanged {
        fs::remove_dir_all(&place).map_err(|source| BuildError::Write { path: place, source })?;
    } else {
        save(&place, "manifest.json", &manifest)?;
        save(&place, "submission.json", &submission)?;
        fs::rename(&place, &directory).map_err(|source| BuildError::Write { path: directory.clone(), source })?;
    }
    Ok(Built { directory, submission, unchanged, countdown: order.month.countdown(order.today) })
}

fn tempfile_in(of_month: &Path) -> Result<PathBuf, BuildError> {
    let place = of_month.join("being-built");
    let failed = |source| BuildError::Write { path: place.clone(), source };
    // A build that was broken off left it behind; what is in it was never finished.
    if place.exists() {
        fs::remove_dir_all(&place).map_err(failed)?;
    }
    fs::create_dir(&place).map_err(failed)?;
    Ok(place)
}

fn read<T: serde::de::DeserializeOwned>(directory: &Path, name: &str) -> Result<T, BuildError> {
    let path = directory.join(name);
    let before = |reason: String| BuildError::Before { path: path.clone(), reason };
    let bytes = fs::read(&path).map_err(|error| before(error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| before(error.to_string()))
}

fn save(directory: &Path, name: &str, value: &impl Serialize) -> Result<(), BuildError> {
    let path = directory.join(name);
    let failed = |source| BuildError::Write { path: path.clone(), source };
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| failed(error.into()))?;
    bytes.push(b'\n');
    fs::write(&path, bytes).map_err(failed)
}

impl Sum {
    fn take(&mut self, account: &str, practices: BTreeSet<String>, month: AccountMonth) {
        for reason in &month.reasons {
            self.except("left-out", account, reason.place(), &format!("{}: {reason}", reason.word()));
        }
        for Remark { word, of: (ods, site), date, what } in &month.remarks {
            self.except("look", account, (ods, site, *date), &format!("{word}: {what}"));
        }
        if !month.reasons.is_empty() {
            let reasons = month.reasons.iter().map(Said::of).collect();
            self.left_out.push(LeftOut { account: account.to_owned(), practices, reasons });
            return;
        }
        let mut all = Counts::default();
        month.days.values().flat_map(|day| day.iter()).for_each(|counts| all.add(counts));
        let totals: BTreeMap<String, u64> = Code::ALL.map(|code| (code.word().to_owned(), all.all_of(code))).into();
        for (code, count) in &totals {
            *self.totals.entry(code.clone()).or_default() += count;
        }
        if let [ods] = practices.iter().collect::<Vec<_>>().as_slice() {
            for outlier in outliers(|code| all.all_of(code)) {
                self.except("look", account, (ods, "", None), &format!("outlier: {}", outlier.said()));
            }
        }
        if let Some(reason) = &month.accepted {
            self.except("look", account, ("", "", None), &format!("accepted: {reason}"));
        }
        self.included.push(Included::of(account, practices, &month, totals));
        self.documents.extend(month.documents);
    }

    /// Days of sites that no account has, and practices that take part and that no account has.
    fn note_strangers(
        &mut self,
        archive: &Archive,
        month: Month,
        accounts: &Accounts,
        participation: &Participation,
    ) -> Result<(), BuildError> {
        let ours: BTreeSet<_> = accounts.sites.values().flatten().collect();
        for of in archive.sites(month.first(), month.last())?.iter().filter(|of| !ours.contains(of)) {
            let what = "no-account: days of it are held, and no account of the map has it";
            self.except("look", "", (&of.0, &of.1, None), what);
        }
        // The list is England's; that practices on it are with other suppliers is as it should be.
        let listed = ours.iter().filter(|(ods, _)| participation.practices.contains(ods)).count();
        if listed == 0 {
            self.except(
                "look",
                "",
                ("", "", None),
                "nobody: no practice of the account map takes part; is it the right list?",
            );
        }
        Ok(())
    }

    fn except(
        &mut self,
        severity: &str,
        account: &str,
        (ods, site, date): (&str, &str, Option<jiff::civil::Date>),
        what: &str,
    ) {
        let (word, detail) = what.split_once(": ").unwrap_or((what, ""));
        let date = date.map_or_else(String::new, |date| date.to_string());
        let place = if site.is_empty() { ods.to_owned() } else { format!("{ods}/{site}") };
        self.exceptions.push([severity, account, &place, &date, word, detail].map(str::to_owned));
    }

    fn write_exceptions(&self, path: &Path) -> std::io::Result<u64> {
        let mut file = csv::Writer::from_path(path).map_err(std::io::Error::other)?;
        let header = ["Severity", "Account_Number", "Practice", "Date", "Kind", "Detail"];
        file.write_record(header).map_err(std::io::Error::other)?;
        for row in &self.exceptions {
            file.write_record(row).map_err(std::io::Error::other)?;
        }
        file.flush()?;
        Ok(self.exceptions.len() as u64)
    }
}

/// Whether everything that takes part went in: an account that is left out for another reason is not well.
pub fn is_well(submission: &Submission) -> bool {
    let expected = Reason::NotParticipating { ods: String::new() };
    let expected = expected.word();
    submission.left_out.iter().all(|left| left.reasons.iter().all(|reason| reason.word == expected))
}
