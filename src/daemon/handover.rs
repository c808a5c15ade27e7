//! What one run of the daemon leaves to the next, so that a restart or an upgrade loses no line: descriptors, each kept
//! by the service manager from when it is opened, and at the stop a will: the line that is half read and the log-in that
//! is half done, of every link.
//!
//! The will may hold a telephone number. It is never in a file: it waits in the buffer of a socket pair of which the
//! service manager keeps one end. The kernel does not swap such a buffer out, which it may do to a memfd or to a file
//! under `/run`, and it is gone once read. A run that was killed leaves no will: its links are taken up all the same,
//! but what they missed is not known, so the books say so.

use std::collections::{BTreeSet, HashMap};
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use super::keeper::HalfLine;
use crate::framing::Rest;
use crate::notify;
use crate::source::{Handover, How, Keep, LinkState, Spec};

/// What the will is kept under.
const WILL: &str = "will";
/// The longest will. A line has at most 4 KiB, and there is one for each link.
const LONGEST: u64 = 1024 * 1024;
/// How long the service manager may take to act upon what it was told last.
const SETTLED: Duration = Duration::from_secs(5);
/// For how long a PBX's output surely waits in the buffers of a connection. A line has some hundred bytes, and they hold
/// a hundred thousand.
const TCP_HOLDS: Duration = Duration::from_secs(60);
/// What waits in a serial line's buffer at least (n_tty's 4096 bytes, less one), and the bits of a byte on the wire.
const TTY_HOLDS: (u32, u32) = (4095, 10);

/// One link, as it is left.
#[derive(Debug, Serialize, Deserialize)]
pub struct Left {
    /// Its source.
    #[serde(default)]
    pub source: u16,
    /// Its number, also in the next run.
    pub connection: u64,
    /// What is half read.
    #[serde(default)]
    pub rest: Rest,
    /// Where its log-in stands, and the like.
    #[serde(default)]
    pub state: LinkState,
}

#[derive(Debug, Serialize, Deserialize)]
struct Will {
    /// When it was written, in milliseconds since 1970 on the machine's clock.
    #[serde(default)]
    at_ms: u64,
    #[serde(default)]
    links: Vec<Left>,
    /// Links of which it cannot be read where they stood.
    #[serde(skip)]
    unreadable: Vec<u64>,
}

/// What the run before left.
#[derive(Debug)]
pub struct Inheritance {
    /// Its links.
    pub links: Handover,
    /// What was half read on them, by the number of the link. Empty after a kill.
    pub left: Vec<Left>,
    /// Links that another version has left in a way that this one cannot read.
    pub unreadable: Vec<u64>,
    /// Whether nothing at all of what was left can be read.
    pub illegible: bool,
    /// How long nobody has read; nothing after a kill.
    unread: Option<Duration>,
}

/// The service manager's store.
struct Manager;

impl Keep for Manager {
    fn keep(&self, name: &str, descriptor: BorrowedFd<'_>) {
        notify::keep(name, descriptor);
    }

    fn forget(&self, name: &str) {
        notify::forget(name);
    }
}

impl Inheritance {
    /// Takes up what the service manager has kept. To be called once, before anything else is opened.
    pub fn take() -> Inheritance {
        let mut found = notify::kept();
        let will = found.iter().position(|(name, _)| name == WILL).map(|at| found.swap_remove(at).1);
        let mut illegible = false;
        let will = will.and_then(|descriptor| {
            let will = read(descriptor);
            notify::forget(WILL);
            illegible = will.is_err();
            will.ok().flatten()
        });
        let (mut unreadable, mut unread, mut left) = (Vec::new(), None, Vec::new());
        if !notify::keeps() {
            return Inheritance { links: Handover::default(), left, unreadable, illegible, unread };
        }
        let mut states = HashMap::new();
        if let Some(mut will) = will {
            states.extend(will.links.iter_mut().map(|left| (left.connection, std::mem::take(&mut left.state))));
            unread = Some(Duration::from_millis(now_ms().saturating_sub(will.at_ms)));
            (left, unreadable) = (will.links, will.unreadable);
        }
        let links = Handover::new(Box::new(Manager), found, states);
        Inheritance { links, left, unreadable, illegible, unread }
    }

    /// The sources whose links go on as if nothing had happened: no byte of theirs can have been lost.
    pub fn unbroken(&self, specs: &[Spec]) -> BTreeSet<u16> {
        let Some(unread) = self.unread else { return BTreeSet::new() };
        let unbroken = |spec: &&Spec| {
            let links = self.links.links_of(spec);
            let known = !links.iter().any(|number| self.unreadable.contains(number));
            !links.is_empty() && known && unread <= holds(&spec.how)
        };
        specs.iter().filter(unbroken).map(|spec| spec.id).collect()
    }

    /// What was half read on the links that are there.
    pub fn rests(&mut self, specs: &[Spec]) -> Vec<Left> {
        let there = specs.iter().flat_map(|spec| self.links.links_of(spec).into_iter().map(|number| (number, spec.id)));
        let there: HashMap<u64, u16> = there.collect();
        let left = std::mem::take(&mut self.left).into_iter();
        left.filter_map(|left| Some(Left { source: *there.get(&left.connection)?, ..left })).collect()
    }
}

