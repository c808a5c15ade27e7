//! Counters, links and line counts to the day document. What the PBX cannot say is null, with the reason.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::calendar::bank_holiday;
use super::count::Metric;
use super::coverage::{self, Links};
use super::document::{
    BUCKETS, Cbt, Coverage, Day, DayDocument, EDGES_S, Features, Figures, Gap, Histogram, Inbound, Internal, MAPPING,
    Outbound, PracticeSite, SCHEMA, SOURCE_SYSTEM, Slot, SourceDay, Trunks,
};
use super::slots::{SLOT_S, bounds, slots};
use crate::dialect::cannot::Lack;

/// What a dialect may never show, as far as a figure hangs on it, by the word used in dialect files and in the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// Calls that nobody answered make a record.
    Unanswered,
    /// Ring time is given.
    Ring,
    /// Talk time is given.
    Talk,
    /// Booked calls back are shown.
    Callback,
    /// Calls between stations make a record.
    Internal,
    /// Outgoing calls make a record.
    Outbound,
    /// Whether an outgoing call was answered is shown.
    OutboundAnswer,
    /// How long was spoken in an outgoing call is shown.
    OutboundTalk,
    /// Voicemail can be told from a person.
    Voicemail,
    /// The menu can be told from a person.
    AutoAttendant,
    /// Incoming calls make a record that says so.
    Inbound,
    /// Callers' numbers are given.
    Cli,
}

impl Capability {
    /// The word in `cannot`.
    pub fn word(self) -> &'static str {
        match self {
            Capability::Unanswered => "unanswered",
            Capability::Ring => "ring",
            Capability::Talk => "talk",
            Capability::Callback => "callback",
            Capability::Internal => "internal",
            Capability::Outbound => "outbound",
            Capability::OutboundAnswer => "outbound-answer",
            Capability::OutboundTalk => "outbound-talk",
            Capability::Voicemail => "voicemail",
            Capability::AutoAttendant => "auto-attendant",
            Capability::Inbound => "inbound",
            Capability::Cli => "cli",
        }
    }

    fn reason(self) -> &'static str {
        // Without an entry the word itself says why; a test holds that each has one.
        Lack::of(self.word()).map_or(self.word(), |lack| lack.reason)
    }
}

/// What one source gave on the day.
#[derive(Debug, Clone, Default)]
pub struct SourceInput {
    /// Name of the source.
    pub name: String,
    /// Its dialect.
    pub dialect: String,
    /// What the dialect never shows.
    pub cannot: Vec<String>,
    /// Whether some rule of the dialect recognises a booked call back.
    pub shows_callback: bool,
    /// Lines by kind, in the order of [`crate::record::LineKind::ALL`].
    pub lines: [u64; 7],
    /// Lines among them that are counted and may repeat earlier ones.
    pub may_repeat: u64,
    /// Records that it numbered and that never came.
    pub missing: u64,
    /// PBX clock minus box clock, where it was measured.
    pub clock_offset_s: Option<i64>,
    /// What was taken off its stamps, where they were corrected.
    pub clock_corrected_s: Option<i64>,
    /// What is wrong with its clock, in one word.
    pub clock_fault: Option<String>,
    /// When its link was up.
    pub links: Links,
}

/// Everything the document of a day is made of.
#[derive(Debug)]
pub struct DayInputs<'a> {
    /// Whose day.
    pub practice: PracticeSite,
    /// Name of the box.
    pub device: String,
    /// Which day.
    pub date: Date,
    /// Zone of the practice.
    pub zone: &'a TimeZone,
    /// Its name.
    pub zone_name: &'a str,
    /// Revision to write.
    pub revision: u32,
    /// When it is rendered.
    pub produced_at: Timestamp,
    /// Which features the site has.
    pub features: Features,
    /// The sources that feed it.
    pub sources: &'a [SourceInput],
    /// The counters, by slot.
    pub counters: &'a BTreeMap<Timestamp, BTreeMap<Metric, i64>>,
    /// Most lines in use at one moment, by slot.
    pub peaks: &'a BTreeMap<Timestamp, u64>,
    /// Inbound calls that belong to another half-hour if the PBX's clock is off as measured, by slot; without those whose
    /// own doubt is counted.
    pub clock_doubt: &'a BTreeMap<Timestamp, u64>,
    /// Whether calls of one number are linked within the day.
    pub linked: bool,
    /// Head of the audit chain.
    pub audit_head: String,
    /// The revision before, as `sha256:…`.
    pub previous: Option<String>,
}

