//! OmniPCX Enterprise's Ethernet accounting (TCP port 2533), our side of it: says that we want tickets, minds whether the
//! CPU is the main one, and answers the PBX's tests. What it sends is read as it comes; `framing` finds the tickets in it.
//!
//! We say `00 01 S` and hear `00 01` and the role of the CPU, `P` for main. Then we say `00 02 00 00`. The PBX asks
//! `00 08 TEST_REQ` now and then, and we say `00 08 TEST_RSP`. Nothing acknowledges a ticket. Source: the two public clients
//! of the port.

use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::cause::NotMain;
use super::reporter::Place;

/// What we say first.
pub(super) const HELLO: [u8; 3] = [0x00, 0x01, b'S'];
const START: [u8; 4] = [0x00, 0x02, 0x00, 0x00];
const TEST: &[u8; 10] = b"\x00\x08TEST_REQ";
const ALIVE: &[u8; 10] = b"\x00\x08TEST_RSP";
const MAIN: u8 = b'P';
/// What of a message follows its head of four bytes.
const BODY: usize = 768;

/// A PBX that has not said its role by then will not.
const ROLE: Duration = Duration::from_secs(15);
/// A single CPU may take minutes to send its first ticket; the public clients give up after half a minute without a test.
const SILENCE: Duration = Duration::from_secs(300);

/// What has been heard, as far as it must be understood to answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Talk {
    role: Option<u8>,
    head: Vec<u8>,
    skip: usize,
}

impl Talk {
    fn hear(&mut self, bytes: &[u8], reply: &mut Vec<u8>) {
        for &byte in bytes {
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            self.head.push(byte);
            self.understand(reply);
        }
    }

    fn understand(&mut self, reply: &mut Vec<u8>) {
        while !self.head.is_empty() {
            match self.head.as_slice() {
                [0 | 1 | 3] | [1, 0] | [1, 0, _] => return,
                [0, 1] if self.role.is_none() => return,
                [0, 1, role] if self.role.is_none() => {
                    self.role = Some(*role);
                    if *role == MAIN {
                        reply.extend_from_slice(&START);
                    }
                }
                [3, 4] => {}
                [1, 0, _, 0] => self.skip = BODY,
                head if head == TEST => reply.extend_from_slice(ALIVE),
                head if TEST.starts_with(head) => return,
                _ => {
                    self.head.remove(0);
                    continue;
                }
            }
            self.head.clear();
        }
    }
}

/// A link to an OXE: reads like the link itself.
pub(super) struct Accounting<L> {
    link: L,
    talk: Talk,
    reply: Vec<u8>,
    silence: Pin<Box<Sleep>>,
    /// Where to keep the link for the next run, as soon as its other end is known to be the main CPU.
    place: Option<Place>,
}

impl<L> Accounting<L> {
    pub(super) fn new(link: L, place: Place) -> Accounting<L> {
        let (talk, reply) = (Talk::default(), Vec::new());
        Accounting { link, talk, reply, silence: Box::pin(sleep(ROLE)), place: Some(place) }
    }

    /// Goes on with a link of the run before. Of one that was kept and of which nothing more is known, as after a kill,
    /// the main CPU is at the other end; it finds its way to the next mark.
    pub(super) fn go_on(link: L, talk: Option<Talk>, place: Place) -> Accounting<L> {
        let talk = talk.unwrap_or_else(|| Talk { role: Some(MAIN), ..Talk::default() });
        let mut accounting = Accounting::new(link, place);
        if talk.role == Some(MAIN) {
            accounting.place = None;
            accounting.silence = Box::pin(sleep(SILENCE));
        } else if let Some(place) = &accounting.place {
            place.forget();
        }
        accounting.talk = talk;
        accounting
    }
}

impl<L: AsFd> Accounting<L> {
    /// Leaves the link to the next run, and gives where it stands; nothing in the midst of saying something.
    pub(super) fn park(&mut self) -> Option<Talk> {
        if !self.reply.is_empty() || self.talk.role.is_some_and(|role| role != MAIN) {
            return None;
        }
        if let Some(place) = self.place.take() {
            place.keep(&self.link);
        }
        Some(self.talk.clone())
    }
}

impl<L: AsyncRead + AsyncWrite + AsFd + Unpin> AsyncRead for Accounting<L> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.talk.role.is_some_and(|role| role != MAIN) {
            return Poll::Ready(Err(io::Error::other(NotMain)));
        }
        while !this.reply.is_empty() {
            let written = ready!(Pin::new(&mut this.link).poll_write(context, &this.reply))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            this.reply.drain(..written);
        }
        let before = buffer.filled().len();
        match Pin::new(&mut this.link).poll_read(context, buffer)? {
            Poll::Ready(()) => {
                let heard = buffer.filled().get(before..).unwrap_or_default();
                this.talk.hear(heard, &mut this.reply);
                if this.talk.role == Some(MAIN)
                    && let Some(place) = this.place.take()
                {
                    place.keep(&this.link);
                }
                this.silence.as_mut().reset(Instant::now() + SILENCE);
                // Answered now, not with the next read: the PBX may send nothing before it has heard us.
                while !this.reply.is_empty() {
                    match Pin::new(&mut this.link).poll_write(context, &this.reply)? {
                        Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                        Poll::Ready(written) => drop(this.reply.drain(..written)),
                        Poll::Pending => break,
                    }
                }
                Poll::Ready(Ok(()))
            }
            Poll::Pending => {
                ready!(this.silence.as_mut().poll(context));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said to `bytes`, in one piece and byte by byte.
    fn said(bytes: &[u8]) -> Vec<u8> {
        let mut whole = Vec::new();
        Talk::default().hear(bytes, &mut whole);
        let mut pieces = Vec::new();
        let mut talk = Talk::default();
        bytes.iter().for_each(|byte| talk.hear(&[*byte], &mut pieces));
        assert_eq!(whole, pieces);
        whole
    }

    #[test]
    fn the_main_cpu_is_told_to_start_and_its_tests_are_answered() {
        assert_eq!(said(b"\x00\x01P"), START);
        assert_eq!(said(b"\x00\x01S"), b"");
        let mut stream = b"\x00\x01P\x03\x04\x01\x00\x02\x00ED5.2 \x00\x08TEST_REQ in a ticket is text".to_vec();
        stream.resize(5 + 4 + BODY, 0);
        assert_eq!(said(&stream), START);
        stream.extend_from_slice(b"\x00\x08TEST_REQ\x03\x04");
        assert_eq!(said(&stream), [&START[..], ALIVE].concat());
        // Joined where something else stands, it finds its way to the next mark.
        assert_eq!(said(b"\x00\x00\x08TEST\x00\x08TEST_REQ"), ALIVE);
    }
}
