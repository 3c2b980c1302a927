//! A WebM's bytes in, its parts out: the facts of its front, then block after block.

use bytes::{Buf, Bytes, BytesMut};

use super::ebml::{self, Head, Malformed, id};
use super::odd::Odd;

const MAX_HEADER_BYTES: u64 = 4 * 1024;
/// The most that one element of the front may have: codecs put tables there, and writers their names.
const MAX_FRONT_BYTES: u64 = 1024 * 1024;
/// The largest block that is taken for a picture; one of them is held in memory as a whole.
const MAX_BLOCK_BYTES: u64 = 16 * 1024 * 1024;
/// The latest time that a cluster may have: it stays exact, and shifting it can't overflow.
const MAX_TICKS: u64 = 1 << 53;

/// A part of a WebM.
#[derive(Debug)]
pub(super) enum Part {
    /// The EBML header, whole.
    Header(Bytes),
    /// What the Info element holds.
    Info(Bytes),
    /// The Tracks element, whole.
    Tracks(Bytes),
    /// The Tags element, whole.
    Tags(Bytes),
    /// A block of a cluster.
    Block(Block),
}

/// A SimpleBlock or a BlockGroup, whole.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) element: BytesMut,
    /// Where in the element its two bytes of relative time are.
    pub(super) time_at: usize,
    pub(super) track: u64,
    /// In ticks of the segment's timestamp scale; before the segment's start if negative.
    pub(super) time: i64,
    pub(super) is_key: bool,
    /// In ticks, if the block says.
    pub(super) duration: Option<u64>,
}

/// Finds a WebM's parts in its bytes.
///
/// Elements of the second and third level are told apart by their ids alone, so that it doesn't matter whether the sizes of the
/// Segment and the Clusters are known, or true. What tells where things are (SeekHead, Cues, Position...) is passed over, as
/// it doesn't hold for the rewritten video.
#[derive(Debug, Default)]
pub(super) struct Reader {
    buffer: BytesMut,
    /// Where in the video the buffer starts.
    position: u64,
    /// How many bytes are still to be passed over.
    skip: u64,
    in_segment: bool,
    in_cluster: bool,
    cluster_time: Option<i64>,
}

impl Reader {
    /// Takes the next bytes. To be followed by [`Self::poll`] until there is no part.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next part; none if it needs more bytes.
    pub(super) fn poll(&mut self) -> Result<Option<Part>, Odd> {
        loop {
            let skipped = self.buffer.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
            self.consume(skipped);
            self.skip -= skipped as u64;
            if self.skip > 0 {
                return Ok(None);
            }
            if self.position == 0
                && !b"\x1a\x45\xdf\xa3".starts_with(&self.buffer[..self.buffer.len().min(4)])
            {
                return Err(Odd::NoEbml);
            }
            let Some(head) = ebml::head(&self.buffer).map_err(|error| self.malformed(error))? else {
                return Ok(None);
            };
            match head.id {
                id::EBML if self.position == 0 => {
                    return Ok(self.take(head, MAX_HEADER_BYTES)?.map(|whole| Part::Header(whole.freeze())));
                }
                id::SEGMENT if !self.in_segment => {
                    self.in_segment = true;
                    self.consume(head.len);
                }
                id::CLUSTER if self.in_segment => {
                    self.in_cluster = true;
                    self.cluster_time = None;
                    self.consume(head.len);
                }
                id::INFO if self.in_segment => {
                    let whole = self.take(head, MAX_FRONT_BYTES)?;
                    return Ok(whole.map(|whole| Part::Info(whole.freeze().slice(head.len..))));
                }
                id::TRACKS if self.in_segment => {
                    return Ok(self.take(head, MAX_FRONT_BYTES)?.map(|whole| Part::Tracks(whole.freeze())));
                }
                id::TAGS if self.in_segment => {
                    return Ok(self.take(head, MAX_FRONT_BYTES)?.map(|whole| Part::Tags(whole.freeze())));
                }
                id::TIMESTAMP if self.in_cluster => {
                    let Some(whole) = self.take(head, 8)? else { return Ok(None) };
                    self.cluster_time = Some(self.cluster_time_of(&whole[head.len..])?);
                }
                id::SIMPLE_BLOCK | id::BLOCK_GROUP if self.in_cluster => {
                    let position = self.position;
                    let Some(whole) = self.take(head, MAX_BLOCK_BYTES)? else { return Ok(None) };
                    return self.block(head, whole, position).map(|block| Some(Part::Block(block)));
                }
                id::SEEK_HEAD | id::CUES | id::VOID | id::CRC_32 if self.in_segment => {
                    self.pass_over(head)?;
                }
                id::POSITION | id::PREV_SIZE | id::SILENT_TRACKS if self.in_cluster => {
                    self.pass_over(head)?;
                }
                _ => return Err(Odd::UnknownElement { id: head.id, position: self.position }),
            }
        }
    }

