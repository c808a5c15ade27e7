//! The desk that has the database: takes portions of lines, closes days, renders documents and answers questions. The
//! daemon runs it in the writer thread; a verb without a daemon runs it in its own process.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::books::{Batch, Books, Portion};
use super::disk::Reserve;
use super::hold::{Hold, SharedHold};
use super::loss;
use super::marks::MarksFile;
use super::relays::Relays;
use super::reload::Reloaded;
use super::setup::{self, SetUpError, SourcePlan};
pub use super::waiting::Waiting;
use crate::aggregate::slots::date_of;
use crate::call::Owner;
use crate::clock::Clock;
use crate::config::Config;
use crate::push::schedule::nightly;
use crate::store::{SourceRow, Store, StoreError, Wire, Work};

/// A box that says it is earlier does not know the time yet.
const NO_EARLIER: Date = Date::constant(2026, 1, 1);

/// One thing that happened on the reading side.
// Nearly all are lines, so room for lines is no waste.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone)]
pub enum Event {
    /// Lines.
    Lines(Batch),
    /// The first connection of a source came up.
    Up(u16, Timestamp),
    /// A connection of a source came up, or a file began: the PBX may print again what it has printed before.
    Boundary(u16),
    /// The last connection of a source went down, with the cause in one word.
    Down(u16, Timestamp, String),
    /// A file of a drop folder is gone.
    Removed(String),
    /// Something that is audited, by the daemon itself.
    Audit(Timestamp, String),
}

/// A line that a stop cut in two. Its second half makes it whole in the next run, if that takes the link up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HalfLine {
    /// Its source.
    pub source: u16,
    /// The number of its link.
    pub connection: u64,
    /// How long the half is.
    pub bytes: u64,
}

/// Where half lines are noted until the next run.
const HALF_LINES: &str = "half_lines";

/// The database and everything that is derived from it.
#[derive(Debug)]
pub struct Keeper {
    /// The configuration.
    pub config: Config,
    /// The clock.
    pub clock: Clock,
    /// The sources' plans, in order.
    pub plans: Vec<SourcePlan>,
    /// Number of each source by name.
    pub ids: HashMap<String, u16>,
    /// The database.
    pub store: Store,
    /// Whether calls of one number are linked within the day.
    pub linked: bool,
    /// Why nothing can be stored at present.
    pub trouble: Option<String>,
    /// What waits in memory until it can be.
    pub waiting: Option<Waiting>,
    /// Lines that no rule understands, as they came.
    pub hold: SharedHold,
    /// What the last reload of dialects came to.
    pub reloaded: Option<Reloaded>,
    /// Files of drop folders that are in the way, by the number of their source.
    pub files_in_the_way: BTreeMap<u16, Vec<String>>,
    /// How relays are.
    pub relays: Relays,
    pub(super) zone: TimeZone,
    pub(super) books: Books,
    pub(super) rows: HashMap<u16, SourceRow>,
    pub(super) next_nightly: Timestamp,
    /// Whether this process hears the PBXs; a verb without a daemon does not.
    pub(super) collecting: bool,
    /// The books are not what is stored: a change of them failed half-way.
    pub(super) astray: bool,
    /// How far the numbering has come.
    pub(super) marks: MarksFile,
    /// How it showed that the database is damaged, until a fresh one goes on.
    pub(super) damage: Option<String>,
    /// The daemon is on its way down.
    pub(super) stopping: bool,
    /// The sources whose links are up in the books.
    pub(super) up: BTreeSet<u16>,
}

