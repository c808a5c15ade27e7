//! Records to calls: which legs belong together, what each station and trunk is, how the call ended and why.
//!
//! A call is a pure function of its legs, the site's [`Site`] and the dialect's linking. Live and in a rebuild the
//! same [`Assembler`] is fed, leg by leg, in the order of the lines.

pub mod align;
mod assemble;
pub mod discover;
mod explain;
pub mod gauge;
pub mod history;
mod outcome;
mod places;
mod queued;
pub mod replay;
pub mod rules;
mod site;
mod wall;

use compact_str::CompactString;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::number::Class;
use crate::record::MaskedRecord;

pub use assemble::{Assembler, Rules};
pub use explain::{arrival_in_words, taken_in_words};
pub use gauge::Gauge;
pub use outcome::{Taker, decide, role, took};
pub use queued::queued;
pub use rules::Rule;
pub use site::{Given, Owner, Site};
pub use wall::Wall;

/// A line of a source. A call is named after the line of its first leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LineRef {
    /// Number of the source.
    pub source: u16,
    /// Number of the line within the source.
    pub seq: u64,
}

/// One leg: a record, placed in time.
#[derive(Debug, Clone, PartialEq)]
pub struct Leg {
    /// The line that carries the record.
    pub line: LineRef,
    /// What it says.
    pub record: MaskedRecord,
    /// When this leg began; for a stamp that is the call's own start, when the call began.
    pub arrival: Timestamp,
    /// When this leg ended, as far as the record tells.
    pub end: Timestamp,
    /// Whether a part was missing that the arrival had to be worked back through.
    pub arrival_doubt: bool,
    /// Whether its stamp is in the hour that autumn repeats, and was taken for the first pass: nothing printed proves it.
    pub first_pass: bool,
}

/// What a call is for the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallKind {
    /// From the public network to the practice.
    Inbound,
    /// From the practice to the public network.
    Outbound,
    /// Between stations.
    Internal,
    /// Over a tie line or a door trunk: seen, and counted nowhere.
    Tie,
    /// The records do not say.
    Unknown,
}

impl CallKind {
    /// Every kind, in the order of the numbers used in the database.
    pub const ALL: [CallKind; 5] =
        [CallKind::Inbound, CallKind::Outbound, CallKind::Internal, CallKind::Tie, CallKind::Unknown];
}

/// How an external inbound call ended. Each has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A person took it (CBT003, CBT007).
    Answered,
    /// It ended in the menu or an announcement, or the menu sent it elsewhere (CBT002).
    IvrEnded,
    /// A call back was booked (CBT005).
    CallbackRequested,
    /// It rang out, or the caller gave up (CBT004).
    MissedRangOut,
    /// It ended in voicemail (CBT004).
    MissedVoicemail,
    /// Every station was busy (CBT004).
    MissedBusy,
}

impl Outcome {
    /// Every outcome, in the order of the numbers used in the database.
    pub const ALL: [Outcome; 6] = [
        Outcome::Answered,
        Outcome::IvrEnded,
        Outcome::CallbackRequested,
        Outcome::MissedRangOut,
        Outcome::MissedVoicemail,
        Outcome::MissedBusy,
    ];

    /// Whether the caller expected a person and reached none.
    pub fn is_missed(self) -> bool {
        matches!(self, Outcome::MissedRangOut | Outcome::MissedVoicemail | Outcome::MissedBusy)
    }
}

/// A call, as far as its legs tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The line of its first leg.
    pub id: LineRef,
    /// What it is for the figures.
    pub kind: CallKind,
    /// Whose call it is.
    pub owner: Owner,
    /// When it reached the PBX (outgoing: when the line was seized).
    pub arrival: Timestamp,
    /// When it ended, as far as the records tell.
    pub end: Timestamp,
    /// How it ended; external inbound calls only.
    pub outcome: Option<Outcome>,
    /// The rule that decided it.
    pub rule: CompactString,
    /// Seconds of queue and ring until a person answered, or until the call ended; menu time excluded.
    pub wait_s: Option<u32>,
    /// Seconds with staff.
    pub talk_s: Option<u32>,
    /// Whether an outgoing call was answered.
    pub answered: Option<bool>,
    /// Reached a fax, an alarm, a lift or a door, and no person.
    pub not_people: bool,
    /// Made by the PBX to keep a booking.
    pub callback_made: bool,
    /// Seconds by which the arrival may be later than given (a minute stamp) …
    pub later_s: u32,
    /// … or earlier (a ring time that the format does not give).
    pub earlier_s: u32,
    /// The line it came on.
    pub trunk: Option<CompactString>,
    /// Class of the other party's number.
    pub class: Option<Class>,
    /// Joins legs; never stored with two calls after roll-up.
    pub peer: Option<u32>,
    /// Joins calls of one day until roll-up.
    pub token: Option<u64>,
    /// Whether more legs are announced or expected: not counted yet.
    pub open: bool,
    /// How many legs it has.
    pub legs: u32,
}
