//! Lines to records: the engine that runs the dialect files, its state, and the library of dialects.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

pub mod cannot;
mod compile;
pub mod detect;
mod examples;
mod facts;
mod fault;
mod field;
mod file;
mod format;
mod group;
mod guard;
mod layout;
pub mod learn;
mod library;
mod many;
mod numbering;
mod plan;
mod replay;
mod shipped;
mod site;
mod spans;
mod spot;
mod stamp;
mod state;
mod step;
mod swap;
mod switch;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]
mod tests;
mod told;
mod words;

pub use cannot::CANNOT;
pub use fault::{FileFault, LibraryError, OptionError};
pub use library::{Dialect, DialectOption, Library, Sample};
pub use plan::Plan;
pub use site::BrokenFile;
pub use spans::{FieldSpan, LineFields};
pub use state::SourceState;
pub use switch::{MISSING, Switch};

use crate::number::{Anonymous, Number};
use crate::record::Record;

/// A line as the engine is given it.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// Its number within the source; each line has its own, rising.
    pub no: u64,
    /// The line without terminator and control bytes.
    pub bytes: &'a [u8],
    /// What was kept of the numbers on the line, by byte offset, when it comes from the store rather than the wire.
    pub kept: &'a [(u16, Anonymous)],
    /// The box's civil date when the line came: used only where neither line nor header gives day or year.
    pub today: jiff::civil::Date,
}

/// What a line turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// It carries this record.
    Record(Box<Record>),
    /// It belongs to a record that another line carries.
    Continuation,
    /// It is no call; where it says that a call was offered to a station, this is the offer.
    Event(Option<Box<Record>>),
    /// Header, page furniture or blank.
    Header,
    /// Nothing but control bytes.
    Noise,
    /// No rule understands it.
    Unparsed {
        /// Why, for a person.
        reason: String,
        /// The first column, counted from 1, that was not understood.
        column: Option<u16>,
    },
}

/// A line settled: itself, or an earlier line of a group that closed only now.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled {
    /// The line's number.
    pub no: u64,
    /// What it is.
    pub what: What,
}

/// What the bytes from `start` to `end` hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// First byte.
    pub start: u16,
    /// One past the last byte.
    pub end: u16,
    /// What is there.
    pub holds: Holds,
    /// What masking must know of it beyond that.
    pub role: Role,
}

/// What the dialect's rules make of a part of a line, as far as masking depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// Nothing out of the ordinary.
    #[default]
    Plain,
    /// A station or device of the PBX.
    Station,
    /// A number that can only be what the outside caller dialled.
    Ddi,
    /// A number that may be what the outside caller dialled; the record on the same line says.
    PerhapsDdi,
    /// A code, counter or cost that no rule asks for: its looks are all that speaks for it.
    Unasked,
    /// Typed by its looks, and asked for by the numbering of records only: it is kept, and proves nothing of a call.
    Numbering,
}

/// What a part of a line holds, for masking.
#[derive(Debug, Clone, PartialEq)]
pub enum Holds {
    /// A value whose type is its proof: date, time, duration, counter, trunk, station, call id, cost, code.
    Typed,
    /// A telephone number.
    Number(Number),
    /// A person's or a device's name.
    Name,
    /// An account, project or authorisation code.
    Account,
    /// Free text.
    Text,
}

/// What one step gives.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// The lines settled, in order; the line itself is the last one.
    pub settled: smallvec::SmallVec<[Settled; 2]>,
    /// What the parts of this line hold; bytes in no mark are text.
    pub marks: Vec<Mark>,
    /// The trunk of the call on this line, as far as it is known.
    pub trunk: Option<compact_str::CompactString>,
    /// The running number that the line bears, where the PBX gives its records one.
    pub sequence: Option<u32>,
}

/// How the legs of one call find each other; from the dialect's `[link]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linking {
    /// What two legs of one call have in common.
    pub by: LinkKey,
    /// Seconds after a call's last leg in which another may still join it, on the PBX's clock.
    pub window_s: u32,
    /// For chained legs: by how many seconds a leg's start may miss the end of the one before.
    pub slack_s: u32,
    /// Only legs of these kinds join an earlier call; others open one. Empty: every leg may join.
    pub joins: Vec<crate::record::LegKind>,
    /// Legs of these kinds join only a call that waits for one: its last leg announced another, or it was only offered.
    pub announced: Vec<crate::record::LegKind>,
    /// Legs of these kinds open a call of their own, whatever went before.
    pub opens: Vec<crate::record::LegKind>,
    /// Seconds from an offer within which the leg that takes it begins; nothing: the window counts.
    pub offer_s: Option<u32>,
    /// Whether a leg must start where the one before ended.
    pub chained: bool,
}

/// What two legs of one call have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKey {
    /// The PBX's call id, within its epoch.
    CallId,
    /// Trunk and caller.
    TrunkAndPeer,
    /// Trunk alone.
    Trunk,
    /// Every record is a call.
    Nothing,
}
