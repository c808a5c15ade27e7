//! Retention: each night what is older than the practice has it kept is taken away, in portions so small that a line that
//! comes meanwhile waits for one of them at most. Lines and calls stay counted; the room they took is given back, and
//! nothing of them stays in a free page or in the log.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};

use super::desk::Desk;
use super::disk::{Budget, note_early};
use super::keeper::Keeper;
use super::run::TICK;
use super::setup::SourcePlan;
use crate::aggregate::slots::{date_of, midnight};
use crate::call::{Owner, Wall};
use crate::clock::Clock;
use crate::dialect::{Line, Reading, SourceState};
use crate::number::Anonymous;
use crate::record::LineKind;
use crate::store::damage;
use crate::store::{Gone, LineAge, StoreError, StoredLine, StoredNumber};

/// Months that figures, documents and receipts are kept.
pub const FIGURES: i64 = 25;
/// Months that the audit is kept.
const AUDIT: i64 = 13;
/// Days that shapes are kept.
const SHAPES: i64 = 30;
/// Days that lines and calls are kept at the least, however little room there is.
pub const FEWEST: i64 = 8;
/// How long the copy is kept that is made before an upgrade.
const COPY: Duration = Duration::from_secs(8 * 24 * 3600);
/// Lines looked at, or taken away, at a time.
const PORTION: u32 = 200;
/// Rows of other kinds taken away at a time.
const ROWS: u32 = 20;
/// Free pages given back at a time.
const PAGES: u32 = 200;
/// How long others have the writer to themselves between two portions.
const PAUSE: Duration = Duration::from_millis(5);
/// How often the log is tried to be emptied while somebody reads.
const TRIES: u32 = 50;
/// The civil day on which the last pruning was done.
const DONE: &str = "pruned_on";

/// Why lines are taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It is time.
    Night,
    /// The database would outgrow its budget.
    Budget,
}

/// A pruning in progress.
#[derive(Debug)]
pub struct Pruning {
    why: Why,
    today: Date,
    now: Timestamp,
    /// The first day whose lines are kept.
    keep: Date,
    stage: Stage,
    gone: Gone,
    /// The first day whose figures are kept: those of lines that are kept are, also where a wild clock has put them in 1970.
    figures: Date,
    /// Something was taken away since the log was last carried into the file: that is a portion of its own.
    carry: bool,
}

#[derive(Debug)]
enum Stage {
    Lines(Vec<u16>, Option<Box<Scan>>),
    Days,
    Figures(Vec<Owner>),
    Audit,
    GiveBack,
    EmptyLog(u32),
    Over,
}

/// One source, line by line.
#[derive(Debug)]
struct Scan {
    source: u16,
    /// What its lines are read by, where that is known.
    plan: Option<SourcePlan>,
    /// A file that was imported.
    file: bool,
    next: u64,
    /// How the source stands before `next`, as long as every line so far is taken away.
    stands: Option<(SourceState, Wall)>,
    /// Days of which lines are kept.
    with_lines: BTreeSet<Date>,
}

impl Pruning {
    /// As of now.
    pub fn new(keeper: &Keeper, why: Why, keep: Date) -> Result<Pruning, StoreError> {
        let now = keeper.clock.now();
        let today = keeper.date(now);
        let sources = keeper.store.read().sources()?.into_iter().rev().map(|(id, ..)| id).collect();
        let stage = Stage::Lines(sources, None);
        Ok(Pruning { why, today, now, keep, stage, gone: Gone::default(), figures: back(today, FIGURES), carry: false })
    }

