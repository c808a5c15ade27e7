//! The numbers that must not be found, and the search for them.
//!
//! All are from Ofcom's drama ranges, one for each way in which PBXs print numbers; no two end alike, and none ends like
//! one of the practice's own (960100 to 960199). A number is looked for whole, by its last seven and by its last six
//! digits; as ASCII and UTF-16 of both byte orders, and as packed BCD in both nibble orders at either nibble; forwards
//! and reversed.
//!
//! Six digits are a short needle. In some megabytes of pages, keyed digests and logs a given six-digit string stands by
//! chance now and then, and 24 bits of packed BCD oftener. So a find of six digits alone counts where two different
//! canaries are found in one file in one form: every way in is fed with all canaries, so a leak shows several, while
//! two chance finds in one file are not to be expected. Microseconds of log stamps (`.123456`) are left out. Seven
//! digits and more count at once.

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

fn nibbles(bytes: &[u8], high_first: bool) -> Vec<u8> {
    bytes.iter().flat_map(|byte| if high_first { [byte >> 4, byte & 15] } else { [byte & 15, byte >> 4] }).collect()
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

fn search_file(file: &Path) -> BTreeSet<Find> {
    let bytes = std::fs::read(file).unwrap();
    let streams = [(Coding::BcdHighFirst, nibbles(&bytes, true)), (Coding::BcdLowFirst, nibbles(&bytes, false))];
    let mut finds = BTreeSet::new();
    let mut short: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
    for canary in CANARIES {
        for part in parts(canary) {
            for (part, way) in [(part.clone(), "forwards"), (reversed(&part), "reversed")] {
                for coding in CODINGS {
                    let found = match streams.iter().find(|(of, _)| *of == coding) {
                        Some((_, stream)) => {
                            let digits: Vec<u8> =
                                part.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
                            memmem(stream, &digits).next().is_some()
                        }
                        None => memmem(&bytes, &written(&part, coding)).any(|at| at == 0 || bytes[at - 1] != b'.'),
                    };
                    if !found {
                        continue;
                    }
                    let digits = part.bytes().filter(u8::is_ascii_digit).count();
                    if digits > 6 {
                        finds.insert(Find {
                            file: file.into(),
                            canary,
                            form: format!("{digits} digits, {coding:?}, {way}"),
                        });
                    } else {
                        short.entry(format!("6 digits, {coding:?}, {way}")).or_default().insert(canary);
                    }
                }
            }
        }
    }
    for (form, canaries) in short.into_iter().filter(|(_, canaries)| canaries.len() > 1) {
        finds.extend(canaries.into_iter().map(|canary| Find { file: file.into(), canary, form: form.clone() }));
    }
    finds
}

/// Where `needle` stands: by its first byte first, which is quick enough for some megabytes.
fn memmem<'a>(hay: &'a [u8], needle: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let finder = regex::bytes::Regex::new(&format!(
        "(?s-u:{})",
        needle.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>()
    ))
    .unwrap();
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = finder.find_at(hay, from)?.start();
        from = at + 1;
        Some(at)
    })
}

/// That the search finds what there is: each part of each canary in each coding and both ways, among other bytes.
pub fn prove_the_search(folder: &Path) {
    for coding in CODINGS {
        for back in [false, true] {
            // Six digits count by twos; so each file gets the same part of two canaries.
            for pair in CANARIES.chunks(2) {
                let kinds = [6, 7, 99].into_iter().filter(|digits| {
                    *digits == 6 || pair.iter().all(|one| one.bytes().filter(u8::is_ascii_digit).count() >= 7)
                });
                for digits in kinds {
                    let part = |canary: &str| {
                        let all: String = canary.chars().filter(char::is_ascii_digit).collect();
                        let part = all[all.len().saturating_sub(digits)..].to_owned();
                        if back { reversed(&part) } else { part }
                    };
                    let mut bytes = vec![0xA5; 1000];
                    for canary in pair {
                        bytes.extend(written(&part(canary), coding));
                        bytes.extend([0xA5; 77]);
                    }
                    let file = folder.join("planted");
                    std::fs::write(&file, bytes).unwrap();
                    let found: BTreeSet<&str> = search(&[&file]).into_iter().map(|find| find.canary).collect();
                    for canary in pair {
                        assert!(
                            found.contains(canary),
                            "the search misses {digits} digits of {canary} as {coding:?}, back {back}"
                        );
                    }
                    std::fs::remove_file(file).unwrap();
                }
            }
        }
    }
    let clean = folder.join("clean");
    std::fs::write(&clean, "2026-11-20 stamp 12:30:00.960742 then .960745 and 01632960150 07700000000").unwrap();
    assert!(search(&[&clean]).is_empty(), "the search finds what is not there");
    std::fs::remove_file(clean).unwrap();
}
