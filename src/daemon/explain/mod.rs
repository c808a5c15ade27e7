//! Why a call was counted as it was: its masked lines and their fields, what each leg was taken for, the rule, the
//! arrival, the half-hour, and the same call under other definitions.

mod replay;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answers::{audit, gone, stored};
use super::desk::Desk;
use super::keeper::Keeper;
use super::setup::SourcePlan;
use crate::aggregate::count::{Metric, contributions};
use crate::aggregate::definitions::{Case, DEFINITIONS, Judged};
use crate::aggregate::slots::{SLOT_S, slot_of};
use crate::call::rules::sentence;
use crate::call::{Call, CallKind, Leg, LineRef, Outcome, Owner, Site, Taker, Wall};
use crate::call::{arrival_in_words, decide, queued, taken_in_words, took};
use crate::config::Config;
use crate::control::Refusal;
use crate::store::{StoreError, StoredCall};

use replay::Replayed;

/// How far around the given time calls are listed when none lies in it.
const NEAR: SignedDuration = SignedDuration::from_mins(30);
/// How many calls are listed at most.
const LISTED: usize = 12;

/// What the verb is told: the call, or the calls that may be meant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// This call.
    Call(Box<Explanation>),
    /// Which of these? Those in the minute that was given, or the nearest.
    Which {
        /// Whether they lie in the time that was given.
        within: bool,
        /// The calls, by arrival.
        calls: Vec<Brief>,
    },
}

/// A call in one line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Brief {
    /// Its name, as `smdrd explain` takes it.
    pub id: String,
    /// Name of its source.
    pub source: String,
    /// Local time of its arrival, on the practice's clock.
    pub arrival: DateTime,
    /// What it is for the figures.
    pub kind: CallKind,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// By which rule.
    pub rule: String,
    /// Seconds of waiting.
    pub wait_s: Option<u32>,
    /// Seconds with staff.
    pub talk_s: Option<u32>,
    /// Whether it waits for more legs and is not counted yet.
    pub open: bool,
}

/// A field of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Its name in the dialect file.
    pub name: String,
    /// What it holds, by the dialect file's word.
    pub holds: String,
    /// First column, counted from 1.
    pub from: usize,
    /// Last column.
    pub to: usize,
}

/// A line of the call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExplainedLine {
    /// Number within its source.
    pub seq: u64,
    /// When the box received it.
    pub received: Timestamp,
    /// The line as it is kept: masked, one character a byte, `.` for what cannot be printed.
    pub text: String,
    /// The line kind's name in the dialect file.
    pub kind: Option<String>,
    /// Its fields, from left to right.
    pub fields: Vec<Field>,
    /// What the leg that it carries was taken for; nothing on the other lines of a record.
    pub taken: Option<String>,
    /// The same as a word.
    pub taker: Option<Taker>,
    /// The record, without numbers: where one stands, its class and length.
    pub record: Option<Value>,
}

/// Why a call was counted so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The call.
    #[serde(flatten)]
    pub call: Brief,
    /// The dialect of its source.
    pub dialect: String,
    /// What this format never shows.
    pub cannot: Vec<String>,
    /// The rule in a sentence.
    pub because: String,
    /// How the arrival follows from the lines.
    pub arrived: Vec<String>,
    /// The half-hour it counts in, local start; nothing when it is counted nowhere.
    pub slot: Option<DateTime>,
    /// Whether the doubt of its arrival spans the edge of that half-hour.
    pub edge_doubt: bool,
    /// The figures it adds to there, by their path in the day document, each with by how much.
    pub counts: Vec<(String, i64)>,
    /// Whose it is: ODS code and site, a tenant's name, or nothing.
    pub owner: Option<String>,
    /// By what: the first of DDI, group, line or the rest that decided it.
    pub owned_by: String,
    /// What it is under each definition.
    pub definitions: Vec<Judged>,
    /// Its lines, in order.
    pub lines: Vec<ExplainedLine>,
    /// What is to be known beside: a rebuild that would change it, lines that are not kept.
    pub remarks: Vec<String>,
}