/// The document of a day.
pub fn render(inputs: &DayInputs<'_>) -> DayDocument {
    let (start, end) = bounds(inputs.zone, inputs.date);
    // Of a day that is not over, what lies ahead is neither observed nor a gap.
    let until = end.min(inputs.produced_at).max(start);
    let gaps: Vec<Gap> = inputs.sources.iter().flat_map(|source| coverage::gaps(&source.links, start, until)).collect();
    let observed = |from: Timestamp, to: Timestamp| {
        if inputs.sources.is_empty() { 0 } else { coverage::observed_s(&gaps, from.min(until), to.min(until)) }
    };
    let nothing = BTreeMap::new();
    let slots: Vec<Slot> = slots(inputs.zone, inputs.date)
        .into_iter()
        .map(|slot| {
            let next = slot.saturating_add(SignedDuration::from_secs(SLOT_S)).unwrap_or(end);
            let counters = inputs.counters.get(&slot).unwrap_or(&nothing);
            Slot {
                start: slot,
                local: inputs.zone.to_datetime(slot).strftime("%H:%M").to_string(),
                observed_s: observed(slot, next),
                figures: figures(inputs, slot, counters),
            }
        })
        .collect();
    let totals = totals(&slots);
    let observed_s = slots.iter().map(|slot| slot.observed_s).sum();
    DayDocument {
        schema: SCHEMA.into(),
        practice: inputs.practice.clone(),
        device: inputs.device.clone(),
        source_system: SOURCE_SYSTEM.into(),
        date: inputs.date,
        zone: inputs.zone_name.into(),
        revision: inputs.revision,
        produced_at: inputs.produced_at,
        day: Day {
            start,
            end,
            slots: u32::try_from(slots.len()).unwrap_or(0),
            bank_holiday: bank_holiday(inputs.date),
        },
        features: inputs.features,
        sources: inputs.sources.iter().map(source_day).collect(),
        coverage: Coverage {
            observed_s,
            complete: i64::try_from(observed_s).ok() == Some(end.duration_since(start).as_secs()),
            gaps,
        },
        edges_s: EDGES_S.to_vec(),
        cbt: cbt(inputs, &totals),
        slots,
        totals,
        audit_head: inputs.audit_head.clone(),
        previous: inputs.previous.clone(),
    }
}

fn source_day(source: &SourceInput) -> SourceDay {
    let [records, continuations, events, headers, noise, unparsed, duplicates] = source.lines;
    SourceDay {
        name: source.name.clone(),
        dialect: source.dialect.clone(),
        cannot: source.cannot.clone(),
        lines: source.lines.iter().sum(),
        records,
        continuations,
        events,
        headers,
        noise,
        unparsed,
        duplicates,
        may_repeat: source.may_repeat,
        missing: source.missing,
        clock_offset_s: source.clock_offset_s,
        clock_corrected_s: source.clock_corrected_s,
        clock_fault: source.clock_fault.clone(),
    }
}

/// Whether a source shows it, at a site with these features: what the site does not have need not be shown.
fn shows(features: Features, source: &SourceInput, capability: Capability) -> bool {
    let said = !source.cannot.iter().any(|word| word == capability.word());
    match capability {
        Capability::Callback => !features.callback || (said && source.shows_callback),
        Capability::AutoAttendant => !features.auto_attendant || said,
        _ => said,
    }
}

/// Whether every source shows it; a figure with a part that is not shown is null.
fn shown(inputs: &DayInputs<'_>, capability: Capability) -> bool {
    inputs.sources.iter().all(|source| shows(inputs.features, source, capability))
}

/// Why it is not shown; of several sources, with those that do not show it.
fn reason(inputs: &DayInputs<'_>, capability: Capability) -> String {
    let lacking = inputs.sources.iter().filter(|source| !shows(inputs.features, source, capability));
    let lacking: Vec<&str> = lacking.map(|source| source.name.as_str()).collect();
    match inputs.sources {
        [] | [_] => capability.reason().to_owned(),
        _ => format!("{} ({})", capability.reason(), lacking.join(", ")),
    }
}

