//! The stream of an OmniPCX Enterprise's Ethernet accounting (TCP port 2533), from the PBX to us.
//!
//! ```text
//! stream  = { role | test | ready | message }
//! role    = 00 01 and a letter: P is the main CPU
//! test    = 00 08 and eight letters: TEST_REQ, which wants an answer
//! ready   = 03 04, before each message
//! message = 01 00 KIND 00 and 768 bytes: 01 empty, 02 a ticket, 06 management (MAO), 07 voice quality
//! ```
//!
//! A ticket and a management message are text up to LF or NUL, the rest of the 768 bytes is padding. Messages are cut and
//! glued at will on their way, so only their length counts. What is none of these is read as lines: an accounting file
//! holds the same tickets. Source: the public clients of the port; the kinds of the vendor's documentation were not seen.

use serde::{Deserialize, Serialize};

/// A message without its head.
const BODY: usize = 768;
/// The letters of a test.
const TEST: usize = 8;

/// What the next bytes of a stream are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The beginning of what may be a mark: it is held.
    Held,
    /// With these a mark is complete; the bytes held belong to it.
    Mark,
    /// Part of a message or test that is no text.
    Padding,
    /// Text of a message.
    Text,
    /// The message is over.
    End,
    /// What was held, if anything, is no mark: it is read as a line.
    Plain,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Stage {
    #[default]
    Outside,
    /// Bytes that are no text still to come.
    Padding(usize),
    /// Bytes of a message with text still to come.
    Text(usize),
    /// The text is over, its line is to be handed out.
    Over(usize),
}

/// Finds messages in a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Tickets {
    stage: Stage,
    head: [u8; 4],
    held: usize,
}

impl Tickets {
    /// What stands at the start of `bytes`, which is not empty, and how many bytes of it.
    pub(super) fn next(&mut self, bytes: &[u8]) -> (Place, usize) {
        let byte = bytes.first().copied().unwrap_or_default();
        match self.stage {
            Stage::Outside => self.outside(byte),
            Stage::Padding(left) => {
                let length = left.min(bytes.len());
                self.stage = match left.saturating_sub(length) {
                    0 => Stage::Outside,
                    left => Stage::Padding(left),
                };
                (Place::Padding, length)
            }
            Stage::Text(left) => {
                let inside = bytes.get(..left.min(bytes.len())).unwrap_or(bytes);
                let text = inside.iter().position(|byte| matches!(*byte, 0 | b'\n')).unwrap_or(inside.len());
                let left = left.saturating_sub(text);
                let over = text < inside.len() || left == 0;
                self.stage = if over { Stage::Over(left) } else { Stage::Text(left) };
                (Place::Text, text)
            }
            Stage::Over(left) => {
                self.stage = if left == 0 { Stage::Outside } else { Stage::Padding(left) };
                (Place::End, 0)
            }
        }
    }

    fn outside(&mut self, byte: u8) -> (Place, usize) {
        let mark = match (self.head.get(..self.held).unwrap_or_default(), byte) {
            ([], 0 | 1 | 3) | ([0], 1 | 8) | ([1], 0) | ([1, 0], 1..=0x1F) => None,
            ([0, 1], b'A'..=b'Z') | ([3], 4) => Some(Stage::Outside),
            ([0, 8], b'T') => Some(Stage::Padding(TEST.saturating_sub(1))),
            ([1, 0, 2 | 6], 0) => Some(Stage::Text(BODY)),
            ([1, 0, _], 0) => Some(Stage::Padding(BODY)),
            _ => return (Place::Plain, usize::from(self.held == 0)),
        };
        if let Some(place) = self.head.get_mut(self.held) {
            *place = byte;
        }
        self.held = self.held.saturating_add(1);
        let Some(stage) = mark else { return (Place::Held, 1) };
        self.stage = stage;
        (Place::Mark, 1)
    }

    /// Lets go of what is held; the next byte is looked at anew.
    pub(super) fn take(&mut self) -> ([u8; 4], usize) {
        (std::mem::take(&mut self.head), std::mem::take(&mut self.held))
    }

    /// Forgets the message it is in: the stream ended.
    pub(super) fn end(&mut self) -> ([u8; 4], usize) {
        self.stage = Stage::Outside;
        self.take()
    }

    /// How many bytes are held.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Whether the text of a message has come to its end and is to be handed out.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over(_))
    }

    /// Whether it is inside a message, so that its text is not a line yet.
    pub(super) fn inside(&self) -> bool {
        matches!(self.stage, Stage::Text(_) | Stage::Over(_))
    }
}
