//! Tells the service manager that the daemon lives: only while it gets on with its work.
//!
//! The main loop must have turned, the writer must have answered, and no line may have waited for long. A rebuild, and days
//! that are closed after a long time, get on step by step. Two waits are no hang: while the disk is full, read-only or faulty,
//! or another program has the database locked, the writer tries again and again, the reading side is held back on purpose, and
//! a restart would lose what waits in memory and mend nothing. So a writer that goes on trying gets on. One that does not come
//! back from a call of the system does not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::desk::Desk;
use crate::notify;

/// For how long a line may wait for its commit, and a writer that waits for a disk be without a try.
const LONGEST: Duration = Duration::from_secs(30);

/// What the parts of the daemon did last.
#[derive(Debug, Default)]
pub struct Progress {
    turned: AtomicU64,
    worked: AtomicU64,
    waits: Mutex<Option<Waits>>,
}

/// Lines wait for the disk.
#[derive(Debug, Clone, Copy)]
struct Waits {
    since: Instant,
    tried: Instant,
    from_outside: bool,
}

impl Progress {
    /// The main loop has come round.
    pub fn turned(&self) {
        self.turned.fetch_add(1, Ordering::Relaxed);
    }

    /// A step of something that takes long is done.
    pub fn worked(&self) {
        self.worked.fetch_add(1, Ordering::Relaxed);
    }

    /// A commit failed, because of the disk or of somebody's lock, or not; it will be tried again.
    pub fn failed(&self, from_outside: bool) {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        let tried = Instant::now();
        let since = waits.map_or(tried, |waits| waits.since);
        *waits = Some(Waits { since, tried, from_outside });
    }

    /// Everything that waited is stored.
    pub fn stored(&self) {
        *self.waits.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether a commit failed, and none has gone well since.
    pub fn is_stuck(&self) -> bool {
        self.waits().is_some()
    }

    fn waits(&self) -> Option<Waits> {
        *self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was seen of the daemon at the last beat.
#[derive(Debug, Default)]
struct Pulse {
    turned: u64,
    worked: u64,
    ping: Option<JoinHandle<bool>>,
}

impl Pulse {
    /// Whether the daemon got on with its work since the last beat.
    async fn gets_on(&mut self, progress: &Progress, desk: &Desk, longest: Duration) -> bool {
        let waits = progress.waits();
        let turned = progress.turned.load(Ordering::Relaxed);
        let loop_turns = std::mem::replace(&mut self.turned, turned) != turned;
        let worked = progress.worked.load(Ordering::Relaxed);
        let works = std::mem::replace(&mut self.worked, worked) != worked;
        let answered = match self.ping.take() {
            Some(ping) if !ping.is_finished() => {
                self.ping = Some(ping);
                false
            }
            Some(ping) => ping.await.unwrap_or_default(),
            // The first beat.
            None => true,
        };
        if self.ping.is_none() {
            let desk = desk.clone();
            self.ping = Some(tokio::spawn(async move { desk.with(|_| ()).await.is_some() }));
        }
        Beat { waits: waits.map(Waits::lasted), loop_turns, works, answered }.gets_on(longest)
    }
}

/// What was seen between two beats.
#[derive(Debug, Clone, Copy)]
struct Beat {
    waits: Option<Lasted>,
    loop_turns: bool,
    works: bool,
    answered: bool,
}

/// Lines wait for the disk: for how long, and how long ago it was tried last.
#[derive(Debug, Clone, Copy)]
struct Lasted {
    since: Duration,
    tried: Duration,
    from_outside: bool,
}

impl Waits {
    fn lasted(self) -> Lasted {
        Lasted { since: self.since.elapsed(), tried: self.tried.elapsed(), from_outside: self.from_outside }
    }
}

impl Beat {
    fn gets_on(self, longest: Duration) -> bool {
        let Beat { waits, loop_turns, works, answered } = self;
        match waits {
            Some(Lasted { tried, from_outside: true, .. }) => tried <= LONGEST,
            Some(Lasted { since, .. }) => loop_turns && answered && since <= longest,
            // While the writer is at something long, the loop may wait for it.
            None => works || loop_turns && answered,
        }
    }
}

/// Tells it three times in each interval that the service manager waits; nothing where it does not.
pub async fn beat(desk: Desk, progress: Arc<Progress>) {
    let Some(interval) = notify::watchdog_interval() else { return };
    let longest = LONGEST.min(interval / 2);
    let mut beats = tokio::time::interval(interval / 3);
    beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut pulse = Pulse::default();
    let mut well = true;
    loop {
        beats.tick().await;
        let gets_on = pulse.gets_on(&progress, &desk, longest).await;
        if gets_on {
            notify::watchdog();
        } else if well {
            tracing::warn!("the watchdog is not petted: the daemon does not get on");
        }
        well = gets_on;
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        if let Some(ping) = &self.ping {
            ping.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_work_and_tries_of_a_disk_are_progress() {
        let idle = Beat { waits: None, loop_turns: true, works: false, answered: true };
        let waits = |since, tried, from_outside| {
            let [since, tried] = [since, tried].map(Duration::from_secs);
            Some(Lasted { since, tried, from_outside })
        };
        for (beat, gets_on) in [
            (idle, true),
            (Beat { loop_turns: false, ..idle }, false),
            (Beat { answered: false, ..idle }, false),
            // A rebuild: the writer answers nobody, and the loop waits for it.
            (Beat { loop_turns: false, answered: false, works: true, ..idle }, true),
            (Beat { waits: waits(30, 2, false), ..idle }, true),
            // Between two tries the writer answers, and still nothing is stored.
            (Beat { waits: waits(31, 2, false), ..idle }, false),
            (Beat { waits: waits(31, 2, false), works: true, ..idle }, false),
            // A full disk, for a day: the reading side is held back, and nobody is answered.
            (Beat { waits: waits(86_400, 8, true), loop_turns: false, answered: false, ..idle }, true),
            // A disk that does not come back from a call.
            (Beat { waits: waits(86_400, 31, true), ..idle }, false),
        ] {
            assert_eq!(beat.gets_on(LONGEST), gets_on, "{beat:?}");
        }
    }
}
