//! What the supplier's own people and programs look at: health, metrics, the fleet.
//!
//! Health is told to everyone, since load balancers ask. Metrics are for this machine; with `--metrics ADDR` they have an
//! address of their own, and the page of the fleet with them, which names practices.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use serde_json::json;

use super::fleet::page::page;
use super::fleet::{Fleet, Thresholds};
use super::metrics::{CONTENT_TYPE, Gauges};
use super::problem::{Kind, Problem};
use super::receive::Receiver;
use super::seats::Seats;

/// What is looked at.
#[derive(Debug)]
pub struct Watch {
    /// The seats of those who send.
    pub seats: Arc<Seats>,
    /// Whether metrics have an address of their own.
    pub apart: bool,
    certificate_until: AtomicI64,
}

/// No certificate, or one whose end cannot be read.
const NO_END: i64 = i64::MAX;

impl Watch {
    /// Nothing has been seen yet.
    pub fn new(seats: Arc<Seats>, apart: bool) -> Watch {
        Watch { seats, apart, certificate_until: AtomicI64::new(NO_END) }
    }

    /// Until when the certificate that is shown now is good.
    pub fn certificate(&self, until: Option<Timestamp>) {
        self.certificate_until.store(until.map_or(NO_END, Timestamp::as_second), Ordering::Relaxed);
    }

    fn certificate_s(&self, now: Timestamp) -> Option<i64> {
        let until = Some(self.certificate_until.load(Ordering::Relaxed)).filter(|until| *until != NO_END)?;
        Some(until.saturating_sub(now.as_second()))
    }
}

/// What is served at the address of its own.
pub fn router(receiver: Arc<Receiver>) -> Router {
    Router::new()
        .route("/fleet", get(fleet))
        .route("/metrics", get(metrics))
        .route("/v1/health/live", get(alive))
        .route("/v1/health", get(ready))
        .fallback(async || Problem::new(Kind::NoSuchResource, "there are /fleet, /metrics and /v1/health"))
        .layer(middleware::from_fn(shut))
        .with_state(receiver)
}

/// Nothing of a page is fetched from elsewhere, run, framed, or kept.
async fn shut(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
    response
}

/// The page of the fleet.
async fn fleet(State(receiver): State<Arc<Receiver>>) -> Result<Response, Problem> {
    let now = receiver.clock.now();
    let fleet = receiver.archived(move |archive| Fleet::of(archive, now, Thresholds::default())).await?;
    Ok(axum::response::Html(page(&fleet)).into_response())
}

/// The receiver runs.
pub(super) async fn alive() -> Response {
    axum::Json(json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")})).into_response()
}

/// The receiver can take documents.
pub(super) async fn ready(State(receiver): State<Arc<Receiver>>) -> Result<Response, Problem> {
    receiver.archived(|archive| archive.answers()).await?;
    let now = receiver.clock.now();
    let mut said = json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")});
    if let Some(practices) = receiver.gate.practices() {
        said["participation"] = json!({"practices": practices, "age_s": receiver.gate.age_s(now)});
    }
    if let Some(seconds) = receiver.watch.certificate_s(now) {
        said["certificate_days"] = json!(seconds.div_euclid(86_400));
    }
    if let Some(last) = receiver.metrics.last_document() {
        said["last_document"] = json!(last);
    }
    Ok(axum::Json(said).into_response())
}

/// What was counted.
pub(super) async fn metrics(State(receiver): State<Arc<Receiver>>) -> Response {
    let now = receiver.clock.now();
    let gauges = Gauges {
        connections: receiver.watch.seats.taken(),
        practices: receiver.gate.practices(),
        list_age_s: receiver.gate.age_s(now),
        certificate_s: receiver.watch.certificate_s(now),
        store_answers: receiver.archived(|archive| archive.answers()).await.is_ok(),
    };
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], receiver.metrics.exposition(&gauges)).into_response()
}
