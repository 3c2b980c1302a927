//! What holds for every replay, whatever the session, its chunks and the commands.

#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "tests stop at the first surprise, and their numbers are small"
)]

#[path = "support/cursor_sim.rs"]
mod cursor_sim;

use std::collections::BTreeSet;
use std::time::Duration;

use cursor_sim::{Shown, Sim, at, micros};
use posesession_core::{
    ChunkQuery, CursorOutput, LoopMode, PlaybackRange, PlaybackState, PlaybackStatus, SeekMode, SeekTarget,
    Timestamp,
};
use proptest::prelude::*;

/// Timestamps that increase by intervals from a microsecond to a gap of minutes.
fn timestamps(frames: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Timestamp>> {
    let interval = prop_oneof![
        6 => 10_000..50_000_i64,
        2 => Just(33_333_i64),
        1 => 1..10_i64,
        1 => 100_000..300_000_000_i64,
    ];
    prop::collection::vec(interval, frames).prop_map(|intervals| {
        let mut now = 0;
        let mut timestamps: Vec<_> = intervals
            .iter()
            .map(|interval| {
                now += interval;
                micros(now - intervals[0])
            })
            .collect();
        timestamps.dedup();
        timestamps
    })
}

fn cuts(frames: u64) -> impl Strategy<Value = BTreeSet<u64>> {
    prop_oneof![
        (1..=frames.max(1)).prop_map(move |n| (0..frames.max(1)).step_by(n as usize).collect()),
        prop::collection::btree_set(0..frames.max(1), 0..12),
    ]
    .prop_map(|mut cuts: BTreeSet<u64>| {
        cuts.insert(0);
        cuts
    })
}

/// A finished session in some chunks.
fn session(frames: std::ops::Range<usize>) -> impl Strategy<Value = Sim> {
    timestamps(frames).prop_flat_map(|timestamps| {
        let count = timestamps.len() as u64;
        cuts(count).prop_map(move |cuts| Sim::new(timestamps.clone(), 1).with_cuts(cuts))
    })
}

fn rates() -> impl Strategy<Value = f64> {
    prop_oneof![Just(1.0), Just(-1.0), 0.01..16.0_f64, -16.0..-0.01_f64, Just(16.0), Just(-16.0)]
}

#[derive(Debug, Clone)]
enum Op {
    Play(Option<f64>),
    Pause,
    SetRate(f64),
    SeekTime(i64, SeekMode),
    SeekFrame(u64),
    SeekFraction(f64),
    Step(i64),
    SetRange(Option<(i64, i64)>, LoopMode),
    Wait(u64),
    WaitAsTold,
    GoBack(u64),
    Serve,
    ServeAhead,
    Fail,
    FailAhead,
    PushStale(ChunkQuery),
    PushWrong(u64),
    Record(u64, bool),
    Recompact(BTreeSet<u64>),
}

fn seek_mode() -> impl Strategy<Value = SeekMode> {
    prop_oneof![Just(SeekMode::Before), Just(SeekMode::Nearest), Just(SeekMode::Exact)]
}

fn any_rate() -> impl Strategy<Value = f64> {
    prop_oneof![6 => rates(), 1 => any::<f64>(), 1 => Just(0.0), 1 => Just(1e-300)]
}

fn op(frames: u64, duration: i64) -> impl Strategy<Value = Op> {
    let moment = -10..duration + 10;
    prop_oneof![
        3 => prop::option::of(any_rate()).prop_map(Op::Play),
        1 => Just(Op::Pause),
        2 => any_rate().prop_map(Op::SetRate),
        2 => (moment.clone(), seek_mode()).prop_map(|(t, mode)| Op::SeekTime(t, mode)),
        2 => (0..frames + 2).prop_map(Op::SeekFrame),
        1 => (-0.1..1.1_f64).prop_map(Op::SeekFraction),
        2 => prop_oneof![-3..4_i64, any::<i64>()].prop_map(Op::Step),
        2 => (
            prop::option::of((moment.clone(), moment)),
            prop_oneof![Just(LoopMode::None), Just(LoopMode::Loop), Just(LoopMode::PingPong)],
        )
            .prop_map(|(range, mode)| Op::SetRange(range, mode)),
        3 => prop_oneof![0..100_000_u64, 0..1_000_000_000_u64].prop_map(Op::Wait),
        12 => Just(Op::WaitAsTold),
        1 => (0..1_000_000_u64).prop_map(Op::GoBack),
        10 => Just(Op::Serve),
        5 => Just(Op::ServeAhead),
        1 => Just(Op::Fail),
        1 => Just(Op::FailAhead),
        1 => (0..frames + 1).prop_map(|n| Op::PushStale(ChunkQuery::Frame(n))),
        1 => (0..duration + 1).prop_map(|t| Op::PushStale(ChunkQuery::Time(micros(t)))),
        1 => (0..frames + 1).prop_map(Op::PushWrong),
        2 => (0..frames + 1, prop::bool::weighted(0.8)).prop_map(|(n, live)| Op::Record(n, live)),
        1 => cuts(frames).prop_map(Op::Recompact),
    ]
}

/// A session, live or not, and what is done to its replay.
fn story() -> impl Strategy<Value = (Sim, Vec<Op>)> {
    timestamps(0..40).prop_flat_map(|timestamps| {
        let count = timestamps.len() as u64;
        let duration = timestamps.last().map_or(0, |last| last.as_micros());
        let parts =
            (cuts(count), any::<bool>(), 0..=count, prop::collection::vec(op(count, duration), 1..80));
        parts.prop_map(move |(cuts, live, stored, ops)| {
            let stored = if live { stored } else { count };
            (Sim::with_stored(timestamps.clone(), 1, stored, live).with_cuts(cuts), ops)
        })
    })
}

/// Polls until there is nothing more to do at this moment, and checks what comes.
fn drain(sim: &mut Sim, last: &mut Option<Shown>) -> CursorOutput {
    for _ in 0..16 {
        let output = sim.poll();
        match &output {
            CursorOutput::Frame(_) => {
                let shown = sim.shown.last().unwrap().clone();
                check_frame(sim, &shown, last.as_ref());
                *last = Some(shown);
            }
            CursorOutput::StateChanged(state) => {
                check_state(sim, state);
                if let [.., (_, before), (_, after)] = sim.states.as_slice() {
                    assert_ne!(before, after, "a change is a change");
                }
            }
            CursorOutput::SeekFailed(_) => {}
            wait => {
                if let CursorOutput::WaitUntil(later) = wait {
                    assert!(*later > sim.now && *later <= sim.now.max(*later) + CursorOutput::MAX_WAIT);
                }
                assert_eq!(&sim.poll(), wait, "a poll with nothing to do changes nothing");
                check_state(sim, &sim.state());
                assert!(sim.chunks_held() <= 3);
                return output;
            }
        }
    }
    panic!("the cursor spins: {:?}", sim.cursor);
}

fn check_state(sim: &Sim, state: &PlaybackState) {
    let extent = sim.cursor.extent();
    assert!((Timestamp::ZERO..=extent.duration).contains(&state.timestamp), "{state:?} of {extent:?}");
    assert!(state.frame_number.is_none_or(|n| n < extent.frame_count), "{state:?} of {extent:?}");
    assert!(state.rate != 0.0 && state.rate.abs() <= 16.0);
    let mut answered = sim.states.iter().map(|(_, s)| s.epoch);
    assert!(answered.all(|epoch| epoch <= state.epoch), "epochs never go back");
}

fn check_frame(sim: &Sim, shown: &Shown, last: Option<&Shown>) {
    let state = sim.state();
    assert_eq!(shown.epoch, state.epoch, "no frame of an old epoch");
    let (_, announced) = sim.states.last().unwrap();
    assert_eq!(announced.epoch, state.epoch, "the epoch is announced before its frames");
    assert_eq!(shown.timestamp, sim.timestamps[shown.frame as usize]);
    assert_eq!(state.frame_number, Some(shown.frame));
    let is_forwards = state.rate > 0.0;
    if let Some(last) = last.filter(|last| last.epoch == shown.epoch) {
        let is_in_order = if is_forwards { shown.frame > last.frame } else { shown.frame < last.frame };
        assert!(is_in_order, "in the order of play: {last:?} {shown:?}");
    }
    // After a seek that failed, the frame comes again, wherever in it the position is.
    if sim.failed_seeks.is_empty() {
        let is_due =
            if is_forwards { state.timestamp >= shown.timestamp } else { state.timestamp <= shown.timestamp };
        assert!(is_due, "not before it is due: {shown:?} at {state:?}");
    }
}

fn apply(sim: &mut Sim, op: &Op, output: &CursorOutput) {
    let now = sim.now;
    let epoch = sim.state().epoch;
    // What is refused changes nothing, which `drain` notices by what comes next.
    match op {
        Op::Play(rate) => drop(sim.cursor.play(now, *rate)),
        Op::Pause => sim.cursor.pause(now),
        Op::SetRate(rate) => drop(sim.cursor.set_rate(now, *rate)),
        Op::SeekTime(t, mode) => {
            let done = sim.cursor.seek(now, SeekTarget::Timestamp(micros(*t)), *mode);
            assert_eq!(sim.state().epoch, epoch + u32::from(done.is_ok()));
        }
        Op::SeekFrame(n) => {
            let done = sim.cursor.seek(now, SeekTarget::Frame(*n), SeekMode::Before);
            assert_eq!(done.is_ok(), *n < sim.cursor.extent().frame_count);
        }
        Op::SeekFraction(part) => drop(sim.cursor.seek(now, SeekTarget::Fraction(*part), SeekMode::Before)),
        Op::Step(frames) => drop(sim.cursor.step(now, *frames)),
        Op::SetRange(range, mode) => {
            let range = range.map(|(start, end)| PlaybackRange { start: micros(start), end: micros(end) });
            drop(sim.cursor.set_range(now, range, *mode));
        }
        Op::Wait(micros) => sim.now += at(*micros),
        Op::WaitAsTold => {
            if let CursorOutput::WaitUntil(later) = output {
                sim.now = *later;
            }
        }
        // The cursor must not mind; the simulation's own time goes on.
        Op::GoBack(micros) => {
            let before = sim.state();
            let _ = sim.cursor.state(now.saturating_sub(at(*micros)));
            sim.cursor.extend(now.saturating_sub(at(*micros)), sim.cursor.extent());
            assert_eq!(sim.state(), before);
        }
        Op::Serve => {
            if let CursorOutput::NeedChunk(query) = output {
                sim.serve(*query);
            }
        }
        Op::ServeAhead => sim.serve_read_ahead(),
        Op::Fail => {
            if let CursorOutput::NeedChunk(query) = output {
                sim.cursor.fail_chunk(now, *query, "failed");
                assert!(matches!(sim.status(), PlaybackStatus::Paused | PlaybackStatus::Ended));
            }
        }
        Op::FailAhead => {
            if let Some(query) = sim.cursor.wanted() {
                sim.cursor.fail_chunk(now, query, "failed ahead");
            }
            assert!(sim.cursor.wanted().is_none());
        }
        Op::PushStale(query) => {
            if let Some(chunk) = sim.covering_chunk(*query) {
                sim.cursor.push_chunk(now, *query, chunk).unwrap();
            }
        }
        Op::PushWrong(n) => {
            if let (Some(chunk), CursorOutput::NeedChunk(query)) =
                (sim.covering_chunk(ChunkQuery::Frame(*n)), output)
            {
                // It may cover the query all the same.
                drop(sim.cursor.push_chunk(now, *query, chunk));
            }
        }
        Op::Record(stored, live) => sim.record(*stored, *live),
        Op::Recompact(cuts) => sim.cuts.clone_from(cuts),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_calls_keeps_the_promises((mut sim, ops) in story()) {
        let mut last = None;
        let mut output = drain(&mut sim, &mut last);
        for op in &ops {
            apply(&mut sim, op, &output);
            output = drain(&mut sim, &mut last);
        }
    }

    #[test]
    fn after_any_sequence_of_calls_a_served_replay_plays_to_its_end((mut sim, ops) in story()) {
        let mut last = None;
        let mut output = drain(&mut sim, &mut last);
        for op in &ops {
            apply(&mut sim, op, &output);
            output = drain(&mut sim, &mut last);
        }
        sim.record(u64::MAX, false);
        sim.cursor.set_range(sim.now, None, LoopMode::None).unwrap();
        sim.cursor.play(sim.now, Some(1.0)).unwrap();
        let (mut polls, frames) = (0, sim.timestamps.len());
        let limit = 20 + 4 * frames + 10 * sim.cuts.len() + 310 * frames / 3600;
        loop {
            match sim.poll() {
                CursorOutput::Ended => break,
                CursorOutput::WaitUntil(later) => {
                    sim.serve_read_ahead();
                    sim.now = later;
                }
                CursorOutput::NeedChunk(query) => sim.serve(query),
                CursorOutput::Paused | CursorOutput::WaitForMore => panic!("it plays: {:?}", sim.cursor),
                _ => {}
            }
            polls += 1;
            assert!(polls <= limit, "{polls} polls for {frames} frames: {:?}", sim.cursor);
        }
        prop_assert_eq!(sim.status(), PlaybackStatus::Ended);
        let last = sim.timestamps.last().copied().unwrap_or_default();
        prop_assert_eq!(sim.state().timestamp, last);
        prop_assert_eq!(sim.state().frame_number, (frames as u64).checked_sub(1));
    }

    #[test]
    fn play_time_equals_recorded_time_at_every_rate(mut sim in session(1..60), rate in rates()) {
        sim.settle();
        if rate < 0.0 {
            sim.seek_frame(sim.timestamps.len() as u64 - 1);
            sim.settle();
        }
        let first = sim.state().timestamp;
        let start = sim.now;
        if sim.timestamps.len() > 1 {
            sim.shown.clear();
            sim.cursor.play(sim.now, Some(rate)).unwrap();
            prop_assert_eq!(sim.run_out(), CursorOutput::Ended);
        }
        let ideal = |t: Timestamp| t.micros_since(first).unsigned_abs() as f64 / rate.abs();
        let late = |now: Duration, t| (now - start).as_micros() as f64 - ideal(t);
        for shown in &sim.shown {
            let late = late(shown.now, shown.timestamp);
            prop_assert!((-1e-3..=1.0 + 1e-3).contains(&late), "{late} us late: {shown:?}");
        }
        let end = sim.state().timestamp;
        prop_assert!((-1e-3..=1.0 + 1e-3).contains(&late(sim.now, end)), "the end");
        // Only what shares its microsecond with a later frame is left out.
        let due = |t| ideal(t).ceil();
        let shown: BTreeSet<u64> = sim.shown.iter().map(|shown| shown.frame).collect();
        for (n, &t) in sim.timestamps.iter().enumerate() {
            let next = if rate > 0.0 { sim.timestamps.get(n + 1) } else { n.checked_sub(1).map(|n| &sim.timestamps[n]) };
            let is_shared = next.is_some_and(|&next| due(next) - due(t) <= 1.0);
            prop_assert!(t == first || is_shared || shown.contains(&(n as u64)), "{n} is left out");
        }
    }

    #[test]
    fn a_late_poll_shows_the_newest_due_frame(
        mut sim in session(1..60), rate in rates(), waits in prop::collection::vec(0..300_000_u64, 1..40),
    ) {
        sim.settle();
        sim.cursor.play(sim.now, Some(rate)).unwrap();
        sim.settle();
        for wait in waits {
            sim.shown.clear();
            sim.chunks_asked_for = 0;
            sim.now += at(wait);
            sim.settle();
            let state = sim.state();
            let scan = if rate > 0.0 {
                sim.timestamps.iter().rposition(|&t| t <= state.timestamp)
            } else {
                sim.timestamps.iter().position(|&t| t >= state.timestamp)
            };
            prop_assert_eq!(state.frame_number, scan.map(|n| n as u64));
            // One of the chunks at hand, and one of each chunk that was only asked for then.
            prop_assert!(sim.shown.len() <= 1 + sim.chunks_asked_for, "{:?}", sim.shown);
        }
    }

    #[test]
    fn a_seek_lands_where_a_linear_scan_does(
        mut sim in session(1..60), part in -0.1..1.1_f64, off in -3..=3_i64, mode in seek_mode(), rate in rates(),
    ) {
        sim.settle();
        sim.cursor.set_rate(sim.now, rate).unwrap();
        let duration = sim.timestamps[sim.timestamps.len() - 1].as_micros();
        // Near a frame as often as anywhere.
        let anywhere = (duration as f64 * part) as i64;
        let near = sim.timestamps[sim.last_at_or_before(micros(anywhere)).unwrap() as usize].as_micros() + off;
        for t in [anywhere, near] {
            let scan = |distance: &dyn Fn(i64) -> Option<i64>| {
                let found = sim.timestamps.iter().enumerate().filter_map(|(n, s)| Some((distance(s.as_micros())?, n)));
                found.min().map(|(_, n)| n as u64)
            };
            let expected = match mode {
                SeekMode::Before => scan(&|s| (s <= t).then_some(t - s)).or(Some(0)),
                SeekMode::Nearest => scan(&|s| Some((t - s).abs())),
                SeekMode::Exact => scan(&|s| (s == t).then_some(0)),
            };
            let before = sim.state();
            sim.shown.clear();
            sim.failed_seeks.clear();
            let done = sim.cursor.seek(sim.now, SeekTarget::Timestamp(micros(t)), mode);
            sim.settle();
            prop_assert_eq!(done.is_ok() && sim.failed_seeks.is_empty(), expected.is_some());
            let frame = expected.or(before.frame_number).unwrap();
            prop_assert_eq!(sim.state().frame_number, Some(frame));
            prop_assert_eq!(sim.state().timestamp, sim.timestamps[frame as usize]);
            prop_assert_eq!(sim.shown.len(), usize::from(done.is_ok()), "its frame comes once");
        }
    }

    #[test]
    fn a_seek_needs_three_chunks_at_most(mut sim in session(1..60), part in 0.0..1.0_f64, mode in seek_mode()) {
        sim.settle();
        sim.reads_ahead = false;
        sim.chunks_asked_for = 0;
        sim.cursor.seek(sim.now, SeekTarget::Fraction(part), mode).unwrap();
        sim.settle();
        prop_assert!(sim.chunks_asked_for <= 2 + usize::from(!sim.failed_seeks.is_empty()));
    }

    #[test]
    fn play_and_pause_at_any_time_add_up(
        mut sim in session(2..40), rate in rates(), spells in prop::collection::vec((0..200_000_u64, 0..200_000_u64), 1..30),
    ) {
        sim.settle();
        if rate < 0.0 {
            sim.seek_frame(sim.timestamps.len() as u64 - 1);
            sim.settle();
        }
        let first = sim.state().timestamp;
        let mut played = 0;
        for (play, pause) in &spells {
            sim.cursor.play(sim.now, Some(rate)).unwrap();
            sim.run(at(*play));
            if sim.status() == PlaybackStatus::Ended {
                return Ok(());
            }
            sim.cursor.pause(sim.now);
            sim.run(at(*pause));
            played += play;
        }
        let exact = played as f64 * rate.abs();
        let position = sim.state().timestamp.micros_since(first).unsigned_abs() as f64;
        prop_assert!((exact - position).abs() <= spells.len() as f64 + 1.0, "{position} instead of {exact}");
    }
}
