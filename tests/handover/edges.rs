//! A restart at the worst moment: in a line, in a record of several lines, in a log-in; and when not all is there again
//! afterwards.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rustix::process::Signal;
use smdrd::simulator::serial::SerialPort;

use crate::lines::{Ip, MERIDIAN};
use crate::manager::Manager;
use crate::rig::{Rig, SITE, clock, free_port, wait_for};

const CLOCK: &str = "2026-11-20T15:00:00Z";

pub fn listen(name: &str, dialect: &str, port: u16) -> String {
    format!(
        "[[source]]\nname = \"{name}\"\ndialect = \"{dialect}\"\n\
         [source.tcp-listen]\naddress = \"127.0.0.1:{port}\"\nallow = [\"127.0.0.1\"]\n"
    )
}

pub fn connect(name: &str, dialect: &str, port: u16) -> String {
    format!(
        "[[source]]\nname = \"{name}\"\ndialect = \"{dialect}\"\n\
         [source.tcp-connect]\nhost = \"127.0.0.1\"\nport = {port}\n"
    )
}

fn serial(name: &str, port: &SerialPort, baud: u32) -> String {
    let path = port.path().display();
    format!(
        "[[source]]\nname = \"{name}\"\ndialect = \"siemens-hipath3000\"\n[source.serial]\npath = \"{path}\"\nbaud = {baud}\n"
    )
}

pub fn rig(sources: &str) -> (Rig, Manager) {
    let rig = Rig::new(&format!("{SITE}{sources}"), &[]);
    let manager = Manager::new(&rig, &clock(CLOCK, 1));
    (rig, manager)
}

/// Calls the box.
pub fn call(port: u16) -> TcpStream {
    let to = SocketAddr::from(([127, 0, 0, 1], port));
    let link = wait_for("the listener", || TcpStream::connect(to).ok());
    link.set_nodelay(true).unwrap();
    link.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    link
}

pub fn hear(link: &mut TcpStream, expected: &[u8]) {
    let mut heard = vec![0; expected.len()];
    link.read_exact(&mut heard).unwrap();
    assert_eq!(String::from_utf8_lossy(&heard), String::from_utf8_lossy(expected));
}

/// Waits until the box has hung up.
pub fn ended(link: &mut TcpStream) {
    let mut more = Vec::new();
    // The end may come as a reset.
    let _ = link.read_to_end(&mut more);
    assert_eq!(more, b"", "nothing more was said");
}

/// Waits until this many lines are stored. Without asking the daemon, which may be down.
pub fn stored(rig: &Rig, lines: i64) {
    wait_for(&format!("{lines} lines"), || {
        let stored = rig.count("SELECT count(*) FROM line");
        assert!(stored <= lines, "{stored} of {lines} lines");
        (stored == lines).then_some(())
    });
}

/// Waits until the source's link is in the books.
pub fn up(rig: &Rig, links: i64) {
    wait_for("the link", || (rig.count("SELECT count(*) FROM link WHERE to_ms IS NULL") == links).then_some(()));
}

/// Half a line goes out, and the daemon is given time to read it.
pub fn half(link: &mut TcpStream, bytes: &[u8]) {
    link.write_all(bytes).unwrap();
    // Wherever they are when the restart comes, none may be lost; mostly they are in the daemon by then.
    std::thread::sleep(Duration::from_millis(100));
}

