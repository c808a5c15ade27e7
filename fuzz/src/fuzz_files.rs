//! Files that people write: dialects and the configuration. Whatever they hold, the answer is a dialect or a
//! configuration, or faults that each say where, what, why and what to do.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use arbitrary::{Arbitrary, Unstructured};
use jiff::civil::date;

use crate::config;
use crate::dialect::{Dialect, FileFault, Line, Reading, SourceState};

fn is_told(text: &str, fault: &FileFault) {
    assert!(!fault.reason.is_empty() && !fault.remedy.is_empty() && !fault.key.is_empty(), "{fault:?}");
    let line = text.split('\n').nth(fault.line as usize - 1).unwrap_or_default();
    assert!(line.starts_with(&*fault.shown) || fault.shown.is_empty(), "{fault:?}");
    let width = fault.shown.chars().count();
    assert!((fault.column as usize) <= width + 1, "the column is outside the line: {fault:?}");
    assert!(fault.length >= 1);
    assert!(!fault.cited().contains(|c: char| c.is_control() && c != '\n'), "{:?}", fault.cited());
}

/// A text for a dialect file, and the lines that it reads if it is one.
pub fn dialect_text(text: &str, lines: &[&[u8]]) {
    let dialect = match Dialect::read("site.toml", text) {
        Ok(dialect) => dialect,
        Err(faults) => {
            assert!(!faults.is_empty());
            faults.iter().for_each(|fault| is_told(text, fault));
            return;
        }
    };
    dialect.check_examples().iter().for_each(|fault| is_told(text, fault));
    let plan = dialect.plan(&Default::default(), Some(2024)).expect("it was read, so it has a plan");
    let mut state = SourceState::default();
    let mut reading = Reading::default();
    let mut books = crate::fuzz_lines::Books::lenient();
    for (no, bytes) in (1..).zip(lines) {
        plan.step(&mut state, &Line { no, bytes, kept: &[], today: date(2024, 6, 1) }, &mut reading);
        books.take(no, Some(bytes), &reading);
        crate::fuzz_lines::forget(&mut state);
    }
    plan.idle(&mut state, &mut reading);
    books.take(lines.len() as u64, None, &reading);
}

/// Any text.
pub fn dialect_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    dialect_text(text, &[b"04.03.24 09:01:02 201  01632960011          I"]);
}

/// A file that means to be a dialect: every key of the format, with values near those that it takes.
pub fn dialect_made(data: &[u8]) {
    let mut from = Unstructured::new(data);
    let Ok(made) = Made::arbitrary(&mut from) else { return };
    let rest = from.take_rest();
    let lines: Vec<&[u8]> = rest.split(|byte| *byte == b'\n').take(6).collect();
    dialect_text(&made.text(), &lines);
}

#[derive(Debug, Arbitrary)]
struct Made {
    lines: Vec<MadeLine>,
    stamp: u8,
    rows: Vec<(u8, u8, u8)>,
    group: Option<(u8, u8, u8)>,
    link: u8,
}

#[derive(Debug, Arbitrary)]
struct MadeLine {
    is: u8,
    guard: Option<(u8, u8, u8)>,
    layout: u8,
    fields: Vec<(u8, u8, u8, u8)>,
    cut: Option<(u8, u8)>,
    carry: Option<u8>,
}

const NAMES: [&str; 8] = ["date", "time", "way", "station", "number", "trunk", "talk", "id"];
const PATTERNS: [&str; 8] = [
    "^(?<a>\\\\d+) (?<b>.*)$",
    "(?<a>[A-Z]+)(?<b>\\\\d*)",
    "^(?<a>.{4})(?<b>.?)",
    "(?<a>(?:x*)*)y(?<b>)",
    "(?<a>\\\\w+)|(?<b>\\\\W+)",
    "^$",
    "(",
    "(?<a>.)*(?<b>[^,]{0,30})",
];
const TYPES: [&str; 16] = [
    "date", "time", "datetime", "duration", "seconds", "station", "trunk", "device", "call-id", "code", "cost",
    "counter", "ip", "number", "name", "text",
];
const FORMATS: [&str; 12] = [
    "hh:mm:ss",
    "DD.MM.YY",
    "MM/DD",
    "YYYY-MM-DD hh:mm:ss.f",
    "h:m:s",
    "m:s",
    "epoch",
    "hh:mmap",
    "w Mon D",
    "hmmt",
    "::",
    "s",
];

