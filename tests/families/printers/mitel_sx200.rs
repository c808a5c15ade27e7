//! A Mitel SX-200 on its printer port: 90 columns of trunk calls, one record a call even when it was put through, stamped
//! with the minute in which it began.
//!
//! Sources: SX-200 Digital PABX general description (order of the fields); Mitel's table of 90 columns, on which the
//! column numbers rest.

use smdrd::simulator::scenario::{Call, Day, Parties};

use super::mitel_3300::{Columns, long, of_one_record};
use super::{hms, legs};
use crate::day::Has;
use crate::figures::Shown;
use crate::link::{Serial, cr_lf};
use crate::stage::{Family, Printed};

/// The family.
pub fn family() -> Family {
    Family {
        name: "mitel-sx200",
        dialect: "mitel-sx200",
        options: "",
        transport: "serial, 1200 8N1",
        link: || Serial::boxed("baud = 1200", cr_lf),
        has: Has { busy: true, ..Has::PLAIN },
        cannot: &["cli", "internal"],
        roles: "\"230\" = \"voicemail\"",
        print,
        shows,
        remark: "start to the minute; the 90 columns have no caller; one record a call, as on the 3300",
    }
}

fn print(day: &Day) -> Vec<Printed> {
    let outside = day.calls.iter().filter(|call| call.line.is_some());
    let mut lines: Vec<Printed> = outside.map(|call| record(day, call)).collect();
    lines.sort_by_key(|line| line.at);
    lines
}

fn record(day: &Day, call: &Call) -> Printed {
    let mut columns = Columns::blank(90);
    let legs = legs(call);
    let (first, last) = (&legs[0], &legs[legs.len() - 1]);
    let duration = if first.taken { legs.iter().map(|leg| leg.talk).sum() } else { first.ring };
    let start = call.arrival.to_zoned(day.zone.clone());
    let half = if start.hour() >= 12 { "P" } else { " " };
    columns.put(1, long(duration));
    columns.put(2, &start.strftime("%m/%d").to_string());
    // A clock of twelve hours.
    columns.put(8, &format!("{:02}:{:02}{half}", (start.hour() + 11) % 12 + 1, start.minute()));
    columns.put(15, &hms(duration));
    columns.put(86, "000");
    let trunk = format!("T{}", 100 + u16::from(call.line.unwrap_or_default()));
    match &call.parties {
        Parties::Inbound { .. } => {
            columns.put(24, &trunk);
            columns.put(30, &if first.taken { format!("{:03}", first.ring) } else { "***".to_owned() });
            columns.put(62, &first.station.to_string());
            if !first.taken && first.ring == 0 {
                columns.put(60, "B");
            }
            if !last.first {
                columns.put(66, "T");
                columns.put(68, &last.station.to_string());
            }
        }
        Parties::Outbound { station, number } => {
            columns.put(24, &station.to_string());
            columns.put(34, number);
            columns.put(62, &trunk);
            if first.taken {
                columns.put(60, "A");
            } else {
                columns.put(15, "00:00:00");
            }
        }
        _ => {}
    }
    Printed::record(call.end(), columns.line())
}

fn shows(call: &Call) -> Option<Shown> {
    call.line?;
    let mut shown = of_one_record(call);
    shown.caller = false;
    if matches!(call.parties, Parties::Outbound { .. }) {
        shown.busy.0 = call.talk();
    }
    Some(shown.at_its_minute(0))
}

#[test]
fn the_columns_are_those_of_the_chart() {
    let example = " 03/12 07:42  00:03:06 T162 *003                             241 T 215               000  ";
    let day = crate::day::day(Has::PLAIN, 1);
    let through = day.calls.iter().find(|call| call.steps.len() == 3).unwrap();
    let line = record(&day, through).text;
    assert_eq!(line.len(), example.len());
    for (from, to) in [(1, 6), (7, 12), (14, 22), (23, 27), (29, 32), (61, 64), (65, 66), (67, 70), (85, 88)] {
        let shape = |text: &str| text[from..to].replace(|c: char| c.is_ascii_digit(), "9");
        assert_eq!(shape(&line), shape(example), "columns {from} to {to}");
    }
}
