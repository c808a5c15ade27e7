//! The numbers that must not be found, and the search for them.
//!
//! All are from Ofcom's drama ranges, one for each way in which PBXs print numbers; no two end alike, and none ends like
//! one of the practice's own (960100 to 960199). A number is looked for whole, by its last seven and by its last six
//! digits; as ASCII and UTF-16 of both byte orders, and as packed BCD in both nibble orders at either nibble; forwards
//! and reversed.
//!
//! Six digits are a short needle, and packed into three bytes a very short one: in the ten megabytes of pages and keyed
//! digests that a run leaves, such bytes stand by chance now and then. So few digits count only together ([`needed`]):
//! six digits in text where two different canaries are found in one file in one coding, up to eight packed digits where
//! four are, and more of them where three are, if they are not the whole number. Every way in is fed with all canaries many times, so a leak shows nearly all of them; that so many are in one
//! file by chance is not to be expected in thousands of runs. Microseconds of log stamps (`.123456`) are left out. More
//! digits count at once, packed ones where they are the whole number.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub const CANARIES: [&str; 12] = [
    "960742",
    "960745",
    "01632960753",
    "02079460764",
    "07700900775",
    "+447700900786",
    "00447700900797",
    "441632960738",
    "907700900718",
    "901632960729",
    "07700-900-731",
    "01632 960 748",
];

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Find {
    pub file: PathBuf,
    pub canary: &'static str,
    pub form: String,
}

/// How a number may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Coding {
    Ascii,
    Utf16Le,
    Utf16Be,
    BcdHighFirst,
    BcdLowFirst,
}

pub const CODINGS: [Coding; 5] =
    [Coding::Ascii, Coding::Utf16Le, Coding::Utf16Be, Coding::BcdHighFirst, Coding::BcdLowFirst];

/// The parts of a canary that are looked for: whole, last seven, last six. Separators are left out too.
pub fn parts(canary: &str) -> BTreeSet<String> {
    let digits: String = canary.chars().filter(char::is_ascii_digit).collect();
    let tail = |most: usize| digits[digits.len().saturating_sub(most)..].to_owned();
    BTreeSet::from([canary.to_owned(), digits.clone(), tail(7), tail(6)])
}

pub fn reversed(part: &str) -> String {
    part.chars().rev().collect()
}

/// The part as it would stand in a file.
pub fn written(part: &str, coding: Coding) -> Vec<u8> {
    let digits: Vec<u8> = part.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
    // An odd number is filled up, as it is on telephone lines.
    let pairs = |high: usize, low: usize| {
        digits
            .chunks(2)
            .map(|pair| (pair.get(high).copied().unwrap_or(15) << 4) | pair.get(low).copied().unwrap_or(15))
            .collect()
    };
    match coding {
        Coding::Ascii => part.into(),
        Coding::Utf16Le => part.bytes().flat_map(|byte| [byte, 0]).collect(),
        Coding::Utf16Be => part.bytes().flat_map(|byte| [0, byte]).collect(),
        Coding::BcdHighFirst => pairs(0, 1),
        Coding::BcdLowFirst => pairs(1, 0),
    }
}

/// Everything found in the files at and below `places`.
pub fn search(places: &[&Path]) -> BTreeSet<Find> {
    let mut files = Vec::new();
    places.iter().for_each(|place| gather(place, &mut files));
    files.iter().flat_map(|file| search_file(file)).collect()
}

fn gather(place: &Path, files: &mut Vec<PathBuf>) {
    let kind = std::fs::symlink_metadata(place).unwrap().file_type();
    if kind.is_dir() {
        for entry in std::fs::read_dir(place).unwrap() {
            gather(&entry.unwrap().path(), files);
        }
    } else if kind.is_file() {
        files.push(place.to_owned());
    }
}

/// A file read as digits in one coding: 0 to 9, or [`OTHER`] for what is no digit.
struct Digits {
    coding: Coding,
    digits: Vec<u8>,
    /// Whether six digits are enough to count.
    short: bool,
}

const OTHER: u8 = 255;

