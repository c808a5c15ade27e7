//! What waits for the logger: in memory, bounded in size and age, line by line. Whoever puts something in never waits.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use zeroize::{Zeroize as _, Zeroizing};

/// The most bytes that wait: some hundreds of records.
const ROOM: usize = 64 * 1024;
/// The longest that a line waits: a logger that restarts misses nothing, and no number is kept for one that is gone.
const AGE: Duration = Duration::from_secs(300);

/// Lines that wait. A line that no longer fits, or has waited too long, is dropped whole and counted.
pub(super) struct Backlog {
    queue: Mutex<Queue>,
    more: Notify,
    room: usize,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<Line>,
    held: usize,
    /// How many bytes of the first line were sent on this connection.
    sent: usize,
    /// The first line is being sent: it stays until it was.
    sending: bool,
    dropped: u64,
}

struct Line {
    came: Instant,
    bytes: Vec<u8>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.bytes.as_mut_slice().zeroize();
    }
}

impl Backlog {
    pub(super) fn new() -> Backlog {
        Backlog { queue: Mutex::default(), more: Notify::new(), room: ROOM }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics while it holds the lock; if it did, lines would still be lines.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts in what came, at the cost of the oldest lines when there is no room.
    pub(super) fn offer(&self, bytes: &[u8], now: Instant) {
        let mut queue = self.queue();
        for piece in pieces(bytes) {
            let busy = queue.sending && queue.lines.len() == 1;
            match queue.lines.back_mut().filter(|line| !busy && !ends(&line.bytes)) {
                Some(line) => line.add(piece),
                None => {
                    let mut line = Line { came: now, bytes: Vec::new() };
                    line.add(piece);
                    queue.lines.push_back(line);
                }
            }
            queue.held += piece.len();
        }
        queue.drop_old(now);
        while queue.held > self.room && queue.drop_oldest() {}
        drop(queue);
        self.more.notify_one();
    }

    /// Drops what has waited too long, and says how many bytes were ever dropped.
    pub(super) fn dropped(&self, now: Instant) -> u64 {
        let mut queue = self.queue();
        queue.drop_old(now);
        queue.dropped
    }

    /// A new connection: a line of which the last one got a part is sent whole.
    pub(super) fn begin(&self) {
        let mut queue = self.queue();
        (queue.sent, queue.sending) = (0, false);
    }

    /// Waits for something to send: what is left of the first line.
    pub(super) async fn next(&self) -> Zeroizing<Vec<u8>> {
        loop {
            if let Some(rest) = self.peek() {
                return rest;
            }
            self.more.notified().await;
        }
    }

    /// As [`Backlog::next`], without waiting.
    pub(super) fn peek(&self) -> Option<Zeroizing<Vec<u8>>> {
        let mut queue = self.queue();
        let sent = queue.sent;
        let rest = Zeroizing::new(queue.lines.front()?.bytes.get(sent..).unwrap_or_default().to_vec());
        queue.sending = true;
        Some(rest)
    }

    /// So many bytes of the first line went out.
    pub(super) fn sent(&self, length: usize) {
        let mut queue = self.queue();
        queue.sent += length;
        queue.sending = false;
        let sent = queue.sent;
        if queue.lines.front().is_some_and(|line| sent >= line.bytes.len()) {
            queue.held -= queue.lines.pop_front().map_or(0, |line| line.bytes.len());
            queue.sent = 0;
        }
    }

    /// Drops everything: there will be no connection any more.
    pub(super) fn close(&self) {
        let mut queue = self.queue();
        (queue.sent, queue.sending) = (0, false);
        while queue.drop_oldest() {}
    }
}

impl Queue {
    /// Drops the oldest line of which nothing was sent yet; says whether there was one.
    fn drop_oldest(&mut self) -> bool {
        let first = usize::from(self.sending || self.sent > 0);
        match self.lines.remove(first) {
            Some(line) => {
                self.held -= line.bytes.len();
                self.dropped += line.bytes.len() as u64;
                true
            }
            None => false,
        }
    }

    fn drop_old(&mut self, now: Instant) {
        let first = usize::from(self.sending || self.sent > 0);
        while self.lines.get(first).is_some_and(|line| now.saturating_duration_since(line.came) > AGE) {
            self.drop_oldest();
        }
    }
}

impl Line {
    /// Adds without leaving a copy behind where the old room was.
    fn add(&mut self, bytes: &[u8]) {
        if self.bytes.capacity() - self.bytes.len() < bytes.len() {
            let mut wider = Vec::with_capacity((self.bytes.len() + bytes.len()).max(256));
            wider.extend_from_slice(&self.bytes);
            self.bytes.as_mut_slice().zeroize();
            self.bytes = wider;
        }
        self.bytes.extend_from_slice(bytes);
    }
}

fn ends(line: &[u8]) -> bool {
    line.last().is_some_and(|byte| matches!(byte, b'\r' | b'\n'))
}

/// Cut behind each run of line ends.
fn pieces(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.chunk_by(|one, next| !ends(&[*one]) || ends(&[*next]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(backlog: &Backlog) -> Vec<u8> {
        let mut out = Vec::new();
        while let Some(rest) = backlog.peek() {
            let length = rest.len().min(3);
            out.extend_from_slice(&rest[..length]);
            backlog.sent(length);
        }
        out
    }

    #[test]
    fn what_goes_in_comes_out_in_order_however_it_is_cut() {
        let (backlog, now) = (Backlog::new(), Instant::now());
        let text = b"one\r\ntwo\r\n\r\nthree\rfour\n\0\xfffive";
        for size in 1..text.len() {
            text.chunks(size).for_each(|chunk| backlog.offer(chunk, now));
            assert_eq!(all(&backlog), text, "by {size}");
            assert_eq!(backlog.queue().held, 0);
        }
        assert_eq!(backlog.dropped(now), 0);
    }

    #[test]
    fn the_oldest_whole_lines_give_way_and_are_counted() {
        let (backlog, now) = (Backlog { room: 20, ..Backlog::new() }, Instant::now());
        backlog.offer(b"first one\r\n", now);
        assert_eq!(backlog.peek().unwrap().as_slice(), b"first one\r\n");
        backlog.sent(3);
        for line in ["second\r\n", "third\r\n", "fourth\r\n"] {
            backlog.offer(line.as_bytes(), now);
        }
        // The first is on its way; of the others the newest that fit.
        assert_eq!(backlog.dropped(now), 15);
        assert_eq!(all(&backlog), b"st one\r\nfourth\r\n");
        backlog.offer(&[b'x'; 100], now);
        assert_eq!(backlog.dropped(now), 115, "a line that never fits");
        assert_eq!(backlog.queue().held, 0);
    }

    #[test]
    fn a_line_that_was_cut_by_the_end_of_a_connection_is_sent_whole_on_the_next() {
        let (backlog, now) = (Backlog::new(), Instant::now());
        backlog.offer(b"first\r\nsecond\r\n", now);
        backlog.peek().unwrap();
        backlog.sent(2);
        backlog.peek().unwrap();
        backlog.begin();
        assert_eq!(all(&backlog), b"first\r\nsecond\r\n");
    }

    #[test]
    fn nothing_waits_for_ever() {
        let (backlog, now) = (Backlog::new(), Instant::now());
        backlog.offer(b"first\r\n", now);
        backlog.offer(b"second\r\n", now + AGE);
        assert_eq!(backlog.dropped(now + AGE), 0);
        assert_eq!(backlog.dropped(now + AGE * 3 / 2), 7);
        assert_eq!(backlog.dropped(now + AGE * 3), 15);
        assert!(backlog.peek().is_none());
    }
}
