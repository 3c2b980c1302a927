//! Reads little-endian numbers from the front of a byte slice, never past its end.

use super::CodecError;

/// What is left to read of one part of a chunk.
#[derive(Debug)]
pub(super) struct ByteReader<'a> {
    part: &'static str,
    total: usize,
    rest: &'a [u8],
}

impl<'a> ByteReader<'a> {
    pub(super) fn new(part: &'static str, bytes: &'a [u8]) -> Self {
        Self { part, total: bytes.len(), rest: bytes }
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], CodecError> {
        let Some((bytes, rest)) = self.rest.split_at_checked(count) else {
            return Err(CodecError::Truncated {
                part: self.part,
                expected: (self.total - self.rest.len()).saturating_add(count),
                got: self.total,
            });
        };
        self.rest = rest;
        Ok(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, CodecError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(super) fn u16(&mut self) -> Result<u16, CodecError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, CodecError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, CodecError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(super) fn i64(&mut self) -> Result<i64, CodecError> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    /// Reads `count` numbers of `N` bytes each; nothing is allocated unless they are all there.
    pub(super) fn column<const N: usize, T>(
        &mut self,
        count: usize,
        from_le_bytes: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>, CodecError> {
        let bytes = self.bytes(count.saturating_mul(N))?;
        let (numbers, _none_left) = bytes.as_chunks::<N>();
        Ok(numbers.iter().map(|&number| from_le_bytes(number)).collect())
    }

    /// Checks that nothing is left.
    pub(super) fn finish(self) -> Result<(), CodecError> {
        check_length(self.part, self.total, self.total - self.rest.len())
    }
}

/// Checks that a part has as many bytes as belong there.
pub(super) fn check_length(part: &'static str, got: usize, expected: usize) -> Result<(), CodecError> {
    match got {
        _ if got < expected => Err(CodecError::Truncated { part, expected, got }),
        _ if got > expected => Err(CodecError::TrailingBytes { part, expected, got }),
        _ => Ok(()),
    }
}
