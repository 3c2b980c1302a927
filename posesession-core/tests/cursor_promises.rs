//! What a replay cursor promises, one test a promise, in virtual time.

#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tests stop at the first surprise, and their numbers are small"
)]

#[path = "support/cursor_sim.rs"]
mod cursor_sim;

use std::sync::Arc;
use std::time::Duration;

use cursor_sim::{Sim, at, micros};
use posesession_core::{
    Chunk, ChunkQuery, CursorError, CursorOutput, Layout, LoopMode, PlaybackRange, PlaybackState,
    PlaybackStatus, PoseData, ReplayCursor, SeekMode, SeekTarget, SessionExtent, Timestamp,
};

use PlaybackStatus::{Buffering, Ended, Paused, Playing};

fn range(start: i64, end: i64) -> Option<PlaybackRange> {
    Some(PlaybackRange { start: micros(start), end: micros(end) })
}

/// Plays, without serving anything, until a chunk is needed.
fn poll_until_needed(sim: &mut Sim, query: ChunkQuery) {
    for _ in 0..1000 {
        match sim.poll() {
            CursorOutput::WaitUntil(later) => sim.now = later,
            CursorOutput::NeedChunk(needed) => return assert_eq!(needed, query),
            _ => {}
        }
    }
    panic!("{query:?} is never needed");
}

#[test]
fn a_replay_starts_paused_and_shows_the_first_frame() {
    let mut sim = Sim::regular(10, 4);
    assert_eq!(sim.settle(), CursorOutput::Paused);
    assert_eq!(sim.take_shown(), [0]);
    assert_eq!(
        sim.states,
        [(
            sim.now,
            PlaybackState {
                status: Paused,
                timestamp: Timestamp::ZERO,
                frame_number: Some(0),
                rate: 1.0,
                epoch: 0,
                cause: None
            }
        )]
    );
    sim.now += at(10_000_000);
    assert_eq!(sim.settle(), CursorOutput::Paused, "and stands");
    assert!(sim.take_shown().is_empty());
}

#[test]
fn every_frame_is_shown_when_it_is_due_at_every_rate() {
    for rate in [1.0, 0.25, 3.0, 16.0] {
        let mut sim = Sim::regular(50, 7);
        sim.settle();
        let start = sim.now;
        sim.cursor.play(sim.now, Some(rate)).unwrap();
        assert_eq!(sim.run_out(), CursorOutput::Ended);
        let numbers: Vec<u64> = sim.shown.iter().map(|shown| shown.frame).collect();
        assert_eq!(numbers, (0..50).collect::<Vec<_>>());
        for shown in &sim.shown[1..] {
            let due = shown.timestamp.as_micros() as f64 / rate;
            assert_eq!((shown.now - start).as_micros(), due.ceil() as u128, "{shown:?}");
        }
        assert_eq!(sim.take_statuses(), [Paused, Playing, Ended]);
    }
}

#[test]
fn playing_backwards_shows_every_frame_when_its_timestamp_is_reached() {
    let mut sim = Sim::regular(20, 6);
    sim.settle();
    sim.seek_frame(19);
    sim.settle();
    sim.take_shown();
    let start = sim.now;
    sim.cursor.play(sim.now, Some(-2.0)).unwrap();
    assert_eq!(sim.run_out(), CursorOutput::Ended);
    let due: Vec<_> = (0..19).rev().map(|n| (n, start + at((19 - n) * 50_000))).collect();
    assert_eq!(sim.shown.iter().map(|s| (s.frame, s.now)).collect::<Vec<_>>(), due);
    assert_eq!(sim.state().timestamp, Timestamp::ZERO);
}

#[test]
fn late_frames_are_skipped_and_never_queued() {
    let mut sim = Sim::regular(100, 64);
    sim.settle();
    sim.cursor.play(sim.now, None).unwrap();
    sim.settle();
    sim.take_shown();
    sim.now += at(1_250_000);
    sim.settle();
    assert_eq!(sim.take_shown(), [12]);
    assert_eq!(sim.state().timestamp, micros(1_250_000));
}

#[test]
fn an_hour_of_play_does_not_drift() {
    for fps in [30.0, 59.94] {
        let frames = (3600.0 * fps) as i64;
        let timestamps: Vec<_> = (0..=frames).map(|n| micros((n as f64 * 1e6 / fps) as i64)).collect();
        let (count, last) = (timestamps.len(), timestamps[timestamps.len() - 1]);
        let mut sim = Sim::new(timestamps, 256);
        sim.settle();
        let start = sim.now;
        sim.cursor.play(sim.now, None).unwrap();
        assert_eq!(sim.run_out(), CursorOutput::Ended);
        assert_eq!(sim.shown.len(), count);
        assert_eq!((sim.now - start).as_micros(), last.as_micros() as u128);
        assert!(
            sim.shown[1..].iter().all(|s| (s.now - start).as_micros() == s.timestamp.as_micros() as u128)
        );
    }
}

