//! F17: the box's own clock is set: by a moment, by an hour, a day back, ten years ahead, at midnight, and out of 1970, where
//! a box without a clock of its own begins. Steps under a running daemon are made with faketime; steps between two runs with
//! the hidden `--clock`.

use std::path::PathBuf;
use std::process::Command;

use jiff::Timestamp;
use serde_json::json;

use super::evidence::figures;
use super::lines::Ip;
use super::loudly::say_loudly;
use super::promises::{assert_identities, assert_kept};
use super::rig::{Daemon, Pbx, Rig, SITE, clock, wait_for};
use super::wires::numbered;

/// The library of Debian's package `faketime`.
fn faketime() -> Option<PathBuf> {
    let found =
        std::fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"));
    let found = found.into_iter().find(|path| path.exists());
    if found.is_none() {
        say_loudly("F17 needs Debian's package faketime for steps under a running daemon");
    }
    found
}

/// A box whose clock shows what a file says.
struct Stepped {
    rig: Rig,
    pbx: Pbx,
    library: PathBuf,
    lines: usize,
}

impl Stepped {
    fn new() -> Option<Stepped> {
        let library = faketime()?;
        let pbx = Pbx::tcp("reception", "avaya-ipoffice");
        let rig = Rig::new(SITE, std::slice::from_ref(&pbx));
        Some(Stepped { rig, pbx, library, lines: 0 })
    }

    /// The box's clock shows this from now on.
    fn set(&self, shows: &str) {
        let shows: Timestamp = shows.parse().unwrap();
        let offset = shows.duration_since(Timestamp::now()).as_secs();
        let (beside, file) = (self.rig.path("clock.new"), self.rig.path("clock"));
        std::fs::write(&beside, format!("{offset:+}\n")).unwrap();
        std::fs::rename(beside, file).unwrap();
    }

    fn run(&mut self, shows: &str) -> Daemon {
        self.set(shows);
        let (library, file) = (self.library.clone(), self.rig.path("clock"));
        let prepare = |command: &mut Command| {
            command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", file).env("FAKETIME_NO_CACHE", "1");
            command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("NO_FAKE_STAT", "1");
        };
        let daemon = self.rig.run_with("", |command| {
            prepare(command);
            command
        });
        self.pbx.connect();
        daemon
    }

    fn hear(&mut self, at: &str) {
        self.lines += 1;
        let id = self.lines as u32;
        assert!(self.pbx.print(&[Ip { id, at, ..Ip::default() }.line()]));
        self.rig.wait_for_lines(self.lines);
    }

    /// Sets the clock by more than an hour, and waits until that is noticed and so many days are closed.
    #[track_caller]
    fn step(&self, shows: &str, closed: u64) {
        let before = self.steps();
        self.set(shows);
        wait_for(&format!("{closed} closed days at {shows}"), || {
            let status = self.rig.status();
            assert_identities(&status);
            let days = status["days"]["closed"].as_u64().unwrap();
            assert!(days <= closed, "{days} days are closed at {shows}: {:#}", status["problems"]);
            (days == closed && self.steps() > before).then_some(())
        });
    }

    /// How many steps were noticed so far.
    fn steps(&self) -> i64 {
        self.rig.count("SELECT count(*) FROM audit WHERE what LIKE 'the box%s clock was set%'")
    }

    fn closings(&self) -> Vec<String> {
        closings(&self.rig)
    }

    fn keys(&self) -> Vec<String> {
        keys(&self.rig)
    }
}

