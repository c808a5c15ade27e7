//! What follows a request on its connection: a file in portions one way, progress the other.
//!
//! A portion is its length in four bytes, least significant first, and as many bytes; a portion of no length is the
//! file's end. A connection that ends without it was cut off: what came before is not taken for the whole.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader as AsyncBufReader, Take};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Mutex;
use zeroize::{Zeroize as _, Zeroizing};

use super::{Peer, Refusal, Reply, Request};

/// The most bytes in one portion.
const PORTION: usize = 16 * 1024;

/// What is to be imported, and how. The file itself follows on the connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Which dialect its lines are in.
    pub dialect: String,
    /// Options of the dialect.
    pub set: BTreeMap<String, String>,
    /// The source whose PBX wrote it; may be left out when there is one.
    pub source: Option<String>,
    /// The year of its first line, for formats that print none.
    pub assume_year: Option<i16>,
    /// Go on although nothing of the beginning is understood.
    pub force: bool,
    /// Take it for a file of its own although one with the same beginning is in.
    pub as_new: bool,
    /// Count records also where they fall among calls that are already there.
    pub overlap: bool,
}

/// The daemon's end of it.
#[derive(Debug)]
pub struct Exchange {
    reading: AsyncBufReader<Take<OwnedReadHalf>>,
    writing: Arc<Mutex<OwnedWriteHalf>>,
    peer: Option<Peer>,
}

impl Exchange {
    pub(super) fn new(
        mut reading: AsyncBufReader<Take<OwnedReadHalf>>,
        writing: OwnedWriteHalf,
        peer: Option<Peer>,
    ) -> Exchange {
        reading.get_mut().set_limit(u64::MAX);
        Exchange { reading, writing: Arc::new(Mutex::new(writing)), peer }
    }

    /// Who is at the other end; nothing when the kernel does not say.
    pub fn peer(&self) -> Option<Peer> {
        self.peer
    }

    pub(super) fn into_reading(self) -> AsyncBufReader<Take<OwnedReadHalf>> {
        self.reading
    }

    pub(super) fn writing(&self) -> Arc<Mutex<OwnedWriteHalf>> {
        self.writing.clone()
    }

    /// The next portion of the file; nothing at its end. Fails when the other side went away before.
    pub async fn portion(&mut self) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        let length = self.reading.read_u32_le().await? as usize;
        if length == 0 {
            return Ok(None);
        }
        if length > PORTION {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a portion is too long"));
        }
        let mut bytes = Zeroizing::new(vec![0; length]);
        self.reading.read_exact(&mut bytes).await?;
        Ok(Some(bytes))
    }

    /// Says how far it has come.
    pub async fn say(&self, progress: &impl Serialize) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(&Reply::Progress(serde_json::to_value(progress)?))?;
        bytes.push(b'\n');
        self.writing.lock().await.write_all(&bytes).await
    }
}

/// Why a file was not imported to its end.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It was refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The file could not be read to its end; with what became of its beginning.
    #[error("{reason}; {became}")]
    Unreadable {
        /// Why.
        reason: io::Error,
        /// What became of what had been read.
        became: String,
    },
    /// The other side went away.
    #[error("the daemon went away: {0}; what it had taken is kept, run the same command again to go on")]
    Broken(io::Error),
}

/// Sends a request with the file that follows it, and answers with its result. `told` hears of the progress.
pub fn send(
    stream: UnixStream,
    order: Order,
    input: impl Read + Send + 'static,
    mut told: impl FnMut(Value),
) -> Result<Value, SendError> {
    let feeding = stream.try_clone().map_err(SendError::Broken)?;
    // A thread of its own, since the answer may come while the file still has nothing to say.
    let feeder = std::thread::spawn(move || feed(feeding, order, input));
    let read_error = |refusal: Option<Refusal>| {
        if !feeder.is_finished() && refusal.is_some() {
            return None;
        }
        feeder.join().ok().and_then(Result::err)
    };
    for line in BufReader::new(stream).lines() {
        let line = line.map_err(SendError::Broken)?;
        match serde_json::from_str(&line).map_err(|error| SendError::Broken(error.into()))? {
            Reply::Progress(progress) => told(progress),
            Reply::Ok(value) => return Ok(value),
            Reply::Error(refusal) => {
                return Err(match read_error(Some(refusal.clone())) {
                    Some(reason) => SendError::Unreadable { reason, became: refusal.what },
                    None => refusal.into(),
                });
            }
        }
    }
    Err(match read_error(None) {
        Some(reason) => SendError::Unreadable { reason, became: "the daemon did not say what became of it".into() },
        None => SendError::Broken(io::ErrorKind::UnexpectedEof.into()),
    })
}

/// Sends the request and the file; fails when the file cannot be read. That the other side does not listen any more is
/// no failure: it says why itself.
fn feed(mut stream: UnixStream, order: Order, mut input: impl Read) -> io::Result<()> {
    let Ok(mut request) = serde_json::to_vec(&Request::Import(order)) else { return Ok(()) };
    request.push(b'\n');
    if stream.write_all(&request).is_err() {
        return Ok(());
    }
    let mut frame = Zeroizing::new(vec![0; 4 + PORTION]);
    loop {
        let length = match input.read(&mut frame[4..]) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                frame.zeroize();
                let _ = stream.shutdown(std::net::Shutdown::Write);
                return Err(error);
            }
        };
        frame[..4].copy_from_slice(&u32::try_from(length).unwrap_or(0).to_le_bytes());
        if stream.write_all(&frame[..4 + length]).is_err() || length == 0 {
            return Ok(());
        }
    }
}

/// Refuses whatever is asked on `stream`: there is nobody who could do it, for this reason.
pub fn refuse(mut stream: UnixStream, refusal: Refusal) {
    if let Ok(mut bytes) = serde_json::to_vec(&Reply::Error(refusal)) {
        bytes.push(b'\n');
        let _ = stream.write_all(&bytes);
    }
}
