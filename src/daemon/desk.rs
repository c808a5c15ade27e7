//! The writer thread. One thread has the database; whenever it is free it commits everything that is waiting, at once
//! and without a timer. When a commit fails nothing is lost: the events wait, bounded, until the disk takes them.

use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

use super::books::Entry;
use super::disk::Reserve;
use super::keeper::{Event, Keeper};
use super::pulse::Progress;
use crate::store::StoreError;

/// Events that wait for the writer before the reading side is held back.
const QUEUE: usize = 64;
/// Most events that come of one happening.
const HAPPENING: usize = 8;
/// Most events in one commit.
const PORTION: usize = 64;
/// Most lines that wait in memory while nothing can be stored; then the reading side, and the PBX behind it, is held
/// back.
const ROOM: usize = 10_000;
/// Most bytes of them.
const ROOM_BYTES: usize = 4 << 20;
/// How often to look for errands while waiting for the disk.
const LOOK: Duration = Duration::from_millis(50);
/// Lines of what has waited that are stored at a time.
const FEW: usize = 250;
/// How long errands are looked for between them.
const GLANCE: Duration = Duration::from_millis(1);
/// For how long after the order to stop the disk is still tried.
const LAST: Duration = Duration::from_secs(5);
/// How long to wait between two of those tries.
const LAST_PAUSE: Duration = Duration::from_millis(500);
/// How long to wait after a failed commit, at first and at most.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

type Errand = Box<dyn FnOnce(&mut Keeper) + Send>;

/// A way to the writer thread.
#[derive(Clone)]
pub struct Desk {
    events: mpsc::Sender<Event>,
    /// Beside the events: whoever asks is answered also where no event finds room.
    errands: mpsc::Sender<Errand>,
    stopping: Arc<Stopping>,
    progress: Arc<Progress>,
}

/// The order to stop, and when it came.
#[derive(Debug, Default)]
struct Stopping(OnceLock<Instant>);

impl Stopping {
    fn order(&self) {
        let _ = self.0.set(Instant::now());
    }

    fn is_ordered(&self) -> bool {
        self.0.get().is_some()
    }

    /// Whether the disk was tried for long enough.
    fn is_late(&self) -> bool {
        self.0.get().is_some_and(|ordered| ordered.elapsed() >= LAST)
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Desk")
    }
}

impl Desk {
    /// Starts the writer thread. It ends when every [`Desk`] is gone and everything is written.
    pub fn start(keeper: Keeper) -> std::io::Result<(Desk, JoinHandle<()>)> {
        let (events, told) = mpsc::channel(QUEUE);
        let (errands, asked) = mpsc::channel(QUEUE);
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let progress = Arc::clone(&keeper.progress);
        let stopping = Arc::<Stopping>::default();
        let mut receiver = Receiver { told, asked, stopping: Arc::clone(&stopping), progress: Arc::clone(&progress) };
        let write = move || write(keeper, &mut receiver, &runtime);
        let thread = std::thread::Builder::new().name("writer".into()).spawn(write)?;
        Ok((Desk { events, errands, stopping, progress }, thread))
    }

    /// What the writer and the main loop did last.
    pub(super) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// The daemon is to stop: nobody is held back any more, or nobody would get to its end while the disk takes nothing.
    pub fn hold_nobody_back(&self) {
        self.stopping.order();
    }

    /// Whether the daemon is to stop, nothing can be stored, and the disk was tried for long enough: what is still to be read
    /// would be lost as well.
    pub fn gives_up(&self) -> bool {
        self.stopping.is_late() && self.progress.is_stuck()
    }

    /// Hands over what happened; waits while the writer is behind.
    pub async fn tell(&self, event: Event) {
        let _ = self.events.send(event).await;
    }

    /// Waits until there is room for what one happening may come to.
    pub async fn room(&self) {
        let _ = self.events.reserve_many(HAPPENING).await;
    }

    /// Whether there is hardly any room.
    pub fn is_behind(&self) -> bool {
        self.events.capacity() < HAPPENING
    }

    /// Runs an errand in the writer thread, after everything told before it; nothing when the thread is gone.
    pub async fn with<T: Send + 'static>(&self, errand: impl FnOnce(&mut Keeper) -> T + Send + 'static) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        let errand: Errand = Box::new(move |keeper| {
            let _ = answer.send(errand(keeper));
        });
        self.errands.send(errand).await.ok()?;
        answered.await.ok()
    }
}

struct Receiver {
    told: mpsc::Receiver<Event>,
    asked: mpsc::Receiver<Errand>,
    stopping: Arc<Stopping>,
    progress: Arc<Progress>,
}

