#![no_main]

use smdrd_fuzz::framing::Protocol;
use smdrd_fuzz::fuzz_framing::framing;

libfuzzer_sys::fuzz_target!(|data: &[u8]| framing(Protocol::LengthLe32, data));
