//! Delivery to the supplier: one idempotent `PUT` a practice, site and day; an answer counts only when it is a receipt
//! that matches, byte for byte, what was sent.
//!
//! [`Client::deliver`] sends a [`Parcel`] once and says, as a [`Delivery`], what the answer means for it. [`mod@backoff`]
//! and [`schedule`] are pure: they say when to try (again), and never inside the practice's busiest hours. [`standing`]
//! is what is known of the supplier between two tries, [`manifest`] the nightly comparison of what it holds with what it
//! should, [`route`] how it is reached. What is queued, and what became of it, is the `store`'s to keep.
//!
//! The contract is in `docs/upload.md` and `docs/supplier/openapi.yaml`.

pub mod answer;
pub mod auth;
pub mod backoff;
pub mod certificate;
pub mod client;
pub mod delivery;
mod fault;
pub mod heartbeat;
pub mod legible;
pub mod manifest;
pub mod parcel;
pub mod route;
pub mod schedule;
pub mod signature;
pub mod standing;

pub use auth::{Auth, AuthError, Bearer, ClientCertificate, Held, Signed};
pub use backoff::backoff;
pub use certificate::good_until;
pub use client::Client;
pub use delivery::{Concern, Delivery, Problem, Proof, Why};
pub(crate) use fault::innermost;
pub use legible::legible;
pub use parcel::{Parcel, Receipt, ReceiptStatus};
pub use route::{Route, SetUpError};
pub use standing::Standing;

/// Media type of a day document of the first major version.
pub const MEDIA_TYPE: &str = "application/vnd.smdrd.day+json;v=1";
/// Carries the seconds by which the box's clock is ahead of the supplier's, when they are more than
/// [`SKEW_WORTH_TELLING_S`].
pub const SKEW_HEADER: &str = "x-device-clock-skew";
/// From how many seconds on a wrong clock is told to the supplier.
pub const SKEW_WORTH_TELLING_S: i64 = 300;
