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
    /// The most legs of one source that are kept; nothing: all.
    most: Option<usize>,
    legs: BTreeMap<u16, usize>,
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
            most: None,
            legs: BTreeMap::new(),
        }
    }

    /// Keeps the newest legs only, at most so many of each source: a small box has little memory.
    pub fn at_most(self, legs: usize) -> Gatherer {
        Gatherer { most: Some(legs), ..self }
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
            push(self.calls.entry(call.id).or_default(), leg);
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
            push(self.calls.entry(call).or_default(), leg);
            *self.legs.entry(line.source).or_default() += 1;
            self.let_go(line.source);
        }
    }

    /// Lets the source's first calls go where it has too many legs.
    fn let_go(&mut self, source: u16) {
        let Some(most) = self.most else { return };
        let legs = self.legs.entry(source).or_default();
        while *legs > most {
            let first = self.calls.range(LineRef { source, seq: 0 }..).map(|(id, _)| *id).next();
            let Some(gone) = first.filter(|id| id.source == source).and_then(|id| self.calls.remove(&id)) else {
                return;
            };
            *legs = legs.saturating_sub(gone.len());
        }
    }

    /// The calls, in the order of their first lines.
    pub fn calls(self) -> Vec<HeardCall> {
        let site = self.site;
        let calls = self.calls.into_values();
        calls.map(|legs| HeardCall { call: decide(&site, &legs, false), legs }).collect()
    }
}

/// Most calls have one leg: no room for more is taken.
fn push(legs: &mut Vec<Leg>, leg: Leg) {
    legs.reserve_exact(1);
    legs.push(leg);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{LinkKey, Linking};
    use crate::record::{Stamp, StampKind};

    #[test]
    fn a_source_with_too_many_legs_loses_its_first_calls_and_no_other_does() {
        let config = toml::from_str("").unwrap();
        let mut gatherer = Gatherer::new(Site::new(&config, &[].into())).at_most(5);
        let linking = Linking {
            by: LinkKey::Nothing,
            window_s: 0,
            slack_s: 0,
            joins: vec![],
            announced: vec![],
            opens: vec![],
            offer_s: None,
            chained: false,
        };
        let stamp = Stamp {
            kind: StampKind::Arrival,
            at: jiff::civil::date(2026, 11, 20).at(8, 0, 0, 0),
            resolution_s: 1,
            ahead_s: 0,
        };
        let record = MaskedRecord { stamp: Some(stamp), ..MaskedRecord::default() };
        for source in [1, 2] {
            gatherer.source(source, Rules { linking: linking.clone(), zone: jiff::tz::TimeZone::UTC });
        }
        let mut put = |source, seq, call| {
            let line = |seq| LineRef { source, seq };
            gatherer.put(line(seq), line(call), record.clone());
        };
        put(1, 1, 1);
        for seq in 1..=8 {
            // Two lines a call.
            put(2, seq, seq - (seq + 1) % 2);
        }
        let ids: Vec<_> = gatherer.calls().iter().map(|heard| (heard.call.id.source, heard.call.id.seq)).collect();
        assert_eq!(ids, [(1, 1), (2, 5), (2, 7)]);
    }

    /// What `daemon::discover` reckons with.
    #[test]
    fn a_leg_takes_well_under_a_kilobyte() {
        assert!(size_of::<HeardCall>() + size_of::<Leg>() < 900, "{}", size_of::<HeardCall>() + size_of::<Leg>());
    }
}
