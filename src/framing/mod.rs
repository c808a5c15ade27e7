//! Bytes to lines: lossless, never fails, bounded memory. Every byte received is in a line, in a terminator, stripped
//! as a control byte, or dropped from an over-long line, and [`Account`] says how many of each.
//!
//! # Grammar
//!
//! ```text
//! input  = { line end }
//! end    = CR CR LF | CR LF | CR | LF CR | LF | FF
//! line   = { text | control }
//! text   = TAB | 20..7E | 80..FF
//! control = every other byte: NUL, XON, XOFF, DLE, Ctrl-Z, DEL ...
//! ```
//!
//! * The longest `end` is taken, from left to right. So `CR LF LF` (Norstar closes a report so) is a line end and a
//!   blank line, `CR LF CR LF` too, `LF CR LF CR` is two line ends of the LFCR kind, and `CR CR` with no LF behind it is
//!   a line end and a blank line.
//! * A line is handed out at the first byte of its end; what follows is remembered as belonging to it. Only the second
//!   CR of `CR CR` waits for the next byte, because it may still turn out to be part of `CR CR LF`.
//! * Controls are taken out and counted in the line where they stand. They are transparent: an XOFF that flow control
//!   put between CR and LF makes no blank line. After an end they count in the next line.
//! * A form feed ends the line, which may be empty, with [`Ended::PageBreak`].
//! * Blank lines are handed out. So is a line that held nothing but control bytes; `stripped` tells them apart.
//! * A line that was handed out by [`Framer::flush`] takes the end that comes late with it: no blank line is made.
//!
//! [`Protocol::StxEtx`]: STX and ETX end what has gathered, if anything has, and never make a blank line; an end right
//! behind ETX belongs to it. Line ends cut a record into lines as they do outside.
//!
//! [`Protocol::LengthLe32`]: where a line may begin, four bytes that say 1 to 1024 and do not begin with NUL are a frame
//! mark, and as many bytes are read as lines; what is left when they end is a line. Any other four bytes are
//! plain: the first is read as text or control and the mark is looked for again, at the next byte if still at the start
//! of a line, else behind its end.
//!
//! [`Protocol::NecFrame`]: SYN, a digit and five digits that say 1 to 1024 are the head of a text; of a text with data the
//! bytes behind device and sequence number are read as with StxEtx, the others are part of the mark, as is the parity
//! byte behind the body. A SYN without such a head is a control byte.
//! [`Protocol::AlcatelOxe`]: where a line may begin, the marks of OmniPCX Enterprise's Ethernet accounting; of its messages
//! of 772 bytes the text is a line. What does not begin with a mark is read as lines.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod framer;
mod mark;
mod nec;
mod oxe;
mod rest;

pub use framer::Framer;
pub use rest::Rest;

/// How to frame one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How the PBX cuts its output into lines.
    pub protocol: Protocol,
    /// The most bytes of a line that are kept; the rest is dropped and counted. Default 4096.
    pub max_line: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { protocol: Protocol::Lines, max_line: 4096 }
    }
}

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
    /// NEC's texts on TCP port 60010: SYN, what it is, its length, body, parity. The record stands between STX and ETX;
    /// what stands outside a text is read as with [`Protocol::StxEtx`].
    NecFrame,
    /// OmniPCX Enterprise's Ethernet accounting (TCP port 2533): messages of 772 bytes; plain lines are read too.
    AlcatelOxe,
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
