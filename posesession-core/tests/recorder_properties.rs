//! Any sequence of commands and frames keeps the recorder's promises, compared with a small straightforward model of the
//! numbering. `PROPTEST_CASES=20000` runs it for long.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]
#![expect(clippy::cast_possible_truncation, reason = "the numbers here are small")]

#[path = "recorder_properties/model.rs"]
mod model;

use std::collections::BTreeMap;
use std::time::Duration;

use posesession_core::{
    Accepted, Batch, Chunk, Codec, CommandError, Earlier, FrameRefusal, IncomingFrame, MarkerKind, PoseData,
    PreRoll, Recorder, RecorderConfig, SessionStatus, Skeleton, Timestamp, decode, encode,
};
use proptest::prelude::*;

use model::{Fate, Model, Outcome, Sent, weight};

const WINDOW: Duration = Duration::from_millis(250);
const MAX_REORDER_FRAMES: usize = 6;
const MAX_REORDER_BYTES: usize = 3_000;
const MAX_PENDING_BYTES: usize = 4_000;
const MAX_CHUNK_BYTES: usize = 2_000;
const MAX_FRAME_BYTES: usize = 1_500;

const PRE_ROLL_BYTES: usize = 6_000;
const CAUSES: [&str; 2] = ["overflow", "camera_gone"];

/// What one step of a run does.
#[derive(Debug, Clone)]
enum Op {
    /// Sends a new frame, its number relative to the last one sent; without number if `None`.
    Send {
        offset: Option<i64>,
        step_micros: i64,
        seen: bool,
        infinite: bool,
        image: usize,
    },
    /// Sends the frame that was sent this many frames ago once more.
    Repeat {
        ago: usize,
    },
    /// Refuses a frame for the recorder.
    Refuse {
        offset: Option<i64>,
    },
    /// Says that so many numbers won't come, the first of them relative to the last one sent.
    Drop {
        offset: i64,
        count: u64,
        cause: &'static str,
    },
    /// Starts to record with what came in so many last milliseconds.
    Start {
        pre_roll_ms: u64,
    },
    Pause,
    Resume,
    Mark {
        at_micros: Option<i64>,
    },
    NewNumbering,
    Poll,
    End(SessionStatus),
}

fn op() -> impl Strategy<Value = Op> {
    let offset = prop_oneof![
        12 => Just(Some(1)),
        3 => (-4_i64..8).prop_map(Some),
        1 => prop::sample::select(vec![Some(1_000), Some(1 << 52), Some(i64::MIN), Some(i64::MAX)]),
        2 => Just(None),
    ];
    let step = prop_oneof![
        12 => 20_000_i64..50_000,
        1 => -100_000_i64..100_000,
        1 => 4_900_000_i64..5_100_000,
        1 => prop::sample::select(vec![0, i64::MIN, i64::MAX, 12_000_000]),
    ];
    let send = (offset.clone(), step, 0..10_u32, prop_oneof![4 => Just(0), 1 => 0..1_600_usize]);
    prop_oneof![
        40 => send.prop_map(|(offset, step_micros, kind, image)| Op::Send {
            offset,
            step_micros,
            seen: kind > 1,
            infinite: kind == 9,
            image,
        }),
        4 => (0..20_usize).prop_map(|ago| Op::Repeat { ago }),
        2 => offset.prop_map(|offset| Op::Refuse { offset }),
        5 => (-4_i64..8, prop_oneof![8 => 1..5_u64, 1 => 0..40_u64], prop::sample::select(CAUSES.to_vec()))
            .prop_map(|(offset, count, cause)| Op::Drop { offset, count, cause }),
        2 => Just(Op::Pause),
        3 => Just(Op::Resume),
        2 => prop::option::of(any::<i64>()).prop_map(|at_micros| Op::Mark { at_micros }),
        1 => Just(Op::NewNumbering),
        12 => Just(Op::Poll),
    ]
}

