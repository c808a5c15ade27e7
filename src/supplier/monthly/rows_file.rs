//! The call-level file as it is written, account by account.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::call_level::{Files, Layout, Left, UsedFile, Whose, rows_of};
use super::files::{into_io, rows_to};
use super::gather::Days;
use super::month::Month;
use super::record::{CallLevelRecord, LeftOut};
use crate::aggregate::document::PracticeSite;

/// The file, and what is in it so far.
#[derive(Debug)]
pub struct RowsFile<'a> {
    /// How it is laid out.
    pub layout: &'a Layout,
    /// Accounts that are not in it though they are in the aggregated file.
    pub left_out: Vec<LeftOut>,
    files: &'a Files,
    supplier: &'a str,
    out: csv::Writer<BufWriter<File>>,
    included: BTreeSet<String>,
    written: u64,
}

impl<'a> RowsFile<'a> {
    /// Begins with the header, byte for byte as the sample has it.
    pub fn create(path: &Path, layout: &'a Layout, files: &'a Files, supplier: &'a str) -> std::io::Result<Self> {
        let mut out = BufWriter::new(File::create_new(path)?);
        out.write_all(&layout.template.header)?;
        out.write_all(layout.template.line_end)?;
        let out = rows_to(out, layout.template.line_end);
        Ok(RowsFile { layout, files, supplier, out, left_out: Vec::new(), included: BTreeSet::new(), written: 0 })
    }

    /// Writes an account's rows, in the order of what they say, so that their order says nothing; or says what keeps it out.
    pub fn account(
        &mut self,
        account: &str,
        month: Month,
        sites: &BTreeMap<PracticeSite, Days>,
    ) -> std::io::Result<Result<Vec<UsedFile>, Vec<Left>>> {
        let whose = Whose { supplier: self.supplier, account, month };
        let found = match rows_of(self.layout, self.files, whose, sites) {
            Ok(found) => found,
            Err(left) => return Ok(Err(left)),
        };
        for (_, cells) in &found.rows {
            self.out.write_record(cells).map_err(into_io)?;
        }
        self.written += found.rows.len() as u64;
        self.included.insert(account.to_owned());
        Ok(Ok(found.files))
    }

    /// Ends the file. Gives what is in it.
    pub fn finish(self) -> std::io::Result<(BufWriter<File>, CallLevelRecord)> {
        let out = self.out.into_inner().map_err(|error| error.into_error())?;
        let template_confirmed = self.layout.template.confirmed.clone();
        let RowsFile { included, left_out, written: rows, .. } = self;
        Ok((out, CallLevelRecord { included, left_out, rows, template_confirmed }))
    }
}
