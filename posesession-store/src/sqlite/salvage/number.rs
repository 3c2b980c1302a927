//! Numbers as SQLite writes them.

/// Reads two bytes; beyond the end there are zeros.
pub(super) fn be16(bytes: &[u8], at: usize) -> usize {
    let byte = |n: usize| usize::from(bytes.get(at + n).copied().unwrap_or(0));
    byte(0) << 8 | byte(1)
}

/// Reads four bytes; beyond the end there are zeros.
pub(super) fn be32(bytes: &[u8], at: usize) -> u32 {
    let byte = |n: usize| u32::from(bytes.get(at + n).copied().unwrap_or(0));
    byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3)
}

/// Reads a number of 1 to 9 bytes and returns it with its length.
pub(super) fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for n in 0..8 {
        let byte = *bytes.get(at + n)?;
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, n + 1));
        }
    }
    Some((value << 8 | u64::from(*bytes.get(at + 8)?), 9))
}

/// Reads a signed number of up to 8 bytes.
pub(super) fn signed(bytes: &[u8]) -> i64 {
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    bytes.iter().fold(if negative { -1 } else { 0 }, |value, &byte| value << 8 | i64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_sqlite_writes_them() {
        assert_eq!(varint(&[0x7f], 0), Some((127, 1)));
        assert_eq!(varint(&[0x81, 0x00], 0), Some((128, 2)));
        assert_eq!(varint(&[0xff; 9], 0), Some((u64::MAX, 9)));
        assert_eq!(varint(&[0x81], 0), None);
        assert_eq!(
            (signed(&[]), signed(&[0xff]), signed(&[1, 0]), signed(&[0x80, 0])),
            (0, -1, 256, -32_768)
        );
        assert_eq!((be16(&[1, 2], 0), be32(&[0, 1, 2, 3], 0), be32(&[1], 0)), (258, 66_051, 1 << 24));
    }
}
