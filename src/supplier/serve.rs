//! The running receiver: arguments, socket, TLS, signals.

use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use hyper_util::rt::TokioTimer;
use jiff::Timestamp;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::signal::unix::{SignalKind, signal};

use super::archive::{Archive, ArchiveError};
use super::certificate::{Recognising, verifier};
use super::gate::Gate;
use super::identity::Doorman;
use super::idle::Impatient;
use super::journal::LogFormat;
use super::limits::Limits;
use super::metrics::Metrics;
use super::monthly::table::TableError;
use super::office::{self, Watch};
use super::receive::{LONGEST_DOCUMENT, Receiver, router};
use super::seats::Seats;
use super::tokens::{Tokens, TokensError};
use crate::clock::Clock;
use crate::push::good_until;

/// How long requests that are under way may still take once the receiver is told to stop.
const GRACE: Duration = Duration::from_secs(10);
/// How long the head of a request may take at the inner address.
const HEAD: Duration = Duration::from_secs(30);
/// Connections at the inner address.
const INNER_SEATS: usize = 64;
/// File descriptors for all that is no connection: store, listeners, log.
const OTHER_FILES: u64 = 64;

/// Receive day documents.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Address and port to listen on; port 0 takes any free one. The address is printed once it is bound.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8443")]
    listen: String,
    /// What keeps every revision: a SQLite file, made if it is not there, or postgres://USER@HOST/DATABASE, for several
    /// receivers beside each other; its password comes from PGPASSWORD or ~/.pgpass.
    #[arg(long, value_name = "STORE")]
    store: PathBuf,
    /// Bearer tokens: one line a device, TOKEN ODS[,ODS…]. Read again on SIGHUP. Without it no token is good.
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,
    /// NHS England's participation list: only documents of practices that are on it are taken. Read again on SIGHUP.
    #[arg(long, value_name = "FILE", requires = "participation_column")]
    participation: Option<PathBuf>,
    /// The column of that list with the ODS codes.
    #[arg(long, value_name = "COLUMN", requires = "participation")]
    participation_column: Option<String>,
    /// Longest document that is taken, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = LONGEST_DOCUMENT)]
    longest_document: usize,
    /// Requests a minute from one box, for each practice it may send for; 0: no limit.
    #[arg(long, value_name = "N", default_value_t = 120)]
    box_rate: u32,
    /// Requests a minute from one address that is not this machine's; 0: no limit.
    #[arg(long, value_name = "N", default_value_t = 3_000)]
    address_rate: u32,
    /// Connections at a time; one address that is neither a proxy's nor this machine's has a quarter of them.
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// A proxy whose X-Forwarded-For is believed. Can be given several times.
    #[arg(long, value_name = "ADDR")]
    trusted_proxy: Vec<IpAddr>,
    /// Where /metrics and the page of the fleet are served, without TLS. Without it /metrics is told to this machine only.
    #[arg(long, value_name = "ADDR")]
    metrics: Option<String>,
    /// How the log is written, to standard error.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) log: LogFormat,
    /// Certificate chain as PEM. Read again on SIGHUP.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key as PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Authority of the boxes' client certificates, as PEM; a box that shows none may sign or have a token. Read again on
    /// SIGHUP.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    client_ca: Option<PathBuf>,
    /// URL that boxes have for this receiver, where a proxy in front of it hands on another host or path: signatures cover
    /// both.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Seconds that the head of a request may take, and that a connection may wait for one.
    #[arg(long, hide = true, default_value_t = 30)]
    head_s: u64,
    /// A scaled clock, for the demo.
    #[arg(long, hide = true, value_parser = Clock::from_argument)]
    clock: Option<Clock>,
}

/// The receiver cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The tokens file.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// The store.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The participation list.
    #[error("--participation {0}")]
    Participation(#[from] TableError),
    /// A certificate or key file.
    #[error("{option} {path}: {reason}")]
    Tls {
        /// Which argument.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The URL that boxes have.
    #[error("--public-url {given:?} is no http or https URL with a host; write it as https://feed.supplier.example")]
    PublicUrl {
        /// What was given.
        given: String,
    },
    /// The address.
    #[error("{option} {address}: {source}; give an address of this machine and a free port")]
    Listen {
        /// Which argument.
        option: &'static str,
        /// What was given.
        address: String,
        /// Why not.
        source: std::io::Error,
    },
    /// Anything else of the system.
    #[error("cannot run: {0}")]
    System(#[from] std::io::Error),
}

impl ServeError {
    /// Whether the fault is in what was configured, rather than in the machine.
    pub fn is_configuration(&self) -> bool {
        match self {
            ServeError::System(_) => false,
            ServeError::Archive(error) => error.is_configuration(),
            _ => true,
        }
    }
}

/// Serves until it is told to stop.
pub fn run(arguments: &Arguments) -> Result<(), ServeError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve(arguments))
}

