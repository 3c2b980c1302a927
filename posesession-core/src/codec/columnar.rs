//! The codecs `columnar` and `bounded`: each channel compressed by itself.
//!
//! Within a channel, values stand keypoint by keypoint, and within a keypoint, track by track: what changes little from
//! one number to the next. A channel without a bound is one lossless stream; see [`super::quantised`] for the others.

use crate::chunk::{Chunk, ChunkColumns, ChunkImage};
use crate::max_error::ChannelBounds;
use crate::skeleton::Layout;

use super::CodecError;
use super::header::{ChunkHeader, timestamp};
use super::images::{self, ImageTable};
use super::quantised::Quantised;
use super::raw::out_of_range;
use super::streams::{StreamReader, StreamWriter, delta_order};
use super::track_order::{ChannelPlace, TrackOrder};

pub(super) fn encode(chunk: &Chunk, bounds: &ChannelBounds, level: u8) -> Result<Vec<u8>, CodecError> {
    // Streams of noisy floats take about two thirds of their plain size.
    let mut streams = StreamWriter::new(level, chunk.values().len() * 3 + 256);
    let micros: Vec<i64> = chunk.timestamps().iter().map(|t| t.as_micros()).collect();
    streams.put("timestamps", &micros, delta_order(micros.iter().copied()))?;
    streams.put("person counts", chunk.person_counts(), 0)?;
    streams.put("track ids", chunk.track_ids(), 0)?;
    let order = TrackOrder::of(chunk.track_ids());
    let mut column = Vec::new();
    let mut quantised = Quantised::default();
    for channel in channels(chunk.layout(), bounds) {
        column.resize(chunk.track_ids().len() * channel.place.keypoints, 0.0);
        order.gather(chunk.values(), channel.place, &mut column);
        match channel.bound {
            Some(bound) => quantised.put(&mut streams, &column, channel.place.keypoints, bound)?,
            None => streams.put_floats(&column)?,
        }
    }
    if let Some(table) = ImageTable::of(chunk)? {
        table.put_names(&mut streams.payload)?;
        put_images(&mut streams, table)?;
    }
    Ok(streams.payload)
}

/// A channel of a component.
struct ChannelToCode {
    place: ChannelPlace,
    bound: Option<f64>,
}

/// Lists the channels of each component, in the order in which their streams stand.
fn channels(layout: &Layout, bounds: &ChannelBounds) -> impl Iterator<Item = ChannelToCode> {
    let row_width = layout.values_per_person();
    let starts = layout.parts.iter().scan(0, |next, part| {
        let start = *next;
        *next += usize::from(part.keypoints) * usize::from(part.channels);
        Some((start, part))
    });
    starts.enumerate().flat_map(move |(component, (start, part))| {
        let (keypoints, stride) = (usize::from(part.keypoints), usize::from(part.channels));
        (0..stride).map(move |channel| ChannelToCode {
            place: ChannelPlace { row_width, first: start + channel, stride, keypoints },
            bound: bounds.of(component, channel),
        })
    })
}

/// Writes the images' numbers, frames and offsets as differences from the most likely: the next frame, and the end of
/// the image before in the same object.
fn put_images(streams: &mut StreamWriter, mut table: ImageTable<'_>) -> Result<(), CodecError> {
    for index in (1..table.frames.len()).rev() {
        table.frames[index] -= table.frames[index - 1] + 1;
        if table.objects[index] == table.objects[index - 1] {
            let end = table.offsets[index - 1] + u64::from(table.lengths[index - 1]);
            table.offsets[index] = table.offsets[index].wrapping_sub(end);
        }
    }
    streams.put("image frames", &table.frames, 0)?;
    streams.put("image objects", &table.objects, 1)?;
    streams.put("image offsets", &table.offsets, 0)?;
    streams.put("image lengths", &table.lengths, 1)
}

pub(super) fn decode(header: &ChunkHeader, payload: &[u8]) -> Result<ChunkColumns, CodecError> {
    let (frames, rows) = (header.frame_count as usize, header.row_count as usize);
    let mut streams = StreamReader::new(payload);
    let timestamps = streams
        .column::<i64>("timestamps", frames)?
        .into_iter()
        .map(|micros| timestamp(micros).ok_or_else(|| out_of_range(micros)))
        .collect::<Result<Vec<_>, _>>()?;
    let person_counts = streams.column("person counts", frames)?;
    let track_ids = streams.column("track ids", rows)?;
    let order = TrackOrder::of(&track_ids);
    let mut values = vec![0.0; rows * header.layout.values_per_person()];
    let mut column = Vec::new();
    let mut quantised = Quantised::default();
    for channel in channels(&header.layout, &header.bounds) {
        column.resize(rows * channel.place.keypoints, 0.0);
        match channel.bound {
            Some(_) => quantised.read_into(&mut streams, &mut column, channel.place.keypoints)?,
            None => streams.read_into("values", &mut column)?,
        }
        order.scatter(&column, channel.place, &mut values);
    }
    let images = if header.has_images { read_images(&mut streams, header)? } else { Vec::new() };
    streams.reader.finish()?;
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

fn read_images(streams: &mut StreamReader<'_>, header: &ChunkHeader) -> Result<Vec<ChunkImage>, CodecError> {
    let names = images::read_names(&mut streams.reader)?;
    let count = images::read_count(&mut streams.reader, header)?;
    let mut table = ImageTable {
        names,
        frames: streams.column("image frames", count)?,
        objects: streams.column("image objects", count)?,
        offsets: streams.column("image offsets", count)?,
        lengths: streams.column("image lengths", count)?,
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
