//! How the PBX's clock goes against the box's: what it is ahead, since when, how much it gains a day, and whether it
//! followed summer time.
//!
//! A record is printed when what it tells of is over, and comes to the box a moment later: printing and buffering only
//! ever delay it. So of the readings of one minute the largest is nearest to the truth, and three minutes in a row that
//! agree make a stand. A single wild stamp, or a buffer that is emptied, agrees with nothing.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Readings agree that are no further apart than this, besides the step of the stamps.
const APART_S: i64 = 120;
/// How many minutes in a row must agree.
const PROOF: usize = 3;
/// Of how many of the last minutes the largest reading stands.
const RECENT: usize = 8;
/// How far the PBX's clock may be off before it is noted, in seconds …
pub const NOTED_S: i64 = 60;
/// … and before something is wrong.
pub const WRONG_S: i64 = 300;
/// From here on the date is wrong, not the time.
const DATE_S: i64 = 20 * 3600;
/// A change to or from summer time that is to come is not looked for further ahead.
const EARLY: SignedDuration = SignedDuration::from_hours(8 * 24);
/// What has stood for so long since the last change does not come of the next.
const LONG_SINCE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// One reading: by how many seconds the PBX's clock was ahead of the box's when a record came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// When it came, by the box.
    pub at: Timestamp,
    /// The PBX's clock less the box's.
    pub offset_s: i64,
    /// 1 or 60: the step of the PBX's stamps.
    pub resolution_s: u8,
}

impl Reading {
    fn minute(&self) -> i64 {
        self.at.as_second().div_euclid(60)
    }

    fn agrees(&self, offset_s: i64) -> bool {
        let slack = APART_S.saturating_add(i64::from(self.resolution_s));
        self.offset_s.saturating_sub(offset_s).saturating_abs() <= slack
    }
}

/// The clock was moved, or did not move when the others did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When it was last read at the old stand.
    pub after: Timestamp,
    /// When it was first read at the new one.
    pub before: Timestamp,
    /// What it was ahead before, in seconds.
    pub from_s: i64,
    /// What it was ahead afterwards.
    pub to_s: i64,
}

/// What three minutes or more agree on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stand {
    /// The first reading of it.
    pub since: Timestamp,
    /// The last one.
    pub last: Timestamp,
    /// The step of the stamps.
    pub resolution_s: u8,
    recent: Vec<i64>,
}

impl Stand {
    /// By how many seconds the PBX's clock is ahead of the box's.
    pub fn offset_s(&self) -> i64 {
        self.recent.iter().copied().max().unwrap_or(0)
    }
}

/// Takes readings, in the order in which records come. Plain data, saved with the state of its source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gauge {
    stand: Option<Stand>,
    others: Vec<Reading>,
}

/// What a reading came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// Where the clock stands now.
    pub offset_s: i64,
    /// The step of the stamps.
    pub resolution_s: u8,
    /// This reading made a new stand.
    pub fresh: bool,
    /// The stand was another before.
    pub step: Option<Step>,
}

impl Gauge {
    /// Where the clock stands; nothing before three minutes agree.
    pub fn stand(&self) -> Option<&Stand> {
        self.stand.as_ref()
    }

    /// Takes a reading. Nothing where it does not agree with the others, yet.
    pub fn hear(&mut self, reading: Reading) -> Option<Heard> {
        if let Some(stand) = self.stand.as_mut().filter(|stand| reading.agrees(stand.offset_s())) {
            self.others.clear();
            let same_minute = stand.last.as_second().div_euclid(60) == reading.minute();
            match stand.recent.last_mut().filter(|_| same_minute) {
                Some(last) => *last = reading.offset_s.max(*last),
                None => stand.recent.push(reading.offset_s),
            }
            if stand.recent.len() > RECENT {
                stand.recent.remove(0);
            }
            stand.last = stand.last.max(reading.at);
            stand.resolution_s = reading.resolution_s;
            let (offset_s, resolution_s) = (stand.offset_s(), stand.resolution_s);
            return Some(Heard { offset_s, resolution_s, fresh: false, step: None });
        }
        match self.others.last_mut() {
            Some(last) if last.minute() == reading.minute() => {
                if reading.offset_s > last.offset_s {
                    *last = reading;
                }
            }
            _ => self.others.push(reading),
        }
        if let Some(last) = self.others.last().copied()
            && !self.others.iter().all(|other| last.agrees(other.offset_s))
        {
            self.others = vec![last];
        }
        if self.others.len() < PROOF {
            return None;
        }
        let readings = std::mem::take(&mut self.others);
        let (first, last) = (*readings.first()?, *readings.last()?);
        let new = Stand {
            since: first.at,
            last: last.at,
            resolution_s: last.resolution_s,
            recent: readings.iter().map(|reading| reading.offset_s).collect(),
        };
        let offset_s = new.offset_s();
        let step = self.stand.replace(new).map(|old| Step {
            after: old.last,
            before: first.at,
            from_s: old.offset_s(),
            to_s: offset_s,
        });
        Some(Heard { offset_s, resolution_s: last.resolution_s, fresh: true, step })
    }

