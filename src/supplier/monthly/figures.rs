//! A site's documents as the counts that are sent: by local half-hour, and null or unknown nowhere.

use super::field::Code;
use crate::aggregate::calendar::is_working_day;
use crate::aggregate::document::{BUCKETS, DayDocument, Histogram, Inbound};
use crate::report::call_level::What;

/// Half-hours of the wall clock. On the day that the clocks go back two of them are there twice and add up; on the day
/// that they go forward two stay at nothing.
pub const HALF_HOURS: usize = 48;

/// What is counted in a half-hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    calls: u64,
    ivr_ended: u64,
    callback_requested: u64,
    callbacks_made: u64,
    answered_wait: Histogram,
    missed_wait: Histogram,
    answered_talk: Histogram,
}

impl Counts {
    /// Counts of no practice, for showing what a file looks like: every one is something, and they add up.
    pub fn made_up() -> Counts {
        let answered_wait = [1, 9, 7, 4, 3, 3, 2, 1, 1];
        let missed_wait = [1, 2, 1, 1, 1, 1, 1, 1, 1];
        let sum = |histogram: &Histogram| histogram.iter().sum::<u64>();
        let (ivr_ended, callback_requested, callbacks_made) = (5, 2, 2);
        Counts {
            calls: ivr_ended + callback_requested + sum(&answered_wait) + sum(&missed_wait),
            ivr_ended,
            callback_requested,
            callbacks_made,
            answered_wait,
            missed_wait,
            answered_talk: [1, 2, 6, 7, 6, 5, 2, 1, 1],
        }
    }

    /// One call. Its wait and its time with staff are which count of a histogram they belong to; where one is not known, the
    /// call is in no bucket.
    pub fn of_call(what: What, wait: Option<usize>, talk: Option<usize>) -> Counts {
        let mut counts = Counts::default();
        let calls = if what == What::CallbackMade { &mut counts.callbacks_made } else { &mut counts.calls };
        *calls += 1;
        let put = |histogram: &mut Histogram, at: Option<usize>| {
            if let Some(count) = at.and_then(|at| histogram.get_mut(at)) {
                *count += 1;
            }
        };
        match what {
            What::Answered => {
                put(&mut counts.answered_wait, wait);
                put(&mut counts.answered_talk, talk);
            }
            What::Missed => put(&mut counts.missed_wait, wait),
            What::EndedInMenu => counts.ivr_ended += 1,
            What::CallbackRequested => counts.callback_requested += 1,
            What::CallbackMade => {}
        }
        counts
    }

    /// A metric's count; where it has buckets, of the histogram's counts `from` up to and without `to`.
    pub fn of(&self, code: Code, (from, to): (usize, usize)) -> u64 {
        let sum = |histogram: &Histogram| histogram.iter().skip(from).take(to.saturating_sub(from)).sum();
        match code {
            Code::Cbt001 => self.calls,
            Code::Cbt002 => self.ivr_ended,
            Code::Cbt003 => sum(&self.answered_wait),
            Code::Cbt004 => sum(&self.missed_wait),
            Code::Cbt005 => self.callback_requested,
            Code::Cbt006 => self.callbacks_made,
            Code::Cbt007 => sum(&self.answered_talk),
        }
    }

    /// A metric's count over all buckets.
    pub fn all_of(&self, code: Code) -> u64 {
        self.of(code, (0, BUCKETS))
    }

    /// Adds others to it.
    pub fn add(&mut self, other: &Counts) {
        self.calls += other.calls;
        self.ivr_ended += other.ivr_ended;
        self.callback_requested += other.callback_requested;
        self.callbacks_made += other.callbacks_made;
        for (ours, theirs) in [
            (&mut self.answered_wait, &other.answered_wait),
            (&mut self.missed_wait, &other.missed_wait),
            (&mut self.answered_talk, &other.answered_talk),
        ] {
            ours.iter_mut().zip(theirs).for_each(|(ours, theirs)| *ours += theirs);
        }
    }
}

/// A day's counts by half-hour of the wall clock.
pub type DayCounts = [Counts; HALF_HOURS];

