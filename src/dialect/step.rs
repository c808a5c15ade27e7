//! One line: find its kind, its fields, its moment, its group, and say what it is.

use super::facts::Verdict;
use super::fault::{LineFault, shape};
use super::file::{Becomes, Emit};
use super::group::Role;
use super::plan::{Desk, Group, Kind, Plan, Source};
use super::stamp::seconds_between;
use super::state::{Open, SourceState, Value};
use super::{Line, Reading, Settled, What};
use crate::record::StampKind;

impl Plan {
    /// Reads one line. `reading` is emptied first; its last entry is the line itself, and entries before it are lines of
    /// a group that is over only now.
    pub fn step(&self, state: &mut SourceState, line: &Line<'_>, reading: &mut Reading) {
        reading.settled.clear();
        reading.marks.clear();
        reading.trunk = None;
        reading.sequence = None;
        let mut desk = self.take_desk();
        self.close_stray(state, line.no, &mut desk, reading);
        let what = if line.bytes.trim_ascii().is_empty() {
            self.blank(state, line, &mut desk, reading)
        } else {
            self.line(state, line, &mut desk, reading).unwrap_or_else(|fault| {
                reading.marks.clear();
                reading.sequence = None;
                What::Unparsed { column: Some(fault.column(line.bytes)), reason: fault.reason }
            })
        };
        reading.marks.sort_unstable_by_key(|mark| mark.start);
        if let What::Record(record) | What::Event(Some(record)) = &what {
            reading.trunk = reading.trunk.take().or_else(|| record.trunk.clone());
        }
        reading.settled.push(Settled { no: line.no, what });
        self.give_desk(desk);
    }

    /// Nothing came for a while, the link went down or the file ended: an open adjacent group is over. `reading` is
    /// emptied first.
    pub fn idle(&self, state: &mut SourceState, reading: &mut Reading) {
        reading.settled.clear();
        reading.marks.clear();
        reading.trunk = None;
        reading.sequence = None;
        let mut desk = self.take_desk();
        self.close_adjacent(state, &mut desk, reading);
        self.give_desk(desk);
    }

    fn blank(&self, state: &mut SourceState, line: &Line<'_>, desk: &mut Desk, reading: &mut Reading) -> What {
        match self.adjacent(state) {
            Some((place, group)) if group.blank_closes => {
                let mut open = state.open.remove(place);
                open.last = line.no;
                reading.trunk = open.trunk.clone();
                self.closed(group, &open, state, desk)
            }
            _ => What::Header,
        }
    }

