//! Any bytes in any pieces, with silences and restarts between them: the same lines, and every byte accounted for.

use crate::framing::{Ended, Framer, Line, Protocol, Settings};

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    text: Vec<u8>,
    ended: Ended,
    stripped: u32,
    dropped: u64,
}

fn seen(line: Line<'_>) -> Seen {
    Seen { text: line.bytes.to_vec(), ended: line.ended, stripped: line.stripped, dropped: line.dropped }
}

/// Where every byte went must be known at every moment.
fn balances(framer: &Framer, pushed: usize) {
    let account = framer.account();
    let accounted = account.in_lines + account.terminators + account.stripped + account.dropped + account.pending;
    assert_eq!(account.received, accounted, "{account:?}");
    assert_eq!(account.received, pushed as u64, "{account:?}");
}

/// What the lines hold came in this order, and is as much as the account says.
fn holds(bytes: &[u8], lines: &[Seen], framer: &Framer) {
    let account = framer.account();
    assert_eq!(account.pending, 0, "something is left at the end");
    assert_eq!(account.in_lines, lines.iter().map(|line| line.text.len() as u64).sum::<u64>());
    assert_eq!(account.stripped, lines.iter().map(|line| u64::from(line.stripped)).sum::<u64>());
    assert_eq!(account.dropped, lines.iter().map(|line| line.dropped).sum::<u64>());
    let mut from = bytes.iter();
    let found = lines.iter().flat_map(|line| &line.text).all(|byte| from.any(|other| other == byte));
    assert!(found, "a line holds what did not come");
}

pub fn framing(protocol: Protocol, data: &[u8]) {
    // What it is cut by, the longest line, and the bytes themselves.
    let Some(([way, long, seed], bytes)) = data.split_first_chunk::<3>().map(|(head, rest)| (*head, rest)) else {
        return;
    };
    let max_line = if long < 64 { usize::from(long) + 1 } else { 4096 };
    let settings = Settings { protocol, max_line };

    let mut whole = Vec::new();
    let mut framer = Framer::new(settings);
    framer.push(bytes, &mut |line| whole.push(seen(line)));
    balances(&framer, bytes.len());
    framer.flush(Ended::EndOfInput, &mut |line| whole.push(seen(line)));
    balances(&framer, bytes.len());
    holds(bytes, &whole, &framer);
    assert_eq!(framer.rest(), Framer::new(settings).rest(), "a new stream begins where nothing is left of the old one");

    let (restarts, silences) = (way & 1 == 1, way & 2 == 2);
    let mut next = u32::from(seed) * 2 + 1;
    let mut rest = bytes;
    let mut pushed = 0;
    let mut pieces = Vec::new();
    let mut framer = Framer::new(settings);
    while !rest.is_empty() {
        next = next.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = if way & 4 == 4 { 1 } else { (next >> 24) as usize % 37 + 1 };
        let (piece, after) = rest.split_at(length.min(rest.len()));
        framer.push(piece, &mut |line| pieces.push(seen(line)));
        pushed += piece.len();
        balances(&framer, pushed);
        rest = after;
        if silences && next >> 16 & 3 == 0 {
            let waits = framer.pending();
            let count = pieces.len();
            framer.flush(Ended::Idle, &mut |line| pieces.push(seen(line)));
            assert!(waits || pieces.len() == count, "it said that nothing waits");
            assert!(!framer.pending(), "something still waits after a silence");
            balances(&framer, pushed);
        }
        if restarts && next >> 20 & 3 == 0 {
            let waiting = framer.account().pending;
            let rest = framer.rest();
            if seed == 0 {
                let handed_on = serde_json::to_vec(&rest).unwrap();
                assert_eq!(serde_json::from_slice::<crate::framing::Rest>(&handed_on).unwrap(), rest);
            }
            framer = Framer::go_on(settings, &rest);
            assert_eq!(framer.account().received, waiting);
            // The account begins anew with what was handed on.
            pushed = waiting as usize;
        }
    }
    framer.flush(Ended::EndOfInput, &mut |line| pieces.push(seen(line)));
    balances(&framer, pushed);
    if silences {
        let mut from = bytes.iter();
        let found = pieces.iter().flat_map(|line| &line.text).all(|byte| from.any(|other| other == byte));
        assert!(found, "a line holds what did not come");
    } else {
        assert_eq!(whole, pieces, "cut otherwise, the lines are others");
    }
}
