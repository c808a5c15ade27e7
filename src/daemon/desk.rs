//! The writer thread. One thread has the database; whenever it is free it commits everything that is waiting, at once
//! and without a timer. When a commit fails nothing is lost: the events wait, bounded, until the disk takes them.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

use super::keeper::{Event, Keeper};
use super::pulse::Progress;

/// Events that wait for the writer before the reading side is held back.
const QUEUE: usize = 64;
/// Most events in one commit.
const PORTION: usize = 64;
/// Most lines that wait in memory while nothing can be stored; then the reading side, and the PBX behind it, is held
/// back.
const ROOM: usize = 10_000;
/// How often to look for errands while waiting for the disk.
const LOOK: Duration = Duration::from_millis(50);
/// For how long the disk is still tried when the daemon stops.
const LAST: Duration = Duration::from_secs(5);
/// How long to wait after a failed commit, at first and at most.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

type Errand = Box<dyn FnOnce(&mut Keeper) + Send>;

enum Message {
    Event(Box<Event>),
    Errand(Errand),
}

/// A way to the writer thread.
#[derive(Clone)]
pub struct Desk {
    sender: mpsc::Sender<Message>,
    progress: Arc<Progress>,
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
        let progress = Arc::clone(&keeper.progress);
        let writes = Arc::clone(&progress);
        let thread =
            std::thread::Builder::new().name("writer".into()).spawn(move || write(keeper, receiver, &writes))?;
        Ok((Desk { sender, progress }, thread))
    }

    /// What the writer and the main loop did last.
    pub(super) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Hands over what happened; waits while the writer is behind.
    pub async fn tell(&self, event: Event) {
        let _ = self.sender.send(Message::Event(Box::new(event))).await;
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

fn write(mut keeper: Keeper, mut receiver: mpsc::Receiver<Message>, progress: &Progress) {
    let mut waiting: Vec<Event> = Vec::new();
    while let Some(message) = receiver.blocking_recv() {
        let mut next = Some(message);
        while let Some(message) = next {
            match message {
                Message::Event(event) => waiting.push(*event),
                Message::Errand(errand) => {
                    // An errand sees everything that was told before it.
                    commit(&mut keeper, &mut waiting, &mut receiver, progress);
                    errand(&mut keeper);
                }
            }
            next = if waiting.len() < PORTION { receiver.try_recv().ok() } else { None };
        }
        commit(&mut keeper, &mut waiting, &mut receiver, progress);
    }
}

/// Commits what is waiting; tries again for as long as it takes. Between tries errands are run all the same: whoever
/// asks how the daemon is must get an answer above all when the disk is full.
fn commit(keeper: &mut Keeper, waiting: &mut Vec<Event>, receiver: &mut mpsc::Receiver<Message>, progress: &Progress) {
    let mut patience = PATIENCE.0;
    let mut last_try = None;
    while !waiting.is_empty() {
        match keeper.take(waiting) {
            Ok(()) => {
                waiting.clear();
                keeper.trouble = None;
                progress.stored();
            }
            Err(error) if last_try.is_some_and(|until| Instant::now() > until) => {
                let lost: usize = waiting.iter().map(lines).sum();
                tracing::error!(%error, lost, "stopping, and these lines could not be stored: they are lost");
                waiting.clear();
            }
            Err(error) => {
                tracing::error!(%error, waiting = waiting.len(), "nothing could be stored; it is kept in memory");
                keeper.trouble = Some(error.to_string());
                progress.failed(error.is_of_disk());
                crate::notify::status(&format!("cannot store: {error}"));
                if wait(keeper, waiting, receiver, patience) == Others::Gone {
                    last_try.get_or_insert(Instant::now() + LAST);
                }
                patience = (patience * 2).min(PATIENCE.1);
            }
        }
    }
}

#[derive(PartialEq, Eq)]
enum Others {
    There,
    Gone,
}

/// Waits for the next try, answers errands meanwhile, and takes in what comes as long as there is room.
fn wait(
    keeper: &mut Keeper,
    waiting: &mut Vec<Event>,
    receiver: &mut mpsc::Receiver<Message>,
    patience: Duration,
) -> Others {
    let again = Instant::now() + patience;
    let mut room = ROOM.saturating_sub(waiting.iter().map(lines).sum());
    while let Some(left) = again.checked_duration_since(Instant::now()) {
        let message = if room > 0 { receiver.try_recv() } else { Err(TryRecvError::Empty) };
        match message {
            Ok(Message::Errand(errand)) => errand(keeper),
            Ok(Message::Event(event)) => {
                room = room.saturating_sub(lines(&event));
                waiting.push(*event);
            }
            Err(TryRecvError::Disconnected) => {
                std::thread::sleep(left);
                return Others::Gone;
            }
            Err(TryRecvError::Empty) => std::thread::sleep(left.min(LOOK)),
        }
    }
    Others::There
}

fn lines(event: &Event) -> usize {
    match event {
        Event::Lines(batch) => batch.entries.len(),
        Event::Up(..) | Event::Boundary(..) | Event::Down(..) | Event::Removed(..) | Event::Audit(..) => 1,
    }
}
