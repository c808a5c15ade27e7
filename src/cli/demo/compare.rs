//! Compares the document that the supplier holds with what was really played, figure by figure.
//!
//! It works on the JSON as it was received, not on the crate's own type of it, so that a figure which that type would
//! drop or fill in cannot slip through.

use std::ops::Range;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

use crate::simulator::truth::{Bands, Between, Figures, Truth};

const HALF_HOUR_S: u64 = 1_800;

/// What is known of one source: its name, its dialect, and how many lines of which kind it was sent.
#[derive(Debug, Clone, Copy)]
pub struct SentBy {
    /// Name in the configuration.
    pub name: &'static str,
    /// Dialect in the configuration.
    pub dialect: &'static str,
    /// Lines that carry a record.
    pub records: usize,
    /// Lines that only announce one, or say something else that is no call.
    pub events: usize,
    /// Tops of pages and blank lines.
    pub headers: usize,
}

/// A figure that is not what was played.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Local time of the half-hour, or the part of the document.
    pub slot: String,
    /// Which figure.
    pub figure: String,
    /// What was played.
    pub expected: String,
    /// What the document says.
    pub got: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} expected {} got {}", self.slot, self.figure, self.expected, self.got)
    }
}

/// How a comparison came out.
#[derive(Debug, Default, Serialize)]
pub struct Comparison {
    /// How many figures were compared.
    pub figures: usize,
    /// Those that differ.
    pub differences: Vec<Difference>,
}

/// What a figure must be.
enum Expected {
    /// Exactly this.
    Is(Value),
    /// From the first to the second, both included: a PBX that shows only minutes leaves it open.
    Between(u64, u64),
    /// Null, because one of the PBXs never shows it.
    Null,
    /// The same as `Between`, or null: a format that shows talk without showing answer leaves it to the reader.
    NullOr(u64, u64),
    /// The same as `Between`, where the document says it at all.
    IfGiven(u64, u64),
}

/// Compares `document` with what was played on `date`.
pub fn compare(document: &Value, date: Date, truth: &Truth, sources: &[SentBy]) -> Comparison {
    let mut comparison = Comparison::default();
    comparison.exactly(document, "document", "/date", date.to_string());
    comparison.exactly(document, "document", "/source_system", "legacy-pbx-smdr");
    comparison.exactly(document, "document", "/edges_s", crate::simulator::truth::EDGES.to_vec());
    for source in sources {
        comparison.source(document, source);
    }
    let nothing = Vec::new();
    let slots = document.get("slots").and_then(Value::as_array).unwrap_or(&nothing);
    comparison.check("document", "slots", Some(&Value::from(slots.len())), Expected::Is(truth.slots.len().into()));
    for (index, slot) in truth.slots.iter().enumerate() {
        let given = slots.get(index).unwrap_or(&Value::Null);
        let place = given.get("local").and_then(Value::as_str).unwrap_or("no slot").to_owned();
        comparison.exactly(given, &place, "/start", slot.start.to_string());
        comparison.figures(given, &place, &slot.figures, &slot.perhaps);
    }
    let totals = document.get("totals").unwrap_or(&Value::Null);
    comparison.figures(totals, "totals", &truth.totals, &Figures::default());
    for (pointer, Between { least, most }) in
        [("/trunks/peak_concurrent", truth.peak_lines), ("/trunks/busy_s", truth.busy_s)]
    {
        comparison.at(totals, "totals", pointer, Expected::Between(least, most));
    }
    comparison.at(totals, "totals", "/inbound/edge_doubt", Expected::Between(0, truth.most_doubt));
    let day = &truth.totals;
    let metrics = [
        ("/cbt/CBT001", day.calls),
        ("/cbt/CBT002", day.ivr_ended),
        ("/cbt/CBT003", day.answered),
        ("/cbt/CBT004", day.missed),
        ("/cbt/CBT005", 0),
        ("/cbt/CBT006", 0),
        ("/cbt/CBT007", day.answered),
    ];
    for (pointer, count) in metrics {
        comparison.exactly(document, "cbt", pointer, count);
    }
    comparison
}

/// Labels of the half-hours of which `document` says that less than all was observed.
pub fn incomplete(document: &Value) -> Vec<String> {
    let slots = document.get("slots").and_then(Value::as_array).into_iter().flatten();
    let short = slots.filter(|slot| slot.get("observed_s").and_then(Value::as_u64) != Some(HALF_HOUR_S));
    short.filter_map(|slot| slot.get("local")?.as_str().map(str::to_owned)).collect()
}

