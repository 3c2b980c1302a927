//! Binary messages: frames and video, little endian, laid out for JavaScript's typed arrays.

use bytes::{BufMut, Bytes, BytesMut};
use posesession_core::{PoseData, PoseView, TimeError, Timestamp};
use thiserror::Error;

const KIND_FRAME: u8 = 1;
const KIND_VIDEO: u8 = 2;
const FRAME_HEADER_BYTES: usize = 48;
const VIDEO_HEADER_BYTES: usize = 24;
const FLAG_FRAME_NUMBER: u8 = 1;
const FLAG_SESSION_TIMESTAMP: u8 = 2;

/// A binary message, decoded.
#[derive(Debug, Clone, PartialEq)]
pub enum BinaryMessage {
    /// Kind 1.
    Frame(BinaryFrame),
    /// Kind 2.
    Video(BinaryVideo),
}

/// One frame as a binary message.
///
/// | offset | type | field |
/// | --- | --- | --- |
/// | 0 | u8 | kind = 1 |
/// | 1 | u8 | flags: bit 0 frame number present, bit 1 session timestamp present |
/// | 2 | u16 | person count P |
/// | 4 | u32 | epoch (replay), else 0 |
/// | 8 | f64 | timestamp, seconds |
/// | 16 | f64 | session timestamp, seconds, NaN when absent |
/// | 24 | u64 | frame number, 0 when absent |
/// | 32 | u32 | values per person V |
/// | 36 | u16 | byte length S of the stream's name |
/// | 38 | u16 | 0 |
/// | 40 | u32 | byte length I of the image |
/// | 44 | u32 | 0 |
/// | 48 | u32 × P | track ids |
/// | 48 + 4 P | f32 × P × V | values, person by person |
/// | | S bytes | the stream's name, UTF-8 |
/// | | I bytes | the image, JPEG or WebP |
#[derive(Debug, Clone, PartialEq)]
pub struct BinaryFrame {
    /// All but poses and image.
    pub header: BinaryFrameHeader,
    /// The poses; `values` has shape `[P, V]`.
    pub pose_data: PoseData,
    /// The image; empty for none.
    pub image: Bytes,
}

/// What stands around the poses of a [`BinaryFrame`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BinaryFrameHeader {
    /// The seek epoch; 0 while recording.
    pub epoch: u32,
    /// Recording: the streamer's clock; replay: session time.
    pub timestamp: Timestamp,
    /// Session time, while recording.
    pub session_timestamp: Option<Timestamp>,
    /// The publisher's number, or in a replay the session's.
    pub frame_number: Option<u64>,
    /// How many `f32`s a person has; says the skeleton's size also where nobody is seen.
    pub values_per_person: u32,
    /// The stream's name; empty for the one the connection publishes to.
    pub stream: String,
}

/// A piece of a video file as a binary message.
///
/// | offset | type | field |
/// | --- | --- | --- |
/// | 0 | u8 | kind = 2 |
/// | 1 | u8 | 0 |
/// | 2 | u16 | byte length S of the stream's name |
/// | 4 | u32 | 0 |
/// | 8 | u64 | where in the file the piece starts |
/// | 16 | f64 | when the video's first picture was taken, streamer's clock, seconds |
/// | 24 | S bytes | the stream's name, UTF-8 |
/// | 24 + S | the rest | the piece |
#[derive(Debug, Clone, PartialEq)]
pub struct BinaryVideo {
    /// The stream's name; empty for the one the connection publishes to.
    pub stream: String,
    /// Where in the file the piece starts, in bytes.
    pub offset: u64,
    /// When the video's first picture was taken, by the streamer's clock.
    pub timestamp: Timestamp,
    /// The piece.
    pub data: Bytes,
}

impl BinaryMessage {
    /// Decodes a message. The image and the video data share the message's memory.
    ///
    /// # Errors
    ///
    /// [`BinaryError`] names what is wrong with the layout.
    pub fn decode(message: &Bytes) -> Result<Self, BinaryError> {
        Ok(match PackedMessage::decode(message)? {
            PackedMessage::Video(video) => Self::Video(video),
            PackedMessage::Frame(PackedFrame { header, poses, image }) => {
                let mut pose_data = PoseData::nobody();
                poses.unpack_into(&mut pose_data);
                Self::Frame(BinaryFrame { header, pose_data, image })
            }
        })
    }
}

