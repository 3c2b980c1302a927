//! The frames of a session, one after the other. Chunks in, `SessionFrame`s out.

use std::sync::Arc;

use posesession_core::{
    Chunk, ChunkQuery, Frame, PoseJson, SessionId, SessionRecording, Skeleton, Timestamp,
};
use serde::Serialize;

use crate::chunk_cache::ChunkCache;
use crate::error::StoreError;
use crate::store::SessionStore;

/// Walks over a session's frames, holding one chunk at a time.
#[derive(Debug)]
pub struct FrameWalk {
    source: Source,
    session: SessionId,
    key: u32,
    skeleton: Skeleton,
    chunk: Option<Arc<Chunk>>,
    next: u64,
    end: u64,
}

/// Where a walk's chunks come from.
#[derive(Debug)]
enum Source {
    Store(Arc<dyn SessionStore>),
    Cache(ChunkCache),
}

impl Source {
    fn store(&self) -> &dyn SessionStore {
        match self {
            Self::Store(store) => &**store,
            Self::Cache(cache) => &**cache.store(),
        }
    }

    async fn covering_chunk(&self, id: SessionId, query: ChunkQuery) -> Result<Arc<Chunk>, StoreError> {
        match self {
            Self::Store(store) => store.covering_chunk(id, query).await.map(|stored| Arc::new(stored.chunk)),
            Self::Cache(cache) => cache.covering_chunk(id, query).await,
        }
    }
}

/// One frame as JSON has it.
#[derive(Debug, Serialize)]
pub struct SessionFrame<'a> {
    id: u64,
    session_id: SessionId,
    timestamp: Timestamp,
    frame_number: u64,
    pose_data: PoseJson<'a>,
    image_path: Option<String>,
}

impl FrameWalk {
    /// Starts at frame `from`, to end before frame `to` or the last that is stored now.
    ///
    /// # Errors
    ///
    /// [`StoreError::SessionNotFound`].
    pub async fn start(
        store: Arc<dyn SessionStore>,
        session: &SessionRecording,
        from: u64,
        to: u64,
    ) -> Result<Self, StoreError> {
        Self::over(Source::Store(store), session, from, to).await
    }

    /// Starts like [`FrameWalk::start`], with the chunks that a cache has, and leaving there what it reads: for a look at a few
    /// frames. A walk over many would drive out what others need.
    ///
    /// # Errors
    ///
    /// [`StoreError::SessionNotFound`].
    pub async fn start_cached(
        cache: &ChunkCache,
        session: &SessionRecording,
        from: u64,
        to: u64,
    ) -> Result<Self, StoreError> {
        Self::over(Source::Cache(cache.clone()), session, from, to).await
    }

    async fn over(
        source: Source,
        session: &SessionRecording,
        from: u64,
        to: u64,
    ) -> Result<Self, StoreError> {
        let key = source.store().session_key(session.id).await?;
        Ok(Self {
            source,
            session: session.id,
            key,
            skeleton: session.skeleton.clone().unwrap_or_else(no_keypoints),
            chunk: None,
            next: from,
            end: to.min(session.frame_count),
        })
    }

    /// Returns the number of the frame that comes next, or nothing at the end.
    #[must_use]
    pub fn upcoming(&self) -> Option<u64> {
        (self.next < self.end).then_some(self.next)
    }

    /// Returns the next frame, or nothing at the end.
    ///
    /// # Errors
    ///
    /// [`StoreError`], if the session has been erased meanwhile or is damaged.
    pub async fn next(&mut self) -> Result<Option<Frame>, StoreError> {
        let Some(number) = self.upcoming() else { return Ok(None) };
        let in_hand = self.chunk.as_ref().and_then(|chunk| chunk.frame(number));
        let frame = match in_hand {
            Some(frame) => frame,
            None => self.fetch(number).await?,
        };
        self.next += 1;
        Ok(Some(frame))
    }

    async fn fetch(&mut self, number: u64) -> Result<Frame, StoreError> {
        let chunk = self.source.covering_chunk(self.session, ChunkQuery::Frame(number)).await?;
        // The skeleton may have become known since the walk began: a live session, the first person seen.
        let known = self.skeleton.values_per_person() == chunk.layout().values_per_person();
        if !known && !chunk.values().is_empty() {
            let session = self.source.store().read_session(self.session).await?;
            self.skeleton = session.skeleton.unwrap_or_else(no_keypoints);
        }
        let frame = chunk.frame(number);
        self.chunk = Some(chunk);
        frame.ok_or(StoreError::NoSuchFrame { id: self.session, frame_count: self.end })
    }

    /// Returns the keypoints of the frames so far; without any until somebody is seen.
    #[must_use]
    pub fn skeleton(&self) -> &Skeleton {
        &self.skeleton
    }

    /// Returns a frame of this session as JSON has it.
    #[must_use]
    pub fn json<'a>(&'a self, frame: &'a Frame) -> SessionFrame<'a> {
        SessionFrame {
            id: (u64::from(self.key) << 32) + frame.frame_number,
            session_id: self.session,
            timestamp: frame.timestamp,
            frame_number: frame.frame_number,
            pose_data: PoseJson::new(&frame.pose_data, &self.skeleton),
            image_path: frame.image.as_ref().map(ToString::to_string),
        }
    }
}

/// The skeleton of a session in which nobody has been seen.
fn no_keypoints() -> Skeleton {
    Skeleton { name: String::new(), components: Vec::new() }
}
