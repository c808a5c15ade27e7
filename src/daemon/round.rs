//! One round to the supplier: what is due is sent, then the days that it holds are compared with those that it should,
//! then it is told that the box is there.

use std::collections::BTreeSet;

use super::courier::{self, Sent};
use super::desk::Desk;
use super::keeper::Keeper;
use crate::call::Owner;
use crate::clock::Clock;
use crate::push::manifest::{Manifest, Ours, compare};
use crate::push::standing::When;
use crate::push::{Client, Concern, Delivery, Parcel, legible};
use crate::store::{Cause, OutboxRow, StoreError};

/// The most documents in one scheduled round: with a round a minute, a box that has much to make up for is no burden.
const PORTION: usize = 20;

/// By how many revisions a supplier's document may be ahead of ours and still be believed. A number that is made up must
/// not use up ours.
const MOST_AHEAD: u32 = 1_000;

/// A round to the supplier.
#[derive(Debug, Clone, Copy)]
pub struct Round<'a> {
    /// The way to the writer.
    pub desk: &'a Desk,
    /// The supplier.
    pub client: &'a Client,
    /// The clock.
    pub clock: Clock,
}

/// The writer is gone, or could not store.
#[derive(Debug, thiserror::Error)]
pub enum RoundError {
    /// The writer thread has ended.
    #[error("the writer is gone")]
    Gone,
    /// What became of a document could not be noted.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a round has to do.
#[derive(Debug, Default)]
struct Due {
    rows: Vec<OutboxRow>,
    more: bool,
    compare: Vec<Owner>,
    heartbeat: bool,
}

/// What came of sending.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Every document, as it stands now.
    pub sent: Vec<Sent>,
    /// Whether something went wrong that concerns the supplier, so that the rest was not tried.
    pub broken_off: bool,
}

