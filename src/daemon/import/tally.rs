//! What an import came to, as it is told.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// Lines not understood that are named, the first so many.
pub const EXAMPLES: usize = 5;

/// How far an import has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Bytes of the file that were read.
    pub bytes: u64,
    /// Lines of the file that were read.
    pub lines: u64,
    /// Of them, those that an earlier run had taken.
    pub already: u64,
}

/// What became of the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was not known.
    #[default]
    Imported,
    /// A part of it was in already: it went on from there.
    Continued,
    /// All of it was in already.
    Unchanged,
}

/// A line that no rule understands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotUnderstood {
    /// Which line of the file, from 1.
    pub line: u64,
    /// The first column that was not understood.
    pub column: Option<u16>,
    /// Why.
    pub reason: String,
}

/// Records that are neither stored nor counted because of their date.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutOfRange {
    /// How many.
    pub records: u64,
    /// The first of their dates …
    pub first: Option<Date>,
    /// … and the last.
    pub last: Option<Date>,
    /// The first date that is counted …
    pub counted_from: Option<Date>,
    /// … and the last.
    pub counted_to: Option<Date>,
}

/// A day of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// Which.
    pub date: Date,
    /// Records of it that the import has given so far.
    pub records: u64,
    /// Lines of it that repeat others, and are not counted.
    pub duplicates: u64,
    /// Lines of it that are counted and may repeat others.
    #[serde(default)]
    pub may_repeat: u64,
    /// Calls of it.
    pub calls: u64,
}

/// What an import came to. But for `already` and `days` it speaks of this run only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Its name among the sources.
    pub import: String,
    /// The source whose PBX wrote the file.
    pub source: String,
    /// What became of the file.
    pub state: Outcome,
    /// Lines that were in before.
    pub already: u64,
    /// Lines taken: the sum of the seven that follow.
    pub lines: u64,
    /// Lines that carry a record.
    pub records: u64,
    /// Lines of a record that another line carries.
    pub continuations: u64,
    /// Lines that are no call.
    pub events: u64,
    /// Headers, page furniture, blanks.
    pub headers: u64,
    /// Control bytes only.
    pub noise: u64,
    /// Lines no rule understands.
    pub unparsed: u64,
    /// Lines that repeat others: kept, and not counted.
    pub duplicates: u64,
    /// Lines among the others that may repeat some, and are counted.
    #[serde(default)]
    pub may_repeat: u64,
    /// Records whose stamps stand as they are, though the source has a `clock-correction`: how its clock stood on those days is
    /// not known.
    #[serde(default)]
    pub uncorrected: u64,
    /// Records left out because of their date.
    pub out_of_range: OutOfRange,
    /// The file ends in the middle of a line, which was left out.
    pub half_line: bool,
    /// Calls that the records made.
    pub calls: u64,
    /// The days for which this run brought records, each with what the import has given for it.
    pub days: Vec<Day>,
    /// The first day whose lines and calls are kept; older ones are in the figures only.
    pub kept_from: Option<Date>,
    /// Records that repeat others, by the source that had them.
    #[serde(default)]
    pub repeats: BTreeMap<String, u64>,
    /// Records of days whose lines are kept no more, that lie among those of a source: they are in `duplicates`, too.
    #[serde(default)]
    pub among: BTreeMap<String, u64>,
    /// The first lines that were not understood.
    pub unparsed_at: Vec<NotUnderstood>,
}

/// What is added up on the way.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Days for which records came.
    pub days: BTreeSet<Date>,
    /// Records that repeat others, by the source that had them.
    pub repeats: BTreeMap<String, u64>,
    /// Records that are too old to be compared by position, and lie among those of a source.
    pub among: BTreeMap<String, u64>,
    /// Lines that are counted and may repeat others.
    pub may_repeat: u64,
    /// Records whose stamps are not corrected.
    pub uncorrected: u64,
    /// Records left out, by date.
    pub left_out: BTreeMap<Date, u64>,
    /// The first lines that were not understood.
    pub unparsed_at: Vec<NotUnderstood>,
}
