//! Dialect files are read again while the daemon runs: sources whose dialect changed go on by the new rules from their
//! next line, links stay up, and held lines are tried again. The configuration itself is not read again.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keeper::Keeper;
use super::rebuild::{self, Difference};
use super::retry::Retry;
use super::setup::{PlanFault, SourcePlan};
use crate::config::Config;
use crate::dialect::{Library, SourceState};
use crate::store::StoreError;

/// What became of a source's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// The file says what it said before.
    Unchanged,
    /// New rules are in force.
    Replaced,
    /// The file is wrong: the rules that were in force stay.
    Kept,
    /// The file is wrong, and there were no rules before either.
    Unusable,
}

/// One source after a reload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadedSource {
    /// Its name.
    pub name: String,
    /// Its dialect.
    pub dialect: String,
    /// Where the rules in force come from.
    pub origin: String,
    /// Which state of that file they are.
    pub version: Option<String>,
    /// What became of them.
    pub change: Change,
    /// Why the file cannot be used.
    pub why: Option<String>,
}

/// What a reload came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// When, in civil time at the practice.
    pub at: String,
    /// Whether every file could be used, and everything that follows was stored.
    pub well: bool,
    /// The sources.
    pub sources: Vec<ReloadedSource>,
    /// Every fault of every file, with its line and a caret.
    pub faults: Vec<String>,
    /// Held lines that were tried again.
    pub tried: u64,
    /// How many of them are understood now.
    pub understood: u64,
    /// What follows from those: history, derived again from the stored lines.
    pub difference: Option<Difference>,
    /// Why held lines could not be tried.
    pub trouble: Option<String>,
}

impl Reloaded {
    /// In one line, for the log, the audit and status.
    pub fn summary(&self) -> String {
        let mut parts: Vec<String> = self
            .sources
            .iter()
            .filter(|source| source.change != Change::Unchanged)
            .map(|source| {
                let change = match source.change {
                    Change::Replaced => "new rules",
                    Change::Unusable => "the file is wrong, no line is understood",
                    _ => "the file is wrong, rules stay as they were",
                };
                let version = source.version.as_deref().unwrap_or("none");
                format!("{}: {change} ({} {version})", source.name, source.dialect)
            })
            .collect();
        if parts.is_empty() {
            parts.push("no source's dialect changed".to_owned());
        }
        if self.tried > 0 {
            parts.push(format!("{} held lines tried, {} understood", self.tried, self.understood));
        }
        parts.extend(self.trouble.clone());
        parts.join("; ")
    }
}

/// New rules, by source, and what is said of each.
#[derive(Debug)]
pub struct Prepared {
    /// Every source's plan from now on, in order.
    pub plans: Vec<SourcePlan>,
    /// Of which the rules are others than before.
    pub replaced: Vec<String>,
    /// What to answer, as far as it is known.
    pub report: Reloaded,
}

/// Reads the dialect files again. `running` is what is in force; what cannot be replaced stays.
pub fn prepare(config: &Config, running: &[SourcePlan]) -> Prepared {
    let library = Library::of_site(&config.dialects_dir);
    let mut report = Reloaded::default();
    match &library {
        Ok(library) => {
            let faults = library.broken().iter().flat_map(|broken| &broken.faults);
            report.faults = faults.map(crate::dialect::FileFault::cited).collect();
        }
        Err(error) => report.faults.push(error.to_string()),
    }
    let (mut plans, mut replaced) = (Vec::new(), Vec::new());
    for (source, before) in config.source.iter().zip(running) {
        let (plan, change, why) = match SourcePlan::of(config, source, library.as_ref()) {
            Ok(plan) if plan.version == before.version && plan.origin == before.origin => {
                (before.clone(), Change::Unchanged, None)
            }
            Ok(plan) => (plan, Change::Replaced, None),
            Err(fault) => {
                let (why, unusable) = match fault {
                    PlanFault::Configuration(why) => (why, None),
                    PlanFault::Site { why, origin, protocol } => {
                        let plan = SourcePlan::unusable(config, source, origin, protocol, why.clone());
                        (why, Some(plan))
                    }
                };
                if before.plan.why_unusable().is_none() {
                    (before.clone(), Change::Kept, Some(why))
                } else {
                    (unusable.unwrap_or_else(|| before.clone()), Change::Unusable, Some(why))
                }
            }
        };
        if !Arc::ptr_eq(&plan.plan, &before.plan) {
            replaced.push(plan.name.clone());
        }
        report.sources.push(ReloadedSource {
            name: plan.name.clone(),
            dialect: plan.dialect.clone(),
            origin: plan.origin.clone(),
            version: plan.version.clone(),
            change,
            why,
        });
        plans.push(plan);
    }
    let good = |source: &ReloadedSource| matches!(source.change, Change::Unchanged | Change::Replaced);
    report.well = report.faults.is_empty() && report.sources.iter().all(good);
    Prepared { plans, replaced, report }
}

/// What the writer made of new rules.
#[derive(Debug)]
pub struct InForce {
    /// The whole report.
    pub report: Reloaded,
    /// Where sources stand whose lines were read again.
    pub states: HashMap<u16, SourceState>,
    /// What was used to read them.
    pub retry: Retry,
}

/// Puts new rules into the books, tries held lines again and writes the audit. `who` asked.
pub fn put_in_force(keeper: &mut Keeper, prepared: Prepared, mut retry: Retry, who: &str) -> InForce {
    let Prepared { plans, mut report, .. } = prepared;
    let now = keeper.clock.now();
    report.at = local(keeper, now);
    let mut states = HashMap::new();
    let run = |keeper: &mut Keeper| -> Result<(), StoreError> {
        keeper.replan(plans)?;
        if let Some(trouble) = &keeper.trouble {
            // Lines wait for the disk: what is stored is not all there is.
            report.well = false;
            report.trouble = Some(format!("held lines were not tried: {trouble}; then reload again"));
        } else if keeper.hold.get().held().lines > 0 {
            let difference = rebuild::with_held_lines(keeper, &mut retry)?;
            (report.tried, report.understood) = retry.counts();
            if difference.applied {
                report.difference = Some(difference);
                states.extend(keeper.rows.iter().map(|(source, row)| (*source, row.state.clone())));
            }
        }
        Ok(())
    };
    if let Err(error) = run(keeper) {
        keeper.go_astray();
        report.well = false;
        report.trouble = Some(format!("held lines could not be tried: {error}; then reload again"));
    }
    let audited = keeper.store.begin().and_then(|work| {
        work.audit(now, who, &format!("reload of dialects: {}", report.summary()))?;
        work.commit()
    });
    if let Err(error) = audited {
        tracing::error!(%error, "the reload could not be written to the audit");
    }
    tracing::info!(who, "dialects read again: {}", report.summary());
    // An example in a file may hold a number: what is wrong is said to whoever asked, and nowhere else.
    keeper.reloaded = Some(Reloaded { faults: Vec::new(), ..report.clone() });
    InForce { report, states, retry }
}

fn local(keeper: &Keeper, at: Timestamp) -> String {
    keeper.zone.to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}
