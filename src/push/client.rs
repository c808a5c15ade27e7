//! The HTTPS client: one question, one answer. What is asked is a day's delivery, how an accepted one was judged, which
//! days the supplier holds, one of them, or nothing but to be heard (the heartbeat).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER, USER_AGENT};
use reqwest::tls::TlsInfo;
use reqwest::{Method, Request, RequestBuilder, Response, StatusCode, Url};
use zeroize::Zeroizing;

use super::answer::{Answer, http_date};
use super::auth::enrolment::{Enrolled, Enrolment, NewKey};
use super::certificate;
use super::fault::{Failure, innermost};
use super::heartbeat::Heartbeat;
use super::manifest::{self, Manifest};
use super::parcel::{content_digest, sha256_hex};
use super::route::{Route, SetUpError};
use super::{Auth, Delivery, MEDIA_TYPE, Parcel, Problem, Proof, SKEW_HEADER, SKEW_WORTH_TELLING_S, Why, legible};
use crate::clock::Clock;

/// The most of a receipt or a refusal that is read, in bytes.
pub const LONGEST_ANSWER: usize = 64 * 1024;
/// The most of a list of days that is read: two years of them, where a supplier does not know of `from` and `to`.
pub const LONGEST_MANIFEST: usize = 256 * 1024;
/// The most of a document that is read back.
const LONGEST_DOCUMENT: usize = 1024 * 1024;
/// No measure of the clock has been made yet.
const NOT_MEASURED: i64 = i64::MIN;
/// How the box names itself.
const AGENT: &str = concat!("smdrd/", env!("CARGO_PKG_VERSION"));

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// Until there is a connection, TLS included.
    pub connect: Duration,
    /// For a whole try.
    pub total: Duration,
}

impl Default for Deadlines {
    fn default() -> Deadlines {
        Deadlines { connect: Duration::from_secs(10), total: Duration::from_secs(60) }
    }
}

/// Delivers to one supplier.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    auth: Arc<dyn Auth>,
    clock: Clock,
    skew_s: AtomicI64,
    /// Seconds since 1970.
    certificate_until: AtomicI64,
}

/// A request as it would be sent, for people to look at. The secret is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// HTTP method.
    pub method: String,
    /// The whole address.
    pub url: String,
    /// Names and values, in the order of names; that of `authorization` is hidden.
    pub headers: Vec<(String, String)>,
}

/// A document that the supplier holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its revision.
    pub revision: u32,
    /// SHA-256 of its bytes, in lower-case hex.
    pub sha256: String,
    /// The box it came from.
    pub device: String,
    /// Seconds of the day that it says were observed.
    pub observed_s: u64,
}

impl Client {
    /// A client for the supplier at the end of `route`. `clock` tells how wrong the box's clock is, by the server's own.
    pub fn new(route: &Route<'_>, auth: Arc<dyn Auth>, clock: Clock) -> Result<Client, SetUpError> {
        Client::with_deadlines(route, auth, clock, Deadlines::default())
    }

    /// The same with other deadlines, for tests.
    #[doc(hidden)]
    pub fn with_deadlines(
        route: &Route<'_>,
        auth: Arc<dyn Auth>,
        clock: Clock,
        deadlines: Deadlines,
    ) -> Result<Client, SetUpError> {
        let base = route.base()?;
        let builder = reqwest::Client::builder()
            .user_agent(AGENT)
            .connect_timeout(deadlines.connect)
            .timeout(deadlines.total)
            // Shorter than a server's patience, so that a document is not sent into a connection that is being closed.
            .pool_idle_timeout(Duration::from_secs(15))
            .tls_info(true)
            .redirect(reqwest::redirect::Policy::none());
        let builder = route.apply(builder, &base)?;
        let builder = match auth.identity().map_err(SetUpError::Credentials)? {
            Some(identity) => builder.identity(identity),
            None => builder,
        };
        let http = builder.build().map_err(|error| SetUpError::Tls(legible(&innermost(&error))))?;
        Ok(Client {
            http,
            base,
            auth,
            clock,
            skew_s: AtomicI64::new(NOT_MEASURED),
            certificate_until: AtomicI64::new(NOT_MEASURED),
        })
    }

