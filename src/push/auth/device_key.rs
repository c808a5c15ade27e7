//! The box's own key: its file, and requests signed with it.
//!
//! The file is PEM (PKCS #8), with lines before it that say what it is: `device:`, `since:` and `code:`, the digest of the
//! one-time code it was enrolled with. A key that is on its way to the supplier lies beside it, as `….next` when the box
//! renews its key and as `….enrol` while a person enrols it; it takes the key's place by a rename, once there is a receipt.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use reqwest::Request;
use reqwest::header::HeaderValue;
use zeroize::Zeroizing;

use super::super::Proof;
use super::super::signature::{Message, SigningKey, sign};
use super::{Auth, AuthError};

const WHAT: &str = "device key";
const REMEDY: &str = "ask the supplier for a one-time code and run smdrd enrol";

/// The box's key, and what is known of it.
#[derive(Debug)]
pub struct DeviceKey {
    /// The name that the supplier knows the box by; unknown for a key that was made by hand.
    pub device: Option<String>,
    /// Since when it is the box's key; unknown for one that was made by hand, which is never renewed by itself.
    pub since: Option<Timestamp>,
    /// Digest of the one-time code that it was enrolled with.
    pub code: Option<String>,
    /// The key.
    pub key: SigningKey,
}

impl DeviceKey {
    /// A new key.
    pub fn generate(device: Option<String>, since: Timestamp, code: Option<String>) -> Result<DeviceKey, AuthError> {
        let key = SigningKey::generate().ok_or(AuthError::NoRandomNumbers)?;
        Ok(DeviceKey { device, since: Some(since), code, key })
    }

    /// Reads a key's file.
    pub fn read(path: &Path) -> Result<DeviceKey, AuthError> {
        let text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(|source| AuthError::Unreadable {
            what: WHAT,
            path: path.to_owned(),
            source,
            remedy: REMEDY,
        })?;
        let unusable = |reason| AuthError::Unusable { what: WHAT, path: path.to_owned(), reason, remedy: REMEDY };
        let key = SigningKey::from_pem(&text).ok_or_else(|| unusable("holds no Ed25519 key (PEM, PKCS #8)"))?;
        let said = |name: &str| {
            let lines = text.lines().take_while(|line| !line.starts_with("-----"));
            lines.filter_map(|line| line.split_once(':')).find(|(key, _)| *key == name).map(|(_, said)| said.trim())
        };
        let since = said("since").map(str::parse).transpose();
        Ok(DeviceKey {
            device: said("device").map(str::to_owned),
            since: since.map_err(|_| unusable("has a line `since:` that is no time"))?,
            code: said("code").map(str::to_owned),
            key,
        })
    }

    fn text(&self) -> Zeroizing<String> {
        let mut text =
            Zeroizing::new("The key of this box towards the supplier: not to be copied anywhere.\n".to_owned());
        let lines = [
            ("device", self.device.clone()),
            ("since", self.since.map(|at| at.to_string())),
            ("code", self.code.clone()),
        ];
        for (name, value) in lines.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            *text += &format!("{name}: {value}\n");
        }
        *text += &self.key.to_pem();
        text
    }
}

/// Where the box's key lies, and those on their way.
#[derive(Debug, Clone)]
pub struct KeyFiles {
    /// The key in use.
    pub key: PathBuf,
}

impl KeyFiles {
    /// The files of a key at `path`.
    pub fn at(path: &Path) -> KeyFiles {
        KeyFiles { key: path.to_owned() }
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut path = self.key.clone().into_os_string();
        path.push(ending);
        path.into()
    }

    /// The key that is to follow the one in use.
    pub fn next(&self) -> PathBuf {
        self.beside(".next")
    }

    /// The key that a person enrols.
    pub fn enrolling(&self) -> PathBuf {
        self.beside(".enrol")
    }

