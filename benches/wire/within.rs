//! The reading side by itself, in this process, on one core, without a disk.

use std::collections::BTreeMap;
use std::time::Instant;

use smdrd::dialect::{Library, Line, Plan, Reading, SourceState};
use smdrd::framing::{Framer, Settings};
use smdrd::number::NumberPlan;
use smdrd::privacy::{Keys, Peers, Privacy};

fn plan() -> Plan {
    let dialect = Library::shipped().get("avaya-ipoffice").expect("it is shipped");
    dialect.plan(&BTreeMap::new(), None).expect("without options")
}

/// Cuts the lines out of a stream of 16 KB pieces and reads each; `with` is given every line and what it says.
fn read(lines: &[String], mut with: impl FnMut(&[u8], &mut Reading)) -> f64 {
    let stream: Vec<u8> = lines.iter().flat_map(|line| [line.as_bytes(), b"\r\n"]).flatten().copied().collect();
    let plan = plan();
    let mut framer = Framer::new(Settings { protocol: plan.protocol(), max_line: 4_096 });
    let (mut state, mut reading, mut no) = (SourceState::default(), Reading::default(), 0);
    let today = jiff::civil::date(2026, 11, 20);
    let began = Instant::now();
    for piece in stream.chunks(16 * 1024) {
        framer.push(piece, &mut |line| {
            no += 1;
            plan.step(&mut state, &Line { no, bytes: line.bytes, kept: &[], today }, &mut reading);
            with(line.bytes, &mut reading);
        });
    }
    assert_eq!(no, lines.len() as u64, "every line was read");
    lines.len() as f64 / began.elapsed().as_secs_f64()
}

/// Lines a second, cut and read.
pub fn parse(lines: &[String]) -> f64 {
    read(lines, |_, reading| {
        std::hint::black_box(&reading.settled);
    })
}

/// Lines a second, cut, read and masked, with what is kept of the numbers.
pub fn mask(lines: &[String]) -> f64 {
    let own = vec![("01632960100".into(), "01632960199".into())];
    let numbers = NumberPlan { own, access: vec!["9".into()], ..NumberPlan::default() };
    let mut privacy = Privacy::new(numbers, true, Peers::new(1));
    let keys = Keys::new([1; 32], [2; 32]);
    let at = jiff::Timestamp::now();
    read(lines, |line, reading| {
        std::hint::black_box(privacy.pass(&keys, 1, line, reading, at));
        privacy.peers_mut().take_fresh();
    })
}
