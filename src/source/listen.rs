//! PBXs that call us. One listener for each address; several sources may share it, told apart by who calls.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::Cause;
use super::backoff::Backoff;
use super::handover::{Handover, LinkState, listener_name};
use super::reporter::{Gone, Reporter};
use super::tcp::{self, Probe};

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

/// A connection that is to be read.
struct Joined {
    stream: OwnedReadHalf,
    /// Counts the connection while it lasts.
    _probe: Arc<Probe>,
    reporter: Reporter,
}

/// One source behind a listener.
pub(super) struct Route {
    allow: Vec<IpAddr>,
    reporter: Reporter,
    /// Links of the run before.
    found: Vec<(u64, OwnedFd)>,
    /// Every connection, by who called; what has ended is gone.
    open: Vec<(IpAddr, Weak<Probe>)>,
}

impl Route {
    pub(super) fn new(allow: Vec<IpAddr>, reporter: Reporter) -> Route {
        let allow = allow.into_iter().map(|peer| peer.to_canonical()).collect();
        let found = reporter.found();
        Route { allow, reporter, found, open: Vec::new() }
    }

    /// Notes a connection: gives what to read, and what to hold until it has ended.
    fn join(&mut self, peer: Option<IpAddr>, stream: TcpStream) -> Joined {
        if let Err(error) = tcp::keep_alive(&stream) {
            tracing::warn!(?peer, %error, "keep-alive could not be set; a dead link may go unnoticed");
        }
        let (stream, other) = stream.into_split();
        let probe = Arc::new(Probe::of(other));
        // Nobody is at the other end of a link without a peer.
        if let Some(peer) = peer {
            self.open.push((peer, Arc::downgrade(&probe)));
        }
        Joined { stream, _probe: probe, reporter: self.reporter.clone() }
    }

