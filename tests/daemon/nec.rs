//! A NEC behind its SMDR port: every record is on disk before it is acknowledged, and what was not acknowledged comes
//! again.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use super::promises::assert_identities;
use super::rig::{Rig, SITE, clock};

const ASK: &[u8] = b"\x1610000200\0";
const NOTHING: &[u8] = b"\x16300003002\0";

fn hear(link: &mut TcpStream, expected: &[u8]) {
    let mut heard = vec![0; expected.len()];
    link.read_exact(&mut heard).unwrap();
    assert_eq!(String::from_utf8_lossy(&heard), String::from_utf8_lossy(expected));
}

/// A record in 130 columns: from and to on 2 February, the station, whether the call was passed on to it.
fn record(trunk: &str, station: &str, from: &str, to: &str, moved: u8) -> String {
    let head = format!("0!KE{trunk}001{station:<6}0202{from}0202{to}{:13}{moved}00000000{:32}0000", "", "");
    format!("{head}{:<18}2727{:11}", "07700900123", "")
}

fn text(sequence: u8, record: &str) -> Vec<u8> {
    format!("\x162{:05}00{sequence}\x02{record}\x03\0", record.len() + 5).into_bytes()
}

fn acknowledged(sequence: u8) -> Vec<u8> {
    format!("\x1640000400{sequence}\x06\0").into_bytes()
}

fn take(listener: &TcpListener) -> TcpStream {
    let (link, _) = listener.accept().unwrap();
    link.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    link
}

fn source(port: u16) -> String {
    format!(
        "[[source]]\nname = \"nec\"\ndialect = \"nec-sv8300\"\noptions = {{ framing = \"tcp60010\", parity = \"none\" }}\n\
         [source.tcp-connect]\nhost = \"127.0.0.1\"\nport = {port}\n"
    )
}

#[test]
fn a_record_is_on_disk_before_it_is_acknowledged() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let rig = Rig::new(&format!("{SITE}{}", source(port)), &[]);
    let daemon = rig.run(&clock("2027-02-02T12:00:00Z", 1));
    let mut link = take(&listener);
    let records = [
        record("000037", "132", "091500", "091600", 0),
        record("000037", "135", "091600", "092000", 1),
        record("000038", "132", "092500", "092530", 0),
    ];
    assert_eq!(records[0].len(), 130);
    for (sequence, record) in (0u8..).zip(&records) {
        hear(&mut link, ASK);
        link.write_all(NOTHING).unwrap();
        hear(&mut link, ASK);
        link.write_all(&text(sequence, record)).unwrap();
        hear(&mut link, &acknowledged(sequence));
        assert_eq!(rig.count("SELECT count(*) FROM line"), i64::from(sequence) + 1, "acknowledged, so it is on disk");
    }
    // A fourth record is on its way to the disk, or is there, when the box loses its power: without an acknowledgement
    // the PBX gives it again.
    hear(&mut link, ASK);
    daemon.kill();
    drop(link);
    let daemon = rig.run(&clock("2027-02-02T12:05:00Z", 1));
    let mut link = take(&listener);
    hear(&mut link, ASK);
    link.write_all(&text(3, &record("000039", "132", "093000", "093100", 0))).unwrap();
    hear(&mut link, &acknowledged(3));
    let status = rig.status();
    assert_identities(&status);
    assert_eq!((&status["lines"]["records"], &status["lines"]["unparsed"]), (&4.into(), &0.into()), "{status:#}");
    let (code, day) = rig.json(&["day", "2027-02-02"], "");
    assert_eq!(code, 0, "{day:#}");
    let inbound = &day["totals"]["inbound"];
    assert_eq!((&inbound["answered"], &inbound["missed"]), (&3.into(), &serde_json::Value::Null), "{inbound:#}");
    assert_eq!(inbound["answered_talk_sum_s"], 60 + 240 + 30 + 60, "{inbound:#}");
    rig.assert_no_difference("", "the same day");
    daemon.stop();
    let mut rest = Vec::new();
    link.read_to_end(&mut rest).unwrap();
    assert!(rest.ends_with(b"\x1660000300\x06\0"), "{:?}", String::from_utf8_lossy(&rest));
}

/// G2: after a kill nobody but the PBX's own number can tell a record that comes again from a call like it.
#[test]
fn a_record_whose_acknowledgement_was_lost_in_a_kill_is_no_second_call() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let rig = Rig::new(&format!("{SITE}{}", source(listener.local_addr().unwrap().port())), &[]);
    let one = record("000037", "132", "091500", "091600", 0);
    let give = |daemon_clock: &str, power: bool, sequences: &[u8]| {
        if power {
            // The keys are gone, so nobody can say who called.
            std::fs::remove_dir_all(rig.path("run")).unwrap();
        }
        let daemon = rig.run(&clock(daemon_clock, 1));
        let mut link = take(&listener);
        for sequence in sequences {
            hear(&mut link, ASK);
            link.write_all(&text(*sequence, &one)).unwrap();
            hear(&mut link, &acknowledged(*sequence));
        }
        daemon.kill();
    };
    give("2027-02-02T12:00:00Z", false, &[0, 1]);
    // Its number says that it is the second once more; then a call that is truly alike, and that one once more.
    give("2027-02-02T12:05:00Z", false, &[1, 2]);
    give("2027-02-02T12:10:00Z", true, &[2]);
    let now = clock("2027-02-02T12:15:00Z", 1);
    let status = rig.json(&["status"], &now).1;
    assert_identities(&status);
    let lines = &status["lines"];
    assert_eq!((&lines["records"], &lines["duplicates"]), (&3.into(), &2.into()), "{status:#}");
    assert_eq!(rig.count("SELECT count(*) FROM call"), 3);
    rig.assert_no_difference(&now, "after the kills");
}
