//! How often the hot paths ask for memory: never for a frame, and as often for a long chunk as for a short one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use allocation_counter::{AllocationInfo, measure};
use posesession_core::{
    Accepted, Batch, Chunk, Codec, CursorOutput, IncomingFrame, PoseData, Recorder, RecorderConfig,
    ReplayCursor, SessionExtent, Skeleton, SyntheticPose, Timestamp, decode, encode,
};

const FPS: f64 = 60.0;

/// A camera whose poses are copied into the frame that is sent, as a decoder writes into memory that is there.
struct Camera {
    poses: Vec<PoseData>,
    frame: IncomingFrame,
}

impl Camera {
    fn new(skeleton: &Skeleton) -> Self {
        let source = SyntheticPose::new(skeleton, FPS);
        let poses = (0..64).map(|n| source.frame(n).1).collect();
        let frame = IncomingFrame {
            number: None,
            timestamp: Timestamp::ZERO,
            pose_data: PoseData::nobody(),
            image: None,
        };
        Self { poses, frame }
    }

    fn send(&mut self, recorder: &mut Recorder, number: u64) -> Accepted {
        let pose = &self.poses[usize::try_from(number).unwrap() % self.poses.len()];
        self.frame.number = Some(number);
        self.frame.timestamp = Timestamp::from_micros(number.cast_signed() * 16_667);
        self.frame.pose_data.track_ids.clear();
        self.frame.pose_data.values.clear();
        self.frame.pose_data.track_ids.extend_from_slice(&pose.track_ids);
        self.frame.pose_data.values.extend_from_slice(&pose.values);
        recorder.handle_frame(time_of(number), &mut self.frame).unwrap()
    }
}

fn time_of(number: u64) -> Duration {
    Duration::from_micros(number * 16_667)
}

/// A recorder that closes a chunk each `frames` frames, and its camera, after 16 chunks and at least 2048 frames.
fn warmed_up(skeleton: &Skeleton, frames: usize) -> (Recorder, Camera, u64) {
    let config = RecorderConfig {
        max_chunk_frames: frames,
        flush_after: Duration::from_secs(3600),
        ..RecorderConfig::default()
    };
    let mut recorder = Recorder::new(Some(skeleton.clone()), config).unwrap();
    let mut camera = Camera::new(skeleton);
    let end = frames as u64 * (2048_u64.div_ceil(frames as u64)).max(16);
    for number in 0..end {
        // Every pair of numbers but the first comes the wrong way round, so that there is memory for those that wait, too.
        let number = if number < 2 { number } else { number ^ 1 };
        camera.send(&mut recorder, number);
        while recorder.poll_batch(time_of(number)).is_some() {}
    }
    (recorder, camera, end)
}

#[test]
fn a_recorder_needs_no_memory_for_a_frame() {
    for name in ["mediapipe_33", "mediapipe_holistic_543"] {
        let skeleton = Skeleton::preset(name).unwrap();
        let (mut recorder, mut camera, next) = warmed_up(&skeleton, 256);
        camera.send(&mut recorder, next);
        let in_order = measure(|| {
            for number in next + 1..next + 100 {
                assert!(matches!(camera.send(&mut recorder, number), Accepted::Stored { .. }));
                assert!(recorder.poll_batch(time_of(number)).is_none());
            }
        });
        assert_eq!(in_order.count_total, 0, "{name}: {in_order:?}");
        let swapped = measure(|| {
            for number in (next + 100..next + 200).map(|number| number ^ 1) {
                camera.send(&mut recorder, number);
                assert!(recorder.poll_batch(time_of(number)).is_none());
            }
        });
        assert_eq!(swapped.count_total, 0, "{name}, out of order: {swapped:?}");
    }
}

