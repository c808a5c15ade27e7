//! The verbs `parse` and `dialects`, run as the installer runs them.

use std::path::Path;

use assert_cmd::Command;
use serde_json::{Value, json};

const LOST: &str =
    "2008/06/28 09:28:41,00:00:00,9,01632960206,I,4324,4324,,0,1000014155,0,E4324,Joe,T9161,LINE 5.1,0,0,,\r\n";

fn smdrd(arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("smdrd").unwrap();
    // The machine's own dialects are none of the test's business.
    command.args(arguments).args(["--dialects", "/nonexistent"]);
    command
}

fn objects(output: &[u8]) -> Vec<Value> {
    std::str::from_utf8(output).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn parse_prints_one_object_an_outcome_in_order() {
    let input = format!("Call Start,Connected Time,Ring Time,Caller\r\n{LOST}\0\0\r\n2008/06/28 09:28:41,00:00\r\n");
    let out = smdrd(&["parse", "--dialect", "avaya-ipoffice", "--json", "-"]).write_stdin(input).assert().success();
    let objects = objects(&out.get_output().stdout);
    assert_eq!(objects.len(), 4, "{objects:?}");
    assert_eq!(objects[0], json!({"ignored": true}));
    assert_eq!(objects[1]["start"], "2008-06-28T09:28:41");
    assert_eq!(objects[1]["answered"], false);
    assert_eq!(objects[1]["cli"], "01632960206");
    assert_eq!(objects[2], json!({"ignored": true}), "a line of nothing but control bytes");
    assert!(objects[3]["unparsed"].is_string() && objects[3]["column"].is_u64(), "{:?}", objects[3]);
}

#[test]
fn parse_joins_the_lines_of_a_record_and_assumes_the_year() {
    let input = "N 074 00 6503    T060030 11/01 06:01 00:00:12 A 5550187\r\n &       0001    0000\r\n\
                 N 075 00 1217    A001026 01/10 13:02:06 00:03:06.0 A5550188\r\n";
    let arguments = ["parse", "--dialect", "nortel-meridian", "--assume-year", "2019", "--json", "-"];
    let out = smdrd(&arguments).write_stdin(input).assert().success();
    let objects = objects(&out.get_output().stdout);
    assert_eq!(objects.len(), 2, "{objects:?}");
    assert_eq!(objects[0]["dialled"], "5550187");
    assert_eq!(objects[1]["start"], "2020-01-10T13:02:06", "two months later in the same file");
}

#[test]
fn parse_without_json_is_a_table_with_a_caret_under_what_was_not_understood() {
    let input = format!("{LOST}2008/06/28 09:28:41,soon,1,,I,1,1,,0,1,0,,,,,,\r\n");
    let out = smdrd(&["parse", "--dialect", "avaya-ipoffice", "-"]).write_stdin(input).assert().success();
    let text = String::from_utf8(out.get_output().stdout.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("TIME") && lines[1].contains("inbound") && lines[1].contains("4324"), "{text}");
    assert_eq!(lines[4].find('^'), lines[3].find("soon"), "{text}");
}

#[test]
fn wrong_options_and_dialects_are_usage_and_list_what_there_is() {
    let out = smdrd(&["parse", "--dialect", "pbx", "-"]).assert().code(2);
    assert!(String::from_utf8_lossy(&out.get_output().stderr).contains("siemens-hipath3000"));
    let out = smdrd(&["parse", "--dialect", "nortel-bcm", "--set", "date_order=XYZ", "-"]).assert().code(2);
    assert!(String::from_utf8_lossy(&out.get_output().stderr).contains("MDY, DMY, YMD"));
    let out = smdrd(&["parse", "--dialect", "nortel-bcm", "--set", "colour=red", "-"]).assert().code(2);
    assert!(String::from_utf8_lossy(&out.get_output().stderr).contains("date_order"));
    smdrd(&["parse", "--dialect", "nortel-bcm", "/nonexistent/file"]).assert().code(1);
}

#[test]
fn an_option_changes_what_a_date_means() {
    let input = "-------- 04/03/99 11:39:43 LINE = 0003 STN = 7425\r\n00:00:00 OUTGOING CALL\r\n\n";
    for (order, start) in [("MDY", "1999-04-03T11:39:43"), ("DMY", "1999-03-04T11:39:43")] {
        let set = format!("date_order={order}");
        let arguments = ["parse", "--dialect", "nortel-bcm", "--set", &set, "--json", "-"];
        let out = smdrd(&arguments).write_stdin(input).assert().success();
        assert_eq!(objects(&out.get_output().stdout)[0]["start"], start);
    }
}

#[test]
fn dialects_are_listed_and_shown() {
    let out = smdrd(&["dialects", "list", "--json"]).assert().success();
    let ids: Vec<Value> = objects(&out.get_output().stdout).into_iter().map(|dialect| dialect["id"].clone()).collect();
    assert!(ids.contains(&json!("avaya-ipoffice")) && ids.contains(&json!("mitel-5000")));
    let out = smdrd(&["dialects", "show", "siemens-hipath3000", "--json"]).assert().success();
    assert_eq!(objects(&out.get_output().stdout)[0]["cannot"], json!(["internal", "outbound-answer", "hold"]));
    let out = smdrd(&["dialects", "show", "nortel-bcm"]).assert().success();
    assert!(String::from_utf8_lossy(&out.get_output().stdout).contains("date_order = MDY | DMY | YMD"));
    smdrd(&["dialects", "show", "pbx"]).assert().code(2);
    smdrd(&["dialects", "test"]).assert().success();
}

#[test]
fn pairs_are_tested_to_their_depths_and_a_failing_one_says_how() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialects");
    smdrd(&["dialects", "test", samples.to_str().unwrap()]).assert().success();
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("a/b");
    std::fs::create_dir_all(&deep).unwrap();
    std::fs::write(deep.join("001-x.smdr"), LOST).unwrap();
    let wrong = json!({"dialect": "avaya-ipoffice", "records": [{"answered": true, "ddi": "4324"}]});
    std::fs::write(deep.join("001-x.json"), wrong.to_string()).unwrap();
    std::fs::write(dir.path().join("002-y.smdr"), LOST).unwrap();
    std::fs::write(dir.path().join("002-y.json"), json!({"dialect": "pbx", "records": []}).to_string()).unwrap();
    let out = smdrd(&["dialects", "test", dir.path().to_str().unwrap()]).assert().code(1);
    let text = String::from_utf8(out.get_output().stdout.clone()).unwrap();
    assert!(text.contains("a/b/001-x.json") && text.contains("answered should be true, is false"), "{text}");
    assert!(text.contains("1 do not, 1 skipped") && text.contains("pbx (1)"), "{text}");
    let out = smdrd(&["dialects", "test", dir.path().to_str().unwrap(), "--json"]).assert().code(1);
    let last = objects(&out.get_output().stdout).pop().unwrap();
    assert_eq!(last, json!({"pairs": 2, "held": 0, "failed": 1, "skipped": {"pbx": 1}}));
}

