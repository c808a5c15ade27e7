//! A mail server that speaks SMTP with STARTTLS (RFC 5321, RFC 3207), as far as it is told to.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::authority::Identity;
use super::hook::open;

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Manner {
    /// The mail is taken.
    Takes,
    /// The recipient is told to come again later.
    Greylists,
    /// The mail is read, and the connection broken without a word.
    DropsAfterData,
    /// The greeting takes its time.
    GreetsLate(Duration),
    /// There is no STARTTLS.
    HasNoTls,
}

/// A mail that came in whole.
#[derive(Debug, Clone)]
pub struct Letter {
    pub text: String,
    pub to: Vec<String>,
    /// Who logged in, as `user:password`.
    pub who: Option<String>,
    /// Whether the sender was told that it is taken.
    pub taken: bool,
}

impl Letter {
    pub fn header(&self, name: &str) -> String {
        let unfolded = self.text.replace("\r\n ", " ");
        let prefix = format!("{name}: ");
        unfolded.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default().to_owned()
    }
}

#[derive(Default)]
struct Seen {
    letters: Vec<Letter>,
    manners: VecDeque<Manner>,
    /// What was said before the way was encrypted.
    in_the_clear: Vec<String>,
    greylisted: usize,
}

pub struct PostOffice {
    seen: Arc<Mutex<Seen>>,
}

impl PostOffice {
    pub fn open(port: u16, identity: &Identity) -> PostOffice {
        PostOffice { seen: open(port, identity, serve) }
    }

    /// How the next connections are treated, one after another; then mail is taken.
    pub fn behaves(&self, manners: &[Manner]) {
        self.seen.lock().unwrap().manners.extend(manners);
    }

    pub fn letters(&self) -> Vec<Letter> {
        self.seen.lock().unwrap().letters.clone()
    }

    pub fn in_the_clear(&self) -> Vec<String> {
        self.seen.lock().unwrap().in_the_clear.clone()
    }

    pub fn greylisted(&self) -> usize {
        self.seen.lock().unwrap().greylisted
    }
}

/// One line without its end; nothing when the other side is gone.
fn line(stream: &mut impl Read) -> Option<String> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    loop {
        match stream.read(&mut byte) {
            Ok(1) if byte[0] == b'\n' => return Some(String::from_utf8_lossy(&bytes).trim_end().to_owned()),
            Ok(1) => bytes.push(byte[0]),
            _ => return None,
        }
    }
}

fn say(stream: &mut impl Write, text: &str) {
    let _ = stream.write_all(format!("{text}\r\n").as_bytes());
    let _ = stream.flush();
}

fn serve(mut stream: TcpStream, tls: Arc<ServerConfig>, seen: &Mutex<Seen>) {
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let manner = seen.lock().unwrap().manners.pop_front().unwrap_or(Manner::Takes);
    if let Manner::GreetsLate(pause) = manner {
        std::thread::sleep(pause);
    }
    say(&mut stream, "220 mail.practice.example ESMTP");
    while let Some(command) = line(&mut stream) {
        seen.lock().unwrap().in_the_clear.push(command.clone());
        match command.split(' ').next().unwrap().to_ascii_uppercase().as_str() {
            "EHLO" if manner == Manner::HasNoTls => say(&mut stream, "250-mail.practice.example\r\n250 AUTH PLAIN"),
            "EHLO" => say(&mut stream, "250-mail.practice.example\r\n250-AUTH PLAIN\r\n250 STARTTLS"),
            "STARTTLS" => {
                say(&mut stream, "220 go ahead");
                let Ok(connection) = ServerConnection::new(tls) else { return };
                return converse(StreamOwned::new(connection, stream), manner, seen);
            }
            "QUIT" => return say(&mut stream, "221 bye"),
            _ => say(&mut stream, "530 STARTTLS first"),
        }
    }
}

fn converse(mut stream: StreamOwned<ServerConnection, TcpStream>, manner: Manner, seen: &Mutex<Seen>) {
    let (mut who, mut to) = (None, Vec::new());
    while let Some(command) = line(&mut stream) {
        let verb = command.split([' ', ':']).next().unwrap().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => say(&mut stream, "250-mail.practice.example\r\n250 AUTH PLAIN"),
            "AUTH" => {
                let given = command.rsplit(' ').next().unwrap();
                let plain = base64::engine::general_purpose::STANDARD.decode(given).unwrap();
                let plain = String::from_utf8(plain).unwrap();
                let mut parts = plain.split('\0').skip(1);
                who = Some(format!("{}:{}", parts.next().unwrap(), parts.next().unwrap()));
                say(&mut stream, "235 welcome");
            }
            "RCPT" if manner == Manner::Greylists => {
                seen.lock().unwrap().greylisted += 1;
                say(&mut stream, "451 4.7.1 greylisted, come again later");
            }
            "RCPT" => {
                to.push(command.split(['<', '>']).nth(1).unwrap().to_owned());
                say(&mut stream, "250 ok");
            }
            "DATA" => {
                say(&mut stream, "354 go on");
                let mut text = String::new();
                loop {
                    let Some(line) = line(&mut stream) else { return };
                    if line == "." {
                        break;
                    }
                    text += &format!("{line}\r\n");
                }
                let taken = manner != Manner::DropsAfterData;
                seen.lock().unwrap().letters.push(Letter { text, to: to.clone(), who: who.clone(), taken });
                if !taken {
                    return;
                }
                say(&mut stream, "250 taken");
            }
            "QUIT" => return say(&mut stream, "221 bye"),
            _ => say(&mut stream, "250 ok"),
        }
    }
}
