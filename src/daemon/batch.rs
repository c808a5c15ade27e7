//! What the reading side hands to the books.

use jiff::Timestamp;
use jiff::civil::DateTime;

use crate::dialect::SourceState;
use crate::record::{LineKind, MaskedRecord};
use crate::source::FileMark;
use crate::store::{StoredNumber, Wire};

/// A line as it leaves `privacy`.
#[derive(Debug, Clone)]
pub struct MaskedLine {
    /// Its number within the source.
    pub seq: u64,
    /// When the box received it.
    pub at: Timestamp,
    /// What it is.
    pub kind: LineKind,
    /// Masked text, or a shape.
    pub text: Vec<u8>,
    /// Why it was not understood.
    pub reason: Option<String>,
    /// The first column that was not understood.
    pub column: Option<u16>,
    /// The numbers beside it.
    pub numbers: Vec<StoredNumber>,
    /// The record it carries.
    pub record: Option<MaskedRecord>,
    /// Its stamp, also where it carries no record, as far as it is known when the line comes.
    pub stamp: Option<DateTime>,
    /// Silence after it closed an open group.
    pub idle: bool,
    /// Only the shape of it is kept.
    pub shape: bool,
    /// The running number that it bears, where it comes in and the PBX gives its records one.
    pub sequence: Option<u32>,
}

/// What the reading side hands over.
#[derive(Debug, Clone)]
pub enum Entry {
    /// A new line.
    Line(MaskedLine),
    /// What an earlier line turned out to be.
    Settled {
        /// Which line.
        seq: u64,
        /// What it is.
        kind: LineKind,
        /// Why it was not understood.
        reason: Option<String>,
        /// The record it carries.
        record: Option<MaskedRecord>,
        /// When the box knew.
        at: Timestamp,
    },
    /// Silence after this line closed an open group.
    Idle(u64),
}

/// Lines of one source, in order, with the state of its dialect after the last.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Which source.
    pub source: u16,
    /// The lines.
    pub entries: Vec<Entry>,
    /// The state after them.
    pub state: SourceState,
    /// What was wrong on the wire since the batch before, and when.
    pub wire: Option<(Timestamp, Wire)>,
    /// Of a file: how far it is read with them.
    pub mark: Option<Box<FileMark>>,
    /// They came in a text that the PBX gave a number, which is in the state.
    pub numbered: bool,
}
