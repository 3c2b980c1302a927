//! What fails half-way: a stop, a return, a take-over.

use std::sync::Arc;

use futures::SinkExt;
use posesession_core::{SessionId, SessionStatus};
use posesession_store::{MediaStore, MemoryStore, SessionQuery, SessionStore};
use posesession_ws::{RecordOptions, RecordService};
use serde_json::json;
use watched_store::WatchedStore;

use crate::harness::{Client, House, frame, session_id, video};
use crate::resuming::{SECOND, connect, over, publish, resume};

async fn start_filming(camera: &mut Client) -> SessionId {
    let start = json!({ "type": "start_recording", "name": "filmed", "video": { "mime": "video/mp4" } });
    session_id(&camera.ask(start).await)
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_waits_for_the_store_is_done_by_a_server_that_stops() {
    let house = House::new();
    let mut camera = house.connect().await;
    publish(&mut camera, "run-1").await;
    let session = start_filming(&mut camera).await;
    camera.frame(0).await;
    camera.transport.send(video(0, b"one ")).await.unwrap();
    tokio::time::sleep(SECOND).await;
    house.take_media_away();
    camera.frame_with_image(1, 100).await;
    let stopped = camera.ask(json!({ "type": "stop_recording" })).await;
    assert_eq!(stopped["code"], "storage", "{stopped}");
    house.bring_media_back();
    house.records.shutdown().await;
    let stored = house.store.read_session(session).await.unwrap();
    assert_eq!((stored.status, stored.frame_count), (SessionStatus::Completed, 2));
    let path = stored.video_file_path.expect("a video that is one file");
    assert_eq!(std::fs::read(house.media.path().join(path)).unwrap(), b"one ");
    let finalized = camera.expect("recording_finalized").await;
    assert_eq!(session_id(&finalized), session, "{finalized}");
    assert_eq!(session_id(&camera.expect("recording_stopped").await), session);
}

#[tokio::test(start_paused = true)]
async fn a_stop_with_video_whose_answer_the_store_lost_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let media = Arc::new(MediaStore::open_folder(folder.path()).unwrap());
    let store = Arc::new(WatchedStore::new(Arc::new(MemoryStore::new())));
    let service = RecordService::new(store.clone(), Some(media), RecordOptions::default());
    let mut camera = connect(&service).await;
    for last in [false, true] {
        let session = start_filming(&mut camera).await;
        camera.frame(0).await;
        camera.transport.send(video(0, b"one ")).await.unwrap();
        if last {
            // The one that tells the last status, and where the video is.
            store.lose_next_answer_after("finish", "update_session");
        } else {
            store.lose_next_answer("finish");
        }
        let stopped = camera.ask(json!({ "type": "stop_recording" })).await;
        assert_eq!(stopped["code"], "storage", "{stopped}");
        let finalized = camera.expect("recording_finalized").await;
        assert_eq!(session_id(&finalized), session);
        assert_eq!(finalized["session"]["status"], "completed", "{finalized}");
        let path = finalized["session"]["video_file_path"].as_str().expect("a video that is one file");
        assert_eq!(std::fs::read(folder.path().join(path)).unwrap(), b"one ");
        assert_eq!(store.read_session(session).await.unwrap().status, SessionStatus::Completed);
        let statuses = camera.kept_of("recording_status");
        assert_eq!(statuses.last().unwrap()["status"], "completed", "{statuses:?}");
        assert_eq!(service.live_recordings(), 0);
    }
    assert!(camera.kept_of("error").is_empty(), "{:?}", camera.kept_of("error"));
}

