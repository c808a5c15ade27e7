#![no_main]

use std::sync::LazyLock;

use smdrd_fuzz::fuzz_lines::{Seed, lines, saying};

static SEEDS: LazyLock<Vec<&Seed>> = LazyLock::new(|| saying(&["[stamp]"]));

libfuzzer_sys::fuzz_target!(|data: &[u8]| lines(&SEEDS, data));
