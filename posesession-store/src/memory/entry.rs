//! One session in memory: its facts, chunks and markers. Batches in, chunks out.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use posesession_core::{
    Batch, Chunk, ChunkExtent, ChunkIndex, ChunkQuery, EncodedChunk, Encoding, Marker, SessionRecording,
    Skeleton,
};

use crate::checks::{self, AppendPlan, AppendState, Frames, bad};
use crate::compaction;
use crate::encoded_run::EncodedRun;
use crate::error::StoreError;
use crate::query::{Appended, Compacted, PublisherProgress, Term};

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: u32,
    pub(super) recording: SessionRecording,
    pub(super) deleted_at: Option<DateTime<Utc>>,
    pub(super) term: Term,
    pub(super) progress: PublisherProgress,
    pub(super) recoding: Option<Encoding>,
    pub(super) chunks: Vec<Kept>,
    pub(super) index: ChunkIndex,
    pub(super) markers: Vec<Marker>,
}

#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) chunk: Arc<Chunk>,
    pub(super) compacted: bool,
    /// The bytes of a chunk that came encoded.
    pub(super) encoded: Option<Arc<EncodedChunk>>,
}

impl Entry {
    pub(super) fn append(&mut self, term: Term, batch: &Batch) -> Result<Appended, StoreError> {
        let frames = batch.chunk.as_ref().and_then(Frames::of);
        let plan = self.plan(term, frames.as_ref(), batch.skeleton.as_ref())?;
        match (&plan, &batch.chunk) {
            (AppendPlan::Again, Some(chunk)) => self.compare(chunk)?,
            (AppendPlan::Next, Some(chunk)) => self.push(chunk)?,
            _ => {}
        }
        if plan != AppendPlan::Again {
            let new = batch.markers.iter().filter(|marker| !self.markers.contains(marker));
            let new: Vec<_> = new.cloned().collect();
            new.into_iter().for_each(|marker| self.add_marker(marker));
            self.progress.settled_through = batch.settled_through.or(self.progress.settled_through);
            if let Some(skeleton) = &batch.skeleton {
                self.recording.skeleton = Some(skeleton.clone());
            }
        }
        Ok(self.appended(&plan))
    }

    pub(super) fn append_encoded(
        &mut self,
        term: Term,
        run: &EncodedRun,
        decoded: &[Chunk],
    ) -> Result<Appended, StoreError> {
        let plan = self.plan(term, Some(&run.frames()), None)?;
        run.check_exactness(&self.recording)?;
        for (encoded, chunk) in run.encoded().iter().zip(decoded) {
            if plan == AppendPlan::Again {
                self.compare(chunk)?;
                continue;
            }
            let all_are_compacted = self.chunks.last().is_none_or(|kept| kept.compacted);
            self.push(chunk)?;
            if let Some(last) = self.chunks.last_mut() {
                last.encoded = Some(Arc::new(encoded.chunk.clone()));
                last.compacted = all_are_compacted && encoded.is_at_rest();
            }
        }
        Ok(self.appended(&plan))
    }

    fn plan(
        &self,
        term: Term,
        frames: Option<&Frames<'_>>,
        declared: Option<&Skeleton>,
    ) -> Result<AppendPlan, StoreError> {
        let recording = &self.recording;
        let state = AppendState {
            id: recording.id,
            status: recording.status,
            term: self.term,
            frame_count: recording.frame_count,
            last_timestamp: recording.duration,
            layout: recording.skeleton.as_ref().map(Skeleton::layout),
            has_another_skeleton: declared
                .zip(recording.skeleton.as_ref())
                .is_some_and(|(declared, own)| declared != own),
            max_error: recording.encoding.max_error().cloned(),
        };
        checks::append(&state, term, frames, declared)
    }

    fn appended(&self, plan: &AppendPlan) -> Appended {
        Appended {
            frame_count: self.recording.frame_count,
            stored_bytes: self.recording.stored_bytes,
            already_stored: *plan == AppendPlan::Again,
        }
    }

