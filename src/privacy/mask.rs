//! Masks and shapes: what of a line may be stored.
//!
//! What a mark says is a number, a name or an account is masked as such. Everything else goes by its digits: a run of
//! [`RUN`] or more, spaces, hyphens and brackets ignored, is a number unless types speak for all of it. A run goes on
//! across the bounds of fields, so that a number does not escape by being cut into columns.

use crate::dialect::{Holds, Mark, Role};
use crate::number::{RUN, is_separator};

/// Longest shape that is kept.
const MAX_SHAPE: usize = 512;

/// From how many digits on a run is masked for which only the looks of several fields speak.
const UNASKED_RUN: usize = 6;

/// What is known of one byte of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Nothing: text, or no field at all.
    Nothing,
    /// It looks like a code, counter or cost that no rule asks for; with the mark's place in the list.
    Unasked(usize),
    /// Its type, or the practice, vouches for it.
    Proven,
    /// It is a patient's number.
    Number,
    /// It is a name or an account.
    Name,
}

/// The line with every patient's number, name and account masked. `kept` says of each mark that holds a number how many
/// leading characters of it stay, or nothing when all do.
pub(super) fn masked(line: &[u8], marks: &[Mark], kept: impl Fn(usize) -> Option<usize>) -> Vec<u8> {
    let mut out = line.to_vec();
    let mut known = vec![Known::Nothing; line.len()];
    for (place, mark) in marks.iter().enumerate() {
        let what = match (&mark.holds, mark.role) {
            (Holds::Typed, Role::Unasked) => Known::Unasked(place),
            (Holds::Typed, _) => Known::Proven,
            (Holds::Number(_), _) if kept(place).is_none() => Known::Proven,
            _ => continue,
        };
        set(&mut known, mark, what);
    }
    // After the others: where marks overlap, the one that hides wins.
    for (place, mark) in marks.iter().enumerate() {
        let Some(bytes) = out.get_mut(range(mark)) else { continue };
        match &mark.holds {
            Holds::Number(_) => {
                let Some(kept) = kept(place) else { continue };
                mask_number(bytes, kept);
                set(&mut known, mark, Known::Number);
            }
            Holds::Name | Holds::Account => {
                mask_name(bytes);
                set(&mut known, mark, Known::Name);
            }
            Holds::Typed | Holds::Text => {}
        }
    }
    mask_runs(&mut out, &known);
    mask_hosts(&mut out, &known);
    out
}

/// What a line says beside numbers, names and accounts, whoever's they are: the same at every site and under every
/// configuration, so that a file can be known again by it.
pub fn outline(line: &[u8], marks: &[Mark]) -> Vec<u8> {
    masked(line, marks, |_| Some(0))
}

fn range(mark: &Mark) -> std::ops::Range<usize> {
    usize::from(mark.start)..usize::from(mark.end)
}

fn set(known: &mut [Known], mark: &Mark, what: Known) {
    if let Some(known) = known.get_mut(range(mark)) {
        known.fill(what);
    }
}

