//! F15: peers that are slow, that break off, that are somebody else.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::evidence::{figures, in_full, tries};
use super::promises::assert_kept;
use super::rig::{Rig, SITE, clock, free_port, wait_for};
use super::wires::{all, call, listen, numbered, numbers, reasons, sockets, stored};

const CLOCK: &str = "2026-11-20T15:00:00Z";

fn reception() -> (Rig, u16) {
    let port = free_port();
    (Rig::new(&format!("{SITE}{}", listen("reception", "avaya-ipoffice", port, "127.0.0.1")), &[]), port)
}

/// Calls from another address of this machine.
fn call_from(address: [u8; 4], port: u16) -> std::io::Result<TcpStream> {
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None)?;
    rustix::net::bind(&socket, &SocketAddr::from((address, 0)))?;
    rustix::net::connect(&socket, &SocketAddr::from(([127, 0, 0, 1], port)))?;
    Ok(socket.into())
}

/// Whether the box has hung up on us. It says nothing first.
fn hung_up(mut link: TcpStream) -> bool {
    link.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut said = Vec::new();
    let ended = link.read_to_end(&mut said);
    assert_eq!(said, b"", "a peer is told nothing");
    ended.is_ok_and(|heard| heard == 0) || !link.take_error().is_ok_and(|error| error.is_some())
}

#[test]
fn a_byte_at_a_time_is_a_line_in_the_end() {
    let (rig, port) = reception();
    let daemon = rig.run(&clock(CLOCK, 1));
    let mut link = call(port);
    // Below the three seconds that would be a silence.
    let pause = Duration::from_millis(u64::from(tries(20, 1000)));
    let text = all(1, 3);
    for (at, byte) in text.bytes().enumerate() {
        link.write_all(&[byte]).unwrap();
        let slow = if at == 60 { pause.max(Duration::from_millis(500)) } else { pause };
        std::thread::sleep(slow);
    }
    stored(&rig, 2);
    assert_eq!(numbers(&rig, "reception"), [1, 2]);
    assert_kept(&rig, "", "after a slow PBX");
    daemon.stop();
    figures("F15 a slow PBX", &format!("{} bytes, one every {pause:?}", text.len()), "2 of 2 lines read");
}

#[test]
fn what_a_link_that_breaks_off_leaves_is_kept_as_a_piece_and_no_call() {
    let (rig, port) = reception();
    let daemon = rig.run(&clock(CLOCK, 1));
    let mut lines = 0;
    let rounds = tries(3, 100);
    for round in 0..rounds {
        // Cut where it reads like nothing, and where it reads like a whole line; ended, and broken off.
        let line = numbered(10 * round + 1);
        for (cut, reset) in [(30 + round as usize % 20, false), (line.len() - 3, true), (50, true)] {
            let mut link = call(port);
            link.write_all(&line.as_bytes()[..cut]).unwrap();
            wait_for("the link", || (rig.status()["sources"][0]["up"] == true).then_some(()));
            // What is on the way when a link breaks off may never come: it is read first.
            std::thread::sleep(Duration::from_millis(150));
            if reset {
                rustix::net::sockopt::set_socket_linger(&link, Some(Duration::ZERO)).unwrap();
            }
            drop(link);
            lines += 1;
            stored(&rig, lines);
        }
        let mut link = call(port);
        link.write_all(format!("{line}\r\n").as_bytes()).unwrap();
        lines += 1;
        stored(&rig, lines);
    }
    let expected: Vec<String> = (0..rounds)
        .flat_map(|_| ["closed-by-peer", "reset", "reset"])
        .map(|cause| format!("cut off: the link ended in the line ({cause})"))
        .collect();
    assert_eq!(reasons(&rig), expected);
    assert_eq!(numbers(&rig, "reception"), (0..rounds).map(|round| 10 * round + 1).collect::<Vec<_>>());
    assert_kept(&rig, "", "after links that broke off");
    daemon.stop();
    figures(
        "F15 links that end in a line",
        &format!("{} by FIN, {} by RST", rounds, 2 * rounds),
        &format!("{} pieces kept as such; {rounds} of {rounds} lines once", 3 * rounds),
    );
}

