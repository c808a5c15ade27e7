//! `smdrd detect` on the network: it listens, connects, knows a log-in when it sees one, and asks a NEC.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Output, Stdio};
use std::time::Duration;

use super::detect::{command, json, text};
use super::lines::{Ip, practice};
use super::rig::{free_port, wait_for};

fn start(source: &str, more: &[&str]) -> Child {
    command(source, more).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn ended(child: Child) -> Output {
    child.wait_with_output().unwrap()
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (link, _) = listener.accept().unwrap();
    link.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    link
}

#[test]
fn a_pbx_that_calls_is_heard_and_may_be_let_in_by_its_address() {
    let port = free_port();
    let child = start(&format!("tcp://127.0.0.1:{port}"), &["--json", "--seconds", "300"]);
    let mut link = wait_for("the listener", || TcpStream::connect(("127.0.0.1", port)).ok());
    let lines = practice(3).0;
    link.write_all((lines[..6].join("\r\n") + "\r\n").as_bytes()).unwrap();
    let output = ended(child);
    let found = json(&output);
    assert_eq!(output.status.code(), Some(0), "{found:#}");
    assert_eq!(found["candidates"][0]["dialect"], "avaya-ipoffice", "{found:#}");
    let settings =
        serde_json::json!({"tcp-listen.address": format!("127.0.0.1:{port}"), "tcp-listen.allow": ["127.0.0.1"]});
    assert_eq!(found["settings"], settings);
}

#[test]
fn a_pbx_that_waits_is_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let child = start(&format!("tcp://127.0.0.1:{port}"), &["--json", "--seconds", "300"]);
    let mut link = accept(&listener);
    let calls: Vec<String> = (0..4).map(|no| Ip { id: 1_000_001 + no, ..Ip::default() }.line() + "\r\n").collect();
    // In pieces, as a network brings them.
    for piece in calls.concat().as_bytes().chunks(37) {
        link.write_all(piece).unwrap();
    }
    let output = ended(child);
    let found = json(&output);
    assert_eq!(output.status.code(), Some(0), "{found:#}");
    assert_eq!(found["candidates"][0]["dialect"], "avaya-ipoffice", "{found:#}");
    assert_eq!(found["settings"], serde_json::json!({"tcp-connect.host": "127.0.0.1", "tcp-connect.port": port}));
}

#[test]
fn a_panasonic_is_known_by_its_prompt() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let child = start(&format!("tcp://127.0.0.1:{port}"), &["--seconds", "300"]);
    let mut link = accept(&listener);
    link.write_all(b"\xff\xfb\x01-").unwrap();
    let output = ended(child);
    assert_eq!(output.status.code(), Some(1), "it is asked for a log-in, and no record has come");
    insta::assert_snapshot!("panasonic-prompt", text(&output).replace(&port.to_string(), "2300"));
}

#[test]
fn other_prompts_and_silence_are_named() {
    for (says, hint, seconds) in [
        (&b"\r\nlogin: "[..], "it asks for a user name", "300"),
        (b"Enter Password: ", "it asks for a password", "300"),
        (b"", "it said nothing", "2"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let child = start(&format!("tcp://127.0.0.1:{port}"), &["--seconds", seconds]);
        let mut link = accept(&listener);
        link.write_all(says).unwrap();
        let output = ended(child);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output).contains(hint), "{hint}: {}", text(&output));
        drop(link);
    }
    let nobody = command(&format!("tcp://127.0.0.1:{}", free_port()), &["--seconds", "1"]).output().unwrap();
    assert!(text(&nobody).contains("nobody connected"), "{nobody:?}");
    let wrong = command("tcp://127.0.0.1", &["--seconds", "1"]).output().unwrap();
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(wrong.status.code() == Some(1) && said.contains("write tcp://HOST:PORT"), "{said}");
}

/// The NEC's port is always 60010, so the address is one of this machine that nobody else listens on.
#[test]
fn a_nec_is_asked_and_keeps_its_record() {
    let listener = TcpListener::bind("127.60.10.1:60010").unwrap();
    let child = start("tcp://127.60.10.1:60010", &["--json", "--seconds", "300"]);
    let mut link = accept(&listener);
    let mut asked = [0; 10];
    link.read_exact(&mut asked).unwrap();
    assert!(asked.starts_with(b"\x1610000200"), "{asked:?}");
    let head = format!("0!KE000037001132   02020915000202091600{:13}000000000{:32}0000", "", "");
    let record = format!("{head}{:<18}2727{:11}", "07700900123", "");
    link.write_all(format!("\x162{:05}000\x02{record}\x03\0", record.len() + 5).as_bytes()).unwrap();
    let mut rest = Vec::new();
    link.read_to_end(&mut rest).unwrap();
    let acknowledged = rest.windows(2).any(|bytes| bytes == b"\x164");
    assert!(!acknowledged, "it was, and the record is lost to the PBX: {:?}", String::from_utf8_lossy(&rest));
    let output = ended(child);
    let found = json(&output);
    assert_eq!(output.status.code(), Some(1), "one record is not enough: {found:#}");
    assert_eq!(found["candidates"][0]["dialect"], "nec-sv8300", "{found:#}");
    assert_eq!(found["settings"]["tcp-connect.port"], 60010, "{found:#}");
    assert!(found["remarks"][0].as_str().unwrap().contains("acknowledges none"), "{found:#}");
}
