//! Rows of fact tables.

use compact_str::CompactString;

use super::{Compiler, Place};
use crate::dialect::fault::FileFault;
use crate::dialect::file::{RowFile, TestTable, Type};
use crate::dialect::plan::{Row, Test};

impl Compiler<'_> {
    pub(super) fn tables(&self, place: &Place<'_>) -> Result<Vec<Vec<Row>>, FileFault> {
        let mut tables = Vec::new();
        for table in &self.file.facts {
            let mut rows = Vec::new();
            for (number, row) in table.get_ref().rows.iter().enumerate() {
                let path = format!("facts {:?}, row {}", table.get_ref().name, number.saturating_add(1));
                let here = place.within(row.span(), path);
                let row = row.get_ref();
                let compiled = self.row(row, &here)?;
                if let Some(before) =
                    table.get_ref().rows.iter().take(number).position(|before| before.get_ref().hides(row))
                {
                    return Err(here.fault(
                        "when",
                        format!("no line gets here: row {} takes all that this one asks for", before.saturating_add(1)),
                        "Put this row before that one, or take it out",
                    ));
                }
                if self.chosen(&row.option, &here)? {
                    rows.push(compiled);
                }
            }
            tables.push(rows);
        }
        Ok(tables)
    }

    fn row(&self, row: &RowFile, place: &Place<'_>) -> Result<Row, FileFault> {
        let mut when = Vec::new();
        for (name, test) in &row.when {
            let slot = self.slot(name, place, "when")?;
            let kind = self.types.get(name).copied().unwrap_or_default();
            let listed = test.0.listed.as_ref().map(|option| self.words(option, place)).transpose()?;
            when.push((slot, Test { listed, ..test_of(&test.0, kind, name, place)? }));
        }
        for kind in &row.kind.0 {
            if !self.file.lines.iter().any(|line| line.get_ref().kind == *kind) {
                let kinds = self.file.lines.iter().map(|line| line.get_ref().kind.as_str());
                return Err(place.unknown("kind", kind, kinds, "there is no such line", "Name the kind of a [[line]]"));
            }
        }
        let put = row.put.iter().map(|(key, names)| self.puts(*key, &names.0, place)).collect::<Result<_, _>>()?;
        Ok(Row {
            when,
            so_far: row.so_far,
            kinds: row.kind.0.iter().map(CompactString::from).collect(),
            set: row.set,
            put,
            drop: row.drop.clone(),
            outcome: row.outcome,
            reason: row.reason.clone().unwrap_or_else(|| "a code that no rule knows".to_owned()),
        })
    }
}

impl Compiler<'_> {
    /// The words that the site gave for an option.
    fn words(&self, option: &str, place: &Place<'_>) -> Result<Vec<String>, FileFault> {
        if !self.file.options.get(option).is_some_and(|known| known.get_ref().words) {
            return Err(place.fault(
                &format!("listed {option:?}"),
                "no option of this name takes words",
                "Name an option of [options] that has words = true",
            ));
        }
        let value = self.options.get(option).map_or("", String::as_str);
        let words = value.split(|letter: char| letter == ',' || letter.is_whitespace());
        Ok(words.filter(|word| !word.is_empty()).map(str::to_owned).collect())
    }
}

/// A test must not look into what is masked at rest, beyond its length and whether it is there: a rule that did would
/// read the stored line differently.
fn test_of(test: &TestTable, kind: Type, name: &str, place: &Place<'_>) -> Result<Test, FileFault> {
    let looks = test.is.is_some()
        || test.not.is_some()
        || test.prefix.is_some()
        || test.word.is_some()
        || test.listed.is_some()
        || test.modulo.is_some();
    if looks && (kind.is_masked() || kind.is_clock() || kind.is_length()) {
        return Err(place.fault(
            &format!("when.{name}"),
            format!("a field of type {kind} can only be asked for blank, zero or digits"),
            "Ask for those, or cut the part that is a code out of it",
        ));
    }
    let modulo = match (test.modulo, &test.remainder) {
        (Some(modulo), Some(remainder)) if modulo > 0 => Some((modulo, remainder.clone())),
        (None, None) => None,
        _ => {
            return Err(place.fault(
                &format!("when.{name}.modulo"),
                "modulo (above 0) and remainder belong together",
                "Write both",
            ));
        }
    };
    Ok(Test {
        is: test.is.as_ref().map(|many| many.0.clone()),
        not: test.not.as_ref().map(|many| many.0.clone()).unwrap_or_default(),
        prefix: test.prefix.as_ref().map(|many| many.0.clone()),
        word: test.word.clone(),
        listed: None,
        modulo,
        blank: test.blank,
        zero: test.zero,
        digits: test.digits,
    })
}
