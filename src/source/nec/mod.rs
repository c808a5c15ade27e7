//! A NEC's SMDR port: the PBX gives one record when it is asked, and forgets it when it is acknowledged. So a record is
//! acknowledged only when it is on disk; what is not comes again, here or after a restart.
//!
//! The way parity is made is learnt from the answers; until one comes the three ways are tried in turn. While a record
//! waits for the disk the PBX is told that we are still here, or it would drop the link.
//!
//! Sources: NEC ND-71223 (SMDR over TCP) and two public clients, which disagree on the sequence number to acknowledge: the
//! one of the record is sent back.

mod text;

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use zeroize::{Zeroize as _, Zeroizing};

use super::Cause;
use super::reporter::{Ended, Gone, Reporter};
use text::{Cut, Heard, Say, cut, say};

pub use text::Check;

/// How long the PBX may take to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// Unanswered questions after which the link is given up.
const UNANSWERED: u32 = 6;
/// How long to wait where there was no record; a PBX drops a client that is silent for long.
const EMPTY: Duration = Duration::from_secs(1);
/// While a record waits for the disk, how often to say that we are here.
const HERE: Duration = Duration::from_secs(5);
const DEVICE: [u8; 2] = *b"00";
/// No text is longer; what does not become one in twice as much is junk.
const ROOM: usize = 4096;

/// What outlives a link: the text last stored, which comes again where its acknowledgement was lost on the way.
#[derive(Debug, Default)]
pub(super) struct Last(Option<(u8, Zeroizing<Vec<u8>>)>);

impl Last {
    fn is(&self, sequence: u8, text: &[u8]) -> bool {
        self.0.as_ref().is_some_and(|(of, last)| *of == sequence && last.as_slice() == text)
    }
}

/// What ends the conversation.
enum End {
    Link(Cause),
    Gone,
}

impl From<Gone> for End {
    fn from(_: Gone) -> End {
        End::Gone
    }
}

impl From<std::io::Error> for End {
    fn from(error: std::io::Error) -> End {
        End::Link(Cause::of_link(&error))
    }
}

struct Talk<'a> {
    stream: TcpStream,
    connection: u64,
    reporter: &'a mut Reporter,
    last: &'a mut Last,
    check: Check,
    /// Whether an answer has shown how parity is made.
    known: bool,
    heard: Zeroizing<Vec<u8>>,
    received: u64,
}

/// What an answer was.
enum Answer {
    Record,
    Nothing,
    /// None came in time.
    Silence,
}

/// Asks for records until the link ends or the daemon stops.
pub(super) async fn run(
    stream: TcpStream,
    connection: u64,
    reporter: &mut Reporter,
    check: Option<Check>,
    last: &mut Last,
) -> Result<Ended, Gone> {
    // An acknowledgement and the next question are two small writes, and the second must not wait for the PBX's own
    // acknowledgement of the first: it makes the difference between 25 records a second and hundreds.
    let _ = stream.set_nodelay(true);
    let mut talk = Talk {
        stream,
        connection,
        reporter,
        last,
        check: check.unwrap_or(Check::Odd),
        known: check.is_some(),
        heard: Zeroizing::new(Vec::with_capacity(2 * ROOM)),
        received: 0,
    };
    let cause = match talk.speak().await {
        End::Gone => return Err(Gone),
        End::Link(cause) => cause,
    };
    let (check, received) = (talk.check, talk.received);
    if cause == Cause::Stopping {
        let _ = timeout(ANSWER, talk.stream.write_all(&say(Say::Release, DEVICE, check))).await;
    }
    reporter.down(connection, cause.clone()).await?;
    Ok(Ended { cause, received })
}

