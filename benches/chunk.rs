//! Encodes and decodes chunks, beside a plain copy of the same numbers and JSON of the same frames.
//!
//! `cargo bench --bench chunk`. Throughput is in frames of one person of 33 keypoints; the chunk sizes are those of a
//! flush deadline (8), of a second or two (64), of a compacted chunk (256), and beyond.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use posesession_core::{
    Chunk, Codec, EncodedChunk, Encoding, MaxError, PoseJson, SentPose, Skeleton, SyntheticPose, decode,
    encode, encode_at_rest, encode_with_level,
};

const FRAME_COUNTS: [u64; 4] = [8, 64, 256, 1024];

fn chunk_of(skeleton: &Skeleton, frame_count: u64) -> Chunk {
    let source = SyntheticPose::new(skeleton, 30.0);
    let mut chunk = Chunk::new(0, skeleton.layout());
    for n in 0..frame_count {
        let (timestamp, pose) = source.frame(n);
        chunk.push(timestamp, &pose).expect("the synthetic source's timestamps increase and its poses fit");
    }
    chunk
}

/// The codecs by name, each as a function that encodes.
type Encode = fn(&Chunk, &Skeleton) -> EncodedChunk;
const CODECS: [(&str, Encode); 3] = [
    ("raw", |chunk, _| encode(chunk, Codec::Raw).expect("the chunk is within the format's limits")),
    ("columnar", |chunk, _| encode(chunk, Codec::Columnar).expect("the chunk is within the format's limits")),
    ("bounded", |chunk, skeleton| {
        let bounds = [("x", 5e-5), ("y", 5e-5), ("z", 5e-5), ("confidence", 1.0 / 512.0)];
        let max_error = MaxError::new(bounds).expect("the bounds are above 0");
        let encoding = Encoding::Bounded { max_error };
        encode_at_rest(chunk, &encoding, Some(skeleton)).expect("the skeleton has these channels")
    }),
];

/// Writes each frame as a row of JSON, as a table with one row a frame would hold it.
fn to_json(chunk: &Chunk, skeleton: &Skeleton) -> Vec<String> {
    let row = |frame: posesession_core::Frame| {
        serde_json::to_string(&PoseJson::new(&frame.pose_data, skeleton)).expect("a pose is JSON")
    };
    chunk.frames().map(row).collect()
}

fn encoding(criterion: &mut Criterion) {
    let skeleton = Skeleton::preset("mediapipe_33").expect("a preset");
    let mut group = criterion.benchmark_group("encode");
    for frame_count in FRAME_COUNTS {
        let chunk = chunk_of(&skeleton, frame_count);
        let json: usize = to_json(&chunk, &skeleton).iter().map(String::len).sum();
        print!("{frame_count} frames, bytes a frame: json {:.0}", json as f64 / frame_count as f64);
        for (name, encode) in CODECS {
            let EncodedChunk { header, payload } = encode(&chunk, &skeleton);
            print!(", {name} {:.0}", (header.len() + payload.len()) as f64 / frame_count as f64);
        }
        println!();
        group.throughput(Throughput::Elements(frame_count));
        group.bench_function(BenchmarkId::new("copy", frame_count), |b| b.iter(|| chunk.values().to_vec()));
        for (name, encode) in CODECS {
            let id = BenchmarkId::new(name, frame_count);
            group.bench_function(id, |b| b.iter(|| encode(black_box(&chunk), &skeleton)));
        }
        let id = BenchmarkId::new("columnar_level_8", frame_count);
        group.bench_function(id, |b| b.iter(|| encode_with_level(black_box(&chunk), Codec::Columnar, 8)));
        let id = BenchmarkId::new("json", frame_count);
        group.bench_function(id, |b| b.iter(|| to_json(black_box(&chunk), &skeleton)));
    }
    group.finish();
}

fn decoding(criterion: &mut Criterion) {
    let skeleton = Skeleton::preset("mediapipe_33").expect("a preset");
    let mut group = criterion.benchmark_group("decode");
    for frame_count in FRAME_COUNTS {
        let chunk = chunk_of(&skeleton, frame_count);
        group.throughput(Throughput::Elements(frame_count));
        group.bench_function(BenchmarkId::new("copy", frame_count), |b| b.iter(|| chunk.values().to_vec()));
        for (name, encode) in CODECS {
            let encoded = encode(&chunk, &skeleton);
            let id = BenchmarkId::new(name, frame_count);
            group.bench_function(id, |b| {
                b.iter(|| decode(black_box(&encoded.header), black_box(&encoded.payload)));
            });
        }
        let rows = to_json(&chunk, &skeleton);
        group.bench_function(BenchmarkId::new("json", frame_count), |b| {
            let read = |row: &String| serde_json::from_str::<SentPose>(row).expect("it was just written");
            b.iter(|| rows.iter().map(|row| read(row).resolve(&skeleton)).filter(Result::is_ok).count());
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .without_plots()
        .sample_size(10)
        .nresamples(2000)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400));
    targets = encoding, decoding
}
criterion_main!(benches);
