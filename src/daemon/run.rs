//! The daemon's main loop: sources in, lines through the readers, everything else on time.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use zeroize::Zeroize as _;

use super::alerting;
use super::answers;
use super::box_clock::{Stepped, Watchmaker};
use super::carry::carry;
use super::desk::Desk;
use super::ending;
use super::files;
use super::handover::{self, Inheritance, Left};
use super::hold::{Hold, SharedHold};
use super::keeper::{Event, Keeper};
use super::keys::KeyRing;
use super::memory;
use super::orders::Orders;
use super::prune;
use super::pulse;
use super::reader::{Gate, Reader};
use super::relays;
use super::reload::{self, Reloaded};
use super::retry::Retry;
use super::setup::{Lock, SetUpError, SourcePlan};
use super::tap::{self, Taps};
use crate::call::replay;
use crate::clock::Clock;
use crate::config::Config;
use crate::control::{self, Refusal, Request};
use crate::notify;
use crate::privacy::Privacy;
use crate::source::{self, Cause, Handover, Happening, LinkState, Spec};

/// Silence, on the machine's clock, after which half a line or half a group is taken to be all.
const IDLE: Duration = Duration::from_secs(3);
/// How often to look for silence.
const LOOK: Duration = Duration::from_millis(500);
/// How often time is looked at: civil, and at least this long on the machine's clock.
pub(super) const TICK: (Duration, Duration) = (Duration::from_secs(60), Duration::from_millis(500));

/// What ends the daemon before it has begun.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not be set up.
    #[error(transparent)]
    SetUp(#[from] SetUpError),
    /// The database could not be used.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// A source cannot be.
    #[error(transparent)]
    Source(#[from] source::SpecError),
    /// The operating system refused something the daemon cannot be without.
    #[error("{doing}: {reason}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// Why not.
        reason: std::io::Error,
    },
}

/// Runs until SIGTERM or SIGINT.
pub fn run(config: Config, clock: Clock) -> Result<(), RunError> {
    let system = |doing| move |reason| RunError::System { doing, reason };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(system("starting the runtime"))?;
    // Before anything is taken over from the run before: an order to stop that comes meanwhile is obeyed as any other.
    let orders = {
        let _within = runtime.enter();
        Orders::listen().map_err(system("listening for signals"))?
    };
    let mut inheritance = Inheritance::take();
    memory::seal();
    memory::keep_files_private();
    let _lock = Lock::take(&config.state_dir)?;
    let mut keeper = Keeper::open(config.clone(), clock)?;
    let today = keeper.date(clock.now());
    let next_peer = keeper.store.read().largest_peer()?.saturating_add(1).min(1 << 31);
    let (ring, peers) = KeyRing::open(&config.runtime_dir, today, next_peer).map_err(system("keeping the keys"))?;
    if ring.is_new() {
        keeper.key_is_new()?;
    }
    let gate = Gate { privacy: Privacy::new(config.number_plan(), keeper.linked, peers), ring };
    keeper.hold = match config.privacy.hold_unparsed {
        true => Hold::open(&clock).into(),
        false => Hold::off("by configuration (privacy.hold-unparsed)").into(),
    };
    let rules = Rules { plans: keeper.plans.clone(), ids: keeper.ids.clone(), hold: keeper.hold.clone() };
    let taps = Taps::default();
    let mut readers = HashMap::new();
    let mut specs = Vec::new();
    for (plan, source) in keeper.plans.iter().zip(&config.source) {
        let Some(row) = keeper.row(&plan.name) else { continue };
        let reader = Reader::new(row.id, plan.plan.clone(), plan.zone.clone(), row.state.clone(), row.next_seq);
        readers.insert(row.id, reader.holding(rules.hold.clone()).tapped(taps.clone()));
        specs.push(Spec::from_config(row.id, source)?.with_locks(&config.runtime_dir));
    }
    if inheritance.illegible || !inheritance.unreadable.is_empty() {
        keeper.note_unreadable(inheritance.unreadable.len())?;
    }
    let rests = inheritance.rests(&specs);
    let gone_on: BTreeSet<u64> = rests.iter().map(|left| left.connection).collect();
    let open = keeper.go_on(&inheritance.unbroken(&specs), &gone_on)?;
    let links = open.into_iter().map(|source| (source, Link { in_books: true, ..Link::default() })).collect();
    for Left { source, connection, rest, .. } in rests {
        if let Some(reader) = readers.get_mut(&source) {
            reader.go_on(connection, &rest);
        }
    }
    let (desk, writer) = Desk::start(keeper).map_err(system("starting the writer"))?;
    let names = specs.iter().map(|spec: &Spec| (spec.id, spec.name.clone())).collect();
    let specs = specs.into_iter().map(|spec| spec.with_ledger(files::ledger(&desk))).collect();
    let watchmaker = Watchmaker::new(clock);
    let daemon =
        Loop { watchmaker, config, clock, gate, readers, rules, links, names, gone_on, left: Vec::new(), desk, taps };
    let result = runtime.block_on(daemon.run(specs, inheritance.links, orders));
    drop(runtime);
    // The writer ends when nobody can reach it any more, and only after everything is stored.
    let _ = writer.join();
    result
}

