//! Promises of the recorder as a whole; those of its parts are tested beside them.

use bytes::Bytes;

use super::*;
use crate::batch::ImageObject;
use crate::chunk::Chunk;
use crate::pose::PoseData;
use crate::quality_report::QualityReport;
use crate::session::{Marker, MarkerKind};
use crate::synthetic::SyntheticPose;

const MS: Duration = Duration::from_millis(1);

/// A recorder in virtual time, and all batches that it gave out.
struct Sim {
    now: Duration,
    recorder: Recorder,
    batches: Vec<Batch>,
}

impl Sim {
    fn new() -> Self {
        Self::with(RecorderConfig::default())
    }

    fn with(config: RecorderConfig) -> Self {
        let recorder = Recorder::new(Some(skeleton()), config).unwrap();
        Self { now: Duration::ZERO, recorder, batches: Vec::new() }
    }

    /// Sends frame `number`, taken at `number` / 10 s, 1 ms after what was done before.
    fn send(&mut self, number: u64) -> Result<Accepted, FrameRefusal> {
        self.send_frame(frame(number))
    }

    fn send_frame(&mut self, mut frame: IncomingFrame) -> Result<Accepted, FrameRefusal> {
        self.now += MS;
        self.recorder.handle_frame(self.now, &mut frame)
    }

    fn send_all(&mut self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            self.send(number).unwrap();
        }
    }

    fn poll(&mut self) -> Vec<Batch> {
        let polled: Vec<_> = std::iter::from_fn(|| self.recorder.poll_batch(self.now)).collect();
        self.batches.extend_from_slice(&polled);
        polled
    }

    fn poll_after(&mut self, wait: Duration) -> Vec<Batch> {
        self.now += wait;
        self.poll()
    }

    /// Finishes, and returns everything that was recorded.
    fn finish(mut self) -> Recorded {
        self.recorder.finish(self.now).unwrap();
        self.poll();
        assert_eq!(self.recorder.next_deadline(), None);
        assert_eq!(self.recorder.buffered_bytes(), 0);
        let chunks: Vec<Chunk> = self.batches.iter().filter_map(|batch| batch.chunk.clone()).collect();
        let chunk = if chunks.is_empty() { Chunk::default() } else { Chunk::concat(&chunks).unwrap() };
        assert_eq!(chunk.frame_count() as u64, self.recorder.frame_count());
        Recorded {
            numbers: chunk.values().iter().step_by(6).map(|&value| number_of(value)).collect(),
            times: chunk.timestamps().iter().map(|t| t.as_secs_f64()).collect(),
            markers: self.batches.iter().flat_map(|batch| batch.markers.clone()).collect(),
            settled_through: self.batches.iter().rev().find_map(|batch| batch.settled_through),
            report: self.recorder.report(),
        }
    }
}

struct Recorded {
    numbers: Vec<u64>,
    times: Vec<f64>,
    markers: Vec<Marker>,
    settled_through: Option<u64>,
    report: QualityReport,
}

fn skeleton() -> Skeleton {
    Skeleton::infer(2, 3).unwrap()
}

