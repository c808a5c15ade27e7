//! A dialect in the making: the lines, what is proposed of them, and what the installer said.

use std::collections::BTreeSet;

use jiff::civil::{Date, DateTime};

use super::super::fault::FileFault;
use super::super::format::Format;
use super::super::library::Dialect;
use super::super::plan::Plan;
use super::super::{Line, Reading, Settled, SourceState, What};
use super::cut::{cell, places};
use super::order::{self, Seen};
use super::{Column, Kind, Layout, Place, Role, Rows, StampGuess, Sure, disguise, kinds, rows, write};
use crate::record::Record;

/// Records below which nothing is learnt.
pub(super) const FEWEST: usize = 3;
/// Records that an example shows at most.
const MOST_SHOWN: usize = 6;

/// Why there is no proposal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotLearnt {
    /// There are too few lines.
    #[error(
        "{0} lines that are not blank: at least {FEWEST} are needed. Make some calls of each kind and listen longer"
    )]
    TooFew(usize),
    /// No lines look alike.
    #[error(
        "no layout is shared by the {0} lines: they may be records of several lines each, binary, or garbled. \
         Run smdrd detect on the source, and write the dialect file by hand (docs/dialects.md)"
    )]
    NoLayout(usize),
}

/// Why there is no file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotWritten {
    /// A column holds a part of somebody's number, and would be kept as it stands.
    #[error(
        "column {column} begins or ends within a telephone number on {records} records: join it with its neighbour, or make it a number"
    )]
    Torn {
        /// The column, from 1.
        column: usize,
        /// On how many records.
        records: usize,
    },
    /// What the installer said makes no dialect file.
    #[error("{}", .0.iter().map(FileFault::cited).collect::<String>())]
    Faults(Vec<FileFault>),
}

/// What must be said before a file is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What is not known, and why.
    pub asks: String,
    /// How the answer begins: words of a command.
    pub command: String,
    /// The answers that there are; none: any text.
    pub answers: Vec<String>,
}

/// A line that the draft does not understand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Its number among the lines seen, from 1.
    pub no: usize,
    /// Its shape: digits 9, letters A.
    pub shape: String,
    /// Why.
    pub reason: String,
    /// The column, from 1.
    pub column: Option<u16>,
}

/// What the draft makes of all lines seen.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Check {
    /// Lines that give a record.
    pub records: usize,
    /// Lines that are no call.
    pub events: usize,
    /// Page furniture and blank lines.
    pub headers: usize,
    /// The others.
    pub unread: Vec<Unread>,
}

/// A finished dialect file.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// Its text.
    pub text: String,
    /// What it makes of the lines it was learnt from.
    pub check: Check,
    /// The lines of its example, each with the record it gives.
    pub example: Vec<(String, String)>,
}

/// Lines, the proposal, and what the installer made of it.
#[derive(Debug, Clone)]
pub struct Draft {
    pub(super) lines: Vec<Vec<u8>>,
    pub(super) today: Date,
    pub(super) layout: Layout,
    pub(super) rows: Rows,
    pub(super) columns: Vec<Column>,
    pub(super) stamp: StampGuess,
    /// Whether the installer said what the stamp means: then no proof is looked for any more.
    pub(super) stamp_said: bool,
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) zone: Option<String>,
    /// The direction of a call whose codes do not say it.
    pub(super) calls: Option<&'static str>,
    /// Whether a duration of 0 says that nobody answered.
    pub(super) zero_unanswered: Option<bool>,
    pub(super) cannot: BTreeSet<String>,
    pub(super) can: BTreeSet<String>,
}

