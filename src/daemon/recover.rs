//! `recover`: puts what can be read of a database that was set aside into the one that goes on, line by line under the
//! numbers they have, and derives the days again. What is there is not put in twice; what cannot be read is counted, and
//! its time was not observed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::answers::{gone, stored};
use super::desk::Desk;
use super::keeper::Keeper;
use super::loss::{self, CAUSE, losses, put_losses};
use super::rebuild::{Difference, rebuild};
use crate::aggregate::slots::midnight;
use crate::control::Refusal;
use crate::store::damage::those_set_aside;
use crate::store::salvage::{
    self, PutIn, Row, Table, Value, Wreck, WreckError, number_in as number, set, text_in as text,
};
use crate::store::{StoreError, day_number};

/// Numbers of lines looked at in one go: a line that comes meanwhile waits for one of them.
const PORTION: i64 = 300;

/// What was recovered of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovered {
    /// The file.
    pub file: String,
    /// Lines, with their records and numbers.
    pub lines: PutIn,
    /// Lines that cannot be read.
    pub lines_lost: u64,
    /// Day documents.
    pub documents: PutIn,
    /// Day documents whose body is not what its digest says.
    pub documents_lost: u64,
    /// Receipts of the supplier, on those documents.
    pub receipts: u64,
    /// Audit rows.
    pub audit: u64,
    /// Days that came back.
    pub days: u64,
    /// Tables of which a part cannot be read.
    pub torn: Vec<String>,
    /// Why nothing of it can be read.
    pub unreadable: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// File by file.
    pub files: Vec<Recovered>,
    /// What deriving the days again changed; nothing where nothing was put back.
    pub rebuilt: Option<Difference>,
    /// Whether something was put back, rather than only looked at.
    pub applied: bool,
    /// Losses that were dismissed.
    #[serde(default)]
    pub dismissed: u64,
}

/// One file on its way.
struct Recovery {
    path: PathBuf,
    wreck: Wreck,
    dry_run: bool,
    /// Its sources: their number there, their number here, and what is still to be looked at.
    sources: Vec<Walk>,
    found: Recovered,
    /// Numbers that cannot be read, by the source's number here.
    lost: BTreeMap<u16, Vec<(i64, i64)>>,
}

struct Walk {
    there: i64,
    here: Option<u16>,
    next: i64,
    last: i64,
}

/// Recovers from these files, or from all that were set aside and nobody has seen to.
pub async fn recover(desk: &Desk, who: &str, files: Vec<PathBuf>, dry_run: bool) -> Result<Report, Refusal> {
    let files = match files.is_empty() {
        false => files,
        true => desk.with(|keeper| not_settled(keeper)).await.ok_or_else(gone)?.map_err(stored)?,
    };
    if files.is_empty() {
        return Err(Refusal::new("no database was set aside", "name the file that has what is missing"));
    }
    let mut report = Report { applied: !dry_run, ..Report::default() };
    let mut any = false;
    for path in files {
        let name = path.display().to_string();
        let opened = desk.with(move |keeper| Recovery::open(keeper, path, dry_run)).await.ok_or_else(gone)?;
        let mut recovery = match opened.map_err(stored)? {
            Ok(recovery) => recovery,
            Err(error) => {
                let unreadable = Some(error.reason);
                report.files.push(Recovered { file: name, unreadable, ..Recovered::default() });
                continue;
            }
        };
        loop {
            let (next, more) = desk
                .with(move |keeper| {
                    let more = recovery.portion(keeper);
                    (recovery, more)
                })
                .await
                .ok_or_else(gone)?;
            recovery = next;
            if !more.map_err(stored)? {
                break;
            }
            tokio::task::yield_now().await;
        }
        let who = who.to_owned();
        let found = desk.with(move |keeper| recovery.finish(keeper, &who)).await.ok_or_else(gone)?;
        let found = found.map_err(stored)?;
        any |= found.lines.new + found.documents.new + found.days > 0;
        report.files.push(found);
    }
    if any && !dry_run {
        let rebuilt = desk.with(|keeper| {
            keeper.rebuilt()?;
            rebuild(keeper, true)
        });
        report.rebuilt = Some(rebuilt.await.ok_or_else(gone)?.map_err(stored)?);
    }
    Ok(report)
}

