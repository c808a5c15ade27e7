//! The dialect file that a draft comes to.

use std::fmt::Write as _;

use super::super::CANNOT;
use super::super::fault::{FileFault, OptionError};
use super::cut::span;
use super::kinds::digits;
use super::rows::class;
use super::{Column, Draft, Kind, Layout, Place, Role};
use crate::number::RUN;
use crate::record::{Record, StampKind};

/// Columns behind the last one that a number may still run into.
const LONGEST_NUMBER: usize = 24;

/// Lines with the records they give.
pub(super) struct Example {
    pub lines: Vec<Vec<u8>>,
    pub records: Vec<Record>,
    pub year: Option<i16>,
}

/// A fault of the file as a whole.
pub(super) fn option_fault(error: &OptionError) -> FileFault {
    let (key, remedy) = ("options".to_owned(), "Say which column it is and report it".to_owned());
    FileFault::at("learnt", "", &(0..0), key, error.to_string(), remedy)
}

/// Widens columns into the blanks beside them: what is printed there next week may have more digits than all that was
/// seen. Numbers on the right run to the left, those on the left to the right; clocks stay.
pub(super) fn widen(records: &[&[u8]], layout: Layout, columns: &mut [Column]) {
    if layout != Layout::Columns {
        return;
    }
    let width = records.iter().map(|line| line.len()).max().unwrap_or(0);
    let edges: Vec<(bool, bool)> = columns
        .iter()
        .map(|column| {
            let spans: Vec<(usize, usize)> =
                records.iter().filter_map(|line| span(line, layout, column.place)).collect();
            let Place::Span(from, to) = column.place else { return (false, false) };
            let fixed = column.kind.is_clock() || matches!(column.kind, Kind::Duration | Kind::Code);
            let left = spans.iter().all(|span| span.0 == from);
            let right = spans.iter().all(|span| span.1 == to);
            let digits =
                matches!(column.kind, Kind::Station | Kind::Trunk | Kind::Device | Kind::Counter | Kind::CallId);
            // An hour or a month of one digit has a column to its left for another.
            let short = |line: &&[u8]| line.get(from.saturating_add(1)).is_some_and(|byte| !byte.is_ascii_digit());
            if column.kind.is_clock() && left && records.iter().all(short) {
                return (true, false);
            }
            (right && !fixed && (!left || digits), !(fixed || (right && digits)))
        })
        .collect();
    let spans: Vec<Place> = columns.iter().map(|column| column.place).collect();
    for at in 0..columns.len() {
        let neighbour = |at: Option<usize>| match at.and_then(|at| spans.get(at)) {
            Some(Place::Span(from, to)) => Some((*from, *to)),
            _ => None,
        };
        let before = neighbour(at.checked_sub(1));
        let after = neighbour(at.checked_add(1));
        let grows = |at: Option<usize>| at.and_then(|at| edges.get(at)).copied().unwrap_or_default();
        let (to_left, to_right) = grows(Some(at));
        let Some(column) = columns.get_mut(at) else { continue };
        let Place::Span(mut from, mut to) = column.place else { continue };
        if to_left && !grows(at.checked_sub(1)).1 {
            from = before.map_or(0, |(_, end)| end);
        }
        if to_right {
            to = match after {
                Some((start, _)) => start,
                None if column.kind == Kind::Number => width.max(from.saturating_add(LONGEST_NUMBER)),
                None => width,
            };
        }
        column.place = Place::Span(from, to.max(from.saturating_add(1)));
    }
}

/// The text of the file, with its example once there is one.
pub(super) fn file(draft: &Draft, example: Option<&Example>) -> String {
    let mut text = String::new();
    head(&mut text, draft);
    stamp(&mut text, draft);
    for (no, pattern) in (1..).zip(furniture(draft)) {
        let _ = write!(
            text,
            "\n[[line]]\nkind = \"page {no}\"\nis = \"header\"\nwhen = {{ pattern = {} }}\n",
            quoted(&pattern)
        );
    }
    line(&mut text, draft);
    record(&mut text, draft);
    facts(&mut text, draft);
    text.push_str("\n# Every line is a call of its own: how legs of one call are known is not learnt.\n[link]\nby = \"nothing\"\n");
    if let Some(example) = example {
        examples(&mut text, example);
    }
    text
}

