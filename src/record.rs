//! The canonical record: what one SMDR record says, key by key, with absent keys where the format does not say.
//!
//! The names and the conventions are a contract (`docs/record.md`). The type is generic over what stands for a
//! telephone number: [`Record<Number>`] lives in memory between `dialect` and `privacy`, [`Record<Anonymous>`] is all
//! that anything to the right of `privacy` ever sees.

use compact_str::CompactString;
use jiff::SignedDuration;
use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use crate::number::{Anonymous, Number};

/// Which way a call went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From an exchange line to the practice.
    Inbound,
    /// From the practice to an exchange line.
    Outbound,
    /// Between two stations.
    Internal,
    /// From one trunk to another.
    Tandem,
}

/// What moment a record's time stamp means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StampKind {
    /// The call reached the PBX (outgoing: the line was seized).
    Arrival,
    /// The call was answered.
    Answer,
    /// The call, or this part of it, ended.
    End,
    /// Something happened during the call, at this moment.
    Event,
    /// The format does not say.
    Unknown,
}

/// A record's time stamp on the PBX's own wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// What moment is meant.
    pub kind: StampKind,
    /// The wall clock as printed; a minute stamp is its first second.
    pub at: DateTime,
    /// 1 or 60: the seconds that one step of the stamp covers.
    pub resolution_s: u8,
    /// By how many seconds the PBX's clock is taken to be ahead, where the configuration has that corrected: it was this
    /// much earlier than `at`. Noted when the line came, and kept with it.
    #[serde(default, skip_serializing_if = "is_as_printed")]
    pub ahead_s: i64,
}

impl Stamp {
    /// The wall clock as the practice's clocks showed it: as printed, less what the PBX's clock is ahead.
    pub fn corrected(&self) -> DateTime {
        self.at.saturating_sub(SignedDuration::from_secs(self.ahead_s))
    }
}

fn is_as_printed(ahead_s: &i64) -> bool {
    *ahead_s == 0
}

/// What a leg means for the call it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LegKind {
    /// A whole call, or a part of one, in the ordinary sense.
    #[default]
    Call,
    /// A station was rung; nobody has answered yet.
    Offered,
    /// A station took the call that is going on; the part itself is printed when it is over, before this or after it.
    Taken,
    /// Waiting in a queue or hunt group; ring time is here, talk follows in another leg.
    Queue,
    /// A part in which a station took the call.
    Talk,
    /// A part that follows a transfer.
    Transfer,
    /// One of several stations that may have rung at once, or one after the other: each shows its own start, so that
    /// their waits are not added up.
    Parallel,
}

impl LegKind {
    /// Whether it only says how far a call has come that has a record of its own when it is over.
    pub fn is_stage(self) -> bool {
        matches!(self, LegKind::Offered | LegKind::Taken)
    }
}

/// Who or what took the call, where the format itself says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Party {
    /// A station of the PBX. Whether it is a person is a matter of the site's roles.
    Station,
    /// A voicemail port.
    Voicemail,
    /// An auto-attendant or announcement port.
    AutoAttendant,
    /// A conference bridge.
    Conference,
    /// A tone, or nothing at all.
    Nobody,
}

/// Something the record says about the outcome beyond `answered`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disposition {
    /// Every station was busy.
    Busy,
    /// The caller booked a call back.
    CallbackRequested,
    /// The call was made by the PBX to keep such a booking.
    CallbackMade,
}

/// One record. `N` stands for a telephone number: [`Number`] before `privacy`, [`Anonymous`] after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record<N = Number> {
    /// The record's time stamp, with what it means.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub stamp: Option<Stamp>,
    /// Which way the call went.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// Whether a station took it.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub answered: Option<bool>,
    /// Seconds from arrival to answer, or to the end of a lost call.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub ring_s: Option<u32>,
    /// Seconds of conversation, hold not counted.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub talk_s: Option<u32>,
    /// Seconds on hold or parked.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub hold_s: Option<u32>,
    /// The station that the record names.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub extension: Option<CompactString>,
    /// The line, as printed.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub trunk: Option<CompactString>,
    /// What the outside caller dialled.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub ddi: Option<N>,
    /// The outside caller.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub cli: Option<N>,
    /// What was dialled to the outside.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub dialled: Option<N>,
    /// The account or project code. Dropped at `privacy`.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub account: Option<N>,
    /// Either side of a transfer.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub transferred: Option<bool>,
    /// A leg of a conference.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub conference: Option<bool>,
    /// `true` where another leg is announced, `false` where this is announced to be the last.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub continuation: Option<bool>,
    /// The PBX's own id of the call this leg belongs to.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub call_id: Option<CompactString>,
    /// Not printed: counts how often `call_id` has started again, so that an id is unique within a source.
    #[serde(default, skip_serializing_if = "is_first")]
    pub epoch: u32,
    /// Not printed: what the leg means for its call.
    #[serde(default, skip_serializing_if = "is_call")]
    pub leg: LegKind,
    /// Not printed: who took it.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub party: Option<Party>,
    /// Not printed: the PBX's own port that took it, such as a voicemail channel, for the site's roles.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub port: Option<CompactString>,
    /// Not printed: of a tandem call, the trunk it was passed on over, for the site's roles.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub onward: Option<CompactString>,
    /// Not printed: what else is said of the outcome.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub disposition: Option<Disposition>,
}

