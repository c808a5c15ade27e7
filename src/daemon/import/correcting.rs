//! What the PBX's clock was ahead, taken off the stamps of a file: of days on which that was taken off what the PBX's own link
//! gave, and by as much. Of other days nobody knows how the clock stood then.

use super::sifting::Import;
use crate::daemon::batch::Entry;
use crate::record::{LineKind, MaskedRecord};
use crate::store::{Reading, StoreError};

impl Import {
    /// Corrects the records of a portion, as the source `of` whose PBX wrote the file is corrected; `has_key`: it is to be. What
    /// cannot be corrected is added up.
    pub(super) fn correct(
        &mut self,
        read: &Reading<'_>,
        of: u16,
        has_key: bool,
        entries: &mut [Entry],
    ) -> Result<(), StoreError> {
        for entry in entries {
            let (kind, record): (LineKind, Option<&mut MaskedRecord>) = match entry {
                Entry::Line(line) => (line.kind, line.record.as_mut()),
                Entry::Settled { kind, record, .. } => (*kind, record.as_mut()),
                Entry::Idle(_) => continue,
            };
            let Some(stamp) = record.and_then(|record| record.stamp.as_mut()) else { continue };
            match read.clock_day(of, stamp.at.date())?.corrected_s {
                Some(ahead_s) => stamp.ahead_s = ahead_s,
                None if has_key && kind != LineKind::Duplicate => self.tally.uncorrected += 1,
                None => {}
            }
        }
        Ok(())
    }
}
