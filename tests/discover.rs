//! What lines prove of a site: on captures of real PBXs, on the simulated practice day whose truth is known, and rule
//! by rule on legs written by hand.

#[allow(dead_code)]
#[path = "calls/notation.rs"]
mod notation;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use jiff::Timestamp;
use notation::{by, leg, london, number, site};
use smdrd::call::discover::{Discovery, Gatherer, Proposal, Standing, Sure, discover};
use smdrd::call::{LineRef, Rules};
use smdrd::config::{Config, StationRole, TrunkRole};
use smdrd::daemon::discover::of_lines;
use smdrd::dialect::{Library, LinkKey};
use smdrd::number::{Anonymous, Class};
use smdrd::record::MaskedRecord;
use smdrd::simulator::scenario::site as practice;
use smdrd::simulator::{Line, hipath, ipoffice, panasonic, practice_day::practice_day};

const CAPTURES: [(&str, &str, &[&str]); 4] = [
    ("siemens-hipath3000", "siemens-hipath-3750", &[]),
    ("avaya-ipoffice", "ipo500v2-2017", &[]),
    ("ericsson-bp", "ericsson-bp-250", &[]),
    ("alcatel-oxo", "alcatel-4200", &[]),
];

/// The text that the verb prints of each capture is kept under tests/discover; `UPDATE=1` writes it anew.
#[test]
fn captures_give_what_is_committed() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let none = tempfile::tempdir().unwrap();
    for (dialect, capture, more) in CAPTURES {
        let output = Command::new(env!("CARGO_BIN_EXE_smdrd"))
            .args(["discover", "--dialect", dialect, "--dialects"])
            .arg(none.path())
            .args(more)
            .arg(tests.join(format!("captures/{dialect}/{capture}.smdr")))
            .output()
            .unwrap();
        assert!(output.status.success(), "{capture}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let golden = tests.join(format!("discover/{capture}.txt"));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&golden, &text).unwrap();
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(text, expected, "{capture}: look at the change, then UPDATE=1");
    }
}

fn config(more: &str) -> Config {
    toml::from_str(&format!(
        "[[practice]]\nods = \"A81001\"\n[numbers]\nown = [\"01632960100-01632960199\"]\naccess-digits = [\"9\"]\n{more}"
    ))
    .unwrap()
}

/// What a day of the simulated practice proves on one of its PBXs.
fn of_day(dialect: &str, options: &[(&str, &str)], lines: &[Line], config: &Config) -> Discovery {
    let options: BTreeMap<String, String> =
        options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let plan = Library::shipped().get(dialect).unwrap().plan(&options, Some(2026)).unwrap();
    let text: String = lines.iter().map(|line| format!("{}\r\n", line.text)).collect();
    let now: Timestamp = "2026-11-20T22:00:00Z".parse().unwrap();
    of_lines(config, "pbx", Arc::new(plan), london(), now, text.as_bytes()).unwrap()
}

fn truth(pbx: &str, name: &str) -> Option<StationRole> {
    let port = |prefix: &str, number: u16| name == format!("{prefix}{number}");
    let people: &[u16] = match pbx {
        "avaya-ipoffice" => &practice::RECEPTION_STATIONS,
        "siemens-hipath3000" => &practice::SURGERY_STATIONS,
        _ => &practice::ANNEXE_STATIONS,
    };
    if people.iter().any(|station| port("", *station)) {
        return Some(StationRole::Staff);
    }
    Some(match pbx {
        "avaya-ipoffice" if port("V", practice::MENU_PORT) => StationRole::AutoAttendant,
        "avaya-ipoffice" if port("V", practice::MAILBOX_PORT) => StationRole::Voicemail,
        "siemens-hipath3000" if port("", practice::SURGERY_MAILBOX) => StationRole::Voicemail,
        "panasonic-kx" if port("", practice::ANNEXE_MAILBOX) => StationRole::Voicemail,
        _ if port("", practice::ANNEXE_GROUP) || port("", practice::RECEPTION_GROUP) => StationRole::HuntGroup,
        _ => return None,
    })
}

#[test]
fn nothing_that_is_certain_of_the_practice_day_is_wrong() {
    for seed in [7, 2026, 31] {
        let day = practice_day(jiff::civil::date(2026, 11, 20), london(), seed);
        for (pbx, lines, people) in [
            ("avaya-ipoffice", ipoffice::lines(&day), 8),
            ("siemens-hipath3000", hipath::lines(&day), 5),
            ("panasonic-kx", panasonic::lines(&day), 1),
        ] {
            let found = of_day(pbx, &[], &lines, &config(""));
            assert!(!found.stations.is_empty(), "{pbx}");
            let mut staff = 0;
            for proposal in &found.stations {
                let right = truth(pbx, &proposal.name);
                let what = format!("{pbx}, seed {seed}: {proposal:#?}");
                match proposal.sure {
                    Sure::Certain => assert_eq!(proposal.role, right, "{what}"),
                    // What is likely may be wrong only of what nobody can tell apart yet.
                    Sure::Likely => assert_eq!(proposal.role, right, "{what}"),
                    Sure::Open => assert_eq!(proposal.role, None, "{what}"),
                }
                staff += usize::from(proposal.role == Some(StationRole::Staff));
            }
            assert!(staff >= people, "{pbx}, seed {seed}: {staff} of staff: {:#?}", found.stations);
            assert!(found.trunks.iter().all(|trunk| trunk.role.is_none_or(|role| role == TrunkRole::Exchange)));
            assert!(found.trunks.iter().any(|trunk| trunk.sure == Sure::Certain), "{:#?}", found.trunks);
            assert_eq!(found.unlisted_ddi_calls, 0, "{pbx}");
            assert!((8..=9).contains(&found.busiest[0].hour), "{:?}", found.busiest);
        }
    }
}

