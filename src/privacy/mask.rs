//! Masks and shapes: what of a line may be stored.

use crate::dialect::{Holds, Mark};
use crate::number::Number;

/// Fewest digits that are taken for a telephone number in text and in columns that no rule types.
const RUN: usize = 5;

/// Longest shape that is kept.
const MAX_SHAPE: usize = 512;

/// The line with every patient's number, name and account masked. `verdict` is asked for each number, given the
/// station numbers named on the line, and answers how many leading characters of it stay, or nothing when all do.
pub fn masked(line: &[u8], marks: &[Mark], verdict: impl Fn(&Number, &[&str]) -> Option<usize>) -> Vec<u8> {
    let mut out = line.to_vec();
    let stations: Vec<&str> = marks
        .iter()
        .filter(|mark| mark.holds == Holds::Typed)
        .filter_map(|mark| line.get(range(mark)))
        .filter_map(|bytes| std::str::from_utf8(bytes).ok())
        .map(|text| text.trim().trim_start_matches(|letter: char| letter.is_ascii_alphabetic()))
        .filter(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .collect();
    let mut covered = vec![false; line.len()];
    for mark in marks {
        let Some(bytes) = out.get_mut(range(mark)) else { continue };
        match &mark.holds {
            Holds::Typed => {}
            Holds::Number(number) => {
                if let Some(kept) = verdict(number, &stations) {
                    mask_number(bytes, kept);
                }
                mask_host(bytes);
            }
            Holds::Name | Holds::Account => mask_name(bytes),
            Holds::Text => continue,
        }
        if let Some(covered) = covered.get_mut(range(mark)) {
            covered.fill(true);
        }
    }
    mask_runs(&mut out, &covered);
    out
}

fn range(mark: &Mark) -> std::ops::Range<usize> {
    usize::from(mark.start)..usize::from(mark.end)
}

/// Writes 0 for each digit but those among the first `kept` characters of the number; spaces and hyphens do not count.
fn mask_number(bytes: &mut [u8], kept: usize) {
    let mut seen = 0;
    for byte in bytes.iter_mut() {
        if *byte == b'@' {
            break;
        }
        if byte.is_ascii_digit() || matches!(*byte, b'+' | b'*' | b'#') {
            seen += 1;
            if seen > kept && byte.is_ascii_digit() {
                *byte = b'0';
            }
        } else if byte.is_ascii_alphabetic() && !matches!(*byte, b'x' | b'X' | b'P' | b'F') {
            // A caller's name printed in the number column.
            *byte = b'A';
        }
    }
}

/// What follows `@` stays only if it is an address literal.
fn mask_host(bytes: &mut [u8]) {
    let Some(position) = bytes.iter().position(|byte| *byte == b'@') else { return };
    let Some(host) = bytes.get_mut(position + 1..) else { return };
    let literal = std::str::from_utf8(host).ok().map(str::trim_end).is_some_and(|text| {
        text.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok()
            || text.parse::<std::net::SocketAddr>().is_ok()
    });
    if !literal {
        mask_name(host);
    }
}

fn mask_name(bytes: &mut [u8]) {
    for byte in bytes {
        *byte = match *byte {
            digit if digit.is_ascii_digit() => b'9',
            letter if letter.is_ascii_alphabetic() || letter >= 0x80 => b'A',
            other => other,
        };
    }
}

/// Writes 0 for the digits of each run of [`RUN`] or more in what no mark covers, spaces and hyphens ignored.
fn mask_runs(bytes: &mut [u8], covered: &[bool]) {
    let mut run: Vec<usize> = Vec::new();
    let close = |bytes: &mut [u8], run: &mut Vec<usize>| {
        if run.len() >= RUN {
            for &position in run.iter() {
                bytes[position] = b'0';
            }
        }
        run.clear();
    };
    for position in 0..bytes.len() {
        let byte = bytes[position];
        if covered[position] {
            close(bytes, &mut run);
        } else if byte.is_ascii_digit() {
            run.push(position);
        } else if !matches!(byte, b' ' | b'-') {
            close(bytes, &mut run);
        }
    }
    close(bytes, &mut run);
}

/// The shape of a line that no rule understands: digits become 9, letters A, control bytes `\xNN`; layout and
/// punctuation stay. It can be counted and learnt from, never turned back.
pub fn shape(line: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(line.len().min(MAX_SHAPE));
    for &byte in line {
        match byte {
            b'0'..=b'9' => out.push('9'),
            b'A'..=b'Z' | b'a'..=b'z' => out.push('A'),
            b' '..=b'~' => out.push(char::from(byte)),
            0x80.. => out.push('A'),
            control => {
                let _ = write!(out, "\\x{control:02X}");
            }
        }
        if out.len() >= MAX_SHAPE {
            out.truncate(MAX_SHAPE);
            break;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_holds_no_digit_and_no_letter_of_the_line() {
        assert_eq!(shape(b"0815 02/11 T3 07700900123 SMITH J\x02"), "9999 99/99 A9 99999999999 AAAAA A\\x02");
    }

    #[test]
    fn digits_in_text_are_masked_from_five_on() {
        let text = |line: &str| String::from_utf8(masked(line.as_bytes(), &[], |_, _| None)).unwrap();
        assert_eq!(text("Line 5.1 call 07700 900-123 now"), "Line 5.1 call 00000 000-000 now");
        assert_eq!(text("1234 or 12/34/56"), "1234 or 12/34/56");
    }

    #[test]
    fn a_host_name_is_masked_and_an_address_is_not() {
        let line = b"07700900123@pbx.example";
        let mark = |length: usize| Mark {
            start: 0,
            end: length as u16,
            holds: Holds::Number(Number::parse(b"07700900123").unwrap()),
        };
        let host = masked(line, &[mark(line.len())], |_, _| Some(2));
        assert_eq!(host, b"07000000000@AAA.AAAAAAA");
        let line = b"07700900123@192.0.2.10";
        assert_eq!(masked(line, &[mark(line.len())], |_, _| Some(2)), b"07000000000@192.0.2.10");
    }

    #[test]
    fn a_station_that_the_line_names_stays() {
        let line = b"E214,214";
        let marks = [
            Mark { start: 0, end: 4, holds: Holds::Typed },
            Mark { start: 5, end: 8, holds: Holds::Number(Number::parse(b"214").unwrap()) },
        ];
        let out = masked(line, &marks, |number, stations| (!stations.contains(&number.reveal())).then_some(0));
        assert_eq!(out, line);
    }
}
