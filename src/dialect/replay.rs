//! A line played again at another time: its dates and times are rewritten where the layout says they stand, in as many
//! columns as before. For trying out cables and collectors, never for proof.

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime};

use super::format::Format;
use super::layout::trimmed;
use super::plan::{Desk, Kind, Plan};
use super::stamp::at;
use super::{Line, SourceState};

impl Plan {
    /// The moment that the line prints, as far as it prints one. `state` is as it was before the line.
    pub fn moment_of(&self, state: &SourceState, line: &Line<'_>) -> Option<DateTime> {
        let mut desk = self.take_desk();
        let moment = self.laid_out(state, line, &mut desk).and_then(|(kind, moment)| {
            let prints =
                kind.fields.iter().zip(&desk.spans).any(|(field, span)| field.kind.is_clock() && span.is_some());
            moment.filter(|_| prints)
        });
        self.give_desk(desk);
        moment
    }

    /// The line as it would have been printed `by` later; as it is, when no date or time can be found on it. Nothing when
    /// a date or time would need more columns than it has.
    pub fn moved(&self, state: &SourceState, line: &Line<'_>, by: SignedDuration) -> Option<Vec<u8>> {
        let mut desk = self.take_desk();
        let moved = match self.laid_out(state, line, &mut desk) {
            Some((kind, moment)) if !line.bytes.trim_ascii().is_empty() => {
                let base = moment.or(state.last).unwrap_or_else(|| line.today.at(0, 0, 0, 0));
                clocks(kind, line.bytes, base, by, &desk)
            }
            _ => Some(line.bytes.to_vec()),
        };
        self.give_desk(desk);
        moved
    }

    /// The line's kind and moment; where its fields are is left on the desk.
    fn laid_out(&self, state: &SourceState, line: &Line<'_>, desk: &mut Desk) -> Option<(&Kind, Option<DateTime>)> {
        let kind = self.kinds.get(self.kind_of(line.bytes, state, desk)?)?;
        self.locate(kind, line.bytes, &state.columns, desk).ok()?;
        self.values(kind, line, desk, &mut Vec::new()).ok()?;
        let moment = self.moment(state, line.today, desk).ok()?.map(|(moment, _)| moment);
        Some((kind, moment))
    }
}

fn clocks(kind: &Kind, bytes: &[u8], base: DateTime, by: SignedDuration, desk: &Desk) -> Option<Vec<u8>> {
    let mut line = bytes.to_vec();
    for (field, span) in kind.fields.iter().zip(&desk.spans) {
        let Some(span) = span.filter(|_| field.kind.is_clock()) else { continue };
        let (mut from, to) = trimmed(bytes, span);
        let Some(text) = bytes.get(from..to).filter(|text| !text.is_empty()) else { continue };
        // What was hidden by the PBX stays hidden.
        let Some((format, clock)) = field.formats.iter().find_map(|format| Some((format, format.read_clock(text)?)))
        else {
            continue;
        };
        let date = match (clock.year, clock.month_day) {
            (year, Some((month, day))) => Date::new(year.unwrap_or(base.year()), month, day).ok()?,
            _ => base.date(),
        };
        let since_midnight = base.time().duration_since(jiff::civil::Time::midnight()).as_secs();
        let second = clock.second.or_else(|| u32::try_from(since_midnight).ok())?;
        let moment = at(date, second)?.checked_add(by).ok()?;
        if format.begins_short(text) && from.checked_sub(1).is_some_and(|before| bytes.get(before) == Some(&b' ')) {
            from = from.saturating_sub(1);
        }
        let written = format.write_clock(bytes.get(from..to)?, moment)?;
        line.get_mut(from..to).filter(|place| place.len() == written.len())?.copy_from_slice(&written);
    }
    Some(line)
}

impl Format {
    /// Whether the text lost the blank that stands for a leading zero.
    fn begins_short(&self, text: &[u8]) -> bool {
        text.iter().take_while(|byte| byte.is_ascii_digit()).count() == 1 && self.begins_with_two()
    }
}
