//! How long a PBX is normally silent at this time of this weekday, and when a silence is longer than that.
//!
//! What is counted are moments: stretches of ten seconds in which a source said something, so that the lines of one call
//! and a buffer that is emptied at once weigh no more than a single line. From the last weeks each five minutes of each
//! weekday have their mean. A silence is judged by the moments that were to be expected in it: were they independent, a
//! silence in which `m` were expected would come up once in `exp(m)`; calls are not, days differ, so the law is
//! `(1 + m / 6.25) ^ -6.25`, which is that of a practice whose days vary by two fifths.

use std::collections::BTreeMap;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use super::calendar::{bank_holiday, is_working_day};
use super::coverage::Up;
use super::slots::midnight;

/// Seconds of a moment.
pub const MOMENT_S: i64 = 10;
/// Seconds of the stretches that are counted and learnt.
pub const CELL_S: i64 = 300;
/// How many weeks are learnt from.
pub const WEEKS: i64 = 8;
/// In how many of them a stretch must have been observed before its normal is known.
const LEAST_WEEKS: usize = 3;
/// What is taken as never happening by itself.
const CHANCE: f64 = 1e-4;
/// How much days vary: the shape of the law. 6.25 is two fifths either way.
const SHAPE: f64 = 6.25;
/// No silence shorter than this is an event, however busy the practice.
const SHORTEST: SignedDuration = SignedDuration::from_mins(5);
/// A silence is found in hours that are at least so busy, as a share of the mean of core hours.
const BUSY: f64 = 0.2;
/// Core hours of the GP contract, in seconds of the civil day: 08:00 to 18:30.
pub const CORE_HOURS: (i64, i64) = (28_800, 66_600);

/// In so many of the weeks a half-hour that is normally busy may be silent before it counts as one in which the practice
/// is closed now and then: an afternoon of training, every other Saturday.
const CLOSED: usize = 2;
/// So busy, in moments, is a half-hour that is not silent by chance.
const NOT_BY_CHANCE: f64 = 3.0;

const CELLS: usize = 288;
/// Stretches in a half-hour.
const OF_HALF: usize = 6;

/// What a source normally says, by weekday and five minutes.
#[derive(Debug, Clone, PartialEq)]
pub struct Normal {
    /// Moments to be expected in each five minutes from Monday 00:00 on; nothing where too little was observed.
    cells: Vec<Option<f64>>,
    /// The mean of core hours.
    core: f64,
    /// After so much silence in core hours, while the normal is not known, it is too long.
    unlearned: SignedDuration,
}

/// What is expected of a stretch.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Expected {
    /// Moments a second.
    rate: f64,
    learned: bool,
    /// It is no time of rest, so a silence may be found in it.
    busy: bool,
}

