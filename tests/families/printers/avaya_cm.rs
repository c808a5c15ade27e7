//! An Avaya Communication Manager that connects to the collector and prints CDR in the Expanded format, 131 columns, CR LF
//! and three NUL behind each, stamped with the minute in which the call ended; trunk groups with "CDR Reports = ring".
//!
//! Sources: Administrator's guides of MultiVantage and Communication Manager (fields to column 64, condition codes, date
//! record); the columns behind 64 are not sourced.

use smdrd::simulator::scenario::{Call, Day, Parties};

use super::{legs, mitel_3300::Columns};
use crate::day::Has;
use crate::figures::{Kind as What, Shown};
use crate::link::{Connects, Serial};
use crate::stage::{Family, Kind, Printed};

/// The family.
pub fn family() -> Family {
    Family {
        name: "avaya-cm, Expanded",
        dialect: "avaya-cm",
        options: "ring_records = \"yes\"",
        transport: "TCP, the PBX connects; CR LF and three NUL",
        link: || Connects::boxed(|text| format!("{text}\r\n\0\0\0").into_bytes()),
        has: Has { transfer: false, busy: true, ..Has::PLAIN },
        cannot: &["outbound-answer"],
        roles: "\"230\" = \"voicemail\"",
        print,
        shows,
        remark: "end to the minute, durations in tenths of a minute, rounded down; call splitting off",
    }
}

/// The same on a serial port in the TELESEER layout, 76 columns: the calling number of a call in is its trunk group's
/// access code, and circuits are printed tens, units, hundreds.
pub fn teleseer_family() -> Family {
    Family {
        name: "avaya-cm, TELESEER",
        options: "ring_records = \"yes\", callers = \"no\"",
        transport: "serial, 9600 8N1; CR LF and three NUL",
        link: || Serial::boxed("baud = 9600", |text| format!("{text}\r\n\0\0\0").into_bytes()),
        cannot: &["cli", "outbound-answer"],
        print: |day| teleseer(&print(day)),
        shows: |call| {
            let shown = shows(call)?;
            Some(Shown { caller: false, ..shown })
        },
        ..family()
    }
}

/// The same records in the other layout.
fn teleseer(expanded: &[Printed]) -> Vec<Printed> {
    let of_line = |line: &Printed| {
        if line.kind == Kind::Header {
            return Printed::of(line.at, Kind::Header, line.text.replace(' ', ""));
        }
        let field = |from: usize, to: usize| line.text[from - 1..to].trim();
        let mut columns = Columns::blank(76);
        let inbound = !field(79, 81).is_empty();
        columns.put(4, field(1, 4));
        columns.put(8, field(6, 9));
        columns.put(12, field(11, 11));
        columns.put(13, &format!("{:>3}", field(13, 16)));
        columns.put(16, &format!("{:>3}", field(18, 21)));
        columns.put(19, &format!("{:>15}", field(23, 37)));
        columns.put(34, &format!("{:>5}", if inbound { "601" } else { field(39, 48) }));
        let circuit =
            |circuit: &str| circuit.get(1..3).map(|low| format!("{low}{}", &circuit[..1])).unwrap_or_default();
        columns.put(56, &circuit(field(79, 81)));
        columns.put(59, &circuit(field(83, 85)));
        Printed { text: columns.line(), ..line.clone() }
    };
    expanded.iter().map(of_line).collect()
}

/// Hours, minutes and tenths of a minute.
fn tenths(seconds: u32) -> String {
    format!("{}{:02}{}", seconds / 3600, seconds / 60 % 60, seconds % 60 / 6)
}

fn print(day: &Day) -> Vec<Printed> {
    let mut lines: Vec<Printed> = day.calls.iter().flat_map(|call| of_call(day, call)).collect();
    lines.sort_by_key(|line| line.at);
    // When the link comes up: month and day.
    let date = Printed::of(day.at(28_800), Kind::Header, day.date.strftime("%m %d").to_string());
    lines.insert(0, date);
    lines
}