// Serde's own default would ask for one of `N`.
fn none<T>() -> Option<T> {
    None
}

fn is_first(epoch: &u32) -> bool {
    *epoch == 0
}

fn is_call(leg: &LegKind) -> bool {
    *leg == LegKind::Call
}

impl<N> Default for Record<N> {
    fn default() -> Self {
        Record {
            stamp: None,
            direction: None,
            answered: None,
            ring_s: None,
            talk_s: None,
            hold_s: None,
            extension: None,
            trunk: None,
            ddi: None,
            cli: None,
            dialled: None,
            account: None,
            transferred: None,
            conference: None,
            continuation: None,
            call_id: None,
            epoch: 0,
            leg: LegKind::Call,
            party: None,
            port: None,
            onward: None,
            disposition: None,
        }
    }
}

impl<N> Record<N> {
    /// The same record with `change` applied to each number; a number for which it gives nothing is left out, and the
    /// account is always left out.
    pub fn map_numbers<M>(self, mut change: impl FnMut(N) -> Option<M>) -> Record<M> {
        Record {
            stamp: self.stamp,
            direction: self.direction,
            answered: self.answered,
            ring_s: self.ring_s,
            talk_s: self.talk_s,
            hold_s: self.hold_s,
            extension: self.extension,
            trunk: self.trunk,
            ddi: self.ddi.and_then(&mut change),
            cli: self.cli.and_then(&mut change),
            dialled: self.dialled.and_then(&mut change),
            account: None,
            transferred: self.transferred,
            conference: self.conference,
            continuation: self.continuation,
            call_id: self.call_id,
            epoch: self.epoch,
            leg: self.leg,
            party: self.party,
            port: self.port,
            onward: self.onward,
            disposition: self.disposition,
        }
    }
}

/// A record that has passed `privacy`.
pub type MaskedRecord = Record<Anonymous>;

impl Record<Number> {
    /// The record as the JSON object that `smdrd parse --json` prints. It holds telephone numbers: for a terminal or a
    /// file that the installer named, and for nothing else.
    pub fn to_json(&self) -> serde_json::Map<String, serde_json::Value> {
        let mut keys = serde_json::Map::new();
        let mut put = |key: &str, value: Option<serde_json::Value>| {
            if let Some(value) = value {
                keys.insert(key.to_owned(), value);
            }
        };
        if let Some(stamp) = self.stamp {
            let at = Some(stamp.at.strftime("%Y-%m-%dT%H:%M:%S").to_string().into());
            match stamp.kind {
                StampKind::Arrival => put("start", at),
                StampKind::Answer => put("connected", at),
                StampKind::End => put("end", at),
                StampKind::Event | StampKind::Unknown => {}
            }
        }
        put("direction", self.direction.and_then(|value| serde_json::to_value(value).ok()));
        put("answered", self.answered.map(Into::into));
        put("ring_s", self.ring_s.map(Into::into));
        put("talk_s", self.talk_s.map(Into::into));
        put("hold_s", self.hold_s.map(Into::into));
        put("extension", self.extension.as_deref().map(Into::into));
        put("trunk", self.trunk.as_deref().map(Into::into));
        put("ddi", self.ddi.as_ref().map(|number| number.reveal().into()));
        put("cli", self.cli.as_ref().map(|number| number.reveal().into()));
        put("dialled", self.dialled.as_ref().map(|number| number.shown().into()));
        put("account", self.account.as_ref().map(|number| number.reveal().into()));
        put("transferred", self.transferred.map(Into::into));
        put("conference", self.conference.map(Into::into));
        put("continuation", self.continuation.map(Into::into));
        put("call_id", self.call_id.as_deref().map(Into::into));
        keys
    }
}

/// What a line turned out to be. `lines = records + continuations + events + headers + noise + unparsed + duplicates`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineKind {
    /// It carries a record.
    Record,
    /// It belongs to a record that another line carries.
    Continuation,
    /// It says something that is not a call: log-in, alarm, an offer that is printed again as a call.
    Event,
    /// A header, a page break or a blank line.
    Header,
    /// Nothing but control bytes.
    Noise,
    /// No rule understands it.
    Unparsed,
    /// It repeats a line that is already stored.
    Duplicate,
}

impl LineKind {
    /// Every kind, in the order of the numbers used in the database.
    pub const ALL: [LineKind; 7] = [
        LineKind::Record,
        LineKind::Continuation,
        LineKind::Event,
        LineKind::Header,
        LineKind::Noise,
        LineKind::Unparsed,
        LineKind::Duplicate,
    ];

    /// The number that stands for the kind in the database. Never renumbered.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The kind that `code` stands for.
    pub fn from_code(code: u8) -> Option<LineKind> {
        LineKind::ALL.get(usize::from(code)).copied()
    }
}