    /// Sends the parcel once, or twice when the first try is refused for its credentials and newer ones are found.
    pub async fn deliver(&self, parcel: &Parcel) -> Delivery {
        if sha256_hex(&parcel.body) != parcel.sha256 {
            let problem = Problem {
                status: StatusCode::UNPROCESSABLE_ENTITY.as_u16(),
                kind: Some("urn:smdrd:problem:body-changed".to_owned()),
                title: Some("not sent: the stored document is not the one that was queued".to_owned()),
                detail: None,
            };
            return Delivery::Parked { problem };
        }
        match self.ask(|| self.put(parcel), LONGEST_ANSWER).await {
            Ok(answer) => answer.meaning(parcel, self.clock.now()),
            Err(delivery) => delivery,
        }
    }

    /// Asks how a parcel that was accepted (202) has been judged, at the address that the supplier gave. Where that is
    /// not the supplier's own, or holds no answer any more, the parcel is sent again: the same bytes, so the same day.
    pub async fn poll(&self, parcel: &Parcel, address: &str) -> Delivery {
        let ours = self.base.join(address).ok().filter(|url| url.origin() == self.base.origin());
        let Some(url) = ours else { return self.deliver(parcel).await };
        match self.ask(|| self.http.get(url.clone()), LONGEST_ANSWER).await {
            Ok(answer) if matches!(answer.status, 204 | 300..=399 | 404 | 405 | 410) => self.deliver(parcel).await,
            Ok(answer) => match answer.meaning(parcel, self.clock.now()) {
                // Without a new address the old one holds.
                Delivery::Accepted { poll: None, retry_after } => {
                    Delivery::Accepted { poll: Some(address.to_owned()), retry_after }
                }
                delivery => delivery,
            },
            Err(delivery) => delivery,
        }
    }

    /// Which days from `from` to `to` the supplier holds for a site, or why that is not known.
    pub async fn manifest(&self, ods: &str, site: &str, from: Date, to: Date) -> Result<Manifest, Delivery> {
        let mut url = self.url(&["v1", "practices", ods, "sites", site, "days"]);
        url.query_pairs_mut().append_pair("from", &from.to_string()).append_pair("to", &to.to_string());
        let answer = self.ask(|| self.http.get(url.clone()), LONGEST_MANIFEST).await?;
        if answer.status != 200 {
            return Err(answer.refusal(self.clock.now()));
        }
        manifest::read(&answer.body, from, to).map_err(|reason| Delivery::Transient {
            why: Why::NotAManifest(legible(&reason)),
            retry_after: None,
            status: Some(answer.status),
        })
    }

    /// The newest document that the supplier holds of a parcel's day, or why that is not known.
    pub async fn held(&self, parcel: &Parcel) -> Result<Held, Delivery> {
        let answer = self.ask(|| self.http.get(self.day(parcel)), LONGEST_DOCUMENT).await?;
        if answer.status != 200 {
            return Err(answer.refusal(self.clock.now()));
        }
        held(&answer.body, parcel).ok_or(Delivery::Transient {
            why: Why::NotAReceipt("it is no document of that day".to_owned()),
            retry_after: None,
            status: Some(answer.status),
        })
    }

    /// Says that the box is there.
    pub async fn heartbeat(&self, device: &str, heartbeat: &Heartbeat) -> Result<(), Delivery> {
        let url = self.url(&["v1", "devices", device, "heartbeat"]);
        let body = serde_json::to_vec(heartbeat).unwrap_or_default();
        let answer = self.ask(|| self.post(&url, &body), LONGEST_ANSWER).await?;
        if (200..=299).contains(&answer.status) { Ok(()) } else { Err(answer.refusal(self.clock.now())) }
    }

    /// Tells the supplier the key that is to follow the one in use.
    pub async fn add_key(&self, device: &str, key: &NewKey) -> Result<Enrolled, Delivery> {
        self.told(self.url(&["v1", "devices", device, "keys"]), key).await
    }

    /// Enrols the box: brings its key, with the one-time code that is good for it.
    pub async fn enrol(&self, enrolment: &Enrolment) -> Result<Enrolled, Delivery> {
        self.told(self.url(&["v1", "enrol"]), enrolment).await
    }