fn of_call(day: &Day, call: &Call) -> Vec<Printed> {
    let line = format!("{:03}", call.line.unwrap_or_default());
    let row = |at: jiff::Timestamp, seconds: u32, code: char, dialled: &str, calling: &str, inbound: bool| {
        let mut columns = Columns::blank(131);
        columns.put(1, &at.to_zoned(day.zone.clone()).strftime("%H%M").to_string());
        columns.put(6, &tenths(seconds));
        columns.put(11, &code.to_string());
        columns.put(23, &format!("{dialled:>15}"));
        columns.put(39, &format!("{calling:>10}"));
        if code == '7' {
            columns.put(16, "9");
            columns.put(18, " 701");
        }
        if code != '0' {
            columns.put(if inbound { 79 } else { 83 }, &line);
        }
        Printed::record(at, columns.line())
    };
    let leg = legs(call)[0];
    match &call.parties {
        Parties::Outbound { station, number } => {
            vec![row(leg.ends, leg.talk, '7', number, &station.to_string(), false)]
        }
        Parties::Inbound { caller, .. } => {
            // Ten columns: the leading 0 is lost.
            let caller = caller.as_deref().map(|caller| &caller[1..]).unwrap_or_default();
            let station = leg.station.to_string();
            if !leg.taken {
                let code = if leg.ring == 0 { 'I' } else { 'H' };
                return vec![row(leg.ends, leg.ring, code, &station, caller, true)];
            }
            vec![
                row(leg.begins, leg.ring, 'G', &station, caller, true),
                row(leg.ends, leg.talk, '9', &station, caller, true),
            ]
        }
        Parties::Internal { from, to } => vec![row(leg.ends, leg.talk, '0', &to.to_string(), &from.to_string(), false)],
        Parties::MailboxCheck { .. } => Vec::new(),
    }
}

fn shows(call: &Call) -> Option<Shown> {
    let mut shown = Shown::all(call);
    let leg = legs(call)[0];
    let (ring, talk) = (leg.ring / 6 * 6, leg.talk / 6 * 6);
    match shown.kind {
        What::Outbound(_) => {
            shown.talk = Some(talk);
            shown.kind = What::Outbound(None);
            return Some(shown.back_from_the_minute_of(call.end(), talk));
        }
        What::Internal => {
            shown.talk = Some(talk);
            return Some(shown.back_from_the_minute_of(call.end(), talk));
        }
        What::Inbound(_) => {}
    }
    shown.wait = Some(ring);
    shown.talk = Some(talk);
    if !leg.taken && leg.ring == 0 {
        // The record of a busy station tells nothing of a ring.
        shown.wait = None;
    }
    shown.busy = ((ring + talk).saturating_sub(60), ring + talk + 66);
    // The earlier of what both records say.
    Some(shown.placed(60, 12))
}

#[test]
fn a_teleseer_line_is_that_of_the_guide() {
    let lines = teleseer(&print(&crate::day::day(Has { transfer: false, ..Has::PLAIN }, 1)));
    assert_eq!(lines[0].text, "1120");
    let example = "   09180002G                 4210  601                 051                  ";
    let line = &lines.iter().find(|line| line.text.get(11..12) == Some("G")).unwrap().text;
    assert_eq!(line.len(), example.len());
    let blank = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "9");
    assert_eq!(blank(&line[..12]), blank(&example[..12]));
    assert_eq!(blank(&line[33..]), blank(&example[33..]));
}

#[test]
fn the_columns_are_those_of_the_guides() {
    let example = "1501 0030 9                      4210 7700900123        ";
    let out = "1502 0010 7    9  701     01632960111       4215        ";
    let day = crate::day::day(Has { transfer: false, ..Has::PLAIN }, 1);
    let lines = print(&day);
    for (code, example) in [("9", example), ("7", out)] {
        let line = lines.iter().find(|line| line.text.get(10..11) == Some(code)).unwrap();
        assert_eq!(line.text.len(), 131);
        let head = |text: &str| text[..11].replace(|c: char| c.is_ascii_digit(), "9");
        assert_eq!(head(&line.text), head(example));
        assert_eq!(line.text[37..38], example[37..38]);
    }
    assert_eq!(tenths(3_599), "0599");
}