fn run() -> impl Strategy<Value = Vec<(u64, Op)>> {
    let ends = prop::sample::select(vec![
        SessionStatus::Completed,
        SessionStatus::Interrupted,
        SessionStatus::Failed,
    ]);
    let tick = prop_oneof![6 => 0..40_u64, 1 => 0..400_u64];
    let start = prop_oneof![Just(0), 0..40_usize];
    (prop::collection::vec((tick, op()), 0..200), start, 0..2_000_u64, ends).prop_map(
        |(mut ops, start, pre_roll_ms, status)| {
            ops.insert(start.min(ops.len()), (5, Op::Start { pre_roll_ms }));
            ops.push((5, Op::End(status)));
            ops
        },
    )
}

fn skeleton() -> Skeleton {
    Skeleton::infer(2, 2).unwrap()
}

struct Sim {
    now: Duration,
    recorder: Recorder,
    model: Model,
    /// Every frame sent, for repeats.
    history: Vec<IncomingFrame>,
    last_number: u64,
    clock: Timestamp,
    batches: Vec<Batch>,
    /// How many frames the batches have.
    polled: usize,
    acknowledged: Option<u64>,
    saw_person: bool,
    /// What came before the recording; none once it goes on.
    earlier: Option<PreRoll>,
}

impl Sim {
    fn new() -> Self {
        let config = RecorderConfig {
            reorder_window: WINDOW,
            max_reorder_frames: MAX_REORDER_FRAMES,
            max_reorder_bytes: MAX_REORDER_BYTES,
            max_chunk_frames: 8,
            max_chunk_bytes: MAX_CHUNK_BYTES,
            max_frame_bytes: MAX_FRAME_BYTES,
            max_pending_bytes: MAX_PENDING_BYTES,
            ..RecorderConfig::default()
        };
        Self {
            now: Duration::ZERO,
            recorder: Recorder::new(None, config).unwrap(),
            model: Model::default(),
            history: Vec::new(),
            last_number: 500,
            clock: Timestamp::from_micros(1_700_000_000_000_000),
            batches: Vec::new(),
            polled: 0,
            acknowledged: None,
            saw_person: false,
            earlier: Some(PreRoll::new(Duration::from_secs(1), PRE_ROLL_BYTES)),
        }
    }

    fn start(&mut self, pre_roll: Duration) {
        let Some(mut earlier) = self.earlier.take() else { return };
        let kept = earlier.take(self.now, pre_roll);
        assert!(matches!(kept.first(), None | Some(Earlier::Frame(_))), "a frame comes first");
        kept.into_iter().for_each(|came| self.come(came));
        self.recorder.mark_started(self.now).unwrap();
    }

    /// Hands in what came, to the recorder or to what is kept for it.
    fn come(&mut self, came: Earlier) {
        if let Some(earlier) = &mut self.earlier {
            earlier.push(self.now, came);
            assert!(earlier.bytes() <= PRE_ROLL_BYTES, "memory is bounded");
            return;
        }
        match came {
            Earlier::Frame(frame) => self.send(frame),
            Earlier::Dropped { first, last, cause } => self.drop_numbers(first, last, &cause),
            Earlier::Refused { number, code } => self.refuse(number, code),
        }
    }

    fn refuse(&mut self, number: Option<u64>, code: &'static str) {
        self.recorder.refuse(self.now, number, code).unwrap();
        self.model.received += 1;
        let numbered = number.filter(|&n| n <= Recorder::MAX_NUMBER);
        self.model.without_number += u64::from(numbered.is_none());
        match numbered.map(|number| self.model.push(self.now, number, None)) {
            Some(Outcome::Late) => self.model.late += 1,
            _ => self.model.refused += 1,
        }
    }

    fn drop_numbers(&mut self, first: u64, last: u64, cause: &str) {
        if self.recorder.is_full() {
            let turned_away = self.recorder.drop_numbers(self.now, first, last, cause);
            let is_range = first <= last && last <= Recorder::MAX_NUMBER;
            assert_eq!(matches!(turned_away, Err(CommandError::NotPolled { .. })), is_range);
            self.poll();
        }
        match self.recorder.drop_numbers(self.now, first, last, cause) {
            Ok(()) => self.model.drop_numbers(self.now, first..=last, cause),
            Err(CommandError::BadRange { .. }) => assert!(first > last || last > Recorder::MAX_NUMBER),
            Err(refusal) => panic!("{first} to {last}: {refusal}"),
        }
    }

