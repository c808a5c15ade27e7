//! Each primitive on a dialect of a few lines, so that none depends on a shipped file that happens to use it.

use std::collections::BTreeMap;

use jiff::civil::{Date, date};
use serde_json::{Value as Json, json};

use super::library::Dialect;
use super::state::SourceState;
use super::{Line, Plan, Reading, What};

const TODAY: Date = date(2026, 3, 1);

fn dialect(body: &str) -> Dialect {
    let head = "id = \"test\"\nname = \"Test\"\ndoc = \"For a test.\"\nlink = { by = \"nothing\" }\n";
    Dialect::read("test.toml", &format!("{head}{body}")).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn plan(body: &str) -> Plan {
    dialect(body).plan(&BTreeMap::new(), None).unwrap()
}

/// What each line came to, in the order of settling: `number: what`.
fn run(plan: &Plan, lines: &[&str]) -> Vec<(u64, Json)> {
    let mut state = SourceState::default();
    let mut reading = Reading::default();
    let mut all = Vec::new();
    let mut take = |reading: &mut Reading| {
        for settled in reading.settled.drain(..) {
            let what = match settled.what {
                What::Record(record) => Json::Object(record.to_json()),
                What::Continuation => json!("continuation"),
                What::Event(None) => json!("event"),
                What::Event(Some(record)) => json!({"offer": record.to_json()}),
                What::Header => json!("header"),
                What::Noise => json!("noise"),
                What::Unparsed { reason, .. } => json!({ "unparsed": reason }),
            };
            all.push((settled.no, what));
        }
    };
    for (no, line) in (1..).zip(lines) {
        plan.step(&mut state, &Line { no, bytes: line.as_bytes(), kept: &[], today: TODAY }, &mut reading);
        take(&mut reading);
    }
    plan.idle(&mut state, &mut reading);
    take(&mut reading);
    all
}

fn records(plan: &Plan, lines: &[&str]) -> Vec<Json> {
    run(plan, lines).into_iter().map(|(_, what)| what).filter(Json::is_object).collect()
}

#[test]
fn tag_length_value() {
    let plan = plan(
        r#"
        record = { extension = "station", ring = "wait" }
        [[line]]
        kind = "tlv"
        is = "record"
        when = { pattern = '^!K' }
        tlv = { start = 3, tag = 2, length = 2 }
        [line.fields]
        station = { tag = "02", type = "station" }
        wait = { tag = "06", type = "seconds" }
        "#,
    );
    assert_eq!(records(&plan, &["!K060217020420119901x"]), [json!({"extension": "2011", "ring_s": 17})]);
    let cut = run(&plan, &["!K06021702"]);
    assert!(cut[0].1["unparsed"].as_str().unwrap().contains("no length"), "{cut:?}");
    let short = run(&plan, &["!K0220201"]);
    assert!(short[0].1["unparsed"].as_str().unwrap().contains("cut short"), "{short:?}");
}

const NAMED: &str = r#"
    record = { cli = "caller", extension = "agent" }
    [[line]]
    kind = "names"
    is = "header"
    when = { pattern = '^"?Caller' }
    delimiter = ","
    quote = '"'
    names = true
    [[line]]
    kind = "row"
    is = "record"
    when = { fields = [2, 4] }
    delimiter = ","
    quote = '"'
    [line.fields]
    caller = { header = "Caller", type = "number" }
    agent = { header = "Agent", type = "station" }
    note = { header = "Note", type = "text" }
"#;

#[test]
fn columns_by_the_names_of_a_header() {
    let lines = ["\"Caller\",\"Note\",\"Agent\"", "01632960101,\"a, b\",201", "Caller,Agent", "01632960102,202", "x"];
    let all = run(&plan(NAMED), &lines);
    assert_eq!(all[1].1, json!({"cli": "01632960101", "extension": "201"}), "a delimiter in quotes is text");
    assert_eq!(all[3].1, json!({"cli": "01632960102", "extension": "202"}), "a new header counts at once");
    assert!(all[4].1["unparsed"].is_string(), "one field is too few: {:?}", all[4]);
}

#[test]
fn a_field_cut_again_by_the_first_pattern_that_fits() {
    let plan = plan(
        r#"
        record = { ddi = "ddi", cli = "cli", dialled = "number" }
        [[line]]
        kind = "row"
        is = "record"
        delimiter = ";"
        [line.fields]
        number = { index = 1, type = "number" }
        ddi = { capture = "ddi", type = "number" }
        cli = { capture = "cli", type = "number" }
        [[line.cut]]
        field = "number"
        pattern = '^<D>(?P<ddi>[^<]*)<I>(?P<cli>.*)$'
        [[line.cut]]
        field = "number"
        pattern = '^<I>(?P<cli>.*)$'
        "#,
    );
    assert_eq!(
        records(&plan, &["<D>960100<I>07700900123;", "<I>07700900123", "01632960101"]),
        [
            json!({"ddi": "960100", "cli": "07700900123"}),
            json!({"cli": "07700900123"}),
            json!({"dialled": "01632960101"})
        ]
    );
}

#[test]
fn facts_by_code_with_prefix_modulo_word_blank_zero_digits_and_kind() {
    let plan = plan(
        r#"
        record = { trunk = "line" }
        [[line]]
        kind = "row"
        is = "record"
        delimiter = ";"
        [line.fields]
        code = { index = 1, type = "code" }
        line = { index = 2, type = "device" }
        talk = { index = 3, type = "seconds" }
        number = { index = 4, type = "number" }
        why = { index = 5, type = "code" }
        [[facts]]
        name = "direction"
        rows = [
          { when = { code = { modulo = 10, remainder = [1, 5] } }, set = { direction = "inbound" }, put = { cli = "number" } },
          { when = { code = ["2", "O"] }, set = { direction = "outbound" }, put = { dialled = "number" } },
          { when = { code = { not = "9" }, number = { blank = true } }, outcome = "event" },
          { when = { code = "9" }, outcome = "unparsed", reason = "nine" },
          { kind = "row", set = { direction = "internal" } },
        ]
        [[facts]]
        name = "more"
        rows = [
          { so-far = { direction = "inbound" }, when = { talk = { zero = true } }, set = { answered = false }, drop = ["trunk"] },
          { so-far = { direction = "inbound" }, when = { line = { prefix = ["T", "X"] } }, set = { answered = true }, put = { talk = "talk" } },
          { when = { number = { digits = [1, 4] } }, set = { party = "voicemail", transferred = true } },
          { when = { why = { word = "MT" } }, set = { conference = true } },
        ]
        "#,
    );
    assert_eq!(
        run(
            &plan,
            &["35;T1;7;960101;", "1;T1;0;960101;", "O;T1;7;960101;U MT", "7;T1;7;;", "9;T1;7;1;", "7;T1;7;123;"]
        )
        .into_iter()
        .map(|(_, what)| what)
        .collect::<Vec<_>>(),
        [
            json!({"direction": "inbound", "answered": true, "talk_s": 7, "cli": "960101", "trunk": "T1"}),
            json!({"direction": "inbound", "answered": false, "cli": "960101"}),
            json!({"direction": "outbound", "conference": true, "dialled": "960101", "trunk": "T1"}),
            json!("event"),
            json!({"unparsed": "nine"}),
            json!({"direction": "internal", "transferred": true, "trunk": "T1"}),
        ]
    );
}

#[test]
fn guards_by_length_byte_option_and_a_layout_that_a_line_announced() {
    let body = r#"
        record = { extension = "station" }
        [options.layout]
        values = ["auto", "wide"]
        default = "auto"
        doc = "Which."
        [[line]]
        kind = "title"
        is = "header"
        when = { pattern = '^TITLE B' }
        carry-layout = "b"
        [[line]]
        kind = "forced"
        is = "record"
        when = { option = { layout = "wide" } }
        [line.fields]
        station = { at = [1, 5], type = "station" }
        [[line]]
        kind = "b"
        is = "record"
        when = { layout = "b", length = [4, 9] }
        [line.fields]
        station = { at = [3, 4], type = "station" }
        [[line]]
        kind = "a"
        is = "record"
        when = [{ at = [{ column = 1, class = "digit" }, { column = 4, class = "blank" }] }, { at = [{ column = 1, is = "E" }] }]
        [line.fields]
        station = { at = [1, 3], type = "station", drop-prefix = "E" }
    "#;
    let extension = |text: &str| json!({ "extension": text });
    assert_eq!(
        records(&plan(body), &["123", "E45", "TITLE B", "123456"]),
        [extension("123"), extension("45"), extension("34")]
    );
    let wide = dialect(body).plan(&BTreeMap::from([("layout".to_owned(), "wide".to_owned())]), None).unwrap();
    assert_eq!(records(&wide, &["12345"]), [extension("12345")]);
    let error = dialect(body).plan(&BTreeMap::from([("layout".to_owned(), "x".to_owned())]), None).unwrap_err();
    assert!(error.to_string().contains("auto, wide"), "{error}");
    let error = dialect(body).plan(&BTreeMap::from([("colour".to_owned(), "x".to_owned())]), None).unwrap_err();
    assert!(error.to_string().contains("layout"), "{error}");
}

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
    restarting.restart = Some(super::file::RestartFile { floor: 1_000_000, near: 200, far: 5_000, quiet_s: 60 });
    assert_eq!(
        ids(&restarting, &lines),
        [0, 0, 0, 1, 1, 1, 2],
        "a late one stays; near the floor and later; far below"
    );
}

