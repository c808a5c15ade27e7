//! Which lines and which staff are taken, so that the diary gives nobody two calls at once. Seconds are those of the day.

use std::collections::BTreeMap;

use super::chance::Chance;
use super::scenario::{Pbx, site};

/// What is taken, and until when.
#[derive(Debug)]
pub struct Occupancy {
    /// When each line is free again.
    lines: BTreeMap<Pbx, Vec<i64>>,
    /// When each station is engaged: from, until.
    engaged: BTreeMap<u16, Vec<(i64, i64)>>,
}

impl Default for Occupancy {
    fn default() -> Self {
        Occupancy::new()
    }
}

impl Occupancy {
    /// Nothing is taken.
    pub fn new() -> Occupancy {
        let lines = BTreeMap::from([
            (Pbx::Reception, vec![0; usize::from(site::RECEPTION_LINES)]),
            (Pbx::Surgery, vec![0; usize::from(site::SURGERY_LINES)]),
            (Pbx::Annexe, vec![0; usize::from(site::ANNEXE_LINES)]),
        ]);
        Occupancy { lines, engaged: BTreeMap::new() }
    }

    /// The lowest line that has been free for two seconds.
    pub fn free_line(&self, pbx: Pbx, second: i64) -> Option<u8> {
        let index = self.lines.get(&pbx)?.iter().position(|free_from| free_from + 2 <= second)?;
        u8::try_from(index + 1).ok()
    }

    /// Takes a line until `until`.
    pub fn seize(&mut self, pbx: Pbx, line: u8, until: i64) {
        if let Some(free_from) = self.lines.get_mut(&pbx).and_then(|lines| lines.get_mut(usize::from(line) - 1)) {
            *free_from = until;
        }
    }

    /// One of `stations` that is free from `from` for so many seconds.
    pub fn free_station(&self, chance: &mut Chance, stations: &[u16], from: i64, seconds: u32) -> Option<u16> {
        let until = from + i64::from(seconds);
        let engaged = |station: &u16| {
            let times = self.engaged.get(station).map(Vec::as_slice).unwrap_or_default();
            times.iter().any(|(begin, end)| from < *end && *begin < until)
        };
        let free: Vec<u16> = stations.iter().copied().filter(|station| !engaged(station)).collect();
        if free.is_empty() { None } else { Some(chance.pick(&free)) }
    }

    /// Takes a station from `from` for so many seconds.
    pub fn engage(&mut self, station: u16, from: i64, seconds: u32) {
        self.engaged.entry(station).or_default().push((from, from + i64::from(seconds)));
    }
}
