//! The chunk cache over a real SQLite file: what it reads, what it shares, what it forgets.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use futures::FutureExt as _;
use futures::future::join_all;
use posesession_core::{
    Batch, Chunk, ChunkQuery, Frame, SessionId, SessionStatus, Skeleton, SyntheticPose, Timestamp,
};
use posesession_store::{
    COMPACT_FRAMES, ChunkCache, NewSession, SessionStore, SqliteStore, StoreError, Term,
};
use tempfile::TempDir;
use watched_store::WatchedStore;

const FRAMES: u64 = 4 * COMPACT_FRAMES;

struct House {
    store: Arc<WatchedStore>,
    cache: ChunkCache,
    _folder: TempDir,
}

impl House {
    async fn new() -> Self {
        Self::with_bytes(ChunkCache::DEFAULT_BYTES).await
    }

    async fn with_bytes(max_bytes: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = SqliteStore::open(folder.path().join("posesession.db")).await.unwrap();
        let store = Arc::new(WatchedStore::new(Arc::new(sqlite)));
        Self { cache: ChunkCache::new(store.clone(), max_bytes), store, _folder: folder }
    }

    /// Stores a completed session of `FRAMES` frames, in long chunks.
    async fn session(&self) -> SessionId {
        let (id, term) = self.live_session(FRAMES).await;
        self.store.finish(id, term, SessionStatus::Completed).await.unwrap();
        id
    }

    /// Stores a session of short chunks.
    async fn live_session(&self, frames: u64) -> (SessionId, Term) {
        let id = self.store.create_session(NewSession::named("squats")).await.unwrap().id;
        let term = self.store.begin_term(id).await.unwrap();
        for first in (0..frames).step_by(8) {
            self.append(id, term, first).await;
        }
        (id, term)
    }

    async fn append(&self, id: SessionId, term: Term, first: u64) {
        let skeleton = Skeleton::preset("coco_17").unwrap();
        let mut chunk = Chunk::new(first, skeleton.layout());
        for n in first..first + 8 {
            let frame = frame(n);
            chunk.push(frame.timestamp, &frame.pose_data).unwrap();
        }
        let batch = Batch { chunk: Some(chunk), skeleton: Some(skeleton), ..Batch::default() };
        self.store.append(id, term, &batch).await.unwrap();
    }

    async fn frame_of(&self, id: SessionId, n: u64) -> Frame {
        self.cache.covering_chunk(id, ChunkQuery::Frame(n)).await.unwrap().frame(n).unwrap()
    }
}

fn frame(n: u64) -> Frame {
    let (timestamp, pose_data) = SyntheticPose::new(&Skeleton::preset("coco_17").unwrap(), 25.0).frame(n);
    Frame { frame_number: n, timestamp, pose_data, image: None }
}

/// Returns the room that one long chunk takes.
async fn bytes_of_one() -> usize {
    let house = House::new().await;
    house.frame_of(house.session().await, 0).await;
    house.cache.stats().bytes
}

#[tokio::test]
async fn a_chunk_is_read_once_whichever_frame_or_moment_of_it_is_asked_for() {
    let house = House::new().await;
    let id = house.session().await;
    for n in (0..FRAMES).step_by(7) {
        let asked = house.store.covering_chunk(id, ChunkQuery::Frame(n)).await.unwrap().chunk;
        house.store.take_reads();
        let by_frame = house.cache.covering_chunk(id, ChunkQuery::Frame(n)).await.unwrap();
        assert_eq!(*by_frame, asked);
        // Behind the last frame of a chunk, only the store can tell.
        let is_last = n == asked.last_frame();
        let moment = frame(n).timestamp.plus_micros(if is_last { 0 } else { 39_999 });
        let by_time = house.cache.covering_chunk(id, ChunkQuery::Time(moment)).await.unwrap();
        assert!(by_time.frame(n).is_some());
        let read = house.store.take_chunks_read();
        assert!(read.is_empty() || read == [asked.first_frame()], "{read:?}");
    }
    let stats = house.cache.stats();
    assert_eq!((stats.misses, stats.chunks as u64), (4, FRAMES / COMPACT_FRAMES));
}

