//! The chunk header: what a chunk is and covers, readable without its payload.

use crate::chunk::Chunk;
use crate::chunk_index::ChunkExtent;
use crate::max_error::ChannelBounds;
use crate::skeleton::{Layout, LayoutPart, Skeleton};
use crate::time::Timestamp;

use super::byte_reader::{ByteReader, check_length};
use super::{Codec, CodecError};

const MAGIC: [u8; 4] = *b"PSCK";
const VERSION: u16 = 1;
const FLAG_IMAGES: u8 = 1;
/// What stands before the layout's parts.
const FIXED_BYTES: usize = 48;
const PART_BYTES: usize = 4;
const BOUND_BYTES: usize = 8;
const CRC_BYTES: usize = 4;
/// The highest frame number that every client holds exactly.
const MAX_FRAME_NUMBER: u64 = 1 << 53;

/// What a chunk's header says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChunkHeader {
    /// The version of the format.
    pub version: u16,
    /// How the payload is laid out.
    pub codec: Codec,
    /// The number of the first frame.
    pub first_frame: u64,
    /// How many frames.
    pub frame_count: u32,
    /// How many rows: persons, summed over the frames.
    pub row_count: u32,
    /// When the first frame is; zero if there is none.
    pub first_timestamp: Timestamp,
    /// When the last frame is; zero if there is none.
    pub last_timestamp: Timestamp,
    /// The shape of one person's values.
    pub layout: Layout,
    /// How far values may be off, if the codec is [`Codec::Bounded`]; of all others nothing.
    pub bounds: ChannelBounds,
    /// Whether some frames have images.
    pub has_images: bool,
    /// How long the payload is, in bytes.
    pub payload_bytes: u32,
}

impl ChunkHeader {
    /// Returns what the chunk covers, or nothing if it is empty.
    #[must_use]
    pub fn extent(&self) -> Option<ChunkExtent> {
        (self.frame_count > 0).then_some(ChunkExtent {
            first_frame: self.first_frame,
            frame_count: self.frame_count,
            first_timestamp: self.first_timestamp,
            last_timestamp: self.last_timestamp,
        })
    }

    /// Checks that the decoded chunk covers what the header says.
    pub(super) fn check_extent(&self, chunk: &Chunk) -> Result<(), CodecError> {
        if self.extent() == ChunkExtent::of(chunk) {
            return Ok(());
        }
        Err(CodecError::BadHeader { field: "timestamps, which are not the payload's" })
    }

    fn check_timestamps(&self) -> Result<(), CodecError> {
        let span = self.last_timestamp.micros_since(self.first_timestamp);
        let fits = match self.frame_count {
            0 => self.first_timestamp == Timestamp::ZERO && span == 0,
            1 => span == 0,
            frames => span >= i64::from(frames) - 1,
        };
        if fits { Ok(()) } else { Err(CodecError::BadHeader { field: "timestamps" }) }
    }
}

/// Checks the limits that hold for reading and writing alike.
pub(super) fn check_limits(chunk: &Chunk) -> Result<(), CodecError> {
    check_counts(chunk.first_frame(), chunk.frame_count() as u64, chunk.track_ids().len() as u64)?;
    check_layout(chunk.layout(), chunk.track_ids().len() as u64)
}

fn check_counts(first_frame: u64, frames: u64, rows: u64) -> Result<(), CodecError> {
    check("first frame number", first_frame, MAX_FRAME_NUMBER)?;
    check("frames", frames, Chunk::MAX_FRAMES as u64)?;
    check("rows", rows, Chunk::MAX_VALUES as u64)
}

fn check_layout(layout: &Layout, rows: u64) -> Result<(), CodecError> {
    check("components", layout.parts.len() as u64, Skeleton::MAX_COMPONENTS as u64)?;
    let keypoints = layout.parts.iter().map(|part| u64::from(part.keypoints)).sum();
    check("keypoints", keypoints, Skeleton::MAX_KEYPOINTS as u64)?;
    let channels = layout.parts.iter().map(|part| u64::from(part.channels)).max().unwrap_or(0);
    check("channels", channels, Skeleton::MAX_CHANNELS as u64)?;
    check("values", rows * layout.values_per_person() as u64, Chunk::MAX_VALUES as u64)
}

fn check(what: &'static str, got: u64, limit: u64) -> Result<(), CodecError> {
    if got > limit { Err(CodecError::TooLarge { what, got, limit }) } else { Ok(()) }
}

/// Writes the header of a chunk that is within the limits.
pub(super) fn write(
    chunk: &Chunk,
    codec: Codec,
    bounds: &ChannelBounds,
    payload: &[u8],
) -> Result<Vec<u8>, CodecError> {
    let parts = &chunk.layout().parts;
    let timestamp = |t: Option<&Timestamp>| t.copied().unwrap_or_default().as_micros().to_le_bytes();
    let mut header = Vec::with_capacity(FIXED_BYTES + parts.len() * PART_BYTES + CRC_BYTES);
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.push(codec as u8);
    header.push(if chunk.images().is_empty() { 0 } else { FLAG_IMAGES });
    header.extend_from_slice(&chunk.first_frame().to_le_bytes());
    header.extend_from_slice(&to_u32("frames", chunk.frame_count())?.to_le_bytes());
    header.extend_from_slice(&to_u32("rows", chunk.track_ids().len())?.to_le_bytes());
    header.extend_from_slice(&timestamp(chunk.timestamps().first()));
    header.extend_from_slice(&timestamp(chunk.timestamps().last()));
    header.extend_from_slice(&to_u32("payload bytes", payload.len())?.to_le_bytes());
    header.extend_from_slice(&to_u32("components", parts.len())?.to_le_bytes());
    for part in parts {
        header.extend_from_slice(&part.keypoints.to_le_bytes());
        header.extend_from_slice(&[part.channels, 0]);
    }
    if codec == Codec::Bounded {
        for place in channel_places(chunk.layout()) {
            header.extend_from_slice(&bounds.of(place.0, place.1).unwrap_or(0.0).to_le_bytes());
        }
    }
    let crc = crc32c::crc32c_append(crc32c::crc32c(&header), payload);
    header.extend_from_slice(&crc.to_le_bytes());
    Ok(header)
}

