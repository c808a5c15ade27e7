//! What the operator says once: the supplier's name, and where lists, accounts and templates are.

use std::path::{Path, PathBuf};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// The operator's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is no TOML, or has a key it should not have.
    #[error("{path}: {reason}")]
    Text {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        reason: String,
    },
    /// A value cannot be.
    #[error("{path}: {key} {value:?}: {reason}")]
    Value {
        /// The file.
        path: PathBuf,
        /// Which key.
        key: &'static str,
        /// What it says.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// The operator's file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BuildConfig {
    /// `CBT_System_Supplier_Name`, as agreed with NHS England.
    pub supplier_name: String,
    /// Who takes part.
    pub participation: List,
    /// The account map.
    pub accounts: File,
    /// The acceptances; without them nothing is accepted.
    pub accepted: Option<File>,
    /// The aggregated file.
    pub aggregated: Layout,
    /// The call-level file, where one is to be made too.
    pub call_level: Option<Rows>,
    /// NHS England's written acceptance of figures from the records of an old PBX; without it they stay out.
    pub legacy_pbx_smdr: Option<LegacyAcceptance>,
}

/// A list with a column that matters.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The file.
    pub file: PathBuf,
    /// Name of the column with the ODS codes.
    pub column: String,
}

/// A file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The file.
    pub file: PathBuf,
}

/// A file that is laid out by a template.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// The mapping.
    pub template: PathBuf,
}

/// A file of rows, put together from those that the boxes wrote.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rows {
    /// The template that the boxes had.
    pub template: PathBuf,
    /// Which file is whose.
    pub files: PathBuf,
}

/// NHS England's written acceptance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegacyAcceptance {
    /// Its reference.
    pub reference: String,
    /// Its date.
    pub date: Date,
    /// Who gave it.
    pub name: String,
}

impl BuildConfig {
    /// Reads the file; the files that it names are found from where it is.
    pub fn read(path: &Path) -> Result<BuildConfig, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
        let bad = |reason: String| ConfigError::Text { path: path.to_owned(), reason };
        let mut config: BuildConfig = toml::from_str(&text).map_err(|error| bad(error.to_string()))?;
        let mut said = vec![("supplier-name", &config.supplier_name)];
        if let Some(accepted) = &config.legacy_pbx_smdr {
            said.extend([("legacy-pbx-smdr.reference", &accepted.reference), ("legacy-pbx-smdr.name", &accepted.name)]);
        }
        for (key, value) in said {
            let reason = match value {
                value if value.trim().is_empty() => "is empty",
                value if value.trim() != value || value.chars().any(char::is_control) => {
                    "has blanks around it, or control characters"
                }
                _ => continue,
            };
            return Err(ConfigError::Value { path: path.to_owned(), key, value: value.clone(), reason });
        }
        let beside = path.parent().unwrap_or(Path::new(""));
        for file in [&mut config.participation.file, &mut config.accounts.file, &mut config.aggregated.template] {
            *file = beside.join(&*file);
        }
        if let Some(rows) = &mut config.call_level {
            (rows.template, rows.files) = (beside.join(&rows.template), beside.join(&rows.files));
        }
        if let Some(accepted) = &mut config.accepted {
            accepted.file = beside.join(&accepted.file);
        }
        Ok(config)
    }
}
