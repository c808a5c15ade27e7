//! Telephone numbers: the one type that may hold one, the classes a number falls into, and what a site calls its own.
//!
//! A [`Number`] has no `Display`, no `Debug` that shows digits and no `Serialize`, and its bytes are zeroed when it is
//! dropped. What may be kept of it is [`Anonymous`]: class, length, and the two small values (`peer`, `token`) that
//! [`crate::privacy`] assigns. No key and no token is made here.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

/// The most characters of one number that are held. Longer input is cut; no PBX of the library prints more than 32.
pub const MAX_DIGITS: usize = 40;

/// The fewest digits in a row that are taken for a telephone number where no type says what they are.
pub const RUN: usize = 5;

/// Whether this stands between the digits of one number as people write it.
pub fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'\t' | b'(' | b')')
}

/// What kind of number it is, by its leading digits under the United Kingdom's numbering plan.
///
/// Source: Ofcom's National Telephone Numbering Plan; the public short codes are those of [`PUBLIC`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// 071 to 075 and 077 to 079 (070 personal and 076 paging are [`Class::NonGeographic`]).
    Mobile,
    /// 01 and 02.
    Geographic,
    /// 03, 05, 08, 09, 070 and 076.
    NonGeographic,
    /// An international prefix and a country code other than 44.
    International,
    /// The PBX said that there is no number (withheld, unknown, private).
    Withheld,
    /// 999, 112 and their like.
    Emergency,
    /// A public or site short code.
    Short,
    /// None of these: local dialling without an area code, for instance.
    Other,
}

impl Class {
    /// Every class, in the order of the numbers used in the database.
    pub const ALL: [Class; 8] = [
        Class::Mobile,
        Class::Geographic,
        Class::NonGeographic,
        Class::International,
        Class::Withheld,
        Class::Emergency,
        Class::Short,
        Class::Other,
    ];

    /// The number that stands for the class in the database. Never renumbered.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The class that `code` stands for.
    pub fn from_code(code: u8) -> Option<Class> {
        Class::ALL.get(usize::from(code)).copied()
    }
}

/// What may be kept of a number once it has passed `privacy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anonymous {
    /// Class of the number.
    pub class: Class,
    /// How many digits it had, signs not counted.
    pub digits: u8,
    /// Joins the legs of one call: equal for the same number on the same source and trunk for four hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<u32>,
    /// Joins calls within one day; set to nothing when the day is rolled up. See [`crate::privacy`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<u64>,
    /// The number itself, only where it is the practice's own, an extension, a short code or public.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<CompactString>,
}

/// A telephone number in memory: digits, `+`, `*` and `#`, without spaces or hyphens.
///
/// After a restart, and in a rebuild, the digits are gone and only what was kept beside the stored line is known;
/// then [`Number::kept`] answers.
#[derive(Clone, PartialEq, Eq)]
pub struct Number {
    digits: [u8; MAX_DIGITS],
    len: u8,
    /// What is shown before it: a flash, for instance. No part of the number.
    lead: [u8; 2],
    kept: Option<Anonymous>,
}

impl Number {
    /// The number in `text`, by the conventions of the canonical record: spaces and hyphens dropped, `+ * #` kept,
    /// anything from `@` on dropped. `None` when no digit, `*` or `#` is left.
    pub fn parse(text: &[u8]) -> Option<Number> {
        let mut number = Number { digits: [0; MAX_DIGITS], len: 0, lead: [0; 2], kept: None };
        for &byte in text {
            if byte == b'@' {
                break;
            }
            if byte.is_ascii_digit() || matches!(byte, b'+' | b'*' | b'#') {
                let Some(slot) = number.digits.get_mut(usize::from(number.len)) else { break };
                *slot = byte;
                number.len = number.len.saturating_add(1);
            }
        }
        (number.len > 0 && number.revealed() != "+").then_some(number)
    }

    /// An account or project code, as printed: letters are kept, blanks at its ends are not. `None` when nothing is left.
    pub fn verbatim(text: &[u8]) -> Option<Number> {
        let mut number = Number { digits: [0; MAX_DIGITS], len: 0, lead: [0; 2], kept: None };
        let printable = text.trim_ascii().iter().filter(|byte| matches!(byte, 0x20..=0x7e));
        for (slot, byte) in number.digits.iter_mut().zip(printable) {
            *slot = *byte;
            number.len = number.len.saturating_add(1);
        }
        (number.len > 0).then_some(number)
    }

    /// The same number with what was kept of it on an earlier run; its own digits are not to be trusted any more.
    pub fn with_kept(mut self, kept: Anonymous) -> Number {
        self.kept = Some(kept);
        self
    }

