//! What the day document must say: counted from the calls that were played, as far as a family's records show them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use smdrd::simulator::scenario::{Call, Day, Ending, Parties};
use smdrd::simulator::truth::EDGES;

const HALF_HOUR: SignedDuration = SignedDuration::from_mins(30);

/// What a call is for the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// From outside, and how it ended.
    Inbound(Ending),
    /// To the outside; whether it was answered, where that is shown.
    Outbound(Option<bool>),
    /// Between stations.
    Internal,
}

/// What the records of a call show of it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// What it was.
    pub kind: Kind,
    /// Seconds of its wait.
    pub wait: Option<u32>,
    /// Seconds of its talk.
    pub talk: Option<u32>,
    /// Whether the caller's number is shown.
    pub caller: bool,
    /// The earliest instant at which the records allow its arrival to be placed …
    pub from: Timestamp,
    /// … and the latest.
    pub until: Timestamp,
    /// Seconds of the line's use that the records show: at least, and at most.
    pub busy: (u32, u32),
}

impl Shown {
    /// Everything.
    pub fn all(call: &Call) -> Shown {
        let kind = match &call.parties {
            Parties::Inbound { .. } => Kind::Inbound(call.ending()),
            Parties::Outbound { .. } => Kind::Outbound(Some(call.ending() == Ending::Answered)),
            Parties::Internal { .. } | Parties::MailboxCheck { .. } => Kind::Internal,
        };
        let caller = matches!(&call.parties, Parties::Inbound { caller: Some(_), .. });
        let (from, until) = (call.arrival, call.arrival);
        let busy = (call.length(), call.length());
        Shown { kind, wait: Some(call.wait()), talk: Some(call.talk()), caller, from, until, busy }
    }

    /// The start is shown to the minute: its first second is what can be taken.
    pub fn at_its_minute(mut self, slack_s: u32) -> Shown {
        let second = self.from.as_second();
        self.from = Timestamp::from_second(second - second.rem_euclid(60)).unwrap();
        self.until = self.from;
        self.busy = (self.busy.0.saturating_sub(slack_s), self.busy.1 + slack_s);
        self
    }

    /// The end is shown to the minute, and so many seconds of what lies before it.
    pub fn back_from_the_minute_of(mut self, end: Timestamp, known_s: u32) -> Shown {
        let second = end.as_second();
        let minute = Timestamp::from_second(second - second.rem_euclid(60)).unwrap();
        self.from = minute - SignedDuration::from_secs(i64::from(known_s));
        self.until = self.from;
        self.busy = (known_s, known_s);
        self
    }

    /// The arrival is placed up to so many seconds early, and up to so many late.
    pub fn placed(mut self, early: u32, late: u32) -> Shown {
        self.from -= SignedDuration::from_secs(i64::from(early));
        self.until += SignedDuration::from_secs(i64::from(late));
        self
    }
}

/// Counts by JSON pointer.
type Counts = BTreeMap<String, u64>;

/// What the document must say of a half-hour.
#[derive(Debug, Default, Clone)]
struct Slot {
    sure: Counts,
    /// Of calls that may be counted here or in another half-hour.
    perhaps: Counts,
}

/// What the document must say.
pub struct Expected {
    slots: Vec<(Timestamp, Slot)>,
    totals: Counts,
    busy: (u64, u64),
    /// Most lines in use at once: at least, and at most.
    peak: (u64, u64),
    doubt: u64,
    /// Calls of which some record was printed.
    pub seen: u64,
    cannot: BTreeSet<&'static str>,
}

const PLAIN: [&str; 16] = [
    "/inbound/calls",
    "/inbound/calls_seen",
    "/inbound/ivr_ended",
    "/inbound/answered",
    "/inbound/callback_requested",
    "/inbound/missed",
    "/inbound/missed_voicemail",
    "/inbound/not_people",
    "/inbound/repeat_calls",
    "/callbacks_made",
    "/outbound/calls",
    "/outbound/answered",
    "/outbound/talk_sum_s",
    "/internal/calls",
    "/internal/calls_seen",
    "/trunks/busy_s",
];
const BANDS: [&str; 3] = ["/inbound/answered_wait", "/inbound/answered_talk", "/inbound/missed_wait"];