struct Loop {
    watchmaker: Watchmaker,
    config: Config,
    clock: Clock,
    gate: Gate,
    readers: HashMap<u16, Reader>,
    rules: Rules,
    links: HashMap<u16, Link>,
    names: HashMap<u16, String>,
    /// Links of the run before that go on as if nothing had been.
    gone_on: BTreeSet<u64>,
    /// Links that stay open behind this process.
    left: Vec<Left>,
    desk: Desk,
    taps: Taps,
}

/// What the sources' lines are read by.
struct Rules {
    plans: Vec<SourcePlan>,
    ids: HashMap<String, u16>,
    hold: SharedHold,
}

/// Somebody asks for the dialects to be read again, and waits to be told what came of it.
type Asked = (String, oneshot::Sender<Reloaded>);

#[derive(Default)]
struct Link {
    connections: u32,
    heard: Option<Instant>,
    /// It has been silent for a while, and that is known.
    quiet: bool,
    /// The file that is being read.
    file: Option<u64>,
    /// The books have it up. A link of the run before that goes on unbroken is, before it is heard of.
    in_books: bool,
}

impl Loop {
    async fn run(mut self, specs: Vec<Spec>, before: Handover, orders: Orders) -> Result<(), RunError> {
        let system = |doing| move |reason| RunError::System { doing, reason };
        let (ask, mut asked) = mpsc::channel::<Asked>(1);
        let (stop, stopped) = watch::channel(false);
        let (sender, mut happenings) = mpsc::channel(64);
        let (desk, config, clock) = (self.desk.clone(), self.config.clone(), self.clock);
        let taps = self.taps.clone();
        let answer = move |request, who: String, exchange| {
            let (desk, config, ask, taps) = (desk.clone(), config.clone(), ask.clone(), taps.clone());
            async move {
                match request {
                    Request::ReloadDialects => ask_to_reload(&ask, who).await,
                    Request::Tap(look) => tap::serve(&desk, &taps, &who, look, exchange).await,
                    request => answers::converse(&desk, &config, clock, &who, request, exchange).await,
                }
            }
        };
        let server = control::serve(&self.config.runtime_dir, answer).map_err(system("opening the control socket"))?;
        let server = tokio::spawn(server);
        let names: Vec<String> = specs.iter().map(|spec| spec.name.clone()).collect();
        // Without a source nothing would hold the loop: the box is ready and idle until it is told to stop.
        let unconfigured = specs.is_empty().then(|| sender.clone());
        // Beside the loop, which is held back itself while the disk takes nothing and there is no more room.
        let Orders { stop: to_stop, mut hangup } = orders;
        let stopper = tokio::spawn(to_stop.obey(stop, unconfigured, self.desk.clone()));
        let sources = tokio::spawn(source::run_on(specs, self.clock, sender, stopped, before));
        let courier = tokio::spawn(carry(self.desk.clone(), self.config.clone(), self.clock));
        let progress = self.desk.progress();
        let pulse = tokio::spawn(pulse::beat(self.desk.clone(), self.desk.progress()));
        // The sources take their first steps before it is said that they are started: listeners are bound, ports opened.
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        let pruning = tokio::spawn(prune::nightly(self.desk.clone(), self.clock));
        notify::ready();
        notify::status(&match names.as_slice() {
            [] => alerting::idle(),
            names => format!("ready: {}", names.join(", ")),
        });
        tracing::info!(sources = names.len(), "ready");
        let alerts = tokio::spawn(alerting::watch(self.desk.clone(), self.config.clone(), self.clock));
        let mut look = tokio::time::interval(LOOK);
        let mut tick = tokio::time::interval(self.clock.real(TICK.0).max(TICK.1));
        loop {
            progress.turned();
            tokio::select! {
                // What waits for the writer must keep nobody from stopping us, or from asking.
                happening = next(&self.desk, &mut happenings) => match happening {
                    Some(happening) => self.happening(happening).await,
                    None => break,
                },
                _ = look.tick() => {
                    if self.desk.gives_up() {
                        break;
                    }
                    self.look().await;
                }
                _ = tick.tick() => self.tick().await,
                Some((who, answer)) = asked.recv() => { let _ = answer.send(self.reload(&who).await); }
                _ = hangup.recv() => { self.reload("SIGHUP").await; }
            }
        }
        stopper.abort();
        ending::unread(&mut happenings);
        let beside = [courier, pruning, server, alerts];
        beside.iter().for_each(tokio::task::JoinHandle::abort);
        for task in beside {
            let _ = task.await;
        }
        let _ = sources.await;
        let left = std::mem::take(&mut self.left);
        let (links, half) = (left.len(), handover::half_lines(&left));
        match self.desk.with(move |keeper| keeper.end(links, &half)).await {
            Some(Ok(true)) => handover::leave(left),
            Some(Ok(false)) => tracing::error!("not all that was read is stored: nothing is left to the next run"),
            Some(Err(error)) => {
                tracing::error!(%error, "the books could not be closed: nothing is left to the next run")
            }
            None => tracing::error!("the writer is gone"),
        }
        pulse.abort();
        let _ = pulse.await;
        let _ = std::fs::remove_file(control::path(&self.config.runtime_dir));
        tracing::info!("stopped");
        Ok(())
    }