#[test]
fn faults_of_a_file_name_line_key_reason_and_remedy() {
    let head = "id = \"test\"\nname = \"T\"\ndoc = \"D\"\nlink = { by = \"nothing\" }\n";
    for (body, line, words) in [
        ("colour = 1\n", 5, "unknown field"),
        ("cannot = [\"fly\"]\n[[line]]\nkind = \"a\"\nis = \"record\"\n", 5, "unanswered"),
        ("[[line]]\nkind = \"a\"\nis = \"header\"\n", 5, "is = \"record\""),
        ("[[line]]\nkind = \"a\"\nis = \"record\"\nwhen = { pattern = '(' }\n", 8, "pattern"),
        ("[[line]]\nkind = \"a\"\nis = \"record\"\n[line.fields]\nx = { at = [0, 3] }\n", 9, "columns count from 1"),
        ("[[line]]\nkind = \"a\"\nis = \"record\"\n[line.fields]\nx = { at = [1, 3], type = \"date\" }\n", 9, "format"),
        (
            "[record]\ncli = \"x\"\n[[line]]\nkind = \"a\"\nis = \"record\"\n[line.fields]\nx = { at = [1, 3], type = \"trunk\" }\n",
            6,
            "cannot go there",
        ),
        (
            "[[line]]\nkind = \"a\"\nis = \"record\"\n[line.fields]\nx = { at = [1, 9], type = \"number\" }\n[[facts]]\nname = \"f\"\nrows = [{ when = { x = { prefix = \"07\" } } }]\n",
            12,
            "blank, zero or digits",
        ),
    ] {
        let faults = Dialect::read("site.toml", &format!("{head}{body}")).expect_err(body);
        let fault = &faults[0];
        assert_eq!(fault.line, line, "{fault}");
        assert!(fault.to_string().contains(words), "{fault}");
        assert!(fault.to_string().starts_with("site.toml:") && !fault.remedy.is_empty(), "{fault}");
    }
}

