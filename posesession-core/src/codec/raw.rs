//! The `raw` codec: plain columns, each aligned to its numbers' size.

use crate::chunk::{Chunk, ChunkColumns};
use crate::time::Timestamp;

use super::byte_reader::ByteReader;
use super::header::{ChunkHeader, timestamp};
use super::images::ImageTable;
use super::{CodecError, images};

pub(super) fn encode(chunk: &Chunk) -> Result<Vec<u8>, CodecError> {
    let (frames, rows) = (chunk.frame_count(), chunk.track_ids().len());
    let mut payload = Vec::with_capacity(frames * 10 + rows * 4 + chunk.values().len() * 4);
    put_column(&mut payload, chunk.timestamps(), |t| t.as_micros().to_le_bytes());
    put_column(&mut payload, chunk.track_ids(), |id| id.to_le_bytes());
    put_column(&mut payload, chunk.values(), |value| value.to_le_bytes());
    put_column(&mut payload, chunk.person_counts(), |count| count.to_le_bytes());
    if let Some(table) = ImageTable::of(chunk)? {
        table.put_names(&mut payload)?;
        put_column(&mut payload, &table.frames, |frame| frame.to_le_bytes());
        put_column(&mut payload, &table.objects, |object| object.to_le_bytes());
        put_column(&mut payload, &table.offsets, |offset| offset.to_le_bytes());
        put_column(&mut payload, &table.lengths, |length| length.to_le_bytes());
    }
    Ok(payload)
}

fn put_column<const N: usize, T: Copy>(
    payload: &mut Vec<u8>,
    column: &[T],
    to_le_bytes: impl Fn(T) -> [u8; N],
) {
    let start = payload.len();
    payload.resize(start + column.len() * N, 0);
    let (places, _none_left) = payload[start..].as_chunks_mut::<N>();
    for (place, &number) in places.iter_mut().zip(column) {
        *place = to_le_bytes(number);
    }
}

pub(super) fn decode(header: &ChunkHeader, payload: &[u8]) -> Result<ChunkColumns, CodecError> {
    let (frames, rows) = (header.frame_count as usize, header.row_count as usize);
    let mut reader = ByteReader::new("payload", payload);
    let timestamps = reader
        .column(frames, i64::from_le_bytes)?
        .into_iter()
        .map(|micros| timestamp(micros).ok_or_else(|| out_of_range(micros)))
        .collect::<Result<Vec<Timestamp>, _>>()?;
    let track_ids = reader.column(rows, u32::from_le_bytes)?;
    let values = reader.column(rows * header.layout.values_per_person(), f32::from_le_bytes)?;
    let person_counts = reader.column(frames, u16::from_le_bytes)?;
    let mut chunk_images = Vec::new();
    if header.has_images {
        let names = images::read_names(&mut reader)?;
        let count = images::read_count(&mut reader, header)?;
        let table = ImageTable {
            names,
            frames: reader.column(count, u32::from_le_bytes)?,
            objects: reader.column(count, u32::from_le_bytes)?,
            offsets: reader.column(count, u64::from_le_bytes)?,
            lengths: reader.column(count, u32::from_le_bytes)?,
        };
        chunk_images = table.into_images()?;
    }
    reader.finish()?;
    Ok(ChunkColumns {
        first_frame: header.first_frame,
        layout: header.layout.clone(),
        timestamps,
        person_counts,
        track_ids,
        values,
        images: chunk_images,
    })
}

/// The error for a timestamp beyond the range of [`Timestamp`].
pub(super) fn out_of_range(micros: i64) -> CodecError {
    CodecError::bad_column("timestamps", format_args!("{micros} µs is out of range"))
}