    async fn happening(&mut self, happening: Happening) {
        match happening {
            Happening::Up { source, at, connection, what } => {
                tracing::info!(source, what, "link up");
                if !self.gone_on.remove(&connection) {
                    self.desk.tell(Event::Boundary(source)).await;
                }
                let link = self.links.entry(source).or_default();
                link.connections += 1;
                link.heard = Some(self.clock.instant());
                if !std::mem::replace(&mut link.in_books, true) {
                    self.desk.tell(Event::Up(source, at)).await;
                }
            }
            Happening::Bytes { source, at, connection, mut bytes, errors } => {
                if errors.parity_or_framing > 0 || errors.breaks > 0 {
                    tracing::warn!(source, ?errors, "noise on the line");
                }
                self.links.entry(source).or_default().heard = Some(self.clock.instant());
                self.turn().await;
                let reader = self.readers.get_mut(&source);
                let batch = reader.and_then(|reader| {
                    reader.noise(errors);
                    reader.bytes(&mut self.gate, connection, &bytes, at)
                });
                bytes.zeroize();
                if let Some(batch) = batch {
                    self.pass(batch).await;
                }
            }
            Happening::Text { source, at, connection, mut bytes, sequence, stored } => {
                self.links.entry(source).or_default().heard = Some(self.clock.instant());
                self.turn().await;
                let reader = self.readers.get_mut(&source);
                let batch = reader.and_then(|reader| reader.text(&mut self.gate, connection, &bytes, at, sequence));
                bytes.zeroize();
                if let Some(batch) = batch {
                    self.pass(batch).await;
                }
                tokio::spawn(ending::receipt(self.desk.clone(), stored));
            }
            Happening::Part { source, at, connection, mut bytes, mark } => {
                // The file's end closes groups, not silence: nobody prints it meanwhile.
                let link = self.links.entry(source).or_default();
                link.heard = None;
                if link.file.replace(connection) != Some(connection) {
                    self.desk.tell(Event::Boundary(source)).await;
                }
                self.turn().await;
                let reader = self.readers.get_mut(&source);
                let batch = reader.map(|reader| reader.part(&mut self.gate, connection, &bytes, at, mark));
                bytes.zeroize();
                if let Some(batch) = batch {
                    self.pass(batch).await;
                }
            }
            Happening::Removed { file, .. } => self.desk.tell(Event::Removed(file)).await,
            Happening::Trouble { source, problems } => {
                files::in_the_way(&self.desk, self.name(source), source, problems).await;
            }
            Happening::Relay { source, at, news } => {
                relays::happened(&self.desk, self.name(source), source, at, news).await;
            }
            Happening::Down { source, at, connection, cause } => {
                tracing::warn!(source, %cause, "link down");
                if let Some(reader) = self.readers.get_mut(&source)
                    && let Some(batch) = reader.link_ended(&mut self.gate, connection, at, &cause)
                {
                    self.pass(batch).await;
                }
                let link = self.links.entry(source).or_default();
                link.connections = link.connections.saturating_sub(1);
                self.unless_connected(source, at, &cause).await;
            }
            Happening::Parked { source, connection, state, .. } => self.park(source, connection, state),
            Happening::Waiting { source, at, cause, attempt } => {
                if attempt == 1 {
                    tracing::warn!(source, %cause, "no link yet");
                }
                self.unless_connected(source, at, &cause).await;
            }
            Happening::Listening { source, address, .. } => tracing::info!(source, %address, "listening"),
            Happening::Refused { at, peer, address, cause, times } => {
                tracing::warn!(%peer, %address, %cause, times, "a connection was refused");
                self.desk.with(move |keeper| keeper.turned_away.add(peer, address, cause.code(), times, at)).await;
            }
        }
    }

