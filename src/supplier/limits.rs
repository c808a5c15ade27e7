//! How much is taken, and from whom how often.
//!
//! A sender may ask so many times a minute, all of them at once if it likes: a bucket that holds a minute's worth and fills
//! evenly. There is one for each box, once it is known who it is, and one for each address that asks. A box sends 20
//! documents a minute at most and 45 days of backfill in one go, so the bucket of a box that keeps to that is never empty;
//! 7,000 boxes behind one address ask some 12 times a second when all of them come in the same half-hour.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;

use super::problem::{Kind, Problem};

/// Buckets that are remembered, of either kind; beyond twice as many, the least recently used are as good as new.
const REMEMBERED: usize = 32_768;

/// Who is who, and how much each may ask.
#[derive(Debug)]
pub struct Limits {
    /// The longest document that is taken, in bytes.
    pub longest_document: usize,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
    addresses: Buckets<IpAddr>,
    boxes: Buckets<[u8; 32]>,
}

/// What a limit was that someone ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limited {
    /// The address asks too often.
    Address,
    /// The box does.
    Box,
}

impl Limited {
    /// In a word, as metrics say it.
    pub fn word(self) -> &'static str {
        match self {
            Limited::Address => "address",
            Limited::Box => "box",
        }
    }
}

impl Limits {
    /// Requests a minute for each box (for each practice that it may send for) and for each address; 0: as many as it likes.
    pub fn new(longest_document: usize, box_rate: u32, address_rate: u32, trusted_proxies: Vec<IpAddr>) -> Limits {
        let (addresses, boxes) = (Buckets::new(address_rate, REMEMBERED), Buckets::new(box_rate, REMEMBERED));
        Limits { longest_document, trusted_proxies, addresses, boxes }
    }

    /// Where a request comes from: the peer, or what a proxy that is believed says of it. Of several addresses the last
    /// counts that is no such proxy: what stands before it anybody may have written.
    pub fn source(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let trusted = |address: &IpAddr| self.trusted_proxies.contains(address);
        let peer = peer.to_canonical();
        if !trusted(&peer) {
            return peer;
        }
        let values = headers.get_all("x-forwarded-for").iter();
        let forwarded = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
        let mut source = peer;
        for given in forwarded.collect::<Vec<_>>().into_iter().rev() {
            let given = std::str::from_utf8(given).ok().and_then(|text| text.trim().parse::<IpAddr>().ok());
            let Some(given) = given else { break };
            source = given.to_canonical();
            if !trusted(&source) {
                break;
            }
        }
        source
    }

    /// Whether an address may ask now. One of this machine always may: it is a program here, or a proxy that has not been
    /// named, and then everyone at once.
    pub fn address(&self, source: IpAddr) -> Result<(), Problem> {
        if source.is_loopback() {
            return Ok(());
        }
        self.addresses.take(network_of(source), 1, Instant::now()).map_err(|wait| too_many("this address", wait))
    }

    /// Whether a box may ask now; `key` stands for it, `practices` is how many it may send for.
    pub fn r#box(&self, key: [u8; 32], practices: usize) -> Result<(), Problem> {
        let practices = u32::try_from(practices).unwrap_or(u32::MAX).max(1);
        self.boxes.take(key, practices, Instant::now()).map_err(|wait| too_many("this box", wait))
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits::new(super::receive::LONGEST_DOCUMENT, 120, 3_000, Vec::new())
    }
}

fn too_many(who: &str, wait: Duration) -> Problem {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let said = format!("{who} asks more often than is answered; nothing was kept, send again in {seconds} s");
    Problem { retry_after_s: Some(seconds.max(1)), ..Problem::new(Kind::TooMany, said) }
}

/// Whoever has one IPv6 address has the 2^64 beside it.
pub(super) fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        four => four,
    }
}

/// Token buckets, so many at most. Two generations: what is not asked for while a generation fills is forgotten with it.
#[derive(Debug)]
struct Buckets<K> {
    a_minute: u32,
    most: usize,
    held: Mutex<Generations<K>>,
}

