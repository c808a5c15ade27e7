//! PBXs that print numbered lines and know what they printed: what is lost, doubled or out of order shows in the numbers.
//!
//! Every line is a call of its own, and its number stands in an ordinary field.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::civil::Date;
use smdrd::simulator::serial::SerialPort;

use super::lines::{Ip, hipath};
use super::rig::Rig;

/// What a PBX prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prints {
    IpOffice,
    HiPath,
    Nec,
}

impl Prints {
    /// A call at nine in the morning of `date`.
    pub fn line(self, number: u32, date: Date) -> String {
        let caller = format!("07700900{:03}", number % 1000);
        match self {
            Prints::IpOffice => {
                let at = date.strftime("%Y/%m/%d 09:00:00").to_string();
                Ip { at: &at, cli: &caller, id: 1_000_000 + number, ..Ip::default() }.line()
            }
            Prints::HiPath => {
                let talk = format!("{:02}:{:02}:{:02}", number / 3600, number / 60 % 60, number % 60);
                hipath(&date.strftime("%d.%m.%y09:00:00").to_string(), 4, 201, "00:08", &talk, &caller, 1)
            }
            Prints::Nec => {
                let day = date.strftime("%m%d").to_string();
                let head = format!("0!KE{number:06}001132   {day}090000{day}090100{:13}000000000{:32}0000", "", "");
                format!("{head}{caller:<18}2727{:11}", "")
            }
        }
    }

    /// The number of a line as it is stored.
    pub fn number(self, text: &str) -> Option<u32> {
        match self {
            Prints::IpOffice => text.split(',').nth(9)?.parse::<u32>().ok()?.checked_sub(1_000_000),
            Prints::HiPath => {
                let parts: Vec<u32> =
                    text.get(30..38)?.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
                let [hours, minutes, seconds] = parts[..] else { return None };
                Some(hours * 3600 + minutes * 60 + seconds)
            }
            Prints::Nec => text.get(4..10)?.parse().ok(),
        }
    }
}

/// The numbers of a source's records, in the order in which they are stored; those that repeat another are not among them.
pub fn stored(rig: &Rig, source: &str, prints: Prints) -> Vec<u32> {
    let db = rig.db();
    let mut query = db
        .prepare(
            "SELECT text FROM line WHERE source = (SELECT id FROM source WHERE name = ?1) AND kind = 0 ORDER BY seq",
        )
        .unwrap();
    let texts = query.query_map([source], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    let number = |text: Vec<u8>| {
        let text = String::from_utf8_lossy(&text).into_owned();
        prints.number(&text).unwrap_or_else(|| panic!("a record without a number: {text}"))
    };
    texts.map(|text| number(text.unwrap())).collect()
}

/// One line that was printed.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// In which run of the daemon; none where two runs have a half of it each.
    pub run: Option<u32>,
    pub at: Instant,
}

/// What was printed; the `n`th line bears the number `n`, from 1.
#[derive(Debug, Default)]
pub struct Ledger {
    /// How many runs of the daemon have ended.
    pub run: u32,
    pub sent: Vec<Sent>,
    /// Of a PBX that waits for it: how many lines were acknowledged.
    pub acknowledged: u32,
    /// The record that it gives until then, with its number.
    given: (u32, String),
}

/// A PBX that prints until it is told to end.
pub struct Feeder {
    pub source: &'static str,
    pub prints: Prints,
    ledger: Arc<Mutex<Ledger>>,
    stop: Arc<AtomicBool>,
    date: Arc<Mutex<Date>>,
    /// Milliseconds between two lines.
    pace: Arc<AtomicU32>,
    thread: Option<JoinHandle<()>>,
}

struct Hand {
    prints: Prints,
    ledger: Arc<Mutex<Ledger>>,
    stop: Arc<AtomicBool>,
    date: Arc<Mutex<Date>>,
    pace: Arc<AtomicU32>,
}

impl Hand {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn rest(&self) {
        std::thread::sleep(Duration::from_millis(u64::from(self.pace.load(Ordering::Relaxed))));
    }

    /// Prints until the link breaks: each line in two pieces, neither of them while a daemon is being ended. What is left
    /// of a line then is given to `rest`.
    fn print(&self, mut write: impl FnMut(&[u8]) -> bool, rest: impl FnOnce(&[u8])) {
        while !self.stopped() {
            let number = self.ledger.lock().unwrap().sent.len() as u32 + 1;
            let text = self.prints.line(number, *self.date.lock().unwrap()) + "\r\n";
            let (one, other) = text.as_bytes().split_at(number as usize * 7 % text.len());
            let mut ledger = self.ledger.lock().unwrap();
            if !write(one) {
                return;
            }
            let run = ledger.run;
            ledger.sent.push(Sent { run: None, at: Instant::now() });
            drop(ledger);
            self.rest();
            let mut ledger = self.ledger.lock().unwrap();
            if ledger.run != run {
                return rest(other);
            }
            if !write(other) {
                return;
            }
            if let Some(sent) = ledger.sent.last_mut() {
                *sent = Sent { run: Some(run), at: Instant::now() };
            }
        }
    }
}

