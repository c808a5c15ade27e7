//! A practice's own figures beside the published ones. The practice is Kilburn Park (E84042), July 2026, as a hand-check of
//! the published files gives it; how its calls lie within the month is made up here.

use serde_json::{Value, json};

use super::day::full_day;
use super::desk::{Desk, with_sums};

const ODS: &str = "E84042";
/// CBT001 to CBT007.
const TOTALS: [u64; 7] = [5_308, 1_037, 2_827, 640, 804, 804, 2_827];
/// Answered in all, and after more than 300 s, by window of the day.
const WINDOWS: [(&str, u64, u64); 3] = [("Core_8_10", 841, 251), ("Core_10_1830", 1_970, 753), ("Non-Core", 16, 9)];
/// Calls from 08:00 to 09:59.
const BUSIEST: u64 = 1_367;

/// An empty day of the practice.
fn empty(date: jiff::civil::Date) -> Value {
    let mut day = full_day(date);
    day["practice"] = json!({"ods": ODS, "site": "main"});
    for slot in day["slots"].as_array_mut().unwrap() {
        for key in ["calls", "calls_seen", "ivr_ended", "answered", "callback_requested", "missed", "missed_voicemail"]
        {
            slot["inbound"][key] = json!(0);
        }
        for key in ["answered_wait", "answered_talk", "missed_wait"] {
            slot["inbound"][key] = json!(vec![0; 9]);
        }
    }
    day
}

/// Puts answered calls into a half-hour, so many of them after more than 300 s, and the rest within a minute.
fn answer(day: &mut Value, half_hour: usize, calls: u64, late: u64) {
    let inbound = &mut day["slots"][half_hour]["inbound"];
    inbound["answered"] = json!(calls);
    inbound["answered_wait"] = json!([0, calls - late, 0, 0, 0, 0, 0, 0, late]);
    inbound["answered_talk"] = json!([0, 0, 0, 0, calls, 0, 0, 0, 0]);
}

/// The month as our documents would have it: one Wednesday, with a Saturday for what is not in core hours.
fn own(desk: &Desk) {
    let mut wednesday = empty(jiff::civil::date(2026, 7, 15));
    answer(&mut wednesday, 16, WINDOWS[0].1, WINDOWS[0].2);
    answer(&mut wednesday, 30, WINDOWS[1].1, WINDOWS[1].2);
    let inbound = &mut wednesday["slots"][17]["inbound"];
    inbound["ivr_ended"] = json!(BUSIEST - WINDOWS[0].1);
    let inbound = &mut wednesday["slots"][31]["inbound"];
    inbound["ivr_ended"] = json!(TOTALS[1] - (BUSIEST - WINDOWS[0].1));
    inbound["missed"] = json!(TOTALS[3]);
    inbound["missed_wait"] = json!([0, TOTALS[3], 0, 0, 0, 0, 0, 0, 0]);
    inbound["callback_requested"] = json!(TOTALS[4]);
    wednesday["slots"][31]["callbacks_made"] = json!(TOTALS[5]);
    let mut saturday = empty(jiff::civil::date(2026, 7, 18));
    answer(&mut saturday, 28, WINDOWS[2].1, WINDOWS[2].2);
    for mut day in [wednesday, saturday] {
        for slot in day["slots"].as_array_mut().unwrap() {
            let of = |key: &str| slot["inbound"][key].as_u64().unwrap();
            let calls = of("ivr_ended") + of("answered") + of("missed") + of("callback_requested");
            (slot["inbound"]["calls"], slot["inbound"]["calls_seen"]) = (json!(calls), json!(calls));
        }
        desk.hold(&with_sums(day));
    }
}

const PLACE: &str = "Y56,QRV,W2U3Z,U52767";

