//! Which days the supplier holds, compared with which it should. The supplier's list is a claim, not a command: what it
//! lacks is sent again, what it has otherwise is looked into, and nothing here is ever changed by it.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Deserialize;

use crate::store::OutboxState;

/// The newest revision that is held of a day, and its digest in lower-case hex.
pub type Manifest = BTreeMap<Date, (u32, String)>;

#[derive(Deserialize)]
struct Entry {
    date: Date,
    revision: u32,
    sha256: String,
}

/// Reads a list. Days outside of what was asked for are passed over; a list with anything in it that cannot be is not
/// believed at all.
pub fn read(body: &[u8], from: Date, to: Date) -> Result<Manifest, String> {
    let entries: Vec<Entry> = serde_json::from_slice(body).map_err(|error| {
        format!("not a list of date, revision and sha256 at line {} column {}", error.line(), error.column())
    })?;
    let mut days = Manifest::new();
    for Entry { date, revision, sha256 } in entries {
        if revision == 0 || sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!("{date} has a revision or digest that cannot be"));
        }
        if (from..=to).contains(&date) && days.insert(date, (revision, sha256.to_ascii_lowercase())).is_some() {
            return Err(format!("{date} stands there twice"));
        }
    }
    Ok(days)
}

/// The newest document of a day here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ours {
    /// The civil day.
    pub date: Date,
    /// Its revision.
    pub revision: u32,
    /// Its digest, in lower-case hex.
    pub sha256: String,
    /// Where it stands.
    pub state: OutboxState,
}

/// What differs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Receipted, and now lacking there or there in an older revision: to be sent again.
    pub lost: Vec<Date>,
    /// Receipted or parked here; there another document of a revision as new, or the very one without our having the
    /// receipt. Sending it again shows which.
    pub unclear: Vec<Date>,
    /// Held there and not known here.
    pub unknown: Vec<Date>,
    /// The same on both sides.
    pub same: Vec<Date>,
}

