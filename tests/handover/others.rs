//! A restart under the sources that need no link handed over, and in the middle of what they bring: nothing is lost and
//! nothing is there twice.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

use crate::edges::{call, half, listen, rig, stored, up};
use crate::lines::{Ip, NORSTAR};
use crate::manager::Manager;
use crate::rig::{Rig, SITE, clock, free_port, wait_for};

const CLOCK: &str = "2026-11-20T15:00:00Z";
const ROUNDS: u8 = 6;

#[test]
fn in_a_report_of_several_lines_and_in_its_lines() {
    let port = free_port();
    let (rig, mut manager) = rig(&listen("annexe", "nortel-bcm", port));
    manager.start(&rig);
    let mut link = call(port);
    up(&rig, 1);
    let text: String = NORSTAR.iter().map(|line| format!("{line}\r\n")).collect();
    // In the first line, in a caller's number, behind a line, in the line that ends a report, between CR and LF.
    let ends = [20, 70, 155, 168, 205, 300];
    let mut from = 0;
    for to in ends {
        half(&mut link, &text.as_bytes()[from..to]);
        manager.restart(&rig);
        from = to;
    }
    link.write_all(&text.as_bytes()[from..]).unwrap();
    stored(&rig, NORSTAR.len() as i64);
    // Silence closes the last.
    wait_for("the reports", || (rig.count("SELECT count(*) FROM line WHERE kind = 0") == 4).then_some(()));
    assert_eq!(rig.count("SELECT count(*) FROM line WHERE kind = 5"), 0);
    assert_eq!(rig.count("SELECT count(*) FROM link"), 1);
    rig.assert_no_difference(&manager.clock, "after the restarts");
}

/// A NEC: gives a record when it is asked, forgets it when it is acknowledged, and takes one client at a time.
mod nec {
    use super::*;

    /// A box that calls a NEC, and where that listens.
    pub fn site() -> (TcpListener, Rig, Manager) {
        let there = TcpListener::bind("127.0.0.1:0").unwrap();
        let source = format!(
            "[[source]]\nname = \"nec\"\ndialect = \"nec-sv8300\"\n\
             options = {{ framing = \"tcp60010\", parity = \"none\" }}\n\
             [source.tcp-connect]\nhost = \"127.0.0.1\"\nport = {}\n",
            there.local_addr().unwrap().port()
        );
        let rig = Rig::new(&format!("{SITE}{source}"), &[]);
        let manager = Manager::new(&rig, &clock("2027-02-02T12:00:00Z", 1));
        (there, rig, manager)
    }

    const NOTHING: &[u8] = b"\x16300003002\0";

    pub fn record(number: u8) -> Vec<u8> {
        let from = format!("09{:02}00", number + 1);
        let to = format!("09{:02}30", number + 1);
        let head = format!("0!KE0000370010132  0202{from}0202{to}{:13}000000000{:32}0000", "", "");
        let record = format!("{head}{:<18}2727{:11}", "07700900123", "");
        format!("\x162{:05}00{}\x02{record}\x03\0", record.len() + 5, number % 10).into_bytes()
    }

    /// What the client says next: the kind of its text; nothing when it has gone.
    pub fn heard(link: &mut TcpStream) -> Option<u8> {
        let mut head = [0; 7];
        link.read_exact(&mut head).ok()?;
        assert_eq!(head[0], 0x16, "{head:?}");
        let length: usize = std::str::from_utf8(&head[2..]).unwrap().parse().unwrap();
        let mut rest = vec![0; length + 1];
        link.read_exact(&mut rest).ok()?;
        Some(head[1])
    }

    pub fn nothing(link: &mut TcpStream) {
        let _ = link.write_all(NOTHING);
    }
}

#[test]
fn in_a_record_that_a_nec_gives() {
    let (there, rig, mut manager) = nec::site();
    manager.start(&rig);
    let take = || {
        let link = there.accept().unwrap().0;
        link.set_nodelay(true).unwrap();
        link.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        link
    };
    for number in 0..ROUNDS {
        let mut link = take();
        let text = nec::record(number);
        assert_eq!(nec::heard(&mut link), Some(b'1'), "it asks");
        if number % 2 == 0 {
            // Half a record; then the client is told to stop, and goes.
            half(&mut link, &text[..text.len() / 2]);
            manager.stop();
            while nec::heard(&mut link).is_some() {}
            manager.start(&rig);
            link = take();
            assert_eq!(nec::heard(&mut link), Some(b'1'), "it asks again");
        }
        // A whole one, and the order to stop at any moment after it.
        link.write_all(&text).unwrap();
        std::thread::sleep(Duration::from_millis(u64::from(number) * 2));
        manager.stop();
        let mut acknowledged = false;
        while let Some(said) = nec::heard(&mut link) {
            acknowledged |= said == b'4';
            if said == b'1' {
                nec::nothing(&mut link);
            }
        }
        manager.start(&rig);
        if !acknowledged {
            let mut link = take();
            assert_eq!(nec::heard(&mut link), Some(b'1'));
            link.write_all(&text).unwrap();
            assert_eq!(nec::heard(&mut link), Some(b'4'), "acknowledged");
            manager.restart(&rig);
        }
        assert_eq!(rig.count("SELECT count(*) FROM line"), i64::from(number) + 1, "record {number}, {acknowledged}");
    }
    assert_eq!(rig.count("SELECT count(*) FROM line WHERE kind = 0"), i64::from(ROUNDS));
    rig.assert_no_difference(&manager.clock, "after the restarts");
}

