//! What one call adds to the counters. The counters of a slot are sums of such contributions, so that a call that
//! changes is taken out with its old contribution and put in with its new one.

use jiff::Timestamp;

use super::document::{BUCKETS, EDGES_S, bucket};
use super::slots::{SLOT_S, slot_of};
use crate::call::{Call, CallKind, Outcome};

/// One counter of a slot. The histograms' counts are counters of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// External inbound calls that made a record.
    Seen,
    /// Ended in the menu.
    IvrEnded,
    /// Answered by a person.
    Answered,
    /// A call back was booked.
    CallbackRequested,
    /// Missed.
    Missed,
    /// Of those, in voicemail.
    MissedVoicemail,
    /// Reached a machine.
    NotPeople,
    /// Might belong to a neighbouring slot.
    EdgeDoubt,
    /// Answered, wait not known.
    AnsweredWaitUnknown,
    /// Seconds of known wait of answered calls.
    AnsweredWaitSum,
    /// Answered, talk not known.
    AnsweredTalkUnknown,
    /// Seconds of known talk.
    AnsweredTalkSum,
    /// Missed, wait not known.
    MissedWaitUnknown,
    /// Seconds of known wait of missed calls.
    MissedWaitSum,
    /// From a number that had called before that day.
    Repeat,
    /// Calls back made.
    CallbacksMade,
    /// External outgoing calls.
    Outbound,
    /// Of those, known to be answered.
    OutboundAnswered,
    /// Seconds of their talk.
    OutboundTalkSum,
    /// Between stations.
    Internal,
    /// Line seconds in use.
    BusySeconds,
    /// A count of the wait histogram of answered calls.
    AnsweredWait(u8),
    /// A count of the talk histogram.
    AnsweredTalk(u8),
    /// A count of the wait histogram of missed calls.
    MissedWait(u8),
}

const PLAIN: [Metric; 21] = [
    Metric::Seen,
    Metric::IvrEnded,
    Metric::Answered,
    Metric::CallbackRequested,
    Metric::Missed,
    Metric::MissedVoicemail,
    Metric::NotPeople,
    Metric::EdgeDoubt,
    Metric::AnsweredWaitUnknown,
    Metric::AnsweredWaitSum,
    Metric::AnsweredTalkUnknown,
    Metric::AnsweredTalkSum,
    Metric::MissedWaitUnknown,
    Metric::MissedWaitSum,
    Metric::Repeat,
    Metric::CallbacksMade,
    Metric::Outbound,
    Metric::OutboundAnswered,
    Metric::OutboundTalkSum,
    Metric::Internal,
    Metric::BusySeconds,
];

impl Metric {
    /// The number that stands for the counter in the database. Never renumbered.
    pub fn code(self) -> u16 {
        match self {
            Metric::AnsweredWait(count) => 100 + u16::from(count),
            Metric::AnsweredTalk(count) => 120 + u16::from(count),
            Metric::MissedWait(count) => 140 + u16::from(count),
            plain => PLAIN.iter().position(|metric| *metric == plain).unwrap_or(0) as u16,
        }
    }

    /// The figure of the day document that it is, by its path there; of a histogram also which of its counts.
    pub fn figure(self) -> String {
        let band = |histogram: &str, count: u8| {
            let edge = |at: usize| EDGES_S.get(at).copied().unwrap_or_default();
            match usize::from(count) {
                0 => format!("inbound.{histogram}, 0 s"),
                at if at < EDGES_S.len() => format!("inbound.{histogram}, {} to {} s", edge(at - 1) + 1, edge(at)),
                _ => format!("inbound.{histogram}, above {} s", edge(EDGES_S.len() - 1)),
            }
        };
        let path = match self {
            Metric::Seen => "inbound.calls_seen",
            Metric::IvrEnded => "inbound.ivr_ended",
            Metric::Answered => "inbound.answered",
            Metric::CallbackRequested => "inbound.callback_requested",
            Metric::Missed => "inbound.missed",
            Metric::MissedVoicemail => "inbound.missed_voicemail",
            Metric::NotPeople => "inbound.not_people",
            Metric::EdgeDoubt => "inbound.edge_doubt",
            Metric::AnsweredWaitUnknown => "inbound.answered_wait_unknown",
            Metric::AnsweredWaitSum => "inbound.answered_wait_sum_s",
            Metric::AnsweredTalkUnknown => "inbound.answered_talk_unknown",
            Metric::AnsweredTalkSum => "inbound.answered_talk_sum_s",
            Metric::MissedWaitUnknown => "inbound.missed_wait_unknown",
            Metric::MissedWaitSum => "inbound.missed_wait_sum_s",
            Metric::Repeat => "inbound.repeat_calls",
            Metric::CallbacksMade => "callbacks_made",
            Metric::Outbound => "outbound.calls",
            Metric::OutboundAnswered => "outbound.answered",
            Metric::OutboundTalkSum => "outbound.talk_sum_s",
            Metric::Internal => "internal.calls",
            Metric::BusySeconds => "trunks.busy_s",
            Metric::AnsweredWait(count) => return band("answered_wait", count),
            Metric::AnsweredTalk(count) => return band("answered_talk", count),
            Metric::MissedWait(count) => return band("missed_wait", count),
        };
        path.to_owned()
    }

