//! A Siemens HiPath 3000 in LAN mode 2: what `smdrd::simulator::hipath` prints, put as files by TFTP.

use smdrd::simulator::hipath;
use smdrd::simulator::scenario::{Call, Day, Parties, Pbx};

use crate::day::Has;
use crate::figures::{Kind as What, Shown};
use crate::link::{Tftp, cr_lf};
use crate::stage::{Family, Kind, Printed};

/// The family.
pub fn family() -> Family {
    Family {
        name: "siemens-hipath3000, LAN mode 2",
        dialect: "siemens-hipath3000",
        options: "",
        transport: "TFTP, a file for every 40 records",
        link: || Tftp::boxed(cr_lf),
        has: Has::PLAIN,
        cannot: &["internal", "outbound-answer"],
        roles: "\"199\" = \"voicemail\"",
        print,
        shows,
        remark: "calls inside are never logged",
    }
}

fn print(day: &Day) -> Vec<Printed> {
    let mut day = day.clone();
    day.calls.iter_mut().for_each(|call| call.pbx = Pbx::Surgery);
    let kind = |line: &smdrd::simulator::Line| if hipath::is_offer(line) { Kind::Event } else { Kind::Record };
    hipath::lines(&day).into_iter().map(|line| Printed::of(line.at, kind(&line), line.text)).collect()
}

fn shows(call: &Call) -> Option<Shown> {
    let shown = Shown::all(call);
    match (&call.parties, shown.kind) {
        (Parties::Internal { .. }, _) => None,
        // The ring of a call that nobody took is printed.
        (_, What::Outbound(_)) => Some(Shown { kind: What::Outbound(None), ..shown }),
        _ => Some(shown),
    }
}
