//! Which format the dates, times and durations of a column are in, and how far the lines prove it.

use jiff::civil::Date;

use super::super::format::Format;
use super::Sure;

/// The year that stands in where a format prints none.
const SOME_YEAR: i16 = 2024;
/// Days from today within which a stamp is taken for today's.
const RECENT_D: i64 = 2;
/// Seconds of the day after which most times of a practice's day are, and few durations.
const MORNING_S: u32 = 5 * 3600;

/// A format that the values are in.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fit {
    pub format: String,
    pub others: Vec<String>,
    pub sure: Sure,
    pub evidence: Vec<String>,
}

fn all_of(values: &[&[u8]], reads: impl Fn(&[u8]) -> bool) -> bool {
    // One value in fifty may be askew.
    let fitting = values.iter().filter(|value| reads(value)).count();
    !values.is_empty() && values.len().saturating_sub(fitting).saturating_mul(50) <= values.len()
}

fn distinct(values: &[&[u8]]) -> usize {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.dedup();
    values.len()
}

/// The dates of a column, read in a format.
fn days(values: &[&[u8]], format: &Format) -> Vec<Date> {
    let day = |value: &&[u8]| {
        let clock = format.read_clock(value)?;
        let (month, day) = clock.month_day?;
        Date::new(clock.year.unwrap_or(SOME_YEAR), month, day).ok()
    };
    values.iter().filter_map(day).collect()
}

fn date_formats(values: &[&[u8]], with_time: bool) -> Vec<String> {
    let Some(first) = values.first() else { return Vec::new() };
    let separator = first.iter().find(|byte| b"/.-".contains(byte)).map(|byte| char::from(*byte).to_string());
    let s = separator.unwrap_or_default();
    let mut formats = vec![
        format!("DD{s}MM{s}YY"),
        format!("MM{s}DD{s}YY"),
        format!("YY{s}MM{s}DD"),
        format!("DD{s}MM{s}YYYY"),
        format!("MM{s}DD{s}YYYY"),
        format!("YYYY{s}MM{s}DD"),
        format!("DD{s}Mon{s}YY"),
        format!("DD{s}Mon{s}YYYY"),
    ];
    if !s.is_empty() {
        formats.extend([format!("DD{s}MM"), format!("MM{s}DD")]);
        if values.iter().any(|value| value.len() < 10) {
            formats.extend([format!("D{s}M{s}YYYY"), format!("M{s}D{s}YYYY")]);
        }
    }
    if with_time {
        let times = [" hh:mm:ss", " hh:mm", "Thh:mm:ss", " hh:mm:ss.f"];
        formats = formats.iter().flat_map(|date| times.iter().map(move |time| format!("{date}{time}"))).collect();
    }
    formats
}