    /// The connections of this peer.
    fn of(&mut self, peer: IpAddr) -> Vec<Weak<Probe>> {
        self.open.retain(|(_, probe)| probe.strong_count() > 0);
        self.open.iter().filter(|(of, _)| *of == peer).map(|(_, probe)| Weak::clone(probe)).collect()
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
        let mut remind = tokio::time::interval(REFUSAL / 4);
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.stopped() => break,
                Some(_) = connections.join_next() => continue,
                _ = remind.tick() => {
                    for (peer, cause, times) in refusals.untold(Instant::now()) {
                        stop.refused(peer, address, cause, times).await?;
                    }
                    continue;
                }
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    backoff.proved(1, Duration::ZERO);
                    let ip = peer.ip().to_canonical();
                    if let Some(route) = self.routes.iter_mut().find(|route| route.allow.contains(&ip)) {
                        // A PBX that starts again calls anew and has forgotten the link before: asked, it says so.
                        let before = route.of(ip);
                        if !before.is_empty() {
                            connections.spawn(probe_all(before, route.reporter.clone()));
                        }
                    }
                    match self.route(ip) {
                        Ok(route) => {
                            connections.spawn(serve(route.join(Some(ip), stream), peer.to_string(), None));
                        }
                        Err(cause) => {
                            drop(stream);
                            let peer = ip;
                            if let Some(times) = refusals.count(peer, &cause, Instant::now()) {
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
                let ip = peer.map(|peer| peer.ip().to_canonical());
                let allowed = ip.is_none_or(|ip| route.allow.contains(&ip));
                match again {
                    Ok(stream) if allowed => {
                        let peer = peer.map_or_else(|| "a peer that is gone".to_owned(), |peer| peer.to_string());
                        connections.spawn(serve(route.join(ip, stream), peer, Some(number)));
                    }
                    Ok(_) => route.reporter.down(number, Cause::NotAllowed).await?,
                    Err(error) => route.reporter.down(number, Cause::of_link(&error)).await?,
                }
            }
        }
        Ok(())
    }

    fn route(&mut self, peer: IpAddr) -> Result<&mut Route, Cause> {
        let route = self.routes.iter_mut().find(|route| route.allow.contains(&peer)).ok_or(Cause::NotAllowed)?;
        route.open.retain(|(_, probe)| probe.strong_count() > 0);
        if route.open.len() < CONNECTIONS { Ok(route) } else { Err(Cause::TooManyConnections) }
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

/// Asks links whether their other end is still there, for as long as a dead one takes to be known. One that lives is then
/// asked as rarely as before.
async fn probe_all(links: Vec<Weak<Probe>>, mut reporter: Reporter) {
    let all = |ask: fn(&Probe) -> rustix::io::Result<()>| {
        for link in links.iter().filter_map(Weak::upgrade) {
            if let Err(error) = ask(&link) {
                tracing::debug!(%error, "a link could not be asked");
            }
        }
    };
    all(Probe::soon);
    reporter.pause(tcp::PROBED).await;
    all(Probe::rarely);
}

async fn serve(mut link: Joined, peer: String, before: Option<u64>) {
    // When it fails, nobody reads the happenings any more.
    let _: Result<(), Gone> = read(&mut link, &peer, before).await;
}

async fn read(Joined { stream, reporter, .. }: &mut Joined, peer: &str, before: Option<u64>) -> Result<(), Gone> {
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
            reporter.place(number).keep(AsRef::<TcpStream>::as_ref(stream));
            number
        }
    };
    let ended = reporter.pump(stream, connection, &mut None, Cause::ClosedByPeer).await?;
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
    cause: Cause,
}

impl Refusals {
    /// Counts a refusal; gives how many there were since the last one told, when it is time to tell.
    pub(super) fn count(&mut self, peer: IpAddr, cause: &Cause, now: Instant) -> Option<u32> {
        if let Some(refusal) = self.peers.get_mut(&peer) {
            refusal.cause = cause.clone();
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
        self.peers.insert(peer, Refusal { told: now, untold: 0, cause: cause.clone() });
        Some(1)
    }

    /// What is to be told of peers that have fallen silent since.
    pub(super) fn untold(&mut self, now: Instant) -> Vec<(IpAddr, Cause, u32)> {
        let due = self
            .peers
            .iter_mut()
            .filter(|(_, refusal)| refusal.untold > 0 && now.duration_since(refusal.told) >= REFUSAL);
        due.map(|(peer, refusal)| {
            refusal.told = now;
            (*peer, refusal.cause.clone(), std::mem::take(&mut refusal.untold))
        })
        .collect()
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
        assert_eq!(refusals.count(one, &Cause::NotAllowed, start), Some(1));
        assert_eq!(refusals.count(one, &Cause::NotAllowed, start + Duration::from_secs(1)), None);
        assert_eq!(refusals.count(two, &Cause::NotAllowed, start + Duration::from_secs(2)), Some(1));
        assert_eq!(refusals.count(one, &Cause::NotAllowed, start + Duration::from_secs(59)), None);
        assert_eq!(refusals.count(one, &Cause::NotAllowed, start + Duration::from_secs(60)), Some(3));
        assert_eq!(refusals.count(one, &Cause::NotAllowed, start + Duration::from_secs(61)), None);
        // Who does not knock again is told of all the same.
        assert_eq!(refusals.untold(start + Duration::from_secs(119)), []);
        assert_eq!(refusals.untold(start + Duration::from_secs(120)), [(one, Cause::NotAllowed, 1)]);
        assert_eq!(refusals.untold(start + Duration::from_secs(600)), []);
    }

    #[test]
    fn refusals_take_bounded_memory() {
        let mut refusals = Refusals::default();
        let start = Instant::now();
        for peer in 0..5_000u32 {
            refusals.count(IpAddr::from(peer.to_be_bytes()), &Cause::NotAllowed, start);
        }
        assert_eq!(refusals.peers.len(), REFUSED_PEERS);
        assert_eq!(refusals.count("192.0.2.1".parse().unwrap(), &Cause::NotAllowed, start + REFUSAL), Some(1));
        assert_eq!(refusals.peers.len(), 1);
    }
}
