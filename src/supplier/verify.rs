//! Whether a document keeps its word: the URL's practice and day, every half-hour of the day, sums that add up.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde_json::Value;

use super::field::{absent, misshapen, read_document};
use super::problem::{Kind, Problem};
use super::tokens::is_ods;
use crate::aggregate::document::{
    BUCKETS, Cbt, DayDocument, EDGES_S, Figures, Histogram, SCHEMA, SOURCE_SYSTEM, SourceDay,
};
use crate::push::legible;

/// Seconds of a half-hour.
const SLOT_S: i64 = 1_800;

/// The site and day that a URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// ODS code of the practice.
    pub ods: String,
    /// Site within the practice.
    pub site: String,
    /// The civil day.
    pub date: Date,
}

impl Address {
    /// Reads the parts of a path.
    pub fn parse(ods: &str, site: &str, date: &str) -> Result<Address, Problem> {
        practice_and_site(ods, site)?;
        let bad = || {
            let said = format!("date {:?} is not YYYY-MM-DD", legible(date));
            Problem::new(Kind::BadAddress, said)
        };
        let parsed: Date = date.parse().map_err(|_| bad())?;
        if parsed.to_string() != date {
            return Err(bad());
        }
        Ok(Address { ods: ods.to_owned(), site: site.to_owned(), date: parsed })
    }
}

/// Whether a practice and a site can be named so.
pub fn practice_and_site(ods: &str, site: &str) -> Result<(), Problem> {
    if !is_ods(ods) {
        let said = format!("practice {:?} is no ODS code, a capital letter and five digits", legible(ods));
        return Err(Problem::new(Kind::BadAddress, said));
    }
    if !is_name(site) {
        let said = format!("site {:?} is not 1 to 64 letters, digits, '.', '_' and '-'", legible(site));
        return Err(Problem::new(Kind::BadAddress, said));
    }
    Ok(())
}

/// Whether `text` can name a site or a box.
pub fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        && !text.bytes().all(|byte| byte == b'.')
}

/// Reads and checks the document in `body`. Returns it, and whether its bytes are canonical.
pub fn verify(body: &[u8], address: &Address) -> Result<(DayDocument, bool), Problem> {
    let given: Value = serde_json::from_slice(body).map_err(|error| {
        Problem::new(Kind::NotJson, format!("not JSON at line {} column {}", error.line(), error.column()))
    })?;
    match given.get("schema").and_then(Value::as_str) {
        Some(SCHEMA) => {}
        Some(other) => {
            let said = format!("{:?} is not known here; {SCHEMA} is", legible(other));
            return Err(Problem::field(Kind::UnknownSchema, "/schema", said));
        }
        None => return Err(invalid("/schema", format!("must be {SCHEMA:?}"))),
    }
    let document = read_document(body).map_err(|(pointer, reason)| invalid(pointer, legible(&reason)))?;
    let ours = serde_json::to_value(&document).map_err(|error| invalid("", error))?;
    if let Some(pointer) = absent(&given, &ours) {
        return Err(invalid(pointer, "is absent; what cannot be said is null"));
    }
    check_address(&document, address)?;
    check_head(&document)?;
    check_slots(&document)?;
    for (index, slot) in document.slots.iter().enumerate() {
        check_figures(&format!("/slots/{index}"), &slot.figures)?;
    }
    check_figures("/totals", &document.totals)?;
    check_totals(&document)?;
    check_metrics(&document.cbt)?;
    if let Some((pointer, said)) = misshapen(&given, &ours) {
        return Err(invalid(pointer, legible(&said)));
    }
    let canonical = serde_json::to_vec(&given).is_ok_and(|bytes| bytes == body);
    Ok((document, canonical))
}

fn invalid(pointer: impl Into<String>, detail: impl std::fmt::Display) -> Problem {
    Problem::field(Kind::InvalidDocument, pointer, detail)
}

fn check_address(document: &DayDocument, address: &Address) -> Result<(), Problem> {
    for (pointer, ours, theirs) in [
        ("/practice/ods", &document.practice.ods, &address.ods),
        ("/practice/site", &document.practice.site, &address.site),
        ("/date", &document.date.to_string(), &address.date.to_string()),
    ] {
        if ours != theirs {
            let said = format!("is {:?}, the URL says {theirs:?}", legible(ours));
            return Err(Problem::field(Kind::AddressMismatch, pointer, said));
        }
    }
    Ok(())
}

