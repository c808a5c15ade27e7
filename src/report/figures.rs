//! The seven metrics of a stretch, and the list of Annex C.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::aggregate::document::{BUCKETS, DayDocument, Histogram, Inbound};

/// A figure of a stretch of days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figure {
    /// The sum; null where it is not known of some day.
    pub value: Option<u64>,
    /// Why it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent: Option<String>,
    /// On how many days it is not.
    #[serde(default)]
    pub days_unknown: u32,
}

/// One of the figures that Annex C of the Advanced Telephony Specification lists, as it is read here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnexC {
    /// As it stands in the list.
    pub name: String,
    /// What is counted for it here; the list defines nothing.
    pub reads: String,
    /// `calls`, or `seconds` on the mean.
    pub unit: String,
    /// How many, or how long; null where it is not known.
    pub value: Option<u64>,
    /// Of a mean: over how many calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<u64>,
    /// Of a mean: how many calls are left out, since it is not known of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<u64>,
    /// Of a mean: the calls by 0, 30, 60, 90, 120, 180, 240, 300 s and above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub histogram: Option<Histogram>,
    /// Why it is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent: Option<String>,
}

/// CBT001 to CBT007.
pub(super) fn cbt(documents: &[DayDocument]) -> BTreeMap<String, Figure> {
    type Of = fn(&DayDocument) -> Option<u64>;
    let codes: [(&str, Of); 7] = [
        ("CBT001", |document| document.cbt.cbt001),
        ("CBT002", |document| document.cbt.cbt002),
        ("CBT003", |document| document.cbt.cbt003),
        ("CBT004", |document| document.cbt.cbt004),
        ("CBT005", |document| document.cbt.cbt005),
        ("CBT006", |document| document.cbt.cbt006),
        ("CBT007", |document| document.cbt.cbt007),
    ];
    codes.into_iter().map(|(code, of)| (code.to_owned(), figure(documents, of, code))).collect()
}

fn figure(documents: &[DayDocument], of: impl Fn(&DayDocument) -> Option<u64>, key: &str) -> Figure {
    let unknown = documents.iter().filter(|document| of(document).is_none()).count();
    let value = if documents.is_empty() { None } else { documents.iter().map(&of).sum::<Option<u64>>() };
    let absent = match (value, documents) {
        (Some(_), _) => None,
        (None, []) => Some(NO_DAYS.to_owned()),
        (None, _) => reason(documents, &[key]),
    };
    Figure { value, absent, days_unknown: u32::try_from(unknown).unwrap_or(u32::MAX) }
}

const NO_DAYS: &str = "no day has figures";

fn reason(documents: &[DayDocument], keys: &[&str]) -> Option<String> {
    let of_day = |document: &DayDocument| keys.iter().find_map(|key| document.cbt.absent.get(*key)).cloned();
    documents.iter().find_map(of_day)
}

struct Mean {
    calls: fn(&Inbound) -> Option<u64>,
    sum_s: fn(&Inbound) -> Option<u64>,
    unknown: fn(&Inbound) -> Option<u64>,
    histogram: fn(&Inbound) -> Option<Histogram>,
    keys: &'static [&'static str],
}

/// The list of Annex C, in its order; the outage list stands for itself.
pub(super) fn annex_c(documents: &[DayDocument]) -> Vec<AnnexC> {
    let count = |name: &str, code: &str, reads: &str| {
        let figure = cbt(documents).remove(code).unwrap_or(Figure { value: None, absent: None, days_unknown: 0 });
        AnnexC {
            name: name.to_owned(),
            reads: format!("{code}: {reads}"),
            unit: "calls".to_owned(),
            value: figure.value,
            of: None,
            left_out: None,
            histogram: None,
            absent: figure.absent,
        }
    };
    let mean = |name: &str, reads: &str, of: Mean| mean(documents, name, reads, of);
    vec![
        count(
            "Call abandoned",
            "CBT002",
            "ended in the menu or an announcement (our reading; the list defines nothing)",
        ),
        mean(
            "Time period abandoned",
            "how long callers of missed calls waited before the call ended (CBT004 by wait)",
            Mean {
                calls: |inbound| inbound.missed,
                sum_s: |inbound| inbound.missed_wait_sum_s,
                unknown: |inbound| inbound.missed_wait_unknown,
                histogram: |inbound| inbound.missed_wait,
                keys: &["CBT004", "CBT004.wait"],
            },
        ),
        count("Missed call volumes", "CBT004", "expected a person and reached none; voicemail included"),
        count("Call backs requested", "CBT005", "a call back was booked"),
        count("Call backs made", "CBT006", "made by the PBX to keep a booking"),
        mean(
            "Average call length times",
            "how long answered calls lasted with staff (CBT007 by duration)",
            Mean {
                calls: |inbound| inbound.answered,
                sum_s: |inbound| inbound.answered_talk_sum_s,
                unknown: |inbound| inbound.answered_talk_unknown,
                histogram: |inbound| inbound.answered_talk,
                keys: &["CBT007", "CBT007.duration"],
            },
        ),
        mean(
            "Call times to answer",
            "how long answered callers waited in queue and ring, menu excluded (CBT003 by wait)",
            Mean {
                calls: |inbound| inbound.answered,
                sum_s: |inbound| inbound.answered_wait_sum_s,
                unknown: |inbound| inbound.answered_wait_unknown,
                histogram: |inbound| inbound.answered_wait,
                keys: &["CBT003", "CBT003.wait"],
            },
        ),
        count("Call volumes", "CBT001", "external inbound calls on all numbers"),
    ]
}

/// A mean over the calls of which it is known.
fn mean(documents: &[DayDocument], name: &str, reads: &str, of: Mean) -> AnnexC {
    let sum = |value: fn(&Inbound) -> Option<u64>| {
        documents.iter().map(|document| value(&document.totals.inbound)).sum::<Option<u64>>()
    };
    let histogram = documents.iter().map(|document| (of.histogram)(&document.totals.inbound)).try_fold(
        [0; BUCKETS],
        |mut total: Histogram, counts| {
            total.iter_mut().zip(counts?).for_each(|(total, count)| *total += count);
            Some(total)
        },
    );
    let mut all = AnnexC {
        name: name.to_owned(),
        reads: reads.to_owned(),
        unit: "seconds".to_owned(),
        value: None,
        of: None,
        left_out: None,
        histogram: None,
        absent: None,
    };
    if documents.is_empty() {
        return AnnexC { absent: Some(NO_DAYS.to_owned()), ..all };
    }
    let (Some(calls), Some(seconds), Some(unknown)) = (sum(of.calls), sum(of.sum_s), sum(of.unknown)) else {
        return AnnexC { absent: reason(documents, of.keys), ..all };
    };
    let known = calls.saturating_sub(unknown);
    (all.of, all.left_out, all.histogram) = (Some(known), Some(unknown), histogram);
    match known {
        0 => all.absent = Some("there is no call of which it is known".to_owned()),
        // To the nearest second.
        known => all.value = Some((seconds + known / 2) / known),
    }
    all
}
