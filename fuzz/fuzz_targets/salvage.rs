#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| posesession_fuzz::salvage(data));

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    posesession_fuzz::mutate_salvage(data, size, max_size, seed)
});
