//! A BT Versatility: ten fields between blanks, of calls on a line that were connected. Whether it prints a call that
//! nobody answered is not known, and here it does not; it prints neither ring nor caller.
//!
//! Source: BT Versatility Owner's Manual, page 84; the blanks between its fields are those of the dossier's sample.

use jiff::tz::TimeZone;
use smdrd::simulator::Line;
use smdrd::simulator::scenario::{Call, Day, Ending, Parties};

use super::portions::{Taker, hms, later, portions, wall};
use crate::day::Has;
use crate::figures::{Kind as What, Shown};
use crate::link::{Serial, cr_lf};
use crate::stage::{Family, Printed};

/// The records, with the date day first (`day_first`) or month first.
pub fn lines(day: &Day, day_first: bool) -> Vec<Line> {
    let date = if day_first { "%d/%m/%y %H.%M:%S" } else { "%m/%d/%y %H.%M:%S" };
    let mut lines: Vec<Line> = day.calls.iter().filter_map(|call| record(call, date, &day.zone)).collect();
    lines.sort_by_key(|line| line.at);
    lines
}

fn record(call: &Call, date: &str, zone: &TimeZone) -> Option<Line> {
    let line = call.line?;
    let (kind, begun, seconds, from, to, number) = match &call.parties {
        Parties::Inbound { .. } => {
            let taken: Vec<_> = portions(call).into_iter().filter(|leg| leg.taker != Taker::Nobody).collect();
            let (first, last) = (taken.first()?, taken.last()?);
            ("I/C", first.taken(), call.length() - call.wait(), first.station, last.station, "")
        }
        Parties::Outbound { station, number } => {
            ("O/G", call.arrival, call.length(), *station, *station, number.as_str())
        }
        Parties::Internal { .. } | Parties::MailboxCheck { .. } => return None,
    };
    let (begun, duration) = (wall(begun, zone, date), hms(seconds));
    let text = format!("{kind} {:4} {begun} {duration} L{line:02} S{from} S{to} :000.00 {number}", "");
    Some(Line { at: call.end(), text: text.trim_end().to_owned() })
}

/// The family.
pub fn family() -> Family {
    Family {
        name: "bt-versatility",
        dialect: "bt-versatility",
        options: "date_order = \"DMY\"",
        transport: "serial, 9600 8N1",
        link: || Serial::boxed("baud = 9600", cr_lf),
        has: Has { voicemail: false, ..Has::PLAIN },
        cannot: &["unanswered", "ring", "hold", "cli", "internal", "outbound-answer", "transfer", "voicemail"],
        roles: "",
        print: |day| lines(day, true).into_iter().map(|line| Printed::record(line.at, line.text)).collect(),
        shows: |call| {
            let mut shown = Shown::all(call);
            match shown.kind {
                What::Inbound(Ending::Answered) => {
                    shown.from = later(call.arrival, call.wait());
                    shown.until = shown.from;
                    let connected = call.length() - call.wait();
                    (shown.talk, shown.busy) = (Some(connected), (connected, connected));
                }
                What::Outbound(_) => (shown.kind, shown.talk) = (What::Outbound(None), Some(call.length())),
                _ => return None,
            }
            (shown.wait, shown.caller) = (None, false);
            Some(shown)
        },
        remark: "no callers; whether calls that nobody answered are printed is not known: none was",
    }
}

#[cfg(test)]
mod tests {
    use super::super::hand::{inbound, on, outbound, ring, talk};
    use super::*;

    #[test]
    fn records_are_those_of_the_manual() {
        let out = outbound("12:00:10", 2, 25, "01632960144", 116);
        let moved = inbound("12:01:03", 3, None, &[ring(22, 10), talk(22, 92, 0), talk(24, 300, 0)]);
        let missed = inbound("12:05:00", 4, None, &[ring(22, 10)]);
        let texts: Vec<String> =
            lines(&on("1999-10-13", vec![out, moved, missed]), false).into_iter().map(|line| line.text).collect();
        assert_eq!(
            texts,
            [
                "O/G      10/13/99 12.00:10 00:01:56 L02 S25 S25 :000.00 01632960144",
                "I/C      10/13/99 12.01:13 00:06:32 L03 S22 S24 :000.00",
            ]
        );
    }
}
