//! The call-level file: the rows that boxes wrote and practices approved (`smdrd export call-level`), put together account by
//! account. NHS England takes it in place of the aggregated file. Every row must be one that the template writes, and the rows
//! of a site must count what its documents count, for every day, band, metric and bucket: else the account is not in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::field::Code;
use super::figures::{Counts, HALF_HOURS};
use super::files::of_band;
use super::gather::Days;
use super::lists::Accounts;
use super::month::Month;
use super::ranges::{Band, Bucket, WrittenBand, WrittenBucket, bands, buckets};
use super::table::{Table, TableError, shown};
use super::template::TemplateError;
use crate::aggregate::document::{BUCKETS, EDGES_S, PracticeSite, bucket};
use crate::report::call_level::{Field, Said, Seconds, Template, shape};
use crate::supplier::verify::is_name;

/// How rows are laid out, and by what they are compared with the documents.
#[derive(Debug)]
pub struct Layout {
    /// The template that the boxes had.
    pub template: Template,
    bands: Vec<Band>,
    waits: Vec<Bucket>,
    talks: Vec<Bucket>,
}

impl Layout {
    /// Reads a template and the sample that it names, beside it.
    pub fn read(path: &Path) -> Result<Layout, TemplateError> {
        let file = |path: &Path| {
            std::fs::read_to_string(path).map_err(|source| TemplateError::File { path: path.to_owned(), source })
        };
        let mapping = |reason: String| TemplateError::Mapping { path: path.to_owned(), reason };
        let text = file(path)?;
        let written: toml::Table = toml::from_str(&text).map_err(|error| mapping(error.to_string()))?;
        let sample = written.get("sample").and_then(toml::Value::as_str);
        let sample = sample.ok_or_else(|| mapping("it names no sample".to_owned()))?;
        let sample = file(&path.parent().unwrap_or(Path::new("")).join(sample))?;
        // As the box takes it, so that the SHA-256 is the one in its audit.
        let header = sample.split_inclusive('\n').next().unwrap_or_default();
        let template = Template::read(&text, header).map_err(|error| mapping(error.to_string()))?;
        let (bands, buckets) = (bands_of(path, &template)?, buckets_of(path, &template)?);
        let of = |exact: Field| if template.has(exact) { finest_buckets() } else { buckets.clone() };
        let (waits, talks) = (of(Field::Wait), of(Field::Talk));
        Ok(Layout { bands, waits, talks, template })
    }

    /// The first count in which the rows differ from the documents, and how many more do.
    fn differs(&self, rows: &Days, documents: &Days) -> Option<(Difference, usize)> {
        let none = [Counts::default(); HALF_HOURS];
        let all: BTreeSet<&Date> = rows.keys().chain(documents.keys()).collect();
        let mut differences = all.into_iter().flat_map(|date| {
            let day = |days: &Days| days.get(date).map_or(none, |counts| **counts);
            let (ours, theirs) = (day(rows), day(documents));
            self.bands.iter().flat_map(move |band| {
                let (ours, theirs) = (of_band(&ours, band), of_band(&theirs, band));
                Code::ALL.into_iter().flat_map(move |code| {
                    self.parts(code).into_iter().filter_map(move |(label, range)| {
                        let (rows, documents) = (ours.of(code, range), theirs.of(code, range));
                        let differs = rows != documents;
                        differs.then(|| Difference {
                            date: *date,
                            band: band.label.clone(),
                            code,
                            label,
                            rows,
                            documents,
                        })
                    })
                })
            })
        });
        differences.next().map(|first| (first, differences.count()))
    }

    fn parts(&self, code: Code) -> Vec<(String, (usize, usize))> {
        let of = |buckets: &[Bucket]| buckets.iter().map(|one| (one.label.clone(), one.counts)).collect();
        match code {
            code if code.waits() => of(&self.waits),
            code if code.talks() => of(&self.talks),
            _ => vec![(String::new(), (0, BUCKETS))],
        }
    }
}

fn bands_of(path: &Path, template: &Template) -> Result<Vec<Band>, TemplateError> {
    let clock = |minute: u32| format!("{:02}:{:02}", minute / 60, minute % 60);
    if template.has(Field::Time) {
        let half_hour = |at: usize| Band { label: clock(at as u32 * 30), half_hours: (at, at + 1) };
        return Ok((0..HALF_HOURS).map(half_hour).collect());
    }
    let written = template.bands().into_iter();
    let written =
        written.map(|(label, from, to)| WrittenBand { label: label.to_owned(), from: clock(from), to: clock(to) });
    bands(path, &written.collect::<Vec<_>>())
}

