//! The relay: what a source receives goes on, unchanged, to a call logger that had the PBX's port before.
//!
//! The bytes are those that smdrd itself reads, as it reads them, before they are lines. They wait in memory, a little
//! while and bounded ([`backlog`]); whoever puts them there never waits, so neither a slow logger nor one that is gone
//! holds collecting back. What is dropped is counted and told. What comes back from the logger is read and thrown away:
//! the PBX hears nothing of it.

mod backlog;
mod logger;

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::Cause;
use super::reporter::{Gone, Reporter};
use crate::config;
use backlog::Backlog;

/// How often it is looked whether something was dropped, and how often it is told while it goes on.
const LOOK: Duration = Duration::from_secs(1);
const TELL: Duration = Duration::from_secs(3600);
/// When the sources have ended, how long what still waits is sent for.
const LAST: Duration = Duration::from_secs(2);

/// What happens at a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayNews {
    /// From now on what the source receives is repeated.
    Began {
        /// To whom, for a person: an address, a device, or who may connect.
        to: String,
    },
    /// The logger is there.
    Up {
        /// The link, for a person.
        what: String,
    },
    /// The logger is there no more.
    Down {
        /// Why.
        cause: Cause,
    },
    /// The logger cannot be reached, or its port not be opened; it will be tried again. Sent at the first of several
    /// failures in a row.
    Waiting {
        /// Why.
        cause: Cause,
    },
    /// Bytes were not repeated, because the logger was slow or away. At once, and then at most once an hour.
    Dropped {
        /// How many, since this was last told.
        bytes: u64,
    },
}

/// The source's end of a relay.
#[derive(Clone)]
pub(super) struct Tap {
    backlog: Arc<Backlog>,
    /// Dropped with the last copy: that is how the relay knows that nothing more comes.
    _open: mpsc::Sender<Infallible>,
}

impl Tap {
    /// Hands over what came in. Never waits.
    pub(super) fn offer(&self, bytes: &[u8]) {
        self.backlog.offer(bytes, Instant::now());
    }
}

/// The logger's end of a relay.
pub(super) struct Relay {
    settings: config::Relay,
    locks: Option<PathBuf>,
    outlet: Outlet,
    reporter: Reporter,
}

/// What waits, and whether more can come.
struct Outlet {
    backlog: Arc<Backlog>,
    open: mpsc::Receiver<Infallible>,
}

/// A relay with both its ends. It runs until the last copy of the tap is gone.
pub(super) fn open(settings: config::Relay, locks: Option<PathBuf>, reporter: Reporter) -> (Tap, Relay) {
    let backlog = Arc::new(Backlog::new());
    let (sender, receiver) = mpsc::channel(1);
    let tap = Tap { backlog: Arc::clone(&backlog), _open: sender };
    (tap, Relay { settings, locks, outlet: Outlet { backlog, open: receiver }, reporter })
}

impl Relay {
    pub(super) async fn run(self) {
        // Nobody reads the happenings any more: there is nothing left to do.
        let _: Result<(), Gone> = self.repeat().await;
    }

    async fn repeat(self) -> Result<(), Gone> {
        let Relay { settings, locks, mut outlet, reporter } = self;
        let backlog = Arc::clone(&outlet.backlog);
        let mut told = Told { bytes: 0, at: None };
        let logger = async {
            if let Some(connect) = &settings.tcp_connect {
                logger::connect(connect.get_ref(), settings.off_site, &mut outlet, &reporter).await
            } else if let Some(listen) = &settings.tcp_listen {
                logger::listen(listen.get_ref(), settings.off_site, &mut outlet, &reporter).await
            } else if let Some(serial) = &settings.serial {
                logger::serial(serial.get_ref(), locks.as_deref(), &mut outlet, &reporter).await
            } else {
                // `check` does not let this be.
                Ok(())
            }
        };
        let account = async {
            while told.tell(&backlog, &reporter, false).await.is_ok() {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::select! {
            ended = logger => ended?,
            () = account => return Err(Gone),
        }
        backlog.close();
        told.tell(&backlog, &reporter, true).await
    }
}

/// What was told of bytes that were dropped.
struct Told {
    bytes: u64,
    at: Option<Instant>,
}

impl Told {
    async fn tell(&mut self, backlog: &Backlog, reporter: &Reporter, last: bool) -> Result<(), Gone> {
        let now = Instant::now();
        let bytes = backlog.dropped(now) - self.bytes;
        if bytes > 0 && (last || self.at.is_none_or(|at| now.duration_since(at) >= TELL)) {
            (self.bytes, self.at) = (self.bytes + bytes, Some(now));
            reporter.relay(RelayNews::Dropped { bytes }).await?;
        }
        Ok(())
    }
}

impl Outlet {
    /// Waits until nothing more can come.
    async fn closed(&mut self) {
        // No message can be made, so an answer means that there is no sender any more.
        let _ = self.open.recv().await;
    }

    /// Sends what waits and what comes, until the logger is gone, or, with no cause, until nothing more comes.
    async fn carry<L: AsyncRead + AsyncWrite>(&mut self, link: L, at_end: Cause) -> Option<Cause> {
        let (mut from, mut to) = tokio::io::split(link);
        self.backlog.begin();
        let backlog = Arc::clone(&self.backlog);
        let ended = tokio::select! {
            error = send(&backlog, &mut to) => Some(Some(error)),
            error = discard(&mut from) => Some(error),
            () = self.closed() => None,
        };
        if let Some(error) = ended {
            backlog.begin();
            return Some(match error {
                None => at_end,
                Some(error) if at_end == Cause::Unplugged && error.raw_os_error().is_some() => at_end,
                Some(error) => Cause::of_link(&error),
            });
        }
        let _ = tokio::time::timeout(LAST, async {
            while let Some(rest) = backlog.peek() {
                match to.write(&rest).await {
                    Ok(length @ 1..) => backlog.sent(length),
                    _ => return,
                }
            }
            let _ = to.flush().await;
            let _ = to.shutdown().await;
        })
        .await;
        None
    }
}

/// Sends line after line, for as long as it goes.
async fn send(backlog: &Backlog, to: &mut (impl AsyncWrite + Unpin)) -> std::io::Error {
    loop {
        let rest = backlog.next().await;
        match to.write(&rest).await {
            Ok(0) => return std::io::ErrorKind::WriteZero.into(),
            Ok(length) => backlog.sent(length),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => backlog.sent(0),
            Err(error) => return error,
        }
    }
}

/// Reads and throws away what the logger says; ends when it hangs up.
async fn discard(from: &mut (impl AsyncRead + Unpin)) -> Option<std::io::Error> {
    let mut room = [0; 512];
    loop {
        match from.read(&mut room).await {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Some(error),
        }
    }
}
