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
        ("\r\n", vec![], "the sample has no header"),
        ("A,A\r\n", vec![], "the column \"A\" is there twice"),
    ] {
        let desk = desk(sample, &change);
        let said = desk.refused();
        assert!(said.contains(expected), "{change:?}: {said}");
        let checked = desk.run(&["template", "check", "template.toml"]);
        assert_eq!(checked.status.code(), Some(78), "{change:?}");
    }
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
