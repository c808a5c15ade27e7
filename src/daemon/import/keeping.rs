//! The writer's side of an import: what of a file is counted, what may repeat other lines, and what is kept.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::reading::counted;
use super::tally::{Day, NotUnderstood, OutOfRange, Outcome, Report, Tally};
use super::trace::Place;
use crate::aggregate::SourceInput;
use crate::aggregate::coverage::{Links, Up};
use crate::aggregate::slots::date_of;
use crate::daemon::books::{Batch, Books, Entry, Portion};
use crate::daemon::keeper::Keeper;
use crate::daemon::setup::SourcePlan;
use crate::dialect::{CANNOT, SourceState};
use crate::record::{LineKind, MaskedRecord};
use crate::store::{ImportRow, Reading, SourceRow, StoreError, Stretch, Work, second_of_day};

/// How many days behind the file's own clock nothing changes any more.
const SETTLED: i64 = 2;
/// For how long after its last line an import that was cut off keeps its days open, so that it can go on.
const RESUMABLE: SignedDuration = SignedDuration::from_hours(1);

/// An import in progress.
#[derive(Debug)]
pub struct Import {
    /// What is stored of it; without a number as long as nothing is.
    pub row: ImportRow,
    /// How its lines are read.
    pub plan: SourcePlan,
    /// Who asked for it.
    pub who: String,
    /// What was added up in this run.
    pub tally: Tally,
    source: Option<SourceRow>,
    known: Vec<String>,
    /// Days before this one are settled, as are lines before `first`.
    settled: Option<Date>,
    first: u64,
    /// Lines by kind, and calls, before this run.
    before: ([u64; 7], u64),
}

/// What a file is in the document of a day.
#[derive(Debug)]
pub struct FileOfDay {
    /// The source whose PBX wrote it.
    pub of: String,
    /// From its first record of the day to its last; on a day of 23 or 25 hours an hour out at most.
    pub stretch: Up,
    /// What it gives.
    pub input: SourceInput,
}

/// What a record's date and time say of it.
enum Verdict {
    Counted,
    MayRepeat(String),
    LeftOut,
}

type Stretches = HashMap<Date, Vec<(String, Stretch)>>;

impl Import {
    /// A new import, or one that goes on.
    pub fn new(row: ImportRow, plan: SourcePlan, who: String, known: Vec<String>) -> Import {
        Import {
            row,
            plan,
            who,
            tally: Tally::default(),
            source: None,
            known,
            settled: None,
            first: 0,
            before: ([0; 7], 0),
        }
    }

    /// The first and the last date that is counted.
    fn range(&self) -> (Date, Date) {
        counted(&self.plan.zone, self.row.began)
    }

    fn judge(
        &mut self,
        read: &Reading<'_>,
        others: &mut Stretches,
        record: &MaskedRecord,
    ) -> Result<Verdict, StoreError> {
        let Some(stamp) = record.stamp else { return Ok(Verdict::Counted) };
        let (date, second) = (stamp.at.date(), second_of_day(stamp.at));
        let (from, to) = self.range();
        if date < from || date > to {
            *self.tally.left_out.entry(date).or_default() += 1;
            return Ok(Verdict::LeftOut);
        }
        self.tally.days.insert(date);
        if self.row.overlap {
            return Ok(Verdict::Counted);
        }
        let others = match others.entry(date) {
            Slot::Occupied(known) => known.into_mut(),
            Slot::Vacant(empty) => empty.insert(read.stretches(&self.row.of, self.row.source, &self.known, date)?),
        };
        let among = others.iter().find(|(_, (from, to))| (*from..=*to).contains(&second));
        Ok(match among {
            Some((name, _)) => {
                self.tally.repeats.insert(name.clone());
                Verdict::MayRepeat(name.clone())
            }
            None => Verdict::Counted,
        })
    }

