//! The simulated PBXs on real parts: a TCP collector that comes and goes, and a pseudo-terminal.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use smdrd::clock::Clock;
use smdrd::simulator::scenario::{Day, Ending, Parties, Pbx};
use smdrd::simulator::serial::SerialPort;
use smdrd::simulator::truth::Truth;
use smdrd::simulator::{Line, Played, hipath, ipoffice, panasonic, panasonic_port, practice_day::practice_day};

fn friday() -> Day {
    practice_day(jiff::civil::date(2026, 11, 20), TimeZone::get("Europe/London").unwrap(), 2026)
}

/// A clock that begins `day` at 07:00 and shows midnight `seconds` later.
fn clock(day: &Day, seconds: f64) -> Clock {
    Clock::scaled(day.at(25_200), Timestamp::now(), 61_200.0 / seconds)
}

fn texts(lines: &[Line]) -> Vec<String> {
    lines.iter().map(|line| line.text.clone()).collect()
}

/// Accepts whoever comes, one after the other, and gives every line with its line end.
fn collector() -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (to, from) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap_or(0) > 0 {
                if to.send(std::mem::take(&mut line)).is_err() {
                    return;
                }
            }
        }
    });
    (address, from)
}

fn received(from: &mpsc::Receiver<String>, count: usize) -> Vec<String> {
    let next = || from.recv_timeout(Duration::from_secs(60)).expect("the PBX sends every line");
    (0..count).map(|_| next().strip_suffix("\r\n").expect("a record ends with CR LF").to_owned()).collect()
}

#[test]
fn the_ip_office_sends_every_record_once_and_in_order_across_an_outage() {
    let day = friday();
    let lines = ipoffice::lines(&day);
    let (address, from) = collector();
    let outage = day.at(30_600)..day.at(34_200);
    let (stop, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    let played = ipoffice::play(&lines, &clock(&day, 3.0), address, &[outage], day.at(80_000), &stop, &sent);
    assert_eq!(received(&from, lines.len()), texts(&lines));
    assert_eq!((played.sent, played.overwritten, played.unsent), (lines.len(), 0, 0));
    assert_eq!(played.links.len(), 2);
    assert_eq!(sent.load(Ordering::Relaxed), lines.len());
}

#[test]
fn the_ip_office_keeps_500_records_while_the_link_is_down() {
    let day = friday();
    let lines: Vec<Line> = (0..620).map(|n| Line { at: day.at(26_000), text: format!("record {n}") }).collect();
    let (address, from) = collector();
    let outage = day.at(0)..day.at(32_000);
    let (stop, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    let played = ipoffice::play(&lines, &clock(&day, 5.0), address, &[outage], day.at(33_000), &stop, &sent);
    assert_eq!((played.sent, played.overwritten, played.unsent), (500, 120, 0));
    assert_eq!(received(&from, 500), texts(&lines[120..]));
}

#[test]
fn the_ip_office_waits_for_a_collector_and_stops_when_told() {
    let day = friday();
    let lines = ipoffice::lines(&day);
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (stop, sent) = (Arc::new(AtomicBool::new(false)), AtomicUsize::new(0));
    let flag = Arc::clone(&stop);
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        flag.store(true, Ordering::Relaxed);
    });
    let played = ipoffice::play(&lines, &clock(&day, 60.0), address, &[], day.bounds().1, &stop, &sent);
    stopper.join().unwrap();
    assert_eq!((played.sent, played.links.len()), (0, 0));
    assert_eq!(played.unsent, lines.len());
}

