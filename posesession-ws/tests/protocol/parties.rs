//! Several programs at once: streamers, controllers and viewers on one stream and on two.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use posesession_store::SessionStore;
use posesession_ws::protocol::{Publish, StartRecording, Subscribe, WireFormat};
use posesession_ws::{
    Message, RecordClient, RecordEvent, RecordOptions, from_websocket, in_process, websocket_config,
};
use serde_json::json;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::harness::{House, frame, session_id};

#[tokio::test(start_paused = true)]
async fn two_streams_are_recorded_at_once() {
    let house = House::new();
    let mut left = house.connect().await;
    let mut right = house.connect().await;
    for (client, stream) in [(&mut left, "left"), (&mut right, "right")] {
        let answer = client.ask(json!({ "type": "publish", "stream": stream })).await;
        assert_eq!(answer["type"], "ok", "{answer}");
    }
    let sessions = (left.start("l").await, right.start("r").await);
    for n in 0..20 {
        left.frame(n).await;
        if n < 10 {
            right.frame(n).await;
        }
    }
    assert_eq!(left.stop().await["session"]["frame_count"], 20);
    assert_eq!(right.stop().await["session"]["frame_count"], 10);
    assert_ne!(sessions.0, sessions.1);
}

#[tokio::test(start_paused = true)]
async fn a_camera_a_remote_control_and_a_viewer_are_three_programs() {
    let house = House::new();
    let mut camera = house.connect().await;
    let mut control = house.connect().await;
    let mut viewer = house.connect().await;
    camera.ask(json!({ "type": "publish", "stream": "gym", "publisher": "cam-1" })).await;
    let watching = viewer.ask(json!({ "type": "subscribe", "stream": "gym" })).await;
    assert_eq!((&watching["type"], &watching["skeleton"]), (&json!("ok"), &json!(null)));
    let started = control.ask(json!({ "type": "start_recording", "name": "three", "stream": "gym" })).await;
    assert_eq!(camera.expect("recording_started").await["session_id"], started["session_id"]);
    for n in 0..5 {
        camera.frame(n).await;
    }
    assert_eq!(viewer.expect("skeleton").await["skeleton"]["name"], "custom_2");
    for n in 0..5 {
        let live = viewer.expect("frame").await;
        assert_eq!((&live["frame_number"], &live["stream"]), (&json!(n), &json!("gym")));
        assert_eq!(live["pose_data"], frame(n)["pose_data"]);
        assert!(live["session_timestamp"].is_number());
    }
    assert_eq!(viewer.expect("recording_status").await["stream"], "gym");
    let finalized = control.stop().await;
    assert_eq!(finalized["session"]["frame_count"], 5);
    assert_eq!(camera.expect("recording_stopped").await["session_id"], started["session_id"]);
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_joins_midway_sees_the_skeleton_and_the_frames_from_then_on() {
    let house = House::new();
    let mut camera = house.connect().await;
    for n in 0..5 {
        camera.frame(n).await;
    }
    camera.ask(json!({ "type": "publish" })).await;
    let mut viewer = house.connect().await;
    let watching = viewer.ask(json!({ "type": "subscribe" })).await;
    assert_eq!(watching["skeleton"]["name"], "custom_2");
    camera.frame(5).await;
    assert_eq!(viewer.expect("frame").await["frame_number"], 5);
    viewer.ask(json!({ "type": "unsubscribe" })).await;
    camera.frame(6).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    viewer.ask(json!({ "type": "unsubscribe" })).await;
    assert!(viewer.kept_of("frame").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_slow_viewer_loses_frames_is_told_and_slows_nobody() {
    let house = House::new();
    let mut camera = house.connect().await;
    camera.ask(json!({ "type": "publish" })).await;
    let (server_end, viewer_end) = in_process(1);
    let service = house.records.clone();
    tokio::spawn(async move { service.serve(server_end).await });
    let mut viewer = RecordClient::over(viewer_end).await.unwrap();
    viewer.subscribe(&Subscribe::default()).await.unwrap();
    camera.start("slow viewer").await;
    for n in 0..500 {
        camera.frame(n).await;
    }
    let finalized = camera.stop().await;
    assert_eq!(finalized["session"]["frame_count"], 500, "the recording has every frame");
    let (mut gap, mut seen, mut last) = (0, 0, 0);
    while last != 499 {
        match viewer.next_event().await.unwrap() {
            RecordEvent::Other(message) if message["type"] == "gap" => {
                gap += message["count"].as_u64().unwrap();
            }
            RecordEvent::Other(message) if message["type"] == "frame" => {
                seen += 1;
                last = message["frame_number"].as_u64().unwrap();
            }
            _ => {}
        }
    }
    assert!(gap > 0, "the viewer is told of what it missed");
    assert_eq!(seen + gap, 500, "each frame is seen or told to be missing");
}

#[tokio::test]
async fn viewers_that_lose_large_images_are_told_and_the_recording_has_them_all() {
    const FRAMES: u64 = 60;
    const IMAGE: usize = 1 << 20;
    let house = House::new();
    let mut camera = house.connect().await;
    camera.ask(json!({ "type": "publish" })).await;
    let mut viewers = Vec::new();
    for format in [WireFormat::Json, WireFormat::Binary] {
        let (server_end, viewer_end) = in_process(1);
        let service = house.records.clone();
        tokio::spawn(async move { service.serve(server_end).await });
        let mut viewer = RecordClient::over(viewer_end).await.unwrap();
        viewer.subscribe(&Subscribe { format, ..Subscribe::default() }).await.unwrap();
        viewers.push(viewer);
    }
    let id = camera.start("large images").await;
    for n in 0..FRAMES {
        camera.frame_with_image(n, IMAGE).await;
    }
    let finalized = camera.stop().await;
    assert_eq!(finalized["session"]["frame_count"], FRAMES);
    let frames = house.frames(id).await;
    assert!(frames.iter().all(|frame| frame.image.is_some()), "the recording has every image");
    for viewer in &mut viewers {
        let (mut gap, mut seen, mut last) = (0, 0, 0);
        while last != FRAMES - 1 {
            match viewer.next_event().await.unwrap() {
                RecordEvent::Other(message) if message["type"] == "gap" => {
                    gap += message["count"].as_u64().unwrap();
                }
                RecordEvent::Other(message) if message["type"] == "frame" => {
                    seen += 1;
                    last = message["frame_number"].as_u64().unwrap();
                }
                RecordEvent::Frame(frame) => {
                    assert_eq!(frame.image.len(), IMAGE);
                    seen += 1;
                    last = frame.header.frame_number.unwrap();
                }
                _ => {}
            }
        }
        // Fewer than the events it may be behind: only their bytes are too many.
        assert!(gap > 0);
        assert_eq!(seen + gap, FRAMES, "each frame is seen or told to be missing");
    }
}

#[tokio::test(start_paused = true)]
async fn everybody_hears_once_that_a_recording_was_discarded() {
    let house = House::new();
    let mut camera = house.connect().await;
    camera.ask(json!({ "type": "publish" })).await;
    let mut viewer = house.connect().await;
    viewer.ask(json!({ "type": "subscribe" })).await;
    let mut control = house.connect().await;
    let session = control.start("discarded").await;
    camera.frame(0).await;
    assert_eq!(control.ask(json!({ "type": "discard_recording" })).await["type"], "ok");
    for client in [&mut camera, &mut viewer, &mut control] {
        let told = client.expect("recording_stopped").await;
        assert_eq!((&told["session_id"], &told["discarded"]), (&json!(session.to_string()), &json!(true)));
        client.ask(json!({ "type": "subscribe" })).await;
        assert!(client.kept_of("recording_stopped").is_empty(), "told once");
    }
}

#[tokio::test(start_paused = true)]
async fn two_controllers_share_one_stream() {
    let house = House::new();
    let mut first = house.connect().await;
    let mut second = house.connect().await;
    let session = first.start("shared").await;
    let again = second.ask(json!({ "type": "start_recording", "name": "mine" })).await;
    assert_eq!(
        (&again["code"], &again["session_id"]),
        (&json!("already_recording"), &json!(session.to_string()))
    );
    assert_eq!(second.ask(json!({ "type": "pause_recording" })).await["type"], "ok");
    assert_eq!(first.ask(json!({ "type": "resume_recording" })).await["type"], "ok");
    let stopped = second.ask(json!({ "type": "stop_recording" })).await;
    assert_eq!(stopped["session_id"], session.to_string());
    let too_late = first.ask(json!({ "type": "stop_recording" })).await;
    assert_eq!(too_late["code"], "no_recording");
}

#[tokio::test(start_paused = true)]
async fn a_recording_goes_on_without_its_controller_who_can_come_back_and_stop_it() {
    let house = House::new();
    let mut camera = house.connect().await;
    camera.ask(json!({ "type": "publish" })).await;
    let mut control = house.connect().await;
    let session = control.start("vanishing").await;
    camera.frame(0).await;
    drop(control);
    tokio::time::sleep(Duration::from_secs(60)).await;
    camera.frame(1).await;
    let mut control = house.connect().await;
    let stopped = control.ask(json!({ "type": "stop_recording", "session_id": session })).await;
    assert_eq!(stopped["session"]["frame_count"], 2, "{stopped}");
}

#[tokio::test(start_paused = true)]
async fn a_second_publisher_is_turned_away_unless_it_takes_over() {
    let house = House::new();
    let mut first = house.connect().await;
    first.ask(json!({ "type": "publish", "publisher": "a" })).await;
    let session = first.start("takeover").await;
    for n in 10..13 {
        first.frame(n).await;
    }
    let mut second = house.connect().await;
    let busy = second.ask(json!({ "type": "publish", "publisher": "b" })).await;
    assert_eq!(busy["code"], "stream_busy");
    second.frame(0).await;
    assert_eq!(second.expect("error").await["code"], "stream_busy", "a frame publishes, too");
    let taken = second.ask(json!({ "type": "publish", "publisher": "b", "take_over": true })).await;
    assert_eq!((&taken["type"], &taken["session_id"]), (&json!("ok"), &json!(session.to_string())));
    assert_eq!(taken["stored_through"], json!(null), "the new publisher's numbers start anew");
    assert_eq!(first.expect("error").await["code"], "not_publisher");
    for n in 0..2 {
        second.frame(n).await;
    }
    let finalized = second.stop().await;
    assert_eq!(finalized["session"]["frame_count"], 5, "{finalized}");
    let xs: Vec<f32> = house.frames(session).await.iter().map(|f| f.pose_data.values[0]).collect();
    assert_eq!(xs, [10.0, 11.0, 12.0, 0.0, 1.0]);
}

#[tokio::test(start_paused = true)]
async fn the_same_publisher_takes_over_its_half_open_connection() {
    let house = House::new();
    let mut old = house.connect().await;
    old.ask(json!({ "type": "publish", "publisher": "cam" })).await;
    let session = old.start("half open").await;
    for n in 0..3 {
        old.frame(n).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut new = house.connect().await;
    let resumed =
        new.ask(json!({ "type": "resume_session", "session_id": session, "publisher": "cam" })).await;
    assert_eq!((&resumed["type"], &resumed["stored_through"]), (&json!("session_resumed"), &json!(2)));
    for n in 2..5 {
        new.frame(n).await;
    }
    let finalized = new.stop().await;
    assert_eq!(
        (&finalized["session"]["frame_count"], &finalized["report"]["duplicate"]),
        (&json!(5), &json!(1))
    );
}

#[tokio::test(start_paused = true)]
async fn a_publisher_restarted_with_new_numbers_goes_on_in_the_same_session() {
    let house = House::new();
    let mut old = house.connect().await;
    old.ask(json!({ "type": "publish", "publisher": "run-1" })).await;
    let session = old.start("restart").await;
    for n in 0..3 {
        old.frame(n).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(old);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut new = house.connect().await;
    let mut publish = json!({ "type": "publish", "publisher": "run-2" });
    assert_eq!(new.ask(publish.clone()).await["code"], "stream_busy", "its predecessor may come back");
    publish["take_over"] = json!(true);
    assert_eq!(new.ask(publish).await["type"], "ok");
    for n in 0..2 {
        new.frame(n).await;
    }
    let finalized = new.ask(json!({ "type": "stop_recording", "session_id": session })).await;
    assert_eq!(finalized["session"]["frame_count"], 5);
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_publisher_stays_away_is_interrupted() {
    let house = House::with(RecordOptions {
        publisher_patience: Duration::from_secs(30),
        ..RecordOptions::default()
    });
    let mut camera = house.connect().await;
    let session = camera.start("abandoned").await;
    camera.frame(0).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(camera);
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert_eq!(house.store.read_session(session).await.unwrap().status.as_str(), "recording");
    tokio::time::sleep(Duration::from_secs(5)).await;
    let stored = house.store.read_session(session).await.unwrap();
    assert_eq!((stored.status.as_str(), stored.frame_count), ("interrupted", 1));
    let mut camera = house.connect().await;
    let resume =
        json!({ "type": "resume_session", "session_id": session, "publisher": "x", "take_over": true });
    assert_eq!(camera.ask(resume).await["type"], "session_resumed", "whoever comes at last is not sent away");
    camera.stop().await;
    let started = camera.ask(json!({ "type": "start_recording", "name": "next" })).await;
    assert_ne!(session_id(&started), session);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_session_ends_its_recording_and_says_so() {
    let house = House::new();
    let mut camera = house.connect().await;
    let session = camera.start("deleted").await;
    camera.frame(0).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    house.store.delete_session(session, chrono::Utc::now()).await.unwrap();
    camera.frame(1).await;
    let told = camera.expect("error").await;
    assert_eq!(told["code"], "session_not_found", "{told}");
    assert_eq!(camera.ask(json!({ "type": "stop_recording" })).await["code"], "no_recording");
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_once_nobody_uses_it_however_they_left() {
    let house = House::with(RecordOptions { max_streams: 1, ..RecordOptions::default() });
    let mut viewer = house.connect().await;
    viewer.ask(json!({ "type": "subscribe", "stream": "first" })).await;
    let full = viewer.ask(json!({ "type": "subscribe", "stream": "second" })).await;
    assert_eq!(full["code"], "too_large", "{full}");
    viewer.ask(json!({ "type": "unsubscribe", "stream": "first" })).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let free = viewer.ask(json!({ "type": "subscribe", "stream": "second" })).await;
    assert_eq!(free["type"], "ok", "{free}");
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_stops_watching_is_still_told_statuses() {
    let house = House::new();
    let mut control = house.connect().await;
    control.start("told").await;
    control.ask(json!({ "type": "subscribe" })).await;
    control.ask(json!({ "type": "unsubscribe" })).await;
    let before = control.kept_of("recording_status").len();
    tokio::time::sleep(Duration::from_secs(2)).await;
    control.ask(json!({ "type": "unsubscribe", "stream": "none" })).await;
    assert!(control.kept_of("recording_status").len() >= before + 3);
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_after_a_discarded_recording_whose_publisher_was_lost() {
    let house = House::with(RecordOptions { max_streams: 1, ..RecordOptions::default() });
    let mut camera = house.connect().await;
    camera.ask(json!({ "type": "publish", "stream": "first" })).await;
    let session = camera.start("lost").await;
    drop(camera);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut control = house.connect().await;
    let gone = control.ask(json!({ "type": "discard_recording", "session_id": session })).await;
    assert_eq!(gone["type"], "ok", "{gone}");
    drop(control);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut next = house.connect().await;
    let free = next.ask(json!({ "type": "publish", "stream": "second" })).await;
    assert_eq!(free["type"], "ok", "{free}");
}

#[tokio::test(start_paused = true)]
async fn a_publisher_whose_connection_is_no_longer_served_counts_as_lost() {
    let house = House::with(RecordOptions {
        publisher_patience: Duration::from_secs(30),
        ..RecordOptions::default()
    });
    let (server_end, client_end) = in_process(1024);
    let service = house.records.clone();
    let served = tokio::spawn(async move { service.serve(server_end).await });
    let mut camera = RecordClient::over(client_end).await.unwrap();
    camera.publish(&Publish::default()).await.unwrap();
    let start = StartRecording { name: "cut off".to_owned(), ..StartRecording::default() };
    let session = camera.start_recording(&start).await.unwrap();
    served.abort();
    tokio::time::sleep(Duration::from_secs(40)).await;
    let stored = house.store.read_session(session).await.unwrap();
    assert_eq!(stored.status.as_str(), "interrupted");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_put_out_and_its_recording_goes_on() {
    let house =
        House::with(RecordOptions { status_every: Duration::from_millis(10), ..RecordOptions::default() });
    let (server_end, mut client_end) = in_process(1);
    let service = house.records.clone();
    let served = tokio::spawn(async move { service.serve(server_end).await });
    client_end.send(Message::text(r#"{"type":"start_recording","name":"deaf"}"#)).await.unwrap();
    tokio::time::timeout(Duration::from_secs(60), served).await.expect("an end").unwrap().unwrap_err();
    assert_eq!(house.records.live_recordings(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_does_not_hold_up_a_shutdown() {
    let house = House::new();
    let (server_end, mut client_end) = in_process(1);
    let service = house.records.clone();
    let served = tokio::spawn(async move { service.serve(server_end).await });
    client_end.send(Message::text(r#"{"type":"start_recording","name":"deaf"}"#)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    house.records.shutdown().await;
    tokio::time::timeout(Duration::from_secs(10), served).await.expect("an end").unwrap().unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_cannot_be_read_settles_its_number_on_its_own_stream() {
    let house = House::new();
    let mut client = house.connect().await;
    let mut sessions = Vec::new();
    for stream in ["left", "right"] {
        client.ask(json!({ "type": "publish", "stream": stream })).await;
        sessions.push(client.start(stream).await);
    }
    for n in 0..5 {
        client.frame(n).await;
    }
    let broken = json!({ "type": "frame", "stream": "left", "frame_number": 5, "timestamp": "soon" });
    client.send(broken).await;
    assert_eq!(client.expect("error").await["frame_number"], 5);
    for n in 5..10 {
        client.frame(n).await;
    }
    let right = client.ask(json!({ "type": "stop_recording", "session_id": sessions[1] })).await;
    assert_eq!(right["session"]["frame_count"], 10, "{right}");
    let left = client.ask(json!({ "type": "stop_recording", "session_id": sessions[0] })).await;
    assert_eq!(left["report"]["refused"]["bad_message"], 1, "{left}");
}

#[tokio::test(start_paused = true)]
async fn a_take_over_of_a_deleted_session_ends_its_recording() {
    let house = House::new();
    let mut camera = house.connect().await;
    let session = camera.start("deleted").await;
    camera.frame(0).await;
    camera.ask(json!({ "type": "mark", "label": "the frame is in" })).await;
    house.store.delete_session(session, chrono::Utc::now()).await.unwrap();
    let mut other = house.connect().await;
    let taken = other.ask(json!({ "type": "publish", "publisher": "b", "take_over": true })).await;
    assert_eq!(taken["code"], "session_not_found", "{taken}");
    assert_eq!(house.records.live_recordings(), 0);
}

#[tokio::test]
async fn a_goodbye_over_a_websocket_is_answered() {
    let house = House::new();
    let (server_pipe, client_pipe) = tokio::io::duplex(1 << 16);
    let service = house.records.clone();
    tokio::spawn(async move {
        let socket =
            WebSocketStream::from_raw_socket(server_pipe, Role::Server, Some(websocket_config())).await;
        service.serve(from_websocket(socket)).await
    });
    let mut client = WebSocketStream::from_raw_socket(client_pipe, Role::Client, None).await;
    assert!(client.next().await.unwrap().unwrap().is_text(), "the welcome");
    client.close(None).await.unwrap();
    let mut last = None;
    while let Some(message) = client.next().await {
        last = Some(message.expect("no broken connection"));
    }
    assert!(last.is_some_and(|message| message.is_close()));
}

#[tokio::test(start_paused = true)]
async fn the_streams_that_somebody_publishes_are_listed() {
    let house = House::new();
    let (mut left, mut right, mut viewer) =
        (house.connect().await, house.connect().await, house.connect().await);
    left.ask(json!({ "type": "publish", "stream": "left" })).await;
    right.ask(json!({ "type": "publish", "stream": "a right one" })).await;
    viewer.ask(json!({ "type": "subscribe", "stream": "nobody's" })).await;
    assert_eq!(house.records.published_streams(), ["a right one", "left"]);

    left.start("left").await;
    drop(left);
    drop(right);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(house.records.published_streams(), [""; 0], "also a recorded stream whose publisher is lost");
    assert_eq!(house.records.live_recordings(), 1);
}
