//! Why a source has no line to its PBX: situations, worded for the person who stands before it.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a link is down, or cannot come up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The serial device went away while it was open.
    Unplugged,
    /// There is no device at the path.
    NotFound(PathBuf),
    /// The device may not be opened by this user.
    Permission(PathBuf),
    /// Another program, or another source, holds the device.
    Busy(PathBuf),
    /// The path is not a serial port.
    NotASerialPort(PathBuf),
    /// The port does not take these settings.
    Settings {
        /// Which device.
        path: PathBuf,
        /// What the driver said.
        reason: String,
    },
    /// The lock that keeps two sources off one device could not be used.
    Lock {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The PBX refuses connections on this port.
    Refused,
    /// The host's name has no address.
    HostNotFound(String),
    /// There is no way to the PBX's network.
    Unreachable,
    /// No answer within the deadline, or an open connection fell silent below the level of data.
    TimedOut,
    /// The PBX closed the connection in order.
    ClosedByPeer,
    /// The PBX broke the connection off.
    Reset,
    /// The address to listen on is used by another program.
    AddressInUse,
    /// The address to listen on is not one of this machine.
    AddressNotHere,
    /// The port to listen on needs a privilege.
    PortPermission,
    /// The PBX does not take user or password, or ended the link upon them.
    NotLetIn,
    /// The CPU of the PBX that answers is not the main one.
    NotMain,
    /// The peer is on no source's list.
    NotAllowed,
    /// The source has as many connections as it may.
    TooManyConnections,
    /// There is no drop folder at the path.
    NoFolder(PathBuf),
    /// The path of the drop folder is something else.
    NotAFolder(PathBuf),
    /// The drop folder may not be listed, or nothing may be taken out of it, by this user.
    FolderPermission(PathBuf),
    /// The drop folder is not in memory.
    OnDisk(PathBuf),
    /// The call logger's name leads to an address that is not on this site.
    OffSite(String),
    /// Another connection of the call logger took its place.
    Replaced,
    /// This program is stopping.
    Stopping,
    /// Anything else the system said.
    Other(String),
}

/// What a conversation's link fails with when the PBX does not let us in.
#[derive(Debug, thiserror::Error)]
#[error("the PBX did not take the log-in")]
pub(super) struct NotLetIn;

/// What an OXE's link fails with when its CPU is not the main one.
#[derive(Debug, thiserror::Error)]
#[error("the CPU is not the main one")]
pub(super) struct NotMain;

