//! FreeSWITCH with `mod_cdr_csv` and its delivered template: a row a call of the calling leg.
//!
//! Source: FreeSWITCH, "CDR" (cdr_csv.conf.xml). There is no column for the direction; the context of calls from outside
//! is `public`, that of stations `default`; here the site
//! sends calls to the outside through a context of its own. What a transfer or the mailbox leaves is not described: neither happens here.

use smdrd::simulator::Line;
use smdrd::simulator::scenario::{Call, Day, Parties};

use super::portions::{caller, later, wall};
use crate::day::Has;
use crate::figures::Shown;
use crate::stage::{Family, Printed};
use crate::upload::Folder;

/// What ends a row.
pub const END: &str = "\n";

/// The rows of `day`.
pub fn rows(day: &Day) -> Vec<Line> {
    let mut rows: Vec<Line> =
        day.calls.iter().zip(1_u32..).filter_map(|(call, number)| row(call, number, day)).collect();
    rows.sort_by_key(|line| line.at);
    rows
}

fn row(call: &Call, number: u32, day: &Day) -> Option<Line> {
    let (from, to, context) = match &call.parties {
        Parties::Inbound { ddi, .. } => {
            (caller(&call.parties).unwrap_or("anonymous").to_owned(), ddi.clone(), "public")
        }
        Parties::Outbound { station, number } => (station.to_string(), number.clone(), "outside"),
        Parties::Internal { from, to } => (from.to_string(), to.to_string(), "default"),
        Parties::MailboxCheck { .. } => return None,
    };
    let stamp = |at| wall(at, &day.zone, "%Y-%m-%d %H:%M:%S");
    let talk = call.talk();
    let answer = if talk > 0 { stamp(later(call.arrival, call.length() - talk)) } else { String::new() };
    let cause = if talk > 0 { "NORMAL_CLEARING" } else { "ORIGINATOR_CANCEL" };
    let bleg = if talk > 0 { uuid(number, 2) } else { String::new() };
    let text = format!(
        "\"{from}\",\"{from}\",\"{to}\",\"{context}\",\"{}\",\"{answer}\",\"{}\",\"{}\",\"{talk}\",\"{cause}\",\"{}\",\"{bleg}\",\"\",\"PCMA\",\"PCMA\"",
        stamp(call.arrival),
        stamp(call.end()),
        call.length(),
        uuid(number, 1),
    );
    Some(Line { at: call.end(), text })
}

fn uuid(number: u32, leg: u32) -> String {
    format!("{number:08x}-e752-11e3-8bfb-{leg:012x}")
}

/// The family.
pub fn family() -> Family {
    Family {
        name: "freeswitch-csv",
        dialect: "freeswitch-csv",
        options: "outbound_contexts = \"outside\"",
        transport: "files in the drop folder",
        link: || Folder::boxed(wrap),
        has: Has { voicemail: false, transfer: false, outgoing_rings: true, ..Has::PLAIN },
        cannot: &["hold", "transfer", "voicemail"],
        roles: "",
        print: |day| rows(day).into_iter().map(|line| Printed::record(line.at, line.text)).collect(),
        shows: |call| Some(Shown::all(call)),
        remark: "what a transfer or the mailbox leaves is not described: neither was played",
    }
}

fn wrap(text: &str) -> Vec<u8> {
    format!("{text}{END}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::hand::{inbound, on, ring};
    use super::*;

    #[test]
    fn a_row_is_that_of_the_documentation() {
        let missed = inbound("16:59:50", 1, Some("01632960002"), &[ring(1, 12)]);
        let texts: Vec<String> = rows(&on("2014-01-29", vec![missed])).into_iter().map(|line| line.text).collect();
        assert_eq!(
            texts,
            [
                r#""01632960002","01632960002","01632960150","public","2014-01-29 16:59:50","","2014-01-29 17:00:02","12","0","ORIGINATOR_CANCEL","00000001-e752-11e3-8bfb-000000000001","","","PCMA","PCMA""#
            ]
        );
    }
}
