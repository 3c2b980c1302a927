//! The `columnar` codec: each channel one compressed stream, lossless to the bit.
//!
//! The streams are those of the crate `pco`, in its wrapped format with one page each. Within a channel, values stand
//! keypoint by keypoint, and within a keypoint, track by track: what changes little from one number to the next.

use pco::data_types::Number;
use pco::metadata::DeltaEncoding;
use pco::wrapped::{FileCompressor, FileDecompressor};
use pco::{ChunkConfig, DecompressorScratch, DeltaSpec, PagingSpec};

use crate::chunk::{Chunk, ChunkColumns};
use crate::skeleton::Layout;

use super::byte_reader::ByteReader;
use super::header::{ChunkHeader, timestamp, to_u32};
use super::images::{self, ImageTable};
use super::raw::out_of_range;
use super::track_order::{ChannelPlace, TrackOrder};
use super::{CodecError, header};

const MAX_LEVEL: u8 = 12;

/// What `pco` calls the mode in which a stream brings its own dictionary. Its size is read, and memory for it taken,
/// before anything can be checked, so such streams are refused unread. They are never written.
const MODE_DICT: u8 = 4;

pub(super) fn encode(chunk: &Chunk, level: u8) -> Result<Vec<u8>, CodecError> {
    // Streams of noisy floats take about two thirds of their plain size.
    let mut streams = Streams { level: level.min(MAX_LEVEL), payload: Vec::new() };
    streams.payload.reserve(chunk.values().len() * 3 + 256);
    let micros: Vec<i64> = chunk.timestamps().iter().map(|t| t.as_micros()).collect();
    streams.put("timestamps", &micros, delta_order(micros.iter().copied()))?;
    streams.put("person counts", chunk.person_counts(), 0)?;
    streams.put("track ids", chunk.track_ids(), 0)?;
    let order = TrackOrder::of(chunk.track_ids());
    let mut column = Vec::new();
    for place in channels(chunk.layout()) {
        column.resize(chunk.track_ids().len() * place.keypoints, 0.0);
        order.gather(chunk.values(), place, &mut column);
        streams.put("values", &column, delta_order(column.iter().map(|&value| ordered_bits(value))))?;
    }
    if let Some(table) = ImageTable::of(chunk)? {
        table.put_names(&mut streams.payload)?;
        streams.put_images(table)?;
    }
    Ok(streams.payload)
}

/// Lists where each channel of each component is, in the order in which their streams stand.
fn channels(layout: &Layout) -> impl Iterator<Item = ChannelPlace> + '_ {
    let row_width = layout.values_per_person();
    let starts = layout.parts.iter().scan(0, |next, part| {
        let start = *next;
        *next += usize::from(part.keypoints) * usize::from(part.channels);
        Some((start, part))
    });
    starts.flat_map(move |(start, part)| {
        let (keypoints, stride) = (usize::from(part.keypoints), usize::from(part.channels));
        (0..stride).map(move |channel| ChannelPlace { row_width, first: start + channel, stride, keypoints })
    })
}

/// Returns the bits of a float as a number that rises with it, as `pco` sees floats.
fn ordered_bits(value: f32) -> i64 {
    let bits = value.to_bits();
    i64::from(if bits >> 31 == 0 { bits | 1 << 31 } else { !bits })
}

