//! The PBXs' clocks, in the books: each record says how its PBX's goes against the box's, and where the configuration has
//! that corrected, what it is ahead is taken off the stamp before the record is stored.

use jiff::Timestamp;

use super::books::Books;
use crate::aggregate::slots::date_of;
use crate::call::Call;
use crate::call::gauge::{self, Reading};
use crate::clock::NOT_BEFORE;
use crate::config::ClockCorrection;
use crate::record::{MaskedRecord, StampKind};
use crate::store::{StoreError, Work};

/// By how much a measured correction may be wrong before another is taken, in seconds; for minute stamps a whole step.
const UNTOUCHED_S: i64 = 15;

impl Books {
    /// Measures the PBX's clock against the box's, where the record says when it was printed at the earliest.
    pub(super) fn measure_clock(
        &mut self,
        work: &Work<'_>,
        record: &MaskedRecord,
        call: &Call,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let source = call.id.source;
        let Some(stamp) = record.stamp.filter(|_| self.measures && at >= NOT_BEFORE && call.legs == 1) else {
            return Ok(());
        };
        let lost = record.answered == Some(false);
        let ends = match stamp.kind {
            StampKind::End | StampKind::Event => true,
            StampKind::Arrival => record.talk_s.is_some() || (lost && record.ring_s.is_some()),
            StampKind::Answer | StampKind::Unknown => record.talk_s.is_some(),
        };
        let tells = self.assembler.zone(source).is_some_and(|zone| gauge::tells(zone, stamp.at));
        if !ends || !tells || self.late.contains(&source) {
            return Ok(());
        }
        // As it was printed: what is measured does not depend on what is corrected.
        let offset_s = call.end.duration_since(at).as_secs().saturating_add(stamp.ahead_s);
        let reading = Reading { at, offset_s, resolution_s: stamp.resolution_s };
        match self.assembler.hear(source, reading) {
            Some(heard) => work.clock_heard(source, date_of(self.zone(), at), &heard),
            None => Ok(()),
        }
    }

    /// The record with what its PBX's clock is ahead, where that is corrected.
    pub(super) fn corrected(&self, source: u16, record: Option<&MaskedRecord>) -> Option<MaskedRecord> {
        let ahead_s = self.ahead_s(source)?;
        let mut record = record.filter(|record| record.stamp.is_some())?.clone();
        if let Some(stamp) = &mut record.stamp {
            stamp.ahead_s = ahead_s;
        }
        Some(record)
    }

    fn ahead_s(&self, source: u16) -> Option<i64> {
        match self.corrections.get(&source)? {
            ClockCorrection::None => None,
            ClockCorrection::Fixed(ahead_s) => Some(*ahead_s),
            ClockCorrection::Measured => {
                let wall = self.assembler.wall_of(source)?;
                let before = wall.ahead_s();
                let Some(stand) = wall.gauge.stand() else { return Some(before) };
                // Each change can tear the parts of a call apart, so that small ones are not made.
                let slack = UNTOUCHED_S.max(i64::from(stand.resolution_s));
                let now = stand.offset_s();
                Some(if now.saturating_sub(before).saturating_abs() > slack { now } else { before })
            }
        }
    }
}

/// Notes with the day that its stamps are corrected.
pub(super) fn note_correction(work: &Work<'_>, source: u16, record: &MaskedRecord) -> Result<(), StoreError> {
    match record.stamp.filter(|stamp| stamp.ahead_s != 0) {
        Some(stamp) => work.clock_corrected(source, stamp.corrected().date(), stamp.ahead_s),
        None => Ok(()),
    }
}
