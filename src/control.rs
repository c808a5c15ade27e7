//! The one door to the database: verbs ask the daemon over its control socket; where no daemon runs, the verb takes
//! the same lock and answers the same question itself.
//!
//! One request a connection: a JSON object on one line, and a JSON object on one line back. Who asks is told by the
//! kernel (SO_PEERCRED) and goes into the audit; what is asked for, never what was answered.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use crate::call::Owner;
use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::courier::{self, Sent};
use crate::daemon::desk::Desk;
use crate::daemon::keeper::Keeper;
use crate::daemon::rebuild::rebuild;
use crate::daemon::setup::{Lock, SetUpError};
use crate::daemon::status::snapshot;

/// The longest request.
const MAX_REQUEST: u64 = 64 * 1024;
/// How long a verb may be silent.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a verb asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case")]
pub enum Request {
    /// How the daemon is.
    Status,
    /// The document of a day.
    Day {
        /// Which day.
        date: Date,
        /// Whose, as `ODS` or `ODS/site`; may be left out when there is one practice.
        practice: Option<String>,
    },
    /// Close and send what is due.
    Push {
        /// Only this day.
        date: Option<Date>,
    },
    /// Derive history again.
    Rebuild {
        /// Put it in place, rather than only say what differs.
        apply: bool,
    },
}

