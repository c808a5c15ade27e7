//! A link on which a log-in is spoken: reads like the link itself, without Telnet's own bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};
use zeroize::Zeroizing;

use super::cause::NotLetIn;
use super::dialogue::Dialogue;
use super::telnet::Telnet;

/// How long a prompt may let us wait before we go on without it.
const SILENCE: Duration = Duration::from_secs(3);

/// What the PBX says in the dialogue is read like everything else, so that it is counted as lines.
pub(super) struct Conversation<L> {
    link: L,
    telnet: Telnet,
    dialogue: Dialogue,
    silence: Pin<Box<Sleep>>,
    /// What is still to be said. It may hold the password.
    reply: Zeroizing<Vec<u8>>,
    /// What was heard and not yet read.
    heard: Vec<u8>,
    /// The silence since the last byte was noticed.
    noticed: bool,
}

impl<L> Conversation<L> {
    pub(super) fn new(link: L, dialogue: Dialogue) -> Conversation<L> {
        Conversation {
            link,
            telnet: Telnet::default(),
            dialogue,
            silence: Box::pin(sleep(SILENCE)),
            // Room for all that is ever said, so that no copy of the password is left behind by growing.
            reply: Zeroizing::new(Vec::with_capacity(256)),
            heard: Vec::new(),
            noticed: false,
        }
    }

    /// Whether records came, so that the log-in was good.
    pub(super) fn is_in(&self) -> bool {
        !self.dialogue.listens() && !self.dialogue.refused()
    }
}

impl<L: AsyncRead + AsyncWrite + Unpin> AsyncRead for Conversation<L> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if !this.heard.is_empty() {
                let length = this.heard.len().min(buffer.remaining());
                buffer.put_slice(&this.heard[..length]);
                this.heard.drain(..length);
                return Poll::Ready(Ok(()));
            }
            if this.dialogue.refused() {
                return Poll::Ready(Err(io::Error::other(NotLetIn)));
            }
            while !this.reply.is_empty() {
                let written = ready!(Pin::new(&mut this.link).poll_write(context, &this.reply))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                this.reply.drain(..written);
            }
            // No more is taken from the link than the reader has room for.
            let mut room = [0; 4096];
            let limit = buffer.remaining().min(room.len());
            let mut raw = ReadBuf::new(&mut room[..limit]);
            match Pin::new(&mut this.link).poll_read(context, &mut raw)? {
                Poll::Ready(()) if raw.filled().is_empty() => {
                    let verdict = this.dialogue.waits_for_verdict();
                    return Poll::Ready(if verdict { Err(io::Error::other(NotLetIn)) } else { Ok(()) });
                }
                Poll::Ready(()) => {
                    this.telnet.read(raw.filled(), &mut this.heard, &mut this.reply);
                    this.dialogue.hear(&this.heard, &mut this.reply);
                    this.noticed = false;
                    this.silence.as_mut().reset(Instant::now() + SILENCE);
                }
                Poll::Pending => {
                    if this.noticed || !this.dialogue.listens() {
                        return Poll::Pending;
                    }
                    ready!(this.silence.as_mut().poll(context));
                    let before = this.reply.len();
                    this.dialogue.silence(&mut this.reply);
                    // What was said may be met with silence again; nothing said, nothing more to wait for.
                    this.noticed = this.reply.len() == before;
                    this.silence.as_mut().reset(Instant::now() + SILENCE);
                }
            }
        }
    }
}
