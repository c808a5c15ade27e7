//! `smdrd explain` and `smdrd discover` on a daemon that hears real links: calls of several families, each explained.
//! What is printed of a call is kept under tests/explain; `UPDATE=1` writes it anew.

// The rig has the supplier's program, too.
#![cfg(feature = "supplier")]

#[allow(dead_code)]
#[path = "daemon/lines.rs"]
mod lines;
#[allow(dead_code)]
#[path = "daemon/rig.rs"]
mod rig;
#[allow(dead_code)]
mod schema;

use std::path::Path;

use lines::{Ip, MERIDIAN, hipath, practice};
use rig::{Pbx, ROLES, Rig, SITE, clock};
use serde_json::{Value, json};

fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/explain").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{name}: look at the change, then UPDATE=1");
}

/// What the verb prints of a call, and what it says of it as JSON. No digits of a caller are in either.
fn explain(rig: &Rig, call: &str, name: &str) -> Value {
    let (code, value) = rig.json(&["explain", call], "");
    assert_eq!(code, 0, "{value}");
    let output = rig.verb(&["explain", call], "");
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    for said in [&text, &value.to_string()] {
        assert!(!said.contains("7700900") && !said.contains("0794609"), "a caller's number: {said}");
    }
    golden(name, &text);
    let call = value["call"].clone();
    for line in call["lines"].as_array().unwrap() {
        let length = line["text"].as_str().unwrap().len() as u64;
        let fields = line["fields"].as_array().unwrap();
        assert!(!fields.is_empty(), "{line}");
        for field in fields {
            let (from, to) = (field["from"].as_u64().unwrap(), field["to"].as_u64().unwrap());
            assert!(1 <= from && from <= to && to <= length, "{field} of {line}");
        }
    }
    call
}

/// The text below the carets of a field, on the line that carries the leg of this place.
fn field<'a>(call: &'a Value, leg: usize, name: &str) -> &'a str {
    let line = call["lines"].as_array().unwrap().iter().filter(|line| !line["record"].is_null()).nth(leg).unwrap();
    let found = line["fields"].as_array().unwrap().iter().find(|field| field["name"] == name);
    let found = found.unwrap_or_else(|| panic!("no field {name}: {line:#}"));
    let at = |key: &str| found[key].as_u64().unwrap() as usize;
    &line["text"].as_str().unwrap()[at("from") - 1..at("to")]
}

fn under(call: &Value) -> Vec<&str> {
    call["definitions"].as_array().unwrap().iter().map(|judged| judged["counts"].as_str().unwrap()).collect()
}

fn takers(call: &Value) -> Vec<&str> {
    call["lines"].as_array().unwrap().iter().filter_map(|line| line["taker"].as_str()).collect()
}

fn ip(call: Ip<'_>) -> String {
    call.line()
}

