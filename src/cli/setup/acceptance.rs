//! The acceptance calls: what three test calls must leave in the lines, what they did leave, and which switch of the PBX
//! brings the rest. Pure: records in, a verdict out.

use crate::dialect::Switch;
use crate::record::{Direction, LegKind, Party, Record};

/// Legs of a call that are shown at most.
const MOST_LEGS: usize = 6;

/// One of the three calls an installer makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trial {
    /// Ring in, and hang up before anybody answers.
    RingOff,
    /// Ring in, and have a person answer.
    Answered,
    /// Ring in, have a person answer, and have them pass it on to a colleague.
    Transferred,
}

impl Trial {
    pub const ALL: [Trial; 3] = [Trial::RingOff, Trial::Answered, Trial::Transferred];

    /// What the installer does.
    pub fn what_to_do(self) -> &'static str {
        match self {
            Trial::RingOff => "ring in from a mobile, let it ring twice, and hang up before anybody answers",
            Trial::Answered => "ring in from a mobile, have it answered, talk for ten seconds, and hang up",
            Trial::Transferred => "ring in from a mobile, have it answered and passed on to a colleague, and hang up",
        }
    }

    /// In a word, for the list at the end.
    pub fn name(self) -> &'static str {
        match self {
            Trial::RingOff => "not answered",
            Trial::Answered => "answered",
            Trial::Transferred => "transferred",
        }
    }
}

/// What came in while a call was made.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Records, in order.
    pub records: Vec<Record>,
    /// Offers of a call to a station, which say nothing of how it ended.
    pub offers: Vec<Record>,
    /// Lines that no rule understands.
    pub unparsed: usize,
}

/// What a dialect can show, and what makes the PBX show it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format<'a> {
    /// Words for what it never shows.
    pub cannot: &'a [String],
    /// The PBX's switches.
    pub switches: &'a [Switch],
}

/// Something that the call should have left and did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    /// A word of [`crate::dialect::MISSING`]; empty where the call itself has to be made again.
    pub word: &'static str,
    /// In a sentence.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

/// What became of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub trial: Trial,
    /// Whether it was seen as what it was.
    pub passed: bool,
    /// What was seen, in sentences without a number.
    pub saw: Vec<String>,
    pub missing: Vec<Missing>,
}

impl Verdict {
    /// Whether the call was seen, with all that this format can show of it.
    pub fn complete(&self) -> bool {
        self.passed && self.missing.is_empty()
    }
}

/// What `heard` says of the call of `trial`. Other calls may be among the records.
pub(super) fn judge(trial: Trial, heard: &Heard, format: Format<'_>) -> Verdict {
    let mut judging =
        Judging { heard, format, verdict: Verdict { trial, passed: false, saw: vec![], missing: vec![] } };
    judging.unparsed();
    match trial {
        Trial::RingOff => judging.ring_off(),
        Trial::Answered => judging.answered(),
        Trial::Transferred => judging.transferred(),
    }
    judging.verdict
}

struct Judging<'a> {
    heard: &'a Heard,
    format: Format<'a>,
    verdict: Verdict,
}

