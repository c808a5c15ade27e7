//! Which lines are records: those that are most alike.

use std::collections::BTreeMap;

use super::super::layout::cells;
use super::{Layout, Rows};

/// Lines that are tried as the pattern of a record at most.
const PIVOTS: usize = 40;
/// From which share of columns of the same class two lines are alike.
const ALIKE: f64 = 0.6;
/// From which share of the lines that are alike a column of one class is one that every record must have.
const STEADY: f64 = 0.97;
/// The fewest such columns that make a layout.
const FEWEST_STEADY: usize = 4;
/// Characters that may part fields.
const DELIMITERS: [u8; 4] = [b'|', b';', b'\t', b','];

/// What a byte is, as far as layouts go: digit, letter, blank, or itself.
pub(super) fn class(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => b'9',
        b'A'..=b'Z' | b'a'..=b'z' | 0x80.. => b'A',
        b' ' | b'\t' => b' ',
        other => other,
    }
}

pub(super) fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control())
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// Sorts the lines, and says how the fields of the records are found; nothing when no lines are alike.
pub(super) fn sort(lines: &[Vec<u8>]) -> Option<(Layout, Rows)> {
    delimited(lines).or_else(|| columns(lines))
}

fn delimited(lines: &[Vec<u8>]) -> Option<(Layout, Rows)> {
    let full: Vec<usize> = (0..).zip(lines).filter(|(_, line)| !is_blank(line)).map(|(at, _)| at).collect();
    let quote = lines.iter().any(|line| line.contains(&b'"')).then_some(b'"');
    let mut best: Option<(u8, BTreeMap<usize, usize>)> = None;
    for delimiter in DELIMITERS {
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        for at in &full {
            let count = counts.entry(width(lines.get(*at)?, delimiter, quote)).or_default();
            *count = count.saturating_add(1);
        }
        let usual = counts.iter().max_by_key(|(_, count)| **count);
        if usual.is_some_and(|(width, count)| *width >= 4 && share(*count, full.len()) >= 0.6) && best.is_none() {
            best = Some((delimiter, counts));
        }
    }
    let (delimiter, counts) = best?;
    let usual = counts.iter().max_by_key(|(_, count)| **count).map(|(width, _)| *width)?;
    let wide = |width: &usize| counts.get(width).is_some_and(|count| share(*count, full.len()) >= 0.05);
    let taken: Vec<usize> = counts.keys().copied().filter(|width| *width == usual || wide(width)).collect();
    let fields = (*taken.iter().min()?, *taken.iter().max()?);
    let mut rows = Rows { blank: lines.len().saturating_sub(full.len()), ..Rows::default() };
    for at in full {
        let line = lines.get(at)?;
        let fits = (fields.0..=fields.1).contains(&width(line, delimiter, quote));
        if !line.iter().any(u8::is_ascii_digit) || (fits && is_heading(line, delimiter, quote)) {
            rows.furniture.push(at);
        } else if fits {
            rows.records.push(at);
        } else {
            rows.odd.push(at);
        }
    }
    (!rows.records.is_empty()).then_some((Layout::Delimited { delimiter, quote, fields }, rows))
}

fn width(line: &[u8], delimiter: u8, quote: Option<u8>) -> usize {
    let mut found = Vec::new();
    cells(line, delimiter, quote, &mut found);
    found.len()
}

/// Whether each field that is not blank begins with a letter: a row of column names.
fn is_heading(line: &[u8], delimiter: u8, quote: Option<u8>) -> bool {
    let mut found = Vec::new();
    cells(line, delimiter, quote, &mut found);
    found.iter().all(|(from, to)| {
        let text = line.get(*from..*to).unwrap_or_default().trim_ascii();
        text.first().is_none_or(u8::is_ascii_alphabetic)
    })
}

fn columns(lines: &[Vec<u8>]) -> Option<(Layout, Rows)> {
    let full: Vec<(usize, Vec<u8>)> = (0..)
        .zip(lines)
        .filter(|(_, line)| !is_blank(line))
        .map(|(at, line)| (at, line.trim_ascii_end().iter().map(|byte| class(*byte)).collect()))
        .collect();
    let step = full.len().div_ceil(PIVOTS).max(1);
    let pivot = full
        .iter()
        .step_by(step)
        .filter(|(_, line)| line.contains(&b'9'))
        .max_by_key(|(at, pivot)| (alike(&full, pivot).count(), std::cmp::Reverse(*at)))?;
    let cluster: Vec<&Vec<u8>> = alike(&full, &pivot.1).map(|(_, line)| line).collect();
    let steady = steady(&cluster);
    if steady.len() < FEWEST_STEADY {
        return None;
    }
    let mut rows = Rows { blank: lines.len().saturating_sub(full.len()), ..Rows::default() };
    for (at, line) in &full {
        // What is blank does not speak against it: a call that nobody answered has no duration.
        let kept = steady.iter().filter(|(column, class)| line.get(*column) == Some(class)).count();
        let blank = steady.iter().filter(|(column, _)| line.get(*column).is_none_or(|class| *class == b' ')).count();
        let against = steady.len().saturating_sub(kept).saturating_sub(blank);
        if share(kept, steady.len()) >= 0.5 && share(against, steady.len()) <= 0.1 {
            rows.records.push(*at);
        } else if line.contains(&b'9') {
            rows.odd.push(*at);
        } else {
            rows.furniture.push(*at);
        }
    }
    (!rows.records.is_empty()).then_some((Layout::Columns, rows))
}

/// The lines that look like the pivot.
fn alike<'a>(full: &'a [(usize, Vec<u8>)], pivot: &'a [u8]) -> impl Iterator<Item = &'a (usize, Vec<u8>)> {
    full.iter().filter(move |(_, line)| similarity(pivot, line) >= ALIKE)
}

fn similarity(one: &[u8], other: &[u8]) -> f64 {
    let same = one.iter().zip(other).filter(|(one, other)| one == other).count();
    share(same, one.len().max(other.len()))
}

/// Columns that have the same class on almost all lines, and are not blank.
fn steady(cluster: &[&Vec<u8>]) -> Vec<(usize, u8)> {
    let width = cluster.iter().map(|line| line.len()).max().unwrap_or(0);
    let column = |column: usize| {
        let mut counts: BTreeMap<u8, usize> = BTreeMap::new();
        for class in cluster.iter().filter_map(|line| line.get(column)) {
            let count = counts.entry(*class).or_default();
            *count = count.saturating_add(1);
        }
        let (class, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
        (class != b' ' && class != b'A' && share(count, cluster.len()) >= STEADY).then_some((column, class))
    };
    (0..width).filter_map(column).collect()
}
