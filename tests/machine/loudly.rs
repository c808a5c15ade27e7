//! What could not be tested on this machine.

use std::io::Write;

/// Says what is not tested here: to the runner's notes, which are shown beside its counts, and to standard error. With
/// `SMDRD_FAULTS=full` nothing may be left out, and it fails.
#[track_caller]
pub fn say_loudly(what: &str) {
    let note = format!("*** NOT TESTED: {what} ***\n");
    let _ = std::io::stderr().write_all(note.as_bytes());
    if let Some(notes) = std::env::var_os("NOTES") {
        let notes = std::fs::OpenOptions::new().append(true).create(true).open(notes);
        notes.and_then(|mut notes| notes.write_all(note.as_bytes())).unwrap();
    }
    let whole = std::env::var_os("SMDRD_FAULTS").is_some_and(|how| how == "full");
    assert!(!whole, "{what}: and with SMDRD_FAULTS=full nothing is left out");
}
