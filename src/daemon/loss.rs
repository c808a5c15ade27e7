//! A database that is damaged, gone or older than it was: it is set aside, a fresh one goes on within seconds, and it is
//! said aloud until somebody has seen to it.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keeper::Keeper;
use super::marks::{Mark, Marks};
use super::setup::{self, SetUpError, SourcePlan};
use crate::aggregate::slots::{date_of, midnight};
use crate::config::Config;
use crate::store::damage::{self, set_aside};
use crate::store::salvage::Remains;
use crate::store::{SourceRow, Store, StoreError, Work};

/// How often in a row a database may look damaged and be found whole.
const SUSPICIONS: u32 = 3;

/// Why a stretch of a day was not observed, or not any more.
pub const CAUSE: &str = "database-lost";
/// Where losses are noted.
const LOSSES: &str = "losses";
/// What is taken over from a damaged database at once, where it can be read.
const TAKEN_OVER: [&str; 4] = ["device", "supplier", "half_lines", "version"];

/// Something of the database was lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// When it was noticed.
    pub at: Timestamp,
    /// How it showed.
    pub why: String,
    /// The file that was set aside, in the state directory; nothing where there is none.
    pub file: Option<String>,
    /// Lines that were numbered and are not there, by source, as far as that is known.
    #[serde(default)]
    pub lines: BTreeMap<String, u64>,
    /// When and how somebody saw to it.
    #[serde(default)]
    pub settled: Option<String>,
}

impl Loss {
    /// What is said of it for as long as nobody has seen to it.
    pub fn problem(&self, zone: &jiff::tz::TimeZone) -> String {
        let at = zone.to_datetime(self.at).strftime("%Y-%m-%d %H:%M:%S");
        match &self.file {
            Some(file) => format!(
                "the database was damaged ({}) and set aside as {file} at {at}; a new one goes on since. smdrd recover \
                 puts back what can be read of it; smdrd recover --dismiss says that it is not wanted",
                self.why
            ),
            None => {
                let lines: Vec<String> =
                    self.lines.iter().map(|(source, lines)| format!("{lines} of {source}")).collect();
                format!(
                    "lines that were stored are gone ({}), noticed at {at}: the database is older than it was. Was a copy \
                     put back, or smdrd.db-wal removed? smdrd recover FILE takes them from the file that has them; smdrd \
                     recover --dismiss says that there is none",
                    lines.join(", ")
                )
            }
        }
    }
}

/// Opens the database; a damaged one is set aside, and a fresh one begun. `now` names it.
pub fn open(config: &Config, now: Timestamp) -> Result<(Store, Option<Loss>), SetUpError> {
    match Store::open(&config.state_dir) {
        Ok(store) => Ok((store, None)),
        Err(error) => {
            let Some(why) = error.damage() else { return Err(error.into()) };
            let _ = damage::noticed();
            let file = set_aside(&config.state_dir, now)?;
            tracing::error!(why, file, "the database is damaged and was set aside; a new one is begun");
            let store = Store::open(&config.state_dir)?;
            Ok((store, Some(Loss { at: now, why, file, lines: BTreeMap::new(), settled: None })))
        }
    }
}

/// What a fresh database takes over from what was before: who the sources are and where they stand.
pub fn begin(
    store: &mut Store,
    config: &Config,
    plans: &[SourcePlan],
    marks: &Marks,
    loss: Option<&Loss>,
) -> Result<(), StoreError> {
    let old = loss
        .and_then(|loss| loss.file.as_ref())
        .map(|file| Remains::of(&config.state_dir.join(file), TAKEN_OVER.into_iter().chain([LOSSES])));
    let old = old.unwrap_or_default();
    let fresh = store.read().sources()?.is_empty();
    let work = store.begin()?;
    if fresh {
        let known = |plan: &&SourcePlan| marks.sources.contains_key(&plan.name);
        for plan in plans.iter().filter(known) {
            if let Some(mark) = marks.sources.get(&plan.name) {
                work.put_source_as(mark.id, &plan.name, &plan.dialect, 1)?;
            }
        }
        if !marks.device.is_empty() {
            work.set_meta("device", &marks.device)?;
        }
        if !marks.audit_head.is_empty() {
            work.set_meta("audit_before", &marks.audit_head)?;
        }
        for (key, value) in &old.meta {
            work.set_meta(key, value)?;
        }
        for mark in &old.files {
            work.put_file_mark(mark)?;
        }
        if let Some(head) = &old.audit_head {
            work.set_meta("audit_before", head)?;
        }
    }
    work.commit()
}

