//! The books: what one portion of lines does to calls, counters and days. Live and in a rebuild the same functions
//! run; everything a portion changes goes into one transaction.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

pub use super::batch::{Batch, Entry, MaskedLine};
use super::callers::DayCallers;
use super::measure::note_correction;
use super::repeats::Watch;
use crate::aggregate::count::{Contribution, contributions};
use crate::aggregate::slots::date_of;
use crate::call::{Assembler, Call, LineRef, Owner, Rules, Site};
use crate::config::ClockCorrection;
use crate::record::{LineKind, MaskedRecord};
use crate::store::{
    Deltas, NewLine, Reading, Repeats, SourceRow, StoreError, StoredCall, Stretch, Work, second_of_day,
};

/// For how long after a record the lines without one are counted with its day: a replayed month brings its headers
/// along, while tonight's noise is not yesterday's.
const WITH_RECORD: SignedDuration = SignedDuration::from_mins(10);

/// After how much time on a source's own clock calls that no leg can join any more are looked for: a re-dumped month
/// passes in seconds of the box's.
const SWEEP: SignedDuration = SignedDuration::from_hours(12);

/// What is said of a record that may be one whose lines are kept no more.
const GONE: &str = "may repeat a record that is counted and kept no more";

/// What a transaction adds up before it is written.
#[derive(Debug, Default)]
pub struct Portion {
    deltas: Deltas,
    lines: BTreeMap<u16, BTreeMap<(Date, u8), i64>>,
    days: BTreeSet<(Owner, Date)>,
    stretches: BTreeMap<(u16, Date), Stretch>,
}

/// Calls that may still change, and who has called today.
#[derive(Debug)]
pub struct Books {
    pub(super) assembler: Assembler,
    zone: TimeZone,
    pub(super) stored: HashMap<LineRef, StoredCall>,
    pub(super) callers: HashMap<(Owner, Date), DayCallers>,
    /// Where each source's clock stood when old calls were last looked for.
    pub(super) swept: HashMap<u16, Timestamp>,
    /// Sources whose lines come late by their nature, as files do: when they come says nothing of the PBX's clock.
    pub(super) late: HashSet<u16>,
    /// In a rebuild: what was known of repeat calls when their tokens still existed.
    remembered: HashMap<LineRef, bool>,
    /// What live sources printed, for knowing it again.
    pub(super) watches: HashMap<u16, Watch>,
    /// What is decided of lines of a file that come next.
    pub(super) decided: HashMap<LineRef, Repeats>,
    /// Sources whose stamps are corrected as they come. None in a rebuild: what was taken off is kept with each line.
    pub(super) corrections: HashMap<u16, ClockCorrection>,
    /// Whether lines come at the pace of the box's clock, so that they say how the PBX's goes.
    pub(super) measures: bool,
    /// The first day whose every line is kept, where older ones were taken away.
    kept_from: Option<Date>,
    /// Stretches of days whose lines are kept, that are not stored yet: a commit for each line would write a page more for
    /// them. After a kill they are told from the lines.
    stretches: BTreeMap<(u16, Date), Stretch>,
    /// Of how many portions.
    unstored: usize,
}

/// Portions after which the stretches of their records are stored; sooner where time brings that.
const PORTIONS: usize = 500;
/// A portion with more lines of a source than these stores the stretches at once …
const LARGE: i64 = 4;
/// … so that no more lines than these are to be looked at after a start.
const LOOKED_AT: u32 = 2000;

impl Books {
    /// For a site whose days are in `zone`.
    pub fn new(site: Site, zone: TimeZone) -> Books {
        Books {
            assembler: Assembler::new(site),
            zone,
            stored: HashMap::new(),
            callers: HashMap::new(),
            swept: HashMap::new(),
            late: HashSet::new(),
            remembered: HashMap::new(),
            watches: HashMap::new(),
            decided: HashMap::new(),
            corrections: HashMap::new(),
            measures: true,
            kept_from: None,
            stretches: BTreeMap::new(),
            unstored: 0,
        }
    }

