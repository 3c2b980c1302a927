//! What replays read: each chunk once, one for a seek, the next one ahead, and nothing of what was deleted.

use std::sync::Arc;
use std::time::Duration;

use posesession_core::{
    Batch, Chunk, Marker, MarkerKind, SessionId, SessionStatus, Skeleton, SyntheticPose, Timestamp,
};
use posesession_store::{MemoryStore, NewSession, SessionStore, SqliteStore};
use posesession_ws::{ReplayOptions, ReplayRequest, ReplayService, in_process};
use serde_json::{Value, json};
use tokio::time::Instant;
use watched_store::{ChunkRead, WatchedStore};

use crate::harness::Client;

/// In chunks of 256 frames, 10.24 s each.
const FRAMES: u64 = 1024;
const READ_TIME: Duration = Duration::from_millis(100);

struct House {
    store: Arc<WatchedStore>,
    replays: ReplayService,
}

impl House {
    fn over(store: impl SessionStore) -> Self {
        let store = Arc::new(WatchedStore::new(Arc::new(store)));
        Self { replays: ReplayService::new(store.clone(), ReplayOptions::default()), store }
    }

    /// Stores a 25 fps session in chunks of `chunk_frames` frames.
    async fn session(&self, frames: u64, chunk_frames: usize, status: SessionStatus) -> SessionId {
        let skeleton = Skeleton::preset("coco_17").unwrap();
        let source = SyntheticPose::new(&skeleton, 25.0);
        let new = NewSession { skeleton: Some(skeleton.clone()), ..NewSession::named("stored") };
        let id = self.store.create_session(new).await.unwrap().id;
        let term = self.store.begin_term(id).await.unwrap();
        let deep = Marker {
            kind: MarkerKind::User,
            timestamp: Timestamp::from_secs_f64(35.0).unwrap(),
            label: "deep".to_owned(),
            duration: None,
            count: None,
            cause: None,
        };
        for first in (0..frames).step_by(chunk_frames) {
            let mut chunk = Chunk::new(first, skeleton.layout());
            for n in first..frames.min(first + chunk_frames as u64) {
                let (timestamp, pose) = source.frame(n);
                chunk.push(timestamp, &pose).unwrap();
            }
            let markers = if first == 0 { vec![deep.clone()] } else { Vec::new() };
            let batch = Batch { chunk: Some(chunk), markers, ..Batch::default() };
            self.store.append(id, term, &batch).await.unwrap();
        }
        if !status.is_live() {
            self.store.finish(id, term, status).await.unwrap();
        }
        id
    }

    fn replay(&self, session: SessionId) -> Client {
        let (server_end, client_end) = in_process(1024);
        let service = self.replays.clone();
        tokio::spawn(async move { service.serve(session, ReplayRequest::default(), server_end).await });
        Client::over(client_end)
    }
}