/// Compares. What is pending is on its way anyhow, and what is held for approval stays here whatever the supplier says.
pub fn compare(ours: &[Ours], theirs: &Manifest) -> Difference {
    let mut difference = Difference::default();
    for Ours { date, revision, sha256, state } in ours {
        let there = theirs.get(date);
        let same = there.is_some_and(|(theirs, digest)| theirs == revision && digest == sha256);
        let newer = there.is_some_and(|(theirs, _)| theirs >= revision);
        match state {
            OutboxState::Receipted if same => difference.same.push(*date),
            OutboxState::Receipted if newer => difference.unclear.push(*date),
            OutboxState::Receipted => difference.lost.push(*date),
            OutboxState::Parked if same => difference.unclear.push(*date),
            OutboxState::Parked | OutboxState::Pending | OutboxState::Held | OutboxState::Superseded => {}
        }
    }
    difference.unknown = theirs.keys().filter(|date| ours.iter().all(|ours| ours.date != **date)).copied().collect();
    difference
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan;
    use jiff::civil::date;
    use proptest::prelude::*;

    fn digest(byte: u8) -> String {
        format!("{byte:02x}").repeat(32)
    }

    #[test]
    fn each_difference_has_its_place() {
        let ours =
            |day, revision, byte, state| Ours { date: date(2026, 11, day), revision, sha256: digest(byte), state };
        let here = [
            ours(1, 1, 1, OutboxState::Receipted),
            ours(2, 2, 2, OutboxState::Receipted),
            ours(3, 2, 3, OutboxState::Receipted),
            ours(4, 1, 4, OutboxState::Receipted),
            ours(5, 1, 5, OutboxState::Receipted),
            ours(6, 1, 6, OutboxState::Pending),
            ours(7, 1, 7, OutboxState::Held),
            ours(8, 1, 8, OutboxState::Parked),
            ours(9, 1, 9, OutboxState::Parked),
        ];
        let there = [(1, 1, 1), (3, 1, 33), (4, 1, 44), (5, 2, 55), (9, 1, 9), (10, 4, 10)];
        let there = there.into_iter().map(|(day, revision, byte)| (date(2026, 11, day), (revision, digest(byte))));
        let found = compare(&here, &there.collect());
        let days = |days: &[i8]| days.iter().map(|day| date(2026, 11, *day)).collect::<Vec<_>>();
        assert_eq!(found.lost, days(&[2, 3]), "lacking, and older");
        assert_eq!(found.unclear, days(&[4, 5, 9]), "another, a newer one, and one without a receipt");
        assert_eq!(found.unknown, days(&[10]));
        assert_eq!(found.same, days(&[1]));
    }

    #[test]
    fn a_list_that_cannot_be_is_not_believed() {
        let (from, to) = (date(2026, 11, 1), date(2026, 11, 30));
        let entry = |date: &str, revision: &str, sha256: &str| {
            format!(r#"{{"date":"{date}","revision":{revision},"sha256":"{sha256}","more":1}}"#)
        };
        let good = entry("2026-11-02", "1", &digest(0xAB).to_uppercase());
        let elsewhere = entry("2026-10-02", "1", &digest(1));
        let read = |text: String| read(text.as_bytes(), from, to);
        let days = read(format!("[{good},{elsewhere},{elsewhere}]")).unwrap();
        assert_eq!(days, Manifest::from([(date(2026, 11, 2), (1, digest(0xAB)))]));
        assert_eq!(read("[]".to_owned()).unwrap(), Manifest::new());
        for bad in [
            String::new(),
            "{}".to_owned(),
            "null".to_owned(),
            "<html>".to_owned(),
            format!("[{good}"),
            format!("[{good},{good}]"),
            format!("[{}]", entry("2026-11-31", "1", &digest(1))),
            format!("[{}]", entry("2026-11-03", "0", &digest(1))),
            format!("[{}]", entry("2026-11-03", "-1", &digest(1))),
            format!("[{}]", entry("2026-11-03", "4294967296", &digest(1))),
            format!("[{good},{}]", entry("2026-11-03", "1", "abc")),
            format!("[{}]", entry("2026-11-03", "1", &"g".repeat(64))),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_list_moves_what_is_held_or_on_its_way(
            ours in prop::collection::btree_map(0_i64..60, (1_u32..4, 0_u8..3, 0_usize..4), 0..60),
            theirs in prop::collection::btree_map(0_i64..60, (1_u32..4, 0_u8..3), 0..60),
        ) {
            let states = [OutboxState::Receipted, OutboxState::Parked, OutboxState::Pending, OutboxState::Held];
            let on = |day: i64| date(2026, 11, 1) + day.days();
            let ours: Vec<Ours> = ours.into_iter().map(|(day, (revision, byte, state))| {
                Ours { date: on(day), revision, sha256: digest(byte), state: states[state] }
            }).collect();
            let theirs: Manifest =
                theirs.into_iter().map(|(day, (revision, byte))| (on(day), (revision, digest(byte)))).collect();
            let found = compare(&ours, &theirs);
            let state = |date: &Date| ours.iter().find(|ours| ours.date == *date).map(|ours| ours.state);
            for date in found.lost.iter().chain(&found.unclear) {
                prop_assert!(matches!(state(date), Some(OutboxState::Receipted | OutboxState::Parked)));
            }
            prop_assert!(found.unknown.iter().all(|date| state(date).is_none()));
            let receipted = ours.iter().filter(|ours| ours.state == OutboxState::Receipted).count();
            let parked = found.unclear.iter().filter(|date| state(date) == Some(OutboxState::Parked)).count();
            prop_assert_eq!(found.same.len() + found.lost.len() + found.unclear.len() - parked, receipted);
        }

        #[test]
        fn no_bytes_break_the_reading(body: Vec<u8>) {
            let _ = read(&body, date(2026, 11, 1), date(2026, 11, 30));
        }
    }
}
