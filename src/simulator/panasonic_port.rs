//! The port 2300 of a Panasonic KX: it speaks Telnet, wants a log-in, and prints records to one listener at a time.
//!
//! Sources: the KX-NS700 manual, SMDR over LAN (prompt `-`, command `SMDR`, `Enter Password:`, default `PCCSMDR`, `q` to
//! close, a CR after each command); the number of records kept is the KX-TD816's. How often a wrong password is borne is
//! not documented: three times here.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use super::panasonic::{TITLE, WIDTH};
use super::{Line, Played};
use crate::clock::Clock;

/// Records kept while nobody is logged in.
pub const BUFFER: usize = 100;
/// The password that the PBX is delivered with.
pub const PASSWORD: &str = "PCCSMDR";
/// Records on a page.
const PAGE: usize = 54;
/// Wrong passwords until the link is closed.
const PATIENCE: u8 = 3;
/// How long a listener may keep the PBX waiting.
const WRITE_WITHIN: Duration = Duration::from_secs(5);
/// Telnet: the server will echo.
const WILL_ECHO: &[u8] = &[0xFF, 0xFB, 0x01];
const IAC: u8 = 0xFF;

/// Where the PBX waits for a listener.
#[derive(Debug)]
pub struct Port {
    listener: TcpListener,
    address: SocketAddr,
    password: String,
    session: Option<Session>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Command,
    Password { wrong: u8 },
    In,
}

#[derive(Debug)]
struct Session {
    link: TcpStream,
    stage: Stage,
    /// What was typed since the last CR, Telnet's own bytes left out.
    typed: Vec<u8>,
    /// Bytes of a Telnet command that are still to come.
    skip: u8,
    /// Lines of the log-in and blank lines sent.
    dialogue: usize,
    blanks: usize,
    /// Records on this page.
    row: usize,
}

impl Port {
    /// Opens the port at `address`; a port of 0 is chosen by the system.
    pub fn open(address: SocketAddr, password: &str) -> std::io::Result<Port> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Port { listener, address, password: password.to_owned(), session: None })
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets somebody in or out, and hears what they type. True while somebody is logged in.
    pub fn attend(&mut self, now: Timestamp, played: &mut Played) -> bool {
        if self.session.is_none()
            && let Ok((link, _)) = self.listener.accept()
        {
            self.session = Session::greet(link);
        }
        let Some(session) = &mut self.session else { return false };
        let stays = session.hear(&self.password);
        played.dialogue.extend(std::iter::repeat_n(now, std::mem::take(&mut session.dialogue)));
        played.furniture.extend(std::iter::repeat_n(now, std::mem::take(&mut session.blanks)));
        if !stays {
            self.session = None;
        }
        self.session.as_ref().is_some_and(|session| session.stage == Stage::In)
    }

    /// Whether anybody is connected, logged in or not.
    pub fn connected(&self) -> bool {
        self.session.is_some()
    }

    /// Prints a record to whoever is logged in, with the top of a page where one begins. False when the link broke.
    pub fn print(&mut self, text: &str, now: Timestamp, played: &mut Played) -> bool {
        let Some(session) = self.session.as_mut().filter(|session| session.stage == Stage::In) else { return false };
        let mut page = String::new();
        if session.row == 0 {
            page = format!("\x0C{TITLE}\r\n{}\r\n", "-".repeat(WIDTH));
            // The form feed ends a line of its own.
            played.furniture.extend([now; 3]);
        }
        session.row = (session.row + 1) % PAGE;
        let sent = session.say(format!("{page}{text}\r\n").as_bytes());
        if !sent {
            self.session = None;
        }
        sent
    }
}

impl Session {
    fn greet(link: TcpStream) -> Option<Session> {
        link.set_nonblocking(false).ok()?;
        link.set_write_timeout(Some(WRITE_WITHIN)).ok()?;
        let mut session =
            Session { link, stage: Stage::Command, typed: Vec::new(), skip: 0, dialogue: 0, blanks: 0, row: 0 };
        let greeted = session.say(&[WILL_ECHO, b"-"].concat());
        greeted.then_some(session)
    }

