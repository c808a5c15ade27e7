//! Files of days that the PBX's own link has given lines for: what is counted, and what a gap is called.

use super::import::{NOON, days, file, import, site};
use super::lines::Ip;
use super::rig::{Pbx, Rig, SITE, clock};

const IP: &str = "avaya-ipoffice";

/// A call at this time of 20 November 2026.
fn at(time: &str, id: u32) -> String {
    Ip { at: &format!("2026/11/20 {time}"), id, ..Ip::default() }.line()
}

#[test]
fn what_the_pbx_has_given_for_a_day_is_not_counted_twice() {
    let mut pbx = Pbx::tcp("reception", IP);
    let rig = Rig::new(SITE, std::slice::from_ref(&pbx));
    let daemon = rig.run(&clock("2026-11-20T11:00:00Z", 1));
    pbx.connect();
    let live =
        [at("10:00:00", 1_000_010), at("10:10:00", 1_000_011), at("10:30:00", 1_000_012), at("10:40:00", 1_000_013)];
    assert!(pbx.print(&live));
    rig.wait_for_lines(4);
    let old = [
        at("08:30:00", 1_000_001),
        at("09:10:00", 1_000_002),
        live[0].clone(),
        live[1].clone(),
        // Between those that were heard, and not among them: the box lost it.
        at("10:20:00", 1_000_090),
        live[2].clone(),
        live[3].clone(),
        at("10:50:00", 1_000_014),
    ];
    let path = file(&rig, "old.log", &old);
    let output = rig.verb(&["import", "--dialect", IP, path.to_str().unwrap()], "");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    for part in ["4 records", "4 duplicates", "4 calls, on 1 days", "records repeated of reception (4) (2026-11-20)"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    let (_, document) = rig.json(&["day", "2026-11-20"], "");
    assert_eq!(document["totals"]["inbound"]["calls_seen"], 8, "{document:#}");
    let sources = document["sources"].as_array().unwrap();
    assert_eq!((sources.len(), &sources[1]["name"]), (2, &"reception/import-1".into()));
    assert_eq!((&sources[1]["records"], &sources[1]["duplicates"]), (&4.into(), &4.into()));
    rig.assert_no_difference("", "with duplicates");
    let status = rig.status();
    assert_eq!((&status["lines"]["lines"], &status["lines"]["duplicates"]), (&12.into(), &4.into()));
    // Two of a file are too few to tell: they are counted, and so is the doubt.
    let report = import(&rig, IP, &[file(&rig, "few.log", &live[1..3]).to_str().unwrap()], "");
    assert_eq!((&report["records"], &report["may_repeat"]), (&2.into(), &2.into()), "{report}");
    // The operator knows better: it is another machine's log.
    let more = file(&rig, "more.log", &live);
    let report = import(&rig, IP, &["--count-overlap", more.to_str().unwrap()], "");
    assert_eq!((&report["records"], &report["duplicates"]), (&4.into(), &0.into()), "{report}");
    assert_eq!(rig.count("SELECT count(*) FROM audit WHERE what LIKE '%compared with nothing%'"), 1);
    rig.assert_no_difference("", "with a second file");
    daemon.stop();
}

#[test]
fn a_gap_is_imported_where_a_file_gave_what_the_link_had_not() {
    let mut pbx = Pbx::tcp("reception", IP);
    let rig = Rig::new(SITE, std::slice::from_ref(&pbx));
    let daemon = rig.run(&clock("2026-11-20T11:00:00Z", 1));
    pbx.connect();
    // From the PBX's buffer: nobody watched when these calls were made.
    let live = [at("10:00:00", 1_000_010), at("10:10:00", 1_000_011), at("10:30:00", 1_000_012)];
    assert!(pbx.print(&live));
    rig.wait_for_lines(3);
    let cause = || {
        let (_, document) = rig.json(&["day", "2026-11-20"], "");
        let gap = &document["coverage"]["gaps"][0];
        assert_eq!(gap["start"], "2026-11-20T00:00:00Z", "{gap}");
        gap["cause"].as_str().unwrap().to_owned()
    };
    assert_eq!(cause(), "never-connected");
    let path = file(&rig, "same.log", &[&live[..], &[at("11:30:00", 1_000_014)]].concat());
    let report = import(&rig, IP, &[path.to_str().unwrap()], "");
    assert_eq!((&report["records"], &report["duplicates"]), (&1.into(), &3.into()), "{report}");
    assert_eq!(cause(), "never-connected", "of that stretch the file had nothing that was not heard");
    let path = file(&rig, "more.log", &[&[at("08:30:00", 1_000_001)], &live[..]].concat());
    let report = import(&rig, IP, &[path.to_str().unwrap()], "");
    assert_eq!((&report["records"], &report["duplicates"]), (&1.into(), &3.into()), "{report}");
    assert_eq!(cause(), "imported");
    rig.assert_no_difference("", "with two files");
    daemon.stop();
}

#[test]
fn of_days_whose_lines_are_gone_the_span_of_time_decides() {
    let now = clock(NOON, 1);
    let rig = site(IP);
    // 45 days before 20 November is 6 October.
    let lines = days(IP, "2026-09-01", 2);
    let (first, second) = (&lines[..lines.len() - 20], &lines[50..]);
    let report = import(&rig, IP, &[file(&rig, "first.log", first).to_str().unwrap()], &now);
    assert_eq!(report["records"], first.len(), "{report}");
    assert_eq!(rig.count("SELECT count(*) FROM line"), 0);
    let report = import(&rig, IP, &[file(&rig, "second.log", second).to_str().unwrap()], &now);
    let (new, among) = (report["records"].as_u64().unwrap(), report["among"]["reception/import-1"].as_u64().unwrap());
    // Calls that began before the first file's last did and ended after it may be taken for its own.
    assert!((1..=20).contains(&new), "{report}");
    assert_eq!((new + among, &report["duplicates"]), (second.len() as u64, &among.into()), "{report}");
    assert_eq!((&report["repeats"], &report["may_repeat"]), (&serde_json::json!({}), &0.into()), "{report}");
}

#[test]
fn another_configuration_does_not_make_it_another_file() {
    let now = clock(NOON, 1);
    let mut rig = site(IP);
    let lines = &days(IP, "2026-11-16", 1)[..200];
    let path = file(&rig, "old.log", lines);
    import(&rig, IP, &[path.to_str().unwrap()], &now);
    let texts = "SELECT count(DISTINCT text) FROM line";
    let before = rig.count(texts);
    // The practice's own numbers are kept in clear only where they are known.
    rig.site = rig.site.replace("own = [\"01632960100-01632960199\"]\n", "");
    let report = import(&rig, IP, &["--as-new", path.to_str().unwrap()], &now);
    assert_eq!((&report["records"], &report["duplicates"]), (&0.into(), &lines.len().into()), "{report}");
    assert!(rig.count(texts) > before, "the texts are others");
}

#[test]
fn what_the_pbxs_clock_was_ahead_is_taken_off_a_file_where_it_was_taken_off_the_link() {
    let mut pbx = Pbx::tcp("reception", IP);
    let mut rig = Rig::new(SITE, &[]);
    rig.add_source_keys(&pbx, "clock-correction = \"+00:07:00\"\n");
    let daemon = rig.run(&clock("2026-11-20T11:00:00Z", 1));
    pbx.connect();
    assert!(pbx.print(&[at("10:50:00", 1_000_010)]));
    rig.wait_for_lines(1);
    let older = Ip { at: "2026/11/18 10:00:00", id: 1_000_001, ..Ip::default() }.line();
    let path = file(&rig, "old.log", &[older, at("10:03:00", 1_000_009)]);
    let output = rig.verb(&["import", "--dialect", IP, path.to_str().unwrap()], "");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("2 records"), "{said} {}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("not corrected: the stamps of 1 records, of days on which reception"), "{said}");
    let db = rig.db();
    let mut query = db.prepare("SELECT arrival_ms FROM call ORDER BY arrival_ms").unwrap();
    let calls: Vec<i64> = query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let calls: Vec<String> =
        calls.into_iter().map(|ms| jiff::Timestamp::from_millisecond(ms).unwrap().to_string()).collect();
    // The oldest day's as it was printed; of the day that the link has, the file's and the link's seven minutes earlier.
    assert_eq!(calls, ["2026-11-18T10:00:00Z", "2026-11-20T09:56:00Z", "2026-11-20T10:43:00Z"]);
    rig.assert_no_difference("", "with a file that is corrected");
    // The same file once more is known, corrected or not.
    let (_, again) = rig.json(&["import", "--dialect", IP, path.to_str().unwrap()], "");
    assert_eq!(again["files"][0]["lines"], 0, "{again}");
    daemon.stop();
}
