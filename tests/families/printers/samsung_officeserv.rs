//! A Samsung OfficeServ 7200 on its serial port: 122 columns in pages with a header that has the year, a line a leg, and
//! an `IA` line for the wait of a call that was answered.
//!
//! Sources: OfficeServ 7200 and DS-24D manuals (flags, the sample with IA, IT and T); captures for columns and pages.

use jiff::Timestamp;
use smdrd::simulator::scenario::{Call, Day, Parties};

use super::{hms, legs};
use crate::day::Has;
use crate::figures::{Kind as What, Shown};
use crate::link::{FORM_FEED, Listens, Serial, cr_lf};
use crate::stage::{Family, Kind, Printed};

const PAGE: usize = 50;
const TITLE: &str = "  T EXT  AUTH TRK  MM/DD STT.TIME DURATION FG DIALED DIGIT       ACCOUNT CODE    COST  CLIP NUMBER      CLIP NAME         ";

/// The family.
pub fn family() -> Family {
    Family {
        name: "samsung-officeserv, 122 columns",
        dialect: "samsung-officeserv",
        options: "",
        transport: "serial, 9600 8N1",
        link: || Serial::boxed("baud = 9600", cr_lf),
        has: Has { internal: false, ..Has::PLAIN },
        cannot: &["internal", "outbound-answer"],
        roles: "\"230\" = \"voicemail\"",
        print,
        shows,
        remark: "with abandoned calls (MMC 725, 11) and callers' numbers (10) switched on",
    }
}

/// The same over its LAN port: a NUL ends each record, and pages have no top.
pub fn lan_family() -> Family {
    Family {
        name: "samsung-officeserv, LAN",
        transport: "TCP, the box connects; each record ends with NUL",
        link: || Listens::boxed(b"", |text| format!("{text}\r\n\0").into_bytes()),
        print: |day| print(day).into_iter().filter(|line| line.kind == Kind::Record).collect(),
        remark: "without page headers (MMC 725, 00), so that the year is the box's",
        ..family()
    }
}

fn print(day: &Day) -> Vec<Printed> {
    let mut records: Vec<Printed> = day.calls.iter().flat_map(|call| of_call(day, call)).collect();
    records.sort_by_key(|record| record.at);
    let mut lines = Vec::new();
    for (index, record) in records.into_iter().enumerate() {
        if index % PAGE == 0 {
            let at = record.at;
            let stamp = at.to_zoned(day.zone.clone()).strftime("%b/%d/%Y %H:%M").to_string();
            let head = format!("             SMDR REPORT FOR [                 ] {stamp}  ");
            let rule = "=".repeat(122);
            let page = [FORM_FEED, "", &head, &rule, TITLE, &rule];
            lines.extend(page.map(|text| Printed::of(at, Kind::Header, text)));
        }
        lines.push(record);
    }
    lines
}

fn of_call(day: &Day, call: &Call) -> Vec<Printed> {
    let trunk = 700 + u16::from(call.line.unwrap_or_default());
    let row =
        |printed: Timestamp, start: Timestamp, station: &str, seconds: u32, flag: &str, dialled: &str, clip: &str| {
            let text = format!(
                "  1 {station:<4} {:4} {:<4} {} {} {flag:<2} {dialled:<18} {:12} {:>8} {clip:<16} {:<18}",
                "",
                format!("#{trunk}"),
                start.to_zoned(day.zone.clone()).strftime("%m/%d %H:%M:%S"),
                hms(seconds),
                "",
                "0.00",
                "",
            );
            Printed::record(printed, text)
        };
    match &call.parties {
        Parties::Outbound { station, number } => {
            let station = station.to_string();
            vec![row(call.end(), call.arrival, &station, call.talk(), "O", &format!("{number}#"), "")]
        }
        Parties::Inbound { caller, ddi } => {
            let clip = caller.as_deref().unwrap_or_default();
            let mut lines = Vec::new();
            for leg in legs(call) {
                let station = leg.station.to_string();
                if !leg.taken {
                    lines.push(row(leg.ends, leg.rings, "", leg.ring, "A", ddi, clip));
                    continue;
                }
                if leg.first {
                    lines.push(row(leg.begins, leg.rings, &station, leg.ring, "IA", ddi, clip));
                }
                let flag = match (leg.first, leg.last) {
                    (true, true) => "I",
                    (true, false) => "IT",
                    (false, true) => "T",
                    (false, false) => "TT",
                };
                lines.push(row(leg.ends, leg.begins, &station, leg.talk, flag, ddi, clip));
            }
            lines
        }
        _ => Vec::new(),
    }
}

fn shows(call: &Call) -> Option<Shown> {
    let mut shown = Shown::all(call);
    if let What::Outbound(_) = shown.kind {
        shown.kind = What::Outbound(None);
        shown.busy.0 = call.talk();
    }
    Some(shown)
}

#[test]
fn a_line_is_that_of_the_capture() {
    let lines = print(&crate::day::day(Has { internal: false, ..Has::PLAIN }, 1));
    let example = "  1 412       #703 12/25 17:10:47 00:00:19 O  5550119#1                           0.00                                    ";
    let out = lines.iter().find(|line| line.text.get(43..45) == Some("O ")).unwrap();
    assert_eq!(out.text.len(), example.len(), "{out:?}");
    assert_eq!(out.text.get(64..), example.get(64..));
    assert_eq!(out.text.get(7..15), example.get(7..15));
}
