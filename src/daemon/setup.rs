//! From a checked configuration to what the daemon runs on: plans, rules, the store and the lock.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::call::{Rules, Site};
use crate::clock::Clock;
use crate::config::Config;
use crate::dialect::{Library, Plan};
use crate::store::{Store, StoreError};

use super::books::Books;
use super::memory;

/// What keeps a verb or the daemon from starting.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    /// Another smdrd has the database.
    #[error("another smdrd (process {pid}) is using {path}; stop it first, or ask it over its control socket")]
    Busy {
        /// Its process number, as far as it is known.
        pid: String,
        /// The lock file.
        path: PathBuf,
    },
    /// A directory or the lock file could not be made.
    #[error("{path}: {reason}; check that it exists and that smdrd may write there")]
    Unwritable {
        /// Which path.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// A dialect or one of its options is not known.
    #[error("source {source_name:?}: {reason}")]
    Dialect {
        /// Name of the source.
        source_name: String,
        /// Why, with what is known.
        reason: String,
    },
    /// The database could not be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A simulated clock with a supplier that is real.
    #[error("a simulated clock is only allowed with a supplier on this machine; take the hidden --clock away")]
    SimulatedWithRealSupplier,
}

/// One configured source, ready to run.
#[derive(Debug, Clone)]
pub struct SourcePlan {
    /// Its name.
    pub name: String,
    /// Its dialect.
    pub dialect: String,
    /// The dialect with the source's options.
    pub plan: Arc<Plan>,
    /// Zone of the PBX's clock.
    pub zone: TimeZone,
}

impl SourcePlan {
    /// The plans of all configured sources, in order.
    pub fn all(config: &Config) -> Result<Vec<SourcePlan>, SetUpError> {
        let library = Library::shipped();
        let mut plans = Vec::new();
        for source in &config.source {
            let name = source.name.get_ref().clone();
            let fault = |reason: String| SetUpError::Dialect { source_name: name.clone(), reason };
            let id = source.dialect.get_ref();
            let dialect = library.get(id).ok_or_else(|| {
                let known: Vec<&str> = library.ids().collect();
                fault(format!("dialect {id:?} is not known; known are {}", known.join(", ")))
            })?;
            let plan = dialect.plan(&source.options, None).map_err(|error| fault(error.to_string()))?;
            let zone = source.zone.as_ref().and_then(|zone| TimeZone::get(zone.get_ref()).ok());
            plans.push(SourcePlan {
                name,
                dialect: id.clone(),
                plan: Arc::new(plan),
                zone: zone.unwrap_or_else(|| config.time_zone()),
            });
        }
        Ok(plans)
    }

    /// How the legs of its calls find each other.
    pub fn rules(&self) -> Rules {
        Rules { linking: self.plan.linking().clone(), zone: self.zone.clone() }
    }
}

/// Holds the database for one process.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of `state_dir`, or says who has it.
    pub fn take(state_dir: &Path) -> Result<Lock, SetUpError> {
        let unwritable = |path: &Path| {
            let path = path.to_owned();
            move |reason| SetUpError::Unwritable { path, reason }
        };
        std::fs::create_dir_all(state_dir).map_err(unwritable(state_dir))?;
        let path = state_dir.join("smdrd.lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(unwritable(&path))?;
        if rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut pid = String::new();
            let _ = file.read_to_string(&mut pid);
            return Err(SetUpError::Busy { pid: pid.trim().to_owned(), path });
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write(&mut file).map_err(unwritable(&path))?;
        Ok(Lock { _file: file })
    }
}

/// Opens the store and the books for the configured sources.
pub fn open(config: &Config, plans: &[SourcePlan]) -> Result<(Store, Books, HashMap<String, u16>), SetUpError> {
    let mut store = Store::open(&config.state_dir)?;
    let mut ids = HashMap::new();
    let work = store.begin()?;
    for plan in plans {
        ids.insert(plan.name.clone(), work.source(&plan.name, &plan.dialect)?.id);
    }
    if work.read().meta("device")?.is_none() {
        let mut bytes = [0; 4];
        // Only a name: a box without random numbers has other worries, which the key ring reports.
        let _ = getrandom::fill(&mut bytes);
        work.set_meta("device", &format!("smdrd-{}", crate::store::hex(&bytes)))?;
    }
    work.commit()?;
    let books = books(config, &store, plans)?;
    Ok((store, books, ids))
}

/// The books as the store has them.
pub fn books(config: &Config, store: &Store, plans: &[SourcePlan]) -> Result<Books, StoreError> {
    let mut rows = Vec::new();
    for plan in plans {
        if let Some(row) = store.read().source(&plan.name)? {
            rows.push((plan, row));
        }
    }
    let ids = rows.iter().map(|(plan, row)| (plan.name.clone(), row.id)).collect();
    let mut books = Books::new(Site::new(config, &ids), config.time_zone());
    for (plan, row) in rows {
        books.source(&store.read(), &row, plan.rules())?;
    }
    Ok(books)
}

/// Whether calls may be linked within the day: the configuration wants it, and memory stays memory. A simulated day
/// holds no patient's number.
pub fn links_calls(config: &Config, clock: &Clock) -> bool {
    config.privacy.linkage.get_ref() != "none" && (clock.is_scaled() || !memory::swaps_in_clear())
}

/// Refuses a simulated clock where the supplier is real.
pub fn check_clock(config: &Config, clock: &Clock) -> Result<(), SetUpError> {
    let local = config.supplier.as_ref().is_none_or(|supplier| {
        let url = supplier.url.get_ref();
        ["http://127.0.0.1", "http://localhost", "https://127.0.0.1", "https://localhost", "http://[::1]"]
            .iter()
            .any(|prefix| url.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/'])))
    });
    if clock.is_scaled() && !local { Err(SetUpError::SimulatedWithRealSupplier) } else { Ok(()) }
}
