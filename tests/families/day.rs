//! A smaller practice day, made of what a family's PBX can do: some sixty calls in, some out and some inside.
//!
//! Every so often a wait or a talk lands on an edge of the bands in which the NHS counts, or a second beyond it, and an
//! arrival on the edge of a half-hour.

use jiff::tz::TimeZone;
use smdrd::simulator::chance::Chance;
use smdrd::simulator::occupancy::Occupancy;
use smdrd::simulator::scenario::{Call, Day, Parties, Pbx, Step};

/// Stations of people.
pub const STAFF: [u16; 8] = [201, 202, 203, 204, 205, 206, 207, 208];
/// The hunt group that the first of [`DDIS`] rings.
pub const GROUP: u16 = 220;
/// The mailbox.
pub const MAILBOX: u16 = 230;
/// The menu.
pub const MENU: u16 = 231;
/// The practice's numbers: the group's, and one that rings a station.
pub const DDIS: [&str; 2] = ["01632960160", "01632960161"];
/// Exchange lines are 1 to this.
pub const LINES: u8 = 14;

const EDGES: [u32; 16] = [0, 1, 30, 31, 60, 61, 90, 91, 120, 121, 180, 181, 240, 241, 300, 301];
const CORNERS: [i64; 6] = [28_800, 30_599, 30_600, 32_399, 32_400, 66_599];

/// What happens at a family's PBX.
#[derive(Debug, Clone, Copy)]
pub struct Has {
    /// Some callers hear a menu first, and some hear nothing else.
    pub menu: bool,
    /// The mailbox answers some calls that nobody took.
    pub voicemail: bool,
    /// Some calls are put through to another station, or to the mailbox where there is one.
    pub transfer: bool,
    /// Whoever is put through to rings first; otherwise a call is put through at once.
    pub transfer_rings: bool,
    /// Some callers find whom they called engaged: nothing rings.
    pub busy: bool,
    /// Conversations with time on hold.
    pub hold: bool,
    /// Calls out.
    pub outgoing: bool,
    /// The far end rings before it answers; otherwise only calls out that nobody answers have a ring.
    pub outgoing_rings: bool,
    /// Calls between stations.
    pub internal: bool,
    /// Callers whose number is withheld.
    pub withheld: bool,
    /// Seconds that a line rests between two calls.
    pub rest_s: i64,
    /// The least seconds of a talk.
    pub least_talk_s: u32,
    /// The least seconds of a wait.
    pub least_wait_s: u32,
}

impl Has {
    /// The ordinary: everything but a menu, and nothing that few formats show.
    pub const PLAIN: Has = Has {
        menu: false,
        voicemail: true,
        transfer: true,
        transfer_rings: false,
        busy: false,
        hold: false,
        outgoing: true,
        outgoing_rings: false,
        internal: true,
        withheld: true,
        rest_s: 2,
        least_talk_s: 1,
        least_wait_s: 0,
    };
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Plan {
    In(Option<String>),
    Out,
    Inside,
}

struct Diary {
    has: Has,
    day: Day,
    chance: Chance,
    occupancy: Occupancy,
    fresh: Vec<String>,
    plans: std::collections::BTreeSet<(i64, usize, Plan)>,
    planned: usize,
    edges: [usize; 3],
    lines: [i64; LINES as usize],
}

/// The day that `seed` stands for: 20 November 2026, a Friday.
pub fn day(has: Has, seed: u64) -> Day {
    let zone = TimeZone::get("Europe/London").unwrap();
    let mut chance = Chance::new(seed);
    let mut fresh: Vec<String> = (0..1000).map(|n| format!("07700900{n:03}")).collect();
    fresh.extend((0..1000).map(|n| format!("0207946{n:04}")));
    // The practice's own numbers are 960100 to 960199.
    fresh.extend((200..1000).map(|n| format!("01632960{n:03}")));
    chance.shuffle(&mut fresh);
    let day = Day { date: jiff::civil::date(2026, 11, 20), zone, calls: Vec::new() };
    let (plans, occupancy) = (std::collections::BTreeSet::new(), Occupancy::new());
    let lines = [0; LINES as usize];
    let mut diary = Diary { has, day, chance, occupancy, fresh, plans, planned: 0, edges: [0; 3], lines };
    diary.plan();
    while let Some((second, _, plan)) = diary.plans.pop_first() {
        match plan {
            Plan::In(caller) => diary.inbound(second, caller),
            Plan::Out => diary.outbound(second),
            Plan::Inside => diary.internal(second),
        }
    }
    diary.day.calls.sort_by_key(|call| call.arrival);
    diary.day
}

impl Diary {
    fn plan(&mut self) {
        for (from, until, count) in [(28_800, 30_600, 26), (30_600, 43_200, 24), (43_200, 66_600, 18)] {
            for _ in 0..count {
                let second = self.chance.rather_low(from, until - 1);
                self.call_in(second);
            }
        }
        for second in CORNERS {
            self.call_in(second);
        }
        for _ in 0..if self.has.outgoing { 14 } else { 0 } {
            let second = self.chance.between(30_000, 64_800);
            self.put(second, Plan::Out);
        }
        for _ in 0..if self.has.internal { 8 } else { 0 } {
            let second = self.chance.between(30_000, 64_800);
            self.put(second, Plan::Inside);
        }
    }

