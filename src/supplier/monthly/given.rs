//! Everything that the operator gives for a month, read and found usable before anything is written.

use std::collections::BTreeMap;

use super::build::{BuildError, Order};
use super::call_level::{Files, Layout};
use super::config::BuildConfig;
use super::lists::{Accepted, Accounts, Participation};
use super::template::Template;

/// What the operator gave.
#[derive(Debug)]
pub struct Given {
    /// The operator's file.
    pub config: BuildConfig,
    /// How the aggregated file is laid out.
    pub template: Template,
    /// Who takes part.
    pub participation: Participation,
    /// The account map.
    pub accounts: Accounts,
    /// What the operator takes responsibility for.
    pub accepted: Accepted,
    /// The call-level file's layout, and the boxes' files, where such a file is to be made.
    pub rows: Option<(Layout, Files)>,
}

impl Given {
    /// Reads all of it. Templates must be confirmed, but for a rehearsal.
    pub fn read(order: &Order<'_>) -> Result<Given, BuildError> {
        let config = BuildConfig::read(order.config)?;
        let template = Template::read(&config.aggregated.template)?;
        if template.confirmed.is_none() && !order.rehearsal {
            return Err(BuildError::Unconfirmed { path: config.aggregated.template });
        }
        let layout = match &config.call_level {
            Some(rows) => {
                let layout = Layout::read(&rows.template)?;
                if layout.template.confirmed.is_none() && !order.rehearsal {
                    return Err(BuildError::Unconfirmed { path: rows.template.clone() });
                }
                Some((layout, &rows.files))
            }
            None => None,
        };
        let participation = Participation::read(&config.participation.file, &config.participation.column)?;
        let accounts = Accounts::read(&config.accounts.file)?;
        let accepted = match &config.accepted {
            Some(file) => Accepted::read(&file.file, order.month, &accounts)?,
            None => Accepted::default(),
        };
        let rows = match layout {
            Some((layout, files)) => Some((layout, Files::read(files, &accounts)?)),
            None => None,
        };
        Ok(Given { template, participation, accounts, accepted, rows, config })
    }

    /// SHA-256 of each file of it, by what it is.
    pub fn hashes(&self) -> BTreeMap<String, String> {
        let mut hashes = BTreeMap::from([
            ("participation list".to_owned(), self.participation.sha256.clone()),
            ("account map".to_owned(), self.accounts.sha256.clone()),
            ("template".to_owned(), self.template.sha256.0.clone()),
            ("sample".to_owned(), self.template.sha256.1.clone()),
        ]);
        hashes.extend(self.accepted.sha256.clone().map(|sha256| ("acceptances".to_owned(), sha256)));
        if let Some((layout, files)) = &self.rows {
            hashes.insert("call-level template".to_owned(), layout.template.sha256.clone());
            hashes.insert("call-level files".to_owned(), files.sha256.clone());
        }
        hashes
    }
}