/// Returns a count that the format holds in 32 bits.
pub(super) fn to_u32(what: &'static str, count: usize) -> Result<u32, CodecError> {
    u32::try_from(count).map_err(|_too_many| CodecError::TooLarge {
        what,
        got: count as u64,
        limit: u64::from(u32::MAX),
    })
}

/// Reads a header and checks it against the limits, but not its checksum, which covers the payload too.
pub(super) fn read(header: &[u8]) -> Result<ChunkHeader, CodecError> {
    let mut reader = ByteReader::new("header", header);
    if reader.array()? != MAGIC {
        return Err(CodecError::BadMagic);
    }
    let version = reader.u16()?;
    if version != VERSION {
        return Err(CodecError::UnsupportedVersion { version });
    }
    let codec = Codec::from_id(reader.u8()?)?;
    let flags = reader.u8()?;
    if flags & !FLAG_IMAGES != 0 {
        return Err(CodecError::BadHeader { field: "flags" });
    }
    let first_frame = reader.u64()?;
    let (frame_count, row_count) = (reader.u32()?, reader.u32()?);
    check_counts(first_frame, u64::from(frame_count), u64::from(row_count))?;
    let (first_timestamp, last_timestamp) = (read_timestamp(&mut reader)?, read_timestamp(&mut reader)?);
    let payload_bytes = reader.u32()?;
    let components = reader.u32()?;
    check("components", u64::from(components), Skeleton::MAX_COMPONENTS as u64)?;
    let least = FIXED_BYTES + components as usize * PART_BYTES + CRC_BYTES;
    if codec != Codec::Bounded || header.len() < least {
        check_length("header", header.len(), least)?;
    }
    let parts = (0..components).map(|_| read_part(&mut reader)).collect::<Result<_, _>>()?;
    let layout = Layout { parts };
    check_layout(&layout, u64::from(row_count))?;
    let mut bounds = ChannelBounds::default();
    if codec == Codec::Bounded {
        check_length("header", header.len(), least + channel_places(&layout).count() * BOUND_BYTES)?;
        bounds = read_bounds(&mut reader, &layout)?;
    }
    let header = ChunkHeader {
        version,
        codec,
        first_frame,
        frame_count,
        row_count,
        first_timestamp,
        last_timestamp,
        layout,
        bounds,
        has_images: flags & FLAG_IMAGES != 0,
        payload_bytes,
    };
    header.check_timestamps()?;
    Ok(header)
}

fn read_timestamp(reader: &mut ByteReader<'_>) -> Result<Timestamp, CodecError> {
    timestamp(reader.i64()?).ok_or(CodecError::BadHeader { field: "timestamps" })
}

/// Returns the timestamp of so many microseconds, if there is one.
pub(super) fn timestamp(micros: i64) -> Option<Timestamp> {
    Some(Timestamp::from_micros(micros)).filter(|t| t.as_micros() == micros)
}

fn read_part(reader: &mut ByteReader<'_>) -> Result<LayoutPart, CodecError> {
    let part = LayoutPart { keypoints: reader.u16()?, channels: reader.u8()? };
    if reader.u8()? != 0 {
        return Err(CodecError::BadHeader { field: "layout" });
    }
    Ok(part)
}

fn read_bounds(reader: &mut ByteReader<'_>, layout: &Layout) -> Result<ChannelBounds, CodecError> {
    let mut parts = Vec::with_capacity(layout.parts.len());
    for part in &layout.parts {
        let bounds =
            (0..part.channels).map(|_| Ok(Some(f64::from_le_bytes(reader.array()?)).filter(|&b| b != 0.0)));
        parts.push(bounds.collect::<Result<_, CodecError>>()?);
    }
    ChannelBounds::new(parts).map_err(|_out_of_range| CodecError::BadHeader { field: "bounds" })
}

/// Lists the component and channel of each channel.
fn channel_places(layout: &Layout) -> impl Iterator<Item = (usize, usize)> {
    let parts = layout.parts.iter().enumerate();
    parts.flat_map(|(component, part)| {
        (0..usize::from(part.channels)).map(move |channel| (component, channel))
    })
}

/// Checks the checksum of a header that [`read`] accepted, and its payload.
pub(super) fn check_crc(header: &[u8], payload: &[u8]) -> Result<(), CodecError> {
    let Some((covered, crc)) = header.split_last_chunk::<CRC_BYTES>() else {
        return Err(CodecError::Truncated { part: "header", expected: CRC_BYTES, got: header.len() });
    };
    let (stored, computed) =
        (u32::from_le_bytes(*crc), crc32c::crc32c_append(crc32c::crc32c(covered), payload));
    if stored == computed { Ok(()) } else { Err(CodecError::ChecksumMismatch { stored, computed }) }
}
