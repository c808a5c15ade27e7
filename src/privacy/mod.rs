//! Where telephone numbers stop. To the right of this module there is no number, no name and no account: only class,
//! length, a small `peer` that joins the legs of one call, and a `token` that joins calls within one day.
//!
//! Everything here is pure: keys come in as values ([`Keys`]), and where they are kept (memory only) is the daemon's
//! business.

mod mask;
mod peers;

use jiff::Timestamp;

use crate::dialect::{Mark, Settled, What};
use crate::number::{Anonymous, Class, Number, NumberPlan, Standing};
use crate::record::{MaskedRecord, Record};

pub use mask::{masked, shape};
pub use peers::{Keys, PeerEntry, Peers};

/// The longest DDI that is kept in clear while the practice's own numbers are not configured: exchanges hand over the
/// last digits of the practice's own number, never six digits of somebody else's.
const SHORT_DDI: usize = 6;

/// The longest number that is taken for a station because a station field of the same line names it.
const STATION_DIGITS: usize = 4;

/// Takes numbers out of the lines and records of one box.
#[derive(Debug)]
pub struct Privacy {
    plan: NumberPlan,
    tokens: bool,
    peers: Peers,
}

impl Privacy {
    /// For a site with this numbering plan. With `tokens` off, calls are not linked within the day
    /// (`linkage = "none"`).
    pub fn new(plan: NumberPlan, tokens: bool, peers: Peers) -> Privacy {
        Privacy { plan, tokens, peers }
    }

    /// The peers seen so far, for the daemon to keep in memory across a restart.
    pub fn peers_mut(&mut self) -> &mut Peers {
        &mut self.peers
    }

    /// What may be kept of `number`, seen on `trunk` of `source` at box time `at`. A number that was kept before
    /// stays what it was.
    pub fn anonymous(
        &mut self,
        keys: &Keys,
        source: u16,
        trunk: Option<&str>,
        number: &Number,
        at: Timestamp,
    ) -> Anonymous {
        if let Some(kept) = number.kept() {
            return kept.clone();
        }
        let digits = number.reveal();
        let class = self.plan.class(digits);
        let length = u8::try_from(number.digits()).unwrap_or(u8::MAX);
        if self.plan.standing(digits) != Standing::Patient {
            return Anonymous { class, digits: length, peer: None, token: None, own: Some(digits.into()) };
        }
        let same = self.plan.canonical(digits);
        Anonymous {
            class,
            digits: length,
            peer: Some(self.peers.peer(keys, source, trunk.unwrap_or(""), &same, at)),
            token: self.tokens.then(|| keys.token(&same)),
            own: None,
        }
    }

    /// The record without numbers.
    pub fn record(&mut self, keys: &Keys, source: u16, record: Record, at: Timestamp) -> MaskedRecord {
        let trunk = record.trunk.clone();
        let ddi = record.ddi.clone();
        let mut masked = record.map_numbers(|number| Some(self.anonymous(keys, source, trunk.as_deref(), &number, at)));
        // A DDI joins nothing: it is kept as it stands, or only by its class and length.
        masked.ddi = ddi.map(|number| self.ddi(&number));
        masked
    }

    /// What may be kept of a number that the outside caller dialled to reach the practice.
    fn ddi(&self, number: &Number) -> Anonymous {
        if let Some(kept) = number.kept() {
            return kept.clone();
        }
        let digits = number.reveal();
        Anonymous {
            class: self.plan.class(digits),
            digits: u8::try_from(number.digits()).unwrap_or(u8::MAX),
            peer: None,
            token: None,
            own: self.ddi_in_clear(number).then(|| digits.into()),
        }
    }

    fn ddi_in_clear(&self, number: &Number) -> bool {
        number.digits() <= SHORT_DDI || self.plan.standing(number.reveal()) != Standing::Patient
    }

    /// The line as it may be stored: every patient's digit is 0, names and accounts are A and 9.
    pub fn line(&self, line: &[u8], marks: &[Mark], settled: &[Settled]) -> Vec<u8> {
        let ddi = settled.last().and_then(|own| match &own.what {
            What::Record(record) | What::Event(Some(record)) => record.ddi.as_ref(),
            _ => None,
        });
        masked(line, marks, |number, stations| {
            if ddi == Some(number) && self.ddi_in_clear(number) {
                return None;
            }
            let digits = number.reveal();
            let station = digits.len() <= STATION_DIGITS && stations.contains(&digits);
            if station || self.plan.standing(digits) != Standing::Patient {
                return None;
            }
            Some(self.plan.kept_prefix(digits))
        })
    }