#[test]
fn each_call_is_explained_with_its_lines_its_rule_and_the_other_definitions() {
    let mut reception = Pbx::tcp("reception", "avaya-ipoffice");
    let mut surgery = Pbx::tcp("surgery", "siemens-hipath3000");
    let mut branch = Pbx::tcp("branch", "nortel-meridian");
    let mut rig = Rig::new(&format!("{SITE}{ROLES}"), &[]);
    rig.add_sources(&[&reception, &surgery, &branch], &["", "", ""]);
    let daemon = rig.run(&clock("2026-11-20T15:00:00Z", 1));
    for pbx in [&mut reception, &mut surgery, &mut branch] {
        pbx.connect();
    }
    let of_reception = [
        ip(Ip { at: "2026/11/20 09:00:00", ring: 12, ..Ip::default() }),
        ip(Ip { at: "2026/11/20 09:05:00", ring: 21, talk: 0, id: 2, ..Ip::default() }),
        ip(Ip { at: "2026/11/20 09:05:40", ring: 45, talk: 0, id: 3, ..Ip::default() }),
        ip(Ip { at: "2026/11/20 09:10:00", ring: 20, talk: 30, id: 4, party: "V9511", ..Ip::default() }),
        ip(Ip { at: "2026/11/20 09:20:00", ring: 0, talk: 9, id: 5, party: "V9501", more: true, ..Ip::default() }),
        ip(Ip { at: "2026/11/20 09:20:00", ring: 8, talk: 40, id: 5, party: "E202", more: true, ..Ip::default() }),
        ip(Ip { at: "2026/11/20 09:20:00", ring: 3, talk: 70, id: 5, party: "E203", ..Ip::default() }),
        ip(Ip { at: "2026/11/20 09:30:00", ring: 0, talk: 15, id: 6, party: "V9501", ..Ip::default() }),
        ip(Ip { at: "2026/11/20 09:40:00", ring: 5, talk: 60, id: 7, party: "T9002", ..Ip::default() }),
    ];
    let of_surgery = [
        hipath("20.11.2610:00:30", 30, 101, "00:05", "00:00:20", "07700900456", 1),
        hipath("20.11.2610:01:10", 30, 102, "", "00:00:40", "07700900456", 35),
        hipath("20.11.2610:05:00", 31, 103, "00:25", "00:00:00", "07700900457", 1),
    ];
    assert!(reception.print(&of_reception) && surgery.print(&of_surgery) && branch.print(&MERIDIAN));
    rig.wait_for_lines(of_reception.len() + of_surgery.len() + MERIDIAN.len());

    let answered = explain(&rig, "reception/1", "ipoffice-answered");
    assert_eq!((&answered["rule"], &answered["wait_s"]), (&json!("answered-by-staff"), &json!(12)));
    // No station is a hunt group here, so nobody knows of queues.
    let all_but_queues = ["answered", "answered", "answered", "unknown", "answered", "answered", "answered"];
    assert_eq!(under(&answered), all_but_queues);
    assert_eq!((field(&answered, 0, "party1"), field(&answered, 0, "party2")), ("E201", "T9001"));
    assert_eq!(answered["slot"], "2026-11-20T09:00:00");
    assert!(answered["counts"].as_array().unwrap().contains(&json!(["inbound.answered", 1])), "{answered:#}");
    assert_eq!(answered["owner"], "A81001/main");

    // The caller who gave up after 21 s is missed for NHS England and not abandoned by the other measure; the number had
    // called before.
    let missed = explain(&rig, "reception/2", "ipoffice-missed");
    assert_eq!(missed["rule"], "nobody-answered");
    assert_eq!(under(&missed), ["missed", "neither", "missed", "unknown", "missed", "not-counted", "undefined"]);
    let late = rig.json(&["explain", "reception/3"], "").1;
    assert_eq!(
        under(&late["call"]),
        ["missed", "abandoned", "missed", "unknown", "missed", "not-counted", "undefined"]
    );

    let voicemail = explain(&rig, "reception/4", "ipoffice-voicemail");
    assert_eq!((&voicemail["rule"], takers(&voicemail)), (&json!("reached-voicemail"), vec!["voicemail"]));
    // The same number had called before.
    let counts = ["missed", "undefined", "missed", "unknown", "answered", "not-counted", "undefined"];
    assert_eq!(under(&voicemail), counts);

    // Named by any of its lines, a call is the same.
    let handed_on = explain(&rig, "reception/6", "ipoffice-menu-and-transfer");
    assert_eq!(handed_on["id"], rig.json(&["explain", "reception/5"], "").1["call"]["id"]);
    assert_eq!(takers(&handed_on), ["menu", "staff", "staff"]);
    assert_eq!((&handed_on["wait_s"], &handed_on["talk_s"]), (&json!(8), &json!(110)));

    let menu = rig.json(&["explain", "reception/8"], "").1;
    let counts = ["ended-in-menu", "neither", "abandoned", "not-counted", "ended-in-menu", "not-counted", "undefined"];
    assert_eq!(under(&menu["call"]), counts);

    let tandem = explain(&rig, "reception/9", "ipoffice-tandem");
    assert_eq!((&tandem["rule"], takers(&tandem)), (&json!("diverted-outside"), vec!["outside"]));

    let transferred = explain(&rig, "surgery/1", "hipath-transferred");
    assert_eq!((&transferred["rule"], takers(&transferred)), (&json!("answered-by-staff"), vec!["staff", "staff"]));
    assert_eq!(transferred["arrival"], "2026-11-20T10:00:05");
    assert_eq!(field(&transferred, 1, "station"), "102");
    let lost = explain(&rig, "surgery/3", "hipath-missed");
    assert_eq!((&lost["rule"], &lost["wait_s"]), (&json!("nobody-answered"), &json!(25)));

    // A record of several lines: all of them are shown, each with its own fields.
    let meridian = explain(&rig, "branch/3", "meridian-answered");
    assert_eq!(meridian["lines"].as_array().unwrap().len(), 3, "{meridian:#}");
    assert_eq!(meridian["lines"].as_array().unwrap().iter().filter(|line| !line["record"].is_null()).count(), 1);

    // By time: one, several, none and the nearest.
    let one = rig.json(&["explain", "2026-11-20", "09:00"], "");
    assert_eq!((one.0, &one.1["call"]["id"]), (0, &answered["id"]));
    let several = rig.json(&["explain", "2026-11-20", "09:05"], "");
    assert_eq!((several.0, several.1["which"]["within"].as_bool()), (1, Some(true)), "{}", several.1);
    assert_eq!(several.1["which"]["calls"].as_array().unwrap().len(), 2);
    assert_eq!(rig.json(&["explain", "2026-11-20", "09:05:40"], "").1["call"]["id"], late["call"]["id"]);
    let nearest = rig.json(&["explain", "2026-11-20", "09:08"], "");
    assert_eq!((nearest.0, nearest.1["which"]["within"].as_bool()), (1, Some(false)), "{}", nearest.1);
    assert_eq!(nearest.1["which"]["calls"][0]["id"], answered["id"]);
    let text = String::from_utf8(rig.verb(&["explain", "2026-11-20", "09:05"], "").stdout).unwrap();
    golden("several", &text);
    for (verb, said) in [
        (&["explain", "reception/4711"][..], "there is no line"),
        (&["explain", "kitchen/1"], "there is no source"),
        (&["explain", "reception/07700900123"], "there is no line"),
        (&["explain", "07700900123"], "names no call"),
        (&["explain", "branch/9"], "in no call"),
        (&["explain", "2026-11-20", "12:00"], "no call arrived within half an hour"),
    ] {
        let output = rig.verb(verb, "");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && error.contains(said), "{verb:?}: {error}");
    }
    assert_eq!(rig.count("SELECT count(*) FROM audit WHERE what LIKE '%7700900%'"), 0, "typed, and not written down");
    assert_eq!(rig.verb(&["explain", "2026-11-20"], "").status.code(), Some(2), "a date alone");
    assert!(rig.count("SELECT count(*) FROM audit WHERE what = 'explain reception/1'") >= 2);

    // Another role makes it another call, which a rebuild would put in place; the verb says so, daemon or not.
    daemon.stop();
    rig.site = format!("{SITE}{ROLES}\"201\" = \"fax\"\n");
    let (_, changed) = rig.json(&["explain", "reception/1"], &clock("2026-11-20T15:30:00Z", 1));
    assert_eq!(changed["call"]["rule"], "answered-by-staff");
    assert!(changed["call"]["remarks"][0].as_str().unwrap().contains("reached-a-machine"), "{changed:#}");
}