    fn step(&mut self, op: &Op) {
        self.model.advance(self.now);
        match *op {
            Op::Send { offset, step_micros, seen, infinite, image } => {
                self.clock = self.clock.plus_micros(step_micros);
                let number = offset.map(|offset| self.last_number.saturating_add_signed(offset));
                let mut values = vec![self.history.len() as f32; 4];
                if infinite {
                    values[3] = f32::INFINITY;
                }
                let frame = IncomingFrame {
                    number,
                    timestamp: self.clock,
                    pose_data: if seen { PoseData::one_person(values) } else { PoseData::nobody() },
                    image: (image > 0).then(|| vec![b'a' + (self.history.len() % 26) as u8; image].into()),
                };
                self.history.push(frame.clone());
                self.last_number = number.filter(|_| self.earlier.is_some()).unwrap_or(self.last_number);
                self.come(Earlier::Frame(frame));
            }
            Op::Repeat { ago } => match self.history.len().checked_sub(ago + 1) {
                Some(place) => self.come(Earlier::Frame(self.history[place].clone())),
                None => self.poll(),
            },
            Op::Refuse { offset } => {
                let number = offset.map(|offset| self.last_number.saturating_add_signed(offset));
                self.come(Earlier::Refused { number, code: "bad_json" });
            }
            Op::Drop { offset, count, cause } => {
                let first = self.last_number.saturating_add_signed(offset);
                let last = first.saturating_add(count).saturating_sub(1);
                self.come(Earlier::Dropped { first, last, cause: cause.into() });
            }
            Op::Start { pre_roll_ms } => self.start(Duration::from_millis(pre_roll_ms)),
            // Nothing is recorded yet, and another publisher's frames would be no pre-roll.
            _ if self.earlier.is_some() => {
                if matches!(op, Op::NewNumbering) {
                    self.earlier.as_mut().unwrap().clear();
                    self.last_number = 500;
                }
            }
            Op::Pause => {
                let was = self.recorder.status();
                let paused = self.recorder.pause(self.now);
                assert_eq!(paused.is_ok(), was == SessionStatus::Recording);
                if paused.is_ok() {
                    self.model.release_all();
                    self.model.pause_between = true;
                }
            }
            Op::Resume => {
                let was = self.recorder.status();
                assert_eq!(self.recorder.resume(self.now).is_ok(), was == SessionStatus::Paused);
            }
            Op::Mark { at_micros } => {
                let marker =
                    self.recorder.mark(self.now, "here", at_micros.map(Timestamp::from_micros)).unwrap();
                assert!(marker.timestamp >= Timestamp::ZERO);
                assert!(marker.timestamp <= self.recorder.duration().plus_micros(5_000_000));
            }
            Op::NewNumbering => {
                if self.recorder.is_full() {
                    self.poll();
                }
                self.recorder.new_numbering(self.now).unwrap();
                self.model.start_numbering();
                self.poll();
                self.acknowledged = None;
                self.last_number = 500;
            }
            Op::Poll => self.poll(),
            Op::End(status) => {
                let ended = match status {
                    SessionStatus::Completed => self.recorder.finish(self.now),
                    SessionStatus::Interrupted => self.recorder.interrupt(self.now),
                    _ => self.recorder.fail(self.now),
                };
                ended.unwrap();
                assert_eq!(self.recorder.status(), status);
                self.model.release_all();
                self.poll();
            }
        }
        let frames = MAX_REORDER_BYTES + MAX_PENDING_BYTES + MAX_CHUNK_BYTES + 2 * MAX_FRAME_BYTES;
        // A batch counts 512 bytes of its own; what waited may have closed one a frame.
        let most = frames + 512 * (MAX_REORDER_FRAMES + 2);
        assert!(self.recorder.buffered_bytes() <= most, "memory is bounded");
        assert_eq!(self.recorder.settled_through(), self.model.settled_through());
    }