#[test]
fn the_hipath_prints_every_record_on_the_serial_line_once_somebody_listens() {
    let day = friday();
    let lines = hipath::lines(&day);
    let mut port = SerialPort::open().unwrap();
    let path = port.path().to_owned();
    assert!(!port.attended(), "nobody has the other end open yet");
    let (to, from) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(400));
        let mut reader = BufReader::new(std::fs::File::open(path).unwrap());
        let mut line = String::new();
        // The line breaks when the PBX's end is closed.
        while reader.read_line(&mut line).unwrap_or(0) > 0 {
            to.send(std::mem::take(&mut line)).unwrap();
        }
    });
    let (stop, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    let played = hipath::play(&lines, &clock(&day, 2.0), &mut port, day.at(80_000), &stop, &sent);
    assert_eq!(received(&from, lines.len()), texts(&lines));
    assert_eq!((played.sent, played.unsent, played.links.len()), (lines.len(), 0, 1));
    drop(port);
    reader.join().unwrap();
}

#[test]
fn lines_are_printed_in_order_of_their_time_and_are_the_same_for_a_seed() {
    let day = friday();
    for (lines, again) in [
        (ipoffice::lines(&day), ipoffice::lines(&friday())),
        (hipath::lines(&day), hipath::lines(&friday())),
        (panasonic::lines(&day), panasonic::lines(&friday())),
    ] {
        assert_eq!(lines, again);
        assert!(lines.windows(2).all(|pair| pair[0].at <= pair[1].at));
    }
    assert!(hipath::lines(&day).iter().all(|line| line.text.len() == hipath::WIDTH && line.text.is_ascii()));
    assert!(ipoffice::lines(&day).iter().all(|line| line.text.split(',').count() == 35));
    assert!(panasonic::lines(&day).iter().all(|line| line.text.len() == panasonic::WIDTH && line.text.is_ascii()));
}

#[test]
fn each_call_of_the_ip_office_has_one_last_record_and_one_start() {
    let day = friday();
    let lines = ipoffice::lines(&day);
    let calls = day.calls.iter().filter(|call| call.pbx == Pbx::Reception).count();
    let fields: Vec<Vec<&str>> = lines.iter().map(|line| line.text.split(',').collect()).collect();
    let ids: BTreeSet<&str> = fields.iter().map(|field| field[9]).collect();
    assert_eq!(ids.len(), calls);
    assert_eq!(fields.iter().filter(|field| field[10] == "0").count(), calls);
    let starts: BTreeSet<(&str, &str)> = fields.iter().map(|field| (field[9], field[0])).collect();
    assert_eq!(starts.len(), calls, "every segment of a call carries the call's start");
    for line in &lines {
        // Field 35 is when the record was printed.
        let printed = line.text.rsplit(',').next().unwrap();
        assert_eq!(printed, line.at.to_zoned(day.zone.clone()).strftime("%Y/%m/%d %H:%M:%S").to_string());
    }
}

#[test]
fn ring_and_durations_of_the_hipath_lead_back_to_the_arrival() {
    let day = friday();
    let lines = hipath::lines(&day);
    let seconds = |text: &str| text.split(':').fold(0, |sum, part| sum * 60 + part.trim().parse::<i64>().unwrap_or(0));
    let firsts = lines.iter().filter(|line| line.text.get(74..76) == Some(" 1"));
    let mut arrivals: Vec<Timestamp> = firsts
        .map(|line| line.at - SignedDuration::from_secs(seconds(&line.text[25..30]) + seconds(&line.text[30..38])))
        .collect();
    arrivals.sort_unstable();
    let inbound = |parties: &Parties| matches!(parties, Parties::Inbound { .. });
    let calls = day.calls.iter().filter(|call| call.pbx == Pbx::Surgery && inbound(&call.parties));
    assert_eq!(arrivals, calls.map(|call| call.arrival).collect::<Vec<_>>());
}

#[test]
fn every_number_is_one_that_is_kept_for_drama() {
    let drama = |number: &str| {
        number.len() == 11
            && (number.starts_with("07700900") || number.starts_with("01632960") || number.starts_with("0207946"))
    };
    for call in friday().calls {
        match call.parties {
            Parties::Inbound { caller, ddi } => assert!(caller.is_none_or(|number| drama(&number)) && drama(&ddi)),
            Parties::Outbound { number, .. } => assert!(drama(&number)),
            Parties::Internal { .. } | Parties::MailboxCheck { .. } => {}
        }
    }
}