    /// Stores the stretches of records that are not stored yet.
    pub(super) fn keep_stretches(&mut self, work: &Work<'_>) -> Result<(), StoreError> {
        self.unstored = 0;
        for ((source, date), stretch) in std::mem::take(&mut self.stretches) {
            work.widen_stretch(source, date, stretch)?;
        }
        Ok(())
    }

    /// Tells the stretches of a source's last records again from its lines.
    pub(super) fn stretches_anew(&mut self, read: &Reading<'_>, row: &SourceRow) -> Result<(), StoreError> {
        let mut portion = Portion::default();
        let first = row.next_seq.saturating_sub(LOOKED_AT.into()).max(1);
        let mut row = row.clone();
        for line in read.lines(row.id, first, LOOKED_AT)? {
            if let Some(record) = line.record {
                note_record(&mut portion, &mut row, &record, line.at);
            }
        }
        self.stretches.extend(portion.stretches);
        Ok(())
    }

    /// Remembers which calls were repeats, for days whose tokens are gone. On such a day that holds for every call:
    /// one that came after the roll-up still has its token, and nothing to compare it with.
    pub fn remember_repeats(&mut self, calls: &[StoredCall]) {
        self.remembered = calls.iter().map(|stored| (stored.call.id, stored.repeat)).collect();
    }

    /// Puts in calls as they are stored, for a rebuild: those of a source that is configured no more cannot be read
    /// again.
    pub fn carry_over(
        &mut self,
        work: &Work<'_>,
        portion: &mut Portion,
        calls: impl Iterator<Item = StoredCall>,
    ) -> Result<(), StoreError> {
        for stored in calls {
            if !stored.call.open {
                add(portion, &stored.call.owner, contributions(&stored.call, stored.repeat), 1);
            }
            portion.days.insert((stored.call.owner.clone(), stored.day));
            work.put_call(&stored)?;
        }
        Ok(())
    }

    /// What its days are in.
    pub(super) fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Notes from which day on every line is kept.
    pub fn kept_from(&mut self, date: Option<Date>) {
        self.kept_from = date;
    }

    /// Whether a record may be one that is counted and kept no more: with its lines gone nothing tells a repetition from a
    /// call, so one that bears a stamp within what was counted for such a day is not counted again.
    fn may_be_gone(&self, work: &Work<'_>, source: u16, record: Option<&MaskedRecord>) -> Result<bool, StoreError> {
        let Some(stamp) = record.and_then(|record| record.stamp) else { return Ok(false) };
        let at = stamp.corrected();
        if self.kept_from.is_none_or(|kept| at.date() >= kept) {
            return Ok(false);
        }
        let stretch = work.read().forgotten_stretch(source, at.date())?;
        let second = second_of_day(at);
        Ok(stretch.is_some_and(|(from, to)| (from..=to).contains(&second)))
    }

    /// Notes that the lines of a source come late.
    pub fn comes_late(&mut self, source: u16) {
        self.late.insert(source);
    }

    /// Adds a source with where it stands, and puts back its calls that later legs may join.
    pub fn source(&mut self, read: &Reading<'_>, row: &SourceRow, rules: Rules) -> Result<(), StoreError> {
        self.assembler.source(row.id, rules, row.wall.clone());
        let Some(horizon) = self.assembler.horizon(row.id) else { return Ok(()) };
        let calls = read.joinable_calls(row.id, horizon)?;
        let Some(first) = calls.iter().map(|stored| stored.call.id.seq).min() else { return Ok(()) };
        let mut legs: HashMap<u64, Vec<(LineRef, MaskedRecord)>> = HashMap::new();
        let mut next = first;
        loop {
            let lines = read.lines(row.id, next, 10_000)?;
            let Some(last) = lines.last() else { break };
            next = last.line.seq + 1;
            for line in lines {
                if let (Some(call), Some(record)) = (line.call, line.record) {
                    legs.entry(call).or_default().push((line.line, record));
                }
            }
        }
        for stored in calls {
            let records = legs.remove(&stored.call.id.seq).unwrap_or_default();
            self.assembler.restore(stored.call.id, records, &stored.call);
            self.stored.insert(stored.call.id, stored);
        }
        // Putting calls back must not move the source's clock.
        self.assembler.set_wall(row.id, row.wall.clone());
        Ok(())
    }

