//! Batches in, the bytes that rows hold out, and back: what the SQL stores share.

use posesession_core::{
    Batch, Chunk, ChunkExtent, ChunkHeader, Codec, CodecError, EncodedChunk, Marker, SessionId,
    SessionRecording, Skeleton, decode, encode, encode_at_rest, peek, verify,
};

use crate::checks::{self, Frames, bad};
use crate::error::StoreError;
use crate::query::{EncodedStoredChunk, StoredChunk};

/// From how many values on a chunk is encoded away from the async threads.
pub(crate) const LARGE_CHUNK_VALUES: usize = 1 << 16;

/// A batch as a writer takes it: encoded, without its images.
pub(crate) struct EncodedBatch {
    pub(crate) chunk: Option<Encoded>,
    pub(crate) markers: Vec<Marker>,
    pub(crate) skeleton: Option<Skeleton>,
    pub(crate) settled_through: Option<u64>,
}

/// An encoded chunk that is known to be right, and has a frame.
pub(crate) struct Encoded {
    pub(crate) chunk: EncodedChunk,
    pub(crate) header: ChunkHeader,
    pub(crate) extent: ChunkExtent,
}

impl EncodedBatch {
    /// Encodes a batch's chunk, if it has frames.
    pub(crate) fn of(batch: &Batch) -> Result<Self, StoreError> {
        let chunk = batch.chunk.as_ref().and_then(|chunk| Some((chunk, ChunkExtent::of(chunk)?)));
        let chunk = chunk.map(|(chunk, extent)| {
            let unfit = |error| bad(format!("the chunk can't be stored: {error}"));
            let chunk = encode(chunk, Codec::Raw).map_err(unfit)?;
            let header = peek(&chunk.header).map_err(unfit)?;
            Ok::<_, StoreError>(Encoded { chunk, header, extent })
        });
        Ok(Self {
            chunk: chunk.transpose()?,
            markers: batch.markers.clone(),
            skeleton: batch.skeleton.clone(),
            settled_through: batch.settled_through,
        })
    }

    /// Makes a batch of a chunk that comes encoded, if it decodes.
    pub(crate) fn of_encoded(chunk: EncodedChunk) -> Result<Self, StoreError> {
        let extent = ChunkExtent::of(&checks::encoded(&chunk)?);
        let extent = extent.ok_or_else(|| bad("the encoded chunk has no frame".to_owned()))?;
        let header = peek(&chunk.header).map_err(|error| bad(error.to_string()))?;
        let chunk = Some(Encoded { chunk, header, extent });
        Ok(Self { chunk, markers: Vec::new(), skeleton: None, settled_through: None })
    }

    /// Returns about how many bytes are to be written.
    pub(crate) fn bytes(&self) -> usize {
        self.chunk.as_ref().map_or(0, |encoded| encoded.chunk.payload.len()) + 1_000
    }
}

impl Encoded {
    /// Returns what the checks of an append need to know.
    pub(crate) fn frames(&self) -> Frames<'_> {
        Frames { extent: self.extent, has_persons: self.header.row_count > 0, layout: &self.header.layout }
    }
}

/// Encodes a chunk as its session wants it at rest; what JSON doesn't hold, as columns.
pub(crate) fn at_rest(chunk: &Chunk, session: &SessionRecording) -> Result<EncodedChunk, CodecError> {
    match encode_at_rest(chunk, &session.encoding, session.skeleton.as_ref()) {
        Err(CodecError::NotJson { .. }) => encode(chunk, Codec::Columnar),
        encoded => encoded,
    }
}

/// A chunk as it lies in the database.
pub(crate) struct Found {
    pub(crate) id: SessionId,
    pub(crate) extent: ChunkExtent,
    pub(crate) header: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

impl Found {
    /// Decodes the chunk, away from the database.
    pub(crate) fn decode(&self) -> Result<StoredChunk, StoreError> {
        let chunk = decode_stored(self.id, self.extent.first_frame, &self.header, &self.payload)?;
        self.check_extent(ChunkExtent::of(&chunk))?;
        Ok(StoredChunk { chunk, extent: self.extent })
    }

    /// Checks the chunk's bytes, without decoding them.
    pub(crate) fn verify(self) -> Result<EncodedStoredChunk, StoreError> {
        let header = verify(&self.header, &self.payload)
            .map_err(|error| damaged(self.id, self.extent.first_frame, &error.to_string()))?;
        self.check_extent(header.extent())?;
        let chunk = EncodedChunk { header: self.header, payload: self.payload };
        Ok(EncodedStoredChunk { chunk, extent: self.extent })
    }

    fn check_extent(&self, extent: Option<ChunkExtent>) -> Result<(), StoreError> {
        if extent == Some(self.extent) {
            return Ok(());
        }
        Err(damaged(self.id, self.extent.first_frame, "it is not what its row says"))
    }
}

pub(crate) fn decode_stored(
    id: SessionId,
    first_frame: u64,
    header: &[u8],
    payload: &[u8],
) -> Result<Chunk, StoreError> {
    decode(header, payload).map_err(|error| damaged(id, first_frame, &error.to_string()))
}

fn damaged(id: SessionId, first_frame: u64, why: &str) -> StoreError {
    StoreError::Corrupt { id, what: format!("the chunk from frame {first_frame}: {why}") }
}
