//! HTTP byte ranges (RFC 9110, section 14). A header in, a range of bytes out.

use std::ops::Range;

/// What a request wants of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it: there is no range, or none that is understood.
    Whole,
    /// These bytes; never empty.
    Part(Range<u64>),
    /// Bytes that are not there.
    Unsatisfiable,
}

/// Reads a `Range` header for an object of `length` bytes.
///
/// A header that is malformed, counts in another unit or asks for several ranges is ignored, as the standard allows: the
/// whole object is a right answer to it.
pub(crate) fn wanted(header: Option<&str>, length: u64) -> Wanted {
    let Some(spec) = header.and_then(|header| header.trim().strip_prefix("bytes=")) else {
        return Wanted::Whole;
    };
    let Some((first, last)) = spec.trim().split_once('-') else { return Wanted::Whole };
    let range = match (number(first), number(last)) {
        (Some(first), _) if last.is_empty() => first..length,
        (Some(first), Some(last)) if first <= last => first..length.min(last.saturating_add(1)),
        (None, Some(suffix)) if first.is_empty() => length.saturating_sub(suffix)..length,
        _ => return Wanted::Whole,
    };
    if range.is_empty() { Wanted::Unsatisfiable } else { Wanted::Part(range) }
}

/// Reads digits and nothing else; what is too large for 64 bits is larger than any object.
fn number(digits: &str) -> Option<u64> {
    let only_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    only_digits.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        let part = |range| Wanted::Part(range);
        for (header, expected) in [
            ("bytes=0-0", part(0..1)),
            ("bytes=0-499", part(0..100)),
            ("bytes=10-19", part(10..20)),
            ("bytes=99-99", part(99..100)),
            ("bytes=50-", part(50..100)),
            ("bytes=-30", part(70..100)),
            ("bytes=-1000", part(0..100)),
            (" bytes= 5-6 ", part(5..7)),
            ("bytes=0-99999999999999999999", part(0..100)),
            ("bytes=100-", Wanted::Unsatisfiable),
            ("bytes=100-200", Wanted::Unsatisfiable),
            ("bytes=99999999999999999999-", Wanted::Unsatisfiable),
            ("bytes=-0", Wanted::Unsatisfiable),
            ("bytes=9-8", Wanted::Whole),
            ("bytes=0-1,5-6", Wanted::Whole),
            ("bytes=0-1,0-1,0-1,0-1", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes=--5", Wanted::Whole),
            ("bytes=1-2-3", Wanted::Whole),
            ("frames=0-1", Wanted::Whole),
            ("", Wanted::Whole),
        ] {
            assert_eq!(wanted(Some(header), 100), expected, "{header}");
        }
        assert_eq!(wanted(None, 100), Wanted::Whole);
        assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::Unsatisfiable);
    }
}
