//! Publishers that come back: to the same server, to its successor, too late, twice at once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::SinkExt;
use posesession_core::{MarkerKind, SessionStatus};
use posesession_store::{MediaStore, MemoryStore, SessionStore};
use posesession_ws::protocol::BinaryVideo;
use posesession_ws::{Message, RecordOptions, RecordService, in_process};
use serde_json::{Value, json};
use watched_store::WatchedStore;

use crate::harness::{Client, House, frame, session_id};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Puts another server onto the same stores. The one before is still there, as if it were cut off from everybody.
pub(crate) fn next_server(house: House) -> House {
    let media = Arc::new(MediaStore::open_folder(house.media.path()).unwrap());
    House { records: RecordService::new(house.store.clone(), Some(media), RecordOptions::default()), ..house }
}

pub(crate) async fn publish(client: &mut Client, publisher: &str) -> Value {
    client.ask(json!({ "type": "publish", "publisher": publisher })).await
}

pub(crate) fn resume(session: posesession_core::SessionId, publisher: &str) -> Value {
    json!({ "type": "resume_session", "session_id": session, "publisher": publisher })
}

#[tokio::test(start_paused = true)]
async fn a_session_goes_on_with_the_next_server() {
    let house = House::new();
    let mut camera = house.connect().await;
    publish(&mut camera, "run-1").await;
    let session = camera.start("goes on").await;
    for n in 0..40 {
        camera.frame(n).await;
    }
    tokio::time::sleep(SECOND).await;
    assert_eq!(camera.expect("ack").await["stored_through"], 39);
    // Not acknowledged, and lost with the server.
    camera.frame(40).await;
    let house = next_server(house);
    assert_eq!(house.store.interrupt_live_sessions().await.unwrap(), [session]);

    let mut camera = house.connect().await;
    publish(&mut camera, "run-1").await;
    let resumed = camera.ask(resume(session, "run-1")).await;
    assert_eq!(
        (&resumed["type"], &resumed["stored_through"]),
        (&json!("session_resumed"), &json!(39)),
        "{resumed}"
    );
    assert_eq!((&resumed["status"], &resumed["stream"]), (&json!("recording"), &json!("default")));
    for n in 30..60 {
        camera.frame(n).await;
    }
    let finalized = camera.stop().await;
    let report = &finalized["report"];
    assert_eq!(
        (&report["stored_before"], &report["stored"], &report["sent"]),
        (&json!(40), &json!(20), &json!(20))
    );
    assert_eq!(
        (&report["duplicate"], &report["missing"], &report["reconnects"]),
        (&json!(10), &json!(0), &json!(1))
    );
    assert_eq!(finalized["session"]["report"], *report, "it is kept with the session");
    let frames = house.frames(session).await;
    for (n, frame) in frames.iter().enumerate() {
        assert!((frame.pose_data.values[0] - n as f32).abs() < 1e-6, "frame {n}");
    }
    assert_eq!(frames.len(), 60);
    let markers = house.store.markers(session).await.unwrap();
    let gaps: Vec<_> = markers.iter().map(|m| (m.kind, m.cause.as_deref(), m.count)).collect();
    assert_eq!(gaps, [(MarkerKind::Gap, Some("interrupted"), None)]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_cut_off_takes_no_more_of_a_session_that_went_on_elsewhere() {
    let house = House::new();
    let mut old = house.connect().await;
    publish(&mut old, "run-1").await;
    let session = old.start("fenced").await;
    old.frame(0).await;
    tokio::time::sleep(SECOND).await;
    let house = next_server(house);
    let mut new = house.connect().await;
    publish(&mut new, "run-1").await;
    assert_eq!(new.ask(resume(session, "run-1")).await["stored_through"], 0, "nobody had to interrupt it");
    old.frame(1).await;
    let told = old.expect("error").await;
    assert_eq!(told["code"], "storage", "{told}");
    new.frame(1).await;
    assert_eq!(new.stop().await["session"]["frame_count"], 2);
    assert_eq!(house.store.read_session(session).await.unwrap().status, SessionStatus::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_leaves_sessions_to_be_gone_on_with() {
    let house = House::new();
    let mut camera = house.connect().await;
    publish(&mut camera, "run-1").await;
    let session = camera.start("stopped").await;
    camera.frame(0).await;
    // What a server that stops hasn't read yet is not its own.
    camera.ask(json!({ "type": "unsubscribe" })).await;
    house.records.shutdown().await;
    let stored = house.store.read_session(session).await.unwrap();
    assert_eq!((stored.status, stored.frame_count), (SessionStatus::Interrupted, 1));
    assert_eq!(stored.report.map(|report| report.stored), Some(1));
    let house = next_server(house);
    let mut camera = house.connect().await;
    let resumed = camera.ask(resume(session, "run-1")).await;
    assert_eq!(resumed["stored_through"], 0, "{resumed}");
    camera.frame(1).await;
    assert_eq!(camera.stop().await["session"]["frame_count"], 2);
}

#[tokio::test(start_paused = true)]
async fn another_publisher_starts_a_new_numbering_of_the_session() {
    let house = House::new();
    let mut camera = house.connect().await;
    publish(&mut camera, "run-1").await;
    let session = camera.start("handed over").await;
    for n in 0..5 {
        camera.frame(n).await;
    }
    tokio::time::sleep(SECOND).await;
    let house = next_server(house);
    let mut other = house.connect().await;
    let mut taken_over = resume(session, "run-2");
    assert_eq!(other.ask(taken_over.clone()).await["code"], "stream_busy");
    taken_over["take_over"] = json!(true);
    let resumed = other.ask(taken_over).await;
    assert_eq!(resumed["stored_through"], Value::Null, "{resumed}");
    for n in 0..5 {
        other.frame(n).await;
    }
    assert_eq!(other.stop().await["session"]["frame_count"], 10, "none of them is taken for a duplicate");
}

#[tokio::test(start_paused = true)]
async fn what_has_ended_is_told_with_what_is_stored() {
    let house = House::new();
    let mut camera = house.connect().await;
    publish(&mut camera, "run-1").await;
    let session = camera.start("ended").await;
    for n in 0..5 {
        camera.frame(n).await;
    }
    camera.stop().await;
    for (publisher, stored_through) in [("run-1", json!(4)), ("run-2", Value::Null)] {
        let refused = camera.ask(resume(session, publisher)).await;
        assert_eq!((&refused["code"], &refused["status"]), (&json!("not_resumable"), &json!("completed")));
        assert_eq!(refused["stored_through"], stored_through, "{refused}");
    }
    house.store.delete_session(session, chrono::Utc::now()).await.unwrap();
    assert_eq!(camera.ask(resume(session, "run-1")).await["code"], "session_not_found");
}

#[tokio::test(start_paused = true)]
async fn a_session_goes_on_once_and_on_a_free_stream() {
    let house = House::new();
    let mut camera = house.connect().await;
    publish(&mut camera, "run-1").await;
    let session = camera.start("left").await;
    camera.frame(0).await;
    tokio::time::sleep(SECOND).await;
    let house = next_server(house);
    let mut first = house.connect().await;
    let other = first.start("another one").await;
    let refused = first.ask(resume(session, "run-1")).await;
    assert_eq!((&refused["code"], session_id(&refused)), (&json!("already_recording"), other));
    let held = house.records.hold(session).unwrap();
    let mut on_left = resume(session, "run-1");
    on_left["stream"] = json!("left");
    let busy = first.ask(on_left.clone()).await;
    assert_eq!(busy["code"], "storage", "{busy}");
    drop(held);
    assert_eq!(first.ask(on_left).await["stream"], "left");
    assert!(house.records.hold(session).is_none(), "it is being recorded");
    let mut second = house.connect().await;
    let mut on_right = resume(session, "run-9");
    on_right["stream"] = json!("right");
    assert_eq!(second.ask(on_right).await["code"], "stream_busy", "it goes on where it is recorded");
}

#[tokio::test(start_paused = true)]
async fn a_video_goes_on_with_the_next_server() {
    let house = House::new();
    let mut camera = house.connect().await;
    publish(&mut camera, "run-1").await;
    let start = json!({ "type": "start_recording", "name": "filmed", "video": { "mime": "video/mp4" } });
    let session = session_id(&camera.ask(start).await);
    let piece = |offset: usize, data: &'static [u8]| {
        let timestamp = posesession_core::Timestamp::from_secs_f64(100.5).unwrap();
        let data = Bytes::from_static(data);
        let video = BinaryVideo { stream: String::new(), offset: offset as u64, timestamp, data };
        Message::Binary(video.encode())
    };
    for n in 0..60 {
        camera.frame(n).await;
    }
    camera.transport.send(piece(0, b"one ")).await.unwrap();
    tokio::time::sleep(SECOND).await;
    camera.frame(60).await;
    tokio::time::sleep(SECOND).await;
    let house = next_server(house);
    let mut camera = house.connect().await;
    let resumed = camera.ask(resume(session, "run-1")).await;
    assert_eq!((&resumed["stored_through"], &resumed["video_stored_bytes"]), (&json!(60), &json!(4)));
    camera.transport.send(piece(0, b"one ")).await.unwrap();
    camera.transport.send(piece(4, b"two")).await.unwrap();
    // 30 frames are gone with the server: the video has a second more than the session, and a frame's time.
    for n in 91..120 {
        camera.frame(n).await;
    }
    let finalized = camera.stop().await;
    let facts = &finalized["session"]["metadata"]["video"];
    assert_eq!(facts["start"], 0.5, "{facts}");
    let cut = &facts["cuts"][0];
    let (at, length) = (cut["at"].as_f64().unwrap(), cut["length"].as_f64().unwrap());
    assert!((at - 61.0 / 30.0).abs() < 1e-3 && (length - 1.0).abs() < 1e-3, "{facts}");
    let path = finalized["session"]["video_file_path"].as_str().unwrap();
    assert_eq!(std::fs::read(house.media.path().join(path)).unwrap(), b"one two");
    assert_eq!(finalized["report"]["missing"], 30);
}

#[tokio::test(start_paused = true)]
async fn numbers_that_will_not_come_are_settled_at_once() {
    let house = House::new();
    let mut camera = house.connect().await;
    publish(&mut camera, "run-1").await;
    camera.send(json!({ "type": "frames_dropped", "first": 0, "last": 5, "cause": "overflow" })).await;
    let session = camera.start("dropped").await;
    camera.frame(0).await;
    camera.send(json!({ "type": "frames_dropped", "first": 1, "last": 9, "cause": "overflow" })).await;
    camera.frame(10).await;
    for wrong in [
        json!({ "first": 9, "last": 1, "cause": "overflow" }),
        json!({ "first": 1, "last": 2, "cause": "?" }),
    ] {
        let mut wrong = wrong;
        wrong["type"] = json!("frames_dropped");
        camera.send(wrong).await;
        assert_eq!(camera.expect("error").await["code"], "out_of_range");
    }
    let mut viewer = house.connect().await;
    let not_mine =
        json!({ "type": "frames_dropped", "first": 1, "last": 2, "cause": "overflow", "stream": "x" });
    assert_eq!(viewer.ask(not_mine).await["code"], "not_publisher");
    tokio::time::sleep(SECOND).await;
    assert_eq!(camera.expect("ack").await["stored_through"], 10);
    let report = camera.stop().await["report"].clone();
    assert_eq!(report["dropped"], json!({ "overflow": 9 }));
    assert_eq!((&report["sent"], &report["stored"], &report["missing"]), (&json!(11), &json!(2), &json!(0)));
    let gap = &house.store.markers(session).await.unwrap()[0];
    assert_eq!((gap.cause.as_deref(), gap.count), (Some("overflow"), Some(9)));
}

#[tokio::test(start_paused = true)]
async fn a_recording_starts_before_it_is_asked_for() {
    let house = House::new();
    let mut camera = house.connect().await;
    let publish = json!({ "type": "publish", "publisher": "run-1", "pre_roll_max": 2.0 });
    assert_eq!(camera.ask(publish).await["type"], "ok");
    for n in 0..150 {
        camera.frame(n).await;
        tokio::time::sleep(SECOND / 30).await;
    }
    let start = json!({ "type": "start_recording", "name": "before", "pre_roll": 1.0 });
    let answer = camera.ask(start).await;
    let seconds = answer["pre_roll"].as_f64().unwrap();
    assert!((0.9..=1.0).contains(&seconds), "{answer}");
    let session = session_id(&answer);
    for n in 150..160 {
        camera.frame(n).await;
    }
    let finalized = camera.stop().await;
    let stored = finalized["report"]["stored"].as_u64().unwrap();
    assert!((38..=41).contains(&stored), "{finalized}");
    assert_eq!((&finalized["report"]["sent"], &finalized["report"]["missing"]), (&json!(stored), &json!(0)));
    let frames = house.frames(session).await;
    assert!((frames.last().unwrap().pose_data.values[0] - 159.0).abs() < 1e-6);
    let markers = house.store.markers(session).await.unwrap();
    assert_eq!(markers.len(), 1);
    assert_eq!(markers[0].kind, MarkerKind::Started);
    assert!((markers[0].timestamp.as_secs_f64() - seconds).abs() < 0.05, "{markers:?}");
    let again = camera.ask(json!({ "type": "start_recording", "name": "none", "pre_roll": 60 })).await;
    assert_eq!(again["pre_roll"], 0.0, "what was recorded doesn't come twice: {again}");
    for (field, command) in [("pre_roll_max", "publish"), ("pre_roll", "start_recording")] {
        for wrong in [-1.0, 60.5] {
            let mut command = json!({ "type": command, "name": "wrong" });
            command[field] = json!(wrong);
            assert_eq!(camera.ask(command).await["code"], "bad_message");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_within_a_pre_roll_is_counted_by_its_cause() {
    let house = House::new();
    let mut camera = house.connect().await;
    camera.ask(json!({ "type": "publish", "publisher": "run-1", "pre_roll_max": 60 })).await;
    let dropped = |first: u64, last: u64| json!({ "type": "frames_dropped", "first": first, "last": last, "cause": "overflow" });
    // Numbers before the first frame belong to no recording.
    camera.send(dropped(0, 9)).await;
    for n in 10..20 {
        camera.frame(n).await;
    }
    camera.send(dropped(20, 24)).await;
    let mut unfit = frame(25);
    unfit["pose_data"] = json!({ "persons": [{ "id": 0, "pose": [[0.5, 0.5, 0.9]] }] });
    camera.send(unfit).await;
    assert_eq!(camera.expect("error").await["code"], "keypoint_mismatch");
    for n in 26..30 {
        camera.frame(n).await;
    }
    camera.send(dropped(30, 34)).await;
    let answer = camera.ask(json!({ "type": "start_recording", "name": "before", "pre_roll": 60 })).await;
    let session = session_id(&answer);
    camera.frame(35).await;
    let report = camera.stop().await["report"].clone();
    let counted = ["stored", "sent", "missing", "late"].map(|field| report[field].as_u64());
    assert_eq!(counted, [Some(15), Some(26), Some(0), Some(0)], "{report}");
    assert_eq!(report["dropped"], json!({ "overflow": 10 }), "{report}");
    assert_eq!(report["refused"], json!({ "keypoint_mismatch": 1 }), "{report}");
    let markers = house.store.markers(session).await.unwrap();
    let gaps: Vec<_> = markers.iter().filter(|m| m.kind == MarkerKind::Gap).map(|m| m.count).collect();
    assert_eq!(gaps, [Some(5), Some(5)], "{markers:?}");
}

/// A server over a store that can be told to fail, and a client of it.
pub(crate) async fn over(store: &Arc<WatchedStore>) -> (RecordService, Client) {
    let service = RecordService::new(store.clone(), None, RecordOptions::default());
    let client = connect(&service).await;
    (service, client)
}

pub(crate) async fn connect(service: &RecordService) -> Client {
    let (server_end, client_end) = in_process(1024);
    let served = service.clone();
    tokio::spawn(async move { served.serve(server_end).await });
    let mut client = Client::over(client_end);
    assert_eq!(client.next().await["type"], "welcome");
    client
}

#[tokio::test(start_paused = true)]
async fn a_take_over_that_fails_leaves_the_old_numbers_as_they_were() {
    let store = Arc::new(WatchedStore::new(Arc::new(MemoryStore::new())));
    let (service, mut camera) = over(&store).await;
    publish(&mut camera, "run-1").await;
    let session = camera.start("not taken over").await;
    for n in 0..10 {
        camera.frame(n).await;
    }
    camera.ask(json!({ "type": "mark", "label": "all frames are in" })).await;
    drop(camera);
    let mut other = connect(&service).await;
    store.fail_next("set_publisher");
    let taken = other.ask(json!({ "type": "publish", "publisher": "run-2", "take_over": true })).await;
    assert_eq!(taken["code"], "storage", "{taken}");
    let mut camera = connect(&service).await;
    let published = publish(&mut camera, "run-1").await;
    assert_eq!(published["stored_through"], 9, "{published}");
    for n in 5..15 {
        camera.frame(n).await;
    }
    let finalized = camera.stop().await;
    assert_eq!(finalized["session"]["frame_count"], 15, "none is stored twice: {finalized}");
    assert_eq!(finalized["report"]["duplicate"], 5);
    assert_eq!(store.read_session(session).await.unwrap().status, SessionStatus::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_recording_that_can_not_begin_leaves_nothing_behind() {
    let store = Arc::new(WatchedStore::new(Arc::new(MemoryStore::new())));
    let (service, mut camera) = over(&store).await;
    publish(&mut camera, "run-1").await;
    for _ in 0..2 {
        store.fail_next("set_publisher");
        let id = "0190a5e4-7c3a-7000-8000-3f2b1c9d4e5f";
        let start = json!({ "type": "start_recording", "name": "x", "session_id": id });
        assert_eq!(camera.ask(start).await["code"], "storage");
        assert_eq!(service.live_recordings(), 0);
        assert!(store.list_sessions(&Default::default()).await.unwrap().sessions.is_empty());
    }
    let id = camera.start("begins").await;
    store.fail_next("erase_session");
    let kept = camera.ask(json!({ "type": "discard_recording" })).await;
    assert_eq!(kept["code"], "storage");
    camera.frame(0).await;
    assert_eq!(camera.stop().await["session"]["frame_count"], 1, "it goes on");
    store.fail_next("update_session");
    let next = camera.start("paused").await;
    camera.ask(json!({ "type": "pause_recording" })).await;
    assert_eq!(store.read_session(next).await.unwrap().status, SessionStatus::Recording);
    tokio::time::sleep(SECOND).await;
    assert_eq!(store.read_session(next).await.unwrap().status, SessionStatus::Paused, "it is noted later");
    assert_ne!(id, next);
}

#[tokio::test(start_paused = true)]
async fn a_stop_whose_answer_the_store_lost_is_done() {
    let store = Arc::new(WatchedStore::new(Arc::new(MemoryStore::new())));
    let (service, mut camera) = over(&store).await;
    for method in ["finish", "update_session", "append"] {
        let session = camera.start("answer lost").await;
        camera.frame(0).await;
        store.lose_next_answer(method);
        let stopped = camera.ask(json!({ "type": "stop_recording" })).await;
        if stopped["type"] == "error" {
            assert_eq!(stopped["code"], "storage", "{stopped}");
            let finalized = camera.expect("recording_finalized").await;
            assert_eq!(finalized["session"]["frame_count"], 1, "{finalized}");
        }
        assert_eq!(store.read_session(session).await.unwrap().status, SessionStatus::Completed, "{method}");
        assert_eq!(service.live_recordings(), 0);
    }
    let session = camera.start("deleted").await;
    camera.frame(0).await;
    tokio::time::sleep(SECOND).await;
    store.delete_session(session, chrono::Utc::now()).await.unwrap();
    assert_eq!(camera.ask(json!({ "type": "stop_recording" })).await["code"], "session_not_found");
    assert_eq!(service.live_recordings(), 0, "what is gone is not waited for");
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_again_is_counted_once() {
    let house = House::new();
    let mut camera = house.connect().await;
    publish(&mut camera, "run-1").await;
    camera.start("counted").await;
    for n in 0..5 {
        camera.frame(n).await;
    }
    let mut bad = crate::harness::frame(5);
    bad["pose_data"] = json!({ "persons": [{ "nose": [[1]] }] });
    for _ in 0..3 {
        camera.send(bad.clone()).await;
        camera.expect("error").await;
    }
    camera.ask(json!({ "type": "pause_recording" })).await;
    for n in (0..9).chain(5..9) {
        camera.frame(n).await;
    }
    camera.ask(json!({ "type": "resume_recording" })).await;
    for n in 6..12 {
        camera.frame(n).await;
    }
    let report = camera.stop().await["report"].clone();
    assert_eq!(
        (&report["stored"], &report["paused"], &report["sent"]),
        (&json!(8), &json!(3), &json!(12)),
        "{report}"
    );
    let sum: u64 = ["stored", "late", "duplicate", "conflict", "paused"]
        .iter()
        .map(|of| report[of].as_u64().unwrap())
        .sum();
    let refused: u64 = report["refused"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(report["received"], sum + refused, "{report}");
}

#[tokio::test(start_paused = true)]
async fn what_comes_over_a_connection_that_was_left_is_not_heard() {
    let house = House::new();
    let mut left = house.connect().await;
    publish(&mut left, "run-1").await;
    let session = left.start("goes on elsewhere").await;
    let mut given_up = house.connect().await;
    let mut camera = house.connect().await;
    publish(&mut camera, "run-1").await;
    // As if it had been under way all the time.
    assert_eq!(publish(&mut given_up, "run-1").await["code"], "not_publisher");
    assert_eq!(given_up.ask(resume(session, "run-1")).await["code"], "not_publisher");
    for kind in ["stop_recording", "discard_recording", "start_recording", "publish"] {
        let late =
            json!({ "type": kind, "session_id": session, "publisher": "run-1", "name": "a second one" });
        assert_eq!(left.ask(late).await["code"], "not_publisher", "{kind}");
    }
    assert_eq!(left.ask(resume(session, "run-1")).await["code"], "not_publisher");
    for n in 0..5 {
        camera.frame(n).await;
    }
    assert_eq!(camera.stop().await["session"]["frame_count"], 5);
}
