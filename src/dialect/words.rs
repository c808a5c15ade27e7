//! The words of a dialect file as its writer knows them, and which of its rows hides another.

use super::file::{FactFile, Key, RowFile, Type};
use super::many::Many;

impl RowFile {
    /// Whether no line gets past this row to `later`, a row of the same table: all that it asks for, that one asks too.
    pub fn hides(&self, later: &RowFile) -> bool {
        let Many(kinds) = &self.kind;
        let kinds =
            kinds.is_empty() || (!later.kind.0.is_empty() && later.kind.0.iter().all(|kind| kinds.contains(kind)));
        let asked = self.when.iter().all(|(field, test)| later.when.get(field) == Some(test));
        let so_far = self.so_far == FactFile::default() || self.so_far == later.so_far;
        let options = self.option.iter().all(|(option, value)| later.option.get(option) == Some(value));
        kinds && asked && so_far && options
    }
}

/// As it is written in the file.
impl std::fmt::Display for Key {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        kebab(&format!("{self:?}"), to)
    }
}

/// As it is written in the file.
impl std::fmt::Display for Type {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        kebab(&format!("{self:?}"), to)
    }
}

fn kebab(name: &str, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
    use std::fmt::Write as _;
    for (number, letter) in name.chars().enumerate() {
        if letter.is_ascii_uppercase() && number > 0 {
            to.write_char('-')?;
        }
        to.write_char(letter.to_ascii_lowercase())?;
    }
    Ok(())
}
