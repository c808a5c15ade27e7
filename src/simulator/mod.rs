//! A practice day that was really played: who called, what happened leg by leg, and what three PBXs print of it.
//!
//! The PBXs here are written by hand from what their makers publish about the records, one small file a family. They
//! read no dialect and use nothing of the flow but the clock, because they are the other half of the proof: what the
//! daemon makes of the lines is compared with [`truth`], which is counted from the [`scenario`] and never from a line.

pub mod chance;
pub mod hipath;
pub mod ipoffice;
pub mod occupancy;
pub mod panasonic;
pub mod panasonic_port;
pub mod practice_day;
pub mod scenario;
pub mod serial;
pub mod truth;

use std::ops::Range;

use jiff::Timestamp;

/// What a PBX prints at one moment, without its line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When the PBX prints it.
    pub at: Timestamp,
    /// The characters.
    pub text: String,
}

/// What a player did with the lines it had.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Played {
    /// Lines handed to the link.
    pub sent: usize,
    /// Lines that the PBX lost because its buffer was full while the link was down.
    pub overwritten: usize,
    /// Lines still in the buffer when the player was stopped.
    pub unsent: usize,
    /// When the link was up, as the PBX saw it: from, until.
    pub links: Vec<Range<Timestamp>>,
    /// When each line of a log-in was sent, as a collector reads them.
    pub dialogue: Vec<Timestamp>,
    /// When each blank line and each line of a page's top was sent.
    pub furniture: Vec<Timestamp>,
}

impl Played {
    /// Notes that at `now` the link is up, or that it is not.
    fn link(&mut self, now: Timestamp, up: bool) {
        let open = self.links.last_mut().filter(|link| link.end == Timestamp::MAX);
        match open {
            Some(link) if !up => link.end = now,
            None if up => self.links.push(now..Timestamp::MAX),
            _ => {}
        }
    }

    /// The same, and what was played on the same link after it.
    pub fn then(mut self, after: Played) -> Played {
        let unbroken = self.links.last().is_some_and(|link| link.end == Timestamp::MAX) && !after.links.is_empty();
        let mut links = after.links.into_iter();
        if unbroken && let (Some(last), Some(first)) = (self.links.last_mut(), links.next()) {
            last.end = first.end;
        }
        self.links.extend(links);
        self.sent += after.sent;
        self.overwritten += after.overwritten;
        self.unsent += after.unsent;
        self.dialogue.extend(after.dialogue);
        self.furniture.extend(after.furniture);
        self
    }
}
