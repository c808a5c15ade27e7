//! The day document: exactly what is sent, field by field. The names are a contract; fields may be added, never
//! renamed, and a receiver ignores what it does not know.
//!
//! `null` means that the PBX cannot say; the reason then stands in [`Cbt::absent`] and in [`SourceDay::cannot`]. Only
//! counts, sums and histograms are here, never an average. All instants are UTC.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// The schema this crate writes.
pub const SCHEMA: &str = "smdrd.day/1";
/// What every document says of where its figures come from.
pub const SOURCE_SYSTEM: &str = "legacy-pbx-smdr";
/// The reading of the CBT definitions that the figures follow.
pub const MAPPING: &str = "nhse-2026-05";
/// Upper edges of the histogram's counts, in seconds, each included; a last count takes what is above them all.
pub const EDGES_S: [u32; 8] = [0, 30, 60, 90, 120, 180, 240, 300];
/// How many counts a histogram has.
pub const BUCKETS: usize = EDGES_S.len() + 1;

/// A histogram: exactly 0 s, then up to and including each further edge of [`EDGES_S`], then above the last.
pub type Histogram = [u64; BUCKETS];

/// Which count of a histogram `seconds` belongs to.
pub fn bucket(seconds: u32) -> usize {
    EDGES_S.iter().position(|edge| seconds <= *edge).unwrap_or(EDGES_S.len())
}

/// One practice, one site, one civil day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DayDocument {
    /// [`SCHEMA`].
    pub schema: String,
    /// Whose day it is.
    pub practice: PracticeSite,
    /// Name of the box.
    pub device: String,
    /// [`SOURCE_SYSTEM`].
    pub source_system: String,
    /// The civil day.
    pub date: Date,
    /// The zone that the day and the local labels are in.
    pub zone: String,
    /// Counts up with each changed document of the day, from 1.
    pub revision: u32,
    /// When it was rendered.
    pub produced_at: Timestamp,
    /// Bounds of the day.
    pub day: Day,
    /// Which features the site has.
    pub features: Features,
    /// The PBX ports that fed it.
    pub sources: Vec<SourceDay>,
    /// How much of the day was observed.
    pub coverage: Coverage,
    /// [`EDGES_S`].
    pub edges_s: Vec<u32>,
    /// All half-hours of the day, in order.
    pub slots: Vec<Slot>,
    /// Sum of the slots; the maximum for `peak_concurrent`.
    pub totals: Figures,
    /// The seven metrics.
    pub cbt: Cbt,
    /// Head of the box's audit chain when it was rendered.
    pub audit_head: String,
    /// `sha256:` of the revision before this one.
    pub previous: Option<String>,
}

/// A practice and one of its sites.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PracticeSite {
    /// ODS code.
    pub ods: String,
    /// Site within the practice.
    pub site: String,
}

/// Bounds of a civil day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// Local midnight.
    pub start: Timestamp,
    /// The next local midnight.
    pub end: Timestamp,
    /// 46, 48 or 50 half-hours.
    pub slots: u32,
    /// Whether it is a bank holiday in England.
    pub bank_holiday: bool,
}

/// Which features the site has at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Features {
    /// Callers can book a call back.
    pub callback: bool,
    /// Callers hear a menu first.
    pub auto_attendant: bool,
    /// Calls that a PBX passes on over an outside line count as taken by the practice's own people, by configuration;
    /// left out where they count as sent to another organisation.
    #[serde(default, skip_serializing_if = "is_not_so")]
    pub diverted_outside_is_staff: bool,
}

/// What one PBX port gave on the day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceDay {
    /// Name of the source.
    pub name: String,
    /// Its dialect.
    pub dialect: String,
    /// What the dialect never shows.
    pub cannot: Vec<String>,
    /// Lines, the sum of the seven that follow.
    pub lines: u64,
    /// Lines that carry a record.
    pub records: u64,
    /// Lines of a record that another line carries.
    pub continuations: u64,
    /// Lines that are no call.
    pub events: u64,
    /// Headers, page furniture, blanks.
    pub headers: u64,
    /// Control bytes only.
    pub noise: u64,
    /// Lines no rule understands.
    pub unparsed: u64,
    /// Lines that repeat stored ones.
    pub duplicates: u64,
    /// Lines that are counted and may repeat earlier ones; left out where there are none.
    #[serde(default, skip_serializing_if = "is_none_of_them")]
    pub may_repeat: u64,
    /// Records that the PBX numbered and that never came; left out where there are none, and where it does not number.
    #[serde(default, skip_serializing_if = "is_none_of_them")]
    pub missing: u64,
    /// PBX clock minus box clock, in seconds; null when it was not measured.
    pub clock_offset_s: Option<i64>,
    /// What was taken off the PBX's stamps, in seconds; left out where they are not corrected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_corrected_s: Option<i64>,
    /// What is wrong with the PBX's clock, in one word ([`crate::call::gauge::Fault::word`]); left out where it is right, or
    /// not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_fault: Option<String>,
}

/// How much of the day was observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Seconds of the day in which every source was up.
    pub observed_s: u64,
    /// Whether that is the whole day.
    pub complete: bool,
    /// Where it was not.
    pub gaps: Vec<Gap>,
}

/// A stretch that was not observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// First instant of it.
    pub start: Timestamp,
    /// First instant after it.
    pub end: Timestamp,
    /// Why, as one word: `link-down` and what the link says of it, `not-running`, `never-connected`, `not-connected`,
    /// `imported`, `silence`, `sequence-gap`, `unparsed`, `clock-doubt`, `database-lost`.
    pub cause: String,
    /// Which source.
    pub source: String,
    /// Where only a part of it was lost: how many seconds of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_s: Option<u64>,
    /// How many records are missing, or lines not understood, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
}

