//! Turns frames into batches, in order and out of order.
//!
//! `cargo bench --bench recorder`. Throughput is in frames of one person; each iteration records 10 s at 60 fps and polls
//! after every frame, as a shell does.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use posesession_core::{IncomingFrame, Recorder, RecorderConfig, Skeleton, SyntheticPose};

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

fn record(mut recorder: Recorder, frames: Vec<IncomingFrame>) -> Recorder {
    let mut now = Duration::ZERO;
    for mut frame in frames {
        now += FRAME_INTERVAL;
        recorder.handle_frame(now, &mut frame).expect("the frames are whole and polled");
        while let Some(batch) = recorder.poll_batch(now) {
            black_box(batch);
        }
    }
    recorder
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
        for (order, frames) in [("in_order", &in_order), ("swapped", &swapped)] {
            group.bench_function(BenchmarkId::new(order, name), |b| {
                let setup = || (recorder(), frames.clone());
                b.iter_batched(setup, |(recorder, frames)| record(recorder, frames), BatchSize::LargeInput);
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