fn figures(inputs: &DayInputs<'_>, slot: Timestamp, counters: &BTreeMap<Metric, i64>) -> Figures {
    let of_slot = |values: &BTreeMap<Timestamp, u64>| values.get(&slot).copied().unwrap_or(0);
    let peak = of_slot(inputs.peaks);
    let count = |metric: Metric| counters.get(&metric).map_or(0, |by| u64::try_from(*by).unwrap_or(0));
    let shows = |capability: Capability| shown(inputs, capability);
    let given = |all: &[Capability], value: u64| all.iter().all(|capability| shows(*capability)).then_some(value);
    let histogram = |of: fn(u8) -> Metric| {
        let mut counts: Histogram = [0; BUCKETS];
        for (index, slot) in counts.iter_mut().enumerate() {
            *slot = count(of(index as u8));
        }
        counts
    };
    use Capability::{AutoAttendant, Callback, Cli, Ring, Talk, Unanswered, Voicemail};
    let answered = |value: u64| given(&[Capability::Inbound], value);
    let external = [Talk, Capability::Inbound, Capability::Outbound];
    let missed = |value: u64| given(&[Capability::Inbound, Unanswered], value);
    Figures {
        inbound: Inbound {
            calls: given(&[Capability::Inbound, Unanswered, Callback, AutoAttendant], count(Metric::Seen)),
            calls_seen: count(Metric::Seen),
            ivr_ended: given(&[Capability::Inbound, AutoAttendant], count(Metric::IvrEnded)),
            answered: answered(count(Metric::Answered)),
            callback_requested: given(&[Capability::Inbound, Callback], count(Metric::CallbackRequested)),
            missed: missed(count(Metric::Missed)),
            missed_voicemail: given(&[Capability::Inbound, Unanswered, Voicemail], count(Metric::MissedVoicemail)),
            not_people: count(Metric::NotPeople),
            edge_doubt: count(Metric::EdgeDoubt).saturating_add(of_slot(inputs.clock_doubt)).min(count(Metric::Seen)),
            answered_wait: shows(Capability::Inbound).then(|| histogram(Metric::AnsweredWait)),
            answered_wait_unknown: answered(count(Metric::AnsweredWaitUnknown)),
            answered_wait_sum_s: given(&[Capability::Inbound, Ring], count(Metric::AnsweredWaitSum)),
            answered_talk: shows(Capability::Inbound).then(|| histogram(Metric::AnsweredTalk)),
            answered_talk_unknown: answered(count(Metric::AnsweredTalkUnknown)),
            answered_talk_sum_s: given(&[Capability::Inbound, Talk], count(Metric::AnsweredTalkSum)),
            missed_wait: (shows(Capability::Inbound) && shows(Unanswered)).then(|| histogram(Metric::MissedWait)),
            missed_wait_unknown: missed(count(Metric::MissedWaitUnknown)),
            missed_wait_sum_s: given(&[Capability::Inbound, Unanswered, Ring], count(Metric::MissedWaitSum)),
            repeat_calls: (inputs.linked && shows(Capability::Inbound) && shows(Cli)).then(|| count(Metric::Repeat)),
        },
        callbacks_made: given(&[Callback], count(Metric::CallbacksMade)),
        outbound: Outbound {
            calls: given(&[Capability::Outbound], count(Metric::Outbound)),
            answered: given(&[Capability::Outbound, Capability::OutboundAnswer], count(Metric::OutboundAnswered)),
            talk_sum_s: given(&[Talk, Capability::Outbound, Capability::OutboundTalk], count(Metric::OutboundTalkSum)),
        },
        internal: Internal {
            calls: given(&[Capability::Internal], count(Metric::Internal)),
            calls_seen: Some(count(Metric::Internal)),
        },
        trunks: Trunks {
            peak_concurrent: given(&external, peak),
            busy_s: given(&external, count(Metric::BusySeconds)),
        },
    }
}