/// The format of a date column, or of one of dates with times.
pub(super) fn date(values: &[&[u8]], with_time: bool, today: Date) -> Option<Fit> {
    let tried: Vec<(String, Format)> = date_formats(values, with_time)
        .into_iter()
        .filter_map(|text| Some((Format::clock(&text).ok()?, text)).map(|(format, text)| (text, format)))
        .collect();
    let mut fitting: Vec<(i64, &String, &Format)> = Vec::new();
    let mut evidence = Vec::new();
    for (text, format) in &tried {
        if all_of(values, |value| format.read_clock(value).is_some_and(|clock| clock.month_day.is_some())) {
            let days = days(values, format);
            let jumps = days.windows(2).filter_map(|pair| Some((*pair.first()?, *pair.last()?)));
            let jumped: i64 = jumps.map(|(one, other)| days_apart(one, other)).sum();
            // Nobody prints calls of years to come.
            let future = days.iter().any(|day| days_between(today, *day) > 370);
            fitting.push((jumped.saturating_add(if future { 1_000_000 } else { 0 }), text, format));
        }
    }
    fitting.sort_by_key(|(jumped, _, _)| *jumped);
    let &(least, chosen, _) = fitting.first()?;
    let order = |text: &str| (text.matches('D').count(), text.matches('M').count(), text.matches('Y').count());
    let impossible = tried.iter().filter(|(text, _)| {
        let swapped = text.len() == chosen.len() && text != chosen;
        let timed_alike = text.get(10..) == chosen.get(10..) || !with_time;
        swapped && timed_alike && order(text) == order(chosen) && !fitting.iter().any(|f| f.1 == text)
    });
    for (text, other) in impossible {
        let count = values.iter().filter(|value| other.read_clock(value).is_none()).count();
        evidence.push(format!("{text} is ruled out by {count} of {} values", values.len()));
    }
    let limit = least.saturating_mul(3).saturating_add(20);
    let others: Vec<&(i64, &String, &Format)> =
        fitting.iter().skip(1).filter(|(jumped, _, _)| *jumped <= limit).collect();
    for (jumped, text, _) in fitting.iter().skip(1).filter(|(jumped, _, _)| *jumped > limit) {
        let what = if *jumped >= 1_000_000 { "lie in the future".to_owned() } else { "jump about".to_owned() };
        evidence.push(format!("as {text} the dates would {what}"));
    }
    evidence.push(format!("{} different values", distinct(values)));
    let recent = |format: &Format| days(values, format).last().is_some_and(|day| days_apart(*day, today) <= RECENT_D);
    let names = |list: &[&(i64, &String, &Format)]| list.iter().map(|(_, text, _)| (*text).clone()).collect();
    if others.is_empty() {
        let sure = if values.len() >= 3 { Sure::Certain } else { Sure::Likely };
        return Some(Fit { format: chosen.clone(), others: Vec::new(), sure, evidence });
    }
    // Who listens to a live line reads today's date.
    let mut todays = fitting.iter().filter(|(_, text, format)| text.contains("YY") && recent(format));
    if let (Some((_, text, _)), None) = (todays.next(), todays.next()) {
        evidence.push(format!("only as {text} they are of today"));
        return Some(Fit { format: (*text).clone(), others: Vec::new(), sure: Sure::Likely, evidence });
    }
    evidence
        .push(format!("as likely: {}", others.iter().map(|(_, text, _)| text.as_str()).collect::<Vec<_>>().join(", ")));
    Some(Fit { format: chosen.clone(), others: names(&others), sure: Sure::Guess, evidence })
}

fn days_between(from: Date, to: Date) -> i64 {
    to.duration_since(from).as_hours() / 24
}

fn days_apart(one: Date, other: Date) -> i64 {
    days_between(one, other).abs()
}

/// The seconds that the values show, in the order of the lines.
fn seconds(values: &[&[u8]], read: impl Fn(&[u8]) -> Option<u32>) -> Vec<u32> {
    values.iter().filter_map(|value| read(value)).collect()
}

/// The format of a column of times of day: they go on from line to line, and are not those of the small hours.
pub(super) fn time(values: &[&[u8]]) -> Option<Fit> {
    let formats = ["hh:mm:ss", "hh:mm", "hh:mm:ssap", "hh:mmap", "hh.mm.ss", "hhmmss", "hhmm"];
    let fitting = formats.iter().find_map(|text| {
        let format = Format::clock(text).ok()?;
        all_of(values, |value| format.read_clock(value).is_some_and(|clock| clock.second.is_some()))
            .then_some((text, format))
    });
    let (text, format) = fitting?;
    // Half of the day is told by letters, which nothing but a clock has.
    if text.ends_with("ap") {
        let evidence = vec![format!("{} of {} with AM or PM", values.len(), values.len())];
        return Some(Fit { format: (*text).to_owned(), others: Vec::new(), sure: Sure::Certain, evidence });
    }
    let bare = values.iter().any(|value| value.iter().all(u8::is_ascii_digit));
    if bare && values.iter().any(|value| value.len() != text.len()) {
        return None;
    }
    let read = seconds(values, |value| format.read_clock(value)?.second);
    let pairs = read.len().saturating_sub(1);
    let onward = read.windows(2).filter(|pair| pair.first() <= pair.last()).count();
    let daytime = read.iter().filter(|second| **second >= MORNING_S).count();
    // Lines that are printed at a call's end go back a little where the start is printed, never by much.
    let mut steps: Vec<u32> = read.windows(2).filter_map(|pair| Some(pair.first()?.abs_diff(*pair.last()?))).collect();
    steps.sort_unstable();
    let usual = steps.get(steps.len() / 2).copied().unwrap_or(0);
    let range = read.iter().max().zip(read.iter().min()).map_or(0, |(most, least)| most.saturating_sub(*least));
    let near = pairs >= 8 && usual.saturating_mul(if bare { 16 } else { 8 }) <= range;
    let steady = near || onward.saturating_mul(10) >= pairs.saturating_mul(if bare { 8 } else { 6 });
    if daytime.saturating_mul(10) < read.len().saturating_mul(if bare { 9 } else { 6 }) || !steady {
        return None;
    }
    let evidence = vec![
        format!("goes on from line to line {onward} of {pairs} times"),
        format!("{daytime} of {} after 05:00", read.len()),
    ];
    let sure = if !bare && pairs >= 4 { Sure::Certain } else { Sure::Likely };
    Some(Fit { format: (*text).to_owned(), others: Vec::new(), sure, evidence })
}

