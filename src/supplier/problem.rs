//! Refusals, as problem details (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// What a refusal's `type` begins with.
pub const NAMESPACE: &str = "urn:smdr-feed:problem:";

/// Every kind of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Nothing that says who sends, or nobody known.
    Unauthorised,
    /// The signature was made too long before or after the receiver's time.
    ClockSkew,
    /// The one-time code has a wrong character.
    CodeMistyped,
    /// Nobody was given the one-time code.
    CodeUnknown,
    /// The one-time code was used.
    CodeUsed,
    /// The one-time code is too old.
    CodeExpired,
    /// Too many wrong codes came.
    TooManyTries,
    /// The box's name is another one's.
    DeviceKnown,
    /// The key cannot be taken, or not again.
    KeyKnown,
    /// The key was followed by one that is in use.
    KeySuperseded,
    /// The sender speaks for another box.
    AnotherDevice,
    /// The sender may not send for this practice, or the practice is not on the participation list.
    NotParticipating,
    /// Practice, site, date or device in the URL cannot be one.
    BadAddress,
    /// A query parameter cannot be read.
    BadQuery,
    /// The body ended early.
    BodyIncomplete,
    /// No `Content-Digest` with SHA-256.
    DigestMissing,
    /// `Content-Digest` is not the body's.
    DigestMismatch,
    /// The body is not JSON.
    NotJson,
    /// Nothing is served under this path.
    NoSuchResource,
    /// The day, or that revision of it, is not held.
    NotHeld,
    /// The path is served, but not with this method.
    MethodNotAllowed,
    /// The body did not come in time.
    TooSlow,
    /// A revision as new or newer is held, with other bytes.
    StaleRevision,
    /// The body is longer than is taken.
    TooLarge,
    /// Media type or content coding is not one that is taken.
    MediaType,
    /// The document's schema is not known here.
    UnknownSchema,
    /// The document is for another practice, site or day than the URL.
    AddressMismatch,
    /// The document contradicts its schema or itself.
    InvalidDocument,
    /// More was asked in a minute than is answered.
    TooMany,
    /// The archive cannot be read or written now.
    Unavailable,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 30] = [
        Kind::Unauthorised,
        Kind::ClockSkew,
        Kind::CodeMistyped,
        Kind::CodeUnknown,
        Kind::CodeUsed,
        Kind::CodeExpired,
        Kind::TooManyTries,
        Kind::DeviceKnown,
        Kind::KeyKnown,
        Kind::KeySuperseded,
        Kind::AnotherDevice,
        Kind::NotParticipating,
        Kind::BadAddress,
        Kind::BadQuery,
        Kind::BodyIncomplete,
        Kind::DigestMissing,
        Kind::DigestMismatch,
        Kind::NotJson,
        Kind::NoSuchResource,
        Kind::NotHeld,
        Kind::MethodNotAllowed,
        Kind::TooSlow,
        Kind::StaleRevision,
        Kind::TooLarge,
        Kind::MediaType,
        Kind::UnknownSchema,
        Kind::AddressMismatch,
        Kind::InvalidDocument,
        Kind::TooMany,
        Kind::Unavailable,
    ];

    fn row(self) -> (&'static str, u16, &'static str) {
        match self {
            Kind::Unauthorised => ("unauthorised", 401, "It is not known who sends"),
            Kind::ClockSkew => ("clock-skew", 401, "The box's clock is too far off"),
            Kind::CodeMistyped => ("code-mistyped", 400, "The code is mistyped"),
            Kind::CodeUnknown => ("code-unknown", 403, "Nobody was given this code"),
            Kind::CodeUsed => ("code-used", 409, "The code was used"),
            Kind::CodeExpired => ("code-expired", 410, "The code has expired"),
            Kind::TooManyTries => ("too-many-tries", 429, "Too many wrong codes"),
            Kind::DeviceKnown => ("device-known", 409, "A box of this name is known for other practices"),
            Kind::KeyKnown => ("key-known", 409, "This key cannot be taken"),
            Kind::KeySuperseded => ("key-superseded", 403, "Another key followed this one"),
            Kind::AnotherDevice => ("another-device", 403, "The sender is another box"),
            Kind::NotParticipating => ("not-participating", 403, "This practice is not taken from this sender"),
            Kind::BadAddress => ("bad-address", 400, "The URL names no practice, site, day or device"),
            Kind::BadQuery => ("bad-query", 400, "A query parameter cannot be read"),
            Kind::BodyIncomplete => ("body-incomplete", 400, "The body ended early"),
            Kind::DigestMissing => ("digest-missing", 400, "Content-Digest with sha-256 is needed"),
            Kind::DigestMismatch => ("digest-mismatch", 400, "Content-Digest is not that of the body"),
            Kind::NotJson => ("not-json", 400, "The body is not JSON"),
            Kind::NoSuchResource => ("no-such-resource", 404, "Nothing is served under this path"),
            Kind::NotHeld => ("not-held", 404, "This document is not held"),
            Kind::MethodNotAllowed => ("method-not-allowed", 405, "This path is not served with this method"),
            Kind::TooSlow => ("too-slow", 408, "The body did not come in time"),
            Kind::StaleRevision => ("stale-revision", 409, "A revision as new or newer is held"),
            Kind::TooLarge => ("too-large", 413, "The body is too long"),
            Kind::MediaType => ("media-type", 415, "This media type is not taken"),
            Kind::UnknownSchema => ("unknown-schema", 422, "This schema is not known here"),
            Kind::AddressMismatch => ("address-mismatch", 422, "The document is not what the URL says"),
            Kind::InvalidDocument => ("invalid-document", 422, "The document is not valid"),
            Kind::TooMany => ("too-many-requests", 429, "More was asked in a minute than is answered"),
            Kind::Unavailable => ("unavailable", 503, "The archive is not available"),
        }
    }

    /// The last part of the `type`.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// The `type`.
    pub fn uri(self) -> String {
        format!("{NAMESPACE}{}", self.name())
    }

    /// HTTP status.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().1).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// One refusal.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// What kind.
    pub kind: Kind,
    /// This very case: the field, its value, and what would be right.
    pub detail: String,
    /// JSON pointer (RFC 6901) to the field in the document that is wrong.
    pub field: Option<String>,
    /// Newest revision that is held and its digest.
    pub held: Option<(u32, String)>,
    /// Seconds after which it may be asked again.
    pub retry_after_s: Option<u64>,
}

impl Problem {
    /// A refusal that is not about one field of the document.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Problem {
        Problem { kind, detail: detail.into(), field: None, held: None, retry_after_s: None }
    }

    /// A refusal for the field of the document at `pointer`.
    pub fn field(kind: Kind, pointer: impl Into<String>, detail: impl std::fmt::Display) -> Problem {
        let pointer = pointer.into();
        let named = if pointer.is_empty() { "the document" } else { &pointer };
        Problem { kind, detail: format!("{named}: {detail}"), field: Some(pointer), held: None, retry_after_s: None }
    }

    fn body(&self) -> Value {
        let (_, status, title) = self.kind.row();
        let mut body = json!({"type": self.kind.uri(), "title": title, "status": status, "detail": self.detail});
        if let Some(field) = &self.field {
            body["field"] = json!(field);
        }
        if let Some((revision, sha256)) = &self.held {
            body["held_revision"] = json!(revision);
            body["held_sha256"] = json!(sha256);
        }
        body
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.kind.status(), self.body().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self.kind {
            Kind::Unauthorised | Kind::ClockSkew => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Kind::Unavailable | Kind::TooManyTries => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
            }
            _ => {}
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self.kind);
        response
    }
}
