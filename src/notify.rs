//! What the service manager is told: ready, status, alive, stopping; and what it keeps for us over a restart. Without a
//! service manager these do nothing.
//!
//! With the feature `systemd` they go through libsystemd; without it, as the same datagrams, written here
//! (sd_notify(3)). A failure to tell is logged and never stops the daemon.

mod descriptors;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub use descriptors::{forget, keep, keeps, kept, settled};

/// The daemon is up: database open, migrations done, sources started.
pub fn ready() {
    tell(&[("READY", "1")]);
}

/// Dialects are being read again; [`ready`] says when that is over.
pub fn reloading() {
    tell(&[("RELOADING", "1")]);
}

/// One line for `systemctl status`. Line breaks become blanks. The line that was told last is not told again.
pub fn status(line: &str) {
    static LAST: Mutex<String> = Mutex::new(String::new());
    let line = line.replace(|c: char| c.is_control(), " ");
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if *last != line {
        tell(&[("STATUS", &line)]);
        *last = line;
    }
}

/// The daemon is alive: to be sent only when the event loop has turned and the writer has answered.
pub fn watchdog() {
    tell(&[("WATCHDOG", "1")]);
}

/// The daemon is on its way down.
pub fn stopping() {
    tell(&[("STOPPING", "1")]);
}

/// How long the service manager waits for [`watchdog`] before it restarts us; nothing when it does not wait.
/// To be called well before half of it.
pub fn watchdog_interval() -> Option<Duration> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let for_us =
        std::env::var_os("WATCHDOG_PID").is_none() || number("WATCHDOG_PID") == Some(u64::from(std::process::id()));
    number("WATCHDOG_USEC").filter(|&micros| for_us && micros > 0).map(Duration::from_micros)
}

#[cfg(feature = "systemd")]
fn tell(state: &[(&str, &str)]) {
    if let Err(reason) = systemd::daemon::notify(state.iter()) {
        tracing::warn!(%reason, "the service manager could not be told");
    }
}

#[cfg(not(feature = "systemd"))]
fn tell(state: &[(&str, &str)]) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let message = datagram(state);
    let sent = address(&socket).and_then(|address| {
        let socket = std::os::unix::net::UnixDatagram::unbound()?;
        Ok(rustix::net::sendto(&socket, message.as_bytes(), rustix::net::SendFlags::NOSIGNAL, &address)?)
    });
    if let Err(reason) = sent {
        tracing::warn!(%reason, "the service manager could not be told");
    }
}

#[cfg(not(feature = "systemd"))]
fn datagram(state: &[(&str, &str)]) -> String {
    state.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("\n")
}

/// A path, or an abstract name where it begins with `@`.
#[cfg(not(feature = "systemd"))]
fn address(socket: &std::ffi::OsStr) -> std::io::Result<rustix::net::SocketAddrUnix> {
    use std::os::unix::ffi::OsStrExt;

    Ok(match socket.as_bytes().split_first() {
        Some((b'@', name)) => rustix::net::SocketAddrUnix::new_abstract_name(name)?,
        _ => rustix::net::SocketAddrUnix::new(socket)?,
    })
}
