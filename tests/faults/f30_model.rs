//! F30: random sequences of what can happen to a box, against a model of it. After each step the store, the outbox and
//! the receiver agree with the model.

use std::collections::HashMap;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;
use smdrd::daemon::rebuild::rebuild;
use smdrd::daemon::status::snapshot;
use smdrd::push::schedule::nightly;
use smdrd::record::LineKind;
use smdrd::store::OutboxState;

use super::evidence::{figures, tries};
use super::model::{Model, Printed};
use super::world::{Fate, SOURCE, World, again, number_of, record};

/// What happens.
#[derive(Debug, Clone)]
enum Step {
    /// The PBX prints so many records, stamped so many days back.
    Line(u8, u8),
    /// The PBX prints the very same record once more: a call like the one before.
    Twin,
    Commit,
    Crash,
    Restart,
    /// The link breaks, and the PBX prints its last lines again. `Some`: the daemon dies after so many of them.
    Redump(u8, Option<u8>),
    Import,
    /// So many times ten minutes pass; a day is 144.
    Pass(u16),
    /// The clock is set by so many hours, forwards or back.
    ClockSet(i8),
    Push(Vec<Fate>),
    /// A receipt that came late, or comes again.
    Ack(u8),
    Compare,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![4 => Just(Fate::Arrives), 2 => Just(Fate::ReplyLost), 1 => Just(Fate::Down), 1 => Just(Fate::Refused)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1_u8..5, prop_oneof![4 => Just(0_u8), 1 => 1_u8..6]).prop_map(|(many, back)| Step::Line(many, back)),
        1 => Just(Step::Twin),
        3 => Just(Step::Commit),
        2 => Just(Step::Crash),
        1 => Just(Step::Restart),
        3 => (1_u8..9, prop_oneof![3 => Just(None), 1 => (1_u8..6).prop_map(Some)]).prop_map(|(k, j)| Step::Redump(k, j)),
        1 => Just(Step::Import),
        4 => (1_u16..300).prop_map(Step::Pass),
        1 => (-30_i8..30).prop_map(Step::ClockSet),
        4 => prop::collection::vec(fate(), 0..4).prop_map(Step::Push),
        3 => any::<u8>().prop_map(Step::Ack),
        1 => Just(Step::Compare),
    ]
}

/// The product and the model, side by side.
struct Pair {
    world: World,
    model: Model,
    night: Timestamp,
    /// The civil day whose nightly work was done last: it is done once, however the clock is set.
    worked: Date,
    texts: HashMap<u32, String>,
    /// Printed, and not committed yet.
    waiting: Vec<Printed>,
    /// The link came up and no new line since: what is printed now may be the buffer.
    fresh: bool,
    /// Documents that were looked at.
    seen: HashMap<(Date, u32), u64>,
    earliest: Timestamp,
    last: Timestamp,
}

impl Pair {
    async fn new() -> Pair {
        let begin: Timestamp = "2026-11-02T09:03:00Z".parse().unwrap();
        let world = World::new(begin).await;
        let model = Model::since("2026-11-02".parse().unwrap());
        let mut pair = Pair {
            world,
            model,
            night: begin,
            worked: "2026-11-02".parse().unwrap(),
            texts: HashMap::new(),
            waiting: Vec::new(),
            fresh: true,
            seen: HashMap::new(),
            earliest: begin,
            // What is beyond is not closed any more (`daemon::days::REACH`).
            last: begin + SignedDuration::from_hours(24 * 40),
        };
        pair.started();
        pair
    }

    fn started(&mut self) {
        self.fresh = true;
        self.night = self.due();
    }

    /// The nightly instant of a civil day.
    fn tonight(&self, date: Date) -> Timestamp {
        let zone = self.world.config.time_zone();
        let before = date.to_zoned(zone.clone()).unwrap().timestamp() - SignedDuration::from_secs(1);
        nightly("smdrd-test", &zone, before)
    }

