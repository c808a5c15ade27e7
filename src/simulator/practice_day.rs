//! Writes the diary of a practice day: the rush at eight and the redials it brings, a morning, a quieter afternoon,
//! closing at half past six, and an evening of messages.
//!
//! A call is written when its turn comes, with the lines and the staff that are free at that moment, so that nobody
//! speaks to two people at once. Waits and talks are drawn by chance, but every so often one lands exactly on an edge
//! of the bands in which the NHS counts, or one second beyond it, and some arrivals sit on the edge of a half-hour.

mod annexe;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::chance::Chance;
use super::occupancy::Occupancy;
use super::scenario::{Call, Day, Ending, Parties, Pbx, Step, site};

/// Seconds at which the bands of the NHS collection end, and the next second.
const EDGES: [u32; 16] = [0, 1, 30, 31, 60, 61, 90, 91, 120, 121, 180, 181, 240, 241, 300, 301];
/// Inbound calls: from, until (seconds of the day), how many, whether they crowd towards the start.
const INBOUND: [(i64, i64, usize, bool); 10] = [
    (26_400, 28_740, 4, false),
    (28_800, 30_540, 42, true),
    (30_600, 32_340, 32, true),
    (32_400, 36_000, 44, false),
    (36_000, 43_200, 62, false),
    (43_200, 46_800, 16, false),
    (46_800, 50_400, 14, false),
    (50_400, 57_600, 40, false),
    (57_600, 66_540, 42, false),
    (66_600, 78_000, 12, true),
];
/// Arrivals in the last second of a half-hour, in the first of one, and in the seconds around opening and closing.
const CORNERS: [i64; 10] = [28_799, 28_800, 30_599, 30_600, 32_399, 32_400, 46_785, 59_399, 66_599, 66_600];
/// Opening, in seconds of the day: 08:00.
const OPENS: i64 = 28_800;
/// End of the rush: 09:00.
const CALMS: i64 = 32_400;
/// Closing: 18:30.
const CLOSES: i64 = 66_600;

