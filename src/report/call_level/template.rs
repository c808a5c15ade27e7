//! How the call-level file is laid out: the header's bytes from the sample, and what stands in each column. Laid out like
//! the templates of the supplier's monthly files, which `smdrd` does not have.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, Time};
use serde::{Deserialize, Serialize};

use super::{Row, What};
use crate::push::parcel::sha256_hex;

/// A template that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// It is no TOML, or has a key it should not have.
    #[error("the template: {0}")]
    Written(#[from] toml::de::Error),
    /// The sample has no header that could be used.
    #[error("the sample's first line: {0}; give the file as NHS England gave it")]
    Sample(String),
    /// A column of the sample has no meaning yet.
    #[error("[columns] does not say what {column:?} is; it may be {known}")]
    Unmapped {
        /// The column's header.
        column: String,
        /// What a column can be.
        known: String,
    },
    /// The template names a column that the sample does not have.
    #[error("[columns] names {0:?}, which the sample does not have; case and blanks count")]
    Unknown(String),
    /// A column is something it cannot be.
    #[error("[columns] {column:?} is {word:?}; {why}")]
    Column {
        /// The column's header.
        column: String,
        /// What it is said to be.
        word: String,
        /// Why not.
        why: String,
    },
    /// The bands or buckets do not cover everything once.
    #[error("{table} {label:?}: {why}")]
    Ranges {
        /// `bands` or `buckets`.
        table: &'static str,
        /// Which of them.
        label: String,
        /// What is wrong.
        why: &'static str,
    },
    /// Something is missing or wrong beside the columns.
    #[error("{0}")]
    Beside(String),
}

/// Who compared the template with NHS England's current sample.
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

/// What stands in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The supplier's name.
    Supplier,
    /// The account number.
    Account,
    /// The civil day.
    Date,
    /// The band of the day.
    Band,
    /// The minute of arrival.
    Time,
    /// What the call came to.
    Outcome,
    /// The bucket of its wait.
    WaitBucket,
    /// The bucket of its time with staff.
    TalkBucket,
    /// Its wait in seconds.
    Wait,
    /// Its time with staff in seconds.
    Talk,
    /// 1 where it counts in the metric of this number, else 0.
    Metric(u8),
    /// Nothing.
    Empty,
}

const WORDS: [(&str, Field); 18] = [
    ("supplier", Field::Supplier),
    ("account", Field::Account),
    ("date", Field::Date),
    ("band", Field::Band),
    ("time", Field::Time),
    ("outcome", Field::Outcome),
    ("wait-bucket", Field::WaitBucket),
    ("talk-bucket", Field::TalkBucket),
    ("wait", Field::Wait),
    ("talk", Field::Talk),
    ("CBT001", Field::Metric(1)),
    ("CBT002", Field::Metric(2)),
    ("CBT003", Field::Metric(3)),
    ("CBT004", Field::Metric(4)),
    ("CBT005", Field::Metric(5)),
    ("CBT006", Field::Metric(6)),
    ("CBT007", Field::Metric(7)),
    ("empty", Field::Empty),
];