async fn serve(arguments: &Arguments) -> Result<(), ServeError> {
    let tokens = tokens_of(arguments.tokens.as_deref())?;
    let doorman = Doorman::new(arguments.public_url.as_deref())
        .ok_or_else(|| ServeError::PublicUrl { given: arguments.public_url.clone().unwrap_or_default() })?;
    let gate = gate_of(arguments)?;
    let tls = read_tls(arguments)?;
    let archive = Arc::new(Archive::open(&arguments.store)?);
    let (listener, address) = listen("--listen", &arguments.listen)?;
    let inner = arguments.metrics.as_deref().map(|address| listen("--metrics", address)).transpose()?;
    if tls.is_none() && !address.ip().is_loopback() {
        tracing::warn!(%address, "serving without TLS: tokens and figures are in the clear unless a proxy encrypts them");
    }
    tracing::info!(%address, tls = tls.is_some(), devices = tokens.len(), practices = gate.practices(), "receiver is up");
    let clock = arguments.clock.unwrap_or_else(Clock::system);
    let proxies = arguments.trusted_proxy.clone();
    let seats = Arc::new(Seats::new(room_for(arguments.connections), proxies.clone()));
    let limits = Limits::new(arguments.longest_document, arguments.box_rate, arguments.address_rate, proxies);
    let watch = Watch::new(seats.clone(), inner.is_some());
    watch.certificate(tls.as_ref().and_then(|tls| tls.until));
    let tls = tls.map(|tls| RustlsConfig::from_config(tls.config));
    let (tokens, metrics) = (RwLock::new(tokens), Metrics::default());
    let receiver = Arc::new(Receiver { archive, tokens, doorman, gate, limits, metrics, watch, clock });
    let service = router(receiver.clone()).into_make_service_with_connect_info::<SocketAddr>();

    let handle = Handle::new();
    tokio::spawn(on_signals(Signals::new()?, handle.clone(), receiver.clone(), tls.clone(), reread(arguments)));
    let said = inner.as_ref().map(|(_, address)| format!("metrics on {address}\n")).unwrap_or_default();
    {
        let mut stdout = std::io::stdout().lock();
        write!(stdout, "listening on {address}\n{said}")?;
        stdout.flush()?;
    }
    if let Some((listener, _)) = inner {
        let (receiver, handle) = (receiver.clone(), handle.clone());
        let seats = Arc::new(Seats::new(INNER_SEATS, Vec::new()));
        tokio::spawn(async move {
            let server = timed(axum_server::from_tcp(listener)?, HEAD).handle(handle).acceptor(Impatient { seats });
            server.serve(office::router(receiver).into_make_service()).await
        });
    }
    let head = Duration::from_secs(arguments.head_s);
    let server = timed(axum_server::from_tcp(listener)?, head).handle(handle);
    match tls {
        Some(tls) => {
            let acceptor = RustlsAcceptor::new(tls).acceptor(Impatient { seats });
            server.acceptor(Recognising(acceptor)).serve(service).await?;
        }
        None => server.acceptor(Impatient { seats }).serve(service).await?,
    }
    tracing::info!("receiver has stopped");
    Ok(())
}

fn listen(option: &'static str, given: &str) -> Result<(TcpListener, SocketAddr), ServeError> {
    let bad = |source| ServeError::Listen { option, address: given.to_owned(), source };
    let listener = TcpListener::bind(given).map_err(bad)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// The head of a request has to come within `head`; a drop at a time is no way to keep a connection.
fn timed(mut server: Server<SocketAddr>, head: Duration) -> Server<SocketAddr> {
    server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(head);
    server
}

/// As many seats as were asked for, or as there are file descriptors for.
fn room_for(connections: u32) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let wanted = u64::from(connections) + OTHER_FILES;
    let may = limit.maximum.map_or(wanted, |most| most.min(wanted));
    let has = limit.current.unwrap_or(u64::MAX);
    let room = if has >= wanted || setrlimit(Resource::Nofile, Rlimit { current: Some(may), ..limit }).is_err() {
        has.min(wanted)
    } else {
        may
    };
    let seats = room.saturating_sub(OTHER_FILES).max(1);
    if seats < u64::from(connections) {
        tracing::warn!(connections, seats, "fewer connections than asked for: LimitNOFILE (ulimit -n) allows no more");
    }
    usize::try_from(seats).unwrap_or(usize::MAX)
}

