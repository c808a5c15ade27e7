//! Bearer tokens.

use std::path::{Path, PathBuf};
use std::sync::RwLock;

use jiff::Timestamp;
use reqwest::Request;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use zeroize::Zeroizing;

use super::{Auth, AuthError};

const WHAT: &str = "token file";
const REMEDY: &str = "put the supplier's token there, alone and on one line, readable by the smdrd user";

/// A bearer token (RFC 6750) from a file, read again when the supplier refuses it.
pub struct Bearer {
    path: PathBuf,
    header: RwLock<HeaderValue>,
}

impl Bearer {
    /// Reads the token.
    pub fn from_file(path: &Path) -> Result<Bearer, AuthError> {
        Ok(Bearer { path: path.to_owned(), header: RwLock::new(read(path)?) })
    }

    fn current(&self) -> HeaderValue {
        self.header.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

impl Auth for Bearer {
    fn apply(&self, request: &mut Request, _now: Timestamp) {
        request.headers_mut().insert(AUTHORIZATION, self.current());
    }

    fn refresh(&self) -> Result<bool, AuthError> {
        let fresh = read(&self.path)?;
        let mut held = self.header.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let changed = *held != fresh;
        *held = fresh;
        Ok(changed)
    }
}

impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bearer({})", self.path.display())
    }
}

/// A bearer token that is in no file yet, for a first question to the supplier.
pub struct Held(HeaderValue);

impl Held {
    /// The token, or what is wrong with it.
    pub fn new(token: &str) -> Result<Held, &'static str> {
        header(token).map(Held)
    }
}

impl Auth for Held {
    fn apply(&self, request: &mut Request, _now: Timestamp) {
        request.headers_mut().insert(AUTHORIZATION, self.0.clone());
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Held")
    }
}

fn read(path: &Path) -> Result<HeaderValue, AuthError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| AuthError::Unreadable { what: WHAT, path: path.to_owned(), source, remedy: REMEDY })
        .map(Zeroizing::new)?;
    header(&text).map_err(|reason| AuthError::Unusable { what: WHAT, path: path.to_owned(), reason, remedy: REMEDY })
}

fn header(text: &str) -> Result<HeaderValue, &'static str> {
    let token = text.trim();
    if token.is_empty() {
        return Err("is empty");
    }
    if token.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err("holds blanks, a second line or characters outside ASCII");
    }
    let mut header = HeaderValue::from_str(&Zeroizing::new(format!("Bearer {token}")))
        .map_err(|_| "holds what cannot stand in a header")?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_again_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        assert!(matches!(Bearer::from_file(&path), Err(AuthError::Unreadable { .. })));
        std::fs::write(&path, "first-secret\n").unwrap();
        let bearer = Bearer::from_file(&path).unwrap();
        assert_eq!(bearer.current(), "Bearer first-secret");
        assert!(!bearer.refresh().unwrap());
        std::fs::write(&path, "second-secret").unwrap();
        assert!(bearer.refresh().unwrap());
        assert_eq!(bearer.current(), "Bearer second-secret");
        assert!(!format!("{bearer:?} {:?}", bearer.current()).contains("secret"));
        std::fs::write(&path, "two\nlines").unwrap();
        assert!(matches!(bearer.refresh(), Err(AuthError::Unusable { .. })));
        assert_eq!(bearer.current(), "Bearer second-secret", "a bad file does not cost the token that is held");
    }
}