#[test]
fn a_record_that_is_on_disk_and_was_not_acknowledged_is_known_again() {
    let (there, rig, mut manager) = nec::site();
    for number in 0..4u8 {
        manager.start(&rig);
        for again in [false, true] {
            let mut link = there.accept().unwrap().0;
            link.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            assert_eq!(nec::heard(&mut link), Some(b'1'));
            link.write_all(&nec::record(number)).unwrap();
            let lines = i64::from(number) * 2 + 1 + i64::from(again);
            wait_for("the record", || (rig.count("SELECT count(*) FROM line") == lines).then_some(()));
            // Whatever was said of it, it does not get to the PBX.
            manager.end(rustix::process::Signal::KILL);
            if number % 2 == 1 {
                // The box was off: the keys are gone too.
                std::fs::remove_dir_all(rig.path("run")).unwrap();
            }
            manager.start(&rig);
        }
        manager.stop();
        while there.set_nonblocking(true).is_ok() && there.accept().is_ok() {}
        there.set_nonblocking(false).unwrap();
    }
    manager.start(&rig);
    assert_eq!(rig.count("SELECT count(*) FROM line WHERE kind = 0 AND repeats IS NULL"), 4);
    assert_eq!(rig.count("SELECT count(*) FROM line WHERE repeats > 0"), 4, "each came twice");
    assert_eq!(rig.count("SELECT count(*) FROM call"), 4);
    rig.assert_no_difference(&manager.clock, "after the kills");
}

/// Puts a file by TFTP from block `first` on, as far as the receiver answers; says whether all of it was acknowledged.
fn put(to: SocketAddr, file: &[u8], mut before: impl FnMut(usize)) -> bool {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut packet = [0; 600];
    let mut say = |message: &[u8], peer: SocketAddr, block: u16| -> Option<SocketAddr> {
        // Three times, as a PBX that hears nothing does.
        for _ in 0..3 {
            socket.send_to(message, peer).ok()?;
            if let Ok((length, from)) = socket.recv_from(&mut packet)
                && packet[..length] == [&[0, 4], &block.to_be_bytes()[..]].concat()
            {
                return Some(from);
            }
        }
        None
    };
    let Some(peer) = say(b"\x00\x02gc001.txt\x00octet\x00", to, 0) else { return false };
    for (at, data) in file.chunks(512).enumerate() {
        before(at);
        let number = at as u16 + 1;
        if say(&[&[0, 3], &number.to_be_bytes()[..], data].concat(), peer, number).is_none() {
            return false;
        }
    }
    true
}

#[test]
fn in_a_file_that_comes_by_tftp() {
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let source = format!(
        "[[source]]\nname = \"hipath\"\ndialect = \"siemens-hipath3000\"\n\
         [source.tftp]\naddress = \"127.0.0.1:{port}\"\nallow = [\"127.0.0.1\"]\n"
    );
    let rig = Rig::new(&format!("{SITE}{source}"), &[]);
    let mut manager = Manager::new(&rig, &clock("2027-02-02T12:00:00Z", 1));
    manager.start(&rig);
    let to = SocketAddr::from(([127, 0, 0, 1], port));
    let rounds = 6u32;
    for round in 0..rounds {
        // Sixteen lines of 82 bytes: three blocks, the last one short.
        let file: String = (0..16)
            .map(|line| {
                let at = format!("02.02.27{:02}:{:02}:00", 8 + round, line);
                crate::lines::hipath(&at, 9, 250, "00:05", "00:00:30", "07700900111", 1) + "\r\n"
            })
            .collect();
        assert!(!file.len().is_multiple_of(512));
        // The order to stop comes before a block: the second, the third, or the last with its answer on the way.
        let stop_at = file.len() / 512 - (round as usize % 2);
        let stopping = std::cell::RefCell::new(&mut manager);
        let whole = put(to, file.as_bytes(), |at| {
            if at == stop_at && round % 3 != 2 {
                stopping.borrow_mut().restart(&rig);
            }
        });
        if round % 3 == 2 {
            assert!(whole);
            // As soon as the last block is acknowledged the file is on disk.
            manager.end(rustix::process::Signal::KILL);
            manager.start(&rig);
        } else {
            assert!(!whole, "nobody goes on with half a file");
            assert!(wait_for("the receiver", || put(to, file.as_bytes(), |_| {}).then_some(true)));
        }
        assert_eq!(rig.count("SELECT count(*) FROM line"), i64::from(round + 1) * 16, "round {round}: {}", rig.log());
    }
    manager.stop();
    assert_eq!(rig.count("SELECT count(*) FROM line WHERE kind = 0"), i64::from(rounds) * 16);
    rig.assert_no_difference(&manager.clock, "after the restarts");
}

