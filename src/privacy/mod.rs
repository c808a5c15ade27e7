//! Where telephone numbers stop. To the right of this module there is no number, no name and no account: only class,
//! length, a small `peer` that joins the legs of one call, and a `token` that joins calls within one day.
//!
//! Everything here is pure: keys come in as values ([`Keys`]), and where they are kept (memory only) is the daemon's
//! business.

mod mask;
mod peers;

use jiff::Timestamp;

use crate::dialect::{Holds, Mark, Reading, Role, What};
use crate::number::{Anonymous, Class, Number, NumberPlan, Standing, printed_without_zero};
use crate::record::{Direction, Record};

use mask::masked;

pub use mask::{outline, shape};
pub use peers::{Keys, PEER_LIFE_MS, PeerEntry, Peers};

/// The longest number that is taken for a station because a station field of the same line names it.
const STATION_DIGITS: usize = 4;

/// What of a line may be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// The line: every patient's digit is 0, names and accounts are A and 9.
    pub text: Vec<u8>,
    /// What is kept of the numbers on it, each with the byte offset at which it starts.
    pub numbers: Vec<(u16, Anonymous)>,
}

/// Takes numbers out of the lines of one box. Records need nothing more: they are read from the masked line and the
/// numbers kept beside it, live as in a rebuild.
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

    /// The same for lines that are read again after others have come: see [`Privacy::rejoin`].
    pub fn aside(&self) -> Privacy {
        Privacy { plan: self.plan.clone(), tokens: self.tokens, peers: self.peers.aside() }
    }

    /// Takes up the peers that lines read [`Privacy::aside`] were given.
    pub fn rejoin(&mut self, aside: Privacy) {
        self.peers.rejoin(aside.peers);
    }

    /// A line with what its marks say: what of it may be stored. `at` is when the box received it.
    pub fn pass(&mut self, keys: &Keys, source: u16, line: &[u8], reading: &Reading, at: Timestamp) -> Passed {
        let record = reading.settled.last().and_then(|settled| match &settled.what {
            What::Record(record) | What::Event(Some(record)) => Some(record.as_ref()),
            _ => None,
        });
        let stations = stations(line, &reading.marks);
        let trunk = reading.trunk.as_deref();
        let mut numbers = Vec::new();
        let mut prefixes = vec![None; reading.marks.len()];
        for (mark, prefix) in reading.marks.iter().zip(&mut prefixes) {
            let Holds::Number(number) = &mark.holds else { continue };
            let kept = if let Some(kept) = number.kept() {
                kept.clone()
            } else if is_station(number, &stations, record) {
                self.own(number)
            } else if is_ddi(number, mark.role, record) {
                self.ddi(number)
            } else {
                self.anonymous(keys, source, trunk, number, at)
            };
            if kept.own.is_none() {
                *prefix = Some(self.plan.kept_prefix(number.reveal()));
            }
            numbers.push((mark.start, kept));
        }
        let text = masked(line, &reading.marks, |place| prefixes.get(place).copied().flatten());
        Passed { text, numbers }
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
        if self.plan.standing(digits) != Standing::Patient {
            return self.own(number);
        }
        let same = self.plan.canonical(digits);
        let peer = self.peers.peer(keys, source, trunk.unwrap_or(""), &same, at);
        Anonymous { peer: Some(peer), token: self.tokens.then(|| keys.token(&same)), ..self.unlinked(number) }
    }

    /// What may be kept of a number that the outside caller dialled: it joins nothing, so it is kept as it stands, or
    /// only by its class and length.
    fn ddi(&self, number: &Number) -> Anonymous {
        if self.plan.is_own_ddi(number.reveal()) { self.own(number) } else { self.unlinked(number) }
    }

    fn own(&self, number: &Number) -> Anonymous {
        Anonymous { own: Some(number.reveal().into()), ..self.unlinked(number) }
    }

    fn unlinked(&self, number: &Number) -> Anonymous {
        let digits = u8::try_from(number.digits()).unwrap_or(u8::MAX);
        Anonymous { class: self.plan.class(number.reveal()), digits, peer: None, token: None, own: None }
    }

    /// Whether the class of callers can be told at all: the plan has been configured.
    pub fn knows_own_numbers(&self) -> bool {
        !self.plan.own.is_empty()
    }
}