/// Why a document gives no counts that could be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// A figure is null: the PBX cannot say it.
    Null {
        /// The metric it is of.
        code: Code,
        /// Why, as the document says.
        why: String,
    },
    /// Of some calls the wait or the time with staff is not known, so the buckets do not give the count.
    Unknown {
        /// The metric.
        code: Code,
        /// How many calls.
        calls: u64,
    },
    /// Sums do not add up.
    Unbalanced {
        /// Which.
        what: &'static str,
        /// The local half-hour.
        local: String,
        /// What one side says, and what the other.
        sides: (u64, u64),
    },
    /// A half-hour's label is none.
    Label(String),
}

/// The counts of a document; else everything that keeps it from being sent.
pub fn counts(document: &DayDocument) -> Result<Box<DayCounts>, Vec<Unfit>> {
    let mut day = Box::new([Counts::default(); HALF_HOURS]);
    let mut unfit: Vec<Unfit> = Vec::new();
    let mut note = |found: Unfit| match (&found, unfit.iter_mut().find(|known| alike(known, &found))) {
        (Unfit::Unknown { calls, .. }, Some(Unfit::Unknown { calls: sum, .. })) => *sum += calls,
        (_, Some(_)) => {}
        (_, None) => unfit.push(found),
    };
    for slot in &document.slots {
        let Some(half_hour) = half_hour(&slot.local) else {
            note(Unfit::Label(slot.local.clone()));
            continue;
        };
        let inbound = &slot.figures.inbound;
        let null = |code: Code| Unfit::Null { code, why: why(document, code) };
        let mut whole = |code: Code, value: Option<u64>| {
            value.unwrap_or_else(|| {
                note(null(code));
                0
            })
        };
        let mut found = Counts {
            calls: whole(Code::Cbt001, inbound.calls),
            ivr_ended: whole(Code::Cbt002, inbound.ivr_ended),
            callback_requested: whole(Code::Cbt005, inbound.callback_requested),
            callbacks_made: whole(Code::Cbt006, slot.figures.callbacks_made),
            ..Counts::default()
        };
        for (code, histogram, unknown, count) in histograms(inbound) {
            match (histogram, count) {
                (Some(histogram), Some(count)) => {
                    let unknown = unknown.unwrap_or(0);
                    if unknown > 0 {
                        note(Unfit::Unknown { code, calls: unknown });
                    }
                    let sum: u64 = histogram.iter().sum();
                    if sum + unknown != count {
                        let (what, local) = ("the buckets and their count", slot.local.clone());
                        note(Unfit::Unbalanced { what, local, sides: (sum + unknown, count) });
                    }
                    match code {
                        Code::Cbt003 => found.answered_wait = histogram,
                        Code::Cbt004 => found.missed_wait = histogram,
                        _ => found.answered_talk = histogram,
                    }
                }
                _ => note(null(code)),
            }
        }
        if let (Some(calls), Some(ivr), Some(answered), Some(callback), Some(missed)) =
            (inbound.calls, inbound.ivr_ended, inbound.answered, inbound.callback_requested, inbound.missed)
            && calls != ivr + answered + callback + missed
        {
            let (what, local) = ("CBT001 and CBT002 + CBT003 + CBT004 + CBT005", slot.local.clone());
            note(Unfit::Unbalanced { what, local, sides: (calls, ivr + answered + callback + missed) });
        }
        if let Some(counts) = day.get_mut(half_hour) {
            counts.add(&found);
        }
    }
    if unfit.is_empty() { Ok(day) } else { Err(unfit) }
}

type OfBuckets = (Code, Option<Histogram>, Option<u64>, Option<u64>);

fn histograms(inbound: &Inbound) -> [OfBuckets; 3] {
    [
        (Code::Cbt003, inbound.answered_wait, inbound.answered_wait_unknown, inbound.answered),
        (Code::Cbt004, inbound.missed_wait, inbound.missed_wait_unknown, inbound.missed),
        (Code::Cbt007, inbound.answered_talk, inbound.answered_talk_unknown, inbound.answered),
    ]
}

/// Whether two findings of a document are the same one, of two half-hours.
fn alike(one: &Unfit, other: &Unfit) -> bool {
    match (one, other) {
        (Unfit::Null { code: one, .. }, Unfit::Null { code: other, .. })
        | (Unfit::Unknown { code: one, .. }, Unfit::Unknown { code: other, .. }) => one == other,
        (Unfit::Unbalanced { what: one, .. }, Unfit::Unbalanced { what: other, .. }) => one == other,
        _ => one == other,
    }
}