/// Says that what was lost is not wanted.
pub fn dismiss(keeper: &mut Keeper, who: &str) -> Result<Report, StoreError> {
    let now = keeper.clock.now();
    let mut all = losses(&keeper.store)?;
    let mut report = Report::default();
    let work = keeper.store.begin()?;
    for loss in all.iter_mut().filter(|loss| loss.settled.is_none()) {
        loss.settled = Some(format!("dismissed {now}"));
        report.dismissed += 1;
        let what = loss.file.as_deref().unwrap_or("missing lines");
        work.audit(now, who, &format!("dismissed the loss of {}: {what}", loss.at))?;
    }
    put_losses(&work, &all)?;
    work.commit()?;
    Ok(report)
}

fn not_settled(keeper: &Keeper) -> Result<Vec<PathBuf>, StoreError> {
    let all = losses(&keeper.store)?;
    let is_settled = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str());
        all.iter().any(|loss| loss.file.as_deref() == name && loss.settled.is_some())
    };
    Ok(those_set_aside(&keeper.config.state_dir).into_iter().filter(|path| !is_settled(path)).collect())
}

impl Recovery {
    fn open(keeper: &mut Keeper, path: PathBuf, dry_run: bool) -> Result<Result<Recovery, WreckError>, StoreError> {
        // A name alone is one in the state directory.
        let path = keeper.config.state_dir.join(path);
        let wreck = match Wreck::open(&path, &keeper.config.state_dir) {
            Ok(wreck) => wreck,
            Err(error) => return Ok(Err(error)),
        };
        let found = Recovered { file: path.display().to_string(), ..Recovered::default() };
        let mut recovery = Recovery { path, wreck, dry_run, sources: Vec::new(), found, lost: BTreeMap::new() };
        recovery.find_sources(keeper)?;
        Ok(Ok(recovery))
    }

    /// Whose lines these are: a source is known by its name. Where the names cannot be read, numbers are what they were.
    fn find_sources(&mut self, keeper: &mut Keeper) -> Result<(), StoreError> {
        let (rows, whole) = self.rows(&salvage::SOURCE);
        let imports = self.rows(&salvage::IMPORT).0;
        let mut known: Vec<(i64, String, String, i64)> = rows
            .iter()
            .filter_map(|row| {
                Some((number(row, 0)?, text(row, 1)?.to_owned(), text(row, 2)?.to_owned(), number(row, 3)?))
            })
            .collect();
        if !whole {
            for plan in &keeper.plans {
                let Some(id) = keeper.ids.get(&plan.name).map(|id| i64::from(*id)) else { continue };
                if known.iter().all(|(known, name, ..)| *known != id && *name != plan.name) {
                    known.push((id, plan.name.clone(), plan.dialect.clone(), 0));
                }
            }
        }
        for (there, name, dialect, next) in known {
            let import = imports.iter().find(|row| number(row, 0) == Some(there));
            let here = self.source_here(keeper, &name, &dialect, import)?;
            let running = here.and_then(|id| keeper.rows.get(&id)).map_or(0, |row| row.next_seq as i64);
            let (first, newest) = self.wreck.span(there);
            let last = newest.unwrap_or(0).max(next - 1);
            // Where it does not say how many there were, the numbers that were given out since do.
            let last = if last <= 0 { running - 1 } else { last };
            self.sources.push(Walk { there, here, next: first.unwrap_or(1), last });
        }
        Ok(())
    }

