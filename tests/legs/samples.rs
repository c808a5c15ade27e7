//! Roles decide CBT002, CBT003 and CBT004 in every format: over all samples and captures, a station that took a call makes it
//! answered, ended in the menu, voicemail or nobody's, by the role it is given.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{Timestamp, civil::date};
use smdrd::call::{Assembler, Call, CallKind, LineRef, Outcome, Rules, Site, Wall};
use smdrd::daemon::books::Entry;
use smdrd::daemon::keys::KeyRing;
use smdrd::daemon::reader::{Gate, Reader};
use smdrd::dialect::{Plan, SourceState};
use smdrd::privacy::Privacy;
use smdrd::record::{MaskedRecord, Party};

use super::corpus::{DIALECTS, files, plan_for, under};

/// The records of a file, each with its line.
fn records(plan: &Arc<Plan>, bytes: &[u8]) -> Vec<(u64, MaskedRecord)> {
    let config: smdrd::config::Config = toml::from_str("[[practice]]\nods = \"A81001\"\n").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (ring, peers) = KeyRing::open(folder.path(), date(2026, 6, 1), 1).unwrap();
    let mut gate = Gate { privacy: Privacy::new(config.number_plan(), true, peers), ring };
    let mut reader = Reader::new(1, Arc::clone(plan), config.time_zone(), SourceState::default(), 1);
    let at: Timestamp = "2026-06-01T09:00:00Z".parse().unwrap();
    // A sample may end within its last line.
    let Some(batch) = reader.bytes(&mut gate, 1, &[bytes, b"\r\n"].concat(), at) else { return Vec::new() };
    let line = |entry| match entry {
        Entry::Line(line) => line.record.map(|record| (line.seq, record)),
        _ => None,
    };
    batch.entries.into_iter().filter_map(line).collect()
}

/// The calls that they make at a site with these roles.
fn calls(plan: &Plan, records: &[(u64, MaskedRecord)], roles: &str) -> Vec<(Vec<u64>, Call)> {
    let config: smdrd::config::Config = toml::from_str(&format!("[[practice]]\nods = \"A81001\"\n{roles}")).unwrap();
    let mut assembler = Assembler::new(Site::new(&config, &[("pbx".to_owned(), 1)].into()));
    assembler.source(1, Rules { linking: plan.linking().clone(), zone: config.time_zone() }, Wall::default());
    let mut ids = BTreeSet::new();
    for (seq, record) in records {
        ids.extend(assembler.accept(LineRef { source: 1, seq: *seq }, record.clone()).map(|call| call.id));
    }
    let lines = |id| assembler.lines(id).into_iter().map(|line| line.seq).collect();
    ids.into_iter().filter_map(|id| Some((lines(id), assembler.call(id)?))).collect()
}

/// Every sample and capture: dialect, plan, records.
fn each(mut with: impl FnMut(&str, &Plan, &[(u64, MaskedRecord)])) {
    for dialect in DIALECTS {
        for folder in [under("dialects").join(dialect), under("captures").join(dialect)] {
            if !folder.is_dir() {
                continue;
            }
            for path in files(&folder, "smdr") {
                let plan = Arc::new(plan_for(dialect, &path));
                let records = records(&plan, &std::fs::read(&path).unwrap());
                with(dialect, &plan, &records);
            }
        }
    }
}

fn station(record: &MaskedRecord) -> Option<&str> {
    record.port.as_deref().or(record.extension.as_deref())
}

#[test]
fn the_role_of_the_station_decides_what_a_call_is_in_every_format() {
    let mut tried: BTreeMap<String, u32> = BTreeMap::new();
    each(|dialect, plan, records| {
        // Calls of one part that a station took: they hang on nothing else.
        let answered = calls(plan, records, "").into_iter().filter_map(|(lines, call)| {
            let [seq] = lines[..] else { return None };
            let record = &records.iter().find(|(of, _)| *of == seq)?.1;
            let name = station(record).filter(|_| call.rule == "answered-by-staff")?;
            Some((seq, name.to_owned(), record.clone()))
        });
        let answered: Vec<_> = answered.take(12).collect();
        for (seq, name, record) in answered {
            let key = toml::Value::String(name.clone());
            for (role, expected) in [
                ("staff", Some(Outcome::Answered)),
                ("hunt-group", Some(Outcome::Answered)),
                ("auto-attendant", Some(Outcome::IvrEnded)),
                ("voicemail", Some(Outcome::MissedVoicemail)),
                ("fax", None),
                ("alarm", None),
                ("lift", None),
                ("door", None),
            ] {
                let roles = format!("[roles.stations]\n{key} = \"{role}\"\n");
                let alone = calls(plan, &[(seq, record.clone())], &roles);
                let call = &alone[0].1;
                assert_eq!(call.outcome, expected, "{dialect} line {seq}: {name} is {role}");
                assert_eq!(call.not_people, expected.is_none(), "{dialect} line {seq}: {name} is {role}");
                if expected == Some(Outcome::Answered) {
                    assert_eq!((call.wait_s, call.talk_s), (record.ring_s, record.talk_s), "{dialect} line {seq}");
                }
            }
            *tried.entry(dialect.to_owned()).or_default() += 1;
        }
    });
    let formats: Vec<&str> = tried.keys().map(String::as_str).collect();
    println!("{tried:?}");
    // Those in which some sample shows a station that took a call from outside, all in one record.
    assert!(formats.len() >= 20, "{formats:?}");
}

#[test]
fn what_a_format_says_itself_of_its_menu_and_voicemail_is_no_person() {
    let mut seen: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    each(|dialect, plan, records| {
        let dialect = DIALECTS.into_iter().find(|known| *known == dialect).unwrap();
        for (lines, call) in calls(plan, records, "").into_iter().filter(|(_, call)| call.kind == CallKind::Inbound) {
            let of_call = || records.iter().filter(|(seq, _)| lines.contains(seq)).map(|(_, record)| record);
            let machine = |record: &&MaskedRecord| {
                matches!(
                    record.party,
                    Some(Party::Voicemail | Party::AutoAttendant | Party::Nobody | Party::Conference)
                )
            };
            if call.outcome == Some(Outcome::Answered) && call.rule == "answered-by-staff" {
                let by_people = of_call().any(|record| record.answered == Some(true) && !machine(&record));
                assert!(by_people, "{dialect}: lines {lines:?} are answered by nobody");
            }
            if of_call().any(|record| machine(&record)) || call.rule == "diverted-outside" {
                seen.entry(dialect).or_default().insert(call.rule.to_string());
            }
        }
    });
    let seen: Vec<(&str, String)> =
        seen.into_iter().map(|(dialect, rules)| (dialect, rules.into_iter().collect::<Vec<_>>().join(" "))).collect();
    assert_eq!(seen, SHOWN.map(|(dialect, rules)| (dialect, rules.to_owned())), "{seen:#?}");
}

/// What calls with a menu, voicemail or a way outside in them came to, over the samples and captures.
const SHOWN: [(&str, &str); 7] = [
    ("3cx", "reached-voicemail"),
    ("aastra-400", "diverted-outside"),
    ("avaya-ipoffice", "answered-by-staff reached-voicemail"),
    ("ericsson-bp", "ended-before-menu"),
    ("grandstream-ucm", "reached-voicemail"),
    ("lg-ipecs", "ended-in-menu"),
    ("toshiba-strata", "ended-in-menu"),
];