/// Counts what it takes to record one chunk of so many frames and to poll it.
fn flush(skeleton: &Skeleton, frames: usize) -> (Batch, AllocationInfo) {
    let (mut recorder, mut camera, next) = warmed_up(skeleton, frames);
    let mut polled = None;
    let counted = measure(|| {
        for number in next..next + frames as u64 {
            camera.send(&mut recorder, number);
        }
        polled = recorder.poll_batch(time_of(next));
    });
    (polled.unwrap(), counted)
}

#[test]
fn a_flush_needs_memory_as_often_however_many_frames_it_has() {
    let skeleton = Skeleton::preset("mediapipe_33").unwrap();
    for frames in [1, 8, 64, 512] {
        let (batch, counted) = flush(&skeleton, frames);
        assert_eq!(batch.chunk.map(|chunk| chunk.frame_count()), Some(frames));
        // Five columns, and the layout.
        assert_eq!(counted.count_total, 6, "{frames} frames: {counted:?}");
    }
}

fn chunk(frames: u64) -> Chunk {
    let skeleton = Skeleton::preset("mediapipe_33").unwrap();
    let source = SyntheticPose::new(&skeleton, FPS);
    let mut chunk = Chunk::new(0, skeleton.layout());
    for n in 0..frames {
        let (timestamp, pose) = source.frame(n);
        chunk.push(timestamp, &pose).unwrap();
    }
    chunk
}

/// Counts what encoding and decoding a chunk of so many frames takes.
fn coded(frames: u64, codec: Codec) -> [u64; 2] {
    let chunk = chunk(frames);
    let mut encoded = None;
    let encoding = measure(|| encoded = Some(encode(&chunk, codec).unwrap()));
    let encoded = encoded.unwrap();
    let decoding = measure(|| drop(decode(&encoded.header, &encoded.payload).unwrap()));
    [encoding.count_total, decoding.count_total]
}

#[test]
fn plain_columns_need_memory_as_often_however_long_the_chunk() {
    assert_eq!(coded(64, Codec::Raw), coded(512, Codec::Raw));
}

#[test]
fn compressed_columns_need_memory_for_a_stream_and_not_for_a_frame() {
    // `pco` itself asks for memory once for each 256 numbers that it compresses, and for a few more bins in longer columns.
    let (shorter, longer) = (64, 512);
    let batches = (longer - shorter) * 33 * 4 / 256;
    for codec in [Codec::Columnar, Codec::Bounded] {
        let [encoding, decoding] = coded(longer, codec);
        let [encoding_less, decoding_less] = coded(shorter, codec);
        assert!(encoding <= encoding_less + batches + 64, "{codec}: {encoding_less} and {encoding}");
        assert!(decoding <= decoding_less + 16, "{codec}: {decoding_less} and {decoding}");
    }
}

#[test]
fn a_replay_needs_no_memory_for_a_frame() {
    const FRAMES: u64 = 512;
    let chunk = Arc::new(chunk(FRAMES));
    let duration = *chunk.timestamps().last().unwrap();
    let mut cursor = ReplayCursor::new(SessionExtent { frame_count: FRAMES, duration, live: false });
    let mut now = Duration::ZERO;
    cursor.play(now, None).unwrap();
    let (mut shown, mut sum) = (0, 0.0);
    let mut play = |frames| {
        while shown < frames {
            match cursor.poll(now) {
                CursorOutput::NeedChunk(query) => cursor.push_chunk(now, query, Arc::clone(&chunk)).unwrap(),
                CursorOutput::Frame(replayed) => {
                    assert_eq!(replayed.frame().frame_number, shown);
                    sum += replayed.frame().pose.values[0];
                    shown += 1;
                }
                CursorOutput::WaitUntil(later) => now = later,
                CursorOutput::StateChanged(_) => {}
                other => panic!("{other:?} in the middle of a session"),
            }
            assert_eq!(cursor.wanted(), None);
        }
    };
    play(1);
    let counted = measure(|| play(FRAMES));
    assert_eq!(counted.count_total, 0, "{counted:?}");
}
