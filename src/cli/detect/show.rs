//! What `smdrd detect` prints. No telephone number is in it: of lines only the shape is shown.

use serde_json::{Value, json};

use super::Found;
use crate::cli::table;
use crate::dialect::What;
use crate::dialect::cannot::sentences;
use crate::dialect::detect::{Candidate, Confidence, LineEvidence};
use crate::framing::{Ended, Framer, Settings};

/// Candidates that are shown.
const MOST: usize = 5;
/// Lines that are shown as evidence.
const MOST_EVIDENCE: usize = 6;

pub(super) fn json(source: &str, found: &Found) -> Value {
    let settings: serde_json::Map<String, Value> = found
        .settings
        .iter()
        .map(|(key, value)| ((*key).to_owned(), serde_json::from_str(value).unwrap_or_else(|_| json!(value))))
        .collect();
    let candidate = |candidate: &Candidate| {
        json!({
            "dialect": candidate.dialect,
            "name": candidate.name,
            "options": candidate.options,
            "undecided": candidate.undecided,
            "decided": candidate.decided,
            "cannot": candidate.cannot,
            "confidence": candidate.confidence,
            "fit": (candidate.fit * 1000.0).round() / 1000.0,
            "records": candidate.records,
            "continuations": candidate.continuations,
            "ignored": candidate.ignored,
            "unparsed": candidate.unparsed,
            "against": candidate.against,
            "evidence": shown(candidate).map(|line| json!({"line": line.no, "is": says(line)})).collect::<Vec<_>>(),
        })
    };
    json!({
        "source": source,
        "settings": settings,
        "remarks": found.remarks,
        "asks_as": found.asks,
        "lines": found.detection.lines,
        "enough": found.detection.enough,
        "candidates": found.detection.candidates.iter().take(MOST).map(candidate).collect::<Vec<_>>(),
    })
}

pub(super) fn text(source: &str, found: &Found) -> String {
    let detection = &found.detection;
    let mut text = format!("{source}: {} lines\n", detection.lines);
    for remark in &found.remarks {
        text += &format!("  {remark}\n");
    }
    for (key, value) in &found.settings {
        text += &format!("  {key} = {value}\n");
    }
    let Some(best) = detection.candidates.first() else {
        if let Some(dialect) = found.asks {
            text += &format!("\n[[source]]\nname = \"pbx\"\ndialect = {dialect:?}\n");
            return text;
        }
        text += if detection.lines == 0 {
            "\nNothing to go by.\n"
        } else {
            "\nNo dialect reads any of it as a call record. If these are call records, smdrd has no dialect for them yet: \
             keep a few lines (they hold telephone numbers) and see docs/dialects.md.\n"
        };
        return text;
    };
    text.push('\n');
    text += &table(detection.candidates.iter().take(MOST).map(|candidate| {
        vec![
            candidate.dialect.clone(),
            match candidate.confidence {
                Confidence::High => "certain",
                Confidence::Fair => "likely",
                Confidence::Low => "hardly",
            }
            .to_owned(),
            format!("fit {:.2}", candidate.fit),
            format!("{} records", candidate.records),
            format!("{} not understood", candidate.unparsed),
            candidate.name.clone(),
        ]
    }));
    if best.confidence != Confidence::High {
        text += if detection.enough {
            "\nThis is not certain.\n"
        } else {
            "\nNot enough yet: three records or more say it.\n"
        };
    }
    for why in &best.against {
        text += &format!("  {why}\n");
    }
    text += "\n";
    let lines = lines(&found.bytes);
    for line in shown(best) {
        let shape = lines.get(usize::try_from(line.no.saturating_sub(1)).unwrap_or(usize::MAX));
        text += &format!("{:>4} | {}\n     = {}\n", line.no, shape.map_or("", String::as_str), says(line));
    }
    for (name, why) in &best.decided {
        text += &format!("{name}: {why}\n");
    }
    text += &format!("\n[[source]]\nname = \"pbx\"\ndialect = {:?}\n", best.dialect);
    if !best.options.is_empty() {
        text += "[source.options]\n";
        for (name, value) in &best.options {
            text += &format!("{name} = {value:?}\n");
        }
    }
    for (name, values) in &best.undecided {
        text += &format!("# {name}: these lines do not tell it from {}\n", values.join(", "));
    }
    if !best.cannot.is_empty() {
        text += "\nWhat this format never shows\n";
        for sentence in sentences(best.cannot.iter().map(String::as_str)) {
            text += &format!("  {sentence}\n");
        }
    }
    text
}

/// The lines that say most: first those that are not understood, then records, in order.
fn shown(candidate: &Candidate) -> impl Iterator<Item = &LineEvidence> {
    let weight = |line: &&LineEvidence| match line.what {
        What::Unparsed { .. } => 0,
        What::Record(_) => 1,
        What::Event(_) => 2,
        What::Continuation => 3,
        What::Header | What::Noise => 4,
    };
    let mut lines: Vec<&LineEvidence> = candidate.evidence.iter().collect();
    let unparsed = lines.iter().filter(|line| matches!(line.what, What::Unparsed { .. })).count();
    // Some of each: what is not understood must not push out what is.
    let mut spare = MOST_EVIDENCE / 2;
    lines.retain(|line| {
        let keep = !matches!(line.what, What::Unparsed { .. }) || spare > 0 || unparsed <= spare;
        spare = spare.saturating_sub(usize::from(matches!(line.what, What::Unparsed { .. })));
        keep
    });
    lines.sort_by_key(|line| (weight(line), line.no));
    lines.truncate(MOST_EVIDENCE);
    lines.sort_by_key(|line| line.no);
    lines.into_iter()
}

/// A line in words, without numbers.
fn says(line: &LineEvidence) -> String {
    match &line.what {
        What::Record(record) => {
            let keys = record.to_json();
            let plain =
                ["start", "connected", "end", "direction", "answered", "ring_s", "talk_s", "extension", "trunk"];
            let parts =
                plain.iter().filter_map(|key| Some(format!("{key} {}", keys.get(*key)?.to_string().trim_matches('"'))));
            let numbers =
                ["cli", "ddi", "dialled"].iter().filter(|key| keys.contains_key(**key)).map(|key| format!("a {key}"));
            parts.chain(numbers).collect::<Vec<_>>().join(", ")
        }
        What::Continuation => "part of a record".to_owned(),
        What::Event(_) => "an event, no call".to_owned(),
        What::Header => "a header or page furniture".to_owned(),
        What::Noise => "control bytes".to_owned(),
        What::Unparsed { reason, column } => match column {
            Some(column) => format!("not understood at column {column}: {reason}"),
            None => format!("not understood: {reason}"),
        },
    }
}

fn lines(bytes: &[u8]) -> Vec<String> {
    let mut framer = Framer::new(Settings::default());
    let mut lines = Vec::new();
    let mut take = |line: crate::framing::Line<'_>| {
        if !(line.bytes.is_empty() && line.stripped > 0) {
            lines.push(crate::privacy::shape(line.bytes));
        }
    };
    framer.push(bytes, &mut take);
    framer.flush(Ended::EndOfInput, &mut take);
    lines
}