    /// The box's own clock was set: what was read against it before says nothing any more.
    pub fn forget(&mut self) {
        *self = Gauge::default();
    }
}

/// Whether a printed time says when it is: not in the hours that summer time repeats or skips.
pub fn tells(zone: &TimeZone, at: DateTime) -> bool {
    matches!(zone.to_ambiguous_timestamp(at).offset(), jiff::tz::AmbiguousOffset::Unambiguous { .. })
}

/// What is wrong with a PBX's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It did not go with the change to or from summer time on this day.
    DidNotFollow(Date),
    /// It changed before this day, on which summer time begins or ends.
    Early(Date),
    /// It bears another date.
    WrongDate,
    /// It is off by minutes.
    Off,
    /// It is off by more than a minute: worth a note.
    SlightlyOff,
}

impl Fault {
    /// One word for it, for documents.
    pub fn word(self) -> &'static str {
        match self {
            Fault::DidNotFollow(_) | Fault::Early(_) => "summer-time",
            Fault::WrongDate => "wrong-date",
            Fault::Off => "off",
            Fault::SlightlyOff => "slightly-off",
        }
    }

    /// Whether the figures are wrong by it.
    pub fn is_grave(self) -> bool {
        self != Fault::SlightlyOff
    }
}

/// What is wrong with a clock that is ahead by `offset_s` at the instant `at`, and has been `since` then.
pub fn fault(
    zone: &TimeZone,
    at: Timestamp,
    since: Option<Timestamp>,
    offset_s: i64,
    resolution_s: u8,
) -> Option<Fault> {
    let slack = i64::from(resolution_s.saturating_sub(1));
    let size = offset_s.saturating_abs();
    if size <= NOTED_S + slack {
        return None;
    }
    if size >= DATE_S {
        return Some(Fault::WrongDate);
    }
    let as_much_as = |change_s: i64| offset_s.saturating_sub(change_s).saturating_abs() <= APART_S + slack;
    let before = zone.preceding(at).next().map(|change| change.timestamp());
    let after = zone.following(at).next().map(|change| change.timestamp());
    if let Some(next) = after.filter(|next| next.duration_since(at) <= EARLY)
        && as_much_as(change_s(zone, next))
        && since.is_some_and(|since| before.is_none_or(|before| since.duration_since(before) > LONG_SINCE))
    {
        return Some(Fault::Early(zone.to_datetime(next).date()));
    }
    if let Some(last) = before.filter(|last| as_much_as(-change_s(zone, *last))) {
        return Some(Fault::DidNotFollow(zone.to_datetime(last).date()));
    }
    Some(if size > WRONG_S + slack { Fault::Off } else { Fault::SlightlyOff })
}

/// By how many seconds civil time jumps at a change of the zone.
fn change_s(zone: &TimeZone, at: Timestamp) -> i64 {
    let just_before = at.checked_sub(SignedDuration::from_secs(1)).unwrap_or(at);
    i64::from(zone.to_offset(at).seconds()) - i64::from(zone.to_offset(just_before).seconds())
}