// Nearly all are events, so room for events is no waste.
#[allow(clippy::large_enum_variant)]
enum Next {
    Event(Event),
    Errand(Errand),
}

impl Receiver {
    /// What comes next; nothing when nobody can reach us any more.
    async fn next(&mut self) -> Option<Next> {
        tokio::select! {
            Some(event) = self.told.recv() => Some(Next::Event(event)),
            Some(errand) = self.asked.recv() => Some(Next::Errand(errand)),
            else => None,
        }
    }
}

fn write(mut keeper: Keeper, receiver: &mut Receiver, runtime: &tokio::runtime::Runtime) {
    let mut waiting: Vec<Event> = Vec::new();
    while let Some(next) = runtime.block_on(receiver.next()) {
        let errand = match next {
            Next::Event(event) => {
                waiting.push(event);
                None
            }
            Next::Errand(errand) => Some(errand),
        };
        // An errand sees everything that was told before it.
        while errand.is_some() || waiting.len() < PORTION {
            match receiver.told.try_recv() {
                Ok(event) => waiting.push(event),
                Err(_) => break,
            }
        }
        commit(&mut keeper, &mut waiting, receiver);
        if let Some(errand) = errand {
            errand(&mut keeper);
            mend(&mut keeper);
        }
    }
}

/// Commits what is waiting; tries again for as long as it takes, after the order to stop for [`LAST`]. Between tries errands
/// are run all the same: whoever asks how the daemon is must get an answer above all when the disk is full.
fn commit(keeper: &mut Keeper, waiting: &mut Vec<Event>, receiver: &mut Receiver) {
    let mut patience = PATIENCE.0;
    let mut failed = false;
    while !waiting.is_empty() {
        // What has waited long is much: it goes in a little at a time, so that nobody else waits for all of it. And a disk that
        // has just refused is asked before lines are taken through the books for it.
        let few = if keeper.waiting.is_some() { few(waiting) } else { waiting.len() };
        let asked = if failed { keeper.ask_the_disk() } else { Ok(()) };
        match asked.and_then(|()| keeper.take(waiting.get(..few).unwrap_or_default())) {
            Ok(()) if few < waiting.len() => {
                // The trouble is over when all of it is stored: who asks for a receipt goes by that.
                waiting.drain(..few);
                failed = false;
                receiver.progress.stored();
                wait(keeper, waiting, receiver, GLANCE);
            }
            Ok(()) => {
                if keeper.waiting.is_some() {
                    tracing::info!("what waited is stored");
                    crate::notify::status("storing again");
                    if let Err(error) = keeper.waits_no_more() {
                        tracing::error!(%error, "for how long nothing could be read could not be noted");
                    }
                }
                waiting.clear();
                keeper.trouble = None;
                receiver.progress.stored();
            }
            // A fresh database is begun, and the same is stored there.
            Err(_) if keeper.look_for_damage() => failed = false,
            // With the room that was kept back for this it can go on.
            Err(error) if error.is_full() && Reserve::of(&keeper.config).give_up() => failed = false,
            Err(error) => {
                failed = true;
                if keeper.waiting.is_none() || patience == PATIENCE.1 {
                    tracing::error!(%error, waiting = waiting.len(), "nothing could be stored; it is kept in memory");
                }
                let why = keeper.now_waits(waiting, &error);
                crate::notify::status(&format!("cannot store: {why}"));
                keeper.trouble = Some(why);
                receiver.progress.failed(error.is_of_disk() || error.is_locked());
                if wait(keeper, waiting, receiver, patience) == Others::Gone {
                    receiver.stopping.order();
                }
                patience = (patience * 2).min(PATIENCE.1);
                if receiver.stopping.is_late() {
                    give_up(keeper, waiting, &error);
                }
            }
        }
    }
}

/// The disk was tried for long enough, and the daemon stops: says what is lost.
fn give_up(keeper: &mut Keeper, waiting: &mut Vec<Event>, error: &StoreError) {
    let lost: usize = waiting.iter().map(lines).sum();
    tracing::error!(%error, lost, "stopping, and these lines could not be stored: they are lost");
    keeper.given_up += lost as u64;
    waiting.clear();
}

#[derive(PartialEq, Eq)]
enum Others {
    There,
    Gone,
}