/// The format of a column of durations.
pub(super) fn duration(values: &[&[u8]]) -> Option<Fit> {
    let first = values.first()?;
    let punctuated = first.iter().any(|byte| b":'.\"".contains(byte));
    let same = values.iter().all(|value| value.len() == first.len());
    let tried: &[&str] = match (punctuated, first.len()) {
        (true, _) => &["hh:mm:ss", "h:mm:ss", "hh:mm'ss", "h:mm'ss", "h:mm'ss\"", "m'ss", "m'ss\"", "mm:ss", "m:ss"],
        (false, 4) if same => &["mmss", "hmmt", "hhmm"],
        (false, 5) if same => &["hmmss"],
        (false, 6) if same => &["hhmmss"],
        _ => return None,
    };
    let fitting: Vec<(&str, Format)> = tried
        .iter()
        .filter_map(|text| Some((*text, Format::duration(text).ok()?)))
        .filter(|(_, format)| all_of(values, |value| format.read_duration(value).is_some()))
        .collect();
    let (text, format) = fitting.first()?;
    let mut longest = seconds(values, |value| format.read_duration(value));
    longest.sort_unstable();
    let most = longest.last().copied().unwrap_or(0);
    let mut evidence = vec![format!("{} different, the longest {}", distinct(values), spoken(most))];
    if punctuated {
        if matches!(*text, "mm:ss" | "m:ss") {
            // As hours and minutes the same digits say sixty times as much.
            let (sure, others) = if most >= 600 {
                evidence.push(format!("as hours and minutes the longest would be {}", spoken(most.saturating_mul(60))));
                (Sure::Certain, Vec::new())
            } else {
                evidence.push("hours and minutes are not ruled out".to_owned());
                (Sure::Likely, vec!["hh:mm".to_owned()])
            };
            return Some(Fit { format: (*text).to_owned(), others, sure, evidence });
        }
        return Some(Fit { format: (*text).to_owned(), others: Vec::new(), sure: Sure::Certain, evidence });
    }
    let sexagesimal = distinct(values) >= 12;
    evidence.push("no value ends in 60 to 99".to_owned());
    let others: Vec<String> =
        fitting.iter().skip(1).map(|(text, _)| (*text).to_owned()).chain(["seconds".to_owned()]).collect();
    let sure = if sexagesimal && first.len() > 4 { Sure::Likely } else { Sure::Guess };
    Some(Fit {
        format: (*text).to_owned(),
        others: if sure == Sure::Guess { others } else { Vec::new() },
        sure,
        evidence,
    })
}

/// How many of the values are in this format.
pub(super) fn reads(values: &[&[u8]], format: &Format, lasting: bool) -> usize {
    let read = |value: &&&[u8]| {
        if lasting { format.read_duration(value).is_some() } else { format.read_clock(value).is_some() }
    };
    values.iter().filter(read).count()
}

/// A length for a person.
fn spoken(seconds: u32) -> String {
    format!("{} h {:02} min {:02} s", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