#[test]
fn some_callers_redial_and_some_call_the_other_pbx_much_later() {
    let day = friday();
    let mut across = 0;
    let mut redials = 0;
    for (index, call) in day.calls.iter().enumerate() {
        let Parties::Inbound { caller: Some(caller), .. } = &call.parties else { continue };
        let same = |other: &&smdrd::simulator::scenario::Call| matches!(&other.parties, Parties::Inbound { caller: Some(number), .. } if number == caller);
        let Some(before) = day.calls[..index].iter().rev().find(same) else { continue };
        // Records come when a call ends: only so is the order of two calls of one caller the order of their records.
        assert!(before.end() < call.arrival);
        if before.pbx == call.pbx {
            redials += usize::from(before.ending() != Ending::Answered);
        } else {
            across += 1;
            assert!(call.arrival.duration_since(before.end()) > SignedDuration::from_mins(20));
        }
    }
    assert!(redials >= 10 && across >= 1, "{redials} redials, {across} calls to the other PBX");
}

/// What somebody with the manuals and a pencil would make of the lines: the calls, put together again.
mod by_hand {
    use super::*;
    use smdrd::simulator::scenario::{Call, Step};
    use std::collections::BTreeMap;

    fn seconds(text: &str) -> u32 {
        text.split(':').fold(0, |sum, part| sum * 60 + part.parse::<u32>().unwrap())
    }

    fn instant(day: &Day, format: &str, text: &str) -> Timestamp {
        let wall = jiff::civil::DateTime::strptime(format, text).unwrap();
        wall.to_zoned(day.zone.clone()).unwrap().timestamp()
    }

    fn caller(text: &str) -> Parties {
        let caller = (!text.is_empty()).then(|| text.to_owned());
        Parties::Inbound { caller, ddi: String::new() }
    }

    /// Joins the records of the IP Office by call id; V9501 is the menu, V9511 the mailbox.
    pub fn reception(day: &Day, lines: &[Line]) -> Vec<Call> {
        let mut calls: BTreeMap<String, Call> = BTreeMap::new();
        for line in lines {
            let field: Vec<&str> = line.text.split(',').collect();
            let trunk = field[14 - 1].strip_prefix('T').map(|trunk| (trunk.parse::<u16>().unwrap() - 9000) as u8);
            let parties = match (field[4], field[8], field[13].starts_with('V')) {
                ("I", _, _) => caller(field[3]),
                (_, "1", _) => Parties::Internal { from: 0, to: 0 },
                (_, _, true) => Parties::MailboxCheck { station: 0 },
                _ => Parties::Outbound { station: 0, number: String::new() },
            };
            let arrival = instant(day, "%Y/%m/%d %H:%M:%S", field[0]);
            let call = Call { pbx: Pbx::Reception, arrival, line: trunk, parties, steps: Vec::new() };
            let steps = &mut calls.entry(field[9].to_owned()).or_insert(call).steps;
            steps.push(Step::Ring { station: 0, seconds: field[2].parse().unwrap() });
            let (connected, hold) = (seconds(field[1]), field[15].parse().unwrap());
            match field[11] {
                _ if connected == 0 => {}
                "V9501" => steps.push(Step::Menu { seconds: connected }),
                "V9511" => steps.push(Step::Mailbox { seconds: connected }),
                _ => steps.push(Step::Talk { station: 0, seconds: connected, hold }),
            }
        }
        calls.into_values().collect()
    }