fn quoted(text: &str) -> String {
    let plain: String = text.chars().filter(|c| !c.is_control()).collect();
    if plain.contains('\'') { format!("{plain:?}") } else { format!("'{plain}'") }
}

fn head(text: &mut String, draft: &Draft) {
    let id = draft.id.as_deref().unwrap_or("learnt");
    let name = draft.name.as_deref().unwrap_or(id);
    let records = draft.rows.records.len();
    let _ = write!(
        text,
        "id = \"{id}\"\nname = {}\ndoc = \"\"\"\nLearnt with smdrd learn from {records} records of one site, and confirmed by \
         its installer. Nothing else is known of\nthe format: values that did not occur then are not understood or not used.\n\"\"\"\n",
        quoted(name)
    );
    let words: Vec<String> = cannot(draft).iter().map(|word| format!("\"{word}\"")).collect();
    let _ = writeln!(text, "cannot = [{}]", words.join(", "));
}

/// What the format never shows, as far as the lines and the installer say.
pub(super) fn cannot(draft: &Draft) -> Vec<&'static str> {
    let means = |word: &str| {
        draft
            .columns
            .iter()
            .any(|column| !column.dropped && column.meanings.values().flatten().any(|meaning| *meaning == word))
    };
    let key = |key: &'static str| draft.with_role(Role::Key(key)).is_some();
    let inbound = means("inbound") || draft.calls == Some("inbound");
    let number = key("cli") || draft.with_role(Role::OtherParty).is_some();
    let outbound = means("outbound") || draft.calls == Some("outbound");
    let column = |word: &str| draft.columns.iter().any(|column| !column.dropped && column.role.word() == word);
    let shown = |word: &str| match word {
        "unanswered" => means("unanswered") || (key("talk") && draft.zero_unanswered == Some(true)),
        "ring" | "talk" | "hold" => column(word),
        "internal" => means("internal"),
        "outbound" => outbound,
        "outbound-talk" => outbound && column("talk"),
        // Told by the role of its station, where it has one.
        "auto-attendant" => true,
        "outbound-answer" => means("answered") || means("unanswered"),
        "date" => draft.of_kind(Kind::Date).or_else(|| draft.of_kind(Kind::Datetime)).is_some(),
        "inbound" => inbound,
        "transfer" => means("transfer"),
        "cli" => inbound && number,
        _ => false,
    };
    CANNOT
        .into_iter()
        .filter(|word| draft.cannot.contains(*word) || !(shown(word) || draft.can.contains(*word)))
        .collect()
}

fn stamp(text: &mut String, draft: &Draft) {
    let made_of = match (draft.of_kind(Kind::Datetime), draft.of_kind(Kind::Date), draft.of_kind(Kind::Time)) {
        (Some(both), _, _) => format!("field = \"{}\"", both.name),
        (None, Some(date), Some(time)) => format!("date = \"{}\"\ntime = \"{}\"", date.name, time.name),
        (None, None, Some(time)) => format!("field = \"{}\"", time.name),
        _ => return,
    };
    let kind = match draft.stamp.kind {
        Some(StampKind::Arrival) => "arrival",
        Some(StampKind::Answer) => "answer",
        Some(StampKind::End) => "end",
        Some(StampKind::Event) => "event",
        Some(StampKind::Unknown) | None => "unknown",
    };
    let _ = write!(text, "\n[stamp]\n{made_of}\nkind = \"{kind}\"\n");
    if let Some(zone) = &draft.zone {
        let _ = writeln!(text, "zone = {}", quoted(zone));
    }
}

