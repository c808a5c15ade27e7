//! A compiled dialect: everything a step needs, resolved to indices. Built by [`super::compile`].

use std::sync::{Mutex, PoisonError};

use compact_str::CompactString;
use regex::bytes::{CaptureLocations, Regex};

use super::Linking;
use super::file::{Becomes, ByteClass, Emit, FactFile, Key, Merge, Outcome, RestartFile, Sign, Type};
use super::format::Format;
use super::state::Value;
use crate::framing::Protocol;
use crate::record::{Disposition, StampKind};

/// A dialect with its options chosen: turns lines into records. Cheap to share between threads.
#[derive(Debug)]
pub struct Plan {
    pub(super) dialect: String,
    pub(super) slots: Vec<CompactString>,
    /// What each slot's text loses when it is an extension.
    pub(super) prefixes: Vec<Vec<String>>,
    pub(super) kinds: Vec<Kind>,
    pub(super) groups: Vec<Group>,
    pub(super) always: Vec<(Key, Vec<usize>)>,
    pub(super) tables: Vec<Vec<Row>>,
    pub(super) stamp: Option<StampRule>,
    pub(super) sequence: Option<SequenceRule>,
    pub(super) trunks: Vec<usize>,
    pub(super) linking: Linking,
    pub(super) restart: Option<RestartFile>,
    pub(super) cannot: Vec<String>,
    /// Options whose value the lines tell.
    pub(super) told: Vec<Telling>,
    pub(super) protocol: Protocol,
    pub(super) assume_year: Option<i16>,
    pub(super) regexes: Vec<Regex>,
    pub(super) desks: Mutex<Vec<Desk>>,
    /// Why there are no rules: the dialect could not be loaded.
    pub(super) unusable: Option<String>,
}

impl Plan {
    /// How the legs of one call find each other.
    pub fn linking(&self) -> &Linking {
        &self.linking
    }

    /// What this format never shows: words of [`super::CANNOT`]. Where its lines tell which of several layouts they are in
    /// and that is left to them, only what is lacking in all; [`Plan::cannot_on`] has the rest.
    pub fn cannot(&self) -> &[String] {
        &self.cannot
    }

    /// Whether records are made of several lines.
    pub fn has_groups(&self) -> bool {
        !self.groups.is_empty()
    }

    /// How the PBX cuts its output into lines.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The zone of the PBX's clock, by its name in the tz database, where the format fixes one (UTC). The site's own
    /// setting goes before it.
    pub fn zone(&self) -> Option<&str> {
        self.stamp.as_ref()?.zone.as_deref()
    }

    /// The first of the running numbers that the PBX gives its records, and the last where that is known; nothing where it
    /// gives none.
    pub fn sequence(&self) -> Option<(u32, Option<u32>)> {
        self.sequence.as_ref().map(|rule| (rule.first, rule.last))
    }

    /// Whether the format can show that a caller booked a call back.
    pub fn shows_callback(&self) -> bool {
        let books =
            |row: &Row| matches!(row.set.disposition, Some(Disposition::CallbackRequested | Disposition::CallbackMade));
        self.tables.iter().flatten().any(books)
    }

    pub(super) fn take_desk(&self) -> Desk {
        let desk = self.desks.lock().unwrap_or_else(PoisonError::into_inner).pop();
        desk.unwrap_or_else(|| Desk {
            values: Vec::new(),
            spans: Vec::new(),
            cells: Vec::new(),
            tags: Vec::new(),
            places: self.regexes.iter().map(Regex::capture_locations).collect(),
        })
    }

    pub(super) fn give_desk(&self, mut desk: Desk) {
        // Values may hold numbers; spans and cells are mere offsets.
        desk.values.clear();
        self.desks.lock().unwrap_or_else(PoisonError::into_inner).push(desk);
    }
}

/// An option whose value the lines tell: what is lacking with each, and the kinds of lines that tell it.
#[derive(Debug)]
pub(super) struct Telling {
    pub option: CompactString,
    pub values: Vec<(CompactString, Vec<usize>, Vec<String>)>,
}

/// Room to work in, reused from line to line.
#[derive(Debug)]
pub(super) struct Desk {
    /// What the line says, by slot.
    pub values: Vec<Value>,
    /// Where each field of the line is.
    pub spans: Vec<Option<Span>>,
    /// The cells of a delimited line.
    pub cells: Vec<Span>,
    /// The tags of a tag-length-value line, each with its value.
    pub tags: Vec<(Span, Span)>,
    /// Where the groups of each pattern were found.
    pub places: Vec<CaptureLocations>,
}

/// Bytes from the first to before the second.
pub(super) type Span = (usize, usize);

