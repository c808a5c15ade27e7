//! Who sends: boxes that enrol, sign, renew their keys or show certificates, against the real receiver; and everything that
//! is not taken for one of them.
#![cfg(feature = "supplier")]

#[path = "receiver/authority.rs"]
mod authority;
#[path = "auth/boxes.rs"]
mod boxes;
#[path = "receiver/day.rs"]
mod day;
#[path = "auth/enrolment.rs"]
mod enrolment;
#[path = "receiver/feed.rs"]
mod feed;
#[path = "auth/lossy.rs"]
mod lossy;
#[path = "auth/renewal.rs"]
mod renewal;
#[path = "auth/requests.rs"]
mod requests;
#[path = "daemon/rig.rs"]
#[allow(dead_code)]
mod rig;
mod schema;
