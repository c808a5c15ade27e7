//! Where the columns are: between what is blank on every record, and round what is a date or time on every record.

use super::super::layout::cells;
use super::{Layout, Place};

/// Dates and times as they stand in columns: 9 is a digit (the first may be blank), A is A or P, M is M.
const CLOCKS: [&str; 21] = [
    "9999/99/99",
    "9999-99-99",
    "9999.99.99",
    "99/99/9999",
    "99.99.9999",
    "99-99-9999",
    "99:99'99\"",
    "99:99'99",
    "99:99:99",
    "99/99/99",
    "99.99.99",
    "99-99-99",
    "9/99/99",
    "99:99AM",
    "9:99AM",
    "99:99A",
    "9:99'99",
    "9:99:99",
    "99:99",
    "99/99",
    "9'99",
];
/// The most different letters before a number that are a code of its own.
const MOST_LETTERS: usize = 8;

/// The bytes of a place on a line, trimmed.
pub(super) fn cell(line: &[u8], layout: Layout, place: Place) -> &[u8] {
    span(line, layout, place).and_then(|(from, to)| line.get(from..to)).unwrap_or_default()
}

/// Where the trimmed bytes of a place are; nothing when it is blank.
pub(super) fn span(line: &[u8], layout: Layout, place: Place) -> Option<(usize, usize)> {
    let (from, to) = match (layout, place) {
        (Layout::Delimited { delimiter, quote, .. }, Place::Index(index)) => {
            let mut found = Vec::new();
            cells(line, delimiter, quote, &mut found);
            *found.get(index)?
        }
        (_, Place::Span(from, to)) => (from, to.min(line.len())),
        (Layout::Columns, Place::Index(_)) => return None,
    };
    let text = line.get(from..to)?;
    let before = text.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let after = text.iter().rev().take_while(|byte| byte.is_ascii_whitespace()).count();
    let (from, to) = (from.saturating_add(before), to.saturating_sub(after));
    (from < to).then_some((from, to))
}

/// The places of all columns of the records.
pub(super) fn places(records: &[&[u8]], layout: Layout) -> Vec<Place> {
    match layout {
        Layout::Delimited { fields: (_, most), .. } => (0..most)
            .map(Place::Index)
            .filter(|place| records.iter().any(|line| !cell(line, layout, *place).is_empty()))
            .collect(),
        Layout::Columns => {
            let parts = segments(records).into_iter().flat_map(|segment| around_clocks(records, segment));
            parts.flat_map(|segment| after_letter(records, segment)).map(|(from, to)| Place::Span(from, to)).collect()
        }
    }
}

fn segments(records: &[&[u8]]) -> Vec<(usize, usize)> {
    let width = records.iter().map(|line| line.len()).max().unwrap_or(0);
    // One line in two hundred may be askew.
    let spared = records.len() / 200;
    let full = |column: usize| {
        let printed = |line: &&&[u8]| line.get(column).is_some_and(|byte| !byte.is_ascii_whitespace());
        records.iter().filter(printed).count() > spared
    };
    let mut found = Vec::new();
    let mut from = None;
    for column in 0..=width {
        match (full(column), from) {
            (true, None) => from = Some(column),
            (false, Some(start)) => {
                found.push((start, column));
                from = None;
            }
            _ => {}
        }
    }
    found
}

/// Cuts a segment before and after each date or time that stands at the same place on every record.
fn around_clocks(records: &[&[u8]], (from, to): (usize, usize)) -> Vec<(usize, usize)> {
    let filled: Vec<&&[u8]> = records
        .iter()
        .filter(|line| line.get(from..to.min(line.len())).is_some_and(|part| !part.trim_ascii().is_empty()))
        .collect();
    let mut cuts = vec![from];
    let mut at = from;
    while at < to {
        let here = CLOCKS.iter().find(|clock| {
            let end = at.saturating_add(clock.len());
            let fitting = filled.iter().filter(|line| line.get(at..end).is_some_and(|part| is_clock(part, clock)));
            end <= to && fitting.count().saturating_mul(100) >= filled.len().saturating_mul(97)
        });
        match here {
            Some(clock) => {
                cuts.push(at);
                at = at.saturating_add(clock.len());
                cuts.push(at);
            }
            None => at = at.saturating_add(1),
        }
    }
    cuts.push(to);
    cuts.dedup();
    cuts.windows(2).filter_map(|pair| Some((*pair.first()?, *pair.last()?))).collect()
}

fn is_clock(part: &[u8], clock: &str) -> bool {
    (0_usize..).zip(part.iter().zip(clock.bytes())).all(|(at, (byte, want))| match want {
        b'9' => byte.is_ascii_digit() || (at == 0 && *byte == b' '),
        b'A' => matches!(byte, b'A' | b'P' | b'a' | b'p'),
        b'M' => matches!(byte, b'M' | b'm'),
        other => *byte == other,
    })
}

/// Cuts a letter off that stands right before a number and is one of few.
fn after_letter(records: &[&[u8]], (from, to): (usize, usize)) -> Vec<(usize, usize)> {
    let second = from.saturating_add(1);
    let parts = || {
        records
            .iter()
            .filter_map(|line| line.get(from..to.min(line.len())))
            .filter(|part| !part.trim_ascii().is_empty())
    };
    let mut letters: Vec<u8> = parts().filter_map(|part| part.first().copied()).collect();
    letters.sort_unstable();
    letters.dedup();
    let few = letters.len() <= MOST_LETTERS && letters.iter().all(u8::is_ascii_alphabetic);
    let long = |part: &[u8]| part.iter().skip(1).take_while(|byte| byte.is_ascii_digit()).count() >= 5;
    let numbers = parts().filter(|part| long(part)).count();
    if few && numbers.saturating_mul(5) >= parts().count() && numbers > 0 && second < to {
        vec![(from, second), (second, to)]
    } else {
        vec![(from, to)]
    }
}
