//! The two WebSockets of the real server, end to end.

use futures::{SinkExt, StreamExt};
use posesession_core::{PoseData, SentPose, SessionId, Skeleton, SyntheticPose};
use posesession_ws::protocol::{StartRecording, VideoFormat};
use posesession_ws::{RecordClient, RecordEvent, ReplayClient, ReplayEvent};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{connect_async, tungstenite};

use crate::support::{SOON, TestServer, assert_problem};

const JPEG: &[u8] = b"\xff\xd8\xff\xe0 a picture \xff\xd9";

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, future).await.expect("it happens soon")
}

/// Sends frames `0..count` of the synthetic pose.
async fn send_frames(client: &mut RecordClient, count: u64, image: &[u8]) -> Vec<PoseData> {
    let source = SyntheticPose::new(&Skeleton::preset("mediapipe_33").unwrap(), 30.0);
    let mut sent = Vec::new();
    for number in 0..count {
        let (timestamp, pose) = source.frame(number);
        client.send_frame(Some(number), timestamp, &pose, image).await.unwrap();
        sent.push(pose);
    }
    sent
}

/// Waits until the frame `number` is acknowledged.
async fn acknowledged(client: &mut RecordClient, number: u64) {
    loop {
        match soon(client.next_event()).await.unwrap() {
            RecordEvent::Ack(ack) if ack.stored_through == Some(number) => break,
            RecordEvent::Error(error) => panic!("{error:?}"),
            RecordEvent::Closed(reason) => panic!("closed: {reason:?}"),
            _ => {}
        }
    }
}

fn named(name: &str) -> StartRecording {
    StartRecording { name: name.to_owned(), ..serde_json::from_value(json!({"name": ""})).unwrap() }
}

#[tokio::test]
async fn a_session_is_recorded_and_replayed() {
    let server = TestServer::start().await;
    let mut client = RecordClient::connect(&server.ws("/ws/pose")).await.unwrap();
    let video = VideoFormat { mime: "video/webm".to_owned() };
    let start = StartRecording { video: Some(video), ..named("Climb <b>north</b>") };
    let id = soon(client.start_recording(&start)).await.unwrap();
    let sent = send_frames(&mut client, 120, JPEG).await;
    let webm = b"\x1a\x45\xdf\xa3 a film".as_slice();
    client.send_video(0, posesession_core::Timestamp::ZERO, webm.into()).await.unwrap();
    acknowledged(&mut client, 119).await;

    assert!(server.get("/metrics").await.text().await.unwrap().contains("posesession_recordings_live 1\n"));
    assert_eq!(server.json("/api/streams").await, json!({"streams": ["default"]}));
    let deleted = server.request(Method::DELETE, &format!("/api/sessions/{id}")).send().await.unwrap();
    assert_problem(deleted, 409, "session_is_live").await;
    assert_eq!(server.json(&format!("/api/sessions/{id}")).await["status"], "recording");

    let finalized = soon(client.stop_recording(None)).await.unwrap();
    assert_eq!(finalized.session.frame_count, 120);
    let listed = server.json("/api/sessions?status=completed").await;
    assert_eq!(listed["sessions"][0]["id"], id.to_string());
    assert_eq!(listed["sessions"][0]["name"], "Climb <b>north</b>");
    let image = server.get(&format!("/api/sessions/{id}/frames/77/image")).await;
    assert_eq!(image.bytes().await.unwrap(), JPEG);
    let film = server.get(&format!("/api/sessions/{id}/video")).await;
    assert_eq!(film.bytes().await.unwrap(), webm);

    let mut replay = soon(ReplayClient::connect(&server.ws(&format!("/ws/replay/{id}")))).await.unwrap();
    soon(replay.play(Some(4.0))).await.unwrap();
    let mut last = None;
    while last != Some(119) {
        match soon(replay.next_event()).await.unwrap() {
            ReplayEvent::Frame(frame) => {
                assert_eq!(frame.pose_data, sent[usize::try_from(frame.frame_number).unwrap()]);
                last = Some(frame.frame_number);
            }
            ReplayEvent::Closed(reason) => panic!("closed: {reason:?}"),
            _ => {}
        }
    }
    replay.close().await.unwrap();
}