/// The numbers of the stations that a line names.
fn stations<'a>(line: &'a [u8], marks: &[Mark]) -> Vec<&'a str> {
    marks
        .iter()
        .filter(|mark| mark.role == Role::Station && mark.holds == Holds::Typed)
        .filter_map(|mark| std::str::from_utf8(line.get(usize::from(mark.start)..usize::from(mark.end))?).ok())
        .map(|text| text.trim().trim_start_matches(|letter: char| letter.is_ascii_alphabetic()))
        .filter(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .collect()
}

fn is_ddi(number: &Number, role: Role, record: Option<&Record>) -> bool {
    role == Role::Ddi || (role == Role::PerhapsDdi && record.is_some_and(|record| record.ddi.as_ref() == Some(number)))
}

/// Whether the number is a station of the PBX, because the line names a station so. An outside caller is none.
fn is_station(number: &Number, stations: &[&str], record: Option<&Record>) -> bool {
    let outside = record.is_some_and(|record| {
        record.cli.as_ref() == Some(number) && matches!(record.direction, Some(Direction::Inbound | Direction::Tandem))
    });
    !outside && number.digits() <= STATION_DIGITS && stations.contains(&number.reveal())
}

impl NumberPlan {
    /// The number in one spelling, whichever way it was dialled: what tokens and peers are made of.
    fn canonical(&self, digits: &str) -> String {
        crate::number::national(self.without_access(digits)).map_or_else(|| digits.to_owned(), |own| own.into_owned())
    }