#[test]
fn in_a_file_of_a_drop_folder() {
    if !smdrd::source::in_memory(Path::new("/dev/shm")) {
        eprintln!("SKIPPED LOUDLY: /dev/shm is not a tmpfs here, so no drop folder can be tried");
        return;
    }
    let mut rig = Rig::new(SITE, &[]);
    let folder = rig.path("drop");
    std::fs::create_dir(&folder).unwrap();
    rig.site += &format!(
        "[[source]]\nname = \"files\"\ndialect = \"avaya-ipoffice\"\n[source.folder]\npath = \"{}\"\nsettle-seconds = 1\n",
        folder.display()
    );
    let mut manager = Manager::new(&rig, &clock(CLOCK, 1));
    manager.start(&rig);
    let lines =
        |from: u32, to: u32| (from..to).map(|id| Ip { id, ..Ip::default() }.line() + "\r\n").collect::<String>();
    // A writer is in the middle of a file, and of a line, at each restart.
    let mut open = std::fs::File::create(folder.join("written.csv")).unwrap();
    let text = lines(1, 30);
    let (one, other) = text.as_bytes().split_at(1000);
    open.write_all(one).unwrap();
    manager.restart(&rig);
    open.write_all(other).unwrap();
    drop(open);
    stored(&rig, 29);
    // Files that take a while to be read, and the order to stop at any moment of it.
    let mut last = 30;
    for round in 0..4u32 {
        std::fs::write(folder.join(format!("{round}.csv")), lines(last, last + 2_000)).unwrap();
        last += 2_000;
        wait_for("the reading", || (rig.count("SELECT count(*) FROM line") > i64::from(last) - 2_000).then_some(()));
        std::thread::sleep(Duration::from_millis(u64::from(round) * 7));
        manager.restart(&rig);
    }
    stored(&rig, i64::from(last) - 1);
    wait_for("an empty folder", || std::fs::read_dir(&folder).unwrap().next().is_none().then_some(()));
    let ids = "SELECT count(DISTINCT json_extract(record, '$.call_id')) FROM line WHERE kind = 0";
    assert_eq!(rig.count(ids), i64::from(last) - 1);
    rig.assert_no_difference(&manager.clock, "after the restarts");
}

#[test]
fn in_a_line_that_is_repeated_to_a_logger() {
    let (port, logger) = (free_port(), TcpListener::bind("127.0.0.1:0").unwrap());
    let to = logger.local_addr().unwrap().port();
    let source = listen("reception", "avaya-ipoffice", port)
        + &format!("[source.relay.tcp-connect]\nhost = \"127.0.0.1\"\nport = {to}\n");
    let (rig, mut manager) = rig(&source);
    manager.start(&rig);
    let mut link = call(port);
    up(&rig, 1);
    let accept = || {
        let heard = logger.accept().unwrap().0;
        heard.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        heard
    };
    let mut said = Vec::new();
    for id in 1..=4 {
        let mut heard = accept();
        let line = Ip { id, ..Ip::default() }.line() + "\r\n";
        let (one, other) = line.as_bytes().split_at(40 * id as usize % line.len());
        // The logger has heard all of it when the order to stop comes: what has gone on is not said again.
        half(&mut link, one);
        let mut room = vec![0; one.len()];
        heard.read_exact(&mut room).unwrap();
        said.extend_from_slice(&room);
        manager.restart(&rig);
        let mut end = Vec::new();
        let _ = heard.read_to_end(&mut end);
        said.extend_from_slice(&end);
        link.write_all(other).unwrap();
        stored(&rig, i64::from(id));
        let mut heard = accept();
        let mut room = vec![0; other.len()];
        heard.read_exact(&mut room).unwrap();
        said.extend_from_slice(&room);
        drop(heard);
        // The next round's logger is a new connection.
    }
    let expected: String = (1..=4).map(|id| Ip { id, ..Ip::default() }.line() + "\r\n").collect();
    assert_eq!(String::from_utf8_lossy(&said), expected);
    assert_eq!(rig.count("SELECT count(*) FROM line WHERE kind = 0"), 4);
    rig.assert_no_difference(&manager.clock, "after the restarts");
}
