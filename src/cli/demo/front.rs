//! What stands before the supplier's receiver on a bad day: it sends the first document of the day away with 503 and
//! `Retry-After`, passes the second on and loses the receipt, and from then on only passes things on.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::error::DemoError;
use super::programme::DATE;
use crate::clock::Clock;

/// For how many seconds the first sender is asked to wait.
const RETRY_AFTER_S: u32 = 60;
/// How long either side may be silent.
const SILENCE: Duration = Duration::from_secs(30);

/// What became of a try to deliver the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Answered with 503.
    TurnedAway,
    /// The receiver took it; its receipt was not passed on.
    ReceiptLost,
    /// The receiver's answer was passed on.
    Answered(u16),
}

/// A try to deliver the day.
#[derive(Debug, Clone, Serialize)]
pub struct Try {
    /// When, on the demo's clock.
    pub at: Timestamp,
    /// What it brought.
    #[serde(skip)]
    pub document: Value,
    /// Its revision, as the document says.
    pub revision: Value,
    /// What became of it.
    pub fate: Fate,
    /// The receiver's answer, where it was passed on.
    #[serde(skip)]
    pub answer: Value,
}

impl Try {
    /// Whether the sender has a receipt.
    pub fn accepted(&self) -> bool {
        matches!(self.fate, Fate::Answered(200 | 201))
    }
}

/// The tries so far, and where they are made.
#[derive(Debug, Clone)]
pub struct Front {
    address: SocketAddr,
    tries: Arc<Mutex<Vec<Try>>>,
}

impl Front {
    /// Opens before the receiver at `receiver`. It stays as long as this process.
    pub fn open(receiver: SocketAddr, clock: Clock) -> Result<Front, DemoError> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(DemoError::NoPort)?;
        let address = listener.local_addr().map_err(DemoError::NoPort)?;
        let front = Front { address, tries: Arc::default() };
        let to = front.clone();
        std::thread::spawn(move || {
            for link in listener.incoming().map_while(Result::ok) {
                let to = to.clone();
                // A sender that goes away in the middle is its own affair.
                std::thread::spawn(move || drop(to.serve(link, receiver, clock)));
            }
        });
        Ok(front)
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The tries so far, in order.
    pub fn tries(&self) -> Vec<Try> {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a receipt for this revision, or a later one, has been passed on.
    pub fn accepted(&self, revision: u64) -> bool {
        let tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        tries.iter().any(|one| one.accepted() && one.revision.as_u64().is_some_and(|number| number >= revision))
    }

    /// One request, one answer, one connection.
    fn serve(&self, mut link: TcpStream, receiver: SocketAddr, clock: Clock) -> std::io::Result<()> {
        link.set_read_timeout(Some(SILENCE))?;
        let Some(request) = Request::read(&mut link)? else { return Ok(()) };
        if !request.brings_the_day() {
            return pass_on(&request, receiver).and_then(|answer| finish(&mut link, &answer));
        }
        let document: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let revision = document.get("revision").cloned().unwrap_or_default();
        let mut one = Try { at: clock.now(), document, revision, fate: Fate::TurnedAway, answer: Value::Null };
        let before = self.tries.lock().unwrap_or_else(PoisonError::into_inner).len();
        let mut answer = Vec::new();
        if before == 0 {
            answer = format!(
                "HTTP/1.1 503 Service Unavailable\r\nRetry-After: {RETRY_AFTER_S}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            .into_bytes();
        } else {
            let received = pass_on(&request, receiver)?;
            one.fate = Fate::ReceiptLost;
            if before > 1 {
                let (status, body) = taken_apart(&received);
                (one.fate, one.answer) = (Fate::Answered(status), body);
                answer = received;
            }
        }
        // Noted before it is told: the next try may come at once.
        self.tries.lock().unwrap_or_else(PoisonError::into_inner).push(one);
        finish(&mut link, &answer)
    }
}

struct Request {
    bytes: Vec<u8>,
    /// Where the body begins.
    body: usize,
}

impl Request {
    /// A whole request; nothing when the sender only opened the connection.
    fn read(link: &mut TcpStream) -> std::io::Result<Option<Request>> {
        let mut bytes = Vec::new();
        let mut more = [0; 16 * 1024];
        loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
                let (body, length): (usize, usize) = (end + 4, length.unwrap_or(0));
                if bytes.len() >= body + length {
                    return Ok(Some(Request { bytes, body }));
                }
            }
            match link.read(&mut more)? {
                0 => return Ok(None),
                read => bytes.extend_from_slice(&more[..read]),
            }
        }
    }