#[test]
fn an_hour_of_turns_does_not_drift() {
    let mut sim = Sim::regular(100, 16);
    sim.cursor.set_range(sim.now, range(1_000_000, 4_000_000), LoopMode::Loop).unwrap();
    sim.settle();
    sim.seek_frame(10);
    sim.settle();
    let start = sim.now;
    sim.cursor.play(sim.now, Some(0.7)).unwrap();
    sim.run(Duration::from_secs(3601));
    let turns = (3601.0 * 0.7 / 3.0_f64).floor();
    assert_eq!(f64::from(sim.state().epoch) - 1.0, turns);
    let last_turn = sim.states.iter().rev().find(|(_, s)| s.timestamp == micros(1_000_000)).unwrap();
    let exact = turns * 3_000_000.0 / 0.7;
    assert!(
        ((last_turn.0 - start).as_micros() as f64 - exact).abs() <= turns,
        "a microsecond a turn at most"
    );
}

#[test]
fn read_ahead_keeps_a_missing_chunk_from_ever_being_due() {
    let mut sim = Sim::regular(60, 5);
    sim.settle();
    sim.cursor.play(sim.now, None).unwrap();
    sim.run_out();
    assert_eq!(sim.take_statuses(), [Paused, Playing, Ended]);
    assert_eq!(sim.chunks_asked_for, 12, "and each chunk is asked for once");
}

#[test]
fn a_missing_due_chunk_stops_the_clock_until_it_comes() {
    let mut sim = Sim::regular(10, 4);
    sim.reads_ahead = false;
    sim.settle();
    sim.cursor.play(sim.now, None).unwrap();
    poll_until_needed(&mut sim, ChunkQuery::Frame(4));
    assert_eq!(sim.poll(), CursorOutput::NeedChunk(ChunkQuery::Frame(4)), "it is asked for again");
    assert_eq!(
        (sim.status(), sim.state().timestamp),
        (Buffering, micros(350_000)),
        "half an interval after the last frame at hand"
    );
    sim.now += at(2_000_000);
    assert_eq!(sim.state().timestamp, micros(350_000));
    sim.take_shown();
    let resumed = sim.now;
    sim.run_out();
    assert_eq!((sim.shown[0].frame, sim.shown[0].now), (4, resumed + at(50_000)));
    assert_eq!(sim.take_shown(), [4, 5, 6, 7, 8, 9]);
}

#[test]
fn a_clock_that_stood_unnoticed_is_announced() {
    let mut sim = Sim::regular(10, 4);
    sim.settle();
    sim.cursor = ReplayCursor::new(sim.extent(false));
    sim.reads_ahead = false;
    sim.settle();
    sim.cursor.play(sim.now, None).unwrap();
    sim.settle();
    // The read-ahead comes a second after it was due, and nobody polled in between.
    let wanted = sim.cursor.wanted().unwrap();
    sim.now += at(1_300_000);
    sim.states.clear();
    sim.serve(wanted);
    sim.settle();
    assert_eq!(sim.states.len(), 1);
    assert_eq!((sim.states[0].1.status, sim.states[0].1.timestamp), (Playing, micros(350_000)));
}

#[test]
fn a_failed_chunk_pauses_with_its_cause_and_play_tries_again() {
    let mut sim = Sim::regular(10, 4);
    sim.reads_ahead = false;
    sim.settle();
    sim.cursor.play(sim.now, None).unwrap();
    let query = ChunkQuery::Frame(4);
    poll_until_needed(&mut sim, query);
    sim.cursor.fail_chunk(sim.now, query, "the disk is on fire");
    assert_eq!(sim.settle(), CursorOutput::Paused);
    let (_, state) = sim.states.last().unwrap();
    assert_eq!((state.status, state.cause.as_deref()), (Paused, Some("the disk is on fire")));
    sim.now += at(5_000_000);
    assert_eq!(sim.settle(), CursorOutput::Paused);
    sim.cursor.play(sim.now, None).unwrap();
    assert_eq!(sim.run_out(), CursorOutput::Ended);
    assert_eq!(sim.state().cause, None);
    assert_eq!(sim.take_shown(), (0..10).collect::<Vec<_>>());
}

