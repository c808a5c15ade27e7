//! Looking at lines while they come: what a verb asks for, and how it is told, for as long as it listens.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader as AsyncBufReader, Take};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Mutex;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::exchange::{Exchange, SendError};
use super::{Reply, Request};

/// Room for a line as it is told: the longest there is, each byte of it written as `\u005cxNN`.
const ROOM: usize = 32 * 1024;

/// Whose lines are looked at, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// The source; all of them when left out.
    pub source: Option<String>,
    /// For how long, in seconds of the machine's clock.
    pub seconds: u32,
    /// As they are stored, without telephone numbers; else as they come.
    pub masked: bool,
    /// Why somebody looks at telephone numbers.
    pub reason: Option<String>,
}

/// One thing that is told while somebody looks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum News {
    /// It has begun.
    Begun {
        /// The sources that are looked at.
        sources: Vec<String>,
        /// For how long, in seconds.
        seconds: u32,
    },
    /// A line.
    Line(Seen),
    /// So many lines came faster than they could be shown, and were left out.
    LeftOut(u64),
}

/// The text of a line, zeroed when it is dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
pub struct Text(String);

impl Text {
    /// The line with its control bytes as `\xNN`: nothing in it may command the terminal that it is shown on.
    pub fn printable(line: &[u8]) -> Text {
        let mut text = String::with_capacity(line.len() * 4);
        for byte in line {
            match byte {
                b' '..=b'~' => text.push(char::from(*byte)),
                _ => text += &format!("\\x{byte:02X}"),
            }
        }
        Text(text)
    }

    /// For showing it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A line, and what became of it. As it came it may hold a telephone number, so `Debug` does not show it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Civil time at the practice.
    pub at: String,
    /// Name of its source.
    pub source: String,
    /// Its number within the source.
    pub line: u64,
    /// The line, control bytes as `\xNN`; nothing where an earlier line turned out to be something.
    pub text: Option<Text>,
    /// What it is.
    pub kind: crate::record::LineKind,
    /// Why it is not understood.
    pub reason: Option<String>,
    /// The first column that is not understood.
    pub column: Option<u16>,
    /// The record it carries, without patients' numbers.
    pub record: Option<Map<String, Value>>,
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seen").field("source", &self.source).field("line", &self.line).finish_non_exhaustive()
    }
}

/// Where the daemon hears that nobody looks any more.
#[derive(Debug)]
pub struct Listener(AsyncBufReader<Take<OwnedReadHalf>>);

impl Listener {
    /// Waits until the other side is gone.
    pub async fn gone(&mut self) {
        while self.0.read_u8().await.is_ok() {}
    }
}

/// Where the daemon tells.
#[derive(Debug)]
pub struct Teller(Arc<Mutex<OwnedWriteHalf>>);

impl Teller {
    /// Tells one thing; what it wrote for that is zeroed again.
    pub async fn tell(&self, news: &News) -> io::Result<()> {
        #[derive(Serialize)]
        #[serde(rename_all = "kebab-case")]
        enum Told<'a> {
            Progress(&'a News),
        }
        // Grown beyond its room the buffer would leave a copy behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(ROOM));
        serde_json::to_writer(&mut *bytes, &Told::Progress(news))?;
        bytes.push(b'\n');
        self.0.lock().await.write_all(&bytes).await
    }

    /// Ends the conversation where it is: the other side does not read.
    pub async fn break_off(&self) {
        let _ = self.0.lock().await.shutdown().await;
    }
}

impl Exchange {
    /// Both ends of the conversation, each on its own.
    pub fn apart(self) -> (Listener, Teller) {
        let writing = self.writing();
        (Listener(self.into_reading()), Teller(writing))
    }
}

/// Looks, and answers with what is said at the end. `told` hears of each line; when it says no more, it is over.
pub fn look(
    mut stream: UnixStream,
    look: Look,
    mut told: impl FnMut(News) -> bool,
) -> Result<Option<Value>, SendError> {
    let mut request = serde_json::to_vec(&Request::Tap(look)).map_err(|error| SendError::Broken(error.into()))?;
    request.push(b'\n');
    stream.write_all(&request).map_err(SendError::Broken)?;
    let mut reading = BufReader::new(stream);
    let mut line = Zeroizing::new(String::with_capacity(ROOM));
    loop {
        line.clear();
        if reading.read_line(&mut line).map_err(SendError::Broken)? == 0 {
            return Err(SendError::Broken(io::ErrorKind::UnexpectedEof.into()));
        }
        match serde_json::from_str(&line).map_err(|error| SendError::Broken(error.into()))? {
            Reply::Progress(news) => {
                let news = serde_json::from_value(news).map_err(|error| SendError::Broken(error.into()))?;
                if !told(news) {
                    return Ok(None);
                }
            }
            Reply::Ok(value) => return Ok(Some(value)),
            Reply::Error(refusal) => return Err(refusal.into()),
        }
    }
}