#[test]
fn in_a_line() {
    let (port, there, line) = (free_port(), TcpListener::bind("127.0.0.1:0").unwrap(), SerialPort::open().unwrap());
    let sources = listen("reception", "avaya-ipoffice", port)
        + &connect("annexe", "avaya-ipoffice", there.local_addr().unwrap().port())
        + &serial("branch", &line, 9600);
    let (rig, mut manager) = rig(&sources);
    manager.start(&rig);
    let mut line = line;
    let (mut reception, mut annexe) = (call(port), there.accept().unwrap().0);
    wait_for("the serial line", || line.attended().then_some(()));
    up(&rig, 3);
    let cli = Ip::default();
    let (ip, hi) = (
        cli.line() + "\r\n",
        crate::lines::hipath("20.11.2609:00:00", 4, 201, "00:08", "00:01:00", "07700900123", 1) + "\r\n",
    );
    // In the text, between its digits, and between CR and LF.
    for cut in [50, 3, ip.len() - 1] {
        let (one, other) = ip.as_bytes().split_at(cut);
        half(&mut reception, one);
        half(&mut annexe, one);
        let hi_cut = cut.min(hi.len() - 1);
        assert!(line.print(&hi[..hi_cut], &AtomicBool::new(false)));
        std::thread::sleep(Duration::from_millis(100));
        manager.stop();
        assert_eq!(manager.kept(), ["connect", "listen", "listener", "serial", "will"]);
        if cut == 50 {
            let will = String::from_utf8(manager.peek("will")).unwrap();
            assert!(will.contains("\"line\":[50,48,50,54"), "{will}");
        }
        manager.start(&rig);
        assert_eq!(manager.kept(), ["connect", "listen", "listener", "serial"], "the will is closed once read");
        reception.write_all(other).unwrap();
        annexe.write_all(other).unwrap();
        assert!(line.print(&hi[hi_cut..], &AtomicBool::new(false)));
    }
    stored(&rig, 9);
    assert_eq!(rig.count("SELECT count(*) FROM line WHERE kind = 0"), 9, "each is a record");
    assert_eq!(rig.count("SELECT count(*) FROM link"), 3, "each link is one stretch");
    assert_eq!(rig.count("SELECT coalesce(sum(cut), 0) FROM source_day"), 0, "nothing was cut off");
    rig.assert_no_difference(&manager.clock, "after the restarts");
    manager.stop();
    for entry in std::fs::read_dir(rig.path("state")).unwrap().chain(std::fs::read_dir(rig.path("run")).unwrap()) {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(9).any(|window| window == b"770090012"), "{}", path.display());
        }
    }
    // Long enough that no time of day in the log reads like it by chance.
    assert!(!rig.log().contains("0770090"), "{}", rig.log());
    assert!(!rig.log().contains('\u{1b}'), "no colours where no terminal is");
}

#[test]
fn in_a_record_of_several_lines() {
    let port = free_port();
    let (rig, mut manager) = rig(&listen("annexe", "nortel-meridian", port));
    manager.start(&rig);
    let mut link = call(port);
    for (at, line) in MERIDIAN.iter().enumerate() {
        link.write_all(format!("{line}\r\n").as_bytes()).unwrap();
        stored(&rig, at as i64 + 1);
        manager.restart(&rig);
    }
    // Silence closes the last.
    wait_for("the records", || (rig.count("SELECT count(*) FROM line WHERE kind = 0") == 4).then_some(()));
    assert_eq!(rig.count("SELECT count(*) FROM line WHERE kind = 5"), 1);
    rig.assert_no_difference(&manager.clock, "after the restarts");
}

#[test]
fn in_a_log_in() {
    let there = TcpListener::bind("127.0.0.1:0").unwrap();
    let (rig, mut manager) = rig(&connect("panasonic", "panasonic-kx", there.local_addr().unwrap().port()));
    manager.start(&rig);
    let mut link = there.accept().unwrap().0;
    link.set_nodelay(true).unwrap();
    link.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    up(&rig, 1);
    assert_eq!(manager.kept(), [""; 0], "before the PBX has let us in, a kill must leave nothing behind");
    // Before anything, in a Telnet command, in a prompt, and between password and record.
    manager.restart(&rig);
    half(&mut link, b"\xff\xfb");
    manager.restart(&rig);
    half(&mut link, b"\x01-");
    hear(&mut link, b"\xff\xfd\x01SMDR\r\n");
    manager.restart(&rig);
    half(&mut link, b"smdr\r\rEnter Pass");
    manager.restart(&rig);
    assert_eq!(manager.kept(), [""; 0]);
    half(&mut link, b"word:");
    hear(&mut link, b"PCCSMDR\r\n");
    manager.restart(&rig);
    link.write_all(b"*******\r\n02/02/27 09:16     301 08 <I>01632960902            0'37 00:00'00            NA \r\n")
        .unwrap();
    wait_for("the record", || (rig.count("SELECT count(*) FROM line WHERE kind = 0") == 1).then_some(()));
    wait_for("the link's place", || (manager.kept() == ["connect"]).then_some(()));
    assert_eq!(rig.count("SELECT count(*) FROM link"), 1);
    // What looks like a prompt is none any more, also after a kill.
    manager.end(Signal::KILL);
    manager.start(&rig);
    link.write_all(b"Enter Password:\r\n").unwrap();
    link.shutdown(std::net::Shutdown::Write).unwrap();
    ended(&mut link);
    for entry in std::fs::read_dir(rig.path("state")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(7).any(|window| window == b"PCCSMDR"));
    }
}

