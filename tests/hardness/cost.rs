//! What a line costs does not grow with what came before it. No time is asserted that a slow machine might not keep;
//! `make bench` prints the times, and SMDRD_WORST=1 does here.

use smdrd::dialect::Library;
use smdrd::record::LegKind;

use crate::fuzz_lines::SEEDS;
use crate::worst::{dearest, open_groups, standing_clock};

#[test]
fn a_clock_that_stands_still_makes_calls_and_no_square_of_them() {
    // With every call looked at for every leg this takes minutes.
    let (each, calls) = standing_clock(40_000, |_| LegKind::Call);
    assert_eq!(calls, 40_000, "a call does not join a call");
    eprintln!("calls at one instant: {each:?} a leg");
    let (each, calls) = standing_clock(2_000, |seq| if seq % 2 == 0 { LegKind::Transfer } else { LegKind::Call });
    assert_eq!(calls, 1_000, "a transfer joins");
    eprintln!("every other one a transfer: {each:?} a leg");
}

#[test]
fn the_dearest_lines_of_every_dialect() {
    if std::env::var_os("SMDRD_WORST").is_none() {
        return;
    }
    for id in Library::shipped().ids() {
        let lines: Vec<Vec<u8>> = SEEDS
            .iter()
            .filter(|seed| seed.dialect == id)
            .flat_map(|seed| seed.lines.iter().take(40).cloned())
            .collect();
        let cost = dearest(id, &lines, 3);
        println!("| {} | {} | {:.3} |", cost.dialect, cost.what, cost.each.as_secs_f64() * 1_000.0);
    }
    println!("open groups: {:?} a line", open_groups(5_000));
}
