//! PBXs that call us. One listener for each address; several sources may share it, told apart by who calls.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::backoff::Backoff;
use super::handover::{Handover, LinkState, listener_name};
use super::reporter::{Gone, Reporter};
use super::{Cause, tcp};

/// The most connections of one source at a time. A PBX opens one; more are leftovers that keep-alive has yet to find.
const CONNECTIONS: usize = 16;
/// How often a refusal of the same peer is told.
const REFUSAL: Duration = Duration::from_secs(60);
/// The most refused peers that are remembered; beyond it refusals of further peers are not told.
const REFUSED_PEERS: usize = 1024;
const BACKLOG: u32 = 64;

/// An address and the sources behind it.
pub(super) struct Listener {
    pub(super) address: SocketAddr,
    pub(super) routes: Vec<Route>,
    handover: Handover,
    /// The listener of the run before.
    found: Option<OwnedFd>,
}

/// One source behind a listener.
pub(super) struct Route {
    allow: Vec<IpAddr>,
    reporter: Reporter,
    /// Links of the run before.
    found: Vec<(u64, OwnedFd)>,
    /// Every connection holds a copy, so the copies count the connections.
    open: Arc<()>,
}

impl Route {
    pub(super) fn new(allow: Vec<IpAddr>, reporter: Reporter) -> Route {
        let allow = allow.into_iter().map(|peer| peer.to_canonical()).collect();
        let found = reporter.found();
        Route { allow, reporter, found, open: Arc::new(()) }
    }

    fn connections(&self) -> usize {
        Arc::strong_count(&self.open) - 1
    }
}

impl Listener {
    pub(super) fn new(address: SocketAddr, route: Route, handover: Handover) -> Listener {
        let found = handover.take_listener(address);
        Listener { address, routes: vec![route], handover, found }
    }

    /// Accepts connections until the order to stop.
    pub(super) async fn run(self) {
        // Nobody reads the happenings any more: there is nothing left to do.
        let _: Result<(), Gone> = self.accept_all().await;
    }

    async fn accept_all(mut self) -> Result<(), Gone> {
        let Some(mut stop) = self.routes.first().map(|route| route.reporter.clone()) else { return Ok(()) };
        let mut connections = JoinSet::new();
        self.go_on(&mut connections).await?;
        let Some((listener, address)) = self.open(&mut stop).await? else {
            while connections.join_next().await.is_some() {}
            return Ok(());
        };
        let mut refusals = Refusals::default();
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.stopped() => break,
                Some(_) = connections.join_next() => continue,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    backoff.proved(1, Duration::ZERO);
                    match self.route(peer.ip().to_canonical()) {
                        Ok(route) => {
                            let (open, reporter) = (Arc::clone(&route.open), route.reporter.clone());
                            connections.spawn(serve(stream, peer.to_string(), None, open, reporter));
                        }
                        Err(cause) => {
                            drop(stream);
                            let peer = peer.ip().to_canonical();
                            if let Some(times) = refusals.count(peer, Instant::now()) {
                                stop.refused(peer, address, cause, times).await?;
                            }
                        }
                    }
                }
                // The peer was gone before we took it, or descriptors have run out: neither is cured by trying at once.
                Err(error) => {
                    tracing::warn!(%address, %error, "a connection could not be taken");
                    if !stop.pause(backoff.delay()).await {
                        break;
                    }
                }
            }
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
        Ok(())
    }

    /// Takes up the links of the run before, but for those of a peer that may not call any more.
    async fn go_on(&mut self, connections: &mut JoinSet<()>) -> Result<(), Gone> {
        for route in &mut self.routes {
            for (number, descriptor) in std::mem::take(&mut route.found) {
                let again = tcp::again(descriptor);
                // A link that the peer has broken off has no peer any more, and may still hold what came before.
                let peer = again.as_ref().ok().and_then(|stream| stream.peer_addr().ok());
                let allowed = peer.is_none_or(|peer| route.allow.contains(&peer.ip().to_canonical()));
                match again {
                    Ok(stream) if allowed => {
                        let peer = peer.map_or_else(|| "a peer that is gone".to_owned(), |peer| peer.to_string());
                        let (open, reporter) = (Arc::clone(&route.open), route.reporter.clone());
                        connections.spawn(serve(stream, peer, Some(number), open, reporter));
                    }
                    Ok(_) => route.reporter.down(number, Cause::NotAllowed).await?,
                    Err(error) => route.reporter.down(number, Cause::of_link(&error)).await?,
                }
            }
        }
        Ok(())
    }

    fn route(&self, peer: IpAddr) -> Result<&Route, Cause> {
        let route = self.routes.iter().find(|route| route.allow.contains(&peer)).ok_or(Cause::NotAllowed)?;
        if route.connections() < CONNECTIONS { Ok(route) } else { Err(Cause::TooManyConnections) }
    }

    /// Opens the listener, trying again until it can; nothing when the order to stop came first.
    async fn open(&mut self, stop: &mut Reporter) -> Result<Option<(TcpListener, SocketAddr)>, Gone> {
        let name = listener_name(self.address);
        let again = self.found.take().map(again);
        let again = again.and_then(|again| again.inspect_err(|_| self.handover.forget(&name)).ok());
        if let Some((listener, address)) = again {
            for route in &self.routes {
                route.reporter.listening(address).await?;
            }
            return Ok(Some((listener, address)));
        }
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
        let mut attempt = 0u32;
        loop {
            match bind(self.address) {
                Ok((listener, address)) => {
                    self.handover.keep(&name, &listener);
                    for route in &self.routes {
                        route.reporter.listening(address).await?;
                    }
                    return Ok(Some((listener, address)));
                }
                Err(error) => {
                    attempt = attempt.saturating_add(1);
                    for route in &self.routes {
                        route.reporter.waiting(Cause::of_listening(&error), attempt).await?;
                    }
                }
            }
            if !stop.pause(backoff.delay()).await {
                return Ok(None);
            }
        }
    }
}

