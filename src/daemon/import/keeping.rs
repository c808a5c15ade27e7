//! The writer's side of an import: what becomes of its lines, and what is kept.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::placing::Around;
use super::sifting::Import;
use super::trace::Place;
use crate::aggregate::SourceInput;
use crate::aggregate::coverage::{Links, Up};
use crate::aggregate::slots::date_of;
use crate::call::LineRef;
use crate::daemon::books::{Batch, Books, Entry, Portion};
use crate::daemon::keeper::Keeper;
use crate::daemon::setup::SourcePlan;
use crate::dialect::{CANNOT, SourceState};
use crate::store::{ImportRow, Reading, SourceRow, StoreError, Stretch, Work};

/// How many days behind the file's own clock nothing changes any more.
const SETTLED: i64 = 2;
/// For how long after its last line an import that was cut off keeps its days open, so that it can go on.
const RESUMABLE: SignedDuration = SignedDuration::from_hours(1);

/// What a file is in the document of a day.
#[derive(Debug)]
pub struct FileOfDay {
    /// The source whose PBX wrote it.
    pub of: String,
    /// From its first call of the day to its last.
    pub stretch: Up,
    /// What it gives.
    pub input: SourceInput,
}

impl Keeper {
    /// Takes up lines of a file, and notes how far it has come; all of it in one transaction. `around` are the lines with
    /// those before and behind them; `cut` is the first line of a day that is kept, with the dialect's state before it.
    pub(super) fn take_import(
        &mut self,
        import: &mut Import,
        batch: Batch,
        place: Place,
        around: &Around,
        cut: Option<&(u64, SourceState)>,
    ) -> Result<(), StoreError> {
        self.find_way()?;
        let result = self.try_take_import(import, batch, place, around, cut);
        self.astray = result.is_err();
        result
    }

    fn try_take_import(
        &mut self,
        import: &mut Import,
        batch: Batch,
        place: Place,
        around: &Around,
        cut: Option<&(u64, SourceState)>,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let work = self.store.begin()?;
        let mut row = open(&work, import, now)?;
        if !self.books.has(row.id) {
            self.books.file(&work.read(), &row, &import.plan, self.ids.get(&import.row.of).copied())?;
        }
        let (mut portion, source) = (Portion::default(), row.id);
        let mut placed = import.place(&work.read(), row.id, around)?;
        let mut entries = import.sift(&work.read(), batch.entries, &mut placed)?;
        if let Some(of) = self.ids.get(&import.row.of) {
            let has_key = self.books.corrections.contains_key(of);
            import.correct(&work.read(), *of, has_key, &mut entries)?;
        }
        let decided = placed.into_iter().map(|(seq, repeats)| (LineRef { source, seq }, repeats));
        self.books.decided = decided.collect();
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
            let old = Batch { source, entries: rest, state: state.clone(), wire: None, mark: None, numbered: false };
            self.books.take(&work, &mut portion, &mut row, &old)?;
            state.forget_tokens();
            work.snapshot(&SourceRow { next_seq: first_seq, state, ..row.clone() }, import.row.oldest)?;
            rest = kept;
        }
        let batch = Batch { source, entries: rest, state: batch.state, wire: batch.wire, mark: None, numbered: false };
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
        self.books.decided.clear();
        import.source = Some(row);
        if self.is_of_now(import) { self.tell_of_import(&import.row.of, true) } else { Ok(()) }
    }

    /// Whether an import has come to the days that its PBX prints of now.
    fn is_of_now(&self, import: &Import) -> bool {
        let row = self.ids.get(&import.row.of).and_then(|live| self.rows.get(live));
        let today = date_of(&import.plan.zone, self.clock.now());
        let now_at = row.and_then(|row| row.last_record).map_or(today, |(date, _)| date);
        import.tally.days.last().is_some_and(|newest| *newest >= now_at)
    }

    /// What a file gave was printed before, wherever it comes from next. With `of_now` the PBX may print it right now.
    fn tell_of_import(&mut self, of: &str, of_now: bool) -> Result<(), StoreError> {
        let Some(live) = self.ids.get(of).copied() else { return Ok(()) };
        let read = self.store.read();
        let files = read.files_of(of)?;
        self.books.printed_elsewhere(&read, live, &files, of_now)
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
        self.tell_of_import(&import.row.of, self.is_of_now(import))?;
        // What was taken away must not stay in a free page or in the log.
        self.store.scrub()
    }

    /// Lets go of an import that was cut off; it can go on where it stopped.
    pub(super) fn leave_import(&mut self, name: &str) -> Result<(), StoreError> {
        if let Some(row) = self.store.read().source(name)? {
            self.books.leave(row.id);
        }
        let of = self.store.read().imports()?.into_iter().find(|row| row.name == name).map(|row| row.of);
        of.map_or(Ok(()), |of| self.tell_of_import(&of, true))
    }

    /// The files that gave records for a day which begins at `start`.
    pub(in crate::daemon) fn files_of(&self, date: Date, start: Timestamp) -> Result<Vec<FileOfDay>, StoreError> {
        let read = self.store.read();
        let file = |(row, (from, to)): (ImportRow, Stretch)| {
            let at = |second: i64| start.saturating_add(SignedDuration::from_secs(second)).unwrap_or(start);
            // What repeats others was heard by them: it is no reason why a gap of the PBX's link is none.
            let (from, to) = read.span_of_calls(row.source, date)?.unwrap_or((at(from), at(to)));
            let stretch = Up { from, to };
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
                may_repeat: read.may_repeat(row.source, date)?,
                missing: 0,
                clock_offset_s: None,
                clock_corrected_s: None,
                clock_fault: None,
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
            what += ", compared with nothing";
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
