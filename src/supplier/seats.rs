//! How many connections there may be at a time, of all and of one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::limits::network_of;

/// The seats there are.
#[derive(Debug)]
pub struct Seats {
    most: usize,
    /// Of one address that is neither this machine's nor a proxy's.
    each: usize,
    proxies: Vec<IpAddr>,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by: HashMap<IpAddr, usize>,
    turned_away: u64,
}

/// A seat, given back when it is dropped.
#[derive(Debug)]
pub struct Seat {
    seats: Arc<Seats>,
    address: IpAddr,
}

impl Seats {
    /// So many; an address has a quarter of them, unless it is a proxy's or of this machine.
    pub fn new(most: usize, proxies: Vec<IpAddr>) -> Seats {
        Seats { most, each: (most / 4).max(1), proxies, taken: Mutex::default() }
    }

    /// A seat for a connection from `address`; nothing when there is none.
    pub fn take(self: &Arc<Seats>, address: IpAddr) -> Option<Seat> {
        let peer = address.to_canonical();
        let whole = peer.is_loopback() || self.proxies.contains(&peer);
        let address = network_of(peer);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let its = taken.by.get(&address).copied().unwrap_or_default();
        if taken.all >= self.most || (!whole && its >= self.each) {
            taken.turned_away += 1;
            return None;
        }
        taken.all += 1;
        taken.by.insert(address, its + 1);
        Some(Seat { seats: self.clone(), address })
    }

    /// How many are taken, and how many connections found none so far.
    pub fn taken(&self) -> (usize, u64) {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        (taken.all, taken.turned_away)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        match taken.by.get_mut(&self.address) {
            Some(its) if *its > 1 => *its -= 1,
            _ => drop(taken.by.remove(&self.address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_every_seat_and_seats_come_free() {
        let seats = Arc::new(Seats::new(8, vec!["192.0.2.1".parse().unwrap()]));
        let take = |address: &str| seats.take(address.parse().unwrap());
        let mut held: Vec<Seat> = (0..2).map(|_| take("203.0.113.5").unwrap()).collect();
        assert!(take("203.0.113.5").is_none(), "a quarter is its share");
        held.extend((0..3).map(|_| take("127.0.0.1").unwrap()));
        held.extend((0..3).map(|_| take("192.0.2.1").unwrap()));
        assert!(take("198.51.100.1").is_none(), "all are taken");
        assert_eq!(seats.taken(), (8, 2));
        held.clear();
        assert_eq!(seats.taken(), (0, 2));
        assert!(seats.taken.lock().unwrap().by.is_empty());
        assert!(take("203.0.113.5").is_some());
    }
}
