//! How a file that NHS England takes is laid out: the header's bytes from the operator's copy of the current sample, and
//! a mapping that says what stands in each column.
//!
//! The headers of the aggregated file are not published (only those of the mapping file are), and the receiver refuses a
//! header that differs in a letter's case. So none is built in: what the sample says is written, byte for byte, and a
//! column that the mapping does not name, or names though it is not there, is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::ToSpan as _;
use jiff::civil::{Date, date};
use serde::{Deserialize, Serialize};

use super::field::{Code, Field};
pub use super::ranges::{Band, Bucket};
use super::ranges::{WrittenBand, WrittenBucket, bands, buckets};
use super::table::shown;
use crate::push::parcel::sha256_hex;

/// A template that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The mapping is no TOML, or has a key it should not have.
    #[error("{path}: {reason}")]
    Mapping {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        reason: String,
    },
    /// The sample has no header that could be used.
    #[error("{path}: line 1: {reason}")]
    Sample {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A column of the sample has no meaning yet.
    #[error("{path}: [columns] does not say what {column:?} is, the sample's column {at}; it may be {known}")]
    Unmapped {
        /// The mapping.
        path: PathBuf,
        /// The column's header.
        column: String,
        /// Where it stands, from 1.
        at: usize,
        /// What a column can be.
        known: String,
    },
    /// The mapping names a column that the sample does not have.
    #[error("{path}: [columns] names {column:?}, which the sample does not have{near}")]
    Unknown {
        /// The mapping.
        path: PathBuf,
        /// The header that is named.
        column: String,
        /// One that is written nearly so.
        near: String,
    },
    /// Something that every row needs is in no column.
    #[error("{path}: no column is {field:?}; {why}")]
    Missing {
        /// The mapping.
        path: PathBuf,
        /// The field.
        field: String,
        /// Why it is needed.
        why: &'static str,
    },
    /// The bands or buckets do not fit.
    #[error("{path}: {table} {label:?}: {reason}")]
    Ranges {
        /// The mapping.
        path: PathBuf,
        /// `bands` or `buckets`.
        table: &'static str,
        /// Which of them.
        label: String,
        /// What is wrong.
        reason: String,
    },
}

/// The mapping as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    sample: PathBuf,
    confirmed: Option<Confirmed>,
    #[serde(default = "iso")]
    date_format: String,
    #[serde(default)]
    zero_rows: bool,
    #[serde(default = "total")]
    no_bucket: String,
    columns: BTreeMap<String, String>,
    bands: Vec<WrittenBand>,
    buckets: Vec<WrittenBucket>,
}

fn iso() -> String {
    "%Y-%m-%d".to_owned()
}

fn total() -> String {
    "TOTAL".to_owned()
}

/// Who compared the mapping with NHS England's current sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmed {
    /// Where the sample came from.
    pub reference: String,
    /// When it was compared.
    pub date: Date,
    /// By whom.
    pub name: String,
}

/// A template that can be used.
#[derive(Debug, Clone)]
pub struct Template {
    /// The sample's header line as it is, without its line end.
    pub header: Vec<u8>,
    /// How lines end in the sample.
    pub line_end: &'static [u8],
    /// What stands in each column, in order.
    pub columns: Vec<Field>,
    /// How dates are written.
    pub date_format: String,
    /// Whether a count of 0 makes a row.
    pub zero_rows: bool,
    /// What stands for the bucket of a metric that has none.
    pub no_bucket: String,
    /// The bands of a day, which cover it.
    pub bands: Vec<Band>,
    /// The buckets, which cover all seconds.
    pub buckets: Vec<Bucket>,
    /// Who confirmed it; nothing as long as nobody did.
    pub confirmed: Option<Confirmed>,
    /// SHA-256 of the mapping and of the sample, in hex.
    pub sha256: (String, String),
}

