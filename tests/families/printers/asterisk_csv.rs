//! Asterisk with `cdr_csv`: one row for each channel that was called, appended to Master.csv, with the columns that
//! `newcdrcolumns` adds.
//!
//! Sources: Asterisk, README.cdr; rows of a real Master.csv, where a group that rings together makes a row a station, the
//! rows of a call share the linked id, and a row that no second channel took part in is an announcement or the mailbox.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use smdrd::simulator::Line;
use smdrd::simulator::scenario::{Call, Day, Parties};

use super::portions::{Portion, Taker, caller, later, portions, wall};
use crate::day::Has;
use crate::figures::Shown;
use crate::stage::{Family, Printed};
use crate::upload::Folder;

/// What ends a row.
pub const END: &str = "\n";

/// A station that rings beside the one that answers.
const BESIDE: u16 = 109;

/// The rows of `day`, in the order in which they are written.
pub fn rows(day: &Day) -> Vec<Line> {
    let mut writer = Writer { zone: &day.zone, channel: 0, sequence: 0, rows: Vec::new() };
    for call in &day.calls {
        writer.call(call);
    }
    writer.rows.sort_by_key(|line| line.at);
    writer.rows
}

struct Writer<'a> {
    zone: &'a TimeZone,
    channel: u32,
    sequence: u32,
    rows: Vec<Line>,
}

/// What a row says of one attempt to reach somebody.
struct Attempt<'a> {
    from: &'a str,
    number: &'a str,
    context: &'a str,
    channel: &'a str,
    to: &'a str,
    application: &'a str,
    data: &'a str,
    start: Timestamp,
    answer: Option<Timestamp>,
    end: Timestamp,
    disposition: &'a str,
    linked: &'a str,
}

impl Writer<'_> {
    fn device(&mut self, name: &str) -> String {
        self.channel += 1;
        format!("SIP/{name}-{:08x}", self.channel)
    }

    fn call(&mut self, call: &Call) {
        let linked = format!("{}.{}", call.arrival.as_second(), self.channel);
        match &call.parties {
            Parties::Inbound { ddi, .. } => self.inbound(call, ddi, &linked),
            Parties::Outbound { station, number } => {
                let data = format!("SIP/trunk/{number},300");
                let (from, to) = (station.to_string(), "trunk");
                self.dialled(call, &from, number, to, &data, &linked);
            }
            Parties::Internal { from, to } => {
                let data = format!("SIP/{to},30");
                let (from, to) = (from.to_string(), to.to_string());
                self.dialled(call, &from, &to, &to, &data, &linked);
            }
            Parties::MailboxCheck { .. } => {}
        }
    }

    /// A call that a station dialled.
    fn dialled(&mut self, call: &Call, from: &str, number: &str, device: &str, data: &str, linked: &str) {
        let (channel, to) = (self.device(from), self.device(device));
        let answer = (call.talk() > 0).then(|| later(call.arrival, call.length() - call.talk()));
        self.row(&Attempt {
            from,
            number,
            context: "from-internal",
            channel: &channel,
            to: &to,
            application: "Dial",
            data,
            start: call.arrival,
            answer,
            end: call.end(),
            disposition: if answer.is_some() { "ANSWERED" } else { "NO ANSWER" },
            linked,
        });
    }

    fn inbound(&mut self, call: &Call, ddi: &str, linked: &str) {
        let from = caller(&call.parties).unwrap_or("anonymous");
        let channel = self.device("trunk");
        for (index, leg) in portions(call).iter().enumerate() {
            self.leg(
                leg,
                index == 0,
                &Attempt {
                    from,
                    number: ddi,
                    context: "from-trunk",
                    channel: &channel,
                    to: "",
                    application: "Dial",
                    data: "",
                    start: leg.offered,
                    answer: None,
                    end: leg.end(),
                    disposition: "NO ANSWER",
                    linked,
                },
            );
        }
    }

    fn leg(&mut self, leg: &Portion, first: bool, attempt: &Attempt<'_>) {
        let rang = matches!(leg.taker, Taker::Staff | Taker::Nobody);
        if rang || leg.ring > 0 {
            // Those that rang: the whole group at first, one station later.
            let stations: Vec<u16> = if first { vec![BESIDE, leg.station] } else { vec![leg.station] };
            let names: Vec<String> = stations.iter().map(|station| format!("SIP/{station}")).collect();
            let data = format!("{},60,t", names.join("&"));
            for station in stations {
                let to = self.device(&station.to_string());
                let answered = leg.taker == Taker::Staff && station == leg.station;
                self.row(&Attempt {
                    to: &to,
                    data: &data,
                    answer: answered.then(|| leg.taken()),
                    end: if answered { leg.end() } else { leg.taken() },
                    disposition: match (answered, leg.engaged()) {
                        (true, _) => "ANSWERED",
                        (false, true) => "BUSY",
                        (false, false) => "NO ANSWER",
                    },
                    ..*attempt
                });
            }
        }
        let (application, data) = match leg.taker {
            Taker::Mailbox => ("VoiceMail", "200@default,u"),
            Taker::Menu => ("BackGround", "welcome"),
            Taker::Staff | Taker::Nobody => return,
        };
        let (start, answer) = (leg.taken(), Some(leg.taken()));
        self.row(&Attempt { application, data, start, answer, disposition: "ANSWERED", ..*attempt });
    }

    fn row(&mut self, row: &Attempt<'_>) {
        self.sequence += 1;
        let stamp = |at: Timestamp| format!("\"{}\"", wall(at, self.zone, "%Y-%m-%d %H:%M:%S"));
        let seconds = |from: Timestamp| row.end.duration_since(from).as_secs();
        let text = format!(
            "\"\",\"{from}\",\"{}\",\"{}\",\"\"\"{from}\"\" <{from}>\",\"{}\",\"{}\",\"{}\",\"{}\",{},{},{},{},{},\"{}\",\"DOCUMENTATION\",\"{}\",\"\",\"\",\"{}\",{}",
            row.number,
            row.context,
            row.channel,
            row.to,
            row.application,
            row.data,
            stamp(row.start),
            row.answer.map(stamp).unwrap_or_default(),
            stamp(row.end),
            seconds(row.start),
            row.answer.map_or(0, seconds),
            row.disposition,
            row.linked,
            row.linked,
            self.sequence,
            from = row.from,
        );
        self.rows.push(Line { at: row.end, text });
    }
}