fn of<'a>(found: &'a Discovery, name: &str) -> &'a Proposal<StationRole> {
    found.stations.iter().find(|proposal| proposal.name == name).unwrap_or_else(|| panic!("{name}: {found:#?}"))
}

#[test]
fn the_ip_offices_menu_and_mailbox_are_told_apart_and_compared_with_the_configuration() {
    let day = practice_day(jiff::civil::date(2026, 11, 20), london(), 2026);
    let lines = ipoffice::lines(&day);
    let found = of_day("avaya-ipoffice", &[], &lines, &config(""));
    for (name, role) in [("V9501", StationRole::AutoAttendant), ("V9511", StationRole::Voicemail)] {
        let proposal = of(&found, name);
        assert_eq!((proposal.role, proposal.sure), (Some(role), Sure::Certain), "{proposal:#?}");
    }
    // The PBX itself says that V9511 is voicemail, and unless told otherwise the figures take its word; the role is
    // asked for all the same, since it says so of the menu, too.
    assert_eq!(of(&found, "V9501").standing, Some(Standing::Missing));
    let pasted: Config = toml::from_str(&found.snippet).unwrap();
    assert_eq!(pasted.roles.stations["V9501"], StationRole::AutoAttendant, "{}", found.snippet);
    assert_eq!(found.ddis.len(), 3);
    assert!(found.ddis.iter().all(|ddi| ddi.counted_for == ["A81001/main"]), "{:#?}", found.ddis);

    let roles = "[roles.stations]\nV9501 = \"auto-attendant\"\nV9511 = \"fax\"\n\"299\" = \"lift\"\n";
    let found = of_day("avaya-ipoffice", &[], &lines, &config(roles));
    assert_eq!(of(&found, "V9501").standing, Some(Standing::Agrees));
    assert_eq!(of(&found, "V9511").standing, Some(Standing::Differs));
    assert_eq!(found.never_seen, ["station 299"]);
    // What the configuration says differently is left to a person.
    assert!(found.snippet.contains("# \"V9511\" = \"voicemail\" # now fax: look"), "{}", found.snippet);
    assert!(toml::from_str::<Config>(&found.snippet).unwrap().roles.stations.is_empty(), "{}", found.snippet);
}

/// What these records prove, each a call of its own unless it has the id of another.
fn of_legs(records: impl IntoIterator<Item = MaskedRecord>) -> Discovery {
    let site = site("");
    let mut gatherer = Gatherer::new(site.clone());
    gatherer.source(1, Rules { linking: by(LinkKey::CallId), zone: london() });
    for (seq, record) in (1..).zip(records) {
        gatherer.take(LineRef { source: 1, seq }, record);
    }
    discover(&gatherer.calls(), &site, &[(1, "one".to_owned())].into(), &london())
}

fn written(text: &str) -> MaskedRecord {
    leg(text).1
}

fn dialled(text: &str, to: Anonymous) -> MaskedRecord {
    MaskedRecord { dialled: Some(to), ..written(text) }
}

/// Six people who call, are called and put callers through, from nine to five.
fn people() -> Vec<MaskedRecord> {
    let mut records = Vec::new();
    for day in 16..21 {
        for hour in 9..17 {
            for station in 201..204 {
                let at = format!("2026-11-{day}T{hour:02}:{:02}:00", (station - 200) * 7);
                records.push(written(&format!("{at} in + l1 r{} t90 h5 x{station} c5", station - 195)));
                records.push(dialled(&format!("{at} out l2 t60 x{station}"), number(None, Some(9))));
                records.push(dialled(&format!("{at} int + t20 x{station}"), number(Some("204"), None)));
            }
        }
    }
    records
}

#[track_caller]
fn holds(records: Vec<MaskedRecord>, name: &str, role: Option<StationRole>, sure: Sure) {
    let found = of_legs(people().into_iter().chain(records));
    let proposal = of(&found, name);
    assert_eq!((proposal.role, proposal.sure), (role, sure), "{proposal:#?}");
    assert_eq!(of(&found, "201").role, Some(StationRole::Staff));
}

