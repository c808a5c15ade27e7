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
#[path = "../daemon/rig.rs"]
#[allow(dead_code)]
mod rig;
#[path = "../schema/mod.rs"]
#[allow(dead_code)]
mod schema;
mod stage;

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
    alcatel_oxo
    avaya_cm
    ericsson_bp
    lg_ipecs
    mitel_3300
    mitel_5000
    mitel_sx200
    nortel_meridian
    panasonic_tes
    samsung_officeserv
    siemens_hipath3000
    siemens_hipath4000
}
