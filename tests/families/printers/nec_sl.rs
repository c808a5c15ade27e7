//! A NEC SL1000, SL1100 or SV8100: the text report of PRG 35, in Format 1 with a date column and in Format 2.
//!
//! Source: SL1100 Features and Specifications, Tables 1-67 and 1-68; Aspila Topaz Programming Manual, PRG 35-02 ruler.
//! A page has a head; times are minutes, and of the leg's start.

use smdrd::simulator::Line;
use smdrd::simulator::scenario::{Call, Day, Parties};

use super::portions::{Taker, caller, hms, portions, wall};
use crate::day::Has;
use crate::figures::{Kind as What, Shown};
use crate::link::{FORM_FEED, Listens, cr_lf};
use crate::stage::{Family, Kind, Printed};

/// Records of a page in Format 2.
const PAGE: usize = 55;

struct Record {
    at: jiff::Timestamp,
    begun: jiff::Timestamp,
    class: &'static str,
    line: Option<u8>,
    seconds: Option<u32>,
    station: Option<u16>,
    number: String,
    remark: &'static str,
}

/// Format 1 with the date column (PRG 35-02-14 = 1), a head on each page.
pub fn format_1(day: &Day) -> Vec<Line> {
    let zone = &day.zone;
    let mut lines = Vec::new();
    for (index, record) in records(day, true).into_iter().enumerate() {
        let at = record.at;
        let mut put = |text: String| lines.push(Line { at, text });
        if index % PAGE == 0 {
            put(format!("\x0c{:60}{} PAGE {:03}", "", wall(at, zone, "%m/%d/%Y"), index / PAGE + 1));
            put("CLASS TIME DATE  LINE DURATION  STATION     DIALLED No./CLI    ACCOUNT".to_owned());
            put(String::new());
        }
        let line = record.line.map(|line| format!("{line:03}")).unwrap_or_default();
        let stamp = wall(record.begun, zone, "%H:%M %m/%d");
        let duration = record.seconds.map(hms).unwrap_or_default();
        let station = record.station.map(|station| station.to_string()).unwrap_or_default();
        put(format!(
            "{:4} {stamp} {line:4} {duration:8} {station:10} {:20} {:16}",
            record.class, record.number, record.remark
        ));
    }
    lines
}

/// Format 2, as delivered in the United Kingdom: no date in the records, only in the head of a page.
pub fn format_2(day: &Day) -> Vec<Line> {
    let zone = &day.zone;
    let mut lines = Vec::new();
    for (index, record) in records(day, false).into_iter().enumerate() {
        let at = record.at;
        let mut put = |text: String| lines.push(Line { at, text });
        if index % PAGE == 0 {
            put(format!("\x0c{:60}{} PAGE {:03}", "", wall(at, zone, "%d/%m/%y"), index / PAGE + 1));
            put("   CLSS TIME  LAIN       DURATION STATION    DIALLED No./CLI  RD.COST ACCOUNT".to_owned());
            put(String::new());
        }
        let line = record.line.map(|line| format!("{line:03}")).unwrap_or_default();
        let station = record.station.map(|station| station.to_string()).unwrap_or_default();
        put(format!(
            "{:02} {:4} {} {line:10} {} {station:10} {:16} {:7} {:8}",
            index % PAGE + 1,
            record.class,
            wall(record.begun, zone, "%H:%M"),
            hms(record.seconds.unwrap_or(0)),
            record.number,
            "",
            ""
        ));
    }
    lines
}

fn records(day: &Day, first: bool) -> Vec<Record> {
    let mut records: Vec<Record> = day.calls.iter().flat_map(|call| of(call, first)).collect();
    records.sort_by_key(|record| record.at);
    records
}

/// `first`: the classes of Format 1, of a PRI; else those of Format 2, of ISDN.
fn of(call: &Call, first: bool) -> Vec<Record> {
    let class = |one, two| if first { one } else { two };
    match &call.parties {
        Parties::Inbound { .. } => {
            let number = caller(&call.parties).unwrap_or_default();
            let record = |(index, leg): (usize, super::portions::Portion)| {
                let taken = leg.taker != Taker::Nobody;
                Record {
                    at: leg.end(),
                    begun: leg.offered,
                    class: if index == 0 { class("IVIN", "IIN") } else { class("ITRS", "PTRS") },
                    line: call.line,
                    seconds: taken.then_some(leg.talk + leg.hold),
                    station: taken.then_some(leg.station),
                    number: number.to_owned(),
                    remark: if taken { "" } else { "NO ANSWER" },
                }
            };
            portions(call).into_iter().enumerate().map(record).collect()
        }
        Parties::Outbound { station, number } => vec![Record {
            at: call.end(),
            begun: call.arrival,
            class: class("IVOT", "IOT"),
            line: call.line,
            seconds: Some(call.length()),
            station: Some(*station),
            number: number.clone(),
            remark: "",
        }],
        Parties::Internal { from, to } => vec![Record {
            at: call.end(),
            begun: call.arrival,
            class: "ICM",
            line: None,
            seconds: Some(call.talk()),
            station: Some(*from),
            number: to.to_string(),
            remark: "",
        }],
        Parties::MailboxCheck { .. } => Vec::new(),
    }
}

