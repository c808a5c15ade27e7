//! How collecting ends, and what is noted where the next run cannot go on.

use super::keeper::{HALF_LINES, HalfLine, Keeper};
use crate::store::StoreError;

impl Keeper {
    /// Notes that collecting ends with so many links left open for the next run, and the lines that are `half` read on
    /// them. Says whether everything that was read is stored.
    pub fn end(&mut self, links: usize, half: &[HalfLine]) -> Result<bool, StoreError> {
        self.tick()?;
        let work = self.store.begin()?;
        let ended = match links {
            0 => "stopped".to_owned(),
            links => format!("stopped; {links} link(s) left open for the next run"),
        };
        work.audit(self.clock.now(), "smdrd", &ended)?;
        work.set_meta(HALF_LINES, &serde_json::to_string(half).unwrap_or_default())?;
        work.commit()?;
        self.note_marks();
        self.marks.sync();
        Ok(self.trouble.is_none())
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
