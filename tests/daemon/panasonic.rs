//! A Panasonic with a ring group: logged in to, read, its legs joined, its day rendered and rebuilt.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use super::promises::assert_identities;
use super::rig::{Rig, SITE, clock};

const ROLES: &str = "[roles.stations]\n\"301\" = \"hunt-group\"\n";

fn hear(link: &mut TcpStream, expected: &[u8]) {
    let mut heard = vec![0; expected.len()];
    link.read_exact(&mut heard).unwrap();
    assert_eq!(String::from_utf8_lossy(&heard), String::from_utf8_lossy(expected));
}

#[test]
fn from_the_log_in_to_the_day() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let source = format!(
        "[[source]]\nname = \"panasonic\"\ndialect = \"panasonic-kx\"\n[source.tcp-connect]\nhost = \"127.0.0.1\"\nport = {port}\n"
    );
    let rig = Rig::new(&format!("{SITE}{ROLES}{source}"), &[]);
    let daemon = rig.run(&clock("2027-02-02T12:00:00Z", 1));
    let (mut link, _) = listener.accept().unwrap();
    link.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    link.write_all(b"\xff\xfb\x01-").unwrap();
    hear(&mut link, b"\xff\xfd\x01SMDR\r\n");
    link.write_all(b"smdr\r\rEnter Password:").unwrap();
    hear(&mut link, b"PCCSMDR\r\n");
    let lines = "*******\r
  Date     Time    Ext CO        Dial Number        Ring Duration  Acc code  CD \r
--------------------------------------------------------------------------------\r
02/02/27 09:16     301 08 <I>01632960902            0'37 00:00'00            NA \r
02/02/27 09:47     301 12 <I>01632960903            0'04 00:00'00               \r
02/02/27 09:48     104 12 <I>01632960903            0'00 00:01'01               \r
02/02/27 09:49     301 13 <D>960150<I>07700900118   0'09 00:00'00               \r
02/02/27 09:50     108    EXT102                                                \r
02/02/27 09:50     101 14 01632960905                    00:00'51               \r
02/02/27 09:52     104 13 <D>960150<I>07700900118   0'00 00:03'28               \r
02/02/27 09:53     105 13 <D>960150<I>07700900118   0'00 00:01'00            TR \r
02/02/27 09:54     105    LOG OUT                                               \r
";
    link.write_all(lines.as_bytes()).unwrap();
    // The prompt with its echo, the blank line that the PBX's second CR makes, and the password's stars are lines too.
    rig.wait_for_lines(lines.lines().count() + 2);
    let status = rig.status();
    assert_identities(&status);
    assert_eq!(status["lines"]["unparsed"], 0, "{status:#}");
    assert_eq!(status["lines"]["records"], 8, "{status:#}");
    let (code, day) = rig.json(&["day", "2027-02-02"], "");
    assert_eq!(code, 0, "{day:#}");
    let totals = &day["totals"];
    assert_eq!(totals["inbound"]["calls"], 3, "{totals:#}");
    assert_eq!(totals["inbound"]["answered"], 2, "{totals:#}");
    assert_eq!(totals["inbound"]["missed"], 1, "{totals:#}");
    assert_eq!(totals["inbound"]["answered_wait_sum_s"], 4 + 9, "{totals:#}");
    assert_eq!(totals["inbound"]["answered_talk_sum_s"], 61 + 208 + 60, "{totals:#}");
    assert_eq!(totals["inbound"]["missed_wait_sum_s"], 37, "{totals:#}");
    assert_eq!((&totals["outbound"]["calls"], &totals["internal"]["calls"]), (&1.into(), &1.into()), "{totals:#}");
    rig.assert_no_difference("", "the same day");
    daemon.stop();
    let _daemon = rig.run(&clock("2027-02-02T12:10:00Z", 1));
    rig.assert_no_difference("", "after a restart");
    // No part of the password or of a number lies on the disk.
    for file in std::fs::read_dir(rig.path("state")).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for secret in ["PCCSMDR", "632960903", "7700900118"] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
        }
    }
}
