//! Names of files: which are left alone, which are ours, and how one is shown.

use std::ffi::CStr;

/// What a file that was taken is called, before its 32 digits.
const TAKEN: &str = ".smdrd-";

/// Endings that programs give a file while they write it.
const UNFINISHED: [&str; 8] = [".part", ".tmp", ".temp", ".filepart", ".partial", ".writing", ".swp", "~"];

/// Digits in a row that may be a telephone number.
const NUMBER: usize = 5;

/// The hidden name of a file that was taken.
pub(super) fn taken(file: &str) -> String {
    format!("{TAKEN}{file}")
}

/// The file that a hidden name of ours stands for.
pub(super) fn file_of(name: &CStr) -> Option<String> {
    let file = name.to_str().ok()?.strip_prefix(TAKEN)?;
    let ours = file.len() == 32 && file.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'));
    ours.then(|| file.to_owned())
}

/// Whether a file of this name is not for us, or not yet.
pub(super) fn left_alone(name: &CStr) -> bool {
    let name = name.to_bytes().to_ascii_lowercase();
    name.starts_with(b".") || UNFINISHED.iter().any(|ending| name.ends_with(ending.as_bytes()))
}

/// The name for a person. A run of 5 digits or more, blanks, hyphens and the like not counted, may be a telephone number
/// and is shown as 9s.
pub(super) fn shown(name: &CStr) -> String {
    let letters: Vec<char> = name
        .to_string_lossy()
        .chars()
        .map(|letter| if letter.is_control() || letter == char::REPLACEMENT_CHARACTER { '?' } else { letter })
        .collect();
    let mut shown = letters.clone();
    let mut at = 0;
    while at < letters.len() {
        let run = letters.iter().skip(at).take_while(|letter| !letter.is_alphabetic()).count();
        let digits = letters.iter().skip(at).take(run).filter(|letter| letter.is_numeric()).count();
        if digits >= NUMBER {
            shown.iter_mut().skip(at).take(run).filter(|letter| letter.is_numeric()).for_each(|digit| *digit = '9');
        }
        at += run.max(1);
    }
    shown.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_and_unfinished_names_are_left_alone() {
        for name in [c".hidden", c"a.csv.part", c"a.TMP", c"a.filepart", c"a.csv~", c"."] {
            assert!(left_alone(name), "{name:?}");
        }
        for name in [c"a.csv", c"part", c"SMDR0001.TXT", c"tmp.log", c"\xff\xfe"] {
            assert!(!left_alone(name), "{name:?}");
        }
    }

    #[test]
    fn our_own_names_are_known_again_and_no_others() {
        let file = "0123456789abcdef0123456789abcdef";
        let name = std::ffi::CString::new(taken(file)).unwrap();
        assert_eq!(file_of(&name).as_deref(), Some(file));
        assert!(left_alone(&name));
        for other in [c".smdrd-", c".smdrd-0123456789ABCDEF0123456789ABCDEF", c"smdrd-x", c".other"] {
            assert_eq!(file_of(other), None, "{other:?}");
        }
    }

    #[test]
    fn no_name_shows_a_number() {
        assert_eq!(shown(c"SMDR0001.TXT"), "SMDR0001.TXT");
        assert_eq!(shown(c"calls-07700900123.csv"), "calls-99999999999.csv");
        assert_eq!(shown(c"from 01632 960-123"), "from 99999 999-999");
        assert_eq!(shown(c"0770.090.0123_x"), "9999.999.9999_x");
        assert_eq!(shown(c"a\nb\xff"), "a?b?");
    }
}
