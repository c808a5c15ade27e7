//! A link on which a log-in is spoken: reads like the link itself, without Telnet's own bytes.

use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};
use zeroize::{Zeroize as _, Zeroizing};

use super::cause::NotLetIn;
use super::dialogue::{Dialogue, DialogueState};
use super::relay::Tap;
use super::reporter::Place;
use super::telnet::Telnet;

/// How long a prompt may let us wait before we go on without it.
const SILENCE: Duration = Duration::from_secs(3);

/// The most of a line that is kept until it shows that records come: a date or a title does so early.
const OPENING: usize = 4096;

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
    /// The relay, to which the log-in is not repeated.
    tap: Option<Tap>,
    /// The beginning of the line that is being heard, while it may be the first that is repeated.
    opening: Zeroizing<Vec<u8>>,
    /// Where to keep the link for the next run, as soon as the PBX has let us in. Before that a run that was killed
    /// would leave a link of which nobody knows what has been said.
    place: Option<Place>,
}

/// Where a conversation stands, for the next run.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ConversationState {
    #[serde(default)]
    telnet: Telnet,
    dialogue: DialogueState,
    /// Of a line that may be the first that is repeated.
    #[serde(default)]
    opening: Vec<u8>,
}

impl ConversationState {
    /// What holds of a link that was kept and of which nothing more is known.
    pub(super) fn let_in() -> ConversationState {
        ConversationState { telnet: Telnet::default(), dialogue: DialogueState::through(), opening: Vec::new() }
    }
}

impl Drop for ConversationState {
    fn drop(&mut self) {
        self.opening.zeroize();
    }
}

impl std::fmt::Debug for ConversationState {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{:?}", self.dialogue)
    }
}

impl<L> Conversation<L> {
    pub(super) fn new(link: L, dialogue: Dialogue, (place, tap): (Place, Option<Tap>)) -> Conversation<L> {
        Conversation {
            link,
            telnet: Telnet::default(),
            dialogue,
            place: Some(place),
            silence: Box::pin(sleep(SILENCE)),
            // Room for all that is ever said, so that no copy of the password is left behind by growing.
            reply: Zeroizing::new(Vec::with_capacity(256)),
            heard: Vec::new(),
            noticed: false,
            tap,
            opening: Zeroizing::default(),
        }
    }

    /// Goes on with a conversation of the run before. Its link has its place already if the PBX had let us in.
    pub(super) fn go_on(
        link: L,
        dialogue: Dialogue,
        at: ConversationState,
        place: (Place, Option<Tap>),
    ) -> Conversation<L> {
        let mut conversation = Conversation::new(link, dialogue.at(at.dialogue.clone()), place);
        conversation.telnet = at.telnet.clone();
        conversation.opening.extend_from_slice(&at.opening);
        if conversation.is_in() {
            conversation.place = None;
        } else if let Some(place) = &conversation.place {
            place.forget();
        }
        conversation
    }

    /// Whether records came, so that the log-in was good.
    pub(super) fn is_in(&self) -> bool {
        self.dialogue.is_in()
    }

    /// Takes in what was read into `heard`, and repeats what comes from the first record or page title on: what stands
    /// before it is the log-in, which a logger must not see.
    fn hear(&mut self) {
        let was_in = self.dialogue.is_in();
        let before = self.dialogue.hear(&self.heard, &mut self.reply);
        let Some(tap) = &self.tap else { return };
        if was_in {
            tap.offer(&self.heard);
        } else {
            let (said, more) = self.heard.split_at(before.min(self.heard.len()));
            let line = said.iter().rposition(|byte| matches!(byte, b'\r' | b'\n' | 0x0C)).map(|at| at + 1);
            if line.is_some() || self.opening.len() + said.len() > OPENING {
                self.opening.clear();
            }
            self.opening.extend_from_slice(&said[line.unwrap_or(0)..]);
            if self.dialogue.is_in() {
                tap.offer(&self.opening);
                tap.offer(more);
                self.opening = Zeroizing::default();
            }
        }
    }
}

impl<L: AsFd> Conversation<L> {
    /// Leaves the link to the next run, and gives where it stands; nothing in the midst of saying something.
    pub(super) fn park(&mut self) -> Option<ConversationState> {
        if !self.reply.is_empty() || !self.heard.is_empty() || self.dialogue.refused() {
            return None;
        }
        if let Some(place) = self.place.take() {
            place.keep(&self.link);
        }
        Some(ConversationState {
            telnet: self.telnet.clone(),
            dialogue: self.dialogue.state().clone(),
            opening: self.opening.to_vec(),
        })
    }
}

impl<L: AsyncRead + AsyncWrite + AsFd + Unpin> AsyncRead for Conversation<L> {
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
                    this.hear();
                    if this.is_in()
                        && let Some(place) = this.place.take()
                    {
                        place.keep(&this.link);
                    }
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