/// Waits for the next try, answers errands meanwhile, and takes in what comes as long as there is room.
fn wait(keeper: &mut Keeper, waiting: &mut Vec<Event>, receiver: &mut Receiver, patience: Duration) -> Others {
    let began = Instant::now();
    let mut room = Room::beside(waiting);
    loop {
        // The order to stop may come meanwhile.
        let stopping = receiver.stopping.is_ordered();
        let patience = if stopping { patience.min(LAST_PAUSE) } else { patience };
        let Some(left) = patience.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) else { break };
        let mut asked = false;
        while let Ok(errand) = receiver.asked.try_recv() {
            errand(keeper);
            keeper.look_for_damage();
            asked = true;
        }
        // Who stops has little left to say, and is to be heard to the end.
        let message = if room.is_left() || stopping { receiver.told.try_recv() } else { Err(TryRecvError::Empty) };
        match message {
            Ok(event) => {
                room.take(&event);
                keeper.one_more_waits(&event, !room.is_left());
                waiting.push(event);
            }
            Err(TryRecvError::Disconnected) => {
                std::thread::sleep(left.min(LAST_PAUSE));
                return Others::Gone;
            }
            Err(TryRecvError::Empty) if asked => {}
            Err(TryRecvError::Empty) => std::thread::sleep(left.min(LOOK)),
        }
    }
    Others::There
}

/// How many events at the beginning make a few lines.
fn few(waiting: &[Event]) -> usize {
    let mut room = FEW;
    let fits = |event: &&Event| {
        let fits = room > 0;
        room = room.saturating_sub(lines(event));
        fits
    };
    waiting.iter().take_while(fits).count()
}

/// Where an errand came upon damage, a fresh database is begun at once: nobody may tell us anything for hours.
fn mend(keeper: &mut Keeper) {
    if keeper.look_for_damage()
        && let Err(error) = keeper.find_way()
    {
        tracing::error!(%error, "no fresh database could be begun; it is tried again");
    }
}

/// Room in memory for what cannot be stored.
struct Room {
    lines: usize,
    bytes: usize,
}

impl Room {
    fn beside(waiting: &[Event]) -> Room {
        let mut room = Room { lines: ROOM, bytes: ROOM_BYTES };
        waiting.iter().for_each(|event| room.take(event));
        room
    }

    fn take(&mut self, event: &Event) {
        self.lines = self.lines.saturating_sub(lines(event));
        self.bytes = self.bytes.saturating_sub(bytes(event));
    }

    fn is_left(&self) -> bool {
        self.lines > 0 && self.bytes > 0
    }
}

/// What an entry takes beside its text: the record, its numbers, and what holds them.
const ENTRY: usize = 512;

fn bytes(event: &Event) -> usize {
    let of = |entry: &Entry| match entry {
        Entry::Line(line) => ENTRY + line.text.len(),
        Entry::Settled { .. } | Entry::Idle(_) => ENTRY,
    };
    match event {
        Event::Lines(batch) => batch.entries.iter().map(of).sum(),
        _ => ENTRY,
    }
}

pub(super) fn lines(event: &Event) -> usize {
    match event {
        Event::Lines(batch) => batch.entries.len(),
        Event::Up(..)
        | Event::Boundary(..)
        | Event::Down(..)
        | Event::NewKey
        | Event::Removed(..)
        | Event::Audit(..) => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::books::{Batch, MaskedLine};
    use crate::dialect::SourceState;
    use crate::record::LineKind;

    fn event(lines: u64, text: usize) -> Event {
        let line = |seq| {
            Entry::Line(MaskedLine {
                seq,
                at: jiff::Timestamp::UNIX_EPOCH,
                kind: LineKind::Record,
                text: vec![b'x'; text],
                reason: None,
                column: None,
                numbers: Vec::new(),
                record: None,
                stamp: None,
                sequence: None,
                idle: false,
                shape: false,
            })
        };
        let entries = (0..lines).map(line).collect();
        Event::Lines(Batch {
            source: 1,
            entries,
            state: SourceState::default(),
            wire: None,
            mark: None,
            numbered: false,
        })
    }

    #[test]
    fn room_ends_with_so_many_lines_or_so_many_bytes() {
        let mut room = Room::beside(&[event(9_990, 10)]);
        assert!(!room.is_left(), "lines take more than their text");
        room = Room::beside(&[event(1_000, 100)]);
        assert!(room.is_left());
        room.take(&event(900, 4_000));
        assert!(!room.is_left());
        assert!(Room::beside(&[]).is_left());
    }

    #[test]
    fn what_waited_goes_in_a_little_at_a_time_and_never_not_at_all() {
        assert_eq!(few(&[event(5_000, 1), event(1, 1)]), 1);
        assert_eq!(few(&[event(100, 1), event(100, 1), event(100, 1), event(1, 1)]), 3);
        assert_eq!(few(&[event(1, 1)]), 1);
    }
}