/// Every loss that is noted.
pub fn losses(store: &Store) -> Result<Vec<Loss>, StoreError> {
    Ok(store.read().meta(LOSSES)?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

pub(super) fn put_losses(work: &Work<'_>, losses: &[Loss]) -> Result<(), StoreError> {
    work.set_meta(LOSSES, &serde_json::to_string(losses).unwrap_or_else(|_| "[]".into()))
}

impl Keeper {
    /// Notes what was lost before this run: the database was damaged, or its numbers are behind what was given out.
    pub(super) fn note_loss(&mut self, loss: Option<Loss>, marks: &Marks) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut missing = BTreeMap::new();
        for (name, Mark { next_seq, .. }) in &marks.sources {
            let Some(row) = self.ids.get(name).and_then(|id| self.rows.get_mut(id)) else { continue };
            if row.next_seq < *next_seq {
                missing.insert(name.clone(), next_seq - row.next_seq);
                row.next_seq = *next_seq;
            }
        }
        if loss.is_none() && missing.is_empty() {
            return Ok(());
        }
        let why = "numbers are missing".to_owned();
        let loss = loss.unwrap_or(Loss { at: now, why, file: None, lines: BTreeMap::new(), settled: None });
        let loss = Loss { lines: missing, ..loss };
        let mut all = losses(&self.store)?;
        let today = midnight(&self.zone, date_of(&self.zone, now));
        let work = self.store.begin()?;
        for row in self.rows.values() {
            work.put_source(row)?;
            // What was observed is not known any more: of today, or since the last that is known.
            if loss.file.is_some() || !work.later_links_lost(row.id, CAUSE)? {
                work.link_lost(row.id, today, CAUSE)?;
            }
        }
        let what = match &loss.file {
            Some(file) => format!("the database was damaged ({}) and set aside as {file}", loss.why),
            None => format!("{} lines that were stored are gone", loss.lines.values().sum::<u64>()),
        };
        tracing::error!("{what}");
        work.audit(now, "smdrd", &what)?;
        all.push(loss);
        put_losses(&work, &all)?;
        work.commit()
    }

    /// Notes how far the numbering has come.
    pub(super) fn note_marks(&mut self) {
        let next = |plan: &SourcePlan| {
            let id = *self.ids.get(&plan.name)?;
            Some((plan.name.clone(), Mark { id, next_seq: self.rows.get(&id)?.next_seq }))
        };
        let sources: BTreeMap<String, Mark> = self.plans.iter().filter_map(next).collect();
        if sources == self.marks.marks.sources && !self.marks.marks.device.is_empty() {
            return;
        }
        // A source that is configured no more keeps its number, should it come back.
        let mut known = self.marks.marks.sources.clone();
        known.extend(sources);
        let marks = Marks {
            times: 0,
            device: self.device().unwrap_or_default(),
            alive_ms: self.clock.now().as_millisecond(),
            audit_head: self.store.read().audit_head().unwrap_or_default(),
            sources: known,
        };
        self.marks.note(marks);
    }

    /// Takes note of damage that showed since this was last asked. True when it is new: then the next thing to do is to
    /// begin a fresh database.
    pub(super) fn look_for_damage(&mut self) -> bool {
        let Some(why) = damage::noticed().filter(|_| self.damage.is_none()) else { return false };
        // A page that the disk did not give once can look like damage in the midst of a change. So it is looked at again, from
        // beside this connection; what is found whole and says so again and again is damaged all the same.
        self.suspicions += 1;
        if self.suspicions <= SUSPICIONS {
            match damage::inspect(&self.config.state_dir) {
                Ok(Some(_)) => {}
                Ok(None) => {
                    tracing::warn!(why, "a second look finds the database whole: it goes on");
                    self.astray = true;
                    return false;
                }
                Err(error) => {
                    tracing::warn!(why, %error, "the database cannot be looked at; it is tried again");
                    self.astray = true;
                    return false;
                }
            }
        }
        self.is_damaged(why);
        true
    }

    /// Takes note that the database is damaged.
    pub(super) fn is_damaged(&mut self, why: String) {
        tracing::error!(why, "the database is damaged");
        self.damage = Some(why);
    }

    /// Sets the damaged database aside and goes on with a fresh one. As long as that fails nothing is stored.
    pub(super) fn begin_afresh(&mut self, why: &str) -> Result<(), StoreError> {
        let now = self.clock.now();
        std::mem::replace(&mut self.store, Store::in_memory()?).let_go();
        let file = set_aside(&self.config.state_dir, now)?;
        let mut store = Store::open(&self.config.state_dir)?;
        let loss = Loss { at: now, why: why.to_owned(), file, lines: BTreeMap::new(), settled: None };
        let next =
            |(name, id): (&String, &u16)| Some((name.clone(), Mark { id: *id, next_seq: self.rows.get(id)?.next_seq }));
        let sources = self.ids.iter().filter_map(next).collect();
        let device = self.marks.marks.device.clone();
        let marks = Marks { sources, device, ..Marks::default() };
        begin(&mut store, &self.config, &self.plans, &marks, Some(&loss))?;
        let rows: HashMap<u16, SourceRow> = std::mem::take(&mut self.rows);
        let work = store.begin()?;
        for row in rows.values() {
            work.put_source(row)?;
        }
        work.set_meta("alive_ms", &now.as_millisecond().to_string())?;
        work.commit()?;
        self.store = store;
        self.rows = rows;
        self.note_loss(Some(loss), &Marks::default())?;
        let work = self.store.begin()?;
        for source in &self.up {
            work.link_up(*source, now)?;
        }
        work.commit()?;
        self.books = setup::books(&self.config, &self.store, &self.plans)?;
        self.damage = None;
        self.astray = false;
        let _ = damage::noticed();
        crate::notify::status("the database was damaged and set aside; a new one goes on: see smdrd status");
        Ok(())
    }
}