/// The family.
pub fn family() -> Family {
    Family {
        name: "asterisk-csv",
        dialect: "asterisk-csv",
        options: "trunks = \"trunk\"",
        transport: "files in the drop folder",
        link: || Folder::boxed(wrap),
        has: Has { busy: true, ..Has::PLAIN },
        cannot: &["hold", "transfer"],
        roles: "",
        print: |day| rows(day).into_iter().map(|line| Printed::record(line.at, line.text)).collect(),
        shows: |call| Some(Shown::all(call)),
        remark: "a row a channel; a transfer is a row more",
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
    fn a_group_that_rings_together_makes_the_rows_of_the_real_file() {
        let answered = inbound("03:39:25", 1, Some("01632960002"), &[ring(301, 5), talk(301, 43, 0)]);
        let texts: Vec<String> = rows(&on("2024-01-28", vec![answered])).into_iter().map(|line| line.text).collect();
        assert_eq!(
            texts,
            [
                r#""","01632960002","01632960150","from-trunk","""01632960002"" <01632960002>","SIP/trunk-00000001","SIP/109-00000002","Dial","SIP/109&SIP/301,60,t","2024-01-28 03:39:25",,"2024-01-28 03:39:30",5,0,"NO ANSWER","DOCUMENTATION","1706413165.0","","","1706413165.0",1"#,
                r#""","01632960002","01632960150","from-trunk","""01632960002"" <01632960002>","SIP/trunk-00000001","SIP/301-00000003","Dial","SIP/109&SIP/301,60,t","2024-01-28 03:39:25","2024-01-28 03:39:30","2024-01-28 03:40:13",48,43,"ANSWERED","DOCUMENTATION","1706413165.0","","","1706413165.0",2"#,
            ]
        );
    }
}
