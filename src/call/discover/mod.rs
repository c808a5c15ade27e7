//! What the lines heard so far can prove about the site: which stations are people, groups, mailboxes, menus and
//! machines, which trunks reach the public network, which of the practice's numbers are called, and when.
//!
//! A proposal carries its evidence, with counts, and how sure it is. What can be told only from more calls is said to
//! be open; nothing is guessed. No number is looked at, only class, length and the day's token.

mod gather;
mod profile;
mod snippet;
mod stations;
mod trunks;

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{CallKind, Given, Owner, Site};
use crate::config::{StationRole, TrunkRole};

pub use gather::{Gatherer, HeardCall};
use profile::Profiles;

/// How sure a proposal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sure {
    /// The lines prove it, or the PBX itself says so.
    Certain,
    /// Nothing speaks against it, and something else would be odd; a person should look.
    Likely,
    /// Not enough yet.
    Open,
}

/// How a proposal stands to the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// The configuration says the same, or what is proposed is the default.
    Agrees,
    /// The configuration gives it another role.
    Differs,
    /// The configuration gives it no role, so that it counts as the default.
    Missing,
}

/// What a station or a trunk is taken for. `R` is [`StationRole`] or [`TrunkRole`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proposal<R> {
    /// Name of the source whose PBX it is on.
    pub source: String,
    /// The station or trunk, as printed.
    pub name: String,
    /// What it is taken for; nothing where that is open.
    pub role: Option<R>,
    /// How sure that is.
    pub sure: Sure,
    /// Why, in sentences.
    pub evidence: Vec<String>,
    /// What the configuration has it count as.
    pub configured: R,
    /// How the two stand to each other; nothing where the role is open.
    pub standing: Option<Standing>,
    /// Legs, or calls of a trunk, that name it.
    pub seen: u64,
}

/// One of the practice's own numbers that callers dialled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ddi {
    /// Name of the source.
    pub source: String,
    /// The number, which is the practice's own.
    pub ddi: String,
    /// Inbound calls to it.
    pub calls: u64,
    /// Stations that answered them, the busiest first, at most five.
    pub answered_by: Vec<String>,
    /// Whose calls they count as: ODS code and site, a tenant's name, or `nobody`.
    pub counted_for: Vec<String>,
}

/// The inbound calls of one half-hour of the day, all days together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HalfHour {
    /// Local hour of its start, 0 to 23.
    pub hour: i8,
    /// Minute of its start, 0 or 30.
    pub minute: i8,
    /// Inbound calls that arrived in it.
    pub calls: u64,
}

/// What the lines prove.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Discovery {
    /// Local time of the first call looked at.
    pub first: Option<DateTime>,
    /// Local time of the last.
    pub last: Option<DateTime>,
    /// Civil days on which there were calls.
    pub days: u64,
    /// Legs looked at.
    pub legs: u64,
    /// Calls looked at.
    pub calls: u64,
    /// Inbound calls among them.
    pub inbound: u64,
    /// Stations, by source and name.
    pub stations: Vec<Proposal<StationRole>>,
    /// Trunks, by source and name.
    pub trunks: Vec<Proposal<TrunkRole>>,
    /// The practice's own numbers that were called, the busiest first.
    pub ddis: Vec<Ddi>,
    /// Inbound calls that show a number dialled which the configuration does not know for its own.
    pub unlisted_ddi_calls: u64,
    /// The busiest half-hours for inbound calls, at most five, the busiest first.
    pub busiest: Vec<HalfHour>,
    /// Stations and trunks of the configuration that no line named.
    pub never_seen: Vec<String>,
    /// TOML to be pasted: what is certain and not in the configuration; what is likely stands behind `#`.
    pub snippet: String,
}

/// Looks at calls. `sources` gives the names of the sources by number, `zone` is the practice's.
pub fn discover(calls: &[HeardCall], site: &Site, sources: &BTreeMap<u16, String>, zone: &TimeZone) -> Discovery {
    let profiles = Profiles::new(calls, site, zone);
    let mut found = Discovery {
        calls: calls.len() as u64,
        legs: calls.iter().map(|call| call.legs.len() as u64).sum(),
        inbound: inbound(calls).count() as u64,
        stations: stations::propose(&profiles, site, sources),
        trunks: trunks::propose(&profiles, site, sources),
        busiest: busiest(calls, zone),
        never_seen: never_seen(&profiles, site, sources),
        ..Discovery::default()
    };
    let mut days: Vec<_> = calls.iter().map(|call| zone.to_datetime(call.call.arrival)).collect();
    days.sort_unstable();
    (found.first, found.last) = (days.first().copied(), days.last().copied());
    days.dedup_by_key(|at| at.date());
    found.days = days.len() as u64;
    (found.ddis, found.unlisted_ddi_calls) = ddis(calls, site, sources);
    found.snippet = snippet::snippet(&found);
    found
}