    /// When nightly work is due next: of the first civil day whose work is not done yet.
    fn due(&self) -> Timestamp {
        let today = self.world.now.to_zoned(self.world.config.time_zone()).date();
        // What several nights missed is made up for in one.
        self.tonight(self.worked.tomorrow().unwrap().max(today))
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Line(many, back) => self.prints(*many, *back),
            Step::Twin => self.prints_twin(),
            Step::Commit => self.commits().await,
            Step::Crash => {
                self.world.is_killed();
                // Of two calls alike of which one is lost, nobody can say whether it was the first or the second.
                let last = self.model.printed.last().copied();
                self.model.lost = std::mem::take(&mut self.waiting);
                self.model.lost.dedup();
                self.model.lost.retain(|line| Some(*line) != last);
                self.world.starts().await;
                self.started();
            }
            Step::Restart => {
                self.stored();
                self.world.stops().await;
                self.tick_of_model();
                self.world.starts().await;
                self.started();
            }
            Step::Redump(many, dies) => self.prints_again(usize::from(*many), dies.map(usize::from)).await,
            Step::Import => {
                if self.model.printed.len() > 3 && self.model.lost.is_empty() && self.waiting.is_empty() {
                    let lines = again(&self.model.printed, |id| self.texts[&id].clone());
                    // It ticks before it reads the file.
                    self.tick_of_model();
                    self.world.imports(&lines).await;
                    self.model.imported();
                    self.started();
                }
            }
            Step::Pass(many) => self.passes(SignedDuration::from_mins(10 * i64::from(*many))).await,
            Step::ClockSet(hours) => self.passes(SignedDuration::from_hours(i64::from(*hours))).await,
            Step::Push(fates) => self.pushes(fates).await,
            Step::Ack(which) => {
                let acks = self.world.acks.len();
                if acks > 0 {
                    let (row, receipt) = self.world.acks[usize::from(*which) % acks].clone();
                    self.model.receipt(row.date, row.revision);
                    self.world.acknowledged(row, receipt).await;
                }
            }
            Step::Compare => {
                self.world.compares().await;
                self.model.compared();
            }
        }
        self.agrees().await;
    }

    fn prints(&mut self, many: u8, back: u8) {
        // What the PBX printed while the box was not there, and does not print again now, is lost for good.
        self.model.lost.clear();
        let first = self.model.first_day;
        for _ in 0..many {
            let id = self.texts.len() as u32 + 1;
            let at = self.world.now - SignedDuration::from_hours(24 * i64::from(back));
            let at = at + SignedDuration::from_secs(i64::from(id % 40));
            let date = at.to_zoned(self.world.config.time_zone()).date();
            let (at, date) = if date < first { (self.world.now, first) } else { (at, date) };
            if date < first || at.to_zoned(self.world.config.time_zone()).date() != date {
                continue;
            }
            let text = record(id, at);
            self.world.hears(std::slice::from_ref(&text));
            self.texts.insert(id, text);
            self.waiting.push((id, date));
            self.fresh = false;
        }
    }

    fn prints_twin(&mut self) {
        let before: Vec<Printed> = self.model.printed.iter().chain(&self.waiting).copied().collect();
        let Some(last) = before.last().copied().filter(|_| !self.fresh) else { return };
        if before.iter().filter(|line| **line == last).count() == 1 {
            self.world.hears(std::slice::from_ref(&self.texts[&last.0]));
            self.waiting.push(last);
        }
    }

    fn stored(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.model.stores(&waiting);
    }

    async fn commits(&mut self) {
        self.world.commits().await;
        self.stored();
    }

    async fn prints_again(&mut self, many: usize, dies: Option<usize>) {
        self.commits().await;
        self.fresh = true;
        let many = many.min(self.model.printed.len());
        let tail = self.model.printed[self.model.printed.len() - many..].to_vec();
        let text_of = |id: u32| self.texts[&id].clone();
        if let Some(heard) = dies.filter(|heard| *heard < many) {
            let lines = again(&tail[..heard], text_of);
            self.world.reconnects();
            self.world.hears(&lines);
            self.world.commits().await;
            self.world.is_killed();
            self.model.prints_again(many, heard);
            self.world.starts().await;
            self.started();
        }
        let lost = self.model.lost.clone();
        let lines = again(&[tail, lost].concat(), |id| self.texts[&id].clone());
        self.world.reconnects();
        self.world.hears(&lines);
        self.world.commits().await;
        self.model.prints_again(many, many);
        // Nothing more comes: what is still in doubt is decided.
        self.passes(SignedDuration::from_secs(6)).await;
        self.world.now -= SignedDuration::from_secs(6);
    }

    async fn passes(&mut self, time: SignedDuration) {
        // Not back over a midnight that was: the day has its key then, and another one when it comes again.
        let zone = self.world.config.time_zone();
        let midnight = self.world.now.to_zoned(zone.clone()).start_of_day().unwrap().timestamp();
        self.earliest = self.earliest.max(midnight + SignedDuration::from_mins(3));
        self.world.now = (self.world.now + time).clamp(self.earliest, self.last);
        self.world.ticks().await;
        self.tick_of_model();
    }

    fn tick_of_model(&mut self) {
        let (now, zone) = (self.world.now, self.world.config.time_zone());
        let open = (now - SignedDuration::from_mins(10)).to_zoned(zone.clone()).date();
        let is_night = now >= self.night;
        self.model.passes(open, is_night);
        if is_night {
            let today = now.to_zoned(zone).date();
            self.worked = if self.tonight(today) <= now { today } else { today.yesterday().unwrap() };
            self.night = self.due();
        }
    }

    async fn pushes(&mut self, fates: &[Fate]) {
        let pending = self.model.pending();
        let outcome = self.world.pushes(fates).await;
        assert_eq!(outcome.sent.len(), pending.len());
        for (at, (date, revision)) in pending.into_iter().enumerate() {
            match fates.get(at).copied().unwrap_or(Fate::Arrives) {
                Fate::Arrives => {
                    self.model.supplier_keeps(date, revision);
                    self.model.receipt(date, revision);
                }
                Fate::Refused => self.model.parked(date),
                fate => {
                    if fate == Fate::ReplyLost {
                        self.model.supplier_keeps(date, revision);
                    }
                    assert!(outcome.broken_off);
                    break;
                }
            }
        }
    }

    /// The store, the outbox and the receiver are what the model says.
    async fn agrees(&mut self) {
        let first = self.model.first_day;
        let (lines, calls, rows, closed) = self
            .world
            .with(move |keeper| {
                let read = keeper.store.read();
                let owner = keeper.practices().remove(0);
                let lines = read.lines(SOURCE, 1, 100_000).unwrap();
                let rows = read.newest_since(&owner, first).unwrap();
                (lines, read.call_counts().unwrap(), rows, read.outbox_counts().unwrap())
            })
            .await;
        let stored: Vec<(u32, bool)> = lines
            .iter()
            .map(|line| {
                assert!(matches!(line.kind, LineKind::Record | LineKind::Duplicate), "{line:?}");
                (number_of(&line.text), line.kind == LineKind::Record)
            })
            .collect();
        assert_eq!(stored, self.model.stored, "lines in order, counted or not");
        assert_eq!(calls.0, self.model.calls.values().sum::<u64>(), "calls");
        let revisions: HashMap<Date, u32> = rows.iter().map(|row| (row.date, row.revision)).collect();
        self.model.made_anew(|date| revisions.get(&date).copied().unwrap_or(0));
        let found: Vec<_> = rows.iter().map(|row| (row.date, row.revision, row.state)).collect();
        let expected: Vec<_> = self.model.days.iter().map(|(date, day)| (*date, day.revision, day.state)).collect();
        assert_eq!(found, expected, "documents by newest revision");
        assert_eq!((closed.0.iter().sum::<u64>(), closed.1), (expected.len() as u64, expected.len() as u64));
        for row in &rows {
            let shown = *self.seen.entry((row.date, row.revision)).or_insert_with(|| {
                let document: Value = serde_json::from_slice(&row.body).unwrap();
                document["totals"]["inbound"]["calls_seen"].as_u64().unwrap()
            });
            assert_eq!(shown, self.model.days[&row.date].shown, "calls in the document of {}", row.date);
        }
        let held = self.world.archive.manifest("A81001", "main", None, None).unwrap();
        let kept: Vec<_> = held.iter().map(|entry| (entry.date, entry.revision)).collect();
        let expected: Vec<_> = self.model.supplier.iter().map(|(date, revision)| (*date, *revision)).collect();
        assert_eq!(kept, expected, "what the supplier has");
        for row in rows.iter().filter(|row| row.state == OutboxState::Receipted) {
            let theirs = held.iter().find(|entry| entry.date == row.date).unwrap();
            assert_eq!((theirs.revision, &theirs.sha256), (row.revision, &row.sha256), "{}: receipted", row.date);
        }
    }

    /// In the end everything that is closed is delivered, and what must always hold does.
    async fn ends(mut self) {
        self.commits().await;
        self.passes(SignedDuration::from_hours(30)).await;
        self.agrees().await;
        self.pushes(&[]).await;
        self.agrees().await;
        assert!(self.model.pending().is_empty());
        let (snapshot, difference, integrity) = self
            .world
            .with(|keeper| {
                let difference = rebuild(keeper, false).unwrap();
                (snapshot(keeper, true).unwrap(), difference, keeper.store.integrity().unwrap())
            })
            .await;
        super::promises::assert_identities(&serde_json::to_value(snapshot).unwrap());
        assert!(difference.is_none(), "{difference:?}");
        assert_eq!(integrity, "ok");
    }
}

