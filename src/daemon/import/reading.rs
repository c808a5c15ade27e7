//! The reading side of an import: bytes of a file to masked lines, past those that are in already.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::placing::{Around, STEP, View};
use super::trace::{Place, Trace};
use crate::aggregate::slots::date_of;
use crate::config::Config;
use crate::control::Refusal;
use crate::daemon::books::{Batch, Entry};
use crate::daemon::keys::KeyRing;
use crate::daemon::reader::{Gate, Reader};
use crate::daemon::setup::SourcePlan;
use crate::dialect::SourceState;
use crate::privacy::{Peers, Privacy};
use crate::record::LineKind;
use crate::store::Wire;

/// A file has one connection.
const FILE: u64 = 0;

/// For how many months back figures are kept.
const FIGURES: i64 = 25;

/// The first and the last date of which an import that began then is counted.
pub fn counted(zone: &TimeZone, began: Timestamp) -> (Date, Date) {
    let today = date_of(zone, began);
    (today.checked_sub(FIGURES.months()).unwrap_or(Date::MIN), today.tomorrow().unwrap_or(today))
}

/// A file that is being read.
#[derive(Debug)]
pub struct FileReading {
    reader: Reader,
    gate: Gate,
    began: Timestamp,
    past: Place,
    entries: Vec<Entry>,
    state: SourceState,
    wire: Option<(Timestamp, Wire)>,
    view: View,
    /// Lines that were handed over, or were in already.
    taken: u64,
    over: bool,
    /// Bytes read.
    pub bytes: u64,
    /// Whether the file ended in the middle of a line, which was left out.
    pub half_line: bool,
}

/// How a file is to be read.
#[derive(Debug)]
pub struct Manner<'a> {
    /// The site.
    pub config: &'a Config,
    /// Dialect and zone.
    pub plan: &'a SourcePlan,
    /// Whether calls of one day are linked.
    pub linked: bool,
    /// When the import began.
    pub began: Timestamp,
    /// The first day that is kept.
    pub oldest: Date,
}

impl FileReading {
    /// Begins at the file's first byte; lines up to `past` are in already. Notes the places after `wanted` lines.
    pub fn new(
        manner: &Manner<'_>,
        past: Place,
        wanted: impl Iterator<Item = u64>,
    ) -> Result<FileReading, std::io::Error> {
        let Manner { config, plan, linked, began, oldest } = manner;
        let days = (counted(&plan.zone, *began), *oldest);
        let trace = Trace::new(plan.zone.clone(), days, *began, past.lines, wanted);
        let gate = Gate {
            privacy: Privacy::new(config.number_plan(), *linked, Peers::new(1)),
            ring: KeyRing::of_its_own(plan.zone.to_datetime(*began).date())?,
        };
        let state = SourceState::default();
        let reader = Reader::new(0, plan.plan.clone(), plan.zone.clone(), state.clone(), 1).with_trace(trace);
        Ok(FileReading {
            reader,
            gate,
            began: *began,
            taken: past.lines,
            past,
            entries: Vec::new(),
            state,
            wire: None,
            view: View::default(),
            over: false,
            bytes: 0,
            half_line: false,
        })
    }

