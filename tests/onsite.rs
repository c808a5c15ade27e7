//! What the installer does beside the PBX: find out what it is (`detect`), look at its lines (`tap`), and have the box
//! looked over (`doctor`). The real program on real ptys and sockets, with a real daemon and a real supplier.

// The rig has the supplier's program too.
#![cfg(feature = "supplier")]

#[path = "receiver/authority.rs"]
mod authority;
#[path = "onsite/detect.rs"]
mod detect;
#[path = "onsite/detect_tcp.rs"]
mod detect_tcp;
#[path = "onsite/doctor.rs"]
mod doctor;
#[path = "daemon/lines.rs"]
#[allow(dead_code)]
mod lines;
#[path = "daemon/rig.rs"]
#[allow(dead_code)]
mod rig;
#[allow(dead_code)]
mod schema;
#[path = "onsite/tap.rs"]
mod tap;
#[path = "onsite/terminal.rs"]
mod terminal;
#[path = "onsite/uart.rs"]
mod uart;
