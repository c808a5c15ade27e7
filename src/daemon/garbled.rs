//! What a wrong speed or parity looks like: lines of bytes that no printer is sent.

use super::keeper::Keeper;
use super::setup::SourcePlan;
use crate::alert::{Code, Problem};
use crate::record::LineKind;
use crate::store::{SourceRow, StoreError};

/// What the reason of a garbled line begins with.
const GARBLED: &str = "garbled";
/// So many of this many bytes of a line that are no text make it garbled; accents and a flipped bit here and there do not.
const SHARE: (usize, usize) = (3, 10);
/// Of so many lines at most, the latest, …
const LATEST: u64 = 50;
/// … and at least this many, …
const ENOUGH: usize = 5;
/// … this share in percent is garbled when the line's settings are wrong, rather than a cable bad.
const NEARLY_ALL: usize = 80;

/// Why a line that is not understood is none, where its bytes are no text: beyond ASCII, or control bytes that were taken
/// out of it.
pub fn reason(line: &[u8], stripped: u32) -> Option<String> {
    let stripped = usize::try_from(stripped).unwrap_or(usize::MAX);
    let beyond = line.iter().filter(|byte| !byte.is_ascii()).count().saturating_add(stripped);
    let all = line.len().saturating_add(stripped);
    (beyond.saturating_mul(SHARE.1) >= all.saturating_mul(SHARE.0) && beyond > 1)
        .then(|| format!("{GARBLED}: {beyond} of {all} bytes are no text"))
}

/// What to do about a source of which nearly all lines are garbled.
pub fn problem(keeper: &Keeper, plan: &SourcePlan, row: &SourceRow) -> Result<Option<Problem>, StoreError> {
    let from = row.next_seq.saturating_sub(LATEST).max(1);
    let lines = keeper.store.read().lines(row.id, from, LATEST as u32)?;
    let garbled = lines.iter().filter(|line| {
        line.kind == LineKind::Noise
            || line.kind == LineKind::Unparsed && line.reason.as_deref().is_some_and(|why| why.starts_with(GARBLED))
    });
    let (garbled, all) = (garbled.count(), lines.len());
    if all < ENOUGH || garbled * 100 < all * NEARLY_ALL {
        return Ok(None);
    }
    let source = keeper.config.source.iter().find(|source| source.name.get_ref() == &plan.name);
    let remedy = match source.and_then(|source| source.serial.as_ref()) {
        Some(serial) => {
            let serial = serial.get_ref();
            let path = serial.path.display();
            format!(
                "stop the daemon and run `smdrd detect {path}`, which finds them; set now: {} baud",
                serial.baud.get_ref()
            )
        }
        None => "set them as the PBX has them, in the terminal server".to_owned(),
    };
    let what = format!("{garbled} of the last {all} lines are no text; it looks like a wrong speed or parity");
    Ok(Some(Problem::new(Code::Garbled, what).remedy(remedy).of_source(&plan.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbled_lines_are_told_from_accents_and_flipped_bits() {
        for text in ["20.11.2609:30:00  1   20100:05", "Müller, Jürgen; Jägerstraße", "0\u{fffd}1632960123,I,200"] {
            assert_eq!(reason(text.as_bytes(), 0), None, "{text}");
        }
        assert_eq!(reason(b"one bell", 1), None);
        // Seven bits and even parity, read as eight: every other byte has its eighth bit.
        let even = |byte: u8| byte | (byte.count_ones() as u8 & 1) << 7;
        let heard: Vec<u8> = b"20.11.2609:30:00  1   20100:05".iter().map(|byte| even(*byte)).collect();
        assert!(reason(&heard, 0).unwrap().starts_with("garbled: 1"));
        assert_eq!(reason(b"ab", 7).unwrap(), "garbled: 7 of 9 bytes are no text");
    }
}
