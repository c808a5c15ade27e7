//! A Grandstream UCM: the CSV that its CDR API and its daily mail give, one row a channel that was called.
//!
//! Sources: UCM6100/UCM6510 CDR API Guide, example output: no field stands between quotes, and `lastdata` has commas of
//! its own; Asterisk 11's meaning of the columns. Rows of calls from outside are `ext-did`, and their channel is a
//! trunk's.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use smdrd::simulator::Line;
use smdrd::simulator::scenario::{Call, Day, Parties};

use super::portions::{Taker, caller, later, portions, wall};
use crate::day::Has;
use crate::figures::Shown;
use crate::stage::{Family, Kind, Printed};
use crate::upload::Folder;

/// What ends a row.
pub const END: &str = "\n";
/// The first line of a file.
pub const HEADER: &str = "AcctId,accountcode,src,dst,dcontext,clid,channel,dstchannel,lastapp,lastdata,start,answer,end,\
duration,billsec,disposition,amaflags,uniqueid,userfield,channel_ext,dstchannel_ext,service";

/// The header and the rows of `day`.
pub fn rows(day: &Day) -> Vec<Line> {
    let mut rows: Vec<(Timestamp, String)> = Vec::new();
    for (call, number) in day.calls.iter().zip(0_u32..) {
        rows.extend(of(call, number, &day.zone));
    }
    rows.sort_by_key(|(at, _)| *at);
    let header = Line { at: day.bounds().0, text: HEADER.to_owned() };
    let numbered = rows.into_iter().zip(62..);
    std::iter::once(header)
        .chain(numbered.map(|((at, row), account)| Line { at, text: format!("{account},,{row}") }))
        .collect()
}

struct Row<'a> {
    from: &'a str,
    to: &'a str,
    context: &'a str,
    /// Device and extension of either side.
    channel: [&'a str; 2],
    called: [&'a str; 2],
    application: &'a str,
    data: &'a str,
    start: Timestamp,
    answer: Option<Timestamp>,
    end: Timestamp,
    user: &'a str,
    /// The same for all rows of a call.
    unique: &'a str,
}

impl Row<'_> {
    fn print(&self, number: u32, zone: &TimeZone) -> (Timestamp, String) {
        let stamp = |at: Timestamp| wall(at, zone, "%Y-%m-%d %H:%M:%S");
        let seconds = |from: Timestamp| self.end.duration_since(from).as_secs();
        let device = |[device, _]: [&str; 2], side: u32| match device {
            "" => String::new(),
            device => format!("SIP/{device}-{:08x}", number * 2 + side),
        };
        let text = [
            self.from.to_owned(),
            self.to.to_owned(),
            self.context.to_owned(),
            format!("\"{}\" <{}>", self.from, self.from),
            device(self.channel, 0),
            device(self.called, 1),
            self.application.to_owned(),
            self.data.to_owned(),
            stamp(self.start),
            self.answer.map(stamp).unwrap_or_default(),
            stamp(self.end),
            seconds(self.start).to_string(),
            self.answer.map_or(0, seconds).to_string(),
            match self.answer {
                Some(_) => "ANSWERED",
                None if self.end == self.start => "BUSY",
                None => "NO ANSWER",
            }
            .to_owned(),
            "DOCUMENTATION".to_owned(),
            self.unique.to_owned(),
            self.user.to_owned(),
            self.channel[1].to_owned(),
            self.called[1].to_owned(),
            "s".to_owned(),
        ];
        (self.end, text.join(","))
    }
}

fn of(call: &Call, number: u32, zone: &TimeZone) -> Vec<(Timestamp, String)> {
    let answer = (call.talk() > 0).then(|| later(call.arrival, call.length() - call.talk()));
    let (start, end) = (call.arrival, call.end());
    let unique = &format!("{}.{number}", start.as_second());
    match &call.parties {
        Parties::Inbound { ddi, .. } => {
            let from = caller(&call.parties).unwrap_or("anonymous");
            let print = |leg: &super::portions::Portion| {
                let station = leg.station.to_string();
                let (application, data) = match leg.taker {
                    Taker::Mailbox => ("VoiceMail", format!("{station}@default,u")),
                    Taker::Menu => ("BackGround", "welcome".to_owned()),
                    Taker::Staff | Taker::Nobody => ("Dial", format!("SIP/{station},60,")),
                };
                let row = Row {
                    from,
                    to: ddi,
                    context: "ext-did-00001",
                    channel: ["trunk_1", "trunk_1"],
                    called: if application == "Dial" { [&station, &station] } else { ["", ""] },
                    application,
                    data: &data,
                    start: leg.offered,
                    answer: (leg.taker != Taker::Nobody).then(|| leg.taken()),
                    end: leg.end(),
                    user: "Inbound",
                    unique,
                };
                row.print(number, zone)
            };
            portions(call).iter().map(print).collect()
        }
        Parties::Outbound { station, number: called } => {
            let (station, data) = (station.to_string(), format!("SIP/trunk_1/{called},,"));
            let row = Row {
                from: &station,
                to: called,
                context: "from-internal",
                channel: [&station, &station],
                called: ["trunk_1", "trunk_1"],
                application: "Dial",
                data: &data,
                start,
                answer,
                end,
                user: "Outbound",
                unique,
            };
            vec![row.print(number, zone)]
        }
        Parties::Internal { from, to } => {
            let ([from, to], data) = ([from.to_string(), to.to_string()], format!("SIP/{to},60,"));
            let row = Row {
                from: &from,
                to: &to,
                context: "from-internal",
                channel: [&from, &from],
                called: [&to, &to],
                application: "Dial",
                data: &data,
                start,
                answer,
                end,
                user: "EXT",
                unique,
            };
            vec![row.print(number, zone)]
        }
        Parties::MailboxCheck { .. } => Vec::new(),
    }
}

/// The family.
pub fn family() -> Family {
    Family {
        name: "grandstream-ucm",
        dialect: "grandstream-ucm",
        options: "",
        transport: "files in the drop folder",
        link: || Folder::boxed(wrap),
        has: Has { busy: true, ..Has::PLAIN },
        cannot: &["hold", "transfer"],
        roles: "",
        print: |day| {
            let kind = |text: &str| if text == HEADER { Kind::Header } else { Kind::Record };
            rows(day).into_iter().map(|line| Printed::of(line.at, kind(&line.text), line.text)).collect()
        },
        shows: |call| Some(Shown::all(call)),
        remark: "commas that part no fields",
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
    fn rows_are_those_of_the_guide() {
        // In London; the guide's clock stood elsewhere, which the unique id shows.
        let calls = vec![internal("11:46:40", 5300, 5301, 3, 6)];
        let rows: Vec<String> = rows(&on("2013-12-03", calls)).into_iter().map(|line| line.text).collect();
        assert_eq!(rows[0], HEADER);
        assert_eq!(
            rows[1],
            "62,,5300,5301,from-internal,\"5300\" <5300>,SIP/5300-00000000,SIP/5301-00000001,Dial,SIP/5301,60,,2013-12-03 11:46:40,2013-12-03 11:46:43,2013-12-03 11:46:49,9,6,ANSWERED,DOCUMENTATION,1386071200.0,EXT,5300,5301,s"
        );
    }
}
