//! A Mitel 5000 on its port 4000: it wants a log-in, sends each line of 80 columns in a frame that begins with its
//! length, and has the date in a page's top only. Ring-in records are on.
//!
//! Sources: Inter-Tel 5000 Administrator Guide 2.3 (fields, the frame); lines of an Axxess in a public client's tests.

use jiff::Timestamp;
use smdrd::simulator::scenario::{Call, Day, Parties};

use super::{hms, legs};
use crate::day::Has;
use crate::figures::{Kind as What, Shown};
use crate::link::Listens;
use crate::stage::{Family, Kind, Printed};

/// Length of what follows, 0x84 for SMDR, no password, its end.
const LOGIN: &[u8] = &[2, 0, 0, 0, 0x84, 0];
const PAGE: usize = 60;
const TITLE: &str = "TYP EXT#  TRUNK DIALED DIGITS                START ELAPSED   COST  ACCOUNT CODE";

/// The family.
pub fn family() -> Family {
    Family {
        name: "mitel-5000",
        dialect: "mitel-5000",
        options: "",
        transport: "TCP, the box connects and logs in; frames by length",
        link: || Listens::boxed(LOGIN, frame),
        has: Has { transfer: false, ..Has::PLAIN },
        cannot: &["internal", "outbound-answer"],
        roles: "\"230\" = \"voicemail\"",
        print,
        shows,
        remark: "start to the minute, the date from the page's top; one record a call says who had it last",
    }
}

fn frame(text: &str) -> Vec<u8> {
    let body = format!("{text}\r\n").into_bytes();
    [&u32::try_from(body.len()).unwrap().to_le_bytes()[..], &body].concat()
}

fn print(day: &Day) -> Vec<Printed> {
    let mut records: Vec<Printed> = day.calls.iter().flat_map(|call| of_call(day, call)).collect();
    records.sort_by_key(|record| record.at);
    let mut lines = Vec::new();
    for (index, record) in records.into_iter().enumerate() {
        if index % PAGE == 0 {
            let stamp = record.at.to_zoned(day.zone.clone()).strftime("%H:%M:%S %m-%d-%Y").to_string();
            let head = format!("{:<59} {stamp}", "Station Message Detailed Recording");
            lines.extend([head.as_str(), TITLE].map(|text| Printed::of(record.at, Kind::Header, text)));
        }
        lines.push(record);
    }
    lines
}

fn of_call(day: &Day, call: &Call) -> Vec<Printed> {
    let trunk = 94_100 + u32::from(call.line.unwrap_or_default());
    let row = |printed: Timestamp, start: Timestamp, kind: &str, ext: &str, digits: &str, seconds: u32, cost: &str| {
        let start = start.to_zoned(day.zone.clone()).strftime("%H:%M").to_string();
        let text = format!("{kind:<3} {ext:<5} {trunk} {digits:<28} {start} {} {cost:<6} {:12} ", hms(seconds), "");
        Printed::record(printed, text)
    };
    match &call.parties {
        Parties::Outbound { station, number } => {
            vec![row(
                call.end(),
                call.end() - secs(call.talk()),
                "LOC",
                &station.to_string(),
                number,
                call.talk(),
                "$00.00",
            )]
        }
        Parties::Inbound { caller, ddi } => {
            let ddi = &ddi[ddi.len() - 4..];
            let leg = legs(call)[0];
            // Without a caller the DDI stands alone, at the left.
            let (rang, digits) = match caller {
                Some(caller) => (format!("RG {caller:<20} {ddi:>4}"), format!("{caller:<23} {ddi:>4}")),
                None => (format!("RING......{ddi}"), ddi.to_owned()),
            };
            if !leg.taken {
                return vec![row(leg.ends, leg.rings, "", "*****", &rang, leg.ring, "")];
            }
            let station = leg.station.to_string();
            vec![
                row(leg.begins, leg.rings, "", &station, &rang, leg.ring, ""),
                row(leg.ends, leg.begins, "DID", &station, &digits, leg.talk, "$00.00"),
            ]
        }
        _ => Vec::new(),
    }
}

fn secs(seconds: u32) -> jiff::SignedDuration {
    jiff::SignedDuration::from_secs(i64::from(seconds))
}

fn shows(call: &Call) -> Option<Shown> {
    let mut shown = Shown::all(call);
    match shown.kind {
        What::Internal => return None,
        What::Outbound(_) => {
            shown.kind = What::Outbound(None);
            shown.from = call.end() - secs(call.talk());
            shown.until = shown.from;
            shown.busy = (call.talk(), call.talk());
            return Some(shown.at_its_minute(0));
        }
        What::Inbound(_) => {}
    }
    Some(shown.at_its_minute(60))
}

#[test]
fn the_lines_are_those_of_the_guide_and_the_tests() {
    let day = crate::day::day(Has { transfer: false, ..Has::PLAIN }, 1);
    let lines = print(&day);
    assert_eq!(lines[0].text.len(), 79);
    assert_eq!(TITLE.len(), 79);
    assert!(lines.iter().filter(|line| line.kind == Kind::Record).all(|line| line.text.len() == 80));
    let example = b"R\0\0\0TLC 11202 94003 961-9000                     08:36 00:00:03 $00.00              \r\n";
    let framed = frame("TLC 11202 94003 961-9000                     08:36 00:00:03 $00.00              ");
    assert_eq!(framed, example);
}
