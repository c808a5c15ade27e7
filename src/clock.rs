//! The clock, as an input: real, or scaled for a simulated day.
//!
//! A scaled clock starts at a given instant and runs a given number of times faster. Civil time, day close, silence
//! and schedule follow it; input and output deadlines, commits and back-off stay on the machine's own clock.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Tells the time. Cheap to copy; every copy tells the same time.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    scale: Option<Scale>,
}

#[derive(Debug, Clone, Copy)]
struct Scale {
    origin: Timestamp,
    began: Timestamp,
    factor: f64,
}

/// A scaled clock was asked for in a form that cannot be read.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("clock {0:?} is not START@BEGAN@FACTOR; write it as 2026-11-20T07:00:00Z@2026-11-21T10:00:00Z@1200")]
pub struct ClockError(String);

impl Clock {
    /// The machine's clock.
    pub const fn system() -> Clock {
        Clock { scale: None }
    }

    /// A clock that showed `origin` at the real instant `began` and runs `factor` times as fast as the machine's, so
    /// that several processes given the same three values agree.
    pub const fn scaled(origin: Timestamp, began: Timestamp, factor: f64) -> Clock {
        Clock { scale: Some(Scale { origin, began, factor }) }
    }

    /// Reads what [`Clock::to_argument`] writes: `START@BEGAN@FACTOR`.
    pub fn from_argument(text: &str) -> Result<Clock, ClockError> {
        let wrong = || ClockError(text.to_owned());
        let mut parts = text.split('@');
        let origin = parts.next().and_then(|part| part.parse().ok()).ok_or_else(wrong)?;
        let began = parts.next().and_then(|part| part.parse().ok()).ok_or_else(wrong)?;
        let factor: f64 = parts.next().and_then(|part| part.parse().ok()).ok_or_else(wrong)?;
        if parts.next().is_some() || !(factor.is_finite() && factor > 0.0) {
            return Err(wrong());
        }
        Ok(Clock::scaled(origin, began, factor))
    }

    /// How another process is told to keep the same time; nothing for the machine's clock.
    pub fn to_argument(&self) -> Option<String> {
        self.scale.map(|scale| format!("{}@{}@{}", scale.origin, scale.began, scale.factor))
    }

    /// Whether this is a simulated day.
    pub fn is_scaled(&self) -> bool {
        self.scale.is_some()
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        let real = Timestamp::now();
        match self.scale {
            None => real,
            Some(scale) => {
                let passed = real.duration_since(scale.began).as_secs_f64() * scale.factor;
                scale.origin + jiff::SignedDuration::from_secs_f64(passed)
            }
        }
    }

    /// How long to sleep on the machine's clock until `instant`; zero when it has passed.
    pub fn until(&self, instant: Timestamp) -> Duration {
        let ahead = instant.duration_since(self.now()).as_secs_f64().max(0.0);
        Duration::from_secs_f64(match self.scale {
            None => ahead,
            Some(scale) => ahead / scale.factor,
        })
    }

    /// A stretch of civil time on the machine's clock.
    pub fn real(&self, civil: Duration) -> Duration {
        match self.scale {
            None => civil,
            Some(scale) => civil.div_f64(scale.factor),
        }
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
}
