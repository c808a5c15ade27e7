//! `rebuild`: derives history again from the stored lines, with the same functions that ran live, into a database in
//! memory; says what differs; and, when asked, puts it in place.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::books::{Batch, Entry, MaskedLine, Portion};
use super::keeper::Keeper;
use super::reader::kind;
use super::retry::Retry;
use super::setup::{self, SourcePlan};
use crate::aggregate::slots::{date_of, midnight};
use crate::call::LineRef;
use crate::dialect::{Line, Reading, SourceState, What};
use crate::number::Anonymous;
use crate::record::{LineKind, MaskedRecord};
use crate::store::{SourceRow, Store, StoreError, StoredCall, StoredLine, day_number};

/// Lines read at a time.
const PORTION: u32 = 5_000;

/// What a rebuild found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The first civil day that was derived again.
    pub from: Option<String>,
    /// Lines read.
    pub lines: u64,
    /// Lines of which only the shape is kept: they cannot be read again.
    pub shapes: u64,
    /// Calls derived.
    pub calls: u64,
    /// Lines that are now taken for something else.
    pub changed_lines: u64,
    /// Calls that are new, gone or different.
    pub changed_calls: u64,
    /// What changed, day by day and figure by figure: `2026-11-20 08:00 Missed 12 → 11`.
    pub figures: Vec<String>,
    /// Some of the calls that changed, each with how it ended before and after.
    pub examples: Vec<String>,
    /// Whether the new history was put in place.
    pub applied: bool,
}

impl Difference {
    /// Whether anything changed.
    pub fn is_none(&self) -> bool {
        self.changed_lines == 0 && self.changed_calls == 0 && self.figures.is_empty()
    }
}

/// Derives history again and says what differs; with `apply`, puts it in place.
pub fn rebuild(keeper: &mut Keeper, apply: bool) -> Result<Difference, StoreError> {
    derive(keeper, apply, None)
}

/// Reads the lines that `retry` holds again. Where some are understood now, the history that follows from the stored
/// lines and from them is put in place.
pub fn with_held_lines(keeper: &mut Keeper, retry: &mut Retry) -> Result<Difference, StoreError> {
    derive(keeper, true, Some(retry))
}

