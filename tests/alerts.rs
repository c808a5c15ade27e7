//! Alerts reach people: over a real HTTPS server and a real SMTP server, both of which misbehave; each once, over restarts and
//! outages, and without a telephone number or a figure of a call.

// The rig has the supplier's program too.
#![cfg(feature = "supplier")]

#[path = "receiver/authority.rs"]
mod authority;
#[path = "alerts/box_office.rs"]
mod box_office;
#[path = "alerts/hook.rs"]
mod hook;
#[path = "daemon/lines.rs"]
#[allow(dead_code)]
mod lines;
#[path = "alerts/post_office.rs"]
mod post_office;
#[path = "daemon/rig.rs"]
#[allow(dead_code)]
mod rig;
#[allow(dead_code)]
mod schema;
#[path = "alerts/told.rs"]
mod told;
#[path = "alerts/trying.rs"]
mod trying;
#[path = "push/tunnel.rs"]
mod tunnel;