    /// The next portion. False when all is done.
    pub fn step(&mut self, keeper: &mut Keeper) -> Result<bool, StoreError> {
        if std::mem::take(&mut self.carry) {
            keeper.store.carry_log()?;
            return Ok(true);
        }
        match &mut self.stage {
            Stage::Lines(sources, scan) => match scan {
                None => match sources.pop() {
                    Some(source) => *scan = Some(Box::new(Scan::new(keeper, source)?)),
                    None => self.stage = Stage::Days,
                },
                Some(open) => {
                    let (gone, over) = open.portion(keeper, (self.keep, self.today))?;
                    self.gone.lines += gone.lines;
                    self.gone.calls += gone.calls;
                    self.gone.shapes += gone.shapes;
                    self.carry = gone != Gone::default();
                    if over {
                        self.figures = open.with_lines.first().map_or(self.figures, |first| self.figures.min(*first));
                        *scan = None;
                    }
                }
            },
            Stage::Days => {
                let work = keeper.store.begin()?;
                let (documents, days) = work.forget_days(self.figures, ROWS)?;
                work.commit()?;
                self.gone.documents += documents;
                self.gone.days += days;
                if days == 0 {
                    self.stage = Stage::Figures(keeper.store.read().owners()?);
                }
            }
            Stage::Figures(owners) => match owners.last() {
                Some(owner) => {
                    let before = midnight(&keeper.zone, self.figures);
                    let work = keeper.store.begin()?;
                    let more = work.forget_figures(owner, before)?;
                    work.commit()?;
                    if !more {
                        owners.pop();
                    }
                }
                None => self.stage = Stage::Audit,
            },
            Stage::Audit => {
                let before = midnight(&keeper.zone, back(self.today, AUDIT));
                let work = keeper.store.begin()?;
                let rows = work.forget_audit(before, ROWS)?;
                work.commit()?;
                self.gone.audit += rows;
                if rows == 0 {
                    self.say(keeper)?;
                    self.stage = Stage::GiveBack;
                }
            }
            Stage::GiveBack => {
                self.carry = keeper.store.give_back(PAGES)?;
                if !self.carry {
                    self.stage = Stage::EmptyLog(0);
                }
            }
            Stage::EmptyLog(tries) => {
                *tries += 1;
                let emptied = keeper.store.empty_log()?;
                if !emptied && *tries == TRIES {
                    tracing::warn!(
                        "somebody is reading the database; its log could not be emptied and will be tomorrow"
                    );
                }
                if emptied || *tries == TRIES {
                    forget_copies(&keeper.config.state_dir);
                    self.stage = Stage::Over;
                }
            }
            Stage::Over => return Ok(false),
        }
        Ok(true)
    }

    /// Writes down what was taken away.
    fn say(&self, keeper: &mut Keeper) -> Result<(), StoreError> {
        let Gone { lines, calls, shapes, documents, days, audit } = self.gone;
        let work = keeper.store.begin()?;
        work.set_meta(DONE, &self.today.to_string())?;
        if self.gone != Gone::default() {
            let why = match self.why {
                Why::Night => "retention",
                Why::Budget => "the disk budget",
            };
            let what = format!(
                "{why}: took away {lines} lines and {calls} calls before {}, {shapes} shapes, {documents} documents of \
                 {days} days, {audit} audit rows",
                self.keep
            );
            tracing::info!("{what}");
            work.audit(self.now, "smdrd", &what)?;
        }
        if self.why == Why::Budget {
            note_early(&work, self.keep)?;
            work.keep_from(self.keep)?;
        }
        work.commit()?;
        keeper.books.kept_from(keeper.store.read().kept_from()?);
        Ok(())
    }
}

impl Scan {
    fn new(keeper: &Keeper, source: u16) -> Result<Scan, StoreError> {
        let read = keeper.store.read();
        let import = read.imports()?.into_iter().find(|row| row.source == source);
        let plan = match &import {
            Some(row) => SourcePlan::of_import(&keeper.config, row).ok(),
            None => keeper.plans.iter().find(|plan| keeper.ids.get(&plan.name) == Some(&source)).cloned(),
        };
        let first = read.lines(source, 1, 1)?.pop().map_or(1, |line| line.line.seq);
        let stands = match read.stood_at(source, first)? {
            Some((state, wall)) => {
                (serde_json::from_str(&state).unwrap_or_default(), serde_json::from_str(&wall).unwrap_or_default())
            }
            None => (SourceState::default(), Wall::default()),
        };
        let usable = plan.filter(|plan| plan.plan.why_unusable().is_none());
        let stands = usable.is_some().then_some(stands);
        Ok(Scan { source, plan: usable, file: import.is_some(), next: 1, stands, with_lines: BTreeSet::new() })
    }

