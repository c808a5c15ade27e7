//! Independent proof (decision 15): each PBX family prints a practice day over its real transport to the real daemon,
//! and the day document is compared, figure for figure, with what was played.
//!
//! The printers are written by hand from the formats' descriptions, one file a family, and know nothing of
//! `config/dialects`. What a family does not print is said in its own file, and must be null in the document.

// The rig has the supplier's program too.
#![cfg(feature = "supplier")]

mod day;
mod figures;
mod link;
mod printers;
mod proof;
mod protocol;
#[path = "../daemon/rig.rs"]
#[allow(dead_code)]
mod rig;
#[path = "../schema/mod.rs"]
#[allow(dead_code)]
mod schema;
mod stage;
mod upload;

use stage::Family;

/// One test a family, and the list of all: the name is that of its file in `printers`.
macro_rules! families {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                stage::prove(&printers::$name::family());
            }
        )*

        /// Every family that is played.
        fn families() -> Vec<Family> {
            vec![$(printers::$name::family()),*]
        }
    };
}

families! {
    alcatel_oxe
    alcatel_oxo
    asterisk_csv
    avaya_cm
    avaya_teleseer
    bt_versatility
    cisco_cme
    cisco_cucm
    ericsson_bp
    esi_ivx_csv
    esi_ivx_tabular
    freeswitch_csv
    grandstream_ucm
    lg_ipecs
    lg_ipecs_callers
    mitel_3300
    mitel_5000
    mitel_sx200
    nec_sl_format_1
    nec_sl_format_2
    nec_sv8300_framed
    nec_sv8300_plain
    nec_sv8300_serial
    nortel_meridian
    nortel_norstar
    nortel_real_time
    nortel_sl1
    panasonic_tes
    panasonic_tes_silent
    samsung_lan
    samsung_officeserv
    siemens_hipath3000
    siemens_hipath4000
    three_cx
    toshiba_ctx
    toshiba_dk
}