#[test]
fn a_mailbox_answers_late_at_any_hour_and_hands_nobody_on() {
    let at = |ring: fn(usize) -> usize, nights: bool| -> Vec<MaskedRecord> {
        let hours = if nights { ["20", "21", "22", "23", "07"] } else { ["10", "11", "12", "14", "15"] };
        let each = (0..25).map(|n| (16 + n / 5, hours[n % 5], ring(n)));
        each.map(|(day, hour, ring)| written(&format!("2026-11-{day}T{hour}:30:00 in + l1 r{ring} t30 x290 c7")))
            .collect()
    };
    holds(at(|_| 20, true), "290", Some(StationRole::Voicemail), Sure::Certain);
    holds(at(|n| 12 + n, true), "290", Some(StationRole::Voicemail), Sure::Likely);
    // A telephone that is answered at all times after any time is not told from one yet.
    holds(at(|n| 2 + n, false), "290", None, Sure::Open);
    // Who makes a call is none.
    let mut calls = at(|_| 20, true);
    calls.push(dialled("2026-11-20T09:00:00 out l2 t60 x290", number(None, Some(9))));
    holds(calls, "290", Some(StationRole::Fax), Sure::Likely);
}

#[test]
fn a_menu_answers_first_and_at_once_and_hands_on() {
    let calls = |ring: usize, on: usize| -> Vec<MaskedRecord> {
        let each = (0..25).flat_map(|n| {
            let at = format!("2026-11-{}T{:02}:40:00", 16 + n / 5, 9 + n % 5);
            let menu = |more: &str| written(&format!("{at} in #{n} + l1 r{ring} t9 {more} x290 c7"));
            if n % 5 < on {
                vec![menu("more"), written(&format!("{at} in #{n} + l1 r5 t60 last x202 c7"))]
            } else {
                vec![menu("last")]
            }
        });
        each.collect()
    };
    holds(calls(0, 4), "290", Some(StationRole::AutoAttendant), Sure::Certain);
    holds(calls(15, 4), "290", None, Sure::Open);
    holds(calls(0, 1), "290", None, Sure::Open);
}

#[test]
fn a_group_never_answers_and_two_calls_ring_there_at_once() {
    let calls = |at_once: bool| -> Vec<MaskedRecord> {
        let each = (0..24).flat_map(|n| {
            let second = if at_once { n % 2 * 5 } else { n % 2 * 50 };
            let at = format!("2026-11-20T{:02}:{:02}:{second:02}", 9 + n / 6, n % 6 / 2 * 9 + 1);
            let by = 201 + n % 3;
            [
                written(&format!("{at} in #{n} - l1 r20 more x290 c7")),
                written(&format!("{at} in #{n} + l1 r20 t60 last x{by} c7")),
            ]
        });
        each.collect()
    };
    holds(calls(true), "290", Some(StationRole::HuntGroup), Sure::Certain);
    holds(calls(false), "290", Some(StationRole::HuntGroup), Sure::Likely);
}

#[test]
fn an_alarm_dials_one_number_at_regular_times_and_is_never_called() {
    let calls = |minutes: fn(usize) -> usize, to: fn(usize) -> u32| -> Vec<MaskedRecord> {
        let each = (0..8).map(|n| {
            let at = format!("2026-11-20T{:02}:{:02}:00", 2 * n + 1, minutes(n));
            dialled(&format!("{at} out l2 t20 x290"), number(None, Some(to(n))))
        });
        each.collect()
    };
    holds(calls(|_| 5, |_| 3), "290", Some(StationRole::Alarm), Sure::Likely);
    holds(calls(|n| n * n * 7 % 60, |_| 3), "290", None, Sure::Open);
    holds(calls(|_| 5, |n| n as u32), "290", None, Sure::Open);
}

#[test]
fn a_door_calls_one_station_and_does_nothing_else() {
    let calls = |second: &str| -> Vec<MaskedRecord> {
        let to = |n: usize| if n == 3 { second.to_owned() } else { "201".to_owned() };
        let each = (0..12)
            .map(|n| dialled(&format!("2026-11-20T{:02}:50:00 int + t20 x290", 8 + n), number(Some(&to(n)), None)));
        each.collect()
    };
    holds(calls("201"), "290", Some(StationRole::Door), Sure::Likely);
    holds(calls("202"), "290", None, Sure::Open);
}

#[test]
fn a_tie_line_carries_short_numbers_both_ways() {
    let short = || Anonymous { class: Class::Other, digits: 3, peer: None, token: None, own: Some("310".into()) };
    let calls = |outside: bool| {
        let each = (0..8).flat_map(move |n| {
            let inbound =
                MaskedRecord { cli: Some(short()), ..written(&format!("{:02}:10:00 in + l80 r4 t60 x201", 9 + n)) };
            let out = dialled(
                &format!("{:02}:20:00 out l80 t60 x201", 9 + n),
                if outside { number(None, Some(4)) } else { short() },
            );
            [inbound, out]
        });
        of_legs(people().into_iter().chain(each)).trunks.into_iter().find(|trunk| trunk.name == "80").unwrap()
    };
    let tie = calls(false);
    assert_eq!((tie.role, tie.sure, tie.standing), (Some(TrunkRole::Tie), Sure::Likely, Some(Standing::Missing)));
    assert_eq!(calls(true).role, Some(TrunkRole::Exchange));
}

#[test]
fn no_calls_prove_nothing() {
    assert_eq!(of_legs([]), Discovery::default());
}
