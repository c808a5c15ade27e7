//! The running daemon: whether it answers, and whether it is this program.

use std::path::Path;

use super::finding::Finding;
use crate::config::Config;
use crate::control::{self, AskError, Request};
use crate::daemon::status::Snapshot;

/// What came of asking it.
#[derive(Debug)]
pub(super) enum Running {
    /// Nobody listens.
    No,
    /// It may not be asked by this user.
    Hidden,
    /// It does not answer as it should.
    Broken(String),
    /// It answered.
    Yes { version: String, snapshot: Option<Box<Snapshot>> },
}

impl Running {
    pub fn is_there(&self) -> bool {
        !matches!(self, Running::No)
    }

    pub fn snapshot(&self) -> Option<&Snapshot> {
        match self {
            Running::Yes { snapshot, .. } => snapshot.as_deref(),
            _ => None,
        }
    }
}

pub(super) fn gather(runtime_dir: &Path) -> Running {
    match control::ask(runtime_dir, &Request::Status) {
        Ok(None) => Running::No,
        Ok(Some(value)) => Running::Yes {
            version: value["version"].as_str().unwrap_or("?").to_owned(),
            snapshot: serde_json::from_value(value).ok(),
        },
        Err(AskError::Broken { reason, .. }) if reason.kind() == std::io::ErrorKind::PermissionDenied => {
            Running::Hidden
        }
        Err(error) => Running::Broken(error.to_string()),
    }
}

pub(super) fn judge(running: &Running, config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    match running {
        Running::No => findings.push(Finding::warning(
            "daemon",
            "no daemon is running",
            "what the PBX prints meanwhile is not heard",
            "systemctl start smdrd",
        )),
        Running::Hidden => findings.push(Finding::warning(
            "daemon",
            "a daemon runs and may not be asked by this user",
            "its links and keys are not looked at",
            "run smdrd doctor as root",
        )),
        Running::Broken(why) => findings.push(Finding::fault(
            "daemon",
            format!("the daemon does not answer: {why}"),
            "what it reads may not be stored",
            "journalctl -u smdrd, then systemctl restart smdrd",
        )),
        Running::Yes { version, .. } if version != env!("CARGO_PKG_VERSION") => findings.push(Finding::fault(
            "daemon",
            format!("smdrd {version} is running, this program is {}", env!("CARGO_PKG_VERSION")),
            "an upgrade that is not in force mends nothing, and verbs may not understand the daemon",
            "systemctl restart smdrd; it loses no line",
        )),
        Running::Yes { version, snapshot: None } => findings.push(Finding::fault(
            "daemon",
            format!("the answer of the running smdrd {version} cannot be read"),
            "it is another build than this program",
            "systemctl restart smdrd; it loses no line",
        )),
        Running::Yes { version, snapshot: Some(snapshot) } => {
            findings.push(Finding::ok("daemon", format!("smdrd {version} is running")));
            findings.extend(keys(snapshot, config));
        }
    }
    findings
}

/// What the daemon could not do with its memory.
fn keys(snapshot: &Snapshot, config: &Config) -> Option<Finding> {
    let off = snapshot.held.off.as_ref().filter(|_| config.privacy.hold_unparsed)?;
    Some(Finding::warning(
        "memory",
        format!("lines that are not understood are not held: {off}"),
        "when the dialect is put right they cannot be read again",
        "LimitMEMLOCK=4M in the service's unit",
    ))
}
