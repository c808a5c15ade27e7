//! A NEC NEAX 2000 or UNIVERGE SV8300: the former ("2400 IMS") record of 128 characters, one for each station that took
//! a call; calls that nobody answered and internal calls make none.
//!
//! Sources: NEC, ND-71223(E) SMDR/MCI/PMS Interface Specifications; a logger's capture of a NEAX 2000 IPS, which shows
//! the caller from character 096 and a transfer that begins where the leg before it ended. Frames on TCP 60010 and their
//! acknowledgement: NEC ND-70428 and captured frames.

use jiff::tz::TimeZone;
use smdrd::simulator::Line;
use smdrd::simulator::scenario::{Call, Day, Ending, Parties};

use super::portions::{Taker, caller, later, portions, wall};
use crate::day::Has;
use crate::figures::{Kind as What, Shown};
use crate::link::{Link, Serial, cr_lf};
use crate::protocol::Nec;
use crate::stage::{Family, Printed};
use crate::upload::Folder;

/// The records of `day`, as a logger that takes STX and ETX off leaves them.
pub fn lines(day: &Day) -> Vec<Line> {
    let mut lines: Vec<Line> = day.calls.iter().flat_map(|call| records(call, &day.zone)).collect();
    lines.sort_by_key(|line| line.at);
    lines
}

/// A record as it is on the serial line: no line end.
pub fn serial(record: &str) -> String {
    format!("\x02{record}\x03")
}

/// A record in a frame of the SMDR port, with the parity byte of `odd` parity or of none.
pub fn frame(sequence: u8, record: &str, odd: bool) -> Vec<u8> {
    text('2', &format!("{sequence}\x02{record}\x03"), odd)
}

/// "Nothing to send."
pub fn nothing(odd: bool) -> Vec<u8> {
    text('3', "2", odd)
}

/// What the collector sends for data, and for the record with this sequence number.
pub fn request(odd: bool) -> Vec<u8> {
    text('1', "", odd)
}

/// The collector's acknowledgement.
pub fn acknowledgement(sequence: u8, odd: bool) -> Vec<u8> {
    text('4', &format!("{sequence}\x06"), odd)
}

fn text(id: char, rest: &str, odd: bool) -> Vec<u8> {
    let body = format!("00{rest}");
    let counted = format!("{id}{:05}{body}", body.len());
    let parity = if odd { 0xff ^ counted.bytes().fold(0, |sum, byte| sum ^ byte) } else { 0 };
    let mut frame = vec![0x16];
    frame.extend(counted.bytes());
    frame.push(parity);
    frame
}

fn records(call: &Call, zone: &TimeZone) -> Vec<Line> {
    let Some(line) = call.line else { return Vec::new() };
    match &call.parties {
        Parties::Inbound { .. } => {
            let number = caller(&call.parties).unwrap_or_default();
            let taken = portions(call).into_iter().filter(|leg| leg.taker != Taker::Nobody);
            let record = |(index, leg): (usize, super::portions::Portion)| {
                let (from, to) = (leg.taken(), leg.end());
                let billing = if number.is_empty() { "0000" } else { "000" };
                let office = if number.is_empty() { String::new() } else { format!("0{number}") };
                print('E', line, leg.station, from, to, u8::from(index > 0), "", &format!("{billing}{office}"), zone)
            };
            taken.enumerate().map(record).collect()
        }
        Parties::Outbound { station, number } => {
            let talk = call.talk();
            if talk == 0 {
                return Vec::new();
            }
            let to = call.end();
            let from = later(call.arrival, call.length() - talk);
            vec![print('A', line, *station, from, to, 0, number, "0000", zone)]
        }
        Parties::Internal { .. } | Parties::MailboxCheck { .. } => Vec::new(),
    }
}

