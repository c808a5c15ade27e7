//! `rebuild`: derives history again from the stored lines, with the same functions that ran live, into a database in
//! memory; says what differs; and, when asked, puts it in place.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::books::{Batch, Entry, MaskedLine, Portion};
use super::keeper::Keeper;
use super::reader::kind;
use super::retry::Retry;
use super::setup::{self, SourcePlan};
use crate::aggregate::slots::date_of;
use crate::call::LineRef;
use crate::dialect::{Line, Reading, SourceState, What};
use crate::number::Anonymous;
use crate::record::{LineKind, MaskedRecord};
use crate::store::{Store, StoreError, StoredCall, StoredLine};

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
    // What time has sealed is sealed on both sides of the comparison.
    keeper.seal(keeper.clock.now())?;
    let stored = keeper.store.read().calls()?;
    let mut derived = Store::in_memory()?;
    let mut difference = Difference::default();
    {
        let work = derived.begin()?;
        for plan in &keeper.plans {
            work.source(&plan.name, &plan.dialect)?;
        }
        work.copy_rolled(&keeper.store.read())?;
        work.commit()?;
    }
    let mut books = setup::books(&keeper.config, &derived, &keeper.plans)?;
    books.remember_repeats(&stored);
    {
        // Nor can those of a source whose dialect cannot be used: what is known of them stays.
        let read = |plan: &SourcePlan| plan.plan.why_unusable().is_none();
        let gone =
            |source: u16| !keeper.plans.iter().any(|plan| read(plan) && keeper.ids.get(&plan.name) == Some(&source));
        let work = derived.begin()?;
        let mut portion = Portion::default();
        let calls = stored.iter().filter(|stored| gone(stored.call.id.source)).cloned();
        books.carry_over(&work, &mut portion, calls)?;
        books.finish(&work, portion)?;
        work.copy_line_counts(&keeper.store.read(), gone)?;
        work.commit()?;
    }
    for plan in keeper.plans.iter().filter(|plan| plan.plan.why_unusable().is_none()) {
        let Some(source) = keeper.ids.get(&plan.name).copied() else { continue };
        let work = derived.begin()?;
        let Some(mut row) = work.read().source(&plan.name)? else { continue };
        row.id = source;
        books.source(&work.read(), &row, plan.rules())?;
        work.commit()?;
        let mut state = SourceState::default();
        let mut next = 1;
        loop {
            let lines = keeper.store.read().lines(source, next, PORTION)?;
            let Some(last) = lines.last().map(|line| line.line.seq) else { break };
            let kept = by_line(keeper.store.read().numbers(source, next, last)?);
            next = last + 1;
            let work = derived.begin()?;
            let mut portion = Portion::default();
            let mut batch =
                Batch { source, entries: Vec::new(), state: SourceState::default(), wire: None, mark: None };
            for mut line in lines {
                difference.lines += 1;
                let today = date_of(&plan.zone, line.at);
                let raw = retry.as_deref_mut().filter(|_| line.shape);
                let found = raw.and_then(|retry| retry.read(&plan.plan, &state, &mut line, today));
                let stored = kept.get(&line.line.seq).map_or(&[][..], Vec::as_slice);
                let numbers = found.as_deref().unwrap_or(stored);
                let (entries, shape) = again(&plan.plan, &mut state, &line, numbers, today);
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
    let closing = (0..).map(|ahead| keeper.date(now) - jiff::Span::new().days(ahead)).find(|day| keeper.is_over(*day));
    let closing = closing.and_then(|day| day.tomorrow().ok()).unwrap_or(keeper.date(now));
    books.tick(&work, &mut portion, now, closing)?;
    books.finish(&work, portion)?;
    work.commit()?;
    compare(keeper, &derived, &stored, &mut difference)?;
    if apply && (retry.is_some() || !difference.is_none()) {
        let work = keeper.store.begin()?;
        work.replace_history(&derived.read())?;
        let days: BTreeSet<_> = derived
            .read()
            .calls()?
            .into_iter()
            .chain(stored)
            .map(|stored| (stored.call.owner.clone(), stored.day))
            .collect();
        for (owner, date) in days {
            work.touch_day(&owner, date)?;
        }
        for date in derived.read().line_days()? {
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
    today: jiff::civil::Date,
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
            idle: line.idle,
            shape: line.shape,
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
    difference: &mut Difference,
) -> Result<(), StoreError> {
    let new = derived.read().calls()?;
    difference.calls = new.len() as u64;
    let index = |calls: &[StoredCall]| -> BTreeMap<LineRef, StoredCall> {
        calls.iter().map(|stored| (stored.call.id, unlinked(stored))).collect()
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
    for plan in keeper.plans.iter().filter(|plan| plan.plan.why_unusable().is_none()) {
        let Some(source) = keeper.ids.get(&plan.name).copied() else { continue };
        let mut next = 1;
        loop {
            let old = keeper.store.read().lines(source, next, PORTION)?;
            let Some(last) = old.last() else { break };
            let new = derived.read().lines(source, next, PORTION)?;
            next = last.line.seq + 1;
            difference.changed_lines += old
                .iter()
                .zip(&new)
                .filter(|(old, new)| (old.kind, &old.record, old.day) != (new.kind, &new.record, new.day))
                .count() as u64;
        }
    }
    let (old, new) = (keeper.store.read().counters()?, derived.read().counters()?);
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let zone = keeper.config.time_zone();
    for key in keys {
        let (was, is) = (old.get(key).copied().unwrap_or(0), new.get(key).copied().unwrap_or(0));
        if was != is {
            let slot = jiff::Timestamp::from_second(key.2).unwrap_or_default();
            let local = zone.to_datetime(slot).strftime("%Y-%m-%d %H:%M");
            let metric = crate::aggregate::count::Metric::from_code(key.3);
            let metric = metric.map_or_else(|| format!("counter {}", key.3), |metric| format!("{metric:?}"));
            difference.figures.push(format!("{} {} {local} {metric} {was} → {is}", key.0, key.1));
        }
    }
    let (old, new) = (keeper.store.read().line_counts()?, derived.read().line_counts()?);
    if old != new {
        difference.figures.push("line counts differ".into());
    }
    Ok(())
}

/// The call without what joins calls: that is not derived, only kept.
fn unlinked(stored: &StoredCall) -> StoredCall {
    let mut stored = stored.clone();
    stored.call.token = None;
    stored.call.peer = None;
    stored
}
