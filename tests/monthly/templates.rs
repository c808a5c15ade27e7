//! Templates: what is refused, and files of another shape.

use super::desk::{Desk, MONTH};

/// A desk whose mapping was changed, and whose sample is this.
fn desk(sample: &str, change: &[(&str, &str)]) -> Desk {
    let desk = Desk::new(&[("1", "A81001", "main")]);
    let mut mapping = desk.read("template.toml");
    for (from, to) in change {
        assert!(mapping.contains(from), "{from}");
        mapping = mapping.replacen(from, to, 1);
    }
    desk.write("template.toml", &mapping);
    if !sample.is_empty() {
        desk.write("sample.csv", sample);
    }
    desk
}

const HEADER: &str = "CBT_System_Supplier_Name,Account_Number,Date,Time_Category,Indicator,Bucket,Value\r\n";

#[test]
fn a_template_that_does_not_fit_is_refused_with_the_column() {
    let more = HEADER.replace(",Value", ",Value,Extra");
    for (sample, change, expected) in [
        (more.as_str(), vec![], "[columns] does not say what \"Extra\" is, the sample's column 8"),
        (
            "",
            vec![("Value = \"value\"", "Value = \"value\"\nvalue = \"empty\"")],
            "names \"value\", which the sample does not have; it has \"Value\", and case and blanks count",
        ),
        ("", vec![("Date = \"date\"", "Date = \"day\"")], "\"day\" is nothing that can be written"),
        ("", vec![("Time_Category = \"band\"", "Time_Category = \"date\"")], "\"date\" stands in two columns"),
        ("", vec![("Bucket = \"bucket\"", "Bucket = \"empty\"")], "no column is \"bucket\""),
        ("", vec![("Value = \"value\"", "Value = \"empty\"")], "no column is \"value\""),
        ("", vec![("Account_Number = \"account\"", "Account_Number = \"empty\"")], "no column is \"account\""),
        ("", vec![("to = \"06:00\"", "to = \"06:15\"")], "bands \"00:00 - 05:59\": \"06:15\" is no half-hour"),
        (
            "",
            vec![("from = \"08:00\"", "from = \"08:30\"")],
            "bands \"08:00 - 09:59\": it begins at 08:30, and what comes before ends at 08:00",
        ),
        ("", vec![("to = \"24:00\"", "to = \"23:30\"")], "bands \"18:30 - 23:59\": the last band ends at 23:30"),
        (
            "",
            vec![("to = 30", "to = 45"), ("from = 31", "from = 46")],
            "buckets \"1_30\": it ends at 45 s; documents are counted up to 0, 30, 60",
        ),
        ("", vec![("from = 31", "from = 30")], "buckets \"31_60\": it begins at 30 s, and 31 s is next"),
        ("", vec![("from = 301", "from = 301\nto = 300")], "it ends at 300 s, before it begins"),
        ("", vec![("label = \"1_30\"", "label = \"0\"")], "buckets \"0\": the label is there twice"),
        ("", vec![("zero-rows = false", "zero-row = false")], "unknown field `zero-row`"),
        ("", vec![("date-format = \"%Y-%m-%d\"", "date-format = \"%Y-%m\"")], "two days would be written alike"),
        ("", vec![("date-format = \"%Y-%m-%d\"", "date-format = \"%d/%m/%!\"")], "date-format \"%d/%m/%!\""),
        ("", vec![("date-format = \"%Y-%m-%d\"", "date-format = \"%d/%m\"")], "two days would be written alike"),
        ("", vec![("date-format = \"%Y-%m-%d\"", "date-format = \"\"")], "two days would be written alike"),
        ("", vec![("date-format = \"%Y-%m-%d\"", "date-format = \"%Y-%m-%d%n\"")], "control character"),
        (
            "",
            vec![("no-bucket = \"TOTAL\"", "no-bucket = \">300\"")],
            "no-bucket \">300\" is the label of a bucket too",
        ),
        ("", vec![("no-bucket = \"TOTAL\"", "no-bucket = \"a\\nb\"")], "has a control character"),
        ("", vec![("label = \"1_30\"", "label = \"\"")], "buckets \"\": the label is empty"),
        (
            "",
            vec![("label = \"06:00 - 07:59\"", "label = \"00:00 - 05:59\"")],
            "bands \"00:00 - 05:59\": the label is there twice",
        ),
        ("", vec![("label = \"06:00 - 07:59\"", "label = \"06:00\\u0000\"")], "the label has a control character"),
        ("", vec![("from = \"06:00\"", "from = \"6 am\"")], "\"6 am\" is no half-hour"),
        ("", vec![("from = \"00:00\"", "from = \"00:30\"")], "bands follow one another from 00:00"),
        ("", vec![("to = \"24:00\"", "to = \"24:30\"")], "\"24:30\" is no half-hour"),
        ("", vec![("to = \"06:00\"", "to = \"00:00\"")], "it ends at 00:00, not after it begins"),
        ("", vec![("from = 0", "from = -1")], "line"),
        ("", vec![("from = 0", "from = \"0\"")], "line"),
        ("", vec![("to = 300", "to = 290")], "it ends at 290 s; documents are counted up to 0, 30, 60"),
        ("", vec![("reference = \"a test\"", "reference = \" \"")], "[confirmed] reference is empty"),
        ("", vec![("name = \"A Tester\"", "name = \"\"")], "[confirmed] name is empty"),
        ("", vec![("name = \"A Tester\"\n", "")], "missing field `name`"),
        ("", vec![("\ndate = \"2026-10-12\"", "\ndate = \"soon\"")], "line"),
        ("", vec![("sample = \"sample.csv\"", "sample = \"none.csv\"")], "none.csv: No such file"),
        ("", vec![("sample = \"sample.csv\"\n", "")], "missing field `sample`"),
        ("", vec![("[columns]", "[column]")], "unknown field `column`"),
        ("", vec![("Value = \"value\"", "Value = \"value\"\nValue = \"value\"")], "duplicate key"),
        ("", vec![("Indicator = \"code\"", "Indicator = \"CBT001\"")], "no column is \"CBT002\""),
        ("", vec![("Bucket = \"bucket\"", "Bucket = \"wait\"")], "no column is \"bucket\""),
        ("\r\n", vec![], "the sample has no header"),
        ("\u{feff}\r\n", vec![], "the sample has no header"),
        ("A,A\r\n", vec![], "the column \"A\" is there twice"),
        ("A,,B\r\n", vec![], "column 2 has no name"),
        ("A,B,\r\n", vec![], "column 3 has no name"),
        ("A,B\r1,2\r", vec![], "the header has a control character; do lines end with CR alone?"),
        ("A,\"B\r\n1,2\r\n", vec![], "a quote in the header is left open"),
        ("Account_Number;Date;Value\r\n", vec![], "sample does not have"),
    ] {
        let desk = desk(sample, &change);
        eprintln!("{sample:?} {change:?}");
        let said = desk.refused();
        assert!(said.contains(expected), "{change:?}: {said}");
        let checked = desk.run(&["template", "check", "template.toml"]);
        assert_eq!(checked.status.code(), Some(78), "{change:?}");
    }
}