fn check_head(document: &DayDocument) -> Result<(), Problem> {
    if document.revision == 0 {
        return Err(invalid("/revision", "is 0; the first is 1"));
    }
    if document.source_system != SOURCE_SYSTEM {
        return Err(invalid("/source_system", format!("must be {SOURCE_SYSTEM:?}")));
    }
    if !is_name(&document.device) {
        return Err(invalid("/device", "is not 1 to 64 letters, digits, '.', '_' and '-'"));
    }
    if document.edges_s != EDGES_S {
        return Err(invalid("/edges_s", format!("must be {EDGES_S:?}")));
    }
    if !document.audit_head.starts_with("sha256:") || document.audit_head.len() > 80 {
        return Err(invalid("/audit_head", "is not sha256: and a digest"));
    }
    let digest = |text: &String| {
        let hex = text.strip_prefix("sha256:").unwrap_or_default();
        hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    if !document.previous.as_ref().is_none_or(digest) {
        return Err(invalid("/previous", "is neither null nor sha256: and 64 digits of lower-case hex"));
    }
    check_names(document)?;
    for (index, source) in document.sources.iter().enumerate() {
        let SourceDay { lines, records, continuations, events, headers, noise, unparsed, duplicates, .. } = source;
        let parts = [records, continuations, events, headers, noise, unparsed, duplicates];
        let sum = parts.into_iter().try_fold(0_u64, |sum, part| sum.checked_add(*part));
        if sum != Some(*lines) {
            let pointer = format!("/sources/{index}/lines");
            return Err(invalid(pointer, format!("is {lines}, its seven parts make {}", shown(sum))));
        }
    }
    Ok(())
}

fn check_names(document: &DayDocument) -> Result<(), Problem> {
    let empty = |pointer: String| Err(invalid(pointer, "is empty"));
    for (index, source) in document.sources.iter().enumerate() {
        if source.name.is_empty() {
            return empty(format!("/sources/{index}/name"));
        }
        if source.dialect.is_empty() {
            return empty(format!("/sources/{index}/dialect"));
        }
    }
    for (index, gap) in document.coverage.gaps.iter().enumerate() {
        if gap.source.is_empty() {
            return empty(format!("/coverage/gaps/{index}/source"));
        }
        let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if gap.cause.is_empty() || !gap.cause.bytes().all(word) {
            return Err(invalid(format!("/coverage/gaps/{index}/cause"), "is not a word of a-z, 0-9 and '-'"));
        }
    }
    Ok(())
}

fn check_slots(document: &DayDocument) -> Result<(), Problem> {
    let unknown_zone = || invalid("/zone", format!("{:?} is not in the time zone database", legible(&document.zone)));
    let zone = TimeZone::get(&document.zone).map_err(|_| unknown_zone())?;
    let midnight = |date: Date| date.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp());
    let tomorrow = document.date.checked_add(1.day()).ok();
    let (Some(start), Some(end)) = (midnight(document.date), tomorrow.and_then(midnight)) else {
        return Err(invalid("/date", "is outside of all calendars"));
    };
    for (pointer, ours, theirs) in [("/day/start", document.day.start, start), ("/day/end", document.day.end, end)] {
        if ours != theirs {
            return Err(invalid(pointer, format!("is {ours}, in {} it is {theirs}", document.zone)));
        }
    }
    let slots = end.duration_since(start).as_secs() / SLOT_S;
    for (pointer, count) in [("/day/slots", i64::from(document.day.slots)), ("/slots", document.slots.len() as i64)] {
        if count != slots {
            return Err(invalid(pointer, format!("{count} half-hours, this day has {slots}")));
        }
    }
    let mut expected: Timestamp = start;
    for (index, slot) in document.slots.iter().enumerate() {
        if slot.start != expected {
            let said = format!("is {}, in order it is {expected}", slot.start);
            return Err(invalid(format!("/slots/{index}/start"), said));
        }
        let label = expected.to_zoned(zone.clone()).strftime("%H:%M").to_string();
        if slot.local != label {
            let said = format!("is {:?}, in {} it is {label:?}", legible(&slot.local), document.zone);
            return Err(invalid(format!("/slots/{index}/local"), said));
        }
        if slot.observed_s > SLOT_S as u64 {
            let said = format!("is {}, a half-hour has {SLOT_S}", slot.observed_s);
            return Err(invalid(format!("/slots/{index}/observed_s"), said));
        }
        expected += SignedDuration::from_secs(SLOT_S);
    }
    let day_s = end.duration_since(start).as_secs().unsigned_abs();
    if document.coverage.observed_s > day_s {
        let said = format!("is {}, the day has {day_s}", document.coverage.observed_s);
        return Err(invalid("/coverage/observed_s", said));
    }
    Ok(())
}