/// Writes 0 for each digit but those among the first `kept` characters of the number; what stands between does not
/// count, and padding stays.
fn mask_number(bytes: &mut [u8], kept: usize) {
    let mut seen = 0;
    for byte in bytes.iter_mut() {
        if byte.is_ascii_digit() || matches!(*byte, b'+' | b'*' | b'#') {
            seen += 1;
            if seen > kept && byte.is_ascii_digit() {
                *byte = b'0';
            }
        }
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

/// Digits that follow each other with nothing but separators between.
#[derive(Default)]
struct Run {
    digits: Vec<usize>,
    last: Option<usize>,
}

impl Run {
    /// Whether the digit at `position` goes on with this run. A number that is known to be one reaches into a column of
    /// codes only where nothing stands between: a blank there is the column's own.
    fn takes(&self, position: usize, known: &[Known]) -> bool {
        let Some(last) = self.last else { return true };
        let column = |one: Known, other: Known| matches!((one, other), (Known::Number, Known::Unasked(_)));
        let (before, now) = (known[last], known[position]);
        position == last + 1 || !(column(before, now) || column(now, before))
    }

    fn close(&mut self, bytes: &mut [u8], known: &[Known]) {
        let unasked = |position: &&usize| matches!(known[**position], Known::Unasked(_));
        let unknown = self.digits.iter().any(|position| matches!(known[*position], Known::Nothing));
        let number = self.digits.iter().any(|position| known[*position] == Known::Number);
        let mut fields: Vec<Known> = self.digits.iter().filter(unasked).map(|position| known[*position]).collect();
        let looks = fields.len();
        fields.dedup();
        let is_number = (unknown || number) && self.digits.len() >= RUN;
        if is_number || (fields.len() > 1 && looks >= UNASKED_RUN) {
            for &position in &self.digits {
                if matches!(known[position], Known::Nothing | Known::Unasked(_)) {
                    bytes[position] = b'0';
                }
            }
        }
        self.digits.clear();
        self.last = None;
    }
}

fn mask_runs(bytes: &mut [u8], known: &[Known]) {
    let mut run = Run::default();
    for position in 0..bytes.len() {
        let byte = bytes[position];
        if byte.is_ascii_digit() && known[position] != Known::Name {
            if !run.takes(position, known) {
                run.close(bytes, known);
            }
            run.digits.push(position);
            run.last = Some(position);
        } else if !is_separator(byte) {
            run.close(bytes, known);
        }
    }
    run.close(bytes, known);
}

/// In what nothing is known of, what follows `@` stays only if it is an address literal.
fn mask_hosts(bytes: &mut [u8], known: &[Known]) {
    let mut from = 0;
    while let Some(at) = bytes.iter().skip(from).position(|byte| *byte == b'@').map(|ahead| from + ahead) {
        from = at + 1;
        let of_host = |byte: u8| byte.is_ascii_alphanumeric() || byte >= 0x80 || b".-_:[]".contains(&byte);
        let length = bytes[from..]
            .iter()
            .zip(&known[from..])
            .take_while(|(byte, known)| of_host(**byte) && matches!(known, Known::Nothing));
        let end = from + length.count();
        if !is_address(&bytes[from..end]) {
            mask_name(&mut bytes[from..end]);
        }
        from = end;
    }
}

fn is_address(host: &[u8]) -> bool {
    std::str::from_utf8(host).is_ok_and(|text| {
        text.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok()
            || text.parse::<std::net::SocketAddr>().is_ok()
    })
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
    use crate::number::Number;

    fn text(line: &str, marks: &[Mark]) -> String {
        String::from_utf8(masked(line.as_bytes(), marks, |_| Some(2))).unwrap()
    }

    /// Marks `columns` of a line, from 0, end excluded.
    fn mark(columns: std::ops::Range<u16>, holds: Holds, role: Role) -> Mark {
        Mark { start: columns.start, end: columns.end, holds, role }
    }

    fn number(digits: &str) -> Holds {
        Holds::Number(Number::parse(digits.as_bytes()).unwrap())
    }

    #[test]
    fn a_shape_holds_no_digit_and_no_letter_of_the_line() {
        assert_eq!(shape(b"0815 02/11 T3 07700900123 SMITH J\x02"), "9999 99/99 A9 99999999999 AAAAA A\\x02");
    }

    #[test]
    fn digits_in_text_are_masked_from_five_on() {
        assert_eq!(text("Line 5.1 call 07700 900-123 now", &[]), "Line 5.1 call 00000 000-000 now");
        assert_eq!(text("+44 (0)7700 900123", &[]), "+00 (0)0000 000000");
        assert_eq!(text("1234 or 12/34/56", &[]), "1234 or 12/34/56");
    }

    #[test]
    fn a_number_cut_into_columns_does_not_escape() {
        let line = "0770 0 9001 23";
        let typed = |role| [mark(5..6, Holds::Typed, role)];
        assert_eq!(text(line, &typed(Role::Unasked)), "0000 0 0000 00");
        assert_eq!(text(line, &typed(Role::Plain)), "0000 0 0000 00", "what a rule asks for stays");
        let codes = [0..4, 5..6, 7..11, 12..14].map(|columns| mark(columns, Holds::Typed, Role::Unasked));
        assert_eq!(text(line, &codes), "0000 0 0000 00");
        let two = [0..3, 4..6].map(|columns| mark(columns, Holds::Typed, Role::Unasked));
        assert_eq!(text("028 00", &two), "028 00", "a record number and a customer");
        assert_eq!(text("12345", &[mark(0..5, Holds::Typed, Role::Unasked)]), "12345", "one counter");
    }

    #[test]
    fn what_a_number_field_cut_off_is_masked_with_it() {
        let digits = [mark(2..9, number("0770090"), Role::Plain)];
        assert_eq!(text("A 0770090 0123", &digits), "A 0700000 0000");
        let overflowing = [mark(2..9, number("0770090"), Role::Plain), mark(9..13, Holds::Typed, Role::Unasked)];
        assert_eq!(text("A 07700900123", &overflowing), "A 07000000000");
        let beside = [mark(2..9, number("0770090"), Role::Plain), mark(10..13, Holds::Typed, Role::Unasked)];
        assert_eq!(text("A 0770090 123", &beside), "A 0700000 123", "a cost in the next column");
    }

    #[test]
    fn a_host_name_in_text_is_masked_and_an_address_is_not() {
        assert_eq!(text("via sip:07700900123@pbx.example;x", &[]), "via sip:00000000000@AAA.AAAAAAA;x");
        assert_eq!(text("07700900123@192.0.2.10 ok", &[]), "00000000000@192.0.2.10 ok");
        assert_eq!(text("@ @[2001:db8::1]", &[]), "@ @[2001:db8::1]");
    }

    #[test]
    fn padding_stays_and_names_become_a_and_9() {
        assert_eq!(text(" &163296018XXXXXXX", &[mark(2..18, number("163296018"), Role::Plain)]), " &160000000XXXXXXX");
        assert_eq!(text("Jos\u{e9} 2", &[mark(0..7, Holds::Name, Role::Plain)]), "AAAAA 9");
    }
}
