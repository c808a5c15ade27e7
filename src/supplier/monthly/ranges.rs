//! Bands of the day and buckets of seconds, as a template names them: they cover what there is, with edges that the
//! documents have.

use std::path::Path;

use jiff::civil::Time;
use serde::Deserialize;

use super::template::TemplateError;
use crate::aggregate::document::EDGES_S;

/// Half-hours of an ordinary day.
const HALF_HOURS: usize = 48;

/// A stretch of the day, as the file names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Band {
    /// What the file calls it.
    pub label: String,
    /// Its half-hours, counted from local midnight: first, and first after it.
    pub half_hours: (usize, usize),
}

/// A stretch of seconds, as the file names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// What the file calls it.
    pub label: String,
    /// The counts of a day document's histogram that it sums: first, and first after it.
    pub counts: (usize, usize),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenBand {
    pub(super) label: String,
    pub(super) from: String,
    pub(super) to: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenBucket {
    pub(super) label: String,
    pub(super) from: u32,
    pub(super) to: Option<u32>,
}

/// A label that can stand in a file.
fn check_label(label: &str) -> Result<(), String> {
    match label {
        "" => Err("the label is empty".to_owned()),
        label if label.chars().any(char::is_control) => Err("the label has a control character".to_owned()),
        _ => Ok(()),
    }
}

/// The bands cover the day in order, on half-hours, which is as fine as the documents are.
pub(super) fn bands(path: &Path, written: &[WrittenBand]) -> Result<Vec<Band>, TemplateError> {
    let mut reached = 0;
    let mut bands: Vec<Band> = Vec::new();
    for band in written {
        let bad = |reason: String| TemplateError::Ranges {
            path: path.to_owned(),
            table: "bands",
            label: band.label.clone(),
            reason,
        };
        check_label(&band.label).map_err(&bad)?;
        let from = half_hour(&band.from).map_err(&bad)?;
        let to = half_hour(&band.to).map_err(&bad)?;
        if from != reached {
            let said = clock_of(reached);
            return Err(bad(format!(
                "it begins at {}, and what comes before ends at {said}: bands follow one another from 00:00",
                band.from
            )));
        }
        if to <= from {
            return Err(bad(format!(
                "it ends at {}, not after it begins; the end is the first moment after it",
                band.to
            )));
        }
        if bands.iter().any(|other| other.label == band.label) {
            return Err(bad("the label is there twice".to_owned()));
        }
        bands.push(Band { label: band.label.clone(), half_hours: (from, to) });
        reached = to;
    }
    if reached != HALF_HOURS {
        let label = written.last().map_or_else(String::new, |band| band.label.clone());
        let reason = format!("the last band ends at {}; the day ends at 24:00", clock_of(reached));
        return Err(TemplateError::Ranges { path: path.to_owned(), table: "bands", label, reason });
    }
    Ok(bands)
}

fn half_hour(text: &str) -> Result<usize, String> {
    if text == "24:00" {
        return Ok(HALF_HOURS);
    }
    let no = || format!("{text:?} is no half-hour: write HH:00 or HH:30, and 24:00 for the end of the day");
    let time = Time::strptime("%H:%M", text).map_err(|_| no())?;
    match (usize::try_from(time.hour()), time.minute()) {
        (Ok(hour), 0) => Ok(hour * 2),
        (Ok(hour), 30) => Ok(hour * 2 + 1),
        _ => Err(format!("{}; documents are counted by half-hours", no())),
    }
}

fn clock_of(half_hours: usize) -> String {
    format!("{:02}:{:02}", half_hours / 2, half_hours % 2 * 30)
}

/// The buckets cover all seconds in order, with edges that the documents have.
pub(super) fn buckets(path: &Path, written: &[WrittenBucket]) -> Result<Vec<Bucket>, TemplateError> {
    let mut buckets: Vec<Bucket> = Vec::new();
    // The first second that no bucket has yet, and the first count of a histogram.
    let (mut second, mut count) = (Some(0), 0);
    for bucket in written {
        let bad = |reason: String| TemplateError::Ranges {
            path: path.to_owned(),
            table: "buckets",
            label: bucket.label.clone(),
            reason,
        };
        check_label(&bucket.label).map_err(&bad)?;
        if Some(bucket.from) != second {
            let said = second
                .map_or("nothing is left after the one before".to_owned(), |second| format!("{second} s is next"));
            return Err(bad(format!("it begins at {} s, and {said}: buckets follow one another from 0", bucket.from)));
        }
        let end = match bucket.to {
            None => EDGES_S.len() + 1,
            Some(to) => match EDGES_S.iter().position(|edge| *edge == to) {
                Some(at) if to >= bucket.from => at + 1,
                Some(_) => return Err(bad(format!("it ends at {to} s, before it begins"))),
                None => {
                    let edges = EDGES_S.map(|edge| edge.to_string()).join(", ");
                    return Err(bad(format!(
                        "it ends at {to} s; documents are counted up to {edges} s and above, and no other edge can be made of that"
                    )));
                }
            },
        };
        if buckets.iter().any(|other| other.label == bucket.label) {
            return Err(bad("the label is there twice".to_owned()));
        }
        buckets.push(Bucket { label: bucket.label.clone(), counts: (count, end) });
        (second, count) = (bucket.to.map(|to| to + 1), end);
    }
    if second.is_some() {
        let label = written.last().map_or_else(String::new, |bucket| bucket.label.clone());
        let reason = "the last bucket has an end; leave `to` away, so that it takes what is above".to_owned();
        return Err(TemplateError::Ranges { path: path.to_owned(), table: "buckets", label, reason });
    }
    Ok(buckets)
}
