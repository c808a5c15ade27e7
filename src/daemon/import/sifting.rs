//! What of a file is counted, what repeats other lines, and what an import comes to.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

use jiff::civil::Date;

use super::placing::{Around, Others};
use super::reading::counted;
use super::tally::{Day, EXAMPLES, NotUnderstood, OutOfRange, Outcome, Report, Tally};
use crate::daemon::books::Entry;
use crate::daemon::setup::SourcePlan;
use crate::record::{LineKind, MaskedRecord};
use crate::store::{ImportRow, Reading, Repeats, SourceRow, StoreError, Stretch, second_of_day};

/// An import in progress.
#[derive(Debug)]
pub struct Import {
    /// What is stored of it; without a number as long as nothing is.
    pub row: ImportRow,
    /// How its lines are read.
    pub plan: SourcePlan,
    /// Who asked for it.
    pub who: String,
    /// What was added up in this run.
    pub tally: Tally,
    /// Where it stands, once something of it is stored in this run.
    pub(super) source: Option<SourceRow>,
    known: Vec<String>,
    /// What others gave of the same PBX.
    others: Option<Others>,
    /// Days before this one are settled, as are lines before `first`.
    pub(super) settled: Option<Date>,
    pub(super) first: u64,
    /// Lines by kind, and calls, before this run.
    pub(super) before: ([u64; 7], u64),
}

/// What a record's date says of it.
enum Verdict {
    /// It is counted, if its position does not say that it is a repetition.
    Within,
    /// It is too old to be compared by its position, and lies among those of this source.
    Among(String),
    LeftOut,
}

type Stretches = HashMap<Date, Vec<(String, Stretch)>>;

impl Import {
    /// A new import, or one that goes on.
    pub fn new(row: ImportRow, plan: SourcePlan, who: String, known: Vec<String>) -> Import {
        Import {
            row,
            plan,
            who,
            tally: Tally::default(),
            source: None,
            known,
            others: None,
            settled: None,
            first: 0,
            before: ([0; 7], 0),
        }
    }

    /// The first and the last date that is counted.
    fn range(&self) -> (Date, Date) {
        counted(&self.plan.zone, self.row.began)
    }

    fn judge(
        &mut self,
        read: &Reading<'_>,
        others: &mut Stretches,
        record: &MaskedRecord,
    ) -> Result<Verdict, StoreError> {
        let Some(stamp) = record.stamp else { return Ok(Verdict::Within) };
        let (date, second) = (stamp.at.date(), second_of_day(stamp.at));
        let (from, to) = self.range();
        if date < from || date > to {
            *self.tally.left_out.entry(date).or_default() += 1;
            return Ok(Verdict::LeftOut);
        }
        self.tally.days.insert(date);
        if self.row.overlap || date >= self.row.oldest {
            return Ok(Verdict::Within);
        }
        // Lines of such a day are kept no more; of when the first and the last call was is.
        let others = match others.entry(date) {
            Slot::Occupied(known) => known.into_mut(),
            Slot::Vacant(empty) => empty.insert(read.stretches(&self.row.of, self.row.source, &self.known, date)?),
        };
        let among = others.iter().find(|(_, (from, to))| (*from..=*to).contains(&second));
        Ok(among.map_or(Verdict::Within, |(name, _)| Verdict::Among(name.clone())))
    }

    /// What of the lines repeats others by its position.
    pub(super) fn place(
        &mut self,
        read: &Reading<'_>,
        source: u16,
        around: &Around,
    ) -> Result<HashMap<u64, Repeats>, StoreError> {
        if self.row.overlap {
            return Ok(HashMap::new());
        }
        let others = match self.others.take() {
            Some(others) => others,
            None => Others::new(read, &self.row.of, source, &self.known)?,
        };
        self.others.insert(others).place(read, source, around)
    }