    /// Notes that the source has no link, if it has none and the books do not know it yet.
    async fn unless_connected(&mut self, source: u16, at: jiff::Timestamp, cause: &Cause) {
        let link = self.links.entry(source).or_default();
        if link.connections == 0 && std::mem::take(&mut link.in_books) {
            self.desk.tell(Event::Down(source, at, cause.code().to_owned())).await;
        }
    }

    /// The link stays open for the next run, and in the books.
    fn park(&mut self, source: u16, connection: u64, state: LinkState) {
        tracing::info!(source, "link left open");
        let rest = self.readers.get_mut(&source).map(|reader| reader.park(connection)).unwrap_or_default();
        self.left.push(Left { source, connection, rest, state });
    }

    fn name(&self, source: u16) -> &str {
        self.names.get(&source).map_or("", String::as_str)
    }

    async fn pass(&mut self, batch: super::books::Batch) {
        let fresh = self.gate.privacy.peers_mut().take_fresh();
        if let Err(error) = self.gate.ring.keep(&fresh) {
            tracing::warn!(%error, "peers could not be kept for a restart");
        }
        self.desk.tell(Event::Lines(batch)).await;
    }

    /// The box's clock was set. The writer sees that for itself.
    async fn stepped(&mut self, step: Stepped) {
        tracing::warn!(from = %step.from, to = %step.to, "the box's clock was set");
        self.gate.privacy.peers_mut().stepped(i64::try_from(step.by().as_millis()).unwrap_or(0));
        self.tick().await;
    }

    /// Takes half a line or half a group for all, where nothing has come for a while.
    async fn look(&mut self) {
        let (step, passed) = self.watchmaker.look();
        if let Some(step) = step {
            self.stepped(step).await;
        }
        // While we were held up ourselves nothing was listened to: that is no silence of a PBX.
        let late = passed.saturating_sub(LOOK);
        for heard in self.links.values_mut().filter_map(|link| link.heard.as_mut()).filter(|_| late >= LOOK) {
            *heard += late;
        }
        if self.desk.is_behind() {
            return;
        }
        let now = self.clock.instant();
        let at = self.clock.now();
        let mut batches = Vec::new();
        for (source, reader) in &mut self.readers {
            // Silence counts from when the link came up: a record that was half printed before a restart goes on then.
            let heard = self.links.get(source).and_then(|link| link.heard);
            if reader.waits()
                && heard.is_some_and(|heard| now.duration_since(heard) >= IDLE)
                && let Some(batch) = reader.idle(&mut self.gate, at)
            {
                batches.push(batch);
            }
        }
        for batch in batches {
            self.pass(batch).await;
        }
        let patience = Duration::try_from(replay::PATIENCE).unwrap_or(IDLE);
        let quiet = |link: &Link| link.heard.is_some_and(|heard| now.duration_since(heard) >= patience);
        // Once a silence: what waits for its verdict does so for no longer.
        let mut falls_silent = false;
        for link in self.links.values_mut() {
            let is_quiet = quiet(link);
            falls_silent |= is_quiet && !std::mem::replace(&mut link.quiet, is_quiet);
            link.quiet = is_quiet;
        }
        if falls_silent {
            let decided = self.desk.with(move |keeper| keeper.decide(at)).await;
            if let Some(Err(error)) = decided {
                tracing::error!(%error, "what repeats and what does not could not be noted");
            }
        }
    }