fn of<'a>(list: &[&'a str], which: u8) -> &'a str {
    list[usize::from(which) % list.len()]
}

impl Made {
    fn text(&self) -> String {
        use std::fmt::Write as _;
        let mut text = "id = \"made\"\nname = \"Made\"\ndoc = \"\"\n".to_owned();
        text += ["", "protocol = \"stx-etx\"\n", "protocol = \"nec-frame\"\n", ""][usize::from(self.stamp >> 6)];
        if self.stamp & 3 > 0 && self.lines.iter().flat_map(|line| &line.fields).any(|field| field.0 % 8 == 0) {
            let kind = of(&["end", "arrival", "answer", "unknown", "event"], self.stamp >> 2);
            let _ = writeln!(text, "[stamp]\ndate = \"date\"\ntime = \"time\"\nkind = \"{kind}\"");
        }
        for (number, line) in self.lines.iter().take(4).enumerate() {
            line.write(number, &mut text);
        }
        for (key, name) in
            [("extension", "station"), ("cli", "number"), ("trunk", "trunk"), ("talk", "talk"), ("call-id", "id")]
        {
            // Only what some line has, most of the time.
            if text.contains(&format!("\n{name} = ")) || self.link & 0x80 != 0 {
                let section = if text.contains("[record]") { "" } else { "[record]\n" };
                let _ = writeln!(text, "{section}{key} = \"{name}\"");
            }
        }
        if !self.rows.is_empty() {
            text += "[[facts]]\nname = \"way\"\nrows = [\n";
            for (field, test, then) in self.rows.iter().take(6) {
                let name = of(&NAMES, *field);
                let test = match test % 8 {
                    0 => "\"I\"".to_owned(),
                    1 => "{ not = \"I\" }".to_owned(),
                    2 => "{ prefix = [\"0\", \"9\"] }".to_owned(),
                    3 => format!("{{ modulo = {}, remainder = [1] }}", test / 8),
                    4 => "{ blank = true }".to_owned(),
                    5 => "{ zero = false }".to_owned(),
                    6 => format!("{{ digits = [{}, 4] }}", test / 8),
                    _ => "[\"O\", \"\"]".to_owned(),
                };
                let then = match then % 6 {
                    0 => "set = { direction = \"inbound\" }",
                    1 => "put = { dialled = \"number\" }",
                    2 => "outcome = \"unparsed\", reason = \"no\"",
                    3 => "outcome = \"event\"",
                    4 => "drop = [\"cli\"]",
                    _ => "set = { answered = true, leg = \"transfer\" }",
                };
                let _ = writeln!(text, "  {{ when = {{ {name} = {test} }}, {then} }},");
            }
            text += "]\n";
        }
        if let Some((one, two, three)) = self.group {
            let _ = writeln!(
                text,
                "[[group]]\nname = \"g\"\nopen = [\"line{}\"]\ncontinue = [\"line{}\"]\nclose = [\"line{}\"]\nmax-lines = {}",
                one % 3,
                two % 3,
                three % 3,
                one / 5
            );
            if two & 0x80 != 0 {
                let emit = of(&["close", "each"], three / 8);
                let _ = writeln!(
                    text,
                    "mode = \"keyed\"\nkey = \"{}\"\nemit = \"{emit}\"\nmax-open = {}",
                    of(&NAMES, three),
                    two / 16
                );
            }
            if three & 0x80 != 0 {
                text += "blank = \"close\"\n";
            }
        }
        let _ = writeln!(
            text,
            "[link]\nby = \"{}\"\nwindow-s = {}",
            of(&["nothing", "trunk", "trunk-and-peer", "call-id", "colour"], self.link),
            self.link
        );
        text
    }
}