impl Comparison {
    /// Compares which half-hours were wholly observed with when the PBXs saw their links up.
    pub fn coverage(&mut self, document: &Value, truth: &Truth, links: &[&[Range<Timestamp>]]) {
        let nothing = Vec::new();
        let slots = document.get("slots").and_then(Value::as_array).unwrap_or(&nothing);
        for (slot, given) in truth.slots.iter().zip(slots) {
            let until = slot.start + SignedDuration::from_secs(HALF_HOUR_S as i64);
            let whole = links.iter().all(|ups| ups.iter().any(|up| up.start <= slot.start && until <= up.end));
            let place = given.get("local").and_then(Value::as_str).unwrap_or("no slot").to_owned();
            let expected = if whole { Expected::Is(HALF_HOUR_S.into()) } else { Expected::Between(0, HALF_HOUR_S - 1) };
            self.at(given, &place, "/observed_s", expected);
        }
    }

    /// Adds one figure that must be exactly `expected`.
    pub fn exactly(&mut self, within: &Value, place: &str, pointer: &str, expected: impl Into<Value>) {
        self.at(within, place, pointer, Expected::Is(expected.into()));
    }

    fn at(&mut self, within: &Value, place: &str, pointer: &str, expected: Expected) {
        let figure = pointer.trim_start_matches('/').replace('/', ".");
        self.check(place, &figure, within.pointer(pointer), expected);
    }

    fn check(&mut self, place: &str, figure: &str, got: Option<&Value>, expected: Expected) {
        let (holds, wanted) = match expected {
            Expected::Is(value) => (got == Some(&value), value.to_string()),
            Expected::Between(least, most) => (is_between(got, least, most), range(least, most)),
            Expected::Null => (got == Some(&Value::Null), "null".to_owned()),
            Expected::NullOr(least, most) => {
                let holds = got.is_some_and(Value::is_null) || is_between(got, least, most);
                (holds, format!("{} or null", range(least, most)))
            }
            Expected::IfGiven(..) if got.is_none() => return,
            Expected::IfGiven(least, most) => (is_between(got, least, most), range(least, most)),
        };
        self.figures += 1;
        if !holds {
            let got = got.map_or_else(|| "nothing".to_owned(), Value::to_string);
            let (slot, figure) = (place.to_owned(), figure.to_owned());
            self.differences.push(Difference { slot, figure, expected: wanted, got });
        }
    }

    fn source(&mut self, document: &Value, source: &SentBy) {
        let nothing = Vec::new();
        let sources = document.get("sources").and_then(Value::as_array).unwrap_or(&nothing);
        let given = sources.iter().find(|given| given.get("name").and_then(Value::as_str) == Some(source.name));
        let given = given.unwrap_or(&Value::Null);
        self.exactly(given, source.name, "/dialect", source.dialect);
        self.exactly(given, source.name, "/lines", source.records + source.events + source.headers);
        self.exactly(given, source.name, "/records", source.records);
        self.exactly(given, source.name, "/events", source.events);
        self.exactly(given, source.name, "/headers", source.headers);
        for nothing in ["/continuations", "/noise", "/unparsed", "/duplicates"] {
            self.exactly(given, source.name, nothing, 0);
        }
    }

    /// Compares with `sure`, to which some or all of `perhaps` may have been added.
    fn figures(&mut self, given: &Value, place: &str, sure: &Figures, perhaps: &Figures) {
        type Figure = fn(&Figures) -> u64;
        let counts: [(&str, Figure); 11] = [
            ("/inbound/calls", |figures| figures.calls),
            ("/inbound/calls_seen", |figures| figures.calls),
            ("/inbound/ivr_ended", |figures| figures.ivr_ended),
            ("/inbound/answered", |figures| figures.answered),
            ("/inbound/callback_requested", |_| 0),
            ("/inbound/missed", |figures| figures.missed),
            ("/inbound/missed_voicemail", |figures| figures.missed_voicemail),
            ("/inbound/not_people", |_| 0),
            ("/inbound/repeat_calls", |figures| figures.repeat_calls),
            ("/callbacks_made", |_| 0),
            ("/outbound/calls", |figures| figures.outbound),
        ];
        let between = |figure: Figure| (figure(sure), figure(sure) + figure(perhaps));
        for (pointer, figure) in counts {
            let (least, most) = between(figure);
            self.at(given, place, pointer, Expected::Between(least, most));
        }
        for (pointer, of) in [
            ("/inbound/answered_wait", (|figures| &figures.answered_wait) as fn(&Figures) -> &Bands),
            ("/inbound/answered_talk", |figures| &figures.answered_talk),
            ("/inbound/missed_wait", |figures| &figures.missed_wait),
        ] {
            self.bands(given, place, pointer, of(sure), of(perhaps));
        }
        // HiPath and Panasonic print no answer of an outgoing call, and the HiPath nothing of an internal one.
        self.at(given, place, "/outbound/answered", Expected::Null);
        let (least, most) = between(|figures| figures.outbound_talk_s);
        self.at(given, place, "/outbound/talk_sum_s", Expected::NullOr(least, most));
        self.at(given, place, "/internal/calls", Expected::Null);
        let (least, most) = between(|figures| figures.internal_seen);
        self.at(given, place, "/internal/calls_seen", Expected::IfGiven(least, most));
    }