fn gate_of(arguments: &Arguments) -> Result<Gate, TableError> {
    match (&arguments.participation, &arguments.participation_column) {
        (Some(list), Some(column)) => Gate::of(list.clone(), column.clone()),
        _ => Ok(Gate::default()),
    }
}

type Reread = Box<dyn Fn() -> Result<(Tokens, Option<Tls>), ServeError> + Send>;

/// What is shown to those who connect, and until when it is good.
struct Tls {
    config: Arc<ServerConfig>,
    until: Option<Timestamp>,
}

fn reread(arguments: &Arguments) -> Reread {
    let (tokens, cert, key) = (arguments.tokens.clone(), arguments.tls_cert.clone(), arguments.tls_key.clone());
    let ca = arguments.client_ca.clone();
    Box::new(move || Ok((tokens_of(tokens.as_deref())?, tls_of(cert.as_deref(), key.as_deref(), ca.as_deref())?)))
}

struct Signals {
    stop: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    reread: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            stop: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reread: signal(SignalKind::hangup())?,
        })
    }
}

async fn on_signals(
    mut signals: Signals,
    handle: Handle<std::net::SocketAddr>,
    receiver: Arc<Receiver>,
    tls: Option<RustlsConfig>,
    reread: Reread,
) {
    loop {
        tokio::select! {
            _ = signals.stop.recv() => break,
            _ = signals.interrupt.recv() => break,
            _ = signals.reread.recv() => {
                read_list_again(&receiver);
                match reread() {
                Ok((tokens, new)) => {
                    tracing::info!(devices = tokens.len(), "tokens and certificate read again");
                    *receiver.tokens.write().unwrap_or_else(PoisonError::into_inner) = tokens;
                    if let (Some(tls), Some(new)) = (&tls, new) {
                        tls.reload_from_config(new.config);
                        receiver.watch.certificate(new.until);
                    }
                }
                Err(error) => tracing::error!(%error, "not read again; what was read before stays in force"),
            }
            }
        }
    }
    tracing::info!("stopping");
    handle.graceful_shutdown(Some(GRACE));
}

/// The list stands for itself: one that is bad keeps no new token out, and a bad token no new list.
fn read_list_again(receiver: &Receiver) {
    match receiver.gate.read_again() {
        Ok(None) => {}
        Ok(Some(practices)) => tracing::info!(practices, "participation list read again"),
        Err(error) => tracing::error!(%error, "participation list not read again; the last good one stays in force"),
    }
}

fn read_tls(arguments: &Arguments) -> Result<Option<Tls>, ServeError> {
    tls_of(arguments.tls_cert.as_deref(), arguments.tls_key.as_deref(), arguments.client_ca.as_deref())
}

fn tokens_of(path: Option<&Path>) -> Result<Tokens, TokensError> {
    path.map_or_else(|| Ok(Tokens::default()), Tokens::from_file)
}

fn tls_of(cert: Option<&Path>, key: Option<&Path>, ca: Option<&Path>) -> Result<Option<Tls>, ServeError> {
    let (Some(cert), Some(key)) = (cert, key) else { return Ok(None) };
    let wrong = |option, path: &Path, reason: String| ServeError::Tls { option, path: path.to_owned(), reason };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect)
        .map_err(|error| wrong("--tls-cert", cert, format!("{error}; give the certificate chain as PEM")))?;
    let secret = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| wrong("--tls-key", key, format!("{error}; give the private key as PEM")))?;
    let until = chain.first().and_then(|leaf| good_until(leaf));
    let builder = match ca {
        None => ServerConfig::builder().with_no_client_auth(),
        Some(ca) => ServerConfig::builder()
            .with_client_cert_verifier(verifier(ca).map_err(|reason| wrong("--client-ca", ca, reason))?),
    };
    let mut config = builder
        .with_single_cert(chain, secret)
        .map_err(|error| wrong("--tls-cert", cert, format!("{error}; certificate and key must belong together")))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(Tls { config: Arc::new(config), until }))
}