impl Talk<'_> {
    async fn speak(&mut self) -> End {
        match self.ask_on().await {
            Err(end) => end,
            Ok(never) => match never {},
        }
    }

    async fn ask_on(&mut self) -> Result<std::convert::Infallible, End> {
        let mut unanswered = 0;
        loop {
            self.say(Say::Request).await?;
            match self.answer().await? {
                Answer::Record => unanswered = 0,
                Answer::Nothing => {
                    unanswered = 0;
                    if !self.reporter.pause(EMPTY).await {
                        return Err(End::Link(Cause::Stopping));
                    }
                }
                Answer::Silence => {
                    unanswered += 1;
                    if unanswered >= UNANSWERED {
                        return Err(End::Link(Cause::TimedOut));
                    }
                    if !self.known {
                        self.check = match self.check {
                            Check::Odd => Check::None,
                            Check::None => Check::Even,
                            Check::Even => Check::Odd,
                        };
                    }
                }
            }
        }
    }

    async fn say(&mut self, what: Say) -> Result<(), End> {
        let text = say(what, DEVICE, self.check);
        match timeout(ANSWER, self.stream.write_all(&text)).await {
            Ok(written) => Ok(written?),
            Err(_) => Err(End::Link(Cause::TimedOut)),
        }
    }

    /// Reads until the question is answered.
    async fn answer(&mut self) -> Result<Answer, End> {
        let until = tokio::time::Instant::now() + ANSWER;
        loop {
            if let Some(answer) = self.texts().await? {
                return Ok(answer);
            }
            let mut room = [0; ROOM];
            let length = tokio::select! {
                biased;
                () = self.reporter.stopped() => return Err(End::Link(Cause::Stopping)),
                () = tokio::time::sleep_until(until) => return Ok(Answer::Silence),
                length = self.stream.read(&mut room) => length?,
            };
            if length == 0 {
                return Err(End::Link(Cause::ClosedByPeer));
            }
            self.received += length as u64;
            self.heard.extend_from_slice(&room[..length]);
            room.zeroize();
        }
    }

    /// Takes up what has been heard.
    async fn texts(&mut self) -> Result<Option<Answer>, End> {
        loop {
            let (taken, answer) = match cut(&self.heard, self.check) {
                Cut::Short => return Ok(None),
                Cut::Stray(length) | Cut::Damaged(length) => {
                    // Not acknowledged, so a record among it comes again.
                    self.reporter.damaged(self.connection).await?;
                    (length, None)
                }
                Cut::Text { heard, length, check } => {
                    self.check = check;
                    self.known = true;
                    match heard {
                        Heard::Data { sequence, .. } => {
                            let text = Zeroizing::new(self.heard[..length].to_vec());
                            self.record(sequence, text).await?;
                            (length, Some(Answer::Record))
                        }
                        Heard::Response(_) => (length, Some(Answer::Nothing)),
                        Heard::Release => return Err(End::Link(Cause::ClosedByPeer)),
                        Heard::Other => (length, None),
                    }
                }
            };
            self.heard[..taken].zeroize();
            self.heard.drain(..taken);
            if answer.is_some() {
                return Ok(answer);
            }
        }
    }

    /// Hands on a record, waits until it is on disk and acknowledges it.
    async fn record(&mut self, sequence: u8, text: Zeroizing<Vec<u8>>) -> Result<(), End> {
        if !self.last.is(sequence, &text) {
            let stored = self.reporter.text(self.connection, text.to_vec(), Some(u32::from(sequence))).await?;
            loop {
                tokio::select! {
                    biased;
                    () = stored.given() => break,
                    // Acknowledged still, or it would come again after the restart and be taken for another.
                    () = self.reporter.stopped() => {
                        if timeout(ANSWER, stored.given()).await.is_ok() {
                            self.say(Say::Acknowledge(sequence)).await?;
                        }
                        return Err(End::Link(Cause::Stopping));
                    }
                    () = sleep(HERE) => self.say(Say::Here).await?,
                }
            }
            self.last.0 = Some((sequence, text));
        }
        self.say(Say::Acknowledge(sequence)).await
    }
}
