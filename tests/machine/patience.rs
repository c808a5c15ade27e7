//! How long a test waits for something that must come.

use std::time::{Duration, Instant};

/// Generous: the machine may be busy.
pub const WITHIN: Duration = Duration::from_secs(120);

/// Waits until `done` gives something.
#[track_caller]
pub fn wait_for<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + WITHIN;
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(Instant::now() < deadline, "{what}: not within {WITHIN:?}");
        std::thread::sleep(Duration::from_millis(25));
    }
}