    async fn told(&self, url: Url, what: &impl serde::Serialize) -> Result<Enrolled, Delivery> {
        let body = Zeroizing::new(serde_json::to_vec(what).unwrap_or_default());
        let answer = self.ask(|| self.post(&url, &body), LONGEST_ANSWER).await?;
        if !matches!(answer.status, 200 | 201) {
            return Err(answer.refusal(self.clock.now()));
        }
        let enrolled = serde_json::from_slice(&answer.body).ok().filter(Enrolled::is_in_form);
        enrolled.ok_or(Delivery::Transient {
            why: Why::NotAReceipt("it does not say which key it is for".to_owned()),
            retry_after: None,
            status: Some(answer.status),
        })
    }

    /// The request for a parcel as it would be sent now.
    pub fn outline(&self, parcel: &Parcel) -> Outline {
        let Ok(request) = self.proved(self.put(parcel)) else {
            return Outline { method: "PUT".to_owned(), url: self.day(parcel).to_string(), headers: Vec::new() };
        };
        let mut headers: Vec<(String, String)> = request
            .headers()
            .iter()
            .map(|(name, value)| {
                let hidden = value.is_sensitive() || name == AUTHORIZATION;
                let value = if hidden { "(not shown)" } else { value.to_str().unwrap_or("(not ASCII)") };
                (name.as_str().to_owned(), value.to_owned())
            })
            .collect();
        headers.push((USER_AGENT.as_str().to_owned(), AGENT.to_owned()));
        headers.sort();
        Outline { method: Method::PUT.to_string(), url: request.url().to_string(), headers }
    }

    /// By how many seconds the box's clock was ahead of the supplier's at the last answer that bore a date.
    pub fn skew_s(&self) -> Option<i64> {
        Some(self.skew_s.load(Ordering::Relaxed)).filter(|skew| *skew != NOT_MEASURED)
    }

    /// Until when the server's certificate is good, by the last answer that came under one.
    pub fn certificate_until(&self) -> Option<Timestamp> {
        let second = Some(self.certificate_until.load(Ordering::Relaxed)).filter(|second| *second != NOT_MEASURED)?;
        Timestamp::from_second(second).ok()
    }

    /// One request, or two: when the first is refused for its credentials and newer ones are found, or for its date and the
    /// answer tells the right time. `Ok` is an answer of any status but those.
    async fn ask(&self, request: impl Fn() -> RequestBuilder, longest: usize) -> Result<Answer, Delivery> {
        let transient = |Failure { why, status }: Failure| Delivery::Transient { why, retry_after: None, status };
        let mut answer = self.once(&request, longest).await.map_err(transient)?;
        let is_dated = self.auth.is_dated() && !self.clock.is_scaled();
        if is_dated && matches!(answer.refusal(self.clock.now()), Delivery::Transient { why: Why::ClockSkew(_), .. }) {
            answer = self.once(&request, longest).await.map_err(transient)?;
        }
        let Delivery::Unauthorised { problem, .. } = answer.refusal(self.clock.now()) else { return Ok(answer) };
        let proof = self.auth.kind();
        match self.auth.refresh() {
            Ok(true) => {
                let again = self.once(&request, longest).await.map_err(transient)?;
                match again.refusal(self.clock.now()) {
                    Delivery::Unauthorised { problem, credentials, .. } => {
                        Err(Delivery::Unauthorised { problem, credentials, proof })
                    }
                    _ => Ok(again),
                }
            }
            Ok(false) => Err(Delivery::Unauthorised { problem, credentials: None, proof }),
            Err(error) => Err(Delivery::Unauthorised { problem, credentials: Some(error.to_string()), proof }),
        }
    }

    /// The request with everything on it. It is dated by the supplier's clock, as far as that is known: the box's own may be
    /// wrong.
    fn proved(&self, request: RequestBuilder) -> reqwest::Result<Request> {
        let mut request = self.told_skew(request).build()?;
        let ahead = SignedDuration::from_secs(self.skew_s().unwrap_or_default());
        self.auth.apply(&mut request, self.clock.now().saturating_sub(ahead).unwrap_or_default());
        Ok(request)
    }

