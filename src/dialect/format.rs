//! How dates, times and durations are printed: a small language of letters, compiled once.
//!
//! Clocks: `YYYY YY MM DD hh mm ss`, `M D` (month, day in one or two digits), `Mon` (Jan to Dec), `epoch` (seconds since 1970,
//! read as UTC), `w` (letters, not used), `f` (any digits, not used), `ap` (AM or PM, also `A`, `P` or blank). A leading
//! blank stands for a leading zero, and may have been trimmed off. `p` is P for the afternoon, blank for the morning.
//! Durations: `h m s` (any digits, or one where another letter follows at once), `hh mm
//! ss` (two), `f`, `t` (tenth of a minute). Everything else stands for itself, and so does a letter behind a `\`.

use super::state::Clock;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Tenth,
    Fraction,
    HalfDay,
    /// Half of the day where nothing stands for the morning.
    Afternoon,
    /// Seconds since 1970, UTC.
    Epoch,
    /// Jan to Dec.
    MonthName,
    /// Letters that are not used: a weekday, a zone.
    Word,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// So many digits; 0 for one or more.
    Digits(Unit, usize),
    Literal(u8),
}

/// A compiled format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Format {
    parts: Vec<Part>,
    seconds: bool,
}

const DAY_S: u32 = 86_400;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

impl Format {
    /// The format of a clock, or what is wrong with it.
    pub fn clock(text: &str) -> Result<Format, String> {
        let tokens: [(&str, Unit, usize); 15] = [
            ("epoch", Unit::Epoch, 0),
            ("Mon", Unit::MonthName, 3),
            ("w", Unit::Word, 0),
            ("YYYY", Unit::Year, 4),
            ("YY", Unit::Year, 2),
            ("MM", Unit::Month, 2),
            ("M", Unit::Month, 0),
            ("DD", Unit::Day, 2),
            ("D", Unit::Day, 0),
            ("hh", Unit::Hour, 2),
            ("mm", Unit::Minute, 2),
            ("ss", Unit::Second, 2),
            ("ap", Unit::HalfDay, 0),
            ("p", Unit::Afternoon, 0),
            ("f", Unit::Fraction, 0),
        ];
        Format::compile(text, &tokens)
    }

    /// The format of a duration, or what is wrong with it.
    pub fn duration(text: &str) -> Result<Format, String> {
        let tokens: [(&str, Unit, usize); 8] = [
            ("hh", Unit::Hour, 2),
            ("mm", Unit::Minute, 2),
            ("ss", Unit::Second, 2),
            ("h", Unit::Hour, 0),
            ("m", Unit::Minute, 0),
            ("s", Unit::Second, 0),
            ("t", Unit::Tenth, 1),
            ("f", Unit::Fraction, 0),
        ];
        let mut format = Format::compile(text, &tokens)?;
        let touching: Vec<bool> =
            format.parts.iter().skip(1).map(|part| matches!(part, Part::Digits(..))).chain([false]).collect();
        for (part, touches) in format.parts.iter_mut().zip(touching) {
            if let Part::Digits(_, width @ 0) = part
                && touches
            {
                *width = 1;
            }
        }
        Ok(format)
    }

