//! The daemon: the one place where a line goes the whole way.
//!
//! On the reading side ([`run`], [`reader`]) bytes become masked lines; [`desk`] hands them to the one writer thread,
//! where the [`keeper`] puts them into the [`books`] and commits line, record, call, counters and state at once.
//! `answers` says what verbs are told; `handover` is what a run leaves to the next. [`rebuild`] drives the same books from
//! stored lines; [`reload`] changes dialects under running sources and has what is in the [`hold`] read again; a [`round`]
//! takes closed days to the supplier, and the [`courier`] notes what became of each.

pub mod alerting;
mod answers;
pub mod batch;
pub mod books;
pub mod box_clock;
mod callers;
mod carry;
pub mod clocks;
pub mod courier;
pub mod credentials;
mod days;
pub mod desk;
pub mod discover;
pub mod disk;
mod ending;
pub mod explain;
mod files;
mod garbled;
mod handover;
pub mod hold;
pub mod import;
pub mod keeper;
pub mod keys;
pub mod loss;
pub mod marks;
mod measure;
pub mod memory;
mod numbered;
mod observed;
mod orders;
pub mod outages;
mod outgoing;
mod outlook;
pub mod prune;
mod pulse;
pub mod reader;
pub mod rebuild;
pub mod recover;
pub mod relays;
pub mod reload;
mod repeats;
pub mod retry;
pub mod round;
mod run;
pub mod sending;
pub mod setup;
pub mod silence;
pub mod snapshot;
pub mod status;
pub mod tap;
mod ticking;
pub mod turned_away;
pub mod waiting;

pub use answers::{AskError, ask, serve_one};
pub use run::{RunError, run};