    /// The number that a source has here; made where there is none yet. Nothing where only looked.
    fn source_here(
        &self,
        keeper: &mut Keeper,
        name: &str,
        dialect: &str,
        import: Option<&Row>,
    ) -> Result<Option<u16>, StoreError> {
        let there = keeper.store.read().source(name)?;
        let imports = keeper.store.read().imports()?;
        let began = import.and_then(|row| number(row, 4));
        let same = |id: u16| {
            let of_import = imports.iter().find(|known| known.source == id);
            of_import.map(|known| known.began.as_millisecond()) == began
        };
        match there {
            Some(row) if same(row.id) => return Ok(Some(row.id)),
            _ if self.dry_run => return Ok(None),
            _ => {}
        }
        let taken = keeper.store.read().source(name)?.is_some();
        let name = if taken { format!("{name}-recovered") } else { name.to_owned() };
        let work = keeper.store.begin()?;
        let id = work.source(&name, dialect)?.id;
        if let Some(row) = import {
            let mut row = row.clone();
            set(&mut row, 0, Value::Integer(id.into()));
            work.put_row(&salvage::IMPORT, &row)?;
        }
        work.commit()?;
        Ok(Some(id))
    }

    fn rows(&mut self, table: &Table) -> (Vec<Row>, bool) {
        let (rows, whole) = self.wreck.rows(table);
        if !whole {
            self.found.torn.push(table.name.to_owned());
        }
        (rows, whole)
    }

    /// The next lines. False when there are no more.
    fn portion(&mut self, keeper: &mut Keeper) -> Result<bool, StoreError> {
        let Some(walk) = self.sources.iter_mut().find(|walk| walk.next <= walk.last) else { return Ok(false) };
        let (first, last) = (walk.next, (walk.next + PORTION - 1).min(walk.last));
        walk.next = last + 1;
        let (there, here) = (walk.there, walk.here);
        let portion = self.wreck.lines(there, first, last);
        let sources: BTreeMap<i64, u16> =
            self.sources.iter().filter_map(|walk| Some((walk.there, walk.here?))).collect();
        let today = day_number(keeper.date(keeper.clock.now()));
        match here {
            // Nothing of it is here.
            None => self.found.lines.new += portion.lines.len() as u64,
            Some(here) => {
                let work = keeper.store.begin()?;
                self.found.lines.add(work.put_salvaged(here, &portion, &sources, today)?);
                if !self.dry_run {
                    work.commit()?;
                }
                self.lost.entry(here).or_default().extend(&portion.lost);
            }
        }
        self.found.lines_lost += portion.lost.iter().map(|(from, to)| (to - from + 1) as u64).sum::<u64>();
        Ok(true)
    }

