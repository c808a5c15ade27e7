//! Who sends: by a signature with a key that was enrolled, by a bearer token, or by a client certificate.
//!
//! A request that bears a signature is judged by that and nothing else; one that bears a token, by that; a certificate
//! counts where there is neither. What is refused is refused: nothing is tried after it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::certificate::PeerCertificate;
use super::devices::{DeviceRow, KeyRow, Wanted, recognise, used};
use super::problem::{Kind, Problem};
use super::receive::Receiver;
use crate::push::legible;
use crate::push::signature::{Claim, Fault, Message, PublicKey};

/// Wrong codes in [`TRIED_IN`] after which none is looked at any more for a while. With 110 random bits in a code nobody
/// finds one; this keeps the store and the log from being busy with who tries.
const WRONG_CODES: usize = 30;
const TRIED_IN: SignedDuration = SignedDuration::from_mins(1);

/// How a sender proved who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// A bearer token of the tokens file.
    Token,
    /// A signature (RFC 9421) with an enrolled key.
    Signature,
    /// A certificate of the authority of `--client-ca`.
    Certificate,
}

impl Means {
    /// As it is written in the store and the log.
    pub fn word(self) -> &'static str {
        match self {
            Means::Token => "bearer",
            Means::Signature => "signature",
            Means::Certificate => "mtls",
        }
    }
}

/// Who sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// How that is known.
    pub means: Means,
    /// The box's name; of a token nobody knows it.
    pub device: Option<String>,
    /// ODS codes that it may send for.
    pub ods: Vec<String>,
    /// The only site, where it is bound to one.
    pub site: Option<String>,
    /// Name of the key, or fingerprint of the certificate.
    pub key: Option<String>,
    /// What was signed and the signature, to be kept beside the document.
    pub signature: Option<(String, String)>,
}

impl Sender {
    fn of(means: Means, device: DeviceRow, key: String) -> Sender {
        let DeviceRow { device, ods, site, .. } = device;
        Sender { means, device: Some(device), ods, site, key: Some(key), signature: None }
    }

    /// Whether it may send and read for a practice's site.
    pub fn may(&self, ods: &str, site: &str) -> Result<(), Problem> {
        let what = match self.means {
            Means::Token => "token",
            Means::Signature => "key",
            Means::Certificate => "certificate",
        };
        if !self.ods.iter().any(|own| own == ods) {
            return Err(Problem::new(Kind::NotParticipating, format!("this {what} is not for practice {ods}")));
        }
        match &self.site {
            Some(own) if own != site => Err(Problem::new(
                Kind::NotParticipating,
                format!("this {what} is for site {own} of practice {ods} only"),
            )),
            _ => Ok(()),
        }
    }

    /// Whether it is this box, as far as that is known.
    pub fn is(&self, device: &str) -> Result<(), Problem> {
        match &self.device {
            Some(own) if own != device => {
                let said = format!(
                    "this is {own}, and it speaks for {}; enrol the box again, or set its name",
                    legible(device)
                );
                Err(Problem::new(Kind::AnotherDevice, said))
            }
            _ => Ok(()),
        }
    }

    /// What stands for it where it is counted how often it asks: the box, or the token, however its header is spelled.
    fn bucket(&self, headers: &HeaderMap) -> [u8; 32] {
        let authorization = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
        let token = authorization.get(7..).unwrap_or_default().trim_ascii();
        Sha256::digest(self.device.as_deref().map_or(token, str::as_bytes)).into()
    }

    /// As it is kept beside a document.
    pub fn kept(&self) -> String {
        let mut kept = json!({"by": self.means.word()});
        for (name, value) in [("device", &self.device), ("key", &self.key)] {
            if let Some(value) = value {
                kept[name] = json!(value);
            }
        }
        if let Some((input, signature)) = &self.signature {
            kept["signature_input"] = json!(input);
            kept["signature"] = json!(signature);
        }
        kept.to_string()
    }
}

/// The request line, as it was signed.
#[derive(Debug, Clone)]
pub struct RequestLine {
    method: String,
    authority: String,
    path: String,
    query: Option<String>,
}

impl RequestLine {
    /// What a signature covers of a request.
    pub fn message<'a>(&'a self, headers: &'a HeaderMap) -> Message<'a> {
        let RequestLine { method, authority, path, query } = self;
        Message { method, authority, path, query: query.as_deref(), headers }
    }
}

/// What stands at the door: how boxes see this receiver, and who tried codes.
#[derive(Debug, Default)]
pub struct Doorman {
    public: Option<(String, String)>,
    wrong_codes: Mutex<Vec<Timestamp>>,
}

impl Doorman {
    /// `public`: the URL that boxes have, where a proxy shows this receiver another one. Nothing where that is no URL with a
    /// host.
    pub fn new(public: Option<&str>) -> Option<Doorman> {
        let Some(public) = public else { return Some(Doorman::default()) };
        let uri: Uri = public.parse().ok()?;
        let port = match uri.scheme_str()? {
            "https" => 443,
            "http" => 80,
            _ => return None,
        };
        let authority: &Authority = uri.authority()?;
        let host = match authority.port_u16() {
            Some(given) if given != port => authority.as_str().to_owned(),
            _ => authority.host().to_owned(),
        };
        Some(Doorman { public: Some((host, uri.path().trim_end_matches('/').to_owned())), ..Doorman::default() })
    }

