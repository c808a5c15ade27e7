//! The daemon as a process, with real PBX links, a real supplier and a real database: what it keeps, what a rebuild
//! finds, when days close and where they go, and what it says when something is wrong.
//!
//! Civil time is set by the hidden `--clock`; a day passes by starting the daemon again on a later clock, or on a fast
//! one.

// The receiver is the supplier's program.
#![cfg(feature = "supplier")]

#[path = "daemon/approval.rs"]
mod approval;
#[path = "receiver/authority.rs"]
mod authority;
#[path = "daemon/days.rs"]
mod days;
#[path = "daemon/delivery.rs"]
mod delivery;
#[path = "daemon/folder.rs"]
mod folder;
#[path = "daemon/gate.rs"]
mod gate;
#[path = "daemon/import.rs"]
mod import;
#[path = "daemon/interrupted.rs"]
mod interrupted;
#[path = "daemon/lines.rs"]
mod lines;
#[path = "daemon/mitel3300.rs"]
mod mitel3300;
#[path = "daemon/nec.rs"]
mod nec;
#[path = "daemon/overlaps.rs"]
mod overlaps;
#[path = "daemon/panasonic.rs"]
mod panasonic;
#[path = "faults/promises.rs"]
#[allow(dead_code)]
mod promises;
#[path = "daemon/rebuild.rs"]
mod rebuild;
#[path = "daemon/redump.rs"]
mod redump;
#[path = "daemon/relay.rs"]
mod relay;
#[path = "daemon/reload.rs"]
mod reload;
#[path = "daemon/rig.rs"]
#[allow(dead_code)]
mod rig;
mod schema;
#[path = "daemon/sharing.rs"]
mod sharing;
#[path = "daemon/simulate.rs"]
mod simulate;
#[path = "daemon/tftp.rs"]
mod tftp;
#[path = "daemon/trouble.rs"]
mod trouble;
#[path = "daemon/verbs.rs"]
mod verbs;
