//! A serial port.
//!
//! The port is opened by its path each time, because a replugged adapter may be another device; non-exclusively, so
//! that an installer can look on with a terminal program; and under a lock file of our own, so that two sources cannot
//! take each other's bytes.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::termios::{InputModes, OptionalActions};
use tokio_serial::{ClearBuffer, DataBits, FlowControl, SerialPort, SerialStream, StopBits};

use super::backoff::Backoff;
use super::handover::LinkState;
use super::reporter::{Gone, Reporter};
use super::{Cause, Marks};
use crate::config::{Flow, Parity, Serial};

/// Keeps the port open until the order to stop. What is found of the run before holds the line open meanwhile, so that
/// neither DTR falls nor what has come in is thrown away.
pub(super) async fn run(
    settings: Serial,
    locks: Option<PathBuf>,
    mut reporter: Reporter,
    mut found: Vec<(u64, OwnedFd)>,
) {
    let mut before = found.pop();
    found.iter().for_each(|(number, _)| reporter.place(*number).forget());
    drop(found);
    // The cap is what a replugged adapter waits at most.
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    let mut attempt = 0u32;
    loop {
        match Port::open(&settings, locks.as_deref()) {
            Ok(mut port) => {
                attempt = 0;
                let began = Instant::now();
                let Ok(connection) = report(&mut port, before.take(), &reporter).await else { return };
                let pumped = reporter.pump(&mut port.stream, connection, &mut port.marks, Cause::Unplugged).await;
                let marks = port.marks.unwrap_or_default();
                drop(port);
                let Ok(ended) = pumped else { return };
                if reporter.parks(&ended) {
                    // When it fails, nobody reads the happenings any more.
                    let _ = reporter.parked(connection, LinkState { marks, ..LinkState::default() }).await;
                }
                if ended.cause == Cause::Stopping {
                    return;
                }
                backoff.proved(ended.received, began.elapsed());
            }
            Err(cause) => {
                if let Some((number, _)) = before.take() {
                    reporter.place(number).forget();
                }
                attempt = attempt.saturating_add(1);
                if reporter.waiting(cause, attempt).await.is_err() {
                    return;
                }
            }
        }
        if !reporter.pause(backoff.delay()).await {
            return;
        }
    }
}

/// Reports the port open: under its old number where the run before has held this very line.
async fn report(port: &mut Port, before: Option<(u64, OwnedFd)>, reporter: &Reporter) -> Result<u64, Gone> {
    if let Some((number, held)) = before {
        if port.is_line_of(&held) {
            if let (Some(marks), Some(stood)) = (&mut port.marks, reporter.stood(number)) {
                *marks = stood.marks;
            }
            reporter.up_as(number, port.what.clone()).await?;
            return Ok(number);
        }
        reporter.place(number).forget();
    }
    let number = reporter.up(port.what.clone()).await?;
    reporter.place(number).keep(&port.device);
    Ok(number)
}

/// An open port.
pub(super) struct Port {
    pub(super) stream: SerialStream,
    marks: Option<Marks>,
    pub(super) what: String,
    /// The port once more, to be kept for the next run.
    device: OwnedFd,
    /// Held while the port is open.
    _lock: Option<File>,
}

impl Port {
    pub(super) fn open(settings: &Serial, locks: Option<&Path>) -> Result<Port, Cause> {
        let path = &settings.path;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let device = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| opening(path, errno))?;
        if !rustix::termios::isatty(&device) {
            return Err(Cause::NotASerialPort(path.clone()));
        }
        let lock = locks.map(|folder| lock(folder, &device, path)).transpose()?;
        // Through our own descriptor, so that what is set up is what was locked even if the path changes meanwhile.
        let opened = format!("/proc/self/fd/{}", device.as_raw_fd());
        let mut builder = tokio_serial::new(opened, *settings.baud.get_ref())
            .data_bits(match settings.data_bits.get_ref() {
                5 => DataBits::Five,
                6 => DataBits::Six,
                7 => DataBits::Seven,
                _ => DataBits::Eight,
            })
            .parity(match settings.parity {
                Parity::None => tokio_serial::Parity::None,
                Parity::Even => tokio_serial::Parity::Even,
                Parity::Odd => tokio_serial::Parity::Odd,
            })
            .stop_bits(if *settings.stop_bits.get_ref() == 2 { StopBits::Two } else { StopBits::One })
            .flow_control(match settings.flow {
                Flow::None => FlowControl::None,
                Flow::Software => FlowControl::Software,
                Flow::Hardware => FlowControl::Hardware,
            })
            .exclusive(false);
        builder = match settings.dtr {
            Some(on) => builder.dtr_on_open(on),
            None => builder.preserve_dtr_on_open(),
        };
        let mut stream = SerialStream::open(&builder).map_err(|error| refused_by_driver(path, &error))?;
        if let Some(on) = settings.rts
            && let Err(error) = stream.write_request_to_send(on)
        {
            tracing::warn!(path = %path.display(), %error, "RTS cannot be set on this port");
        }
        let marks = mark_errors(&device).unwrap_or(false).then(Marks::default);
        let what = describe(settings, marks.is_some());
        Ok(Port { stream, marks, what, device, _lock: lock })
    }

    /// Whether `held` holds open the line of this port: not that of an adapter that had the same name and is gone.
    fn is_line_of(&self, held: &OwnedFd) -> bool {
        let number = |descriptor| rustix::fs::fstat(descriptor).map(|stat| stat.st_rdev);
        let same = matches!((number(held), number(&self.device)), (Ok(one), Ok(other)) if one == other);
        // A line that was hung up has no settings any more.
        same && rustix::termios::tcgetattr(held).is_ok()
    }

    /// Drops what was written and has not gone out.
    pub(super) fn forget_output(&self) {
        let _ = self.stream.clear(ClearBuffer::Output);
    }
}