    /// Joins the records of the HiPath by trunk; a 35 goes on where the record before it on its trunk ended.
    pub fn surgery(day: &Day, lines: &[Line]) -> Vec<Call> {
        let mut calls: Vec<Call> = Vec::new();
        for line in lines.iter().filter(|line| !hipath::is_offer(line)) {
            let column = |range: std::ops::Range<usize>| line.text[range].trim();
            let trunk: u8 = column(16..19).parse().unwrap();
            let [ring, duration] =
                [column(25..30), column(30..38)].map(|text| if text.is_empty() { 0 } else { seconds(text) });
            let end = instant(day, "%d.%m.%y%H:%M:%S", &line.text[..16]);
            let step = match column(19..25) {
                "199" => Step::Mailbox { seconds: duration },
                _ => Step::Talk { station: 0, seconds: duration, hold: 0 },
            };
            let mut steps = vec![Step::Ring { station: 0, seconds: ring }];
            if duration > 0 {
                steps.push(step);
            }
            let parties = match column(74..76) {
                "35" => {
                    let before = calls.iter_mut().rev().find(|call| call.line == Some(trunk)).unwrap();
                    assert_eq!(before.end(), end - SignedDuration::from_secs(i64::from(duration)));
                    before.steps.push(step);
                    continue;
                }
                "1" => caller(column(38..63)),
                _ => Parties::Outbound { station: 0, number: String::new() },
            };
            let arrival = end - SignedDuration::from_secs(i64::from(ring + duration));
            calls.push(Call { pbx: Pbx::Surgery, arrival, line: Some(trunk), parties, steps });
        }
        calls
    }

    /// Joins the records of the Panasonic by trunk and number: RC begins a call, a leg of the group without talk and
    /// without NA is its wait, TR goes on.
    pub fn annexe(day: &Day, lines: &[Line]) -> Vec<Call> {
        let mut calls: Vec<(String, Call)> = Vec::new();
        for line in lines.iter().filter(|line| !panasonic::is_log(line)) {
            let column = |from: usize, to: usize| line.text[from..to].trim();
            let span = |text: &str| {
                text.replace('\'', ":").split(':').fold(0, |sum, part| sum * 60 + part.parse::<u32>().unwrap_or(0))
            };
            let (station, trunk, number, code) = (column(17, 22), column(23, 27), column(28, 78), column(116, 120));
            let (ring, talk) = (span(column(79, 83)), span(column(84, 92)));
            let minute = instant(day, "%d/%m/%y %H:%M", line.text[..16].trim());
            let begin = minute - SignedDuration::from_secs(i64::from(ring + talk));
            let trunk = trunk.parse::<u8>().ok();
            let talked = match station {
                "500" => Step::Mailbox { seconds: talk },
                _ => Step::Talk { station: 0, seconds: talk, hold: 0 },
            };
            if !number.starts_with("<D>") {
                let parties = match number.strip_prefix("EXT") {
                    Some(_) => Parties::Internal { from: 0, to: 0 },
                    None => Parties::Outbound { station: 0, number: String::new() },
                };
                calls.push((
                    String::new(),
                    Call { pbx: Pbx::Annexe, arrival: begin, line: trunk, parties, steps: vec![talked] },
                ));
                continue;
            }
            let key = format!("{trunk:?} {number}");
            match code {
                "RC" => {
                    let call =
                        Call { pbx: Pbx::Annexe, arrival: minute, line: trunk, parties: caller(""), steps: Vec::new() };
                    calls.push((key, call));
                    continue;
                }
                "AN" => continue,
                _ => {}
            }
            let (_, call) = calls.iter_mut().rev().find(|(other, _)| *other == key).unwrap();
            if ring > 0 {
                call.steps.push(Step::Ring { station: 0, seconds: ring });
                call.arrival = begin;
            }
            if talk > 0 {
                call.steps.push(talked);
            }
        }
        calls.into_iter().map(|(_, call)| call).collect()
    }
}

