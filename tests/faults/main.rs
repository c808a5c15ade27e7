//! Faults, F1 to F30 of docs/guarantees.md, over the whole binary with real parts. Each ends with what must hold at every
//! instant: the counter identities, SQLite's own check, and a rebuild that changes nothing.
//!
//! `make test` runs them small; `make faults` runs them in full, as root, and writes the table of docs/guarantees.md.

// The receiver is the supplier's program.
#![cfg(feature = "supplier")]

#[path = "../receiver/authority.rs"]
mod authority;
mod evidence;
mod f08_two_daemons;
mod f10_cable_pulled;
#[path = "../daemon/lines.rs"]
#[allow(dead_code)]
mod lines;
#[path = "../machine/loudly.rs"]
mod loudly;
mod promises;
#[path = "../daemon/rig.rs"]
#[allow(dead_code)]
mod rig;
#[path = "../schema/mod.rs"]
mod schema;
