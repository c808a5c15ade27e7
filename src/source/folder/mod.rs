//! A drop folder: a PBX, or a server that it uploads to, puts files there; each is read once, whole, and removed.
//!
//! The folder must be memory (tmpfs), because the files hold telephone numbers. A file is taken when nobody writes it any
//! more: it has not changed for a while, and whoever was seen to write it has closed it. Taking it is giving it a hidden
//! name that nothing else bears; under that name the daemon notes, in the transaction that stores a part's lines, how far
//! the file is read. It is removed only when that note says that all of it is stored. So a crash at any moment leaves
//! either the file, or the file and how much of it is stored already: nothing is lost and nothing is read twice.
//!
//! A link that is up means that the folder can be listed. A day without files is a quiet day, not a gap.

mod ledger;
mod look;
mod names;
mod place;
mod watch;

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::Cause;
use super::backoff::Backoff;
use super::reporter::{Gone, Reporter};
use crate::config::Folder;

pub use ledger::{FileMark, Ledger};
pub use place::in_memory;

use look::Table;
use place::Place;
use watch::Watch;

/// How often the folder is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// The most that is read at once.
const CHUNK: usize = 32 * 1024;
/// How long to wait before looking whether a part is stored, at first and at most.
const STORED: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));
/// After the order to stop, how long a file that is read is waited for, so that it need not be left to the next run.
const LAST: Duration = Duration::from_secs(2);

/// Refuses a folder that is there and is not memory: what is in it would be at rest. One that is not there yet may come.
pub(super) fn inspect(path: &Path) -> Result<(), Cause> {
    match Place::open(path) {
        Err(cause @ (Cause::OnDisk(_) | Cause::NotAFolder(_))) => Err(cause),
        _ => Ok(()),
    }
}

/// Why a file's reading ended early.
enum Halt {
    Gone,
    Stopping,
}

impl From<Gone> for Halt {
    fn from(_: Gone) -> Halt {
        Halt::Gone
    }
}

/// Tends the folder until the order to stop.
pub(super) async fn run(settings: Folder, ledger: Ledger, mut reporter: Reporter) {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    let mut attempt = 0u32;
    loop {
        match Place::open(&settings.path) {
            Ok(place) => {
                attempt = 0;
                let began = Instant::now();
                let Ok(connection) = reporter.up(format!("folder {}", settings.path.display())).await else { return };
                let settle = Duration::from_secs(u64::from(*settings.settle_seconds.get_ref()));
                let tended = Keeping { place, ledger: &ledger, reporter: &mut reporter }.tend(settle).await;
                let cause = match tended {
                    Ok(cause) => cause,
                    Err(Halt::Stopping) => Cause::Stopping,
                    Err(Halt::Gone) => return,
                };
                if reporter.down(connection, cause.clone()).await.is_err() || cause == Cause::Stopping {
                    return;
                }
                backoff.proved(0, began.elapsed());
            }
            Err(cause) => {
                attempt = attempt.saturating_add(1);
                if reporter.waiting(cause, attempt).await.is_err() {
                    return;
                }
            }
        }
        if !reporter.pause(backoff.delay()).await {
            return;
        }
    }
}

/// A folder that is open.
struct Keeping<'a> {
    place: Place,
    ledger: &'a Ledger,
    reporter: &'a mut Reporter,
}

