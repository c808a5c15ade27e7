//! A Toshiba Strata: the DK's line, which names the minute of release and has its date in a heading, and the CTX's.
//!
//! Sources: Strata DK40 I&M Manual, Spring 1999, pages 6-40 and 6-41; Strata CTX I&M, 10/02, Table 9-4. Internal calls
//! are in neither.

use jiff::tz::TimeZone;
use smdrd::simulator::Line;
use smdrd::simulator::scenario::{Call, Day, Ending, Parties};

use super::portions::{Portion, Taker, caller, hms, later, portions, wall};
use crate::day::Has;
use crate::figures::{Kind as What, Shown};
use crate::link::{Serial, cr_lf};
use crate::stage::{Family, Kind, Printed};

/// The DK40's lines, with the heading every 50 records.
pub fn dk(day: &Day) -> Vec<Line> {
    let mut records: Vec<Line> = day.calls.iter().flat_map(|call| dk_records(call, &day.zone)).collect();
    records.sort_by_key(|line| line.at);
    let mut lines = Vec::new();
    for (index, record) in records.into_iter().enumerate() {
        if index % 50 == 0 {
            lines.push(Line { at: record.at, text: wall(record.at, &day.zone, "<%d/%m/%y>") });
        }
        lines.push(record);
    }
    lines
}

