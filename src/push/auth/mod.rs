//! How a request proves which box it comes from: a bearer token, a signature with the box's own key, or a certificate that
//! is shown when the connection is made.

mod bearer;
mod certificate;
pub mod code;
mod device_key;
pub mod enrolment;
mod rotation;

use std::path::PathBuf;

use jiff::Timestamp;
use reqwest::{Identity, Request};

use super::Proof;
pub use bearer::{Bearer, Held};
pub use certificate::{ClientCertificate, WARNED_DAYS};
pub use device_key::{DeviceKey, KeyFiles, Signed};
pub use rotation::{NotYet, ROTATES_AFTER, Rotated, rotate};

/// Proof of who sends.
pub trait Auth: Send + Sync + std::fmt::Debug {
    /// Puts the proof onto a request that is otherwise whole. `now` is the time by the supplier's clock, as far as that is
    /// known.
    fn apply(&self, request: &mut Request, now: Timestamp);

    /// Looks for newer credentials after a refusal. Returns whether there are any, so that one more try makes sense.
    fn refresh(&self) -> Result<bool, AuthError> {
        Ok(false)
    }

    /// What is shown while the connection is made.
    fn identity(&self) -> Result<Option<Identity>, AuthError> {
        Ok(None)
    }

    /// Whether the proof says when it was made, so that a wrong clock spoils it.
    fn is_dated(&self) -> bool {
        false
    }

    /// Of what kind it is.
    fn kind(&self) -> Proof {
        Proof::Token
    }
}

/// The credentials cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The file cannot be read.
    #[error("supplier {what} {path}: {source}; {remedy}")]
    Unreadable {
        /// What the file is, in words.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// The file holds nothing that could be what it should.
    #[error("supplier {what} {path} {reason}; {remedy}")]
    Unusable {
        /// What the file is, in words.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with its content.
        reason: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// The file cannot be written.
    #[error("supplier {what} {path} cannot be written: {source}; its folder must be the smdrd user's")]
    Unwritable {
        /// What the file is, in words.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The machine has no random numbers.
    #[error("a key cannot be made: the machine gives no random numbers")]
    NoRandomNumbers,
}