async fn plays(steps: &[Step]) {
    let mut pair = Pair::new().await;
    for step in steps {
        pair.step(step).await;
    }
    pair.ends().await;
}

#[test]
fn store_outbox_and_receiver_agree_with_the_model() {
    let cases = tries(64, 10_000);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // Found once: the night comes a second time, since the clock was set back an hour and the box started anew.
    let line = Step::Line(1, 0);
    let twice = [line.clone(), Step::Pass(114), Step::ClockSet(-1), Step::Restart, line.clone(), Step::Pass(6)];
    runtime.block_on(plays(&twice));
    // Found once: what was not known of a buffer kept callers that were told apart by the key of the day before.
    let over_midnight = [
        Step::Pass(2),
        line.clone(),
        Step::Restart,
        Step::Line(1, 1),
        Step::Pass(88),
        line.clone(),
        Step::Redump(3, None),
    ];
    runtime.block_on(plays(&over_midnight));
    let outcome = TestRunner::new(config).run(&prop::collection::vec(step(), 1..24), |steps| {
        catch_unwind(AssertUnwindSafe(|| runtime.block_on(plays(&steps)))).map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            TestCaseError::fail(text.unwrap_or_else(|| "it panicked".to_owned()))
        })
    });
    if let Err(error) = outcome {
        let _ = writeln!(std::io::stderr(), "{error}");
        panic!("{error}");
    }
    figures("F30 model", &format!("{cases} sequences"), "store, outbox and receiver as the model says after each step");
}