fn derive(keeper: &mut Keeper, apply: bool, mut retry: Option<&mut Retry>) -> Result<Difference, StoreError> {
    // What time has sealed is sealed on both sides of the comparison; and what it would decide soon is decided.
    keeper.seal(keeper.clock.now())?;
    keeper.decide(Timestamp::MAX)?;
    // Days some of whose lines are kept no more stay as they are; so does the first day after them, into which their
    // last calls may reach.
    let from = keeper.store.read().kept_from()?.and_then(|kept| kept.tomorrow().ok());
    let plans = all_plans(keeper)?;
    let stored = keeper.store.read().calls()?;
    let mut derived = Store::in_memory()?;
    let mut difference = Difference::default();
    {
        let work = derived.begin()?;
        for (_, plan) in &plans {
            work.source(&plan.name, &plan.dialect)?;
        }
        work.copy_rolled(&keeper.store.read())?;
        work.commit()?;
    }
    let mut books = setup::bare_books(&keeper.config, &keeper.store.read(), &keeper.ids)?;
    books.remember_repeats(&stored);
    books.measures = keeper.books.measures;
    {
        let gone = |source: u16| !plans.iter().any(|(id, _)| *id == source);
        let work = derived.begin()?;
        let mut portion = Portion::default();
        let calls = stored.iter().filter(|stored| gone(stored.call.id.source)).cloned();
        books.carry_over(&work, &mut portion, calls)?;
        books.finish(&work, portion)?;
        work.copy_line_counts(&keeper.store.read(), gone)?;
        work.commit()?;
    }
    for (source, plan) in &plans {
        let source = *source;
        let work = derived.begin()?;
        let Some(mut row) = work.read().source(&plan.name)? else { continue };
        row.id = source;
        if !keeper.ids.contains_key(&plan.name) || keeper.store.read().beginning(source)?.is_some() {
            begin(&keeper.store.read(), &mut row)?;
        }
        books.source(&work.read(), &row, plan.rules())?;
        work.commit()?;
        let mut state = std::mem::take(&mut row.state);
        let mut repeats = HashMap::new();
        let mut ahead = Ahead::default();
        let mut next = 1;
        loop {
            keeper.progress.worked();
            let lines = keeper.store.read().lines(source, next, PORTION)?;
            let Some(last) = lines.last().map(|line| line.line.seq) else { break };
            let kept = by_line(keeper.store.read().numbers(source, next, last)?);
            next = last + 1;
            let work = derived.begin()?;
            let mut portion = Portion::default();
            let mut batch = Batch {
                source,
                entries: Vec::new(),
                state: SourceState::default(),
                wire: None,
                mark: None,
                numbered: false,
            };
            for mut line in lines {
                difference.lines += 1;
                let today = date_of(&plan.zone, line.at);
                let raw = retry.as_deref_mut().filter(|_| line.shape);
                let found = raw.and_then(|retry| retry.read(&plan.plan, &state, &mut line, today));
                let stored = kept.get(&line.line.seq).map_or(&[][..], Vec::as_slice);
                let numbers = found.as_deref().unwrap_or(stored);
                let (mut entries, shape) = again(&plan.plan, &mut state, &line, numbers, today);
                if line.kind == LineKind::Duplicate {
                    repeats.insert(line.line.seq, line.reason.clone());
                }
                stay_repeats(&mut entries, &repeats);
                ahead.stays(&line, &mut entries);
                difference.shapes += u64::from(shape);
                let first = difference.from.get_or_insert_with(|| line.day.to_string());
                if line.day.to_string() < *first {
                    *first = line.day.to_string();
                }
                batch.entries.extend(entries);
            }
            batch.state = state.clone();
            books.take(&work, &mut portion, &mut row, &batch)?;
            books.finish(&work, portion)?;
            work.commit()?;
        }
        if let Some(retry) = retry.as_deref_mut() {
            retry.rows.insert(source, row);
        }
    }
    if retry.as_ref().is_some_and(|retry| retry.counts().1 == 0) {
        return Ok(Difference::default());
    }
    let now = keeper.clock.now();
    let work = derived.begin()?;
    let mut portion = Portion::default();
    let (judged, closing) = keeper.judged(now);
    books.tick(&work, &mut portion, judged, closing)?;
    books.finish(&work, portion)?;
    work.commit()?;
    compare(keeper, &derived, &stored, &plans, from, &mut difference)?;
    if apply && (retry.is_some() || !difference.is_none()) {
        let begins = begins(keeper, from);
        let work = keeper.store.begin()?;
        work.replace_history(&derived.read(), from, begins)?;
        let from = from.unwrap_or(Date::MIN);
        let days: BTreeSet<_> = derived
            .read()
            .calls()?
            .into_iter()
            .chain(stored)
            .map(|stored| (stored.call.owner.clone(), stored.day))
            .filter(|(_, day)| *day >= from)
            .collect();
        for (owner, date) in days {
            work.touch_day(&owner, date)?;
        }
        for date in derived.read().line_days()?.into_iter().filter(|date| *date >= from) {
            work.touch_closed(date)?;
        }
        if let Some(retry) = &retry {
            retry.store(&work, &keeper.rows)?;
        }
        work.audit(now, "smdrd", &format!("rebuilt: {} calls changed", difference.changed_calls))?;
        work.commit()?;
        if let Some(retry) = retry {
            retry.done();
        }
        keeper.rebuilt()?;
        difference.applied = true;
    }
    Ok(difference)
}

/// The plans of all sources whose lines can be read again, each with its number: those that are configured, and files
/// that were imported.
fn all_plans(keeper: &Keeper) -> Result<Vec<(u16, SourcePlan)>, StoreError> {
    // Of a source whose dialect cannot be used, what is known stays.
    let usable = keeper.plans.iter().filter(|plan| plan.plan.why_unusable().is_none());
    let configured = usable.filter_map(|plan| Some((*keeper.ids.get(&plan.name)?, plan.clone())));
    let mut plans: Vec<(u16, SourcePlan)> = configured.collect();
    for row in keeper.store.read().imports()? {
        if let Ok(plan) = SourcePlan::of_import(&keeper.config, &row) {
            plans.push((row.source, plan));
        }
    }
    Ok(plans)
}

