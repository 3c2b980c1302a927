//! Consecutive encoded chunks that are known to be right. Bytes or frames in, what a store takes as it is out.

use posesession_core::{
    ChannelBounds, Chunk, ChunkError, ChunkExtent, ChunkHeader, Codec, CodecError, EncodedChunk, Encoding,
    Layout, SessionRecording, Skeleton, decode, encode, encode_at_rest, peek,
};

use crate::checks::{Frames, bad};
use crate::error::StoreError;

/// Consecutive encoded chunks, at least one: each decodes, has a frame, and follows the one before it.
///
/// It is what [`SessionStore::append_encoded`](crate::SessionStore::append_encoded) takes. Making it is the work, and can be
/// done on any thread.
#[derive(Debug, Clone)]
pub struct EncodedRun {
    chunks: Vec<Encoded>,
    /// What the chunks cover together.
    extent: ChunkExtent,
    /// The layout of the persons; of the first chunk as long as nobody is seen.
    layout: Layout,
    has_persons: bool,
}

/// An encoded chunk that is known to be right, and has a frame.
#[derive(Debug, Clone)]
pub(crate) struct Encoded {
    pub(crate) chunk: EncodedChunk,
    pub(crate) header: ChunkHeader,
    pub(crate) extent: ChunkExtent,
}

impl EncodedRun {
    /// Checks a chunk that comes from elsewhere, by decoding it.
    ///
    /// # Errors
    ///
    /// [`StoreError::BadArgument`] for bytes that are no chunk, are damaged, or have no frame.
    pub fn check(chunk: EncodedChunk) -> Result<Self, StoreError> {
        let unfit = |error| bad(format!("the encoded chunk can't be stored: {error}"));
        let decoded = decode(&chunk.header, &chunk.payload).map_err(unfit)?;
        Self::of(&decoded, chunk)
    }

    /// Encodes a chunk as its session declared, see [`encode_at_rest`]; what JSON doesn't hold, as columns.
    ///
    /// # Errors
    ///
    /// [`StoreError::BadArgument`] for a chunk that can't be encoded so, or has no frame.
    pub fn encode(
        chunk: &Chunk,
        encoding: &Encoding,
        skeleton: Option<&Skeleton>,
    ) -> Result<Self, StoreError> {
        let unfit = |error| bad(format!("the chunk can't be stored: {error}"));
        let encoded = at_rest(chunk, encoding, skeleton).map_err(unfit)?;
        Self::of(chunk, encoded)
    }

    /// Takes a chunk and what it was encoded to, or was decoded from.
    pub(crate) fn of(chunk: &Chunk, encoded: EncodedChunk) -> Result<Self, StoreError> {
        let encoded = Encoded::of(chunk, encoded)?;
        let (extent, has_persons) = (encoded.extent, encoded.header.row_count > 0);
        Ok(Self { extent, layout: encoded.header.layout.clone(), has_persons, chunks: vec![encoded] })
    }

    /// Appends the chunks that follow.
    ///
    /// # Errors
    ///
    /// [`StoreError::BadArgument`] if they don't follow: by their frames' numbers, timestamps, or layout. The run stays as it was.
    pub fn join(&mut self, next: Self) -> Result<(), StoreError> {
        let unfit = |error: ChunkError| bad(format!("the encoded chunks can't be joined: {error}"));
        let (extent, follows) = (self.extent, next.extent);
        if follows.first_frame != extent.end_frame() {
            let (expected, got) = (extent.end_frame(), follows.first_frame);
            return Err(unfit(ChunkError::NotConsecutive { expected, got }));
        }
        if follows.first_timestamp <= extent.last_timestamp {
            let (last, got) = (extent.last_timestamp, follows.first_timestamp);
            return Err(unfit(ChunkError::TimeNotIncreasing { last, got }));
        }
        if self.has_persons && next.has_persons && self.layout != next.layout {
            let [expected, got] = [&self.layout, &next.layout].map(Layout::values_per_person);
            return Err(unfit(ChunkError::WrongShape { expected, got }));
        }
        let Some(frame_count) = extent.frame_count.checked_add(follows.frame_count) else {
            return Err(bad("the encoded chunks have more frames than a session".to_owned()));
        };
        if !self.has_persons {
            self.layout = next.layout;
        }
        self.has_persons |= next.has_persons;
        self.extent = ChunkExtent { frame_count, last_timestamp: follows.last_timestamp, ..extent };
        self.chunks.extend(next.chunks);
        Ok(())
    }

    /// Returns what the chunks cover together.
    #[must_use]
    pub fn extent(&self) -> ChunkExtent {
        self.extent
    }

