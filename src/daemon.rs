//! The daemon: the one place where a line goes the whole way.
//!
//! On the reading side ([`run`], [`reader`]) bytes become masked lines; [`desk`] hands them to the one writer thread,
//! where the [`keeper`] puts them into the [`books`] and commits line, record, call, counters and state at once.
//! `answers` says what verbs are told; `handover` is what a run leaves to the next. [`rebuild`] drives the same books from stored lines; [`courier`] takes closed days to the supplier.

mod answers;
pub mod books;
pub mod courier;
mod days;
pub mod desk;
pub mod disk;
mod handover;
pub mod keeper;
pub mod keys;
pub mod memory;
pub mod reader;
pub mod rebuild;
mod run;
pub mod setup;
pub mod status;

pub use answers::{AskError, ask};
pub use run::{RunError, run};
