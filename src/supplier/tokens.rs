//! Who may send for which practice.
//!
//! The tokens file has one line a device: the token, a blank, and the ODS codes it may send for, with commas between
//! them. Empty lines and lines that begin with `#` say nothing. Only digests of the tokens are held in memory.

use std::collections::{BTreeSet, HashMap};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The tokens that were given out.
#[derive(Debug, Default)]
pub struct Tokens {
    /// Practices by the digest of the token.
    boxes: HashMap<[u8; 32], BTreeSet<String>>,
}

/// The tokens file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// It cannot be read.
    #[error("tokens file {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Anyone on the machine may read it.
    #[error("tokens file {path} can be read by everyone (mode {mode:o}); run: chmod 600 {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A line is not right. The token itself is not shown.
    #[error("tokens file {path} line {line}: {reason}; write TOKEN ODS[,ODS…]")]
    Line {
        /// The file.
        path: PathBuf,
        /// Line number from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// It names nobody.
    #[error("tokens file {path} holds no token, so nobody could send; write one line a device: TOKEN ODS[,ODS…]")]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

impl Tokens {
    /// Reads the file.
    pub fn from_file(path: &Path) -> Result<Tokens, TokensError> {
        let unreadable = |source| TokensError::Unreadable { path: path.to_owned(), source };
        let mode = std::fs::metadata(path).map_err(unreadable)?.permissions().mode() & 0o7777;
        if mode & 0o007 != 0 {
            return Err(TokensError::Open { path: path.to_owned(), mode });
        }
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(unreadable)?);
        let tokens =
            Tokens::parse(&text).map_err(|(line, reason)| TokensError::Line { path: path.to_owned(), line, reason })?;
        if tokens.boxes.is_empty() {
            return Err(TokensError::Empty { path: path.to_owned() });
        }
        Ok(tokens)
    }

    fn parse(text: &str) -> Result<Tokens, (usize, String)> {
        let mut tokens = Tokens::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |reason: String| (index + 1, reason);
            let mut words = line.split_whitespace();
            let (Some(token), Some(codes), None) = (words.next(), words.next(), words.next()) else {
                return Err(wrong("it must hold two words".to_owned()));
            };
            let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
            if tokens.boxes.contains_key(&digest) {
                return Err(wrong("its token stands on an earlier line too".to_owned()));
            }
            let ods: BTreeSet<String> = codes.split(',').map(str::to_owned).collect();
            if let Some(code) = ods.iter().find(|code| !is_ods(code)) {
                return Err(wrong(format!("{code:?} is no ODS code, a capital letter and five digits")));
            }
            tokens.boxes.insert(digest, ods);
        }
        Ok(tokens)
    }

    /// The practices that the bearer of `authorization` may send for; nothing when nobody was given such a token.
    ///
    /// They are looked up by their digests, so that the time taken says nothing of a token's text.
    pub fn practices(&self, authorization: Option<&[u8]>) -> Option<&BTreeSet<String>> {
        let (scheme, token) = authorization?.split_at_checked(7)?;
        if !scheme.eq_ignore_ascii_case(b"bearer ") {
            return None;
        }
        let digest: [u8; 32] = Sha256::digest(token.trim_ascii()).into();
        self.boxes.get(&digest)
    }

    /// How many devices may send.
    pub fn len(&self) -> usize {
        self.boxes.len()
    }

    /// Whether nobody may.
    pub fn is_empty(&self) -> bool {
        self.boxes.is_empty()
    }
}

/// Whether `text` has the form of a GP practice's ODS code: a capital letter and five digits.
pub fn is_ods(text: &str) -> bool {
    matches!(text.as_bytes(), [letter, digits @ ..]
        if letter.is_ascii_uppercase() && digits.len() == 5 && digits.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_its_own_practices_only() {
        let tokens = Tokens::parse("# boxes\n\nalpha A81001,A81002\nbeta\tB82003\n").unwrap();
        let of =
            |header: &str| tokens.practices(Some(header.as_bytes())).map(|ods| ods.iter().cloned().collect::<Vec<_>>());
        assert_eq!(of("Bearer alpha").unwrap(), ["A81001", "A81002"]);
        assert_eq!(of("bearer beta").unwrap(), ["B82003"]);
        for header in ["Bearer gamma", "Bearer alph", "Bearer ", "Basic alpha", "alpha", ""] {
            assert_eq!(of(header), None, "{header}");
        }
        assert_eq!(tokens.practices(None), None);
        assert!(!format!("{tokens:?}").contains("alpha"));
    }

    #[test]
    fn a_wrong_line_is_named_without_its_token() {
        for (text, line) in
            [("x A81001\nsecret", 2), ("secret A8100", 1), ("secret A81001\nsecret A81002", 2), ("secret A81001 B", 1)]
        {
            let (at, reason) = Tokens::parse(text).unwrap_err();
            assert_eq!(at, line, "{reason}");
            assert!(!reason.contains("secret"));
        }
    }

    #[test]
    fn a_file_that_everyone_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        std::fs::write(&path, "alpha A81001\n").unwrap();
        let allow = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        allow(0o644);
        assert!(matches!(Tokens::from_file(&path), Err(TokensError::Open { mode: 0o644, .. })));
        allow(0o640);
        assert_eq!(Tokens::from_file(&path).unwrap().len(), 1);
        std::fs::write(&path, "# nobody yet\n").unwrap();
        assert!(matches!(Tokens::from_file(&path), Err(TokensError::Empty { .. })));
    }
}