    /// Returns how many bytes the chunks have.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.chunks.iter().map(Encoded::bytes).sum()
    }

    /// Returns the chunks, in order.
    pub fn chunks(&self) -> impl Iterator<Item = &EncodedChunk> {
        self.chunks.iter().map(|encoded| &encoded.chunk)
    }

    /// Returns whether values may be off.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn is_bounded(&self) -> bool {
        self.chunks.iter().any(|encoded| encoded.header.codec == Codec::Bounded)
    }

    pub(crate) fn encoded(&self) -> &[Encoded] {
        &self.chunks
    }

    /// Checks that the values are no further off than their session tells.
    pub(crate) fn check_exactness(&self, session: &SessionRecording) -> Result<(), StoreError> {
        let told = match (session.encoding.max_error(), &session.skeleton) {
            (Some(max_error), Some(skeleton)) => {
                max_error.bounds(skeleton).map_err(|error| bad(error.to_string()))?
            }
            _ => ChannelBounds::default(),
        };
        for header in self.chunks.iter().map(|encoded| &encoded.header).filter(|header| header.row_count > 0)
        {
            for (component, part) in header.layout.parts.iter().enumerate() {
                for channel in (0..part.channels).map(usize::from) {
                    let own = header.bounds.of(component, channel).unwrap_or(0.0);
                    let most = told.of(component, channel).unwrap_or(0.0);
                    if own > most {
                        return Err(bad(format!(
                            "the encoded chunk's values may be off by {own}, where the session tells at most {most}: create it \
                             with a `max_error`"
                        )));
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns what the checks of an append need to know.
    pub(crate) fn frames(&self) -> Frames<'_> {
        Frames { extent: self.extent, has_persons: self.has_persons, layout: &self.layout }
    }
}

/// Encodes a chunk as its session wants it at rest; what JSON doesn't hold, as columns.
pub(crate) fn at_rest(
    chunk: &Chunk,
    encoding: &Encoding,
    skeleton: Option<&Skeleton>,
) -> Result<EncodedChunk, CodecError> {
    match encode_at_rest(chunk, encoding, skeleton) {
        Err(CodecError::NotJson { .. }) => encode(chunk, Codec::Columnar),
        encoded => encoded,
    }
}

impl Encoded {
    pub(crate) fn of(chunk: &Chunk, encoded: EncodedChunk) -> Result<Self, StoreError> {
        let extent =
            ChunkExtent::of(chunk).ok_or_else(|| bad("the encoded chunk has no frame".to_owned()))?;
        let header = peek(&encoded.header).map_err(|error| bad(error.to_string()))?;
        Ok(Self { chunk: encoded, header, extent })
    }

    pub(crate) fn decode(&self) -> Result<Chunk, StoreError> {
        decode(&self.chunk.header, &self.chunk.payload).map_err(|error| bad(error.to_string()))
    }

    pub(crate) fn bytes(&self) -> usize {
        self.chunk.header.len() + self.chunk.payload.len()
    }

    /// Returns whether no compaction has anything to do with it.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.header.codec != Codec::Raw
    }
}

#[cfg(test)]
mod tests {
    use posesession_core::{PoseData, SyntheticPose, Timestamp};

    use super::*;

    fn frames(skeleton: &Skeleton, first: u64, end: u64) -> Chunk {
        let source = SyntheticPose::new(skeleton, 30.0);
        let mut chunk = Chunk::new(first, skeleton.layout());
        for n in first..end {
            let (timestamp, pose) = source.frame(n);
            chunk.push(timestamp, &pose).unwrap();
        }
        chunk
    }

    fn run(skeleton: &Skeleton, first: u64, end: u64) -> EncodedRun {
        EncodedRun::encode(&frames(skeleton, first, end), &Encoding::Columnar, None).unwrap()
    }

    #[test]
    fn bytes_that_are_no_chunk_are_refused() {
        let hand = Skeleton::preset("hand_21").unwrap();
        let good = encode(&frames(&hand, 0, 16), Codec::Columnar).unwrap();
        let mut flipped = good.clone();
        *flipped.payload.last_mut().unwrap() ^= 1;
        let mut short = good.clone();
        short.payload.pop();
        let empty = encode(&Chunk::new(0, hand.layout()), Codec::Raw).unwrap();
        let nothing = EncodedChunk { header: Vec::new(), payload: Vec::new() };
        for broken in [flipped, short, empty, nothing] {
            let refused = EncodedRun::check(broken);
            assert!(matches!(refused, Err(StoreError::BadArgument { .. })), "{refused:?}");
        }
        assert_eq!(EncodedRun::check(good).unwrap().extent().end_frame(), 16);
    }

    #[test]
    fn only_what_follows_is_joined() {
        let [hand, body] = ["hand_21", "mediapipe_33"].map(|name| Skeleton::preset(name).unwrap());
        let mut joined = run(&hand, 0, 16);
        let mut late = Chunk::new(16, hand.layout());
        late.push(Timestamp::ZERO, &PoseData::nobody()).unwrap();
        let late = EncodedRun::encode(&late, &Encoding::Columnar, None).unwrap();
        for (next, why) in [
            (run(&hand, 17, 20), "should start at frame 16 and starts at 17"),
            (run(&hand, 15, 20), "should start at frame 16 and starts at 15"),
            (late, "timestamps must increase"),
            (run(&body, 16, 20), "132 entries where 84 belong"),
        ] {
            let refused = joined.join(next).unwrap_err().to_string();
            assert!(refused.contains(why), "{refused}");
        }
        joined.join(run(&hand, 16, 40)).unwrap();
        assert_eq!((joined.extent().first_frame, joined.extent().end_frame()), (0, 40));
        assert_eq!(joined.chunks().count(), 2);
    }
}
