//! Sessions as files over HTTP: out whole, in whole or not at all.

use bytes::Bytes;
use posesession_core::{ImageObject, SessionId};
use reqwest::{Method, Response};
use serde_json::Value;

use crate::support::{TestServer, assert_problem};

async fn import(server: &TestServer, query: &str, mime: &str, body: impl Into<reqwest::Body>) -> Response {
    let request = server.request(Method::POST, &format!("/api/sessions{query}"));
    request.header("content-type", mime).body(body).send().await.unwrap()
}

async fn export(server: &TestServer, id: SessionId, format: &str) -> Response {
    let response = server.get(&format!("/api/sessions/{id}/export?format={format}")).await;
    assert_eq!(response.status(), 200, "{format}");
    response
}

async fn session_count(server: &TestServer) -> usize {
    server.json("/api/sessions").await["sessions"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_sessions_file_brings_everything_back() {
    let server = TestServer::start().await;
    let id = server.recorded("Climb", 777).await;
    let images = ImageObject { name: "images/000000000000".to_owned(), bytes: Bytes::from_static(b"image") };
    server.media.put_images(id, &images).await.unwrap();
    let before = server.json(&format!("/api/sessions/{id}")).await;
    let frames = server.json(&format!("/api/sessions/{id}/frames")).await;
    let response = export(&server, id, "sqlite").await;
    assert_eq!(response.headers()["content-type"], "application/vnd.sqlite3");
    let name = format!("attachment; filename=\"{id}.db\"; filename*=UTF-8''Climb.db");
    assert_eq!(response.headers()["content-disposition"], name.as_str());
    let length = response.content_length().unwrap();
    let file = response.bytes().await.unwrap();
    assert_eq!(file.len() as u64, length);
    assert!(file.starts_with(b"SQLite format 3\0"));
    let there = import(&server, "", "application/vnd.sqlite3", file.clone()).await;
    assert_eq!(there.status(), 200, "the same session is there already");
    server.media.delete_session(id).await.unwrap();
    server.store.erase_session(id).await.unwrap();
    let back = import(&server, "?format=sqlite", "application/octet-stream", file.clone()).await;
    assert_eq!(back.status(), 201);
    assert_eq!(back.headers()["location"], format!("/api/sessions/{id}").as_str());
    assert_eq!(back.json::<Value>().await.unwrap(), before);
    let frames_back = server.json(&format!("/api/sessions/{id}/frames")).await;
    assert_eq!(frames_back["frames"][776]["pose_data"], frames["frames"][776]["pose_data"]);
    let again = export(&server, id, "sqlite").await.bytes().await.unwrap();
    assert!(again == file, "the second export differs from the first");
}

#[tokio::test]
async fn frames_go_out_and_come_in_in_every_format() {
    let server = TestServer::start().await;
    let id = server.recorded("Climb", 300).await;
    let poses = |frames: &Value| -> Vec<Value> {
        let pose = |frame: &Value| serde_json::json!([frame["timestamp"], frame["pose_data"]]);
        frames["frames"].as_array().unwrap().iter().map(pose).collect()
    };
    let before = poses(&server.json(&format!("/api/sessions/{id}/frames")).await);
    for (format, mime, query, name) in [
        ("jsonl", "application/jsonl", "", "Climb"),
        ("csv", "text/csv; charset=utf-8", "?name=Other", "Other"),
        ("csv-long", "text/csv; charset=utf-8", "?format=csv-long", "Imported session"),
    ] {
        let response = export(&server, id, format).await;
        assert_eq!(response.headers()["content-type"], mime);
        let file = response.bytes().await.unwrap();
        let copy = import(&server, query, mime, file).await;
        assert_eq!(copy.status(), 201, "{format}");
        let copy: Value = copy.json().await.unwrap();
        assert_eq!(copy["name"], name);
        let path = format!("/api/sessions/{}/frames", copy["id"].as_str().unwrap());
        assert!(poses(&server.json(&path).await) == before, "{format}");
    }
}

#[tokio::test]
async fn what_can_not_be_imported_is_told_and_leaves_nothing() {
    let server = TestServer::start_with(|config| config.max_import_bytes = 200_000).await;
    let problem = |query, mime, body: &'static str| {
        let server = &server;
        async move { import(server, query, mime, body).await }
    };
    let broken = problem("", "text/csv", "timestamp,pose.nose.x\n0,1\n1,one\n").await;
    let broken = assert_problem(broken, 400, "bad_file").await;
    assert_eq!(broken["detail"], "line 3, column 2: `one` is no number (column `pose.nose.x`)");
    for (query, mime, body) in [
        ("", "application/jsonl", ""),
        ("", "application/jsonl", "{}"),
        ("", "application/x-sqlite3", "hello"),
        ("?format=sqlite", "", ""),
        ("", "text/csv", "pose.nose.x\n1\n"),
    ] {
        assert_problem(problem(query, mime, body).await, 400, "bad_file").await;
    }
    for query in ["?format=mcap", "?fps=fast", "?fsp=30"] {
        assert_problem(problem(query, "text/csv", "x").await, 400, "bad_query").await;
    }
    assert_problem(problem("", "application/json", "{}").await, 415, "unsupported_media_type").await;
    assert_problem(import(&server, "", "text/csv", vec![b'x'; 200_001]).await, 413, "too_large").await;
    assert_eq!(session_count(&server).await, 0);
    let timed = problem("?fps=30", "text/csv", "pose.nose.x\n1\n2\n").await;
    assert_eq!(timed.json::<Value>().await.unwrap()["duration"], 0.033_333);
}

#[tokio::test]
async fn a_session_that_is_there_otherwise_is_a_conflict() {
    let server = TestServer::start().await;
    let id = server.recorded("Climb", 3).await;
    let file = export(&server, id, "sqlite").await.bytes().await.unwrap();
    let path = format!("/api/sessions/{id}");
    let renamed = server.request(Method::PATCH, &path).header("content-type", "application/json");
    renamed.body(r#"{"name": "Other"}"#).send().await.unwrap();
    let refused = import(&server, "?format=sqlite", "", file.clone()).await;
    assert_problem(refused, 409, "session_exists").await;
    server.request(Method::DELETE, &path).send().await.unwrap();
    assert_problem(import(&server, "?format=sqlite", "", file).await, 409, "session_exists").await;
}

#[tokio::test]
async fn a_session_under_way_has_no_file_yet() {
    let server = TestServer::start().await;
    let id = server.recording("Climb", 3).await;
    let refused = server.get(&format!("/api/sessions/{id}/export?format=sqlite")).await;
    assert_problem(refused, 409, "session_is_live").await;
    assert!(export(&server, id, "csv").await.text().await.unwrap().lines().count() == 4);
}
