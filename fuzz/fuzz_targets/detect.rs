#![no_main]

use smdrd_fuzz::fuzz_lines;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_lines::detect(data));
