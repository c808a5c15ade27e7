//! F10: the cable is pulled and the adapter stays, so that no event exists: only silence tells. And where the PBX numbers
//! its records, the numbers tell what was lost.

use jiff::Timestamp;
use jiff::civil::date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use smdrd::simulator::ipoffice;
use smdrd::simulator::practice_day::practice_day;

use super::evidence::figures;
use super::lines::Ip;
use super::promises::assert_kept;
use super::rig::{Pbx, Rig, SITE, clock, wait_for};

/// Four weeks of what an IP Office prints of practice days, up to Friday 20 November 2026.
fn four_weeks() -> String {
    let zone = TimeZone::get("Europe/London").unwrap();
    let days = date(2026, 10, 26).series(jiff::ToSpan::days(1)).take(26);
    let working = days.filter(|day| day.weekday().to_monday_one_offset() <= 5);
    let mut text = String::new();
    for day in working {
        let lines = ipoffice::lines(&practice_day(day, zone.clone(), 100 + day.day() as u64));
        text.extend(lines.into_iter().map(|line| line.text + "\r\n"));
    }
    text
}

/// A record of this moment.
fn call(id: u32, now: Timestamp) -> String {
    let at = now.strftime("%Y/%m/%d %H:%M:%S").to_string();
    Ip { at: &at, id, ring: 3, talk: 0, ..Ip::default() }.line()
}

fn now(status: &Value) -> Timestamp {
    format!("{}Z", status["now"].as_str().unwrap().replace(' ', "T")).parse().unwrap()
}

#[test]
fn silence_on_a_monday_morning_is_an_event_and_over_the_weekend_is_none() {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let rig = Rig::new(SITE, std::slice::from_ref(&ip));
    let file = rig.path("four-weeks.smdr");
    std::fs::write(&file, four_weeks()).unwrap();
    let verb = ["import", "--dialect", "avaya-ipoffice", "--source", "reception", file.to_str().unwrap()];
    let imported = rig.verb(&verb, &clock("2026-11-20T19:00:00Z", 1));
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    std::fs::remove_file(file).unwrap();

    // From Friday evening the weekend passes in seconds; on Monday a second is four minutes.
    let paces = format!("{}@2026-11-23T07:56:00Z@240", clock("2026-11-20T19:30:00Z", 50_400));
    let daemon = rig.run(&paces);
    ip.connect();
    assert!(ip.print(&[call(1, "2026-11-20T19:30:00Z".parse().unwrap())]));
    let monday: Timestamp = "2026-11-23T07:57:00Z".parse().unwrap();
    let status = wait_for("Monday", || Some(rig.status()).filter(|status| now(status) >= monday));
    assert_eq!(status["sources"][0]["learned"], 100, "{status:#}");
    // A few calls, and then no more: the link is up all the while.
    let mut id = 10;
    while now(&rig.status()) < monday + jiff::SignedDuration::from_mins(5) {
        id += 1;
        assert!(ip.print(&[call(id, now(&rig.status()))]));
    }
    let is_silent = |status: &Value| status["events"][0]["cause"] == "silence";
    let last = "SELECT max(at_ms) FROM line WHERE source = (SELECT id FROM source WHERE name = 'reception')";
    let (seen, since) = wait_for("the silence", || {
        let (code, status) = rig.json(&["status"], "");
        if !is_silent(&status) {
            return None;
        }
        assert_eq!((code, &status["well"]), (1, &json!(false)), "{status:#}");
        // Where the machine was slow, an earlier one ended when the last line came.
        let since = rig.count("SELECT coalesce(max(from_ms), 0) FROM event WHERE cause = 'silence' AND to_ms IS NULL");
        (since == rig.count(last)).then_some((status, since))
    });
    assert!(seen["problems"].to_string().contains("silent for longer than is normal"), "{seen:#}");
    assert_eq!(seen["sources"][0]["up"], true, "{seen:#}");
    let opened: i64 = rig.count("SELECT count(*) FROM event WHERE cause = 'silence' AND from_ms < 1795420800000");
    assert_eq!(opened, 0, "an event before Monday 07:20");

    let (_, day) = rig.json(&["day", "2026-11-23"], "");
    assert_eq!(day["coverage"]["complete"], false);
    let gaps = day["coverage"]["gaps"].as_array().unwrap();
    let gap = gaps.iter().find(|gap| gap["cause"] == "silence" && gap["source"] == "reception");
    let start: Timestamp = gap.unwrap_or_else(|| panic!("{gaps:#?}"))["start"].as_str().unwrap().parse().unwrap();
    assert_eq!(start.as_millisecond(), since);
    let observed: u64 = day["slots"].as_array().unwrap().iter().map(|slot| slot["observed_s"].as_u64().unwrap()).sum();
    assert_eq!(day["coverage"]["observed_s"], observed);
    let silent_s = now(&seen).duration_since(start).as_secs();
    assert!(silent_s >= 300, "a silence of {silent_s} s is none");

    // The cable is put back.
    assert!(ip.print(&[call(1000, now(&rig.status()))]));
    wait_for("its end", || (!is_silent(&rig.status())).then_some(()));
    let (code, list) = rig.json(&["outages", "--from", "2026-11-20", "--to", "2026-11-23"], "");
    assert_eq!(code, 0);
    let listed = list["outages"].as_array().unwrap();
    let silence = listed.iter().rfind(|outage| outage["cause"] == "silence").unwrap();
    assert!(silence["end"].is_string() && silence["core_hours_s"].as_u64().unwrap() > 0, "{list:#}");
    let csv = rig.verb(&["outages", "--month", "2026-11", "--csv"], "");
    let csv = String::from_utf8(csv.stdout).unwrap();
    assert_eq!(csv.lines().count(), listed.len() + 1, "{csv}");
    assert!(csv.lines().any(|line| line.contains(",reception,silence,")), "{csv}");
    assert_kept(&rig, "", "after a cable was pulled");
    daemon.stop();
    let minutes = silent_s / 60;
    figures(
        "F10 cable pulled",
        "1 Monday, 1 weekend",
        &format!("noticed after {minutes} min of civil time; no alarm at night"),
    );
}

