//! Which of several layouts a PBX prints, where nobody said: its lines tell. Until they do, it may be any, and what one of
//! them lacks is not promised.

use compact_str::CompactString;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::plan::{Plan, Telling};
use super::state::SourceState;

/// Lines told that an option has a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    pub option: CompactString,
    pub value: CompactString,
    /// The box's day on which the first of them came …
    pub since: Date,
    /// … and the last.
    pub until: Date,
}

impl Plan {
    /// Notes what a line of this kind tells.
    pub(super) fn tell(&self, kind: usize, today: Date, state: &mut SourceState) {
        for telling in &self.told {
            let Some((value, ..)) = telling.values.iter().find(|(_, kinds, _)| kinds.contains(&kind)) else { continue };
            let known = state.told.iter_mut().find(|told| told.option == telling.option && told.value == *value);
            match known {
                Some(told) => {
                    told.since = told.since.min(today);
                    told.until = told.until.max(today);
                }
                None => {
                    let (option, value) = (telling.option.clone(), value.clone());
                    state.told.push(Told { option, value, since: today, until: today });
                }
            }
        }
    }

    /// What the format did not show on a day of the box's: words of [`super::CANNOT`]. Where it is left to the lines which
    /// layout they are in, what is lacking in any that they were in on that day; on a day without lines, in the last one
    /// before it, else in the first one after it; and as long as no line told, in any there is.
    pub fn cannot_on(&self, state: &SourceState, day: Date) -> Vec<String> {
        let mut cannot = self.cannot.clone();
        for telling in &self.told {
            let values = in_use(telling, state, day);
            let lacking = telling.values.iter().filter(|(value, ..)| values.is_empty() || values.contains(&value));
            for word in lacking.flat_map(|(_, _, words)| words) {
                if !cannot.contains(word) {
                    cannot.push(word.clone());
                }
            }
        }
        cannot
    }

    /// The options whose value no line told yet, though it is left to them.
    pub fn untold<'a>(&'a self, state: &'a SourceState) -> impl Iterator<Item = &'a str> {
        let told = |telling: &&Telling| !state.told.iter().any(|told| told.option == telling.option);
        self.told.iter().filter(told).map(|telling| telling.option.as_str())
    }
}

/// The values that an option had on a day; none where no line ever told.
fn in_use<'a>(telling: &Telling, state: &'a SourceState, day: Date) -> Vec<&'a CompactString> {
    let told = || state.told.iter().filter(|told| told.option == telling.option);
    let mut values: Vec<&CompactString> =
        told().filter(|told| told.since <= day && day <= told.until).map(|told| &told.value).collect();
    if values.is_empty() {
        let before = told().map(|told| told.until).filter(|until| *until < day).max();
        let after = told().map(|told| told.since).filter(|since| *since > day).min();
        let nearest = |told: &&Told| match before {
            Some(before) => told.until == before,
            None => Some(told.since) == after,
        };
        values.extend(told().filter(nearest).map(|told| &told.value));
    }
    values
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::civil::{Date, date};

    use crate::dialect::{Library, Line, Reading, SourceState};

    const SL1: &str = "N 001 00 T002002 DN234   10/24 12:01 00:00:24 A 14165550123";
    const NORSTAR: [&str; 3] = [
        "-------- 06/13/95 10:03:46 LINE = 0001 STN = 221",
        "00:00:00 INCOMING CALL RINGING 0:02",
        "00:00:39 CALL RELEASED",
    ];

    fn heard(lines: &[(&str, Date)]) -> SourceState {
        let plan = Library::shipped().get("nortel-bcm").unwrap().plan(&BTreeMap::new(), None).unwrap();
        let (mut state, mut reading) = (SourceState::default(), Reading::default());
        for (no, (line, today)) in (1..).zip(lines) {
            plan.step(&mut state, &Line { no, bytes: line.as_bytes(), kept: &[], today: *today }, &mut reading);
        }
        state
    }

    #[test]
    fn the_lines_of_a_day_tell_what_they_lack() {
        let plan = Library::shipped().get("nortel-bcm").unwrap().plan(&BTreeMap::new(), None).unwrap();
        let lacks = |state: &SourceState, day: Date, word: &str| {
            plan.cannot_on(state, day).iter().filter(|said| *said == word).count()
        };
        let (monday, tuesday, wednesday, thursday) =
            (date(2026, 11, 16), date(2026, 11, 17), date(2026, 11, 18), date(2026, 11, 19));
        let nothing = SourceState::default();
        assert_eq!((lacks(&nothing, monday, "unanswered"), lacks(&nothing, monday, "outbound")), (1, 1), "any of them");
        assert_eq!(plan.untold(&nothing).collect::<Vec<_>>(), ["format"]);
        let norstar: Vec<_> = NORSTAR.iter().map(|line| (*line, tuesday)).collect();
        let state = heard(&norstar);
        assert_eq!(plan.untold(&state).count(), 0);
        assert_eq!((lacks(&state, tuesday, "unanswered"), lacks(&state, tuesday, "outbound-answer")), (0, 1));
        assert_eq!(lacks(&state, monday, "unanswered"), 0, "the first one after it");
        // The PBX was set to the other layout on Thursday.
        let both: Vec<_> = norstar.into_iter().chain([(NORSTAR[0], thursday), (SL1, thursday)]).collect();
        let state = heard(&both);
        assert_eq!((lacks(&state, tuesday, "unanswered"), lacks(&state, wednesday, "unanswered")), (0, 0));
        assert_eq!(lacks(&state, thursday, "unanswered"), 1, "part of the day");
        assert_eq!(lacks(&state, date(2026, 11, 20), "unanswered"), 1, "one of the last ones before it");
        // What is chosen is not asked of the lines.
        let chosen = BTreeMap::from([("format".to_owned(), "norstar".to_owned())]);
        let plan = Library::shipped().get("nortel-bcm").unwrap().plan(&chosen, None).unwrap();
        assert!(!plan.cannot_on(&state, thursday).iter().any(|word| word == "unanswered"));
        assert_eq!(plan.untold(&nothing).count(), 0);
    }

    #[test]
    fn it_is_kept_with_the_source() {
        let state = heard(&[(SL1, date(2026, 11, 17))]);
        let text = serde_json::to_string(&state).unwrap();
        assert!(text.contains("sl-1"), "{text}");
        let plan = Library::shipped().get("nortel-bcm").unwrap().plan(&BTreeMap::new(), None).unwrap();
        assert_eq!(plan.untold(&serde_json::from_str(&text).unwrap()).count(), 0);
        assert!(!serde_json::to_string(&SourceState::default()).unwrap().contains("told"), "as older ones wrote it");
    }
}
