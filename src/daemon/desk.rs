//! The writer thread. One thread has the database; whenever it is free it commits everything that is waiting, at once
//! and without a timer. When a commit fails nothing is lost: the events wait, bounded, until the disk takes them.

use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::keeper::{Event, Keeper};

/// Events that wait for the writer before the reading side is held back.
const QUEUE: usize = 64;
/// Most events in one commit.
const PORTION: usize = 64;
/// How long to wait after a failed commit, at first and at most.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

type Errand = Box<dyn FnOnce(&mut Keeper) + Send>;

enum Message {
    Event(Event),
    Errand(Errand),
}

/// A way to the writer thread.
#[derive(Clone)]
pub struct Desk {
    sender: mpsc::Sender<Message>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Desk")
    }
}

impl Desk {
    /// Starts the writer thread. It ends when every [`Desk`] is gone and everything is written.
    pub fn start(keeper: Keeper) -> std::io::Result<(Desk, JoinHandle<()>)> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new().name("writer".into()).spawn(move || write(keeper, receiver))?;
        Ok((Desk { sender }, thread))
    }

    /// Hands over what happened; waits while the writer is behind.
    pub async fn tell(&self, event: Event) {
        let _ = self.sender.send(Message::Event(event)).await;
    }

    /// Runs an errand in the writer thread, after everything told before it; nothing when the thread is gone.
    pub async fn with<T: Send + 'static>(&self, errand: impl FnOnce(&mut Keeper) -> T + Send + 'static) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        let errand: Errand = Box::new(move |keeper| {
            let _ = answer.send(errand(keeper));
        });
        self.sender.send(Message::Errand(errand)).await.ok()?;
        answered.await.ok()
    }
}

fn write(mut keeper: Keeper, mut receiver: mpsc::Receiver<Message>) {
    let mut waiting: Vec<Event> = Vec::new();
    let mut patience = PATIENCE.0;
    while let Some(message) = receiver.blocking_recv() {
        let mut next = Some(message);
        while let Some(message) = next {
            match message {
                Message::Event(event) => waiting.push(event),
                Message::Errand(errand) => {
                    // An errand sees everything that was told before it.
                    commit(&mut keeper, &mut waiting, &mut patience);
                    errand(&mut keeper);
                }
            }
            next = if waiting.len() < PORTION { receiver.try_recv().ok() } else { None };
        }
        commit(&mut keeper, &mut waiting, &mut patience);
    }
}

/// Commits what is waiting; tries again for as long as it takes.
fn commit(keeper: &mut Keeper, waiting: &mut Vec<Event>, patience: &mut Duration) {
    while !waiting.is_empty() {
        match keeper.take(waiting) {
            Ok(()) => {
                waiting.clear();
                *patience = PATIENCE.0;
                keeper.trouble = None;
            }
            Err(error) => {
                tracing::error!(%error, waiting = waiting.len(), "nothing could be stored; it is kept in memory");
                keeper.trouble = Some(error.to_string());
                crate::notify::status(&format!("cannot store: {error}"));
                std::thread::sleep(*patience);
                *patience = (*patience * 2).min(PATIENCE.1);
            }
        }
    }
}
