//! A Panasonic KX-TEM824 on its serial port: 80 columns in pages with a title, stamped with the minute in which the call
//! began on a clock of twelve hours; what rings is printed too, with its caller and without extension or duration.
//!
//! Sources: Panasonic KX-TEA308 and KX-TES824 manuals (columns, [907], BV); a TEM824 capture for the widths.

use jiff::Timestamp;
use smdrd::simulator::scenario::{Call, Day, Parties};

use super::legs;
use crate::day::{Has, MAILBOX};
use crate::figures::{Kind as What, Shown};
use crate::link::{Serial, cr_lf};
use crate::stage::{Family, Kind, Printed};

const PAGE: usize = 60;
const TITLE: &str = "  Date      Time  Ext. CO      Dial number                      Duration  Code  ";

/// The family.
pub fn family() -> Family {
    Family {
        name: "panasonic-tes",
        dialect: "panasonic-tes",
        options: "date_order = \"DMY\"",
        transport: "serial, 9600 8N1",
        link: || Serial::boxed("baud = 9600", cr_lf),
        has: Has { internal: false, ..Has::PLAIN },
        cannot: &["ring", "internal", "outbound-answer"],
        roles: "",
        print,
        shows,
        remark: "start to the minute; with callers printed as they ring ([907]), without which missed calls are not seen",
    }
}

/// The same without callers printed as they ring.
pub fn silent_family() -> Family {
    Family {
        name: "panasonic-tes, [907] off",
        options: "date_order = \"DMY\", arrivals = \"no\"",
        cannot: &["unanswered", "ring", "internal", "outbound-answer"],
        print: |day| {
            print(day).into_iter().filter(|line| line.kind == Kind::Header || line.text[18..22] != *"    ").collect()
        },
        shows: |call| if taken(call) { shows(call) } else { None },
        remark: "start to the minute; a call that nobody and no mailbox took leaves nothing",
        ..family()
    }
}

fn taken(call: &Call) -> bool {
    !matches!(call.parties, Parties::Inbound { .. }) || legs(call).iter().any(|leg| leg.taken)
}

fn print(day: &Day) -> Vec<Printed> {
    let mut records: Vec<Printed> = day.calls.iter().flat_map(|call| of_call(day, call)).collect();
    records.sort_by_key(|record| record.at);
    let mut lines = Vec::new();
    for (index, record) in records.into_iter().enumerate() {
        if index % PAGE == 0 {
            let rule = "-".repeat(80);
            lines.extend([TITLE, &rule].map(|text| Printed::of(record.at, Kind::Header, text)));
        }
        lines.push(record);
    }
    lines
}

fn of_call(day: &Day, call: &Call) -> Vec<Printed> {
    let row = |printed: Timestamp, start: Timestamp, star: bool, ext: &str, number: &str, seconds: Option<u32>| {
        let start = start.to_zoned(day.zone.clone());
        let hour = (start.hour() + 11) % 12 + 1;
        let half = if start.hour() < 12 { "AM" } else { "PM" };
        let duration = seconds.map(|s| format!("{:02}:{:02}'{:02}\"", s / 3600, s / 60 % 60, s % 60));
        let text = format!(
            "{} {}{hour:>2}:{:02}{half} {ext:<4} {:02} {:<37} {:<9} {:<6}",
            start.strftime("%d/%m/%y"),
            if star { '*' } else { ' ' },
            start.minute(),
            call.line.unwrap_or_default(),
            format!("{number:<37}").get(..37).unwrap_or_default(),
            duration.unwrap_or_default(),
            "....",
        );
        // Date, star, time, extension, line, number, duration, account.
        Printed::record(printed, text)
    };
    match &call.parties {
        Parties::Outbound { station, number } => {
            vec![row(call.end(), call.arrival, false, &station.to_string(), number, Some(call.talk()))]
        }
        Parties::Inbound { caller, .. } => {
            let number = format!("  <    incoming    >{}", caller.as_deref().unwrap_or_default());
            let mut lines = vec![row(call.arrival, call.arrival, false, "", &number, None)];
            for leg in legs(call).into_iter().filter(|leg| leg.taken) {
                // The built-in voice message answers for the station that rang.
                let station = if leg.station != MAILBOX {
                    leg.station.to_string()
                } else if leg.rang == MAILBOX {
                    "208B".to_owned()
                } else {
                    format!("{}B", leg.rang)
                };
                // A leg that was put through bears the start of the first.
                lines.push(row(leg.ends, call.arrival, !leg.first, &station, &number, Some(leg.talk)));
            }
            lines
        }
        _ => Vec::new(),
    }
}

fn shows(call: &Call) -> Option<Shown> {
    let mut shown = Shown::all(call);
    shown.wait = None;
    shown.busy.0 = call.talk().saturating_sub(60);
    if let What::Outbound(_) = shown.kind {
        shown.kind = What::Outbound(None);
    }
    let slack = 60;
    Some(shown.at_its_minute(slack))
}

#[test]
fn a_line_is_that_of_the_capture() {
    let lines = print(&crate::day::day(Has { internal: false, ..Has::PLAIN }, 1));
    let arrival = "12/19/06   3:17PM      01   <    incoming    >960105                      ....  ";
    let answered = "12/19/06   3:17PM  16  01   <    incoming    >960105            00:00'22\" ....  ";
    for line in lines.iter().filter(|line| line.kind == Kind::Record) {
        assert_eq!(line.text.len(), 80, "{line:?}");
        assert_eq!(line.text.get(74..), arrival.get(74..));
    }
    let incoming = lines.iter().find(|line| line.text.contains("incoming") && line.text[18..21] != *"   ").unwrap();
    assert_eq!(incoming.text.get(25..46), answered.get(25..46));
    assert_eq!(incoming.text.get(72..74), answered.get(72..74));
}