#[tokio::test]
async fn those_who_ask_for_the_same_at_once_share_one_read() {
    let house = House::new().await;
    let id = house.session().await;
    let ask = || house.cache.covering_chunk(id, ChunkQuery::Frame(300));
    let answers = join_all((0..32).map(|_| ask())).await;
    let first = answers[0].as_ref().unwrap();
    assert!(answers.iter().all(|answer| Arc::ptr_eq(answer.as_ref().unwrap(), first)));
    assert_eq!(house.store.take_chunks_read(), [256]);
    assert_eq!((house.cache.stats().hits, house.cache.stats().misses), (31, 1));
}

#[tokio::test(start_paused = true)]
async fn a_crowd_that_asks_for_different_frames_of_a_chunk_reads_it_a_few_times() {
    let house = House::new().await;
    let id = house.session().await;
    house.store.set_read_time(Duration::from_millis(100));
    let answers = join_all((0..COMPACT_FRAMES).map(|n| house.frame_of(id, n))).await;
    assert_eq!(answers, (0..COMPACT_FRAMES).map(frame).collect::<Vec<_>>());
    assert_eq!(house.store.take_chunks_read(), [0; 8]);
    let stats = house.cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.chunks), (COMPACT_FRAMES - 8, 8, 1));
}

#[tokio::test(start_paused = true)]
async fn who_loses_interest_leaves_the_read_to_the_others() {
    let house = House::new().await;
    let id = house.session().await;
    house.store.set_read_time(Duration::from_millis(100));
    let query = ChunkQuery::Frame(0);
    let mut first = Box::pin(house.cache.covering_chunk(id, query));
    assert!(first.as_mut().now_or_never().is_none());
    let second = house.cache.covering_chunk(id, query);
    drop(first);
    assert_eq!(second.await.unwrap().first_frame(), 0);
    assert_eq!(house.store.take_chunks_read(), [0]);
}

#[tokio::test]
async fn a_failed_read_is_told_to_all_and_not_kept() {
    let house = House::new().await;
    let id = house.session().await;
    house.store.set_broken(true);
    let ask = || house.cache.covering_chunk(id, ChunkQuery::Frame(0));
    for answer in join_all((0..5).map(|_| ask())).await {
        assert!(matches!(answer, Err(StoreError::Backend { retryable: true, .. })), "{answer:?}");
    }
    house.store.set_broken(false);
    assert_eq!(ask().await.unwrap().first_frame(), 0);
    let beyond = house.cache.covering_chunk(id, ChunkQuery::Frame(FRAMES)).await;
    assert!(matches!(beyond, Err(StoreError::NoSuchFrame { frame_count: FRAMES, .. })), "{beyond:?}");
    assert_eq!(house.cache.stats().chunks, 1);
}

#[tokio::test]
async fn a_session_that_goes_on_is_never_answered_from_before() {
    let house = House::new().await;
    let (id, term) = house.live_session(8).await;
    let latest = ChunkQuery::Time(Timestamp::from_secs_f64(3600.0).unwrap());
    for first in (8..2 * COMPACT_FRAMES).step_by(8) {
        let known = house.cache.covering_chunk(id, latest).await.unwrap();
        assert_eq!(known.end_frame(), first);
        house.append(id, term, first).await;
        house.store.compact(id, false).await.unwrap();
        for n in [first - 1, first, first + 7] {
            assert_eq!(house.frame_of(id, n).await, frame(n));
        }
    }
}

#[tokio::test]
async fn chunks_from_before_a_compaction_are_right_and_go_when_the_long_one_comes() {
    let house = House::new().await;
    let (id, _term) = house.live_session(COMPACT_FRAMES).await;
    for n in (0..COMPACT_FRAMES / 2).step_by(8) {
        house.frame_of(id, n).await;
    }
    assert_eq!(house.cache.stats().chunks as u64, COMPACT_FRAMES / 16);
    house.store.compact(id, false).await.unwrap();
    house.store.take_reads();
    for n in 0..COMPACT_FRAMES {
        assert_eq!(house.frame_of(id, n).await, frame(n));
    }
    assert_eq!(house.store.take_chunks_read(), [0]);
    assert_eq!(house.cache.stats().chunks, 1);
}