/// Answers the verb.
pub(super) async fn answer(
    desk: &Desk,
    config: &Config,
    who: &str,
    call: Option<String>,
    at: Option<DateTime>,
    minute: bool,
) -> Result<Value, Refusal> {
    let who = who.to_owned();
    let zone = config.time_zone();
    let asked = zone.clone();
    let found = desk.with(move |keeper| find(keeper, &who, call, at, minute, &asked)).await.ok_or_else(gone)??;
    let answer = match found {
        Found::Which(within, calls) => Answer::Which { within, calls },
        Found::One(meant) => {
            let replayed = replay::replay(desk, &meant.plan, &meant.stored).await?;
            Answer::Call(Box::new(explain(*meant, replayed, &zone)))
        }
    };
    serde_json::to_value(answer).map_err(|error| Refusal::new(error, "report this"))
}

enum Found {
    One(Box<Meant>),
    Which(bool, Vec<Brief>),
}

/// The call that is meant, and what it is to be seen with.
struct Meant {
    stored: StoredCall,
    plan: SourcePlan,
    site: Site,
    brief: Brief,
    /// What its source's format did not show on its day.
    cannot: Vec<String>,
    /// Whether calls of one number are linked.
    linked: bool,
}

fn find(
    keeper: &mut Keeper,
    who: &str,
    call: Option<String>,
    at: Option<DateTime>,
    minute: bool,
    zone: &TimeZone,
) -> Result<Found, Refusal> {
    let names = names(keeper).map_err(stored)?;
    let stored_call = match (call, at) {
        (None, None) => return Err(Refusal::new("no call is named", "give it as SOURCE/LINE, or a date and a time")),
        (Some(call), _) => by_name(keeper, &names, &call)?,
        (None, Some(at)) => match by_time(keeper, at, minute, zone).map_err(stored)? {
            (true, mut calls) if calls.len() == 1 => calls.remove(0),
            (within, calls) if !calls.is_empty() => {
                audit(keeper, who, &format!("explain {at}, to list calls")).map_err(stored)?;
                let brief = |stored: &StoredCall| brief(&stored.call, &names, zone);
                return Ok(Found::Which(within, calls.iter().map(brief).collect()));
            }
            _ => {
                let what = "no call arrived within half an hour of that";
                return Err(Refusal::new(
                    what,
                    "see smdrd status for what was heard, and smdrd day for which days are kept",
                ));
            }
        },
    };
    let source = stored_call.call.id.source;
    let site = keeper.site().map_err(stored)?;
    let imports = keeper.store.read().imports().map_err(stored)?;
    let own = keeper.plans.iter().find(|plan| keeper.ids.get(&plan.name) == Some(&source)).cloned();
    let imported = || {
        let row = imports.iter().find(|row| row.source == source)?;
        SourcePlan::of_import(&keeper.config, row).ok()
    };
    let plan = own.or_else(imported).ok_or_else(|| {
        Refusal::new("the call's source is configured no more", "put it back to have the lines read again")
    })?;
    let brief = brief(&stored_call.call, &names, zone);
    // As the box calls it: what was typed could be anything, a telephone number too.
    audit(keeper, who, &format!("explain {}/{}", brief.source, stored_call.call.id.seq)).map_err(stored)?;
    let row = keeper.store.read().source(&plan.name).map_err(stored)?;
    let cannot = plan.plan.cannot_on(&row.map(|row| row.state).unwrap_or_default(), stored_call.day);
    Ok(Found::One(Box::new(Meant { stored: stored_call, plan, site, brief, cannot, linked: keeper.linked })))
}

/// Sources and imported files with their numbers.
fn names(keeper: &Keeper) -> Result<Vec<(u16, String)>, StoreError> {
    let mut names: Vec<(u16, String)> = keeper.ids.iter().map(|(name, id)| (*id, name.clone())).collect();
    names.extend(keeper.store.read().imports()?.into_iter().map(|row| (row.source, row.name)));
    Ok(names)
}

