//! The state machine behind the grammar of [`super`].

use serde::{Deserialize, Serialize};
use zeroize::Zeroize as _;

use super::mark::{Mark, Verdict};
use super::nec::{Place as TextPlace, Texts};
use super::oxe::{Place, Tickets};
use super::{Account, Ended, Line, Protocol, Rest, Settings};

const STX: u8 = 0x02;
const ETX: u8 = 0x03;
const LF: u8 = 0x0A;
const FF: u8 = 0x0C;
const CR: u8 = 0x0D;

/// What the last byte that was not a control has left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Edge {
    /// Nothing: a line is being read, or the next one begins.
    #[default]
    Open,
    /// CR ended a line: CR or LF may belong to it.
    Cr,
    /// A second CR came: the end of a blank line, unless LF follows. It is the one byte of look-ahead.
    CrCr,
    /// LF ended a line: CR may belong to it.
    Lf,
    /// The line was handed out before its end came: an end belongs to it.
    Late,
}

/// Cuts one stream of bytes into lines.
#[derive(Debug)]
pub struct Framer {
    settings: Settings,
    line: Vec<u8>,
    stripped: u32,
    dropped: u64,
    edge: Edge,
    mark: Mark,
    frame_left: usize,
    texts: Texts,
    tickets: Tickets,
    account: Account,
}

impl Drop for Framer {
    fn drop(&mut self) {
        self.line.as_mut_slice().zeroize();
    }
}

impl Framer {
    /// A framer at the start of a stream.
    pub fn new(settings: Settings) -> Framer {
        Framer {
            settings,
            // Room for an ordinary line at once: a buffer that grows leaves its old self behind.
            line: Vec::with_capacity(settings.max_line.min(512)),
            stripped: 0,
            dropped: 0,
            edge: Edge::Open,
            mark: Mark::default(),
            frame_left: 0,
            texts: Texts::default(),
            tickets: Tickets::default(),
            account: Account::default(),
        }
    }

    /// A framer that goes on where another stood. Its account begins with what it has been handed.
    pub fn go_on(settings: Settings, rest: &Rest) -> Framer {
        let mut framer = Framer::new(settings);
        framer.line.extend_from_slice(rest.line.get(..settings.max_line).unwrap_or(&rest.line));
        (framer.stripped, framer.dropped) = (rest.stripped, rest.dropped);
        (framer.edge, framer.mark, framer.frame_left) = (rest.edge, rest.mark, rest.frame_left);
        (framer.texts, framer.tickets) = (rest.texts.clone(), rest.tickets.clone());
        framer.account.received = framer.account().pending;
        framer
    }

    /// Where it stands, for another to go on.
    pub fn rest(&self) -> Rest {
        Rest {
            line: self.line.clone(),
            stripped: self.stripped,
            dropped: self.dropped,
            edge: self.edge,
            mark: self.mark,
            frame_left: self.frame_left,
            texts: self.texts.clone(),
            tickets: self.tickets.clone(),
        }
    }

