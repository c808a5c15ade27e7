//! Restarts under a steady feed: three PBXs print numbered lines in pieces, each its own way, while the daemon is
//! restarted over and over.
//!
//! `SMDRD_RESTARTS` says how often; `make handover` does it 1,000 times.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use smdrd::simulator::serial::SerialPort;

use crate::lines::{Ip, hipath};
use crate::manager::Manager;
use crate::rig::{Rig, SITE, clock, free_port, wait_for};

/// Between two halves of a line, and between two lines.
const PACE: Duration = Duration::from_millis(8);
/// When the PBXs begin, by their own clocks: not long ago, so that a thousand restarts stay in the past.
const FIRST_DAY: jiff::civil::Date = jiff::civil::date(2026, 11, 16);
/// The box's time.
const CLOCK: &str = "2026-11-20T15:00:00Z";

/// The number of a line, by name of the source.
fn number_of(source: &str, text: &str) -> Option<u32> {
    match source {
        "reception" => text.split(',').nth(9)?.parse::<u32>().ok()?.checked_sub(1_000_000),
        "branch" => clock_number(text.get(30..38)?),
        _ => clock_number(
            &text.split_whitespace().find(|word| word.contains(':') && word.contains('\''))?.replace('\'', ":"),
        ),
    }
}

fn clock_number(text: &str) -> Option<u32> {
    let parts: Vec<u32> = text.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [hours, minutes, seconds] = parts[..] else { return None };
    Some(hours * 3600 + minutes * 60 + seconds)
}

/// A busy practice: a call every 10 s, of a thousand callers.
fn line_of(source: &str, number: u32) -> String {
    let (hours, minutes, seconds) = (number / 3600, number / 60 % 60, number % 60);
    let at = FIRST_DAY.at(0, 0, 0, 0) + jiff::SignedDuration::from_secs(i64::from(number) * 10);
    let caller = number % 1000;
    match source {
        "reception" => {
            let (at, cli) = (at.strftime("%Y/%m/%d %H:%M:%S").to_string(), format!("07700900{caller:03}"));
            Ip { at: &at, cli: &cli, id: 1_000_000 + number, ..Ip::default() }.line()
        }
        "branch" => {
            let talk = format!("{hours:02}:{minutes:02}:{seconds:02}");
            let at = at.strftime("%d.%m.%y%H:%M:%S").to_string();
            hipath(&at, 4, 201, "00:08", &talk, &format!("07700900{caller:03}"), 1)
        }
        _ => {
            let at = at.strftime("%d/%m/%y %H:%M").to_string();
            let talk = format!("{hours:02}:{minutes:02}'{seconds:02}");
            format!("{at}     104 12 <I>01632960{caller:03}            0'04 {talk}               ")
        }
    }
}

/// What a PBX has printed.
#[derive(Default)]
struct Printed {
    /// When each line was sent; line `n` is the `n`th, from 1.
    at: Vec<Instant>,
    /// How often the daemon has connected, and what it said after the log-in.
    connections: u32,
    said: Vec<u8>,
}

/// A PBX that prints until it is told to end.
struct Pbx {
    source: &'static str,
    thread: JoinHandle<Printed>,
}

/// Prints numbered lines in two pieces each, until `stop`. `write` says whether the PBX could.
fn print(source: &str, printed: &mut Printed, stop: &AtomicBool, mut write: impl FnMut(&[u8]) -> bool) -> bool {
    while !stop.load(Ordering::Relaxed) {
        let number = printed.at.len() as u32 + 1;
        let text = line_of(source, number) + "\r\n";
        let (one, other) = text.as_bytes().split_at(number as usize * 7 % text.len());
        if !write(one) {
            return false;
        }
        std::thread::sleep(PACE);
        if !write(other) {
            return false;
        }
        printed.at.push(Instant::now());
        std::thread::sleep(PACE);
    }
    true
}

/// Calls the box, and again when the box has hung up.
fn calls(source: &'static str, port: u16, stop: &Arc<AtomicBool>) -> Pbx {
    let stop = Arc::clone(stop);
    let thread = std::thread::spawn(move || {
        let mut printed = Printed::default();
        while !stop.load(Ordering::Relaxed) {
            let to = SocketAddr::from(([127, 0, 0, 1], port));
            let mut link = wait_for("the listener", || TcpStream::connect(to).ok());
            link.set_nodelay(true).unwrap();
            printed.connections += 1;
            print(source, &mut printed, &stop, |bytes| link.write_all(bytes).is_ok());
        }
        printed
    });
    Pbx { source, thread }
}