    /// Everything beside lines, in one transaction.
    fn finish(mut self, keeper: &mut Keeper, who: &str) -> Result<Recovered, StoreError> {
        let now = keeper.clock.now();
        let documents = self.rows(&salvage::OUTBOX).0;
        let days = self.rows(&salvage::DAY).0;
        let source_days = self.rows(&salvage::SOURCE_DAY).0;
        let counts = self.rows(&salvage::LINE_COUNT).0;
        let counters = self.rows(&salvage::COUNTER).0;
        let calls = self.rows(&salvage::CALL).0;
        let links = self.rows(&salvage::LINK).0;
        let audit = self.rows(&salvage::AUDIT).0;
        // A table that older files do not have.
        let begins = self.wreck.rows(&salvage::BEGINNING).0;
        let here: BTreeMap<i64, u16> = self.sources.iter().filter_map(|walk| Some((walk.there, walk.here?))).collect();
        let moved = |row: &Row| -> Option<Row> {
            let mut row = row.clone();
            let id = here.get(&number(&row, 0)?)?;
            set(&mut row, 0, Value::Integer((*id).into()));
            Some(row)
        };
        let date = |key: &str| self.wreck.meta(key).and_then(|text| text.parse::<Date>().ok());
        let kept = date("kept_from").max(keeper.store.read().kept_from()?);
        let from = kept.and_then(|kept| kept.tomorrow().ok());
        let before = from.map_or(i64::MIN, day_number);
        let first = from.map_or(i64::MIN, |from| midnight(&keeper.zone, from).as_second());
        let alive = self.wreck.meta("alive_ms").and_then(|text| text.parse().ok());
        let mut all = losses(&keeper.store)?;
        let name = self.path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        let lost_at = all.iter().find(|loss| loss.file == name).map_or(now, |loss| loss.at);
        let alive = alive.unwrap_or_else(|| lost_at.as_millisecond());
        let holes = self.holes(keeper)?;

        let work = keeper.store.begin()?;
        for row in &documents {
            match work.put_document(row)? {
                Some(came) => {
                    self.found.documents.add(came);
                    self.found.receipts += u64::from(came.new > 0 && text(row, 10).is_some());
                }
                None => self.found.documents_lost += 1,
            }
        }
        for row in &days {
            self.found.days += 1;
            work.merge_day(row)?;
        }
        for row in source_days.iter().filter_map(moved) {
            work.merge_source_day(&row)?;
        }
        for row in counts.iter().filter_map(moved).filter(|row| number(row, 1).is_some_and(|day| day < before)) {
            work.merge_line_count(&row)?;
        }
        for row in counters.iter().filter(|row| number(row, 2).is_some_and(|slot| slot < first)) {
            work.put_row(&salvage::COUNTER, row)?;
        }
        for row in calls.iter().filter_map(moved).filter(|row| number(row, 4).is_some_and(|day| day < before)) {
            work.put_row(&salvage::CALL, &row)?;
        }
        for source in here.values() {
            work.links_found(*source, CAUSE)?;
        }
        for row in links.iter().filter_map(moved) {
            let source = number(&row, 0).and_then(|source| u16::try_from(source).ok()).unwrap_or(0);
            for row in pieces(row, alive, holes.get(&source).map_or(&[][..], Vec::as_slice)) {
                work.put_row(&salvage::LINK, &row)?;
            }
        }
        for row in begins.iter().filter_map(moved) {
            work.put_row(&salvage::BEGINNING, &row)?;
        }
        for source in here.values() {
            work.settle_forgotten(*source)?;
        }
        self.found.audit = work.put_audit(&audit)?;
        work.set_meta("audit_before", &self.wreck.meta("audit_before").unwrap_or_else(|| "0".repeat(64)))?;
        if let Some(kept) = kept {
            work.keep_from(kept)?;
        }
        if let Some(began) = date("first_day") {
            let noted = work.read().meta("first_day")?.and_then(|text| text.parse().ok());
            work.set_meta("first_day", &noted.map_or(began, |noted: Date| noted.min(began)).to_string())?;
        }
        let open = |loss: &&mut loss::Loss| loss.settled.is_none() && (loss.file == name || loss.file.is_none());
        for loss in all.iter_mut().filter(open) {
            loss.settled = Some(format!("recovered {now}"));
        }
        put_losses(&work, &all)?;
        let Recovered { lines, lines_lost, documents, .. } = &self.found;
        let said = format!(
            "recovered from {}: {} lines and {} documents put back, {lines_lost} lines cannot be read",
            name.unwrap_or_default(),
            lines.new,
            documents.new
        );
        work.audit(now, who, &said)?;
        if !self.dry_run {
            work.commit()?;
            tracing::warn!("{said}");
        }
        self.found.torn.sort();
        self.found.torn.dedup();
        Ok(self.found)
    }

    /// When the lines came that cannot be read: from the one before to the one after, by source.
    fn holes(&self, keeper: &Keeper) -> Result<BTreeMap<u16, Vec<(i64, i64)>>, StoreError> {
        let read = keeper.store.read();
        let mut holes: BTreeMap<u16, Vec<(i64, i64)>> = BTreeMap::new();
        for (source, lost) in &self.lost {
            for (from, to) in lost {
                let at = |line: Option<crate::store::StoredLine>| line.map(|line| line.at.as_millisecond());
                let before = read.lines(*source, (from - 1).max(1) as u64, 1)?.pop();
                let before = at(before.filter(|line| (line.line.seq as i64) < *from));
                let after = at(read.lines(*source, (to + 1) as u64, 1)?.pop());
                holes.entry(*source).or_default().push((before.unwrap_or(i64::MIN), after.unwrap_or(i64::MAX)));
            }
        }
        Ok(holes)
    }
}

