//! The answer as a person reads it.

use std::fmt::Write as _;

use serde::Serialize;

use crate::call::Outcome;
use crate::cli::table;
use crate::daemon::explain::{Answer, Brief, ExplainedLine, Explanation, Field, SLOT_MINUTES};

/// The whole answer.
pub fn text(answer: &Answer) -> String {
    match answer {
        Answer::Call(explanation) => call(explanation),
        Answer::Which { within, calls } => which(*within, calls),
    }
}

fn which(within: bool, calls: &[Brief]) -> String {
    let head = if within { "several calls arrived then" } else { "no call arrived then; the nearest are" };
    let rows = calls.iter().map(|call| {
        vec![
            format!("  {}/{}", call.source, line_of(call)),
            call.arrival.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            word(&call.kind),
            lasted(call),
        ]
    });
    format!("{head}\n{}name one: smdrd explain SOURCE/LINE\n", table(rows))
}

fn line_of(call: &Brief) -> &str {
    call.id.rsplit_once('/').map_or(call.id.as_str(), |(_, seq)| seq)
}

/// How it ended, and for how long there was what can be with that end.
fn lasted(call: &Brief) -> String {
    let Some(outcome) = call.outcome else { return String::new() };
    let mut parts = vec![word(&outcome)];
    if outcome == Outcome::Answered || outcome.is_missed() {
        parts.push(seconds("wait", call.wait_s));
    }
    if outcome == Outcome::Answered {
        parts.push(seconds("talk", call.talk_s));
    }
    parts.join(", ")
}

fn seconds(what: &str, seconds: Option<u32>) -> String {
    seconds.map_or_else(|| format!("{what} not known"), |seconds| format!("{what} {seconds} s"))
}

fn call(explanation: &Explanation) -> String {
    let brief = &explanation.call;
    let mut text = format!(
        "call {}/{} · {} · {}\n",
        brief.source,
        line_of(brief),
        brief.arrival.strftime("%Y-%m-%d %H:%M:%S"),
        explanation.dialect
    );
    let how = match brief.outcome {
        Some(_) => lasted(brief),
        None if brief.rule.is_empty() => String::new(),
        None => brief.talk_s.map_or_else(String::new, |talk| format!("talk {talk} s")),
    };
    let _ = writeln!(text, "{}{}{how}\n", word(&brief.kind), if how.is_empty() { "" } else { ": " });
    let rule = if brief.rule.is_empty() { "by its kind" } else { &brief.rule };
    let _ = writeln!(text, "rule {rule}\n  {}", explanation.because);
    for remark in &explanation.remarks {
        let _ = writeln!(text, "  {remark}");
    }
    text += "\nlines, as they are kept\n";
    for line in &explanation.lines {
        text += &of_line(line);
    }
    if !explanation.arrived.is_empty() {
        let _ = writeln!(text, "\narrival {}", brief.arrival.strftime("%H:%M:%S"));
        for sentence in &explanation.arrived {
            let _ = writeln!(text, "  {sentence}");
        }
    }
    match explanation.slot {
        Some(slot) => {
            let end = slot.checked_add(jiff::SignedDuration::from_mins(SLOT_MINUTES)).unwrap_or(slot);
            let _ = writeln!(
                text,
                "\ncounted in the half-hour {} to {}{}",
                slot.strftime("%H:%M"),
                end.strftime("%H:%M"),
                if explanation.edge_doubt { ", and in edge_doubt: it may belong to the one beside" } else { "" }
            );
            for (figure, by) in &explanation.counts {
                let _ = writeln!(text, "  {figure}: +{by}");
            }
        }
        None if brief.open => text += "\nnot counted yet\n",
        None => text += "\ncounted nowhere\n",
    }
    let owner = explanation.owner.as_deref().unwrap_or("nobody that the configuration names");
    let _ = writeln!(text, "counted for {owner}\n  by {}", explanation.owned_by);
    text += "\nunder the definitions in use\n";
    for judged in &explanation.definitions {
        let _ = writeln!(
            text,
            "  {}: {}\n    {}\n    {}",
            judged.name,
            word(&judged.counts),
            judged.because,
            judged.source
        );
    }
    if !explanation.cannot.is_empty() {
        let _ = writeln!(text, "\nthis format never shows: {}", explanation.cannot.join(", "));
    }
    text
}

fn of_line(line: &ExplainedLine) -> String {
    let margin = format!("  {} ", line.seq);
    let mut text = format!("{margin}{}\n", line.text);
    for row in under(&line.fields) {
        let _ = writeln!(text, "{:width$}{row}", "", width = margin.len());
    }
    if let Some(taken) = &line.taken {
        let _ = writeln!(text, "{:width$}→ {taken}", "", width = margin.len());
    }
    text
}

/// A row of carets, and rows of names that begin below them; as few rows as hold them.
fn under(fields: &[Field]) -> Vec<String> {
    let end = fields.iter().map(|field| field.to).max().unwrap_or(0);
    let mut carets = vec![' '; end];
    for field in fields {
        // A caret where the field begins; fields beside each other are told apart by it.
        for (place, caret) in carets.iter_mut().enumerate().take(field.to).skip(field.from.saturating_sub(1)) {
            *caret = if place + 1 == field.from { '^' } else { '-' };
        }
    }
    let mut rows: Vec<String> = Vec::new();
    for field in fields {
        let place = field.from.saturating_sub(1);
        let free = |row: &&mut String| row.is_empty() || row.chars().count() < place;
        match rows.iter_mut().find(free) {
            Some(row) => {
                let gap = place - row.chars().count();
                row.extend(std::iter::repeat_n(' ', gap));
                row.push_str(&field.name);
            }
            None => rows.push(format!("{:place$}{}", "", field.name)),
        }
    }
    let carets: String = carets.into_iter().collect();
    if rows.is_empty() { rows } else { std::iter::once(carets.trim_end().to_owned()).chain(rows).collect() }
}

fn word<T: Serialize>(value: &T) -> String {
    let word = serde_json::to_value(value).unwrap_or_default();
    word.as_str().unwrap_or_default().replace('-', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_caret_and_its_name_below() {
        let field = |name: &str, from, to| Field { name: name.into(), holds: "text".into(), from, to };
        let fields = [field("date", 1, 8), field("time", 10, 14), field("station", 16, 18), field("trunk", 20, 21)];
        assert_eq!(under(&fields), ["^------- ^---- ^-- ^-", "date     time  station", "                   trunk"],);
        assert_eq!(under(&[]), Vec::<String>::new());
    }
}
