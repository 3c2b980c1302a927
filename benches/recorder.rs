//! Turns frames into batches, in order and out of order, beside a plain copy of their values.
//!
//! `cargo bench --bench recorder`. Throughput is in frames of one person; each iteration records 10 s at 60 fps and polls
//! after every frame, as a shell does.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use posesession_core::{
    IncomingFrame, PoseData, Recorder, RecorderConfig, Skeleton, SyntheticPose, Timestamp,
};

const FRAME_COUNT: u64 = 600;
const FRAME_INTERVAL: Duration = Duration::from_micros(16_667);

fn frames_of(skeleton: &Skeleton) -> Vec<IncomingFrame> {
    let source = SyntheticPose::new(skeleton, 60.0);
    let frame = |number| {
        let (timestamp, pose_data) = source.frame(number);
        IncomingFrame { number: Some(number), timestamp, pose_data, image: None }
    };
    (0..FRAME_COUNT).map(frame).collect()
}

/// Records copies of the frames, in memory that is used again for each: the copy stands for what a decoder writes.
fn record(mut recorder: Recorder, frames: &[IncomingFrame]) -> Recorder {
    let mut now = Duration::ZERO;
    let mut sent = IncomingFrame {
        number: None,
        timestamp: Timestamp::ZERO,
        pose_data: PoseData::nobody(),
        image: None,
    };
    for frame in frames {
        now += FRAME_INTERVAL;
        (sent.number, sent.timestamp) = (frame.number, frame.timestamp);
        sent.pose_data.track_ids.clone_from(&frame.pose_data.track_ids);
        sent.pose_data.values.clone_from(&frame.pose_data.values);
        recorder.handle_frame(now, &mut sent).expect("the frames are whole and polled");
        while let Some(batch) = recorder.poll_batch(now) {
            black_box(batch);
        }
    }
    recorder
}

/// Copies the values into columns of 16 frames: the least that a recorder could do.
fn copy(frames: &[IncomingFrame]) {
    let mut values = Vec::new();
    for frames in frames.chunks(16) {
        values.clear();
        frames.iter().for_each(|frame| values.extend_from_slice(&frame.pose_data.values));
        black_box(&values);
    }
}

fn recording(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("record");
    group.throughput(Throughput::Elements(FRAME_COUNT));
    for name in ["mediapipe_33", "mediapipe_holistic_543"] {
        let skeleton = Skeleton::preset(name).expect("a preset");
        let recorder =
            || Recorder::new(Some(skeleton.clone()), RecorderConfig::default()).expect("a preset is valid");
        let in_order = frames_of(&skeleton);
        let mut swapped = in_order.clone();
        swapped[1..].chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1));
        group.bench_function(BenchmarkId::new("copy_of_the_values", name), |b| b.iter(|| copy(&in_order)));
        for (order, frames) in [("in_order", &in_order), ("swapped", &swapped)] {
            group.bench_function(BenchmarkId::new(order, name), |b| {
                b.iter_batched(recorder, |recorder| record(recorder, frames), BatchSize::LargeInput);
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    targets = recording
}
criterion_main!(benches);
