//! Many frames at once, through real SQLite.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use posesession_core::{Chunk, ChunkQuery, Encoding, MaxError, SessionId, Skeleton, SyntheticPose};
use posesession_store::{BulkAppend, NewSession, SessionStore, SqliteStore, StoreError, Term};
use tempfile::TempDir;

const FRAMES: u64 = 20_000;
const CHUNKS: u64 = 80;
const CHUNK_FRAMES: u64 = FRAMES / CHUNKS;

struct Bench {
    _folder: TempDir,
    store: SqliteStore,
    skeleton: Skeleton,
    id: SessionId,
    term: Term,
}

async fn start() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("posesession.db")).await.unwrap();
    let skeleton = Skeleton::preset("mediapipe_33").unwrap();
    let new = NewSession { skeleton: Some(skeleton.clone()), ..NewSession::named("A long walk") };
    let id = store.create_session(new).await.unwrap().id;
    let term = store.begin_term(id).await.unwrap();
    Bench { _folder: folder, store, skeleton, id, term }
}

impl Bench {
    fn chunk(&self, first: u64) -> Chunk {
        let source = SyntheticPose::new(&self.skeleton, 30.0);
        let mut chunk = Chunk::new(first, self.skeleton.layout());
        for n in first..first + CHUNK_FRAMES {
            let (timestamp, pose) = source.frame(n);
            chunk.push(timestamp, &pose).unwrap();
        }
        chunk
    }

    fn bulk(&self, encoding: Encoding) -> BulkAppend<'_> {
        BulkAppend::new(&self.store, self.id, self.term, encoding, Some(self.skeleton.clone()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_frames_are_there_in_order_after_few_commits() {
    let bench = start().await;
    let commits = bench.store.commit_count();
    let mut bulk = bench.bulk(Encoding::Columnar);
    for n in 0..CHUNKS {
        bulk.push(bench.chunk(n * CHUNK_FRAMES)).await.unwrap();
    }
    bulk.finish().await.unwrap();
    let commits = bench.store.commit_count() - commits;
    assert!(commits * 10 <= CHUNKS, "{commits} commits for {CHUNKS} chunks");
    assert_eq!(bench.store.read_session(bench.id).await.unwrap().frame_count, FRAMES);
    for first in (0..CHUNKS).map(|n| n * CHUNK_FRAMES) {
        let stored = bench.store.covering_chunk(bench.id, ChunkQuery::Frame(first)).await.unwrap();
        assert_eq!(stored.chunk, bench.chunk(first));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_that_is_not_for_the_skeleton_is_told_at_the_latest_when_it_ends() {
    let max_error = MaxError::new([("elevation", 0.1)]).unwrap();
    let encoding = Encoding::Bounded { max_error };
    let bench = start().await;
    let mut bulk = bench.bulk(encoding);
    let told = match bulk.push(bench.chunk(0)).await {
        Ok(()) => bulk.finish().await,
        refused => refused,
    };
    assert!(matches!(&told, Err(StoreError::BadArgument { what }) if what.contains("elevation")), "{told:?}");
    assert_eq!(bench.store.read_session(bench.id).await.unwrap().frame_count, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_is_fenced_off_is_told() {
    let bench = start().await;
    let mut bulk = bench.bulk(Encoding::Columnar);
    bench.store.begin_term(bench.id).await.unwrap();
    bulk.push(bench.chunk(0)).await.unwrap();
    assert!(matches!(bulk.finish().await, Err(StoreError::Fenced { .. })));
    assert_eq!(bench.store.read_session(bench.id).await.unwrap().frame_count, 0);
}
