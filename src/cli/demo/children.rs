//! The daemon and the receiver as processes of their own: started, watched, told to end.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::error::DemoError;

/// How long a process may take to begin its work. Generous: the machine may be busy with a build.
pub const READY_WITHIN: Duration = Duration::from_secs(20);
/// How long a process may take to end after it was told to.
const END_WITHIN: Duration = Duration::from_secs(10);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(20);

/// A process that is ended when this is dropped.
pub struct Child {
    name: &'static str,
    process: std::process::Child,
}

impl Child {
    /// Starts `command` with its messages in `log`. It has a process group of its own, so that a Ctrl-C on the
    /// terminal reaches only the demo, which then ends things in order.
    pub fn start(name: &'static str, command: &mut Command, log: &Path) -> Result<Child, DemoError> {
        let failed = |reason| DemoError::NotStarted { name, reason };
        let file = File::create(log).map_err(failed)?;
        command.stdin(Stdio::null()).stderr(file).process_group(0);
        Ok(Child { name, process: command.spawn().map_err(failed)? })
    }

    /// Fails when the process has ended, which it should not have.
    pub fn still_runs(&mut self) -> Result<(), DemoError> {
        match self.process.try_wait() {
            Ok(Some(status)) => Err(DemoError::EndedEarly { name: self.name, status }),
            Ok(None) => Ok(()),
            Err(reason) => Err(DemoError::NotStarted { name: self.name, reason }),
        }
    }

    /// Waits until `ready` says so.
    pub fn wait_until(
        &mut self,
        what: &'static str,
        stop: &AtomicBool,
        mut ready: impl FnMut() -> bool,
    ) -> Result<(), DemoError> {
        let deadline = Instant::now() + READY_WITHIN;
        while !ready() {
            self.still_runs()?;
            if stop.load(Ordering::Relaxed) {
                return Err(DemoError::Interrupted);
            }
            if Instant::now() > deadline {
                return Err(DemoError::NotReady { name: self.name, what, seconds: READY_WITHIN.as_secs() });
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Waits for the end of a process that ends by itself.
    pub fn finish(&mut self, within: Duration, stop: &AtomicBool) -> Result<ExitStatus, DemoError> {
        let deadline = Instant::now() + within;
        loop {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Ok(status);
            }
            if stop.load(Ordering::Relaxed) {
                return Err(DemoError::Interrupted);
            }
            if Instant::now() > deadline {
                return Err(DemoError::NotReady { name: self.name, what: "come to an end", seconds: within.as_secs() });
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Tells the process to end (SIGTERM) and waits for it. A process that does not end, or not well, is a failure.
    pub fn end(mut self) -> Result<(), DemoError> {
        self.still_runs()?;
        match self.terminate() {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(DemoError::EndedBadly { name: self.name, status }),
            None => Err(DemoError::WouldNotEnd { name: self.name, seconds: END_WITHIN.as_secs() }),
        }
    }

    fn terminate(&mut self) -> Option<ExitStatus> {
        if let Ok(Some(status)) = self.process.try_wait() {
            return Some(status);
        }
        let _ = kill_process(Pid::from_child(&self.process), Signal::TERM);
        let deadline = Instant::now() + END_WITHIN;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Some(status);
            }
            std::thread::sleep(LOOK);
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
        None
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.terminate();
    }
}

/// Starts the receiver and waits until it says where it listens. What else it says goes to a file beside `log`.
pub fn start_receiver(command: &mut Command, log: &Path, stop: &AtomicBool) -> Result<(Child, SocketAddr), DemoError> {
    let name = "the receiver";
    let mut child = Child::start(name, command.stdout(Stdio::piped()), log)?;
    let out = child.process.stdout.take();
    let said = log.with_extension("out");
    let (to, from) = mpsc::channel();
    std::thread::spawn(move || pass_on(out, &said, &to));
    let mut address = None;
    child.wait_until("listen", stop, || {
        address = address.or_else(|| from.try_recv().ok());
        address.is_some()
    })?;
    let address = address.ok_or(DemoError::NotReady { name, what: "listen", seconds: READY_WITHIN.as_secs() })?;
    Ok((child, address))
}

/// Reads what the receiver prints for as long as it prints, so that it never waits for a reader.
fn pass_on(out: Option<std::process::ChildStdout>, log: &PathBuf, to: &mpsc::Sender<SocketAddr>) {
    let (Some(out), Ok(mut file)) = (out, File::create(log)) else { return };
    for line in BufReader::new(out).lines().map_while(Result::ok) {
        let _ = writeln!(file, "{line}");
        if let Some(Ok(address)) = line.trim().strip_prefix("listening on ").map(str::parse) {
            let _ = to.send(address);
        }
    }
}