/// Is called by the box and wants a log-in, each time.
fn wants_log_in(source: &'static str, listener: TcpListener, stop: &Arc<AtomicBool>) -> Pbx {
    let stop = Arc::clone(stop);
    let thread = std::thread::spawn(move || {
        let mut printed = Printed::default();
        listener.set_nonblocking(true).unwrap();
        while !stop.load(Ordering::Relaxed) {
            let Ok((mut link, _)) = listener.accept() else {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            };
            link.set_nonblocking(false).unwrap();
            link.set_nodelay(true).unwrap();
            link.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            printed.connections += 1;
            let mut ask = |prompt: &[u8], answer: &[u8]| {
                let mut heard = vec![0; answer.len()];
                link.write_all(prompt).is_ok() && link.read_exact(&mut heard).is_ok() && heard == answer
            };
            if !ask(b"-", b"SMDR\r\n") || !ask(b"smdr\r\rEnter Password:", b"PCCSMDR\r\n") {
                continue;
            }
            let head =
                b"*******\r\n  Date     Time    Ext CO        Dial Number        Ring Duration  Acc code  CD \r\n";
            let _ = link.write_all(head);
            let mut reading = link.try_clone().unwrap();
            let mut said = Vec::new();
            print(source, &mut printed, &stop, |bytes| {
                // Blocking for the writer, and not for a look at what the box says.
                let mut room = [0; 64];
                match rustix::net::recv(&reading, &mut room[..], rustix::net::RecvFlags::DONTWAIT) {
                    Ok((0, _)) => return false,
                    Ok((heard, _)) => said.extend_from_slice(&room[..heard]),
                    Err(_) => {}
                }
                link.write_all(bytes).is_ok()
            });
            if stop.load(Ordering::Relaxed) {
                // What it prints last is to be read before the link ends.
                let _ = link.shutdown(std::net::Shutdown::Write);
                let _ = reading.read_to_end(&mut said);
            }
            printed.said.extend_from_slice(&said);
        }
        printed
    });
    Pbx { source, thread }
}

/// Prints to a serial line; counts a line that nobody holds open any more as a new connection.
fn prints(source: &'static str, mut port: SerialPort, stop: &Arc<AtomicBool>) -> Pbx {
    let stop = Arc::clone(stop);
    let thread = std::thread::spawn(move || {
        let mut printed = Printed::default();
        while !stop.load(Ordering::Relaxed) {
            wait_for("the serial line", || port.attended().then_some(()));
            printed.connections += 1;
            print(source, &mut printed, &stop, |bytes| {
                port.attended() && port.print(std::str::from_utf8(bytes).unwrap(), &AtomicBool::new(false))
            });
        }
        // The line goes with this end; what is in it is read first.
        std::thread::sleep(Duration::from_millis(500));
        printed
    });
    Pbx { source, thread }
}

const NAMES: [&str; 3] = ["branch", "panasonic", "reception"];

/// The box with its three PBXs, and the PBXs' ends.
fn stage() -> (Rig, u16, TcpListener, SerialPort) {
    let (port, listener, line) = (free_port(), TcpListener::bind("127.0.0.1:0").unwrap(), SerialPort::open().unwrap());
    let there = listener.local_addr().unwrap().port();
    let sources = format!(
        "[[source]]\nname = \"reception\"\ndialect = \"avaya-ipoffice\"\n\
         [source.tcp-listen]\naddress = \"127.0.0.1:{port}\"\nallow = [\"127.0.0.1\"]\n\
         [[source]]\nname = \"panasonic\"\ndialect = \"panasonic-kx\"\n\
         [source.tcp-connect]\nhost = \"127.0.0.1\"\nport = {there}\n\
         [[source]]\nname = \"branch\"\ndialect = \"siemens-hipath3000\"\n\
         [source.serial]\npath = \"{}\"\nbaud = 9600\n",
        line.path().display()
    );
    (Rig::new(&format!("{SITE}{sources}"), &[]), port, listener, line)
}

