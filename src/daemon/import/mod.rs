//! `import`: a file of call records, from its first byte to the figures.
//!
//! A file is a source of its own. It is known again by what its lines say without numbers, names and accounts (so that
//! nothing of it is kept that could be turned back), line by line from its beginning; and how far it has come is
//! written with the lines. So it can be cut off anywhere and gone on with, and imported twice it changes nothing.
//!
//! A record that the same PBX has given already, over its link or in another file, is found by its position among the
//! others ([`crate::call::align`]): it is kept as a duplicate of that line. What cannot be told is counted with its doubt.

mod correcting;
mod keeping;
mod placing;
mod reading;
mod sifting;
mod tally;
mod trace;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::ToSpan as _;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::answers::{gone, stored};
use super::books::Entry;
use super::desk::Desk;
use super::keeper::Keeper;
use super::setup::SourcePlan;
use crate::clock::Clock;
use crate::config::Config;
use crate::control::Refusal;
use crate::control::exchange::{Exchange, Order};
use crate::record::LineKind;
use crate::store::{ImportRow, StoreError};
use reading::{FileReading, Manner};
use sifting::Import;
use trace::{HEAD, Place};

pub use tally::{Day, NotUnderstood, OutOfRange, Outcome, Progress, Report};
pub use trace::Trace;

/// How often to say how far it has come.
const SAY: Duration = Duration::from_millis(250);
/// In how many bytes the first lines must have ended.
const BEGINNING: u64 = 1024 * 1024;

/// One import at a time.
static ONE: Mutex<()> = Mutex::const_new(());

/// What the writer knows that an import begins with.
struct Standing {
    imports: Vec<ImportRow>,
    names: Vec<String>,
    linked: bool,
}

/// Imports the file that follows on the exchange, in the name of `who`.
pub async fn import(
    desk: &Desk,
    config: &Config,
    clock: Clock,
    who: &str,
    order: Order,
    mut exchange: Exchange,
) -> Result<Report, Refusal> {
    let _one = ONE
        .try_lock()
        .map_err(|_| Refusal::new("another import is running", "wait until it is done, then try again"))?;
    let standing = desk
        .with(|keeper| -> Result<Standing, StoreError> {
            let read = keeper.store.read();
            Ok(Standing { imports: read.imports()?, names: read.source_names()?, linked: keeper.linked })
        })
        .await
        .ok_or_else(gone)?
        .map_err(stored)?;
    let row = new_row(config, clock, &order, &standing)?;
    let plan = SourcePlan::of_import(config, &row).map_err(|error| Refusal::new(error, "see smdrd dialects show"))?;
    let manner = Manner { config, plan: &plan, linked: standing.linked, began: row.began, oldest: row.oldest };

    let places = standing.imports.iter().map(|row| row.lines);
    let mut scout = FileReading::new(&manner, Place::default(), places).map_err(unrandom)?;
    let mut beginning: Vec<Zeroizing<Vec<u8>>> = Vec::new();
    let mut whole = false;
    while scout.lines() < HEAD && !whole {
        match exchange.portion().await.map_err(cut_off(0))? {
            Some(bytes) => {
                scout.push(&bytes)?;
                beginning.push(bytes);
            }
            None => {
                scout.end()?;
                whole = true;
            }
        }
        if scout.bytes > BEGINNING && scout.lines() < HEAD {
            return Err(Refusal::new("hardly a line ends in the first MiB", "this is no file of call records"));
        }
    }
    if !order.force {
        understood(&scout, &order.dialect)?;
    }
    let known = if order.as_new { None } else { find(&scout, &standing.imports) };
    let row = match known {
        Some(known) => same_manner(known, &row)?,
        None => ImportRow { head: scout.hash_at(HEAD).map(str::to_owned), ..row },
    };
    drop(scout);

    let name = row.name.clone();
    let import = Import::new(ImportRow { overlap: order.overlap, ..row }, plan, who.to_owned(), standing.names);
    let manner = (config, standing.linked);
    let result = File { desk, exchange, bytes: beginning, whole }.read(manner, import).await;
    if result.is_err() {
        desk.with(move |keeper| keeper.leave_import(&name)).await.ok_or_else(gone)?.map_err(stored)?;
    }
    result
}