/// Why a request was not answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{what}; {remedy}")]
pub struct Refusal {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl Refusal {
    fn new(what: impl ToString, remedy: &str) -> Refusal {
        Refusal { what: what.to_string(), remedy: remedy.to_owned() }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Reply {
    Ok(Value),
    Error(Refusal),
}

/// Why a verb got no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The question was refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no daemon, and the verb could not take its place.
    #[error(transparent)]
    SetUp(#[from] SetUpError),
    /// The conversation failed.
    #[error("{path}: {reason}; is the daemon well? see journalctl -u smdrd")]
    Broken {
        /// The socket.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
}

/// Where the control socket is.
pub fn path(runtime_dir: &Path) -> PathBuf {
    runtime_dir.join("control.sock")
}

/// Opens the control socket; the future serves it until it is dropped.
pub fn serve(
    runtime_dir: &Path,
    desk: Desk,
    config: Config,
    clock: Clock,
) -> std::io::Result<impl Future<Output = ()> + use<>> {
    let path = path(runtime_dir);
    // The lock says that no other daemon is here: a socket in the way is one that was left behind.
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o660))?;
    Ok(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let (desk, config) = (desk.clone(), config.clone());
                    tokio::spawn(async move {
                        if let Err(error) = converse(stream, desk, config, clock).await {
                            tracing::debug!(%error, "a verb went away");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the control socket cannot accept");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    })
}

async fn converse(mut stream: UnixStream, desk: Desk, config: Config, clock: Clock) -> std::io::Result<()> {
    let who = stream.peer_cred().map_or_else(|_| "uid ?".to_owned(), |peer| format!("uid {}", peer.uid()));
    let (reading, mut writing) = stream.split();
    let mut line = String::new();
    let mut reading = tokio::io::BufReader::new(reading.take(MAX_REQUEST));
    if tokio::time::timeout(PATIENCE, reading.read_line(&mut line)).await.is_err() {
        return Ok(());
    }
    let reply = match serde_json::from_str::<Request>(&line) {
        Ok(request) => match answer(&desk, &config, clock, &who, true, request).await {
            Ok(value) => Reply::Ok(value),
            Err(refusal) => Reply::Error(refusal),
        },
        Err(error) => Reply::Error(Refusal::new(
            format!("the request cannot be read: {error}"),
            "use the smdrd that belongs to this daemon",
        )),
    };
    let mut bytes = serde_json::to_vec(&reply)?;
    bytes.push(b'\n');
    writing.write_all(&bytes).await?;
    writing.shutdown().await
}

/// Asks the daemon, or answers in this process when none runs.
pub fn ask(config: &Config, clock: Clock, request: Request) -> Result<Value, AskError> {
    let path = path(&config.runtime_dir);
    let broken = |reason| AskError::Broken { path: path.clone(), reason };
    match std::os::unix::net::UnixStream::connect(&path) {
        Ok(mut stream) => {
            let mut bytes = serde_json::to_vec(&request).map_err(|error| broken(error.into()))?;
            bytes.push(b'\n');
            stream.write_all(&bytes).map_err(broken)?;
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line).map_err(broken)?;
            match serde_json::from_str(&line).map_err(|error| broken(error.into()))? {
                Reply::Ok(value) => Ok(value),
                Reply::Error(refusal) => Err(refusal.into()),
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Err(broken(error)),
        Err(_) => {
            let _lock = Lock::take(&config.state_dir)?;
            let mut keeper = Keeper::open(config.clone(), clock)?;
            // What nobody heard must not be said to have been observed.
            keeper.end_abandoned_links().map_err(SetUpError::from)?;
            let (desk, writer) = Desk::start(keeper).map_err(broken)?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(broken)?;
            let who = format!("uid {}", rustix::process::getuid().as_raw());
            let value = runtime.block_on(answer(&desk, config, clock, &who, false, request));
            drop(desk);
            let _ = writer.join();
            Ok(value?)
        }
    }
}

async fn answer(
    desk: &Desk,
    config: &Config,
    clock: Clock,
    who: &str,
    running: bool,
    request: Request,
) -> Result<Value, Refusal> {
    let gone = || Refusal::new("the writer is gone", "restart the daemon");
    let stored = |error: crate::store::StoreError| Refusal::new(error, "see smdrd status");
    match request {
        Request::Status => {
            let taken = desk.with(move |keeper| snapshot(keeper, running)).await.ok_or_else(gone)?;
            serde_json::to_value(taken.map_err(stored)?).map_err(|error| Refusal::new(error, "report this"))
        }
        Request::Day { date, practice } => {
            let body = desk
                .with(move |keeper| {
                    let owner = whose(keeper, practice.as_deref())?;
                    keeper.day(&owner, date).map_err(stored)
                })
                .await
                .ok_or_else(gone)??;
            serde_json::from_slice(&body).map_err(|error| Refusal::new(error, "report this"))
        }
        Request::Push { date } => push(desk, config, clock, who, date).await,
        Request::Rebuild { apply } => {
            let who = who.to_owned();
            let difference = desk
                .with(move |keeper| {
                    audit(keeper, &who, if apply { "rebuild" } else { "rebuild, to look only" })?;
                    rebuild(keeper, apply)
                })
                .await
                .ok_or_else(gone)?;
            serde_json::to_value(difference.map_err(stored)?).map_err(|error| Refusal::new(error, "report this"))
        }
    }
}

fn audit(keeper: &mut Keeper, who: &str, what: &str) -> Result<(), crate::store::StoreError> {
    let now = keeper.clock.now();
    let work = keeper.store.begin()?;
    work.audit(now, who, what)?;
    work.commit()
}

/// The practice that is meant.
fn whose(keeper: &Keeper, practice: Option<&str>) -> Result<Owner, Refusal> {
    let practices = keeper.practices();
    let named = |owner: &&Owner| {
        let (ods, site) = owner.key();
        practice.is_some_and(|practice| practice == ods || practice == format!("{ods}/{site}"))
    };
    let known = || practices.iter().map(|owner| owner.key().0.to_string()).collect::<Vec<_>>().join(", ");
    match (practice, practices.as_slice()) {
        (None, [only]) => Ok(only.clone()),
        (None, []) => Err(Refusal::new("no practice is configured", "add [[practice]] to the configuration")),
        (None, _) => {
            Err(Refusal::new("several practices are configured", &format!("say which with --practice: {}", known())))
        }
        (Some(_), _) => {
            let mut found = practices.iter().filter(named);
            match (found.next(), found.next()) {
                (Some(owner), None) => Ok(owner.clone()),
                (Some(_), Some(_)) => Err(Refusal::new("the practice has several sites", "name one as ODS/site")),
                (None, _) => Err(Refusal::new("no such practice", &format!("configured are {}", known()))),
            }
        }
    }
}

async fn push(desk: &Desk, config: &Config, clock: Clock, who: &str, date: Option<Date>) -> Result<Value, Refusal> {
    let gone = || Refusal::new("the writer is gone", "restart the daemon");
    let stored = |error: crate::store::StoreError| Refusal::new(error, "see smdrd status");
    let client = match courier::client(config, clock) {
        None => {
            return Err(Refusal::new("no supplier is configured", "add [supplier] to the configuration"));
        }
        Some(made) => made.map_err(|error| Refusal::new(error, "check [supplier] with smdrd check"))?,
    };
    let who = who.to_owned();
    let (due, settled, device) = desk
        .with(move |keeper| {
            if let Some(date) = date.filter(|date| !keeper.is_over(*date)) {
                let closes = keeper.closes_at(date);
                return Err(Refusal::new(
                    format!("{date} is not over; it is closed at {closes}"),
                    "look at it with smdrd day",
                ));
            }
            audit(keeper, &who, "push").map_err(stored)?;
            keeper.tick().map_err(stored)?;
            keeper.settle_days(keeper.clock.now(), true).map_err(stored)?;
            let wanted = |of: Date| date.is_none_or(|date| date == of);
            let pending = keeper.store.read().pending().map_err(stored)?;
            let due: Vec<_> = pending.into_iter().filter(|row| wanted(row.date)).collect();
            // A day that is asked for by name is reported even when it has been delivered before.
            let mut settled = Vec::new();
            if let Some(date) = date.filter(|_| due.is_empty()) {
                for owner in keeper.practices() {
                    settled.extend(keeper.store.read().newest(&owner, date).map_err(stored)?);
                }
            }
            // Somebody who names a day that was refused has put right what it was refused for.
            let (refused, settled): (Vec<_>, Vec<_>) =
                settled.into_iter().partition(|row| row.state == crate::store::OutboxState::Parked);
            let due: Vec<_> = due.into_iter().chain(refused).collect();
            Ok((due, settled, keeper.device().map_err(stored)?))
        })
        .await
        .ok_or_else(gone)??;
    let zone = config.time_zone();
    let mut sent: Vec<Sent> = settled.iter().map(courier::said).collect();
    for row in due {
        let row = courier::send(&client, row, &device, &zone, clock).await;
        sent.push(courier::said(&row));
        desk.with(move |keeper| courier::note(keeper, &row)).await.ok_or_else(gone)?.map_err(stored)?;
    }
    serde_json::to_value(sent).map_err(|error| Refusal::new(error, "report this"))
}
