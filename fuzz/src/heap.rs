//! The memory that decoding takes at its peak.

/// What anything may take, whatever its input.
const BASE_BYTES: u64 = 64 * 1024;

/// Calls `decode`, and asserts that at its peak it took at most 64 KiB and `for_each` bytes for each of `input` bytes.
#[track_caller]
pub(crate) fn bounded<T>(input: usize, for_each: u64, decode: impl FnOnce() -> T) -> T {
    let mut decoded = None;
    let taken = allocation_counter::measure(|| decoded = Some(decode()));
    let most = BASE_BYTES + for_each * input as u64;
    assert!(
        taken.bytes_max <= most,
        "{} bytes are taken for {input}, at most {most} may be",
        taken.bytes_max
    );
    decoded.expect("it was called")
}
