//! The HTTP side: one function an operation.

use std::sync::{Arc, RwLock};

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post, put};
use jiff::Timestamp;
use jiff::civil::Date;

use super::archive::{Archive, ArchiveError, Arrival, Heard, Held, Kept};
use super::contract::{self, Operation};
use super::enrol::{post_enrolment, post_key};
use super::gate::Gate;
use super::identity::{Doorman, Sender, SentBy};
use super::journal::{self, Named, is_from_here};
use super::limits::Limits;
use super::metrics::{Metrics, Taken};
use super::office::{self, Watch};
use super::problem::{Kind, Problem};
use super::request::{check_digest, check_media_type, read, refuse_after, skew};
use super::tokens::Tokens;
use super::verify::{Address, is_name, practice_and_site, verify};
use crate::aggregate::document::{DayDocument, SCHEMA};
use crate::clock::Clock;
use crate::push::parcel::{content_digest, sha256_hex};
use crate::push::{MEDIA_TYPE, SKEW_WORTH_TELLING_S, legible};

/// The longest document that is taken, in bytes.
pub const LONGEST_DOCUMENT: usize = 1024 * 1024;
/// The longest heartbeat.
const LONGEST_HEARTBEAT: usize = 16 * 1024;

/// What every request needs.
#[derive(Debug)]
pub struct Receiver {
    /// Where documents are kept.
    pub archive: Arc<Archive>,
    /// Who may send. Exchanged when the file is read again.
    pub tokens: RwLock<Tokens>,
    /// Whose documents are taken.
    pub gate: Gate,
    /// How much may be asked.
    pub limits: Limits,
    /// What was counted.
    pub metrics: Metrics,
    /// What the supplier's own people look at besides.
    pub watch: Watch,
    /// How boxes see this receiver, and who tries codes.
    pub doorman: Doorman,
    /// The time.
    pub clock: Clock,
}

type Shared = State<Arc<Receiver>>;
type DayPath = Result<Path<(String, String, String)>, PathRejection>;
type SitePath = Result<Path<(String, String)>, PathRejection>;

/// Everything that is served.
pub fn router(receiver: Arc<Receiver>) -> Router {
    let held_to = |operation: &'static Operation, handler: MethodRouter<Arc<Receiver>>| {
        handler.layer(middleware::from_fn(move |request, next| hold(operation, request, next)))
    };
    Router::new()
        .route(contract::PUT_DAY.path, held_to(&contract::PUT_DAY, put(put_day)))
        .route(contract::GET_DAY.path, held_to(&contract::GET_DAY, get(get_day)))
        .route(contract::GET_DAYS.path, held_to(&contract::GET_DAYS, get(get_days)))
        .route(contract::HEARTBEAT.path, held_to(&contract::HEARTBEAT, post(heartbeat)))
        .route(contract::ENROL.path, held_to(&contract::ENROL, post(post_enrolment)))
        .route(contract::ADD_KEY.path, held_to(&contract::ADD_KEY, post(post_key)))
        .route(contract::ALIVE.path, held_to(&contract::ALIVE, get(office::alive)))
        .route(contract::READY.path, held_to(&contract::READY, get(office::ready)))
        .route(contract::HEALTH.path, held_to(&contract::HEALTH, get(office::ready)))
        .route("/metrics", get(metrics))
        .fallback(async || Problem::new(Kind::NoSuchResource, "see docs/openapi.yaml for what is served"))
        .method_not_allowed_fallback(async || Problem::new(Kind::MethodNotAllowed, "the Allow header says which is"))
        .layer(middleware::from_fn_with_state(receiver.clone(), journal::note))
        .with_state(receiver)
}

/// Holds the answers to the table they are documented from, and says which operation it was.
async fn hold(operation: &'static Operation, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let kind = response.extensions().get::<Kind>().copied();
    debug_assert!(
        operation.knows(response.status().as_u16(), kind),
        "{} {} answered {} {kind:?}, which its contract does not know",
        operation.method,
        operation.path,
        response.status()
    );
    response.extensions_mut().insert(operation);
    response
}

/// What is counted, for a program on this machine. Whoever else asks is told what is told of any other path; they have an
/// address of their own (`--metrics`).
async fn metrics(State(receiver): Shared, request: Request) -> Result<Response, Problem> {
    if !is_from_here(&request) || receiver.watch.apart {
        return Err(Problem::new(Kind::NoSuchResource, "see docs/openapi.yaml for what is served"));
    }
    Ok(office::metrics(State(receiver)).await)
}