impl<'a> Judging<'a> {
    fn inbound(&self) -> Vec<&'a Record> {
        self.heard.records.iter().filter(|record| record.direction == Some(Direction::Inbound)).collect()
    }

    fn saw(&mut self, record: &Record) {
        self.verdict.saw.push(in_words(record));
    }

    /// Notes what is missing, unless there is nothing of the kind for this format to show.
    fn miss(&mut self, word: &'static str, what: impl Into<String>) {
        // A layout that cannot show it may be given up for one that can: the switch goes first.
        let remedy = match self.switch(word) {
            Some(switch) => format!("at the PBX: {switch}"),
            None if self.format.cannot.iter().any(|cannot| cannot == word) => {
                "this format never shows it: the figures that need it stay unknown, and are not 0".to_owned()
            }
            None => "no switch for it is known; look for it among the PBX's SMDR options".to_owned(),
        };
        self.verdict.missing.push(Missing { word, what: what.into(), remedy });
    }

    fn again(&mut self, what: impl Into<String>, remedy: &str) {
        self.verdict.missing.push(Missing { word: "", what: what.into(), remedy: remedy.to_owned() });
    }

    fn switch(&self, word: &str) -> Option<&str> {
        let found = self.format.switches.iter().find(|switch| switch.when_missing == word);
        found.map(|switch| switch.remedy.as_str())
    }

    fn unparsed(&mut self) {
        if self.heard.unparsed > 0 {
            let lines = if self.heard.unparsed == 1 { "line" } else { "lines" };
            self.verdict.saw.push(format!("{} {lines} that this dialect does not understand", self.heard.unparsed));
        }
    }

    /// Nothing came of a call in; `word` is what is off then.
    fn nothing(&mut self, word: &'static str, what: &str) {
        let others: Vec<&Record> = self.heard.records.iter().collect();
        for record in others.iter().take(3) {
            self.saw(record);
        }
        if self.heard.records.is_empty() && self.heard.offers.is_empty() && self.heard.unparsed == 0 {
            self.verdict.saw.push("nothing at all".to_owned());
        }
        self.miss(word, what);
    }

    /// What every record of a call in should say of its caller.
    fn caller(&mut self, records: &[&Record]) {
        let offers = self.heard.offers.iter();
        let has = |get: fn(&Record) -> bool| records.iter().any(|record| get(record)) || offers.clone().any(get);
        let (cli, ddi) = (has(|record| record.cli.is_some()), has(|record| record.ddi.is_some()));
        if !cli && !self.format.cannot.iter().any(|word| word == "cli") {
            self.miss("cli", "no caller's number: repeat calls of one patient cannot be told (was it withheld?)");
        }
        // Many PBXs have no DDIs: it is missed only where the PBX is known to have a switch for it.
        if !ddi && self.switch("ddi").is_some() {
            self.miss("ddi", "not the number that was dialled (a line without DDI has none)");
        }
    }

    fn ring(&mut self, records: &[&Record]) {
        let rings = records.iter().any(|record| record.ring_s.is_some());
        if !rings {
            self.miss("ring", "no ring time: how long callers wait is unknown");
        }
    }

    fn ring_off(&mut self) {
        let inbound = self.inbound();
        let lost = |record: &&&Record| {
            record.answered == Some(false)
                || (record.answered.is_none() && record.talk_s.unwrap_or(0) == 0 && !is_transfer(record))
        };
        if let Some(call) = inbound.iter().filter(lost).max_by_key(|record| record.answered == Some(false)) {
            self.saw(call);
            self.verdict.passed = true;
            self.ring(&[call]);
            return self.caller(&[call]);
        }
        let was_taken = |record: &&&Record| record.answered == Some(true) || record.talk_s.unwrap_or(0) > 0;
        if let Some(taken) = inbound.iter().find(was_taken) {
            self.saw(taken);
            let by = match taken.party {
                Some(Party::Voicemail) => "voicemail took the call".to_owned(),
                Some(Party::AutoAttendant) => "a menu took the call".to_owned(),
                _ => match &taken.extension {
                    Some(station) => format!("station {station} took the call"),
                    None => "the call was taken".to_owned(),
                },
            };
            let remedy = "ring again and hang up sooner; where a machine answers at once, give it its role";
            return self.again(by, remedy);
        }
        if let Some(offer) = self.heard.offers.first() {
            self.verdict.saw.push(format!("the ringing of {}, and not how it ended", in_words(offer)));
            return self.miss("unanswered", "no record of a call that nobody answered");
        }
        self.nothing("unanswered", "no record of a call that nobody answered: lost calls would not be counted");
    }

    fn answered(&mut self) {
        let inbound = self.inbound();
        let talked = |record: &&&Record| record.talk_s.is_some_and(|seconds| seconds > 0);
        let call = inbound.iter().find(|record| record.answered == Some(true)).or(inbound.iter().find(talked));
        let Some(call) = call else {
            if let Some(other) = inbound.first() {
                self.saw(other);
                let remedy = "make the call again, and see that a person answers and talks for ten seconds";
                return self.again("a call in that nobody answered", remedy);
            }
            return self.nothing("inbound", "no record of a call in");
        };
        self.saw(call);
        self.verdict.passed = true;
        // The wait may be on another leg: that of the group which rang.
        self.ring(&inbound);
        if inbound.iter().all(|record| record.talk_s.is_none()) {
            self.miss("talk", "no length of the conversation");
        }
        self.caller(&inbound);
    }

    fn transferred(&mut self) {
        let inbound = self.inbound();
        // Other calls may have come in between: the one that was passed on is looked for among all.
        let calls: Vec<Vec<&Record>> = inbound.iter().map(|first| self.legs_of(first)).collect();
        let Some(call) = calls.iter().find(|legs| is_passed_on(legs)).or(calls.last()) else {
            return self.nothing("inbound", "no record of a call in");
        };
        self.verdict.saw.extend(call.iter().take(MOST_LEGS).map(|record| in_words(record)));
        self.verdict.passed = is_passed_on(call);
        if !self.verdict.passed {
            self.miss("transfer", "nothing of the transfer: the call shows one station, and not who had it in the end");
        }
    }

    /// The records of a call, the first among them. Legs after a transfer may show no direction of their own.
    fn legs_of(&self, first: &'a Record) -> Vec<&'a Record> {
        let same = |record: &&Record| match (&first.call_id, &record.call_id) {
            (Some(one), Some(other)) => one == other && first.epoch == record.epoch,
            _ => first.trunk.is_some() && first.trunk == record.trunk,
        };
        let legs: Vec<&Record> = self.heard.records.iter().filter(same).collect();
        if legs.is_empty() { vec![first] } else { legs }
    }
}