#[test]
fn a_mitel_5000_is_not_greeted_again() {
    let there = TcpListener::bind("127.0.0.1:0").unwrap();
    let (rig, mut manager) = rig(&connect("mitel", "mitel-5000", there.local_addr().unwrap().port()));
    manager.start(&rig);
    let mut link = there.accept().unwrap().0;
    link.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    hear(&mut link, b"\x02\0\0\0\x84\0");
    up(&rig, 1);
    // In the mark of a frame, and in the frame.
    half(&mut link, b"\x07\0");
    manager.restart(&rig);
    half(&mut link, b"\0\0TL");
    manager.restart(&rig);
    link.write_all(b"C\r\n..").unwrap();
    link.write_all(b"\x04\0\0\0two\r").unwrap();
    stored(&rig, 3);
    link.shutdown(std::net::Shutdown::Write).unwrap();
    ended(&mut link);
}

#[test]
fn an_omnipcx_goes_on_in_the_midst_of_a_ticket() {
    let there = TcpListener::bind("127.0.0.1:0").unwrap();
    let (rig, mut manager) = rig(&connect("oxe", "alcatel-oxe", there.local_addr().unwrap().port()));
    manager.start(&rig);
    let mut link = there.accept().unwrap().0;
    link.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    hear(&mut link, b"\x00\x01S");
    up(&rig, 1);
    half(&mut link, b"\x00");
    manager.restart(&rig);
    assert_eq!(manager.kept(), [""; 0], "which CPU it is has not been said");
    half(&mut link, b"\x01P");
    hear(&mut link, b"\x00\x02\x00\x00");
    wait_for("the link's place", || (manager.kept() == ["connect"]).then_some(()));
    let mut message = b"\x03\x04\x01\x00\x02\x00ED5.2 nothing that a rule understands".to_vec();
    message.resize(6 + 768, 0);
    // In the mark, in the text, in the padding.
    for (from, to) in [(0, 3), (3, 20), (20, 500)] {
        half(&mut link, &message[from..to]);
        manager.restart(&rig);
    }
    link.write_all(&message[500..]).unwrap();
    stored(&rig, 1);
    link.write_all(b"\x00\x08TEST_REQ").unwrap();
    hear(&mut link, b"\x00\x08TEST_RSP");
    // After a kill nobody knows where in a message it was: it finds its way to the next mark.
    manager.end(Signal::KILL);
    manager.start(&rig);
    link.write_all(b"\x00\x08TEST_REQ").unwrap();
    hear(&mut link, b"\x00\x08TEST_RSP");
    manager.stop();
}

#[test]
fn a_link_that_ended_meanwhile_is_read_to_its_end_and_made_anew() {
    for reset in [false, true] {
        let (port, there) = (free_port(), TcpListener::bind("127.0.0.1:0").unwrap());
        let sources = listen("reception", "avaya-ipoffice", port)
            + &connect("annexe", "avaya-ipoffice", there.local_addr().unwrap().port());
        let (rig, mut manager) = rig(&sources);
        manager.start(&rig);
        let (mut reception, mut annexe) = (call(port), there.accept().unwrap().0);
        up(&rig, 2);
        half(&mut reception, b"2026/11/20 09:00:00,00:01:00,10,07700");
        manager.stop();
        let line = Ip::default().line() + "\r\n";
        reception.write_all(&line.as_bytes()[37..]).unwrap();
        annexe.write_all(line.as_bytes()).unwrap();
        if reset {
            // As when the PBX loses its power: what was acknowledged is there, and then comes the reset.
            std::thread::sleep(Duration::from_millis(50));
            rustix::net::sockopt::set_socket_linger(&reception, Some(Duration::ZERO)).unwrap();
            rustix::net::sockopt::set_socket_linger(&annexe, Some(Duration::ZERO)).unwrap();
        }
        drop((reception, annexe));
        manager.start(&rig);
        stored(&rig, 2);
        assert_eq!(rig.count("SELECT count(*) FROM line WHERE kind = 0"), 2, "whole, {}", rig.log());
        let _annexe = there.accept().unwrap();
        let _reception = call(port);
        up(&rig, 2);
        let cause = if reset { "reset" } else { "closed-by-peer" };
        assert_eq!(rig.count(&format!("SELECT count(*) FROM link WHERE cause = '{cause}'")), 2, "{}", rig.log());
        wait_for("the places", || (manager.kept() == ["connect", "listen", "listener"]).then_some(()));
    }
}

