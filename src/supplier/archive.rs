//! Every revision of every document, append-only; the newest revision of a day is the one that counts.
//!
//! Two engines stand behind one [`Archive`]: SQLite, in a file of this machine, and PostgreSQL, for several receivers
//! beside each other. What they keep and answer is the same; a test holds both to one table.
//!
//! Tables are added by a migration for each engine ([`sqlite`], [`postgres`]) and a trait of steps that both implement.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;

use crate::push::{Receipt, ReceiptStatus};

pub mod month;
#[cfg(feature = "postgres")]
mod postgres;
pub mod sites;
mod sqlite;

use super::devices::{Books, Wanted};
use month::Days;
use sites::Sites;

/// Heartbeats of one box that are kept.
const HEARTBEATS: u32 = 40;

/// The archive. Its steps wait for the disk or the server, so they are not for the threads that serve.
#[derive(Debug)]
pub struct Archive {
    engine: Box<dyn Engine>,
}

/// What an engine does, by what it is about.
trait Engine: Documents + Days + Sites + Heartbeats + Accounts + std::fmt::Debug + Send + Sync {
    /// Whether the archive answers.
    fn answers(&self) -> Result<(), ArchiveError>;
}

/// Says what a person should know of a document, told which revision was the newest before.
type Warn<'a> = &'a dyn Fn(Option<&Held>) -> Vec<String>;

/// Documents by their address.
trait Documents {
    /// `sender`: who sent it and how that is known, where it came from a box.
    fn keep(&self, arrival: &Arrival, sender: Option<&str>, warn: Warn<'_>) -> Result<Kept, ArchiveError>;
    fn manifest(&self, ods: &str, site: &str, from: Date, to: Date) -> Result<Vec<ManifestEntry>, ArchiveError>;
    fn document(&self, at: Spot<'_>, revision: Option<u32>) -> Result<Option<(Held, Vec<u8>)>, ArchiveError>;
}

/// Signs of life.
trait Heartbeats {
    fn heartbeat(&self, heard: &Heard) -> Result<(), ArchiveError>;
    fn heartbeats(&self) -> Result<Vec<Heard>, ArchiveError>;
    fn heartbeats_of(&self, device: &str) -> Result<Vec<Heard>, ArchiveError>;
}

/// Boxes, keys and one-time codes.
trait Accounts {
    /// Reads what a step needs.
    fn known(&self, wanted: &Wanted) -> Result<Books, ArchiveError>;
    /// The same, of every box.
    fn accounts(&self) -> Result<Books, ArchiveError>;
    /// Reads what a step needs, takes it, and writes what it changed, in one transaction that holds others off. The step may
    /// be taken more than once; only the last time counts.
    fn settle(&self, wanted: &Wanted, step: &dyn Fn(&mut Books)) -> Result<(), ArchiveError>;
}

/// A day of a site.
#[derive(Debug, Clone, Copy)]
struct Spot<'a> {
    ods: &'a str,
    site: &'a str,
    date: Date,
}

/// A document that is to be kept.
#[derive(Debug)]
pub struct Arrival {
    /// ODS code of the practice.
    pub ods: String,
    /// Site within the practice.
    pub site: String,
    /// The civil day.
    pub date: Date,
    /// Revision of the day.
    pub revision: u32,
    /// SHA-256 of the body in hex.
    pub sha256: String,
    /// The bytes as they came.
    pub body: Vec<u8>,
    /// Its schema.
    pub schema: String,
    /// The box that made it.
    pub device: String,
    /// When it came.
    pub received_at: Timestamp,
    /// Name for its receipt.
    pub receipt_id: String,
}

/// A revision that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Revision of the day.
    pub revision: u32,
    /// SHA-256 of the body in hex.
    pub sha256: String,
    /// The box that made it.
    pub device: String,
}

/// A sign of life.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// Of which box.
    pub device: String,
    /// The ODS codes that its token is good for.
    pub practices: Vec<String>,
    /// By how many seconds the box's clock was ahead, as it said.
    pub skew_s: Option<i64>,
    /// When it came.
    pub received_at: Timestamp,
    /// What the box said of itself ([`crate::push::heartbeat`]); nothing where it said nothing that is a JSON object.
    pub said: Option<serde_json::Value>,
}

/// What became of an arrival.
#[derive(Debug)]
pub enum Kept {
    /// The day was not held before.
    First(Receipt),
    /// It is the day's newest revision now.
    Replaced(Receipt),
    /// The same bytes were held already.
    Replayed(Receipt),
    /// A revision as new or newer is held, with other bytes.
    Stale(Held),
}

/// One line of a manifest.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub struct ManifestEntry {
    /// The civil day.
    pub date: Date,
    /// Newest revision that is held.
    pub revision: u32,
    /// Its SHA-256 in hex.
    pub sha256: String,
}

