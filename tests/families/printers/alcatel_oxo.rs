//! An Alcatel OmniPCX Office that prints tickets as a LISTING with all fields selected, 146 columns, on a serial port
//! through a V24 option; pages of fifty records, each begun by a form feed.
//!
//! Sources: "Call metering services", Alcatel 4200, 3AC 21232 MBAA Ed.03, and a log of 2006 for the columns.

use jiff::{SignedDuration, Timestamp};
use smdrd::simulator::scenario::{Call, Day, Parties, Step};

use crate::day::{DDIS, GROUP, Has, MAILBOX};
use crate::figures::{Kind as What, Shown};
use crate::link::{FORM_FEED, Serial, cr_lf};
use crate::stage::{Family, Kind, Printed};

const PAGE: usize = 50;

/// The family.
pub fn family() -> Family {
    Family {
        name: "alcatel-oxo",
        dialect: "alcatel-oxo",
        options: "",
        transport: "serial, 9600 8N1",
        link: || Serial::boxed("baud = 9600", cr_lf),
        has: Has::PLAIN,
        cannot: &["internal", "outbound-answer"],
        roles: "\"220\" = \"hunt-group\"\n\"230\" = \"voicemail\"",
        print,
        shows,
        remark: "start to the minute; with ring time, initial user and unanswered calls switched on",
    }
}

/// The field list: every width is that of the table, one blank between fields.
struct Ticket<'a> {
    at: Timestamp,
    initial: String,
    charged: u16,
    arrow: &'a str,
    line: u8,
    seconds: u32,
    facility: &'a str,
    number: &'a str,
    ring: u32,
}

impl Ticket<'_> {
    fn print(&self, day: &Day, printed: Timestamp) -> Printed {
        let start = self.at.to_zoned(day.zone.clone());
        let text = format!(
            " {:<5} {:<5} {} N{:02} {} {:02}:{:02}:{:02} {:>4} {} {:<6} {:.<26} M {:02}:{:02} {:>10} {:.<16} {:<16}{:7}",
            self.initial,
            format!("A{}", self.charged),
            self.arrow,
            // Two calls at a time on a basic access.
            self.line.div_ceil(2),
            start.strftime("%d/%m/%y %H:%M"),
            self.seconds / 3600,
            self.seconds / 60 % 60,
            self.seconds % 60,
            0,
            "ST",
            self.facility,
            self.number,
            self.ring / 60,
            self.ring % 60,
            "0.000",
            "",
            "",
            "",
        );
        Printed::record(printed, text)
    }
}

fn print(day: &Day) -> Vec<Printed> {
    let mut tickets: Vec<Printed> = day.calls.iter().flat_map(|call| tickets(day, call)).collect();
    tickets.sort_by_key(|ticket| ticket.at);
    let mut lines = Vec::new();
    for (index, ticket) in tickets.into_iter().enumerate() {
        if index % PAGE == 0 {
            lines.push(Printed::of(ticket.at, Kind::Header, FORM_FEED));
        }
        lines.push(ticket);
    }
    lines
}

fn tickets(day: &Day, call: &Call) -> Vec<Printed> {
    let Some(line) = call.line else { return Vec::new() };
    let mut ticket = Ticket {
        at: call.arrival,
        initial: "****".to_owned(),
        charged: 0,
        arrow: "-->",
        line,
        seconds: call.talk(),
        facility: "",
        number: "",
        ring: 0,
    };
    let (caller, ddi) = match &call.parties {
        Parties::Outbound { station, number } => {
            ticket.charged = *station;
            ticket.number = number;
            return vec![ticket.print(day, call.end())];
        }
        Parties::Inbound { caller, ddi } => (caller.as_deref().unwrap_or_default(), ddi),
        _ => return Vec::new(),
    };
    ticket.arrow = "<--";
    ticket.number = caller;
    let mut lines = Vec::new();
    let mut at = call.arrival;
    let mut taken = false;
    for (index, step) in call.steps.iter().enumerate() {
        let begins = at;
        at += SignedDuration::from_secs(i64::from(step.seconds()));
        let (station, seconds) = match *step {
            Step::Ring { station, seconds } => {
                ticket.initial = if ddi == DDIS[0] { format!("G{GROUP}") } else { format!("A{station}") };
                ticket.ring = seconds;
                ticket.charged = station;
                if index + 1 == call.steps.len() {
                    ticket.seconds = 0;
                    lines.push(ticket.print(day, at));
                }
                continue;
            }
            Step::Talk { station, seconds, .. } => (station, seconds),
            Step::Mailbox { seconds } | Step::Menu { seconds } => (MAILBOX, seconds),
        };
        ticket.charged = station;
        ticket.seconds = seconds;
        if taken {
            // The ticket of whom it was put through to starts with the transfer.
            (ticket.at, ticket.facility, ticket.ring) = (begins, "X", 0);
            ticket.initial = format!("A{station}");
        }
        lines.push(ticket.print(day, at));
        taken = true;
    }
    lines
}

fn shows(call: &Call) -> Option<Shown> {
    let mut shown = Shown::all(call);
    match shown.kind {
        What::Internal => return None,
        What::Outbound(_) => {
            shown.kind = What::Outbound(None);
            // How long it rang is not told.
            shown.busy.0 = call.talk();
        }
        What::Inbound(_) => {}
    }
    Some(shown.at_its_minute(60))
}

#[test]
fn a_ticket_is_that_of_the_manual() {
    let day = crate::day::day(Has { outgoing: false, ..Has::PLAIN }, 1);
    let ticket = Ticket {
        at: day.at(8 * 3600 + 35 * 60),
        initial: "A101".to_owned(),
        charged: 125,
        arrow: "<--",
        line: 2,
        seconds: 160,
        facility: "",
        number: "07700900112",
        ring: 4,
    };
    let text = ticket.print(&day, day.at(0)).text;
    let example =
        " A101  A125  <-- N01 20/11/26 08:35 00:02:40    0 ST        07700900112............... M 00:04      0.000 ";
    assert!(text.starts_with(example), "{text}");
    assert_eq!(text.len(), 146);
}
