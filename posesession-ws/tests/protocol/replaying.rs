//! Replays: on time, in order, and moved by commands.

use std::time::Duration;

use posesession_core::{
    Batch, Chunk, Marker, MarkerKind, SessionId, SessionStatus, Skeleton, SyntheticPose, Timestamp,
};
use posesession_store::{NewSession, SessionStore};
use posesession_ws::protocol::WireFormat;
use posesession_ws::{ReplayClient, ReplayEvent, ReplayRequest, in_process};
use serde_json::json;
use tokio::time::Instant;

use crate::harness::House;

/// Stores a 25 fps session of `frames` frames in chunks of 64 frames, completed.
async fn stored(house: &House, frames: u64) -> SessionId {
    let skeleton = Skeleton::preset("coco_17").unwrap();
    let source = SyntheticPose::new(&skeleton, 25.0);
    let new = NewSession { skeleton: Some(skeleton.clone()), ..NewSession::named("stored") };
    let id = house.store.create_session(new).await.unwrap().id;
    let term = house.store.begin_term(id).await.unwrap();
    let marker = |kind, micros, label: &str| Marker {
        kind,
        timestamp: Timestamp::from_micros(micros),
        label: label.to_owned(),
        duration: None,
        count: None,
        cause: None,
    };
    for first in (0..frames).step_by(64) {
        let mut chunk = Chunk::new(first, skeleton.layout());
        for n in first..frames.min(first + 64) {
            let (timestamp, pose) = source.frame(n);
            chunk.push(timestamp, &pose).unwrap();
        }
        let markers = if first == 0 {
            vec![marker(MarkerKind::User, 400_000, "deep"), marker(MarkerKind::Gap, 480_000, "")]
        } else {
            Vec::new()
        };
        let batch = Batch { chunk: Some(chunk), markers, ..Batch::default() };
        house.store.append(id, term, &batch).await.unwrap();
    }
    house.store.finish(id, term, SessionStatus::Completed).await.unwrap();
    id
}

#[tokio::test(start_paused = true)]
async fn a_replay_begins_with_the_session_a_state_and_the_first_frame() {
    let house = House::new();
    let id = stored(&house, 100).await;
    let mut viewer = house.replay(id, ReplayRequest::default());
    let session = viewer.next().await;
    assert_eq!(
        (&session["type"], &session["frame_count"], &session["live"]),
        (&json!("session"), &json!(100), &json!(false))
    );
    assert_eq!(
        (session["gaps"].as_array().unwrap().len(), session["markers"].as_array().unwrap().len()),
        (1, 2)
    );
    let state = viewer.next().await;
    assert_eq!((&state["status"], &state["epoch"]), (&json!("paused"), &json!(0)));
    let frame = viewer.expect("frame").await;
    assert_eq!((&frame["frame_number"], &frame["timestamp"]), (&json!(0), &json!(0.0)));
    assert_eq!(frame["pose_data"]["persons"][0]["pose"].as_array().unwrap().len(), 17);
}

#[tokio::test(start_paused = true)]
async fn every_frame_comes_in_order_and_on_time_at_every_rate() {
    let house = House::new();
    let id = stored(&house, 200).await;
    for rate in [1.0, 2.0, 0.25, 16.0] {
        let mut viewer = house.replay(id, ReplayRequest::default());
        viewer.expect("frame").await;
        let begun = Instant::now();
        let answer = viewer.ask(json!({ "type": "play", "rate": rate })).await;
        assert_eq!(answer["status"], "playing", "{answer}");
        for n in 1..200_u64 {
            let frame = viewer.expect("frame").await;
            assert_eq!(frame["frame_number"], n);
            let due = Duration::from_secs_f64(n as f64 * 0.04 / rate);
            let late = begun.elapsed().saturating_sub(due);
            assert!(late <= Duration::from_millis(2), "frame {n} at rate {rate} is {late:?} late");
            assert!(begun.elapsed() + Duration::from_millis(1) >= due, "frame {n} at rate {rate} is early");
        }
        while viewer.expect("state").await["status"] != "ended" {}
    }
}

#[tokio::test(start_paused = true)]
async fn an_hour_is_replayed_without_drift() {
    let house = House::new();
    let id = stored(&house, 25 * 3600 + 1).await;
    let mut viewer = house.replay(id, ReplayRequest { autoplay: true, format: WireFormat::Json });
    let begun = Instant::now();
    let mut last = 0;
    while last < 25 * 3600 {
        last = viewer.expect("frame").await["frame_number"].as_u64().unwrap();
    }
    let drift = begun.elapsed().abs_diff(Duration::from_secs(3600));
    assert!(drift <= Duration::from_millis(2), "{drift:?} after an hour");
}

