//! What a verb is told. The daemon answers over its control socket; where none runs, the verb takes the same lock and
//! answers the same question itself: there is one door to the database.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde_json::Value;

use super::courier::{self, Sent};
use super::desk::Desk;
use super::keeper::Keeper;
use super::rebuild::rebuild;
use super::setup::{Lock, SetUpError};
use super::status::snapshot;
use crate::call::Owner;
use crate::clock::Clock;
use crate::config::Config;
use crate::control::{self, Refusal, Request};

/// Why a verb got no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The daemon refused, or the conversation with it failed.
    #[error(transparent)]
    Control(#[from] control::AskError),
    /// There is no daemon, and the verb could not take its place.
    #[error(transparent)]
    SetUp(#[from] SetUpError),
    /// The operating system refused what the verb needs in the daemon's place.
    #[error("{0}")]
    System(#[from] std::io::Error),
}

/// Asks the daemon, or answers in this process when none runs.
pub fn ask(config: &Config, clock: Clock, request: Request) -> Result<Value, AskError> {
    if let Some(value) = control::ask(&config.runtime_dir, &request)? {
        return Ok(value);
    }
    super::memory::keep_files_private();
    let _lock = Lock::take(&config.state_dir)?;
    let mut keeper = Keeper::open(config.clone(), clock)?;
    // What nobody heard must not be said to have been observed.
    keeper.end_abandoned_links(&BTreeSet::new()).map_err(SetUpError::from)?;
    let (desk, writer) = Desk::start(keeper)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let who = format!("uid {}", rustix::process::getuid().as_raw());
    let value = runtime.block_on(answer(&desk, config, clock, &who, false, request));
    drop(desk);
    let _ = writer.join();
    Ok(value.map_err(control::AskError::from)?)
}

/// Answers a request in the name of `who`; `running` says whether a daemon does, or a verb in its place.
pub async fn answer(
    desk: &Desk,
    config: &Config,
    clock: Clock,
    who: &str,
    running: bool,
    request: Request,
) -> Result<Value, Refusal> {
    let gone = || Refusal::new("the writer is gone", "restart the daemon");
    let stored = |error: crate::store::StoreError| Refusal::new(error, "see smdrd status");
    match request {
        Request::Status => {
            let taken = desk.with(move |keeper| snapshot(keeper, running)).await.ok_or_else(gone)?;
            serde_json::to_value(taken.map_err(stored)?).map_err(|error| Refusal::new(error, "report this"))
        }
        Request::Day { date, practice } => {
            let body = desk
                .with(move |keeper| {
                    let owner = whose(keeper, practice.as_deref())?;
                    keeper.day(&owner, date).map_err(stored)
                })
                .await
                .ok_or_else(gone)??;
            serde_json::from_slice(&body).map_err(|error| Refusal::new(error, "report this"))
        }
        Request::Push { date } => push(desk, config, clock, who, date).await,
        Request::Rebuild { apply } => {
            let who = who.to_owned();
            let difference = desk
                .with(move |keeper| {
                    audit(keeper, &who, if apply { "rebuild" } else { "rebuild, to look only" })?;
                    rebuild(keeper, apply)
                })
                .await
                .ok_or_else(gone)?;
            serde_json::to_value(difference.map_err(stored)?).map_err(|error| Refusal::new(error, "report this"))
        }
    }
}

fn audit(keeper: &mut Keeper, who: &str, what: &str) -> Result<(), crate::store::StoreError> {
    let now = keeper.clock.now();
    let work = keeper.store.begin()?;
    work.audit(now, who, what)?;
    work.commit()
}

/// The practice that is meant.
fn whose(keeper: &Keeper, practice: Option<&str>) -> Result<Owner, Refusal> {
    let practices = keeper.practices();
    let named = |owner: &&Owner| {
        let (ods, site) = owner.key();
        practice.is_some_and(|practice| practice == ods || practice == format!("{ods}/{site}"))
    };
    let known = || practices.iter().map(|owner| owner.key().0.to_string()).collect::<Vec<_>>().join(", ");
    match (practice, practices.as_slice()) {
        (None, [only]) => Ok(only.clone()),
        (None, []) => Err(Refusal::new("no practice is configured", "add [[practice]] to the configuration")),
        (None, _) => {
            Err(Refusal::new("several practices are configured", &format!("say which with --practice: {}", known())))
        }
        (Some(_), _) => {
            let mut found = practices.iter().filter(named);
            match (found.next(), found.next()) {
                (Some(owner), None) => Ok(owner.clone()),
                (Some(_), Some(_)) => Err(Refusal::new("the practice has several sites", "name one as ODS/site")),
                (None, _) => Err(Refusal::new("no such practice", &format!("configured are {}", known()))),
            }
        }
    }
}

async fn push(desk: &Desk, config: &Config, clock: Clock, who: &str, date: Option<Date>) -> Result<Value, Refusal> {
    let gone = || Refusal::new("the writer is gone", "restart the daemon");
    let stored = |error: crate::store::StoreError| Refusal::new(error, "see smdrd status");
    let client = match courier::client(config, clock) {
        None => {
            return Err(Refusal::new("no supplier is configured", "add [supplier] to the configuration"));
        }
        Some(made) => made.map_err(|error| Refusal::new(error, "check [supplier] with smdrd check"))?,
    };
    let who = who.to_owned();
    let (due, settled, device) = desk
        .with(move |keeper| {
            if let Some(date) = date.filter(|date| !keeper.is_over(*date)) {
                let closes = keeper.closes_at(date);
                return Err(Refusal::new(
                    format!("{date} is not over; it is closed at {closes}"),
                    "look at it with smdrd day",
                ));
            }
            audit(keeper, &who, "push").map_err(stored)?;
            keeper.tick().map_err(stored)?;
            keeper.settle_days(keeper.clock.now(), true).map_err(stored)?;
            let wanted = |of: Date| date.is_none_or(|date| date == of);
            let pending = keeper.store.read().pending().map_err(stored)?;
            let due: Vec<_> = pending.into_iter().filter(|row| wanted(row.date)).collect();
            // A day that is asked for by name is reported even when it has been delivered before.
            let mut settled = Vec::new();
            if let Some(date) = date.filter(|_| due.is_empty()) {
                for owner in keeper.practices() {
                    settled.extend(keeper.store.read().newest(&owner, date).map_err(stored)?);
                }
            }
            // Somebody who names a day that was refused has put right what it was refused for.
            let (refused, settled): (Vec<_>, Vec<_>) =
                settled.into_iter().partition(|row| row.state == crate::store::OutboxState::Parked);
            let due: Vec<_> = due.into_iter().chain(refused).collect();
            Ok((due, settled, keeper.device().map_err(stored)?))
        })
        .await
        .ok_or_else(gone)??;
    let zone = config.time_zone();
    let mut sent: Vec<Sent> = settled.iter().map(courier::said).collect();
    for row in due {
        let row = courier::send(&client, row, &device, &zone, clock).await;
        sent.push(courier::said(&row));
        desk.with(move |keeper| courier::note(keeper, &row)).await.ok_or_else(gone)?.map_err(stored)?;
    }
    serde_json::to_value(sent).map_err(|error| Refusal::new(error, "report this"))
}
