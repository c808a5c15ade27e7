//! F19: the PBX's clock is wrong: minutes fast, in another year, an hour off since summer time, on 29 February, in a format
//! that prints no year, and in a call over midnight. What it is off is measured and shown; calls stand where it printed them
//! unless the configuration says otherwise, and then both times are kept.

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::evidence::figures;
use super::lines::{Ip, hipath};
use super::promises::assert_kept;
use super::rig::{Daemon, Pbx, Rig, SITE, clock, wait_for};

/// A box whose clock is put where a test wants it, one run after another: civil minutes pass in no time.
struct Site {
    rig: Rig,
    pbx: Pbx,
    lines: usize,
}

impl Site {
    /// With more keys of the source's table.
    fn new(pbx: Pbx, keys: &str) -> Site {
        let mut rig = Rig::new(SITE, &[]);
        rig.add_source_keys(&pbx, keys);
        Site { rig, pbx, lines: 0 }
    }

    /// The same box with other keys.
    fn with_keys(self, keys: &str) -> Site {
        let mut site = Site::new(self.pbx, keys);
        (site.rig.dir, site.lines) = (self.rig.dir, self.lines);
        site
    }

    fn run(&mut self, at: Timestamp) -> Daemon {
        let daemon = self.rig.run(&clock(&at.to_string(), 1));
        self.pbx.connect();
        daemon
    }

    /// A line of each of these minutes, printed by what the PBX's clock shows at its end.
    fn hear(&mut self, minutes: &[Timestamp], line: impl Fn(Timestamp, u32) -> String) {
        for at in minutes {
            let daemon = self.run(*at);
            self.lines += 1;
            assert!(self.pbx.print(&[line(*at, self.lines as u32)]));
            self.rig.wait_for_lines(self.lines);
            daemon.stop();
        }
    }

