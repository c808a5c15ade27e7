//! The supplier's token as a credential of the service: encrypted where the service manager can, else a file of root's.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::ask::Stop;
use super::write::{put, put_secret};

/// How the token is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Kept {
    /// Encrypted where `systemd-creds` is there and works, else plain.
    Auto,
    /// Encrypted to this machine by `systemd-creds`, or not at all.
    Encrypted,
    /// In a file of root's, mode 0600.
    Plain,
}

/// The name of the credential, as the daemon asks for it.
const NAME: &str = "supplier-token";

/// Where things are put.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// Before every path; `/` but in tests and images.
    pub root: PathBuf,
}

impl Places {
    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The drop-in that names the credential.
    pub fn drop_in(&self) -> PathBuf {
        self.at("/etc/systemd/system/smdrd.service.d/credential.conf")
    }
}

/// What was written.
#[derive(Debug)]
pub(super) struct Written {
    /// Files, for a person.
    pub files: Vec<PathBuf>,
    /// What is to be said.
    pub remark: Option<String>,
}

/// Keeps the token and writes the drop-in.
pub(super) fn keep(places: &Places, token: &str, how: Kept) -> Result<Written, Stop> {
    let mut remark = None;
    let encrypted = match how {
        Kept::Plain => None,
        Kept::Auto | Kept::Encrypted => match encrypt(token) {
            Ok(bytes) => Some(bytes),
            Err(reason) if how == Kept::Encrypted => {
                return Err(Stop::Failed(format!(
                    "--credential encrypted: {reason}; leave it out, and the token is kept in a file of root's"
                )));
            }
            Err(reason) => {
                remark = Some(format!("kept unencrypted, for root only: {reason}"));
                None
            }
        },
    };
    let (path, word, bytes) = match &encrypted {
        Some(bytes) => (format!("/etc/credstore.encrypted/{NAME}"), "LoadCredentialEncrypted", bytes.as_slice()),
        None => (format!("/etc/credstore/{NAME}"), "LoadCredential", token.as_bytes()),
    };
    let text = format!(
        "# Written by `smdrd setup`: the supplier's token, for the service only.\n[Service]\n{word}={NAME}:{path}\n"
    );
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |error: std::io::Error| Stop::Failed(format!("{path}: {error}; run smdrd setup as root (sudo)"))
    };
    let (credential, drop_in) = (places.at(&path), places.drop_in());
    put_secret(&credential, bytes).map_err(failed(&credential))?;
    put(&drop_in, text.as_bytes(), 0o644).map_err(failed(&drop_in))?;
    Ok(Written { files: vec![credential, drop_in], remark })
}

/// Encrypts the token to this machine. It goes through pipes, never through an argument or a file.
fn encrypt(token: &str) -> Result<Vec<u8>, String> {
    let mut child = Command::new("systemd-creds")
        .args(["encrypt", &format!("--name={NAME}"), "-", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("systemd-creds cannot be run ({error})"))?;
    let mut input = child.stdin.take();
    let sent = input.as_mut().map(|input| input.write_all(token.as_bytes()));
    drop(input);
    let output = child.wait_with_output().map_err(|error| format!("systemd-creds: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().next().unwrap_or_default().trim();
    if !output.status.success() || output.stdout.is_empty() {
        return Err(format!("systemd-creds encrypt: {}", if said.is_empty() { "it failed" } else { said }));
    }
    match sent {
        Some(Ok(())) => Ok(output.stdout),
        _ => Err("systemd-creds encrypt did not take the token".to_owned()),
    }
}