/// What a new import of this file would be.
fn new_row(config: &Config, clock: Clock, order: &Order, standing: &Standing) -> Result<ImportRow, Refusal> {
    let same = |source: &&crate::config::Source| *source.dialect.get_ref() == order.dialect;
    let of = match (&order.source, config.source.as_slice()) {
        (Some(name), _) => name.clone(),
        (None, []) => "pbx".to_owned(),
        (None, [only]) => only.name.get_ref().clone(),
        (None, several) => {
            let mut fitting = several.iter().filter(same);
            match (fitting.next(), fitting.next()) {
                (Some(only), None) => only.name.get_ref().clone(),
                _ => {
                    let names: Vec<&str> = several.iter().map(|source| source.name.get_ref().as_str()).collect();
                    return Err(Refusal::new(
                        "several PBXs are configured",
                        &format!("say with --source which of them wrote the file: {}", names.join(", ")),
                    ));
                }
            }
        }
    };
    // The file of a PBX is read as the PBX is, where nothing else is said.
    let configured = config.source.iter().find(|source| *source.name.get_ref() == of).filter(same);
    let mut options: BTreeMap<String, String> = configured.map(|source| source.options.clone()).unwrap_or_default();
    options.extend(order.set.clone());
    let began = clock.now();
    let days = i64::from(*config.retention.call_days.get_ref());
    let today = crate::aggregate::slots::date_of(&config.time_zone(), began);
    let number = standing.imports.iter().filter_map(|row| row.name.rsplit_once('-')?.1.parse::<u64>().ok()).max();
    Ok(ImportRow {
        source: 0,
        name: format!("{of}/import-{}", number.unwrap_or(0) + 1),
        dialect: order.dialect.clone(),
        of,
        options,
        assume_year: order.assume_year,
        began,
        touched: began,
        oldest: today.checked_sub(days.days()).unwrap_or(today),
        lines: 0,
        hash: String::new(),
        head: None,
        overlap: order.overlap,
        done: false,
    })
}

/// Refuses a file of whose beginning nothing is understood.
fn understood(scout: &FileReading, dialect: &str) -> Result<(), Refusal> {
    let (mut makes_sense, mut unparsed, mut first) = (0, 0, None);
    for entry in scout.waiting() {
        let (kind, seq, reason) = match entry {
            Entry::Line(line) => (line.kind, line.seq, line.reason.as_deref()),
            Entry::Settled { kind, seq, reason, .. } => (*kind, *seq, reason.as_deref()),
            Entry::Idle(_) => continue,
        };
        match kind {
            LineKind::Record | LineKind::Continuation | LineKind::Event => makes_sense += 1,
            LineKind::Unparsed => {
                unparsed += 1;
                first.get_or_insert_with(|| format!("line {seq}: {}", reason.unwrap_or("no rule understands it")));
            }
            _ => {}
        }
    }
    if makes_sense > 0 || unparsed == 0 || !scout.left_out().is_empty() {
        return Ok(());
    }
    Err(Refusal::new(
        format!(
            "{dialect} understands none of the first {unparsed} lines ({}); nothing was stored",
            first.unwrap_or_default()
        ),
        "try another dialect or option with smdrd parse, or import it all the same with --force",
    ))
}

/// The import that the file, as far as it was read, is or may be.
fn find<'a>(scout: &FileReading, imports: &'a [ImportRow]) -> Option<&'a ImportRow> {
    let head = scout.hash_at(HEAD);
    imports
        .iter()
        .filter(|row| match scout.hash_at(row.lines) {
            Some(hash) => hash == row.hash,
            // What is not read yet is seen when it comes.
            None => row.lines > 0 && head.is_some() && row.head.as_deref() == head,
        })
        .max_by_key(|row| row.lines)
}

/// The import that goes on, if it is read as before.
fn same_manner(known: &ImportRow, row: &ImportRow) -> Result<ImportRow, Refusal> {
    let as_before = (&known.of, &known.dialect, &known.options, known.assume_year)
        == (&row.of, &row.dialect, &row.options, row.assume_year);
    if as_before {
        return Ok(known.clone());
    }
    let options: Vec<String> = known.options.iter().map(|(key, value)| format!(" --set {key}={value}")).collect();
    let year = known.assume_year.map(|year| format!(" --assume-year {year}")).unwrap_or_default();
    Err(Refusal::new(
        format!("{} lines of this file are in already, read in another manner", known.lines),
        &format!(
            "they were imported with --source {} --dialect {}{}{year}; that cannot be changed by importing them again",
            known.of,
            known.dialect,
            options.concat()
        ),
    ))
}