pub(super) fn bind(address: SocketAddr) -> std::io::Result<(TcpListener, SocketAddr)> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not wait for connections of the run before to time out.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// The listener of the run before.
fn again(descriptor: OwnedFd) -> std::io::Result<(TcpListener, SocketAddr)> {
    if !rustix::net::sockopt::socket_acceptconn(&descriptor)? {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    let listener = std::net::TcpListener::from(descriptor);
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((TcpListener::from_std(listener)?, address))
}

async fn serve(stream: TcpStream, peer: String, before: Option<u64>, _open: Arc<()>, mut reporter: Reporter) {
    if let Err(error) = tcp::keep_alive(&stream) {
        tracing::warn!(%peer, %error, "keep-alive could not be set; a dead link may go unnoticed");
    }
    // When it fails, nobody reads the happenings any more.
    let _: Result<(), Gone> = read(stream, &peer, before, &mut reporter).await;
}

async fn read(mut stream: TcpStream, peer: &str, before: Option<u64>, reporter: &mut Reporter) -> Result<(), Gone> {
    let what = format!("connection from {peer}");
    let connection = match before {
        Some(number) => {
            reporter.up_as(number, what).await?;
            // There is nothing in it: only the descriptor says that the link is there.
            let _ = reporter.stood(number);
            number
        }
        None => {
            let number = reporter.up(what).await?;
            reporter.place(number).keep(&stream);
            number
        }
    };
    let ended = reporter.pump(&mut stream, connection, &mut None, Cause::ClosedByPeer).await?;
    if reporter.parks(&ended) {
        reporter.parked(connection, LinkState::default()).await?;
    }
    Ok(())
}

/// Whom we turned away, so that a peer that knocks without pause is told of once a minute.
#[derive(Default)]
pub(super) struct Refusals {
    peers: HashMap<IpAddr, Refusal>,
}

struct Refusal {
    told: Instant,
    untold: u32,
}

impl Refusals {
    /// Counts a refusal; gives how many there were since the last one told, when it is time to tell.
    pub(super) fn count(&mut self, peer: IpAddr, now: Instant) -> Option<u32> {
        if let Some(refusal) = self.peers.get_mut(&peer) {
            refusal.untold = refusal.untold.saturating_add(1);
            if now.duration_since(refusal.told) < REFUSAL {
                return None;
            }
            refusal.told = now;
            return Some(std::mem::take(&mut refusal.untold));
        }
        if self.peers.len() >= REFUSED_PEERS {
            self.peers.retain(|_, refusal| now.duration_since(refusal.told) < REFUSAL);
        }
        if self.peers.len() >= REFUSED_PEERS {
            return None;
        }
        self.peers.insert(peer, Refusal { told: now, untold: 0 });
        Some(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_peer_is_told_of_once_a_minute_with_the_count() {
        let mut refusals = Refusals::default();
        let (one, two) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let start = Instant::now();
        assert_eq!(refusals.count(one, start), Some(1));
        assert_eq!(refusals.count(one, start + Duration::from_secs(1)), None);
        assert_eq!(refusals.count(two, start + Duration::from_secs(2)), Some(1));
        assert_eq!(refusals.count(one, start + Duration::from_secs(59)), None);
        assert_eq!(refusals.count(one, start + Duration::from_secs(60)), Some(3));
        assert_eq!(refusals.count(one, start + Duration::from_secs(61)), None);
    }

    #[test]
    fn refusals_take_bounded_memory() {
        let mut refusals = Refusals::default();
        let start = Instant::now();
        for peer in 0..5_000u32 {
            refusals.count(IpAddr::from(peer.to_be_bytes()), start);
        }
        assert_eq!(refusals.peers.len(), REFUSED_PEERS);
        assert_eq!(refusals.count("192.0.2.1".parse().unwrap(), start + REFUSAL), Some(1));
        assert_eq!(refusals.peers.len(), 1);
    }
}