    /// The counter that `code` stands for.
    pub fn from_code(code: u16) -> Option<Metric> {
        let count = |base: u16| u8::try_from(code - base).ok().filter(|count| usize::from(*count) < BUCKETS);
        match code {
            100..120 => count(100).map(Metric::AnsweredWait),
            120..140 => count(120).map(Metric::AnsweredTalk),
            140..160 => count(140).map(Metric::MissedWait),
            plain => PLAIN.get(usize::from(plain)).copied(),
        }
    }
}

/// One counter of one slot, and by how much.
pub type Contribution = (Timestamp, Metric, i64);

/// What a sealed call adds. `repeat` says whether its number had called before on the same day.
pub fn contributions(call: &Call, repeat: bool) -> Vec<Contribution> {
    let slot = slot_of(call.arrival);
    let mut all = Vec::with_capacity(12);
    let mut add = |metric: Metric, by: i64| all.push((slot, metric, by));
    match call.kind {
        CallKind::Inbound if call.not_people => add(Metric::NotPeople, 1),
        CallKind::Inbound => {
            inbound(call, repeat, &mut add);
        }
        CallKind::Outbound => {
            add(Metric::Outbound, 1);
            if call.answered == Some(true) {
                add(Metric::OutboundAnswered, 1);
            }
            add(Metric::OutboundTalkSum, i64::from(call.talk_s.unwrap_or(0)));
            if call.callback_made {
                add(Metric::CallbacksMade, 1);
            }
        }
        CallKind::Internal => add(Metric::Internal, 1),
        CallKind::Tie | CallKind::Unknown => {}
    }
    if matches!(call.kind, CallKind::Inbound | CallKind::Outbound) {
        busy(call, &mut all);
    }
    all.retain(|(_, _, by)| *by != 0);
    all
}

fn inbound(call: &Call, repeat: bool, add: &mut impl FnMut(Metric, i64)) {
    add(Metric::Seen, 1);
    if repeat {
        add(Metric::Repeat, 1);
    }
    let before = call.arrival.checked_sub(jiff::SignedDuration::from_secs(i64::from(call.earlier_s)));
    let after = call.arrival.checked_add(jiff::SignedDuration::from_secs(i64::from(call.later_s)));
    let slot = slot_of(call.arrival);
    if [before, after].into_iter().flatten().any(|instant| slot_of(instant) != slot) {
        add(Metric::EdgeDoubt, 1);
    }
    let bucket_of = |seconds: u32| bucket(seconds) as u8;
    match call.outcome {
        Some(Outcome::Answered) => {
            add(Metric::Answered, 1);
            match call.wait_s {
                Some(wait) => {
                    add(Metric::AnsweredWait(bucket_of(wait)), 1);
                    add(Metric::AnsweredWaitSum, i64::from(wait));
                }
                None => add(Metric::AnsweredWaitUnknown, 1),
            }
            match call.talk_s {
                Some(talk) => {
                    add(Metric::AnsweredTalk(bucket_of(talk)), 1);
                    add(Metric::AnsweredTalkSum, i64::from(talk));
                }
                None => add(Metric::AnsweredTalkUnknown, 1),
            }
        }
        Some(Outcome::IvrEnded) => add(Metric::IvrEnded, 1),
        Some(Outcome::CallbackRequested) => add(Metric::CallbackRequested, 1),
        Some(outcome) if outcome.is_missed() => {
            add(Metric::Missed, 1);
            if outcome == Outcome::MissedVoicemail {
                add(Metric::MissedVoicemail, 1);
            }
            match call.wait_s {
                Some(wait) => {
                    add(Metric::MissedWait(bucket_of(wait)), 1);
                    add(Metric::MissedWaitSum, i64::from(wait));
                }
                None => add(Metric::MissedWaitUnknown, 1),
            }
        }
        _ => {}
    }
}

