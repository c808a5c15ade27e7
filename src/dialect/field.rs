//! Bytes to typed values, and to the marks that masking goes by.

use compact_str::CompactString;

use super::fault::{LineFault, shape};
use super::file::Type;
use super::layout::{place, trimmed};
use super::plan::{Desk, Field, Kind, Plan, Source, Span};
use super::stamp::seconds_between;
use super::state::{Held, Value};
use super::{Holds, Line, Mark, Role};
use crate::number::{Number, RUN, is_separator};

/// Words that stand where a number would, and say that there is none.
const NO_NUMBER: [&str; 12] = [
    "UNKNOWN",
    "PRIVATE",
    "WITHHELD",
    "ANONYMOUS",
    "UNAVAILABLE",
    "RESTRICTED",
    "SECRET",
    "BLOCKED",
    "NO NUMBER",
    "OUT OF AREA",
    "VOICE MAIL",
    "VOICEMAIL",
];

/// The most digits of a station, unless its field allows more. A station column that holds more holds somebody's number.
pub(super) const STATION_DIGITS: usize = 6;

impl Plan {
    /// Reads every field of a located line into the desk's values and marks.
    pub(super) fn values(
        &self,
        kind: &Kind,
        line: &Line<'_>,
        desk: &mut Desk,
        marks: &mut Vec<Mark>,
    ) -> Result<(), LineFault> {
        desk.values.clear();
        desk.values.resize(self.slots.len(), Value::Absent);
        for (number, field) in kind.fields.iter().enumerate() {
            let span = desk.spans.get(number).copied().flatten();
            let value = match (&field.source, span) {
                (Source::Fixed(text), _) => Value::Text(text.clone()),
                (Source::Moment | Source::Since(_) | Source::Between(..), _) => continue,
                (_, Some(span)) => field.read(line, span, marks)?,
                (_, None) => Value::Absent,
            };
            if field.required && value.is_blank() && !self.cut_away(kind, number, desk) {
                let offset = match (span, &field.source) {
                    (Some((from, _)), _) => from,
                    (None, Source::Columns((from, _))) => (*from).min(line.bytes.len()),
                    _ => line.bytes.len(),
                };
                let missing = if span.is_some() { "blank" } else { "missing" };
                let reason = format!("record cut short or garbled: {missing} {}", place(field, line.bytes));
                return Err(LineFault::new(offset, reason));
            }
            if let Some(slot) = field.slot
                && let Some(known) = desk.values.get_mut(slot)
                && (known.is_blank() || !value.is_blank())
            {
                *known = value;
            }
        }
        for field in &kind.fields {
            if let (Source::Between(from, to), Some(slot)) = (&field.source, field.slot) {
                let clock = |slot: &usize| match desk.values.get(*slot) {
                    Some(Value::Clock(clock)) => Some(*clock),
                    _ => None,
                };
                let seconds = clock(from).zip(clock(to)).and_then(|(from, to)| {
                    let (from, to) = from.before(&to);
                    seconds_between(from.moment()?, to.moment()?)
                });
                if let (Some(seconds), Some(place)) = (seconds, desk.values.get_mut(slot)) {
                    *place = Value::Seconds(seconds);
                }
            }
        }
        Ok(())
    }

    /// Whether the field has no span because a cut put its parts in its place.
    fn cut_away(&self, kind: &Kind, number: usize, desk: &Desk) -> bool {
        kind.cuts.iter().enumerate().any(|(at, cut)| {
            cut.field == number
                && kind.fields.iter().zip(&desk.spans).any(|(field, span)| {
                    matches!(&field.source, Source::Cut(places) if places.iter().any(|(of, _)| *of == at))
                        && span.is_some()
                })
        })
    }
}

impl Field {
    fn read(&self, line: &Line<'_>, span: Span, marks: &mut Vec<Mark>) -> Result<Value, LineFault> {
        match self.value(line, span, marks) {
            // What no rule asks for does not make a line unreadable; it is text then.
            Err(_) if !self.asked && !self.required => {
                if let Some(mark) = marks.last_mut() {
                    mark.holds = Holds::Text;
                }
                Ok(Value::Absent)
            }
            value => value,
        }
    }

