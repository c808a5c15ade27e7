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
                chained: false,
            },
            restart: None,
            cannot: CANNOT.map(str::to_owned).to_vec(),
            protocol,
            assume_year: None,
            regexes: Vec::new(),
            desks: Mutex::new(Vec::new()),
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
