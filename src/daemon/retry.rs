//! Held lines are read again when a dialect was put right: those that are understood now get the text that they would
//! have been stored with, and history is derived again from the stored lines, as in a rebuild. So what comes of it is
//! what a rebuild finds.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::hold::SharedHold;
use super::reader::is_unparsed;
use crate::aggregate::slots::date_of;
use crate::call::LineRef;
use crate::dialect::{Line, Plan, Reading, SourceState};
use crate::privacy::{Keys, Privacy};
use crate::store::{SourceRow, StoreError, StoredLine, StoredNumber, Work};

/// A held line that is understood now.
#[derive(Debug)]
struct Understood {
    line: LineRef,
    /// When it came.
    at: Timestamp,
    text: Vec<u8>,
    numbers: Vec<StoredNumber>,
}

/// Reads held lines again while history is derived.
#[derive(Debug)]
pub struct Retry {
    hold: SharedHold,
    /// What takes numbers out; apart from the one that lines go through as they come.
    pub privacy: Privacy,
    keys: Keys,
    /// The civil day that the keys are for, and where.
    today: Date,
    zone: TimeZone,
    tried: u64,
    understood: Vec<Understood>,
    /// Where each source stands after its last line.
    pub(super) rows: HashMap<u16, SourceRow>,
}

impl Retry {
    /// With the keys of `today`, a civil day in `zone`.
    pub fn new(hold: SharedHold, privacy: Privacy, keys: Keys, today: Date, zone: TimeZone) -> Retry {
        Retry { hold, privacy, keys, today, zone, tried: 0, understood: Vec::new(), rows: HashMap::new() }
    }

    /// How many lines were tried, and how many of them are understood.
    pub fn counts(&self) -> (u64, u64) {
        (self.tried, self.understood.len() as u64)
    }

    /// Reads a line of which only the shape is stored, if it is held, on the state before it. Where it is understood
    /// `line` becomes as it would have been stored; answers with the numbers beside it.
    pub(super) fn read(
        &mut self,
        plan: &Plan,
        state: &SourceState,
        line: &mut StoredLine,
        today: Date,
    ) -> Option<Vec<StoredNumber>> {
        let (source, seq) = (line.line.source, line.line.seq);
        let hold = self.hold.get();
        let raw = hold.line(source, seq)?;
        self.tried += 1;
        let mut reading = Reading::default();
        plan.step(&mut state.clone(), &Line { no: seq, bytes: raw, kept: &[], today }, &mut reading);
        if is_unparsed(&reading) {
            return None;
        }
        let mut passed = self.privacy.pass(&self.keys, source, raw, &reading, line.at);
        if date_of(&self.zone, line.at) != self.today {
            // The key of its day is gone: under today's its number would be another one's.
            passed.numbers.iter_mut().for_each(|(_, number)| number.token = None);
        }
        let masked = Line { no: seq, bytes: &passed.text, kept: &passed.numbers, today };
        plan.step(&mut state.clone(), &masked, &mut reading);
        if is_unparsed(&reading) {
            tracing::error!(source, seq, "masked, the line is not understood: a fault of the dialect");
            return None;
        }
        (line.text, line.shape, line.reason, line.column) = (passed.text.clone(), false, None, None);
        self.understood.push(Understood {
            line: line.line,
            at: line.at,
            text: passed.text,
            numbers: passed.numbers.clone(),
        });
        Some(passed.numbers)
    }

    /// Stores the lines that are understood now and where their sources stand, with the history that follows from them.
    pub(super) fn store(&self, work: &Work<'_>, rows: &HashMap<u16, SourceRow>) -> Result<(), StoreError> {
        for understood in &self.understood {
            work.put_understood(understood.line, &understood.text, &understood.numbers)?;
            // A day whose peers were renumbered is renumbered once more: the lines bring peers of their own.
            if date_of(&self.zone, understood.at) != self.today {
                work.roll_up_again(understood.line)?;
            }
        }
        for (source, derived) in &self.rows {
            if let Some(row) = rows.get(source) {
                let mut row = SourceRow { next_seq: row.next_seq, ..derived.clone() };
                row.state.sequence = rows.get(source).and_then(|row| row.state.sequence);
                work.put_source(&row)?;
            }
        }
        Ok(())
    }

    /// Lets go of the lines that are understood, once they are stored.
    pub(super) fn done(&mut self) {
        let mut hold = self.hold.get();
        for understood in &self.understood {
            hold.let_go(understood.line.source, understood.line.seq);
        }
    }
}