    fn put(&mut self, second: i64, plan: Plan) {
        self.planned += 1;
        self.plans.insert((second, self.planned, plan));
    }

    fn call_in(&mut self, second: i64) {
        let withheld = self.has.withheld && self.chance.percent(8);
        let caller = if withheld { None } else { self.fresh.pop() };
        self.put(second, Plan::In(caller));
    }

    /// By chance, but every third on an edge.
    fn seconds(&mut self, which: usize, low: i64, high: i64) -> u32 {
        if self.chance.percent(34) {
            self.edges[which] += 1;
            return EDGES[(self.edges[which] * 5) % EDGES.len()];
        }
        self.chance.rather_low(low, high) as u32
    }

    fn line(&mut self, second: i64) -> Option<u8> {
        let rest = self.has.rest_s;
        let index = self.lines.iter().position(|free_from| free_from + rest <= second)?;
        Some(index as u8 + 1)
    }

    fn write(&mut self, second: i64, line: Option<u8>, parties: Parties, steps: Vec<Step>) -> i64 {
        let call = Call { pbx: Pbx::Reception, arrival: self.day.at(second), line, parties, steps };
        let over = second + i64::from(call.length());
        if let Some(line) = line {
            self.lines[usize::from(line) - 1] = over;
        }
        self.day.calls.push(call);
        over
    }

    fn inbound(&mut self, second: i64, caller: Option<String>) {
        let Some(line) = self.line(second) else {
            let again = second + self.chance.between(40, 110);
            return self.put(again, Plan::In(caller));
        };
        let group = self.chance.percent(75);
        let steps = self.steps(second, group);
        let gave_up = matches!(steps.last(), Some(Step::Ring { .. })) && steps.len() < 3;
        let parties = Parties::Inbound { caller: caller.clone(), ddi: DDIS[usize::from(!group)].to_owned() };
        let over = self.write(second, Some(line), parties, steps);
        if let Some(number) = caller
            && gave_up
            && over < 64_000
            && self.chance.percent(60)
        {
            let again = over + self.chance.between(15, 120);
            self.put(again, Plan::In(Some(number)));
        }
    }