#[tokio::test]
async fn a_replay_in_json_plays_at_once_if_asked() {
    let server = TestServer::start().await;
    let id = server.recorded("played", 30).await;
    let (mut socket, _) = connect_async(server.ws(&format!("/ws/replay/{id}?autoplay=1"))).await.unwrap();
    let skeleton = Skeleton::preset("mediapipe_33").unwrap();
    let source = SyntheticPose::new(&skeleton, 30.0);
    let mut last = None;
    while last != Some(29) {
        let message = soon(socket.next()).await.unwrap().unwrap().into_text().unwrap();
        let message: Value = serde_json::from_str(&message).unwrap();
        if message["type"] == "frame" {
            let number = message["frame_number"].as_u64().unwrap();
            let pose: SentPose = serde_json::from_value(message["pose_data"].clone()).unwrap();
            assert_eq!(pose.resolve(&skeleton).unwrap(), source.frame(number).1, "{number}");
            last = Some(number);
        }
    }
}

#[tokio::test]
async fn a_live_session_can_be_read_and_replayed() {
    let server = TestServer::start().await;
    let mut client = RecordClient::connect(&server.ws("/ws/pose")).await.unwrap();
    let id = soon(client.start_recording(&named("live"))).await.unwrap();
    send_frames(&mut client, 40, b"").await;
    acknowledged(&mut client, 39).await;
    let page = server.json(&format!("/api/sessions/{id}/frames")).await;
    assert_eq!(page["frames"].as_array().unwrap().len(), 40);
    let replay = soon(ReplayClient::connect(&server.ws(&format!("/ws/replay/{id}")))).await.unwrap();
    assert_eq!(replay.session().frame_count, 40);
    assert!(replay.session().live);
}

#[tokio::test]
async fn stopping_the_server_stores_its_recordings_and_leaves_them_to_be_gone_on_with() {
    let server = TestServer::start().await;
    let mut client = RecordClient::connect(&server.ws("/ws/pose")).await.unwrap();
    let id = soon(client.start_recording(&named("cut short"))).await.unwrap();
    send_frames(&mut client, 30, b"").await;
    acknowledged(&mut client, 29).await;
    let other = server.recorded("watched", 300).await;
    let mut replay = soon(ReplayClient::connect(&server.ws(&format!("/ws/replay/{other}")))).await.unwrap();
    let folder = server.stop().await;
    let next = TestServer::start_in(folder, |_config| {}).await;
    let session = next.json(&format!("/api/sessions/{id}")).await;
    assert_eq!(session["status"], "interrupted");
    assert_eq!(session["frame_count"], 30);
    let told = async {
        loop {
            if let RecordEvent::Closed(reason) = client.next_event().await.unwrap() {
                break reason;
            }
        }
    };
    assert_eq!(soon(told).await.map(|reason| reason.code), Some(1001));
    let told = async {
        loop {
            if let ReplayEvent::Closed(reason) = replay.next_event().await.unwrap() {
                break reason;
            }
        }
    };
    assert_eq!(soon(told).await.map(|reason| reason.code), Some(1001));
}

#[tokio::test]
async fn a_session_that_is_not_there_is_said_so_on_the_socket() {
    let server = TestServer::start().await;
    let unknown: SessionId = "0190a5e4-0000-7000-8000-000000000001".parse().unwrap();
    let (mut socket, _) = connect_async(server.ws(&format!("/ws/replay/{unknown}"))).await.unwrap();
    let first = soon(socket.next()).await.unwrap().unwrap().into_text().unwrap();
    let first: Value = serde_json::from_str(&first).unwrap();
    assert_eq!(first["type"], "error");
    assert_eq!(first["code"], "session_not_found");
    assert!(matches!(soon(socket.next()).await, Some(Ok(tungstenite::Message::Close(Some(_))))));
}

#[tokio::test]
async fn the_handshake_is_the_standards() {
    let server = TestServer::start().await;
    let mut asked = server.ws("/ws/pose").into_client_request().unwrap();
    let protocols = HeaderValue::from_static("other.v7, posesession.v1");
    asked.headers_mut().insert("sec-websocket-protocol", protocols);
    let (mut socket, response) = connect_async(asked).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "posesession.v1");
    let welcome = soon(socket.next()).await.unwrap().unwrap().into_text().unwrap();
    assert_eq!(serde_json::from_str::<Value>(&welcome).unwrap()["type"], "welcome");
    socket.send(tungstenite::Message::Ping("are you there?".into())).await.unwrap();
    let pong = soon(socket.next()).await.unwrap().unwrap();
    assert_eq!(pong, tungstenite::Message::Pong("are you there?".into()));

    let plain = server.get("/ws/pose").await;
    assert_eq!(plain.headers()["upgrade"], "websocket");
    assert_problem(plain, 426, "upgrade_required").await;
    let old = server
        .request(Method::GET, "/ws/pose")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "8")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let old = old.send().await.unwrap();
    assert_eq!(old.headers()["sec-websocket-version"], "13");
    assert_problem(old, 426, "upgrade_required").await;
}

