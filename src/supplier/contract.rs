//! What is served: the table that the router is built from, that every answer is held to in debug builds, and that
//! `docs/supplier/openapi.yaml` is compared with.

use super::problem::Kind;

/// One method on one path.
#[derive(Debug)]
pub struct Operation {
    /// HTTP method.
    pub method: &'static str,
    /// Path template, as in OpenAPI.
    pub path: &'static str,
    /// Statuses of success.
    pub success: &'static [u16],
    /// Refusals.
    pub problems: &'static [Kind],
}

/// Send a day.
pub const PUT_DAY: Operation = Operation {
    method: "put",
    path: "/v1/practices/{ods}/sites/{site}/days/{date}",
    success: &[200, 201],
    problems: &[
        Kind::Unauthorised,
        Kind::ClockSkew,
        Kind::NotParticipating,
        Kind::BadAddress,
        Kind::BodyIncomplete,
        Kind::DigestMissing,
        Kind::DigestMismatch,
        Kind::NotJson,
        Kind::TooSlow,
        Kind::StaleRevision,
        Kind::TooLarge,
        Kind::MediaType,
        Kind::UnknownSchema,
        Kind::AddressMismatch,
        Kind::InvalidDocument,
        Kind::TooMany,
        Kind::Unavailable,
    ],
};

/// Read a day back.
pub const GET_DAY: Operation = Operation {
    method: "get",
    path: PUT_DAY.path,
    success: &[200],
    problems: &[
        Kind::Unauthorised,
        Kind::ClockSkew,
        Kind::NotParticipating,
        Kind::BadAddress,
        Kind::BadQuery,
        Kind::NotHeld,
        Kind::TooMany,
        Kind::Unavailable,
    ],
};

/// Which days are held.
pub const GET_DAYS: Operation = Operation {
    method: "get",
    path: "/v1/practices/{ods}/sites/{site}/days",
    success: &[200],
    problems: &[
        Kind::Unauthorised,
        Kind::ClockSkew,
        Kind::NotParticipating,
        Kind::BadAddress,
        Kind::BadQuery,
        Kind::TooMany,
        Kind::Unavailable,
    ],
};

/// A box says that it is there.
pub const HEARTBEAT: Operation = Operation {
    method: "post",
    path: "/v1/devices/{id}/heartbeat",
    success: &[204],
    problems: &[
        Kind::Unauthorised,
        Kind::ClockSkew,
        Kind::AnotherDevice,
        Kind::BadAddress,
        Kind::BodyIncomplete,
        Kind::DigestMissing,
        Kind::DigestMismatch,
        Kind::TooSlow,
        Kind::TooLarge,
        Kind::TooMany,
        Kind::Unavailable,
    ],
};

/// A box brings its key, with a one-time code.
pub const ENROL: Operation = Operation {
    method: "post",
    path: crate::push::auth::enrolment::ENROL_PATH,
    success: &[200, 201],
    problems: &[
        Kind::Unauthorised,
        Kind::ClockSkew,
        Kind::BodyIncomplete,
        Kind::DigestMissing,
        Kind::DigestMismatch,
        Kind::NotJson,
        Kind::CodeMistyped,
        Kind::CodeUnknown,
        Kind::TooSlow,
        Kind::CodeUsed,
        Kind::DeviceKnown,
        Kind::KeyKnown,
        Kind::CodeExpired,
        Kind::TooLarge,
        Kind::InvalidDocument,
        Kind::TooManyTries,
        Kind::TooMany,
        Kind::Unavailable,
    ],
};

/// A box renews its key.
pub const ADD_KEY: Operation = Operation {
    method: "post",
    path: "/v1/devices/{id}/keys",
    success: &[200, 201],
    problems: &[
        Kind::Unauthorised,
        Kind::ClockSkew,
        Kind::AnotherDevice,
        Kind::KeySuperseded,
        Kind::BadAddress,
        Kind::BodyIncomplete,
        Kind::DigestMissing,
        Kind::DigestMismatch,
        Kind::NotJson,
        Kind::TooSlow,
        Kind::KeyKnown,
        Kind::TooLarge,
        Kind::InvalidDocument,
        Kind::TooMany,
        Kind::Unavailable,
    ],
};

/// Whether the receiver runs.
pub const ALIVE: Operation =
    Operation { method: "get", path: "/v1/health/live", success: &[200], problems: &[Kind::TooMany] };

/// Whether the receiver can take documents: its store answers.
pub const READY: Operation =
    Operation { method: "get", path: "/v1/health", success: &[200], problems: &[Kind::TooMany, Kind::Unavailable] };

/// The same under the name it had first.
pub const HEALTH: Operation = Operation { path: "/healthz", ..READY };

/// All of it. What is asked for besides is refused with [`ELSEWHERE`].
pub const OPERATIONS: [&Operation; 9] =
    [&PUT_DAY, &GET_DAY, &GET_DAYS, &HEARTBEAT, &ENROL, &ADD_KEY, &ALIVE, &READY, &HEALTH];

/// Refusals outside of every operation.
pub const ELSEWHERE: [Kind; 2] = [Kind::NoSuchResource, Kind::MethodNotAllowed];

impl Operation {
    /// Whether the contract knows this answer.
    pub fn knows(&self, status: u16, problem: Option<Kind>) -> bool {
        match problem {
            Some(kind) => self.problems.contains(&kind),
            None => self.success.contains(&status),
        }
    }
}
