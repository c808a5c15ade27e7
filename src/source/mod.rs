//! Where bytes come from: serial ports, PBXs that wait for us, PBXs that call us, and folders into which files are put.
//!
//! [`run`] keeps all sources of a site going together until it is told to stop, and says what happens as
//! [`Happening`]s through one bounded channel: when the reader is slow, the sockets and ports are not read, and the PBX
//! is held back. A link that fails is tried again, for ever, with growing pauses; no failure of one source touches
//! another. What a source receives may be repeated to an older call logger ([`RelayNews`]), which never holds anything
//! back. Deadlines and pauses run on the machine's own clock; the given [`Clock`] only dates what happens.
//!
//! Bytes are handed on as they came. They may hold telephone numbers, so no `Debug` here shows them.

mod accounting;
mod backoff;
mod cause;
mod connect;
mod conversation;
mod dialogue;
mod folder;
mod handover;
mod happening;
mod listen;
mod login;
mod nec;
mod parity;
mod relay;
mod reporter;
mod serial;
mod tcp;
mod telnet;
mod tftp;
pub mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::config;

pub use cause::Cause;
pub use folder::{FileMark, Ledger, in_memory};
pub use handover::{Handover, Keep, LinkState};
pub use happening::{Happening, Receipt};
pub use login::Login;
pub use nec::Check;
pub use parity::{IN_ERROR, LineErrors, Marks};
pub use relay::RelayNews;
pub use serial::{is_locked, may_be_opened};

use reporter::Reporter;

/// One source, ready to run.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The number that [`Happening`]s carry.
    pub id: u16,
    /// The site's name for it.
    pub name: String,
    /// How the bytes come.
    pub how: How,
    /// How to log in after connecting. Only [`How::Connect`] logs in.
    pub login: Option<Login>,
    /// Folder of the lock files that keep two sources off one serial port. Without it there is no lock.
    pub locks: Option<PathBuf>,
    /// What is stored of files. [`How::Folder`] reads none without it.
    pub ledger: Option<Ledger>,
    /// Whom what comes in is repeated to.
    pub relay: Option<config::Relay>,
}

/// How bytes come.
#[derive(Debug, Clone)]
pub enum How {
    /// Through a serial port.
    Serial(config::Serial),
    /// From a PBX that waits for us.
    Connect(config::TcpConnect),
    /// From a PBX that calls us.
    Listen(config::TcpListen),
    /// From a PBX that puts files to us by TFTP.
    Tftp(config::TcpListen),
    /// Out of a folder into which files are put.
    Folder(config::Folder),
}

/// A source's settings cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// It has not exactly one way in.
    #[error("source {name}: has {count} of serial, tcp-connect, tcp-listen, tftp and folder; give it exactly one")]
    Ways {
        /// Which source.
        name: String,
        /// How many it has.
        count: usize,
    },
    /// The drop folder cannot be one.
    #[error("source {name}: {cause}")]
    Folder {
        /// Which source.
        name: String,
        /// Why.
        cause: Cause,
    },
    /// The log-in password could not be read.
    #[error("source {name}: password-file {path} cannot be read: {reason}; correct the path or its permissions")]
    PasswordFile {
        /// Which source.
        name: String,
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// The log-in password cannot be sent.
    #[error("source {name}: the password in {path} {reason}; set another in the PBX")]
    Password {
        /// Which source.
        name: String,
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: &'static str,
    },
}

impl Spec {
    /// A source as the configuration has it. The log-in is the one that bears the dialect's name, if there is one; the
    /// password is the first line of `password-file`.
    pub fn from_config(id: u16, source: &config::Source) -> Result<Spec, SpecError> {
        let name = source.name.get_ref().clone();
        let ways = [
            source.serial.as_ref().map(|serial| How::Serial(serial.get_ref().clone())),
            source.tcp_connect.as_ref().map(|tcp| How::Connect(tcp.get_ref().clone())),
            source.tcp_listen.as_ref().map(|tcp| How::Listen(tcp.get_ref().clone())),
            source.tftp.as_ref().map(|tftp| How::Tftp(tftp.get_ref().clone())),
            source.folder.as_ref().map(|folder| How::Folder(folder.get_ref().clone())),
        ];
        let count = ways.iter().flatten().count();
        let Some(how) = ways.into_iter().flatten().next().filter(|_| count == 1) else {
            return Err(SpecError::Ways { name, count });
        };
        if let How::Folder(settings) = &how {
            folder::inspect(&settings.path).map_err(|cause| SpecError::Folder { name: name.clone(), cause })?;
        }
        let mut login = None;
        if let How::Connect(tcp) = &how {
            let password = match &tcp.password_file {
                Some(path) => read_password(path).map_err(|reason| SpecError::PasswordFile {
                    name: name.clone(),
                    path: path.clone(),
                    reason,
                })?,
                None => Zeroizing::default(),
            };
            login = Login::named(source.dialect.get_ref(), password).or_else(|| Login::of_nec(source, tcp.port));
            if let (Some(path), Some(reason)) = (&tcp.password_file, login.as_ref().and_then(Login::fault)) {
                return Err(SpecError::Password { name, path: path.clone(), reason });
            }
        }
        let relay = source.relay.as_ref().map(|relay| relay.get_ref().clone());
        Ok(Spec { id, name, how, login, locks: None, ledger: None, relay })
    }

