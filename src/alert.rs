//! Alerts: what is wrong, told to people who do not look.
//!
//! A [`Problem`] is found by the daemon's snapshot, and is the one source of all that is said of it. The [`Book`] is pure:
//! it decides when a problem is worth telling, when it is over and when to remind, and holds what is still to be told, a
//! [`Letter`] a channel. [`webhook`] and [`mail`] take letters away. What leaves the box is a [`Message`]: the words of its
//! [`Code`], which are constant, the name of a source or practice from the configuration, and times. So no number, no figure
//! of a call and nothing that another party wrote can be in it.
//!
//! `docs/alerts.md` is its manual.

mod book;
mod code;
pub mod mail;
mod message;
mod problem;
mod secret;
pub mod webhook;

pub use book::{Book, Channel, Event, Letter, MOST, Notice, REMINDER, Standing};
pub use code::{Code, Severity};
pub use message::{Message, SCHEMA};
pub use problem::Problem;
pub use secret::SecretError;

/// A channel could not take a letter.
#[derive(Debug, thiserror::Error)]
pub enum Undelivered {
    /// A file that the configuration names cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The channel cannot be set up as configured.
    #[error("{what} cannot be used: {reason}")]
    SetUp {
        /// Which part of the configuration.
        what: &'static str,
        /// Why not.
        reason: String,
    },
    /// There was no whole answer.
    #[error("{server}: {reason}")]
    NoAnswer {
        /// Who did not answer.
        server: String,
        /// What happened.
        reason: String,
    },
    /// The answer was no.
    #[error("{server} answered {answer}{remedy}")]
    Refused {
        /// Who refused.
        server: String,
        /// With which words.
        answer: String,
        /// What may help, beginning with a semicolon; empty where that is not known.
        remedy: &'static str,
    },
}
