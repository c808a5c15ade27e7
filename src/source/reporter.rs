//! A source's way to the daemon: what happens goes out, the order to stop comes in.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::{mpsc, watch};

use super::handover::{Handover, LinkState, link_name};
use super::relay::{RelayNews, Tap};
use super::{Cause, FileMark, Happening, LineErrors, Marks, Receipt};
use crate::clock::Clock;

/// How much is read at once. A serial line gives far less; a buffer re-dump over TCP fills it.
const CHUNK: usize = 16 * 1024;

/// After the order to stop, how long to look for bytes that have already arrived, and how often.
const LAST_LOOK: Duration = Duration::from_millis(20);
const LAST_LOOKS: usize = 64;

/// Nobody reads the happenings any more.
#[derive(Debug)]
pub(super) struct Gone;

/// One source's reporter. Copies report for the same source.
#[derive(Clone)]
pub(super) struct Reporter {
    source: u16,
    clock: Clock,
    tx: mpsc::Sender<Happening>,
    stop: watch::Receiver<bool>,
    connections: Arc<AtomicU64>,
    /// Where what comes in is repeated to.
    tap: Option<Tap>,
    handover: Handover,
    /// What the names of the source's links begin with.
    mark: Arc<str>,
}

/// Where one link is kept for the next run.
#[derive(Clone)]
pub(super) struct Place {
    handover: Handover,
    name: String,
}

impl Place {
    pub(super) fn keep(&self, link: impl AsFd) {
        self.handover.keep(&self.name, link);
    }

    pub(super) fn forget(&self) {
        self.handover.forget(&self.name);
    }
}

/// How a link went.
pub(super) struct Ended {
    pub(super) cause: Cause,
    pub(super) received: u64,
}

impl Reporter {
    pub(super) fn new(
        source: u16,
        clock: Clock,
        tx: mpsc::Sender<Happening>,
        stop: watch::Receiver<bool>,
        connections: Arc<AtomicU64>,
        (handover, mark): (Handover, String),
    ) -> Reporter {
        Reporter { source, clock, tx, stop, connections, tap: None, handover, mark: mark.into() }
    }

    /// The same, with this relay, or none, for what comes in.
    pub(super) fn with_tap(self, tap: Option<Tap>) -> Reporter {
        Reporter { tap, ..self }
    }

    pub(super) fn tap(&self) -> Option<&Tap> {
        self.tap.as_ref()
    }

    pub(super) fn source(&self) -> u16 {
        self.source
    }

    async fn send(&self, happening: Happening) -> Result<(), Gone> {
        self.tx.send(happening).await.map_err(|_| Gone)
    }

    pub(super) async fn listening(&self, address: SocketAddr) -> Result<(), Gone> {
        self.send(Happening::Listening { source: self.source, at: self.clock.now(), address }).await
    }

    /// Gives the link its number.
    pub(super) async fn up(&self, what: String) -> Result<u64, Gone> {
        let connection = self.number();
        self.up_as(connection, what).await?;
        Ok(connection)
    }

    /// A link that has a number from the run before.
    pub(super) async fn up_as(&self, connection: u64, what: String) -> Result<(), Gone> {
        self.send(Happening::Up { source: self.source, at: self.clock.now(), connection, what }).await
    }

    /// Hands on a text; the receipt says when it is on disk.
    pub(super) async fn text(&self, connection: u64, bytes: Vec<u8>, sequence: Option<u32>) -> Result<Receipt, Gone> {
        if let Some(tap) = &self.tap {
            tap.offer(&bytes);
        }
        let (source, at, stored) = (self.source, self.clock.now(), Receipt::default());
        self.send(Happening::Text { source, at, connection, bytes, sequence, stored: stored.clone() }).await?;
        Ok(stored)
    }

    /// Reports bytes that came damaged and are not handed on.
    pub(super) async fn damaged(&self, connection: u64) -> Result<(), Gone> {
        let errors = LineErrors { parity_or_framing: 1, ..LineErrors::default() };
        let (source, at) = (self.source, self.clock.now());
        self.send(Happening::Bytes { source, at, connection, bytes: Vec::new(), errors }).await
    }

