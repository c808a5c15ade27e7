//! What is kept, or what a file holds, for `discover` to look at.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::Value;

use super::answers::{audit, gone, stored};
use super::books::Entry;
use super::desk::Desk;
use super::keeper::Keeper;
use super::keys::KeyRing;
use super::reader::{Gate, Reader};
use super::setup::SourcePlan;
use crate::call::discover::{Discovery, Gatherer, discover};
use crate::call::{LineRef, Rules, Site};
use crate::config::Config;
use crate::control::Refusal;
use crate::dialect::{Plan, SourceState};
use crate::privacy::{Peers, Privacy};
use crate::record::LineKind;
use crate::store::StoreError;

/// Lines read at a time: between two portions the writer stores what has come.
const PORTION: u32 = 1_000;
/// Legs looked at at most, the newest; each takes well under a kilobyte of the daemon's memory meanwhile.
const LEGS: usize = 60_000;
/// A file is one source with one connection.
const FILE: (u16, u64) = (0, 0);

/// Answers the verb: looks at the records that are kept of the last `days` days.
pub(super) async fn answer(desk: &Desk, config: &Config, who: &str, days: u32) -> Result<Value, Refusal> {
    let who = who.to_owned();
    let (site, sources, rules, since) = desk
        .with(move |keeper| {
            audit(keeper, &who, "discover")?;
            let since = keeper.date(keeper.clock.now()).saturating_sub(i64::from(days).days());
            place(keeper).map(|(site, sources, rules)| (site, sources, rules, since))
        })
        .await
        .ok_or_else(gone)?
        .map_err(stored)?;
    let mut gatherer = Gatherer::new(site.clone()).at_most(LEGS / rules.len().max(1));
    for (source, rules) in rules {
        gatherer.source(source, rules);
        let mut next = 1;
        loop {
            let lines = desk.with(move |keeper| keeper.store.read().lines(source, next, PORTION)).await;
            let lines = lines.ok_or_else(gone)?.map_err(stored)?;
            let Some(last) = lines.last() else { break };
            next = last.line.seq + 1;
            for line in lines.into_iter().filter(|line| line.day > since) {
                if let (Some(call), Some(record)) = (line.call, line.record) {
                    gatherer.put(line.line, LineRef { source, seq: call }, record);
                }
            }
        }
    }
    let found = discover(&gatherer.calls(), &site, &sources, &config.time_zone());
    serde_json::to_value(found).map_err(|error| Refusal::new(error, "report this"))
}

type Place = (Site, BTreeMap<u16, String>, Vec<(u16, Rules)>);

/// The site, the names of its sources, and each source of lines with its rules: those configured and their files.
fn place(keeper: &Keeper) -> Result<Place, StoreError> {
    let mut site = Site::new(&keeper.config, &keeper.ids);
    let names = keeper.ids.iter().map(|(name, id)| (*id, name.clone())).collect();
    let plans = keeper.plans.iter().filter_map(|plan| Some((*keeper.ids.get(&plan.name)?, plan.rules())));
    let mut rules: Vec<(u16, Rules)> = plans.collect();
    for row in keeper.store.read().imports()? {
        if let (Some(of), Ok(plan)) = (keeper.ids.get(&row.of), SourcePlan::of_import(&keeper.config, &row)) {
            site.stands_for(row.source, *of);
            rules.push((row.source, plan.rules()));
        }
    }
    Ok((site, names, rules))
}

/// Looks at lines that are stored nowhere: a file, or what was heard of a PBX that is being set up. `source` is the
/// name that the proposals bear; what `config` says of a source of that name is compared, and what it says of all.
/// `now` stands for the time at which the lines came.
///
/// # Errors
/// The input cannot be read, or there are no random numbers for the keys.
pub fn of_lines(
    config: &Config,
    source: &str,
    plan: Arc<Plan>,
    zone: TimeZone,
    now: Timestamp,
    mut input: impl Read,
) -> std::io::Result<Discovery> {
    let (id, connection) = FILE;
    let site = Site::new(config, &[(source.to_owned(), id)].into());
    let mut gatherer = Gatherer::new(site.clone());
    gatherer.source(id, Rules { linking: plan.linking().clone(), zone: zone.clone() });
    let mut gate = Gate {
        privacy: Privacy::new(config.number_plan(), true, Peers::new(1)),
        ring: KeyRing::of_its_own(zone.to_datetime(now).date())?,
    };
    let mut reader = Reader::new(id, plan, zone, SourceState::default(), 1);
    let mut take = |entries: Vec<Entry>| {
        for entry in entries {
            let (seq, kind, record) = match entry {
                Entry::Line(line) => (line.seq, line.kind, line.record),
                Entry::Settled { seq, kind, record, .. } => (seq, kind, record),
                Entry::Idle(_) => continue,
            };
            if let Some(record) = record.filter(|_| kind == LineKind::Record) {
                gatherer.take(LineRef { source: id, seq }, record);
            }
        }
    };
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let batch = reader.bytes(&mut gate, connection, &buffer[..read], now);
        take(batch.map(|batch| batch.entries).unwrap_or_default());
    }
    let batch = reader.ended(&mut gate, connection, now, false);
    take(batch.map(|batch| batch.entries).unwrap_or_default());
    let sources = [(id, source.to_owned())].into();
    Ok(discover(&gatherer.calls(), &site, &sources, &config.time_zone()))
}
