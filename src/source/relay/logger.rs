//! The three ways to the logger.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::{Outlet, RelayNews};
use crate::config::{RelayConnect, Serial, TcpListen, is_on_site};
use crate::source::backoff::Backoff;
use crate::source::reporter::{Gone, Reporter};
use crate::source::serial::Port;
use crate::source::{Cause, listen, tcp};

const CONNECT: Duration = Duration::from_secs(10);
/// The most that the system keeps for a logger that does not read: the rest waits where it is counted.
const SEND_BUFFER: usize = 32 * 1024;

/// How long to wait between attempts, at first and at most.
fn backoff() -> Backoff {
    Backoff::new(Duration::from_millis(200), Duration::from_secs(10))
}

/// Connects to the logger, again and again.
pub(super) async fn connect(
    settings: &RelayConnect,
    off_site: bool,
    outlet: &mut Outlet,
    reporter: &Reporter,
) -> Result<(), Gone> {
    let target = format!("{}:{}", settings.host, settings.port);
    reporter.relay(RelayNews::Began { to: with_warning(&target, off_site) }).await?;
    let (mut backoff, mut failures) = (backoff(), 0_u32);
    loop {
        let opened = tokio::select! {
            () = outlet.closed() => return Ok(()),
            opened = reach(settings, off_site) => opened,
        };
        match opened {
            Ok(stream) => {
                failures = 0;
                let began = Instant::now();
                reporter.relay(RelayNews::Up { what: format!("connected to {target}") }).await?;
                let Some(cause) = outlet.carry(stream, Cause::ClosedByPeer).await else { return Ok(()) };
                reporter.relay(RelayNews::Down { cause }).await?;
                backoff.proved(0, began.elapsed());
            }
            Err(cause) => {
                failures = failures.saturating_add(1);
                if failures == 1 {
                    reporter.relay(RelayNews::Waiting { cause }).await?;
                }
            }
        }
        if !pause(&mut backoff, outlet).await {
            return Ok(());
        }
    }
}

async fn reach(settings: &RelayConnect, off_site: bool) -> Result<TcpStream, Cause> {
    let unknown = || Cause::HostNotFound(settings.host.clone());
    let target = (settings.host.as_str(), settings.port);
    let addresses = timeout(CONNECT, tokio::net::lookup_host(target)).await.map_err(|_| unknown())?;
    let mut cause = unknown();
    for address in addresses.map_err(|_| unknown())? {
        if !off_site && !is_on_site(address.ip()) {
            cause = Cause::OffSite(settings.host.clone());
            continue;
        }
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Err(_) => cause = Cause::TimedOut,
            Ok(Err(error)) => cause = Cause::of_link(&error),
            Ok(Ok(stream)) => return Ok(ready(stream)),
        }
    }
    Err(cause)
}

/// Waits for the logger, which connects as it did to the PBX. One at a time: a new connection ends the one before, which
/// is what a logger that was switched off left behind.
pub(super) async fn listen(
    settings: &TcpListen,
    off_site: bool,
    outlet: &mut Outlet,
    reporter: &Reporter,
) -> Result<(), Gone> {
    let peers = settings.allow.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let to = format!("whoever of {peers} connects to {}", settings.address);
    reporter.relay(RelayNews::Began { to: with_warning(&to, off_site) }).await?;
    let (mut backoff, mut failures) = (backoff(), 0_u32);
    let (listener, address) = loop {
        match listen::bind(settings.address) {
            Ok(bound) => break bound,
            Err(error) => {
                failures = failures.saturating_add(1);
                if failures == 1 {
                    let cause = Cause::of_listening(&error);
                    reporter.relay(RelayNews::Waiting { cause }).await?;
                }
            }
        }
        if !pause(&mut backoff, outlet).await {
            return Ok(());
        }
    };
    let mut refusals = listen::Refusals::default();
    let mut current: Option<(TcpStream, SocketAddr)> = None;
    loop {
        let (next, connected) = match current.take() {
            None => tokio::select! {
                () = outlet.closed() => return Ok(()),
                next = accept(&listener, settings, address, &mut refusals, reporter) => (next?, false),
            },
            Some((stream, peer)) => {
                reporter.relay(RelayNews::Up { what: format!("connection from {peer}") }).await?;
                tokio::select! {
                    cause = outlet.carry(stream, Cause::ClosedByPeer) => {
                        let Some(cause) = cause else { return Ok(()) };
                        reporter.relay(RelayNews::Down { cause }).await?;
                        continue;
                    }
                    next = accept(&listener, settings, address, &mut refusals, reporter) => (next?, true),
                }
            }
        };
        if connected {
            reporter.relay(RelayNews::Down { cause: Cause::Replaced }).await?;
        }
        current = Some(next);
    }
}

