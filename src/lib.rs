//! smdrd reads call records (SMDR) from a GP practice's PBX, keeps an anonymous and durable record of every call, turns
//! calls into the access figures of NHS England's Cloud Based Telephony collection, and hands one anonymised document a
//! day to the telephony supplier.
//!
//! # The flow is the layout
//!
//! `source → framing → dialect → privacy → call → aggregate → store → push`, left to right. Bytes come in at
//! [`source`]; [`framing`] cuts them into lines and loses none; [`dialect`] says what a line means; [`privacy`] takes
//! the telephone numbers out, so that nothing to its right ever holds one; [`call`] joins legs into calls and decides
//! how each ended; [`aggregate`] counts calls by half-hour and renders the day document; [`store`] keeps it all in
//! SQLite; [`push`] delivers closed days. A module uses only what stands to its left, and the shared words
//! [`config`], [`clock`], [`number`] and [`record`]. `tests/layers.rs` holds that rule.
//!
//! Right of the flow stand [`report`], what people and NHS England read of it; [`alert`] and [`notify`], who is told when
//! something is wrong; [`control`], by which the verbs of [`cli`] ask the daemon; and `supplier`, the other side: the
//! receiver, the fleet and the monthly files. [`simulator`] plays PBXs and uses none of it.
//!
//! [`daemon`] is the one place where a line goes the whole way. The core, from framing to aggregate, is synchronous
//! and pure: bytes and values in, values out; clock, zone and keys are parameters.
//!
//! # What is promised
//!
//! * **Kept**: a line waits for at most the commit in progress and its own.
//! * **Once**: a line makes at most one record, and a call is counted once.
//! * **Delivered**: a closed day is queued in the transaction that closes it and sent until the receipt matches.
//! * **Private**: no patient's telephone number is ever at rest on the box.
//! * **Honest**: what was lost, not observed or not understood is counted and travels with the figures.

pub mod clock;
pub mod config;
pub mod number;
pub mod record;

pub mod source;

pub mod framing;

pub mod dialect;

pub mod privacy;

pub mod call;

pub mod aggregate;

pub mod store;

pub mod push;

pub mod alert;

pub mod report;

pub mod notify;

pub mod control;

pub mod daemon;

#[cfg(feature = "supplier")]
pub mod supplier;

pub mod simulator;

pub mod cli;