/// Takes messages until a state of `status`; returns the numbers of the frames among them. No other state may be
/// `buffering`, unless the replay waits for the recording to go on.
async fn frames_until(viewer: &mut Client, status: &str) -> Vec<u64> {
    let mut frames = Vec::new();
    loop {
        let message = viewer.next().await;
        match message["type"].as_str() {
            Some("frame") => frames.push(message["frame_number"].as_u64().unwrap()),
            Some("state") if message["status"] == status => return frames,
            Some("state") => assert_ne!(message["status"], "buffering", "{message}"),
            _ => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn twenty_replays_of_a_session_decode_each_chunk_once() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::over(SqliteStore::open(folder.path().join("posesession.db")).await.unwrap());
    let id = house.session(FRAMES, 64, SessionStatus::Completed).await;
    let chunks = house.store.chunk_index(id).await.unwrap();
    let viewers = (0..20_u64).map(|place| {
        let mut viewer = house.replay(id);
        tokio::spawn(async move {
            viewer.expect("frame").await;
            let rate = if place % 2 == 0 { 16 } else { -16 };
            let from = if rate > 0 { 0 } else { FRAMES - 1 };
            viewer.ask(json!({ "type": "seek", "frame_number": from })).await;
            viewer.expect("frame").await;
            viewer.ask(json!({ "type": "play", "rate": rate })).await;
            assert_eq!(frames_until(&mut viewer, "ended").await.len() as u64, FRAMES - 1);
        })
    });
    for viewer in viewers.collect::<Vec<_>>() {
        viewer.await.unwrap();
    }
    let mut read = house.store.take_chunks_read();
    read.sort_unstable();
    assert_eq!(read, chunks.extents().iter().map(|extent| extent.first_frame).collect::<Vec<_>>());
    assert!(read.len() >= 4, "{read:?}");
    let stats = house.replays.chunks().stats();
    assert_eq!((stats.misses, stats.chunks), (read.len() as u64, read.len()));
}

/// Seeks, and returns the frame landed on, with the reads that had begun before it came, and those after.
async fn seek(house: &House, viewer: &mut Client, seek: Value) -> (u64, Vec<ChunkRead>, Vec<ChunkRead>) {
    house.store.take_reads();
    let begun = Instant::now();
    viewer.ask(seek).await;
    let frame = viewer.expect("frame").await;
    let landed = Instant::now();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let reads = house.store.take_reads();
    assert!(reads.iter().all(|read| read.begun == begun || read.begun >= landed), "{reads:?}");
    let (before, after) = reads.into_iter().partition(|read| read.begun < landed);
    (frame["frame_number"].as_u64().unwrap(), before, after)
}

#[tokio::test(start_paused = true)]
async fn a_seek_decodes_one_chunk_before_its_frame_comes() {
    for (to, frame_number, chunk, ahead) in [
        (json!({ "frame_number": 600 }), 600, 512, Some(768)),
        (json!({ "timestamp": 24.01 }), 600, 512, Some(768)),
        (json!({ "timestamp": 24.01, "mode": "nearest" }), 600, 512, Some(768)),
        (json!({ "timestamp": 24.0, "mode": "exact" }), 600, 512, Some(768)),
        (json!({ "fraction": 1.0 }), 1023, 768, None),
        (json!({ "marker": "deep" }), 875, 768, None),
    ] {
        let house = House::over(MemoryStore::new());
        let id = house.session(FRAMES, 64, SessionStatus::Completed).await;
        house.store.set_read_time(READ_TIME);
        let mut viewer = house.replay(id);
        viewer.expect("frame").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut command = to.clone();
        command["type"] = json!("seek");
        let (landed, before, after) = seek(&house, &mut viewer, command.clone()).await;
        assert_eq!(landed, frame_number, "{to}");
        assert_eq!(before.iter().filter_map(|read| read.first_frame).collect::<Vec<_>>(), [chunk], "{to}");
        assert_eq!(after.iter().find_map(|read| read.first_frame), ahead, "{to}: read ahead");
        viewer.ask(json!({ "type": "seek", "frame_number": 0 })).await;
        viewer.expect("frame").await;
        let (landed, before, after) = seek(&house, &mut viewer, command).await;
        assert_eq!((landed, before.len() + after.len()), (frame_number, 0), "{to}: all is kept");
    }
}

#[tokio::test(start_paused = true)]
async fn a_seek_to_the_nearest_of_two_chunks_frames_reads_both() {
    let house = House::over(MemoryStore::new());
    let id = house.session(FRAMES, 64, SessionStatus::Completed).await;
    let mut viewer = house.replay(id);
    viewer.expect("frame").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    house.store.take_reads();
    viewer.ask(json!({ "type": "seek", "timestamp": 30.71, "mode": "nearest" })).await;
    assert_eq!(viewer.expect("frame").await["frame_number"], 768);
    assert_eq!(house.store.take_chunks_read(), [512, 768]);
}

#[tokio::test(start_paused = true)]
async fn a_seek_waits_for_no_chunk_but_its_own() {
    let house = House::over(MemoryStore::new());
    let id = house.session(FRAMES, 64, SessionStatus::Completed).await;
    let mut viewer = house.replay(id);
    viewer.expect("frame").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    house.store.set_read_time(READ_TIME);
    for (frame_number, takes) in [
        (600, READ_TIME),
        // While the chunk after that is read ahead: lands when that comes, before its own read ends.
        (1000, READ_TIME * 3 / 4),
        (100, Duration::ZERO),
    ] {
        let begun = Instant::now();
        viewer.ask(json!({ "type": "seek", "frame_number": frame_number })).await;
        assert_eq!(viewer.expect("frame").await["frame_number"], frame_number);
        assert_eq!(begun.elapsed(), takes, "frame {frame_number}");
        tokio::time::sleep(READ_TIME / 4).await;
    }
    house.replays.chunks().forget(id);
    let mut viewer = house.replay(id);
    viewer.expect("frame").await;
    // While its second chunk is read ahead.
    let begun = Instant::now();
    viewer.ask(json!({ "type": "seek", "frame_number": 600 })).await;
    assert_eq!(begun.elapsed(), READ_TIME);
}

#[tokio::test(start_paused = true)]
async fn a_replay_never_waits_for_the_next_chunk() {
    for rate in [1, 16, -1, -16] {
        let house = House::over(MemoryStore::new());
        let id = house.session(FRAMES, 64, SessionStatus::Completed).await;
        house.store.set_read_time(READ_TIME);
        let mut viewer = house.replay(id);
        viewer.expect("frame").await;
        if rate < 0 {
            viewer.ask(json!({ "type": "seek", "frame_number": FRAMES - 1 })).await;
            viewer.expect("frame").await;
        }
        viewer.ask(json!({ "type": "play", "rate": rate })).await;
        let mut frames = frames_until(&mut viewer, "ended").await;
        if rate < 0 {
            frames.reverse();
        }
        let all: Vec<_> = if rate > 0 { (1..FRAMES).collect() } else { (0..FRAMES - 1).collect() };
        assert_eq!(frames, all, "rate {rate}");
        assert_eq!(house.store.take_chunks_read().len(), 4, "rate {rate}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_replay_of_short_chunks_waits_for_none_either() {
    let house = House::over(MemoryStore::new());
    let id = house.session(200, 8, SessionStatus::Recording).await;
    house.store.set_read_time(READ_TIME);
    let mut viewer = house.replay(id);
    viewer.expect("frame").await;
    viewer.ask(json!({ "type": "play" })).await;
    let mut frames = Vec::new();
    while frames.last() != Some(&199) {
        let message = viewer.next().await;
        assert!(message["status"] != "buffering" || message["cause"] == "live_end", "{message}");
        frames.extend(message["frame_number"].as_u64().filter(|_| message["type"] == "frame"));
    }
    assert_eq!(frames, (1..200).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_loop_reads_its_start_before_it_turns() {
    let house = House::over(MemoryStore::new());
    let id = house.session(FRAMES, 64, SessionStatus::Completed).await;
    house.store.set_read_time(READ_TIME);
    let mut viewer = house.replay(id);
    viewer.expect("frame").await;
    viewer.ask(json!({ "type": "set_range", "loop": "loop" })).await;
    viewer.ask(json!({ "type": "play", "rate": 16 })).await;
    let mut frames = 0;
    while frames < 3 * FRAMES {
        let message = viewer.next().await;
        assert_ne!(message["status"], "buffering", "{message}");
        frames += u64::from(message["type"] == "frame");
    }
    assert_eq!(house.store.take_chunks_read().len(), 4, "the second turn reads nothing");
}

#[tokio::test(start_paused = true)]
async fn what_was_deleted_is_not_replayed_from_memory() {
    let house = House::over(MemoryStore::new());
    let id = house.session(FRAMES, 64, SessionStatus::Completed).await;
    let mut viewer = house.replay(id);
    viewer.expect("frame").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(house.replays.chunks().stats().chunks, 2, "its first chunk, and the next");

    // As another process does it: nobody says so.
    house.store.delete_session(id, chrono::Utc::now()).await.unwrap();
    let mut late = house.replay(id);
    assert_eq!(late.expect("error").await["code"], "session_not_found");
    let deleted = Instant::now();
    assert_eq!(viewer.expect("close").await["code"], 4404);
    assert!(deleted.elapsed() <= ReplayOptions::default().poll);
    assert_eq!(house.replays.chunks().stats().chunks, 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_look_at_the_session_delays_no_frame() {
    let house = House::over(MemoryStore::new());
    let id = house.session(FRAMES, 64, SessionStatus::Completed).await;
    let mut viewer = house.replay(id);
    viewer.expect("frame").await;
    house.store.set_look_time(Duration::from_secs(3));
    let begun = Instant::now();
    viewer.ask(json!({ "type": "play" })).await;
    for n in 1..500_u32 {
        assert_eq!(viewer.expect("frame").await["frame_number"], n);
        let late = begun.elapsed().saturating_sub(n * Duration::from_millis(40));
        assert!(late <= Duration::from_millis(2), "frame {n} is {late:?} late");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_deleted_while_it_is_looked_at_is_looked_at_again() {
    let house = House::over(MemoryStore::new());
    let id = house.session(FRAMES, 64, SessionStatus::Completed).await;
    let mut viewer = house.replay(id);
    viewer.expect("frame").await;
    house.store.set_look_time(Duration::from_secs(3));
    // A look began after 5 s and found the session; what it found comes after 8 s.
    tokio::time::sleep(Duration::from_secs(6)).await;
    house.store.delete_session(id, chrono::Utc::now()).await.unwrap();
    house.replays.session_changed(id);
    let deleted = Instant::now();
    assert_eq!(viewer.expect("close").await["code"], 4404);
    assert!(deleted.elapsed() < Duration::from_secs(6), "{:?}", deleted.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_changed_session_is_read_anew() {
    let house = House::over(MemoryStore::new());
    let id = house.session(FRAMES, 64, SessionStatus::Completed).await;
    house.replay(id).expect("frame").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    house.store.take_reads();
    house.replays.session_changed(id);
    assert_eq!(house.replays.chunks().stats().chunks, 0);
    house.replay(id).expect("frame").await;
    assert_eq!(house.store.take_chunks_read().first(), Some(&0));
}