    fn compile(text: &str, tokens: &[(&str, Unit, usize)]) -> Result<Format, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.bytes().next() {
            let escaped = rest.strip_prefix('\\').and_then(|rest| Some((rest.bytes().next()?, rest.get(1..)?)));
            if let Some((letter, after)) = escaped {
                parts.push(Part::Literal(letter));
                rest = after;
            } else if let Some((token, unit, width)) = tokens.iter().find(|(token, ..)| rest.starts_with(token)) {
                parts.push(Part::Digits(*unit, *width));
                rest = rest.get(token.len()..).unwrap_or("");
            } else if first.is_ascii() {
                parts.push(Part::Literal(first));
                rest = rest.get(1..).unwrap_or("");
            } else {
                return Err("only ASCII characters can stand in a format".to_owned());
            }
        }
        if !parts.iter().any(|part| matches!(part, Part::Digits(..))) {
            return Err("no letter of it stands for a part of a date, time or duration".to_owned());
        }
        let seconds = parts.iter().any(|part| matches!(part, Part::Digits(Unit::Second | Unit::Epoch, _)));
        Ok(Format { parts, seconds })
    }

    fn read(&self, text: &[u8], mut take: impl FnMut(Unit, u32) -> Option<()>) -> Option<()> {
        let mut rest = text;
        for (number, part) in self.parts.iter().enumerate() {
            match *part {
                Part::Literal(byte) => {
                    let (first, after) = rest.split_first()?;
                    if *first != byte {
                        return None;
                    }
                    rest = after;
                }
                Part::Digits(unit @ (Unit::HalfDay | Unit::Afternoon), _) => {
                    let letters = rest.trim_ascii_start();
                    let code = match letters.first().map(u8::to_ascii_uppercase) {
                        Some(b'A') => 1,
                        Some(b'P') => 2,
                        None => u32::from(unit == Unit::Afternoon),
                        Some(_) => return None,
                    };
                    let after = letters.get(1..).unwrap_or_default();
                    rest = match after.first().map(u8::to_ascii_uppercase) {
                        Some(b'M') => after.get(1..).unwrap_or_default(),
                        _ => after,
                    };
                    take(unit, code)?;
                }
                Part::Digits(Unit::MonthName, _) => {
                    let name = rest.get(..3)?.to_ascii_lowercase();
                    let month = MONTHS.iter().zip(1..).find(|(month, _)| month.as_bytes() == name.as_slice());
                    rest = rest.get(3..)?;
                    take(Unit::Month, month?.1)?;
                }
                Part::Digits(Unit::Word, _) => {
                    let letters = rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
                    rest = rest.get(letters.max(1)..)?;
                }
                Part::Digits(unit, width) => {
                    let found = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                    let trimmed = number == 0 && width == 2 && found == 1;
                    let width = if width == 0 || trimmed { found.max(1) } else { width };
                    let field = rest.get(..width)?;
                    rest = rest.get(width..)?;
                    let mut value: u32 = 0;
                    let mut seen = false;
                    for &byte in field {
                        match byte {
                            b'0'..=b'9' => {
                                seen = true;
                                value = value.saturating_mul(10).saturating_add(u32::from(byte & 0x0f));
                            }
                            b' ' if !seen && width == 2 => {}
                            _ => return None,
                        }
                    }
                    if !seen {
                        return None;
                    }
                    let value = if unit == Unit::Year && width == 2 { century(value) } else { value };
                    take(unit, value)?;
                }
            }
        }
        rest.is_empty().then_some(())
    }

    /// The clock that `text` shows, or nothing when it does not fit.
    pub fn read_clock(&self, text: &[u8]) -> Option<Clock> {
        let (mut year, mut month, mut day) = (None, None, None);
        let (mut hour, mut minute, mut second, mut half) = (None, 0, 0, 0);
        self.read(text, |unit, value| {
            match unit {
                Unit::Year => year = Some(i16::try_from(value).ok()?),
                Unit::Month => month = Some(i8::try_from(value).ok().filter(|month| (1..=12).contains(month))?),
                Unit::Day => day = Some(i8::try_from(value).ok().filter(|day| (1..=31).contains(day))?),
                Unit::Hour => hour = Some(value).filter(|hour| *hour < 24),
                Unit::Minute => minute = Some(value).filter(|minute| *minute < 60)?,
                Unit::Second => second = Some(value).filter(|second| *second < 60)?,
                Unit::HalfDay | Unit::Afternoon => half = value,
                Unit::Epoch => {
                    let at = jiff::Timestamp::from_second(i64::from(value)).ok()?.to_zoned(jiff::tz::TimeZone::UTC);
                    (year, month, day) = (Some(at.year()), Some(at.month()), Some(at.day()));
                    hour = u32::try_from(at.hour()).ok();
                    minute = u32::try_from(at.minute()).ok()?;
                    second = u32::try_from(at.second()).ok()?;
                }
                Unit::Tenth | Unit::Fraction | Unit::MonthName | Unit::Word => {}
            }
            (unit != Unit::Hour || hour.is_some()).then_some(())
        })?;
        let hour = match (hour, half) {
            (Some(12), 1) => Some(0),
            (Some(hour), 2) if hour < 12 => Some(hour.saturating_add(12)),
            (hour, _) => hour,
        };
        let second = hour.map(|hour| {
            hour.saturating_mul(3600).saturating_add(u32::saturating_mul(minute, 60)).saturating_add(second)
        });
        if let (Some(year), Some(month), Some(day)) = (year, month, day) {
            jiff::civil::Date::new(year, month, day).ok()?;
        }
        Some(Clock {
            year,
            month_day: month.zip(day),
            second: second.filter(|second| *second < DAY_S),
            resolution: if self.seconds { 1 } else { 60 },
        })
    }

    /// Whether it begins with two digits.
    pub fn begins_with_two(&self) -> bool {
        matches!(self.parts.first(), Some(Part::Digits(_, 2)))
    }

    /// `text`, which is of this format, with another moment in it, in as many characters; nothing when that does not
    /// fit. What the format does not use stays.
    pub fn write_clock(&self, text: &[u8], moment: jiff::civil::DateTime) -> Option<Vec<u8>> {
        let letter = |part: &Part| matches!(part, Part::Digits(Unit::HalfDay | Unit::Afternoon, _));
        let named = |byte: &u8| matches!(byte, b'A' | b'P' | b'a' | b'p');
        let halved = self.parts.contains(&Part::Digits(Unit::Afternoon, 0))
            || (self.parts.iter().any(letter) && text.iter().any(named));
        let afternoon = moment.hour() >= 12;
        let mut rest = text;
        let mut written = Vec::with_capacity(text.len());
        for part in &self.parts {
            match *part {
                Part::Literal(_) => {
                    let (first, after) = rest.split_first()?;
                    written.push(*first);
                    rest = after;
                }
                Part::Digits(Unit::HalfDay | Unit::Afternoon, _) => {
                    let blanks = rest.iter().take_while(|byte| **byte == b' ').count();
                    written.extend_from_slice(rest.get(..blanks)?);
                    rest = rest.get(blanks..)?;
                    let Some((first, after)) = rest.split_first() else {
                        // A blank stands for the morning, and there is no room for the other letter.
                        if halved && afternoon {
                            return None;
                        }
                        continue;
                    };
                    let shown = match (part, afternoon) {
                        (Part::Digits(Unit::Afternoon, _), false) => b' ',
                        (_, true) => b'P',
                        (_, false) => b'A',
                    };
                    written.push(if first.is_ascii_lowercase() { shown.to_ascii_lowercase() } else { shown });
                    rest = after;
                    if let Some((&month, after)) =
                        rest.split_first().filter(|(byte, _)| byte.eq_ignore_ascii_case(&b'M'))
                    {
                        written.push(month);
                        rest = after;
                    }
                }
                Part::Digits(unit, width) => {
                    let found = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                    let width =
                        if width == 0 || (written.is_empty() && width == 2 && found == 1) { found } else { width };
                    let (field, after) = rest.split_at_checked(width)?;
                    rest = after;
                    let value = match unit {
                        Unit::Year if width == 2 => i64::from(moment.year()) % 100,
                        Unit::Year => i64::from(moment.year()),
                        Unit::Month => i64::from(moment.month()),
                        Unit::Day => i64::from(moment.day()),
                        Unit::Hour if halved => (i64::from(moment.hour()).checked_add(11)? % 12).checked_add(1)?,
                        Unit::Hour => i64::from(moment.hour()),
                        Unit::Minute => i64::from(moment.minute()),
                        Unit::Second => i64::from(moment.second()),
                        _ => {
                            written.extend_from_slice(field);
                            continue;
                        }
                    };
                    let digits = if field.first() == Some(&b' ') {
                        format!("{value:>width$}")
                    } else {
                        format!("{value:0width$}")
                    };
                    if digits.len() != width {
                        return None;
                    }
                    written.extend_from_slice(digits.as_bytes());
                }
            }
        }
        rest.is_empty().then_some(written)
    }

    /// The seconds that `text` shows, or nothing when it does not fit.
    pub fn read_duration(&self, text: &[u8]) -> Option<u32> {
        let mut total: u32 = 0;
        let mut larger = false;
        self.read(text, |unit, value| {
            let (limit, factor) = match unit {
                Unit::Hour => (u32::MAX, 3600),
                Unit::Minute => (if larger { 60 } else { u32::MAX }, 60),
                Unit::Second => (if larger { 60 } else { u32::MAX }, 1),
                Unit::Tenth => (10, 6),
                _ => return Some(()),
            };
            larger = true;
            total = total.saturating_add(value.saturating_mul(factor));
            (value < limit).then_some(())
        })?;
        Some(total)
    }

    /// Whether the largest unit is the minute, so that the counter stops below the hour.
    pub fn is_minutes(&self) -> bool {
        !self.parts.iter().any(|part| matches!(part, Part::Digits(Unit::Hour, _)))
            && self.parts.iter().any(|part| matches!(part, Part::Digits(Unit::Minute, _)))
    }
}