fn frame(number: u64) -> IncomingFrame {
    IncomingFrame {
        number: Some(number),
        timestamp: at(number as f64 / 10.0),
        pose_data: PoseData::one_person(vec![number as f32; 6]),
        image: None,
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a frame's small number")]
fn number_of(value: f32) -> u64 {
    value as u64
}

fn at(secs: f64) -> Timestamp {
    Timestamp::from_secs_f64(secs).unwrap()
}

fn chunk_of(batch: &Batch) -> &Chunk {
    batch.chunk.as_ref().unwrap()
}

#[test]
fn a_batch_closes_250_ms_after_its_first_frame_arrived() {
    let mut sim = Sim::new();
    sim.send_all(0..3);
    assert_eq!(sim.recorder.next_deadline(), Some(251 * MS));
    assert_eq!(sim.poll_after(247 * MS), []);
    let batches = sim.poll_after(MS);
    assert_eq!(batches.len(), 1);
    assert_eq!(chunk_of(&batches[0]).frame_count(), 3);
    assert_eq!(batches[0].settled_through, Some(2));
    assert_eq!(sim.recorder.next_deadline(), None);
}

#[test]
fn a_frame_is_told_its_place_at_once_if_its_number_is_next() {
    let mut sim = Sim::new();
    sim.send(70).unwrap();
    let stored = Accepted::Stored { number: 71, frame_number: 1, timestamp: at(0.1) };
    assert_eq!(sim.send(71), Ok(stored));
    assert_eq!(sim.send(73), Ok(Accepted::Waiting { number: 73 }));
}

#[test]
fn frames_out_of_order_are_stored_in_order() {
    let mut sim = Sim::new();
    sim.send_all([0, 3, 1, 5, 4, 2]);
    let recorded = sim.finish();
    assert_eq!(recorded.numbers, [0, 1, 2, 3, 4, 5]);
    assert_eq!(recorded.times, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]);
    assert_eq!((recorded.report.reordered, recorded.report.missing), (3, 0));
}

#[test]
fn a_hole_is_given_up_after_the_reorder_window_and_marked() {
    let mut sim = Sim::new();
    sim.send_all([0, 1, 4]);
    let early = sim.poll_after(249 * MS);
    assert_eq!(early[0].settled_through, Some(1), "2 may still come");
    let batches = sim.poll_after(MS);
    assert_eq!(batches[0].settled_through, Some(4));
    assert_eq!(chunk_of(&batches[0]).first_frame(), 2);
    let gap = &batches[0].markers[0];
    assert_eq!((gap.kind, gap.timestamp, gap.count), (MarkerKind::Gap, at(0.1), Some(2)));
    assert_eq!((gap.duration, gap.cause.as_deref()), (Some(at(0.3)), Some("missing")));
    assert_eq!(sim.send(2), Err(FrameRefusal::Late { number: 2 }));
    let recorded = sim.finish();
    assert_eq!(recorded.numbers, [0, 1, 4]);
    assert_eq!((recorded.report.late, recorded.report.missing), (1, 2));
    assert_eq!(recorded.report.largest_gap, 0.3);
}

#[test]
fn the_first_number_starts_the_numbering() {
    let mut sim = Sim::new();
    sim.send(10).unwrap();
    assert_eq!(sim.send(9), Err(FrameRefusal::Late { number: 9 }));
    assert_eq!(sim.finish().report.missing, 0);
}

#[test]
fn frames_without_number_follow_the_highest() {
    let mut sim = Sim::new();
    let unnumbered = |n| IncomingFrame { number: None, ..frame(n) };
    for n in 0..3 {
        sim.send_frame(unnumbered(n)).unwrap();
    }
    sim.send(7).unwrap();
    assert_eq!(sim.send_frame(unnumbered(8)), Ok(Accepted::Waiting { number: 8 }));
    let recorded = sim.finish();
    assert_eq!(recorded.numbers, [0, 1, 2, 7, 8]);
    assert_eq!(recorded.settled_through, Some(8));
}

#[test]
fn a_frame_that_comes_twice_is_stored_once() {
    let mut sim = Sim::new();
    sim.send_all([0, 1, 3]);
    assert_eq!(sim.send(1), Ok(Accepted::Duplicate { number: 1 }));
    assert_eq!(sim.send(3), Ok(Accepted::Duplicate { number: 3 }), "while it waits, too");
    let other_pose = IncomingFrame { number: Some(1), ..frame(9) };
    assert_eq!(sim.send_frame(other_pose), Err(FrameRefusal::Conflict { number: 1 }));
    let other_time = IncomingFrame { timestamp: at(7.0), ..frame(1) };
    assert_eq!(sim.send_frame(other_time), Err(FrameRefusal::Conflict { number: 1 }));
    let other_image = IncomingFrame { image: Some(Bytes::from_static(b"jpeg")), ..frame(3) };
    assert_eq!(sim.send_frame(other_image), Err(FrameRefusal::Conflict { number: 3 }));
    let recorded = sim.finish();
    assert_eq!(recorded.numbers, [0, 1, 3]);
    assert_eq!((recorded.report.duplicate, recorded.report.conflict), (2, 3));
}

#[test]
fn a_refused_frame_settles_its_number_and_the_recording_goes_on() {
    let mut sim = Sim::new();
    sim.send(0).unwrap();
    let mut infinite = frame(1);
    infinite.pose_data.values[2] = f32::NEG_INFINITY;
    let mut short = frame(2);
    short.pose_data.values.pop();
    assert_eq!(sim.send_frame(infinite.clone()).unwrap_err().code(), "non_finite");
    assert_eq!(sim.send_frame(short).unwrap_err().code(), "keypoint_mismatch");
    sim.recorder.refuse(sim.now, Some(3), "too_large").unwrap();
    sim.recorder.refuse(sim.now, None, "bad_json").unwrap();
    let unnumbered = IncomingFrame { number: None, ..infinite };
    assert_eq!(sim.send_frame(unnumbered).unwrap_err().code(), "non_finite");
    assert_eq!(
        sim.send(4),
        Ok(Accepted::Stored { number: 4, frame_number: 1, timestamp: at(0.4) }),
        "there is no hole to wait for"
    );
    let report = sim.finish().report;
    assert_eq!((report.received, report.stored, report.missing), (7, 2, 0));
    let refused: Vec<_> = report.refused.iter().map(|(code, &n)| (code.as_str(), n)).collect();
    assert_eq!(refused, [("bad_json", 1), ("keypoint_mismatch", 1), ("non_finite", 2), ("too_large", 1)]);
}

#[test]
fn settled_numbers_are_acknowledged_though_there_is_nothing_to_store() {
    let mut sim = Sim::new();
    sim.recorder.refuse(sim.now, Some(4), "bad_json").unwrap();
    assert_eq!(sim.poll_after(249 * MS), []);
    let batches = sim.poll_after(MS);
    assert_eq!((batches[0].settled_through, &batches[0].chunk), (Some(4), &None));
    sim.recorder.pause(sim.now).unwrap();
    sim.send_all([5, 6]);
    let batches = sim.poll_after(250 * MS);
    assert_eq!((batches.len(), batches[0].settled_through), (1, Some(6)));
    assert_eq!(sim.poll_after(1000 * MS), [], "nothing new");
}

#[test]
fn a_frame_that_was_given_up_is_late_in_a_pause_too() {
    let mut sim = Sim::new();
    sim.send_all([0, 2]);
    sim.recorder.pause(sim.now).unwrap();
    assert_eq!(sim.send(1), Err(FrameRefusal::Late { number: 1 }), "it is not stored: its sender is told");
    assert_eq!(sim.send(2), Ok(Accepted::Duplicate { number: 2 }));
    assert_eq!(sim.send(3), Ok(Accepted::Paused { number: 3 }));
    assert_eq!(sim.send(3), Ok(Accepted::Duplicate { number: 3 }), "it is sent again, and was told before");
    let report = sim.recorder.report();
    assert_eq!((report.missing, report.late, report.duplicate, report.paused), (1, 1, 2, 1));
    assert_eq!(report.sent, 4);
}

#[test]
fn time_stands_still_while_paused() {
    let mut sim = Sim::new();
    sim.send_all([0, 1, 2]);
    sim.recorder.pause(sim.now).unwrap();
    assert_eq!(sim.recorder.status(), SessionStatus::Paused);
    assert_eq!(sim.poll().len(), 1, "what is recorded is stored at once");
    assert_eq!(sim.send(3), Ok(Accepted::Paused { number: 3 }));
    sim.now += 7000 * MS;
    sim.recorder.resume(sim.now).unwrap();
    sim.send_all([40, 41]);
    let recorded = sim.finish();
    assert_eq!(recorded.times, [0.0, 0.1, 0.2, 0.3, 0.4]);
    let pause = &recorded.markers[0];
    assert_eq!((pause.kind, pause.timestamp), (MarkerKind::Paused, at(0.2)));
    assert_eq!(pause.duration, Some(at(7.001)), "by the wall clock");
    assert_eq!(recorded.markers.len(), 1, "numbers that pass in a pause are no gap");
    let report = recorded.report;
    assert_eq!((report.paused, report.missing, report.missing_in_pauses), (1, 0, 36));
    assert_eq!(report.clock_jumps, 0);
}

#[test]
fn a_pause_stores_what_waits() {
    let mut sim = Sim::new();
    sim.send_all([0, 2]);
    sim.recorder.pause(sim.now).unwrap();
    assert_eq!(sim.poll()[0].settled_through, Some(2));
    let recorded = sim.finish();
    assert_eq!(recorded.numbers, [0, 2]);
    assert_eq!(recorded.report.missing, 1);
}

#[test]
fn a_clock_jump_is_marked_where_time_goes_on() {
    let mut sim = Sim::new();
    sim.send_all([0, 1, 2]);
    sim.send_frame(IncomingFrame { timestamp: at(-5000.0), ..frame(3) }).unwrap();
    let recorded = sim.finish();
    assert_eq!(recorded.times, [0.0, 0.1, 0.2, 0.3]);
    let jump = &recorded.markers[0];
    assert_eq!((jump.kind, jump.timestamp), (MarkerKind::ClockJump, at(0.3)));
    assert_eq!(recorded.report.clock_jumps, 1);
}

#[test]
fn a_mark_is_put_where_the_streamers_clock_says() {
    let mut sim = Sim::new();
    assert_eq!(sim.recorder.mark(sim.now, "early", Some(at(9.0))).unwrap().timestamp, Timestamp::ZERO);
    sim.send_all(100..110);
    assert_eq!(sim.recorder.mark(sim.now, "now", None).unwrap().timestamp, at(0.9));
    assert_eq!(sim.recorder.mark(sim.now, "then", Some(at(10.45))).unwrap().timestamp, at(0.45));
    assert_eq!(sim.recorder.mark(sim.now, "", None), Err(CommandError::BadLabel { bytes: 0 }));
    let long = "x".repeat(Recorder::MAX_LABEL_BYTES + 1);
    assert_eq!(sim.recorder.mark(sim.now, &long, None), Err(CommandError::BadLabel { bytes: 201 }));
    assert_eq!(sim.recorder.mark(sim.now, "a\0b", None), Err(CommandError::BadLabel { bytes: 3 }));
    let labels: Vec<_> = sim.finish().markers.into_iter().map(|m| (m.kind, m.label)).collect();
    let expected = ["early", "now", "then"].map(|label| (MarkerKind::User, label.to_owned()));
    assert_eq!(labels, expected);
}

#[test]
fn dropped_numbers_are_settled_at_once_and_counted_by_cause() {
    let mut sim = Sim::new();
    sim.send_all(0..3);
    sim.recorder.drop_numbers(sim.now, 3, 9, "overflow").unwrap();
    sim.recorder.drop_numbers(sim.now, 3, 9, "overflow").unwrap();
    sim.send_all(10..12);
    sim.recorder.drop_numbers(sim.now, 0, 20, "no_camera").unwrap();
    assert_eq!(sim.recorder.settled_through(), Some(20));
    let recorded = sim.finish();
    let report = &recorded.report;
    let dropped = [("no_camera".to_owned(), 9), ("overflow".to_owned(), 7)];
    assert_eq!(report.dropped, dropped.into());
    assert_eq!((report.stored, report.missing, report.sent), (5, 0, 21));
    let gaps = recorded.markers.iter().map(|marker| (marker.cause.as_deref(), marker.count));
    assert_eq!(gaps.collect::<Vec<_>>(), [(Some("overflow"), Some(7)), (Some("no_camera"), Some(9))]);
}

#[test]
fn dropped_numbers_cost_nothing_however_many() {
    let mut sim = Sim::new();
    sim.send_all(0..3);
    for step in 0..5_000 {
        let cause = ["a", "b", "c", "d", "e", "f", "g", "h", "i"][step % 9].repeat(1 + step % 7);
        sim.recorder.drop_numbers(sim.now, 7 + 2 * step as u64, 7 + 2 * step as u64, &cause).unwrap();
    }
    sim.recorder.drop_numbers(sim.now, 0, Recorder::MAX_NUMBER, "overflow").unwrap();
    assert_eq!(sim.recorder.settled_through(), Some(Recorder::MAX_NUMBER));
    let report = sim.finish().report;
    assert_eq!(report.dropped.len(), 17, "16 causes are told apart, and `other`");
    assert_eq!(report.sent, Recorder::MAX_NUMBER + 1);
}

#[test]
fn a_run_that_cannot_be_dropped_is_refused() {
    let mut sim = Sim::new();
    sim.send_all(0..3);
    for (first, last, cause) in [
        (5, 4, "overflow"),
        (5, Recorder::MAX_NUMBER + 1, "overflow"),
        (5, 6, ""),
        (5, 6, "Two words"),
        (5, 6, "abcdefghijklmnopqrstuvwxyzabcdefg"),
    ] {
        let refused = sim.recorder.drop_numbers(sim.now, first, last, cause);
        assert_eq!(refused, Err(CommandError::BadRange { first, last }));
    }
    assert_eq!(sim.recorder.report().sent, 3);
    sim.finish();
}

#[test]
fn the_start_is_marked_behind_the_pre_roll() {
    let mut sim = Sim::new();
    sim.send_all(0..5);
    sim.recorder.mark_started(sim.now).unwrap();
    sim.send_all(5..9);
    let markers = sim.finish().markers;
    assert_eq!(
        markers.iter().map(|m| (m.kind, m.timestamp)).collect::<Vec<_>>(),
        [(MarkerKind::Started, at(0.4))]
    );
}

#[test]
fn markers_are_bounded() {
    let mut sim = Sim::with(RecorderConfig { max_markers: 2, ..RecorderConfig::default() });
    sim.send_all((0..40).step_by(2));
    sim.recorder.mark(sim.now, "a", None).unwrap();
    sim.recorder.mark(sim.now, "b", None).unwrap();
    let third = sim.recorder.mark(sim.now, "c", None);
    assert_eq!(third, Err(CommandError::TooManyMarkers { limit: 2 }));
    sim.recorder.pause(sim.now).unwrap();
    sim.recorder.resume(sim.now).unwrap();
    assert_eq!(sim.recorder.gap_count(), 19);
    let recorded = sim.finish();
    assert_eq!(recorded.markers.len(), 4);
    assert_eq!(recorded.report.missing, 19, "all are counted");
}

#[test]
fn images_of_a_chunk_are_one_object() {
    let mut sim = Sim::with(RecorderConfig { max_chunk_frames: 3, ..RecorderConfig::default() });
    for (n, image) in [(0, Some("")), (1, Some("one")), (2, None), (3, Some("three")), (4, Some("four"))] {
        sim.send_frame(IncomingFrame { image: image.map(Bytes::from), ..frame(n) }).unwrap();
    }
    sim.recorder.finish(sim.now).unwrap();
    let batches = sim.poll();
    let objects: Vec<_> = batches.iter().map(|batch| batch.images.clone().unwrap()).collect();
    assert_eq!(objects[0].name, "images/000000000000-2a94b2e9");
    assert_eq!(objects[1].name, "images/000000000003-f772c4b8");
    assert_eq!(&objects[1].bytes[..], b"threefour");
    assert_eq!(ImageObject::named_checksum(&objects[1].name), Some(0xf772c4b8), "CRC32C");
    let paths: Vec<_> = batches.iter().flat_map(|b| chunk_of(b).images().to_vec()).collect();
    let paths: Vec<_> = paths.iter().map(|i| (i.frame, i.image.to_string())).collect();
    assert_eq!(
        paths,
        [
            (1, "images/000000000000-2a94b2e9#0,3".to_owned()),
            (0, "images/000000000003-f772c4b8#0,5".to_owned()),
            (1, "images/000000000003-f772c4b8#5,4".to_owned()),
        ]
    );
}

#[test]
fn the_skeleton_may_become_known_later() {
    let mut recorder = Recorder::new(None, RecorderConfig::default()).unwrap();
    let nobody = |n| IncomingFrame { pose_data: PoseData::nobody(), ..frame(n) };
    recorder.handle_frame(MS, &mut nobody(0)).unwrap();
    recorder.handle_frame(MS, &mut nobody(1)).unwrap();
    assert_eq!(recorder.handle_frame(MS, &mut frame(2)), Err(FrameRefusal::UnknownSkeleton));
    recorder.set_skeleton(skeleton()).unwrap();
    recorder.set_skeleton(skeleton()).unwrap();
    let other = recorder.set_skeleton(Skeleton::preset("coco_17").unwrap());
    assert_eq!(other, Err(CommandError::SkeletonIsSet { skeleton: skeleton().name }));
    recorder.handle_frame(MS, &mut frame(3)).unwrap();
    recorder.handle_frame(MS, &mut nobody(4)).unwrap();
    recorder.finish(MS).unwrap();
    let batches: Vec<_> = std::iter::from_fn(|| recorder.poll_batch(MS)).collect();
    assert_eq!(batches.len(), 2);
    assert_eq!((chunk_of(&batches[0]).frame_count(), &batches[0].skeleton), (2, &None));
    assert_eq!(chunk_of(&batches[1]).layout(), &skeleton().layout());
    assert_eq!(batches[1].skeleton, Some(skeleton()));
    assert_eq!(batches[0].settled_through, Some(2));
}

#[test]
fn an_invalid_skeleton_is_refused() {
    let broken = Skeleton { name: "none".to_owned(), components: Vec::new() };
    assert!(Recorder::new(Some(broken.clone()), RecorderConfig::default()).is_err());
    let mut recorder = Recorder::new(None, RecorderConfig::default()).unwrap();
    assert!(matches!(recorder.set_skeleton(broken), Err(CommandError::BadSkeleton(_))));
    assert_eq!(recorder.skeleton(), None);
}

#[test]
fn a_chunk_is_cut_at_its_most_frames_and_bytes() {
    let mut sim = Sim::with(RecorderConfig { max_chunk_frames: 4, ..RecorderConfig::default() });
    sim.send_all(0..10);
    let counts: Vec<_> = sim.poll().iter().map(|b| (chunk_of(b).frame_count(), b.settled_through)).collect();
    assert_eq!(counts, [(4, Some(3)), (4, Some(7))]);

    let mut sim = Sim::with(RecorderConfig { max_chunk_bytes: 10_000, ..RecorderConfig::default() });
    for n in [0, 1, 3, 4, 5] {
        sim.send_frame(IncomingFrame { image: Some(vec![7; 4_000].into()), ..frame(n) }).unwrap();
    }
    sim.send_frame(IncomingFrame { image: Some(vec![7; 20_000].into()), ..frame(6) }).unwrap();
    sim.recorder.finish(sim.now).unwrap();
    let counts: Vec<_> = sim.poll().iter().map(|b| (chunk_of(b).frame_count(), b.settled_through)).collect();
    assert_eq!(counts, [(2, Some(1)), (2, Some(4)), (1, Some(5)), (1, Some(6))]);
}

#[test]
fn frames_are_turned_away_while_batches_are_not_polled() {
    let config =
        RecorderConfig { max_chunk_frames: 2, max_pending_bytes: 4_000, ..RecorderConfig::default() };
    let mut sim = Sim::with(config);
    let mut number = 0;
    while !sim.recorder.is_full() {
        sim.send(number).unwrap();
        number += 1;
    }
    let before = sim.recorder.report();
    let refused = sim.send(number);
    assert!(matches!(refused, Err(FrameRefusal::NotPolled { .. })));
    assert!(matches!(sim.recorder.new_numbering(sim.now), Err(CommandError::NotPolled { .. })));
    assert_eq!(sim.recorder.report(), before);
    sim.poll();
    sim.send(number).unwrap();
    assert_eq!(sim.finish().numbers, (0..=number).collect::<Vec<_>>());
}

#[test]
fn a_frame_beyond_the_limit_is_refused() {
    let mut sim = Sim::with(RecorderConfig { max_frame_bytes: 1_000, ..RecorderConfig::default() });
    let large = IncomingFrame { image: Some(vec![0; 1_000].into()), ..frame(0) };
    assert_eq!(sim.send_frame(large).unwrap_err().code(), "too_large");
    let high = IncomingFrame { number: Some(Recorder::MAX_NUMBER + 1), ..frame(0) };
    assert_eq!(sim.send_frame(high).unwrap_err().code(), "out_of_range");
    sim.send(1).unwrap();
    assert_eq!(sim.finish().settled_through, Some(1));
}

#[test]
fn the_end_of_time_is_a_refusal() {
    let mut sim = Sim::new();
    sim.send_frame(IncomingFrame { timestamp: Timestamp::MIN, ..frame(0) }).unwrap();
    let far = |n: u64, timestamp| IncomingFrame { number: Some((1 << 40) + n), timestamp, ..frame(1) };
    sim.send_frame(far(0, Timestamp::ZERO)).unwrap();
    sim.poll_after(250 * MS);
    assert_eq!(sim.recorder.duration(), Timestamp::MAX);
    assert_eq!(sim.send_frame(far(1, at(1.0))).unwrap_err().code(), "out_of_range");
    assert_eq!(sim.finish().report.refused["out_of_range"], 1);
}

#[test]
fn a_new_numbering_goes_on_in_the_same_session() {
    let mut sim = Sim::new();
    sim.send_all([50, 51, 53]);
    sim.recorder.new_numbering(sim.now).unwrap();
    let old = sim.poll();
    assert_eq!((old.len(), old[0].settled_through), (1, Some(53)), "what waits is stored");
    assert_eq!(sim.recorder.settled_through(), None);
    sim.send_frame(IncomingFrame { timestamp: at(5.5), ..frame(0) }).unwrap();
    sim.send_frame(IncomingFrame { timestamp: at(5.6), ..frame(1) }).unwrap();
    sim.recorder.new_numbering(sim.now).unwrap();
    sim.send_frame(IncomingFrame { timestamp: at(900.0), ..frame(7) }).unwrap();
    let recorded = sim.finish();
    assert_eq!(recorded.numbers, [50, 51, 53, 0, 1, 7]);
    assert_eq!(recorded.times, [0.0, 0.1, 0.3, 0.5, 0.6, 0.8], "a clock out of reach is a jump");
    assert_eq!(recorded.settled_through, Some(7));
    assert_eq!((recorded.report.missing, recorded.report.clock_jumps), (1, 1));
}

#[test]
fn an_interrupted_session_goes_on_where_it_was_stored() {
    let point = ResumePoint {
        skeleton: Some(skeleton()),
        frame_count: 30,
        duration: at(3.0),
        settled_through: Some(41),
    };
    let config = RecorderConfig { nominal_fps: Some(10.0), ..RecorderConfig::default() };
    let mut recorder = Recorder::reopen(point, config).unwrap();
    assert_eq!((recorder.frame_count(), recorder.settled_through()), (30, Some(41)));
    assert_eq!(recorder.handle_frame(MS, &mut frame(41)), Ok(Accepted::Duplicate { number: 41 }));
    let stored = Accepted::Stored { number: 42, frame_number: 30, timestamp: at(3.1) };
    assert_eq!(recorder.handle_frame(MS, &mut frame(42)), Ok(stored));
    recorder.handle_frame(MS, &mut frame(43)).unwrap();
    recorder.interrupt(MS).unwrap();
    let batch = recorder.poll_batch(MS).unwrap();
    assert_eq!((batch.settled_through, &batch.skeleton), (Some(43), &None));
    assert_eq!(chunk_of(&batch).timestamps(), [at(3.1), at(3.2)]);
    let gap = &batch.markers[0];
    assert_eq!((gap.timestamp, gap.cause.as_deref()), (at(3.0), Some("interrupted")));
}

#[test]
fn a_command_that_makes_no_sense_names_the_status() {
    let mut sim = Sim::new();
    let wrong = |command, status| Err(CommandError::WrongStatus { command, status });
    assert_eq!(sim.recorder.resume(sim.now), wrong("resume", SessionStatus::Recording));
    sim.recorder.pause(sim.now).unwrap();
    assert_eq!(sim.recorder.pause(sim.now), wrong("pause", SessionStatus::Paused));
    sim.recorder.fail(sim.now).unwrap();
    let failed = SessionStatus::Failed;
    assert_eq!(sim.recorder.pause(sim.now), wrong("pause", failed));
    assert_eq!(sim.recorder.resume(sim.now), wrong("resume", failed));
    assert_eq!(sim.recorder.finish(sim.now), wrong("finish", failed));
    assert_eq!(sim.recorder.interrupt(sim.now), wrong("interrupt", failed));
    assert_eq!(sim.recorder.new_numbering(sim.now), wrong("start a new numbering", failed));
    assert_eq!(sim.recorder.refuse(sim.now, None, "bad_json"), wrong("refuse a frame", failed));
    assert!(sim.recorder.mark(sim.now, "x", None).is_err());
    assert_eq!(sim.send(0), Err(FrameRefusal::NotRecording { status: failed }));
    assert_eq!(sim.recorder.report().received, 0);
    let message = sim.recorder.pause(sim.now).unwrap_err().to_string();
    assert_eq!(message, "can't pause: the recording is failed");
}

#[test]
fn a_clock_that_runs_backwards_stands_still() {
    let mut sim = Sim::new();
    sim.recorder.handle_frame(1000 * MS, &mut frame(0)).unwrap();
    sim.recorder.handle_frame(10 * MS, &mut frame(2)).unwrap();
    assert_eq!(sim.recorder.poll_batch(1249 * MS), None);
    assert_eq!(sim.recorder.poll_batch(1250 * MS).unwrap().settled_through, Some(2));
}

#[test]
fn a_synthetic_body_is_recorded_bit_for_bit() {
    let skeleton = Skeleton::preset("mediapipe_33").unwrap();
    let source = SyntheticPose::new(&skeleton, 30.0);
    let mut recorder = Recorder::new(Some(skeleton), RecorderConfig::default()).unwrap();
    let mut chunks = Vec::new();
    for n in 0..300 {
        let now = Duration::from_millis(33 * n);
        let (timestamp, pose_data) = source.frame(n);
        let mut frame = IncomingFrame { number: Some(n), timestamp, pose_data, image: None };
        recorder.handle_frame(now, &mut frame).unwrap();
        chunks.extend(std::iter::from_fn(|| recorder.poll_batch(now)).filter_map(|batch| batch.chunk));
    }
    recorder.finish(Duration::from_secs(10)).unwrap();
    chunks.extend(recorder.poll_batch(Duration::from_secs(10)).and_then(|batch| batch.chunk));
    assert!(chunks.iter().all(|chunk| chunk.frame_count() <= 9), "every 250 ms at 30 fps");
    for (n, frame) in (0..300).zip(Chunk::concat(&chunks).unwrap().frames()) {
        assert_eq!((frame.timestamp, frame.pose_data), source.frame(n));
    }
    assert!((recorder.report().frame_rate - 30.0).abs() < 0.001);
    assert!((recorder.frame_rate() - 30.0).abs() < 0.001);
}
