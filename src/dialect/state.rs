//! What the engine remembers of a source between two lines: plain data, saved with the lines it comes from.

use compact_str::CompactString;
use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use crate::number::{Anonymous, Number};

/// All that is carried from one line of a source to the next.
///
/// It holds telephone numbers only between a line and the call of [`SourceState::forget_numbers`] that follows it, and
/// never writes one: a live number is serialised as absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceState {
    /// Groups whose lines are still coming.
    #[serde(default)]
    pub(super) open: Vec<Open>,
    /// Values of a header that hold for the lines after it.
    #[serde(default)]
    pub(super) carried: Vec<(CompactString, Value)>,
    /// The layout that a line announced.
    #[serde(default)]
    pub(super) layout: Option<CompactString>,
    /// What lines told of the layout they are in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) told: Vec<super::told::Told>,
    /// Column names from a header line.
    #[serde(default)]
    pub(super) columns: Vec<CompactString>,
    /// The latest stamp, for midnight and the turn of the year.
    #[serde(default)]
    pub(super) last: Option<DateTime>,
    /// How far call ids have come.
    #[serde(default)]
    pub(super) ids: Ids,
    /// Sequence number of a protocol with acknowledgements, for the module that speaks it.
    #[serde(default)]
    pub sequence: Option<u32>,
}

impl SourceState {
    /// Whether lines of a record wait for more.
    pub fn has_open_groups(&self) -> bool {
        !self.open.is_empty()
    }

    /// Turns each live number into what may be kept of it; `keep` is given the number and the trunk of its call.
    /// Of account codes only stays that there was one.
    pub fn forget_numbers(&mut self, mut keep: impl FnMut(&Number, Option<&str>) -> Anonymous) {
        for open in &mut self.open {
            let trunk = open.trunk.clone();
            for (_, value) in &mut open.values {
                forget(value, trunk.as_deref(), &mut keep);
            }
        }
        for (_, value) in &mut self.carried {
            forget(value, None, &mut keep);
        }
    }

    /// Drops what joins calls within a day: the day is over.
    pub fn forget_tokens(&mut self) {
        let values = self.open.iter_mut().flat_map(|open| &mut open.values).chain(&mut self.carried);
        for (_, value) in values {
            if let Value::Number(Held { kept: Some(kept), .. }) = value {
                kept.token = None;
            }
        }
    }
}

fn forget(value: &mut Value, trunk: Option<&str>, keep: &mut impl FnMut(&Number, Option<&str>) -> Anonymous) {
    match value {
        Value::Number(held) => {
            if let Some(number) = held.live.take() {
                held.kept = Some(number.kept().cloned().unwrap_or_else(|| keep(&number, trunk)));
            }
        }
        Value::Account(held) => *held = Held::default(),
        _ => {}
    }
}

/// A group whose lines are still coming.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Open {
    /// The group's name.
    pub group: CompactString,
    /// What tells it from others of its name; empty for an adjacent one.
    pub key: CompactString,
    /// The kind of the line that opened it.
    pub kind: CompactString,
    /// The number of its last line.
    pub last: u64,
    /// How many lines it has.
    pub lines: u16,
    /// The stamp of its first line.
    pub since: Option<DateTime>,
    /// The trunk, as far as it is known.
    pub trunk: Option<CompactString>,
    /// What its lines said, by field.
    pub values: Vec<(CompactString, Value)>,
}

/// How far call ids have come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ids {
    /// How often they have started again.
    pub epoch: u32,
    /// The highest since then.
    pub highest: Option<u64>,
    /// The latest stamp since then.
    pub latest: Option<DateTime>,
}

/// What a field says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) enum Value {
    /// The line has no such field.
    #[default]
    Absent,
    /// The field is empty.
    Blank,
    /// A code, station, trunk, call id or text.
    Text(CompactString),
    /// So many seconds.
    Seconds(u32),
    /// A counter that stopped: at least that much.
    AtLeast,
    /// A part of a time stamp.
    Clock(Clock),
    /// A resolved moment.
    Moment(DateTime, u8),
    /// A telephone number.
    Number(Held),
    /// Something that stands for a number which is not told.
    Hidden,
    /// An account code.
    Account(Held),
    /// A sum over several lines.
    Sum(Sum),
}

impl Value {
    pub fn is_blank(&self) -> bool {
        matches!(self, Value::Absent | Value::Blank)
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Date, time or both, as printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Clock {
    pub year: Option<i16>,
    pub month_day: Option<(i8, i8)>,
    /// Second of the day.
    pub second: Option<u32>,
    /// 1 or 60.
    pub resolution: u8,
}

impl Clock {
    /// Both of two clocks, this one not after the other; where neither has a year, in some year, or over its turn.
    pub fn before(&self, to: &Clock) -> (Clock, Clock) {
        if self.year.is_some() || to.year.is_some() {
            return (*self, *to);
        }
        // 2000 has a 29 February.
        let year = if self.month_day > to.month_day { 1999 } else { 2000 };
        (Clock { year: Some(year), ..*self }, Clock { year: Some(2000), ..*to })
    }

    /// The moment, where it is a whole one.
    pub fn moment(&self) -> Option<DateTime> {
        let (month, day) = self.month_day?;
        super::stamp::at(jiff::civil::Date::new(self.year?, month, day).ok()?, self.second?)
    }
}

/// A number in the state: live until it is forgotten, then only what may be kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Held {
    #[serde(skip)]
    pub live: Option<Number>,
    #[serde(default)]
    pub kept: Option<Anonymous>,
}

impl Held {
    pub fn live(number: Number) -> Held {
        Held { live: Some(number), kept: None }
    }

    /// The number for a record; its digits are zeros when only what was kept is left.
    pub fn number(&self) -> Option<Number> {
        if let Some(number) = &self.live {
            return Some(number.clone());
        }
        let kept = self.kept.as_ref()?;
        let zeros = [b'0'; crate::number::MAX_DIGITS];
        let digits = match &kept.own {
            Some(own) => own.as_bytes(),
            None if kept.digits == 0 => b"*",
            None => zeros.get(..usize::from(kept.digits)).unwrap_or(&zeros),
        };
        Number::parse(digits).map(|number| number.with_kept(kept.clone()))
    }
}

/// A sum over several lines. One with signs must alternate and end with plus, else it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sum {
    pub total: i64,
    /// The sign of the last part; `None` where signs play no part.
    pub plus: Option<bool>,
    /// Whether every part so far could be added.
    pub sound: bool,
}

impl Sum {
    /// The seconds, where the sum came out.
    pub fn seconds(&self) -> Option<u32> {
        (self.sound && self.plus != Some(false)).then(|| u32::try_from(self.total).ok()).flatten()
    }
}
