//! Takes a document to the supplier and notes what became of it: of the document, of its practice, and of how things
//! stand with the supplier, in one transaction.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::credentials;
use super::keeper::Keeper;
use crate::call::Owner;
use crate::clock::Clock;
use crate::config::{Config, Supplier};
use crate::push::standing::When;
use crate::push::{Auth, Client, Delivery, Parcel, Route};
use crate::store::{Cause, OutboxRow, OutboxState, StoreError};

/// What became of one document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// ODS code.
    pub ods: String,
    /// Site.
    pub site: String,
    /// Civil day.
    pub date: String,
    /// Revision.
    pub revision: u32,
    /// Where it stands now.
    pub state: OutboxState,
    /// Why it is parked.
    pub cause: Option<Cause>,
    /// What went wrong, if anything.
    pub problem: Option<String>,
    /// Digest of the document, in hexadecimal digits.
    pub sha256: String,
    /// The supplier's name for its receipt.
    pub receipt_id: Option<String>,
}

/// The client for the configured supplier; nothing when there is none.
pub fn client(config: &Config, clock: Clock) -> Option<Result<Client, String>> {
    let supplier = config.supplier.as_ref()?;
    Some(credentials::of(config, supplier).and_then(|auth| client_with(supplier, auth, clock)))
}

/// A client for the supplier with these credentials.
pub fn client_with(supplier: &Supplier, auth: Arc<dyn Auth>, clock: Clock) -> Result<Client, String> {
    let route = Route {
        url: supplier.url.get_ref(),
        ca_file: supplier.ca_file.as_deref(),
        proxy: supplier.proxy.as_ref().map(|proxy| proxy.get_ref().as_str()),
        proxy_credentials: supplier.proxy_credentials_file.as_deref(),
    };
    Client::new(&route, auth, clock).map_err(|error| error.to_string())
}

/// The parcel of a queued document; nothing for one that is never sent.
pub fn parcel(row: &OutboxRow) -> Option<Parcel> {
    match &row.owner {
        Owner::Practice { ods, site } => Some(Parcel {
            ods: ods.to_string(),
            site: site.to_string(),
            date: row.date,
            revision: row.revision,
            body: row.body.clone(),
            sha256: row.sha256.clone(),
        }),
        _ => None,
    }
}

/// How a practice and site are named towards people.
pub fn practice_of(owner: &Owner) -> String {
    let (ods, site) = owner.key();
    format!("{ods}/{site}")
}

/// Notes what became of a try, and answers with the row as it now stands. `skew_s` is how far the box's clock was found
/// to be ahead of the supplier's.
pub fn note(
    keeper: &mut Keeper,
    mut row: OutboxRow,
    delivery: &Delivery,
    skew_s: Option<i64>,
) -> Result<OutboxRow, StoreError> {
    let (device, zone, now) = (keeper.device()?, keeper.config.time_zone(), keeper.clock.now());
    let when = When { device: &device, zone: &zone, now, random: random() };
    let practice = practice_of(&row.owner);
    let mut standing = keeper.standing()?;
    standing.measured(skew_s, now);
    if when.is_nightly_due(row.tried) {
        row.failed = 0;
    }
    row.attempts = row.attempts.saturating_add(1);
    row.tried = Some(now);
    row.problem = delivery.said();
    row.poll = None;
    let probe = row.cause.filter(|cause| row.state == OutboxState::Parked && cause.is_of_practice());
    row.cause = None;
    let stops = match delivery {
        Delivery::Receipted(receipt) => {
            row.state = OutboxState::Receipted;
            row.receipt = serde_json::to_string(receipt).ok();
            standing.succeeded(now);
            None
        }
        Delivery::Accepted { poll, retry_after } => {
            row.state = OutboxState::Pending;
            row.poll = poll.clone();
            row.next = when.retry(1, 1, *retry_after);
            standing.succeeded(now);
            None
        }
        Delivery::Parked { .. } | Delivery::Stale { .. } => {
            row.state = OutboxState::Parked;
            let conflict = matches!(delivery, Delivery::Stale { .. });
            row.cause = Some(if conflict { Cause::Conflict } else { Cause::Refused });
            standing.answered();
            None
        }
        Delivery::Transient { .. } | Delivery::Unauthorised { .. } => {
            row.next = standing.failed_with_document(delivery, &when);
            if let Delivery::Transient { retry_after, .. } = delivery
                && delivery.may_be_the_document()
            {
                row.failed = row.failed.saturating_add(1);
                row.next = row.next.max(when.retry(row.failed, delivery.tries_a_night(), *retry_after));
            }
            // A probe that got no answer says nothing of its practice.
            row.cause = probe;
            row.state = if probe.is_some() { OutboxState::Parked } else { OutboxState::Pending };
            None
        }
        Delivery::NotParticipating { .. } => Some(Cause::NotParticipating),
        Delivery::Forbidden { .. } => Some(Cause::NotAllowed),
        Delivery::Gone { .. } => Some(Cause::UnknownPractice),
    };
    let silent = matches!(delivery, Delivery::Transient { .. } | Delivery::Unauthorised { .. });
    let was_stopped = standing.stopped(&practice).cloned();
    if let Some(cause) = stops {
        standing.answered();
        standing.practice(&practice).stop(cause, delivery, &when);
        row.state = OutboxState::Parked;
        row.cause = Some(cause);
    } else if !silent {
        standing.practice(&practice).stopped = None;
    }
    let work = keeper.store.begin()?;
    if let Some(cause) = stops {
        work.park_practice(&row.owner, cause, row.problem.as_deref().unwrap_or_default())?;
        if was_stopped.is_none_or(|stopped| stopped.cause != cause) {
            work.audit(now, "smdrd", &format!("stopped sending for {practice}: {}", cause.word()))?;
        }
    } else if !silent && was_stopped.is_some() {
        work.resume_practice(&row.owner, now)?;
        work.audit(now, "smdrd", &format!("sending for {practice} again: the supplier takes it"))?;
    }
    work.attempted(&row)?;
    Keeper::keep_standing(&work, &standing)?;
    work.commit()?;
    Ok(row)
}

/// Notes whether the supplier can be asked at all, or why not.
pub fn note_set_up(keeper: &mut Keeper, fault: Option<&str>) -> Result<(), StoreError> {
    let before = keeper.standing()?;
    let mut standing = before.clone();
    standing.set_up(fault, keeper.clock.now());
    if standing == before {
        return Ok(());
    }
    let work = keeper.store.begin()?;
    Keeper::keep_standing(&work, &standing)?;
    work.commit()
}

/// 64 random bits, so that boxes that lost the same server do not come back as one.
pub(super) fn random() -> u64 {
    let mut random = [0; 8];
    let _ = getrandom::fill(&mut random);
    u64::from_le_bytes(random)
}

/// What is said of a row to whoever asked for it to be sent.
pub fn said(row: &OutboxRow) -> Sent {
    let (ods, site) = row.owner.key();
    // The receipt of an earlier sending is no word on this one.
    let receipt = row.receipt.as_deref().filter(|_| row.state == OutboxState::Receipted);
    let receipt: Option<serde_json::Value> = receipt.and_then(|text| serde_json::from_str(text).ok());
    Sent {
        ods: ods.to_string(),
        site: site.to_string(),
        date: row.date.to_string(),
        revision: row.revision,
        state: row.state,
        cause: row.cause,
        problem: row.problem.clone(),
        sha256: row.sha256.clone(),
        receipt_id: receipt.and_then(|receipt| receipt.get("receipt_id")?.as_str().map(str::to_owned)),
    }
}
