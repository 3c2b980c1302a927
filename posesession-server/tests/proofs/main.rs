//! The promise, tried on the real program: what was acknowledged is there, whatever happens to the process or its disk.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(feature = "failpoints")]
mod crash_points;
mod disk_full;
mod kill;
mod postgres;
mod program;
mod read_only;
mod streamer;

/// Returns whether the long proofs were asked for.
fn is_long() -> bool {
    std::env::var("POSESESSION_LONG_TESTS").is_ok_and(|asked| asked == "1")
}

/// Returns the seed: that of `POSESESSION_SEED`, to see a failure again, else this one.
fn seed(usual: u64) -> u64 {
    std::env::var("POSESESSION_SEED")
        .map_or(usual, |seed| seed.parse().expect("POSESESSION_SEED is a number"))
}

/// Makes a number that looks random of a seed and a place (`SplitMix64`).
fn drawn(seed: u64, place: u64) -> u64 {
    let mut z = seed.wrapping_add(place.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
