//! The chunk codec: a chunk in, a header and a payload out, and back.
//!
//! The format is specified in `docs/chunk-format.md`; this is version 1. Everything a reader needs to know before it
//! touches the payload stands in the header, and a CRC32C over both finds any change to either.

// These read bytes that anybody may have written: they never index what may not be there.
#[deny(clippy::indexing_slicing)]
mod header;
#[deny(clippy::indexing_slicing)]
mod byte_reader;
#[deny(clippy::indexing_slicing)]
mod images;
mod raw;
mod track_order;
mod streams;
mod quantised;
mod columnar;
#[deny(clippy::indexing_slicing)]
mod json_reader;
#[deny(clippy::indexing_slicing)]
mod json;

use std::fmt;

use thiserror::Error;

use crate::chunk::{Chunk, ChunkError};
use crate::encoding::{Encoding, Lossless};
use crate::max_error::{BadMaxError, ChannelBounds};
use crate::skeleton::Skeleton;

pub use header::ChunkHeader;

/// How a chunk's payload is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Codec {
    /// Plain columns. For the short chunks of a recording in progress: next to no work, no gain.
    Raw = 1,
    /// Each channel compressed as one stream, lossless to the bit. For chunks at rest.
    Columnar = 2,
    /// As [`Codec::Columnar`], but channels that have a bound are off by as much as it allows, and much smaller.
    Bounded = 3,
    /// JSON text, which SQL can read; lossless. For chunks at rest of sessions that ask for it.
    Json = 4,
}

impl Codec {
    /// How hard [`Codec::Columnar`] and [`Codec::Bounded`] try unless told otherwise, from 0 to 12.
    pub const DEFAULT_LEVEL: u8 = 6;

    /// Returns the codec's name: `raw`, `columnar`, `bounded` or `json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Columnar => "columnar",
            Self::Bounded => "bounded",
            Self::Json => "json",
        }
    }

    fn from_id(id: u8) -> Result<Self, CodecError> {
        match id {
            1 => Ok(Self::Raw),
            2 => Ok(Self::Columnar),
            3 => Ok(Self::Bounded),
            4 => Ok(Self::Json),
            _ => Err(CodecError::UnsupportedCodec { codec: id }),
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A chunk as bytes. A store keeps the two beside each other, so that chunks can be told apart by their headers alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedChunk {
    /// What the chunk is and covers, with the checksum of both.
    pub header: Vec<u8>,
    /// The columns.
    pub payload: Vec<u8>,
}

/// Encodes a chunk. [`decode`] gives the same chunk back, bit for bit; [`Codec::Bounded`] has no bounds here and so is as
/// lossless ([`encode_bounded`] has).
///
/// # Errors
///
/// [`CodecError::TooLarge`] where the chunk is beyond a limit of the format. [`CodecError::NotJson`] for [`Codec::Json`], unless
/// nobody is seen: its text has the names of a skeleton, so that is [`encode_at_rest`]'s.
///
/// # Examples
///
/// ```
/// use posesession_core::{Chunk, Codec, Skeleton, SyntheticPose, decode, encode};
///
/// let skeleton = Skeleton::preset("mediapipe_33")?;
/// let source = SyntheticPose::new(&skeleton, 30.0);
/// let mut chunk = Chunk::new(0, skeleton.layout());
/// for n in 0..256 {
///     let (timestamp, pose) = source.frame(n);
///     chunk.push(timestamp, &pose)?;
/// }
/// let encoded = encode(&chunk, Codec::Columnar)?;
/// assert!(encoded.payload.len() < 256 * 33 * 4 * 4);
/// assert_eq!(decode(&encoded.header, &encoded.payload)?, chunk);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn encode(chunk: &Chunk, codec: Codec) -> Result<EncodedChunk, CodecError> {
    encode_with_level(chunk, codec, Codec::DEFAULT_LEVEL)
}

/// Encodes a chunk with a given level of effort: 0 is fastest, 12 smallest, beyond is 12. [`Codec::Raw`] has no levels.
///
/// # Errors
///
/// As [`encode`].
pub fn encode_with_level(chunk: &Chunk, codec: Codec, level: u8) -> Result<EncodedChunk, CodecError> {
    let bounds = ChannelBounds::lossless(chunk.layout());
    encode_chunk(chunk, codec, &bounds, level)
}

/// Encodes a chunk by [`Codec::Bounded`]: |decoded - original| is at most the channel's bound, for every value, which is
/// checked here. Missing values, infinities, and channels without a bound come back bit for bit.
///
/// # Errors
///
/// [`CodecError::BadBounds`] if the bounds are not those of the chunk's layout; else as [`encode`].
///
/// # Examples
///
/// ```
/// use posesession_core::{Chunk, MaxError, Skeleton, SyntheticPose, decode, encode_bounded};
///
/// let skeleton = Skeleton::preset("mediapipe_33")?;
/// let source = SyntheticPose::new(&skeleton, 30.0);
/// let mut chunk = Chunk::new(0, skeleton.layout());
/// for n in 0..256 {
///     let (timestamp, pose) = source.frame(n);
///     chunk.push(timestamp, &pose)?;
/// }
/// let max_error = MaxError::new([("x", 5e-5), ("y", 5e-5), ("z", 5e-5), ("confidence", 1.0 / 512.0)])?;
/// let encoded = encode_bounded(&chunk, &max_error.bounds(&skeleton)?)?;
/// let decoded = decode(&encoded.header, &encoded.payload)?;
/// assert!(decoded.values().iter().zip(chunk.values()).all(|(d, o)| (d - o).abs() < 0.002));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn encode_bounded(chunk: &Chunk, bounds: &ChannelBounds) -> Result<EncodedChunk, CodecError> {
    encode_chunk(chunk, Codec::Bounded, bounds, Codec::DEFAULT_LEVEL)
}

