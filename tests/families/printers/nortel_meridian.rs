//! A Nortel Meridian 1 with FCDR=NEW, time to answer and ABAN=YES: three lines a record on a TTY, stamped to the second.
//!
//! Sources: NTP 553-3001-350 as quoted in the field (record types); captures for the columns.

use jiff::Timestamp;
use smdrd::simulator::scenario::{Call, Day, Parties};

use super::{hms, legs};
use crate::day::Has;
use crate::figures::{Kind as What, Shown};
use crate::link::{Serial, cr_lf};
use crate::stage::{Family, Kind, Printed};

/// The family.
pub fn family() -> Family {
    Family {
        name: "nortel-meridian, new format",
        dialect: "nortel-meridian",
        options: "",
        transport: "serial, 9600 7E1",
        link: || Serial::boxed("baud = 9600\ndata-bits = 7\nparity = \"even\"", cr_lf),
        // L records of internal calls are known by their letter only.
        has: Has { internal: false, ..Has::PLAIN },
        cannot: &["internal", "outbound-answer"],
        roles: "\"230\" = \"voicemail\"",
        print,
        shows,
        remark: "talk in steps of two seconds; whether the stamp is arrival or answer is not published",
    }
}

struct Record<'a> {
    kind: char,
    from: String,
    to: String,
    start: Timestamp,
    talk: Option<u32>,
    digits: String,
    caller: Option<&'a str>,
    inbound: bool,
    ring: Option<u32>,
}

fn print(day: &Day) -> Vec<Printed> {
    let mut records: Vec<(Timestamp, Record<'_>)> = day.calls.iter().flat_map(of_call).collect();
    records.sort_by_key(|(at, _)| *at);
    let mut lines = Vec::new();
    for (index, (at, record)) in records.into_iter().enumerate() {
        let start = record.start.to_zoned(day.zone.clone()).strftime("%m/%d %H:%M:%S").to_string();
        let talk = record.talk.map(|talk| format!("{}.0", hms(talk))).unwrap_or_default();
        let first = format!(
            "{} {:03} 00 {:<7} {:<7} {start} {talk:10} {:<36}",
            record.kind,
            index % 1000,
            record.from,
            record.to,
            record.digits
        );
        let caller = record.caller.map(|caller| format!("{caller:X<16}")).unwrap_or_default();
        let place = if record.inbound { (67, "003.0.00.03") } else { (55, "003.0.00.00") };
        let mut second = format!(" &{caller:<16}");
        second = format!("{:<1$}{2}", second, place.0 - 1, place.1);
        let ring = record.ring.map(super::ms).unwrap_or_default();
        let zeros = if record.talk.is_some() { "000" } else { "   " };
        let last = if record.inbound { "00 0 02" } else { "     01" };
        let third = format!(" &{ring:<5}{:32}{zeros} {last}", "");
        lines.push(Printed::of(at, Kind::Continuation, first));
        lines.push(Printed::of(at, Kind::Continuation, format!("{second:<86}")));
        lines.push(Printed::record(at, format!("{third:<86}")));
    }
    lines
}

fn of_call(call: &Call) -> Vec<(Timestamp, Record<'_>)> {
    let line = call.line.unwrap_or_default();
    match &call.parties {
        Parties::Outbound { station, number } => {
            let supervised = if call.talk() > 0 { "A" } else { "T" };
            let record = Record {
                kind: 'N',
                from: station.to_string(),
                to: format!("{supervised}001{line:03}"),
                start: call.arrival,
                talk: Some(call.talk() / 2 * 2),
                digits: format!("A9{number}"),
                caller: None,
                inbound: false,
                ring: None,
            };
            vec![(call.end(), record)]
        }
        Parties::Inbound { caller, .. } => {
            let legs = legs(call);
            let taken = legs.iter().filter(|leg| leg.taken).count();
            let of_leg = |(index, leg): (usize, &super::Leg)| {
                let kind = match index {
                    _ if !leg.taken => 'B',
                    _ if taken == 1 => 'N',
                    0 => 'S',
                    _ if index + 1 == taken => 'E',
                    _ => 'X',
                };
                let record = Record {
                    kind,
                    from: format!("{}001{line:03}", if leg.taken { "A" } else { "T" }),
                    to: leg.station.to_string(),
                    start: leg.rings,
                    talk: leg.taken.then_some(leg.talk / 2 * 2),
                    digits: String::new(),
                    caller: caller.as_deref(),
                    inbound: true,
                    ring: leg.first.then_some(leg.ring),
                };
                (leg.ends, record)
            };
            legs.iter().enumerate().map(of_leg).collect()
        }
        _ => Vec::new(),
    }
}

fn shows(call: &Call) -> Option<Shown> {
    let mut shown = Shown::all(call);
    let staff = |leg: &&super::Leg| leg.taken && leg.station != crate::day::MAILBOX;
    shown.talk = Some(legs(call).iter().filter(staff).map(|leg| leg.talk / 2 * 2).sum());
    if let What::Outbound(_) = shown.kind {
        shown.kind = What::Outbound(None);
    }
    // If the stamp is the arrival, the ring lies behind it, and if it is the answer, before it. A second of each leg's
    // talk may be lost.
    shown.busy = (call.length().saturating_sub(call.wait() + 4), call.length());
    Some(shown.placed(call.wait(), 0))
}

#[test]
fn the_lines_are_those_of_the_captures() {
    let lines = print(&crate::day::day(Has { internal: false, ..Has::PLAIN }, 1));
    let example = [
        "N 060 00 A001026 1031    01/10 13:07:40 00:00:04.0                                     ",
        " &163296096XXXXXXX                                                                    ",
        " &00:10                                000 00 0 02                                   ",
    ];
    let at = lines.iter().position(|line| line.text.starts_with("N ") && line.text[9..10] == *"A").unwrap();
    let ours: Vec<&str> = lines[at..at + 3].iter().map(|line| line.text.as_str()).collect();
    assert_eq!(ours[0].len(), example[0].len());
    assert_eq!(ours[2].get(7..50), example[2].get(7..50));
    assert_eq!(ours[1].get(..2), Some(" &"));
}
