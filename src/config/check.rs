//! Reading and checking a configuration as a whole.

use std::path::Path;

use super::{Config, ConfigError};

/// Reads and checks the file at `path`.
pub fn read(path: &Path) -> Result<Config, ConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|reason| ConfigError::Unreadable { path: path.to_owned(), reason })?;
    toml::from_str(&text).map_err(|_| ConfigError::Faulty { path: path.to_owned(), text, faults: Vec::new() })
}