    fn body(&self) -> &[u8] {
        &self.bytes[self.body..]
    }

    /// Whether it is the delivery of the demo's day.
    fn brings_the_day(&self) -> bool {
        let line: Vec<u8> = self.bytes.iter().copied().take_while(|byte| *byte != b'\r').collect();
        let line = String::from_utf8_lossy(&line).into_owned();
        let mut words = line.split(' ');
        words.next() == Some("PUT") && words.next().is_some_and(|path| path.ends_with(&format!("/days/{DATE}")))
    }
}

/// Asks the receiver; its whole answer, after which it closes the connection.
fn pass_on(request: &Request, receiver: SocketAddr) -> std::io::Result<Vec<u8>> {
    let mut onward = TcpStream::connect(receiver)?;
    onward.set_read_timeout(Some(SILENCE))?;
    let line = request.bytes.windows(2).position(|window| window == b"\r\n").map_or(0, |end| end + 2);
    onward.write_all(&request.bytes[..line])?;
    onward.write_all(b"Connection: close\r\n")?;
    onward.write_all(&request.bytes[line..])?;
    let mut answer = Vec::new();
    onward.read_to_end(&mut answer)?;
    Ok(answer)
}

/// Answers and hangs up; with nothing to say, only hangs up.
fn finish(link: &mut TcpStream, answer: &[u8]) -> std::io::Result<()> {
    link.write_all(answer)?;
    link.shutdown(Shutdown::Write)
}

/// Status and body of an answer.
fn taken_apart(answer: &[u8]) -> (u16, Value) {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(answer.len());
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let body = answer.get(end + 4..).unwrap_or_default();
    (status, serde_json::from_slice(body).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A receiver that answers every request with 201 and counts them.
    fn receiver() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let to = Arc::clone(&heard);
        std::thread::spawn(move || {
            for mut link in listener.incoming().map(Result::unwrap) {
                let request = Request::read(&mut link).unwrap().unwrap();
                to.lock().unwrap().push(String::from_utf8_lossy(&request.bytes).into_owned());
                finish(&mut link, b"HTTP/1.1 201 Created\r\nContent-Length: 20\r\n\r\n{\"receipt_id\": \"r1\"}")
                    .unwrap();
            }
        });
        (address, heard)
    }

    fn ask(front: &Front, request: &str) -> String {
        let mut link = TcpStream::connect(front.address()).unwrap();
        link.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        link.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn the_day_is_turned_away_then_its_receipt_is_lost_then_it_is_taken() {
        let (address, heard) = receiver();
        let front = Front::open(address, Clock::system()).unwrap();
        let put = |revision: u32| {
            let body = format!("{{\"revision\": {revision}}}");
            let path = format!("/v1/practices/A81001/sites/main/days/{DATE}");
            ask(&front, &format!("PUT {path} HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
        };
        let other = ask(&front, "PUT /v1/practices/A81001/sites/main/days/2026-11-19 HTTP/1.1\r\n\r\n");
        assert!(other.starts_with("HTTP/1.1 201"), "another day is no concern of it: {other}");
        assert!(put(1).contains("503 Service Unavailable\r\nRetry-After: 60\r\n"));
        assert_eq!(heard.lock().unwrap().len(), 1, "the receiver has not seen it");
        assert_eq!(put(1), "");
        assert_eq!(heard.lock().unwrap().len(), 2, "the receiver has seen it");
        assert!(!front.accepted(1));
        assert!(put(1).ends_with("{\"receipt_id\": \"r1\"}"));
        assert!(front.accepted(1) && !front.accepted(2));
        put(2);
        assert!(front.accepted(2));
        let tries = front.tries();
        let fates: Vec<Fate> = tries.iter().map(|one| one.fate).collect();
        assert_eq!(fates, [Fate::TurnedAway, Fate::ReceiptLost, Fate::Answered(201), Fate::Answered(201)]);
        assert_eq!(tries[2].answer["receipt_id"], "r1");
        let heard = heard.lock().unwrap();
        assert!(heard.iter().all(|request| request.contains("\r\nConnection: close\r\n")));
        assert!(heard[3].ends_with("{\"revision\": 2}"));
    }
}