    /// Takes up the lines of one source.
    pub fn take(
        &mut self,
        work: &Work<'_>,
        portion: &mut Portion,
        source: &mut SourceRow,
        batch: &Batch,
    ) -> Result<(), StoreError> {
        if let Some(mark) = &batch.mark {
            work.put_file_mark(mark)?;
        }
        if let Some((at, wire)) = &batch.wire {
            work.add_wire(source.id, date_of(&self.zone, *at), wire)?;
        }
        // The PBX did not hear that we have it, and gives it again.
        if batch.numbered && source.state.sequence.is_some() && source.state.sequence == batch.state.sequence {
            self.comes_again(source.id);
        }
        for entry in &batch.entries {
            match entry {
                Entry::Line(line) => {
                    let mut line = Cow::Borrowed(line);
                    if let Some(record) = self.corrected(source.id, line.record.as_ref()) {
                        line.to_mut().record = Some(record);
                    }
                    self.line(work, portion, source, &line)?;
                }
                Entry::Settled { seq, kind, reason, record, .. } => {
                    let corrected = self.corrected(source.id, record.as_ref());
                    let record = if corrected.is_some() { &corrected } else { record };
                    let (line, kind) = (LineRef { source: source.id, seq: *seq }, *kind);
                    if record.is_some() && work.read().repeats(line)?.is_none() {
                        // The line is lost: a call without one could not be told again.
                        continue;
                    }
                    let repeats = self.settles(work, line, record.as_ref())?;
                    let (kind, reason) = match repeats {
                        Some(Repeats::Line(of)) => (LineKind::Duplicate, Some(work.repeats_line(source.id, of)?)),
                        _ if self.may_be_gone(work, source.id, record.as_ref())? => {
                            (LineKind::Duplicate, Some(GONE.to_owned()))
                        }
                        _ => (kind, reason.clone()),
                    };
                    let counts = kind != LineKind::Duplicate && repeats != Some(Repeats::Waits);
                    let record_counted = record.clone().filter(|_| counts);
                    let call = record_counted.and_then(|record| self.assembler.accept(line, record));
                    let before = work.settle_line(
                        line,
                        kind,
                        reason.as_deref(),
                        record.as_ref(),
                        call.as_ref().map(|c| c.id.seq),
                    )?;
                    if let Some((before, day, at)) = before {
                        portion.count(source.id, day, before, -1);
                        portion.count(source.id, day, kind, 1);
                        // By when the line came, not by when the group closed: silence passes only once, and a rebuild
                        // must find the same.
                        if let Some(record) = record {
                            note_record(portion, source, record, at);
                            note_correction(work, source.id, record)?;
                        }
                    }
                    if let Some(call) = call {
                        self.change(work, portion, call)?;
                    }
                }
                Entry::Idle(seq) => work.idle_after(LineRef { source: source.id, seq: *seq })?,
            }
        }
        source.state = batch.state.clone();
        source.wall = self.assembler.wall(source.id);
        work.put_source(source)
    }

