//! One-time codes for enrolment: read out over a telephone, typed by an installer.
//!
//! 24 characters in groups of four, of digits and capital letters without I, L, O and U (Crockford's base 32): 22 random ones,
//! 110 bits, and two check characters of a Reed-Solomon code over GF(32). Any one or two wrong characters, and any two that
//! changed places, are told from a code that nobody was given.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH: usize = 24;
const GROUP: usize = 4;
/// x⁵ + x² + 1.
const POLYNOMIAL: u8 = 0b10_0101;

/// A code that is in form.
#[derive(Clone, PartialEq, Eq)]
pub struct OneTimeCode(Zeroizing<String>);

/// The text is no code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodeFault {
    /// A character that no code has.
    #[error("character {0:?} is in no code; codes have digits and letters without I, L, O and U")]
    Character(char),
    /// Too long or too short.
    #[error("it has {0} characters, a code has {LENGTH}")]
    Length(usize),
    /// The check characters are not those of the rest.
    #[error("a character is wrong, or two have changed places: compare it with what was read out")]
    Mistyped,
}

impl OneTimeCode {
    /// A new code; nothing when the machine gives no random numbers.
    pub fn generate() -> Option<OneTimeCode> {
        let mut random = Zeroizing::new([0_u8; LENGTH - 2]);
        getrandom::fill(random.as_mut_slice()).ok()?;
        let mut values = Zeroizing::new([0_u8; LENGTH]);
        for (value, random) in values.iter_mut().zip(random.iter()) {
            *value = random & 31;
        }
        // Whatever the last two are, one choice of them makes both sums nothing: there are no more than 1,024 to try.
        for check in 0..=1023_u16 {
            values[LENGTH - 2] = (check >> 5) as u8;
            values[LENGTH - 1] = (check & 31) as u8;
            if is_whole(values.as_slice()) {
                break;
            }
        }
        Some(OneTimeCode(Zeroizing::new(
            values.iter().map(|value| char::from(ALPHABET[usize::from(*value)])).collect(),
        )))
    }

    /// The code in what was typed: small letters, blanks and hyphens do not matter, and O, I and L are taken for what they
    /// look like.
    pub fn parse(typed: &str) -> Result<OneTimeCode, CodeFault> {
        let mut code = Zeroizing::new(String::new());
        let mut values = Zeroizing::new(Vec::new());
        for typed in typed.chars().filter(|c| !c.is_whitespace() && *c != '-') {
            let character = match typed.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            let value = ALPHABET.iter().position(|known| char::from(*known) == character);
            values.push(u8::try_from(value.ok_or(CodeFault::Character(typed))?).unwrap_or_default());
            code.push(character);
        }
        match values.len() {
            LENGTH if is_whole(&values) => Ok(OneTimeCode(code)),
            LENGTH => Err(CodeFault::Mistyped),
            other => Err(CodeFault::Length(other)),
        }
    }

    /// As it is shown and read out: groups of four.
    pub fn shown(&self) -> Zeroizing<String> {
        let characters: Vec<char> = self.0.chars().collect();
        let groups: Vec<String> = characters.chunks(GROUP).map(|group| group.iter().collect()).collect();
        Zeroizing::new(groups.join("-"))
    }

    /// What is kept of it: SHA-256 in hex. With 110 random bits in it, nobody finds it by trying.
    pub fn digest(&self) -> String {
        Sha256::digest(self.0.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl std::fmt::Debug for OneTimeCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OneTimeCode")
    }
}

/// Whether both sums over the characters are nothing: that of their values, and that of the values each multiplied by its
/// place, the n-th power of 2.
fn is_whole(values: &[u8]) -> bool {
    let (mut plain, mut placed, mut place) = (0, 0, 1);
    for value in values {
        plain ^= value;
        placed ^= product(*value, place);
        place = product(place, 2);
    }
    plain == 0 && placed == 0
}

fn product(mut one: u8, mut other: u8) -> u8 {
    let mut product = 0;
    while other > 0 {
        if other & 1 == 1 {
            product ^= one;
        }
        one <<= 1;
        if one & 32 != 0 {
            one ^= POLYNOMIAL;
        }
        other >>= 1;
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let code = OneTimeCode::generate().unwrap();
        let shown = code.shown();
        assert_eq!((shown.len(), shown.matches('-').count()), (29, 5));
        for typed in [
            shown.to_string(),
            shown.to_lowercase(),
            shown.replace('-', " "),
            shown.replace('0', "o").replace('1', "l"),
        ] {
            assert_eq!(OneTimeCode::parse(&typed), Ok(code.clone()), "{typed}");
        }
        assert_ne!(OneTimeCode::generate().unwrap(), code);
        assert!(!format!("{code:?}").contains(&shown[..4]));
        assert_eq!(OneTimeCode::parse(&shown[1..]), Err(CodeFault::Length(23)));
        assert_eq!(OneTimeCode::parse("U"), Err(CodeFault::Character('U')));
        assert_eq!((code.digest().len(), code.digest() == OneTimeCode::generate().unwrap().digest()), (64, false));
    }

    proptest! {
        #[test]
        fn a_slip_is_told(at in 0_usize..24, other in 0_usize..24, by in 1_u8..32, also in 0_u8..32) {
            let code = OneTimeCode::generate().unwrap();
            let plain: Vec<char> = code.0.chars().collect();
            let turned = |c: char, by: u8| {
                let value = ALPHABET.iter().position(|known| char::from(*known) == c).unwrap();
                char::from(ALPHABET[value ^ usize::from(by)])
            };
            let mut wrong = plain.clone();
            wrong[at] = turned(wrong[at], by);
            if other != at {
                wrong[other] = turned(wrong[other], also);
            }
            prop_assert_eq!(OneTimeCode::parse(&wrong.iter().collect::<String>()), Err(CodeFault::Mistyped));
            let mut swapped = plain.clone();
            swapped.swap(at, other);
            let found = OneTimeCode::parse(&swapped.iter().collect::<String>());
            prop_assert_eq!(found.is_ok(), swapped == plain);
        }
    }
}
