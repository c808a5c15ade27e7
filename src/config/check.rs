//! Reading and checking a configuration as a whole: first text to types, then every rule that spans fields. All faults
//! are collected, in the order of the file.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::document::{Document, line_and_column};
use super::{Config, ConfigError, Fault, Severity, citation, parse, rules};

/// A configuration that can be used, and what is odd about it.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The configuration.
    pub config: Config,
    /// What is probably not what was meant, in the order of the file.
    pub warnings: Vec<Fault>,
    /// The file's text for citation; values that look like secrets are starred out.
    pub text: String,
}

impl Checked {
    /// The warnings for a terminal, each with its line and remedy.
    pub fn report(&self, path: &Path) -> String {
        citation::report(path, &self.text, &self.warnings)
    }

    /// Adds warnings for what only the caller can see, each a field's path, a reason and a remedy.
    pub fn warn(&mut self, found: Vec<(String, String, String)>) {
        let (document, _) = parse::parse(&self.text);
        for (field, reason, remedy) in found {
            self.warnings.push(document.fault(Severity::Warning, &field, reason, remedy));
        }
        self.warnings.sort_by_key(|fault| (fault.line, fault.column));
    }

    /// The same configuration refused, for what only the caller can see (a dialect's options, for instance): each of
    /// `found` is a field's path, a reason and a remedy.
    pub fn refuse(self, path: &Path, found: Vec<(String, String, String)>) -> ConfigError {
        let (document, _) = parse::parse(&self.text);
        let mut faults = self.warnings.clone();
        for (field, reason, remedy) in found {
            faults.push(document.fault(Severity::Fault, &field, reason, remedy));
        }
        faults.sort_by_key(|fault| (fault.line, fault.column));
        ConfigError::Faulty { path: path.to_owned(), text: self.text.clone(), faults }
    }
}

/// What the rules find.
pub(super) struct Findings<'a> {
    document: &'a Document<'a>,
    faults: Vec<Fault>,
}

impl Findings<'_> {
    /// The configuration cannot be used, because of the field at `path`.
    pub fn fault(&mut self, path: &str, reason: impl Into<String>, remedy: impl Into<String>) {
        self.faults.push(self.document.fault(Severity::Fault, path, reason.into(), remedy.into()));
    }

    /// The field at `path` is probably not what was meant.
    pub fn warn(&mut self, path: &str, reason: impl Into<String>, remedy: impl Into<String>) {
        self.faults.push(self.document.fault(Severity::Warning, path, reason.into(), remedy.into()));
    }

    /// Whether the file itself says anything at `path`.
    pub fn says(&self, path: &str) -> bool {
        self.document.has(path)
    }
}

/// Reads and checks the file at `path`. Whether the dialects exist is not looked at: see [`read_with`].
pub fn read(path: &Path) -> Result<Config, ConfigError> {
    inspect(path, &[]).map(|checked| checked.config)
}

/// Reads and checks the file at `path`; every source must speak one of `dialects`, unless none are given.
pub fn read_with(path: &Path, dialects: &[&str]) -> Result<Config, ConfigError> {
    inspect(path, dialects).map(|checked| checked.config)
}

/// As [`read_with`], with the warnings.
pub fn inspect(path: &Path, dialects: &[&str]) -> Result<Checked, ConfigError> {
    let unreadable = |reason| ConfigError::Unreadable { path: path.to_owned(), reason };
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let mode = std::fs::metadata(path).map_err(unreadable)?.permissions().mode();
    let (text, mut warnings, result) = inspect_bytes(&bytes, dialects);
    if mode & 0o002 != 0 {
        warnings.insert(0, anyone_may_write(mode));
    }
    match result {
        Ok(config) => Ok(Checked { config, warnings, text }),
        Err(mut faults) => {
            faults.splice(0..0, warnings);
            faults.sort_by_key(|fault| (fault.line, fault.column));
            Err(ConfigError::Faulty { path: path.to_owned(), text, faults })
        }
    }
}

/// As [`inspect`], of a text that is no file yet; `path` is what faults are cited by.
pub fn inspect_text(path: &Path, text: &str, dialects: &[&str]) -> Result<Checked, ConfigError> {
    let (text, warnings, result) = inspect_bytes(text.as_bytes(), dialects);
    match result {
        Ok(config) => Ok(Checked { config, warnings, text }),
        Err(mut faults) => {
            faults.extend(warnings);
            faults.sort_by_key(|fault| (fault.line, fault.column));
            Err(ConfigError::Faulty { path: path.to_owned(), text, faults })
        }
    }
}

/// The text for citation, the warnings, and the configuration or its faults.
fn inspect_bytes(bytes: &[u8], dialects: &[&str]) -> (String, Vec<Fault>, Result<Config, Vec<Fault>>) {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let lossy = citation::without_secrets(&String::from_utf8_lossy(bytes));
            return (lossy, Vec::new(), Err(vec![not_utf8(bytes, error)]));
        }
    };
    let (document, parsed) = parse::parse(text);
    let config = match parsed {
        Ok(config) => config,
        Err(mut faults) => {
            faults.sort_by_key(|fault| (fault.line, fault.column));
            return (document.into_shown(), Vec::new(), Err(faults));
        }
    };
    let mut findings = Findings { document: &document, faults: Vec::new() };
    rules::place::check(&config, &mut findings);
    rules::practice::check(&config, &mut findings);
    rules::source::check(&config, dialects, &mut findings);
    rules::numbers::check(&config, &mut findings);
    rules::supplier::check(&config, &mut findings);
    rules::alerts::check(&config, &mut findings);
    let mut found = findings.faults;
    found.sort_by_key(|fault| (fault.line, fault.column));
    let (faults, warnings): (Vec<_>, Vec<_>) = found.into_iter().partition(|f| f.severity == Severity::Fault);
    (document.into_shown(), warnings, if faults.is_empty() { Ok(config) } else { Err(faults) })
}

fn not_utf8(bytes: &[u8], error: std::str::Utf8Error) -> Fault {
    let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
    let (line, column) = line_and_column(std::str::from_utf8(good).unwrap_or_default(), good.len());
    let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
    Fault {
        severity: Severity::Fault,
        line,
        column,
        length: 1,
        field: String::new(),
        value: String::new(),
        reason: format!("byte 0x{byte:02X} is not UTF-8"),
        remedy: "save the file as UTF-8, not as Latin-1 or Windows text".to_owned(),
    }
}

fn anyone_may_write(mode: u32) -> Fault {
    Fault {
        severity: Severity::Warning,
        line: 0,
        column: 0,
        length: 0,
        field: String::new(),
        value: String::new(),
        reason: format!("everybody on this machine may change this file (mode {:04o})", mode & 0o7777),
        remedy: "chmod o-w on it".to_owned(),
    }
}