/// Patterns of the page furniture. Only what lines look like gets into them, no word of theirs.
fn furniture(draft: &Draft) -> Vec<String> {
    let mut patterns: Vec<String> = Vec::new();
    for line in draft.rows.furniture.iter().filter_map(|at| draft.lines.get(*at)) {
        let pattern = if line.iter().any(u8::is_ascii_digit) { looks(line) } else { "^[^0-9]*$".to_owned() };
        if !patterns.contains(&pattern) {
            patterns.push(pattern);
        }
    }
    patterns
}

fn looks(line: &[u8]) -> String {
    let mut pattern = "^".to_owned();
    let mut last = 0;
    for byte in line {
        let class = class(*byte);
        if matches!(class, b'9' | b'A' | b' ') && class == last {
            continue;
        }
        last = class;
        match class {
            b'9' => pattern.push_str("[0-9]+"),
            b'A' => pattern.push_str("[A-Za-z]+"),
            b' ' => pattern.push_str("[ \\t]+"),
            other => pattern.push_str(&regex::escape(&char::from(other).to_string())),
        }
    }
    pattern.push('$');
    pattern
}

fn line(text: &mut String, draft: &Draft) {
    text.push_str("\n[[line]]\nkind = \"call\"\nis = \"record\"\n");
    match draft.layout {
        Layout::Columns => {
            if let Some(pattern) = guard(draft) {
                let _ = writeln!(text, "when = {{ pattern = {} }}", quoted(&pattern));
            }
        }
        Layout::Delimited { delimiter, quote, fields: (least, most) } => {
            let shown = if delimiter == b'\t' { "\"\\t\"".to_owned() } else { format!("'{}'", char::from(delimiter)) };
            let _ = writeln!(text, "when = {{ fields = [{least}, {most}] }}\ndelimiter = {shown}");
            if quote.is_some() {
                text.push_str("quote = '\"'\n");
            }
        }
    }
    text.push_str("[line.fields]\n");
    let records = draft.rows.records.len();
    for column in draft.columns.iter().filter(|column| !column.dropped) {
        let place = match column.place {
            Place::Span(from, to) => format!("at = [{}, {to}]", from.saturating_add(1)),
            Place::Index(index) => format!("index = {}", index.saturating_add(1)),
        };
        let format =
            column.format.as_deref().map(|format| format!(", format = {}", quoted(format))).unwrap_or_default();
        // A record is known by its clocks; what else may be blank some day, nobody knows.
        let required = if column.filled == records && column.kind.is_clock() { ", required = true" } else { "" };
        let ignore: String = marked(column).flat_map(|word| word.chars()).filter(char::is_ascii_alphabetic).collect();
        let ignore = if ignore.is_empty() { ignore } else { format!(", ignore = \"{ignore}\"") };
        let _ = writeln!(
            text,
            "{} = {{ {place}, type = \"{}\"{format}{required}{ignore} }}",
            column.name,
            column.kind.word()
        );
        if let (Some(longest), Place::Span(from, _)) = (marked(column).map(str::len).max(), column.place) {
            let (first, last) = (from.saturating_add(1), from.saturating_add(longest));
            let _ = writeln!(text, "{}_word = {{ at = [{first}, {last}], type = \"code\" }}", column.name);
        } else if marked(column).next().is_some() {
            let _ = writeln!(text, "{}_word = {{ {place}, type = \"code\" }}", column.name);
        }
    }
}

/// The words in a number's column that mean something.
fn marked(column: &Column) -> impl Iterator<Item = &str> {
    column
        .meanings
        .keys()
        .filter(|_| column.kind == Kind::Number)
        .map(|word| word.trim_end_matches('*'))
        .filter(|word| *word != "blank")
}