/// Puts a file, or a source whose older lines are gone, where it stood before the first of its lines that is kept.
fn begin(read: &crate::store::Reading<'_>, row: &mut SourceRow) -> Result<(), StoreError> {
    let Some(first) = read.lines(row.id, 1, 1)?.pop() else { return Ok(()) };
    // A title before the first record was counted with it.
    row.last_record = Some((first.day, first.at));
    if let Some((state, wall)) = read.stood_at(row.id, first.line.seq)? {
        row.state = serde_json::from_str(&state).unwrap_or_default();
        row.wall = serde_json::from_str(&wall).unwrap_or_default();
    }
    Ok(())
}

/// That a line may repeat another was decided when it came, and stays.
fn stay_repeats(entries: &mut [Entry], repeats: &HashMap<u64, Option<String>>) {
    for entry in entries {
        let (seq, kind, reason) = match entry {
            Entry::Line(line) => (line.seq, &mut line.kind, &mut line.reason),
            Entry::Settled { seq, kind, reason, .. } => (*seq, kind, reason),
            Entry::Idle(_) => continue,
        };
        if matches!(kind, LineKind::Record | LineKind::Continuation | LineKind::Event)
            && let Some(why) = repeats.get(&seq)
        {
            *kind = LineKind::Duplicate;
            reason.clone_from(why);
        }
    }
}

/// What was taken off the stamps of a source when its lines came stays taken off, whatever the configuration says now.
#[derive(Default)]
struct Ahead {
    of_lines: HashMap<u64, i64>,
    last: i64,
}

impl Ahead {
    fn stays(&mut self, line: &StoredLine, entries: &mut [Entry]) {
        if let Some(stamp) = line.record.as_ref().and_then(|record| record.stamp) {
            self.last = stamp.ahead_s;
            if stamp.ahead_s != 0 {
                self.of_lines.insert(line.line.seq, stamp.ahead_s);
            }
        }
        for entry in entries {
            let (seq, record) = match entry {
                Entry::Line(line) => (line.seq, &mut line.record),
                Entry::Settled { seq, record, .. } => (*seq, record),
                Entry::Idle(_) => continue,
            };
            if let Some(stamp) = record.as_mut().and_then(|record| record.stamp.as_mut()) {
                // A line that is understood only now came when its neighbours did.
                let new = line.line.seq == seq && line.record.is_none();
                stamp.ahead_s = self.of_lines.get(&seq).copied().unwrap_or(if new { self.last } else { 0 });
            }
        }
    }
}

fn by_line(numbers: Vec<(u64, (u16, Anonymous))>) -> HashMap<u64, Vec<(u16, Anonymous)>> {
    let mut by_line: HashMap<u64, Vec<(u16, Anonymous)>> = HashMap::new();
    for (seq, number) in numbers {
        by_line.entry(seq).or_default().push(number);
    }
    by_line
}

/// Reads a stored line again. The numbers come from beside the line; a shape stays what it was.
fn again(
    plan: &crate::dialect::Plan,
    state: &mut SourceState,
    line: &StoredLine,
    kept: &[(u16, Anonymous)],
    today: Date,
) -> (Vec<Entry>, bool) {
    let mut entries = Vec::new();
    let masked =
        |kind: LineKind, reason: Option<String>, column: Option<u16>, record: Option<MaskedRecord>| MaskedLine {
            seq: line.line.seq,
            at: line.at,
            kind,
            text: Vec::new(),
            reason,
            column,
            numbers: kept.iter().map(|(start, number)| (*start, number.clone())).collect(),
            record,
            stamp: None,
            idle: line.idle,
            shape: line.shape,
            sequence: None,
        };
    if line.shape || line.kind == LineKind::Noise {
        entries.push(Entry::Line(masked(line.kind, line.reason.clone(), line.column, None)));
    } else {
        let mut reading = Reading::default();
        plan.step(state, &Line { no: line.line.seq, bytes: &line.text, kept, today }, &mut reading);
        settled(reading, line, &masked, &mut entries);
    }
    if line.idle {
        let mut reading = Reading::default();
        plan.idle(state, &mut reading);
        settled(reading, line, &masked, &mut entries);
    }
    (entries, line.shape)
}

