//! A terminal with a program at it.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::OpenptFlags;

use super::rig::wait_for;

pub struct Terminal {
    master: File,
    child: Child,
    shown: String,
}

impl Terminal {
    /// Starts the program with its three streams on a terminal of its own.
    pub fn start(command: &mut Command) -> Terminal {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = rustix::pty::openpt(flags).unwrap();
        rustix::pty::grantpt(&master).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        let slave = File::from(rustix::pty::ioctl_tiocgptpeer(&master, flags).unwrap());
        let stream = || Stdio::from(slave.try_clone().unwrap());
        let child = command.stdin(stream()).stdout(stream()).stderr(stream()).spawn().unwrap();
        rustix::fs::fcntl_setfl(&master, rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NONBLOCK).unwrap();
        Terminal { master: File::from(master), child, shown: String::new() }
    }

    /// Waits until the terminal has shown all of `parts`; gives everything that it has shown.
    #[track_caller]
    pub fn shows(&mut self, parts: &[&str]) -> String {
        wait_for(&format!("{parts:?} on the terminal"), || {
            self.read();
            let there = parts.iter().all(|part| self.shown.contains(part));
            let over = self.child.try_wait().unwrap().is_some();
            self.read();
            assert!(there || !over, "it ended: {}", self.shown);
            there.then(|| self.shown.clone())
        })
    }

    fn read(&mut self) {
        let mut bytes = [0; 4096];
        // Without anybody at its other end a terminal cannot be read (EIO).
        while let Ok(count @ 1..) = self.master.read(&mut bytes) {
            self.shown += &String::from_utf8_lossy(&bytes[..count]);
        }
    }

    pub fn types(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until the program ends; with everything it has shown.
    pub fn ended(mut self) -> (ExitStatus, String) {
        let status = wait_for("the program's end", || {
            self.read();
            self.child.try_wait().unwrap()
        });
        self.read();
        (status, std::mem::take(&mut self.shown))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