    /// The same number with up to two characters that are shown before it and are no part of it.
    pub fn led_by(mut self, lead: &[u8]) -> Number {
        for (slot, byte) in self.lead.iter_mut().zip(lead) {
            *slot = *byte;
        }
        self
    }

    /// The number as it is shown, under the same rule as [`Number::reveal`].
    pub fn shown(&self) -> String {
        let lead = self.lead.iter().filter(|byte| **byte != 0).map(|byte| char::from(*byte));
        lead.chain(self.revealed().chars()).collect()
    }

    /// What was kept of the number, when it comes from a stored line rather than from the wire.
    pub fn kept(&self) -> Option<&Anonymous> {
        self.kept.as_ref()
    }

    /// The characters of the number. Only `privacy`, and the `parse` verb that prints to where the installer named,
    /// may call this.
    pub fn reveal(&self) -> &str {
        self.revealed()
    }

    fn revealed(&self) -> &str {
        self.digits.get(..usize::from(self.len)).and_then(|digits| std::str::from_utf8(digits).ok()).unwrap_or("")
    }

    /// How many digits it has, signs not counted.
    pub fn digits(&self) -> usize {
        self.revealed().bytes().filter(u8::is_ascii_digit).count()
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        self.digits.zeroize();
    }
}

impl std::fmt::Debug for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Number({} digits)", self.digits())
    }
}

/// Numbers that belong to everybody and are never a patient's: emergency and public service codes.
///
/// Source: Ofcom's list of designated three-digit and 116 numbers.
pub const PUBLIC: [&str; 10] = ["999", "112", "111", "101", "105", "119", "123", "116006", "116117", "116123"];

/// What a number is to the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// One of the practice's own numbers.
    Own,
    /// A short code, or on the public list.
    Public,
    /// Anything else: a patient's until proven otherwise.
    Patient,
}

/// A site's own numbers and codes, from its configuration.
#[derive(Debug, Clone, Default)]
pub struct NumberPlan {
    /// The practice's own numbers as inclusive ranges of equally long digit strings, written in national form.
    pub own: Vec<(CompactString, CompactString)>,
    /// Digits that seize an outside line, such as `9`.
    pub access: Vec<CompactString>,
    /// Short codes of the site.
    pub short_codes: Vec<CompactString>,
    /// DDIs that the configuration gives to a practice, as the exchange delivers them.
    pub ddis: Vec<CompactString>,
}

/// The longest DDI that is kept in clear while the practice's own numbers are not configured: exchanges hand over the
/// last digits of the practice's own number, and mostly fewer than these.
const SHORT_DDI: usize = 6;

impl NumberPlan {
    /// The digits without the site's access code, when what follows it is a number on its own.
    pub fn without_access<'a>(&self, digits: &'a str) -> &'a str {
        for access in &self.access {
            if let Some(rest) = digits.strip_prefix(access.as_str())
                && rest.len() >= 3
                && (rest.starts_with('0') || rest.starts_with('+') || PUBLIC.contains(&rest) || rest.len() >= 6)
            {
                return rest;
            }
        }
        digits
    }

    /// What the number is to the site.
    pub fn standing(&self, digits: &str) -> Standing {
        let plain = self.without_access(digits);
        if PUBLIC.contains(&plain) || self.short_codes.iter().any(|code| code == plain || code == digits) {
            return Standing::Public;
        }
        let Some(national) = national(plain) else { return Standing::Patient };
        let own = national.as_ref();
        let within = |(first, last): &(CompactString, CompactString)| {
            own.len() == first.len() && own >= first.as_str() && own <= last.as_str()
        };
        if self.own.iter().any(within) { Standing::Own } else { Standing::Patient }
    }

    /// Whether what the outside caller dialled is the practice's own: configured as a DDI, or the last digits of an own
    /// number, which is what exchanges deliver. Until own numbers are configured, any of up to 6 digits is.
    pub fn is_own_ddi(&self, digits: &str) -> bool {
        let listed = self.ddis.iter().any(|ddi| ddi == digits) || self.standing(digits) != Standing::Patient;
        if listed || self.own.is_empty() {
            return listed || digits.len() <= SHORT_DDI;
        }
        self.own.iter().any(|(first, last)| ends_some_number(digits, first, last))
    }

    /// The class of the number.
    pub fn class(&self, digits: &str) -> Class {
        let plain = self.without_access(digits);
        if matches!(plain, "999" | "112") {
            return Class::Emergency;
        }
        if self.standing(digits) == Standing::Public {
            return Class::Short;
        }
        let Some(national) = national(plain) else { return Class::International };
        let bytes = national.as_bytes();
        let long_enough = national.len() >= 6;
        match (bytes.first(), bytes.get(1), bytes.get(2)) {
            (Some(b'0'), Some(b'1' | b'2'), _) if long_enough => Class::Geographic,
            (Some(b'0'), Some(b'7'), Some(b'0' | b'6')) if long_enough => Class::NonGeographic,
            (Some(b'0'), Some(b'7'), _) if long_enough => Class::Mobile,
            (Some(b'0'), Some(b'3' | b'5' | b'8' | b'9'), _) if long_enough => Class::NonGeographic,
            _ => Class::Other,
        }
    }
}