    fn bands(&mut self, given: &Value, place: &str, pointer: &str, sure: &Bands, perhaps: &Bands) {
        let length = given.pointer(pointer).and_then(Value::as_array).map_or(0, Vec::len);
        let figure = format!("{}.length", pointer.trim_start_matches('/').replace('/', "."));
        self.check(place, &figure, Some(&Value::from(length)), Expected::Is(sure.counts.len().into()));
        for (index, (count, more)) in sure.counts.iter().zip(&perhaps.counts).enumerate() {
            self.at(given, place, &format!("{pointer}/{index}"), Expected::Between(*count, count + more));
        }
        self.exactly(given, place, &format!("{pointer}_unknown"), 0);
        let sums = Expected::Between(sure.sum_s, sure.sum_s + perhaps.sum_s);
        self.at(given, place, &format!("{pointer}_sum_s"), sums);
    }
}

fn is_between(got: Option<&Value>, least: u64, most: u64) -> bool {
    got.and_then(Value::as_u64).is_some_and(|got| (least..=most).contains(&got))
}

fn range(least: u64, most: u64) -> String {
    if least == most { least.to_string() } else { format!("{least} to {most}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::practice_day::practice_day;
    use serde_json::json;

    const SOURCES: [SentBy; 1] =
        [SentBy { name: "reception-pbx", dialect: "avaya-ipoffice", records: 12, events: 0, headers: 0 }];

    fn day() -> (Date, Truth) {
        let date = jiff::civil::date(2026, 11, 20);
        let zone = jiff::tz::TimeZone::get("Europe/London").unwrap();
        (date, Truth::of(&practice_day(date, zone, 5)))
    }

    fn figures(figures: &Figures) -> Value {
        json!({
            "inbound": {
                "calls": figures.calls, "calls_seen": figures.calls, "ivr_ended": figures.ivr_ended,
                "answered": figures.answered, "callback_requested": 0, "missed": figures.missed,
                "missed_voicemail": figures.missed_voicemail, "not_people": 0, "edge_doubt": 0,
                "answered_wait": figures.answered_wait.counts, "answered_wait_unknown": 0,
                "answered_wait_sum_s": figures.answered_wait.sum_s,
                "answered_talk": figures.answered_talk.counts, "answered_talk_unknown": 0,
                "answered_talk_sum_s": figures.answered_talk.sum_s,
                "missed_wait": figures.missed_wait.counts, "missed_wait_unknown": 0,
                "missed_wait_sum_s": figures.missed_wait.sum_s, "repeat_calls": figures.repeat_calls,
            },
            "callbacks_made": 0,
            "outbound": {"calls": figures.outbound, "answered": null, "talk_sum_s": figures.outbound_talk_s},
            "internal": {"calls": null, "calls_seen": figures.internal_seen},
            "trunks": {"peak_concurrent": 0, "busy_s": 0},
        })
    }

    /// A document that says what was played.
    fn right(date: Date, truth: &Truth) -> Value {
        let slots: Vec<Value> = truth
            .slots
            .iter()
            .enumerate()
            .map(|(index, slot)| {
                let mut value = figures(&slot.figures);
                // Of what the minutes leave open, some lies here.
                value["inbound"]["missed_wait"][3] =
                    (slot.figures.missed_wait.counts[3] + slot.perhaps.missed_wait.counts[3]).into();
                value["start"] = slot.start.to_string().into();
                value["local"] = format!("{:02}:{:02}", index / 2, index % 2 * 30).into();
                value
            })
            .collect();
        let mut totals = figures(&truth.totals);
        totals["trunks"] = json!({"peak_concurrent": truth.peak_lines.least, "busy_s": truth.busy_s.most});
        json!({
            "date": date, "source_system": "legacy-pbx-smdr", "edges_s": [0, 30, 60, 90, 120, 180, 240, 300],
            "sources": [{
                "name": "reception-pbx", "dialect": "avaya-ipoffice", "cannot": [], "lines": 12, "records": 12,
                "continuations": 0, "events": 0, "headers": 0, "noise": 0, "unparsed": 0, "duplicates": 0,
            }],
            "slots": slots, "totals": totals,
            "cbt": {
                "CBT001": truth.totals.calls, "CBT002": truth.totals.ivr_ended, "CBT003": truth.totals.answered,
                "CBT004": truth.totals.missed, "CBT005": 0, "CBT006": 0, "CBT007": truth.totals.answered,
            },
        })
    }

    #[test]
    fn a_right_document_has_no_difference() {
        let (date, truth) = day();
        let comparison = compare(&right(date, &truth), date, &truth, &SOURCES);
        assert_eq!(comparison.differences, []);
        assert!(comparison.figures > 49 * 45, "{} figures", comparison.figures);
    }

    #[test]
    fn one_call_too_few_in_one_half_hour_is_found_and_named() {
        let (date, truth) = day();
        let mut document = right(date, &truth);
        let count = truth.slots[17].figures.answered;
        document["slots"][17]["inbound"]["answered"] = (count - 1).into();
        let comparison = compare(&document, date, &truth, &SOURCES);
        let differences: Vec<String> = comparison.differences.iter().map(Difference::to_string).collect();
        assert_eq!(differences, [format!("08:30 inbound.answered expected {count} got {}", count - 1)]);
    }

    #[test]
    fn a_half_hour_is_whole_when_every_pbx_was_linked_through_all_of_it() {
        let (date, truth) = day();
        let mut document = right(date, &truth);
        for slot in document["slots"].as_array_mut().unwrap() {
            slot["observed_s"] = 1_800.into();
        }
        document["slots"][26]["observed_s"] = 600.into();
        assert_eq!(incomplete(&document), ["13:00"]);
        let at = |index: usize| truth.slots[index].start;
        let minutes = SignedDuration::from_mins;
        let always = [at(0) - minutes(10)..Timestamp::MAX];
        let broken = [at(0)..at(26), at(26) + minutes(20)..Timestamp::MAX];
        let differing = |links: &[&[Range<Timestamp>]]| {
            let mut comparison = Comparison::default();
            comparison.coverage(&document, &truth, links);
            assert_eq!(comparison.figures, 48);
            comparison.differences.into_iter().map(|one| one.slot).collect::<Vec<_>>()
        };
        assert_eq!(differing(&[&always, &broken]), Vec::<String>::new());
        assert_eq!(differing(&[&always, &always]), ["13:00"], "the document claims a gap that was none");
        let longer = [at(0)..at(26), at(27) + minutes(1)..Timestamp::MAX];
        assert_eq!(differing(&[&longer]), ["13:30"], "a gap that the document does not admit");
    }

    #[test]
    fn a_null_a_gap_and_a_missing_slot_are_differences() {
        let (date, truth) = day();
        let differing = |change: &dyn Fn(&mut Value)| {
            let mut document = right(date, &truth);
            change(&mut document);
            compare(&document, date, &truth, &SOURCES).differences.len()
        };
        assert_eq!(differing(&|document| document["totals"]["inbound"]["missed"] = Value::Null), 1);
        assert_eq!(differing(&|document| document["totals"]["internal"]["calls"] = 45.into()), 1);
        assert_eq!(differing(&|document| document["totals"]["outbound"]["talk_sum_s"] = Value::Null), 0);
        assert_eq!(differing(&|document| document["totals"]["outbound"]["talk_sum_s"] = 1.into()), 1);
        assert_eq!(differing(&|document| document["sources"][0]["duplicates"] = 1.into()), 1);
        assert_eq!(differing(&|document| document["slots"][16]["inbound"]["answered_wait"][3] = 99.into()), 1);
        assert!(differing(&|document| drop(document["slots"].as_array_mut().unwrap().pop())) > 40);
        let seen_left_out = |document: &mut Value| {
            document["totals"]["internal"].as_object_mut().unwrap().remove("calls_seen");
        };
        assert_eq!(differing(&seen_left_out), 0);
    }
}
