//! What a column holds, by how its values behave.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::clocks::{self, Fit};
use super::cut::{cell, span};
use super::{Column, Kind, Layout, Place, Role, Sure};

/// The most values that a code has.
const MOST_CODES: usize = 12;
/// The longest word of a code.
const LONGEST_CODE: usize = 10;
/// Digits from which what stands in a column may be a telephone number.
const NUMBER_DIGITS: usize = 5;

/// Words of page headings, and what stands below them.
const HEADINGS: [(&str, Kind, Role); 26] = [
    ("date", Kind::Date, Role::Nothing),
    ("ring", Kind::Duration, Role::Key("ring")),
    ("wait", Kind::Duration, Role::Key("ring")),
    ("hold", Kind::Duration, Role::Key("hold")),
    ("dur", Kind::Duration, Role::Key("talk")),
    ("talk", Kind::Duration, Role::Key("talk")),
    ("elapsed", Kind::Duration, Role::Key("talk")),
    ("acc", Kind::Account, Role::Key("account")),
    ("cost", Kind::Cost, Role::Nothing),
    ("charge", Kind::Cost, Role::Nothing),
    ("name", Kind::Name, Role::Nothing),
    ("caller", Kind::Number, Role::Key("cli")),
    ("calling", Kind::Number, Role::Key("cli")),
    ("ddi", Kind::Number, Role::Key("ddi")),
    ("dial", Kind::Number, Role::OtherParty),
    ("called", Kind::Number, Role::OtherParty),
    ("number", Kind::Number, Role::OtherParty),
    ("ext", Kind::Station, Role::Key("extension")),
    ("sta", Kind::Station, Role::Key("extension")),
    ("user", Kind::Station, Role::Key("extension")),
    ("co", Kind::Trunk, Role::Key("trunk")),
    ("line", Kind::Trunk, Role::Key("trunk")),
    ("trunk", Kind::Trunk, Role::Key("trunk")),
    ("trk", Kind::Trunk, Role::Key("trunk")),
    ("callid", Kind::CallId, Role::Key("call-id")),
    ("cnt", Kind::Counter, Role::Nothing),
];

/// What the values of a column come to.
pub(super) struct Values<'a> {
    pub texts: Vec<&'a [u8]>,
    pub counts: BTreeMap<&'a [u8], usize>,
    longest: usize,
    digits: usize,
}