fn by_name(keeper: &Keeper, names: &[(u16, String)], call: &str) -> Result<StoredCall, Refusal> {
    let written =
        || Refusal::new(format!("{call:?} names no call"), "write it as SOURCE/LINE, as in surgery/42 or 1/42");
    // The name of a file may hold a slash.
    let (source, seq) = call.rsplit_once('/').ok_or_else(written)?;
    let seq: u64 = seq.parse().map_err(|_| written())?;
    let named = names.iter().find(|(_, name)| name == source).map(|(id, _)| *id);
    let source = named.or_else(|| source.parse().ok()).ok_or_else(|| {
        let known: Vec<&str> = names.iter().map(|(_, name)| name.as_str()).collect();
        Refusal::new(format!("there is no source {source:?}"), &format!("known are {}", known.join(", ")))
    })?;
    let read = keeper.store.read();
    if let Some(stored_call) = read.stored_call(LineRef { source, seq }).map_err(stored)? {
        return Ok(stored_call);
    }
    // A later line of a call stands for it, too.
    let line = read.lines(source, seq, 1).map_err(stored)?.pop().filter(|line| line.line.seq == seq);
    let of = line.as_ref().and_then(|line| line.call);
    let of = of.map(|seq| read.stored_call(LineRef { source, seq })).transpose().map_err(stored)?.flatten();
    of.ok_or_else(|| match line {
        Some(line) => {
            let kind = serde_json::to_value(line.kind).unwrap_or_default();
            let kind = kind.as_str().unwrap_or_default().to_owned();
            let why = line.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            Refusal::new(
                format!("line {call} is of kind {kind}, and in no call{why}"),
                "name a line that carries a call",
            )
        }
        None => Refusal::new(format!("there is no line {call}"), "it may be kept no more, or not have come yet"),
    })
}

/// The calls in the given minute or second, or those around it.
fn by_time(
    keeper: &Keeper,
    at: DateTime,
    minute: bool,
    zone: &TimeZone,
) -> Result<(bool, Vec<StoredCall>), StoreError> {
    // In the hour that autumn repeats a reading is two instants.
    let reading = zone.to_ambiguous_timestamp(at);
    let mut instants: Vec<Timestamp> =
        [reading.earlier(), reading.later()].into_iter().filter_map(Result::ok).collect();
    instants.dedup();
    let length = SignedDuration::from_secs(if minute { 60 } else { 1 });
    let read = keeper.store.read();
    let mut within = Vec::new();
    let mut near = Vec::new();
    for instant in instants {
        let plus = |by: SignedDuration| instant.checked_add(by).unwrap_or(instant);
        within.extend(read.calls_between(instant, plus(length))?);
        near.extend(read.calls_between(plus(-NEAR), plus(NEAR))?.into_iter().map(|call| (call, instant)));
    }
    if !within.is_empty() {
        return Ok((true, within));
    }
    near.sort_by_key(|(stored, instant)| stored.call.arrival.duration_since(*instant).abs());
    near.truncate(LISTED);
    let mut near: Vec<StoredCall> = near.into_iter().map(|(stored, _)| stored).collect();
    near.sort_by_key(|stored| (stored.call.arrival, stored.call.id));
    near.dedup_by_key(|stored| stored.call.id);
    Ok((false, near))
}

fn brief(call: &Call, names: &[(u16, String)], zone: &TimeZone) -> Brief {
    let source = names.iter().find(|(id, _)| *id == call.id.source).map(|(_, name)| name.clone());
    Brief {
        id: format!("{}/{}", call.id.source, call.id.seq),
        source: source.unwrap_or_else(|| call.id.source.to_string()),
        arrival: zone.to_datetime(call.arrival),
        kind: call.kind,
        outcome: call.outcome,
        rule: call.rule.to_string(),
        wait_s: call.wait_s,
        talk_s: call.talk_s,
        open: call.open,
    }
}