/// Which pattern, by index.
pub(super) type Pattern = usize;

#[derive(Debug)]
pub(super) struct Kind {
    pub name: CompactString,
    pub becomes: Becomes,
    /// The line is of this kind if one of these holds; none at all: always.
    pub guards: Vec<Guard>,
    pub layout: Layout,
    pub cuts: Vec<Cut>,
    pub fields: Vec<Field>,
    pub names: bool,
    pub carry: Vec<usize>,
    pub carry_layout: Option<CompactString>,
}

#[derive(Debug, Default)]
pub(super) struct Guard {
    pub length: Option<(usize, usize)>,
    pub at: Vec<(usize, At)>,
    pub pattern: Option<Pattern>,
    pub cells: Option<(usize, usize)>,
    pub layout: Option<CompactString>,
    pub group: Option<CompactString>,
    pub line: Option<u16>,
}

#[derive(Debug)]
pub(super) enum At {
    Text(Vec<u8>),
    Class(ByteClass),
}

#[derive(Debug)]
pub(super) enum Layout {
    Columns,
    Delimited { delimiter: u8, quote: Option<u8> },
    Pattern(Pattern),
    Tlv { start: usize, tag: usize, length: usize },
}

/// A field cut again.
#[derive(Debug)]
pub(super) struct Cut {
    pub field: usize,
    pub pattern: Pattern,
    pub required: bool,
}

#[derive(Debug)]
pub(super) struct Field {
    pub name: String,
    /// Where its value goes; nothing when no rule asks for it and it is only marked.
    pub slot: Option<usize>,
    /// Whether a rule of records asks for it. One that only the numbering asks for proves nothing of a call, and where it
    /// cannot be read the call is one all the same.
    pub asked: bool,
    pub source: Source,
    pub kind: Type,
    pub formats: Vec<Format>,
    pub stops: Option<Vec<u32>>,
    pub required: bool,
    /// A code is read in lower case.
    pub lower: bool,
    pub ignore: Vec<u8>,
    pub hidden: Vec<u8>,
    pub lead: Vec<u8>,
    /// The most digits of a station.
    pub most_digits: usize,
    pub merge: Merge,
    pub sign: Option<Sign>,
    /// Whether a number here is what the outside caller dialled.
    pub number_role: super::Role,
}

#[derive(Debug)]
pub(super) enum Source {
    /// From the first column to the last, counted from 0, end excluded.
    Columns(Span),
    Index(usize),
    Header(String),
    Capture(usize),
    /// From the cut that matches: pairs of cut and capture.
    Cut(Vec<(usize, usize)>),
    Tag(Vec<u8>),
    Fixed(CompactString),
    Moment,
    /// Seconds since the moment that a line before left under this name.
    Since(CompactString),
    /// Seconds from one clock of the line to another, by slot.
    Between(usize, usize),
}

#[derive(Debug)]
pub(super) struct StampRule {
    pub date: usize,
    pub time: usize,
    /// Where the year stands by itself.
    pub year: Option<usize>,
    pub kind: StampKind,
    /// Zone of the clock, by its name in the tz database, where the format fixes one.
    pub zone: Option<String>,
}

#[derive(Debug)]
pub(super) struct SequenceRule {
    /// Where the line bears it.
    pub slot: usize,
    pub first: u32,
    pub last: Option<u32>,
}

#[derive(Debug)]
pub(super) struct Row {
    pub when: Vec<(usize, Test)>,
    pub so_far: FactFile,
    pub kinds: Vec<CompactString>,
    pub set: FactFile,
    pub put: Vec<(Key, Vec<usize>)>,
    pub drop: Vec<Key>,
    pub outcome: Option<Outcome>,
    pub reason: String,
}

#[derive(Debug, Default)]
pub(super) struct Test {
    pub is: Option<Vec<String>>,
    pub not: Vec<String>,
    pub prefix: Option<Vec<String>>,
    pub word: Option<String>,
    pub listed: Option<Vec<String>>,
    pub modulo: Option<(u64, Vec<u64>)>,
    pub blank: Option<bool>,
    pub zero: Option<bool>,
    pub digits: Option<(usize, usize)>,
}

#[derive(Debug)]
pub(super) struct Group {
    pub name: CompactString,
    pub key: Option<usize>,
    pub emit: Emit,
    pub open: Vec<usize>,
    pub continues: Vec<usize>,
    pub close: Vec<usize>,
    pub blank_closes: bool,
    pub lines: Option<u16>,
    pub max_lines: u16,
    pub max_open: usize,
    pub max_age_s: u32,
    pub require: Vec<usize>,
    pub lend: Vec<usize>,
}