/// The day that `seed` stands for.
pub fn practice_day(date: Date, zone: TimeZone, seed: u64) -> Day {
    let mut diary = Diary::new(Day { date, zone, calls: Vec::new() }, seed);
    diary.plan();
    diary.write_down();
    diary.plan_annexe();
    diary.write_down();
    diary.day.calls.sort_by_key(|call| call.arrival);
    diary.day
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Plan {
    Inbound { pbx: Pbx, caller: Option<String> },
    Outbound(Pbx),
    Internal(Pbx),
    MailboxCheck,
}

struct Diary {
    day: Day,
    chance: Chance,
    /// Callers who have not called yet, no number twice.
    fresh: Vec<String>,
    /// When each caller's last call ended.
    called: BTreeMap<String, i64>,
    /// What is to happen, by second and order of planning.
    plans: BTreeSet<(i64, usize, Plan)>,
    planned: usize,
    occupancy: Occupancy,
    /// Which edge comes next, for answered waits, missed waits and talks.
    edges: [usize; 3],
}

impl Diary {
    fn new(day: Day, seed: u64) -> Diary {
        let mut chance = Chance::new(seed);
        let mut fresh: Vec<String> = (0..1000).map(|n| format!("07700900{n:03}")).collect();
        fresh.extend((0..1000).map(|n| format!("0207946{n:04}")));
        // The practice's own numbers are 960100 to 960199.
        fresh.extend((200..1000).map(|n| format!("01632960{n:03}")));
        chance.shuffle(&mut fresh);
        let (called, plans, occupancy) = (BTreeMap::new(), BTreeSet::new(), Occupancy::new());
        Diary { day, chance, fresh, called, plans, planned: 0, occupancy, edges: [0; 3] }
    }

    fn plan(&mut self) {
        for (from, until, count, crowded) in INBOUND {
            for _ in 0..count {
                let last = until - 1;
                let second = if crowded { self.chance.rather_low(from, last) } else { self.chance.between(from, last) };
                let pbx = if self.chance.percent(65) { Pbx::Reception } else { Pbx::Surgery };
                let caller = self.caller(second);
                self.put(second, Plan::Inbound { pbx, caller });
            }
        }
        for (turn, second) in CORNERS.into_iter().enumerate() {
            let pbx = if turn % 2 == 0 { Pbx::Reception } else { Pbx::Surgery };
            let caller = self.caller(second);
            self.put(second, Plan::Inbound { pbx, caller });
        }
        for turn in 0..92 {
            let pbx = if turn % 3 == 0 { Pbx::Surgery } else { Pbx::Reception };
            let second = self.chance.between(OPENS + 1_200, CLOSES - 1_200);
            self.put(second, Plan::Outbound(pbx));
        }
        for turn in 0..56 {
            let pbx = if turn % 5 == 0 { Pbx::Surgery } else { Pbx::Reception };
            let second = self.chance.between(OPENS, CLOSES);
            self.put(second, Plan::Internal(pbx));
        }
        for second in [28_260, 45_120, 50_580, 62_400] {
            self.put(second, Plan::MailboxCheck);
        }
    }

    fn write_down(&mut self) {
        while let Some((second, _, plan)) = self.plans.pop_first() {
            match plan {
                Plan::Inbound { pbx, caller } => self.inbound(second, pbx, caller),
                Plan::Outbound(pbx) => self.outbound(second, pbx),
                Plan::Internal(pbx) => self.internal(second, pbx),
                Plan::MailboxCheck => self.mailbox_check(second),
            }
        }
    }

    fn put(&mut self, second: i64, plan: Plan) {
        self.planned += 1;
        self.plans.insert((second, self.planned, plan));
    }

    /// A number that has not called, or none: one in sixteen withholds it.
    fn caller(&mut self, second: i64) -> Option<String> {
        // Who calls after lunch may have called in the morning; then the number is chosen when the call comes.
        if second > 50_400 && self.chance.percent(15) {
            return Some(String::new());
        }
        if self.chance.percent(6) { None } else { self.fresh.pop() }
    }

    fn inbound(&mut self, second: i64, pbx: Pbx, caller: Option<String>) {
        let caller =
            caller.and_then(|number| if number.is_empty() { self.earlier_caller(second) } else { Some(number) });
        let Some(line) = self.occupancy.free_line(pbx, second) else {
            // Engaged: the exchange turns the caller away and no PBX ever sees the call. They try again.
            let again = second + self.chance.between(40, 110);
            self.put(again, Plan::Inbound { pbx, caller });
            return;
        };
        let steps = if (OPENS..CLOSES).contains(&second) {
            match pbx {
                Pbx::Reception => self.reception_call(second),
                Pbx::Surgery => self.surgery_call(second),
                Pbx::Annexe => self.annexe_call(second),
            }
        } else {
            self.night_call(pbx)
        };
        let ddi = match pbx {
            Pbx::Reception => self.chance.pick(&site::RECEPTION_DDIS),
            Pbx::Surgery => site::SURGERY_DDI,
            Pbx::Annexe => {
                let group = matches!(steps.first(), Some(Step::Ring { station: site::ANNEXE_GROUP, .. }));
                site::ANNEXE_DDIS[usize::from(!group)]
            }
        };
        let parties = Parties::Inbound { caller: caller.clone(), ddi: ddi.to_owned() };
        let (ending, over) = self.write(second, pbx, Some(line), parties, steps);
        let Some(number) = caller else { return };
        self.called.insert(number.clone(), over);
        let eagerness = match ending {
            Ending::GaveUp if second < CALMS => 65,
            Ending::GaveUp => 35,
            Ending::IvrEnded => 15,
            Ending::Voicemail | Ending::Answered => 0,
        };
        if over < CLOSES - 600 && self.chance.percent(eagerness) {
            let again = over + self.chance.between(12, 100);
            self.put(again, Plan::Inbound { pbx, caller: Some(number) });
        }
    }

    /// Somebody whose last call is over for an hour.
    fn earlier_caller(&mut self, second: i64) -> Option<String> {
        let rested = self.called.iter().filter(|(_, over)| **over < second - 3_600);
        let callers: Vec<String> = rested.map(|(number, _)| number.clone()).collect();
        let index = self.chance.between(0, callers.len() as i64 - 1);
        callers.get(index as usize).cloned()
    }

    fn reception_call(&mut self, second: i64) -> Vec<Step> {
        let rush = second < CALMS;
        let mut steps = Vec::new();
        let mut now = second;
        if self.chance.percent(70) {
            let seconds = self.chance.between(8, 42) as u32;
            steps.push(Step::Menu { seconds });
            now += i64::from(seconds);
            if self.chance.percent(14) {
                return steps;
            }
        }
        let desk = &site::RECEPTION_STATIONS[..6];
        let fate = self.chance.between(1, 100);
        let gives_up = if rush { 22 } else { 9 };
        if fate <= gives_up {
            steps.push(Step::Ring { station: self.chance.pick(desk), seconds: self.missed_wait(rush) });
            return steps;
        }
        if fate <= gives_up + 7 {
            let seconds = self.missed_wait(rush).max(20);
            steps.push(Step::Ring { station: self.chance.pick(desk), seconds });
            steps.push(Step::Mailbox { seconds: self.chance.between(6, 55) as u32 });
            return steps;
        }
        let wait = self.answered_wait(rush, 0);
        let talk = self.talk_time();
        now += i64::from(wait);
        let Some(station) = self.occupancy.free_station(&mut self.chance, desk, now, talk) else {
            let seconds = wait.max(15);
            steps.push(Step::Ring { station: self.chance.pick(desk), seconds });
            return steps;
        };
        steps.push(Step::Ring { station, seconds: wait });
        let transfer = self.chance.percent(16);
        let hold = if transfer || self.chance.percent(12) { self.chance.between(4, 50) as u32 } else { 0 };
        self.occupancy.engage(station, now, talk + hold);
        steps.push(Step::Talk { station, seconds: talk, hold });
        if transfer {
            now += i64::from(talk + hold);
            self.transfer_on_reception(now, &mut steps);
        }
        steps
    }

    /// The caller is put through: to somebody who answers, to the mailbox, or to somebody who does not.
    fn transfer_on_reception(&mut self, mut now: i64, steps: &mut Vec<Step>) {
        let clinicians = &site::RECEPTION_STATIONS[6..];
        let ring = self.chance.between(2, 25) as u32;
        now += i64::from(ring);
        let fate = self.chance.between(1, 10);
        let talk = self.chance.rather_low(15, 260) as u32;
        match self.occupancy.free_station(&mut self.chance, clinicians, now, talk) {
            Some(station) if fate <= 7 => {
                self.occupancy.engage(station, now, talk);
                steps.push(Step::Ring { station, seconds: ring });
                steps.push(Step::Talk { station, seconds: talk, hold: 0 });
            }
            _ => {
                steps.push(Step::Ring { station: self.chance.pick(clinicians), seconds: ring });
                if fate <= 9 {
                    steps.push(Step::Mailbox { seconds: self.chance.between(5, 40) as u32 });
                }
            }
        }
    }

    /// The HiPath prints no hold and no ring of a second leg, so here a call is put through at once.
    fn surgery_call(&mut self, second: i64) -> Vec<Step> {
        let rush = second < CALMS;
        let fate = self.chance.between(1, 100);
        let gives_up = if rush { 22 } else { 9 };
        if fate <= gives_up {
            let station = self.chance.pick(&site::SURGERY_STATIONS);
            return vec![Step::Ring { station, seconds: self.missed_wait(rush) }];
        }
        if fate <= gives_up + 6 {
            let ring = Step::Ring { station: site::SURGERY_MAILBOX, seconds: self.missed_wait(rush).max(15) };
            return vec![ring, Step::Mailbox { seconds: self.chance.between(6, 55) as u32 }];
        }
        let wait = self.answered_wait(rush, 1);
        let talk = self.talk_time();
        let answered = second + i64::from(wait);
        let Some(station) = self.occupancy.free_station(&mut self.chance, &site::SURGERY_STATIONS, answered, talk)
        else {
            return vec![Step::Ring { station: site::SURGERY_STATIONS[0], seconds: wait.max(15) }];
        };
        self.occupancy.engage(station, answered, talk);
        let mut steps = vec![Step::Ring { station, seconds: wait }, Step::Talk { station, seconds: talk, hold: 0 }];
        if self.chance.percent(20) {
            let (now, more) = (answered + i64::from(talk), self.chance.rather_low(10, 240) as u32);
            match self.occupancy.free_station(&mut self.chance, &site::SURGERY_STATIONS, now, more) {
                Some(other) if self.chance.percent(80) => {
                    self.occupancy.engage(other, now, more);
                    steps.push(Step::Talk { station: other, seconds: more, hold: 0 });
                }
                _ => steps.push(Step::Mailbox { seconds: more.min(45) }),
            }
        }
        steps
    }

    /// Closed: the mailbox answers, at once on the IP Office, after some rings on the others; some do not wait for it.
    fn night_call(&mut self, pbx: Pbx) -> Vec<Step> {
        let message = Step::Mailbox { seconds: self.chance.between(8, 70) as u32 };
        let gives_up = self.chance.percent(20);
        match pbx {
            Pbx::Reception if gives_up => vec![Step::Ring { station: site::RECEPTION_STATIONS[0], seconds: 11 }],
            Pbx::Reception if self.chance.percent(60) => vec![message],
            Pbx::Reception => vec![Step::Ring { station: site::RECEPTION_STATIONS[0], seconds: 20 }, message],
            Pbx::Surgery if gives_up => vec![Step::Ring { station: site::SURGERY_MAILBOX, seconds: 3 }],
            Pbx::Surgery => vec![Step::Ring { station: site::SURGERY_MAILBOX, seconds: 8 }, message],
            Pbx::Annexe if gives_up => vec![Step::Ring { station: site::ANNEXE_GROUP, seconds: 5 }],
            Pbx::Annexe => vec![Step::Ring { station: site::ANNEXE_GROUP, seconds: 12 }, message],
        }
    }

    fn outbound(&mut self, second: i64, pbx: Pbx) {
        let ring = self.chance.between(3, 24) as u32;
        let talk = if self.chance.percent(72) { self.chance.rather_low(12, 400) as u32 } else { 0 };
        let ring = if talk == 0 { ring + 15 } else { ring };
        let stations: &[u16] = match pbx {
            Pbx::Reception => &site::RECEPTION_STATIONS,
            Pbx::Surgery => &site::SURGERY_STATIONS,
            Pbx::Annexe => &site::ANNEXE_STATIONS,
        };
        let Some(station) = self.occupancy.free_station(&mut self.chance, stations, second, ring + talk) else {
            return;
        };
        let (Some(line), Some(number)) = (self.occupancy.free_line(pbx, second), self.fresh.pop()) else { return };
        self.occupancy.engage(station, second, ring + talk);
        // HiPath and Panasonic count from the moment of answer and print no ring of an answered call.
        let mut steps = Vec::new();
        if pbx == Pbx::Reception || talk == 0 {
            steps.push(Step::Ring { station, seconds: ring });
        }
        if talk > 0 {
            steps.push(Step::Talk { station, seconds: talk, hold: 0 });
        }
        self.write(second, pbx, Some(line), Parties::Outbound { station, number }, steps);
    }

    fn internal(&mut self, second: i64, pbx: Pbx) {
        let stations: &[u16] = match pbx {
            Pbx::Reception => &site::RECEPTION_STATIONS,
            Pbx::Surgery => &site::SURGERY_STATIONS,
            Pbx::Annexe => &site::ANNEXE_STATIONS,
        };
        let (ring, talk) = (self.chance.between(1, 14) as u32, self.chance.rather_low(5, 150) as u32);
        let Some(from) = self.occupancy.free_station(&mut self.chance, stations, second, ring + talk) else { return };
        self.occupancy.engage(from, second, ring + talk);
        let Some(to) = self.occupancy.free_station(&mut self.chance, stations, second, ring + talk) else { return };
        let mut steps = vec![Step::Ring { station: to, seconds: ring }];
        // Whether the Panasonic prints an inside call that nobody took is not known: on it, somebody always does.
        if pbx == Pbx::Annexe || self.chance.percent(80) {
            self.occupancy.engage(to, second, ring + talk);
            steps.push(Step::Talk { station: to, seconds: talk, hold: 0 });
        }
        self.write(second, pbx, None, Parties::Internal { from, to }, steps);
    }

    fn mailbox_check(&mut self, second: i64) {
        let seconds = self.chance.between(15, 60) as u32;
        let Some(station) = self.occupancy.free_station(&mut self.chance, &site::RECEPTION_STATIONS, second, seconds)
        else {
            return;
        };
        self.occupancy.engage(station, second, seconds);
        self.write(second, Pbx::Reception, None, Parties::MailboxCheck { station }, vec![Step::Mailbox { seconds }]);
    }

    fn write(&mut self, second: i64, pbx: Pbx, line: Option<u8>, parties: Parties, steps: Vec<Step>) -> (Ending, i64) {
        let call = Call { pbx, arrival: self.day.at(second), line, parties, steps };
        let over = second + i64::from(call.length());
        if let Some(line) = line {
            self.occupancy.seize(pbx, line, over);
        }
        let ending = call.ending();
        self.day.calls.push(call);
        (ending, over)
    }

    fn answered_wait(&mut self, rush: bool, least: u32) -> u32 {
        if self.chance.percent(30) {
            return self.edge(0).max(least);
        }
        let longest = if rush { 290 } else { 75 };
        self.chance.rather_low(2, longest) as u32
    }

    fn missed_wait(&mut self, rush: bool) -> u32 {
        if self.chance.percent(50) {
            return self.edge(1).max(1);
        }
        let longest = if rush { 320 } else { 120 };
        self.chance.rather_low(4, longest) as u32
    }

    fn talk_time(&mut self) -> u32 {
        if self.chance.percent(30) { self.edge(2).max(1) } else { self.chance.rather_low(20, 420) as u32 }
    }

    fn edge(&mut self, kind: usize) -> u32 {
        let edge = EDGES[self.edges[kind] % EDGES.len()];
        self.edges[kind] += 1;
        edge
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn friday(seed: u64) -> Day {
        practice_day(jiff::civil::date(2026, 11, 20), TimeZone::get("Europe/London").unwrap(), seed)
    }

    #[test]
    fn a_seed_is_a_day_and_another_seed_another() {
        assert_eq!(friday(1).calls, friday(1).calls);
        assert_ne!(friday(1).calls, friday(2).calls);
    }

    #[test]
    fn the_day_has_the_shape_of_a_practice_day() {
        for seed in 1..20 {
            let day = friday(seed);
            let inbound: Vec<&Call> =
                day.calls.iter().filter(|call| matches!(call.parties, Parties::Inbound { .. })).collect();
            assert!((480..=700).contains(&day.calls.len()), "{} calls", day.calls.len());
            let first = day.at(OPENS)..day.at(OPENS + 1_800);
            let rush = inbound.iter().filter(|call| first.contains(&call.arrival)).count();
            assert!((45..=85).contains(&rush), "{rush} calls in the first half-hour");
            for ending in [Ending::Answered, Ending::IvrEnded, Ending::Voicemail, Ending::GaveUp] {
                assert!(inbound.iter().filter(|call| call.ending() == ending).count() >= 10, "{ending:?}, seed {seed}");
            }
            assert!(day.calls.windows(2).all(|pair| pair[0].arrival <= pair[1].arrival));
            assert!(day.calls.iter().all(|call| call.end() < day.bounds().1));
        }
    }

    #[test]
    fn nobody_speaks_to_two_people_and_no_line_carries_two_calls() {
        let day = friday(3);
        let mut lines: BTreeMap<(Pbx, u8), jiff::Timestamp> = BTreeMap::new();
        let mut stations: Vec<(u16, jiff::Timestamp, jiff::Timestamp)> = Vec::new();
        for call in &day.calls {
            if let Some(line) = call.line {
                let free = lines.insert((call.pbx, line), call.end());
                assert!(free.is_none_or(|free| free < call.arrival), "{call:?}");
            }
            let mut now = call.arrival;
            for step in &call.steps {
                let end = now + jiff::SignedDuration::from_secs(i64::from(step.seconds()));
                if let Step::Talk { station, .. } = *step {
                    assert!(!stations.iter().any(|(other, from, to)| *other == station && now < *to && *from < end));
                    stations.push((station, now, end));
                }
                now = end;
            }
        }
    }
}
