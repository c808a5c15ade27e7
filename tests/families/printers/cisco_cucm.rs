//! A Cisco Unified Communications Manager: CDR files with column names, column types and a row a call, put into the
//! collector's folder.
//!
//! Source: Cisco, CDR Administration Guide: names and meaning of the columns, of which the fixed core is written here.
//! Times are UTC epoch seconds. Calls of no duration are written because "CDR Log Calls with Zero Duration" is on.

use jiff::Timestamp;
use smdrd::simulator::Line;
use smdrd::simulator::scenario::{Call, Day, Parties};

use super::portions::{caller, later};
use crate::day::Has;
use crate::figures::{Kind as What, Shown};
use crate::stage::{Family, Kind, Printed};
use crate::upload::Folder;

/// What ends a row.
pub const END: &str = "\n";
/// The gateway of the exchange lines.
const GATEWAY: &str = "10.0.0.1";

const COLUMNS: [(&str, &str); 18] = [
    ("cdrRecordType", "INTEGER"),
    ("globalCallID_callManagerId", "INTEGER"),
    ("globalCallID_callId", "INTEGER"),
    ("origLegCallIdentifier", "INTEGER"),
    ("destLegCallIdentifier", "INTEGER"),
    ("dateTimeOrigination", "INTEGER"),
    ("dateTimeConnect", "INTEGER"),
    ("dateTimeDisconnect", "INTEGER"),
    ("duration", "INTEGER"),
    ("callingPartyNumber", "VARCHAR(50)"),
    ("originalCalledPartyNumber", "VARCHAR(50)"),
    ("finalCalledPartyNumber", "VARCHAR(50)"),
    ("origDeviceName", "VARCHAR(129)"),
    ("destDeviceName", "VARCHAR(129)"),
    ("origIpAddr", "VARCHAR(64)"),
    ("destIpAddr", "VARCHAR(64)"),
    ("origCause_value", "INTEGER"),
    ("destCause_value", "INTEGER"),
];

/// The two lines that every file begins with.
pub fn head() -> [String; 2] {
    let names: Vec<String> = COLUMNS.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let types: Vec<&str> = COLUMNS.iter().map(|(_, kind)| *kind).collect();
    [names.join(","), types.join(",")]
}

/// The rows of `day`, without the lines that a file begins with.
pub fn rows(day: &Day) -> Vec<Line> {
    let mut rows: Vec<Line> = day.calls.iter().zip(5001_u32..).filter_map(|(call, id)| row(call, id)).collect();
    rows.sort_by_key(|line| line.at);
    rows
}

fn row(call: &Call, id: u32) -> Option<Line> {
    let phone = |station: &u16| format!("SEP{station:012}");
    let rung = call.steps.iter().find_map(|step| match step {
        smdrd::simulator::scenario::Step::Ring { station, .. } => Some(*station),
        smdrd::simulator::scenario::Step::Talk { station, .. } => Some(*station),
        _ => None,
    });
    let (calling, original, last, from, to) = match &call.parties {
        Parties::Inbound { ddi, .. } => {
            let station = rung?;
            let number = caller(&call.parties).unwrap_or_default().to_owned();
            (number, ddi.clone(), station.to_string(), GATEWAY.to_owned(), phone(&station))
        }
        Parties::Outbound { station, number } => {
            (station.to_string(), number.clone(), number.clone(), phone(station), GATEWAY.to_owned())
        }
        Parties::Internal { from, to } => (from.to_string(), to.to_string(), to.to_string(), phone(from), phone(to)),
        Parties::MailboxCheck { .. } => return None,
    };
    let epoch = |at: Timestamp| at.as_second();
    let connected = (call.talk() > 0).then(|| epoch(later(call.arrival, call.wait())));
    let causes = match (connected, call.length()) {
        (Some(_), _) => (0, 16),
        (None, 0) => (0, 17),
        (None, _) => (16, 0),
    };
    let text = format!(
        "1,1,{id},{},{},{},{},{},{},\"{calling}\",\"{original}\",\"{last}\",\"{from}\",\"{to}\",\"10.0.0.5\",\"10.0.0.6\",{},{}",
        id * 2,
        id * 2 + 1,
        epoch(call.arrival),
        connected.unwrap_or(0),
        epoch(call.end()),
        call.talk(),
        causes.0,
        causes.1,
    );
    Some(Line { at: call.end(), text })
}

/// The family.
pub fn family() -> Family {
    Family {
        name: "cisco-cucm",
        dialect: "cisco-cucm",
        options: "trunks = \"10.0.0.1\"",
        transport: "files in the drop folder",
        link: || Folder::with_head(|text| text == head()[0], wrap),
        has: Has { busy: true, voicemail: false, transfer: false, outgoing_rings: true, ..Has::PLAIN },
        cannot: &["hold"],
        roles: "",
        print: |day| {
            let mut lines = Vec::new();
            for (index, row) in rows(day).into_iter().enumerate() {
                if index % 30 == 0 {
                    lines.extend(head().map(|text| Printed::of(row.at, Kind::Header, text)));
                }
                lines.push(Printed::record(row.at, row.text));
            }
            lines
        },
        shows: |call| {
            let mut shown = Shown::all(call);
            // A telephone's leg is set up when it is lifted, so that its ring is not told from its dialling.
            if matches!(shown.kind, What::Outbound(_)) {
                shown.busy.0 = call.talk();
            }
            Some(shown)
        },
        remark: "columns by their names; how a transfer ties records is not confirmed: none was played",
    }
}

fn wrap(text: &str) -> Vec<u8> {
    format!("{text}{END}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::hand::{internal, on};
    use super::*;

    #[test]
    fn a_row_is_that_of_the_fixture() {
        let rows: Vec<String> = rows(&on("2023-09-05", vec![internal("10:46:40", 7001, 7002, 5, 15)]))
            .into_iter()
            .map(|line| line.text)
            .collect();
        assert_eq!(
            rows,
            [
                r#"1,1,5001,10002,10003,1693907200,1693907205,1693907220,15,"7001","7002","7002","SEP000000007001","SEP000000007002","10.0.0.5","10.0.0.6",0,16"#
            ]
        );
        assert!(head().iter().all(|line| line.split(',').count() == 18));
    }
}