/// Encodes a chunk as its session declared; the skeleton says what its components and channels are called. A chunk in which
/// nobody is seen may be from before the skeleton was known, and have none of it.
///
/// # Errors
///
/// [`CodecError::BadBounds`] if the session's bounds are not for this skeleton, or the skeleton isn't the chunk's;
/// [`CodecError::NotJson`] for what JSON doesn't hold: infinities, and missing values of other bits than the usual ones; else
/// as [`encode`].
pub fn encode_at_rest(
    chunk: &Chunk,
    encoding: &Encoding,
    skeleton: Option<&Skeleton>,
) -> Result<EncodedChunk, CodecError> {
    match encoding {
        Encoding::Bounded { max_error } => {
            let bounds = match skeleton {
                Some(skeleton) if !chunk.values().is_empty() => max_error.bounds(skeleton)?,
                _ => ChannelBounds::lossless(chunk.layout()),
            };
            encode_bounded(chunk, &bounds)
        }
        Encoding::Json | Encoding::Recoded { into: Lossless::Json, .. } => encode_json(chunk, skeleton),
        Encoding::Columnar | Encoding::Recoded { into: Lossless::Columnar, .. } => {
            encode(chunk, Codec::Columnar)
        }
    }
}

fn encode_json(chunk: &Chunk, skeleton: Option<&Skeleton>) -> Result<EncodedChunk, CodecError> {
    header::check_limits(chunk)?;
    let payload = json::encode(chunk, skeleton)?;
    let header = header::write(chunk, Codec::Json, &ChannelBounds::default(), &payload)?;
    Ok(EncodedChunk { header, payload })
}

fn encode_chunk(
    chunk: &Chunk,
    codec: Codec,
    bounds: &ChannelBounds,
    level: u8,
) -> Result<EncodedChunk, CodecError> {
    header::check_limits(chunk)?;
    if !bounds.fit(chunk.layout()) {
        return Err(CodecError::BadBounds { why: "they are for a chunk of another shape".to_owned() });
    }
    let payload = match codec {
        Codec::Raw => raw::encode(chunk)?,
        Codec::Columnar | Codec::Bounded => columnar::encode(chunk, bounds, level)?,
        Codec::Json => json::encode(chunk, None)?,
    };
    let header = header::write(chunk, codec, bounds, &payload)?;
    Ok(EncodedChunk { header, payload })
}

