//! An Alcatel OmniPCX Enterprise: an accounting ticket of 525 characters (ED5.2) a call, and the messages of its TCP
//! port 2533.
//!
//! Source: Jeepers-Gitters, OXE_EAcc: field table of ED5.2 and the conversation of a working client. How a transfer is
//! split into tickets is not public, so no call here is passed on.

use jiff::tz::TimeZone;
use smdrd::simulator::Line;
use smdrd::simulator::scenario::{Call, Day, Parties};

use super::portions::{Taker, caller, portions, wall};
use crate::day::Has;
use crate::figures::{Kind as What, Shown};
use crate::protocol::Oxe;
use crate::stage::{Family, Printed};

/// Characters of a ticket.
pub const WIDTH: usize = 525;
/// Bytes of a message.
const MESSAGE: usize = 772;
/// What the client begins with, and what the main CPU answers.
pub const START: &[u8] = b"\x00\x01S";
pub const MAIN: &[u8] = b"\x00\x01P";
/// The client asks for tickets.
pub const SEND: &[u8] = b"\x00\x02\x00\x00";
/// The server asks whether the client is there, and its answer.
pub const ALIVE: &[u8] = b"\x00\x08TEST_REQ";
pub const YES: &[u8] = b"\x00\x08TEST_RSP";

/// The tickets of `day`, each when its call is over.
pub fn tickets(day: &Day) -> Vec<Line> {
    let mut tickets: Vec<Line> = day
        .calls
        .iter()
        .filter(|call| !matches!(call.parties, Parties::MailboxCheck { .. }))
        .zip(1..)
        .map(|(call, reference)| ticket(call, reference, &day.zone))
        .collect();
    tickets.sort_by_key(|line| line.at);
    tickets
}

/// The bytes of a ticket on the port.
pub fn message(ticket: &str) -> Vec<u8> {
    let mut bytes = b"\x03\x04".to_vec();
    let mut message = b"\x01\x00\x02\x00".to_vec();
    message.extend(ticket.bytes());
    message.resize(MESSAGE, 0);
    bytes.extend(message);
    bytes
}

/// A message that says nothing.
pub fn empty() -> Vec<u8> {
    let mut bytes = b"\x03\x04\x01\x00\x01\x00".to_vec();
    bytes.resize(2 + MESSAGE, 0);
    bytes
}

/// Text in a line of blanks, by the table's positions, which count from 1.
struct Ticket(String);

impl Ticket {
    fn put(&mut self, from: usize, to: usize, text: &str) {
        let width = to - from + 1;
        self.0.replace_range(from - 1..to, &format!("{text:width$.width$}"));
    }

    fn count(&mut self, from: usize, to: usize, number: u32) {
        let width = to - from + 1;
        self.0.replace_range(from - 1..to, &format!("{number:>width$}"));
    }
}

fn ticket(call: &Call, reference: u32, zone: &TimeZone) -> Line {
    let mut ticket = Ticket(" ".repeat(WIDTH));
    ticket.put(1, 5, "ED5.2");
    let leg = portions(call).first().copied();
    let station = leg.map(|leg| leg.station.to_string()).unwrap_or_default();
    let called = |ticket: &mut Ticket, called: &str, charged: &str, calling: &str, kind: u32| {
        ticket.put(6, 35, called);
        ticket.put(36, 65, charged);
        ticket.put(137, 166, calling);
        ticket.count(167, 168, kind);
    };
    match &call.parties {
        Parties::Inbound { .. } => {
            let caller = caller(&call.parties).unwrap_or_default();
            called(&mut ticket, &station, &station, caller, 4);
            ticket.put(459, 488, &station);
        }
        Parties::Outbound { station, number } => {
            called(&mut ticket, number, &station.to_string(), "", 0);
            ticket.put(228, 243, "9");
            ticket.put(396, 425, &format!("9{number}"));
        }
        Parties::Internal { from, .. } => called(&mut ticket, &station, &from.to_string(), &from.to_string(), 3),
        Parties::MailboxCheck { .. } => {}
    }
    if let Some(line) = call.line {
        ticket.count(212, 216, line.into());
        ticket.count(217, 221, 3);
    }
    ticket.put(170, 186, &wall(call.end(), zone, "%Y%m%d %H:%M:%S"));
    ticket.put(442, 458, &wall(call.arrival, zone, "%Y%m%d %H:%M:%S"));
    let taken = leg.is_some_and(|leg| leg.taker != Taker::Nobody);
    let effective = if taken { call.length() - call.wait() } else { 0 };
    ticket.count(202, 211, effective);
    ticket.count(426, 430, call.wait());
    ticket.count(431, 440, effective);
    ticket.put(349, 358, &reference.to_string());
    Line { at: call.end(), text: ticket.0 }
}

/// The family.
pub fn family() -> Family {
    Family {
        name: "alcatel-oxe",
        dialect: "alcatel-oxe",
        options: "",
        transport: "TCP 2533: start, tickets, keep-alive",
        link: Oxe::boxed,
        has: Has { transfer: false, outgoing_rings: true, ..Has::PLAIN },
        cannot: &["hold", "transfer", "outbound-answer"],
        roles: "\"230\" = \"voicemail\"",
        print: |day| tickets(day).into_iter().map(|line| Printed::record(line.at, line.text)).collect(),
        shows: |call| {
            let mut shown = Shown::all(call);
            if matches!(shown.kind, What::Outbound(_)) {
                shown.kind = What::Outbound(None);
                shown.busy.0 = call.talk();
            }
            Some(shown)
        },
        remark: "how a transfer is split into tickets is not public: none was played",
    }
}

#[cfg(test)]
mod tests {
    use super::super::hand::{inbound, on, ring, talk};
    use super::*;

    #[test]
    fn a_ticket_stands_in_the_positions_of_the_table() {
        let answered = inbound("09:18:45", 13, Some("07700900111"), &[ring(2001, 15), talk(2001, 70, 0)]);
        let missed = inbound("09:21:30", 13, Some("07700900112"), &[ring(2001, 40)]);
        let tickets = tickets(&on("2024-03-04", vec![answered, missed]));
        let text = &tickets[0].text;
        assert_eq!((tickets.len(), text.len()), (2, WIDTH));
        let at = |from: usize, to: usize| &text[from - 1..to];
        assert_eq!(at(1, 10), "ED5.22001 ");
        assert_eq!((at(137, 148), at(167, 169)), ("07700900111 ", " 4 "));
        assert_eq!((at(170, 186), at(202, 211)), ("20240304 09:20:10", "        70"));
        assert_eq!((at(212, 221), at(349, 352)), ("   13    3", "1   "));
        assert_eq!((at(426, 440), at(442, 458)), ("   15        70", "20240304 09:18:45"));
        assert_eq!(&tickets[1].text[425..440], "   40         0");
    }

    #[test]
    fn a_message_has_772_bytes_behind_its_mark() {
        let message = message(&"x".repeat(WIDTH));
        assert_eq!(message.len(), 774);
        assert_eq!(&message[..7], b"\x03\x04\x01\x00\x02\x00x");
        assert_eq!(empty().len(), 774);
    }
}