    fn value(&self, line: &Line<'_>, span: Span, marks: &mut Vec<Mark>) -> Result<Value, LineFault> {
        let (from, to) = trimmed(line.bytes, span);
        let Some(text) = line.bytes.get(from..to).filter(|text| !text.is_empty()) else { return Ok(Value::Blank) };
        match self.kind {
            Type::Number => return Ok(self.number(line, (from, to), text, marks)),
            Type::Name => mark(marks, from, to, Holds::Name),
            Type::Account => {
                mark(marks, from, to, Holds::Account);
                return Ok(Number::verbatim(text).map_or(Value::Blank, |code| Value::Account(Held::live(code))));
            }
            Type::Text => mark(marks, from, to, Holds::Text),
            kind if (kind.is_clock() || kind.is_length()) && self.is_blotted(text) => {
                mark(marks, from, to, Holds::Typed);
                return Ok(Value::Hidden);
            }
            Type::Code => self.looks(marks, from, to, if has_digit_run(text) { Holds::Text } else { Holds::Typed }),
            Type::Cost => self.looks(marks, from, to, proven(text, |byte| b" .,$-+*".contains(&byte) || byte == 0xa3)),
            Type::Counter => self.looks(marks, from, to, proven(text, |_| false)),
            Type::Station | Type::Device => self.station(line, (from, to), text, marks),
            Type::Ip => mark(marks, from, to, if is_address(text) { Holds::Typed } else { Holds::Text }),
            _ => mark(marks, from, to, Holds::Typed),
        }
        match self.kind {
            Type::Date | Type::Time | Type::Datetime => self
                .formats
                .iter()
                .find_map(|format| format.read_clock(text))
                .map(Value::Clock)
                .ok_or_else(|| self.unfit(from, text)),
            Type::Duration | Type::Seconds => self.length(from, text),
            // What masking hides of it no rule may see either.
            Type::Station | Type::Device if self.is_long(text) => Ok(Value::Text(blanked(text))),
            Type::Code if has_digit_run(text) => Ok(Value::Text(blanked(text))),
            Type::Station => self.word(from, text, |byte| b"*#.+- ".contains(&byte)),
            Type::Trunk => self.word(from, text, |byte| b"*#.+-/: ".contains(&byte)),
            Type::CallId => self.word(from, text, |byte| b".-_:/ ".contains(&byte)),
            Type::Code if self.lower => Ok(Value::Text(ascii(text).to_ascii_lowercase())),
            _ if self.slot.is_some() => Ok(Value::Text(ascii(text))),
            _ => Ok(Value::Absent),
        }
    }

    /// Whether a clock or a duration shows nothing but the characters that stand for an unknown one.
    fn is_blotted(&self, text: &[u8]) -> bool {
        text.iter().any(|byte| self.hidden.contains(byte))
            && text.iter().all(|byte| self.hidden.contains(byte) || b"/:.'- ".contains(byte))
    }

    fn word(&self, from: usize, text: &[u8], also: impl Fn(u8) -> bool) -> Result<Value, LineFault> {
        if text.iter().all(|&byte| byte.is_ascii_alphanumeric() || also(byte)) {
            Ok(Value::Text(ascii(text)))
        } else {
            Err(self.unfit(from, text))
        }
    }

