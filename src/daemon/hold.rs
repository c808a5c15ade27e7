//! Lines that no rule understands, as they came. In memory that is locked and never reaches a disk, bounded in size and
//! time, zeroed when they leave it and gone when the daemon stops: so that a dialect that is put right can read them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use zeroize::Zeroize as _;

use crate::clock::Clock;

/// Room for lines, of all sources together.
pub const ROOM: usize = 1 << 20;
/// Most lines, however short they are: what is known of each beside its bytes takes memory too.
const MOST: usize = 20_000;
/// For how long a line is held, in civil time.
const LIFE: Duration = Duration::from_secs(24 * 3600);

/// One line's place.
#[derive(Debug, Clone, Copy)]
struct Place {
    source: u16,
    seq: u64,
    since: Instant,
    start: usize,
    length: usize,
}

/// What is held, and what was and is no more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Lines held now.
    pub lines: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Lines let go since the start because there was no room.
    pub crowded_out: u64,
    /// Lines let go since the start because their 24 hours were over.
    pub expired: u64,
    /// Lines that were read again since the start, and understood.
    pub understood: u64,
    /// Why no line is held, where none is.
    pub off: Option<String>,
}

/// The memory that holds them. Lines follow each other round and round; the oldest makes room.
#[derive(Default)]
struct Memory {
    /// Unlocks it; before the room itself, which must be there for that.
    _lock: Option<region::LockGuard>,
    room: Box<[u8]>,
    /// Where the next line goes.
    next: usize,
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.room.zeroize();
    }
}

/// Holds lines.
pub struct Hold {
    memory: Memory,
    places: VecDeque<Place>,
    life: Duration,
    counts: Held,
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hold").field("lines", &self.places.len()).finish_non_exhaustive()
    }
}

/// The hold, for the reading side, which fills it, and the writer, which reads it again.
#[derive(Debug, Clone)]
pub struct SharedHold(Arc<Mutex<Hold>>);

impl SharedHold {
    /// The hold itself, for a moment.
    pub fn get(&self) -> MutexGuard<'_, Hold> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Hold> for SharedHold {
    fn from(hold: Hold) -> SharedHold {
        SharedHold(Arc::new(Mutex::new(hold)))
    }
}

impl Hold {
    /// Holds nothing, and says why.
    pub fn off(why: &str) -> Hold {
        let counts = Held { off: Some(why.to_owned()), ..Held::default() };
        Hold { memory: Memory::default(), places: VecDeque::new(), life: LIFE, counts }
    }

    /// With room for [`ROOM`] bytes in locked memory; nothing is held where the system does not let memory be locked.
    pub fn open(clock: &Clock) -> Hold {
        Hold::with_room(ROOM, clock.real(LIFE))
    }

    fn with_room(room: usize, life: Duration) -> Hold {
        // Written once, so that every page of it is there when it is locked.
        let room = vec![0xFF; room].into_boxed_slice();
        match region::lock(room.as_ptr(), room.len()) {
            Ok(lock) => {
                let memory = Memory { _lock: Some(lock), room, next: 0 };
                Hold { memory, places: VecDeque::new(), life, counts: Held::default() }
            }
            Err(error) => {
                tracing::warn!(%error, "lines that are not understood are not held: memory cannot be locked");
                Hold::off(&format!("memory cannot be locked ({error}); raise LimitMEMLOCK to 4M"))
            }
        }
    }

    /// Holds a line; the oldest ones make room.
    pub fn keep(&mut self, source: u16, seq: u64, line: &[u8], since: Instant) {
        let room = self.memory.room.len();
        if self.counts.off.is_some() || line.is_empty() {
            return;
        }
        if line.len() > room {
            self.counts.crowded_out += 1;
            return;
        }
        if self.memory.next + line.len() > room {
            // What stands between here and the end is the oldest there is.
            let from = self.memory.next;
            self.crowd_out(|place| place.start >= from);
            self.memory.next = 0;
        }
        let (start, end) = (self.memory.next, self.memory.next + line.len());
        self.crowd_out(|place| place.start < end && place.start + place.length > start);
        if self.places.len() >= MOST {
            self.let_go_oldest();
            self.counts.crowded_out += 1;
        }
        self.memory.room[start..end].copy_from_slice(line);
        self.memory.next = end;
        self.places.push_back(Place { source, seq, since, start, length: line.len() });
    }

    /// Lets the oldest go for as long as it is in the way. Lines go round in order: behind one that is not, none is.
    fn crowd_out(&mut self, in_the_way: impl Fn(&Place) -> bool) {
        while self.places.front().is_some_and(&in_the_way) {
            self.let_go_oldest();
            self.counts.crowded_out += 1;
        }
    }

    fn let_go_oldest(&mut self) {
        if let Some(place) = self.places.pop_front() {
            self.memory.room[place.start..place.start + place.length].zeroize();
        }
    }