async fn put_day(
    State(receiver): Shared,
    path: DayPath,
    from: SentBy,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let allowed = || -> Result<(Address, Sender), Problem> {
        let address = day_address(path)?;
        let sender = from.may(&address.ods, &address.site)?;
        receiver.gate.admits(&address.ods)?;
        check_media_type(&headers)?;
        Ok((address, sender))
    };
    let (address, sender) = match allowed() {
        Ok(allowed) => allowed,
        Err(problem) => return Err(refuse_after(body, problem).await),
    };
    let body = read(body, receiver.limits.longest_document).await?;
    check_digest(&headers, &body)?;
    let (document, canonical) = verify(&body, &address)?;
    let now = receiver.clock.now();
    let (told_skew, bytes) = (skew(&headers), body.len());
    let arrival = Arrival {
        ods: address.ods,
        site: address.site,
        date: address.date,
        revision: document.revision,
        sha256: sha256_hex(&body),
        body,
        schema: SCHEMA.to_owned(),
        device: document.device.clone(),
        received_at: now,
        receipt_id: receipt_id()?,
    };
    let kept_of_sender = sender.kept();
    let sent_by = sender.device.filter(|device| *device != document.device);
    let kept = receiver
        .archived(move |archive| {
            archive.keep_from(&arrival, &kept_of_sender, |held| {
                let mut warnings = warnings(&document, held, canonical, told_skew, now);
                warnings.extend(sent_by.iter().map(|box_| format!("device: sent by {}", legible(box_))));
                warnings
            })
        })
        .await?;
    let (status, receipt, taken) = match kept {
        Kept::First(receipt) => (StatusCode::CREATED, receipt, Taken::First),
        Kept::Replaced(receipt) => (StatusCode::OK, receipt, Taken::Replaced),
        Kept::Replayed(receipt) => (StatusCode::OK, receipt, Taken::Replayed),
        Kept::Stale(held) => {
            let said = format!("revision {} is held, with other bytes; send a higher one", held.revision);
            let problem = Problem::field(Kind::StaleRevision, "/revision", said);
            return Err(Problem { held: Some((held.revision, held.sha256)), ..problem });
        }
    };
    receiver.metrics.taken(taken, bytes, now);
    let mut response = (status, axum::Json(receipt)).into_response();
    if let Some(key) = headers.get("idempotency-key") {
        response.headers_mut().insert("idempotency-key", key.clone());
    }
    response.extensions_mut().insert(Named);
    Ok(response)
}

/// What a person at the supplier should know of a document that is right in itself.
fn warnings(
    document: &DayDocument,
    held: Option<&Held>,
    canonical: bool,
    told_skew: Option<i64>,
    now: Timestamp,
) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(skew) = told_skew.filter(|skew| skew.abs() > SKEW_WORTH_TELLING_S) {
        warnings.push(format!("clock: the box says its clock is {skew} s off"));
    }
    let ahead = document.produced_at.duration_since(now).as_secs();
    if ahead > SKEW_WORTH_TELLING_S {
        warnings.push(format!("clock: produced_at is {ahead} s ahead of the receiver's clock"));
    }
    if let Some(held) = held {
        if document.previous.as_deref() != Some(&format!("sha256:{}", held.sha256)) {
            warnings.push(format!("previous: does not name revision {}, the newest held before", held.revision));
        }
        if document.device != held.device {
            warnings.push(format!("device: revision {} came from {}", held.revision, legible(&held.device)));
        }
    }
    if document.coverage.complete != (document.coverage.observed_s == day_seconds(document)) {
        warnings.push("coverage: complete and observed_s contradict each other".to_owned());
    }
    if !canonical {
        warnings.push("body: not canonical JSON; a resend may not be known again".to_owned());
    }
    warnings
}

fn day_seconds(document: &DayDocument) -> u64 {
    document.day.end.duration_since(document.day.start).as_secs().unsigned_abs()
}

#[derive(serde::Deserialize)]
struct WhichRevision {
    revision: Option<u32>,
}

