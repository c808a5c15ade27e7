//! A Siemens HiPath 3000 that prints "compressed" call records on its serial port: 112 columns and CR LF, one record a
//! segment, stamped at its end, and one "call information" record a station when an inbound call is offered.
//!
//! Source: Siemens, Hicom 150 E Office Rel. 1.0 service manual, section 7.12, table of the compressed output; codes 35
//! of later firmware as in field captures. Internal calls are never printed.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::scenario::{Call, Day, Parties, Pbx, Step, site};
use super::serial::SerialPort;
use super::{Line, Played};
use crate::clock::Clock;

/// Characters of a record.
pub const WIDTH: usize = 112;

/// Everything the HiPath prints on `day`, in the order in which it prints.
pub fn lines(day: &Day) -> Vec<Line> {
    let calls = day.calls.iter().filter(|call| call.pbx == Pbx::Surgery);
    let mut lines: Vec<Line> = calls.enumerate().flat_map(|(turn, call)| records(call, turn, &day.zone)).collect();
    lines.sort_by_key(|line| line.at);
    lines
}

/// Whether a line only says that a call is being offered (information element 0).
pub fn is_offer(line: &Line) -> bool {
    line.text.get(74..76) == Some(" 0")
}

/// The columns that a practice's HiPath fills; the others are blank.
struct Columns<'a> {
    at: Timestamp,
    line: u8,
    station: u16,
    ring: Option<u32>,
    /// `None` prints blanks.
    duration: Option<u32>,
    number: &'a str,
    information: u8,
}

impl Columns<'_> {
    fn print(&self, zone: &TimeZone) -> Line {
        let end = self.at.to_zoned(zone.clone());
        let ring = self.ring.map(|s| format!("{:02}:{:02}", s / 60, s % 60)).unwrap_or_default();
        let duration = self.duration.map(|s| format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60));
        // Date and time of the end, trunk, station, ring, duration, number, charge pulses, information element,
        // project code, MSN, access code, LCR route, and three columns of the United States.
        let text = format!(
            "{:8}{:8}{:>3}{:>6}{ring:5}{:8}{:25}{:>11}{:>2}{:11}{:>11}{:>5}{:>2}{:2}{:1}{:4}",
            end.strftime("%d.%m.%y").to_string(),
            end.strftime("%H:%M:%S").to_string(),
            self.line,
            self.station,
            duration.unwrap_or_default(),
            self.number,
            "",
            self.information,
            "",
            "",
            "",
            "",
            "",
            "",
            ""
        );
        Line { at: self.at, text }
    }
}

fn records(call: &Call, turn: usize, zone: &TimeZone) -> Vec<Line> {
    let Some(line) = call.line else { return Vec::new() };
    match &call.parties {
        Parties::Inbound { caller, .. } => inbound(call, line, caller.as_deref().unwrap_or_default(), turn, zone),
        Parties::Outbound { station, number } => vec![outbound(call, line, *station, number, zone)],
        Parties::Internal { .. } | Parties::MailboxCheck { .. } => Vec::new(),
    }
}

fn inbound(call: &Call, line: u8, number: &str, turn: usize, zone: &TimeZone) -> Vec<Line> {
    let mut lines: Vec<Line> = offers(call)
        .into_iter()
        .map(|(at, station)| {
            Columns { at, line, station, ring: None, duration: None, number, information: 0 }.print(zone)
        })
        .collect();
    let mut at = call.arrival;
    let mut ring = None;
    let mut last_rung = 0;
    let mut first = true;
    for step in &call.steps {
        at += SignedDuration::from_secs(i64::from(step.seconds()));
        let station = match *step {
            Step::Ring { station, seconds } => {
                ring = Some(seconds);
                last_rung = station;
                continue;
            }
            Step::Talk { station, .. } => station,
            Step::Mailbox { .. } | Step::Menu { .. } => site::SURGERY_MAILBOX,
        };
        let information = if first { 1 } else { 35 };
        let duration = Some(step.seconds());
        lines.push(Columns { at, line, station, ring: ring.take(), duration, number, information }.print(zone));
        first = false;
    }
    if first {
        // Never connected. Older firmware leaves the duration blank, later firmware prints zeros; both are met here.
        let duration = (turn % 2 == 1).then_some(0);
        lines.push(Columns { at, line, station: last_rung, ring, duration, number, information: 1 }.print(zone));
    }
    lines
}

/// Which stations an inbound call is offered to, and when: two at once, then another after half a minute.
fn offers(call: &Call) -> Vec<(Timestamp, u16)> {
    let Some(Step::Ring { station, seconds }) = call.steps.first().copied() else { return Vec::new() };
    if station == site::SURGERY_MAILBOX {
        return vec![(call.arrival, station)];
    }
    let beside = site::SURGERY_STATIONS.iter().copied().find(|other| *other != station).unwrap_or(station);
    if seconds > 30 {
        let later = call.arrival + SignedDuration::from_secs(30);
        return vec![(call.arrival, beside), (later, station)];
    }
    vec![(call.arrival, station), (call.arrival, beside)]
}

