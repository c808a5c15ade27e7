//! What the release before left is taken up by this one: the will with half a line, half a log-in and half a message of every
//! link, and where each source's dialect stood. The files in `previous` were written by that release; a new release adds
//! its own (`SMDRD_PREVIOUS=write`, which writes only what is not there).

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::edges::{call, connect, half, hear, listen, rig, stored, up};
use crate::lines::{Ip, MERIDIAN, NORSTAR};
use crate::manager::Manager;
use crate::rig::{Rig, free_port};

/// The releases whose state is held.
const RELEASES: [&str; 1] = ["0.1"];

/// What the release left; what this one has left, where it is to be written down.
fn left(release: &str, name: &str, now: impl FnOnce() -> Value) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/handover/previous/{release}-{name}.json"));
    if std::env::var_os("SMDRD_PREVIOUS").is_some_and(|how| how == "write") && !path.exists() {
        std::fs::write(&path, format!("{}\n", now())).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn will_of(manager: &Manager) -> Value {
    let mut will: Value = serde_json::from_slice(&manager.peek("will")).unwrap();
    will["at_ms"] = json!(0);
    will
}

/// Stops the daemon, puts `change` of the old release's will in place of ours, and starts it again.
fn over(rig: &Rig, manager: &mut Manager, name: &str, release: &str, change: impl FnOnce(&mut Value)) {
    manager.stop();
    let mut will = left(release, name, || will_of(manager));
    will["at_ms"] = json!(jiff::Timestamp::now().as_millisecond());
    change(&mut will);
    manager.put("will", will.to_string().as_bytes());
    manager.start(rig);
}

fn reception() -> (Rig, Manager, TcpStream) {
    let port = free_port();
    let (rig, mut manager) = rig(&listen("reception", "avaya-ipoffice", port));
    manager.start(&rig);
    let link = call(port);
    up(&rig, 1);
    (rig, manager, link)
}

fn called(name: &str, dialect: &str) -> (Rig, Manager, TcpStream) {
    let there = TcpListener::bind("127.0.0.1:0").unwrap();
    let (rig, mut manager) = rig(&connect(name, dialect, there.local_addr().unwrap().port()));
    manager.start(&rig);
    let link = there.accept().unwrap().0;
    link.set_nodelay(true).unwrap();
    link.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    up(&rig, 1);
    (rig, manager, link)
}

#[test]
fn half_a_line() {
    for release in RELEASES {
        let line = Ip::default().line() + "\r\n";
        let (rig, mut manager, mut link) = reception();
        half(&mut link, &line.as_bytes()[..50]);
        over(&rig, &mut manager, "line", release, |_| {});
        half(&mut link, &line.as_bytes()[50..60]);
        // What a later release adds is passed over, and what it leaves out is at its start.
        over(&rig, &mut manager, "line-60", release, |will| {
            will["more"] = json!({"of": ["it"]});
            let link = &mut will["links"][0];
            link["more"] = json!(7);
            link["rest"]["more"] = json!("x");
            link["state"]["more"] = json!(null);
            for part in ["dropped", "stripped", "mark", "texts", "tickets", "frame_left"] {
                link["rest"].as_object_mut().unwrap().remove(part).unwrap_or_else(|| panic!("no {part}"));
            }
            link.as_object_mut().unwrap().remove("state").unwrap();
        });
        link.write_all(&line.as_bytes()[60..]).unwrap();
        stored(&rig, 1);
        assert_eq!(rig.count("SELECT count(*) FROM line WHERE kind = 0"), 1, "{release}: {}", rig.log());
        assert_eq!(rig.count("SELECT count(*) FROM link"), 1);
        rig.assert_no_difference(&manager.clock, release);
    }
}

#[test]
fn half_a_log_in() {
    for release in RELEASES {
        let (rig, mut manager, mut link) = called("panasonic", "panasonic-kx");
        half(&mut link, b"\xff\xfb\x01-");
        hear(&mut link, b"\xff\xfd\x01SMDR\r\n");
        half(&mut link, b"smdr\r\rEnter Pass\xff");
        over(&rig, &mut manager, "log-in", release, |_| {});
        half(&mut link, b"\xfb\x01word:");
        hear(&mut link, b"PCCSMDR\r\n");
        link.write_all(
            b"*******\r\n02/02/27 09:16     301 08 <I>01632960902            0'37 00:00'00            NA \r\n",
        )
        .unwrap();
        // The echo of the prompt, the stars, and the record.
        crate::rig::wait_for("the record", || {
            (rig.count("SELECT count(*) FROM line WHERE kind = 0") == 1).then_some(())
        });
        assert_eq!(rig.count("SELECT count(*) FROM link"), 1);
    }
}

#[test]
fn half_a_message_of_an_omnipcx() {
    for release in RELEASES {
        let (rig, mut manager, mut link) = called("oxe", "alcatel-oxe");
        hear(&mut link, b"\x00\x01S");
        half(&mut link, b"\x00\x01P");
        hear(&mut link, b"\x00\x02\x00\x00");
        let mut message = b"\x03\x04\x01\x00\x02\x00ED5.2 nothing that a rule understands".to_vec();
        message.resize(6 + 768, 0);
        half(&mut link, &message[..20]);
        over(&rig, &mut manager, "message", release, |_| {});
        link.write_all(&message[20..]).unwrap();
        link.write_all(b"\x00\x08TEST_REQ").unwrap();
        hear(&mut link, b"\x00\x08TEST_RSP");
        stored(&rig, 1);
        let shape: String = rig.db().query_row("SELECT CAST(text AS TEXT) FROM line", [], |row| row.get(0)).unwrap();
        assert!(shape.starts_with("AA9.9 AAAAAAA"), "{release}: whole: {shape:?}");
    }
}

#[test]
fn half_a_frame_of_a_mitel_5000() {
    for release in RELEASES {
        let (rig, mut manager, mut link) = called("mitel", "mitel-5000");
        hear(&mut link, b"\x02\0\0\0\x84\0");
        half(&mut link, b"\x07\0");
        over(&rig, &mut manager, "frame", release, |_| {});
        link.write_all(b"\0\0TLC\r\n..\x04\0\0\0two\r").unwrap();
        stored(&rig, 3);
    }
}

/// Half a record of several lines: the state of the dialect, as the database holds it.
#[test]
fn half_a_record_of_several_lines() {
    for release in RELEASES {
        for (name, dialect, lines, cut) in
            [("meridian", "nortel-meridian", &MERIDIAN[..3], 2), ("norstar", "nortel-bcm", &NORSTAR[..6], 3)]
        {
            let port = free_port();
            let (rig, mut manager) = rig(&listen("annexe", dialect, port));
            manager.start(&rig);
            let mut link = call(port);
            let text = |lines: &[&str]| lines.iter().map(|line| format!("{line}\r\n")).collect::<String>();
            link.write_all(text(&lines[..cut]).as_bytes()).unwrap();
            stored(&rig, cut as i64);
            manager.stop();
            let now = || {
                let state: String = rig.db().query_row("SELECT state FROM source", [], |row| row.get(0)).unwrap();
                serde_json::from_str(&state).unwrap()
            };
            let mut state = left(release, name, now);
            assert_ne!(state["open"], json!([]), "{release}: a record was open");
            state["more"] = json!([1]);
            rig.db().execute("UPDATE source SET state = ?1", [state.to_string()]).unwrap();
            manager.start(&rig);
            link.write_all(text(&lines[cut..]).as_bytes()).unwrap();
            crate::rig::wait_for("the record", || {
                (rig.count("SELECT count(*) FROM line WHERE kind = 0") == 1).then_some(())
            });
            assert_eq!(rig.count("SELECT count(*) FROM line WHERE kind = 5"), 0, "{release} {name}");
            rig.assert_no_difference(&manager.clock, name);
        }
    }
}

#[test]
fn what_cannot_be_read_is_said_and_counted() {
    let line = Ip::default().line() + "\r\n";
    // One link, by what it holds; and all of it.
    for (at, what) in [(true, "left 1 link(s) cannot be read"), (false, "what the run before left cannot be read")] {
        let (rig, mut manager, mut link) = reception();
        half(&mut link, &line.as_bytes()[..50]);
        manager.stop();
        let mut will: Value = serde_json::from_slice(&manager.peek("will")).unwrap();
        will["links"][0]["rest"]["edge"] = json!("an-edge-that-nobody-knows");
        if !at {
            will["links"] = json!("elsewhere");
        }
        manager.put("will", will.to_string().as_bytes());
        manager.start(&rig);
        link.write_all(&line.as_bytes()[50..]).unwrap();
        link.write_all(line.as_bytes()).unwrap();
        // The other half alone is nothing, and the next line is itself again.
        stored(&rig, 2);
        assert_eq!(rig.count("SELECT count(*) FROM line WHERE kind = 0"), 1);
        assert_eq!(rig.count("SELECT count(*) FROM line WHERE kind = 5"), 1);
        assert_eq!(rig.count("SELECT sum(cut) FROM source_day"), 50, "the half that is lost is counted");
        assert_eq!(rig.count("SELECT count(*) FROM link WHERE cause = 'not-running'"), 1, "and the time is a gap");
        let audit = format!("SELECT count(*) FROM audit WHERE what LIKE '%{what}%'");
        assert_eq!(rig.count(&audit), 1, "{}", rig.log());
        assert!(rig.log().contains("half line"), "{}", rig.log());
    }
    // Where the dialect stood.
    let port = free_port();
    let (rig, mut manager) = rig(&listen("annexe", "nortel-meridian", port));
    manager.start(&rig);
    let mut link = call(port);
    link.write_all(format!("{}\r\n", MERIDIAN[0]).as_bytes()).unwrap();
    stored(&rig, 1);
    manager.stop();
    rig.db().execute("UPDATE source SET state = '{\"open\": \"a door\"}'", []).unwrap();
    manager.start(&rig);
    let audit =
        "SELECT count(*) FROM audit WHERE what = 'annexe: where its dialect stood cannot be read; it begins anew'";
    assert_eq!(rig.count(audit), 1, "{}", rig.log());
    link.write_all(format!("{}\r\n", MERIDIAN[6]).as_bytes()).unwrap();
    stored(&rig, 2);
}
