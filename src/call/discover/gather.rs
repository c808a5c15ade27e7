//! Records to calls with their legs, in memory.

use std::collections::BTreeMap;

use crate::call::{Assembler, Call, Leg, LineRef, Rules, Site, Wall, decide};
use crate::record::MaskedRecord;

/// After how many records the calls that nothing can join any more are let go of, so that a long file stays quick.
const SWEEP: usize = 1_000;

/// A call with its legs.
#[derive(Debug, Clone, PartialEq)]
pub struct HeardCall {
    /// As it is counted.
    pub call: Call,
    /// Its legs, in the order of their lines.
    pub legs: Vec<Leg>,
}

/// Joins the records of one or more sources into calls and keeps their legs.
#[derive(Debug)]
pub struct Gatherer {
    site: Site,
    assembler: Assembler,
    rules: BTreeMap<u16, Rules>,
    walls: BTreeMap<u16, Wall>,
    calls: BTreeMap<LineRef, Vec<Leg>>,
    taken: usize,
}

impl Gatherer {
    /// For this site.
    pub fn new(site: Site) -> Gatherer {
        Gatherer {
            assembler: Assembler::new(site.clone()),
            site,
            rules: BTreeMap::new(),
            walls: BTreeMap::new(),
            calls: BTreeMap::new(),
            taken: 0,
        }
    }

    /// Adds a source.
    pub fn source(&mut self, source: u16, rules: Rules) {
        self.assembler.source(source, rules.clone(), Wall::default());
        self.rules.insert(source, rules);
    }

    /// Takes up the record that a line carries, in the order of the lines. A record without a stamp has no place.
    pub fn take(&mut self, line: LineRef, record: MaskedRecord) {
        let Some(rules) = self.rules.get(&line.source) else { return };
        let leg = self.walls.entry(line.source).or_default().place(&rules.zone, line, record.clone());
        if let (Some(leg), Some(call)) = (leg, self.assembler.accept(line, record)) {
            self.calls.entry(call.id).or_default().push(leg);
            self.taken += 1;
            if self.taken.is_multiple_of(SWEEP) {
                self.assembler.tick(jiff::Timestamp::MIN, |_| false);
            }
        }
    }

    /// Takes up a record whose call is known.
    pub fn put(&mut self, line: LineRef, call: LineRef, record: MaskedRecord) {
        let Some(rules) = self.rules.get(&line.source) else { return };
        if let Some(leg) = self.walls.entry(line.source).or_default().place(&rules.zone, line, record) {
            self.calls.entry(call).or_default().push(leg);
        }
    }

    /// The calls, in the order of their first lines.
    pub fn calls(&self) -> Vec<HeardCall> {
        let calls = self.calls.values();
        calls.map(|legs| HeardCall { call: decide(&self.site, legs, false), legs: legs.clone() }).collect()
    }
}
