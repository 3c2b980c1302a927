//! The life of a recording: start, acknowledge, pause, mark, stop, discard; images and video.

use std::time::Duration;

use bytes::Bytes;
use futures::SinkExt;
use posesession_core::{Encoding, MarkerKind, SessionId, Timestamp};
use posesession_store::{RecordedVideo, SessionStore};
use posesession_ws::protocol::{BinaryVideo, StartRecording};
use posesession_ws::{Message, RecordClient, RecordEvent, RecordOptions, in_process};
use serde_json::json;

use crate::harness::{Client, House, frame, session_id};

#[tokio::test(start_paused = true)]
async fn a_recording_is_acknowledged_stored_and_finalized() {
    let house = House::new();
    let mut client = house.connect().await;
    let session = client.start("Squat").await;
    for n in 0..30 {
        client.frame(n).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let ack = client.expect("ack").await;
    assert_eq!(ack["session_id"], session.to_string());
    assert_eq!(ack["stored_through"], 29);
    let finalized = client.stop().await;
    assert_eq!(finalized["session"]["status"], "completed");
    assert_eq!(finalized["session"]["frame_count"], 30);
    let frames = house.frames(session).await;
    assert_eq!(frames.len(), 30);
    assert_eq!(frames[29].pose_data.values[0], 29.0);
    assert_eq!(frames[29].timestamp, Timestamp::from_micros(966_667));
}

#[tokio::test(start_paused = true)]
async fn the_shortest_client_that_works() {
    let house = House::new();
    let mut client = house.connect().await;
    client.send_text(r#"{"type":"start_recording","name":"Squat"}"#).await;
    for n in 0..3 {
        let landmark = r#"{"x":0.5,"y":0.4,"z":0.0,"visibility":0.99}"#;
        let landmarks = vec![landmark; 33].join(",");
        client
            .send_text(&format!(r#"{{"type":"frame","timestamp":{n}.033,"landmarks":[{landmarks}]}}"#))
            .await;
    }
    client.send_text(r#"{"type":"stop_recording"}"#).await;
    let finalized = client.expect("recording_finalized").await;
    assert_eq!(finalized["session"]["frame_count"], 3);
    assert_eq!(finalized["session"]["skeleton"]["name"], "mediapipe_33");
}

#[tokio::test(start_paused = true)]
async fn session_time_stands_still_while_paused() {
    let house = House::new();
    let mut client = house.connect().await;
    let session = client.start("pause").await;
    for n in 0..4 {
        client.frame(n).await;
    }
    assert_eq!(client.ask(json!({ "type": "pause_recording" })).await["type"], "ok");
    let twice = client.ask(json!({ "type": "pause_recording" })).await;
    assert_eq!(twice["code"], "bad_state", "{twice}");
    assert_eq!(house.store.read_session(session).await.unwrap().status.as_str(), "paused");
    for n in 4..10 {
        client.frame(n).await;
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(client.ask(json!({ "type": "resume_recording" })).await["type"], "ok");
    let mut later = frame(10);
    later["timestamp"] = json!(120.0);
    client.send(later).await;
    let finalized = client.stop().await;
    assert_eq!(finalized["report"]["paused"], 6);
    assert_eq!(finalized["session"]["frame_count"], 5);
    let frames = house.frames(session).await;
    let step = frames[4].timestamp.micros_since(frames[3].timestamp);
    assert!((33_000..34_000).contains(&step), "one median interval, not {step} us");
    let markers = house.store.markers(session).await.unwrap();
    let pause = markers.iter().find(|marker| marker.kind == MarkerKind::Paused).expect("a marker");
    assert_eq!(pause.duration, Some(Timestamp::from_micros(20_000_000)));
}

#[tokio::test(start_paused = true)]
async fn a_mark_is_stored_in_session_time() {
    let house = House::new();
    let mut client = house.connect().await;
    let session = client.start("marks").await;
    for n in 0..10 {
        client.frame(n).await;
    }
    let marked = client.ask(json!({ "type": "mark", "label": "deep", "timestamp": 100.1 })).await;
    assert_eq!(marked["marker"]["timestamp"], 0.1, "{marked}");
    let unnamed = client.ask(json!({ "type": "mark", "label": "" })).await;
    assert_eq!(unnamed["code"], "bad_message");
    client.stop().await;
    let markers = house.store.markers(session).await.unwrap();
    assert_eq!((markers[0].label.as_str(), markers[0].timestamp), ("deep", Timestamp::from_micros(100_000)));
}

#[tokio::test(start_paused = true)]
async fn a_kind_of_video_that_is_not_known_is_unsupported() {
    let house = House::new();
    let mut client = house.connect().await;
    let command = json!({ "type": "start_recording", "name": "x", "video": { "mime": "video/x-matroska" } });
    let answer = client.ask(command).await;
    assert_eq!(answer["code"], "unsupported", "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_recording_has_the_encoding_that_was_asked_for() {
    for (asked, codec, max_error) in [
        (json!({}), "columnar", json!(null)),
        (json!({ "codec": "json" }), "json", json!(null)),
        (json!({ "max_error": { "x": 0.01 } }), "bounded", json!({ "x": 0.01 })),
        (json!({ "codec": "bounded", "max_error": { "x": 0.01 } }), "bounded", json!({ "x": 0.01 })),
    ] {
        let house = House::new();
        let mut client = house.connect().await;
        let mut start = json!({ "type": "start_recording", "name": "asked" });
        start.as_object_mut().unwrap().extend(asked.as_object().unwrap().clone());
        let created = client.ask(start).await;
        let session = session_id(&created);
        for n in 0..30 {
            client.frame(n).await;
        }
        let finalized = client.stop().await;
        for told in [&created["session"], &finalized["session"]] {
            assert_eq!((&told["codec"], &told["max_error"]), (&json!(codec), &max_error), "{asked}");
        }
        let mut replay = house.replay(session, Default::default());
        let told = replay.expect("session").await;
        assert_eq!((&told["session"]["codec"], &told["session"]["max_error"]), (&json!(codec), &max_error));
    }
}

#[tokio::test(start_paused = true)]
async fn an_encoding_that_is_none_is_refused() {
    let house = House::new();
    let mut client = house.connect().await;
    for (encoding, words) in [
        (json!({ "codec": "zip" }), "`zip` is no codec for a session"),
        (json!({ "codec": "bounded" }), "needs `max_error`"),
        (json!({ "codec": "json", "max_error": { "x": 0.1 } }), "is lossless"),
        (json!({ "max_error": { "x": -1 } }), "`max_error` of `x` is -1"),
        (json!({ "max_error": { "q": 1 } }), "`q`"),
        (json!({ "max_error": 5 }), "not as specified"),
    ] {
        let mut start = json!({ "type": "start_recording", "name": "asked" });
        start.as_object_mut().unwrap().extend(encoding.as_object().unwrap().clone());
        let refused = client.ask(start).await;
        assert_eq!(refused["code"], "bad_message", "{encoding} -> {refused}");
        assert!(refused["message"].as_str().unwrap().contains(words), "{encoding} -> {refused}");
    }
    // A bound of a channel that poses turn out not to have ends the recording, with its name.
    let start = json!({ "type": "start_recording", "name": "flat", "max_error": { "z": 0.1 } });
    assert_eq!(client.ask(start).await["type"], "session_created");
    client.frame(0).await;
    let told = client.expect("error").await;
    assert!(told["message"].as_str().unwrap().contains("`z`"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_recording_whose_starter_does_not_say_is_kept_as_the_server_is_told() {
    let options = RecordOptions { encoding: Encoding::Json, ..RecordOptions::default() };
    let house = House::with(options);
    let mut client = house.connect().await;
    let session = client.start("unsaid").await;
    client.frame(0).await;
    client.stop().await;
    assert_eq!(house.store.read_session(session).await.unwrap().encoding, Encoding::Json);
    let start = json!({ "type": "start_recording", "name": "said", "codec": "columnar" });
    assert_eq!(client.ask(start).await["session"]["codec"], "columnar");
}

#[tokio::test(start_paused = true)]
async fn a_discarded_recording_is_gone() {
    let house = House::new();
    let mut client = house.connect().await;
    let session = client.start("oops").await;
    client.frame(0).await;
    assert_eq!(client.ask(json!({ "type": "discard_recording" })).await["type"], "ok");
    assert!(house.store.read_session(session).await.is_err());
    let gone = client.ask(json!({ "type": "stop_recording" })).await;
    assert_eq!(gone["code"], "no_recording");
}

#[tokio::test]
async fn images_and_video_are_kept_beside_the_poses() {
    let house = House::new();
    let (server_end, client_end) = in_process(64);
    let service = house.records.clone();
    tokio::spawn(async move { service.serve(server_end).await });
    let mut client = RecordClient::over(client_end).await.unwrap();
    let start: StartRecording =
        serde_json::from_value(json!({ "name": "video", "video": { "mime": "video/webm;codecs=vp8" } }))
            .unwrap();
    let session = client.start_recording(&start).await.unwrap();
    let pose = posesession_core::PoseData::one_person(vec![0.5; 132]);
    let jpeg = [0xff, 0xd8, 0xff, 1, 2, 3];
    for n in 0..5 {
        let timestamp = Timestamp::from_micros(i64::try_from(n).unwrap() * 33_333);
        client.send_frame(Some(n), timestamp, &pose, &jpeg).await.unwrap();
    }
    for offset in [0, 4] {
        client.send_video(offset, Timestamp::ZERO, Bytes::from_static(b"webm")).await.unwrap();
    }
    client.send_video(100, Timestamp::ZERO, Bytes::from_static(b"hole")).await.unwrap();
    let finalized = client.stop_recording(None).await.unwrap();
    assert_eq!(finalized.report["video_stored_bytes"], 8);
    let path = finalized.session.video_file_path.expect("a video");
    assert_eq!(std::fs::read(house.media.path().join(&path)).unwrap(), b"webmwebm");
    let frames = house.frames(session).await;
    let image = frames[4].image.as_ref().expect("an image");
    assert_eq!((image.offset, image.length), (24, 6));
    let mut hole_told = false;
    while !hole_told {
        if let RecordEvent::Error(error) = client.next_event().await.unwrap() {
            assert_eq!(error.facts["expected"], 8);
            hole_told = true;
        }
    }
}

/// What Chromium records of a canvas: 2.6 s, 52 pictures.
const WEBM: &[u8] = include_bytes!("../../../testdata/video/media_recorder.webm");

async fn film(client: &mut Client, first_picture: f64, bytes: std::ops::Range<usize>) {
    let video = BinaryVideo {
        stream: String::new(),
        offset: bytes.start as u64,
        timestamp: Timestamp::from_secs_f64(first_picture).unwrap(),
        data: Bytes::from_static(&WEBM[bytes]),
    };
    client.transport.send(Message::Binary(video.encode())).await.unwrap();
}

async fn start_filming(client: &mut Client) -> SessionId {
    let video = json!({ "mime": "video/webm;codecs=vp8" });
    let answer = client
        .ask(json!({ "type": "start_recording", "name": "filmed", "video": video, "metadata": { "a": 1 } }))
        .await;
    session_id(&answer)
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_cut_out_of_the_video_and_noted_before_frames_after_it_are_acknowledged() {
    let house = House::new();
    let mut client = house.connect().await;
    let session = start_filming(&mut client).await;
    // A frame stands at 100 s + n / 30 s by the streamer's clock; the first picture was taken at 100.5 s.
    for n in 0..20 {
        client.frame(n).await;
    }
    film(&mut client, 100.5, 0..2000).await;
    for n in 20..31 {
        client.frame(n).await;
    }
    client.ask(json!({ "type": "pause_recording" })).await;
    client.ask(json!({ "type": "resume_recording" })).await;
    for n in 45..60 {
        client.frame(n).await;
    }
    while client.expect("ack").await["stored_through"] != 59 {}
    let metadata = house.store.read_session(session).await.unwrap().metadata;
    let cut = json!({ "at": 1.033_333, "length": 0.466_667 });
    let video = json!({ "mime": "video/webm;codecs=vp8", "start": 0.5, "cuts": [cut] });
    assert_eq!(serde_json::Value::Object(metadata), json!({ "a": 1, "video": video }));

    film(&mut client, 100.5, 2000..WEBM.len()).await;
    let finalized = client.stop().await;
    let expected = json!({ "a": 1, "video": { "mime": "video/webm;codecs=vp8", "start": 0.5 } });
    assert_eq!(finalized["session"]["metadata"], expected, "what is done is noted no longer");
    let path = finalized["session"]["video_file_path"].as_str().expect("a video");
    let joined = std::fs::read(house.media.path().join(path)).unwrap();
    // 2.65 s less the pause, in milliseconds, as the Duration element of the Info element says.
    let at = joined.windows(3).position(|bytes| bytes == [0x44, 0x89, 0x88]).expect("a duration") + 3;
    let duration = f64::from_be_bytes(joined[at..at + 8].try_into().unwrap());
    assert!((2_100.0..2_250.0).contains(&duration), "{duration} ms");
}

#[tokio::test(start_paused = true)]
async fn a_picture_before_the_first_pose_stands_before_the_sessions_start() {
    let house = House::new();
    let mut client = house.connect().await;
    start_filming(&mut client).await;
    film(&mut client, 99.75, 0..WEBM.len()).await;
    for n in 0..5 {
        client.frame(n).await;
    }
    let finalized = client.stop().await;
    assert_eq!(finalized["session"]["metadata"]["video"]["start"], -0.25);
}

#[tokio::test(start_paused = true)]
async fn a_picture_after_the_last_pose_stands_after_it_and_one_without_poses_at_zero() {
    let house = House::new();
    let mut client = house.connect().await;
    for (poses, start) in [(5, 2.0), (0, 0.0)] {
        start_filming(&mut client).await;
        for n in 0..poses {
            client.frame(n).await;
        }
        film(&mut client, 102.0, 0..WEBM.len()).await;
        let finalized = client.stop().await;
        assert_eq!(finalized["session"]["metadata"]["video"]["start"], start);
    }
}

#[tokio::test(start_paused = true)]
async fn pauses_before_the_first_picture_are_no_cuts() {
    let house = House::new();
    let mut client = house.connect().await;
    let session = start_filming(&mut client).await;
    for n in 0..10 {
        client.frame(n).await;
    }
    client.ask(json!({ "type": "pause_recording" })).await;
    client.ask(json!({ "type": "resume_recording" })).await;
    // The model was still busy with the picture before when this one was taken.
    film(&mut client, 101.95, 0..2000).await;
    for n in 60..70 {
        client.frame(n).await;
    }
    while client.expect("ack").await["stored_through"] != 69 {}
    let metadata = house.store.read_session(session).await.unwrap().metadata;
    assert_eq!(metadata["video"], json!({ "mime": "video/webm;codecs=vp8", "start": 0.283_333 }));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_without_end_has_a_bounded_number_of_cuts() {
    let house = House::new();
    let mut client = house.connect().await;
    let session = start_filming(&mut client).await;
    client.frame(0).await;
    film(&mut client, 100.0, 0..2000).await;
    for n in 1..2_000 {
        let mut frame = frame(n);
        frame["timestamp"] = json!(100.0 + n as f64 * 10.0);
        client.send(frame).await;
        if n % 20 == 0 {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
    while client.expect("ack").await["stored_through"] != 1_999 {}
    let metadata = house.store.read_session(session).await.unwrap().metadata;
    assert_eq!(metadata["video"]["cuts"].as_array().unwrap().len(), RecordedVideo::MAX_CUTS);
}

#[tokio::test(start_paused = true)]
async fn statuses_come_on_change_and_twice_a_second() {
    let house = House::new();
    let mut client = house.connect().await;
    client.start("status").await;
    for n in 0..10 {
        client.frame(n).await;
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    client.stop().await;
    let statuses = client.kept_of("recording_status");
    assert!((10..=14).contains(&statuses.len()), "{} statuses in 5 s", statuses.len());
    let last = statuses[statuses.len() - 2];
    assert_eq!((&last["frame_count"], &last["stored_through"]), (&json!(10), &json!(9)));
    assert_eq!(statuses.last().unwrap()["status"], "completed");
}

#[tokio::test(start_paused = true)]
async fn shutting_down_stores_all_of_a_recording_and_leaves_it_to_be_gone_on_with() {
    let house = House::new();
    let mut client = house.connect().await;
    let session = client.start("shutdown").await;
    for n in 0..10 {
        client.frame(n).await;
    }
    client.ask(json!({ "type": "mark", "label": "all frames are in" })).await;
    house.records.shutdown().await;
    let stored = house.store.read_session(session).await.unwrap();
    assert_eq!((stored.status.as_str(), stored.frame_count), ("interrupted", 10));
    assert_eq!(client.expect("close").await["code"], 1001);
}

#[tokio::test(start_paused = true)]
async fn a_message_beyond_the_limit_closes_the_connection_but_not_the_recording() {
    // The in-process transport has no limit of its own; the WebSocket's is tested with the whole server.
    let house = House::new();
    let mut client = house.connect().await;
    let session = client.start("large").await;
    client.frame(0).await;
    client.transport.close().await.unwrap();
    let mut controller = house.connect().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let stopped = controller.ask(json!({ "type": "stop_recording", "session_id": session })).await;
    assert_eq!(stopped["session"]["frame_count"], 1, "{stopped}");
}

#[test]
fn video_messages_round_trip() {
    let video = BinaryVideo {
        stream: "cam".to_owned(),
        offset: 1 << 40,
        timestamp: Timestamp::from_micros(1_500_000),
        data: Bytes::from_static(b"data"),
    };
    let decoded = posesession_ws::protocol::BinaryMessage::decode(&video.encode()).unwrap();
    assert_eq!(decoded, posesession_ws::protocol::BinaryMessage::Video(video));
    let _text: Message = Message::text("{}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_answered_again() {
    let house = House::new();
    let mut camera = house.connect().await;
    let session = camera.start("stopped").await;
    camera.frame(0).await;
    let first = camera.stop().await;
    let mut other = house.connect().await;
    let again = other.ask(json!({ "type": "stop_recording", "session_id": session })).await;
    assert_eq!((&again["type"], &again["report"]), (&first["type"], &first["report"]), "{again}");
    assert_eq!(again["session"], first["session"]);
    assert_eq!(other.ask(json!({ "type": "stop_recording" })).await["code"], "no_recording");
}