#[tokio::test(start_paused = true)]
async fn nobody_goes_on_with_what_is_being_ended_until_it_has_ended() {
    let house = House::with(RecordOptions { publisher_patience: 30 * SECOND, ..RecordOptions::default() });
    let mut camera = house.connect().await;
    publish(&mut camera, "run-1").await;
    let session = camera.start("ending").await;
    camera.frame_with_image(0, 100).await;
    tokio::time::sleep(SECOND).await;
    house.take_media_away();
    camera.frame_with_image(1, 100).await;
    tokio::time::sleep(SECOND).await;
    drop(camera);
    // The resume window is over, the outage is not.
    tokio::time::sleep(60 * SECOND).await;
    let mut other = house.connect().await;
    let take_over = json!({ "type": "publish", "publisher": "run-2", "take_over": true });
    let refused = other.ask(take_over).await;
    assert_eq!(refused["code"], "storage", "{refused}");
    let mut camera = house.connect().await;
    publish(&mut camera, "run-1").await;
    for publisher in ["run-1", "run-2"] {
        let mut resume = resume(session, publisher);
        resume["take_over"] = json!(true);
        let refused = camera.ask(resume).await;
        assert_eq!(refused["code"], "storage", "{refused}");
    }
    house.bring_media_back();
    assert_eq!(camera.expect("recording_finalized").await["session"]["status"], "interrupted");
    let resumed = camera.ask(resume(session, "run-1")).await;
    assert_eq!(
        (&resumed["status"], &resumed["stored_through"]),
        (&json!("recording"), &json!(1)),
        "{resumed}"
    );
    camera.frame(2).await;
    assert_eq!(camera.stop().await["session"]["frame_count"], 3);
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_return_fails_half_way_is_left_interrupted() {
    let store = Arc::new(WatchedStore::new(Arc::new(MemoryStore::new())));
    let (service, mut camera) = over(&store).await;
    publish(&mut camera, "run-1").await;
    let session = camera.start("left").await;
    camera.frame(0).await;
    tokio::time::sleep(SECOND).await;
    service.shutdown().await;
    let (service, mut camera) = over(&store).await;
    publish(&mut camera, "run-1").await;
    store.lose_next_answer("set_publisher");
    // Nor does the store take it at once that nobody records the session.
    store.fail_next("finish");
    let refused = camera.ask(resume(session, "run-1")).await;
    assert_eq!(refused["code"], "storage", "{refused}");
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(store.read_session(session).await.unwrap().status, SessionStatus::Interrupted);
    assert_eq!(service.live_recordings(), 0);
    store.fail_next("set_publisher");
    assert_eq!(camera.ask(resume(session, "run-1")).await["code"], "storage");
    assert_eq!(camera.ask(resume(session, "run-1")).await["stored_through"], 0, "it may come back at once");
    camera.frame(1).await;
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(camera.stop().await["session"]["frame_count"], 2, "and is not ended by what was left behind");
}

#[tokio::test(start_paused = true)]
async fn a_start_whose_answer_the_store_lost_leaves_nothing_that_seems_to_be_recorded() {
    let store = Arc::new(WatchedStore::new(Arc::new(MemoryStore::new())));
    let (service, mut camera) = over(&store).await;
    publish(&mut camera, "run-1").await;
    store.lose_next_answer("create_session");
    let refused = camera.ask(json!({ "type": "start_recording", "name": "lost" })).await;
    assert_eq!(refused["code"], "storage", "{refused}");
    assert_eq!(store.list_sessions(&SessionQuery::default()).await.unwrap().sessions, []);
    let session = camera.start("again").await;
    store.fail_next("create_session");
    let mut other = connect(&service).await;
    other.ask(json!({ "type": "publish", "stream": "other" })).await;
    let taken =
        json!({ "type": "start_recording", "stream": "other", "name": "mine", "session_id": session });
    assert_eq!(other.ask(taken).await["code"], "storage");
    camera.frame(0).await;
    assert_eq!(camera.stop().await["session"]["frame_count"], 1, "what somebody else has stays");
}

#[tokio::test(start_paused = true)]
async fn a_take_over_that_fails_keeps_nothing_back_from_the_old_publisher() {
    let store = Arc::new(WatchedStore::new(Arc::new(MemoryStore::new())));
    let (service, mut camera) = over(&store).await;
    publish(&mut camera, "run-1").await;
    camera.start("not taken over").await;
    for n in 0..5 {
        let mut empty = frame(n);
        empty["pose_data"] = json!({ "persons": [] });
        camera.send(empty).await;
    }
    camera.ask(json!({ "type": "mark", "label": "all frames are in" })).await;
    let mut other = connect(&service).await;
    store.fail_next("set_publisher");
    let take_over =
        json!({ "type": "publish", "publisher": "run-2", "take_over": true, "skeleton": "coco_17" });
    let refused = other.ask(take_over).await;
    assert_eq!(refused["code"], "storage", "{refused}");
    tokio::time::sleep(SECOND).await;
    camera.frame(5).await;
    camera.ask(json!({ "type": "mark", "label": "that one, too" })).await;
    let acks: Vec<_> = camera.kept_of("ack").iter().map(|ack| ack["stored_through"].clone()).collect();
    assert_eq!(acks, [4], "without a further frame");
    assert_eq!(camera.stop().await["session"]["frame_count"], 6, "the other one's skeleton is not its own");
}

#[tokio::test(start_paused = true)]
async fn trouble_that_a_take_over_meets_is_told_to_the_old_publisher() {
    let house = House::new();
    let mut camera = house.connect().await;
    publish(&mut camera, "run-1").await;
    camera.start("in trouble").await;
    house.break_media();
    camera.frame_with_image(0, 100).await;
    camera.ask(json!({ "type": "mark", "label": "the frame is in" })).await;
    let mut other = house.connect().await;
    let refused = other.ask(json!({ "type": "publish", "publisher": "run-2", "take_over": true })).await;
    assert_eq!(refused["code"], "storage", "{refused}");
    tokio::time::sleep(20 * SECOND).await;
    camera.ask(json!({ "type": "unsubscribe" })).await;
    let errors = camera.kept_of("error");
    assert_eq!((errors.len(), &errors[0]["code"]), (1, &json!("storage")), "{errors:?}");
}
