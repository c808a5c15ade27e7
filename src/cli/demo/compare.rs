//! Compares the document that the supplier holds with what was really played, figure by figure.
//!
//! It works on the JSON as it was received, not on the crate's own type of it, so that a figure which that type would
//! drop or fill in cannot slip through.

use jiff::civil::Date;
use serde::Serialize;
use serde_json::Value;

use crate::simulator::truth::{Bands, Figures, Truth};

/// What is known of one source: its name, its dialect, and how many lines it was sent.
#[derive(Debug, Clone, Copy)]
pub struct SentBy {
    /// Name in the configuration.
    pub name: &'static str,
    /// Dialect in the configuration.
    pub dialect: &'static str,
    /// Lines that carry a record.
    pub records: usize,
    /// Lines that only announce one.
    pub offers: usize,
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
    /// Null, because one of the two PBXs never shows it.
    Null,
    /// This, or null: a format that shows talk without showing answer leaves it to the reader.
    NullOr(u64),
    /// This, where the document says it at all.
    IfGiven(u64),
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
        comparison.figures(given, &place, &slot.figures);
    }
    let totals = document.get("totals").unwrap_or(&Value::Null);
    comparison.figures(totals, "totals", &truth.totals);
    comparison.exactly(totals, "totals", "/trunks/peak_concurrent", truth.peak_lines);
    comparison.exactly(totals, "totals", "/trunks/busy_s", truth.busy_s);
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

impl Comparison {
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
            Expected::Null => (got == Some(&Value::Null), "null".to_owned()),
            Expected::NullOr(count) => {
                let holds = got.is_some_and(|got| got.is_null() || got.as_u64() == Some(count));
                (holds, format!("{count} or null"))
            }
            Expected::IfGiven(_) if got.is_none() => return,
            Expected::IfGiven(count) => (got.and_then(Value::as_u64) == Some(count), count.to_string()),
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
        self.exactly(given, source.name, "/lines", source.records + source.offers);
        self.exactly(given, source.name, "/records", source.records);
        self.exactly(given, source.name, "/events", source.offers);
        for nothing in ["/continuations", "/headers", "/noise", "/unparsed", "/duplicates"] {
            self.exactly(given, source.name, nothing, 0);
        }
    }

    fn figures(&mut self, given: &Value, place: &str, figures: &Figures) {
        let counts = [
            ("/inbound/calls", figures.calls),
            ("/inbound/calls_seen", figures.calls),
            ("/inbound/ivr_ended", figures.ivr_ended),
            ("/inbound/answered", figures.answered),
            ("/inbound/callback_requested", 0),
            ("/inbound/missed", figures.missed),
            ("/inbound/missed_voicemail", figures.missed_voicemail),
            ("/inbound/not_people", 0),
            ("/inbound/repeat_calls", figures.repeat_calls),
            ("/callbacks_made", 0),
            ("/outbound/calls", figures.outbound),
        ];
        for (pointer, count) in counts {
            self.exactly(given, place, pointer, count);
        }
        self.bands(given, place, "/inbound/answered_wait", &figures.answered_wait);
        self.bands(given, place, "/inbound/answered_talk", &figures.answered_talk);
        self.bands(given, place, "/inbound/missed_wait", &figures.missed_wait);
        // The HiPath prints no answer of an outgoing call and nothing of an internal one.
        self.at(given, place, "/outbound/answered", Expected::Null);
        self.at(given, place, "/outbound/talk_sum_s", Expected::NullOr(figures.outbound_talk_s));
        self.at(given, place, "/internal/calls", Expected::Null);
        self.at(given, place, "/internal/calls_seen", Expected::IfGiven(figures.internal_seen));
    }

    fn bands(&mut self, given: &Value, place: &str, pointer: &str, bands: &Bands) {
        let length = given.pointer(pointer).and_then(Value::as_array).map_or(0, Vec::len);
        let figure = format!("{}.length", pointer.trim_start_matches('/').replace('/', "."));
        self.check(place, &figure, Some(&Value::from(length)), Expected::Is(bands.counts.len().into()));
        for (index, count) in bands.counts.iter().enumerate() {
            self.exactly(given, place, &format!("{pointer}/{index}"), *count);
        }
        self.exactly(given, place, &format!("{pointer}_unknown"), 0);
        self.exactly(given, place, &format!("{pointer}_sum_s"), bands.sum_s);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::practice_day::practice_day;
    use serde_json::json;

    const SOURCES: [SentBy; 1] = [SentBy { name: "reception-pbx", dialect: "avaya-ipoffice", records: 12, offers: 0 }];

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
                value["start"] = slot.start.to_string().into();
                value["local"] = format!("{:02}:{:02}", index / 2, index % 2 * 30).into();
                value
            })
            .collect();
        let mut totals = figures(&truth.totals);
        totals["trunks"] = json!({"peak_concurrent": truth.peak_lines, "busy_s": truth.busy_s});
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
