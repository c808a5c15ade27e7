//! Whatever comes in on a line: bytes of any kind, and lines of the corpus cut, changed, doubled and in another order.

use std::collections::BTreeMap;
use std::fs;

use proptest::prelude::*;
use smdrd::dialect::What;

use super::corpus::{DIALECTS, Framed, files, framed, plan, run, under};
use super::masked::assert_mask_holds;

fn any_dialect() -> impl Strategy<Value = &'static str> {
    prop::sample::select(DIALECTS.to_vec())
}

/// Lines of the corpus with bytes replaced, cut, doubled or in another order.
fn mutated() -> impl Strategy<Value = (&'static str, Vec<Vec<u8>>)> {
    let edit = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_u8..6, any::<u8>());
    (any_dialect(), any::<prop::sample::Index>(), prop::collection::vec(edit, 0..6)).prop_map(
        |(dialect, file, edits)| {
            let paths = files(&under("dialects").join(dialect), "smdr");
            let plan = plan(dialect);
            let framed = framed(&plan, &fs::read(&paths[file.index(paths.len())]).unwrap());
            let mut lines: Vec<Vec<u8>> = framed.into_iter().map(|line| line.bytes).collect();
            // A text that only says that there is nothing gives no line.
            if lines.is_empty() {
                lines.push(Vec::new());
            }
            for (line, at, what, byte) in edits {
                let place = line.index(lines.len());
                let chosen = &mut lines[place];
                let at = at.index(chosen.len() + 1);
                match what {
                    0 if at < chosen.len() => chosen[at] = byte.clamp(0x20, 0x7e),
                    1 => chosen.truncate(at),
                    2 => chosen.insert(at, b'0' + byte % 10),
                    3 if at < chosen.len() => {
                        chosen.remove(at);
                    }
                    4 => {
                        let copy = chosen.clone();
                        lines.insert(place, copy);
                    }
                    _ => {
                        let last = lines.len() - 1;
                        lines.swap(place, last);
                    }
                }
            }
            (dialect, lines)
        },
    )
}

fn as_framed(lines: Vec<Vec<u8>>) -> Vec<Framed> {
    lines.into_iter().map(|bytes| Framed { bytes, noise: false }).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_the_engine_panic(dialect in any_dialect(), lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..12)) {
        let settled = run(&plan(dialect), &as_framed(lines.clone())).settled;
        prop_assert!(settled.len() >= lines.len());
    }

    #[test]
    fn every_line_of_a_damaged_file_is_settled_and_ends_as_one_thing((dialect, lines) in mutated()) {
        let count = lines.len();
        let settled = run(&plan(dialect), &as_framed(lines)).settled;
        let mut last: BTreeMap<u64, Vec<&What>> = BTreeMap::new();
        for (no, what) in &settled {
            last.entry(*no).or_default().push(what);
        }
        prop_assert_eq!(last.len(), count);
        for whats in last.values() {
            // Settled again only where it had waited as a continuation.
            prop_assert!(whats[..whats.len() - 1].iter().all(|what| **what == What::Continuation), "{:?}", whats);
            prop_assert!(whats.len() <= 2);
        }
    }

    #[test]
    fn a_damaged_line_masked_reads_as_it_did((dialect, lines) in mutated()) {
        assert_mask_holds(dialect, &plan(dialect), &as_framed(lines));
    }
}