#[test]
fn what_the_configuration_has_no_more_is_closed() {
    let (port, there) = (free_port(), TcpListener::bind("127.0.0.1:0").unwrap());
    let far = there.local_addr().unwrap().port();
    let reception = listen("reception", "avaya-ipoffice", port);
    let (mut rig, mut manager) = rig(&(reception.clone() + &connect("annexe", "avaya-ipoffice", far)));
    manager.start(&rig);
    let (mut calling, mut called) = (call(port), there.accept().unwrap().0);
    called.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    up(&rig, 2);
    half(&mut called, b"half a line of a PBX that is taken away");
    // A source is taken away.
    manager.stop();
    rig.site = format!("{SITE}{reception}");
    manager.start(&rig);
    ended(&mut called);
    wait_for("the places", || (manager.kept() == ["listen", "listener"]).then_some(()));
    // The peer may not call any more: its link ends, the listener stays.
    manager.stop();
    rig.site = rig.site.replace("allow = [\"127.0.0.1\"]", "allow = [\"127.0.0.7\"]");
    manager.start(&rig);
    ended(&mut calling);
    wait_for("the places", || (manager.kept() == ["listener"]).then_some(()));
    let cause = "SELECT count(*) FROM link WHERE cause = 'not-allowed'";
    wait_for("the end of its link", || (rig.count(cause) == 1).then_some(()));
    // The address is another one: the old one is free again.
    manager.stop();
    rig.site = format!("{SITE}{}", listen("reception", "avaya-ipoffice", free_port()));
    manager.start(&rig);
    wait_for("the old address", || TcpListener::bind(("127.0.0.1", port)).ok());
    // No source at all.
    manager.stop();
    rig.site = SITE.to_owned();
    manager.start(&rig);
    wait_for("nothing kept", || manager.kept().is_empty().then_some(()));
    manager.stop();
}

#[test]
fn stopped_for_good_a_link_ends_and_the_time_without_it_is_a_gap() {
    let port = free_port();
    let (rig, mut manager) = rig(&listen("reception", "avaya-ipoffice", port));
    manager.start(&rig);
    let mut link = call(port);
    link.write_all((Ip::default().line() + "\r\nhalf a line").as_bytes()).unwrap();
    stored(&rig, 1);
    manager.stop();
    manager.forget_all();
    ended(&mut link);
    manager.start(&rig);
    let mut link = call(port);
    up(&rig, 1);
    assert_eq!(rig.count("SELECT count(*) FROM link WHERE cause = 'not-running'"), 1);
    assert_eq!(rig.count("SELECT sum(cut) FROM source_day"), 11, "the half line is counted as cut off");
    // A verb that looked meanwhile has ended the link in the books: it goes on as a new one.
    manager.stop();
    assert_eq!(rig.verb(&["status"], &manager.clock).status.code(), Some(1));
    manager.start(&rig);
    link.write_all((Ip { id: 2_000_000, ..Ip::default() }.line() + "\r\n").as_bytes()).unwrap();
    stored(&rig, 2);
    up(&rig, 1);
    assert_eq!(rig.count("SELECT count(*) FROM link WHERE cause = 'not-running'"), 2);
    assert_eq!(rig.count("SELECT sum(cut) FROM source_day"), 11, "once");
}

#[test]
fn a_serial_line_that_may_have_overflowed_meanwhile_is_a_gap() {
    let port = SerialPort::open().unwrap();
    // At this speed 4 KiB are full after 0.36 s.
    let (rig, mut manager) = rig(&serial("branch", &port, 115_200));
    manager.start(&rig);
    let mut port = port;
    wait_for("the serial line", || port.attended().then_some(()));
    up(&rig, 1);
    manager.stop();
    std::thread::sleep(Duration::from_millis(500));
    assert!(port.attended(), "the line stays open");
    assert!(port.print("what is printed meanwhile\r\n", &AtomicBool::new(false)));
    manager.start(&rig);
    stored(&rig, 1);
    up(&rig, 1);
    assert_eq!(rig.count("SELECT count(*) FROM link"), 2);
    assert_eq!(manager.kept(), ["serial"]);
    // Another adapter under the same name is another line.
    manager.stop();
    drop(port);
    manager.start(&rig);
    wait_for("nothing kept", || manager.kept().is_empty().then_some(()));
}

#[test]
fn a_service_manager_that_keeps_nothing_gets_nothing() {
    let port = free_port();
    let (rig, mut manager) = rig(&listen("reception", "avaya-ipoffice", port));
    manager.environment.insert("FDSTORE", "0".to_owned());
    manager.start(&rig);
    let mut link = call(port);
    link.write_all(b"2026/11/20 09:00:00,half a line").unwrap();
    up(&rig, 1);
    manager.stop();
    ended(&mut link);
    assert_eq!(manager.kept(), [""; 0]);
    // It is kept as what it is: a line that nobody understands.
    stored(&rig, 1);
    assert_eq!(rig.count("SELECT count(*) FROM link WHERE cause = 'stopping'"), 1);
}
