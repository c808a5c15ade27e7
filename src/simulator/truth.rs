//! What the day's figures are, counted from what happened and never from what a PBX printed of it.
//!
//! The definitions are those of NHS England's collection: the wait begins when the caller joins the queue or a
//! telephone rings and leaves the menu out; a voicemail is a missed call; the first answer by staff decides; a call
//! belongs to the half-hour in which it arrived.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::scenario::{Day, Ending, Parties, Pbx};

/// Upper edges of the bands in seconds, each included; a last band takes what is above them.
pub const EDGES: [u32; 8] = [0, 30, 60, 90, 120, 180, 240, 300];

/// Seconds counted by band, and their sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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
}

/// The figures of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    /// All half-hours of the day, in order.
    pub slots: Vec<Slot>,
    /// The whole day.
    pub totals: Figures,
    /// Most exchange lines of both PBXs in use at one moment.
    pub peak_lines: u64,
    /// Seconds that exchange lines were in use.
    pub busy_s: u64,
}

impl Truth {
    /// Counts the day.
    pub fn of(day: &Day) -> Truth {
        let (begin, end) = day.bounds();
        let half_hour = SignedDuration::from_mins(30);
        let mut slots = Vec::new();
        let mut start = begin;
        while start < end {
            slots.push(Slot { start, figures: Figures::default() });
            start += half_hour;
        }
        let mut truth = Truth { slots, totals: Figures::default(), peak_lines: 0, busy_s: 0 };
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        for call in &day.calls {
            let index = call.arrival.duration_since(begin).as_secs().div_euclid(half_hour.as_secs());
            let slot = usize::try_from(index).ok().and_then(|index| truth.slots.get_mut(index));
            let slot = slot.expect("a call of the day arrives within the day");
            let mut repeat = false;
            if let Parties::Inbound { caller: Some(caller), .. } = &call.parties {
                repeat = !seen.insert(caller);
            }
            for figures in [&mut slot.figures, &mut truth.totals] {
                count(figures, call, repeat);
            }
        }
        let mut moments: Vec<(Timestamp, i64)> = Vec::new();
        for call in day.calls.iter().filter(|call| call.line.is_some()) {
            truth.busy_s += u64::from(call.length());
            moments.extend([(call.arrival, 1), (call.end(), -1)]);
        }
        // A line given up and one seized in the same second were never in use together: -1 sorts first.
        moments.sort_unstable();
        let in_use = moments.iter().scan(0, |in_use, (_, change)| {
            *in_use += change;
            Some(*in_use)
        });
        truth.peak_lines = in_use.max().unwrap_or(0).unsigned_abs();
        truth
    }
}

fn count(figures: &mut Figures, call: &super::scenario::Call, repeat: bool) {
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
            figures.internal_seen += u64::from(call.pbx == Pbx::Reception);
        }
        Parties::MailboxCheck { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::practice_day::practice_day;
    use crate::simulator::scenario::{Call, Step};
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
            let total = |figure: fn(&Figures) -> u64| slots.iter().map(figure).sum::<u64>();
            assert_eq!(total(|figures| figures.calls), truth.totals.calls);
            assert_eq!(total(|figures| figures.repeat_calls), truth.totals.repeat_calls);
            assert_eq!(total(|figures| figures.answered_talk.sum_s), truth.totals.answered_talk.sum_s);
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
    }
}
