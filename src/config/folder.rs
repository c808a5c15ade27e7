//! A drop folder: where something else puts the PBX's files.

use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

/// A folder in memory (tmpfs) into which the PBX, or an FTP server for it, puts files.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Folder {
    /// Path of the folder.
    pub path: PathBuf,
    /// Seconds for which a file must not have changed before it is read: 1 to 3600. Default 10.
    #[serde(default = "default_settle")]
    pub settle_seconds: Spanned<u16>,
}

fn default_settle() -> Spanned<u16> {
    Spanned::new(0..0, 10)
}
