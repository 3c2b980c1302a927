//! posesession's own store, by its public API.

use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;

use posesession::core::{Chunk, ChunkColumns, ChunkIndex, Encoding, SessionId, Skeleton, Timestamp, decode};
use posesession::store::{BulkAppend, COMPACT_FRAMES};
use posesession::{
    ChunkQuery, NewSession, Place, SessionStatus, SessionStore, SqliteStore, export_session_file,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::{Format, Opened};
use crate::Outcome;
use crate::frames::{Frames, INTERVAL_MICROS, max_error};
use crate::parallel::{fill, ranges};

/// Whoever opens a session knows which.
const SESSION: SessionId = SessionId(Uuid::from_u128(0x019a_0000_0000_7000_8000_0000_0000_0000));
/// As many as a recording's chunks have once they are compacted.
const CHUNK_FRAMES: usize = COMPACT_FRAMES as usize;
/// About how many frames a thread reads at once.
const PART_FRAMES: usize = 8 * CHUNK_FRAMES;

/// The library's async methods, called from threads.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().expect("threads can be started"))
}

pub struct Posesession {
    is_bounded: bool,
}

impl Posesession {
    pub fn lossless() -> Self {
        Self { is_bounded: false }
    }

    pub fn bounded() -> Self {
        Self { is_bounded: true }
    }

    fn encoding(&self) -> Encoding {
        if self.is_bounded { Encoding::Bounded { max_error: max_error() } } else { Encoding::Columnar }
    }
}

/// Makes a chunk of some frames as they are.
fn chunk_of(frames: &Frames, range: Range<usize>) -> Outcome<Chunk> {
    let width = frames.width();
    Ok(Chunk::from_columns(ChunkColumns {
        first_frame: range.start as u64,
        layout: frames.skeleton.layout(),
        timestamps: frames.timestamps[range.clone()]
            .iter()
            .map(|&time| Timestamp::from_micros(time))
            .collect(),
        person_counts: vec![1; range.len()],
        track_ids: vec![0; range.len()],
        values: frames.values[range.start * width..range.end * width].to_vec(),
        images: Vec::new(),
    })?)
}

/// Makes a chunk of some frames as if they were those from `first_frame` on.
pub fn chunk_from(frames: &Frames, range: Range<usize>, first_frame: u64) -> Outcome<Chunk> {
    let chunk = chunk_of(frames, range.clone())?;
    let numbers = first_frame..first_frame + range.len() as u64;
    Ok(Chunk::from_columns(ChunkColumns {
        first_frame,
        layout: chunk.layout().clone(),
        timestamps: numbers.map(|n| Timestamp::from_micros(n as i64 * INTERVAL_MICROS)).collect(),
        person_counts: chunk.person_counts().to_vec(),
        track_ids: chunk.track_ids().to_vec(),
        values: chunk.values().to_vec(),
        images: Vec::new(),
    })?)
}

impl Format for Posesession {
    fn name(&self) -> &'static str {
        if self.is_bounded { "posesession, bounded" } else { "posesession, lossless" }
    }

    fn write(&self, path: &Path, frames: &Frames) -> Outcome<()> {
        runtime().block_on(async {
            let store = SqliteStore::open(path).await?;
            let skeleton = Some(frames.skeleton.clone());
            let encoding = self.encoding();
            let new = NewSession { id: SESSION, skeleton, encoding, ..NewSession::named("bench") };
            let session = store.create_session(new.clone()).await?;
            let term = store.begin_term(session.id).await?;
            let mut bulk = BulkAppend::new(&store, session.id, term, new.encoding, new.skeleton);
            for range in ranges(frames.len(), CHUNK_FRAMES) {
                bulk.push(chunk_of(frames, range)?).await?;
            }
            bulk.finish().await?;
            store.finish(session.id, term, SessionStatus::Completed).await?;
            store.close().await;
            Ok(())
        })
    }

    /// A session file: a store of one session, without what a store needs to grow fast.
    fn hand_on(&self, path: &Path, frames: &Frames) -> Outcome<()> {
        let folder = TempDir::new()?;
        let store = folder.path().join("store.db");
        self.write(&store, frames)?;
        runtime().block_on(async {
            let store = SqliteStore::open(&store).await?;
            let from = Place { sessions: &store, media: None };
            Ok(export_session_file(from, SESSION, path, &mut |_| {}).await?)
        })
    }

    fn read(&self, path: &Path, skeleton: &Skeleton) -> Outcome<(Vec<i64>, Vec<f32>)> {
        let wait = runtime().handle();
        let (store, id) = (wait.block_on(SqliteStore::open_read_only(path))?, SESSION);
        let index = wait.block_on(store.chunk_index(id))?;
        let read = fill(parts(&index)?, skeleton.values_per_person(), |part| {
            let frames = part.frames.start as u64..part.frames.end as u64;
            let (mut times, mut values) = (&mut part.timestamps[..], &mut part.values[..]);
            for stored in wait.block_on(store.encoded_chunks(id, frames))? {
                let chunk = decode(&stored.chunk.header, &stored.chunk.payload)?;
                let (into, rest) = times.split_at_mut(chunk.frame_count());
                into.iter_mut().zip(chunk.timestamps()).for_each(|(into, time)| *into = time.as_micros());
                times = rest;
                let (into, rest) = values.split_at_mut(chunk.values().len());
                into.copy_from_slice(chunk.values());
                values = rest;
            }
            if times.is_empty() { Ok(()) } else { Err("there are too few frames".into()) }
        });
        wait.block_on(store.close());
        read
    }

    fn open(&self, path: &Path, _skeleton: &Skeleton) -> Outcome<Box<dyn Opened>> {
        let store = runtime().block_on(SqliteStore::open_read_only(path))?;
        Ok(Box::new(OpenedStore { store }))
    }

    fn is_bounded(&self) -> bool {
        self.is_bounded
    }
}

struct OpenedStore {
    store: SqliteStore,
}

/// Cuts a session at borders of chunks.
fn parts(index: &ChunkIndex) -> Outcome<Vec<Range<usize>>> {
    let mut parts = Vec::new();
    let mut start = 0;
    for extent in index.extents() {
        let end = usize::try_from(extent.end_frame())?;
        if end - start >= PART_FRAMES || extent.end_frame() == index.frame_count() {
            parts.push(start..end);
            start = end;
        }
    }
    Ok(parts)
}

impl Opened for OpenedStore {
    fn frame(&mut self, n: usize) -> Outcome<Vec<f32>> {
        let query = ChunkQuery::Frame(n as u64);
        let chunk = runtime().block_on(self.store.covering_chunk(SESSION, query))?.chunk;
        let (_, values) = chunk.persons(n as u64).next().ok_or("nobody is there")?;
        Ok(values.to_vec())
    }
}
