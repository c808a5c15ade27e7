//! Decision 4, G1 and G2: a restart loses no line and doubles none. The real daemon under a service manager that keeps
//! its descriptors, with PBXs on real sockets and ptys.

// The rig has the supplier's program too.
#![cfg(feature = "supplier")]

#[path = "handover/edges.rs"]
mod edges;
#[path = "handover/feed.rs"]
mod feed;
#[path = "daemon/lines.rs"]
#[allow(dead_code)]
mod lines;
#[path = "handover/manager.rs"]
mod manager;
#[path = "handover/others.rs"]
mod others;
#[path = "handover/previous.rs"]
mod previous;
#[path = "daemon/rig.rs"]
#[allow(dead_code)]
mod rig;
#[allow(dead_code)]
mod schema;
#[path = "handover/service.rs"]
mod service;