    fn say(&mut self, bytes: &[u8]) -> bool {
        self.link.write_all(bytes).is_ok()
    }

    /// False when the link is over.
    fn hear(&mut self, password: &str) -> bool {
        let mut bytes = [0; 256];
        if self.link.set_nonblocking(true).is_err() {
            return false;
        }
        let heard = self.link.read(&mut bytes);
        if self.link.set_nonblocking(false).is_err() {
            return false;
        }
        match heard {
            Ok(0) => false,
            Ok(length) => bytes[..length].iter().all(|byte| self.take(*byte, password)),
            Err(reason) => matches!(reason.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }

    fn take(&mut self, byte: u8, password: &str) -> bool {
        match byte {
            _ if self.skip > 0 => self.skip -= 1,
            // IAC, a verb and an option.
            IAC => self.skip = 2,
            b'\r' => return self.enter(password),
            b'\n' => {}
            _ if self.typed.len() < 64 => self.typed.push(byte),
            _ => {}
        }
        true
    }

    /// CR: what was typed is a command, or the password.
    fn enter(&mut self, password: &str) -> bool {
        let typed = String::from_utf8_lossy(&std::mem::take(&mut self.typed)).into_owned();
        self.dialogue += usize::from(self.stage != Stage::In);
        match self.stage {
            Stage::Command if typed.eq_ignore_ascii_case("smdr") => {
                self.stage = Stage::Password { wrong: 0 };
                self.blanks += 1;
                self.say(format!("{typed}\r\rEnter Password:").as_bytes())
            }
            Stage::Command if typed.eq_ignore_ascii_case("q") => false,
            Stage::Command => self.say(format!("{typed}\r-").as_bytes()),
            Stage::Password { .. } if typed.eq_ignore_ascii_case(password) => {
                self.stage = Stage::In;
                self.say(format!("{}\r\n", "*".repeat(typed.len())).as_bytes())
            }
            Stage::Password { wrong } => {
                self.stage = Stage::Password { wrong: wrong + 1 };
                self.say(format!("{}\r\nEnter Password:", "*".repeat(typed.len())).as_bytes()) && wrong + 1 < PATIENCE
            }
            Stage::In => !typed.eq_ignore_ascii_case("q"),
        }
    }
}

/// Plays `lines` at `port` by `clock`, until `until` and until all is sent, or until `stop`.
///
/// While nobody is logged in the PBX keeps [`BUFFER`] records and overwrites the oldest after that. `sent` counts lines
/// as they leave.
pub fn play(
    lines: &[Line],
    clock: &Clock,
    port: &mut Port,
    until: Timestamp,
    stop: &AtomicBool,
    sent: &AtomicUsize,
) -> Played {
    let mut played = Played::default();
    let mut waiting: VecDeque<&Line> = VecDeque::new();
    let mut coming = lines.iter().peekable();
    while !stop.load(Ordering::Relaxed) {
        let now = clock.now();
        let inside = port.attend(now, &mut played);
        played.link(now, port.connected());
        while let Some(line) = coming.next_if(|line| line.at <= now) {
            waiting.push_back(line);
            if !inside && waiting.len() > BUFFER {
                waiting.pop_front();
                played.overwritten += 1;
            }
        }
        while inside && let Some(line) = waiting.front() {
            if !port.print(&line.text, now, &mut played) {
                break;
            }
            waiting.pop_front();
            played.sent += 1;
            sent.fetch_add(1, Ordering::Relaxed);
        }
        if coming.peek().is_none() && waiting.is_empty() && now >= until {
            break;
        }
        let next = coming.peek().map_or(until, |line| line.at);
        std::thread::sleep(clock.until(next).clamp(Duration::from_millis(1), Duration::from_millis(20)));
    }
    played.unsent = waiting.len() + coming.count();
    played
}
