//! Whatever comes, be it from a PBX or from the keyboard of who writes a dialect file: nothing panics, nothing is lost,
//! nothing is made up, and what is wrong is said with its place.
//!
//! The fuzz targets' own functions run here too, on inputs of proptest and on every input that a fuzzer found.

#[path = "hardness/cost.rs"]
mod cost;
#[path = "hardness/finds.rs"]
mod finds;
#[path = "hardness/mutants.rs"]
mod mutants;
#[path = "hardness/typos.rs"]
mod typos;
#[path = "hardness/worst.rs"]
mod worst;

#[path = "../fuzz/src/fuzz_files.rs"]
mod fuzz_files;
#[path = "../fuzz/src/fuzz_framing.rs"]
mod fuzz_framing;
#[path = "../fuzz/src/fuzz_lines.rs"]
mod fuzz_lines;
#[path = "../fuzz/src/fuzz_masking.rs"]
mod fuzz_masking;

// What the targets call the modules of the core.
use smdrd::{config, dialect, framing, number, privacy, record};

/// Where samples and dialect files are.
const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");
