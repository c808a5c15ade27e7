//! What moment a stamp means, as far as the order of the lines proves it. A PBX prints a call when it is over: where the
//! stamp is the end, the stamps go on; where it is the start, the stamps with the durations added do. And no station
//! is in two calls at once.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::DateTime;

use super::StampGuess;
use crate::record::StampKind;

/// One call as the columns show it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub at: DateTime,
    pub resolution_s: u8,
    /// Ringing and talk, together.
    pub length_s: u32,
    pub station: Option<String>,
}

/// What the order proves; where it proves nothing, what it allows.
pub(super) fn stamp(seen: &[Seen]) -> StampGuess {
    let back = |moment: fn(&Seen) -> Option<DateTime>| {
        let moments: Vec<(DateTime, u8)> =
            seen.iter().filter_map(|one| Some((moment(one)?, one.resolution_s))).collect();
        moments
            .windows(2)
            .filter(|pair| match pair {
                [(one, _), (other, step)] => one.duration_since(*other).as_secs() > i64::from(*step),
                _ => false,
            })
            .count()
    };
    let end = |one: &Seen| one.at.checked_add(i64::from(one.length_s).seconds()).ok();
    let (as_end, as_start) = (back(|one| Some(one.at)), back(end));
    let (clash_end, clash_start) = (clashes(seen, false), clashes(seen, true));
    let said = |moment: &str, back: usize, clash: usize| {
        format!("as {moment} {back} lines would be out of order and {clash} calls of one station overlap")
    };
    let evidence = format!("{}; {}", said("the end", as_end, clash_end), said("the start", as_start, clash_start));
    let clear = |for_it: usize, against: usize| against >= 3 && for_it.saturating_mul(8) <= against;
    let ends = clear(as_end, as_start) && !clear(clash_start, clash_end);
    let starts = clear(as_start, as_end) && !clear(clash_end, clash_start);
    let verdict = match (ends, starts) {
        (true, _) => "it is the end",
        (_, true) => "it is not the end; arrival or answer, the order does not say",
        _ => "no proof",
    };
    StampGuess { kind: ends.then_some(StampKind::End), starts, evidence: format!("{evidence}: {verdict}") }
}

/// How many calls begin before the one before of the same station has ended.
fn clashes(seen: &[Seen], from_start: bool) -> usize {
    let mut busy: BTreeMap<&str, Vec<(DateTime, DateTime, u8)>> = BTreeMap::new();
    for one in seen {
        let Some(station) = one.station.as_deref() else { continue };
        let length = i64::from(one.length_s).seconds();
        let span = if from_start {
            one.at.checked_add(length).ok().map(|end| (one.at, end))
        } else {
            one.at.checked_sub(length).ok().map(|start| (start, one.at))
        };
        if let Some((start, end)) = span {
            busy.entry(station).or_default().push((start, end, one.resolution_s));
        }
    }
    busy.values_mut()
        .map(|calls| {
            calls.sort();
            calls
                .windows(2)
                .filter(|pair| match pair {
                    [(_, end, _), (start, _, step)] => end.duration_since(*start).as_secs() > i64::from(*step),
                    _ => false,
                })
                .count()
        })
        .fold(0, usize::saturating_add)
}