fn settled(
    reading: Reading,
    line: &StoredLine,
    masked: &impl Fn(LineKind, Option<String>, Option<u16>, Option<MaskedRecord>) -> MaskedLine,
    entries: &mut Vec<Entry>,
) {
    for settled in reading.settled {
        let kind = kind(&settled.what);
        let (record, reason, column) = match settled.what {
            What::Record(record) => (Some(record.map_numbers(|number| number.kept().cloned())), None, None),
            What::Unparsed { reason, column } => (None, Some(reason), column),
            _ => (None, None, None),
        };
        let own = settled.no == line.line.seq && !entries.iter().any(|entry| matches!(entry, Entry::Line(_)));
        if own {
            entries.push(Entry::Line(masked(kind, reason, column, record)));
        } else {
            entries.push(Entry::Settled { seq: settled.no, kind, reason, record, at: line.at });
        }
    }
}

fn compare(
    keeper: &Keeper,
    derived: &Store,
    stored: &[StoredCall],
    plans: &[(u16, SourcePlan)],
    from: Option<Date>,
    difference: &mut Difference,
) -> Result<(), StoreError> {
    let new = derived.read().calls()?;
    difference.calls = new.len() as u64;
    if let Some(from) = from {
        difference.from = Some(from.to_string());
    }
    let first = from.unwrap_or(Date::MIN);
    let index = |calls: &[StoredCall]| -> BTreeMap<LineRef, StoredCall> {
        let calls = calls.iter().filter(|stored| stored.day >= first);
        calls.map(|stored| (stored.call.id, unlinked(stored))).collect()
    };
    let (before, after) = (index(stored), index(&new));
    let ids: BTreeSet<LineRef> = before.keys().chain(after.keys()).copied().collect();
    for id in ids {
        let (old, new) = (before.get(&id), after.get(&id));
        if old != new {
            difference.changed_calls += 1;
            if difference.examples.len() < 20 {
                let say = |stored: Option<&StoredCall>| match stored {
                    None => "no call".to_owned(),
                    Some(stored) => format!(
                        "{:?} {} wait {:?} talk {:?}",
                        stored.call.kind, stored.call.rule, stored.call.wait_s, stored.call.talk_s
                    ),
                };
                difference.examples.push(format!("line {}/{}: {} → {}", id.source, id.seq, say(old), say(new)));
            }
        }
    }
    for (source, _) in plans {
        let source = *source;
        let mut next = 1;
        loop {
            let old = keeper.store.read().lines(source, next, PORTION)?;
            let Some(last) = old.last() else { break };
            let new = derived.read().lines(source, next, PORTION)?;
            next = last.line.seq + 1;
            difference.changed_lines += old
                .iter()
                .zip(&new)
                .filter(|(old, new)| old.day >= first || new.day >= first)
                .filter(|(old, new)| (old.kind, &old.record, old.day) != (new.kind, &new.record, new.day))
                .count() as u64;
        }
    }
    let (old, new) = (keeper.store.read().counters()?, derived.read().counters()?);
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let zone = keeper.config.time_zone();
    let start = begins(keeper, from).as_second();
    for key in keys.into_iter().filter(|key| key.2 >= start) {
        let (was, is) = (old.get(key).copied().unwrap_or(0), new.get(key).copied().unwrap_or(0));
        if was != is {
            let slot = jiff::Timestamp::from_second(key.2).unwrap_or_default();
            let local = zone.to_datetime(slot).strftime("%Y-%m-%d %H:%M");
            let metric = crate::aggregate::count::Metric::from_code(key.3);
            let metric = metric.map_or_else(|| format!("counter {}", key.3), |metric| format!("{metric:?}"));
            difference.figures.push(format!("{} {} {local} {metric} {was} → {is}", key.0, key.1));
        }
    }
    let first = day_number(first);
    let of_whole_days = |counts: BTreeMap<(i64, i64, i64), i64>| -> BTreeMap<_, _> {
        counts.into_iter().filter(|((_, day, _), _)| *day >= first).collect()
    };
    let (old, new) = (of_whole_days(keeper.store.read().line_counts()?), of_whole_days(derived.read().line_counts()?));
    if old != new {
        difference.figures.push("line counts differ".into());
    }
    Ok(())
}

/// The first instant that is derived again.
fn begins(keeper: &Keeper, from: Option<Date>) -> Timestamp {
    from.map_or(Timestamp::MIN, |from| midnight(&keeper.config.time_zone(), from))
}

/// The call without what joins calls: that is not derived, only kept.
fn unlinked(stored: &StoredCall) -> StoredCall {
    let mut stored = stored.clone();
    stored.call.token = None;
    stored.call.peer = None;
    stored
}
