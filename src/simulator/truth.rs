//! What the day's figures are, counted from what happened and never from what a PBX printed of it.
//!
//! The definitions are those of NHS England's collection: the wait begins when the caller joins the queue or a
//! telephone rings and leaves the menu out; a voicemail is a missed call; the first answer by staff decides; a call
//! belongs to the half-hour in which it arrived.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::scenario::{Call, Day, Ending, Parties, Pbx};

/// Upper edges of the bands in seconds, each included; a last band takes what is above them.
pub const EDGES: [u32; 8] = [0, 30, 60, 90, 120, 180, 240, 300];

/// Seconds counted by band, and their sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Bands {
    /// One count a band.
    pub counts: [u64; 9],
    /// All the seconds.
    pub sum_s: u64,
}

impl Bands {
    fn add(&mut self, seconds: u32) {
        let band = EDGES.iter().take_while(|edge| **edge < seconds).count();
        self.counts[band] += 1;
        self.sum_s += u64::from(seconds);
    }

    /// How many were counted.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// The figures of a half-hour, or of the day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Inbound calls: answered, ended in the menu, or missed.
    pub calls: u64,
    /// Answered by staff.
    pub answered: u64,
    /// Ended in the menu.
    pub ivr_ended: u64,
    /// Missed, voicemail included.
    pub missed: u64,
    /// Of those, how many ended with the mailbox.
    pub missed_voicemail: u64,
    /// Wait of the answered calls.
    pub answered_wait: Bands,
    /// Time with staff of the answered calls.
    pub answered_talk: Bands,
    /// Wait of the missed calls.
    pub missed_wait: Bands,
    /// Calls from a number that had called the practice before on that day.
    pub repeat_calls: u64,
    /// Outgoing calls.
    pub outbound: u64,
    /// Of those, how many were answered.
    pub outbound_answered: u64,
    /// Seconds spoken in them.
    pub outbound_talk_s: u64,
    /// Calls between stations.
    pub internal: u64,
    /// Of those, how many were made on a PBX that prints them.
    pub internal_seen: u64,
}

/// The half-hour that begins at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Its first instant.
    pub start: Timestamp,
    /// What happened to the calls that arrived in it.
    pub figures: Figures,
    /// Of calls that may be counted here or in a neighbouring half-hour, because their PBX shows only minutes.
    pub perhaps: Figures,
}

/// A figure that is not known to the second, because a PBX shows only minutes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Between {
    /// The least that it can be.
    pub least: u64,
    /// The most.
    pub most: u64,
}

/// The figures of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    /// All half-hours of the day, in order.
    pub slots: Vec<Slot>,
    /// The whole day.
    pub totals: Figures,
    /// Most exchange lines of all PBXs in use at one moment.
    pub peak_lines: Between,
    /// Seconds that exchange lines were in use on the day.
    pub busy_s: Between,
    /// The most inbound calls whose half-hour a PBX that shows minutes can leave open.
    pub most_doubt: u64,
}

/// Seconds that a stamp of a minute leaves open.
const MINUTE: SignedDuration = SignedDuration::from_secs(59);

/// From when to when the records of a call allow its arrival to be placed. IP Office and HiPath show seconds; the
/// Panasonic shows the minute in which a leg ended, of which only the first second can be taken, and of calls out and
/// calls inside nothing before the answer.
fn placed(call: &Call) -> (Timestamp, Timestamp) {
    if call.pbx != Pbx::Annexe {
        return (call.arrival, call.arrival);
    }
    let shown = match call.parties {
        Parties::Inbound { .. } => call.arrival,
        _ => call.end() - SignedDuration::from_secs(i64::from(call.talk())),
    };
    (shown - MINUTE, shown)
}