#[test]
fn an_example_that_does_not_hold_is_a_fault_and_so_is_a_rule_that_reads_a_number() {
    let example = |records: &str| {
        format!(
            r#"
            record = {{ cli = "number" }}
            [[line]]
            kind = "a"
            is = "record"
            pattern = '^(?P<number>\d+)$'
            fields = {{ number = {{ capture = "number", type = "number" }} }}
            [[line]]
            kind = "b"
            is = "record"
            [[example]]
            name = "one"
            lines = "0163296"
            records = [{records}]
            "#
        )
    };
    assert_eq!(dialect(&example(r#"{ cli = "0163296" }"#)).check_examples(), []);
    let wrong = dialect(&example(r#"{ cli = "55" }"#)).check_examples();
    assert!(wrong[0].to_string().contains("cli is \"0163296\", the example says \"55\""), "{wrong:?}");
    let peeking = example(r#"{ cli = "0163296" }"#).replace(r"(?P<number>\d+)", r"(?P<number>01\d+)");
    let faults = dialect(&peeking).check_examples();
    assert!(faults[0].to_string().contains("masked"), "{faults:?}");
}

#[test]
fn a_site_directory_adds_and_replaces() {
    let dir = std::env::temp_dir().join(format!("smdrd-dialects-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let text = include_str!("../../config/dialects/mitel-5000.toml");
    std::fs::write(dir.join("a.toml"), text.replace("Inter-Tel Axxess", "Our Axxess")).unwrap();
    std::fs::write(dir.join("b.toml"), text.replace("id = \"mitel-5000\"", "id = \"ours\"")).unwrap();
    let library = super::Library::with_site_dir(&dir).unwrap();
    assert!(library.get("mitel-5000").unwrap().name.starts_with("Our"));
    assert!(library.get("ours").unwrap().from_site && !library.get("nortel-bcm").unwrap().from_site);
    std::fs::write(dir.join("c.toml"), "id = 1").unwrap();
    let error = super::Library::with_site_dir(&dir).unwrap_err().to_string();
    assert!(error.contains("c.toml:1"), "{error}");
    std::fs::remove_dir_all(&dir).unwrap();
    assert!(super::Library::with_site_dir(&dir).is_ok(), "a directory that is not there holds none");
}

#[test]
fn the_file_that_the_documentation_shows_is_sound() {
    let doc = include_str!("../../docs/dialects.md");
    let text = doc.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let dialect = Dialect::read("docs/dialects.md", text).unwrap();
    assert_eq!((dialect.examples(), dialect.check_examples()), (1, Vec::new()));
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

const CLOCKS: &str = r#"
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

#[test]
fn what_is_wrong_with_words_zones_and_differences_is_said() {
    for (from, to, says) in [
        ("words = true", "words = true\n values = [\"a\"]\n default = \"a\"", "it has values, too"),
        ("words = true", "values = [\"a\"]\n default = \"a\"", "no option of this name takes words"),
        ("\"UTC\"", "\"Europe/Nowhere\"", "there is no such zone"),
        ("between = [\"from\", \"answer\"]", "between = [\"from\", \"device\"]", "device is no date or time"),
        (
            "between = [\"answer\", \"to\"], type = \"seconds\"",
            "between = [\"answer\", \"to\"], type = \"duration\", format = \"s\"",
            "of type seconds",
        ),
    ] {
        let head = "id = \"test\"\nname = \"Test\"\ndoc = \"For a test.\"\nlink = { by = \"nothing\" }\n";
        let faults = Dialect::read("test.toml", &format!("{head}{}", CLOCKS.replace(from, to))).unwrap_err();
        assert!(faults.iter().any(|fault| fault.reason.contains(says)), "{says}: {faults:?}");
    }
}