    /// The same, with the way to what is stored of files.
    pub fn with_ledger(self, ledger: Ledger) -> Spec {
        Spec { ledger: Some(ledger), ..self }
    }

    /// The same, with a folder for lock files.
    pub fn with_locks(self, folder: &Path) -> Spec {
        Spec { locks: Some(folder.to_owned()), ..self }
    }
}

/// Whether the PBX behind a source gives a file again until it is acknowledged, and nothing tells the second time from the
/// first. A NEC does the like, and numbers its records.
pub fn is_acknowledged(source: &config::Source) -> bool {
    source.tftp.is_some()
}

fn read_password(path: &Path) -> std::io::Result<Zeroizing<String>> {
    let text = Zeroizing::new(std::fs::read_to_string(path)?);
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}

/// Runs all sources together until `stop` says so or its sender is gone.
///
/// At the stop, what has already arrived is still read, and every open link ends with a [`Happening::Down`]: read `tx`'s
/// other end until it is empty and closed. Returns early when that end is gone.
pub async fn run(specs: Vec<Spec>, clock: Clock, tx: mpsc::Sender<Happening>, stop: watch::Receiver<bool>) {
    run_on(specs, clock, tx, stop, Handover::default()).await;
}

/// The same, going on with the links of the run before: each comes up under the number it had. At the stop links end with
/// a [`Happening::Parked`] instead, and stay open.
pub async fn run_on(
    specs: Vec<Spec>,
    clock: Clock,
    tx: mpsc::Sender<Happening>,
    stop: watch::Receiver<bool>,
    handover: Handover,
) {
    let last = specs.iter().flat_map(|spec| handover.links_of(spec)).max().unwrap_or(0);
    let connections = Arc::new(AtomicU64::new(last));
    let reporter = |spec: &Spec| {
        let links = (handover.clone(), handover::mark(spec));
        Reporter::new(spec.id, clock, tx.clone(), stop.clone(), Arc::clone(&connections), links)
    };
    let mut tasks = JoinSet::new();
    let mut listeners: Vec<listen::Listener> = Vec::new();
    for spec in specs {
        let reporter = reporter(&spec);
        let tap = spec.relay.map(|relay| {
            let (tap, relay) = relay::open(relay, spec.locks.clone(), reporter.clone());
            tasks.spawn(relay.run());
            tap
        });
        let reporter = reporter.with_tap(tap);
        match spec.how {
            How::Serial(settings) => {
                let found = reporter.found();
                tasks.spawn(serial::run(settings, spec.locks, reporter, found));
            }
            How::Connect(settings) => {
                let found = reporter.found();
                tasks.spawn(connect::run(settings, spec.login, reporter, found));
            }
            How::Tftp(settings) => {
                tasks.spawn(tftp::run(settings, reporter));
            }
            How::Folder(settings) => match spec.ledger {
                Some(ledger) => drop(tasks.spawn(folder::run(settings, ledger, reporter))),
                None => {
                    tracing::error!(source = spec.name, "nobody keeps what is read of files: the folder is not read")
                }
            },
            How::Listen(settings) => {
                let route = listen::Route::new(settings.allow, reporter);
                match listeners.iter_mut().find(|listener| listener.address == settings.address) {
                    Some(listener) => listener.routes.push(route),
                    None => listeners.push(listen::Listener::new(settings.address, route, handover.clone())),
                }
            }
        }
    }
    handover.close_the_rest();
    for listener in listeners {
        tasks.spawn(listener.run());
    }
    // What a task's reader is told must end when the tasks do.
    drop(tx);
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a source ended abnormally");
        }
    }
}
