//! What sources tell the daemon.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Notify;

use super::{Cause, FileMark, LineErrors, LinkState, RelayNews};

/// Something that happened at a source. `at` is the time of the clock given to [`super::run`].
#[derive(Clone, PartialEq, Eq)]
pub enum Happening {
    /// A listener is open. Once for every source that shares it.
    Listening {
        /// Which source.
        source: u16,
        /// When.
        at: Timestamp,
        /// Where; with the port that the system chose if the configured one is 0.
        address: SocketAddr,
    },
    /// A link is open.
    Up {
        /// Which source.
        source: u16,
        /// When.
        at: Timestamp,
        /// The link's number, never used twice in one run.
        connection: u64,
        /// The link, for a person: device and settings, or the PBX's address.
        what: String,
    },
    /// Bytes came in.
    Bytes {
        /// Which source.
        source: u16,
        /// When they were read.
        at: Timestamp,
        /// Through which link.
        connection: u64,
        /// The bytes. Empty when only an error came.
        bytes: Vec<u8>,
        /// What went wrong on the wire meanwhile. Always none on TCP, and on a port that gives no marks (its
        /// [`Happening::Up`] says so).
        errors: LineErrors,
    },
    /// A text came in whose sender keeps it until it is acknowledged: to be receipted when its lines are on disk.
    Text {
        /// Which source.
        source: u16,
        /// When it was read.
        at: Timestamp,
        /// Through which link.
        connection: u64,
        /// The bytes.
        bytes: Vec<u8>,
        /// The number that the sender gave it, if it does. The next text has another; one that comes again has the same.
        sequence: Option<u32>,
        /// To be given then.
        stored: Receipt,
    },
    /// The next part of a file came in. It ends where a line ends, and the last part where the file does: half a line
    /// or half a group there will not be completed.
    Part {
        /// Which source.
        source: u16,
        /// When it was read.
        at: Timestamp,
        /// The file's number, of those that links have: it is one stream of lines.
        connection: u64,
        /// The bytes. The last part may be empty.
        bytes: Vec<u8>,
        /// To be stored with the lines of this part.
        mark: FileMark,
    },
    /// A file is gone: its mark is of no more use.
    Removed {
        /// Which source.
        source: u16,
        /// Which file, as its mark has it.
        file: String,
    },
    /// Which files are in the way has changed.
    Trouble {
        /// Which source.
        source: u16,
        /// All that are, for a person; none when nothing is any more. No text holds a number.
        problems: Vec<String>,
    },
    /// Something happened at the relay of a source.
    Relay {
        /// Which source.
        source: u16,
        /// When.
        at: Timestamp,
        /// What.
        news: RelayNews,
    },
    /// A link ended. What is left of a line will not be completed.
    Down {
        /// Which source.
        source: u16,
        /// When.
        at: Timestamp,
        /// Which link.
        connection: u64,
        /// Why.
        cause: Cause,
    },
    /// The order to stop came, and the link stays open for the next run. What is left of a line goes on there.
    Parked {
        /// Which source.
        source: u16,
        /// When.
        at: Timestamp,
        /// Which link. It has the same number in the next run.
        connection: u64,
        /// Where it stands.
        state: LinkState,
    },
    /// A link, or a listener, could not be opened; it will be tried again. Sent at every attempt.
    Waiting {
        /// Which source.
        source: u16,
        /// When.
        at: Timestamp,
        /// Why.
        cause: Cause,
        /// The how-manieth failure in a row this is, from 1.
        attempt: u32,
    },
    /// A peer was turned away. At most once a minute for each peer.
    Refused {
        /// When.
        at: Timestamp,
        /// Who.
        peer: IpAddr,
        /// Where it knocked.
        address: SocketAddr,
        /// Why.
        cause: Cause,
        /// How often since this was last said of it, this time included.
        times: u32,
    },
}

/// Says to a source that what it handed on is on disk. Each stands for itself.
#[derive(Clone, Debug, Default)]
pub struct Receipt(Arc<Notify>);

impl Receipt {
    /// It is on disk.
    pub fn give(&self) {
        self.0.notify_one();
    }

    /// Waits until it is.
    pub(super) async fn given(&self) {
        self.0.notified().await;
    }
}

impl PartialEq for Receipt {
    fn eq(&self, other: &Receipt) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Receipt {}

impl fmt::Debug for Happening {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Happening::Listening { source, address, .. } => write!(to, "{source} listening on {address}"),
            Happening::Up { source, connection, what, .. } => write!(to, "{source}/{connection} up: {what}"),
            Happening::Bytes { source, connection, bytes, errors, .. } => {
                write!(to, "{source}/{connection} {} bytes, {errors:?}", bytes.len())
            }
            Happening::Text { source, connection, bytes, .. } => {
                write!(to, "{source}/{connection} {} bytes to be receipted", bytes.len())
            }
            Happening::Part { source, connection, bytes, mark, .. } => {
                write!(to, "{source}/{connection} {} bytes of a file, {mark:?}", bytes.len())
            }
            Happening::Removed { source, file } => write!(to, "{source} removed {file}"),
            Happening::Trouble { source, problems } => write!(to, "{source} trouble {problems:?}"),
            Happening::Relay { source, news, .. } => write!(to, "{source} relay: {news:?}"),
            Happening::Down { source, connection, cause, .. } => {
                write!(to, "{source}/{connection} down: {}", cause.code())
            }
            Happening::Parked { source, connection, .. } => write!(to, "{source}/{connection} parked"),
            Happening::Waiting { source, cause, attempt, .. } => {
                write!(to, "{source} waiting, attempt {attempt}: {}", cause.code())
            }
            Happening::Refused { peer, address, cause, times, .. } => {
                write!(to, "{peer} refused at {address}, {times} times: {}", cause.code())
            }
        }
    }
}