fn unrandom(error: std::io::Error) -> Refusal {
    Refusal::new(error, "the system has no random numbers; look at the kernel's log")
}

fn cut_off(lines: u64) -> impl Fn(std::io::Error) -> Refusal {
    move |_| {
        let what = match lines {
            0 => "the file was cut off; nothing of it is in".to_owned(),
            lines => format!("the file was cut off; its first {lines} lines are in"),
        };
        Refusal::new(what, "run the same command again to go on")
    }
}

/// A file on its way in.
struct File<'a> {
    desk: &'a Desk,
    exchange: Exchange,
    /// What was read ahead.
    bytes: Vec<Zeroizing<Vec<u8>>>,
    /// Whether that is all of it.
    whole: bool,
}

impl File<'_> {
    async fn read(mut self, (config, linked): (&Config, bool), mut import: Import) -> Result<Report, Refusal> {
        let past = Place { lines: import.row.lines, hash: import.row.hash.clone() };
        let (already, was_done) = (past.lines, import.row.done);
        let plan = import.plan.clone();
        let (began, oldest) = (import.row.began, import.row.oldest);
        let manner = Manner { config, plan: &plan, linked, began, oldest };
        let mut reading = FileReading::new(&manner, past, std::iter::empty()).map_err(unrandom)?;
        let mut ahead = std::mem::take(&mut self.bytes).into_iter();
        let mut said = Instant::now();
        loop {
            let portion = match ahead.next() {
                Some(portion) => Some(portion),
                None if self.whole => None,
                None => self.exchange.portion().await.map_err(cut_off(import.row.lines))?,
            };
            match portion {
                Some(bytes) => reading.push(&bytes)?,
                None => break,
            }
            import = self.commit(import, &mut reading).await?;
            if said.elapsed() >= SAY {
                said = Instant::now();
                let progress = Progress { bytes: reading.bytes, lines: reading.lines(), already };
                self.exchange.say(&progress).await.map_err(cut_off(import.row.lines))?;
            }
            // The links of the PBXs are read on this thread too.
            tokio::task::yield_now().await;
        }
        reading.end()?;
        import = self.commit(import, &mut reading).await?;
        let half_line = reading.half_line;
        for (date, records) in reading.left_out() {
            *import.tally.left_out.entry(*date).or_default() += records;
        }
        let outcome = match (already, import.row.lines > already) {
            (_, false) => Outcome::Unchanged,
            (0, true) => Outcome::Imported,
            (_, true) => Outcome::Continued,
        };
        self.desk
            .with(move |keeper: &mut Keeper| {
                if import.row.source != 0 && !(was_done && outcome == Outcome::Unchanged) {
                    let lines = import.row.lines;
                    keeper
                        .end_import(&mut import, &format!("{lines} lines are in, {} of them new", lines - already))?;
                }
                import.report(&keeper.store.read(), outcome, already, half_line)
            })
            .await
            .ok_or_else(gone)?
            .map_err(stored)
    }

    /// Has everything stored that can be placed by now.
    async fn commit(&self, mut import: Import, reading: &mut FileReading) -> Result<Import, Refusal> {
        while let Some((batch, place, around)) = reading.take() {
            if batch.entries.is_empty() {
                continue;
            }
            let cut = reading.cut().cloned();
            let lines = import.row.lines;
            let (taken, result) = self
                .desk
                .with(move |keeper| {
                    let result = keeper.take_import(&mut import, batch, place, &around, cut.as_ref());
                    (import, result)
                })
                .await
                .ok_or_else(gone)?;
            result.map_err(|error| {
                Refusal::new(format!("{error}; the first {lines} lines are in"), "run the same command again to go on")
            })?;
            import = taken;
            // The links of the PBXs are read on this thread too.
            tokio::task::yield_now().await;
        }
        Ok(import)
    }
}
