//! Takes queued documents to the supplier, oldest first, and notes what became of each.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::keeper::Keeper;
use crate::call::Owner;
use crate::clock::Clock;
use crate::config::Config;
use crate::push::schedule::{FailedTry, retry_at};
use crate::push::{Bearer, Client, Delivery, Parcel};
use crate::store::{OutboxRow, OutboxState, StoreError};

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
    let credential = || {
        let directory = std::env::var_os("CREDENTIALS_DIRECTORY")?;
        Some(std::path::PathBuf::from(directory).join("supplier-token"))
    };
    let Some(token) = supplier.token_file.clone().or_else(credential) else {
        return Some(
            Err("no token: set supplier.token-file, or give the service the credential supplier-token".into()),
        );
    };
    let made = Bearer::from_file(&token).map_err(|error| error.to_string()).and_then(|bearer| {
        Client::new(supplier.url.get_ref(), Arc::new(bearer), supplier.ca_file.as_deref(), clock)
            .map_err(|error| error.to_string())
    });
    Some(made)
}

/// The parcel of a queued document.
fn parcel(row: &OutboxRow) -> Option<Parcel> {
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

/// Sends one document once and answers with its row as it now stands.
pub async fn send(client: &Client, row: OutboxRow, device: &str, zone: &jiff::tz::TimeZone, clock: Clock) -> OutboxRow {
    let Some(parcel) = parcel(&row) else { return row };
    let delivery = client.deliver(&parcel).await;
    after(row, &delivery, device, zone, clock)
}

/// The row after a try.
fn after(mut row: OutboxRow, delivery: &Delivery, device: &str, zone: &jiff::tz::TimeZone, clock: Clock) -> OutboxRow {
    row.attempts += 1;
    row.problem = None;
    let mut random = [0; 8];
    let _ = getrandom::fill(&mut random);
    let later = |row: &mut OutboxRow, retry_after| {
        row.next = retry_at(
            zone,
            &FailedTry {
                device,
                at: clock.now(),
                failed: row.attempts,
                budget: delivery.tries_a_night(),
                random: u64::from_le_bytes(random),
                retry_after,
            },
        );
    };
    match delivery {
        Delivery::Receipted(receipt) => {
            row.state = OutboxState::Receipted;
            row.receipt = serde_json::to_string(receipt).ok();
        }
        Delivery::Transient { why, retry_after, .. } => {
            row.problem = Some(why.to_string());
            later(&mut row, *retry_after);
        }
        Delivery::Parked { problem } => {
            row.state = OutboxState::Parked;
            row.problem = Some(format!("the supplier refuses it: {problem}"));
        }
        Delivery::Stale { problem, .. } => {
            row.state = OutboxState::Parked;
            row.problem = Some(format!("the supplier holds another document of the day: {problem}"));
        }
        Delivery::Unauthorised { problem, .. } => {
            row.problem = Some(format!("the supplier refuses the token: {problem}"));
            later(&mut row, None);
        }
        Delivery::NotParticipating { problem } => {
            row.problem = Some(format!("the practice takes no part at the supplier: {problem}"));
            later(&mut row, None);
        }
        Delivery::Gone { problem } => {
            row.problem = Some(format!("the supplier does not know the practice: {problem}"));
            later(&mut row, None);
        }
    }
    row
}

/// What is said of a row to whoever asked for it to be sent.
pub fn said(row: &OutboxRow) -> Sent {
    let (ods, site) = row.owner.key();
    let receipt: Option<serde_json::Value> = row.receipt.as_deref().and_then(|text| serde_json::from_str(text).ok());
    Sent {
        ods: ods.to_string(),
        site: site.to_string(),
        date: row.date.to_string(),
        revision: row.revision,
        state: row.state,
        problem: row.problem.clone(),
        sha256: row.sha256.clone(),
        receipt_id: receipt.and_then(|receipt| receipt.get("receipt_id")?.as_str().map(str::to_owned)),
    }
}

/// Notes what became of a document.
pub fn note(keeper: &mut Keeper, row: &OutboxRow) -> Result<(), StoreError> {
    let work = keeper.store.begin()?;
    work.attempted(row)?;
    work.commit()
}
