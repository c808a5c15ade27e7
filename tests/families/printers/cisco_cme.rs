//! A Cisco IOS voice gateway or CallManager Express with file accounting: 130 fields between commas, one row a leg, in
//! files that it puts by FTP.
//!
//! Source: Cisco, "Configuring File Accounting" and its field list, detailed template; a public parser's order of the
//! fields. A call from outside is a telephony leg that answers and a VoIP leg that originates, of one conference id. How
//! the connect time of a call that nobody answered is filled is not confirmed: here it is empty.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use smdrd::simulator::Line;
use smdrd::simulator::scenario::{Call, Day, Parties};

use super::portions::{caller, later, wall};
use crate::day::Has;
use crate::figures::{Kind as What, Shown};
use crate::stage::{Family, Printed};
use crate::upload::Folder;

/// What ends a row.
pub const END: &str = "\n";
/// Fields of a row.
const FIELDS: usize = 130;

/// The rows of `day`.
pub fn rows(day: &Day) -> Vec<Line> {
    let mut rows: Vec<Line> =
        day.calls.iter().zip(1_u32..).flat_map(|(call, number)| of(call, number, &day.zone)).collect();
    rows.sort_by_key(|line| line.at);
    rows
}

fn of(call: &Call, number: u32, zone: &TimeZone) -> Vec<Line> {
    let station = |station: &u16| station.to_string();
    // The legs: kind, whether it answers (it came in) or originates.
    let (calling, called, legs) = match &call.parties {
        Parties::Inbound { ddi, .. } => {
            (caller(&call.parties).unwrap_or_default().to_owned(), ddi.clone(), [(1, "answer"), (2, "originate")])
        }
        Parties::Outbound { station: from, number } => {
            (station(from), number.clone(), [(2, "answer"), (1, "originate")])
        }
        Parties::Internal { .. } | Parties::MailboxCheck { .. } => return Vec::new(),
    };
    let row = |(index, (kind, origin)): (u32, (u8, &str))| {
        let stamp = |at: Timestamp| wall(at, zone, "%H:%M:%S.000 %Z %a %b %-d %Y");
        let answered = call.talk() > 0;
        let connected = answered.then(|| later(call.arrival, call.wait()));
        let cause = match (answered, call.length()) {
            (true, _) => ("10", "normal call clearing (16)"),
            (false, 0) => ("11", "user busy (17)"),
            (false, _) => ("13", "no answer from user (19)"),
        };
        let mut fields = vec![String::new(); FIELDS];
        let filled = [
            (0, call.end().as_second().to_string()),
            (1, (number * 2 + index).to_string()),
            (2, "1".to_owned()),
            (3, kind.to_string()),
            (4, format!("5A1B2C3D 4E5F1112 80010000 {number:08X}")),
            (5, if kind == 1 { calling.clone() } else { called.clone() }),
            (7, stamp(call.arrival)),
            (8, stamp(call.arrival)),
            (9, connected.map(stamp).unwrap_or_default()),
            (10, stamp(call.end())),
            (11, cause.0.to_owned()),
            (12, cause.1.to_owned()),
            (13, origin.to_owned()),
            (21, calling.clone()),
            (22, called.clone()),
        ];
        for (field, text) in filled {
            fields[field] = text;
        }
        Line { at: call.end(), text: fields.join(",") }
    };
    (0..).zip(legs).map(row).collect()
}

/// The family.
pub fn family() -> Family {
    Family {
        name: "cisco-cme, file accounting",
        dialect: "cisco-cme",
        options: "",
        transport: "files in the drop folder",
        link: || Folder::boxed(wrap),
        has: Has { busy: true, voicemail: false, transfer: false, internal: false, outgoing_rings: true, ..Has::PLAIN },
        cannot: &["hold", "transfer", "voicemail"],
        roles: "",
        print: |day| rows(day).into_iter().map(|line| Printed::record(line.at, line.text)).collect(),
        shows: |call| {
            let mut shown = Shown::all(call);
            // A telephone's leg is set up when it is lifted, so that its ring is not told from its dialling.
            if matches!(shown.kind, What::Outbound(_)) {
                shown.busy.0 = call.talk();
            }
            Some(shown)
        },
        remark: "what a transfer leaves is not confirmed: none was played",
    }
}

fn wrap(text: &str) -> Vec<u8> {
    format!("{text}{END}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::hand::{inbound, on, ring, talk};
    use super::*;

    #[test]
    fn a_row_has_the_fields_of_the_list() {
        let answered = inbound("09:01:00", 1, Some("07700900111"), &[ring(201, 12), talk(201, 60, 0)]);
        let rows: Vec<String> = rows(&on("2024-03-04", vec![answered])).into_iter().map(|line| line.text).collect();
        assert_eq!(rows.len(), 2);
        assert!(rows.iter().all(|row| row.split(',').count() == FIELDS));
        assert!(
            rows[0].starts_with(
                "1709542932,2,1,1,5A1B2C3D 4E5F1112 80010000 00000001,07700900111,,09:01:00.000 GMT Mon Mar 4 2024,09:01:00.000 GMT Mon Mar 4 2024,09:01:12.000 GMT Mon Mar 4 2024,09:02:12.000 GMT Mon Mar 4 2024,10,normal call clearing (16),answer,,,,,,,,07700900111,01632960150,,,"
            ),
            "{}",
            rows[0]
        );
    }
}