/// A binary message, checked, but with its poses still packed: who reads them has memory for them.
#[derive(Debug)]
pub(crate) enum PackedMessage {
    Frame(PackedFrame),
    Video(BinaryVideo),
}

/// A [`BinaryFrame`] that shares the message's memory.
#[derive(Debug)]
pub(crate) struct PackedFrame {
    pub(crate) header: BinaryFrameHeader,
    pub(crate) poses: PackedPoses,
    pub(crate) image: Bytes,
}

/// Track ids and values as they lie in a message.
#[derive(Debug)]
pub(crate) struct PackedPoses {
    track_ids: Bytes,
    values: Bytes,
}

impl PackedMessage {
    pub(crate) fn decode(message: &Bytes) -> Result<Self, BinaryError> {
        match message.first() {
            Some(&KIND_FRAME) => PackedFrame::decode(message).map(Self::Frame),
            Some(&KIND_VIDEO) => BinaryVideo::decode(message).map(Self::Video),
            Some(&kind) => Err(BinaryError::UnknownKind { kind }),
            None => Err(BinaryError::WrongLength { expected: 1, got: 0 }),
        }
    }
}

impl PackedPoses {
    pub(crate) fn person_count(&self) -> usize {
        self.track_ids.len() / 4
    }

    /// Returns how many bytes the values have.
    pub(crate) fn value_bytes(&self) -> usize {
        self.values.len()
    }

    /// Reads the poses into memory that may be there already.
    pub(crate) fn unpack_into(&self, pose_data: &mut PoseData) {
        let PoseData { track_ids, values } = pose_data;
        track_ids.clear();
        track_ids.extend(words(&self.track_ids).map(u32::from_le_bytes));
        values.clear();
        values.extend(words(&self.values).map(f32::from_le_bytes));
    }
}

impl PackedFrame {
    fn decode(message: &Bytes) -> Result<Self, BinaryError> {
        let header = message.get(..FRAME_HEADER_BYTES);
        let too_short = BinaryError::WrongLength { expected: FRAME_HEADER_BYTES, got: message.len() };
        let header = header.ok_or(too_short)?;
        let flags = header[1];
        if flags & !(FLAG_FRAME_NUMBER | FLAG_SESSION_TIMESTAMP) != 0 {
            return Err(BinaryError::UnknownFlags { flags });
        }
        let persons = usize::from(u16_at(header, 2));
        let values_per_person = u32_at(header, 32);
        let stream_bytes = usize::from(u16_at(header, 36));
        let image_bytes = u32_at(header, 40) as usize;
        // u64, so that hostile counts can't wrap around.
        let values = persons as u64 * u64::from(values_per_person);
        let expected =
            FRAME_HEADER_BYTES as u64 + 4 * (persons as u64 + values) + (stream_bytes + image_bytes) as u64;
        if expected != message.len() as u64 {
            let expected = usize::try_from(expected).unwrap_or(usize::MAX);
            return Err(BinaryError::WrongLength { expected, got: message.len() });
        }
        let values_start = FRAME_HEADER_BYTES + 4 * persons;
        let stream_start = message.len() - image_bytes - stream_bytes;
        let image_start = message.len() - image_bytes;
        let session_timestamp = match flags & FLAG_SESSION_TIMESTAMP {
            0 => None,
            _ => Some(Timestamp::from_secs_f64(f64_at(header, 16))?),
        };
        Ok(Self {
            header: BinaryFrameHeader {
                epoch: u32_at(header, 4),
                timestamp: Timestamp::from_secs_f64(f64_at(header, 8))?,
                session_timestamp,
                frame_number: (flags & FLAG_FRAME_NUMBER != 0).then(|| u64_at(header, 24)),
                values_per_person,
                stream: name(&message[stream_start..image_start])?,
            },
            poses: PackedPoses {
                track_ids: message.slice(FRAME_HEADER_BYTES..values_start),
                values: message.slice(values_start..stream_start),
            },
            image: message.slice(image_start..),
        })
    }
}

