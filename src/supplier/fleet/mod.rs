//! The fleet: how each box and site stands, from what came of it. Silent, late and gappy ones first, with the reason in words.
//!
//! Everything comes from a few queries, however many boxes there are. What a box did not say is not known, and never 0.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde::Serialize;

use super::archive::sites::{ObservedDay, SiteNewest};
use super::archive::{Archive, ArchiveError, Heard};
use super::devices::DeviceRow;

mod judge;
pub mod page;
mod said;
mod text;
pub mod verb;
mod words;

pub use said::Said;

/// The schema of what `smdr-feed fleet --json` writes.
pub const SCHEMA: &str = "smdr-feed.fleet/1";
/// How far back days are looked for: as far as a box compares its own with ours.
pub const DAYS_BACK: i64 = 45;
/// The days whose observed share is told together.
const WEEK: usize = 7;

/// From where on something is not well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Thresholds {
    /// Hours after its end from which a day whose document is not here is late. Boxes send at night, then from 05:30 on and
    /// from 19:00 on.
    pub late_h: i64,
    /// Hours without a document or a sign of life from which a box is silent; it gives one each night.
    pub silent_h: i64,
    /// Days without either after which a site is no longer listed, but counted.
    pub forget_days: i64,
}

impl Default for Thresholds {
    fn default() -> Thresholds {
        Thresholds { late_h: 12, silent_h: 48, forget_days: 90 }
    }
}

/// How a site stands, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing is heard of it.
    Silent,
    /// The newest day that is due is not here.
    Late,
    /// Days are missing, or too little of the last ones was observed.
    Gappy,
    /// Something else is wrong.
    Unwell,
    /// Nothing is.
    Well,
}

impl State {
    /// Every state, worst first.
    pub const ALL: [State; 5] = [State::Silent, State::Late, State::Gappy, State::Unwell, State::Well];

    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            State::Silent => "silent",
            State::Late => "late",
            State::Gappy => "gappy",
            State::Unwell => "unwell",
            State::Well => "well",
        }
    }
}

/// The newest day of a site that is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastDocument {
    /// The civil day.
    pub date: Date,
    /// Its newest revision.
    pub revision: u32,
    /// When that came.
    pub received_at: Timestamp,
    /// PBX clock minus box clock, in seconds: of several sources the one that is furthest off.
    pub pbx_clock_s: Option<i64>,
    /// Lines of it that were not understood, of ten thousand; nothing where there was no line.
    pub unparsed_per_10000: Option<u64>,
}

/// One site, or a box of which no document is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// How it stands.
    pub state: State,
    /// Why, in words; nothing for one that is well.
    pub reasons: Vec<String>,
    /// ODS code of the practice.
    pub ods: Option<String>,
    /// Site within the practice.
    pub site: Option<String>,
    /// The box.
    pub device: Option<String>,
    /// Where no document is here: the practices that the box may send for.
    pub may_send_for: Vec<String>,
    /// The newest day.
    pub last_document: Option<LastDocument>,
    /// When a box was enrolled of which nothing ever came.
    pub enrolled_at: Option<Timestamp>,
    /// When the box gave its last sign of life.
    pub last_heartbeat: Option<Timestamp>,
    /// How much of the newest day was observed, of ten thousand.
    pub observed_day_per_10000: Option<u64>,
    /// How much of the newest seven days that are here.
    pub observed_week_per_10000: Option<u64>,
    /// Days that are due and not here, of the last 45 or since the first that ever was.
    pub missing: Vec<Date>,
    /// What reads the PBXs' lines.
    pub dialects: Vec<String>,
    /// What the box said of itself last.
    #[serde(flatten)]
    pub said: Said,
}

/// All of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fleet {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// When it was looked at.
    pub at: Timestamp,
    /// From where on something is not well.
    pub thresholds: Thresholds,
    /// How many stand how.
    pub counts: BTreeMap<&'static str, usize>,
    /// Sites that are not listed, since nothing was heard of them for longer than is asked about.
    pub forgotten: usize,
    /// Worst first.
    pub members: Vec<Member>,
}

impl Fleet {
    /// Looks at everything that is held.
    pub fn of(archive: &Archive, now: Timestamp, thresholds: Thresholds) -> Result<Fleet, ArchiveError> {
        let from = day_of(now).checked_sub(DAYS_BACK.days()).unwrap_or(Date::MIN);
        Ok(Fleet::from_parts(
            archive.sites_newest()?,
            archive.observed_since(from)?,
            archive.heartbeats()?,
            archive.accounts()?.devices(),
            now,
            thresholds,
        ))
    }