fn streams(bytes: &[u8]) -> Vec<Digits> {
    let digit = |byte: u8| if byte.is_ascii_digit() { byte - b'0' } else { OTHER };
    let ascii: Vec<u8> = bytes.iter().map(|byte| digit(*byte)).collect();
    // As people write numbers. What is no number comes together here as well, so this stream needs seven digits.
    let joined = bytes.iter().filter(|byte| !b" -".contains(byte)).map(|byte| digit(*byte)).collect();
    let mut all = vec![
        Digits { coding: Coding::Ascii, digits: ascii, short: true },
        Digits { coding: Coding::Ascii, digits: joined, short: false },
    ];
    for parity in [0, 1] {
        let units = bytes.get(parity..).unwrap_or_default().chunks_exact(2);
        let little = units.clone().map(|unit| if unit[1] == 0 { digit(unit[0]) } else { OTHER }).collect();
        let big = units.map(|unit| if unit[0] == 0 { digit(unit[1]) } else { OTHER }).collect();
        all.push(Digits { coding: Coding::Utf16Le, digits: little, short: true });
        all.push(Digits { coding: Coding::Utf16Be, digits: big, short: true });
    }
    // Both nibbles of every byte in turn: so a number is found at either nibble.
    let nibble = |nibble: u8| if nibble < 10 { nibble } else { OTHER };
    let high = bytes.iter().flat_map(|byte| [nibble(byte >> 4), nibble(byte & 15)]).collect();
    let low = bytes.iter().flat_map(|byte| [nibble(byte & 15), nibble(byte >> 4)]).collect();
    all.push(Digits { coding: Coding::BcdHighFirst, digits: high, short: true });
    all.push(Digits { coding: Coding::BcdLowFirst, digits: low, short: true });
    all
}

/// Whether an instant of these years ends with this byte, in milliseconds as the database keeps it: for a quarter of a second
/// every few hours all of them read like digits that are looked for.
fn ends_instant(bytes: &[u8], last: usize) -> bool {
    let years = 1_767_225_600_000_u64..1_830_297_600_000;
    let six = last.checked_sub(5).and_then(|first| bytes.get(first..=last));
    six.is_some_and(|six| years.contains(&six.iter().fold(0, |instant, byte| instant << 8 | u64::from(*byte))))
}

