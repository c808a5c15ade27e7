//! The HTTPS client: one `PUT`, one [`Delivery`].

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER};
use reqwest::{Certificate, Response, StatusCode, Url};

use super::answer::{Answer, http_date};
use super::parcel::{content_digest, sha256_hex};
use super::{Auth, Delivery, MEDIA_TYPE, Parcel, Problem, SKEW_HEADER, SKEW_WORTH_TELLING_S, Why, legible};
use crate::clock::Clock;

/// The most of an answer that is read, in bytes.
pub const LONGEST_ANSWER: usize = 64 * 1024;
/// No measure of the clock has been made yet.
const NOT_MEASURED: i64 = i64::MIN;

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
}

/// The supplier cannot be set up as configured.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    /// The URL cannot be read.
    #[error("supplier url {url:?} cannot be read: {reason}; write it as https://feed.supplier.example")]
    Url {
        /// What was given.
        url: String,
        /// Why it is not a URL.
        reason: String,
    },
    /// The URL is not `https`.
    #[error(
        "supplier url {url}: {scheme} would send figures and token in the clear; only a receiver on this machine may be reached without https"
    )]
    NotEncrypted {
        /// What was given.
        url: String,
        /// Its scheme.
        scheme: String,
    },
    /// The URL holds more than an address.
    #[error("supplier url holds {part}; give the address only, and the token in `token-file`")]
    MoreThanAnAddress {
        /// What is too much.
        part: &'static str,
    },
    /// The authority's file cannot be used.
    #[error("supplier ca-file {path}: {reason}; it must hold the supplier's certificate authority as PEM")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// TLS cannot be set up.
    #[error(
        "TLS cannot be set up: {0}; without ca-file the system's certificates are needed (package ca-certificates)"
    )]
    Tls(String),
}

impl Client {
    /// A client for the supplier at `url`. With `ca_file`, only that authority is trusted; without, the system's are.
    /// `clock` tells how wrong the box's clock is, by the server's own.
    pub fn new(url: &str, auth: Arc<dyn Auth>, ca_file: Option<&Path>, clock: Clock) -> Result<Client, SetUpError> {
        Client::with_deadlines(url, auth, ca_file, clock, Deadlines::default())
    }

    /// The same with other deadlines, for tests.
    #[doc(hidden)]
    pub fn with_deadlines(
        url: &str,
        auth: Arc<dyn Auth>,
        ca_file: Option<&Path>,
        clock: Clock,
        deadlines: Deadlines,
    ) -> Result<Client, SetUpError> {
        let base = base_url(url)?;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("smdrd/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(deadlines.connect)
            .timeout(deadlines.total)
            // Shorter than a server's patience, so that a document is not sent into a connection that is being closed.
            .pool_idle_timeout(Duration::from_secs(15))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .https_only(base.scheme() == "https");
        if let Some(path) = ca_file {
            builder = builder.tls_certs_only(authorities(path)?);
        } else if base.scheme() != "https" {
            // The system's certificates are not needed for a receiver on this machine, and may not be there.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|error| SetUpError::Tls(legible(&innermost(&error))))?;
        Ok(Client { http, base, auth, clock, skew_s: AtomicI64::new(NOT_MEASURED) })
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
        match self.attempt(parcel).await {
            Delivery::Unauthorised { problem, .. } if problem.status == 401 => match self.auth.refresh() {
                Ok(true) => self.attempt(parcel).await,
                Ok(false) => Delivery::Unauthorised { problem, credentials: None },
                Err(error) => Delivery::Unauthorised { problem, credentials: Some(error.to_string()) },
            },
            settled => settled,
        }
    }

    /// By how many seconds the box's clock was ahead of the supplier's at the last answer that bore a date.
    pub fn skew_s(&self) -> Option<i64> {
        Some(self.skew_s.load(Ordering::Relaxed)).filter(|skew| *skew != NOT_MEASURED)
    }

    async fn attempt(&self, parcel: &Parcel) -> Delivery {
        let answer = async {
            let response = self.request(parcel).send().await?;
            self.measure_skew(response.headers());
            self.read(response).await
        };
        match answer.await {
            Ok(answer) => answer.meaning(parcel, self.clock.now()),
            Err(Failure { why, status }) => Delivery::Transient { why, retry_after: None, status },
        }
    }

    fn request(&self, parcel: &Parcel) -> reqwest::RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            let date = parcel.date.to_string();
            path.pop_if_empty();
            path.extend(["v1", "practices", &parcel.ods, "sites", &parcel.site, "days", &date]);
        }
        let key = format!("\"{}/{}/{}\"", parcel.ods, parcel.date, parcel.sha256);
        let mut request = self
            .http
            .put(url)
            .header(CONTENT_TYPE, MEDIA_TYPE)
            .header("content-digest", content_digest(&parcel.body))
            .header("idempotency-key", key)
            .body(parcel.body.clone());
        if let Some(skew) = self.skew_s().filter(|skew| skew.abs() > SKEW_WORTH_TELLING_S) {
            request = request.header(SKEW_HEADER, skew);
        }
        self.auth.apply(request, parcel)
    }

