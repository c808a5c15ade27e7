//! What bytes from a serial port say about its settings: whether they are text, text with a parity bit on top, or the
//! garbage that a wrong speed makes. Pure.

use super::parity::IN_ERROR;
use crate::config::Parity;

/// Fewer bytes than these say nothing.
const ENOUGH: usize = 24;

/// The least share of digits, blanks and line ends in what a PBX prints.
const FIGURES: f64 = 0.15;

/// What bytes that were read as eight bits without parity look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looks {
    /// Not enough of them.
    TooFew,
    /// Text, as it should be.
    Text,
    /// Text in seven bits with this parity on top.
    Seven(Parity),
    /// Text in seven bits with a top bit that is always set.
    SevenMark,
    /// Text, where many bytes came with an error: eight bits and a parity bit.
    EightWithParity,
    /// No text at all: another speed.
    Garbage,
}

fn is_text(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\r' | b'\n' | b'\t' | 0x0C | 0x02 | 0x03 | 0x00 | 0x11 | 0x13)
}

/// Looks at `bytes`; those that came in error stand as [`IN_ERROR`], and with the breaks are `errors` in number.
pub fn look(bytes: &[u8], errors: u32) -> Looks {
    let errors = usize::try_from(errors).unwrap_or(usize::MAX);
    let sound: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != IN_ERROR).collect();
    if bytes.len() + errors < ENOUGH {
        return Looks::TooFew;
    }
    let share = |count: usize, of: usize| count as f64 / of.max(1) as f64;
    let text = |test: &dyn Fn(u8) -> bool| share(sound.iter().filter(|byte| test(**byte)).count(), sound.len());
    let in_error = share(bytes.len() - sound.len(), bytes.len()).max(share(errors, bytes.len()));
    // A line that is much slower than the port is one long break after another: a port that gives no marks has a NUL for
    // each. Padding behind a line is a few of them.
    if sound.len() < ENOUGH / 2 || text(&|byte| byte == 0) > 0.5 {
        return Looks::Garbage;
    }
    // Call records are digits and blanks above all, which is what garbage has least of even where it is printable: at
    // 9600 baud a line of 57600 is letters and signs.
    if text(&|byte| matches!(byte & 0x7F, b'0'..=b'9' | b' ' | b'\r' | b'\n')) < FIGURES {
        return Looks::Garbage;
    }
    if text(&is_text) >= 0.95 {
        return if in_error > 0.15 { Looks::EightWithParity } else { Looks::Text };
    }
    // Names may bear accents: they do not make the rest of the line a parity bit's work.
    let stripped = text(&|byte| is_text(byte & 0x7F));
    let top = text(&|byte| byte & 0x80 != 0);
    if stripped < 0.97 || in_error > 0.15 {
        return Looks::Garbage;
    }
    let even = text(&|byte| byte.count_ones() % 2 == 0);
    match () {
        () if even >= 0.97 => Looks::Seven(Parity::Even),
        () if even <= 0.03 => Looks::Seven(Parity::Odd),
        () if top >= 0.97 => Looks::SevenMark,
        () if top <= 0.25 => Looks::Text,
        () => Looks::Garbage,
    }
}

/// The bytes without the bit on top.
pub fn seven(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte & 0x7F).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = b"20.11.2609:30:00  1   20100:0500:01:00 07700900123              1\r\n";

    fn with_parity(odd: bool) -> Vec<u8> {
        LINE.iter().map(|byte| if (byte.count_ones() % 2 == 1) != odd { byte | 0x80 } else { *byte }).collect()
    }

    /// What a UART makes of it that samples at another speed: bits stretched or squeezed, as many bytes as time allows.
    fn at_another_speed(factor: f64) -> Vec<u8> {
        let bits: Vec<bool> = LINE
            .iter()
            .flat_map(|byte| {
                let data = (0..8).map(move |bit| byte >> bit & 1 == 1);
                std::iter::once(false).chain(data).chain([true])
            })
            .collect();
        let sample = |at: f64| bits.get((at * factor) as usize).copied().unwrap_or(true);
        let (mut at, end, mut out) = (0.0, bits.len() as f64 / factor, Vec::new());
        while at < end {
            if sample(at) {
                at += 0.25;
                continue;
            }
            out.push((0..8).fold(0, |byte, bit| byte | u8::from(sample(at + 1.5 + f64::from(bit))) << bit));
            at += 9.5;
        }
        out
    }

    #[test]
    fn text_parity_and_another_speed_are_told_apart() {
        assert_eq!(look(LINE, 0), Looks::Text);
        assert_eq!(look(&LINE[..10], 0), Looks::TooFew);
        assert_eq!(look(&with_parity(false), 0), Looks::Seven(Parity::Even));
        assert_eq!(look(&with_parity(true), 0), Looks::Seven(Parity::Odd));
        assert_eq!(seven(&with_parity(false)), LINE);
        assert_eq!(look(&LINE.iter().map(|byte| byte | 0x80).collect::<Vec<_>>(), 0), Looks::SevenMark);
        assert_eq!(look(&[0; 40], 0), Looks::Garbage);
        assert_eq!(look(&[], 40), Looks::Garbage, "breaks only");
        let padded = [LINE, &[0; 6]].concat();
        assert_eq!(look(&padded, 0), Looks::Text);
        for factor in [0.5, 2.0, 4.0, 6.0, 8.0, 12.0, 0.25, 0.125, 1.5] {
            let bytes = at_another_speed(factor);
            assert!(matches!(look(&bytes, 0), Looks::Garbage | Looks::TooFew), "{factor}: {bytes:X?}");
        }
        let half: Vec<u8> =
            LINE.iter().enumerate().map(|(i, byte)| if i % 2 == 0 { IN_ERROR } else { *byte }).collect();
        assert_eq!(look(&half, 33), Looks::EightWithParity);
        let name = b"20.11.2609:30:00  1   20100:0500:01:00 M\xFCller  H\xE9l\xE8ne        1\r\n";
        assert_eq!(look(name, 0), Looks::Text);
    }
}