/// Every part of a canary ends in its last six digits, and reversed begins with them: so these are looked for, and then
/// how much more of the number stands beside them.
fn search_file(file: &Path) -> BTreeSet<Find> {
    let bytes = std::fs::read(file).unwrap();
    let mut needles: BTreeMap<u32, (&'static str, Vec<u8>, bool)> = BTreeMap::new();
    for canary in CANARIES {
        let digits: Vec<u8> = canary.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
        let tail = &digits[digits.len() - 6..];
        let value = |digits: &mut dyn Iterator<Item = &u8>| digits.fold(0, |sum, digit| sum * 10 + u32::from(*digit));
        needles.insert(value(&mut tail.iter()), (canary, digits.clone(), false));
        needles.insert(value(&mut tail.iter().rev()), (canary, digits.clone(), true));
    }
    let mut looked_for = vec![false; 1_000_000];
    needles.keys().for_each(|value| looked_for[*value as usize] = true);
    let mut seen: BTreeMap<(String, usize), BTreeSet<&'static str>> = BTreeMap::new();
    for stream in streams(&bytes) {
        let (mut run, mut value) = (0_u32, 0_u32);
        for (at, &digit) in stream.digits.iter().enumerate() {
            if digit == OTHER {
                (run, value) = (0, 0);
                continue;
            }
            (run, value) = (run + 1, value % 100_000 * 10 + u32::from(digit));
            if run < 6 || !looked_for[value as usize] {
                continue;
            }
            let (canary, digits, back) = &needles[&value];
            let more = digits.iter().rev().skip(6).enumerate();
            let beside = |ahead: usize| if *back { at.checked_add(ahead + 1) } else { at.checked_sub(ahead + 6) };
            let stands = more
                .take_while(|(ahead, digit)| beside(*ahead).and_then(|place| stream.digits.get(place)) == Some(digit));
            let found = 6 + stands.count();
            let microseconds = found == 6 && stream.coding == Coding::Ascii && at >= 6 && bytes[at - 6] == b'.';
            let instant =
                found == 6 && stream.coding == Coding::BcdHighFirst && at % 2 == 1 && ends_instant(&bytes, at / 2);
            if !microseconds && !instant && (found > 6 || stream.short) {
                let way = if *back { "reversed" } else { "forwards" };
                let needed = needed(stream.coding, found, found == digits.len());
                let digits = if found < 9 { "few" } else { "many" };
                let form = format!("{digits} digits, {:?}, {way}", stream.coding);
                seen.entry((form, needed)).or_default().insert(canary);
            }
        }
    }
    let enough = seen.into_iter().filter(|((_, needed), canaries)| canaries.len() >= *needed);
    enough
        .flat_map(|((form, _), canaries)| {
            canaries.into_iter().map(move |canary| Find { file: file.into(), canary, form: form.clone() })
        })
        .collect()
}

/// How many different canaries must be found so in one file before it is no chance; `whole`: all digits of the number are.
fn needed(coding: Coding, digits: usize, whole: bool) -> usize {
    match (coding, digits) {
        // Beside a line's number, which runs through all digits, may stand bytes that are the same in every row and read like what the
        // drama range's mobile numbers have in common: 0x0577 and 0x00900706.
        (Coding::BcdHighFirst | Coding::BcdLowFirst, 9..) => {
            if whole {
                1
            } else {
                3
            }
        }
        (Coding::BcdHighFirst | Coding::BcdLowFirst, _) => 4,
        (_, 7..) => 1,
        _ => 2,
    }
}

/// That the search finds what there is: each part of each canary in each coding and both ways, among other bytes.
pub fn prove_the_search(folder: &Path) {
    let digits_of = |canary: &str| canary.chars().filter(char::is_ascii_digit).collect::<String>();
    let long: Vec<&str> = CANARIES.into_iter().filter(|canary| digits_of(canary).len() >= 9).collect();
    for coding in CODINGS {
        for back in [false, true] {
            for digits in [6, 7, 9, 99] {
                let canaries = if digits == 6 { &CANARIES[..] } else { &long[..] };
                prove_together(folder, canaries, needed(coding, digits, digits > 9), digits, coding, back);
            }
        }
    }
    // The numbers of two lines, each before the same bytes.
    let rows = folder.join("rows");
    std::fs::write(&rows, [0x05, 0x77, 0x00, 0x90, 0x07, 0x06, 0xA5, 0x01, 0x37, 0x00, 0x90, 0x07, 0x06]).unwrap();
    assert!(search(&[&rows]).is_empty(), "what stands beside a line's number is no number");
    std::fs::remove_file(rows).unwrap();
    let as_people_write = folder.join("people");
    std::fs::write(&as_people_write, "call 01632 960 748 now").unwrap();
    assert_eq!(search(&[&as_people_write]).len(), 1);
    std::fs::remove_file(as_people_write).unwrap();
    let clean = folder.join("clean");
    std::fs::write(&clean, "2026-11-20 stamp 12:30:00.960742 then .960745 and 01632960150 07700000000").unwrap();
    assert!(search(&[&clean]).is_empty(), "the search finds what is not there");
    std::fs::remove_file(clean).unwrap();
}

/// That so many numbers together are found, whichever they are.
fn prove_together(folder: &Path, canaries: &[&str], together: usize, digits: usize, coding: Coding, back: bool) {
    for planted in canaries.windows(together) {
        let mut bytes = vec![0xA5; 1000];
        for canary in planted {
            let all: String = canary.chars().filter(char::is_ascii_digit).collect();
            let part = &all[all.len().saturating_sub(digits)..];
            bytes.extend(written(&if back { reversed(part) } else { part.to_owned() }, coding));
            bytes.extend([0xA5; 77]);
        }
        let file = folder.join("planted");
        // At either parity.
        for _ in 0..2 {
            bytes.insert(0, 0xA5);
            std::fs::write(&file, &bytes).unwrap();
            let found: BTreeSet<&str> = search(&[&file]).into_iter().map(|find| find.canary).collect();
            let expected: BTreeSet<&str> = planted.iter().copied().collect();
            assert_eq!(found, expected, "{digits} digits as {coding:?}, reversed: {back}");
        }
        std::fs::remove_file(file).unwrap();
    }
}