impl Field {
    /// What a template calls it.
    pub fn word(self) -> &'static str {
        WORDS.iter().find(|(_, field)| *field == self).map_or("", |(word, _)| word)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    /// Where the sample is: read by whoever has the file.
    #[serde(rename = "sample")]
    _sample: String,
    confirmed: Option<Confirmed>,
    date_format: String,
    #[serde(default)]
    unknown: String,
    #[serde(default)]
    exact: bool,
    constants: Constants,
    columns: BTreeMap<String, String>,
    outcomes: BTreeMap<String, String>,
    bands: Vec<WrittenBand>,
    buckets: Vec<WrittenBucket>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Constants {
    supplier: String,
    account: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenBand {
    label: String,
    from: String,
    to: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenBucket {
    pub(super) label: String,
    pub(super) from: u32,
    pub(super) to: Option<u32>,
}

/// A template that can be used.
#[derive(Debug, Clone)]
pub struct Template {
    /// The sample's header line as it is, without its line end.
    pub header: Vec<u8>,
    /// How lines end in the sample.
    pub line_end: &'static [u8],
    /// The header of each column, and what stands there.
    pub columns: Vec<(String, Field)>,
    /// Who confirmed it; nothing as long as nobody did.
    pub confirmed: Option<Confirmed>,
    /// SHA-256 of template and sample, in hex.
    pub sha256: String,
    pub(super) date_format: String,
    pub(super) unknown: String,
    supplier: String,
    account: String,
    pub(super) outcomes: BTreeMap<String, String>,
    /// Label, and first minute after the band.
    pub(super) bands: Vec<(String, u32)>,
    pub(super) buckets: Vec<WrittenBucket>,
}

pub(super) const MINUTES: u32 = 24 * 60;

impl Template {
    /// The text of the shipped reconstruction, and of its sample.
    pub const SHIPPED: (&'static str, &'static str) = (
        include_str!("../../../config/export/call-level.toml"),
        include_str!("../../../config/export/call-level-sample.csv"),
    );

    /// The shipped reconstruction. Nobody has confirmed it.
    pub fn shipped() -> Template {
        let (text, sample) = Template::SHIPPED;
        #[allow(clippy::expect_used)]
        Template::read(text, sample).expect("the shipped template is read by a test")
    }

    /// Reads a template and the sample that it names.
    pub fn read(text: &str, sample: &str) -> Result<Template, TemplateError> {
        let written: Written = toml::from_str(text)?;
        let (header, line_end, names) = header_of(sample)?;
        let columns = columns(&names, &written)?;
        for what in What::ALL {
            if !written.outcomes.contains_key(what.key()) {
                return Err(TemplateError::Beside(format!("[outcomes] does not say what {} is called", what.key())));
            }
        }
        if let Some(other) = written.outcomes.keys().find(|key| What::ALL.iter().all(|what| what.key() != key.as_str()))
        {
            return Err(TemplateError::Beside(format!("[outcomes] {other:?} is no outcome")));
        }
        jiff::fmt::strtime::format(&written.date_format, jiff::civil::date(2026, 10, 1))
            .map_err(|error| TemplateError::Beside(format!("date-format {:?}: {error}", written.date_format)))?;
        let (bands, buckets) = (bands(&written.bands)?, buckets(written.buckets)?);
        Ok(Template {
            header,
            line_end,
            columns,
            confirmed: written.confirmed,
            sha256: sha256_hex(format!("{text}\0{sample}").as_bytes()),
            date_format: written.date_format,
            unknown: written.unknown,
            supplier: written.constants.supplier,
            account: written.constants.account,
            outcomes: written.outcomes,
            bands,
            buckets,
        })
    }

    /// The names of the columns, in order.
    pub fn names(&self) -> Vec<String> {
        self.columns.iter().map(|(name, _)| name.clone()).collect()
    }

    /// What stands in each column of a row.
    pub(super) fn cells(&self, row: &Row) -> Vec<String> {
        let minute = minute_of(row.time);
        let seconds =
            |seconds: Option<u32>| seconds.map_or_else(|| self.unknown.clone(), |seconds| seconds.to_string());
        let has_wait = matches!(row.what, What::Answered | What::Missed);
        let has_talk = row.what == What::Answered;
        let cell = |field: Field| match field {
            Field::Supplier => self.supplier.clone(),
            Field::Account => self.account.clone(),
            Field::Date => row.date.strftime(&self.date_format).to_string(),
            Field::Band => {
                self.bands.iter().find(|(_, to)| minute < *to).map(|(label, _)| label.clone()).unwrap_or_default()
            }
            Field::Time => row.time.strftime("%H:%M").to_string(),
            Field::Outcome => self.outcomes.get(row.what.key()).cloned().unwrap_or_default(),
            Field::WaitBucket if has_wait => self.bucket(row.wait_s),
            Field::TalkBucket if has_talk => self.bucket(row.talk_s),
            Field::Wait if has_wait => seconds(row.wait_s),
            Field::Talk if has_talk => seconds(row.talk_s),
            Field::Metric(metric) => u8::from(row.what.counts_in(metric)).to_string(),
            Field::WaitBucket | Field::TalkBucket | Field::Wait | Field::Talk | Field::Empty => String::new(),
        };
        self.columns.iter().map(|(_, field)| cell(*field)).collect()
    }

    fn bucket(&self, seconds: Option<u32>) -> String {
        let Some(seconds) = seconds else { return self.unknown.clone() };
        let found = self.buckets.iter().find(|bucket| bucket.to.is_none_or(|to| seconds <= to));
        found.map(|bucket| bucket.label.clone()).unwrap_or_default()
    }
}

pub(super) fn minute_of(time: Time) -> u32 {
    u32::try_from(i32::from(time.hour()) * 60 + i32::from(time.minute())).unwrap_or(0)
}

type Header = (Vec<u8>, &'static [u8], Vec<String>);

fn header_of(sample: &str) -> Result<Header, TemplateError> {
    let bad = |why: &str| TemplateError::Sample(why.to_owned());
    let line = sample.split('\n').next().unwrap_or_default();
    let (header, line_end): (_, &'static [u8]) = match line.strip_suffix('\r') {
        Some(header) => (header, b"\r\n"),
        None => (line, b"\n"),
    };
    let text = header.strip_prefix('\u{feff}').unwrap_or(header);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let record = reader.records().next().transpose().map_err(|error| bad(&error.to_string()))?.unwrap_or_default();
    let names: Vec<String> = record.iter().map(str::to_owned).collect();
    let mut seen = BTreeSet::new();
    if names.is_empty() || names.iter().any(String::is_empty) {
        return Err(bad("it has a column without a name, or none at all"));
    }
    if let Some(twice) = names.iter().find(|name| !seen.insert(name.as_str())) {
        return Err(bad(&format!("the column {twice:?} is there twice")));
    }
    Ok((header.as_bytes().to_vec(), line_end, names))
}

fn columns(names: &[String], written: &Written) -> Result<Vec<(String, Field)>, TemplateError> {
    if let Some(column) = written.columns.keys().find(|column| !names.contains(column)) {
        return Err(TemplateError::Unknown(column.clone()));
    }
    let known = || WORDS.map(|(word, _)| word).join(", ");
    let mut columns: Vec<(String, Field)> = Vec::new();
    for name in names {
        let Some(word) = written.columns.get(name) else {
            return Err(TemplateError::Unmapped { column: name.clone(), known: known() });
        };
        let bad = |why: String| TemplateError::Column { column: name.clone(), word: word.clone(), why };
        let Some((_, field)) = WORDS.into_iter().find(|(known, _)| known == word) else {
            return Err(bad(format!("it may be {}", known())));
        };
        if matches!(field, Field::Time | Field::Wait | Field::Talk) && !written.exact {
            let why = "with it whoever has a caller's phone bill could find the call; take band, wait-bucket or talk-bucket, or say \
                       exact = true";
            return Err(bad(why.to_owned()));
        }
        if field != Field::Empty && columns.iter().any(|(_, other)| *other == field) {
            return Err(bad("it stands in another column already".to_owned()));
        }
        columns.push((name.clone(), field));
    }
    let has = |field: Field| columns.iter().any(|(_, other)| *other == field);
    let outcome = has(Field::Outcome) || (1..=7).all(|metric| has(Field::Metric(metric)));
    for (there, what) in [
        (has(Field::Date), "date"),
        (has(Field::Band) || has(Field::Time), "band or time"),
        (outcome, "outcome, or CBT001 to CBT007"),
        (has(Field::WaitBucket) || has(Field::Wait), "wait-bucket or wait"),
        (has(Field::TalkBucket) || has(Field::Talk), "talk-bucket or talk"),
    ] {
        if !there {
            return Err(TemplateError::Beside(format!(
                "[columns] has no {what}; the metrics cannot be made without it"
            )));
        }
    }
    Ok(columns)
}

fn bands(written: &[WrittenBand]) -> Result<Vec<(String, u32)>, TemplateError> {
    let mut reached = 0;
    let mut bands = Vec::new();
    for band in written {
        let bad = |why| TemplateError::Ranges { table: "bands", label: band.label.clone(), why };
        let minute = |text: &str| match text {
            "24:00" => Ok(MINUTES),
            text => Time::strptime("%H:%M", text)
                .map(minute_of)
                .map_err(|_| bad("write its ends as HH:MM, the day's as 24:00")),
        };
        let (from, to) = (minute(&band.from)?, minute(&band.to)?);
        if from != reached || to <= from {
            return Err(bad("bands follow one another from 00:00, and end after they begin"));
        }
        bands.push((band.label.clone(), to));
        reached = to;
    }
    if reached != MINUTES {
        let label = written.last().map_or_else(String::new, |band| band.label.clone());
        return Err(TemplateError::Ranges { table: "bands", label, why: "the last one ends at 24:00" });
    }
    Ok(bands)
}

fn buckets(written: Vec<WrittenBucket>) -> Result<Vec<WrittenBucket>, TemplateError> {
    let mut next = Some(0);
    for bucket in &written {
        let bad = |why| TemplateError::Ranges { table: "buckets", label: bucket.label.clone(), why };
        if Some(bucket.from) != next || bucket.to.is_some_and(|to| to < bucket.from) {
            return Err(bad("buckets follow one another from 0, and end after they begin"));
        }
        next = bucket.to.map(|to| to.saturating_add(1));
    }
    if next.is_some() {
        let label = written.last().map_or_else(String::new, |bucket| bucket.label.clone());
        return Err(TemplateError::Ranges { table: "buckets", label, why: "the last one has no end" });
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_template_is_read_and_is_not_confirmed() {
        let template = Template::shipped();
        assert_eq!(template.columns.len(), 7);
        assert!(template.confirmed.is_none());
        assert!(Template::SHIPPED.0.contains("NOT CONFIRMED"));
    }

    #[test]
    fn a_template_that_does_not_fit_says_what_is_wrong() {
        let (text, sample) = Template::SHIPPED;
        let fault = |text: &str, sample: &str| Template::read(text, sample).unwrap_err().to_string();
        for (from, to, said) in [
            ("Outcome = \"outcome\"", "", "does not say what \"Outcome\" is"),
            ("Outcome = \"outcome\"", "outcome = \"outcome\"", "names \"outcome\""),
            ("Outcome = \"outcome\"", "Outcome = \"caller\"", "it may be supplier"),
            ("Outcome = \"outcome\"", "Outcome = \"date\"", "another column already"),
            ("Outcome = \"outcome\"", "Outcome = \"empty\"", "has no outcome"),
            ("\"wait-bucket\"", "\"wait\"", "phone bill"),
            ("\"band\"", "\"time\"", "phone bill"),
            ("missed = \"Missed\"\n", "", "what missed is called"),
            ("missed = \"Missed\"\n", "missed = \"Missed\"\nlost = \"Lost\"\n", "is no outcome"),
            ("from = \"18:30\"", "from = \"18:31\"", "bands \"18:30 - 23:59\""),
            ("to = \"24:00\"", "to = \"23:59\"", "ends at 24:00"),
            ("from = 31\n", "from = 32\n", "buckets \"31_60\""),
            ("from = 301", "from = 301\nto = 400", "has no end"),
            ("unknown = \"\"", "unkown = \"\"", "unkown"),
        ] {
            assert!(text.contains(from), "{from}");
            let found = fault(&text.replace(from, to), sample);
            assert!(found.contains(said), "{from} → {to}: {found}");
        }
        assert!(fault(text, "").contains("first line"));
        assert!(fault(text, &sample.replace("Outcome", "Date")).contains("twice"));
        let exact = text.replace("\"band\"", "\"time\"").replace("unknown = \"\"", "unknown = \"\"\nexact = true");
        assert!(Template::read(&exact, sample).is_ok());
    }
}
