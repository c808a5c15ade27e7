//! A call as its legs: what most formats print a record of, and how durations are written.

use jiff::{SignedDuration, Timestamp};
use smdrd::simulator::scenario::{Call, Step};

/// A part of a call with one station: it rang, and spoke or did not.
#[derive(Debug, Clone, Copy)]
pub struct Leg {
    /// When this part began: the call's arrival, or the end of the part before.
    pub rings: Timestamp,
    /// When it was taken; when it ended, if it was not.
    pub begins: Timestamp,
    /// When it was over.
    pub ends: Timestamp,
    /// Who took it, or rang last.
    pub station: u16,
    /// Who rang; the same where nobody else did.
    pub rang: u16,
    /// Seconds of ringing before.
    pub ring: u32,
    /// Seconds of conversation, hold left out.
    pub talk: u32,
    /// Whether it was taken: by staff, the mailbox or the menu.
    pub taken: bool,
    /// No part of the call was taken before.
    pub first: bool,
    /// Nothing follows it.
    pub last: bool,
}

/// The parts of a call, in order.
pub fn legs(call: &Call) -> Vec<Leg> {
    let mut legs: Vec<Leg> = Vec::new();
    let mut at = call.arrival;
    let mut rings: Option<(Timestamp, u16, u32)> = None;
    for step in &call.steps {
        let begins = at;
        at += SignedDuration::from_secs(i64::from(step.seconds()));
        let (station, talk) = match *step {
            Step::Ring { station, seconds } => {
                rings = Some((begins, station, seconds));
                continue;
            }
            Step::Talk { station, seconds, .. } => (station, seconds),
            Step::Mailbox { seconds } => (crate::day::MAILBOX, seconds),
            Step::Menu { seconds } => (crate::day::MENU, seconds),
        };
        let (rang_at, rang, ring) = rings.take().unwrap_or((begins, station, 0));
        let first = !legs.iter().any(|leg| leg.taken);
        let (taken, last) = (true, false);
        legs.push(Leg { rings: rang_at, begins, ends: at, station, rang, ring, talk, taken, first, last });
    }
    if let Some((rang_at, rang, ring)) = rings {
        let first = !legs.iter().any(|leg| leg.taken);
        let (talk, taken, last) = (0, false, false);
        legs.push(Leg { rings: rang_at, begins: at, ends: at, station: rang, rang, ring, talk, taken, first, last });
    }
    if let Some(leg) = legs.last_mut() {
        leg.last = true;
    }
    legs
}

/// `HH:MM:SS`.
pub fn hms(seconds: u32) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// `MM:SS`.
pub fn ms(seconds: u32) -> String {
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}