/// How long a source's output surely waits unread.
fn holds(how: &How) -> Duration {
    match how {
        How::Serial(serial) => {
            Duration::from_secs_f64(f64::from(TTY_HOLDS.0 * TTY_HOLDS.1) / f64::from(*serial.baud.get_ref()))
        }
        How::Connect(_) | How::Listen(_) => TCP_HOLDS,
        // What these bring waits, and they have no link that is handed over.
        How::Folder(_) | How::Tftp(_) => Duration::MAX,
    }
}

/// The half lines among what is left, for the books.
pub fn half_lines(links: &[Left]) -> Vec<HalfLine> {
    let half = |left: &Left| HalfLine { source: left.source, connection: left.connection, bytes: left.rest.text() };
    links.iter().map(half).filter(|half| half.bytes > 0).collect()
}

/// Leaves the links to the next run. Everything that was read of them must be stored.
pub fn leave(links: Vec<Left>) {
    if links.is_empty() {
        return;
    }
    let count = links.len();
    match write(&Will { at_ms: now_ms(), links, unreadable: Vec::new() }) {
        Ok(kept) => notify::keep(WILL, kept.as_fd()),
        Err(error) => tracing::warn!(%error, "what is half read cannot be left to the next run and is lost"),
    }
    if !notify::settled(SETTLED) {
        tracing::warn!("the service manager does not say that it has taken over the links");
    }
    tracing::info!(links = count, "left to the next run");
}

fn write(will: &Will) -> std::io::Result<UnixStream> {
    let mut text = Zeroizing::new(Vec::with_capacity(64 * 1024));
    serde_json::to_writer(&mut *text, will)?;
    let (mut ours, kept) = UnixStream::pair()?;
    // What the buffer has no room for would never be read by anybody: better to fail.
    ours.set_nonblocking(true)?;
    ours.write_all(&text)?;
    Ok(kept)
}

/// What was left; nothing when it was read before, by a run that was killed since. An error when nothing of it can be read.
fn read(descriptor: OwnedFd) -> Result<Option<Will>, ()> {
    let socket = UnixStream::from(descriptor);
    let mut text = Zeroizing::new(Vec::with_capacity(64 * 1024));
    let read = socket.set_nonblocking(true).and_then(|()| socket.take(LONGEST).read_to_end(&mut text));
    if text.is_empty() {
        return Ok(None);
    }
    // Reasons are not shown: they may quote.
    if read.is_ok()
        && let Some(will) = serde_json::from_slice(&text).ok().or_else(|| link_by_link(&text))
    {
        return Ok(Some(will));
    }
    tracing::error!("what the run before left cannot be read; its half lines are lost");
    Err(())
}

/// What can be read of a will that another version has written; links that cannot be are named.
fn link_by_link(text: &[u8]) -> Option<Will> {
    #[derive(Deserialize)]
    struct Loose {
        at_ms: u64,
        links: Vec<Value>,
    }
    let loose: Loose = serde_json::from_slice(text).ok()?;
    let mut will = Will { at_ms: loose.at_ms, links: Vec::new(), unreadable: Vec::new() };
    for link in loose.links {
        let number = link.get("connection").and_then(Value::as_u64)?;
        match serde_json::from_value(link) {
            Ok(left) => will.links.push(left),
            Err(_) => {
                tracing::error!(link = number, "where a link stood cannot be read; its half line is lost");
                will.unreadable.push(number);
            }
        }
    }
    Some(will)
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_will_is_read_once() {
        let mut framer = crate::framing::Framer::new(crate::framing::Settings::default());
        framer.push(b"half a li", &mut |_| {});
        let left = Left { source: 3, connection: 17, rest: framer.rest(), state: LinkState::default() };
        let kept = write(&Will { at_ms: 5, links: vec![left], unreadable: Vec::new() }).unwrap();
        let again = kept.try_clone().unwrap();
        let will = read(kept.into()).unwrap().unwrap();
        assert_eq!((will.at_ms, will.links[0].connection, &will.links[0].rest), (5, 17, &framer.rest()));
        assert!(read(again.into()).unwrap().is_none());
        assert!(!format!("{will:?}").contains("half"), "{will:?}");
    }

    #[test]
    fn a_full_set_of_over_long_lines_fits() {
        let mut framer = crate::framing::Framer::new(crate::framing::Settings::default());
        framer.push(&[b'7'; 5000], &mut |_| {});
        let left = |connection| Left { source: 3, connection, rest: framer.rest(), state: LinkState::default() };
        let kept = write(&Will { at_ms: 5, links: (0..8).map(left).collect(), unreadable: Vec::new() }).unwrap();
        assert_eq!(read(kept.into()).unwrap().unwrap().links.len(), 8);
        assert!(
            write(&Will { at_ms: 5, links: (0..800).map(left).collect(), unreadable: Vec::new() }).is_err(),
            "and what does not is refused"
        );
    }
}