    /// Reads the next bytes and hands every line that they end to `sink`.
    pub fn push(&mut self, bytes: &[u8], sink: &mut impl FnMut(Line<'_>)) {
        add(&mut self.account.received, bytes.len());
        match self.settings.protocol {
            Protocol::Lines | Protocol::StxEtx => self.read(bytes, sink),
            Protocol::LengthLe32 => self.read_frames(bytes, sink),
            Protocol::NecFrame => self.read_texts(bytes, sink),
            Protocol::AlcatelOxe => self.read_tickets(bytes, sink),
        }
    }

    /// Hands out what has gathered, because nothing more came for a while ([`Ended::Idle`]) or ever will
    /// ([`Ended::EndOfInput`]). After the latter the framer stands at the start of a new stream; its account goes on.
    ///
    /// Control bytes with no text beside them stay until the next line, because some PBXs pad with NUL behind every
    /// line; at the end of input they are handed out as a line without text.
    pub fn flush(&mut self, ended: Ended, sink: &mut impl FnMut(Line<'_>)) {
        let at_end = ended == Ended::EndOfInput;
        // Two bytes or more of a mark cannot be text, so they can wait for the rest.
        if at_end || self.mark.held() == 1 {
            let (bytes, held) = self.mark.take();
            self.read(bytes.get(..held).unwrap_or_default(), sink);
        }
        if at_end {
            let (head, held) = self.texts.end();
            self.read(head.get(..held).unwrap_or_default(), sink);
            let (bytes, held) = self.tickets.end();
            self.read(bytes.get(..held).unwrap_or_default(), sink);
        } else if self.tickets.inside() {
            // Its length says when a message is over, and no silence.
            return;
        }
        self.settle(sink);
        if self.has_text() {
            self.emit(ended, sink);
            self.edge = Edge::Late;
        }
        if at_end {
            if self.stripped > 0 {
                self.emit(ended, sink);
            }
            self.edge = Edge::Open;
            self.frame_left = 0;
        }
    }

    /// Where every byte went so far.
    pub fn account(&self) -> Account {
        let look_ahead = usize::from(self.edge == Edge::CrCr);
        let mut pending = 0;
        add(&mut pending, self.line.len());
        add(&mut pending, self.mark.held());
        add(&mut pending, self.texts.held());
        add(&mut pending, self.tickets.held());
        add(&mut pending, look_ahead);
        Account { pending, ..self.account }
    }

    /// Whether something waits that [`Framer::flush`] with [`Ended::Idle`] would settle.
    pub fn pending(&self) -> bool {
        !self.tickets.inside() && (self.has_text() || self.edge == Edge::CrCr || self.mark.held() == 1)
    }

    fn has_text(&self) -> bool {
        !self.line.is_empty() || self.dropped > 0
    }

    fn read(&mut self, bytes: &[u8], sink: &mut impl FnMut(Line<'_>)) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (text, after) = rest.split_at_checked(text_run(rest)).unwrap_or((rest, &[]));
            if !text.is_empty() {
                self.text(text, sink);
            }
            let Some((&byte, after)) = after.split_first() else { return };
            self.control(byte, sink);
            rest = after;
        }
    }

    fn text(&mut self, text: &[u8], sink: &mut impl FnMut(Line<'_>)) {
        self.settle(sink);
        self.edge = Edge::Open;
        let room = self.settings.max_line.saturating_sub(self.line.len());
        let (kept, over) = text.split_at_checked(room).unwrap_or((text, &[]));
        self.line.extend_from_slice(kept);
        add(&mut self.dropped, over.len());
        add(&mut self.account.dropped, over.len());
    }

    fn control(&mut self, byte: u8, sink: &mut impl FnMut(Line<'_>)) {
        match (byte, self.edge) {
            (CR, Edge::Open) => self.end(1, Edge::Cr, sink),
            (CR, Edge::Cr) => self.edge = Edge::CrCr,
            (CR, Edge::CrCr) => self.end(1, Edge::CrCr, sink),
            (CR, Edge::Lf) => self.belongs(1, Edge::Open),
            (CR, Edge::Late) => self.belongs(1, Edge::Cr),
            (LF, Edge::Open | Edge::Lf) => self.end(1, Edge::Lf, sink),
            (LF, Edge::Cr) => self.belongs(1, Edge::Open),
            (LF, Edge::CrCr) => self.belongs(2, Edge::Open),
            (LF, Edge::Late) => self.belongs(1, Edge::Lf),
            (FF, _) => {
                self.settle(sink);
                self.belongs(1, Edge::Open);
                self.emit(Ended::PageBreak, sink);
            }
            (STX | ETX, _) if matches!(self.settings.protocol, Protocol::StxEtx | Protocol::NecFrame) => {
                self.settle(sink);
                self.belongs(1, if byte == ETX { Edge::Late } else { Edge::Open });
                if self.has_text() {
                    self.emit(Ended::Terminator, sink);
                }
            }
            _ => {
                self.stripped = self.stripped.saturating_add(1);
                add(&mut self.account.stripped, 1);
            }
        }
    }

    /// A terminator ends the line.
    fn end(&mut self, bytes: usize, edge: Edge, sink: &mut impl FnMut(Line<'_>)) {
        self.belongs(bytes, edge);
        self.emit(Ended::Terminator, sink);
    }

    /// Bytes of a terminator or mark that end no line of their own.
    fn belongs(&mut self, bytes: usize, edge: Edge) {
        add(&mut self.account.terminators, bytes);
        self.edge = edge;
    }

    /// The look-ahead is over: what came was not LF, so the second CR was the end of a blank line.
    fn settle(&mut self, sink: &mut impl FnMut(Line<'_>)) {
        if self.edge == Edge::CrCr {
            self.end(1, Edge::Cr, sink);
        }
    }

    fn emit(&mut self, ended: Ended, sink: &mut impl FnMut(Line<'_>)) {
        add(&mut self.account.in_lines, self.line.len());
        sink(Line { bytes: &self.line, ended, stripped: self.stripped, dropped: self.dropped });
        // A line may hold a telephone number, and the room is used again.
        self.line.as_mut_slice().zeroize();
        self.line.clear();
        self.stripped = 0;
        self.dropped = 0;
    }

    fn read_frames(&mut self, bytes: &[u8], sink: &mut impl FnMut(Line<'_>)) {
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            if self.frame_left > 0 {
                let (inside, outside) = rest.split_at_checked(self.frame_left).unwrap_or((rest, &[]));
                self.read(inside, sink);
                self.frame_left = self.frame_left.saturating_sub(inside.len());
                if self.frame_left == 0 {
                    self.end_frame(sink);
                }
                rest = outside;
            } else if self.mark.held() > 0 || self.mark_may_begin(byte) {
                self.look_for_mark(byte, sink);
                rest = after;
            } else {
                rest = self.read_plain(rest, sink);
            }
        }
    }

    /// At the start of a line, but not where CR or LF still belongs to the line before.
    fn mark_may_begin(&self, byte: u8) -> bool {
        !self.has_text() && (self.edge == Edge::Open || !matches!(byte, CR | LF))
    }

    fn look_for_mark(&mut self, byte: u8, sink: &mut impl FnMut(Line<'_>)) {
        match self.mark.add(byte) {
            Verdict::Wait => {}
            Verdict::Frame(length) => {
                self.mark.take();
                self.settle(sink);
                self.belongs(4, Edge::Open);
                self.frame_left = length;
            }
            Verdict::Plain => {
                let (bytes, held) = self.mark.take();
                let Some((first, others)) = bytes.get(..held).and_then(<[u8]>::split_first) else { return };
                self.read(std::slice::from_ref(first), sink);
                // At most three bytes, and one less each time.
                self.read_frames(others, sink);
            }
        }
    }

    fn read_texts(&mut self, bytes: &[u8], sink: &mut impl FnMut(Line<'_>)) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (place, length) = self.texts.next(rest);
            let (part, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            match place {
                TextPlace::Held => {}
                TextPlace::Text => self.read(part, sink),
                // SYN begins a text, so what has gathered was a line without an end.
                TextPlace::Head => {
                    self.end_frame(sink);
                    self.belongs(Texts::HEAD, Edge::Open);
                }
                TextPlace::Mark => self.belongs(part.len(), self.edge),
                TextPlace::Parity => {
                    self.end_frame(sink);
                    self.belongs(part.len(), Edge::Late);
                }
                TextPlace::NoHead => {
                    let (head, held) = self.texts.end();
                    let (syn, others) = head.get(..held).unwrap_or_default().split_at_checked(1).unwrap_or_default();
                    self.read(syn, sink);
                    // At most six bytes, and one less each time.
                    self.read_texts(others, sink);
                }
            }
            rest = after;
        }
    }

    fn read_tickets(&mut self, bytes: &[u8], sink: &mut impl FnMut(Line<'_>)) {
        let mut rest = bytes;
        // A message that is over is handed out at once, and not with the first byte behind it.
        while !rest.is_empty() || self.tickets.is_over() {
            if self.has_text() && !self.tickets.inside() {
                rest = self.read_plain(rest, sink);
                continue;
            }
            let (place, length) = self.tickets.next(rest);
            let (part, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            match place {
                Place::Held => {}
                Place::Mark => {
                    let (_, held) = self.tickets.take();
                    self.settle(sink);
                    self.belongs(held, Edge::Open);
                }
                Place::Padding => self.belongs(part.len(), Edge::Open),
                Place::Text => self.read(part, sink),
                Place::End => {
                    self.end_frame(sink);
                    self.edge = Edge::Open;
                }
                Place::Plain if length == 0 => {
                    let (head, held) = self.tickets.take();
                    let Some((first, others)) = head.get(..held).and_then(<[u8]>::split_first) else { return };
                    self.read(std::slice::from_ref(first), sink);
                    // At most three bytes, and one less each time.
                    self.read_tickets(others, sink);
                }
                // A control may stand in front of a mark; a line goes to its end.
                Place::Plain if text_run(part) == 0 => self.read(part, sink),
                Place::Plain => {
                    rest = self.read_plain(rest, sink);
                    continue;
                }
            }
            rest = after;
        }
    }

    /// Reads to the end of a line; answers with what is behind it.
    fn read_plain<'b>(&mut self, bytes: &'b [u8], sink: &mut impl FnMut(Line<'_>)) -> &'b [u8] {
        let line = bytes.iter().position(|byte| matches!(*byte, CR | LF | FF));
        let length = line.map_or(bytes.len(), |at| at.saturating_add(1));
        let (plain, after) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
        self.read(plain, sink);
        after
    }

    fn end_frame(&mut self, sink: &mut impl FnMut(Line<'_>)) {
        self.settle(sink);
        if self.has_text() {
            self.emit(Ended::Terminator, sink);
            self.edge = Edge::Late;
        }
    }
}

fn add(count: &mut u64, more: usize) {
    *count = count.saturating_add(u64::try_from(more).unwrap_or(u64::MAX));
}

/// How many bytes at the start of `bytes` are text. Whole blocks are tested at once, which the compiler turns into
/// vector instructions.
fn text_run(bytes: &[u8]) -> usize {
    const BLOCK: usize = 16;
    let is_control = |byte: u8| (byte < 0x20 && byte != b'\t') || byte == 0x7F;
    let mut run: usize = 0;
    for block in bytes.chunks(BLOCK) {
        let any = match <&[u8; BLOCK]>::try_from(block) {
            Ok(whole) => whole.iter().fold(false, |any, byte| any | is_control(*byte)),
            Err(_) => true,
        };
        if any && let Some(at) = block.iter().position(|byte| is_control(*byte)) {
            return run.saturating_add(at);
        }
        run = run.saturating_add(block.len());
    }
    run
}