#[tokio::test]
async fn a_forgotten_session_is_read_anew() {
    let house = House::new().await;
    let (gone, kept) = (house.session().await, house.session().await);
    for id in [gone, kept] {
        house.frame_of(id, 0).await;
    }
    house.store.delete_session(gone, Utc::now()).await.unwrap();
    house.cache.forget(gone);
    let refused = house.cache.covering_chunk(gone, ChunkQuery::Frame(0)).await;
    assert!(matches!(refused, Err(StoreError::SessionNotFound { .. })), "{refused:?}");
    house.store.take_reads();
    assert_eq!(house.frame_of(kept, 0).await, frame(0));
    assert_eq!(house.store.take_chunks_read(), [0_u64; 0], "another session's chunks stay");
}

#[tokio::test(start_paused = true)]
async fn of_a_session_forgotten_while_it_is_read_nothing_is_kept() {
    let house = House::new().await;
    let id = house.session().await;
    house.store.set_read_time(Duration::from_millis(100));
    let mut before = Box::pin(house.cache.covering_chunk(id, ChunkQuery::Frame(0)));
    assert!(before.as_mut().now_or_never().is_none());
    house.cache.forget(id);
    assert_eq!(before.await.unwrap().first_frame(), 0);
    assert_eq!(house.cache.stats().chunks, 0);
    house.frame_of(id, 0).await;
    assert_eq!(house.store.take_chunks_read(), [0, 0]);
    assert_eq!(house.cache.stats().chunks, 1);
}

#[tokio::test]
async fn the_bound_is_kept_whatever_is_read() {
    for most_chunks in [0, 1, 4] {
        let max_bytes = most_chunks * bytes_of_one().await;
        let house = House::with_bytes(max_bytes).await;
        let ids = [house.session().await, house.session().await];
        for step in 0..100_u64 {
            let (id, n) = (ids[usize::try_from(step % 2).unwrap()], step * 389 % FRAMES);
            assert_eq!(house.frame_of(id, n).await, frame(n));
            let stats = house.cache.stats();
            assert!(stats.bytes <= max_bytes && stats.chunks <= most_chunks, "{stats:?}");
        }
        assert_eq!(house.cache.stats().chunks, most_chunks);
    }
}

#[tokio::test]
async fn who_goes_through_a_session_once_drives_nothing_out() {
    let house = House::with_bytes(bytes_of_one().await).await;
    let (watched, exported) = (house.session().await, house.session().await);
    house.frame_of(watched, 0).await;
    house.store.take_reads();
    for n in (0..FRAMES).step_by(256) {
        for id in [exported, watched] {
            let chunk = house.cache.covering_chunk_once(id, ChunkQuery::Frame(n)).await.unwrap();
            assert_eq!(chunk.frame(n), Some(frame(n)));
        }
    }
    assert_eq!(house.store.take_chunks_read(), [0, 256, 256, 512, 512, 768, 768], "frame 0 is kept");
    house.frame_of(watched, 0).await;
    assert_eq!(house.store.take_chunks_read(), [0_u64; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_get_their_frames_while_the_session_grows_is_compacted_and_forgotten() {
    let house = Arc::new(House::with_bytes(3 * bytes_of_one().await).await);
    let (id, term) = house.live_session(8).await;
    let readers = (0..4_u64).map(|reader| {
        let house = Arc::clone(&house);
        tokio::spawn(async move {
            let mut seen = 0;
            while seen < FRAMES {
                seen = house.store.read_session(id).await.unwrap().frame_count;
                for n in [seen - 1, seen / 2, seen * reader / 4] {
                    assert_eq!(house.frame_of(id, n).await, frame(n));
                    let at = frame(n).timestamp.plus_micros(1);
                    let chunk = house.cache.covering_chunk(id, ChunkQuery::Time(at)).await.unwrap();
                    assert!(chunk.frame(n).is_some(), "frame {n} of {seen}");
                }
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    for first in (8..FRAMES).step_by(8) {
        house.append(id, term, first).await;
        if first % COMPACT_FRAMES == 0 {
            house.store.compact(id, false).await.unwrap();
        }
        if first % 200 == 0 {
            house.cache.forget(id);
        }
    }
    for reader in readers {
        reader.await.unwrap();
    }
    let stats = house.cache.stats();
    assert!(stats.bytes <= stats.max_bytes, "{stats:?}");
}