/// Decodes a chunk.
///
/// Any bytes give a chunk or an error, in time linear in their number and in the counts that the header declares, which
/// are checked against the limits of [`Chunk`] before anything is allocated.
///
/// # Errors
///
/// [`CodecError`] says what is wrong. Any truncation, extension or flipped bit of either part is an error.
pub fn decode(header: &[u8], payload: &[u8]) -> Result<Chunk, CodecError> {
    let parsed = verify(header, payload)?;
    let columns = match parsed.codec {
        Codec::Raw => raw::decode(&parsed, payload)?,
        Codec::Columnar | Codec::Bounded => columnar::decode(&parsed, payload)?,
        Codec::Json => json::decode(&parsed, payload)?,
    };
    let chunk = Chunk::from_columns(columns)?;
    parsed.check_extent(&chunk)?;
    Ok(chunk)
}

/// Checks that a chunk's bytes are those that were written, without decoding them, and returns what its header says.
///
/// # Errors
///
/// [`CodecError`] if the header is none, or the checksum over both parts is not the one it has.
pub fn verify(header: &[u8], payload: &[u8]) -> Result<ChunkHeader, CodecError> {
    let parsed = header::read(header)?;
    byte_reader::check_length("payload", payload.len(), parsed.payload_bytes as usize)?;
    header::check_crc(header, payload)?;
    Ok(parsed)
}

/// Reads what a header says, without the payload and so without its checksum.
///
/// # Errors
///
/// [`CodecError`] if it is no header, or one beyond the limits.
pub fn peek(header: &[u8]) -> Result<ChunkHeader, CodecError> {
    header::read(header)
}

/// Why bytes are no chunk, or a chunk can't be bytes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The bytes end too early.
    #[error("the chunk's {part} ends after {got} bytes where {expected} or more belong")]
    Truncated {
        /// `header`, `payload`, or the column that ends early.
        part: &'static str,
        /// How many bytes belong there at least.
        expected: usize,
        /// How many there are.
        got: usize,
    },
    /// The bytes go on where they should end.
    #[error("the chunk's {part} has {got} bytes where {expected} belong")]
    TrailingBytes {
        /// `header` or `payload`.
        part: &'static str,
        /// How many bytes belong there.
        expected: usize,
        /// How many there are.
        got: usize,
    },
    /// The header doesn't start like one.
    #[error("this is no chunk: its header doesn't start with `PSCK`")]
    BadMagic,
    /// The chunk is of a version of the format that this program doesn't know.
    #[error("the chunk is of format version {version}, this program reads version 1; use a newer one")]
    UnsupportedVersion {
        /// The chunk's version.
        version: u16,
    },
    /// The chunk's payload is of a codec that this program doesn't know.
    #[error("the chunk is of codec {codec}, which this program doesn't read; use a newer one")]
    UnsupportedCodec {
        /// The codec's id.
        codec: u8,
    },
    /// A field of the header is what the format doesn't allow.
    #[error("the chunk's header is wrong in its {field}")]
    BadHeader {
        /// The field's name.
        field: &'static str,
    },
    /// The bytes are not those that were written.
    #[error("the chunk is damaged: its checksum is {computed:08x} and should be {stored:08x}")]
    ChecksumMismatch {
        /// What the header says.
        stored: u32,
        /// What the bytes give.
        computed: u32,
    },
    /// A count is beyond a limit of the format.
    #[error("the chunk has {got} {what}, at most {limit} are allowed")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        got: u64,
        /// How much is allowed.
        limit: u64,
    },
    /// A column of the payload holds what it can't.
    #[error("the chunk's column {column} is wrong: {reason}")]
    BadColumn {
        /// The column's name.
        column: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The bounds are not those of the chunk's channels.
    #[error("the chunk can't have these bounds: {why}")]
    BadBounds {
        /// What is wrong.
        why: String,
    },
    /// The chunk holds what JSON doesn't.
    #[error("the chunk can't be JSON: {why}")]
    NotJson {
        /// What it holds.
        why: String,
    },
    /// The columns are right by themselves, but don't make a chunk.
    #[error("the chunk's columns contradict each other")]
    Inconsistent(#[from] ChunkError),
}

impl CodecError {
    fn bad_column(column: impl fmt::Display, reason: impl fmt::Display) -> Self {
        Self::BadColumn { column: column.to_string(), reason: reason.to_string() }
    }
}

impl From<BadMaxError> for CodecError {
    fn from(error: BadMaxError) -> Self {
        Self::BadBounds { why: error.to_string() }
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "the tests' counts are small")]
mod tests;
#[cfg(test)]
mod bounded_tests;
