//! The daemon's reading side on lines, and what it leaves to be stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use smdrd::daemon::books::{Batch, Entry, MaskedLine};
use smdrd::daemon::keys::KeyRing;
use smdrd::daemon::reader::{Gate, Reader};
use smdrd::dialect::{Holds, Line, Mark, Plan, Reading, Role, SourceState, What};
use smdrd::number::{NumberPlan, PUBLIC};
use smdrd::privacy::Privacy;
use smdrd::record::MaskedRecord;

use super::corpus::TODAY;

/// What the writer would be given.
pub struct Stored {
    pub lines: Vec<MaskedLine>,
    /// By the line that carries it.
    pub records: BTreeMap<u64, MaskedRecord>,
    /// Silence came after these lines.
    idle: Vec<u64>,
    /// The state after each line, as it is saved.
    states: Vec<String>,
    raw: Vec<Vec<u8>>,
    plan: NumberPlan,
}

fn noon() -> Timestamp {
    TODAY.at(12, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp()
}

fn gate(numbers: &NumberPlan) -> Gate {
    // On a disk the ring keeps its keys in memory only.
    let folder = tempfile::tempdir().unwrap();
    let (ring, peers) = KeyRing::open(folder.path(), TODAY, 1).unwrap();
    Gate { privacy: Privacy::new(numbers.clone(), true, peers), ring }
}

pub fn live(plan: &Arc<Plan>, lines: &[Vec<u8>], numbers: &NumberPlan) -> Stored {
    run(plan, lines, numbers, false)
}

/// The same with the daemon restarted after every line, from the state as it is saved.
pub fn with_restarts(plan: &Arc<Plan>, lines: &[Vec<u8>], numbers: &NumberPlan) -> Stored {
    run(plan, lines, numbers, true)
}

fn run(plan: &Arc<Plan>, lines: &[Vec<u8>], numbers: &NumberPlan, restart: bool) -> Stored {
    let mut gate = gate(numbers);
    let fresh = |state, next| Reader::new(1, plan.clone(), TimeZone::UTC, state, next);
    let mut reader = fresh(SourceState::default(), 1);
    let mut stored = Stored {
        lines: Vec::new(),
        records: BTreeMap::new(),
        idle: Vec::new(),
        states: Vec::new(),
        raw: lines.to_vec(),
        plan: numbers.clone(),
    };
    for (no, line) in (1_i64..).zip(lines) {
        let at = noon() + SignedDuration::from_secs(no);
        let batch = reader.bytes(&mut gate, 7, &[line.as_slice(), b"\r\n"].concat(), at).expect("a line");
        let state = serde_json::to_string(&batch.state).unwrap();
        assert!(!format!("{batch:?}").contains("live: Some"), "a live number leaves the reading side");
        take(&mut stored, batch);
        stored.states.push(state.clone());
        if restart {
            reader = fresh(serde_json::from_str(&state).unwrap(), no as u64 + 1);
        }
    }
    if let Some(batch) = reader.ended(&mut gate, 7, noon() + SignedDuration::from_hours(1), false) {
        take(&mut stored, batch);
    }
    stored
}

fn take(stored: &mut Stored, batch: Batch) {
    for entry in batch.entries {
        match entry {
            Entry::Line(line) => {
                stored.records.extend(line.record.clone().map(|record| (line.seq, record)));
                stored.lines.push(line);
            }
            Entry::Settled { seq, record, reason, .. } => {
                stored.records.extend(record.map(|record| (seq, record)));
                if let Some(line) = stored.lines.get_mut(seq as usize - 1) {
                    line.reason = reason;
                }
            }
            Entry::Idle(seq) => stored.idle.push(seq),
        }
    }
}

/// The records that a rebuild reads from what is stored.
pub fn replayed(plan: &Plan, stored: &Stored) -> BTreeMap<u64, MaskedRecord> {
    let mut state = SourceState::default();
    let mut records = BTreeMap::new();
    let mut reading = Reading::default();
    let mut put = |reading: &mut Reading| {
        for settled in reading.settled.drain(..) {
            if let What::Record(record) = settled.what {
                records.insert(settled.no, record.map_numbers(|number| number.kept().cloned()));
            }
        }
    };
    for line in &stored.lines {
        if !line.shape {
            let input = Line { no: line.seq, bytes: &line.text, kept: &line.numbers, today: TODAY };
            plan.step(&mut state, &input, &mut reading);
            put(&mut reading);
        }
        if stored.idle.contains(&line.seq) {
            plan.idle(&mut state, &mut reading);
            put(&mut reading);
        }
    }
    records
}

impl Stored {
    /// The records, with tokens only as far as there is one: each run has keys of its own.
    pub fn records_without_tokens(&self) -> BTreeMap<u64, MaskedRecord> {
        let bare = |record: &MaskedRecord| {
            record.clone().map_numbers(|mut number| {
                number.token = number.token.map(|_| 0);
                Some(number)
            })
        };
        self.records.iter().map(|(seq, record)| (*seq, bare(record))).collect()
    }

    /// Everything that is kept of a line.
    pub fn told(&self, place: usize) -> Vec<String> {
        let line = &self.lines[place];
        let mut all = vec![String::from_utf8_lossy(&line.text).into_owned(), self.states[place].clone()];
        all.extend(line.reason.clone());
        all.extend(line.numbers.iter().filter_map(|(_, number)| number.own.as_deref()).map(str::to_owned));
        all.extend(self.records.get(&line.seq).map(|record| {
            let mut record = record.clone();
            // Random values, in which any digits may stand.
            for number in [&mut record.cli, &mut record.ddi, &mut record.dialled].into_iter().flatten() {
                number.token = None;
            }
            serde_json::to_string(&record).unwrap()
        }));
        all
    }

    /// Whether the same digits stand in this line or one before as something that may be kept.
    pub fn innocent(&self, tail: &str, place: usize) -> bool {
        let squeezed = |bytes: &[u8]| -> String {
            String::from_utf8_lossy(bytes)
                .chars()
                .filter(|one| one.is_ascii_digit() || one.is_ascii_alphabetic())
                .collect()
        };
        let tokens = self.lines[..=place].iter().flat_map(|line| &line.numbers).filter_map(|(_, number)| number.token);
        let own =
            self.lines[..=place].iter().flat_map(|line| &line.numbers).filter_map(|(_, number)| number.own.as_deref());
        let times = self.raw[..=place].iter().map(|line| squeezed(line).matches(tail).count()).sum::<usize>();
        tokens.into_iter().any(|token| token.to_string().contains(tail))
            || own.into_iter().any(|own| own.contains(tail))
            || times > 1
    }

    /// An independent word on whether a number may be kept in clear.
    pub fn is_own(&self, digits: &str, role: Role, line: &[u8], marks: &[Mark]) -> bool {
        let bare: Vec<&str> = std::iter::once(digits)
            .chain(self.plan.access.iter().filter_map(|access| digits.strip_prefix(access.as_str())))
            .collect();
        let within = |number: &str| {
            let home = number
                .strip_prefix("+44")
                .or_else(|| number.strip_prefix("0044"))
                .or_else(|| number.strip_prefix("44"));
            let home = home.map(|rest| format!("0{}", rest.trim_start_matches('0')));
            let spellings = [number.to_owned(), format!("0{number}"), home.unwrap_or_default()];
            self.plan.own.iter().any(|(first, last)| {
                let (first, last): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
                let all = || (first..=last).map(|own| format!("0{own}"));
                all().any(|own| spellings.contains(&own) || (role != Role::Plain && own.ends_with(number)))
            })
        };
        let listed = |number: &str| {
            PUBLIC.contains(&number)
                || self.plan.short_codes.iter().any(|code| code == number)
                || (role != Role::Plain && self.plan.ddis.iter().any(|ddi| ddi == number))
        };
        let station = digits.len() <= 4
            && marks.iter().filter(|mark| mark.holds == Holds::Typed).any(|mark| {
                let text = String::from_utf8_lossy(&line[usize::from(mark.start)..usize::from(mark.end)]).into_owned();
                text.trim().trim_start_matches(char::is_alphabetic) == digits
            });
        let unset = self.plan.own.is_empty() && role != Role::Plain && digits.len() <= 6;
        station || unset || bare.iter().any(|number| within(number) || listed(number))
    }
}