impl<'a> Values<'a> {
    pub fn of(records: &[&'a [u8]], layout: Layout, place: Place) -> Values<'a> {
        let texts: Vec<&[u8]> =
            records.iter().map(|line| cell(line, layout, place)).filter(|text| !text.is_empty()).collect();
        let mut counts: BTreeMap<&[u8], usize> = BTreeMap::new();
        for text in &texts {
            let count = counts.entry(text).or_default();
            *count = count.saturating_add(1);
        }
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        let digits = texts.iter().map(|text| digits(text)).max().unwrap_or(0);
        Values { texts, counts, longest, digits }
    }

    fn share(&self, holds: impl Fn(&[u8]) -> bool) -> f64 {
        self.texts.iter().filter(|text| holds(text)).count() as f64 / self.texts.len().max(1) as f64
    }

    fn all(&self, holds: impl Fn(&[u8]) -> bool) -> bool {
        self.texts.iter().all(|text| holds(text))
    }
}

pub(super) fn digits(text: &[u8]) -> usize {
    text.iter().filter(|byte| byte.is_ascii_digit()).count()
}

/// The proposal for each place.
pub(super) fn propose(
    records: &[&[u8]],
    furniture: &[&[u8]],
    layout: Layout,
    today: Date,
    places: &[Place],
) -> Vec<Column> {
    let mut columns: Vec<Column> =
        places.iter().map(|place| one(records, layout, *place, heading(furniture, layout, *place), today)).collect();
    settle_stations(&mut columns);
    settle_lengths(&mut columns);
    name(&mut columns);
    columns
}

/// The proposal for one place by itself.
pub(super) fn one(records: &[&[u8]], layout: Layout, place: Place, heading: Option<String>, today: Date) -> Column {
    let values = Values::of(records, layout, place);
    let mut column = Column {
        place,
        name: String::new(),
        heading,
        kind: Kind::Text,
        format: None,
        other_formats: Vec::new(),
        role: Role::Nothing,
        sure: Sure::Guess,
        evidence: Vec::new(),
        filled: values.texts.len(),
        distinct: values.counts.len(),
        values: Vec::new(),
        meanings: BTreeMap::new(),
        dropped: false,
    };
    let hint = column.heading.as_deref().and_then(hinted);
    classify(&mut column, &values, hint, today);
    let stationed = |kind: Kind| !matches!(kind, Kind::Station | Kind::Trunk) || values.digits >= 2;
    if let Some((kind, role)) = hint.filter(|(kind, _)| agrees(*kind, column.kind) && stationed(*kind)) {
        let heading = column.heading.clone().unwrap_or_default();
        if kind == column.kind && column.other_formats.is_empty() {
            column.sure = column.sure.max(Sure::Likely);
        } else if kind != column.kind && kind != Kind::Duration {
            (column.kind, column.sure) = (kind, Sure::Likely);
        }
        column.role = role;
        column.evidence.push(format!("below {heading:?}"));
    }
    column
}

fn hinted(heading: &str) -> Option<(Kind, Role)> {
    let lower = heading.to_ascii_lowercase();
    let mut words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.find_map(|word| {
        HEADINGS
            .iter()
            .find(|(start, _, _)| word == *start || (start.len() > 2 && word.starts_with(start)))
            .map(|(_, kind, role)| (*kind, *role))
    })
}

/// Whether a heading may decide what the values alone do not.
fn agrees(hint: Kind, found: Kind) -> bool {
    let plain =
        |kind| matches!(kind, Kind::Station | Kind::Trunk | Kind::Code | Kind::Text | Kind::Account | Kind::Counter);
    hint == found
        || matches!((hint, found), (Kind::Duration, Kind::Seconds))
        || (plain(hint) && plain(found))
        || (hint == Kind::Number && matches!(found, Kind::Station | Kind::Text | Kind::Name | Kind::Code))
        || (hint == Kind::Name && matches!(found, Kind::Text | Kind::Code))
        || (hint == Kind::CallId && found == Kind::Counter)
}

fn classify(column: &mut Column, values: &Values<'_>, hint: Option<(Kind, Role)>, today: Date) {
    let take = |column: &mut Column, kind: Kind, fit: Fit| {
        (column.kind, column.format, column.other_formats) = (kind, Some(fit.format), fit.others);
        (column.sure, column.evidence) = (fit.sure, fit.evidence);
    };
    let (filled, distinct) = (values.texts.len(), values.counts.len());
    let clockish = values.longest >= 4 && values.share(|text| digits(text) >= 3) > 0.9;
    if clockish && let Some(fit) = clocks::date(&values.texts, true, today) {
        return take(column, Kind::Datetime, fit);
    }
    if clockish
        && values.longest >= 5
        && let Some(fit) = clocks::date(&values.texts, false, today)
    {
        return take(column, Kind::Date, fit);
    }
    if clockish && let Some(fit) = clocks::time(&values.texts) {
        return take(column, Kind::Time, fit);
    }
    let punctuated = values.share(|text| text.iter().any(|byte| b":'".contains(byte))) > 0.9;
    let padded = values.share(|text| text.first() == Some(&b'0')) > 0.7;
    let long = hint.is_some_and(|(kind, _)| kind == Kind::Duration);
    if (punctuated || (padded && distinct > 3) || long)
        && let Some(fit) = clocks::duration(&values.texts)
    {
        return take(column, Kind::Duration, fit);
    }
    column.evidence.push(format!("{distinct} different on {filled} records"));
    let numeric = values.all(|text| text.iter().all(u8::is_ascii_digit));
    // Numbers that chance put in order are numbers still.
    let dialled = values.all(|text| text.len() >= 10 && text.first() == Some(&b'0'));
    if numeric
        && !dialled
        && let Some(onward) = rising(values)
    {
        column.evidence.push(format!("goes up from record to record {onward} of {} times", filled.saturating_sub(1)));
        let unique = distinct == filled;
        (column.kind, column.sure) = (if unique { Kind::CallId } else { Kind::Counter }, Sure::Likely);
        return;
    }
    let part = |text: &[u8]| text.iter().filter(|byte| !byte.is_ascii_digit()).count() == 1;
    let priced = |text: &[u8]| part(text) && text.iter().rev().nth(2).is_some_and(|byte| b".,".contains(byte));
    if values.longest <= 12 && values.share(priced) > 0.9 {
        (column.kind, column.sure) = (Kind::Cost, Sure::Likely);
        return;
    }
    if long && numeric && values.digits <= 5 {
        (column.kind, column.sure) = (Kind::Seconds, Sure::Likely);
        return;
    }
    let address = |text: &[u8]| std::str::from_utf8(text).is_ok_and(|text| text.parse::<std::net::IpAddr>().is_ok());
    let telephone =
        |text: &[u8]| !address(text) && text.iter().all(|byte| byte.is_ascii_digit() || b"*#+.- ()".contains(byte));
    let numbers = values.share(|text| telephone(text) && digits(text) > NUMBER_DIGITS);
    if values.digits > NUMBER_DIGITS && numbers >= 0.05 {
        column.kind = Kind::Number;
        column.role = Role::OtherParty;
        column.sure = if numbers >= 0.5 { Sure::Certain } else { Sure::Likely };
        let longest = values.texts.iter().map(|text| digits(text)).max().unwrap_or(0);
        column.evidence.push(format!("up to {longest} digits"));
        column.values =
            words(values, |text| text.iter().any(|byte| byte.is_ascii_alphabetic() || b"<>".contains(byte)));
        return;
    }
    let short = values.longest <= LONGEST_CODE && distinct <= MOST_CODES && values.digits < NUMBER_DIGITS;
    let worded = values.share(|text| !text.iter().any(u8::is_ascii_digit)) > 0.5;
    if short && (distinct == 1 || (filled >= distinct.saturating_mul(2) && (worded || values.longest == 1))) {
        column.kind = Kind::Code;
        column.sure = if filled >= 5 && worded { Sure::Certain } else { Sure::Likely };
        column.values = words(values, |_| true);
        return;
    }
    let stationed = |text: &[u8]| {
        let letters = text.iter().take_while(|byte| byte.is_ascii_alphabetic() || **byte == b'#').count();
        let rest = text.get(letters..).unwrap_or_default();
        letters <= 3 && !rest.is_empty() && rest.len() <= 6 && rest.iter().all(u8::is_ascii_digit)
    };
    if values.share(stationed) >= 0.9 && values.longest >= 2 && values.all(|text| text.is_ascii()) {
        column.kind = Kind::Station;
        column.evidence.push(format!("up to {} digits", values.digits));
        return;
    }
    if values.share(|text| text.iter().any(u8::is_ascii_alphabetic)) > 0.5 && distinct > 3 {
        (column.kind, column.sure) = (Kind::Name, Sure::Guess);
    }
}

/// How often the values go up by a little, where they mostly do.
fn rising(values: &Values<'_>) -> Option<usize> {
    let read: Vec<u64> = values.texts.iter().filter_map(|text| std::str::from_utf8(text).ok()?.parse().ok()).collect();
    let pairs = read.len().saturating_sub(1);
    let onward = read
        .windows(2)
        .filter(|pair| match pair {
            [one, other] => other > one && other.saturating_sub(*one) <= 50,
            _ => false,
        })
        .count();
    (pairs >= 4 && read.len() == values.texts.len() && onward.saturating_mul(10) >= pairs.saturating_mul(7))
        .then_some(onward)
}

/// The words among the values with their counts, the most frequent first. What may be a number is not shown.
pub(super) fn words(values: &Values<'_>, wanted: impl Fn(&[u8]) -> bool) -> Vec<(String, usize)> {
    let mut found: Vec<(String, usize)> = values
        .counts
        .iter()
        .filter(|(text, _)| wanted(text) && text.is_ascii() && digits(text) < NUMBER_DIGITS && text.len() <= 20)
        .map(|(text, count)| (String::from_utf8_lossy(text).into_owned(), *count))
        .collect();
    found.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    found.truncate(MOST_CODES);
    found
}

/// Of the columns that look like stations, the one with the most values is; the others are trunks, or codes.
fn settle_stations(columns: &mut [Column]) {
    let open: Vec<usize> = (0..)
        .zip(columns.iter())
        .filter(|(_, c)| c.kind == Kind::Station && c.role == Role::Nothing)
        .map(|(at, _)| at)
        .collect();
    let mut named = columns.iter().any(|column| column.role == Role::Key("extension"));
    let mut trunk = columns.iter().any(|column| column.role == Role::Key("trunk"));
    let mut ranked = open;
    ranked.sort_by_key(|at| std::cmp::Reverse(columns.get(*at).map_or((0, 0), |c| (c.distinct, c.filled))));
    for at in ranked {
        let Some(column) = columns.get_mut(at) else { continue };
        let what;
        (column.kind, column.role, what) = match (named, trunk) {
            (false, _) => (Kind::Station, Role::Key("extension"), "the most values of those that may be stations"),
            (true, false) => (Kind::Trunk, Role::Key("trunk"), "fewer values than the stations"),
            (true, true) => (Kind::Device, Role::Nothing, "a station or a trunk beside those"),
        };
        column.sure = if column.role == Role::Nothing { Sure::Guess } else { Sure::Likely };
        column.evidence.push(what.to_owned());
        (named, trunk) = (true, trunk || named);
    }
}

/// The first length without a role is the talk; where there are two, the one with the shorter times is the ringing.
fn settle_lengths(columns: &mut [Column]) {
    let is_open =
        |column: &Column| matches!(column.kind, Kind::Duration | Kind::Seconds) && column.role == Role::Nothing;
    let taken = |columns: &[Column], key| columns.iter().any(|column| column.role == Role::Key(key));
    let mut open = columns.iter().filter(|column| is_open(column)).count();
    for at in 0..columns.len() {
        if !columns.get(at).is_some_and(is_open) {
            continue;
        }
        let role = match (taken(columns, "talk"), taken(columns, "ring")) {
            (false, ring) if open == 1 || ring => Role::Key("talk"),
            (false, false) => Role::Key("ring"),
            (true, false) if columns.get(at).is_some_and(|column| column.sure == Sure::Certain) => Role::Key("ring"),
            _ => Role::Nothing,
        };
        if let Some(column) = columns.get_mut(at) {
            column.role = role;
            if open > 1 {
                column.sure = column.sure.min(Sure::Likely);
                column.evidence.push("which of the lengths is the ringing, the lines do not say".to_owned());
            }
        }
        open = open.saturating_sub(1);
    }
    for column in columns.iter_mut() {
        column.role = match (column.kind, column.role) {
            (Kind::CallId, Role::Nothing) => Role::Key("call-id"),
            (Kind::Account, Role::Nothing) => Role::Key("account"),
            (_, role) => role,
        };
    }
}

/// Gives each column a name that says what it is, once.
fn name(columns: &mut [Column]) {
    let mut used: BTreeMap<String, usize> = BTreeMap::new();
    for column in columns.iter_mut() {
        let base = match (column.kind, column.role) {
            (Kind::Duration | Kind::Seconds, Role::Key(key)) => key.to_owned(),
            (Kind::Number, Role::Key("cli")) => "caller".to_owned(),
            (kind, _) => kind.word().replace('-', "_"),
        };
        let count = used.entry(base.clone()).or_default();
        *count = count.saturating_add(1);
        column.name = if *count > 1 { format!("{base}_{count}") } else { base };
    }
}

/// What the page header prints above a column.
fn heading(furniture: &[&[u8]], layout: Layout, place: Place) -> Option<String> {
    let above = |line: &&[u8]| -> Option<String> {
        let (from, to) = match (layout, place) {
            (_, Place::Span(from, to)) => {
                // The words whose middle stands above the column, or that begin there.
                let mut found = Vec::new();
                let mut at: usize = 0;
                for word in line.split(u8::is_ascii_whitespace) {
                    let middle = at.saturating_add(word.len() / 2);
                    if !word.is_empty() && ((from..to).contains(&middle) || (from..to).contains(&at)) {
                        found.push(String::from_utf8_lossy(word).into_owned());
                    }
                    at = at.saturating_add(word.len()).saturating_add(1);
                }
                return Some(found.join(" ")).filter(|words| words.bytes().any(|byte| byte.is_ascii_alphabetic()));
            }
            _ => span(line, layout, place)?,
        };
        let text = String::from_utf8_lossy(line.get(from..to)?).into_owned();
        text.bytes().any(|byte| byte.is_ascii_alphabetic()).then_some(text)
    };
    furniture.iter().find_map(above)
}
