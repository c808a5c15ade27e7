#![no_main]

use smdrd_fuzz::fuzz_files;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_files::dialect_file(data));