impl Truth {
    /// Counts the day.
    pub fn of(day: &Day) -> Truth {
        let (begin, end) = day.bounds();
        let half_hour = SignedDuration::from_mins(30);
        let mut slots = Vec::new();
        let mut start = begin;
        while start < end {
            slots.push(Slot { start, figures: Figures::default(), perhaps: Figures::default() });
            start += half_hour;
        }
        let (peak_lines, busy_s) = (Between::default(), Between::default());
        let mut truth = Truth { slots, totals: Figures::default(), peak_lines, busy_s, most_doubt: 0 };
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let index = |instant: Timestamp| instant.duration_since(begin).as_secs().div_euclid(half_hour.as_secs());
        for call in &day.calls {
            let mut repeat = false;
            if let Parties::Inbound { caller: Some(caller), .. } = &call.parties {
                repeat = !seen.insert(caller);
            }
            count(&mut truth.totals, call, repeat);
            let (earliest, latest) = placed(call);
            let slots = [index(earliest), index(latest)];
            let [earliest, latest] = slots.map(|index| {
                usize::try_from(index)
                    .ok()
                    .filter(|index| *index < truth.slots.len())
                    .expect("a call of the day arrives within the day")
            });
            if earliest == latest {
                count(&mut truth.slots[latest].figures, call, repeat);
            } else {
                count(&mut truth.slots[earliest].perhaps, call, repeat);
                count(&mut truth.slots[latest].perhaps, call, repeat);
            }
            let (from, to) = placed(call);
            let doubtful = from != to && index(from) != index(to + MINUTE);
            truth.most_doubt += u64::from(doubtful && matches!(call.parties, Parties::Inbound { .. }));
        }
        let lines = || day.calls.iter().filter(|call| call.line.is_some());
        let most = |call: &Call| (placed(call).0.min(call.arrival), call.end());
        let least = |call: &Call| {
            let (earliest, latest) = placed(call);
            // What is certainly shown: from the latest arrival to the earliest end.
            let end = if earliest == latest { call.end() } else { call.end() - MINUTE };
            (latest, end.max(latest))
        };
        let within = |(from, to): (Timestamp, Timestamp)| (from.clamp(begin, end), to.clamp(begin, end));
        let (least, most): (Vec<_>, Vec<_>) = lines().map(|call| (within(least(call)), within(most(call)))).unzip();
        truth.peak_lines = Between { least: peak(&least), most: peak(&most) };
        truth.busy_s = Between { least: busy(&least), most: busy(&most) };
        truth
    }
}

/// The figures of these calls, whenever they were; a repeat call is one on the same civil day as another from its
/// number.
pub fn totals(calls: &[Call], zone: &jiff::tz::TimeZone) -> Figures {
    let mut figures = Figures::default();
    let mut seen = BTreeSet::new();
    for call in calls {
        let mut repeat = false;
        if let Parties::Inbound { caller: Some(caller), .. } = &call.parties {
            repeat = !seen.insert((call.arrival.to_zoned(zone.clone()).date(), caller));
        }
        count(&mut figures, call, repeat);
    }
    figures
}

fn busy(uses: &[(Timestamp, Timestamp)]) -> u64 {
    uses.iter().map(|(from, to)| to.duration_since(*from).as_secs().unsigned_abs()).sum()
}

fn peak(uses: &[(Timestamp, Timestamp)]) -> u64 {
    let mut moments: Vec<(Timestamp, i64)> = uses.iter().flat_map(|(from, to)| [(*from, 1), (*to, -1)]).collect();
    // A line given up and one seized in the same second were never in use together: -1 sorts first.
    moments.sort_unstable();
    let in_use = moments.iter().scan(0, |in_use, (_, change)| {
        *in_use += change;
        Some(*in_use)
    });
    in_use.max().unwrap_or(0).unsigned_abs()
}

