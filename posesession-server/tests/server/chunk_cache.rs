//! Decoded chunks: kept for those who look at single frames, not for those who read all, and not when the session is gone.

use std::time::Duration;

use chrono::Utc;
use reqwest::Method;

use crate::support::{SOON, TestServer, assert_problem};

/// Reads the metrics of the cache: hits, misses, chunks, bytes.
async fn counted(server: &TestServer) -> [u64; 4] {
    let metrics = server.get("/metrics").await.text().await.unwrap();
    ["hits_total", "misses_total", "chunks", "bytes"].map(|name| {
        let name = format!("posesession_chunk_cache_{name} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&name)).expect(&name);
        line.parse().unwrap()
    })
}

#[tokio::test]
async fn looks_at_single_frames_decode_their_chunk_once() {
    let server = TestServer::start().await;
    let id = server.recorded("Climb", 250).await;
    for from in [3, 100, 186] {
        let page = server.json(&format!("/api/sessions/{id}/frames?from={from}&limit=64")).await;
        assert_eq!(page["frames"].as_array().unwrap().len(), 64);
        assert_eq!(page["frames"][0]["frame_number"], from);
    }
    let image = server.get(&format!("/api/sessions/{id}/frames/7/image")).await;
    assert_problem(image, 404, "image_not_found").await;
    let [hits, misses, chunks, bytes] = counted(&server).await;
    assert_eq!((hits, misses, chunks), (3, 1, 1));
    assert!(bytes > 250 * 33 * 4 * 4, "{bytes}");
}

#[tokio::test]
async fn who_reads_all_frames_keeps_none() {
    let server = TestServer::start().await;
    let id = server.recorded("Climb", 250).await;
    for path in
        ["frames", "angles?names=left_knee&from=1&to=2", "export?format=jsonl", "export?format=sqlite"]
    {
        let answer = server.get(&format!("/api/sessions/{id}/{path}")).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.bytes().await.unwrap();
    }
    assert_eq!(counted(&server).await, [0; 4]);
}

#[tokio::test]
async fn a_server_without_a_cache_answers_all_the_same() {
    let server = TestServer::start_with(|config| config.chunk_cache_bytes = 0).await;
    let id = server.recorded("Climb", 250).await;
    for from in [3, 200] {
        let page = server.json(&format!("/api/sessions/{id}/frames?from={from}&limit=1")).await;
        assert_eq!(page["frames"][0]["frame_number"], from);
    }
    assert_eq!(counted(&server).await, [0, 2, 0, 0]);
}

#[tokio::test]
async fn what_is_gone_is_not_answered_from_memory() {
    let server = TestServer::start_with(|config| {
        config.erase_after = Duration::ZERO;
        config.erase_every = Duration::from_millis(10);
    })
    .await;
    let (deleted, elsewhere) = (server.recorded("Climb", 250).await, server.recorded("Squat", 250).await);
    for id in [deleted, elsewhere] {
        server.json(&format!("/api/sessions/{id}/frames?limit=1")).await;
    }
    assert_eq!(counted(&server).await[2], 2);
    server.request(Method::DELETE, &format!("/api/sessions/{deleted}")).send().await.unwrap();
    // As another process does it: nobody says so, until it is erased.
    server.store.delete_session(elsewhere, Utc::now()).await.unwrap();
    for id in [deleted, elsewhere] {
        for path in ["frames?limit=1", "frames/0/image", "angles?names=left_knee"] {
            let answer = server.get(&format!("/api/sessions/{id}/{path}")).await;
            assert_problem(answer, 404, "session_not_found").await;
        }
    }
    let forgotten = async { while counted(&server).await[2] > 0 {} };
    tokio::time::timeout(SOON, forgotten).await.expect("erased sessions are forgotten");
}