    /// Puts the verdicts into the entries.
    pub(super) fn sift(
        &mut self,
        read: &Reading<'_>,
        entries: Vec<Entry>,
        placed: &mut HashMap<u64, Repeats>,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut others = Stretches::new();
        let mut sifted = Vec::with_capacity(entries.len());
        for mut entry in entries {
            let is_line = matches!(entry, Entry::Line(_));
            let (seq, kind, reason, record) = match &mut entry {
                Entry::Line(line) => (line.seq, &mut line.kind, &mut line.reason, line.record.as_ref()),
                Entry::Settled { seq, kind, reason, record, .. } => (*seq, kind, reason, record.as_ref()),
                Entry::Idle(_) => {
                    sifted.push(entry);
                    continue;
                }
            };
            let verdict = match record {
                Some(record) => self.judge(read, &mut others, record)?,
                None => Verdict::Within,
            };
            match verdict {
                Verdict::Within => match placed.get(&seq) {
                    Some(Repeats::Line(of)) => {
                        let name = self.others.as_ref().and_then(|others| others.name(of.source));
                        let name = name.unwrap_or(&self.row.name).to_owned();
                        *self.tally.repeats.entry(name).or_default() += u64::from(record.is_some());
                    }
                    Some(Repeats::Doubtful) => self.tally.may_repeat += u64::from(is_line),
                    _ => {}
                },
                // Of a record that a later line closed: its own lines are stored already.
                Verdict::LeftOut => {
                    *kind = LineKind::Duplicate;
                    *reason = Some("its date is not counted".into());
                    placed.remove(&seq);
                }
                Verdict::Among(name) => {
                    *kind = LineKind::Duplicate;
                    *reason = Some(format!("may repeat a record of {name}"));
                    *self.tally.among.entry(name).or_default() += 1;
                    placed.remove(&seq);
                }
            }
            if *kind == LineKind::Unparsed && self.tally.unparsed_at.len() < EXAMPLES {
                let column = if let Entry::Line(line) = &entry { line.column } else { None };
                let reason = match &entry {
                    Entry::Line(line) => line.reason.clone(),
                    Entry::Settled { reason, .. } => reason.clone(),
                    Entry::Idle(_) => None,
                };
                let reason = reason.unwrap_or_else(|| "no rule understands it".into());
                self.tally.unparsed_at.push(NotUnderstood { line: seq, column, reason });
            }
            sifted.push(entry);
        }
        Ok(sifted)
    }

    /// What this run came to.
    pub fn report(
        &self,
        read: &Reading<'_>,
        state: Outcome,
        already: u64,
        half_line: bool,
    ) -> Result<Report, StoreError> {
        let (counts, _, calls) = match &self.source {
            Some(source) => read.totals_of(source.id)?,
            None => ([0; 7], 0, 0),
        };
        let mut new = [0; 7];
        for ((new, now), before) in new.iter_mut().zip(counts).zip(self.before.0) {
            *new = now.saturating_sub(before);
        }
        let [records, continuations, events, headers, noise, unparsed, duplicates] = new;
        let mut days = Vec::new();
        if let (Some(source), Some(from), Some(to)) = (&self.source, self.tally.days.first(), self.tally.days.last()) {
            let all = read.import_days(source.id, *from, *to)?;
            days.extend(all.into_iter().filter(|day| self.tally.days.contains(&day.date)).map(|day| Day {
                date: day.date,
                records: day.records,
                duplicates: day.duplicates,
                may_repeat: day.may_repeat,
                calls: day.calls,
            }));
        }
        let left_out = &self.tally.left_out;
        let (counted_from, counted_to) = self.range();
        Ok(Report {
            import: self.row.name.clone(),
            source: self.row.of.clone(),
            state,
            already,
            lines: new.iter().sum(),
            records,
            continuations,
            events,
            headers,
            noise,
            unparsed,
            duplicates,
            out_of_range: OutOfRange {
                records: left_out.values().sum(),
                first: left_out.first_key_value().map(|(date, _)| *date),
                last: left_out.last_key_value().map(|(date, _)| *date),
                counted_from: Some(counted_from),
                counted_to: Some(counted_to),
            },
            half_line,
            calls: calls.saturating_sub(self.before.1),
            days,
            kept_from: Some(self.row.oldest),
            may_repeat: self.tally.may_repeat,
            uncorrected: self.tally.uncorrected,
            repeats: self.tally.repeats.clone(),
            among: self.tally.among.clone(),
            unparsed_at: self.tally.unparsed_at.clone(),
        })
    }
}