#[test]
fn a_seek_whose_chunk_fails_is_tried_again_by_play_or_another_seek() {
    let mut sim = Sim::regular(10, 4);
    sim.settle();
    let seek = |sim: &mut Sim| {
        sim.seek_frame(9);
        poll_until_needed(sim, ChunkQuery::Frame(9));
        assert!(sim.cursor.is_seeking());
        sim.cursor.fail_chunk(sim.now, ChunkQuery::Frame(9), "gone");
        assert_eq!(sim.settle(), CursorOutput::Paused);
        let (_, state) = sim.states.last().unwrap();
        assert_eq!((state.epoch, state.cause.as_deref()), (1, Some("gone")));
        assert!(!sim.cursor.is_seeking(), "whoever waits for the seek is answered");
        sim.take_shown();
    };
    seek(&mut sim);
    sim.cursor.play(sim.now, None).unwrap();
    assert_eq!(sim.run_out(), CursorOutput::Ended);
    assert_eq!(sim.take_shown(), [9]);
    let mut sim = Sim::regular(10, 4);
    seek(&mut sim);
    sim.seek_frame(2);
    sim.settle();
    assert_eq!((sim.take_shown(), sim.state().cause), (vec![2], None));
}

#[test]
fn a_failed_read_ahead_disturbs_nothing_until_it_is_due() {
    let mut sim = Sim::regular(10, 4);
    sim.reads_ahead = false;
    sim.settle();
    let wanted = sim.cursor.wanted().unwrap();
    assert_eq!(wanted, ChunkQuery::Frame(4));
    sim.cursor.fail_chunk(sim.now, wanted, "a hiccup");
    assert!(sim.cursor.wanted().is_none(), "it isn't asked for in a circle");
    sim.cursor.play(sim.now, None).unwrap();
    sim.settle();
    sim.cursor.fail_chunk(sim.now, wanted, "a hiccup");
    assert_eq!(sim.run_out(), CursorOutput::Ended);
    assert!(sim.states.iter().all(|(_, state)| state.cause.is_none()));
}

#[test]
fn a_seek_while_paused_shows_its_frame_once_in_a_new_epoch() {
    let mut sim = Sim::regular(40, 8);
    sim.settle();
    sim.take_statuses();
    sim.shown.clear();
    sim.seek_micros(2_345_678, SeekMode::Before);
    assert!(sim.cursor.is_seeking());
    assert_eq!(sim.settle(), CursorOutput::Paused);
    sim.settle();
    assert!(!sim.cursor.is_seeking());
    assert_eq!((sim.shown.len(), sim.shown[0].frame, sim.shown[0].epoch), (1, 23, 1));
    let (_, state) = &sim.states[0];
    assert_eq!((state.frame_number, state.timestamp, state.epoch), (Some(23), micros(2_300_000), 1));
    assert_eq!(sim.states.len(), 1, "the viewer is told where it landed, once");
    sim.seek_frame(23);
    sim.settle();
    assert_eq!((sim.shown.len(), sim.shown[1].epoch), (2, 2), "the same place again is a seek, too");
}

#[test]
fn a_seek_while_playing_plays_on_from_where_it_lands() {
    let mut sim = Sim::regular(100, 8);
    sim.settle();
    sim.cursor.play(sim.now, None).unwrap();
    sim.run(at(550_000));
    sim.take_shown();
    let sought = sim.now;
    sim.seek_frame(50);
    sim.run(at(250_000));
    let shown: Vec<_> = sim.shown.iter().map(|s| (s.frame, s.now - sought, s.epoch)).collect();
    assert_eq!(shown, [(50, at(0), 1), (51, at(100_000), 1), (52, at(200_000), 1)]);
}

#[test]
fn of_several_seeks_the_last_one_lands() {
    let mut sim = Sim::regular(100, 8);
    sim.settle();
    sim.take_shown();
    for frame in [90, 50, 70, 30] {
        sim.seek_frame(frame);
        sim.poll();
    }
    sim.settle();
    assert_eq!((sim.take_shown(), sim.state().epoch), (vec![30], 4));
}

#[test]
fn seeks_land_before_nearest_or_exactly() {
    let mut sim = Sim::regular(40, 8);
    sim.settle();
    for (micros, mode, frame) in [
        (760_000, SeekMode::Before, 7),
        (760_000, SeekMode::Nearest, 8),
        (750_000, SeekMode::Nearest, 7),
        (800_000, SeekMode::Exact, 8),
        (-5, SeekMode::Before, 0),
        (i64::MAX, SeekMode::Before, 39),
        (i64::MAX, SeekMode::Nearest, 39),
    ] {
        sim.seek_micros(micros, mode);
        sim.settle();
        assert_eq!(sim.state().frame_number, Some(frame), "{micros} {mode:?}");
    }
    sim.cursor.seek(sim.now, SeekTarget::Fraction(0.5), SeekMode::Before).unwrap();
    sim.settle();
    assert_eq!(sim.state().frame_number, Some(19));
}

