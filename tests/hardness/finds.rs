//! Every input on which a fuzz target once failed, minimised: tests/hardness/finds/TARGET-what.

use std::path::Path;

use smdrd::framing::Protocol;

use crate::fuzz_framing::framing;
use crate::fuzz_lines::{SEEDS, Seed, lines, saying};
use crate::{fuzz_files, fuzz_masking};

/// The target of this name, as fuzz/fuzz_targets has it.
pub fn target(name: &str, data: &[u8]) {
    let layout = |words: &[&str]| {
        let seeds: Vec<&Seed> = saying(words);
        lines(&seeds, data);
    };
    match name {
        "frame_lines" => framing(Protocol::Lines, data),
        "frame_stx_etx" => framing(Protocol::StxEtx, data),
        "frame_length_le32" => framing(Protocol::LengthLe32, data),
        "frame_nec" => framing(Protocol::NecFrame, data),
        "frame_oxe" => framing(Protocol::AlcatelOxe, data),
        "layout_columns" => layout(&["{ at = ["]),
        "layout_delimited" => layout(&["delimiter ="]),
        "layout_pattern" => layout(&["capture ="]),
        "layout_tlv" => layout(&["tlv ="]),
        "layout_header" => layout(&["names = true", "carry"]),
        "groups_adjacent" => layout(&["[[group]]"]),
        "groups_keyed" => layout(&["key = \"trunk\""]),
        "stamps" => lines(&SEEDS.iter().collect::<Vec<_>>(), data),
        "masking" => fuzz_masking::masking(data),
        "dialect_file" => fuzz_files::dialect_file(data),
        "dialect_made" => fuzz_files::dialect_made(data),
        "configuration" => fuzz_files::configuration(data),
        "detect" => crate::fuzz_lines::detect(data),
        other => panic!("no target {other}: name it here too"),
    }
}

#[test]
fn what_a_fuzzer_found_stays_mended() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hardness/finds");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        eprintln!("{name}");
        target(name.split('-').next().unwrap(), &std::fs::read(&path).unwrap());
        count += 1;
    }
    assert!(count > 0);
}

#[test]
fn every_target_of_the_fuzzer_is_known_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        target(path.file_stem().unwrap().to_str().unwrap(), b"");
    }
}
