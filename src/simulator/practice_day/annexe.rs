//! The annexe's part of the diary: a ring group and a station with a number of its own, on a Panasonic.

use super::{CALMS, CLOSES, Diary, OPENS, Plan};
use crate::simulator::scenario::{Pbx, Step, site};

/// Inbound calls: from, until (seconds of the day), how many, whether they crowd towards the start.
const INBOUND: [(i64, i64, usize, bool); 5] = [
    (28_800, 32_340, 16, true),
    (32_400, 43_200, 22, false),
    (43_200, 50_400, 6, false),
    (50_400, 66_540, 18, false),
    (66_600, 78_000, 4, true),
];
impl Diary {
    /// The Panasonic's calls, planned when those of the others are known.
    pub(super) fn plan_annexe(&mut self) {
        let pbx = Pbx::Annexe;
        for (from, until, count, crowded) in INBOUND {
            for _ in 0..count {
                let last = until - 1;
                let second = if crowded { self.chance.rather_low(from, last) } else { self.chance.between(from, last) };
                let caller = self.caller(second);
                self.put(second, Plan::Inbound { pbx, caller });
            }
        }
        for _ in 0..14 {
            let second = self.chance.between(OPENS + 1_200, CLOSES - 1_200);
            self.put(second, Plan::Outbound(pbx));
        }
        for _ in 0..8 {
            let second = self.chance.between(OPENS, CLOSES);
            self.put(second, Plan::Internal(pbx));
        }
    }

    /// The ring group, or one station that has a number of its own. The Panasonic prints no hold and no ring of a leg
    /// that was put through, and a group that answers at once looks like a call that was lost in that moment: so here
    /// nobody answers within a second, and a call is put through at once.
    pub(super) fn annexe_call(&mut self, second: i64) -> Vec<Step> {
        let rush = second < CALMS;
        let [group @ .., direct] = &site::ANNEXE_STATIONS;
        let own = self.chance.percent(25);
        let rings = if own { *direct } else { site::ANNEXE_GROUP };
        let fate = self.chance.between(1, 100);
        let gives_up = if rush { 24 } else { 10 };
        if fate <= gives_up {
            return vec![Step::Ring { station: rings, seconds: self.missed_wait(rush) }];
        }
        if fate <= gives_up + 8 {
            let ring = Step::Ring { station: rings, seconds: self.missed_wait(rush).max(15) };
            return vec![ring, Step::Mailbox { seconds: self.chance.between(6, 55) as u32 }];
        }
        let wait = self.answered_wait(rush, 1);
        let talk = self.talk_time();
        let answered = second + i64::from(wait);
        let stations = if own { std::slice::from_ref(direct) } else { group };
        let Some(station) = self.occupancy.free_station(&mut self.chance, stations, answered, talk) else {
            return vec![Step::Ring { station: rings, seconds: wait.max(15) }];
        };
        self.occupancy.engage(station, answered, talk);
        let mut steps =
            vec![Step::Ring { station: rings, seconds: wait }, Step::Talk { station, seconds: talk, hold: 0 }];
        if self.chance.percent(25) {
            let (now, more) = (answered + i64::from(talk), self.chance.rather_low(10, 240) as u32);
            match self.occupancy.free_station(&mut self.chance, &site::ANNEXE_STATIONS, now, more) {
                Some(other) if self.chance.percent(80) => {
                    self.occupancy.engage(other, now, more);
                    steps.push(Step::Talk { station: other, seconds: more, hold: 0 });
                }
                _ => steps.push(Step::Mailbox { seconds: more.min(45) }),
            }
        }
        steps
    }
}
