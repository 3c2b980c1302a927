//! Appends short chunks and reads long ones, beside a plain file that is synced after each append.
//!
//! `cargo bench --bench store`. An append here is what a recording at 30 fps does every 250 ms; an acknowledged one is on
//! the disk, so that the disk's own speed, which `plain_file` shows, is the measure. Compaction is part of the work.

use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures::future::try_join_all;
use posesession_core::{
    Batch, Chunk, ChunkQuery, Codec, PoseData, SessionId, Skeleton, SyntheticPose, Timestamp, encode,
};
use posesession_store::{
    COMPACT_FRAMES, MemoryStore, NewSession, SessionStore, SqliteStore, StoreError, Term,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// How many frames a recording at 30 fps has in 250 ms.
const APPEND_FRAMES: u64 = 8;
const READ_FRAMES: u64 = 100_096;

/// Frames without end. The poses are made before, and repeated, so that what is measured is not how they are made.
struct Source {
    skeleton: Skeleton,
    poses: Vec<PoseData>,
    next_frame: u64,
}

impl Source {
    fn new() -> Self {
        let skeleton = Skeleton::preset("mediapipe_33").expect("a preset");
        let synthetic = SyntheticPose::new(&skeleton, 30.0);
        let poses = (0..COMPACT_FRAMES).map(|n| synthetic.frame(n).1).collect();
        Self { skeleton, poses, next_frame: 0 }
    }

    fn next_chunk(&mut self, frames: u64) -> Chunk {
        let mut chunk = Chunk::new(self.next_frame, self.skeleton.layout());
        let numbers = self.next_frame..self.next_frame + frames;
        for (n, place) in numbers.zip((0..self.poses.len()).cycle()) {
            let timestamp = Timestamp::ZERO.plus_micros(33_333 * n.cast_signed());
            chunk.push(timestamp, &self.poses[place]).expect("time goes on");
        }
        self.next_frame += frames;
        chunk
    }
}

/// A recording in progress.
struct Recording {
    id: SessionId,
    term: Term,
    source: Source,
}

impl Recording {
    async fn start(store: &dyn SessionStore) -> Result<Self, StoreError> {
        let source = Source::new();
        let skeleton = Some(source.skeleton.clone());
        let id = store.create_session(NewSession { skeleton, ..NewSession::named("bench") }).await?.id;
        Ok(Self { id, term: store.begin_term(id).await?, source })
    }

    async fn append(&mut self, store: &dyn SessionStore, frames: u64) -> Result<(), StoreError> {
        let batch = Batch { chunk: Some(self.source.next_chunk(frames)), ..Batch::default() };
        store.append(self.id, self.term, &batch).await?;
        if self.source.next_frame % COMPACT_FRAMES < frames {
            store.compact(self.id, false).await?;
        }
        Ok(())
    }
}

/// Runs a bench on an empty store of each kind.
fn with_stores(runtime: &Runtime, mut bench: impl FnMut(&str, &dyn SessionStore)) {
    bench("memory", &MemoryStore::new());
    let folder = scratch_folder();
    let opened = runtime.block_on(SqliteStore::open(folder.path().join("posesession.db")));
    let sqlite = opened.expect("the folder is empty and can be written");
    bench("sqlite", &sqlite);
    runtime.block_on(sqlite.close());
}

/// Makes a folder beside the build's own files: on a disk, where `/tmp` may be in memory.
fn scratch_folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the target folder can be written")
}

fn appending(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("threads can be started");
    let mut group = criterion.benchmark_group("append");
    group.throughput(Throughput::Elements(APPEND_FRAMES));
    let folder = scratch_folder();
    let mut file = File::create(folder.path().join("chunks")).expect("the folder was just made");
    group.bench_function("plain_file", |b| {
        let mut source = Source::new();
        b.iter(|| {
            let encoded =
                encode(&source.next_chunk(APPEND_FRAMES), Codec::Raw).expect("it is within the limits");
            file.write_all(&encoded.header).and_then(|()| file.write_all(&encoded.payload))?;
            file.sync_data()
        });
    });
    with_stores(&runtime, |name, store| {
        for sessions in [1_u64, 16] {
            let start = try_join_all((0..sessions).map(|_| Recording::start(store)));
            let mut recordings = runtime.block_on(start).expect("the store takes sessions");
            group.throughput(Throughput::Elements(APPEND_FRAMES * sessions));
            group.bench_function(BenchmarkId::new(name, format!("{sessions}_sessions")), |b| {
                b.iter(|| {
                    let appends = recordings.iter_mut().map(|r| r.append(store, APPEND_FRAMES));
                    runtime.block_on(try_join_all(appends)).expect("the store takes the next frames")
                });
            });
        }
    });
    group.finish();
}

fn reading(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("threads can be started");
    let mut group = criterion.benchmark_group("read");
    with_stores(&runtime, |name, store| {
        let recording = runtime.block_on(async {
            let mut recording = Recording::start(store).await?;
            while recording.source.next_frame < READ_FRAMES {
                recording.append(store, 4 * COMPACT_FRAMES).await?;
            }
            store.compact(recording.id, true).await.map(|_compacted| recording)
        });
        let recording = recording.expect("the store takes a long session");
        let mut n = 0;
        group.bench_function(BenchmarkId::new(name, "covering_chunk"), |b| {
            b.iter(|| {
                n = (n + 38_653) % READ_FRAMES;
                let read = store.covering_chunk(recording.id, black_box(ChunkQuery::Frame(n)));
                runtime.block_on(read).expect("the frame is in the session")
            });
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .without_plots()
        .sample_size(10)
        .nresamples(2000)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1));
    targets = appending, reading
}
criterion_main!(benches);