    /// Reads on.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.bytes += bytes.len() as u64;
        let batch = self.reader.bytes(&mut self.gate, FILE, bytes, self.began);
        self.add(batch)
    }

    /// The file is over. Half a line that nobody understands is left out: the rest of it may still be written.
    pub fn end(&mut self) -> Result<(), Refusal> {
        let batch = self.reader.ended(&mut self.gate, FILE, self.began, false);
        self.add(batch)?;
        self.view.end();
        self.over = true;
        if self.lines() < self.past.lines {
            return Err(self.differs());
        }
        let Some(whole) = self.trace().whole().map(|whole| whole.lines) else { return Ok(()) };
        let half = |entry: &Entry| matches!(entry, Entry::Line(line) if line.seq == whole + 1 && line.kind == LineKind::Unparsed);
        if let Some(at) = self.entries.iter().position(half) {
            self.entries.remove(at);
            for entry in &mut self.entries {
                if let Entry::Idle(seq) = entry {
                    *seq = whole;
                }
            }
            self.half_line = true;
        }
        Ok(())
    }

    fn add(&mut self, batch: Option<Batch>) -> Result<(), Refusal> {
        // Peers of a file live no longer than its import.
        self.gate.privacy.peers_mut().take_fresh();
        let Some(mut batch) = batch else { return Ok(()) };
        if let Some(hash) = self.trace().hash_at(self.past.lines)
            && self.past.lines > 0
            && hash != self.past.hash
        {
            return Err(self.differs());
        }
        batch.entries.iter().for_each(|entry| self.view.note(entry));
        self.view.past(self.taken);
        let known = |entry: &Entry| matches!(entry, Entry::Line(line) if line.seq <= self.past.lines);
        if let Some(last) = batch.entries.iter().rposition(known) {
            batch.entries.drain(..=last);
        }
        if self.lines() > self.past.lines {
            self.entries.extend(batch.entries);
            self.wire = match (self.wire, batch.wire) {
                (Some((at, one)), Some((_, other))) => Some((at, one.and(other))),
                (one, other) => one.or(other),
            };
        }
        self.state = batch.state;
        Ok(())
    }

    fn differs(&self) -> Refusal {
        Refusal::new(
            "the file begins like one that is in already, and goes on differently or ends before it",
            "if it is another file, import it with --as-new: what may repeat lines that are in is kept uncounted",
        )
    }

    /// Records that were left out because of their date.
    pub fn left_out(&self) -> &BTreeMap<Date, u64> {
        self.trace().left_out()
    }

    fn trace(&self) -> &Trace {
        self.reader.trace().unwrap_or_else(|| unreachable!("a file is read with a trace"))
    }

    /// Lines read, those that are in already among them.
    pub fn lines(&self) -> u64 {
        self.trace().lines()
    }

    /// What the first so many lines say, where it was asked for and they were there.
    pub fn hash_at(&self, lines: u64) -> Option<&str> {
        self.trace().hash_at(lines)
    }

    /// What has been read and not been taken.
    pub fn waiting(&self) -> &[Entry] {
        &self.entries
    }

    /// The first line of a day that is kept, with the state before it.
    pub fn cut(&self) -> Option<&(u64, SourceState)> {
        self.trace().cut()
    }

    /// Hands over the next lines, always the same ones however the file came, and where it stands behind them; nothing as
    /// long as too little is in view.
    pub fn take(&mut self) -> Option<(Batch, Place, Around)> {
        let next = (self.taken / STEP + 1) * STEP;
        let in_view = self.lines() >= next + STEP && self.view.is_clear_to(next + STEP);
        let (entries, place) = if in_view || (self.over && self.lines() > next) {
            let place = self.trace().place_at(next)?;
            let is_up_to = |entry: &Entry| matches!(entry, Entry::Line(line) if line.seq <= next);
            let rest = self.entries.iter().rposition(is_up_to).map_or(0, |last| last + 1);
            let rest = self.entries.split_off(rest);
            (std::mem::replace(&mut self.entries, rest), place)
        } else if self.over && self.lines() > self.taken {
            let whole = self.trace().whole().filter(|_| self.half_line).cloned();
            let place = whole.unwrap_or_else(|| self.trace().place());
            (std::mem::take(&mut self.entries), place)
        } else {
            return None;
        };
        let around = self.view.around(self.taken, place.lines);
        // Half a line was read, and does not come again.
        self.taken = if self.over && self.lines() <= next { self.lines() } else { place.lines };
        let wire = if entries.is_empty() { None } else { self.wire.take() };
        Some((
            Batch { source: 0, entries, state: self.state.clone(), wire, mark: None, numbered: false },
            place,
            around,
        ))
    }
}
