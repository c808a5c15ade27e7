//! Lines that wait in memory for the disk: how many, since when and why, and what was not heard meanwhile.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::desk::lines;
use super::keeper::{Event, Keeper};
use crate::store::{EventCause, StoreError, held_by};

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
    /// The same in a word: the disk, or somebody's lock on the database.
    #[serde(default = "of_the_disk")]
    pub kind: EventCause,
    /// Since when there is no room for more, and the PBXs are held back.
    #[serde(default)]
    pub full: Option<Timestamp>,
}

fn of_the_disk() -> EventCause {
    EventCause::DiskFull
}

impl Keeper {
    /// Notes what waits, and why; says that in words.
    pub(super) fn now_waits(&mut self, waiting: &[Event], error: &StoreError) -> String {
        let since = self.waiting.as_ref().map_or_else(|| self.clock.now(), |before| before.since);
        let full = self.waiting.as_ref().and_then(|before| before.full);
        let lines = waiting.iter().map(lines).sum::<usize>() as u64;
        let kind = if error.is_locked() { EventCause::DatabaseLocked } else { EventCause::DiskFull };
        let cause = self.why_not(error);
        self.waiting = Some(Waiting { kind, lines, since, cause: cause.clone(), full });
        cause
    }

    /// Why nothing can be stored, in words. Where somebody has the database locked, that is who, and their lock is not
    /// waited for any more before others are answered.
    fn why_not(&self, error: &StoreError) -> String {
        let locked = error.is_locked();
        if let Err(error) = self.store.be_patient(!locked) {
            tracing::warn!(%error, "for how long a lock is waited for could not be said");
        }
        if !locked {
            return error.to_string();
        }
        let who = held_by(&self.config.state_dir).map_or_else(|| "another program".to_owned(), |who| who.to_string());
        format!("{who} has the database locked; end it, then it goes on by itself")
    }

    /// Notes that more waits.
    pub(super) fn one_more_waits(&mut self, event: &Event, full: bool) {
        let now = self.clock.now();
        if let Some(before) = &mut self.waiting {
            before.lines += lines(event) as u64;
            if full && before.full.is_none() {
                tracing::error!(lines = before.lines, "no more lines can wait in memory: the PBXs are held back");
                before.full = Some(now);
            }
        }
    }

    /// Asks the disk whether it takes anything, with the least that can be written: lines that it does not take would leave
    /// the books to be read again from the start.
    pub(super) fn ask_the_disk(&mut self) -> Result<(), StoreError> {
        if self.damage.is_some() {
            return Ok(());
        }
        let now = self.clock.now();
        let work = self.store.begin()?;
        work.set_meta("asked_ms", &now.as_millisecond().to_string())?;
        work.commit()
    }

    /// Notes that what waited is stored. A PBX on a cable without flow control was not held back by our not reading: what
    /// it printed beyond the kernel's few pages is lost, and nobody can say how much. So that time was not observed.
    pub(super) fn waits_no_more(&mut self) -> Result<(), StoreError> {
        self.store.be_patient(true)?;
        let Some(waited) = self.waiting.take() else { return Ok(()) };
        let now = self.clock.now();
        self.note_waited(&waited, now)?;
        let Some(since) = waited.full else { return Ok(()) };
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
