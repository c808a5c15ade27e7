//! Tables that people hand in, as CSV: read with the line of each row, and refused with the line and the reason.

use std::path::{Path, PathBuf};

use crate::push::parcel::sha256_hex;

/// A table that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A column is not there.
    #[error("{path}: line 1: there is no column {column:?}; it has {found}{hint}")]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        column: String,
        /// What is there.
        found: String,
        /// What may be the matter.
        hint: &'static str,
    },
    /// A row is not what it should be.
    #[error("{path}: line {line}: {reason}")]
    Row {
        /// The file.
        path: PathBuf,
        /// Where.
        line: u64,
        /// What is wrong and what to do.
        reason: String,
    },
    /// There is nothing in it.
    #[error("{path}: there is no row below the header; {remedy}")]
    Empty {
        /// The file.
        path: PathBuf,
        /// What to do.
        remedy: &'static str,
    },
}

/// A table: its header and its rows.
#[derive(Debug)]
pub struct Table {
    path: PathBuf,
    header: Vec<String>,
    rows: Vec<(u64, Vec<String>)>,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
}

/// Lines as an editor counts them. The reader's own count stands before the line end of a `\r\n`, so it is one behind.
struct Lines<'a> {
    text: &'a [u8],
    counted: usize,
    line: u64,
}

impl Lines<'_> {
    fn line_of(&mut self, position: Option<&csv::Position>) -> u64 {
        let at = position.and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or(self.counted);
        let begins =
            self.text.get(at..).unwrap_or_default().iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let passed = self.text.get(self.counted..at + begins).unwrap_or_default();
        // A line ends with `\n`, and with a `\r` that no `\n` follows.
        let next =
            self.text.get(self.counted + 1..).unwrap_or_default().iter().map(Some).chain(std::iter::repeat(None));
        let ends = |byte: u8, next: Option<&u8>| byte == b'\n' || byte == b'\r' && next != Some(&b'\n');
        self.line += passed.iter().zip(next).filter(|(byte, next)| ends(**byte, *next)).count() as u64;
        self.counted = self.counted.max(at + begins);
        self.line
    }
}

/// One row, with the line it stands on.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    table: &'a Table,
    /// Its line in the file, from 1.
    pub line: u64,
    fields: &'a [String],
}

impl Table {
    /// Reads a file. A byte order mark is no part of the first column's name.
    pub fn read(path: &Path) -> Result<Table, TableError> {
        let bytes = std::fs::read(path).map_err(|source| TableError::File { path: path.to_owned(), source })?;
        Table::of(path, &bytes)
    }

