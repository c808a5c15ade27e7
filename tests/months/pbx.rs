//! The PBXs of the practices: six families whose records tell all that is counted, and one whose records
//! leave most of it open.

use smdrd::simulator::ipoffice;
use smdrd::simulator::scenario::{Day, Pbx};

use crate::day::Has;
use crate::figures::Shown;
use crate::link::{Connects, Serial, Wrap, cr_lf};
use crate::printers::{alcatel_oxo, mitel_3300, panasonic_tes, samsung_officeserv, siemens_hipath3000, three_cx};
use crate::stage::{Family, Printed};

/// A family, and what its lines are on the wire.
pub struct Make {
    pub family: Family,
    pub wrap: Wrap,
}

/// Of these the figures are whole.
pub const WHOLE: [fn() -> Make; 6] = [ip_office, hipath, mitel, alcatel, samsung, three];

fn made(family: Family) -> Make {
    Make { family, wrap: cr_lf }
}

/// An Avaya IP Office: a record a segment over TCP, with a menu and a mailbox on ports of its own.
fn ip_office() -> Make {
    made(Family {
        name: "avaya-ipoffice",
        dialect: "avaya-ipoffice",
        options: "",
        transport: "TCP, the PBX connects",
        link: || Connects::boxed(cr_lf),
        has: Has { menu: true, transfer_rings: true, hold: true, ..Has::PLAIN },
        cannot: &[],
        roles: "\"V9501\" = \"auto-attendant\"\n\"V9511\" = \"voicemail\"",
        print: ip_office_prints,
        shows: |call| Some(Shown::all(call)),
        remark: "",
    })
}

fn ip_office_prints(day: &Day) -> Vec<Printed> {
    let mut day = day.clone();
    day.calls.iter_mut().for_each(|call| call.pbx = Pbx::Reception);
    ipoffice::lines(&day).into_iter().map(|line| Printed::record(line.at, line.text)).collect()
}

fn hipath() -> Make {
    made(Family { link: || Serial::boxed("baud = 9600", cr_lf), ..siemens_hipath3000::family() })
}

/// One record a call: a call that is put through to the mailbox has the mailbox's time in its talk, and none is.
fn mitel() -> Make {
    let family = mitel_3300::family();
    made(Family { has: Has { transfer: false, busy: false, ..family.has }, ..family })
}

/// A basic access carries two calls, and stamps are minutes: where both callers withhold their number, and both are put
/// through, nobody can say from the records who was put through to whom. So none is withheld.
fn alcatel() -> Make {
    let family = alcatel_oxo::family();
    made(Family { has: Has { withheld: false, ..family.has }, ..family })
}

fn samsung() -> Make {
    Make { family: samsung_officeserv::lan_family(), wrap: nul_ends }
}

fn nul_ends(text: &str) -> Vec<u8> {
    format!("{text}\r\n\0").into_bytes()
}

fn three() -> Make {
    let family = three_cx::family();
    made(Family { has: Has { busy: false, ..family.has }, ..family })
}

/// A Panasonic KX-TES that prints nothing of a call that nobody took, and of the others not how long they waited.
pub fn silent() -> Make {
    made(panasonic_tes::silent_family())
}