/// A link without the stretches in which nothing is known of its lines. One that was up at the end was up until `alive`.
fn pieces(row: Row, alive: i64, holes: &[(i64, i64)]) -> Vec<Row> {
    let (Some(from), to) = (number(&row, 1), number(&row, 2)) else { return Vec::new() };
    let cut = |from: i64, to: i64, cause: Value| {
        let mut row = row.clone();
        for (column, value) in [(1, Value::Integer(from)), (2, Value::Integer(to)), (3, cause)] {
            set(&mut row, column, value);
        }
        row
    };
    let lost = || Value::Text(CAUSE.to_owned());
    let cause = if to.is_some() { row.get(3).cloned().unwrap_or(Value::Null) } else { lost() };
    let to = to.unwrap_or_else(|| alive.max(from));
    let mut pieces = Vec::new();
    let mut begin = from;
    let mut holes: Vec<_> = holes.iter().filter(|(start, end)| *start < to && *end > from).collect();
    holes.sort_unstable();
    for (start, end) in holes {
        if *start >= begin {
            pieces.push(cut(begin, (*start).max(begin), lost()));
        } else if pieces.is_empty() {
            // It is lost from the beginning: that it was up, and why nothing is known.
            pieces.push(cut(from, from, lost()));
        }
        begin = begin.max(*end);
    }
    if begin < to {
        pieces.push(cut(begin, to, cause));
    }
    pieces
}

impl Recovered {
    /// In a line or two, for a person.
    pub fn said(&self) -> String {
        if let Some(why) = &self.unreadable {
            return format!("{}: nothing can be read of it: {why}", self.file);
        }
        let mut text = format!(
            "{}: {} lines ({} were there, {} numbers are taken by other lines, {} cannot be read), {} documents with {} \
             receipts, {} days, {} audit rows",
            self.file,
            self.lines.new,
            self.lines.known,
            self.lines.clash,
            self.lines_lost,
            self.documents.new,
            self.receipts,
            self.days,
            self.audit
        );
        if self.documents.clash + self.documents_lost > 0 {
            text += &format!(
                "; not put back: {} documents whose revision is another here, {} that are not whole",
                self.documents.clash, self.documents_lost
            );
        }
        if !self.torn.is_empty() {
            text += &format!("; only parts can be read of {}", self.torn.join(", "));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(from: i64, to: Option<i64>) -> Row {
        let to = to.map_or(Value::Null, Value::Integer);
        vec![Value::Integer(1), Value::Integer(from), to, Value::Text("link-down".into())]
    }

    fn shown(rows: Vec<Row>) -> Vec<(i64, i64, String)> {
        rows.iter()
            .map(|row| (number(row, 1).unwrap(), number(row, 2).unwrap(), text(row, 3).unwrap().to_owned()))
            .collect()
    }

    #[test]
    fn a_link_is_cut_where_its_lines_are_lost() {
        let lost = CAUSE.to_owned();
        assert_eq!(shown(pieces(link(10, Some(50)), 90, &[])), [(10, 50, "link-down".into())]);
        assert_eq!(shown(pieces(link(10, None), 90, &[])), [(10, 90, lost.clone())]);
        assert_eq!(
            shown(pieces(link(10, Some(50)), 90, &[(20, 30), (60, 70)])),
            [(10, 20, lost.clone()), (30, 50, "link-down".into())]
        );
        assert_eq!(shown(pieces(link(10, Some(50)), 90, &[(20, i64::MAX)])), [(10, 20, lost.clone())]);
        assert_eq!(
            shown(pieces(link(10, Some(50)), 90, &[(i64::MIN, 30)])),
            [(10, 10, lost), (30, 50, "link-down".into())]
        );
    }
}