/// By how many seconds a clock gains a day, in tenths, by what it was ahead on each of some days: the middle one of the
/// slopes between any two days, so that one bad day says nothing. Nothing where the days are fewer than two.
pub fn gains_tenths_a_day(days: &[(Date, i64)]) -> Option<i64> {
    let mut slopes = Vec::new();
    for (index, (from, before)) in days.iter().enumerate() {
        for (to, after) in days.iter().skip(index + 1) {
            let apart = to.duration_since(*from).as_hours() / 24;
            if apart > 0 {
                slopes.push((after.saturating_sub(*before)).saturating_mul(10) / apart);
            }
        }
    }
    slopes.sort_unstable();
    slopes.get(slopes.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn hear(gauge: &mut Gauge, minute: i64, offset_s: i64) -> Option<Heard> {
        let at = at("2026-11-20T08:00:00Z") + SignedDuration::from_mins(minute);
        gauge.hear(Reading { at, offset_s, resolution_s: 1 })
    }

    #[test]
    fn three_minutes_that_agree_make_a_stand_and_the_largest_reading_is_it() {
        let mut gauge = Gauge::default();
        assert_eq!(hear(&mut gauge, 0, 415), None);
        assert_eq!(hear(&mut gauge, 0, 418), None, "the same minute");
        assert_eq!(hear(&mut gauge, 1, 420), None);
        let heard = hear(&mut gauge, 2, 411).unwrap();
        assert_eq!((heard.offset_s, heard.fresh, heard.step), (420, true, None));
        assert_eq!(hear(&mut gauge, 9, 419).unwrap().offset_s, 420);
        for minute in 10..20 {
            hear(&mut gauge, minute, 400);
        }
        assert_eq!(gauge.stand().unwrap().offset_s(), 400, "what is long ago does not count");
    }

    #[test]
    fn a_wild_stamp_and_a_buffer_that_is_emptied_say_nothing() {
        let mut gauge = Gauge::default();
        for minute in 0..3 {
            hear(&mut gauge, minute, 0);
        }
        assert_eq!(hear(&mut gauge, 4, 2_000_000_000), None);
        assert_eq!(hear(&mut gauge, 5, -7200), None);
        // A night's lines, an hour of them in a minute.
        for minute in 6..15 {
            assert_eq!(hear(&mut gauge, minute, -36_000 + (minute - 6) * 3540), None);
        }
        assert_eq!(hear(&mut gauge, 16, -1).unwrap().offset_s, 0);
        assert_eq!(hear(&mut Gauge::default(), 0, i64::MIN), None, "no number is too large");
    }

    #[test]
    fn a_clock_that_is_moved_is_seen_when_three_minutes_agree() {
        let mut gauge = Gauge::default();
        for minute in 0..5 {
            hear(&mut gauge, minute, 2);
        }
        assert_eq!(hear(&mut gauge, 60, -3599), None);
        assert_eq!(hear(&mut gauge, 61, -3600), None);
        let step = hear(&mut gauge, 62, -3598).unwrap().step.unwrap();
        assert_eq!((step.from_s, step.to_s), (2, -3598));
        assert_eq!((step.after, step.before), (at("2026-11-20T08:04:00Z"), at("2026-11-20T09:00:00Z")));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let london = TimeZone::get("Europe/London").unwrap();
        let found = |now: &str, since: &str, offset_s, resolution_s| {
            fault(&london, at(now), Some(at(since)), offset_s, resolution_s)
        };
        let day = |text: &str| text.parse::<Date>().unwrap();
        let spring = day("2026-03-29");
        for (now, since, offset_s, resolution_s, expected) in [
            ("2026-11-20T12:00:00Z", "2026-11-01T12:00:00Z", 37, 1, None),
            ("2026-11-20T12:00:00Z", "2026-11-01T12:00:00Z", -100, 60, None),
            ("2026-11-20T12:00:00Z", "2026-11-01T12:00:00Z", -100, 1, Some(Fault::SlightlyOff)),
            ("2026-11-20T12:00:00Z", "2026-11-01T12:00:00Z", 420, 1, Some(Fault::Off)),
            ("2026-11-20T12:00:00Z", "2026-11-01T12:00:00Z", 86_400, 1, Some(Fault::WrongDate)),
            ("2026-11-20T12:00:00Z", "2026-11-01T12:00:00Z", -31_536_000, 1, Some(Fault::WrongDate)),
            ("2026-03-29T09:00:00Z", "2026-03-29T08:00:00Z", -3600, 1, Some(Fault::DidNotFollow(spring))),
            ("2026-06-01T09:00:00Z", "2026-03-29T08:00:00Z", -3630, 1, Some(Fault::DidNotFollow(spring))),
            ("2026-03-28T09:00:00Z", "2026-03-28T08:00:00Z", 3600, 1, Some(Fault::Early(spring))),
            ("2026-10-26T09:00:00Z", "2026-10-26T08:00:00Z", 3600, 60, Some(Fault::DidNotFollow(day("2026-10-25")))),
            // An hour behind in winter is no matter of summer time.
            ("2026-11-20T12:00:00Z", "2026-11-01T12:00:00Z", -3600, 1, Some(Fault::Off)),
        ] {
            assert_eq!(found(now, since, offset_s, resolution_s), expected, "{now} {offset_s}");
        }
    }

    #[test]
    fn the_gain_of_a_day_is_the_middle_of_all_slopes() {
        let days = |offsets: &[i64]| -> Vec<(Date, i64)> {
            let first: Date = "2026-11-01".parse().unwrap();
            offsets.iter().enumerate().map(|(n, s)| (first + jiff::Span::new().days(n as i64), *s)).collect()
        };
        assert_eq!(gains_tenths_a_day(&days(&[0, 2, 4, 6, 8])), Some(20));
        assert_eq!(gains_tenths_a_day(&days(&[0, 2, -3600, 6, 8])), Some(20), "one bad day");
        assert_eq!(gains_tenths_a_day(&days(&[5])), None);
    }
}
