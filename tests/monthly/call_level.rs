//! The call-level file: put together from the boxes' own, and only where their rows count what the documents count.

use serde_json::{Value, json};
use smdrd::push::parcel::sha256_hex;
use smdrd::report::call_level::{Row, Template, What, file};

use super::desk::{Desk, MONTH, Rows, busy_day, days, seed};

const CONFIGURED: &str = "\n[call-level]\ntemplate = \"rows.toml\"\nfiles = \"rows.csv\"\n";
/// A second of each count of a histogram: its lower edge or its upper one.
const SECONDS: [u32; 9] = [0, 1, 60, 61, 120, 121, 240, 241, 7_000];

/// The shipped template, confirmed.
fn confirmed() -> (String, String) {
    let (text, sample) = Template::SHIPPED;
    let said = "[confirmed]\nreference = \"a test\"\ndate = \"2026-10-12\"\nname = \"A Tester\"\n\n[constants]";
    (text.replacen("[constants]", said, 1), sample.to_owned())
}

/// What the box of a site would have exported of its documents.
fn exported(template: &Template, ods: &str, site: &str) -> String {
    let mut rows = Vec::new();
    for date in days() {
        let day = busy_day(ods, site, date, seed(ods, site, date));
        for slot in day["slots"].as_array().unwrap() {
            let time = format!("{}:00", slot["local"].as_str().unwrap()).parse().unwrap();
            let inbound = &slot["inbound"];
            let mut put = |what, count: &Value, wait_s, talk_s| {
                (0..count.as_u64().unwrap()).for_each(|_| rows.push(Row { date, time, what, wait_s, talk_s }));
            };
            put(What::EndedInMenu, &inbound["ivr_ended"], None, None);
            put(What::CallbackRequested, &inbound["callback_requested"], None, None);
            put(What::CallbackMade, &slot["callbacks_made"], None, None);
            // Waits and talks of the answered calls are the same counts turned around: any of them may belong together.
            let spread = |key: &str| -> Vec<u32> {
                let counts = inbound[key].as_array().unwrap().iter().zip(SECONDS);
                counts.flat_map(|(count, second)| vec![second; count.as_u64().unwrap() as usize]).collect()
            };
            for second in spread("missed_wait") {
                put(What::Missed, &json!(1), Some(second), None);
            }
            for (wait, talk) in spread("answered_wait").into_iter().zip(spread("answered_talk")) {
                put(What::Answered, &json!(1), Some(wait), Some(talk));
            }
        }
    }
    String::from_utf8(file(template, &rows).unwrap()).unwrap()
}

/// A desk with a month of these sites, and a call-level file of each.
fn desk(accounts: &[(&str, &str, &str)]) -> Desk {
    let desk = Desk::new(accounts);
    let (text, sample) = confirmed();
    let template = Template::read(&text, &sample).unwrap();
    desk.write("rows.toml", &text);
    desk.write("call-level-sample.csv", &sample);
    let mut list = "ODS_Code,Site,File,SHA256\n".to_owned();
    for (_, ods, site) in accounts {
        desk.hold_month(ods, site);
        let text = exported(&template, ods, site);
        let name = format!("{ods}-{site}.csv");
        list += &format!("{ods},{site},{name},{}\n", sha256_hex(text.as_bytes()));
        desk.write(&name, &text);
    }
    desk.write("rows.csv", &list);
    desk.configure(CONFIGURED);
    desk
}

/// The list without hashes, for files that a test changes.
fn forget_hashes(desk: &Desk) {
    let list = desk.read("rows.csv");
    let lines = list.lines().map(|line| line.rsplit_once(',').unwrap().0);
    let list: String = lines.map(|line| format!("{line},\n")).collect();
    desk.write("rows.csv", &list.replacen("File,", "File,SHA256", 1));
}