impl Draft {
    /// A proposal for these lines. `today` is the box's civil date.
    ///
    /// # Errors
    /// There are too few lines, or they share no layout.
    pub fn new(lines: Vec<Vec<u8>>, today: Date) -> Result<Draft, NotLearnt> {
        let full = lines.iter().filter(|line| !rows::is_blank(line)).count();
        if full < FEWEST {
            return Err(NotLearnt::TooFew(full));
        }
        let (layout, rows) = rows::sort(&lines).ok_or(NotLearnt::NoLayout(full))?;
        if rows.records.len() < FEWEST || rows.records.len().saturating_mul(3) < full {
            return Err(NotLearnt::NoLayout(full));
        }
        let mut draft = Draft {
            lines,
            today,
            layout,
            rows,
            columns: Vec::new(),
            stamp: StampGuess { kind: None, starts: false, evidence: String::new() },
            stamp_said: false,
            id: None,
            name: None,
            zone: None,
            calls: None,
            zero_unanswered: None,
            cannot: BTreeSet::new(),
            can: BTreeSet::new(),
        };
        let records = draft.records();
        let furniture: Vec<&[u8]> =
            draft.rows.furniture.iter().filter_map(|at| draft.lines.get(*at)).map(Vec::as_slice).collect();
        let mut columns = kinds::propose(&records, &furniture, layout, today, &places(&records, layout));
        write::widen(&records, layout, &mut columns);
        draft.columns = columns;
        draft.prove_stamp();
        Ok(draft)
    }

    /// How the fields of a record are found.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// What the lines are.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// The columns, from left to right.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// What the stamp means.
    pub fn stamp(&self) -> &StampGuess {
        &self.stamp
    }

    /// The id that the dialect is to have, once it is said.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Up to `most` records that show what there is, masked.
    pub fn shown(&self, most: usize) -> Vec<String> {
        let records = self.records();
        let chosen = disguise::telling(&records, self.layout, &self.columns, most);
        let lines = chosen.into_iter().filter_map(|at| records.get(at));
        lines.map(|line| disguise::masked(line, self.layout, &self.columns).trim_end().to_owned()).collect()
    }

    pub(super) fn records(&self) -> Vec<&[u8]> {
        self.rows.records.iter().filter_map(|at| self.lines.get(*at)).map(Vec::as_slice).collect()
    }

    pub(super) fn with_role(&self, role: Role) -> Option<&Column> {
        self.columns.iter().find(|column| !column.dropped && column.role == role)
    }

    pub(super) fn of_kind(&self, kind: Kind) -> Option<&Column> {
        self.columns.iter().find(|column| !column.dropped && column.kind == kind)
    }

    /// Looks for what the order of the lines proves of the stamp.
    pub(super) fn prove_stamp(&mut self) {
        if !self.stamp_said {
            self.stamp = order::stamp(&self.seen());
        }
    }

    fn seen(&self) -> Vec<Seen> {
        let clock = |column: Option<&Column>| {
            let column = column?;
            Some((column.place, Format::clock(column.format.as_deref()?).ok()?))
        };
        let whole = clock(self.of_kind(Kind::Datetime));
        let date = whole.clone().or_else(|| clock(self.of_kind(Kind::Date)));
        let time = whole.or_else(|| clock(self.of_kind(Kind::Time)));
        let (Some((date_at, date)), Some((time_at, time))) = (date, time) else { return Vec::new() };
        let lengths: Vec<(Place, Option<Format>)> = [Role::Key("ring"), Role::Key("talk")]
            .into_iter()
            .filter_map(|role| self.with_role(role))
            .map(|column| (column.place, column.format.as_deref().and_then(|format| Format::duration(format).ok())))
            .collect();
        if lengths.is_empty() {
            return Vec::new();
        }
        let station = self.with_role(Role::Key("extension")).map(|column| column.place);
        let one = |line: &&[u8]| {
            let day = date.read_clock(cell(line, self.layout, date_at))?;
            let clock = time.read_clock(cell(line, self.layout, time_at))?;
            let (month, day_of_month) = day.month_day?;
            let day = Date::new(day.year.unwrap_or(self.today.year()), month, day_of_month).ok()?;
            let second = i64::from(clock.second?);
            let at: DateTime = day.at(0, 0, 0, 0).checked_add(jiff::SignedDuration::from_secs(second)).ok()?;
            let length = |(place, format): &(Place, Option<Format>)| {
                let text = cell(line, self.layout, *place);
                match format {
                    Some(format) => format.read_duration(text),
                    None => std::str::from_utf8(text).ok()?.parse().ok(),
                }
            };
            let length_s = lengths.iter().filter_map(length).fold(0_u32, u32::saturating_add);
            let station = station.map(|place| cell(line, self.layout, place)).filter(|text| !text.is_empty());
            let station = station.map(|text| String::from_utf8_lossy(text).into_owned());
            Some(Seen { at, resolution_s: clock.resolution, length_s, station })
        };
        self.records().iter().filter_map(one).collect()
    }

