//! A month of a large practice's IP Office, written by hand from what the manual says of each field: it knows nothing
//! of how smdrd reads. What it prints and what the half-hours must therefore say come from the same calls, told twice.

use std::collections::BTreeMap;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Records printed on a working day, as nearly as whole calls allow.
const A_DAY: usize = 6_000;
/// The first day: a Monday, so that 34 working days go through the night on which summer time ends.
const FIRST: Date = jiff::civil::date(2026, 9, 28);
/// Weight of each half-hour from 07:30 to 19:00: the rush is at 08:00.
const WEIGHTS: [u64; 23] = [1, 30, 18, 12, 10, 9, 8, 8, 7, 6, 5, 5, 6, 7, 7, 6, 6, 5, 5, 4, 3, 2, 1];

/// What happened to the calls that arrived in a half-hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    pub calls: u64,
    pub answered: u64,
    pub ivr_ended: u64,
    pub missed: u64,
    pub voicemail: u64,
    pub answered_wait_s: u64,
    pub answered_talk_s: u64,
    pub missed_wait_s: u64,
    pub outbound: u64,
    pub outbound_answered: u64,
    pub outbound_talk_s: u64,
    pub internal: u64,
}

/// Lines in the order in which they are printed, and what they must come to.
pub struct Month {
    /// Without line ends. Two stations have a name that is not ASCII.
    pub lines: Vec<String>,
    /// Figures by the first instant of the half-hour; half-hours without a call are left out.
    pub slots: BTreeMap<Timestamp, Figures>,
    /// Every day that has a call.
    pub days: Vec<Date>,
    /// How many calls there are.
    pub calls: u64,
    /// Lines of a call after its first.
    pub continuations: u64,
}

impl Month {
    /// Exactly `lines` lines, the same for the same `seed`.
    pub fn new(lines: usize, seed: u64) -> Month {
        let zone = TimeZone::get("Europe/London").expect("London is in every time zone database");
        let mut chance = Chance(seed);
        let mut month =
            Month { lines: Vec::new(), slots: BTreeMap::new(), days: Vec::new(), calls: 0, continuations: 0 };
        let mut printed: Vec<(Timestamp, usize, String)> = Vec::with_capacity(lines);
        let mut date = FIRST;
        while printed.len() < lines {
            if matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) {
                date = date.tomorrow().expect("the calendar goes on");
                continue;
            }
            month.days.push(date);
            let today = A_DAY.min(lines - printed.len());
            let mut calls: Vec<Call> = Vec::new();
            let mut legs = 0;
            while legs < today {
                let call = Call::of(&mut chance, date, &zone, today - legs);
                legs += call.legs.len();
                calls.push(call);
            }
            calls.sort_by_key(|call| call.arrival);
            for call in calls {
                let id = 1_000_000 + month.calls;
                month.calls += 1;
                month.continuations += call.legs.len() as u64 - 1;
                let second = call.arrival.as_second();
                let slot = Timestamp::from_second(second - second.rem_euclid(1_800)).expect("within the calendar");
                call.count(month.slots.entry(slot).or_default());
                for (at, text) in call.print(id, &zone) {
                    printed.push((at, printed.len(), text));
                }
            }
            date = date.tomorrow().expect("the calendar goes on");
        }
        // A line is printed when its leg ends: the legs of calls that overlap lie between one another.
        printed.sort();
        month.lines = printed.into_iter().map(|(_, _, text)| text).collect();
        month
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Who {
    Station(u16),
    Mailbox(u16),
    Menu(u16),
}

struct Leg {
    ring: u32,
    talk: u32,
    hold: u32,
    who: Who,
    transferred: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    In,
    Out,
    Inside,
}

struct Call {
    way: Way,
    arrival: Timestamp,
    line: u16,
    other: String,
    legs: Vec<Leg>,
}

impl Call {
    /// A call of at most `room` legs.
    fn of(chance: &mut Chance, date: Date, zone: &TimeZone, room: usize) -> Call {
        let mut place = chance.below(WEIGHTS.iter().sum());
        let mut half_hour = 15;
        for weight in WEIGHTS {
            if place < weight {
                break;
            }
            place -= weight;
            half_hour += 1;
        }
        let second = half_hour * 1_800 + chance.below(1_800) as i64;
        let wall = date.at(0, 0, 0, 0) + SignedDuration::from_secs(second);
        let arrival = wall.to_zoned(zone.clone()).expect("no gap in the working day").timestamp();
        let kind = chance.below(1_000);
        let way = match kind {
            0..722 => Way::In,
            722..882 => Way::Out,
            _ => Way::Inside,
        };
        let other = if way == Way::In && chance.below(12) == 0 { String::new() } else { outside(chance) };
        let mut call = Call { way, arrival, line: 1 + chance.below(12) as u16, other, legs: Vec::new() };
        let ring = 1 + chance.below(60).min(chance.below(240)) as u32;
        let talk = 5 + chance.below(280).min(chance.below(900)) as u32;
        let leg = |ring, talk, who| Leg { ring, talk, hold: 0, who, transferred: false };
        let station = Who::Station(201 + chance.below(24) as u16);
        match kind {
            0..86 => call.legs.push(leg(ring, 0, station)),
            86..100 => {
                if room > 1 {
                    call.legs.push(leg(ring, 0, station));
                }
                call.legs.push(leg(if room > 1 { 0 } else { ring }, talk.min(60), Who::Mailbox(11)));
            }
            100..108 => call.legs.push(leg(ring, talk.min(60), Who::Mailbox(12))),
            108..120 => call.legs.push(leg(0, talk.min(40), Who::Menu(1))),
            120..722 => {
                if kind < 220 && room > 3 {
                    call.legs.push(leg(0, 4 + talk % 30, Who::Menu(2)));
                }
                call.legs.push(leg(ring, talk, station));
                let more = if kind >= 620 { 1 + usize::from(chance.below(6) == 0) } else { 0 };
                for _ in 0..more.min(room.saturating_sub(call.legs.len())) {
                    let who = Who::Station(230 + chance.below(20) as u16);
                    let again = Leg { hold: 7, transferred: true, ..leg(3 + ring % 9, 10 + talk % 200, who) };
                    call.legs.push(again);
                }
            }
            722..842 => call.legs.push(leg(ring.min(20), talk, station)),
            842..882 => call.legs.push(leg(ring.min(45), 0, station)),
            _ => call.legs.push(leg(ring.min(15), if kind < 960 { talk.min(120) } else { 0 }, station)),
        }
        call
    }