    fn of(path: &Path, bytes: &[u8]) -> Result<Table, TableError> {
        let bad = |line, reason: String| TableError::Row { path: path.to_owned(), line, reason };
        let sha256 = sha256_hex(bytes);
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        if let Err(error) = std::str::from_utf8(text) {
            let line = 1 + text[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() as u64;
            return Err(bad(line, "it is not UTF-8; save the table as \"CSV UTF-8\"".to_owned()));
        }
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
        let mut lines = Lines { text, counted: 0, line: 1 };
        let mut header = None;
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| bad(lines.line_of(error.position()), error.to_string()))?;
            let line = lines.line_of(record.position());
            let fields: Vec<String> = record.iter().map(str::to_owned).collect();
            // Rows behind a quote that is left open would be part of its field, and lost.
            if fields.iter().any(|field| field.contains(['\r', '\n'])) {
                return Err(bad(line, "a field of it has a line end in it; is a quote left open?".to_owned()));
            }
            match &header {
                None => header = Some(fields),
                Some(header) if header.len() != fields.len() => {
                    let (has, wants) = (fields.len(), header.len());
                    return Err(bad(
                        line,
                        format!("it has {has} fields, the header {wants}; is a comma missing a quote?"),
                    ));
                }
                Some(_) => rows.push((line, fields)),
            }
        }
        let header = header.ok_or_else(|| bad(1, "the file is empty".to_owned()))?;
        Ok(Table { path: path.to_owned(), header, rows, sha256 })
    }

    /// The names of its columns, in order.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// Where a column stands. A name that stands there twice is refused: nobody can say which is meant.
    pub fn column(&self, name: &str) -> Result<usize, TableError> {
        let mut at = self.header.iter().enumerate().filter(|(_, header)| *header == name).map(|(at, _)| at);
        match (at.next(), at.next()) {
            (Some(at), None) => Ok(at),
            (Some(_), Some(_)) => Err(TableError::Row {
                path: self.path.clone(),
                line: 1,
                reason: format!("the column {name:?} is there twice; leave one of them"),
            }),
            (None, _) => Err(TableError::NoColumn {
                path: self.path.clone(),
                column: name.to_owned(),
                hint: self.why_not(name),
                found: self.header.iter().map(|name| format!("{:?}", shown(name))).collect::<Vec<_>>().join(", "),
            }),
        }
    }

    fn why_not(&self, name: &str) -> &'static str {
        match self.header.as_slice() {
            _ if self.header.iter().any(|header| header.trim().eq_ignore_ascii_case(name.trim())) => {
                "; case and blanks count"
            }
            [only] if only.contains([';', '\t', '|']) => "; fields are to have commas between them",
            _ => "",
        }
    }

    /// Where a column stands that need not be there.
    pub fn maybe_column(&self, name: &str) -> Result<Option<usize>, TableError> {
        match self.column(name) {
            Ok(at) => Ok(Some(at)),
            Err(TableError::NoColumn { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Refuses columns that are none of `known`.
    pub fn only(&self, known: &[&str]) -> Result<(), TableError> {
        match self.header.iter().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => Err(TableError::Row {
                path: self.path.clone(),
                line: 1,
                reason: format!("the column {:?} means nothing here; it may have {}", shown(name), known.join(", ")),
            }),
        }
    }

    /// Its rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|(line, fields)| Row { table: self, line: *line, fields })
    }

    /// Refuses a table without a row.
    pub fn not_empty(&self, remedy: &'static str) -> Result<(), TableError> {
        if self.rows.is_empty() {
            return Err(TableError::Empty { path: self.path.clone(), remedy });
        }
        Ok(())
    }
}

impl<'a> Row<'a> {
    /// All of its fields, in order.
    pub fn fields(&self) -> &'a [String] {
        self.fields
    }

    /// A field; empty where the column is not there.
    pub fn field(&self, column: usize) -> &str {
        self.fields.get(column).map_or("", String::as_str)
    }

    /// What is wrong with the row.
    pub fn refused(&self, reason: impl Into<String>) -> TableError {
        TableError::Row { path: self.table.path.clone(), line: self.line, reason: reason.into() }
    }

    /// A field that must say something, without blanks around it.
    pub fn text(&self, column: usize, name: &str) -> Result<&str, TableError> {
        let text = self.field(column).trim();
        if text.is_empty() {
            return Err(self.refused(format!("{name} is empty; every row needs one")));
        }
        if text.chars().any(char::is_control) {
            return Err(self.refused(format!("{name} {:?} has a control character", shown(text))));
        }
        Ok(text)
    }

    /// An ODS code: blanks around it and small letters are forgiven, anything else is not.
    pub fn ods(&self, column: usize, name: &str) -> Result<String, TableError> {
        let code = self.text(column, name)?.to_ascii_uppercase();
        if !crate::supplier::tokens::is_ods(&code) {
            let said = shown(self.field(column));
            return Err(self.refused(format!("{name} {said:?} is no ODS code of a practice: a letter and five digits")));
        }
        Ok(code)
    }
}

/// What stands in a field, for the person who has the file: as it is, but without control characters and not for ever.
pub fn shown(text: &str) -> String {
    let clean = |letter: char| if letter.is_control() { '\u{fffd}' } else { letter };
    let mut said: String = text.chars().take(40).map(clean).collect();
    if text.chars().nth(40).is_some() {
        said.push('…');
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_know_their_line_whatever_ends_it() {
        for text in ["A,B\r\n1,x\r\n\r\n2,z\r\n", "A,B\n1,x\n\n2,z\n", "A,B\r1,x\r\r2,z", "\u{feff}A,B\n1,x\r\n\r2,z"] {
            let table = Table::of(Path::new("t.csv"), text.as_bytes()).unwrap();
            assert_eq!(table.column("A").unwrap(), 0, "{text:?}");
            assert_eq!(table.rows().map(|row| row.line).collect::<Vec<_>>(), [2, 4], "{text:?}");
        }
    }

    #[test]
    fn what_is_odd_is_refused_with_its_line() {
        let said = |bytes: &[u8]| Table::of(Path::new("t.csv"), bytes).unwrap_err().to_string();
        assert!(said(b"A,B\n1,2\n1,2,3\n").contains("line 3: it has 3 fields, the header 2"));
        assert!(said(b"A\n\xa3\n").contains("line 2: it is not UTF-8"));
        assert!(said(b"").contains("the file is empty"));
        let twice = Table::of(Path::new("t.csv"), b"A,A\n1,2\n").unwrap();
        assert!(twice.column("A").unwrap_err().to_string().contains("twice"));
        assert!(twice.column("B").unwrap_err().to_string().contains("no column \"B\"; it has \"A\", \"A\""));
    }
}
