//! Descriptors that the service manager keeps from one run to the next: its file descriptor store (sd_notify(3),
//! `FDSTORE=1`; sd_listen_fds(3)).
//!
//! `FDPOLL=0` goes with each: the manager is not to drop a link because its other end has closed, for what came before
//! the close may still be unread. So what has ended is taken out of the store here, by name.

use std::io::Read as _;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Whether there is a service manager that may keep descriptors. One that says how many it keeps (systemd 254 and later)
/// may say none.
pub fn keeps() -> bool {
    let none = std::env::var("FDSTORE").is_ok_and(|most| most == "0");
    std::env::var_os("NOTIFY_SOCKET").is_some() && !none
}

/// Has a copy of the descriptor kept under `name`: at most 255 characters of ASCII without colon.
pub fn keep(name: &str, descriptor: BorrowedFd<'_>) {
    send(&[("FDSTORE", "1"), ("FDNAME", name), ("FDPOLL", "0")], descriptor);
}

/// Has what is kept under `name` closed.
pub fn forget(name: &str) {
    super::tell(&[("FDSTOREREMOVE", "1"), ("FDNAME", name)]);
}

/// Waits until everything said so far has been acted upon, and says whether it was within that time.
pub fn settled(within: Duration) -> bool {
    let Ok((mut ours, theirs)) = UnixStream::pair() else { return false };
    send(&[("BARRIER", "1")], theirs.as_fd());
    drop(theirs);
    // The manager answers by closing what it was sent.
    ours.set_read_timeout(Some(within)).is_ok() && matches!(ours.read(&mut [0]), Ok(0))
}

/// What was kept for this process, by name. To be called once, before anything else is opened: it owns the descriptors.
pub fn kept() -> Vec<(String, OwnedFd)> {
    let kept = sd_listen_fds::get().unwrap_or_else(|reason| {
        tracing::warn!(%reason, "what the service manager has kept cannot be taken up");
        Vec::new()
    });
    let mut named = Vec::new();
    for (name, descriptor) in kept {
        let descriptor = descriptor.into_std();
        // Not for programs that this one may start.
        if let Err(reason) = rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::CLOEXEC) {
            tracing::warn!(name, %reason, "a descriptor of the service manager is not one");
            continue;
        }
        named.push((name.unwrap_or_else(|| "unknown".to_owned()), descriptor));
    }
    named
}

#[cfg(feature = "systemd")]
fn send(state: &[(&str, &str)], descriptor: BorrowedFd<'_>) {
    use std::os::fd::AsRawFd as _;
    // Process 0 is this one.
    if let Err(reason) = systemd::daemon::pid_notify_with_fds(0, state.iter(), &[descriptor.as_raw_fd()]) {
        tracing::warn!(%reason, "the service manager could not be given a descriptor");
    }
}

#[cfg(not(feature = "systemd"))]
fn send(state: &[(&str, &str)], descriptor: BorrowedFd<'_>) {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let message = super::datagram(state);
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor];
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    let sent = super::address(&socket).and_then(|address| {
        let socket = std::os::unix::net::UnixDatagram::unbound()?;
        let text = [std::io::IoSlice::new(message.as_bytes())];
        Ok(rustix::net::sendmsg_addr(&socket, &address, &text, &mut control, SendFlags::NOSIGNAL)?)
    });
    if let Err(reason) = sent {
        tracing::warn!(%reason, "the service manager could not be given a descriptor");
    }
}
