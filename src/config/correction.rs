//! `clock-correction`: what is taken off a PBX's stamps.

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer};

/// What is taken off the stamps of a PBX whose clock is off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClockCorrection {
    /// Nothing: calls stand where they were printed.
    #[default]
    None,
    /// What it is ahead of the box's clock, as measured.
    Measured,
    /// So many seconds; less than none where it is behind.
    Fixed(i64),
}

/// The most that a clock can be said to be off: a PBX may have any date in it.
const MOST_HOURS: i64 = 24 * 366 * 60;

impl ClockCorrection {
    /// Reads `none`, `measured`, or by how much the clock is ahead (`+00:07:00`) or behind (`-00:00:37`).
    pub fn from_text(text: &str) -> Option<ClockCorrection> {
        match text {
            "none" => return Some(ClockCorrection::None),
            "measured" => return Some(ClockCorrection::Measured),
            _ => {}
        }
        let (sign, digits) = match text.split_at_checked(1)? {
            ("+", digits) => (1, digits),
            ("-", digits) => (-1, digits),
            _ => return None,
        };
        let mut parts = digits.split(':').map(|part| {
            let plain = part.len() >= 2 && part.len() <= 6 && part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse::<i64>().ok().filter(|_| plain)
        });
        let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
        let good = parts.next().is_none() && hours <= MOST_HOURS && minutes < 60 && seconds < 60;
        good.then(|| ClockCorrection::Fixed(sign * (hours * 3600 + minutes * 60 + seconds)))
    }
}

impl<'de> Deserialize<'de> for ClockCorrection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wants = "none, measured, or by how much the PBX's clock is ahead or behind, as +HH:MM:SS or -HH:MM:SS";
        ClockCorrection::from_text(&text).ok_or_else(|| D::Error::invalid_value(Unexpected::Str(&text), &wants))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correction_says_which_way() {
        let fixed = |seconds| Some(ClockCorrection::Fixed(seconds));
        for (text, expected) in [
            ("none", Some(ClockCorrection::None)),
            ("measured", Some(ClockCorrection::Measured)),
            ("+00:07:00", fixed(420)),
            ("-00:00:37", fixed(-37)),
            ("+8760:00:00", fixed(31_536_000)),
            ("00:07:00", None),
            ("+7", None),
            ("+00:07", None),
            ("+00:60:00", None),
            ("+00:07:00:00", None),
            ("+9999999:00:00", None),
            ("+-1:00:00", None),
            ("", None),
            ("é", None),
        ] {
            assert_eq!(ClockCorrection::from_text(text), expected, "{text}");
        }
    }
}