/// The sum of the slots; null where any of them is; the maximum for the peak.
fn totals(slots: &[Slot]) -> Figures {
    let sum = |of: fn(&Figures) -> Option<u64>| slots.iter().map(|slot| of(&slot.figures)).sum::<Option<u64>>();
    let plain = |of: fn(&Figures) -> u64| slots.iter().map(|slot| of(&slot.figures)).sum::<u64>();
    let histogram = |of: fn(&Figures) -> Option<Histogram>| {
        slots.iter().map(|slot| of(&slot.figures)).try_fold([0; BUCKETS], |mut total: Histogram, counts| {
            for (sum, count) in total.iter_mut().zip(counts?) {
                *sum += count;
            }
            Some(total)
        })
    };
    Figures {
        inbound: Inbound {
            calls: sum(|f| f.inbound.calls),
            calls_seen: plain(|f| f.inbound.calls_seen),
            ivr_ended: sum(|f| f.inbound.ivr_ended),
            answered: sum(|f| f.inbound.answered),
            callback_requested: sum(|f| f.inbound.callback_requested),
            missed: sum(|f| f.inbound.missed),
            missed_voicemail: sum(|f| f.inbound.missed_voicemail),
            not_people: plain(|f| f.inbound.not_people),
            edge_doubt: plain(|f| f.inbound.edge_doubt),
            answered_wait: histogram(|f| f.inbound.answered_wait),
            answered_wait_unknown: sum(|f| f.inbound.answered_wait_unknown),
            answered_wait_sum_s: sum(|f| f.inbound.answered_wait_sum_s),
            answered_talk: histogram(|f| f.inbound.answered_talk),
            answered_talk_unknown: sum(|f| f.inbound.answered_talk_unknown),
            answered_talk_sum_s: sum(|f| f.inbound.answered_talk_sum_s),
            missed_wait: histogram(|f| f.inbound.missed_wait),
            missed_wait_unknown: sum(|f| f.inbound.missed_wait_unknown),
            missed_wait_sum_s: sum(|f| f.inbound.missed_wait_sum_s),
            repeat_calls: sum(|f| f.inbound.repeat_calls),
        },
        callbacks_made: sum(|f| f.callbacks_made),
        outbound: Outbound {
            calls: sum(|f| f.outbound.calls),
            answered: sum(|f| f.outbound.answered),
            talk_sum_s: sum(|f| f.outbound.talk_sum_s),
        },
        internal: Internal { calls: sum(|f| f.internal.calls), calls_seen: sum(|f| f.internal.calls_seen) },
        trunks: Trunks {
            peak_concurrent: slots
                .iter()
                .map(|slot| slot.figures.trunks.peak_concurrent)
                .try_fold(0, |peak, slot| Some(peak.max(slot?))),
            busy_s: sum(|f| f.trunks.busy_s),
        },
    }
}