/// Returns whether first or second differences of the numbers are smaller, by their bits.
///
/// `pco` finds this out by compressing samples, which takes longer than the compression itself.
fn delta_order(numbers: impl Iterator<Item = i64>) -> usize {
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

/// The payload while it is written.
struct Streams {
    level: u8,
    payload: Vec<u8>,
}

impl Streams {
    /// Writes a column as one stream with its length before it; an empty one is just the length 0.
    fn put<T: Number>(&mut self, name: &str, column: &[T], order: usize) -> Result<(), CodecError> {
        let start = self.payload.len();
        self.payload.extend_from_slice(&[0; 4]);
        if column.is_empty() {
            return Ok(());
        }
        let config = ChunkConfig::default()
            .with_compression_level(usize::from(self.level))
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

    /// Writes the images' numbers, frames and offsets as differences from the most likely: the next frame, and the end
    /// of the image before in the same object.
    fn put_images(&mut self, mut table: ImageTable<'_>) -> Result<(), CodecError> {
        for index in (1..table.frames.len()).rev() {
            table.frames[index] -= table.frames[index - 1] + 1;
            if table.objects[index] == table.objects[index - 1] {
                let end = table.offsets[index - 1] + u64::from(table.lengths[index - 1]);
                table.offsets[index] = table.offsets[index].wrapping_sub(end);
            }
        }
        self.put("image frames", &table.frames, 0)?;
        self.put("image objects", &table.objects, 1)?;
        self.put("image offsets", &table.offsets, 0)?;
        self.put("image lengths", &table.lengths, 1)
    }
}

pub(super) fn decode(header: &ChunkHeader, payload: &[u8]) -> Result<ChunkColumns, CodecError> {
    let (frames, rows) = (header.frame_count as usize, header.row_count as usize);
    let mut source = StreamReader::new(payload);
    let timestamps = source
        .column::<i64>("timestamps", frames)?
        .into_iter()
        .map(|micros| timestamp(micros).ok_or_else(|| out_of_range(micros)))
        .collect::<Result<Vec<_>, _>>()?;
    let person_counts = source.column("person counts", frames)?;
    let track_ids = source.column("track ids", rows)?;
    let order = TrackOrder::of(&track_ids);
    let mut values = vec![0.0; rows * header.layout.values_per_person()];
    let mut column = Vec::new();
    for place in channels(&header.layout) {
        column.resize(rows * place.keypoints, 0.0);
        source.read_into("values", &mut column)?;
        order.scatter(&column, place, &mut values);
    }
    let images = if header.has_images { source.images(header)? } else { Vec::new() };
    source.reader.finish()?;
    Ok(ChunkColumns {
        first_frame: header.first_frame,
        layout: header.layout.clone(),
        timestamps,
        person_counts,
        track_ids,
        values,
        images,
    })
}

/// The payload while it is read.
struct StreamReader<'a> {
    reader: ByteReader<'a>,
    scratch: DecompressorScratch,
}

impl<'a> StreamReader<'a> {
    fn new(payload: &'a [u8]) -> Self {
        Self { reader: ByteReader::new("payload", payload), scratch: DecompressorScratch::default() }
    }

    fn column<T: Number>(&mut self, name: &str, count: usize) -> Result<Vec<T>, CodecError> {
        let mut column = vec![T::default(); count];
        self.read_into(name, &mut column)?;
        Ok(column)
    }

    /// Fills `column` from the next stream, which must hold exactly as many numbers.
    fn read_into<T: Number>(&mut self, name: &str, column: &mut [T]) -> Result<(), CodecError> {
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

    fn images(&mut self, header: &header::ChunkHeader) -> Result<Vec<crate::ChunkImage>, CodecError> {
        let names = images::read_names(&mut self.reader)?;
        let count = images::read_count(&mut self.reader, header)?;
        let mut table = ImageTable {
            names,
            frames: self.column("image frames", count)?,
            objects: self.column("image objects", count)?,
            offsets: self.column("image offsets", count)?,
            lengths: self.column("image lengths", count)?,
        };
        for index in 1..count {
            let next = table.frames[index - 1].checked_add(1);
            let Some(frame) = next.and_then(|next| next.checked_add(table.frames[index])) else {
                return Err(CodecError::bad_column("image frames", "a frame number is beyond 2^32"));
            };
            table.frames[index] = frame;
            if table.objects[index] == table.objects[index - 1] {
                let end = table.offsets[index - 1].wrapping_add(u64::from(table.lengths[index - 1]));
                table.offsets[index] = table.offsets[index].wrapping_add(end);
            }
        }
        table.into_images()
    }
}
