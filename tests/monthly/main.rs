//! The month's files: the whole program over a real store, figures against a sum of its own, and everything that an
//! operator can get wrong.

#![cfg(feature = "supplier")]

mod build;
mod call_level;
mod compare;
#[path = "../receiver/day.rs"]
mod day;
mod desk;
mod lists;
mod resubmission;
mod templates;