    /// The request line that the box wrote.
    pub fn line(&self, parts: &Parts) -> RequestLine {
        let seen = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let (authority, prefix) = match &self.public {
            Some((authority, prefix)) => (authority.as_str(), prefix.as_str()),
            None => (parts.uri.authority().map_or(seen, Authority::as_str), ""),
        };
        RequestLine {
            method: parts.method.as_str().to_owned(),
            authority: authority.to_owned(),
            path: format!("{prefix}{}", parts.uri.path()),
            query: parts.uri.query().map(str::to_owned),
        }
    }

    /// Whether a code may be tried now.
    pub fn lets_try(&self, now: Timestamp) -> bool {
        let mut wrong = self.wrong_codes.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.retain(|at| now.duration_since(*at).abs() < TRIED_IN);
        wrong.len() < WRONG_CODES
    }

    /// Notes that a code was wrong.
    pub fn wrong_code(&self, now: Timestamp) {
        self.wrong_codes.lock().unwrap_or_else(PoisonError::into_inner).push(now);
    }
}

/// What a signature that is not taken is answered.
pub fn refused(fault: &Fault) -> Problem {
    match fault {
        Fault::Clock(_) => Problem::new(
            Kind::ClockSkew,
            format!("{fault}; sign by the time that the Date header of this answer gives"),
        ),
        fault => Problem::new(Kind::Unauthorised, fault.to_string()),
    }
}

/// Who sends a request, or why that is not known. Taken from its headers; the body is bound to a signature by its digest,
/// which whoever reads the body compares.
#[derive(Debug)]
pub struct SentBy(Result<Sender, Problem>);

impl SentBy {
    /// The sender, who must be known.
    pub fn sender(self) -> Result<Sender, Problem> {
        self.0
    }

    /// The sender, who must be known and be allowed to send and read for this site.
    pub fn may(self, ods: &str, site: &str) -> Result<Sender, Problem> {
        let sender = self.0?;
        sender.may(ods, site)?;
        Ok(sender)
    }
}

impl FromRequestParts<Arc<Receiver>> for SentBy {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, receiver: &Arc<Receiver>) -> Result<SentBy, Infallible> {
        let sender = identify(parts, receiver).await.and_then(|sender| {
            receiver.limits.r#box(sender.bucket(&parts.headers), sender.ods.len())?;
            Ok(sender)
        });
        Ok(SentBy(sender))
    }
}

/// The request line, for who checks a signature against a key that comes in the body.
impl FromRequestParts<Arc<Receiver>> for RequestLine {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, receiver: &Arc<Receiver>) -> Result<RequestLine, Infallible> {
        Ok(receiver.doorman.line(parts))
    }
}

async fn identify(parts: &Parts, receiver: &Receiver) -> Result<Sender, Problem> {
    if let Some(claim) = Claim::read(&parts.headers).map_err(|fault| refused(&fault))? {
        return by_signature(claim, parts, receiver).await;
    }
    if parts.headers.contains_key(header::AUTHORIZATION) {
        return by_token(&parts.headers, receiver);
    }
    match parts.extensions.get::<PeerCertificate>() {
        Some(certificate) if certificate.is_shown() => by_certificate(certificate, receiver).await,
        _ => {
            let said = "nothing says who sends: sign the request (docs/upload.md), or send an Authorization header with \
                        Bearer and the token";
            Err(Problem::new(Kind::Unauthorised, said))
        }
    }
}

fn by_token(headers: &HeaderMap, receiver: &Receiver) -> Result<Sender, Problem> {
    let tokens = receiver.tokens.read().unwrap_or_else(PoisonError::into_inner);
    let mut given = headers.get_all(header::AUTHORIZATION).iter().map(HeaderValue::as_bytes);
    let authorization = given.next();
    if given.next().is_some() {
        return Err(Problem::new(Kind::Unauthorised, "there are two Authorization headers; send one"));
    }
    match tokens.practices(authorization) {
        Some(practices) => Ok(Sender {
            means: Means::Token,
            device: None,
            ods: practices.iter().cloned().collect(),
            site: None,
            key: None,
            signature: None,
        }),
        None => Err(Problem::new(Kind::Unauthorised, "the token in the Authorization header was given to nobody")),
    }
}