    fn document(&self, date: &str, at: Timestamp) -> Value {
        self.rig.json(&["day", date], &clock(&at.to_string(), 1)).1
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn minutes(from: &str) -> Vec<Timestamp> {
    (0..3).map(|minute| at(from) + SignedDuration::from_mins(minute)).collect()
}

/// What a clock on the wall of a London practice shows, `ahead_s` wrong.
fn london(now: Timestamp, ahead_s: i64) -> DateTime {
    let zone = jiff::tz::TimeZone::get("Europe/London").unwrap();
    zone.to_datetime(now) + SignedDuration::from_secs(ahead_s)
}

/// A call of 5 s ring and 20 s talk that is over when it is printed.
fn ip(now: Timestamp, ahead_s: i64, id: u32) -> String {
    let began = london(now, ahead_s) - SignedDuration::from_secs(25);
    Ip { at: &began.strftime("%Y/%m/%d %H:%M:%S").to_string(), ring: 5, talk: 20, id, ..Ip::default() }.line()
}

/// Within what a slow machine takes to start a daemon and send it a line.
#[track_caller]
fn assert_about(value: &Value, expected: i64) {
    let value = value.as_i64().unwrap_or_else(|| panic!("nothing was measured"));
    assert!((expected - 90..=expected + 1).contains(&value), "{value} s, and it is {expected} s");
}

#[test]
fn a_pbx_seven_minutes_fast_is_measured_shown_and_doubted() {
    let mut site = Site::new(Pbx::tcp("reception", "avaya-ipoffice"), "");
    // 08:26 by the PBX is 08:19: the first two calls are in their half-hour either way, a third is not.
    site.hear(&minutes("2026-11-20T08:19:30Z"), |now, id| ip(now, 420, id));
    site.hear(&[at("2026-11-20T08:25:00Z")], |now, id| ip(now, 420, id));
    let daemon = site.run(at("2026-11-20T08:30:00Z"));
    let status = site.rig.status();
    let seen = &status["sources"][0]["clock"];
    assert_about(&seen["offset_s"], 420);
    assert_eq!((&seen["fault"], &seen["grave"]), (&json!("off"), &json!(true)), "{seen:#}");
    assert!(status["problems"].to_string().contains("reception: its clock is "), "{status:#}");
    assert!(status["problems"].to_string().contains(" ahead by the box's"), "{status:#}");
    let text = String::from_utf8(site.rig.verb(&["status"], "").stdout).unwrap();
    assert!(text.contains("reception: its clock is ") && text.contains("since 2026-11-20 08:19"), "{text}");
    let found = site.rig.json(&["doctor"], "").1;
    let found = found["checks"].as_array().unwrap().iter().find(|check| check["check"] == "pbx-clock").unwrap();
    assert_eq!(found["state"], "fault", "{found}");
    // Calls stand where they were printed, and both times are kept.
    let (arrival, end): (i64, i64) = site
        .rig
        .db()
        .query_row("SELECT arrival_ms, end_ms FROM call WHERE seq = 1", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(Timestamp::from_millisecond(arrival).unwrap(), at("2026-11-20T08:26:05Z"));
    let heard = site.rig.count("SELECT at_ms FROM line WHERE seq = 1");
    assert!((end - 510_000..=end - 419_000).contains(&heard), "{heard} {end}");
    assert_kept(&site.rig, "", "with a PBX seven minutes fast");
    // It is an event from the first reading on, and the doubt's share of what was observed is lost.
    let event = wait_for("the event", || {
        let events = site.rig.status()["events"].clone();
        events.as_array()?.iter().find(|event| event["cause"] == "clock-doubt").cloned()
    });
    assert_eq!((&event["source"], &event["since"]), (&json!("reception"), &json!("2026-11-20 08:19:30")), "{event}");
    daemon.stop();
    let document = site.document("2026-11-20", at("2026-11-21T06:00:00Z"));
    let gaps = document["coverage"]["gaps"].as_array().unwrap();
    let gap = gaps.iter().find(|gap| gap["cause"] == "clock-doubt").unwrap_or_else(|| panic!("{gaps:#?}"));
    assert!(gap["lost_s"].as_u64().is_some_and(|lost_s| lost_s > 0), "{gap}");
    assert_eq!((&gap["source"], &document["coverage"]["complete"]), (&json!("reception"), &json!(false)));
    let source = &document["sources"][0];
    assert_about(&source["clock_offset_s"], 420);
    assert_eq!((&source["clock_fault"], &source["clock_corrected_s"]), (&json!("off"), &Value::Null));
    // 08:32 by the PBX, 08:25 by the box; the others differ by nothing that counts.
    assert_eq!(document["totals"]["inbound"]["edge_doubt"], 1, "{:#}", document["totals"]);
    // Somebody sets it: that ends the event.
    site.hear(&minutes("2026-11-20T09:00:30Z"), |now, id| ip(now, 0, id));
    let daemon = site.run(at("2026-11-20T09:10:00Z"));
    let over = wait_for("the end of the event", || {
        let (_, list) = site.rig.json(&["outages", "--from", "2026-11-20", "--to", "2026-11-20"], "");
        let listed = list["outages"].as_array()?.iter().find(|outage| outage["cause"] == "clock-doubt").cloned();
        listed.filter(|listed| !listed["end"].is_null())
    });
    assert!(over["words"].as_str().unwrap().contains(" ahead: it is off"), "{over}");
    assert!(over["end"].as_str().unwrap() > "2026-11-20T09:00", "{over}");
    daemon.stop();
    figures("F19 PBX 7 min fast", "4 calls", "measured, shown, 1 call at an edge doubted, none moved");
}

#[test]
fn what_is_measured_is_taken_off_where_the_configuration_says_so_and_a_rebuild_keeps_it() {
    let mut site = Site::new(Pbx::tcp("reception", "avaya-ipoffice"), "clock-correction = \"measured\"\n");
    site.hear(&minutes("2026-11-20T08:10:00Z"), |now, id| ip(now, 420, id));
    // Now it is known: 08:32:05 by the PBX was 08:25.
    site.hear(&[at("2026-11-20T08:25:30Z")], |now, id| ip(now, 420, id));
    let arrival = |seq: u32| site.rig.count(&format!("SELECT arrival_ms FROM call WHERE seq = {seq}"));
    let first = Timestamp::from_millisecond(arrival(1)).unwrap();
    assert_eq!(first, at("2026-11-20T08:16:35Z"), "what came before stands as it was printed");
    let moved = Timestamp::from_millisecond(arrival(4)).unwrap();
    let apart = moved.duration_since(at("2026-11-20T08:25:05Z")).as_secs();
    assert!((0..=91).contains(&apart), "{moved} is {apart} s late");
    let record: String =
        site.rig.db().query_row("SELECT record FROM line WHERE seq = 4", [], |row| row.get(0)).unwrap();
    let record: Value = serde_json::from_str(&record).unwrap();
    assert_eq!(record["stamp"]["at"], "2026-11-20T08:32:05", "as it was printed");
    assert_about(&record["stamp"]["ahead_s"], 420);
    let daemon = site.run(at("2026-11-20T08:31:00Z"));
    let status = site.rig.status();
    assert_eq!(status["sources"][0]["clock"]["fault"], Value::Null, "{status:#}");
    assert_about(&status["sources"][0]["clock"]["corrected_s"], 420);
    assert_kept(&site.rig, "", "with stamps corrected");
    daemon.stop();
    let document = site.document("2026-11-20", at("2026-11-21T06:00:00Z"));
    assert_about(&document["sources"][0]["clock_corrected_s"], 420);
    assert_eq!(document["totals"]["inbound"]["edge_doubt"], 0);
    let busy = |local: &str| {
        let slots = document["slots"].as_array().unwrap();
        slots.iter().find(|slot| slot["local"] == local).unwrap()["inbound"]["calls_seen"].clone()
    };
    assert_eq!((busy("08:00"), busy("08:30")), (json!(4), json!(0)));
    // Whoever takes the key out again changes nothing of what was.
    let site = site.with_keys("");
    assert_kept(&site.rig, &clock("2026-11-20T08:40:00Z", 1), "without the key");
}

#[test]
fn a_pbx_in_another_year_is_found_out_and_can_be_put_right() {
    let year = -365 * 86_400;
    for (correct, correction) in [(false, "none"), (true, "-8760:00:00")] {
        let keys = format!("clock-correction = \"{correction}\"\n");
        let mut site = Site::new(Pbx::tcp("reception", "avaya-ipoffice"), &keys);
        site.hear(&minutes("2026-11-20T09:00:30Z"), |now, id| ip(now, year, id));
        let daemon = site.run(at("2026-11-20T09:10:00Z"));
        let status = site.rig.status();
        assert_about(&status["sources"][0]["clock"]["offset_s"], year);
        let problems = status["problems"].to_string();
        assert_eq!(problems.contains("bears a wrong date (365 d"), !correct, "{problems}");
        assert_eq!(status["today"][0]["inbound_seen"], if correct { 3 } else { 0 }, "{status:#}");
        assert_kept(&site.rig, "", "with a PBX a year behind");
        daemon.stop();
        let document = site.document("2026-11-20", at("2026-11-21T06:00:00Z"));
        let source = &document["sources"][0];
        let (records, off) = if correct { (3, Value::Null) } else { (0, json!("wrong-date")) };
        assert_eq!((&source["records"], &source["clock_fault"]), (&json!(records), &off), "{source:#}");
    }
}

#[test]
fn a_pbx_that_follows_summer_time_a_day_late_is_named() {
    let mut site = Site::new(Pbx::serial("reception", "siemens-hipath3000"), "");
    let line = |now: Timestamp, ahead_s: i64, id: u32| {
        let stamp = london(now, ahead_s).strftime("%d.%m.%y%H:%M:%S").to_string();
        let number = "01632960555";
        hipath(&stamp, 1, 101 + (id % 9) as u16, "00:05", "00:00:20", number, 1)
    };
    site.hear(&minutes("2026-03-28T12:00:30Z"), |now, id| line(now, 0, id));
    site.hear(&minutes("2026-03-29T09:00:30Z"), |now, id| line(now, -3600, id));
    let daemon = site.run(at("2026-03-29T10:00:00Z"));
    let status = site.rig.status();
    assert_about(&status["sources"][0]["clock"]["offset_s"], -3600);
    assert!(status["problems"].to_string().contains("PBX did not follow summer time on 29 March"), "{status:#}");
    daemon.stop();
    // Somebody sets it on Monday.
    site.hear(&minutes("2026-03-30T09:00:30Z"), |now, id| line(now, 0, id));
    let daemon = site.run(at("2026-03-30T10:00:00Z"));
    let status = site.rig.status();
    assert_about(&status["sources"][0]["clock"]["offset_s"], 0);
    assert!(!status["problems"].to_string().contains("summer time"), "{status:#}");
    assert!(status["notes"].to_string().contains("its clock followed the change of 29 March late"), "{status:#}");
    assert_kept(&site.rig, "", "with a PBX that followed summer time a day late");
    daemon.stop();
    let sunday = site.document("2026-03-29", at("2026-03-31T06:00:00Z"));
    assert_eq!(sunday["sources"][0]["clock_fault"], "summer-time");
    assert_eq!((&sunday["day"]["slots"], &sunday["totals"]["inbound"]["edge_doubt"]), (&json!(46), &json!(3)));
    figures("F19 summer time a day late", "9 calls", "named on the day, and when it was set");
}

#[test]
fn a_clock_that_gains_is_shown_with_what_it_gains_a_day() {
    let mut site = Site::new(Pbx::tcp("reception", "avaya-ipoffice"), "");
    // 30 s a day, a hundred times what a start of the daemon takes within a week.
    for (day, ahead_s) in [(16, 0), (18, 600), (20, 1200)] {
        site.hear(&minutes(&format!("2026-11-{day}T10:00:30Z")), |now, id| ip(now, ahead_s, id));
    }
    let daemon = site.run(at("2026-11-20T11:00:00Z"));
    let seen = site.rig.status()["sources"][0]["clock"].clone();
    assert_about(&seen["offset_s"], 1200);
    assert_eq!(seen["steps"].as_array().unwrap().len(), 2, "ten minutes at once is no drift: {seen:#}");
    daemon.stop();
    assert_kept(&site.rig, &clock("2026-11-20T11:00:00Z", 1), "with a clock that gains");
    // Days that are there, 40 s a day apart: what the gain is reckoned from.
    let db = site.rig.db();
    db.execute(
        "UPDATE source_day SET clock_offset_s = 1200 - 40 * (20 - (day - 20761)) WHERE clock_offset_s IS NOT NULL",
        [],
    )
    .unwrap();
    db.execute("UPDATE source SET wall = json_set(wall, '$.gauge.stand.since', '2026-11-16T10:00:30Z')", []).unwrap();
    drop(db);
    let status = site.rig.json(&["status"], &clock("2026-11-20T11:00:00Z", 1)).1;
    assert_eq!(status["sources"][0]["clock"]["gains_s_a_day"], 40.0, "{:#}", status["sources"][0]);
}

#[test]
fn a_leap_day_a_missing_year_and_a_call_over_midnight_fall_where_they_belong() {
    // 29 February, and a call that begins on it and ends on 1 March.
    let mut site = Site::new(Pbx::tcp("reception", "avaya-ipoffice"), "");
    site.hear(&[at("2028-02-29T23:55:00Z"), at("2028-03-01T00:00:10Z")], |now, id| ip(now, 0, id));
    let days = |site: &Site| -> Vec<i64> {
        let db = site.rig.db();
        let mut query = db.prepare("SELECT day FROM call ORDER BY seq").unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let leap_day = 21_243; // since 1970-01-01
    assert_eq!(days(&site), [leap_day, leap_day], "both began on 29 February");
    assert_kept(&site.rig, &clock("2028-03-01T00:01:00Z", 1), "over the leap day");
    // A Meridian prints no year: the last minutes of a year, read in the first of the next.
    let mut site = Site::new(Pbx::tcp("reception", "nortel-meridian"), "");
    let line = |stamp: &str| format!("S 025 00 T010016 6101    {stamp} 00:00:20 01632960147");
    site.hear(&[at("2026-12-31T23:59:30Z")], |_, _| line("12/31 23:58"));
    site.hear(&[at("2027-01-01T00:00:30Z")], |_, _| line("12/31 23:59"));
    site.hear(&[at("2027-01-01T00:01:30Z")], |_, _| line("01/01 00:00"));
    // The last record is whole when nothing more comes.
    let daemon = site.run(at("2027-01-01T00:02:00Z"));
    wait_for("the last record", || {
        (site.rig.count("SELECT count(*) FROM line WHERE record IS NOT NULL") == 3).then_some(())
    });
    assert_kept(&site.rig, "", "without a year in the stamp");
    daemon.stop();
    let db = site.rig.db();
    let mut query = db.prepare("SELECT json_extract(record, '$.stamp.at') FROM line WHERE record IS NOT NULL").unwrap();
    let years: Vec<String> = query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(years, ["2026-12-31T23:58:00", "2026-12-31T23:59:00", "2027-01-01T00:00:00"]);
    figures("F19 29 February, no year, midnight", "5 calls", "each on its day; a rebuild changes nothing");
}