/// What was closed, and as which revision, in order.
fn closings(rig: &Rig) -> Vec<String> {
    let db = rig.db();
    let mut query = db.prepare("SELECT substr(what, 8) FROM audit WHERE what LIKE 'closed %' ORDER BY id").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// The days whose keys there are.
fn keys(rig: &Rig) -> Vec<String> {
    let names = std::fs::read_dir(rig.path("run")).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter_map(|name| Some(name.to_str()?.strip_prefix("day-")?.strip_suffix(".key")?.to_owned())).collect()
}

#[test]
fn what_a_box_hears_before_it_knows_the_time_is_stamped_when_it_does() {
    let Some(mut site) = Stepped::new() else { return };
    let daemon = site.run("1970-01-01T00:00:20Z");
    site.hear("2026/11/20 10:00:00");
    site.hear("2026/11/20 10:01:00");
    // A line without a date is counted with the day on which it came.
    assert!(site.pbx.print(&["no rule understands this"]));
    site.lines += 1;
    site.rig.wait_for_lines(site.lines);
    let status = site.rig.status();
    assert!(status["problems"].to_string().contains("the box does not know the time"), "{status:#}");
    assert_eq!((&status["days"]["closed"], &status["sources"][0]["up"]), (&json!(0), &json!(true)), "{status:#}");
    assert_eq!(site.keys(), ["1970-01-01"]);
    assert_kept(&site.rig, "", "in 1970");
    site.set("2026-11-20T10:05:00Z");
    wait_for("the lines' new times", || {
        (site.rig.count("SELECT count(*) FROM line WHERE at_ms < 1767225600000") == 0).then_some(())
    });
    site.hear("2026/11/20 10:06:00");
    wait_for("the day of the undated line", || {
        (site.rig.count("SELECT count(DISTINCT day) FROM line") == 1).then_some(())
    });
    let disorder =
        "SELECT count(*) FROM line AS one JOIN line AS next ON next.seq = one.seq + 1 WHERE next.at_ms < one.at_ms";
    assert_eq!(site.rig.count(disorder), 0);
    assert_eq!(
        site.rig.count("SELECT count(*) FROM link WHERE from_ms < 1767225600000"),
        0,
        "nothing was heard in 1970"
    );
    assert_eq!(site.keys(), ["2026-11-20"]);
    assert_kept(&site.rig, "", "once it knows the time");
    let status = site.rig.status();
    assert!(!status["problems"].to_string().contains("know the time"), "{status:#}");
    let doubt = wait_for("the event of the clock", || {
        let (_, list) = site.rig.json(&["outages", "--month", "2026-11"], "");
        list["outages"].as_array()?.iter().find(|outage| outage["cause"] == "clock-doubt").cloned()
    });
    assert!(doubt["source"].is_null() && doubt["end"].as_str().unwrap() > "2026-11-20T10:05", "{doubt}");
    assert_eq!(status["today"][0]["inbound_seen"], 3);
    let observed = status["today"][0]["observed_s"].as_u64().unwrap();
    assert!(observed < 900, "{observed} s are said to have been observed");
    site.step("2026-11-21T05:00:00Z", 1);
    assert_eq!(site.closings(), ["2026-11-20 revision 1"]);
    assert_kept(&site.rig, "", "on the day after");
    daemon.stop();
    figures(
        "F17 a box that begins in 1970",
        "3 lines before, 1 after",
        "stamped anew; 1 day closed once, none of 1970",
    );
}

#[test]
fn a_buffer_that_comes_again_after_the_clock_was_set_back_over_midnight_is_counted_once() {
    let Some(mut site) = Stepped::new() else { return };
    let daemon = site.run("2026-11-20T23:57:00Z");
    let print = |site: &mut Stepped, numbers: std::ops::Range<u32>| {
        site.lines += numbers.len();
        assert!(site.pbx.print(&numbers.map(numbered).collect::<Vec<_>>()));
        site.rig.wait_for_lines(site.lines);
    };
    print(&mut site, 1..11);
    let key = |site: &Stepped, day: &str| {
        wait_for(&format!("the key of {day}"), || (site.keys() == [day]).then_some(()));
    };
    site.set("2026-11-21T00:02:00Z");
    print(&mut site, 11..12);
    key(&site, "2026-11-21");
    // The day is the one before again, and its key another one.
    site.set("2026-11-20T23:58:00Z");
    print(&mut site, 12..13);
    key(&site, "2026-11-20");
    site.pbx.hang_up();
    site.pbx.connect();
    print(&mut site, 3..15);
    wait_for("the verdict", || (site.rig.count("SELECT count(*) FROM line WHERE repeats > 0") == 10).then_some(()));
    assert_eq!(site.rig.count("SELECT count(*) FROM call"), 14);
    assert_eq!(site.rig.count("SELECT count(*) FROM line WHERE repeats = -1"), 0);
    assert_kept(&site.rig, "", "with two keys of a day");
    daemon.stop();
}

#[test]
fn however_the_clock_is_set_each_day_is_closed_once_and_nightly_work_is_done_once_a_civil_day() {
    let Some(mut site) = Stepped::new() else { return };
    let daemon = site.run("2026-11-20T12:00:00Z");
    site.hear("2026/11/20 11:59:00");
    // A second this way or that is no step, also at midnight.
    for shows in ["2026-11-20T12:00:03Z", "2026-11-20T12:00:02Z"] {
        site.set(shows);
    }
    site.step("2026-11-21T05:00:00Z", 1);
    // A day back: nothing is closed twice, and what comes changes a day that is over when it is over again.
    site.step("2026-11-20T13:00:00Z", 1);
    site.hear("2026/11/20 12:59:00");
    site.step("2026-11-21T05:10:00Z", 1);
    assert_eq!(site.closings(), ["2026-11-20 revision 1"], "that night's work was done");
    site.step("2026-11-22T05:00:00Z", 2);
    wait_for("the changed day", || (site.closings().len() == 3).then_some(()));
    // Ten years ahead, and back.
    site.step("2036-11-22T05:00:00Z", 2);
    let status = site.rig.status();
    assert!(status["problems"].to_string().contains("which nothing confirms"), "{status:#}");
    site.hear("2026/11/22 05:01:00");
    site.step("2026-11-22T05:02:00Z", 2);
    assert_eq!(site.rig.count("SELECT count(*) FROM line WHERE at_ms > 2000000000000"), 0);
    // An hour ahead and back, over midnight.
    site.step("2026-11-22T23:20:00Z", 2);
    site.step("2026-11-23T00:25:00Z", 3);
    site.step("2026-11-22T23:15:00Z", 3);
    site.step("2026-11-23T00:30:00Z", 3);
    assert_eq!(site.keys(), ["2026-11-23"]);
    site.step("2026-11-23T05:00:00Z", 3);
    assert_eq!(
        site.closings(),
        ["2026-11-20 revision 1", "2026-11-21 revision 1", "2026-11-20 revision 2", "2026-11-22 revision 1"]
            .map(str::to_owned)
            .into_iter()
            .collect::<Vec<_>>()
    );
    assert_eq!(site.rig.count("SELECT count(*) FROM day WHERE closed_ms IS NOT NULL"), 3);
    wait_for("the night's work", || {
        (site.rig.count("SELECT count(*) FROM meta WHERE key = 'nightly' AND value = '2026-11-23'") == 1).then_some(())
    });
    assert_kept(&site.rig, "", "after all steps");
    daemon.stop();
    figures(
        "F17 steps under a running daemon",
        "12 steps, -1 day to +10 years",
        "3 days closed once each, 1 changed day rendered once",
    );
}

#[test]
fn a_clock_that_is_wrong_when_the_box_starts_closes_nothing_twice_and_nothing_ahead() {
    let mut pbx = Pbx::tcp("reception", "avaya-ipoffice");
    let rig = Rig::new(SITE, std::slice::from_ref(&pbx));
    let mut lines = 0;
    let mut run = |at: &str, line: Option<&str>, closed: u64| {
        let daemon = rig.run(&clock(at, 1));
        pbx.connect();
        if let Some(stamp) = line {
            lines += 1;
            assert!(pbx.print(&[Ip { id: lines, at: stamp, ..Ip::default() }.line()]));
            rig.wait_for_lines(lines as usize);
        }
        let status = wait_for(&format!("{closed} closed days at {at}"), || {
            let status = rig.status();
            let days = status["days"]["closed"].as_u64().unwrap();
            assert!(days <= closed, "{days} days are closed at {at}");
            (days == closed).then_some(status)
        });
        assert_identities(&status);
        daemon.stop();
        status
    };
    run("2026-11-20T12:00:00Z", Some("2026/11/20 11:59:00"), 0);
    run("2026-11-21T05:00:00Z", None, 1);
    run("2026-11-20T13:00:00Z", Some("2026/11/20 12:59:00"), 1);
    run("2026-11-21T06:00:00Z", None, 1);
    assert_eq!(closings(&rig), ["2026-11-20 revision 1"], "that night's work was done before");
    for wrong in ["2036-11-21T06:00:00Z", "1970-01-01T00:01:00Z"] {
        let status = run(wrong, None, 1);
        assert!(status["problems"].to_string().contains("no day is closed or sent until"), "{status:#}");
        assert_eq!(keys(&rig), [&wrong[..10]], "one key, and of that date");
    }
    run("2026-11-22T05:00:00Z", None, 2);
    wait_for("the changed day", || (closings(&rig).len() == 3).then_some(()));
    assert_eq!(closings(&rig)[2], "2026-11-20 revision 2");
    assert_kept(&rig, &clock("2026-11-22T05:01:00Z", 1), "after all those starts");
    figures(
        "F17 a wrong clock at the start",
        "7 starts, 1970 to 2036",
        "2 days closed once each, nothing ahead of its time",
    );
}
