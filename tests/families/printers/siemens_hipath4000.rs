//! A Siemens Hicom 250 whose site programmed (FTBL) a mask of 64 columns for calls out and none for calls in: stamped
//! with the second in which the call ended, a line a call, and a blank line now and then.
//!
//! Source: a log of 2005; the layout is the site's own and stands for no other.

use smdrd::simulator::scenario::{Call, Day, Parties};

use super::hms;
use crate::day::Has;
use crate::figures::{Kind as What, Shown};
use crate::link::Serial;
use crate::stage::{Family, Kind, Printed};

/// Lines until a blank one.
const BLOCK: usize = 20;

/// The family.
pub fn family() -> Family {
    Family {
        name: "siemens-hipath4000, a Hicom 250's mask",
        dialect: "siemens-hipath4000",
        options: "",
        transport: "serial, 9600 8N1, LF",
        link: || Serial::boxed("baud = 9600", |text| format!("{text}\n").into_bytes()),
        has: Has { voicemail: false, ..Has::PLAIN },
        cannot: &["inbound", "cli", "unanswered", "ring", "internal", "outbound-answer"],
        roles: "",
        print,
        shows,
        remark: "calls out only, as at the site of the log; another site's mask is another dialect file",
    }
}

fn print(day: &Day) -> Vec<Printed> {
    let mut calls: Vec<&Call> = day.calls.iter().collect();
    calls.sort_by_key(|call| call.end());
    let mut lines = Vec::new();
    for call in calls {
        let Parties::Outbound { station, number } = &call.parties else { continue };
        let end = call.end().to_zoned(day.zone.clone()).strftime("%d/%m/%y  %H:%M:%S").to_string();
        let (talk, line) = (hms(call.talk()), call.line.unwrap_or_default());
        lines.push(Printed::record(call.end(), format!("{end}  {talk}   {station}    {line:02}  {number:<22}")));
        if lines.len() % BLOCK == 2 {
            lines.push(Printed::of(call.end(), Kind::Header, ""));
        }
    }
    lines
}

fn shows(call: &Call) -> Option<Shown> {
    let mut shown = Shown::all(call);
    let What::Outbound(_) = shown.kind else { return None };
    shown.kind = What::Outbound(None);
    // What rang before is not in the record, and a call that nobody took ends where it is printed.
    shown.from = call.end() - jiff::SignedDuration::from_secs(i64::from(call.talk()));
    shown.until = shown.from;
    shown.busy = (call.talk(), call.talk());
    Some(shown)
}

#[test]
fn a_line_is_that_of_the_log() {
    let lines = print(&crate::day::day(Has::PLAIN, 1));
    let example = "21/12/05  18:16:47  00:01:40   138    03  01632960000           ";
    let blanks =
        |text: &str| text.char_indices().filter(|(at, c)| *at < 42 && *c == ' ').map(|(at, _)| at).collect::<Vec<_>>();
    assert_eq!(lines[0].text.len(), example.len());
    assert_eq!(blanks(&lines[0].text), blanks(example));
}