/// The next connection of somebody who may.
async fn accept(
    listener: &TcpListener,
    settings: &TcpListen,
    address: SocketAddr,
    refusals: &mut listen::Refusals,
    reporter: &Reporter,
) -> Result<(TcpStream, SocketAddr), Gone> {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let ip = peer.ip().to_canonical();
                if settings.allow.iter().any(|allowed| allowed.to_canonical() == ip) {
                    return Ok((ready(stream), peer));
                }
                drop(stream);
                if let Some(times) = refusals.count(ip, &Cause::NotAllowed, Instant::now()) {
                    reporter.refused(ip, address, Cause::NotAllowed, times).await?;
                }
            }
            Err(error) => {
                tracing::warn!(%address, %error, "a logger's connection could not be taken");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Writes to the logger's cable. Whether a logger is at its other end, a cable does not tell.
pub(super) async fn serial(
    settings: &Serial,
    locks: Option<&Path>,
    outlet: &mut Outlet,
    reporter: &Reporter,
) -> Result<(), Gone> {
    reporter.relay(RelayNews::Began { to: settings.path.display().to_string() }).await?;
    let (mut backoff, mut failures) = (backoff(), 0_u32);
    loop {
        match Port::open(settings, locks) {
            Ok(mut port) => {
                failures = 0;
                let began = Instant::now();
                reporter.relay(RelayNews::Up { what: port.what.clone() }).await?;
                let cause = outlet.carry(&mut port.stream, Cause::Unplugged).await;
                // Else closing it would wait for a logger that holds the line.
                port.forget_output();
                drop(port);
                let Some(cause) = cause else { return Ok(()) };
                reporter.relay(RelayNews::Down { cause }).await?;
                backoff.proved(0, began.elapsed());
            }
            Err(cause) => {
                failures = failures.saturating_add(1);
                if failures == 1 {
                    reporter.relay(RelayNews::Waiting { cause }).await?;
                }
            }
        }
        if !pause(&mut backoff, outlet).await {
            return Ok(());
        }
    }
}

/// Waits before the next attempt; says whether to make it.
async fn pause(backoff: &mut Backoff, outlet: &mut Outlet) -> bool {
    tokio::select! {
        () = outlet.closed() => false,
        () = tokio::time::sleep(backoff.delay()) => true,
    }
}

/// Sets a connection up: a dead logger is noticed, a line goes at once, and little waits out of our sight.
fn ready(stream: TcpStream) -> TcpStream {
    let set = tcp::keep_alive(&stream).and_then(|()| sockopt::set_socket_send_buffer_size(&stream, SEND_BUFFER));
    if let Err(error) = set.map_err(std::io::Error::from).and_then(|()| stream.set_nodelay(true)) {
        tracing::warn!(%error, "the connection to the logger could not be set up; a dead one may go unnoticed");
    }
    stream
}

fn with_warning(to: &str, off_site: bool) -> String {
    if off_site { format!("{to} (which may be off the site)") } else { to.to_owned() }
}
