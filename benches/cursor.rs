//! Plays and seeks in a session of 100,000 frames, in virtual time, beside a plain copy of the same frames.
//!
//! `cargo bench --bench cursor`. The chunks are those of a compacted session: 256 frames each.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use posesession_core::{
    Chunk, ChunkQuery, Codec, CursorOutput, EncodedChunk, LoopMode, PlaybackRange, ReplayCursor, ReplayFrame,
    SeekMode, SeekTarget, SessionExtent, Skeleton, SyntheticPose, Timestamp, decode, encode,
};

const FRAMES: u64 = 100_000;
const CHUNK_FRAMES: u64 = 256;
const FPS: f64 = 60.0;

struct Session {
    chunks: Vec<Arc<Chunk>>,
    encoded: Vec<EncodedChunk>,
    extent: SessionExtent,
}

impl Session {
    fn new() -> Self {
        let skeleton = Skeleton::preset("mediapipe_33").expect("a preset");
        let source = SyntheticPose::new(&skeleton, FPS);
        let mut chunks = Vec::new();
        for first_frame in (0..FRAMES.div_ceil(CHUNK_FRAMES)).map(|place| place * CHUNK_FRAMES) {
            let mut chunk = Chunk::new(first_frame, skeleton.layout());
            for n in first_frame..(first_frame + CHUNK_FRAMES).min(FRAMES) {
                let (timestamp, pose) = source.frame(n);
                chunk.push(timestamp, &pose).expect("the synthetic source's timestamps increase");
            }
            chunks.push(Arc::new(chunk));
        }
        let encoded = chunks.iter().map(|c| encode(c, Codec::Columnar).expect("it is within the limits"));
        let encoded = encoded.collect();
        let extent = SessionExtent { frame_count: FRAMES, duration: source.frame(FRAMES - 1).0, live: false };
        Self { chunks, encoded, extent }
    }

    fn place(&self, query: ChunkQuery) -> usize {
        let after = match query {
            ChunkQuery::Frame(n) => self.chunks.partition_point(|c| c.first_frame() <= n),
            ChunkQuery::Time(t) => self.chunks.partition_point(|c| c.timestamps()[0] <= t),
        };
        after.saturating_sub(1)
    }

    fn chunk(&self, query: ChunkQuery) -> Arc<Chunk> {
        Arc::clone(&self.chunks[self.place(query)])
    }

    fn decoded(&self, query: ChunkQuery) -> Arc<Chunk> {
        let EncodedChunk { header, payload } = &self.encoded[self.place(query)];
        Arc::new(decode(header, payload).expect("it was just encoded"))
    }
}

/// Does what the cursor says, the waits in no time, until it hands out a frame.
fn next_frame(
    cursor: &mut ReplayCursor,
    now: &mut Duration,
    fetch: impl Fn(ChunkQuery) -> Arc<Chunk>,
) -> ReplayFrame {
    loop {
        match cursor.poll(*now) {
            CursorOutput::Frame(frame) => return frame,
            CursorOutput::NeedChunk(query) => {
                cursor.push_chunk(*now, query, fetch(query)).expect("the chunk covers what was asked for");
            }
            CursorOutput::WaitUntil(later) => {
                if let Some(query) = cursor.wanted() {
                    cursor
                        .push_chunk(*now, query, fetch(query))
                        .expect("the chunk covers what was asked for");
                }
                *now = later;
            }
            CursorOutput::StateChanged(_) => {}
            other => unreachable!("the cursor plays or seeks within the session, and says {other:?}"),
        }
    }
}

fn playing(criterion: &mut Criterion) {
    let session = Session::new();
    let mut group = criterion.benchmark_group("cursor");
    group.throughput(Throughput::Elements(1));

    let mut n = 0;
    group.bench_function("copy_of_a_frame", |b| {
        b.iter(|| {
            n = (n + 1) % FRAMES;
            session.chunk(ChunkQuery::Frame(n)).frame(n)
        });
    });

    let mut n = 0;
    group.bench_function("view_of_a_frame", |b| {
        b.iter(|| {
            n = (n + 1) % FRAMES;
            session.chunk(ChunkQuery::Frame(n)).view(n).map(|view| view.pose.values.len())
        });
    });

    let mut now = Duration::ZERO;
    let mut cursor = ReplayCursor::new(session.extent);
    let whole = PlaybackRange { start: Timestamp::ZERO, end: session.extent.duration };
    cursor.set_range(now, Some(whole), LoopMode::Loop).expect("the range is the session's");
    cursor.play(now, None).expect("1 is a rate");
    group.bench_function("due_frame", |b| {
        b.iter(|| next_frame(&mut cursor, &mut now, |query| session.chunk(query)));
    });

    while !matches!(cursor.poll(now), CursorOutput::WaitUntil(_)) {}
    group.bench_function("poll_with_nothing_due", |b| b.iter(|| cursor.poll(black_box(now))));
    group.finish();
}

fn seeking(criterion: &mut Criterion) {
    let session = Session::new();
    let mut group = criterion.benchmark_group("seek");
    let now = Duration::ZERO;
    let mut cursor = ReplayCursor::new(session.extent);
    let mut seek_to = |n: u64, fetch: &dyn Fn(ChunkQuery) -> Arc<Chunk>| {
        cursor.seek(now, SeekTarget::Frame(n), SeekMode::Before).expect("the frame is in the session");
        let shown = next_frame(&mut cursor, &mut now.clone(), fetch);
        assert_eq!(shown.frame().frame_number, n);
    };
    // A step that is prime to the number of frames, and leads to another chunk each time.
    let mut n = 0;
    let mut elsewhere = move || {
        n = (n + 38_653) % FRAMES;
        n
    };
    group.bench_function("within_the_chunk", |b| {
        let mut n = 0;
        b.iter(|| {
            n = (n + 7) % CHUNK_FRAMES;
            seek_to(n, &|query| session.chunk(query));
        });
    });
    group.bench_function("cached_chunk", |b| {
        b.iter(|| seek_to(elsewhere(), &|query| session.chunk(query)));
    });
    group.bench_function("encoded_chunk", |b| {
        b.iter(|| seek_to(elsewhere(), &|query| session.decoded(query)));
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
        .measurement_time(Duration::from_millis(600));
    targets = playing, seeking
}
criterion_main!(benches);