/// The published files, with practices besides.
fn publish(desk: &Desk, others: usize) {
    let place = "Date,REGION_CODE,ICB_CODE,SUB_ICB_LOCATION_CODE,PCN_CODE,PRACTICE_CODE,Indicator";
    let mut file = format!("\u{feff}{place},Time_Category,Value\n");
    file += &format!("2026-07-01,{PLACE},{ODS},CBT001,08:00 - 09:59,{BUSIEST}.0\n");
    file += &format!("2026-07-01,{PLACE},{ODS},CBT001,14:00 - 15:59,{}.0\n", TOTALS[0] - BUSIEST);
    for (at, code) in ["CBT002", "CBT003", "CBT004", "CBT005", "CBT006", "CBT007"].iter().enumerate() {
        file += &format!("2026-07-01,{PLACE},{ODS},{code},14:00 - 15:59,{}.0\n", TOTALS[at + 1]);
    }
    for other in 0..others {
        for (code, value) in [("CBT001", 1_000), ("CBT002", 10), ("CBT003", 900 + other), ("CBT004", 5), ("CBT005", 1)]
        {
            file += &format!("2026-07-01,{PLACE},A{other:05},{code},14:00 - 15:59,{value}.0\n");
        }
    }
    desk.write("day-time.csv", &file);
    let mut file = format!("{place},Wait_Time,Core_Category,Value\n");
    for (window, all, late) in WINDOWS {
        file += &format!("2026-07-01,{PLACE},{ODS},CBT003,>300,{window},{late}.0\n");
        file += &format!("2026-07-01,{PLACE},{ODS},CBT003,1_30,{window},{}.0\n", all - late);
    }
    desk.write("answered.csv", &file);
}

fn compared(desk: &Desk) -> (i32, Value) {
    let output = desk.run(&[
        "compare",
        "--month",
        "2026-07",
        "--store",
        "feed.db",
        "--json",
        "--published",
        "day-time.csv",
        "answered.csv",
    ]);
    let text = String::from_utf8_lossy(&output.stdout);
    let value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap(), value)
}

#[test]
fn a_practice_that_agrees_with_what_is_published_of_it() {
    let desk = Desk::new(&[("1", ODS, "main")]);
    own(&desk);
    publish(&desk, 0);
    let (code, all) = compared(&desk);
    assert_eq!(code, 0, "{all:#}");
    assert_eq!((&all[0]["days"], &all[0]["of_days"]), (&json!(2), &json!(31)), "its figures are of two days");
    assert_eq!(all[0]["flags"], json!([]), "its shares are those of nine in ten");
    let lines = all[0]["lines"].as_array().unwrap();
    let of = |figure: &str| {
        lines.iter().find(|line| line["figure"] == figure).unwrap_or_else(|| panic!("{figure}: {all:#}"))
    };
    for (at, total) in TOTALS.iter().enumerate() {
        let line = of(&format!("CBT00{}", at + 1));
        assert_eq!((&line["own"], &line["published"]), (&json!(total), &json!(total)), "{line}");
    }
    assert_eq!(of("CBT001 08:00-09:59")["own"], json!(BUSIEST));
    for (window, _, late) in WINDOWS {
        let line = of(&format!("CBT003 {window} >300 s"));
        assert_eq!((&line["own"], &line["published"]), (&json!(late), &json!(late)), "{line}");
    }
    for line in lines.iter().filter(|line| line["figure"].as_str().unwrap().starts_with("CBT001 ")) {
        assert_eq!(line["own"].as_u64().unwrap(), line["published"].as_u64().unwrap(), "{line}");
    }
}

#[test]
fn a_practice_among_others_that_are_otherwise_is_told_what_to_look_at() {
    let desk = Desk::new(&[("1", ODS, "main")]);
    own(&desk);
    publish(&desk, 60);
    let (code, all) = compared(&desk);
    assert_eq!(code, 1, "{all:#}");
    let flags = all[0]["flags"].as_array().unwrap();
    let metrics: Vec<&str> = flags.iter().map(|flag| flag["metric"].as_str().unwrap()).collect();
    assert_eq!(metrics, ["CBT001", "CBT003", "CBT002", "CBT005", "CBT004"]);
    assert!(flags.iter().all(|flag| flag["from_files"] == true), "{all:#}");
    assert!(flags[1]["cause"].as_str().unwrap().contains("stations that answer"), "{all:#}");
}

#[test]
fn files_that_are_not_the_publications_are_refused() {
    let desk = Desk::new(&[("1", ODS, "main")]);
    own(&desk);
    publish(&desk, 0);
    let good = desk.read("day-time.csv");
    for (text, expected) in [
        ("a,b\n1,2\n".to_owned(), "line 1: the header \"a,b\" is none of the publication's: Date,REGION_CODE"),
        (good.replacen("5308", "x", 1).replacen("1367.0", "1367.5", 1), "line 2: Value \"1367.5\" is no count"),
        (good.replacen("2026-07-01", "July", 1), "line 2: Date \"July\" is no date"),
        (good.replace("2026-07", "2026-06"), "there is no row of 2026-07"),
    ] {
        desk.write("day-time.csv", &text);
        let output = desk.run(&["compare", "--month", "2026-07", "--store", "feed.db", "--published", "day-time.csv"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}
