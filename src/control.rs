//! The control socket: how verbs ask the daemon. What is answered is the daemon's business.
//!
//! One request a connection: a JSON object on one line, and a JSON object on one line back. Who asks is told by the
//! kernel (SO_PEERCRED) and goes into the audit; what is asked for, never what was answered. An import is followed by
//! the file on the same connection ([`exchange`]), and answered with its progress before the last line.

pub mod exchange;
pub mod looking;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::civil::{Date, DateTime};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use exchange::Exchange;

/// The longest request.
const MAX_REQUEST: u64 = 64 * 1024;
/// How long a verb may be silent.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a verb that only looks waits for the daemon. One that cannot store keeps trying, and may not answer.
const ANSWER: Duration = Duration::from_secs(15);

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
    /// When something was not seen, or not rightly.
    Outages {
        /// First civil day.
        from: Date,
        /// Last civil day.
        to: Date,
    },
    /// Close and send what is due.
    Push {
        /// Only this day.
        date: Option<Date>,
        /// Only say what would be sent.
        #[serde(default)]
        dry_run: bool,
    },
    /// Release a held day.
    Approve {
        /// Which day.
        date: Date,
        /// Whose, as `ODS` or `ODS/site`; may be left out when there is one practice.
        practice: Option<String>,
    },
    /// The figures of a stretch of days, and the same calls under other definitions.
    Report {
        /// First civil day.
        from: Date,
        /// Last civil day.
        to: Date,
        /// Whose, as `ODS` or `ODS/site`; may be left out when there is one practice.
        practice: Option<String>,
    },
    /// A month's calls, a row each.
    ExportCallLevel {
        /// Which, and how they are laid out.
        asked: CallLevel,
        /// Only the first rows, to look at.
        look: bool,
    },
    /// Record, or withdraw, the practice's consent to such an export.
    ApproveCallLevel {
        /// Which, and how they are laid out.
        asked: CallLevel,
        /// Who consents; nothing: the consent is withdrawn.
        name: Option<String>,
        /// Why the month goes out though not enough of it was observed.
        accept: Option<String>,
    },
    /// Send a test message over every channel of alerts.
    TestAlerts,
    /// Read the dialect files again.
    ReloadDialects,
    /// Derive history again.
    Rebuild {
        /// Put it in place, rather than only say what differs.
        apply: bool,
    },
    /// Put back what can be read of a database that was set aside.
    Recover {
        /// Which files; none: all that were set aside and nobody has seen to.
        files: Vec<PathBuf>,
        /// Only say what would be put back.
        dry_run: bool,
        /// Put nothing back: it is not wanted.
        dismiss: bool,
    },
    /// Propose roles from what was heard.
    Discover {
        /// In the last so many days, today included.
        days: u32,
    },
    /// Why a call was counted so.
    Explain {
        /// The call, as `SOURCE/LINE`; the source by name or number.
        call: Option<String>,
        /// Or when it arrived, on the practice's clock.
        at: Option<DateTime>,
        /// Whether `at` is a minute rather than a second.
        #[serde(default)]
        minute: bool,
    },
    /// Take up the file that follows.
    Import(exchange::Order),
    /// Tell of each line as it comes.
    Tap(looking::Look),
}

/// A month's calls, a row each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallLevel {
    /// The first day of the month.
    pub month: Date,
    /// Whose, as `ODS` or `ODS/site`; may be left out when there is one practice.
    pub practice: Option<String>,
    /// The text of the template and the first line of its sample; nothing: the shipped ones.
    pub template: Option<(String, String)>,
    /// Whether a template will do that nobody compared with NHS England's sample.
    pub unconfirmed: bool,
}

/// Who asks, as the kernel tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// User.
    pub uid: u32,
    /// The group it acts as; not those it belongs to beside.
    pub gid: u32,
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
    /// What is wrong, and what to do.
    pub fn new(what: impl ToString, remedy: &str) -> Refusal {
        Refusal { what: what.to_string(), remedy: remedy.to_owned() }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Reply {
    /// How far it has come; more follows.
    Progress(Value),
    Ok(Value),
    Error(Refusal),
}

/// Why a verb got no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The question was refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
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

/// Opens the control socket; the future serves it until it is dropped. `answer` is given each request with who asks and
/// what follows it.
pub fn serve<A, F>(runtime_dir: &Path, answer: A) -> std::io::Result<impl Future<Output = ()> + use<A, F>>
where
    A: Fn(Request, String, Exchange) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Value, Refusal>> + Send,
{
    let path = path(runtime_dir);
    // The lock says that no other daemon is here: a socket in the way is one that was left behind.
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o660))?;
    Ok(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let answer = answer.clone();
                    tokio::spawn(async move {
                        if let Err(error) = converse(stream, answer).await {
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

/// Reads one request from a connection and answers it.
pub async fn converse<F>(stream: UnixStream, answer: impl Fn(Request, String, Exchange) -> F) -> std::io::Result<()>
where
    F: Future<Output = Result<Value, Refusal>>,
{
    let peer = stream.peer_cred().ok().map(|peer| Peer { uid: peer.uid(), gid: peer.gid() });
    let who = peer.map_or_else(|| "uid ?".to_owned(), |peer| format!("uid {}", peer.uid));
    let (reading, writing) = stream.into_split();
    let mut line = String::new();
    let mut reading = tokio::io::BufReader::new(reading.take(MAX_REQUEST));
    if tokio::time::timeout(PATIENCE, reading.read_line(&mut line)).await.is_err() {
        return Ok(());
    }
    let exchange = Exchange::new(reading, writing, peer);
    let writing = exchange.writing();
    let reply = match serde_json::from_str::<Request>(&line) {
        Ok(request) => match answer(request, who, exchange).await {
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
    let mut writing = writing.lock().await;
    writing.write_all(&bytes).await?;
    writing.shutdown().await
}

/// A way to the daemon; nothing when none listens.
pub fn connect(runtime_dir: &Path) -> Result<Option<std::os::unix::net::UnixStream>, AskError> {
    let path = path(runtime_dir);
    match std::os::unix::net::UnixStream::connect(&path) {
        Ok(stream) => Ok(Some(stream)),
        Err(reason) if reason.kind() == std::io::ErrorKind::PermissionDenied => Err(AskError::Broken { path, reason }),
        Err(_) => Ok(None),
    }
}

/// Asks the daemon; nothing when none listens.
pub fn ask(runtime_dir: &Path, request: &Request) -> Result<Option<Value>, AskError> {
    let path = path(runtime_dir);
    let broken = |reason| AskError::Broken { path: path.clone(), reason };
    let Some(mut stream) = connect(runtime_dir)? else { return Ok(None) };
    let mut bytes = serde_json::to_vec(request).map_err(|error| broken(error.into()))?;
    bytes.push(b'\n');
    stream.write_all(&bytes).map_err(broken)?;
    let mut line = String::new();
    if matches!(request, Request::Status | Request::Day { .. } | Request::Push { dry_run: true, .. }) {
        stream.set_read_timeout(Some(ANSWER)).map_err(broken)?;
    }
    BufReader::new(stream).read_line(&mut line).map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => broken(std::io::Error::other(format!(
            "no answer within {} s; it may be unable to store, look at the disk",
            ANSWER.as_secs()
        ))),
        _ => broken(error),
    })?;
    match serde_json::from_str(&line).map_err(|error| broken(error.into()))? {
        Reply::Ok(value) | Reply::Progress(value) => Ok(Some(value)),
        Reply::Error(refusal) => Err(refusal.into()),
    }
}
