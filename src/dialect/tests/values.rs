//! Stamps, counters, call ids and stations: what is made of what is printed.

use std::collections::BTreeMap;

use serde_json::json;

use super::super::file::RestartFile;
use super::super::library::Dialect;
use super::super::state::SourceState;
use super::super::{Line, Plan, Reading, What};
use super::{TODAY, dialect, plan, records, run};

const DATED: &str = r#"
    stamp = { date = "date", time = "time", kind = "arrival" }
    [[line]]
    kind = "title"
    is = "header"
    pattern = '^DATE (?P<date>\S+)$'
    carry = ["date"]
    fields = { date = { capture = "date", type = "date", format = "YYYY-MM-DD" } }
    [[line]]
    kind = "call"
    is = "record"
    pattern = '^(?P<time>\d\d:\d\d)$'
    fields = { time = { capture = "time", type = "time", format = "hh:mm" } }
"#;

fn starts(plan: &Plan, lines: &[&str]) -> Vec<String> {
    let starts = records(plan, lines);
    starts.iter().map(|record| record["start"].as_str().unwrap_or("none")[..16].to_owned()).collect()
}

#[test]
fn a_header_dates_the_lines_after_it_over_midnight() {
    assert_eq!(
        starts(&plan(DATED), &["DATE 2024-02-28", "09:00", "23:50", "23:20", "00:10", "23:58", "08:00"]),
        [
            "2024-02-28T09:00",
            "2024-02-28T23:50",
            "2024-02-28T23:20",
            "2024-02-29T00:10",
            "2024-02-28T23:58",
            "2024-02-29T08:00"
        ]
    );
    assert_eq!(starts(&plan(DATED), &["09:00"]), ["2026-03-01T09:00"], "no header yet: the box's day");
}

#[test]
fn a_year_that_nobody_prints() {
    let body = r#"
        stamp = { field = "at", kind = "arrival" }
        [[line]]
        kind = "call"
        is = "record"
        delimiter = ";"
        fields = { at = { index = 1, type = "datetime", format = "MM/DD hh:mm" } }
    "#;
    assert_eq!(
        starts(&plan(body), &["02/28 10:00", "12/31 23:59", "02/29 08:00"]),
        ["2026-02-28T10:00", "2025-12-31T23:59", "2028-02-29T08:00"],
        "nearest to the box's day; 29 February in the nearest leap year"
    );
    let assumed = dialect(body).plan(&BTreeMap::new(), Some(2011)).unwrap();
    assert_eq!(
        starts(&assumed, &["12/31 23:58", "01/01 00:03", "12/31 23:59", "01/01 00:05"]),
        ["2011-12-31T23:58", "2012-01-01T00:03", "2011-12-31T23:59", "2012-01-01T00:05"]
    );
    let impossible = run(&assumed, &["02/30 10:00"]);
    assert!(impossible[0].1["unparsed"].as_str().unwrap().contains("no such day"), "{impossible:?}");
}

#[test]
fn saturated_counters_and_numbers_that_are_not_told_are_absent() {
    let plan = plan(
        r#"
        record = { ring = "ring", talk = "talk", cli = "cli", dialled = "dialled", account = "account" }
        [[line]]
        kind = "call"
        is = "record"
        delimiter = ";"
        [line.fields]
        ring = { index = 1, type = "seconds" }
        talk = { index = 2, type = "duration", format = ["m:s", "h:m:s"] }
        cli = { index = 3, type = "number" }
        dialled = { index = 4, type = "number", hidden = "." }
        account = { index = 5, type = "account" }
        "#,
    );
    assert_eq!(
        records(
            &plan,
            &["9999;59:59;UNKNOWN;555....;", "***;23:59:59;0163296????;;AB12", "7;0:07;01632960101@192.0.2.1;55;"]
        ),
        [
            json!({}),
            json!({"account": "AB12"}),
            json!({"ring_s": 7, "talk_s": 7, "cli": "01632960101", "dialled": "55"})
        ]
    );
}

#[test]
fn call_ids_that_start_again_begin_an_epoch() {
    let plan = plan(
        r#"
        stamp = { field = "at", kind = "arrival" }
        record = { call-id = "id" }
        [[line]]
        kind = "call"
        is = "record"
        delimiter = ";"
        [line.fields]
        at = { index = 1, type = "datetime", format = "YYYY-MM-DD hh:mm" }
        id = { index = 2, type = "call-id" }
        "#,
    );
    // `link` of the test dialect has no restart: the same lines in one epoch.
    let ids = |plan: &Plan, lines: &[&str]| {
        let mut state = SourceState::default();
        let mut reading = Reading::default();
        let mut epochs = Vec::new();
        for (no, line) in (1..).zip(lines) {
            plan.step(&mut state, &Line { no, bytes: line.as_bytes(), kept: &[], today: TODAY }, &mut reading);
            if let What::Record(record) = &reading.settled[0].what {
                epochs.push(record.epoch);
            }
        }
        epochs
    };
    let lines = [
        "2026-01-01 10:00;1000100",
        "2026-01-01 10:09;1000101",
        "2026-01-01 09:00;1000090",
        "2026-01-01 12:00;1000001",
        "2026-01-01 12:01;1000002",
        "2026-01-02 12:01;1009000",
        "2026-01-02 12:00;1000003",
    ];
    assert_eq!(ids(&plan, &lines), [0; 7]);
    let mut restarting = plan;
    restarting.restart = Some(RestartFile { floor: 1_000_000, near: 200, far: 5_000, quiet_s: 60 });
    assert_eq!(
        ids(&restarting, &lines),
        [0, 0, 0, 1, 1, 1, 2],
        "a late one stays; near the floor and later; far below"
    );
}