/// What stands at the same column of every record: its clocks, or where there are none, what is never blank.
fn guard(draft: &Draft) -> Option<String> {
    let records = draft.records();
    let always = || draft.columns.iter().filter(|column| !column.dropped && column.filled == records.len());
    let clocks = || always().filter(|column| column.kind.is_clock() || column.kind == Kind::Duration);
    let span = |column: &Column| if let Place::Span(from, to) = column.place { Some((from, to)) } else { None };
    let spans: Vec<(usize, usize)> = if clocks().next().is_some() {
        clocks().filter_map(span).collect()
    } else {
        always().filter_map(span).collect()
    };
    let end = spans.iter().map(|(_, to)| *to).max()?;
    let atom = |at: usize| {
        let here = || records.iter().map(|line| line.get(at).copied().unwrap_or(b' '));
        let first = here().next().filter(|_| spans.iter().any(|(from, to)| (*from..*to).contains(&at)))?;
        match () {
            () if here().all(|byte| byte.is_ascii_digit()) => Some("\\d".to_owned()),
            () if first.is_ascii_punctuation() && here().all(|byte| byte == first) => {
                Some(regex::escape(&char::from(first).to_string()))
            }
            () if here().any(|byte| byte.is_ascii_digit())
                && here().all(|byte| byte == b' ' || byte.is_ascii_digit()) =>
            {
                Some("[ \\d]".to_owned())
            }
            () => None,
        }
    };
    let mut pattern = "^".to_owned();
    let mut any: usize = 0;
    for at in 0..end {
        match (atom(at), any) {
            (Some(atom), 0) => pattern.push_str(&atom),
            (Some(atom), skipped) => {
                let _ = write!(pattern, ".{{{skipped}}}{atom}");
                any = 0;
            }
            (None, _) => any = any.saturating_add(1),
        }
    }
    Some(pattern)
}

fn record(text: &mut String, draft: &Draft) {
    text.push_str("\n[record]\n");
    for key in ["extension", "trunk", "ring", "hold", "account", "call-id"] {
        if let Some(column) = draft.with_role(Role::Key(key)) {
            let _ = writeln!(text, "{key} = \"{}\"", column.name);
        }
    }
}

fn facts(text: &mut String, draft: &Draft) {
    let party = draft.with_role(Role::OtherParty).map(|column| column.name.as_str());
    let directed = |direction: &str| {
        let put = match (direction, party) {
            ("inbound", Some(party)) => format!(", put = {{ cli = \"{party}\" }}"),
            ("outbound" | "internal", Some(party)) => format!(", put = {{ dialled = \"{party}\" }}"),
            _ => String::new(),
        };
        format!("set = {{ direction = \"{direction}\" }}{put}")
    };
    let mut rows: Vec<String> =
        rows(draft, "no-call").map(|when| format!("{{ {when}, outcome = \"event\" }}")).collect();
    // Internal before the others: where codes of two columns speak, the narrower word counts.
    for direction in ["internal", "inbound", "outbound"] {
        rows.extend(self::rows(draft, direction).map(|when| format!("{{ {when}, {} }}", directed(direction))));
    }
    rows.extend(draft.calls.filter(|calls| *calls != "unknown").map(|calls| format!("{{ {} }}", directed(calls))));
    table(text, "direction", &rows);
    let put = |key: &str, direction: &str| {
        let key = Role::of(key).and_then(|role| draft.with_role(role)).map(|column| (key.to_owned(), &column.name));
        key.map(|(key, name)| {
            format!("{{ so-far = {{ direction = \"{direction}\" }}, put = {{ {key} = \"{name}\" }} }}")
        })
    };
    table(text, "caller", &put("cli", "inbound").into_iter().collect::<Vec<_>>());
    table(text, "number dialled in", &put("ddi", "inbound").into_iter().collect::<Vec<_>>());
    let dialled: Vec<String> = ["outbound", "internal"].into_iter().filter_map(|way| put("dialled", way)).collect();
    table(text, "number dialled", &dialled);
    if let Some(talk) = draft.with_role(Role::Key("talk")).map(|column| &column.name) {
        let zero = if draft.zero_unanswered == Some(true) { ", set = { answered = false }" } else { "" };
        let rows = [
            format!("{{ when = {{ {talk} = {{ blank = true }} }} }}"),
            format!("{{ when = {{ {talk} = {{ zero = true }} }}{zero} }}"),
            format!(
                "{{ so-far = {{ direction = \"inbound\" }}, set = {{ answered = true }}, put = {{ talk = \"{talk}\" }} }}"
            ),
            format!("{{ put = {{ talk = \"{talk}\" }} }}"),
        ];
        table(text, "talk", &rows);
    }
    let mut answered: Vec<String> = self::rows(draft, "unanswered")
        .map(|when| format!("{{ {when}, set = {{ answered = false }}, drop = [\"talk\"] }}"))
        .collect();
    answered.extend(self::rows(draft, "answered").map(|when| format!("{{ {when}, set = {{ answered = true }} }}")));
    table(text, "answer", &answered);
    let transfer: Vec<String> =
        self::rows(draft, "transfer").map(|when| format!("{{ {when}, set = {{ transferred = true }} }}")).collect();
    table(text, "transfer", &transfer);
    let conference: Vec<String> =
        self::rows(draft, "conference").map(|when| format!("{{ {when}, set = {{ conference = true }} }}")).collect();
    table(text, "conference", &conference);
}

