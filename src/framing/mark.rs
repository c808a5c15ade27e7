//! The frame mark of [`super::Protocol::LengthLe32`]: four bytes, gathered one at a time across chunks.

use serde::{Deserialize, Serialize};

/// The longest frame. Mitel's records are 82 bytes long; what claims more is not a frame.
const LONGEST: u32 = 1024;

/// The bytes of a possible mark that have come so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Mark {
    bytes: [u8; 4],
    held: u8,
}

/// What the bytes so far can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The beginning of a mark.
    Wait,
    /// A mark: a frame of so many bytes follows.
    Frame(usize),
    /// Not a mark.
    Plain,
}

impl Mark {
    pub(super) fn add(&mut self, byte: u8) -> Verdict {
        if let Some(place) = self.bytes.get_mut(usize::from(self.held)) {
            *place = byte;
            self.held = self.held.saturating_add(1);
        }
        let [first, second, third, fourth] = self.bytes;
        match self.held {
            0 => Verdict::Wait,
            // NUL is padding in front of a mark sooner than the low byte of 256, 512 or 768.
            1 if first != 0 => Verdict::Wait,
            2 if second <= 4 => Verdict::Wait,
            3 if third == 0 => Verdict::Wait,
            4 if fourth == 0 => match u32::from_le_bytes(self.bytes) {
                length @ 1..=LONGEST => usize::try_from(length).map_or(Verdict::Plain, Verdict::Frame),
                _ => Verdict::Plain,
            },
            _ => Verdict::Plain,
        }
    }

    /// How many bytes are held.
    pub(super) fn held(self) -> usize {
        usize::from(self.held)
    }

    /// Lets go of the bytes held.
    pub(super) fn take(&mut self) -> ([u8; 4], usize) {
        let taken = (self.bytes, self.held());
        *self = Mark::default();
        taken
    }
}
