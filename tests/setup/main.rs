//! `smdrd setup` as an installer meets it: over a real terminal, against PBXs on real ptys and sockets and the real
//! receiver over TLS; and as a script runs it, with every answer by flag.

// The receiver is the supplier's program.
#![cfg(feature = "supplier")]

#[path = "../receiver/authority.rs"]
mod authority;
#[path = "../receiver/feed.rs"]
mod feed;
mod place;
mod refusals;
#[path = "../schema/mod.rs"]
mod schema;
mod scripted;
mod terminal;
