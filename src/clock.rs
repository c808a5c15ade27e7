//! The clock, as an input: real, or scaled for a simulated day.
//!
//! A scaled clock starts at a given instant and runs a given number of times faster. Civil time, day close, silence
//! and schedule follow it; input and output deadlines, commits and back-off stay on the machine's own clock.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// A box that shows an earlier time does not know the time yet: it has no clock that runs while it is off.
pub const NOT_BEFORE: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// The most paces that a scaled clock can have.
pub const PACES: usize = 12;

/// Tells the time. Cheap to copy; every copy tells the same time.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    scale: Option<Scale>,
}

#[derive(Debug, Clone, Copy)]
struct Scale {
    origin: Timestamp,
    began: Timestamp,
    /// In order; the first that ends with the calendar is the last one.
    paces: [Pace; PACES],
}

/// How fast a scaled clock runs, and until when.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// The civil instant at which the next pace begins.
    pub until: Timestamp,
    /// How many times as fast as the machine's clock.
    pub factor: f64,
}

impl Pace {
    const fn for_ever(factor: f64) -> Pace {
        Pace { until: Timestamp::MAX, factor }
    }
}

impl Scale {
    /// The paces with the civil instant at which each begins.
    fn stretches(&self) -> impl Iterator<Item = (Timestamp, Pace)> {
        let mut from = self.origin;
        let mut over = false;
        self.paces.into_iter().map_while(move |pace| {
            let begins = (!over).then_some((from, pace));
            over |= pace.until == Timestamp::MAX;
            from = pace.until;
            begins
        })
    }

    fn at(&self, real: Timestamp) -> (Timestamp, Pace) {
        let mut passed = seconds(self.began, real);
        let mut shown = (self.origin, Pace::for_ever(1.0));
        for (from, pace) in self.stretches() {
            shown = (from + SignedDuration::from_secs_f64(passed * pace.factor), pace);
            if shown.0 < pace.until {
                break;
            }
            passed -= seconds(from, pace.until) / pace.factor;
        }
        shown
    }

    /// Seconds of the machine from the beginning to a civil instant.
    fn real_s(&self, civil: Timestamp) -> f64 {
        let mut passed = 0.0;
        for (from, pace) in self.stretches() {
            passed += seconds(from, civil.min(pace.until)) / pace.factor;
            if civil < pace.until {
                break;
            }
        }
        passed
    }
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

/// A scaled clock was asked for in a form that cannot be read.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error(
    "clock {0:?} is not START@BEGAN@FACTOR, with up to {more} times @UNTIL@FACTOR behind it; write it as 2026-11-20T07:00:00Z@2026-11-21T10:00:00Z@1200",
    more = PACES - 1
)]
pub struct ClockError(String);

impl Clock {
    /// The machine's clock.
    pub const fn system() -> Clock {
        Clock { scale: None }
    }

    /// A clock that showed `origin` at the real instant `began` and runs `factor` times as fast as the machine's, so
    /// that several processes given the same three values agree.
    pub const fn scaled(origin: Timestamp, began: Timestamp, factor: f64) -> Clock {
        Clock { scale: Some(Scale { origin, began, paces: [Pace::for_ever(factor); PACES] }) }
    }

    /// The same clock, whose last pace ends at the civil instant `from`; then it runs `factor` times as fast as the
    /// machine's. Nothing changes on the machine's clock, when `from` is no later than the last change, or when there
    /// were [`PACES`] already.
    pub fn then(mut self, from: Timestamp, factor: f64) -> Clock {
        if let Some(scale) = &mut self.scale
            && let Some(last) = scale.paces.iter().position(|pace| pace.until == Timestamp::MAX)
            && last + 1 < PACES
            && from > last.checked_sub(1).map_or(scale.origin, |before| scale.paces[before].until)
        {
            scale.paces[last].until = from;
            scale.paces[last + 1] = Pace::for_ever(factor);
        }
        self
    }

    /// Reads what [`Clock::to_argument`] writes: `START@BEGAN@FACTOR`, and `@UNTIL@FACTOR` for each further pace.
    pub fn from_argument(text: &str) -> Result<Clock, ClockError> {
        let wrong = || ClockError(text.to_owned());
        let mut parts = text.split('@');
        let mut instant = || parts.next().and_then(|part| part.parse::<Timestamp>().ok()).ok_or_else(wrong);
        let (origin, began) = (instant()?, instant()?);
        let factor = |part: Option<&str>| {
            let factor = part.and_then(|part| part.parse::<f64>().ok()).ok_or_else(wrong)?;
            if factor.is_finite() && factor > 0.0 { Ok(factor) } else { Err(wrong()) }
        };
        let mut clock = Clock::scaled(origin, began, factor(parts.next())?);
        let mut until = origin;
        for _ in 1..PACES {
            let Some(from) = parts.next() else { break };
            let from = from.parse().ok().filter(|from| *from > until).ok_or_else(wrong)?;
            clock = clock.then(from, factor(parts.next())?);
            until = from;
        }
        if parts.next().is_some() { Err(wrong()) } else { Ok(clock) }
    }