    /// A number for a stream of lines, never given twice.
    pub(super) fn number(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Where the link is kept for the next run.
    pub(super) fn place(&self, connection: u64) -> Place {
        Place { handover: self.handover.clone(), name: link_name(&self.mark, connection) }
    }

    /// The links of the run before, with their numbers.
    pub(super) fn found(&self) -> Vec<(u64, std::os::fd::OwnedFd)> {
        self.handover.take_links(&self.mark)
    }

    /// Where a link of the run before stood; nothing after a kill.
    pub(super) fn stood(&self, connection: u64) -> Option<LinkState> {
        self.handover.take_state(connection)
    }

    /// Whether a link that [`Reporter::pump`] has read is left to the caller to report.
    pub(super) fn parks(&self, ended: &Ended) -> bool {
        self.handover.keeps() && ended.cause == Cause::Stopping
    }

    /// The link stays open behind this process.
    pub(super) async fn parked(&self, connection: u64, state: LinkState) -> Result<(), Gone> {
        self.send(Happening::Parked { source: self.source, at: self.clock.now(), connection, state }).await
    }

    pub(super) async fn part(&self, connection: u64, bytes: Vec<u8>, mark: FileMark) -> Result<(), Gone> {
        self.send(Happening::Part { source: self.source, at: self.clock.now(), connection, bytes, mark }).await
    }

    pub(super) async fn removed(&self, file: String) -> Result<(), Gone> {
        self.send(Happening::Removed { source: self.source, file }).await
    }

    pub(super) async fn trouble(&self, problems: Vec<String>) -> Result<(), Gone> {
        self.send(Happening::Trouble { source: self.source, problems }).await
    }

    pub(super) async fn relay(&self, news: RelayNews) -> Result<(), Gone> {
        self.send(Happening::Relay { source: self.source, at: self.clock.now(), news }).await
    }

    pub(super) async fn down(&self, connection: u64, cause: Cause) -> Result<(), Gone> {
        self.place(connection).forget();
        self.send(Happening::Down { source: self.source, at: self.clock.now(), connection, cause }).await
    }

    pub(super) async fn waiting(&self, cause: Cause, attempt: u32) -> Result<(), Gone> {
        self.send(Happening::Waiting { source: self.source, at: self.clock.now(), cause, attempt }).await
    }

    pub(super) async fn refused(
        &self,
        peer: IpAddr,
        address: SocketAddr,
        cause: Cause,
        times: u32,
    ) -> Result<(), Gone> {
        self.send(Happening::Refused { at: self.clock.now(), peer, address, cause, times }).await
    }

    /// Waits for the order to stop.
    pub(super) async fn stopped(&mut self) {
        // An error means that nobody can give the order any more, which is one too.
        let _ = self.stop.wait_for(|stop| *stop).await;
    }

    /// Whether the order to stop has come.
    pub(super) fn is_stopping(&self) -> bool {
        *self.stop.borrow() || self.stop.has_changed().is_err()
    }

    /// Pauses; says whether to go on after it.
    pub(super) async fn pause(&mut self, delay: Duration) -> bool {
        tokio::select! {
            () = self.stopped() => false,
            () = tokio::time::sleep(delay) => true,
        }
    }

    /// Reads a link until it ends, then reports it down; what comes is repeated to the relay. `at_end` is what the end of
    /// input means. Where links outlive the process, one that was read until the order to stop is left to the caller, to
    /// report it parked or down.
    pub(super) async fn pump<R: AsyncRead + Unpin>(
        &mut self,
        link: &mut R,
        connection: u64,
        marks: &mut Option<Marks>,
        at_end: Cause,
    ) -> Result<Ended, Gone> {
        let mut buffer = vec![0; CHUNK];
        let mut received = 0;
        let mut looks = 0;
        let parks = self.handover.keeps();
        // What is left unread for the next run is not lost; what is not left to anybody is waited for.
        let last_look = if parks { Duration::ZERO } else { LAST_LOOK };
        let cause = loop {
            let read = if looks == 0 {
                tokio::select! {
                    biased;
                    () = self.stopped() => {
                        looks = 1;
                        continue;
                    }
                    read = link.read(&mut buffer) => read,
                }
            } else if looks > LAST_LOOKS {
                break Cause::Stopping;
            } else {
                looks += 1;
                match tokio::time::timeout(last_look, link.read(&mut buffer)).await {
                    Err(_) => break Cause::Stopping,
                    Ok(Ok(0)) if !parks => break Cause::Stopping,
                    Ok(read) => read,
                }
            };
            match read {
                Ok(0) => break at_end,
                Ok(length) => {
                    received += length as u64;
                    let raw = buffer.get(..length).unwrap_or_default();
                    let mut bytes = Vec::with_capacity(length);
                    let mut errors = LineErrors::default();
                    match marks {
                        Some(marks) => errors = marks.decode(raw, &mut bytes),
                        None => bytes.extend_from_slice(raw),
                    }
                    if let Some(tap) = &self.tap {
                        tap.offer(&bytes);
                    }
                    if !bytes.is_empty() || errors != LineErrors::default() {
                        let (source, at) = (self.source, self.clock.now());
                        self.send(Happening::Bytes { source, at, connection, bytes, errors }).await?;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                // What a port says when the device is gone: EIO, ENXIO or ENODEV.
                Err(error) if at_end == Cause::Unplugged && matches!(error.raw_os_error(), Some(5 | 6 | 19)) => {
                    break Cause::Unplugged;
                }
                Err(error) => break Cause::of_link(&error),
            }
        };
        let ended = Ended { cause, received };
        if !self.parks(&ended) {
            self.down(connection, ended.cause.clone()).await?;
        }
        Ok(ended)
    }
}