#[test]
fn it_is_said_which_file_a_dialect_comes_from() {
    let dir = tempfile::tempdir().unwrap();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/config/dialects/mitel-5000.toml");
    let file = dir.path().join("ours.toml");
    std::fs::copy(shipped, &file).unwrap();
    let run = |verb: &[&str]| {
        let mut command = Command::cargo_bin("smdrd").unwrap();
        let out = command.args(verb).arg("--dialects").arg(dir.path()).assert().success();
        String::from_utf8(out.get_output().stdout.clone()).unwrap()
    };
    let listed = objects(run(&["dialects", "list", "--json"]).as_bytes());
    let of = |id: &str| listed.iter().find(|dialect| dialect["id"] == id).unwrap().clone();
    assert_eq!((&of("mitel-5000")["from"], &of("mitel-5000")["file"]), (&json!("site"), &json!(file)));
    assert_eq!((&of("mitel-3300")["from"], &of("mitel-3300")["file"]), (&json!("shipped"), &Value::Null));
    let version = of("mitel-5000")["version"].as_str().unwrap().to_owned();
    let shown = run(&["dialects", "show", "mitel-5000"]);
    assert_eq!(shown.lines().nth(1), Some(format!("{}, version {version}", file.display()).as_str()));
}

#[test]
fn a_faulty_site_file_is_configuration() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("site.toml"), "id = \"x\"\ncolour = 1\n").unwrap();
    let mut command = Command::cargo_bin("smdrd").unwrap();
    let out = command.args(["dialects", "list", "--dialects", dir.path().to_str().unwrap()]).assert().code(78);
    assert!(String::from_utf8_lossy(&out.get_output().stderr).contains("site.toml:2"));
}
