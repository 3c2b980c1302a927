//! The sessions: list, read, change, delete, restore.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{SOON, TestServer, assert_problem};

const UNKNOWN: &str = "0190a5e4-0000-7000-8000-000000000001";

fn names(page: &Value) -> Vec<String> {
    let sessions = page["sessions"].as_array().unwrap();
    sessions.iter().map(|session| session["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_session_is_described_as_the_document_says() {
    let server = TestServer::start().await;
    let id = server.recorded("Squat", 90).await;
    let session = server.json(&format!("/api/sessions/{id}")).await;
    assert_eq!(session["id"], id.to_string());
    assert_eq!(session["name"], "Squat");
    assert_eq!(session["frame_count"], 90);
    assert_eq!(session["status"], "completed");
    assert_eq!(session["user_id"], 1);
    assert_eq!(session["skeleton"]["name"], "mediapipe_33");
    assert!((session["duration"].as_f64().unwrap() - 89.0 / 30.0).abs() < 1e-3, "{}", session["duration"]);
    assert!(session["created_at"].as_str().unwrap().ends_with('Z'));

    let document = server.json("/api/openapi.json").await;
    let described = &document["components"]["schemas"]["SessionRecording"];
    let mut required: Vec<_> = described["required"].as_array().unwrap().iter().collect();
    let keys: Vec<Value> = session.as_object().unwrap().keys().map(|key| json!(key)).collect();
    required.sort_by_key(|key| key.as_str());
    let mut keys: Vec<_> = keys.iter().collect();
    keys.sort_by_key(|key| key.as_str());
    assert_eq!(keys, required);
}

#[tokio::test]
async fn sessions_are_searched_filtered_and_sorted() {
    let server = TestServer::start().await;
    server.recorded("Climb north face", 30).await;
    server.recorded("climb south", 60).await;
    server.recorded("Squat", 10).await;
    server.recording("Live", 5).await;

    let search = server.json("/api/sessions?q=CLIMB&sort=name").await;
    assert_eq!(names(&search), ["Climb north face", "climb south"]);
    assert_eq!(names(&server.json("/api/sessions?q=climb+south").await), ["climb south"]);
    assert_eq!(names(&server.json("/api/sessions?q=%25").await), Vec::<String>::new());
    assert_eq!(names(&server.json("/api/sessions?status=recording").await), ["Live"]);
    let longest = server.json("/api/sessions?sort=frame_count").await;
    assert_eq!(names(&longest), ["climb south", "Climb north face", "Squat", "Live"]);
    let shortest = server.json("/api/sessions?sort=duration&order=asc&limit=2").await;
    assert_eq!(names(&shortest), ["Live", "Squat"]);
    assert_eq!(names(&server.json("/api/sessions").await)[0], "Live", "the newest comes first");
}

#[tokio::test]
async fn the_total_is_told_when_asked_for() {
    let server = TestServer::start().await;
    for name in ["Climb north face", "climb south", "Squat"] {
        server.recorded(name, 3).await;
    }
    server.recording("Climb, live", 3).await;
    for (query, total) in [
        ("", 4),
        ("&limit=1", 4),
        ("&q=climb&limit=2&sort=name", 3),
        ("&status=completed", 3),
        ("&status=recording&q=climb", 1),
        ("&status=failed", 0),
        ("&q=nothing", 0),
    ] {
        let list = server.json(&format!("/api/sessions?count=1{query}")).await;
        assert_eq!(list["total"], total, "{query}");
    }
    let first = server.json("/api/sessions?count=1&limit=3").await;
    let second = format!("/api/sessions?count=1&limit=3&cursor={}", first["next"].as_str().unwrap());
    let second = server.json(&second).await;
    assert_eq!((names(&second).len(), &second["total"]), (1, &json!(4)), "the last page says the same");
    for unasked in ["", "?count=0"] {
        let list = server.json(&format!("/api/sessions{unasked}")).await;
        assert!(list.get("total").is_none(), "{list}");
    }
}

#[tokio::test]
async fn the_metrics_count_sessions_by_status() {
    let server = TestServer::start().await;
    let id = server.recorded("Squat", 30).await;
    server.recorded("Climb", 12).await;
    server.recording("Live", 5).await;
    let bytes = |session: &Value| session["stored_bytes"].as_u64().unwrap();
    let sessions = server.json("/api/sessions?status=completed").await;
    let stored: u64 = sessions["sessions"].as_array().unwrap().iter().map(bytes).sum();
    let metrics = server.get("/metrics").await.text().await.unwrap();
    for line in [
        "posesession_sessions{status=\"completed\"} 2",
        "posesession_sessions{status=\"recording\"} 1",
        "posesession_sessions{status=\"failed\"} 0",
        "posesession_frames_stored{status=\"completed\"} 42",
        "posesession_frames_stored{status=\"recording\"} 5",
        &format!("posesession_stored_bytes{{status=\"completed\"}} {stored}"),
    ] {
        assert!(metrics.lines().any(|told| told == line), "{line}: {metrics}");
    }
    server.request(Method::DELETE, &format!("/api/sessions/{id}")).send().await.unwrap();
    let metrics = server.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("posesession_sessions{status=\"completed\"} 1\n"), "{metrics}");
}

#[tokio::test]
async fn pages_list_each_session_once_whatever_comes_and_goes() {
    let server = TestServer::start().await;
    for n in 0..25 {
        server.recorded(&format!("session {n:02}"), 1).await;
    }
    let mut listed = Vec::new();
    let mut path = "/api/sessions?sort=name&order=asc&limit=4".to_owned();
    loop {
        let page = server.json(&path).await;
        listed.extend(names(&page));
        server.recorded("another session, before all others", 1).await;
        let Some(next) = page["next"].as_str() else { break };
        let url = reqwest::Url::parse_with_params("http://x/", [("cursor", next)]).unwrap();
        path = format!("/api/sessions?sort=name&order=asc&limit=4&{}", url.query().unwrap());
    }
    let expected: Vec<_> = (0..25).map(|n| format!("session {n:02}")).collect();
    assert_eq!(listed, expected);
}

#[tokio::test]
async fn malformed_queries_are_refused_by_name() {
    let server = TestServer::start().await;
    for query in [
        "limit=0",
        "limit=1001",
        "limit=many",
        "limit=-1",
        "limit=",
        "limit=99999999999999999999",
        "status=gone",
        "status=Recording",
        "sort=size",
        "order=up",
        "count=yes",
        "sorted=name",
        "limit=1&limit=2",
    ] {
        let problem =
            assert_problem(server.get(&format!("/api/sessions?{query}")).await, 400, "bad_query").await;
        let name = query.split('=').next().unwrap();
        assert!(problem["detail"].as_str().unwrap().contains(name), "{query}: {problem}");
    }
    assert_problem(server.get("/api/sessions?cursor=nonsense").await, 400, "bad_argument").await;
    server.recorded("a", 1).await;
    server.recorded("b", 1).await;
    let next = server.json("/api/sessions?limit=1").await["next"].as_str().unwrap().to_owned();
    let url = reqwest::Url::parse_with_params("http://x/", [("cursor", &next)]).unwrap();
    let other_order = format!("/api/sessions?sort=name&{}", url.query().unwrap());
    assert_problem(server.get(&other_order).await, 400, "bad_argument").await;
}

#[tokio::test]
async fn texts_come_back_as_they_were_sent() {
    let server = TestServer::start().await;
    let id = server.recorded("before", 1).await;
    let path = format!("/api/sessions/{id}");
    let name = "<img src=x onerror=\"alert(1)\"> ' \u{202e} 深蹲 %00 ../..";
    let metadata = json!({"<script>": ["</script>", 1.5, null, {"deep": true}], "weight": 80});
    let change = json!({"name": name, "metadata": metadata});
    let changed = server.request(Method::PATCH, &path).json(&change).send().await.unwrap();
    assert_eq!(changed.status(), StatusCode::OK);
    assert_eq!(changed.headers()["content-type"], "application/json");
    let session = server.json(&path).await;
    assert_eq!(session["name"], name);
    assert_eq!(session["metadata"], metadata);
    assert_eq!(session["description"], "");
    assert_eq!(changed.json::<Value>().await.unwrap(), session);
    assert_eq!(names(&server.json("/api/sessions?q=onerror").await), [name]);
}

#[tokio::test]
async fn a_change_that_is_not_understood_changes_nothing() {
    let server = TestServer::start().await;
    let id = server.recorded("as it was", 1).await;
    let path = format!("/api/sessions/{id}");
    let patch = || server.request(Method::PATCH, &path);
    for body in [
        "",
        "{",
        "[]",
        "null",
        r#"{"name":null}"#,
        r#"{"name":5}"#,
        r#"{"metadata":[]}"#,
        r#"{"metadata":"{}"}"#,
        r#"{"status":"completed"}"#,
        r#"{"name":"x","frame_count":3}"#,
    ] {
        let sent = patch().header("content-type", "application/json").body(body).send().await.unwrap();
        assert_problem(sent, 400, "bad_json").await;
    }
    let deep = format!(r#"{{"metadata":{{"a":{}{}}}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let sent = patch().header("content-type", "application/json").body(deep).send().await.unwrap();
    assert_problem(sent, 400, "bad_json").await;
    let form = patch().header("content-type", "text/plain").body(r#"{"name":"x"}"#).send().await.unwrap();
    assert_problem(form, 415, "unsupported_media_type").await;
    let nul = patch().json(&json!({"name": "a\0b"})).send().await.unwrap();
    assert_problem(nul, 400, "bad_argument").await;
    let long = patch().json(&json!({"name": "x".repeat(65_537)})).send().await.unwrap();
    assert_problem(long, 400, "bad_argument").await;
    let huge = patch().json(&json!({"name": "x".repeat(2 << 20)})).send().await.unwrap();
    assert_problem(huge, 413, "too_large").await;
    assert_eq!(server.json(&path).await["name"], "as it was");
}

#[tokio::test]
async fn a_deleted_session_is_gone_until_it_is_restored() {
    let server = TestServer::start().await;
    let id = server.recorded("Oops", 20).await;
    let path = format!("/api/sessions/{id}");
    let delete = || server.request(Method::DELETE, &path);
    let restore = || server.request(Method::POST, &format!("{path}/restore"));
    let deleted = delete().send().await.unwrap();
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    assert!(deleted.bytes().await.unwrap().is_empty());
    assert_problem(server.get(&path).await, 404, "session_not_found").await;
    assert_problem(server.get(&format!("{path}/frames")).await, 404, "session_not_found").await;
    assert_problem(delete().send().await.unwrap(), 404, "session_not_found").await;
    assert!(names(&server.json("/api/sessions").await).is_empty());

    let restored = restore().send().await.unwrap();
    assert_eq!(restored.status(), StatusCode::OK);
    assert_eq!(restored.json::<Value>().await.unwrap()["name"], "Oops");
    assert_eq!(restore().send().await.unwrap().status(), StatusCode::OK, "restoring twice is harmless");
    assert_eq!(server.json(&format!("{path}/frames")).await["frames"].as_array().unwrap().len(), 20);
}

#[tokio::test]
async fn a_deleted_session_is_erased_in_the_end() {
    let server = TestServer::start_with(|config| {
        config.erase_after = Duration::ZERO;
        config.erase_every = Duration::from_millis(10);
    })
    .await;
    let id = server.recorded("Gone", 20).await;
    server.request(Method::DELETE, &format!("/api/sessions/{id}")).send().await.unwrap();
    let restore = format!("/api/sessions/{id}/restore");
    let erased = async {
        while server.request(Method::POST, &restore).send().await.unwrap().status() != StatusCode::NOT_FOUND {
            server.request(Method::DELETE, &format!("/api/sessions/{id}")).send().await.unwrap();
        }
    };
    tokio::time::timeout(SOON, erased).await.expect("the session is erased");
}

#[tokio::test]
async fn a_session_that_is_being_recorded_is_not_deleted() {
    let server = TestServer::start().await;
    let id = server.recording("Live", 5).await;
    let path = format!("/api/sessions/{id}");
    let deleted = server.request(Method::DELETE, &path).send().await.unwrap();
    assert_problem(deleted, 409, "session_is_live").await;
    assert_eq!(server.json(&path).await["status"], "recording");
    let renamed = server.request(Method::PATCH, &path).json(&json!({"name": "Still live"})).send().await;
    assert_eq!(renamed.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn ids_that_are_none_name_no_session() {
    let server = TestServer::start().await;
    for id in [
        UNKNOWN,
        "0",
        "-1",
        "x",
        "..",
        "%2e%2e",
        "..%2f..%2fetc",
        "%00",
        "0190a5e4-0000-7000-8000-00000000000g",
        "' OR 1=1 --",
        "%F0%9F%A4%B8",
    ] {
        let id = id.replace(' ', "%20").replace('\'', "%27");
        for (method, path, change) in [
            ("GET", format!("/api/sessions/{id}"), None),
            ("GET", format!("/api/sessions/{id}/frames"), None),
            ("GET", format!("/api/sessions/{id}/angles"), None),
            ("GET", format!("/api/sessions/{id}/export?format=jsonl"), None),
            ("PATCH", format!("/api/sessions/{id}"), Some("{}")),
            ("DELETE", format!("/api/sessions/{id}"), None),
            ("POST", format!("/api/sessions/{id}/restore"), None),
        ] {
            let body = change.unwrap_or_default();
            let request = format!(
                "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{body}",
                server.address,
                body.len()
            );
            let answer = crate::support::raw(server.address, request.as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 404 "), "{method} {path}: {answer}");
        }
    }
}