#[derive(Debug)]
struct Generations<K> {
    young: HashMap<K, Bucket>,
    old: HashMap<K, Bucket>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl<K: Eq + Hash> Buckets<K> {
    fn new(a_minute: u32, most: usize) -> Buckets<K> {
        Buckets { a_minute, most, held: Mutex::new(Generations { young: HashMap::new(), old: HashMap::new() }) }
    }

    /// Takes one from the bucket of `key`, which is `size` times as large as others; or says how long until there is one.
    fn take(&self, key: K, size: u32, now: Instant) -> Result<(), Duration> {
        if self.a_minute == 0 {
            return Ok(());
        }
        let full = f64::from(self.a_minute) * f64::from(size);
        let a_second = full / 60.0;
        let Generations { young, old } = &mut *self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bucket = match young.get(&key).copied().or_else(|| old.remove(&key)) {
            Some(Bucket { left, at }) => {
                let filled = left + a_second * now.saturating_duration_since(at).as_secs_f64();
                Bucket { left: filled.min(full), at: now }
            }
            None => Bucket { left: full, at: now },
        };
        let taken = if bucket.left >= 1.0 {
            bucket.left -= 1.0;
            Ok(())
        } else {
            Err(Duration::from_secs_f64((1.0 - bucket.left) / a_second))
        };
        if young.len() >= self.most && !young.contains_key(&key) {
            *old = std::mem::take(young);
        }
        young.insert(key, bucket);
        taken
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        let held = self.held.lock().unwrap();
        held.young.len() + held.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_minutes_worth_at_once_and_then_evenly() {
        let buckets = Buckets::new(60, 100);
        let began = Instant::now();
        let at = |ms: u64| began + Duration::from_millis(ms);
        for _ in 0..60 {
            buckets.take("box", 1, at(0)).unwrap();
        }
        assert_eq!(buckets.take("box", 1, at(0)).unwrap_err(), Duration::from_secs(1));
        assert_eq!(buckets.take("other", 1, at(0)), Ok(()));
        assert!(buckets.take("box", 1, at(900)).is_err());
        buckets.take("box", 1, at(1_001)).unwrap();
        assert!(buckets.take("box", 1, at(1_001)).is_err());
        // It never holds more than it can hold, however long nobody asked, and a clock that goes back takes nothing.
        assert_eq!((0..100).filter(|_| buckets.take("box", 1, at(10_000_000)).is_ok()).count(), 60);
        assert!(buckets.take("box", 1, at(5_000)).is_err());
        assert_eq!((0..500).filter(|_| buckets.take("of three", 3, at(0)).is_ok()).count(), 180);
        assert!((0..500).all(|_| Buckets::new(0, 1).take("box", 1, began).is_ok()));
    }

    #[test]
    fn a_box_that_makes_up_for_45_days_is_never_told_to_wait() {
        let limits = Limits::default();
        let asked = (0..45 + 10).filter(|_| limits.r#box([1; 32], 1).is_ok()).count();
        assert_eq!(asked, 55);
    }

    #[test]
    fn whoever_knocks_memory_is_bounded_and_who_asks_on_is_remembered() {
        let buckets = Buckets::new(60, 100);
        let now = Instant::now();
        for address in 0..100_000_u32 {
            let _ = buckets.take(address, 1, now);
            let _ = buckets.take(u32::MAX, 1, now);
        }
        assert!(buckets.len() <= 201, "{}", buckets.len());
        assert!(buckets.take(u32::MAX, 1, now).is_err(), "it asked all along");
    }

    #[test]
    fn an_address_is_believed_from_a_trusted_proxy_only() {
        let limits = Limits::new(1, 1, 1, vec!["127.0.0.1".parse().unwrap(), "192.0.2.1".parse().unwrap()]);
        let source = |peer: &str, given: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in given {
                headers.append("x-forwarded-for", HeaderValue::from_static(value));
            }
            limits.source(peer.parse().unwrap(), &headers).to_string()
        };
        assert_eq!(source("198.51.100.9", &["203.0.113.5"]), "198.51.100.9");
        assert_eq!(source("127.0.0.1", &[]), "127.0.0.1");
        assert_eq!(source("127.0.0.1", &["203.0.113.5"]), "203.0.113.5");
        assert_eq!(source("::ffff:127.0.0.1", &["203.0.113.5"]), "203.0.113.5");
        // What the sender wrote itself stands first, and is not believed.
        assert_eq!(source("127.0.0.1", &["8.8.8.8, 203.0.113.5"]), "203.0.113.5");
        assert_eq!(source("127.0.0.1", &["8.8.8.8", "203.0.113.5, 192.0.2.1"]), "203.0.113.5");
        assert_eq!(source("127.0.0.1", &["8.8.8.8, rubbish"]), "127.0.0.1");
    }

    #[test]
    fn the_neighbours_of_an_address_are_one() {
        let limits = Limits::new(1, 1, 1, Vec::new());
        assert!(limits.address("2001:db8::1".parse().unwrap()).is_ok());
        let refused = limits.address("2001:db8::2".parse().unwrap()).unwrap_err();
        assert_eq!((refused.kind, refused.retry_after_s), (Kind::TooMany, Some(60)));
        assert!(limits.address("2001:db8:0:1::1".parse().unwrap()).is_ok());
        assert!((0..9).all(|_| limits.address("127.0.0.1".parse().unwrap()).is_ok()));
    }
}
