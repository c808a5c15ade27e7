//! A program at a terminal: what it prints is waited for before it is answered, so that the transcript is always the
//! same.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use rustix::pty::OpenptFlags;

/// How long anything may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(240);

pub struct Terminal {
    child: Child,
    master: File,
    output: Receiver<Vec<u8>>,
    transcript: String,
    seen: usize,
}

impl Terminal {
    /// Runs a program with a terminal for its input and output; its complaints go nowhere.
    pub fn run(mut command: Command) -> Terminal {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = rustix::pty::openpt(flags).unwrap();
        rustix::pty::grantpt(&master).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        let slave = File::from(rustix::pty::ioctl_tiocgptpeer(&master, flags).unwrap());
        let child = command.stdin(slave.try_clone().unwrap()).stdout(slave).stderr(Stdio::null()).spawn().unwrap();
        drop(command);
        let master = File::from(master);
        let mut reader = master.try_clone().unwrap();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count) = reader.read(&mut buffer) {
                if count == 0 || sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Terminal { child, master, output, transcript: String::new(), seen: 0 }
    }

    /// Waits for a prompt, and types a line.
    pub fn answer(&mut self, prompt: &str, line: &str) {
        while !self.transcript[self.seen..].ends_with(prompt) {
            match self.output.recv_timeout(PATIENCE) {
                Ok(bytes) => self.transcript += &String::from_utf8(bytes).expect("text"),
                Err(what) => panic!("no {prompt:?} ({what}) in\n{}", self.transcript),
            }
        }
        self.seen = self.transcript.len();
        self.master.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Waits for the program's end: whether it was well, and all that stood on the terminal.
    pub fn end(mut self) -> (bool, String) {
        loop {
            match self.output.recv_timeout(PATIENCE) {
                Ok(bytes) => self.transcript += &String::from_utf8(bytes).expect("text"),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(what) => panic!("it does not end ({what})\n{}", self.transcript),
            }
        }
        (self.child.wait().unwrap().success(), self.transcript)
    }
}