#[test]
fn an_exact_seek_that_hits_no_frame_says_so_and_changes_nothing() {
    let mut sim = Sim::regular(40, 8);
    sim.settle();
    sim.cursor.play(sim.now, None).unwrap();
    sim.run(at(1_030_000));
    sim.take_shown();
    sim.seek_micros(3_000_001, SeekMode::Exact);
    sim.settle();
    assert_eq!(sim.failed_seeks, [CursorError::FrameNotFound { timestamp: micros(3_000_001) }]);
    assert_eq!((sim.status(), sim.state().timestamp), (Playing, micros(1_030_000)));
    assert_eq!(sim.take_shown(), [10], "the frame comes again, in the new epoch");
    sim.run(at(70_000));
    sim.settle();
    assert_eq!(sim.take_shown(), [11]);
    let beyond = sim.cursor.seek(sim.now, SeekTarget::Timestamp(micros(3_900_001)), SeekMode::Exact);
    assert_eq!(beyond, Err(CursorError::FrameNotFound { timestamp: micros(3_900_001) }));
}

#[test]
fn what_is_out_of_range_is_an_error_that_changes_nothing() {
    let mut sim = Sim::regular(10, 4);
    sim.settle();
    let before = sim.state();
    let now = sim.now;
    let seek = sim.cursor.seek(now, SeekTarget::Frame(10), SeekMode::Before);
    assert_eq!(seek, Err(CursorError::FrameOutOfRange { frame_number: 10, frame_count: 10 }));
    for fraction in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        let seek = sim.cursor.seek(now, SeekTarget::Fraction(fraction), SeekMode::Before);
        assert!(matches!(seek, Err(CursorError::FractionOutOfRange { .. })));
    }
    for rate in [0.0, -0.0, 16.1, -17.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(sim.cursor.set_rate(now, rate), Err(CursorError::BadRate { .. })));
        assert!(matches!(sim.cursor.play(now, Some(rate)), Err(CursorError::BadRate { .. })));
    }
    for bad in [range(5, 5), range(6, 5), range(900_001, 1_000_000), range(-9, -5)] {
        let set = sim.cursor.set_range(now, bad, LoopMode::Loop);
        assert!(matches!(set, Err(CursorError::BadRange { .. })));
    }
    assert_eq!((sim.state(), sim.settle()), (before, CursorOutput::Paused));
}

#[test]
fn a_chunk_that_does_not_cover_the_query_is_an_error_and_is_still_needed() {
    let mut sim = Sim::regular(10, 4);
    poll_until_needed(&mut sim, ChunkQuery::Frame(0));
    let wrong = sim.covering_chunk(ChunkQuery::Frame(5)).unwrap();
    let empty = Arc::new(Chunk::new(0, Layout::default()));
    let pushed = sim.cursor.push_chunk(sim.now, ChunkQuery::Frame(0), wrong);
    let refused =
        CursorError::ChunkDoesNotCover { query: ChunkQuery::Frame(0), first_frame: 4, frame_count: 4 };
    assert_eq!(pushed, Err(refused));
    assert!(sim.cursor.push_chunk(sim.now, ChunkQuery::Frame(0), empty).is_err());
    let mut far = Chunk::new(u64::MAX - 1, Layout::default());
    far.push(Timestamp::ZERO, &PoseData::nobody()).unwrap();
    assert!(sim.cursor.push_chunk(sim.now, ChunkQuery::Frame(0), Arc::new(far)).is_err());
    assert_eq!(sim.poll(), CursorOutput::NeedChunk(ChunkQuery::Frame(0)));
}

#[test]
fn a_change_of_rate_keeps_the_position() {
    let mut sim = Sim::regular(100, 16);
    sim.settle();
    sim.cursor.play(sim.now, None).unwrap();
    sim.run(at(1_234_567));
    for rate in [2.0, -1.0, 0.5, -16.0, 1.0] {
        let before = sim.state();
        sim.cursor.set_rate(sim.now, rate).unwrap();
        assert_eq!(sim.state(), PlaybackState { rate, ..before });
    }
    sim.states.clear();
    sim.cursor.set_rate(sim.now, -1.0).unwrap();
    sim.cursor.set_rate(sim.now, -1.0).unwrap();
    sim.settle();
    assert_eq!(sim.states.len(), 1, "a change is announced once");
    sim.take_shown();
    sim.run(at(300_000));
    assert_eq!(sim.take_shown(), [11, 10], "backwards, frame 12 is on show already");
}

