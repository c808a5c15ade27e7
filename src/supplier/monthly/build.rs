//! `smdr-feed build --month`: the set of files that a supplier sends to NHS England, and what is kept beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::config::ConfigError;
use super::files::{Aggregated, sha256_of};
use super::gather::{Bar, gather};
use super::given::Given;
use super::judge::Reason;
use super::month::Month;
use super::record::{CallLevelRecord, FileOfBuild, MANIFEST, Manifest, SUBMISSION, Submission, Window, changes};
use super::rows_file::RowsFile;
use super::sum::Sum;
use super::table::TableError;
use super::template::TemplateError;
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
        match self {
            BuildError::Archive(error) => error.is_configuration(),
            BuildError::Write { .. } => false,
            _ => true,
        }
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

/// A file that was written, and its rows.
type Written = Vec<(String, u64)>;

/// Builds a month.
pub fn build(order: &Order<'_>, archive: &Archive) -> Result<Built, BuildError> {
    let month = order.month;
    if order.today <= month.last() {
        return Err(BuildError::NotOver { month, last: month.last() });
    }
    let given = Given::read(order)?;
    let of_month = order.out.join(month.to_string());
    fs::create_dir_all(&of_month).map_err(|source| BuildError::Write { path: of_month.clone(), source })?;
    let place = tempfile_in(&of_month)?;
    let (sum, written, call_level) = write_files(order, &given, archive, &place)?;
    let mut files = BTreeMap::new();
    for (file, rows) in written {
        let path = place.join(&file);
        let sha256 = sha256_of(&path).map_err(|source| BuildError::Write { path, source })?;
        files.insert(file, FileOfBuild { sha256, rows });
    }
    let manifest = Manifest {
        schema: MANIFEST.to_owned(),
        month: month.to_string(),
        inputs: given.hashes(),
        documents: sum.documents,
        call_level: sum.files,
        files,
    };
    let (opens, closes) = month.window();
    let submission = Submission {
        schema: SUBMISSION.to_owned(),
        month: month.to_string(),
        supplier: given.config.supplier_name,
        build: 1,
        rehearsal: order.rehearsal,
        window: Window { opens, closes },
        included: sum.included,
        left_out: sum.left_out,
        totals: sum.totals,
        template_confirmed: given.template.confirmed,
        call_level,
        legacy_pbx_smdr: given.config.legacy_pbx_smdr,
        changes: Vec::new(),
    };
    settle(order, &of_month, place, manifest, submission)
}

/// Goes through the accounts and writes all files.
fn write_files(
    order: &Order<'_>,
    given: &Given,
    archive: &Archive,
    place: &Path,
) -> Result<(Sum, Written, Option<CallLevelRecord>), BuildError> {
    let (Given { config, template, participation, accounts, accepted, .. }, month) = (given, order.month);
    let supplier = &config.supplier_name;
    let prefix = if order.rehearsal { "REHEARSAL-" } else { "" };
    let name = |what: &str| format!("{prefix}cbt-{what}-{month}.csv");
    let (aggregated, mapping, exceptions) = (name("aggregated"), name("mapping"), format!("exceptions-{month}.csv"));
    let (call_level, call_level_mapping) = (name("call-level"), name("call-level-mapping"));
    let write = |file: &str| {
        let path = place.join(file);
        move |source| BuildError::Write { path, source }
    };
    let legacy = config.legacy_pbx_smdr.is_some() || order.rehearsal;
    let bar = Bar { month, participation, accepted, legacy };
    let mut sum = Sum::default();
    let mut file = Aggregated::create(&place.join(&aggregated), template, supplier).map_err(write(&aggregated))?;
    let create = |(layout, files)| RowsFile::create(&place.join(&call_level), layout, files, supplier);
    let rows = given.rows.as_ref().map(|(layout, files)| (layout, files));
    let mut rows_file = rows.map(create).transpose().map_err(write(&call_level))?;
    for (account, sites) in &accounts.sites {
        let practices: BTreeSet<String> = sites.iter().map(|of| of.ods.clone()).collect();
        let gathered = gather(archive, &bar, account, sites)?;
        if gathered.reasons.is_empty() {
            for (date, day) in &gathered.days() {
                file.day(account, *date, day).map_err(write(&aggregated))?;
            }
            if let Some(rows) = &mut rows_file {
                match rows.account(account, month, &gathered.sites).map_err(write(&call_level))? {
                    Ok(files) => sum.files.extend(files),
                    Err(left) => rows.left_out.push(sum.left_of_rows(account, practices.clone(), &left)),
                }
            }
        }
        if accepted.reasons.contains_key(account) && gathered.accepted.is_none() && gathered.observed.is_some() {
            let what = "not-needed: it is accepted, and enough was observed of it; is it the right account?";
            sum.except("look", account, ("", "", None), what);
        }
        sum.take(account, practices, gathered);
    }
    let (out, rows) = file.finish().map_err(write(&aggregated))?;
    on_disk(out).map_err(write(&aggregated))?;
    sum.note_strangers(archive, month, accounts, participation)?;
    let map = |file: &str, line_end, wanted: &dyn Fn(&str) -> bool| {
        sum.write_mapping(&place.join(file), supplier, line_end, wanted).map_err(write(file))
    };
    let mapped = map(&mapping, template.line_end, &|_| true)?;
    let mut written = vec![(aggregated, rows), (mapping, mapped)];
    let mut record = None;
    if let Some(rows) = rows_file {
        let line_end = rows.layout.template.line_end;
        let (out, made) = rows.finish().map_err(write(&call_level))?;
        on_disk(out).map_err(write(&call_level))?;
        let mapped = map(&call_level_mapping, line_end, &|account| made.included.contains(account))?;
        written.extend([(call_level, made.rows), (call_level_mapping, mapped)]);
        record = Some(made);
    }
    let odd = sum.write_exceptions(&place.join(&exceptions)).map_err(write(&exceptions))?;
    written.push((exceptions, odd));
    Ok((sum, written, record))
}

/// Has everything that was written on the disk.
fn on_disk(out: std::io::BufWriter<fs::File>) -> std::io::Result<()> {
    out.into_inner().map_err(|error| error.into_error()).and_then(|file| file.sync_all())
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

/// Whether everything that takes part went in: an account that is left out for another reason is not well.
pub fn is_well(submission: &Submission) -> bool {
    let expected = Reason::NotParticipating { ods: String::new() };
    let expected = expected.word();
    let rows = submission.call_level.as_ref().is_none_or(|record| record.left_out.is_empty());
    rows && submission.left_out.iter().all(|left| left.reasons.iter().all(|reason| reason.word == expected))
}
