//! Lines without what is somebody's: masked for a terminal, and with drama numbers for an example that is kept.

use std::collections::BTreeMap;

use super::cut::span;
use super::kinds::digits;
use super::{Column, Kind, Layout, Place};
use crate::number::{RUN, is_separator};

/// What a byte of a line belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// A value whose type is its proof.
    Typed,
    /// A telephone number.
    Number,
    /// A name, an account, a text.
    Words,
    /// No column, or one that proves nothing.
    Unknown,
}

/// Whose each byte of a line is.
fn owners(line: &[u8], layout: Layout, columns: &[Column]) -> Vec<Of> {
    let mut owners = vec![Of::Unknown; line.len()];
    for column in columns.iter().filter(|column| !column.dropped) {
        let Some((from, to)) = span(line, layout, column.place) else { continue };
        let text = line.get(from..to).unwrap_or_default();
        let of = match column.kind {
            Kind::Date | Kind::Time | Kind::Datetime | Kind::Duration | Kind::Seconds => Of::Typed,
            Kind::Number if text.iter().any(u8::is_ascii_alphabetic) && digits(text) < RUN && known(column, text) => {
                Of::Typed
            }
            Kind::Number if text.iter().any(u8::is_ascii_alphabetic) => Of::Words,
            Kind::Number => Of::Number,
            Kind::Code if known(column, text) => Of::Typed,
            Kind::Code | Kind::Account | Kind::Name | Kind::Text => Of::Words,
            _ if digits(text) < RUN => Of::Typed,
            _ => Of::Unknown,
        };
        if let Some(place) = owners.get_mut(from..to) {
            place.fill(of);
        }
    }
    // A column that cuts into a run of digits does not say what it is: half a number is one still.
    for (from, to) in digit_runs(line).filter(|(from, to)| to.saturating_sub(*from) >= RUN) {
        for at in from..to {
            let clock = |column: &&Column| is_clock(column.kind) && within(line, layout, column, at);
            let whole = |column: &&Column| span(line, layout, column.place) == Some((from, to));
            let spoken_for = columns.iter().filter(|column| !column.dropped).any(|c| clock(&c) || whole(&c));
            if let Some(owner) = owners.get_mut(at).filter(|_| !spoken_for) {
                *owner = Of::Number;
            }
        }
    }
    owners
}

fn is_clock(kind: Kind) -> bool {
    kind.is_clock() || kind == Kind::Duration
}

fn within(line: &[u8], layout: Layout, column: &Column, at: usize) -> bool {
    span(line, layout, column.place).is_some_and(|(from, to)| (from..to).contains(&at))
}

/// Digits that nothing stands between.
fn digit_runs(line: &[u8]) -> impl Iterator<Item = (usize, usize)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let digit = |at: usize| line.get(at).is_some_and(u8::is_ascii_digit);
        let from = (at..line.len()).find(|at| digit(*at))?;
        at = (from..line.len()).find(|at| !digit(*at)).unwrap_or(line.len());
        Some((from, at))
    })
}

/// On how many lines a column that is kept as it stands begins or ends within a run of digits that a number's column
/// shares.
pub(super) fn torn(records: &[&[u8]], layout: Layout, columns: &[Column], column: &Column) -> usize {
    let kept = matches!(
        column.kind,
        Kind::Station
            | Kind::Trunk
            | Kind::Device
            | Kind::CallId
            | Kind::Code
            | Kind::Counter
            | Kind::Cost
            | Kind::Seconds
    );
    if column.dropped || !kept {
        return 0;
    }
    let other = |line: &[u8], at: usize| {
        let holders = columns.iter().filter(|other| !other.dropped && within(line, layout, other, at));
        !holders.clone().any(|other| other.place == column.place || other.kind != Kind::Number)
    };
    let tears = |line: &&&[u8]| {
        let Some((from, to)) = span(line, layout, column.place) else { return false };
        digit_runs(line).any(|(start, end)| {
            let shared = start < to && from < end && (start < from || to < end);
            shared
                && end.saturating_sub(start) >= RUN
                && (start..end).any(|at| !(from..to).contains(&at) && other(line, at))
        })
    };
    records.iter().filter(tears).count()
}

fn known(column: &Column, text: &[u8]) -> bool {
    let begins = |word: &str| word.strip_suffix('*').is_some_and(|start| text.starts_with(start.as_bytes()));
    column.values.iter().any(|(value, _)| value.as_bytes() == text) || column.meanings.keys().any(|word| begins(word))
}

/// The line for a terminal: digits of numbers are 0, names A, and so is every run of digits that may be a number.
pub(super) fn masked(line: &[u8], layout: Layout, columns: &[Column]) -> String {
    let owners = owners(line, layout, columns);
    let mut out: Vec<u8> = line.to_vec();
    let mut run: Vec<usize> = Vec::new();
    for (at, (byte, of)) in (0..).zip(line.iter().zip(&owners)) {
        let shown = match (of, byte) {
            (Of::Number, b'0'..=b'9') => b'0',
            (Of::Words, b'0'..=b'9') => b'9',
            (Of::Words, letter) if letter.is_ascii_alphabetic() || *letter >= 0x80 => b'A',
            (_, 0x20..=0x7e) => *byte,
            _ => b'.',
        };
        if let Some(place) = out.get_mut(at) {
            *place = shown;
        }
        match (of, byte) {
            (Of::Unknown, b'0'..=b'9') => run.push(at),
            (Of::Unknown, byte) if is_separator(*byte) => {}
            _ => zero(&mut out, &mut run),
        }
    }
    zero(&mut out, &mut run);
    String::from_utf8_lossy(&out).into_owned()
}

