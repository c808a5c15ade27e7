//! The desk that has the database: takes portions of lines, closes days, renders documents and answers questions. The
//! daemon runs it in the writer thread; a verb without a daemon runs it in its own process.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::books::{Batch, Books, Portion};
use super::box_clock::{Leap, Timeline, Watchmaker};
use super::days::note_left_open;
use super::doubts::ClockDoubted;
use super::hold::{Hold, SharedHold};
use super::loss;
use super::marks::MarksFile;
use super::numbered;
use super::observed::Errors;
use super::pulse::Progress;
use super::relays::Relays;
use super::reload::Reloaded;
use super::repeats::note_new_key;
use super::setup::{self, SetUpError, SourcePlan};
use super::silence::{self, Ear};
use super::turned_away::Callers;
pub use super::waiting::Waiting;
use crate::aggregate::sequence::{Numbers, Sequence};
use crate::aggregate::slots::date_of;
use crate::alert::Book;
use crate::call::Owner;
use crate::clock::Clock;
use crate::config::Config;
use crate::store::{EventCause, SourceRow, Store, StoreError, Wire, Work};

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
    /// The day's key was replaced.
    NewKey,
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
pub(super) const HALF_LINES: &str = "half_lines";

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
    /// The box's own clock is not trusted at present.
    pub(super) clock_doubted: Option<ClockDoubted>,
    /// Lines that could not be stored before the daemon had to stop.
    pub(super) given_up: u64,
    /// Lines that no rule understands, as they came.
    pub hold: SharedHold,
    /// What the last reload of dialects came to.
    pub reloaded: Option<Reloaded>,
    /// Files of drop folders that are in the way, by the number of their source.
    pub files_in_the_way: BTreeMap<u16, Vec<String>>,
    /// How relays are.
    pub relays: Relays,
    /// What was told of what is wrong, and what is still to be told.
    pub alerts: Book,
    /// How alerts stand in the database.
    pub(super) kept_alerts: String,
    /// That work goes on, for the watchdog.
    pub(super) progress: Arc<Progress>,
    /// Who was turned away.
    pub turned_away: Callers,
    pub(super) zone: TimeZone,
    pub(super) books: Books,
    pub(super) rows: HashMap<u16, SourceRow>,
    pub(super) next_nightly: Timestamp,
    /// Since when the box's clock runs as it does; nothing before collecting begins.
    pub(super) timeline: Option<Timeline>,
    /// Notices when it is set.
    pub(super) watchmaker: Option<Watchmaker>,
    /// It went ahead further than is believed at once.
    pub(super) leap: Option<Leap>,
    /// Whether this process hears the PBXs; a verb without a daemon does not.
    pub(super) collecting: bool,
    /// The books are not what is stored: a change of them failed half-way.
    pub(super) astray: bool,
    /// The sources that were looked at for repetitions after the last change that did not fail.
    looking: Vec<u16>,
    /// When this run began to collect.
    pub(super) began: Option<Timestamp>,
    /// What is known of each source's talking.
    pub(super) ears: BTreeMap<u16, Ear>,
    /// What was heard of late is to be counted again from the lines that are stored.
    pub(super) hears_anew: bool,
    /// How the sources whose PBX numbers its records do so …
    pub(super) numbers: BTreeMap<u16, Numbers>,
    /// … and how far those numbers have come.
    pub(super) sequences: BTreeMap<u16, Sequence>,
    /// Bytes in error that came from each source.
    pub(super) errors: BTreeMap<u16, Errors>,
    /// The day on which what was heard long ago was last forgotten.
    pub(super) heard_since: Option<Date>,
    /// How far the numbering has come.
    pub(super) marks: MarksFile,
    /// How it showed that the database is damaged, until a fresh one goes on.
    pub(super) damage: Option<String>,
    /// How often in a row it looked damaged and was found whole.
    pub(super) suspicions: u32,
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
            timeline: None,
            watchmaker: None,
            leap: None,
            collecting: false,
            astray: false,
            looking: Vec::new(),
            began: None,
            ears: BTreeMap::new(),
            hears_anew: true,
            numbers: BTreeMap::new(),
            sequences: BTreeMap::new(),
            errors: BTreeMap::new(),
            heard_since: None,
            marks,
            damage: None,
            suspicions: 0,
            up: BTreeSet::new(),
            zone,
            linked,
            trouble: None,
            waiting: None,
            clock_doubted: None,
            given_up: 0,
            hold: Hold::off("no daemon is running").into(),
            reloaded: None,
            files_in_the_way: BTreeMap::new(),
            relays: Relays::new(),
            alerts: Book::default(),
            kept_alerts: String::new(),
            progress: Arc::default(),
            turned_away: Callers::default(),
            plans,
            ids,
            store,
            books,
            rows: HashMap::new(),
            config,
            clock,
        };
        keeper.books.measures = !keeper.clock.is_fast();
        keeper.load_rows()?;
        keeper.note_loss(loss, &before)?;
        keeper.note_marks();
        keeper.marks.sync();
        keeper.load_alerts()?;
        keeper.next_nightly = keeper.nightly_after(keeper.clock.now())?;
        Ok(keeper)
    }

    /// Notes that the day's key is a new one: who called before cannot be compared with who calls from now on.
    pub fn key_is_new(&mut self) -> Result<(), StoreError> {
        let work = self.store.begin()?;
        note_new_key(&work, self.rows.values().map(|row| (row.id, row.next_seq)))?;
        work.commit()?;
        self.books.forget_callers();
        Ok(())
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
        let half: Vec<HalfLine> = match serde_json::from_str(&half) {
            Ok(half) => half,
            Err(_) if half.is_empty() => Vec::new(),
            Err(error) => {
                tracing::error!(%error, "which half lines the run before left cannot be read: they are not counted");
                Vec::new()
            }
        };
        let unreadable = self.store.read().unreadable_states()?;
        let left_open =
            self.alive()?.map(|alive| self.date(alive)).filter(|date| *date < self.oldest_day(self.clock.now()));
        let open = self.end_abandoned_links(unbroken)?;
        self.up = open.clone();
        self.collecting = true;
        let now = self.clock.now();
        self.began = Some(now);
        self.begin_timeline(now)?;
        let trusted = self.clock_is_doubted(now).is_none();
        let first_try = self.first_try(now)?;
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
        if trusted {
            if let Some(date) = left_open {
                note_left_open(&work, date)?;
            }
            note_first_day(&work, date_of(&self.zone, now))?;
            work.bring_forward(now)?;
        }
        work.set_meta("alive_ms", &now.as_millisecond().to_string())?;
        let going_on = open.iter().filter_map(|id| self.plans.iter().find(|plan| self.ids.get(&plan.name) == Some(id)));
        let names: Vec<&str> = going_on.map(|plan| plan.name.as_str()).collect();
        let began = match names.as_slice() {
            [] => "started".to_owned(),
            names => format!("started; the links of {} go on", names.join(", ")),
        };
        work.audit(now, "smdrd", &began)?;
        for source in unreadable {
            tracing::error!(source, "where its dialect stood cannot be read: it begins anew, a half record is lost");
            work.audit(now, "smdrd", &format!("{source}: where its dialect stood cannot be read; it begins anew"))?;
        }
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

    /// Takes up what happened, all of it in one transaction. When that fails nothing of it is in the books either,
    /// and the same events can be given again.
    pub fn take(&mut self, events: &[Event]) -> Result<(), StoreError> {
        self.find_way()?;
        let result = self.try_take(events);
        let result = self.changed(result);
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
        if self.numbers.is_empty() {
            let ids = self.ids.values().copied();
            self.numbers = ids.filter_map(|id| Some((id, self.numbers_of(id)?))).collect();
        }
        let work = self.store.begin()?;
        let mut portion = Portion::default();
        for event in events {
            match event {
                Event::Lines(batch) => {
                    if let Some(row) = self.rows.get_mut(&batch.source) {
                        self.books.take(&work, &mut portion, row, batch)?;
                        // What comes out of a folder says nothing of when it was said.
                        if self.plans.iter().any(|plan| plan.live && self.ids.get(&plan.name) == Some(&batch.source)) {
                            let ear = self.ears.entry(batch.source).or_default();
                            silence::hear(&work, ear, &self.zone, batch)?;
                        }
                        if let Some(numbers) = self.numbers.get(&batch.source) {
                            let sequence = match self.sequences.entry(batch.source) {
                                Entry::Occupied(known) => known.into_mut(),
                                Entry::Vacant(place) => place.insert(numbered::stood(&work.read(), batch.source)?),
                            };
                            numbered::take(&work, sequence, *numbers, &self.zone, batch)?;
                        }
                    }
                }
                Event::Boundary(source) => self.books.boundary(&work, &mut portion, *source)?,
                Event::Up(source, at) => work.link_up(*source, *at)?,
                Event::Down(source, at, cause) => {
                    self.books.cut_off(&work, &mut portion, *source)?;
                    silence::end_event(&work, &self.zone, Some(*source), EventCause::Silence, *at)?;
                    if let Some(ear) = self.ears.get_mut(source) {
                        (ear.silent, ear.looked) = (false, None);
                    }
                    work.link_down(*source, *at, cause)?;
                }
                Event::NewKey => {
                    note_new_key(&work, self.rows.values().map(|row| (row.id, row.next_seq)))?;
                    self.books.forget_callers();
                }
                Event::Removed(file) => work.forget_file(file)?,
                Event::Audit(at, what) => work.audit(*at, "smdrd", what)?,
            }
        }
        self.books.finish(&work, portion)?;
        // Lines bear the time themselves.
        if self.collecting && !events.iter().any(|event| matches!(event, Event::Lines(_))) {
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
        self.books.look_on(&self.looking);
        self.books.measures = !self.clock.is_fast();
        // What is known of silence is found again in the database.
        self.ears.clear();
        self.hears_anew = true;
        self.sequences.clear();
        self.numbers.clear();
        self.load_rows()
    }

    /// Notes how a change of the books ended.
    pub(super) fn changed(&mut self, result: Result<(), StoreError>) -> Result<(), StoreError> {
        self.astray = result.is_err();
        if !self.astray {
            self.suspicions = 0;
            self.looking = self.books.looking();
        }
        result
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

/// Remembers the first day of collecting, by a clock that is trusted.
pub(super) fn note_first_day(work: &Work<'_>, today: Date) -> Result<(), StoreError> {
    let known = work.read().meta("first_day")?.and_then(|text| text.parse::<Date>().ok());
    // One that lies ahead was noted by a clock that was wrong.
    if known.is_none_or(|known| known.duration_since(today).as_hours() > 48) {
        work.set_meta("first_day", &today.to_string())?;
    }
    Ok(())
}
