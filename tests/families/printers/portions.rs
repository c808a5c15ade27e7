//! A call cut where its holder changes: what a PBX that writes a record a leg makes its records of.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use smdrd::simulator::scenario::{Call, Parties, Step};

use crate::day::{MAILBOX, MENU};

/// Who took a portion of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taker {
    Staff,
    Mailbox,
    Menu,
    Nobody,
}

/// One holder's part of a call: the ring before it, the conversation, the hold at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Portion {
    /// When it began to ring, or was taken without a ring.
    pub offered: Timestamp,
    pub ring: u32,
    pub taker: Taker,
    /// Who took it; who rang last where nobody did.
    pub station: u16,
    pub talk: u32,
    pub hold: u32,
}

impl Portion {
    /// Nothing rang: the station was engaged.
    pub fn engaged(&self) -> bool {
        self.taker == Taker::Nobody && self.ring == 0
    }

    pub fn taken(&self) -> Timestamp {
        later(self.offered, self.ring)
    }

    pub fn end(&self) -> Timestamp {
        later(self.offered, self.ring + self.talk + self.hold)
    }
}

pub fn later(at: Timestamp, seconds: u32) -> Timestamp {
    at + SignedDuration::from_secs(i64::from(seconds))
}

/// The portions of `call`, in order.
pub fn portions(call: &Call) -> Vec<Portion> {
    let mut portions = Vec::new();
    let mut at = call.arrival;
    let mut rung: Option<(u16, u32)> = None;
    for step in &call.steps {
        let (taker, station, talk, hold) = match *step {
            Step::Ring { station, seconds } => {
                let before = rung.map_or(0, |(_, seconds)| seconds);
                rung = Some((station, before + seconds));
                continue;
            }
            Step::Talk { station, seconds, hold } => (Taker::Staff, station, seconds, hold),
            Step::Mailbox { seconds } => (Taker::Mailbox, MAILBOX, seconds, 0),
            Step::Menu { seconds } => (Taker::Menu, MENU, seconds, 0),
        };
        let ring = rung.take().map_or(0, |(_, seconds)| seconds);
        let portion = Portion { offered: at, ring, taker, station, talk, hold };
        at = portion.end();
        portions.push(portion);
    }
    if let Some((station, ring)) = rung {
        portions.push(Portion { offered: at, ring, taker: Taker::Nobody, station, talk: 0, hold: 0 });
    }
    portions
}

/// The caller's number as shown, or nothing.
pub fn caller(parties: &Parties) -> Option<&str> {
    match parties {
        Parties::Inbound { caller, .. } => caller.as_deref(),
        _ => None,
    }
}

/// A moment on the PBX's wall clock.
pub fn wall(at: Timestamp, zone: &TimeZone, format: &str) -> String {
    at.to_zoned(zone.clone()).strftime(format).to_string()
}

/// `HH:MM:SS`.
pub fn hms(seconds: u32) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
