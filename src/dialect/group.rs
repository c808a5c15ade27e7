//! Records of several lines.
//!
//! An adjacent group is one at a time: its lines follow each other. Keyed groups are open several at once, told apart by
//! a field. Lines of an open group are continuations; the line that closes it carries the record, or the last one, when
//! only what comes after shows that it was the last.

use compact_str::CompactString;
use jiff::civil::DateTime;

use super::facts::Verdict;
use super::file::{Emit, Merge, Sign};
use super::plan::{Desk, Group, Kind, Plan};
use super::stamp::seconds_between;
use super::state::{Open, SourceState, Sum, Value};
use super::{Reading, Settled, What};

/// An adjacent group is over when so many lines that are none of its have passed.
const STRAY_LINES: u64 = 50;

/// What a line is to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Opens,
    Continues,
    Closes,
}

impl Group {
    pub(super) fn role(&self, kind: usize) -> Option<Role> {
        if self.close.contains(&kind) {
            Some(Role::Closes)
        } else if self.open.contains(&kind) {
            Some(Role::Opens)
        } else {
            self.continues.contains(&kind).then_some(Role::Continues)
        }
    }
}

impl Plan {
    /// The open adjacent group, by place, with its definition.
    pub(super) fn adjacent<'p>(&'p self, state: &SourceState) -> Option<(usize, &'p Group)> {
        let place = state.open.iter().position(|open| open.key.is_empty())?;
        let name = &state.open.get(place)?.group;
        let group = self.groups.iter().find(|group| group.key.is_none() && group.name == *name)?;
        Some((place, group))
    }

    /// Closes the adjacent group because of what came after it; its last line carries the record.
    pub(super) fn close_adjacent(&self, state: &mut SourceState, desk: &mut Desk, reading: &mut Reading) {
        // A group of a dialect file that has changed since the state was saved has no definition any more.
        state.open.retain(|open| self.groups.iter().any(|group| group.name == open.group));
        let Some((place, group)) = self.adjacent(state) else { return };
        let open = state.open.remove(place);
        let what = self.closed(group, &open, state, desk);
        reading.settled.push(Settled { no: open.last, what });
    }

    pub(super) fn close_stray(&self, state: &mut SourceState, no: u64, desk: &mut Desk, reading: &mut Reading) {
        let stray = |open: &Open| open.key.is_empty() && no.saturating_sub(open.last) > STRAY_LINES;
        if state.open.iter().any(stray) {
            self.close_adjacent(state, desk, reading);
        }
    }

    /// What a group that is over was.
    pub(super) fn closed(&self, group: &Group, open: &Open, state: &mut SourceState, desk: &mut Desk) -> What {
        self.lay_out(open, &mut desk.values);
        if let Some(missing) = group.require.iter().find(|slot| desk.values.get(**slot).is_none_or(Value::is_blank)) {
            let name = self.slots.get(*missing).map_or("", |name| name.as_str());
            let reason = format!("record of {} lines ended without {name}", open.lines);
            return What::Unparsed { reason, column: None };
        }
        match self.verdict(&open.kind, &desk.values, &mut state.ids) {
            Verdict::Record(record) => What::Record(record),
            Verdict::Event => What::Event(None),
            Verdict::Offer(record) => What::Event(Some(record)),
            Verdict::Unparsed(reason) => What::Unparsed { reason, column: None },
        }
    }

    /// The group's values by slot.
    pub(super) fn lay_out(&self, open: &Open, values: &mut Vec<Value>) {
        values.clear();
        values.resize(self.slots.len(), Value::Absent);
        for (name, value) in &open.values {
            if let Some(place) = self.slots.iter().position(|slot| slot == name).and_then(|slot| values.get_mut(slot)) {
                *place = value.clone();
            }
        }
    }

    /// Joins what the line on the desk says to what the group knows.
    pub(super) fn join(&self, open: &mut Open, kind: &Kind, desk: &Desk, no: u64) {
        open.last = no;
        open.lines = open.lines.saturating_add(1);
        if let Some(moment @ Value::Moment(at, _)) = desk.values.first() {
            open.since = open.since.or(Some(*at));
            self.merge(open, 0, moment, Merge::First, None);
        }
        for field in &kind.fields {
            if let Some(slot) = field.slot
                && let Some(value) = desk.values.get(slot)
                && !value.is_blank()
            {
                self.merge(open, slot, value, field.merge, field.sign);
            }
        }
    }

    fn merge(&self, open: &mut Open, slot: usize, value: &Value, merge: Merge, sign: Option<Sign>) {
        let Some(name) = self.slots.get(slot) else { return };
        let known = open.values.iter_mut().find(|(known, _)| known == name).map(|(_, known)| known);
        let value = match (merge, &known) {
            (Merge::First, Some(known)) if !known.is_blank() => return,
            (Merge::Sum, known) => {
                let before = match known {
                    Some(Value::Sum(sum)) => *sum,
                    _ => Sum { total: 0, plus: None, sound: true },
                };
                Value::Sum(added(before, value, sign))
            }
            _ => value.clone(),
        };
        match known {
            Some(known) => *known = value,
            None => open.values.push((name.clone(), value)),
        }
    }

    /// A group that this line opens.
    pub(super) fn opened(&self, group: &Group, kind: &Kind, key: &str) -> Open {
        Open {
            group: group.name.clone(),
            key: key.into(),
            kind: kind.name.clone(),
            last: 0,
            lines: 0,
            since: None,
            trunk: None,
            values: Vec::new(),
        }
    }

    /// Lets go of keyed groups that are too old or too many. Where their lines waited for a record, the last one is
    /// not understood.
    pub(super) fn evict(&self, group: &Group, now: Option<DateTime>, state: &mut SourceState, reading: &mut Reading) {
        loop {
            let mine = |open: &Open| open.group == group.name && !open.key.is_empty();
            let old = |open: &Open| {
                let age = open.since.zip(now).and_then(|(since, now)| seconds_between(since, now));
                age.is_some_and(|age| age > group.max_age_s)
            };
            let many = state.open.iter().filter(|open| mine(open)).count() > group.max_open;
            let Some(place) = state.open.iter().position(|open| mine(open) && (many || old(open))) else { return };
            let open = state.open.remove(place);
            if group.emit == Emit::Close {
                let reason = format!("record of {} lines never ended", open.lines);
                reading.settled.push(Settled { no: open.last, what: What::Unparsed { reason, column: None } });
            }
        }
    }

    /// The trunk of an open group, as far as its lines tell.
    pub(super) fn trunk_of(&self, open: &Open, desk: &mut Desk) -> Option<CompactString> {
        if open.trunk.is_some() {
            return open.trunk.clone();
        }
        self.lay_out(open, &mut desk.values);
        self.trunk(&open.kind, &desk.values)
    }
}

fn added(sum: Sum, value: &Value, sign: Option<Sign>) -> Sum {
    let Value::Seconds(seconds) = value else { return Sum { sound: false, ..sum } };
    let plus = sign.map(|sign| sign == Sign::Plus);
    let part = if plus == Some(false) { i64::from(*seconds).saturating_neg() } else { i64::from(*seconds) };
    let alternates = plus.is_none() || sum.plus != plus;
    Sum { total: sum.total.saturating_add(part), plus, sound: sum.sound && alternates }
}