    /// Puts the verdicts into the entries.
    fn sift(&mut self, read: &Reading<'_>, entries: Vec<Entry>) -> Result<Vec<Entry>, StoreError> {
        let mut others = Stretches::new();
        let mut sifted = Vec::with_capacity(entries.len());
        for mut entry in entries {
            let (seq, kind, reason, record) = match &mut entry {
                Entry::Line(line) => (line.seq, &mut line.kind, &mut line.reason, line.record.as_ref()),
                Entry::Settled { seq, kind, reason, record, .. } => (*seq, kind, reason, record.as_ref()),
                Entry::Idle(_) => {
                    sifted.push(entry);
                    continue;
                }
            };
            let verdict = match record {
                Some(record) => self.judge(read, &mut others, record)?,
                None => Verdict::Counted,
            };
            match verdict {
                Verdict::Counted => {}
                // Of a record that a later line closed: its own lines are stored already.
                Verdict::LeftOut => {
                    *kind = LineKind::Duplicate;
                    *reason = Some("its date is not counted".into());
                }
                Verdict::MayRepeat(name) => {
                    *kind = LineKind::Duplicate;
                    *reason = Some(format!("may repeat a record of {name}"));
                }
            }
            if *kind == LineKind::Unparsed && self.tally.unparsed_at.len() < super::tally::EXAMPLES {
                let column = if let Entry::Line(line) = &entry { line.column } else { None };
                let reason = match &entry {
                    Entry::Line(line) => line.reason.clone(),
                    Entry::Settled { reason, .. } => reason.clone(),
                    Entry::Idle(_) => None,
                };
                let reason = reason.unwrap_or_else(|| "no rule understands it".into());
                self.tally.unparsed_at.push(NotUnderstood { line: seq, column, reason });
            }
            sifted.push(entry);
        }
        Ok(sifted)
    }

    /// What this run came to.
    pub fn report(
        &self,
        read: &Reading<'_>,
        state: Outcome,
        already: u64,
        half_line: bool,
    ) -> Result<Report, StoreError> {
        let (counts, _, calls) = match &self.source {
            Some(source) => read.totals_of(source.id)?,
            None => ([0; 7], 0, 0),
        };
        let mut new = [0; 7];
        for ((new, now), before) in new.iter_mut().zip(counts).zip(self.before.0) {
            *new = now.saturating_sub(before);
        }
        let [records, continuations, events, headers, noise, unparsed, duplicates] = new;
        let mut days = Vec::new();
        if let (Some(source), Some(from), Some(to)) = (&self.source, self.tally.days.first(), self.tally.days.last()) {
            let all = read.import_days(source.id, *from, *to)?;
            days.extend(all.into_iter().filter(|day| self.tally.days.contains(&day.date)).map(|day| Day {
                date: day.date,
                records: day.records,
                duplicates: day.duplicates,
                calls: day.calls,
            }));
        }
        let left_out = &self.tally.left_out;
        let (counted_from, counted_to) = self.range();
        Ok(Report {
            import: self.row.name.clone(),
            source: self.row.of.clone(),
            state,
            already,
            lines: new.iter().sum(),
            records,
            continuations,
            events,
            headers,
            noise,
            unparsed,
            duplicates,
            out_of_range: OutOfRange {
                records: left_out.values().sum(),
                first: left_out.first_key_value().map(|(date, _)| *date),
                last: left_out.last_key_value().map(|(date, _)| *date),
                counted_from: Some(counted_from),
                counted_to: Some(counted_to),
            },
            half_line,
            calls: calls.saturating_sub(self.before.1),
            days,
            kept_from: Some(self.row.oldest),
            repeats: self.tally.repeats.clone(),
            unparsed_at: self.tally.unparsed_at.clone(),
        })
    }
}

impl Keeper {
    /// Takes up lines of a file, and notes how far it has come; all of it in one transaction. `cut` is the first line
    /// of a day that is kept, with the dialect's state before it.
    pub(super) fn take_import(
        &mut self,
        import: &mut Import,
        batch: Batch,
        place: Place,
        cut: Option<&(u64, SourceState)>,
    ) -> Result<(), StoreError> {
        self.find_way()?;
        let result = self.try_take_import(import, batch, place, cut);
        self.astray = result.is_err();
        result
    }

