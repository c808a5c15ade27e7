//! What a verb is told. The daemon answers over its control socket; where none runs, the verb takes the same lock and
//! answers the same question itself: there is one door to the database.

use std::collections::BTreeSet;
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;

use serde_json::Value;

use super::alerting;
use super::desk::Desk;
use super::discover;
use super::explain;
use super::export;
use super::import::import;
use super::keeper::Keeper;
use super::memory;
use super::outages::outages;
use super::rebuild::rebuild;
use super::recover;
use super::report;
use super::sending;
use super::setup::{Lock, SetUpError};
use super::status::snapshot;
use crate::call::Owner;
use crate::clock::Clock;
use crate::config::Config;
use crate::control::exchange::{self, Exchange};
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
    let (_lock, desk, writer) = stand_in(config, clock)?;
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
        Request::Outages { from, to } => {
            let outages = desk.with(move |keeper| outages(keeper, from, to)).await.ok_or_else(gone)?;
            serde_json::to_value(outages.map_err(stored)?).map_err(|error| Refusal::new(error, "report this"))
        }
        Request::Report { from, to, practice } => report::answer(desk, who, from, to, practice).await,
        Request::ExportCallLevel { asked, look } => export::export(desk, who, asked, look).await,
        Request::ApproveCallLevel { asked, name: Some(name), accept } => {
            export::approve(desk, who, asked, name, accept).await
        }
        Request::ApproveCallLevel { asked, name: None, .. } => export::withdraw(desk, who, asked).await,
        Request::ReloadDialects => Err(Refusal::new(
            "no daemon is running",
            "start it with systemctl start smdrd: it reads dialects at its start",
        )),
        Request::TestAlerts => {
            let caller = who.to_owned();
            desk.with(move |keeper| audit(keeper, &caller, "test of alerts"))
                .await
                .ok_or_else(gone)?
                .map_err(stored)?;
            let tried = alerting::test(desk, config).await.ok_or_else(gone)?;
            serde_json::to_value(tried).map_err(|error| Refusal::new(error, "report this"))
        }
        Request::Push { date, dry_run: true } => sending::preview(desk, config, clock, date).await,
        Request::Push { date, dry_run: false } => sending::push(desk, config, clock, who, date).await,
        Request::Approve { date, practice } => sending::approve(desk, who, date, practice).await,
        Request::Tap(_) => {
            Err(Refusal::new("no daemon is running, so no line comes", "start it with systemctl start smdrd"))
        }
        Request::Import(_) => Err(Refusal::new("an import comes with its file", "use smdrd import")),
        Request::Explain { call, at, minute } => explain::answer(desk, config, who, call, at, minute).await,
        Request::Discover { days } => discover::answer(desk, config, who, days).await,
        Request::Recover { dismiss: true, .. } => {
            let who = who.to_owned();
            let report = desk.with(move |keeper| recover::dismiss(keeper, &who)).await.ok_or_else(gone)?;
            serde_json::to_value(report.map_err(stored)?).map_err(|error| Refusal::new(error, "report this"))
        }
        Request::Recover { files, dry_run, dismiss: false } => {
            let report = recover::recover(desk, who, files, dry_run).await?;
            serde_json::to_value(report).map_err(|error| Refusal::new(error, "report this"))
        }
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

/// Answers a request that something may follow.
pub async fn converse(
    desk: &Desk,
    config: &Config,
    clock: Clock,
    who: &str,
    request: Request,
    exchange: Exchange,
) -> Result<Value, Refusal> {
    match request {
        Request::Import(order) => {
            let report = import(desk, config, clock, who, order, exchange).await?;
            serde_json::to_value(report).map_err(|error| Refusal::new(error, "report this"))
        }
        request => answer(desk, config, clock, who, true, request).await,
    }
}

/// Serves one conversation where no daemon runs.
pub fn serve_one(config: &Config, clock: Clock, stream: UnixStream) -> Result<(), AskError> {
    memory::seal();
    let (_lock, desk, writer) = match stand_in(config, clock) {
        Ok(all) => all,
        Err(error) => {
            exchange::refuse(stream, Refusal::new(&error, "nothing was stored"));
            return Err(error);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        stream.set_nonblocking(true)?;
        let stream = tokio::net::UnixStream::from_std(stream)?;
        control::converse(stream, |request, who, exchange| {
            let desk = &desk;
            async move { converse(desk, config, clock, &who, request, exchange).await }
        })
        .await
    });
    drop(runtime);
    drop(desk);
    let _ = writer.join();
    Ok(served?)
}

/// Takes the daemon's place: its lock, and a writer.
fn stand_in(config: &Config, clock: Clock) -> Result<(Lock, Desk, JoinHandle<()>), AskError> {
    memory::keep_files_private();
    let lock = Lock::take(&config.state_dir)?;
    let mut keeper = Keeper::open(config.clone(), clock)?;
    // What nobody heard must not be said to have been observed.
    keeper.end_abandoned_links(&BTreeSet::new()).map_err(SetUpError::from)?;
    let (desk, writer) = Desk::start(keeper)?;
    Ok((lock, desk, writer))
}

pub(super) fn gone() -> Refusal {
    Refusal::new("the writer is gone", "restart the daemon")
}

pub(super) fn stored(error: crate::store::StoreError) -> Refusal {
    Refusal::new(error, "see smdrd status")
}

pub(super) fn audit(keeper: &mut Keeper, who: &str, what: &str) -> Result<(), crate::store::StoreError> {
    let now = keeper.clock.now();
    let work = keeper.store.begin()?;
    work.audit(now, who, what)?;
    work.commit()
}

/// The practice that is meant.
pub(super) fn whose(keeper: &Keeper, practice: Option<&str>) -> Result<Owner, Refusal> {
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
