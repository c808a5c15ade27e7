//! F21: the supplier has the day and the box does not hear of it: the reply is lost on the way, or the box dies between
//! the reply and its own note of it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::ToSpan as _;
use jiff::civil::Date;
use rustix::process::{Pid, Signal, kill_process};

use super::evidence::{figures, tries};
use super::lines::Ip;
use super::promises::assert_kept;
use super::rig::{Feed, Pbx, Rig, SITE, clock, wait_for};

/// What happens to the reply to a delivery.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Reply {
    /// The connection is reset instead.
    Reset,
    /// The box is killed before it comes.
    KilledBefore,
    /// The box is killed so many microseconds after it came.
    KilledAfter(u32),
}

/// A delivery: which day, its key, and its body's digest.
#[derive(Debug, Clone, PartialEq)]
struct Delivered {
    day: String,
    key: String,
    sha256: String,
}

/// The way to the receiver.
#[derive(Default)]
struct Way {
    next: Option<(Reply, u32)>,
    delivered: Vec<Delivered>,
}

fn whole(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut some = [0; 16 * 1024];
    loop {
        let length = stream.read(&mut some).ok().filter(|length| *length > 0)?;
        bytes.extend_from_slice(&some[..length]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        if bytes.len() >= end + 4 + length {
            return Some((head, bytes));
        }
    }
}

/// Passes requests on to the receiver, whole, one at a time on each connection.
fn way_to(feed: &str, way: Arc<Mutex<Way>>) -> SocketAddr {
    let (listener, feed) = (TcpListener::bind("127.0.0.1:0").unwrap(), feed.to_owned());
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (way, feed) = (way.clone(), feed.clone());
            std::thread::spawn(move || pass(stream, &feed, &way));
        }
    });
    address
}

fn pass(mut stream: TcpStream, feed: &str, way: &Mutex<Way>) -> Option<()> {
    let mut onward = TcpStream::connect(feed).ok()?;
    loop {
        let (head, request) = whole(&mut stream)?;
        onward.write_all(&request).ok()?;
        // The receiver has committed when it answers.
        let (_, answer) = whole(&mut onward)?;
        let mut fate = None;
        if head.starts_with("put ") {
            let key = head.lines().find_map(|line| line.strip_prefix("idempotency-key: ")).unwrap().to_owned();
            let body = request.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
            let sha256 = smdrd::push::parcel::sha256_hex(&request[body..]);
            let day = head.lines().next().unwrap().rsplit_once("/days/").unwrap().1[..10].to_owned();
            let mut way = way.lock().unwrap();
            way.delivered.push(Delivered { day, key, sha256 });
            fate = way.next.take();
        }
        let kill = |pid: u32| kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::KILL).unwrap();
        match fate {
            Some((Reply::Reset, _)) => {
                rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
                return None;
            }
            Some((Reply::KilledBefore, pid)) => {
                kill(pid);
                return None;
            }
            Some((Reply::KilledAfter(micros), pid)) => {
                stream.write_all(&answer).ok()?;
                std::thread::sleep(Duration::from_micros(u64::from(micros)));
                kill(pid);
                return None;
            }
            None => stream.write_all(&answer).ok()?,
        }
    }
}

#[test]
fn a_day_whose_receipt_was_lost_is_there_once() {
    let rounds = tries(6, 200);
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let mut rig = Rig::new(SITE, std::slice::from_ref(&ip));
    // Two hundred days pass in a few minutes, and no box may send so often.
    let feed = Feed::start_with(&rig, 0, &["--box-rate", "0"]);
    let way = Arc::new(Mutex::new(Way::default()));
    rig.with_supplier(&way_to(&feed.address, way.clone()).to_string(), "");
    let first: Date = "2026-02-01".parse().unwrap();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noted_in_time = 0;
    for round in 0..rounds {
        let today = first.checked_add(i64::from(round).days()).unwrap();
        let at = clock(&format!("{today}T12:00:00Z"), 1);
        let mut daemon = rig.run(&at);
        ip.connect();
        // As a PBX whose clock is right prints it: the call is over when it comes.
        let over: jiff::Timestamp = format!("{today}T11:58:50Z").parse().unwrap();
        let stamp = over.in_tz("Europe/London").unwrap().strftime("%Y/%m/%d %H:%M:%S").to_string();
        assert!(ip.print(&[Ip { id: round + 1, at: &stamp, ..Ip::default() }.line()]));
        rig.wait_for_lines(round as usize + 1);
        if round > 0 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let reply = match round % 3 {
                0 => Reply::Reset,
                1 => Reply::KilledBefore,
                _ => Reply::KilledAfter((random >> 33) as u32 % 4_000),
            };
            way.lock().unwrap().next = Some((reply, daemon.child.id()));
            let before = way.lock().unwrap().delivered.len();
            rig.verb(&["push"], "");
            if reply != Reply::Reset {
                daemon.child.wait().unwrap();
                daemon = rig.run(&at);
            }
            let pending = rig.status()["days"]["pending"].clone();
            // The next try comes after a pause by chance, which may be over by now.
            let tried_again = way.lock().unwrap().delivered.len() > before + 1;
            let noted = pending == 0 && !tried_again;
            assert!(!noted || matches!(reply, Reply::KilledAfter(_)), "{reply:?}: {pending}");
            noted_in_time += u32::from(noted);
            assert_eq!(feed.revisions(), i64::from(round), "{reply:?}: the supplier had it");
            let (code, sent) = rig.json(&["push"], "");
            assert_eq!(code, 0, "{reply:?}: {sent}");
            let status = rig.status();
            assert_eq!(status["days"]["receipted"], round, "{reply:?}: {status:#}");
            assert_eq!(feed.revisions(), i64::from(round), "{reply:?}: nothing is counted twice");
        }
        daemon.stop();
    }
    // Whatever was sent twice was the same, under the same key.
    let delivered = std::mem::take(&mut way.lock().unwrap().delivered);
    for one in &delivered {
        let same = delivered.iter().filter(|other| other.day == one.day).all(|other| other == one);
        assert!(same, "{}: {delivered:#?}", one.day);
    }
    let daemon = rig.run(&clock(&format!("{first}T12:00:00Z"), 1));
    wait_for("the socket", || rig.path("run/control.sock").exists().then_some(()));
    assert_kept(&rig, "", "after replies were lost");
    daemon.stop();
    let days = rounds - 1;
    let again = delivered.len() as u32 - days;
    let came = format!(
        "{days} days held once each; {again} sent again under the same key, {noted_in_time} noted before the kill"
    );
    figures("F21 lost reply", &format!("{days} replies lost: reset, killed before, killed after"), &came);
}