impl Keeper {
    /// Opens the database. The caller holds the lock.
    pub fn open(config: Config, clock: Clock) -> Result<Keeper, SetUpError> {
        setup::check_clock(&config, &clock)?;
        let plans = SourcePlan::all(&config)?;
        let marks = MarksFile::open(&config.state_dir);
        let before = marks.marks.clone();
        let (mut store, loss) = loss::open(&config, clock.now())?;
        loss::begin(&mut store, &config, &plans, &before, loss.as_ref())?;
        let (store, books, ids) = setup::open(&config, &plans, store)?;
        let zone = config.time_zone();
        let linked = setup::links_calls(&config, &clock);
        let mut keeper = Keeper {
            next_nightly: Timestamp::MAX,
            collecting: false,
            astray: false,
            marks,
            damage: None,
            stopping: false,
            up: BTreeSet::new(),
            zone,
            linked,
            trouble: None,
            waiting: None,
            hold: Hold::off("no daemon is running").into(),
            reloaded: None,
            files_in_the_way: BTreeMap::new(),
            relays: Relays::new(),
            plans,
            ids,
            store,
            books,
            rows: HashMap::new(),
            config,
            clock,
        };
        keeper.load_rows()?;
        keeper.note_loss(loss, &before)?;
        keeper.note_marks();
        keeper.marks.sync();
        keeper.next_nightly = nightly(&keeper.device()?, &keeper.zone, keeper.clock.now());
        Ok(keeper)
    }

    fn load_rows(&mut self) -> Result<(), StoreError> {
        for plan in &self.plans {
            if let Some(row) = self.store.read().source(&plan.name)? {
                self.rows.insert(row.id, row);
            }
        }
        Ok(())
    }

    /// Where a source stands.
    pub fn row(&self, name: &str) -> Option<&SourceRow> {
        self.ids.get(name).and_then(|id| self.rows.get(id))
    }

    /// Name of the box.
    pub fn device(&self) -> Result<String, StoreError> {
        match &self.config.device {
            Some(device) => Ok(device.get_ref().clone()),
            None => Ok(self.store.read().meta("device")?.unwrap_or_default()),
        }
    }

    /// The practices whose documents are sent.
    pub fn practices(&self) -> Vec<Owner> {
        let owner = |practice: &crate::config::Practice| Owner::Practice {
            ods: practice.ods.get_ref().as_str().into(),
            site: practice.site.get_ref().as_str().into(),
        };
        self.config.practice.iter().map(owner).collect()
    }

    /// Notes that collecting begins, with no link of an earlier run.
    pub fn begin(&mut self) -> Result<(), StoreError> {
        self.go_on(&BTreeSet::new(), &BTreeSet::new()).map(drop)
    }

    /// Notes that collecting begins: ends what an earlier run left open but for the links of sources that go on
    /// `unbroken`, counts what was cut off lines that are not gone on with on one of the links `gone_on`, and remembers
    /// the first day. Gives the sources whose links are open in the books.
    pub fn go_on(&mut self, unbroken: &BTreeSet<u16>, gone_on: &BTreeSet<u64>) -> Result<BTreeSet<u16>, StoreError> {
        let half = self.store.read().meta(HALF_LINES)?.unwrap_or_default();
        let half: Vec<HalfLine> = serde_json::from_str(&half).unwrap_or_default();
        let open = self.end_abandoned_links(unbroken)?;
        self.up = open.clone();
        self.collecting = true;
        let now = self.clock.now();
        let first_try = nightly(&self.device()?, &self.zone, now - SignedDuration::from_mins(5));
        let parked = self.store.read().parked()?;
        let work = self.store.begin()?;
        if self.config.supplier.as_ref().is_some_and(|supplier| !supplier.approve) {
            let released = work.release_held(first_try)?;
            if released > 0 {
                work.audit(now, "smdrd", &format!("released {released} held documents: a supplier is configured"))?;
            }
        } else {
            let held = work.hold_unapproved()?;
            if held > 0 {
                work.audit(now, "smdrd", &format!("held {held} documents: no supplier, or approval is wanted"))?;
            }
        }
        // Another version may render otherwise what the supplier refused.
        if work.read().meta("version")?.as_deref() != Some(env!("CARGO_PKG_VERSION")) {
            for row in parked {
                work.touch_day(&row.owner, row.date)?;
            }
            work.set_meta("version", env!("CARGO_PKG_VERSION"))?;
        }
        note_first_day(&work, date_of(&self.zone, now))?;
        work.set_meta("alive_ms", &now.as_millisecond().to_string())?;
        let going_on = open.iter().filter_map(|id| self.plans.iter().find(|plan| self.ids.get(&plan.name) == Some(id)));
        let names: Vec<&str> = going_on.map(|plan| plan.name.as_str()).collect();
        let began = match names.as_slice() {
            [] => "started".to_owned(),
            names => format!("started; the links of {} go on", names.join(", ")),
        };
        work.audit(now, "smdrd", &began)?;
        for lost in half.iter().filter(|half| !gone_on.contains(&half.connection)) {
            let cut = Wire { cut: lost.bytes, ..Wire::default() };
            work.add_wire(lost.source, date_of(&self.zone, now), &cut)?;
        }
        work.set_meta(HALF_LINES, "[]")?;
        let mut portion = Portion::default();
        for source in self.ids.values().filter(|source| !open.contains(source)) {
            self.books.cut_off(&work, &mut portion, *source)?;
        }
        self.books.finish(&work, portion)?;
        work.commit()?;
        Ok(open)
    }