    fn line(
        &mut self,
        work: &Work<'_>,
        portion: &mut Portion,
        source: &mut SourceRow,
        line: &MaskedLine,
    ) -> Result<(), StoreError> {
        let id = LineRef { source: source.id, seq: line.seq };
        source.next_seq = line.seq + 1;
        let day = match (&line.record, source.last_record) {
            (Some(MaskedRecord { stamp: Some(stamp), .. }), _) => stamp.corrected().date(),
            (_, Some((day, at))) if line.at.duration_since(at).abs() <= WITH_RECORD => day,
            _ => date_of(&self.zone, line.at),
        };
        let gone = self.may_be_gone(work, source.id, line.record.as_ref())?;
        let repeats = if gone { None } else { self.look(work, portion, source.id, line)? };
        let (kind, reason) = match repeats {
            _ if gone => (LineKind::Duplicate, Some(GONE.to_owned())),
            Some(Repeats::Line(of)) => (LineKind::Duplicate, Some(work.repeats_line(source.id, of)?)),
            _ => (line.kind, line.reason.clone()),
        };
        // What may repeat a stored line has its place in its day, and makes no call.
        let counts = kind != LineKind::Duplicate && repeats != Some(Repeats::Waits);
        let counted = line.record.clone().filter(|_| counts);
        let call = counted.and_then(|record| self.assembler.accept(id, record));
        if let Some(record) = &line.record {
            note_record(portion, source, record, line.at);
            note_correction(work, source.id, record)?;
        }
        portion.count(source.id, day, kind, 1);
        if repeats == Some(Repeats::Doubtful) {
            work.add_doubt(source.id, day, 1)?;
        }
        let stored = NewLine {
            line: id,
            at: line.at,
            day,
            kind,
            text: &line.text,
            reason: reason.as_deref(),
            column: line.column,
            idle: line.idle,
            shape: line.shape,
            record: line.record.as_ref(),
            call: call.as_ref().map(|call| call.id.seq),
            repeats,
        };
        work.put_line(&stored, &line.numbers)?;
        if let Some(call) = call {
            if let Some(record) = &line.record {
                self.measure_clock(work, record, &call, line.at)?;
            }
            self.change(work, portion, call)?;
            self.sweep(work, portion, source.id)?;
        }
        Ok(())
    }

    /// Makes a call, or a leg of one, of a record that has waited.
    pub(super) fn count_record(
        &mut self,
        work: &Work<'_>,
        portion: &mut Portion,
        line: LineRef,
        record: MaskedRecord,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(call) = self.assembler.accept(line, record.clone()) else { return Ok(()) };
        work.belongs_to(line, call.id.seq)?;
        self.measure_clock(work, &record, &call, at)?;
        self.change(work, portion, call)?;
        self.sweep(work, portion, line.source)
    }

    /// Seals and forgets calls as their source's clock goes on, so that memory is bounded however fast lines come.
    fn sweep(&mut self, work: &Work<'_>, portion: &mut Portion, source: u16) -> Result<(), StoreError> {
        let Some(now) = self.assembler.wall(source).reached() else { return Ok(()) };
        let swept = self.swept.entry(source).or_insert(now);
        if now.duration_since(*swept).abs() < SWEEP {
            return Ok(());
        }
        *swept = now;
        for call in self.assembler.tick(Timestamp::MIN, |_| false) {
            self.change(work, portion, call)?;
        }
        let assembler = &self.assembler;
        self.stored.retain(|id, _| assembler.knows(*id));
        Ok(())
    }

    /// Puts a call in place of what was counted of it.
    pub(super) fn change(&mut self, work: &Work<'_>, portion: &mut Portion, mut call: Call) -> Result<(), StoreError> {
        let day = date_of(&self.zone, call.arrival);
        let old = self.stored.remove(&call.id);
        if let Some(old) = &old {
            if !old.call.open {
                self.uncount(work, portion, old)?;
            }
            portion.days.insert((old.call.owner.clone(), old.day));
        }
        let was = old.as_ref().map(|old| old.repeat).or_else(|| self.remembered.get(&call.id).copied());
        let was = was.unwrap_or(false);
        // An open call is not counted yet; what is known of it stays, for a day that forgets its tokens meanwhile.
        let repeat = if call.open { was } else { self.repeat(work, portion, &call, day, was)? };
        if !call.open {
            add(portion, &call.owner, contributions(&call, repeat), 1);
        }
        portion.days.insert((call.owner.clone(), day));
        if call.token.is_some() && self.day_callers(work, &call.owner, day)?.rolled {
            // Nothing joins the calls of a day that is rolled up, also when a line of it comes later.
            call.token = None;
        }
        let stored = StoredCall { call, day, repeat };
        work.put_call(&stored)?;
        self.stored.insert(stored.call.id, stored);
        Ok(())
    }