    async fn read(&self, mut response: Response) -> Result<Answer, Failure> {
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
        // A refusal or a redirect is as clear without its text as with it.
        let needed = response.status().is_success();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if answer.body.len() + chunk.len() <= LONGEST_ANSWER => {
                    answer.body.extend_from_slice(&chunk)
                }
                Ok(None) => return Ok(answer),
                Ok(Some(_)) if needed => {
                    return Err(Failure { why: Why::Oversized { limit: LONGEST_ANSWER }, status });
                }
                Err(error) if needed => return Err(Failure { status, ..error.into() }),
                _ => {
                    answer.body.clear();
                    return Ok(answer);
                }
            }
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

struct Failure {
    why: Why,
    status: Option<u16>,
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Failure {
        let why = match tls_error(&error) {
            Some(tls) => tls_situation(tls),
            None if error.is_timeout() => Why::TimedOut,
            None if error.is_connect() => Why::NoConnection(legible(&innermost(&error))),
            None => Why::Broken(legible(&innermost(&error))),
        };
        Failure { why, status: error.status().map(|status| status.as_u16()) }
    }
}

fn tls_situation(error: &rustls::Error) -> Why {
    use rustls::CertificateError as Certificate;
    match error {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            Certificate::UnknownIssuer | Certificate::BadSignature => Why::UntrustedAuthority,
            Certificate::Expired | Certificate::ExpiredContext { .. } => Why::ExpiredCertificate,
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => Why::CertificateNotYetValid,
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => Why::WrongName,
            other => Why::Tls(legible(&other.to_string())),
        },
        other => Why::Tls(legible(&other.to_string())),
    }
}

/// What an error says it comes from. An `io::Error` hides the error it carries from `source()`.
fn cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a (dyn std::error::Error + 'static)> {
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(carried) => Some(carried),
        None => error.source(),
    }
}

fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        next = cause(error);
    }
    None
}

/// The text of the error at the bottom; those above repeat the URL and little else.
fn innermost(error: &reqwest::Error) -> String {
    let mut at: &(dyn std::error::Error + 'static) = error;
    while let Some(deeper) = cause(at) {
        at = deeper;
    }
    at.to_string()
}

fn base_url(text: &str) -> Result<Url, SetUpError> {
    let unreadable = |reason: String| SetUpError::Url { url: legible(text), reason };
    let url = Url::parse(text).map_err(|error| unreadable(error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(SetUpError::MoreThanAnAddress { part: "a user name or password" });
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(SetUpError::MoreThanAnAddress { part: "a query or fragment" });
    }
    let host =
        url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| unreadable("it names no host".to_owned()))?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_this_machine(host) => Ok(url),
        scheme => Err(SetUpError::NotEncrypted { url: text.to_owned(), scheme: scheme.to_owned() }),
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn authorities(path: &Path) -> Result<Vec<Certificate>, SetUpError> {
    let wrong = |reason: String| SetUpError::CaFile { path: path.to_owned(), reason };
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let authorities = Certificate::from_pem_bundle(&pem).map_err(|error| wrong(innermost(&error)))?;
    if authorities.is_empty() {
        return Err(wrong("it holds no certificate".to_owned()));
    }
    Ok(authorities)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_reached_in_the_clear() {
        for url in ["https://feed.example", "https://feed.example/base/", "http://127.0.0.1:8080", "http://[::1]:1/x"] {
            assert!(base_url(url).is_ok(), "{url}");
        }
        for url in
            ["http://feed.example", "http://192.0.2.1", "http://localhost.example", "ftp://127.0.0.1", "http://0.0.0.0"]
        {
            assert!(matches!(base_url(url), Err(SetUpError::NotEncrypted { .. })), "{url}");
        }
        for url in ["https://me:secret@feed.example", "https://feed.example?token=x"] {
            let error = base_url(url).unwrap_err();
            assert!(matches!(error, SetUpError::MoreThanAnAddress { .. }), "{url}");
            assert!(!error.to_string().contains("secret"));
        }
        for url in ["", "feed.example", "https://"] {
            assert!(matches!(base_url(url), Err(SetUpError::Url { .. })), "{url}");
        }
    }
}