impl MadeLine {
    fn write(&self, number: usize, text: &mut String) {
        use std::fmt::Write as _;
        let is = of(&["record", "record", "record", "header", "event"], self.is);
        let _ = writeln!(text, "[[line]]\nkind = \"line{number}\"\nis = \"{is}\"");
        if let Some((what, one, two)) = self.guard {
            let guard = match what % 6 {
                0 => format!("length = [{one}, {two}]"),
                1 => format!("at = [{{ column = {one}, is = \"0\" }}]"),
                2 => format!(
                    "at = [{{ column = {one}, class = \"{}\" }}]",
                    of(&["digit", "letter", "blank", "not-blank"], two)
                ),
                3 => format!("pattern = \"{}\"", of(&PATTERNS, one)),
                4 => format!("fields = [{one}, {two}]"),
                _ => format!("group = \"g\", line = {one}"),
            };
            let _ = writeln!(text, "when = {{ {guard} }}");
        }
        let layout = match self.layout % 6 {
            0 | 1 => String::new(),
            2 => "delimiter = \",\"\nquote = '\"'\n".to_owned(),
            3 => "delimiter = \"|\"\n".to_owned(),
            4 => format!("pattern = \"{}\"\n", of(&PATTERNS, self.layout / 6)),
            _ => format!("tlv = {{ start = {}, tag = {}, length = 2 }}\n", self.layout / 6 % 3, self.layout / 18 % 4),
        };
        text.push_str(&layout);
        if let Some(carry) = self.carry {
            let _ = writeln!(text, "carry = [\"{}\"]", of(&NAMES, carry));
        }
        if self.carry.is_some_and(|carry| carry & 0x40 != 0) {
            text.push_str("names = true\n");
        }
        if let Some((field, pattern)) = self.cut {
            let (field, pattern) = (of(&NAMES, field), of(&PATTERNS, pattern));
            let _ = writeln!(text, "[[line.cut]]\nfield = \"{field}\"\npattern = \"{pattern}\"");
        }
        text.push_str("[line.fields]\n");
        for (name, kind, place, more) in self.fields.iter().take(8) {
            // Most have the type that their name promises, so that files compile.
            let likely = ["date", "time", "code", "station", "number", "trunk", "seconds", "call-id"];
            let odd = *kind >= 240;
            let (name, kind) =
                (of(&NAMES, *name), if odd { of(&TYPES, *kind) } else { likely[usize::from(*name) % 8] });
            let place = match (self.layout % 6, place >> 5) {
                (_, 7) => format!("value = \"{more}\""),
                (_, 6) => "since = \"date\"".to_owned(),
                (_, 5) => "moment = true".to_owned(),
                (2 | 3, 4) => "header = \"Number\"".to_owned(),
                (2 | 3, _) => format!("index = {}", place % 12 + u8::from(!odd)),
                (4, _) => format!("capture = \"{}\"", of(&["a", "b"], *place)),
                (5, _) => format!("tag = \"{}\"", place % 32),
                _ => format!(
                    "at = [{}, {}]",
                    place % 32 + u8::from(!odd),
                    u16::from(place % 32) + u16::from(more % 16) + 1
                ),
            };
            let format = match kind {
                "date" => format!(", format = \"{}\"", of(&FORMATS[1..3], *more)),
                "time" => ", format = \"hh:mm:ss\"".to_owned(),
                "datetime" | "duration" => format!(", format = [\"{}\"]", of(&FORMATS, *more)),
                _ => String::new(),
            };
            let required = if more & 0x80 != 0 { ", required = true" } else { "" };
            let _ = writeln!(text, "{name} = {{ {place}, type = \"{kind}\"{format}{required} }}");
        }
    }
}

/// Any text as a configuration.
pub fn configuration(data: &[u8]) {
    static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        folder.join(format!("smdrd-fuzz-{}.toml", std::process::id()))
    });
    std::fs::write(&*FILE, data).unwrap();
    let faults = match config::inspect(&FILE, &["mitel-3300"]) {
        Ok(checked) => checked.warnings,
        Err(error) => {
            assert!(error.report().contains("remedy: ") && !error.to_string().is_empty(), "{error}");
            error.faults().to_vec()
        }
    };
    let lines = String::from_utf8_lossy(data).split('\n').count();
    for fault in &faults {
        assert!(!fault.reason.is_empty() && !fault.remedy.is_empty(), "{fault:?}");
        assert!(fault.line <= lines && (fault.line == 0) == (fault.column == 0), "{fault:?}");
    }
}