#[test]
fn a_pause_within_a_frame_leaves_the_rest_of_it_for_later() {
    let mut sim = Sim::regular(100, 16);
    sim.settle();
    sim.cursor.play(sim.now, None).unwrap();
    sim.run(at(130_000));
    sim.cursor.pause(sim.now);
    sim.cursor.pause(sim.now);
    assert_eq!(sim.run(at(5_000_000)), CursorOutput::Paused);
    assert_eq!((sim.status(), sim.state().timestamp), (Paused, micros(130_000)));
    sim.take_shown();
    sim.cursor.play(sim.now, None).unwrap();
    assert_eq!(sim.settle(), CursorOutput::WaitUntil(sim.now + at(70_000)));
    assert_eq!(sim.take_shown(), [0; 0]);
}

#[test]
fn steps_pause_and_show_one_frame_each() {
    let mut sim = Sim::regular(20, 4);
    sim.settle();
    sim.cursor.play(sim.now, None).unwrap();
    sim.run(at(750_000));
    sim.take_shown();
    for (frames, expected) in [(1, 8), (1, 9), (-3, 6), (0, 6), (100, 19), (1, 19), (i64::MIN, 0), (-1, 0)] {
        sim.cursor.step(sim.now, frames).unwrap();
        assert_eq!(sim.settle(), CursorOutput::Paused);
        assert_eq!((sim.take_shown(), sim.status()), (vec![expected], Paused));
    }
    sim.seek_micros(1_050_000, SeekMode::Before);
    sim.cursor.step(sim.now, 2).unwrap();
    sim.cursor.step(sim.now, -1).unwrap();
    sim.settle();
    assert_eq!(sim.take_shown(), [11], "steps count from where the seek lands");
}

#[test]
fn the_end_is_no_trap() {
    let mut sim = Sim::regular(6, 4);
    sim.settle();
    sim.cursor.play(sim.now, None).unwrap();
    assert_eq!(sim.run_out(), CursorOutput::Ended);
    assert_eq!(sim.settle(), CursorOutput::Ended);
    sim.cursor.pause(sim.now);
    assert_eq!(sim.status(), Ended);
    sim.take_shown();
    sim.cursor.play(sim.now, None).unwrap();
    assert_eq!(sim.run_out(), CursorOutput::Ended);
    assert_eq!(sim.take_shown(), [0, 1, 2, 3, 4, 5], "play starts again");
    sim.cursor.play(sim.now, Some(-1.0)).unwrap();
    assert_eq!(sim.run_out(), CursorOutput::Ended);
    assert_eq!(sim.take_shown(), [5, 4, 3, 2, 1, 0], "backwards at the end");
    sim.seek_frame(3);
    assert_eq!(sim.settle(), CursorOutput::Paused);
    assert_eq!(sim.take_shown(), [3], "a seek works");
    sim.cursor.play(sim.now, None).unwrap();
    assert_eq!(sim.run_out(), CursorOutput::Ended);
    assert_eq!(sim.take_shown(), [2, 1, 0]);
    sim.cursor.step(sim.now, 1).unwrap();
    assert_eq!(sim.settle(), CursorOutput::Paused);
    assert_eq!(sim.take_shown(), [1], "and so does a step");
}