fn cbt(inputs: &DayInputs<'_>, totals: &Figures) -> Cbt {
    let mut absent = BTreeMap::new();
    let mut lacks = |capability: Capability, keys: &[&str]| {
        if !shown(inputs, capability) {
            for key in keys {
                absent.entry((*key).to_owned()).or_insert_with(|| reason(inputs, capability));
            }
        }
    };
    lacks(Capability::Inbound, &["CBT001", "CBT002", "CBT003", "CBT004", "CBT005", "CBT007", "repeat_calls"]);
    lacks(Capability::Unanswered, &["CBT001", "CBT004"]);
    lacks(Capability::AutoAttendant, &["CBT001", "CBT002"]);
    lacks(Capability::Callback, &["CBT001", "CBT005", "CBT006"]);
    lacks(Capability::Ring, &["CBT003.wait"]);
    if shown(inputs, Capability::Unanswered) {
        lacks(Capability::Ring, &["CBT004.wait"]);
    }
    lacks(Capability::Talk, &["CBT007.duration"]);
    lacks(Capability::Internal, &["internal.calls"]);
    lacks(Capability::Outbound, &["outbound.calls", "outbound.answered", "outbound.talk"]);
    lacks(Capability::OutboundAnswer, &["outbound.answered"]);
    lacks(Capability::OutboundTalk, &["outbound.talk"]);
    lacks(Capability::Voicemail, &["missed_voicemail"]);
    lacks(Capability::Cli, &["repeat_calls"]);
    if !inputs.linked {
        absent.insert("repeat_calls".into(), "calls are not linked at this site".into());
    }
    Cbt {
        mapping: MAPPING.into(),
        cbt001: totals.inbound.calls,
        cbt002: totals.inbound.ivr_ended,
        cbt003: totals.inbound.answered,
        cbt004: totals.inbound.missed,
        cbt005: totals.inbound.callback_requested,
        cbt006: totals.callbacks_made,
        cbt007: totals.inbound.answered,
        absent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static NO_DOUBT: BTreeMap<Timestamp, u64> = BTreeMap::new();

    fn inputs<'a>(
        zone: &'a TimeZone,
        sources: &'a [SourceInput],
        counters: &'a BTreeMap<Timestamp, BTreeMap<Metric, i64>>,
        peaks: &'a BTreeMap<Timestamp, u64>,
    ) -> DayInputs<'a> {
        DayInputs {
            practice: PracticeSite { ods: "A81001".into(), site: "main".into() },
            device: "smdrd-1".into(),
            date: "2026-11-20".parse().unwrap(),
            zone,
            zone_name: "Europe/London",
            revision: 1,
            produced_at: "2026-11-21T00:41:07Z".parse().unwrap(),
            features: Features { callback: false, auto_attendant: false, diverted_outside_is_staff: false },
            sources,
            counters,
            peaks,
            clock_doubt: &NO_DOUBT,
            linked: true,
            audit_head: "sha256:".into(),
            previous: None,
        }
    }

    fn counters() -> BTreeMap<Timestamp, BTreeMap<Metric, i64>> {
        let slot: Timestamp = "2026-11-20T08:00:00Z".parse().unwrap();
        let counts = [(Metric::Seen, 30), (Metric::Answered, 30), (Metric::AnsweredWaitUnknown, 30)];
        BTreeMap::from([(slot, BTreeMap::from(counts))])
    }

    #[test]
    fn what_the_pbx_cannot_say_is_null_in_slots_totals_and_metrics() {
        let zone = TimeZone::get("Europe/London").unwrap();
        let source = SourceInput {
            cannot: vec!["unanswered".into(), "ring".into(), "callback".into()],
            ..SourceInput::default()
        };
        let (sources, counters, peaks) = ([source], counters(), BTreeMap::new());
        let document = render(&inputs(&zone, &sources, &counters, &peaks));
        let slot = &document.slots[16];
        assert_eq!((slot.local.as_str(), slot.figures.inbound.calls), ("08:00", None));
        assert_eq!(slot.figures.inbound.calls_seen, 30);
        assert_eq!(document.totals.inbound.missed_wait, None);
        assert_eq!(document.totals.inbound.answered_wait_sum_s, None);
        assert_eq!(document.totals.inbound.answered_wait_unknown, Some(30));
        assert_eq!((document.cbt.cbt001, document.cbt.cbt002, document.cbt.cbt003), (None, Some(0), Some(30)));
        assert_eq!(document.cbt.cbt005, Some(0), "the site has no call back at all");
        let absent: Vec<&str> = document.cbt.absent.keys().map(String::as_str).collect();
        assert_eq!(absent, ["CBT001", "CBT003.wait", "CBT004"]);
    }

    #[test]
    fn without_incoming_calls_or_callers_nothing_about_them_is_0() {
        let zone = TimeZone::get("Europe/London").unwrap();
        let (counters, peaks) = (counters(), BTreeMap::new());
        let source = |word: &str| [SourceInput { cannot: vec![word.into()], ..SourceInput::default() }];
        let document = render(&inputs(&zone, &source("inbound"), &counters, &peaks));
        let inbound = &document.totals.inbound;
        assert_eq!((inbound.calls, inbound.answered, inbound.missed, inbound.repeat_calls), (None, None, None, None));
        assert_eq!((inbound.answered_wait, document.cbt.cbt003, document.cbt.cbt007), (None, None, None));
        assert_eq!(document.cbt.absent["CBT003"], "incoming calls make no record on this PBX");
        let document = render(&inputs(&zone, &source("cli"), &counters, &peaks));
        assert_eq!((document.totals.inbound.answered, document.totals.inbound.repeat_calls), (Some(30), None));
        assert_eq!(document.cbt.absent["repeat_calls"], "callers' numbers are not shown in this PBX's records");
    }

    #[test]
    fn a_feature_that_exists_and_is_not_shown_makes_its_sums_null() {
        let zone = TimeZone::get("Europe/London").unwrap();
        let (sources, counters, peaks) = ([SourceInput::default()], counters(), BTreeMap::new());
        let mut inputs = inputs(&zone, &sources, &counters, &peaks);
        inputs.features.callback = true;
        let document = render(&inputs);
        assert_eq!((document.cbt.cbt001, document.cbt.cbt005, document.cbt.cbt003), (None, None, Some(30)));
    }

    #[test]
    fn a_day_without_a_link_is_a_gap_and_the_future_is_not() {
        let zone = TimeZone::get("Europe/London").unwrap();
        let source = SourceInput::default();
        let (sources, counters, peaks) = ([source], counters(), BTreeMap::new());
        let mut inputs = inputs(&zone, &sources, &counters, &peaks);
        inputs.produced_at = "2026-11-20T09:00:00Z".parse().unwrap();
        let document = render(&inputs);
        assert_eq!((document.coverage.observed_s, document.coverage.complete), (0, false));
        assert_eq!(document.coverage.gaps[0].end, inputs.produced_at);
    }
}
