//! What holds whatever happened.

use serde_json::Value;

use super::rig::Rig;

/// Lines of each kind add up, calls are counted or open, days stand somewhere.
#[track_caller]
pub fn assert_identities(status: &Value) {
    let of = |part: &str, key: &str| status[part][key].as_u64().unwrap_or_else(|| panic!("{part}.{key}: {status:#}"));
    let kinds = ["records", "continuations", "events", "headers", "noise", "unparsed", "duplicates"];
    assert_eq!(of("lines", "lines"), kinds.iter().map(|key| of("lines", key)).sum::<u64>(), "{status:#}");
    assert_eq!(of("calls", "stored"), of("calls", "counted") + of("calls", "open"), "{status:#}");
    let states = ["receipted", "pending", "parked", "held"];
    assert_eq!(of("days", "closed"), states.iter().map(|key| of("days", key)).sum::<u64>(), "{status:#}");
}

/// The identities, SQLite's own check of the file, and a rebuild that changes nothing. `clock` is that of the verbs; where
/// a daemon runs it is not needed.
#[track_caller]
pub fn assert_kept(rig: &Rig, clock: &str, when: &str) {
    assert_identities(&rig.json(&["status"], clock).1);
    let said: String = rig.db().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(said, "ok", "{when}");
    rig.assert_no_difference(clock, when);
}