    async fn once(&self, request: &impl Fn() -> RequestBuilder, longest: usize) -> Result<Answer, Failure> {
        let response =
            self.http.execute(self.proved(request())?).await.map_err(|error| self.explained(error.into()))?;
        self.measure_skew(response.headers());
        let shown = response.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate);
        if let Some(until) = shown.and_then(certificate::good_until) {
            self.certificate_until.store(until.as_second(), Ordering::Relaxed);
        }
        read(response, longest).await
    }

    /// A server that does not take a certificate says so when it has hung up: what is read of it is often that alone.
    fn explained(&self, failure: Failure) -> Failure {
        match failure.why {
            Why::Broken(said) if self.auth.kind() == Proof::Certificate => {
                Failure { why: Why::CertificateRefused(format!("or the connection broke: {said}")), ..failure }
            }
            _ => failure,
        }
    }

    fn url(&self, parts: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty();
            path.extend(parts);
        }
        url
    }

    fn day(&self, parcel: &Parcel) -> Url {
        self.url(&["v1", "practices", &parcel.ods, "sites", &parcel.site, "days", &parcel.date.to_string()])
    }

    fn put(&self, parcel: &Parcel) -> RequestBuilder {
        self.http
            .put(self.day(parcel))
            .header(CONTENT_TYPE, MEDIA_TYPE)
            .header("content-digest", content_digest(&parcel.body))
            .header("idempotency-key", format!("\"{}/{}/{}\"", parcel.ods, parcel.date, parcel.sha256))
            .body(parcel.body.clone())
    }

    fn post(&self, url: &Url, body: &[u8]) -> RequestBuilder {
        let json = self.http.post(url.clone()).header(CONTENT_TYPE, "application/json");
        json.header("content-digest", content_digest(body)).body(body.to_vec())
    }

    fn told_skew(&self, request: RequestBuilder) -> RequestBuilder {
        match self.skew_s().filter(|skew| skew.abs() > SKEW_WORTH_TELLING_S) {
            Some(skew) => request.header(SKEW_HEADER, skew),
            None => request,
        }
    }

    fn measure_skew(&self, headers: &HeaderMap) {
        // A scaled clock passes minutes while an answer travels, so it measures nothing.
        let date = headers.get(DATE).and_then(|value| value.to_str().ok()).and_then(http_date);
        if let Some(theirs) = date.filter(|_| !self.clock.is_scaled()) {
            self.skew_s.store(self.clock.now().duration_since(theirs).as_secs(), Ordering::Relaxed);
        }
    }
}

/// The whole answer. Of a refusal or a redirect the text may be missing: it is as clear without.
async fn read(mut response: Response, longest: usize) -> Result<Answer, Failure> {
    let headers = response.headers();
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut answer = Answer {
        status: response.status().as_u16(),
        media_type: text(CONTENT_TYPE),
        retry_after: text(RETRY_AFTER),
        date: text(DATE),
        location: text(LOCATION),
        body: Vec::new(),
    };
    let status = Some(answer.status);
    let needed = response.status().is_success();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if answer.body.len() + chunk.len() <= longest => answer.body.extend_from_slice(&chunk),
            Ok(None) => return Ok(answer),
            Ok(Some(_)) if needed => return Err(Failure { why: Why::Oversized { limit: longest }, status }),
            // The connection broke: whatever the status promised, there is no answer.
            Err(error) if needed => return Err(Failure { status: None, ..error.into() }),
            _ => {
                answer.body.clear();
                return Ok(answer);
            }
        }
    }
}

fn held(body: &[u8], parcel: &Parcel) -> Option<Held> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let text = |pointer: &str| value.pointer(pointer)?.as_str();
    let same = text("/practice/ods") == Some(&parcel.ods)
        && text("/practice/site") == Some(&parcel.site)
        && text("/date") == Some(&parcel.date.to_string());
    let number = |pointer: &str| value.pointer(pointer)?.as_u64();
    same.then_some(Held {
        revision: number("/revision").and_then(|number| u32::try_from(number).ok())?,
        sha256: sha256_hex(body),
        device: text("/device")?.to_owned(),
        observed_s: number("/coverage/observed_s")?,
    })
}
