//! From a checked configuration to what the daemon runs on: plans, rules, the store and the lock.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::call::{Rules, Site};
use crate::clock::Clock;
use crate::config::{Config, Source};
use crate::dialect::{Dialect, FileFault, Library, LibraryError, Plan};
use crate::framing::Protocol;
use crate::source::is_acknowledged;
use crate::store::{ImportRow, Reading, Store, StoreError};

use super::books::Books;
use super::memory;
use super::repeats::Manner;

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

/// Why a source has no rules.
#[derive(Debug)]
pub enum PlanFault {
    /// The site's own file cannot be used: others run on without it.
    Site {
        /// What is wrong, and where.
        why: String,
        /// The file or the directory.
        origin: String,
        /// How the PBX most likely cuts its output into lines.
        protocol: Protocol,
    },
    /// The configuration asks for what does not exist.
    Configuration(String),
}

/// One configured source, ready to run.
#[derive(Debug, Clone)]
pub struct SourcePlan {
    /// Its name.
    pub name: String,
    /// Its dialect.
    pub dialect: String,
    /// The dialect with the source's options; one that understands nothing where it cannot be used.
    pub plan: Arc<Plan>,
    /// Where the dialect comes from: the path of the site's file, or `shipped`.
    pub origin: String,
    /// Which state of its file this is; nothing where it cannot be used.
    pub version: Option<String>,
    /// Zone of the PBX's clock.
    pub zone: TimeZone,
    /// Whether its lines come as they are printed; out of a folder they come late.
    pub live: bool,
}

impl SourcePlan {
    /// The plans of all configured sources, in order. A site's dialect file that cannot be used takes away the rules
    /// of its own sources only: their lines come in, and none is understood.
    ///
    /// # Errors
    /// A source names a dialect, or an option of a shipped one, that does not exist.
    pub fn all(config: &Config) -> Result<Vec<SourcePlan>, SetUpError> {
        let library = Library::of_site(&config.dialects_dir);
        let mut plans = Vec::new();
        for source in &config.source {
            let plan = SourcePlan::of(config, source, library.as_ref()).or_else(|fault| match fault {
                PlanFault::Site { why, protocol, origin } => {
                    tracing::error!(source = source.name.get_ref().as_str(), why, "no line is understood");
                    Ok(SourcePlan::unusable(config, source, origin, protocol, why))
                }
                PlanFault::Configuration(reason) => {
                    Err(SetUpError::Dialect { source_name: source.name.get_ref().clone(), reason })
                }
            })?;
            plans.push(plan);
        }
        Ok(plans)
    }

    /// The plan of one source, by the dialects of `library`.
    pub fn of(
        config: &Config,
        source: &Source,
        library: Result<&Library, &LibraryError>,
    ) -> Result<SourcePlan, PlanFault> {
        let id = source.dialect.get_ref();
        let shipped = Library::shipped().get(id).map(Dialect::protocol).unwrap_or_default();
        let site = |why: String, origin: String, protocol| Err(PlanFault::Site { why, origin, protocol });
        let library = match library {
            Ok(library) => library,
            Err(error) => return site(error.to_string(), config.dialects_dir.display().to_string(), shipped),
        };
        if let Some(broken) = library.broken_file(id) {
            let place = broken.faults.first().map(FileFault::place).unwrap_or_default();
            let why = format!("{place}: the dialect file is wrong; smdrd check shows why");
            return site(why, broken.path.display().to_string(), broken.protocol);
        }
        let Some(dialect) = library.get(id) else {
            let known: Vec<&str> = library.ids().collect();
            let reason = format!("dialect {id:?} is not known; known are {}", known.join(", "));
            return Err(PlanFault::Configuration(reason));
        };
        match dialect.plan(&source.options, None) {
            Ok(plan) => Ok(SourcePlan {
                name: source.name.get_ref().clone(),
                dialect: id.clone(),
                zone: zone_of(config, source, plan.zone()),
                plan: Arc::new(plan),
                origin: dialect.origin().to_owned(),
                version: Some(dialect.version()),
                live: source.folder.is_none() && source.tftp.is_none(),
            }),
            Err(error) if dialect.from_site => site(error.to_string(), dialect.origin().to_owned(), dialect.protocol()),
            Err(error) => Err(PlanFault::Configuration(error.to_string())),
        }
    }

