//! What a month's accounts come to: who is in, who is not and why, sums, and what a person should look at.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::call_level::{Left, UsedFile};
use super::field::Code;
use super::figures::Counts;
use super::files::write_mapping;
use super::gather::{AccountMonth, Remark, Used};
use super::lists::{Accounts, Participation};
use super::month::Month;
use super::published::outliers;
use super::record::{Included, LeftOut, Said};
use crate::aggregate::document::PracticeSite;
use crate::supplier::archive::{Archive, ArchiveError};

/// What was added up while accounts were gone through.
#[derive(Debug, Default)]
pub struct Sum {
    /// Accounts that are in.
    pub included: Vec<Included>,
    /// Accounts that are not.
    pub left_out: Vec<LeftOut>,
    /// Sums by metric over those that are in.
    pub totals: BTreeMap<String, u64>,
    /// Documents whose figures are in.
    pub documents: BTreeSet<Used>,
    exceptions: Vec<[String; 6]>,
    /// Files of boxes whose rows are in.
    pub files: BTreeSet<UsedFile>,
}

impl Sum {
    /// Takes an account's month, in or out, and what a person should look at.
    pub fn take(&mut self, account: &str, practices: BTreeSet<String>, month: AccountMonth) {
        for reason in &month.reasons {
            self.except("left-out", account, reason.place(), &format!("{}: {reason}", reason.word()));
        }
        for Remark { word, of, date, what } in &month.remarks {
            self.except("look", account, (&of.ods, &of.site, *date), &format!("{word}: {what}"));
        }
        if !month.reasons.is_empty() {
            let reasons = month.reasons.iter().map(Said::of).collect();
            self.left_out.push(LeftOut { account: account.to_owned(), practices, reasons });
            return;
        }
        let mut all = Counts::default();
        let days = month.sites.values().flat_map(|days| days.values());
        days.flat_map(|day| day.iter()).for_each(|counts| all.add(counts));
        let totals: BTreeMap<String, u64> = Code::ALL.map(|code| (code.word().to_owned(), all.all_of(code))).into();
        for (code, count) in &totals {
            *self.totals.entry(code.clone()).or_default() += count;
        }
        if let [ods] = practices.iter().collect::<Vec<_>>().as_slice() {
            for outlier in outliers(|code| all.all_of(code)) {
                self.except("look", account, (ods, "", None), &format!("outlier: {}", outlier.said()));
            }
        }
        if let Some(reason) = &month.accepted {
            self.except("look", account, ("", "", None), &format!("accepted: {reason}"));
        }
        self.included.push(Included::of(account, practices, &month, totals));
        self.documents.extend(month.documents);
    }

    /// Notes what keeps an account out of the call-level file.
    pub fn left_of_rows(&mut self, account: &str, practices: BTreeSet<String>, left: &[Left]) -> LeftOut {
        for one in left {
            self.except("left-out", account, one.place(), &format!("{}: {one}", one.word()));
        }
        LeftOut { account: account.to_owned(), practices, reasons: left.iter().map(Said::of_rows).collect() }
    }

    /// Days of sites that no account has, and practices that take part and that no account has.
    pub fn note_strangers(
        &mut self,
        archive: &Archive,
        month: Month,
        accounts: &Accounts,
        participation: &Participation,
    ) -> Result<(), ArchiveError> {
        let ours: BTreeSet<_> = accounts.sites.values().flatten().collect();
        let held =
            archive.sites(month.first(), month.last())?.into_iter().map(|(ods, site)| PracticeSite { ods, site });
        for of in held.filter(|of| !ours.contains(of)) {
            let what = "no-account: days of it are held, and no account of the map has it";
            self.except("look", "", (&of.ods, &of.site, None), what);
        }
        // The list is England's; that practices on it are with other suppliers is as it should be.
        let listed = ours.iter().filter(|of| participation.practices.contains(&of.ods)).count();
        if listed == 0 {
            self.except(
                "look",
                "",
                ("", "", None),
                "nobody: no practice of the account map takes part; is it the right list?",
            );
        }
        Ok(())
    }

    /// Notes a row of the exceptions; `what` is its word, and after a colon what there is to say.
    pub fn except(
        &mut self,
        severity: &str,
        account: &str,
        (ods, site, date): (&str, &str, Option<jiff::civil::Date>),
        what: &str,
    ) {
        let (word, detail) = what.split_once(": ").unwrap_or((what, ""));
        let date = date.map_or_else(String::new, |date| date.to_string());
        let place = if site.is_empty() { ods.to_owned() } else { format!("{ods}/{site}") };
        self.exceptions.push([severity, account, &place, &date, word, detail].map(str::to_owned));
    }

    /// A row for each practice of each account that is in and wanted.
    pub fn write_mapping(
        &self,
        path: &Path,
        supplier: &str,
        line_end: &'static [u8],
        wanted: &dyn Fn(&str) -> bool,
    ) -> std::io::Result<u64> {
        let accounts = self.included.iter().filter(|one| wanted(&one.account));
        let pairs = accounts.flat_map(|one| one.practices.iter().map(|ods| (one.account.as_str(), ods.as_str())));
        let mut bytes = Vec::new();
        let mapped = write_mapping(&mut bytes, supplier, line_end, pairs)?;
        std::fs::write(path, bytes)?;
        Ok(mapped)
    }

    /// Writes what was left out and what a person should look at. Gives how many rows that are.
    pub fn write_exceptions(&self, path: &Path) -> std::io::Result<u64> {
        let mut file = csv::Writer::from_path(path).map_err(std::io::Error::other)?;
        let header = ["Severity", "Account_Number", "Practice", "Date", "Kind", "Detail"];
        file.write_record(header).map_err(std::io::Error::other)?;
        for row in &self.exceptions {
            file.write_record(row).map_err(std::io::Error::other)?;
        }
        file.flush()?;
        Ok(self.exceptions.len() as u64)
    }
}
