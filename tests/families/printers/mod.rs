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
mod legs;
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

pub use legs::{Leg, hms, legs, ms};
