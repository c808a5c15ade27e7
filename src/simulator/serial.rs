//! A serial line without a cable: the PBX has the master end of a pseudo-terminal, the collector opens the other end
//! by its path like any serial port.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::pty::OpenptFlags;
use rustix::termios::OptionalActions;

/// The PBX's end of the line.
#[derive(Debug)]
pub struct SerialPort {
    master: File,
    path: PathBuf,
}

impl SerialPort {
    /// Opens a line. It neither echoes nor edits, as a real one does not; speed and the rest are the collector's.
    pub fn open() -> std::io::Result<SerialPort> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = rustix::pty::openpt(flags)?;
        rustix::pty::grantpt(&master)?;
        rustix::pty::unlockpt(&master)?;
        let name = rustix::pty::ptsname(&master, Vec::new())?;
        let path = PathBuf::from(name.to_string_lossy().into_owned());
        // The settings stay with the line when this end is closed again, and from then on a read of the master tells
        // whether anybody has the other end open.
        let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags)?;
        let mut settings = rustix::termios::tcgetattr(&slave)?;
        settings.make_raw();
        rustix::termios::tcsetattr(&slave, OptionalActions::Now, &settings)?;
        drop(slave);
        rustix::fs::fcntl_setfl(&master, rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NONBLOCK)?;
        Ok(SerialPort { master: File::from(master), path })
    }

    /// What the collector opens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether somebody has the other end open. What they may have sent is read and dropped: the PBX only talks.
    pub fn attended(&mut self) -> bool {
        let mut said = [0; 256];
        loop {
            match self.master.read(&mut said) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(reason) if reason.kind() == ErrorKind::Interrupted => {}
                Err(reason) => return reason.kind() == ErrorKind::WouldBlock,
            }
        }
    }

    /// Sends all of `text`, waiting while the line is full. False when the line broke or `stop` was set before that.
    pub fn print(&mut self, text: &str, stop: &AtomicBool) -> bool {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            match self.master.write(rest) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(reason) if reason.kind() == ErrorKind::Interrupted => {}
                Err(reason) if reason.kind() == ErrorKind::WouldBlock && !stop.load(Ordering::Relaxed) => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err(_) => return false,
            }
        }
        true
    }
}