impl Round<'_> {
    /// What is due by the schedule, and no more.
    pub async fn scheduled(&self) -> Result<(), RoundError> {
        let due = self.at_the_desk(due).await?;
        let more = due.more;
        if self.send(due.rows, false).await?.broken_off || more {
            return Ok(());
        }
        if !self.compare(due.compare).await? {
            return Ok(());
        }
        if due.heartbeat { self.heartbeat().await } else { Ok(()) }
    }

    /// Sends documents, one after another, whatever the schedule says. What went wrong with one may spare the others
    /// the try. `by_hand`: a person named the day, and has put right what it was refused for.
    pub async fn send(&self, rows: Vec<OutboxRow>, by_hand: bool) -> Result<Outcome, RoundError> {
        let mut outcome = Outcome::default();
        let mut spared: BTreeSet<String> = BTreeSet::new();
        for row in rows {
            let practice = courier::practice_of(&row.owner);
            if outcome.broken_off || spared.contains(&practice) {
                outcome.sent.push(self.not_tried(row).await?);
                continue;
            }
            let Some(parcel) = courier::parcel(&row) else { continue };
            let (row, delivery) = self.deliver(row, parcel, by_hand).await?;
            match &row.problem {
                None => tracing::info!(practice, date = %row.date, revision = row.revision, "delivered"),
                Some(problem) => tracing::warn!(practice, date = %row.date, problem, "not delivered"),
            }
            match delivery.concern() {
                Concern::Supplier => outcome.broken_off = true,
                Concern::Practice => drop(spared.insert(practice)),
                Concern::Document => {}
            }
            outcome.sent.push(courier::said(&row));
        }
        Ok(outcome)
    }

    /// Compares the days of every practice with the supplier's and queues what is to be sent again. False when the
    /// supplier cannot be reached.
    pub async fn compare(&self, owners: Vec<Owner>) -> Result<bool, RoundError> {
        for owner in owners {
            let of = owner.clone();
            let (from, to) = self.at_the_desk(move |keeper| Ok(keeper.span())).await?;
            let (ods, site) = of.key();
            let found = self.client.manifest(&ods, &site, from, to).await;
            let skew_s = self.client.skew_s();
            let reached = self.at_the_desk(move |keeper| compared(keeper, &owner, found, skew_s)).await?;
            if !reached {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn heartbeat(&self) -> Result<(), RoundError> {
        let until = self.client.certificate_until();
        let said = self.at_the_desk(move |keeper| Ok((keeper.device()?, keeper.heartbeat(until)?)));
        let (device, heartbeat) = said.await?;
        let noted = self.client.heartbeat(&device, &heartbeat).await;
        let skew_s = self.client.skew_s();
        self.at_the_desk(move |keeper| {
            let now = keeper.clock.now();
            let mut standing = keeper.standing()?;
            standing.measured(skew_s, now);
            match noted {
                Ok(()) => {
                    standing.heartbeat = Some(now);
                    standing.heartbeat_tried = Some(now);
                    standing.reached(now, !keeper.store.read().pending()?.is_empty());
                }
                // A supplier that has no such thing is not asked again tonight, and nothing is wrong.
                Err(delivery) if is_a_no(&delivery) => standing.heartbeat_tried = Some(now),
                Err(delivery) => {
                    let (device, zone) = (keeper.device()?, keeper.config.time_zone());
                    let when = When { device: &device, zone: &zone, now, random: courier::random() };
                    standing.failed(&delivery, &when);
                }
            }
            let work = keeper.store.begin()?;
            Keeper::keep_standing(&work, &standing)?;
            work.commit()
        })
        .await
    }

    /// One document. Where the supplier holds another one of the day, it is looked at first.
    async fn deliver(
        &self,
        row: OutboxRow,
        parcel: Parcel,
        by_hand: bool,
    ) -> Result<(OutboxRow, Delivery), RoundError> {
        let delivery = match &row.poll {
            Some(address) if !by_hand => self.client.poll(&parcel, address).await,
            _ => self.client.deliver(&parcel).await,
        };
        let Delivery::Stale { mut problem, held_revision, held_sha256 } = delivery else {
            return self.note(row, delivery).await;
        };
        match self.other_document(&row, &parcel, by_hand, held_revision.zip(held_sha256.clone())).await {
            Ok((revision, sha256)) => {
                let old = row.clone();
                let renewed = self.at_the_desk(move |keeper| keeper.renew(&old, revision, &sha256)).await?;
                if let Some(renewed) = renewed
                    && let Some(parcel) = courier::parcel(&renewed)
                {
                    let delivery = self.client.deliver(&parcel).await;
                    return self.note(renewed, delivery).await;
                }
            }
            Err(reason) => {
                problem.detail = Some(match problem.detail {
                    Some(detail) => format!("{detail}; {reason}"),
                    None => reason,
                });
            }
        }
        self.note(row, Delivery::Stale { problem, held_revision, held_sha256 }).await
    }

    /// Looks at the document that the supplier holds instead of ours. Answers with its revision and digest when ours is
    /// to take its place: it is this box's own past and observed no more, or a person says so.
    async fn other_document(
        &self,
        row: &OutboxRow,
        parcel: &Parcel,
        by_hand: bool,
        told: Option<(u32, String)>,
    ) -> Result<(u32, String), String> {
        let held = match self.client.held(parcel).await {
            Ok(held) => held,
            Err(delivery) => {
                let believed =
                    told.filter(|(revision, _)| by_hand && *revision <= parcel.revision.saturating_add(MOST_AHEAD));
                let unseen = || format!("it does not show which ({})", delivery.said().unwrap_or_default());
                return believed.ok_or_else(unseen);
            }
        };
        if held.revision > parcel.revision.saturating_add(MOST_AHEAD) {
            return Err(format!("its revision {} cannot be believed", held.revision));
        }
        if held.sha256 == parcel.sha256 {
            return Err("it is this very one, but no receipt is given for it".to_owned());
        }
        let ours: serde_json::Value = serde_json::from_slice(&row.body).unwrap_or_default();
        let observed_s = ours.pointer("/coverage/observed_s").and_then(serde_json::Value::as_u64).unwrap_or_default();
        let device = ours.get("device").and_then(serde_json::Value::as_str).unwrap_or_default();
        if by_hand || device == held.device && observed_s >= held.observed_s {
            return Ok((held.revision, held.sha256));
        }
        Err(if device == held.device {
            format!(
                "its revision {} observed {} s of the day, ours {observed_s} s: this box may have lost data",
                held.revision, held.observed_s
            )
        } else {
            format!(
                "its revision {} comes from the box {}; two boxes send for one site",
                held.revision,
                legible(&held.device)
            )
        })
    }

    async fn note(&self, row: OutboxRow, delivery: Delivery) -> Result<(OutboxRow, Delivery), RoundError> {
        let (result, skew_s) = (delivery.clone(), self.client.skew_s());
        let row = self.at_the_desk(move |keeper| courier::note(keeper, row, &delivery, skew_s)).await?;
        Ok((row, result))
    }

    /// What is said of a document that another one's failure spared the try.
    async fn not_tried(&self, row: OutboxRow) -> Result<Sent, RoundError> {
        let (owner, date) = (row.owner.clone(), row.date);
        let now = self.at_the_desk(move |keeper| keeper.store.read().newest(&owner, date)).await?.unwrap_or(row);
        let problem = now.problem.clone().or_else(|| Some("not tried, since another could not be sent".to_owned()));
        Ok(Sent { problem, ..courier::said(&now) })
    }

    async fn at_the_desk<T: Send + 'static>(
        &self,
        errand: impl FnOnce(&mut Keeper) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, RoundError> {
        Ok(self.desk.with(errand).await.ok_or(RoundError::Gone)??)
    }
}

/// What is due now.
fn due(keeper: &mut Keeper) -> Result<Due, StoreError> {
    keeper.look_at_the_clock()?;
    let now = keeper.clock.now();
    let standing = keeper.standing()?;
    if !standing.is_open(now) || keeper.clock_is_doubted(now).is_some() {
        return Ok(Due::default());
    }
    park_stopped(keeper)?;
    let (device, zone) = (keeper.device()?, keeper.config.time_zone());
    let when = When { device: &device, zone: &zone, now, random: 0 };
    let mut rows: Vec<OutboxRow> = keeper.store.read().pending()?.into_iter().filter(|row| row.next <= now).collect();
    rows.extend(probes(keeper, |ask| ask <= now)?);
    in_order(&mut rows, keeper.last_night());
    let more = rows.len() > PORTION;
    rows.truncate(PORTION);
    let compare = keeper
        .practices()
        .into_iter()
        .filter(|owner| {
            let practice = courier::practice_of(owner);
            standing.stopped(&practice).is_none()
                && when.is_nightly_due(standing.practices.get(&practice).and_then(|known| known.compared))
        })
        .collect();
    Ok(Due { rows, more, compare, heartbeat: when.is_nightly_due(standing.heartbeat_tried) })
}

/// Last night's day first, then the rest from the oldest on; those that failed tonight after those that did not, so
/// that one document which the supplier cannot digest keeps no other back.
pub(super) fn in_order(rows: &mut [OutboxRow], last_night: jiff::civil::Date) {
    rows.sort_by_key(|row| (row.failed, row.date != last_night, row.date, row.owner.key()));
}

/// One document of each practice that the supplier does not take, where it is time to ask again.
pub(super) fn probes(keeper: &Keeper, is_time: impl Fn(jiff::Timestamp) -> bool) -> Result<Vec<OutboxRow>, StoreError> {
    let standing = keeper.standing()?;
    let mut probes: Vec<OutboxRow> = Vec::new();
    for row in keeper.store.read().parked()? {
        let stopped = standing.stopped(&courier::practice_of(&row.owner));
        // What is parked for a practice that nothing is known of any more (another supplier) is asked about at once.
        let asks = row.cause.is_some_and(Cause::is_of_practice) && stopped.is_none_or(|stopped| is_time(stopped.ask));
        if asks && probes.iter().all(|probe| probe.owner != row.owner) {
            probes.push(row);
        }
    }
    Ok(probes)
}

/// Parks what was queued for practices that the supplier does not take.
pub(super) fn park_stopped(keeper: &mut Keeper) -> Result<(), StoreError> {
    let standing = keeper.standing()?;
    let queued: BTreeSet<String> =
        keeper.store.read().pending()?.iter().map(|row| courier::practice_of(&row.owner)).collect();
    for owner in keeper.practices() {
        let practice = courier::practice_of(&owner);
        if let Some(stopped) = standing.stopped(&practice).filter(|_| queued.contains(&practice)) {
            let work = keeper.store.begin()?;
            work.park_practice(&owner, stopped.cause, &stopped.problem)?;
            work.commit()?;
        }
    }
    Ok(())
}

/// Whether the answer is a plain no to this kind of question, rather than a sign that the supplier cannot be reached.
fn is_a_no(delivery: &Delivery) -> bool {
    delivery.concern() != Concern::Supplier || delivery.may_be_the_document()
}

/// Takes in the supplier's list of a practice's days; false when the supplier cannot be reached.
fn compared(
    keeper: &mut Keeper,
    owner: &Owner,
    found: Result<Manifest, Delivery>,
    skew_s: Option<i64>,
) -> Result<bool, StoreError> {
    let now = keeper.clock.now();
    let practice = courier::practice_of(owner);
    let (device, zone) = (keeper.device()?, keeper.config.time_zone());
    let when = When { device: &device, zone: &zone, now, random: courier::random() };
    let (from, to) = keeper.span();
    let newest = keeper.store.read().newest_since(owner, from)?;
    let mut standing = keeper.standing()?;
    standing.measured(skew_s, now);
    let mut reached = true;
    let mut again = Vec::new();
    let mut stopped = None;
    match found {
        Ok(theirs) => {
            let ours = newest.into_iter().filter(|row| row.date <= to);
            let ours: Vec<Ours> = ours
                .map(|OutboxRow { date, revision, sha256, state, .. }| Ours { date, revision, sha256, state })
                .collect();
            standing.reached(now, !keeper.store.read().pending()?.is_empty());
            again = standing.practice(&practice).compared(&compare(&ours, &theirs), now);
        }
        Err(delivery @ Delivery::NotParticipating { .. }) => {
            standing.answered();
            standing.practice(&practice).stop(Cause::NotParticipating, &delivery, &when);
            stopped = delivery.said();
        }
        Err(delivery) if is_a_no(&delivery) => {
            standing.practice(&practice).not_compared(delivery.said().unwrap_or_default(), now);
        }
        Err(delivery) => {
            standing.failed(&delivery, &when);
            reached = false;
        }
    }
    let work = keeper.store.begin()?;
    for date in &again {
        work.requeue(owner, *date, now)?;
    }
    if let Some(problem) = stopped {
        work.park_practice(owner, Cause::NotParticipating, &problem)?;
        work.audit(now, "smdrd", &format!("stopped sending for {practice}: {}", Cause::NotParticipating.word()))?;
    }
    if !again.is_empty() {
        work.audit(now, "smdrd", &format!("queued {} day(s) of {practice} again: not at the supplier", again.len()))?;
        tracing::warn!(practice, days = again.len(), "the supplier lacks days or has others; they are sent again");
    }
    Keeper::keep_standing(&work, &standing)?;
    work.commit()?;
    Ok(reached)
}
