//! Parity marks: how a serial port set to `INPCK|PARMRK` tells of bytes that came in wrong (termios(3)).
//!
//! `FF 00 00` is a break, `FF 00 x` a byte `x` with a parity or framing error, `FF FF` a real FF. Pure, and the same for
//! any chunking.

use serde::{Deserialize, Serialize};

/// Stands in the stream for a byte that came in wrong, so that columns keep their place and no field that it fell on
/// can be read as if it were right.
pub const IN_ERROR: u8 = 0xFF;

/// What went wrong on the wire while some bytes were read.
///
/// Overruns are not here: Linux tells of them in its own log only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LineErrors {
    /// Bytes with a parity or framing error: a wrong baud rate or parity, or a bad cable.
    pub parity_or_framing: u32,
    /// Breaks: the line was held low, as when the PBX restarts.
    pub breaks: u32,
}

/// Takes the marks out of a port's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Marks {
    seen: Seen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Seen {
    #[default]
    Nothing,
    Escape,
    EscapeNul,
}

impl Marks {
    /// Appends the bytes that `input` stands for to `out` and counts what went wrong.
    pub fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> LineErrors {
        let mut errors = LineErrors::default();
        for &byte in input {
            self.seen = match (self.seen, byte) {
                (Seen::Nothing, 0xFF) => Seen::Escape,
                (Seen::Nothing, _) => {
                    out.push(byte);
                    Seen::Nothing
                }
                (Seen::Escape, 0x00) => Seen::EscapeNul,
                (Seen::Escape, 0xFF) => {
                    out.push(0xFF);
                    Seen::Nothing
                }
                // Not a mark the kernel makes: nothing is lost.
                (Seen::Escape, _) => {
                    out.extend([0xFF, byte]);
                    Seen::Nothing
                }
                (Seen::EscapeNul, 0x00) => {
                    errors.breaks += 1;
                    Seen::Nothing
                }
                (Seen::EscapeNul, _) => {
                    errors.parity_or_framing += 1;
                    out.push(IN_ERROR);
                    Seen::Nothing
                }
            };
        }
        errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Event {
        Byte(u8),
        Wrong(u8),
        Break,
    }

    /// What the kernel writes for an event.
    fn marked(event: &Event) -> Vec<u8> {
        match event {
            Event::Byte(0xFF) => vec![0xFF, 0xFF],
            Event::Byte(byte) => vec![*byte],
            Event::Wrong(byte) => vec![0xFF, 0x00, *byte],
            Event::Break => vec![0xFF, 0x00, 0x00],
        }
    }

    proptest! {
        #[test]
        fn marks_decode_to_what_happened_whatever_the_chunks(
            events in proptest::collection::vec(prop_oneof![
                4 => any::<u8>().prop_map(Event::Byte),
                1 => Just(Event::Byte(0xFF)),
                1 => (1u8..=255).prop_map(Event::Wrong),
                1 => Just(Event::Break),
            ], 0..60),
            size in 1usize..10,
        ) {
            let input: Vec<u8> = events.iter().flat_map(marked).collect();
            let mut expected = Vec::new();
            let mut counted = LineErrors::default();
            for event in &events {
                match event {
                    Event::Byte(byte) => expected.push(*byte),
                    Event::Wrong(_) => { expected.push(IN_ERROR); counted.parity_or_framing += 1; }
                    Event::Break => counted.breaks += 1,
                }
            }
            let (mut marks, mut out, mut errors) = (Marks::default(), Vec::new(), LineErrors::default());
            for chunk in input.chunks(size) {
                let more = marks.decode(chunk, &mut out);
                errors.parity_or_framing += more.parity_or_framing;
                errors.breaks += more.breaks;
            }
            prop_assert_eq!(out, expected);
            prop_assert_eq!(errors, counted);
        }
    }
}
