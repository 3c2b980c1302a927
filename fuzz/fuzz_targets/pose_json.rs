#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| posesession_fuzz::pose_json(data));