    /// How another process is told to keep the same time; nothing for the machine's clock.
    pub fn to_argument(&self) -> Option<String> {
        let scale = self.scale?;
        let mut text = format!("{}@{}", scale.origin, scale.began);
        for (number, (from, pace)) in scale.stretches().enumerate() {
            text += &if number == 0 { format!("@{}", pace.factor) } else { format!("@{from}@{}", pace.factor) };
        }
        Some(text)
    }

    /// Whether this is a simulated day.
    pub fn is_scaled(&self) -> bool {
        self.scale.is_some()
    }

    /// Whether it runs faster than the machine's: what takes a second then takes many.
    pub fn is_fast(&self) -> bool {
        self.scale.is_some_and(|scale| scale.paces.iter().any(|pace| pace.factor > 1.0))
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        self.shown(Timestamp::now())
    }

    /// What it shows when the machine's clock shows `real`.
    pub fn shown(&self, real: Timestamp) -> Timestamp {
        self.scale.map_or(real, |scale| scale.at(real).0)
    }

    /// How long to sleep on the machine's clock until `instant`; zero when it has passed.
    pub fn until(&self, instant: Timestamp) -> Duration {
        let real = Timestamp::now();
        let ahead = match self.scale {
            None => seconds(real, instant),
            Some(scale) => scale.real_s(instant) - seconds(scale.began, real),
        };
        Duration::from_secs_f64(ahead.max(0.0))
    }

    /// A stretch of civil time on the machine's clock, at the pace of this moment.
    pub fn real(&self, civil: Duration) -> Duration {
        self.scale.map_or(civil, |scale| civil.div_f64(scale.at(Timestamp::now()).1.factor))
    }

    /// The machine's monotonic clock, for deadlines; never scaled.
    pub fn instant(&self) -> Instant {
        Instant::now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scaled_clock_survives_the_way_to_another_process() {
        let origin: Timestamp = "2026-11-20T07:00:00Z".parse().unwrap();
        let began = Timestamp::now() - jiff::SignedDuration::from_secs(10);
        let clock = Clock::from_argument(&Clock::scaled(origin, began, 60.0).to_argument().unwrap()).unwrap();
        let passed = clock.now().duration_since(origin).as_secs();
        assert!((600..660).contains(&passed), "{passed} s passed");
        assert!(Clock::from_argument("soon").is_err());
    }

    #[test]
    fn a_clock_changes_its_pace_at_the_instants_it_was_given() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let began = Timestamp::now();
        let (night, morning, evening) =
            (at("2026-11-20T00:00:00Z"), at("2026-11-20T07:00:00Z"), at("2026-11-20T19:00:00Z"));
        let clock = Clock::scaled(night, began, 25_200.0).then(morning, 3_600.0).then(evening, 100.0);
        let shown = |clock: &Clock, real_s: i64| clock.scale.unwrap().at(began + SignedDuration::from_secs(real_s)).0;
        for clock in [clock, Clock::from_argument(&clock.to_argument().unwrap()).unwrap()] {
            assert_eq!(shown(&clock, -1), at("2026-11-19T17:00:00Z"));
            assert_eq!(shown(&clock, 1), morning);
            assert_eq!(shown(&clock, 3), at("2026-11-20T09:00:00Z"));
            assert_eq!(shown(&clock, 14), at("2026-11-20T19:01:40Z"));
            assert_eq!(clock.scale.unwrap().real_s(at("2026-11-20T19:01:40Z")), 14.0);
            assert_eq!(clock.scale.unwrap().real_s(at("2026-11-19T17:00:00Z")), -1.0);
        }
        // A change that comes before the last one is none, and written as text it is an error.
        assert_eq!(clock.then(morning, 1.0).to_argument(), clock.to_argument());
        let backwards = format!("{}@2026-11-20T07:00:00Z@3", clock.to_argument().unwrap());
        assert!(Clock::from_argument(&backwards).is_err());
    }
}
