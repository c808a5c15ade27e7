//! A dialect that is replaced while its source runs, or that cannot be used at all.

use std::sync::Mutex;

use super::file::Emit;
use super::plan::Plan;
use super::state::{Open, SourceState};
use super::{CANNOT, LinkKey, Linking, Reading, Settled, What};
use crate::framing::Protocol;

impl Plan {
    /// Stands for a dialect that could not be loaded, and says why. It understands no line and leaves the state alone;
    /// it claims to show nothing, so that what was not read is unknown and not 0.
    pub fn unusable(dialect: &str, protocol: Protocol, why: String) -> Plan {
        Plan {
            dialect: dialect.to_owned(),
            slots: Vec::new(),
            prefixes: Vec::new(),
            kinds: Vec::new(),
            groups: Vec::new(),
            always: Vec::new(),
            tables: Vec::new(),
            stamp: None,
            trunks: Vec::new(),
            linking: Linking {
                by: LinkKey::Nothing,
                window_s: 0,
                slack_s: 0,
                joins: Vec::new(),
                announced: Vec::new(),
                opens: Vec::new(),
                offer_s: None,
                chained: false,
            },
            restart: None,
            cannot: CANNOT.map(str::to_owned).to_vec(),
            told: Vec::new(),
            protocol,
            assume_year: None,
            regexes: Vec::new(),
            desks: Mutex::new(Vec::new()),
            sequence: None,
            unusable: Some(why),
        }
    }

    /// Why there are no rules, where the dialect could not be loaded. No line may be given to such a plan.
    pub fn why_unusable(&self) -> Option<&str> {
        self.unusable.as_deref()
    }

    /// Takes over a source from `before` with what it remembered. Records of several lines that these rules know go on;
    /// each other one ends here, and its last line is not understood. `reading` is emptied first.
    pub fn take_over(&self, before: &Plan, state: &mut SourceState, reading: &mut Reading) {
        reading.settled.clear();
        reading.marks.clear();
        reading.trunk = None;
        // What cannot be read now may be read again by the next file that is put in place.
        if self.unusable.is_some() {
            return;
        }
        let waits = |open: &Open| {
            let group = before.groups.iter().find(|group| group.name == open.group);
            group.is_none_or(|group| group.emit == Emit::Close)
        };
        state.open.retain(|open| {
            let goes_on = self.goes_on(open);
            if !goes_on && waits(open) {
                let reason = format!("record of {} lines was cut off by another dialect file", open.lines);
                reading.settled.push(Settled { no: open.last, what: What::Unparsed { reason, column: None } });
            }
            goes_on
        });
    }

    fn goes_on(&self, open: &Open) -> bool {
        let keyed = !open.key.is_empty();
        self.groups.iter().any(|group| group.name == open.group && group.key.is_some() == keyed)
            && self.kinds.iter().any(|kind| kind.name == open.kind)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::{Dialect, Library, Line, What};
    use super::*;

    fn plan(id: &str) -> Plan {
        let dialect: &Dialect = Library::shipped().get(id).unwrap();
        dialect.plan(&std::collections::BTreeMap::new(), None).unwrap()
    }

    fn read(plan: &Plan, state: &mut SourceState, no: u64, line: &str) -> What {
        let mut reading = Reading::default();
        let line = Line { no, bytes: line.as_bytes(), kept: &[], today: jiff::civil::date(2026, 11, 20) };
        plan.step(state, &line, &mut reading);
        reading.settled.pop().unwrap().what
    }

    #[test]
    fn a_record_of_several_lines_goes_on_where_the_rules_know_it_and_else_ends_as_not_understood() {
        let before = plan("nortel-meridian");
        let mut state = SourceState::default();
        let first = "N 060 00 A001026 1031    11/20 13:07:40 00:00:04.0";
        assert_eq!(read(&before, &mut state, 7, first), What::Continuation);
        assert_eq!(read(&before, &mut state, 8, " &1632960961"), What::Continuation);
        let mut reading = Reading::default();
        let after = plan("nortel-meridian");
        after.take_over(&before, &mut state, &mut reading);
        assert!(reading.settled.is_empty() && state.has_open_groups());
        let mut on = state.clone();
        let last = read(&after, &mut on, 9, " &00:10                                000 00 0 02");
        assert!(matches!(last, What::Record(_)), "{last:?}");

        // Without rules it waits for some.
        Plan::unusable("nortel-meridian", Protocol::Lines, "wrong".into()).take_over(&before, &mut state, &mut reading);
        assert!(reading.settled.is_empty() && state.has_open_groups());

        let other = plan("nortel-bcm");
        other.take_over(&before, &mut state, &mut reading);
        let reason = "record of 2 lines was cut off by another dialect file".to_owned();
        let expected = Settled { no: 8, what: What::Unparsed { reason, column: None } };
        assert_eq!(reading.settled.as_slice(), [expected]);
        assert!(!state.has_open_groups());
    }

    #[test]
    fn a_dialect_that_cannot_be_used_shows_nothing() {
        let plan = Plan::unusable("our-pbx", Protocol::StxEtx, "line 3".into());
        assert_eq!((plan.why_unusable(), plan.protocol()), (Some("line 3"), Protocol::StxEtx));
        assert_eq!(plan.cannot(), CANNOT);
    }
}