impl Feeder {
    fn start(source: &'static str, prints: Prints, date: Date, work: impl FnOnce(Hand) + Send + 'static) -> Feeder {
        let (ledger, stop) = (Arc::<Mutex<Ledger>>::default(), Arc::<AtomicBool>::default());
        let (date, pace) = (Arc::new(Mutex::new(date)), Arc::new(AtomicU32::new(2)));
        let hand = Hand {
            prints,
            ledger: Arc::clone(&ledger),
            stop: Arc::clone(&stop),
            date: Arc::clone(&date),
            pace: Arc::clone(&pace),
        };
        let thread = Some(std::thread::spawn(move || work(hand)));
        Feeder { source, prints, ledger, stop, date, pace, thread }
    }

    /// Calls the box, and again when the box has hung up.
    pub fn calls(source: &'static str, port: u16, date: Date) -> Feeder {
        Feeder::start(source, Prints::IpOffice, date, move |hand| {
            while !hand.stopped() {
                let to = SocketAddr::from(([127, 0, 0, 1], port));
                let Ok(mut link) = TcpStream::connect(to) else {
                    std::thread::sleep(Duration::from_millis(3));
                    continue;
                };
                link.set_nodelay(true).unwrap();
                // Nobody reads on while it is stopped by a signal.
                link.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
                hand.print(|bytes| link.write_all(bytes).is_ok(), |_| {});
            }
        })
    }

    /// Prints to a serial line while somebody has its other end.
    pub fn serial(source: &'static str, port: SerialPort, date: Date) -> Feeder {
        Feeder::start(source, Prints::HiPath, date, move |hand| {
            let (never, at_once) = (AtomicBool::new(false), AtomicBool::new(true));
            let text = |bytes: &[u8]| std::str::from_utf8(bytes).unwrap().to_owned();
            let port = std::cell::RefCell::new(port);
            while !hand.stopped() {
                if !port.borrow_mut().attended() {
                    std::thread::sleep(Duration::from_millis(3));
                    continue;
                }
                let write = |bytes: &[u8]| {
                    let mut port = port.borrow_mut();
                    port.attended() && port.print(&text(bytes), &never)
                };
                // A PBX does not see that nobody listens, and ends its line.
                hand.print(write, |rest| {
                    port.borrow_mut().print(&text(rest), &at_once);
                });
            }
            // The line goes with this end; what is in it is read first.
            std::thread::sleep(Duration::from_millis(500));
        })
    }

    /// A NEC: gives a record when it is asked, and the same again until it is acknowledged.
    pub fn nec(source: &'static str, listener: TcpListener, date: Date) -> Feeder {
        Feeder::start(source, Prints::Nec, date, move |hand| {
            listener.set_nonblocking(true).unwrap();
            while !hand.stopped() {
                let Ok((link, _)) = listener.accept() else {
                    std::thread::sleep(Duration::from_millis(3));
                    continue;
                };
                link.set_nonblocking(false).unwrap();
                link.set_nodelay(true).unwrap();
                link.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
                // The end of a conversation, in whichever way, is the end of the link.
                let _ = converse(&hand, link);
            }
        })
    }

    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    pub fn is_dated(&self, date: Date) {
        *self.date.lock().unwrap() = date;
    }

    pub fn paces(&self, pace: Duration) {
        self.pace.store(u32::try_from(pace.as_millis()).unwrap(), Ordering::Relaxed);
    }

    /// Prints no more; the link ends.
    pub fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The next text of the box, however often it is silent meanwhile; an error when the link has ended, or the test.
fn hear(hand: &Hand, link: &mut TcpStream) -> std::io::Result<(u8, Vec<u8>)> {
    let mut fill = |mut room: &mut [u8]| {
        while !room.is_empty() {
            match link.read(room) {
                Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => room = &mut room[read..],
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock && !hand.stopped() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    };
    let mut head = [0; 7];
    fill(&mut head)?;
    let length: usize = std::str::from_utf8(&head[2..]).unwrap().parse().unwrap();
    let mut body = vec![0; length + 1];
    fill(&mut body)?;
    Ok((head[1], body))
}

fn converse(hand: &Hand, mut link: TcpStream) -> std::io::Result<()> {
    loop {
        let (what, body) = hear(hand, &mut link)?;
        let mut ledger = hand.ledger.lock().unwrap();
        // Numbers go round from 0 to 9.
        let digit = b'0' + (ledger.acknowledged % 10) as u8;
        match what {
            b'1' if !hand.stopped() => {
                let number = ledger.acknowledged + 1;
                if ledger.given.0 != number {
                    ledger.given = (number, hand.prints.line(number, *hand.date.lock().unwrap()));
                }
                let record = ledger.given.1.clone();
                if ledger.sent.len() < number as usize {
                    let run = Some(ledger.run);
                    ledger.sent.push(Sent { run, at: Instant::now() });
                }
                drop(ledger);
                let text = format!("\x162{:05}00{}\x02{record}\x03\0", record.len() + 5, char::from(digit));
                link.write_all(text.as_bytes())?;
            }
            b'1' => {
                drop(ledger);
                link.write_all(b"\x16300003002\0")?;
            }
            b'4' if body.get(2) == Some(&digit) => ledger.acknowledged += 1,
            b'6' => return Ok(()),
            _ => {}
        }
    }
}
