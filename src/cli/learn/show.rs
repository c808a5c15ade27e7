//! The proposal, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::cli::table;
use crate::dialect::learn::{Check, Column, Draft, Layout, Place};

/// Lines that are shown.
const SHOWN: usize = 3;
/// Values of a code that are shown.
const VALUES: usize = 8;
/// Lines not understood that are shown.
const UNREAD: usize = 8;

/// The whole proposal.
pub(super) fn proposal(draft: &Draft, settings: &[(&str, String)]) -> String {
    let rows = draft.rows();
    let mut text = String::new();
    for (key, value) in settings {
        let _ = writeln!(text, "{key} = {value}");
    }
    let _ = writeln!(
        text,
        "{} records, {} lines of page furniture, {} blank, {} others",
        rows.records.len(),
        rows.furniture.len(),
        rows.blank,
        rows.odd.len()
    );
    let _ = match draft.layout() {
        Layout::Columns => writeln!(text, "Fixed columns"),
        Layout::Delimited { delimiter, fields: (least, most), .. } => {
            writeln!(text, "{least} to {most} fields parted by {:?}", char::from(delimiter))
        }
    };
    text + &columns(draft)
}

/// Three lines with a ruler, and the columns.
pub(super) fn columns(draft: &Draft) -> String {
    let lines = draft.shown(SHOWN);
    let mut text = String::from("\n");
    if draft.is_fixed() {
        let last =
            draft.columns().iter().map(|column| if let Place::Span(_, to) = column.place { to } else { 0 }).max();
        let width = lines.iter().map(|line| line.chars().count()).chain(last).max().unwrap_or(0);
        let tens = (1..=width / 10).fold(String::new(), |text, ten| text + &format!("{:>10}", ten * 10));
        let ones = (1..=width).fold(String::new(), |text, one| text + &(one % 10).to_string());
        let _ = write!(text, "  {}\n  {ones}\n", tens.trim_end());
    }
    for line in &lines {
        let _ = writeln!(text, "  {}", line.trim_end());
    }
    if draft.is_fixed() {
        let mut ruler = String::new();
        for (no, column) in (1..).zip(draft.columns()) {
            let Place::Span(from, to) = column.place else { continue };
            let fill = if column.dropped { "." } else { "-" };
            let mark = format!("{no}{}", fill.repeat(to - from));
            ruler = format!("{ruler:from$}{}", &mark[..(to - from).max(no.to_string().len()).min(mark.len())]);
        }
        let _ = writeln!(text, "  {ruler}");
    }
    text.push('\n');
    let heads = ["", "where", "name", "holds", "is", "sure", "because"].map(str::to_owned).to_vec();
    text += &table(std::iter::once(heads).chain((1..).zip(draft.columns()).map(|(no, column)| row(no, column))));
    for (no, column) in (1..).zip(draft.columns()) {
        text += &values(no, column);
    }
    let stamp = draft.stamp();
    if !stamp.evidence.is_empty() {
        let kind = stamp.kind.and_then(|kind| serde_json::to_value(kind).ok());
        let kind = kind.as_ref().and_then(Value::as_str).unwrap_or("not known");
        let _ = writeln!(text, "\nThe time stamp is: {kind} ({})", stamp.evidence);
    }
    text
}

/// One column as a row of the table.
fn row(no: usize, column: &Column) -> Vec<String> {
    let place = match column.place {
        Place::Span(from, to) => format!("{}-{to}", from + 1),
        Place::Index(index) => format!("field {}", index + 1),
    };
    let mut holds = column.kind.word().to_owned();
    for format in column.format.iter() {
        holds += &format!(" {format}");
    }
    for other in &column.other_formats {
        holds += &format!(" or {other}");
    }
    let is = if column.dropped { "(dropped)" } else { column.role.word() };
    let sure = format!("{:?}", column.sure).to_lowercase();
    vec![no.to_string(), place, column.name.clone(), holds, is.to_owned(), sure, column.evidence.join("; ")]
}

fn values(no: usize, column: &Column) -> String {
    if column.values.is_empty() || column.dropped {
        return String::new();
    }
    let shown: Vec<String> = column
        .values
        .iter()
        .take(VALUES)
        .map(|(value, count)| {
            let meaning = column.meanings.get(value).map(|words| format!(" = {}", words.join(" "))).unwrap_or_default();
            format!("{value}{meaning} ({count})")
        })
        .collect();
    format!("    {no} {}: {}\n", column.name, shown.join(", "))
}

/// One column again, after a change.
pub(super) fn column(draft: &Draft, no: usize) -> String {
    let Some(column) = no.checked_sub(1).and_then(|at| draft.columns().get(at)) else { return String::new() };
    table([row(no, column)]) + &values(no, column)
}

/// What is still to be said.
pub(super) fn open(draft: &Draft) -> String {
    draft.questions().iter().fold(String::new(), |mut text, question| {
        let answers = if question.answers.is_empty() { "…".to_owned() } else { question.answers.join(" | ") };
        let _ = writeln!(text, "open: {}\n      {} {answers}", question.asks, question.command);
        text
    })
}

/// What the draft makes of the lines.
pub(super) fn check(check: &Check) -> String {
    let mut text = format!(
        "{} records, {} lines that are no call, {} page furniture and blank, {} not understood\n",
        check.records,
        check.events,
        check.headers,
        check.unread.len()
    );
    for unread in check.unread.iter().take(UNREAD) {
        let column = unread.column.map(|column| format!(", column {column}")).unwrap_or_default();
        let _ = writeln!(text, "  line {}{column}: {}\n    {}", unread.no, unread.reason, unread.shape);
    }
    if check.unread.len() > UNREAD {
        let _ = writeln!(text, "  and {} more", check.unread.len() - UNREAD);
    }
    text
}

/// The proposal as JSON.
pub(super) fn json(draft: &Draft, settings: &[(&str, String)]) -> Value {
    let rows = draft.rows();
    let layout = match draft.layout() {
        Layout::Columns => json!({"kind": "columns"}),
        Layout::Delimited { delimiter, fields: (least, most), .. } => {
            json!({"kind": "delimited", "delimiter": char::from(delimiter).to_string(), "fields": [least, most]})
        }
    };
    let column = |column: &Column| {
        let place = match column.place {
            Place::Span(from, to) => json!([from + 1, to]),
            Place::Index(index) => json!(index + 1),
        };
        let values: serde_json::Map<String, Value> =
            column.values.iter().map(|(value, count)| (value.clone(), (*count).into())).collect();
        json!({
            "at": place, "name": column.name, "type": column.kind.word(), "format": column.format,
            "other_formats": column.other_formats, "is": column.role.word(), "sure": column.sure,
            "evidence": column.evidence, "heading": column.heading, "filled": column.filled,
            "distinct": column.distinct, "values": values, "meanings": column.meanings, "dropped": column.dropped,
        })
    };
    let questions: Vec<Value> = draft
        .questions()
        .into_iter()
        .map(|question| json!({"asks": question.asks, "command": question.command, "answers": question.answers}))
        .collect();
    let settings: serde_json::Map<String, Value> =
        settings.iter().map(|(key, value)| ((*key).to_owned(), value.clone().into())).collect();
    json!({
        "settings": settings,
        "records": rows.records.len(), "furniture": rows.furniture.len(), "blank": rows.blank, "others": rows.odd.len(),
        "layout": layout,
        "columns": draft.columns().iter().map(column).collect::<Vec<_>>(),
        "stamp": {"kind": draft.stamp().kind, "evidence": draft.stamp().evidence},
        "questions": questions,
    })
}