    fn length(&self, from: usize, text: &[u8]) -> Result<Value, LineFault> {
        if text.iter().all(|byte| *byte == b'*') {
            return Ok(Value::AtLeast);
        }
        if self.kind == Type::Seconds {
            let nines = text.len() >= 4 && text.iter().all(|byte| *byte == b'9');
            let seconds = std::str::from_utf8(text)
                .ok()
                .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|text| text.parse::<u32>().ok())
                .ok_or_else(|| self.unfit(from, text))?;
            let stopped = self.stops.as_ref().map_or(nines, |stops| stops.contains(&seconds));
            return Ok(if stopped { Value::AtLeast } else { Value::Seconds(seconds) });
        }
        let read = self.formats.iter().find_map(|format| format.read_duration(text).map(|seconds| (format, seconds)));
        let (format, seconds) = read.ok_or_else(|| self.unfit(from, text))?;
        let stopped = match &self.stops {
            Some(stops) => stops.contains(&seconds),
            None if format.is_minutes() => matches!(seconds, 3_599 | 5_999),
            None => matches!(seconds, 86_399 | 359_999 | 35_999_999 | 999_999),
        };
        Ok(if stopped { Value::AtLeast } else { Value::Seconds(seconds) })
    }

    fn number(&self, line: &Line<'_>, (from, to): Span, text: &[u8], marks: &mut Vec<Mark>) -> Value {
        let is_letter = |byte: &u8| byte.is_ascii_alphabetic() && !self.ignore.contains(byte);
        let at = text.iter().position(|byte| *byte == b'@');
        let digits = text.get(..at.unwrap_or(text.len())).unwrap_or(text);
        let end = from.saturating_add(digits.len());
        if let Some(at) = at {
            let host = text.get(at.saturating_add(1)..).unwrap_or_default();
            mark(marks, end.saturating_add(1), to, if is_address(host) { Holds::Typed } else { Holds::Name });
        }
        if NO_NUMBER.iter().any(|word| word.as_bytes().eq_ignore_ascii_case(digits)) {
            mark(marks, from, end, Holds::Typed);
            return Value::Hidden;
        }
        let hides = |byte: &u8| *byte == b'?' || self.hidden.contains(byte);
        if digits.iter().any(|byte| is_letter(byte) && !hides(byte)) {
            mark(marks, from, end, Holds::Name);
            return Value::Hidden;
        }
        let Some(mut number) = Number::parse(digits) else {
            return if digits.iter().any(hides) { Value::Hidden } else { Value::Blank };
        };
        if !self.lead.is_empty() && digits.starts_with(&self.lead) {
            number = number.led_by(&self.lead);
        }
        number = remembered(number, line, from);
        mark(marks, from, end, Holds::Number(number.clone()));
        if let Some(mark) = marks.last_mut() {
            mark.role = self.number_role;
        }
        if digits.iter().any(hides) { Value::Hidden } else { Value::Number(Held::live(number)) }
    }

    /// Marks what is known by its looks only: unless a rule asks for it, nothing else speaks for it.
    fn looks(&self, marks: &mut Vec<Mark>, from: usize, to: usize, holds: Holds) {
        mark(marks, from, to, holds);
        if !self.asked
            && let Some(mark) = marks.last_mut()
        {
            mark.role = if self.slot.is_none() { Role::Unasked } else { Role::Numbering };
        }
    }

    /// Marks a station; with more digits than one has, it is marked as the number that it must be.
    fn station(&self, line: &Line<'_>, (from, to): Span, text: &[u8], marks: &mut Vec<Mark>) {
        match Number::parse(text).filter(|_| self.is_long(text)) {
            Some(number) => mark(marks, from, to, Holds::Number(remembered(number, line, from))),
            None => mark(marks, from, to, Holds::Typed),
        }
        if let Some(mark) = marks.last_mut() {
            mark.role = Role::Station;
        }
    }

    /// Whether there are more digits than a station has.
    fn is_long(&self, text: &[u8]) -> bool {
        text.iter().filter(|byte| byte.is_ascii_digit()).count() > self.most_digits
    }

    fn unfit(&self, from: usize, text: &[u8]) -> LineFault {
        let kind = match self.kind {
            Type::Date => "a date",
            Type::Time => "a time of day",
            Type::Datetime => "a date and time",
            Type::Duration => "a duration",
            Type::Seconds => "a count of seconds",
            Type::Station => "a station",
            Type::Trunk => "a trunk",
            _ => "what this field holds",
        };
        LineFault::new(from, format!("{} {:?} is not {kind}", self.name, shape(text)))
    }
}

fn mark(marks: &mut Vec<Mark>, from: usize, to: usize, holds: Holds) {
    // Two fields may read the same bytes; one mark is enough.
    if let (Ok(start), Ok(end)) = (u16::try_from(from), u16::try_from(to))
        && start < end
        && !marks.iter().any(|mark| mark.start == start && mark.end == end)
    {
        marks.push(Mark { start, end, holds, role: Role::Plain });
    }
}

fn blanked(text: &[u8]) -> CompactString {
    ascii(text).chars().map(|one| if one.is_ascii_digit() { '0' } else { one }).collect()
}

/// The number with what was kept of it, where the line comes from the store.
fn remembered(number: Number, line: &Line<'_>, from: usize) -> Number {
    match line.kept.iter().find(|(start, _)| usize::from(*start) == from) {
        Some((_, kept)) => number.with_kept(kept.clone()),
        None => number,
    }
}

/// Typed where every byte is a digit or `also`, else text.
fn proven(text: &[u8], also: impl Fn(u8) -> bool) -> Holds {
    if text.iter().all(|&byte| byte.is_ascii_digit() || also(byte)) { Holds::Typed } else { Holds::Text }
}

fn has_digit_run(text: &[u8]) -> bool {
    let mut run: usize = 0;
    text.iter().any(|byte| {
        run = match byte {
            b'0'..=b'9' => run.saturating_add(1),
            byte if is_separator(*byte) => run,
            _ => 0,
        };
        run >= RUN
    })
}

fn is_address(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| {
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        bare.parse::<std::net::IpAddr>().is_ok() || text.parse::<std::net::SocketAddr>().is_ok()
    })
}

/// Bytes above ASCII are read as Latin-1: they only ever stand in names and texts.
fn ascii(text: &[u8]) -> CompactString {
    match std::str::from_utf8(text) {
        Ok(text) => CompactString::from(text),
        Err(_) => text.iter().map(|&byte| char::from(byte)).collect(),
    }
}
