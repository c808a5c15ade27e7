//! Secrets of the channels: in files, or in what the service manager hands over.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// A secret's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It cannot be read.
    #[error("{path}: {reason}; the smdrd user must be able to read it")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: std::io::Error,
    },
    /// It holds nothing that could be the secret.
    #[error("{path} {reason}; it must hold the secret alone, on one line")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with its content.
        reason: &'static str,
    },
}

/// The file that the configuration names, or the credential of this name if the service manager hands it over.
pub(super) fn file(named: Option<&Path>, credential: &str) -> Option<PathBuf> {
    let given = || {
        let path = PathBuf::from(std::env::var_os("CREDENTIALS_DIRECTORY")?).join(credential);
        path.is_file().then_some(path)
    };
    named.map(Path::to_owned).or_else(given)
}

/// The secret in a file. It is read each time it is needed, so that a new one is taken up at once.
pub(super) fn read(path: &Path) -> Result<Zeroizing<String>, SecretError> {
    let text = std::fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|reason| SecretError::Unreadable { path: path.to_owned(), reason })?;
    let secret = text.trim_matches(['\r', '\n', ' ', '\t']);
    let unusable = |reason| Err(SecretError::Unusable { path: path.to_owned(), reason });
    if secret.is_empty() {
        return unusable("is empty");
    }
    if secret.contains(|c: char| c.is_control()) {
        return unusable("holds a second line");
    }
    Ok(Zeroizing::new(secret.to_owned()))
}