    /// What the call is in the collection's terms. The wait ends with the first answer by a person; the menu is no part
    /// of it, and a voicemail is a missed call.
    fn count(&self, figures: &mut Figures) {
        let talk: u64 = self.spoken().map(|leg| u64::from(leg.talk)).sum();
        match self.way {
            Way::Inside => figures.internal += 1,
            Way::Out => {
                figures.outbound += 1;
                figures.outbound_answered += u64::from(talk > 0);
                figures.outbound_talk_s += talk;
            }
            Way::In => {
                figures.calls += 1;
                let answer = self.legs.iter().position(|leg| leg.talk > 0 && matches!(leg.who, Who::Station(_)));
                let until = answer.map_or(self.legs.len(), |place| place + 1);
                let waited = self.legs[..until].iter().filter(|leg| !matches!(leg.who, Who::Menu(_)));
                let wait: u64 = waited.map(|leg| u64::from(leg.ring)).sum();
                if answer.is_some() {
                    figures.answered += 1;
                    figures.answered_wait_s += wait;
                    figures.answered_talk_s += talk;
                } else if self.legs.iter().all(|leg| matches!(leg.who, Who::Menu(_))) {
                    figures.ivr_ended += 1;
                } else {
                    figures.missed += 1;
                    figures.missed_wait_s += wait;
                    figures.voicemail += u64::from(self.legs.iter().any(|leg| matches!(leg.who, Who::Mailbox(_))));
                }
            }
        }
    }

    fn spoken(&self) -> impl Iterator<Item = &Leg> {
        self.legs.iter().filter(|leg| matches!(leg.who, Who::Station(_)))
    }

    /// The line of each leg with the moment of its end: 30 fields.
    fn print(&self, id: u64, zone: &TimeZone) -> Vec<(Timestamp, String)> {
        let start = self.arrival.to_zoned(zone.clone()).strftime("%Y/%m/%d %H:%M:%S").to_string();
        let trunk = (format!("T{}", 9_000 + self.line), format!("Line {}.1", self.line));
        let mut end = self.arrival;
        let mut lines = Vec::new();
        for (place, leg) in self.legs.iter().enumerate() {
            end += SignedDuration::from_secs(i64::from(leg.ring + leg.talk + leg.hold));
            let (device, name) = match leg.who {
                Who::Station(207) => ("E207".to_owned(), "Siân Pugh".to_owned()),
                Who::Station(219) => ("E219".to_owned(), "Zoë Reed".to_owned()),
                Who::Station(number) => (format!("E{number}"), format!("Extn{number}")),
                Who::Mailbox(channel) | Who::Menu(channel) => {
                    (format!("V{}", 9_500 + channel), format!("VM Channel {channel}"))
                }
            };
            let station = device.trim_start_matches(['E', 'V']).to_owned();
            let (caller, way, called, dialled, internal, second) = match self.way {
                Way::In => (self.other.clone(), "I", "300".to_owned(), "01632960100".to_owned(), 0, trunk.clone()),
                Way::Out => (station, "O", self.other.clone(), format!("9{}", self.other), 0, trunk.clone()),
                Way::Inside => {
                    (station, "O", "250".to_owned(), "250".to_owned(), 1, ("E250".to_owned(), "Extn250".to_owned()))
                }
            };
            let more = u8::from(place + 1 < self.legs.len());
            let (talk, hold) = (leg.talk, leg.hold);
            let connected = format!("{:02}:{:02}:{:02}", talk / 3_600, talk / 60 % 60, talk % 60);
            let cause = match (leg.transferred, self.way) {
                (true, _) => "U Xfd,Extn201,".to_owned(),
                (false, Way::Out) => format!("U,{name},"),
                _ => ",,".to_owned(),
            };
            lines.push((
                end,
                format!(
                    "{start},{connected},{},{caller},{way},{called},{dialled},,{internal},{id},{more},{device},{name},{},{},\
                     {hold},0,,,,,,,,,,,{cause}",
                    leg.ring, second.0, second.1
                ),
            ));
        }
        lines
    }
}

/// A number from the ranges that Ofcom keeps for drama.
fn outside(chance: &mut Chance) -> String {
    let last = chance.below(1_000);
    match chance.below(4) {
        0 => format!("01632960{:03}", 200 + last % 800),
        1 => format!("02079460{last:03}"),
        _ => format!("07700900{last:03}"),
    }
}

/// SplitMix64: chance that repeats itself.
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