    fn steps(&mut self, second: i64, group: bool) -> Vec<Step> {
        let staff = if group { &STAFF[..6] } else { &STAFF[6..7] };
        let mut steps = Vec::new();
        let mut now = second;
        if self.has.menu && self.chance.percent(60) {
            let seconds = self.chance.between(8, 42) as u32;
            steps.push(Step::Menu { seconds });
            now += i64::from(seconds);
            if self.chance.percent(20) {
                return steps;
            }
        }
        let station = self.chance.pick(staff);
        if self.has.busy && self.chance.percent(8) {
            steps.push(Step::Ring { station, seconds: 0 });
            return steps;
        }
        let fate = self.chance.between(1, 100);
        if fate <= 22 {
            let seconds = self.seconds(0, 4, 200).max(self.has.least_wait_s);
            steps.push(Step::Ring { station, seconds });
            return steps;
        }
        if fate <= 32 && self.has.voicemail {
            steps.push(Step::Ring { station, seconds: self.seconds(0, 15, 90).max(self.has.least_wait_s) });
            steps.push(Step::Mailbox { seconds: self.chance.between(6, 55) as u32 });
            return steps;
        }
        let wait = self.seconds(1, 2, 150).max(self.has.least_wait_s);
        let talk = self.seconds(2, 20, 400).max(self.has.least_talk_s);
        let hold = if self.has.hold && self.chance.percent(20) { self.chance.between(4, 50) as u32 } else { 0 };
        now += i64::from(wait);
        let Some(station) = self.occupancy.free_station(&mut self.chance, staff, now, talk + hold) else {
            steps.push(Step::Ring { station, seconds: wait.max(self.has.least_wait_s) });
            return steps;
        };
        self.occupancy.engage(station, now, talk + hold);
        steps.push(Step::Ring { station, seconds: wait });
        steps.push(Step::Talk { station, seconds: talk, hold });
        now += i64::from(talk + hold);
        if self.has.transfer && self.chance.percent(25) {
            self.put_through(now, &mut steps);
        }
        steps
    }

    fn put_through(&mut self, mut now: i64, steps: &mut Vec<Step>) {
        let ring = self.chance.between(2, 25) as u32;
        let more = (self.chance.rather_low(10, 240) as u32).max(self.has.least_talk_s);
        if self.has.transfer_rings {
            now += i64::from(ring);
        }
        let free = self.occupancy.free_station(&mut self.chance, &STAFF, now, more);
        let last = match steps.last() {
            Some(Step::Talk { station, .. }) => *station,
            _ => 0,
        };
        match free.filter(|station| *station != last) {
            Some(station) if self.chance.percent(80) => {
                self.occupancy.engage(station, now, more);
                if self.has.transfer_rings {
                    steps.push(Step::Ring { station, seconds: ring });
                }
                steps.push(Step::Talk { station, seconds: more, hold: 0 });
            }
            _ if self.has.voicemail => steps.push(Step::Mailbox { seconds: more.min(45) }),
            _ => {}
        }
    }

    fn outbound(&mut self, second: i64) {
        let answered = self.chance.percent(70);
        let ring = self.chance.between(3, 40) as u32;
        let talk = if answered { (self.chance.rather_low(12, 400) as u32).max(self.has.least_talk_s) } else { 0 };
        let free = self.occupancy.free_station(&mut self.chance, &STAFF, second, ring + talk);
        let (Some(station), Some(line)) = (free, self.line(second)) else { return };
        let Some(number) = self.fresh.pop() else { return };
        self.occupancy.engage(station, second, ring + talk);
        let mut steps = Vec::new();
        if !answered || self.has.outgoing_rings {
            steps.push(Step::Ring { station, seconds: ring });
        }
        if answered {
            steps.push(Step::Talk { station, seconds: talk, hold: 0 });
        }
        self.write(second, Some(line), Parties::Outbound { station, number }, steps);
    }

    fn internal(&mut self, second: i64) {
        let (ring, talk) = (self.chance.between(1, 12) as u32, self.chance.rather_low(5, 180) as u32);
        let Some(from) = self.occupancy.free_station(&mut self.chance, &STAFF, second, ring + talk) else { return };
        self.occupancy.engage(from, second, ring + talk);
        let Some(to) = self.occupancy.free_station(&mut self.chance, &STAFF, second, ring + talk) else { return };
        self.occupancy.engage(to, second, ring + talk);
        let steps = vec![Step::Ring { station: to, seconds: ring }, Step::Talk { station: to, seconds: talk, hold: 0 }];
        self.write(second, None, Parties::Internal { from, to }, steps);
    }
}
