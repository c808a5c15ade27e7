//! How collecting ends, and what is noted where the next run cannot go on.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use zeroize::Zeroize as _;

use super::desk::Desk;
use super::keeper::{HALF_LINES, HalfLine, Keeper};
use super::loss;
use crate::source::{Happening, Receipt};
use crate::store::StoreError;

/// How often to look whether what was told is stored.
const LOOK: Duration = Duration::from_millis(500);

impl Keeper {
    /// Notes that collecting ends with so many links left open for the next run, and the lines that are `half` read on
    /// them. Says whether everything that was read is stored.
    pub fn end(&mut self, links: usize, half: &[HalfLine]) -> Result<bool, StoreError> {
        self.tick()?;
        if let Some(waited) = self.waiting.take() {
            self.note_waited(&waited, self.clock.now())?;
        }
        let work = self.store.begin()?;
        let ended = match links {
            0 => "stopped".to_owned(),
            links => format!("stopped; {links} link(s) left open for the next run"),
        };
        if self.given_up > 0 {
            let what = format!("{} lines could not be stored before the stop, and are lost", self.given_up);
            work.audit(self.clock.now(), "smdrd", &what)?;
        }
        work.audit(self.clock.now(), "smdrd", &ended)?;
        work.set_meta(HALF_LINES, &serde_json::to_string(half).unwrap_or_default())?;
        work.commit()?;
        self.note_marks();
        self.marks.sync();
        Ok(self.trouble.is_none() && self.given_up == 0)
    }

    /// The last moment at which an earlier run is known to have lived: as it noted, or as its last line came.
    pub(super) fn alive(&self) -> Result<Option<Timestamp>, StoreError> {
        let read = self.store.read();
        let alive = read.meta("alive_ms")?.and_then(|text| text.parse().ok());
        let Some(mut alive) = alive.and_then(|ms| Timestamp::from_millisecond(ms).ok()) else { return Ok(None) };
        let now = self.clock.now();
        for plan in &self.plans {
            let last = self.row(&plan.name).map_or(Ok(None), |row| read.last_came(row.id))?;
            alive = last.filter(|last| *last <= now).map_or(alive, |last| alive.max(last));
        }
        Ok(Some(alive))
    }

    /// Ends the links that an earlier run left open, at the last moment it is known to have lived; not those of sources
    /// that go on `unbroken`. Gives the sources whose links are still open.
    pub fn end_abandoned_links(&mut self, unbroken: &BTreeSet<u16>) -> Result<BTreeSet<u16>, StoreError> {
        let Some(alive) = self.alive()? else { return Ok(BTreeSet::new()) };
        // Of what came after the last that is known, nothing is known where something was lost.
        let lost = loss::losses(&self.store)?.last().is_some_and(|loss| loss.at > alive && loss.settled.is_none());
        let cause = if lost { loss::CAUSE } else { "not-running" };
        let work = self.store.begin()?;
        let open = work.links_left_open(alive, unbroken, cause)?;
        work.commit()?;
        Ok(open)
    }

    /// Notes that of so many links, or of all where that is 0, it cannot be read where the run before left them.
    pub fn note_unreadable(&mut self, links: usize) -> Result<(), StoreError> {
        let which = match links {
            0 => "what the run before left".to_owned(),
            links => format!("where the run before left {links} link(s)"),
        };
        let work = self.store.begin()?;
        let what = format!("{which} cannot be read: half lines are lost, and the time is a gap");
        work.audit(self.clock.now(), "smdrd", &what)?;
        work.commit()
    }
}

/// Lets go of what nobody will store any more, and says how much that was.
pub(super) fn unread(happenings: &mut mpsc::Receiver<Happening>) {
    happenings.close();
    let mut lost = 0;
    while let Ok(happening) = happenings.try_recv() {
        if let Happening::Bytes { mut bytes, .. }
        | Happening::Text { mut bytes, .. }
        | Happening::Part { mut bytes, .. } = happening
        {
            lost += bytes.len();
            bytes.zeroize();
        }
    }
    if lost > 0 {
        tracing::error!(bytes = lost, "stopping, and what was read last could not be stored: it is lost");
    }
}

/// Gives a receipt when everything told so far is on disk.
pub(super) async fn receipt(desk: Desk, stored: Receipt) {
    // While the disk takes nothing errands are run before what was told is stored.
    while let Some(well) = desk.with(|keeper| keeper.trouble.is_none()).await {
        if well {
            return stored.give();
        }
        tokio::time::sleep(LOOK).await;
    }
}
