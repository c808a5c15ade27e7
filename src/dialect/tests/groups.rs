//! Records of several lines.

use serde_json::json;

use super::{plan, records, run};

const ADJACENT: &str = r#"
    record = { extension = "station", hold = "held", talk = "talked", ring = "waited" }
    [[line]]
    kind = "open"
    is = "record"
    pattern = '^OPEN (?P<station>\d+)$'
    fields = { station = { capture = "station", type = "station" } }
    [[line]]
    kind = "wait"
    is = "record"
    pattern = '^WAIT (?P<s>\d+)$'
    fields = { waited = { capture = "s", type = "seconds", merge = "sum" } }
    [[line]]
    kind = "hold"
    is = "record"
    pattern = '^HOLD (?P<a>(?P<b>\d+))$'
    [line.fields]
    held = { capture = "a", type = "seconds", merge = "sum", sign = "-" }
    talked = { capture = "b", type = "seconds", merge = "sum", sign = "+" }
    [[line]]
    kind = "unhold"
    is = "record"
    pattern = '^UNHOLD (?P<a>(?P<b>\d+))$'
    [line.fields]
    held = { capture = "a", type = "seconds", merge = "sum", sign = "+" }
    talked = { capture = "b", type = "seconds", merge = "sum", sign = "-" }
    [[line]]
    kind = "end"
    is = "record"
    pattern = '^END (?P<s>\d+)$'
    fields = { talked = { capture = "s", type = "seconds", merge = "sum", sign = "+" } }
    [[group]]
    name = "call"
    open = ["open"]
    continue = ["wait", "hold", "unhold"]
    close = ["end"]
    max-lines = 5
    require = ["talked"]
"#;

#[test]
fn an_adjacent_group_is_carried_by_the_line_that_closes_it() {
    let all = run(&plan(ADJACENT), &["OPEN 201", "WAIT 3", "HOLD 10", "UNHOLD 25", "END 99"]);
    let (no, record) = all.last().unwrap();
    assert_eq!((*no, record), (5, &json!({"extension": "201", "ring_s": 3, "hold_s": 15, "talk_s": 84})));
    assert!(all[..4].iter().all(|(_, what)| what == "continuation"));
}

#[test]
fn a_sum_whose_signs_do_not_alternate_says_nothing() {
    let held_to_the_end = records(&plan(ADJACENT), &["OPEN 201", "HOLD 10", "END 99"]);
    assert_eq!(held_to_the_end, [json!({"extension": "201"})]);
    let without = records(&plan(ADJACENT), &["OPEN 201", "END 99"]);
    assert_eq!(without, [json!({"extension": "201", "talk_s": 99})]);
}

#[test]
fn a_group_that_never_closes_ends_as_one_line_not_understood() {
    let all = run(&plan(ADJACENT), &["OPEN 201", "WAIT 1", "WAIT 1", "WAIT 1", "WAIT 1", "WAIT 1", "OPEN 202"]);
    let unparsed: Vec<u64> = all.iter().filter(|(_, what)| what["unparsed"].is_string()).map(|(no, _)| *no).collect();
    assert_eq!(unparsed, [5, 6, 7], "over-long; continuing nothing; ended without talk: {all:?}");
}

#[test]
fn an_opener_closes_the_group_before_it_and_noise_between_does_not() {
    let body = ADJACENT.replace("require = [\"talked\"]", "");
    let all = run(&plan(&body), &["OPEN 201", "WAIT 3", "&%$", "", "OPEN 202"]);
    let records: Vec<_> = all.iter().filter(|(_, what)| what["extension"].is_string()).collect();
    assert_eq!(records[0], &(2, json!({"extension": "201", "ring_s": 3})), "on its last line");
    assert_eq!(records[1], &(5, json!({"extension": "202"})), "when nothing more comes");
    assert_eq!(all.iter().find(|(no, _)| *no == 4).unwrap().1, "header");
}

#[test]
fn an_adjacent_group_is_over_when_many_lines_that_are_not_its_own_have_passed() {
    let mut lines = vec!["OPEN 201", "END 9"];
    lines.insert(1, "WAIT 3");
    lines.splice(2..2, std::iter::repeat_n("&%$", 60));
    let all = run(&plan(&ADJACENT.replace("require = [\"talked\"]", "")), &lines);
    assert!(all.contains(&(2, json!({"extension": "201", "ring_s": 3}))), "{all:?}");
    assert!(all.last().unwrap().1["unparsed"].as_str().unwrap().contains("none is open"));
}

const KEYED: &str = r#"
    stamp = { date = "date", time = "time", kind = "event" }
    record = { trunk = "line", extension = "station", ring = "ring" }
    [[line]]
    kind = "ring"
    is = "record"
    pattern = '^R (?P<line>\d+) (?P<time>\d\d:\d\d:\d\d) (?P<date>\d{8})$'
    [line.fields]
    line = { capture = "line", type = "trunk" }
    time = { capture = "time", type = "time", format = "hh:mm:ss" }
    date = { capture = "date", type = "date", format = "YYYYMMDD" }
    rang = { moment = true, type = "code" }
    [[line]]
    kind = "answer"
    is = "record"
    pattern = '^A (?P<line>\d+) (?P<time>\d\d:\d\d:\d\d) (?P<date>\d{8}) (?P<station>\d+)$'
    [line.fields]
    line = { capture = "line", type = "trunk" }
    time = { capture = "time", type = "time", format = "hh:mm:ss" }
    date = { capture = "date", type = "date", format = "YYYYMMDD" }
    station = { capture = "station", type = "station" }
    ring = { since = "rang", type = "seconds" }
    [[group]]
    name = "call"
    mode = "keyed"
    key = "line"
    open = ["ring"]
    close = ["answer"]
    max-open = 2
    max-age-s = 600
"#;

#[test]
fn keyed_groups_are_open_side_by_side() {
    let lines =
        ["R 1 10:00:00 20260101", "R 2 10:00:01 20260101", "A 1 10:00:07 20260101 201", "A 2 10:00:11 20260101 202"];
    let all = run(&plan(KEYED), &lines);
    assert_eq!(all[2], (3, json!({"trunk": "1", "extension": "201", "ring_s": 7})));
    assert_eq!(all[3], (4, json!({"trunk": "2", "extension": "202", "ring_s": 10})));
}

#[test]
fn keyed_groups_are_bounded_in_number_and_age() {
    let lines = ["R 1 10:00:00 20260101", "R 2 10:00:01 20260101", "R 3 10:00:02 20260101", "R 4 10:30:00 20260101"];
    let all = run(&plan(KEYED), &lines);
    let never: Vec<u64> = all.iter().filter(|(_, what)| what["unparsed"].is_string()).map(|(no, _)| *no).collect();
    assert_eq!(never, [1, 2, 3], "one too many, then two too old: {all:?}");
}

#[test]
fn each_line_of_a_keyed_group_may_be_a_record_that_earlier_ones_lend_to() {
    let body = KEYED.replace("key = \"line\"", "key = \"line\"\n    emit = \"each\"\n    lend = [\"rang\"]");
    let all = run(&plan(&body), &["R 1 10:00:00 20260101", "A 1 10:00:07 20260101 201", "A 1 10:00:09 20260101 201"]);
    assert_eq!(all[0].1, json!({"trunk": "1"}));
    assert_eq!(all[1].1, json!({"trunk": "1", "extension": "201", "ring_s": 7}));
    assert_eq!(all[2].1, json!({"trunk": "1", "extension": "201"}), "the ring was not seen");
}