#[test]
fn what_the_daemon_heard_proves_the_roles_that_its_configuration_lacks() {
    let (reception, surgery) = practice(2026);
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let mut hi = Pbx::tcp("surgery", "siemens-hipath3000");
    let mut rig = Rig::new(SITE, &[]);
    rig.add_sources(&[&ip, &hi], &["", ""]);
    let daemon = rig.run(&clock("2026-11-20T22:00:00Z", 1));
    ip.connect();
    hi.connect();
    assert!(ip.print(&reception) && hi.print(&surgery));
    rig.wait_for_lines(reception.len() + surgery.len());
    let (code, found) = rig.json(&["discover"], "");
    assert_eq!(code, 0);
    let menu = found["stations"].as_array().unwrap().iter().find(|station| station["name"] == "V9501").unwrap();
    assert_eq!((&menu["role"], &menu["sure"]), (&json!("auto-attendant"), &json!("certain")), "{menu:#}");
    assert_eq!((&menu["standing"], &menu["source"]), (&json!("missing"), &json!("reception")));
    let snippet = found["snippet"].as_str().unwrap();
    assert!(
        snippet.contains("[source.roles.stations]") && snippet.contains("\"V9501\" = \"auto-attendant\""),
        "{snippet}"
    );
    assert_eq!(found["calls"], rig.count("SELECT count(*) FROM call"));
    assert_eq!(rig.json(&["discover", "--days", "3"], "").1, found);
    assert!(rig.count("SELECT count(*) FROM audit WHERE what = 'discover'") >= 2);
    let text = String::from_utf8(rig.verb(&["discover"], "").stdout).unwrap();
    assert!(text.contains("V9501    auto-attendant, certain; not in the configuration"), "{text}");
    assert!(!text.contains("7700900"), "{text}");
    daemon.stop();

    // A day later, from the same lines, without a daemon: nothing of the last day is left to look at.
    let next = clock("2026-11-25T12:00:00Z", 1);
    assert_eq!(rig.json(&["discover", "--days", "2"], &next).1["calls"], 0);
    assert_eq!(rig.json(&["discover"], &next).1["calls"], found["calls"]);
}
