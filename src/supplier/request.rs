//! What a request carries: its body, and the headers that speak of it.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, header};
use base64::Engine;
use sha2::{Digest, Sha256};

use super::problem::{Kind, Problem};
use crate::push::parcel::content_digest;
use crate::push::{MEDIA_TYPE, SKEW_HEADER, legible};

/// How much of a body that is not wanted is read all the same, so that the sender comes to read the refusal.
const READ_AND_DROPPED: usize = 8 * 1024 * 1024;
/// How long a body may take.
const BODY_DEADLINE: Duration = Duration::from_secs(30);

fn text(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// What the box says of its clock, in seconds ahead.
pub fn skew(headers: &HeaderMap) -> Option<i64> {
    text(headers, SKEW_HEADER)?.trim().parse().ok()
}

/// Whether the body is a day document, by its headers.
pub fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = text(headers, header::CONTENT_TYPE).unwrap_or_default();
    let mut parts = given.split(';').map(str::trim);
    let (wanted, _) = MEDIA_TYPE.split_once(';').unwrap_or((MEDIA_TYPE, ""));
    let right = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case(wanted))
        && parts.any(|parameter| parameter.eq_ignore_ascii_case("v=1") || parameter.eq_ignore_ascii_case("v=\"1\""));
    if !right {
        let said = format!("Content-Type is {:?}, it must be {MEDIA_TYPE}", legible(given));
        return Err(Problem::new(Kind::MediaType, said));
    }
    match text(headers, header::CONTENT_ENCODING) {
        None => Ok(()),
        Some(coding) if coding.trim().eq_ignore_ascii_case("identity") => Ok(()),
        Some(coding) => {
            let said = format!("Content-Encoding is {:?}; send the bytes as they are", legible(coding));
            Err(Problem::new(Kind::MediaType, said))
        }
    }
}

/// Compares the body with `Content-Digest` (RFC 9530); digests other than SHA-256 are ignored, as the RFC allows.
pub fn check_digest(headers: &HeaderMap, body: &[u8]) -> Result<(), Problem> {
    let members = headers.get_all("content-digest").iter().filter_map(|value| value.to_str().ok());
    let given = members
        .flat_map(|value| value.split(','))
        .filter_map(|member| member.trim().strip_prefix("sha-256=:")?.strip_suffix(':'))
        .next_back();
    let Some(given) = given else {
        let said = "Content-Digest: sha-256=:BASE64: over the body is missing or cannot be read";
        return Err(Problem::new(Kind::DigestMissing, said));
    };
    let digest = base64::engine::general_purpose::STANDARD.decode(given).unwrap_or_default();
    if digest != Sha256::digest(body).as_slice() {
        let said = format!("the body's is {}; it was changed or cut on its way", content_digest(body));
        return Err(Problem::new(Kind::DigestMismatch, said));
    }
    Ok(())
}

/// The whole body, if it is at most `limit` bytes long and comes in time.
pub async fn read(mut body: Body, limit: usize) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let mut dropped = 0;
    let whole = async {
        loop {
            match poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
                None => break Ok(dropped == 0),
                Some(Err(_)) => break Err(Problem::new(Kind::BodyIncomplete, "the body ended early; send it again")),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if dropped == 0 && bytes.len() + data.len() <= limit => bytes.extend_from_slice(&data),
                    Ok(data) => dropped += data.len(),
                    Err(_) => {}
                },
            }
            if dropped > READ_AND_DROPPED {
                break Ok(false);
            }
        }
    };
    match tokio::time::timeout(BODY_DEADLINE, whole).await {
        Ok(Ok(true)) => Ok(bytes),
        Ok(Ok(false)) => Err(Problem::new(Kind::TooLarge, format!("at most {limit} bytes are taken"))),
        Ok(Err(problem)) => Err(problem),
        Err(_) => {
            let said = format!("the body did not come within {} s", BODY_DEADLINE.as_secs());
            Err(Problem::new(Kind::TooSlow, said))
        }
    }
}

/// Lets the sender finish before it is refused: one that is cut off in the middle reads no answer.
pub async fn refuse_after(body: Body, problem: Problem) -> Problem {
    let _ = read(body, 0).await;
    problem
}