fn check_figures(at: &str, figures: &Figures) -> Result<(), Problem> {
    let inbound = &figures.inbound;
    for (field, histogram, unknown, count_of, count) in [
        ("answered_wait", &inbound.answered_wait, inbound.answered_wait_unknown, "answered", inbound.answered),
        ("answered_talk", &inbound.answered_talk, inbound.answered_talk_unknown, "answered", inbound.answered),
        ("missed_wait", &inbound.missed_wait, inbound.missed_wait_unknown, "missed", inbound.missed),
    ] {
        if let (Some(histogram), Some(unknown), Some(count)) = (histogram, unknown, count) {
            let sum = histogram_sum(histogram).and_then(|sum| sum.checked_add(unknown));
            if sum != Some(count) {
                let said = format!("with {field}_unknown makes {}, {count_of} is {count}", shown(sum));
                return Err(invalid(format!("{at}/inbound/{field}"), said));
            }
        }
    }
    let parts = [inbound.ivr_ended, inbound.answered, inbound.callback_requested, inbound.missed];
    let sum = parts.into_iter().try_fold(0_u64, |sum, part| sum.checked_add(part?));
    match (inbound.calls, parts.contains(&None)) {
        (Some(_), true) => {
            let said = "is a number, though a part of it is null";
            return Err(invalid(format!("{at}/inbound/calls"), said));
        }
        (Some(calls), false) if sum != Some(calls) => {
            let said = format!("is {calls}, ivr_ended + answered + callback_requested + missed make {}", shown(sum));
            return Err(invalid(format!("{at}/inbound/calls"), said));
        }
        _ => {}
    }
    if let (Some(voicemail), Some(missed)) = (inbound.missed_voicemail, inbound.missed)
        && voicemail > missed
    {
        let said = format!("is {voicemail}, more than the {missed} missed calls it is a part of");
        return Err(invalid(format!("{at}/inbound/missed_voicemail"), said));
    }
    Ok(())
}

fn histogram_sum(histogram: &Histogram) -> Option<u64> {
    histogram.iter().try_fold(0_u64, |sum, count| sum.checked_add(*count))
}

fn shown(sum: Option<u64>) -> String {
    sum.map_or_else(|| "more than can be counted".to_owned(), |sum| sum.to_string())
}

fn check_totals(document: &DayDocument) -> Result<(), Problem> {
    let value = |figures: &Figures| serde_json::to_value(figures).map_err(|error| invalid("/totals", error));
    let mut slots = document.slots.iter();
    let Some(first) = slots.next() else { return Ok(()) };
    let mut expected = value(&first.figures)?;
    for slot in slots {
        add("", &mut expected, &value(&slot.figures)?)
            .map_err(|field| invalid(format!("/totals{field}"), "the slots' sum is more than can be counted"))?;
    }
    match difference("", &value(&document.totals)?, &expected) {
        None => Ok(()),
        Some((field, ours, theirs)) => {
            Err(invalid(format!("/totals{field}"), format!("is {ours}, the slots make {theirs}")))
        }
    }
}

/// Adds `part` to `sum`, field by field; null with anything is null, and the peak is a maximum.
fn add(at: &str, sum: &mut Value, part: &Value) -> Result<(), String> {
    match (&mut *sum, part) {
        (Value::Object(sum), Value::Object(part)) => {
            for (key, part) in part {
                if let Some(sum) = sum.get_mut(key) {
                    add(&format!("{at}/{key}"), sum, part)?;
                }
            }
        }
        (Value::Array(sum), Value::Array(part)) => {
            debug_assert_eq!((sum.len(), part.len()), (BUCKETS, BUCKETS));
            for (index, (sum, part)) in sum.iter_mut().zip(part).enumerate() {
                add(&format!("{at}/{index}"), sum, part)?;
            }
        }
        _ => {
            *sum = match (sum.as_u64(), part.as_u64()) {
                (Some(ours), Some(theirs)) if at == "/trunks/peak_concurrent" => ours.max(theirs).into(),
                (Some(ours), Some(theirs)) => ours.checked_add(theirs).ok_or_else(|| at.to_owned())?.into(),
                _ => Value::Null,
            };
        }
    }
    Ok(())
}

fn difference(at: &str, ours: &Value, theirs: &Value) -> Option<(String, String, String)> {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            ours.iter().find_map(|(key, ours)| difference(&format!("{at}/{key}"), ours, theirs.get(key)?))
        }
        (Value::Array(ours), Value::Array(theirs)) => ours
            .iter()
            .zip(theirs)
            .enumerate()
            .find_map(|(index, (ours, theirs))| difference(&format!("{at}/{index}"), ours, theirs)),
        _ => (ours != theirs).then(|| (at.to_owned(), ours.to_string(), theirs.to_string())),
    }
}

fn check_metrics(cbt: &Cbt) -> Result<(), Problem> {
    if let (Some(all), Some(menu), Some(answered), Some(missed), Some(callback)) =
        (cbt.cbt001, cbt.cbt002, cbt.cbt003, cbt.cbt004, cbt.cbt005)
    {
        let sum = [menu, answered, missed, callback].into_iter().try_fold(0_u64, u64::checked_add);
        if sum != Some(all) {
            return Err(invalid("/cbt/CBT001", format!("is {all}, CBT002 to CBT005 make {}", shown(sum))));
        }
    }
    if let (Some(by_wait), Some(by_length)) = (cbt.cbt003, cbt.cbt007)
        && by_wait != by_length
    {
        return Err(invalid("/cbt/CBT007", format!("is {by_length}, CBT003 counts the same calls as {by_wait}")));
    }
    Ok(())
}