/// The conditions, a column each, under which a call is what `meaning` says.
fn rows<'a>(draft: &'a Draft, meaning: &'a str) -> impl Iterator<Item = String> + 'a {
    draft.columns.iter().filter(|column| !column.dropped).flat_map(move |column| {
        let said = column.meanings.iter().filter(move |(_, meanings)| meanings.contains(&meaning));
        let values: Vec<&String> = said.map(|(value, _)| value).collect();
        let field = if column.kind == Kind::Number { format!("{}_word", column.name) } else { column.name.clone() };
        let plain: Vec<String> =
            values.iter().filter(|v| **v != "blank" && !v.ends_with('*')).map(|value| quoted(value)).collect();
        let begun: Vec<String> = values.iter().filter_map(|value| value.strip_suffix('*')).map(quoted).collect();
        let blank = values.iter().any(|value| *value == "blank");
        let worded = (!plain.is_empty()).then(|| format!("when = {{ {field} = [{}] }}", plain.join(", ")));
        let prefixed =
            (!begun.is_empty()).then(|| format!("when = {{ {field} = {{ prefix = [{}] }} }}", begun.join(", ")));
        let name = column.name.clone();
        let blanks = blank.then(|| format!("when = {{ {name} = {{ blank = true }} }}"));
        worded.into_iter().chain(prefixed).chain(blanks)
    })
}

fn table(text: &mut String, name: &str, rows: &[String]) {
    if !rows.is_empty() {
        let _ = write!(text, "\n[[facts]]\nname = \"{name}\"\nrows = [\n  {},\n]\n", rows.join(",\n  "));
    }
}

fn examples(text: &mut String, example: &Example) {
    text.push_str("\n[[example]]\nname = \"lines of this site, with other numbers\"\n");
    if let Some(year) = example.year {
        let _ = writeln!(text, "assume-year = {year}");
    }
    text.push_str("lines = '''\n");
    for line in &example.lines {
        let _ = writeln!(text, "{}", String::from_utf8_lossy(line));
    }
    text.push_str("'''\nrecords = [\n");
    for record in &example.records {
        let keys = record.to_json();
        let pairs: Vec<String> = keys
            .iter()
            .map(|(key, value)| match value {
                serde_json::Value::String(text) => format!("{key} = {}", quoted(text)),
                other => format!("{key} = {other}"),
            })
            .collect();
        let _ = writeln!(text, "  {{ {} }},", pairs.join(", "));
    }
    text.push_str("]\n");
}

/// Whether a text may stand in a file: no telephone number is in it.
pub(super) fn may_stand(text: &str) -> bool {
    digits(text.as_bytes()) < RUN
}