fn zero(out: &mut [u8], run: &mut Vec<usize>) {
    if run.len() >= RUN {
        for at in run.iter() {
            if let Some(place) = out.get_mut(*at) {
                *place = b'0';
            }
        }
    }
    run.clear();
}

/// Writes lines for an example: nobody's numbers, no names, nothing that no column holds.
#[derive(Debug, Default)]
pub(super) struct Disguise {
    numbers: BTreeMap<Vec<u8>, usize>,
    ids: usize,
}

impl Disguise {
    /// The line with drama numbers of the same length in place of its own.
    pub fn line(&mut self, line: &[u8], layout: Layout, columns: &[Column]) -> String {
        // What is in no column is blank; delimiters and quotes stay.
        let stays = |byte: u8| matches!(layout, Layout::Delimited { delimiter, quote, .. } if byte == delimiter || Some(byte) == quote);
        let mut out: Vec<u8> = line.iter().map(|byte| if stays(*byte) { *byte } else { b' ' }).collect();
        for column in columns.iter().filter(|column| !column.dropped) {
            let Some((from, to)) = span(line, layout, column.place) else { continue };
            let text = line.get(from..to).unwrap_or_default();
            let cut = digit_runs(line).any(|(start, end)| {
                let shared = start < to && from < end && (start < from || to < end);
                shared && end.saturating_sub(start) >= RUN && !is_clock(column.kind)
            });
            let written = if cut { self.number(text) } else { self.text(column, text) };
            if let Some(place) = out.get_mut(from..to).filter(|place| place.len() == written.len()) {
                place.copy_from_slice(&written);
            }
        }
        if let Layout::Delimited { delimiter, .. } = layout {
            return squeezed(&out, delimiter);
        }
        String::from_utf8_lossy(&out).trim_end().to_owned()
    }

    fn text(&mut self, column: &Column, text: &[u8]) -> Vec<u8> {
        let words = || {
            let word = |byte: &u8| match byte {
                b'0'..=b'9' => b'9',
                letter if letter.is_ascii_alphabetic() || *letter >= 0x80 => b'A',
                0x20..=0x7e => *byte,
                _ => b' ',
            };
            text.iter().map(word).collect()
        };
        match column.kind {
            // They were read as what they are: that is the proof.
            Kind::Date | Kind::Time | Kind::Datetime | Kind::Duration => text.to_vec(),
            Kind::Code if known(column, text) => text.to_vec(),
            Kind::Number if known(column, text) => text.to_vec(),
            Kind::Number if text.iter().any(u8::is_ascii_alphabetic) => words(),
            Kind::Code | Kind::Account | Kind::Name | Kind::Text => words(),
            Kind::CallId | Kind::Counter | Kind::Cost if digits(text) >= RUN => {
                self.ids = self.ids.saturating_add(1);
                filled(text, &format!("{:0>width$}", self.ids, width = digits(text)))
            }
            // A short one as well: it may be the local part of somebody's.
            Kind::Number => self.number(text),
            _ if digits(text) >= RUN => self.number(text),
            _ => text.to_vec(),
        }
    }

    /// The same number always becomes the same drama number (Ofcom: 01632 960xxx, 020 7946 0xxx, 07700 900xxx).
    fn number(&mut self, text: &[u8]) -> Vec<u8> {
        let own: Vec<u8> = text.iter().copied().filter(u8::is_ascii_digit).collect();
        let next = self.numbers.len().saturating_add(1);
        let serial = *self.numbers.entry(own.clone()).or_insert(next) % 1000;
        let width = own.len();
        let whole = match own.as_slice() {
            [b'0', b'7', ..] if width == 11 => format!("07700900{serial:03}"),
            [b'7', ..] if width == 10 => format!("7700900{serial:03}"),
            _ if width == 8 => format!("79460{serial:03}"),
            _ => format!("900441632960{serial:03}"),
        };
        let whole = format!("{whole:0>width$}");
        filled(text, whole.get(whole.len().saturating_sub(width)..).unwrap_or_default())
    }
}

/// The text with other digits in the places of its own.
fn filled(text: &[u8], digits: &str) -> Vec<u8> {
    let mut digits = digits.bytes();
    text.iter().map(|byte| if byte.is_ascii_digit() { digits.next().unwrap_or(b'0') } else { *byte }).collect()
}

/// Without the blanks that stand where fields were left out.
fn squeezed(line: &[u8], delimiter: u8) -> String {
    let fields = line.split(|byte| *byte == delimiter).map(|field| {
        if field.iter().all(|byte| *byte == b' ') { String::new() } else { String::from_utf8_lossy(field).into_owned() }
    });
    fields.collect::<Vec<_>>().join(&char::from(delimiter).to_string())
}

/// Three or so records that show every word the codes have, the first of each.
pub(super) fn telling(records: &[&[u8]], layout: Layout, columns: &[Column], most: usize) -> Vec<usize> {
    let mut seen: Vec<(Place, Vec<u8>)> = Vec::new();
    let mut chosen = Vec::new();
    for (at, line) in (0..).zip(records) {
        let mut new = chosen.is_empty();
        for column in columns.iter().filter(|column| !column.dropped && !column.kind.is_clock()) {
            let text = super::cut::cell(line, layout, column.place);
            // Of a code each word is worth showing, of the rest only whether it is there.
            let what: Vec<u8> = match column.kind {
                Kind::Code | Kind::Number if known(column, text) => text.to_vec(),
                Kind::Duration => vec![u8::from(text.iter().any(|byte| (b'1'..=b'9').contains(byte)))],
                _ => vec![u8::from(text.is_empty())],
            };
            let key = (column.place, what);
            if !seen.contains(&key) {
                seen.push(key);
                new = true;
            }
        }
        if new && chosen.len() < most {
            chosen.push(at);
        }
    }
    chosen
}
