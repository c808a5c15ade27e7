//! A PBX that prints on a serial line, and what the UART at its other end makes of that: right lines at the right speed,
//! and at any other the garbage that comes of sampling bits at the wrong time.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::pty::OpenptFlags;
use rustix::termios::OptionalActions;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Parity {
    None,
    Even,
    Odd,
    Mark,
}

/// How the PBX prints.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    pub baud: u32,
    pub data_bits: u8,
    pub parity: Parity,
}

impl Format {
    /// The levels of the line, one for each bit's time; between bytes it is high.
    fn bits(self, text: &[u8]) -> Vec<bool> {
        let mut bits = Vec::new();
        for byte in text {
            let data: Vec<bool> = (0..self.data_bits).map(|bit| byte >> bit & 1 == 1).collect();
            let odd = data.iter().filter(|bit| **bit).count() % 2 == 1;
            bits.push(false);
            bits.extend(data);
            match self.parity {
                Parity::None => {}
                Parity::Even => bits.push(odd),
                Parity::Odd => bits.push(!odd),
                Parity::Mark => bits.push(true),
            }
            bits.push(true);
        }
        bits
    }

    /// What a UART at `baud` reads, eight bits without parity, that cannot tell of errors.
    pub fn heard_at(self, baud: u32, text: &[u8]) -> Vec<u8> {
        let bits = self.bits(text);
        // Times are in bits of the sender.
        let level = |at: f64| bits.get(at as usize).copied().unwrap_or(true);
        let step = f64::from(self.baud) / f64::from(baud);
        let (mut at, end, mut heard) = (0.0, bits.len() as f64, Vec::new());
        while at < end {
            if level(at) {
                // The next edge is at a whole bit of the sender.
                at = at.floor() + 1.0;
                continue;
            }
            let sample = |bit: f64| level(at + (bit + 0.5) * step);
            if sample(0.0) {
                // Too short for a start bit.
                at = at.floor() + 1.0;
                continue;
            }
            heard.push((0..8u8).fold(0, |byte, bit| byte | u8::from(sample(f64::from(bit) + 1.0)) << bit));
            at += 9.5 * step;
            // Where no stop bit is, it waits for the line to rest.
            while !level(at) && at < end {
                at = at.floor() + 1.0;
            }
        }
        heard
    }
}

#[test]
fn the_uart_reads_what_is_sent_at_its_own_speed_and_garbage_at_others() {
    let text = b"20.11.2609:30:00  1   20100:0500:01:00";
    let plain = Format { baud: 9600, data_bits: 8, parity: Parity::None };
    assert_eq!(plain.heard_at(9600, text), text);
    let even = Format { data_bits: 7, parity: Parity::Even, ..plain };
    assert_eq!(even.heard_at(9600, text).iter().map(|byte| byte & 0x7F).collect::<Vec<_>>(), text);
    assert!(even.heard_at(9600, text).iter().all(|byte| byte.count_ones() % 2 == 0));
    for baud in [300, 1200, 4800, 19200, 115_200] {
        let heard = plain.heard_at(baud, text);
        assert_ne!(heard, text);
        assert!(heard.len() <= text.len() * 8, "{baud}");
    }
}

/// A PBX on a pseudo-terminal. It prints in bursts for as long as somebody has the line open, and looks before each line
/// at which speed they have it.
pub struct Pbx {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Pbx {
    pub fn start(format: Format, lines: Vec<String>, pause: Duration) -> Pbx {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = rustix::pty::openpt(flags).unwrap();
        rustix::pty::grantpt(&master).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        let path = PathBuf::from(rustix::pty::ptsname(&master, Vec::new()).unwrap().to_string_lossy().into_owned());
        let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags).unwrap();
        let mut settings = rustix::termios::tcgetattr(&slave).unwrap();
        settings.make_raw();
        rustix::termios::tcsetattr(&slave, OptionalActions::Now, &settings).unwrap();
        drop(slave);
        rustix::fs::fcntl_setfl(&master, rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NONBLOCK).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || play(File::from(master), format, &lines, pause, &stopped));
        Pbx { path, stop, thread: Some(thread) }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Pbx {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn play(mut master: File, format: Format, lines: &[String], pause: Duration, stop: &AtomicBool) {
    let mut lines = lines.iter().cycle();
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..5 {
            if !attended(&mut master) {
                break;
            }
            let Some(line) = lines.next() else { return };
            let baud = rustix::termios::tcgetattr(&master).unwrap().input_speed();
            let heard = format.heard_at(baud, format!("{line}\r\n").as_bytes());
            let mut rest = heard.as_slice();
            while !rest.is_empty() && !stop.load(Ordering::Relaxed) {
                match master.write(rest) {
                    Ok(count) => rest = &rest[count..],
                    Err(reason) if reason.kind() == ErrorKind::WouldBlock => {
                        std::thread::sleep(Duration::from_millis(2));
                    }
                    Err(_) => break,
                }
            }
        }
        std::thread::sleep(pause);
    }
}

fn attended(master: &mut File) -> bool {
    let mut said = [0; 256];
    loop {
        match master.read(&mut said) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(reason) => return reason.kind() == ErrorKind::WouldBlock,
        }
    }
}
