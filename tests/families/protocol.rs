//! PBXs that want an answer: a NEC on TCP port 60010, an OmniPCX Enterprise on 2533.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::link::Link;
use crate::printers::{alcatel_oxe as oxe, nec_sv8300 as nec};
use crate::rig::wait_for;
use crate::stage::Printed;

fn table(listener: &TcpListener) -> String {
    let port = listener.local_addr().unwrap().port();
    format!("[source.tcp-connect]\nhost = \"127.0.0.1\"\nport = {port}\n")
}

fn accept(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).unwrap();
    let (stream, _) = wait_for("the box as a client", || listener.accept().ok());
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

/// A NEC: gives a record when it is asked for one, and forgets it when it is acknowledged.
pub struct Nec {
    listener: TcpListener,
    kept: Arc<Mutex<VecDeque<String>>>,
}

impl Nec {
    /// Waiting, with nothing to give.
    pub fn boxed() -> Box<dyn Link> {
        Box::new(Nec { listener: TcpListener::bind("127.0.0.1:0").unwrap(), kept: Arc::default() })
    }
}

impl Link for Nec {
    fn table(&self) -> String {
        table(&self.listener)
    }

    fn connect(&mut self) {
        let stream = accept(&self.listener);
        let kept = Arc::clone(&self.kept);
        std::thread::spawn(move || converse(stream, &kept));
    }

    fn send(&mut self, line: &Printed) {
        self.kept.lock().unwrap().push_back(line.text.clone());
    }
}

/// Until the box releases the link. Odd parity, which the box learns from the first answer.
fn converse(mut stream: TcpStream, kept: &Mutex<VecDeque<String>>) {
    let mut sequence = 0;
    let mut asked = 0;
    while let Some(text) = next_text(&mut stream) {
        match text.get(1) {
            // Every tenth time there is nothing, whatever is kept.
            Some(b'1') => {
                asked += 1;
                let next = kept.lock().unwrap().front().cloned().filter(|_| asked % 10 != 1);
                let answer = next.map_or_else(|| nec::nothing(true), |record| nec::frame(sequence, &record, true));
                stream.write_all(&answer).unwrap();
            }
            Some(b'4') => {
                assert_eq!(text, nec::acknowledgement(sequence, true), "the acknowledgement");
                kept.lock().unwrap().pop_front();
                sequence = (sequence + 1) % 10;
            }
            Some(b'6') => return,
            _ => {}
        }
    }
}

/// SYN to parity; nothing at the end of the link.
fn next_text(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut text = vec![0; 7];
    stream.read_exact(&mut text).ok()?;
    let length: usize = std::str::from_utf8(&text[2..7]).unwrap().parse().unwrap();
    text.resize(7 + length + 1, 0);
    stream.read_exact(&mut text[7..]).ok()?;
    Some(text)
}

/// An OmniPCX Enterprise: gives tickets to whoever asks, and wants to hear now and then that somebody is there.
pub struct Oxe {
    listener: TcpListener,
    stream: Option<TcpStream>,
    sent: usize,
}

impl Oxe {
    /// Waiting.
    pub fn boxed() -> Box<dyn Link> {
        Box::new(Oxe { listener: TcpListener::bind("127.0.0.1:0").unwrap(), stream: None, sent: 0 })
    }

    fn hear(&mut self, expected: &[u8]) {
        let mut heard = vec![0; expected.len()];
        self.stream.as_mut().unwrap().read_exact(&mut heard).unwrap();
        assert_eq!(heard, expected);
    }

    fn say(&mut self, bytes: &[u8]) {
        self.stream.as_mut().unwrap().write_all(bytes).unwrap();
    }
}

impl Link for Oxe {
    fn table(&self) -> String {
        table(&self.listener)
    }

    fn connect(&mut self) {
        self.stream = Some(accept(&self.listener));
        self.hear(oxe::START);
        self.say(oxe::MAIN);
        self.hear(oxe::SEND);
    }

    fn send(&mut self, line: &Printed) {
        if self.sent.is_multiple_of(20) {
            self.say(oxe::ALIVE);
            self.hear(oxe::YES);
        }
        if self.sent % 20 == 10 {
            self.say(&oxe::empty());
        }
        self.sent += 1;
        // As TCP has it: in pieces that are no messages.
        let message = oxe::message(&line.text);
        let (first, rest) = message.split_at(300);
        self.say(first);
        self.say(rest);
    }
}
