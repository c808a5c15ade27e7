//! A Nortel BCM or Norstar: its report of several lines, its Real Time lines, and the SL-1 layout.
//!
//! Source: Nortel, BCM 4.0 Call Detail Recording System Administration Guide. Internal calls are in none of them.
//! Dates are month first, as delivered.

use jiff::tz::TimeZone;
use smdrd::simulator::Line;
use smdrd::simulator::scenario::{Call, Day, Ending, Parties};

use super::portions::{Portion, Taker, caller, hms, later, portions, wall};
use crate::day::Has;
use crate::figures::{Kind as What, Shown};
use crate::link::{Listens, Serial, cr_lf};
use crate::stage::{Family, Kind, Printed};
use crate::upload::Folder;

/// Norstar "All" reports, each printed when its station is done with the call.
pub fn norstar(day: &Day) -> Vec<Line> {
    let mut lines: Vec<Line> = day.calls.iter().flat_map(|call| reports(call, &day.zone)).collect();
    lines.sort_by_key(|line| line.at);
    lines
}

fn reports(call: &Call, zone: &TimeZone) -> Vec<Line> {
    let Some(line) = call.line else { return Vec::new() };
    match &call.parties {
        Parties::Inbound { ddi, .. } => {
            let legs = portions(call);
            let report = |(index, leg): (usize, &Portion)| {
                let more = index + 1 < legs.len();
                Line { at: leg.end(), text: incoming(leg, index == 0, more, line, caller(&call.parties), ddi, zone) }
            };
            legs.iter().enumerate().map(report).collect()
        }
        Parties::Outbound { station, number } => {
            let head = header(call.arrival, line, Some(*station), zone);
            let over = hms(call.length());
            let text = format!(
                "{head}\r\nBC = SPEECH\r\n00:00:00 OUTGOING CALL\r\nDIGITS DIALED {number}\r\n{over} CALL RELEASED"
            );
            vec![Line { at: call.end(), text }]
        }
        Parties::Internal { .. } | Parties::MailboxCheck { .. } => Vec::new(),
    }
}

fn header(at: jiff::Timestamp, line: u8, station: Option<u16>, zone: &TimeZone) -> String {
    let station = station.map(|station| format!(" STN = {station}")).unwrap_or_default();
    format!("-------- {} LINE = {line:04}{station}", wall(at, zone, "%m/%d/%y %H:%M:%S"))
}

fn incoming(
    leg: &Portion,
    first: bool,
    more: bool,
    line: u8,
    caller: Option<&str>,
    ddi: &str,
    zone: &TimeZone,
) -> String {
    let answered = leg.taker != Taker::Nobody;
    let mut text = header(leg.taken(), line, answered.then_some(leg.station), zone);
    let mut add = |line: String| text = format!("{text}\r\n{line}");
    if first {
        // Ten digits of the called number are all that the line has room for.
        let called = ddi.get(ddi.len().saturating_sub(10)..).unwrap_or_default();
        add(format!("CALLING NUMBER {}", caller.unwrap_or("UNKNOWN")));
        add("NAME UNKNOWN".to_owned());
        add("UNKNOWN".to_owned());
        add(format!("DNIS NUMBER {called}"));
        add("BC = SPEECH".to_owned());
    }
    let ring = format!("{}:{:02}", leg.ring / 60, leg.ring % 60);
    match (answered, first) {
        (false, _) if leg.engaged() => {
            add("00:00:00 BUSY".to_owned());
            return text;
        }
        (false, _) => {
            add(format!("00:00:00 NO ANSWER RINGING {ring}"));
            return text;
        }
        (true, true) => add(format!("00:00:00 INCOMING CALL RINGING {ring}")),
        (true, false) => add("00:00:00 FROM TRANSFER".to_owned()),
    }
    if leg.hold > 0 {
        add(format!("{} HOLD", hms(leg.talk)));
        add(format!("{} UNHOLD", hms(leg.talk + leg.hold)));
    }
    let over = if more { "TRANSFERRED" } else { "CALL RELEASED" };
    add(format!("{} {over}", hms(leg.talk + leg.hold)));
    text
}

