//! A relay under the daemon: audited, told of in the status, never stored, and never in the way.

use std::io::Read as _;
use std::net::{TcpListener, TcpStream};

use super::lines::Ip;
use super::rig::{Pbx, Rig, SITE, clock, wait_for};

const NUMBER: &str = "07700900775";

fn call(id: u32) -> String {
    Ip { id, cli: NUMBER, ..Ip::default() }.line()
}

fn accept(listener: &TcpListener) -> TcpStream {
    let stream = listener.accept().unwrap().0;
    stream.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
    stream
}

fn audit(rig: &Rig) -> Vec<String> {
    let db = rig.db();
    let mut query = db.prepare("SELECT what FROM audit ORDER BY id").unwrap();
    let rows: Vec<String> = query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    rows.into_iter().filter(|what| what.contains("relay")).collect()
}

#[test]
fn a_logger_goes_on_hearing_its_pbx_and_the_audit_says_so() {
    let logger = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = logger.local_addr().unwrap();
    let mut pbx = Pbx::serial("reception", "avaya-ipoffice");
    let mut rig = Rig::new(SITE, std::slice::from_ref(&pbx));
    // Behind the source: the last part of the configuration.
    rig.supplier = format!("[source.relay.tcp-connect]\nhost = \"127.0.0.1\"\nport = {}\n", to.port());
    let daemon = rig.run_with(&clock("2026-11-20T15:00:00Z", 1), |command| command.env("SMDRD_LOG", "trace"));
    pbx.connect();
    let mut heard = accept(&logger);
    let mut printed = String::new();
    for id in 1..=20 {
        assert!(pbx.print(&[call(id)]));
        printed += &(call(id) + "\r\n");
    }
    let mut bytes = vec![0; printed.len()];
    heard.read_exact(&mut bytes).unwrap();
    assert_eq!(String::from_utf8(bytes).unwrap(), printed);
    rig.wait_for_lines(20);
    let source = || rig.status()["sources"][0].clone();
    wait_for("the relay in the status", || (source()["relay"]["up"] == true).then_some(()));
    assert_eq!(source()["relay"]["to"], format!("{to}"));
    let began = format!("relay of source \"reception\" began: what it receives is repeated to {to}");
    assert_eq!(audit(&rig), std::slice::from_ref(&began));

    // The logger is switched off: the box goes on, and says that it is alone.
    drop((heard, logger));
    wait_for("the relay down", || (source()["relay"]["up"] == false).then_some(()));
    let status = rig.verb(&["status"], "");
    assert_eq!(status.status.code(), Some(1));
    let said = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(said.contains(&format!("reception: the relay has no logger at {to}")), "{said}");
    for id in 21..=30 {
        assert!(pbx.print(&[call(id)]));
    }
    rig.wait_for_lines(30);
    daemon.stop();
    let dropped = 10 * (call(21).len() + 2);
    let missed =
        format!("relay of source \"reception\": {dropped} bytes were not repeated, the logger was slow or away");
    assert_eq!(audit(&rig), [began, missed]);

    // What was repeated, and what waited for nobody, is nowhere.
    let mut files = vec![rig.path("log")];
    for place in ["state", "run"] {
        files.extend(std::fs::read_dir(rig.path(place)).unwrap().map(|entry| entry.unwrap().path()));
    }
    for file in files.iter().filter(|file| file.is_file()) {
        let bytes = std::fs::read(file).unwrap();
        let found = bytes.windows(NUMBER.len() - 1).any(|window| window == &NUMBER.as_bytes()[1..]);
        assert!(!found, "a number in {}", file.display());
    }
}