/// The numbers of the lines of a source, in the order in which they are stored.
fn stored(rig: &Rig, source: &str) -> Vec<u32> {
    let db = rig.db();
    let mut query = db
        .prepare(
            "SELECT text FROM line WHERE source = (SELECT id FROM source WHERE name = ?1) AND NOT shape ORDER BY seq",
        )
        .unwrap();
    let texts = query.query_map([source], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    texts.filter_map(|text| number_of(source, &String::from_utf8_lossy(&text.unwrap()))).collect()
}

fn restarts() -> u32 {
    std::env::var("SMDRD_RESTARTS").ok().map_or(20, |text| text.parse().expect("SMDRD_RESTARTS is a number"))
}

#[test]
fn restarts_under_a_steady_feed_lose_no_line_and_double_none() {
    let (rig, port, listener, line) = stage();
    let stop = Arc::<AtomicBool>::default();
    let mut manager = Manager::new(&rig, &clock(CLOCK, 1));
    manager.start(&rig);
    let pbxs =
        [calls("reception", port, &stop), wants_log_in("panasonic", listener, &stop), prints("branch", line, &stop)];
    for name in NAMES {
        wait_for(&format!("lines of {name}"), || (stored(&rig, name).len() > 3).then_some(()));
    }
    let (began, restarts) = (Instant::now(), restarts());
    let mut down = Duration::ZERO;
    for round in 0..restarts {
        let from = Instant::now();
        manager.restart(&rig);
        down += from.elapsed();
        assert_eq!(
            manager.kept(),
            ["connect", "listen", "listener", "serial"],
            "after {round} restarts: {}",
            rig.log()
        );
        // At every phase of the PBXs' lines.
        std::thread::sleep(Duration::from_millis(u64::from(round) % 11));
    }
    stop.store(true, Ordering::Relaxed);
    let took = began.elapsed();
    let mut all = 0;
    for Pbx { source, thread } in pbxs {
        let printed = thread.join().unwrap();
        let expected: Vec<u32> = (1..=printed.at.len() as u32).collect();
        wait_for(&format!("the last line of {source}"), || {
            (stored(&rig, source).len() >= expected.len()).then_some(())
        });
        let stored = stored(&rig, source);
        let wrong = stored.iter().zip(&expected).find(|(one, other)| one != other);
        assert_eq!((stored.len(), wrong), (expected.len(), None), "{source}");
        assert_eq!(printed.connections, 1, "{source}: the link went on");
        assert_eq!(printed.said, b"", "{source}: there was no second log-in");
        all += expected.len();
    }
    manager.stop();
    assert_eq!(rig.count("SELECT count(*) FROM line WHERE kind = 5"), 0, "lines that are not understood");
    // Each link was up from the first to the last: a restart is no gap in what was observed, and is in the audit.
    assert_eq!(rig.count("SELECT count(*) FROM link"), 3);
    let seen = "SELECT count(*) FROM audit WHERE what = 'started; the links of reception, panasonic, branch go on'";
    assert_eq!(rig.count(seen), i64::from(restarts));
    println!("{restarts} restarts in {took:.1?}, {:.1?} each, under {all} lines", down / restarts);
}

#[test]
fn a_kill_loses_what_was_being_read_and_says_so_and_doubles_nothing() {
    let (rig, port, listener, line) = stage();
    let stop = Arc::<AtomicBool>::default();
    let mut manager = Manager::new(&rig, &clock(CLOCK, 1));
    manager.start(&rig);
    let pbxs =
        [calls("reception", port, &stop), wants_log_in("panasonic", listener, &stop), prints("branch", line, &stop)];
    for name in NAMES {
        wait_for(&format!("lines of {name}"), || (stored(&rig, name).len() > 3).then_some(()));
    }
    let mut kills = Vec::new();
    for round in 0..15u64 {
        // A gap begins where a link was in the books.
        let open = "SELECT count(*) FROM link WHERE to_ms IS NULL";
        wait_for("the links", || (rig.count(open) == 3).then_some(()));
        std::thread::sleep(Duration::from_millis(round * 37 % 230));
        let known = NAMES.map(|name| stored(&rig, name));
        manager.end(Signal::KILL);
        kills.push(Instant::now());
        for (name, known) in NAMES.iter().zip(known) {
            assert!(stored(&rig, name).starts_with(&known), "{name}: what was stored is not there any more");
        }
        manager.start(&rig);
    }
    let rounds = kills.len();
    // The last lines come after the last kill, so that all that can come has come when they have.
    let before = NAMES.map(|name| stored(&rig, name).len());
    for (name, before) in NAMES.iter().zip(before) {
        wait_for(&format!("more lines of {name}"), || (stored(&rig, name).len() > before + 20).then_some(()));
    }
    stop.store(true, Ordering::Relaxed);
    for Pbx { source, thread } in pbxs {
        let printed = thread.join().unwrap();
        let last = printed.at.len() as u32;
        wait_for(&format!("the last line of {source}"), || (stored(&rig, source).last() == Some(&last)).then_some(()));
        let stored = stored(&rig, source);
        let doubled = stored.windows(2).find(|pair| pair[0] >= pair[1]);
        assert_eq!(doubled, None, "{source}: doubled or out of order");
        let lost: Vec<u32> = (1..=last).filter(|number| stored.binary_search(number).is_err()).collect();
        for number in &lost {
            // Sent not long before a kill: what it waits for at most is a commit. The machine may be busy.
            let sent = printed.at[*number as usize - 1];
            let near =
                |kill: &&Instant| sent < **kill + Duration::from_secs(1) && **kill < sent + Duration::from_secs(5);
            assert!(kills.iter().any(|kill| near(&kill)), "{source}: line {number} was lost between kills");
        }
        assert_eq!(printed.connections, 1, "{source}: the link went on");
        assert_eq!(printed.said, b"", "{source}: there was no second log-in");
    }
    manager.stop();
    // Nobody can say what was lost: so each kill is a gap of every source, and half a line is counted.
    assert_eq!(rig.count("SELECT count(*) FROM link WHERE cause = 'not-running'"), 3 * rounds as i64);
    assert!(rig.count("SELECT count(*) FROM line WHERE kind = 5") <= 3 * rounds as i64);
}
