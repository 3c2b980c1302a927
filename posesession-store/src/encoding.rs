//! Batches in, the bytes that rows hold out, and back: what the SQL stores share.

use posesession_core::{
    Batch, Chunk, ChunkExtent, Codec, EncodedChunk, Marker, SessionId, Skeleton, decode, encode, verify,
};

use crate::checks::bad;
use crate::encoded_run::EncodedRun;
use crate::error::StoreError;
use crate::query::{EncodedStoredChunk, StoredChunk};

/// From how many values on a chunk is encoded away from the async threads, for which it is copied. A recorder's chunks have fewer:
/// the largest are encoded in a quarter of a millisecond.
pub(crate) const LARGE_CHUNK_VALUES: usize = 1 << 20;

/// A batch as a writer takes it: encoded, without its images.
pub(crate) struct EncodedBatch {
    pub(crate) run: Option<EncodedRun>,
    pub(crate) markers: Vec<Marker>,
    pub(crate) skeleton: Option<Skeleton>,
    pub(crate) settled_through: Option<u64>,
}

impl EncodedBatch {
    /// Encodes a batch's chunk, if it has frames.
    pub(crate) fn of(batch: &Batch) -> Result<Self, StoreError> {
        let raw = |chunk: &Chunk| {
            let unfit = |error| bad(format!("the chunk can't be stored: {error}"));
            EncodedRun::of(chunk, encode(chunk, Codec::Raw).map_err(unfit)?)
        };
        Ok(Self {
            run: batch.chunk.as_ref().filter(|chunk| !chunk.is_empty()).map(raw).transpose()?,
            markers: batch.markers.clone(),
            skeleton: batch.skeleton.clone(),
            settled_through: batch.settled_through,
        })
    }

    /// Makes a batch of frames that come encoded.
    pub(crate) fn of_encoded(run: EncodedRun) -> Self {
        Self { run: Some(run), markers: Vec::new(), skeleton: None, settled_through: None }
    }

    /// Returns about how many bytes are to be written.
    pub(crate) fn bytes(&self) -> usize {
        self.run.as_ref().map_or(0, EncodedRun::bytes) + 1_000
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