/// Columns 16-23: the seconds stand behind a semicolon.
fn dk_duration(seconds: u32) -> String {
    format!("{:02}:{:02};{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn dk_records(call: &Call, zone: &TimeZone) -> Vec<Line> {
    let Some(line) = call.line else { return Vec::new() };
    let print =
        |at, who: &str, seconds: u32, ring: Option<u32>, moved: &str, number: &str, star: &str, caller: &str| {
            let ring = ring.map(|ring| format!("{:02}:{:02}", ring / 60, ring % 60)).unwrap_or_default();
            let duration = dk_duration(seconds);
            let time = wall(at, zone, "%H:%M");
            let text = format!(
                "{line:03} {who:4} {time:5} {duration:8} {ring:5} {moved:4} {number:26} {:15} {star:1} {caller:16}",
                ""
            );
            Line { at, text: text.trim_end().to_owned() }
        };
    match &call.parties {
        Parties::Inbound { .. } => {
            let legs = portions(call);
            let number = caller(&call.parties).unwrap_or_default();
            let Some(first) = legs.first() else { return Vec::new() };
            if first.taker == Taker::Nobody {
                return vec![print(first.end(), "ABAN", first.ring, None, "", "", "", number)];
            }
            // One line a call: who took it, how long it was on the line since, and to whom it was passed on.
            let moved = legs.get(1).map(|leg| leg.station.to_string()).unwrap_or_default();
            let connected = call.length() - first.ring;
            vec![print(call.end(), &first.station.to_string(), connected, Some(first.ring), &moved, "", "", number)]
        }
        Parties::Outbound { station, number } => {
            // Answer supervision: the star, and then the duration is the talk.
            let (seconds, star) = if call.talk() > 0 { (call.talk(), "*") } else { (call.length(), "") };
            vec![print(call.end(), &station.to_string(), seconds, None, "", number, star, "")]
        }
        Parties::Internal { .. } | Parties::MailboxCheck { .. } => Vec::new(),
    }
}

/// The CTX's lines (R1.03 and later), the caller on a second line.
pub fn ctx(day: &Day) -> Vec<Line> {
    let mut lines: Vec<Line> = day
        .calls
        .iter()
        .filter(|call| call.line.is_some())
        .enumerate()
        .flat_map(|(number, call)| ctx_records(call, number % 128, &day.zone))
        .collect();
    lines.sort_by_key(|line| line.at);
    lines
}

fn ctx_records(call: &Call, number: usize, zone: &TimeZone) -> Vec<Line> {
    let trunk = format!("T001{:05}", call.line.unwrap_or(0));
    let print = |kind: char, at, from: &str, to: &str, seconds: Option<u32>, digits: &str, caller: Option<&str>| {
        let duration = seconds.map(|seconds| format!("{}.0", hms(seconds))).unwrap_or_default();
        let stamp = wall(at, zone, "%m/%d %H:%M:%S");
        let first = format!("{kind} {number:03} {:6} {from:9} {to:9} {stamp} {duration:10} {digits:32}", "00");
        let text = match caller {
            Some(caller) => format!("{}\r\n & {caller}", first.trim_end()),
            None => first,
        };
        Line { at, text }
    };
    match &call.parties {
        Parties::Inbound { .. } => {
            let legs = portions(call);
            let number = caller(&call.parties);
            let station = |leg: &Portion| format!("DN{}", leg.station);
            match legs.as_slice() {
                [] => Vec::new(),
                [leg] if leg.taker == Taker::Nobody => {
                    vec![print('B', leg.end(), &trunk, &station(leg), Some(leg.ring), "", number)]
                }
                [leg] => vec![print('N', leg.end(), &trunk, &station(leg), Some(leg.talk + leg.hold), "", number)],
                [first, .., last] => {
                    let length = later(first.taken(), 0).duration_since(last.end()).abs().as_secs();
                    vec![
                        print('S', first.taken(), &trunk, &station(first), None, "", number),
                        print('X', last.taken(), &trunk, &station(last), None, "", None),
                        print('E', last.end(), &trunk, &station(last), u32::try_from(length).ok(), "", None),
                    ]
                }
            }
        }
        Parties::Outbound { station, number } => {
            vec![print('N', call.end(), &format!("DN{station}"), &trunk, Some(call.length()), number, None)]
        }
        Parties::Internal { .. } | Parties::MailboxCheck { .. } => Vec::new(),
    }
}

/// What the records of both show; from the answer on the call is one piece.
fn shows(call: &Call) -> Option<Shown> {
    let mut shown = Shown::all(call);
    match shown.kind {
        What::Internal => return None,
        What::Inbound(Ending::Answered) => shown.talk = Some(call.length() - call.wait()),
        _ => {}
    }
    Some(shown)
}

/// A DK40.
pub fn dk_family() -> Family {
    Family {
        name: "toshiba-strata, DK",
        dialect: "toshiba-strata",
        options: "layout = \"dk\"",
        transport: "serial, 1200 8N1",
        link: || Serial::boxed("baud = 1200", cr_lf),
        has: Has::PLAIN,
        cannot: &["hold", "internal"],
        roles: "\"230\" = \"voicemail\"",
        print: |day| {
            let kind = |text: &str| if text.starts_with('<') { Kind::Header } else { Kind::Record };
            dk(day).into_iter().map(|line| Printed::of(line.at, kind(&line.text), line.text)).collect()
        },
        shows: |call| {
            let mut shown = shows(call)?;
            // The minute of the release, less what came before it.
            let second = call.end().as_second();
            let early = u32::try_from(second.rem_euclid(60)).unwrap();
            (shown.from, shown.until) = (shown.from - seconds(early), shown.until - seconds(early));
            match shown.kind {
                What::Outbound(Some(false)) => (shown.kind, shown.talk) = (What::Outbound(None), Some(call.length())),
                // What the ring column of an abandoned call says is not documented.
                What::Inbound(Ending::GaveUp) => {
                    (shown.from, shown.until) = (call.end() - seconds(early), call.end() - seconds(early));
                    (shown.wait, shown.busy.0) = (None, 0);
                }
                _ => {}
            }
            Some(shown)
        },
        remark: "the minute of the release; after a transfer the talk is the whole call's",
    }
}

/// A CTX.
pub fn ctx_family() -> Family {
    Family {
        name: "toshiba-strata, CTX",
        dialect: "toshiba-strata",
        options: "layout = \"ctx-r103\"",
        transport: "serial, 9600 8N1",
        link: || Serial::boxed("baud = 9600", cr_lf),
        has: Has::PLAIN,
        cannot: &["hold", "internal", "ring", "outbound-answer"],
        roles: "\"230\" = \"voicemail\"",
        print: |day| {
            let line = |record: &Line| {
                let mut lines: Vec<Printed> =
                    record.text.lines().map(|text| Printed::of(record.at, Kind::Continuation, text)).collect();
                if let Some(last) = lines.last_mut() {
                    last.kind = Kind::Record;
                }
                lines
            };
            ctx(day).iter().flat_map(line).collect()
        },
        shows: |call| {
            let mut shown = shows(call)?;
            shown.wait = None;
            if matches!(shown.kind, What::Outbound(_)) {
                (shown.kind, shown.talk) = (What::Outbound(None), Some(call.length()));
            } else {
                shown.from = later(call.arrival, call.wait());
                shown.until = shown.from;
                shown.busy.0 = 0;
                if portions(call).len() > 1 {
                    // What the last record's duration counts is not told.
                    shown.talk = None;
                }
            }
            Some(shown)
        },
        remark: "no ring time: a call stands where it was answered; talk is the whole call's",
    }
}

fn seconds(seconds: u32) -> jiff::SignedDuration {
    jiff::SignedDuration::from_secs(seconds.into())
}

#[cfg(test)]
mod tests {
    use super::super::hand::{inbound, on, outbound, ring, talk};
    use super::*;

    fn texts(lines: Vec<Line>) -> Vec<String> {
        lines.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn the_dk_line_stands_in_the_columns_of_the_manual() {
        let out = outbound("12:20:00", 3, 201, "01632960142", 121);
        let answered = inbound("12:30:00", 1, Some("01632960143"), &[ring(205, 65), talk(205, 8, 0)]);
        let missed = inbound("12:40:00", 2, None, &[ring(205, 20)]);
        let texts = texts(dk(&on("1999-03-05", vec![out, answered, missed])));
        assert_eq!(texts[0], "<05/03/99>");
        assert_eq!(&texts[1][..62], "003 201  12:22 00:02;01            01632960142                ");
        assert_eq!((texts[1].len(), texts[1].get(78..)), (79, Some("*")));
        assert_eq!(&texts[2][..29], "001 205  12:31 00:00;08 01:05");
        assert_eq!(texts[2].get(80..), Some("01632960143"));
        assert_eq!(texts[3], "002 ABAN 12:40 00:00;20");
    }

    #[test]
    fn the_ctx_line_is_that_of_the_manual() {
        let out = outbound("12:00:20", 100, 1234, "01632960145", 630);
        assert_eq!(
            texts(ctx(&on("2024-06-28", vec![out]))),
            ["N 000 00     DN1234    T00100100 06/28 12:10:50 00:10:30.0 01632960145                     "]
        );
    }
}
