//! Faults, F1 to F30 of docs/guarantees.md, over the whole binary with real parts. Each ends with what must hold at every
//! instant: the counter identities, SQLite's own check, and a rebuild that changes nothing.
//!
//! `make test` runs them small; `make faults` runs them in full, as root, and writes the table of docs/guarantees.md.

// The receiver is the supplier's program.
#![cfg(feature = "supplier")]

#[path = "../receiver/authority.rs"]
mod authority;
mod chance;
mod disk_image;
mod evidence;
mod f01_kill;
mod f02_power_cut;
mod f03_io_errors;
mod f04_disk_full;
mod f05_read_only;
mod f06_damaged;
mod f07_older;
mod f08_two_daemons;
mod f09_unplugged;
mod f10_cable_pulled;
mod f11_noise;
mod f12_framing;
mod f14_half_open;
mod f15_peers;
mod f16_buffers;
mod f16_imports;
mod f17_clock_jump;
mod f18_dst;
mod f19_pbx_clock;
mod f20_supplier_fails;
mod f21_lost_reply;
mod f22_acks;
mod f23_long_outage;
mod f24_sigterm;
mod f25_hang;
mod f26_upgrade;
mod f27_limits;
mod f29_slow_disk;
mod f30_model;
mod ledger;
#[path = "../daemon/lines.rs"]
#[allow(dead_code)]
mod lines;
#[path = "../machine/loudly.rs"]
mod loudly;
#[path = "../handover/manager.rs"]
#[allow(dead_code)]
mod manager;
mod model;
mod network;
mod process;
mod promises;
mod retention;
#[path = "../daemon/rig.rs"]
#[allow(dead_code)]
mod rig;
#[path = "../schema/mod.rs"]
mod schema;
#[path = "../push/scripted.rs"]
#[allow(dead_code)]
mod scripted;
mod small_disk;
#[path = "../onsite/uart.rs"]
#[allow(dead_code)]
mod uart;
mod wires;
mod world;
