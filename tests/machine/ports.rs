//! Ports of this machine that a test may have.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// A port that nobody has, from below those that the kernel hands out to whoever connects, and by process: the tests that
/// run beside this one ask for theirs in the same moment.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    std::iter::repeat_with(|| NEXT.fetch_add(1, Ordering::Relaxed))
        .map(|next| 18_000 + (std::process::id().wrapping_mul(32) + next) % 14_000)
        .filter_map(|port| u16::try_from(port).ok())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}