fn rows_of(desk: &Desk, build: u32) -> Vec<Vec<String>> {
    let path = desk.path(&format!("out/{MONTH}/build-{build}/cbt-call-level-{MONTH}.csv"));
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

/// By account, date, band, metric and bucket: what the rows count.
fn counted(rows: &[Vec<String>]) -> Rows {
    let mut counted = Rows::new();
    for row in rows {
        let [_, account, date, band, outcome, wait, talk] = &row[..] else { panic!("{row:?}") };
        let mut put = |code: &str, bucket: &str| {
            let key = [account, date, band, code, bucket].map(str::to_owned);
            *counted.entry(key.into()).or_default() += 1;
        };
        if outcome != "Callback made" {
            put("CBT001", "TOTAL");
        }
        match outcome.as_str() {
            "Ended during IVR" => put("CBT002", "TOTAL"),
            "Callback requested" => put("CBT005", "TOTAL"),
            "Callback made" => put("CBT006", "TOTAL"),
            "Missed" => put("CBT004", wait),
            "Answered" => {
                put("CBT003", wait);
                put("CBT007", talk);
            }
            other => panic!("{other}"),
        }
    }
    counted
}

#[test]
fn the_rows_of_all_sites_count_what_the_aggregated_file_says() {
    let accounts = [("007", "A81001", "main"), ("007", "A81001", "branch"), ("8", "A81002", "main")];
    let desk = desk(&accounts);
    let (code, built) = desk.built(&[]);
    assert_eq!(code, 0, "{built:#}");
    let rows = rows_of(&desk, 1);
    assert!(counted(&rows) == desk.rows(1), "the two files say the same");
    assert!(rows.iter().all(|row| row[0] == "Example, Telephony Ltd"), "the supplier is the operator's");
    let lines: usize =
        accounts.iter().map(|(_, ods, site)| desk.read(&format!("{ods}-{site}.csv")).lines().count() - 1).sum();
    assert_eq!(rows.len(), lines);
    let place = format!("out/{MONTH}/build-1");
    let header = confirmed().1;
    assert!(desk.read(&format!("{place}/cbt-call-level-{MONTH}.csv")).starts_with(header.trim_end()));
    // Their order says nothing, of no site either.
    let of_one: Vec<&Vec<String>> = rows.iter().filter(|row| row[1] == "007").collect();
    assert!(of_one.is_sorted(), "rows stand in the order of what they say");
    assert_eq!(
        desk.read(&format!("{place}/cbt-call-level-mapping-{MONTH}.csv")).lines().collect::<Vec<_>>(),
        desk.read(&format!("{place}/cbt-mapping-{MONTH}.csv")).lines().collect::<Vec<_>>(),
    );
    let record = &built["submission"]["call_level"];
    assert_eq!((&record["rows"], &record["included"]), (&json!(lines), &json!(["007", "8"])));
    let manifest: Value = serde_json::from_str(&desk.read(&format!("{place}/manifest.json"))).unwrap();
    assert_eq!(manifest["call_level"].as_array().unwrap().len(), 3);
    assert_eq!(manifest["call_level"][2]["sha256"], sha256_hex(desk.read("A81002-main.csv").as_bytes()));
    assert!(manifest["files"][format!("cbt-call-level-{MONTH}.csv")]["sha256"].is_string());
    assert_eq!(desk.built(&[]).1["unchanged"], json!(true), "the same month builds the same bytes");

    // Without files the aggregated file is made as ever, and what differs is said.
    desk.configure("");
    let (_, without) = desk.built(&[]);
    assert_eq!(without["submission"]["call_level"], Value::Null);
    let changes = without["submission"]["changes"].to_string();
    assert!(
        changes.contains("no longer in the call-level file") && changes.contains("call-level files is another one")
    );
}

#[test]
fn a_practice_that_takes_no_part_is_in_neither_file_and_its_rows_are_not_read() {
    let desk = desk(&[("1", "A81001", "main"), ("2", "A81002", "main")]);
    desk.write("participation.csv", "ODS_Code,Agreed\nA81001,yes\n");
    desk.write("A81002-main.csv", "no such file would be taken");
    let (code, built) = desk.built(&[]);
    assert_eq!(code, 0, "{built:#}");
    assert!(rows_of(&desk, 1).iter().all(|row| row[1] == "1"));
    let place = format!("out/{MONTH}/build-1");
    for file in ["cbt-call-level", "cbt-call-level-mapping", "cbt-mapping"] {
        assert!(!desk.read(&format!("{place}/{file}-{MONTH}.csv")).contains("A81002"), "{file}");
    }
    assert!(!desk.read(&format!("{place}/manifest.json")).contains("A81002"));
    assert_eq!(built["submission"]["call_level"]["left_out"], json!([]), "it is said once");
}

#[test]
fn a_file_that_cannot_be_used_keeps_its_account_out_of_the_rows_and_is_named_with_its_line() {
    let base = desk(&[("1", "A81001", "main"), ("2", "A81002", "main")]);
    forget_hashes(&base);
    let good = base.read("A81001-main.csv");
    let list = base.read("rows.csv");
    let lines: Vec<&str> = good.lines().collect();
    let with = |at: usize, line: &str| {
        let mut lines = lines.clone();
        lines[at] = line;
        lines.join("\n") + "\n"
    };
    let missed = lines.iter().position(|line| line.contains(",Missed,31_60,")).unwrap();
    let (other_bucket, other_day) =
        (lines[missed].replace("31_60", "61_120"), lines[missed].replace("2026-10", "2026-09"));
    let said = format!("line {}: ", missed + 1);
    for (text, word, expected) in [
        (String::new(), "call-level-file", "line 1: the file is empty"),
        (good.replacen("Outcome", "outcome", 1), "call-level-file", "line 1: the header is"),
        (
            with(missed, &lines[missed].replacen(",,", ",2,", 1)),
            "call-level-file",
            "Account_Number \"#\": it is another account",
        ),
        (with(missed, &lines[missed].replacen(",,", "Other,,", 1)), "call-level-file", "it is another supplier"),
        (with(missed, &lines[missed].replacen(",,", ",01632960123,", 1)), "call-level-file", "it is another account"),
        (with(missed, &lines[missed].replace("Missed", "07700900123")), "call-level-file", "that of 0 outcomes"),
        (with(missed, &lines[missed].replace("31_60", "45")), "call-level-file", "it is no bucket"),
        (with(missed, &other_day), "call-level-file", "is not in 2026-10"),
        (
            good.lines().skip(1).collect::<Vec<_>>().join("\n").replacen(",,", ",07700900123,", 1),
            "call-level-file",
            "line 1: the header is",
        ),
        (with(missed, "1,2,3"), "call-level-file", "it has 3 fields, the header 7"),
        (with(missed, ""), "call-level-differs", "CBT001: "),
        (format!("{good}{}\n", lines[missed]), "call-level-differs", " in the file, "),
        (with(missed, &other_bucket), "call-level-differs", "CBT004 31_60: "),
        (lines[0].to_owned() + "\n", "call-level-differs", "0 in the file"),
    ] {
        base.write("A81001-main.csv", &text);
        let (code, built) = base.built(&[]);
        assert_eq!(code, 1, "something that takes part is not in: {expected}");
        let record = &built["submission"]["call_level"];
        assert_eq!(record["included"], json!(["2"]), "{expected}");
        let reason = &record["left_out"][0]["reasons"][0];
        let what = reason["what"].as_str().unwrap();
        assert_eq!(reason["word"], word, "{expected}: {what}");
        assert!(what.contains("A81001/main") && what.contains(expected), "{expected}: {what}");
        if word == "call-level-file" && !expected.starts_with("line 1") {
            assert!(what.contains("A81001-main.csv") && what.contains(&said), "{expected}: {what}");
        }
        assert_eq!(built["submission"]["included"].as_array().unwrap().len(), 2, "the counts are sent all the same");
        let build = built["submission"]["build"].as_u64().unwrap() as u32;
        assert!(rows_of(&base, build).iter().all(|row| row[1] == "2"));
        let exceptions = base.read(&format!("out/{MONTH}/build-{build}/exceptions-{MONTH}.csv"));
        assert!(exceptions.contains(word), "{expected}: {exceptions}");
        let place = base.path(&format!("out/{MONTH}/build-{build}"));
        for file in std::fs::read_dir(place).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            assert!(
                !text.contains("960123") && !text.contains("0900123"),
                "a number that stood in a file gets no further"
            );
        }
        let mapping = base.read(&format!("out/{MONTH}/build-{build}/cbt-call-level-mapping-{MONTH}.csv"));
        assert!(mapping.contains("A81002") && !mapping.contains("A81001"));
    }
    // Not the file that was exported; one that is not there; a site without a file.
    base.write("A81001-main.csv", &good);
    for (change, word) in [
        (list.replace("A81001-main.csv,", &format!("A81001-main.csv,{}", "a".repeat(64))), "call-level-file"),
        (list.replace("A81001-main.csv", "nowhere.csv"), "call-level-file"),
        (
            list.lines().filter(|line| !line.starts_with("A81001")).map(|line| format!("{line}\n")).collect(),
            "call-level-no-file",
        ),
    ] {
        base.write("rows.csv", &change);
        let (code, built) = base.built(&[]);
        let left = &built["submission"]["call_level"]["left_out"];
        assert_eq!((code, &left[0]["reasons"][0]["word"]), (1, &json!(word)), "{left:#}");
    }
    base.write("rows.csv", &list);
    let (code, built) = base.built(&[]);
    assert_eq!((code, &built["submission"]["call_level"]["included"]), (0, &json!(["1", "2"])));
}

