//! A month of a practice as somebody in the room would tell it, and the moments that make months hard: the edges of
//! half-hours, bands and buckets, the end of core hours, midnight, the night in which the clocks change, days of rest.

use jiff::civil::{Date, Weekday, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use smdrd::simulator::chance::Chance;
use smdrd::simulator::scenario::{Call, Day, Parties, Pbx, Step};

use crate::day::{DDIS, Has, STAFF};

/// Bank holidays in England of the months that are played, from the government's list.
const HOLIDAYS: [Date; 2] = [date(2027, 3, 26), date(2027, 3, 29)];
const EDGES: [u32; 16] = [0, 1, 30, 31, 60, 61, 90, 91, 120, 121, 180, 181, 240, 241, 300, 301];
const OPENS: i64 = 28_800;
const CLOSES: i64 = 66_600;
const LINES: usize = 14;

/// A calendar month, where it is played.
#[derive(Clone)]
pub struct Span {
    pub first: Date,
    pub zone: TimeZone,
}

impl Span {
    pub fn of(first: Date) -> Span {
        Span { first, zone: TimeZone::get("Europe/London").unwrap() }
    }

    pub fn last(&self) -> Date {
        self.first.last_of_month()
    }

    /// `2026-10`.
    pub fn name(&self) -> String {
        self.first.strftime("%Y-%m").to_string()
    }

    pub fn days(&self) -> impl Iterator<Item = Date> + use<> {
        let last = self.last();
        self.first.series(1.day()).take_while(move |day| *day <= last)
    }

    /// When the wall clock shows `second` of a day; of two such moments the earlier.
    pub fn at(&self, day: Date, second: i64) -> Timestamp {
        let wall = day.at(0, 0, 0, 0) + SignedDuration::from_secs(second);
        wall.to_zoned(self.zone.clone()).unwrap().timestamp()
    }
}

/// Whether people work on it.
pub fn works(day: Date) -> bool {
    !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) && !HOLIDAYS.contains(&day)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    ByDay,
    ByNight,
    Out,
    Long,
}

struct Diary<'a> {
    span: &'a Span,
    has: Has,
    chance: Chance,
    edge: usize,
    lines: [i64; LINES],
    staff: [i64; STAFF.len()],
    calls: Vec<Call>,
}

/// The calls of a practice whose PBX can do what it `has`, some `busy` of them from outside on a working day: from the last
/// evening before the month to the morning after it. As one day without an end, so that a PBX numbers them throughout.
pub fn month(span: &Span, has: Has, busy: i64, seed: u64) -> Day {
    let (lines, staff) = ([i64::MIN; LINES], [i64::MIN; STAFF.len()]);
    let mut diary =
        Diary { span, has, chance: Chance::new(seed), edge: seed as usize, lines, staff, calls: Vec::new() };
    let before = span.first.yesterday().unwrap();
    // Said in one month, counted in the other.
    diary.long_call(span.at(before, 86_100), 900);
    for day in span.days() {
        diary.a_day(day, busy);
    }
    diary.calls.sort_by_key(|call| call.arrival);
    Day { date: span.first, zone: span.zone.clone(), calls: diary.calls }
}

