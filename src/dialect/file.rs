//! What a dialect file may say: the types it is read into. `docs/dialects.md` explains every key to its writer.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::many::Many;
pub(super) use super::numbering::{RestartFile, SequenceFile};
use super::switch::Switch;
use crate::record::{Direction, Disposition, LegKind, Party, StampKind};

/// A whole dialect file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct DialectFile {
    pub id: Spanned<String>,
    pub name: String,
    #[serde(default)]
    pub models: Vec<String>,
    pub doc: String,
    #[serde(default)]
    pub cannot: Vec<Spanned<String>>,
    #[serde(default)]
    pub protocol: ProtocolName,
    #[serde(default)]
    pub transport: String,
    #[serde(default)]
    pub options: BTreeMap<String, Spanned<OptionFile>>,
    #[serde(default)]
    pub stamp: Option<Spanned<StampFile>>,
    #[serde(default)]
    pub sequence: Option<Spanned<SequenceFile>>,
    #[serde(rename = "line")]
    pub lines: Vec<Spanned<LineFile>>,
    #[serde(default)]
    pub record: BTreeMap<Key, Spanned<Many<String>>>,
    #[serde(default)]
    pub facts: Vec<Spanned<FactsFile>>,
    #[serde(default, rename = "group")]
    pub groups: Vec<Spanned<GroupFile>>,
    pub link: LinkFile,
    #[serde(default, rename = "switch")]
    pub switches: Vec<Spanned<Switch>>,
    #[serde(default, rename = "example")]
    pub examples: Vec<Spanned<ExampleFile>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ProtocolName {
    #[default]
    Lines,
    StxEtx,
    LengthLe32,
    NecFrame,
    AlcatelOxe,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct OptionFile {
    #[serde(default)]
    pub values: Vec<String>,
    #[serde(default)]
    pub default: String,
    /// The value is the site's own: words parted by blanks or commas, for tests with `listed`.
    #[serde(default)]
    pub words: bool,
    pub doc: String,
    /// By value: what the format never shows while the option has it.
    #[serde(default)]
    pub cannot: BTreeMap<String, Vec<String>>,
    /// By value: the kinds of lines that only a PBX with it prints. While another value is chosen, they tell.
    #[serde(default)]
    pub told_by: BTreeMap<String, Vec<String>>,
}

/// Which fields make the time stamp, and what moment it means unless a fact says otherwise.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct StampFile {
    pub field: Option<String>,
    pub date: Option<String>,
    pub time: Option<String>,
    /// A field that holds the year alone, where the date is printed without one.
    pub year: Option<String>,
    pub kind: StampKind,
    /// Zone of the clock where the format fixes one.
    pub zone: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Becomes {
    Record,
    Header,
    Event,
}

/// One kind of line: when it is that, and where its fields are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct LineFile {
    pub kind: String,
    #[serde(default)]
    pub doc: String,
    #[serde(rename = "is")]
    pub becomes: Becomes,
    #[serde(default)]
    pub when: Many<GuardFile>,
    pub delimiter: Option<String>,
    pub quote: Option<String>,
    pub pattern: Option<String>,
    pub tlv: Option<TlvFile>,
    #[serde(default)]
    pub names: bool,
    #[serde(default)]
    pub carry: Vec<String>,
    pub carry_layout: Option<String>,
    #[serde(default)]
    pub cut: Vec<CutFile>,
    #[serde(default)]
    pub fields: BTreeMap<String, Spanned<FieldFile>>,
}

