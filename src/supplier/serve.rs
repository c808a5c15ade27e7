//! The running receiver: arguments, socket, TLS, signals.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::signal::unix::{SignalKind, signal};

use super::archive::{Archive, ArchiveError};
use super::certificate::{Recognising, verifier};
use super::identity::Doorman;
use super::idle::Impatient;
use super::receive::{Receiver, router};
use super::tokens::{Tokens, TokensError};
use crate::clock::Clock;

/// How long requests that are under way may still take once the receiver is told to stop.
const GRACE: Duration = Duration::from_secs(10);

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
    #[error("--listen {address}: {source}; give an address of this machine and a free port")]
    Listen {
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
    let tls = read_tls(arguments)?.map(RustlsConfig::from_config);
    let archive = Arc::new(Archive::open(&arguments.store)?);
    let listen = |source| ServeError::Listen { address: arguments.listen.clone(), source };
    let listener = TcpListener::bind(&arguments.listen).map_err(listen)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    if tls.is_none() && !address.ip().is_loopback() {
        tracing::warn!(%address, "serving without TLS: tokens and figures are in the clear unless a proxy encrypts them");
    }
    tracing::info!(%address, tls = tls.is_some(), devices = tokens.len(), "receiver is up");
    let clock = arguments.clock.unwrap_or_else(Clock::system);
    let receiver = Arc::new(Receiver { archive, tokens: RwLock::new(tokens), doorman, clock });
    let service = router(receiver.clone()).into_make_service();

    let handle = Handle::new();
    tokio::spawn(on_signals(Signals::new()?, handle.clone(), receiver, tls.clone(), reread(arguments)));
    {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "listening on {address}")?;
        stdout.flush()?;
    }
    let server = axum_server::from_tcp(listener)?.handle(handle);
    match tls {
        Some(tls) => {
            server.acceptor(Recognising(RustlsAcceptor::new(tls).acceptor(Impatient))).serve(service).await?;
        }
        None => server.acceptor(Impatient).serve(service).await?,
    }
    tracing::info!("receiver has stopped");
    Ok(())
}

type Reread = Box<dyn Fn() -> Result<(Tokens, Option<Arc<ServerConfig>>), ServeError> + Send>;

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
            _ = signals.reread.recv() => match reread() {
                Ok((tokens, config)) => {
                    tracing::info!(devices = tokens.len(), "tokens and certificate read again");
                    *receiver.tokens.write().unwrap_or_else(PoisonError::into_inner) = tokens;
                    if let (Some(tls), Some(config)) = (&tls, config) {
                        tls.reload_from_config(config);
                    }
                }
                Err(error) => tracing::error!(%error, "not read again; what was read before stays in force"),
            },
        }
    }
    tracing::info!("stopping");
    handle.graceful_shutdown(Some(GRACE));
}

fn read_tls(arguments: &Arguments) -> Result<Option<Arc<ServerConfig>>, ServeError> {
    tls_of(arguments.tls_cert.as_deref(), arguments.tls_key.as_deref(), arguments.client_ca.as_deref())
}

fn tokens_of(path: Option<&Path>) -> Result<Tokens, TokensError> {
    path.map_or_else(|| Ok(Tokens::default()), Tokens::from_file)
}

fn tls_of(cert: Option<&Path>, key: Option<&Path>, ca: Option<&Path>) -> Result<Option<Arc<ServerConfig>>, ServeError> {
    let (Some(cert), Some(key)) = (cert, key) else { return Ok(None) };
    let wrong = |option, path: &Path, reason: String| ServeError::Tls { option, path: path.to_owned(), reason };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect)
        .map_err(|error| wrong("--tls-cert", cert, format!("{error}; give the certificate chain as PEM")))?;
    let secret = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| wrong("--tls-key", key, format!("{error}; give the private key as PEM")))?;
    let builder = match ca {
        None => ServerConfig::builder().with_no_client_auth(),
        Some(ca) => ServerConfig::builder()
            .with_client_cert_verifier(verifier(ca).map_err(|reason| wrong("--client-ca", ca, reason))?),
    };
    let mut config = builder
        .with_single_cert(chain, secret)
        .map_err(|error| wrong("--tls-cert", cert, format!("{error}; certificate and key must belong together")))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(Arc::new(config)))
}