    /// Notes that collecting ends with so many links left open for the next run, and the lines that are `half` read on
    /// them. Says whether everything that was read is stored.
    pub fn end(&mut self, links: usize, half: &[HalfLine]) -> Result<bool, StoreError> {
        self.tick()?;
        let work = self.store.begin()?;
        let ended = match links {
            0 => "stopped".to_owned(),
            links => format!("stopped; {links} link(s) left open for the next run"),
        };
        work.audit(self.clock.now(), "smdrd", &ended)?;
        work.set_meta(HALF_LINES, &serde_json::to_string(half).unwrap_or_default())?;
        work.commit()?;
        self.note_marks();
        self.marks.sync();
        Ok(self.trouble.is_none())
    }

    /// Ends the links that an earlier run left open, at the last moment it is known to have lived; not those of sources
    /// that go on `unbroken`. Gives the sources whose links are still open.
    pub fn end_abandoned_links(&mut self, unbroken: &BTreeSet<u16>) -> Result<BTreeSet<u16>, StoreError> {
        let alive = self.store.read().meta("alive_ms")?.and_then(|text| text.parse().ok());
        let Some(alive) = alive.and_then(|ms| Timestamp::from_millisecond(ms).ok()) else {
            return Ok(BTreeSet::new());
        };
        // Of what came after the last that is known, nothing is known where something was lost.
        let lost = loss::losses(&self.store)?.last().is_some_and(|loss| loss.at > alive && loss.settled.is_none());
        let cause = if lost { loss::CAUSE } else { "not-running" };
        let work = self.store.begin()?;
        let open = work.links_left_open(alive, unbroken, cause)?;
        work.commit()?;
        Ok(open)
    }

    /// Takes up what happened, all of it in one transaction. When that fails nothing of it is in the books either,
    /// and the same events can be given again.
    pub fn take(&mut self, events: &[Event]) -> Result<(), StoreError> {
        self.find_way()?;
        let result = self.try_take(events);
        self.astray = result.is_err();
        if result.is_ok() {
            for event in events {
                match event {
                    Event::Up(source, _) => drop(self.up.insert(*source)),
                    Event::Down(source, ..) => drop(self.up.remove(source)),
                    _ => {}
                }
            }
            self.note_marks();
        }
        result
    }

    /// Puts the books in step with what is stored, where a change failed half-way. Nothing else may be done with them
    /// before.
    pub(super) fn find_way(&mut self) -> Result<(), StoreError> {
        if let Some(why) = self.damage.clone() {
            self.begin_afresh(&why)?;
        }
        if self.astray {
            self.reload()?;
            self.astray = false;
        }
        Ok(())
    }