#[test]
fn whoever_else_knocks_is_turned_away_and_counted_and_the_pbx_is_heard() {
    let (rig, port) = reception();
    let daemon = rig.run(&clock(CLOCK, 1));
    let mut pbx = call(port);
    pbx.write_all(all(1, 6).as_bytes()).unwrap();
    stored(&rig, 5);
    let before = sockets(daemon.child.id());
    // Somebody else: closed at once, whatever is said, and counted.
    let knocks = tries(20, 500);
    for _ in 0..knocks {
        let Ok(mut stranger) = call_from([127, 0, 0, 2], port) else { continue };
        let _ = stranger.write_all(b"GET / HTTP/1.1\r\nHost: box\r\n\r\n");
        assert!(hung_up(stranger));
    }
    let told = wait_for("the count", || {
        let told = rig.status()["turned_away"].clone();
        (told[0]["peer"] == "127.0.0.2").then_some(told)
    });
    assert_eq!(told[0]["cause"], "not-allowed", "{told:#}");
    let notes = rig.status()["notes"].to_string();
    assert!(notes.contains("127.0.0.2 was turned away"), "{notes}");
    if in_full() {
        // Those after the first are told of a minute later.
        wait_for("all knocks", || (rig.status()["turned_away"][0]["times"] == knocks).then_some(()));
    }
    // From the PBX's own address: a scan of its ports, and more links than a PBX has.
    let connects = tries(200, 6_000);
    let began = Instant::now();
    for at in 0..connects {
        if let Ok(link) = TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), Duration::from_secs(10)) {
            if at % 2 == 0 {
                rustix::net::sockopt::set_socket_linger(&link, Some(Duration::ZERO)).unwrap();
            }
            drop(link);
        }
        if at % 10 == 0 {
            pbx.write_all(all(6 + at / 10, 7 + at / 10).as_bytes()).unwrap();
        }
        // A hundred a second.
        let due = began + Duration::from_millis(10) * at;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    let sent = 5 + connects.div_ceil(10);
    stored(&rig, i64::from(sent));
    wait_for("the end of those links", || (sockets(daemon.child.id()) <= before).then_some(()));
    let held: Vec<TcpStream> = (0..40).map(|_| call(port)).collect();
    held.iter().for_each(|link| link.set_nonblocking(true).unwrap());
    // One that is held says nothing and stays; one too many has ended.
    let ended = || held.iter().filter(|link| matches!((&**link).read(&mut [0]), Ok(0))).count();
    wait_for("the end of those that are too many", || (ended() >= 40 - 15).then_some(()));
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(ended(), 40 - 15, "16 links at a time, one of them the PBX's");
    wait_for("the count", || {
        let told = rig.status()["turned_away"].to_string();
        told.contains("too-many").then_some(())
    });
    pbx.write_all(all(sent + 1, sent + 2).as_bytes()).unwrap();
    stored(&rig, i64::from(sent) + 1);
    drop(held);
    // HTTP from an address that may: lines that nobody understands, and no answer.
    let mut web = wait_for("room for a link", || {
        let mut link = call(port);
        std::thread::sleep(Duration::from_millis(100));
        link.set_nonblocking(true).unwrap();
        let open = matches!(link.read(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock);
        link.set_nonblocking(false).unwrap();
        open.then_some(link)
    });
    web.write_all(b"GET /cgi-bin/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n\r\n").unwrap();
    web.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(hung_up(web));
    wait_for("what it said", || (rig.count("SELECT count(*) FROM line WHERE kind = 5") >= 3).then_some(()));
    assert_eq!(numbers(&rig, "reception"), (1..=sent + 1).collect::<Vec<_>>());
    assert_kept(&rig, "", "after everybody who knocked");
    daemon.stop();
    figures(
        "F15 strangers and scans",
        &format!("{knocks} knocks of another, {connects} links at 100/s, 40 at a time, HTTP"),
        &format!("turned away and counted; no more than 16 links; {0} of {0} lines of the PBX", sent + 1),
    );
}
