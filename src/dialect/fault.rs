//! What can be wrong with a dialect file, with the options given for it, or with a line.

use std::ops::Range;
use std::path::PathBuf;

/// One fault in a dialect file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {key}: {reason}. {remedy}")]
pub struct FileFault {
    /// The file, or the id of a shipped one.
    pub file: Box<str>,
    /// The line, counted from 1.
    pub line: u32,
    /// The column, in characters, counted from 1.
    pub column: u32,
    /// How many characters of the line it is about.
    pub length: u32,
    /// The line as it stands in the file.
    pub shown: Box<str>,
    /// The key, with the tables around it and its value.
    pub key: String,
    /// Why it cannot be.
    pub reason: String,
    /// What to write instead.
    pub remedy: String,
}

impl FileFault {
    /// A fault at `span` of the file's text.
    pub(super) fn at(
        file: &str,
        text: &str,
        span: &Range<usize>,
        key: String,
        reason: String,
        remedy: String,
    ) -> FileFault {
        let before = text.get(..span.start).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
        let shown = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        // A fault at the line's end may stand at its CR, which is not shown.
        let column = before.get(start..).unwrap_or_default().chars().count().min(shown.chars().count());
        let about = text.get(span.clone()).and_then(|about| about.lines().next()).unwrap_or_default();
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        // What a terminal would obey is not shown to it.
        let plain = |text: String| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
        let (key, reason, remedy) = (plain(key), plain(reason), plain(remedy));
        FileFault {
            file: file.into(),
            line: number(before.bytes().filter(|byte| *byte == b'\n').count()).saturating_add(1),
            column: number(column).saturating_add(1),
            length: number(about.chars().count()).max(1),
            shown: shown.into(),
            key,
            reason,
            remedy,
        }
    }

    /// Where it is, and no more: for a log, since the reason may quote an example of the file.
    pub fn place(&self) -> String {
        format!("{}:{}:{}", self.file, self.line, self.column)
    }

    /// The fault for a terminal: place, line, a caret run under what it is about, remedy.
    pub fn cited(&self) -> String {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let shown: String = self.shown.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let indent = " ".repeat(self.column.saturating_sub(1) as usize);
        let carets = "^".repeat(self.length as usize);
        let FileFault { file, line, column, key, reason, remedy, .. } = self;
        format!(
            "{file}:{line}:{column}: {key}: {reason}\n{margin} |\n{number} | {shown}\n{margin} | {indent}{carets}\n  \
             remedy: {remedy}\n"
        )
    }
}

/// The dialects could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// The directory or a file in it could not be read.
    #[error("cannot read {path}: {error}. Check that it exists and that the service user may read it", path = path.display())]
    Unreadable {
        /// What was to be read.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Files are wrong; every fault found is listed.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Faults(Vec<FileFault>),
}

/// An option that a dialect does not have, or a value that it does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// The dialect has no such option.
    #[error("dialect {dialect} has no option {option:?}; {}", listed(.known))]
    Unknown {
        /// The dialect.
        dialect: String,
        /// The option asked for.
        option: String,
        /// The options there are.
        known: Vec<String>,
    },
    /// The option does not take this value.
    #[error("option {option} of dialect {dialect} cannot be {value:?}; write one of {}", .known.join(", "))]
    Value {
        /// The dialect.
        dialect: String,
        /// The option.
        option: String,
        /// The value asked for.
        value: String,
        /// The values there are.
        known: Vec<String>,
    },
    /// The dialect file cannot be compiled; a site's file is refused when it is loaded, so this is a fault of a shipped one.
    #[error("{0}")]
    File(FileFault),
}

fn listed(known: &[String]) -> String {
    if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) }
}

/// Why a line was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LineFault {
    pub reason: String,
    /// Byte offset from 0.
    pub offset: usize,
}

impl LineFault {
    pub fn new(offset: usize, reason: String) -> LineFault {
        LineFault { reason, offset }
    }

    /// The column of the line, counted from 1; what should stand behind its end is missing at its end.
    pub fn column(&self, line: &[u8]) -> u16 {
        u16::try_from(self.offset.min(line.len()).saturating_add(1)).unwrap_or(u16::MAX)
    }
}

/// The value's shape: digits become 9 and letters A, so that a reason never holds a number or a name.
pub(super) fn shape(bytes: &[u8]) -> String {
    let mut shape: String = bytes
        .iter()
        .take(24)
        .map(|&byte| match byte {
            b'0'..=b'9' => '9',
            b'A'..=b'Z' | b'a'..=b'z' => 'A',
            0x20..=0x7e => char::from(byte),
            _ => '?',
        })
        .collect();
    if bytes.len() > 24 {
        shape.push('…');
    }
    shape
}