    fn send(&mut self, frame: IncomingFrame) {
        if !self.saw_person && !frame.pose_data.values.is_empty() {
            self.recorder.set_skeleton(skeleton()).unwrap();
            self.saw_person = true;
        }
        let before = self.recorder.report().received;
        let was_full = self.recorder.is_full();
        let mut sent = frame.clone();
        let mut outcome = self.recorder.handle_frame(self.now, &mut sent);
        assert_eq!(was_full, matches!(outcome, Err(FrameRefusal::NotPolled { .. })));
        if was_full {
            assert_eq!(self.recorder.report().received, before, "a frame turned away is not counted");
            assert_eq!(sent, frame, "and left as it is");
            self.poll();
            outcome = self.recorder.handle_frame(self.now, &mut sent);
        }
        let model = &mut self.model;
        model.received += 1;
        let Some(number) = model.assign(frame.number) else {
            model.refused += 1;
            model.without_number += 1;
            assert!(matches!(outcome, Err(FrameRefusal::NumberTooHigh { .. })));
            return;
        };
        if self.recorder.status() == SessionStatus::Paused {
            self.last_number = number;
            // What is known already came before the pause, or is sent again in it; or it comes too late in any case.
            if model.is_given_up(number) {
                model.late += 1;
                assert_eq!(outcome, Err(FrameRefusal::Late { number }));
            } else if matches!(model.push(self.now, number, None), Outcome::Late) {
                model.duplicate += 1;
                assert_eq!(outcome, Ok(Accepted::Duplicate { number }));
            } else {
                model.paused += 1;
                assert_eq!(outcome, Ok(Accepted::Paused { number }));
            }
            return;
        }
        let sent = Sent { frame, number };
        let infinite = sent.frame.pose_data.values.iter().any(|value| value.is_infinite());
        if infinite || weight(&sent) > MAX_FRAME_BYTES || self.recorder.duration() == Timestamp::MAX {
            let numbered = sent.frame.number.is_some();
            if numbered && matches!(model.push(self.now, number, None), Outcome::Late) {
                model.late += 1;
            } else {
                model.refused += 1;
                model.without_number += u64::from(!numbered);
            }
            assert!(["non_finite", "too_large", "out_of_range"].contains(&outcome.unwrap_err().code()));
            return;
        }
        self.last_number = number;
        let expected = model.push(self.now, number, Some(sent));
        match expected {
            Outcome::Duplicate => model.duplicate += 1,
            Outcome::Conflict => model.conflict += 1,
            Outcome::Late => model.late += 1,
            Outcome::Stored | Outcome::Waiting => {}
        }
        let got = match outcome {
            Ok(Accepted::Stored { .. }) => Outcome::Stored,
            Ok(Accepted::Waiting { .. }) => Outcome::Waiting,
            Ok(Accepted::Duplicate { .. }) => Outcome::Duplicate,
            Err(FrameRefusal::Conflict { .. }) => Outcome::Conflict,
            Err(FrameRefusal::Late { .. }) => Outcome::Late,
            other => panic!("frame {number} came to {other:?}"),
        };
        assert_eq!(got, expected, "frame {number}");
    }

    fn poll(&mut self) {
        while let Some(batch) = self.recorder.poll_batch(self.now) {
            self.check(&batch);
            self.batches.push(batch);
        }
        assert!(self.recorder.next_deadline().is_none_or(|deadline| deadline > self.now), "all is polled");
    }

    /// Checks what a batch says against the model, which is as far or further.
    fn check(&mut self, batch: &Batch) {
        let only_settles = Batch { settled_through: batch.settled_through, ..Batch::default() };
        assert!(
            *batch != only_settles || batch.settled_through > self.acknowledged,
            "a batch says something new"
        );
        if let Some(chunk) = &batch.chunk {
            assert_eq!(chunk.first_frame(), self.polled as u64, "frames are numbered without holes");
            assert!(chunk.frame_count() <= 8);
            let sent = &self.model.stored[self.polled..self.polled + chunk.frame_count()];
            let bytes: usize = sent.iter().map(weight).sum();
            assert!(bytes <= MAX_CHUNK_BYTES || sent.len() == 1, "{bytes} bytes in a chunk");
            for frame in chunk.frames() {
                let sent = &self.model.stored[self.polled];
                assert_eq!(frame.pose_data, sent.frame.pose_data, "frames are in the order of their numbers");
                let image = frame.image.map(|image| {
                    let object = batch.images.as_ref().expect("the images are in the batch");
                    assert_eq!(object.name, image.object);
                    let start = usize::try_from(image.offset).unwrap();
                    object.bytes.slice(start..start + image.length as usize)
                });
                assert_eq!(image, sent.frame.image);
                self.polled += 1;
            }
            let encoded = encode(chunk, Codec::Raw).unwrap();
            assert_eq!(&decode(&encoded.header, &encoded.payload).unwrap(), chunk);
        }
        let settled = batch.settled_through;
        assert!(settled >= self.acknowledged, "acknowledgements rise");
        self.acknowledged = settled;
        let Some(settled) = settled else { return };
        for (number, fate) in &self.model.fates {
            if let Fate::Stored(place) = fate {
                assert_eq!(*number <= settled, *place < self.polled, "number {number} at ack {settled}");
            }
        }
        assert!(self.model.next > settled, "an acknowledged number is settled");
    }