/// Whether a number of the range ends in `digits`.
fn ends_some_number(digits: &str, first: &str, last: &str) -> bool {
    let width = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then_some(text.len());
    let Some(length) = width(digits).filter(|length| *length > 0 && Some(*length) < width(first)) else { return false };
    let whole = (digits.parse::<u64>(), first.parse::<u64>(), last.parse::<u64>());
    let (Ok(digits), Ok(first), Ok(last)) = whole else { return false };
    let Some(step) = u32::try_from(length).ok().and_then(|length| 10_u64.checked_pow(length)) else { return false };
    // The first number from `first` on that ends so.
    let ahead = (digits + step - first % step) % step;
    first.checked_add(ahead).is_some_and(|found| found <= last)
}

/// What comes before the subscriber's number in a home number that is printed without its leading 0, as PBXs print
/// callers: the country code, or nothing. `None` where it is not such a number.
pub(crate) fn printed_without_zero(digits: &str) -> Option<usize> {
    let prefix = match digits.len() {
        12 if digits.starts_with("44") => 2,
        10 => 0,
        _ => return None,
    };
    // 05 and 09 are never callers' numbers, and a 9 in front is mostly the site's access code.
    let begins = digits.as_bytes().get(prefix).is_some_and(|byte| matches!(byte, b'1' | b'2' | b'3' | b'7' | b'8'));
    (begins && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(prefix)
}

/// The number in national form (`0…`), borrowed where nothing changes; nothing for a foreign number.
pub(crate) fn national(digits: &str) -> Option<std::borrow::Cow<'_, str>> {
    let foreign = digits.strip_prefix("00").or_else(|| digits.strip_prefix('+'));
    match foreign {
        Some(rest) => {
            let subscriber = rest.strip_prefix("44")?;
            Some(format!("0{}", subscriber.strip_prefix('0').unwrap_or(subscriber)).into())
        }
        None => Some(match printed_without_zero(digits) {
            Some(prefix) => format!("0{}", digits.get(prefix..).unwrap_or_default()).into(),
            None => digits.into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_follow_the_numbering_plan() {
        let plan = NumberPlan { access: vec!["9".into()], ..NumberPlan::default() };
        for (digits, class) in [
            ("07700900123", Class::Mobile),
            ("907700900123", Class::Mobile),
            ("+447700900123", Class::Mobile),
            ("01632960123", Class::Geographic),
            ("02079460123", Class::Geographic),
            ("03000000000", Class::NonGeographic),
            ("07012345678", Class::NonGeographic),
            ("0033123456789", Class::International),
            ("999", Class::Emergency),
            ("9999", Class::Emergency),
            ("111", Class::Short),
            ("960123", Class::Other),
            ("447700900123", Class::Mobile),
            ("1632960123", Class::Geographic),
            ("9601234567", Class::Other),
        ] {
            assert_eq!(plan.class(digits), class, "{digits}");
        }
    }

    #[test]
    fn a_ddi_is_own_by_its_last_digits_and_any_short_one_until_own_numbers_are_set() {
        let unset = NumberPlan::default();
        assert!(unset.is_own_ddi("960150") && unset.is_own_ddi("0063") && !unset.is_own_ddi("2960150"));
        let own = vec![("01632960100".into(), "01632960199".into()), ("02079460000".into(), "02079460000".into())];
        let plan = NumberPlan { own, ddis: vec!["8907".into()], ..NumberPlan::default() };
        for ddi in ["01632960150", "+441632960150", "1632960150", "960150", "0150", "50", "460000", "8907"] {
            assert!(plan.is_own_ddi(ddi), "{ddi}");
        }
        for ddi in ["01632960200", "960200", "0200", "460001", "07700900150", "2960200", "00150", ""] {
            assert!(!plan.is_own_ddi(ddi), "{ddi}");
        }
    }

    #[test]
    fn a_number_is_read_by_the_conventions_and_never_shown() {
        let number = Number::parse(b" 612-555-0182 ").unwrap();
        assert_eq!(number.reveal(), "6125550182");
        assert_eq!(format!("{number:?}"), "Number(10 digits)");
        assert_eq!(Number::parse(b"01632960123@192.0.2.10").unwrap().reveal(), "01632960123");
        assert!(Number::parse(b"  ").is_none());
    }
}
