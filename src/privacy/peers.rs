//! Keys, tokens and peers. Keys live in memory; the day's key is replaced at local midnight, the link key is not.

use std::collections::HashMap;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;
use zeroize::Zeroizing;

/// How long after its last line a number keeps its peer, in milliseconds.
pub const PEER_LIFE_MS: i64 = 4 * 3600 * 1000;

/// The two keys of the box.
#[derive(Clone)]
pub struct Keys {
    link: Zeroizing<[u8; 32]>,
    day: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// From a link key, which lasts until the box is switched off, and a day key.
    pub fn new(link: [u8; 32], day: [u8; 32]) -> Keys {
        Keys { link: Zeroizing::new(link), day: Zeroizing::new(day) }
    }

    /// Replaces the day's key, at local midnight; the old one is zeroed.
    pub fn new_day(&mut self, day: [u8; 32]) {
        self.day = Zeroizing::new(day);
    }

    /// The day token of a number: the first 64 bits of HMAC-SHA-256 under the day's key.
    pub(super) fn token(&self, number: &str) -> u64 {
        u64::from_be_bytes(first(mac(&self.day, &[number])))
    }

    fn link(&self, source: u16, trunk: &str, number: &str) -> [u8; 16] {
        first(mac(&self.link, &[&source.to_string(), trunk, number]))
    }
}

fn mac(key: &[u8; 32], parts: &[&str]) -> [u8; 32] {
    // HMAC pads a short key with zeros to the hash's block (RFC 2104): done here, the length can never be wrong.
    let mut block = Zeroizing::new([0; 64]);
    block[..key.len()].copy_from_slice(key);
    let mut mac = <Hmac<Sha256> as KeyInit>::new((&*block).into());
    for part in parts {
        // The length in front keeps ("1", "23") and ("12", "3") apart.
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part.as_bytes());
    }
    mac.finalize().into_bytes().into()
}

fn first<const N: usize>(bytes: [u8; 32]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[..N]);
    out
}

/// One number that was seen, as it is kept in memory across a restart of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerEntry {
    /// Keyed digest of source, trunk and number.
    pub digest: [u8; 16],
    /// Its peer.
    pub peer: u32,
    /// When its last line came, in milliseconds since 1970.
    pub last_ms: i64,
}

/// The small integers that join the legs of one call.
#[derive(Debug, Clone, Default)]
pub struct Peers {
    next: u32,
    seen: HashMap<[u8; 16], (u32, i64)>,
    fresh: Vec<PeerEntry>,
    /// How many there were after the last look for old ones.
    kept: usize,
}

impl Peers {
    /// Starts counting at `next`, which must be above every peer that is stored.
    pub fn new(next: u32) -> Peers {
        Peers { next, ..Peers::default() }
    }

    /// Takes up an entry that was kept in memory by an earlier run.
    pub fn restore(&mut self, entry: PeerEntry) {
        self.next = self.next.max(entry.peer.saturating_add(1));
        self.seen.insert(entry.digest, (entry.peer, entry.last_ms));
    }

    /// The entries that were added or used since the last call, for the daemon to keep in memory.
    pub fn take_fresh(&mut self) -> Vec<PeerEntry> {
        std::mem::take(&mut self.fresh)
    }

    /// A copy in which lines can be read again that came earlier, without moving time back here.
    pub(super) fn aside(&self) -> Peers {
        Peers { fresh: Vec::new(), ..self.clone() }
    }

    /// Takes back what [`Peers::aside`] gave: no peer is given twice, and what was seen later than here is known here.
    pub(super) fn rejoin(&mut self, aside: Peers) {
        self.next = self.next.max(aside.next);
        for (digest, (peer, last)) in aside.seen {
            if self.seen.get(&digest).is_none_or(|(_, known)| *known < last) {
                self.seen.insert(digest, (peer, last));
                self.fresh.push(PeerEntry { digest, peer, last_ms: last });
            }
        }
    }

    /// The box's clock was set by so many milliseconds: what is live stays as old as it is.
    pub fn stepped(&mut self, by_ms: i64) {
        for (_, last) in self.seen.values_mut() {
            *last = last.saturating_add(by_ms);
        }
    }

    pub(super) fn peer(&mut self, keys: &Keys, source: u16, trunk: &str, number: &str, at: Timestamp) -> u32 {
        let now = at.as_millisecond();
        let digest = keys.link(source, trunk, number);
        let next = self.next;
        let (peer, last) = self.seen.entry(digest).or_insert((next, now));
        // Lines that are read again hours later come with the time they had then.
        if now.saturating_sub(*last).abs() > PEER_LIFE_MS {
            *peer = next;
        }
        *last = now;
        let peer = *peer;
        if peer == next {
            self.next = next.saturating_add(1);
        }
        self.fresh.push(PeerEntry { digest, peer, last_ms: now });
        // Only once there are twice as many as at the last look: a buffer's re-dump brings them all within minutes.
        if self.seen.len() > (2 * self.kept).max(4096) {
            self.seen.retain(|_, (_, last)| now.saturating_sub(*last) <= PEER_LIFE_MS);
            self.kept = self.seen.len();
        }
        peer
    }
}