/// Norstar Real Time: a line an event, of incoming calls only.
pub fn real_time(day: &Day) -> Vec<Line> {
    let mut lines: Vec<Line> = day.calls.iter().flat_map(|call| events(call, &day.zone)).collect();
    lines.sort_by_key(|line| line.at);
    lines
}

fn events(call: &Call, zone: &TimeZone) -> Vec<Line> {
    let (Some(line), Parties::Inbound { ddi, .. }) = (call.line, &call.parties) else { return Vec::new() };
    let number = caller(&call.parties).unwrap_or("PRIVATE");
    let called = ddi.get(ddi.len().saturating_sub(10)..).unwrap_or_default();
    let event = |at: jiff::Timestamp, station: Option<u16>, name: &str, event: char| {
        let station = station.map(|station| format!("{station} ")).unwrap_or_default();
        let stamp = wall(at, zone, "%m%d%y %H%M%S");
        Line { at, text: format!("*{stamp} {line:04} {station}{number} {name} U {event}") }
    };
    let mut lines = vec![event(call.arrival, None, "UNKNOWN", 'G'), event(call.arrival, None, called, 'D')];
    let mut holder = None;
    for leg in portions(call) {
        if leg.taker == Taker::Nobody {
            lines.push(event(leg.end(), holder, "UNKNOWN", if holder.is_none() { 'N' } else { 'R' }));
            return lines;
        }
        let what = if holder.is_none() { 'A' } else { 'T' };
        // A transfer is told when it is made, not when it is taken.
        let at = if holder.is_none() { leg.taken() } else { leg.offered };
        lines.push(event(at, Some(leg.station), "UNKNOWN", what));
        holder = Some(leg.station);
    }
    lines.push(event(call.end(), holder, "UNKNOWN", 'R'));
    lines
}

/// SL-1 records with the caller on a second line: calls that were connected, in minutes.
pub fn sl1(day: &Day) -> Vec<Line> {
    let mut printed: Vec<(jiff::Timestamp, Record<'_>)> = day.calls.iter().flat_map(sl1_records).collect();
    printed.sort_by_key(|(at, _)| *at);
    printed
        .into_iter()
        .zip(0_usize..)
        .map(|((at, record), number)| record.print(at, number % 1000, &day.zone))
        .collect()
}

struct Record<'a> {
    kind: char,
    origin: String,
    terminator: String,
    seconds: Option<u32>,
    digits: &'a str,
    caller: Option<&'a str>,
}

fn sl1_records(call: &Call) -> Vec<(jiff::Timestamp, Record<'_>)> {
    let Some(line) = call.line else { return Vec::new() };
    let trunk = format!("T{line:03}000");
    match &call.parties {
        Parties::Inbound { .. } => {
            let legs: Vec<Portion> = portions(call).into_iter().filter(|leg| leg.taker != Taker::Nobody).collect();
            let record = |kind, leg: &Portion, seconds| Record {
                kind,
                origin: trunk.clone(),
                terminator: format!("DN{}", leg.station),
                seconds,
                digits: "",
                caller: caller(&call.parties),
            };
            match legs.as_slice() {
                [] => Vec::new(),
                [leg] => vec![(leg.end(), record('N', leg, Some(leg.talk + leg.hold)))],
                [first, between @ .., last] => {
                    let mut records = vec![(first.taken(), record('S', first, None))];
                    records.extend(between.iter().map(|leg| (leg.taken(), record('X', leg, None))));
                    records.push((last.taken(), record('X', last, None)));
                    records.push((last.end(), record('E', last, None)));
                    records
                }
            }
        }
        Parties::Outbound { station, number } => {
            let seconds = Some(call.length());
            let origin = format!("DN{station}");
            vec![(call.end(), Record { kind: 'N', origin, terminator: trunk, seconds, digits: number, caller: None })]
        }
        Parties::Internal { .. } | Parties::MailboxCheck { .. } => Vec::new(),
    }
}

impl Record<'_> {
    fn print(self, at: jiff::Timestamp, number: usize, zone: &TimeZone) -> Line {
        let stamp = wall(at, zone, "%m/%d %H:%M");
        let seconds = self.seconds.map(hms).unwrap_or_default();
        let first = format!(
            "{} {number:03} 00 {:7} {:7} {stamp} {seconds:8} {}",
            self.kind, self.origin, self.terminator, self.digits
        );
        let first = first.trim_end();
        let text = match self.caller {
            Some(caller) => format!("{first}\r\n  {caller:x<16}"),
            None => first.to_owned(),
        };
        Line { at, text }
    }
}