/// What must hold for a line to be of a kind.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct GuardFile {
    pub length: Option<(usize, usize)>,
    #[serde(default)]
    pub at: Vec<AtFile>,
    pub pattern: Option<String>,
    pub fields: Option<(usize, usize)>,
    #[serde(default)]
    pub option: BTreeMap<String, String>,
    pub layout: Option<String>,
    pub group: Option<String>,
    pub line: Option<u16>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct AtFile {
    pub column: usize,
    #[serde(rename = "is")]
    pub text: Option<String>,
    pub class: Option<ByteClass>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ByteClass {
    Digit,
    Letter,
    Blank,
    NotBlank,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct TlvFile {
    pub start: usize,
    pub tag: usize,
    pub length: usize,
}

/// A field cut again by a pattern.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct CutFile {
    pub field: String,
    pub pattern: String,
    #[serde(default)]
    pub required: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Type {
    Date,
    Time,
    Datetime,
    Duration,
    Seconds,
    #[default]
    Text,
    Code,
    Device,
    Station,
    Trunk,
    CallId,
    Number,
    Name,
    Account,
    Cost,
    Counter,
    Ip,
}

impl Type {
    /// Whether it is part of a time stamp.
    pub fn is_clock(self) -> bool {
        matches!(self, Type::Date | Type::Time | Type::Datetime)
    }

    /// Whether it gives seconds.
    pub fn is_length(self) -> bool {
        matches!(self, Type::Duration | Type::Seconds)
    }

    /// Whether what it holds is masked at rest, so that no rule may look at its digits or letters.
    pub fn is_masked(self) -> bool {
        matches!(self, Type::Number | Type::Name | Type::Account | Type::Text)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Merge {
    #[default]
    First,
    Last,
    Sum,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Sign {
    #[serde(rename = "+")]
    Plus,
    #[serde(rename = "-")]
    Minus,
}

/// One field: where it is, what it is, and how it joins what earlier lines of its group said.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct FieldFile {
    pub at: Option<(usize, usize)>,
    pub index: Option<usize>,
    pub header: Option<String>,
    pub capture: Option<String>,
    pub tag: Option<String>,
    pub value: Option<String>,
    pub since: Option<String>,
    pub between: Option<(String, String)>,
    #[serde(default)]
    pub moment: bool,
    #[serde(default, rename = "type")]
    pub kind: Type,
    #[serde(default)]
    pub format: Many<String>,
    pub format_by: Option<FormatByFile>,
    #[serde(default)]
    pub stops: Option<Vec<u32>>,
    #[serde(default)]
    pub required: bool,
    #[serde(default)]
    pub lower: bool,
    #[serde(default)]
    pub ignore: String,
    #[serde(default)]
    pub hidden: String,
    /// What may stand before the digits of a number and is kept with them where they are shown.
    #[serde(default)]
    pub lead: String,
    #[serde(default)]
    pub drop_prefix: Many<String>,
    pub most_digits: Option<usize>,
    #[serde(default)]
    pub merge: Merge,
    pub sign: Option<Sign>,
}

/// Formats that an option chooses.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct FormatByFile {
    pub option: String,
    pub formats: BTreeMap<String, Many<String>>,
}

/// An ordered table of rows: the first that matches says its facts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct FactsFile {
    pub name: String,
    #[serde(default)]
    pub doc: String,
    pub rows: Vec<Spanned<RowFile>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RowFile {
    #[serde(default)]
    pub when: BTreeMap<String, TestFile>,
    #[serde(default)]
    pub so_far: FactFile,
    #[serde(default)]
    pub kind: Many<String>,
    #[serde(default)]
    pub option: BTreeMap<String, String>,
    #[serde(default)]
    pub set: FactFile,
    #[serde(default)]
    pub put: BTreeMap<Key, Many<String>>,
    #[serde(default)]
    pub drop: Vec<Key>,
    pub outcome: Option<Outcome>,
    pub reason: Option<String>,
}

/// What a row sets, or what it asks of the rows before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct FactFile {
    pub direction: Option<Direction>,
    pub answered: Option<bool>,
    pub transferred: Option<bool>,
    pub conference: Option<bool>,
    pub continuation: Option<bool>,
    pub leg: Option<LegKind>,
    pub party: Option<Party>,
    pub disposition: Option<Disposition>,
    pub stamp: Option<StampKind>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outcome {
    Record,
    /// No call.
    Event,
    /// No call yet: a station was rung.
    Offer,
    Unparsed,
}

/// Where a field's value goes in the canonical record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Key {
    Ring,
    Talk,
    Hold,
    Extension,
    Trunk,
    Ddi,
    Cli,
    Dialled,
    Account,
    CallId,
    /// The PBX's own port that took the call.
    Port,
    /// Of a tandem call, the trunk it was passed on over.
    Onward,
}

impl Key {
    pub const COUNT: usize = 12;
}

/// What is asked of one field. A bare text, or a list of them, asks for equality.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TestFile(pub TestTable);

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct TestTable {
    pub is: Option<Many<String>>,
    pub not: Option<Many<String>>,
    pub prefix: Option<Many<String>>,
    pub word: Option<String>,
    pub listed: Option<String>,
    pub modulo: Option<u64>,
    pub remainder: Option<Vec<u64>>,
    pub blank: Option<bool>,
    pub zero: Option<bool>,
    pub digits: Option<(usize, usize)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Mode {
    #[default]
    Adjacent,
    Keyed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Emit {
    #[default]
    Close,
    Each,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Blank {
    #[default]
    Ignore,
    Close,
}

/// A record of several lines.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct GroupFile {
    pub name: String,
    #[serde(default)]
    pub mode: Mode,
    pub key: Option<String>,
    #[serde(default)]
    pub emit: Emit,
    pub open: Vec<String>,
    #[serde(default, rename = "continue")]
    pub continues: Vec<String>,
    #[serde(default)]
    pub close: Vec<String>,
    #[serde(default)]
    pub blank: Blank,
    pub lines: Option<u16>,
    #[serde(default = "default_max_lines")]
    pub max_lines: u16,
    #[serde(default = "default_max_open")]
    pub max_open: usize,
    #[serde(default = "default_max_age")]
    pub max_age_s: u32,
    #[serde(default)]
    pub require: Vec<String>,
    #[serde(default)]
    pub lend: Vec<String>,
}

fn default_max_lines() -> u16 {
    64
}

fn default_max_open() -> usize {
    256
}

fn default_max_age() -> u32 {
    86_400
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum By {
    CallId,
    TrunkAndPeer,
    Trunk,
    Nothing,
}

/// How the legs of one call find each other.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct LinkFile {
    pub by: By,
    #[serde(default)]
    pub window_s: u32,
    #[serde(default)]
    pub slack_s: u32,
    #[serde(default)]
    pub joins: Vec<LegKind>,
    #[serde(default)]
    pub announced: Vec<LegKind>,
    /// Leg kinds that always open a call.
    #[serde(default)]
    pub opens: Vec<LegKind>,
    /// Seconds from an offer within which a leg that takes it begins; without it the window counts.
    pub offer_s: Option<u32>,
    #[serde(default)]
    pub chained: bool,
    pub restart: Option<RestartFile>,
}

/// Lines with the records they must give.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ExampleFile {
    pub name: String,
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    pub assume_year: Option<i16>,
    pub lines: String,
    pub records: Vec<toml::Table>,
}