#[tokio::test(start_paused = true)]
async fn play_pause_seek_step_and_rate() {
    let house = House::new();
    let id = stored(&house, 200).await;
    let mut viewer = house.replay(id, ReplayRequest::default());
    viewer.expect("frame").await;

    let landed = viewer.ask(json!({ "type": "seek", "timestamp": 4.03 })).await;
    assert_eq!(
        (&landed["timestamp"], &landed["frame_number"], &landed["epoch"]),
        (&json!(4.0), &json!(100), &json!(1))
    );
    let frame = viewer.expect("frame").await;
    assert_eq!(
        (&frame["frame_number"], &frame["epoch"]),
        (&json!(100), &json!(1)),
        "a seek while paused shows its frame"
    );

    for (seek, frame_number) in [
        (json!({ "frame_number": 7 }), 7),
        (json!({ "fraction": 1.0 }), 199),
        (json!({ "marker": "deep" }), 10),
        (json!({ "timestamp": 4.03, "mode": "nearest" }), 101),
        (json!({ "timestamp": 4.04, "mode": "exact" }), 101),
        (json!({ "timestamp": 1e6 }), 199),
    ] {
        let mut command = seek.clone();
        command["type"] = json!("seek");
        let landed = viewer.ask(command).await;
        assert_eq!(landed["frame_number"], frame_number, "{seek} -> {landed}");
    }
    for (seek, code) in [
        (json!({ "frame_number": 200 }), "out_of_range"),
        (json!({ "fraction": 1.5 }), "out_of_range"),
        (json!({ "marker": "nowhere" }), "marker_not_found"),
        (json!({ "timestamp": 4.03, "mode": "exact" }), "frame_not_found"),
        (json!({}), "bad_message"),
        (json!({ "timestamp": 1.0, "fraction": 0.5 }), "bad_message"),
    ] {
        let mut command = seek.clone();
        command["type"] = json!("seek");
        let refused = viewer.ask(command).await;
        assert_eq!(refused["code"], code, "{seek} -> {refused}");
    }
    viewer.ask(json!({ "type": "seek", "frame_number": 50 })).await;
    let stepped = viewer.ask(json!({ "type": "step", "frames": -3 })).await;
    assert_eq!((&stepped["frame_number"], &stepped["status"]), (&json!(47), &json!("paused")));
    for rate in [0.0, 17.0] {
        assert_eq!(viewer.ask(json!({ "type": "set_rate", "rate": rate })).await["code"], "out_of_range");
    }
    viewer.ask(json!({ "type": "play", "rate": -1.0 })).await;
    while viewer.expect("frame").await["frame_number"] != 0 {}
    let again = viewer.ask(json!({ "type": "pause" })).await;
    assert!(["ended", "paused"].contains(&again["status"].as_str().unwrap()), "{again}");
}

#[tokio::test(start_paused = true)]
async fn while_scrubbing_the_latest_seek_wins_and_every_seek_is_answered() {
    let house = House::new();
    let id = stored(&house, 500).await;
    let mut viewer = house.replay(id, ReplayRequest::default());
    viewer.expect("frame").await;
    for n in 0..40 {
        viewer.send(json!({ "type": "seek", "id": n, "frame_number": n * 12 })).await;
    }
    let mut answers = 0;
    let mut last = json!(null);
    while answers < 40 {
        let state = viewer.expect("state").await;
        if !state["id"].is_null() {
            answers += 1;
            last = state;
        }
    }
    assert_eq!((&last["id"], &last["frame_number"], &last["epoch"]), (&json!(39), &json!(468), &json!(40)));
    let frame = viewer.expect("frame").await;
    assert_eq!(
        (&frame["frame_number"], &frame["epoch"]),
        (&json!(468), &json!(40)),
        "no frame of an overtaken seek"
    );
}