const ROLES: &str = "\"230\" = \"voicemail\"";

/// A line of a report; the blank one that ends it is a line feed.
fn report_line(text: &str) -> Vec<u8> {
    if text.is_empty() { b"\n".to_vec() } else { cr_lf(text) }
}

/// The Norstar's reports.
pub fn norstar_family() -> Family {
    Family {
        name: "nortel-bcm, Norstar",
        dialect: "nortel-bcm",
        options: "format = \"norstar\"",
        transport: "serial, 1200 8N1",
        link: || Serial::boxed("baud = 1200", report_line),
        has: Has { busy: true, hold: true, transfer_rings: true, ..Has::PLAIN },
        cannot: &["internal", "outbound-answer", "outbound-talk"],
        roles: ROLES,
        print: |day| {
            let line = |report: &Line| {
                let mut lines: Vec<Printed> = Vec::new();
                for text in report.text.lines() {
                    lines.push(Printed::of(report.at, Kind::Continuation, text));
                }
                lines.push(Printed::record(report.at, String::new()));
                lines
            };
            norstar(day).iter().flat_map(line).collect()
        },
        shows: |call| {
            let mut shown = Shown::all(call);
            match shown.kind {
                What::Internal => return None,
                // How long it rang is not told, and so not how long was spoken.
                What::Outbound(_) => (shown.kind, shown.talk, shown.busy.0) = (What::Outbound(None), None, 0),
                // The report of an engaged station says nothing of a ring.
                What::Inbound(Ending::GaveUp) if call.wait() == 0 => shown.wait = None,
                What::Inbound(_) => {}
            }
            Some(shown)
        },
        remark: "an outgoing call's talk is not shown: it counts from seizure",
    }
}

/// The lines as they happen.
pub fn real_time_family() -> Family {
    Family {
        name: "nortel-bcm, Norstar Real Time",
        dialect: "nortel-bcm",
        options: "format = \"real-time\"",
        transport: "TCP, the box is the client",
        link: || Listens::boxed(b"", |text| if text.is_empty() { b"\n".to_vec() } else { cr_lf(text) }),
        has: Has::PLAIN,
        cannot: &["internal", "outbound", "outbound-answer", "outbound-talk", "hold"],
        roles: ROLES,
        print: |day| {
            let with_blank = |line: Line| [Printed::record(line.at, line.text), Printed::of(line.at, Kind::Header, "")];
            real_time(day).into_iter().flat_map(with_blank).collect()
        },
        shows: |call| {
            let mut shown = Shown::all(call);
            if portions(call).len() > 1 {
                // Whether the station that a call was passed on to took it is not told, and so not how long it spoke.
                shown.talk = None;
            }
            matches!(shown.kind, What::Inbound(_)).then_some(shown)
        },
        remark: "incoming calls only; on hold counts as talk",
    }
}

/// Records in the manner of a Meridian.
pub fn sl1_family() -> Family {
    Family {
        name: "nortel-bcm, SL-1",
        dialect: "nortel-bcm",
        options: "format = \"sl-1\"",
        transport: "files in the drop folder",
        link: || Folder::boxed(cr_lf),
        has: Has::PLAIN,
        cannot: &["internal", "outbound-answer", "outbound-talk", "unanswered", "ring", "hold"],
        roles: ROLES,
        print: |day| {
            let line = |record: &Line| {
                let mut lines: Vec<Printed> =
                    record.text.lines().map(|text| Printed::of(record.at, Kind::Continuation, text)).collect();
                if let Some(last) = lines.last_mut() {
                    last.kind = Kind::Record;
                }
                lines
            };
            sl1(day).iter().flat_map(line).collect()
        },
        shows: |call| {
            let mut shown = Shown::all(call);
            match shown.kind {
                What::Internal => return None,
                What::Outbound(_) => (shown.kind, shown.talk) = (What::Outbound(None), Some(call.length())),
                What::Inbound(Ending::GaveUp) => return None,
                What::Inbound(_) => {}
            }
            // One record is stamped at its end; of several the first when the call was taken, and none has a duration.
            let taken = portions(call).iter().filter(|leg| leg.taker != Taker::Nobody).count();
            let inbound = matches!(shown.kind, What::Inbound(_));
            shown.from = if inbound && taken > 1 { later(call.arrival, call.wait()) } else { call.end() };
            shown.until = shown.from;
            if inbound && taken > 1 {
                shown.talk = None;
            }
            shown.wait = None;
            shown.busy = (0, call.length());
            Some(shown.at_its_minute(60))
        },
        remark: "minutes, of which nobody says whether they begin or end a record; no year",
    }
}