impl Diary<'_> {
    fn a_day(&mut self, day: Date, busy: i64) {
        let at = |second: i64| self.span.at(day, second);
        let mut moments: Vec<(Timestamp, What)> = Vec::new();
        if works(day) {
            // Mondays are half as much again, and no half-hour of core hours is without a call.
            let many = if day.weekday() == Weekday::Monday { busy * 3 / 2 } else { busy };
            for half in 0..21 {
                moments.push((at(OPENS + half * 1_800 + self.chance.between(60, 1_500)), What::ByDay));
            }
            for _ in 21..many {
                let hours = if self.chance.percent(35) { (OPENS, OPENS + 5_400) } else { (OPENS, CLOSES) };
                moments.push((at(self.chance.rather_low(hours.0, hours.1 - 1)), What::ByDay));
            }
            // The first and the last second of core hours, and the second after.
            moments.extend([OPENS, CLOSES - 1, CLOSES].map(|second| (at(second), What::ByDay)));
            for _ in 0..busy / 6 {
                moments.push((at(self.chance.between(OPENS + 900, CLOSES - 900)), What::Out));
            }
        }
        for _ in 0..self.chance.between(1, 4) {
            let from = if works(day) { 67_000 } else { 30_000 };
            moments.push((at(self.chance.between(from, 84_000)), What::ByNight));
        }
        moments.push((at(self.chance.between(300, 3_000)), What::ByNight));
        let (midnight, next) = (at(0), self.span.at(day.tomorrow().unwrap(), 0));
        if next.duration_since(midnight).as_hours() != 24 {
            // Either side of the change, and in the hour that the wall clock shows twice, or never.
            let quarters = (0..12).map(|quarter| midnight + SignedDuration::from_mins(7 + 15 * quarter));
            moments.extend(quarters.map(|at| (at, What::ByNight)));
        }
        if day.day() % 9 == 7 || day == self.span.last() {
            // Over midnight, and over the moment at which the day is closed.
            moments.push((at(85_800), What::Long));
        }
        moments.sort();
        for (at, what) in moments {
            match what {
                What::ByDay => self.inbound(at, true),
                What::ByNight => self.inbound(at, false),
                What::Out => self.outbound(at),
                What::Long => self.long_call(at, 1_800),
            }
        }
    }

    fn line(&mut self, at: Timestamp) -> Option<usize> {
        self.lines.iter().position(|free| free + self.has.rest_s.max(2) <= at.as_second())
    }

    fn write(&mut self, at: Timestamp, line: usize, parties: Parties, steps: Vec<Step>) {
        let number = u8::try_from(line + 1).unwrap();
        let call = Call { pbx: Pbx::Reception, arrival: at, line: Some(number), parties, steps };
        self.lines[line] = call.end().as_second();
        self.calls.push(call);
    }

    fn caller(&mut self) -> Option<String> {
        if self.chance.percent(8) && self.has.withheld {
            return None;
        }
        Some(match self.chance.between(0, 2) {
            0 => format!("07700900{:03}", self.chance.between(0, 999)),
            1 => format!("0207946{:04}", self.chance.between(0, 999)),
            _ => format!("01632960{:03}", self.chance.between(200, 999)),
        })
    }

    /// By chance, but every third on an edge of the buckets or a second beyond it.
    fn seconds(&mut self, low: i64, high: i64) -> u32 {
        if self.chance.percent(34) {
            self.edge += 5;
            return EDGES[self.edge % EDGES.len()];
        }
        self.chance.rather_low(low, high) as u32
    }

    /// One of the staff who is free from then on for so long.
    fn free(&mut self, from: Timestamp, seconds: u32) -> Option<u16> {
        let from = from.as_second();
        let place = self.staff.iter().position(|free| free + 2 <= from)?;
        self.staff[place] = from + i64::from(seconds);
        Some(STAFF[place])
    }

    fn inbound(&mut self, at: Timestamp, open: bool) {
        let Some(line) = self.line(at) else { return };
        let caller = self.caller();
        let ddi = DDIS[usize::from(self.chance.percent(20))].to_owned();
        let steps = if open { self.by_day(at) } else { self.by_night() };
        self.write(at, line, Parties::Inbound { caller, ddi }, steps);
    }

    fn by_night(&mut self) -> Vec<Step> {
        let station = self.chance.pick(&STAFF[..6]);
        let seconds = self.seconds(4, 90).max(1);
        let mut steps = vec![Step::Ring { station, seconds }];
        if self.has.voicemail && self.chance.percent(70) {
            steps.push(Step::Mailbox { seconds: self.chance.between(6, 55) as u32 });
        }
        steps
    }

    fn by_day(&mut self, at: Timestamp) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut now = at;
        if self.has.menu && self.chance.percent(60) {
            let seconds = self.chance.between(8, 42) as u32;
            steps.push(Step::Menu { seconds });
            now += SignedDuration::from_secs(i64::from(seconds));
            if self.chance.percent(25) {
                return steps;
            }
        }
        let station = self.chance.pick(&STAFF[..6]);
        let fate = self.chance.between(1, 100);
        if fate <= 14 {
            steps.push(Step::Ring { station, seconds: self.seconds(4, 200).max(1) });
            return steps;
        }
        if fate <= 20 && self.has.voicemail {
            steps.push(Step::Ring { station, seconds: self.seconds(15, 90).max(1) });
            steps.push(Step::Mailbox { seconds: self.chance.between(6, 55) as u32 });
            return steps;
        }
        let wait = self.seconds(2, 150).max(self.has.least_wait_s);
        let talk = self.seconds(20, 400).max(self.has.least_talk_s).max(1);
        let hold = if self.has.hold && self.chance.percent(20) { self.chance.between(4, 50) as u32 } else { 0 };
        now += SignedDuration::from_secs(i64::from(wait));
        let Some(station) = self.free(now, talk + hold) else {
            steps.push(Step::Ring { station, seconds: wait.max(1) });
            return steps;
        };
        steps.push(Step::Ring { station, seconds: wait });
        steps.push(Step::Talk { station, seconds: talk, hold });
        if self.has.transfer && self.chance.percent(20) {
            now += SignedDuration::from_secs(i64::from(talk + hold));
            let ring = if self.has.transfer_rings { self.chance.between(2, 25) as u32 } else { 0 };
            let (from, more) =
                (now + SignedDuration::from_secs(i64::from(ring)), self.chance.rather_low(10, 240) as u32);
            if let Some(other) = self.free(from, more) {
                if ring > 0 {
                    steps.push(Step::Ring { station: other, seconds: ring });
                }
                steps.push(Step::Talk { station: other, seconds: more, hold: 0 });
            }
        }
        steps
    }

    fn outbound(&mut self, at: Timestamp) {
        let answered = self.chance.percent(70);
        let ring = self.chance.between(3, 40) as u32;
        let talk = if answered { (self.chance.rather_low(12, 400) as u32).max(self.has.least_talk_s) } else { 0 };
        let Some(number) = self.caller() else { return };
        let (Some(station), Some(line)) = (self.free(at, ring + talk), self.line(at)) else { return };
        let mut steps = Vec::new();
        if !answered || self.has.outgoing_rings {
            steps.push(Step::Ring { station, seconds: ring });
        }
        if answered {
            steps.push(Step::Talk { station, seconds: talk, hold: 0 });
        }
        self.write(at, line, Parties::Outbound { station, number }, steps);
    }

    /// A doctor who is on call, and speaks for long.
    fn long_call(&mut self, at: Timestamp, talk: u32) {
        let (Some(line), Some(station)) = (self.line(at), self.free(at + SignedDuration::from_secs(9), talk)) else {
            panic!("nobody is there at {at}")
        };
        let steps = vec![Step::Ring { station, seconds: 9 }, Step::Talk { station, seconds: talk, hold: 0 }];
        let parties = Parties::Inbound { caller: Some("07700900077".to_owned()), ddi: DDIS[0].to_owned() };
        self.write(at, line, parties, steps);
    }
}