#[test]
fn a_sample_in_another_encoding_is_refused() {
    let utf_16: Vec<u8> = HEADER.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (sample, expected) in [
        (HEADER.replace("Date", "Dat\u{e9}").chars().map(|letter| letter as u8).collect(), "the header is not UTF-8"),
        (utf_16, "the header has a control character"),
        (Vec::new(), "the sample has no header"),
    ] {
        let desk = desk("", &[]);
        std::fs::write(desk.path("sample.csv"), sample).unwrap();
        let said = desk.refused();
        assert!(said.contains("sample.csv: line 1") && said.contains(expected), "{said}");
    }
    let desk = desk("", &[]);
    std::fs::write(desk.path("template.toml"), b"sample = \"\xe9\"\n").unwrap();
    assert!(desk.refused().contains("template.toml"));
}

/// The same month with a bucket of the wait and one of the talk, each with a column of its own, other labels and dates.
#[test]
fn a_file_with_two_columns_for_buckets_says_the_same() {
    let one = Desk::new(&[("1", "A81001", "main")]);
    one.hold_month("A81001", "main");
    assert_eq!(one.built(&[]).0, 0);
    let two = desk(
        "Day,Slot,\"Metric, of 7\",Wait,Duration,Count,Account,Spare\n",
        &[
            ("date-format = \"%Y-%m-%d\"", "date-format = \"%d/%m/%Y\""),
            ("no-bucket = \"TOTAL\"", "no-bucket = \"\""),
            ("label = \"1_30\"", "label = \"1 to 30\""),
            ("label = \"08:00 - 09:59\"", "label = \"early, busy\""),
        ],
    );
    let mapping = two.read("template.toml");
    let (from, to) = (mapping.find("[columns]\n").unwrap(), mapping.find("# The nine published").unwrap());
    let columns = "Day = \"date\"\nSlot = \"band\"\n\"Metric, of 7\" = \"code\"\nWait = \"wait\"\nDuration = \"talk\"\n\
                   Count = \"value\"\nAccount = \"account\"\nSpare = \"empty\"\n";
    two.write("template.toml", &format!("{}[columns]\n{columns}\n{}", &mapping[..from], &mapping[to..]));
    let checked = two.run(&["template", "check", "template.toml", "--json"]);
    let value: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(
        value["columns"],
        serde_json::json!(["date", "band", "code", "wait", "talk", "value", "account", "empty"])
    );
    two.hold_month("A81001", "main");
    let (code, built) = two.built(&[]);
    assert_eq!(code, 0, "{built:#}");
    let text = two.read(&format!("out/{MONTH}/build-1/cbt-aggregated-{MONTH}.csv"));
    assert!(text.starts_with("Day,Slot,\"Metric, of 7\",Wait,Duration,Count,Account,Spare\n"), "{}", &text[..100]);
    let mut found = super::desk::Rows::new();
    for row in csv::Reader::from_reader(text.as_bytes()).records() {
        let row = row.unwrap();
        let waits = matches!(&row[2], "CBT003" | "CBT004");
        let bucket = match (&row[3], &row[4]) {
            ("", "") => "TOTAL",
            (wait, "") if waits => wait,
            ("", talk) if &row[2] == "CBT007" => talk,
            _ => panic!("{row:?}"),
        };
        assert_eq!(&row[7], "");
        let date = format!("{}-{}-{}", &row[0][6..], &row[0][3..5], &row[0][..2]);
        let band = if &row[1] == "early, busy" { "08:00 - 09:59" } else { &row[1] };
        let bucket = if bucket == "1 to 30" { "1_30" } else { bucket };
        let key = (row[6].to_owned(), date, band.to_owned(), row[2].to_owned(), bucket.to_owned());
        assert_eq!(found.insert(key, row[5].parse().unwrap()), None);
    }
    assert!(found == one.rows(1), "one column and two say the same");
}