    fn line(
        &self,
        state: &mut SourceState,
        line: &Line<'_>,
        desk: &mut Desk,
        reading: &mut Reading,
    ) -> Result<What, LineFault> {
        let number = self.kind_of(line.bytes, state, desk).ok_or_else(|| {
            LineFault::new(0, format!("no line of {} looks like {:?}", self.dialect, shape(line.bytes)))
        })?;
        let kind = self.kinds.get(number).ok_or_else(|| LineFault::new(0, String::new()))?;
        self.locate(kind, line.bytes, &state.columns, desk)?;
        self.values(kind, line, desk, &mut reading.marks)?;
        self.tell(number, line.today, state);
        let sequence = self.sequence.as_ref().and_then(|rule| desk.values.get(rule.slot));
        reading.sequence = sequence.and_then(Value::text).and_then(|number| number.trim().parse().ok());
        let moment = self.moment(state, line.today, desk).map_err(|reason| LineFault::new(0, reason))?;
        if let (Some((at, resolution)), Some(slot)) = (moment, desk.values.first_mut()) {
            *slot = Value::Moment(at, resolution);
        }

        if let Some((place, group)) = self.adjacent(state)
            && let Some(role @ (Role::Continues | Role::Closes)) = group.role(number)
        {
            self.remember(kind, state, desk, line);
            return Ok(self.continued(group, place, role, kind, line, state, desk, reading));
        }
        if let Some(group) = self.groups.iter().find(|group| group.key.is_some() && group.role(number).is_some()) {
            self.remember(kind, state, desk, line);
            return self.keyed(group, number, kind, line, state, desk, reading);
        }
        if let Some(group) = self.groups.iter().find(|group| group.role(number) == Some(Role::Opens)) {
            let values = std::mem::take(&mut desk.values);
            self.close_adjacent(state, desk, reading);
            desk.values = values;
            self.remember(kind, state, desk, line);
            let open = self.opened(group, kind, "");
            state.open.insert(0, open);
            return Ok(self.continued(group, 0, Role::Opens, kind, line, state, desk, reading));
        }
        match kind.becomes {
            Becomes::Header => {
                self.remember(kind, state, desk, line);
                Ok(What::Header)
            }
            Becomes::Event => {
                self.remember(kind, state, desk, line);
                Ok(What::Event(None))
            }
            Becomes::Record if self.groups.iter().any(|group| group.role(number).is_some()) => {
                Err(LineFault::new(0, format!("{} continues a record, but none is open", kind.name)))
            }
            Becomes::Record => {
                let values = std::mem::take(&mut desk.values);
                self.close_adjacent(state, desk, reading);
                desk.values = values;
                self.remember(kind, state, desk, line);
                self.said(kind, state, desk)
            }
        }
    }

    /// What the line on the desk says by itself.
    fn said(&self, kind: &Kind, state: &mut SourceState, desk: &Desk) -> Result<What, LineFault> {
        match self.verdict(&kind.name, &desk.values, &mut state.ids) {
            Verdict::Record(record) => Ok(What::Record(record)),
            Verdict::Event => Ok(What::Event(None)),
            Verdict::Offer(record) => Ok(What::Event(Some(record))),
            Verdict::Unparsed(reason) => Err(LineFault::new(0, reason)),
        }
    }

