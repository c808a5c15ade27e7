//! Who was turned away from a port of ours, for whoever asks how the box is.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The most peers that are remembered; the one that was silent longest makes room.
const MOST: usize = 32;

/// A peer that was turned away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnedAway {
    /// Who.
    pub peer: IpAddr,
    /// Where it knocked.
    pub address: SocketAddr,
    /// Why, in one word: `not-allowed`, `too-many`.
    pub cause: String,
    /// How often since the daemon was started. Further knocks of the same peer are added once a minute.
    pub times: u64,
    /// When last, in the practice's civil time.
    pub last: String,
}

/// All of them, by peer and place.
#[derive(Debug, Default)]
pub struct Callers(BTreeMap<(IpAddr, SocketAddr), (String, u64, Timestamp)>);

impl Callers {
    /// Adds `times` knocks.
    pub fn add(&mut self, peer: IpAddr, address: SocketAddr, cause: &str, times: u32, at: Timestamp) {
        if self.0.len() >= MOST
            && !self.0.contains_key(&(peer, address))
            && let Some(oldest) = self.0.iter().min_by_key(|(_, (_, _, at))| *at).map(|(key, _)| *key)
        {
            self.0.remove(&oldest);
        }
        let known = self.0.entry((peer, address)).or_default();
        *known = (cause.to_owned(), known.1.saturating_add(u64::from(times)), at);
    }

    /// All of them; `local` writes a time.
    pub fn all(&self, local: impl Fn(Timestamp) -> String) -> Vec<TurnedAway> {
        let told = |((peer, address), (cause, times, at)): (&(IpAddr, SocketAddr), &(String, u64, Timestamp))| {
            TurnedAway { peer: *peer, address: *address, cause: cause.clone(), times: *times, last: local(*at) }
        };
        self.0.iter().map(told).collect()
    }
}

impl TurnedAway {
    /// For a person.
    pub fn note(&self) -> String {
        let TurnedAway { peer, address, cause, times, last } = self;
        format!("{peer} was turned away from {address} {times} time(s) since the start, last {last} ({cause})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knocks_add_up_and_the_oldest_makes_room() {
        let address = "0.0.0.0:1150".parse().unwrap();
        let mut callers = Callers::default();
        for peer in 0..40u8 {
            callers.add(
                [10, 0, 0, peer].into(),
                address,
                "not-allowed",
                1,
                Timestamp::from_second(peer.into()).unwrap(),
            );
        }
        callers.add([10, 0, 0, 20].into(), address, "not-allowed", 5, Timestamp::from_second(99).unwrap());
        let all = callers.all(|at| at.to_string());
        assert_eq!((all.len(), all[0].peer), (MOST, [10, 0, 0, 8].into()));
        let twenty = all.iter().find(|one| one.peer == IpAddr::from([10, 0, 0, 20])).unwrap();
        assert_eq!(twenty.times, 6);
    }
}