    /// What is still to be said.
    pub fn questions(&self) -> Vec<Question> {
        let mut questions = Vec::new();
        let mut ask = |asks: String, command: String, answers: &[&str]| {
            let answers = answers.iter().map(|answer| (*answer).to_owned()).collect();
            questions.push(Question { asks, command, answers });
        };
        for (no, column) in (1..).zip(&self.columns).filter(|(_, column)| !column.dropped) {
            let open = column.sure == Sure::Guess && !column.other_formats.is_empty();
            if let Some(format) = column.format.as_deref().filter(|_| open) {
                let answers: Vec<&str> =
                    std::iter::once(format).chain(column.other_formats.iter().map(String::as_str)).collect();
                let asks = format!("In which format is column {no} ({})?", column.name);
                ask(asks, format!("{no} format"), &answers);
            }
        }
        let timed = self.of_kind(Kind::Time).or_else(|| self.of_kind(Kind::Datetime)).is_some();
        if timed && self.stamp.kind.is_none() {
            let asks = format!("What does the time of a record mean? {}", self.stamp.evidence);
            let answers = ["arrival", "answer", "unknown", "end"];
            let answers = answers.get(..if self.stamp.starts { 3 } else { 4 }).unwrap_or_default();
            ask(asks, "stamp".to_owned(), answers);
        }
        if self.calls.is_none() && !self.columns.iter().any(Column::tells_direction) {
            let asks = "Which way do the calls go? No value of a code says so yet (N value V = inbound).";
            ask(asks.to_owned(), "calls".to_owned(), &["inbound", "outbound", "unknown"]);
        }
        let zeros = self.zeros();
        if zeros > 0 && self.zero_unanswered.is_none() {
            let asks = format!("On {zeros} records the duration is 0. What does that say?");
            ask(asks, "zero".to_owned(), &["unanswered", "unknown"]);
        }
        if self.id.is_none() {
            ask("Which id is the dialect to have? Lower case, digits and hyphens.".to_owned(), "id".to_owned(), &[]);
        }
        if self.name.is_none() {
            ask("What do people call the PBX?".to_owned(), "name".to_owned(), &[]);
        }
        questions
    }

    fn zeros(&self) -> usize {
        let Some(talk) = self.with_role(Role::Key("talk")) else { return 0 };
        let zero = |line: &&&[u8]| {
            let text = cell(line, self.layout, talk.place);
            text.contains(&b'0') && !text.iter().any(|byte| (b'1'..=b'9').contains(byte))
        };
        self.records().iter().filter(zero).count()
    }

    /// What the draft makes of all lines seen.
    ///
    /// # Errors
    /// What is wrong with the file that it would be.
    pub fn check(&self) -> Result<Check, Vec<FileFault>> {
        let dialect = Dialect::read(&self.file_name(), &write::file(self, None))?;
        let plan = plan(&dialect)?;
        Ok(self.run(&plan, &self.lines).0)
    }

