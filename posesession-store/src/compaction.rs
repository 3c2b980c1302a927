//! Short chunks in, long ones out: which of them become one, and how.

#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use self::joining::{Joined, Short};
use crate::store::COMPACT_FRAMES;

/// The most bytes of uncompressed chunks that become one: what a seek decodes at most, unless one frame is larger.
const MAX_GROUP_BYTES: u64 = 16 << 20;
/// The most frames of one group. Far below the codec's limit: a chunk is what a seek reads.
const MAX_GROUP_FRAMES: u64 = 4 * COMPACT_FRAMES;

/// How much a short chunk has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    /// Whether its values were rounded already: it stays alone, as they must not be rounded again.
    pub(crate) is_bounded: bool,
}

/// Groups short chunks, in order, from the first one on: each returned number is how many of the next chunks make one
/// long chunk. Without `remainder`, those behind the last full group are left out.
pub(crate) fn groups(short: &[Size], remainder: bool) -> Vec<usize> {
    let mut groups = Vec::new();
    let (mut count, mut frames, mut bytes) = (0, 0, 0);
    for size in short {
        let too_much = frames + size.frames > MAX_GROUP_FRAMES || bytes + size.bytes > MAX_GROUP_BYTES;
        if count > 0 && (too_much || size.is_bounded) {
            groups.push(count);
            (count, frames, bytes) = (0, 0, 0);
        }
        count += 1;
        frames += size.frames;
        bytes += size.bytes;
        if frames >= COMPACT_FRAMES || size.is_bounded {
            groups.push(count);
            (count, frames, bytes) = (0, 0, 0);
        }
    }
    if remainder && count > 0 {
        groups.push(count);
    }
    groups
}

/// What the SQL stores do between reading short chunks and writing the long one.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod joining {
    use posesession_core::{Chunk, ChunkExtent, Codec, EncodedChunk, SessionRecording, peek};

    use crate::encoded_run::{Encoded, at_rest};
    use crate::encoding::decode_stored;
    use crate::error::StoreError;

    /// Short chunks that are to become one, as they lie in the database of which `key` is the session's key.
    pub(crate) struct Short {
        /// Its id, encoding and skeleton say how.
        pub(crate) session: SessionRecording,
        pub(crate) key: i64,
        /// Each with its first frame, in order.
        pub(crate) chunks: Vec<(u64, EncodedChunk)>,
    }

    /// The long chunk made of them.
    pub(crate) struct Joined {
        pub(crate) key: i64,
        pub(crate) encoded: Encoded,
        /// The headers of the short ones, which have their checksums.
        pub(crate) headers: Vec<Vec<u8>>,
        pub(crate) short_bytes: u64,
    }

    impl Short {
        /// Joins and compresses the chunks, away from the database.
        pub(crate) fn join(self) -> Result<Joined, StoreError> {
            let id = self.session.id;
            let corrupt = |what: String| StoreError::Corrupt { id, what };
            let decoded: Vec<_> = self
                .chunks
                .iter()
                .map(|(first, chunk)| decode_stored(id, *first, &chunk.header, &chunk.payload))
                .collect::<Result<_, _>>()?;
            let joined = Chunk::concat(&decoded).map_err(|error| {
                let first = decoded.first().map_or(0, Chunk::first_frame);
                corrupt(format!("the chunks from frame {first} can't be joined: {error}"))
            })?;
            let damaged =
                |what: String| corrupt(format!("the chunk from frame {}: {what}", joined.first_frame()));
            let chunk = match self.chunks.as_slice() {
                [(_, alone)] if is_bounded(alone) => alone.clone(),
                _ => at_rest(&joined, &self.session.encoding, self.session.skeleton.as_ref())
                    .map_err(|error| damaged(error.to_string()))?,
            };
            let header = peek(&chunk.header).map_err(|error| damaged(error.to_string()))?;
            let extent = ChunkExtent::of(&joined).ok_or_else(|| damaged("it has no frame".to_owned()))?;
            let short_bytes = self.chunks.iter().map(|(_, chunk)| bytes_of(chunk)).sum();
            let headers = self.chunks.into_iter().map(|(_, chunk)| chunk.header).collect();
            let encoded = Encoded { chunk, header, extent };
            Ok(Joined { key: self.key, encoded, headers, short_bytes })
        }
    }

    impl Joined {
        /// How many bytes the long chunk has.
        pub(crate) fn bytes(&self) -> u64 {
            bytes_of(&self.encoded.chunk)
        }
    }

    fn is_bounded(chunk: &EncodedChunk) -> bool {
        peek(&chunk.header).is_ok_and(|header| header.codec == Codec::Bounded)
    }

    fn bytes_of(chunk: &EncodedChunk) -> u64 {
        (chunk.header.len() + chunk.payload.len()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(frames: &[u64]) -> Vec<Size> {
        frames.iter().map(|&frames| Size { frames, bytes: frames * 1000, is_bounded: false }).collect()
    }

    #[test]
    fn a_group_is_full_at_256_frames() {
        assert_eq!(groups(&sizes(&[8; 31]), false), Vec::<usize>::new());
        assert_eq!(groups(&sizes(&[8; 32]), false), [32]);
        assert_eq!(groups(&sizes(&[8; 70]), false), [32, 32]);
        assert_eq!(groups(&sizes(&[8; 70]), true), [32, 32, 6]);
        assert_eq!(groups(&sizes(&[]), true), Vec::<usize>::new());
    }

    #[test]
    fn a_group_does_not_grow_beyond_its_limits() {
        assert_eq!(groups(&sizes(&[255, 60_000, 8]), true), [1, 1, 1]);
        let large = [Size { frames: 8, bytes: MAX_GROUP_BYTES / 2, is_bounded: false }; 5];
        assert_eq!(groups(&large, true), [2, 2, 1]);
        assert_eq!(groups(&large, false), [2, 2]);
    }

    #[test]
    fn a_bounded_chunk_stays_alone() {
        let mut short = sizes(&[8; 5]);
        short[2].is_bounded = true;
        assert_eq!(groups(&short, true), [2, 1, 2]);
        assert_eq!(groups(&short, false), [2, 1]);
    }
}
