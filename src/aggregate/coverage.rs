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
    /// Stretches of which, though the link was up, not everything was seen, or not rightly.
    pub doubts: Vec<Doubt>,
}

/// A stretch of which a part, or all, was not seen though the link was up.
#[derive(Debug, Clone, PartialEq)]
pub struct Doubt {
    /// When.
    pub stretch: Up,
    /// One word: `silence`, `sequence-gap`, `unparsed`, `clock-doubt`, …
    pub word: String,
    /// Which part of it is lost, above 0 and up to 1; all of it where there is none.
    pub share: Option<f64>,
    /// How many records or lines are missing, where that is known.
    pub records: Option<u64>,
}

/// The gaps of one source between `start` and `end`, in order. Where no cause is known the PBX had never been connected.
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
    let mut causes: Vec<&Cause> = links.causes.iter().collect();
    causes.sort_by_key(|cause| cause.from);
    let mut found = Vec::new();
    for (from, to) in gaps {
        let mut gap = |from: Timestamp, to: Timestamp| {
            let cause = causes.iter().rev().find(|cause| cause.from <= from);
            let cause = if imported(from, to) {
                "imported".to_owned()
            } else {
                cause.map_or_else(|| "never-connected".to_owned(), |cause| cause.word.clone())
            };
            if to > from {
                let source = links.source.clone();
                found.push(Gap { start: from, end: to, cause, source, lost_s: None, records: None });
            }
        };
        // One reason may follow another: the daemon runs again, and the link does not come up.
        let mut since = from;
        let whole = imported(from, to);
        for cause in causes.iter().filter(|cause| cause.from > from && cause.from < to && !whole) {
            gap(since, cause.from);
            since = cause.from;
        }
        gap(since, to);
    }
    for doubt in &links.doubts {
        let (from, to) = (doubt.stretch.from.max(start), doubt.stretch.to.min(end));
        let length = to.duration_since(from).as_secs();
        if to > from {
            let lost = |share: f64| (share.clamp(0.0, 1.0) * length as f64).ceil() as u64;
            found.push(Gap {
                start: from,
                end: to,
                cause: doubt.word.clone(),
                source: links.source.clone(),
                lost_s: doubt.share.map(lost),
                records: doubt.records,
            });
        }
    }
    found.sort_by(|one, other| (one.start, one.end, &one.cause).cmp(&(other.start, other.end, &other.cause)));
    found
}

/// Seconds between `from` and `to` that no gap of any source touches: what was observed of the whole practice.
pub fn observed_s(all: &[Gap], from: Timestamp, to: Timestamp) -> u64 {
    let mut holes: Vec<(i64, i64)> = all
        .iter()
        .filter(|gap| gap.lost_s.is_none())
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
    // Then those of which a part is lost; two of them may be the same part, which errs to the careful side.
    let part = |gap: &Gap| {
        let (start, end) = (gap.start.max(from).as_second(), gap.end.min(to).as_second());
        let length = gap.end.as_second() - gap.start.as_second();
        let lost = gap.lost_s.filter(|_| end > start && length > 0)?;
        Some((lost as f64 * (end - start) as f64 / length as f64).ceil() as i64)
    };
    let partly: i64 = all.iter().filter_map(part).sum();
    u64::try_from(to.as_second() - from.as_second() - lost - partly).unwrap_or(0)
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
                ("never-connected", at("07:30:00").to_string(), at("08:00:00").to_string()),
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
        assert_eq!(shown(&links), ["imported", "never-connected"]);
        assert!(shown(&Links { beside: true, ..links }).is_empty(), "the PBX's own link says what was observed");
    }

    #[test]
    fn overlapping_gaps_of_two_sources_are_lost_once() {
        let gaps = [gap("08:00:00", "08:10:00"), gap("08:05:00", "08:15:00")];
        assert_eq!(slot_observed_s(&gaps, at("08:00:00")), 900);
    }

    fn gap(from: &str, to: &str) -> Gap {
        let (cause, source) = ("x".into(), "s".into());
        Gap { start: at(from), end: at(to), cause, source, lost_s: None, records: None }
    }

    #[test]
    fn of_a_doubtful_stretch_its_share_is_lost_in_each_slot() {
        let doubt = |from: &str, to: &str, share| Doubt {
            stretch: up(from, to),
            word: "unparsed".into(),
            share,
            records: Some(3),
        };
        let links = Links {
            source: "pbx".into(),
            up: vec![up("08:00:00", "10:00:00")],
            doubts: vec![doubt("08:15:00", "08:45:00", Some(0.1)), doubt("09:00:00", "09:05:00", None)],
            ..Links::default()
        };
        let gaps = gaps(&links, at("08:00:00"), at("09:30:00"));
        assert_eq!(gaps.iter().map(|gap| gap.lost_s).collect::<Vec<_>>(), [Some(180), None]);
        let slots = ["08:00:00", "08:30:00", "09:00:00"].map(|slot| slot_observed_s(&gaps, at(slot)));
        assert_eq!(slots, [1710, 1710, 1500]);
        let both = [gap("08:00:00", "08:29:00"), Gap { lost_s: Some(900), ..gap("08:00:00", "08:30:00") }];
        assert_eq!(slot_observed_s(&both, at("08:00:00")), 0, "never less than nothing");
    }

    #[test]
    fn one_reason_follows_another() {
        let links = Links {
            source: "pbx".into(),
            up: vec![up("08:00:00", "09:00:00")],
            causes: vec![
                Cause { from: at("09:00:00"), word: "not-running".into() },
                Cause { from: at("09:10:00"), word: "not-connected".into() },
            ],
            ..Links::default()
        };
        let gaps = gaps(&links, at("08:30:00"), at("10:00:00"));
        let shown: Vec<(&str, Timestamp)> = gaps.iter().map(|gap| (gap.cause.as_str(), gap.end)).collect();
        assert_eq!(shown, [("not-running", at("09:10:00")), ("not-connected", at("10:00:00"))]);
    }
}