    /// The key at `path`, if there is one.
    pub fn read(path: &Path) -> Result<Option<DeviceKey>, AuthError> {
        match DeviceKey::read(path) {
            Err(AuthError::Unreadable { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    /// Keeps a key at `path`, whole or not at all, for the owner alone. When this returns it outlives a power cut.
    pub fn keep(path: &Path, key: &DeviceKey) -> Result<(), AuthError> {
        let failed = |source| AuthError::Unwritable { what: WHAT, path: path.to_owned(), source };
        let mut new = path.to_owned().into_os_string();
        new.push(".new");
        let new = PathBuf::from(new);
        let write = || {
            match std::fs::remove_file(&new) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
            file.write_all(key.text().as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&new, path)?;
            sync_folder(path)
        };
        write().map_err(failed)
    }

    /// Puts the key at `from` in the place of the one in use.
    pub fn take_up(&self, from: &Path) -> Result<(), AuthError> {
        let failed = |source| AuthError::Unwritable { what: WHAT, path: self.key.clone(), source };
        std::fs::rename(from, &self.key).and_then(|()| sync_folder(&self.key)).map_err(failed)
    }

    /// Takes away a key that came to nothing.
    pub fn give_up(&self, path: &Path) -> Result<(), AuthError> {
        match std::fs::remove_file(path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(AuthError::Unwritable { what: WHAT, path: path.to_owned(), source })
            }
            _ => Ok(()),
        }
    }
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}

/// Requests signed with the box's key (RFC 9421).
pub struct Signed {
    path: Option<PathBuf>,
    held: RwLock<Arc<DeviceKey>>,
}

impl Signed {
    /// Reads the key.
    pub fn from_file(path: &Path) -> Result<Signed, AuthError> {
        Ok(Signed { path: Some(path.to_owned()), held: RwLock::new(Arc::new(DeviceKey::read(path)?)) })
    }

    /// Signs with a key that is not in use yet.
    pub fn with(key: DeviceKey) -> Signed {
        Signed { path: None, held: RwLock::new(Arc::new(key)) }
    }

    /// The key that is signed with.
    pub fn current(&self) -> Arc<DeviceKey> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Auth for Signed {
    fn apply(&self, request: &mut Request, now: Timestamp) {
        let url = request.url().clone();
        let host = url.host_str().unwrap_or_default();
        let authority = url.port().map_or(host.to_owned(), |port| format!("{host}:{port}"));
        let message = Message {
            method: request.method().as_str(),
            authority: &authority,
            path: url.path(),
            query: url.query(),
            headers: request.headers(),
        };
        // What cannot be signed goes unsigned, and the supplier says so.
        for (name, value) in sign(&self.current().key, &message, now).into_iter().flatten() {
            if let Ok(value) = HeaderValue::from_str(&value) {
                request.headers_mut().insert(name, value);
            }
        }
    }

    fn refresh(&self) -> Result<bool, AuthError> {
        let Some(path) = &self.path else { return Ok(false) };
        let fresh = DeviceKey::read(path)?;
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let changed = held.key.public() != fresh.key.public();
        *held = Arc::new(fresh);
        Ok(changed)
    }

    fn is_dated(&self) -> bool {
        true
    }

    fn kind(&self) -> Proof {
        Proof::Key
    }
}

impl std::fmt::Debug for Signed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signed({:?})", self.current())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_key_is_kept_for_its_owner_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let files = KeyFiles::at(&folder.path().join("device-key.pem"));
        assert!(KeyFiles::read(&files.key).unwrap().is_none());
        assert!(matches!(Signed::from_file(&files.key), Err(AuthError::Unreadable { .. })));
        let since = "2026-11-21T00:41:07Z".parse().unwrap();
        let key = DeviceKey::generate(Some("smdrd-test".into()), since, Some("ab".into())).unwrap();
        KeyFiles::keep(&files.next(), &key).unwrap();
        KeyFiles::keep(&files.next(), &key).unwrap();
        assert!(KeyFiles::read(&files.key).unwrap().is_none(), "not in use before its time");
        files.take_up(&files.next()).unwrap();
        assert!(KeyFiles::read(&files.next()).unwrap().is_none());
        let read = KeyFiles::read(&files.key).unwrap().unwrap();
        assert_eq!((read.key.public(), read.since), (key.key.public(), Some(since)));
        assert_eq!((read.device.as_deref(), read.code.as_deref()), (Some("smdrd-test"), Some("ab")));
        assert_eq!(std::fs::metadata(&files.key).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left lying about");

        let signed = Signed::from_file(&files.key).unwrap();
        assert!(!signed.refresh().unwrap());
        let other = DeviceKey::generate(None, since, None).unwrap();
        KeyFiles::keep(&files.key, &other).unwrap();
        assert!(signed.refresh().unwrap());
        std::fs::write(&files.key, "rubbish").unwrap();
        assert!(matches!(signed.refresh(), Err(AuthError::Unusable { .. })));
        assert_eq!(signed.current().key.public(), other.key.public(), "a bad file does not cost the key that is held");
        std::fs::write(&files.key, format!("since: yesterday\n{}", other.key.to_pem().as_str())).unwrap();
        assert!(signed.refresh().unwrap_err().to_string().contains("since"));
    }
}