fn outbound(call: &Call, line: u8, station: u16, number: &str, zone: &TimeZone) -> Line {
    // ISDN tells when nobody answered: the ring is printed and the duration is zero.
    let (ring, duration) = match call.talk() {
        0 => (Some(call.length()), 0),
        talk => (None, talk),
    };
    let columns = Columns { at: call.end(), line, station, ring, duration: Some(duration), number, information: 2 };
    columns.print(zone)
}

/// Plays `lines` on `port` by `clock`, until `until` and until all is sent, or until `stop`.
///
/// While nobody has the other end of the line open the PBX keeps what it would have printed. `sent` counts lines as
/// they leave.
pub fn play(
    lines: &[Line],
    clock: &Clock,
    port: &mut SerialPort,
    until: Timestamp,
    stop: &AtomicBool,
    sent: &AtomicUsize,
) -> Played {
    let mut played = Played::default();
    let mut coming = lines.iter().peekable();
    while !stop.load(Ordering::Relaxed) {
        let now = clock.now();
        let attended = port.attended();
        played.link(now, attended);
        while attended && let Some(line) = coming.next_if(|line| line.at <= now) {
            if !port.print(&format!("{}\r\n", line.text), stop) {
                played.unsent = 1 + coming.count();
                return played;
            }
            played.sent += 1;
            sent.fetch_add(1, Ordering::Relaxed);
        }
        if coming.peek().is_none() && now >= until {
            break;
        }
        let next = coming.peek().map_or(until, |line| line.at);
        std::thread::sleep(clock.until(next).clamp(Duration::from_millis(1), Duration::from_millis(20)));
    }
    played.unsent = coming.count();
    played
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(parties: Parties, steps: Vec<Step>) -> Vec<String> {
        let zone = TimeZone::get("Europe/London").unwrap();
        let mut day = Day { date: jiff::civil::date(2026, 11, 20), zone, calls: Vec::new() };
        day.calls.push(Call { pbx: Pbx::Surgery, arrival: day.at(32_400), line: Some(4), parties, steps });
        lines(&day).into_iter().map(|line| line.text).collect()
    }

    fn inbound(caller: Option<&str>) -> Parties {
        Parties::Inbound { caller: caller.map(str::to_owned), ddi: site::SURGERY_DDI.to_owned() }
    }

    #[test]
    fn the_columns_are_those_of_the_manual() {
        let steps = vec![
            Step::Ring { station: 102, seconds: 9 },
            Step::Talk { station: 102, seconds: 41, hold: 0 },
            Step::Talk { station: 107, seconds: 62, hold: 0 },
        ];
        let records = printed(inbound(Some("01632960011")), steps);
        // A ruler of the columns from 0:  0       8       16 19    25   30      38                       63         74
        let tail = " ".repeat(36);
        assert_eq!(
            records,
            [
                format!("20.11.2609:00:00  4   102             01632960011                          0{tail}"),
                format!("20.11.2609:00:00  4   101             01632960011                          0{tail}"),
                format!("20.11.2609:00:50  4   10200:0900:00:4101632960011                          1{tail}"),
                format!("20.11.2609:01:52  4   107     00:01:0201632960011                         35{tail}"),
            ]
        );
        assert!(records.iter().all(|record| record.len() == WIDTH));
        assert_eq!(&records[2][16..19], "  4");
        assert_eq!(&records[2][19..25], "   102");
        assert_eq!(&records[2][25..30], "00:09");
        assert_eq!(&records[2][30..38], "00:00:41");
        assert_eq!(&records[2][74..76], " 1");
    }

    #[test]
    fn an_abandoned_call_has_a_ring_and_no_duration() {
        let records = printed(inbound(None), vec![Step::Ring { station: 105, seconds: 73 }]);
        assert_eq!(records.len(), 3);
        assert_eq!(records[1].get(8..25), Some("09:00:30  4   105"));
        assert_eq!(records[2].get(8..38), Some("09:01:13  4   10501:13        "));
        assert_eq!(records[2].get(38..63), Some(" ".repeat(25).as_str()));
        assert!(records.iter().all(|record| record.len() == WIDTH));
    }

    #[test]
    fn outgoing_calls_are_printed_and_internal_calls_are_not() {
        let out = Parties::Outbound { station: 103, number: "07700900222".to_owned() };
        let answered = printed(out.clone(), vec![Step::Talk { station: 103, seconds: 130, hold: 0 }]);
        assert_eq!(
            answered[0].get(8..76),
            Some("09:02:10  4   103     00:02:1007700900222                          2")
        );
        let unanswered = printed(out, vec![Step::Ring { station: 103, seconds: 25 }]);
        assert_eq!(unanswered[0].get(8..49), Some("09:00:25  4   10300:2500:00:0007700900222"));
        let inside = Parties::Internal { from: 101, to: 102 };
        assert!(printed(inside, vec![Step::Ring { station: 102, seconds: 5 }]).is_empty());
    }
}
