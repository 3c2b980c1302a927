//! Frames, a page at a time, and the export.

use posesession_core::{SentPose, Skeleton, SyntheticPose};
use serde_json::Value;

use crate::support::{TestServer, assert_problem};

#[tokio::test]
async fn frames_come_back_bit_for_bit() {
    let server = TestServer::start().await;
    let id = server.recorded("Climb", 250).await;
    let page = server.json(&format!("/api/sessions/{id}/frames")).await;
    let frames = page["frames"].as_array().unwrap();
    assert_eq!(frames.len(), 250);
    assert_eq!(page["next"], Value::Null);
    let skeleton = Skeleton::preset("mediapipe_33").unwrap();
    let source = SyntheticPose::new(&skeleton, 30.0);
    let key = server.store.session_key(id).await.unwrap();
    for (number, frame) in (0..).zip(frames) {
        let (timestamp, pose) = source.frame(number);
        assert_eq!(frame["frame_number"], number);
        assert_eq!(frame["id"], (u64::from(key) << 32) + number);
        assert_eq!(frame["session_id"], id.to_string());
        assert_eq!(frame["timestamp"], timestamp.as_secs_f64());
        assert_eq!(frame["image_path"], Value::Null);
        let sent: SentPose = serde_json::from_value(frame["pose_data"].clone()).unwrap();
        assert_eq!(sent.resolve(&skeleton).unwrap(), pose, "frame {number}");
    }
}

#[tokio::test]
async fn ranges_are_half_open_and_pages_meet() {
    let server = TestServer::start().await;
    let id = server.recorded("Climb", 1_234).await;
    let mut from = 100;
    let mut seen = Vec::new();
    loop {
        let page = server.json(&format!("/api/sessions/{id}/frames?from={from}&to=1200&limit=333")).await;
        let numbers = page["frames"].as_array().unwrap().iter().map(|f| f["frame_number"].as_u64().unwrap());
        seen.extend(numbers);
        match page["next"].as_u64() {
            Some(next) => from = next,
            None => break,
        }
    }
    assert_eq!(seen, (100..1200).collect::<Vec<_>>());
    let whole = server.json(&format!("/api/sessions/{id}/frames")).await;
    assert_eq!(whole["frames"].as_array().unwrap().len(), 1_000);
    assert_eq!(whole["next"], 1_000);
    for (query, count, next) in [
        ("from=1234", 0, Value::Null),
        ("from=99999999999", 0, Value::Null),
        ("from=5&to=5", 0, Value::Null),
        ("from=1233", 1, Value::Null),
        ("limit=1", 1, Value::from(1)),
        ("from=1232&limit=1", 1, Value::from(1_233)),
    ] {
        let page = server.json(&format!("/api/sessions/{id}/frames?{query}")).await;
        assert_eq!(page["frames"].as_array().unwrap().len(), count, "{query}");
        assert_eq!(page["next"], next, "{query}");
    }
}

#[tokio::test]
async fn malformed_ranges_are_refused() {
    let server = TestServer::start().await;
    let id = server.recorded("Climb", 3).await;
    for query in ["from=2&to=1", "limit=0", "limit=1001", "from=-1", "from=x", "to=1.5", "start=0"] {
        let response = server.get(&format!("/api/sessions/{id}/frames?{query}")).await;
        assert_problem(response, 400, "bad_query").await;
    }
}

#[tokio::test]
async fn a_session_without_frames_has_an_empty_page() {
    let server = TestServer::start().await;
    let id = server.recorded("Nothing", 0).await;
    let page = server.json(&format!("/api/sessions/{id}/frames")).await;
    assert_eq!(page, serde_json::json!({"frames": [], "next": null}));
}

#[tokio::test]
async fn an_export_is_named_after_its_session_whatever_the_name_holds() {
    let server = TestServer::start().await;
    for (name, file) in [
        ("Plié 1", "; filename*=UTF-8''Pli%C3%A9%201.jsonl"),
        ("../a\"b\r\n;c", "; filename*=UTF-8''_a_b__%3Bc.jsonl"),
        ("  ", ""),
        ("...", ""),
    ] {
        let id = server.recorded(name, 1).await;
        let response = server.get(&format!("/api/sessions/{id}/export?format=jsonl")).await;
        let disposition = format!("attachment; filename=\"{id}.jsonl\"{file}");
        assert_eq!(response.headers()["content-disposition"], disposition.as_str());
    }
}

#[tokio::test]
async fn an_export_holds_the_session_and_every_frame() {
    let server = TestServer::start().await;
    let id = server.recorded("Climb", 777).await;
    let response = server.get(&format!("/api/sessions/{id}/export?format=jsonl")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/jsonl");
    let disposition = format!("attachment; filename=\"{id}.jsonl\"; filename*=UTF-8''Climb.jsonl");
    assert_eq!(response.headers()["content-disposition"], disposition.as_str());
    let text = response.text().await.unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["session"], server.json(&format!("/api/sessions/{id}")).await);
    assert_eq!(lines[0]["markers"], serde_json::json!([]));
    assert_eq!(lines.len(), 778);
    let page = server.json(&format!("/api/sessions/{id}/frames")).await;
    assert_eq!(Value::from(lines[1..].to_vec()), page["frames"]);
}

#[tokio::test]
async fn an_export_needs_a_format_that_is_there() {
    let server = TestServer::start().await;
    let id = server.recorded("Climb", 3).await;
    assert_problem(server.get(&format!("/api/sessions/{id}/export")).await, 400, "bad_query").await;
    for format in ["mcap", "JSONL", ""] {
        let response = server.get(&format!("/api/sessions/{id}/export?format={format}")).await;
        assert_problem(response, 400, "bad_query").await;
    }
}