#[test]
fn a_template_that_nobody_confirmed_is_refused_but_for_a_rehearsal() {
    let desk = desk("", &[("[confirmed]\nreference = \"a test\"\ndate = \"2026-10-12\"\nname = \"A Tester\"\n", "")]);
    desk.hold_month("A81001", "main");
    assert!(desk.refused().contains("the mapping is not confirmed"));
    assert_eq!(desk.built(&["--rehearsal"]).0, 0);
}

#[test]
fn the_shipped_template_is_whole_and_not_confirmed() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/config/feed/templates/aggregated.toml");
    let desk = Desk::new(&[("1", "A81001", "main")]);
    let output = desk.run(&["template", "check", shipped, "--json"]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&value["confirmed"], &value["shape"]), (&serde_json::Value::Null, &"long".into()));
    assert_eq!(value["preview"].as_array().unwrap().len(), 11, "a header and ten rows");
}

#[test]
fn a_wide_file_with_a_byte_order_mark_has_a_column_for_each_count_and_the_same_sums() {
    let long = Desk::new(&[("1", "A81001", "main")]);
    long.hold_month("A81001", "main");
    assert_eq!(long.built(&[]).0, 0);
    let buckets = ["0", "1_30", "31_60", "61_120", "121_180", "181_240", "241_300", ">300"];
    let mut header = vec!["Account".to_owned(), "Day".to_owned(), "When".to_owned()];
    let mut columns = "Account = \"account\"\nDay = \"date\"\nWhen = \"band\"\n".to_owned();
    for code in ["CBT001", "CBT002", "CBT005", "CBT006"] {
        header.push(format!("{code} all"));
        columns += &format!("\"{code} all\" = \"{code}\"\n");
    }
    for code in ["CBT003", "CBT004", "CBT007"] {
        for bucket in buckets {
            header.push(format!("{code} {bucket}"));
            columns += &format!("\"{code} {bucket}\" = \"{code}/{bucket}\"\n");
        }
    }
    let sample = format!("\u{feff}{}\n1,2,3\n", header.join(","));
    let wide = desk(&sample, &[]);
    let mapping = wide.read("template.toml");
    let (from, to) = (mapping.find("[columns]\n").unwrap(), mapping.find("# The nine published").unwrap());
    wide.write("template.toml", &format!("{}[columns]\n{columns}\n{}", &mapping[..from], &mapping[to..]));
    wide.hold_month("A81001", "main");
    let (code, built) = wide.built(&[]);
    assert_eq!(code, 0, "{built:#}");
    let bytes = wide.read(&format!("out/{MONTH}/build-1/cbt-aggregated-{MONTH}.csv"));
    assert!(bytes.starts_with(&format!("\u{feff}{}\n", header.join(","))), "{}", &bytes[..200]);
    assert!(!bytes.contains('\r'), "lines end as the sample's do");
    let mut reader = csv::Reader::from_reader(bytes.as_bytes());
    let mut of_wide = std::collections::BTreeMap::new();
    for row in reader.records() {
        let row = row.unwrap();
        for (at, name) in header.iter().enumerate().skip(3) {
            let (code, bucket) = name.split_once(' ').unwrap();
            let count: u64 = row[at].parse().unwrap();
            if count > 0 {
                let bucket = if bucket == "all" { "TOTAL" } else { bucket };
                let key = [&row[0], &row[1], &row[2], code, bucket].map(str::to_owned);
                of_wide.insert(key.into(), count);
            }
        }
    }
    assert!(of_wide == long.rows(1), "wide and long say the same");
}