/// A BusinessPhone's record of an internal call.
fn numbered(number: u32) -> String {
    format!(
        "00 {number:03} 261120 1211 244  00006 0000      247                      Q                      0003 Q        0.00 I{:62}",
        ""
    )
}

#[test]
fn records_that_a_pbx_numbered_and_that_never_came_are_counted_and_a_restart_of_it_is_no_loss() {
    let mut pbx = Pbx::tcp("office", "ericsson-bp");
    let rig = Rig::new(SITE, std::slice::from_ref(&pbx));
    let at = clock("2026-11-20T12:15:00Z", 1);
    let daemon = rig.run(&at);
    pbx.connect();
    // 997 is late; 3 to 5 are lost across the wrap's other side; then it begins again at 1.
    let numbers = [990..=996, 998..=999, 997..=997, 1..=2, 6..=40, 1..=9];
    let lines: Vec<String> = numbers.into_iter().flatten().map(numbered).collect();
    assert!(pbx.print(&lines[..20]));
    rig.wait_for_lines(20);
    daemon.kill();
    // What is not settled goes on after a restart.
    let daemon = rig.run(&clock("2026-11-20T12:16:00Z", 1));
    pbx.connect();
    assert!(pbx.print(&lines[20..]));
    rig.wait_for_lines(lines.len());
    let status = wait_for("the loss", || Some(rig.status()).filter(|status| status["sources"][0]["missing"] != 0));
    assert_eq!(status["sources"][0]["missing"], 3, "{status:#}");
    assert_eq!(status["sources"][0]["today"]["unparsed"], 0, "{status:#}");
    // What is lost for certain is a problem for a day.
    assert!(
        status["problems"].to_string().contains("office: 3 record(s) that the PBX numbered never came"),
        "{status:#}"
    );
    assert_eq!(rig.verb(&["status"], "").status.code(), Some(1));
    let (_, day) = rig.json(&["day", "2026-11-20"], "");
    assert_eq!(day["sources"][0]["missing"], 3);
    let gaps = day["coverage"]["gaps"].as_array().unwrap();
    let gap = gaps.iter().find(|gap| gap["cause"] == "sequence-gap").unwrap_or_else(|| panic!("{gaps:#?}"));
    assert_eq!(gap["records"], 3, "{gap}");
    let (_, list) = rig.json(&["outages", "--month", "2026-11"], "");
    let listed = list["outages"].as_array().unwrap().iter().find(|outage| outage["cause"] == "sequence-gap").unwrap();
    assert!(listed["words"].as_str().unwrap().contains("between number 2 and number 6"), "{listed}");
    assert_kept(&rig, "", "with records missing");
    daemon.stop();
    let daemon = rig.run(&clock("2026-11-21T12:30:00Z", 1));
    pbx.connect();
    wait_for("the link", || Some(rig.status()).filter(|status| status["sources"][0]["up"] == true));
    assert!(!rig.status()["problems"].to_string().contains("never came"), "a day later: {:#}", rig.status());
    daemon.stop();
}
