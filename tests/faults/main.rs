//! Faults, F1 to F30 of docs/guarantees.md, over the whole binary with real parts. Each ends with what must hold at every
//! instant: the counter identities, SQLite's own check, and a rebuild that changes nothing.
//!
//! `make test` runs them small; `make faults` runs them in full, as root, and writes the table of docs/guarantees.md.

// The receiver is the supplier's program.
#![cfg(feature = "supplier")]

#[path = "../receiver/authority.rs"]
mod authority;
mod evidence;
mod f04_disk_full;
mod f05_read_only;
mod f06_damaged;
mod f07_older;
mod f08_two_daemons;
mod f26_upgrade;
#[path = "../daemon/lines.rs"]
#[allow(dead_code)]
mod lines;
#[path = "../machine/loudly.rs"]
mod loudly;
mod promises;
mod retention;
#[path = "../daemon/rig.rs"]
#[allow(dead_code)]
mod rig;
#[path = "../schema/mod.rs"]
mod schema;
mod small_disk;