/// Whether a transfer is marked or, where the PBX itself says which records are one call, two stations took it. Two calls on
/// one trunk are otherwise not told from one that was passed on.
fn is_passed_on(legs: &[&Record]) -> bool {
    let took = |record: &&&Record| record.call_id.is_some() && record.answered == Some(true);
    let mut stations = legs.iter().filter(took).filter_map(|record| record.extension.as_deref());
    let first = stations.next();
    legs.iter().any(|record| is_transfer(record)) || stations.any(|station| Some(station) != first)
}

fn is_transfer(record: &Record) -> bool {
    record.transferred == Some(true) || record.leg == LegKind::Transfer
}

/// A record in words; of numbers only how many digits they have.
pub(super) fn in_words(record: &Record) -> String {
    let way = match record.direction {
        Some(Direction::Inbound) => "a call in",
        Some(Direction::Outbound) => "a call out",
        Some(Direction::Internal) => "an internal call",
        Some(Direction::Tandem) => "a call from line to line",
        None => "part of a call",
    };
    let mut words = Vec::new();
    if let Some(stamp) = record.stamp {
        words.push(stamp.at.strftime(if stamp.resolution_s == 1 { "%H:%M:%S" } else { "%H:%M" }).to_string());
    }
    words.push(way.to_owned());
    if let Some(trunk) = &record.trunk {
        words.push(format!("on trunk {trunk}"));
    }
    if let Some(station) = &record.extension {
        words.push(format!("at station {station}"));
    }
    let mut parts = vec![words.join(" ")];
    match (record.answered, record.party) {
        (_, Some(Party::Voicemail)) => parts.push("voicemail".to_owned()),
        (_, Some(Party::AutoAttendant)) => parts.push("menu".to_owned()),
        (Some(true), _) => parts.push("answered".to_owned()),
        (Some(false), _) => parts.push("not answered".to_owned()),
        (None, _) => {}
    }
    for (what, seconds) in
        [("rang", record.ring_s), ("talked", record.talk_s), ("held", record.hold_s.filter(|s| *s > 0))]
    {
        parts.extend(seconds.map(|seconds| format!("{what} {seconds} s")));
    }
    if is_transfer(record) {
        parts.push("transferred".to_owned());
    }
    for (what, number) in [("caller", &record.cli), ("DDI", &record.ddi), ("dialled", &record.dialled)] {
        parts.extend(number.as_ref().map(|number| format!("{what}: {} digits", number.digits())));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests;