fn printed(lines: Vec<Line>) -> Vec<Printed> {
    let kind = |text: &str| match text {
        text if text.contains("PAGE") || text.contains("DIALLED No./CLI") || text.is_empty() => Kind::Header,
        _ => Kind::Record,
    };
    let mut printed = Vec::new();
    for line in lines {
        let text = line.text.trim_start_matches(FORM_FEED);
        if text.len() < line.text.len() {
            printed.push(Printed::of(line.at, Kind::Header, FORM_FEED));
        }
        printed.push(Printed::of(line.at, kind(text), text));
    }
    printed
}

fn shows(call: &Call) -> Option<Shown> {
    let mut shown = Shown::all(call);
    let legs = portions(call);
    match shown.kind {
        What::Outbound(_) => {
            shown.kind = What::Outbound(None);
            // From the seizure, and only so is it told.
            shown.talk = Some(call.length());
        }
        // Hold and conversation are one.
        What::Inbound(_) => {
            let staff = legs.iter().filter(|leg| leg.taker == Taker::Staff);
            shown.talk = Some(staff.map(|leg| leg.talk + leg.hold).sum());
        }
        What::Internal => {}
    }
    shown.wait = None;
    shown.busy.0 = shown.busy.0.saturating_sub(call.wait());
    Some(shown.at_its_minute(0))
}

const CANNOT: &[&str] = &["ring", "hold", "outbound-answer"];
const ROLES: &str = "\"230\" = \"voicemail\"";

/// Format 1, the PBX waiting for the box.
pub fn format_1_family() -> Family {
    Family {
        name: "nec-sl-sv8100, Format 1",
        dialect: "nec-sl-sv8100",
        options: "format = \"1\", date = \"true\"",
        transport: "TCP, the box is the client",
        link: || Listens::boxed(b"", cr_lf),
        has: Has::PLAIN,
        cannot: CANNOT,
        roles: ROLES,
        print: |day| printed(format_1(day)),
        shows,
        remark: "minutes; no ring time",
    }
}

/// Format 2.
pub fn format_2_family() -> Family {
    Family {
        name: "nec-sl-sv8100, Format 2",
        dialect: "nec-sl-sv8100",
        options: "format = \"2\", date_order = \"DMY\"",
        transport: "TCP, the box is the client",
        link: || Listens::boxed(b"", cr_lf),
        has: Has::PLAIN,
        cannot: CANNOT,
        roles: ROLES,
        print: |day| printed(format_2(day)),
        shows,
        remark: "minutes; no ring time; the date only at the top of a page",
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
    fn format_1_stands_in_the_columns_of_the_table() {
        let day = on(
            "2024-12-09",
            vec![
                outbound("10:52:00", 2, 2001, "01632960142", 10),
                inbound("10:52:01", 1, Some("01632960143"), &[ring(2017, 9), talk(2017, 20, 0)]),
                inbound("10:53:00", 2, Some("01632960142"), &[ring(2017, 9)]),
            ],
        );
        assert_eq!(
            texts(format_1(&day)),
            [
                "\x0c                                                            12/09/2024 PAGE 001",
                "CLASS TIME DATE  LINE DURATION  STATION     DIALLED No./CLI    ACCOUNT",
                "",
                "IVOT 10:52 12/09 002  00:00:10 2001       01632960142                          ",
                "IVIN 10:52 12/09 001  00:00:20 2017       01632960143                          ",
                "IVIN 10:53 12/09 002                      01632960142          NO ANSWER       ",
            ]
        );
    }

    #[test]
    fn format_2_stands_under_the_ruler_of_the_topaz() {
        let answered = inbound("09:00:50", 1, Some("01632960151"), &[ring(201, 10), talk(201, 200, 0)]);
        let missed = inbound("09:02:00", 2, Some("01632960152"), &[ring(201, 9)]);
        let out = outbound("09:05:00", 3, 202, "01632960153", 50);
        assert_eq!(
            texts(format_2(&on("2024-12-09", vec![answered, missed, out])))[3..],
            [
                "01 IIN  09:02 002        00:00:00            01632960152                      ",
                "02 IIN  09:00 001        00:03:20 201        01632960151                      ",
                "03 IOT  09:05 003        00:00:50 202        01632960153                      ",
            ]
        );
    }
}