    fn pass_over(&mut self, head: Head) -> Result<(), Odd> {
        let size = head.size.ok_or(Odd::UnknownSize { id: head.id, position: self.position })?;
        self.skip = size;
        self.consume(head.len);
        Ok(())
    }

    /// Takes a whole element; none if more bytes are needed.
    fn take(&mut self, head: Head, limit: u64) -> Result<Option<BytesMut>, Odd> {
        let (id, position) = (head.id, self.position);
        let size = head.size.ok_or(Odd::UnknownSize { id, position })?;
        let content = usize::try_from(size).ok().filter(|_| size <= limit);
        let end = head.len + content.ok_or(Odd::TooLarge { id, position, bytes: size, limit })?;
        if self.buffer.len() < end {
            return Ok(None);
        }
        self.position += end as u64;
        Ok(Some(self.buffer.split_to(end)))
    }

    fn consume(&mut self, bytes: usize) {
        self.buffer.advance(bytes);
        self.position += bytes as u64;
    }

    fn malformed(&self, _error: Malformed) -> Odd {
        Odd::Malformed { position: self.position }
    }

    fn cluster_time_of(&self, content: &[u8]) -> Result<i64, Odd> {
        let ticks = ebml::unsigned(content).map_err(|error| self.malformed(error))?;
        let time = i64::try_from(ticks).ok().filter(|_| ticks <= MAX_TICKS);
        time.ok_or(Odd::OutOfTime { position: self.position })
    }

    fn block(&self, head: Head, element: BytesMut, position: u64) -> Result<Block, Odd> {
        let malformed = |_error: Malformed| Odd::Malformed { position };
        let mut duration = None;
        let mut is_reference = false;
        let mut content_at = head.len;
        if head.id == id::BLOCK_GROUP {
            let mut found = None;
            for child in ebml::children(&element[head.len..]) {
                let child = child.map_err(malformed)?;
                match child.id {
                    id::BLOCK if found.is_none() => {
                        // Both are parts of the element: the one's place is how far its start is from the element's.
                        found = Some(child.content.as_ptr() as usize - element.as_ptr() as usize);
                    }
                    id::BLOCK => return Err(Odd::Malformed { position }),
                    id::BLOCK_DURATION => duration = Some(ebml::unsigned(child.content).map_err(malformed)?),
                    id::REFERENCE_BLOCK => is_reference = true,
                    _ => {}
                }
            }
            content_at = found.ok_or(Odd::Malformed { position })?;
        }
        let content = &element[content_at..];
        let (track, track_len) =
            ebml::variable(content).map_err(malformed)?.ok_or(Odd::Malformed { position })?;
        let Some(&[high, low, flags]) = content.get(track_len..).and_then(<[u8]>::first_chunk) else {
            return Err(Odd::Malformed { position });
        };
        let cluster_time = self.cluster_time.ok_or(Odd::OutOfTime { position })?;
        Ok(Block {
            time_at: content_at + track_len,
            track,
            time: cluster_time + i64::from(i16::from_be_bytes([high, low])),
            is_key: if head.id == id::SIMPLE_BLOCK { flags & 0x80 != 0 } else { !is_reference },
            duration: duration.map(|ticks| ticks.min(MAX_TICKS)),
            element,
        })
    }
}
