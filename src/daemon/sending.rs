//! What the verbs `push` and `approve` are answered.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answers::{audit, whose};
use super::courier::{self, Sent};
use super::desk::Desk;
use super::keeper::Keeper;
use super::round::{Round, RoundError, in_order, park_stopped, probes};
use crate::clock::Clock;
use crate::config::Config;
use crate::control::Refusal;
use crate::push::Client;
use crate::store::{Cause, OutboxRow, OutboxState, StoreError};

/// What would be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// ODS code.
    pub ods: String,
    /// Site.
    pub site: String,
    /// Civil day.
    pub date: String,
    /// Revision.
    pub revision: u32,
    /// Where the document stands, or would stand once the day is closed.
    pub state: OutboxState,
    /// Whether a push would send it.
    pub sends: bool,
    /// Why not, where it would not.
    pub because: Option<String>,
    /// Whether the day is still to be closed or rendered again: time and digest are then those of this moment.
    pub provisional: bool,
    /// HTTP method.
    pub method: String,
    /// The whole address.
    pub url: String,
    /// The proxy on the way.
    pub proxy: Option<String>,
    /// Header names and values; the secret is not shown.
    pub headers: Vec<(String, String)>,
    /// Length of the body, in bytes.
    pub bytes: usize,
    /// Digest of the body, in hexadecimal digits.
    pub sha256: String,
}

/// What became of an approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    /// Whether it was held until now.
    pub released: bool,
    /// The document as it stands.
    #[serde(flatten)]
    pub document: Sent,
}

fn gone() -> Refusal {
    Refusal::new("the writer is gone", "restart the daemon")
}

fn stored(error: StoreError) -> Refusal {
    Refusal::new(error, "see smdrd status")
}

fn json(value: impl Serialize) -> Result<Value, Refusal> {
    serde_json::to_value(value).map_err(|error| Refusal::new(error, "report this"))
}

fn client(config: &Config, clock: Clock) -> Result<Client, Refusal> {
    match courier::client(config, clock) {
        None => Err(Refusal::new("no supplier is configured", "add [supplier] to the configuration")),
        Some(made) => made.map_err(|error| Refusal::new(error, "check [supplier] with smdrd check")),
    }
}

fn is_over(keeper: &Keeper, date: Date) -> Result<(), Refusal> {
    if keeper.is_over(date) {
        return Ok(());
    }
    let closes = keeper.closes_at(date);
    Err(Refusal::new(format!("{date} is not over; it is closed at {closes}"), "look at it with smdrd day"))
}

/// Closes the days that are over, compares with the supplier, and sends what is to be sent.
pub(super) async fn push(
    desk: &Desk,
    config: &Config,
    clock: Clock,
    who: &str,
    date: Option<Date>,
) -> Result<Value, Refusal> {
    let client = client(config, clock)?;
    let round = Round { desk, client: &client, clock };
    let failed = |error: RoundError| match error {
        RoundError::Gone => gone(),
        RoundError::Store(error) => stored(error),
    };
    let who = who.to_owned();
    let prepare = move |keeper: &mut Keeper| {
        date.map_or(Ok(()), |date| is_over(keeper, date))?;
        audit(keeper, &who, "push").map_err(stored)?;
        keeper.tick().map_err(stored)?;
        keeper.settle_days(keeper.clock.now(), true, true).map_err(stored)?;
        park_stopped(keeper).map_err(stored)?;
        let standing = keeper.standing().map_err(stored)?;
        let mut owners = keeper.practices();
        owners.retain(|owner| date.is_none() && standing.stopped(&courier::practice_of(owner)).is_none());
        Ok(owners)
    };
    let owners = desk.with(prepare).await.ok_or_else(gone)??;
    // Whether that works is for the status to say; what is queued is tried in any case.
    round.compare(owners).await.map_err(failed)?;
    let (due, settled) = desk.with(move |keeper| chosen(keeper, date)).await.ok_or_else(gone)?.map_err(stored)?;
    let mut sent: Vec<Sent> = settled.iter().map(courier::said).collect();
    let outcome = round.send(due, date.is_some()).await.map_err(failed)?;
    sent.extend(outcome.sent);
    if !outcome.broken_off && date.is_none() {
        sent.extend(resumed(&round, &sent).await.map_err(failed)?);
    }
    sent.sort_by(|one, other| (&one.date, &one.ods, &one.site).cmp(&(&other.date, &other.ods, &other.site)));
    json(sent)
}