fn count(figures: &mut Figures, call: &Call, repeat: bool) {
    let answered = call.ending() == Ending::Answered;
    match call.parties {
        Parties::Inbound { .. } => {
            figures.calls += 1;
            figures.repeat_calls += u64::from(repeat);
            match call.ending() {
                Ending::Answered => {
                    figures.answered += 1;
                    figures.answered_wait.add(call.wait());
                    figures.answered_talk.add(call.talk());
                }
                Ending::IvrEnded => figures.ivr_ended += 1,
                Ending::Voicemail | Ending::GaveUp => {
                    figures.missed += 1;
                    figures.missed_voicemail += u64::from(call.ending() == Ending::Voicemail);
                    figures.missed_wait.add(call.wait());
                }
            }
        }
        Parties::Outbound { .. } => {
            figures.outbound += 1;
            figures.outbound_answered += u64::from(answered);
            figures.outbound_talk_s += u64::from(call.talk());
        }
        Parties::Internal { .. } => {
            figures.internal += 1;
            figures.internal_seen += u64::from(call.pbx != Pbx::Surgery);
        }
        Parties::MailboxCheck { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::practice_day::practice_day;
    use crate::simulator::scenario::Step;
    use jiff::tz::TimeZone;

    fn london() -> TimeZone {
        TimeZone::get("Europe/London").unwrap()
    }

    #[test]
    fn an_edge_belongs_to_the_band_below_it() {
        let mut bands = Bands::default();
        for seconds in [0, 1, 30, 31, 60, 61, 90, 91, 120, 121, 180, 181, 240, 241, 300, 301] {
            bands.add(seconds);
        }
        assert_eq!(bands.counts, [1, 2, 2, 2, 2, 2, 2, 2, 1]);
        assert_eq!(bands.sum_s, 2_048);
    }

    #[test]
    fn the_figures_of_a_day_agree_with_each_other() {
        for seed in 1..10 {
            let day = practice_day(jiff::civil::date(2026, 11, 20), london(), seed);
            let truth = Truth::of(&day);
            let slots: Vec<Figures> = truth.slots.iter().map(|slot| slot.figures).collect();
            assert_eq!(slots.len(), 48);
            for figures in slots.iter().chain([&truth.totals]) {
                assert_eq!(figures.calls, figures.answered + figures.ivr_ended + figures.missed);
                assert_eq!(figures.answered_wait.total(), figures.answered);
                assert_eq!(figures.answered_talk.total(), figures.answered);
                assert_eq!(figures.missed_wait.total(), figures.missed);
                assert!(figures.missed_voicemail <= figures.missed);
                assert!(figures.internal_seen <= figures.internal);
            }
            // A call that may lie on either side of an edge is in two half-hours' `perhaps`, and in nothing else.
            let total = |figure: fn(&Figures) -> u64| {
                let perhaps: u64 = truth.slots.iter().map(|slot| figure(&slot.perhaps)).sum();
                slots.iter().map(figure).sum::<u64>() + perhaps / 2
            };
            assert_eq!(total(|figures| figures.calls), truth.totals.calls);
            assert_eq!(total(|figures| figures.repeat_calls), truth.totals.repeat_calls);
            assert_eq!(total(|figures| figures.answered_talk.sum_s), truth.totals.answered_talk.sum_s);
            assert_eq!(super::totals(&day.calls, &day.zone), truth.totals);
            assert!(truth.busy_s.least < truth.busy_s.most && truth.peak_lines.least <= truth.peak_lines.most);
            assert!(truth.totals.repeat_calls >= 10 && truth.totals.outbound >= 60);
            assert!(truth.totals.internal > truth.totals.internal_seen);
            for bands in [truth.totals.answered_wait, truth.totals.answered_talk, truth.totals.missed_wait] {
                assert!(bands.counts[1..].iter().all(|count| *count > 0), "{bands:?}, seed {seed}");
            }
            assert!(truth.totals.answered_wait.counts[0] > 0 && truth.totals.missed_wait.counts[0] > 0);
        }
    }

    #[test]
    fn a_day_told_by_hand() {
        let mut day = Day { date: jiff::civil::date(2026, 7, 3), zone: london(), calls: Vec::new() };
        let caller = |number: Option<&str>| Parties::Inbound {
            caller: number.map(str::to_owned),
            ddi: "01632960100".to_owned(),
        };
        let mut put = |second: i64, parties: Parties, steps: Vec<Step>| {
            let call = Call { pbx: Pbx::Reception, arrival: day.at(second), line: Some(1), parties, steps };
            day.calls.push(call);
        };
        let ring = |seconds| Step::Ring { station: 201, seconds };
        // 08:29:59, answered in the next half-hour; 08:30:00 exactly; the same caller again; nobody twice.
        put(30_599, caller(Some("07700900001")), vec![ring(30), Step::Talk { station: 201, seconds: 61, hold: 5 }]);
        put(30_600, caller(None), vec![Step::Menu { seconds: 12 }]);
        put(30_700, caller(Some("07700900001")), vec![ring(91)]);
        put(30_800, caller(None), vec![ring(20), Step::Mailbox { seconds: 30 }]);
        let truth = Truth::of(&day);
        // In July the local half-hour 08:00 is 07:00 UTC.
        assert_eq!(truth.slots[0].start.to_string(), "2026-07-02T23:00:00Z");
        let (first, second) = (truth.slots[16].figures, truth.slots[17].figures);
        assert_eq!((first.calls, first.answered, first.answered_wait.counts[1]), (1, 1, 1));
        assert_eq!((first.answered_talk.counts[3], first.answered_talk.sum_s), (1, 61));
        assert_eq!((second.calls, second.ivr_ended, second.missed, second.missed_voicemail), (3, 1, 2, 1));
        assert_eq!((second.repeat_calls, truth.totals.repeat_calls), (1, 1));
        assert_eq!(second.missed_wait.counts, [0, 1, 0, 0, 1, 0, 0, 0, 0]);
        assert!(truth.slots.iter().all(|slot| slot.perhaps == Figures::default()));
        assert_eq!((truth.busy_s.least, truth.busy_s.most), (249, 249));
    }

    #[test]
    fn a_pbx_that_shows_minutes_leaves_open_which_half_hour() {
        let mut day = Day { date: jiff::civil::date(2026, 11, 20), zone: london(), calls: Vec::new() };
        let mut put = |second: i64, parties: Parties, steps: Vec<Step>| {
            let call = Call { pbx: Pbx::Annexe, arrival: day.at(second), line: Some(1), parties, steps };
            day.calls.push(call);
        };
        let inbound = || Parties::Inbound { caller: None, ddi: "01632960160".to_owned() };
        let talk = Step::Talk { station: 121, seconds: 100, hold: 0 };
        // 08:30:58 may be shown as 08:29:59; 08:30:59 can not; an outgoing call shows nothing before its end.
        put(30_658, inbound(), vec![Step::Ring { station: 301, seconds: 20 }, talk]);
        put(30_659, inbound(), vec![Step::Ring { station: 301, seconds: 20 }]);
        let out = Parties::Outbound { station: 121, number: "07700900001".to_owned() };
        put(32_390, out, vec![Step::Ring { station: 121, seconds: 80 }]);
        // Still going at midnight.
        put(86_300, inbound(), vec![Step::Ring { station: 301, seconds: 40 }, talk]);
        let truth = Truth::of(&day);
        let [before, after, next] = [16, 17, 18].map(|index| truth.slots[index]);
        assert_eq!((before.figures.calls, before.perhaps.answered), (0, 1));
        assert_eq!((after.figures.calls, after.figures.missed, after.perhaps.answered), (1, 1, 1));
        assert_eq!((after.figures.outbound, after.perhaps.outbound), (0, 0));
        assert_eq!((next.figures.outbound, truth.totals.outbound, truth.totals.calls), (1, 1, 3));
        // 120 s, 20 s, none of the outgoing call for certain, and 100 s before midnight, each by up to 59 s.
        assert_eq!(truth.most_doubt, 1);
        assert_eq!((truth.busy_s.least, truth.busy_s.most), (61 + 81, 179 + 79 + 80 + 159));
    }
}