    fn try_take_import(
        &mut self,
        import: &mut Import,
        batch: Batch,
        place: Place,
        cut: Option<&(u64, SourceState)>,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let work = self.store.begin()?;
        let mut row = open(&work, import, now)?;
        if !self.books.has(row.id) {
            self.books.file(&work.read(), &row, &import.plan, self.ids.get(&import.row.of).copied())?;
        }
        let (mut portion, source) = (Portion::default(), row.id);
        let entries = import.sift(&work.read(), batch.entries)?;
        if row.last_record.is_none() {
            // A title before the first record belongs to its day.
            let first = entries.iter().find_map(|entry| match entry {
                Entry::Line(line) => line.record.as_ref()?.stamp,
                _ => None,
            });
            row.last_record = first.map(|stamp| (stamp.at.date(), import.row.began));
        }
        let cut_at = cut.and_then(|(seq, state)| {
            let is_it = |entry: &Entry| matches!(entry, Entry::Line(line) if line.seq == *seq);
            Some((entries.iter().position(is_it)?, state.clone()))
        });
        let mut rest = entries;
        if let Some((at, mut state)) = cut_at {
            let kept = rest.split_off(at);
            let first_seq = cut.map_or(row.next_seq, |(seq, _)| *seq);
            let old = Batch { source, entries: rest, state: state.clone(), wire: None, mark: None };
            self.books.take(&work, &mut portion, &mut row, &old)?;
            state.forget_tokens();
            work.snapshot(&SourceRow { next_seq: first_seq, state, ..row.clone() }, import.row.oldest)?;
            rest = kept;
        }
        let batch = Batch { source, entries: rest, state: batch.state, wire: batch.wire, mark: None };
        self.books.take(&work, &mut portion, &mut row, &batch)?;
        self.books.finish(&work, portion)?;
        row.next_seq = place.lines + 1;
        work.put_source(&row)?;
        (import.row.lines, import.row.hash, import.row.touched) = (place.lines, place.hash, now);
        work.put_import(&import.row)?;
        if let Some(until) = self.books.unsettled(source, &import.plan.zone)
            && import.settled.is_none_or(|settled| until > settled)
        {
            import.first = work.settle_import(source, import.first, until, import.row.oldest)?;
            import.settled = Some(until);
        }
        work.commit()?;
        import.source = Some(row);
        Ok(())
    }

    /// Ends an import: the file has no more lines.
    pub(super) fn end_import(&mut self, import: &mut Import, summary: &str) -> Result<(), StoreError> {
        self.find_way()?;
        let result = self.try_end_import(import, summary);
        self.astray = result.is_err();
        result
    }

    fn try_end_import(&mut self, import: &mut Import, summary: &str) -> Result<(), StoreError> {
        let now = self.clock.now();
        let work = self.store.begin()?;
        let row = open(&work, import, now)?;
        if !self.books.has(row.id) {
            self.books.file(&work.read(), &row, &import.plan, self.ids.get(&import.row.of).copied())?;
        }
        let mut portion = Portion::default();
        self.books.seal(&work, &mut portion, row.id)?;
        self.books.finish(&work, portion)?;
        work.settle_import(row.id, import.first, Date::MAX, import.row.oldest)?;
        (import.row.done, import.row.touched) = (true, now);
        work.put_import(&import.row)?;
        work.audit(now, &import.who, &format!("{}: {summary}", import.row.name))?;
        work.commit()?;
        self.books.leave(row.id);
        import.source = Some(row);
        // What was taken away must not stay in a free page or in the log.
        self.store.scrub()
    }

    /// Lets go of an import that was cut off; it can go on where it stopped.
    pub(super) fn leave_import(&mut self, name: &str) -> Result<(), StoreError> {
        if let Some(row) = self.store.read().source(name)? {
            self.books.leave(row.id);
        }
        Ok(())
    }