/// What a push sends, and what it only reports.
fn chosen(keeper: &mut Keeper, date: Option<Date>) -> Result<(Vec<OutboxRow>, Vec<OutboxRow>), StoreError> {
    let wanted = |row: &OutboxRow| date.is_none_or(|date| date == row.date);
    let mut due: Vec<OutboxRow> = keeper.store.read().pending()?.into_iter().filter(wanted).collect();
    if date.is_none() {
        due.extend(probes(keeper, |_| true)?);
    }
    // A day that is asked for by name is reported even when it has been delivered before.
    let mut settled = Vec::new();
    if let Some(date) = date.filter(|_| due.is_empty()) {
        for owner in keeper.practices() {
            settled.extend(keeper.store.read().newest(&owner, date)?);
        }
    }
    // Somebody who names a day that was refused has put right what it was refused for.
    let (refused, settled): (Vec<_>, Vec<_>) = settled.into_iter().partition(|row| row.state == OutboxState::Parked);
    due.extend(refused);
    in_order(&mut due, keeper.last_night());
    Ok((due, settled))
}

/// Sends what a practice's first document set free.
async fn resumed(round: &Round<'_>, sent: &[Sent]) -> Result<Vec<Sent>, RoundError> {
    let key = |sent: &Sent| (sent.ods.clone(), sent.site.clone(), sent.date.clone());
    let done: Vec<_> = sent.iter().map(key).collect();
    let rest = round.desk.with(move |keeper| {
        let now = keeper.clock.now();
        let mut rows = keeper.store.read().pending()?;
        rows.retain(|row| row.next <= now && !done.contains(&key(&courier::said(row))));
        in_order(&mut rows, keeper.last_night());
        Ok::<_, StoreError>(rows)
    });
    let rows = rest.await.ok_or(RoundError::Gone)??;
    Ok(round.send(rows, false).await?.sent)
}

/// What a push would send, and where. Nothing is sent, closed or stored.
pub(super) async fn preview(desk: &Desk, config: &Config, clock: Clock, date: Option<Date>) -> Result<Value, Refusal> {
    let client = client(config, clock)?;
    let proxy = config.supplier.as_ref().and_then(|supplier| supplier.proxy.as_ref()).map(|url| url.get_ref().clone());
    let rows = desk
        .with(move |keeper| {
            date.map_or(Ok(()), |date| is_over(keeper, date))?;
            keeper.would_send(date).map_err(stored)
        })
        .await
        .ok_or_else(gone)??;
    let previews: Vec<Preview> = rows
        .into_iter()
        .filter_map(|(row, provisional)| {
            let parcel = courier::parcel(&row)?;
            let outline = client.outline(&parcel);
            let because = because(&row, date.is_some());
            let Sent { ods, site, date, revision, state, sha256, .. } = courier::said(&row);
            Some(Preview {
                ods,
                site,
                date,
                revision,
                state,
                sends: because.is_none(),
                because,
                provisional,
                method: outline.method,
                url: outline.url,
                proxy: proxy.clone(),
                headers: outline.headers,
                bytes: row.body.len(),
                sha256,
            })
        })
        .collect();
    json(previews)
}

/// Why a push would not send a document.
fn because(row: &OutboxRow, named: bool) -> Option<String> {
    match row.state {
        OutboxState::Pending => None,
        OutboxState::Parked if named => None,
        OutboxState::Held => Some(format!("it awaits approval: smdrd approve {}", row.date)),
        OutboxState::Receipted => Some("the supplier has it".to_owned()),
        OutboxState::Superseded => Some("a newer revision took its place".to_owned()),
        OutboxState::Parked if row.cause.is_some_and(Cause::is_of_practice) => {
            Some("the supplier does not take the practice".to_owned())
        }
        OutboxState::Parked => Some(format!("it is parked: smdrd push {}", row.date)),
    }
}

/// Releases a held day.
pub(super) async fn approve(desk: &Desk, who: &str, date: Date, practice: Option<String>) -> Result<Value, Refusal> {
    let who = who.to_owned();
    desk.with(move |keeper| {
        let owner = whose(keeper, practice.as_deref())?;
        if keeper.config.supplier.is_none() {
            return Err(Refusal::new("no supplier is configured", "add [supplier] to the configuration"));
        }
        is_over(keeper, date)?;
        // What is released is what `smdrd day` shows, and not an older state of it.
        keeper.tick().map_err(stored)?;
        keeper.settle_days(keeper.clock.now(), true, true).map_err(stored)?;
        let before = keeper.store.read().newest(&owner, date).map_err(stored)?;
        let released = before.is_some_and(|row| row.state == OutboxState::Held);
        match keeper.approve(&owner, date, &who).map_err(stored)? {
            Some(row) => json(Approved { released, document: courier::said(&row) }),
            None => {
                let known = "days are kept from the one on which smdrd began to collect, 45 days back at most";
                Err(Refusal::new(format!("there is no document of {date}"), known))
            }
        }
    })
    .await
    .ok_or_else(gone)?
}