#[test]
fn play_at_the_end_starts_again_also_when_paused_there() {
    let mut sim = Sim::regular(6, 4);
    sim.settle();
    sim.seek_frame(5);
    sim.settle();
    sim.take_shown();
    sim.cursor.play(sim.now, None).unwrap();
    sim.run_out();
    assert_eq!(sim.take_shown(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn a_range_is_played_from_its_first_frame_to_its_end() {
    let mut sim = Sim::regular(40, 8);
    sim.settle();
    sim.take_shown();
    sim.cursor.set_range(sim.now, range(1_150_000, 1_450_000), LoopMode::None).unwrap();
    sim.settle();
    assert_eq!(sim.take_shown(), [12], "the position was outside");
    let start = sim.now;
    sim.cursor.play(sim.now, None).unwrap();
    assert_eq!(sim.run_out(), CursorOutput::Ended);
    assert_eq!((sim.take_shown(), sim.now - start), (vec![13, 14], at(250_000)));
    assert_eq!(sim.state().timestamp, micros(1_450_000));
    sim.cursor.play(sim.now, Some(-1.0)).unwrap();
    assert_eq!(sim.run_out(), CursorOutput::Ended);
    assert_eq!(sim.take_shown(), [14, 13, 12]);
    assert_eq!(sim.state().timestamp, micros(1_150_000));
}

#[test]
fn a_loop_goes_on_at_the_other_end_without_buffering() {
    let mut sim = Sim::regular(40, 3);
    sim.cursor.set_range(sim.now, range(500_000, 1_200_000), LoopMode::Loop).unwrap();
    sim.settle();
    sim.seek_frame(5);
    sim.settle();
    sim.take_shown();
    sim.states.clear();
    let start = sim.now;
    sim.cursor.play(sim.now, None).unwrap();
    sim.run(at(1_500_000));
    sim.settle();
    let shown: Vec<_> = sim.shown.iter().map(|s| (s.frame, (s.now - start).as_millis())).collect();
    let turn = |k: u128| (5..=12).map(move |n| (n, k * 700 + u128::from(n - 5) * 100));
    let expected: Vec<_> = turn(0).skip(1).chain(turn(1)).chain(turn(2).take(2)).collect();
    assert_eq!(shown, expected);
    assert!(sim.take_statuses().iter().all(|&status| status == Playing));
    sim.cursor.set_rate(sim.now, -1.0).unwrap();
    sim.take_shown();
    sim.run(at(350_000));
    assert_eq!(sim.take_shown(), [5, 12, 11, 10], "backwards, too");
}

#[test]
fn a_late_poll_finds_the_right_place_of_the_right_turn() {
    for (mode, expected) in [(LoopMode::Loop, [7, 8]), (LoopMode::PingPong, [7, 6])] {
        let mut sim = Sim::regular(20, 20);
        sim.settle();
        sim.cursor.set_range(sim.now, range(500_000, 1_000_000), mode).unwrap();
        sim.settle();
        sim.cursor.play(sim.now, None).unwrap();
        sim.settle();
        // Seven turns and 240 ms late: an odd number of turns, so that ping-pong comes back.
        sim.now += at(7 * 500_000 + 240_000);
        sim.settle();
        let place = if mode == LoopMode::Loop { 740_000 } else { 760_000 };
        assert_eq!(sim.state().timestamp, micros(place));
        let last = sim.shown.last().unwrap().frame;
        assert_eq!(last, if mode == LoopMode::Loop { 7 } else { 8 });
        sim.take_shown();
        sim.run(at(110_000));
        assert_eq!(sim.take_shown().first(), Some(&if mode == LoopMode::Loop { 8 } else { expected[0] }));
    }
}

#[test]
fn ping_pong_turns_round_at_both_ends() {
    let mut sim = Sim::regular(5, 2);
    sim.settle();
    sim.cursor.set_range(sim.now, None, LoopMode::PingPong).unwrap();
    sim.cursor.play(sim.now, None).unwrap();
    sim.run(at(1_250_000));
    assert_eq!(sim.take_shown(), [0, 1, 2, 3, 4, 3, 2, 1, 0, 1, 2, 3, 4]);
    let rates: Vec<f64> = sim.states.iter().map(|(_, s)| s.rate).collect();
    assert_eq!(rates, [1.0, 1.0, -1.0, 1.0, -1.0], "and each turn is announced");
    assert_eq!(sim.state().epoch, 0, "a turn round is no seek");
}

#[test]
fn a_turn_too_short_to_see_ends_instead_of_spinning() {
    for mode in [LoopMode::Loop, LoopMode::PingPong] {
        let mut sim = Sim::regular(1, 1);
        sim.cursor.set_range(sim.now, None, mode).unwrap();
        sim.settle();
        sim.cursor.play(sim.now, None).unwrap();
        assert_eq!(sim.run_out(), CursorOutput::Ended, "one frame");
        let mut sim = Sim::regular(100, 9);
        sim.cursor.set_range(sim.now, range(1_000_000, 1_000_001), mode).unwrap();
        sim.settle();
        sim.cursor.play(sim.now, Some(16.0)).unwrap();
        assert_eq!(sim.run_out(), CursorOutput::Ended, "a microsecond");
    }
}

#[test]
fn a_session_without_frames_can_be_played_and_is_over() {
    let mut sim = Sim::regular(0, 1);
    assert_eq!(sim.settle(), CursorOutput::Paused);
    assert_eq!(sim.states[0].1.frame_number, None);
    sim.cursor.play(sim.now, None).unwrap();
    assert_eq!(sim.settle(), CursorOutput::Ended);
    sim.cursor.play(sim.now, Some(-1.0)).unwrap();
    assert_eq!(sim.settle(), CursorOutput::Ended);
    let seek = sim.cursor.seek(sim.now, SeekTarget::Timestamp(Timestamp::ZERO), SeekMode::Before);
    assert_eq!(seek, Err(CursorError::NoFrames));
    assert_eq!(sim.cursor.step(sim.now, 1), Err(CursorError::NoFrames));
    assert!(sim.shown.is_empty() && sim.chunks_asked_for == 0);
}

#[test]
fn a_session_of_one_frame_shows_it_and_is_over() {
    let mut sim = Sim::regular(1, 1);
    sim.settle();
    sim.cursor.play(sim.now, None).unwrap();
    assert_eq!(sim.run_out(), CursorOutput::Ended);
    assert!(sim.take_shown().iter().all(|&n| n == 0));
}

fn live(stored: u64) -> Sim {
    Sim::with_stored((0..100).map(|n| micros(n * 100_000)).collect(), 5, stored, true)
}

#[test]
fn a_live_session_is_followed_to_its_end() {
    let mut sim = live(0);
    assert_eq!(sim.settle(), CursorOutput::Paused);
    sim.cursor.play(sim.now, None).unwrap();
    assert_eq!(sim.settle(), CursorOutput::WaitForMore);
    assert_eq!(sim.state().cause.as_deref(), Some(PlaybackState::LIVE_END));
    let start = sim.now;
    for n in 1..=20 {
        sim.record(n * 5, true);
        // Batches come with a jitter of 60 ms.
        sim.run(at(n * 500_000 + (n * 37) % 60 * 1000) - (sim.now - start));
    }
    let behind = sim.now - start - at(sim.state().timestamp.as_micros() as u64);
    assert!(behind <= at(700_000), "a batch, an interval and the jitter at most: {behind:?}");
    assert_eq!(sim.run_out(), CursorOutput::WaitForMore);
    assert_eq!(sim.take_shown(), (0..100).collect::<Vec<_>>());
    let statuses = sim.take_statuses();
    let stops = statuses.iter().filter(|&&status| status == Buffering).count();
    assert!(stops <= 6, "it stops while it learns the jitter, not at each batch: {statuses:?}");
    sim.record(100, false);
    assert_eq!(sim.settle(), CursorOutput::Ended);
    assert_eq!(sim.take_statuses(), [Ended]);
}

#[test]
fn the_clock_stands_at_the_live_end() {
    let mut sim = live(10);
    sim.settle();
    sim.cursor.play(sim.now, Some(4.0)).unwrap();
    assert_eq!(sim.run_out(), CursorOutput::WaitForMore);
    sim.now += at(60_000_000);
    assert_eq!((sim.status(), sim.state().timestamp), (Buffering, micros(900_000)));
    sim.take_shown();
    sim.record(20, true);
    let resumed = sim.now;
    assert_eq!(sim.run_out(), CursorOutput::WaitForMore);
    assert_eq!((sim.shown[0].frame, sim.shown[0].now - resumed), (10, at(25_000)));
    assert_eq!(sim.take_shown(), (10..20).collect::<Vec<_>>());
    assert_eq!(sim.take_statuses(), [Paused, Playing, Buffering, Playing, Buffering]);
    sim.cursor.set_rate(sim.now, -1.0).unwrap();
    assert_eq!(sim.run_out(), CursorOutput::Ended, "back from the live end to the start");
}

#[test]
fn a_session_that_grows_while_paused_is_played_to_its_new_end() {
    let mut sim = live(10);
    sim.settle();
    sim.record(30, true);
    sim.record(20, true);
    assert_eq!(sim.cursor.extent().frame_count, 30, "an older extent shrinks nothing");
    sim.cursor.play(sim.now, None).unwrap();
    assert_eq!(sim.run_out(), CursorOutput::WaitForMore);
    assert_eq!(sim.state().frame_number, Some(29));
}

#[test]
fn a_chunk_newer_than_the_known_extent_extends_it() {
    let mut sim = live(30);
    sim.cuts = [0].into();
    sim.cursor = ReplayCursor::new(SessionExtent { frame_count: 10, duration: micros(900_000), live: true });
    sim.settle();
    let extent = SessionExtent { frame_count: 30, duration: micros(2_900_000), live: true };
    assert_eq!(sim.cursor.extent(), extent);
}

#[test]
fn chunks_may_be_compacted_at_any_time() {
    let mut sim = Sim::regular(100, 3);
    sim.settle();
    sim.cursor.play(sim.now, None).unwrap();
    for cuts in [vec![0, 50], vec![0], vec![0, 10, 20, 30, 31, 32, 33, 60]] {
        sim.run(at(1_777_000));
        sim.cuts = cuts.into_iter().collect();
    }
    assert_eq!(sim.run_out(), CursorOutput::Ended);
    assert_eq!(sim.take_shown(), (0..100).collect::<Vec<_>>());
    assert_eq!(sim.take_statuses(), [Paused, Playing, Ended]);
}

#[test]
fn at_most_three_chunks_are_held() {
    let mut sim = Sim::regular(1000, 7);
    sim.settle();
    sim.cursor.play(sim.now, Some(4.0)).unwrap();
    for n in 0..200_u64 {
        sim.run(at(100_000));
        if n % 9 == 0 {
            sim.seek_micros((n as i64 * 7_654_321) % 99_000_000, SeekMode::Nearest);
        }
        assert!(sim.chunks_held() <= 3);
    }
}

#[test]
fn a_host_clock_that_goes_back_stands_still() {
    let mut sim = Sim::regular(20, 4);
    sim.settle();
    sim.cursor.play(sim.now, None).unwrap();
    sim.run(at(550_000));
    let before = sim.state();
    sim.now -= at(400_000);
    assert_eq!(sim.settle(), CursorOutput::WaitUntil(sim.now + at(450_000)));
    assert_eq!(sim.state(), before);
    sim.cursor.pause(Duration::ZERO);
    assert_eq!(sim.state().timestamp, before.timestamp);
}

#[test]
fn a_host_that_slept_goes_on_where_the_chunks_at_hand_end() {
    let mut sim = Sim::regular(1000, 10);
    sim.settle();
    sim.cursor.play(sim.now, None).unwrap();
    sim.settle();
    sim.take_shown();
    sim.now += Duration::from_secs(3600);
    sim.settle();
    assert_eq!(sim.take_shown(), [19]);
    assert_eq!(sim.state().timestamp, micros(1_950_000));
}

#[test]
fn waits_are_short_enough_to_be_added_to_any_clock() {
    let mut sim = Sim::regular(2, 2);
    sim.settle();
    sim.cursor.play(sim.now, Some(f64::MIN_POSITIVE)).unwrap();
    assert_eq!(sim.settle(), CursorOutput::WaitUntil(sim.now + CursorOutput::MAX_WAIT));
}

#[test]
fn commands_said_twice_change_nothing_the_second_time() {
    let mut sim = Sim::regular(20, 4);
    sim.settle();
    sim.cursor.play(sim.now, Some(2.0)).unwrap();
    sim.run(at(100_000));
    sim.cursor.set_range(sim.now, range(100_000, 1_500_000), LoopMode::Loop).unwrap();
    sim.settle();
    let (before, states) = (sim.state(), sim.states.len());
    sim.cursor.play(sim.now, Some(2.0)).unwrap();
    sim.cursor.set_rate(sim.now, 2.0).unwrap();
    sim.cursor.set_range(sim.now, range(100_000, 1_500_000), LoopMode::Loop).unwrap();
    sim.settle();
    assert_eq!((sim.state(), sim.states.len()), (before, states));
}

#[test]
fn a_turn_whose_chunk_is_late_starts_when_it_comes() {
    let mut sim = Sim::regular(40, 5);
    sim.reads_ahead = false;
    sim.settle();
    sim.seek_frame(18);
    sim.settle();
    sim.cursor.set_range(sim.now, range(500_000, 1_900_000), LoopMode::Loop).unwrap();
    sim.cursor.play(sim.now, None).unwrap();
    poll_until_needed(&mut sim, ChunkQuery::Time(micros(500_000)));
    assert_eq!(sim.status(), Buffering);
    sim.now += at(2_345_678);
    sim.settle();
    assert_eq!((sim.status(), sim.state().timestamp), (Playing, micros(500_000)));
}

#[test]
fn a_chunk_that_comes_after_its_failure_is_welcome() {
    let mut sim = Sim::regular(40, 5);
    sim.settle();
    sim.seek_frame(30);
    poll_until_needed(&mut sim, ChunkQuery::Frame(30));
    sim.cursor.fail_chunk(sim.now, ChunkQuery::Frame(30), "slow");
    sim.settle();
    sim.take_shown();
    sim.serve(ChunkQuery::Frame(30));
    assert_eq!(sim.settle(), CursorOutput::Paused);
    assert_eq!((sim.take_shown(), sim.state().cause), (vec![30], None));
}

#[test]
fn a_seek_that_finds_no_frame_goes_back_to_before_all_that_had_not_landed() {
    let mut sim = Sim::regular(40, 5);
    sim.settle();
    sim.seek_frame(7);
    sim.settle();
    sim.seek_frame(30);
    sim.poll();
    sim.seek_micros(2_000_001, SeekMode::Exact);
    sim.settle();
    assert_eq!(sim.failed_seeks.len(), 1);
    assert_eq!((sim.state().frame_number, sim.state().timestamp), (Some(7), micros(700_000)));
}