impl Keeping<'_> {
    /// Takes file after file until the folder cannot be used any more.
    async fn tend(&mut self, settle: Duration) -> Result<Cause, Halt> {
        let mut watch = Watch::open(self.place.path());
        if watch.is_none() {
            tracing::warn!(
                "the system does not tell who writes in the drop folder; only quiet tells that a file is whole"
            );
        }
        let mut table = Table::new(settle);
        let mut told = Vec::new();
        let listed = match self.place.list() {
            Ok(listed) => listed,
            Err(cause) => return Ok(cause),
        };
        self.forget_what_is_gone(&listed.taken).await?;
        loop {
            if let Some(watch) = &mut watch {
                watch.read(|name, news| table.hear(name, news));
            }
            let listed = match self.place.list() {
                Ok(listed) => listed,
                Err(cause) => return Ok(cause),
            };
            let now = Instant::now();
            // What an earlier run, or an earlier look, took and did not finish comes first.
            for file in table.unfinished(&listed.taken, now) {
                let problem = self.finish(&file).await?;
                table.finished(file, problem);
            }
            for name in table.look(listed.files, now) {
                match self.place.take(&name) {
                    Ok(file) => {
                        let problem = self.finish(&file).await?;
                        table.taken(&name, file, problem);
                    }
                    Err(problem) => table.refuse(&name, problem),
                }
            }
            let problems = table.problems(Instant::now());
            if problems != told {
                self.reporter.trouble(problems.clone()).await?;
                told = problems;
            }
            if !self.reporter.pause(LOOK).await {
                return Err(Halt::Stopping);
            }
        }
    }

    /// Drops the notes of files that are not here any more: removed before the note was, or gone with the memory.
    async fn forget_what_is_gone(&mut self, taken: &[String]) -> Result<(), Halt> {
        for mark in self.ledger.marks().await.ok_or(Halt::Gone)? {
            if mark.source == self.reporter.source() && !taken.contains(&mark.file) {
                self.reporter.removed(mark.file).await?;
            }
        }
        Ok(())
    }

    /// Reads what is not stored yet of a file that was taken, and removes it when all of it is. Answers with what kept
    /// it from that.
    async fn finish(&mut self, file: &str) -> Result<Option<String>, Halt> {
        let open = match self.place.open_taken(file) {
            Ok(open) => open,
            Err(problem) => return Ok(Some(problem)),
        };
        let (mut at, mut whole) = match self.mark(file).await? {
            Some(mark) => (mark.read_to, mark.whole),
            None => (0, false),
        };
        loop {
            let size = match open.metadata() {
                Ok(about) => about.len(),
                Err(reason) => return Ok(Some(format!("cannot be read ({reason})"))),
            };
            if whole && at >= size {
                break;
            }
            match self.read(&open, file, at).await? {
                Ok(reached) => (at, whole) = (reached, true),
                Err(reason) => return Ok(Some(format!("cannot be read ({reason})"))),
            }
            self.stored(file, at).await?;
            // Looked at again: a writer that had not closed it may have added to it.
        }
        if let Err(problem) = self.place.remove(file) {
            return Ok(Some(problem));
        }
        self.reporter.removed(file.to_owned()).await?;
        Ok(None)
    }

    async fn mark(&self, file: &str) -> Result<Option<FileMark>, Halt> {
        let marks = self.ledger.marks().await.ok_or(Halt::Gone)?;
        Ok(marks.into_iter().find(|mark| mark.file == file))
    }

    /// Hands on the file from `at` to its end, in parts that end where a line ends; says where its end was.
    async fn read(&mut self, open: &File, file: &str, mut at: u64) -> Result<std::io::Result<u64>, Halt> {
        let connection = self.reporter.number();
        let mut buffer = Zeroizing::new(vec![0; CHUNK]);
        loop {
            if self.reporter.is_stopping() {
                return Err(Halt::Stopping);
            }
            let mut filled = 0;
            while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
                match open.read_at(room, at + filled as u64) {
                    Ok(0) => break,
                    Ok(length) => filled += length,
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) => return Ok(Err(error)),
                }
            }
            let whole = filled < buffer.len();
            let read = buffer.get(..filled).unwrap_or_default();
            let part = if whole { read } else { read.get(..last_line_start(read)).unwrap_or(read) };
            at += part.len() as u64;
            let mark = FileMark { source: self.reporter.source(), file: file.to_owned(), read_to: at, whole };
            self.reporter.part(connection, part.to_vec(), mark).await?;
            if whole {
                return Ok(Ok(at));
            }
        }
    }

    /// Waits until the note says that the file is stored as far as `read_to`.
    async fn stored(&mut self, file: &str, read_to: u64) -> Result<(), Halt> {
        let mut delay = STORED.0;
        let mut until = None;
        while !self.mark(file).await?.is_some_and(|mark| mark.whole && mark.read_to >= read_to) {
            if self.reporter.is_stopping() && Instant::now() > *until.get_or_insert_with(|| Instant::now() + LAST) {
                return Err(Halt::Stopping);
            }
            tokio::time::sleep(delay).await;
            delay = (delay * 2).min(if until.is_some() { STORED.0 } else { STORED.1 });
        }
        Ok(())
    }
}

/// Where the last line of `bytes` begins that another line stands before, so that whoever goes on from there in a new
/// run reads the same lines: behind the end of a line, and before a byte that cannot belong to that end. Where there is
/// no such place, the end of `bytes`.
fn last_line_start(bytes: &[u8]) -> usize {
    let is_end = |byte: u8| matches!(byte, b'\r' | b'\n' | 0x0C);
    let is_text = |byte: u8| byte == b'\t' || (byte >= 0x20 && byte != 0x7F);
    let starts = |at: &usize| match bytes.get(at - 2..=*at) {
        // Behind CR CR the framer still waits for what comes.
        Some([b'\r', b'\r', _]) | None => false,
        Some([_, end, text]) => is_end(*end) && is_text(*text),
        Some(_) => false,
    };
    (2..bytes.len()).rev().find(starts).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_end_where_no_reader_can_tell_that_they_were_cut() {
        assert_eq!(last_line_start(b"one\r\ntwo\r\nthr"), 10);
        assert_eq!(last_line_start(b"one\r\ntwo\r\n"), 5, "an LF, or a CR of LF CR, may follow");
        assert_eq!(last_line_start(b"one\r\r\ntwo\r\rthree"), 6, "not behind CR CR");
        assert_eq!(last_line_start(b"one\rtwo\rthree\x0cfour"), 14);
        assert_eq!(last_line_start(b"one\n\0\0\0two"), 10, "not before a control byte: there is none then");
        assert_eq!(last_line_start(b"no line ends here"), 17);
        assert_eq!(last_line_start(b""), 0);
    }
}
