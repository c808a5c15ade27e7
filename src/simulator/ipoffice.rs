//! An Avaya IP Office that prints SMDR over TCP: it calls the collector, prints a record when a segment of a call is
//! over, keeps 500 records while the link is down and overwrites the oldest after that.
//!
//! Sources: Avaya, IP Office Manager, "SMDR Records" (fields 1 to 30, buffer, order of the records of one call);
//! 31 to 35 as seen from release 11. The layout here is that of release 11: 35 fields, CR LF, no header.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::scenario::{Call, Day, Parties, Pbx, Step, site};
use super::{Line, Played};
use crate::clock::Clock;

/// Records kept while the link is down: the default of the system.
pub const BUFFER: usize = 500;
/// The first call id after a start.
const FIRST_CALL_ID: u64 = 1_000_000;

/// Everything the IP Office prints on `day`, in the order in which it prints.
pub fn lines(day: &Day) -> Vec<Line> {
    let calls = day.calls.iter().filter(|call| call.pbx == Pbx::Reception);
    let mut lines: Vec<Line> = calls.zip(FIRST_CALL_ID..).flat_map(|(call, id)| records(call, id, &day.zone)).collect();
    lines.sort_by_key(|line| line.at);
    lines
}

/// A part of a call that one record is printed for.
struct Segment {
    ring: u32,
    connected: u32,
    hold: u32,
    party: Party,
}

/// Who the caller was with, or whom the PBX rang last.
#[derive(Clone, Copy)]
enum Party {
    Extension(u16),
    Port(u16),
}

impl Party {
    fn device(self) -> String {
        match self {
            Party::Extension(number) => format!("E{number}"),
            Party::Port(number) => format!("V{number}"),
        }
    }

    fn name(self) -> String {
        match self {
            Party::Extension(number) => format!("Extn{number}"),
            Party::Port(number) => format!("VM Channel {}", number - 9500),
        }
    }
}

fn segments(steps: &[Step]) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut rung: Option<(u16, u32)> = None;
    for step in steps {
        let (connected, hold, party) = match *step {
            Step::Ring { station, seconds } => {
                rung = Some((station, rung.map_or(0, |(_, before)| before) + seconds));
                continue;
            }
            Step::Menu { seconds } => (seconds, 0, Party::Port(site::MENU_PORT)),
            Step::Mailbox { seconds } => (seconds, 0, Party::Port(site::MAILBOX_PORT)),
            Step::Talk { station, seconds, hold } => (seconds, hold, Party::Extension(station)),
        };
        let ring = rung.take().map_or(0, |(_, seconds)| seconds);
        segments.push(Segment { ring, connected, hold, party });
    }
    if let Some((station, ring)) = rung {
        segments.push(Segment { ring, connected: 0, hold: 0, party: Party::Extension(station) });
    }
    segments
}

fn records(call: &Call, id: u64, zone: &TimeZone) -> Vec<Line> {
    let segments = segments(&call.steps);
    let last = segments.len().saturating_sub(1);
    let mut at = call.arrival;
    let mut lines = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        at += SignedDuration::from_secs(i64::from(segment.ring + segment.connected + segment.hold));
        let text = record(call, id, segment, index < last, at, zone);
        lines.push(Line { at, text });
    }
    lines
}

