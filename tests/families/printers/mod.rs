//! What each family prints, one file a family.

pub mod alcatel_oxe;
pub mod alcatel_oxo;
pub mod asterisk_csv;
pub mod avaya_cm;
pub mod bt_versatility;
pub mod cisco_cme;
pub mod cisco_cucm;
pub mod ericsson_bp;
pub mod esi_ivx;
pub mod freeswitch_csv;
pub mod grandstream_ucm;
mod hand;
pub mod lg_ipecs;
pub mod mitel_3300;
pub mod mitel_5000;
pub mod mitel_sx200;
pub mod nec_sl;
pub mod nec_sv8300;
pub mod nortel_bcm;
pub mod nortel_meridian;
pub mod panasonic_tes;
mod portions;
pub mod samsung_officeserv;
pub mod siemens_hipath3000;
pub mod siemens_hipath4000;
pub mod three_cx;
pub mod toshiba_strata;

pub mod avaya_teleseer {
    pub use super::avaya_cm::teleseer_family as family;
}
pub mod esi_ivx_csv {
    pub use super::esi_ivx::csv_family as family;
}
pub mod esi_ivx_tabular {
    pub use super::esi_ivx::tabular_family as family;
}
pub mod lg_ipecs_callers {
    pub use super::lg_ipecs::cli_family as family;
}
pub mod nec_sl_format_1 {
    pub use super::nec_sl::format_1_family as family;
}
pub mod nec_sl_format_2 {
    pub use super::nec_sl::format_2_family as family;
}
pub mod nec_sv8300_framed {
    pub use super::nec_sv8300::framed_family as family;
}
pub mod nec_sv8300_plain {
    pub use super::nec_sv8300::plain_family as family;
}
pub mod nec_sv8300_serial {
    pub use super::nec_sv8300::serial_family as family;
}
pub mod nortel_norstar {
    pub use super::nortel_bcm::norstar_family as family;
}
pub mod nortel_real_time {
    pub use super::nortel_bcm::real_time_family as family;
}
pub mod nortel_sl1 {
    pub use super::nortel_bcm::sl1_family as family;
}
pub mod panasonic_tes_silent {
    pub use super::panasonic_tes::silent_family as family;
}
pub mod samsung_lan {
    pub use super::samsung_officeserv::lan_family as family;
}
pub mod toshiba_ctx {
    pub use super::toshiba_strata::ctx_family as family;
}
pub mod toshiba_dk {
    pub use super::toshiba_strata::dk_family as family;
}

use jiff::{SignedDuration, Timestamp};
use smdrd::simulator::scenario::{Call, Step};

/// A part of a call with one station: it rang, and spoke or did not.
#[derive(Debug, Clone, Copy)]
pub struct Leg {
    /// When this part began: the call's arrival, or the end of the part before.
    pub rings: Timestamp,
    /// When it was taken; when it ended, if it was not.
    pub begins: Timestamp,
    /// When it was over.
    pub ends: Timestamp,
    /// Who took it, or rang last.
    pub station: u16,
    /// Who rang; the same where nobody else did.
    pub rang: u16,
    /// Seconds of ringing before.
    pub ring: u32,
    /// Seconds of conversation, hold left out.
    pub talk: u32,
    /// Whether it was taken: by staff, the mailbox or the menu.
    pub taken: bool,
    /// No part of the call was taken before.
    pub first: bool,
    /// Nothing follows it.
    pub last: bool,
}

/// The parts of a call, in order.
pub fn legs(call: &Call) -> Vec<Leg> {
    let mut legs: Vec<Leg> = Vec::new();
    let mut at = call.arrival;
    let mut rings: Option<(Timestamp, u16, u32)> = None;
    for step in &call.steps {
        let begins = at;
        at += SignedDuration::from_secs(i64::from(step.seconds()));
        let (station, talk) = match *step {
            Step::Ring { station, seconds } => {
                rings = Some((begins, station, seconds));
                continue;
            }
            Step::Talk { station, seconds, .. } => (station, seconds),
            Step::Mailbox { seconds } => (crate::day::MAILBOX, seconds),
            Step::Menu { seconds } => (crate::day::MENU, seconds),
        };
        let (rang_at, rang, ring) = rings.take().unwrap_or((begins, station, 0));
        let first = !legs.iter().any(|leg| leg.taken);
        let (taken, last) = (true, false);
        legs.push(Leg { rings: rang_at, begins, ends: at, station, rang, ring, talk, taken, first, last });
    }
    if let Some((rang_at, rang, ring)) = rings {
        let first = !legs.iter().any(|leg| leg.taken);
        let (talk, taken, last) = (0, false, false);
        legs.push(Leg { rings: rang_at, begins: at, ends: at, station: rang, rang, ring, talk, taken, first, last });
    }
    if let Some(leg) = legs.last_mut() {
        leg.last = true;
    }
    legs
}

/// `HH:MM:SS`.
pub fn hms(seconds: u32) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// `MM:SS`.
pub fn ms(seconds: u32) -> String {
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}