#[test]
fn what_the_operator_gives_is_refused_with_its_line() {
    let desk = desk(&[("1", "A81001", "main")]);
    let refused = |name: &str, text: &str, expected: &str| {
        let before = desk.read(name);
        desk.write(name, text);
        let said = desk.refused();
        assert!(said.contains(name) && said.contains(expected), "{expected}: {said}");
        desk.write(name, &before);
    };
    for (list, expected) in [
        ("", "line 1: the file is empty"),
        ("ODS_Code,File\n", "there is no row below the header"),
        ("ODS_Code,Site\nA81001,main\n", "there is no column \"File\""),
        ("ODS_Code,File,Notes\nA81001,a.csv,x\n", "line 1: the column \"Notes\" means nothing here"),
        ("ODS_Code,File\nA8100,a.csv\n", "line 2: ODS_Code \"A8100\" is no ODS code"),
        ("ODS_Code,File\nA81001,a.csv\nA81001,b.csv\n", "line 3: site main of A81001 has a file on line 2 already"),
        ("ODS_Code,File\nA81009,a.csv\n", "line 2: site \"main\" of A81009 is not in the account map"),
        ("ODS_Code,Site,File\nA81001,annex,a.csv\n", "line 2: site \"annex\" of A81001 is not in the account map"),
        ("ODS_Code,File\nA81001,\n", "line 2: File is empty"),
        ("ODS_Code,File,SHA256\nA81001,a.csv,beef\n", "line 2: SHA256 \"beef\" is not 64 hexadecimal digits"),
    ] {
        refused("rows.csv", list, expected);
    }
    let text = desk.read("rows.toml");
    for (from, to, expected) in [
        (
            "[confirmed]\nreference = \"a test\"\ndate = \"2026-10-12\"\nname = \"A Tester\"\n",
            "",
            "the mapping is not confirmed",
        ),
        ("sample = ", "# sample = ", "it names no sample"),
        ("Outcome = \"outcome\"", "", "does not say what \"Outcome\" is"),
        ("to = \"18:30\"", "to = \"18:20\"", "bands"),
        ("to = 30\n", "to = 20\n", "documents are counted up to 0, 30, 60"),
    ] {
        assert!(text.contains(from), "{from}");
        let changed = text
            .replace(from, to)
            .replace("from = \"18:30\"", if expected == "bands" { "from = \"18:20\"" } else { "from = \"18:30\"" });
        let changed =
            if expected.contains("up to 0") { changed.replace("from = 31\n", "from = 21\n") } else { changed };
        refused("rows.toml", &changed, expected);
    }
    desk.write("feed.toml", &desk.read("feed.toml").replace("files = ", "file = "));
    assert!(desk.refused().contains("file"));
}