#[tokio::test]
async fn sockets_of_other_sites_pages_are_refused_before_they_open() {
    let server = TestServer::start().await;
    let id = server.recorded("mine", 3).await;
    let own = format!("http://{}", server.address);
    for path in ["/ws/pose".to_owned(), format!("/ws/replay/{id}")] {
        for (origin, opens) in [(own.as_str(), true), ("http://evil.example", false), ("null", false)] {
            let mut asked = server.ws(&path).into_client_request().unwrap();
            asked.headers_mut().insert("origin", HeaderValue::from_str(origin).unwrap());
            match connect_async(asked).await {
                Ok(_) => assert!(opens, "{origin}"),
                Err(WsError::Http(response)) => {
                    assert!(!opens, "{origin}");
                    assert_eq!(response.status(), StatusCode::FORBIDDEN, "{origin}");
                }
                Err(error) => panic!("{origin}: {error}"),
            }
        }
    }
}

#[tokio::test]
async fn malformed_replay_addresses_are_refused() {
    let server = TestServer::start().await;
    let id = server.recorded("mine", 3).await;
    for query in ["autoplay=yes", "format=xml", "speed=2"] {
        let response = server.get(&format!("/ws/replay/{id}?{query}")).await;
        assert_problem(response, 400, "bad_query").await;
    }
    assert_problem(server.get("/ws/replay/nothing").await, 404, "session_not_found").await;
}

#[tokio::test]
async fn open_sockets_keep_their_places_among_the_connections() {
    let server = TestServer::start_with(|config| config.max_connections = 2).await;
    let (socket, _) = connect_async(server.ws("/ws/pose")).await.unwrap();
    let (other, _) = connect_async(server.ws("/ws/pose")).await.unwrap();
    let refused = connect_async(server.ws("/ws/pose")).await;
    assert!(matches!(refused, Err(WsError::Http(response)) if response.status() == 503));
    drop((socket, other));
    let again = async {
        while connect_async(server.ws("/ws/pose")).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    soon(again).await;
}

#[tokio::test]
async fn a_message_beyond_the_limit_ends_its_connection_but_not_the_recording() {
    let server = TestServer::start().await;
    let mut controller = RecordClient::connect(&server.ws("/ws/pose")).await.unwrap();
    let id = soon(controller.start_recording(&named("goes on"))).await.unwrap();
    let (mut sender, _) = connect_async(server.ws("/ws/pose")).await.unwrap();
    let frame =
        r#"{"type":"frame","timestamp":0.5,"landmarks":[{"x":0.5,"y":0.4,"z":0.0,"visibility":0.99}]}"#;
    sender.send(tungstenite::Message::text(frame)).await.unwrap();
    let stored = async {
        while server.json(&format!("/api/sessions/{id}")).await["frame_count"] != 1 {
            tokio::task::yield_now().await;
        }
    };
    soon(stored).await;
    // The server may close before it has read all of it.
    sender.send(tungstenite::Message::binary(vec![1; 17 << 20])).await.ok();
    let closed = async {
        loop {
            match sender.next().await {
                Some(Ok(tungstenite::Message::Close(reason))) => {
                    break reason.map(|reason| reason.code.into());
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break None,
            }
        }
    };
    let code: Option<u16> = soon(closed).await;
    assert!(matches!(code, None | Some(1009)), "{code:?}");
    let finalized = soon(controller.stop_recording(Some(id))).await.unwrap();
    assert_eq!(finalized.session.frame_count, 1);
    assert_eq!(finalized.session.status.as_str(), "completed");
}

#[tokio::test]
async fn sessions_are_kept_as_their_starter_or_the_server_says() {
    let server = TestServer::start_with(|config| config.encoding = posesession_core::Encoding::Json).await;
    let bounded: StartRecording =
        serde_json::from_value(json!({"name": "said", "max_error": {"x": 0.001}})).unwrap();
    for (start, codec, max_error) in
        [(named("unsaid"), "json", Value::Null), (bounded, "bounded", json!({"x": 0.001}))]
    {
        let mut client = RecordClient::connect(&server.ws("/ws/pose")).await.unwrap();
        let id = soon(client.start_recording(&start)).await.unwrap();
        send_frames(&mut client, 30, JPEG).await;
        soon(client.stop_recording(None)).await.unwrap();
        let session = server.json(&format!("/api/sessions/{id}")).await;
        assert_eq!((&session["codec"], &session["max_error"]), (&json!(codec), &max_error));
        assert_eq!(session["frame_count"], 30);
    }
}
