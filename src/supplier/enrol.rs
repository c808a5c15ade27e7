//! Boxes bring their keys: at first with a one-time code, later signed with the key before.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::devices::{Refusal, Wanted, add_key, enrol};
use super::identity::{Means, RequestLine, SentBy, check, refused};
use super::problem::{Kind, Problem};
use super::receive::Receiver;
use super::request::{check_digest, read};
use super::verify::is_name;
use crate::push::auth::code::OneTimeCode;
use crate::push::auth::enrolment::{Enrolled, Enrolment, NewKey};
use crate::push::legible;
use crate::push::signature::{Claim, PublicKey};

/// The longest request that brings a key.
const LONGEST: usize = 4 * 1024;

/// `POST /v1/enrol`
pub async fn post_enrolment(
    State(receiver): State<Arc<Receiver>>,
    line: RequestLine,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = read(body, LONGEST).await?;
    check_digest(&headers, &body)?;
    let asked: Enrolment = parsed(&body)?;
    let now = receiver.clock.now();
    let unsigned = || Problem::new(Kind::Unauthorised, "the request must be signed with the key that it brings");
    let claim = Claim::read(&headers).map_err(|fault| refused(&fault))?.ok_or_else(unsigned)?;
    claim.is_of_now(now).map_err(|fault| refused(&fault))?;
    let key = PublicKey::from_jwk(&asked.key)
        .ok_or_else(|| Problem::field(Kind::InvalidDocument, "/key", "must be an Ed25519 key as JWK (RFC 8037)"))?;
    if claim.keyid != key.keyid() {
        return Err(unsigned());
    }
    check(&claim, &line.message(&headers), &key)?;
    if !is_name(&asked.device) {
        let said = "a device is 1 to 64 letters, digits, '.', '_' and '-'";
        return Err(Problem::field(Kind::InvalidDocument, "/device", said));
    }
    if !receiver.doorman.lets_try(now) {
        return Err(Problem::new(Kind::TooManyTries, "too many wrong codes came in the last minute; wait a minute"));
    }
    let code = OneTimeCode::parse(&asked.code).map_err(|fault| Problem::new(Kind::CodeMistyped, fault.to_string()))?;
    let wanted = Wanted { code: Some(code.digest()), keys: vec![key.keyid()], devices: vec![asked.device.clone()] };
    let (digest, device) = (code.digest(), asked.device.clone());
    let settled = receiver
        .archived(move |archive| archive.settle(&wanted, &|books| enrol(books, &digest, key, &device, now)))
        .await?;
    let enrolled = settled.map_err(|refusal| {
        if refusal == Refusal::CodeUnknown {
            receiver.doorman.wrong_code(now);
        }
        problem(&refusal)
    })?;
    tracing::info!(device = enrolled.device, keyid = enrolled.keyid, replayed = enrolled.replayed, "enrolled");
    Ok(answer(enrolled))
}

/// `POST /v1/devices/{id}/keys`
pub async fn post_key(
    State(receiver): State<Arc<Receiver>>,
    path: Result<Path<String>, PathRejection>,
    from: SentBy,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = read(body, LONGEST).await?;
    let sender = from.sender()?;
    let device = path.map(|Path(device)| device).unwrap_or_default();
    if !is_name(&device) {
        return Err(Problem::new(Kind::BadAddress, "a device is 1 to 64 letters, digits, '.', '_' and '-'"));
    }
    let Some(current) = sender.key.clone().filter(|_| sender.means == Means::Signature) else {
        return Err(Problem::new(Kind::Unauthorised, "a new key is brought in a request signed with the one in use"));
    };
    sender.is(&device)?;
    check_digest(&headers, &body)?;
    let asked: NewKey = parsed(&body)?;
    let key = asked.verified(&device, &current).ok_or_else(|| {
        Problem::field(Kind::InvalidDocument, "/proof", "is not the new key's signature, or that is no Ed25519 key")
    })?;
    let now = receiver.clock.now();
    let wanted = Wanted { keys: vec![current.clone(), key.keyid()], ..Wanted::default() };
    let settled =
        receiver.archived(move |archive| archive.settle(&wanted, &|books| add_key(books, &current, key, now))).await?;
    let enrolled = settled.map_err(|refusal| problem(&refusal))?;
    tracing::info!(device = enrolled.device, keyid = enrolled.keyid, replayed = enrolled.replayed, "key renewed");
    Ok(answer(enrolled))
}

fn parsed<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let value: serde_json::Value = serde_json::from_slice(body)
        .map_err(|error| Problem::new(Kind::NotJson, format!("line {} column {}", error.line(), error.column())))?;
    // What serde says of a value may hold the value: its member is named and nothing of it shown.
    serde_json::from_value(value).map_err(|error| {
        let said = error.to_string();
        let shown =
            if said.starts_with("missing field") { legible(&said) } else { "a member is of another type".to_owned() };
        Problem::field(Kind::InvalidDocument, "", shown)
    })
}

fn answer(enrolled: Enrolled) -> Response {
    let status = if enrolled.replayed { StatusCode::OK } else { StatusCode::CREATED };
    (status, axum::Json(enrolled)).into_response()
}

fn problem(refusal: &Refusal) -> Problem {
    let (kind, said) = match refusal {
        Refusal::CodeUnknown => {
            (Kind::CodeUnknown, "nobody was given this code; compare it with what was read out".to_owned())
        }
        Refusal::CodeUsed => (Kind::CodeUsed, "a code is good for one box, once; ask for another".to_owned()),
        Refusal::CodeExpired => (Kind::CodeExpired, "a code is good for 15 minutes; ask for another".to_owned()),
        Refusal::DeviceKnown(device) => (
            Kind::DeviceKnown,
            format!(
                "{} is known for other practices; ask for a code with --device, or give this box another name",
                legible(device)
            ),
        ),
        Refusal::KeyKnown => {
            (Kind::KeyKnown, "the key is another box's, has ended or was turned away; make a new one".to_owned())
        }
        Refusal::Superseded => (
            Kind::KeySuperseded,
            "another key followed this one and is in use; enrol the box with a one-time code".to_owned(),
        ),
    };
    Problem::new(kind, said)
}