async fn by_signature(claim: Claim, parts: &Parts, receiver: &Receiver) -> Result<Sender, Problem> {
    let now = receiver.clock.now();
    claim.is_of_now(now).map_err(|fault| refused(&fault))?;
    let unknown = || {
        let said =
            "the key that signs is not known here, has ended or was turned away; enrol the box with a one-time code";
        Problem::new(Kind::Unauthorised, said)
    };
    if claim.keyid.len() > 100 {
        return Err(unknown());
    }
    let wanted = Wanted { keys: vec![claim.keyid.clone()], ..Wanted::default() };
    let known = receiver.archived(move |archive| archive.known(&wanted)).await?;
    let (device, key) = recognise(&known, &claim.keyid, now).ok_or_else(unknown)?;
    let line = receiver.doorman.line(parts);
    check(&claim, &line.message(&parts.headers), &key.public)?;
    seen(&key, now, receiver).await?;
    Ok(Sender { signature: Some(claim.provenance()), ..Sender::of(Means::Signature, device, key.keyid) })
}

/// Whether a signature is `key`'s, of this request.
pub fn check(claim: &Claim, message: &Message<'_>, key: &PublicKey) -> Result<(), Problem> {
    claim.verify(message, key).map_err(|fault| refused(&fault))
}

/// Notes, once a day, that a key is in use.
async fn seen(key: &KeyRow, now: Timestamp, receiver: &Receiver) -> Result<(), Problem> {
    if !key.is_to_be_noted(now) {
        return Ok(());
    }
    let wanted = Wanted { keys: vec![key.keyid.clone()], ..Wanted::default() };
    let keyid = key.keyid.clone();
    receiver.archived(move |archive| archive.settle(&wanted, &|books| used(books, &keyid, now))).await
}

async fn by_certificate(certificate: &PeerCertificate, receiver: &Receiver) -> Result<Sender, Problem> {
    let names = certificate.names.clone();
    let wanted = Wanted { devices: names.clone(), ..Wanted::default() };
    let known = receiver.archived(move |archive| archive.known(&wanted)).await?;
    let device = names.iter().find_map(|name| known.device(name)).filter(|device| device.revoked_at.is_none());
    match device {
        Some(device) => Ok(Sender::of(Means::Certificate, device, certificate.fingerprint.clone())),
        None => {
            let said = "the client certificate names no box that is known here; its subject's common name, or a SAN URI \
                        urn:smdrd:device:NAME, must be that of one (smdr-feed devices add)";
            Err(Problem::new(Kind::Unauthorised, said))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_speaks_for_itself_and_its_own() {
        let sender = Sender {
            means: Means::Signature,
            device: Some("smdrd-one".into()),
            ods: vec!["A81001".into()],
            site: Some("main".into()),
            key: Some("k".into()),
            signature: Some(("(\"@method\")".into(), ":AA==:".into())),
        };
        assert!(sender.may("A81001", "main").is_ok() && sender.is("smdrd-one").is_ok());
        assert_eq!(sender.may("A81002", "main").unwrap_err().kind, Kind::NotParticipating);
        assert_eq!(sender.may("A81001", "branch").unwrap_err().kind, Kind::NotParticipating);
        assert_eq!(sender.is("smdrd-two").unwrap_err().kind, Kind::AnotherDevice);
        let kept: serde_json::Value = serde_json::from_str(&sender.kept()).unwrap();
        assert_eq!(
            (&kept["by"], &kept["key"], &kept["signature"]),
            (&json!("signature"), &json!("k"), &json!(":AA==:"))
        );
        let token = Sender { means: Means::Token, device: None, key: None, signature: None, ..sender };
        assert_eq!((token.kept(), token.is("any").is_ok()), (r#"{"by":"bearer"}"#.to_owned(), true));
    }

    #[test]
    fn the_request_line_is_the_one_that_the_box_wrote() {
        let request = |uri: &str, host: &str| {
            let request = axum::http::Request::get(uri).header("host", host).body(()).unwrap();
            request.into_parts().0
        };
        let line = |public: Option<&str>| Doorman::new(public).unwrap().line(&request("/v1/x?a=b", "inside:8080"));
        let plain = line(None);
        assert_eq!(
            (plain.authority.as_str(), plain.path.as_str(), plain.query.as_deref()),
            ("inside:8080", "/v1/x", Some("a=b"))
        );
        for (public, authority, path) in [
            ("https://feed.example", "feed.example", "/v1/x"),
            ("https://feed.example:443/smdr/", "feed.example", "/smdr/v1/x"),
            ("https://feed.example:8443/smdr", "feed.example:8443", "/smdr/v1/x"),
        ] {
            let line = line(Some(public));
            assert_eq!((line.authority.as_str(), line.path.as_str()), (authority, path), "{public}");
        }
        assert!(
            ["feed.example", "/x", "ftp://feed.example", ""].iter().all(|wrong| Doorman::new(Some(wrong)).is_none())
        );
    }

    #[test]
    fn who_tries_codes_is_told_to_wait() {
        let doorman = Doorman::default();
        let now: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        for _ in 0..WRONG_CODES {
            assert!(doorman.lets_try(now));
            doorman.wrong_code(now);
        }
        assert!(!doorman.lets_try(now + SignedDuration::from_secs(59)));
        assert!(doorman.lets_try(now + SignedDuration::from_secs(60)));
    }
}
