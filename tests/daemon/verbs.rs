//! What verbs say, with a daemon, without one, and while somebody else has the database.

use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use super::lines::{Ip, MERIDIAN};
use super::promises::assert_identities;
use super::rig::{Pbx, ROLES, Rig, SITE, clock, wait_for};

#[test]
fn a_box_that_is_not_configured_is_ready_and_idle_until_it_is_told_to_stop() {
    let rig = Rig::new("", &[]);
    let socket = rig.path("notify");
    let heard = UnixDatagram::bind(&socket).unwrap();
    heard.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let daemon = rig.run_with("", |command| command.env("NOTIFY_SOCKET", &socket));
    let mut datagram = [0; 1024];
    let length = heard.recv(&mut datagram).unwrap();
    assert_eq!(&datagram[..length], b"READY=1");
    let length = heard.recv(&mut datagram).unwrap();
    assert!(String::from_utf8_lossy(&datagram[..length]).starts_with("STATUS=ready, idle: no source is configured"));
    let (_, status) = rig.json(&["status"], "");
    assert_eq!(status["running"], true);
    assert!(status["notes"].to_string().contains("no source is configured"), "{status:#}");
    daemon.stop();
}

#[test]
fn status_adds_up_and_its_exit_code_says_whether_all_is_well() {
    let mut pbxs = [Pbx::tcp("reception", "avaya-ipoffice"), Pbx::tcp("branch", "nortel-meridian")];
    let rig = Rig::new(&format!("{SITE}{ROLES}"), &pbxs);
    let daemon = rig.run(&clock("2026-11-20T15:00:00Z", 1));
    let (code, status) = rig.json(&["status"], "");
    assert_eq!((code, &status["well"]), (1, &json!(false)), "nobody is connected yet");
    pbxs.iter_mut().for_each(Pbx::connect);
    assert!(pbxs[0].print(&[Ip { more: true, ..Ip::default() }.line()]));
    assert!(pbxs[1].print(&MERIDIAN));
    rig.wait_for_lines(1 + MERIDIAN.len());
    // The last transfer may have a second line: silence tells that it has none.
    let (code, status) = wait_for("the last record", || {
        Some(rig.json(&["status"], "")).filter(|(_, status)| status["lines"]["records"] == 5)
    });
    assert_eq!((code, &status["well"], &status["problems"]), (0, &json!(true), &json!([])), "{status:#}");
    assert_identities(&status);
    assert_eq!((&status["calls"]["open"], &status["lines"]["unparsed"]), (&json!(1), &json!(1)), "{status:#}");
    let text = String::from_utf8(rig.verb(&["status"], "").stdout).unwrap();
    for number in ["7700900123", "1632960999", "1632960147"] {
        assert!(!text.contains(number), "{text}");
    }
    pbxs[0].hang_up();
    wait_for("the broken link", || (rig.json(&["status"], "").0 == 1).then_some(()));
    assert_identities(&rig.status());

    // A second daemon refuses and says whose place it is.
    let second = rig.verb(&["run"], "");
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("process {}", daemon.child.id())) && said.contains("smdrd.lock"), "{said}");
    daemon.stop();
    let (code, status) = rig.json(&["status"], &clock("2026-11-20T16:00:00Z", 1));
    assert_eq!((code, &status["running"]), (1, &json!(false)));
    assert_identities(&status);
}

#[test]
fn a_verb_says_who_has_the_database() {
    let rig = Rig::new(SITE, &[]);
    std::fs::create_dir_all(rig.path("state")).unwrap();
    let lock = rig.path("state/smdrd.lock");
    let mut file = std::fs::File::create(&lock).unwrap();
    writeln!(file, "{}", std::process::id()).unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    for verb in [&["status"][..], &["day", "2026-11-20"], &["push"], &["rebuild"]] {
        let output = rig.verb(verb, "");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{verb:?}: {said}");
        assert!(said.contains(&std::process::id().to_string()), "{verb:?}: {said}");
        assert!(said.contains(&lock.display().to_string()), "{verb:?}: {said}");
    }
}

#[test]
fn a_day_that_is_not_over_is_not_pushed() {
    let mut rig = Rig::new(SITE, &[]);
    rig.with_supplier("127.0.0.1:9", "");
    for (now, date) in [
        ("2026-11-20T15:00:00Z", "2026-11-20"),
        ("2026-11-21T00:09:00Z", "2026-11-20"),
        ("2026-11-20T15:00:00Z", "2026-12-24"),
    ] {
        let output = rig.verb(&["push", date], &clock(now, 1));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        let closes = date.parse::<jiff::civil::Date>().unwrap().tomorrow().unwrap();
        assert!(said.contains(&format!("{date} is not over; it is closed at {closes}T00:10:00Z")), "{said}");
    }
}