#[expect(clippy::too_many_arguments)]
fn print(
    kind: char,
    line: u8,
    station: u16,
    from: jiff::Timestamp,
    to: jiff::Timestamp,
    moved: u8,
    called: &str,
    metering_and_caller: &str,
    zone: &TimeZone,
) -> Line {
    let stamp = |at| wall(at, zone, "%m%d%H%M%S");
    let year = wall(from, zone, "%y");
    // K, kind, route and trunk, party and tenant, station, start, end, account and called tenant, conditions A, routes,
    // called number, metering with what follows it, authorisation, years, charge.
    let text = format!(
        "0!K{kind}{:03}{line:03}001{station:<6}{}{}{:13}{moved}00000000{called:32}{metering_and_caller:21}{:1}{year}{}0{:10}",
        0,
        stamp(from),
        stamp(to),
        "",
        "",
        wall(to, zone, "%y"),
        ""
    );
    Line { at: to, text }
}

fn family(name: &'static str, framing: &'static str, transport: &'static str, link: fn() -> Box<dyn Link>) -> Family {
    Family {
        name,
        dialect: "nec-sv8300",
        options: framing,
        transport,
        link,
        has: Has::PLAIN,
        cannot: &["unanswered", "ring", "hold", "internal", "outbound-answer"],
        roles: "\"230\" = \"voicemail\"",
        print: |day| lines(day).into_iter().map(|line| Printed::record(line.at, line.text)).collect(),
        shows: |call| {
            let mut shown = Shown::all(call);
            match shown.kind {
                What::Internal | What::Inbound(Ending::GaveUp) | What::Outbound(Some(false)) => return None,
                What::Outbound(_) => shown.kind = What::Outbound(None),
                What::Inbound(_) => {}
            }
            // The record begins with the conversation.
            shown.from = later(call.arrival, call.wait());
            shown.until = shown.from;
            shown.busy = (call.length() - call.wait(), call.length() - call.wait());
            shown.wait = None;
            Some(shown)
        },
        remark: "only calls that were connected, from their answer on",
    }
}

/// Behind a logger that leaves lines.
pub fn plain_family() -> Family {
    let framing = "framing = \"none\"";
    family("nec-sv8300, a logger's lines", framing, "files in the drop folder", || Folder::boxed(cr_lf))
}

/// Between STX and ETX.
pub fn serial_family() -> Family {
    let link: fn() -> Box<dyn Link> = || Serial::boxed("baud = 9600", |text| serial(text).into_bytes());
    family("nec-sv8300, STX/ETX", "framing = \"stx-etx\"", "serial, 9600 8N1", link)
}

/// Frames that are acknowledged.
pub fn framed_family() -> Family {
    let transport = "TCP 60010: asked for, framed with odd parity, acknowledged";
    family("nec-sv8300, TCP", "framing = \"tcp60010\"", transport, Nec::boxed)
}

#[cfg(test)]
mod tests {
    use super::super::hand::{inbound, on, outbound, ring, talk};
    use super::*;

    #[test]
    fn records_are_those_of_the_capture() {
        let steps = [ring(132, 9), talk(132, 10, 0), talk(135, 137, 0)];
        let moved = inbound("11:59:41", 37, Some("01632960151"), &steps);
        let out = outbound("11:58:42", 38, 170, "01632960152", 113);
        let texts: Vec<String> = lines(&on("2007-01-12", vec![out, moved])).into_iter().map(|line| line.text).collect();
        assert_eq!(
            texts,
            [
                "0!KE000037001132   01121159500112120000             000000000                                000001632960151       07070          ",
                "0!KA000038001170   01121158420112120035             00000000001632960152                     0000                  07070          ",
                "0!KE000037001135   01121200000112120217             100000000                                000001632960151       07070          ",
            ]
        );
    }

    #[test]
    fn calls_that_nobody_answered_make_no_record() {
        let missed = inbound("11:59:41", 37, None, &[ring(132, 30)]);
        assert_eq!(lines(&on("2007-01-12", vec![missed])), []);
    }

    #[test]
    fn frames_have_the_bytes_of_known_ones() {
        assert_eq!(request(true), b"\x1610000200\xfc");
        assert_eq!(acknowledgement(1, true), b"\x16400004001\x06\xc8");
        assert_eq!(nothing(false), b"\x16300003002\0");
        let frame = frame(5, &"x".repeat(130), false);
        assert_eq!((&frame[..11], frame.len()), (&b"\x16200135005\x02"[..], 143));
    }
}