#[test]
fn two_sites_cannot_have_one_file() {
    let desk = desk(&[("1", "A81001", "main"), ("2", "A81002", "main")]);
    desk.write("rows.csv", "ODS_Code,File\nA81001,a.csv\nA81002,a.csv\n");
    let said = desk.refused();
    assert!(said.contains("line 3: File \"a.csv\" stands on line 2 already; its calls would count twice"), "{said}");
}

#[test]
fn exact_times_are_compared_by_half_hour_and_histogram() {
    let desk = desk(&[("1", "A81001", "main")]);
    forget_hashes(&desk);
    let (text, sample) = confirmed();
    let text = text
        .replace("unknown = \"\"", "unknown = \"\"\nexact = true")
        .replace("Time_Category = \"band\"", "Time_Category = \"time\"")
        .replace("Wait_Time = \"wait-bucket\"", "Wait_Time = \"wait\"")
        .replace("Duration = \"talk-bucket\"", "Duration = \"talk\"");
    desk.write("rows.toml", &text);
    let template = Template::read(&text, &sample).unwrap();
    let good = exported(&template, "A81001", "main");
    desk.write("A81001-main.csv", &good);
    let (code, built) = desk.built(&[]);
    assert_eq!(code, 0, "{built:#}");
    // A call half an hour later, or a second longer than an edge.
    for (from, to) in [(",08:00,Missed,60,", ",08:30,Missed,60,"), (",Missed,60,", ",Missed,61,")] {
        assert!(good.contains(from));
        desk.write("A81001-main.csv", &good.replacen(from, to, 1));
        let (code, built) = desk.built(&[]);
        let left = &built["submission"]["call_level"]["left_out"];
        assert_eq!((code, &left[0]["reasons"][0]["word"]), (1, &json!("call-level-differs")), "{left:#}");
    }
}

#[test]
fn a_template_can_be_looked_at() {
    let desk = desk(&[("1", "A81001", "main")]);
    let look = desk.run(&["template", "check", "--call-level", "rows.toml", "--json"]);
    let said: Value = serde_json::from_slice(&look.stdout).unwrap();
    assert_eq!((&said["shape"], &said["confirmed"]["name"]), (&json!("call-level"), &json!("A Tester")));
    assert_eq!(said["columns"][4], "outcome");
    assert_eq!(said["preview"].as_array().unwrap().len(), 11);
    let wrong = desk.run(&["template", "check", "--call-level", "template.toml"]);
    assert_eq!(wrong.status.code(), Some(78), "the aggregated file's template is no such");
}
