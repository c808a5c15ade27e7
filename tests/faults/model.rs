//! What must hold of the product, whatever happens to it, told shortly: lines in order with what each turned out to be,
//! calls counted once, days closed once, documents by newest revision, and what the supplier has.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use smdrd::store::OutboxState;

/// How many lines in order prove that a buffer is printed again (`call::replay`).
const PROOF: usize = 3;

/// A line that the PBX printed: its number, and the day it is stamped with.
pub type Printed = (u32, Date);

/// A closed day.
#[derive(Debug, Clone, PartialEq)]
pub struct Day {
    pub revision: u32,
    pub state: OutboxState,
    /// Calls that its newest document shows.
    pub shown: u64,
}

#[derive(Debug, Default)]
pub struct Model {
    pub first_day: Date,
    /// What the PBX printed and the box stored.
    pub printed: Vec<Printed>,
    /// What it printed after that and the box lost in a crash. The PBX still has it in its buffer.
    pub lost: Vec<Printed>,
    /// Every stored line in order, and whether it is a record that is counted; else it is a duplicate.
    pub stored: Vec<(u32, bool)>,
    pub calls: BTreeMap<Date, u64>,
    pub days: BTreeMap<Date, Day>,
    /// Days that changed since their document was made, and those of them that were looked at again just now.
    changed: BTreeSet<Date>,
    settled: BTreeSet<Date>,
    /// The newest revision that the supplier has of each day.
    pub supplier: BTreeMap<Date, u32>,
}

impl Model {
    pub fn since(first_day: Date) -> Model {
        Model { first_day, ..Model::default() }
    }

    fn count(&mut self, (id, day): Printed) {
        self.stored.push((id, true));
        *self.calls.entry(day).or_default() += 1;
        self.changed.insert(day);
    }

    pub fn stores(&mut self, lines: &[Printed]) {
        lines.iter().for_each(|line| self.count(*line));
        self.printed.extend(lines);
    }

    /// The PBX prints its last `many` stored lines again, of which the box gets the first `heard` and, where those are
    /// all, what it lost as well. Fewer lines than prove anything are counted: with the doubt, but counted.
    pub fn prints_again(&mut self, many: usize, heard: usize) {
        let again = self.printed[self.printed.len() - many..][..heard].to_vec();
        for line in again {
            if heard < PROOF {
                self.count(line);
            } else {
                self.stored.push((line.0, false));
                self.changed.insert(line.1);
            }
        }
        if heard == many {
            let lost = std::mem::take(&mut self.lost);
            self.stores(&lost);
        }
    }

    /// A file of what the box heard already changes no figure, and is named in the documents all the same.
    pub fn imported(&mut self) {
        self.changed.extend(self.printed.iter().map(|(_, day)| *day));
    }

    /// Time passed: days before `open` are closed; with `nightly`, those that changed are made anew.
    pub fn passes(&mut self, open: Date, nightly: bool) {
        let mut date = self.first_day;
        while date < open {
            let shown = self.calls.get(&date).copied().unwrap_or(0);
            match self.days.get_mut(&date) {
                None => {
                    self.days.insert(date, Day { revision: 1, state: OutboxState::Pending, shown });
                    self.changed.remove(&date);
                }
                Some(day) if nightly && self.changed.remove(&date) => {
                    self.settled.insert(date);
                    if day.shown != shown {
                        *day = Day { revision: day.revision + 1, state: OutboxState::Pending, shown };
                        self.settled.remove(&date);
                    }
                }
                Some(_) => {}
            }
            date = date.tomorrow().unwrap();
        }
    }

    /// Of a day that was made anew with the same calls something else may differ (duplicates, links): then it has one
    /// revision more, and else none.
    pub fn made_anew(&mut self, revision_of: impl Fn(Date) -> u32) {
        for date in std::mem::take(&mut self.settled) {
            let day = self.days.get_mut(&date).unwrap();
            if revision_of(date) == day.revision + 1 {
                *day = Day { revision: day.revision + 1, state: OutboxState::Pending, shown: day.shown };
            }
        }
    }

    pub fn pending(&self) -> Vec<(Date, u32)> {
        let pending = self.days.iter().filter(|(_, day)| day.state == OutboxState::Pending);
        pending.map(|(date, day)| (*date, day.revision)).collect()
    }

    pub fn supplier_keeps(&mut self, date: Date, revision: u32) {
        let newest = self.supplier.entry(date).or_default();
        *newest = revision.max(*newest);
    }

    /// A receipt for a revision, the newest or not, for the first time or not.
    pub fn receipt(&mut self, date: Date, revision: u32) {
        let day = self.days.get_mut(&date).unwrap();
        if day.revision == revision {
            day.state = OutboxState::Receipted;
        }
    }

    pub fn parked(&mut self, date: Date) {
        self.days.get_mut(&date).unwrap().state = OutboxState::Parked;
    }

    /// Days are compared with the supplier's: it has what it seemed to refuse.
    pub fn compared(&mut self) {
        for (date, day) in &mut self.days {
            if day.state == OutboxState::Parked && self.supplier.get(date) == Some(&day.revision) {
                day.state = OutboxState::Pending;
            }
        }
    }
}