    /// Seals the calls whose time has passed and those of days before `closing`.
    pub fn tick(
        &mut self,
        work: &Work<'_>,
        portion: &mut Portion,
        now: Timestamp,
        closing: Date,
    ) -> Result<(), StoreError> {
        let zone = self.zone.clone();
        for call in self.assembler.tick(now, |call| date_of(&zone, call.arrival) < closing) {
            self.change(work, portion, call)?;
        }
        let assembler = &self.assembler;
        self.stored.retain(|id, _| assembler.knows(*id));
        Ok(())
    }

    /// Forgets who called on days up to `date`, after their tokens have gone.
    pub fn rolled(&mut self, date: Date) {
        self.callers.retain(|(_, day), _| *day > date);
        for stored in self.stored.values_mut().filter(|stored| stored.day <= date) {
            stored.call.token = None;
        }
        let stored = &self.stored;
        self.assembler.forget_tokens(|id| stored.get(&id).is_none_or(|stored| stored.day <= date));
    }

    /// Writes what the portion added up.
    pub fn finish(&mut self, work: &Work<'_>, portion: Portion) -> Result<(), StoreError> {
        work.add(&portion.deltas)?;
        let mut dates = BTreeSet::new();
        // A call over midnight keeps its line busy on the next day too.
        let touched = portion.deltas.iter().filter(|(_, by)| **by != 0);
        for (owner, date) in touched
            .map(|((owner, slot, _), _)| (owner.clone(), date_of(&self.zone, *slot)))
            .collect::<BTreeSet<_>>()
            .difference(&portion.days)
        {
            work.touch_day(owner, *date)?;
        }
        for (source, counts) in &portion.lines {
            work.count_lines(*source, counts)?;
            dates.extend(counts.keys().map(|(date, _)| *date));
        }
        for (owner, date) in &portion.days {
            work.touch_day(owner, *date)?;
        }
        let large = portion.lines.values().any(|lines| lines.values().sum::<i64>() > LARGE);
        for ((source, date), stretch) in portion.stretches {
            // What is compared with is stored at once: files, and days whose lines are gone.
            if self.watches.contains_key(&source) && self.kept_from.is_none_or(|kept| date >= kept) {
                let known = self.stretches.entry((source, date)).or_insert(stretch);
                *known = (known.0.min(stretch.0), known.1.max(stretch.1));
            } else {
                work.widen_stretch(source, date, stretch)?;
            }
        }
        self.unstored += 1;
        if large || self.unstored >= PORTIONS {
            self.keep_stretches(work)?;
        }
        for date in dates {
            work.touch_closed(date)?;
        }
        Ok(())
    }
}

impl Portion {
    pub(super) fn count(&mut self, source: u16, day: Date, kind: LineKind, by: i64) {
        *self.lines.entry(source).or_default().entry((day, kind.code())).or_insert(0) += by;
    }
}

fn note_record(portion: &mut Portion, source: &mut SourceRow, record: &MaskedRecord, at: Timestamp) {
    if let Some(stamp) = record.stamp {
        let at_the_practice = stamp.corrected();
        let second = second_of_day(at_the_practice);
        let stretch = portion.stretches.entry((source.id, at_the_practice.date())).or_insert((second, second));
        *stretch = (stretch.0.min(second), stretch.1.max(second));
        source.last_record = Some((at_the_practice.date(), at));
    }
}

pub(super) fn add(portion: &mut Portion, owner: &Owner, contributions: Vec<Contribution>, sign: i64) {
    for (slot, metric, by) in contributions {
        *portion.deltas.entry((owner.clone(), slot, metric)).or_insert(0) += by * sign;
    }
}
