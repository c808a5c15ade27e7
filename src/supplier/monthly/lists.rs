//! Who takes part, which accounts there are, and what the operator takes responsibility for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::month::Month;
use super::table::{Table, TableError, shown};
use crate::aggregate::document::PracticeSite;
use crate::supplier::verify::is_name;

/// The practices that take part in the collection, from the list that NHS England gives suppliers each month. What is
/// not on it is not sent.
#[derive(Debug)]
pub struct Participation {
    /// Their ODS codes.
    pub practices: BTreeSet<String>,
    /// SHA-256 of the list, in hex.
    pub sha256: String,
}

impl Participation {
    /// Reads the list. Its header is not published, so the operator names the column.
    pub fn read(path: &Path, column: &str) -> Result<Participation, TableError> {
        let table = Table::read(path)?;
        let at = table.column(column)?;
        table.not_empty("a list without a practice would send nothing: is it the right file?")?;
        let mut seen: BTreeMap<String, u64> = BTreeMap::new();
        for row in table.rows() {
            let code = row.ods(at, column)?;
            // Of two rows one may say that the practice has left.
            if let Some(line) = seen.insert(code.clone(), row.line) {
                return Err(
                    row.refused(format!("{column} {code:?} stands on line {line} already; which of them holds?"))
                );
            }
        }
        Ok(Participation { practices: seen.into_keys().collect(), sha256: table.sha256 })
    }
}

/// Columns of the account map; `Site` may be left out where every practice has one.
const ACCOUNTS: [&str; 3] = ["Account_Number", "ODS_Code", "Site"];

/// The telephony accounts, each with the sites that are summed under it.
#[derive(Debug)]
pub struct Accounts {
    /// By account number, which is text: leading zeros are part of it.
    pub sites: BTreeMap<String, BTreeSet<PracticeSite>>,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
}

impl Accounts {
    /// Reads the map: `Account_Number,ODS_Code,Site`. A site stands under one account.
    pub fn read(path: &Path) -> Result<Accounts, TableError> {
        let table = Table::read(path)?;
        let [account, ods] = [table.column(ACCOUNTS[0])?, table.column(ACCOUNTS[1])?];
        let site = table.maybe_column(ACCOUNTS[2])?;
        table.only(&ACCOUNTS)?;
        table.not_empty("give a row for each site of each practice")?;
        let mut sites: BTreeMap<String, BTreeSet<PracticeSite>> = BTreeMap::new();
        let mut seen: BTreeMap<PracticeSite, (String, u64)> = BTreeMap::new();
        for row in table.rows() {
            let number = row.text(account, ACCOUNTS[0])?.to_owned();
            let practice = row.ods(ods, ACCOUNTS[1])?;
            let site = match site {
                Some(at) => row.text(at, ACCOUNTS[2])?.to_owned(),
                None => "main".to_owned(),
            };
            if !is_name(&site) {
                return Err(row.refused(format!(
                    "Site {:?} is not 1 to 64 letters, digits, '.', '_' and '-', as a box's configuration names it",
                    shown(&site)
                )));
            }
            let key = PracticeSite { ods: practice, site };
            if let Some((other, line)) = seen.insert(key.clone(), (number.clone(), row.line)) {
                let PracticeSite { ods, site } = key;
                return Err(row.refused(format!(
                    "site {site} of {ods} stands under account {} on line {line} already; its calls would count twice",
                    shown(&other)
                )));
            }
            sites.entry(number).or_default().insert(key);
        }
        Ok(Accounts { sites, sha256: table.sha256 })
    }
}

/// Columns of the acceptances.
const ACCEPTED: [&str; 3] = ["Account_Number", "Month", "Reason"];

/// Accounts that go in although less was observed of them than is asked for, each with the operator's reason.
#[derive(Debug, Default)]
pub struct Accepted {
    /// Reason by account number, for one month.
    pub reasons: BTreeMap<String, String>,
    /// SHA-256 of the file, in hex.
    pub sha256: Option<String>,
}

impl Accepted {
    /// Reads `Account_Number,Month,Reason` for `month`. A row of another month says nothing of this one.
    pub fn read(path: &Path, month: Month, accounts: &Accounts) -> Result<Accepted, TableError> {
        let table = Table::read(path)?;
        let [account, of, reason] =
            [table.column(ACCEPTED[0])?, table.column(ACCEPTED[1])?, table.column(ACCEPTED[2])?];
        table.only(&ACCEPTED)?;
        let mut reasons = BTreeMap::new();
        for row in table.rows() {
            let number = row.text(account, ACCEPTED[0])?.to_owned();
            let for_month: Month = row
                .text(of, ACCEPTED[1])?
                .parse()
                .map_err(|error: super::month::NoMonth| row.refused(error.to_string()))?;
            let reason = row.text(reason, ACCEPTED[2])?.to_owned();
            if for_month != month {
                continue;
            }
            if !accounts.sites.contains_key(&number) {
                return Err(row.refused(format!("Account_Number {:?} is not in the account map", shown(&number))));
            }
            if reasons.insert(number.clone(), reason).is_some() {
                return Err(
                    row.refused(format!("account {} is accepted twice for {month}; leave one reason", shown(&number)))
                );
            }
        }
        Ok(Accepted { reasons, sha256: Some(table.sha256) })
    }
}
