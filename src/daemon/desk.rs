//! The writer thread. One thread has the database; whenever it is free it commits everything that is waiting, at once
//! and without a timer. When a commit fails nothing is lost: the events wait, bounded, until the disk takes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
/// How long to wait between two of those tries.
const LAST_PAUSE: Duration = Duration::from_millis(500);
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
    stopping: Arc<AtomicBool>,
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
        let stopping = Arc::<AtomicBool>::default();
        let line = Line { receiver, stopping: Arc::clone(&stopping), progress: Arc::clone(&progress) };
        let thread = std::thread::Builder::new().name("writer".into()).spawn(move || write(keeper, line))?;
        Ok((Desk { sender, stopping, progress }, thread))
    }

    /// What the writer and the main loop did last.
    pub(super) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// The daemon is to stop: nobody is held back any more, or nobody would get to its end while the disk takes nothing.
    pub fn hold_nobody_back(&self) {
        self.stopping.store(true, Ordering::Relaxed);
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

/// What stands before the desk.
struct Line {
    receiver: mpsc::Receiver<Message>,
    stopping: Arc<AtomicBool>,
    progress: Arc<Progress>,
}

fn write(mut keeper: Keeper, mut line: Line) {
    let mut waiting: Vec<Event> = Vec::new();
    while let Some(message) = line.receiver.blocking_recv() {
        let mut next = Some(message);
        while let Some(message) = next {
            match message {
                Message::Event(event) => waiting.push(*event),
                Message::Errand(errand) => {
                    // An errand sees everything that was told before it.
                    commit(&mut keeper, &mut waiting, &mut line);
                    errand(&mut keeper);
                }
            }
            next = if waiting.len() < PORTION { line.receiver.try_recv().ok() } else { None };
        }
        commit(&mut keeper, &mut waiting, &mut line);
    }
}

/// Commits what is waiting; tries again for as long as it takes. Between tries errands are run all the same: whoever
/// asks how the daemon is must get an answer above all when the disk is full.
fn commit(keeper: &mut Keeper, waiting: &mut Vec<Event>, line: &mut Line) {
    let mut patience = PATIENCE.0;
    let mut last_try = None;
    while !waiting.is_empty() {
        // Never all of what a full disk has left: a try that fails must be short.
        let portion = waiting.len().min(PORTION);
        match keeper.take(waiting.get(..portion).unwrap_or_default()) {
            Ok(()) => {
                waiting.drain(..portion);
                keeper.trouble = None;
                line.progress.stored();
            }
            Err(error) if last_try.is_some_and(|until| Instant::now() > until) => {
                let lost: usize = waiting.iter().map(lines).sum();
                tracing::error!(%error, lost, "stopping, and these lines could not be stored: they are lost");
                waiting.clear();
            }
            Err(error) => {
                tracing::error!(%error, waiting = waiting.len(), "nothing could be stored; it is kept in memory");
                keeper.trouble = Some(error.to_string());
                line.progress.failed(error.is_of_disk());
                crate::notify::status(&format!("cannot store: {error}"));
                if wait(keeper, waiting, line, patience) == Others::Gone {
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
fn wait(keeper: &mut Keeper, waiting: &mut Vec<Event>, line: &mut Line, patience: Duration) -> Others {
    let again = Instant::now() + patience;
    let mut room = ROOM.saturating_sub(waiting.iter().map(lines).sum());
    while let Some(left) = again.checked_duration_since(Instant::now()) {
        let open = room > 0 || line.stopping.load(Ordering::Relaxed);
        let message = if open { line.receiver.try_recv() } else { Err(TryRecvError::Empty) };
        match message {
            Ok(Message::Errand(errand)) => errand(keeper),
            Ok(Message::Event(event)) => {
                room = room.saturating_sub(lines(&event));
                waiting.push(*event);
            }
            Err(TryRecvError::Disconnected) => {
                std::thread::sleep(left.min(LAST_PAUSE));
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
