#![no_main]

use smdrd_fuzz::fuzz_masking;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_masking::masking(data));