    /// The plan of a source whose dialect cannot be used.
    pub fn unusable(config: &Config, source: &Source, origin: String, protocol: Protocol, why: String) -> SourcePlan {
        let dialect = source.dialect.get_ref().clone();
        SourcePlan {
            name: source.name.get_ref().clone(),
            plan: Arc::new(Plan::unusable(&dialect, protocol, why)),
            dialect,
            origin,
            version: None,
            zone: zone_of(config, source, None),
            live: source.folder.is_none() && source.tftp.is_none(),
        }
    }

    /// The plan of a file that is or was imported.
    pub fn of_import(config: &Config, row: &ImportRow) -> Result<SourcePlan, SetUpError> {
        let fault = |reason: String| SetUpError::Dialect { source_name: row.name.clone(), reason };
        let library = Library::of_site(&config.dialects_dir).map_err(|error| fault(error.to_string()))?;
        if let Some(broken) = library.broken_file(&row.dialect) {
            return Err(fault(format!("{}: the dialect file is wrong; smdrd check shows why", broken.path.display())));
        }
        let dialect = library.get(&row.dialect).ok_or_else(|| {
            let known: Vec<&str> = library.ids().collect();
            fault(format!("dialect {:?} is not known; known are {}", row.dialect, known.join(", ")))
        })?;
        let plan = dialect.plan(&row.options, row.assume_year).map_err(|error| fault(error.to_string()))?;
        let of = config.source.iter().find(|source| *source.name.get_ref() == row.of);
        Ok(SourcePlan {
            name: row.name.clone(),
            dialect: row.dialect.clone(),
            zone: of.map_or_else(|| config.time_zone(), |source| zone_of(config, source, plan.zone())),
            plan: Arc::new(plan),
            origin: dialect.origin().to_owned(),
            version: Some(dialect.version()),
            live: false,
        })
    }

    /// How the legs of its calls find each other.
    pub fn rules(&self) -> Rules {
        Rules { linking: self.plan.linking().clone(), zone: self.zone.clone() }
    }
}

/// The zone of the PBX's clock: what the site says goes before what the format fixes.
fn zone_of(config: &Config, source: &Source, of_format: Option<&str>) -> TimeZone {
    let name = source.zone.as_ref().map(|zone| zone.get_ref().as_str()).or(of_format);
    let own = name.and_then(|zone| TimeZone::get(zone).ok());
    own.unwrap_or_else(|| config.time_zone())
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
pub fn open(
    config: &Config,
    plans: &[SourcePlan],
    mut store: Store,
) -> Result<(Store, Books, HashMap<String, u16>), SetUpError> {
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

/// Books without a line: what the configuration says of the sources that have these numbers, and of their files.
pub fn bare_books(config: &Config, read: &Reading<'_>, ids: &HashMap<String, u16>) -> Result<Books, StoreError> {
    let mut books = Books::new(Site::new(config, ids), config.time_zone());
    for import in read.imports()? {
        if let Some(source) = ids.get(&import.of) {
            books.assembler.stands_for(import.source, *source);
        }
    }
    Ok(books)
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
    let mut books = bare_books(config, &store.read(), &ids)?;
    for (plan, row) in rows {
        books.source(&store.read(), &row, plan.rules())?;
        if !plan.live {
            books.comes_late(row.id);
        }
        let source = config.source.iter().find(|source| *source.name.get_ref() == plan.name);
        if let Some(correction) = source.and_then(|source| source.clock_correction.as_ref()) {
            books.corrections.insert(row.id, *correction.get_ref());
        }
        let files = store.read().files_of(&plan.name)?;
        let acknowledged = source.is_some_and(is_acknowledged);
        let manner = Manner { acknowledged, in_groups: plan.plan.has_groups() };
        books.watch(&store.read(), row.id, &files, manner)?;
    }
    books.kept_from(store.read().kept_from()?);
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