/// Which figures are null where a PBX cannot show something.
fn nulls(word: &str) -> &'static [&'static str] {
    match word {
        "unanswered" => &[
            "/inbound/calls",
            "/inbound/missed",
            "/inbound/missed_voicemail",
            "/inbound/missed_wait",
            "/inbound/missed_wait_unknown",
            "/inbound/missed_wait_sum_s",
        ],
        "ring" => &["/inbound/answered_wait_sum_s", "/inbound/missed_wait_sum_s"],
        "talk" => {
            &["/inbound/answered_talk_sum_s", "/outbound/talk_sum_s", "/trunks/busy_s", "/trunks/peak_concurrent"]
        }
        "voicemail" => &["/inbound/missed_voicemail"],
        "internal" => &["/internal/calls"],
        "outbound-answer" => &["/outbound/answered"],
        "cli" => &["/inbound/repeat_calls"],
        "outbound" => &[
            "/outbound/calls",
            "/outbound/answered",
            "/outbound/talk_sum_s",
            "/trunks/busy_s",
            "/trunks/peak_concurrent",
        ],
        "outbound-talk" => &["/outbound/talk_sum_s"],
        "inbound" => &[
            "/inbound/calls",
            "/inbound/ivr_ended",
            "/inbound/answered",
            "/inbound/callback_requested",
            "/inbound/answered_wait",
            "/inbound/answered_wait_unknown",
            "/inbound/answered_wait_sum_s",
            "/inbound/answered_talk",
            "/inbound/answered_talk_unknown",
            "/inbound/answered_talk_sum_s",
            "/trunks/busy_s",
            "/trunks/peak_concurrent",
        ],
        // The site books no calls back, and has a menu only where the family's printer shows it; of hold and the like
        // the document says nothing.
        _ => &[],
    }
}