#[test]
fn a_clock_or_counter_printed_as_asterisks_is_not_known_and_the_record_stays() {
    let plan = plan(
        r#"
        stamp = { date = "date", time = "time", kind = "end" }
        record = { talk = "talk" }
        [[line]]
        kind = "call"
        is = "record"
        delimiter = ";"
        [line.fields]
        date = { index = 1, type = "date", format = "DD/MM/YY", hidden = "*", required = true }
        time = { index = 2, type = "time", format = "hh:mmap", hidden = "*", required = true }
        talk = { index = 3, type = "duration", format = "hh:mm'ss", hidden = "*" }
        "#,
    );
    assert_eq!(
        records(&plan, &["**/**/**;**:****;00:01'09", "01/02/26; 9:05AM;**:**'**"]),
        [json!({ "talk_s": 69 }), json!({ "end": "2026-02-01T09:05:00" })]
    );
    // Half a date is no date.
    assert!(records(&plan, &["01/**/26;09:05AM;00:01'09"])[0].get("unparsed").is_some());
}

#[test]
fn a_station_of_seven_digits_is_one_only_where_its_field_says_so() {
    let line = |more: &str| {
        format!(
            r#"
            record = {{ extension = "station" }}
            [[line]]
            kind = "call"
            is = "record"
            delimiter = ";"
            fields = {{ station = {{ index = 1, type = "station"{more} }} }}
            "#
        )
    };
    assert_eq!(
        records(&plan(&line("")), &["200001", "2000001"]),
        [json!({ "extension": "200001" }), json!({ "extension": "0000000" })]
    );
    let wide = plan(&line(", most-digits = 7"));
    assert_eq!(
        records(&wide, &["2000001", "20000001"]),
        [json!({ "extension": "2000001" }), json!({ "extension": "00000000" })]
    );
    let head = "id = \"test\"\nname = \"Test\"\ndoc = \"\"\nlink = { by = \"nothing\" }\n";
    assert!(Dialect::read("test.toml", &format!("{head}{}", line(", most-digits = 8"))).is_err());
}

pub(super) const CLOCKS: &str = r#"
    record = { ring = "wait", talk = "spoken" }
    stamp = { field = "from", kind = "arrival", zone = "UTC" }
    [options.lines]
    words = true
    doc = "Trunks."
    [[line]]
    kind = "row"
    is = "record"
    delimiter = ","
    [line.fields]
    from = { index = 1, type = "datetime", format = "epoch", required = true }
    answer = { index = 2, type = "datetime", format = "epoch", hidden = "0" }
    to = { index = 3, type = "datetime", format = "epoch" }
    device = { index = 4, type = "device" }
    wait = { between = ["from", "answer"], type = "seconds" }
    spoken = { between = ["answer", "to"], type = "seconds" }
    [[facts]]
    name = "way"
    rows = [{ when = { device = { listed = "lines" } }, set = { direction = "inbound" }, put = { trunk = "device" } }]
"#;

#[test]
fn seconds_between_two_clocks_of_a_line_and_words_of_the_site() {
    let options = BTreeMap::from([("lines".to_owned(), "gw-1, gw-2".to_owned())]);
    let plan = dialect(CLOCKS).plan(&options, None).unwrap();
    assert_eq!(plan.zone(), Some("UTC"));
    assert_eq!(
        records(
            &plan,
            &["1709543000,1709543012,1709543072,gw-2", "1709543000,0,1709543072,gw", "1709543012,1709543000,,"]
        ),
        [
            json!({"start": "2024-03-04T09:03:20", "ring_s": 12, "talk_s": 60, "direction": "inbound", "trunk": "gw-2"}),
            json!({"start": "2024-03-04T09:03:20"}),
            json!({"start": "2024-03-04T09:03:32"}),
        ]
    );
    let none = dialect(CLOCKS).plan(&BTreeMap::new(), None).unwrap();
    assert_eq!(records(&none, &["1709543000,0,,gw-2"]), [json!({"start": "2024-03-04T09:03:20"})]);
}