/// A line is not believed to be in use for longer: a clock that jumped, or a counter gone wild, is not a call.
const LONGEST_S: i64 = 24 * 3600;

/// Line seconds, shared out over the slots that the call touches.
fn busy(call: &Call, all: &mut Vec<Contribution>) {
    let (mut from, end) = (call.arrival.as_second(), call.end.as_second());
    let end = end.min(from.saturating_add(LONGEST_S));
    while from < end {
        let slot = from - from.rem_euclid(SLOT_S);
        let until = end.min(slot + SLOT_S);
        if let Ok(start) = Timestamp::from_second(slot) {
            all.push((start, Metric::BusySeconds, until - from));
        }
        from = until;
    }
}

/// Most lines in use at one moment, per slot, among external calls given as arrival and end. A call that ends as
/// another begins does not overlap it.
pub fn peaks(calls: &[(Timestamp, Timestamp)]) -> std::collections::BTreeMap<Timestamp, u64> {
    let mut edges: Vec<(i64, i64)> = Vec::with_capacity(calls.len() * 2);
    for (arrival, end) in calls {
        let arrival = arrival.as_second();
        let end = end.as_second().min(arrival.saturating_add(LONGEST_S));
        if end > arrival {
            edges.push((arrival, 1));
            edges.push((end, -1));
        }
    }
    edges.sort_unstable();
    let mut peaks = std::collections::BTreeMap::new();
    let mut busy = 0_i64;
    for (index, &(at, step)) in edges.iter().enumerate() {
        busy += step;
        // Every slot from here to the next edge sees this many lines.
        let next = edges.get(index + 1).map_or(at, |edge| edge.0);
        let mut slot = at - at.rem_euclid(SLOT_S);
        while busy > 0 && slot < next {
            if let Ok(start) = Timestamp::from_second(slot) {
                let peak = peaks.entry(start).or_insert(0);
                *peak = (*peak).max(u64::try_from(busy).unwrap_or(0));
            }
            slot += SLOT_S;
        }
    }
    peaks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_a_figure_of_the_document() {
        let schema = include_str!("../../docs/supplier/day-document.schema.json");
        for metric in PLAIN {
            let figure = metric.figure();
            let key = figure.rsplit('.').next().unwrap();
            assert!(schema.contains(&format!("\"{key}\"")), "{metric:?} is {figure}");
        }
        assert_eq!(Metric::AnsweredWait(bucket(0) as u8).figure(), "inbound.answered_wait, 0 s");
        assert_eq!(Metric::MissedWait(bucket(30) as u8).figure(), "inbound.missed_wait, 1 to 30 s");
        assert_eq!(Metric::AnsweredTalk(bucket(301) as u8).figure(), "inbound.answered_talk, above 300 s");
    }

    #[test]
    fn every_counter_has_a_number_of_its_own() {
        let mut codes = std::collections::HashSet::new();
        let histograms = (0..BUCKETS as u8)
            .flat_map(|count| [Metric::AnsweredWait(count), Metric::AnsweredTalk(count), Metric::MissedWait(count)]);
        for metric in PLAIN.into_iter().chain(histograms) {
            assert!(codes.insert(metric.code()), "{metric:?}");
            assert_eq!(Metric::from_code(metric.code()), Some(metric));
        }
    }

    #[test]
    fn peaks_count_overlap_and_carry_over_slots() {
        let call = |from: &str, to: &str| {
            (format!("2026-11-20T{from}Z").parse().unwrap(), format!("2026-11-20T{to}Z").parse().unwrap())
        };
        let peaks = peaks(&[
            call("08:00:00", "08:10:00"),
            call("08:05:00", "09:10:00"),
            call("08:10:00", "08:20:00"),
            call("09:10:00", "09:11:00"),
        ]);
        let shown: Vec<(String, u64)> = peaks.iter().map(|(slot, peak)| (slot.to_string(), *peak)).collect();
        assert_eq!(
            shown,
            [
                ("2026-11-20T08:00:00Z".to_owned(), 2),
                ("2026-11-20T08:30:00Z".to_owned(), 1),
                ("2026-11-20T09:00:00Z".to_owned(), 1),
            ]
        );
    }
}