fn why(document: &DayDocument, code: Code) -> String {
    let absent = &document.cbt.absent;
    // A histogram may be null where the metric is not: then the sources say what they lack.
    let said = absent.get(code.word()).cloned();
    said.unwrap_or_else(|| {
        let mut cannot: Vec<&str> =
            document.sources.iter().flat_map(|source| source.cannot.iter().map(String::as_str)).collect();
        cannot.sort_unstable();
        cannot.dedup();
        match cannot.as_slice() {
            [] => "the document does not say why".to_owned(),
            words => format!("the PBX does not say: {}", words.join(", ")),
        }
    })
}

fn half_hour(local: &str) -> Option<usize> {
    let (hour, minute) = local.split_once(':')?;
    let hour: usize = hour.parse().ok().filter(|hour| *hour < 24)?;
    match minute {
        "00" => Some(hour * 2),
        "30" => Some(hour * 2 + 1),
        _ => None,
    }
}

/// Seconds of the core hours, 08:00 to 18:30, and how many of them were observed. Nothing on a day that is no working
/// day: a Saturday, a Sunday or a bank holiday.
pub fn core_observed(document: &DayDocument) -> Option<(u64, u64)> {
    if !is_working_day(document.date, document.day.bank_holiday) {
        return None;
    }
    let core = |local: &str| half_hour(local).is_some_and(|at| (16..37).contains(&at));
    let slots = document.slots.iter().filter(|slot| core(&slot.local));
    Some(slots.fold((0, 0), |(all, observed), slot| (all + 1_800, observed + slot.observed_s.min(1_800))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> DayDocument {
        serde_json::from_str(include_str!("../../../tests/contract/day-document.example.json")).unwrap()
    }

    #[test]
    fn a_document_is_counted_by_half_hour() {
        let day = counts(&example()).unwrap();
        assert_eq!(day[16].all_of(Code::Cbt001), 41);
        assert_eq!(Code::ALL.map(|code| day[17].all_of(code)), [28, 2, 23, 3, 0, 0, 23]);
        assert_eq!(day[16].of(Code::Cbt003, (1, 3)), 16, "1 to 60 s");
        let sum = day.iter().fold(Counts::default(), |mut sum, counts| {
            sum.add(counts);
            sum
        });
        assert_eq!(Code::ALL.map(|code| sum.all_of(code)), [69, 5, 53, 11, 0, 0, 53]);
    }

    #[test]
    fn null_unknown_and_unbalanced_are_said_and_never_counted_as_nothing() {
        let nulls: DayDocument =
            serde_json::from_str(include_str!("../../../tests/contract/day-document.nulls.example.json")).unwrap();
        let unfit = counts(&nulls).unwrap_err();
        assert!(unfit.iter().any(|unfit| matches!(unfit, Unfit::Null { .. })), "{unfit:?}");
        let mut unknown = example();
        unknown.slots[0].figures.inbound.answered_wait_unknown = Some(2);
        unknown.slots[1].figures.inbound.answered_wait_unknown = Some(1);
        unknown.slots[0].figures.inbound.answered_wait = Some([1, 9, 7, 4, 3, 3, 0, 1, 0]);
        unknown.slots[1].figures.inbound.answered_wait = Some([1, 9, 6, 3, 2, 0, 1, 0, 0]);
        assert_eq!(counts(&unknown).unwrap_err(), [Unfit::Unknown { code: Code::Cbt003, calls: 3 }]);
        let mut odd = example();
        odd.slots[0].figures.inbound.calls = Some(42);
        let sides = (42, 41);
        let what = "CBT001 and CBT002 + CBT003 + CBT004 + CBT005";
        assert_eq!(counts(&odd).unwrap_err(), [Unfit::Unbalanced { what, local: "08:00".into(), sides }]);
    }

    #[test]
    fn core_hours_are_those_of_working_days() {
        let mut document = example();
        assert_eq!(core_observed(&document), Some((3_600, 3_300)), "the example shows two of its slots");
        document.day.bank_holiday = true;
        assert_eq!(core_observed(&document), None);
    }
}