/// The archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file cannot be made or opened.
    #[error("store {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It was written by a newer program.
    #[error("store {store} has version {found}, this smdr-feed knows {known}; run the newer one")]
    Newer {
        /// The file, or the server and its database.
        store: String,
        /// Its version.
        found: i64,
        /// The newest version that is known here.
        known: i64,
    },
    /// A setting did not take.
    #[error("store {path}: {setting} is {value:?}; put the store on a local file system")]
    Setting {
        /// The file.
        path: PathBuf,
        /// Which setting.
        setting: &'static str,
        /// What it is instead.
        value: String,
    },
    /// SQLite says no.
    #[error("store: {0}")]
    Sql(#[from] rusqlite::Error),
    /// The address of a server cannot be used as it is written. It is not shown whole, since it may hold a password.
    #[error("--store {store}: {reason}")]
    Address {
        /// As much of it as can be shown.
        store: String,
        /// What is wrong, and what to write instead.
        reason: String,
    },
    /// The server cannot be reached, or says no. Nothing was kept of what was under way, or all of it.
    #[error("store {store}: {reason}; {remedy}")]
    Server {
        /// User, host and database; never a password.
        store: String,
        /// What the server or the network says.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
}

impl ArchiveError {
    /// Whether the fault is in what was configured, rather than in the machine, the network or the server.
    pub fn is_configuration(&self) -> bool {
        !matches!(self, ArchiveError::Sql(_) | ArchiveError::Server { .. })
    }
}

impl Archive {
    /// Opens the archive, making its tables where they are not there yet. `postgres://USER@HOST/DATABASE` is a server;
    /// anything else is a file, which only its owner may read.
    pub fn open(store: &Path) -> Result<Archive, ArchiveError> {
        let server =
            store.to_str().filter(|text| ["postgres://", "postgresql://"].iter().any(|it| text.starts_with(it)));
        let engine: Box<dyn Engine> = match server {
            Some(address) => open_server(address)?,
            None => Box::new(sqlite::Sqlite::open(store)?),
        };
        Ok(Archive { engine })
    }

    /// Keeps a document unless the same bytes, or a revision as new, are held. `warn` is told which revision was the
    /// newest before, and says what a person should know.
    pub fn keep(&self, arrival: &Arrival, warn: impl Fn(Option<&Held>) -> Vec<String>) -> Result<Kept, ArchiveError> {
        self.engine.keep(arrival, None, &warn)
    }

    /// The same, with who sent it and how that is known ([`super::identity::Sender::kept`]): kept beside the document.
    pub fn keep_from(
        &self,
        arrival: &Arrival,
        sender: &str,
        warn: impl Fn(Option<&Held>) -> Vec<String>,
    ) -> Result<Kept, ArchiveError> {
        self.engine.keep(arrival, Some(sender), &warn)
    }

    /// The newest revision of each day held for a site, by date.
    pub fn manifest(
        &self,
        ods: &str,
        site: &str,
        from: Option<Date>,
        to: Option<Date>,
    ) -> Result<Vec<ManifestEntry>, ArchiveError> {
        self.engine.manifest(ods, site, from.unwrap_or(jiff::civil::date(0, 1, 1)), to.unwrap_or(Date::MAX))
    }

    /// The bytes of a revision, the newest when none is asked for.
    pub fn document(
        &self,
        ods: &str,
        site: &str,
        date: Date,
        revision: Option<u32>,
    ) -> Result<Option<(Held, Vec<u8>)>, ArchiveError> {
        self.engine.document(Spot { ods, site, date }, revision)
    }

    /// Notes that a box was heard of. The newest 40 heartbeats of each box are kept.
    pub fn heartbeat(&self, heard: &Heard) -> Result<(), ArchiveError> {
        self.engine.heartbeat(heard)
    }

    /// The newest heartbeat of each box, by its name.
    pub fn heartbeats(&self) -> Result<Vec<Heard>, ArchiveError> {
        self.engine.heartbeats()
    }

    /// The heartbeats of one box that are kept, newest first.
    pub fn heartbeats_of(&self, device: &str) -> Result<Vec<Heard>, ArchiveError> {
        self.engine.heartbeats_of(device)
    }

    /// What is known of boxes, keys and codes.
    pub fn known(&self, wanted: &Wanted) -> Result<Books, ArchiveError> {
        self.engine.known(wanted)
    }

    /// Every box with its keys.
    pub fn accounts(&self) -> Result<Books, ArchiveError> {
        self.engine.accounts()
    }

    /// Takes a step on boxes, keys and codes, in one transaction.
    pub fn settle<T>(&self, wanted: &Wanted, step: &dyn Fn(&mut Books) -> T) -> Result<T, ArchiveError> {
        let outcome = std::cell::RefCell::new(None);
        self.engine.settle(wanted, &|books| {
            let taken = step(books);
            *outcome.borrow_mut() = Some(taken);
        })?;
        // An engine that takes no step has failed before.
        outcome.into_inner().ok_or(ArchiveError::Sql(rusqlite::Error::InvalidQuery))
    }

    /// Whether the archive answers.
    pub fn answers(&self) -> Result<(), ArchiveError> {
        self.engine.answers()
    }
}

#[cfg(feature = "postgres")]
fn open_server(address: &str) -> Result<Box<dyn Engine>, ArchiveError> {
    Ok(Box::new(postgres::Postgres::open(address)?))
}

#[cfg(not(feature = "postgres"))]
fn open_server(address: &str) -> Result<Box<dyn Engine>, ArchiveError> {
    let (scheme, _) = address.split_once("://").unwrap_or_default();
    let reason =
        "this smdr-feed was built without PostgreSQL; build it with --features postgres, or give a file".to_owned();
    Err(ArchiveError::Address { store: format!("{scheme}://…"), reason })
}

impl Arrival {
    /// The receipt for it, as first given.
    fn receipt(&self, warnings: Vec<String>) -> Receipt {
        Receipt {
            receipt_id: self.receipt_id.clone(),
            ods: self.ods.clone(),
            site: self.site.clone(),
            date: self.date,
            revision: self.revision,
            sha256: self.sha256.clone(),
            received_at: self.received_at,
            server_schema: self.schema.clone(),
            status: ReceiptStatus::Accepted,
            warnings,
            replayed: false,
        }
    }
}

/// The practices of a heartbeat, as they are kept.
fn split_practices(practices: &str) -> Vec<String> {
    practices.split(',').filter(|ods| !ods.is_empty()).map(str::to_owned).collect()
}