impl Template {
    /// Reads a mapping and the sample that it names, beside it.
    pub fn read(path: &Path) -> Result<Template, TemplateError> {
        let file =
            |path: &Path| std::fs::read(path).map_err(|source| TemplateError::File { path: path.to_owned(), source });
        let bytes = file(path)?;
        let mapping = |reason: String| TemplateError::Mapping { path: path.to_owned(), reason };
        let text = std::str::from_utf8(&bytes).map_err(|error| mapping(error.to_string()))?;
        let written: Written = toml::from_str(text).map_err(|error| mapping(error.to_string()))?;
        let sample_path = path.parent().unwrap_or(Path::new("")).join(&written.sample);
        let sample = file(&sample_path)?;
        let (header, line_end, names) = header_of(&sample_path, &sample)?;
        let bands = bands(path, &written.bands)?;
        let buckets = buckets(path, &written.buckets)?;
        let columns = columns(path, &names, &written.columns, &buckets)?;
        check_dates(&written.date_format).map_err(mapping)?;
        if let Some(Confirmed { reference, name, .. }) = &written.confirmed {
            let empty = [("reference", reference), ("name", name)].into_iter().find(|(_, said)| said.trim().is_empty());
            if let Some((key, _)) = empty {
                return Err(mapping(format!(
                    "[confirmed] {key} is empty; say with which sample it was compared, and who did"
                )));
            }
        }
        if buckets.iter().any(|bucket| bucket.label == written.no_bucket) {
            return Err(mapping(format!("no-bucket {:?} is the label of a bucket too", written.no_bucket)));
        }
        if written.no_bucket.chars().any(char::is_control) {
            return Err(mapping(format!("no-bucket {:?} has a control character", shown(&written.no_bucket))));
        }
        Ok(Template {
            header,
            line_end,
            columns,
            date_format: written.date_format,
            zero_rows: written.zero_rows,
            no_bucket: written.no_bucket,
            bands,
            buckets,
            confirmed: written.confirmed,
            sha256: (sha256_hex(&bytes), sha256_hex(&sample)),
        })
    }

    /// Whether each count has a row of its own.
    pub fn is_long(&self) -> bool {
        self.columns.contains(&Field::Code)
    }

    /// A date as the file writes it.
    pub fn date(&self, day: Date) -> String {
        day.strftime(&self.date_format).to_string()
    }
}

/// Whether every day has a way to be written, and no two of them the same.
fn check_dates(format: &str) -> Result<(), String> {
    let bad = |reason: &str| format!("date-format {format:?}: {reason}");
    let mut seen = BTreeSet::new();
    for day in date(2026, 1, 1).series(1.day()).take(800) {
        let written = jiff::fmt::strtime::format(format, day).map_err(|error| bad(&error.to_string()))?;
        if written.chars().any(char::is_control) {
            return Err(bad("it has a control character"));
        }
        if !seen.insert(written) {
            return Err(bad("two days would be written alike; say day, month and year"));
        }
    }
    Ok(())
}

type Header = (Vec<u8>, &'static [u8], Vec<String>);

/// The header line, how lines end, and the names in it.
fn header_of(path: &Path, sample: &[u8]) -> Result<Header, TemplateError> {
    let bad = |reason: String| TemplateError::Sample { path: path.to_owned(), reason };
    let end = sample.iter().position(|byte| *byte == b'\n');
    let line = end.map_or(sample, |end| &sample[..end]);
    let (header, line_end): (_, &'static [u8]) = match line.strip_suffix(b"\r") {
        Some(header) => (header, b"\r\n"),
        None => (line, b"\n"),
    };
    let text = header.strip_prefix(b"\xef\xbb\xbf").unwrap_or(header);
    if text.is_empty() {
        return Err(bad("the sample has no header; give the file as NHS England gave it".to_owned()));
    }
    let said = std::str::from_utf8(text)
        .map_err(|_| bad("the header is not UTF-8; give the file as NHS England gave it".to_owned()))?;
    if said.chars().any(char::is_control) {
        return Err(bad("the header has a control character; do lines end with CR alone?".to_owned()));
    }
    if said.matches('"').count() % 2 == 1 {
        return Err(bad("a quote in the header is left open".to_owned()));
    }
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text);
    let record = reader.records().next().transpose().map_err(|error| bad(error.to_string()))?.unwrap_or_default();
    let names: Vec<String> = record.iter().map(str::to_owned).collect();
    let mut seen = BTreeSet::new();
    if let Some(twice) = names.iter().find(|name| !seen.insert(name.as_str())) {
        return Err(bad(format!("the column {:?} is there twice", shown(twice))));
    }
    if let Some(at) = names.iter().position(String::is_empty) {
        return Err(bad(format!("column {} has no name", at + 1)));
    }
    Ok((header.to_vec(), line_end, names))
}

