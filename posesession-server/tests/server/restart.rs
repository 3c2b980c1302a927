//! What is left when a server dies, and what the next one makes of it.

use posesession_core::{SentPose, SessionStatus, Skeleton, SyntheticPose};
use posesession_store::{RecordedVideo, SessionChange};
use posesession_ws::protocol::StartRecording;
use posesession_ws::{RecordClient, RecordEvent, ReplayClient, ReplayEvent};
use serde_json::{Value, json};

use crate::program::{ended, posesession, started};
use crate::support::{SOON, TestServer};

/// Sends frames until more than `enough` are acknowledged, and some more that are not, and returns the last number
/// that was.
async fn record_without_end(client: &mut RecordClient, enough: u64) -> u64 {
    let source = SyntheticPose::new(&Skeleton::preset("mediapipe_33").unwrap(), 60.0);
    let mut next = 0;
    let mut acknowledged = None;
    while acknowledged.is_none_or(|number| number < enough) {
        for number in next..next + 20 {
            let (timestamp, pose) = source.frame(number);
            client.send_frame(Some(number), timestamp, &pose, b"").await.unwrap();
        }
        next += 20;
        while let Ok(event) =
            tokio::time::timeout(std::time::Duration::from_millis(20), client.next_event()).await
        {
            match event.unwrap() {
                RecordEvent::Ack(ack) => acknowledged = ack.stored_through,
                RecordEvent::Error(error) => panic!("{error:?}"),
                RecordEvent::Closed(reason) => panic!("closed: {reason:?}"),
                _ => {}
            }
        }
    }
    acknowledged.unwrap()
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9_and_can_be_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let skeleton = Skeleton::preset("mediapipe_33").unwrap();
    let source = SyntheticPose::new(&skeleton, 60.0);
    let mut recorded = Vec::new();
    for enough in [40, 300, 700] {
        let (mut child, address) = started(folder.path()).await;
        let mut client = RecordClient::connect(&format!("ws://{address}/ws/pose")).await.unwrap();
        let start: StartRecording =
            serde_json::from_value(json!({"name": format!("killed {enough}")})).unwrap();
        let id = client.start_recording(&start).await.unwrap();
        let acknowledged = record_without_end(&mut client, enough).await;
        child.kill().await.unwrap();
        recorded.push((id, acknowledged));
    }

    let (_child, address) = started(folder.path()).await;
    let read = async |path: String| -> Value {
        let response = reqwest::get(format!("http://{address}{path}")).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    };
    for (id, acknowledged) in recorded {
        let session = read(format!("/api/sessions/{id}")).await;
        assert_eq!(session["status"], "interrupted");
        let stored = session["frame_count"].as_u64().unwrap();
        assert!(stored > acknowledged, "{stored} frames are stored, {acknowledged} was acknowledged");
        let page = read(format!("/api/sessions/{id}/frames")).await;
        for (number, frame) in (0..).zip(page["frames"].as_array().unwrap()) {
            assert_eq!(frame["frame_number"], number);
            let pose: SentPose = serde_json::from_value(frame["pose_data"].clone()).unwrap();
            assert_eq!(pose.resolve(&skeleton).unwrap(), source.frame(number).1, "frame {number}");
        }
        let url = format!("ws://{address}/ws/replay/{id}");
        let mut replay = ReplayClient::connect(&url).await.unwrap();
        assert_eq!(replay.session().frame_count, stored);
        let first = async {
            loop {
                if let ReplayEvent::Frame(frame) = replay.next_event().await.unwrap() {
                    break frame;
                }
            }
        };
        let first = tokio::time::timeout(SOON, first).await.expect("the first frame");
        assert_eq!(first.pose_data, source.frame(0).1);
    }
}

#[tokio::test]
async fn sessions_are_kept_from_one_server_to_the_next() {
    let server = TestServer::start().await;
    let id = server.recorded("Kept", 300).await;
    let live = server.recording("Left live", 50).await;
    let before = server.json(&format!("/api/sessions/{id}")).await;
    let frames = server.json(&format!("/api/sessions/{id}/frames")).await;
    let folder = server.stop().await;

    let server = TestServer::start_in(folder, |_config| {}).await;
    assert_eq!(server.json(&format!("/api/sessions/{id}")).await, before);
    assert_eq!(server.json(&format!("/api/sessions/{id}/frames")).await, frames);
    let interrupted = server.json(&format!("/api/sessions/{live}")).await;
    assert_eq!(interrupted["status"], "interrupted");
    assert_eq!(interrupted["frame_count"], 50);
}

/// The server starts so late that nobody comes back to sessions that were left.
fn late(config: &mut posesession_server::ServerConfig) {
    config.resume_window = std::time::Duration::ZERO;
}