#[test]
fn the_minutes_of_the_panasonic_hold_all_but_the_second() {
    for seed in 0..8 {
        let zone = TimeZone::get("Europe/London").unwrap();
        let day = practice_day(jiff::civil::date(2026, 7, 3), zone, seed);
        let played: Vec<&smdrd::simulator::scenario::Call> =
            day.calls.iter().filter(|call| call.pbx == Pbx::Annexe).collect();
        let read = by_hand::annexe(&day, &panasonic::lines(&day));
        assert_eq!(read.len(), played.len());
        let of = |wanted: fn(&Parties) -> bool| {
            let mut told: Vec<_> = played
                .iter()
                .filter(|call| wanted(&call.parties))
                .map(|call| (call.line, call.ending(), call.wait(), call.talk()))
                .collect();
            let mut seen: Vec<_> = read
                .iter()
                .filter(|call| wanted(&call.parties))
                .map(|call| (call.line, call.ending(), call.wait(), call.talk()))
                .collect();
            told.sort_by_key(|one| format!("{one:?}"));
            seen.sort_by_key(|one| format!("{one:?}"));
            (told, seen)
        };
        let (told, seen) = of(|parties| matches!(parties, Parties::Inbound { .. }));
        assert!(told.len() > 40);
        assert_eq!(seen, told);
        let (told, seen) = of(|parties| !matches!(parties, Parties::Inbound { .. }));
        let talks = |calls: Vec<(Option<u8>, Ending, u32, u32)>| {
            let mut talks: Vec<_> = calls.into_iter().map(|one| (one.0, one.3)).collect();
            talks.sort_unstable();
            talks
        };
        assert_eq!(talks(seen), talks(told));
        // Where the minutes place a call is never after its arrival, and less than a minute before it.
        for call in read.iter().filter(|call| matches!(call.parties, Parties::Inbound { .. })) {
            let near = |other: &&&smdrd::simulator::scenario::Call| {
                let early = other.arrival.duration_since(call.arrival).as_secs();
                other.line == call.line && (0..60).contains(&early) && other.talk() == call.talk()
            };
            assert!(played.iter().find(near).is_some(), "{call:?}");
        }
    }
}

#[test]
fn the_panasonic_wants_its_password_and_keeps_a_hundred_records_until_it_has_it() {
    let day = friday();
    let lines: Vec<Line> = (0..130).map(|n| Line { at: day.at(26_000), text: format!("record {n}") }).collect();
    let mut port = panasonic_port::Port::open(SocketAddr::from(([127, 0, 0, 1], 0)), "12345").unwrap();
    let address = port.address();
    let (stop, sent) = (Arc::new(AtomicBool::new(false)), AtomicUsize::new(0));
    let halt = Arc::clone(&stop);
    let listener = std::thread::spawn(move || {
        let mut link = std::net::TcpStream::connect(address).unwrap();
        link.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let until = |link: &mut std::net::TcpStream, end: &str| {
            let mut heard = Vec::new();
            while !heard.ends_with(end.as_bytes()) {
                let mut byte = [0];
                link.read_exact(&mut byte).unwrap();
                heard.push(byte[0]);
            }
            String::from_utf8_lossy(&heard).into_owned()
        };
        let mut said = until(&mut link, "-");
        // Long enough for all records to have come before anybody is in.
        std::thread::sleep(Duration::from_millis(1_500));
        for (typed, answered) in
            [("help\r\n", "-"), ("\u{1}SMDR\r\n", "Password:"), ("wrong\r\n", "Password:"), ("12345\r\n", "*****\r\n")]
        {
            // What Telnet itself has to say is not typed: DO ECHO.
            let bytes =
                typed.as_bytes().iter().flat_map(|byte| if *byte == 1 { vec![0xFF, 0xFD, 1] } else { vec![*byte] });
            link.write_all(&bytes.collect::<Vec<u8>>()).unwrap();
            said += &until(&mut link, answered);
        }
        said += &until(&mut link, "record 129\r\n");
        link.write_all(b"q\r\n").unwrap();
        let mut rest = Vec::new();
        link.read_to_end(&mut rest).unwrap();
        halt.store(true, Ordering::Relaxed);
        (said, rest)
    });
    let clock = clock(&day, 10.0);
    let played: Played = panasonic_port::play(&lines, &clock, &mut port, Timestamp::MAX, &stop, &sent);
    let (said, rest) = listener.join().unwrap();
    assert_eq!((played.sent, played.overwritten, played.unsent), (100, 30, 0));
    assert_eq!(rest, b"", "q closes the link");
    let said = said.replace(&panasonic::TITLE.to_owned(), "TITLE").replace(&"-".repeat(panasonic::WIDTH), "RULE");
    let begins = "help\r-SMDR\r\rEnter Password:*****\r\nEnter Password:*****\r\n\x0CTITLE\r\nRULE\r\nrecord 30\r\nrecord 31\r\n";
    assert!(said.split_once('-').unwrap().1.starts_with(begins), "{said:?}");
    assert!(said.contains("record 83\r\n\x0CTITLE\r\nRULE\r\nrecord 84\r\n"), "a page has 54 records: {said:?}");
    // Four lines of dialogue, one of them with a blank line behind it, and the tops of two pages.
    assert_eq!((played.dialogue.len(), played.furniture.len()), (4, 1 + 6));
    assert_eq!(played.links.len(), 1);
}