#[tokio::test(start_paused = true)]
async fn a_range_is_looped() {
    let house = House::new();
    let id = stored(&house, 200).await;
    let mut viewer = house.replay(id, ReplayRequest::default());
    viewer.expect("frame").await;
    let range = json!({ "type": "set_range", "start": 1.0, "end": 1.2, "loop": "loop" });
    assert_eq!(viewer.ask(range).await["timestamp"], 1.0);
    viewer.ask(json!({ "type": "play" })).await;
    let mut numbers = Vec::new();
    while numbers.len() < 14 {
        numbers.push(viewer.expect("frame").await["frame_number"].as_u64().unwrap());
    }
    assert_eq!(numbers[..7], [25, 26, 27, 28, 29, 30, 25], "{numbers:?}");
    let bad = viewer.ask(json!({ "type": "set_range", "start": 2.0, "end": 1.0 })).await;
    assert_eq!(bad["code"], "out_of_range");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_being_recorded_is_followed_to_its_end() {
    let house = House::new();
    let mut camera = house.connect().await;
    let id = camera.start("live").await;
    for n in 0..10 {
        camera.frame(n).await;
    }
    camera.expect("ack").await;
    let mut viewer = house.replay(id, ReplayRequest { autoplay: true, format: WireFormat::Json });
    assert_eq!(viewer.next().await["live"], true);
    while viewer.expect("frame").await["frame_number"] != 9 {}
    for n in 10..20 {
        camera.frame(n).await;
    }
    while viewer.expect("frame").await["frame_number"] != 19 {}
    camera.stop().await;
    while viewer.expect("session").await["live"] != false {}
    while viewer.expect("state").await["status"] != "ended" {}
}

#[tokio::test(start_paused = true)]
async fn a_missing_session_is_said_and_the_connection_closed() {
    let house = House::new();
    let missing = SessionId(uuid::Uuid::now_v7());
    let mut viewer = house.replay(missing, ReplayRequest::default());
    assert_eq!(viewer.next().await["code"], "session_not_found");
    assert_eq!(viewer.next().await["code"], 4404);
}

#[tokio::test(start_paused = true)]
async fn an_empty_session_has_nowhere_to_go() {
    let house = House::new();
    let id = stored(&house, 0).await;
    let mut viewer = house.replay(id, ReplayRequest::default());
    assert_eq!(viewer.next().await["frame_count"], 0);
    assert_eq!(viewer.ask(json!({ "type": "seek", "frame_number": 0 })).await["code"], "bad_state");
    assert_eq!(viewer.ask(json!({ "type": "play" })).await["status"], "ended");
    assert_eq!(viewer.ask(json!({ "type": "wink" })).await["code"], "unknown_type");
}

#[tokio::test(start_paused = true)]
async fn the_rust_client_replays_binary_frames() {
    let house = House::new();
    let id = stored(&house, 100).await;
    let (server_end, client_end) = in_process(64);
    let service = house.replays.clone();
    let request = ReplayRequest { autoplay: false, format: WireFormat::Binary };
    tokio::spawn(async move { service.serve(id, request, server_end).await });
    let mut client = ReplayClient::over(client_end).await.unwrap();
    assert_eq!(client.session().frame_count, 100);
    client.play(Some(4.0)).await.unwrap();
    let mut shown = Vec::new();
    loop {
        match client.next_event().await.unwrap() {
            ReplayEvent::Frame(frame) => shown.push(frame),
            ReplayEvent::State(state) if state.status == "ended" => break,
            _ => {}
        }
    }
    let source = SyntheticPose::new(&Skeleton::preset("coco_17").unwrap(), 25.0);
    assert_eq!(shown.len(), 100);
    for (n, frame) in (0..).zip(&shown) {
        assert_eq!((frame.frame_number, frame.timestamp), (n, source.frame(n).0));
        let mut expected = source.frame(n).1;
        expected.canonicalise(&Skeleton::preset("coco_17").unwrap()).unwrap();
        assert_eq!(frame.pose_data, expected, "frame {n} has the recorded bits");
    }
}

#[tokio::test(start_paused = true)]
async fn a_seek_that_fails_is_answered_for_itself_not_for_the_command_after_it() {
    let house = House::new();
    let session = stored(&house, 30).await;
    let mut viewer = house.replay(session, ReplayRequest::default());
    viewer.expect("frame").await;
    viewer.send(json!({ "type": "seek", "id": "lost", "timestamp": 0.5001, "mode": "exact" })).await;
    viewer.send(json!({ "type": "play", "id": "play" })).await;
    let error = viewer.expect("error").await;
    assert_eq!((&error["id"], &error["code"]), (&json!("lost"), &json!("frame_not_found")));
    loop {
        let state = viewer.expect("state").await;
        if state["id"] == "play" {
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_reads_nothing_does_not_hold_up_a_shutdown() {
    let house = House::new();
    let session = stored(&house, 300).await;
    let (server_end, _client_end) = in_process(1);
    let service = house.replays.clone();
    let request = ReplayRequest { autoplay: true, ..ReplayRequest::default() };
    let served = tokio::spawn(async move { service.serve(session, request, server_end).await });
    tokio::time::sleep(Duration::from_secs(5)).await;
    house.replays.shutdown();
    tokio::time::timeout(Duration::from_secs(10), served).await.expect("an end").unwrap().unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_standing_replay_hears_that_its_session_was_deleted() {
    let house = House::new();
    let (id, other) = (stored(&house, 100).await, stored(&house, 100).await);
    let mut viewer = house.replay(id, ReplayRequest::default());
    viewer.expect("frame").await;
    house.store.delete_session(other, chrono::Utc::now()).await.unwrap();
    house.replays.session_changed(other);
    let paused = viewer.ask(json!({ "type": "pause" })).await;
    assert_eq!(paused["status"], "paused", "another session's end is not its own");

    house.store.delete_session(id, chrono::Utc::now()).await.unwrap();
    house.replays.session_changed(id);
    assert_eq!(viewer.expect("close").await["code"], 4404);
}