    fn from_parts(
        sites: Vec<SiteNewest>,
        mut observed: BTreeMap<(String, String), Vec<ObservedDay>>,
        heard: Vec<Heard>,
        enrolled: Vec<DeviceRow>,
        now: Timestamp,
        thresholds: Thresholds,
    ) -> Fleet {
        let due = due_day(now, thresholds.late_h);
        let mut unseen: BTreeSet<usize> = (0..heard.len()).collect();
        let of_device: BTreeMap<&str, usize> =
            heard.iter().enumerate().map(|(at, one)| (one.device.as_str(), at)).collect();
        let sent: BTreeSet<String> = sites.iter().map(|site| site.device.clone()).collect();
        let never = |box_: &DeviceRow| {
            box_.revoked_at.is_none() && !sent.contains(&box_.device) && !of_device.contains_key(box_.device.as_str())
        };
        let mut members: Vec<Member> = enrolled.into_iter().filter(never).map(only_enrolled).collect();
        for site in sites {
            let at = of_device.get(site.device.as_str()).copied();
            at.map(|at| unseen.remove(&at));
            let days = observed.remove(&(site.ods.clone(), site.site.clone())).unwrap_or_default();
            members.push(member(site, &days, at.and_then(|at| heard.get(at)), now, due));
        }
        members.extend(unseen.into_iter().filter_map(|at| heard.get(at)).map(only_heard));
        let listed = members.len();
        members.retain(|member| !judge::is_forgotten(member, now, thresholds));
        let forgotten = listed - members.len();
        for member in &mut members {
            judge::judge(member, now, due, thresholds);
        }
        members.sort_by_cached_key(|member| judge::rank(member, now, due));
        let mut counts: BTreeMap<&str, usize> = State::ALL.into_iter().map(|state| (state.word(), 0)).collect();
        for member in &members {
            *counts.entry(member.state.word()).or_default() += 1;
        }
        Fleet { schema: SCHEMA, at: now, thresholds, counts, forgotten, members }
    }

    /// Whether nothing is wrong with any.
    pub fn is_well(&self) -> bool {
        self.members.iter().all(|member| member.state == State::Well)
    }
}

/// Every practice is in one zone.
fn zone() -> TimeZone {
    TimeZone::get("Europe/London").unwrap_or(TimeZone::UTC)
}

fn day_of(now: Timestamp) -> Date {
    now.to_zoned(zone()).date()
}

/// The newest day whose document has to be here by now.
fn due_day(now: Timestamp, late_h: i64) -> Date {
    let by = now.checked_sub(SignedDuration::from_hours(late_h.clamp(0, 10_000))).unwrap_or(now);
    day_of(by).yesterday().unwrap_or(Date::MIN)
}

fn member(site: SiteNewest, days: &[ObservedDay], heard: Option<&Heard>, now: Timestamp, due: Date) -> Member {
    let here: BTreeSet<Date> = days.iter().map(|day| day.date).collect();
    let from = site.first.max(day_of(now).checked_sub(DAYS_BACK.days()).unwrap_or(Date::MIN));
    let missing = from.series(1.day()).take_while(|day| *day <= due).filter(|day| !here.contains(day)).collect();
    let sums = days.iter().rev().take(WEEK).try_fold((0_u64, 0_u64), |(observed, length), day| {
        Some((observed.checked_add(day.observed_s?)?, length.checked_add(day.length_s?)?))
    });
    let said = heard.and_then(|heard| heard.said.as_ref()).map(Said::read).unwrap_or_default();
    Member {
        state: State::Well,
        reasons: Vec::new(),
        ods: Some(site.ods),
        site: Some(site.site),
        device: Some(site.device),
        may_send_for: Vec::new(),
        last_document: Some(LastDocument {
            date: site.date,
            revision: site.revision,
            received_at: site.received_at,
            pbx_clock_s: site.clock_s,
            unparsed_per_10000: share(site.unparsed, site.lines),
        }),
        enrolled_at: None,
        last_heartbeat: heard.map(|heard| heard.received_at),
        observed_day_per_10000: share(site.observed_s, site.length_s),
        observed_week_per_10000: sums.and_then(|(observed, length)| share(Some(observed), Some(length))),
        missing,
        dialects: site.dialects.iter().map(|name| said::short(name)).collect(),
        said: said.with_clock(heard.and_then(|heard| heard.skew_s)),
    }
}

/// A box that gave signs of life and no document.
fn only_heard(heard: &Heard) -> Member {
    let said = heard.said.as_ref().map(Said::read).unwrap_or_default();
    Member {
        state: State::Well,
        reasons: Vec::new(),
        ods: None,
        site: None,
        device: Some(heard.device.clone()),
        may_send_for: heard.practices.clone(),
        last_document: None,
        enrolled_at: None,
        last_heartbeat: Some(heard.received_at),
        observed_day_per_10000: None,
        observed_week_per_10000: None,
        missing: Vec::new(),
        dialects: said.dialects.clone(),
        said: said.with_clock(heard.skew_s),
    }
}

/// A box that is known, and of which nothing ever came.
fn only_enrolled(device: DeviceRow) -> Member {
    Member {
        state: State::Well,
        reasons: Vec::new(),
        ods: None,
        site: device.site,
        device: Some(device.device),
        may_send_for: device.ods,
        last_document: None,
        enrolled_at: Some(device.added_at),
        last_heartbeat: None,
        observed_day_per_10000: None,
        observed_week_per_10000: None,
        missing: Vec::new(),
        dialects: Vec::new(),
        said: Said::default(),
    }
}

/// Rounded down, so that all but a little is not all.
fn share(part: Option<u64>, whole: Option<u64>) -> Option<u64> {
    part?.checked_mul(10_000)?.checked_div(whole?)
}