    fn try_take(&mut self, events: &[Event]) -> Result<(), StoreError> {
        let now = self.clock.now();
        let work = self.store.begin()?;
        let mut portion = Portion::default();
        for event in events {
            match event {
                Event::Lines(batch) => {
                    if let Some(row) = self.rows.get_mut(&batch.source) {
                        self.books.take(&work, &mut portion, row, batch)?;
                    }
                }
                Event::Boundary(source) => self.books.boundary(&work, &mut portion, *source)?,
                Event::Up(source, at) => work.link_up(*source, *at)?,
                Event::Down(source, at, cause) => {
                    self.books.cut_off(&work, &mut portion, *source)?;
                    work.link_down(*source, *at, cause)?;
                }
                Event::Removed(file) => work.forget_file(file)?,
                Event::Audit(at, what) => work.audit(*at, "smdrd", what)?,
            }
        }
        self.books.finish(&work, portion)?;
        if self.collecting {
            work.set_meta("alive_ms", &now.as_millisecond().to_string())?;
        }
        work.commit()
    }

    /// Goes on by other rules.
    pub(super) fn replan(&mut self, plans: Vec<SourcePlan>) -> Result<(), StoreError> {
        self.plans = plans;
        self.astray = true;
        self.find_way()
    }

    /// Notes that a change of the books may have failed half-way.
    pub(super) fn go_astray(&mut self) {
        self.astray = true;
    }

    /// Puts the books back to what is stored.
    fn reload(&mut self) -> Result<(), StoreError> {
        self.books = setup::books(&self.config, &self.store, &self.plans)?;
        self.load_rows()
    }

    /// What time brings: seals calls, closes days, rolls them up, and renders changed days when the nightly instant
    /// has come.
    pub fn tick(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.find_way()?;
        self.marks.sync();
        if self.collecting {
            Reserve::of(&self.config).make();
        }
        let result = self.try_tick(now);
        self.astray = result.is_err();
        result
    }

    /// Seals the calls whose time has passed.
    pub fn seal(&mut self, now: Timestamp) -> Result<(), StoreError> {
        self.find_way()?;
        let result = self.try_seal(now);
        self.astray = result.is_err();
        result
    }

    /// Decides which of the lines that wait for it repeat what was printed before, where no more came for a while by
    /// `now`.
    pub(super) fn decide(&mut self, now: Timestamp) -> Result<(), StoreError> {
        self.find_way()?;
        if !self.books.waits() {
            return Ok(());
        }
        let result = self.try_decide(now);
        self.astray = result.is_err();
        result
    }

    fn try_decide(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let work = self.store.begin()?;
        let mut portion = Portion::default();
        self.books.quiet(&work, &mut portion, now)?;
        self.books.finish(&work, portion)?;
        work.commit()
    }

    fn try_seal(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let open_day = self.first_open_day(now);
        let work = self.store.begin()?;
        let mut portion = Portion::default();
        self.books.tick(&work, &mut portion, now, open_day)?;
        self.books.finish(&work, portion)?;
        if self.collecting {
            note_first_day(&work, date_of(&self.zone, now))?;
            work.set_meta("alive_ms", &now.as_millisecond().to_string())?;
        }
        work.commit()
    }

    fn try_tick(&mut self, now: Timestamp) -> Result<(), StoreError> {
        self.try_seal(now)?;
        let nightly_due = now >= self.next_nightly;
        self.settle_days(now, nightly_due)?;
        if nightly_due {
            self.next_nightly = nightly(&self.device()?, &self.zone, now);
        }
        self.roll_up(now)
    }

    /// Puts the books in step after a rebuild.
    pub fn rebuilt(&mut self) -> Result<(), StoreError> {
        self.reload()
    }

    /// The instant at which changed days are rendered next.
    pub fn next_nightly(&self) -> Timestamp {
        self.next_nightly
    }

    /// Whether this process is the daemon: it hears the PBXs and keeps the schedule.
    pub fn collecting(&self) -> bool {
        self.collecting
    }

    /// The civil day of an instant at the practice, and its midnight.
    pub fn date(&self, instant: Timestamp) -> Date {
        date_of(&self.zone, instant)
    }
}

/// Remembers the first day of collecting. A box without a clock of its own begins long ago, until the network has told
/// it the time: no day is to be missed from back then.
fn note_first_day(work: &Work<'_>, today: Date) -> Result<(), StoreError> {
    if today >= NO_EARLIER && work.read().meta("first_day")?.is_none() {
        work.set_meta("first_day", &today.to_string())?;
    }
    Ok(())
}
