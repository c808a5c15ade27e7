//! How much is tried, and what is written down of it.

use std::io::Write as _;

use super::loudly::say_loudly;

/// Whether the suite runs in full: `SMDRD_FAULTS=full`.
pub fn in_full() -> bool {
    std::env::var_os("SMDRD_FAULTS").is_some_and(|how| how == "full")
}

/// Whether `what` is left to a run in full; said aloud, and shown beside the runner's counts.
pub fn is_left_to_a_run_in_full(what: &str) -> bool {
    let left = !in_full();
    if left {
        say_loudly(&format!("{what}: `make faults` tries it"));
    }
    left
}

/// `small` tries in a run of all tests, `full` in a run in full.
pub fn tries(small: u32, full: u32) -> u32 {
    if in_full() { full } else { small }
}

/// A row of the table in docs/guarantees.md: the fault, what was tried, and the figures that came of it. Written only in a
/// run that collects them (`SMDRD_FAULTS_TABLE`, a file).
pub fn figures(fault: &str, tried: &str, came_of_it: &str) {
    println!("{fault}: {tried}: {came_of_it}");
    if let Some(table) = std::env::var_os("SMDRD_FAULTS_TABLE") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(table);
        file.and_then(|mut file| writeln!(file, "| {fault} | {tried} | {came_of_it} |")).unwrap();
    }
}
