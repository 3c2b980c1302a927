//! Any sequence of commands and frames keeps the recorder's promises, compared with a small straightforward model of the
//! numbering. `PROPTEST_CASES=20000` runs it for long.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]
#![expect(clippy::cast_possible_truncation, reason = "the numbers here are small")]

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use posesession_core::{
    Accepted, Batch, Chunk, Codec, FrameRefusal, IncomingFrame, MarkerKind, PoseData, Recorder,
    RecorderConfig, SessionStatus, Skeleton, Timestamp, decode, encode,
};
use proptest::prelude::*;

const WINDOW: Duration = Duration::from_millis(250);
const MAX_REORDER_FRAMES: usize = 6;
const MAX_REORDER_BYTES: usize = 3_000;
const MAX_PENDING_BYTES: usize = 4_000;
const MAX_CHUNK_BYTES: usize = 2_000;
const MAX_FRAME_BYTES: usize = 1_500;

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
    (prop::collection::vec((tick, op()), 0..200), ends).prop_map(|(mut ops, status)| {
        ops.push((5, Op::End(status)));
        ops
    })
}

/// What a number was settled with.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    /// The stored frame of this place.
    Stored(usize),
    /// Refused, sent while paused, or missing.
    Not,
}

/// A frame as the model remembers it.
#[derive(Debug, Clone, PartialEq)]
struct Sent {
    frame: IncomingFrame,
    number: u64,
}

/// The numbering, written down as simply as it can be said: a list of what waits, a map of what is settled.
#[derive(Debug, Default)]
struct Model {
    first: Option<u64>,
    next: u64,
    highest: Option<u64>,
    waiting: Vec<(u64, Duration, Option<Sent>)>,
    fates: BTreeMap<u64, Fate>,
    stored: Vec<Sent>,
    /// Places in `stored` before which another numbering or a pause lies.
    breaks: Vec<usize>,
    pause_between: bool,
    received: u64,
    late: u64,
    duplicate: u64,
    conflict: u64,
    refused: u64,
    paused: u64,
    missing: u64,
    missing_in_pauses: u64,
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Stored,
    Waiting,
    Duplicate,
    Conflict,
    Late,
}

impl Model {
    /// Lets everything go ahead whose turn it is.
    fn advance(&mut self, now: Duration) {
        loop {
            self.waiting.sort_by_key(|&(number, ..)| number);
            let Some(&(lowest, ..)) = self.waiting.first() else { return };
            let bytes: usize = self.waiting.iter().map(|(.., sent)| sent.as_ref().map_or(0, weight)).sum();
            let expired = self.waiting.iter().any(|&(_, arrived, _)| arrived + WINDOW <= now);
            let overflow = self.waiting.len() > MAX_REORDER_FRAMES || bytes > MAX_REORDER_BYTES;
            if lowest != self.next && !expired && !overflow {
                return;
            }
            self.release_lowest();
        }
    }

    fn release_lowest(&mut self) {
        let (number, _, sent) = self.waiting.remove(0);
        let missing = number - self.next;
        if self.pause_between {
            self.missing_in_pauses += missing;
        } else {
            self.missing += missing;
        }
        self.settle(number, sent);
    }

    fn release_all(&mut self) {
        self.waiting.sort_by_key(|&(number, ..)| number);
        while !self.waiting.is_empty() {
            self.release_lowest();
        }
    }

    fn settle(&mut self, number: u64, sent: Option<Sent>) {
        let fate = match sent {
            Some(sent) => {
                if std::mem::take(&mut self.pause_between) {
                    self.breaks.push(self.stored.len());
                }
                self.stored.push(sent);
                Fate::Stored(self.stored.len() - 1)
            }
            None => Fate::Not,
        };
        self.fates.insert(number, fate);
        self.next = number + 1;
    }

    fn assign(&self, number: Option<u64>) -> Option<u64> {
        let number = number.or(self.highest.map_or(Some(0), |highest| highest.checked_add(1)))?;
        (number <= Recorder::MAX_NUMBER).then_some(number)
    }

    /// Takes a number with its frame, or with none if it is settled without one.
    fn push(&mut self, now: Duration, number: u64, sent: Option<Sent>) -> Outcome {
        if self.first.is_none() {
            self.first = Some(number);
            self.next = number;
        }
        let waits = self.waiting.iter().find(|&&(n, ..)| n == number).map(|(.., sent)| sent);
        let known = match (waits, self.fates.get(&number)) {
            (Some(waits), _) => Some(waits.as_ref()),
            (None, Some(Fate::Stored(place))) => Some(Some(&self.stored[*place])),
            (None, Some(Fate::Not)) => Some(None),
            (None, None) if number < self.next => Some(None),
            (None, None) => None,
        };
        if let Some(known) = known {
            return match (known, &sent) {
                (Some(known), Some(sent)) if content(known) == content(sent) => Outcome::Duplicate,
                (Some(_), Some(_)) => Outcome::Conflict,
                _ => Outcome::Late,
            };
        }
        self.highest = self.highest.max(Some(number));
        let stores = number == self.next;
        if stores {
            self.settle(number, sent);
        } else {
            self.waiting.push((number, now, sent));
        }
        self.advance(now);
        if stores { Outcome::Stored } else { Outcome::Waiting }
    }

    fn settled_through(&self) -> Option<u64> {
        self.first?;
        self.next.checked_sub(1).filter(|_| !self.fates.is_empty())
    }

    fn start_numbering(&mut self) {
        self.release_all();
        self.breaks.push(self.stored.len());
        self.first = None;
        self.highest = None;
        self.fates.clear();
    }
}

fn content(sent: &Sent) -> (Timestamp, &PoseData, Option<&Bytes>) {
    (sent.frame.timestamp, &sent.frame.pose_data, sent.frame.image.as_ref())
}

fn weight(sent: &Sent) -> usize {
    let pose = &sent.frame.pose_data;
    160 + 4 * (pose.values.len() + pose.track_ids.len()) + sent.frame.image.as_ref().map_or(0, Bytes::len)
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
                self.send(frame);
            }
            Op::Repeat { ago } => match self.history.len().checked_sub(ago + 1) {
                Some(place) => self.send(self.history[place].clone()),
                None => self.poll(),
            },
            Op::Refuse { offset } => {
                let number = offset.map(|offset| self.last_number.saturating_add_signed(offset));
                self.recorder.refuse(self.now, number, "bad_json").unwrap();
                self.model.received += 1;
                let numbered = number.filter(|&n| n <= Recorder::MAX_NUMBER);
                match numbered.map(|number| self.model.push(self.now, number, None)) {
                    Some(Outcome::Late) => self.model.late += 1,
                    _ => self.model.refused += 1,
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
            assert!(matches!(outcome, Err(FrameRefusal::NumberTooHigh { .. })));
            return;
        };
        if self.recorder.status() == SessionStatus::Paused {
            self.last_number = number;
            // What is known already came before the pause, or is sent again in it.
            if matches!(model.push(self.now, number, None), Outcome::Late) {
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
        let markers = self.batches.iter().flat_map(|batch| &batch.markers);
        let missing: u64 =
            markers.clone().filter(|m| m.kind == MarkerKind::Gap).map(|m| m.count.unwrap_or_default()).sum();
        assert_eq!(missing, report.missing, "every missing number is in a gap");
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
