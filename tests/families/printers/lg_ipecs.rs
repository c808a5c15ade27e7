//! An LG ipLDK with a serial port: 93 columns in pages with a header, a line a leg, stamped with the minute in which the
//! leg began, ring time instead of the caller's number, all legs of a call under one number.
//!
//! Sources: ipLDK-20 manual, 2.12.2 (lost calls); captures of an LDK-100 and an LDK-300 for columns and pages.

use jiff::Timestamp;
use smdrd::simulator::scenario::{Call, Day, Parties};

use super::{hms, legs, ms};
use crate::day::{DDIS, GROUP, Has};
use crate::figures::{Kind as What, Shown};
use crate::link::{Serial, cr_lf};
use crate::stage::{Family, Kind, Printed};

const PAGE: usize = 56;
const TITLE: &str = " NO   STA   CO  TIME     START          DIALED             ACT  CNT   COST       ACCOUNT CODE";
const RULER: &str = "---- ----- --- -------- -------------- ------------------- --- ----- ----------- ------------";

/// The family.
pub fn family() -> Family {
    Family {
        name: "lg-ipecs, ring shown",
        dialect: "lg-ipecs",
        options: "layout = \"ldk\", field = \"ring\", date_order = \"DMY\"",
        transport: "serial, 9600 8N1",
        link: || Serial::boxed("baud = 9600", cr_lf),
        has: Has::PLAIN,
        cannot: &["cli", "internal", "outbound-answer"],
        roles: "\"220\" = \"hunt-group\"\n\"230\" = \"voicemail\"",
        print,
        shows,
        remark: "start to the minute; with RING in the number's place, so nothing of callers",
    }
}

/// The same with callers in the number's place, and LF CR behind each line, as an LDK-300 prints it.
pub fn cli_family() -> Family {
    Family {
        name: "lg-ipecs, callers shown",
        options: "layout = \"ldk\", field = \"cli\", date_order = \"DMY\"",
        transport: "serial, 9600 8N1, LF CR",
        link: || Serial::boxed("baud = 9600", |text| format!("{text}\n\r").into_bytes()),
        cannot: &["ring", "internal", "outbound-answer"],
        print: |day| pages(day, true),
        shows: |call| {
            let mut shown = shows(call)?;
            shown.wait = None;
            shown.busy.0 = (call.length() - call.wait()).saturating_sub(60);
            // A call that a hunt group lost bears the group and not its caller.
            let lost = !legs(call).iter().any(|leg| leg.taken);
            shown.caller =
                matches!(&call.parties, Parties::Inbound { caller: Some(_), ddi } if !(lost && ddi == DDIS[0]));
            Some(shown)
        },
        remark: "start to the minute; with callers there is no ring time",
        ..family()
    }
}

fn print(day: &Day) -> Vec<Printed> {
    pages(day, false)
}

fn pages(day: &Day, callers: bool) -> Vec<Printed> {
    let mut records: Vec<Printed> = Vec::new();
    for (index, call) in day.calls.iter().filter(|call| call.line.is_some()).enumerate() {
        records.extend(of_call(day, call, index % 9999 + 1, callers));
    }
    records.sort_by_key(|record| record.at);
    let mut lines = Vec::new();
    for (index, record) in records.into_iter().enumerate() {
        if index % PAGE == 0 {
            let site = format!("---- Site Name : Surgery {}", "-".repeat(67));
            lines.extend([&site, TITLE, RULER].map(|text| Printed::of(record.at, Kind::Header, text)));
        }
        lines.push(record);
    }
    lines
}

fn of_call(day: &Day, call: &Call, number: usize, callers: bool) -> Vec<Printed> {
    let line = call.line.unwrap_or_default();
    let row = |start: Timestamp, end: Timestamp, station: &str, seconds: u32, dialled: String, act: &str| {
        let start = start.to_zoned(day.zone.clone()).strftime("%d/%m/%y %H:%M").to_string();
        let metered = !act.is_empty();
        let (count, cost) = if metered { ("0", "0") } else { ("", "") };
        let text = format!(
            "{number:04} {station:<5} {line:03} {} {start} {dialled:<19} {act:>3} {count:>5} {cost:>11} {:12}",
            hms(seconds),
            ""
        );
        Printed::record(end, text)
    };
    match &call.parties {
        Parties::Outbound { station, number } => {
            vec![row(call.arrival, call.end(), &station.to_string(), call.talk(), format!("O{number}"), "**")]
        }
        Parties::Inbound { ddi, caller } => {
            let group = ddi == DDIS[0];
            let of_leg = |leg: super::Leg| {
                let station = leg.station.to_string();
                let ring = if callers { String::new() } else { format!(" RING {}", ms(leg.ring)) };
                let caller = if callers { caller.as_deref().unwrap_or_default() } else { "" };
                if !leg.taken {
                    let (station, reached) = if group {
                        ("EXT".to_owned(), format!("G{GROUP}"))
                    } else {
                        (station.clone(), format!("R{}", if callers { caller } else { &station }))
                    };
                    return row(leg.rings, leg.ends, &station, 0, format!("{reached}{ring}"), "");
                }
                let dialled = if leg.first { format!("I{caller}{ring}") } else { format!("t{caller}") };
                row(leg.rings, leg.ends, &station, leg.talk, dialled, "")
            };
            legs(call).into_iter().map(of_leg).collect()
        }
        _ => Vec::new(),
    }
}

fn shows(call: &Call) -> Option<Shown> {
    let mut shown = Shown::all(call);
    shown.caller = false;
    match shown.kind {
        What::Internal => return None,
        What::Outbound(_) => {
            shown.kind = What::Outbound(None);
            shown.busy.0 = call.talk();
        }
        What::Inbound(_) => {}
    }
    Some(shown.at_its_minute(60))
}

#[test]
fn a_line_is_that_of_the_captures() {
    let lines = print(&crate::day::day(Has::PLAIN, 1));
    let example = "6380 106   006 00:00:32 10/01/05 09:44 I RING 00:03                                          ";
    let out = "6378 120   003 00:01:57 10/01/05 09:37 O960127              **     0           0             ";
    for (flag, example) in [("I", example), ("O", out)] {
        let line = &lines.iter().find(|line| line.text.get(39..40) == Some(flag)).unwrap().text;
        assert_eq!(line.len(), example.len(), "{line}");
        assert_eq!(line.get(58..), example.get(58..), "{line}");
    }
}