fn buckets_of(path: &Path, template: &Template) -> Result<Vec<Bucket>, TemplateError> {
    if template.has(Field::Wait) && template.has(Field::Talk) {
        return Ok(Vec::new());
    }
    let written = template.buckets().into_iter();
    let written = written.map(|(label, (from, to))| WrittenBucket { label: label.to_owned(), from, to });
    buckets(path, &written.collect::<Vec<_>>())
}

/// Those of the documents.
fn finest_buckets() -> Vec<Bucket> {
    let label = |at: usize| EDGES_S.get(at).map_or("above".to_owned(), |edge| format!("up to {edge} s"));
    (0..BUCKETS).map(|at| Bucket { label: label(at), counts: (at, at + 1) }).collect()
}

/// A file of a box, and what is said of it.
#[derive(Debug)]
struct Listed {
    file: PathBuf,
    sha256: Option<String>,
}

/// Columns of the list; `Site` may be left out where every practice has one, `SHA256` where nobody wrote it down.
const LIST: [&str; 4] = ["ODS_Code", "Site", "File", "SHA256"];

/// Which file is whose.
#[derive(Debug)]
pub struct Files {
    listed: BTreeMap<PracticeSite, Listed>,
    /// SHA-256 of the list, in hex.
    pub sha256: String,
}

impl Files {
    /// Reads `ODS_Code,Site,File,SHA256`. Files are found from where the list is.
    pub fn read(path: &Path, accounts: &Accounts) -> Result<Files, TableError> {
        let table = Table::read(path)?;
        let [ods, file] = [table.column(LIST[0])?, table.column(LIST[2])?];
        let [site, sha256] = [table.maybe_column(LIST[1])?, table.maybe_column(LIST[3])?];
        table.only(&LIST)?;
        table.not_empty("give a row for each file that a box wrote, or leave [call-level] away")?;
        let ours: BTreeSet<&PracticeSite> = accounts.sites.values().flatten().collect();
        let beside = path.parent().unwrap_or(Path::new(""));
        let (mut listed, mut lines, mut names) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for row in table.rows() {
            let practice = row.ods(ods, LIST[0])?;
            let site = site.map_or(Ok("main"), |at| row.text(at, LIST[1]))?.to_owned();
            let name = row.text(file, LIST[2])?;
            let sha256 = sha256.map(|at| row.field(at).trim().to_ascii_lowercase()).filter(|text| !text.is_empty());
            if let Some(wrong) = sha256.as_deref().filter(|text| !is_sha256(text)) {
                return Err(row.refused(format!("SHA256 {:?} is not 64 hexadecimal digits", shown(wrong))));
            }
            let of = PracticeSite { ods: practice, site };
            if !is_name(&of.site) || !ours.contains(&of) {
                let PracticeSite { ods, site } = &of;
                return Err(row.refused(format!("site {:?} of {ods} is not in the account map", shown(site))));
            }
            if let Some(line) = lines.insert(of.clone(), row.line) {
                let PracticeSite { ods, site } = &of;
                return Err(row
                    .refused(format!("site {site} of {ods} has a file on line {line} already; which of them holds?")));
            }
            if let Some(line) = names.insert(name.to_owned(), row.line) {
                let what = format!("File {:?} stands on line {line} already; its calls would count twice", shown(name));
                return Err(row.refused(what));
            }
            listed.insert(of, Listed { file: beside.join(name), sha256 });
        }
        Ok(Files { listed, sha256: table.sha256 })
    }
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A file whose rows are in the call-level file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UsedFile {
    /// ODS code.
    pub ods: String,
    /// Site.
    pub site: String,
    /// Rows below its header.
    pub rows: u64,
    /// SHA-256 of its bytes, in hex, as it stands in the box's audit.
    pub sha256: String,
}

/// A count in which a file and the documents differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    date: Date,
    band: String,
    code: Code,
    label: String,
    rows: u64,
    documents: u64,
}

/// Why an account is not in the call-level file.
#[derive(Debug)]
pub enum Left {
    /// The list has no file of a site.
    NoFile {
        /// Whose.
        of: PracticeSite,
    },
    /// A file cannot be used.
    File {
        /// Whose.
        of: PracticeSite,
        /// File, line, what is wrong.
        why: String,
    },
    /// A file does not count what the documents count.
    Differs {
        /// Whose.
        of: PracticeSite,
        /// The first difference.
        first: Difference,
        /// How many more there are.
        more: usize,
    },
}

impl Left {
    /// One word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Left::NoFile { .. } => "call-level-no-file",
            Left::File { .. } => "call-level-file",
            Left::Differs { .. } => "call-level-differs",
        }
    }

    /// Practice, site and day that it is about.
    pub fn place(&self) -> (&str, &str, Option<Date>) {
        match self {
            Left::NoFile { of } | Left::File { of, .. } => (&of.ods, &of.site, None),
            Left::Differs { of, first, .. } => (&of.ods, &of.site, Some(first.date)),
        }
    }
}