    /// Looks at the next lines, and takes away those whose time is over. Says whether these were the last.
    fn portion(&mut self, keeper: &mut Keeper, (keep, today): (Date, Date)) -> Result<(Gone, bool), StoreError> {
        let zone = keeper.zone.clone();
        let ages = keeper.store.read().line_ages(self.source, self.next, PORTION)?;
        let Some(last) = ages.last().map(|line| line.seq) else {
            let before = back(today, FIGURES);
            let work = keeper.store.begin()?;
            work.forget_counts(self.source, before, midnight(&zone, before), &self.with_lines)?;
            work.commit()?;
            return Ok((Gone::default(), true));
        };
        let days = i64::from(*keeper.config.retention.call_days.get_ref());
        let file = self.file;
        let goes = |line: &LineAge| !line.open && aged(line, date_of(&zone, line.at), days, file) < keep;
        let going: Vec<u64> = ages.iter().filter(|line| goes(line)).map(|line| line.seq).collect();
        let shapes = today.checked_sub(SHAPES.days()).unwrap_or(Date::MIN);
        let shapes: Vec<u64> = ages
            .iter()
            .filter(|line| line.shape && !goes(line) && date_of(&zone, line.at) < shapes)
            .map(|line| line.seq)
            .collect();
        let kept = ages.iter().filter(|line| !goes(line));
        self.with_lines.extend(kept.map(|line| line.day));
        let mut gone = Gone::default();
        let begins = self.begins(keeper, &ages, &going)?;
        if !going.is_empty() || !shapes.is_empty() {
            let work = keeper.store.begin()?;
            gone = work.forget_lines(self.source, &going, keep)?;
            gone.shapes = work.forget_shapes(self.source, &shapes)?;
            if let Some((seq, state, wall)) = begins {
                work.begin_at(self.source, seq, &state, &wall)?;
            }
            work.commit()?;
        }
        self.next = last + 1;
        Ok((gone, false))
    }

    /// Where the kept lines begin after these, as far as every line before them is taken away: the first that is kept, and how
    /// the source stands there.
    fn begins(
        &mut self,
        keeper: &Keeper,
        ages: &[LineAge],
        going: &[u64],
    ) -> Result<Option<(u64, String, String)>, StoreError> {
        let (Some((state, wall)), Some(plan)) = (&mut self.stands, &self.plan) else { return Ok(None) };
        let run = ages.iter().zip(going).take_while(|(line, going)| line.seq == **going).count();
        let Some(last) = ages.get(..run).and_then(<[LineAge]>::last).map(|line| line.seq) else {
            self.stands = None;
            return Ok(None);
        };
        let read = keeper.store.read();
        let first = ages.first().map_or(self.next, |line| line.seq);
        let mut numbers = read.numbers(self.source, first, last)?;
        numbers.reverse();
        for line in read.lines(self.source, first, PORTION)?.into_iter().filter(|line| line.line.seq <= last) {
            let mut own = Vec::new();
            while numbers.last().is_some_and(|(seq, _)| *seq <= line.line.seq) {
                own.extend(numbers.pop().filter(|(seq, _)| *seq == line.line.seq).map(|(_, number)| number));
            }
            read_on(plan, state, wall, &line, &own);
        }
        let (state, wall) = (serde_json::to_string(state), serde_json::to_string(wall));
        let begins = state.ok().zip(wall.ok()).map(|(state, wall)| (last + 1, state, wall));
        if run < ages.len() {
            self.stands = None;
        }
        Ok(begins)
    }
}

/// The day by which the age of a line is told: that of the call. Where the PBX's clock was wrong when the line came (its
/// date was beyond what is kept, or in the future) it is the day on which it came, else the evidence would be gone the
/// night after. A file has no such lines.
fn aged(line: &LineAge, came: Date, days: i64, file: bool) -> Date {
    let oldest = came.checked_sub(days.days()).unwrap_or(Date::MIN);
    let newest = came.tomorrow().unwrap_or(came);
    if file || (oldest..=newest).contains(&line.day) { line.day } else { came }
}

/// A line goes the way it went when it came.
fn read_on(plan: &SourcePlan, state: &mut SourceState, wall: &mut Wall, line: &StoredLine, own: &[StoredNumber]) {
    let kept: Vec<(u16, Anonymous)> = own.to_vec();
    let mut reading = Reading::default();
    if !line.shape && line.kind != LineKind::Noise {
        let today = date_of(&plan.zone, line.at);
        plan.plan.step(state, &Line { no: line.line.seq, bytes: &line.text, kept: &kept, today }, &mut reading);
    }
    if line.idle {
        plan.plan.idle(state, &mut reading);
    }
    if let Some(stamp) = line.record.as_ref().filter(|_| line.kind == LineKind::Record).and_then(|record| record.stamp)
    {
        wall.instant(&plan.zone, stamp.at);
    }
}