/// Whether the port may be opened by this user. Whether somebody reads it is not asked.
pub fn may_be_opened(path: &Path) -> Result<(), Cause> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let device = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| opening(path, errno))?;
    if rustix::termios::isatty(&device) { Ok(()) } else { Err(Cause::NotASerialPort(path.to_owned())) }
}

fn opening(path: &Path, errno: Errno) -> Cause {
    let path = path.to_owned();
    match errno {
        // A device file whose driver has lost its device gives the last three.
        Errno::NOENT | Errno::NOTDIR | Errno::NXIO | Errno::NODEV | Errno::IO => Cause::NotFound(path),
        Errno::ACCESS | Errno::PERM | Errno::ROFS => Cause::Permission(path),
        Errno::BUSY => Cause::Busy(path),
        Errno::ISDIR | Errno::NOTTY => Cause::NotASerialPort(path),
        other => Cause::Other(format!("{}: {other}", path.display())),
    }
}

fn refused_by_driver(path: &Path, error: &tokio_serial::Error) -> Cause {
    use std::io::ErrorKind as Io;
    use tokio_serial::ErrorKind as Kind;
    let path = path.to_owned();
    match error.kind {
        // The library says so when another program holds the device's own lock.
        Kind::NoDevice => Cause::Busy(path),
        Kind::Io(Io::NotFound) => Cause::NotFound(path),
        Kind::Io(Io::PermissionDenied) => Cause::Permission(path),
        _ => Cause::Settings { path, reason: error.description.clone() },
    }
}

/// The lock of the device, which is known by its number and not by one of its names.
fn lock_file(folder: &Path, device: &OwnedFd, path: &Path) -> Result<PathBuf, Cause> {
    let number = rustix::fs::fstat(device).map_err(|errno| opening(path, errno))?.st_rdev;
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    Ok(folder.join(format!("serial-{major}-{minor}.lock")))
}

/// Takes the lock of the device.
fn lock(folder: &Path, device: &OwnedFd, path: &Path) -> Result<File, Cause> {
    let file = lock_file(folder, device, path)?;
    let failed = |reason: std::io::Error| Cause::Lock { path: file.clone(), reason: reason.to_string() };
    let lock = File::options().create(true).truncate(false).write(true).open(&file).map_err(failed)?;
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(Errno::WOULDBLOCK) => Err(Cause::Busy(path.to_owned())),
        Err(errno) => Err(failed(errno.into())),
    }
}

/// Whether a source holds the port at `path` under its lock in `folder`. Takes nothing.
///
/// # Errors
/// The device is not there, or its lock may not be looked at by this user.
pub fn is_locked(folder: &Path, path: &Path) -> std::io::Result<bool> {
    let number = rustix::fs::stat(path)?.st_rdev;
    let name = format!("serial-{}-{}.lock", rustix::fs::major(number), rustix::fs::minor(number));
    match File::options().write(true).open(folder.join(name)) {
        Ok(lock) => Ok(rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Asks the driver to mark bytes that came in wrong, which tokio-serial has switched off; says whether it does.
fn mark_errors(device: &OwnedFd) -> rustix::io::Result<bool> {
    let mut modes = rustix::termios::tcgetattr(device)?;
    modes.input_modes.remove(InputModes::IGNPAR | InputModes::IGNBRK | InputModes::BRKINT | InputModes::ISTRIP);
    modes.input_modes.insert(InputModes::INPCK | InputModes::PARMRK);
    rustix::termios::tcsetattr(device, OptionalActions::Now, &modes)?;
    let set = rustix::termios::tcgetattr(device)?.input_modes;
    Ok(set.contains(InputModes::PARMRK) && !set.contains(InputModes::IGNPAR))
}

/// The port and its settings as installers write them: `9600 8N1`.
fn describe(settings: &Serial, marks: bool) -> String {
    let parity = match settings.parity {
        Parity::None => 'N',
        Parity::Even => 'E',
        Parity::Odd => 'O',
    };
    let flow = match settings.flow {
        Flow::None => "",
        Flow::Software => ", XON/XOFF",
        Flow::Hardware => ", RTS/CTS",
    };
    let errors = if marks { "" } else { ", line errors not counted" };
    let (path, baud) = (settings.path.display(), settings.baud.get_ref());
    let (data, stop) = (settings.data_bits.get_ref(), settings.stop_bits.get_ref());
    format!("{path} at {baud} {data}{parity}{stop}{flow}{errors}")
}