#[tokio::test]
async fn the_video_of_an_interrupted_session_is_joined_at_the_next_start() {
    let server = TestServer::start().await;
    let id = server.recording("Filmed", 50).await;
    let film = b"\x1a\x45\xdf\xa3 one two three";
    server.media.put_video_segment(id, 0, film[..8].to_vec().into()).await.unwrap();
    server.media.put_video_segment(id, 8, film[8..].to_vec().into()).await.unwrap();
    let server = TestServer::start_in(server.stop().await, late).await;
    let video = server.get(&format!("/api/sessions/{id}/video")).await;
    assert_eq!(video.headers()["content-type"], "video/webm");
    assert_eq!(video.bytes().await.unwrap(), film.as_slice());
}

#[tokio::test]
async fn the_video_of_an_interrupted_session_has_its_pauses_cut_out_at_the_next_start() {
    let server = TestServer::start().await;
    let id = server.recording("Filmed and paused", 50).await;
    let film = include_bytes!("../../../testdata/video/media_recorder.webm");
    server.media.put_video_segment(id, 0, film[..3_000].to_vec().into()).await.unwrap();
    let video = json!({ "mime": "video/webm", "start": 0.25, "cuts": [{ "at": 1.25, "length": 0.5 }] });
    let metadata = json!({ "video": video, "athlete": "Ada" }).as_object().cloned();
    let change = SessionChange { metadata, ..SessionChange::default() };
    server.store.update_session(id, change).await.unwrap();
    let server = TestServer::start_in(server.stop().await, late).await;
    let session = server.json(&format!("/api/sessions/{id}")).await;
    let done = json!({ "video": { "mime": "video/webm", "start": 0.25 }, "athlete": "Ada" });
    assert_eq!(session["metadata"], done);
    let video = server.get(&format!("/api/sessions/{id}/video")).await.bytes().await.unwrap();
    // The Duration element of a video that broke off at 2 s: half a second is cut out.
    let at = video.windows(3).position(|bytes| bytes == [0x44, 0x89, 0x88]).expect("a duration") + 3;
    let duration = f64::from_be_bytes(video[at..at + 8].try_into().unwrap());
    assert!((1_000.0..1_700.0).contains(&duration), "{duration} ms");
}

#[tokio::test]
async fn a_video_that_an_earlier_start_could_not_join_is_joined_at_the_next_one() {
    for status in [SessionStatus::Interrupted, SessionStatus::Failed] {
        let server = TestServer::start().await;
        let id = server.recording("Left over", 50).await;
        let film = b"\x1a\x45\xdf\xa3 one";
        server.media.put_video_segment(id, 0, film.to_vec().into()).await.unwrap();
        let video = Some(RecordedVideo::of_type("video/webm"));
        let change = SessionChange { status: Some(status), video, ..SessionChange::default() };
        server.store.update_session(id, change).await.unwrap();
        let server = TestServer::start_in(server.stop().await, late).await;
        let session = server.json(&format!("/api/sessions/{id}")).await;
        assert_eq!(session["status"], status.as_str());
        let video = server.get(&format!("/api/sessions/{id}/video")).await;
        assert_eq!(video.bytes().await.unwrap(), film.as_slice());
    }
}

#[tokio::test]
async fn a_session_whose_video_was_being_joined_is_completed_at_the_next_start() {
    let server = TestServer::start().await;
    let id = server.recording("Processing", 50).await;
    let film = b"\x1a\x45\xdf\xa3 one";
    server.media.put_video_segment(id, 0, film.to_vec().into()).await.unwrap();
    let change = SessionChange { status: Some(SessionStatus::Processing), ..SessionChange::default() };
    server.store.update_session(id, change).await.unwrap();
    let server = TestServer::start_in(server.stop().await, |_config| {}).await;
    let session = server.json(&format!("/api/sessions/{id}")).await;
    assert_eq!(session["status"], "completed");
    assert!(session["video_file_path"].as_str().unwrap().ends_with("video.webm"), "{session}");
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let server = TestServer::start().await;
    server.recorded("Old", 3).await;
    let folder = server.stop().await;
    let data = folder.path().join("data");
    let path = data.join("posesession.db");
    let mut database = std::fs::read(&path).unwrap();
    // The schema's version is SQLite's user_version: four bytes at 60, big endian.
    database[60..64].copy_from_slice(&999_u32.to_be_bytes());
    std::fs::write(&path, database).unwrap();
    let (code, said) = ended(posesession(&data, "127.0.0.1:0")).await;
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("999") && said.contains("newer posesession"), "{said}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("posesession.db");
    std::fs::write(&path, "a diary, not a database. ".repeat(100)).unwrap();
    let (code, said) = ended(posesession(folder.path(), "127.0.0.1:0")).await;
    assert_eq!(code, 4, "{said}");
    assert!(std::fs::read_to_string(path).unwrap().starts_with("a diary"));
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_can_look_into_a_new_data_folder() {
    use std::os::unix::fs::PermissionsExt;
    let server = TestServer::start().await;
    let mode = std::fs::metadata(server.folder.path().join("data")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
