//! The PBX's end of its link.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::termios::OptionalActions;

use crate::simulator::Played;
use crate::simulator::panasonic_port::Port;
use crate::simulator::serial::SerialPort;

/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How long the other end may take to read what is left when all is sent.
const FAREWELL: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// What is at the PBX's end, and who is at the other.
pub enum Way {
    /// The collector calls the PBX.
    Listen(TcpListener, Option<TcpStream>),
    /// The PBX calls the collector.
    Connect(SocketAddr, Option<TcpStream>),
    /// The collector calls the PBX and logs in.
    LogIn(Box<Port>, Played),
    /// A pseudo-terminal, and the link that was made to it.
    Pty(SerialPort, Option<PathBuf>),
    /// A real serial port.
    Device(File),
}

impl Way {
    /// Listens at `address`.
    pub fn listen(address: SocketAddr) -> std::io::Result<Way> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(Way::Listen(listener, None))
    }

    /// Makes a pseudo-terminal; `link` is to lead to it.
    pub fn pty(link: Option<PathBuf>) -> std::io::Result<Way> {
        let port = SerialPort::open()?;
        if let Some(link) = &link {
            std::os::unix::fs::symlink(port.path(), link)?;
        }
        Ok(Way::Pty(port, link))
    }

    /// Opens a serial port at so many baud, 8N1, without flow control.
    pub fn device(path: &Path, baud: u32) -> std::io::Result<Way> {
        let device = rustix::fs::open(path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        let mut settings = rustix::termios::tcgetattr(&device)?;
        settings.make_raw();
        settings.set_speed(baud)?;
        rustix::termios::tcsetattr(&device, OptionalActions::Now, &settings)?;
        Ok(Way::Device(File::from(device)))
    }

    /// Where the collector finds the PBX.
    pub fn place(&self) -> String {
        match self {
            Way::Listen(listener, _) => match listener.local_addr() {
                Ok(address) => format!("listening on {address}"),
                Err(reason) => format!("listening, and the system does not say where: {reason}"),
            },
            Way::LogIn(port, _) => format!("listening on {}, log-in wanted", port.address()),
            Way::Connect(address, _) => format!("calling {address}"),
            Way::Pty(port, Some(link)) => format!("serial line {}, which is {}", link.display(), port.path().display()),
            Way::Pty(port, None) => format!("serial line {}", port.path().display()),
            Way::Device(_) => "sending on the serial port".to_owned(),
        }
    }

    /// Whether somebody is at the other end; lets them in where they want to come in.
    pub fn attended(&mut self) -> bool {
        match self {
            Way::Listen(listener, link) => {
                if link.as_mut().is_some_and(gone) {
                    *link = None;
                }
                if link.is_none() {
                    *link = listener.accept().ok().map(|(link, _)| link);
                }
                link.is_some()
            }
            Way::Connect(address, link) => {
                if link.as_mut().is_some_and(gone) {
                    *link = None;
                }
                if link.is_none() {
                    *link = TcpStream::connect_timeout(address, CONNECT_WITHIN).ok();
                }
                link.is_some()
            }
            Way::LogIn(port, played) => port.attend(jiff::Timestamp::now(), played),
            Way::Pty(port, _) => port.attended(),
            Way::Device(_) => true,
        }
    }

    /// Sends all of `bytes`. False when the link broke, or `stop` was set, before that.
    pub fn print(&mut self, text: &str, stop: &AtomicBool) -> bool {
        match self {
            Way::Listen(_, link) | Way::Connect(_, link) => {
                let sent = link.as_mut().is_some_and(|link| link.write_all(text.as_bytes()).is_ok());
                if !sent {
                    *link = None;
                }
                sent
            }
            // The port ends lines itself.
            Way::LogIn(port, played) => port.print(text.trim_end_matches(['\r', '\n']), jiff::Timestamp::now(), played),
            Way::Pty(port, _) => port.print(text, stop),
            Way::Device(device) => device.write_all(text.as_bytes()).is_ok(),
        }
    }

    /// All is sent: sees that it arrives. A pseudo-terminal forgets what was not read when it is closed, so it stays
    /// until the other end goes or `stop` is set.
    pub fn finish(mut self, stop: &AtomicBool) {
        match &mut self {
            Way::Listen(_, Some(link)) | Way::Connect(_, Some(link)) => {
                let _ = link.shutdown(Shutdown::Write);
                let _ = link.set_read_timeout(Some(LOOK));
                let deadline = Instant::now() + FAREWELL;
                while !stop.load(Ordering::Relaxed) && Instant::now() < deadline && !gone(link) {
                    std::thread::sleep(LOOK);
                }
            }
            Way::LogIn(port, played) => {
                while !stop.load(Ordering::Relaxed) && port.attend(jiff::Timestamp::now(), played) {
                    std::thread::sleep(LOOK);
                }
            }
            Way::Pty(port, _) => {
                while !stop.load(Ordering::Relaxed) && port.attended() {
                    std::thread::sleep(LOOK);
                }
            }
            Way::Device(device) => drop(rustix::termios::tcdrain(&*device)),
            Way::Listen(_, None) | Way::Connect(_, None) => {}
        }
    }

    /// Whether the link stays up until the other end goes.
    pub fn stays(&self) -> bool {
        matches!(self, Way::Pty(..) | Way::LogIn(..))
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        if let Way::Pty(_, Some(link)) = self {
            let _ = std::fs::remove_file(link);
        }
    }
}

/// Whether the other end has closed the link. What it may say is read and dropped.
fn gone(link: &mut TcpStream) -> bool {
    let mut said = [0; 256];
    if link.set_nonblocking(true).is_err() {
        return true;
    }
    let gone = match link.read(&mut said) {
        Ok(count) => count == 0,
        Err(reason) => !matches!(reason.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
    };
    gone || link.set_nonblocking(false).is_err()
}
