//! Compressed streams of numbers: a length, then the numbers as the crate `pco` has them, in its wrapped format with one page.

use pco::data_types::Number;
use pco::metadata::DeltaEncoding;
use pco::wrapped::{FileCompressor, FileDecompressor};
use pco::{ChunkConfig, DecompressorScratch, DeltaSpec, ModeSpec, PagingSpec};

use super::CodecError;
use super::byte_reader::ByteReader;
use super::header::to_u32;

const MAX_LEVEL: u8 = 12;

/// What `pco` calls the mode in which a stream brings its own dictionary. Its size is read, and memory for it taken,
/// before anything can be checked, so such streams are refused unread. They are never written.
const MODE_DICT: u8 = 4;

/// The payload while it is written.
pub(super) struct StreamWriter {
    level: u8,
    pub(super) payload: Vec<u8>,
}

impl StreamWriter {
    /// Starts a payload of about so many bytes.
    pub(super) fn new(level: u8, expected_bytes: usize) -> Self {
        Self { level: level.min(MAX_LEVEL), payload: Vec::with_capacity(expected_bytes) }
    }

    /// Writes a column as one stream with its length before it; an empty one is just the length 0. `order`: how often
    /// differences are taken.
    pub(super) fn put<T: Number>(
        &mut self,
        name: &str,
        column: &[T],
        order: usize,
    ) -> Result<(), CodecError> {
        self.put_with_mode(name, column, order, ModeSpec::Auto)
    }

    /// Writes a column of numbers that have no common divisor to be looked for.
    pub(super) fn put_plain<T: Number>(&mut self, name: &str, column: &[T]) -> Result<(), CodecError> {
        self.put_with_mode(name, column, 0, ModeSpec::Classic)
    }

    /// Writes a column of floats, lossless to the bit.
    pub(super) fn put_floats(&mut self, column: &[f32]) -> Result<(), CodecError> {
        self.put("values", column, delta_order(column.iter().map(|&value| ordered_bits(value))))
    }

    fn put_with_mode<T: Number>(
        &mut self,
        name: &str,
        column: &[T],
        order: usize,
        mode: ModeSpec,
    ) -> Result<(), CodecError> {
        let start = self.payload.len();
        self.payload.extend_from_slice(&[0; 4]);
        if column.is_empty() {
            return Ok(());
        }
        let config = ChunkConfig::default()
            .with_compression_level(usize::from(self.level))
            .with_mode_spec(mode)
            .with_delta_spec(if order == 0 { DeltaSpec::NoOp } else { DeltaSpec::TryConsecutive(order) })
            .with_paging_spec(PagingSpec::Exact(vec![column.len()]));
        let compressor = FileCompressor::default();
        compressor
            .write_header(&mut self.payload)
            .and_then(|payload| {
                let mut chunk = compressor.chunk_compressor(column, &config)?;
                let payload = chunk.write_meta(payload)?;
                chunk.write_page(0, payload)
            })
            .map_err(|cause| CodecError::bad_column(name, cause))?;
        let length = to_u32("bytes in a column", self.payload.len() - start - 4)?;
        self.payload[start..start + 4].copy_from_slice(&length.to_le_bytes());
        Ok(())
    }
}

/// Returns the bits of a float as a number that rises with it, as `pco` sees floats.
fn ordered_bits(value: f32) -> i64 {
    let bits = value.to_bits();
    i64::from(if bits >> 31 == 0 { bits | 1 << 31 } else { !bits })
}

/// Returns whether first or second differences of the numbers are smaller, by their bits.
///
/// `pco` finds this out by compressing samples, which takes longer than the compression itself.
pub(super) fn delta_order(numbers: impl Iterator<Item = i64>) -> usize {
    let bits = |n: i64| u64::from(64 - n.unsigned_abs().leading_zeros());
    let (mut last, mut last_step) = (0, 0);
    let (mut first_bits, mut second_bits) = (0, 0);
    for number in numbers {
        let step = number.wrapping_sub(last);
        first_bits += bits(step);
        second_bits += bits(step.wrapping_sub(last_step));
        (last, last_step) = (number, step);
    }
    if second_bits < first_bits { 2 } else { 1 }
}

/// The payload while it is read.
pub(super) struct StreamReader<'a> {
    pub(super) reader: ByteReader<'a>,
    scratch: DecompressorScratch,
}

impl<'a> StreamReader<'a> {
    pub(super) fn new(payload: &'a [u8]) -> Self {
        Self { reader: ByteReader::new("payload", payload), scratch: DecompressorScratch::default() }
    }

    pub(super) fn column<T: Number>(&mut self, name: &str, count: usize) -> Result<Vec<T>, CodecError> {
        let mut column = vec![T::default(); count];
        self.read_into(name, &mut column)?;
        Ok(column)
    }

    /// Fills `column` from the next stream, which must hold exactly as many numbers.
    pub(super) fn read_into<T: Number>(&mut self, name: &str, column: &mut [T]) -> Result<(), CodecError> {
        let length = self.reader.u32()?;
        let stream = self.reader.bytes(length as usize)?;
        if column.is_empty() {
            return match stream {
                [] => Ok(()),
                _ => Err(CodecError::bad_column(name, "there are bytes where no number belongs")),
            };
        }
        let corrupt = |cause| CodecError::bad_column(name, cause);
        let (file, rest) = FileDecompressor::new(stream).map_err(corrupt)?;
        if rest.first().is_some_and(|first| first & 0x0f == MODE_DICT) {
            return Err(CodecError::bad_column(name, "dictionaries are not part of the format"));
        }
        let (chunk, rest) = file.chunk_decompressor::<T, _>(rest).map_err(corrupt)?;
        if matches!(chunk.meta().delta_encoding, DeltaEncoding::Lookback { .. }) {
            // Its window can take 64 MiB whatever the number of values.
            return Err(CodecError::bad_column(name, "lookback is not part of the format"));
        }
        let mut page =
            chunk.page_decompressor_with_scratch(rest, column.len(), &mut self.scratch).map_err(corrupt)?;
        let progress = page.read(column).map_err(corrupt)?;
        if progress.n_processed != column.len() || !progress.finished || !page.into_src().is_empty() {
            return Err(CodecError::bad_column(
                name,
                format_args!("it doesn't hold {} numbers", column.len()),
            ));
        }
        Ok(())
    }
}
