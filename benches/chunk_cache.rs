//! Finds the chunk of a random frame in a session of 100,096 frames: in SQLite, and in memory once it was read.
//!
//! `cargo bench --bench chunk_cache`. The last lines say how many times faster memory is, and what a chunk takes when twenty
//! replays want it at once. Chunks are those of a compacted session: 256 frames each.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use futures::future::join_all;
use posesession_core::{Batch, Chunk, ChunkQuery, SessionId, SessionStatus, Skeleton, SyntheticPose};
use posesession_store::{COMPACT_FRAMES, ChunkCache, NewSession, SessionStore, SqliteStore, StoreError};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const FRAMES: u64 = 100_096;
/// Coprime with the number of frames, so that each frame comes once before one comes again.
const STRIDE: u64 = 38_653;
const VIEWERS: usize = 20;

struct Session {
    store: Arc<dyn SessionStore>,
    id: SessionId,
    _folder: TempDir,
}

impl Session {
    async fn record() -> Result<Self, StoreError> {
        let folder =
            tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the target folder can be written");
        let store = Arc::new(SqliteStore::open(folder.path().join("posesession.db")).await?);
        let skeleton = Skeleton::preset("mediapipe_33").expect("a preset");
        let source = SyntheticPose::new(&skeleton, 30.0);
        let new = NewSession { skeleton: Some(skeleton.clone()), ..NewSession::named("bench") };
        let id = store.create_session(new).await?.id;
        let term = store.begin_term(id).await?;
        for first in (0..FRAMES).step_by(64) {
            let mut chunk = Chunk::new(first, skeleton.layout());
            for n in first..(first + 64).min(FRAMES) {
                let (timestamp, pose) = source.frame(n);
                chunk.push(timestamp, &pose).expect("time goes on");
            }
            store.append(id, term, &Batch { chunk: Some(chunk), ..Batch::default() }).await?;
            if first % (4 * COMPACT_FRAMES) == 0 {
                store.compact(id, false).await?;
            }
        }
        store.finish(id, term, SessionStatus::Completed).await?;
        Ok(Self { store, id, _folder: folder })
    }
}

fn covering_chunk(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("threads can be started");
    let Session { store, id, _folder } =
        &runtime.block_on(Session::record()).expect("the store takes a session");
    let cache = ChunkCache::new(Arc::clone(store), ChunkCache::DEFAULT_BYTES);
    let frames = (0..).map(|step: u64| step * STRIDE % FRAMES);
    for n in 0..FRAMES {
        runtime.block_on(cache.covering_chunk(*id, ChunkQuery::Frame(n))).expect("the frame is there");
    }
    println!("{:?}", cache.stats());

    let mut group = criterion.benchmark_group("covering_chunk");
    let mut numbers = frames.clone();
    group.bench_function("sqlite", |b| {
        b.iter(|| {
            let query = ChunkQuery::Frame(numbers.next().unwrap_or_default());
            runtime.block_on(store.covering_chunk(*id, black_box(query))).expect("the frame is there")
        });
    });
    let mut numbers = frames.clone();
    group.bench_function("cached", |b| {
        b.iter(|| {
            let query = ChunkQuery::Frame(numbers.next().unwrap_or_default());
            runtime.block_on(cache.covering_chunk(*id, black_box(query))).expect("the frame is there")
        });
    });
    group.finish();

    let took = |calls: u32, mut call: Box<dyn FnMut(u64) + '_>| {
        let start = Instant::now();
        frames.clone().take(calls as usize).for_each(&mut call);
        start.elapsed() / calls
    };
    let sqlite = took(
        400,
        Box::new(|n| {
            black_box(runtime.block_on(store.covering_chunk(*id, ChunkQuery::Frame(n))))
                .expect("it is there");
        }),
    );
    let cached = took(
        100_000,
        Box::new(|n| {
            black_box(runtime.block_on(cache.covering_chunk(*id, ChunkQuery::Frame(n))))
                .expect("it is there");
        }),
    );
    let together = took(
        400,
        Box::new(|n| {
            cache.forget(*id);
            let asked = (0..VIEWERS).map(|_| cache.covering_chunk(*id, ChunkQuery::Frame(n)));
            black_box(runtime.block_on(join_all(asked)));
        }),
    );
    let ratio = sqlite.as_secs_f64() / cached.as_secs_f64();
    println!("sqlite {sqlite:?}, cached {cached:?}: {ratio:.0} times faster");
    println!("{VIEWERS} viewers at once, not cached: {together:?} for all together");
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .without_plots()
        .sample_size(10)
        .nresamples(2000)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1));
    targets = covering_chunk
}
criterion_main!(benches);