/// One record: 35 fields.
fn record(call: &Call, id: u64, segment: &Segment, more: bool, at: Timestamp, zone: &TimeZone) -> String {
    let stamp = |instant: Timestamp| instant.to_zoned(zone.clone()).strftime("%Y/%m/%d %H:%M:%S").to_string();
    let connected = segment.connected;
    let trunk = call.line.map(|line| (format!("T{}", 9000 + u16::from(line)), format!("Line {line}.1")));
    // Fields 4 to 7, 9 and 12 to 15: who called whom, and the two parties of this segment. An extension outranks a
    // trunk for the place of the first party, and so does the port that took the call.
    let (caller, direction, called, dialled, internal, first, second) = match &call.parties {
        Parties::Inbound { caller, ddi } => {
            let caller = caller.clone().unwrap_or_default();
            let group = site::RECEPTION_GROUP.to_string();
            (caller, "I", group, ddi.clone(), 0, (segment.party.device(), segment.party.name()), trunk)
        }
        Parties::Outbound { station, number } => {
            let from = Party::Extension(*station);
            let keyed = format!("{}{number}", site::ACCESS_DIGIT);
            (station.to_string(), "O", number.clone(), keyed, 0, (from.device(), from.name()), trunk)
        }
        Parties::Internal { from, to } => {
            let (from, to) = (Party::Extension(*from), Party::Extension(*to));
            let digits = |party: Party| party.device().split_off(1);
            let second = Some((to.device(), to.name()));
            (digits(from), "O", digits(to), digits(to), 1, (from.device(), from.name()), second)
        }
        Parties::MailboxCheck { station } => {
            let (from, port) = (Party::Extension(*station), segment.party);
            let second = Some((port.device(), port.name()));
            (station.to_string(), "O", "*17".to_owned(), "*17".to_owned(), 0, (from.device(), from.name()), second)
        }
    };
    let (second_device, second_name) = second.unwrap_or_default();
    // Field 28 to 30: an outgoing call is targeted by its user.
    let targeting = if direction == "O" && internal == 0 { format!("U,{},", first.1) } else { ",,".to_owned() };
    let fields = [
        stamp(call.arrival),
        format!("{:02}:{:02}:{:02}", connected / 3600, connected / 60 % 60, connected % 60),
        segment.ring.to_string(),
        caller,
        direction.to_owned(),
        called,
        dialled,
        String::new(),
        internal.to_string(),
        id.to_string(),
        u8::from(more).to_string(),
        first.0,
        first.1,
        second_device,
        second_name,
        segment.hold.to_string(),
        "0".to_owned(),
    ];
    let server = "192.0.2.20";
    let unique = 20_000 + 2 * (id - FIRST_CALL_ID);
    // Fields 18 to 27, authorisation and charges, are empty without account codes and advice of charge.
    format!("{},,,,,,,,,,,{targeting},{server},{unique},{server},{},{}", fields.join(","), unique + 1, stamp(at))
}

/// Plays `lines` to the collector at `collector` by `clock`, until `until` and until all is sent, or until `stop`.
///
/// In each of `outages` the link is down and the PBX keeps what it would have printed. `sent` counts lines as they
/// leave. A line that was being written when the link broke is written again, as a whole, on the next link.
pub fn play(
    lines: &[Line],
    clock: &Clock,
    collector: SocketAddr,
    outages: &[Range<Timestamp>],
    until: Timestamp,
    stop: &AtomicBool,
    sent: &AtomicUsize,
) -> Played {
    let mut played = Played::default();
    let mut waiting: VecDeque<&Line> = VecDeque::new();
    let mut coming = lines.iter().peekable();
    let mut link: Option<TcpStream> = None;
    while !stop.load(Ordering::Relaxed) {
        let now = clock.now();
        while let Some(line) = coming.next_if(|line| line.at <= now) {
            if waiting.len() == BUFFER {
                waiting.pop_front();
                played.overwritten += 1;
            }
            waiting.push_back(line);
        }
        if outages.iter().any(|outage| outage.contains(&now)) || link.as_mut().is_some_and(gone) {
            link = None;
        } else if link.is_none() {
            link = TcpStream::connect_timeout(&collector, Duration::from_millis(500)).ok();
        }
        played.link(clock.now(), link.is_some());
        while let (Some(stream), Some(line)) = (link.as_mut(), waiting.front()) {
            if stream.write_all(format!("{}\r\n", line.text).as_bytes()).is_ok() {
                waiting.pop_front();
                played.sent += 1;
                sent.fetch_add(1, Ordering::Relaxed);
            } else {
                link = None;
            }
        }
        let idle = coming.peek().is_none() && waiting.is_empty();
        if idle && now >= until {
            break;
        }
        // Never so long that an outage, a broken link or a stop would be missed.
        let next = coming.peek().map_or(until, |line| line.at);
        std::thread::sleep(clock.until(next).clamp(Duration::from_millis(1), Duration::from_millis(20)));
    }
    played.unsent = waiting.len() + coming.count();
    played
}

