//! What is played, and how fast: a Friday, the night after it and the next one, on a clock that hurries where nothing
//! happens.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;
use crate::simulator::practice_day::practice_day;
use crate::simulator::scenario::{Call, Day, Parties, Pbx, Step, site};
use crate::simulator::{Line, panasonic};

/// Name of the IP Office in the configuration.
pub const RECEPTION: &str = "reception-pbx";
/// Name of the HiPath in the configuration.
pub const SURGERY: &str = "surgery-pbx";
/// Name of the Panasonic in the configuration.
pub const ANNEXE: &str = "annexe-pbx";
/// The day that is played: a Friday.
pub const DATE: Date = jiff::civil::date(2026, 11, 20);
/// Name of the box. Its own share of the night lets it send at 00:29.
pub const DEVICE: &str = "smdrd-demo-3";
/// Which of all practice days it is.
const SEED: u64 = 112;
/// When the clock starts, in seconds of the day, like all that follows: 23:50 the day before.
const STARTS: i64 = -600;
/// The machine's time from here until then, for the programs to start in.
const LEAD: SignedDuration = SignedDuration::from_millis(2_500);
/// How many times as fast as the machine's the clock runs, and until when.
const PACES: [(i64, f64); 9] = [
    (24_900, 12_600.0),  // 06:55: the night
    (68_400, 2_200.0),   // 19:00: the practice day
    (86_700, 6_000.0),   // 00:05: the evening's messages
    (89_880, 600.0),     // 00:58: the day is closed, and sent until it is taken
    (97_200, 6_000.0),   // 03:00
    (171_600, 40_000.0), // 23:40: a Saturday without a call
    (174_360, 2_000.0),  // 00:26
    (ENDS, 150.0),       // the changed day is made again and sent
    (i64::MAX, 1.0),     // and from then on an ordinary clock
];
/// When the link to the IP Office is down: 13:00 to 13:20. The PBX keeps its records meanwhile.
const OUTAGE: std::ops::Range<i64> = 46_800..48_000;
/// When the changed day should be with the supplier: 00:45 in the second night.
const ENDS: i64 = 175_500;
/// A call that reaches the Panasonic's ring group at 23:31:20, is taken after nine seconds and lasts until 00:52:10.
const LATE_CALL: (i64, u32, u32) = (84_680, 9, 4_841);

/// The day, and what the demo does with it.
pub struct Programme {
    /// Everybody's calls, the late one among them.
    pub day: Day,
    /// What both programs and the PBXs go by.
    pub clock: Clock,
    /// The Panasonic's lines of the day.
    pub annexe: Vec<Line>,
    /// Its line that comes when the day is over: who took the late call, and for how long.
    pub late: Vec<Line>,
}

impl Programme {
    /// Sets the clock going.
    pub fn begin() -> Programme {
        let zone = TimeZone::get("Europe/London").unwrap_or(TimeZone::UTC);
        let mut day = practice_day(DATE, zone, SEED);
        let (second, wait, talk) = LATE_CALL;
        let parties = Parties::Inbound {
            // Nobody else calls from it: of this range the day's callers have 960200 and above.
            caller: Some("01632960099".to_owned()),
            ddi: site::ANNEXE_DDIS[0].to_owned(),
        };
        let steps = vec![
            Step::Ring { station: site::ANNEXE_GROUP, seconds: wait },
            Step::Talk { station: site::ANNEXE_STATIONS[0], seconds: talk, hold: 0 },
        ];
        day.calls.push(Call { pbx: Pbx::Annexe, arrival: day.at(second), line: Some(1), parties, steps });
        let mut clock: Option<Clock> = None;
        let mut from = STARTS;
        for (until, factor) in PACES {
            clock = Some(match clock {
                None => Clock::scaled(day.at(STARTS), Timestamp::now() + LEAD, factor),
                Some(clock) => clock.then(day.at(from), factor),
            });
            from = until;
        }
        let midnight = day.bounds().1;
        let (annexe, late) = panasonic::lines(&day).into_iter().partition(|line| line.at < midnight);
        Programme { day, clock: clock.unwrap_or_else(Clock::system), annexe, late }
    }

    /// When the link to the IP Office is down.
    pub fn outage(&self) -> std::ops::Range<Timestamp> {
        self.day.at(OUTAGE.start)..self.day.at(OUTAGE.end)
    }

    /// When the changed day should be with the supplier.
    pub fn ends(&self) -> Timestamp {
        self.day.at(ENDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::schedule::nightly;

    #[test]
    fn the_night_is_slow_where_the_box_sends_and_one_leg_comes_after_it() {
        let programme = Programme::begin();
        let day = &programme.day;
        let sends = nightly(DEVICE, &day.zone, day.bounds().1);
        assert!(day.at(86_400 + 1_500) < sends && sends < day.at(86_400 + 1_800), "{sends}");
        assert_eq!(programme.late.len(), 1);
        assert!(programme.late[0].at > sends + SignedDuration::from_mins(20));
        assert!(day.calls[..day.calls.len() - 1].iter().all(|call| call.end() < day.bounds().1));
        let calls_it = |call: &&Call| matches!(&call.parties, Parties::Inbound { caller: Some(number), .. } if number == "01632960099");
        assert_eq!(day.calls.iter().filter(calls_it).count(), 1);
        assert!(
            day.calls[..day.calls.len() - 1].iter().all(|call| call.pbx != Pbx::Annexe || call.end() < day.at(84_680))
        );
        let seconds: f64 = std::iter::once(STARTS)
            .chain(PACES.map(|(until, _)| until))
            .zip(PACES)
            .take(PACES.len() - 1)
            .map(|(from, (until, factor))| (until - from) as f64 / factor)
            .sum();
        assert!(seconds < 45.0, "{seconds} s");
    }
}
