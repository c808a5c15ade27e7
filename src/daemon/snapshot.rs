//! What is said of the daemon: one snapshot for the command line and everybody else who asks.

use serde::{Deserialize, Serialize};

use super::clocks::ClockStatus;
use super::disk::Disk;
use super::hold::Held;
use super::keeper::Waiting;
use super::outlook::SupplierStatus;
use super::relays::RelayStatus;
use super::reload::Reloaded;
use super::turned_away::TurnedAway;
use crate::alert::{Channel, Problem};
use crate::store::EventCause;

/// Everything that is said of the daemon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Version of the program.
    pub version: String,
    /// Name of the box.
    pub device: String,
    /// Whether a daemon answered; else a verb read the database itself.
    pub running: bool,
    /// Civil time at the practice.
    pub now: String,
    /// Whether nothing is wrong.
    pub well: bool,
    /// What is wrong, each with what to do.
    pub problems: Vec<String>,
    /// The same, each by name: what alerts are made of.
    #[serde(default)]
    pub alerts: Vec<Problem>,
    /// Whom alerts go to, and how that goes.
    #[serde(default)]
    pub channels: Vec<ChannelStatus>,
    /// What cannot be said at this site, and why.
    pub notes: Vec<String>,
    /// The sources.
    pub sources: Vec<SourceStatus>,
    /// All lines that were ever stored, by kind.
    pub lines: LineCounts,
    /// Calls that are stored, and how many of them are counted and open.
    pub calls: CallCounts,
    /// Days that are closed, and where they stand.
    pub days: DayCounts,
    /// What is not seen, or not rightly, at present.
    #[serde(default)]
    pub events: Vec<OpenEvent>,
    /// Lines that no rule understands, held in memory as they came.
    #[serde(default)]
    pub held: Held,
    /// What the last reload of dialects came to, where there was one.
    #[serde(default)]
    pub reloaded: Option<Reloaded>,
    /// How things stand with the supplier; absent when there is none.
    pub supplier: Option<SupplierStatus>,
    /// Today's external inbound calls so far, per practice.
    pub today: Vec<Today>,
    /// Today's external inbound calls that are on nobody's list, and in no document.
    #[serde(default)]
    pub unowned: u64,
    /// Lines that wait in memory, where nothing can be stored.
    #[serde(default)]
    pub waiting: Option<Waiting>,
    /// Room for the database.
    #[serde(default)]
    pub disk: Disk,
    /// Of what the program is made.
    #[serde(default)]
    pub versions: Versions,
    /// Who was turned away from a port of ours since the start.
    #[serde(default)]
    pub turned_away: Vec<TurnedAway>,
}

/// Versions of what the program is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// SQLite.
    pub sqlite: String,
    /// The database's schema.
    pub schema: i64,
    /// The day document.
    pub document: String,
}

/// One source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceStatus {
    /// Its name.
    pub name: String,
    /// Its dialect.
    pub dialect: String,
    /// Where the dialect's rules come from: the path of the site's file, or `shipped`.
    #[serde(default)]
    pub dialect_from: String,
    /// Which state of that file is in force; nothing where it cannot be used.
    #[serde(default)]
    pub dialect_version: Option<String>,
    /// Whether its link is up.
    pub up: bool,
    /// Since when.
    pub since: Option<String>,
    /// Why it is down, in one word.
    pub cause: Option<String>,
    /// Today's lines, by kind.
    pub today: LineCounts,
    /// Lines of today that are counted and may repeat earlier ones.
    #[serde(default)]
    pub may_repeat: u64,
    /// What was wrong on the wire today.
    pub wire: crate::store::Wire,
    /// The last line, masked.
    pub last_line: Option<String>,
    /// When it came.
    pub last_line_at: Option<String>,
    /// Records of today that the PBX numbered and that never came.
    #[serde(default)]
    pub missing: u64,
    /// Which part of core hours it is learnt for how long it is normally silent: from 0 to 100 in a hundred; nothing
    /// where its silence is not judged.
    #[serde(default)]
    pub learned: Option<u8>,
    /// The relay to an older call logger, where there is one and the daemon runs.
    pub relay: Option<RelayStatus>,
    /// How its clock is; nothing while too little has come to say.
    #[serde(default)]
    pub clock: Option<ClockStatus>,
    /// How many lines came in the last minute …
    #[serde(default)]
    pub last_minute: u64,
    /// … and in the last hour.
    #[serde(default)]
    pub last_hour: u64,
}

/// Something that is not seen, or not rightly, at present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenEvent {
    /// Which source; the whole box where there is none.
    pub source: Option<String>,
    /// Why, as one word.
    pub cause: EventCause,
    /// Since when.
    pub since: String,
    /// Why, in words.
    pub words: String,
    /// What to do.
    pub remedy: String,
}

/// Lines by kind. The seven kinds add up to `lines`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct LineCounts {
    pub lines: u64,
    pub records: u64,
    pub continuations: u64,
    pub events: u64,
    pub headers: u64,
    pub noise: u64,
    pub unparsed: u64,
    pub duplicates: u64,
}

impl LineCounts {
    /// From the counts in the order of the store.
    pub(super) fn of(counts: [u64; 7]) -> LineCounts {
        let [records, continuations, events, headers, noise, unparsed, duplicates] = counts;
        let lines = counts.iter().sum();
        LineCounts { lines, records, continuations, events, headers, noise, unparsed, duplicates }
    }
}

/// Calls. `stored = counted + open`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct CallCounts {
    pub stored: u64,
    pub counted: u64,
    pub open: u64,
}

/// Days. `closed = receipted + pending + parked + held`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct DayCounts {
    pub closed: u64,
    pub receipted: u64,
    pub pending: u64,
    pub parked: u64,
    pub held: u64,
}

/// Today at one practice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Today {
    pub ods: String,
    pub site: String,
    pub inbound_seen: u64,
    pub answered: Option<u64>,
    pub missed: Option<u64>,
    pub observed_s: u64,
    /// Stretches of today that were not observed.
    #[serde(default)]
    pub gaps: Vec<Unseen>,
}

/// A stretch that was not observed, in the practice's civil time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Unseen {
    pub from: String,
    pub to: String,
    pub source: String,
    pub cause: String,
}

/// A channel of alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelStatus {
    /// Which.
    pub channel: Channel,
    /// The server.
    pub to: String,
    /// Alerts that wait for it.
    pub waiting: u64,
    /// Failed tries since it last took one.
    pub failed: u32,
    /// When it last took one.
    pub sent: Option<String>,
    /// What went wrong last, cleared up since when `failed` is 0.
    pub problem: Option<String>,
    /// Alerts that were given up because too many waited.
    pub dropped: u64,
}