/// Two-digit years 70 to 99 are 19xx, the others 20xx, in every dialect.
fn century(year: u32) -> u32 {
    year.saturating_add(if year >= 70 { 1900 } else { 2000 })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn second(format: &str, text: &str) -> Option<u32> {
        Format::clock(format).unwrap().read_clock(text.as_bytes())?.second
    }

    fn duration(format: &str, text: &str) -> Option<u32> {
        Format::duration(format).unwrap().read_duration(text.as_bytes())
    }

    #[test]
    fn another_moment_takes_the_same_columns_or_is_not_written() {
        let moment = jiff::civil::date(2026, 11, 20).at(13, 5, 9, 0);
        let written = |format: &str, text: &str| {
            let written = Format::clock(format).unwrap().write_clock(text.as_bytes(), moment);
            written.map(|bytes| String::from_utf8(bytes).unwrap())
        };
        for (format, text, expected) in [
            ("DD.MM.YY", "01.02.71", Some("20.11.26")),
            ("YYYY/MM/DD hh:mm:ss", "2014/06/26 10:27:44", Some("2026/11/20 13:05:09")),
            ("MM/DD", " 2/29", Some("11/20")),
            ("MM/DD", "2/29", None),
            ("hh:mmap", "10:03AM", Some("01:05PM")),
            ("hh:mmap", "10:03", Some("13:05")),
            ("hh:mm:ss p", "09:03:59 P", Some("01:05:09 P")),
            ("hh:mmp", "09:03", None),
            ("hh:mm:ss.f", "08:00:00.250", Some("13:05:09.250")),
        ] {
            assert_eq!(written(format, text).as_deref(), expected, "{format} {text}");
        }
        let morning = moment.with().hour(0).build().unwrap();
        let written = Format::clock("hh:mmap").unwrap().write_clock(b"10:03p", morning).unwrap();
        assert_eq!(written, b"12:05a");
    }

    #[test]
    fn clocks_are_read_as_they_are_printed() {
        let clock = Format::clock("DD.MM.YY").unwrap().read_clock(b"01.02.71").unwrap();
        assert_eq!((clock.year, clock.month_day), (Some(1971), Some((2, 1))));
        let clock = Format::clock("MM/DD").unwrap().read_clock(b" 2/29").unwrap();
        assert_eq!((clock.year, clock.month_day), (None, Some((2, 29))));
        assert!(Format::clock("YYYY-MM-DD").unwrap().read_clock(b"2023-02-29").is_none());
        assert_eq!(second("hh:mmap", " 3:04PM"), Some(15 * 3600 + 240));
        assert_eq!(second("hh:mmap", "12:00A"), Some(0));
        assert_eq!(second("hh:mmap", "12:00PM"), Some(12 * 3600));
        assert_eq!(second("hh:mmap", "3:04PM"), Some(15 * 3600 + 240), "the field was trimmed");
        assert_eq!(second("hh:mmp", "12:05"), Some(300), "no P is the morning");
        assert_eq!(second("hh:mmap", "12:05"), Some(12 * 3600 + 300), "neither is a 24-hour clock");
        assert_eq!(second("hh:mmp", "01:05P"), Some(13 * 3600 + 300));
        assert_eq!(second("hh:mm:ss", "23:59:59"), Some(86_399));
        assert_eq!(second("hh:mm:ss", "24:00:00"), None);
        let clock = Format::clock("hh:mm:ss.f w w Mon D YYYY").unwrap();
        let clock = clock.read_clock(b"09:01:02.345 GMT Mon Mar 4 2024").unwrap();
        assert_eq!((clock.year, clock.month_day, clock.second), (Some(2024), Some((3, 4)), Some(32_462)));
        let clock = Format::clock("epoch").unwrap().read_clock(b"1709543000").unwrap();
        assert_eq!((clock.year, clock.month_day, clock.second), (Some(2024), Some((3, 4)), Some(32_600)));
        assert_eq!(clock.resolution, 1);
        assert!(Format::clock("Mon D").unwrap().read_clock(b"Mrz 4").is_none());
        assert_eq!(second("hh:mm", "12:3"), None);
        assert_eq!(Format::clock("hh:mm").unwrap().read_clock(b"12:30").unwrap().resolution, 60);
    }

    #[test]
    fn durations_are_read_as_they_are_printed() {
        assert_eq!(duration("h:m:s", "00:02:10"), Some(130));
        assert_eq!(duration("m'ss", "1'05"), Some(65));
        assert_eq!(duration("h:m:s.f", "00:03:06.0"), Some(186));
        assert_eq!(duration("hhHmm\\mss", "00H01m12"), Some(72));
        assert_eq!(duration("S=s", "S=226"), Some(226));
        assert_eq!(duration("hmmt", "1023"), Some(3600 + 120 + 18));
        assert_eq!(duration("m:s", "75:00"), Some(4500));
        assert_eq!(duration("h:m:s", "00:75:00"), None);
        assert_eq!(duration("h:m:s", ""), None);
        assert!(Format::duration("::").is_err());
    }
}
