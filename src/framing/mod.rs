//! Bytes to lines: lossless, never fails, bounded memory. Every byte received is in a line, in a terminator, stripped
//! as a control byte, or dropped from an over-long line, and [`Account`] says how many of each.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

/// How a PBX cuts its output into lines. Named by the dialect file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// Lines ended by CR, LF, CRLF, LFCR or CRCRLF; a form feed is a page break.
    #[default]
    Lines,
    /// Records between STX and ETX; what stands outside them is read as lines.
    StxEtx,
    /// Each line is preceded by its length in four bytes, least significant first (Mitel 5000); plain lines are read
    /// too.
    LengthLe32,
}

/// What ended a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// A terminator.
    Terminator,
    /// A form feed: the line, which may be empty, is followed by a page break.
    PageBreak,
    /// Nothing came for a while.
    Idle,
    /// The connection or the file ended.
    EndOfInput,
}

/// One line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// The line without its terminator and without control bytes.
    pub bytes: &'a [u8],
    /// What ended it.
    pub ended: Ended,
    /// Control bytes taken out of it.
    pub stripped: u32,
    /// Bytes cut off its end because it was over-long.
    pub dropped: u64,
}

/// Where every byte went. `received = in_lines + terminators + stripped + dropped + pending`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// Bytes pushed.
    pub received: u64,
    /// Bytes handed out in lines.
    pub in_lines: u64,
    /// Bytes of terminators, page breaks and frame marks.
    pub terminators: u64,
    /// Control bytes taken out.
    pub stripped: u64,
    /// Bytes cut off over-long lines.
    pub dropped: u64,
    /// Bytes that wait for the rest of their line.
    pub pending: u64,
}
