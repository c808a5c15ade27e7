//! The PBX's wall clock to instants, through the hours that summer time skips or repeats.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Gauge, Leg, LineRef};
use crate::record::{LegKind, MaskedRecord, StampKind};

/// By how much the stamps of a source may run backwards without meaning that the repeated hour began again: records
/// come in the order of their ends, so a long call's start is older than the line before it.
const BACKWARDS: SignedDuration = SignedDuration::from_mins(20);

/// Where a source's wall clock stands. Saved with the source's state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wall {
    last: Option<Timestamp>,
    /// The one before: a single wild stamp must not pass for the time.
    #[serde(default)]
    before: Option<Timestamp>,
    /// By how much it is taken to be ahead: what was taken off the last stamp.
    #[serde(default)]
    ahead_s: i64,
    /// How it goes against the box's clock.
    #[serde(default)]
    pub gauge: Gauge,
}

impl Wall {
    /// The instant of a wall clock reading. In the hour that is repeated in autumn the earlier instant is taken until
    /// the stamps have clearly begun the hour again, and the later one from then on; a reading in the hour skipped in
    /// spring is moved forward, as a clock would that was not put forward.
    pub fn instant(&mut self, zone: &TimeZone, at: DateTime) -> Timestamp {
        self.place_stamp(zone, at, 0).0
    }

    /// The instant of a wall clock reading, less the seconds that the clock is ahead; and whether it may as well have been
    /// an hour later, in the second pass of the hour that autumn repeats.
    fn place_stamp(&mut self, zone: &TimeZone, at: DateTime, ahead_s: i64) -> (Timestamp, bool) {
        let ahead = SignedDuration::from_secs(ahead_s);
        let reading = zone.to_ambiguous_timestamp(at);
        let mut first_pass = false;
        // As it was printed: by that the passes are told apart.
        let last = self.last.map(|last| last.saturating_add(ahead).unwrap_or(last));
        let instant = match reading.offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(at),
            AmbiguousOffset::Gap { before, .. } => before.to_timestamp(at),
            AmbiguousOffset::Fold { before, after } => {
                let early = before.to_timestamp(at);
                let begun_again = last.is_some_and(|last| {
                    let backwards = early.as_ref().is_ok_and(|early| last.duration_since(*early) > BACKWARDS);
                    backwards || zone.to_offset(last) == after
                });
                first_pass = !begun_again;
                if begun_again { after.to_timestamp(at) } else { early }
            }
        }
        .unwrap_or(if at.year() < 1970 { Timestamp::MIN } else { Timestamp::MAX });
        let instant = instant.checked_sub(ahead).unwrap_or(instant);
        self.before = self.last.replace(instant);
        self.ahead_s = ahead_s;
        (instant, first_pass)
    }

    /// By how many seconds the clock was taken to be ahead at the last stamp.
    pub fn ahead_s(&self) -> i64 {
        self.ahead_s
    }

    /// A clock that stood at `at`, so that the legs of a call that arrived then are placed as they were: in the
    /// repeated hour only the order of the records tells one pass from the other.
    pub(super) fn standing_at(at: Timestamp) -> Wall {
        Wall { last: Some(at), before: Some(at), ..Wall::default() }
    }

    /// The legs of a stored call that arrived then, placed as they were.
    pub fn legs(
        zone: &TimeZone,
        arrival: Timestamp,
        records: impl IntoIterator<Item = (LineRef, MaskedRecord)>,
    ) -> Vec<Leg> {
        let mut wall = Wall::standing_at(arrival);
        records.into_iter().filter_map(|(line, record)| wall.place(zone, line, record)).collect()
    }

    /// How far this clock has come: the earlier of its last two readings, so that one wild stamp, in 1970 or in 2099,
    /// ends no call. When two agree the clock was really put there.
    pub fn reached(&self) -> Option<Timestamp> {
        let last = self.last?;
        Some(last.min(self.before.unwrap_or(last)))
    }

    /// The record placed in time; nothing when it has no stamp.
    pub fn place(&mut self, zone: &TimeZone, line: LineRef, record: MaskedRecord) -> Option<Leg> {
        let stamp = record.stamp?;
        let (at, first_pass) = self.place_stamp(zone, stamp.at, stamp.ahead_s);
        let seconds = |part: Option<u32>| SignedDuration::from_secs(i64::from(part.unwrap_or(0)));
        let (ring, talk, hold) = (seconds(record.ring_s), seconds(record.talk_s), seconds(record.hold_s));
        let back = |amount: SignedDuration| at.checked_sub(amount).unwrap_or(at);
        let on = |amount: SignedDuration| at.checked_add(amount).unwrap_or(at);
        let (arrival, end, arrival_doubt) = match stamp.kind {
            StampKind::Arrival => (at, on(ring + talk + hold), false),
            StampKind::Answer => (back(ring), on(talk + hold), record.ring_s.is_none()),
            StampKind::End => {
                let lost = record.answered == Some(false);
                (back(ring + talk + hold), at, record.ring_s.is_none() || (record.talk_s.is_none() && !lost))
            }
            // An offer is the arrival; of anything else that happened during the call only that it had come before.
            StampKind::Event => (at, at, record.leg != LegKind::Offered),
            // Arrival or answer: the ring time is the doubt.
            StampKind::Unknown => (at, on(talk + hold), true),
        };
        Some(Leg { line, record, arrival, end, arrival_doubt, first_pass })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn london() -> TimeZone {
        TimeZone::get("Europe/London").unwrap()
    }

    fn instants(stamps: &[&str]) -> Vec<String> {
        let mut wall = Wall::default();
        stamps.iter().map(|stamp| wall.instant(&london(), stamp.parse().unwrap()).to_string()).collect()
    }

    #[test]
    fn the_repeated_hour_is_told_apart_by_the_order_of_the_records() {
        assert_eq!(
            instants(&[
                "2026-10-25T01:10:00",
                "2026-10-25T01:55:00",
                "2026-10-25T01:50:00",
                "2026-10-25T01:05:00",
                "2026-10-25T01:50:00",
                "2026-10-25T02:01:00",
            ]),
            [
                "2026-10-25T00:10:00Z",
                "2026-10-25T00:55:00Z",
                "2026-10-25T00:50:00Z",
                "2026-10-25T01:05:00Z",
                "2026-10-25T01:50:00Z",
                "2026-10-25T02:01:00Z",
            ]
        );
    }

    #[test]
    fn a_reading_in_the_skipped_hour_moves_forward() {
        assert_eq!(instants(&["2026-03-29T01:30:00"]), ["2026-03-29T01:30:00Z"]);
    }

    #[test]
    fn an_end_stamp_is_worked_back_and_a_missing_part_is_a_doubt() {
        let mut record = MaskedRecord {
            stamp: Some(crate::record::Stamp {
                kind: StampKind::End,
                at: "2026-11-20T08:01:30".parse().unwrap(),
                resolution_s: 1,
                ahead_s: 0,
            }),
            ring_s: Some(20),
            talk_s: Some(70),
            ..MaskedRecord::default()
        };
        let line = LineRef { source: 1, seq: 1 };
        let leg = Wall::default().place(&london(), line, record.clone()).unwrap();
        assert_eq!(leg.arrival.to_string(), "2026-11-20T08:00:00Z");
        assert!(!leg.arrival_doubt);
        record.ring_s = None;
        let leg = Wall::default().place(&london(), line, record).unwrap();
        assert_eq!(leg.arrival.to_string(), "2026-11-20T08:00:20Z");
        assert!(leg.arrival_doubt);
    }
}