impl BinaryFrame {
    /// Encodes a frame.
    #[must_use]
    pub fn encode<'a>(header: &BinaryFrameHeader, pose: impl Into<PoseView<'a>>, image: &[u8]) -> Bytes {
        let pose = pose.into();
        let stream = header.stream.as_bytes();
        let size =
            FRAME_HEADER_BYTES + 4 * (pose.track_ids.len() + pose.values.len()) + stream.len() + image.len();
        let mut out = BytesMut::with_capacity(size);
        let mut flags = 0;
        if header.frame_number.is_some() {
            flags |= FLAG_FRAME_NUMBER;
        }
        if header.session_timestamp.is_some() {
            flags |= FLAG_SESSION_TIMESTAMP;
        }
        out.put_u8(KIND_FRAME);
        out.put_u8(flags);
        out.put_u16_le(u16::try_from(pose.track_ids.len()).unwrap_or(u16::MAX));
        out.put_u32_le(header.epoch);
        out.put_f64_le(header.timestamp.as_secs_f64());
        out.put_f64_le(header.session_timestamp.map_or(f64::NAN, Timestamp::as_secs_f64));
        out.put_u64_le(header.frame_number.unwrap_or(0));
        out.put_u32_le(header.values_per_person);
        out.put_u16_le(u16::try_from(stream.len()).unwrap_or(u16::MAX));
        out.put_u16_le(0);
        out.put_u32_le(u32::try_from(image.len()).unwrap_or(u32::MAX));
        out.put_u32_le(0);
        pose.track_ids.iter().for_each(|&id| out.put_u32_le(id));
        pose.values.iter().for_each(|&value| out.put_f32_le(value));
        out.put_slice(stream);
        out.put_slice(image);
        out.freeze()
    }
}

impl BinaryVideo {
    fn decode(message: &Bytes) -> Result<Self, BinaryError> {
        let too_short = BinaryError::WrongLength { expected: VIDEO_HEADER_BYTES, got: message.len() };
        let header = message.get(..VIDEO_HEADER_BYTES).ok_or(too_short)?;
        if header[1] != 0 {
            return Err(BinaryError::UnknownFlags { flags: header[1] });
        }
        let data_start = VIDEO_HEADER_BYTES + usize::from(u16_at(header, 2));
        let too_short = BinaryError::WrongLength { expected: data_start, got: message.len() };
        let stream = message.get(VIDEO_HEADER_BYTES..data_start).ok_or(too_short)?;
        Ok(Self {
            stream: name(stream)?,
            offset: u64_at(header, 8),
            timestamp: Timestamp::from_secs_f64(f64_at(header, 16))?,
            data: message.slice(data_start..),
        })
    }

    /// Encodes a piece of video.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let stream = self.stream.as_bytes();
        let mut out = BytesMut::with_capacity(VIDEO_HEADER_BYTES + stream.len() + self.data.len());
        out.put_u8(KIND_VIDEO);
        out.put_u8(0);
        out.put_u16_le(u16::try_from(stream.len()).unwrap_or(u16::MAX));
        out.put_u32_le(0);
        out.put_u64_le(self.offset);
        out.put_f64_le(self.timestamp.as_secs_f64());
        out.put_slice(stream);
        out.put_slice(&self.data);
        out.freeze()
    }
}

fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[offset..offset + N]);
    array
}

fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, offset))
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, offset))
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, offset))
}

fn f64_at(bytes: &[u8], offset: usize) -> f64 {
    f64::from_le_bytes(array_at(bytes, offset))
}

fn words(bytes: &[u8]) -> impl ExactSizeIterator<Item = [u8; 4]> + '_ {
    let (words, _none_left) = bytes.as_chunks();
    words.iter().copied()
}

fn name(bytes: &[u8]) -> Result<String, BinaryError> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|source| BinaryError::BadName { source })
}

/// Why a binary message is refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum BinaryError {
    /// The first byte is neither 1 (frame) nor 2 (video).
    #[error("{kind} is no kind of binary message: 1 is a frame, 2 is video")]
    UnknownKind {
        /// The first byte.
        kind: u8,
    },
    /// Bits are set that mean nothing in this version.
    #[error("the flags {flags:#04x} are not of this version")]
    UnknownFlags {
        /// All flags.
        flags: u8,
    },
    /// The counts in the header don't add up to the message.
    #[error("by its header the message has {expected} bytes, it came with {got}")]
    WrongLength {
        /// How many bytes the header asks for.
        expected: usize,
        /// How many came.
        got: usize,
    },
    /// The stream's name is not UTF-8.
    #[error("the stream's name is not UTF-8")]
    BadName {
        /// Where it breaks.
        #[source]
        source: std::str::Utf8Error,
    },
    /// A timestamp is no time.
    #[error(transparent)]
    BadTimestamp(#[from] TimeError),
}
