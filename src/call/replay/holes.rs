//! Lines that were lost when they were printed first, and came with a buffer later: they stand where the buffer had them.

use std::collections::BTreeMap;

use jiff::civil::DateTime;

/// The order in which a source printed its `lines`, each a number with its stamp, as they are stored: those that came between
/// two lines that repeat others, as `repeated` says, and are not newer than the second of these, stand between those others.
pub fn in_place(lines: &[(u64, Option<DateTime>)], repeated: &BTreeMap<u64, u64>) -> Vec<u64> {
    let stamps: BTreeMap<u64, Option<DateTime>> = lines.iter().copied().collect();
    // Where each stands: behind the line before the hole, and there by its number.
    let mut keys: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    let mut pending: Vec<u64> = Vec::new();
    let mut before: Option<u64> = None;
    let known = |keys: &BTreeMap<u64, Vec<u64>>, seq: u64| keys.get(&seq).cloned().unwrap_or_else(|| vec![seq]);
    let mut coming = lines.iter().map(|(seq, _)| *seq).peekable();
    for (seq, of) in repeated {
        while let Some(line) = coming.next_if(|line| line < seq) {
            pending.push(line);
        }
        let stamp = stamps.get(of).copied().flatten();
        let older = |line: &u64| stamps.get(line).copied().flatten().zip(stamp).is_none_or(|(own, its)| own <= its);
        let within = before.map(|before| known(&keys, before)).filter(|before| {
            !pending.is_empty() && !pending.contains(of) && *before < known(&keys, *of) && pending.iter().all(older)
        });
        for line in pending.drain(..) {
            let key = within.iter().flatten().copied().chain([line]).collect();
            keys.insert(line, key);
        }
        before = Some(*of);
    }
    for line in pending.into_iter().chain(coming) {
        keys.insert(line, vec![line]);
    }
    let mut order: Vec<(Vec<u64>, u64)> = keys.into_iter().map(|(seq, key)| (key, seq)).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, seq)| seq).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fills_a_hole_stands_in_it() {
        let stamp = |minute: u64| Some(DateTime::constant(2026, 11, 20, 9, minute as i8, 0, 0));
        let order = |lines: &[(u64, u64)], repeated: &[(u64, u64)]| {
            let lines: Vec<_> = lines.iter().map(|(seq, minute)| (*seq, stamp(*minute))).collect();
            in_place(&lines, &repeated.iter().copied().collect())
        };
        // 1 to 3, a hole, 4 and 5; the buffer has 3, two that were lost, 4 and 5, and 10 is live.
        let lines = [(1, 1), (2, 2), (3, 3), (4, 6), (5, 7), (7, 4), (8, 5), (11, 8)];
        assert_eq!(order(&lines, &[(6, 3), (9, 4), (10, 5)]), [1, 2, 3, 7, 8, 4, 5, 11]);
        // Live lines between two buffers, also where the first was cut off, are no hole.
        let lines = [(1, 1), (2, 2), (3, 3), (6, 4), (7, 5)];
        assert_eq!(order(&lines, &[(4, 1), (5, 2), (8, 3), (9, 6)]), [1, 2, 3, 6, 7]);
        assert_eq!(order(&lines, &[]), [1, 2, 3, 6, 7]);
    }
}
