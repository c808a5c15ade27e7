//! The calls of one key, by what a later leg asks of them: calls of which it would ask the same stand together, so that the
//! one that a leg follows most closely is found without looking at each. A PBX whose clock stands still makes thousands.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{Leg, LineRef};
use crate::record::{Direction, LegKind, StampKind};

/// What decides whether a leg may join a call, and how closely it follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Standing {
    /// When it began.
    pub start: Timestamp,
    /// When its last leg ended.
    pub end: Timestamp,
    /// By how much later it may have ended, in seconds: where it is open whether stamps are arrivals or answers, by the
    /// ring of the last leg.
    pub later_s: u32,
    /// Its last leg announced another.
    pub announced: bool,
    /// It was offered, and nobody took it yet.
    pub only_offered: bool,
    /// A leg of it came in.
    pub came: bool,
}

impl Standing {
    /// Of a call of one leg.
    pub fn of(leg: &Leg) -> Standing {
        let mut standing = Standing {
            start: leg.arrival,
            end: Timestamp::MIN,
            later_s: 0,
            announced: leg.record.continuation == Some(true),
            only_offered: true,
            came: false,
        };
        standing.add(leg);
        standing
    }

    /// With one leg more.
    pub fn add(&mut self, leg: &Leg) {
        // What is still to come is to come whether or not it is said who took the call.
        if leg.record.leg != LegKind::Taken {
            self.announced = leg.record.continuation == Some(true);
        }
        self.only_offered &= leg.record.leg.is_stage();
        self.came |= leg.record.direction == Some(Direction::Inbound);
        self.end = self.end.max(leg.end);
        let open = leg.record.stamp.is_some_and(|stamp| stamp.kind == StampKind::Unknown);
        self.later_s = leg.record.ring_s.filter(|_| open).unwrap_or(0);
    }

    /// Whether another leg is expected.
    pub fn waits(&self) -> bool {
        self.announced || self.only_offered
    }

    /// How far `leg` begins from its end.
    pub fn gap(&self, leg: &Leg) -> SignedDuration {
        let gap = leg.arrival.duration_since(self.end);
        gap.abs().min(gap.saturating_sub(SignedDuration::from_secs(i64::from(self.later_s))).abs())
    }

    /// Whether `leg` was put through and bears the start of this whole call: that says which call it is.
    pub fn began_as(&self, leg: &Leg) -> bool {
        leg.record.leg == LegKind::Transfer
            && leg.record.stamp.is_some_and(|stamp| stamp.kind == StampKind::Arrival)
            && self.start == leg.arrival
    }
}

/// The calls of one key.
#[derive(Debug, Default)]
pub(super) struct Places(BTreeMap<Standing, BTreeSet<LineRef>>);

impl Places {
    pub fn insert(&mut self, standing: Standing, id: LineRef) {
        self.0.entry(standing).or_default().insert(id);
    }

    pub fn remove(&mut self, standing: &Standing, id: LineRef) {
        if let Some(ids) = self.0.get_mut(standing) {
            ids.remove(&id);
            if ids.is_empty() {
                self.0.remove(standing);
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every standing there is, each with the one of its calls that began first.
    pub fn each(&self) -> impl Iterator<Item = (&Standing, LineRef)> {
        self.0.iter().filter_map(|(standing, ids)| Some((standing, *ids.first()?)))
    }
}