impl Normal {
    /// Learns from the weeks before `today`. `heard` has the moments by first second of their five minutes, `observed`
    /// the stretches in which something that was said would have been heard.
    pub fn learn(
        heard: &BTreeMap<i64, u64>,
        observed: &[Up],
        zone: &TimeZone,
        today: Date,
        unlearned: SignedDuration,
    ) -> Normal {
        let mut sums = vec![(0_u64, 0_usize); CELLS * 7];
        // What each half-hour of each weekday gave, week by week.
        let mut halves: Vec<Vec<u64>> = vec![Vec::new(); CELLS * 7 / OF_HALF];
        let end = midnight(zone, today);
        let mut observed = observed.to_vec();
        observed.sort();
        for days in 1..=WEEKS * 7 {
            let Ok(date) = today.checked_sub(days.days()) else { break };
            if bank_holiday(date) {
                continue;
            }
            let (from, to) = (midnight(zone, date).as_second(), midnight(zone, date.tomorrow().unwrap_or(date)));
            let to = to.min(end).as_second();
            let of_day = observed.iter().filter(|up| up.from.as_second() < to && up.to.as_second() > from);
            let of_day: Vec<(i64, i64)> = of_day.map(|up| (up.from.as_second(), up.to.as_second())).collect();
            if of_day.is_empty() {
                continue;
            }
            let first = usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or(0) * CELLS;
            // On all but two days of the year the civil time is as much as has passed.
            let plain = to - from == 86_400;
            let mut of_halves = [(0_u64, 0_usize); CELLS / OF_HALF];
            let mut at = from - from.rem_euclid(CELL_S);
            while at < to {
                let cell =
                    if plain { usize::try_from((at - from) / CELL_S).unwrap_or(0) } else { cell_of_day(zone, at) };
                if of_day.iter().any(|(from, to)| *from <= at && at + CELL_S <= *to)
                    && let Some((sum, weeks)) = sums.get_mut(first + cell)
                {
                    let moments = heard.get(&at).copied().unwrap_or(0);
                    *sum += moments;
                    *weeks += 1;
                    if let Some((sum, cells)) = of_halves.get_mut(cell / OF_HALF) {
                        *sum += moments;
                        *cells += 1;
                    }
                }
                at += CELL_S;
            }
            for (half, (sum, cells)) in of_halves.into_iter().enumerate() {
                if cells >= OF_HALF {
                    halves[first / OF_HALF + half].push(sum);
                }
            }
        }
        let closed_now_and_then = |cell: usize| {
            let weeks = &halves[cell / OF_HALF];
            let mean = weeks.iter().sum::<u64>() as f64 / weeks.len().max(1) as f64;
            mean >= NOT_BY_CHANCE && weeks.iter().filter(|sum| **sum == 0).count() >= CLOSED
        };
        let means: Vec<Option<f64>> =
            sums.iter().map(|(sum, weeks)| (*weeks >= LEAST_WEEKS).then(|| *sum as f64 / *weeks as f64)).collect();
        let means: Vec<Option<f64>> = means
            .into_iter()
            .enumerate()
            .map(|(cell, mean)| mean.map(|mean| if closed_now_and_then(cell) { 0.0 } else { mean }))
            .collect();
        let around = |cell: usize| [(cell + CELLS * 7 - 1) % (CELLS * 7), cell, (cell + 1) % (CELLS * 7)];
        // Where little is said, one stretch alone tells little: each has its neighbours' share.
        let smooth = |cell: usize| {
            let known: Vec<f64> = around(cell).iter().filter_map(|cell| means[*cell]).collect();
            (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
        };
        // Of these the least of a stretch and its neighbours: who opens at a quarter past is not expected at ten past.
        let lower = |cell: usize| {
            means[cell]?;
            around(cell).iter().filter_map(|cell| smooth(*cell)).reduce(f64::min)
        };
        let cells: Vec<Option<f64>> = (0..CELLS * 7).map(lower).collect();
        let in_core = |cell: &usize| {
            let second = (cell % CELLS) as i64 * CELL_S;
            cell / CELLS < 5 && (CORE_HOURS.0..CORE_HOURS.1).contains(&second)
        };
        let core: Vec<f64> = (0..CELLS * 7).filter(in_core).filter_map(|cell| cells[cell]).collect();
        let core = if core.is_empty() { 0.0 } else { core.iter().sum::<f64>() / core.len() as f64 };
        Normal { cells, core, unlearned }
    }

    /// The share of core hours whose normal is known.
    pub fn learned(&self) -> f64 {
        let core = (0..5 * CELLS).filter(|cell| {
            let second = (cell % CELLS) as i64 * CELL_S;
            (CORE_HOURS.0..CORE_HOURS.1).contains(&second)
        });
        let all: Vec<bool> = core.map(|cell| self.cells[cell].is_some()).collect();
        all.iter().filter(|learned| **learned).count() as f64 / all.len().max(1) as f64
    }

    fn expected(&self, zone: &TimeZone, at: i64) -> Expected {
        let nothing = Expected { rate: 0.0, learned: true, busy: false };
        let Ok(instant) = Timestamp::from_second(at) else { return nothing };
        let civil = zone.to_datetime(instant);
        let (date, cell) = (civil.date(), cell_of(civil.time()));
        let weekday = usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or(0);
        match self.cells.get(weekday * CELLS + cell).copied().flatten() {
            Some(0.0) => nothing,
            _ if bank_holiday(date) => nothing,
            Some(mean) => {
                Expected { rate: mean / CELL_S as f64, learned: true, busy: mean > 0.0 && mean >= BUSY * self.core }
            }
            None if self.unlearned.is_zero() => nothing,
            None => {
                let core = is_working_day(date, bank_holiday(date))
                    && (CORE_HOURS.0..CORE_HOURS.1).contains(&(cell as i64 * CELL_S));
                let rate = if core { too_many() / self.unlearned.as_secs_f64() } else { 0.0 };
                Expected { rate, learned: false, busy: core }
            }
        }
    }
}

/// Which five minutes of its civil day an instant is in.
fn cell_of_day(zone: &TimeZone, at: i64) -> usize {
    Timestamp::from_second(at).map_or(0, |instant| cell_of(zone.to_datetime(instant).time()))
}

fn cell_of(time: Time) -> usize {
    (usize::try_from(time.hour()).unwrap_or(0) * 60 + usize::try_from(time.minute()).unwrap_or(0)) / 5
}

/// So many moments are not missing by chance.
pub fn too_many() -> f64 {
    SHAPE * (CHANCE.powf(-1.0 / SHAPE) - 1.0)
}

/// A silence that is too long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Silence {
    /// When it began: at the last line, or, where that was before a time of rest, when the next one was due.
    pub from: Timestamp,
    /// The last line, or when the link came up after it.
    pub last: Timestamp,
    /// How many moments were to be expected since.
    pub expected: f64,
    /// Whether that is known from what was normal; else a fixed time in core hours ran out.
    pub learned: bool,
}

