//! NEC's texts: what goes over TCP port 60010 of a NEAX 2000 IPS, SV8300, SV8500 or SV9300.
//!
//! `SYN | what it is, a digit | length of the body, five digits | body | parity`. The body begins with the number of the
//! device, two digits. Here only the record is taken out; [`crate::source`] asks, checks and acknowledges.
//! Sources: NEC ND-71223 (SMDR over TCP), ND-70428 for the frame of the sister port, and texts of public clients.

use serde::{Deserialize, Serialize};

const SYN: u8 = 0x16;
/// A record is 135 bytes; what claims more is no text.
const LONGEST: usize = 1024;
/// The text that carries a record.
const DATA: u8 = b'2';
/// Device and sequence number, in front of the record.
const NUMBERS: usize = 3;

/// What the next bytes of a stream are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The beginning of what may be a head: it is held.
    Held,
    /// Text of a line.
    Text,
    /// With these the head of a text is complete.
    Head,
    /// Part of a text that is no record.
    Mark,
    /// The parity byte.
    Parity,
    /// What was held is no head.
    NoHead,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Stage {
    #[default]
    Outside,
    Head,
    /// Bytes of the body still to come that are no record, and bytes of the record behind them.
    Body(usize, usize),
}

/// Finds texts in a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Texts {
    stage: Stage,
    head: [u8; Texts::HEAD],
    held: usize,
}

impl Texts {
    /// SYN, what it is, and the length.
    pub(super) const HEAD: usize = 7;

    /// What stands at the start of `bytes`, which is not empty, and how many bytes of it.
    pub(super) fn next(&mut self, bytes: &[u8]) -> (Place, usize) {
        match self.stage {
            Stage::Outside => match bytes.iter().position(|byte| *byte == SYN) {
                Some(0) => {
                    self.head = [SYN; Texts::HEAD];
                    self.held = 1;
                    self.stage = Stage::Head;
                    (Place::Held, 1)
                }
                Some(at) => (Place::Text, at),
                None => (Place::Text, bytes.len()),
            },
            Stage::Head => {
                let byte = bytes.first().copied().unwrap_or_default();
                if !byte.is_ascii_digit() {
                    return (Place::NoHead, 0);
                }
                if let Some(place) = self.head.get_mut(self.held) {
                    *place = byte;
                }
                self.held = self.held.saturating_add(1);
                if self.held < Texts::HEAD {
                    return (Place::Held, 1);
                }
                let [_, what, length @ ..] = self.head;
                match number(&length) {
                    body @ 1..=LONGEST => {
                        let marks = if what == DATA { body.min(NUMBERS) } else { body };
                        self.stage = Stage::Body(marks, body.saturating_sub(marks));
                        self.held = 0;
                        (Place::Head, 1)
                    }
                    _ => (Place::NoHead, 1),
                }
            }
            Stage::Body(0, 0) => {
                self.stage = Stage::Outside;
                (Place::Parity, 1)
            }
            Stage::Body(0, left) => {
                let length = left.min(bytes.len());
                self.stage = Stage::Body(0, left.saturating_sub(length));
                (Place::Text, length)
            }
            Stage::Body(marks, left) => {
                let length = marks.min(bytes.len());
                self.stage = Stage::Body(marks.saturating_sub(length), left);
                (Place::Mark, length)
            }
        }
    }

    /// The stream ended, or what is held is no head: lets go of it.
    pub(super) fn end(&mut self) -> ([u8; Texts::HEAD], usize) {
        let held = (self.head, self.held);
        *self = Texts::default();
        held
    }

    /// How many bytes are held.
    pub(super) fn held(&self) -> usize {
        self.held
    }
}

fn number(digits: &[u8]) -> usize {
    digits.iter().fold(0, |number: usize, digit| {
        number.saturating_mul(10).saturating_add(usize::from(digit.saturating_sub(b'0')))
    })
}
