//! The running numbers of PBXs that give every record one: what is passed over and does not come is an event, and counted.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::books::{Batch, Entry};
use super::keeper::Keeper;
use super::silence::touch_days;
use crate::aggregate::sequence::{Missing, Numbers, Sequence};
use crate::record::LineKind;
use crate::store::{EventCause, Reading, StoreError, Work};

/// Where a source's numbers stand in the database.
fn key(source: u16) -> String {
    format!("sequence.{source}")
}

/// How far a source's numbers had come.
pub(super) fn stood(read: &Reading<'_>, source: u16) -> Result<Sequence, StoreError> {
    let text = read.meta(&key(source))?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

/// Takes up the numbers of lines.
pub(super) fn take(
    work: &Work<'_>,
    sequence: &mut Sequence,
    numbers: Numbers,
    zone: &TimeZone,
    batch: &Batch,
) -> Result<(), StoreError> {
    for entry in &batch.entries {
        let Entry::Line(line) = entry else { continue };
        match line.sequence {
            Some(number) => {
                let missing = sequence.number(numbers, number, line.at);
                note(work, zone, batch.source, &missing)?;
            }
            None if line.kind == LineKind::Unparsed => sequence.unknown(),
            None => {}
        }
    }
    keep(work, batch.source, sequence)
}

fn keep(work: &Work<'_>, source: u16, sequence: &Sequence) -> Result<(), StoreError> {
    work.set_meta(&key(source), &serde_json::to_string(sequence).unwrap_or_default())
}

fn note(work: &Work<'_>, zone: &TimeZone, source: u16, missing: &[Missing]) -> Result<(), StoreError> {
    for missing in missing {
        let (first, second) = missing.between;
        let what = format!("{} between number {first} and number {second} of the PBX", missing.records);
        tracing::warn!(source, what, "records are missing");
        // Two lines of one moment have a stretch between them all the same.
        let stretch = (missing.from.min(missing.to - SignedDuration::from_secs(1)), missing.to);
        work.past_event(Some(source), EventCause::SequenceGap, stretch, &what, Some(missing.records))?;
        touch_days(work, zone, missing.from, missing.to)?;
    }
    Ok(())
}

impl Keeper {
    /// The numbers of a source's records, where it gives them any.
    pub(super) fn numbers_of(&self, source: u16) -> Option<Numbers> {
        let plan = self.plans.iter().find(|plan| plan.live && self.ids.get(&plan.name) == Some(&source))?;
        plan.plan.sequence().map(|(first, last)| Numbers { first, last })
    }

    /// Notes what is missing for certain now.
    pub(super) fn look_at_numbers(&mut self, now: Timestamp) -> Result<(), StoreError> {
        if !self.sequences.values().any(Sequence::waits) {
            return Ok(());
        }
        let work = self.store.begin()?;
        for (source, sequence) in self.sequences.iter_mut().filter(|(_, sequence)| sequence.waits()) {
            let missing = sequence.settled(now);
            if !missing.is_empty() {
                note(&work, &self.zone, *source, &missing)?;
                keep(&work, *source, sequence)?;
            }
        }
        work.commit()
    }
}
