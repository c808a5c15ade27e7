//! Lines that wait in memory for the disk: how many, since when and why, and what was not heard meanwhile.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::desk::lines;
use super::keeper::{Event, Keeper};
use crate::store::StoreError;

/// Why nothing is known of a source while no more could wait for the disk.
const OVERRUN: &str = "overrun";

/// Lines that wait in memory, since nothing can be stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// How many.
    pub lines: u64,
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub cause: String,
    /// Since when there is no room for more, and the PBXs are held back.
    #[serde(default)]
    pub full: Option<Timestamp>,
}

impl Keeper {
    /// Notes what waits, and why.
    pub(super) fn now_waits(&mut self, waiting: &[Event], error: &StoreError) {
        let since = self.waiting.as_ref().map_or_else(|| self.clock.now(), |before| before.since);
        let full = self.waiting.as_ref().and_then(|before| before.full);
        self.waiting = Some(Waiting { lines: 0, since, cause: error.to_string(), full });
        self.still_waits(waiting, false);
    }

    /// Notes that more waits.
    pub(super) fn still_waits(&mut self, waiting: &[Event], full: bool) {
        let now = self.clock.now();
        if let Some(before) = &mut self.waiting {
            before.lines = waiting.iter().map(lines).sum::<usize>() as u64;
            if full && before.full.is_none() {
                tracing::error!(lines = before.lines, "no more lines can wait in memory: the PBXs are held back");
                before.full = Some(now);
            }
        }
    }

    /// Notes that what waited is stored. A PBX on a cable without flow control was not held back by our not reading: what
    /// it printed beyond the kernel's few pages is lost, and nobody can say how much. So that time was not observed.
    pub(super) fn waits_no_more(&mut self) -> Result<(), StoreError> {
        let Some(since) = self.waiting.take().and_then(|waiting| waiting.full) else { return Ok(()) };
        let now = self.clock.now();
        let deaf = |source: &&crate::config::Source| {
            source.serial.as_ref().is_some_and(|serial| serial.get_ref().flow == crate::config::Flow::None)
        };
        let names = self.config.source.iter().filter(deaf).map(|source| source.name.get_ref());
        let ids: Vec<u16> = names.filter_map(|name| self.ids.get(name)).copied().collect();
        let work = self.store.begin()?;
        for source in ids.into_iter().filter(|source| self.up.contains(source)) {
            work.link_down(source, since, OVERRUN)?;
            work.link_up(source, now)?;
        }
        work.commit()
    }
}
