//! A dialect out of lines that nobody has a manual for: which lines are records, where their columns are and what is in
//! them, each with the evidence for it and how sure that is; what an installer changes of it; and the dialect file that
//! comes of it.
//!
//! Nothing is guessed silently. What the lines do not prove is a question, and no file is written while one is open.

mod clocks;
mod cut;
mod disguise;
mod draft;
mod edit;
mod kinds;
mod order;
mod rows;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]
mod tests;
mod write;

pub use draft::{Check, Draft, NotLearnt, NotWritten, Question, Unread, Written};
pub use edit::EditError;

use std::collections::BTreeMap;

use crate::record::StampKind;

/// How the fields of a line are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Fixed columns.
    Columns,
    /// Fields parted by one character.
    Delimited {
        /// The character.
        delimiter: u8,
        /// The quote, where some are quoted.
        quote: Option<u8>,
        /// The fewest and the most fields of a record.
        fields: (usize, usize),
    },
}

/// What the lines are, by their places in the list they came in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rows {
    /// Lines that look alike and say most: the records.
    pub records: Vec<usize>,
    /// Page furniture: lines without a digit, headings, rules.
    pub furniture: Vec<usize>,
    /// Neither.
    pub odd: Vec<usize>,
    /// Blank lines.
    pub blank: usize,
}

/// Where a column is; counted from 0 here, from 1 wherever a person reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// First byte, and one past the last.
    Span(usize, usize),
    /// The field of a delimited line.
    Index(usize),
}

/// How sure a proposal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sure {
    /// The lines allow it; other things as well.
    Guess,
    /// The lines speak for it.
    Likely,
    /// The lines allow nothing else that is known, or the installer said so.
    Certain,
}

/// What a column holds: the types of a dialect file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Date,
    Time,
    Datetime,
    Duration,
    Seconds,
    Station,
    Device,
    Trunk,
    CallId,
    Number,
    Counter,
    Code,
    Cost,
    Account,
    Name,
    Text,
}

impl Kind {
    /// Every kind, with its word in a dialect file.
    pub const ALL: [(Kind, &str); 16] = [
        (Kind::Date, "date"),
        (Kind::Time, "time"),
        (Kind::Datetime, "datetime"),
        (Kind::Duration, "duration"),
        (Kind::Seconds, "seconds"),
        (Kind::Station, "station"),
        (Kind::Device, "device"),
        (Kind::Trunk, "trunk"),
        (Kind::CallId, "call-id"),
        (Kind::Number, "number"),
        (Kind::Counter, "counter"),
        (Kind::Code, "code"),
        (Kind::Cost, "cost"),
        (Kind::Account, "account"),
        (Kind::Name, "name"),
        (Kind::Text, "text"),
    ];

    /// Its word in a dialect file.
    pub fn word(self) -> &'static str {
        Kind::ALL.iter().find(|(kind, _)| *kind == self).map_or("text", |(_, word)| word)
    }

    /// The kind of this word.
    pub fn of(word: &str) -> Option<Kind> {
        Kind::ALL.iter().find(|(_, known)| *known == word).map(|(kind, _)| *kind)
    }

    fn is_clock(self) -> bool {
        matches!(self, Kind::Date | Kind::Time | Kind::Datetime)
    }
}

/// What a column is to the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Nothing; it only keeps its place.
    Nothing,
    /// The outside party: the caller of a call in, what was dialled of a call out.
    OtherParty,
    /// A key of the canonical record, by its name in a dialect file.
    Key(&'static str),
}

/// The keys of a record that a column may give.
pub const KEYS: [&str; 10] =
    ["extension", "trunk", "cli", "dialled", "ddi", "ring", "talk", "hold", "account", "call-id"];

impl Role {
    /// Its word: one of [`KEYS`], `other-party` or `nothing`.
    pub fn word(self) -> &'static str {
        match self {
            Role::Nothing => "nothing",
            Role::OtherParty => "other-party",
            Role::Key(key) => key,
        }
    }

    /// The role of this word.
    pub fn of(word: &str) -> Option<Role> {
        match word {
            "nothing" => Some(Role::Nothing),
            "other-party" => Some(Role::OtherParty),
            _ => KEYS.iter().find(|key| **key == word).map(|key| Role::Key(key)),
        }
    }
}

/// What a value of a code column means for the call.
pub const MEANINGS: [&str; 8] =
    ["inbound", "outbound", "internal", "answered", "unanswered", "transfer", "conference", "no-call"];

/// One column: what is proposed of it, and what the installer made of that.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Where it is.
    pub place: Place,
    /// Its name in the dialect file.
    pub name: String,
    /// What the page header prints above it.
    pub heading: Option<String>,
    /// What it holds.
    pub kind: Kind,
    /// How a clock or duration is printed.
    pub format: Option<String>,
    /// Other formats that the lines allow as well.
    pub other_formats: Vec<String>,
    /// What it is to the record.
    pub role: Role,
    /// How sure the proposal is.
    pub sure: Sure,
    /// What speaks for it.
    pub evidence: Vec<String>,
    /// On how many records it is not blank.
    pub filled: usize,
    /// How many different values it has.
    pub distinct: usize,
    /// The values of a code, or the words that stand in a number's place, each with its count.
    pub values: Vec<(String, usize)>,
    /// What values mean, as the installer says: words of [`MEANINGS`].
    pub meanings: BTreeMap<String, Vec<&'static str>>,
    /// Left out of the dialect file.
    pub dropped: bool,
}

/// What the stamp of a record is proven or said to mean.
#[derive(Debug, Clone, PartialEq)]
pub struct StampGuess {
    /// The moment; nothing while nobody knows.
    pub kind: Option<StampKind>,
    /// Whether it is proven to be the start: when the call came or when it was answered.
    pub starts: bool,
    /// What speaks for it.
    pub evidence: String,
}