/// Removes the copies that were made before an upgrade, when nobody will go back to the older program any more: they hold
/// lines whose time is over by now.
fn forget_copies(state_dir: &Path) {
    let old = |entry: &std::fs::DirEntry| {
        let is_copy = entry.file_name().to_string_lossy().starts_with("smdrd.db.before-schema-");
        let age = entry.metadata().and_then(|file| file.modified()).ok().and_then(|at| at.elapsed().ok());
        is_copy && age.is_some_and(|age| age > COPY)
    };
    for entry in std::fs::read_dir(state_dir).into_iter().flatten().flatten().filter(old) {
        if let Err(error) = std::fs::remove_file(entry.path()) {
            tracing::warn!(path = %entry.path().display(), %error, "a copy made before an upgrade could not be removed");
        }
    }
}

/// So many months before a day.
fn back(today: Date, months: i64) -> Date {
    today.checked_sub(months.months()).unwrap_or(Date::MIN)
}

impl Keeper {
    /// The pruning that is due now.
    pub fn pruning_due(&self) -> Result<Option<Pruning>, StoreError> {
        let now = self.clock.now();
        // By a clock that is not trusted nothing is old.
        if self.clock_is_doubted(now).is_some() {
            return Ok(None);
        }
        let done = self.store.read().meta(DONE)?.and_then(|text| text.parse::<Date>().ok());
        let due = match done == Some(self.date(now)) {
            false => Some((Why::Night, self.by_age())),
            true => Budget::of(self)?.keep_from(self)?.map(|keep| (Why::Budget, keep)),
        };
        let Some((why, keep)) = due else { return Ok(None) };
        // What is over is closed first, and what comes in is in first.
        let waits =
            self.trouble.is_some() || !self.days_being_imported(now)?.is_empty() || self.anything_to_close(now)?;
        if waits { Ok(None) } else { Pruning::new(self, why, keep).map(Some) }
    }

    /// The first day whose lines are kept by their age.
    pub(super) fn by_age(&self) -> Date {
        let days = i64::from(*self.config.retention.call_days.get_ref());
        self.date(self.clock.now()).checked_sub(days.days()).unwrap_or(Date::MIN)
    }

    /// Whether a day is over and not closed yet: its document tells its peaks from its calls.
    fn anything_to_close(&self, now: Timestamp) -> Result<bool, StoreError> {
        let (open_day, oldest) = (self.first_open_day(now), self.oldest_day(now));
        if open_day < self.date(now) {
            return Ok(true);
        }
        for owner in self.practices() {
            if !self.days_due(&owner, open_day, oldest)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Has the database looked through from beside the writer, after the night's work.
async fn inspect(desk: &Desk) {
    let Some(directory) = desk.with(|keeper| keeper.config.state_dir.clone()).await else { return };
    let (say, said) = tokio::sync::oneshot::channel();
    // A thread of its own: nobody waits for it when the daemon stops.
    let looking = std::thread::Builder::new().name("inspection".into()).spawn(move || {
        let _ = say.send(damage::inspect(&directory));
    });
    if looking.is_err() {
        return;
    }
    match said.await {
        Ok(Ok(Some(why))) => {
            let begun = desk.with(|keeper| {
                keeper.is_damaged(why);
                keeper.find_way()
            });
            if let Some(Err(error)) = begun.await {
                tracing::error!(%error, "no fresh database could be begun; it is tried again");
            }
        }
        Ok(Ok(None)) | Err(_) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the database could not be looked through tonight"),
    }
}

/// Prunes what is due, for as long as the daemon runs.
pub(super) async fn nightly(desk: Desk, clock: Clock) {
    let mut tick = tokio::time::interval(clock.real(TICK.0).max(TICK.1));
    loop {
        tick.tick().await;
        let due = match desk.with(|keeper| keeper.pruning_due()).await {
            Some(Ok(due)) => due,
            Some(Err(error)) => {
                tracing::error!(%error, "what is to be kept no more could not be found out");
                None
            }
            None => return,
        };
        let Some(mut pruning) = due else { continue };
        let why = pruning.why;
        loop {
            let stepped = desk
                .with(move |keeper| {
                    let more = if keeper.trouble.is_some() { Ok(false) } else { pruning.step(keeper) };
                    (pruning, more)
                })
                .await;
            match stepped {
                Some((next, Ok(true))) => pruning = next,
                Some((_, Ok(false))) => break,
                Some((_, Err(error))) => {
                    tracing::error!(%error, "what is kept no more could not all be taken away");
                    break;
                }
                None => return,
            }
            tokio::time::sleep(PAUSE).await;
        }
        if why == Why::Night {
            inspect(&desk).await;
        }
    }
}