    /// Lets go what has been held for its time.
    pub fn expire(&mut self, now: Instant) {
        let life = self.life;
        while self.places.front().is_some_and(|place| now.duration_since(place.since) >= life) {
            self.let_go_oldest();
            self.counts.expired += 1;
        }
    }

    /// The line, while it is held.
    pub fn line(&self, source: u16, seq: u64) -> Option<&[u8]> {
        let place = self.places.iter().find(|place| (place.source, place.seq) == (source, seq))?;
        self.memory.room.get(place.start..place.start + place.length)
    }

    /// Whether lines of this source are held.
    pub fn holds(&self, source: u16) -> bool {
        self.places.iter().any(|place| place.source == source)
    }

    /// Lets go a line that has been understood.
    pub fn let_go(&mut self, source: u16, seq: u64) {
        if let Some(at) = self.places.iter().position(|place| (place.source, place.seq) == (source, seq))
            && let Some(place) = self.places.remove(at)
        {
            self.memory.room[place.start..place.start + place.length].zeroize();
            self.counts.understood += 1;
        }
    }

    /// What is held.
    pub fn held(&self) -> Held {
        let bytes = self.places.iter().map(|place| place.length as u64).sum();
        Held { lines: self.places.len() as u64, bytes, ..self.counts.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(room: usize) -> Hold {
        let hold = Hold::with_room(room, LIFE);
        assert_eq!(hold.counts.off, None, "memory can be locked here");
        hold
    }

    #[test]
    fn the_oldest_lines_make_room_and_leave_no_byte_behind() {
        let mut hold = hold(100);
        let now = Instant::now();
        let line = |seq: u64| format!("line {seq:02} 01632960{seq:03}");
        for seq in 1..=50 {
            hold.keep(7, seq, line(seq).as_bytes(), now);
            let held = hold.held();
            assert_eq!(held.lines + held.crowded_out, seq);
            assert_eq!(hold.line(7, seq), Some(line(seq).as_bytes()), "the newest is there");
            let first = seq + 1 - held.lines;
            for kept in first..=seq {
                assert_eq!(hold.line(7, kept), Some(line(kept).as_bytes()), "{kept} after {seq}");
            }
            for gone in 1..first {
                assert_eq!(hold.line(7, gone), None);
                let text = line(gone);
                let in_memory = hold.memory.room.windows(text.len()).any(|bytes| bytes == text.as_bytes());
                assert!(!in_memory, "{gone} is still in memory after {seq}");
            }
            assert!(held.lines >= seq.min(4), "only {} of {seq} held", held.lines);
        }
        hold.let_go(7, 49);
        assert_eq!((hold.line(7, 49), hold.held().understood), (None, 1));
        assert!(!hold.memory.room.windows(3).any(|bytes| bytes == b"049"));
        hold.keep(7, 51, &[b'x'; 101], now);
        assert_eq!((hold.line(7, 51), hold.line(7, 50).is_some()), (None, true), "one that is too long is not held");
    }

    #[test]
    fn lines_of_many_lengths_go_round_without_touching_each_other() {
        let mut hold = hold(1000);
        let now = Instant::now();
        let line = |seq: u64| vec![b'a' + (seq % 26) as u8; 1 + (seq * 37 % 240) as usize];
        for seq in 1..=2000 {
            hold.keep(1, seq, &line(seq), now);
            for place in &hold.places {
                assert_eq!(hold.line(1, place.seq), Some(line(place.seq).as_slice()), "{} after {seq}", place.seq);
            }
            if seq % 7 == 0 {
                hold.let_go(1, seq - 1);
            }
        }
        let held = hold.held();
        assert_eq!(held.lines + held.crowded_out + held.understood, 2000);
        assert!(held.bytes > 500, "{held:?}");
    }

    #[test]
    fn a_line_is_held_for_a_day() {
        let mut hold = hold(100);
        let now = Instant::now();
        hold.keep(1, 1, b"first", now);
        hold.keep(1, 2, b"second", now + Duration::from_secs(60));
        hold.expire(now + LIFE - Duration::from_secs(1));
        assert_eq!(hold.held().lines, 2);
        hold.expire(now + LIFE);
        assert_eq!((hold.held().lines, hold.held().expired), (1, 1));
        assert!(!hold.memory.room.windows(5).any(|bytes| bytes == b"first"));
    }

    #[test]
    fn nothing_is_held_where_it_is_off() {
        let mut hold = Hold::off("by configuration");
        hold.keep(1, 1, b"first", Instant::now());
        assert_eq!(hold.held(), Held { off: Some("by configuration".into()), ..Held::default() });
    }

    #[test]
    fn the_memory_is_locked() {
        let _hold = hold(ROOM);
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
        let kilobytes: usize = locked.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(kilobytes >= ROOM / 1024, "{locked}");
    }
}