impl Cause {
    /// One word for the day document and for counting.
    pub fn code(&self) -> &'static str {
        match self {
            Cause::Unplugged => "unplugged",
            Cause::NotFound(_) => "not-found",
            Cause::NoFolder(_) => "not-found",
            Cause::NotAFolder(_) => "not-a-folder",
            Cause::OnDisk(_) => "on-disk",
            Cause::OffSite(_) => "off-site",
            Cause::Replaced => "replaced",
            Cause::Permission(_) | Cause::PortPermission | Cause::FolderPermission(_) => "permission",
            Cause::Busy(_) => "busy",
            Cause::NotASerialPort(_) => "not-serial",
            Cause::Settings { .. } => "settings",
            Cause::Lock { .. } => "lock",
            Cause::Refused => "refused",
            Cause::HostNotFound(_) => "host-not-found",
            Cause::Unreachable => "unreachable",
            Cause::TimedOut => "timed-out",
            Cause::ClosedByPeer => "closed-by-peer",
            Cause::Reset => "reset",
            Cause::AddressInUse => "address-in-use",
            Cause::AddressNotHere => "address-not-here",
            Cause::NotLetIn => "not-let-in",
            Cause::NotMain => "not-main",
            Cause::NotAllowed => "not-allowed",
            Cause::TooManyConnections => "too-many",
            Cause::Stopping => "stopping",
            Cause::Other(_) => "link-down",
        }
    }

    /// What a read, a write or a connect failed with.
    pub(super) fn of_link(error: &io::Error) -> Cause {
        use io::ErrorKind as Kind;
        if error.get_ref().is_some_and(|inner| inner.is::<NotLetIn>()) {
            return Cause::NotLetIn;
        }
        if error.get_ref().is_some_and(|inner| inner.is::<NotMain>()) {
            return Cause::NotMain;
        }
        match error.kind() {
            Kind::ConnectionRefused => Cause::Refused,
            Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe => Cause::Reset,
            Kind::TimedOut => Cause::TimedOut,
            Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown => Cause::Unreachable,
            Kind::UnexpectedEof => Cause::ClosedByPeer,
            _ => Cause::Other(error.to_string()),
        }
    }

    /// What opening a listener failed with.
    pub(super) fn of_listening(error: &io::Error) -> Cause {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::AddrInUse => Cause::AddressInUse,
            Kind::AddrNotAvailable => Cause::AddressNotHere,
            Kind::PermissionDenied => Cause::PortPermission,
            _ => Cause::of_link(error),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Unplugged => to.write_str("the serial adapter was unplugged or switched off; plug it in again"),
            Cause::NotFound(path) => write!(
                to,
                "{}: there is no such device; plug the adapter in, or look for its name in /dev/serial/by-id",
                path.display()
            ),
            Cause::Permission(path) => write!(
                to,
                "{}: may not be opened; put the service's user in the device's group (dialout on Debian)",
                path.display()
            ),
            Cause::Busy(path) => {
                write!(to, "{}: is held by another program or another source; close that one", path.display())
            }
            Cause::NotASerialPort(path) => write!(to, "{}: is not a serial port; correct the path", path.display()),
            Cause::Settings { path, reason } => write!(
                to,
                "{}: does not take these settings ({reason}); correct baud, data-bits, parity, stop-bits or flow",
                path.display()
            ),
            Cause::Lock { path, reason } => {
                write!(to, "{}: cannot be used as a lock ({reason}); make its folder writable", path.display())
            }
            Cause::Refused => to.write_str(
                "the PBX refuses the connection; switch its SMDR output on, check the port, and that no other \
                 collector is connected",
            ),
            Cause::HostNotFound(host) => {
                write!(to, "{host}: the name has no address; correct it or write the PBX's address")
            }
            Cause::Unreachable => {
                to.write_str("there is no way to the PBX's network; check cable, address and gateway")
            }
            Cause::TimedOut => to.write_str("the PBX does not answer; check that it is on and the address is right"),
            Cause::ClosedByPeer => to.write_str("the PBX closed the connection"),
            Cause::Reset => to.write_str("the PBX broke the connection off; it may have restarted"),
            Cause::AddressInUse => {
                to.write_str("another program listens on this address; stop it or take another port")
            }
            Cause::AddressNotHere => to.write_str("the address to listen on is not one of this machine; correct it"),
            Cause::PortPermission => to.write_str("this port needs a privilege; take one above 1023"),
            Cause::NotLetIn => to.write_str(
                "the PBX does not take the log-in; put its SMDR password into the file that `password-file` names, and \
                 see that no other collector is connected. Too many attempts may lock its port, so the next one waits",
            ),
            Cause::NotMain => to.write_str(
                "the CPU at this address is not the main one; give the other's address as `standby-host`, or correct \
                 `host`",
            ),
            Cause::NotAllowed => to.write_str("is on no source's allow list; add it there if it is a PBX of this site"),
            Cause::TooManyConnections => to.write_str("the source has as many connections as it may"),
            Cause::NoFolder(path) => write!(
                to,
                "{}: there is no such folder; make it at each start of the box with a line of tmpfiles.d",
                path.display()
            ),
            Cause::NotAFolder(path) => write!(to, "{}: is not a folder; correct the path", path.display()),
            Cause::FolderPermission(path) => write!(
                to,
                "{}: may not be used; the service's user must be able to list it and to remove files from it",
                path.display()
            ),
            Cause::OnDisk(path) => write!(
                to,
                "{}: is not in memory (tmpfs); files there hold telephone numbers, which would be at rest on a disk: \
                 name a folder below /run",
                path.display()
            ),
            Cause::OffSite(host) => write!(
                to,
                "{host}: leads to no address of this site, and patients' numbers would leave it; correct the name, or \
                 write `off-site = true` under the relay where the practice wants that"
            ),
            Cause::Replaced => to.write_str("a new connection took its place"),
            Cause::Stopping => to.write_str("smdrd is stopping"),
            Cause::Other(reason) => write!(to, "the link failed: {reason}"),
        }
    }
}
