//! A month of many practices, from the bytes of their PBXs to the files for NHS England. What the files say is compared,
//! cell for cell, with what was played; nothing of how it is counted here is the product's.

#![cfg(feature = "postgres")]

#[path = "../families/day.rs"]
#[allow(dead_code)]
mod day;
mod diary;
#[path = "../families/figures.rs"]
#[allow(dead_code)]
mod figures;
#[path = "../families/link.rs"]
#[allow(dead_code)]
mod link;
#[path = "../machine/loudly.rs"]
mod loudly;
mod pbx;
#[path = "../machine/postgres.rs"]
mod postgres;
mod practice;
mod practice_box;
#[allow(dead_code)]
mod printers;
#[path = "../daemon/rig.rs"]
#[allow(dead_code)]
mod rig;
#[path = "../schema/mod.rs"]
#[allow(dead_code)]
mod schema;
#[path = "../families/stage.rs"]
#[allow(dead_code)]
mod stage;
mod supplier;
mod truth;
mod whole_month;
mod whole_program;