async fn get_day(
    State(receiver): Shared,
    path: DayPath,
    query: Result<Query<WhichRevision>, QueryRejection>,
    from: SentBy,
) -> Result<Response, Problem> {
    let address = day_address(path)?;
    from.may(&address.ods, &address.site)?;
    let Query(WhichRevision { revision }) =
        query.map_err(|_| Problem::new(Kind::BadQuery, "revision must be a whole number, as in ?revision=1"))?;
    let Address { ods, site, date } = address;
    let found = receiver.archived(move |archive| archive.document(&ods, &site, date, revision)).await?;
    let Some((held, body)) = found else {
        let said = match revision {
            Some(revision) => format!("revision {revision} of {date} is not held"),
            None => format!("{date} is not held"),
        };
        return Err(Problem::new(Kind::NotHeld, said));
    };
    let headers = [
        (header::CONTENT_TYPE, MEDIA_TYPE.to_owned()),
        (HeaderName::from_static("content-digest"), content_digest(&body)),
        (header::ETAG, format!("\"{}\"", held.sha256)),
    ];
    let mut response = (headers, body).into_response();
    response.extensions_mut().insert(Named);
    Ok(response)
}

#[derive(serde::Deserialize)]
struct Range {
    from: Option<Date>,
    to: Option<Date>,
}

async fn get_days(
    State(receiver): Shared,
    path: SitePath,
    query: Result<Query<Range>, QueryRejection>,
    from: SentBy,
) -> Result<Response, Problem> {
    let Path((ods, site)) = path.map_err(|_| Problem::new(Kind::BadAddress, "the path is not UTF-8"))?;
    practice_and_site(&ods, &site)?;
    from.may(&ods, &site)?;
    let Query(Range { from, to }) =
        query.map_err(|_| Problem::new(Kind::BadQuery, "from and to must be days, as in ?from=2026-11-01"))?;
    if let (Some(from), Some(to)) = (from, to)
        && from > to
    {
        return Err(Problem::new(Kind::BadQuery, format!("from {from} is after to {to}")));
    }
    let manifest = receiver.archived(move |archive| archive.manifest(&ods, &site, from, to)).await?;
    let mut response = axum::Json(manifest).into_response();
    response.extensions_mut().insert(Named);
    Ok(response)
}

async fn heartbeat(
    State(receiver): Shared,
    path: Result<Path<String>, PathRejection>,
    from: SentBy,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Problem> {
    let body = read(body, LONGEST_HEARTBEAT).await?;
    let sender = from.sender()?;
    if headers.contains_key("content-digest") {
        check_digest(&headers, &body)?;
    }
    let device = path.map(|Path(device)| device).unwrap_or_default();
    if !is_name(&device) {
        let said = "a device is 1 to 64 letters, digits, '.', '_' and '-'";
        return Err(Problem::new(Kind::BadAddress, said));
    }
    sender.is(&device)?;
    let practices = sender.ods;
    // A sign of life is one whatever it says; what is kept of what it says is an object or nothing.
    let said = serde_json::from_slice(&body).ok().filter(serde_json::Value::is_object);
    let heard = Heard { device, practices, skew_s: skew(&headers), received_at: receiver.clock.now(), said };
    receiver.archived(move |archive| archive.heartbeat(&heard)).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Receiver {
    /// Runs a step on the archive off the threads that serve, since it waits for the disk.
    pub async fn archived<T: Send + 'static>(
        &self,
        step: impl FnOnce(&Archive) -> Result<T, ArchiveError> + Send + 'static,
    ) -> Result<T, Problem> {
        let archive = self.archive.clone();
        let unavailable = |error: &dyn std::error::Error| {
            tracing::error!(%error, "archive");
            Problem::new(Kind::Unavailable, "the receiver's store cannot be used now; nothing was kept, send again")
        };
        let began = std::time::Instant::now();
        let done = tokio::task::spawn_blocking(move || step(&archive)).await;
        self.metrics.stored(began.elapsed());
        match done {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(unavailable(&error)),
            Err(error) => Err(unavailable(&error)),
        }
    }
}

fn day_address(path: DayPath) -> Result<Address, Problem> {
    let Path((ods, site, date)) = path.map_err(|_| Problem::new(Kind::BadAddress, "the path is not UTF-8"))?;
    Address::parse(&ods, &site, &date)
}

fn receipt_id() -> Result<String, Problem> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(|error| {
        tracing::error!(%error, "no random numbers");
        Problem::new(Kind::Unavailable, "the receiver cannot make a receipt now; nothing was kept, send again")
    })?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}