fn inbound(calls: &[HeardCall]) -> impl Iterator<Item = &HeardCall> {
    calls.iter().filter(|call| call.call.kind == CallKind::Inbound)
}

fn busiest(calls: &[HeardCall], zone: &TimeZone) -> Vec<HalfHour> {
    let mut counts: BTreeMap<(i8, i8), u64> = BTreeMap::new();
    for call in inbound(calls) {
        let at = zone.to_datetime(call.call.arrival);
        *counts.entry((at.hour(), at.minute() / 30 * 30)).or_default() += 1;
    }
    let mut all: Vec<_> = counts.into_iter().map(|((hour, minute), calls)| HalfHour { hour, minute, calls }).collect();
    all.sort_by_key(|half_hour| std::cmp::Reverse(half_hour.calls));
    all.truncate(5);
    all
}

fn ddis(calls: &[HeardCall], site: &Site, sources: &BTreeMap<u16, String>) -> (Vec<Ddi>, u64) {
    type Counts = BTreeMap<String, u64>;
    let mut own: BTreeMap<(u16, String), (u64, Counts, Counts)> = BTreeMap::new();
    let mut unlisted = 0;
    for heard in inbound(calls) {
        let Some((source, ddi)) =
            heard.legs.iter().find_map(|leg| Some((site.pbx(leg.line.source), leg.record.ddi.as_ref()?)))
        else {
            continue;
        };
        let Some(name) = &ddi.own else {
            unlisted += 1;
            continue;
        };
        let (calls, stations, owners) = own.entry((source, name.to_string())).or_default();
        *calls += 1;
        let taken = heard.legs.iter().filter(|leg| leg.record.answered == Some(true));
        for station in taken.filter_map(|leg| leg.record.extension.as_ref()) {
            *stations.entry(station.to_string()).or_default() += 1;
        }
        *owners.entry(owner(&heard.call.owner)).or_default() += 1;
    }
    let mut ddis: Vec<Ddi> = own
        .into_iter()
        .map(|((source, ddi), (calls, stations, owners))| Ddi {
            source: source_name(sources, source),
            ddi,
            calls,
            answered_by: most(stations, 5),
            counted_for: most(owners, usize::MAX),
        })
        .collect();
    ddis.sort_by_key(|ddi| std::cmp::Reverse(ddi.calls));
    (ddis, unlisted)
}

fn owner(owner: &Owner) -> String {
    match owner {
        Owner::Practice { ods, site } => format!("{ods}/{site}"),
        Owner::Tenant(name) => name.to_string(),
        Owner::Nobody => "nobody".to_owned(),
    }
}

/// The keys, those with the largest counts first, at most so many.
fn most(counts: BTreeMap<String, u64>, most: usize) -> Vec<String> {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.into_iter().take(most).map(|(name, _)| name).collect()
}

fn never_seen(profiles: &Profiles, site: &Site, sources: &BTreeMap<u16, String>) -> Vec<String> {
    let mut names: Vec<String> = site
        .given_roles()
        .filter(|(of, given)| !profiles.seen(*of, *given))
        .map(|(of, given)| {
            let place = of.map(|source| format!(" of {}", source_name(sources, source))).unwrap_or_default();
            match given {
                Given::Station(name) => format!("station {name}{place}"),
                Given::Trunk(name) => format!("trunk {name}{place}"),
            }
        })
        .collect();
    names.sort_unstable();
    names
}

fn source_name(sources: &BTreeMap<u16, String>, source: u16) -> String {
    sources.get(&source).cloned().unwrap_or_else(|| source.to_string())
}

fn standing<R: PartialEq + Default>(role: Option<&R>, configured: &R) -> Option<Standing> {
    let role = role?;
    Some(if role == configured {
        Standing::Agrees
    } else if *configured == R::default() {
        Standing::Missing
    } else {
        Standing::Differs
    })
}

/// `1 call`, `2 calls`.
fn count(number: usize, what: &str) -> String {
    let plural = if what.ends_with("call") || what.ends_with("leg") { "s" } else { "" };
    format!("{number} {what}{}", if number == 1 { "" } else { plural })
}
