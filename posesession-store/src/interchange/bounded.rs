//! A bound on how long a line may be, so that no file needs more memory than one line. Bytes in, the same bytes out.

use std::io::{self, Read};

/// The longest line: far beyond the largest frame as JSON.
const MAX_LINE_BYTES: usize = 64 << 20;

/// Passes bytes on until there are too many since the last whole line. A line of CSV may have line ends in quotes: where it ends is
/// for its reader to say.
pub(super) struct BoundedLines<R> {
    inner: R,
    line_bytes: usize,
}

impl<R> BoundedLines<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, line_bytes: 0 }
    }

    /// Says that a whole line was read.
    pub(super) fn end_line(&mut self) {
        self.line_bytes = 0;
    }
}

impl<R: Read> Read for BoundedLines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.line_bytes += count;
        if self.line_bytes > MAX_LINE_BYTES {
            let what = format!("a line is longer than {MAX_LINE_BYTES} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        Ok(count)
    }
}
