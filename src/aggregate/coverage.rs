//! How much of a day was observed: from the stretches in which each source's link was up.

use jiff::Timestamp;

use super::document::Gap;
use super::slots::SLOT_S;

/// A stretch in which the link of a source was up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Up {
    /// First instant.
    pub from: Timestamp,
    /// First instant after it.
    pub to: Timestamp,
}

/// Why a stretch was not observed, and from when that reason held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// From this instant on.
    pub from: Timestamp,
    /// One word: `link-down`, `not-running`, …
    pub word: String,
}

/// One source's links on a day.
#[derive(Debug, Clone, Default)]
pub struct Links {
    /// Name of the source.
    pub source: String,
    /// When it was up.
    pub up: Vec<Up>,
    /// Why it was not, in order.
    pub causes: Vec<Cause>,
    /// The stretches for which records came in a file: nothing is known of what the file lacks, so they are gaps like
    /// others, with a word of their own.
    pub imported: Vec<Up>,
    /// It is a file of a PBX that is a source itself, whose link says what was observed.
    pub beside: bool,
}

/// The gaps of one source between `start` and `end`. Where no cause is known the daemon was not running.
pub fn gaps(links: &Links, start: Timestamp, end: Timestamp) -> Vec<Gap> {
    if links.beside {
        return Vec::new();
    }
    let imported = |from, to| links.imported.iter().any(|stretch| stretch.from < to && from <= stretch.to);
    let mut up = links.up.clone();
    up.sort();
    let mut gaps = Vec::new();
    let mut seen = start;
    for stretch in up {
        if stretch.to <= seen || stretch.from >= end {
            continue;
        }
        if stretch.from > seen {
            gaps.push((seen, stretch.from));
        }
        seen = seen.max(stretch.to);
    }
    if seen < end {
        gaps.push((seen, end));
    }
    let gap = |(from, to): (Timestamp, Timestamp)| Gap {
        start: from,
        end: to,
        cause: if imported(from, to) {
            "imported".to_owned()
        } else {
            let cause = links.causes.iter().rev().find(|cause| cause.from <= from);
            cause.map_or_else(|| "not-running".to_owned(), |cause| cause.word.clone())
        },
        source: links.source.clone(),
    };
    gaps.into_iter().map(gap).filter(|gap| gap.end > gap.start).collect()
}

/// Seconds between `from` and `to` that no gap of any source touches: what was observed of the whole practice.
pub fn observed_s(all: &[Gap], from: Timestamp, to: Timestamp) -> u64 {
    let mut holes: Vec<(i64, i64)> = all
        .iter()
        .map(|gap| (gap.start.max(from).as_second(), gap.end.min(to).as_second()))
        .filter(|(start, end)| end > start)
        .collect();
    holes.sort_unstable();
    let (mut lost, mut reached) = (0, from.as_second());
    for (start, end) in holes {
        let start = start.max(reached);
        if end > start {
            lost += end - start;
            reached = end;
        }
    }
    u64::try_from(to.as_second() - from.as_second() - lost).unwrap_or(0)
}

/// Seconds of the slot that were observed.
pub fn slot_observed_s(all: &[Gap], slot: Timestamp) -> u64 {
    let end = slot.saturating_add(jiff::SignedDuration::from_secs(SLOT_S)).unwrap_or(slot);
    observed_s(all, slot, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-11-20T{text}Z").parse().unwrap()
    }

    fn up(from: &str, to: &str) -> Up {
        Up { from: at(from), to: at(to) }
    }

    #[test]
    fn what_is_not_up_is_a_gap_with_its_cause() {
        let links = Links {
            source: "pbx".into(),
            up: vec![up("08:00:00", "08:47:00"), up("08:30:00", "08:40:00"), up("08:52:00", "09:30:00")],
            causes: vec![Cause { from: at("08:47:00"), word: "link-down".into() }],
            ..Links::default()
        };
        let gaps = gaps(&links, at("07:30:00"), at("09:00:00"));
        let shown: Vec<(&str, String, String)> =
            gaps.iter().map(|gap| (gap.cause.as_str(), gap.start.to_string(), gap.end.to_string())).collect();
        assert_eq!(
            shown,
            [
                ("not-running", at("07:30:00").to_string(), at("08:00:00").to_string()),
                ("link-down", at("08:47:00").to_string(), at("08:52:00").to_string()),
            ]
        );
        assert_eq!(slot_observed_s(&gaps, at("08:30:00")), 1500);
        assert_eq!(observed_s(&gaps, at("07:30:00"), at("09:00:00")), 5400 - 1800 - 300);
    }

    #[test]
    fn what_came_in_a_file_was_not_observed() {
        let imported = vec![up("08:03:00", "08:40:00")];
        let links = Links { source: "pbx".into(), up: vec![up("09:00:00", "10:00:00")], imported, ..Links::default() };
        let shown = |links: &Links| -> Vec<String> {
            gaps(links, at("08:00:00"), at("11:00:00")).into_iter().map(|gap| gap.cause).collect()
        };
        assert_eq!(shown(&links), ["imported", "not-running"]);
        assert!(shown(&Links { beside: true, ..links }).is_empty(), "the PBX's own link says what was observed");
    }

    #[test]
    fn overlapping_gaps_of_two_sources_are_lost_once() {
        let gap = |from: &str, to: &str| Gap { start: at(from), end: at(to), cause: "x".into(), source: "s".into() };
        let gaps = [gap("08:00:00", "08:10:00"), gap("08:05:00", "08:15:00")];
        assert_eq!(slot_observed_s(&gaps, at("08:00:00")), 900);
    }
}
