//! Each primitive on a dialect of a few lines, so that none depends on a shipped file that happens to use it.

mod files;
mod groups;
mod values;

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