    /// The files that gave records for a day which begins at `start`.
    pub(in crate::daemon) fn files_of(&self, date: Date, start: Timestamp) -> Result<Vec<FileOfDay>, StoreError> {
        let read = self.store.read();
        let file = |(row, (from, to)): (ImportRow, Stretch)| {
            let at = |second: i64| start.saturating_add(SignedDuration::from_secs(second)).unwrap_or(start);
            let stretch = Up { from: at(from), to: at(to) };
            let plan = SourcePlan::of_import(&self.config, &row).ok();
            let input = SourceInput {
                name: row.name.clone(),
                dialect: row.dialect.clone(),
                // Of a dialect that is gone nobody can say what it shows.
                cannot: match &plan {
                    Some(plan) => plan.plan.cannot().to_vec(),
                    None => CANNOT.iter().map(|word| (*word).to_owned()).collect(),
                },
                shows_callback: plan.is_some_and(|plan| plan.plan.shows_callback()),
                lines: read.lines_of(row.source, date)?,
                may_repeat: 0,
                clock_offset_s: None,
                links: Links {
                    source: row.name,
                    imported: vec![stretch],
                    beside: self.plans.iter().any(|plan| plan.name == row.of),
                    ..Links::default()
                },
            };
            Ok(FileOfDay { of: row.of, stretch, input })
        };
        read.imports_on(date)?.into_iter().map(file).collect()
    }

    /// The days that imports are busy with: they are closed when the file is in, or when it is not gone on with.
    pub(in crate::daemon) fn days_being_imported(&self, now: Timestamp) -> Result<Vec<Date>, StoreError> {
        self.store.read().days_being_imported(now - RESUMABLE)
    }
}

/// Where the import stands; made when it is new.
fn open(work: &Work<'_>, import: &mut Import, now: Timestamp) -> Result<SourceRow, StoreError> {
    let is_new = import.row.source == 0;
    let there = work.read().imports()?.iter().any(|known| known.source == import.row.source);
    if !is_new && !there {
        let how = "a new one was begun while the file came in".to_owned();
        return Err(StoreError::Damaged { how });
    }
    let row = work.source(&import.row.name, &import.row.dialect)?;
    if is_new {
        import.row.source = row.id;
    }
    if import.source.is_none() {
        let (counts, _, calls) = work.read().totals_of(row.id)?;
        import.before = (counts, calls);
        import.row.done = false;
        let (way, dialect) = (if is_new { "began" } else { "went on" }, &import.row.dialect);
        let mut what = format!("import {way}: {}, lines of {} in {dialect}", import.row.name, import.row.of);
        if import.row.overlap {
            what += ", counted also where they fall among other calls";
        }
        work.audit(now, &import.who, &what)?;
    }
    Ok(row)
}

impl Books {
    /// Adds a file as a source.
    fn file(
        &mut self,
        read: &Reading<'_>,
        row: &SourceRow,
        plan: &SourcePlan,
        of: Option<u16>,
    ) -> Result<(), StoreError> {
        self.late.insert(row.id);
        if let Some(of) = of {
            self.assembler.stands_for(row.id, of);
        }
        self.source(read, row, plan.rules())
    }

    /// Whether it has this source.
    fn has(&self, source: u16) -> bool {
        self.assembler.has(source)
    }

    /// The first day of a file that may still change: by a leg that joins a call, or by a caller who rings again.
    fn unsettled(&self, source: u16, zone: &TimeZone) -> Option<Date> {
        let reached = date_of(zone, self.assembler.wall(source).reached()?).checked_sub(SETTLED.days()).ok()?;
        let earliest = self.assembler.earliest(source).map(|earliest| date_of(zone, earliest));
        Some(earliest.map_or(reached, |earliest| earliest.min(reached)))
    }

    /// Seals every call of a source: nothing more will come.
    fn seal(&mut self, work: &Work<'_>, portion: &mut Portion, source: u16) -> Result<(), StoreError> {
        for call in self.assembler.tick(Timestamp::MIN, |call| call.id.source == source) {
            self.change(work, portion, call)?;
        }
        Ok(())
    }

    /// Lets go of a source; what is stored of it stays.
    fn leave(&mut self, source: u16) {
        self.assembler.leave(source);
        self.late.remove(&source);
        self.swept.remove(&source);
        self.stored.retain(|id, _| id.source != source);
    }
}