fn explain(meant: Meant, replayed: Replayed, zone: &TimeZone) -> Explanation {
    let Meant { stored: StoredCall { call, repeat, .. }, plan, site, brief, cannot, linked } = meant;
    let records = replayed.lines.iter().filter_map(|line| Some((line.line, line.record.clone()?)));
    let legs = Wall::legs(&plan.zone, call.arrival, records);
    let mut remarks = Vec::new();
    if legs.len() as u64 != u64::from(call.legs) {
        remarks.push(format!("{} of its {} legs are kept", legs.len(), call.legs));
    } else if let Some(now) =
        (!legs.is_empty()).then(|| decide(&site, &legs, call.open)).filter(|now| differs(now, &call))
    {
        remarks.push(format!(
            "by the configuration and dialect as they are now it would be {}: smdrd rebuild puts that in place",
            if now.rule.is_empty() { "another kind of call" } else { now.rule.as_str() },
        ));
    }
    if call.open {
        remarks.push("it waits for another leg and is not counted yet".to_owned());
    }
    if call.talk_s.is_none() && call.outcome == Some(Outcome::Answered) {
        remarks.push(missing("talk", &cannot, "how long it lasted with staff"));
    }
    if call.wait_s.is_none() && call.outcome.is_some_and(|outcome| outcome == Outcome::Answered || outcome.is_missed())
    {
        remarks.push(missing("ring", &cannot, "how long the caller waited"));
    }
    if repeat {
        remarks.push("the same number had called before on that day".to_owned());
    }
    let added = if call.open { Vec::new() } else { contributions(&call, repeat) };
    let slot = slot_of(call.arrival);
    let leading = legs.iter().min_by_key(|leg| leg.arrival);
    let shows_ring = !cannot.iter().any(|what| what == "ring");
    let case = Case {
        call: &call,
        shows_ring,
        queued: queued(&site, call.id.source, legs.iter().map(|leg| &leg.record)),
        repeat: (linked && !cannot.iter().any(|what| what == "cli")).then_some(repeat),
    };
    let (owner, owned_by) = owned(&call.owner, &site, &legs);
    Explanation {
        dialect: plan.dialect,
        because: sentence(&call).to_owned(),
        arrived: leading.map(arrival_in_words).unwrap_or_default(),
        slot: added.iter().any(|(_, metric, _)| *metric != Metric::BusySeconds).then(|| zone.to_datetime(slot)),
        edge_doubt: added.iter().any(|(_, metric, _)| *metric == Metric::EdgeDoubt),
        // Line seconds lie in every half-hour that the call touches, and are no count of calls.
        counts: added
            .iter()
            .filter(|(_, metric, _)| *metric != Metric::BusySeconds)
            .map(|(_, metric, by)| (metric.figure(), *by))
            .collect(),
        owner,
        owned_by,
        definitions: DEFINITIONS.iter().map(|definition| definition.judge(&case)).collect(),
        lines: replayed.lines.into_iter().map(|line| explained(line, &site, &legs)).collect(),
        remarks,
        cannot,
        call: brief,
    }
}

fn missing(what: &str, cannot: &[String], which: &str) -> String {
    if cannot.iter().any(|cannot| cannot == what) {
        format!("this PBX does not print {what} time, so {which} is not known")
    } else {
        format!("a part that counts does not give its {what} time, so {which} is not known")
    }
}

/// Whether it would be counted otherwise.
fn differs(now: &Call, then: &Call) -> bool {
    let what = |call: &Call| {
        (call.kind, call.outcome, call.rule.clone(), call.wait_s, call.talk_s, call.arrival, call.owner.clone())
    };
    what(now) != what(then)
}

/// Whose the call is, and what said so.
fn owned(owner: &Owner, site: &Site, legs: &[Leg]) -> (Option<String>, String) {
    let by = site.owner_by(legs);
    let name = match owner {
        Owner::Practice { ods, site } => Some(format!("{ods}/{site}")),
        Owner::Tenant(name) => Some(name.to_string()),
        Owner::Nobody => None,
    };
    (name, by)
}

fn explained(line: replay::Line, site: &Site, legs: &[Leg]) -> ExplainedLine {
    let leg = legs.iter().find(|leg| leg.line == line.line);
    let inbound = |leg: &&Leg| {
        use crate::record::Direction::{Inbound, Tandem};
        matches!(leg.record.direction, Some(Inbound | Tandem) | None)
    };
    ExplainedLine {
        seq: line.line.seq,
        received: line.at,
        text: line.text,
        kind: line.kind,
        fields: line.fields,
        taken: leg.map(|leg| taken_in_words(site, leg)),
        taker: leg.filter(inbound).map(|leg| took(site, leg)),
        record: line.record.as_ref().and_then(|record| serde_json::to_value(record).ok()),
    }
}

/// How long a half-hour is, in minutes, for saying which one it is.
pub const SLOT_MINUTES: i64 = SLOT_S / 60;
