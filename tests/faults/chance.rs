//! Instants at random. Each run of the suite has others; where one fails, the seed is said.

use std::time::{SystemTime, UNIX_EPOCH};

pub struct Chance(u64);

impl Chance {
    pub fn new() -> Chance {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
        println!("seed {now}");
        Chance(now | 1)
    }

    /// Below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