fn columns(
    path: &Path,
    names: &[String],
    written: &BTreeMap<String, String>,
    buckets: &[Bucket],
) -> Result<Vec<Field>, TemplateError> {
    let path = path.to_owned();
    if let Some(column) = written.keys().find(|column| !names.contains(column)) {
        let near = names.iter().find(|name| name.trim().eq_ignore_ascii_case(column.trim()));
        let near = near.map_or_else(String::new, |near| format!("; it has {near:?}, and case and blanks count"));
        return Err(TemplateError::Unknown { path, column: column.clone(), near });
    }
    let mut fields = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let Some(word) = written.get(name) else {
            let known = Field::WORDS.join(", ");
            return Err(TemplateError::Unmapped { path, column: name.clone(), at: at + 1, known });
        };
        let field = Field::parse(word, buckets).map_err(|reason| TemplateError::Mapping {
            path: path.clone(),
            reason: format!("[columns] {name:?}: {reason}"),
        })?;
        if fields.contains(&field) && !matches!(field, Field::Empty) {
            let reason = format!("[columns] {name:?}: {word:?} stands in two columns");
            return Err(TemplateError::Mapping { path, reason });
        }
        fields.push(field);
    }
    let missing = |field: &str, why| TemplateError::Missing { path: path.clone(), field: field.to_owned(), why };
    for (field, word) in [(Field::Account, "account"), (Field::Date, "date"), (Field::Band, "band")] {
        if !fields.contains(&field) {
            return Err(missing(word, "a row of figures means nothing without it"));
        }
    }
    let wide = fields.iter().any(|field| matches!(field, Field::Count(..)));
    if fields.contains(&Field::Code) {
        if wide {
            let reason =
                "a file has a column for the code and one for the value, or a column a count, not both".to_owned();
            return Err(TemplateError::Mapping { path, reason: format!("[columns] {reason}") });
        }
        if !fields.contains(&Field::Value) {
            return Err(missing("value", "each row of a long file has one"));
        }
        let (wait, talk, both) = (Field::Wait, Field::Talk, Field::Bucket);
        let has = |field: &Field| fields.contains(field);
        if has(&both) && (has(&wait) || has(&talk)) {
            let reason =
                "\"bucket\" stands for wait and talk alike; say either it, or \"wait\" and \"talk\"".to_owned();
            return Err(TemplateError::Mapping { path, reason: format!("[columns] {reason}") });
        }
        if !(has(&both) || has(&wait) && has(&talk)) {
            return Err(missing(
                "bucket",
                "CBT003, CBT004 and CBT007 are sent by bucket: map \"bucket\", or \"wait\" and \"talk\"",
            ));
        }
        return Ok(fields);
    }
    if !wide {
        return Err(missing("code", "a file has a column for the code (long), or a column for each count (wide)"));
    }
    for code in Code::ALL {
        for bucket in 0..if code.has_buckets() { buckets.len() } else { 1 } {
            let bucket = code.has_buckets().then_some(bucket);
            if !fields.contains(&Field::Count(code, bucket)) {
                let field = Field::Count(code, bucket).word(buckets);
                return Err(missing(&field, "a wide file has a column for each count, and none may be lost"));
            }
        }
    }
    Ok(fields)
}