    fn check_all(&self) {
        let chunks: Vec<Chunk> = self.batches.iter().filter_map(|batch| batch.chunk.clone()).collect();
        let times: Vec<Timestamp> = chunks.iter().flat_map(|chunk| chunk.timestamps().to_vec()).collect();
        assert_eq!(times.len(), self.model.stored.len());
        assert_eq!(self.recorder.frame_count(), times.len() as u64);
        assert!(times.first().is_none_or(|&first| first == Timestamp::ZERO));
        let mut jumps = 0;
        for place in 1..times.len() {
            let step = times[place].micros_since(times[place - 1]);
            assert!(step > 0, "timestamps strictly increase");
            let (before, after) = (&self.model.stored[place - 1], &self.model.stored[place]);
            let sent = after.frame.timestamp.micros_since(before.frame.timestamp);
            if self.model.breaks.contains(&place) {
                assert!(step <= 5_000_000);
                continue;
            }
            let passed = i64::try_from(after.number - before.number).unwrap();
            let real = sent > 0
                && sent <= passed.saturating_mul(5_000_000)
                && times[place - 1].as_micros() + sent <= Timestamp::MAX.as_micros();
            if real {
                assert_eq!(step, sent, "a step of the streamer's clock is kept");
            } else {
                assert!(step <= 5_000_000);
                jumps += 1;
            }
        }
        if !chunks.is_empty() {
            Chunk::concat(&chunks).unwrap();
        }
        let report = self.recorder.report();
        let model = &self.model;
        let refused: u64 = report.refused.values().sum();
        assert_eq!(report.received, model.received);
        assert_eq!(report.stored, model.stored.len() as u64);
        assert_eq!(
            (report.late, report.duplicate, report.conflict, refused, report.paused),
            (model.late, model.duplicate, model.conflict, model.refused, model.paused)
        );
        assert_eq!((report.missing, report.missing_in_pauses), (model.missing, model.missing_in_pauses));
        let counted =
            report.stored + report.late + report.duplicate + report.conflict + refused + report.paused;
        assert_eq!(report.received, counted, "every frame is counted once");
        assert!(report.clock_jumps >= jumps);
        assert_eq!(report.sent, model.sent(), "every number has a cause");
        assert_eq!(report.dropped, model.dropped);
        let markers = self.batches.iter().flat_map(|batch| &batch.markers);
        let mut lost: BTreeMap<String, u64> = report.dropped.clone();
        lost.extend((report.missing > 0).then(|| ("missing".to_owned(), report.missing)));
        let mut told = BTreeMap::new();
        for gap in markers.clone().filter(|marker| marker.kind == MarkerKind::Gap) {
            *told.entry(gap.cause.clone().unwrap()).or_default() += gap.count.unwrap();
        }
        assert_eq!(told, lost, "every lost number is in a gap of its cause");
        let started = markers.clone().filter(|marker| marker.kind == MarkerKind::Started).count();
        assert_eq!(started, 1, "the start is marked");
        let marked = markers.filter(|m| m.kind == MarkerKind::ClockJump).count();
        assert_eq!(marked as u64, report.clock_jumps);
        let skeletons = self.batches.iter().filter(|batch| batch.skeleton.is_some()).count();
        assert_eq!(skeletons, usize::from(self.saw_person), "the skeleton is told once");
    }
}

proptest! {
    #[test]
    fn any_sequence_of_commands_and_frames_keeps_the_promises(run in run()) {
        let mut sim = Sim::new();
        for (tick_ms, op) in &run {
            sim.now += Duration::from_millis(*tick_ms);
            sim.step(op);
        }
        sim.check_all();
    }
}