impl fmt::Display for Left {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Left::NoFile { .. } => write!(to, "the list has no call-level file of it"),
            Left::File { why, .. } => write!(to, "{why}"),
            Left::Differs { first: Difference { band, code, label, rows, documents, .. }, more, .. } => {
                let label = if label.is_empty() { String::new() } else { format!(" {label}") };
                write!(to, "{band} {}{label}: {rows} in the file, {documents} in the documents", code.word())?;
                if *more > 0 {
                    write!(to, ", and {more} more differences")?;
                }
                write!(to, "; was a day revised after the export? Have the practice approve and export it again")
            }
        }
    }
}

/// An account's rows, in the order of what they say, with the files that they come from.
#[derive(Debug)]
pub struct Rows {
    /// The day of each, and its cells.
    pub rows: Vec<(Date, Vec<String>)>,
    /// The files.
    pub files: Vec<UsedFile>,
}

/// Whose rows are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Whose<'a> {
    /// The supplier's name.
    pub supplier: &'a str,
    /// The account's number.
    pub account: &'a str,
    /// The month.
    pub month: Month,
}

/// The rows of an account whose documents are fit to be sent; else everything that keeps it out.
pub fn rows_of(
    layout: &Layout,
    files: &Files,
    whose: Whose<'_>,
    sites: &BTreeMap<PracticeSite, Days>,
) -> Result<Rows, Vec<Left>> {
    let (mut all, mut left) = (Rows { rows: Vec::new(), files: Vec::new() }, Vec::new());
    for (of, documents) in sites {
        let Some(listed) = files.listed.get(of) else {
            left.push(Left::NoFile { of: of.clone() });
            continue;
        };
        match read(layout, whose, listed) {
            Err(why) => left.push(Left::File { of: of.clone(), why }),
            Ok((rows, counts, sha256)) => {
                if let Some((first, more)) = layout.differs(&counts, documents) {
                    left.push(Left::Differs { of: of.clone(), first, more });
                }
                let PracticeSite { ods, site } = of.clone();
                all.files.push(UsedFile { ods, site, rows: rows.len() as u64, sha256 });
                all.rows.extend(rows);
            }
        }
    }
    all.rows.sort();
    if left.is_empty() { Ok(all) } else { Err(left) }
}

type File = (Vec<(Date, Vec<String>)>, Days, String);

/// A site's file: its rows with supplier and account, what they count, and its SHA-256.
fn read(layout: &Layout, whose: Whose<'_>, listed: &Listed) -> Result<File, String> {
    let Layout { template, .. } = layout;
    let path = listed.file.display();
    let table = Table::read(&listed.file).map_err(|error| error.to_string())?;
    if let Some(wanted) = listed.sha256.as_ref().filter(|wanted| **wanted != table.sha256) {
        return Err(format!(
            "{path}: its SHA-256 is {}, the list says {wanted}; it is not the file that was exported",
            table.sha256
        ));
    }
    if *table.header() != template.names() {
        let (has, wants) = (table.header().join(","), template.names().join(","));
        return Err(format!(
            "{path}: line 1: the header is {:?}, the template's {wants:?}; was it exported with this template?",
            shape(&has)
        ));
    }
    let (mut rows, mut days) = (Vec::new(), Days::new());
    for row in table.rows() {
        let bad = |why: String| format!("{path}: line {}: {why}", row.line);
        let said =
            template.read_row(row.fields(), whose.supplier, whose.account).map_err(|error| bad(error.to_string()))?;
        if Month::of(said.date) != whose.month {
            return Err(bad(format!("{} is not in {}", said.date, whose.month)));
        }
        let day = days.entry(said.date).or_insert_with(|| Box::new([Counts::default(); HALF_HOURS]));
        if let Some(counts) = usize::try_from(said.minutes.0 / 30).ok().and_then(|at| day.get_mut(at)) {
            counts.add(&count_of(&said));
        }
        let named = template.columns.iter().zip(row.fields()).map(|((_, field), cell)| match field {
            Field::Supplier => whose.supplier.to_owned(),
            Field::Account => whose.account.to_owned(),
            _ => cell.clone(),
        });
        rows.push((said.date, named.collect()));
    }
    Ok((rows, days, table.sha256))
}

/// What a row counts: in the first half-hour of its band and the first of its bucket's counts, which is in the same band and
/// bucket as every other of them.
fn count_of(said: &Said) -> Counts {
    let first = |seconds: Option<Seconds>| seconds.map(|(from, _)| bucket(from));
    Counts::of_call(said.what, first(said.wait), first(said.talk))
}