/// One half-hour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    /// Its first instant.
    pub start: Timestamp,
    /// Local wall clock, `HH:MM`.
    pub local: String,
    /// Seconds of it that were observed.
    pub observed_s: u64,
    /// What was counted.
    #[serde(flatten)]
    pub figures: Figures,
}

/// What is counted, in a slot or in a day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// External inbound calls.
    pub inbound: Inbound,
    /// Calls back that were made to keep a booking.
    pub callbacks_made: Option<u64>,
    /// External outgoing calls.
    pub outbound: Outbound,
    /// Calls between stations.
    pub internal: Internal,
    /// Use of the lines.
    pub trunks: Trunks,
}

/// External inbound calls. `calls = ivr_ended + answered + callback_requested + missed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inbound {
    /// All of them; null when some kind of them makes no record.
    pub calls: Option<u64>,
    /// Those that made a record.
    pub calls_seen: u64,
    /// Ended in the menu or an announcement.
    pub ivr_ended: Option<u64>,
    /// Answered by a person.
    pub answered: Option<u64>,
    /// A call back was booked.
    pub callback_requested: Option<u64>,
    /// Expected a person and reached none.
    pub missed: Option<u64>,
    /// Of those, how many ended in voicemail.
    pub missed_voicemail: Option<u64>,
    /// Reached a fax, an alarm, a lift or a door: not in `calls`.
    pub not_people: u64,
    /// Calls whose time doubt spans an edge of the slot.
    pub edge_doubt: u64,
    /// Wait of answered calls.
    pub answered_wait: Option<Histogram>,
    /// Answered calls whose wait is not known.
    pub answered_wait_unknown: Option<u64>,
    /// Sum of the known waits; null when none is known by nature of the format.
    pub answered_wait_sum_s: Option<u64>,
    /// Time with staff of answered calls.
    pub answered_talk: Option<Histogram>,
    /// Answered calls whose talk time is not known.
    pub answered_talk_unknown: Option<u64>,
    /// Sum of the known talk times.
    pub answered_talk_sum_s: Option<u64>,
    /// Wait of missed calls until they ended.
    pub missed_wait: Option<Histogram>,
    /// Missed calls whose wait is not known.
    pub missed_wait_unknown: Option<u64>,
    /// Sum of the known waits.
    pub missed_wait_sum_s: Option<u64>,
    /// Calls from a number that had called before on the same day; null when calls are not linked.
    pub repeat_calls: Option<u64>,
}

/// External outgoing calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outbound {
    /// How many.
    pub calls: Option<u64>,
    /// How many were answered; null when the format does not show answer.
    pub answered: Option<u64>,
    /// Sum of their talk time.
    pub talk_sum_s: Option<u64>,
}

/// Calls between stations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Internal {
    /// How many; null when some source does not show them.
    pub calls: Option<u64>,
    /// Those that made a record; an addition of ours to the contract's names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_seen: Option<u64>,
}

/// Use of the lines by external calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trunks {
    /// Most lines in use at one moment.
    pub peak_concurrent: Option<u64>,
    /// Line seconds in use.
    pub busy_s: Option<u64>,
}

/// The seven metrics of the collection. `CBT001 = CBT002 + CBT003 + CBT004 + CBT005`, `CBT003 = CBT007`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cbt {
    /// [`MAPPING`].
    pub mapping: String,
    /// Inbound calls.
    #[serde(rename = "CBT001")]
    pub cbt001: Option<u64>,
    /// Ended in the menu.
    #[serde(rename = "CBT002")]
    pub cbt002: Option<u64>,
    /// Answered by a person.
    #[serde(rename = "CBT003")]
    pub cbt003: Option<u64>,
    /// Missed.
    #[serde(rename = "CBT004")]
    pub cbt004: Option<u64>,
    /// Calls back requested.
    #[serde(rename = "CBT005")]
    pub cbt005: Option<u64>,
    /// Calls back made.
    #[serde(rename = "CBT006")]
    pub cbt006: Option<u64>,
    /// Answered by a person, by duration.
    #[serde(rename = "CBT007")]
    pub cbt007: Option<u64>,
    /// What is null, and why.
    pub absent: BTreeMap<String, String>,
}

/// The canonical bytes of a document: keys sorted, no blanks, integers only (RFC 8785).
pub fn canonical(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    // serde_json's own map is ordered by key, and it writes without blanks; both are what the RFC asks for as long as
    // every number is an integer and every key is ASCII.
    serde_json::to_vec(&serde_json::to_value(value)?)
}

fn is_not_so(so: &bool) -> bool {
    !so
}

fn is_none_of_them(lines: &u64) -> bool {
    *lines == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(example: &str) {
        let given: serde_json::Value = serde_json::from_str(example).unwrap();
        let document: DayDocument = serde_json::from_str(example).unwrap();
        assert_eq!(serde_json::to_value(&document).unwrap(), given);
        assert_eq!(canonical(&document).unwrap(), canonical(&given).unwrap());
    }

    #[test]
    fn the_names_are_those_of_the_contract() {
        round_trip(include_str!("../../tests/contract/day-document.example.json"));
        round_trip(include_str!("../../tests/contract/day-document.nulls.example.json"));
    }

    #[test]
    fn an_edge_belongs_to_the_count_below_it() {
        let counts: Vec<usize> = [0, 1, 30, 31, 60, 61, 120, 121, 300, 301].map(bucket).to_vec();
        assert_eq!(counts, [0, 1, 1, 2, 2, 3, 4, 5, 7, 8]);
    }
}
