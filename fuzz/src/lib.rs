//! What the fuzz targets do, each a function of bytes that panics at a find.
//!
//! The core of smdrd is compiled into this crate from its own files, so that neither SQLite nor TLS is built with a
//! fuzzer's instruments. It uses nothing of the other modules: `tests/layers.rs` holds that.
#![allow(missing_docs, dead_code, rustdoc::broken_intra_doc_links)]

#[path = "../../src/call/mod.rs"]
pub mod call;
#[path = "../../src/config/mod.rs"]
pub mod config;
#[path = "../../src/dialect/mod.rs"]
pub mod dialect;
#[path = "../../src/framing/mod.rs"]
pub mod framing;
#[path = "../../src/number.rs"]
pub mod number;
#[path = "../../src/privacy/mod.rs"]
pub mod privacy;
#[path = "../../src/record.rs"]
pub mod record;

pub mod fuzz_files;
pub mod fuzz_framing;
pub mod fuzz_lines;
pub mod fuzz_masking;

/// Where samples and dialect files are.
const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