impl Expected {
    /// Counts the day of a family that prints what `shows` says and never what is in `cannot`.
    pub fn of(day: &Day, shows: fn(&Call) -> Option<Shown>, cannot: &[&'static str]) -> Expected {
        let (begin, end) = day.bounds();
        let mut slots = Vec::new();
        let mut start = begin;
        while start < end {
            slots.push((start, Slot::default()));
            start += HALF_HOUR;
        }
        let index = |at: Timestamp| at.duration_since(begin).as_secs().div_euclid(HALF_HOUR.as_secs()) as usize;
        let mut expected = Expected {
            slots,
            totals: Counts::new(),
            busy: (0, 0),
            peak: (0, 0),
            doubt: 0,
            seen: 0,
            cannot: cannot.iter().copied().collect(),
        };
        let mut callers: BTreeSet<&str> = BTreeSet::new();
        let (mut least, mut most) = (Vec::new(), Vec::new());
        for call in &day.calls {
            let Some(shown) = shows(call) else { continue };
            let mut repeat = false;
            if let Parties::Inbound { caller: Some(caller), .. } = &call.parties
                && shown.caller
            {
                repeat = !callers.insert(caller);
            }
            expected.seen += 1;
            count(&mut expected.totals, &shown, repeat);
            let (first, last) = (index(shown.from), index(shown.until));
            if first == last {
                count(&mut expected.slots[first].1.sure, &shown, repeat);
            } else {
                (first..=last).for_each(|slot| count(&mut expected.slots[slot].1.perhaps, &shown, repeat));
            }
            if matches!(shown.kind, Kind::Inbound(_)) {
                // The box may allow two minutes for a ring that is not shown, and a minute for a stamp of minutes.
                let doubt = SignedDuration::from_secs(180);
                expected.doubt += u64::from(index(shown.from - doubt) != index(shown.until + doubt));
            }
            if call.line.is_some() {
                expected.busy.0 += u64::from(shown.busy.0);
                expected.busy.1 += u64::from(shown.busy.1);
                let after = |at: Timestamp, seconds: u32| at + SignedDuration::from_secs(i64::from(seconds));
                least.push((shown.until, after(shown.from, shown.busy.0).max(shown.until)));
                most.push((shown.from, after(shown.until, shown.busy.1).max(call.end())));
            }
        }
        expected.peak = (peak(&least), peak(&most));
        expected
    }

    /// Compares every figure of `document`; answers with how many were compared, and those that differ.
    pub fn compare(&self, document: &Value) -> Comparison {
        let mut comparison = Comparison::default();
        let nothing = Vec::new();
        let slots = document.get("slots").and_then(Value::as_array).unwrap_or(&nothing);
        comparison.check("document", "slots", Some(&slots.len().into()), &Is::Exactly(self.slots.len().into()));
        for (at, (start, slot)) in self.slots.iter().enumerate() {
            let given = slots.get(at).unwrap_or(&Value::Null);
            let place = given.get("local").and_then(Value::as_str).unwrap_or("no slot").to_owned();
            comparison.check(&place, "start", given.get("start"), &Is::Exactly(start.to_string().into()));
            self.figures(&mut comparison, &place, given, &slot.sure, &slot.perhaps, None);
        }
        let totals = document.get("totals").unwrap_or(&Value::Null);
        self.figures(&mut comparison, "totals", totals, &self.totals, &Counts::new(), Some(self.busy));
        let peak = if self.null("/trunks/peak_concurrent") { Is::Null } else { Is::Between(self.peak.0, self.peak.1) };
        comparison.check("totals", "/trunks/peak_concurrent", totals.pointer("/trunks/peak_concurrent"), &peak);
        let doubt = Is::Between(0, self.doubt);
        comparison.check("totals", "/inbound/edge_doubt", totals.pointer("/inbound/edge_doubt"), &doubt);
        for (metric, figure) in [
            ("/cbt/CBT001", "/inbound/calls"),
            ("/cbt/CBT002", "/inbound/ivr_ended"),
            ("/cbt/CBT003", "/inbound/answered"),
            ("/cbt/CBT004", "/inbound/missed"),
            ("/cbt/CBT005", "/inbound/callback_requested"),
            ("/cbt/CBT006", "/callbacks_made"),
            ("/cbt/CBT007", "/inbound/answered"),
        ] {
            let count = self.totals.get(figure).copied().unwrap_or(0);
            let is = if self.null(figure) { Is::Null } else { Is::Between(count, count) };
            comparison.check("cbt", metric, document.pointer(metric), &is);
        }
        self.reasons(&mut comparison, document);
        comparison
    }

    /// What is null has its reason, and what the source cannot show is said with it.
    fn reasons(&self, comparison: &mut Comparison, document: &Value) {
        let said = document.pointer("/sources/0/cannot").and_then(Value::as_array).cloned().unwrap_or_default();
        let said: BTreeSet<&str> = said.iter().filter_map(Value::as_str).collect();
        for word in &self.cannot {
            comparison.check("source", word, Some(&said.contains(word).into()), &Is::Exactly(true.into()));
        }
        for word in said.difference(&self.cannot).filter(|word| !nulls(word).is_empty()) {
            comparison.differences.push(format!("source: says that it cannot show {word}; the family's printer can"));
        }
        for (word, key) in [
            ("unanswered", "CBT004"),
            ("ring", "CBT003.wait"),
            ("talk", "CBT007.duration"),
            ("internal", "internal.calls"),
            ("outbound-answer", "outbound.answered"),
            ("voicemail", "missed_voicemail"),
            ("cli", "repeat_calls"),
            ("outbound", "outbound.calls"),
            ("outbound-talk", "outbound.talk"),
        ] {
            let given = document.get("cbt").and_then(|cbt| cbt.get("absent")?.get(key)).is_some_and(Value::is_string);
            comparison.check("cbt.absent", key, Some(&given.into()), &Is::Exactly(self.cannot.contains(word).into()));
        }
    }

    fn null(&self, pointer: &str) -> bool {
        self.cannot.iter().any(|word| nulls(word).contains(&pointer))
    }

    fn figures(
        &self,
        comparison: &mut Comparison,
        place: &str,
        given: &Value,
        sure: &Counts,
        perhaps: &Counts,
        busy: Option<(u64, u64)>,
    ) {
        let mut check = |pointer: &str, null: bool| {
            let least = sure.get(pointer).copied().unwrap_or(0);
            let most = least + perhaps.get(pointer).copied().unwrap_or(0);
            let is = if null { Is::Null } else { Is::Between(least, most) };
            comparison.check(place, pointer, given.pointer(pointer), &is);
        };
        for pointer in PLAIN.into_iter().filter(|pointer| *pointer != "/trunks/busy_s") {
            check(pointer, self.null(pointer));
        }
        for bands in BANDS {
            for band in 0..=EDGES.len() {
                let pointer = format!("{bands}/{band}");
                if !self.null(bands) {
                    check(&pointer, false);
                }
            }
            for more in ["_unknown", "_sum_s"] {
                let pointer = format!("{bands}{more}");
                check(&pointer, self.null(&pointer));
            }
        }
        for bands in BANDS.into_iter().filter(|bands| self.null(bands)) {
            comparison.check(place, bands, given.pointer(bands), &Is::Null);
        }
        if let Some((least, most)) = busy {
            let is = if self.null("/trunks/busy_s") { Is::Null } else { Is::Between(least, most) };
            comparison.check(place, "/trunks/busy_s", given.pointer("/trunks/busy_s"), &is);
        }
    }
}

fn count(counts: &mut Counts, shown: &Shown, repeat: bool) {
    let mut add = |pointer: &str, by: u64| *counts.entry(pointer.to_owned()).or_default() += by;
    match shown.kind {
        Kind::Inbound(ending) => {
            add("/inbound/calls", 1);
            add("/inbound/calls_seen", 1);
            add("/inbound/repeat_calls", u64::from(repeat));
            match ending {
                Ending::Answered => {
                    add("/inbound/answered", 1);
                    bands(&mut add, "/inbound/answered_wait", shown.wait);
                    bands(&mut add, "/inbound/answered_talk", shown.talk);
                }
                Ending::IvrEnded => add("/inbound/ivr_ended", 1),
                Ending::Voicemail | Ending::GaveUp => {
                    add("/inbound/missed", 1);
                    add("/inbound/missed_voicemail", u64::from(ending == Ending::Voicemail));
                    bands(&mut add, "/inbound/missed_wait", shown.wait);
                }
            }
        }
        Kind::Outbound(answered) => {
            add("/outbound/calls", 1);
            add("/outbound/answered", u64::from(answered == Some(true)));
            add("/outbound/talk_sum_s", u64::from(shown.talk.unwrap_or(0)));
        }
        Kind::Internal => {
            add("/internal/calls", 1);
            add("/internal/calls_seen", 1);
        }
    }
}

fn bands(add: &mut impl FnMut(&str, u64), pointer: &str, seconds: Option<u32>) {
    match seconds {
        Some(seconds) => {
            let band = EDGES.iter().take_while(|edge| **edge < seconds).count();
            add(&format!("{pointer}/{band}"), 1);
            add(&format!("{pointer}_sum_s"), u64::from(seconds));
        }
        None => add(&format!("{pointer}_unknown"), 1),
    }
}

fn peak(uses: &[(Timestamp, Timestamp)]) -> u64 {
    let mut moments: Vec<(Timestamp, i64)> = uses.iter().flat_map(|(from, to)| [(*from, 1), (*to, -1)]).collect();
    moments.sort_unstable();
    let in_use = moments.iter().scan(0_i64, |in_use, (_, change)| {
        *in_use += change;
        Some(*in_use)
    });
    in_use.max().unwrap_or(0).unsigned_abs()
}

enum Is {
    Exactly(Value),
    Between(u64, u64),
    Null,
}

/// How a comparison came out.
#[derive(Debug, Default)]
pub struct Comparison {
    /// How many figures were compared.
    pub figures: usize,
    /// Those that differ, each in words.
    pub differences: Vec<String>,
}

impl Comparison {
    /// Adds one figure that must be exactly `expected`.
    pub fn exactly(&mut self, place: &str, figure: &str, got: Option<&Value>, expected: impl Into<Value>) {
        self.check(place, figure, got, &Is::Exactly(expected.into()));
    }

    fn check(&mut self, place: &str, figure: &str, got: Option<&Value>, is: &Is) {
        self.figures += 1;
        let holds = match is {
            Is::Exactly(value) => got == Some(value),
            Is::Between(least, most) => got.and_then(Value::as_u64).is_some_and(|got| (*least..=*most).contains(&got)),
            Is::Null => got == Some(&Value::Null),
        };
        if !holds {
            let wanted = match is {
                Is::Exactly(value) => value.to_string(),
                Is::Between(least, most) if least == most => least.to_string(),
                Is::Between(least, most) => format!("{least} to {most}"),
                Is::Null => "null".to_owned(),
            };
            let got = got.map_or_else(|| "nothing".to_owned(), Value::to_string);
            self.differences.push(format!("{place} {figure}: played {wanted}, counted {got}"));
        }
    }
}