    /// The dialect file, with examples that it has been checked against.
    ///
    /// # Errors
    /// What is wrong with it: nothing that was proposed is, so it is what the installer made of it.
    pub fn write(&self) -> Result<Written, NotWritten> {
        let records = self.records();
        for (no, column) in (1_usize..).zip(&self.columns) {
            let torn = disguise::torn(&records, self.layout, &self.columns, column);
            if torn > 0 {
                return Err(NotWritten::Torn { column: no, records: torn });
            }
        }
        self.written().map_err(NotWritten::Faults)
    }

    fn written(&self) -> Result<Written, Vec<FileFault>> {
        let dialect = Dialect::read(&self.file_name(), &write::file(self, None))?;
        let plan = plan(&dialect)?;
        let (check, understood) = self.run(&plan, &self.lines);
        let bare: Vec<&[u8]> = understood.iter().filter_map(|(at, _)| self.lines.get(*at)).map(Vec::as_slice).collect();
        let mut disguise = disguise::Disguise::default();
        let chosen = disguise::telling(&bare, self.layout, &self.columns, MOST_SHOWN);
        let lines: Vec<Vec<u8>> = chosen
            .into_iter()
            .filter_map(|at| bare.get(at))
            .map(|line| disguise.line(line, self.layout, &self.columns).into_bytes())
            .collect();
        let year = self.undated().then(|| self.today.year());
        let plan = dialect.plan(&Default::default(), year).map_err(|error| vec![write::option_fault(&error)])?;
        let (_, records) = self.run(&plan, &lines);
        let example = write::Example { lines, records: records.into_iter().map(|(_, record)| record).collect(), year };
        let text = write::file(self, Some(&example));
        let dialect = Dialect::read(&self.file_name(), &text)?;
        let faults = dialect.check_examples();
        if !faults.is_empty() {
            return Err(faults);
        }
        let shown = example.lines.iter().zip(&example.records).map(|(line, record)| {
            let record = serde_json::Value::Object(record.to_json());
            (String::from_utf8_lossy(line).into_owned(), record.to_string())
        });
        Ok(Written { text, check, example: shown.collect() })
    }

    /// Whether the dates have no year.
    fn undated(&self) -> bool {
        self.of_kind(Kind::Date).is_some_and(|column| !column.format.as_deref().unwrap_or_default().contains("YY"))
    }

    fn file_name(&self) -> String {
        format!("{}.toml", self.id.as_deref().unwrap_or("learnt"))
    }

    fn run(&self, plan: &Plan, lines: &[Vec<u8>]) -> (Check, Vec<(usize, Record)>) {
        let mut state = SourceState::default();
        let mut reading = Reading::default();
        let (mut check, mut records) = (Check::default(), Vec::new());
        for (at, bytes) in (0_usize..).zip(lines) {
            let no = u64::try_from(at).unwrap_or(u64::MAX);
            plan.step(&mut state, &Line { no, bytes, kept: &[], today: self.today }, &mut reading);
            for Settled { what, .. } in reading.settled.drain(..) {
                match what {
                    What::Record(record) => {
                        check.records = check.records.saturating_add(1);
                        records.push((at, *record));
                    }
                    What::Header | What::Noise => check.headers = check.headers.saturating_add(1),
                    What::Event(_) | What::Continuation => check.events = check.events.saturating_add(1),
                    What::Unparsed { reason, column } => check.unread.push(Unread {
                        no: at.saturating_add(1),
                        shape: super::super::fault::shape(bytes),
                        reason,
                        column,
                    }),
                }
            }
            reading.marks.clear();
        }
        (check, records)
    }
}

fn plan(dialect: &Dialect) -> Result<Plan, Vec<FileFault>> {
    dialect.plan(&Default::default(), None).map_err(|error| vec![write::option_fault(&error)])
}

impl Column {
    /// Whether a value of it says which way the call went.
    pub(super) fn tells_direction(&self) -> bool {
        let directed = |meanings: &Vec<&str>| {
            meanings.iter().any(|word| super::MEANINGS.get(..3).is_some_and(|m| m.contains(word)))
        };
        !self.dropped && self.meanings.values().any(directed)
    }
}
