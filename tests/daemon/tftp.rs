//! A HiPath in LAN mode 2: puts what it has kept as files by TFTP, to the real daemon.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use super::promises::assert_identities;
use super::rig::{Rig, SITE, clock, wait_for};

/// Puts a file as a PBX does, from the first request on again when an answer does not come.
fn put(to: SocketAddr, name: &str, file: &[u8]) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let mut packet = [0; 600];
    let mut answer = |message: &[u8], peer: SocketAddr, block: u16| -> Option<SocketAddr> {
        socket.send_to(message, peer).unwrap();
        let (length, from) = socket.recv_from(&mut packet).ok()?;
        (packet[..length] == [&[0, 4], &block.to_be_bytes()[..]].concat()).then_some(from)
    };
    let request = [b"\x00\x02", name.as_bytes(), b"\x00octet\x00"].concat();
    let peer = wait_for("the TFTP receiver", || answer(&request, to, 0));
    let mut blocks: Vec<&[u8]> = file.chunks(512).collect();
    if file.len().is_multiple_of(512) {
        blocks.push(&[]);
    }
    for (number, data) in (1_u16..).zip(blocks) {
        let message = [&[0, 3], &number.to_be_bytes()[..], data].concat();
        wait_for("the block's answer", || answer(&message, peer, number));
    }
}

#[test]
fn files_that_a_hipath_puts_become_the_day() {
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let source = format!(
        "[[source]]\nname = \"hipath\"\ndialect = \"siemens-hipath3000\"\n[source.tftp]\naddress = \"127.0.0.1:{port}\"\nallow = [\"127.0.0.1\"]\n"
    );
    let rig = Rig::new(&format!("{SITE}{source}"), &[]);
    let daemon = rig.run(&clock("2027-02-02T12:00:00Z", 1));
    let to = SocketAddr::from(([127, 0, 0, 1], port));
    let line = |time: &str, ring: &str, talk: &str, number: &str, code: &str| {
        format!("02.02.27{time}  9   250{ring:<5}{talk:<8}{number:<25}{:<11}{code:>2}\r\n", "")
    };
    let first: String = (0..10)
        .map(|minute| line(&format!("09:{minute:02}:58"), "00:05", "00:00:30", "07700900111", "1"))
        .chain([line("09:30:00", "00:41", "", "07700900112", "1")])
        .collect();
    put(to, "gc0001.txt", first.as_bytes());
    put(to, "gc0002.txt", line("09:40:00", "", "00:01:00", "907700900113", "2").as_bytes());
    rig.wait_for_lines(12);
    let status = rig.status();
    assert_identities(&status);
    assert_eq!(status["lines"]["records"], 12, "{status:#}");
    let (code, day) = rig.json(&["day", "2027-02-02"], "");
    assert_eq!(code, 0, "{day:#}");
    let totals = &day["totals"];
    assert_eq!(totals["inbound"]["answered"], 10, "{totals:#}");
    assert_eq!(totals["inbound"]["missed"], 1, "{totals:#}");
    assert_eq!(totals["inbound"]["answered_wait_sum_s"], 50, "{totals:#}");
    assert_eq!(totals["outbound"]["calls"], 1, "{totals:#}");
    daemon.stop();
    // Nothing of the files lies on the disk but the lines, masked.
    for file in std::fs::read_dir(rig.path("state")).unwrap() {
        let file = file.unwrap();
        assert!(!file.file_name().to_string_lossy().contains("gc000"), "{file:?}");
        let bytes = std::fs::read(file.path()).unwrap();
        for secret in ["7700900111", "7700900113"] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
        }
    }
}