#[cfg(test)]
mod tests {
    use super::super::hand::{inbound, on, outbound, ring, talk};
    use super::*;

    fn texts(lines: Vec<Line>) -> Vec<String> {
        lines.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn reports_are_those_of_the_guide() {
        // "Incoming call with hold", page 46, with what All adds.
        let held = inbound("11:59:29", 83, None, &[ring(7726, 32), talk(7726, 39, 33)]);
        let text = texts(norstar(&on("1999-04-04", vec![held]))).concat();
        assert!(text.starts_with("-------- 04/04/99 12:00:01 LINE = 0083 STN = 7726\r\nCALLING NUMBER UNKNOWN\r\n"));
        assert!(text.ends_with(
            "00:00:00 INCOMING CALL RINGING 0:32\r\n00:00:39 HOLD\r\n00:01:12 UNHOLD\r\n00:01:12 CALL RELEASED"
        ));
        // "No answer", page 57.
        let missed = inbound("14:35:58", 35, Some("01632960001"), &[ring(221, 2)]);
        assert_eq!(
            texts(norstar(&on("1999-12-03", vec![missed]))).concat(),
            "-------- 12/03/99 14:36:00 LINE = 0035\r\nCALLING NUMBER 01632960001\r\nNAME UNKNOWN\r\nUNKNOWN\r\nDNIS NUMBER 1632960150\r\nBC = SPEECH\r\n00:00:00 NO ANSWER RINGING 0:02"
        );
        // The line catalogue, page 58.
        let engaged = inbound("08:01:20", 1, None, &[ring(221, 0)]);
        let text = texts(norstar(&on("2024-03-04", vec![engaged]))).concat();
        assert!(text.starts_with("-------- 03/04/24 08:01:20 LINE = 0001\r\n") && text.ends_with("00:00:00 BUSY"));
        let out = outbound("01:38:00", 23, 223, "01632960002", 95);
        assert_eq!(
            texts(norstar(&on("1998-01-01", vec![out]))).concat(),
            "-------- 01/01/98 01:38:00 LINE = 0023 STN = 223\r\nBC = SPEECH\r\n00:00:00 OUTGOING CALL\r\nDIGITS DIALED 01632960002\r\n00:01:35 CALL RELEASED"
        );
    }

    #[test]
    fn real_time_lines_are_those_of_the_guide() {
        let steps = [ring(7344, 6), talk(7344, 45, 0), talk(7440, 138, 0)];
        let moved = inbound("09:41:05", 3, Some("01632960003"), &steps);
        assert_eq!(
            texts(real_time(&on("1997-04-11", vec![moved]))),
            [
                "*041197 094105 0003 01632960003 UNKNOWN U G",
                "*041197 094105 0003 01632960003 1632960150 U D",
                "*041197 094111 0003 7344 01632960003 UNKNOWN U A",
                "*041197 094156 0003 7440 01632960003 UNKNOWN U T",
                "*041197 094414 0003 7440 01632960003 UNKNOWN U R",
            ]
        );
    }

    #[test]
    fn sl1_columns_are_those_of_the_guide() {
        let out = outbound("14:02:00", 52, 7425, "01632960004", 92);
        let inbound = inbound("14:09:00", 47, None, &[ring(2221, 10), talk(2221, 724, 0)]);
        assert_eq!(
            texts(sl1(&on("1999-04-04", vec![out, inbound]))),
            [
                "N 000 00 DN7425  T052000 04/04 14:03 00:01:32 01632960004",
                "N 001 00 T047000 DN2221  04/04 14:21 00:12:04",
            ]
        );
    }
}
