//! An ESI IVX: a record for each station's portion of a call on a line, as CSV or in columns. Calls that nobody
//! answered and internal calls make none; nor do the mailbox and the queue.
//!
//! Source: ESI, IVX C-Class Installation Manual, page I.1; Panasonic DBS, SMDR columns.

use jiff::tz::TimeZone;
use smdrd::simulator::Line;
use smdrd::simulator::scenario::{Call, Day, Ending, Parties};

use super::portions::{Taker, caller, hms, later, portions, wall};
use crate::day::Has;
use crate::figures::{Kind as What, Shown};
use crate::link::{Link, Listens, Serial};
use crate::stage::{Family, Printed};

/// What ends a line: line feed and carriage return.
pub const END: &str = "\n\r";

struct Record {
    kind: char,
    start: jiff::Timestamp,
    seconds: u32,
    station: u16,
    number: String,
    line: u8,
}

/// The CSV records.
pub fn csv(day: &Day) -> Vec<Line> {
    let print = |record: &Record, zone: &TimeZone| {
        format!(
            "\"{}\",\"{}\",\"{}\",\"{}\",\"{}\",\"{}\",\"\",\"{:02}\"",
            record.kind,
            wall(record.start, zone, "%m%d%Y"),
            wall(record.start, zone, "%H%M%S"),
            hms(record.seconds).replace(':', ""),
            record.station,
            record.number,
            record.line
        )
    };
    printed(day, print)
}

/// The records in columns: an outgoing number stands to the right, a caller's to the left.
pub fn tabular(day: &Day) -> Vec<Line> {
    let print = |record: &Record, zone: &TimeZone| {
        let number = match record.kind {
            'O' => format!("{:>28}", record.number),
            _ => format!("{:<28}", record.number),
        };
        format!(
            "{} {} {} {:<3} {number} {:10} {:5} {:02}",
            record.kind,
            wall(record.start, zone, "%m/%d %H:%M:%S"),
            hms(record.seconds),
            record.station,
            "",
            "",
            record.line
        )
    };
    printed(day, print)
}

fn printed(day: &Day, print: impl Fn(&Record, &TimeZone) -> String) -> Vec<Line> {
    let records = day.calls.iter().flat_map(records);
    let line = |record: Record| Line { at: later(record.start, record.seconds), text: print(&record, &day.zone) };
    let mut lines: Vec<Line> = records.map(line).collect();
    lines.sort_by_key(|line| line.at);
    lines
}

fn records(call: &Call) -> Vec<Record> {
    let Some(line) = call.line else { return Vec::new() };
    match &call.parties {
        Parties::Inbound { .. } => {
            let taken = portions(call).into_iter().filter(|leg| leg.taker == Taker::Staff);
            let record = |(index, leg): (usize, super::portions::Portion)| Record {
                kind: if index == 0 { 'I' } else { 'T' },
                start: leg.taken(),
                seconds: leg.talk,
                station: leg.station,
                number: caller(&call.parties).unwrap_or_default().to_owned(),
                line,
            };
            taken.enumerate().map(record).collect()
        }
        Parties::Outbound { station, number } => {
            let record = Record {
                kind: 'O',
                start: call.arrival,
                seconds: call.length(),
                station: *station,
                number: number.clone(),
                line,
            };
            vec![record]
        }
        Parties::Internal { .. } | Parties::MailboxCheck { .. } => Vec::new(),
    }
}

fn family(
    name: &'static str,
    options: &'static str,
    transport: &'static str,
    link: fn() -> Box<dyn Link>,
    print: fn(&Day) -> Vec<Printed>,
) -> Family {
    Family {
        name,
        dialect: "esi-ivx",
        options,
        transport,
        link,
        has: Has::PLAIN,
        cannot: &["unanswered", "ring", "hold", "internal", "outbound-answer"],
        roles: "",
        print,
        shows: |call| {
            let mut shown = Shown::all(call);
            match shown.kind {
                What::Inbound(Ending::Answered) => {}
                What::Outbound(_) => (shown.kind, shown.talk) = (What::Outbound(None), Some(call.length())),
                _ => return None,
            }
            if matches!(shown.kind, What::Inbound(_)) {
                // From the answer of the first station to the end of the last.
                shown.from = later(call.arrival, call.wait());
                shown.until = shown.from;
                shown.busy = (call.talk(), call.length());
            }
            shown.wait = None;
            Some(shown)
        },
        remark: "only calls that a station took, from their answer on; of the mailbox nothing",
    }
}

fn records_of(lines: Vec<Line>) -> Vec<Printed> {
    lines.into_iter().map(|line| Printed::record(line.at, line.text)).collect()
}

fn wrap(text: &str) -> Vec<u8> {
    format!("{text}{END}").into_bytes()
}

/// CSV on the network.
pub fn csv_family() -> Family {
    let link: fn() -> Box<dyn Link> = || Listens::boxed(b"", wrap);
    let transport = "TCP, the box is the client";
    family("esi-ivx, CSV", "format = \"csv\"", transport, link, |day| records_of(csv(day)))
}

/// Columns on the serial port.
pub fn tabular_family() -> Family {
    let link: fn() -> Box<dyn Link> = || Serial::boxed("baud = 1200", wrap);
    family("esi-ivx, columns", "format = \"tabular\"", "serial, 1200 8N1", link, |day| records_of(tabular(day)))
}

#[cfg(test)]
mod tests {
    use super::super::hand::{inbound, on, outbound, ring, talk};
    use super::*;

    fn texts(lines: Vec<Line>) -> Vec<String> {
        lines.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn csv_is_that_of_the_manual() {
        let answered = inbound("00:08:43", 54, Some("01632960142"), &[ring(101, 9), talk(101, 59, 0)]);
        let out = outbound("20:15:02", 11, 190, "01632960143", 7512);
        assert_eq!(
            texts(csv(&on("2002-07-04", vec![answered, out]))),
            [
                r#""I","07042002","000852","000059","101","01632960142","","54""#,
                r#""O","07042002","201502","020512","190","01632960143","","11""#,
            ]
        );
    }

    #[test]
    fn columns_are_those_of_the_manual() {
        let answered = inbound("00:08:43", 4, Some("01632960142"), &[ring(101, 9), talk(101, 59, 0)]);
        let out = outbound("20:15:02", 11, 190, "01632960143", 7512);
        let texts = texts(tabular(&on("2002-07-04", vec![answered, out])));
        assert_eq!(texts[0], "I 07/04 00:08:52 00:00:59 101 01632960142                                   04");
        for (from, to, what) in [(0, 1, "O"), (2, 7, "07/04"), (8, 16, "20:15:02"), (17, 25, "02:05:12")] {
            assert_eq!(&texts[1][from..to], what);
        }
        assert_eq!(&texts[1][26..29], "190");
        assert_eq!(&texts[1][30..58], "                 01632960143");
        assert_eq!(&texts[1][76..], "11");
    }
}