#[test]
fn the_lines_hold_all_that_the_truth_says() {
    for seed in 0..8 {
        let zone = TimeZone::get("Europe/London").unwrap();
        let mut day = practice_day(jiff::civil::date(2026, 7, 3), zone, seed);
        // The Panasonic shows no seconds: it is read in a test of its own.
        day.calls.retain(|call| call.pbx != Pbx::Annexe);
        let mut read = Day { calls: by_hand::reception(&day, &ipoffice::lines(&day)), ..day.clone() };
        read.calls.extend(by_hand::surgery(&day, &hipath::lines(&day)));
        read.calls.sort_by_key(|call| call.arrival);
        let (mut truth, read) = (Truth::of(&day), Truth::of(&read));
        // Nobody can read what the HiPath does not print.
        for figures in truth.slots.iter_mut().map(|slot| &mut slot.figures).chain([&mut truth.totals]) {
            figures.internal = figures.internal_seen;
        }
        assert_eq!(read, truth);
    }
}

#[test]
fn waits_and_talks_lie_on_every_edge_and_one_second_beyond() {
    // The day of the demo.
    let day = practice_day(jiff::civil::date(2026, 11, 20), TimeZone::get("Europe/London").unwrap(), 112);
    let inbound = || day.calls.iter().filter(|call| matches!(call.parties, Parties::Inbound { .. }));
    let answered = || inbound().filter(|call| call.ending() == Ending::Answered);
    let missed = inbound().filter(|call| matches!(call.ending(), Ending::Voicemail | Ending::GaveUp));
    let waits: BTreeSet<u32> = answered().map(|call| call.wait()).collect();
    let talks: BTreeSet<u32> = answered().map(|call| call.talk()).collect();
    let missed_waits: BTreeSet<u32> = missed.map(|call| call.wait()).collect();
    for edge in [30, 60, 90, 120, 180, 240, 300] {
        for seconds in [edge, edge + 1] {
            assert!(waits.contains(&seconds), "no answered call waited {seconds} s");
            assert!(missed_waits.contains(&seconds), "no missed call waited {seconds} s");
            assert!(talks.contains(&seconds), "no call was talked for {seconds} s");
        }
    }
    assert!(waits.contains(&0) && missed_waits.contains(&0));
    let crosses = |call: &&smdrd::simulator::scenario::Call| {
        call.arrival.as_second().div_euclid(1_800) != call.end().as_second().div_euclid(1_800)
    };
    assert!(inbound().filter(crosses).count() > 10);
    for second in [30_599, 30_600] {
        assert!(inbound().any(|call| call.arrival == day.at(second)), "no call arrives at {second} s");
    }
}