    /// Keeps what holds for later lines.
    fn remember(&self, kind: &Kind, state: &mut SourceState, desk: &Desk, line: &Line<'_>) {
        for slot in &kind.carry {
            let (Some(name), Some(value)) = (self.slots.get(*slot), desk.values.get(*slot)) else { continue };
            if value.is_blank() {
                continue;
            }
            let value = self.dated(state, line.today, value);
            // A date without a time begins a day, unless it only repeats the one that lines have come from.
            if let Value::Clock(clock) = &value
                && let (Some(year), Some((month, day)), None) = (clock.year, clock.month_day, clock.second)
                && let Ok(date) = jiff::civil::Date::new(year, month, day)
                && state.last.is_none_or(|last| last.date() != date)
            {
                // What is stamped at its end cannot lie before the date that was printed before it.
                let at_end = self.stamp.as_ref().is_some_and(|rule| rule.kind == StampKind::End);
                state.last = (!at_end).then(|| date.at(0, 0, 0, 0));
            }
            match state.carried.iter_mut().find(|(carried, _)| carried == name) {
                Some((_, carried)) => *carried = value,
                None => state.carried.push((name.clone(), value)),
            }
        }
        if let Some(Value::Moment(at, _)) = desk.values.first() {
            state.last = Some(*at);
        }
        if let Some(layout) = &kind.carry_layout
            && state.layout.as_ref() != Some(layout)
        {
            state.layout = Some(layout.clone());
        }
        if kind.names {
            state.columns = desk
                .cells
                .iter()
                .map(|(from, to)| {
                    String::from_utf8_lossy(line.bytes.get(*from..*to).unwrap_or_default().trim_ascii()).as_ref().into()
                })
                .collect();
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn continued(
        &self,
        group: &Group,
        place: usize,
        role: Role,
        kind: &Kind,
        line: &Line<'_>,
        state: &mut SourceState,
        desk: &mut Desk,
        reading: &mut Reading,
    ) -> What {
        let Some(open) = state.open.get_mut(place) else { return What::Continuation };
        derive(kind, open, desk);
        self.join(open, kind, desk, line.no);
        open.trunk = self.trunk_of(open, desk);
        reading.trunk = open.trunk.clone();
        let full = group.lines.is_some_and(|lines| open.lines >= lines);
        if role == Role::Closes || full {
            let open = state.open.remove(place);
            return self.closed(group, &open, state, desk);
        }
        if open.lines >= group.max_lines {
            let reason = format!("record of {} lines never ended", open.lines);
            state.open.remove(place);
            return What::Unparsed { reason, column: None };
        }
        What::Continuation
    }

    #[allow(clippy::too_many_arguments)]
    fn keyed(
        &self,
        group: &Group,
        number: usize,
        kind: &Kind,
        line: &Line<'_>,
        state: &mut SourceState,
        desk: &mut Desk,
        reading: &mut Reading,
    ) -> Result<What, LineFault> {
        let key = group.key.and_then(|slot| desk.values.get(slot)).and_then(Value::text);
        let key = key.ok_or_else(|| LineFault::new(0, format!("{} does not say which record it is of", kind.name)))?;
        let key = compact_str::CompactString::from(key);
        let role = group.role(number).unwrap_or(Role::Continues);
        let found = state.open.iter().position(|open| open.group == group.name && open.key == key);
        if let (Some(place), Role::Opens) = (found, role) {
            let open = state.open.remove(place);
            if group.emit == Emit::Close {
                let values = std::mem::take(&mut desk.values);
                let what = self.closed(group, &open, state, desk);
                desk.values = values;
                reading.settled.push(Settled { no: open.last, what });
            }
        }
        let known = found.filter(|_| role != Role::Opens);
        if known.is_none() && role != Role::Opens && group.emit == Emit::Close {
            return Err(LineFault::new(0, format!("{} continues a record, but none is open", kind.name)));
        }
        let mut open = match known {
            Some(place) => state.open.remove(place),
            None => self.opened(group, kind, &key),
        };
        derive(kind, &open, desk);
        self.join(&mut open, kind, desk, line.no);
        let now = match desk.values.first() {
            Some(Value::Moment(at, _)) => Some(*at),
            _ => None,
        };
        let over = role == Role::Closes || open.lines >= group.max_lines;
        let what = if group.emit == Emit::Each {
            for slot in &group.lend {
                if let (Some(name), Some(value)) = (self.slots.get(*slot), desk.values.get_mut(*slot))
                    && value.is_blank()
                    && let Some((_, known)) = open.values.iter().find(|(known, _)| known == name)
                {
                    *value = known.clone();
                }
            }
            self.said(kind, state, desk)?
        } else if role == Role::Closes {
            self.closed(group, &open, state, desk)
        } else if over {
            What::Unparsed { reason: format!("record of {} lines never ended", open.lines), column: None }
        } else {
            What::Continuation
        };
        open.trunk = self.trunk_of(&open, desk);
        reading.trunk = open.trunk.clone();
        if !over {
            state.open.push(open);
            self.evict(group, now, state, reading);
        }
        Ok(what)
    }
}

/// Fields that say how the line's moment lies to those of the group before it.
fn derive(kind: &Kind, open: &Open, desk: &mut Desk) {
    let Some(Value::Moment(at, resolution)) = desk.values.first().cloned() else { return };
    for field in &kind.fields {
        let value = match &field.source {
            Source::Moment => Value::Moment(at, resolution),
            Source::Since(of) => match open.values.iter().find(|(known, _)| known == of) {
                Some((_, Value::Moment(then, _))) => seconds_between(*then, at).map_or(Value::Absent, Value::Seconds),
                _ => Value::Absent,
            },
            _ => continue,
        };
        if let Some(place) = field.slot.and_then(|slot| desk.values.get_mut(slot)) {
            *place = value;
        }
    }
}