    /// Replaces the day's key at local midnight.
    async fn turn(&mut self) {
        let zone = self.config.time_zone();
        let today = crate::aggregate::slots::date_of(&zone, self.clock.now());
        if !self.gate.ring.turns(today) {
            return;
        }
        // Noted first: after a kill in between nobody takes what was made with two keys for one.
        self.desk.tell(Event::NewKey).await;
        self.desk.with(|_| ()).await;
        if let Err(error) = self.gate.ring.turn(today) {
            tracing::error!(%error, "the day's key could not be kept for a restart");
        }
        self.readers.values_mut().for_each(Reader::new_day);
    }

    /// Reads the dialect files again. Nothing is read meanwhile: what comes waits on its link.
    async fn reload(&mut self, who: &str) -> Reloaded {
        notify::reloading();
        self.turn().await;
        let prepared = reload::prepare(&self.config, &self.rules.plans);
        self.rules.plans = prepared.plans.clone();
        let at = self.clock.now();
        for plan in prepared.plans.iter().filter(|plan| prepared.replaced.contains(&plan.name)) {
            let reader = self.rules.ids.get(&plan.name).and_then(|id| self.readers.get_mut(id));
            if let Some(batch) = reader.and_then(|reader| reader.adopt(plan.plan.clone(), at)) {
                self.pass(batch).await;
            }
        }
        let zone = self.config.time_zone();
        let today = crate::aggregate::slots::date_of(&zone, at);
        let (privacy, keys) = (self.gate.privacy.aside(), self.gate.ring.keys().clone());
        let retry = Retry::new(self.rules.hold.clone(), privacy, keys, today, zone);
        let report = prepared.report.clone();
        let asker = who.to_owned();
        let in_force = self.desk.with(move |keeper| reload::put_in_force(keeper, prepared, retry, &asker)).await;
        let report = match in_force {
            Some(in_force) => {
                self.gate.privacy.rejoin(in_force.retry.privacy);
                for (source, state) in in_force.states {
                    if let Some(reader) = self.readers.get_mut(&source) {
                        reader.resume(state);
                    }
                }
                in_force.report
            }
            None => Reloaded { well: false, trouble: Some("the writer is gone".to_owned()), ..report },
        };
        notify::ready();
        report
    }

    async fn tick(&mut self) {
        self.turn().await;
        self.rules.hold.get().expire(self.clock.instant());
        match self.desk.with(|keeper| keeper.tick()).await {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::error!(%error, "the books could not be brought up to date"),
            None => tracing::error!("the writer is gone"),
        }
    }
}

/// What happens next, once the writer can take it.
async fn next(desk: &Desk, happenings: &mut mpsc::Receiver<Happening>) -> Option<Happening> {
    desk.room().await;
    happenings.recv().await
}

async fn ask_to_reload(ask: &mpsc::Sender<Asked>, who: String) -> Result<serde_json::Value, Refusal> {
    let stopping = || Refusal::new("the daemon is stopping", "start it again: it reads dialects at its start");
    let (answer, answered) = oneshot::channel();
    ask.send((who, answer)).await.map_err(|_| stopping())?;
    let reloaded = answered.await.map_err(|_| stopping())?;
    serde_json::to_value(reloaded).map_err(|error| Refusal::new(error, "report this"))
}
