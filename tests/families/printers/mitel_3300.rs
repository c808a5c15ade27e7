//! A Mitel 3300 with Extended Reporting Level 2 and network OLI: 207 columns on its port 1752, one record a call even
//! when it was put through, stamped with the second in which it began.
//!
//! Sources: Mitel's tables of the SMDR record (summary of fields); eleven live lines for Level 2's columns.

use smdrd::simulator::scenario::{Call, Day, Ending, Parties, Step};

use super::{hms, legs};
use crate::day::{DDIS, Has, MAILBOX};
use crate::figures::{Kind, Shown};
use crate::link::{Listens, cr_lf};
use crate::stage::{Family, Printed};

const WIDTH: usize = 207;

/// The family.
pub fn family() -> Family {
    Family {
        name: "mitel-3300, Level 2",
        dialect: "mitel-3300",
        options: "",
        transport: "TCP, the box connects (port 1752)",
        link: || Listens::boxed(b"", cr_lf),
        // What is printed of a call that is put through to the mailbox is not published: one record, and whose talk?
        has: Has { busy: true, ..Has::PLAIN },
        cannot: &[],
        roles: "\"230\" = \"voicemail\"",
        print,
        shows,
        remark: "one record a call: of one that was put through, the talk of all who took it",
    }
}

/// A record, filled by column (counted from 1).
pub struct Columns(Vec<u8>);

impl Columns {
    /// All blank.
    pub fn blank(width: usize) -> Columns {
        Columns(vec![b' '; width])
    }

    /// Puts `text` from column `from` on.
    pub fn put(&mut self, from: usize, text: &str) {
        self.0[from - 1..from - 1 + text.len()].copy_from_slice(text.as_bytes());
    }

    /// The line.
    pub fn line(self) -> String {
        String::from_utf8(self.0).unwrap()
    }
}

/// How long the call was, as the first column shows it.
pub fn long(seconds: u32) -> &'static str {
    match seconds {
        ..300 => " ",
        300..600 => "-",
        600..1800 => "%",
        _ => "+",
    }
}

fn print(day: &Day) -> Vec<Printed> {
    let mut lines: Vec<Printed> = day.calls.iter().enumerate().map(|(index, call)| record(day, call, index)).collect();
    lines.sort_by_key(|line| line.at);
    lines
}

fn record(day: &Day, call: &Call, index: usize) -> Printed {
    let mut columns = Columns::blank(WIDTH);
    let legs = legs(call);
    let (first, last) = (&legs[0], &legs[legs.len() - 1]);
    let taken = first.taken;
    // Of a call that nobody took, how long it rang.
    let duration = if taken { legs.iter().map(|leg| leg.talk).sum() } else { first.ring };
    let start = call.arrival.to_zoned(day.zone.clone());
    columns.put(1, long(duration));
    columns.put(2, &start.strftime("%m/%d %H:%M:%S").to_string());
    columns.put(18, &format!("00{}", hms(duration)));
    columns.put(108, "001");
    columns.put(154, &format!("A{:07}", 100 + index));
    columns.put(163, "A");
    let trunk = format!("T{}", 100 + u16::from(call.line.unwrap_or_default()));
    match &call.parties {
        Parties::Inbound { caller, ddi } => {
            let dialled = &ddi[ddi.len() - 3..];
            columns.put(29, &trunk);
            columns.put(37, &if taken { format!("{:04}", first.ring) } else { "****".to_owned() });
            columns.put(42, dialled);
            if !taken && first.ring == 0 {
                columns.put(68, "B");
            }
            columns.put(70, &first.station.to_string());
            if !last.first {
                columns.put(85, "T");
                columns.put(87, &last.station.to_string());
            }
            columns.put(114, caller.as_deref().unwrap_or_default());
            columns.put(135, dialled);
        }
        Parties::Outbound { station, number } => {
            columns.put(29, &station.to_string());
            columns.put(42, number);
            columns.put(70, &trunk);
            if taken {
                columns.put(68, "A");
            } else {
                // Never connected: no duration at all.
                columns.put(18, "          ");
                columns.put(1, " ");
            }
        }
        Parties::Internal { from, .. } => {
            columns.put(29, &from.to_string());
            columns.put(42, &first.station.to_string());
            columns.put(68, "I");
            columns.put(70, &first.station.to_string());
        }
        Parties::MailboxCheck { .. } => {}
    }
    Printed::record(call.end(), columns.line())
}

/// What one record a call leaves open: the talk is that of all who took it, the mailbox among them.
pub fn of_one_record(call: &Call) -> Shown {
    let mut shown = Shown::all(call);
    let all: u32 = legs(call).iter().map(|leg| leg.talk).sum();
    let staff = call.steps.iter().any(|step| matches!(step, Step::Talk { .. }));
    if matches!(call.parties, Parties::Inbound { .. }) && staff {
        shown.talk = Some(all);
    }
    // B says that the station was busy, and no ring was there to be timed.
    if shown.kind == Kind::Inbound(Ending::GaveUp) && call.wait() == 0 {
        shown.wait = None;
    }
    shown
}

fn shows(call: &Call) -> Option<Shown> {
    let mut shown = of_one_record(call);
    match &call.parties {
        Parties::Outbound { .. } => shown.busy.0 = call.talk(),
        // Inside, the duration counts from the answer, and the ring is not told.
        Parties::Internal { .. } => {}
        _ => {}
    }
    Some(shown)
}

#[test]
fn the_columns_are_those_of_the_live_lines() {
    let example = "+03/05 13:15:09  0000:00:21         0000 9999                        9907                                  001   9999999999           9999               A0097399 A";
    let day = crate::day::day(Has::PLAIN, 1);
    let call = day.calls.iter().find(|call| matches!(&call.parties, Parties::Inbound { caller: Some(_), .. })).unwrap();
    let line = record(&day, call, 1).text;
    assert_eq!(line.len(), WIDTH);
    for (from, to) in [(2, 14), (17, 27), (36, 40), (107, 110), (153, 163)] {
        let shape = |text: &str| text[from..to].replace(|c: char| c.is_ascii_digit() || c == '*', "9");
        assert_eq!(shape(&line), shape(example), "columns {from} to {to}");
    }
    assert_eq!((MAILBOX, DDIS.len()), (230, 2));
}
