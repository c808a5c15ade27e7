//! 3CX: a record of 27 fields between commas for each part of a call, sent to whoever listens ("active socket") or
//! written to cdr.log. Times are UTC.
//!
//! Sources: 3CX, "CDR call data records" (field list); a record of a live system; the field values of a listener's test.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use smdrd::simulator::Line;
use smdrd::simulator::scenario::{Call, Day, Parties};

use super::portions::{Portion, Taker, caller, hms, later, portions, wall};
use crate::day::Has;
use crate::figures::Shown;
use crate::link::Connects;
use crate::stage::{Family, Printed};

/// What ends a record on the socket.
pub const END: &str = "\r\n";

/// The ring group's or queue's number, and the mailbox's prefix.
const QUEUE: &str = "Ext.800";

/// The records of `day`.
pub fn records(day: &Day) -> Vec<Line> {
    let mut records: Vec<Line> =
        day.calls.iter().zip(101_u32..).flat_map(|(call, history)| of(call, history)).collect();
    records.sort_by_key(|line| line.at);
    records
}

struct Fields<'a> {
    duration: Option<u32>,
    start: Timestamp,
    answered: Option<Timestamp>,
    end: Timestamp,
    reason: &'a str,
    /// Number, device and kind.
    from: [&'a str; 3],
    to: [&'a str; 3],
    last: [&'a str; 3],
    dialled: &'a str,
    changed: &'a str,
    polled: &'a str,
}

impl Fields<'_> {
    fn print(&self, history: u32, leg: usize) -> Line {
        let stamp = |at: Timestamp| wall(at, &TimeZone::UTC, "%Y/%m/%d %H:%M:%S");
        let chain: Vec<&str> =
            [self.from[0], self.to[0], self.last[0]].into_iter().filter(|name| !name.is_empty()).collect();
        let name = |number: &str| number.trim_start_matches("Ext.").to_owned();
        let text = [
            format!("Call {history}"),
            format!("{history:016X}_{leg}"),
            self.duration.map(hms).unwrap_or_default(),
            stamp(self.start),
            self.answered.map(stamp).unwrap_or_default(),
            stamp(self.end),
            self.reason.to_owned(),
            self.from[0].to_owned(),
            self.to[0].to_owned(),
            self.from[1].to_owned(),
            self.to[1].to_owned(),
            self.dialled.to_owned(),
            self.changed.to_owned(),
            self.last[0].to_owned(),
            self.last[1].to_owned(),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            format!("Chain: {};", chain.join(";")),
            self.from[2].to_owned(),
            self.to[2].to_owned(),
            self.last[2].to_owned(),
            name(self.from[0]),
            name(self.to[0]),
            name(self.last[0]),
            self.polled.to_owned(),
        ];
        Line { at: self.end, text: text.join(",") }
    }
}

fn of(call: &Call, history: u32) -> Vec<Line> {
    let answered = (call.talk() > 0).then(|| later(call.arrival, call.length() - call.talk()));
    let duration = answered.map(|_| call.talk());
    let (start, end, reason) = (call.arrival, call.end(), "TerminatedBySrc");
    match &call.parties {
        Parties::Inbound { .. } => {
            let number = caller(&call.parties).unwrap_or("anonymous");
            let legs = portions(call);
            let menu = usize::from(legs.first().is_some_and(|leg| leg.taker == Taker::Menu));
            let print =
                |(index, leg): (usize, &Portion)| incoming(leg, number).print(history, index, index == menu, leg);
            legs.iter().enumerate().map(print).collect()
        }
        Parties::Outbound { station, number } => {
            let (name, device) = (format!("Ext.{station}"), station.to_string());
            let (from, to) = ([name.as_str(), &device, "Extension"], [number.as_str(), "10000", "Line"]);
            let last = if answered.is_some() { to } else { [""; 3] };
            let fields = Fields {
                duration,
                start,
                answered,
                end,
                reason,
                from,
                to,
                last,
                dialled: number,
                changed: "",
                polled: "",
            };
            vec![fields.print(history, 1)]
        }
        Parties::Internal { from, to } => {
            let [from, to] = [from, to].map(|station| (format!("Ext.{station}"), station.to_string()));
            let dialled = to.1.as_str();
            let (from, to) = ([from.0.as_str(), &from.1, "Extension"], [to.0.as_str(), &to.1, "Extension"]);
            let last = if answered.is_some() { to } else { [""; 3] };
            let fields =
                Fields { duration, start, answered, end, reason, from, to, last, dialled, changed: "", polled: "" };
            vec![fields.print(history, 1)]
        }
        Parties::MailboxCheck { .. } => Vec::new(),
    }
}

struct Incoming {
    number: String,
    station: String,
}

fn incoming(leg: &Portion, number: &str) -> Incoming {
    let prefix = if leg.taker == Taker::Mailbox { "VMail." } else { "Ext." };
    Incoming { number: number.to_owned(), station: format!("{prefix}{}", leg.station) }
}

impl Incoming {
    fn print(&self, history: u32, index: usize, first: bool, leg: &Portion) -> Line {
        let taken = leg.taker != Taker::Nobody;
        let device = leg.station.to_string();
        let from = [self.number.as_str(), "10000", "Line"];
        let kind = match leg.taker {
            Taker::Mailbox => "VMail",
            Taker::Menu => "IVR",
            Taker::Staff | Taker::Nobody => "Extension",
        };
        let station = [self.station.as_str(), &device, kind];
        // First to the queue, later from hand to hand.
        let queue = [QUEUE, "800", "Queue"];
        let to = if first && leg.taker != Taker::Menu { queue } else { station };
        let fields = Fields {
            duration: taken.then_some(leg.talk + leg.hold),
            start: leg.offered,
            answered: taken.then(|| leg.taken()),
            end: leg.end(),
            reason: if leg.engaged() { "TargetBusy" } else { "TerminatedBySrc" },
            from,
            to,
            last: if taken { station } else { [""; 3] },
            dialled: "",
            changed: if taken && to != station { "ReplacedDst" } else { "" },
            polled: if taken { "" } else { "101;102" },
        };
        fields.print(history, index + 1)
    }
}

/// The family.
pub fn family() -> Family {
    Family {
        name: "3cx",
        dialect: "3cx",
        options: "",
        transport: "TCP, the PBX is the client (active socket)",
        link: || Connects::boxed(wrap),
        has: Has { menu: true, busy: true, ..Has::PLAIN },
        cannot: &["hold"],
        roles: "",
        print: |day| records(day).into_iter().map(|line| Printed::record(line.at, line.text)).collect(),
        shows: |call| Some(Shown::all(call)),
        remark: "times in UTC",
    }
}

fn wrap(text: &str) -> Vec<u8> {
    format!("{text}{END}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::hand::{inbound, on, outbound, ring, talk};
    use super::*;

    fn texts(lines: Vec<Line>) -> Vec<String> {
        lines.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn records_have_the_fields_of_the_documentation() {
        let answered = inbound("09:00:00", 1, Some("07700900111"), &[ring(201, 20), talk(201, 65, 0)]);
        let missed = inbound("09:02:00", 1, Some("07700900112"), &[ring(201, 70)]);
        let out = outbound("10:00:00", 1, 201, "01632960099", 25);
        assert_eq!(
            texts(records(&on("2024-03-04", vec![answered, missed, out]))),
            [
                "Call 101,0000000000000065_1,00:01:05,2024/03/04 09:00:00,2024/03/04 09:00:20,2024/03/04 09:01:25,TerminatedBySrc,07700900111,Ext.800,10000,800,,ReplacedDst,Ext.201,201,,,,,Chain: 07700900111;Ext.800;Ext.201;,Line,Queue,Extension,07700900111,800,201,",
                "Call 102,0000000000000066_1,,2024/03/04 09:02:00,,2024/03/04 09:03:10,TerminatedBySrc,07700900112,Ext.800,10000,800,,,,,,,,,Chain: 07700900112;Ext.800;,Line,Queue,,07700900112,800,,101;102",
                "Call 103,0000000000000067_1,00:00:25,2024/03/04 10:00:00,2024/03/04 10:00:00,2024/03/04 10:00:25,TerminatedBySrc,Ext.201,01632960099,201,10000,01632960099,,01632960099,10000,,,,,Chain: Ext.201;01632960099;01632960099;,Extension,Line,Line,201,01632960099,01632960099,",
            ]
        );
    }
}