    /// The numbers on a line with the byte offset at which each starts, as they are kept beside the line.
    pub fn numbers(
        &mut self,
        keys: &Keys,
        source: u16,
        trunk: Option<&str>,
        marks: &[Mark],
        settled: &[Settled],
        at: Timestamp,
    ) -> Vec<(u16, Anonymous)> {
        let ddi = settled.last().and_then(|own| match &own.what {
            What::Record(record) | What::Event(Some(record)) => record.ddi.clone(),
            _ => None,
        });
        marks
            .iter()
            .filter_map(|mark| match &mark.holds {
                crate::dialect::Holds::Number(number) if ddi.as_ref() == Some(number) => {
                    Some((mark.start, self.ddi(number)))
                }
                crate::dialect::Holds::Number(number) => {
                    Some((mark.start, self.anonymous(keys, source, trunk, number, at)))
                }
                _ => None,
            })
            .collect()
    }

    /// Whether the class of callers can be told at all: the plan has been configured.
    pub fn knows_own_numbers(&self) -> bool {
        !self.plan.own.is_empty()
    }
}

impl NumberPlan {
    /// The number in one spelling, whichever way it was dialled: what tokens and peers are made of.
    fn canonical(&self, digits: &str) -> String {
        crate::number::national(self.without_access(digits)).map_or_else(|| digits.to_owned(), |own| own.into_owned())
    }

    /// How many leading characters of a patient's number are kept: the access code and the prefix that gives the
    /// class. What is kept never tells more than [`Class`] does, save the country code 44.
    fn kept_prefix(&self, digits: &str) -> usize {
        let plain = self.without_access(digits);
        let access = digits.len() - plain.len();
        let home = plain.strip_prefix("+44").or_else(|| plain.strip_prefix("0044"));
        access
            + match home {
                Some(rest) => plain.len() - rest.len() + usize::from(!rest.is_empty()),
                None if plain.starts_with("00") => 2,
                None if plain.starts_with('+') => 1,
                None if plain.starts_with('0') && self.class(digits) != Class::Other => 2,
                None => 0,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Holds;

    fn privacy() -> Privacy {
        let plan = NumberPlan {
            own: vec![("01632960100".into(), "01632960199".into())],
            access: vec!["9".into()],
            short_codes: vec![],
        };
        Privacy::new(plan, true, Peers::new(1))
    }

    fn keys() -> Keys {
        Keys::new([1; 32], [2; 32])
    }

    fn number(text: &str) -> Number {
        Number::parse(text.as_bytes()).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn only_class_prefix_and_access_digits_of_a_patients_number_stay() {
        let privacy = privacy();
        for (line, kept) in [
            ("07700900123", "07000000000"),
            ("907700900123", "907000000000"),
            ("+447700900123", "+447000000000"),
            ("004401632960900", "004400000000000"),
            ("01632 960 900", "01000 000 000"),
            ("0033123456789", "0000000000000"),
            ("960900", "000000"),
            ("01632960150", "01632960150"),
            ("9999", "9999"),
        ] {
            let mark = Mark { start: 0, end: line.len() as u16, holds: Holds::Number(number(line)) };
            let masked = String::from_utf8(privacy.line(line.as_bytes(), &[mark], &[])).unwrap();
            assert_eq!(masked, kept, "{line}");
        }
    }

    #[test]
    fn one_number_has_one_peer_on_one_trunk_for_four_hours() {
        let mut privacy = privacy();
        let caller = number("07700900123");
        let mut peer = |trunk: &str, seconds| privacy.anonymous(&keys(), 1, Some(trunk), &caller, at(seconds)).peer;
        let first = peer("1", 0);
        assert_eq!(peer("1", 3 * 3600), first);
        assert_eq!(peer("1", 6 * 3600), first, "its last line was three hours ago");
        assert_ne!(peer("2", 6 * 3600), first);
        assert_ne!(peer("1", 11 * 3600), first);
    }

    #[test]
    fn a_token_is_the_same_however_the_number_was_dialled_and_another_under_another_key() {
        let mut privacy = privacy();
        let mut token = |text: &str, keys: &Keys| privacy.anonymous(keys, 1, None, &number(text), at(0)).token;
        let first = token("07700900123", &keys());
        assert_eq!(token("+447700900123", &keys()), first);
        assert_eq!(token("907700900123", &keys()), first);
        assert_ne!(token("07700900124", &keys()), first);
        assert_ne!(token("07700900123", &Keys::new([1; 32], [3; 32])), first);
    }

    #[test]
    fn an_own_number_keeps_its_digits_and_gets_neither_peer_nor_token() {
        let own = privacy().anonymous(&keys(), 1, None, &number("01632960150"), at(0));
        assert_eq!((own.own.as_deref(), own.peer, own.token), (Some("01632960150"), None, None));
    }
}