#[test]
fn a_wrong_configuration_ends_with_78_and_cites_it() {
    let fails = |site: &str, sources: &str, says: &[&str]| {
        let mut rig = Rig::new(site, &[]);
        rig.supplier = sources.to_owned();
        let output = rig.verb(&["run"], "");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{said}");
        for part in says {
            assert!(said.contains(part), "{part} is not in {said}");
        }
    };
    fails("[[practice]]\nods = \"a81001\"\n", "", &["smdrd.toml", "a81001"]);
    let source = "[[source]]\nname = \"pbx\"\ndialect = \"avaya-ipofice\"\n[source.tcp-listen]\naddress = \"127.0.0.1:40000\"\nallow = [\"127.0.0.1\"]\n";
    fails(SITE, source, &["avaya-ipofice", "avaya-ipoffice"]);
    let real = "[supplier]\nurl = \"https://feed.example\"\n";
    let mut rig = Rig::new(SITE, &[]);
    rig.supplier = real.to_owned();
    let output = rig.verb(&["run"], &clock("2026-11-20T15:00:00Z", 1));
    assert_eq!(output.status.code(), Some(78), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_stop_in_the_middle_of_the_feed_loses_no_line_that_was_taken() {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let rig = Rig::new(SITE, std::slice::from_ref(&ip));
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut id = 0;
    for round in 0..4 {
        let now = clock(&format!("2026-11-20T1{round}:00:00Z"), 1);
        let daemon = rig.run_with(&now, |command| command.stdout(Stdio::null()));
        ip.connect();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let after = 20 + (random >> 33 & 0x3f) as u32;
        for line in 0..120 {
            id += 1;
            let whole = ip.print(&[Ip { id, ..Ip::default() }.line()]);
            if line == after {
                daemon.signal(Signal::TERM);
            }
            if !whole {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(daemon.ended().code(), Some(0));
        // Ids rise by one: what is stored of this round has no hole, and the daemon had at least what came before.
        let first = i64::from(id) - 200;
        let db = rig.db();
        let mut query = db.prepare("SELECT json_extract(record, '$.call_id') FROM line ORDER BY seq").unwrap();
        let ids: Vec<i64> = query
            .query_map([], |row| row.get::<_, Option<String>>(0))
            .unwrap()
            .filter_map(|id| id.unwrap().and_then(|id| id.parse().ok()))
            .collect();
        let broken = ids.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
        assert!(broken <= round, "only what was not taken is missing, between two rounds: {ids:?}");
        assert!(ids.last().unwrap() > &first, "{ids:?}");
        // What is cut off by the end of the link is one line that nobody can read, at most.
        let unparsed = rig.count("SELECT count(*) FROM line WHERE kind <> 0");
        assert!(unparsed <= round as i64 + 1, "{unparsed}");
        ip.hang_up();
    }
    rig.assert_no_difference(&clock("2026-11-20T15:00:00Z", 1), "after four stops");
}

#[test]
fn a_pbx_that_prints_no_missed_call_is_asked_about() {
    let mut pbx = Pbx::tcp("reception", "avaya-ipoffice");
    let mut rig = Rig::new(&format!("{SITE}{ROLES}"), &[]);
    rig.add_sources(&[&pbx], &[""]);
    let daemon = rig.run(&clock("2026-11-20T17:00:00Z", 1));
    pbx.connect();
    let call = |number: u32, talk: u32| {
        let at = format!("2026/11/20 {:02}:{:02}:00", 9 + number / 30, number % 30 * 2);
        Ip { at: &at, id: 1_000_000 + number, talk, ..Ip::default() }.line()
    };
    let asked = |rig: &Rig| rig.status()["notes"].to_string().contains("100 calls came in");
    pbx.print(&(0..99).map(|number| call(number, 60)).collect::<Vec<_>>());
    rig.wait_for_lines(99);
    assert!(!rig.status()["notes"].to_string().contains("none was missed"));
    pbx.print(&[call(99, 60)]);
    rig.wait_for_lines(100);
    assert!(asked(&rig), "{:#}", rig.status());
    pbx.print(&[call(100, 0)]);
    rig.wait_for_lines(101);
    assert!(!rig.status()["notes"].to_string().contains("none was missed"), "{:#}", rig.status());
    daemon.stop();
}