    fn compare(&self, sent: &Chunk) -> Result<(), StoreError> {
        let first = self.index.covering(ChunkQuery::Frame(sent.first_frame())).unwrap_or(0);
        let overlapping =
            self.chunks[first..].iter().take_while(|kept| kept.chunk.first_frame() < sent.end_frame());
        for kept in overlapping.filter(|kept| !kept.compacted) {
            if !checks::agree(&kept.chunk, sent) {
                let (id, first_frame) = (self.recording.id, sent.first_frame());
                return Err(StoreError::Conflict { id, first_frame });
            }
        }
        Ok(())
    }

    pub(super) fn covering(&self, query: ChunkQuery) -> Result<(Kept, ChunkExtent), StoreError> {
        let (id, frame_count) = (self.recording.id, self.recording.frame_count);
        let place = self.index.covering(query).ok_or(StoreError::NoSuchFrame { id, frame_count })?;
        Ok((self.chunks[place].clone(), self.index.extents()[place]))
    }

    fn push(&mut self, chunk: &Chunk) -> Result<(), StoreError> {
        let extent = ChunkExtent::of(chunk).ok_or_else(|| bad("the chunk has no frame".to_owned()))?;
        self.index.push(extent).map_err(|error| bad(error.to_string()))?;
        self.recording.frame_count = self.index.frame_count();
        self.recording.duration = self.index.duration();
        self.recording.stored_bytes += chunk.memory_bytes() as u64;
        self.chunks.push(Kept { chunk: Arc::new(chunk.clone()), compacted: false, encoded: None });
        Ok(())
    }

    pub(super) fn replace(&mut self, old: &Chunk, chunk: Chunk, encoded: &EncodedChunk) -> bool {
        let place = self.index.covering(ChunkQuery::Frame(chunk.first_frame()));
        let Some(kept) = place.map(|place| &mut self.chunks[place]).filter(|kept| *kept.chunk == *old) else {
            return false;
        };
        let (before, after) = (kept.chunk.memory_bytes() as u64, chunk.memory_bytes() as u64);
        kept.chunk = Arc::new(chunk);
        kept.encoded = Some(Arc::new(encoded.clone()));
        self.recording.stored_bytes = self.recording.stored_bytes - before + after;
        true
    }

    fn add_marker(&mut self, marker: Marker) {
        if !self.markers.contains(&marker) {
            let place = self.markers.partition_point(|m| m.timestamp <= marker.timestamp);
            self.markers.insert(place, marker);
        }
    }

    pub(super) fn compact(&mut self, remainder: bool) -> Result<Compacted, StoreError> {
        let start = self.chunks.partition_point(|kept| kept.compacted);
        let sizes: Vec<_> = self.chunks[start..]
            .iter()
            .map(|kept| compaction::Size {
                frames: kept.chunk.frame_count() as u64,
                bytes: kept.chunk.memory_bytes() as u64,
                // Nothing is rounded here.
                is_bounded: false,
            })
            .collect();
        let mut long = Vec::new();
        let mut rest = &self.chunks[start..];
        for count in compaction::groups(&sizes, remainder) {
            let (short, after) = rest.split_at(count);
            let short: Vec<_> = short.iter().map(|kept| kept.chunk.as_ref().clone()).collect();
            let chunk = Chunk::concat(&short).map_err(|error| StoreError::Corrupt {
                id: self.recording.id,
                what: format!("the chunks from frame {} can't be joined: {error}", short[0].first_frame()),
            })?;
            long.push(Kept { chunk: Arc::new(chunk), compacted: true, encoded: None });
            rest = after;
        }
        let before = self.chunks.len() - start - rest.len();
        let compacted = Compacted { chunks_before: before as u64, chunks_after: long.len() as u64 };
        self.chunks.splice(start..start + before, long);
        let extents = self.chunks.iter().filter_map(|kept| ChunkExtent::of(&kept.chunk)).collect();
        self.index = ChunkIndex::from_extents(extents)
            .map_err(|error| StoreError::Corrupt { id: self.recording.id, what: error.to_string() })?;
        self.recording.stored_bytes = self.chunks.iter().map(|kept| kept.chunk.memory_bytes() as u64).sum();
        Ok(compacted)
    }
}
