//! What the service manager is told: ready, status, alive, stopping. Without a service manager these do nothing.
//!
//! With the feature `systemd` they go through libsystemd; without it, as the same datagrams, written here
//! (sd_notify(3)). A failure to tell is logged and never stops the daemon.

use std::time::Duration;

/// The daemon is up: database open, migrations done, sources started.
pub fn ready() {
    tell(&[("READY", "1")]);
}

/// Dialects are being read again; [`ready`] says when that is over.
pub fn reloading() {
    tell(&[("RELOADING", "1")]);
}

/// One line for `systemctl status`. Line breaks become blanks.
pub fn status(line: &str) {
    let line = line.replace(|c: char| c.is_control(), " ");
    tell(&[("STATUS", &line)]);
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
/// To be called at half of it.
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
    let message = state.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("\n");
    if let Err(reason) = send(&socket, message.as_bytes()) {
        tracing::warn!(%reason, "the service manager could not be told");
    }
}

/// Sends a datagram to a path, or to an abstract name where it begins with `@`.
#[cfg(not(feature = "systemd"))]
fn send(socket: &std::ffi::OsStr, message: &[u8]) -> std::io::Result<()> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    let address = match socket.as_bytes().split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(message, &address).map(drop)
}