    /// How many leading characters of a patient's number are kept: the access code and the prefix that gives the
    /// class: 0 or 44 and the first digit of the area code, or the international prefix without the country.
    fn kept_prefix(&self, digits: &str) -> usize {
        let plain = self.without_access(digits);
        let access = digits.len() - plain.len();
        let home = plain.strip_prefix("+44").or_else(|| plain.strip_prefix("0044"));
        if let Some(prefix) = printed_without_zero(plain) {
            return access + prefix + 1;
        }
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
    use crate::dialect::Settled;

    fn privacy() -> Privacy {
        let plan = NumberPlan {
            own: vec![("01632960100".into(), "01632960199".into())],
            access: vec!["9".into()],
            ..NumberPlan::default()
        };
        Privacy::new(plan, true, Peers::new(1))
    }

    fn keys() -> Keys {
        Keys::new([1; 32], [2; 32])
    }

    fn number(text: &str) -> Number {
        Number::parse(text.as_bytes()).unwrap()
    }

    fn mark(digits: &str, start: u16, role: Role) -> Mark {
        Mark { start, end: start + digits.len() as u16, holds: Holds::Number(number(digits)), role }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn only_class_prefix_and_access_digits_of_a_patients_number_stay() {
        let mut privacy = privacy();
        for (line, kept) in [
            ("07700900123", "07000000000"),
            ("907700900123", "907000000000"),
            ("+447700900123", "+447000000000"),
            ("004401632960900", "004400000000000"),
            ("01632 960 900", "01000 000 000"),
            ("0033123456789", "0000000000000"),
            ("960900", "000000"),
            ("447700900123", "447000000000"),
            ("1632960900", "1000000000"),
            ("*21*07700900123#", "*00*00000000000#"),
            ("01632960150", "01632960150"),
            ("1632960150", "1632960150"),
            ("9999", "9999"),
        ] {
            let reading = Reading { marks: vec![mark(line, 0, Role::Plain)], ..Reading::default() };
            let passed = privacy.pass(&keys(), 1, line.as_bytes(), &reading, at(0));
            assert_eq!(String::from_utf8(passed.text).unwrap(), kept, "{line}");
            assert_eq!(passed.numbers[0].1.own.is_some(), line == kept, "{line}");
        }
    }

    #[test]
    fn a_station_that_the_line_names_stays_unless_it_is_the_outside_caller() {
        let line = b"E214,214";
        let station = Mark { start: 0, end: 4, holds: Holds::Typed, role: Role::Station };
        let mut reading = Reading { marks: vec![station, mark("214", 5, Role::Plain)], ..Reading::default() };
        let mut privacy = privacy();
        let passed = privacy.pass(&keys(), 1, line, &reading, at(0));
        assert_eq!((passed.text.as_slice(), passed.numbers[0].1.own.as_deref()), (&line[..], Some("214")));
        let record = Record { direction: Some(Direction::Inbound), cli: Some(number("214")), ..Record::default() };
        reading.settled.push(Settled { no: 1, what: What::Record(Box::new(record)) });
        let passed = privacy.pass(&keys(), 1, line, &reading, at(0));
        assert_eq!((passed.text.as_slice(), passed.numbers[0].1.own.as_deref()), (&b"E214,000"[..], None));
    }

    #[test]
    fn a_ddi_is_known_by_its_field_or_by_the_record_and_a_caller_who_is_called_the_same_is_not_one() {
        let line = b"960150 960150";
        let mut reading = Reading {
            marks: vec![mark("960150", 0, Role::Plain), mark("960150", 7, Role::PerhapsDdi)],
            ..Reading::default()
        };
        let text =
            |reading: &Reading| String::from_utf8(privacy().pass(&keys(), 1, line, reading, at(0)).text).unwrap();
        assert_eq!(text(&reading), "000000 000000");
        let record = Record { cli: Some(number("960150")), ddi: Some(number("960150")), ..Record::default() };
        reading.settled.push(Settled { no: 1, what: What::Record(Box::new(record)) });
        assert_eq!(text(&reading), "000000 960150");
        reading.settled.clear();
        reading.marks[1].role = Role::Ddi;
        assert_eq!(text(&reading), "000000 960150");
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
    fn lines_read_again_join_those_of_their_own_time_and_no_peer_is_given_twice() {
        let mut privacy = privacy();
        let (caller, other) = (number("07700900123"), number("07700900124"));
        let peer = |privacy: &mut Privacy, number: &Number, seconds| {
            privacy.anonymous(&keys(), 1, Some("1"), number, at(seconds)).peer
        };
        let morning = peer(&mut privacy, &caller, 0);
        let mut aside = privacy.aside();
        assert_eq!(peer(&mut aside, &caller, 60), morning);
        let found = peer(&mut aside, &other, 120);
        privacy.rejoin(aside);
        assert_eq!(peer(&mut privacy, &other, 180), found, "a leg that comes after it joins it");
        let evening = peer(&mut privacy, &caller, 10 * 3600);
        let mut aside = privacy.aside();
        let again = peer(&mut aside, &caller, 120);
        assert_ne!(again, evening, "the evening's calls are not joined with the morning's");
        privacy.rejoin(aside);
        assert_eq!(peer(&mut privacy, &caller, 10 * 3600 + 60), evening, "time has not gone back here");
        assert!(peer(&mut privacy, &number("07700900125"), 10 * 3600) > again);
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
    fn without_linkage_there_is_a_peer_and_no_token() {
        let mut unlinked = Privacy::new(NumberPlan::default(), false, Peers::new(1));
        let kept = unlinked.anonymous(&keys(), 1, None, &number("07700900123"), at(0));
        assert_eq!((kept.peer, kept.token), (Some(1), None));
    }

    #[test]
    fn an_own_number_keeps_its_digits_and_gets_neither_peer_nor_token() {
        let own = privacy().anonymous(&keys(), 1, None, &number("01632960150"), at(0));
        assert_eq!((own.own.as_deref(), own.peer, own.token), (Some("01632960150"), None, None));
    }
}
