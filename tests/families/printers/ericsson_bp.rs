//! An Ericsson BusinessPhone that prints CIL4 records: 170 columns and CR LF on a V.24 port, one a call, stamped with
//! the minute in which it ended.
//!
//! Sources: Interwork description CIL4HOTEL, 4/155 19-11/ASB 150 02; a log of 2005 for the columns.

use smdrd::simulator::scenario::{Call, Day, Parties};

use super::legs;
use crate::day::Has;
use crate::figures::{Kind as What, Shown};
use crate::link::{Serial, cr_lf};
use crate::stage::{Family, Printed};

/// The family.
pub fn family() -> Family {
    Family {
        name: "ericsson-bp",
        dialect: "ericsson-bp",
        options: "",
        transport: "serial, 9600 8N1",
        link: || Serial::boxed("baud = 9600", cr_lf),
        // What is printed of a call that a station puts through is not published.
        has: Has { transfer: false, ..Has::PLAIN },
        cannot: &["outbound-answer"],
        roles: "\"230\" = \"voicemail\"",
        print,
        shows,
        remark: "end to the minute; ring of calls out is the far end's and left out",
    }
}

#[derive(Default)]
struct Record<'a> {
    caller: String,
    duration: Option<u32>,
    access: &'a str,
    dialled: &'a str,
    state: char,
    queue: u32,
    trunk: String,
    a_number: &'a str,
}

fn trunk(line: Option<u8>) -> String {
    line.map(|line| format!("{}", 700 + u16::from(line))).unwrap_or_default()
}

fn print(day: &Day) -> Vec<Printed> {
    let mut calls: Vec<&Call> = day.calls.iter().collect();
    calls.sort_by_key(|call| call.end());
    let mut lines = Vec::new();
    for (index, call) in calls.into_iter().enumerate() {
        let legs = legs(call);
        let leg = &legs[0];
        let (station, queue) = (leg.station.to_string(), leg.ring);
        let duration = leg.taken.then_some(leg.talk);
        let record = match &call.parties {
            Parties::Inbound { caller, .. } => Record {
                caller: trunk(call.line),
                duration,
                dialled: &station,
                state: 'A',
                queue,
                a_number: caller.as_deref().unwrap_or_default(),
                ..Record::default()
            },
            Parties::Outbound { station, number } => Record {
                caller: station.to_string(),
                duration,
                access: "9",
                dialled: number,
                state: 'a',
                queue,
                trunk: trunk(call.line),
                ..Record::default()
            },
            Parties::Internal { from, .. } => {
                Record { caller: from.to_string(), duration, dialled: &station, state: 'Q', queue, ..Record::default() }
            }
            Parties::MailboxCheck { .. } => continue,
        };
        let end = call.end().to_zoned(day.zone.clone()).strftime("%y%m%d %H%M").to_string();
        let duration = record.duration.map(|s| format!("{}{:02}{:02}", s / 3600, s / 60 % 60, s % 60));
        // Code, sequence, date, time, caller, duration, pulses, access code, dialled number, state II, account,
        // authorisation, queue time, state I, cost, cost state, trunk, sent access code, sent number, A-number, facility,
        // transfer condition.
        let text = format!(
            "00 {:03} {end} {:<4} {:>5} 0000 {:<4} {:<24} {} {:<15} {:<4} {:02}{:02} {} {:>11} I {:<4} {:<4} {:<24} {:<20} {:1} {:2} ",
            index % 999 + 1,
            record.caller,
            duration.unwrap_or_default(),
            record.access,
            record.dialled,
            record.state,
            "",
            "",
            record.queue / 60,
            record.queue % 60,
            record.state,
            "0.00",
            record.trunk,
            record.access,
            if record.access.is_empty() { "" } else { record.dialled },
            record.a_number,
            "",
            "",
        );
        lines.push(Printed::record(call.end(), text));
    }
    lines
}

fn shows(call: &Call) -> Option<Shown> {
    let shown = Shown::all(call);
    Some(match shown.kind {
        What::Outbound(_) => {
            Shown { kind: What::Outbound(None), ..shown.back_from_the_minute_of(call.end(), call.talk()) }
        }
        What::Internal => shown.placed(60, 15),
        What::Inbound(_) => shown.back_from_the_minute_of(call.end(), call.length()),
    })
}

#[test]
fn the_columns_are_those_of_the_description() {
    let day = crate::day::day(Has::PLAIN, 1);
    let lines = print(&day);
    assert!(lines.iter().all(|line| line.text.len() == 170), "{lines:#?}");
    let example =
        "00 701 050706 1211 700  00019 0000      201                      A                      0006 A        0.00 I";
    let line = &lines.iter().find(|line| line.text[93..94] == *"A").unwrap().text;
    for (column, byte) in example.bytes().enumerate().filter(|(_, byte)| *byte == b' ') {
        let ours = line.as_bytes()[column];
        let digits = [(24, 29), (95, 102), (31, 34)].iter().any(|(from, to)| (*from..*to).contains(&column));
        assert!(ours == byte || digits, "column {column}: {line}");
    }
}
