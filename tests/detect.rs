//! Which PBX printed it: every sample pair and every capture is given to `detect` without its name.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::civil::date;
use smdrd::dialect::Library;
use smdrd::dialect::detect::{Confidence, Detection, Detector};

/// Every file of lines, with the dialect that it is in.
fn files() -> Vec<(String, PathBuf)> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut found = Vec::new();
    for root in ["dialects", "captures"] {
        for folder in fs::read_dir(tests.join(root)).unwrap().map(|entry| entry.unwrap().path()) {
            let dialect = folder.file_name().unwrap().to_string_lossy().into_owned();
            if !folder.is_dir() || Library::shipped().get(&dialect).is_none() {
                continue;
            }
            let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            found.extend(
                paths.filter(|path| path.extension().is_some_and(|e| e == "smdr")).map(|path| (dialect.clone(), path)),
            );
        }
    }
    found.sort();
    found
}

fn say(detection: &Detection) -> String {
    detection
        .candidates
        .iter()
        .take(4)
        .map(|c| {
            format!(
                "{} {:?} {:.3} r{} u{} {:?} {:?}",
                c.dialect, c.confidence, c.fit, c.records, c.unparsed, c.options, c.against
            )
        })
        .collect::<Vec<_>>()
        .join("\n      ")
}

#[test]
fn the_right_dialect_ranks_first_and_a_wrong_one_is_never_certain() {
    let detector = Detector::new(Library::shipped());
    let (mut wrong, mut certain, mut all) = (Vec::new(), 0, 0);
    for (dialect, path) in files() {
        let bytes = fs::read(&path).unwrap();
        let detection = detector.detect(&bytes, date(2026, 11, 21));
        let own = detection.candidates.iter().find(|candidate| candidate.dialect == dialect);
        let records = own.map_or(0, |own| own.records);
        let first = detection.candidates.first();
        let place = format!("{} ({} records)\n      {}", path.display(), records, say(&detection));
        // A BCM can be set to print what a Meridian prints: without its name nobody can tell them apart.
        let twin =
            |other: &str| [other, dialect.as_str()].iter().all(|id| ["nortel-bcm", "nortel-meridian"].contains(id));
        if let Some(other) = first.filter(|first| first.dialect != dialect)
            && !(twin(&other.dialect) && other.confidence != Confidence::High)
            && (records >= 3 || other.confidence == Confidence::High)
        {
            wrong.push(place);
        }
        if records >= 3 {
            all += 1;
            certain += usize::from(first.is_some_and(|first| first.confidence == Confidence::High));
        }
    }
    println!("{certain} of {all} files of three records or more are certain");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(certain * 10 >= all * 7, "only {certain} of {all} are certain");
}