/// Whether the collector has closed the link. What it may say is read and dropped.
fn gone(link: &mut TcpStream) -> bool {
    let mut said = [0; 256];
    if link.set_nonblocking(true).is_err() {
        return true;
    }
    let gone = match link.read(&mut said) {
        Ok(count) => count == 0,
        Err(reason) => !matches!(reason.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
    };
    gone || link.set_nonblocking(false).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(parties: Parties, line: Option<u8>, steps: Vec<Step>) -> Vec<String> {
        let zone = TimeZone::get("Europe/London").unwrap();
        let mut day = Day { date: jiff::civil::date(2026, 11, 20), zone, calls: Vec::new() };
        day.calls.push(Call { pbx: Pbx::Reception, arrival: day.at(30_000), line, parties, steps });
        lines(&day).into_iter().map(|line| line.text).collect()
    }

    fn inbound(caller: &str) -> Parties {
        let caller = (!caller.is_empty()).then(|| caller.to_owned());
        Parties::Inbound { caller, ddi: "01632960100".to_owned() }
    }

    /// Fields as the manual numbers them, from 1.
    fn field(record: &str, number: usize) -> &str {
        record.split(',').nth(number - 1).unwrap()
    }

    #[test]
    fn menu_wait_talk_and_transfer_are_records_of_one_call() {
        let steps = vec![
            Step::Menu { seconds: 20 },
            Step::Ring { station: 203, seconds: 31 },
            Step::Talk { station: 203, seconds: 65, hold: 9 },
            Step::Ring { station: 208, seconds: 4 },
            Step::Talk { station: 208, seconds: 120, hold: 0 },
        ];
        let records = printed(inbound("07700900123"), Some(2), steps);
        assert_eq!(
            records,
            [
                "2026/11/20 08:20:00,00:00:20,0,07700900123,I,200,01632960100,,0,1000000,1,V9501,VM Channel 1,T9002,Line 2.1,\
                 0,0,,,,,,,,,,,,,,192.0.2.20,20000,192.0.2.20,20001,2026/11/20 08:20:20",
                "2026/11/20 08:20:00,00:01:05,31,07700900123,I,200,01632960100,,0,1000000,1,E203,Extn203,T9002,Line 2.1,\
                 9,0,,,,,,,,,,,,,,192.0.2.20,20000,192.0.2.20,20001,2026/11/20 08:22:05",
                "2026/11/20 08:20:00,00:02:00,4,07700900123,I,200,01632960100,,0,1000000,0,E208,Extn208,T9002,Line 2.1,\
                 0,0,,,,,,,,,,,,,,192.0.2.20,20000,192.0.2.20,20001,2026/11/20 08:24:09",
            ]
        );
        assert!(records.iter().all(|record| record.split(',').count() == 35));
    }

    #[test]
    fn a_lost_call_has_no_connected_time_and_a_withheld_caller_is_blank() {
        let records = printed(inbound(""), Some(1), vec![Step::Ring { station: 201, seconds: 41 }]);
        assert_eq!(records.len(), 1);
        assert_eq!(field(&records[0], 2), "00:00:00");
        assert_eq!((field(&records[0], 3), field(&records[0], 4), field(&records[0], 11)), ("41", "", "0"));
        let voicemail = vec![Step::Ring { station: 201, seconds: 26 }, Step::Mailbox { seconds: 13 }];
        let records = printed(inbound(""), Some(1), voicemail);
        assert_eq!(records.len(), 1);
        assert_eq!((field(&records[0], 3), field(&records[0], 12)), ("26", "V9511"));
        assert_eq!(field(&records[0], 13), "VM Channel 11");
    }

    #[test]
    fn direction_follows_who_called_whom() {
        let talk = Step::Talk { station: 204, seconds: 38, hold: 0 };
        let out = Parties::Outbound { station: 204, number: "02079460018".to_owned() };
        let record = &printed(out, Some(5), vec![Step::Ring { station: 204, seconds: 9 }, talk])[0];
        let shown: Vec<&str> = [4, 5, 6, 7, 9, 12, 14, 28, 29].map(|number| field(record, number)).to_vec();
        assert_eq!(shown, ["204", "O", "02079460018", "902079460018", "0", "E204", "T9005", "U", "Extn204"]);
        let inside = Parties::Internal { from: 201, to: 204 };
        let record = &printed(inside, None, vec![Step::Ring { station: 204, seconds: 4 }, talk])[0];
        let shown: Vec<&str> = [4, 5, 6, 7, 9, 12, 14].map(|number| field(record, number)).to_vec();
        assert_eq!(shown, ["201", "O", "204", "204", "1", "E201", "E204"]);
    }
}
