//! The printers of `tests/families` that are used here.

#[path = "../families/printers/alcatel_oxo.rs"]
pub mod alcatel_oxo;
#[path = "../families/printers/hand.rs"]
mod hand;
#[path = "../families/printers/legs.rs"]
mod legs;
#[path = "../families/printers/mitel_3300.rs"]
pub mod mitel_3300;
#[path = "../families/printers/panasonic_tes.rs"]
pub mod panasonic_tes;
#[path = "../families/printers/portions.rs"]
mod portions;
#[path = "../families/printers/samsung_officeserv.rs"]
pub mod samsung_officeserv;
#[path = "../families/printers/siemens_hipath3000.rs"]
pub mod siemens_hipath3000;
#[path = "../families/printers/three_cx.rs"]
pub mod three_cx;

pub use legs::{hms, legs};