/// A source that is silent since its last line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Watch {
    last: Timestamp,
    until: Timestamp,
    expected: f64,
    /// When the first moment was due.
    due: Option<Timestamp>,
    learned: bool,
}

impl Watch {
    /// A source that said something at `last`.
    pub fn since(last: Timestamp) -> Watch {
        Watch { last, until: last, expected: 0.0, due: None, learned: true }
    }

    /// The last line.
    pub fn last(&self) -> Timestamp {
        self.last
    }

    /// It was silent from `from` to `to` too, and would have been heard.
    pub fn passes(&mut self, normal: &Normal, zone: &TimeZone, from: Timestamp, to: Timestamp) {
        let (mut at, end) = (from.max(self.until).as_second(), to.as_second());
        while at < end {
            let next = (at - at.rem_euclid(CELL_S) + CELL_S).min(end);
            let expected = normal.expected(zone, at);
            let before = self.expected;
            self.expected += expected.rate * (next - at) as f64;
            if expected.rate > 0.0 {
                self.learned = expected.learned;
            }
            if before < 1.0 && self.expected >= 1.0 {
                let second = at + ((1.0 - before) / expected.rate) as i64;
                self.due = Timestamp::from_second(second.min(next)).ok();
            }
            at = next;
        }
        self.until = self.until.max(to);
    }

    /// Whether that is too long now.
    pub fn verdict(&self, normal: &Normal, zone: &TimeZone, now: Timestamp) -> Option<Silence> {
        // A sum of many parts may miss by as little.
        let over = self.expected + 1e-6 >= too_many() && now.duration_since(self.last) >= SHORTEST;
        if !over || !normal.expected(zone, now.as_second()).busy {
            return None;
        }
        let rested = |due: &Timestamp| due.duration_since(self.last) > SignedDuration::from_mins(30);
        let from = self.due.filter(rested).unwrap_or(self.last);
        Some(Silence { from, last: self.last, expected: self.expected, learned: self.learned })
    }
}

#[cfg(test)]
mod tests;
